//! The engine: where jobs wait, and where what is known of them and their objects is kept.
//!
//! It knows nothing of what jobs are. A record is changed only by who has seen its last version, so
//! that the rules of [`crate::jobs`] hold however many servers and workers there are.

pub mod embedded;
pub mod nats;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use thiserror::Error;
use tokio::sync::broadcast;

use crate::{
    job::{Digest, Duty, Item, JobId, Priority},
    record::{Record, WorkerStatus},
};

/// Why the engine did not do something.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum QueueError {
    /// As many jobs wait as may.
    #[error("the queue is full: no more jobs may wait")]
    Full,
    /// There is no such object.
    #[error("the object {0} no longer exists")]
    NoObject(Digest),
    /// The file under the name of an object is something else.
    #[error("the object {object} does not match its name: {reason}")]
    WrongObject {
        /// The object.
        object: Digest,
        /// Why not.
        reason: String,
    },
    /// The file under the name of a job is not its record.
    #[error("the record of job {id} cannot be read: {reason}")]
    WrongRecord {
        /// The job.
        id: JobId,
        /// Why not.
        reason: String,
    },
    /// The engine cannot be reached, or cannot write.
    #[error("the queue is not available: {0}")]
    Broken(String),
}

impl QueueError {
    /// That the engine does not work, for the reason that an error gives.
    pub fn broken(error: impl ToString) -> Self {
        Self::Broken(error.to_string())
    }

    /// That an object is not what its name says.
    fn wrong_object(object: Digest, reason: impl ToString) -> Self {
        Self::WrongObject {
            object,
            reason: reason.to_string(),
        }
    }

    /// Returns `true` if asking again would be answered alike.
    pub fn is_final(&self) -> bool {
        matches!(
            self,
            Self::NoObject(_) | Self::WrongObject { .. } | Self::WrongRecord { .. }
        )
    }
}

/// The most bytes of an object.
pub const MAX_OBJECT_BYTES: u64 = 1 << 28;

/// The bytes of an object, if they are those that its name is the hash of.
fn checked(object: Digest, bytes: Bytes) -> Result<Bytes, QueueError> {
    match Digest::of(&[&bytes]) == object {
        true => Ok(bytes),
        false => Err(QueueError::wrong_object(object, "its hash is another one")),
    }
}

/// Reads the record of a job.
fn read_record(id: JobId, bytes: &[u8]) -> Result<Record, QueueError> {
    let wrong = |reason: String| QueueError::WrongRecord { id, reason };
    let record: Record = serde_json::from_slice(bytes).map_err(|error| wrong(error.to_string()))?;
    match record.id == id {
        true => Ok(record),
        false => Err(wrong(format!("it is that of {}", record.id))),
    }
}

/// A record, and the version of it that was seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// The record.
    pub record: Record,
    /// Its version.
    pub version: u64,
}

/// The engine of a service.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Keeps an object under its name.
    async fn put(&self, object: Digest, bytes: Bytes) -> Result<(), QueueError>;

    /// Returns an object, whose name is the hash of its bytes.
    async fn get(&self, object: Digest) -> Result<Bytes, QueueError>;

    /// Forgets an object, if it is there.
    async fn delete(&self, object: Digest) -> Result<(), QueueError>;

    /// Keeps a record if there is none of its job; returns `false` if there is one.
    async fn create(&self, record: &Record) -> Result<bool, QueueError>;

    /// Returns the record of a job.
    async fn load(&self, id: JobId) -> Result<Option<Seen>, QueueError>;

    /// Replaces a record; returns `false` if it was changed since that version was seen.
    async fn store(&self, record: &Record, version: u64) -> Result<bool, QueueError>;

    /// Forgets a record; returns `false` if it was changed since that version was seen.
    async fn remove(&self, id: JobId, version: u64) -> Result<bool, QueueError>;

    /// The jobs that there are records of.
    async fn ids(&self) -> Result<Vec<JobId>, QueueError>;

    /// Tells the jobs whose records change from now on.
    fn changes(&self) -> broadcast::Receiver<JobId>;

    /// Lets an item wait for somebody. There is room for parts, however many jobs wait.
    async fn push(&self, item: Item, priority: Priority) -> Result<(), QueueError>;

    /// Lets the items of a job of an earlier run of the service wait again, if nobody has them; however many do.
    async fn resume(&self, record: &Record) -> Result<(), QueueError>;

    /// Waits for an item of this duty, the most urgent one first, and parts before jobs.
    async fn pull(&self, duty: Duty) -> Result<Box<dyn Lease>, QueueError>;

    /// The time for which an item is a worker's that is not heard of.
    fn lease(&self) -> Duration;

    /// Keeps what a worker tells of itself.
    async fn tell(&self, worker: &WorkerStatus) -> Result<(), QueueError>;

    /// The last reports of workers about themselves.
    async fn workers(&self) -> Result<Vec<WorkerStatus>, QueueError>;
}

/// An item that is a worker's, as long as its time is extended before it is over.
#[async_trait]
pub trait Lease: Send + Sync {
    /// The item.
    fn item(&self) -> Item;

    /// Returns `true` if another lease of the item ended by itself, or the item was given back.
    fn is_again(&self) -> bool;

    /// Begins its time anew.
    async fn extend(&mut self) -> Result<(), QueueError>;

    /// Ends it for good: nobody need have the item any more.
    async fn finish(self: Box<Self>) -> Result<(), QueueError>;

    /// Ends it, so that another one gets the item after some time.
    async fn give_back(self: Box<Self>, delay: Duration) -> Result<(), QueueError>;
}

/// Changes that are kept for who is slow to read them.
const KEPT_CHANGES: usize = 4096;

/// A new channel of changes.
fn changes() -> broadcast::Sender<JobId> {
    broadcast::channel(KEPT_CHANGES).0
}
