//! The exported AIR says what the code computes.

use std::collections::BTreeSet;

use miden_core::{Felt, ZERO};
use miden_cvm_air::{
    air::periodic_rows,
    builder::{ConstraintBuilder, PERIOD},
    columns::cells_of,
    lookup::{Content, LookupBuilder, Slot},
    table::{Table, Window},
};
use miden_cvm_audit::spec::json::{evaluate, specification};
use serde_json::Value as Json;

/// The values that the code computes: constraints, then flag, count and coordinates of each
/// message.
#[derive(Default)]
struct Values(Vec<Felt>);

impl ConstraintBuilder for Values {
    type Expr = Felt;

    fn constrain(&mut self, _: &'static str, _: Option<usize>, _: usize, value: Felt) {
        self.0.push(value);
    }
}

impl LookupBuilder for Values {
    type Expr = Felt;

    fn send(
        &mut self,
        _: Slot,
        _: &'static str,
        flag: Felt,
        count: Felt,
        content: Content<'_, Felt>,
    ) {
        self.0.extend([flag, count]);
        self.0.extend(content.coordinates);
    }
}

/// Cells that have nothing to do with each other.
fn cells(seed: u64, count: usize) -> Vec<Felt> {
    let mut state = seed;
    (0..count)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            Felt::new(state >> 1)
        })
        .collect()
}

/// The entries of an array of the form.
fn list<'a>(json: &'a Json, name: &str) -> &'a [Json] {
    json[name]
        .as_array()
        .unwrap_or_else(|| panic!("no list {name}"))
}

#[test]
fn exported_expressions_are_those_of_the_code() {
    // As a reader gets it.
    let text = specification().to_string();
    let json: Json = serde_json::from_str(&text).expect("JSON");
    let tables = list(&json, "tables");
    assert_eq!(tables.len(), Table::COUNT);
    for (table, exported) in Table::ALL.into_iter().zip(tables) {
        assert_eq!(exported["name"], table.name());
        let columns = list(exported, "columns").iter().map(Json::to_string);
        let names: BTreeSet<String> = columns.collect();
        assert_eq!(
            names.len(),
            table.width(),
            "every column has a name of its own"
        );
        let expressions = list(exported, "expressions");
        let mut wanted: Vec<usize> = Vec::new();
        let number = |json: &Json| json.as_u64().expect("a number") as usize;
        for constraint in list(exported, "constraints") {
            wanted.push(number(&constraint["value"]));
        }
        for message in list(exported, "messages") {
            wanted.extend([number(&message["flag"]), number(&message["count"])]);
            wanted.extend(
                list(message, "coordinates")
                    .iter()
                    .map(|c| number(&c["value"])),
            );
        }
        for (row, composed) in [(0, false), (3, true), (7, true)] {
            let (cur, next) = (
                cells(row + 1, table.width()),
                cells(row + 99, table.width()),
            );
            let periodic = periodic_rows()[row as usize % PERIOD];
            let composed_value = Felt::from(u8::from(composed));
            let window = Window {
                cur: &cur,
                next: &next,
                periodic: &periodic,
                composed: composed_value,
            };
            let mut expected = Values::default();
            table.constraints(&window, &mut expected);
            table.lookups(&window, &mut expected);
            let inputs = [&cur[..], &next, cells_of(&periodic)];
            let found: Vec<Felt> = wanted
                .iter()
                .map(|&value| {
                    evaluate(expressions, value, inputs, composed).expect("an expression")
                })
                .collect();
            assert_eq!(found, expected.0, "{}, row {row}", table.name());
            assert!(found.iter().any(|&value| value != ZERO));
        }
        let catalog = table.constraint_catalog();
        let named: Vec<(&str, usize)> = list(exported, "constraints")
            .iter()
            .map(|c| (c["name"].as_str().expect("a name"), number(&c["degree"])))
            .collect();
        let expected: Vec<(&str, usize)> = catalog
            .iter()
            .map(|c| (c.name.as_str(), c.degree))
            .collect();
        assert_eq!(named, expected);
        let messages: Vec<&str> = list(exported, "messages")
            .iter()
            .map(|m| m["name"].as_str().expect("a name"))
            .collect();
        let expected = table.message_catalog();
        assert_eq!(
            messages,
            expected.iter().map(|m| m.name.as_str()).collect::<Vec<_>>()
        );
    }
}
