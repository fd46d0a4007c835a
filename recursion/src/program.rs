//! Programs that verify proofs, one after the other.

use miden_assembly::Assembler;
use miden_core::{Felt, Program};
use miden_cvm_processor::AdviceInputs;
use thiserror::Error;

use crate::{
    masm::{Masm, Memory, Sponge},
    shape::{Shape, WORD, pad},
    verifier::{Common, Verifier},
};

/// The most proofs that one program verifies.
pub const MAX_PROOFS: usize = 64;

/// Why there is no program.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// There are no proofs, or too many.
    #[error("a program verifies from one to {MAX_PROOFS} proofs, but these are {0}")]
    Count(usize),
    /// The text was not assembled. This does not happen.
    #[error("the program was not assembled: {0}")]
    Assembly(String),
}

/// A program that verifies proofs of these shapes, and leaves a commitment to their statements.
#[derive(Debug, Clone)]
pub struct VerifyingProgram {
    program: Program,
    source: String,
    code: Vec<Felt>,
}

impl VerifyingProgram {
    /// The program for proofs of these shapes, in order.
    ///
    /// # Errors
    /// If there are no shapes, or too many.
    pub fn new(shapes: &[Shape]) -> Result<Self, ProgramError> {
        if shapes.is_empty() || shapes.len() > MAX_PROOFS {
            return Err(ProgramError::Count(shapes.len()));
        }
        let mut memory = Memory::default();
        let common = Common::new(&mut memory);
        let seeds = Sponge {
            len: WORD * shapes.len(),
            address: memory.take(WORD * (shapes.len() + 1)),
        };
        let (mut text, mut body) = (Masm::default(), Masm::default());
        common.procedures(&mut text);
        common.prepare(&mut body);
        let mut distinct = Vec::new();
        let mut code = Vec::new();
        for shape in shapes {
            if !distinct.contains(&shape) {
                let mut verifier = Verifier::new(shape.clone(), &mut memory);
                let name = name(distinct.len());
                verifier.procedures(&name, &common, &mut memory, &mut text);
                verifier.load(&mut body);
                code.extend(verifier.code());
                // What fills the last block.
                pad(&mut code);
                distinct.push(shape);
            }
        }
        for (number, shape) in shapes.iter().enumerate() {
            // Every shape was added.
            let verifier = distinct.iter().position(|&other| other == shape);
            body.add(format_args!("exec.{}", name(verifier.unwrap_or_default())));
            body.copy_word(seeds.address + WORD * number);
            body.add("dropw");
        }
        body.hash(seeds, "mem_stream");
        // The first element of the digest on top, and as deep a stack as at the beginning.
        body.add("swap movup.2 movup.3 swapw dropw");
        text.block("begin", &body);
        let source = text.to_string();
        let program = Assembler::default()
            .assemble_program(&source)
            .map_err(|report| ProgramError::Assembly(report.to_string()))?;
        Ok(Self {
            program,
            source,
            code,
        })
    }

    /// The program.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// The text that it was assembled from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The advice that it reads before that of the proofs: the code of its circuits, and what transcripts begin
    /// with.
    pub fn advice(&self) -> AdviceInputs {
        AdviceInputs::default().with_stack(self.code.iter().copied())
    }

    /// The elements that it reads before the advice of the proofs.
    pub fn code(&self) -> &[Felt] {
        &self.code
    }
}

fn name(number: usize) -> String {
    format!("verify_{number}")
}
