//! The service as it is run, by `miden-cvm`, which other tests build beside it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};

use bytes::Bytes;
use miden_cvm::Proof;
use miden_cvm_service::pb;

use serde_json::Value;

use super::host::{LONG, Process, SERVICE, fast, free_port, until_up, verified};

/// The program beside the service, if it is there.
fn miden_cvm() -> Option<PathBuf> {
    let program = Path::new(SERVICE).with_file_name("miden-cvm");
    if !program.is_file() {
        eprintln!("skipped: there is no `{}`", program.display());
        return None;
    }
    Some(program)
}

fn run(program: &Path, arguments: &[&str], token: &str) -> Output {
    let mut command = Command::new(program);
    command.args(arguments).env("MIDEN_CVM_TOKEN", token);
    command.output().expect("a process")
}

#[tokio::test(flavor = "multi_thread")]
async fn prove_has_it_proven_elsewhere() {
    let Some(program) = miden_cvm() else { return };
    let listen = format!("127.0.0.1:{}", free_port());
    let url = format!("http://{listen}");
    let server = Command::new(&program)
        .args([
            "serve",
            "--listen",
            &listen,
            "--max-cycles",
            "100000",
            "--threads",
            "1",
        ])
        .env("MIDEN_CVM_TOKEN", "secret")
        .stderr(Stdio::null())
        .spawn();
    let mut server = Process(server.expect("a process"));
    until_up(&url).await;
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| {
        folder
            .path()
            .join(name)
            .to_str()
            .expect("a path")
            .to_owned()
    };
    let (proof, statement) = (path("fib.proof"), path("fib.statement.json"));
    let source = path("fib.masm");
    fs::write(&source, "begin repeat.100 swap dup.1 add end end").expect("a file");
    fs::write(path("fib.inputs"), r#"{ "operand_stack": ["0", "1"] }"#).expect("a file");
    let prove = |more: &[&str], token: &str| {
        let arguments = [
            "--json",
            "prove",
            &source,
            "--security",
            "conjectured:96",
            "-p",
            &proof,
            "-s",
            &statement,
            "--remote",
            &url,
        ];
        run(&program, &[&arguments, more].concat(), token)
    };

    let output = prove(
        &["--priority", "high", "--deadline", "100", "--hash", "rpo"],
        "secret",
    );
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(output.status.success(), "{answer}");
    assert_eq!(answer["stack"][0], "1298777861964970150", "{answer}");
    assert_eq!(answer["settings"], "Fast96 with rpo");
    verified(
        &fs::read(&statement).expect("a file"),
        &fs::read(&proof).expect("a file"),
    );
    let verify = run(
        &program,
        &[
            "verify",
            "-p",
            &proof,
            "-s",
            &statement,
            "--security",
            "conjectured:96",
        ],
        "",
    );
    assert!(verify.status.success(), "{verify:?}");

    // Several workers, here one that takes all parts in turn, prove one run.
    let output = prove(&["--slices", "2"], "secret");
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(output.status.success(), "{answer}");
    let sliced = fs::read(&proof).expect("a file");
    verified(&fs::read(&statement).expect("a file"), &sliced);
    assert_eq!(Proof::from_bytes(&sliced).expect("a proof").groups(), 2);

    // What the service does not take is told, and proven here only if it is said that it may be.
    let told = |output: &Output| {
        let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert!(!output.status.success(), "{answer}");
        answer["error"].as_str().expect("an error").to_owned()
    };
    assert!(told(&prove(&[], "other")).contains("token"));
    assert!(told(&prove(&["--limit", "memory-words=5"], "secret")).contains("`--limit`"));
    fs::write(&source, "begin push.1 assertz end").expect("a file");
    let trap = told(&prove(&["--or-here"], "secret"));
    assert!(
        trap.contains("the job failed: ") && trap.contains("assert"),
        "{trap}"
    );

    // A server that is told to stop does so.
    let stopped = Command::new("kill").arg(server.0.id().to_string()).status();
    assert!(stopped.expect("a process").success());
    assert!(server.0.wait().expect("an end").success());
    fs::write(&source, "begin push.1 drop end").expect("a file");
    assert!(told(&prove(&[], "secret")).contains("does not take the job"));
    let output = prove(&["--or-here"], "secret");
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(output.status.success(), "{answer}");
    assert!(
        answer["warnings"][0]
            .as_str()
            .is_some_and(|text| text.contains("proven here")),
        "{answer}"
    );
}

#[test]
fn an_open_address_wants_a_token() {
    let output = run(Path::new(SERVICE), &["serve", "--listen", "0.0.0.0:0"], "");
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("MIDEN_CVM_TOKEN"), "{told}");
}

/// A server with a folder that is killed in the middle of a job goes on with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_goes_on_with_its_jobs() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().to_str().expect("a path");
    let listen = format!("127.0.0.1:{}", free_port());
    let url = format!("http://{listen}");
    let arguments = [
        "serve",
        "--listen",
        &listen,
        "--data",
        data,
        "--threads",
        "1",
    ];
    let mut killed = Process::start(SERVICE, &arguments);
    let remote = until_up(&url).await;
    let client = {
        let remote = remote.clone();
        tokio::spawn(async move {
            let mut states = Vec::new();
            let source = Bytes::from(LONG);
            let tell = |job: &pb::Job| states.push(job.state());
            let lost = remote.prove(fast(), source, Bytes::new(), tell).await;
            (lost.expect_err("no server"), states)
        })
    };
    let records = folder.path().join("records");
    let is_running = || {
        let entries = fs::read_dir(&records).expect("a folder");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        // What is being written does not count yet.
        let mut records =
            paths.filter(|path| path.extension().is_some_and(|ending| ending == "json"));
        records.any(|record| {
            let text = fs::read_to_string(record);
            text.is_ok_and(|text| text.contains("running"))
        })
    };
    while !is_running() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    killed.kill();
    let (lost, states) = client.await.expect("an end");
    assert!(lost.is_unavailable(), "{lost}");
    assert!(!states.contains(&pb::State::Done), "{states:?}");
    let _again = Process::start(SERVICE, &arguments);
    until_up(&url).await;
    let proven = remote
        .prove(fast(), Bytes::from(LONG), Bytes::new(), |_| {})
        .await;
    let proven = proven.expect("a proof");
    verified(&proven.statement, &proven.proof);
    assert_eq!(
        (proven.job.attempts, proven.job.causes[0].kind.as_str()),
        (2, "worker-lost")
    );
}
