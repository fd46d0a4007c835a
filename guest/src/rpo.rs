//! The hash function RPO.

use alloc::vec::Vec;
use core::slice;

use crate::{
    Felt, Word,
    bindings::miden::cvm::{core_types, rpo},
};

/// Bytes that fit into an element, whatever they are.
const BYTES: usize = 7;

/// The hash of elements.
pub fn hash(elements: &[Felt]) -> Word {
    const {
        assert!(size_of::<Felt>() == size_of::<core_types::Felt>());
        assert!(align_of::<Felt>() == align_of::<core_types::Felt>());
    }
    // SAFETY: both types are one `u64`, which any value below the modulus is in both.
    let elements: &[core_types::Felt] =
        unsafe { slice::from_raw_parts(elements.as_ptr().cast(), elements.len()) };
    rpo::hash(elements).into()
}

/// The hash of bytes: of their number, and of elements that have seven of them each, the first the lowest.
pub fn hash_bytes(bytes: &[u8]) -> Word {
    let element = |bytes: &[u8]| {
        let mut value = [0; 8];
        value[..bytes.len()].copy_from_slice(bytes);
        Felt::new(u64::from_le_bytes(value))
    };
    let mut elements = Vec::with_capacity(1 + bytes.len().div_ceil(BYTES));
    elements.push(Felt::new(bytes.len() as u64));
    elements.extend(bytes.chunks(BYTES).map(element));
    hash(&elements)
}

/// The hash of two words, as inner nodes of trees have it.
pub fn merge(left: Word, right: Word) -> Word {
    rpo::merge(left.into(), right.into()).into()
}
