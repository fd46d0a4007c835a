//! Bytes as field elements.

use alloc::vec::Vec;

use miden_core::Felt;

const BYTES_PER_ELEMENT: usize = size_of::<u32>();

/// Four bytes an element, the lowest first; the last element is filled up with zeros.
pub fn pack(bytes: &[u8]) -> Vec<Felt> {
    bytes
        .chunks(BYTES_PER_ELEMENT)
        .map(|chunk| {
            let mut limb = [0; BYTES_PER_ELEMENT];
            limb[..chunk.len()].copy_from_slice(chunk);
            Felt::from(u32::from_le_bytes(limb))
        })
        .collect()
}
