//! The files with which the service is run for good, run as far as this machine can.

use std::{fs, path::Path, process::Command};

use bytes::Bytes;

use super::{
    host::{Process, SERVICE, fast, free_port, until_up, verified},
    shared::nats_server,
};

fn read(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
    fs::read_to_string(folder.join(name)).expect("a file")
}

/// Waits until a service is there, and has something proven.
async fn is_proven(url: &str) {
    let remote = until_up(url).await;
    let source = Bytes::from("begin push.1 drop end");
    let proven = remote.prove(fast(), source, Bytes::new(), |_| {}).await;
    let proven = proven.expect("a proof");
    verified(&proven.statement, &proven.proof);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_unit_for_systemd_starts_and_stops() {
    let unit = read("miden-cvm-service.service");
    let line = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart="));
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().to_str().expect("a path");
    let listen = format!("127.0.0.1:{}", free_port());
    let line = line.expect("a command").replace("127.0.0.1:7700", &listen);
    let line = line.replace("/var/lib/miden-cvm-service", data);
    let arguments: Vec<&str> = line.split(' ').skip(1).collect();
    let mut server = Process::start(SERVICE, &arguments);
    is_proven(&format!("http://{listen}")).await;
    // As systemd stops it.
    let stopped = Command::new("kill").arg(server.0.id().to_string()).status();
    assert!(stopped.expect("a process").success());
    assert!(server.0.wait().expect("an end").success());
    let kept = fs::read_dir(folder.path().join("records")).expect("a folder");
    assert_eq!(kept.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_compose_file_work_together() {
    let Some(nats_server) = nats_server() else {
        return;
    };
    let compose = read("compose.yaml");
    let lines = compose.lines();
    let commands = lines.filter_map(|line| line.trim().strip_prefix("command: "));
    let commands: Vec<Vec<String>> = commands
        .map(|json| serde_json::from_str(json).expect("a list"))
        .collect();
    let [nats, server, worker] = commands.as_slice() else {
        panic!("{commands:?}");
    };
    let folder = tempfile::tempdir().expect("a folder");
    let (nats_port, port) = (free_port(), free_port());
    let here = |command: &[String]| -> Vec<String> {
        let data = folder.path().to_str().expect("a path");
        let here = command.iter().map(|word| {
            word.replace("nats://nats:4222", &format!("nats://127.0.0.1:{nats_port}"))
                .replace("0.0.0.0:7700", &format!("127.0.0.1:{port}"))
                .replace("/data", data)
        });
        here.collect()
    };
    let start = |program: &Path, command: &[String], more: &[&str]| {
        let command = here(command);
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        Process::start(program, &[&command, more].concat())
    };
    let _nats = start(&nats_server, nats, &["-a", "127.0.0.1", "-p", &nats_port]);
    let _server = start(SERVICE.as_ref(), server, &[]);
    let url = format!("http://127.0.0.1:{port}");
    until_up(&url).await;
    let _workers = [(); 2].map(|()| start(SERVICE.as_ref(), worker, &[]));
    is_proven(&url).await;
}
