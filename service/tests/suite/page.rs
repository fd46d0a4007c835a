//! The page for people, in a real browser.

use std::{path::PathBuf, process::Stdio, time::Duration};

use miden_cvm_service::record::{PartState, Record};
use tokio::{process::Command, time::timeout};

use super::host::{FIB, Host, SERVICE, Setup, limits, script};

/// The browser, if there is one.
fn chromium() -> Option<PathBuf> {
    let name = std::env::var_os("CHROMIUM").unwrap_or("chromium".into());
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut programs = std::env::split_paths(&path).map(|folder| folder.join(&name));
    let program = programs.find(|program| program.is_file());
    if program.is_none() {
        eprintln!("skipped: there is no `chromium`");
    }
    program
}

/// The document that the page has made of itself after some seconds.
async fn document(browser: &PathBuf, host: &Host) -> String {
    let profile = tempfile::tempdir().expect("a folder");
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"])
        .arg("--virtual-time-budget=5000")
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("http://{}/", host.address))
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(Duration::from_secs(120), output).await;
    let output = output.expect("an end").expect("a process");
    String::from_utf8(output.stdout).expect("a document")
}

/// The texts of the cells of a table's body, row by row.
fn cells(document: &str, table: &str) -> Vec<Vec<String>> {
    let from = document.find(&format!("<tbody id=\"{table}\">"));
    let body = &document[from.expect("a table")..];
    let body = &body[..body.find("</tbody>").expect("an end")];
    let rows = body.split("<tr>").skip(1);
    let text = |cell: &str| {
        let from = cell.find('>').expect("a cell") + 1;
        cell[from..cell.find("</td>").expect("an end")].to_owned()
    };
    rows.map(|row| row.split("<td").skip(1).map(text).collect())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_jobs_workers_and_parts() {
    let Some(browser) = chromium() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let mut host = Host::start(Setup {
        workers: 0,
        ..Setup::default()
    })
    .await;
    let worker = host.work("quick", SERVICE, limits());
    let done = host.submit(FIB).await;
    host.until_over(&done).await;
    let trap = host.submit("begin push.0 assert end").await;
    host.until_over(&trap).await;
    host.kill(worker);
    host.coordinate("asker");
    host.work("slow", script(&folder, "slow", "sleep 100"), limits());
    let sliced = host.submit_in_slices(FIB, 2).await;
    let is_held = |record: &Record| {
        let parts = record.slices.iter().flat_map(|slices| &slices.parts);
        let mut held = parts.filter(|part| matches!(part.state, PartState::Held { .. }));
        held.next().is_some()
    };
    host.until(&sliced, is_held).await;

    let document = document(&browser, &host).await;
    let jobs = cells(&document, "jobs");
    let row = |record: &Record| {
        let id = &record.id.to_string()[..12];
        let mut rows = jobs.iter();
        rows.find(|row| row[0] == id).expect("a job").clone()
    };
    assert_eq!(jobs.len(), 3, "{document}");
    let row_of_done = row(&done);
    assert_eq!(row_of_done[1..5], ["done", "quick", "", "1"]);
    let cycles: u64 = row_of_done[6].parse().expect("cycles");
    assert!(cycles > 3000, "{row_of_done:?}");
    let row_of_trap = row(&trap);
    assert_eq!(row_of_trap[1], "failed");
    assert!(row_of_trap[9].starts_with("trap: "), "{row_of_trap:?}");
    let row_of_sliced = row(&sliced);
    assert_eq!(row_of_sliced[1..3], ["running", "asker"]);
    let parts = &row_of_sliced[3];
    assert!(
        parts.starts_with("main\n")
            && parts.contains(" held slow 0")
            && parts.contains(" queued  0"),
        "{parts}"
    );
    let workers = cells(&document, "workers");
    let states = |name: &str| {
        let mut rows = workers.iter();
        rows.find(|row| row[0] == name).expect("a worker")[2].clone()
    };
    assert_eq!(
        (states("asker"), states("slow")),
        ("asking".into(), "proving".into())
    );
    assert!(
        document.contains("<p id=\"problem\" role=\"alert\"></p>"),
        "{document}"
    );
    host.stop().await;
}
