//! Workers: they take jobs, have them proven, and tell how it went.

use std::{path::PathBuf, pin::pin, time::Duration};

use tokio::{
    sync::{broadcast::error::RecvError, watch},
    time::{Instant, interval, sleep, sleep_until},
};
use tracing::{info, warn};

use crate::{
    child::{self, Failure, ProcessLimits},
    job::JobId,
    jobs::{Jobs, JobsError, Made},
    queue::{Lease, QueueError},
    record::{CauseKind, Record, State, Time, WorkerStatus},
    stop::stopped,
};

/// A worker.
pub struct Worker {
    /// The jobs that it takes.
    pub jobs: Jobs,
    /// Its name, which no other worker has.
    pub name: String,
    /// The executable that runs jobs.
    pub executable: PathBuf,
    /// The limits of a job.
    pub limits: ProcessLimits,
    /// The time for which it goes on with a job when it is told to stop.
    pub grace: Duration,
}

/// The result of an attempt.
enum End {
    Made(Made),
    Failed(Failure),
    /// The job is somebody else's, or over.
    Superseded,
    /// The worker has no more time for it.
    Stopped,
}

/// The number of times that something is tried which the engine does not do at once.
const TRIES: u32 = 60;

/// Longer than anything takes, and no more than can be added to any time.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// The time between two tries.
const PAUSE: Duration = Duration::from_secs(1);

impl Worker {
    /// Takes job after job until it is told to stop; then it ends the one that it has, or gives it back.
    pub async fn run(self, stop: watch::Receiver<bool>) {
        let mut status = WorkerStatus {
            name: self.name.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            job: None,
            done: 0,
            failed: 0,
            is_draining: false,
            seen: Time::now(),
        };
        let mut tick = interval(self.jobs.queue().lease() / 3);
        while !*stop.borrow() {
            let lease = {
                let mut pull = pin!(self.jobs.queue().pull());
                loop {
                    tokio::select! {
                        lease = &mut pull => break Some(lease),
                        _ = tick.tick() => self.tell(&mut status).await,
                        () = stopped(&stop) => break None,
                    }
                }
            };
            match lease {
                Some(Ok(lease)) => {
                    if let Err(error) = self.take(lease, &mut status, &stop).await {
                        warn!(worker = self.name, %error, "a job is left to its lease");
                        sleep(PAUSE).await;
                    }
                }
                Some(Err(error)) => {
                    warn!(worker = self.name, %error, "no job can be taken");
                    sleep(PAUSE).await;
                }
                None => break,
            }
        }
        status.is_draining = true;
        self.tell(&mut status).await;
        info!(worker = self.name, "stopped");
    }

    async fn tell(&self, status: &mut WorkerStatus) {
        status.seen = Time::now();
        if let Err(error) = self.jobs.queue().tell(status).await {
            warn!(worker = self.name, %error, "the worker's status is not told");
        }
    }

    /// Takes the job of a lease, if there is something to do.
    async fn take(
        &self,
        mut lease: Box<dyn Lease>,
        status: &mut WorkerStatus,
        stop: &watch::Receiver<bool>,
    ) -> Result<(), JobsError> {
        let id = lease.id();
        let begun = self.jobs.begin(id, lease.is_again(), &self.name).await;
        let record = match begun {
            Ok(Some(record)) => record,
            Ok(None) => return Ok(lease.finish().await?),
            Err(error) if error.is_final() => {
                warn!(worker = self.name, %error, "a message is dropped");
                return Ok(lease.finish().await?);
            }
            Err(error) => return Err(error.into()),
        };
        info!(worker = self.name, job = %id, attempt = record.attempts, "begun");
        status.job = Some(id);
        self.tell(status).await;
        let end = self.attempt(&record, &mut *lease, status, stop).await;
        status.job = None;
        let told = match end {
            End::Made(made) => {
                status.done += 1;
                info!(worker = self.name, job = %id, seconds = made.report.prove_seconds, "proven");
                self.deliver(id, &made, &mut *lease).await?;
                lease.finish().await
            }
            End::Failed(Failure { kind, message }) => {
                status.failed += 1;
                warn!(worker = self.name, job = %id, kind = kind.name(), message, "failed");
                match self.jobs.fail(id, &self.name, kind, &message).await? {
                    true => lease.give_back(PAUSE * record.attempts).await,
                    false => lease.finish().await,
                }
            }
            End::Superseded => lease.finish().await,
            End::Stopped => {
                self.jobs.hand_back(id, &self.name).await?;
                lease.give_back(Duration::ZERO).await
            }
        };
        self.tell(status).await;
        Ok(told?)
    }

    /// Delivers a result, also to an engine that is away for some time.
    async fn deliver(
        &self,
        id: JobId,
        made: &Made,
        lease: &mut dyn Lease,
    ) -> Result<(), JobsError> {
        for _ in 1..TRIES {
            match self.jobs.deliver(id, &self.name, made).await {
                Err(JobsError::Queue(QueueError::Broken(error))) => {
                    warn!(worker = self.name, job = %id, error, "the proof is not delivered yet");
                    sleep(PAUSE).await;
                    lease.extend().await.ok();
                }
                delivered => return delivered,
            }
        }
        self.jobs.deliver(id, &self.name, made).await
    }

    /// Has a job proven, and holds its lease meanwhile.
    async fn attempt(
        &self,
        record: &Record,
        lease: &mut dyn Lease,
        status: &mut WorkerStatus,
        stop: &watch::Receiver<bool>,
    ) -> End {
        let queue = self.jobs.queue();
        let mut changes = queue.changes();
        let (target, inputs) = match (
            queue.get(record.target).await,
            queue.get(record.inputs).await,
        ) {
            (Ok(target), Ok(inputs)) => (target, inputs),
            (Err(error), _) | (_, Err(error)) => {
                return End::Failed(Failure {
                    kind: CauseKind::Storage,
                    message: error.to_string(),
                });
            }
        };
        let mut process = pin!(child::run(
            &self.executable,
            self.limits,
            record.options,
            target,
            inputs
        ));
        let now = Instant::now();
        let too_long = now + self.limits.time.min(FOREVER);
        let too_late = now + record.deadline.since(Time::now()).min(FOREVER);
        let mut stop_at = None;
        let mut tick = interval(queue.lease() / 3);
        loop {
            let is_suspect = tokio::select! {
                made = &mut process => return match made {
                    Ok(made) => End::Made(made),
                    Err(failure) => End::Failed(failure),
                },
                _ = tick.tick() => {
                    if let Err(error) = lease.extend().await {
                        warn!(worker = self.name, job = %record.id, %error, "the lease is not extended");
                    }
                    self.tell(status).await;
                    true
                }
                change = changes.recv() => match change {
                    Ok(id) => id == record.id,
                    Err(RecvError::Lagged(_)) => true,
                    Err(RecvError::Closed) => false,
                },
                () = sleep_until(too_late) => return End::Failed(Failure {
                    kind: CauseKind::Deadline,
                    message: "the job was not done by its deadline".into(),
                }),
                () = sleep_until(too_long) => return End::Failed(Failure {
                    kind: CauseKind::Time,
                    message: format!(
                        "the attempt took longer than the {} s that one may take",
                        self.limits.time.as_secs_f64()
                    ),
                }),
                () = stopped(stop), if stop_at.is_none() => {
                    status.is_draining = true;
                    stop_at = Some(Instant::now() + self.grace.min(FOREVER));
                    false
                }
                () = sleep_until(stop_at.unwrap_or(now)), if stop_at.is_some() => return End::Stopped,
            };
            if is_suspect && !self.is_mine(record.id).await {
                return End::Superseded;
            }
        }
    }

    /// Returns `true` if a job is still this worker's. An engine that does not answer does not say that it is not.
    async fn is_mine(&self, id: JobId) -> bool {
        match self.jobs.status(id).await {
            Ok(record) => matches!(record.state, State::Running { worker } if worker == self.name),
            Err(JobsError::Unknown(_)) => false,
            Err(JobsError::Queue(error)) => !error.is_final(),
            Err(_) => true,
        }
    }
}
