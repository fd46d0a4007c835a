//! The verifier that layout and constraints are handed to.

use miden_core::Felt;

use crate::{
    recursion::{sample, with_advice},
    support::{Call, digest, procedures},
};

/// The procedures that the verifier is given, the last one on top.
pub const GIVEN: [&str; 4] = [
    "sys::vm::deep_queries::compute_deep_composition_polynomial_queries",
    "sys::vm::constraints_eval::execute_constraint_evaluation_check",
    "sys::vm::ood_frames::process_row_ood_evaluations",
    "sys::vm::public_inputs::process_public_inputs",
];

/// A call with a proof.
pub fn call() -> Call {
    with_constraints("stark::verifier::verify", 6)
}

/// The call with the parameters of Miden VM, and this number of constraints.
fn with_constraints(path: &str, constraints: u32) -> Call {
    let sample = sample();
    let fixed = sample.public.len() - 8 * sample.kernel.len();
    let call = Call::new(path)
        .stack([
            sample.log_length,
            sample.queries as u32,
            sample.grinding,
            constraints,
        ])
        .stack([sample.context[0]])
        .stack([fixed as u32, 1]);
    let call = with_advice(call, &sample.advice());
    GIVEN.iter().fold(call, |call, path| {
        let [a, b, c, d]: [Felt; 4] = digest(path).into();
        call.before(&format!("push.{a} push.{b} push.{c} push.{d}"))
    })
}

fn accepts(path: &str) {
    let outcome = with_constraints(path, 6).run();
    assert!(outcome.advice_stack.is_empty());
    // The coin's seed is that of another AIR.
    with_constraints(path, 7).trap();
}

procedures! { "::miden::core::stark::verifier";
    fn verify() {
        accepts("stark::verifier::verify");
    }
}

/// The same procedure under another name.
pub mod exported {
    use super::accepts;
    use crate::support::procedures;

    procedures! { "::miden::core::stark";
        fn verify() {
            accepts("stark::verify");
        }
    }
}
