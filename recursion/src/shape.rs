//! What a verifying program is made for: all that is not in a proof's messages and its statement.

use miden_core::{Felt, ZERO, precompile::PrecompileTranscriptState};
use miden_cvm_air::{
    air::CvmAir,
    heights::{Heights, Piece},
    options::{HashFunction, OptionSet, ProofSettings},
    public::PublicInputs,
    transcript,
};
use miden_cvm_verifier::Proof;
use thiserror::Error;

/// The settings of the proofs that are verified.
const SETTINGS: (OptionSet, HashFunction) = (OptionSet::Recursive96, HashFunction::Rpo256);

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
    /// The program has a kernel.
    #[error("the run is of a program with a kernel, which no program verifies yet")]
    Kernel,
    /// The run is one of a composition.
    #[error("the run is one of a composition, which no program verifies yet")]
    Composition,
    /// The run left something to precompiles, or makes claims.
    #[error(
        "the run left computations to precompiles or claims to others, which no program verifies yet"
    )]
    Requests,
}

/// The shape of a proof: the heights of its tables. Its settings are the set `Recursive96` with RPO.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    heights: Heights,
}

/// Where the elements of the transcript's beginning come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeedElement {
    /// The same for all proofs of the shape.
    Known(Felt),
    /// Of the statement, by its number among the [`variables`].
    Variable(usize),
}

/// The number of elements of a statement that differ from run to run: the program's hash and the
/// stack at the beginning and the end.
pub const NUM_VARIABLES: usize = 4 + 16 + 16;

/// The elements of a statement that differ from run to run.
pub fn variables(public: &PublicInputs) -> Vec<Felt> {
    let mut elements = public.program_hash.as_elements().to_vec();
    elements.extend_from_slice(&public.stack_inputs[..]);
    elements.extend_from_slice(&public.stack_outputs[..]);
    elements
}

/// Checks that programs verify proofs of such statements: there is nothing in them but a program and
/// stacks.
///
/// # Errors
/// Returns what else there is.
pub fn check_statement(public: &PublicInputs) -> Result<(), ShapeError> {
    if !public.kernel.proc_hashes().is_empty() {
        return Err(ShapeError::Kernel);
    }
    if public.composition.is_some() {
        return Err(ShapeError::Composition);
    }
    match public.precompile_transcript == PrecompileTranscriptState::default() {
        true => Ok(()),
        false => Err(ShapeError::Requests),
    }
}

impl Shape {
    /// The shape of proofs whose tables have these heights.
    pub const fn new(heights: Heights) -> Self {
        Self { heights }
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
        check_statement(public)?;
        if !proof.requests().is_empty() {
            return Err(ShapeError::Requests);
        }
        Ok(Self::new(*proof.heights()))
    }

    /// Whether there are proofs whose tables have these heights.
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

    /// The AIR of such proofs, with a statement of zeros.
    pub fn air(&self) -> CvmAir {
        let options = Self::settings().proof_options();
        CvmAir::new(self.heights, PublicInputs::default(), options)
    }

    /// The elements that the transcript begins with.
    pub fn seed(&self, air: &CvmAir) -> Vec<SeedElement> {
        let elements = transcript::seed(air, Self::settings());
        let end = PublicInputs::default()
            .precompile_transcript
            .as_elements()
            .len();
        // Hash, number of procedures of the kernel, whether it is a composition, stacks, transcript.
        let stacks = elements.len() - end - 32;
        let hash = stacks - 2 - 4;
        let variable = |at: usize| match at {
            _ if at >= stacks && at < stacks + 32 => Some(4 + at - stacks),
            _ if at >= hash && at < hash + 4 => Some(at - hash),
            _ => None,
        };
        let elements = elements.into_iter().enumerate();
        let elements = elements.map(|(at, element)| match variable(at) {
            Some(number) => SeedElement::Variable(number),
            None => SeedElement::Known(element),
        });
        elements.collect()
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

/// Elements that the hasher absorbs at once.
pub const BLOCK: usize = 8;
