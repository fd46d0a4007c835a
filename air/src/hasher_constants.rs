//! Constants of the RPO permutation, as periodic columns need them.

use miden_core::Felt;
use miden_crypto::hash::rpo::Rpo256;

/// Round constants added before the S-box, by round.
pub const ARK1: [[Felt; 12]; 7] = Rpo256::ARK1;
/// Round constants added before the inverse S-box, by round.
pub const ARK2: [[Felt; 12]; 7] = Rpo256::ARK2;
