//! The values of the DEEP polynomial at the queries.

use miden_core::{Felt, FieldElement, QuadFelt, Word, ZERO};

use super::constants::{DOMAIN, address};
use crate::{
    recursion::{coefficients, sample},
    support::{Call, procedures},
};

procedures! { "::miden::core::stark::deep_queries";
    fn prepare_stack_deep_queries_computation() {
        let sample = sample();
        let fixed = sample.fixed_terms();
        let queries = 5000_u32;
        let outcome = Call::new("stark::deep_queries::prepare_stack_deep_queries_computation")
            .memory(address("fri_queries_address"), [queries])
            .memory(
                address("ood_fixed_term_horner_evaluations_ptr"),
                coefficients(&fixed).to_vec(),
            )
            .memory(address("z_ptr"), coefficients(&[sample.z, QuadFelt::ZERO]).to_vec())
            .memory(address("trace_domain_generator"), [sample.generator()])
            .run();
        // Below a word that means nothing: pointers to the queries and to their end.
        let pointers = [queries, address("fri_com_ptr")].map(Felt::from);
        assert_eq!(outcome.stack[4..6], pointers);
        let top_first: Vec<Felt> = coefficients(&fixed).iter().rev().copied().collect();
        assert_eq!(outcome.stack[6..10], top_first);
        assert_eq!(outcome.stack[10], pointers[0]);
        assert_eq!(outcome.elements(address("tmp1"), 4), sample.negated_points());
        assert_eq!(outcome.elements(address("tmp2"), 4), *row_state());
    }

    fn compute_deep_query() {
        let sample = sample();
        let queries = 5000_u32;
        let fixed = sample.fixed_terms();
        let fixed_top_first: Vec<Felt> = coefficients(&fixed).iter().rev().copied().collect();
        let positions = &sample.positions[..2];
        // There are more queries, or this was the last one.
        for (&position, more) in positions.iter().zip([true, false]) {
            let end = queries + if more { 40 } else { 4 };
            let sum = sample.row_sum(position);
            let sum = coefficients(&[sum, sum]).iter().rev().copied().collect::<Vec<_>>();
            let outcome = Call::new("stark::deep_queries::compute_deep_query")
                .stack([9_u32; 4])
                .stack(sum)
                .stack([position as u32, queries, end])
                .stack(fixed_top_first.clone())
                .stack([queries])
                .memory(DOMAIN, sample.domain())
                .memory(address("tmp1"), sample.negated_points())
                .run();
            assert_eq!(outcome.stack[0], Felt::from(more));
            assert_eq!(outcome.stack[5..7], [queries + 4, end].map(Felt::from));
            let value = sample.first_layer(position);
            let place = [Felt::new(position as u64), sample.power(position)];
            let word = [coefficients(&[value]), &place].concat();
            assert_eq!(outcome.elements(queries, 4), word);
        }
    }
}

/// Returns the state that the rows of queries are read with: an empty sum, the point, and where
/// rows are stored.
pub fn row_state() -> Word {
    let pointers = ["deep_rand_alpha_nd_ptr", "current_trace_row_ptr"].map(address);
    let [point, row] = pointers.map(Felt::from);
    Word::new([ZERO, ZERO, point, row])
}
