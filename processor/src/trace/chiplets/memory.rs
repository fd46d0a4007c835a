//! The memory: the run's accesses, sorted.

use miden_core::{Felt, ONE, ZERO};
use miden_cvm_air::{columns::MemoryRow, table::Table};
use miden_cvm_parallel::prelude::*;

use super::range::RangeCounts;

/// Bits of a key that hold the time of an access: `2 * time + is_write`.
const MOMENT_BITS: u32 = 32;
/// Bits of a key that hold the word.
const WORD_BITS: u32 = 30;

/// One access of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// Instance and space, see [`super::memory_context`].
    pub context: u64,
    /// The address; for an access of a word that of its first element.
    pub address: u32,
    /// Cycle + 1, below `2^31`; 0 for what the verifier supplies.
    pub time: u32,
    /// `true` if the access is a write.
    pub is_write: bool,
    /// `true` if the access is of one element.
    pub is_element: bool,
    /// The whole word after the access.
    pub word: [Felt; 4],
}

impl Access {
    /// Returns the key that accesses are sorted by: context, word, time, reads before writes.
    fn key(&self) -> u128 {
        let moment = u128::from(self.time) << 1 | u128::from(self.is_write);
        let word = u128::from(self.address / 4);
        (u128::from(self.context) << WORD_BITS | word) << MOMENT_BITS | moment
    }
}

/// The accesses of a run, in any order.
#[derive(Debug, Clone, Default)]
pub struct MemoryRecorder {
    accesses: Vec<Access>,
}

impl MemoryRecorder {
    /// Records an access.
    #[inline]
    pub fn record(&mut self, access: Access) {
        self.accesses.push(access);
    }

    /// The number of rows.
    #[inline]
    pub fn rows(&self) -> usize {
        self.accesses.len()
    }

    /// Sorts the accesses and counts their range checks, of a table in pieces of at most `longest` rows.
    pub fn finish(self, ranges: &mut RangeCounts, longest: usize) -> MemoryTable {
        let accesses = self.accesses;
        let mut order: Vec<(u128, u32)> = accesses
            .par_iter()
            .enumerate()
            .map(|(i, a)| (a.key(), i as u32))
            .collect();
        order.par_sort_unstable();
        let memory = MemoryTable { accesses, order };
        let mut before = NO_ACCESS;
        for access in memory.sorted() {
            let step = Step::between(&before, access);
            let word = access.address / 4;
            for limb in limbs(step.delta) {
                ranges.add(limb);
            }
            ranges.add_u32(word);
            ranges.add(4 * (word >> 16) as u16);
            before = *access;
        }
        // Padding checks six zeros a row.
        let padding = memory.padding(Table::Memory.height_within(memory.rows(), longest));
        ranges.add_many(0, 6 * padding as u64);
        memory
    }
}

/// The access that all others come after: rows of zeros.
const NO_ACCESS: Access = Access {
    context: 0,
    address: 0,
    time: 0,
    is_write: false,
    is_element: false,
    word: [ZERO; 4],
};

/// The memory, ready to be written.
#[derive(Debug)]
pub struct MemoryTable {
    accesses: Vec<Access>,
    order: Vec<(u128, u32)>,
}

/// The difference of a row from the one before it.
struct Step {
    new_context: bool,
    new_word: bool,
    delta: u64,
}

impl Step {
    /// From an access to the next one.
    ///
    /// Of accesses that contradict each other (two writes of a word at one time) the difference is
    /// one that the constraints refuse.
    fn between(before: &Access, access: &Access) -> Self {
        let (mut new_context, mut new_word) = (false, false);
        let (word, word_before) = (access.address / 4, before.address / 4);
        let moment = |access: &Access| 2 * u64::from(access.time) + u64::from(access.is_write);
        let delta = if access.context != before.context {
            new_context = true;
            access.context - before.context - 1
        } else if word != word_before {
            new_word = true;
            u64::from(word - word_before - 1)
        } else {
            (moment(access) - moment(before)).saturating_sub(u64::from(access.is_write))
        };
        Self {
            new_context,
            new_word,
            delta,
        }
    }
}

impl MemoryTable {
    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.order.len()
    }

    /// The accesses in order.
    fn sorted(&self) -> impl Iterator<Item = &Access> {
        self.order
            .iter()
            .map(|&(_, at)| &self.accesses[at as usize])
    }

    /// The number of rows of zeros before the accesses, of which there is one, and the last row.
    fn padding(&self, height: usize) -> usize {
        height - 1 - self.rows()
    }

    /// Writes rows of zeros, which are those from `first` on of a table of this height, in which there is
    /// room for all accesses.
    pub fn fill(&self, rows: &mut [MemoryRow<Felt>], first: usize, height: usize) {
        let padding = self.padding(height);
        let access = |number: usize| &self.accesses[self.order[number].1 as usize];
        rows.par_iter_mut()
            .enumerate()
            .with_min_len(1 << 10)
            .for_each(|(i, row)| {
                let Some(number) = (first + i).checked_sub(padding) else {
                    return;
                };
                let before = number.checked_sub(1).map_or(&NO_ACCESS, access);
                *row = match number < self.rows() {
                    true => memory_row(before, access(number)),
                    // The last row is a read that comes after everything.
                    false => {
                        let after = Access {
                            time: before.time + 1,
                            is_write: false,
                            is_element: false,
                            ..*before
                        };
                        memory_row(before, &after)
                    }
                };
            });
    }
}

/// The row of an access, after another one.
fn memory_row(before: &Access, access: &Access) -> MemoryRow<Felt> {
    let Step {
        new_context,
        new_word,
        delta,
    } = Step::between(before, access);
    let flag = |set: bool| Felt::from(u8::from(set));
    let word = access.address / 4;
    let at = (access.address % 4) as usize;
    let mut element = [ZERO; 4];
    let mut element_value = ZERO;
    if access.is_element {
        element[at] = ONE;
        element_value = access.word[at];
    }
    MemoryRow {
        context: Felt::new(access.context),
        word: [word as u16, (word >> 16) as u16].map(Felt::from),
        time: Felt::from(access.time),
        is_write: flag(access.is_write),
        whole: flag(!access.is_element),
        element,
        value: access.word,
        element_value,
        new_context: flag(new_context),
        new_word: flag(new_word),
        delta: limbs(delta).map(Felt::from),
    }
}

/// The lower 48 bits as 16-bit limbs, low first.
fn limbs(value: u64) -> [u16; 3] {
    [value as u16, (value >> 16) as u16, (value >> 32) as u16]
}
