//! The tables that a trace consists of.
//!
//! Every table has a height of its own, and columns, constraints, boundary constraints and messages
//! of its own. What tables know of each other goes over the buses.

use alloc::vec::Vec;

use miden_core::Felt;
use winter_math::FieldElement;

use crate::{
    algebra::Degree,
    boundary::{self, Boundary},
    builder::{Catalog, ConstraintBuilder, ConstraintInfo, CoreFrame, Frame, PERIOD, Periodic},
    chiplets::{ace, bitwise, hasher, memory, rom, table},
    columns::{
        AceRow, BitwiseRow, Cells, CoreRow, HasherRow, MemoryRow, RangeRow, ResourceRow, RomRow,
        cells_of_rows, cells_of_rows_mut,
    },
    decoder,
    lookup::{LookupBuilder, LookupCatalog, MessageInfo, Packing},
    opcode::OpFlags,
    public::PublicInputs,
    range, stack, system,
};

/// The largest height of a table: contexts then stay below 2^48.
pub const MAX_HEIGHT: usize = 1 << 28;

macro_rules! tables {
    ($(
        $(#[$doc:meta])*
        $table:ident($field:ident: $row:ident, $module:ident, $boundaries:expr)
    )*) => {
        /// A table of the trace.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Table {
            $($(#[$doc])* $table,)*
        }

        impl Table {
            /// The number of tables.
            pub const COUNT: usize = [$(Self::$table),*].len();

            /// All tables, in the order in which a proof has them.
            pub const ALL: [Self; Self::COUNT] = [$(Self::$table),*];

            /// The name of the table.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$table => stringify!($field),)*
                }
            }

            /// The number of main columns.
            pub const fn width(self) -> usize {
                match self {
                    $(Self::$table => size_of::<$row<u8>>(),)*
                }
            }

            /// Declares the transition constraints of the main columns.
            #[inline]
            pub fn constraints<B: ConstraintBuilder>(
                self,
                rows: &Window<'_, B::Expr>,
                builder: &mut B,
            ) {
                match self {
                    $(Self::$table => {
                        $module::constraints(&rows.frame::<$row<B::Expr>>(), builder);
                    })*
                }
            }

            /// Declares the messages that a row sends or receives.
            #[inline]
            pub fn lookups<B: LookupBuilder>(
                self,
                rows: &Window<'_, B::Expr>,
                builder: &mut B,
            ) {
                match self {
                    $(Self::$table => {
                        $module::lookups(&rows.frame::<$row<B::Expr>>(), builder);
                    })*
                }
            }

            /// The boundary constraints of the main columns.
            pub fn boundaries(self, public: &PublicInputs) -> Vec<Boundary> {
                match self {
                    $(Self::$table => $boundaries(public),)*
                }
            }
        }

        /// The rows of all tables of a run; tables that the run has no use for have none.
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct Trace {
            $($(#[$doc])* pub $field: Vec<$row<Felt>>,)*
        }

        impl Trace {
            /// The number of rows of a table.
            pub fn height(&self, table: Table) -> usize {
                match table {
                    $(Table::$table => self.$field.len(),)*
                }
            }

            /// The cells of a table, row by row.
            pub fn cells(&self, table: Table) -> &[Felt] {
                match table {
                    $(Table::$table => cells_of_rows(&self.$field),)*
                }
            }

            /// The cells of a table, row by row, to be written.
            pub fn cells_mut(&mut self, table: Table) -> &mut [Felt] {
                match table {
                    $(Table::$table => cells_of_rows_mut(&mut self.$field),)*
                }
            }

            /// Gives a table another number of rows; new ones have zeros in all cells.
            pub fn resize(&mut self, table: Table, height: usize) {
                const ZERO: Felt = <Felt as FieldElement>::ZERO;
                match table {
                    $(Table::$table => self.$field.resize(height, $row::filled(ZERO)),)*
                }
            }
        }
    };
}

tables! {
    /// System, decoder and operand stack: one row a cycle.
    Core(core: CoreRow, core_table, boundary::core)
    /// The range table and the byte table.
    Range(range: RangeRow, range, |_| boundary::range())
    /// Hashes: eight rows a permutation.
    Hasher(hasher: HasherRow, hasher, |_| boundary::hasher())
    /// Memory: one row an access.
    Memory(memory: MemoryRow, memory, |_| boundary::memory())
    /// AND and XOR: two rows an operation.
    Bitwise(bitwise: BitwiseRow, bitwise, |_| Vec::new())
    /// Resource tables: two rows an operation.
    Resources(resources: ResourceRow, table, |_| boundary::resources())
    /// The public records: one row each.
    Rom(rom: RomRow, rom, |_| Vec::new())
    /// Evaluations of circuits, below each other.
    Circuits(circuits: AceRow, ace, |_| boundary::circuits())
}

/// The core's constraints and messages: those of its sections.
mod core_table {
    use super::{ConstraintBuilder, CoreFrame, LookupBuilder, OpFlags, decoder, stack, system};

    #[inline]
    pub fn constraints<B: ConstraintBuilder>(frame: &CoreFrame<'_, B::Expr>, builder: &mut B) {
        let ops = OpFlags::new(&frame.cur.op);
        let next_ops = OpFlags::new(&frame.next.op);
        system::constraints(frame, &ops, builder);
        decoder::constraints(frame, &ops, &next_ops, builder);
        stack::constraints(frame, &ops, builder);
    }

    #[inline]
    pub fn lookups<B: LookupBuilder>(frame: &CoreFrame<'_, B::Expr>, builder: &mut B) {
        let ops = OpFlags::new(&frame.cur.op);
        decoder::lookups(frame, &ops, builder);
        stack::lookups(frame, &ops, builder);
    }
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
    /// Whether a run can do without the table: one that uses none of what it states. The others have
    /// rows in every run.
    pub const fn is_optional(self) -> bool {
        matches!(
            self,
            Self::Bitwise | Self::Resources | Self::Rom | Self::Circuits
        )
    }

    /// The smallest height of the table, unless it is absent: the byte table needs 14 rows, the
    /// periodic columns 8.
    pub const fn min_height(self) -> usize {
        match self {
            Self::Range => 16,
            _ => 8,
        }
    }

    /// The height that is needed for `rows` rows of use: none, if the table can be absent; else a
    /// power of two that leaves room for what has to be around them.
    pub const fn height_for(self, rows: usize) -> usize {
        if rows == 0 && self.is_optional() {
            return 0;
        }
        let height = (rows + self.margin()).next_power_of_two();
        if height < self.min_height() {
            self.min_height()
        } else {
            height
        }
    }

    /// The number of rows that are of no use: the last one, which no transition constraint looks at
    /// as the current row, and what belongs to it; and in two tables a first one.
    pub const fn margin(self) -> usize {
        match self {
            Self::Core | Self::Range | Self::Rom | Self::Circuits => 1,
            Self::Memory | Self::Bitwise | Self::Resources => 2,
            Self::Hasher => PERIOD,
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

/// The heights of all tables: powers of two, or 0 for a table that is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Heights {
    /// Binary logarithms; 0 for a table that is absent, as none has a single row.
    logs: [u8; Table::COUNT],
}

impl Heights {
    /// Heights by their binary logarithms, in the order of the tables, with 0 for a table that is
    /// absent; none if a table cannot have its height or cannot be absent.
    pub fn from_logs(logs: [u8; Table::COUNT]) -> Option<Self> {
        let allowed = |(table, &log): (&Table, &u8)| match log {
            0 => table.is_optional(),
            _ => (table.min_height().ilog2()..=MAX_HEIGHT.ilog2()).contains(&u32::from(log)),
        };
        Table::ALL
            .iter()
            .zip(&logs)
            .all(allowed)
            .then_some(Self { logs })
    }

    /// Heights in the order of the tables; none if a table cannot have its height.
    pub fn new(heights: [usize; Table::COUNT]) -> Option<Self> {
        let is_height = |&height: &usize| height == 0 || height > 1 && height.is_power_of_two();
        if heights.iter().all(is_height) {
            Self::from_logs(heights.map(|height| height.max(1).ilog2() as u8))
        } else {
            None
        }
    }

    /// All tables of one height.
    pub fn uniform(height: usize) -> Option<Self> {
        Self::new([height; Table::COUNT])
    }

    /// The binary logarithms, in the order of the tables, with 0 for a table that is absent.
    pub fn logs(&self) -> [u8; Table::COUNT] {
        self.logs
    }

    /// The tables that are there, in order.
    pub fn tables(&self) -> impl Iterator<Item = Table> + Clone + use<> {
        let logs = self.logs;
        let tables = Table::ALL.into_iter();
        tables.filter(move |&table| logs[table as usize] != 0)
    }

    /// The height of a table; 0 if it is absent.
    pub fn of(&self, table: Table) -> usize {
        match self.logs[table as usize] {
            0 => 0,
            log => 1 << log,
        }
    }

    /// The largest height.
    pub fn longest(&self) -> usize {
        let heights = self.tables().map(|table| self.of(table));
        heights.fold(0, usize::max)
    }

    /// How often a table goes into the longest one; 0 if it is absent.
    pub fn ratio(&self, table: Table) -> usize {
        self.longest().checked_div(self.of(table)).unwrap_or(0)
    }

    /// The number of main cells of all tables.
    pub fn cells(&self) -> usize {
        let cells = |table: Table| self.of(table) * table.width();
        self.tables().map(cells).sum()
    }
}

impl Trace {
    /// The heights; none if a table has a number of rows that it cannot have.
    pub fn heights(&self) -> Option<Heights> {
        Heights::new(Table::ALL.map(|table| self.height(table)))
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
        let heights = Heights::new([16, 512, 32, 8, 0, 0, 64, 0]).expect("allowed heights");
        assert_eq!(heights.longest(), 512);
        let ratio = |table| heights.ratio(table);
        assert_eq!(Table::ALL.map(ratio), [32, 1, 16, 64, 0, 0, 8, 0]);
        let tables = [
            Table::Core,
            Table::Range,
            Table::Hasher,
            Table::Memory,
            Table::Rom,
        ];
        assert!(heights.tables().eq(tables));
        assert_eq!(
            heights.cells(),
            tables.map(|t| t.width() * heights.of(t)).iter().sum()
        );
        for refused in [
            [4, 512, 32, 8, 8, 8, 8, 8],
            [16, 8, 32, 8, 8, 8, 8, 8],
            [16, 512, 4, 8, 8, 8, 8, 8],
            [24, 512, 32, 8, 8, 8, 8, 8],
            [16, 512, 32, 8, 1, 8, 8, 8],
            [16, 512, 32, 8, 8, 4, 8, 8],
            [2 * MAX_HEIGHT, 512, 32, 8, 8, 8, 8, 8],
        ] {
            assert_eq!(Heights::new(refused), None);
        }
        for log in [1, 2, 29, 63, 64, 255] {
            assert_eq!(Heights::from_logs([log, 9, 9, 9, 9, 9, 9, 9]), None);
        }
        for (rows, height) in [(0, 8), (7, 8), (8, 16), (15, 16), (16, 32)] {
            assert_eq!(Table::Core.height_for(rows), height);
        }
        for (rows, height) in [(0, 0), (2, 8), (6, 8), (8, 16), (14, 16)] {
            assert_eq!(Table::Bitwise.height_for(rows), height);
        }
        for (rows, height) in [(8, 16), (16, 32), (24, 32), (32, 64)] {
            assert_eq!(Table::Hasher.height_for(rows), height);
        }
        assert_eq!(Table::Range.height_for(3), 16);
    }

    #[test]
    fn only_some_tables_can_be_absent() {
        for table in Table::ALL {
            let mut logs = [9; Table::COUNT];
            logs[table as usize] = 0;
            let heights = Heights::from_logs(logs);
            assert_eq!(heights.is_some(), table.is_optional(), "{table:?}");
            assert_eq!(table.height_for(0) == 0, table.is_optional(), "{table:?}");
            if let Some(heights) = heights {
                assert_eq!((heights.of(table), heights.ratio(table)), (0, 0));
                assert!(heights.tables().all(|there| there != table));
            }
        }
    }
}
