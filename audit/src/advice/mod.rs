//! The lying host: runs a program again and again while somebody lies about what the advice
//! answers, and reports the lies that the program lets through.
//!
//! A proof says that a program ran, for whatever its host answered. So a program has to check what
//! it takes: a run that ends without a trap, and with other outputs than the honest one, proves
//! something that is not so. All that a host says enters a run by the operations that take elements
//! from the advice stack or a path from the Merkle store, and this is where the liar sits. An event
//! that the honest host cannot answer is not answered, and does not end the run: no constraint sees
//! whether an event was handled.

mod liar;
mod lie;
mod quotient;
mod record;
mod report;

use core::fmt;
use std::{
    collections::{BTreeMap, HashSet},
    sync::atomic::{AtomicU64, Ordering},
};

use liar::Liar;
pub use lie::LieKind;
use lie::{Lie, Lies};
use miden_core::{
    EventId, Program, StackOutputs, Word,
    precompile::{PrecompileRequest, PrecompileVerificationError, PrecompileVerifierRegistry},
    sys_events::SystemEvent,
};
use miden_cvm_air::composition::Composition;
use miden_cvm_processor::{
    AdviceInputs, Arguments, ContextId, ExecutionError, ExecutionOptions, Host, Process, Tracer,
    Trap,
};
use rayon::prelude::*;
pub use record::Trust;
use record::{At, Origin, Record, Recorder};
pub use report::{
    Answer, Finding, LieReport, LieTally, Lied, Outputs, PlaceReport, SourcePlace, TakingPlace,
    Verdict,
};
use thiserror::Error;

/// The program that lies are told to, and the host whose answers it takes.
pub struct Subject<'a, H> {
    /// The program.
    pub program: &'a Program,
    /// The composition, unless it is an open program.
    pub composition: Option<&'a Composition>,
    /// The operand stack and the inputs in memory.
    pub arguments: Arguments,
    /// The advice that the run starts with.
    pub advice: AdviceInputs,
    /// Makes an honest host. Each run has its own, and all answer alike.
    pub host: &'a (dyn Fn() -> H + Sync),
    /// Limits of the honest run.
    pub options: ExecutionOptions,
    /// The part of the requests to precompiles that a verifier computes again.
    pub precompiles: &'a PrecompileVerifierRegistry,
    /// The names of procedures, by which places are called that have no debug information.
    pub procedures: &'a BTreeMap<Word, String>,
}

impl<H> fmt::Debug for Subject<'_, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject")
            .field("program", &self.program.hash())
            .finish_non_exhaustive()
    }
}

/// The settings of a campaign of lies: how many, which, and about what.
#[derive(Debug, Clone, Default)]
pub struct LieCampaign {
    /// The number of lies.
    pub lies: u64,
    /// Seed of the random choices.
    pub seed: u64,
    /// The lie to be told alone, by its number.
    pub only: Option<u64>,
    /// The advice that is input, and not lied about.
    pub trust: Trust,
    /// `true` if the memory of the root context is among the outputs. It is not public; a procedure
    /// may leave its results there.
    pub memory: bool,
    /// Other inputs of the same program, whose answers are given as they are.
    pub others: Vec<(Arguments, AdviceInputs)>,
}

/// Why there is nothing to be told.
#[derive(Debug, Error)]
pub enum LieError {
    /// The program was refused before its first cycle.
    #[error(transparent)]
    Refused(ExecutionError),
}

/// Cycles of a lying run: so many times those of the honest one, and so many more.
const MORE_CYCLES: (u32, u32) = (4, 1 << 14);

impl<H> Subject<'_, H> {
    /// The bounds of runs that go on where the honest one does not, after so many cycles of that.
    fn bounds(&self, cycles: u32) -> ExecutionOptions {
        let (factor, more) = MORE_CYCLES;
        let max = cycles.saturating_mul(factor).saturating_add(more);
        let max = max.min(self.options.max_cycles());
        let expected = self.options.expected_cycles().min(max);
        // They are no wider than the options, which are possible.
        ExecutionOptions::new(max, expected)
            .unwrap_or(self.options)
            .with_limits(*self.options.limits())
    }
}

/// Runs a program honestly, and then once for each lie, on all threads of the current pool.
/// `progress` is told the number of lies done.
///
/// The report depends on the subject and the campaign only, not on the number of threads.
///
/// # Errors
/// If the program is refused before its first cycle. An honest run that traps is none: then every
/// lie that is not refused is a finding.
pub fn audit_advice<H: Host>(
    subject: &Subject<'_, H>,
    campaign: &LieCampaign,
    progress: &(impl Fn(u64) + Sync),
) -> Result<LieReport, LieError> {
    let known: HashSet<Word> = subject.procedures.keys().copied().collect();
    let inputs = (&subject.arguments, &subject.advice);
    let (honest, mut record, mut places) = record_run(subject, campaign, inputs, &known, None)?;
    let mut bounds = subject.bounds(honest.cycles);
    if let Verdict::Trapped(_) = honest.verdict {
        // Where the honest host gives up, the liar goes on.
        let lenient;
        (lenient, record, places) = record_run(subject, campaign, inputs, &known, Some(bounds))?;
        bounds = subject.bounds(lenient.cycles);
    }
    let mut others = Vec::new();
    for (arguments, advice) in &campaign.others {
        let (_, record, _) = record_run(subject, campaign, (arguments, advice), &known, None)?;
        others.push(record);
    }
    let session = Session {
        subject,
        campaign,
        honest: &honest.verdict,
        record: &record,
        others: &others,
        places: &places,
        bounds,
    };
    let lies = Lies::new(&record, &others);
    let numbers = match campaign.only {
        _ if lies.none() => 0..0,
        Some(number) => number..number.saturating_add(1),
        None => 0..campaign.lies,
    };
    let done = AtomicU64::new(0);
    let mut report = numbers
        .into_par_iter()
        .fold(LieReport::default, |mut report, number| {
            let lie = lies.draw(campaign.seed, number);
            session.judge(lie, number, &mut report);
            progress(done.fetch_add(1, Ordering::Relaxed) + 1);
            report
        })
        .reduce(LieReport::default, LieReport::merge);
    report.finish();
    report.elements = record.elements.len() as u64;
    let inputs = record.elements.iter();
    report.inputs = inputs.filter(|taken| taken.origin == Origin::Input).count() as u64;
    report.paths = record.paths.len() as u64;
    report.events = record.events.len() as u64;
    for place in places.into_values() {
        report.places.entry(place).or_default();
    }
    report.honest = Some(honest.verdict);
    Ok(report)
}

/// An honest run.
struct HonestRun {
    verdict: Verdict,
    cycles: u32,
}

/// Where a run takes what its host says.
type Places = BTreeMap<At, TakingPlace>;

/// Runs a subject honestly, on the given inputs. If it is `lenient`, events that the host refuses and
/// elements that it does not have do not end the run; these options do.
fn record_run<H: Host>(
    subject: &Subject<'_, H>,
    campaign: &LieCampaign,
    (arguments, advice): (&Arguments, &AdviceInputs),
    known: &HashSet<Word>,
    lenient: Option<ExecutionOptions>,
) -> Result<(HonestRun, Record, Places), LieError> {
    let initial = advice.stack.len();
    let recorder = Recorder::new(&campaign.trust, initial, known, lenient.is_some());
    let kernel = subject.program.kernel().clone();
    let options = lenient.unwrap_or(subject.options);
    let mut host = (subject.host)();
    let mut process = Process::new(kernel, arguments, advice.clone(), options, recorder);
    let result = process.execute(subject.program, subject.composition, &mut host);
    let verdict = match result {
        Ok(stack) => Verdict::Accepted(outputs(&process, stack, campaign.memory)),
        Err(error @ ExecutionError::Refused(_)) => return Err(LieError::Refused(error)),
        Err(error) => Verdict::Trapped(error.to_string()),
    };
    let cycles = process.clk();
    let record = process.tracer().record();
    let mut places = Places::new();
    let event_name = |id: EventId| match SystemEvent::from_event_id(id) {
        Some(event) => event.event_name().to_string(),
        None => match host.resolve_event(id) {
            Some(name) => name.to_string(),
            None => format!("event {id}"),
        },
    };
    let mut add = |at: At, answer| {
        places.entry(at).or_insert_with(|| {
            let mut location = process.locate(at.position, &host);
            location.instance = subject.composition.map(|_| at.instance);
            let named = at
                .procedure
                .and_then(|digest| subject.procedures.get(&digest));
            if location.procedure.is_none() {
                location.procedure = named.cloned();
            }
            let plain = location.procedure.take().map(|name| {
                let name = name.strip_prefix("::").unwrap_or(&name);
                name.strip_prefix("$exec::").unwrap_or(name).to_owned()
            });
            location.procedure = plain;
            TakingPlace {
                location: location.into(),
                answer,
            }
        });
    };
    for take in &record.takes {
        let origin = (take.first..take.first + take.len)
            .map(|i| record.elements[i].origin)
            .find(|&origin| origin != Origin::Input);
        let answer = match origin {
            None => continue,
            Some(Origin::Answer(Some(number))) => Answer::Event(event_name(record.events[number])),
            Some(_) => Answer::Stack,
        };
        add(take.at, answer);
    }
    for &(_, at) in &record.paths {
        add(at, Answer::Path);
    }
    let (_, _, recorder) = process.into_parts();
    Ok((
        HonestRun { verdict, cycles },
        recorder.into_record(),
        places,
    ))
}

/// Returns what a run that ended shows of itself.
fn outputs<T: Tracer>(process: &Process<T>, stack: StackOutputs, memory: bool) -> Outputs {
    let memory = memory.then(|| {
        let elements = process.memory().state(ContextId::ROOT).into_iter();
        elements.filter(|(_, value)| value.as_int() != 0).collect()
    });
    Outputs {
        stack,
        memory_outputs: process.memory_io().outputs,
        transcript: process.precompile_transcript().state(),
        memory,
    }
}

/// Returns `true` if a verifier that computes what was left to precompiles comes to the same
/// transcript. The liar has no say in what precompiles computed that the verifier does not know.
fn is_verified(
    requests: &[PrecompileRequest],
    transcript: Word,
    registry: &PrecompileVerifierRegistry,
) -> bool {
    match registry.requests_transcript(requests) {
        Ok(computed) => computed.state() == transcript,
        Err(PrecompileVerificationError::VerifierNotFound { .. }) => true,
        Err(_) => false,
    }
}

/// Everything that lies are judged by.
struct Session<'a, H> {
    subject: &'a Subject<'a, H>,
    campaign: &'a LieCampaign,
    honest: &'a Verdict,
    record: &'a Record,
    others: &'a [Record],
    places: &'a Places,
    bounds: ExecutionOptions,
}

impl<H: Host> Session<'_, H> {
    /// Runs with a lie.
    fn judge(&self, lie: Lie, number: u64, report: &mut LieReport) {
        let kind = lie.kind;
        let lied = self.lied(&lie);
        let verdict = self.run(lie);
        let place = self.place(kind, &lied);
        let mut tally = LieTally::default();
        match verdict {
            Verdict::Trapped(_) => tally.refused = 1,
            Verdict::CutOff => tally.cut_off = 1,
            verdict if verdict == *self.honest => tally.same = 1,
            Verdict::Accepted(outputs) => {
                tally.accepted = 1;
                report.findings.push(Finding {
                    number,
                    kind,
                    place: place.clone(),
                    lied,
                    outputs,
                });
            }
        }
        report.kinds.entry(kind).or_default().add(tally);
        report.places.entry(place).or_default().add(tally);
    }

    fn run(&self, lie: Lie) -> Verdict {
        let Subject {
            program,
            composition,
            arguments,
            advice,
            host,
            ..
        } = self.subject;
        let initial = advice.stack.len();
        let liar = Liar::new(self.record, self.others, lie, &self.campaign.trust, initial);
        let kernel = program.kernel().clone();
        let mut process = Process::new(kernel, arguments, advice.clone(), self.bounds, liar);
        match process.execute(program, *composition, &mut host()) {
            Err(error) => match error.trap() {
                Some(Trap::CycleLimitExceeded(_) | Trap::LimitExceeded { .. }) => Verdict::CutOff,
                _ => Verdict::Trapped(String::new()),
            },
            Ok(stack) => {
                let outputs = outputs(&process, stack, self.campaign.memory);
                let requests = process.advice().precompile_requests();
                match is_verified(requests, outputs.transcript, self.subject.precompiles) {
                    true => Verdict::Accepted(outputs),
                    false => Verdict::Trapped(String::new()),
                }
            }
        }
    }

    /// Returns what a lie says in the place of what, as far as the honest run had it.
    fn lied(&self, lie: &Lie) -> Vec<Lied> {
        let elements = self.record.elements.iter().enumerate();
        let replayed = lie.replay.and_then(|number| self.others.get(number));
        if let Some(other) = replayed {
            return elements
                .zip(&other.elements)
                .filter(|((_, honest), other)| {
                    honest.origin != Origin::Input && honest.value != other.value
                })
                .map(|((element, honest), other)| Lied {
                    element,
                    honest: honest.value,
                    said: other.value,
                })
                .collect();
        }
        let said = lie.elements.iter().map(|(&element, &said)| Lied {
            element,
            honest: self.record.elements[element].value,
            said,
        });
        said.collect()
    }

    /// Where a lie was taken in first.
    fn place(&self, kind: LieKind, lied: &[Lied]) -> TakingPlace {
        let take = match (lied.first(), self.record.paths.first()) {
            (Some(lied), _) => self.record.elements[lied.element].take,
            (None, Some((_, at))) if kind == LieKind::Path => {
                return self.places.get(at).cloned().unwrap_or_default();
            }
            // The honest host gives up, and this one does not.
            (None, _) => {
                let mut takes = (0..self.record.takes.len()).rev();
                let last = takes.find(|&take| {
                    let take = &self.record.takes[take];
                    let mut elements = take.first..take.first + take.len;
                    elements.any(|i| self.record.elements[i].origin != Origin::Input)
                });
                match last {
                    Some(take) => take,
                    None => return TakingPlace::default(),
                }
            }
        };
        let place = self.places.get(&self.record.takes[take].at);
        place.cloned().unwrap_or_default()
    }
}
