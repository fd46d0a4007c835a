//! Traces of jobs, for a collector that speaks OpenTelemetry's protocol (OTLP by gRPC).
//!
//! A job's trace is made from its record when the job is over, whoever worked on it. So workers need not
//! reach the collector, nothing is lost with a worker that is killed, and servers that share a queue send
//! the same spans: their ids are hashes of the job and of the time when it was submitted.

use std::time::{Duration, SystemTime};

use opentelemetry::{
    InstrumentationScope, KeyValue,
    trace::{Event, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState},
};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{SpanData, SpanEvents, SpanExporter as _, SpanLinks},
};
use thiserror::Error;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tonic::transport::Uri;
use tracing::warn;

use crate::{
    job::{Digest, OptionNames},
    record::{Cause, Record, State, Time},
};

/// An address that traces cannot be sent to.
#[derive(Debug, Error)]
#[error(
    "traces cannot be sent to `{endpoint}`: a collector has an address like `http://localhost:4317`"
)]
pub struct TracesError {
    endpoint: String,
    source: Option<ExporterBuildError>,
}

/// Sends the traces of jobs to a collector.
#[derive(Debug)]
pub struct Traces {
    exporter: SpanExporter,
    /// Jobs that were over before are not told again.
    since: Time,
}

impl Traces {
    /// The time that a collector has for an answer.
    const PATIENCE: Duration = Duration::from_secs(5);

    /// Sends to this address from now on, in a Tokio runtime. Nothing is sent yet, and the collector need
    /// not be there.
    ///
    /// # Errors
    /// Returns an error if it is no address.
    pub fn to(endpoint: &str) -> Result<Self, TracesError> {
        let error = |source| TracesError {
            endpoint: endpoint.into(),
            source,
        };
        // The exporter would take addresses without a scheme, and find out later.
        let uri = endpoint.parse::<Uri>().ok();
        if !uri.is_some_and(|uri| matches!(uri.scheme_str(), Some("http" | "https"))) {
            return Err(error(None));
        }
        let exporter = SpanExporter::builder().with_tonic();
        let exporter = exporter.with_endpoint(endpoint);
        let built = exporter.with_timeout(Self::PATIENCE).build();
        let mut exporter = built.map_err(|source| error(Some(source)))?;
        let resource = Resource::builder().with_service_name("miden-cvm-service");
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        exporter.set_resource(&resource.with_attribute(version).build());
        Ok(Self {
            exporter,
            since: Time::now(),
        })
    }

    /// Sends the trace of each job that is over, for as long as jobs are. What does not arrive is not sent again.
    pub async fn follow(self, mut over: Receiver<Record>) {
        loop {
            match over.recv().await {
                Ok(record) => self.send(&record).await,
                Err(RecvError::Lagged(count)) => warn!(count, "traces are missed"),
                Err(RecvError::Closed) => return,
            }
        }
    }

    /// Sends the trace of a job that is over.
    async fn send(&self, record: &Record) {
        let Some(finished) = record.finished.filter(|&finished| finished >= self.since) else {
            return;
        };
        if let Err(error) = self.exporter.export(spans(record, finished)).await {
            warn!(job = %record.id, %error, "a trace is not sent");
        }
    }
}

/// The spans of a job that is over: itself, the time for which it waited, and its last attempt.
fn spans(record: &Record, finished: Time) -> Vec<SpanData> {
    let submitted = record.submitted;
    let begun = |name, from, to, parent, attributes| SpanData {
        span_context: SpanContext::new(
            TraceId::from_bytes(hash(record, "trace")),
            SpanId::from_bytes(hash(record, name)),
            TraceFlags::SAMPLED,
            false,
            TraceState::NONE,
        ),
        parent_span_id: parent,
        parent_span_is_remote: false,
        span_kind: SpanKind::Internal,
        name: name.into(),
        start_time: instant(from),
        end_time: instant(to),
        attributes,
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: InstrumentationScope::builder(env!("CARGO_PKG_NAME")).build(),
    };

    let mut job = begun("job", submitted, finished, SpanId::INVALID, about(record));
    job.span_kind = SpanKind::Server;
    job.events.events = record.causes.iter().map(event).collect();
    job.status = match (&record.state, record.causes.last()) {
        (State::Done { .. }, _) => Status::Ok,
        (State::Failed, Some(cause)) => Status::error(cause.message.clone()),
        _ => Status::Unset,
    };
    let parent = job.span_context.span_id();
    let attempt = record.started.map(|started| {
        let mut attempt = begun("attempt", started, finished, parent, resources(record));
        attempt.status = job.status.clone();
        attempt
    });
    // Of later attempts only the last one's beginning is known.
    let waited = match (record.started, record.attempts) {
        (None, _) => Some(finished),
        (started, 1) => started,
        _ => None,
    };
    let wait = waited.map(|until| begun("wait", submitted, until, parent, Vec::new()));
    [job].into_iter().chain(wait).chain(attempt).collect()
}

/// The first bytes of a hash of a job, its submission and a name.
fn hash<const BYTES: usize>(record: &Record, name: &str) -> [u8; BYTES] {
    let id = record.id.to_string();
    let submitted = record.submitted.0.to_le_bytes();
    Digest::of(&[id.as_bytes(), &submitted, name.as_bytes()]).first()
}

fn instant(time: Time) -> SystemTime {
    let since = Duration::from_millis(time.0);
    // A record may have any time, and not each system has one so late.
    SystemTime::UNIX_EPOCH
        .checked_add(since)
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

/// The attributes of a job.
fn about(record: &Record) -> Vec<KeyValue> {
    let OptionNames {
        set, hash, slices, ..
    } = record.options.into();
    vec![
        KeyValue::new("miden_cvm.job.id", record.id.to_string()),
        KeyValue::new("miden_cvm.job.state", record.state.name()),
        KeyValue::new("miden_cvm.job.priority", record.priority.name()),
        KeyValue::new("miden_cvm.job.attempts", i64::from(record.attempts)),
        KeyValue::new("miden_cvm.job.set", set),
        KeyValue::new("miden_cvm.job.hash", hash),
        KeyValue::new("miden_cvm.job.slices", i64::from(slices)),
    ]
}

/// The attributes of an attempt: its worker, and of the one that led to the result the resources that it took.
fn resources(record: &Record) -> Vec<KeyValue> {
    let worker = record.worker().map(str::to_owned);
    let worker = worker.map(|worker| KeyValue::new("miden_cvm.worker", worker));
    let count = |name, value| KeyValue::new(name, i64::try_from(value).unwrap_or(i64::MAX));
    let report = record.state.result().map(|result| &result.report);
    let resources = report.into_iter().flat_map(|report| {
        let counts = [
            count("miden_cvm.cycles", report.cycles),
            count("miden_cvm.rows", report.rows),
            count("miden_cvm.peak_memory_bytes", report.peak_memory),
            count("miden_cvm.proof_bytes", report.proof_bytes),
        ];
        let phases = report.phases.iter().map(|phase| {
            let name = format!("miden_cvm.phase.{}.seconds", phase.name);
            KeyValue::new(name, phase.seconds)
        });
        counts.into_iter().chain(phases)
    });
    worker.into_iter().chain(resources).collect()
}

/// The event of an attempt that failed.
fn event(cause: &Cause) -> Event {
    let attributes = vec![
        KeyValue::new("miden_cvm.cause", cause.kind.name()),
        KeyValue::new("miden_cvm.worker", cause.worker.clone()),
        KeyValue::new("exception.message", cause.message.clone()),
    ];
    Event::new("attempt failed", instant(cause.at), attributes, 0)
}
