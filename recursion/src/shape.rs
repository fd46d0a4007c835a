//! The shape of the proofs that a verifying program is made for: all that is not in a proof's messages and its statement.

use miden_core::{Felt, ZERO};
use miden_cvm_air::{
    air::CvmAir,
    heights::{Heights, Piece},
    memory_io::MemoryIo,
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
/// and a kernel may have, together with the words of public data, and of inputs and outputs in memory.
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
        "the statement has {0} procedures of a kernel, links, intrinsics, segments and words of public data \
         and of inputs and outputs in memory, \
         but programs verify proofs of statements with at most {MAX_MESSAGES}"
    )]
    Records(usize),
}

/// The shape of a proof: the heights of its tables, and what its statement says but for
/// [`variables`]: the kernel, the composition, and where inputs and outputs in memory are. Its settings are
/// the set `Recursive96` with RPO.
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

/// The elements of a statement that differ from run to run: the program's hash, the inputs and outputs
/// in memory, the stack at the beginning and the end, and the state of the precompile transcript.
pub fn variables(public: &PublicInputs) -> Vec<Felt> {
    let stacks = [&public.stack_inputs[..], &public.stack_outputs[..]].into_iter();
    let elements = public.program_hash.into_iter();
    elements
        .chain(segments(&public.memory).flatten().copied())
        .chain(stacks.flatten().copied())
        .chain(public.precompile_transcript)
        .collect()
}

/// The elements of the inputs and of the outputs in memory.
fn segments(memory: &MemoryIo) -> impl Iterator<Item = &Vec<Felt>> {
    let segments = [&memory.inputs, &memory.outputs].into_iter().flatten();
    segments.map(|segment| &segment.elements)
}

/// Where the variables of a statement are among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatementVariables {
    /// The first element of the stack at the beginning. Before it are the inputs and outputs in memory, and
    /// before these the program's hash.
    pub stack_inputs: usize,
    /// The first element of the stack at the end.
    pub stack_outputs: usize,
    /// The first element of the state of the precompile transcript.
    pub transcript: usize,
    /// Their number.
    pub count: usize,
}

impl StatementVariables {
    /// Those of statements with inputs and outputs in memory where this one has them.
    pub fn of(public: &PublicInputs) -> Self {
        let in_memory: usize = segments(&public.memory).map(Vec::len).sum();
        let stack_inputs = WORD + in_memory;
        let stack_outputs = stack_inputs + STACK_DEPTH;
        let transcript = stack_outputs + STACK_DEPTH;
        Self {
            stack_inputs,
            stack_outputs,
            transcript,
            count: transcript + WORD,
        }
    }

    /// The first element of a word of the inputs and outputs in memory.
    pub fn word_in_memory(&self, number: usize) -> usize {
        WORD * (1 + number)
    }
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
                    memory: without_values(&public.memory),
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
    pub fn places(&self, seed: &[Felt]) -> impl Iterator<Item = usize> {
        // The hash is the first of the public inputs, which are the last; the others end them.
        let hash = seed.len() - self.records.to_elements().len();
        let others = StatementVariables::of(&self.records).count - WORD;
        (hash..hash + WORD).chain(seed.len() - others..seed.len())
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

/// The same places with zeros in the place of the values.
fn without_values(memory: &MemoryIo) -> MemoryIo {
    let mut memory = memory.clone();
    for segment in [&mut memory.inputs, &mut memory.outputs]
        .into_iter()
        .flatten()
    {
        segment.elements.fill(ZERO);
    }
    memory
}

/// Pads elements with zeros to blocks that the hasher absorbs.
pub fn pad(elements: &mut Vec<Felt>) {
    elements.resize(elements.len().next_multiple_of(BLOCK), ZERO);
}

/// Elements of a stack that a statement shows.
const STACK_DEPTH: usize = 16;

/// Elements of a word.
pub const WORD: usize = 4;

/// Elements that the hasher absorbs at once.
pub const BLOCK: usize = 8;
