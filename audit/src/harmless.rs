//! Why some mutations that nothing rejects are harmless: each reason with a rule that recognizes
//! exactly its case.

use std::collections::HashMap;

use miden_core::{Felt, ONE, ZERO};
use miden_cvm_air::opcode::{ADVPOP, ADVPOPW};

use crate::{
    columns::{CHIPLETS, Part},
    forgery::{Forgery, can_be_added},
    honest::{Cell, opcode},
    messages::{Key, Sent},
};

/// Why a mutation that nothing rejects is harmless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The changed cells hold witnesses, not state, and on these rows nothing reads them.
    Unread,
    /// The changed cells are elements of the stack that came from the advice, which is the
    /// prover's choice, and that nothing used.
    Advice,
    /// Rows of facts or of records stand in another order.
    Order,
    /// The range and byte tables state other numbers, or state them elsewhere: all of them are
    /// numbers of their size, or else a byte is missing.
    Tables,
    /// A distance that the first row of the memory does not have, or the level that a cycle of the
    /// hasher without a Merkle path does not have: the column's range check reads it, nothing else.
    NoDistance,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Self; 5] = [
        Self::Unread,
        Self::Advice,
        Self::Order,
        Self::Tables,
        Self::NoDistance,
    ];

    /// The reason in words.
    pub fn text(self) -> &'static str {
        match self {
            Self::Unread => "witness cells that nothing reads on their rows",
            Self::Advice => "unused elements from the advice",
            Self::Order => "facts or records in another order",
            Self::Tables => "other true numbers in the range and byte tables",
            Self::NoDistance => "distances and levels where there is none",
        }
    }
}

/// The reason why a forgery that nothing rejects is harmless, if there is one.
pub fn reason(forgery: &Forgery<'_>, chosen: &[(Cell, Felt, Felt)]) -> Option<Reason> {
    let (old, new) = forgery.message_changes();
    let same = old.len() == new.len()
        && old
            .iter()
            .zip(&new)
            .all(|(a, b)| a.key == b.key && a.count == b.count && a.name == b.name);
    if same && chosen.iter().all(|&(cell, ..)| is_witness(forgery, cell)) {
        return Some(Reason::Unread);
    }
    if same
        && chosen
            .iter()
            .all(|&(cell, ..)| is_witness(forgery, cell) || is_advice(forgery, cell))
    {
        return Some(Reason::Advice);
    }
    let (old, new) = (balance(&old), balance(&new));
    let within = |part: Part| {
        chosen
            .iter()
            .all(|&((_, column), ..)| part.columns().contains(&column))
    };
    if (within(Part::Range) || within(Part::Chiplets)) && old == new {
        return Some(Reason::Order);
    }
    let range_only = || {
        let keys = old.keys().chain(new.keys());
        let mut differing = keys.filter(|key| old.get(key) != new.get(key));
        differing.all(|key| can_be_added(key.bus))
    };
    if within(Part::Range) && range_only() {
        return Some(Reason::Tables);
    }
    if chosen
        .iter()
        .all(|&(cell, ..)| is_no_distance(forgery, cell))
        && range_only()
    {
        return Some(Reason::NoDistance);
    }
    None
}

/// Whether a cell is a distance on the first row of the memory, or the level at the end of a cycle
/// of the hasher without a Merkle path.
fn is_no_distance(forgery: &Forgery<'_>, (row, column): Cell) -> bool {
    let rows = &forgery.honest.rows;
    let chiplet = &rows[row].chiplet;
    let name = forgery.honest.names.of(&rows[row], column);
    if chiplet.select.memory == ONE {
        let first = row == 0 || rows[row - 1].chiplet.select.memory == ZERO;
        return first && name.starts_with("memory.delta[");
    }
    let cycle_end = chiplet.select.hasher == ONE && row % 8 == 7;
    let levels_left = column == forgery.honest.names.levels_left();
    cycle_end && chiplet.hasher().merkle == ZERO && levels_left
}

/// What messages sum up to.
fn balance(messages: &[Sent]) -> HashMap<Key, Felt> {
    let mut balance: HashMap<Key, Felt> = HashMap::new();
    for sent in messages {
        *balance.entry(sent.key).or_default() += sent.count;
    }
    balance.retain(|_, count| *count != ZERO);
    balance
}

/// Whether a cell only serves the constraints of its row: it is no state that goes on to the next.
fn is_witness(forgery: &Forgery<'_>, (row, column): Cell) -> bool {
    if column >= CHIPLETS {
        return true;
    }
    let name = forgery.honest.names.of(&forgery.honest.rows[row], column);
    let in_block = forgery.honest.rows[row].core.decoder.in_block != ZERO;
    let family = name.split('[').next().unwrap_or(name);
    match family {
        "helpers" | "stack.depth_inv" => true,
        // The rest of a batch in a block; what a node needs elsewhere.
        "decoder.registers" | "decoder.group" | "decoder.position" | "decoder.group_start" => {
            !in_block
        }
        _ => false,
    }
}

/// Whether a cell is an element of the stack that the operation before took from the advice.
fn is_advice(forgery: &Forgery<'_>, (row, column): Cell) -> bool {
    let name = forgery.honest.names.of(&forgery.honest.rows[row], column);
    let Some(before) = row.checked_sub(1) else {
        return false;
    };
    match opcode(&forgery.honest.rows[before]) {
        ADVPOP => name == "stack.top[0]",
        ADVPOPW => (0..4).any(|i| name == format!("stack.top[{i}]")),
        _ => false,
    }
}
