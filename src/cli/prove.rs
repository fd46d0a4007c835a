//! `prove`.

use core::fmt;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use clap::{Args, value_parser};
use miden_cvm::{
    Claim, ExecutionTrace, Inputs, Limits, MAX_HEIGHT, MAX_PIECES, MAX_PROOF_LEN, Proof,
    ProofBundle, ProofSettings, ProveError, ProveOptions, ProvenRun, Security, SlicedRun,
    StackOutputs, StatedProof, Statement, TableRows, claims_of, execute, prove_run,
};
use serde::{Serialize, Serializer};
use tracing::{Dispatch, dispatcher};

use super::{
    answers::{ClaimAnswer, TablesAnswer, write_precompiles},
    claims::{Claims, OwnersArgs, check_claim, without_advice},
    files::{self, Outputs},
    outcome::{Failure, Outcome},
    progress::Progress,
    run::{CallAnswer, CodeAnswer, OutputsAnswer},
    service::{Fetched, RemoteArgs},
    settings::ProofArgs,
    source::{Loaded, Source},
    timings::{Timing, Timings},
};

/// The most cycles of a run that can be traced: the trace has a row of padding.
pub const LONGEST_RUN: u32 = MAX_HEIGHT as u32 - 1;

/// Proves a run.
#[derive(Debug, Args)]
pub struct ProveCommand {
    #[command(flatten)]
    source: Source,
    /// The file to write the proof to; by default beside the target, with the ending `.proof`
    #[arg(short, long, value_name = "FILE")]
    proof: Option<PathBuf>,
    /// The file to write the statement to, which says what is proven; by default beside the target,
    /// with the ending `.statement.json`
    #[arg(short, long, value_name = "FILE")]
    statement: Option<PathBuf>,
    #[command(flatten)]
    made: ProofArgs,
    /// Show how long each phase took
    #[arg(long)]
    timings: bool,
    /// Report each phase and its progress as lines of JSON on the standard error
    #[arg(long)]
    progress: bool,
    /// Prove, in place of the run, the claim with this number of another proof (`--of`); proof and
    /// statement go, if nothing else is said, beside the target with `.claim-N` before their endings
    #[arg(long, value_name = "N", requires = "of", conflicts_with_all = ["input", "invoke"])]
    claim: Option<usize>,
    /// The proof that makes the claim
    #[arg(long, value_name = "FILE", requires = "claim")]
    of: Option<PathBuf>,
    /// Prove the claims of the run as well, and put all proofs with their statements into this one file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["proof", "statement", "claim"])]
    bundle: Option<PathBuf>,
    #[command(flatten)]
    remote: RemoteArgs,
    #[command(flatten)]
    owners: OwnersArgs,
    /// Cut the longest table into so many slices of the same height, and commit to as many groups of pieces,
    /// each by itself, as several machines do that prove one run: with `--remote`, so many workers of the service
    #[arg(
        long, value_name = "N",
        value_parser = value_parser!(u8).range(1..=MAX_PIECES as i64)
    )]
    slices: Option<u8>,
}

impl ProveCommand {
    /// Runs the target, proves the run and writes proof and statement.
    ///
    /// # Errors
    /// Returns an error if something cannot be loaded or written, if the run traps, or if the
    /// options do not go together.
    pub fn run(&self) -> Result<Outcome, Failure> {
        let mut options = self.made.options()?;
        let settings = options.settings;
        let progress = match self.progress {
            true => Progress::in_lines("loading"),
            false => Progress::start("loading"),
        };
        let longest = settings.set().max_height() as u32 - 1;
        let mut loaded = self.source.load(&progress, longest)?;
        let claim = match (self.claim, &self.of) {
            (Some(number), Some(of)) => Some(take_claim(&mut loaded, number, of)?),
            _ => None,
        };
        let beside = |given: &Option<PathBuf>, ending: &str| {
            let say = "the proof (`-p`) and the statement (`-s`) go";
            let ending = match self.claim {
                Some(number) => format!("claim-{number}.{ending}"),
                None => ending.to_owned(),
            };
            files::or_beside(given.as_ref(), &loaded.file, &ending, say)
        };
        let files = match &self.bundle {
            Some(bundle) => ProofFiles::Bundle(bundle.clone()),
            None => ProofFiles::Parts {
                proof: beside(&self.proof, "proof")?,
                statement: beside(&self.statement, "statement.json")?,
            },
        };
        let outputs = Outputs::check(files.wanted(), &loaded.read)?;

        let claims = Claims::of(&loaded, &self.remote, &self.owners, settings, &progress)?;
        claims.answer(&mut loaded)?;

        progress.stage("running");
        // A trace does not keep the advice, in which messages are.
        let advice = match &loaded.call {
            Some(call) if call.result_is_message() => {
                let Inputs { arguments, advice } = loaded.inputs.clone();
                let options = loaded.options.with_debug(false).with_tracing(false);
                let ran = execute(
                    &loaded.target,
                    arguments,
                    advice,
                    &mut loaded.host(),
                    options,
                );
                Some(ran.map_err(|error| loaded.failure(&error))?.advice)
            }
            _ => None,
        };
        options.slices = self.slices.map_or(1, usize::from);
        loaded.options = loaded.options.with_slices(options.slices);
        let Made {
            cycles,
            statement,
            proof,
            run_seconds,
            prove_seconds,
            timings,
        } = match self.fetch(&loaded, &claims, settings, &progress)? {
            Some(made) => made,
            None => make(&mut loaded, claim.as_ref(), &options, &progress)?,
        };
        check(claim.as_ref(), &statement.public_inputs().stack_outputs)?;

        let made_claims = claims_of(&proof);
        let made_claims = made_claims
            .iter()
            .map(|claim| ClaimAnswer::new(claim, &loaded.target));
        let public = statement.public_inputs();
        let stack = &public.stack_outputs;
        let contents = match &files {
            ProofFiles::Bundle(_) => {
                progress.stage("proving the claims");
                let run = StatedProof::of(&proof, statement.clone());
                let mut bundle = ProofBundle::from(run);
                bundle.prove_claims_with(&loaded.target, &proof, &mut |claimed, claim| {
                    claims.prove(claimed, claim)
                })?;
                vec![bundle.to_bytes()]
            }
            ProofFiles::Parts { .. } => {
                let mut json = serde_json::to_vec_pretty(&statement).map_err(Failure::failed)?;
                json.push(b'\n');
                vec![proof.to_bytes(), json]
            }
        };
        drop(progress);
        let outcome = Outcome::new(&ProveAnswer {
            code: CodeAnswer::new(&loaded.target),
            cycles,
            tables: TablesAnswer::new(proof.heights()),
            call: loaded
                .call
                .as_ref()
                .map(|call| CallAnswer::new(call, stack, advice.as_ref()))
                .transpose()?,
            outputs: OutputsAnswer::new(stack, public.memory.outputs.as_ref()),
            precompiles: proof.requests().len() - made_claims.len(),
            claims: made_claims.collect(),
            settings: settings.to_string(),
            security: proof.security(public),
            run_seconds,
            prove_seconds,
            timings: match self.timings {
                true => timings,
                false => Vec::new(),
            },
            proof_bytes: contents[0].len(),
            files,
        })?;
        outputs.answer(outcome, contents.iter().map(Vec::as_slice))
    }

    /// Has the run proven somewhere else, if that is wanted.
    fn fetch(
        &self,
        loaded: &Loaded,
        claims: &Claims,
        settings: ProofSettings,
        progress: &Progress,
    ) -> Result<Option<Made>, Failure> {
        let Some(service) = self.remote.service() else {
            return Ok(None);
        };
        if *loaded.options.limits() != Limits::default() {
            return Err(Failure::usage(
                "the service has limits of its own: leave out those of the run (`--limit`)",
            ));
        }
        let target = without_advice(&loaded.target);
        let (inputs, options) = (&loaded.inputs, &loaded.options);
        let fetched = self
            .remote
            .prove(service, &target, inputs, options, settings, progress)?;
        let Some(Fetched {
            cycles,
            run_seconds,
            prove_seconds,
            run,
        }) = fetched
        else {
            return Ok(None);
        };
        claims.check(&loaded.target, &run.proof)?;
        Ok(Some(Made {
            cycles,
            statement: run.statement,
            proof: run.proof,
            run_seconds,
            prove_seconds,
            timings: Vec::new(),
        }))
    }
}

/// A proof, and what it took.
struct Made {
    cycles: usize,
    statement: Statement,
    proof: Proof,
    run_seconds: f64,
    prove_seconds: f64,
    timings: Vec<Timing>,
}

/// Puts, in the place of a target and its inputs, those of a claim that is made in a proof.
fn take_claim(loaded: &mut Loaded, number: usize, of: &Path) -> Result<Claim, Failure> {
    let bytes = files::read(of, MAX_PROOF_LEN as u64)?;
    let proof = Proof::from_bytes(&bytes)
        .map_err(|error| Failure::failed(format!("{}: {error}", files::name(of))))?;
    let claims = claims_of(&proof);
    let Some(claim) = claims.get(number).copied() else {
        return Err(Failure::usage(format!(
            "--claim {number}: the proof makes {} claims, which are numbered from 0",
            claims.len()
        )));
    };
    let Some(claimed) = loaded.target.claimed(claim.run.program) else {
        return Err(Failure::failed(format!(
            "claim {number} is of the program {} in the composition {}, which is not a claimed instance here",
            claim.run.program.program_hash, claim.run.program.composition
        )));
    };
    loaded.inputs = claimed.inputs(&claim);
    loaded.target = claimed.target().clone();
    loaded.read.push(of.into());
    Ok(claim)
}

/// Checks that a run has the results that are claimed of it, if it is proven for a claim.
fn check(claim: Option<&Claim>, outputs: &StackOutputs) -> Result<(), Failure> {
    claim.map_or(Ok(()), |claim| check_claim(claim, outputs))
}

/// A run that is proven here.
enum Run {
    /// All of its rows are there.
    Traced(Box<ExecutionTrace>),
    /// No rows are there: there is no memory for all of them.
    Sliced(Box<SlicedRun>),
}

/// Runs here, for the rows of the trace if there is memory for all of them; returns the cycles, too.
fn run(
    loaded: &mut Loaded,
    claim: Option<&Claim>,
    options: &ProveOptions,
) -> Result<(usize, Run), Failure> {
    if options.slices > 1 && options.memory.is_some() {
        let run = loaded.rows(&TableRows::default());
        let run = run.map_err(|error| loaded.no_trace(&error))?;
        // What the program says is said once.
        loaded.options = loaded.options.with_debug(false).with_tracing(false);
        let cycles = run.lengths.cycles;
        check(claim, &run.public.stack_outputs)?;
        let sliced = SlicedRun::new(run, options).map_err(Failure::failed)?;
        if !sliced.fits_at_once().map_err(Failure::failed)? {
            return Ok((cycles, Run::Sliced(Box::new(sliced))));
        }
    }
    let run = loaded.trace()?;
    check(claim, &run.public.stack_outputs)?;
    Ok((run.lengths.cycles, Run::Traced(Box::new(run))))
}

/// Runs and proves here.
fn make(
    loaded: &mut Loaded,
    claim: Option<&Claim>,
    options: &ProveOptions,
    progress: &Progress,
) -> Result<Made, Failure> {
    let started = Instant::now();
    let timings = Arc::new(Timings::new(progress.clone()));
    // There is one proof in a process. Without it, phases are not shown, and nothing else is lost.
    dispatcher::set_global_default(Dispatch::new(timings.clone())).ok();
    let (cycles, run) = run(loaded, claim, options)?;
    let run_seconds = started.elapsed().as_secs_f64();

    progress.stage("proving");
    let started = Instant::now();
    let proven = match run {
        Run::Traced(run) => prove_run(*run, options),
        Run::Sliced(sliced) => sliced.prove_in_turns(|rows| loaded.rows(rows)),
    };
    let ProvenRun {
        proof, statement, ..
    } = proven.map_err(|error| match &error {
        ProveError::Execution(error) => loaded.no_trace(error),
        error => Failure::failed(error),
    })?;
    Ok(Made {
        cycles,
        statement,
        proof,
        run_seconds,
        prove_seconds: started.elapsed().as_secs_f64(),
        timings: timings.phases(),
    })
}

/// The files that a proof goes to.
#[derive(Debug)]
enum ProofFiles {
    /// One, with the proofs of the claims.
    Bundle(PathBuf),
    /// Two.
    Parts { proof: PathBuf, statement: PathBuf },
}

impl Serialize for ProofFiles {
    /// A map from what goes there to the paths, which do not have to be Unicode.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bundle(bundle) => {
                serializer.collect_map([("bundle", bundle.display().to_string())])
            }
            Self::Parts { proof, statement } => serializer.collect_map([
                ("proof", proof.display().to_string()),
                ("statement", statement.display().to_string()),
            ]),
        }
    }
}

impl ProofFiles {
    /// The paths, each with what goes there.
    fn wanted(&self) -> Vec<(&'static str, PathBuf)> {
        match self {
            Self::Bundle(bundle) => vec![("the bundle", bundle.clone())],
            Self::Parts { proof, statement } => vec![
                ("the proof", proof.clone()),
                ("the statement", statement.clone()),
            ],
        }
    }
}

/// The answer of `prove`.
#[derive(Debug, Serialize)]
struct ProveAnswer {
    #[serde(flatten)]
    code: CodeAnswer,
    cycles: usize,
    tables: TablesAnswer,
    #[serde(skip_serializing_if = "Option::is_none")]
    call: Option<CallAnswer>,
    #[serde(flatten)]
    outputs: OutputsAnswer,
    precompiles: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    claims: Vec<ClaimAnswer>,
    settings: String,
    security: Security,
    run_seconds: f64,
    prove_seconds: f64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    timings: Vec<Timing>,
    proof_bytes: usize,
    #[serde(flatten)]
    files: ProofFiles,
}

impl fmt::Display for ProveAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        writeln!(f, "cycles       {}", self.cycles)?;
        if let Some(call) = &self.call {
            write!(f, "{call}")?;
        }
        write!(f, "{}", self.outputs)?;
        write_precompiles(f, self.precompiles)?;
        for (number, claim) in self.claims.iter().enumerate() {
            writeln!(f, "claim {number:<6} {claim}")?;
        }
        writeln!(
            f,
            "tables       {}, in {:.2} s",
            self.tables, self.run_seconds
        )?;
        writeln!(
            f,
            "proven       in {:.2} s: {}",
            self.prove_seconds, self.settings
        )?;
        for Timing {
            phase,
            depth,
            seconds,
        } in &self.timings
        {
            let indent = 2 * depth;
            writeln!(f, "  {:indent$}{phase:<40} {seconds:>9.3} s", "")?;
        }
        writeln!(f, "security     {}", self.security)?;
        let bytes = self.proof_bytes;
        match &self.files {
            ProofFiles::Bundle(bundle) => {
                writeln!(f, "bundle       {}, {bytes} bytes", bundle.display())
            }
            ProofFiles::Parts { proof, statement } => {
                writeln!(f, "proof        {}, {bytes} bytes", proof.display())?;
                writeln!(f, "statement    {}", statement.display())
            }
        }
    }
}
