//! Jobs on their way in: what is held of them, and for how long one waits for the rest.

use std::{future::Future, time::Duration};

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

use super::ServiceError;

/// The time that a client may take to send a job.
pub const UPLOAD_TIME: Duration = Duration::from_secs(120);

/// The time for which a client that sends a job may send nothing.
pub const SILENCE: Duration = Duration::from_secs(10);

/// The most bytes of a form with a job that are not target or inputs.
pub const AROUND: u64 = 1 << 16;

/// As many jobs of the greatest length can be on their way in at one time.
const MAX_UPLOADS: u64 = 16;

/// Bytes are counted in units of so many.
const UNIT: u64 = 1 << 10;

/// The room for the bytes of all jobs that are on their way in.
///
/// Who sends slowly holds no more of it than was sent, so that slow clients keep nobody out.
#[derive(Debug)]
pub struct Room {
    units: Semaphore,
}

impl Room {
    /// Room for jobs of at most so many bytes, and what is around them.
    pub fn new(max_bytes: u64) -> Self {
        let of_each = max_bytes.saturating_add(AROUND).div_ceil(UNIT);
        let units = of_each.saturating_mul(MAX_UPLOADS);
        let units = usize::try_from(units).unwrap_or(usize::MAX);
        Self {
            units: Semaphore::new(units.min(Semaphore::MAX_PERMITS)),
        }
    }

    /// A job of which nothing is there yet.
    pub fn upload(&self) -> Upload<'_> {
        Upload {
            room: self,
            held: None,
            bytes: 0,
        }
    }
}

/// A job on its way in. What it holds is free again when it is dropped.
#[derive(Debug)]
pub struct Upload<'r> {
    room: &'r Room,
    held: Option<SemaphorePermit<'r>>,
    bytes: u64,
}

impl Upload<'_> {
    /// Waits for more of it.
    ///
    /// # Errors
    /// Returns an error if the client sends nothing.
    pub async fn more<T>(&self, more: impl Future<Output = T>) -> Result<T, ServiceError> {
        timeout(SILENCE, more)
            .await
            .map_err(|_| ServiceError::Silent)
    }

    /// Holds more bytes of it.
    ///
    /// # Errors
    /// Returns an error if there is no room for them.
    pub fn hold(&mut self, bytes: usize) -> Result<(), ServiceError> {
        self.bytes = self.bytes.saturating_add(bytes as u64);
        let held = self.held.as_ref().map_or(0, SemaphorePermit::num_permits);
        let needed = self.bytes.div_ceil(UNIT).saturating_sub(held as u64);
        let needed = u32::try_from(needed).map_err(|_| ServiceError::Busy)?;
        let more = self.room.units.try_acquire_many(needed);
        let more = more.map_err(|_| ServiceError::Busy)?;
        match &mut self.held {
            Some(held) => held.merge(more),
            None => self.held = Some(more),
        }
        Ok(())
    }
}
