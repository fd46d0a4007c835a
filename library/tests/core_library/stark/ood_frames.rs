//! The values of all columns out of the domain.

use miden_core::crypto::{
    hash::Rpo256,
    random::{RandomCoin, RpoRandomCoin},
};

use super::{
    constants::address,
    random_coin::{check_coin, with_coin},
};
use crate::{
    recursion::{coefficients, horner, sample},
    support::{Call, Samples, digest, procedures},
};

procedures! { "::miden::core::stark::ood_frames";
    fn load_and_horner_eval_ood_frames() {
        let sample = sample();
        let state = Samples::new(47).felts(12);
        let mut coin = RpoRandomCoin::from_parts(state.try_into().expect("twelve elements"), 4);
        let call = Call::new("stark::ood_frames::load_and_horner_eval_ood_frames")
            .memory(
                address("get_procedure_digest_process_row_ood_evaluations_ptr"),
                digest("sys::vm::ood_frames::process_row_ood_evaluations"),
            )
            .advice(coefficients(&[sample.deep]).to_vec())
            .advice(coefficients(&sample.out_of_domain).to_vec());
        let outcome = with_coin(call, &coin).run();
        let values = outcome.elements(address("ood_evaluations_ptr"), 2 * 2 * 96);
        assert_eq!(values, coefficients(&sample.out_of_domain));
        let (current, next) = sample.out_of_domain.split_at(96);
        let sums = [current, next].map(|row| -horner(row, sample.deep));
        let found = outcome.elements(address("ood_fixed_term_horner_evaluations_ptr"), 4);
        assert_eq!(found, coefficients(&sums));
        let claimed = outcome.elements(address("deep_rand_alpha_nd_ptr"), 2);
        assert_eq!(claimed, coefficients(&[sample.deep]));
        coin.reseed(Rpo256::hash_elements(&sample.out_of_domain));
        check_coin(&outcome, &coin);
    }
}
