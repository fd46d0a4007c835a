//! The coordinator of a job that several workers prove together: it asks stage by stage, and takes to its
//! process what the workers answer.

use std::collections::BTreeSet;

use tracing::{info, warn};

use super::{Early, Hold, PAUSE, Worker};
use crate::{
    child::{Failure, Output, Process},
    job::{Digest, Role},
    jobs::{Made, Wrong},
    queue::QueueError,
    record::{CauseKind, Phase, Record, Slices},
};

impl Worker {
    /// Has a job proven by other workers.
    pub(super) async fn coordinate(
        &self,
        record: &Record,
        hold: &mut Hold<'_>,
    ) -> Result<Made, Early> {
        let id = record.id;
        let time = Some(self.limits.time);
        let task = hold
            .during(self.task(record, Role::Coordinator), time)
            .await?;
        let process = Process::start(&self.executable, self.limits, task);
        let mut process = process.map_err(Early::Failed)?;
        let mut output = hold.during(process.output(), time).await?;
        let mut request = None;
        // The parts whose answers the process has.
        let mut received = BTreeSet::new();
        loop {
            match output {
                Output::Made(made) => {
                    let record = self.patiently(|| self.jobs.status(id));
                    let record = hold.during(record, None).await?;
                    return Ok(reported(made, record.slices.as_ref()));
                }
                Output::Asked {
                    stage,
                    request: asked,
                } => {
                    info!(worker = self.name, job = %id, stage, "asks");
                    request = Some(Digest::of(&[&asked]));
                    received.clear();
                    let ask = || self.jobs.ask(id, &self.name, &stage, asked.clone());
                    let record = hold.during(self.patiently(ask), None).await?;
                    record.ok_or(Early::Superseded)?;
                }
                Output::Refused { message, wrong } => {
                    let wrong = wrong.into_iter().map(|(part, request)| Wrong {
                        part,
                        request,
                        kind: CauseKind::InvalidResult,
                        message: message.clone(),
                    });
                    let wrong: Vec<Wrong> = wrong.collect();
                    hold.during(self.refuse(record, &wrong), None).await?;
                    output = hold.during(process.output(), time).await?;
                    continue;
                }
                Output::Taken => {}
                Output::Replied { .. } | Output::Anew => {
                    let failure = Failure::crash("the process answers what it was not asked");
                    return Err(Early::Failed(failure));
                }
            }
            let Some(request) = request else {
                let failure = Failure::crash("the process takes what it has not asked for");
                return Err(Early::Failed(failure));
            };
            let next = self.next_reply(record, request, &received);
            let (part, reply) = hold.during(next, None).await?;
            received.insert(part);
            let receive = async {
                process.receive(part, reply).await?;
                process.output().await
            };
            output = hold.during(receive, time).await?;
        }
    }

    /// Waits for the next answer to a request, of a part whose answer is not received yet.
    async fn next_reply(
        &self,
        record: &Record,
        request: Digest,
        received: &BTreeSet<u8>,
    ) -> Result<(u8, bytes::Bytes), Failure> {
        loop {
            let now = self.patiently(|| self.jobs.status(record.id)).await?;
            let parts = now
                .slices
                .iter()
                .flat_map(|slices| (0..).zip(&slices.parts));
            let mut new = parts.filter(|(part, _)| !received.contains(part));
            let found = new.find_map(|(number, part)| Some((number, part.answer(request)?.reply)));
            let Some((part, reply)) = found else {
                self.patiently(|| self.jobs.changed(&now)).await?;
                continue;
            };
            match self.jobs.queue().get(reply).await {
                Ok(reply) => return Ok((part, reply)),
                Err(QueueError::Broken(error)) => {
                    warn!(worker = self.name, error, "the queue is waited for");
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => {
                    let wrong = Wrong {
                        part,
                        request,
                        kind: CauseKind::Storage,
                        message: error.to_string(),
                    };
                    self.refuse(record, &[wrong]).await?;
                }
            }
        }
    }

    /// Refuses answers.
    async fn refuse(&self, record: &Record, wrong: &[Wrong]) -> Result<(), Failure> {
        for Wrong { part, message, .. } in wrong {
            warn!(worker = self.name, job = %record.id, part, message, "refused");
        }
        self.patiently(|| self.jobs.refuse(record.id, &self.name, wrong))
            .await
    }
}

/// A result with what the workers took: of each stage the longest time, and the most memory of all.
fn reported(made: Made, slices: Option<&Slices>) -> Made {
    let mut report = made.report;
    let parts = slices.iter().flat_map(|slices| &slices.parts);
    for answer in parts.flat_map(|part| &part.answers) {
        report.peak_memory = report.peak_memory.max(answer.peak_memory);
        let mut phases = report.phases.iter_mut();
        match phases.find(|phase| phase.name == answer.stage) {
            Some(phase) => phase.seconds = phase.seconds.max(answer.seconds),
            None => report.phases.push(Phase {
                name: answer.stage.clone(),
                seconds: answer.seconds,
            }),
        }
    }
    Made { report, ..made }
}
