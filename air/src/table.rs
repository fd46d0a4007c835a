//! The tables that a trace consists of.
//!
//! Every table has a height of its own, and columns, constraints, boundary constraints and messages
//! of its own. What tables know of each other goes over the buses.

mod declaration;

use alloc::vec::Vec;

pub use declaration::{Constraint, Declaration, Sent};
use miden_core::Felt;
use miden_utils_sync::LazyLock;
use winter_math::FieldElement;

use crate::{
    algebra::Degree,
    boundary::{self, Boundary},
    builder::{ConstraintBuilder, ConstraintInfo, CoreFrame, Evaluator, Frame, Periodic},
    chiplets::{bitwise, circuits, hasher, instances, memory, resources, rom},
    columns::{
        BitwiseRow, Cells, CircuitRow, CoreRow, HasherRow, InstanceRow, MemoryRow, RangeRow,
        ResourceRow, RomRow, cells_of_rows, cells_of_rows_mut,
    },
    decoder,
    lookup::{LookupBuilder, LookupCatalog, MessageInfo, Packing},
    opcode::OpFlags,
    public::PublicInputs,
    range, stack, system,
};

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
            fn declare_constraints<B: ConstraintBuilder>(
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
            fn declare_lookups<B: LookupBuilder>(
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

            /// The constraints and messages.
            pub fn declaration(self) -> &'static Declaration {
                static DECLARATIONS: [LazyLock<Declaration>; Table::COUNT] =
                    [$(LazyLock::new(|| Declaration::new(Table::$table))),*];
                &DECLARATIONS[self as usize]
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

            /// Keeps only these of a table's rows, and no room for the others.
            pub fn keep(&mut self, table: Table, rows: core::ops::Range<usize>) {
                if rows == (0..self.height(table)) {
                    return;
                }
                match table {
                    $(Table::$table => {
                        self.$field.truncate(rows.end);
                        self.$field.drain(..rows.start.min(self.$field.len()));
                        self.$field.shrink_to_fit();
                    })*
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
    Resources(resources: ResourceRow, resources, |_| boundary::resources())
    /// The public records: one row each.
    Rom(rom: RomRow, rom, |_| Vec::new())
    /// Evaluations of circuits, below each other.
    Circuits(circuits: CircuitRow, circuits, |_| boundary::circuits())
    /// Instances that the program installs, with the records of their components.
    Instances(instances: InstanceRow, instances, |_| boundary::instances())
}

/// The core's constraints and messages: those of its sections.
mod core_table {
    use super::{ConstraintBuilder, CoreFrame, LookupBuilder, OpFlags, decoder, stack, system};

    pub fn constraints<B: ConstraintBuilder>(frame: &CoreFrame<'_, B::Expr>, builder: &mut B) {
        let ops = OpFlags::new(&frame.cur.op);
        let next_ops = OpFlags::new(&frame.next.op);
        system::constraints(frame, &ops, builder);
        decoder::constraints(frame, &ops, &next_ops, builder);
        stack::constraints(frame, &ops, builder);
    }

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
    /// Returns `true` if a run can do without the table: one that uses none of what it states. The
    /// others have rows in every run.
    pub const fn is_optional(self) -> bool {
        matches!(
            self,
            Self::Bitwise | Self::Resources | Self::Rom | Self::Circuits | Self::Instances
        )
    }

    /// Computes the transition constraints of the main columns on two rows.
    pub fn constraints<B: ConstraintBuilder>(self, rows: &Window<'_, B::Expr>, builder: &mut B) {
        self.declaration().constrain(rows, builder);
    }

    /// Computes the messages that a row sends or receives.
    pub fn lookups<B: LookupBuilder>(self, rows: &Window<'_, B::Expr>, builder: &mut B) {
        self.declaration().send(rows, builder);
    }

    /// Lists the transition constraints of the main columns, in order.
    pub fn constraint_catalog(self) -> Vec<ConstraintInfo> {
        let constraints = &self.declaration().constraints;
        let mut degrees = alloc::vec![Degree(0); constraints.len()];
        self.with_degrees(|rows| self.constraints(rows, &mut Evaluator::new(&mut degrees)));
        let listed = constraints.iter().zip(degrees);
        let listed = listed.map(|(constraint, actual)| ConstraintInfo {
            name: constraint.name(),
            degree: constraint.degree,
            actual: actual.0,
        });
        listed.collect()
    }

    /// Lists the messages of a row, in order.
    pub fn message_catalog(self) -> Vec<MessageInfo> {
        let mut catalog = LookupCatalog::default();
        self.with_degrees(|rows| self.lookups(rows, &mut catalog));
        catalog.messages
    }

    /// Returns the packing of the table's messages into auxiliary columns.
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

/// Of each table the rows that somebody works with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableRows([core::ops::Range<usize>; Table::COUNT]);

impl TableRows {
    /// Rows by the order of the tables.
    pub fn new(rows: [core::ops::Range<usize>; Table::COUNT]) -> Self {
        Self(rows)
    }

    /// Those of a table; none by default.
    pub fn of(&self, table: Table) -> core::ops::Range<usize> {
        self.0[table as usize].clone()
    }
}

impl Trace {
    /// Keeps only these rows, and no room for the others.
    pub fn keep_only(&mut self, rows: &TableRows) {
        for table in Table::ALL {
            self.keep(table, rows.of(table));
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
