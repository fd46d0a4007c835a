//! Programs for Miden CVM that verify proofs of Miden CVM.
//!
//! A [`VerifyingProgram`] is made for the [`Shape`]s of the proofs that it verifies: its hash says which AIR
//! with which heights and which parameters it checks. It reads the proofs and what is public about their
//! runs from the [`advice`], and leaves a [`commitment`] to the beginnings of their transcripts. So whoever
//! verifies one proof of its run knows that each of these runs has a proof.

mod aggregate;
mod circuit;
mod combination;
mod masm;
mod program;
mod shape;
mod verifier;
mod witness;

pub use aggregate::{
    Aggregate, AggregateError, Aggregated, AggregatedClaim, CheckedAggregate, EncodingError,
    MAX_DEPTH,
};
pub use circuit::{Circuit, Variables};
pub use program::{MAX_PROOFS, ProgramError, VerifyingProgram};
pub use shape::{MAX_MESSAGES, Shape, ShapeError, variables};
pub use witness::{WitnessError, advice, commitment, forged_advice};
