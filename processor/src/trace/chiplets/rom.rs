//! The ROM: the public records, and how often each is looked up.

use std::collections::HashMap;

use miden_core::{Felt, Kernel, ONE, Word, ZERO};
use miden_cvm_air::{
    columns::{RomRow, cells_of},
    component::FactKind,
    composition::Composition,
    public::{export_coords, intrinsic_coords, link_coords, segment_coords},
};
use thiserror::Error;

/// A lookup of a record that is not public.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UnknownRecord {
    /// The kernel has no such procedure.
    #[error("{0} is not a procedure of the kernel")]
    Kernel(Word),
    /// The instance has no such link.
    #[error("instance {instance} has no link for {digest}")]
    Link {
        /// The calling instance.
        instance: u32,
        /// The digest that it calls.
        digest: Word,
    },
    /// The instance has no such segment.
    #[error("instance {instance} has no segment {segment}")]
    Segment {
        /// The instance.
        instance: u32,
        /// Number of the segment within the instance.
        segment: u32,
    },
}

/// The kind of record that a row has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Kernel,
    Link,
    Segment,
}

/// One public record.
#[derive(Debug, Clone)]
struct Record {
    kind: Kind,
    cells: [Felt; 12],
    lookups: u64,
}

/// The public records of a run and their lookups.
#[derive(Debug, Clone)]
pub struct RomRecorder {
    records: Vec<Record>,
    kernel: HashMap<Word, usize>,
    links: HashMap<(u32, Word), usize>,
    segments: HashMap<(u32, u32), usize>,
    exports: HashMap<(u32, u64), usize>,
}

impl RomRecorder {
    /// Takes the records of a kernel and, unless the program is open, of a composition.
    pub fn new(kernel: &Kernel, composition: Option<&Composition>) -> Self {
        let mut rom = Self {
            records: Vec::new(),
            kernel: HashMap::new(),
            links: HashMap::new(),
            segments: HashMap::new(),
            exports: HashMap::new(),
        };
        for &digest in kernel.proc_hashes() {
            rom.kernel.insert(digest, rom.records.len());
            rom.push(Kind::Kernel, digest.as_elements());
        }
        let Some(composition) = composition else {
            return rom;
        };
        for link in composition.links() {
            rom.links
                .insert((link.source, link.digest), rom.records.len());
            rom.push(Kind::Link, cells_of(&link_coords(link, composition)));
        }
        for record in composition.intrinsics() {
            rom.links
                .insert((record.source, record.digest), rom.records.len());
            rom.push(Kind::Link, cells_of(&intrinsic_coords(record, composition)));
        }
        for record in composition.exports() {
            let key = (record.instance, record.key.as_int());
            rom.exports.insert(key, rom.records.len());
            rom.push(Kind::Link, cells_of(&export_coords(record, composition)));
        }
        let mut number = 0;
        for (record, coords) in composition
            .segments()
            .iter()
            .zip(segment_coords(composition))
        {
            rom.segments
                .insert((record.instance, number), rom.records.len());
            rom.push(Kind::Segment, cells_of(&coords));
            number = if coords.done == ONE { 0 } else { number + 1 };
        }
        rom
    }

    fn push(&mut self, kind: Kind, coordinates: &[Felt]) {
        let mut cells = [ZERO; 12];
        cells[..coordinates.len()].copy_from_slice(coordinates);
        self.records.push(Record {
            kind,
            cells,
            lookups: 0,
        });
    }

    /// Records a lookup of a kernel procedure.
    ///
    /// # Errors
    /// If the kernel has no such procedure.
    pub fn request_kernel(&mut self, digest: Word) -> Result<(), UnknownRecord> {
        let row = self
            .kernel
            .get(&digest)
            .ok_or(UnknownRecord::Kernel(digest))?;
        self.records[*row].lookups += 1;
        Ok(())
    }

    /// Records a lookup of a link.
    ///
    /// # Errors
    /// If the instance has no such link.
    pub fn request_link(&mut self, instance: u32, digest: Word) -> Result<(), UnknownRecord> {
        let row = self
            .links
            .get(&(instance, digest))
            .ok_or(UnknownRecord::Link { instance, digest })?;
        self.records[*row].lookups += 1;
        Ok(())
    }

    /// The key of a link to any installed instance, 0 for that of an intrinsic; nothing if it is no such
    /// link.
    pub fn generic_link(&self, instance: u32, digest: Word) -> Option<Felt> {
        let row = self.links.get(&(instance, digest))?;
        let [_, _, _, _, _, kind, _, key, ..] = self.records[*row].cells;
        (kind.as_int() >= FactKind::Generic as u64).then_some(key)
    }

    /// The procedure that an instance exports under a key, and whether it has static data.
    pub fn export(&self, instance: u32, key: Felt) -> Option<([Felt; 4], Felt)> {
        let row = self.exports.get(&(instance, key.as_int()))?;
        let [_, _, _, _, _, _, _, c0, c1, c2, c3, has_data] = self.records[*row].cells;
        Some(([c0, c1, c2, c3], has_data))
    }

    /// Records a lookup of an export, if there is such a one.
    pub fn request_export(&mut self, instance: u32, key: Felt) {
        if let Some(&row) = self.exports.get(&(instance, key.as_int())) {
            self.records[row].lookups += 1;
        }
    }

    /// Records a lookup of a segment.
    ///
    /// # Errors
    /// If the instance has no such segment.
    pub fn request_segment(&mut self, instance: u32, segment: u32) -> Result<(), UnknownRecord> {
        let row = self
            .segments
            .get(&(instance, segment))
            .ok_or(UnknownRecord::Segment { instance, segment })?;
        self.records[*row].lookups += 1;
        Ok(())
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.records.len()
    }

    /// Writes a table of zeros: the records come first.
    pub fn fill(&self, rows: &mut [RomRow<Felt>]) {
        for (row, record) in rows.iter_mut().zip(&self.records) {
            let flag = |kind| Felt::from(u8::from(record.kind == kind));
            *row = RomRow {
                kernel: flag(Kind::Kernel),
                link: flag(Kind::Link),
                segment: flag(Kind::Segment),
                multiplicity: Felt::new(record.lookups),
                record: record.cells,
            };
        }
    }
}
