//! The soundness laboratory: takes the honest trace of a run, changes it in many ways, rebuilds what
//! a cheating prover would rebuild, and asks whether any constraint or bus rejects it.
//!
//! A mutation is judged by the rows around the change, and by the difference of the messages of
//! these rows, so a campaign does thousands of them a minute. What a prover may choose freely is
//! chosen for it: how often facts are looked up, which rows the range, byte and bitwise tables have,
//! and the rows of the memory section. These choices are found in the declarations of the AIR, not
//! listed: a table that is added is covered.
//!
//! A mutation that nothing rejects is either harmless, for one of the reasons in [`Reason`], or it
//! is a [`Survivor`], and the AIR has a hole.
//!
//! The constraints say nothing about what the host of a run answers. Whether a program checks its
//! answers is found out by [`advice::audit_advice`].

pub mod advice;
mod columns;
mod dual;
mod forgery;
mod harmless;
mod honest;
pub mod memory;
mod messages;
mod mutation;
mod random;
mod report;
mod rows;
pub mod spec;
mod unread;

use std::sync::atomic::{AtomicU64, Ordering};

pub use columns::Names;
use forgery::Forgery;
pub use harmless::Reason;
use honest::{Cell, Honest};
pub use honest::{core_kind, row_kind};
pub use messages::{Key, Sent, collect};
use miden_cvm_air::{public::PublicInputs, table::Trace};
pub use mutation::Kind;
use random::Random;
use rayon::prelude::*;
pub use report::{Change, Report, Survivor, Tally};
pub use rows::{Row, RowMessage, operation_at, operations, rows};
pub use unread::{RowContext, is_unread};

/// The settings of a campaign: how many mutations, and which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Campaign {
    /// The number of mutations. At first, every other one changes one cell: every column of a few
    /// rows of every operation and table. The others are random.
    pub mutations: u64,
    /// Seed of the random choices.
    pub seed: u64,
}

/// At most this many cells of a survivor are listed.
const MAX_CHANGES: usize = 12;

/// Runs a campaign on an honest trace, on all threads of the current pool. `progress` is told the
/// number of mutations done.
///
/// The report depends on the trace and the campaign only, not on the number of threads.
pub fn audit(
    trace: Trace,
    public: PublicInputs,
    campaign: Campaign,
    progress: &(impl Fn(u64) + Sync),
) -> Report {
    let honest = Honest::new(trace, public);
    let sweep = honest.sweep();
    let done = AtomicU64::new(0);
    let mut report = (0..campaign.mutations)
        .into_par_iter()
        .fold(Report::default, |report, number| {
            let report = report.merge(attempt(&honest, &sweep, campaign.seed, number));
            progress(done.fetch_add(1, Ordering::Relaxed) + 1);
            report
        })
        .reduce(Report::default, Report::merge);
    report.survivors.sort_by_key(|survivor| survivor.number);
    report
}

/// The mutations of a campaign, as traces: for those who want to do more with them than to judge
/// them.
#[derive(Debug)]
pub struct Mutations {
    honest: Honest,
    sweep: Vec<Cell>,
    seed: u64,
}

impl Mutations {
    /// Prepares the mutations of an honest trace.
    pub fn new(trace: Trace, public: PublicInputs, seed: u64) -> Self {
        let honest = Honest::new(trace, public);
        let sweep = honest.sweep();
        Self {
            honest,
            sweep,
            seed,
        }
    }

    /// The trace with mutation `number` of the campaign, and nothing adapted to it. There is none if
    /// a choice of cells leaves no freedom.
    pub fn trace(&self, number: u64) -> Option<Trace> {
        let (_, forgery) = mutate(&self.honest, &self.sweep, self.seed, number);
        let forgery = forgery?;
        let mut trace = self.honest.trace.clone();
        for (table, row) in forgery.changed_rows() {
            trace
                .row_mut(table, row)
                .copy_from_slice(forgery.row(table, row));
        }
        Some(trace)
    }
}

/// A mutation. Those with even numbers go through the cells of `sweep` as long as there are any.
fn mutate<'a>(
    honest: &'a Honest,
    sweep: &[Cell],
    seed: u64,
    number: u64,
) -> (Kind, Option<Forgery<'a>>) {
    let mut random = Random::new(seed, number);
    let swept = usize::try_from(number / 2).ok().and_then(|i| sweep.get(i));
    match swept {
        Some(&cell) if number.is_multiple_of(2) => {
            let forgery = mutation::change(honest, cell, &mut random);
            (Kind::Cell, Some(forgery))
        }
        _ => mutation::draw(honest, &mut random),
    }
}

/// Judges one mutation.
fn attempt(honest: &Honest, sweep: &[Cell], seed: u64, number: u64) -> Report {
    let (kind, forgery) = mutate(honest, sweep, seed, number);
    let mut report = Report::default();
    let mut tally = Tally::default();
    let Some(mut forgery) = forgery else {
        tally.rejected = 1;
        report.kinds.insert(kind, tally);
        return report;
    };
    let chosen = forgery.changes();
    let objections = forgery.judge();
    if !objections.none() {
        tally.rejected = 1;
    } else if let Some(reason) = harmless::reason(&forgery, &chosen) {
        tally.harmless = 1;
        report.reasons.insert(reason, 1);
    } else {
        tally.survived = 1;
        let changes = chosen.iter().take(MAX_CHANGES);
        report.survivors.push(Survivor {
            number,
            kind,
            changes: changes
                .map(|&(cell, old, new)| Change {
                    table: cell.0,
                    row: cell.1,
                    column: honest.name(cell).to_owned(),
                    old,
                    new,
                })
                .collect(),
            cells: chosen.len(),
        });
    }
    report.kinds.insert(kind, tally);
    if let [(cell, ..)] = chosen[..] {
        let name = honest.name(cell).to_owned();
        report.columns.insert(name, tally);
    }
    for name in objections.alone() {
        report.alone.insert(name.to_owned(), 1);
    }
    for name in objections.constraints {
        report.constraints.insert(name, 1);
    }
    for name in objections.messages {
        report.messages.insert(name.to_owned(), 1);
    }
    report
}
