//! Values that tests give to programs, and expect of them.

use miden_core::chiplets::hasher::apply_permutation;
use proptest::{arbitrary::Arbitrary, collection::vec, strategy::Strategy};

use crate::{Felt, STATE_WIDTH, WORD_SIZE, Word, ZERO, hash_elements};

/// Adds the elements of a word at the end.
pub fn append_word_to_vec(values: &mut Vec<u64>, word: Word) {
    values.extend(felt_slice_to_ints(word.as_elements()));
}

/// Adds the elements of a word at the beginning.
pub fn prepend_word_to_vec(values: &mut Vec<u64>, word: Word) {
    values.splice(0..0, felt_slice_to_ints(word.as_elements()));
}

/// The elements as numbers.
pub fn felt_slice_to_ints(elements: &[Felt]) -> Vec<u64> {
    elements.iter().map(Felt::as_int).collect()
}

/// Four values.
pub fn prop_randw<T: Arbitrary>() -> impl Strategy<Value = Vec<T>> {
    vec(T::arbitrary(), WORD_SIZE)
}

/// The hash function's permutation of a state, as it stands on the stack.
pub fn build_expected_perm(values: &[u64]) -> [Felt; STATE_WIDTH] {
    let mut state = [ZERO; STATE_WIDTH];
    for (element, &value) in state.iter_mut().zip(values) {
        *element = Felt::new(value);
    }
    apply_permutation(&mut state);
    state.reverse();
    state
}

/// The hash of elements, as it stands on the stack.
pub fn build_expected_hash(values: &[u64]) -> [Felt; WORD_SIZE] {
    let elements: Vec<Felt> = values.iter().copied().map(Felt::new).collect();
    let mut digest: [Felt; WORD_SIZE] = hash_elements(&elements).into();
    digest.reverse();
    digest
}

/// Instructions that push these numbers, the last one on top.
pub fn push_inputs(values: &[u64]) -> String {
    values
        .iter()
        .map(|value| format!("push.{value}\n"))
        .collect()
}
