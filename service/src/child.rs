//! A job in a process of its own, so that what it does to its memory is nobody else's business.
//!
//! The process reads a task and writes an answer: a line of JSON each, and the bytes that it announces
//! behind it.

use std::{
    fs,
    io::{self, BufRead, Read, Write},
    path::Path,
    process::{self, ExitCode, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use miden_cvm::{
    ExecutionOptions, Inputs, ProveOptions, Target, TracedExecutionError, execute_traced, prove_run,
};
use rlimit::Resource;
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    process::Command,
};
use tracing::{Subscriber, span::Id};
use tracing_subscriber::{
    Layer, Registry,
    layer::{Context, SubscriberExt},
    registry::LookupSpan,
    util::SubscriberInitExt,
};

use crate::{
    job::Options,
    jobs::Made,
    queue::MAX_OBJECT_BYTES,
    record::{CauseKind, Phase, Report},
};

/// The name of the command that runs a job.
pub const COMMAND: &str = "run-job";

/// The limits of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessLimits {
    /// The most memory, in bytes.
    pub memory: u64,
    /// The longest that an attempt may take.
    pub time: Duration,
    /// The threads that it has.
    pub threads: usize,
}

/// The input of the process.
#[derive(Debug, Serialize, Deserialize)]
struct Task {
    options: Options,
    memory: u64,
    target_bytes: u64,
    inputs_bytes: u64,
}

/// The output of the process.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Made {
        report: Report,
        statement_bytes: u64,
        proof_bytes: u64,
    },
    Failed {
        kind: CauseKind,
        message: String,
    },
}

/// Why there is no proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The kind of failure.
    pub kind: CauseKind,
    /// The facts that are known about it.
    pub message: String,
}

impl Failure {
    fn crash(message: impl ToString) -> Self {
        Self {
            kind: CauseKind::Crash,
            message: message.to_string(),
        }
    }
}

/// The most bytes of what the process says on its standard error that are looked at.
const MAX_ERROR_BYTES: u64 = 1 << 16;

/// The most bytes of the line that an answer begins with.
const MAX_LINE_BYTES: u64 = 1 << 20;

/// Words in what a process says that ends because it gets no more memory: of the allocator, and of
/// threads that cannot be started.
const OUT_OF_MEMORY: [&str; 3] = [
    "memory allocation of",
    "Cannot allocate memory",
    "Resource temporarily unavailable",
];

/// Runs a job in a process of this executable, and waits for it. Dropped before that, it kills the
/// process.
///
/// # Errors
/// Returns why there is no proof.
pub async fn run(
    executable: &Path,
    limits: ProcessLimits,
    options: Options,
    target: Bytes,
    inputs: Bytes,
) -> Result<Made, Failure> {
    let mut process = Command::new(executable)
        .arg(COMMAND)
        .env("RAYON_NUM_THREADS", limits.threads.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| Failure::crash(format!("the process cannot be started: {error}")))?;
    let (Some(mut stdin), Some(stdout), Some(stderr)) = (
        process.stdin.take(),
        process.stdout.take(),
        process.stderr.take(),
    ) else {
        return Err(Failure::crash("the process has no standard streams"));
    };
    let task = Task {
        options,
        memory: limits.memory,
        target_bytes: target.len() as u64,
        inputs_bytes: inputs.len() as u64,
    };
    let write = async move {
        let mut line = serde_json::to_vec(&task)?;
        line.push(b'\n');
        for part in [&line[..], &target, &inputs] {
            stdin.write_all(part).await?;
        }
        stdin.flush().await?;
        // It stays open: its end tells the process that nobody wants the answer any more.
        io::Result::Ok(stdin)
    };
    let told = async {
        let mut text = Vec::new();
        let mut stderr = stderr;
        (&mut stderr)
            .take(MAX_ERROR_BYTES)
            .read_to_end(&mut text)
            .await?;
        // A process must not wait for somebody to read on.
        tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await?;
        io::Result::Ok(text)
    };
    // A process that ends early does not read all: its answer says more than the error of writing.
    let (_stdin, answer, told) = tokio::join!(write, read_answer(stdout), told);
    let status = process.wait().await.map_err(Failure::crash)?;
    match answer {
        Ok(answer) if status.success() => answer,
        answer => {
            let told = told.unwrap_or_default();
            let told = String::from_utf8_lossy(&told);
            let is_memory = OUT_OF_MEMORY.iter().any(|words| told.contains(words));
            if is_memory {
                return Err(Failure {
                    kind: CauseKind::Memory,
                    message: format!(
                        "the proof needs more than the {} MiB of memory that a job may have",
                        limits.memory >> 20
                    ),
                });
            }
            let last = told.lines().last().unwrap_or_default();
            let reason = answer.err().map(|error| error.to_string());
            Err(Failure::crash(format!(
                "the process ended with {status}: {}",
                if last.is_empty() {
                    reason.as_deref().unwrap_or("it said nothing")
                } else {
                    last
                }
            )))
        }
    }
}

/// Reads an answer, with bounds on all of it.
async fn read_answer(
    stdout: impl tokio::io::AsyncRead + Unpin,
) -> io::Result<Result<Made, Failure>> {
    let mut stdout = BufReader::new(stdout);
    let mut line = Vec::new();
    (&mut stdout)
        .take(MAX_LINE_BYTES)
        .read_until(b'\n', &mut line)
        .await?;
    match serde_json::from_slice(&line)? {
        Answer::Failed { kind, message } => Ok(Err(Failure { kind, message })),
        Answer::Made {
            report,
            statement_bytes,
            proof_bytes,
        } => {
            let mut parts = [Bytes::new(), Bytes::new()];
            for (part, length) in parts.iter_mut().zip([statement_bytes, proof_bytes]) {
                if length > MAX_OBJECT_BYTES {
                    return Err(io::Error::other("the answer is longer than one can be"));
                }
                let mut bytes = Vec::new();
                (&mut stdout).take(length).read_to_end(&mut bytes).await?;
                if bytes.len() as u64 != length {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                *part = bytes.into();
            }
            let [statement, proof] = parts;
            Ok(Ok(Made {
                statement,
                proof,
                report,
            }))
        }
    }
}

/// Room for recursion into code.
const STACK_SIZE: usize = 1 << 26;

/// Runs the job on the standard input: the whole life of the process.
pub fn main() -> ExitCode {
    match answer() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn answer() -> io::Result<()> {
    let mut stdin = io::stdin().lock();
    let mut line = Vec::new();
    (&mut stdin)
        .take(MAX_LINE_BYTES)
        .read_until(b'\n', &mut line)?;
    let task: Task = serde_json::from_slice(&line)?;
    // What the process writes to, however it came by it. Nothing else can be lost: it has no files.
    let (_, hard) = Resource::DATA.get()?;
    let memory = task.memory.min(hard);
    Resource::DATA.set(memory, memory)?;
    // Where memory is short all the same, it is this process that the system ends.
    fs::write("/proc/self/oom_score_adj", "1000").ok();
    let mut part = |length: u64| {
        let mut bytes = Vec::new();
        (&mut stdin).take(length).read_to_end(&mut bytes)?;
        match bytes.len() as u64 == length {
            true => Ok(bytes),
            false => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
        }
    };
    let target = part(task.target_bytes)?;
    let inputs = part(task.inputs_bytes)?;
    drop(stdin);
    // Nobody is left for whom to go on when the other end is gone, however it went.
    thread::spawn(|| {
        io::stdin().read_exact(&mut [0]).ok();
        process::exit(1);
    });
    let thread = thread::Builder::new()
        .stack_size(STACK_SIZE)
        .spawn(move || prove(task.options, &target, &inputs))?;
    let made = thread
        .join()
        .map_err(|_| io::Error::other("the prover panicked, which is a mistake in it"))?;
    let (answer, parts) = match made {
        Ok(Made {
            statement,
            proof,
            report,
        }) => {
            let answer = Answer::Made {
                report,
                statement_bytes: statement.len() as u64,
                proof_bytes: proof.len() as u64,
            };
            (answer, [statement, proof])
        }
        Err(Failure { kind, message }) => (Answer::Failed { kind, message }, Default::default()),
    };
    let mut stdout = io::stdout().lock();
    serde_json::to_writer(&mut stdout, &answer)?;
    stdout.write_all(b"\n")?;
    for part in parts {
        stdout.write_all(&part)?;
    }
    stdout.flush()
}

/// Proves a run.
fn prove(options: Options, target: &[u8], inputs: &[u8]) -> Result<Made, Failure> {
    let refused = |error: String| Failure {
        kind: CauseKind::Trap,
        message: error,
    };
    let target = Target::from_bytes(target).map_err(|error| refused(error.to_string()))?;
    let inputs = Inputs::from_bytes(inputs).map_err(|error| refused(error.to_string()))?;
    let expected = ExecutionOptions::default().expected_cycles();
    let expected = expected.min(options.max_cycles);
    let execution = ExecutionOptions::new(options.max_cycles, expected)
        .map_err(|error| refused(error.to_string()))?;
    let phases = Phases::default();
    // There is one proof in a process. Without it phases are not known, and nothing else is lost.
    Registry::default().with(phases.clone()).try_init().ok();

    let started = Instant::now();
    let (arguments, advice) = (inputs.arguments, inputs.advice);
    let run = execute_traced(&target, arguments, advice, &mut target.host(), execution);
    let run = run.map_err(|error| {
        refused(match &error {
            TracedExecutionError::Execution(trap) => match target.describe(trap) {
                Some(described) => described.to_string(),
                None => error.to_string(),
            },
            _ => error.to_string(),
        })
    })?;
    let run_seconds = started.elapsed().as_secs_f64();
    let cycles = run.lengths.cycles as u64;

    let started = Instant::now();
    let proven = prove_run(run, &ProveOptions::from(options.settings));
    let proven = proven.map_err(|error| refused(error.to_string()))?;
    let prove_seconds = started.elapsed().as_secs_f64();
    let heights = proven.proof.heights();
    let statement = serde_json::to_vec(&proven.statement);
    let statement = statement.map_err(|error| refused(error.to_string()))?;
    let rows = heights.tables().map(|table| heights.of(table) as u64).sum();
    let proof = proven.proof.to_bytes();
    Ok(Made {
        report: Report {
            cycles,
            rows,
            run_seconds,
            prove_seconds,
            phases: phases.told(),
            peak_memory: peak_memory(),
            proof_bytes: proof.len() as u64,
        },
        statement: statement.into(),
        proof: proof.into(),
    })
}

/// The most memory that this process had, in bytes; 0 where the system does not tell.
fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes =
        line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kibibytes.unwrap_or_default() << 10
}

/// The time that spans take, by their names.
#[derive(Debug, Clone, Default)]
struct Phases(Arc<Mutex<Vec<(&'static str, Duration)>>>);

/// When a span was entered.
struct Entered(Instant);

/// The deepest spans that are told.
const MAX_DEPTH: usize = 2;

impl Phases {
    fn told(&self) -> Vec<Phase> {
        let phases = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let phases = phases.iter().map(|(name, time)| Phase {
            name: (*name).into(),
            seconds: time.as_secs_f64(),
        });
        phases.collect()
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Phases {
    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && span.scope().count() <= MAX_DEPTH
        {
            span.extensions_mut().replace(Entered(Instant::now()));
        }
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let Some(Entered(at)) = span.extensions_mut().remove() else {
            return;
        };
        let mut phases = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match phases.iter_mut().find(|(name, _)| *name == span.name()) {
            Some((_, time)) => *time += at.elapsed(),
            None => phases.push((span.name(), at.elapsed())),
        }
    }
}
