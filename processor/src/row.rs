//! The clock as hosts see it.

use core::{fmt, ops::Sub};

use miden_core::Felt;

/// The number of a cycle, which is that of its row in the execution trace.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowIndex(u32);

impl RowIndex {
    /// The number.
    pub const fn as_u32(&self) -> u32 {
        self.0
    }

    /// The number as an index.
    pub const fn as_usize(&self) -> usize {
        self.0 as usize
    }

    /// The row `rows` before this one, or the first.
    pub const fn saturating_sub(self, rows: u32) -> Self {
        Self(self.0.saturating_sub(rows))
    }
}

/// The number of rows from another row to this one; 0 if the other one is later.
impl Sub for RowIndex {
    type Output = usize;

    fn sub(self, earlier: Self) -> usize {
        self.as_usize().saturating_sub(earlier.as_usize())
    }
}

impl From<u32> for RowIndex {
    fn from(row: u32) -> Self {
        Self(row)
    }
}

impl From<RowIndex> for u32 {
    fn from(row: RowIndex) -> Self {
        row.0
    }
}

impl From<RowIndex> for u64 {
    fn from(row: RowIndex) -> Self {
        row.0.into()
    }
}

impl From<RowIndex> for usize {
    fn from(row: RowIndex) -> Self {
        row.as_usize()
    }
}

impl From<RowIndex> for Felt {
    fn from(row: RowIndex) -> Self {
        row.0.into()
    }
}

impl fmt::Display for RowIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
