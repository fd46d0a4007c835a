//! The tables that a trace consists of.
//!
//! Every table has a height of its own, and columns, constraints, boundary constraints and messages
//! of its own. What tables know of each other goes over the buses.

use alloc::vec::Vec;

use miden_core::Felt;

use crate::{
    algebra::Degree,
    boundary::{self, Boundary},
    builder::{Catalog, ConstraintBuilder, ConstraintInfo, Frame, Periodic},
    chiplets,
    columns::{CHIPLET_WIDTH, CORE_WIDTH, Cells, ChipletRow, CoreRow, RANGE_WIDTH, RangeRow},
    decoder,
    lookup::{LookupBuilder, LookupCatalog, MessageInfo, Packing},
    opcode::OpFlags,
    public::PublicInputs,
    range, stack, system,
};

/// The largest height of a table: contexts then stay below 2^48.
pub const MAX_HEIGHT: usize = 1 << 28;

/// A table of the trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Table {
    /// System, decoder and operand stack: one row a cycle.
    Core,
    /// The range table and the byte table.
    Range,
    /// The chiplets, below each other.
    Chiplets,
}

/// Two consecutive rows of a table, by columns.
#[derive(Debug, Clone, Copy)]
pub struct Window<'a, E> {
    /// The current row.
    pub cur: &'a [E],
    /// The next row.
    pub next: &'a [E],
    /// Values of the periodic columns at the current row.
    pub periodic: &'a Periodic<E>,
    /// 1 if the program is a composition, 0 if it is open; a constant.
    pub composed: E,
}

impl<'a, E: Copy> Window<'a, E> {
    /// The rows as those of a table.
    #[inline(always)]
    fn frame<R: Cells<E>>(&self) -> Frame<'a, R, E> {
        Frame {
            cur: R::from_cells(self.cur),
            next: R::from_cells(self.next),
            periodic: self.periodic,
            composed: self.composed,
        }
    }
}

impl Table {
    /// The number of tables.
    pub const COUNT: usize = 3;

    /// All tables, in the order in which a proof has them.
    pub const ALL: [Self; Self::COUNT] = [Self::Core, Self::Range, Self::Chiplets];

    /// The number of main columns.
    pub const fn width(self) -> usize {
        match self {
            Self::Core => CORE_WIDTH,
            Self::Range => RANGE_WIDTH,
            Self::Chiplets => CHIPLET_WIDTH,
        }
    }

    /// The smallest height: the byte table needs 257 rows, the periodic columns 8.
    pub const fn min_height(self) -> usize {
        match self {
            Self::Core | Self::Chiplets => 8,
            Self::Range => 512,
        }
    }

    /// The height that is needed for `rows` rows and one of padding, which no transition constraint
    /// looks at as the current row.
    pub const fn height_for(self, rows: usize) -> usize {
        let height = (rows + 1).next_power_of_two();
        if height < self.min_height() {
            self.min_height()
        } else {
            height
        }
    }

    /// The name of the table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Range => "range",
            Self::Chiplets => "chiplets",
        }
    }

    /// Declares the transition constraints of the main columns.
    #[inline]
    pub fn constraints<B: ConstraintBuilder>(self, rows: &Window<'_, B::Expr>, builder: &mut B) {
        match self {
            Self::Core => {
                let frame = rows.frame::<CoreRow<B::Expr>>();
                let ops = OpFlags::new(&frame.cur.op);
                let next_ops = OpFlags::new(&frame.next.op);
                system::constraints(&frame, &ops, builder);
                decoder::constraints(&frame, &ops, &next_ops, builder);
                stack::constraints(&frame, &ops, builder);
            }
            Self::Range => range::constraints(&rows.frame::<RangeRow<B::Expr>>(), builder),
            Self::Chiplets => chiplets::constraints(&rows.frame::<ChipletRow<B::Expr>>(), builder),
        }
    }

    /// Declares the messages that a row sends or receives.
    #[inline]
    pub fn lookups<B: LookupBuilder>(self, rows: &Window<'_, B::Expr>, builder: &mut B) {
        match self {
            Self::Core => {
                let frame = rows.frame::<CoreRow<B::Expr>>();
                let ops = OpFlags::new(&frame.cur.op);
                decoder::lookups(&frame, &ops, builder);
                stack::lookups(&frame, &ops, builder);
            }
            Self::Range => range::lookups(&rows.frame::<RangeRow<B::Expr>>(), builder),
            Self::Chiplets => chiplets::lookups(&rows.frame::<ChipletRow<B::Expr>>(), builder),
        }
    }

    /// The boundary constraints of the main columns.
    pub fn boundaries(self, public: &PublicInputs) -> Vec<Boundary> {
        match self {
            Self::Core => boundary::core(public),
            Self::Range => boundary::range(),
            Self::Chiplets => boundary::chiplets(),
        }
    }

    /// Lists the transition constraints of the main columns, in order.
    pub fn constraint_catalog(self) -> Vec<ConstraintInfo> {
        let mut catalog = Catalog::default();
        self.with_degrees(|rows| self.constraints(rows, &mut catalog));
        catalog.constraints
    }

    /// Lists the messages of a row, in order.
    pub fn message_catalog(self) -> Vec<MessageInfo> {
        let mut catalog = LookupCatalog::default();
        self.with_degrees(|rows| self.lookups(rows, &mut catalog));
        catalog.messages
    }

    /// How the table's messages share auxiliary columns.
    pub fn packing(self) -> Packing {
        Packing::new(&self.message_catalog())
    }

    fn with_degrees(self, list: impl FnOnce(&Window<'_, Degree>)) {
        let row = alloc::vec![Degree(1); self.width()];
        list(&Window {
            cur: &row,
            next: &row,
            periodic: &Periodic::filled(Degree(1)),
            composed: Degree(0),
        });
    }
}

/// The heights of all tables, powers of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Heights {
    logs: [u8; Table::COUNT],
}

impl Heights {
    /// Heights by their binary logarithms, in the order of the tables; none if a table cannot have
    /// its height.
    pub fn from_logs(logs: [u8; Table::COUNT]) -> Option<Self> {
        let allowed = |(table, &log): (&Table, &u8)| {
            (table.min_height().ilog2()..=MAX_HEIGHT.ilog2()).contains(&u32::from(log))
        };
        Table::ALL
            .iter()
            .zip(&logs)
            .all(allowed)
            .then_some(Self { logs })
    }

    /// Heights in the order of the tables; none if a table cannot have its height.
    pub fn new(heights: [usize; Table::COUNT]) -> Option<Self> {
        if heights.iter().all(|height| height.is_power_of_two()) {
            Self::from_logs(heights.map(|height| height.ilog2() as u8))
        } else {
            None
        }
    }

    /// All tables of one height.
    pub fn uniform(height: usize) -> Option<Self> {
        Self::new([height; Table::COUNT])
    }

    /// The binary logarithms, in the order of the tables.
    pub fn logs(&self) -> [u8; Table::COUNT] {
        self.logs
    }

    /// The height of a table.
    pub fn of(&self, table: Table) -> usize {
        1 << self.logs[table as usize]
    }

    /// The largest height.
    pub fn longest(&self) -> usize {
        self.logs.iter().map(|&log| 1 << log).fold(0, usize::max)
    }

    /// How often a table goes into the longest one.
    pub fn ratio(&self, table: Table) -> usize {
        self.longest() / self.of(table)
    }

    /// The number of main cells of all tables.
    pub fn cells(&self) -> usize {
        let cells = |table: &Table| self.of(*table) * table.width();
        Table::ALL.iter().map(cells).sum()
    }
}

/// The rows of all tables of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// The rows of the core.
    pub core: Vec<CoreRow<Felt>>,
    /// The rows of the range table.
    pub range: Vec<RangeRow<Felt>>,
    /// The rows of the chiplets.
    pub chiplets: Vec<ChipletRow<Felt>>,
}

impl Trace {
    /// The number of rows of a table.
    pub fn height(&self, table: Table) -> usize {
        match table {
            Table::Core => self.core.len(),
            Table::Range => self.range.len(),
            Table::Chiplets => self.chiplets.len(),
        }
    }

    /// The heights; none if a table has a number of rows that it cannot have.
    pub fn heights(&self) -> Option<Heights> {
        Heights::new(Table::ALL.map(|table| self.height(table)))
    }

    /// The cells of a table, row by row.
    pub fn cells(&self, table: Table) -> &[Felt] {
        use crate::columns::cells_of_rows;
        match table {
            Table::Core => cells_of_rows(&self.core),
            Table::Range => cells_of_rows(&self.range),
            Table::Chiplets => cells_of_rows(&self.chiplets),
        }
    }

    /// The cells of a table, row by row, to be written.
    pub fn cells_mut(&mut self, table: Table) -> &mut [Felt] {
        use crate::columns::cells_of_rows_mut;
        match table {
            Table::Core => cells_of_rows_mut(&mut self.core),
            Table::Range => cells_of_rows_mut(&mut self.range),
            Table::Chiplets => cells_of_rows_mut(&mut self.chiplets),
        }
    }

    /// A row of a table.
    ///
    /// # Panics
    /// Panics if the table has no such row.
    pub fn row(&self, table: Table, row: usize) -> &[Felt] {
        &self.cells(table)[row * table.width()..][..table.width()]
    }

    /// A row of a table, to be written.
    ///
    /// # Panics
    /// Panics if the table has no such row.
    pub fn row_mut(&mut self, table: Table, row: usize) -> &mut [Felt] {
        &mut self.cells_mut(table)[row * table.width()..][..table.width()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heights_are_powers_of_two_in_range() {
        let heights = Heights::new([16, 512, 32]).expect("allowed heights");
        assert_eq!(heights.longest(), 512);
        assert_eq!(Table::ALL.map(|table| heights.ratio(table)), [32, 1, 16]);
        for refused in [
            [4, 512, 32],
            [16, 256, 32],
            [16, 512, 4],
            [24, 512, 32],
            [0, 512, 32],
            [2 * MAX_HEIGHT, 512, 32],
        ] {
            assert_eq!(Heights::new(refused), None);
        }
        for log in [2, 29, 63, 64, 255] {
            assert_eq!(Heights::from_logs([log, 9, 9]), None);
        }
        for (rows, height) in [(0, 8), (7, 8), (8, 16), (15, 16), (16, 32)] {
            assert_eq!(Table::Core.height_for(rows), height);
        }
        assert_eq!(Table::Range.height_for(3), 512);
    }
}
