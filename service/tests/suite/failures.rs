//! Failures of jobs, and what becomes of them.

use std::{fs, time::Duration};

use bytes::Bytes;
use miden_cvm_service::{
    client::ClientError,
    job::Terms,
    jobs::{JobsError, Made, Rules},
    queue::QueueError,
    record::{CauseKind, Report, State},
};

use super::host::{FIB, Host, SERVICE, Setup, fast, is_running, job, limits, script, verified};

#[tokio::test(flavor = "multi_thread")]
async fn a_trap_is_told_and_not_tried_again() {
    let host = Host::start(Setup::default()).await;
    let failed = host
        .prove("begin push.0 assert end")
        .await
        .expect_err("a trap");
    let ClientError::Failed { state, reason } = failed else {
        panic!("{failed}");
    };
    assert_eq!(state, "failed");
    assert!(reason.contains("assert"), "{reason}");
    let record = host
        .jobs
        .status(job_id("begin push.0 assert end", &host))
        .await
        .expect("a job");
    assert_eq!(
        (record.attempts, record.causes[0].kind),
        (1, CauseKind::Trap)
    );
    host.stop().await;
}

/// The name of a job that a client of the host submitted.
fn job_id(source: &str, host: &Host) -> miden_cvm_service::job::JobId {
    let mut options = super::host::options();
    options.max_cycles = host.jobs.rules().max_cycles;
    let options = options.try_into().expect("options");
    let owned = miden_cvm_service::owned::Owned::default();
    let job = miden_cvm_service::job::Job::prepare(source.as_bytes(), b"", options, &owned);
    job.expect("a job").id()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deadline_ends_a_job() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut host = Host::without_workers().await;
    let terms = Terms {
        deadline: Some(Duration::from_millis(1500)),
        is_detached: true,
        ..Terms::default()
    };
    // One that waits, and one that a worker has.
    let waiting = host
        .jobs
        .submit(&job("begin push.1 drop end"), terms)
        .await
        .expect("a job");
    let failed = host.until_over(&waiting).await;
    assert_eq!(failed.causes[0].kind, CauseKind::Deadline);
    host.work("slow", script(&folder, "slow", "sleep 100"), limits());
    let running = host.jobs.submit(&job(FIB), terms).await.expect("a job");
    host.until(&running, is_running).await;
    let failed = host.until_over(&running).await;
    assert_eq!(
        (failed.attempts, failed.causes[0].kind),
        (1, CauseKind::Deadline)
    );

    // However long a client would wait, there is a bound on the total.
    let rules = Rules {
        max_total: Duration::from_millis(500),
        ..Rules::default()
    };
    let bounded = Host::start(Setup {
        rules,
        workers: 0,
        ..Setup::default()
    })
    .await;
    let failed = bounded.prove(FIB).await.expect_err("no proof");
    assert!(matches!(failed, ClientError::Failed { .. }), "{failed}");
    bounded.stop().await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_job_is_over_and_its_process_is_gone() {
    let folder = tempfile::tempdir().expect("a folder");
    let pid = folder.path().join("pid");
    let slow = script(
        &folder,
        "slow",
        &format!("echo $$ > {}\nexec sleep 100", pid.display()),
    );
    let mut host = Host::without_workers().await;
    let waiting = host.submit("begin push.1 drop end").await;
    let cancelled = host.jobs.cancel(waiting.id).await.expect("a job");
    assert_eq!(cancelled.state, State::Cancelled);

    host.work("slow", slow, limits());
    let record = host.submit(FIB).await;
    host.until(&record, is_running).await;
    let process = eventually(|| {
        let pid = fs::read_to_string(&pid).ok()?;
        pid.trim().parse::<u32>().ok()
    })
    .await;
    let path = format!("/v1/jobs/{}", record.id);
    let answer = host.http("DELETE", &path, "text/plain", b"").await;
    assert_eq!(
        (answer.status, answer.json()["state"]["is"].as_str()),
        (200, Some("cancelled"))
    );
    eventually(|| (!is_alive(process)).then_some(())).await;
    // The worker has time for others: this one would wait for it for ever.
    host.submit("begin push.2 drop end").await;
    let next = host.submit("begin push.2 drop end").await;
    host.until(&next, is_running).await;
    host.stop().await;
}

/// Returns `true` if a process is there that has not ended.
fn is_alive(process: u32) -> bool {
    match fs::read_to_string(format!("/proc/{process}/stat")) {
        Ok(stat) => !stat.contains(") Z "),
        Err(_) => false,
    }
}

/// The value that is there after some time.
async fn eventually<T>(look: impl Fn() -> Option<T>) -> T {
    for _ in 0..600 {
        if let Some(found) = look() {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it never comes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_nobody_waits_for_any_more_is_cancelled() {
    let host = Host::without_workers().await;
    let remote = host.remote();
    let client = |source: &'static str| {
        let remote = remote.clone();
        tokio::spawn(async move {
            remote
                .prove(fast(), Bytes::from(source), Bytes::new(), |_| {})
                .await
        })
    };
    let source = "begin push.1 drop end";
    let (one, other) = (client(source), client(source));
    let id = job_id(source, &host);
    let record = eventually_known(&host, id).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    one.abort();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(
        host.jobs.status(id).await.expect("a job").state,
        State::Queued,
        "one still waits"
    );
    other.abort();
    let cancelled = host.until_over(&record).await;
    assert_eq!(cancelled.state, State::Cancelled);

    // One that was also submitted for good goes on.
    let source = "begin push.2 drop end";
    let waits = client(source);
    let id = job_id(source, &host);
    eventually_known(&host, id).await;
    let parts = [
        ("target", source.as_bytes()),
        ("options", &br#"{ "set": "Fast96" }"#[..]),
    ];
    assert_eq!(host.form("/v1/jobs", &parts).await.status, 202);
    waits.abort();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(
        host.jobs.status(id).await.expect("a job").state,
        State::Queued
    );
    host.stop().await;
}

async fn eventually_known(
    host: &Host,
    id: miden_cvm_service::job::JobId,
) -> miden_cvm_service::record::Record {
    for _ in 0..600 {
        if let Ok(record) = host.jobs.status(id).await {
            return record;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the job never comes");
}

/// A worker that lies is found out, and the job is proven by another.
#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_is_none_does_not_count() {
    let mut host = Host::without_workers().await;
    let record = host.submit(FIB).await;
    let lies = [
        // Nothing, and noise.
        (Bytes::new(), Bytes::new()),
        (Bytes::from("{}"), Bytes::from(vec![7; 1000])),
    ];
    for (number, (statement, proof)) in lies.into_iter().enumerate() {
        let begun = host
            .jobs
            .begin(record.id, false, "liar")
            .await
            .expect("an engine");
        assert!(begun.is_some_and(|record| is_running(&record)));
        let made = Made {
            statement,
            proof,
            report: Report::default(),
        };
        host.jobs
            .deliver(record.id, "liar", &made)
            .await
            .expect("an engine");
        let again = host
            .until(&record, |record| record.causes.len() > number)
            .await;
        assert_eq!(again.state, State::Queued);
        assert_eq!(again.causes[number].kind, CauseKind::InvalidResult);
        assert_eq!(again.causes[number].worker, "liar");
    }
    host.work("honest", SERVICE, limits());
    let done = host.until_over(&record).await;
    assert_eq!((done.state.worker(), done.attempts), (Some("honest"), 3));
    let (_, statement, proof) = host.jobs.proof(record.id).await.expect("a proof");
    verified(&statement, &proof);

    // What comes after the first valid result does not count, whatever it is.
    let late = Made {
        statement: Bytes::new(),
        proof: Bytes::new(),
        report: Report::default(),
    };
    host.jobs
        .deliver(record.id, "late", &late)
        .await
        .expect("an engine");
    assert_eq!(host.jobs.status(record.id).await.expect("a job"), done);
    host.stop().await;
}

/// A proof of one job is no result of another, and neither is one with other settings.
#[tokio::test(flavor = "multi_thread")]
async fn a_proof_of_another_job_is_no_result() {
    let host = Host::start(Setup::default()).await;
    let other = host.prove("begin push.1 drop end").await.expect("a proof");
    host.kill(1);
    let record = host.submit(FIB).await;
    host.jobs
        .begin(record.id, false, "liar")
        .await
        .expect("an engine");
    let made = Made {
        statement: other.statement.into(),
        proof: other.proof.into(),
        report: Report::default(),
    };
    host.jobs
        .deliver(record.id, "liar", &made)
        .await
        .expect("an engine");
    let again = host
        .until(&record, |record| !record.causes.is_empty())
        .await;
    assert!(
        again.causes[0].message.contains("another program"),
        "{:?}",
        again.causes
    );
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_written_is_not_taken() {
    let folder = tempfile::tempdir().expect("a folder");
    let setup = Setup {
        folder: Some(folder.path().into()),
        workers: 0,
        ..Setup::default()
    };
    let host = Host::start(setup).await;
    // A full disk, as far as the service can tell.
    for part in ["objects", "records"] {
        let part = folder.path().join(part);
        let kept = folder.path().join("kept");
        fs::rename(&part, &kept).expect("a folder");
        fs::write(&part, "").expect("a file");
        let refused = host.prove(FIB).await.expect_err("no room");
        assert!(refused.is_unavailable(), "{refused}");
        let answer = host.form("/v1/jobs", &[("target", FIB.as_bytes())]).await;
        assert_eq!(
            (answer.status, answer.json()["reason"].as_str()),
            (503, Some("queue"))
        );
        fs::remove_file(&part).expect("a file");
        fs::rename(&kept, &part).expect("a folder");
    }
    assert_eq!(host.jobs.queue().ids().await, Ok(vec![]));
    host.submit(FIB).await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_is_forgotten_after_some_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let rules = Rules {
        keep: Duration::from_millis(1500),
        ..Rules::default()
    };
    let setup = Setup {
        rules,
        folder: Some(folder.path().into()),
        ..Setup::default()
    };
    let host = Host::start(setup).await;
    let done = host.prove("begin push.1 drop end").await.expect("a proof");
    let id = done.job.id.parse().expect("a name");
    let gone = async {
        while !matches!(host.jobs.status(id).await, Err(JobsError::Unknown(_))) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), gone)
        .await
        .expect("that it goes");
    let objects = || {
        fs::read_dir(folder.path().join("objects"))
            .expect("a folder")
            .count()
    };
    eventually(|| (objects() == 0).then_some(())).await;
    assert_eq!(
        host.jobs
            .queue()
            .get(miden_cvm_service::job::Digest::of(&[]))
            .await,
        Err(QueueError::NoObject(
            miden_cvm_service::job::Digest::of(&[])
        ))
    );
    host.stop().await;
}
