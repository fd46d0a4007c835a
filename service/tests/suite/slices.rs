//! Jobs that several workers prove together: stages, parts, and what becomes of both.

use std::{collections::BTreeSet, convert::Infallible, path::Path, time::Duration};

use miden_cvm::{
    ExecutionOptions, ExecutionTrace, Felt, Inputs, Proof, PublicInputs, Table, Target, Trace,
    Worker, execute_traced,
};
use miden_cvm_service::{
    child::ProcessLimits,
    job::{Digest, Terms},
    jobs::{Answered, Begun, Rules},
    record::{CauseKind, Part, PartState, Record, State},
};

use super::host::{
    FIB, Host, LONG, SERVICE, Setup, is_running, job_in_slices, limits, script, verified,
};

/// The stages of a proof.
const STAGES: [&str; 6] = ["main", "lookups", "composition", "outside", "share", "rows"];

/// A service with a coordinator and no worker, whose leases are short.
async fn coordinated() -> Host {
    let rules = Rules {
        max_attempts: 10,
        ..Rules::default()
    };
    let setup = Setup {
        rules,
        lease: Duration::from_millis(600),
        workers: 0,
        ..Setup::default()
    };
    let mut host = Host::start(setup).await;
    host.coordinate("coordinator");
    host
}

/// Statement and proof of a job that has to be done, verified, with so many groups.
async fn proven(host: &Host, record: &Record, groups: usize) -> Proof {
    let done = host.until_over(record).await;
    assert!(matches!(done.state, State::Done { .. }), "{done:?}");
    let (_, statement, proof) = host.jobs.proof(record.id).await.expect("a proof");
    verified(&statement, &proof);
    let proof = Proof::from_bytes(&proof).expect("a proof");
    assert_eq!(proof.groups(), groups);
    proof
}

fn parts(record: &Record) -> &[Part] {
    record.slices.as_ref().map_or(&[], |slices| &slices.parts)
}

/// The workers that answered for parts.
fn workers(record: &Record) -> BTreeSet<&str> {
    let answers = parts(record).iter().flat_map(|part| &part.answers);
    answers.map(|answer| answer.worker.as_str()).collect()
}

fn kinds(part: &Part) -> Vec<(CauseKind, &str)> {
    let causes = part.causes.iter();
    causes
        .map(|cause| (cause.kind, cause.worker.as_str()))
        .collect()
}

fn stage(record: &Record) -> &str {
    let slices = record.slices.as_ref();
    slices.map_or("", |slices| &slices.asked.stage)
}

/// A worker that the test plays: it holds a part by its name, and answers when the test wants.
struct Hand<'a> {
    host: &'a Host,
    record: Record,
    part: u8,
    name: &'a str,
    worker: Worker,
}

/// The run of which a worker makes its part.
type Run = (Trace, PublicInputs);

/// The trace of a job.
fn trace(source: &str, slices: u8) -> Run {
    let job = job_in_slices(source, slices);
    let target = Target::from_bytes(&job.target).expect("a target");
    let Inputs { arguments, advice } = Inputs::from_bytes(&job.inputs).expect("inputs");
    let options = ExecutionOptions::default().with_slices(slices.into());
    let run = execute_traced(&target, arguments, advice, &mut target.host(), options);
    let ExecutionTrace { trace, public, .. } = run.expect("a run");
    (trace, public)
}

/// A worker with a trace.
fn worker(record: &Record, (trace, public): Run, part: u8) -> Worker {
    let options = record.options;
    let slices = options.slices.into();
    let worker = Worker::new(trace, public, options.settings, slices, part.into());
    worker.expect("a worker")
}

impl<'a> Hand<'a> {
    /// Takes a part as soon as it waits, with a trace that may be another than the run's.
    async fn take(host: &'a Host, record: &Record, part: u8, name: &'a str, run: Run) -> Self {
        let is_free = |record: &Record| {
            let part = record.part(part);
            part.is_some_and(|part| part.state == PartState::Queued)
        };
        host.until(record, is_free).await;
        let begun = host.jobs.begin_part(record.id, part, false, name).await;
        let Begun::Taken(record) = begun.expect("an engine") else {
            panic!("the part is not taken");
        };
        Self {
            host,
            part,
            name,
            worker: worker(&record, run, part),
            record: *record,
        }
    }

    /// Waits until it is asked at a stage.
    async fn asked(&self, stage: &str) -> Digest {
        let is_asked = |record: &Record| self::stage(record) == stage;
        let record = self.host.until(&self.record, is_asked).await;
        record.slices.expect("parts").asked.request
    }

    /// Answers a stage, changed by the test.
    async fn answer(&mut self, stage: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let request = self.asked(stage).await;
        let bytes = self.host.jobs.queue().get(request).await;
        let reply = self.worker.answer(&bytes.expect("a request"));
        let mut reply = reply.expect("an answer");
        change(&mut reply);
        let answered = Answered {
            request,
            reply: reply.into(),
            seconds: 0.0,
            peak_memory: 0,
        };
        let jobs = &self.host.jobs;
        let told = jobs.answer(self.record.id, self.part, self.name, answered);
        told.await.expect("an engine");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_and_four_workers_prove_one_run_together() {
    let mut host = coordinated().await;
    for number in 0..4 {
        host.work(&format!("worker-{number}"), SERVICE, limits());
    }
    for slices in [2, 4] {
        let record = host.submit_in_slices(FIB, slices).await;
        proven(&host, &record, slices.into()).await;
        let done = host.jobs.status(record.id).await.expect("a job");
        assert_eq!((done.attempts, done.causes.len()), (1, 0), "{done:?}");
        assert_eq!(done.state.worker(), Some("coordinator"));
        assert_eq!(parts(&done).len(), usize::from(slices));
        assert!(workers(&done).len() > 1, "{done:?}");
        for part in parts(&done) {
            let answered = part.answers.iter().map(|answer| answer.stage.as_str());
            assert!(answered.eq(STAGES), "{part:?}");
            assert!(part.causes.is_empty(), "{part:?}");
        }
        // The same run in one slice is another job.
        assert_ne!(host.submit(FIB).await.id, record.id);
        // Messages are no longer kept.
        let slices = done.slices.as_ref().expect("parts");
        for object in slices.objects() {
            let gone = async {
                while host.jobs.queue().get(object).await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            };
            let gone = tokio::time::timeout(Duration::from_secs(60), gone).await;
            gone.expect("that it goes");
        }
    }
    host.stop().await;
}

/// One worker takes all parts in turn, and leaves each for another that waits.
#[tokio::test(flavor = "multi_thread")]
async fn one_worker_proves_all_parts_in_turn() {
    let mut host = coordinated().await;
    host.work("only", SERVICE, limits());
    let record = host.submit_in_slices(FIB, 2).await;
    proven(&host, &record, 2).await;
    let done = host.jobs.status(record.id).await.expect("a job");
    assert_eq!(workers(&done), BTreeSet::from(["only"]));
    for part in parts(&done) {
        assert!(part.causes.is_empty() && part.attempts <= 1, "{part:?}");
    }
    host.stop().await;
}

/// The process of a part that was left goes on when the part is asked again, and is ended with its job.
#[tokio::test(flavor = "multi_thread")]
async fn processes_of_parts_that_were_left_go_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let started = folder.path().join("started");
    let text = format!("echo $$ >> {}\nexec {SERVICE} \"$@\"", started.display());
    let counting = script(&folder, "counting", &text);
    let mut host = coordinated().await;
    host.work("only", &counting, limits());
    let record = host.submit_in_slices(FIB, 4).await;
    proven(&host, &record, 4).await;
    let done = host.jobs.status(record.id).await.expect("a job");
    for part in parts(&done) {
        assert!(part.causes.is_empty() && part.attempts <= 1, "{part:?}");
    }
    let started = std::fs::read_to_string(&started).expect("a list");
    let started: Vec<&str> = started.lines().collect();
    assert_eq!(started.len(), 4, "one for each part, and no part twice");
    let ended = async {
        let is_there = |id: &&str| Path::new("/proc").join(id).exists();
        while started.iter().any(is_there) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(60), ended).await;
    ended.expect("that they end");
    host.stop().await;
}

/// In every stage a worker is gone, before or after it has answered, and another one takes its part over.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_worker_is_replaced_in_every_stage() {
    let mut host = coordinated().await;
    let record = host.submit_in_slices(FIB, 2).await;
    let mut doomed = host.work("doomed-0", SERVICE, limits());
    // Until the test takes the other part, the worker has one of them.
    let is_held = |record: &Record| {
        let mut parts = parts(record).iter();
        parts.any(|part| matches!(part.state, PartState::Held { .. }))
    };
    let held = host.until(&record, is_held).await;
    let theirs = parts(&held).iter().position(|part| part.worker().is_some());
    let theirs = u8::try_from(theirs.expect("a part")).expect("a number");
    let begun = host
        .jobs
        .begin_part(record.id, 1 - theirs, false, "hand")
        .await;
    let Ok(Begun::Taken(_)) = begun else {
        panic!("the part is not taken: {begun:?}");
    };
    let mut own = worker(&record, trace(FIB, 2), 1 - theirs);
    for (number, name) in STAGES.into_iter().enumerate() {
        let asked = host.until(&record, |record| stage(record) == name).await;
        let request = asked.slices.expect("parts").asked.request;
        if number % 2 == 1 {
            let has_answered = |record: &Record| {
                let part = record.part(theirs);
                part.is_some_and(|part| part.answer(request).is_some())
            };
            host.until(&record, has_answered).await;
        }
        host.kill(doomed);
        doomed = host.work(&format!("doomed-{}", number + 1), SERVICE, limits());
        let is_lost = |record: &Record| {
            let part = record.part(theirs);
            part.is_some_and(|part| {
                part.causes.len() > number && part.is_held_by(&format!("doomed-{}", number + 1))
            })
        };
        host.until(&record, is_lost).await;
        let bytes = host.jobs.queue().get(request).await.expect("a request");
        let answered = Answered {
            request,
            reply: own.answer(&bytes).expect("an answer").into(),
            seconds: 0.0,
            peak_memory: 0,
        };
        let told = host.jobs.answer(record.id, 1 - theirs, "hand", answered);
        told.await.expect("an engine");
    }
    proven(&host, &record, 2).await;
    let done = host.jobs.status(record.id).await.expect("a job");
    let part = done.part(theirs).expect("a part");
    let lost = kinds(part);
    let expected: Vec<String> = (0..6).map(|number| format!("doomed-{number}")).collect();
    let expected: Vec<(CauseKind, &str)> = expected
        .iter()
        .map(|name| (CauseKind::WorkerLost, name.as_str()))
        .collect();
    assert_eq!(lost, expected);
    assert_eq!((done.attempts, done.causes.len()), (1, 0));
    host.stop().await;
}

/// A coordinator that is gone is replaced by one that takes what was answered before.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_coordinator_is_replaced_in_every_stage() {
    let mut host = coordinated().await;
    // Who was started with the service.
    let mut coordinator = 1;
    let record = host.submit_in_slices(FIB, 2).await;
    host.work("other", SERVICE, limits());
    let hand = Hand::take(&host, &record, 1, "hand", trace(FIB, 2)).await;
    let mut own = hand.worker;
    for (number, expected) in STAGES.into_iter().enumerate() {
        let asked = host
            .until(&record, |record| stage(record) == expected)
            .await;
        let request = asked.slices.expect("parts").asked.request;
        host.kill(coordinator);
        coordinator = host.coordinate(&format!("coordinator-{number}"));
        let is_again = |record: &Record| record.causes.len() == number + 1 && is_running(record);
        let again = host.until(&record, is_again).await;
        assert_eq!(again.causes[number].kind, CauseKind::WorkerLost);
        let bytes = host.jobs.queue().get(request).await.expect("a request");
        let answered = Answered {
            request,
            reply: own.answer(&bytes).expect("an answer").into(),
            seconds: 0.0,
            peak_memory: 0,
        };
        let told = host.jobs.answer(record.id, 1, "hand", answered);
        told.await.expect("an engine");
    }
    proven(&host, &record, 2).await;
    let done = host.jobs.status(record.id).await.expect("a job");
    assert_eq!((done.attempts, done.causes.len()), (7, 6));
    // Nobody was asked twice.
    for part in parts(&done) {
        assert_eq!(
            (part.answers.len(), part.causes.len(), part.attempts),
            (6, 0, 1),
            "{part:?}"
        );
    }
    host.stop().await;
}

/// A program that takes some thousand cycles, another one for each number.
fn program(number: usize) -> String {
    format!("begin push.{number} drop repeat.1250 swap dup.1 add end swap drop end")
}

/// Lets two workers answer that the test plays, one of which lies, until the liar is named: it has
/// the part no more, and others prove the job.
async fn named(source: &str, forged: Run, lie: impl Fn(&str, &mut Vec<u8>)) -> String {
    let mut host = coordinated().await;
    let record = host.submit_in_slices(source, 2).await;
    let asked = host
        .until(&record, |record| stage(record) == STAGES[0])
        .await;
    let request = asked.slices.expect("parts").asked.request;
    let request = host.jobs.queue().get(request).await.expect("a request");
    // The part whose rows are forged, or the last one.
    let root = |run: Run| {
        let reply = worker(&record, run, 0).answer(&request);
        reply.expect("an answer")
    };
    let part = u8::from(root(trace(source, 2)) == root(forged.clone()));
    let message = {
        let mut liar = Hand::take(&host, &record, part, "liar", forged).await;
        let mut other = Hand::take(&host, &record, 1 - part, "other", trace(source, 2)).await;
        let answers = async {
            for stage in STAGES {
                liar.answer(stage, |reply| lie(stage, reply)).await;
                other.answer(stage, |_| {}).await;
            }
            std::future::pending::<Infallible>().await
        };
        let is_named = |record: &Record| {
            let part = record.part(part);
            part.is_some_and(|part| part.is_refused("liar"))
        };
        let refused = tokio::select! {
            never = answers => match never {},
            refused = host.until(&record, is_named) => refused,
        };
        let causes = kinds(refused.part(part).expect("a part"));
        assert_eq!(causes, [(CauseKind::InvalidResult, "liar")]);
        assert!(kinds(refused.part(1 - part).expect("a part")).is_empty());
        // It does not get the part again.
        let again = host.jobs.begin_part(record.id, part, false, "liar").await;
        assert_eq!(again, Ok(Begun::Refused));
        let left = host.jobs.leave_part(record.id, 1 - part, "other").await;
        left.expect("an engine");
        refused.part(part).expect("a part").causes[0]
            .message
            .clone()
    };
    host.work("honest", SERVICE, limits());
    host.work("more", SERVICE, limits());
    proven(&host, &record, 2).await;
    host.stop().await;
    message
}

/// Slices that are not those of the run are refused.
#[tokio::test(flavor = "multi_thread")]
async fn forged_slices_are_refused_and_their_worker_is_named() {
    let honest = trace(&program(0), 2);
    let pieces = honest.0.heights().expect("allowed heights").pieces();
    let width = Table::Core.width();
    let core = pieces.iter().filter(|piece| piece.table == Table::Core);
    let core = core.map(|piece| piece.start * width..(piece.start + piece.height) * width);
    let core: Vec<_> = core.collect();
    assert_eq!(core.len(), 2);
    let forged = |number: usize, change: &dyn Fn(&mut [Felt])| {
        let (mut trace, public) = trace(&program(number), 2);
        change(trace.cells_mut(Table::Core));
        (trace, public)
    };
    // A slice in the place of another one, which is dropped.
    let dropped = forged(0, &|cells| {
        cells.copy_within(core[0].clone(), core[1].start);
    });
    // Two in each other's place.
    let swapped = forged(1, &|cells| {
        let first = cells[core[0].clone()].to_vec();
        cells.copy_within(core[1].clone(), core[0].start);
        cells[core[1].clone()].copy_from_slice(&first);
    });
    // A cell of the row that both slices have.
    let overlap = forged(2, &|cells| cells[core[1].start] += Felt::new(1));
    for (number, forged) in [dropped, swapped, overlap].into_iter().enumerate() {
        let message = named(&program(number), forged, |_, _| {}).await;
        assert!(
            message.contains("do not balance") || message.contains("the constraints of worker"),
            "{number}: {message}"
        );
    }
}

/// Whatever is changed of an answer, who sent it is named.
#[tokio::test(flavor = "multi_thread")]
async fn changed_answers_are_refused_and_their_worker_is_named() {
    let change = |at: fn(usize) -> usize| {
        move |reply: &mut Vec<u8>| {
            let at = at(reply.len());
            reply[at] ^= 1;
        }
    };
    // Behind the head of a message and the roots.
    const ELEMENTS: usize = 7 + 32 + 3 * 32;
    type Lie = (&'static str, Box<dyn Fn(&mut Vec<u8>)>, &'static str);
    let lies: [Lie; 7] = [
        (
            "main",
            Box::new(change(|_| 0)),
            "not a message of a sliced proof",
        ),
        ("main", Box::new(change(|_| 6)), "there is no group"),
        (
            "lookups",
            Box::new(change(|length| length - 8)),
            "do not balance",
        ),
        (
            "composition",
            Box::new(change(|_| 40)),
            "gave another answer before",
        ),
        (
            "outside",
            Box::new(change(|_| ELEMENTS)),
            "do not match its composition",
        ),
        (
            "share",
            Box::new(change(|_| ELEMENTS)),
            "is not the sum of its columns",
        ),
        (
            "rows",
            Box::new(change(|_| ELEMENTS)),
            "those that it committed to",
        ),
    ];
    for (number, (at, lie, told)) in lies.into_iter().enumerate() {
        let source = program(number);
        let run = trace(&source, 2);
        let message = named(&source, run, |stage, reply| {
            if stage == at {
                lie(reply);
            }
        });
        let message = message.await;
        assert!(message.contains(told), "{at}: {message}");
    }
}

/// A root that nobody has looked at yet is wrong, its worker is gone, and the one after it is right: it is
/// the first one that is named.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_answers_the_wrong_one_is_named() {
    let mut host = coordinated().await;
    let source = program(0);
    let record = host.submit_in_slices(&source, 2).await;
    {
        let mut forged = trace(&source, 2);
        forged.0.cells_mut(Table::Core)[0] += Felt::new(1);
        for part in 0..2 {
            // Only one of the two has the row.
            let mut liar = Hand::take(&host, &record, part, "liar", forged.clone()).await;
            liar.answer("main", |_| {}).await;
        }
        let is_next = |record: &Record| stage(record) == "lookups";
        host.until(&record, is_next).await;
        for part in 0..2 {
            let queued =
                host.jobs
                    .fail_part(record.id, part, "liar", CauseKind::Crash, "it is gone");
            assert_eq!(queued.await, Ok(true));
        }
    }
    host.work("honest", SERVICE, limits());
    host.work("more", SERVICE, limits());
    proven(&host, &record, 2).await;
    let done = host.jobs.status(record.id).await.expect("a job");
    let named = parts(&done).iter().flat_map(kinds);
    let named: Vec<_> = named
        .filter(|(kind, _)| *kind == CauseKind::InvalidResult)
        .collect();
    assert_eq!(named, [(CauseKind::InvalidResult, "liar")]);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_end_with_their_job() {
    let folder = tempfile::tempdir().expect("a folder");
    let slow = script(&folder, "slow", "sleep 100");
    let mut host = coordinated().await;
    host.work("slow", &slow, limits());
    // Cancelled, and over its deadline.
    let cancelled = host.submit_in_slices(FIB, 2).await;
    let is_held = |record: &Record| parts(record).iter().any(|part| part.is_held_by("slow"));
    host.until(&cancelled, is_held).await;
    let over = host.jobs.cancel(cancelled.id).await.expect("a job");
    assert_eq!(over.state, State::Cancelled);
    let terms = Terms {
        deadline: Some(Duration::from_secs(4)),
        is_detached: true,
        ..Terms::default()
    };
    let job = job_in_slices(&program(1), 2);
    let late = host.jobs.submit(&job, terms).await.expect("a job");
    let held = host.until(&late, is_held).await;
    assert!(!held.state.is_over());
    let over = host.until_over(&late).await;
    assert_eq!(
        over.causes.last().expect("a cause").kind,
        CauseKind::Deadline
    );
    // The worker has time for others.
    let next = host.submit("begin push.7 drop end").await;
    host.until(&next, is_running).await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_needs_too_much_memory_ends_its_job() {
    let mut host = coordinated().await;
    let memory = 200 << 20;
    host.work("small", SERVICE, ProcessLimits { memory, ..limits() });
    let record = host.submit_in_slices(LONG, 2).await;
    let failed = host.until_over(&record).await;
    assert_eq!(failed.state, State::Failed);
    let cause = failed.causes.last().expect("a cause");
    assert_eq!(
        (cause.kind, cause.worker.as_str()),
        (CauseKind::Memory, "small")
    );
    assert!(
        cause.message.contains(" of 2 takes at least") && cause.message.contains("200 MiB"),
        "{cause:?}"
    );
    // It is refused before anybody is asked by a coordinator whose jobs may not have so much, either.
    host.kill(1);
    host.coordinate_within("small", ProcessLimits { memory, ..limits() });
    let again = host.submit_in_slices(
        "begin push.30000 dup neq.0 while.true sub.1 dup neq.0 end drop end",
        2,
    );
    let failed = host.until_over(&again.await).await;
    assert_eq!(failed.causes[0].kind, CauseKind::Memory);
    assert!(
        failed.causes[0]
            .message
            .contains("part 0 of 2 takes at least"),
        "{failed:?}"
    );
    assert!(failed.slices.is_none());
    // A trap is found by the coordinator, before anybody is asked.
    let trap = host.submit_in_slices("begin push.0 assert end", 2).await;
    let failed = host.until_over(&trap).await;
    assert_eq!(failed.causes[0].kind, CauseKind::Trap);
    assert!(failed.slices.is_none());
    host.stop().await;
}

/// By HTTP a job in slices is asked for, and its stages and parts are told, in JSON and in figures.
#[tokio::test(flavor = "multi_thread")]
async fn stages_and_parts_are_told() {
    let mut host = coordinated().await;
    for number in 0..2 {
        host.work(&format!("worker-{number}"), SERVICE, limits());
    }
    let form: [(&str, &[u8]); 2] = [
        ("target", FIB.as_bytes()),
        ("options", br#"{ "set": "Fast96", "slices": 2 }"#),
    ];
    let answer = host.form("/v1/prove", &form).await;
    let json = answer.json();
    assert_eq!(
        (answer.status, &json["state"]["is"]),
        (200, &"done".into()),
        "{json}"
    );
    assert_eq!(json["slices"]["asked"]["stage"], "rows");
    let parts = json["slices"]["parts"].as_array().expect("parts");
    assert_eq!(parts.len(), 2);
    for part in parts {
        assert_eq!(part["answers"].as_array().expect("answers").len(), 6);
    }
    let figures = host.get("/metrics").await.text();
    for stage in STAGES {
        let line = format!("miden_cvm_part_seconds_count{{kind=\"{stage}\"}} 2");
        assert!(figures.contains(&line), "{line}: {figures}");
    }
    let none: [(&str, &[u8]); 2] = [
        ("target", FIB.as_bytes()),
        ("options", br#"{ "slices": 5 }"#),
    ];
    let refused = host.form("/v1/jobs", &none).await;
    assert_eq!(refused.status, 400);
    assert!(
        refused.text().contains("at most 4 slices"),
        "{}",
        refused.text()
    );
    host.stop().await;
}
