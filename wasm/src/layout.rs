//! Where everything stands in an instance's memory.
//!
//! Linear memory comes first, from its end to its beginning: the bytes `4·q` to `4·q + 3` are the element
//! `capacity - 1 - q`. An aligned access computes its address in the field, as
//! `capacity - 1 - offset/4 - base/4`; for a base that is beyond the end, or no multiple of 4, that is no
//! number of 32 bits, and the access traps. Behind it are cells: constants, globals, tables, variables.

use std::collections::BTreeMap;

use crate::{
    limits,
    module::{Memory, Module, RECORD, reference},
};

/// Elements of a page.
const PAGE: u32 = 16_384;

/// The place of a function's type in its record.
pub(crate) const TYPE: u32 = 4;

/// The modulus of the field.
const MODULUS: u128 = 0xffff_ffff_0000_0001;

/// A table: an element for each entry, which is a reference.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TableLayout {
    pub(crate) first: u32,
    pub(crate) size: TableSize,
    /// The entries there are, were it grown as far as it can.
    pub(crate) capacity: u32,
}

/// The number of entries of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) enum TableSize {
    Fixed(u32),
    /// It changes, and stands in a cell.
    Cell(u32),
}

/// A passive element segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ElementsLayout {
    pub(crate) first: u32,
    pub(crate) length_cell: u32,
}

/// A passive data segment, four bytes an element.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DataLayout {
    pub(crate) first: u32,
    pub(crate) length_cell: u32,
}

/// The addresses of what a module has.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    /// Elements of linear memory, were it grown as far as it can.
    pub(crate) capacity: u32,
    /// `true` if it can grow.
    pub(crate) grows: bool,
    pub(crate) memory: Option<Memory>,
    pub(crate) max_pages: u32,
    /// `2^k` for k from 0 to 32.
    pub(crate) powers: u32,
    /// `2^(24 - 8·k)` for k from 0 to 3.
    pub(crate) bytes: u32,
    /// Numbers of bits by the upper five bits of a de Bruijn product.
    pub(crate) bits: u32,
    pub(crate) globals: Vec<u32>,
    /// The number of pages.
    pub(crate) pages: u32,
    /// The number to be added to an address in linear memory, so that it is negative if out of
    /// bounds.
    pub(crate) guard: u32,
    /// Recursive calls that are still possible.
    pub(crate) depth: u32,
    /// The records of functions: of each a word for its digest, and an element for its type. The first one
    /// is null's.
    pub(crate) records: u32,
    pub(crate) tables: Vec<TableLayout>,
    pub(crate) elements: Vec<ElementsLayout>,
    pub(crate) data: Vec<DataLayout>,
    pub(crate) arguments: u32,
    pub(crate) results: u32,
    /// Digests of functions that are reached through memory, made as they are needed.
    pub(crate) next: u32,
}

impl Layout {
    pub(crate) fn new(module: &Module<'_>, may_grow: bool) -> Self {
        let memory = module.memory;
        let pages = memory.map_or(0, |memory| memory.pages);
        let max_pages = match memory {
            Some(memory) if may_grow => {
                let most = limits::GROWN_PAGES.max(pages);
                memory.max.map_or(most, |max| max.min(most))
            }
            _ => pages,
        };
        let capacity = max_pages * PAGE;
        let mut this = Self {
            capacity,
            grows: max_pages > pages,
            memory,
            max_pages,
            powers: 0,
            bytes: 0,
            bits: 0,
            globals: Vec::new(),
            pages: 0,
            guard: 0,
            depth: 0,
            records: 0,
            tables: Vec::new(),
            elements: Vec::new(),
            data: Vec::new(),
            arguments: 0,
            results: 0,
            next: capacity,
        };
        this.powers = this.take(33);
        this.bits = this.take(32);
        this.bytes = this.take(4);
        this.pages = this.take(1);
        this.guard = this.take(1);
        this.depth = this.take(1);
        this.globals = module.globals.iter().map(|_| this.take(2)).collect();
        // A value has two elements at most.
        let most = |counts: &mut dyn Iterator<Item = usize>| 2 * counts.max().unwrap_or(0) as u32;
        let types = || module.types.iter();
        this.arguments = this.take(most(&mut types().map(|ty| ty.params().len())));
        this.results = this.take(most(&mut types().map(|ty| ty.results().len())));
        if !module.referenced.is_empty() || !module.tables.is_empty() {
            this.next = this.next.next_multiple_of(RECORD);
            this.records = this.take(reference(module.functions.len() as u32));
        }
        for table in &module.tables {
            let capacity = match table.grows {
                true => {
                    let most = u64::from(limits::GROWN_TABLE.max(table.size));
                    table.max.map_or(most, |max| max.min(most)) as u32
                }
                false => table.size,
            };
            let size = match table.grows {
                true => TableSize::Cell(this.take(1)),
                false => TableSize::Fixed(table.size),
            };
            let first = this.take(capacity);
            this.tables.push(TableLayout {
                first,
                size,
                capacity,
            });
        }
        for elements in &module.elements {
            let first = this.take(elements.items.len() as u32);
            let length_cell = this.take(1);
            this.elements.push(ElementsLayout { first, length_cell });
        }
        for data in &module.data {
            let length = data.bytes.len() as u32;
            let first = this.take(length.div_ceil(4));
            let length_cell = this.take(1);
            this.data.push(DataLayout { first, length_cell });
        }
        this.next = this.next.next_multiple_of(8);
        this
    }

    /// Cells that nothing else uses.
    pub(crate) fn take(&mut self, count: u32) -> u32 {
        let first = self.next;
        self.next += count;
        first
    }

    /// A word that nothing else uses.
    pub(crate) fn take_word(&mut self) -> u32 {
        self.next = self.next.next_multiple_of(4);
        self.take(4)
    }

    /// The factor of a byte address in the address of its element: -1/4.
    pub(crate) fn scale() -> u64 {
        ((MODULUS - 1) / 4) as u64
    }

    /// Returns what is added to a scaled byte address, if the access is at an offset from it, and at a place in
    /// its element.
    pub(crate) fn base(&self, offset: u64, place: u32) -> u64 {
        let first = (u128::from(offset) + MODULUS - u128::from(place)) % MODULUS;
        let scaled = u128::from(Self::scale()) * first % MODULUS;
        ((u128::from(self.capacity) + MODULUS - 1 + scaled) % MODULUS) as u64
    }

    /// Returns what a byte address at this offset is subtracted from, so that four times the
    /// address of its element remains, and 3 less the place in it.
    pub(crate) fn end(&self, offset: u64) -> u64 {
        let end = u128::from(self.capacity) * 4 + MODULUS - 1 - u128::from(offset);
        (end % MODULUS) as u64
    }

    /// The element behind a constant byte address, if it is in linear memory for certain.
    pub(crate) fn element(&self, address: u64) -> Option<u32> {
        let pages = u64::from(self.memory?.pages);
        let within = address.is_multiple_of(4) && address + 4 <= pages * 65_536;
        within.then(|| self.capacity - 1 - (address / 4) as u32)
    }

    /// The guard's value for a number of pages.
    pub(crate) fn guard_of(&self, pages: u32) -> u64 {
        let missing = u128::from((self.max_pages - pages) * PAGE);
        ((MODULUS - missing) % MODULUS) as u64
    }
}

/// Memory as an instance finds it.
pub(crate) type Image = BTreeMap<u32, Initial>;

/// The first content of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Initial {
    Value(u64),
    /// One of the four elements of a function's digest.
    Digest(u32, u8),
}
