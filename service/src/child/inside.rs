//! The process of a task, from its beginning to its end.

use std::{
    fs,
    io::{self, BufRead, Read, Write},
    process::{self, ExitCode},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use miden_cvm::{
    Coordinator, CoordinatorError, ExecutionOptions, ExecutionTrace, Felt, GroupPart, Inputs,
    ProveError, ProveOptions, ProvenRun, ProverError, SlicedRun, Stage, Table, TableRows, Target,
    Trace, TracedExecutionError, Worker, WorkerError, execute_traced, execute_traced_rows,
    prove_run,
};
use rlimit::Resource;
use tracing::{Subscriber, span::Id};
use tracing_subscriber::{
    Layer, Registry,
    layer::{Context, SubscriberExt},
    registry::LookupSpan,
    util::SubscriberInitExt,
};

use super::{Failure, Head, MAX_LINE_BYTES, Said, Told};
use crate::{
    job::{Digest, Options, Role},
    jobs::Made,
    record::{CauseKind, Phase, Report},
};

/// Room for recursion into code.
const STACK_SIZE: usize = 1 << 26;

/// Does the task on the standard input: the whole life of the process.
pub fn main() -> ExitCode {
    match work() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn work() -> io::Result<()> {
    let mut stdin = io::stdin().lock();
    let head: Head = serde_json::from_slice(&read_line(&mut stdin)?)?;
    // What the process writes to, however it came by it. Nothing else can be lost: it has no files.
    let (_, hard) = Resource::DATA.get()?;
    let memory = head.memory.min(hard);
    Resource::DATA.set(memory, memory)?;
    // Where memory is short all the same, it is this process that the system ends.
    fs::write("/proc/self/oom_score_adj", "1000").ok();
    let target = read_bytes(&mut stdin, head.target_bytes)?;
    let inputs = read_bytes(&mut stdin, head.inputs_bytes)?;
    drop(stdin);
    let (to, told) = sync_channel(1);
    // Nobody is left for whom to go on when the other end is gone, however it went.
    thread::spawn(move || {
        listen(&to).ok();
        process::exit(1);
    });
    let thread = thread::Builder::new()
        .stack_size(STACK_SIZE)
        .spawn(move || {
            let job = Job::new(head.options, memory, &target, &inputs)?;
            match head.role {
                Role::Whole => job.prove().map(Some),
                Role::Part(part) => job.answer(part, &told),
                Role::Coordinator => job.coordinate(&told).map(Some),
            }
        })?;
    let made = thread
        .join()
        .map_err(|_| io::Error::other("the prover panicked, which is a mistake in it"))?;
    match made {
        Ok(Some(made)) => {
            let said = Said::Made {
                report: made.report,
                statement_bytes: made.statement.len() as u64,
                proof_bytes: made.proof.len() as u64,
            };
            say(&said, &[&made.statement, &made.proof])
        }
        // It was told to end.
        Ok(None) => Ok(()),
        Err(Failure { kind, message }) => say(&Said::Failed { kind, message }, &[]),
    }
}

fn read_line(stdin: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    stdin.take(MAX_LINE_BYTES).read_until(b'\n', &mut line)?;
    Ok(line)
}

fn read_bytes(stdin: &mut impl Read, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stdin.take(length).read_to_end(&mut bytes)?;
    match bytes.len() as u64 == length {
        true => Ok(bytes),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Passes on what the process is told, until there is no more.
fn listen(to: &SyncSender<(Told, Vec<u8>)>) -> io::Result<()> {
    let mut stdin = io::stdin().lock();
    loop {
        let told: Told = serde_json::from_slice(&read_line(&mut stdin)?)?;
        let (Told::Request { bytes } | Told::Reply { bytes, .. }) = told;
        let bytes = read_bytes(&mut stdin, bytes)?;
        // When nobody takes it the process is about to end, which the other end waits for.
        to.send((told, bytes)).ok();
    }
}

/// Says a line and the bytes behind it.
fn say(said: &Said, parts: &[&[u8]]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    serde_json::to_writer(&mut stdout, said)?;
    stdout.write_all(b"\n")?;
    for part in parts {
        stdout.write_all(part)?;
    }
    stdout.flush()
}

/// That a run is refused: it would be again.
fn refused(error: impl ToString) -> Failure {
    Failure {
        kind: CauseKind::Trap,
        message: error.to_string(),
    }
}

/// A job, or what there is to do for it.
struct Job {
    options: Options,
    execution: ExecutionOptions,
    /// The most memory that the process may write to, in bytes.
    memory: u64,
    target: Target,
    inputs: Inputs,
    proving: ProveOptions,
    began: Instant,
}

impl Job {
    fn new(options: Options, memory: u64, target: &[u8], inputs: &[u8]) -> Result<Self, Failure> {
        let mut proving = ProveOptions::from(options.settings);
        proving.slices = options.slices.into();
        let expected = ExecutionOptions::default().expected_cycles();
        let expected = expected.min(options.max_cycles);
        let execution = ExecutionOptions::new(options.max_cycles, expected).map_err(refused)?;
        let mut target = Target::from_bytes(target).map_err(refused)?;
        // Runs for claimed results may be as long as the job's own.
        target.prepare_claims(&|_| None, execution);
        Ok(Self {
            options,
            execution: execution.with_slices(proving.slices),
            memory,
            target,
            inputs: Inputs::from_bytes(inputs).map_err(refused)?,
            proving,
            began: Instant::now(),
        })
    }

    /// That the run has no trace.
    fn no_trace(&self, error: TracedExecutionError) -> Failure {
        refused(match &error {
            TracedExecutionError::Execution(trap) => match self.target.describe(trap) {
                Some(described) => described.to_string(),
                None => error.to_string(),
            },
            _ => error.to_string(),
        })
    }

    /// Runs the job.
    fn run(&self) -> Result<ExecutionTrace, Failure> {
        let Self {
            target, execution, ..
        } = self;
        let Inputs { arguments, advice } = self.inputs.clone();
        let run = execute_traced(target, arguments, advice, &mut target.host(), *execution);
        run.map_err(|error| self.no_trace(error))
    }

    /// Runs the job for some rows of its trace.
    fn rows(&self, rows: &TableRows) -> Result<ExecutionTrace, Failure> {
        let Self {
            target, execution, ..
        } = self;
        let Inputs { arguments, advice } = self.inputs.clone();
        let host = &mut target.host();
        let run = execute_traced_rows(target, arguments, advice, host, *execution, rows);
        run.map_err(|error| self.no_trace(error))
    }

    /// Runs the job for what is public of it, and how high its tables are.
    fn sliced(&self) -> Result<(SlicedRun, u64), Failure> {
        let run = self.rows(&TableRows::default())?;
        let cycles = run.lengths.cycles as u64;
        Ok((SlicedRun::new(run, &self.proving).map_err(refused)?, cycles))
    }

    /// Runs the job and proves the run.
    fn prove(&self) -> Result<Made, Failure> {
        let phases = Phases::default();
        // There is one proof in a process. Without it phases are not known, and nothing else is lost.
        Registry::default().with(phases.clone()).try_init().ok();
        let run = self.run()?;
        let run_seconds = self.began.elapsed().as_secs_f64();
        let cycles = run.lengths.cycles as u64;
        let started = Instant::now();
        let mut proving = self.proving;
        proving.memory = self.memory_left(&run.trace);
        let proven = prove_run(run, &proving).map_err(|error| self.unproven(error))?;
        let report = Report {
            cycles,
            run_seconds,
            prove_seconds: started.elapsed().as_secs_f64(),
            phases: phases.told(),
            ..Report::default()
        };
        made(&proven, report)
    }

    /// The memory that rows may take with what is made of them: what this process may write to, without what it
    /// has besides these rows; nothing where the system does not tell.
    fn memory_left(&self, rows: &Trace) -> Option<usize> {
        let used = status("VmData:")?;
        let cells = Table::ALL.iter().map(|&table| rows.cells(table).len());
        let rows = (cells.sum::<usize>() * size_of::<Felt>()) as u64;
        let left = self.memory.saturating_add(rows).saturating_sub(used);
        // An allocator takes somewhat more than it is asked for.
        usize::try_from(left - left / 8).ok()
    }

    /// That there is not enough memory, or that a run cannot be proven.
    fn unproven(&self, error: ProveError) -> Failure {
        match &error {
            ProveError::Prover(ProverError::Memory { .. }) => Failure {
                kind: CauseKind::Memory,
                message: format!(
                    "the proof needs more than the {} MiB of memory that a job may have: {error}",
                    self.memory >> 20
                ),
            },
            _ => refused(error),
        }
    }

    /// A part of the run, if what its worker takes is no more than a job may have.
    fn part(&self, run: &SlicedRun, number: u8) -> Result<GroupPart, Failure> {
        let part = run.part(number.into()).map_err(refused)?;
        let needed = part.memory();
        match self.memory_left(&Trace::default()) {
            Some(left) if needed > left => Err(Failure {
                kind: CauseKind::Memory,
                message: format!(
                    "part {number} of {} takes at least {} MiB for its rows and what is made of them, more \
                     than is left of the {} MiB of memory that a job may have",
                    self.options.slices,
                    needed.div_ceil(1 << 20),
                    self.memory >> 20
                ),
            }),
            _ => Ok(part),
        }
    }

    /// A worker for a part of the run, which is run once more for the part's rows.
    fn worker(&self, run: &SlicedRun, part: u8) -> Result<Worker, Failure> {
        let part = self.part(run, part)?;
        let ExecutionTrace { trace, .. } = self.rows(part.rows())?;
        let memory = self.memory_left(&trace);
        let worker = part.worker(trace, memory);
        worker.map_err(|error| self.unproven(error.into()))
    }

    /// Answers for a part, until nobody asks any more.
    fn answer(&self, part: u8, told: &Receiver<(Told, Vec<u8>)>) -> Result<Option<Made>, Failure> {
        let (run, _) = self.sliced()?;
        let mut worker = self.worker(&run, part)?;
        let mut began = self.began;
        while let Ok((_, request)) = told.recv() {
            let answered = worker.answer(&request);
            let said = match &answered {
                Ok(reply) => Said::Replied {
                    bytes: reply.len() as u64,
                    seconds: began.elapsed().as_secs_f64(),
                    peak_memory: peak_memory(),
                },
                Err(WorkerError::Challenges) => Said::Anew,
                Err(error) => {
                    return Err(Failure::crash(format!(
                        "the coordinator asks for something else than this run: {error}"
                    )));
                }
            };
            let reply = answered.unwrap_or_default();
            say(&said, &[&reply]).map_err(Failure::crash)?;
            // The next one counts from when it is asked.
            began = Instant::now();
        }
        Ok(None)
    }

    /// Asks the workers of all parts, stage by stage, until there is a proof. Whose answer is wrong is
    /// named, and then all are asked again from the first stage on: who answered rightly says the same
    /// again, as long as the same is asked.
    fn coordinate(&self, told: &Receiver<(Told, Vec<u8>)>) -> Result<Made, Failure> {
        let (run, cycles) = self.sliced()?;
        // Who asks may have to do the work of any part again.
        for part in 0..self.options.slices {
            self.part(&run, part)?;
        }
        let run_seconds = self.began.elapsed().as_secs_f64();
        let started = Instant::now();
        let proven = loop {
            let mut round = Round::new(&run).map_err(refused)?;
            match round.follow(told)? {
                Ended::Proven(proven) => break *proven,
                Ended::Refused { part, error } => {
                    let wrong = self.wrong(&round, part, &error)?;
                    let message = error.to_string();
                    say(&Said::Refused { message, wrong }, &[]).map_err(Failure::crash)?;
                }
            }
        };
        let report = Report {
            cycles,
            run_seconds,
            prove_seconds: started.elapsed().as_secs_f64(),
            ..Report::default()
        };
        made(&proven, report)
    }

    /// The answers that are at fault for an error: the part, and the name of what it answered so. An error
    /// that names nobody, or does not say which of two answers is the right one, is looked into by doing the parts'
    /// work again.
    fn wrong(
        &self,
        round: &Round<'_>,
        part: u8,
        error: &CoordinatorError,
    ) -> Result<Vec<(u8, Digest)>, Failure> {
        let mut names = round.stages.iter().rev().map(Asked::name);
        let last = names.next().ok_or_else(|| Failure::crash(error))?;
        let before = names.next();
        let number = |group: &usize| u8::try_from(*group).unwrap_or(u8::MAX);
        Ok(match error {
            CoordinatorError::Sums => {
                let parts = 0..self.options.slices;
                let found = parts.map(|part| self.first_wrong(round, part));
                let found: Vec<_> = found.collect::<Result<_, _>>()?;
                let found: Vec<_> = found.into_iter().flatten().collect();
                if found.is_empty() {
                    return Err(Failure::crash(format!("{error}, and no worker is wrong")));
                }
                found
            }
            CoordinatorError::Changed(_) => match self.first_wrong(round, part)? {
                Some(found) => vec![found],
                None => return Err(Failure::crash(format!("{error}, but is right"))),
            },
            // The rows say so of a share that came before them.
            CoordinatorError::Share(group) if round.is_of_rows() => {
                vec![(number(group), before.unwrap_or(last))]
            }
            CoordinatorError::Constraints(group)
            | CoordinatorError::Share(group)
            | CoordinatorError::Opening(group) => vec![(number(group), last)],
            CoordinatorError::Message(_) => vec![(part, last)],
            _ => return Err(Failure::crash(error)),
        })
    }

    /// The first answer of a part that is not the one that follows from the run.
    fn first_wrong(&self, round: &Round<'_>, part: u8) -> Result<Option<(u8, Digest)>, Failure> {
        let mut worker = self.worker(round.run, part)?;
        for asked in &round.stages {
            let Some(Some(reply)) = asked.replies.get(usize::from(part)) else {
                break;
            };
            let right = worker.answer(&asked.request).map_err(Failure::crash)?;
            if right != *reply {
                return Ok(Some((part, asked.name())));
            }
        }
        Ok(None)
    }
}

/// A stage that was asked, and what was answered so far.
struct Asked {
    request: Vec<u8>,
    /// By part.
    replies: Vec<Option<Vec<u8>>>,
}

impl Asked {
    /// The name of the request.
    fn name(&self) -> Digest {
        Digest::of(&[&self.request])
    }
}

/// The stages of a proof, from the first one to the last one that was asked.
struct Round<'a> {
    run: &'a SlicedRun,
    coordinator: Coordinator,
    stages: Vec<Asked>,
}

/// The end of a round.
enum Ended {
    Proven(Box<ProvenRun>),
    Refused { part: u8, error: CoordinatorError },
}

impl<'a> Round<'a> {
    fn new(run: &'a SlicedRun) -> Result<Self, ProveError> {
        Ok(Self {
            coordinator: run.coordinator()?,
            run,
            stages: Vec::new(),
        })
    }

    /// Returns `true` if rows are asked for.
    fn is_of_rows(&self) -> bool {
        self.coordinator.stage() == Stage::Rows
    }

    /// Asks stage by stage.
    fn follow(&mut self, told: &Receiver<(Told, Vec<u8>)>) -> Result<Ended, Failure> {
        loop {
            let request = self.coordinator.request();
            let said = Said::Asked {
                stage: self.coordinator.stage().name().into(),
                bytes: request.len() as u64,
            };
            say(&said, &[&request]).map_err(Failure::crash)?;
            let mut asked = Asked {
                request,
                replies: vec![None; self.coordinator.awaited().len()],
            };
            while asked.replies.iter().any(Option::is_none) {
                let (part, reply) = match told.recv() {
                    Ok((Told::Reply { part, .. }, reply)) => (part, reply),
                    _ => return Err(Failure::crash("there is nobody to ask")),
                };
                let received = self.coordinator.receive_from(part.into(), &reply);
                if let Some(place) = asked.replies.get_mut(usize::from(part)) {
                    *place = Some(reply);
                }
                if let Err(error) = received {
                    self.stages.push(asked);
                    return Ok(Ended::Refused { part, error });
                }
                if let Some(proof) = self.coordinator.proof() {
                    let proven = self.run.proven(proof).map_err(refused)?;
                    return Ok(Ended::Proven(Box::new(proven)));
                }
                if asked.replies.iter().any(Option::is_none) {
                    say(&Said::Taken, &[]).map_err(Failure::crash)?;
                }
            }
            self.stages.push(asked);
        }
    }
}

/// A proven run, in bytes, with the resources that it took as far as they are known.
fn made(proven: &ProvenRun, report: Report) -> Result<Made, Failure> {
    let heights = proven.proof.heights();
    let statement = serde_json::to_vec(&proven.statement).map_err(refused)?;
    let proof = proven.proof.to_bytes();
    Ok(Made {
        report: Report {
            rows: heights.tables().map(|table| heights.of(table) as u64).sum(),
            peak_memory: peak_memory(),
            proof_bytes: proof.len() as u64,
            ..report
        },
        statement: statement.into(),
        proof: Bytes::from(proof),
    })
}

/// The most memory that this process had, in bytes; 0 where the system does not tell.
fn peak_memory() -> u64 {
    status("VmHWM:").unwrap_or_default()
}

/// A number of bytes that the system tells of this process.
fn status(name: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1 << 10)
}

/// The time that spans take, by their names.
#[derive(Debug, Clone, Default)]
struct Phases(Arc<Mutex<Vec<(&'static str, Duration)>>>);

/// When a span was entered.
struct Entered(Instant);

/// The deepest spans that are told.
const MAX_DEPTH: usize = 2;

impl Phases {
    fn told(&self) -> Vec<Phase> {
        let phases = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let phases = phases.iter().map(|(name, time)| Phase {
            name: (*name).into(),
            seconds: time.as_secs_f64(),
        });
        phases.collect()
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Phases {
    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && span.scope().count() <= MAX_DEPTH
        {
            span.extensions_mut().replace(Entered(Instant::now()));
        }
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let Some(Entered(at)) = span.extensions_mut().remove() else {
            return;
        };
        let mut phases = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match phases.iter_mut().find(|(name, _)| *name == span.name()) {
            Some((_, time)) => *time += at.elapsed(),
            None => phases.push((span.name(), at.elapsed())),
        }
    }
}
