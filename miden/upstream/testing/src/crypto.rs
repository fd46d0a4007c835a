//! Hash functions and Merkle trees.

pub use miden_core::crypto::{
    hash::Rpo256,
    merkle::{
        MerkleError, MerklePath, MerkleStore, MerkleTree, Mmr, NodeIndex, PartialMerkleTree, Smt,
    },
};
pub use winter_prover::crypto::{BatchMerkleProof, ElementHasher, Hasher, RandomCoin};

use crate::{Felt, Word, ZERO};

/// A leaf with this number in its first element.
pub fn init_merkle_leaf(value: u64) -> Word {
    Word::new([Felt::new(value), ZERO, ZERO, ZERO])
}

/// Leaves with these numbers in their first elements.
pub fn init_merkle_leaves(values: &[u64]) -> Vec<Word> {
    values.iter().copied().map(init_merkle_leaf).collect()
}

/// Leaves with these numbers in their first elements, and a store of the tree over them.
pub fn init_merkle_store(values: &[u64]) -> (Vec<Word>, MerkleStore) {
    let leaves = init_merkle_leaves(values);
    let tree = MerkleTree::new(leaves.clone()).expect("a power of two leaves");
    (leaves, MerkleStore::from(&tree))
}
