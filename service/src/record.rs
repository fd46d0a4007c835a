//! The record of a job, from its submission on.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::job::{Digest, Item, JobId, Options, Priority, Role};

/// Milliseconds since 1970.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Time(pub u64);

impl Time {
    /// The time now.
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let millis = since.unwrap_or_default().as_millis();
        Self(u64::try_from(millis).unwrap_or(u64::MAX))
    }

    /// The time so much later.
    pub fn after(self, duration: Duration) -> Self {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(millis))
    }

    /// The time since an earlier one.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// A job and all that happened to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its name.
    pub id: JobId,
    /// The object that is its target.
    pub target: Digest,
    /// The object that is its inputs.
    pub inputs: Digest,
    /// Its options.
    pub options: Options,
    /// The hash of what a statement about it says of it.
    pub subject: Digest,
    /// `true` if its inputs have the advice of an owner, of which who submitted it is told nothing.
    #[serde(default)]
    pub is_owned: bool,
    /// Its place among others.
    pub priority: Priority,
    /// The time from which on it is worth nothing.
    pub deadline: Time,
    /// `true` if it is proven even if nobody waits for it.
    pub is_detached: bool,
    /// When it was submitted.
    pub submitted: Time,
    /// When its last attempt began.
    pub started: Option<Time>,
    /// When it was over.
    pub finished: Option<Time>,
    /// The attempts that were begun.
    pub attempts: u32,
    /// Why attempts failed, the last one last.
    pub causes: Vec<Cause>,
    /// The state it is in.
    pub state: State,
    /// The progress of its workers, if several prove it together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slices: Option<Slices>,
}

impl Record {
    /// The items that somebody has to do for the job to go on, or does already.
    pub fn items(&self) -> Vec<Item> {
        let first = Item::first(self.id, self.options);
        let is_open = matches!(self.state, State::Queued | State::Running { .. });
        let parts = self.slices.iter().flat_map(Slices::open).map(|part| Item {
            job: self.id,
            role: Role::Part(part),
        });
        let all = [first].into_iter().chain(parts);
        all.filter(|_| is_open).collect()
    }

    /// When the job was over, if it is.
    pub fn ended(&self) -> Option<Time> {
        self.finished.filter(|_| self.state.is_over())
    }

    /// The part with this number.
    pub fn part(&self, number: u8) -> Option<&Part> {
        self.slices.as_ref()?.parts.get(usize::from(number))
    }

    /// The worker that has the job, or had it last.
    pub fn worker(&self) -> Option<&str> {
        let of_cause = || self.causes.last().map(|cause| cause.worker.as_str());
        self.state.worker().or_else(of_cause)
    }
}

/// The progress of the workers that prove a job together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Slices {
    /// The question to them.
    pub asked: Asked,
    /// Their parts, by number.
    pub parts: Vec<Part>,
}

impl Slices {
    /// The numbers of parts that somebody has or ought to have.
    pub fn open(&self) -> impl Iterator<Item = u8> {
        let parts = (0..).zip(&self.parts);
        parts
            .filter(|(_, part)| part.state != PartState::Idle)
            .map(|(number, _)| number)
    }

    /// The objects that are its messages.
    pub fn objects(&self) -> impl Iterator<Item = Digest> {
        let answers = self.parts.iter().flat_map(|part| &part.answers);
        let messages = answers.flat_map(|answer| [answer.request, answer.reply]);
        messages.chain([self.asked.request])
    }
}

/// A stage of a proof, and what all parts are asked in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The name of the stage.
    pub stage: String,
    /// The object that is the request.
    pub request: Digest,
}

/// A part of a job that several workers prove together.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// The state it is in.
    pub state: PartState,
    /// The attempts at it that were begun.
    pub attempts: u32,
    /// Why attempts failed, the last one last.
    pub causes: Vec<Cause>,
    /// The answers to what was asked, in the order in which they came.
    pub answers: Vec<PartAnswer>,
}

impl Part {
    /// The answer to a request.
    pub fn answer(&self, request: Digest) -> Option<&PartAnswer> {
        self.answers.iter().find(|answer| answer.request == request)
    }

    /// The worker that has it, or answered last.
    pub fn worker(&self) -> Option<&str> {
        match &self.state {
            PartState::Held { worker } => Some(worker),
            PartState::Idle | PartState::Queued => {
                let last = self.answers.last();
                last.map(|answer| answer.worker.as_str())
            }
        }
    }

    /// Returns `true` if an answer of this worker was found to be wrong.
    pub fn is_refused(&self, worker: &str) -> bool {
        let mut causes = self.causes.iter();
        causes.any(|cause| cause.kind == CauseKind::InvalidResult && cause.worker == worker)
    }

    /// Returns `true` if this worker has it.
    pub fn is_held_by(&self, worker: &str) -> bool {
        matches!(&self.state, PartState::Held { worker: of } if of == worker)
    }
}

impl PartState {
    /// The names of all states.
    pub const NAMES: [&str; 3] = ["idle", "queued", "held"];

    /// Its name.
    pub fn name(&self) -> &'static str {
        let index = match self {
            Self::Idle => 0,
            Self::Queued => 1,
            Self::Held { .. } => 2,
        };
        Self::NAMES[index]
    }
}

/// The state of a part.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "is")]
pub enum PartState {
    /// It has answered, and nobody has it.
    #[default]
    Idle,
    /// It waits for a worker.
    Queued,
    /// A worker has it: it works on an answer, or waits for the next stage.
    Held {
        /// The worker.
        worker: String,
    },
}

/// The answer of a part's worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PartAnswer {
    /// The name of the stage.
    pub stage: String,
    /// The object that is the request.
    pub request: Digest,
    /// The object that is the answer.
    pub reply: Digest,
    /// The worker.
    pub worker: String,
    /// The time that it took, with all that had to be done before.
    pub seconds: f64,
    /// The most memory that the process had until then, in bytes; 0 where the system does not tell.
    pub peak_memory: u64,
}

/// The state of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "is")]
pub enum State {
    /// It waits for a worker.
    Queued,
    /// A worker has it.
    Running {
        /// The worker.
        worker: String,
    },
    /// There is a proof, which is not verified yet.
    Proven {
        /// The result.
        result: Outcome,
    },
    /// There is a proof, which is verified.
    Done {
        /// The result.
        result: Outcome,
    },
    /// It is given up.
    Failed,
    /// Nobody wants it any more.
    Cancelled,
}

impl State {
    /// The names of all states.
    pub const NAMES: [&str; 6] = ["queued", "running", "proven", "done", "failed", "cancelled"];

    /// Its name.
    pub fn name(&self) -> &'static str {
        let index = match self {
            Self::Queued => 0,
            Self::Running { .. } => 1,
            Self::Proven { .. } => 2,
            Self::Done { .. } => 3,
            Self::Failed => 4,
            Self::Cancelled => 5,
        };
        Self::NAMES[index]
    }

    /// Returns `true` if nothing more will happen.
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Done { .. } | Self::Failed | Self::Cancelled)
    }

    /// The worker that has the job, or made its result.
    pub fn worker(&self) -> Option<&str> {
        match self {
            Self::Running { worker } => Some(worker),
            Self::Proven { result } | Self::Done { result } => Some(&result.worker),
            Self::Queued | Self::Failed | Self::Cancelled => None,
        }
    }

    /// The result, if there is one.
    pub fn result(&self) -> Option<&Outcome> {
        match self {
            Self::Proven { result } | Self::Done { result } => Some(result),
            _ => None,
        }
    }
}

/// The result of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The worker that made it.
    pub worker: String,
    /// The object that is the statement.
    pub statement: Digest,
    /// The object that is the proof.
    pub proof: Digest,
    /// The resources that it took.
    pub report: Report,
}

/// The resources that a proof took.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The cycles of the run.
    pub cycles: u64,
    /// The heights of the tables, together.
    pub rows: u64,
    /// The time of the run, with its trace.
    pub run_seconds: f64,
    /// The time of the proof.
    pub prove_seconds: f64,
    /// The phases, and their time.
    pub phases: Vec<Phase>,
    /// The most memory that the process had, in bytes; 0 where the system does not tell.
    pub peak_memory: u64,
    /// The length of the proof.
    pub proof_bytes: u64,
}

/// A phase of a proof.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// Its name.
    pub name: String,
    /// Its time, with what is in it.
    pub seconds: f64,
}

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// The kind of failure.
    pub kind: CauseKind,
    /// The reports about it.
    pub message: String,
    /// The worker; empty if none had the job.
    pub worker: String,
    /// When it failed.
    pub at: Time,
}

/// Kinds of failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CauseKind {
    /// The run trapped, or it or its proof was refused: it would be again.
    Trap,
    /// The process needed more memory than a job may have.
    Memory,
    /// An attempt took longer than one may.
    Time,
    /// The job was not done by its deadline.
    Deadline,
    /// The process ended for another reason.
    Crash,
    /// The worker was not heard of any more.
    WorkerLost,
    /// The result is not one of the job.
    InvalidResult,
    /// An object could not be read or written.
    Storage,
}

impl CauseKind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Trap,
        Self::Memory,
        Self::Time,
        Self::Deadline,
        Self::Crash,
        Self::WorkerLost,
        Self::InvalidResult,
        Self::Storage,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trap => "trap",
            Self::Memory => "memory",
            Self::Time => "time",
            Self::Deadline => "deadline",
            Self::Crash => "crash",
            Self::WorkerLost => "worker-lost",
            Self::InvalidResult => "invalid-result",
            Self::Storage => "storage",
        }
    }

    /// Returns `true` if another attempt would end alike.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Trap | Self::Memory | Self::Deadline)
    }
}

/// A worker's report about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerStatus {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// `true` if it asks other workers, and proves nothing itself.
    #[serde(default)]
    pub is_coordinator: bool,
    /// The job that it has.
    pub job: Option<JobId>,
    /// Jobs whose proof it made.
    pub done: u64,
    /// Attempts of it that failed.
    pub failed: u64,
    /// `true` if it takes no more jobs.
    pub is_draining: bool,
    /// When it told this.
    pub seen: Time,
}

impl WorkerStatus {
    /// Returns `true` if it told this within the given time.
    pub fn is_healthy(&self, within: Duration) -> bool {
        Time::now().since(self.seen) <= within
    }
}
