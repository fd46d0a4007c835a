//! Turns execution traces of Miden CVM into STARK proofs.
//!
//! [`prove_trace`] takes the rows of the main trace, as the processor builds them, and the public
//! inputs. The protocol is Winterfell's; what depends on the size of the trace is done here, on all
//! threads: the low-degree extension and its commitment (`lde`), the auxiliary columns of the
//! lookups (`columns`), and the evaluation of the constraints (`evaluator`), which are recorded as a
//! `program`.

mod columns;
mod evaluator;
mod fft;
mod lde;
mod packed;
mod program;
#[cfg(test)]
mod samples;
mod stark;

use std::fmt;

use miden_core::{
    Felt,
    crypto::{
        hash::{Blake3_192, Blake3_256, Poseidon2, Rpo256, Rpx256},
        random::{RpoRandomCoin, RpxRandomCoin, WinterRandomCoin},
    },
};
use miden_cvm_air::{
    air::MIN_TRACE_LEN,
    check::{Violation, check},
    columns::MainRow,
    public::PublicInputs,
};
pub use miden_cvm_air::{
    options::{HashFunction, OptionSet, ProofSettings, SettingsError},
    proof::{Proof, ProofError},
};
use stark::StarkProver;
use thiserror::Error;

/// How a trace is proven.
#[derive(Debug, Clone, Copy)]
pub struct ProveOptions {
    /// The parameters and the hash function of the proof.
    pub settings: ProofSettings,
    /// Whether every constraint and bus is checked on the trace first, at about the cost of
    /// executing the program again. Without it, a trace that violates the AIR yields a proof that
    /// does not verify.
    pub check_trace: bool,
}

impl Default for ProveOptions {
    /// The default settings; traces are checked in debug builds.
    fn default() -> Self {
        Self::from(ProofSettings::default())
    }
}

impl From<ProofSettings> for ProveOptions {
    fn from(settings: ProofSettings) -> Self {
        Self {
            settings,
            check_trace: cfg!(debug_assertions),
        }
    }
}

/// Why a trace cannot be proven.
#[derive(Debug, Error)]
pub enum ProverError {
    /// The number of rows is not a power of two, or out of range.
    #[error(
        "a trace to be proven with these settings has a power of two of rows between \
         {MIN_TRACE_LEN} and {max}, but this one has {length}"
    )]
    TraceLength {
        /// The number of rows.
        length: usize,
        /// The most rows that a trace may have with the settings.
        max: usize,
    },
    /// The trace violates the AIR.
    #[error("the trace violates the AIR: {0}")]
    Violations(Violations),
    /// The protocol failed.
    #[error("the STARK prover failed")]
    Stark(#[source] winterfell::ProverError),
    /// The proof does not have the form of one.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

/// What a trace violates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violations {
    /// The first violations found.
    pub first: Vec<Violation>,
    /// How many there are.
    pub total: usize,
}

/// At most this many violations are kept.
const MAX_VIOLATIONS: usize = 16;

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} violations", self.total)?;
        for violation in &self.first {
            write!(f, "\n  {violation}")?;
        }
        if self.total > self.first.len() {
            write!(f, "\n  and {} more", self.total - self.first.len())?;
        }
        Ok(())
    }
}

/// Proves that the trace `rows` is a run with these public inputs.
///
/// `rows` are all rows of the main trace including the padding, and are freed as soon as they are
/// no longer needed.
///
/// # Errors
/// Returns an error if the number of rows is not that of a trace, or if the trace was to be checked
/// and violates the AIR.
pub fn prove_trace(
    rows: Vec<MainRow<Felt>>,
    public: PublicInputs,
    options: &ProveOptions,
) -> Result<Proof, ProverError> {
    let length = rows.len();
    let set = options.settings.set();
    if !set.allows(length) {
        return Err(ProverError::TraceLength {
            length,
            max: set.max_trace_len(),
        });
    }
    if options.check_trace {
        let mut first = check(&rows, &public);
        let total = first.len();
        if total > 0 {
            first.truncate(MAX_VIOLATIONS);
            return Err(ProverError::Violations(Violations { first, total }));
        }
    }
    let settings = options.settings;
    macro_rules! prove {
        ($hasher:ty, $coin:ty) => {
            StarkProver::<$hasher, $coin>::new(rows, public, settings.proof_options()).prove()
        };
    }
    let stark = match settings.hash() {
        HashFunction::Blake3_192 => prove!(Blake3_192, WinterRandomCoin<Blake3_192>),
        HashFunction::Blake3_256 => prove!(Blake3_256, WinterRandomCoin<Blake3_256>),
        HashFunction::Rpo256 => prove!(Rpo256, RpoRandomCoin),
        HashFunction::Rpx256 => prove!(Rpx256, RpxRandomCoin),
        HashFunction::Poseidon2 => prove!(Poseidon2, WinterRandomCoin<Poseidon2>),
    }
    .map_err(ProverError::Stark)?;
    Ok(Proof::new(settings, length, stark.to_bytes())?)
}
