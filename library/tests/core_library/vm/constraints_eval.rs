//! The circuit of all constraints, whose value is zero for the values of a valid proof.

use miden_core::{FieldElement, QuadFelt};

use crate::{
    recursion::{Transcript, coefficients, kernel_bus, sample},
    stark::constants::address,
    support::{Call, procedures},
};

/// The call with what a transcript has drawn and read.
fn call(transcript: &Transcript, out_of_domain: &[QuadFelt]) -> Call {
    let (fixed, _) = transcript.public.split_at(40);
    let (alpha, beta) = (transcript.alpha, transcript.beta);
    let bus = kernel_bus(&transcript.kernel, alpha, beta);
    let inputs: Vec<QuadFelt> = fixed
        .iter()
        .map(|&value| value.into())
        .chain([bus, QuadFelt::ZERO, alpha, beta])
        .chain(out_of_domain.iter().copied())
        .collect();
    let start = address("ood_evaluations_ptr") - 2 * 44;
    let power = transcript.z.exp(1 << transcript.log_length);
    Call::new("sys::vm::constraints_eval::execute_constraint_evaluation_check")
        .memory(address("public_inputs_address_ptr"), [start])
        .memory(start, coefficients(&inputs).to_vec())
        .memory(
            address("composition_coef_ptr"),
            coefficients(&[transcript.batching]).to_vec(),
        )
        .memory(
            address("z_ptr"),
            coefficients(&[transcript.z, power]).to_vec(),
        )
        .memory(address("trace_length_log"), [transcript.log_length])
        .memory(address("trace_domain_generator"), [transcript.generator()])
}

procedures! { "::miden::core::sys::vm::constraints_eval";
    fn execute_constraint_evaluation_check() {
        let sample = sample();
        call(sample, &sample.out_of_domain).run();
        // A value of the clock, of the bus of chiplets, of the quotient.
        for column in [0, 80 + 6, 88] {
            let mut values = sample.out_of_domain.clone();
            values[column] += QuadFelt::ONE;
            call(sample, &values).trap();
        }
    }
}
