//! The memory section: the run's accesses, sorted.

use miden_core::{Felt, ONE, ZERO};
use miden_cvm_air::columns::{ChipletRow, MemoryRow};
use rayon::prelude::*;

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
    /// Whether the access is a write.
    pub is_write: bool,
    /// Whether the access is of one element.
    pub is_element: bool,
    /// The whole word after the access.
    pub word: [Felt; 4],
}

impl Access {
    /// What accesses are sorted by: context, word, time, reads before writes.
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

    /// Sorts the accesses and counts their range checks.
    pub fn finish(self, ranges: &mut RangeCounts) -> MemorySection {
        let accesses = self.accesses;
        let mut order: Vec<(u128, u32)> = accesses
            .par_iter()
            .enumerate()
            .map(|(i, a)| (a.key(), i as u32))
            .collect();
        order.par_sort_unstable();
        let trace = MemorySection { accesses, order };
        for i in 0..trace.order.len() {
            let step = trace.step(i);
            let word = trace.access(i).address / 4;
            for limb in limbs(step.delta) {
                ranges.add(limb);
            }
            ranges.add_u32(word);
            ranges.add(4 * (word >> 16) as u16);
        }
        trace
    }
}

/// The memory section, ready to be written.
#[derive(Debug)]
pub struct MemorySection {
    accesses: Vec<Access>,
    order: Vec<(u128, u32)>,
}

/// How a row differs from the one before it.
struct Step {
    new_context: bool,
    new_word: bool,
    delta: u64,
}

impl MemorySection {
    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.order.len()
    }

    /// The access of a row.
    fn access(&self, row: usize) -> &Access {
        &self.accesses[self.order[row].1 as usize]
    }

    /// How a row differs from the one before it.
    ///
    /// Of accesses that contradict each other (two writes of a word at one time) the difference is
    /// one that the constraints refuse.
    fn step(&self, row: usize) -> Step {
        let (mut new_context, mut new_word) = (false, false);
        let Some(before) = row.checked_sub(1) else {
            return Step {
                new_context: true,
                new_word,
                delta: 0,
            };
        };
        let (cur, before) = (self.access(row), self.access(before));
        let (word, word_before) = (cur.address / 4, before.address / 4);
        let moment = |access: &Access| 2 * u64::from(access.time) + u64::from(access.is_write);
        let delta = if cur.context != before.context {
            new_context = true;
            cur.context - before.context - 1
        } else if word != word_before {
            new_word = true;
            u64::from(word - word_before - 1)
        } else {
            (moment(cur) - moment(before)).saturating_sub(u64::from(cur.is_write))
        };
        Step {
            new_context,
            new_word,
            delta,
        }
    }

    /// Writes the section into exactly its rows.
    pub fn fill(&self, rows: &mut [ChipletRow<Felt>]) {
        rows.par_iter_mut()
            .enumerate()
            .with_min_len(1 << 10)
            .for_each(|(i, row)| {
                let access = self.access(i);
                let Step {
                    new_context,
                    new_word,
                    delta,
                } = self.step(i);
                let word = access.address / 4;
                let element = (access.address % 4) as usize;
                let mut flags = [ZERO; 4];
                let mut element_value = ZERO;
                if access.is_element {
                    flags[element] = ONE;
                    element_value = access.word[element];
                }
                row.select.memory = ONE;
                *row.memory_mut() = MemoryRow {
                    context: Felt::new(access.context),
                    word: [word as u16, (word >> 16) as u16].map(Felt::from),
                    time: Felt::from(access.time),
                    is_write: Felt::from(u8::from(access.is_write)),
                    element: flags,
                    value: access.word,
                    element_value,
                    new_context: Felt::from(u8::from(new_context)),
                    new_word: Felt::from(u8::from(new_word)),
                    delta: limbs(delta).map(Felt::from),
                };
            });
    }
}

/// The lower 48 bits as 16-bit limbs, low first.
fn limbs(value: u64) -> [u16; 3] {
    [value as u16, (value >> 16) as u16, (value >> 32) as u16]
}
