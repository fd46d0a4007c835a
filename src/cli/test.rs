//! `test`.

use core::fmt;

use clap::Args;
use miden_cvm::{COMPONENT_FILE, MAX_CYCLES, Passes, Test, Verdict};
use serde::Serialize;

use super::{
    outcome::{Failure, Outcome},
    progress::Progress,
    source::Source,
};

/// The folder of a component's tests, in its own.
const TESTS: &str = "tests";

/// Runs the tests that the root of a composition exports.
#[derive(Debug, Args)]
pub struct TestCommand {
    #[command(flatten)]
    source: Source,
    /// Run only tests whose names contain this text
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
}

impl TestCommand {
    /// Runs them, each in instances of its own.
    ///
    /// # Errors
    /// Returns an error if the composition cannot be loaded or has no tests, or if one of them is
    /// refused.
    pub fn run(&self) -> Result<Outcome, Failure> {
        if self.source.is_call() {
            return Err(Failure::usage(
                "tests are called by themselves: leave out --invoke",
            ));
        }
        let progress = Progress::start("loading");
        let folder = self.source.target();
        let is_component = folder.join(COMPONENT_FILE).is_file();
        if is_component && !folder.join(TESTS).exists() {
            return Err(Failure::failed(format!(
                "the component `{}` has no tests: they are a composition in its folder `{TESTS}`",
                folder.display()
            )));
        }
        let loaded = match is_component {
            true => self
                .source
                .at(folder.join(TESTS))
                .load(&progress, MAX_CYCLES)?,
            false => self.source.load(&progress, MAX_CYCLES)?,
        };
        let all = loaded.target.tests().map_err(Failure::failed)?;
        if all.is_empty() {
            return Err(Failure::failed(
                "the root exports no test, a function with the line `@test` in its doc comment",
            ));
        }
        let is_wanted = |test: &&Test| match &self.filter {
            Some(filter) => test.name.contains(filter.as_str()),
            None => true,
        };
        let mut answer = TestAnswer::default();
        for test in all.iter().filter(is_wanted) {
            progress.stage("testing");
            let (verdict, cycles) = loaded
                .target
                .run_test(test, loaded.inputs.clone(), loaded.options)
                .map_err(|error| Failure::failed(format!("test {}: {error}", test.name)))?;
            answer.add(test, &verdict, cycles);
        }
        answer.filtered_out = all.len() - answer.tests.len();
        drop(progress);
        let outcome = Outcome::new(&answer)?;
        Ok(match answer.failed {
            0 => outcome,
            1 => outcome.but_failed("1 test failed"),
            count => outcome.but_failed(format!("{count} tests failed")),
        })
    }
}

/// The answer of `test`.
#[derive(Debug, Default, Serialize)]
struct TestAnswer {
    tests: Vec<TestResult>,
    passed: usize,
    failed: usize,
    filtered_out: usize,
}

/// The outcome of a test.
#[derive(Debug, Serialize)]
struct TestResult {
    name: String,
    passed: bool,
    /// `true` if it had to trap.
    traps: bool,
    cycles: u32,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl TestAnswer {
    fn add(&mut self, test: &Test, verdict: &Verdict, cycles: u32) {
        let reason = match verdict {
            Verdict::Passed => None,
            Verdict::ReturnedError(value) => Some(format!("it returned {value}")),
            Verdict::DidNotTrap => Some("it returned, and should have trapped".into()),
            Verdict::Trapped(trap) => Some(match &test.passes {
                Passes::Trapping(Some(text)) => {
                    format!("it trapped otherwise than with \"{text}\": {trap}")
                }
                _ => format!("it trapped: {trap}"),
            }),
        };
        match reason {
            None => self.passed += 1,
            Some(_) => self.failed += 1,
        }
        self.tests.push(TestResult {
            name: test.name.clone(),
            passed: reason.is_none(),
            traps: matches!(test.passes, Passes::Trapping(_)),
            cycles,
            reason,
        });
    }
}

impl fmt::Display for TestAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.tests.len() == 1 { "" } else { "s" };
        writeln!(f, "running {} test{plural}", self.tests.len())?;
        for test in &self.tests {
            let verdict = if test.passed { "ok" } else { "FAILED" };
            let traps = if test.traps { " - should trap" } else { "" };
            writeln!(
                f,
                "test {}{traps} ... {verdict} ({} cycles)",
                test.name, test.cycles
            )?;
        }
        if self.failed > 0 {
            writeln!(f, "\nfailures:")?;
        }
        for test in &self.tests {
            if let Some(reason) = &test.reason {
                writeln!(f, "\n---- {} ----\n{reason}", test.name)?;
            }
        }
        let verdict = if self.failed == 0 { "ok" } else { "FAILED" };
        writeln!(
            f,
            "\ntest result: {verdict}. {} passed; {} failed; {} filtered out",
            self.passed, self.failed, self.filtered_out
        )
    }
}
