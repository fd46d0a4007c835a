//! An item that a worker has, for as long as it is its own.

use std::{pin::pin, time::Duration};

use tokio::{
    sync::{
        broadcast::{self, error::RecvError},
        watch,
    },
    time::{Instant, Interval, interval, sleep_until},
};
use tracing::warn;

use super::Worker;
use crate::{
    child::Failure,
    job::{Item, JobId, Role},
    jobs::JobsError,
    queue::Lease,
    record::{CauseKind, Record, State, Time, WorkerStatus},
    stop::stopped,
};

/// Longer than anything takes, and no more than can be added to any time.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Why work on an item ended early.
pub enum Early {
    /// The attempt failed.
    Failed(Failure),
    /// The item is somebody else's, or its job is over.
    Superseded,
    /// The worker has no more time for it.
    Stopped,
}

/// The lease of an item, which is extended while something is done.
pub struct Hold<'a> {
    worker: &'a Worker,
    item: Item,
    lease: &'a mut dyn Lease,
    status: &'a mut WorkerStatus,
    stop: &'a watch::Receiver<bool>,
    changes: broadcast::Receiver<JobId>,
    tick: Interval,
    too_late: Instant,
    stop_at: Option<Instant>,
}

impl<'a> Hold<'a> {
    pub fn new(
        worker: &'a Worker,
        item: Item,
        record: &Record,
        lease: &'a mut dyn Lease,
        status: &'a mut WorkerStatus,
        stop: &'a watch::Receiver<bool>,
    ) -> Self {
        let queue = worker.jobs.queue();
        Self {
            worker,
            item,
            lease,
            status,
            stop,
            changes: queue.changes(),
            tick: interval(queue.lease() / 3),
            too_late: Instant::now() + record.deadline.since(Time::now()).min(FOREVER),
            stop_at: None,
        }
    }

    /// The channel that tells that the worker has to stop.
    pub fn stop(&self) -> &'a watch::Receiver<bool> {
        self.stop
    }

    /// Does something that may take so long, and holds the lease meanwhile.
    pub async fn during<T>(
        &mut self,
        work: impl Future<Output = Result<T, Failure>>,
        time: Option<Duration>,
    ) -> Result<T, Early> {
        let mut work = pin!(work);
        let now = Instant::now();
        let time = time.unwrap_or(FOREVER).min(FOREVER);
        let too_long = now + time;
        let worker = self.worker;
        loop {
            let is_suspect = tokio::select! {
                done = &mut work => return done.map_err(Early::Failed),
                _ = self.tick.tick() => {
                    if let Err(error) = self.lease.extend().await {
                        warn!(worker = worker.name, job = %self.item, %error, "the lease is not extended");
                    }
                    worker.tell(self.status).await;
                    true
                }
                change = self.changes.recv() => match change {
                    Ok(id) => id == self.item.job,
                    Err(RecvError::Lagged(_)) => true,
                    Err(RecvError::Closed) => false,
                },
                () = sleep_until(self.too_late) => return Err(Early::Failed(Failure {
                    kind: CauseKind::Deadline,
                    message: "the job was not done by its deadline".into(),
                })),
                () = sleep_until(too_long) => return Err(Early::Failed(Failure {
                    kind: CauseKind::Time,
                    message: format!(
                        "the attempt took longer than the {} s that one may take",
                        time.as_secs_f64()
                    ),
                })),
                () = stopped(self.stop), if self.stop_at.is_none() => {
                    self.status.is_draining = true;
                    self.stop_at = Some(Instant::now() + worker.grace.min(FOREVER));
                    false
                }
                () = sleep_until(self.stop_at.unwrap_or(now)), if self.stop_at.is_some() => {
                    return Err(Early::Stopped);
                }
            };
            if is_suspect && !self.is_mine().await {
                return Err(Early::Superseded);
            }
        }
    }

    /// Returns `true` if the item is still this worker's. An engine that does not answer does not say that it
    /// is not.
    async fn is_mine(&self) -> bool {
        let name = &self.worker.name;
        match self.worker.jobs.status(self.item.job).await {
            Ok(record) => match self.item.role {
                Role::Part(number) => {
                    let part = record.part(number);
                    !record.state.is_over() && part.is_some_and(|part| part.is_held_by(name))
                }
                Role::Whole | Role::Coordinator => {
                    matches!(&record.state, State::Running { worker } if worker == name)
                }
            },
            Err(JobsError::Unknown(_)) => false,
            Err(JobsError::Queue(error)) => !error.is_final(),
            Err(_) => true,
        }
    }
}
