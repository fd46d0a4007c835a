//! A job, or a part of one, in a process of its own, so that what it does to its memory is nobody else's
//! business.
//!
//! The process reads a task, and writes what it has to say: a line of JSON each, and the bytes that it
//! announces behind it. One that works together with others is told more meanwhile, in the same form.

mod inside;

use std::{
    io,
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
    task::JoinHandle,
};

pub use self::inside::main;
use crate::{
    job::{Digest, Options, Role},
    jobs::Made,
    queue::MAX_OBJECT_BYTES,
    record::{CauseKind, Report},
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

/// The task of a process.
#[derive(Debug, Clone)]
pub struct Task {
    /// Its role in the job.
    pub role: Role,
    /// The options of the job.
    pub options: Options,
    /// The target.
    pub target: Bytes,
    /// The inputs.
    pub inputs: Bytes,
}

/// The line that a task begins with.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    role: Role,
    options: Options,
    memory: u64,
    target_bytes: u64,
    inputs_bytes: u64,
}

/// A line that the process is told later.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Told {
    /// A question to a part.
    Request { bytes: u64 },
    /// The answer of the worker of a part.
    Reply { part: u8, bytes: u64 },
}

/// A line that the process says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Said {
    Made {
        report: Report,
        statement_bytes: u64,
        proof_bytes: u64,
    },
    Failed {
        kind: CauseKind,
        message: String,
    },
    Replied {
        bytes: u64,
        seconds: f64,
        peak_memory: u64,
    },
    Anew,
    Asked {
        stage: String,
        bytes: u64,
    },
    Taken,
    Refused {
        message: String,
        wrong: Vec<(u8, Digest)>,
    },
}

/// A message of a process.
#[derive(Debug, Clone)]
pub enum Output {
    /// A proof.
    Made(Made),
    /// The answer of a part to a question.
    Replied {
        /// The answer.
        reply: Bytes,
        /// The time that it took.
        seconds: f64,
        /// The most memory that the process had until then.
        peak_memory: u64,
    },
    /// That it has answered something else before, so that another process has to answer.
    Anew,
    /// A question to all parts.
    Asked {
        /// The name of the stage.
        stage: String,
        /// The request.
        request: Bytes,
    },
    /// That it has taken an answer, and waits for those of others.
    Taken,
    /// That it does not take an answer. It begins again with the first stage.
    Refused {
        /// Why not.
        message: String,
        /// The parts whose answers are wrong, and the names of what they answered so.
        wrong: Vec<(u8, Digest)>,
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
    /// That a process ended for no reason that it says.
    pub fn crash(message: impl ToString) -> Self {
        Self {
            kind: CauseKind::Crash,
            message: message.to_string(),
        }
    }

    /// That an object could not be read or written.
    pub fn storage(message: impl ToString) -> Self {
        Self {
            kind: CauseKind::Storage,
            message: message.to_string(),
        }
    }
}

/// The most bytes of what the process says on its standard error that are looked at.
const MAX_ERROR_BYTES: u64 = 1 << 16;

/// The most bytes of a line.
const MAX_LINE_BYTES: u64 = 1 << 20;

/// Words in what a process says that ends because it gets no more memory: of the allocator, and of
/// threads that cannot be started.
const OUT_OF_MEMORY: [&str; 3] = [
    "memory allocation of",
    "Cannot allocate memory",
    "Resource temporarily unavailable",
];

/// A process that works on a task. Dropped, it is killed.
pub struct Process {
    child: Child,
    /// Writes to the process, in the background: it may not read all of it. When it is closed,
    /// the process knows that nobody wants to hear of it any more.
    stdin: Option<JoinHandle<io::Result<ChildStdin>>>,
    stdout: BufReader<ChildStdout>,
    told: JoinHandle<io::Result<Vec<u8>>>,
    memory: u64,
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(stdin) = &self.stdin {
            stdin.abort();
        }
        self.told.abort();
    }
}

impl Process {
    /// Starts a process of this executable.
    ///
    /// # Errors
    /// Returns an error if it cannot be started.
    pub fn start(executable: &Path, limits: ProcessLimits, task: Task) -> Result<Self, Failure> {
        let mut child = Command::new(executable)
            .arg(COMMAND)
            .env("RAYON_NUM_THREADS", limits.threads.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| Failure::crash(format!("the process cannot be started: {error}")))?;
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(Failure::crash("the process has no standard streams"));
        };
        let Task {
            role,
            options,
            target,
            inputs,
        } = task;
        let head = Head {
            role,
            options,
            memory: limits.memory,
            target_bytes: target.len() as u64,
            inputs_bytes: inputs.len() as u64,
        };
        let line = line(&head).map_err(Failure::crash)?;
        Ok(Self {
            child,
            stdin: Some(tokio::spawn(write(stdin, vec![line, target, inputs]))),
            stdout: BufReader::new(stdout),
            told: tokio::spawn(read_error(stderr)),
            memory: limits.memory,
        })
    }

    /// Tells a process what its part is asked.
    ///
    /// # Errors
    /// Returns why the process cannot be told any more.
    pub async fn ask(&mut self, request: Bytes) -> Result<(), Failure> {
        let bytes = request.len() as u64;
        self.tell(&Told::Request { bytes }, request).await
    }

    /// Tells a coordinator's process what the worker of a part answers.
    ///
    /// # Errors
    /// Returns why the process cannot be told any more.
    pub async fn receive(&mut self, part: u8, reply: Bytes) -> Result<(), Failure> {
        let bytes = reply.len() as u64;
        self.tell(&Told::Reply { part, bytes }, reply).await
    }

    async fn tell(&mut self, told: &Told, bytes: Bytes) -> Result<(), Failure> {
        let line = line(told).map_err(Failure::crash)?;
        let before = self.stdin.take();
        let before = before.ok_or_else(|| Failure::crash("the process is told no more"))?;
        match before.await {
            Ok(Ok(stdin)) => {
                self.stdin = Some(tokio::spawn(write(stdin, vec![line, bytes])));
                Ok(())
            }
            // It says itself why it does not read.
            _ => Err(match self.output().await {
                Err(failure) => failure,
                Ok(_) => Failure::crash("the process does not listen"),
            }),
        }
    }

    /// Waits for what the process has to say next.
    ///
    /// # Errors
    /// Returns why there is no proof.
    pub async fn output(&mut self) -> Result<Output, Failure> {
        match read_output(&mut self.stdout).await {
            Ok(output) => output,
            Err(error) => Err(self.end(&error).await),
        }
    }

    /// Why the process ended in the midst of what it said.
    async fn end(&mut self, error: &io::Error) -> Failure {
        // One that says what nobody understands need not end by itself.
        if error.kind() != io::ErrorKind::UnexpectedEof {
            self.child.start_kill().ok();
        }
        let status = match self.child.wait().await {
            Ok(status) => status,
            Err(error) => return Failure::crash(error),
        };
        let told = (&mut self.told).await;
        let told = told.ok().and_then(Result::ok).unwrap_or_default();
        self.failure(status, &String::from_utf8_lossy(&told), error)
    }

    fn failure(&self, status: ExitStatus, told: &str, error: &io::Error) -> Failure {
        if OUT_OF_MEMORY.iter().any(|words| told.contains(words)) {
            return Failure {
                kind: CauseKind::Memory,
                message: format!(
                    "the proof needs more than the {} MiB of memory that a job may have",
                    self.memory >> 20
                ),
            };
        }
        let last = match told.lines().last().unwrap_or_default() {
            "" => error.to_string(),
            last => last.to_owned(),
        };
        Failure::crash(format!("the process ended with {status}: {last}"))
    }
}

/// Has a job proven in a process of this executable. Dropped before that, it kills the process.
///
/// # Errors
/// Returns why there is no proof.
pub async fn run(executable: &Path, limits: ProcessLimits, task: Task) -> Result<Made, Failure> {
    let mut process = Process::start(executable, limits, task)?;
    match process.output().await? {
        Output::Made(made) => Ok(made),
        _ => Err(Failure::crash(
            "the process says something else than it was asked",
        )),
    }
}

/// A line of JSON.
fn line(value: &impl Serialize) -> io::Result<Bytes> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(line.into())
}

async fn write(mut stdin: ChildStdin, parts: Vec<Bytes>) -> io::Result<ChildStdin> {
    for part in parts {
        stdin.write_all(&part).await?;
    }
    stdin.flush().await?;
    Ok(stdin)
}

async fn read_error(mut stderr: impl AsyncRead + Unpin) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    (&mut stderr)
        .take(MAX_ERROR_BYTES)
        .read_to_end(&mut text)
        .await?;
    // A process must not wait for somebody to read on.
    tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await?;
    Ok(text)
}

/// Reads what a process has to say, with bounds on all of it.
async fn read_output(
    stdout: &mut (impl AsyncBufReadExt + Unpin),
) -> io::Result<Result<Output, Failure>> {
    let mut line = Vec::new();
    (&mut *stdout)
        .take(MAX_LINE_BYTES)
        .read_until(b'\n', &mut line)
        .await?;
    let output = match serde_json::from_slice(&line)? {
        Said::Failed { kind, message } => return Ok(Err(Failure { kind, message })),
        Said::Made {
            report,
            statement_bytes,
            proof_bytes,
        } => Output::Made(Made {
            statement: read_bytes(stdout, statement_bytes).await?,
            proof: read_bytes(stdout, proof_bytes).await?,
            report,
        }),
        Said::Replied {
            bytes,
            seconds,
            peak_memory,
        } => Output::Replied {
            reply: read_bytes(stdout, bytes).await?,
            seconds,
            peak_memory,
        },
        Said::Anew => Output::Anew,
        Said::Asked { stage, bytes } => Output::Asked {
            stage,
            request: read_bytes(stdout, bytes).await?,
        },
        Said::Taken => Output::Taken,
        Said::Refused { message, wrong } => Output::Refused { message, wrong },
    };
    Ok(Ok(output))
}

async fn read_bytes(stdout: &mut (impl AsyncRead + Unpin), length: u64) -> io::Result<Bytes> {
    if length > MAX_OBJECT_BYTES {
        return Err(io::Error::other("the answer is longer than one can be"));
    }
    let mut bytes = Vec::new();
    stdout.take(length).read_to_end(&mut bytes).await?;
    match bytes.len() as u64 == length {
        true => Ok(bytes.into()),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
