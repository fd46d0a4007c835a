//! Copies, and data from the advice with its hash.

use miden_core::{Felt, Word, crypto::hash::Rpo256};
use miden_cvm_processor::Trap;

use crate::support::{Call, Outcome, Samples, procedures, word_at};

/// Checks that memory has the elements from an address on.
fn assert_memory(outcome: &Outcome, addr: u32, elements: &[Felt]) {
    assert_eq!(outcome.elements(addr, elements.len() as u32), elements);
}

/// Checks that elements are copied, and no more than those.
fn copies(procedure: &str, count: u32, from: u32, to: u32, len: usize) {
    let elements = Samples::new(7).felts(len + 4);
    let outcome = Call::new(&format!("mem::{procedure}"))
        .memory(from, elements.clone())
        .stack([count, from, to])
        .run();
    assert_memory(&outcome, to, &elements[..len]);
    assert!(!outcome.memory.contains_key(&(to + len as u32)));
}

/// Checks that the advice ends up in memory, and that its hash has to be the right one.
fn preimage(procedure: &str, words: u32) {
    let elements = Samples::new(8).felts(words as usize * 4);
    let call = |commitment: Word| {
        Call::new(&format!("mem::{procedure}"))
            .stack([words, 80])
            .word(commitment)
            .advice(elements.iter().copied())
    };
    let outcome = call(Rpo256::hash_elements(&elements)).run();
    assert_memory(&outcome, 80, &elements);
    assert_eq!(outcome.stack[0], Felt::from(80 + words * 4));
    assert!(outcome.advice_stack.is_empty());
    let trap = call(Word::default()).trap();
    assert!(matches!(*trap, Trap::FailedAssertion { .. }), "{trap}");
}

/// A call of a procedure that takes a preimage from the advice.
pub fn preimage_call(procedure: &str, words: u32) -> Call {
    let elements = Samples::new(8).felts(words as usize * 4);
    Call::new(&format!("mem::{procedure}"))
        .stack([words, 80])
        .word(Rpo256::hash_elements(&elements))
        .advice(elements)
}

/// A call of a procedure that takes words from the advice and leaves their hash, which is compared.
pub fn pipe_call(procedure: &str) -> Call {
    let elements = Samples::new(9).felts(24);
    let call = Call::new(&format!("mem::{procedure}"));
    let call = match procedure {
        "pipe_words_to_memory" => call.stack([6_u32, 40]),
        _ => call.stack([0_u32; 12]).stack([40_u32, 64]),
    };
    let [a, b, c, d]: [Felt; 4] = Rpo256::hash_elements(&elements).into();
    call.advice(elements).after(&format!(
        "dropw push.{a} push.{b} push.{c} push.{d} assert_eqw"
    ))
}

procedures! { "::miden::core::mem";
    fn memcopy_words() {
        for words in [0, 1, 5] {
            copies("memcopy_words", words, 100, 200, words as usize * 4);
        }
    }

    fn memcopy_elements() {
        for elements in [0, 1, 9] {
            copies("memcopy_elements", elements, 101, 203, elements as usize);
        }
    }

    fn pipe_double_words_to_memory() {
        let elements = Samples::new(9).felts(24);
        let outcome = Call::new("mem::pipe_double_words_to_memory")
            .stack([0_u32; 12])
            .stack([40_u32, 64])
            .advice(elements.iter().copied())
            .run();
        assert_memory(&outcome, 40, &elements);
        assert_eq!(word_at(&outcome.stack, 4), Rpo256::hash_elements(&elements));
        assert_eq!(outcome.stack[12], Felt::from(64_u32));
    }

    fn pipe_words_to_memory() {
        for words in [2_u32, 3, 7] {
            let elements = Samples::new(10).felts(words as usize * 4);
            let outcome = Call::new("mem::pipe_words_to_memory")
                .stack([words, 40])
                .advice(elements.iter().copied())
                .run();
            assert_memory(&outcome, 40, &elements);
            assert_eq!(word_at(&outcome.stack, 4), Rpo256::hash_elements(&elements));
            assert_eq!(outcome.stack[12], Felt::from(40 + words * 4));
        }
    }

    fn pipe_preimage_to_memory() {
        preimage("pipe_preimage_to_memory", 3);
        preimage("pipe_preimage_to_memory", 4);
    }

    fn pipe_double_words_preimage_to_memory() {
        preimage("pipe_double_words_preimage_to_memory", 6);
        let odd = Call::new("mem::pipe_double_words_preimage_to_memory").stack([3_u32, 80]);
        assert!(matches!(*odd.trap(), Trap::FailedAssertion { .. }));
    }
}
