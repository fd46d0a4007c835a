//! Workers: their leases, their processes, and how they end.

use std::time::Duration;

use miden_cvm_service::{
    child::ProcessLimits,
    job::{Priority, Terms},
    record::{CauseKind, Record, State},
};

use super::host::{FIB, Host, LONG, SERVICE, Setup, is_running, job, limits, script};

/// A script that runs jobs after some time.
fn slow(folder: &tempfile::TempDir, seconds: f32) -> std::path::PathBuf {
    script(
        folder,
        "slow",
        &format!("sleep {seconds}\nexec {SERVICE} \"$@\""),
    )
}

fn kinds(record: &Record) -> Vec<CauseKind> {
    record.causes.iter().map(|cause| cause.kind).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_held_for_longer_than_it_lasts() {
    let folder = tempfile::tempdir().expect("a folder");
    let lease = Duration::from_millis(600);
    let mut host = Host::start(Setup {
        lease,
        workers: 0,
        ..Setup::default()
    })
    .await;
    host.work("slow", slow(&folder, 2.0), limits());
    // Another one would take the job, if it came back.
    host.work("other", slow(&folder, 2.0), limits());
    let record = host.submit(FIB).await;
    let done = host.until_over(&record).await;
    assert!(matches!(done.state, State::Done { .. }), "{done:?}");
    assert_eq!((done.attempts, kinds(&done)), (1, vec![]));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_job_of_a_killed_worker_comes_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let lease = Duration::from_millis(600);
    let mut host = Host::start(Setup {
        lease,
        workers: 0,
        ..Setup::default()
    })
    .await;
    let task = host.work("doomed", slow(&folder, 100.0), limits());
    let record = host.submit(FIB).await;
    host.until(&record, is_running).await;
    host.kill(task);
    host.work("heir", SERVICE, limits());
    let done = host.until_over(&record).await;
    assert_eq!(done.state.worker(), Some("heir"));
    assert_eq!(
        (done.attempts, kinds(&done)),
        (2, vec![CauseKind::WorkerLost])
    );
    assert_eq!(done.causes[0].worker, "doomed");
    // Who looks at the workers sees which of them is gone.
    let workers = host.get("/v1/workers").await.json();
    let is_healthy = |name: &str| {
        let mut workers = workers.as_array().expect("workers").iter();
        let worker = workers.find(|worker| worker["worker"]["name"] == name);
        worker.expect("the worker")["is_healthy"].clone()
    };
    assert_eq!(
        (is_healthy("doomed"), is_healthy("heir")),
        (false.into(), true.into())
    );
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_needs_too_much_memory_takes_nothing_along() {
    let mut host = Host::without_workers().await;
    let memory = 256 << 20;
    host.work("small", SERVICE, ProcessLimits { memory, ..limits() });
    let large = host.submit(LONG).await;
    let failed = host.until_over(&large).await;
    assert_eq!(
        (&failed.state, kinds(&failed)),
        (&State::Failed, vec![CauseKind::Memory])
    );
    assert_eq!(failed.attempts, 1, "it would be so again");
    assert!(
        failed.causes[0].message.contains("256 MiB"),
        "{:?}",
        failed.causes
    );
    let small = host.submit("begin push.1 drop end").await;
    let done = host.until_over(&small).await;
    assert_eq!(done.state.worker(), Some("small"), "{done:?}");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_dies_is_tried_again_and_the_causes_are_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let dying = script(
        &folder,
        "dying",
        "head -n 1 > /dev/null\necho 'this is why' >&2\nkill -9 $$",
    );
    let mut host = Host::without_workers().await;
    host.work("unlucky", dying, limits());
    let record = host.submit(FIB).await;
    let failed = host.until_over(&record).await;
    assert_eq!(failed.state, State::Failed);
    assert_eq!(
        (failed.attempts, kinds(&failed)),
        (3, vec![CauseKind::Crash; 3])
    );
    assert!(
        failed.causes[2].message.contains("signal: 9"),
        "{:?}",
        failed.causes
    );
    assert!(
        failed.causes[2].message.contains("this is why"),
        "{:?}",
        failed.causes
    );
    // Asked for again, it begins anew.
    let again = host.submit(FIB).await;
    assert_eq!(
        (again.id, again.attempts, again.causes.len()),
        (record.id, 0, 0)
    );
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_may_not_take_for_ever() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut host = Host::without_workers().await;
    let time = Duration::from_millis(300);
    host.work(
        "impatient",
        slow(&folder, 100.0),
        ProcessLimits { time, ..limits() },
    );
    let record = host.submit(FIB).await;
    let again = host
        .until(&record, |record| !record.causes.is_empty())
        .await;
    assert_eq!(kinds(&again), [CauseKind::Time]);
    host.jobs.cancel(record.id).await.expect("a job");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_told_to_stop_gives_its_job_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut host = Host::without_workers().await;
    host.work("leaving", slow(&folder, 100.0), limits());
    let record = host.submit(FIB).await;
    host.until(&record, is_running).await;
    let jobs = host.jobs.clone();
    host.stop().await;
    let back = jobs.status(record.id).await.expect("a job");
    assert_eq!((&back.state, back.attempts), (&State::Queued, 0));
    let told = jobs.queue().workers().await.expect("workers");
    assert!(told[0].is_draining && told[0].job.is_none(), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn urgent_jobs_come_first() {
    let mut host = Host::without_workers().await;
    let mut records = Vec::new();
    for (number, priority) in [
        Priority::Low,
        Priority::Normal,
        Priority::Normal,
        Priority::High,
    ]
    .into_iter()
    .enumerate()
    {
        let job = job(&format!("begin push.{number} drop end"));
        let terms = Terms {
            priority,
            is_detached: true,
            ..Terms::default()
        };
        records.push(host.jobs.submit(&job, terms).await.expect("a job"));
    }
    host.work("only", SERVICE, limits());
    let mut done = Vec::new();
    for record in &records {
        done.push(host.until_over(record).await);
    }
    let began = |number: usize| done[number].started.expect("a beginning");
    assert!(
        began(3) < began(1) && began(1) < began(2) && began(2) < began(0),
        "{done:?}"
    );
    host.stop().await;
}

/// Many jobs on one, two and four workers that wait for most of their time, as on machines of their own.
/// With the environment variable `SERVICE_JOBS` there are so many jobs, and the times are worth reading.
#[tokio::test(flavor = "multi_thread")]
async fn many_jobs_are_shared_out_among_workers() {
    let jobs = std::env::var("SERVICE_JOBS").ok();
    let jobs: usize = jobs.map_or(8, |jobs| jobs.parse().expect("a number"));
    let folder = tempfile::tempdir().expect("a folder");
    let waiting = slow(&folder, 0.5);
    for workers in [1, 2, 4] {
        let mut host = Host::without_workers().await;
        let mut records = Vec::new();
        for number in 0..jobs {
            records.push(host.submit(&format!("begin push.{number} drop end")).await);
        }
        let began = std::time::Instant::now();
        for number in 0..workers {
            host.work(&format!("worker-{number}"), &waiting, limits());
        }
        let mut by_worker = std::collections::BTreeMap::<String, usize>::new();
        for record in &records {
            let done = host.until_over(record).await;
            assert_eq!(done.attempts, 1, "{done:?}");
            let worker = done.state.worker().expect("a worker");
            *by_worker.entry(worker.into()).or_default() += 1;
        }
        println!("{jobs} jobs, {workers} workers: {:?}", began.elapsed());
        assert_eq!(by_worker.values().sum::<usize>(), jobs);
        assert_eq!(by_worker.len(), workers, "{by_worker:?}");
        host.stop().await;
    }
}
