//! The queue that several machines share: NATS, workers as processes of their own, and what is left when
//! one of them is killed.

use std::{path::PathBuf, process::Command, sync::Arc, time::Duration};

use async_nats::jetstream::{self, Context};
use bytes::Bytes;
use miden_cvm::Proof;
use miden_cvm_service::{
    job::{Item, Priority, Terms},
    jobs::JobsError,
    queue::{
        Queue, QueueError,
        nats::{Nats, Settings},
    },
    record::{CauseKind, PartState, Record, State},
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

/// The lease of an item: long enough for who has it to be heard of in time, also where other programs have the
/// processors.
const LEASE: Duration = Duration::from_secs(4);

/// A NATS server of a test.
pub struct Server {
    program: PathBuf,
    process: Process,
    port: String,
    folder: TempDir,
}

impl Server {
    /// Starts one, if there is the program.
    pub fn start() -> Option<Self> {
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

    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    async fn queue(&self, capacity: usize) -> Arc<dyn Queue> {
        let settings = Settings {
            capacity,
            lease: LEASE,
        };
        Arc::new(
            Nats::connect(&self.url(), Some(settings), Duration::from_secs(30))
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

    /// A server of the service that has no workers of its own.
    fn serve(&self, listen: &str) -> Process {
        let (url, lease) = (self.url(), LEASE.as_secs().to_string());
        let arguments = ["serve", "--nats", &url, "--listen", listen];
        Process::start(
            SERVICE,
            &[&arguments[..], &["--workers", "0", "--lease", &lease]].concat(),
        )
    }

    pub fn worker(&self) -> Process {
        Process::start(
            SERVICE,
            &["worker", "--nats", &self.url(), "--threads", "1"],
        )
    }
}

/// Waits until a job is over, also while the engine cannot be asked.
async fn until_over(host: &Host, record: &Record) -> Record {
    for _ in 0..3000 {
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
        .push(Item::first(first.id, first.options), Priority::High)
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
    let listen = format!("127.0.0.1:{}", free_port());
    let mut killed = server.serve(&listen);
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
    let _again = server.serve(&listen);
    until_up(&remote.url).await;
    let proven = remote
        .prove(fast(), Bytes::from(FIB), Bytes::new(), |_| {})
        .await;
    let proven = proven.expect("a proof");
    verified(&proven.statement, &proven.proof);
    assert_eq!(proven.job.attempts, 1);
    workers.stop().await;
}

/// A program that takes some ten thousand cycles.
const MIDDLE: &str = "begin push.2000 dup neq.0 while.true sub.1 dup neq.0 end drop end";

/// The number of the part that a worker with this process has.
fn part_of(record: &Record, process: &Process) -> Option<u8> {
    let worker = format!("-{}-1", process.0.id());
    let parts = record.slices.as_ref()?.parts.iter();
    let mut parts = (0..).zip(parts);
    let found = parts.find(
        |(_, part)| matches!(&part.state, PartState::Held { worker: of } if of.ends_with(&worker)),
    );
    found.map(|(number, _)| number)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_proven_by_several_processes_of_which_one_is_killed() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut host = server.host(Setup::default()).await;
    host.coordinate("coordinator");
    let mut workers = [server.worker(), server.worker()];
    let record = host.submit_in_slices(MIDDLE, 2).await;
    let is_shared = |record: &Record| {
        let mut workers = workers.iter();
        workers.all(|worker| part_of(record, worker).is_some())
    };
    let shared = host.until(&record, is_shared).await;
    let lost = part_of(&shared, &workers[0]).expect("a part");
    workers[0].kill();
    let _heir = server.worker();
    let done = until_over(&host, &record).await;
    assert!(is_done(&done), "{done:?}");
    assert_eq!((done.attempts, done.causes.len()), (1, 0), "{done:?}");
    let part = done.part(lost).expect("a part");
    assert_eq!(part.causes[0].kind, CauseKind::WorkerLost);
    let (_, statement, proof) = host.jobs.proof(record.id).await.expect("a proof");
    verified(&statement, &proof);
    assert_eq!(Proof::from_bytes(&proof).expect("a proof").groups(), 2);
    host.stop().await;
}

/// The server that asks the workers is killed: another one goes on with what was answered.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_loses_no_answer_of_a_part() {
    let Some(server) = Server::start() else {
        return;
    };
    let listen = format!("127.0.0.1:{}", free_port());
    let mut killed = server.serve(&listen);
    until_up(&format!("http://{listen}")).await;
    // It has no coordinator, and only looks on.
    let host = server.host(Setup::default()).await;
    let _workers = [server.worker(), server.worker()];
    let record = host.submit_in_slices(MIDDLE, 2).await;
    let has_answer = |record: &Record| {
        let parts = record.slices.iter().flat_map(|slices| &slices.parts);
        parts.map(|part| part.answers.len()).max() > Some(0)
    };
    host.until(&record, has_answer).await;
    killed.kill();
    let _again = server.serve(&listen);
    let done = until_over(&host, &record).await;
    assert!(is_done(&done), "{done:?}");
    assert_eq!(
        (done.attempts, done.causes[0].kind),
        (2, CauseKind::WorkerLost)
    );
    for part in &done.slices.as_ref().expect("parts").parts {
        assert_eq!((part.answers.len(), part.causes.len()), (6, 0), "{part:?}");
    }
    let (_, statement, proof) = host.jobs.proof(record.id).await.expect("a proof");
    verified(&statement, &proof);
    host.stop().await;
}

/// Who writes to NATS past the service.
struct Intruder(Context);

impl Intruder {
    async fn new(server: &Server) -> Self {
        let client = async_nats::connect(server.url()).await.expect("a client");
        Self(jetstream::new(client))
    }

    /// Puts a message into the stream of jobs.
    async fn send(&self, priority: Priority, payload: impl Into<Bytes>) {
        let subject = format!("miden-cvm.jobs.{}", priority.name());
        let sent = self.0.publish(subject, payload.into()).await;
        sent.expect("to send").await.expect("a message");
    }

    /// Writes an entry of a bucket.
    async fn write(&self, bucket: &str, key: impl Into<String>, value: impl Into<Bytes>) {
        let store = self.0.get_key_value(bucket).await.expect("a bucket");
        let key: String = key.into();
        store.put(key, value.into()).await.expect("an entry");
    }

    /// Replaces an object; without its pieces if there are to be none.
    async fn replace(&self, name: String, bytes: &[u8], has_pieces: bool) {
        let objects = self.0.get_object_store("miden-cvm-objects").await;
        let objects = objects.expect("objects");
        let info = objects.put(name.as_str(), &mut &*bytes).await;
        if !has_pieces {
            let pieces = format!("$O.miden-cvm-objects.C.{}", info.expect("an object").nuid);
            let stream = self.0.get_stream("OBJ_miden-cvm-objects").await;
            let stream = stream.expect("a stream");
            stream.purge().filter(pieces).await.expect("to purge");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_write_to_nats_stops_neither_server_nor_worker() {
    let Some(server) = Server::start() else {
        return;
    };
    let host = server.host(Setup::default()).await;
    let intruder = Intruder::new(&server).await;
    let done = host.submit("begin push.1 drop end").await;
    let worker = server.worker();
    let done = until_over(&host, &done).await;
    assert!(is_done(&done), "{done:?}");
    drop(worker);

    // Messages that name no job, one that there is not, and one that is over.
    let unknown = "0".repeat(64);
    let over = done.id.to_string();
    let texts = [&unknown, &over, &over.to_uppercase(), "", "\0", "../../.."];
    for text in texts {
        intruder.send(Priority::High, text.to_owned()).await;
        intruder.send(Priority::Low, text.to_owned()).await;
    }
    intruder.send(Priority::High, vec![0xff; 1 << 19]).await;
    for _ in 0..20 {
        intruder.send(Priority::High, over.clone()).await;
    }
    // Records that are none, and one under another job's name.
    let json = serde_json::to_string(&done).expect("JSON");
    let nested = "[".repeat(1 << 16);
    let negative = json.replace("\"attempts\":1", "\"attempts\":-1");
    let records = [&json, &nested, &negative, "", "null", "{}", &json[..100]];
    for (number, record) in records.into_iter().enumerate() {
        let id = format!("{number:064x}");
        intruder
            .write("miden-cvm-records", &id, record.to_owned())
            .await;
        intruder.send(Priority::High, id).await;
    }
    intruder
        .write("miden-cvm-records", "no-job", "no record")
        .await;
    for status in ["", "{}", "\"worker\""] {
        intruder.write("miden-cvm-workers", "nobody", status).await;
    }
    // Jobs whose objects are others, shorter than they say, or not there.
    let terms = Terms {
        is_detached: true,
        ..Terms::default()
    };
    let mut bad = Vec::new();
    for number in 0..3 {
        let job = job(&format!("begin push.{number} push.7 drop drop end"));
        bad.push(host.jobs.submit(&job, terms).await.expect("a job"));
    }
    let target = |record: &Record| record.target.to_string();
    intruder
        .replace(target(&bad[0]), &vec![7; 1 << 20], true)
        .await;
    intruder.replace(target(&bad[1]), &[7; 100], false).await;
    let other = host.jobs.queue().get(done.target).await.expect("a target");
    intruder.replace(target(&bad[2]), &other, true).await;

    let worker = server.worker();
    let good = host.submit(FIB).await;
    let good = until_over(&host, &good).await;
    assert!(is_done(&good), "{good:?}");
    for record in &bad {
        let failed = until_over(&host, record).await;
        assert_eq!(failed.state, State::Failed);
        let causes = failed.causes.iter();
        assert!(
            causes
                .clone()
                .all(|cause| cause.kind == CauseKind::Storage
                    && cause.message.contains(&target(record))),
            "{failed:?}"
        );
    }
    // The job that is over was not run again, and the server knows both.
    let again = host.jobs.status(done.id).await.expect("a job");
    assert_eq!(again, done);
    host.jobs.recover().await.expect("what is there");
    let told = host.get("/v1/workers").await;
    assert_eq!(told.status, 200, "{}", told.text());
    assert_eq!(host.get("/v1/jobs").await.status, 200);
    let wrong = host.get(&format!("/v1/jobs/{:064x}", 1)).await;
    assert_eq!(wrong.status, 500, "{}", wrong.text());
    drop(worker);
    host.stop().await;
}

#[test]
fn a_nats_server_that_is_not_there_is_not_waited_for_without_end() {
    let port = free_port();
    let absent = format!("nats://127.0.0.1:{port}");
    let cases = [
        (&*absent, "there is no NATS server at"),
        ("nats://nowhere.invalid", "there is no NATS server at"),
        ("nats://", "not the address of a NATS server"),
        ("http://127.0.0.1", "not the address of a NATS server"),
        ("a b", "not the address of a NATS server"),
    ];
    for (url, told) in cases {
        for command in ["serve", "worker"] {
            let output = Command::new(SERVICE)
                .args([command, "--nats", url, "--nats-wait", "1"])
                .output()
                .expect("a process");
            let text = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{command} {url}: {text}");
            assert!(text.contains(told), "{command} {url}: {text}");
        }
    }
    // A server without JetStream keeps no jobs.
    let Some(program) = nats_server() else {
        return;
    };
    let _plain = Process::start(program, &["-a", "127.0.0.1", "-p", &port.to_string()]);
    let output = Command::new(SERVICE)
        .args(["serve", "--nats", &absent, "--nats-wait", "10"])
        .output()
        .expect("a process");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("has to have JetStream"), "{text}");
}
