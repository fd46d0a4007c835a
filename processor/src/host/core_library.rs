//! Handlers for the events that Miden's core library emits.
//!
//! Those of its precompiles (Keccak, SHA-512, ECDSA, EdDSA) and of its authenticated encryption
//! are left out: their procedures need operations that are not supported.

use std::sync::Arc;

use miden_core::{
    EventName, Felt, LexicographicWord, Word, ZERO,
    crypto::merkle::{EmptySubtreeRoots, SMT_DEPTH, Smt},
};
use thiserror::Error;

use super::EventHandler;
use crate::{
    advice::{AdviceError, AdviceMutation},
    error::{HostError, MemoryError},
    view::ProcessState,
};

/// The modulus of Falcon signatures.
const FALCON_MODULUS: u64 = 12289;

/// Every handler with the event it answers.
pub fn core_library_handlers() -> Vec<(EventName, Arc<dyn EventHandler>)> {
    vec![
        (
            EventName::new("miden::core::math::u64::u64_div"),
            Arc::new(divide_u64),
        ),
        (
            EventName::new("miden::core::crypto::dsa::falcon512rpo::falcon_div"),
            Arc::new(divide_by_falcon_modulus),
        ),
        (
            EventName::new("miden::core::collections::smt::smt_peek"),
            Arc::new(peek_smt),
        ),
        (
            EventName::new("miden::core::collections::sorted_array::lowerbound_array"),
            Arc::new(find_in_array),
        ),
        (
            EventName::new("miden::core::collections::sorted_array::lowerbound_key_value"),
            Arc::new(find_in_key_values),
        ),
    ]
}

/// Arguments of a core library event that its handler cannot use.
#[derive(Debug, Error)]
enum ArgumentError {
    #[error("division by zero")]
    DivideByZero,
    #[error("{0} does not fit in 32 bits")]
    NotU32(u64),
    #[error(transparent)]
    Advice(#[from] AdviceError),
    #[error(transparent)]
    Memory(#[from] MemoryError),
    #[error("the advice map has no entry for the leaf {}", .0.to_hex())]
    LeafNotFound(Word),
    #[error("the entry for a leaf should be pairs of words, but has {0} elements")]
    LeafNotPairs(usize),
    #[error("{0} is not a flag for full or half keys")]
    KeySize(Felt),
    #[error("an array of {size} elements does not hold whole entries of {stride}")]
    ArraySize { size: u32, stride: u32 },
    #[error("the entry at address {0} is smaller than the one before it")]
    NotSorted(u32),
}

type Answer = Result<Vec<AdviceMutation>, HostError>;

/// The 64-bit integer whose high half is at `position` and low half below it.
fn u64_at(state: &ProcessState<'_>, position: usize) -> Result<u64, ArgumentError> {
    let half = |position| {
        let value = state.get_stack_item(position).as_int();
        u32::try_from(value)
            .map(u64::from)
            .map_err(|_| ArgumentError::NotU32(value))
    };
    Ok((half(position)? << 32) | half(position + 1)?)
}

/// High and low half.
fn halves(value: u64) -> [Felt; 2] {
    [Felt::new(value >> 32), Felt::from(value as u32)]
}

/// `[event, b_hi, b_lo, a_hi, a_lo]`: pushes quotient and remainder of a / b, low halves first.
fn divide_u64(state: &ProcessState<'_>) -> Answer {
    let (b, a) = (u64_at(state, 1)?, u64_at(state, 3)?);
    let quotient = a.checked_div(b).ok_or(ArgumentError::DivideByZero)?;
    let [[r_hi, r_lo], [q_hi, q_lo]] = [halves(a % b), halves(quotient)];
    Ok(vec![AdviceMutation::extend_stack([r_hi, r_lo, q_hi, q_lo])])
}

/// `[event, a_hi, a_lo]`: pushes quotient (high half first) and remainder of a / 12289.
fn divide_by_falcon_modulus(state: &ProcessState<'_>) -> Answer {
    let a = u64_at(state, 1)?;
    let [q_hi, q_lo] = halves(a / FALCON_MODULUS);
    Ok(vec![AdviceMutation::extend_stack([
        Felt::new(a % FALCON_MODULUS),
        q_lo,
        q_hi,
    ])])
}

/// `[event, KEY, ROOT]`: pushes the key's value in the sparse Merkle tree, zeros if it has none.
fn peek_smt(state: &ProcessState<'_>) -> Answer {
    let (key, root) = (state.get_stack_word_be(1), state.get_stack_word_be(5));
    let advice = state.advice_provider();
    let leaf = advice
        .get_tree_node(root, Felt::from(SMT_DEPTH), key[3])
        .map_err(ArgumentError::from)?;
    let value = if leaf == *EmptySubtreeRoots::entry(SMT_DEPTH, SMT_DEPTH) {
        Smt::EMPTY_VALUE
    } else {
        let pairs = advice
            .get_mapped_values(&leaf)
            .ok_or(ArgumentError::LeafNotFound(leaf))?;
        if !pairs.len().is_multiple_of(8) {
            return Err(ArgumentError::LeafNotPairs(pairs.len()).into());
        }
        pairs
            .chunks_exact(8)
            .find(|pair| pair[..4] == *key.as_elements())
            .map_or(Smt::EMPTY_VALUE, |pair| {
                Word::new(core::array::from_fn(|i| pair[4 + i]))
            })
    };
    Ok(vec![AdviceMutation::extend_stack(value.into_iter().rev())])
}

/// `[event, KEY, start, end]`: finds the key among the words in memory, see [lower_bound].
fn find_in_array(state: &ProcessState<'_>) -> Answer {
    lower_bound(state, 4, true)
}

/// `[event, KEY, start, end, full]`: finds the key among pairs of words in memory; only the two
/// most significant elements of the keys there count unless `full` is 1. See [lower_bound].
fn find_in_key_values(state: &ProcessState<'_>) -> Answer {
    let flag = state.get_stack_item(7);
    match flag.as_int() {
        0 => lower_bound(state, 8, false),
        1 => lower_bound(state, 8, true),
        _ => Err(ArgumentError::KeySize(flag).into()),
    }
}

/// Pushes the address of the first entry that is not less than the key, on top of it whether
/// that entry is equal to the key. Entries are in order and `stride` elements apart.
fn lower_bound(state: &ProcessState<'_>, stride: u32, full_key: bool) -> Answer {
    let key = LexicographicWord::new(state.get_stack_word_be(1));
    let range = state.get_mem_addr_range(5, 6)?;
    let size = range.end - range.start;
    if size % stride != 0 {
        return Err(ArgumentError::ArraySize { size, stride }.into());
    }
    let entry_at = |addr: u32| -> Result<LexicographicWord, ArgumentError> {
        let mut word = state.get_mem_word(state.ctx(), addr)?.unwrap_or_default();
        if !full_key {
            (word[0], word[1]) = (ZERO, ZERO);
        }
        Ok(LexicographicWord::new(word))
    };
    let mut found = None;
    let mut previous: Option<LexicographicWord> = None;
    for addr in range.clone().step_by(stride as usize) {
        let entry = entry_at(addr)?;
        if previous.is_some_and(|previous| entry < previous) {
            return Err(ArgumentError::NotSorted(addr).into());
        }
        if found.is_none() && entry >= key {
            found = Some((addr, entry == key));
        }
        previous = Some(entry);
    }
    let (addr, is_equal) = found.unwrap_or((range.end, false));
    Ok(vec![AdviceMutation::extend_stack([
        Felt::from(is_equal),
        Felt::from(addr),
    ])])
}
