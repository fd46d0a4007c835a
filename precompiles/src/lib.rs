//! The precompiles of Miden's core library.
//!
//! A precompile is a computation that a program leaves to its host. The program takes the result
//! from the advice and absorbs a commitment to arguments and result into its transcript
//! (LOGPRECOMPILE), which is public at the end of the run. The arguments travel beside the proof, as
//! a [`PrecompileRequest`] for every computation, and the verifier does each of them again.
//!
//! [`CorePrecompile::evaluate`] is all that either side needs: the host hands out the result, the
//! verifier looks at the commitment. Keys and signatures are those of `miden-crypto`, the hash
//! functions are RustCrypto's.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

mod bytes;
mod signatures;

use alloc::{sync::Arc, vec::Vec};

pub use bytes::pack;
pub use miden_core::precompile::{
    PrecompileRequest, PrecompileTranscript, PrecompileVerificationError,
    PrecompileVerifierRegistry,
};
use miden_core::{
    EventName, Felt, Word, ZERO,
    crypto::hash::Rpo256,
    precompile::{PrecompileCommitment, PrecompileError, PrecompileVerifier},
};
use miden_crypto::hash::keccak::Keccak256;
use sha2::{Digest, Sha512};
pub use signatures::{Argument, CalldataError};

/// A precompile of the core library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CorePrecompile {
    /// Keccak-256 of any number of bytes.
    Keccak256,
    /// SHA-512 of any number of bytes.
    Sha512,
    /// Verification of an ECDSA signature over secp256k1 for a 32-byte digest.
    EcdsaK256,
    /// Verification of an Ed25519 signature for a 64-byte challenge, which the program has hashed.
    EddsaEd25519,
}

/// The result of a precompile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evaluation {
    /// The elements that the host pushes onto the advice stack; the last one ends on top.
    pub advice: Vec<Felt>,
    /// The commitment that the program absorbs into its transcript.
    pub commitment: PrecompileCommitment,
}

impl CorePrecompile {
    /// All precompiles of the core library.
    pub const ALL: [Self; 4] = [
        Self::Keccak256,
        Self::Sha512,
        Self::EcdsaK256,
        Self::EddsaEd25519,
    ];

    /// The event by which a program asks for it.
    pub const fn event(self) -> EventName {
        EventName::new(match self {
            Self::Keccak256 => "miden::core::hash::keccak256::hash_bytes",
            Self::Sha512 => "miden::core::hash::sha512::hash_bytes",
            Self::EcdsaK256 => "miden::core::crypto::dsa::ecdsa_k256_keccak::verify",
            Self::EddsaEd25519 => "miden::core::dsa::eddsa_ed25519::verify",
        })
    }

    /// The arguments in the order of their pointers on the stack, if their lengths are fixed. A hash
    /// function has one argument of any length.
    pub const fn arguments(self) -> Option<&'static [Argument]> {
        match self {
            Self::Keccak256 | Self::Sha512 => None,
            Self::EcdsaK256 => Some(&signatures::ECDSA),
            Self::EddsaEd25519 => Some(&signatures::EDDSA),
        }
    }

    /// Computes it. The calldata are the bytes to be hashed, or the arguments one after the other.
    ///
    /// # Errors
    /// If a key or a signature is not one. An invalid signature is no error but a result.
    pub fn evaluate(self, calldata: &[u8]) -> Result<Evaluation, CalldataError> {
        match self {
            // The program wants the lowest word of one digest on top and of the other at the bottom.
            Self::Keccak256 => Ok(self.hashed(calldata, &Keccak256::hash(calldata)[..], false)),
            Self::Sha512 => Ok(self.hashed(calldata, &Sha512::digest(calldata), true)),
            Self::EcdsaK256 => {
                let arguments = signatures::split(calldata, &signatures::ECDSA)?;
                let valid = signatures::ecdsa_is_valid(&arguments)?;
                Ok(self.decided(arguments, valid))
            }
            Self::EddsaEd25519 => {
                let arguments = signatures::split(calldata, &signatures::EDDSA)?;
                let valid = signatures::eddsa_is_valid(&arguments)?;
                Ok(self.decided(arguments, valid))
            }
        }
    }

    /// The request for a verifier to compute it.
    pub fn request(self, calldata: Vec<u8>) -> PrecompileRequest {
        PrecompileRequest::new(self.event().to_event_id(), calldata)
    }

    /// The tag tells requests of different kinds and results apart, and data of different lengths
    /// that fill up to the same elements.
    fn tag(self, value: Felt) -> Word {
        [self.event().to_event_id().as_felt(), value, ZERO, ZERO].into()
    }

    fn hashed(self, input: &[u8], digest: &[u8], first_on_top: bool) -> Evaluation {
        let mut advice = pack(digest);
        let digests = [commit(input), Rpo256::hash_elements(&advice)];
        if first_on_top {
            advice.reverse();
        }
        Evaluation {
            advice,
            commitment: PrecompileCommitment::new(
                self.tag(Felt::new(input.len() as u64)),
                Rpo256::merge(&digests),
            ),
        }
    }

    fn decided(self, arguments: [&[u8]; 3], valid: bool) -> Evaluation {
        let [key, message, signature] = arguments.map(commit);
        let claim = Rpo256::merge(&[key, message]);
        Evaluation {
            advice: [Felt::from(valid)].into(),
            commitment: PrecompileCommitment::new(
                self.tag(Felt::from(valid)),
                Rpo256::merge(&[claim, signature]),
            ),
        }
    }
}

/// The hash of bytes as the program computes it in memory.
fn commit(bytes: &[u8]) -> Word {
    Rpo256::hash_elements(&pack(bytes))
}

impl PrecompileVerifier for CorePrecompile {
    fn verify(&self, calldata: &[u8]) -> Result<PrecompileCommitment, PrecompileError> {
        Ok(self.evaluate(calldata)?.commitment)
    }
}

/// Verifiers for all precompiles of the core library.
pub fn core_precompile_verifiers() -> PrecompileVerifierRegistry {
    CorePrecompile::ALL
        .into_iter()
        .fold(PrecompileVerifierRegistry::new(), |registry, precompile| {
            registry.with_verifier(&precompile.event(), Arc::new(precompile))
        })
}
