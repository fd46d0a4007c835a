//! The permutation of the hash function.

use miden_core::{Felt, crypto::hash::Rpo256};

/// Permutes a state. The published function becomes part of each caller, and is much code.
#[inline(never)]
pub fn permuted(mut state: [Felt; 12]) -> [Felt; 12] {
    Rpo256::apply_permutation(&mut state);
    state
}
