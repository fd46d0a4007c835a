//! A service in the process of the test, and clients of it.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use miden_cvm::{Expectations, MinSecurity, Statement, verify};
use miden_cvm_service::{
    child::ProcessLimits,
    client::{ClientError, Received, Remote},
    job::{Duty, Job, OptionNames, Terms},
    jobs::{Jobs, Rules},
    owned::Owned,
    pb,
    queue::{Queue, embedded::Embedded},
    record::{Record, State},
    server::{ServerOptions, Service, serve},
    worker::Worker,
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
    time::timeout,
};

/// The program of the service.
pub const SERVICE: &str = env!("CARGO_BIN_EXE_miden-cvm-service");

/// A program that takes some thousand cycles.
pub const FIB: &str = "begin repeat.1000 swap dup.1 add end swap drop end";

/// A program that takes some hundred thousand.
pub const LONG: &str = "begin push.20000 dup neq.0 while.true sub.1 dup neq.0 end drop end";

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// The settings of a service.
pub struct Setup {
    pub rules: Rules,
    pub capacity: usize,
    pub lease: Duration,
    pub folder: Option<PathBuf>,
    pub token: Option<&'static str>,
    pub workers: usize,
    pub owned: Owned,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            rules: Rules::default(),
            capacity: 100,
            lease: Duration::from_secs(5),
            folder: None,
            token: None,
            workers: 1,
            owned: Owned::default(),
        }
    }
}

/// A service that runs.
pub struct Host {
    pub address: SocketAddr,
    pub jobs: Jobs,
    token: Option<&'static str>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Host {
    /// A service whose jobs wait until a test gives it workers.
    pub async fn without_workers() -> Self {
        Self::start(Setup {
            workers: 0,
            ..Setup::default()
        })
        .await
    }

    pub async fn start(setup: Setup) -> Self {
        let queue = Embedded::open(setup.folder.as_deref(), setup.capacity, setup.lease);
        Self::on(
            Arc::new(queue.expect("an engine")),
            setup,
            ServerOptions::default(),
        )
        .await
    }

    /// A service on an engine.
    pub async fn on(queue: Arc<dyn Queue>, setup: Setup, options: ServerOptions) -> Self {
        let jobs = Jobs::new(queue, setup.rules);
        jobs.recover().await.expect("what was left");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = watch::channel(false);
        let service = Service::new(jobs.clone(), setup.owned, stopped);
        let options = ServerOptions {
            token: setup.token.map(str::to_owned),
            ..options
        };
        let server = tokio::spawn(async move {
            serve(service, listener, options).await.expect("a server");
        });
        let mut host = Self {
            address,
            jobs,
            token: setup.token,
            stop,
            tasks: vec![server],
        };
        for number in 0..setup.workers {
            host.work(&format!("worker-{number}"), SERVICE, limits());
        }
        host
    }

    /// Adds a worker, and returns its place among the tasks.
    pub fn work(
        &mut self,
        name: &str,
        executable: impl AsRef<Path>,
        limits: ProcessLimits,
    ) -> usize {
        self.take_on(name, Duty::Prove, executable.as_ref(), limits)
    }

    /// Adds a coordinator, and returns its place among the tasks.
    pub fn coordinate(&mut self, name: &str) -> usize {
        self.coordinate_within(name, limits())
    }

    /// Adds a coordinator whose jobs have these limits.
    pub fn coordinate_within(&mut self, name: &str, limits: ProcessLimits) -> usize {
        self.take_on(name, Duty::Coordinate, SERVICE.as_ref(), limits)
    }

    fn take_on(
        &mut self,
        name: &str,
        duty: Duty,
        executable: &Path,
        limits: ProcessLimits,
    ) -> usize {
        let worker = Worker {
            jobs: self.jobs.clone(),
            name: name.into(),
            duty,
            executable: executable.into(),
            limits,
            grace: Duration::ZERO,
        };
        self.tasks
            .push(tokio::spawn(worker.run(self.stop.subscribe())));
        self.tasks.len() - 1
    }

    /// Ends a worker as if its machine were gone.
    pub fn kill(&self, task: usize) {
        self.tasks[task].abort();
    }

    /// Tells server and workers to stop, and waits until they have.
    pub async fn stop(self) {
        self.stop.send(true).expect("somebody who listens");
        for task in self.tasks {
            timeout(PATIENCE, task).await.expect("an end").ok();
        }
    }

    pub fn remote(&self) -> Remote {
        Remote {
            url: format!("http://{}", self.address),
            token: self.token.map(str::to_owned),
            authority: None,
        }
    }

    /// Has a program proven by gRPC.
    pub async fn prove(&self, source: &str) -> Result<Received, ClientError> {
        let source = Bytes::from(source.to_owned());
        let remote = self.remote();
        let proven = remote.prove(fast(), source, Bytes::new(), |_| {});
        let proven = timeout(PATIENCE, Box::pin(proven)).await;
        proven.expect("an answer")
    }

    /// Submits a program without a client that waits.
    pub async fn submit(&self, source: &str) -> Record {
        let job = job(source);
        let terms = Terms {
            is_detached: true,
            ..Terms::default()
        };
        self.jobs.submit(&job, terms).await.expect("a job")
    }

    /// Submits a program for so many workers together.
    pub async fn submit_in_slices(&self, source: &str, slices: u8) -> Record {
        let terms = Terms {
            is_detached: true,
            ..Terms::default()
        };
        let job = job_in_slices(source, slices);
        self.jobs.submit(&job, terms).await.expect("a job")
    }

    /// Waits until a job is as it should be.
    pub async fn until(&self, record: &Record, is_so: impl Fn(&Record) -> bool) -> Record {
        let wait = async {
            let mut record = self.jobs.status(record.id).await.expect("a job");
            while !is_so(&record) {
                record = self.jobs.changed(&record).await.expect("a job");
            }
            record
        };
        timeout(PATIENCE, wait)
            .await
            .expect("that it is so in time")
    }

    /// Waits until a job is over.
    pub async fn until_over(&self, record: &Record) -> Record {
        self.until(record, |record| record.state.is_over()).await
    }

    /// A client that has no token.
    pub fn without_token(&self) -> Client {
        Client {
            address: self.address,
            token: None,
        }
    }

    fn client(&self) -> Client {
        Client {
            address: self.address,
            token: self.token,
        }
    }

    pub async fn http(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> Answer {
        self.client().http(method, path, kind, body).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.client().get(path).await
    }

    pub async fn form(&self, path: &str, parts: Form<'_>) -> Answer {
        self.client().form(path, parts).await
    }
}

/// The parts of a form, by name.
pub type Form<'a> = &'a [(&'a str, &'a [u8])];

/// A client by HTTP.
pub struct Client {
    address: SocketAddr,
    token: Option<&'static str>,
}

impl Client {
    /// Sends a request without TLS, and returns status, head and body of the answer.
    pub async fn http(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address)
            .await
            .expect("a connection");
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nhost: here\r\nconnection: close\r\ncontent-type: {kind}\r\n\
             content-length: {}\r\n",
            body.len()
        );
        if let Some(token) = self.token {
            head += &format!("authorization: Bearer {token}\r\n");
        }
        head += "\r\n";
        stream.write_all(head.as_bytes()).await.expect("to write");
        // Who refuses a body does not read all of it.
        stream.write_all(body).await.ok();
        let mut bytes = Vec::new();
        let read = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
        read.expect("an answer").ok();
        Answer::read(&bytes)
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.http("GET", path, "text/plain", b"").await
    }

    /// Sends a form with these parts.
    pub async fn form(&self, path: &str, parts: Form<'_>) -> Answer {
        let mut body = Vec::new();
        for (name, content) in parts {
            body.extend(
                format!("--cut\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n").bytes(),
            );
            body.extend(*content);
            body.extend(b"\r\n");
        }
        body.extend(b"--cut--\r\n");
        self.http("POST", path, "multipart/form-data; boundary=cut", &body)
            .await
    }
}

/// An answer by HTTP.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn read(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no head: {}", String::from_utf8_lossy(bytes)));
        let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        let mut body = bytes[end + 4..].to_vec();
        if head.contains("transfer-encoding: chunked") {
            body = unchunked(&body);
        }
        Self {
            status: status.expect("a status"),
            head,
            body,
        }
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }
}

/// A body without the lengths of its chunks.
fn unchunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = bytes.windows(2).position(|window| window == b"\r\n") {
        let length = String::from_utf8_lossy(&bytes[..end]);
        let length = usize::from_str_radix(&length, 16).expect("a length");
        body.extend(&bytes[end + 2..end + 2 + length]);
        bytes = &bytes[(end + 4 + length).min(bytes.len())..];
    }
    body
}

/// The terms of a job that is proven fast.
pub fn fast() -> pb::Terms {
    pb::Terms {
        set: "Fast96".into(),
        ..pb::Terms::default()
    }
}

pub fn options() -> OptionNames {
    OptionNames {
        set: "Fast96".into(),
        max_cycles: 1 << 20,
        ..OptionNames::default()
    }
}

pub fn job(source: &str) -> Job {
    job_in_slices(source, 1)
}

/// A job for so many workers.
pub fn job_in_slices(source: &str, slices: u8) -> Job {
    let options = OptionNames {
        slices,
        ..options()
    };
    let options = options.try_into().expect("options");
    Job::prepare(source.as_bytes(), b"", options, &Owned::default()).expect("a job")
}

pub fn limits() -> ProcessLimits {
    ProcessLimits {
        memory: 4 << 30,
        time: Duration::from_secs(60),
        threads: 1,
    }
}

/// Verifies a proof that was received as a verifier would.
pub fn verified(statement: &[u8], proof: &[u8]) {
    let statement: Statement = serde_json::from_slice(statement).expect("a statement");
    let expectations = Expectations::from(MinSecurity::Conjectured(96));
    verify(&statement, proof, &expectations).expect("a proof");
}

pub fn is_running(record: &Record) -> bool {
    matches!(record.state, State::Running { .. })
}

/// An executable script. It is written by another process: one that was open here for writing could not
/// be run while any process begun meanwhile has it open too.
pub fn script(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    let written = Command::new("sh")
        .args(["-c", "printf '%s' \"$1\" > \"$2\" && chmod +x \"$2\"", "sh"])
        .arg(format!("#!/bin/sh\n{text}\n"))
        .arg(&path)
        .status();
    assert!(written.expect("a shell").success());
    path
}

/// A process that does not outlive its test.
pub struct Process(pub Child);

impl Process {
    pub fn start(program: impl Into<PathBuf>, arguments: &[&str]) -> Self {
        let mut command = Command::new(program.into());
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        Self(command.stderr(Stdio::null()).spawn().expect("a process"))
    }

    /// Ends it as nothing can be prepared for.
    pub fn kill(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port that nobody has.
pub fn free_port() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener
        .local_addr()
        .expect("an address")
        .port()
        .to_string()
}

/// Waits until a service without a token is there, or one whose token is not needed yet.
pub async fn until_up(url: &str) -> Remote {
    let remote = Remote {
        url: url.into(),
        ..Remote::default()
    };
    let up = async {
        while remote.connect().await.is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(PATIENCE, up).await.expect("a service");
    remote
}
