//! The queue that several machines share: NATS, workers as processes of their own, and what is left when
//! one of them is killed.

use std::{path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use miden_cvm_service::{
    job::{Priority, Terms},
    jobs::JobsError,
    queue::{
        Queue, QueueError,
        nats::{Nats, Settings},
    },
    record::{CauseKind, Record, State},
    server::ServerOptions,
};
use tempfile::TempDir;

use super::host::{
    FIB, Host, LONG, Process, SERVICE, Setup, fast, free_port, is_running, job, limits, script,
    until_up, verified,
};

/// The program of NATS, if it is there.
pub fn nats_server() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
    let mut programs = folders.map(|folder| folder.join("nats-server"));
    let program = programs.find(|program| program.is_file());
    if program.is_none() {
        eprintln!("skipped: there is no `nats-server`");
    }
    program
}

/// A NATS server of a test.
struct Server {
    program: PathBuf,
    process: Process,
    port: String,
    folder: TempDir,
}

impl Server {
    /// Starts one, if there is the program.
    fn start() -> Option<Self> {
        let program = nats_server()?;
        let (port, folder) = (free_port(), tempfile::tempdir().expect("a folder"));
        let process = Self::process(&program, &port, &folder);
        Some(Self {
            program,
            process,
            port,
            folder,
        })
    }

    fn process(program: &PathBuf, port: &str, folder: &TempDir) -> Process {
        let folder = folder.path().to_str().expect("a path");
        Process::start(
            program,
            &["-a", "127.0.0.1", "-p", port, "-js", "-sd", folder],
        )
    }

    fn kill(&mut self) {
        self.process.kill();
    }

    fn start_again(&mut self) {
        self.process = Self::process(&self.program, &self.port, &self.folder);
    }

    fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    async fn queue(&self, capacity: usize) -> Arc<dyn Queue> {
        let settings = Settings {
            capacity,
            lease: Duration::from_secs(1),
        };
        Arc::new(
            Nats::connect(&self.url(), Some(settings))
                .await
                .expect("an engine"),
        )
    }

    async fn host(&self, setup: Setup) -> Host {
        let queue = self.queue(setup.capacity).await;
        Host::on(
            queue,
            Setup {
                workers: 0,
                ..setup
            },
            ServerOptions::default(),
        )
        .await
    }

    fn worker(&self) -> Process {
        Process::start(
            SERVICE,
            &["worker", "--nats", &self.url(), "--threads", "1"],
        )
    }
}

/// Waits until a job is over, also while the engine cannot be asked.
async fn until_over(host: &Host, record: &Record) -> Record {
    for _ in 0..1200 {
        match host.jobs.status(record.id).await {
            Ok(record) if record.state.is_over() => return record,
            Ok(_) | Err(JobsError::Queue(QueueError::Broken(_))) => {}
            Err(error) => panic!("{error}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the job is never over");
}

fn is_done(record: &Record) -> bool {
    matches!(record.state, State::Done { .. })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_worker_on_another_machine_loses_nothing() {
    let Some(server) = Server::start() else {
        return;
    };
    let host = server.host(Setup::default()).await;
    let mut doomed = server.worker();
    let record = host.submit(LONG).await;
    host.until(&record, is_running).await;
    doomed.kill();
    let heir = server.worker();
    let done = until_over(&host, &record).await;
    assert!(is_done(&done), "{done:?}");
    assert_eq!(
        (done.attempts, done.causes[0].kind),
        (2, CauseKind::WorkerLost)
    );
    let (_, statement, proof) = host.jobs.proof(record.id).await.expect("a proof");
    verified(&statement, &proof);

    // The same again is there, and something else is proven by the same worker.
    let proven = host.prove(FIB).await.expect("a proof");
    assert_eq!(proven.job.worker, done.state.worker().expect("a worker"));
    drop(heir);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_come_twice_and_a_full_queue() {
    let Some(server) = Server::start() else {
        return;
    };
    let host = server
        .host(Setup {
            capacity: 3,
            ..Setup::default()
        })
        .await;
    let first = host.submit(FIB).await;
    host.submit(FIB).await;
    host.jobs
        .queue()
        .push(first.id, Priority::High)
        .await
        .expect("a second message");
    host.submit("begin push.1 drop end").await;
    let terms = Terms {
        is_detached: true,
        ..Terms::default()
    };
    let full = host.jobs.submit(&job("begin push.2 drop end"), terms).await;
    assert_eq!(
        full.expect_err("no room"),
        JobsError::Queue(QueueError::Full)
    );
    assert_eq!(host.jobs.queue().ids().await.expect("names").len(), 2);
    let _workers = [server.worker(), server.worker()];
    let done = until_over(&host, &first).await;
    assert_eq!((is_done(&done), done.attempts), (true, 1), "{done:?}");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_nats_server_loses_nothing() {
    let Some(mut server) = Server::start() else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let mut host = server.host(Setup::default()).await;
    let slow = script(&folder, "slow", &format!("sleep 3\nexec {SERVICE} \"$@\""));
    host.work("patient", slow, limits());
    let record = host.submit(FIB).await;
    let waiting = host.submit("begin push.1 drop end").await;
    host.until(&record, is_running).await;
    server.kill();
    tokio::time::sleep(Duration::from_millis(500)).await;
    server.start_again();
    for record in [record, waiting] {
        let done = until_over(&host, &record).await;
        assert!(is_done(&done), "{done:?}");
    }
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_loses_nothing() {
    let Some(server) = Server::start() else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let (url, port) = (server.url(), free_port());
    let listen = format!("127.0.0.1:{port}");
    let arguments = [
        "serve",
        "--nats",
        &url,
        "--listen",
        &listen,
        "--workers",
        "0",
        "--lease",
        "1",
    ];
    let mut killed = Process::start(SERVICE, &arguments);
    let remote = until_up(&format!("http://{listen}")).await;
    // A worker with a queue of its own, as on another machine.
    let mut workers = server.host(Setup::default()).await;
    let slow = script(&folder, "slow", &format!("sleep 2\nexec {SERVICE} \"$@\""));
    workers.work("patient", slow, limits());
    let client = {
        let remote = remote.clone();
        tokio::spawn(async move {
            remote
                .prove(fast(), Bytes::from(FIB), Bytes::new(), |_| {})
                .await
        })
    };
    while workers.jobs.queue().ids().await.expect("names").is_empty() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    killed.kill();
    let lost = client.await.expect("an end").expect_err("no server");
    assert!(lost.is_unavailable(), "{lost}");
    let _again = Process::start(SERVICE, &arguments);
    until_up(&remote.url).await;
    let proven = remote
        .prove(fast(), Bytes::from(FIB), Bytes::new(), |_| {})
        .await;
    let proven = proven.expect("a proof");
    verified(&proven.statement, &proven.proof);
    assert_eq!(proven.job.attempts, 1);
    workers.stop().await;
}
