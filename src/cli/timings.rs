//! The duration of the phases of a command, by the spans that the libraries open.

use std::{
    sync::{Mutex, PoisonError},
    thread::{self, ThreadId},
    time::{Duration, Instant},
};

use serde::Serialize;
use tracing::{
    Event, Metadata, Subscriber,
    span::{Attributes, Id, Record},
};

use super::progress::Progress;

/// A phase, and how long it took.
#[derive(Debug, Clone, Serialize)]
pub struct Timing {
    /// Its name.
    pub phase: &'static str,
    /// In how many others it is.
    pub depth: usize,
    /// The time that it took, with what is in it.
    pub seconds: f64,
}

/// The shares of a proof that its phases have, in percent: of a run of 2^16 cycles that hashes.
const SHARES: [(&str, u64); 9] = [
    ("execute_traced", 3),
    ("commit_to_main_rows", 28),
    ("commit_to_lookup_columns", 12),
    ("evaluate_constraints", 31),
    ("commit_to_composition", 4),
    ("evaluate_out_of_domain", 4),
    ("low_degree_test", 8),
    ("grind", 1),
    ("open", 9),
];

/// Measures the phases of one thread, and shows them as they begin, with how much is done.
#[derive(Debug)]
pub struct Timings {
    thread: ThreadId,
    state: Mutex<State>,
    progress: Progress,
}

#[derive(Debug, Default)]
struct State {
    /// The names of spans by their ids, which are counted from 1.
    names: Vec<&'static str>,
    /// Those that are open: the phase and when it began.
    open: Vec<(usize, Instant)>,
    phases: Vec<(&'static str, usize, Duration)>,
    /// The shares of what is done, in percent.
    done: u64,
}

impl Timings {
    /// Measures what this thread does from now on.
    pub fn new(progress: Progress) -> Self {
        Self {
            thread: thread::current().id(),
            state: Mutex::default(),
            progress,
        }
    }

    /// Returns the measurements, in the order in which they began. A phase that was there several
    /// times in a row is one.
    pub fn phases(&self) -> Vec<Timing> {
        let state = self.state();
        let phases = state.phases.iter();
        phases
            .map(|(phase, depth, time)| Timing {
                phase,
                depth: *depth,
                seconds: time.as_secs_f64(),
            })
            .collect()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscriber for Timings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_span()
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut state = self.state();
        state.names.push(span.metadata().name());
        Id::from_u64(state.names.len() as u64)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, span: &Id) {
        if thread::current().id() != self.thread {
            return;
        }
        let mut state = self.state();
        let index = usize::try_from(span.into_u64() - 1).unwrap_or(usize::MAX);
        let Some(&name) = state.names.get(index) else {
            return;
        };
        let depth = state.open.len();
        let phase = match state.phases.last() {
            Some((last, at, _)) if (*last, *at) == (name, depth) => state.phases.len() - 1,
            _ => {
                state.phases.push((name, depth, Duration::ZERO));
                state.phases.len() - 1
            }
        };
        state.open.push((phase, Instant::now()));
        drop(state);
        self.progress.stage(name);
    }

    fn exit(&self, _: &Id) {
        if thread::current().id() != self.thread {
            return;
        }
        let mut state = self.state();
        if let Some((phase, began)) = state.open.pop()
            && let Some(timing) = state.phases.get_mut(phase)
        {
            timing.2 += began.elapsed();
            // What runs the target again in a phase is a part of that.
            let is_share = |(name, _): &&(&str, u64)| *name == timing.0 && timing.1 < 2;
            let shares = SHARES.iter().filter(is_share);
            let share: u64 = shares.map(|(_, share)| share).sum();
            // Phases that come again do not count beyond the whole.
            state.done = (state.done + share).min(100);
            let done = state.done;
            drop(state);
            self.progress.done(done);
        }
    }
}
