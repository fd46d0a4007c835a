//! The AIR as JSON.

use std::collections::BTreeMap;

use miden_core::{Felt, ONE, ZERO};
use miden_cvm_air::{
    MAX_DEGREE,
    air::periodic_rows,
    builder::PERIOD,
    columns::cells_of,
    lookup::Bus,
    public::PublicInputs,
    symbolic::{Operation, Value},
    table::Table,
};
use serde_json::{Value as Json, json};
use winter_math::StarkField;

use super::{Declaration, Input, coordinate_names, periodic_names, row_of, source_of};
use crate::columns::Names;

/// The number of the format.
pub const FORMAT: u32 = 1;

/// The AIR of all tables.
pub fn specification() -> Json {
    let periodic: Vec<Json> = periodic_names()
        .iter()
        .enumerate()
        .map(|(column, name)| {
            let rows = periodic_rows();
            let values = rows
                .iter()
                .map(|row| cells_of::<Felt, _>(row)[column].to_string());
            json!({ "name": name, "values": values.collect::<Vec<_>>() })
        })
        .collect();
    let buses: Vec<Json> = Bus::ALL
        .iter()
        .map(|bus| json!({ "name": format!("{bus:?}"), "id": *bus as u8 }))
        .collect();
    json!({
        "format": FORMAT,
        "modulus": Felt::MODULUS.to_string(),
        "max_degree": MAX_DEGREE,
        "period": PERIOD,
        "periodic": periodic,
        "buses": buses,
        "tables": Table::ALL.map(table),
    })
}

/// A table.
fn table(table: Table) -> Json {
    let recorded = table.declaration();
    let mut expressions = Expressions::new(recorded);
    let constraints: Vec<Json> = recorded
        .constraints
        .iter()
        .map(|constraint| {
            json!({
                "name": constraint.name(),
                "degree": constraint.degree,
                "value": expressions.of(constraint.value),
            })
        })
        .collect();
    let messages: Vec<Json> = recorded
        .messages
        .iter()
        .map(|message| {
            let coordinates: Vec<Json> = coordinate_names(message)
                .zip(&message.coordinates)
                .map(|(name, &value)| json!({ "name": name, "value": expressions.of(value) }))
                .collect();
            json!({
                "name": message.name,
                "bus": format!("{:?}", message.bus),
                "slot": message.slot.0,
                "flag": expressions.of(message.flag),
                "count": expressions.of(message.count),
                "coordinates": coordinates,
            })
        })
        .collect();
    let names = Names::default();
    let columns: Vec<_> = (0..table.width())
        .map(|column| names.of(table, 0, column))
        .collect();
    let packing = table.packing();
    let auxiliary: Vec<Json> = packing
        .columns
        .iter()
        .zip(&packing.degrees)
        .map(|(slots, degree)| json!({ "slots": slots, "degree": degree }))
        .collect();
    json!({
        "name": table.name(),
        "min_height": table.min_height(),
        "columns": columns,
        "auxiliary": auxiliary,
        "expressions": expressions.list,
        "constraints": constraints,
        "messages": messages,
        "boundaries": boundaries(table),
    })
}

fn boundaries(table: Table) -> Vec<Json> {
    let boundaries = table.boundaries(&PublicInputs::default()).into_iter();
    boundaries
        .map(|boundary| {
            let constant = || boundary.value.to_string();
            json!({
                "name": boundary.name,
                "column": boundary.column,
                "row": row_of(&boundary),
                "value": boundary.source.map_or_else(constant, source_of),
            })
        })
        .collect()
}

/// The expressions of a table, constants among them, each once.
struct Expressions<'a> {
    recorded: &'a Declaration,
    /// The numbers of nodes that are listed.
    nodes: BTreeMap<u32, usize>,
    /// The numbers of constants that are listed.
    constants: BTreeMap<u64, usize>,
    list: Vec<Json>,
}

impl<'a> Expressions<'a> {
    fn new(recorded: &'a Declaration) -> Self {
        Self {
            recorded,
            nodes: BTreeMap::new(),
            constants: BTreeMap::new(),
            list: Vec::new(),
        }
    }

    fn push(&mut self, expression: Json) -> usize {
        self.list.push(expression);
        self.list.len() - 1
    }

    fn of(&mut self, value: Value) -> usize {
        match value {
            Value::Constant(value) => self.constant(value),
            Value::Node(node) => self.node(node),
        }
    }

    fn constant(&mut self, value: Felt) -> usize {
        if let Some(&number) = self.constants.get(&value.as_int()) {
            return number;
        }
        let number = self.push(json!(["constant", value.to_string()]));
        self.constants.insert(value.as_int(), number);
        number
    }

    fn node(&mut self, node: u32) -> usize {
        if let Some(&number) = self.nodes.get(&node) {
            return number;
        }
        let expression = match self.recorded.nodes[node as usize] {
            Operation::Input(number) => match Input::of(self.recorded.table, number as usize) {
                Input::Current(column) => json!(["current", column]),
                Input::Next(column) => json!(["next", column]),
                Input::Periodic(column) => json!(["periodic", column]),
                Input::Composed => json!(["composed"]),
            },
            Operation::Add(a, b) => json!(["add", self.node(a), self.node(b)]),
            Operation::Sub(a, b) => json!(["sub", self.node(a), self.node(b)]),
            Operation::Mul(a, b) => json!(["mul", self.node(a), self.node(b)]),
            Operation::Shift(a, c) => json!(["add", self.node(a), self.constant(c.into())]),
            Operation::SubFrom(c, a) => json!(["sub", self.constant(c.into()), self.node(a)]),
            Operation::Scale(a, c) => json!(["mul", self.node(a), self.constant(c.into())]),
        };
        let number = self.push(expression);
        self.nodes.insert(node, number);
        number
    }
}

/// The value of an expression of a table in the JSON form, for those who check what they have read.
///
/// `inputs` are the cells of the current row, of the next row, and of the periodic columns.
pub fn evaluate(
    expressions: &[Json],
    number: usize,
    inputs: [&[Felt]; 3],
    composed: bool,
) -> Option<Felt> {
    let mut values: Vec<Felt> = Vec::with_capacity(number + 1);
    for expression in expressions.get(..=number)? {
        let operand = |i: usize| -> Option<usize> { expression.get(i)?.as_u64()?.try_into().ok() };
        let value = |i: usize| -> Option<Felt> { values.get(operand(i)?).copied() };
        let [current, next, periodic] = inputs;
        let next = match expression.get(0)?.as_str()? {
            "current" => *current.get(operand(1)?)?,
            "next" => *next.get(operand(1)?)?,
            "periodic" => *periodic.get(operand(1)?)?,
            "composed" if composed => ONE,
            "composed" => ZERO,
            "constant" => Felt::new(expression.get(1)?.as_str()?.parse().ok()?),
            "add" => value(1)? + value(2)?,
            "sub" => value(1)? - value(2)?,
            "mul" => value(1)? * value(2)?,
            _ => return None,
        };
        values.push(next);
    }
    values.pop()
}
