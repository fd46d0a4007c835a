//! Figures about the service, in the form of Prometheus.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

use crate::{
    job::JobId,
    record::{Part, PartState, Record, State},
};

/// A label with the name of a kind of thing.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: String,
}

impl From<&str> for Kind {
    fn from(kind: &str) -> Self {
        Self { kind: kind.into() }
    }
}

/// The figures.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    jobs: Family<Kind, Gauge>,
    over: Family<Kind, Counter>,
    failures: Family<Kind, Counter>,
    refused: Family<Kind, Counter>,
    wait: Histogram,
    phases: Family<Kind, Histogram, fn() -> Histogram>,
    memory: Histogram,
    rows: Histogram,
    proof: Histogram,
    workers: Family<Kind, Gauge>,
    parts: Family<Kind, Gauge>,
    stages: Family<Kind, Histogram, fn() -> Histogram>,
    part_failures: Family<Kind, Counter>,
    /// The counts of each job.
    counted: Mutex<BTreeMap<JobId, Counted>>,
}

/// The counts of a job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Counted {
    state: &'static str,
    attempts: u32,
    causes: usize,
    /// The causes and the answers of each part.
    parts: Vec<(usize, usize)>,
}

/// The parts of a record.
fn parts_of(record: &Record) -> impl Iterator<Item = &Part> {
    record.slices.iter().flat_map(|slices| &slices.parts)
}

/// Counts one more under a name.
fn count_name(counts: &mut [(&'static str, i64)], name: &str) {
    for (_, count) in counts.iter_mut().filter(|(of, _)| *of == name) {
        *count += 1;
    }
}

/// The new part of a list of which so many are counted; one that was begun anew has fewer.
fn new<T>(all: &[T], counted: usize) -> &[T] {
    all.get(counted..).unwrap_or(all)
}

fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.01, 2.0, 18))
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("miden_cvm");
        let this = Self {
            jobs: Family::default(),
            over: Family::default(),
            failures: Family::default(),
            refused: Family::default(),
            wait: seconds(),
            phases: Family::new_with_constructor(seconds),
            memory: Histogram::new(exponential_buckets(16.0 * 1024.0 * 1024.0, 2.0, 14)),
            rows: Histogram::new(exponential_buckets(1024.0, 2.0, 18)),
            proof: Histogram::new(exponential_buckets(16384.0, 2.0, 10)),
            workers: Family::default(),
            parts: Family::default(),
            stages: Family::new_with_constructor(seconds),
            part_failures: Family::default(),
            counted: Mutex::default(),
            registry: Registry::default(),
        };
        registry.register("jobs", "Jobs by state", this.jobs.clone());
        registry.register("jobs_over", "Jobs that ended, by state", this.over.clone());
        registry.register(
            "failures",
            "Attempts that failed, by cause",
            this.failures.clone(),
        );
        registry.register(
            "refused",
            "Requests that were refused, by reason",
            this.refused.clone(),
        );
        registry.register_with_unit(
            "queue_wait",
            "Time from submission to the first attempt",
            Unit::Seconds,
            this.wait.clone(),
        );
        registry.register_with_unit(
            "phase",
            "Time of the phases of a proof",
            Unit::Seconds,
            this.phases.clone(),
        );
        registry.register_with_unit(
            "peak_memory",
            "Most memory of the process of a proof",
            Unit::Bytes,
            this.memory.clone(),
        );
        registry.register("rows", "Rows of all tables of a proof", this.rows.clone());
        registry.register_with_unit(
            "proof",
            "Length of a proof",
            Unit::Bytes,
            this.proof.clone(),
        );
        registry.register("workers", "Workers by health", this.workers.clone());
        registry.register(
            "parts",
            "Parts of running jobs, by state",
            this.parts.clone(),
        );
        registry.register_with_unit(
            "part",
            "Time that workers of parts take, by stage",
            Unit::Seconds,
            this.stages.clone(),
        );
        registry.register(
            "part_failures",
            "Attempts at parts that failed, by cause",
            this.part_failures.clone(),
        );
        Self { registry, ..this }
    }
}

impl Metrics {
    /// Counts what is new in a record; or that there is no record of the job any more.
    pub fn count(&self, id: JobId, record: Option<&Record>) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(record) = record else {
            counted.remove(&id);
            return;
        };
        let now = Counted {
            state: record.state.name(),
            attempts: record.attempts,
            causes: record.causes.len(),
            parts: parts_of(record)
                .map(|part| (part.causes.len(), part.answers.len()))
                .collect(),
        };
        let state = now.state;
        let before = counted.insert(id, now.clone());
        drop(counted);
        if before.as_ref() == Some(&now) {
            return;
        }
        let old_causes = before.as_ref().map_or(0, |before| before.causes);
        for cause in new(&record.causes, old_causes) {
            self.failures.get_or_create(&cause.kind.name().into()).inc();
        }
        let old_parts = before.as_ref().map_or(&[][..], |before| &before.parts);
        for (number, part) in parts_of(record).enumerate() {
            let (causes, answers) = old_parts.get(number).copied().unwrap_or_default();
            for cause in new(&part.causes, causes) {
                let kind = cause.kind.name().into();
                self.part_failures.get_or_create(&kind).inc();
            }
            for answer in new(&part.answers, answers) {
                let stage = answer.stage.as_str().into();
                self.stages.get_or_create(&stage).observe(answer.seconds);
            }
        }
        let is_first =
            record.attempts == 1 && before.as_ref().is_none_or(|before| before.attempts == 0);
        if is_first && let Some(started) = record.started {
            self.wait
                .observe(started.since(record.submitted).as_secs_f64());
        }
        if !record.state.is_over() || before.is_some_and(|before| before.state == state) {
            return;
        }
        self.over.get_or_create(&state.into()).inc();
        if let State::Done { result } = &record.state {
            let report = &result.report;
            for phase in &report.phases {
                let name = phase.name.as_str();
                self.phases
                    .get_or_create(&name.into())
                    .observe(phase.seconds);
            }
            self.memory.observe(report.peak_memory as f64);
            self.rows.observe(report.rows as f64);
            self.proof.observe(report.proof_bytes as f64);
        }
    }

    /// Counts a request that was refused.
    pub fn refuse(&self, reason: &str) {
        self.refused.get_or_create(&reason.into()).inc();
    }

    /// Sets how many jobs, and parts of jobs that are not over, are in each state.
    pub fn set_jobs<'a>(&self, records: impl Iterator<Item = &'a Record>) {
        let mut counts = State::NAMES.map(|name| (name, 0));
        let mut parts = PartState::NAMES.map(|name| (name, 0));
        for record in records {
            count_name(&mut counts, record.state.name());
            for part in parts_of(record).filter(|_| !record.state.is_over()) {
                count_name(&mut parts, part.state.name());
            }
        }
        for (name, count) in counts {
            self.jobs.get_or_create(&name.into()).set(count);
        }
        for (name, count) in parts {
            self.parts.get_or_create(&name.into()).set(count);
        }
    }

    /// Sets how many workers are well, and how many are not.
    pub fn set_workers(&self, healthy: usize, unhealthy: usize) {
        for (kind, count) in [("healthy", healthy), ("unhealthy", unhealthy)] {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.workers.get_or_create(&kind.into()).set(count);
        }
    }

    /// All of them as text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a text does not fail.
        encode(&mut text, &self.registry).ok();
        text
    }
}
