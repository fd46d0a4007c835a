//! Repetition of the computations that a run left to precompiles.
//!
//! The proof shows that the run's transcript ended in the public state; the transcript absorbed a
//! commitment to the arguments and the result of every precompile. So the requests that travel with
//! the proof are those of the run if they lead to the same state, and then the results in the run are
//! those that the verifiers compute.

use miden_core::{
    Word,
    precompile::{PrecompileRequest, PrecompileVerificationError, PrecompileVerifierRegistry},
};
use thiserror::Error;

/// Why requests to precompiles are not those of a run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RequestError {
    /// Nothing is registered for a request, or its arguments are malformed.
    #[error("{}", reason(.0))]
    Unverified(#[from] PrecompileVerificationError),
    /// The requests lead to another transcript.
    #[error(
        "the requests to precompiles lead to the transcript state {actual}, but that of the run is \
         {expected}"
    )]
    Transcript {
        /// The state at the end of the run.
        expected: Word,
        /// The state that the requests lead to.
        actual: Word,
    },
}

/// An error together with what it hides behind its source.
fn reason(error: &PrecompileVerificationError) -> alloc::string::String {
    match error {
        PrecompileVerificationError::PrecompileError { error: source, .. } => {
            alloc::format!("{error}: {source}")
        }
        PrecompileVerificationError::VerifierNotFound { .. } => alloc::format!("{error}"),
    }
}

/// Computes all requests again, and compares the transcript that they lead to with a run's.
///
/// # Errors
/// If there is no verifier for a request, if one refuses, or if the transcript is another.
pub fn check_requests(
    requests: &[PrecompileRequest],
    transcript_state: Word,
    registry: &PrecompileVerifierRegistry,
) -> Result<(), RequestError> {
    let actual = registry.requests_transcript(requests)?.state();
    if actual == transcript_state {
        Ok(())
    } else {
        Err(RequestError::Transcript {
            expected: transcript_state,
            actual,
        })
    }
}

/// The verifiers that there are without any being registered: those of the core library, if the
/// feature `precompiles` is on.
pub fn default_registry() -> PrecompileVerifierRegistry {
    #[cfg(feature = "precompiles")]
    return miden_cvm_precompiles::core_precompile_verifiers();
    #[cfg(not(feature = "precompiles"))]
    return PrecompileVerifierRegistry::new();
}
