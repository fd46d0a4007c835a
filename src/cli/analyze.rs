//! `analyze`.

use core::fmt;
use std::path::PathBuf;

use clap::Args;
use miden_cvm::{
    InstanceProfile, IntrinsicProfile, MIN_TRACE_LEN, ProcedureProfile, Profile, TraceLengths,
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
    /// Show this many procedures; those with most cycles of their own come first
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 20)]
    procedures: usize,
    /// Write the cycles by the chain of calls across instances, as folded stacks: viewers of profiles
    /// make flamegraphs of them
    #[arg(long, value_name = "FILE")]
    folded: Option<PathBuf>,
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
        let outputs = Outputs::check(wanted, &loaded.read)?;
        progress.stage("counting cycles");
        let counted = profile(
            &loaded.target,
            loaded.inputs.stack.clone(),
            loaded.inputs.advice.clone(),
            &mut loaded.target.host(),
            loaded.options.with_debug(false),
        )
        .map_err(|error| Failure::of_run(&loaded.target, &error))?;
        progress.stage("building the trace");
        let trace = loaded.trace()?;
        let folded = counted.folded();
        drop(progress);
        let Profile {
            instances,
            procedures,
            intrinsics,
            ..
        } = counted;
        let outcome = Outcome::new(&AnalyzeAnswer {
            folded: self.folded.as_ref().map(|path| path.display().to_string()),
            code: CodeAnswer::new(&loaded.target),
            rows: Rows::of(&trace.lengths),
            padding: Padding::of(&trace.lengths),
            instances: instances.into_iter().map(Into::into).collect(),
            procedures: procedures
                .into_iter()
                .take(self.procedures)
                .map(Into::into)
                .collect(),
            intrinsics: intrinsics.into_iter().map(Into::into).collect(),
        })?;
        let outcome = outputs.answered(outcome);
        outputs.write([folded.as_bytes()])?;
        Ok(outcome)
    }
}

/// What `analyze` answers.
#[derive(Debug, Serialize)]
struct AnalyzeAnswer {
    #[serde(flatten)]
    code: CodeAnswer,
    /// Where the folded stacks are.
    #[serde(skip_serializing_if = "Option::is_none")]
    folded: Option<String>,
    rows: Rows,
    padding: Padding,
    instances: Vec<Instance>,
    procedures: Vec<Procedure>,
    intrinsics: Vec<Intrinsic>,
}

/// Rows of each segment of the trace. The core, the range table and the chiplets stand side by
/// side, the chiplets below each other.
#[derive(Debug, Serialize)]
struct Rows {
    core: usize,
    range: usize,
    chiplets: usize,
    hasher: usize,
    bitwise: usize,
    table: usize,
    memory: usize,
    rom: usize,
    circuits: usize,
}

impl Rows {
    fn of(lengths: &TraceLengths) -> Self {
        Self {
            core: lengths.cycles,
            range: lengths.range,
            chiplets: lengths.chiplets(),
            hasher: lengths.hasher,
            bitwise: lengths.bitwise,
            table: lengths.table,
            memory: lengths.memory,
            rom: lengths.rom,
            circuits: lengths.ace,
        }
    }

    /// Those that decide the length of the trace.
    fn segments(&self) -> [(&'static str, usize); 3] {
        [
            ("core", self.core),
            ("range", self.range),
            ("chiplets", self.chiplets),
        ]
    }
}

/// What it costs that the length of a trace is a power of two, with a row of padding in every
/// segment.
#[derive(Debug, Serialize)]
struct Padding {
    /// Rows of the trace.
    length: usize,
    /// The longest segment.
    longest: &'static str,
    /// Rows that the longest segment leaves empty.
    padding: usize,
    /// Rows that every segment could have more without a longer trace, at least.
    free: usize,
    /// What is too long for a trace of half the length, and by how many rows; nothing if there is
    /// no shorter trace.
    too_long_for_half: Vec<Excess>,
}

/// Rows that a segment has too many.
#[derive(Debug, Serialize)]
struct Excess {
    segment: &'static str,
    rows: usize,
}

impl Padding {
    fn of(lengths: &TraceLengths) -> Self {
        let length = lengths.padded();
        let segments = Rows::of(lengths).segments();
        let (longest, rows) = segments.into_iter().fold(segments[0], |longest, segment| {
            if segment.1 > longest.1 {
                segment
            } else {
                longest
            }
        });
        let half = length / 2;
        let excess = segments.into_iter().filter(|_| half >= MIN_TRACE_LEN);
        Self {
            length,
            longest,
            padding: length - rows,
            free: length - 1 - rows,
            too_long_for_half: excess
                .filter(|(_, rows)| *rows >= half)
                .map(|(segment, rows)| Excess {
                    segment,
                    rows: rows + 1 - half,
                })
                .collect(),
        }
    }
}

/// Calls of an intrinsic.
#[derive(Debug, Serialize)]
struct Intrinsic {
    name: &'static str,
    resource: String,
    calls: u64,
    destructors: u64,
}

impl From<IntrinsicProfile> for Intrinsic {
    fn from(profile: IntrinsicProfile) -> Self {
        Self {
            name: profile.name,
            resource: profile.resource,
            calls: profile.calls,
            destructors: profile.destructors,
        }
    }
}

/// Cycles of an instance.
#[derive(Debug, Serialize)]
struct Instance {
    name: String,
    entries: u64,
    cycles: u64,
}

impl From<InstanceProfile> for Instance {
    fn from(profile: InstanceProfile) -> Self {
        Self {
            name: profile.name,
            entries: profile.entries,
            cycles: profile.cycles,
        }
    }
}

/// Cycles of a procedure.
#[derive(Debug, Serialize)]
struct Procedure {
    instance: String,
    name: String,
    digest: String,
    executions: u64,
    own_cycles: u64,
    total_cycles: u64,
}

impl From<ProcedureProfile> for Procedure {
    fn from(profile: ProcedureProfile) -> Self {
        Self {
            instance: profile.instance,
            name: profile.name,
            digest: profile.digest.to_hex(),
            executions: profile.executions,
            own_cycles: profile.own_cycles,
            total_cycles: profile.total_cycles,
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
            padding,
            instances,
            procedures,
            intrinsics,
        } = self;
        write!(f, "{code}")?;
        if let Some(folded) = folded {
            writeln!(f, "stacks       {folded}")?;
        }

        writeln!(f, "\n{:<28} {:>10}  of the trace", "segment", "rows")?;
        let mut line = |name: &str, rows: usize| {
            let share = percent(rows, padding.length);
            writeln!(f, "{name:<28} {rows:>10} {share:>6.1} %")
        };
        line("core (cycles)", rows.core)?;
        line("range table", rows.range)?;
        line("chiplets", rows.chiplets)?;
        line("  hasher", rows.hasher)?;
        line("  bitwise", rows.bitwise)?;
        line("  resource tables", rows.table)?;
        line("  memory", rows.memory)?;
        line("  rom", rows.rom)?;
        line("  circuits", rows.circuits)?;
        line("trace", padding.length)?;

        writeln!(
            f,
            "\n{} of {} rows ({:.1} %) are padding: the longest segment is `{}`, and {} more rows \
             would fit.",
            padding.padding,
            padding.length,
            percent(padding.padding, padding.length),
            padding.longest,
            padding.free,
        )?;
        if padding.too_long_for_half.is_empty() {
            writeln!(f, "This is the shortest trace that there is.")?;
        } else {
            let excess = padding.too_long_for_half.iter();
            let excess: Vec<String> = excess
                .map(|e| format!("{} rows fewer in `{}`", e.rows, e.segment))
                .collect();
            writeln!(
                f,
                "A trace of half the length takes {}.",
                excess.join(" and ")
            )?;
        }

        let total = rows.core;
        writeln!(
            f,
            "\n{:<28} {:>10}  of the run    entries",
            "instance", "cycles"
        )?;
        for Instance {
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
            "\n{:<10} {:<50} {:>10} {:>10}  executions",
            "instance", "procedure", "own cycles", "total"
        )?;
        for procedure in procedures {
            writeln!(
                f,
                "{:<10} {:<50} {:>10} {:>10} {:>11}",
                procedure.instance,
                procedure.name,
                procedure.own_cycles,
                procedure.total_cycles,
                procedure.executions
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

    fn padding(cycles: usize, range: usize, hasher: usize) -> Padding {
        Padding::of(&TraceLengths {
            cycles,
            range,
            hasher,
            ..TraceLengths::default()
        })
    }

    #[test]
    fn the_longest_segment_decides() {
        let padding = padding(1000, 1023, 1024);
        assert_eq!((padding.length, padding.longest), (2048, "chiplets"));
        assert_eq!((padding.padding, padding.free), (1024, 1023));
        let excess: Vec<_> = padding
            .too_long_for_half
            .iter()
            .map(|e| (e.segment, e.rows))
            .collect();
        assert_eq!(excess, [("chiplets", 1)]);
    }

    #[test]
    fn every_segment_that_is_too_long_is_named() {
        let padding = padding(1500, 1100, 10);
        let excess: Vec<_> = padding
            .too_long_for_half
            .iter()
            .map(|e| (e.segment, e.rows))
            .collect();
        assert_eq!(excess, [("core", 477), ("range", 77)]);
    }

    #[test]
    fn there_is_a_shortest_trace() {
        let padding = padding(3, 3, 8);
        assert_eq!(padding.length, MIN_TRACE_LEN);
        assert!(padding.too_long_for_half.is_empty());
    }
}
