//! Many measurements set side by side.

use std::fmt;

use serde::Serialize;

use crate::{contender::Rows, measurement::Measurement};

/// The medians of each contender's runs of one program, next to a baseline.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// What was proven.
    pub program: String,
    /// The contender that the ratios refer to.
    pub baseline: String,
    /// One line for each contender, in the order in which they were first measured.
    pub lines: Vec<Line>,
}

/// The medians of one contender's runs. A ratio is this contender's figure over the baseline's, so
/// less than 1 is better than the baseline.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    /// Who proved.
    pub contender: String,
    /// How many runs the medians are of.
    pub runs: usize,
    /// Rows of the trace.
    pub rows: Rows,
    /// Milliseconds to execute and prove.
    pub prove_ms: f64,
    /// `prove_ms` over the baseline's.
    pub prove_ratio: f64,
    /// Peak memory of the process, in KiB.
    pub peak_rss_kib: f64,
    /// `peak_rss_kib` over the baseline's.
    pub peak_rss_ratio: f64,
    /// Size of the proof, in bytes.
    pub proof_bytes: f64,
    /// `proof_bytes` over the baseline's.
    pub proof_ratio: f64,
    /// Milliseconds to parse and verify.
    pub verify_ms: f64,
    /// `verify_ms` over the baseline's.
    pub verify_ratio: f64,
}

/// The measurements cannot be compared.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ComparisonError {
    /// The contenders did not compute the same thing.
    #[error("{one} and {other} end {program} with different outputs")]
    OutputsDiffer {
        /// What was proven.
        program: String,
        /// The contender measured first.
        one: String,
        /// The contender that disagrees with it.
        other: String,
    },
    /// The baseline was not measured.
    #[error("the baseline {baseline} is not among the contenders of {program}")]
    NoBaseline {
        /// What was proven.
        program: String,
        /// The baseline asked for.
        baseline: String,
    },
}

impl Comparison {
    /// Compares `measurements`, any number of runs for each contender, all of the same program.
    /// Runs with the same salt must end with the same outputs.
    ///
    /// # Errors
    /// When outputs differ, or none of the runs is of `baseline`.
    pub fn new(
        program: &str,
        baseline: &str,
        measurements: &[Measurement],
    ) -> Result<Self, ComparisonError> {
        let mut groups: Vec<Vec<&Measurement>> = Vec::new();
        for measurement in measurements {
            match groups
                .iter_mut()
                .find(|group| group[0].contender == measurement.contender)
            {
                Some(group) => group.push(measurement),
                None => groups.push(vec![measurement]),
            }
            let differs = |first: &&Measurement| {
                first.salt == measurement.salt && first.outputs != measurement.outputs
            };
            if let Some(first) = measurements.iter().find(differs) {
                return Err(ComparisonError::OutputsDiffer {
                    program: program.to_owned(),
                    one: first.contender.clone(),
                    other: measurement.contender.clone(),
                });
            }
        }
        let base = groups
            .iter()
            .find(|group| group[0].contender == baseline)
            .ok_or_else(|| ComparisonError::NoBaseline {
                program: program.to_owned(),
                baseline: baseline.to_owned(),
            })?;
        let lines = groups.iter().map(|group| Line::new(group, base)).collect();
        Ok(Self {
            program: program.to_owned(),
            baseline: baseline.to_owned(),
            lines,
        })
    }
}

impl Line {
    fn new(runs: &[&Measurement], base: &[&Measurement]) -> Self {
        let figure = |of: fn(&Measurement) -> f64| {
            let mine = median(runs.iter().copied().map(of));
            (mine, mine / median(base.iter().copied().map(of)))
        };
        let (prove_ms, prove_ratio) = figure(|run| run.prove_ms);
        let (peak_rss_kib, peak_rss_ratio) = figure(|run| run.peak_rss_kib as f64);
        let (proof_bytes, proof_ratio) = figure(|run| run.proof_bytes as f64);
        let (verify_ms, verify_ratio) = figure(|run| run.verify_ms);
        Self {
            contender: runs[0].contender.clone(),
            runs: runs.len(),
            rows: runs[0].rows,
            prove_ms,
            prove_ratio,
            peak_rss_kib,
            peak_rss_ratio,
            proof_bytes,
            proof_ratio,
            verify_ms,
            verify_ratio,
        }
    }
}

/// The median of at least one value.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        (values[middle - 1] + values[middle]) / 2.0
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} (ratios to {})", self.program, self.baseline)?;
        writeln!(
            f,
            "  {:<16} {:>7} {:>7} {:>17} {:>17} {:>17} {:>17}",
            "", "cycles", "rows", "prove", "peak memory", "proof", "verify",
        )?;
        for line in &self.lines {
            writeln!(
                f,
                "  {:<16} {:>7} {:>7} {:>8.0} ms {:>4.2}x {:>7.1} MiB {:>4.2}x \
                 {:>7.1} KiB {:>4.2}x {:>8.1} ms {:>4.2}x",
                line.contender,
                line.rows.cycles,
                line.rows.padded,
                line.prove_ms,
                line.prove_ratio,
                line.peak_rss_kib / 1024.0,
                line.peak_rss_ratio,
                line.proof_bytes / 1024.0,
                line.proof_ratio,
                line.verify_ms,
                line.verify_ratio,
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measurement(contender: &str, prove_ms: f64, output: u64) -> Measurement {
        Measurement {
            contender: contender.to_owned(),
            program: "p".to_owned(),
            salt: 0,
            prove_ms,
            verify_ms: 1.0,
            proof_bytes: 1024,
            peak_rss_kib: 2048,
            rows: Rows {
                cycles: 9,
                range: 8,
                hasher: 7,
                bitwise: 6,
                table: 0,
                memory: 5,
                rom: 0,
                padded: 64,
            },
            outputs: vec![output; 16],
        }
    }

    #[test]
    fn ratios_are_of_medians_to_the_baseline() {
        let runs = [
            measurement("ours", 9.0, 1),
            measurement("peer", 40.0, 1),
            measurement("ours", 10.0, 1),
            measurement("peer", 20.0, 1),
            measurement("ours", 99.0, 1),
        ];
        let comparison = Comparison::new("p", "peer", &runs).expect("comparable");
        let [ours, peer] = &comparison.lines[..] else {
            panic!("two lines")
        };
        assert_eq!(
            (ours.contender.as_str(), ours.runs, ours.prove_ms),
            ("ours", 3, 10.0)
        );
        assert_eq!(
            (peer.contender.as_str(), peer.runs, peer.prove_ms),
            ("peer", 2, 30.0)
        );
        assert_eq!((ours.prove_ratio, peer.prove_ratio), (10.0 / 30.0, 1.0));
    }

    #[test]
    fn different_outputs_are_not_compared() {
        let runs = [measurement("ours", 1.0, 1), measurement("peer", 1.0, 2)];
        let error = Comparison::new("p", "peer", &runs).expect_err("outputs differ");
        assert!(matches!(error, ComparisonError::OutputsDiffer { .. }));
    }

    #[test]
    fn a_baseline_that_was_not_measured_is_an_error() {
        let error = Comparison::new("p", "peer", &[]).expect_err("no baseline");
        assert!(matches!(error, ComparisonError::NoBaseline { .. }));
    }
}
