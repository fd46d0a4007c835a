//! Parameters of the verifier.

use miden_core::{Felt, FieldElement, QuadFelt, StarkField, ZERO};

use super::constants::address;
use crate::{
    recursion::coefficients,
    support::{Call, Samples, procedures},
};

fn call(procedure: &str) -> Call {
    Call::new(&format!("stark::utils::{procedure}"))
}

procedures! { "::miden::core::stark::utils";
    fn compute_lde_generator() {
        for log_size in [9_u32, 13, 31, 32] {
            let generator = Felt::get_root_of_unity(log_size).as_int();
            assert_eq!(call("compute_lde_generator").stack([log_size]).top(), [generator]);
        }
    }

    fn validate_inputs() {
        // The logarithm of the length, the queries, the bits of grinding.
        for valid in [[6_u64, 7, 0], [29, 150, 31], [12, 27, 16]] {
            assert_eq!(call("validate_inputs").stack(valid).top(), valid);
        }
        let invalid = [
            [5_u64, 27, 0],
            [30, 27, 0],
            [1 << 32, 27, 0],
            [12, 6, 0],
            [12, 151, 0],
            [12, 1 << 32, 0],
            [12, 27, 32],
            [12, 27, 1 << 32],
        ];
        for inputs in invalid {
            call("validate_inputs").stack(inputs).trap();
        }
    }

    fn set_up_auxiliary_inputs_ace() {
        let mut samples = Samples::new(45);
        let batching = QuadFelt::new(samples.felt(), samples.felt());
        let z = QuadFelt::new(samples.felt(), samples.felt());
        for (log_length, log_cycle) in [(10_u32, 3_u32), (6, 2), (20, 5)] {
            let z_to_length = z.exp(1 << log_length);
            let inverse = Felt::get_root_of_unity(log_length).inv();
            let outcome = call("set_up_auxiliary_inputs_ace")
                .stack([log_cycle])
                .memory(address("composition_coef_ptr"), coefficients(&[batching]).to_vec())
                .memory(address("z_ptr"), coefficients(&[z, z_to_length]).to_vec())
                .memory(address("trace_length_log"), [log_length])
                .memory(address("trace_domain_generator"), [Felt::get_root_of_unity(log_length)])
                .run();
            let expected = [
                batching,
                z,
                z_to_length,
                inverse.into(),
                z.exp(1 << (log_length - log_cycle)),
                inverse.square().into(),
            ];
            let found = outcome.elements(address("auxiliary_ace_inputs_ptr"), 12);
            assert_eq!(found, coefficients(&expected));
        }
    }

    fn store_dynamically_executed_procedures() {
        let mut samples = Samples::new(46);
        // The one below the others is the first.
        let names = [
            "get_procedure_digest_compute_deep_composition_polynomial_queries_ptr",
            "get_procedure_digest_execute_constraint_evaluation_check_ptr",
            "get_procedure_digest_process_row_ood_evaluations_ptr",
            "get_procedure_digest_process_public_inputs_ptr",
        ];
        let digests = names.map(|name| (name, samples.word()));
        let call = call("store_dynamically_executed_procedures");
        let outcome = digests.iter().rev().fold(call, |call, (_, digest)| call.word(*digest)).run();
        for (name, digest) in digests {
            assert_eq!(outcome.elements(address(name), 4), *digest, "{name}");
        }
        assert_eq!(outcome.stack, [ZERO; 16]);
    }
}
