//! Why a proof is rejected.

use miden_core::Word;
use miden_cvm_air::{
    memory_io::MemoryLayout, proof::ProofError, reader::LayoutError, security::MinSecurity,
};
use thiserror::Error;

use crate::{precompiles::RequestError, stark::Rejection, statement::StatementError};

/// Why a proof is rejected.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VerifierError {
    /// The public inputs are not those of any run.
    #[error("the statement is not valid")]
    Statement(#[from] StatementError),
    /// The statement is about another program than expected.
    #[error("the program's hash is {actual}, but {expected} is expected")]
    ProgramHash {
        /// The hash that was expected.
        expected: Word,
        /// The hash in the statement.
        actual: Word,
    },
    /// The statement is about another composition than expected.
    #[error("{}, but {expected} is expected", composition_text(.actual))]
    Composition {
        /// The commitment that was expected.
        expected: Word,
        /// The commitment of the statement's composition; none if the program is open.
        actual: Option<Word>,
    },
    /// The inputs and outputs in memory of an open program are elsewhere than expected.
    #[error("the statement has {actual}, but {expected} are expected")]
    Memory {
        /// The places that were expected.
        expected: MemoryLayout,
        /// The places in the statement.
        actual: MemoryLayout,
    },
    /// The proof's header is not that of a proof.
    #[error("the proof cannot be read")]
    Proof(#[from] ProofError),
    /// The proof has less security than expected.
    #[error(
        "the proof has {proven} proven and {conjectured} conjectured bits of security, but at least \
         {expected} are expected"
    )]
    Security {
        /// The least that was asked for.
        expected: MinSecurity,
        /// The proof's bits by theorems alone.
        proven: u32,
        /// The proof's bits under the conjecture.
        conjectured: u32,
    },
    /// The proof's parts are not those of a proof with its header.
    #[error("the proof is not laid out as its header calls for")]
    Layout(#[from] LayoutError),
    /// The proof does not prove the statement.
    #[error("the proof does not prove the statement")]
    Rejected(#[from] Rejection),
    /// There are more requests to precompiles than a run of this length can have made.
    #[error("the proof has {count} requests to precompiles, but only {rows} rows")]
    TooManyRequests {
        /// The number of requests.
        count: usize,
        /// The number of rows.
        rows: usize,
    },
    /// The run makes claims, and nobody has looked at proofs of them.
    #[error(
        "the run makes {0} claims of other runs, so that its proof alone does not prove the statement"
    )]
    Claims(usize),
    /// The requests to precompiles are not those of the run, or cannot be repeated.
    #[error(transparent)]
    Requests(#[from] RequestError),
}

fn composition_text(actual: &Option<Word>) -> alloc::string::String {
    match actual {
        Some(actual) => alloc::format!("the composition's commitment is {actual}"),
        None => "the program has no composition".into(),
    }
}
