//! `analyze`.

use core::fmt;
use std::path::PathBuf;

use clap::{Args, builder::PossibleValuesParser};
use miden_cvm::{
    Cost, InstanceProfile, IntrinsicProfile, ProcedureProfile, Profile, Table, TraceLengths,
    profile,
};
use serde::Serialize;

use super::{
    files::Outputs,
    outcome::{Failure, Outcome},
    progress::Progress,
    prove::LONGEST_RUN,
    run::CodeAnswer,
    source::Source,
};

/// Shows where a run spends its cycles and its trace its rows.
#[derive(Debug, Args)]
pub struct AnalyzeCommand {
    #[command(flatten)]
    source: Source,
    /// The number of procedures to show; those with the most cycles of their own come first
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 20)]
    procedures: usize,
    /// Write the costs by chain of calls across instances, as folded stacks: viewers of
    /// profiles make flamegraphs of them
    #[arg(long, value_name = "FILE")]
    folded: Option<PathBuf>,
    /// Write the same as a flamegraph, an SVG that a browser shows
    #[cfg(feature = "flamegraph")]
    #[arg(long, value_name = "FILE")]
    flamegraph: Option<PathBuf>,
    /// The cost that is counted in stacks: cycles, or rows of the hasher, of bitwise operations, or
    /// of memory
    #[arg(long, value_name = "COST", default_value = "cycles",
        value_parser = PossibleValuesParser::new(Cost::ALL.map(Cost::name)))]
    weight: String,
}

impl AnalyzeCommand {
    /// Runs the target twice: once to count cycles, once to build its trace.
    ///
    /// # Errors
    /// Returns an error if something cannot be loaded, if the run traps, or if it has no trace.
    pub fn run(&self) -> Result<Outcome, Failure> {
        let progress = Progress::start("loading");
        let mut loaded = self.source.load(&progress, LONGEST_RUN)?;
        let wanted = self.folded.iter();
        let wanted = wanted.map(|path| ("the folded stacks", path.clone()));
        #[cfg(feature = "flamegraph")]
        let wanted = {
            let drawn = self.flamegraph.iter();
            wanted.chain(drawn.map(|path| ("the flamegraph", path.clone())))
        };
        let outputs = Outputs::check(wanted, &loaded.read)?;
        progress.stage("counting cycles");
        let counted = profile(
            &loaded.target,
            loaded.inputs.arguments.clone(),
            loaded.inputs.advice.clone(),
            &mut loaded.target.host(),
            loaded.options.with_debug(false),
        )
        .map_err(|error| loaded.failure(&error))?;
        progress.stage("building the trace");
        let trace = loaded.trace()?;
        let cost = Cost::ALL
            .into_iter()
            .find(|cost| cost.name() == self.weight);
        let folded = counted.folded(cost.unwrap_or(Cost::Cycles));
        let mut written = vec![];
        if self.folded.is_some() {
            written.push(folded.clone().into_bytes());
        }
        #[cfg(feature = "flamegraph")]
        if self.flamegraph.is_some() {
            written.push(flamegraph(&folded, &self.weight)?);
        }
        drop(progress);
        let Profile {
            instances,
            mut procedures,
            intrinsics,
            ..
        } = counted;
        procedures.truncate(self.procedures);
        let outcome = Outcome::new(&AnalyzeAnswer {
            folded: self.folded.as_ref().map(|path| path.display().to_string()),
            code: CodeAnswer::new(&loaded.target),
            rows: trace.lengths,
            tables: Padding::of_all(&trace.lengths),
            instances,
            procedures,
            intrinsics,
        })?;
        outputs.answer(outcome, written.iter().map(Vec::as_slice))
    }
}

/// The flamegraph of folded stacks.
#[cfg(feature = "flamegraph")]
fn flamegraph(folded: &str, weight: &str) -> Result<Vec<u8>, Failure> {
    let mut options = inferno::flamegraph::Options::default();
    options.title = format!("{weight}, by the chain of calls across instances");
    options.count_name = match weight {
        "cycles" => "cycles".into(),
        weight => format!("rows of {weight}"),
    };
    // The same run has the same picture.
    options.hash = true;
    options.deterministic = true;
    let mut drawn = Vec::new();
    inferno::flamegraph::from_lines(&mut options, folded.lines(), &mut drawn)
        .map_err(|error| Failure::failed(format!("there is nothing to draw: {error}")))?;
    Ok(drawn)
}

/// The answer of `analyze`.
#[derive(Debug, Serialize)]
struct AnalyzeAnswer {
    #[serde(flatten)]
    code: CodeAnswer,
    /// Where the folded stacks are.
    #[serde(skip_serializing_if = "Option::is_none")]
    folded: Option<String>,
    /// Rows that are used of each table of the trace.
    rows: TraceLengths,
    /// The tables that are there.
    tables: Vec<Padding>,
    instances: Vec<InstanceProfile>,
    procedures: Vec<ProcedureProfile>,
    intrinsics: Vec<IntrinsicProfile>,
}

/// The cost of heights that are powers of two, with rows of padding.
#[derive(Debug, Serialize)]
struct Padding {
    table: &'static str,
    /// Rows of the table, with the padding.
    height: usize,
    /// Columns of the table, without those of the lookups.
    columns: usize,
    /// Rows that are empty.
    padding: usize,
    /// Rows fewer that would halve the height, or leave the first of several pieces; nothing if the
    /// table cannot be lower.
    too_high_for_half: Option<usize>,
}

impl Padding {
    /// Of all tables that are there.
    fn of_all(lengths: &TraceLengths) -> Vec<Self> {
        let there = |table: &Table| lengths.height(*table) > 0;
        let tables = Table::ALL.into_iter().filter(there);
        tables.map(|table| Self::of(lengths, table)).collect()
    }

    fn of(lengths: &TraceLengths, table: Table) -> Self {
        let (rows, height) = (lengths.used(table), lengths.height(table));
        let half = match height.is_power_of_two() {
            true => height / 2,
            false => 1 << height.ilog2(),
        };
        Self {
            table: table.name(),
            height,
            columns: table.width(),
            padding: height - rows,
            too_high_for_half: (half >= table.min_height()).then(|| rows + table.margin() - half),
        }
    }
}

/// A part of a whole in percent.
fn percent(part: usize, whole: usize) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

impl fmt::Display for AnalyzeAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            code,
            folded,
            rows,
            tables,
            instances,
            procedures,
            intrinsics,
        } = self;
        write!(f, "{code}")?;
        if let Some(folded) = folded {
            writeln!(f, "stacks       {folded}")?;
        }

        writeln!(
            f,
            "\n{:<28} {:>10} {:>10} {:>10}  to halve it",
            "table", "rows", "height", "padding"
        )?;
        for table in tables {
            let Padding {
                table: name,
                height,
                padding,
                ..
            } = table;
            let used = height - padding;
            let share = percent(*padding, *height);
            let half = match table.too_high_for_half {
                Some(rows) => format!("{rows} rows fewer"),
                None => "no lower".to_owned(),
            };
            writeln!(
                f,
                "{name:<28} {used:>10} {height:>10} {share:>8.1} %  {half}"
            )?;
        }
        let cells = |of: &dyn Fn(&Padding) -> usize| -> usize {
            tables.iter().map(|table| of(table) * table.columns).sum()
        };
        let (all, empty) = (cells(&|table| table.height), cells(&|table| table.padding));
        writeln!(
            f,
            "\n{empty} of {all} cells ({:.1} %) are padding.",
            percent(empty, all)
        )?;

        let total = rows.cycles;
        writeln!(
            f,
            "\n{:<28} {:>10}  of the run    entries",
            "instance", "cycles"
        )?;
        for InstanceProfile {
            name,
            entries,
            cycles,
        } in instances
        {
            let share = percent(*cycles as usize, total);
            writeln!(f, "{name:<28} {cycles:>10} {share:>6.1} % {entries:>13}")?;
        }

        writeln!(
            f,
            "\n{:<10} {:<50} {:>10} {:>10}  executions  source",
            "instance", "procedure", "own cycles", "total"
        )?;
        for procedure in procedures {
            writeln!(
                f,
                "{:<10} {:<50} {:>10} {:>10} {:>11}  {}",
                procedure.instance,
                procedure.name,
                procedure.own_cycles,
                procedure.total_cycles,
                procedure.executions,
                procedure.source.as_deref().unwrap_or("-")
            )?;
        }

        if !intrinsics.is_empty() {
            writeln!(
                f,
                "\n{:<28} {:<32} {:>10}  destructors",
                "intrinsic", "resource type", "calls"
            )?;
        }
        for intrinsic in intrinsics {
            writeln!(
                f,
                "{:<28} {:<32} {:>10} {:>12}",
                intrinsic.name, intrinsic.resource, intrinsic.calls, intrinsic.destructors
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn padding(cycles: usize, range: usize, hasher: usize, bitwise: usize) -> Vec<Padding> {
        Padding::of_all(&TraceLengths {
            cycles,
            range,
            hasher,
            bitwise,
            ..TraceLengths::default()
        })
    }

    fn each<T>(tables: &[Padding], of: impl Fn(&Padding) -> T) -> Vec<T> {
        tables.iter().map(of).collect()
    }

    #[test]
    fn every_table_has_its_height() {
        let tables = padding(1000, 1023, 1024, 100);
        assert_eq!(
            each(&tables, |table| (table.table, table.height)),
            [
                ("core", 1024),
                ("range", 1024),
                ("hasher", 2048),
                ("memory", 8),
                ("bitwise", 128)
            ]
        );
        assert_eq!(each(&tables, |table| table.padding), [24, 1, 1024, 8, 28]);
        assert_eq!(
            each(&tables, |table| table.too_high_for_half),
            [Some(489), Some(512), Some(8), None, Some(38)]
        );
        for (table, half) in Table::ALL.into_iter().zip([512, 512, 1024]) {
            let fewer = padding(1000 - 489, 1023 - 512, 1024 - 8, 0);
            assert_eq!(fewer[table as usize].height, half);
        }
    }

    #[test]
    fn there_are_lowest_tables() {
        let tables = padding(3, 3, 8, 0);
        assert_eq!(each(&tables, |table| table.height), [8, 16, 16, 8]);
        assert_eq!(
            each(&tables, |table| table.too_high_for_half),
            [None, None, Some(8), None]
        );
    }
}
