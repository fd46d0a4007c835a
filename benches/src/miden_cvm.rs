//! This project's own machine.

use std::{path::Path, sync::Arc};

use miden_assembly::Assembler;
use miden_core::{Felt, Program, StackInputs, StackOutputs, mast::MastForest};
use miden_cvm_air::table::Table;
use miden_cvm_component::{Composition, LinkedComposition, Toolchain, core_library};
use miden_cvm_processor::{
    AdviceInputs, DefaultHost, ExecutionOptions, ExecutionTrace, execute_traced,
};
use miden_cvm_prover::{OptionSet, ProofSettings, ProveOptions, prove_trace};
use miden_cvm_verifier::{Expectations, PublicInputs, verify};

use crate::{
    contender::{Contender, ContenderError, Prepared, Proven, Rows, Stage},
    program::{Code, Task},
};

/// Elements of the stack that a verifier is given.
const STACK: usize = 16;

const NAME: &str = "miden-cvm";

/// Miden CVM, proving on all cores at its defaults: Blake3-256, blowup 4. Programs that are
/// compositions are proven as such.
#[derive(Debug)]
pub struct MidenCvm;

impl Contender for MidenCvm {
    fn name(&self) -> &'static str {
        NAME
    }

    fn prepare(&self, task: &Task<'_>) -> Result<Box<dyn Prepared>, ContenderError> {
        let advice_stack = task
            .advice_stack()
            .map_err(|error| ContenderError::new(NAME, Stage::Assemble, error))?;
        match task.code {
            Code::Open(source) => Self::assemble(source, &advice_stack),
            Code::Composed { composition, .. } => Self::link(Path::new(composition), &advice_stack),
        }
    }
}

impl MidenCvm {
    /// Assembles an open program.
    fn assemble(source: &str, advice_stack: &[u64]) -> Result<Box<dyn Prepared>, ContenderError> {
        let program = Assembler::default()
            .with_dynamic_library(core_library())
            .and_then(|assembler| assembler.assemble_program(source))
            .map_err(|report| ContenderError::new(NAME, Stage::Assemble, report))?;
        Ok(Box::new(Linked {
            program,
            composition: None,
            advice: advice(advice_stack),
            forests: vec![core_library().mast_forest().clone()],
        }))
    }

    /// Assembles the components of the composition file at `path`, and links them.
    ///
    /// # Errors
    /// When there is a mistake in these files.
    pub fn link(path: &Path, advice_stack: &[u64]) -> Result<Box<dyn Prepared>, ContenderError> {
        let linked = LinkedComposition::load(path, &Toolchain::new())
            .map_err(|error| ContenderError::new(NAME, Stage::Assemble, error))?;
        let static_data = linked.advice_map.iter();
        let advice =
            advice(advice_stack).with_map(static_data.map(|(&key, data)| (key, data.to_vec())));
        Ok(Box::new(Linked {
            program: linked.program,
            composition: Some(linked.composition),
            advice,
            forests: linked.forests,
        }))
    }
}

fn advice(stack: &[u64]) -> AdviceInputs {
    AdviceInputs::default().with_stack(stack.iter().copied().map(Felt::new))
}

struct Linked {
    program: Program,
    composition: Option<Composition>,
    advice: AdviceInputs,
    /// The code that the host provides.
    forests: Vec<Arc<MastForest>>,
}

/// A stack with `salt` at its bottom: the deepest element comes first.
fn stack_inputs(salt: u32, stage: Stage) -> Result<StackInputs, ContenderError> {
    let mut elements = [0; STACK];
    elements[0] = u64::from(salt);
    StackInputs::try_from_ints(elements).map_err(|error| ContenderError::new(NAME, stage, error))
}

impl Linked {
    fn host(&self) -> DefaultHost {
        let mut host = DefaultHost::default();
        for forest in &self.forests {
            host.load_forest(forest.clone());
        }
        host
    }

    fn trace(&self, salt: u32, stage: Stage) -> Result<ExecutionTrace, ContenderError> {
        execute_traced(
            &self.program,
            self.composition.as_ref(),
            &stack_inputs(salt, stage)?,
            self.advice.clone(),
            &mut self.host(),
            ExecutionOptions::default(),
        )
        .map_err(|error| ContenderError::new(NAME, stage, error))
    }
}

impl Prepared for Linked {
    fn prove(&self, salt: u32) -> Result<Proven, ContenderError> {
        let trace = self.trace(salt, Stage::Prove)?;
        let outputs = trace.public.stack_outputs.as_int_vec();
        let options = ProveOptions::from(ProofSettings::from(OptionSet::Fast96));
        let proof = prove_trace(trace.trace, trace.public, &options)
            .map_err(|error| ContenderError::new(NAME, Stage::Prove, error))?;
        Ok(Proven {
            salt,
            outputs,
            proof: proof.to_bytes(),
        })
    }

    fn verify(&self, proven: &Proven) -> Result<(), ContenderError> {
        let stack_outputs = StackOutputs::try_from_ints(proven.outputs.iter().copied())
            .map_err(|error| ContenderError::new(NAME, Stage::Verify, error))?;
        let public = PublicInputs {
            program_hash: self.program.hash(),
            kernel: self.program.kernel().clone(),
            composition: self.composition.clone(),
            stack_inputs: stack_inputs(proven.salt, Stage::Verify)?,
            stack_outputs,
            precompile_transcript: miden_core::Word::default(),
        };
        verify(
            &public,
            &proven.proof,
            &Expectations::from(OptionSet::Fast96.level()),
        )
        .map_err(|error| ContenderError::new(NAME, Stage::Verify, error))?;
        Ok(())
    }

    fn rows(&self) -> Result<Rows, ContenderError> {
        let lengths = self.trace(0, Stage::Execute)?.lengths;
        Ok(Rows {
            cycles: lengths.cycles,
            range: lengths.range,
            hasher: lengths.hasher,
            bitwise: lengths.bitwise,
            table: lengths.resources,
            memory: lengths.memory,
            rom: lengths.rom,
            padded: lengths.height(Table::Core),
        })
    }
}
