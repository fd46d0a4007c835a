//! Searches in sorted arrays, against Rust's.

use miden_core::{Felt, LexicographicWord, StarkField, Word, ZERO};
use miden_cvm_processor::Trap;

use crate::support::{Call, Samples, procedures};

const START: u32 = 100;

/// Words in order, some with equal upper halves.
fn sorted() -> Vec<Word> {
    let mut samples = Samples::new(12);
    let mut words: Vec<Word> = (0..6).map(|_| samples.word()).collect();
    let mut twin = words[2];
    twin[0] += Felt::new(1);
    words.push(twin);
    words.sort_by_key(|&word| LexicographicWord::from(word));
    words
}

/// Keys that are there, and keys before, between and after them.
fn keys(words: &[Word]) -> Vec<Word> {
    let largest = Word::new([Felt::new(Felt::MODULUS - 1); 4]);
    let mut keys = vec![Word::default(), largest];
    for word in words {
        let mut above = *word;
        above[0] += Felt::new(2);
        keys.extend([*word, above]);
    }
    keys
}

/// Checks a search: a flag, the address of the first entry not below the key, and the array.
fn search(call: Call, found: Option<usize>, lower_bound: usize, stride: u32, len: usize) {
    let address = |index: usize| u64::from(START + index as u32 * stride);
    let expected = [
        u64::from(found.is_some()),
        address(found.unwrap_or(lower_bound)),
        address(0),
        address(len),
    ];
    assert_eq!(call.top(), expected);
}

/// Keys with values of pseudo-random elements.
fn pairs(words: &[Word]) -> Vec<Felt> {
    let mut samples = Samples::new(13);
    words
        .iter()
        .flat_map(|key| [key.to_vec(), samples.felts(4)].concat())
        .collect()
}

fn upper_half(mut word: Word) -> LexicographicWord {
    (word[0], word[1]) = (ZERO, ZERO);
    word.into()
}

/// Calls of a search for every key, in arrays of no entry, of one and of several.
pub fn calls(procedure: &str) -> Vec<Call> {
    let mut calls = Vec::new();
    for len in [0, 1, 7] {
        let words = sorted()[..len].to_vec();
        for key in keys(&words) {
            let call = Call::new(&format!("collections::sorted_array::{procedure}"));
            let (call, size) = match procedure {
                "find_word" => {
                    let elements = words.iter().flat_map(|word| word.to_vec());
                    (call.memory(START, elements).word(key), 4)
                }
                "find_key_value" => (call.memory(START, pairs(&words)).word(key), 8),
                _ => {
                    let call = call.memory(START, pairs(&words));
                    (call.stack([key[3], key[2]]), 8)
                }
            };
            // Behind the array there is another one, which every key has a place in.
            let end = START + len as u32 * size;
            let behind = [
                Word::default(),
                Word::new([Felt::new(Felt::MODULUS - 1); 4]),
            ];
            let behind = behind.into_iter().flat_map(|word| {
                let mut entry = word.to_vec();
                entry.resize(size as usize, ZERO);
                entry
            });
            calls.push(call.stack([START, end]).memory(end, behind));
        }
    }
    calls
}

procedures! { "::miden::core::collections::sorted_array";
    fn find_word() {
        for len in [0, 1, 7] {
            let words = sorted()[..len].to_vec();
            for key in keys(&words) {
                let elements = words.iter().flat_map(|word| word.to_vec());
                let call = Call::new("collections::sorted_array::find_word")
                    .memory(START, elements)
                    .word(key)
                    .stack([START, START + len as u32 * 4]);
                let lower = words.partition_point(|&word| {
                    LexicographicWord::from(word) < LexicographicWord::from(key)
                });
                let found = (words.get(lower) == Some(&key)).then_some(lower);
                search(call, found, lower, 4, len);
            }
        }
        let mut unsorted = sorted();
        unsorted.swap(1, 4);
        let trap = Call::new("collections::sorted_array::find_word")
            .memory(START, unsorted.iter().flat_map(|word| word.to_vec()))
            .word(unsorted[0])
            .stack([START, START + 28])
            .trap();
        assert!(matches!(*trap, Trap::EventError { .. }), "{trap}");
    }

    fn find_key_value() {
        let words = sorted();
        for key in keys(&words) {
            let call = Call::new("collections::sorted_array::find_key_value")
                .memory(START, pairs(&words))
                .word(key)
                .stack([START, START + words.len() as u32 * 8]);
            let lower = words.partition_point(|&word| {
                LexicographicWord::from(word) < LexicographicWord::from(key)
            });
            let found = (words.get(lower) == Some(&key)).then_some(lower);
            search(call, found, lower, 8, words.len());
        }
    }

    fn find_half_key_value() {
        let words = sorted();
        for key in keys(&words) {
            let call = Call::new("collections::sorted_array::find_half_key_value")
                .memory(START, pairs(&words))
                .stack([key[3], key[2]])
                .stack([START, START + words.len() as u32 * 8]);
            let lower = words.partition_point(|&word| upper_half(word) < upper_half(key));
            let equal = words.get(lower).is_some_and(|&word| upper_half(word) == upper_half(key));
            search(call, equal.then_some(lower), lower, 8, words.len());
        }
    }
}
