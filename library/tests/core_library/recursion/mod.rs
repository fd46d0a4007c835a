//! Proofs that the core library's verifier accepts, with the advice that it needs.
//!
//! The library's circuit of constraints is older than the machine that it comes with: it stands for
//! a main segment with two more columns of the system, and for public inputs without the transcript
//! of precompiles. So no proof of Miden VM 0.20.6 is accepted by the library of the same version.
//! The tests prove a run of that machine, in the columns that the circuit knows, under the
//! constraints that it has.

mod air;
mod proof;
mod transcript;

use std::sync::LazyLock;

pub use air::kernel_bus;
use miden_core::{Felt, FieldElement, QuadFelt};
pub use proof::Proven;
pub use transcript::{Advice, Transcript};

use crate::support::Call;

/// A proof of 1024 rows, so that FRI has two layers and a remainder of 64 coefficients.
pub fn sample() -> &'static Transcript {
    static SAMPLE: LazyLock<Transcript> =
        LazyLock::new(|| Transcript::new(&Proven::new(600, 7, 3, 2)));
    &SAMPLE
}

/// A call with a proof as its advice.
pub fn with_advice(call: Call, advice: &Advice) -> Call {
    let Advice { stack, map, nodes } = advice.clone();
    let call = call.advice(stack).trees(nodes);
    map.into_iter()
        .fold(call, |call, (key, values)| call.entry(key, values))
}

/// The call of the verifier of a proof.
pub fn verify_proof(transcript: &Transcript, advice: &Advice) -> Call {
    let Transcript {
        log_length,
        queries,
        grinding,
        ..
    } = *transcript;
    let call = Call::new("sys::vm::verify_proof").stack([log_length, queries as u32, grinding]);
    with_advice(call, advice)
}

/// The coefficients of elements, one after the other.
pub fn coefficients(elements: &[QuadFelt]) -> &[Felt] {
    QuadFelt::slice_as_base_elements(elements)
}

/// The value at a point of the polynomial with these coefficients, highest degree first.
pub fn horner(elements: &[QuadFelt], point: QuadFelt) -> QuadFelt {
    elements
        .iter()
        .fold(QuadFelt::ZERO, |sum, &element| sum * point + element)
}
