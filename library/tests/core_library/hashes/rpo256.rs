//! RPO, against `miden-crypto`'s.

use miden_core::{Felt, Word, ZERO, crypto::hash::Rpo256};

use crate::support::{Call, Samples, procedures, word_at};

fn call(procedure: &str) -> Call {
    Call::new(&format!("crypto::hashes::rpo256::{procedure}"))
}

/// A state of the hasher, as words C, B, A on the stack.
fn with_state(call: Call, state: &[Felt; 12]) -> Call {
    call.stack(state.iter().rev().copied())
}

fn random_state(seed: u64) -> [Felt; 12] {
    let mut samples = Samples::new(seed);
    core::array::from_fn(|_| samples.felt())
}

fn state_at(stack: &[Felt], position: usize) -> [Felt; 12] {
    core::array::from_fn(|i| stack[position + 11 - i])
}

/// Checks a procedure of `[start, end]` that hashes whole words.
fn hashes_words(procedure: &str, lens: &[u32]) {
    for &words in lens {
        let elements = Samples::new(words.into()).felts(words as usize * 4);
        let hash = call(procedure)
            .memory(40, elements.clone())
            .stack([40, 40 + words * 4])
            .top_word();
        assert_eq!(hash, Rpo256::hash_elements(&elements), "{words} words");
    }
}

/// Elements, and the same filled up with zeros to whole double words.
fn padded(len: u32) -> (Vec<Felt>, Vec<Felt>) {
    let elements = Samples::new(len.into()).felts(len as usize);
    let mut filled = elements.clone();
    filled.resize(elements.len().next_multiple_of(8), ZERO);
    (elements, filled)
}

procedures! { "::miden::core::crypto::hashes::rpo256";
    fn init_no_padding() {
        let stack = call("init_no_padding").stack([7_u32]).run().stack;
        assert_eq!(state_at(&stack, 0), [ZERO; 12]);
        assert_eq!(stack[12], Felt::from(7_u32));
    }

    fn squeeze_digest() {
        let state = random_state(1);
        let stack = with_state(call("squeeze_digest"), &state).stack([7_u32]).run().stack;
        assert_eq!(word_at(&stack, 0).as_elements(), &state[Rpo256::DIGEST_RANGE]);
        assert_eq!(stack[4], Felt::from(7_u32));
    }

    fn copy_digest() {
        let state = random_state(2);
        let stack = with_state(call("copy_digest"), &state).run().stack;
        assert_eq!(word_at(&stack, 0).as_elements(), &state[Rpo256::DIGEST_RANGE]);
        assert_eq!(state_at(&stack, 4), state);
    }

    fn absorb_double_words_from_memory() {
        for blocks in [0_u32, 1, 3] {
            let elements = Samples::new(3).felts(blocks as usize * 8);
            let mut state = random_state(4);
            let end = 40 + blocks * 8;
            let stack = with_state(call("absorb_double_words_from_memory"), &state)
                .memory(40, elements.clone())
                .stack([40, end])
                .run()
                .stack;
            for block in elements.chunks_exact(8) {
                state[Rpo256::RATE_RANGE].copy_from_slice(block);
                Rpo256::apply_permutation(&mut state);
            }
            assert_eq!(state_at(&stack, 0), state);
            assert_eq!(stack[12..14], [Felt::from(end); 2]);
        }
    }

    fn hash_double_words() {
        hashes_words("hash_double_words", &[0, 2, 6]);
    }

    fn hash_words() {
        hashes_words("hash_words", &[0, 1, 2, 5]);
    }

    fn prepare_hasher_state() {
        for (len, pads, capacity) in [(16, 0, 0), (21, 0, 5), (21, 1, 0)] {
            let stack = call("prepare_hasher_state").stack([40_u32, len, pads]).run().stack;
            let mut state = [ZERO; 12];
            state[Rpo256::CAPACITY_RANGE.start] = Felt::from(capacity as u32);
            assert_eq!(state_at(&stack, 0), state);
            assert_eq!(stack[12..15], [40, 40 + len / 8 * 8, len % 8].map(Felt::from));
        }
    }

    fn hash_elements_with_state() {
        for len in [8, 13] {
            let (elements, _) = padded(len);
            let mut state = [ZERO; 12];
            state[Rpo256::CAPACITY_RANGE.start] = Felt::from(len % 8);
            let hash = with_state(call("hash_elements_with_state"), &state)
                .memory(40, elements.clone())
                .stack([40, 40 + len / 8 * 8, len % 8])
                .top_word();
            assert_eq!(hash, Rpo256::hash_elements(&elements));
        }
    }

    fn hash_elements() {
        for len in [0, 1, 4, 8, 15, 17] {
            let (elements, _) = padded(len);
            let call = call("hash_elements").memory(40, elements.clone());
            let hash = call.stack([40, len]).top_word();
            assert_eq!(hash, Rpo256::hash_elements(&elements), "{len} elements");
        }
    }

    fn pad_and_hash_elements() {
        for len in [0, 1, 8, 15, 17] {
            let (elements, filled) = padded(len);
            let call = call("pad_and_hash_elements").memory(40, elements);
            let hash = call.stack([40, len]).top_word();
            assert_eq!(hash, Rpo256::hash_elements(&filled), "{len} elements");
        }
    }

    fn hash() {
        let word = Samples::new(5).word();
        let hash = call("hash").word(word).top_word();
        assert_eq!(hash, Rpo256::hash_elements(word.as_elements()));
    }

    fn merge() {
        let words: [Word; 2] = [Samples::new(6).word(), Samples::new(7).word()];
        let hash = call("merge").word(words[1]).word(words[0]).top_word();
        assert_eq!(hash, Rpo256::merge(&words));
    }

    fn permute() {
        let mut state = random_state(8);
        let stack = with_state(call("permute"), &state).run().stack;
        Rpo256::apply_permutation(&mut state);
        assert_eq!(state_at(&stack, 0), state);
    }
}
