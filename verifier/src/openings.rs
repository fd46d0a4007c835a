//! Merkle openings without anything to spare.
//!
//! Winterfell's batch openings verify if they contain enough nodes, and its tables of queried rows
//! if they contain enough rows; more than enough goes unnoticed. Here an opening has to consist of
//! exactly what its positions call for, so that a proof has one form only.

use alloc::{collections::BTreeSet, vec::Vec};

use winter_verifier::crypto::{
    BatchMerkleProof, Hasher, MerkleTree, MerkleTreeError, VectorCommitment,
};

/// A Merkle tree whose openings of many positions are checked strictly; otherwise Winterfell's.
pub struct StrictMerkleTree<H: Hasher>(MerkleTree<H>);

impl<H: Hasher> VectorCommitment<H> for StrictMerkleTree<H> {
    type Options = ();
    type Proof = Vec<H::Digest>;
    type MultiProof = BatchMerkleProof<H>;
    type Error = MerkleTreeError;

    fn with_options(items: Vec<H::Digest>, (): ()) -> Result<Self, MerkleTreeError> {
        MerkleTree::new(items).map(Self)
    }

    fn commitment(&self) -> H::Digest {
        self.0.commitment()
    }

    fn domain_len(&self) -> usize {
        self.0.domain_len()
    }

    fn get_proof_domain_len(proof: &Self::Proof) -> usize {
        <MerkleTree<H> as VectorCommitment<H>>::get_proof_domain_len(proof)
    }

    fn get_multiproof_domain_len(proof: &Self::MultiProof) -> usize {
        <MerkleTree<H> as VectorCommitment<H>>::get_multiproof_domain_len(proof)
    }

    fn open(&self, index: usize) -> Result<(H::Digest, Self::Proof), MerkleTreeError> {
        self.0.open(index)
    }

    fn open_many(
        &self,
        indexes: &[usize],
    ) -> Result<(Vec<H::Digest>, Self::MultiProof), MerkleTreeError> {
        self.0.open_many(indexes)
    }

    fn verify(
        commitment: H::Digest,
        index: usize,
        item: H::Digest,
        proof: &Self::Proof,
    ) -> Result<(), MerkleTreeError> {
        <MerkleTree<H> as VectorCommitment<H>>::verify(commitment, index, item, proof)
    }

    fn verify_many(
        commitment: H::Digest,
        indexes: &[usize],
        items: &[H::Digest],
        proof: &Self::MultiProof,
    ) -> Result<(), MerkleTreeError> {
        let lengths = proof.nodes.iter().map(Vec::len);
        if items.len() != indexes.len()
            || !lengths.eq(node_counts(indexes, usize::from(proof.depth)))
        {
            return Err(MerkleTreeError::InvalidProof);
        }
        MerkleTree::verify_batch(&commitment, indexes, items, proof)
    }
}

/// How many nodes each list of an opening has.
///
/// There is a list for every pair of neighbouring leaves of which one is opened, from left to right;
/// it begins with the leaf of the pair that is not opened, if there is one. On every level above,
/// the missing sibling of the i-th node that is computed goes into the i-th list.
fn node_counts(indexes: &[usize], depth: usize) -> Vec<usize> {
    let leaves: BTreeSet<usize> = indexes.iter().copied().collect();
    let mut level: BTreeSet<usize> = leaves.iter().map(|index| index / 2).collect();
    let mut counts: Vec<usize> = level
        .iter()
        .map(|pair| {
            let children = [2 * pair, 2 * pair + 1];
            children
                .iter()
                .filter(|leaf| !leaves.contains(leaf))
                .count()
        })
        .collect();
    for _ in 1..depth {
        for (count, node) in counts.iter_mut().zip(&level) {
            *count += usize::from(!level.contains(&(node ^ 1)));
        }
        level = level.iter().map(|node| node / 2).collect();
    }
    counts
}

#[cfg(test)]
mod tests {
    use miden_core::crypto::hash::Blake3_256;

    use super::*;

    type Tree = StrictMerkleTree<Blake3_256>;

    fn tree(depth: u32) -> Tree {
        let leaves = (0..1_u32 << depth).map(|i| Blake3_256::hash(&i.to_le_bytes()));
        Tree::new(leaves.collect()).expect("a power of two of leaves")
    }

    #[test]
    fn openings_verify_with_nothing_to_spare() {
        let tree = tree(6);
        let sets: [&[usize]; 8] = [
            &[0],
            &[63],
            &[0, 1],
            &[1, 2],
            &[5, 3, 40, 41, 7],
            &[0, 63, 31, 32],
            &[10, 11, 12, 13, 14, 15, 8, 9],
            &(0..64).collect::<Vec<_>>(),
        ];
        for indexes in sets {
            let (items, proof) = tree.open_many(indexes).expect("positions in the domain");
            let verify = |items: &[_], proof: &BatchMerkleProof<Blake3_256>| {
                Tree::verify_many(tree.commitment(), indexes, items, proof)
            };
            assert_eq!(verify(&items, &proof), Ok(()), "{indexes:?}");

            let extra = Blake3_256::hash(b"extra");
            for list in 0..proof.nodes.len() {
                let mut longer = proof.clone();
                longer.nodes[list].push(extra);
                assert!(verify(&items, &longer).is_err(), "{indexes:?}");
                let mut shorter = proof.clone();
                if shorter.nodes[list].pop().is_some() {
                    assert!(verify(&items, &shorter).is_err(), "{indexes:?}");
                }
            }
            let mut lists = proof.clone();
            lists.nodes.push(Vec::new());
            assert!(verify(&items, &lists).is_err(), "{indexes:?}");
            let mut more = items.clone();
            more.push(extra);
            assert!(verify(&more, &proof).is_err(), "{indexes:?}");
            let mut wrong = items;
            wrong[0] = extra;
            assert!(verify(&wrong, &proof).is_err(), "{indexes:?}");
        }
    }

    #[test]
    fn winterfell_lets_more_nodes_pass() {
        let tree = tree(4);
        let (items, mut proof) = tree.open_many(&[3, 9]).expect("positions in the domain");
        proof.nodes[0].push(Blake3_256::hash(b"extra"));
        let root = tree.commitment();
        assert!(MerkleTree::verify_batch(&root, &[3, 9], &items, &proof).is_ok());
        assert!(Tree::verify_many(root, &[3, 9], &items, &proof).is_err());
    }
}
