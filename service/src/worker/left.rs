//! Processes of parts that a worker has left after they had answered.

use std::collections::BTreeMap;

use crate::job::JobId;

/// Processes of parts of one job that have answered, and were left for other parts: when the worker takes a
/// part again, its process need not begin anew. Together with one more, they have no more memory than a job may.
#[derive(Debug)]
pub struct Left<P> {
    job: Option<JobId>,
    /// By part, each with the most memory that it had, in bytes.
    processes: BTreeMap<u8, (P, u64)>,
    memory: u64,
}

impl<P> Left<P> {
    /// None yet, of a worker whose jobs may have so much memory.
    pub fn new(memory: u64) -> Self {
        Self {
            job: None,
            processes: BTreeMap::new(),
            memory,
        }
    }

    /// The job whose parts there are processes of.
    pub fn job(&self) -> Option<JobId> {
        self.job
    }

    /// Ends all processes.
    pub fn clear(&mut self) {
        self.job = None;
        self.processes.clear();
    }

    /// Takes the process of a part. Those of another job are ended.
    pub fn take(&mut self, job: JobId, part: u8) -> Option<P> {
        if self.job != Some(job) {
            self.clear();
        }
        let (process, _) = self.processes.remove(&part)?;
        Some(process)
    }

    /// Leaves a process that had so much memory, if there is enough for it beside the others and for one more
    /// like the largest; else it is ended.
    pub fn leave(&mut self, job: JobId, part: u8, process: P, peak: u64) {
        if self.job != Some(job) {
            self.clear();
        }
        let peaks = self.processes.values().map(|&(_, peak)| peak);
        let peaks = peaks.chain([peak]);
        let (all, most) = peaks.fold((0u64, 0), |(all, most), peak| {
            (all.saturating_add(peak), most.max(peak))
        });
        if all.saturating_add(most) <= self.memory {
            self.job = Some(job);
            self.processes.insert(part, (process, peak));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Digest;

    #[test]
    fn as_many_are_left_as_a_job_has_memory_for() {
        let [job, other] = [b"one", b"two"].map(|name| Digest::of(&[name]));
        let mut left = Left::new(100);
        assert_eq!((left.job(), left.take(job, 0)), (None, None));
        left.leave(job, 0, 'a', 30);
        left.leave(job, 1, 'b', 30);
        // There would be no room for one that is in use.
        left.leave(job, 2, 'c', 30);
        assert_eq!(left.job(), Some(job));
        assert_eq!(left.take(job, 2), None);
        assert_eq!(left.take(job, 0), Some('a'));
        assert_eq!(left.take(job, 0), None);
        left.leave(job, 2, 'c', 34);
        assert_eq!(left.take(job, 2), Some('c'));
        left.leave(job, 2, 'c', 36);
        assert_eq!(left.take(job, 2), None);
        left.leave(job, 3, 'd', u64::MAX);
        assert_eq!(left.take(job, 3), None);
        // Those of another job are ended.
        assert_eq!(left.take(other, 1), None);
        assert_eq!((left.job(), left.take(job, 1)), (None, None));
        left.leave(job, 1, 'b', 30);
        left.leave(other, 0, 'e', 30);
        assert_eq!((left.job(), left.take(other, 0)), (Some(other), Some('e')));
    }
}
