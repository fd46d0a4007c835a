//! The values of the DEEP polynomial, from the rows that are opened.

use miden_core::{Felt, ONE, ZERO};

use crate::{
    recursion::{Advice, coefficients, sample, with_advice},
    stark::{
        constants::{DOMAIN, address},
        deep_queries::row_state,
    },
    support::{Call, procedures},
};

procedures! { "::miden::core::sys::vm::deep_queries";
    fn compute_deep_composition_polynomial_queries() {
        let sample = sample();
        let queries = address("fri_com_ptr") - 4 * sample.queries as u32;
        let [_, _, log_size, _] = sample.domain();
        let positions = sample.positions.iter().flat_map(|&position| {
            [ZERO, ZERO, log_size, Felt::new(position as u64)]
        });
        let [main, aux] = sample.trace_commitments;
        let fixed = sample.fixed_terms();
        let fixed: Vec<Felt> = coefficients(&fixed).iter().rev().copied().collect();
        let mut advice = sample.advice();
        advice.stack.clear();
        let call = |advice: &Advice| {
            let call = Call::new(
                "sys::vm::deep_queries::compute_deep_composition_polynomial_queries",
            )
            .stack([9_u32; 4])
            .stack([queries, address("fri_com_ptr")])
            .stack(fixed.clone())
            .stack([queries])
            .memory(queries, positions.clone())
            .memory(address("main_trace_com_ptr"), main)
            .memory(address("aux_trace_com_ptr"), aux)
            .memory(address("composition_poly_com_ptr"), sample.quotient_commitment)
            .memory(address("deep_rand_alpha_nd_ptr"), coefficients(&[sample.deep]).to_vec())
            .memory(address("tmp1"), sample.negated_points())
            .memory(address("tmp2"), row_state())
            .memory(DOMAIN, sample.domain());
            with_advice(call, advice)
        };
        let outcome = call(&advice).run();
        for (addr, &position) in (queries..).step_by(4).zip(&sample.positions) {
            let value = sample.first_layer(position);
            let place = [Felt::new(position as u64), sample.power(position)];
            let expected = [coefficients(&[value]), &place].concat();
            assert_eq!(outcome.elements(addr, 4), expected);
        }
        let row = advice.map.values_mut().find(|row| row.len() == 80);
        row.expect("the main segment is opened")[3] += ONE;
        call(&advice).trap();
    }
}
