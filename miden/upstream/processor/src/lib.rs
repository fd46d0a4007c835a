//! `miden-processor` 0.20.6, but for the names under which its programs are executed: those execute
//! them on Miden CVM.

use miden_cvm_miden::hosted::{HostedError, Prompt, Run, at_once};
pub use miden_cvm_processor::ExecutionTrace;
pub use miden_processor::*;

/// Executes a program on Miden CVM, and builds its trace.
///
/// # Errors
/// That of Miden's processor, if the run fails on both machines.
///
/// # Panics
/// If the two machines do not do the same.
pub fn execute<H: SyncHost + Send + Sync>(
    program: &Program,
    stack: StackInputs,
    advice: AdviceInputs,
    host: &mut H,
    options: ExecutionOptions,
) -> Result<ExecutionTrace, ExecutionError> {
    let run = Run {
        program,
        stack,
        advice,
        options: miden_cvm_miden::ExecutionOptions::default()
            .with_debug(options.enable_debugging())
            .with_tracing(options.enable_tracing()),
        sources: None,
    };
    let mut host = Prompt(host);
    match at_once(run.execute_traced(&mut host)).expect("it waits for nothing") {
        Ok(trace) => Ok(trace),
        Err(HostedError::Failed { error, .. }) => Err(*error),
        Err(error) => panic!("{error}"),
    }
}

pub mod fast {
    //! The processor that executes without a trace.

    use miden_core::{Felt, Program};
    use miden_cvm_miden::{
        ExecutionOptions,
        hosted::{HostedError, Run},
    };
    pub use miden_processor::fast::*;
    use miden_processor::{
        AdviceInputs, AdviceMutation, AsyncHost, ContextId, ExecutionError, StackInputs,
    };

    /// Executes a program on Miden CVM.
    pub struct FastProcessor {
        stack: StackInputs,
        advice: AdviceInputs,
        options: ExecutionOptions,
    }

    impl FastProcessor {
        /// A processor with a stack whose top comes last.
        pub fn new(stack: &[Felt]) -> Self {
            Self::new_with_advice_inputs(stack, AdviceInputs::default())
        }

        /// A processor with a stack whose top comes last, and advice.
        pub fn new_with_advice_inputs(stack: &[Felt], advice: AdviceInputs) -> Self {
            Self {
                stack: StackInputs::new(stack.to_vec()).expect("a stack that has room"),
                advice,
                options: ExecutionOptions::default(),
            }
        }

        /// A processor that shows debug decorators to the host.
        pub fn new_debug(stack: &[Felt], advice: AdviceInputs) -> Self {
            let processor = Self::new_with_advice_inputs(stack, advice);
            Self {
                options: processor.options.with_debug(true).with_tracing(true),
                ..processor
            }
        }

        /// Executes a program.
        ///
        /// # Errors
        /// That of Miden's processor, if the run fails on both machines.
        ///
        /// # Panics
        /// If the two machines do not do the same.
        pub async fn execute<H: AsyncHost + Send + Sync>(
            self,
            program: &Program,
            host: &mut H,
        ) -> Result<ExecutionOutput, ExecutionError> {
            let run = Run {
                program,
                stack: self.stack,
                advice: self.advice,
                options: self.options,
                sources: None,
            };
            match run.execute(host).await {
                Ok(output) => Ok(of_miden(output)),
                Err(HostedError::Failed { error, .. }) => Err(*error),
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// The result of a run on Miden CVM, in the type of Miden's processor.
    fn of_miden(output: miden_cvm_processor::ExecutionOutput) -> ExecutionOutput {
        let mut there = ExecutionOutput {
            stack: output.stack,
            advice: AdviceInputs::default().into(),
            // The type has no name outside of its crate.
            memory: Default::default(),
            final_pc_transcript: output.precompile_transcript,
        };
        for context in output.memory.contexts() {
            let of_miden = ContextId::from(context.domain());
            for (address, element) in output.memory.state(context) {
                let address = Felt::from(address);
                let written = there.memory.write_element(of_miden, address, element, &());
                written.expect("an address of 32 bits");
            }
        }
        let (mut stack, map, store, requests) = output.advice.into_parts();
        // The top of one comes last, and of the other first.
        stack.reverse();
        there.advice = AdviceInputs { stack, map, store }.into();
        let requests = AdviceMutation::extend_precompile_requests(requests);
        let added = there.advice.apply_mutations([requests]);
        added.expect("requests to precompiles");
        there
    }
}
