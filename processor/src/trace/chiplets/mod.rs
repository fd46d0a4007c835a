//! The chiplets' tables: what a run asked of them, and their rows.

use miden_core::Felt;
use miden_cvm_air::{
    lookup::{Space, context_key},
    table::{Table, TableRows, Trace},
};

pub mod bitwise;
pub mod circuits;
pub mod hasher;
pub mod instances;
pub mod memory;
pub mod range;
pub mod resources;
pub mod rom;

use self::{
    bitwise::{BitwiseRecorder, BitwiseTable},
    circuits::CircuitRecorder,
    hasher::{HasherRecorder, HasherRequestError, SegmentData},
    instances::{InstanceRecorder, InstanceTable},
    memory::{Access, MemoryRecorder, MemoryTable},
    range::RangeCounts,
    resources::{ResourceRecorder, ResourceTable},
    rom::RomRecorder,
};

/// Number of rows of a hasher cycle.
pub const CYCLE: usize = miden_cvm_air::builder::PERIOD;

/// Recorders of what a run asks of the chiplets.
#[derive(Debug, Clone)]
pub struct ChipletRecorders {
    /// Hashes, permutations, Merkle paths.
    pub hasher: HasherRecorder,
    /// Bitwise operations.
    pub bitwise: BitwiseRecorder,
    /// Operations on resource tables.
    pub resources: ResourceRecorder,
    /// Accesses of memory.
    pub memory: MemoryRecorder,
    /// Lookups of public records.
    pub rom: RomRecorder,
    /// Evaluations of circuits.
    pub circuits: CircuitRecorder,
    /// Installed instances.
    pub instances: InstanceRecorder,
}

impl ChipletRecorders {
    /// Returns empty recorders, for a run with these public records.
    pub fn new(rom: RomRecorder, instances: InstanceRecorder) -> Self {
        Self {
            hasher: HasherRecorder::default(),
            bitwise: BitwiseRecorder::default(),
            resources: ResourceRecorder::default(),
            memory: MemoryRecorder::default(),
            rom,
            circuits: CircuitRecorder::default(),
            instances,
        }
    }

    /// The number of rows that what was recorded so far takes at least in the longest table.
    #[inline]
    pub fn rows(&self) -> usize {
        let private = self.memory.rows().max(self.resources.rows());
        let events = self.circuits.rows().max(self.instances.rows());
        self.hasher.rows().max(private).max(events)
    }

    /// Initializes memory with a segment of static data: the hasher's cycles, the writes, and the
    /// lookup of the segment's record.
    ///
    /// # Errors
    /// If the data is no whole number of blocks, or the segment is no public record.
    pub fn init_segment(&mut self, segment: &SegmentData<'_>) -> Result<(), HasherRequestError> {
        let (instance, number) = (segment.instance, segment.number);
        if !self.instances.request_segment(instance, number) {
            self.rom.request_segment(instance, number).map_err(|_| {
                HasherRequestError::Segment {
                    instance,
                    segment: number,
                }
            })?;
        }
        self.hasher.init_segment(segment)?;
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
    /// Tables are in pieces of at most `longest` rows.
    pub fn finish(self, ranges: &mut RangeCounts, longest: usize) -> ChipletTables {
        let Self {
            hasher,
            bitwise,
            resources,
            memory,
            mut rom,
            circuits,
            instances,
        } = self;
        hasher.count_ranges(ranges, longest);
        circuits.count_ranges(ranges);
        let instances = instances.finish(ranges, &mut rom);
        ChipletTables {
            hasher,
            bitwise: bitwise.finish(),
            resources: resources.finish(ranges, longest),
            memory: memory.finish(ranges, longest),
            rom,
            circuits,
            instances,
        }
    }
}

/// The data that the chiplets' tables are made of.
#[derive(Debug)]
pub struct ChipletTables {
    /// Hashes, permutations, Merkle paths, static data.
    pub hasher: HasherRecorder,
    /// Bitwise operations.
    pub bitwise: BitwiseTable,
    /// Operations on resource tables.
    pub resources: ResourceTable,
    /// Accesses of memory.
    pub memory: MemoryTable,
    /// Public records.
    pub rom: RomRecorder,
    /// Evaluations of circuits.
    pub circuits: CircuitRecorder,
    /// Installed instances.
    pub instances: InstanceTable,
}

impl ChipletTables {
    /// Writes these rows of the chiplets' tables, in parallel, which have the heights that they need. Rows of the
    /// hasher and the memory are written by themselves; other tables are written as a whole, and cut.
    pub fn fill(&self, trace: &mut Trace, rows: &TableRows, height: impl Fn(Table) -> usize) {
        let memory = height(Table::Memory);
        for table in Table::ALL {
            let wanted = rows.of(table);
            match table {
                Table::Core | Table::Range => {}
                Table::Hasher | Table::Memory => trace.resize(table, wanted.len()),
                // Of a table that nobody wants there is no row.
                _ if wanted.is_empty() => {}
                _ => trace.resize(table, height(table)),
            }
        }
        let is_wanted = |table: Table| !rows.of(table).is_empty();
        let [first, first_cycle] = [Table::Memory, Table::Hasher].map(|table| rows.of(table).start);
        miden_cvm_parallel::scope(|scope| {
            scope.spawn(|_| self.memory.fill(&mut trace.memory, first, memory));
            if is_wanted(Table::Bitwise) {
                scope.spawn(|_| self.bitwise.fill(&mut trace.bitwise));
            }
            if is_wanted(Table::Resources) {
                scope.spawn(|_| self.resources.fill(&mut trace.resources));
            }
            if is_wanted(Table::Rom) {
                scope.spawn(|_| self.rom.fill(&mut trace.rom));
            }
            if is_wanted(Table::Circuits) {
                scope.spawn(|_| self.circuits.fill(&mut trace.circuits));
            }
            if is_wanted(Table::Instances) {
                scope.spawn(|_| self.instances.fill(&mut trace.instances));
            }
            self.hasher.fill(&mut trace.hasher, first_cycle);
        });
    }
}

/// The key of a space of an instance's memory: below `2^48`.
pub fn memory_context(domain: u32, index: u16, space: Space) -> u64 {
    context_key(Felt::from(domain), Felt::from(index), space).as_int()
}

#[cfg(test)]
mod tests;
