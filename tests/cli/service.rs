//! The prover service is another program, which may not be there.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::json;

use super::{Folder, claims, example, finished, on};

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

/// A service that answers every job with one proof, which is not one of the job's.
#[test]
fn services_that_answer_something_else_are_found_out() {
    let folder = claims::folder("main");
    let path = |name: &str| folder.path(name).display().to_string();
    let inputs = path("inputs.json");
    let secret = format!("scale={}", path("secret.json"));
    let fast = ["--security", "conjectured:96", "-i", &inputs];
    // The results are those of another secret.
    folder.write("other.json", r#"{ "advice_stack": ["999"] }"#);
    let other = format!("scale={}", path("other.json"));
    let options = [&["--json", "--claim-input", &other], &fast[..]].concat();
    let lie = on(&["prove"], &folder.path("claimed.toml"), &options).json();
    let [statement, proof] = ["claimed.statement.json", "claimed.proof"]
        .map(|name| fs::read(folder.path(name)).expect("a file"));
    let head = json!({
        "cycles": lie["cycles"],
        "run_seconds": 0.0,
        "prove_seconds": 0.0,
        "statement_bytes": statement.len(),
        "proof_bytes": proof.len(),
    });
    let answer = [format!("{head}\n").as_bytes(), &statement, &proof].concat();
    let answer = folder.write("answer", answer);
    let script = format!(
        "#!/bin/sh\n/bin/cat > /dev/null\nexec /bin/cat '{}'\n",
        answer.display()
    );
    let program = folder.path("miden-cvm");
    fs::hard_link(env!("CARGO_BIN_EXE_miden-cvm"), &program)
        .or_else(|_| fs::copy(env!("CARGO_BIN_EXE_miden-cvm"), &program).map(|_| ()))
        .expect("the program");
    let service = folder.path("miden-cvm-service");
    let written = Command::new("/bin/sh")
        .args([
            "-c",
            "printf '%s' \"$1\" > \"$2\" && chmod +x \"$2\"",
            "sh",
            &script,
        ])
        .arg(&service)
        .status();
    assert!(written.expect("a shell").success());
    let bundle = path("shop.bundle");
    let prove = |options: &[&str]| {
        let mut command = Command::new(&program);
        command.args(["prove", &path("claimed.toml"), "--bundle", &bundle]);
        let output = command.args(fast).args(options).output();
        finished(output.expect("a process")).error(1)
    };
    let remote = ["--remote", "http://127.0.0.1:9"];
    let told = prove(&[&remote[..], &["--claim-input", &secret]].concat());
    assert!(
        told.contains("a claim of other results of `scale.weigh`"),
        "{told}"
    );
    let told = prove(&["--claim-remote", "scale=http://127.0.0.1:9"]);
    assert!(
        told.contains("the owner of `scale.weigh` at http://127.0.0.1:9")
            && told.contains("a statement about another run"),
        "{told}"
    );
    // The run's own proof is right then, but the claims' are still this one.
    let told = prove(&[&remote[..], &["--claim-input", &other]].concat());
    assert!(told.contains("a statement about another run"), "{told}");
    assert!(!folder.path("shop.bundle").exists());
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
