//! The rules for jobs that several workers prove together.
//!
//! A coordinator has the job, and asks stage by stage. In each stage every part has to answer before
//! the next one is asked: that is the barrier between what is committed to and what is drawn. A part is an item of the
//! queue by itself, with attempts and causes of its own. Who has answered keeps the part until the
//! next stage, as long as no other part of the job waits for somebody.

use bytes::Bytes;

use super::{Jobs, JobsError, cause, late, over, told_of};
use crate::{
    job::{Digest, Item, JobId, Role},
    queue::QueueError,
    record::{Asked, Cause, CauseKind, Part, PartAnswer, PartState, Record, Slices, State, Time},
};

/// The answer to a worker that wants to have a part.
#[derive(Debug, Clone, PartialEq)]
pub enum Begun {
    /// It has it.
    Taken(Box<Record>),
    /// There is nothing to do: the job is over, or somebody else has the part.
    Nothing,
    /// An answer of this worker was wrong: somebody else has to take the part.
    Refused,
}

/// An answer of a part's worker.
#[derive(Debug, Clone)]
pub struct Answered {
    /// The name of what was asked.
    pub request: Digest,
    /// The answer.
    pub reply: Bytes,
    /// The time that it took.
    pub seconds: f64,
    /// The most memory that the process had until then.
    pub peak_memory: u64,
}

/// An answer that is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// The part.
    pub part: u8,
    /// The name of what was asked.
    pub request: Digest,
    /// The kind of failure.
    pub kind: CauseKind,
    /// Why it is not taken.
    pub message: String,
}

/// The parts of a running job, if this coordinator has it.
fn coordinated<'a>(record: &'a Record, coordinator: &str) -> Option<&'a Option<Slices>> {
    match &record.state {
        State::Running { worker } if worker == coordinator => Some(&record.slices),
        _ => None,
    }
}

/// A record with a part changed.
fn with_part(record: &Record, number: u8, change: impl FnOnce(&mut Part)) -> Record {
    let mut record = record.clone();
    let slices = record.slices.as_mut();
    if let Some(part) = slices.and_then(|slices| slices.parts.get_mut(usize::from(number))) {
        change(part);
    }
    record
}

/// A record of a job that is given up for what happened to a part last.
fn given_up(record: &Record, number: u8) -> Record {
    let mut failed = over(record, State::Failed);
    let causes = record.part(number).map(|part| &part.causes);
    if let Some(last) = causes.and_then(|causes| causes.last()) {
        failed.causes.push(Cause {
            message: format!("part {number}: {}", last.message),
            ..last.clone()
        });
    }
    failed
}

impl Jobs {
    /// Asks all parts of a job for the answers of a stage, which they may have given before. Returns the
    /// record; nothing if the job is not this coordinator's any more.
    ///
    /// # Errors
    /// Returns an error if the engine does not work.
    pub async fn ask(
        &self,
        id: JobId,
        coordinator: &str,
        stage: &str,
        request: Bytes,
    ) -> Result<Option<Record>, JobsError> {
        let asked = Asked {
            stage: stage.into(),
            request: Digest::of(&[&request]),
        };
        self.queue.put(asked.request, request).await?;
        let record = self
            .change(id, |record| {
                let slices = coordinated(record, coordinator)?;
                let mut asking = slices.clone().unwrap_or_else(|| Slices {
                    asked: asked.clone(),
                    parts: vec![Part::default(); record.options.slices.into()],
                });
                asking.asked = asked.clone();
                for part in &mut asking.parts {
                    if part.state == PartState::Idle && part.answer(asked.request).is_none() {
                        part.state = PartState::Queued;
                    }
                }
                let slices = Some(asking);
                (slices != record.slices).then(|| Record {
                    slices,
                    ..record.clone()
                })
            })
            .await?;
        if coordinated(&record, coordinator).is_none() {
            return Ok(None);
        }
        // Those of an earlier coordinator may never have been sent. A second one does no harm.
        self.push_parts(&record).await?;
        Ok(Some(record))
    }

    /// Lets all parts wait for a worker that ought to.
    async fn push_parts(&self, record: &Record) -> Result<(), QueueError> {
        let parts = record.slices.iter().flat_map(|slices| &slices.parts);
        for (number, part) in (0..).zip(parts) {
            if part.state == PartState::Queued {
                let item = Item {
                    job: record.id,
                    role: Role::Part(number),
                };
                self.queue.push(item, record.priority).await?;
            }
        }
        Ok(())
    }

    /// Gives a part to a worker that has a lease of it.
    ///
    /// # Errors
    /// Returns an error if the engine does not work.
    pub async fn begin_part(
        &self,
        id: JobId,
        number: u8,
        is_again: bool,
        worker: &str,
    ) -> Result<Begun, JobsError> {
        let max_attempts = self.rules.max_attempts;
        let begin = |record: &Record| {
            let part = record.part(number)?;
            let is_open = matches!(record.state, State::Queued | State::Running { .. });
            if !is_open || part.is_refused(worker) {
                return None;
            }
            let lost = match &part.state {
                PartState::Queued => None,
                PartState::Held { worker } if is_again => {
                    let message = "the worker was not heard of any more";
                    Some(cause(CauseKind::WorkerLost, message, worker))
                }
                PartState::Held { .. } | PartState::Idle => return None,
            };
            if record.deadline <= Time::now() {
                return Some(late(record));
            }
            let mut begun = with_part(record, number, |part| part.causes.extend(lost));
            if part.attempts >= max_attempts {
                return Some(given_up(&begun, number));
            }
            begun = with_part(&begun, number, |part| {
                part.attempts += 1;
                part.state = PartState::Held {
                    worker: worker.into(),
                };
            });
            Some(begun)
        };
        let record = match self.change(id, begin).await {
            Err(JobsError::Unknown(_)) => return Ok(Begun::Nothing),
            changed => changed?,
        };
        let part = record.part(number).filter(|_| !record.state.is_over());
        Ok(match part {
            Some(part) if part.is_refused(worker) && part.state == PartState::Queued => {
                Begun::Refused
            }
            Some(part) if part.is_held_by(worker) => Begun::Taken(Box::new(record)),
            _ => Begun::Nothing,
        })
    }

    /// Keeps what a worker answers, if the part is its own and this is what is asked.
    ///
    /// # Errors
    /// Returns an error if the engine does not work.
    pub async fn answer(
        &self,
        id: JobId,
        number: u8,
        worker: &str,
        answered: Answered,
    ) -> Result<(), JobsError> {
        let Answered {
            request,
            reply,
            seconds,
            peak_memory,
        } = answered;
        let name = Digest::of(&[&reply]);
        self.queue.put(name, reply).await?;
        self.change(id, |record| {
            let slices = record.slices.as_ref()?;
            let part = record.part(number)?;
            let is_wanted = part.is_held_by(worker)
                && slices.asked.request == request
                && part.answer(request).is_none();
            if record.state.is_over() || !is_wanted {
                return None;
            }
            let answer = PartAnswer {
                stage: slices.asked.stage.clone(),
                request,
                reply: name,
                worker: worker.into(),
                seconds,
                peak_memory,
            };
            Some(with_part(record, number, |part| part.answers.push(answer)))
        })
        .await?;
        Ok(())
    }

    /// Gives back a part that a worker has no time for, as if it had not begun. If the part has still to
    /// answer it waits again, which this returns.
    ///
    /// # Errors
    /// Returns an error if the engine does not work.
    pub async fn leave_part(&self, id: JobId, number: u8, worker: &str) -> Result<bool, JobsError> {
        let record = self
            .change(id, |record| {
                let asked = record.slices.as_ref()?.asked.request;
                let part = record.part(number)?;
                if record.state.is_over() || !part.is_held_by(worker) {
                    return None;
                }
                let state = match part.answer(asked) {
                    Some(_) => PartState::Idle,
                    None => PartState::Queued,
                };
                Some(with_part(record, number, |part| {
                    part.state = state;
                    part.attempts = part.attempts.saturating_sub(1);
                }))
            })
            .await?;
        Ok(is_queued(&record, number))
    }

    /// Notes that a worker's attempt at a part failed. If another attempt can help and is allowed, the part
    /// waits again, which this returns; otherwise the job is given up.
    ///
    /// # Errors
    /// Returns an error if the engine does not work.
    pub async fn fail_part(
        &self,
        id: JobId,
        number: u8,
        worker: &str,
        kind: CauseKind,
        message: &str,
    ) -> Result<bool, JobsError> {
        let max_attempts = self.rules.max_attempts;
        let record = self
            .change(id, |record| {
                let part = record.part(number)?;
                if record.state.is_over() || !part.is_held_by(worker) {
                    return None;
                }
                let message = told_of(record, kind, message);
                let failed = with_part(record, number, |part| {
                    part.causes.push(cause(kind, message, worker));
                    part.state = PartState::Queued;
                });
                Some(match kind.is_final() || part.attempts >= max_attempts {
                    true => given_up(&failed, number),
                    false => failed,
                })
            })
            .await?;
        Ok(is_queued(&record, number))
    }

    /// Notes that answers are wrong, and names whose they are: the parts wait for other workers, which
    /// begin with the first stage.
    ///
    /// # Errors
    /// Returns an error if the engine does not work.
    pub async fn refuse(
        &self,
        id: JobId,
        coordinator: &str,
        wrong: &[Wrong],
    ) -> Result<(), JobsError> {
        let max_attempts = self.rules.max_attempts;
        let record = self.status(id).await?;
        // A record must not name what is not there, but what is there may be named by none.
        let answers = wrong.iter().filter_map(|wrong| record.part(wrong.part));
        let replies = answers.flat_map(|part| &part.answers);
        let replies: Vec<Digest> = replies.map(|answer| answer.reply).collect();
        let refused = self
            .change(id, |record| {
                coordinated(record, coordinator)?;
                let mut refused = record.clone();
                let mut hopeless = None;
                for Wrong {
                    part: number,
                    request,
                    kind,
                    message,
                } in wrong
                {
                    let Some(answer) = refused.part(*number).and_then(|part| part.answer(*request))
                    else {
                        continue;
                    };
                    let worker = answer.worker.clone();
                    refused = with_part(&refused, *number, |part| {
                        // Somebody else who has it by now may be right.
                        if part.state == PartState::Idle || part.is_held_by(&worker) {
                            part.state = PartState::Queued;
                        }
                        part.causes.push(cause(*kind, message, &worker));
                        part.answers.clear();
                        if part.attempts >= max_attempts {
                            hopeless = Some(*number);
                        }
                    });
                }
                Some(match hopeless {
                    Some(number) => given_up(&refused, number),
                    None => refused,
                })
            })
            .await?;
        let kept: Vec<Digest> = refused.slices.iter().flat_map(Slices::objects).collect();
        for reply in replies {
            if !kept.contains(&reply) {
                self.queue.delete(reply).await?;
            }
        }
        if !refused.state.is_over() {
            self.push_parts(&refused).await?;
        }
        Ok(())
    }
}

/// Returns `true` if a part waits for a worker.
fn is_queued(record: &Record, number: u8) -> bool {
    let part = record.part(number);
    !record.state.is_over() && part.is_some_and(|part| part.state == PartState::Queued)
}
