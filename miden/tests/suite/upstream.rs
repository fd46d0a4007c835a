//! Tests that Miden's crates are published with, a few of them: `miden/upstream/run.py` runs all.

use std::{path::Path, process::Command};

/// Runs a command in the folder of what is upstream, if there is Python; else says that it skips it.
fn python(arguments: &[&str]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("upstream");
    let output = Command::new("python3")
        .args(arguments)
        .current_dir(folder)
        .env("CARGO", env!("CARGO"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output();
    let Ok(output) = output else {
        eprintln!("skipped: there is no python3");
        return;
    };
    let told = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}\n{errors}");
    print!("{told}");
}

#[test]
fn differences_are_told_apart() {
    python(&["-m", "unittest"]);
}

/// A fixed sample of each suite. What it is linked with is built first.
#[test]
fn a_sample_of_the_published_tests_is_equal() {
    python(&["run.py", "sample"]);
}
