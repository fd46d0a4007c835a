//! Results that `miden/upstream/run.py` makes of the tests that Miden's crates are published with. `.ci/run node` has it
//! run a sample of them, `.ci/run upstream` all.

use std::{path::Path, process::Command};

#[test]
fn differences_are_told_apart() {
    let output = Command::new("python3")
        .args(["-m", "unittest"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("upstream"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output();
    let Ok(output) = output else {
        eprintln!("skipped: there is no python3");
        return;
    };
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    assert!(told.contains("Ran 5 tests"), "{told}");
}
