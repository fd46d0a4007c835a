//! Verifies proofs of Miden CVM runs.
//!
//! A verifier has a [`Statement`] (what is public about a run) and a proof's bytes, both from
//! outside, and [`Expectations`] of its own. [`verify`] needs neither the program's code nor the
//! run.
//!
//! The protocol is in `stark`. How many bytes each of its messages has follows from the proof's
//! header, the AIR and the queries (`reader` of the AIR), so a proof has one form only, and nothing is believed
//! of its bytes.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

mod claims;
mod error;
mod precompiles;
mod stark;
mod statement;

use alloc::vec::Vec;
pub use miden_core::precompile::{
    PrecompileRequest, PrecompileVerificationError, PrecompileVerifier, PrecompileVerifierRegistry,
};

use miden_core::{Felt, Word};
use miden_cvm_air::{air::CvmAir, composition::Composition};
pub use miden_cvm_air::{
    claim::{CLAIM_EVENT, Claim, ClaimError, ClaimedProgram, ClaimedRun},
    heights::Heights,
    memory_io::{
        Area, Arguments, ArgumentsError, MemoryIo, MemoryLayout, MemoryLayoutError, MemorySegment,
    },
    options::{HashFunction, OptionSet, ProofSettings, SettingsError},
    proof::{Proof, ProofError},
    public::PublicInputs,
    reader::{LayoutError, Part},
    security::{MinSecurity, ParseSecurityError, Rounds, Security, SecurityParts},
    table::Table,
};
use winter_air::FieldExtension;
use winter_math::fields::{CubeExtension, QuadExtension};

use crate::stark::Judge;

pub use crate::{
    claims::{
        ClaimsError, ProvenStatement, VerifiedClaim, VerifiedClaims, claimed_run, claims_among,
        verify_claims, with_claims,
    },
    error::VerifierError,
    precompiles::{RequestError, check_requests, default_registry},
    stark::{Observer, Rejection},
    statement::{MAX_RECORDS, Records, Statement, StatementError},
};

/// The demands of a verifier, beyond the proof's being one of the statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Expectations {
    /// The least security that is accepted: 100 proven bits if nothing is said.
    pub min_security: MinSecurity,
    /// The hash that the program has to have.
    pub program_hash: Option<Word>,
    /// The commitment that the composition has to have; with one, open programs are rejected.
    pub composition: Option<Word>,
    /// The places of inputs and outputs in memory that an open program with the expected hash has to
    /// have. By default there are none: whoever makes a statement must not choose what a known program
    /// finds in its memory. Those of a composition are in its commitment.
    pub memory: MemoryLayout,
}

impl From<MinSecurity> for Expectations {
    /// This security, any program.
    fn from(min_security: MinSecurity) -> Self {
        Self {
            min_security,
            ..Self::default()
        }
    }
}

/// The result of verifying a proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The settings with which the proof was made.
    pub settings: ProofSettings,
    /// The security that it has.
    pub security: Security,
    /// The heights of the tables.
    pub heights: Heights,
    /// The number of groups that their pieces were dealt out to.
    pub groups: usize,
    /// The program's hash.
    pub program_hash: Word,
    /// The composition's commitment; none for an open program.
    pub composition: Option<Word>,
    /// The number of computations of precompiles that were repeated.
    pub precompiles: usize,
    /// The bytes of the STARK proof, part by part.
    pub parts: Vec<Part>,
}

/// Verifies that `proof` is a proof of a run with these public inputs, and that they and it are as
/// expected. The run may have used the core library's precompiles, and no others, and may make no
/// claims: for these there is [`verify_claims`].
///
/// # Errors
/// Returns why the proof is rejected. No input makes it panic, or allocate more than in proportion
/// to the inputs.
pub fn verify(
    public: &PublicInputs,
    proof: &[u8],
    expectations: &Expectations,
) -> Result<Verified, VerifierError> {
    verify_with(public, proof, expectations, &default_registry())
}

/// Verifies as [`verify`] does, with these verifiers for what the run left to precompiles.
///
/// # Errors
/// Returns why the proof is rejected, as [`verify`] does, as long as the registered verifiers
/// neither panic nor allocate too much.
pub fn verify_with(
    public: &PublicInputs,
    proof: &[u8],
    expectations: &Expectations,
    registry: &PrecompileVerifierRegistry,
) -> Result<Verified, VerifierError> {
    let registry = with_claims(registry);
    match check(public, proof, expectations, &registry)? {
        (verified, claims) if claims.is_empty() => Ok(verified),
        (_, claims) => Err(VerifierError::Claims(claims.len())),
    }
}

/// Verifies the part of a proof that is neither of its header nor of its requests, told step by step
/// to an observer. Nothing is known of the public inputs but that the transcript begins with them.
///
/// # Errors
/// Returns why the bytes are not those of a proof, or what the observer makes of a proof that proves
/// nothing.
pub fn observe(
    public: &PublicInputs,
    proof: &Proof,
    observer: &mut dyn Observer,
) -> Result<(), VerifierError> {
    let air = proof.air(public.clone());
    verify_stark(&air, proof, observer).map(drop)
}

/// Verifies the STARK proof; returns its parts.
fn verify_stark(
    air: &CvmAir,
    proof: &Proof,
    observer: &mut dyn Observer,
) -> Result<Vec<Part>, VerifierError> {
    let (settings, stark) = (proof.settings(), proof.stark());
    match air.options().field_extension() {
        FieldExtension::Cubic => {
            stark::verify::<CubeExtension<Felt>>(air, settings, stark, observer)
        }
        // No set is without an extension.
        FieldExtension::Quadratic | FieldExtension::None => {
            stark::verify::<QuadExtension<Felt>>(air, settings, stark, observer)
        }
    }
}

/// Verifies as [`verify_with`] does, for who knows of what the run left to precompiles only what the proof
/// says: the transcript of the public inputs is replaced by the one that its requests lead to.
///
/// # Errors
/// Returns why the proof is rejected, as [`verify_with`] does.
pub fn verify_with_requests(
    mut public: PublicInputs,
    proof: &Proof,
    expectations: &Expectations,
    registry: &PrecompileVerifierRegistry,
) -> Result<Verified, VerifierError> {
    let composition = check_statement(&public, expectations)?;
    count_requests(proof)?;
    let transcript = registry.requests_transcript(proof.requests());
    public.precompile_transcript = transcript.map_err(RequestError::from)?.state();
    let verified = check_proof(&public, composition, proof, expectations)?;
    match claims_among(proof.requests()) {
        claims if claims.is_empty() => Ok(verified),
        claims => Err(VerifierError::Claims(claims.len())),
    }
}

/// Verifies a proof; returns the claims that its run makes too, without those of their proofs.
fn check(
    public: &PublicInputs,
    proof: &[u8],
    expectations: &Expectations,
    registry: &PrecompileVerifierRegistry,
) -> Result<(Verified, Vec<Claim>), VerifierError> {
    let composition = check_statement(public, expectations)?;
    let proof = Proof::from_bytes(proof)?;
    count_requests(&proof)?;
    let mut verified = check_proof(public, composition, &proof, expectations)?;
    // Last, since a run without a proof is not worth repeating anything of it.
    check_requests(proof.requests(), public.precompile_transcript, registry)?;
    let claims = claims_among(proof.requests());
    verified.precompiles -= claims.len();
    Ok((verified, claims))
}

/// Checks that public inputs are those of a run, and as expected; returns the commitment to their
/// composition.
fn check_statement(
    public: &PublicInputs,
    expectations: &Expectations,
) -> Result<Option<Word>, VerifierError> {
    statement::check(public)?;
    let actual = public.program_hash;
    if let Some(expected) = expectations.program_hash
        && expected != actual
    {
        return Err(VerifierError::ProgramHash { expected, actual });
    }
    if expectations.program_hash.is_some()
        && public.composition.is_none()
        && public.memory.layout() != expectations.memory
    {
        return Err(VerifierError::Memory {
            expected: expectations.memory,
            actual: public.memory.layout(),
        });
    }
    let actual = public.composition.as_ref().map(Composition::commitment);
    if let Some(expected) = expectations.composition
        && actual != Some(expected)
    {
        return Err(VerifierError::Composition { expected, actual });
    }
    Ok(actual)
}

/// Checks that a run can have made as many requests as a proof has.
fn count_requests(proof: &Proof) -> Result<(), VerifierError> {
    let (count, rows) = (proof.requests().len(), proof.heights().of(Table::Core));
    match count <= rows {
        true => Ok(()),
        false => Err(VerifierError::TooManyRequests { count, rows }),
    }
}

/// Verifies a proof, but for its requests, of which it says how many there are.
fn check_proof(
    public: &PublicInputs,
    composition: Option<Word>,
    proof: &Proof,
    expectations: &Expectations,
) -> Result<Verified, VerifierError> {
    let settings = proof.settings();
    let heights = *proof.heights();
    let air = proof.air(public.clone());
    let security = Security::of(&air, settings.hash());
    if !expectations.min_security.is_met_by(&security) {
        return Err(VerifierError::Security {
            expected: expectations.min_security,
            proven: security.proven,
            conjectured: security.conjectured,
        });
    }

    let parts = verify_stark(&air, proof, &mut Judge)?;
    Ok(Verified {
        settings,
        security,
        heights,
        groups: proof.groups(),
        program_hash: public.program_hash,
        composition,
        precompiles: proof.requests().len(),
        parts,
    })
}
