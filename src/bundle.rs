//! A run's proof together with those of its claims, in one file.

use std::collections::BTreeSet;

use miden_core::{
    Word,
    utils::{ByteReader, ByteWriter, Deserializable, DeserializationError, Serializable},
};
use miden_cvm_component::{ArtifactError, read_value};
use miden_cvm_verifier::{
    Claim, ClaimsError, Expectations, Proof, ProvenStatement, Statement, VerifiedClaims,
    default_registry, verify_claims,
};

use crate::{
    Claimed, Inputs, ProveError, ProveOptions, ProvenRun, Target, claims_of,
    portable::{behind, malformed},
    prove,
};

/// The bytes that a bundle begins with; the last one is a version.
pub const BUNDLE_MAGIC: &[u8] = b"MCVMBND\x01";

/// The most proofs of claims that a bundle may have.
pub const MAX_CLAIM_PROOFS: usize = 4096;

const WHAT: &str = "bundle";

/// A proof with the statement that it proves.
#[derive(Debug, Clone)]
pub struct StatedProof {
    /// The statement.
    pub statement: Statement,
    /// The proof's bytes.
    pub proof: Vec<u8>,
}

impl StatedProof {
    /// A proof, and the statement that it proves.
    pub fn of(proof: &Proof, statement: Statement) -> Self {
        Self {
            statement,
            proof: proof.to_bytes(),
        }
    }

    /// The statement in JSON.
    fn json(&self) -> Vec<u8> {
        // A statement has no map with keys that JSON does not have.
        serde_json::to_vec(&self.statement).unwrap_or_default()
    }

    fn as_proven(&self) -> ProvenStatement<'_> {
        ProvenStatement {
            public: self.statement.public_inputs(),
            proof: &self.proof,
        }
    }
}

impl From<ProvenRun> for StatedProof {
    fn from(run: ProvenRun) -> Self {
        Self::of(&run.proof, run.statement)
    }
}

/// The proof of a run, and proofs of claims: of those that the run makes, and of those that proofs
/// of claims make in turn.
///
/// Nothing in it is verified until [`ProofBundle::verify`] does it.
#[derive(Debug, Clone)]
pub struct ProofBundle {
    /// The run's proof.
    pub run: StatedProof,
    /// The proofs of claims, in any order.
    pub claims: Vec<StatedProof>,
}

impl From<StatedProof> for ProofBundle {
    /// A bundle without proofs of claims.
    fn from(run: StatedProof) -> Self {
        Self {
            run,
            claims: Vec::new(),
        }
    }
}

impl ProofBundle {
    /// Adds bundles whose runs are claimed: first the proofs of these runs, and then the proofs of claims
    /// that are in the bundles, but for those of a statement that is there already.
    pub fn join(&mut self, bundles: impl IntoIterator<Item = Self>) {
        let mut nested = Vec::new();
        for Self { run, claims } in bundles {
            self.claims.push(run);
            nested.extend(claims);
        }
        let mut known: BTreeSet<Vec<u8>> = self.claims.iter().map(StatedProof::json).collect();
        nested.retain(|claim| known.insert(claim.json()));
        self.claims.extend(nested);
    }

    /// Proves the claims that the run of a target makes, and those that these make, with the advice that
    /// [`Target::prepare_claims`] has set. Equal claims are proven once.
    ///
    /// # Errors
    /// If a claimed run traps, or if it cannot be proven.
    pub fn prove_claims(
        &mut self,
        target: &Target,
        proof: &Proof,
        proving: &ProveOptions,
    ) -> Result<(), ProveError> {
        self.prove_claims_with(target, proof, &mut |claimed, claim| {
            let Inputs { arguments, advice } = claimed.inputs(claim);
            let target = claimed.target();
            let host = &mut target.host();
            prove(target, arguments, advice, host, claimed.options(), proving)
        })
    }

    /// Adds the proofs that somebody gives of the claims that the run of a target makes, and of those that these
    /// make. Equal claims are asked for once. What a proof claims of other programs than those that are claimed in
    /// its target stays open.
    ///
    /// # Errors
    /// If a proof is not given.
    pub fn prove_claims_with<E>(
        &mut self,
        target: &Target,
        proof: &Proof,
        give: &mut dyn FnMut(&Claimed, &Claim) -> Result<ProvenRun, E>,
    ) -> Result<(), E> {
        let mut proven = BTreeSet::new();
        let mut pending: Vec<(Target, Proof)> = vec![(target.clone(), proof.clone())];
        while let Some((target, proof)) = pending.pop() {
            for claim in claims_of(&proof) {
                let Some(claimed) = target.claimed(claim.run.program) else {
                    continue;
                };
                if !proven.insert(claim.run.digest(Word::default())) {
                    continue;
                }
                let run = give(claimed, &claim)?;
                pending.push((claimed.target().clone(), run.proof.clone()));
                self.claims.push(StatedProof::from(run));
            }
        }
        Ok(())
    }

    /// Verifies all proofs in it, as [`verify_claims`] does.
    ///
    /// # Errors
    /// Returns why a proof is rejected, or why the proofs do not go together.
    pub fn verify(&self, expectations: &Expectations) -> Result<VerifiedClaims, ClaimsError> {
        let claims: Vec<ProvenStatement<'_>> =
            self.claims.iter().map(StatedProof::as_proven).collect();
        let run = self.run.as_proven();
        verify_claims(run, &claims, expectations, &default_registry())
    }

    /// The bundle as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = BUNDLE_MAGIC.to_vec();
        self.run.write_into(&mut bytes);
        self.claims.write_into(&mut bytes);
        bytes
    }

    /// Reads what [`ProofBundle::to_bytes`] gives. Whatever the bytes are, lengths in them are bounded
    /// by their own. Statements are read as [`Statement`] is; proofs are not looked at.
    ///
    /// # Errors
    /// Returns an error if the bytes are no bundle, or one of more than [`MAX_CLAIM_PROOFS`] proofs
    /// of claims.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ArtifactError> {
        let BundleParts { run, claims } = read_value(behind(bytes, BUNDLE_MAGIC, WHAT)?, WHAT)?;
        if claims.len() > MAX_CLAIM_PROOFS {
            let count = claims.len();
            return Err(malformed(
                WHAT,
                format!("it has {count} proofs of claims, of which it may have {MAX_CLAIM_PROOFS}"),
            ));
        }
        Ok(Self { run, claims })
    }
}

/// The parts of a bundle.
struct BundleParts {
    run: StatedProof,
    claims: Vec<StatedProof>,
}

impl Deserializable for BundleParts {
    fn read_from<R: ByteReader>(source: &mut R) -> Result<Self, DeserializationError> {
        Ok(Self {
            run: StatedProof::read_from(source)?,
            claims: Vec::read_from(source)?,
        })
    }
}

impl Serializable for StatedProof {
    fn write_into<W: ByteWriter>(&self, target: &mut W) {
        self.json().write_into(target);
        self.proof.write_into(target);
    }
}

impl Deserializable for StatedProof {
    fn read_from<R: ByteReader>(source: &mut R) -> Result<Self, DeserializationError> {
        let mut part = || {
            let length = source.read_usize()?;
            source.read_vec(length)
        };
        let (statement, proof) = (part()?, part()?);
        let statement = serde_json::from_slice(&statement)
            .map_err(|error| DeserializationError::InvalidValue(error.to_string()))?;
        Ok(Self { statement, proof })
    }
}
