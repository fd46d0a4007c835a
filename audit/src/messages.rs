//! The messages of a row, by name.

use core::fmt;

use miden_core::{Felt, ZERO};
use miden_cvm_air::{
    lookup::{Bus, Content, LookupBuilder, MAX_MESSAGE_WIDTH, Slot},
    table::{Table, Window},
};

/// The content of a message: its bus and its coordinates, then zeros.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The bus.
    pub bus: Bus,
    /// The coordinates.
    pub cells: [u64; MAX_MESSAGE_WIDTH],
}

impl Key {
    /// A message with these coordinates.
    pub fn new(bus: Bus, coordinates: &[Felt]) -> Self {
        let mut cells = [0; MAX_MESSAGE_WIDTH];
        for (cell, coordinate) in cells.iter_mut().zip(coordinates) {
            *cell = coordinate.as_int();
        }
        Self { bus, cells }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}{:?}", self.bus, self.cells)
    }
}

/// A message of a row.
#[derive(Debug, Clone, Copy)]
pub struct Sent {
    /// Its name.
    pub name: &'static str,
    /// Its content.
    pub key: Key,
    /// Number of its coordinates.
    pub width: usize,
    /// The names of its fields, each with the number of its coordinates.
    pub fields: &'static [(&'static str, usize)],
    /// The number of times that it is sent; negative if it is received.
    pub count: Felt,
}

/// Collects the messages of a row.
struct Collector<'a>(&'a mut Vec<Sent>);

impl LookupBuilder for Collector<'_> {
    type Expr = Felt;

    fn send(
        &mut self,
        _: Slot,
        name: &'static str,
        _: Felt,
        count: Felt,
        content: Content<'_, Felt>,
    ) {
        if count != ZERO {
            self.0.push(Sent {
                name,
                key: Key::new(content.bus, content.coordinates),
                width: content.coordinates.len(),
                fields: content.fields,
                count,
            });
        }
    }
}

/// Appends the messages of a table's row.
pub fn collect(table: Table, rows: &Window<'_, Felt>, into: &mut Vec<Sent>) {
    table.lookups(rows, &mut Collector(into));
}
