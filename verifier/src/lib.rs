//! Verifies proofs of Miden CVM.
//!
//! A verifier needs a [`Statement`] (what is claimed) and a proof, and neither the code nor the run.
//! [`verify`] believes nothing that comes from outside: the proof's header is read first, then the
//! STARK proof's every length is compared with the one that the header, the options and the AIR
//! imply ([`format`]), and only then does Winterfell see it.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

pub mod format;
mod statement;

use alloc::string::{String, ToString};

use miden_core::{
    Felt, Word,
    crypto::{
        hash::{Blake3_192, Blake3_256, Poseidon2, Rpo256, Rpx256},
        random::{RpoRandomCoin, RpxRandomCoin, WinterRandomCoin},
    },
};
use miden_cvm_air::{air::CvmAir, options::hash_name};
pub use miden_cvm_air::{
    options::{HashFunction, OptionSet, ProofSettings, Security, SettingsError},
    proof::{Proof, ProofError},
    public::PublicInputs,
};
pub use statement::{
    CompositionStatement, LinkStatement, SegmentStatement, Statement, StatementError,
};
use thiserror::Error;
use winter_crypto::{ElementHasher, MerkleTree, RandomCoin};
use winter_verifier::AcceptableOptions;

use crate::format::FormatError;

/// The least security that is accepted if nothing else is said, in bits.
pub const DEFAULT_SECURITY: u32 = 96;

/// What a verifier insists on besides the proof being valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expectations {
    /// The least conjectured security in bits.
    pub min_security: u32,
    /// The program that must have run.
    pub program_hash: Option<Word>,
    /// The commitment that the composition must have.
    pub composition: Option<Word>,
}

impl Default for Expectations {
    fn default() -> Self {
        Self {
            min_security: DEFAULT_SECURITY,
            program_hash: None,
            composition: None,
        }
    }
}

/// What is known of a proof that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// How the proof was made.
    pub settings: ProofSettings,
    /// The number of rows of the trace.
    pub trace_length: usize,
    /// The security of the proof.
    pub security: Security,
}

/// Why a proof is rejected.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum VerifierError {
    /// The statement is not well-formed.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// The proof's header is not one.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// Another program was expected.
    #[error("the statement is about program {actual}, but {expected} was expected")]
    ProgramHash {
        /// The expected program.
        expected: Word,
        /// The statement's program.
        actual: Word,
    },
    /// Another composition was expected.
    #[error("the statement is about composition {actual}, but {expected} was expected")]
    Composition {
        /// The expected commitment.
        expected: Word,
        /// The statement's commitment.
        actual: Word,
    },
    /// A composition was expected, but the program is open.
    #[error("the statement is about an open program, but composition {expected} was expected")]
    NoComposition {
        /// The expected commitment.
        expected: Word,
    },
    /// The proof's security is too low.
    #[error(
        "the proof has {actual} bits of security ({} with {}), fewer than the {required} required",
        set_name(*.settings), hash_name(.settings.hash())
    )]
    Security {
        /// The required security in bits.
        required: u32,
        /// The proof's security in bits.
        actual: u32,
        /// How the proof was made.
        settings: ProofSettings,
    },
    /// The STARK proof does not have the form that its header implies.
    #[error("the proof is malformed: {0}")]
    Format(#[from] FormatError),
    /// The STARK proof does not prove the statement.
    #[error("the proof does not prove the statement: {0}")]
    Stark(String),
}

fn set_name(settings: ProofSettings) -> String {
    alloc::format!("{:?}", settings.set())
}

/// Verifies that `proof` proves `statement`.
///
/// # Errors
/// Returns the reason for which the proof is rejected.
pub fn verify(
    statement: &Statement,
    proof: &[u8],
    expectations: &Expectations,
) -> Result<Verified, VerifierError> {
    verify_public(statement.public_inputs()?, proof, expectations)
}

/// Verifies that `proof` proves a run with these public inputs.
///
/// # Errors
/// Returns the reason for which the proof is rejected.
pub fn verify_public(
    public: PublicInputs,
    proof: &[u8],
    expectations: &Expectations,
) -> Result<Verified, VerifierError> {
    let proof = Proof::from_bytes(proof)?;
    if let Some(composition) = &public.composition {
        composition.validate().map_err(StatementError::from)?;
    }
    check_expectations(&public, expectations)?;

    let settings = proof.settings();
    let security = settings.security(proof.trace_length(), &public);
    if security.conjectured < expectations.min_security {
        return Err(VerifierError::Security {
            required: expectations.min_security,
            actual: security.conjectured,
            settings,
        });
    }
    macro_rules! verify {
        ($hasher:ty, $coin:ty) => {
            verify_stark::<$hasher, $coin>(public, &proof)
        };
    }
    match settings.hash() {
        HashFunction::Blake3_192 => verify!(Blake3_192, WinterRandomCoin<Blake3_192>),
        HashFunction::Blake3_256 => verify!(Blake3_256, WinterRandomCoin<Blake3_256>),
        HashFunction::Rpo256 => verify!(Rpo256, RpoRandomCoin),
        HashFunction::Rpx256 => verify!(Rpx256, RpxRandomCoin),
        HashFunction::Poseidon2 => verify!(Poseidon2, WinterRandomCoin<Poseidon2>),
    }?;
    Ok(Verified {
        settings,
        trace_length: proof.trace_length(),
        security,
    })
}

fn check_expectations(
    public: &PublicInputs,
    expectations: &Expectations,
) -> Result<(), VerifierError> {
    if let Some(expected) = expectations.program_hash
        && expected != public.program_hash
    {
        return Err(VerifierError::ProgramHash {
            expected,
            actual: public.program_hash,
        });
    }
    if let Some(expected) = expectations.composition {
        let Some(composition) = &public.composition else {
            return Err(VerifierError::NoComposition { expected });
        };
        let actual = composition.commitment();
        if expected != actual {
            return Err(VerifierError::Composition { expected, actual });
        }
    }
    Ok(())
}

/// Parses the STARK proof within its bounds and lets Winterfell verify it.
fn verify_stark<H, R>(public: PublicInputs, proof: &Proof) -> Result<(), VerifierError>
where
    H: ElementHasher<BaseField = Felt>,
    R: RandomCoin<BaseField = Felt, Hasher = H>,
{
    let stark = format::parse::<H>(proof, &public)?;
    let options = AcceptableOptions::OptionSet([proof.settings().proof_options()].into());
    winter_verifier::verify::<CvmAir, H, R, MerkleTree<H>>(stark, public, &options)
        .map_err(|error| VerifierError::Stark(error.to_string()))
}
