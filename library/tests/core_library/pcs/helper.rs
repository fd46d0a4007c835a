//! The setup of FRI, against Winterfell's parameters and `miden-crypto`'s coin.

use miden_core::{
    Felt, FieldElement, ONE, QuadFelt, StarkField, ZERO,
    crypto::{
        hash::Rpo256,
        random::{RandomCoin, RpoRandomCoin},
    },
};
use winterfell::{BatchingMethod, FieldExtension, ProofOptions};

use crate::{
    recursion::{coefficients, horner},
    stark::{
        constants::{DOMAIN, address},
        random_coin::{check_coin, with_coin},
    },
    support::{Call, Samples, procedures},
};

fn call(procedure: &str) -> Call {
    Call::new(&format!("pcs::fri::helper::{procedure}"))
}

fn extension(samples: &mut Samples, count: usize) -> Vec<QuadFelt> {
    (0..count)
        .map(|_| QuadFelt::new(samples.felt(), samples.felt()))
        .collect()
}

fn coin(samples: &mut Samples) -> RpoRandomCoin {
    let state = samples.felts(12).try_into().expect("twelve elements");
    RpoRandomCoin::from_parts(state, 4)
}

/// Evaluates a polynomial of so many coefficients, which are read from memory.
fn check_evaluation(procedure: &str, count: usize) {
    let mut samples = Samples::new(49);
    let polynomial = extension(&mut samples, count);
    let x = extension(&mut samples, 1)[0];
    let (addr, point) = (4000_u32, 400_u32);
    let outcome = call(procedure)
        .memory(addr, coefficients(&polynomial).to_vec())
        .memory(point, coefficients(&[x]).to_vec())
        .stack([ZERO; 12])
        .stack([addr, point, 0, 0])
        .run();
    let [sum0, sum1] = horner(&polynomial, x).to_base_elements();
    let end = Felt::new(u64::from(addr) + 2 * count as u64);
    assert_eq!(outcome.stack[12..], [end, Felt::from(point), sum1, sum0]);
}

procedures! { "::miden::core::pcs::fri::helper";
    fn get_fri_remainder_codeword_max_size() {
        // Eight times the coefficients.
        assert_eq!(call("get_fri_remainder_codeword_max_size").top(), [1024]);
    }

    fn get_fri_remainder_poly_max_degree_plus_1_half() {
        assert_eq!(call("get_fri_remainder_poly_max_degree_plus_1_half").top(), [64]);
    }

    fn get_fri_remainder_poly_max_degree_plus_1() {
        assert_eq!(call("get_fri_remainder_poly_max_degree_plus_1").top(), [128]);
    }

    fn evaluate_fri_remainder_poly_max_degree_plus_1_half() {
        check_evaluation("evaluate_fri_remainder_poly_max_degree_plus_1_half", 64);
    }

    fn evaluate_fri_remainder_poly_max_degree_plus_1() {
        check_evaluation("evaluate_fri_remainder_poly_max_degree_plus_1", 128);
    }

    fn generate_fri_parameters() {
        let batching = BatchingMethod::Algebraic;
        let extension = FieldExtension::Quadratic;
        let options = ProofOptions::new(7, 8, 0, extension, 4, 127, batching, batching);
        let options = options.to_fri_options();
        for log_size in 9..=32_u32 {
            let generator = Felt::get_root_of_unity(log_size);
            let size = 1_usize << log_size;
            let domain = [ZERO, generator, Felt::from(log_size), Felt::new(size as u64)];
            let outcome = call("generate_fri_parameters").memory(DOMAIN, domain).run();
            let layers = options.num_fri_layers(size);
            let remainder = (size >> (2 * layers)) / 8;
            for (name, value) in [("num_fri_layers", layers), ("remainder_poly_size", remainder)] {
                let found = outcome.elements(address(name), 1);
                assert_eq!(found, [Felt::new(value as u64)], "{name} for 2^{log_size}");
            }
        }
    }

    fn load_fri_layer_commitments() {
        let mut samples = Samples::new(50);
        for layers in [0_u32, 1, 3] {
            let mut coin = coin(&mut samples);
            let commitments: Vec<_> = (0..layers).map(|_| samples.word()).collect();
            let log_size = 20;
            let generator = Felt::get_root_of_unity(log_size);
            let domain = [ZERO, generator, Felt::from(log_size), Felt::new(1 << log_size)];
            let outcome = with_coin(call("load_fri_layer_commitments"), &coin)
                .memory(DOMAIN, domain)
                .memory(address("num_fri_layers"), [layers])
                .advice(commitments.iter().copied().flatten())
                .run();
            for (i, commitment) in (0..).zip(commitments) {
                coin.reseed(commitment);
                let challenge: QuadFelt = coin.draw().expect("the coin has elements");
                let log_cosets = log_size - 2 * (i + 1);
                let sizes = [Felt::from(log_cosets), Felt::new(1 << log_cosets)];
                let expected = [&*commitment, coefficients(&[challenge]), &sizes].concat();
                assert_eq!(outcome.elements(address("fri_com_ptr") + 8 * i, 8), expected);
            }
            check_coin(&outcome, &coin);
        }
    }

    fn load_and_verify_remainder() {
        let mut samples = Samples::new(51);
        for (layers, count) in [(0_u32, 64), (2, 64), (1, 128)] {
            let mut coin = coin(&mut samples);
            let remainder = extension(&mut samples, count);
            let commitment = Rpo256::hash_elements(&remainder);
            let run = |remainder: &[QuadFelt]| {
                with_coin(call("load_and_verify_remainder"), &coin)
                    .memory(address("num_fri_layers"), [layers])
                    .memory(address("remainder_poly_size"), [count as u32])
                    .advice(commitment)
                    .advice(coefficients(remainder).to_vec())
            };
            let outcome = run(&remainder).run();
            let mut other = remainder.clone();
            other[count - 1] += QuadFelt::ONE;
            run(&other).trap();
            let addr = address("fri_com_ptr") + 8 * layers;
            assert_eq!(outcome.elements(addr, 2 * count as u32), coefficients(&remainder));
            let pointer = outcome.elements(address("remainder_poly_address"), 1);
            assert_eq!(pointer, [Felt::from(addr)]);
            coin.reseed(commitment);
            check_coin(&outcome, &coin);
        }
    }

    fn compute_query_pointer() {
        let outcome = call("compute_query_pointer")
            .memory(address("number_queries"), [27_u32])
            .stack([ONE])
            .run();
        let pointer = outcome.elements(address("fri_queries_address"), 1);
        assert_eq!(pointer, [Felt::from(address("fri_com_ptr") - 4 * 27)]);
        assert_eq!(outcome.stack[0], ONE);
    }
}
