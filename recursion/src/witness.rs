//! The advice with which a program verifies a proof: what it reads, in the order in which it reads it.

use std::collections::BTreeMap;

use miden_core::{
    Felt, Word,
    crypto::{
        hash::Rpo256,
        merkle::{InnerNodeInfo, MerkleStore},
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
}

/// A tree, as far as it is opened.
#[derive(Debug, Default)]
struct Tree {
    /// The rows, from the largest extension to the smallest.
    rows: Vec<(usize, BTreeMap<usize, Vec<Felt>>)>,
    /// The levels by their sizes.
    levels: BTreeMap<usize, BTreeMap<usize, Digest>>,
}

/// The known nodes of a tree into which rows are merged, by size and position: the node right
/// below.
type Tops = BTreeMap<(usize, usize), Word>;

/// The elements that a verification reads.
#[derive(Debug, Default)]
struct Transcript {
    messages: Vec<Vec<Felt>>,
    positions: Vec<usize>,
    trees: Vec<Tree>,
    /// `true` if it goes on after a check that does not hold.
    goes_on: bool,
    /// The first check that does not hold.
    rejection: Option<Rejection>,
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
        if !holds {
            self.rejection.get_or_insert(rejection);
        }
        match holds || self.goes_on {
            true => Ok(()),
            false => Err(rejection),
        }
    }
}

/// The number of messages before the roots of the low-degree test.
const BEFORE_LAYERS: usize = 5;

/// The advice with which a program verifies a proof. The proof is verified on the way.
///
/// # Errors
/// If no program verifies such proofs, or the proof does not prove the statement.
pub fn advice(public: &PublicInputs, proof: &Proof) -> Result<AdviceInputs, WitnessError> {
    let transcript = transcribe(public, proof, false)?;
    Ok(transcript.advice(public))
}

/// The advice that comes closest to what a program would have to read to verify bytes of the form of a
/// proof, whether they are one of the statement or not; and why they are not.
///
/// # Errors
/// If no program verifies such proofs, or the bytes are not of that form.
pub fn forged_advice(
    public: &PublicInputs,
    proof: &Proof,
) -> Result<(AdviceInputs, Option<Rejection>), WitnessError> {
    let transcript = transcribe(public, proof, true)?;
    let rejection = transcript.rejection;
    Ok((transcript.advice(public), rejection))
}

fn transcribe(
    public: &PublicInputs,
    proof: &Proof,
    goes_on: bool,
) -> Result<Transcript, WitnessError> {
    Shape::of(public, proof)?;
    let mut transcript = Transcript {
        goes_on,
        ..Transcript::default()
    };
    observe(public, proof, &mut transcript)?;
    Ok(transcript)
}

impl Transcript {
    fn advice(self, public: &PublicInputs) -> AdviceInputs {
        let mut stack = variables(public);
        let num_messages = self.messages.len();
        for (number, mut message) in self.messages.into_iter().enumerate() {
            let is_remainder = number + 2 == num_messages;
            if number == 2 || number + 1 == BEFORE_LAYERS || is_remainder {
                pad(&mut message);
            }
            stack.extend(message);
        }
        let mut store = MerkleStore::new();
        let tops: Vec<Tops> = self.trees.iter().map(|tree| tree.add(&mut store)).collect();
        for &position in &self.positions {
            for (tree, tops) in self.trees.iter().zip(&tops) {
                tree.open(position, tops, &mut stack);
            }
        }
        AdviceInputs::default()
            .with_stack(stack)
            .with_merkle_store(store)
    }
}

impl Tree {
    /// Adds its nodes to a store; returns those into which rows are merged, without the rows.
    fn add(&self, store: &mut MerkleStore) -> Tops {
        let mut tops = Tops::new();
        let mut nodes = Vec::new();
        for (&size, children) in &self.levels {
            let half = size / 2;
            let is_merged = self.rows.iter().any(|&(size, _)| size == half);
            for (&position, &left) in children.range(..half) {
                let Some(&right) = children.get(&(position + half)) else {
                    continue;
                };
                let [left, right] = [left, right].map(Word::from);
                let value = match is_merged {
                    true => *tops
                        .entry((half, position))
                        .or_insert(Rpo256::merge(&[left, right])),
                    false => self.node(half, position),
                };
                nodes.push(InnerNodeInfo { value, left, right });
            }
        }
        store.extend(nodes);
        tops
    }

    /// Adds the rows at a position, each followed by the node right below where the next one is merged
    /// in.
    fn open(&self, position: usize, tops: &Tops, stack: &mut Vec<Felt>) {
        for (number, (size, rows)) in self.rows.iter().enumerate() {
            let mut row = rows.get(&(position % size)).cloned().unwrap_or_default();
            pad(&mut row);
            stack.extend(row);
            if let Some(&(next, _)) = self.rows.get(number + 1) {
                let top = tops.get(&(next, position % next));
                stack.extend(top.copied().unwrap_or_default());
            }
        }
    }

    /// A node, which is known as the position is opened.
    fn node(&self, size: usize, at: usize) -> Word {
        let node = self.levels.get(&size).and_then(|level| level.get(&at));
        node.copied().unwrap_or_default().into()
    }
}

/// The commitments of a program: the hashes of the elements that the transcripts begin with.
pub fn commitment(seeds: &[Word]) -> Word {
    let elements: Vec<Felt> = seeds.iter().copied().flat_map(<[Felt; 4]>::from).collect();
    Rpo256::hash_elements(&elements)
}
