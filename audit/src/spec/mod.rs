//! The AIR as data: columns, constraints and messages of every table, recorded by evaluating the
//! constraint functions on symbolic values.

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
    builder::{ConstraintBuilder, NUM_PERIODIC, Periodic},
    columns::{Cells, cells_of},
    lookup::{Bus, LookupBuilder, Message, Slot},
    symbolic::{Operation, Value, record},
    table::{Table, Window},
};
use polynomial::{Polynomial, Variable};

/// A constraint, as recorded.
#[derive(Debug, Clone)]
pub struct Constraint {
    /// Its name, without the number of the member.
    pub family: &'static str,
    /// The number of the member, if it is one of a family.
    pub member: Option<usize>,
    /// The degree that it declares.
    pub degree: usize,
    /// The value that is zero.
    pub value: Value,
}

impl Constraint {
    /// Its name, with the number of the member.
    pub fn name(&self) -> String {
        match self.member {
            Some(member) => format!("{}[{member}]", self.family),
            None => self.family.into(),
        }
    }
}

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

/// A message, as recorded.
#[derive(Debug, Clone)]
pub struct Sent {
    /// Its name.
    pub name: &'static str,
    /// Its bus.
    pub bus: Bus,
    /// Its slot.
    pub slot: Slot,
    /// 1 where the count may be something other than zero.
    pub flag: Value,
    /// The number of times that it is sent; negative for receiving.
    pub count: Value,
    /// The coordinates.
    pub coordinates: Vec<Value>,
    /// The names of the coordinates.
    pub fields: Vec<String>,
}

/// A table, as recorded.
#[derive(Debug)]
pub struct Recorded {
    /// The table.
    pub table: Table,
    /// The operations, operands before results.
    pub nodes: Vec<Operation>,
    /// The transition constraints, in order.
    pub constraints: Vec<Constraint>,
    /// The messages, in order.
    pub messages: Vec<Sent>,
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

/// The symbolic rows of a table.
pub fn with_rows<R>(table: Table, f: impl FnOnce(&Window<'_, Value>) -> R) -> R {
    let width = table.width();
    let inputs: Vec<Value> = (0..=2 * width + NUM_PERIODIC).map(Value::input).collect();
    f(&Window {
        cur: &inputs[..width],
        next: &inputs[width..2 * width],
        periodic: Periodic::from_cells(&inputs[2 * width..][..NUM_PERIODIC]),
        composed: inputs[2 * width + NUM_PERIODIC],
    })
}

#[derive(Default)]
struct Collector {
    constraints: Vec<Constraint>,
    messages: Vec<Sent>,
}

impl ConstraintBuilder for Collector {
    type Expr = Value;

    fn assert_zero(&mut self, family: &'static str, degree: usize, value: Value) {
        self.constraints.push(Constraint {
            family,
            member: None,
            degree,
            value,
        });
    }

    fn assert_zeros<const N: usize>(
        &mut self,
        family: &'static str,
        degree: usize,
        values: [Value; N],
    ) {
        for (i, value) in values.into_iter().enumerate() {
            self.constraints.push(Constraint {
                family,
                member: Some(i),
                degree,
                value,
            });
        }
    }
}

impl LookupBuilder for Collector {
    type Expr = Value;

    fn add<M: Message<Value>>(
        &mut self,
        slot: Slot,
        name: &'static str,
        flag: Value,
        count: Value,
        message: M,
    ) {
        let fields = M::FIELDS.iter().flat_map(|&(field, cells)| {
            (0..cells).map(move |i| match cells {
                1 => field.to_owned(),
                _ => format!("{field}[{i}]"),
            })
        });
        self.messages.push(Sent {
            name,
            bus: M::BUS,
            slot,
            flag,
            count,
            coordinates: cells_of(&message).to_vec(),
            fields: fields.collect(),
        });
    }
}

impl Recorded {
    /// Records a table.
    pub fn new(table: Table) -> Self {
        Self::with(table, |_| ()).0
    }

    /// Records a table, and what `more` computes with the same values, whose nodes are the same as
    /// those of equal expressions in the constraints.
    pub fn with<R>(table: Table, more: impl FnOnce(&Window<'_, Value>) -> R) -> (Self, R) {
        let (nodes, (collector, more)) = record(|| {
            with_rows(table, |rows| {
                let mut collector = Collector::default();
                table.constraints(rows, &mut collector);
                table.lookups(rows, &mut collector);
                (collector, more(rows))
            })
        });
        let recorded = Self {
            table,
            nodes,
            constraints: collector.constraints,
            messages: collector.messages,
        };
        (recorded, more)
    }

    /// Returns every node as a polynomial.
    pub fn expand(&self) -> Expanded<'_> {
        Expanded {
            recorded: self,
            known: vec![None; self.nodes.len()],
        }
    }
}

/// Polynomials of nodes, computed when they are asked for.
pub struct Expanded<'a> {
    recorded: &'a Recorded,
    known: Vec<Option<Polynomial>>,
}

impl Expanded<'_> {
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
            let value = match self.recorded.nodes[at] {
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
