//! Bulk reads: by events and circuits, any number of elements in one cycle.

use std::sync::atomic::{AtomicU64, Ordering};

use thiserror::Error;

/// A run reads more than its options allow in events and circuits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the run exceeded its limit of {max} elements that events and circuits read")]
pub struct BulkLimitExceeded {
    /// The limit.
    pub max: u64,
}

/// Counts what is read in bulk against the limit. Handlers of events share it with the machine.
#[derive(Debug)]
pub(crate) struct BulkQuota {
    left: AtomicU64,
    max: u64,
}

impl BulkQuota {
    pub fn new(max: u64) -> Self {
        Self {
            left: AtomicU64::new(max),
            max,
        }
    }

    /// Counts elements that are about to be read.
    ///
    /// # Errors
    /// If they are more than are left.
    pub fn take(&self, elements: u64) -> Result<(), BulkLimitExceeded> {
        let take = |left: u64| left.checked_sub(elements);
        let taken = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        taken
            .map(|_| ())
            .map_err(|_| BulkLimitExceeded { max: self.max })
    }
}
