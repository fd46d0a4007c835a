//! The values out of the domain, in the layout of Miden VM.

use miden_core::{Felt, ZERO, crypto::hash::Rpo256};

use crate::{
    recursion::{coefficients, horner, sample},
    support::{Call, procedures, word_at},
};

procedures! { "::miden::core::sys::vm::ood_frames";
    fn process_row_ood_evaluations() {
        let sample = sample();
        let (row, _) = sample.out_of_domain.split_at(96);
        let (target, point) = (4000_u32, 400_u32);
        let outcome = Call::new("sys::vm::ood_frames::process_row_ood_evaluations")
            .memory(point, coefficients(&[sample.deep]).to_vec())
            .stack([ZERO; 12])
            .stack([target, point, 0, 0])
            .advice(coefficients(row).to_vec())
            .run();
        let values = coefficients(row);
        assert_eq!(outcome.elements(target, values.len() as u32), values);
        assert_eq!(word_at(&outcome.stack, 4), Rpo256::hash_elements(row));
        let [sum0, sum1] = [0, 1].map(|i| coefficients(&[horner(row, sample.deep)])[i]);
        let end = Felt::new(u64::from(target) + values.len() as u64);
        assert_eq!(outcome.stack[12..], [end, Felt::from(point), sum1, sum0]);
    }
}
