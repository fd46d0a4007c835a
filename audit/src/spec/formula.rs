//! Formulas of constraints and messages, for people.

use std::{collections::HashMap, fmt::Write};

use miden_core::{Felt, ONE, ZERO};
use miden_cvm_air::{
    algebra::Algebra,
    builder::PERIOD,
    chiplets::rpo::mds,
    columns::{Cells, CoreRow, HasherRow, OpcodeCols},
    opcode::{NAMES, OpFlags},
    symbolic::{Operation, Value},
    table::Table,
};
use winter_math::StarkField;

use super::{Input, Recorded, periodic_names, polynomial::Polynomial, solver::Polynomials};
use crate::columns::Names;

/// The beginning of the chapter.
const HEAD: &str = "\
# Formulas

Every constraint and every message of every table, as the code computes them. This chapter is printed from the
code, by `cargo run -p miden-cvm-audit --bin air-report -- formulas`, and a test compares it; what the constraints
protect is told in [Constraints](constraints.md), what the messages are for in [Buses](buses.md). `miden-cvm air`
prints the same as [data](specification.md).

`x'` is a cell of the next row; names of cells are those of [the trace](trace.md). Opcodes stand for their flags,
and `nodes` for that of SPLIT, LOOP, SPAN and JOIN; `intrinsic` is 1 on INTRINSIC, CALLER_ID, INSTANTIATE and DESTROY
rows, `plain_intrinsic` on all of these but DESTROY, `destructor` and `own_destructor` on those that call one. `C` is 1 for a composition and 0 for an open program. `not(x)` is `1 - x`,
`bin(x)` is `x · (x - 1)`. A message that is received has a negative count.

";

/// The chapter on all formulas.
pub fn chapter() -> String {
    let sections = Table::ALL.map(|table| Formulas::new(table).section());
    HEAD.to_owned() + &sections.join("\n")
}

/// The precedence of an expression: how tightly it holds together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Binding {
    Sum,
    Product,
    Atom,
}

/// A recorded table, with names for what has one.
#[derive(Debug)]
pub struct Formulas {
    recorded: Recorded,
    /// Names of nodes that are no cells: flags of opcodes, and the hasher's linear layer.
    named: HashMap<u32, String>,
    polynomials: Polynomials,
    names: Names,
}

/// The names of the cells of two rows.
#[derive(Debug)]
struct View {
    cells: Vec<String>,
    next: Vec<String>,
}

impl Formulas {
    /// The formulas of a table.
    pub fn new(table: Table) -> Self {
        let (recorded, named) = Recorded::with(table, |rows| {
            let mut named = HashMap::new();
            let mut name = |value: Value, name: String| {
                if let Value::Node(node) = value {
                    named.entry(node).or_insert(name);
                }
            };
            match table {
                Table::Core => {
                    name_flags(&CoreRow::from_cells(rows.cur).op, "", &mut name);
                    name_flags(&CoreRow::from_cells(rows.next).op, "'", &mut name);
                }
                Table::Hasher => {
                    let row = HasherRow::from_cells(rows.cur);
                    let mut input = mds(&row.state);
                    for (i, (lane, constant)) in
                        input.iter_mut().zip(rows.periodic.ark1).enumerate()
                    {
                        name(*lane, format!("(M · state)[{i}]"));
                        *lane += constant;
                    }
                    let power = core::array::from_fn(|i| row.cube_in[i].squared() * input[i]);
                    for (i, lane) in mds(&power).into_iter().enumerate() {
                        name(lane, format!("(M · (cube_in² · (M · state + ark1)))[{i}]"));
                    }
                }
                _ => {}
            }
            named
        });
        Self {
            polynomials: Polynomials::new(&recorded),
            recorded,
            named,
            names: Names::default(),
        }
    }

    /// The names of cells on the first row of a cycle on which something is not zero.
    fn view(&self, something: &Polynomial) -> View {
        let table = self.recorded.table;
        let place =
            (0..PERIOD).find(|&place| !self.polynomials.evaluated(something, place).is_zero());
        let place = place.unwrap_or(0);
        let row = |number: usize, prime: &str| {
            (0..table.width())
                .map(|column| format!("{}{prime}", self.names.of(table, number, column)))
                .collect()
        };
        View {
            cells: row(place, ""),
            next: row(place + 1, "'"),
        }
    }

    fn value(&self, value: Value, view: &View) -> (String, Binding) {
        match value {
            Value::Constant(value) => constant(value),
            Value::Node(node) => self.node(node, view),
        }
    }

    /// An expression as an operand of something that holds together as tightly.
    fn within(&self, node: u32, binding: Binding, view: &View) -> String {
        let (text, own) = self.node(node, view);
        if own < binding {
            format!("({text})")
        } else {
            text
        }
    }

    fn node(&self, node: u32, view: &View) -> (String, Binding) {
        use Binding::{Atom, Product, Sum};
        if let Some(name) = self.named.get(&node) {
            return (name.clone(), Atom);
        }
        match self.recorded.nodes[node as usize] {
            Operation::Input(number) => {
                let name = match Input::of(self.recorded.table, number as usize) {
                    Input::Current(column) => view.cells[column].clone(),
                    Input::Next(column) => view.next[column].clone(),
                    Input::Periodic(column) => periodic_names()[column].clone(),
                    Input::Composed => "C".into(),
                };
                (name, Atom)
            }
            Operation::Add(a, b) if a == b => {
                (format!("2 · {}", self.within(a, Product, view)), Product)
            }
            Operation::Add(a, b) => (
                format!(
                    "{} + {}",
                    self.within(a, Sum, view),
                    self.within(b, Sum, view)
                ),
                Sum,
            ),
            Operation::Sub(a, b) => (
                format!(
                    "{} - {}",
                    self.within(a, Sum, view),
                    self.within(b, Product, view)
                ),
                Sum,
            ),
            Operation::Mul(a, b) if a == b => (format!("{}²", self.within(a, Atom, view)), Atom),
            Operation::Mul(a, b) => self.binary(a, b).or_else(|| self.binary(b, a)).map_or_else(
                || {
                    (
                        format!(
                            "{} · {}",
                            self.within(a, Product, view),
                            self.within(b, Product, view)
                        ),
                        Product,
                    )
                },
                |x| (format!("bin({})", self.node(x, view).0), Atom),
            ),
            Operation::Shift(a, c) => {
                let c = Felt::from(c);
                let a = self.within(a, Sum, view);
                let text = match is_negative(c) {
                    true => format!("{a} - {}", constant(-c).0),
                    false => format!("{a} + {}", constant(c).0),
                };
                (text, Sum)
            }
            Operation::SubFrom(c, a) if Felt::from(c) == ONE => {
                (format!("not({})", self.node(a, view).0), Atom)
            }
            Operation::SubFrom(c, a) if Felt::from(c) == ZERO => {
                (format!("-{}", self.within(a, Atom, view)), Product)
            }
            Operation::SubFrom(c, a) => {
                let c = constant(c.into()).0;
                (format!("{c} - {}", self.within(a, Product, view)), Sum)
            }
            Operation::Scale(a, c) => {
                let c = constant(c.into()).0;
                (format!("{c} · {}", self.within(a, Product, view)), Product)
            }
        }
    }

    /// `x`, if `b` is `x - 1` and `a` is `x`.
    fn binary(&self, a: u32, b: u32) -> Option<u32> {
        match self.recorded.nodes[b as usize] {
            Operation::Shift(x, c) if x == a && Felt::from(c) == -ONE => Some(a),
            _ => None,
        }
    }

    /// The section of a chapter on this table.
    pub fn section(&self) -> String {
        let mut text = String::new();
        let table = self.recorded.table;
        writeln!(text, "## {}\n", table.name()).expect("a string");
        text.push_str("| constraint | degree | is zero |\n| --- | --- | --- |\n");
        for (i, constraint) in self.recorded.constraints.iter().enumerate() {
            let polynomial = &self.polynomials.constraints[i];
            let view = self.view(polynomial);
            let formula = self.value(constraint.value, &view).0;
            let (name, degree) = (constraint.name(), constraint.degree);
            writeln!(text, "| `{name}` | {degree} | `{formula}` |").expect("a string");
        }
        text.push_str(
            "\n| message | bus, slot | count | coordinates |\n| --- | --- | --- | --- |\n",
        );
        for (i, message) in self.recorded.messages.iter().enumerate() {
            let view = self.view(&self.polynomials.messages[i].1);
            let coordinates: Vec<String> = message
                .fields
                .iter()
                .zip(&message.coordinates)
                .map(|(field, &value)| format!("`{field} = {}`", self.value(value, &view).0))
                .collect();
            writeln!(
                text,
                "| `{}` | `{:?}`, {} | `{}` | {} |",
                message.name,
                message.bus,
                message.slot.0,
                self.value(message.count, &view).0,
                coordinates.join(", ")
            )
            .expect("a string");
        }
        text
    }
}

/// Names the flags of the opcodes of a row.
fn name_flags(op: &OpcodeCols<Value>, prime: &str, name: &mut impl FnMut(Value, String)) {
    let ops = OpFlags::new(op);
    for &(opcode, code) in NAMES {
        name(ops.op(code), format!("{opcode}{prime}"));
    }
    for (what, flag) in [
        ("nodes", ops.plain_node()),
        ("intrinsic", ops.intrinsic()),
        ("plain_intrinsic", ops.plain_intrinsic()),
        ("destructor", ops.destructor()),
        ("own_destructor", ops.own_destructor()),
        ("calls_destructor", ops.calls_destructor()),
    ] {
        name(flag, format!("{what}{prime}"));
    }
}

fn is_negative(value: Felt) -> bool {
    value.as_int() > Felt::MODULUS / 2
}

/// A constant: powers of two from 2^16 on as such, and those beyond half of the modulus as negative
/// numbers.
fn constant(value: Felt) -> (String, Binding) {
    if is_negative(value) {
        let (text, _) = constant(-value);
        return (format!("-{text}"), Binding::Product);
    }
    let value = value.as_int();
    if value >= 1 << 16 && value.is_power_of_two() {
        return (format!("2^{}", value.ilog2()), Binding::Atom);
    }
    (value.to_string(), Binding::Atom)
}
