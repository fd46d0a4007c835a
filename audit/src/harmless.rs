//! Why some mutations that nothing rejects are harmless: each reason with a rule that recognizes
//! exactly its case.

use std::collections::HashMap;

use miden_core::{Felt, ONE, ZERO};
use miden_cvm_air::{
    columns::MainRow,
    lookup::Bus,
    opcode::{ADVPOP, ADVPOPW, HALT, NOOP},
};

use crate::{
    columns::{CHIPLETS, Part},
    forgery::{Forgery, can_be_added, is_true},
    honest::{Cell, opcode},
    messages::{Key, Sent},
};

/// Why a mutation that nothing rejects is harmless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The changed cells hold witnesses, not state, and on these rows nothing reads them.
    Unread,
    /// An element that came from the advice, which is the prover's choice, is another one: on the
    /// stack where it arrives, and wherever it was moved to.
    Advice,
    /// Rows of facts or of records stand in another order.
    Order,
    /// The range and byte tables state other numbers, all of their size, or bitwise rows state
    /// other operations, all with the right results. Who looked up the old ones finds them in rows
    /// that a prover can add.
    Tables,
    /// A distance that the first row of the memory does not have, or the level that a cycle of the
    /// hasher without a Merkle path does not have: the column's range check reads it, nothing else.
    NoDistance,
    /// No-ops at the end of an operation group more or fewer: a program's hash does not bind them.
    Noops,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Self; 6] = [
        Self::Unread,
        Self::Advice,
        Self::Order,
        Self::Tables,
        Self::NoDistance,
        Self::Noops,
    ];

    /// The reason in words.
    pub fn text(self) -> &'static str {
        match self {
            Self::Unread => "witness cells that nothing reads on their rows",
            Self::Advice => "other elements from the advice",
            Self::Order => "facts or records in another order",
            Self::Tables => "other numbers and operations in tables of facts, all true",
            Self::NoDistance => "distances and levels where there is none",
            Self::Noops => "no-ops at the end of an operation group",
        }
    }
}

/// The reason why a forgery that nothing rejects is harmless, if there is one.
pub fn reason(forgery: &Forgery<'_>, chosen: &[(Cell, Felt, Felt)]) -> Option<Reason> {
    let (old, new) = forgery.message_changes();
    if same_messages(&old, &new) && chosen.iter().all(|&(cell, ..)| is_witness(forgery, cell)) {
        return Some(Reason::Unread);
    }
    if is_advice_renamed(forgery, chosen) {
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
    let only = |allowed: &dyn Fn(&Key) -> bool| {
        let keys = old.keys().chain(new.keys());
        let mut differing = keys.filter(|key| old.get(key) != new.get(key));
        differing.all(allowed)
    };
    let range_only = || only(&|key| can_be_added(key.bus));
    let bitwise_only = || only(&|key| key.bus == Bus::Bitwise && is_true(key));
    if (within(Part::Range) && range_only()) || (within(Part::Chiplets) && bitwise_only()) {
        return Some(Reason::Tables);
    }
    let (distances, others): (Vec<_>, Vec<_>) = chosen
        .iter()
        .partition(|&&(cell, ..)| is_no_distance(forgery, cell));
    if !distances.is_empty() && range_only() && are_unread(forgery, &others) {
        return Some(Reason::NoDistance);
    }
    if within(Part::Core) && same_but_noops(forgery) {
        return Some(Reason::Noops);
    }
    None
}

/// Whether changes of these cells alone are changes of witnesses that nothing reads.
fn are_unread(forgery: &Forgery<'_>, changes: &[(Cell, Felt, Felt)]) -> bool {
    let mut alone = Forgery::new(forgery.honest);
    for &(cell, _, new) in changes {
        alone.set(cell, new);
    }
    let (old, new) = alone.message_changes();
    same_messages(&old, &new) && changes.iter().all(|&(cell, ..)| is_witness(forgery, cell))
}

/// Whether the core does the same, but for no-ops.
fn same_but_noops(forgery: &Forgery<'_>) -> bool {
    let rows = 0..forgery.honest.rows.len();
    let steps = |row: &dyn Fn(usize) -> MainRow<Felt>| {
        let rows = rows.clone().map(row);
        let kept = rows.filter(|row| ![NOOP, HALT].contains(&opcode(row)));
        kept.map(|row| {
            let mut core = row.core;
            core.system.clk = ZERO;
            core
        })
        .collect::<Vec<_>>()
    };
    steps(&|row| *forgery.row(row)) == steps(&|row| forgery.honest.rows[row])
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

/// Whether two lists of messages are the same.
fn same_messages(old: &[Sent], new: &[Sent]) -> bool {
    let said = |sent: &Sent| (sent.key, sent.count, sent.name);
    old.iter().map(said).eq(new.iter().map(said))
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
        "helpers" | "operands" | "stack.depth_inv" => true,
        // The rest of a batch in a block; what a node needs elsewhere.
        "decoder.registers" | "decoder.group" | "decoder.position" | "decoder.group_start" => {
            !in_block
        }
        _ => false,
    }
}

/// Whether one element of the advice is another one, on the stack and in the memory.
fn is_advice_renamed(forgery: &Forgery<'_>, chosen: &[(Cell, Felt, Felt)]) -> bool {
    let Some(&(first, old, new)) = chosen.iter().min_by_key(|(cell, ..)| cell.0) else {
        return false;
    };
    let may_hold = |&((row, column), from, to): &(Cell, Felt, Felt)| {
        let name = forgery.honest.names.of(&forgery.honest.rows[row], column);
        let holds = ["stack.top[", "memory.value[", "memory.element_value"];
        (from, to) == (old, new) && holds.iter().any(|prefix| name.starts_with(prefix))
    };
    is_advice(forgery, first) && chosen.iter().all(may_hold)
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
