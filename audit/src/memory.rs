//! The memory that a cheating prover makes for accesses that are not those of the run.

use miden_core::{Felt, ONE, ZERO};
use miden_cvm_air::{
    columns::{Cells, MemoryRow},
    lookup::Bus,
};

use crate::messages::Key;

/// An access of memory, as its message has it.
#[derive(Debug, Clone, Copy)]
struct Access {
    context: u64,
    word: u64,
    element: Option<usize>,
    time: Felt,
    is_write: bool,
    value: [Felt; 4],
}

/// Returns `true` if a bus carries accesses of memory.
pub fn is_memory(bus: Bus) -> bool {
    matches!(bus, Bus::MemoryWord | Bus::MemoryElement)
}

/// The memory rows of these accesses, in order: a read gives what it claims.
pub fn sorted(accesses: impl IntoIterator<Item = Key>) -> Vec<MemoryRow<Felt>> {
    let mut accesses: Vec<Access> = accesses.into_iter().map(access).collect();
    accesses.sort_by_key(|access| {
        let moment = access.time + access.time + Felt::from(u8::from(access.is_write));
        (access.context, access.word, moment.as_int())
    });
    let mut word = [ZERO; 4];
    let mut rows: Vec<MemoryRow<Felt>> = Vec::with_capacity(accesses.len());
    let mut before = (0, 0);
    for access in accesses {
        let new_context = before.0 != access.context;
        let new_word = !new_context && before.1 != access.word;
        before = (access.context, access.word);
        if new_context || new_word {
            word = [ZERO; 4];
        }
        let mut element = [ZERO; 4];
        match access.element {
            None => word = access.value,
            Some(i) => {
                element[i] = ONE;
                word[i] = access.value[0];
            }
        }
        let flag = |set: bool| Felt::from(u8::from(set));
        rows.push(MemoryRow {
            context: Felt::new(access.context),
            word: [access.word & 0xffff, access.word >> 16].map(Felt::new),
            time: access.time,
            is_write: flag(access.is_write),
            whole: flag(access.element.is_none()),
            element,
            value: word,
            element_value: access.element.map_or(ZERO, |i| word[i]),
            new_context: flag(new_context),
            new_word: flag(new_word),
            delta: [ZERO; 3],
        });
    }
    rows
}

/// The least height of a memory with so many accesses.
pub fn least_height(accesses: usize) -> usize {
    accesses + 2
}

/// A table of this height with these rows, with their distances, padding before them, and a read
/// that nobody made after them.
pub fn table(rows: &[MemoryRow<Felt>], height: usize) -> Vec<MemoryRow<Felt>> {
    let padding = MemoryRow::filled(ZERO);
    let mut table = vec![padding; height.max(least_height(rows.len())) - rows.len() - 1];
    table.extend_from_slice(rows);
    let last = table[table.len() - 1];
    table.push(MemoryRow {
        time: last.time + ONE,
        is_write: ZERO,
        whole: ONE,
        element: [ZERO; 4],
        element_value: ZERO,
        new_context: ZERO,
        new_word: ZERO,
        ..last
    });
    let mut before = padding;
    for row in &mut table {
        row.delta = limbs(step(&before, row));
        before = *row;
    }
    table
}

fn access(key: Key) -> Access {
    let [context, address, time, is_write, values @ ..] = key.cells;
    let element = match key.bus {
        Bus::MemoryElement => Some((address % 4) as usize),
        _ => None,
    };
    let base = Felt::new(address) - Felt::new(element.unwrap_or(0) as u64);
    Access {
        context,
        word: (base / Felt::new(4)).as_int(),
        element,
        time: Felt::new(time),
        is_write: is_write == 1,
        value: core::array::from_fn(|i| Felt::new(values[i])),
    }
}

/// Returns the distance of a memory row from the one before it, by its own account of what is new.
fn step(before: &MemoryRow<Felt>, row: &MemoryRow<Felt>) -> Felt {
    let word = |row: &MemoryRow<Felt>| row.word[0] + row.word[1] * Felt::new(1 << 16);
    let moment = |row: &MemoryRow<Felt>| row.time + row.time + row.is_write;
    if row.new_context == ONE {
        row.context - before.context - ONE
    } else if row.new_word == ONE {
        word(row) - word(before) - ONE
    } else {
        moment(row) - moment(before) - row.is_write
    }
}

/// The 16-bit limbs of a distance; one that does not fit in three has limbs that do not fit.
fn limbs(distance: Felt) -> [Felt; 3] {
    let value = distance.as_int();
    if value >> 48 == 0 {
        [value & 0xffff, value >> 16 & 0xffff, value >> 32].map(Felt::new)
    } else {
        [distance, ZERO, ZERO]
    }
}
