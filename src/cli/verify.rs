//! `verify`.

use core::fmt;
use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use clap::Args;
use miden_cvm::{
    ClaimsError, Expectations, MAX_FILE_LEN, MAX_PROOF_LEN, MinSecurity, ProvenStatement, Records,
    Security, Statement, VerifiedClaim, Word, default_registry, verify_claims, with_reasons,
};
use serde::Serialize;

use super::{
    answers::{ClaimAnswer, TablesAnswer, numbers, write_precompiles, write_security},
    files,
    kind::{Kind, not_a},
    outcome::{Failure, Outcome},
    progress::Progress,
};

/// Verifies a proof.
#[derive(Debug, Args)]
pub struct VerifyCommand {
    /// The proof; `-` is the standard input
    #[arg(short, long, value_name = "FILE")]
    proof: PathBuf,
    /// The statement, which says what is proven; `-` is the standard input
    #[arg(short, long, value_name = "FILE")]
    statement: PathBuf,
    /// Reject a statement about any other program
    #[arg(long, value_name = "DIGEST", value_parser = digest)]
    program_hash: Option<Word>,
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
    /// The proof of a claim that the run makes, or that another claim's proof makes; its statement is
    /// beside it, with the ending `.statement.json`. Can be given several times
    #[arg(long = "claim-proof", value_name = "FILE")]
    claim_proofs: Vec<PathBuf>,
    /// Accept claims without a proof, and list them: then the statement is true only if they are
    #[arg(long)]
    open_claims: bool,
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
            Some(&self.statement),
            self.records.as_ref(),
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
        let proof = read(&self.proof, MAX_PROOF_LEN as u64, "a proof")?;
        let statement = statement(&self.statement)?;
        let mut claim_proofs = Vec::with_capacity(self.claim_proofs.len());
        for path in &self.claim_proofs {
            files::not_standard(path, "the statement of a claim is beside its proof")?;
            let proof = read(path, MAX_PROOF_LEN as u64, "a proof")?;
            let statement = self::statement(&path.with_extension("statement.json"))?;
            claim_proofs.push((statement, proof));
        }
        let records = self.records.as_deref().map(records).transpose()?;
        let mut expectations = Expectations::from(self.security);
        expectations.program_hash = self.program_hash;
        expectations.composition = match &records {
            Some(records) => Some(records.composition().commitment()),
            None => self.composition,
        };
        let started = Instant::now();
        let of_claims: Vec<ProvenStatement<'_>> = claim_proofs
            .iter()
            .map(|(statement, proof)| ProvenStatement {
                public: statement.public_inputs(),
                proof,
            })
            .collect();
        let run = ProvenStatement {
            public: statement.public_inputs(),
            proof: &proof,
        };
        let checked = verify_claims(run, &of_claims, &expectations, &default_registry());
        let checked = checked.map_err(|error| {
            let mut rejected = format!("the proof is rejected: {}", with_reasons(&error));
            for index in proofs_in(&error) {
                let path = self.claim_proofs[index].display();
                rejected += &format!("\n  proof {index} of a claim is `{path}`");
            }
            Failure::failed(match other_kind(&self.proof, Kind::Proof, "a proof") {
                Some(other) => format!("{rejected}\n  {other}"),
                None => rejected,
            })
        })?;
        let open: Vec<String> = checked
            .open()
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
        let verify_seconds = started.elapsed().as_secs_f64();
        drop(progress);
        let public = statement.public_inputs();
        Outcome::new(&VerifyAnswer {
            program_hash: verified.program_hash.to_hex(),
            composition: verified.composition.map(|commitment| commitment.to_hex()),
            stack_inputs: numbers(&public.stack_inputs[..]),
            stack_outputs: numbers(&public.stack_outputs[..]),
            precompiles: verified.precompiles,
            claims: checked.claims.iter().map(ClaimVerified::from).collect(),
            verify_seconds,
            tables: TablesAnswer::new(&verified.heights),
            settings: verified.settings.to_string(),
            security: verified.security,
            advisories: records.map_or_else(Vec::new, |records| records.advisories().to_vec()),
        })
    }
}

/// Reads a file; of a folder it says what it is.
fn read(path: &Path, limit: u64, wanted: &str) -> Result<Vec<u8>, Failure> {
    match not_a(path, wanted).filter(|_| path.is_dir()) {
        Some(text) => Err(Failure::failed(text)),
        None => files::read(path, limit),
    }
}

/// That a file is something else than wanted, if it is known what.
fn other_kind(path: &Path, wanted: Kind, name: &str) -> Option<String> {
    match files::is_standard(path) || Kind::of(path) == wanted {
        true => None,
        false => not_a(path, name),
    }
}

/// The statement in a file.
fn statement(path: &Path) -> Result<Statement, Failure> {
    let statement = read(path, MAX_FILE_LEN, "a statement")?;
    serde_json::from_slice(&statement).map_err(|error| {
        let name = files::name(path);
        let other = other_kind(path, Kind::Statement, "a statement");
        Failure::failed(match other {
            Some(other) => format!("{name} is no statement: {error}\n  {other}"),
            None => format!("{name} is no statement: {error}"),
        })
    })
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

fn digest(text: &str) -> Result<Word, String> {
    let word = Word::try_from(text);
    word.map_err(|error| format!("a digest is `0x` and 64 hexadecimal digits: {error}"))
}

/// The positions of the proofs that an error is about.
fn proofs_in(error: &ClaimsError) -> Vec<usize> {
    match error {
        ClaimsError::Proof { index, .. }
        | ClaimsError::Foreign(index)
        | ClaimsError::Circular(index) => vec![*index],
        ClaimsError::Twice { first, second } => vec![*first, *second],
        _ => Vec::new(),
    }
}

/// A claim, and whether a proof of it was verified.
#[derive(Debug, Serialize)]
struct ClaimVerified {
    claim: ClaimAnswer,
    is_proven: bool,
}

impl From<&VerifiedClaim> for ClaimVerified {
    fn from(verified: &VerifiedClaim) -> Self {
        Self {
            claim: ClaimAnswer::from(&verified.claim),
            is_proven: verified.proof.is_some(),
        }
    }
}

/// The answer of `verify` when the proof is valid.
#[derive(Debug, Serialize)]
struct VerifyAnswer {
    program_hash: String,
    composition: Option<String>,
    stack_inputs: Vec<String>,
    stack_outputs: Vec<String>,
    precompiles: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    claims: Vec<ClaimVerified>,
    /// From the bytes of the proof on.
    verify_seconds: f64,
    tables: TablesAnswer,
    settings: String,
    security: Security,
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
        writeln!(f, "program      {}", self.program_hash)?;
        if let Some(composition) = &self.composition {
            writeln!(f, "composition  {composition}")?;
        }
        for advisory in &self.advisories {
            writeln!(f, "advisory     {advisory}, say the records")?;
        }
        writeln!(f, "inputs       [{}]", self.stack_inputs.join(", "))?;
        writeln!(f, "outputs      [{}]", self.stack_outputs.join(", "))?;
        write_precompiles(f, self.precompiles)?;
        for ClaimVerified { claim, is_proven } in &self.claims {
            let state = if *is_proven { "proven" } else { "open" };
            writeln!(f, "claim        {state}: {claim}")?;
        }
        Ok(())
    }
}
