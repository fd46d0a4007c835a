//! The inputs of the rows, table by table.

mod bitwise;
mod circuits;
mod core;
mod hasher;
mod instances;
mod memory;
mod range;
mod resources;
mod rom;

use miden_cvm_air::{builder::PERIOD, table::Table};

/// The inputs of a table's rows, and the cells that they have to determine.
#[derive(Debug)]
pub struct Rows {
    /// The cells that they are given.
    pub given: &'static [Given],
    /// The cells that they pass on.
    pub passed: &'static [Passed],
    /// Flags that tell kinds of rows from each other.
    pub kinds: &'static [&'static str],
    /// The name of rows on which none of them is set.
    pub others: &'static str,
    /// `true` if what the next row is asked and answered determines its cells too, as they depend
    /// on this row.
    pub looks_ahead: bool,
}

impl Rows {
    /// The rows of a table.
    pub fn of(table: Table) -> &'static Self {
        match table {
            Table::Core => &core::ROWS,
            Table::Range => &range::ROWS,
            Table::Hasher => &hasher::ROWS,
            Table::Memory => &memory::ROWS,
            Table::Bitwise => &bitwise::ROWS,
            Table::Resources => &resources::ROWS,
            Table::Rom => &rom::ROWS,
            Table::Circuits => &circuits::ROWS,
            Table::Instances => &instances::ROWS,
        }
    }
}

/// Cells that rows are given.
#[derive(Debug, Clone, Copy)]
pub struct Given {
    /// The cells, by names with spaces between them; a family without its numbers, or some of it as
    /// `name[2..5]`, or all names that begin so as `name*`; of the next row with a prime at the end.
    pub cells: &'static str,
    /// Cells that have to have these values.
    pub when: When,
    /// The places of a cycle at which they are given.
    pub places: Places,
    /// Where they come from.
    pub why: &'static str,
    /// A further fact that is known of them.
    pub fact: Option<Fact>,
}

/// Cells with the values that they have to have. Of several, named as in [`Given`], one has to.
pub type When = &'static [(&'static str, u64)];

/// A fact that is known of a cell which is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// It is not zero.
    NotZero,
    /// It is 0 or 1.
    Flag,
}

/// Cells that the next row takes over, and which have to be determined.
#[derive(Debug, Clone, Copy)]
pub struct Passed {
    /// The cells, as in [`Given`], without the prime.
    pub cells: &'static str,
    /// Cells that have to have these values.
    pub when: When,
}

/// Places of a cycle of the periodic columns.
#[derive(Debug, Clone, Copy)]
pub enum Places {
    /// All of them.
    All,
    /// The last row of a cycle.
    Last,
    /// Rows with even numbers.
    Even,
    /// Rows with odd numbers.
    Odd,
}

impl Places {
    /// Returns `true` if a place is one of them.
    pub fn contains(self, place: usize) -> bool {
        match self {
            Self::All => true,
            Self::Last => place % PERIOD == PERIOD - 1,
            Self::Even => place.is_multiple_of(2),
            Self::Odd => !place.is_multiple_of(2),
        }
    }
}

/// The row before.
pub const BEFORE: &str = "row before";
/// The program.
const PROGRAM: &str = "program";
/// The advice.
const ADVICE: &str = "advice";
/// The prover's choice, of which facts to state and how often.
const CHOICE: &str = "choice";
/// Origin of the cells that are part of the request which the row answers.
const ASKED: &str = "asked";
/// Origin of the cells that a later row has to arrive at.
const LATER: &str = "bound by a later row";

const fn given(cells: &'static str, when: When, why: &'static str) -> Given {
    Given {
        cells,
        when,
        places: Places::All,
        why,
        fact: None,
    }
}

const fn given_at(places: Places, cells: &'static str, when: When, why: &'static str) -> Given {
    Given {
        places,
        ..given(cells, when, why)
    }
}

const fn passed(cells: &'static str, when: When) -> Passed {
    Passed { cells, when }
}
