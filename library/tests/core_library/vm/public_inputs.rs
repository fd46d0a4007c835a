//! The public inputs of Miden VM.

use miden_core::{
    Felt, FieldElement, ONE, QuadFelt, Word, ZERO,
    crypto::{hash::Rpo256, random::RpoRandomCoin},
};

use crate::{
    recursion::{coefficients, kernel_bus},
    stark::{
        constants::address,
        random_coin::{check_coin, with_coin},
    },
    support::{Call, Outcome, Samples, procedures},
};

/// Elements that every proof has: the stack before and after, the program, and padding.
const FIXED: usize = 40;

/// Public inputs with what they are reduced with.
struct Inputs {
    /// The elements that the coin's seed begins with.
    context: Vec<Felt>,
    fixed: Vec<Felt>,
    kernel: Vec<Word>,
    alpha: QuadFelt,
    beta: QuadFelt,
}

impl Inputs {
    fn new(kernel: usize) -> Self {
        let mut samples = Samples::new(48);
        let mut fixed = samples.felts(FIXED);
        fixed[36..].fill(ZERO);
        Self {
            context: samples.felts(8),
            fixed,
            kernel: (0..kernel).map(|_| samples.word()).collect(),
            alpha: QuadFelt::new(samples.felt(), samples.felt()),
            beta: QuadFelt::new(samples.felt(), samples.felt()),
        }
    }

    /// The digests as they are hashed: each in reverse order, after padding.
    fn digests(&self) -> Vec<Felt> {
        self.kernel
            .iter()
            .flat_map(|digest| [ZERO; 4].into_iter().chain(digest.into_iter().rev()))
            .collect()
    }

    /// The random elements as they are stored, and what the bus starts with before them.
    fn reduced(&self) -> [QuadFelt; 4] {
        let bus = kernel_bus(&self.kernel, self.alpha, self.beta);
        [bus, QuadFelt::ZERO, self.beta, self.alpha]
    }

    /// The coin after the seed.
    fn coin(&self) -> RpoRandomCoin {
        let seed = [&self.context[..], &self.fixed, &self.digests()].concat();
        RpoRandomCoin::new(Rpo256::hash_elements(&seed))
    }

    fn call(&self) -> Call {
        let digests = self.digests();
        // The context is absorbed already.
        let mut state = [ZERO; 12];
        state[Rpo256::RATE_RANGE].copy_from_slice(&self.context);
        Rpo256::apply_permutation(&mut state);
        let [a, b, c, d, ..] = state;
        let call = Call::new("sys::vm::public_inputs::process_public_inputs")
            .memory(
                address("num_public_inputs_ptr"),
                [(FIXED + digests.len()) as u32],
            )
            .word([a, b, c, d].into())
            .advice(self.fixed.clone())
            .advice(digests)
            .advice(coefficients(&[self.beta, self.alpha]).to_vec())
            .advice([self.kernel.len() as u32]);
        with_coin(call, &RpoRandomCoin::from_parts([ZERO; 12], 4))
    }

    fn check(&self, outcome: &Outcome) {
        let end = address("aux_rand_elem_ptr");
        let reduced = outcome.elements(end - 4, 4);
        assert_eq!(reduced, coefficients(&self.reduced()[..2]));
        let fixed: Vec<QuadFelt> = self.fixed.iter().map(|&value| value.into()).collect();
        let start = end - 4 - 2 * FIXED as u32;
        assert_eq!(
            outcome.elements(start, 2 * FIXED as u32),
            coefficients(&fixed)
        );
        let pointers = [
            "public_inputs_address_ptr",
            "variable_length_public_inputs_address_ptr",
        ];
        for (pointer, expected) in pointers.into_iter().zip([start, end - 4]) {
            assert_eq!(
                outcome.elements(address(pointer), 1),
                [Felt::from(expected)]
            );
        }
        let random = outcome.elements(address("aux_rand_nd_ptr"), 4);
        assert_eq!(random, coefficients(&self.reduced()[2..]));
        check_coin(outcome, &self.coin());
    }
}

procedures! { "::miden::core::sys::vm::public_inputs";
    fn get_num_fixed_len_public_inputs() {
        let call = Call::new("sys::vm::public_inputs::get_num_fixed_len_public_inputs");
        assert_eq!(call.top(), [FIXED as u64]);
    }

    fn process_public_inputs() {
        for kernel in [0, 1, 2, 3, 20] {
            let inputs = Inputs::new(kernel);
            inputs.check(&inputs.call().run());
        }
        // Public inputs that are no whole number of blocks.
        let inputs = Inputs::new(1);
        let count = Felt::new(FIXED as u64 + 8) + ONE;
        inputs.call().memory(address("num_public_inputs_ptr"), [count]).trap();
    }
}
