//! Sponges where no vector unit is made use of: nothing is done, and who asks hashes one by one.

use miden_core::Felt;
use miden_cvm_air::hash::{Digest, STATE_WIDTH};

use super::Rows;
use crate::packed::VectorUnit;

/// Hashes no rows.
pub fn hash_rows<P>(_: VectorUnit, _: &impl Rows, _: &mut [Digest]) -> bool {
    false
}

/// Hashes no pairs of digests.
pub fn merge_into<P>(_: VectorUnit, _: &mut [Digest], _: &[Digest]) -> bool {
    false
}

/// Hashes no nonces.
pub fn hash_nonces<P>(
    _: VectorUnit,
    _: &[Felt; STATE_WIDTH],
    _: usize,
    _: u64,
    _: &mut [u64],
) -> bool {
    false
}
