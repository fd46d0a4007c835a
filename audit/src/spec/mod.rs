//! The AIR as data: columns, constraints and messages of every table, as they are recorded.

pub mod chapters;
pub mod formula;
pub mod json;
pub mod operations;
pub mod polynomial;
pub mod solver;

use std::sync::LazyLock;

use miden_core::Felt;
use miden_cvm_air::{
    boundary::{Boundary, StackCell},
    builder::{NUM_PERIODIC, Periodic},
    columns::Cells,
    symbolic::{Operation, Value},
    table::{Declaration, Sent, Table},
};
use polynomial::{Polynomial, Variable};

/// The row that a boundary constraint is on.
fn row_of(boundary: &Boundary) -> &'static str {
    match boundary.last {
        true => "last",
        false => "first",
    }
}

/// The name of the public input that a cell is equal to.
fn source_of(cell: StackCell) -> String {
    match cell {
        StackCell::Input(position) => format!("stack_inputs[{position}]"),
        StackCell::Output(position) => format!("stack_outputs[{position}]"),
    }
}

/// The names of a message's coordinates.
fn coordinate_names(message: &Sent) -> impl Iterator<Item = String> {
    message.fields.iter().flat_map(|&(field, cells)| {
        (0..cells).map(move |i| match cells {
            1 => field.to_owned(),
            _ => format!("{field}[{i}]"),
        })
    })
}

/// An input of the recorded computation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// A cell of the current row, by its column.
    Current(usize),
    /// A cell of the next row, by its column.
    Next(usize),
    /// A periodic column.
    Periodic(usize),
    /// 1 for a composition, 0 for an open program.
    Composed,
}

impl Input {
    /// The input of a table with this number.
    pub fn of(table: Table, number: usize) -> Self {
        let width = table.width();
        match number {
            _ if number < width => Self::Current(number),
            _ if number < 2 * width => Self::Next(number - width),
            _ if number < 2 * width + NUM_PERIODIC => Self::Periodic(number - 2 * width),
            _ => Self::Composed,
        }
    }

    /// Its number among the inputs of a table.
    pub fn number(self, table: Table) -> usize {
        let width = table.width();
        match self {
            Self::Current(column) => column,
            Self::Next(column) => width + column,
            Self::Periodic(column) => 2 * width + column,
            Self::Composed => 2 * width + NUM_PERIODIC,
        }
    }

    /// Its number as a variable.
    pub fn variable(self, table: Table) -> Variable {
        self.number(table) as Variable
    }
}

/// The names of the periodic columns.
pub fn periodic_names() -> &'static [String] {
    static NAMES: LazyLock<Vec<String>> = LazyLock::new(|| {
        let numbers: [usize; NUM_PERIODIC] = core::array::from_fn(|i| i);
        crate::columns::names_of(
            &format!("{:?}", Periodic::from_cells(&numbers)),
            NUM_PERIODIC,
        )
    });
    &NAMES
}

/// Polynomials of nodes, computed when they are asked for.
pub struct Expanded<'a> {
    nodes: &'a [Operation],
    known: Vec<Option<Polynomial>>,
}

impl<'a> Expanded<'a> {
    /// The polynomials of these nodes.
    pub fn new(nodes: &'a [Operation]) -> Self {
        Self {
            nodes,
            known: vec![None; nodes.len()],
        }
    }

    /// The polynomial of a value.
    pub fn of(&mut self, value: Value) -> Polynomial {
        match value {
            Value::Constant(value) => Polynomial::constant(value),
            Value::Node(node) => self.node(node).clone(),
        }
    }

    fn node(&mut self, node: u32) -> &Polynomial {
        let at = node as usize;
        if self.known[at].is_none() {
            let one = Felt::new(1);
            let value = match self.nodes[at] {
                Operation::Input(number) => Polynomial::variable(number as Variable),
                Operation::Add(a, b) => {
                    let a = self.node(a).clone();
                    a.plus(self.node(b), one)
                }
                Operation::Sub(a, b) => {
                    let a = self.node(a).clone();
                    a.plus(self.node(b), -one)
                }
                Operation::Mul(a, b) => {
                    let a = self.node(a).clone();
                    a.times(self.node(b))
                }
                Operation::Shift(a, c) => {
                    let c = Polynomial::constant(c.into());
                    self.node(a).plus(&c, one)
                }
                Operation::SubFrom(c, a) => {
                    let c = Polynomial::constant(c.into());
                    c.plus(self.node(a), -one)
                }
                Operation::Scale(a, c) => self.node(a).scaled(c.into()),
            };
            self.known[at] = Some(value);
        }
        self.known[at].as_ref().expect("it was computed above")
    }
}
