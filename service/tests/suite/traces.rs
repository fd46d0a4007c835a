//! Traces of jobs, and a collector that takes them.

use std::{
    collections::BTreeMap,
    process::{Command, Stdio},
    time::Duration,
};

use bytes::Bytes;
use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{Span, status::StatusCode},
};
use tokio::{
    net::TcpListener,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::timeout,
};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Server};

use super::host::{FIB, Process, SERVICE, fast, free_port, until_up};

const PATIENCE: Duration = Duration::from_secs(120);

/// Passes on what it is sent.
struct Collector(UnboundedSender<ExportTraceServiceRequest>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let sent = self.0.send(request.into_inner());
        sent.map_err(|_| Status::unavailable("the test is over"))?;
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

/// A collector, its address, and what it is sent.
async fn collector() -> (String, UnboundedReceiver<ExportTraceServiceRequest>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (sender, receiver) = unbounded_channel();
    let service = TraceServiceServer::new(Collector(sender));
    let serve = Server::builder()
        .add_service(service)
        .serve_with_incoming(TcpListenerStream::new(listener));
    tokio::spawn(async move { serve.await.expect("a collector") });
    (format!("http://{address}"), receiver)
}

/// A server with one worker that sends its traces there.
fn server(listen: &str, collector: &str) -> Process {
    let server = Command::new(SERVICE)
        .args(["serve", "--listen", listen, "--threads", "1"])
        .args(["--otlp", collector])
        .stderr(Stdio::null())
        .spawn();
    Process(server.expect("a process"))
}

/// The spans of the next trace by name, and the name of the service that sends it.
async fn next(
    sent: &mut UnboundedReceiver<ExportTraceServiceRequest>,
) -> (BTreeMap<String, Span>, String) {
    let request = timeout(PATIENCE, sent.recv()).await;
    let request = request.expect("a trace in time").expect("a trace");
    let [resource] = <[_; 1]>::try_from(request.resource_spans).expect("one resource");
    let service = resource.resource.expect("a resource").attributes;
    let scopes = resource.scope_spans.into_iter();
    let spans = scopes.flat_map(|scope| scope.spans);
    let spans = spans.map(|span| (span.name.clone(), span));
    (spans.collect(), text(&service, "service.name"))
}

fn value(attributes: &[KeyValue], key: &str) -> Value {
    let mut attributes = attributes.iter();
    let found = attributes.find(|attribute| attribute.key == key);
    let value = found.unwrap_or_else(|| panic!("there is no {key}"));
    let value = value.value.clone().and_then(|value| value.value);
    value.expect("a value")
}

fn text(attributes: &[KeyValue], key: &str) -> String {
    match value(attributes, key) {
        Value::StringValue(text) => text,
        other => panic!("{key} is {other:?}"),
    }
}

fn int(attributes: &[KeyValue], key: &str) -> i64 {
    match value(attributes, key) {
        Value::IntValue(int) => int,
        other => panic!("{key} is {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_are_over_are_traced() {
    let (url, mut sent) = collector().await;
    let listen = format!("127.0.0.1:{}", free_port());
    let _server = server(&listen, &url);
    let remote = until_up(&format!("http://{listen}")).await;

    let proven = remote.prove(fast(), Bytes::from(FIB), Bytes::new(), |_| {});
    let proven = timeout(PATIENCE, proven).await.expect("in time");
    proven.expect("a proof");
    let (spans, service) = next(&mut sent).await;
    assert_eq!(service, "miden-cvm-service");
    let names: Vec<&str> = spans.keys().map(String::as_str).collect();
    assert_eq!(names, ["attempt", "job", "wait"]);
    let (job, wait, attempt) = (&spans["job"], &spans["wait"], &spans["attempt"]);
    assert!(job.parent_span_id.is_empty());
    for span in [wait, attempt] {
        assert_eq!(span.parent_span_id, job.span_id);
        assert_eq!(span.trace_id, job.trace_id);
    }
    assert_eq!(wait.start_time_unix_nano, job.start_time_unix_nano);
    assert_eq!(wait.end_time_unix_nano, attempt.start_time_unix_nano);
    assert_eq!(attempt.end_time_unix_nano, job.end_time_unix_nano);
    assert!(attempt.start_time_unix_nano < attempt.end_time_unix_nano);
    assert_eq!(text(&job.attributes, "miden_cvm.job.state"), "done");
    assert_eq!(text(&job.attributes, "miden_cvm.job.set"), "Fast96");
    assert!(int(&attempt.attributes, "miden_cvm.cycles") > 3000);
    let prove = value(&attempt.attributes, "miden_cvm.phase.prove.seconds");
    assert!(matches!(prove, Value::DoubleValue(seconds) if seconds > 0.0));
    let status = job.status.as_ref().expect("a status");
    assert_eq!(status.code(), StatusCode::Ok);
    assert!(job.events.is_empty());

    let trap = Bytes::from("begin push.0 assert end");
    let failed = remote.prove(fast(), trap, Bytes::new(), |_| {});
    let failed = timeout(PATIENCE, failed).await.expect("in time");
    failed.expect_err("a trap");
    let (spans, _) = next(&mut sent).await;
    let failed = &spans["job"];
    assert_ne!(failed.trace_id, job.trace_id);
    assert_eq!(text(&failed.attributes, "miden_cvm.job.state"), "failed");
    let status = failed.status.as_ref().expect("a status");
    assert_eq!(status.code(), StatusCode::Error);
    let [event] = &failed.events[..] else {
        panic!("{:?}", failed.events);
    };
    assert_eq!(text(&event.attributes, "miden_cvm.cause"), "trap");
    assert_eq!(text(&event.attributes, "exception.message"), status.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_not_there_stops_nobody() {
    let listen = format!("127.0.0.1:{}", free_port());
    let _server = server(&listen, &format!("http://127.0.0.1:{}", free_port()));
    let remote = until_up(&format!("http://{listen}")).await;
    for source in [FIB, "begin push.1 drop end"] {
        let proven = remote.prove(fast(), Bytes::from(source), Bytes::new(), |_| {});
        let proven = timeout(PATIENCE, proven).await.expect("in time");
        proven.expect("a proof");
    }
}

#[test]
fn what_is_no_address_is_refused_at_once() {
    for wrong in [
        "no address",
        "",
        "http://",
        "localhost:4317",
        "ftp://localhost:4317",
    ] {
        let server = Command::new(SERVICE)
            .args(["serve", "--listen", "127.0.0.1:0", "--otlp", wrong])
            .output();
        let output = server.expect("a process");
        assert_eq!(output.status.code(), Some(1), "{wrong}");
        let error = String::from_utf8(output.stderr).expect("a text");
        assert!(
            error.starts_with(&format!("error: traces cannot be sent to `{wrong}`")),
            "{error}"
        );
    }
}
