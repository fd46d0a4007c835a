//! Searches in sorted arrays, whose results the program checks against their neighbours.

use miden_core::{EventName, Felt, LexicographicWord, ZERO};
use thiserror::Error;

use super::Answer;
use crate::{advice::AdviceMutation, error::MemoryError, machine::view::ProcessState};

pub(super) const ARRAY_EVENT: EventName =
    EventName::new("miden::core::collections::sorted_array::lowerbound_array");
pub(super) const KEY_VALUE_EVENT: EventName =
    EventName::new("miden::core::collections::sorted_array::lowerbound_key_value");

#[derive(Debug, Error)]
enum SearchError {
    #[error(transparent)]
    Memory(#[from] MemoryError),
    #[error("{0} is not a flag for full or half keys")]
    KeySize(Felt),
    #[error("an array of {size} elements does not hold whole entries of {stride}")]
    ArraySize { size: u32, stride: u32 },
    #[error("the entry at address {0} is smaller than the one before it")]
    NotSorted(u32),
}

/// `[event, KEY, start, end]`: finds the key among the words in memory, see [lower_bound].
pub(super) fn find_word(state: &ProcessState<'_>) -> Answer {
    lower_bound(state, 4, true)
}

/// `[event, KEY, start, end, full]`: finds the key among pairs of words in memory; only the two
/// most significant elements of the keys there count unless `full` is 1. See [lower_bound].
pub(super) fn find_key_value(state: &ProcessState<'_>) -> Answer {
    let flag = state.get_stack_item(7);
    match flag.as_int() {
        0 => lower_bound(state, 8, false),
        1 => lower_bound(state, 8, true),
        _ => Err(SearchError::KeySize(flag).into()),
    }
}

/// Pushes the address of the first entry that is not less than the key, on top of it whether
/// that entry is equal to the key. Entries are in order and `stride` elements apart.
fn lower_bound(state: &ProcessState<'_>, stride: u32, full_key: bool) -> Answer {
    let key = LexicographicWord::new(state.get_stack_word_be(1));
    let range = state.get_mem_addr_range(5, 6)?;
    let size = range.end - range.start;
    if size % stride != 0 {
        return Err(SearchError::ArraySize { size, stride }.into());
    }
    state.read_in_bulk(size.into())?;
    let entry_at = |addr: u32| -> Result<LexicographicWord, SearchError> {
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
            return Err(SearchError::NotSorted(addr).into());
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
