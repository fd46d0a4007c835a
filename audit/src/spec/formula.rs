//! Formulas of constraints and messages, for people.

use std::{collections::HashMap, fmt::Write};

use miden_core::{Felt, ONE, ZERO};
use miden_cvm_air::{
    algebra::Algebra,
    builder::PERIOD,
    chiplets::rpo::mds,
    columns::{Cells, CoreRow, HasherRow},
    opcode::{OPCODES, OpFlags},
    symbolic::{Expression, Operation, Value},
    table::Table,
};
use winter_math::StarkField;

use super::{
    Declaration, Input, coordinate_names, periodic_names, polynomial::Polynomial,
    solver::Polynomials,
};
use crate::columns::{Names, RowKind};

/// The beginning of the chapter.
const HEAD: &str = "\
# Formulas

Every constraint and every message of every table, as the code computes them. This chapter is printed from the
code, by `cargo run -p miden-cvm-audit --bin air-report -- formulas`, and a test compares it; what the constraints
protect is told in [Constraints](constraints.md), what the messages are for in [Buses](buses.md). `miden-cvm air`
prints the same as [data](specification.md).

`x'` is a cell of the next row; names of cells are those of [the trace](trace.md). Under the flag of an END row, of a
call or of an intrinsic, cells have the names that they have on such rows, and so have the hasher's under those of its
kinds of cycles. Opcodes stand for their flags. `C` is 1 for a composition and 0 for an open program. `not(x)` is
`1 - x`, `bin(x)` is `x · (x - 1)`. A message that is received has a negative count.

";

/// The chapter on all formulas.
pub fn chapter() -> String {
    let sections = Table::ALL.map(|table| Formulas::new(table).section());
    HEAD.to_owned() + &sections.join("\n")
}

/// The precedence of an expression: how tightly it holds together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Binding {
    Sum,
    Product,
    Atom,
}

/// A recorded table, with names for what has one.
#[derive(Debug)]
pub struct Formulas {
    recorded: Declaration,
    /// Names of nodes that are no cells: flags of opcodes, and the hasher's linear layer.
    named: HashMap<u32, String>,
    polynomials: Polynomials,
    names: Names,
    kinds: Vec<RowKind>,
}

/// The names of the cells of two rows.
#[derive(Debug, Clone)]
struct View {
    cells: Vec<String>,
    next: Vec<String>,
}

impl Formulas {
    /// The formulas of a table.
    pub fn new(table: Table) -> Self {
        let (recorded, named) = table.declaration().with(|rows| {
            let mut named = HashMap::new();
            let mut name = |value: Expression<'_>, name: String| {
                if let Value::Node(node) = value.value() {
                    named.entry(node).or_insert(name);
                }
            };
            match table {
                Table::Core => {
                    name_flags(CoreRow::from_cells(rows.cur), "", &mut name);
                    name_flags(CoreRow::from_cells(rows.next), "'", &mut name);
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
            kinds: RowKind::of(table),
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

    /// The names that cells have on the rows on which an expression is not zero, if its flags tell
    /// which these are.
    fn names_of_rows(&self, node: u32, view: &View) -> Option<HashMap<usize, &str>> {
        let flag = match (self.named.get(&node), self.recorded.nodes[node as usize]) {
            (Some(name), _) => Some(name),
            (None, Operation::Input(number)) => {
                match Input::of(self.recorded.table, number as usize) {
                    Input::Current(column) => Some(&view.cells[column]),
                    Input::Periodic(column) => Some(&periodic_names()[column]),
                    Input::Next(_) | Input::Composed => None,
                }
            }
            (None, _) => None,
        };
        let kind = flag.and_then(|flag| {
            let mut kinds = self.kinds.iter();
            kinds.find(|kind| kind.flags.contains(&&**flag))
        });
        if let Some(kind) = kind {
            let names = kind.names.iter().map(|(&column, name)| (column, &**name));
            return Some(names.collect());
        }
        match self.recorded.nodes[node as usize] {
            Operation::Add(a, b) => {
                let (mut a, b) = (self.names_of_rows(a, view)?, self.names_of_rows(b, view)?);
                a.retain(|column, name| b.get(column) == Some(name));
                Some(a)
            }
            Operation::Mul(a, b) => {
                match (self.names_of_rows(a, view), self.names_of_rows(b, view)) {
                    (Some(mut a), Some(b)) => {
                        a.extend(b);
                        Some(a)
                    }
                    (a, b) => a.or(b),
                }
            }
            _ => None,
        }
    }

    /// The names of the cells in a product.
    fn within_product(&self, product: u32, view: &View) -> View {
        let mut within = view.clone();
        for (column, name) in self.names_of_rows(product, view).unwrap_or_default() {
            within.cells[column] = name.into();
        }
        within
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
        match self.named.get(&node) {
            Some(name) => (name.clone(), Binding::Atom),
            None => self.operation(node, view),
        }
    }

    /// An expression by what it is made of, even if it has a name.
    fn operation(&self, node: u32, view: &View) -> (String, Binding) {
        use Binding::{Atom, Product, Sum};
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
                    let view = &self.within_product(node, view);
                    let (a, b) = (self.within(a, Product, view), self.within(b, Product, view));
                    (format!("{a} · {b}"), Product)
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
                let text = match self.recorded.nodes[a as usize] {
                    Operation::Scale(a, factor) if is_negative(factor.into()) => {
                        let factor = constant(-Felt::from(factor)).0;
                        format!("{c} + {factor} · {}", self.within(a, Product, view))
                    }
                    _ => format!("{c} - {}", self.within(a, Product, view)),
                };
                (text, Sum)
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

    /// The recorded table that the formulas are of.
    pub(super) fn recorded(&self) -> &Declaration {
        &self.recorded
    }

    /// The expression that is zero by a constraint.
    pub(super) fn constraint(&self, number: usize) -> String {
        let view = self.view(&self.polynomials.constraints[number]);
        self.value(self.recorded.constraints[number].value, &view).0
    }

    /// The count of a message.
    pub(super) fn count(&self, number: usize) -> String {
        let view = self.view(&self.polynomials.messages[number].1);
        self.value(self.recorded.messages[number].count, &view).0
    }

    /// The flags of sets of opcodes that have names, with what they are.
    fn flags(&self) -> Vec<(&str, String)> {
        let is_opcode = |name: &str| OPCODES.iter().any(|opcode| opcode.name == name);
        let view = self.view(&Polynomial::default());
        let mut flags: Vec<(u32, &str)> = self
            .named
            .iter()
            .map(|(&node, name)| (node, &**name))
            .collect();
        flags.retain(|(_, name)| !name.ends_with('\'') && !is_opcode(name));
        flags.sort_unstable();
        let definitions = flags
            .into_iter()
            .map(|(node, name)| (name, self.operation(node, &view).0));
        definitions.collect()
    }

    /// The section of a chapter on this table.
    fn section(&self) -> String {
        let mut text = String::new();
        let table = self.recorded.table;
        writeln!(text, "## {}\n", table.name()).expect("a string");
        if table == Table::Core {
            text.push_str("| flag | is |\n| --- | --- |\n");
            for (name, definition) in self.flags() {
                writeln!(text, "| `{name}` | `{definition}` |").expect("a string");
            }
            text.push('\n');
        }
        text.push_str("| constraint | degree | is zero |\n| --- | --- | --- |\n");
        for (i, constraint) in self.recorded.constraints.iter().enumerate() {
            let (name, degree) = (constraint.name(), constraint.degree);
            let formula = self.constraint(i);
            writeln!(text, "| `{name}` | {degree} | `{formula}` |").expect("a string");
        }
        text.push_str(
            "\n| message | bus, slot | count | coordinates |\n| --- | --- | --- | --- |\n",
        );
        for (i, message) in self.recorded.messages.iter().enumerate() {
            let view = self.view(&self.polynomials.messages[i].1);
            let view = match message.flag {
                Value::Node(flag) => self.within_product(flag, &view),
                Value::Constant(_) => view,
            };
            let coordinates: Vec<String> = coordinate_names(message)
                .zip(&message.coordinates)
                .map(|(field, &value)| format!("`{field} = {}`", self.value(value, &view).0))
                .collect();
            writeln!(
                text,
                "| `{}` | `{:?}`, {} | `{}` | {} |",
                message.name,
                message.bus,
                message.slot.0,
                self.count(i),
                coordinates.join(", ")
            )
            .expect("a string");
        }
        text
    }
}

/// Names the flags of the opcodes of a row, and of sets of them.
fn name_flags<'r>(
    row: &CoreRow<Expression<'r>>,
    prime: &str,
    name: &mut impl FnMut(Expression<'r>, String),
) {
    let ops = OpFlags::new(&row.op);
    for opcode in OPCODES {
        name(ops.op(opcode.code), format!("{}{prime}", opcode.name));
    }
    for (what, flag) in [
        ("nodes", ops.plain_node()),
        ("intrinsic", ops.intrinsic()),
        ("plain_intrinsic", ops.plain_intrinsic()),
        ("destructor", ops.destructor()),
        ("own_destructor", ops.own_destructor()),
        ("calls_destructor", ops.calls_destructor()),
        ("start", ops.start(row.decoder.call)),
        ("enter", ops.enter(row.decoder.call)),
        ("leave", ops.leave(&row.as_end())),
    ] {
        name(flag, format!("{what}{prime}"));
    }
}

fn is_negative(value: Felt) -> bool {
    value.as_int() > Felt::MODULUS / 2
}

/// A constant: powers of two from 2^16 on as such, and those beyond half of the modulus as negative
/// numbers.
pub(super) fn constant(value: Felt) -> (String, Binding) {
    if is_negative(value) {
        let (text, _) = constant(-value);
        return (format!("-{text}"), Binding::Product);
    }
    let value = value.as_int();
    if value >= 1 << 16 && value.is_power_of_two() {
        return (format!("2^{}", value.ilog2()), Binding::Atom);
    }
    if value == u64::from(u32::MAX) {
        return ("(2^32 - 1)".into(), Binding::Atom);
    }
    (value.to_string(), Binding::Atom)
}
