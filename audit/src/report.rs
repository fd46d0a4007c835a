//! The findings of a campaign.

use std::collections::BTreeMap;

use miden_core::Felt;
use miden_cvm_air::table::Table;

use crate::{harmless::Reason, mutation::Kind};

/// The numbers of mutations that were rejected and that were not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Something objects.
    pub rejected: u64,
    /// Nothing objects, and it is known why that is harmless.
    pub harmless: u64,
    /// Nothing objects.
    pub survived: u64,
}

impl Tally {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.rejected + self.harmless + self.survived
    }
}

/// A cell that a survivor changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The table.
    pub table: Table,
    /// The row.
    pub row: usize,
    /// The name of the column.
    pub column: String,
    /// The value that the cell held.
    pub old: Felt,
    /// The value that it holds now.
    pub new: Felt,
}

/// A mutation that nothing rejects, and that no rule explains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survivor {
    /// Its number in the campaign.
    pub number: u64,
    /// Its kind.
    pub kind: Kind,
    /// The changed cells; only the first ones if there are many.
    pub changes: Vec<Change>,
    /// The number of cells that it changes.
    pub cells: usize,
}

/// The findings of a campaign.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// By kind.
    pub kinds: BTreeMap<Kind, Tally>,
    /// By column, of the mutations of single cells.
    pub columns: BTreeMap<String, Tally>,
    /// By reason, of the harmless ones.
    pub reasons: BTreeMap<Reason, u64>,
    /// The number of mutations that each constraint or boundary constraint rejects.
    pub constraints: BTreeMap<String, u64>,
    /// The number of mutations that are rejected because this message is not matched.
    pub messages: BTreeMap<String, u64>,
    /// The number of mutations that would be accepted without this family of constraints, or this
    /// message: it alone rejects them.
    pub alone: BTreeMap<String, u64>,
    /// Those that nothing explains.
    pub survivors: Vec<Survivor>,
}

impl Report {
    /// All mutations.
    pub fn total(&self) -> Tally {
        self.kinds
            .values()
            .fold(Tally::default(), |sum, tally| Tally {
                rejected: sum.rejected + tally.rejected,
                harmless: sum.harmless + tally.harmless,
                survived: sum.survived + tally.survived,
            })
    }

    /// Adds what another part of the campaign found.
    pub fn merge(mut self, other: Self) -> Self {
        for (kind, tally) in other.kinds {
            add(self.kinds.entry(kind).or_default(), tally);
        }
        for (column, tally) in other.columns {
            add(self.columns.entry(column).or_default(), tally);
        }
        for (reason, count) in other.reasons {
            *self.reasons.entry(reason).or_default() += count;
        }
        for (name, count) in other.constraints {
            *self.constraints.entry(name).or_default() += count;
        }
        for (name, count) in other.messages {
            *self.messages.entry(name).or_default() += count;
        }
        for (name, count) in other.alone {
            *self.alone.entry(name).or_default() += count;
        }
        self.survivors.extend(other.survivors);
        self
    }
}

fn add(sum: &mut Tally, tally: Tally) {
    sum.rejected += tally.rejected;
    sum.harmless += tally.harmless;
    sum.survived += tally.survived;
}
