//! Values in sparse Merkle trees.

use miden_core::{
    EventName, Felt, Word,
    crypto::merkle::{EmptySubtreeRoots, SMT_DEPTH, Smt},
};
use thiserror::Error;

use super::Answer;
use crate::{
    advice::{AdviceError, AdviceMutation},
    machine::view::ProcessState,
};

pub(super) const PEEK_EVENT: EventName = EventName::new("miden::core::collections::smt::smt_peek");

#[derive(Debug, Error)]
enum PeekError {
    #[error(transparent)]
    Advice(#[from] AdviceError),
    #[error("the advice map has no entry for the leaf {}", .0.to_hex())]
    LeafNotFound(Word),
    #[error("the entry for a leaf should be pairs of words, but has {0} elements")]
    LeafNotPairs(usize),
}

/// `[event, KEY, ROOT]`: pushes the key's value in the sparse Merkle tree, zeros if it has none.
pub(super) fn peek(state: &ProcessState<'_>) -> Answer {
    let (key, root) = (state.get_stack_word_be(1), state.get_stack_word_be(5));
    let advice = state.advice_provider();
    let leaf = advice
        .get_tree_node(root, Felt::from(SMT_DEPTH), key[3])
        .map_err(PeekError::from)?;
    let value = if leaf == *EmptySubtreeRoots::entry(SMT_DEPTH, SMT_DEPTH) {
        Smt::EMPTY_VALUE
    } else {
        let pairs = advice
            .get_mapped_values(&leaf)
            .ok_or(PeekError::LeafNotFound(leaf))?;
        if !pairs.len().is_multiple_of(8) {
            return Err(PeekError::LeafNotPairs(pairs.len()).into());
        }
        state.read_in_bulk(pairs.len() as u64)?;
        pairs
            .chunks_exact(8)
            .find(|pair| pair[..4] == *key.as_elements())
            .map_or(Smt::EMPTY_VALUE, |pair| {
                Word::new(core::array::from_fn(|i| pair[4 + i]))
            })
    };
    Ok(vec![AdviceMutation::extend_stack(value.into_iter().rev())])
}
