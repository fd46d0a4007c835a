//! The rules: how jobs come in, what workers may say of them, and when they are over.
//!
//! All of them are changes of records, each made only if nobody else changed the record since. So a job
//! runs at least once and counts exactly once, however many servers and workers there are, and wherever
//! one of them stops.

mod parts;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use thiserror::Error;
use tokio::{sync::broadcast::error::RecvError, task::spawn_blocking};
use tracing::warn;

use crate::{
    job::{Digest, Item, Job, JobId, Terms, check_result},
    queue::{Queue, QueueError, Seen},
    record::{Cause, CauseKind, Outcome, Record, Report, Slices, State, Time},
};

pub use parts::{Answered, Begun, Wrong};

/// The limits of a service's jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// The most bytes of a target and its inputs, together.
    pub max_job_bytes: u64,
    /// The most cycles of a run.
    pub max_cycles: u32,
    /// The most time from submission to proof.
    pub max_total: Duration,
    /// The most attempts.
    pub max_attempts: u32,
    /// The time for which finished jobs are kept.
    pub keep: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            max_job_bytes: 64 << 20,
            max_cycles: (1 << 24) - 1,
            max_total: Duration::from_secs(3600),
            max_attempts: 3,
            keep: Duration::from_secs(24 * 3600),
        }
    }
}

/// Why something is not done for a client.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum JobsError {
    /// The job asks for more cycles than one may take.
    #[error("the job may take {wanted} cycles, and this service allows {allowed}: ask for fewer")]
    Cycles {
        /// The cycles that it asks for.
        wanted: u32,
        /// Those that it may ask for.
        allowed: u32,
    },
    /// There is no such job.
    #[error("there is no job {0}")]
    Unknown(JobId),
    /// The job has no proof.
    #[error("the job {id} has no proof: it is {state}")]
    NoProof {
        /// The job.
        id: JobId,
        /// The name of its state.
        state: &'static str,
    },
    /// The engine did not do its part.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// The result of a worker's attempt at a job.
#[derive(Debug, Clone)]
pub struct Made {
    /// The statement, in JSON.
    pub statement: Bytes,
    /// The proof.
    pub proof: Bytes,
    /// The resources that it took.
    pub report: Report,
}

/// The jobs of a service.
#[derive(Clone)]
pub struct Jobs {
    queue: Arc<dyn Queue>,
    rules: Rules,
}

impl Jobs {
    /// The jobs in an engine, under rules.
    pub fn new(queue: Arc<dyn Queue>, rules: Rules) -> Self {
        Self { queue, rules }
    }

    /// The engine.
    pub fn queue(&self) -> &Arc<dyn Queue> {
        &self.queue
    }

    /// The rules.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Takes a job, unless the same one is there already: a job that failed or was cancelled begins anew.
    ///
    /// # Errors
    /// Returns an error if the rules do not allow the job, if as many wait as may, or if the engine does
    /// not work.
    pub async fn submit(&self, job: &Job, terms: Terms) -> Result<Record, JobsError> {
        let allowed = self.rules.max_cycles;
        let wanted = job.options.max_cycles;
        if wanted > allowed {
            return Err(JobsError::Cycles { wanted, allowed });
        }
        let id = job.id();
        let [target, inputs] = job.objects();
        let now = Time::now();
        let total = terms.deadline.unwrap_or(self.rules.max_total);
        let record = Record {
            id,
            target,
            inputs,
            options: job.options,
            subject: job.subject,
            is_owned: job.is_owned,
            priority: terms.priority,
            deadline: now.after(total.min(self.rules.max_total)),
            is_detached: terms.is_detached,
            submitted: now,
            started: None,
            finished: None,
            attempts: 0,
            causes: Vec::new(),
            state: State::Queued,
            slices: None,
        };
        loop {
            let seen = self.queue.load(id).await?;
            match seen {
                Some(Seen {
                    record: old,
                    version,
                }) if !is_anew(&old) => {
                    // Who stays away no longer decides whether the job goes on.
                    if old.is_detached || !terms.is_detached {
                        return Ok(old);
                    }
                    let joined = Record {
                        is_detached: true,
                        ..old
                    };
                    if self.queue.store(&joined, version).await? {
                        return Ok(joined);
                    }
                }
                seen => {
                    self.queue.put(target, job.target.clone()).await?;
                    self.queue.put(inputs, job.inputs.clone()).await?;
                    let is_taken = match &seen {
                        Some(seen) => self.queue.store(&record, seen.version).await?,
                        None => self.queue.create(&record).await?,
                    };
                    if is_taken {
                        return self.enqueue(record, seen).await;
                    }
                }
            }
        }
    }

    /// Lets a new record's job wait; if it may not, the record is as it was.
    async fn enqueue(&self, record: Record, before: Option<Seen>) -> Result<Record, JobsError> {
        let item = Item::first(record.id, record.options);
        let pushed = self.queue.push(item, record.priority).await;
        if let Err(error) = pushed {
            match before {
                Some(before) => {
                    self.change(record.id, |_| Some(before.record.clone()))
                        .await?;
                }
                None => {
                    if let Some(Seen { version, .. }) = self.queue.load(record.id).await? {
                        self.queue.remove(record.id, version).await?;
                    }
                }
            }
            return Err(error.into());
        }
        Ok(record)
    }

    /// Returns what is known of a job.
    ///
    /// # Errors
    /// Returns an error if there is no such job.
    pub async fn status(&self, id: JobId) -> Result<Record, JobsError> {
        let seen = self.queue.load(id).await?;
        Ok(seen.ok_or(JobsError::Unknown(id))?.record)
    }

    /// Waits until a job is in another state than the one with this record, and returns it.
    ///
    /// # Errors
    /// Returns an error if there is no such job, or not any more.
    pub async fn changed(&self, last: &Record) -> Result<Record, JobsError> {
        let mut changes = self.queue.changes();
        loop {
            let record = self.status(last.id).await?;
            if record != *last {
                return Ok(record);
            }
            loop {
                match changes.recv().await {
                    Ok(id) if id != last.id => {}
                    Ok(_) | Err(RecvError::Lagged(_)) => break,
                    Err(RecvError::Closed) => {
                        return Err(QueueError::broken("it was closed").into());
                    }
                }
            }
        }
    }

    /// Returns statement and proof of a job that is done.
    ///
    /// # Errors
    /// Returns an error if there is none.
    pub async fn proof(&self, id: JobId) -> Result<(Record, Bytes, Bytes), JobsError> {
        let record = self.status(id).await?;
        let State::Done { result } = &record.state else {
            let state = record.state.name();
            return Err(JobsError::NoProof { id, state });
        };
        let statement = self.queue.get(result.statement).await?;
        let proof = self.queue.get(result.proof).await?;
        Ok((record, statement, proof))
    }

    /// Gives up a job, unless it is over.
    ///
    /// # Errors
    /// Returns an error if there is no such job.
    pub async fn cancel(&self, id: JobId) -> Result<Record, JobsError> {
        self.change(id, |record| match record.state.is_over() {
            true => None,
            false => Some(over(record, State::Cancelled)),
        })
        .await
    }

    /// Gives up a job that nobody waits for any more, unless it is to go on without.
    ///
    /// # Errors
    /// Returns an error if there is no such job.
    pub async fn abandon(&self, id: JobId) -> Result<Record, JobsError> {
        self.change(id, |record| {
            match record.is_detached || record.state.is_over() {
                true => None,
                false => Some(over(record, State::Cancelled)),
            }
        })
        .await
    }

    /// Gives a job to a worker, or to a coordinator, that has a lease of it; nothing if there is nothing to do:
    /// it is over, or somebody else has it.
    ///
    /// # Errors
    /// Returns an error if the engine does not work.
    pub async fn begin(
        &self,
        id: JobId,
        is_again: bool,
        worker: &str,
    ) -> Result<Option<Record>, QueueError> {
        let max_attempts = self.rules.max_attempts;
        let changed = self
            .change(id, |record| {
                let mut record = record.clone();
                match &record.state {
                    State::Queued => {}
                    State::Running { worker } if is_again => {
                        let message = "the worker was not heard of any more";
                        let lost = cause(CauseKind::WorkerLost, message, worker);
                        record.causes.push(lost);
                    }
                    _ => return None,
                }
                if record.deadline <= Time::now() {
                    return Some(late(&record));
                }
                if record.attempts >= max_attempts {
                    return Some(over(&record, State::Failed));
                }
                record.attempts += 1;
                record.started = Some(Time::now());
                record.state = State::Running {
                    worker: worker.into(),
                };
                Some(record)
            })
            .await;
        match changed {
            Ok(record) if matches!(&record.state, State::Running { worker: of } if of == worker) => {
                Ok(Some(record))
            }
            Ok(_) | Err(JobsError::Unknown(_)) => Ok(None),
            Err(JobsError::Queue(error)) => Err(error),
            Err(error) => Err(QueueError::broken(error)),
        }
    }

    /// Keeps what a worker made of a job, to be verified; of a job that has a result already, or is over,
    /// it does not count.
    ///
    /// # Errors
    /// Returns an error if the engine does not work.
    pub async fn deliver(&self, id: JobId, worker: &str, made: &Made) -> Result<(), JobsError> {
        let statement = Digest::of(&[&made.statement]);
        let proof = Digest::of(&[&made.proof]);
        self.queue.put(statement, made.statement.clone()).await?;
        self.queue.put(proof, made.proof.clone()).await?;
        let result = Outcome {
            worker: worker.into(),
            statement,
            proof,
            report: made.report.clone(),
        };
        let record = self
            .change(id, |record| match &record.state {
                State::Queued | State::Running { .. } => Some(Record {
                    state: State::Proven {
                        result: result.clone(),
                    },
                    ..record.clone()
                }),
                _ => None,
            })
            .await?;
        if record.state.result().is_none_or(|kept| kept.proof != proof) {
            self.queue.delete(proof).await?;
        }
        Ok(())
    }

    /// Notes that a worker's attempt failed. If another attempt can help and is allowed, the job waits
    /// again, which this returns.
    ///
    /// # Errors
    /// Returns an error if the engine does not work.
    pub async fn fail(
        &self,
        id: JobId,
        worker: &str,
        kind: CauseKind,
        message: &str,
    ) -> Result<bool, JobsError> {
        let max_attempts = self.rules.max_attempts;
        let record = self
            .change(id, |record| match &record.state {
                State::Running { worker: of } if of == worker => {
                    let message = told_of(record, kind, message);
                    Some(failed(record, cause(kind, message, worker), max_attempts))
                }
                _ => None,
            })
            .await?;
        Ok(record.state == State::Queued)
    }

    /// Gives back a job that a worker has no time for, as if it had never had it.
    ///
    /// # Errors
    /// Returns an error if the engine does not work.
    pub async fn hand_back(&self, id: JobId, worker: &str) -> Result<(), JobsError> {
        self.change(id, |record| match &record.state {
            State::Running { worker: of } if of == worker => Some(Record {
                state: State::Queued,
                attempts: record.attempts.saturating_sub(1),
                ..record.clone()
            }),
            _ => None,
        })
        .await?;
        Ok(())
    }

    /// Verifies the result of a job that has one which was not verified yet: then the job is done, or it
    /// waits for another attempt.
    ///
    /// # Errors
    /// Returns an error if the engine does not work.
    pub async fn judge(&self, id: JobId) -> Result<(), JobsError> {
        let Some(Seen { record, version }) = self.queue.load(id).await? else {
            return Ok(());
        };
        let State::Proven { result } = record.state.clone() else {
            return Ok(());
        };
        let statement = self.queue.get(result.statement).await;
        let proof = self.queue.get(result.proof).await;
        let checked = match (statement, proof) {
            (Ok(statement), Ok(proof)) => {
                let (subject, options) = (record.subject, record.options);
                let check = move || check_result(subject, options, &statement, &proof);
                let checked = spawn_blocking(check).await;
                checked.unwrap_or_else(|_| Err("it made the verifier panic".into()))
            }
            (Err(error), _) | (_, Err(error)) if error.is_final() => Err(error.to_string()),
            (Err(error), _) | (_, Err(error)) => return Err(error.into()),
        };
        let next = match checked {
            Ok(()) => over(&record, State::Done { result }),
            Err(message) => {
                let cause = cause(CauseKind::InvalidResult, &message, &result.worker);
                Record {
                    // The same answers would make the same proof.
                    slices: None,
                    ..failed(&record, cause, self.rules.max_attempts)
                }
            }
        };
        // Another server may have judged it.
        if !self.queue.store(&next, version).await? {
            return Ok(());
        }
        if next.state == State::Queued {
            let item = Item::first(id, next.options);
            self.queue.push(item, next.priority).await?;
        }
        // What the workers said leads to this result and to no other.
        for message in record.slices.iter().flat_map(Slices::objects) {
            self.queue.delete(message).await?;
        }
        Ok(())
    }

    /// Goes on with what another run of the service left: jobs wait again, and results are verified.
    ///
    /// # Errors
    /// Returns an error if the engine does not work.
    pub async fn recover(&self) -> Result<(), JobsError> {
        let mut open = self.records().await?;
        open.retain(|record| !record.state.is_over());
        open.sort_by_key(|record| record.submitted);
        for record in open {
            match record.state {
                State::Proven { .. } => self.judge(record.id).await?,
                _ => self.queue.resume(&record).await?,
            }
        }
        Ok(())
    }

    /// Ends jobs whose deadline is over, and forgets what is over for long enough.
    ///
    /// # Errors
    /// Returns an error if the engine does not work.
    pub async fn sweep(&self, record: &Record) -> Result<(), JobsError> {
        let now = Time::now();
        match record.finished {
            Some(finished) if now.since(finished) >= self.rules.keep => self.forget(record).await?,
            Some(_) => {}
            None if record.deadline <= now => {
                self.change(record.id, |record| match record.state.is_over() {
                    true => None,
                    false => Some(late(record)),
                })
                .await?;
            }
            None => {}
        }
        Ok(())
    }

    /// All records; what is none is left out.
    async fn records(&self) -> Result<Vec<Record>, QueueError> {
        let mut records = Vec::new();
        for id in self.queue.ids().await? {
            match self.queue.load(id).await {
                Ok(seen) => records.extend(seen.map(|seen| seen.record)),
                Err(error) if error.is_final() => warn!(%error, "a job is left out"),
                Err(error) => return Err(error),
            }
        }
        Ok(records)
    }

    /// Forgets a job and its objects, but a target that others have too.
    async fn forget(&self, record: &Record) -> Result<(), JobsError> {
        let Some(seen) = self.queue.load(record.id).await? else {
            return Ok(());
        };
        // It may have been submitted again.
        if seen.record != *record || !self.queue.remove(record.id, seen.version).await? {
            return Ok(());
        }
        let mut objects = vec![record.target, record.inputs];
        if let Some(result) = record.state.result() {
            objects.extend([result.statement, result.proof]);
        }
        objects.extend(record.slices.iter().flat_map(Slices::objects));
        for record in self.records().await? {
            let result = record.state.result();
            let messages: Vec<Digest> = record.slices.iter().flat_map(Slices::objects).collect();
            objects.retain(|object| {
                *object != record.target
                    && *object != record.inputs
                    && !messages.contains(object)
                    && result
                        .is_none_or(|result| *object != result.statement && *object != result.proof)
            });
        }
        for object in objects {
            self.queue.delete(object).await?;
        }
        Ok(())
    }

    /// Changes a record into the one that is given for it, if one is, and returns it as it is then.
    async fn change(
        &self,
        id: JobId,
        change: impl Fn(&Record) -> Option<Record>,
    ) -> Result<Record, JobsError> {
        loop {
            let seen = self.queue.load(id).await?;
            let Seen { record, version } = seen.ok_or(JobsError::Unknown(id))?;
            match change(&record) {
                None => return Ok(record),
                Some(next) => {
                    if self.queue.store(&next, version).await? {
                        return Ok(next);
                    }
                }
            }
        }
    }
}

/// Returns `true` if a job that is submitted again begins anew.
fn is_anew(record: &Record) -> bool {
    matches!(record.state, State::Failed | State::Cancelled)
}

/// The message of a failure that may be told. What a trap says of values can be an owner's advice.
fn told_of<'a>(record: &Record, kind: CauseKind, message: &'a str) -> &'a str {
    match kind {
        CauseKind::Trap | CauseKind::Crash if record.is_owned => {
            "it is run with its owner's advice, so that only the owner's log says why"
        }
        _ => message,
    }
}

fn cause(kind: CauseKind, message: &str, worker: &str) -> Cause {
    Cause {
        kind,
        message: message.into(),
        worker: worker.into(),
        at: Time::now(),
    }
}

/// A record of a job that is over.
fn over(record: &Record, state: State) -> Record {
    Record {
        state,
        finished: Some(Time::now()),
        ..record.clone()
    }
}

/// A record of a job whose deadline is over.
fn late(record: &Record) -> Record {
    let worker = record.state.worker().unwrap_or_default();
    let message = "the job was not done by its deadline";
    let mut late = over(record, State::Failed);
    late.causes
        .push(cause(CauseKind::Deadline, message, worker));
    late
}

/// A record of a job with an attempt that failed.
fn failed(record: &Record, cause: Cause, max_attempts: u32) -> Record {
    let is_final = cause.kind.is_final() || record.attempts >= max_attempts;
    let mut failed = match is_final {
        true => over(record, State::Failed),
        false => Record {
            state: State::Queued,
            ..record.clone()
        },
    };
    failed.causes.push(cause);
    failed
}
