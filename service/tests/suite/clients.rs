//! The service as clients see it.

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use miden_cvm_service::{
    client::{ClientError, Remote},
    job::Terms,
    jobs::{Made, Rules},
    pb::{
        self, job_part,
        remote::{
            ProofRequest, ProofType, api_client::ApiClient,
            proxy_status_api_client::ProxyStatusApiClient,
        },
    },
    record::{Report, State},
    server::ServerOptions,
};
use serde_json::json;
use tonic::{Code, transport::Channel};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use super::host::{FIB, Form, Host, Setup, fast, job, options, verified};

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_proven_verified_and_fetched() {
    let host = Host::start(Setup::default()).await;
    let proven = host.prove(FIB).await.expect("a proof");
    verified(&proven.statement, &proven.proof);
    assert_eq!(proven.job.state(), pb::State::Done);
    let report = proven.job.report.expect("a report");
    assert!(report.cycles > 3000 && report.rows > 4096, "{report:?}");
    assert_eq!(report.proof_bytes, proven.proof.len() as u64);
    assert!(report.peak_memory > 1 << 20, "{report:?}");

    // The same job again is there already, and its proof can be fetched by name.
    let again = host.prove(FIB).await.expect("a proof");
    assert_eq!(
        (again.job, &again.proof),
        (proven.job.clone(), &proven.proof)
    );
    let mut client = host.remote().connect().await.expect("a client");
    let id = pb::JobId {
        id: proven.job.id.clone(),
    };
    let mut parts = client.fetch(id.clone()).await.expect("parts").into_inner();
    let mut fetched = Vec::new();
    while let Some(part) = parts.next().await {
        if let Some(pb::proof_part::Part::Proof(bytes)) = part.expect("a part").part {
            fetched.extend(bytes);
        }
    }
    assert_eq!(fetched, proven.proof);
    let status = client.status(id).await.expect("a status").into_inner();
    assert_eq!((status.state(), status.attempts), (pb::State::Done, 1));
    host.stop().await;
}

/// Neither a job nor its result has to fit into a message, which has at most 4 MiB if nothing else is said.
#[tokio::test(flavor = "multi_thread")]
async fn jobs_and_results_are_longer_than_a_message() {
    const LENGTH: usize = 5 << 20;
    let host = Host::start(Setup::default()).await;
    let comments = "# nothing\n".repeat(LENGTH / 10);
    let proven = host.prove(&(comments + FIB)).await.expect("a proof");
    verified(&proven.statement, &proven.proof);
    // The same run with other options, whose statement has spaces behind it.
    host.kill(1);
    let record = host.submit(FIB).await;
    assert_ne!(record.id.to_string(), proven.job.id);
    let begun = host.jobs.begin(record.id, false, "padding").await;
    begun.expect("an engine").expect("the job");
    let mut statement = proven.statement;
    statement.resize(LENGTH, b' ');
    let made = Made {
        statement: statement.clone().into(),
        proof: proven.proof.into(),
        report: Report::default(),
    };
    let delivered = host.jobs.deliver(record.id, "padding", &made).await;
    delivered.expect("an engine");
    let done = host.until_over(&record).await;
    assert!(matches!(done.state, State::Done { .. }), "{done:?}");
    let mut client = host.remote().connect().await.expect("a client");
    let id = pb::JobId {
        id: record.id.to_string(),
    };
    let mut parts = client.fetch(id).await.expect("parts").into_inner();
    let mut fetched = Vec::new();
    while let Some(part) = parts.next().await {
        if let Some(pb::proof_part::Part::Statement(bytes)) = part.expect("a part").part {
            fetched.extend(bytes);
        }
    }
    assert_eq!(fetched.len(), LENGTH);
    assert!(fetched == statement);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_is_enough() {
    let host = Host::start(Setup::default()).await;
    let options =
        json!({ "set": "Fast96", "priority": "high", "deadline_seconds": 100 }).to_string();
    let inputs = br#"{ "operand_stack": ["1", "1"] }"#;
    let parts = [
        ("target", FIB.as_bytes()),
        ("inputs", &inputs[..]),
        ("options", options.as_bytes()),
    ];
    let answer = host.form("/v1/prove", &parts).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let record = answer.json();
    assert_eq!(
        (&record["state"]["is"], &record["priority"]),
        (&json!("done"), &json!("high"))
    );
    let id = record["id"].as_str().expect("a name");
    let statement = host.get(&format!("/v1/jobs/{id}/statement")).await;
    let proof = host.get(&format!("/v1/jobs/{id}/proof")).await;
    verified(&statement.body, &proof.body);
    assert_eq!(host.get(&format!("/v1/jobs/{id}")).await.json(), record);

    // Submitted with another deadline, it is the same job.
    let again = host.form("/v1/jobs", &parts[..2]).await;
    assert_eq!(again.status, 202);
    assert_ne!(again.json()["id"], record["id"], "the options are others");
    let listed = host.get("/v1/jobs").await.json();
    assert_eq!(listed.as_array().map(Vec::len), Some(2));

    let workers = host.get("/v1/workers").await.json();
    assert_eq!(workers[0]["worker"]["name"], "worker-0");
    assert_eq!(workers[0]["is_healthy"], true);
    let figures = host.get("/metrics").await.text();
    for line in [
        "miden_cvm_jobs{kind=\"done\"} ",
        "miden_cvm_queue_wait_seconds_count ",
        "miden_cvm_phase_seconds_count{kind=\"prove\"} ",
        "miden_cvm_peak_memory_bytes_count ",
        "miden_cvm_workers{kind=\"healthy\"} 1",
    ] {
        assert!(figures.contains(line), "no {line} in\n{figures}");
    }
    let page = host.get("/").await;
    assert_eq!(page.status, 200);
    assert!(
        page.text()
            .contains("<title>Miden CVM: prover service</title>")
    );
    assert_eq!(host.get("/health").await.text(), "ok\n");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_submitted_by_many_is_proven_once() {
    const CLIENTS: usize = 1000;
    const AT_ONCE: usize = 50;
    let host = Host::start(Setup::default()).await;
    let parts = [
        ("target", FIB.as_bytes()),
        ("options", &br#"{ "set": "Fast96" }"#[..]),
    ];
    let answers = (0..CLIENTS).map(|_| host.form("/v1/jobs", &parts));
    let answers: Vec<_> = stream::iter(answers)
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let first = answers[0].json()["id"].clone();
    assert!(
        answers
            .iter()
            .all(|answer| answer.status == 202 && answer.json()["id"] == first)
    );
    let proven = host.prove(FIB).await.expect("a proof");
    assert_eq!((json!(proven.job.id), proven.job.attempts), (first, 1));
    let figures = host.get("/metrics").await.text();
    assert!(
        figures.contains("miden_cvm_jobs_over_total{kind=\"done\"} 1\n"),
        "{figures}"
    );
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_says_so() {
    let host = Host::start(Setup {
        capacity: 2,
        workers: 0,
        ..Setup::default()
    })
    .await;
    let first = host.submit("begin push.1 drop end").await;
    host.submit("begin push.2 drop end").await;
    let full = host
        .prove("begin push.3 drop end")
        .await
        .expect_err("no room");
    assert!(
        matches!(&full, ClientError::Unavailable(reason) if reason.contains("full")),
        "{full}"
    );
    assert!(full.is_unavailable());
    let answer = host
        .form("/v1/jobs", &[("target", b"begin push.3 drop end")])
        .await;
    assert_eq!(
        (answer.status, answer.json()["reason"].as_str()),
        (429, Some("full"))
    );
    assert!(answer.head.contains("retry-after: "), "{}", answer.head);
    // What was refused is not there, and what is there can still be asked for.
    assert_eq!(host.jobs.queue().ids().await.expect("names").len(), 2);
    assert_eq!(host.submit("begin push.1 drop end").await.id, first.id);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_shows_the_token_is_served() {
    let host = Host::start(Setup {
        token: Some("secret"),
        ..Setup::default()
    })
    .await;
    host.prove("begin push.1 drop end").await.expect("a proof");
    for token in [None, Some("other"), Some("secret "), Some("")] {
        let remote = Remote {
            token: token.map(str::to_owned),
            ..host.remote()
        };
        let source = Bytes::from("begin push.1 drop end");
        let refused = remote.prove(fast(), source, Bytes::new(), |_| {}).await;
        let refused = refused.expect_err("no token");
        assert!(
            matches!(&refused, ClientError::Refused(reason) if reason.contains("token")),
            "{refused}"
        );
    }
    let stranger = host.without_token();
    for path in ["/v1/jobs", "/metrics", "/v1/workers", "/nothing"] {
        assert_eq!(stranger.get(path).await.status, 401, "{path}");
    }
    let answer = stranger
        .form("/v1/jobs", &[("target", FIB.as_bytes())])
        .await;
    assert_eq!(answer.status, 401);
    for path in ["/", "/health"] {
        assert_eq!(stranger.get(path).await.status, 200, "{path}");
    }
    assert!(is_well(&host.remote().url).await);
    host.stop().await;
}

/// Returns `true` if the service says by gRPC that it is well.
async fn is_well(url: &str) -> bool {
    let channel = Channel::from_shared(url.to_owned()).expect("an address");
    let mut health = HealthClient::new(channel.connect().await.expect("a connection"));
    let request = HealthCheckRequest {
        service: "miden_cvm.service.v1.Prover".into(),
    };
    let answer = health.check(request).await.expect("an answer").into_inner();
    answer.status() == ServingStatus::Serving
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_refused() {
    let rules = Rules {
        max_job_bytes: 10_000,
        max_cycles: 10_000,
        ..Rules::default()
    };
    let host = Host::start(Setup {
        rules,
        workers: 0,
        ..Setup::default()
    })
    .await;
    let large = format!("begin push.1 drop end #{}", "x".repeat(300_000));
    let refused = host.prove(&large).await.expect_err("too large");
    assert!(
        matches!(&refused, ClientError::Refused(reason) if reason.contains("10000 bytes")),
        "{refused}"
    );
    let answer = host.form("/v1/jobs", &[("target", large.as_bytes())]).await;
    assert_eq!(
        (answer.status, answer.json()["reason"].as_str()),
        (413, Some("too-large"))
    );
    // A program of the right size that wants to run for too long.
    let wishes = br#"{ "max_cycles": 10001 }"#;
    let parts = [("target", FIB.as_bytes()), ("options", &wishes[..])];
    let answer = host.form("/v1/jobs", &parts).await;
    assert_eq!(
        (answer.status, answer.json()["reason"].as_str()),
        (422, Some("cycles"))
    );
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_are_refused() {
    let host = Host::without_workers().await;
    const PROGRAM: &[u8] = b"begin push.1 drop end";
    let forms: [(u16, Form<'static>); 8] = [
        (400, &[]),
        (400, &[("inputs", b"{}")]),
        (400, &[("target", PROGRAM), ("target", PROGRAM)]),
        (400, &[("target", PROGRAM), ("other", b"")]),
        (400, &[("target", PROGRAM), ("options", b"[")]),
        (
            400,
            &[("target", PROGRAM), ("options", br#"{ "set": "Slow" }"#)],
        ),
        (422, &[("target", b"begin nothing end")]),
        (422, &[("target", PROGRAM), ("inputs", b"[1]")]),
    ];
    for (status, form) in forms {
        let answer = host.form("/v1/jobs", form).await;
        assert_eq!(answer.status, status, "{}", answer.text());
        assert!(answer.json()["error"].is_string());
    }
    let answer = host
        .http("POST", "/v1/jobs", "text/plain", b"begin end")
        .await;
    assert_eq!(answer.status, 400);
    for path in ["/v1/jobs/1", "/v1/jobs/1/proof"] {
        assert_eq!(host.get(path).await.status, 400, "{path}");
    }
    let unknown = "0".repeat(64);
    for path in [
        format!("/v1/jobs/{unknown}"),
        format!("/v1/jobs/{unknown}/proof"),
        "/v2".into(),
    ] {
        assert_eq!(host.get(&path).await.status, 404, "{path}");
    }

    let mut client = host.remote().connect().await.expect("a client");
    let part = |part| pb::JobPart { part: Some(part) };
    let terms = || part(job_part::Part::Terms(fast()));
    let target = |bytes: &'static [u8]| part(job_part::Part::Target(bytes.into()));
    let slow = pb::Terms {
        hash: "md5".into(),
        ..fast()
    };
    for parts in [
        vec![],
        vec![pb::JobPart { part: None }],
        vec![target(PROGRAM)],
        vec![terms(), terms(), target(PROGRAM)],
        vec![terms()],
        vec![terms(), target(b"MASP\0")],
        vec![part(job_part::Part::Terms(slow)), target(PROGRAM)],
    ] {
        let refused = client
            .submit(stream::iter(parts))
            .await
            .expect_err("no job");
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    }
    let named = |id: &str| pb::JobId { id: id.into() };
    let refused = client.status(named("x")).await.expect_err("no name");
    assert_eq!(refused.code(), Code::InvalidArgument);
    let refused = client.fetch(named(&unknown)).await.expect_err("no job");
    assert_eq!(refused.code(), Code::NotFound);
    let waiting = host.submit("begin push.1 drop end").await;
    let refused = client
        .fetch(named(&waiting.id.to_string()))
        .await
        .expect_err("no proof");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_the_published_schema_are_answered() {
    let host = Host::start(Setup::default()).await;
    host.prove("begin push.1 drop end").await.expect("a proof");
    let channel = Channel::from_shared(host.remote().url).expect("an address");
    let channel = channel.connect().await.expect("a connection");
    let status = ProxyStatusApiClient::new(channel.clone()).status(()).await;
    let status = status.expect("a status").into_inner();
    assert_eq!(status.workers[0].address, "worker-0");
    let request = ProofRequest {
        proof_type: ProofType::Transaction.into(),
        payload: Bytes::new(),
    };
    let refused = ApiClient::new(channel)
        .prove(request)
        .await
        .expect_err("no transaction");
    assert_eq!(refused.code(), Code::Unimplemented);
    assert!(refused.message().contains("TRANSACTION"), "{refused}");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_says_so_and_loses_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let setup = || Setup {
        folder: Some(folder.path().into()),
        ..Setup::default()
    };
    let host = Host::start(Setup {
        workers: 0,
        ..setup()
    })
    .await;
    let record = host.submit(FIB).await;
    let waits = {
        let remote = host.remote();
        tokio::spawn(async move {
            let source = Bytes::from(FIB);
            remote.prove(fast(), source, Bytes::new(), |_| {}).await
        })
    };
    host.until(&record, |_| true).await;
    host.stop().await;
    let stopped = waits.await.expect("an end").expect_err("no proof");
    assert!(stopped.is_unavailable(), "{stopped}");

    // The next one goes on with it.
    let host = Host::start(setup()).await;
    let done = host.until_over(&record).await;
    assert!(matches!(done.state, State::Done { .. }), "{done:?}");
    let (_, statement, proof) = host.jobs.proof(record.id).await.expect("a proof");
    verified(&statement, &proof);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_spoken() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let queue = miden_cvm_service::queue::embedded::Embedded::open(
        None,
        10,
        std::time::Duration::from_secs(5),
    );
    let options = ServerOptions {
        tls: Some(tonic::transport::Identity::from_pem(&certificate, key)),
        ..ServerOptions::default()
    };
    let queue = std::sync::Arc::new(queue.expect("an engine"));
    let host = Host::on(queue, Setup::default(), options).await;
    let remote = |authority: Option<&str>| Remote {
        url: format!("https://localhost:{}", host.address.port()),
        token: None,
        authority: authority.map(|pem| pem.as_bytes().into()),
    };
    let source = || Bytes::from("begin push.1 drop end");
    let proven = remote(Some(&certificate))
        .prove(fast(), source(), Bytes::new(), |_| {})
        .await;
    let proven = proven.expect("a proof");
    verified(&proven.statement, &proven.proof);
    // A certificate that nobody signed is not trusted, and neither is a connection without TLS.
    let refused = remote(None)
        .prove(fast(), source(), Bytes::new(), |_| {})
        .await;
    assert!(refused.expect_err("no trust").is_unavailable());
    assert!(host.prove("begin push.1 drop end").await.is_err());
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_jobs_have_one_name_for_all_clients() {
    let host = Host::without_workers().await;
    let job = job(FIB);
    let terms = Terms {
        is_detached: true,
        ..Terms::default()
    };
    let record = host.jobs.submit(&job, terms).await.expect("a job");
    let wishes = serde_json::to_vec(&options()).expect("JSON");
    let parts = [
        ("target", &job.target[..]),
        ("inputs", b"{}"),
        ("options", &wishes[..]),
    ];
    let answer = host.form("/v1/jobs", &parts).await;
    assert_eq!(answer.json()["id"], json!(record.id), "{}", answer.text());
    host.stop().await;
}
