//! `aggregate`, and what `verify` reads of it.

use core::fmt;
use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use clap::Args;
use miden_cvm::{
    AdviceInputs, Aggregate, Aggregated, CheckedAggregate, ExecutionOptions, Inputs, MAX_FILE_LEN,
    MAX_PROOFS, Proof, ProofBundle, PublicInputs, Security, Shape, StatedProof, Target,
    VerifierError, WitnessError, default_registry, execute_traced, prove_run, with_reasons,
    witness_advice,
};
use serde::Serialize;

use super::{
    answers::{ClaimVerified, TablesAnswer, numbers, write_precompiles},
    bundle::{Proofs, StatementFile, read, statement_beside},
    files::Outputs,
    outcome::{Failure, Outcome},
    progress::Progress,
    service::{Fetched, RemoteArgs},
    settings::ProofArgs,
};

/// The ending of the file that says what was aggregated.
const ENDING: &str = "aggregate.json";

/// Makes one proof of many.
#[derive(Debug, Args)]
pub struct AggregateCommand {
    /// Proofs of the set `Recursive96` with RPO, each with its statement beside it, with the ending
    /// `.statement.json`, or bundles of them. Of one that is an aggregation itself, what it aggregates is
    /// beside it, too, with the ending `.aggregate.json`
    #[arg(required = true, num_args = 1..=MAX_PROOFS)]
    proofs: Vec<PathBuf>,
    /// The file to write the proof to; its statement and the list of what it aggregates go beside it
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// The settings of the proof. Without hash function, security and parameters it is one that can be
    /// aggregated again; with any of them it is the root of a tree
    #[command(flatten)]
    made: ProofArgs,
    #[command(flatten)]
    remote: RemoteArgs,
}

impl AggregateCommand {
    /// Runs the program that verifies the proofs, proves the run or has it proven, and writes the proof.
    ///
    /// # Errors
    /// Returns an error if something cannot be read or written, if a proof is rejected, or if it is one
    /// that no program verifies.
    pub fn run(&self) -> Result<Outcome, Failure> {
        let options = self.made.options_or(Shape::settings())?;
        let progress = Progress::start("loading");
        let mut read = Vec::new();
        let mut parts = Vec::new();
        let mut inputs = Vec::new();
        for path in &self.proofs {
            read.extend([path.clone(), statement_beside(path)]);
            let beside = path.with_extension(ENDING);
            let ProofBundle { run, claims } =
                Proofs::read(path, StatementFile::Beside, &[])?.bundle;
            let (part, advice) = verified(run, list(&beside)?).map_err(|error| of(path, &error))?;
            if part.aggregate().is_some() {
                read.push(beside);
            }
            parts.push(part);
            inputs.push(advice);
            for claim in claims {
                let (part, advice) = verified(claim, None).map_err(|error| of(path, &error))?;
                parts.push(part);
                inputs.push(advice);
            }
        }
        let [statement_path, aggregate_path] =
            ["statement.json", ENDING].map(|ending| self.output.with_extension(ending));
        let outputs = Outputs::check(
            [
                ("the proof", self.output.clone()),
                ("the statement", statement_path.clone()),
                ("the list of statements", aggregate_path.clone()),
            ],
            &read,
        )?;

        progress.stage("running");
        let started = Instant::now();
        let aggregate = Aggregate::new(parts).map_err(failed)?;
        let program = aggregate.program().map_err(failed)?;
        let mut advice = program.advice();
        inputs.into_iter().for_each(|input| advice.extend(input));
        let target = Target::from(program.program().clone());
        let inputs = Inputs {
            advice,
            ..Inputs::default()
        };
        let check = |public: &PublicInputs| {
            let checked = aggregate.check(public, &default_registry());
            checked.map_err(failed)
        };
        let execution = ExecutionOptions::default();
        let fetched = self.remote.service().map(|service| {
            let settings = options.settings;
            self.remote
                .prove(service, &target, &inputs, &execution, settings, &progress)
        });
        let (made, checked) = match fetched.transpose()?.flatten() {
            Some(made) => {
                let checked = check(made.run.statement.public_inputs())?;
                (made, checked)
            }
            None => {
                let Inputs { arguments, advice } = inputs;
                let host = &mut target.host();
                let trace = execute_traced(&target, arguments, advice, host, execution);
                let trace = trace.map_err(failed)?;
                // Before what takes long.
                let checked = check(&trace.public)?;
                let cycles = trace.lengths.cycles;
                let run_seconds = started.elapsed().as_secs_f64();
                progress.stage("proving");
                let started = Instant::now();
                let made = Fetched {
                    cycles,
                    run_seconds,
                    run: prove_run(trace, &options).map_err(failed)?,
                    prove_seconds: started.elapsed().as_secs_f64(),
                };
                (made, checked)
            }
        };
        drop(progress);
        let Fetched {
            cycles,
            run_seconds,
            prove_seconds,
            run: proven,
        } = made;
        let bytes = proven.proof.to_bytes();
        let outcome = Outcome::new(&AggregateAnswer {
            statements: AggregatedAnswer::list(&aggregate),
            claims: ClaimVerified::list(&checked),
            precompiles: checked.precompiles,
            cycles,
            tables: TablesAnswer::new(proven.proof.heights()),
            settings: options.settings.to_string(),
            security: options
                .settings
                .security(proven.proof.heights(), proven.statement.public_inputs()),
            run_seconds,
            prove_seconds,
            proof_bytes: bytes.len(),
            proof: self.output.display().to_string(),
            statement: statement_path.display().to_string(),
            aggregate: aggregate_path.display().to_string(),
        })?;
        let statement = json(&proven.statement)?;
        outputs.answer(outcome, [&bytes[..], &statement, &json(&aggregate)?])
    }
}

/// A proof that is verified, as one that is aggregated, and the advice of the program that verifies it.
fn verified(
    proven: StatedProof,
    aggregate: Option<Aggregate>,
) -> Result<(Aggregated, AdviceInputs), WitnessError> {
    let StatedProof { statement, proof } = proven;
    let proof = Proof::from_bytes(&proof).map_err(VerifierError::from)?;
    let advice = witness_advice(statement.public_inputs(), &proof)?;
    Ok((Aggregated::new(statement, &proof, aggregate)?, advice))
}

/// Reads what a proof is said to aggregate, if there is such a list.
fn list(path: &Path) -> Result<Option<Aggregate>, Failure> {
    if !path.is_file() {
        return Ok(None);
    }
    let bytes = read(path, MAX_FILE_LEN, "a list of aggregated statements")?;
    let aggregate = serde_json::from_slice(&bytes).map_err(|error| of(path, &error))?;
    Ok(Some(aggregate))
}

/// Reads what a statement is said to aggregate, and checks that it does.
///
/// # Errors
/// Returns an error if the file cannot be read or is something else, or if the statement is another.
pub fn aggregate(
    path: &Path,
    public: &PublicInputs,
) -> Result<(Aggregate, CheckedAggregate), Failure> {
    let bytes = read(path, MAX_FILE_LEN, "a list of aggregated statements")?;
    let aggregate: Aggregate = serde_json::from_slice(&bytes).map_err(|error| of(path, &error))?;
    let checked = aggregate.check(public, &default_registry());
    Ok((aggregate, checked.map_err(|error| of(path, &error))?))
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, Failure> {
    let mut json = serde_json::to_vec_pretty(value).map_err(Failure::failed)?;
    json.push(b'\n');
    Ok(json)
}

fn failed(error: impl core::error::Error) -> Failure {
    Failure::failed(with_reasons(&error))
}

fn of(path: &Path, error: &dyn core::error::Error) -> Failure {
    Failure::failed(format!("`{}`: {}", path.display(), with_reasons(error)))
}

/// A statement that was aggregated.
#[derive(Debug, Serialize)]
pub struct AggregatedAnswer {
    /// In how many other aggregations it is.
    depth: usize,
    program_hash: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    composition: Option<String>,
    stack_inputs: Vec<String>,
    stack_outputs: Vec<String>,
    tables: TablesAnswer,
}

impl AggregatedAnswer {
    /// Those of an aggregation, each before those that it aggregates.
    pub fn list(aggregate: &Aggregate) -> Vec<Self> {
        let mut list = Vec::new();
        Self::collect(aggregate, 0, &mut list);
        list
    }

    fn collect(aggregate: &Aggregate, depth: usize, list: &mut Vec<Self>) {
        for part in aggregate.parts() {
            let public = part.statement().public_inputs();
            list.push(Self {
                depth,
                program_hash: public.program_hash.to_hex(),
                composition: public.composition.as_ref().map(|c| c.commitment().to_hex()),
                stack_inputs: numbers(&public.stack_inputs[..]),
                stack_outputs: numbers(&public.stack_outputs[..]),
                tables: TablesAnswer::new(part.shape().heights()),
            });
            if let Some(aggregate) = part.aggregate() {
                Self::collect(aggregate, depth + 1, list);
            }
        }
    }
}

impl fmt::Display for AggregatedAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (inputs, outputs) = (self.stack_inputs.join(", "), self.stack_outputs.join(", "));
        let (indent, hash) = (2 * self.depth, &self.program_hash);
        write!(f, "aggregated   {:indent$}{hash}", "")?;
        if let Some(composition) = &self.composition {
            write!(f, " in {composition}")?;
        }
        writeln!(f, ": [{inputs}] -> [{outputs}]")
    }
}

/// The answer of `aggregate`.
#[derive(Debug, Serialize)]
struct AggregateAnswer {
    statements: Vec<AggregatedAnswer>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    claims: Vec<ClaimVerified>,
    precompiles: usize,
    cycles: usize,
    tables: TablesAnswer,
    settings: String,
    security: Security,
    run_seconds: f64,
    prove_seconds: f64,
    proof_bytes: usize,
    proof: String,
    statement: String,
    aggregate: String,
}

impl fmt::Display for AggregateAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for aggregated in &self.statements {
            write!(f, "{aggregated}")?;
        }
        for claim in &self.claims {
            write!(f, "{claim}")?;
        }
        write_precompiles(f, self.precompiles)?;
        writeln!(f, "cycles       {}", self.cycles)?;
        writeln!(
            f,
            "tables       {}, in {:.2} s",
            self.tables, self.run_seconds
        )?;
        let Self {
            settings,
            security,
            prove_seconds,
            ..
        } = self;
        writeln!(f, "proven       {settings}, in {prove_seconds:.2} s")?;
        writeln!(f, "security     {security}")?;
        writeln!(f, "proof        {}, {} bytes", self.proof, self.proof_bytes)?;
        writeln!(f, "statement    {}", self.statement)?;
        writeln!(f, "list         {}", self.aggregate)
    }
}
