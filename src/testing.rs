//! Tests of components: functions that the root of a composition exports and its WIT marks as tests.

use miden_cvm_component::wit::{Function, Type};
use thiserror::Error;
use wasm_wave::wasm::WasmValue;

use crate::{CallError, ExecutionOptions, Inputs, Target, TrapDescription, execute, to_wave};

/// The line of a doc comment that makes a function a test.
const TEST: &str = "@test";

/// The line that says that a test traps, perhaps with a part of what the trap says.
const TRAPS: &str = "@traps";

/// A function that is a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Test {
    /// Its name, with its interface's if it is of one.
    pub name: String,
    /// The condition under which it passes.
    pub passes: Passes,
}

/// The condition under which a test passes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Passes {
    /// It returns, and not an `err`.
    Returning,
    /// It traps. The trap's rule or reason has this text in it, if there is one.
    Trapping(Option<String>),
}

/// The outcome of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// As it should.
    Passed,
    /// It returned an `err`, here in WAVE.
    ReturnedError(String),
    /// It returned, and should have trapped.
    DidNotTrap,
    /// It trapped, and should have returned, or trapped otherwise.
    Trapped(Box<TrapDescription>),
}

/// A test that cannot be run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TestError {
    /// It is marked in a way that makes no sense.
    #[error("{location}: the test `{name}` {problem}")]
    Malformed {
        /// Where it is defined.
        location: String,
        /// The function.
        name: String,
        /// The problem.
        problem: &'static str,
    },
    /// The root has no types, or its result is none of its type.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The run was refused before its first cycle.
    #[error("{0}")]
    Refused(String),
}

impl Target {
    /// The tests among the functions that the root exports, by name: those whose doc comment has the line
    /// `@test`. A line `@traps`, or `@traps "TEXT"`, says that the test has to trap.
    ///
    /// # Errors
    /// Returns an error if the root has no types, or a test has parameters, or a result that is no
    /// `result`.
    pub fn tests(&self) -> Result<Vec<Test>, TestError> {
        if self.functions.is_empty() {
            return Err(CallError::Untyped.into());
        }
        let mut tests = Vec::new();
        for known in &self.functions {
            if let Some(passes) = passes(&known.function)? {
                tests.push(Test {
                    name: known.names[1].clone(),
                    passes,
                });
            }
        }
        tests.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(tests)
    }

    /// Runs a test, in instances of its own; returns how it went and how many cycles it took.
    ///
    /// # Errors
    /// If the run is refused before its first cycle, or returns what is none of the function's type.
    pub fn run_test(
        &self,
        test: &Test,
        inputs: Inputs,
        options: ExecutionOptions,
    ) -> Result<(Verdict, u32), TestError> {
        let mut target = self.clone();
        let call = target.call_with(&test.name, Vec::new())?;
        let inputs = call.inputs(inputs);
        let mut host = target.host();
        let ran = execute(&target, inputs.arguments, inputs.advice, &mut host, options);
        let output = match ran {
            Ok(output) => output,
            Err(error) => {
                let Some(trap) = target.describe(&error) else {
                    return Err(TestError::Refused(error.to_string()));
                };
                let cycle = trap.cycle;
                let verdict = match &test.passes {
                    Passes::Trapping(None) => Verdict::Passed,
                    Passes::Trapping(Some(text))
                        if trap.rule == *text || trap.reason.contains(text.as_str()) =>
                    {
                        Verdict::Passed
                    }
                    _ => Verdict::Trapped(Box::new(trap)),
                };
                return Ok((verdict, cycle));
            }
        };
        if let Passes::Trapping(_) = test.passes {
            return Ok((Verdict::DidNotTrap, output.cycles));
        }
        let stack: Vec<_> = output.stack.iter().copied().collect();
        let result = call.result(&stack, Some(&output.advice))?;
        let verdict = match &result {
            Some(value) if value.unwrap_result().is_err() => Verdict::ReturnedError(to_wave(value)),
            _ => Verdict::Passed,
        };
        Ok((verdict, output.cycles))
    }
}

/// Returns the condition under which a function passes as a test; nothing if it is none.
fn passes(function: &Function) -> Result<Option<Passes>, TestError> {
    let malformed = |problem| TestError::Malformed {
        location: function.location.clone(),
        name: function.name.clone(),
        problem,
    };
    let lines: Vec<&str> = function.docs.lines().map(str::trim).collect();
    let traps = lines
        .iter()
        .find_map(|line| match line.strip_prefix(TRAPS) {
            Some(rest) if rest.is_empty() || rest.starts_with(' ') => Some(rest.trim()),
            _ => None,
        });
    if !lines.contains(&TEST) {
        return match traps {
            Some(_) => Err(malformed("has a line `@traps`, and no line `@test`")),
            None => Ok(None),
        };
    }
    if !function.params.is_empty() {
        return Err(malformed("has parameters"));
    }
    if !matches!(function.result, None | Some(Type::Result { .. })) {
        return Err(malformed("has a result that is not a `result`"));
    }
    let Some(text) = traps else {
        return Ok(Some(Passes::Returning));
    };
    let text = match text {
        "" => None,
        quoted => {
            let text = quoted
                .strip_prefix('"')
                .and_then(|text| text.strip_suffix('"'));
            let text = text.filter(|text| !text.is_empty());
            Some(text.ok_or_else(|| malformed("has a line `@traps` whose text is not in quotes"))?)
        }
    };
    Ok(Some(Passes::Trapping(text.map(ToOwned::to_owned))))
}
