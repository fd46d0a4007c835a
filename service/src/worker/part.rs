//! The worker of a part: it answers stage by stage, and keeps its process from one to the next.

use std::time::Duration;

use bytes::Bytes;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use tracing::{info, warn};

use super::{Early, Hold, Left, PAUSE, Worker};
use crate::{
    child::{Failure, Output, Process},
    job::{Digest, JobId, Role},
    jobs::{Answered, Begun, JobsError},
    queue::{Lease, QueueError},
    record::{Asked, PartState, Record, WorkerStatus},
    stop::stopped,
};

/// The time for which another part of the job may wait for somebody before one that has answered is left
/// for it.
const TAKEN: Duration = Duration::from_secs(1);

/// The process that answers for a part.
struct Answering {
    process: Process,
    /// The most memory that it had, as far as it has told.
    peak_memory: u64,
    /// `true` if it was left before, and has not answered since.
    was_left: bool,
    /// `true` if it has answered all that it was asked.
    is_idle: bool,
}

impl Answering {
    fn new(process: Process) -> Self {
        Self {
            process,
            peak_memory: 0,
            was_left: false,
            is_idle: false,
        }
    }

    /// One that was left.
    fn again(process: Process) -> Self {
        Self {
            was_left: true,
            ..Self::new(process)
        }
    }

    async fn ask(&mut self, request: Bytes) -> Result<Output, Failure> {
        self.is_idle = false;
        self.process.ask(request).await?;
        self.process.output().await
    }

    fn answered(&mut self, peak_memory: u64) {
        self.peak_memory = peak_memory;
        self.was_left = false;
        self.is_idle = true;
    }
}

impl Worker {
    /// Takes a part, if there is something to do.
    pub(super) async fn take_part(
        &self,
        id: JobId,
        part: u8,
        mut lease: Box<dyn Lease>,
        left: &mut Left<Process>,
        status: &mut WorkerStatus,
        stop: &watch::Receiver<bool>,
    ) -> Result<(), JobsError> {
        let begun = self.jobs.begin_part(id, part, lease.is_again(), &self.name);
        let record = match begun.await {
            Ok(Begun::Taken(record)) => record,
            Ok(Begun::Nothing) => return Ok(lease.finish().await?),
            Ok(Begun::Refused) => return Ok(lease.give_back(PAUSE).await?),
            Err(JobsError::Queue(error)) if error.is_final() => {
                warn!(worker = self.name, %error, "a message is dropped");
                return Ok(lease.finish().await?);
            }
            Err(error) => return Err(error),
        };
        info!(worker = self.name, job = %id, part, "begun");
        status.job = Some(id);
        self.tell(status).await;
        let attempts = record.part(part).map_or(1, |part| part.attempts);
        let mut process = left.take(id, part).map(Answering::again);
        let early = {
            let item = lease.item();
            let mut hold = Hold::new(self, item, &record, &mut *lease, status, stop);
            self.work_on(*record, part, &mut process, &mut hold).await
        };
        if let (Early::Stopped, Some(answering)) = (&early, process)
            && answering.is_idle
        {
            left.leave(id, part, answering.process, answering.peak_memory);
        }
        status.job = None;
        let is_queued = match &early {
            Early::Failed(Failure { kind, message }) => {
                status.failed += 1;
                warn!(worker = self.name, job = %id, part, kind = kind.name(), message, "failed");
                let fail = self.jobs.fail_part(id, part, &self.name, *kind, message);
                fail.await?
            }
            Early::Superseded => false,
            Early::Stopped => self.jobs.leave_part(id, part, &self.name).await?,
        };
        let told = match (is_queued, early) {
            (false, _) => lease.finish().await,
            (true, Early::Failed(_)) => lease.give_back(PAUSE * attempts).await,
            (true, _) => lease.give_back(Duration::ZERO).await,
        };
        self.tell(status).await;
        Ok(told?)
    }

    /// Answers what a part is asked, until it is somebody else's or not needed any more.
    async fn work_on(
        &self,
        mut record: Record,
        number: u8,
        process: &mut Option<Answering>,
        hold: &mut Hold<'_>,
    ) -> Early {
        // Since when another part waits for somebody.
        let mut wanted = None;
        loop {
            let Some(slices) = &record.slices else {
                return Early::Superseded;
            };
            let Asked { request, stage } = slices.asked.clone();
            let parts = (0..).zip(&slices.parts);
            let is_wanted = parts
                .filter(|(other, _)| *other != number)
                .any(|(_, other)| other.state == PartState::Queued);
            let part = record.part(number);
            let done = if part.is_some_and(|part| part.answer(request).is_none()) {
                let answered = self.answered(process, &record, number, request);
                let answered = match hold.during(answered, Some(self.limits.time)).await {
                    Ok(answered) => answered,
                    Err(early) => return early,
                };
                info!(
                    worker = self.name, job = %record.id, part = number, stage,
                    seconds = answered.seconds, "answered"
                );
                let answer = || {
                    let answered = answered.clone();
                    self.jobs.answer(record.id, number, &self.name, answered)
                };
                hold.during(self.patiently(answer), None).await
            } else {
                wanted = match is_wanted {
                    true => wanted.or(Some(Instant::now() + TAKEN)),
                    false => None,
                };
                match self.next(&record, wanted, hold).await {
                    Ok(true) => Ok(()),
                    Ok(false) => return Early::Stopped,
                    Err(early) => return early,
                }
            };
            if let Err(early) = done {
                return early;
            }
            let status = self.patiently(|| self.jobs.status(record.id));
            record = match hold.during(status, None).await {
                Ok(record) => record,
                Err(early) => return early,
            };
        }
    }

    /// Waits until a record changes; returns `false` if the worker has to leave the part before.
    async fn next(
        &self,
        record: &Record,
        leave: Option<Instant>,
        hold: &mut Hold<'_>,
    ) -> Result<bool, Early> {
        let stop = hold.stop();
        let now = Instant::now();
        let changed = async {
            tokio::select! {
                changed = self.patiently(|| self.jobs.changed(record)) => changed.map(|_| true),
                () = sleep_until(leave.unwrap_or(now)), if leave.is_some() => Ok(false),
                () = stopped(stop) => Ok(false),
            }
        };
        hold.during(changed, None).await
    }

    /// The answer of a process to a request; one that has answered something else before is replaced.
    async fn answered(
        &self,
        process: &mut Option<Answering>,
        record: &Record,
        part: u8,
        request: Digest,
    ) -> Result<Answered, Failure> {
        let bytes: Bytes = loop {
            match self.jobs.queue().get(request).await {
                Err(QueueError::Broken(error)) => {
                    warn!(worker = self.name, error, "the queue is waited for");
                    tokio::time::sleep(PAUSE).await;
                }
                bytes => break bytes.map_err(Failure::storage)?,
            }
        };
        loop {
            let answering = match process {
                Some(answering) => answering,
                None => {
                    let task = self.task(record, Role::Part(part)).await?;
                    let started = Process::start(&self.executable, self.limits, task)?;
                    process.insert(Answering::new(started))
                }
            };
            match answering.ask(bytes.clone()).await {
                // What became of it while it was left is no fault of this attempt.
                Err(_) if answering.was_left => *process = None,
                Err(failure) => return Err(failure),
                Ok(Output::Replied {
                    reply,
                    seconds,
                    peak_memory,
                }) => {
                    answering.answered(peak_memory);
                    return Ok(Answered {
                        request,
                        reply,
                        seconds,
                        peak_memory,
                    });
                }
                Ok(Output::Anew) => *process = None,
                Ok(_) => {
                    return Err(Failure::crash(
                        "the process does not answer what it is asked",
                    ));
                }
            }
        }
    }
}
