//! Every answer by HTTP has the fields that the book lists, and no others.

use std::{fs, path::Path};

use miden_cvm_service::{
    job::{Item, Priority, Role},
    record::{CauseKind, Record},
};
use serde_json::{Value, json};

use super::{
    host::{FIB, Host, LONG, is_running},
    schema::Formats,
};

const BOOK: &str = include_str!("../../../docs/src/service.md");

/// A program that traps.
const TRAP: &str = "begin push.0 assert end";

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_those_of_the_book() {
    let formats = Formats::read(BOOK);
    let mut host = Host::without_workers().await;
    let form = async |path: &str, target: &str, options: Value| {
        let options = options.to_string();
        let parts = [
            ("target", target.as_bytes()),
            ("options", options.as_bytes()),
        ];
        host.form(path, &parts).await
    };
    let fast = json!({ "set": "Fast96", "priority": Priority::High.name() });

    // What is refused.
    let unknown = form("/v1/jobs", FIB, json!({ "zzz": 1 })).await;
    assert_eq!(unknown.status, 400);
    let unknown = unknown.json();
    formats.check("Refusal", &unknown);
    formats.keys(
        "Options",
        "",
        unknown["error"].as_str().expect("a sentence"),
    );
    for (path, status) in [("/v1/jobs/a", 400), ("/a", 404)] {
        let refused = host.get(path).await;
        assert_eq!(refused.status, status, "{path}");
        formats.check("Refusal", &refused.json());
    }

    // A job that waits, and one that nobody wants.
    let queued = form("/v1/jobs", FIB, fast.clone()).await;
    assert_eq!(queued.status, 202);
    let queued = queued.json();
    assert_eq!(queued["state"]["is"], "queued");
    formats.check("Record", &queued);
    let path = format!("/v1/jobs/{}", queued["id"].as_str().expect("a name"));
    let cancelled = host.http("DELETE", &path, "text/plain", b"").await.json();
    assert_eq!(cancelled["state"]["is"], "cancelled");
    formats.check("Record", &cancelled);

    // A job that runs, with its worker.
    let long = host.submit(LONG).await;
    host.work("worker", super::host::SERVICE, super::host::limits());
    let running = host.until(&long, is_running).await;
    formats.check("Record", &json!(running));
    host.http(
        "DELETE",
        &format!("/v1/jobs/{}", long.id),
        "text/plain",
        b"",
    )
    .await;

    // Jobs that are over.
    let form = async |target: &str| {
        let options = fast.to_string();
        let parts = [
            ("target", target.as_bytes()),
            ("options", options.as_bytes()),
        ];
        host.form("/v1/prove", &parts).await
    };
    for (target, status, state) in [(FIB, 200, "done"), (TRAP, 422, "failed")] {
        let over = form(target).await;
        assert_eq!(over.status, status);
        let over = over.json();
        assert_eq!(over["state"]["is"], state);
        formats.check("Record", &over);
    }
    // One that workers prove together, of which one has failed.
    host.coordinate("coordinator");
    let sliced = host.submit_in_slices(FIB, 2).await;
    let is_asked = |record: &Record| record.slices.is_some();
    host.until(&sliced, is_asked).await;
    let mut failed = false;
    for part in 0..2 {
        host.jobs
            .begin_part(sliced.id, part, false, "other")
            .await
            .expect("an engine");
        let fail = host
            .jobs
            .fail_part(sliced.id, part, "other", CauseKind::Crash, "it is gone");
        if fail.await.expect("an engine") {
            failed = true;
            let item = Item {
                job: sliced.id,
                role: Role::Part(part),
            };
            let pushed = host.jobs.queue().push(item, Priority::Normal).await;
            pushed.expect("an engine");
        }
    }
    assert!(failed, "the worker has only one of the parts");
    let over = host.until_over(&sliced).await;
    assert_eq!(over.state.name(), "done", "{over:?}");
    formats.check("Record", &json!(over));
    for (path, section) in [("/v1/jobs", "Record"), ("/v1/workers", "Worker")] {
        let listed = host.get(path).await.json();
        let listed = listed.as_array().expect("a list");
        assert!(!listed.is_empty(), "{path}");
        for one in listed {
            formats.check(section, one);
        }
    }
    formats.is_complete();
    host.stop().await;
}

/// What the book says that users ask for is tested, by the tests that it names.
#[test]
fn the_tests_that_the_book_names_are_there() {
    let (_, section) = BOOK
        .split_once("## What users ask for")
        .expect("the section");
    let section = section.split("\n## ").next().expect("its text");
    let rows = section.lines().filter(|line| line.starts_with("| "));
    let rows: Vec<&str> = rows.skip(2).collect();
    assert!(rows.len() >= 7, "{rows:?}");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite");
    let files = fs::read_dir(folder).expect("the tests");
    let files = files.map(|file| fs::read_to_string(file.expect("a file").path()));
    let sources: String = files.map(|text| text.expect("text")).collect();
    for row in rows {
        let tests = row.rsplit('|').nth(1).expect("the last column");
        let tests: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "{row}");
        for test in tests {
            assert!(sources.contains(&format!("fn {test}()")), "{test}");
        }
    }
}

/// The book shows the interface by gRPC as it is.
#[test]
fn the_book_includes_the_interface() {
    assert!(BOOK.contains("{{#include ../../service/proto/prover.proto}}"));
    let compiled = include_str!("../../build.rs");
    assert!(compiled.contains("prover.proto"), "{compiled}");
}
