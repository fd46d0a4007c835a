//! The advice with which a program verifies a proof: what it reads, in the order in which it reads it.

use std::collections::BTreeMap;

use miden_core::{
    Felt, Word,
    crypto::{
        hash::Rpo256,
        merkle::{MerkleError, MerklePath, MerkleStore},
    },
};
use miden_cvm_air::{hash::Digest, public::PublicInputs};
use miden_cvm_processor::AdviceInputs;
use miden_cvm_verifier::{Observer, Proof, Rejection, VerifierError, observe};
use thiserror::Error;

use crate::shape::{Shape, ShapeError, pad, variables};

/// Why there is no advice to verify a proof with.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WitnessError {
    /// No program verifies such proofs.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// The proof is not one.
    #[error(transparent)]
    Proof(#[from] VerifierError),
    /// The paths of the proof's trees have an impossible form. This does not happen.
    #[error(transparent)]
    Merkle(#[from] MerkleError),
}

/// A tree, as far as it is opened.
#[derive(Debug, Default)]
struct Tree {
    /// The rows, from the largest extension to the smallest.
    rows: Vec<(usize, BTreeMap<usize, Vec<Felt>>)>,
    /// The levels by their sizes.
    levels: BTreeMap<usize, BTreeMap<usize, Digest>>,
}

/// What a verification reads.
#[derive(Debug, Default)]
struct Transcript {
    messages: Vec<Vec<Felt>>,
    positions: Vec<usize>,
    trees: Vec<Tree>,
    /// Whether it goes on after a check that does not hold.
    goes_on: bool,
}

impl Observer for Transcript {
    fn message(&mut self, elements: &[Felt]) {
        self.messages.push(elements.to_vec());
    }

    fn positions(&mut self, positions: &[usize]) {
        self.positions = positions.to_vec();
    }

    fn rows(&mut self, size: usize, rows: &BTreeMap<usize, Vec<Felt>>) {
        if self.trees.last().is_none_or(|tree| !tree.levels.is_empty()) {
            self.trees.push(Tree::default());
        }
        if let Some(tree) = self.trees.last_mut() {
            tree.rows.push((size, rows.clone()));
        }
    }

    fn nodes(&mut self, size: usize, nodes: &BTreeMap<usize, Digest>) {
        if let Some(tree) = self.trees.last_mut() {
            tree.levels.insert(size, nodes.clone());
        }
    }

    fn check(&mut self, holds: bool, rejection: Rejection) -> Result<(), Rejection> {
        if holds || self.goes_on {
            Ok(())
        } else {
            Err(rejection)
        }
    }
}

/// The number of messages before the roots of the low-degree test.
const BEFORE_LAYERS: usize = 5;

/// The advice with which a program verifies a proof.
///
/// # Errors
/// If no program verifies such proofs, or the proof does not prove the statement.
pub fn advice(public: &PublicInputs, proof: &Proof) -> Result<AdviceInputs, WitnessError> {
    transcribe(public, proof, false)
}

/// The advice that comes closest to what a program would have to read to verify bytes of the form of a
/// proof, whether they are one of the statement or not.
///
/// # Errors
/// If no program verifies such proofs, or the bytes are not of that form.
pub fn forged_advice(public: &PublicInputs, proof: &Proof) -> Result<AdviceInputs, WitnessError> {
    transcribe(public, proof, true)
}

fn transcribe(
    public: &PublicInputs,
    proof: &Proof,
    goes_on: bool,
) -> Result<AdviceInputs, WitnessError> {
    Shape::of(public, proof)?;
    let mut transcript = Transcript {
        goes_on,
        ..Transcript::default()
    };
    observe(public, proof, &mut transcript)?;
    transcript.advice(variables(public))
}

impl Transcript {
    fn advice(self, mut stack: Vec<Felt>) -> Result<AdviceInputs, WitnessError> {
        let num_messages = self.messages.len();
        for (number, mut message) in self.messages.into_iter().enumerate() {
            let is_remainder = number + 2 == num_messages;
            if number == 2 || number + 1 == BEFORE_LAYERS || is_remainder {
                pad(&mut message);
            }
            stack.extend(message);
        }
        let mut store = MerkleStore::new();
        for &position in &self.positions {
            for tree in &self.trees {
                tree.open(position, &mut stack, &mut store)?;
            }
        }
        Ok(AdviceInputs::default()
            .with_stack(stack)
            .with_merkle_store(store))
    }
}

impl Tree {
    /// Adds the rows at a position, each followed by the node right below where the next one is merged
    /// in, and the paths to these nodes and to the root.
    fn open(
        &self,
        position: usize,
        stack: &mut Vec<Felt>,
        store: &mut MerkleStore,
    ) -> Result<(), WitnessError> {
        let ends = self.rows.iter().skip(1).map(|&(size, _)| size).chain([1]);
        for ((size, rows), end) in self.rows.iter().zip(ends) {
            let mut row = rows.get(&(position % size)).cloned().unwrap_or_default();
            pad(&mut row);
            stack.extend(row);
            let (mut index, mut path) = (0, Vec::new());
            let levels = (end.ilog2() + 1..=size.ilog2()).rev();
            for (level, log) in levels.enumerate() {
                let (at, half) = (position % (1 << log), 1 << (log - 1));
                index |= u64::from(at >= half) << level;
                path.push(self.node(1 << log, at ^ half));
            }
            let leaf = self.node(*size, position % size);
            let top = store.add_merkle_path(index, leaf, MerklePath::new(path))?;
            if end > 1 {
                stack.extend(top);
            }
        }
        Ok(())
    }

    /// A node, which is known as the position is opened.
    fn node(&self, size: usize, at: usize) -> Word {
        let node = self.levels.get(&size).and_then(|level| level.get(&at));
        node.copied().unwrap_or_default().into()
    }
}

/// What a program commits to: the hashes of the elements that the transcripts begin with.
pub fn commitment(seeds: &[Word]) -> Word {
    let elements: Vec<Felt> = seeds.iter().copied().flat_map(<[Felt; 4]>::from).collect();
    Rpo256::hash_elements(&elements)
}
