//! The verifier's random coin, against `miden-crypto`'s.

use miden_core::{
    Felt, FieldElement, QuadFelt, StarkField, Word, ZERO,
    crypto::{
        hash::Rpo256,
        random::{RandomCoin, RpoRandomCoin},
    },
};

use super::constants::{DOMAIN, address};
use crate::{
    recursion::{coefficients, sample},
    support::{Call, Outcome, Samples, procedures, word_at},
};

/// The words of the coin's state, in order.
const STATE: [&str; 3] = ["c_ptr", "r1_ptr", "r2_ptr"];

fn call(procedure: &str) -> Call {
    Call::new(&format!("stark::random_coin::{procedure}"))
}

/// A coin that nothing was drawn from since it absorbed something.
fn coin(seed: u64) -> RpoRandomCoin {
    let state = Samples::new(seed).felts(12);
    RpoRandomCoin::from_parts(state.try_into().expect("twelve elements"), 4)
}

/// The words of a coin's state.
fn words(coin: &RpoRandomCoin) -> [Word; 3] {
    let (state, _) = (*coin).into_parts();
    core::array::from_fn(|i| Word::new(core::array::from_fn(|j| state[4 * i + j])))
}

/// Stores a coin for a call.
pub fn with_coin(call: Call, coin: &RpoRandomCoin) -> Call {
    let words = STATE.into_iter().zip(words(coin));
    words.fold(call, |call, (name, word)| call.memory(address(name), word))
}

/// Checks the coin that a call leaves behind.
pub fn check_coin(outcome: &Outcome, coin: &RpoRandomCoin) {
    for (name, word) in STATE.into_iter().zip(words(coin)) {
        assert_eq!(outcome.elements(address(name), 4), *word, "{name}");
    }
}

/// Two elements of the extension that a coin draws.
fn draw(coin: &mut RpoRandomCoin) -> [QuadFelt; 2] {
    core::array::from_fn(|_| coin.draw().expect("the coin has elements"))
}

fn check_getter(procedure: &str, at: usize) {
    let coin = coin(33);
    assert_eq!(
        with_coin(call(procedure), &coin).top_word(),
        words(&coin)[at]
    );
}

fn check_setter(procedure: &str, at: usize) {
    let word = Samples::new(34).word();
    let outcome = call(procedure).word(word).run();
    assert_eq!(outcome.elements(address(STATE[at]), 4), *word);
    assert_eq!(outcome.stack[0], ZERO);
}

procedures! { "::miden::core::stark::random_coin";
    fn get_capacity() {
        check_getter("get_capacity", 0);
    }

    fn get_rate_1() {
        check_getter("get_rate_1", 1);
    }

    fn get_rate_2() {
        check_getter("get_rate_2", 2);
    }

    fn set_capacity() {
        check_setter("set_capacity", 0);
    }

    fn set_rate_1() {
        check_setter("set_rate_1", 1);
    }

    fn set_rate_2() {
        check_setter("set_rate_2", 2);
    }

    fn load_random_coin_state() {
        let coin = coin(35);
        let stack = with_coin(call("load_random_coin_state"), &coin).run().stack;
        let [capacity, first, second] = words(&coin);
        assert_eq!([0, 4, 8].map(|at| word_at(&stack, at)), [second, first, capacity]);
    }

    fn store_random_coin_state() {
        let coin = coin(36);
        let [capacity, first, second] = words(&coin);
        let call = call("store_random_coin_state").word(second).word(first).word(capacity);
        check_coin(&call.run(), &coin);
    }

    fn init_seed() {
        let sample = sample();
        let kernel = 8 * sample.kernel.len() as u64;
        let fixed = sample.public.len() as u64 - kernel;
        let (columns, constraints) = (sample.context[0], sample.context[4]);
        let outcome = call("init_seed")
            .stack([sample.log_length, sample.queries as u32, sample.grinding])
            .stack([constraints, columns, Felt::new(fixed)])
            .advice([kernel])
            .run();
        // The context is the first block that the seed is hashed from.
        let mut state = [ZERO; 12];
        state[0] = Felt::new((fixed + kernel) % 8);
        state[Rpo256::RATE_RANGE].copy_from_slice(&sample.context);
        Rpo256::apply_permutation(&mut state);
        assert_eq!(*word_at(&outcome.stack, 0), state[Rpo256::CAPACITY_RANGE]);

        let log_domain = sample.log_length + 3;
        let domain = [
            ZERO,
            Felt::get_root_of_unity(log_domain),
            Felt::from(log_domain),
            Felt::new(1 << log_domain),
        ];
        assert_eq!(outcome.elements(DOMAIN, 4), domain);
        let cells = [
            ("trace_length_log", Felt::from(sample.log_length)),
            ("trace_length", Felt::new(1 << sample.log_length)),
            ("trace_domain_generator", Felt::get_root_of_unity(sample.log_length)),
            ("number_queries", Felt::new(sample.queries as u64)),
            ("grinding_factor", Felt::from(sample.grinding)),
            ("num_public_inputs_ptr", Felt::new(fixed + kernel)),
        ];
        for (name, value) in cells {
            assert_eq!(outcome.elements(address(name), 1), [value], "{name}");
        }
    }

    fn reseed() {
        let mut coin = coin(37);
        let data = Samples::new(38).word();
        let outcome = with_coin(call("reseed"), &coin).word(data).run();
        coin.reseed(data);
        check_coin(&outcome, &coin);
    }

    fn generate_aux_randomness() {
        let coin = coin(39);
        let [alpha, beta] = draw(&mut coin.clone());
        let run = |claimed: [QuadFelt; 2]| {
            with_coin(call("generate_aux_randomness"), &coin)
                .memory(address("aux_rand_nd_ptr"), coefficients(&claimed).to_vec())
        };
        let outcome = run([beta, alpha]).run();
        let drawn = outcome.elements(address("aux_rand_elem_ptr"), 4);
        assert_eq!(drawn, coefficients(&[alpha, beta]));
        run([alpha, beta]).trap();
        run([beta, alpha + QuadFelt::ONE]).trap();
        run([beta + QuadFelt::ONE, alpha]).trap();
    }

    fn generate_constraint_composition_coefficients() {
        let coin = coin(40);
        let [drawn, _] = draw(&mut coin.clone());
        let outcome = with_coin(call("generate_constraint_composition_coefficients"), &coin).run();
        let found = outcome.elements(address("composition_coef_ptr"), 2);
        assert_eq!(found, coefficients(&[drawn]));
    }

    fn generate_deep_composition_random_coefficients() {
        let coin = coin(41);
        let [drawn, other] = draw(&mut coin.clone());
        let run = |claimed: QuadFelt| {
            with_coin(call("generate_deep_composition_random_coefficients"), &coin)
                .memory(address("deep_rand_alpha_nd_ptr"), coefficients(&[claimed]).to_vec())
        };
        let outcome = run(drawn).run();
        let found = outcome.elements(address("deep_rand_coef_ptr"), 4);
        assert_eq!(found, coefficients(&[drawn, QuadFelt::ZERO]));
        run(other).trap();
    }

    fn generate_z_zN() {
        let coin = coin(42);
        let [z, _] = draw(&mut coin.clone());
        for log_length in [6_u32, 10, 29] {
            let outcome = with_coin(call("generate_z_zN"), &coin)
                .memory(address("trace_length_log"), [log_length])
                .stack([1_u32; 4])
                .run();
            let power = z.exp(1 << log_length);
            let found = outcome.elements(address("z_ptr"), 4);
            assert_eq!(found, coefficients(&[z, power]));
        }
    }

    fn generate_list_indices() {
        let queries_address = 1024_u32;
        for (queries, log_domain) in [(7, 9_u32), (8, 13), (15, 32), (16, 20), (27, 18), (150, 31)] {
            let nonce = 77;
            // The state that the nonce was absorbed into, of which the first element is passed over.
            let (mut state, _) = coin(43).into_parts();
            let mut reference = RpoRandomCoin::from_parts(state, 4);
            let positions = reference.draw_integers(queries, 1 << log_domain, nonce);
            state[4] += Felt::new(nonce);
            Rpo256::apply_permutation(&mut state);
            let outcome = with_coin(call("generate_list_indices"), &RpoRandomCoin::from_parts(state, 4))
                .memory(address("number_queries"), [queries as u32, ])
                .memory(address("fri_queries_address"), [queries_address])
                .memory(address("lde_domain_log_size"), [log_domain])
                .memory(address("lde_domain_size"), [1_u64 << log_domain])
                .run();
            let positions = positions.expect("the coin has positions");
            for (i, position) in (0..).zip(positions) {
                let found = outcome.elements(queries_address + 4 * i + 2, 2);
                assert_eq!(found, [Felt::from(log_domain), Felt::new(position as u64)]);
            }
        }
    }

    fn check_pow() {
        let coin = coin(44);
        for bits in [0_u32, 1, 6] {
            let run = |nonce: u64| {
                with_coin(call("check_pow"), &coin)
                    .memory(address("grinding_factor"), [bits])
                    .advice([nonce])
            };
            let holds = |&nonce: &u64| coin.check_leading_zeros(nonce) >= bits;
            let nonce = (0..).find(holds).expect("some nonce will do");
            let outcome = run(nonce).run();
            let (mut state, _) = coin.into_parts();
            state[4] += Felt::new(nonce);
            Rpo256::apply_permutation(&mut state);
            check_coin(&outcome, &RpoRandomCoin::from_parts(state, 4));
            if let Some(nonce) = (0..100).find(|nonce| !holds(nonce)) {
                run(nonce).trap();
            }
        }
    }
}
