//! The version this project starts from: 0.20.6, on Winterfell.

use miden_core_lib::CoreLibrary;
use miden_vm::{
    AdviceInputs, Assembler, DefaultHost, ExecutionProof, HashFunction, ProgramInfo,
    ProvingOptions, StackInputs, StackOutputs,
};

use crate::peer::{Assembled, Inputs, Peer, PeerError, Proven, Rows, Stage};

/// `miden-vm` 0.20.6 as published: 96 conjectured bits with Blake3-192, its default.
#[derive(Debug)]
pub struct Miden0_20;

impl Peer for Miden0_20 {
    fn assemble(&self, source: &str, inputs: &Inputs) -> Result<Box<dyn Assembled>, PeerError> {
        let advice = AdviceInputs::default()
            .with_stack_values(inputs.advice_stack.iter().copied())
            .map_err(|error| Stage::Assemble.failed(error))?;
        // This version takes the deepest element first.
        let stack = StackInputs::try_from_ints(inputs.operand_stack.iter().rev().copied())
            .map_err(|error| Stage::Assemble.failed(error))?;
        let program = Assembler::default()
            .with_dynamic_library(CoreLibrary::default())
            .and_then(|assembler| assembler.assemble_program(source))
            .map_err(|report| Stage::Assemble.failed(report))?;
        Ok(Box::new(Program {
            program,
            advice,
            stack,
        }))
    }
}

struct Program {
    program: miden_vm::Program,
    advice: AdviceInputs,
    stack: StackInputs,
}

impl Program {
    fn host(&self) -> Result<DefaultHost, PeerError> {
        DefaultHost::default()
            .with_library(&CoreLibrary::default())
            .map_err(|error| Stage::Assemble.failed(error))
    }

    /// This version's own default. With Blake3-256 its verifier accepts 128-bit options only.
    fn options(&self) -> ProvingOptions {
        ProvingOptions::with_96_bit_security(HashFunction::Blake3_192)
    }
}

impl Assembled for Program {
    fn prove(&self) -> Result<Proven, PeerError> {
        let (outputs, proof) = miden_vm::prove(
            &self.program,
            self.stack.clone(),
            self.advice.clone(),
            &mut self.host()?,
            self.options(),
        )
        .map_err(|error| Stage::Prove.failed(error))?;
        Ok(Proven {
            outputs: outputs.as_int_vec(),
            proof: proof.to_bytes(),
        })
    }

    fn verify(&self, proven: &Proven) -> Result<(), PeerError> {
        let proof = ExecutionProof::from_bytes(&proven.proof)
            .map_err(|error| Stage::Verify.failed(error))?;
        let outputs = StackOutputs::try_from_ints(proven.outputs.iter().copied())
            .map_err(|error| Stage::Verify.failed(error))?;
        let program = ProgramInfo::from(self.program.clone());
        miden_vm::verify(program, self.stack.clone(), outputs, proof)
            .map_err(|error| Stage::Verify.failed(error))?;
        Ok(())
    }

    fn rows(&self) -> Result<Rows, PeerError> {
        let trace = miden_vm::execute(
            &self.program,
            self.stack.clone(),
            self.advice.clone(),
            &mut self.host()?,
            *self.options().execution_options(),
        )
        .map_err(|error| Stage::Execute.failed(error))?;
        let lengths = trace.trace_len_summary();
        let chiplets = lengths.chiplets_trace_len();
        Ok(Rows {
            cycles: lengths.main_trace_len(),
            range: lengths.range_trace_len(),
            hasher: chiplets.hash_chiplet_len(),
            bitwise: chiplets.bitwise_chiplet_len(),
            memory: chiplets.memory_chiplet_len(),
            padded: lengths.padded_trace_len(),
        })
    }
}
