//! The end of a command: what it prints and its exit code.

use std::{
    fmt,
    io::{self, Write},
    process::ExitCode,
    sync::{Mutex, PoisonError},
};

use miden_cvm::{ExecutionError, Target, TrapDescription};
use serde::Serialize;
use serde_json::{Value, json};

/// The exit code of what failed, and of proofs that are rejected.
const FAILED: u8 = 1;

/// The exit code of arguments that make no sense; `clap` uses it too.
const USAGE: u8 = 2;

/// The warnings so far, for the answer in JSON: they have to be there however the command ends.
static WARNINGS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Puts a warning into the answer in JSON.
pub fn note_warning(warning: String) {
    let mut warnings = WARNINGS.lock().unwrap_or_else(PoisonError::into_inner);
    warnings.push(warning);
}

/// The result of a command, for people and for programs.
pub struct Outcome {
    text: String,
    json: Value,
    failure: Option<String>,
    /// `true` if a file of the command goes to the standard output, where the answer would be.
    is_beside_output: bool,
}

impl Outcome {
    /// Puts both forms together.
    ///
    /// # Errors
    /// Returns an error if the value has no JSON form.
    pub fn new(answer: &(impl Serialize + fmt::Display)) -> Result<Self, Failure> {
        Ok(Self {
            text: answer.to_string(),
            json: serde_json::to_value(answer).map_err(Failure::failed)?,
            failure: None,
            is_beside_output: false,
        })
    }

    /// A text that is all of the answer; in JSON it is a field of this name.
    pub fn of_text(name: &str, text: Vec<u8>) -> Self {
        let text = String::from_utf8_lossy(&text).into_owned();
        Self {
            json: json!({ name: text }),
            text,
            failure: None,
            is_beside_output: false,
        }
    }

    /// An answer that is JSON for people too.
    pub fn of_json(json: Value) -> Self {
        Self {
            text: format!("{json:#}\n"),
            json,
            failure: None,
            is_beside_output: false,
        }
    }

    /// No answer: the command has told all by itself.
    pub fn nothing() -> Self {
        Self {
            text: String::new(),
            json: Value::Null,
            failure: None,
            is_beside_output: false,
        }
    }

    /// The same answer, for the standard error: the standard output is taken.
    pub fn beside_output(mut self) -> Self {
        self.is_beside_output = true;
        self
    }

    /// The same answer, which says that something failed.
    pub fn but_failed(mut self, reason: impl fmt::Display) -> Self {
        self.failure = Some(reason.to_string());
        self
    }
}

/// Why a command did not do what it should.
#[derive(Debug)]
pub enum Failure {
    /// It failed.
    Failed(String),
    /// The run trapped.
    Trapped {
        /// The error.
        trap: Box<TrapDescription>,
        /// The remedy.
        help: Option<String>,
    },
    /// The arguments make no sense.
    Usage(String),
    /// There is a mistake in this program.
    Internal(String),
}

impl Failure {
    /// A failure for the reason that `error` gives.
    pub fn failed(error: impl fmt::Display) -> Self {
        Self::Failed(error.to_string())
    }

    /// The failure of a run of `target`, and what may help if it is a trap.
    pub fn of_run(target: &Target, error: &ExecutionError, help: Option<String>) -> Self {
        match target.describe(error) {
            Some(trap) => Self::Trapped {
                trap: Box::new(trap),
                help,
            },
            None => Self::failed(error),
        }
    }

    /// Arguments that make no sense for the reason that `error` gives.
    pub fn usage(error: impl fmt::Display) -> Self {
        Self::Usage(error.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(reason) | Self::Usage(reason) => write!(f, "{reason}"),
            Self::Trapped { trap, help: None } => write!(f, "{trap}"),
            Self::Trapped {
                trap,
                help: Some(help),
            } => write!(f, "{trap}\n  help       {help}"),
            Self::Internal(reason) => write!(
                f,
                "this is a mistake in miden-cvm, please report it: {reason}"
            ),
        }
    }
}

/// Prints how a command ended, and gives its exit code.
///
/// Answers go to the standard output, errors to the standard error; with `json` both go to the
/// standard output, as one object whose `status` is `ok` or `error`, with all warnings in it. If a file of the command went to
/// the standard output, the answer goes to the standard error.
pub fn tell(result: Result<Outcome, Failure>, json: bool) -> ExitCode {
    let code = match &result {
        Ok(Outcome { failure: None, .. }) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(FAILED),
        Err(Failure::Usage(_)) => ExitCode::from(USAGE),
        Err(Failure::Failed(_) | Failure::Trapped { .. } | Failure::Internal(_)) => {
            ExitCode::from(FAILED)
        }
    };
    let printed = match result {
        result if json => print_json(result),
        Ok(outcome) => {
            print(outcome.stream(), &outcome.text).and_then(|()| match outcome.failure {
                Some(reason) => print(io::stderr(), &format!("error: {reason}\n")),
                None => Ok(()),
            })
        }
        Err(failure) => print(io::stderr(), &format!("error: {failure}\n")),
    };
    match printed {
        Ok(()) => code,
        // Nobody is listening any more: not a failure of the command.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => code,
        Err(_) => ExitCode::from(FAILED),
    }
}

impl Outcome {
    /// Where the answer goes.
    fn stream(&self) -> Box<dyn Write> {
        match self.is_beside_output {
            true => Box::new(io::stderr()),
            false => Box::new(io::stdout()),
        }
    }
}

fn print_json(result: Result<Outcome, Failure>) -> io::Result<()> {
    let stream = match &result {
        Ok(outcome) => outcome.stream(),
        Err(_) => Box::new(io::stdout()),
    };
    let mut answer = match result {
        Ok(outcome) => {
            let mut answer = match outcome.failure {
                Some(reason) => json!({ "status": "error", "error": reason }),
                None => json!({ "status": "ok" }),
            };
            if let (Value::Object(answer), Value::Object(fields)) = (&mut answer, outcome.json) {
                answer.extend(fields);
            }
            answer
        }
        Err(Failure::Trapped { trap, help }) => {
            let mut answer = json!({ "status": "error", "error": trap.to_string(), "trap": trap });
            if let Some(help) = help {
                answer["help"] = help.into();
            }
            answer
        }
        Err(failure) => json!({ "status": "error", "error": failure.to_string() }),
    };
    let mut warnings = WARNINGS.lock().unwrap_or_else(PoisonError::into_inner);
    answer["warnings"] = std::mem::take(&mut *warnings).into();
    print(stream, &format!("{answer:#}\n"))
}

fn print(mut to: impl Write, text: &str) -> io::Result<()> {
    to.write_all(text.as_bytes())?;
    to.flush()
}
