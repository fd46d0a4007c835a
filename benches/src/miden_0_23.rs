//! The fastest published peer: `miden-vm` 0.23.5, on Plonky3.

use miden_core_23::Felt;
use miden_core_lib_23::CoreLibrary;
use miden_vm_23::{
    Assembler, DefaultHost, ExecutionOptions, ExecutionProof, FastProcessor, HashFunction,
    ProgramInfo, ProvingOptions, StackInputs, StackOutputs, advice::AdviceInputs,
    trace::build_trace,
};

use crate::{
    contender::{Contender, ContenderError, Prepared, Proven, Rows, Stage},
    program::{Code, Task},
};

/// Elements of the stack that a verifier is given.
const STACK: usize = 16;

const NAME: &str = "miden-vm-0.23.5";

/// `miden-vm` 0.23.5 as published, proving on all cores.
#[derive(Debug)]
pub struct Miden0_23;

impl Contender for Miden0_23 {
    fn name(&self) -> &'static str {
        NAME
    }

    fn prepare(&self, task: &Task<'_>) -> Result<Box<dyn Prepared>, ContenderError> {
        let source = match task.code {
            Code::Open(source) => source.to_owned(),
            Code::Composed { plain, .. } => plain.for_miden_0_23(),
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
    program: miden_vm_23::Program,
    advice: AdviceInputs,
}

impl Assembled {
    fn host(&self) -> Result<DefaultHost, ContenderError> {
        DefaultHost::default()
            .with_library(&CoreLibrary::default())
            .map_err(|error| ContenderError::new(NAME, Stage::Assemble, error))
    }
}

/// A stack with `salt` at its bottom: this version takes the top first.
fn stack_inputs(salt: u32) -> StackInputs {
    let mut elements = [Felt::ZERO; STACK];
    elements[STACK - 1] = Felt::from(salt);
    StackInputs::from(elements)
}

impl Prepared for Assembled {
    fn prove(&self, salt: u32) -> Result<Proven, ContenderError> {
        let (outputs, proof) = miden_vm_23::prove_sync(
            &self.program,
            stack_inputs(salt),
            self.advice.clone(),
            &mut self.host()?,
            ExecutionOptions::default(),
            ProvingOptions::with_96_bit_security(HashFunction::Blake3_256),
        )
        .map_err(|error| ContenderError::new(NAME, Stage::Prove, error))?;
        let outputs = outputs
            .iter()
            .map(|element| element.as_canonical_u64())
            .collect();
        Ok(Proven {
            salt,
            outputs,
            proof: proof.to_bytes(),
        })
    }

    fn verify(&self, proven: &Proven) -> Result<(), ContenderError> {
        let proof = ExecutionProof::from_bytes(&proven.proof)
            .map_err(|error| ContenderError::new(NAME, Stage::Verify, error))?;
        let outputs: Vec<Felt> = proven
            .outputs
            .iter()
            .map(|&output| Felt::try_from(output))
            .collect::<Result<_, _>>()
            .map_err(|error| ContenderError::new(NAME, Stage::Verify, error))?;
        let outputs = StackOutputs::new(&outputs)
            .map_err(|error| ContenderError::new(NAME, Stage::Verify, error))?;
        let program = ProgramInfo::from(self.program.clone());
        miden_vm_23::verify(program, stack_inputs(proven.salt), outputs, proof)
            .map_err(|error| ContenderError::new(NAME, Stage::Verify, error))?;
        Ok(())
    }

    fn rows(&self) -> Result<Rows, ContenderError> {
        let execute = |error| ContenderError::new(NAME, Stage::Execute, error);
        let processor = FastProcessor::new_with_options(
            StackInputs::default(),
            self.advice.clone(),
            ExecutionOptions::default(),
        )
        .map_err(|error| ContenderError::new(NAME, Stage::Execute, error))?;
        let run = processor
            .execute_trace_inputs_sync(&self.program, &mut self.host()?)
            .map_err(execute)?;
        let trace = build_trace(run).map_err(execute)?;
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
