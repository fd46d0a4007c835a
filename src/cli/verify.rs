//! `verify`.

use core::fmt;
use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use clap::Args;
use miden_cvm::{
    Area, Expectations, MAX_FILE_LEN, MemoryLayout, MinSecurity, Part, Records, Security, Word,
};
use serde::Serialize;

use super::{
    aggregate::{AggregatedAnswer, aggregate},
    answers::{
        ClaimAnswer, ClaimVerified, MemoryAnswer, TablesAnswer, numbers, write_memory,
        write_precompiles, write_security,
    },
    bundle::{Proofs, StatementFile, read},
    files,
    kind::{Kind, other_kind},
    outcome::{Failure, Outcome},
    progress::Progress,
};

/// Verifies a proof.
#[derive(Debug, Args)]
pub struct VerifyCommand {
    /// The proof, or a bundle of it and proofs of its claims; `-` is the standard input
    #[arg(short, long, value_name = "FILE")]
    proof: PathBuf,
    /// The statement, which says what is proven; `-` is the standard input. A bundle has it inside
    #[arg(short, long, value_name = "FILE")]
    statement: Option<PathBuf>,
    /// Reject a statement about any other program
    #[arg(long, value_name = "DIGEST", value_parser = digest)]
    program_hash: Option<Word>,
    /// The place of the inputs in memory that the program with this hash has, if it is no composition:
    /// without it, a statement with any is rejected
    #[arg(long, value_name = "ADDRESS:LENGTH", value_parser = area, requires = "program_hash")]
    memory_inputs: Option<Area>,
    /// Likewise the place of the outputs in memory
    #[arg(long, value_name = "ADDRESS:LENGTH", value_parser = area, requires = "program_hash")]
    memory_outputs: Option<Area>,
    /// Reject a statement about any other composition, by its commitment
    #[arg(long, value_name = "DIGEST", value_parser = digest)]
    composition: Option<Word>,
    /// Reject a statement about any composition but the one with the records in this file, which
    /// `compose` writes
    #[arg(long, value_name = "FILE", conflicts_with = "composition")]
    records: Option<PathBuf>,
    /// Reject a proof of fewer proven bits of security; or of fewer conjectured ones, as in
    /// `conjectured:96`
    #[arg(long, value_name = "BITS", default_value = "100")]
    security: MinSecurity,
    /// The proof of a claim that the run makes, or that another claim's proof makes, with its statement
    /// beside it, with the ending `.statement.json`; or a bundle. Can be given several times
    #[arg(long = "claim-proof", value_name = "FILE")]
    claim_proofs: Vec<PathBuf>,
    /// Accept claims without a proof, and list them: then the statement is true only if they are
    #[arg(long)]
    open_claims: bool,
    /// Show the size of each part of the proof, in bytes
    #[arg(long)]
    sizes: bool,
    /// The aggregation of the run, as `aggregate` has written it: reject the statement of any other run,
    /// and list the statements whose proofs it has verified
    #[arg(long, value_name = "FILE")]
    aggregate: Option<PathBuf>,
}

impl VerifyCommand {
    /// Verifies it.
    ///
    /// # Errors
    /// Returns an error if a file cannot be read, or the reason for which the proof is rejected.
    pub fn run(&self) -> Result<Outcome, Failure> {
        let progress = Progress::start("verifying");
        if [
            Some(&self.proof),
            self.statement.as_ref(),
            self.records.as_ref(),
            self.aggregate.as_ref(),
        ]
        .into_iter()
        .flatten()
        .filter(|path| files::is_standard(path))
        .count()
            > 1
        {
            return Err(Failure::usage(
                "only one of the files can be the standard input",
            ));
        }
        let statement = StatementFile::Given(self.statement.as_deref());
        let proofs = Proofs::read(&self.proof, statement, &self.claim_proofs)?;
        let records = self.records.as_deref().map(records).transpose()?;
        let mut expectations = Expectations::from(self.security);
        expectations.program_hash = self.program_hash;
        expectations.memory = MemoryLayout {
            inputs: self.memory_inputs,
            outputs: self.memory_outputs,
        };
        expectations.composition = match &records {
            Some(records) => Some(records.composition().commitment()),
            None => self.composition,
        };
        let started = Instant::now();
        let checked = proofs.verify(&expectations)?;
        let public = proofs.bundle.run.statement.public_inputs();
        let aggregated = match &self.aggregate {
            Some(path) => Some(aggregate(path, public)?),
            None => None,
        };
        let (statements, of_statements) = match &aggregated {
            Some((list, checked)) => (AggregatedAnswer::list(list), checked.clone()),
            None => Default::default(),
        };
        let open: Vec<String> = checked
            .open()
            .chain(of_statements.open())
            .map(|c| ClaimAnswer::from(c).to_string())
            .collect();
        if !open.is_empty() && !self.open_claims {
            return Err(Failure::failed(format!(
                "the run makes claims that are not proven:\n  {}\n  help: give their proofs (`--claim-proof`), \
                 or accept the statement as one that is true if they are (`--open-claims`)",
                open.join("\n  ")
            )));
        }
        let verified = checked.run;
        let claims = checked.claims.iter().map(ClaimVerified::from);
        let verify_seconds = started.elapsed().as_secs_f64();
        drop(progress);
        Outcome::new(&VerifyAnswer {
            program_hash: verified.program_hash.to_hex(),
            composition: verified.composition.map(|commitment| commitment.to_hex()),
            memory_inputs: public.memory.inputs.as_ref().map(MemoryAnswer::from),
            memory_outputs: public.memory.outputs.as_ref().map(MemoryAnswer::from),
            stack_inputs: numbers(&public.stack_inputs[..]),
            stack_outputs: numbers(&public.stack_outputs[..]),
            precompiles: verified.precompiles + of_statements.precompiles,
            claims: claims.chain(ClaimVerified::list(&of_statements)).collect(),
            aggregated: statements,
            verify_seconds,
            tables: TablesAnswer::new(&verified.heights),
            settings: verified.settings.to_string(),
            security: verified.security,
            sizes: self.sizes.then_some(verified.parts),
            advisories: records.map_or_else(Vec::new, |records| records.advisories().to_vec()),
        })
    }
}

/// The records in a file.
fn records(path: &Path) -> Result<Records, Failure> {
    let wanted = "the records of a composition";
    let records = read(path, MAX_FILE_LEN, wanted)?;
    serde_json::from_slice(&records).map_err(|error| {
        let told = format!(
            "{} has no records of a composition: {error}",
            files::name(path)
        );
        Failure::failed(match other_kind(path, Kind::Records, wanted) {
            Some(other) => format!("{told}\n  {other}"),
            None => told,
        })
    })
}

fn area(text: &str) -> Result<Area, String> {
    let numbers = text.split_once(':');
    let numbers = numbers.and_then(|(address, length)| {
        Some(Area {
            address: address.parse().ok()?,
            length: length.parse().ok()?,
        })
    });
    numbers.ok_or_else(|| "a place is an address and a number of elements, as in `1000:64`".into())
}

fn digest(text: &str) -> Result<Word, String> {
    let word = Word::try_from(text);
    word.map_err(|error| format!("a digest is `0x` and 64 hexadecimal digits: {error}"))
}

/// The answer of `verify` when the proof is valid.
#[derive(Debug, Serialize)]
struct VerifyAnswer {
    program_hash: String,
    composition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_inputs: Option<MemoryAnswer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_outputs: Option<MemoryAnswer>,
    stack_inputs: Vec<String>,
    stack_outputs: Vec<String>,
    precompiles: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    claims: Vec<ClaimVerified>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    aggregated: Vec<AggregatedAnswer>,
    /// From the bytes of the proof on.
    verify_seconds: f64,
    tables: TablesAnswer,
    settings: String,
    security: Security,
    /// If they are asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    sizes: Option<Vec<Part>>,
    /// Those about the code, if the records say so.
    advisories: Vec<String>,
}

impl fmt::Display for VerifyAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "valid        {}\ntables       {}",
            self.settings, self.tables
        )?;
        write_security(f, &self.security)?;
        for Part { name, bytes } in self.sizes.iter().flatten() {
            writeln!(f, "{bytes:>11}  bytes: {name}")?;
        }
        writeln!(f, "program      {}", self.program_hash)?;
        if let Some(composition) = &self.composition {
            writeln!(f, "composition  {composition}")?;
        }
        for advisory in &self.advisories {
            writeln!(f, "advisory     {advisory}, say the records")?;
        }
        writeln!(f, "inputs       [{}]", self.stack_inputs.join(", "))?;
        writeln!(f, "outputs      [{}]", self.stack_outputs.join(", "))?;
        write_memory(f, "inputs", &self.memory_inputs)?;
        write_memory(f, "outputs", &self.memory_outputs)?;
        write_precompiles(f, self.precompiles)?;
        for claim in &self.claims {
            write!(f, "{claim}")?;
        }
        let mut aggregated = self.aggregated.iter();
        aggregated.try_for_each(|aggregated| write!(f, "{aggregated}"))
    }
}
