//! The peer this project starts from: `miden-vm` 0.20.6, on Winterfell.

use miden_core_lib::CoreLibrary;
use miden_vm::{
    AdviceInputs, Assembler, DefaultHost, ExecutionProof, HashFunction, ProgramInfo,
    ProvingOptions, StackInputs, StackOutputs,
};

use crate::{
    contender::{Contender, ContenderError, Prepared, Proven, Rows, Stage},
    program::{Code, Task},
};

/// Elements of the stack that a verifier is given.
const STACK: usize = 16;

const NAME: &str = "miden-vm-0.20.6";

/// `miden-vm` 0.20.6 as published, proving on all cores.
#[derive(Debug)]
pub struct Miden0_20;

impl Contender for Miden0_20 {
    fn name(&self) -> &'static str {
        NAME
    }

    fn prepare(&self, task: &Task<'_>) -> Result<Box<dyn Prepared>, ContenderError> {
        let source = match task.code {
            Code::Open(source) => source.to_owned(),
            Code::Composed { plain, .. } => plain.for_miden_0_20(),
        };
        let advice_stack = task
            .advice_stack()
            .map_err(|error| ContenderError::new(NAME, Stage::Assemble, error))?;
        let advice = AdviceInputs::default()
            .with_stack_values(advice_stack)
            .map_err(|error| ContenderError::new(NAME, Stage::Assemble, error))?;
        let program = Assembler::default()
            .with_dynamic_library(CoreLibrary::default())
            .and_then(|assembler| assembler.assemble_program(source))
            .map_err(|report| ContenderError::new(NAME, Stage::Assemble, report))?;
        Ok(Box::new(Assembled { program, advice }))
    }
}

struct Assembled {
    program: miden_vm::Program,
    advice: AdviceInputs,
}

impl Assembled {
    fn host(&self) -> Result<DefaultHost, ContenderError> {
        DefaultHost::default()
            .with_library(&CoreLibrary::default())
            .map_err(|error| ContenderError::new(NAME, Stage::Assemble, error))
    }

    /// This version's own default. With Blake3-256 its verifier accepts 128-bit options only.
    fn options(&self) -> ProvingOptions {
        ProvingOptions::with_96_bit_security(HashFunction::Blake3_192)
    }
}

/// A stack with `salt` at its bottom: this version takes the deepest element first.
fn stack_inputs(salt: u32, stage: Stage) -> Result<StackInputs, ContenderError> {
    let mut elements = [0; STACK];
    elements[0] = u64::from(salt);
    StackInputs::try_from_ints(elements).map_err(|error| ContenderError::new(NAME, stage, error))
}

impl Prepared for Assembled {
    fn prove(&self, salt: u32) -> Result<Proven, ContenderError> {
        let (outputs, proof) = miden_vm::prove(
            &self.program,
            stack_inputs(salt, Stage::Prove)?,
            self.advice.clone(),
            &mut self.host()?,
            self.options(),
        )
        .map_err(|error| ContenderError::new(NAME, Stage::Prove, error))?;
        Ok(Proven {
            salt,
            outputs: outputs.as_int_vec(),
            proof: proof.to_bytes(),
        })
    }

    fn verify(&self, proven: &Proven) -> Result<(), ContenderError> {
        let proof = ExecutionProof::from_bytes(&proven.proof)
            .map_err(|error| ContenderError::new(NAME, Stage::Verify, error))?;
        let outputs = StackOutputs::try_from_ints(proven.outputs.iter().copied())
            .map_err(|error| ContenderError::new(NAME, Stage::Verify, error))?;
        let program = ProgramInfo::from(self.program.clone());
        let inputs = stack_inputs(proven.salt, Stage::Verify)?;
        miden_vm::verify(program, inputs, outputs, proof)
            .map_err(|error| ContenderError::new(NAME, Stage::Verify, error))?;
        Ok(())
    }

    fn rows(&self) -> Result<Rows, ContenderError> {
        let trace = miden_vm::execute(
            &self.program,
            StackInputs::default(),
            self.advice.clone(),
            &mut self.host()?,
            *self.options().execution_options(),
        )
        .map_err(|error| ContenderError::new(NAME, Stage::Execute, error))?;
        let lengths = trace.trace_len_summary();
        let chiplets = lengths.chiplets_trace_len();
        Ok(Rows {
            cycles: lengths.main_trace_len(),
            range: lengths.range_trace_len(),
            hasher: chiplets.hash_chiplet_len(),
            bitwise: chiplets.bitwise_chiplet_len(),
            table: 0,
            memory: chiplets.memory_chiplet_len(),
            rom: chiplets.kernel_rom_len(),
            padded: lengths.padded_trace_len(),
        })
    }
}
