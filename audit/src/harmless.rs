//! Why some mutations that nothing rejects are harmless: each reason with a rule that recognizes
//! exactly its case.

use std::collections::HashMap;

use miden_core::{Felt, ZERO};
use miden_cvm_air::{
    columns::{Cells, CoreRow},
    lookup::Bus,
    opcode::{ADVPOP, ADVPOPW, HALT, NOOP},
    table::Table,
};

use crate::{
    forgery::{Forgery, can_be_added, is_true},
    honest::{Cell, is_padding, is_row_number},
    messages::{Key, Sent},
    unread::{is_one_of_two_witnesses, is_unread},
};

/// Why a mutation that nothing rejects is harmless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The changed cells hold witnesses that nothing reads on these rows: those of
    /// [`is_unread`], and no others.
    Unread,
    /// Two numbers that show together that a condition holds are two others that show it.
    Witnesses,
    /// An element that came from the advice, which is the prover's choice, is another one: on the
    /// stack where it arrives, and wherever it was moved to.
    Advice,
    /// Rows of facts or of records stand in another order.
    Order,
    /// The range and byte tables state other numbers, all of their size, or bitwise rows state
    /// other operations, all with the right results. Who looked up the old ones finds them in rows
    /// that a prover can add.
    Tables,
    /// No-ops at the end of an operation group more or fewer: a program's hash does not bind them.
    Noops,
    /// The memory's last row, which stands for no access, is another one.
    End,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Self; 7] = [
        Self::Unread,
        Self::Witnesses,
        Self::Advice,
        Self::Order,
        Self::Tables,
        Self::Noops,
        Self::End,
    ];

    /// The reason in words.
    pub fn text(self) -> &'static str {
        match self {
            Self::Unread => "witness cells that nothing reads on their rows",
            Self::Witnesses => "other witnesses that show the same",
            Self::Advice => "other elements from the advice",
            Self::Order => "facts or records in another order",
            Self::Tables => "other numbers and operations in tables of facts, all true",
            Self::Noops => "no-ops at the end of an operation group",
            Self::End => "a last row of memory that stands for no access",
        }
    }
}

/// The reason why a forgery that nothing rejects is harmless, if there is one.
pub fn reason(forgery: &Forgery<'_>, chosen: &[(Cell, Felt, Felt)]) -> Option<Reason> {
    let (old, new) = forgery.message_changes();
    let honest = Forgery::new(forgery.honest);
    let unread = |(table, row, column): Cell| is_unread(&honest.place(table, row), column);
    let witness =
        |(table, row, column): Cell| is_one_of_two_witnesses(&honest.place(table, row), column);
    if same_messages(&old, &new) {
        if chosen.iter().all(|&(cell, ..)| unread(cell)) {
            return Some(Reason::Unread);
        }
        if (chosen.iter()).all(|&(cell, ..)| unread(cell) || witness(cell)) {
            return Some(Reason::Witnesses);
        }
    }
    if is_advice_renamed(forgery, chosen) {
        return Some(Reason::Advice);
    }
    let (old, new) = (balance(&old), balance(&new));
    let within = |table: Table| chosen.iter().all(|&((of, ..), ..)| of == table);
    let only = |allowed: &dyn Fn(&Key) -> bool| {
        let keys = old.keys().chain(new.keys());
        let mut differing = keys.filter(|key| old.get(key) != new.get(key));
        differing.all(allowed)
    };
    let is_chiplet = |table: Table| !matches!(table, Table::Core | Table::Range);
    if chosen.iter().all(|&((of, ..), ..)| is_chiplet(of)) && old == new && same_rows(forgery) {
        return Some(Reason::Order);
    }
    let range_only = || only(&|key| can_be_added(key.bus));
    let bitwise_only = || only(&|key| key.bus == Bus::Bitwise && is_true(key));
    if (within(Table::Range) && range_only()) || (within(Table::Bitwise) && bitwise_only()) {
        return Some(Reason::Tables);
    }
    let last = forgery.honest.frames(Table::Memory);
    if (chosen.iter()).all(|&((of, row, _), ..)| (of, row) == (Table::Memory, last)) {
        return Some(Reason::End);
    }
    if within(Table::Core) && same_but_noops(forgery) {
        return Some(Reason::Noops);
    }
    None
}

/// Returns `true` if the core does the same, but for no-ops, of which there are more or fewer.
fn same_but_noops(forgery: &Forgery<'_>) -> bool {
    let height = forgery.honest.trace.core.len();
    let steps = |row: &dyn Fn(usize) -> CoreRow<Felt>| {
        let (mut noops, mut others) = (0, Vec::new());
        for mut core in (0..height).map(row) {
            match core.op.code() {
                NOOP => noops += 1,
                HALT => {}
                _ => {
                    core.system.clk = ZERO;
                    others.push(core);
                }
            }
        }
        (noops, others)
    };
    let forged = steps(&|row| *CoreRow::from_cells(forgery.row(Table::Core, row)));
    let honest = steps(&|row| forgery.honest.trace.core[row]);
    forged.0 != honest.0 && forged.1 == honest.1
}

/// Returns `true` if the changed rows of the chiplets are the same, in whatever order, but for
/// padding and for cells that nothing reads.
fn same_rows(forgery: &Forgery<'_>) -> bool {
    let honest = Forgery::new(forgery.honest);
    let rows = |from: &Forgery<'_>| {
        let changed = forgery.changed_rows();
        let places = changed.map(|(table, number)| from.place(table, number));
        let read = places
            .filter(|place| !is_padding(place.table, place.before, place.row, place.number))
            .map(|place| {
                let cells = (0..place.row.len()).map(|column| {
                    match is_unread(&place, column) || is_row_number(place.table, column) {
                        true => 0,
                        false => place.row[column].as_int(),
                    }
                });
                (place.table, cells.collect::<Vec<_>>())
            });
        let mut rows: Vec<_> = read.collect();
        rows.sort_unstable();
        rows
    };
    rows(forgery) == rows(&honest)
}

/// Returns `true` if two lists of messages are the same.
fn same_messages(old: &[Sent], new: &[Sent]) -> bool {
    let said = |sent: &Sent| (sent.key, sent.count, sent.name);
    old.iter().map(said).eq(new.iter().map(said))
}

/// Returns the sum of the messages, by key.
fn balance(messages: &[Sent]) -> HashMap<Key, Felt> {
    let mut balance: HashMap<Key, Felt> = HashMap::new();
    for sent in messages {
        *balance.entry(sent.key).or_default() += sent.count;
    }
    balance.retain(|_, count| *count != ZERO);
    balance
}

/// Returns `true` if elements of the advice are other ones, on the stack and in the memory: one or
/// several, whose changes may make up for each other in what is computed from them.
fn is_advice_renamed(forgery: &Forgery<'_>, chosen: &[(Cell, Felt, Felt)]) -> bool {
    let renamed: Vec<_> = chosen
        .iter()
        .filter(|&&(cell, ..)| is_advice(forgery, cell))
        .collect();
    let is_renamed = |&(cell, from, to): &(Cell, Felt, Felt)| {
        let name = forgery.honest.name(cell);
        let holds = ["stack.top[", "memory.value[", "memory.element_value"];
        holds.iter().any(|prefix| name.starts_with(prefix))
            && renamed.iter().any(|&&(at, old, new)| {
                // Memory has an order of its own.
                (at.0 != cell.0 || at.1 <= cell.1) && (old, new) == (from, to)
            })
    };
    !renamed.is_empty() && chosen.iter().all(is_renamed)
}

/// Returns `true` if a cell is an element of the stack that the operation before took from the
/// advice.
fn is_advice(forgery: &Forgery<'_>, cell: Cell) -> bool {
    let (Table::Core, row, _) = cell else {
        return false;
    };
    let name = forgery.honest.name(cell);
    let Some(before) = row.checked_sub(1) else {
        return false;
    };
    match forgery.honest.trace.core[before].op.code() {
        ADVPOP => name == "stack.top[0]",
        ADVPOPW => (0..4).any(|i| name == format!("stack.top[{i}]")),
        _ => false,
    }
}
