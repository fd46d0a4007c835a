//! The shape of the proofs that a verifying program is made for: all that is not in a proof's messages and its statement.

use miden_core::{Felt, ZERO};
use miden_cvm_air::{
    air::CvmAir,
    heights::{Heights, Piece},
    options::{HashFunction, OptionSet, ProofSettings},
    public::PublicInputs,
    transcript,
};
use miden_cvm_verifier::Proof;
use thiserror::Error;
use winter_math::ToElements;

/// The settings of the proofs that are verified.
const SETTINGS: (OptionSet, HashFunction) = (OptionSet::Recursive96, HashFunction::Rpo256);

/// The most messages that the verifier itself may send of a statement: so many records a composition
/// and a kernel may have, together with the words of public data.
pub const MAX_MESSAGES: usize = 4096;

/// Why a proof is not one that a program can verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ShapeError {
    /// The proof is of other settings.
    #[error(
        "the proof is of the settings {0}, but only proofs of the set Recursive96 with RPO are verified by \
         programs: prove the run with these"
    )]
    Settings(ProofSettings),
    /// The proof is of several groups of pieces.
    #[error(
        "the proof is of {0} groups of pieces, but only proofs of one are verified by programs: prove the \
         run without slices"
    )]
    Groups(usize),
    /// The kernel and the composition have too many records.
    #[error(
        "the statement has {0} procedures of a kernel, links, intrinsics, segments and words of public data, \
         but programs verify proofs of statements with at most {MAX_MESSAGES}"
    )]
    Records(usize),
}

/// The shape of a proof: the heights of its tables, and what its statement says but for
/// [`variables`]: the kernel and the composition. Its settings are the set `Recursive96` with RPO.
#[derive(Debug, Clone)]
pub struct Shape {
    heights: Heights,
    /// With zeros in the place of the variables.
    records: PublicInputs,
}

impl PartialEq for Shape {
    fn eq(&self, other: &Self) -> bool {
        self.heights == other.heights && self.records.to_elements() == other.records.to_elements()
    }
}

impl Eq for Shape {}

/// The number of elements of a statement that differ from run to run: the program's hash, the stack at
/// the beginning and the end, and the state of the precompile transcript.
pub const NUM_VARIABLES: usize = 4 + 16 + 16 + 4;

/// The elements of a statement that differ from run to run.
pub fn variables(public: &PublicInputs) -> [Felt; NUM_VARIABLES] {
    let stacks = [&public.stack_inputs[..], &public.stack_outputs[..]].into_iter();
    let elements = public.program_hash.into_iter();
    let mut elements = elements
        .chain(stacks.flatten().copied())
        .chain(public.precompile_transcript);
    core::array::from_fn(|_| elements.next().unwrap_or_default())
}

impl Shape {
    /// The shape of proofs whose tables have these heights, of statements with the kernel and the
    /// composition of this one.
    ///
    /// # Errors
    /// If there are too many records.
    pub fn new(heights: Heights, public: &PublicInputs) -> Result<Self, ShapeError> {
        match public.messages().len() {
            count if count > MAX_MESSAGES => Err(ShapeError::Records(count)),
            _ => Ok(Self {
                heights,
                records: PublicInputs {
                    kernel: public.kernel.clone(),
                    composition: public.composition.clone(),
                    ..PublicInputs::default()
                },
            }),
        }
    }

    /// The shape of a proof of this statement.
    ///
    /// # Errors
    /// If no program verifies such proofs.
    pub fn of(public: &PublicInputs, proof: &Proof) -> Result<Self, ShapeError> {
        let settings = proof.settings();
        if (settings.set(), settings.hash()) != SETTINGS {
            return Err(ShapeError::Settings(settings));
        }
        if proof.groups() != 1 {
            return Err(ShapeError::Groups(proof.groups()));
        }
        Self::new(*proof.heights(), public)
    }

    /// `true` if there are proofs whose tables have these heights.
    pub fn allows(heights: &Heights) -> bool {
        SETTINGS.0.allows(heights)
    }

    /// The heights of the tables.
    pub fn heights(&self) -> &Heights {
        &self.heights
    }

    /// The settings of the proofs.
    pub fn settings() -> ProofSettings {
        let (set, hash) = SETTINGS;
        ProofSettings::new(set, hash).expect("RPO is strong enough for each set of 96 bits")
    }

    /// The AIR of such proofs, with zeros in the place of the variables.
    pub fn air(&self) -> CvmAir {
        let options = Self::settings().proof_options();
        CvmAir::new(self.heights, self.records.clone(), options)
    }

    /// The elements that the transcript begins with, with zeros in the place of the variables.
    pub fn seed(&self, air: &CvmAir) -> Vec<Felt> {
        transcript::seed(air, Self::settings())
    }

    /// The places of the variables among the elements of a seed.
    pub fn places(&self, seed: &[Felt]) -> [usize; NUM_VARIABLES] {
        // The hash is the first of the public inputs, which are the last; the others end them.
        let hash = seed.len() - self.records.to_elements().len();
        let others = seed.len() - (NUM_VARIABLES - WORD);
        core::array::from_fn(|number| match number.checked_sub(WORD) {
            Some(number) => others + number,
            None => hash + number,
        })
    }

    /// The sizes of the pieces' extensions, from the largest to the smallest, each once.
    pub fn extensions(&self, air: &CvmAir) -> Vec<usize> {
        let blowup = air.options().blowup_factor();
        let mut sizes: Vec<usize> = air.pieces().iter().map(|p| p.height * blowup).collect();
        sizes.sort_unstable_by(|a, b| b.cmp(a));
        sizes.dedup();
        sizes
    }

    /// The pieces with an extension of this size, in order, with their numbers.
    pub fn pieces_of(air: &CvmAir, size: usize) -> impl Iterator<Item = (usize, &Piece)> {
        let height = size / air.options().blowup_factor();
        let pieces = air.pieces().iter().enumerate();
        pieces.filter(move |(_, piece)| piece.height == height)
    }
}

/// Pads elements with zeros to blocks that the hasher absorbs.
pub fn pad(elements: &mut Vec<Felt>) {
    elements.resize(elements.len().next_multiple_of(BLOCK), ZERO);
}

/// Elements of a word.
pub const WORD: usize = 4;

/// Elements that the hasher absorbs at once.
pub const BLOCK: usize = 8;
