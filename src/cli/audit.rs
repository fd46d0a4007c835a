//! `audit`.

use core::fmt;
use std::collections::BTreeMap;

use clap::Args;
use miden_cvm::{AuditReport, Campaign, HarmlessReason, Survivor, Tally, audit};
use serde::Serialize;

use super::{
    lying::LyingArgs,
    outcome::{Failure, Outcome},
    progress::Progress,
    prove::LONGEST_RUN,
    run::CodeAnswer,
    source::Source,
};

/// Changes the trace of a run in many ways, and sees whether the constraints reject every change.
/// With `--advice` it runs the target again and again while somebody lies about what the advice
/// answers, and sees whether the program refuses every lie.
#[derive(Debug, Args)]
pub struct AuditCommand {
    #[command(flatten)]
    source: Source,
    /// Lie in the answers of events and the Merkle store, instead of changing the trace
    #[arg(long)]
    advice: bool,
    #[command(flatten)]
    lying: LyingArgs,
    /// The number of changes, or of lies
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 20_000,
        value_parser = clap::value_parser!(u64).range(1..))]
    mutations: u64,
    /// The seed of the random choices
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl AuditCommand {
    /// Runs the target and then the campaign, on all threads.
    ///
    /// # Errors
    /// Returns an error if something cannot be loaded, if the run traps, or if it has no trace.
    pub fn run(&self) -> Result<Outcome, Failure> {
        if self.advice {
            return self.lying.run(&self.source, self.mutations, self.seed);
        }
        let progress = Progress::start("loading");
        let mut loaded = self.source.load(&progress, LONGEST_RUN)?;
        progress.stage("building the trace");
        let trace = loaded.trace()?;
        progress.stage("changing the trace");
        let rows = trace.trace.core.len();
        let campaign = Campaign {
            mutations: self.mutations,
            seed: self.seed,
        };
        let report = audit(trace.trace, trace.public, campaign, &|_| {});
        drop(progress);
        let survivors = report.survivors.len();
        let answer = AuditAnswer::new(CodeAnswer::new(&loaded.target), rows, campaign, report);
        let outcome = Outcome::new(&answer)?;
        Ok(match survivors {
            0 => outcome,
            _ => outcome.but_failed(format!(
                "{survivors} changes of the trace are not rejected: constraints are missing"
            )),
        })
    }
}

/// The answer of `audit`.
#[derive(Debug, Serialize)]
struct AuditAnswer {
    #[serde(flatten)]
    code: CodeAnswer,
    rows: usize,
    mutations: u64,
    seed: u64,
    kinds: BTreeMap<&'static str, Counts>,
    columns: BTreeMap<String, Counts>,
    harmless: BTreeMap<&'static str, u64>,
    constraints: BTreeMap<String, u64>,
    messages: BTreeMap<String, u64>,
    alone: BTreeMap<String, u64>,
    survivors: Vec<SurvivorAnswer>,
}

/// The numbers of changes that were rejected and that were not.
#[derive(Debug, Clone, Copy, Serialize)]
struct Counts {
    rejected: u64,
    harmless: u64,
    survived: u64,
}

impl From<Tally> for Counts {
    fn from(tally: Tally) -> Self {
        Self {
            rejected: tally.rejected,
            harmless: tally.harmless,
            survived: tally.survived,
        }
    }
}

/// A change that nothing rejects.
#[derive(Debug, Serialize)]
struct SurvivorAnswer {
    number: u64,
    kind: &'static str,
    cells: usize,
    changes: Vec<ChangeAnswer>,
}

/// A cell that is another.
#[derive(Debug, Serialize)]
struct ChangeAnswer {
    table: &'static str,
    row: usize,
    column: String,
    old: String,
    new: String,
}

impl From<Survivor> for SurvivorAnswer {
    fn from(survivor: Survivor) -> Self {
        Self {
            number: survivor.number,
            kind: survivor.kind.name(),
            cells: survivor.cells,
            changes: survivor
                .changes
                .into_iter()
                .map(|change| ChangeAnswer {
                    table: change.table.name(),
                    row: change.row,
                    column: change.column,
                    old: change.old.to_string(),
                    new: change.new.to_string(),
                })
                .collect(),
        }
    }
}

impl AuditAnswer {
    fn new(code: CodeAnswer, rows: usize, campaign: Campaign, report: AuditReport) -> Self {
        let kinds = report.kinds.into_iter();
        let columns = report.columns.into_iter();
        let reasons = report.reasons.into_iter();
        Self {
            code,
            rows,
            mutations: campaign.mutations,
            seed: campaign.seed,
            kinds: kinds
                .map(|(kind, tally)| (kind.name(), tally.into()))
                .collect(),
            columns: columns.map(|(name, tally)| (name, tally.into())).collect(),
            harmless: reasons
                .map(|(reason, count)| (HarmlessReason::text(reason), count))
                .collect(),
            constraints: report.constraints,
            messages: report.messages,
            alone: report.alone,
            survivors: report.survivors.into_iter().map(Into::into).collect(),
        }
    }
}

impl fmt::Display for AuditAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        writeln!(f, "trace        {} rows", self.rows)?;
        writeln!(f, "seed         {}", self.seed)?;
        table(f, "kind of change", &self.kinds)?;
        table(f, "column (one cell changed)", &self.columns)?;
        if !self.harmless.is_empty() {
            writeln!(f, "\nnot rejected, and harmless:")?;
        }
        for (reason, count) in &self.harmless {
            writeln!(f, "{count:>10}  {reason}")?;
        }
        for survivor in &self.survivors {
            let SurvivorAnswer {
                number,
                kind,
                cells,
                changes,
            } = survivor;
            writeln!(f, "\nsurvivor {number} ({kind}, {cells} cells):")?;
            for change in changes {
                let ChangeAnswer {
                    table,
                    row,
                    column,
                    old,
                    new,
                } = change;
                writeln!(f, "  {table}, row {row}, {column}: {old} -> {new}")?;
            }
        }
        Ok(())
    }
}

/// A table of counts.
fn table<K: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    heading: &str,
    counts: &BTreeMap<K, Counts>,
) -> fmt::Result {
    writeln!(
        f,
        "\n{heading:<34} {:>9} {:>9} {:>9}",
        "rejected", "harmless", "survived"
    )?;
    for (name, count) in counts {
        let Counts {
            rejected,
            harmless,
            survived,
        } = count;
        let name = name.to_string();
        writeln!(f, "{name:<34} {rejected:>9} {harmless:>9} {survived:>9}")?;
    }
    Ok(())
}
