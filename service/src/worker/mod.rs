//! Workers: they take jobs and parts of jobs, have them proven, and tell how it went; and coordinators, which
//! take jobs that several workers prove together, and ask these.

mod coordinator;
mod hold;
mod left;
mod part;

use std::{path::PathBuf, pin::pin, time::Duration};

use tokio::{
    sync::watch,
    time::{interval, sleep},
};
use tracing::{info, warn};

use self::{
    hold::{Early, Hold},
    left::Left,
};
use crate::{
    child::{self, Failure, Process, ProcessLimits, Task},
    job::{Duty, Item, JobId, Role},
    jobs::{Jobs, JobsError, Made},
    queue::{Lease, QueueError},
    record::{Record, Time, WorkerStatus},
    stop::stopped,
};

/// A worker, or a coordinator.
pub struct Worker {
    /// The jobs that it takes.
    pub jobs: Jobs,
    /// Its name, which no other worker has.
    pub name: String,
    /// The work that it takes.
    pub duty: Duty,
    /// The executable that runs jobs.
    pub executable: PathBuf,
    /// The limits of a job.
    pub limits: ProcessLimits,
    /// The time for which it goes on with a job when it is told to stop.
    pub grace: Duration,
}

/// The number of times that something is tried which the engine does not do at once.
const TRIES: u32 = 60;

/// The time between two tries.
const PAUSE: Duration = Duration::from_secs(1);

impl Worker {
    /// Takes item after item until it is told to stop; then it ends the one that it has, or gives it back.
    pub async fn run(self, stop: watch::Receiver<bool>) {
        let mut status = WorkerStatus {
            name: self.name.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            is_coordinator: self.duty == Duty::Coordinate,
            job: None,
            done: 0,
            failed: 0,
            is_draining: false,
            seen: Time::now(),
        };
        let mut tick = interval(self.jobs.queue().lease() / 3);
        let mut left = Left::new(self.limits.memory);
        while !*stop.borrow() {
            let lease = {
                let mut pull = pin!(self.jobs.queue().pull(self.duty));
                loop {
                    tokio::select! {
                        lease = &mut pull => break Some(lease),
                        _ = tick.tick() => {
                            self.tell(&mut status).await;
                            self.end_left(&mut left).await;
                        }
                        () = stopped(&stop) => break None,
                    }
                }
            };
            match lease {
                Some(Ok(lease)) => {
                    let Item { job, role } = lease.item();
                    let taken = match role {
                        Role::Part(part) => {
                            let taken =
                                self.take_part(job, part, lease, &mut left, &mut status, &stop);
                            taken.await
                        }
                        Role::Whole | Role::Coordinator => {
                            // Memory is for one job.
                            left.clear();
                            self.take(lease, &mut status, &stop).await
                        }
                    };
                    if let Err(error) = taken {
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

    /// Ends processes that were left whose job is over.
    async fn end_left(&self, left: &mut Left<Process>) {
        let Some(job) = left.job() else { return };
        let is_over = match self.jobs.status(job).await {
            Ok(record) => record.state.is_over(),
            Err(JobsError::Queue(error)) => error.is_final(),
            Err(_) => true,
        };
        if is_over {
            left.clear();
        }
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
        let item = lease.item();
        let id = item.job;
        let begun = self.begin(item, lease.is_again()).await;
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
        let made = {
            let mut hold = Hold::new(self, item, &record, &mut *lease, status, stop);
            match item.role {
                Role::Coordinator => self.coordinate(&record, &mut hold).await,
                _ => self.prove(&record, &mut hold).await,
            }
        };
        status.job = None;
        let told = match made {
            Ok(made) => {
                status.done += 1;
                info!(worker = self.name, job = %id, seconds = made.report.prove_seconds, "proven");
                self.deliver(id, &made, &mut *lease).await?;
                lease.finish().await
            }
            Err(Early::Failed(Failure { kind, message })) => {
                status.failed += 1;
                warn!(worker = self.name, job = %id, kind = kind.name(), message, "failed");
                match self.jobs.fail(id, &self.name, kind, &message).await? {
                    true => lease.give_back(PAUSE * record.attempts).await,
                    false => lease.finish().await,
                }
            }
            Err(Early::Superseded) => lease.finish().await,
            Err(Early::Stopped) => {
                self.jobs.hand_back(id, &self.name).await?;
                lease.give_back(Duration::ZERO).await
            }
        };
        self.tell(status).await;
        Ok(told?)
    }

    /// Begins with an item, if it is what has to be done first for its job.
    async fn begin(&self, item: Item, is_again: bool) -> Result<Option<Record>, QueueError> {
        let seen = self.jobs.queue().load(item.job).await?;
        match seen.is_some_and(|seen| Item::first(item.job, seen.record.options) == item) {
            true => self.jobs.begin(item.job, is_again, &self.name).await,
            false => Ok(None),
        }
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

    /// The task of a role in a job.
    async fn task(&self, record: &Record, role: Role) -> Result<Task, Failure> {
        let queue = self.jobs.queue();
        Ok(Task {
            role,
            options: record.options,
            target: queue.get(record.target).await.map_err(Failure::storage)?,
            inputs: queue.get(record.inputs).await.map_err(Failure::storage)?,
        })
    }

    /// Has all of a job proven.
    async fn prove(&self, record: &Record, hold: &mut Hold<'_>) -> Result<Made, Early> {
        let proven = async {
            let task = self.task(record, Role::Whole).await?;
            child::run(&self.executable, self.limits, task).await
        };
        hold.during(proven, Some(self.limits.time)).await
    }

    /// Does something that the engine has a part in, again and again while it is away.
    async fn patiently<T, F>(&self, work: impl Fn() -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, JobsError>>,
    {
        loop {
            match work().await {
                Err(JobsError::Queue(QueueError::Broken(error))) => {
                    warn!(worker = self.name, error, "the queue is waited for");
                    sleep(PAUSE).await;
                }
                done => return done.map_err(Failure::storage),
            }
        }
    }
}
