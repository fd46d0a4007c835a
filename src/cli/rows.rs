//! `rows`.

use core::fmt;
use std::collections::BTreeSet;

use clap::Args;
use miden_cvm::Table;
use miden_cvm_audit::{Row, operation_at, operations, rows};
use serde::Serialize;

use super::{
    outcome::{Failure, Outcome},
    progress::Progress,
    prove::LONGEST_RUN,
    run::CodeAnswer,
    source::Source,
};

/// Prints rows of the trace: their cells, the messages that they send and receive, and the rows at the
/// other end, which are printed too.
#[derive(Debug, Args)]
pub struct RowsCommand {
    #[command(flatten)]
    source: Source,
    /// The first cycle
    #[arg(long, value_name = "CYCLE", default_value_t = 0)]
    from: usize,
    /// The last cycle
    #[arg(long, value_name = "CYCLE")]
    to: Option<usize>,
    /// Only rows that execute this operation, or begin or end such a node, such as `CALL` or `MLOADW`;
    /// can be given several times
    #[arg(long = "operation", value_name = "NAME")]
    operations: Vec<String>,
    /// Leave out the cells
    #[arg(long)]
    messages: bool,
    /// The largest number of core rows to print
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 8)]
    rows: usize,
}

impl RowsCommand {
    /// Runs the target and prints the rows.
    ///
    /// # Errors
    /// Returns an error if there is no such operation, if something cannot be loaded, if the run traps, or
    /// if it has no trace.
    pub fn run(&self) -> Result<Outcome, Failure> {
        let wanted: Vec<String> = self
            .operations
            .iter()
            .map(|name| name.to_uppercase())
            .collect();
        if let Some(unknown) = wanted
            .iter()
            .find(|name| operations().all(|known| known != **name))
        {
            return Err(Failure::usage(format!(
                "there is no operation `{unknown}`; the operations are {}",
                operations().collect::<Vec<_>>().join(", ")
            )));
        }
        if let Some(to) = self.to.filter(|to| *to < self.from) {
            return Err(Failure::usage(format!(
                "--from {} is after --to {to}: there are no rows between them",
                self.from
            )));
        }
        let progress = Progress::start("loading");
        let mut loaded = self.source.load(&progress, LONGEST_RUN)?;
        progress.stage("building the trace");
        let traced = loaded.trace()?;
        let end = self.to.map_or(usize::MAX, |to| to.saturating_add(1));
        let cycles = self.from..end.min(traced.trace.height(Table::Core));
        let chosen: BTreeSet<usize> = cycles
            .filter(|&row| {
                wanted.is_empty()
                    || wanted
                        .iter()
                        .any(|name| name == operation_at(&traced.trace, row))
            })
            .take(self.rows)
            .collect();
        progress.stage("looking for the other ends of messages");
        let mut rows = rows(&traced.trace, &traced.public, &chosen);
        if self.messages {
            rows.iter_mut().for_each(|row| row.cells.clear());
        }
        drop(progress);
        Outcome::new(&RowsAnswer {
            code: CodeAnswer::new(&loaded.target),
            rows,
        })
    }
}

/// The answer of `rows`.
#[derive(Debug, Serialize)]
struct RowsAnswer {
    #[serde(flatten)]
    code: CodeAnswer,
    rows: Vec<Row>,
}

impl fmt::Display for RowsAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        for row in &self.rows {
            write!(f, "\n{row}")?;
        }
        Ok(())
    }
}
