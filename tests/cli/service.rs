//! The prover service is another program, which may not be there.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use super::{Folder, example};

/// Runs the program where the service is neither beside it nor in `PATH`.
fn alone(arguments: &[&str], target: &Path) -> Output {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("alone");
    fs::create_dir_all(&folder).expect("a folder");
    let program = folder.join(format!("miden-cvm-{}", arguments[0]));
    fs::remove_file(&program).ok();
    fs::hard_link(env!("CARGO_BIN_EXE_miden-cvm"), &program).expect("a second name");
    let mut command = Command::new(&program);
    command.args(arguments).env("PATH", &folder);
    if arguments[0] == "prove" {
        command.arg(target);
    }
    command.output().expect("a process")
}

#[test]
fn without_the_service_it_is_said_how_to_get_it() {
    let folder = Folder::new(&[]);
    let proof = folder.path("proof");
    let statement = folder.path("statement.json");
    let path = |path: &PathBuf| path.to_str().expect("a path").to_owned();
    let (p, s) = (path(&proof), path(&statement));
    let prove = [
        "prove",
        "--remote",
        "http://127.0.0.1:9",
        "--or-here",
        "-p",
        &p,
        "-s",
        &s,
    ];
    for arguments in [&["serve"][..], &["worker", "--nats", "x"], &prove] {
        let output = alone(arguments, &example("fib"));
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains("`cargo install miden-cvm-service`"), "{told}");
    }
    assert!(!proof.exists() && !statement.exists());
}
