//! Proofs from files, by themselves or in bundles, and `join`, which makes a bundle.

use core::fmt;
use std::path::{Path, PathBuf};

use clap::Args;
use miden_cvm::{
    BUNDLE_MAGIC, ClaimsError, Expectations, MAX_CLAIM_PROOFS, MAX_FILE_LEN, MAX_PROOF_LEN,
    MinSecurity, ProofBundle, StatedProof, Statement, VerifiedClaims, with_reasons,
};
use serde::Serialize;

use super::{
    answers::ClaimVerified,
    files::{self, Outputs},
    kind::{Kind, not_a, other_kind},
    outcome::{Failure, Outcome},
    progress::Progress,
};

/// Joins the proof of a run and those of its claims into one file.
#[derive(Debug, Args)]
pub struct JoinCommand {
    /// The proof of the run, whose statement is beside it with the ending `.statement.json`; or a
    /// bundle, to which the others are added
    run: PathBuf,
    /// Proofs of claims, each with its statement beside it, and bundles whose run is claimed
    claims: Vec<PathBuf>,
    /// The file to write the bundle to
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

impl JoinCommand {
    /// Joins the proofs, all of which are verified; how secure they are is the verifier's business.
    ///
    /// # Errors
    /// Returns an error if something cannot be read or written, if a proof is rejected, or if it is one of
    /// no claim of the others.
    pub fn run(&self) -> Result<Outcome, Failure> {
        let progress = Progress::start("joining");
        let Self {
            run,
            claims,
            output,
        } = self;
        let proofs = Proofs::read(run, StatementFile::Beside, claims)?;
        let read = [run].into_iter().chain(claims);
        let read: Vec<PathBuf> = read
            .flat_map(|path| [path.clone(), statement_beside(path)])
            .collect();
        let outputs = Outputs::check([("the bundle", output.clone())], &read)?;
        let expectations = Expectations::from(MinSecurity::Conjectured(0));
        let checked = proofs.verify(&expectations)?;
        let bytes = proofs.bundle.to_bytes();
        drop(progress);
        let outcome = Outcome::new(&JoinAnswer {
            claims: checked.claims.iter().map(ClaimVerified::from).collect(),
            bundle_bytes: bytes.len(),
            bundle: output.display().to_string(),
        })?;
        outputs.answer(outcome, [&bytes[..]])
    }
}

/// The answer of `join`.
#[derive(Debug, Serialize)]
struct JoinAnswer {
    claims: Vec<ClaimVerified>,
    bundle_bytes: usize,
    bundle: String,
}

impl fmt::Display for JoinAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for claim in &self.claims {
            write!(f, "{claim}")?;
        }
        writeln!(
            f,
            "bundle       {}, {} bytes",
            self.bundle, self.bundle_bytes
        )
    }
}

/// The file with the statement of a proof, if nothing else is said.
pub fn statement_beside(proof: &Path) -> PathBuf {
    proof.with_extension("statement.json")
}

/// Where the statement of a proof is. A bundle has it inside.
#[derive(Debug, Clone, Copy)]
pub enum StatementFile<'a> {
    /// Beside the proof.
    Beside,
    /// Where it is said to be, if it is said.
    Given(Option<&'a Path>),
}

/// The proof of a run and those of claims, with the files that they are from.
pub struct Proofs {
    /// The proofs.
    pub bundle: ProofBundle,
    /// The files of proofs of claims that are not inside of a bundle that was added.
    files: Vec<PathBuf>,
    /// The file of the run's proof.
    run: PathBuf,
}

impl Proofs {
    /// Reads the proof of a run with its statement, and the proofs of claims with the statements
    /// beside them. Bundles take the place of any of them, and have no statement beside them.
    ///
    /// # Errors
    /// Returns an error if a file cannot be read or is something else, or if there are too many proofs.
    pub fn read(
        run: &Path,
        statement: StatementFile<'_>,
        claims: &[PathBuf],
    ) -> Result<Self, Failure> {
        let mut bundle = read_bundle(run, statement)?;
        let mut files = vec![run.to_owned(); bundle.claims.len()];
        files.extend_from_slice(claims);
        let mut bundles = Vec::with_capacity(claims.len());
        for path in claims {
            files::not_standard(path, "the statement of a claim is beside its proof")?;
            bundles.push(read_bundle(path, StatementFile::Beside)?);
        }
        bundle.join(bundles);
        match bundle.claims.len() {
            0..=MAX_CLAIM_PROOFS => Ok(Self {
                bundle,
                files,
                run: run.to_owned(),
            }),
            count => Err(Failure::failed(format!(
                "there are {count} proofs of claims, but at most {MAX_CLAIM_PROOFS} go together"
            ))),
        }
    }

    /// Verifies all of them.
    ///
    /// # Errors
    /// Returns why a proof is rejected, and which files it is about.
    pub fn verify(&self, expectations: &Expectations) -> Result<VerifiedClaims, Failure> {
        self.bundle.verify(expectations).map_err(|error| {
            let mut rejected = format!("the proof is rejected: {}", with_reasons(&error));
            for index in proofs_in(&error) {
                rejected += &match self.files.get(index) {
                    Some(path) => format!("\n  proof {index} of a claim is `{}`", path.display()),
                    None => format!("\n  proof {index} of a claim is in one of the bundles"),
                };
            }
            let is_bundle = Kind::of(&self.run) == Kind::Bundle;
            let other = (!is_bundle).then(|| other_kind(&self.run, Kind::Proof, "a proof"));
            Failure::failed(match other.flatten() {
                Some(other) => format!("{rejected}\n  {other}"),
                None => rejected,
            })
        })
    }
}

/// Reads a bundle, or a proof with its statement.
fn read_bundle(path: &Path, statement: StatementFile<'_>) -> Result<ProofBundle, Failure> {
    let bytes = read(path, MAX_FILE_LEN, "a proof")?;
    let name = files::name(path);
    if bytes.starts_with(BUNDLE_MAGIC) {
        // It would not be looked at.
        if let StatementFile::Given(Some(_)) = statement {
            return Err(Failure::usage(format!(
                "{name} is a bundle, which has its statement inside: leave out the other one (`-s`)"
            )));
        }
        return ProofBundle::from_bytes(&bytes)
            .map_err(|error| Failure::failed(format!("{name}: {error}")));
    }
    if bytes.len() > MAX_PROOF_LEN {
        return Err(Failure::failed(format!(
            "{name} has more than the {MAX_PROOF_LEN} bytes that a proof may have"
        )));
    }
    let statement = match statement {
        StatementFile::Beside => read_statement(&statement_beside(path))?,
        StatementFile::Given(Some(statement)) => read_statement(statement)?,
        StatementFile::Given(None) => {
            return Err(Failure::usage(format!(
                "{name} is not a bundle, so it has no statement inside: say where its statement is (`-s`)"
            )));
        }
    };
    Ok(ProofBundle::from(StatedProof {
        statement,
        proof: bytes,
    }))
}

/// Reads a file; of a folder it says what it is.
pub fn read(path: &Path, limit: u64, wanted: &str) -> Result<Vec<u8>, Failure> {
    match not_a(path, wanted).filter(|_| path.is_dir()) {
        Some(text) => Err(Failure::failed(text)),
        None => files::read(path, limit),
    }
}

/// The statement in a file.
fn read_statement(path: &Path) -> Result<Statement, Failure> {
    let statement = read(path, MAX_FILE_LEN, "a statement")?;
    serde_json::from_slice(&statement).map_err(|error| {
        let name = files::name(path);
        let other = other_kind(path, Kind::Statement, "a statement");
        Failure::failed(match other {
            Some(other) => format!("{name} cannot be read as a statement: {error}\n  {other}"),
            None => format!("{name} cannot be read as a statement: {error}"),
        })
    })
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
