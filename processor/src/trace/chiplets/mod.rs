//! The chiplets' sections of the trace: what a run asked of them, and their rows.

use miden_core::Felt;
use miden_cvm_air::{
    columns::ChipletRow,
    lookup::{Space, context_key},
};

use rayon::prelude::*;

pub mod ace;
pub mod bitwise;
pub mod hasher;
pub mod memory;
pub mod range;
pub mod rom;
pub mod table;

use self::{
    ace::AceRecorder,
    bitwise::{BitwiseRecorder, BitwiseSection},
    hasher::{HasherRecorder, HasherRequestError, Unhash},
    memory::{Access, MemoryRecorder, MemorySection},
    range::RangeCounts,
    rom::RomRecorder,
    table::{TableRecorder, TableSection},
};

/// Number of rows of a hasher cycle.
pub const CYCLE: usize = miden_cvm_air::builder::PERIOD;

/// What a run asks of the chiplets.
#[derive(Debug, Clone)]
pub struct ChipletRecorders {
    /// Hashes, permutations, Merkle paths.
    pub hasher: HasherRecorder,
    /// Bitwise operations.
    pub bitwise: BitwiseRecorder,
    /// Operations on resource tables.
    pub table: TableRecorder,
    /// Accesses of memory.
    pub memory: MemoryRecorder,
    /// Lookups of public records.
    pub rom: RomRecorder,
    /// Evaluations of circuits.
    pub ace: AceRecorder,
}

impl ChipletRecorders {
    /// Returns empty recorders, for a run with these public records.
    pub fn new(rom: RomRecorder) -> Self {
        Self {
            hasher: HasherRecorder::default(),
            bitwise: BitwiseRecorder::default(),
            table: TableRecorder::default(),
            memory: MemoryRecorder::default(),
            rom,
            ace: AceRecorder::default(),
        }
    }

    /// The number of rows that what was recorded so far takes at least.
    #[inline]
    pub fn rows(&self) -> usize {
        self.hasher.rows() + self.memory.rows() + self.table.rows() + self.ace.rows()
    }

    /// Unhashes a segment of static data into memory: the hasher's cycles, the writes, and the
    /// lookup of the segment's record.
    ///
    /// # Errors
    /// If the data is no whole number of blocks, or the segment is no public record.
    pub fn unhash(&mut self, segment: &Unhash<'_>) -> Result<(), HasherRequestError> {
        self.rom
            .request_segment(segment.instance, segment.number)
            .map_err(|_| HasherRequestError::Segment {
                instance: segment.instance,
                segment: segment.number,
            })?;
        self.hasher.unhash(segment)?;
        for (i, word) in segment.data.chunks_exact(4).enumerate() {
            let mut value = [Felt::new(0); 4];
            value.copy_from_slice(word);
            self.memory.record(Access {
                context: segment.context,
                address: segment.address + 4 * i as u32,
                time: segment.time,
                is_write: true,
                is_element: false,
                word: value,
            });
        }
        Ok(())
    }

    /// Closes the recorders: sorts what has an order of its own, and counts what is range-checked.
    pub fn finish(self, ranges: &mut RangeCounts) -> ChipletSections {
        let Self {
            hasher,
            bitwise,
            table,
            memory,
            rom,
            ace,
        } = self;
        hasher.count_ranges(ranges);
        ace.count_ranges(ranges);
        ChipletSections {
            hasher,
            bitwise: bitwise.finish(),
            table: table.finish(ranges),
            memory: memory.finish(ranges),
            rom,
            ace,
        }
    }
}

/// The chiplets' sections, ready to be written.
#[derive(Debug)]
pub struct ChipletSections {
    /// Hashes, permutations, Merkle paths, static data.
    pub hasher: HasherRecorder,
    /// Bitwise operations.
    pub bitwise: BitwiseSection,
    /// Operations on resource tables.
    pub table: TableSection,
    /// Accesses of memory.
    pub memory: MemorySection,
    /// Public records.
    pub rom: RomRecorder,
    /// Evaluations of circuits.
    pub ace: AceRecorder,
}

impl ChipletSections {
    /// The number of rows that the sections have, with one of padding.
    pub fn rows(&self) -> usize {
        let private = self.table.rows() + self.memory.rows();
        self.hasher.rows() + self.bitwise.rows() + private + self.rom.rows() + self.ace.rows() + 1
    }

    /// Writes the whole table, in parallel. The cells of the rows after the sections are left alone,
    /// but for their numbers: they have to be zero.
    ///
    /// # Panics
    /// Panics if there are fewer rows than [`Self::rows`].
    pub fn fill(&self, rows: &mut [ChipletRow<Felt>]) {
        assert!(
            rows.len() >= self.rows(),
            "the table is shorter than its sections"
        );
        rows.par_iter_mut().enumerate().for_each(|(number, row)| {
            row.row = Felt::new(number as u64);
        });
        let (hasher, rows) = rows.split_at_mut(self.hasher.rows());
        let (bitwise, rows) = rows.split_at_mut(self.bitwise.rows());
        let (table, rows) = rows.split_at_mut(self.table.rows());
        let (memory, rows) = rows.split_at_mut(self.memory.rows());
        let (rom, rows) = rows.split_at_mut(self.rom.rows());
        let (ace, _) = rows.split_at_mut(self.ace.rows());
        rayon::scope(|scope| {
            scope.spawn(|_| self.memory.fill(memory));
            scope.spawn(|_| self.bitwise.fill(bitwise));
            scope.spawn(|_| self.table.fill(table));
            scope.spawn(|_| self.rom.fill(rom));
            scope.spawn(|_| self.ace.fill(ace));
            self.hasher.fill(hasher);
        });
    }
}

/// The key of a space of an instance's memory: below `2^48`.
pub fn memory_context(domain: u32, index: u16, space: Space) -> u64 {
    context_key(Felt::from(domain), Felt::from(index), space).as_int()
}

#[cfg(test)]
mod tests;
