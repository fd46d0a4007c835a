//! Programs run, proven and verified on Miden CVM.

use std::{fmt::Debug, sync::Arc};

use miden_assembly::{
    Assembler, KernelLibrary, Library, Parse, ParseOptions, Path,
    ast::ModuleKind,
    debuginfo::{DefaultSourceManager, SourceFile, SourceLanguage, SourceManager},
    diagnostics::Report,
};
use miden_core::{
    EventName, Felt, Kernel, ONE, Program, ProgramInfo, StackInputs, StackOutputs, Word,
    precompile::{PrecompileRequest, PrecompileTranscript},
    stack::MIN_STACK_DEPTH,
};
use miden_cvm_air::check::check;
use miden_cvm_miden::{
    MinSecurity,
    carried::{put_in, take_out},
    hosted::{HostedError, Prompt, Run, at_once},
};
use miden_cvm_processor::{AdviceProvider, ExecutionOutput, ExecutionTrace};
use miden_cvm_prover::{ProofSettings, ProveOptions, prove_trace};
use miden_cvm_verifier::{
    Expectations, PublicInputs, Verified, VerifierError, default_registry, verify_with,
};
use miden_processor::{
    AdviceInputs, BaseHost, ContextId, DefaultHost, EventHandler, ExecutionError, ExecutionOptions,
    SyncHost,
};
use miden_prover::{ExecutionProof, ProvingOptions};
use proptest::test_runner::TestCaseError;

// RUNS
// ------------------------------------------------------------------------------------------------

/// A program and what it runs with.
struct Inputs<'a> {
    program: &'a Program,
    stack: &'a StackInputs,
    advice: &'a AdviceInputs,
    options: miden_cvm_miden::ExecutionOptions,
}

impl Inputs<'_> {
    fn run(&self) -> Run<'_> {
        Run {
            program: self.program,
            stack: self.stack.clone(),
            advice: self.advice.clone(),
            options: self.options,
            sources: None,
        }
    }

    fn execute<H>(&self, host: &mut H) -> Result<ExecutionOutput, ExecutionError>
    where
        H: SyncHost + Send + Sync,
    {
        at_once(self.run().execute(&mut Prompt(host)))
            .expect("it waits for nothing")
            .map_err(error_of_both)
    }

    /// A run with a trace, which satisfies all constraints.
    fn trace<H>(&self, host: &mut H) -> Result<ExecutionTrace, ExecutionError>
    where
        H: SyncHost + Send + Sync,
    {
        let traced = at_once(self.run().execute_traced(&mut Prompt(host)))
            .expect("it waits for nothing")
            .map_err(error_of_both)?;
        let violations = check(&traced.trace, &traced.public);
        assert!(violations.is_empty(), "{violations:?}");
        Ok(traced)
    }
}

/// The error of Miden's processor, which has to be the one that Miden CVM has.
fn error_of_both(error: HostedError) -> ExecutionError {
    match error {
        HostedError::Failed { error, trap } => {
            let (there, here) = (variant(&*error), variant(&trap.trap));
            assert_eq!(there, here, "the run fails in two ways: {error}\n{trap}");
            *error
        }
        error => panic!("{error}"),
    }
}

/// The name of the variant that a value of an enum is of.
fn variant(value: &impl Debug) -> String {
    let text = format!("{value:?}");
    let end = text.find(|c: char| !c.is_alphanumeric());
    text[..end.unwrap_or(text.len())].to_owned()
}

/// The result of a test.
#[derive(Debug)]
pub struct Execution(ExecutionOutput);

impl Execution {
    /// The final stack.
    pub fn last_stack_state(&self) -> StackOutputs {
        self.0.stack.clone()
    }

    /// The final stack.
    pub fn stack_outputs(&self) -> &StackOutputs {
        &self.0.stack
    }

    /// The final advice.
    pub fn advice_provider(&self) -> &AdviceProvider {
        &self.0.advice
    }

    /// The requests to precompiles.
    pub fn precompile_requests(&self) -> &[PrecompileRequest] {
        self.0.advice.precompile_requests()
    }

    /// The transcript of precompiles.
    pub fn final_precompile_transcript(&self) -> PrecompileTranscript {
        self.0.precompile_transcript
    }
}

/// A machine whose state can be looked at after its run.
pub struct Process {
    stack: StackInputs,
    inputs: AdviceInputs,
    options: ExecutionOptions,
    /// The advice.
    pub advice: AdviceProvider,
    /// An owner of memory.
    pub chiplets: Chiplets,
}

/// An owner of memory.
pub struct Chiplets {
    /// The memory.
    pub memory: Memory,
}

/// The memory after a run.
pub struct Memory(miden_cvm_processor::Memory);

impl Process {
    /// A machine that has not run.
    pub fn new(
        _: Kernel,
        stack: StackInputs,
        inputs: AdviceInputs,
        options: ExecutionOptions,
    ) -> Self {
        Self {
            stack,
            inputs,
            options,
            advice: AdviceProvider::new(Default::default(), usize::MAX),
            chiplets: Chiplets {
                memory: Memory(miden_cvm_processor::Memory::new(0)),
            },
        }
    }

    /// Runs a program.
    ///
    /// # Errors
    /// If the run fails.
    pub fn execute(
        &mut self,
        program: &Program,
        host: &mut DefaultHost,
    ) -> Result<StackOutputs, ExecutionError> {
        let inputs = Inputs {
            program,
            stack: &self.stack,
            advice: &self.inputs,
            options: options(self.options.enable_debugging()),
        };
        let output = inputs.execute(host)?;
        self.advice = output.advice;
        self.chiplets.memory = Memory(output.memory);
        Ok(output.stack)
    }
}

impl Memory {
    /// The element at an address; none if nothing was written there.
    pub fn get_value(&self, context: ContextId, address: u32) -> Option<Felt> {
        self.0.get_value(u32::from(context).into(), address)
    }

    /// The word at an address; none if nothing was written there.
    ///
    /// # Errors
    /// If no word begins there.
    pub fn get_word(
        &self,
        context: ContextId,
        address: u32,
    ) -> Result<Option<Word>, miden_cvm_processor::MemoryError> {
        self.0.get_word(u32::from(context).into(), address)
    }
}

fn options(debug: bool) -> miden_cvm_miden::ExecutionOptions {
    miden_cvm_miden::ExecutionOptions::default().with_debug(debug)
}

// TESTS
// ------------------------------------------------------------------------------------------------

/// A program under test.
pub struct Test {
    /// Where its sources are.
    pub source_manager: Arc<DefaultSourceManager>,
    /// Its source.
    pub source: Arc<SourceFile>,
    /// The source of its kernel.
    pub kernel_source: Option<Arc<SourceFile>>,
    /// Its operands.
    pub stack_inputs: StackInputs,
    /// Its advice.
    pub advice_inputs: AdviceInputs,
    /// `true` if debug decorators run.
    pub in_debug_mode: bool,
    /// Libraries that it calls.
    pub libraries: Vec<Library>,
    /// Handlers of its events.
    pub handlers: Vec<(EventName, Arc<dyn EventHandler>)>,
    /// Modules that are linked into it.
    pub add_modules: Vec<(Arc<Path>, String)>,
}

impl Test {
    /// A test without inputs.
    pub fn new(name: &str, source: &str, in_debug_mode: bool) -> Self {
        let source_manager = Arc::new(DefaultSourceManager::default());
        let source = source_manager.load(SourceLanguage::Masm, name.into(), source.into());
        Self {
            source_manager,
            source,
            kernel_source: None,
            stack_inputs: StackInputs::default(),
            advice_inputs: AdviceInputs::default(),
            in_debug_mode,
            libraries: Vec::new(),
            handlers: Vec::new(),
            add_modules: Vec::new(),
        }
    }

    /// Links a module into the program.
    pub fn add_module(&mut self, path: impl AsRef<Path>, source: impl ToString) {
        let module = (path.as_ref().into(), source.to_string());
        self.add_modules.push(module);
    }

    /// Adds the handler of an event.
    pub fn add_event_handler(&mut self, event: EventName, handler: impl EventHandler) {
        self.handlers.push((event, Arc::new(handler)));
    }

    /// Adds handlers of events.
    pub fn add_event_handlers(&mut self, handlers: Vec<(EventName, Arc<dyn EventHandler>)>) {
        self.handlers.extend(handlers);
    }

    /// Assembles the program and its kernel.
    ///
    /// # Errors
    /// If the program does not assemble.
    pub fn compile(&self) -> Result<(Program, Option<KernelLibrary>), Report> {
        let sources = self.source_manager.clone();
        let kernel = match &self.kernel_source {
            Some(source) => Some(Assembler::new(sources.clone()).assemble_kernel(source.clone())?),
            None => None,
        };
        let mut assembler = match &kernel {
            Some(kernel) => Assembler::with_kernel(sources.clone(), kernel.clone()),
            None => Assembler::new(sources.clone()),
        };
        for (path, source) in &self.add_modules {
            let options = ParseOptions::new(ModuleKind::Library, path.clone());
            let module = source.parse_with_options(sources.clone(), options)?;
            assembler.compile_and_statically_link(module)?;
        }
        for library in &self.libraries {
            assembler.link_dynamic_library(library)?;
        }
        Ok((assembler.assemble_program(self.source.clone())?, kernel))
    }

    fn program_and_host(&self) -> (Program, DefaultHost) {
        let (program, kernel) = self.compile().expect("a program");
        let mut host = DefaultHost::default().with_source_manager(self.source_manager.clone());
        let libraries = self.libraries.iter().map(Library::mast_forest);
        let kernel = kernel.as_ref().map(|kernel| kernel.mast_forest());
        for forest in libraries.chain(kernel) {
            host.load_library(forest).expect("a library");
        }
        for (event, handler) in &self.handlers {
            let registered = host.register_handler(event.clone(), handler.clone());
            registered.expect("an event without a handler");
        }
        (program, host)
    }

    fn inputs<'a>(&'a self, program: &'a Program, stack: &'a StackInputs) -> Inputs<'a> {
        Inputs {
            program,
            stack,
            advice: &self.advice_inputs,
            options: options(self.in_debug_mode),
        }
    }

    fn output(&self) -> Result<ExecutionOutput, ExecutionError> {
        let (program, mut host) = self.program_and_host();
        self.inputs(&program, &self.stack_inputs).execute(&mut host)
    }

    /// Runs the program, and once more with a trace.
    ///
    /// # Errors
    /// If the run fails.
    pub fn execute(&self) -> Result<Execution, ExecutionError> {
        let output = self.output()?;
        let (program, mut host) = self.program_and_host();
        let traced = self.inputs(&program, &self.stack_inputs).trace(&mut host)?;
        assert_eq!(traced.public.stack_outputs, output.stack);
        assert_eq!(traced.lengths.cycles, output.cycles as usize);
        Ok(Execution(output))
    }

    /// Runs the program; returns the machine.
    ///
    /// # Errors
    /// If the run fails.
    pub fn execute_process(&self) -> Result<(Process, DefaultHost), ExecutionError> {
        let (program, mut host) = self.program_and_host();
        let options = ExecutionOptions::default().with_debugging(self.in_debug_mode);
        let (stack, advice) = (self.stack_inputs.clone(), self.advice_inputs.clone());
        let mut process = Process::new(program.kernel().clone(), stack, advice, options);
        process.execute(&program, &mut host)?;
        Ok((process, host))
    }

    /// The final stack.
    #[track_caller]
    pub fn get_last_stack_state(&self) -> StackOutputs {
        let run = self.execute();
        run.expect("a run without an error").last_stack_state()
    }

    /// Asserts that this is the final stack, up to zeros at its end.
    #[track_caller]
    pub fn expect_stack(&self, stack: &[u64]) {
        assert_eq!(self.get_last_stack_state().as_int_vec(), padded(stack));
    }

    /// Asserts that this is the final stack, and that memory has these elements from an address on.
    #[track_caller]
    pub fn expect_stack_and_memory(&self, stack: &[u64], address: u32, elements: &[u64]) {
        self.expect_stack(stack);
        let output = self.output().expect("a run without an error");
        for (address, &expected) in (address..).zip(elements) {
            let element = output.memory.get_value(0.into(), address);
            assert_eq!(element.unwrap_or_default().as_int(), expected, "{address}");
        }
    }

    /// Fails if this is not the final stack, up to zeros at its end.
    ///
    /// # Errors
    /// If it is not.
    pub fn prop_expect_stack(&self, stack: &[u64]) -> Result<(), TestCaseError> {
        let output = self.output().expect("a run without an error");
        proptest::prop_assert_eq!(output.stack.as_int_vec(), padded(stack));
        Ok(())
    }

    /// Proves and verifies a run with these operands. If the test is to fail, a wrong result is claimed.
    pub fn prove_and_verify(&self, operands: Vec<u64>, fails: bool) {
        let (program, mut host) = self.program_and_host();
        let stack = StackInputs::try_from_ints(operands).expect("operands");
        let (mut outputs, proof) = prove(
            &program,
            stack.clone(),
            self.advice_inputs.clone(),
            &mut host,
            ProvingOptions::default(),
        )
        .expect("a run without an error");
        if fails {
            outputs.stack_mut()[0] += ONE;
        }
        let verified = verify(ProgramInfo::from(program), stack, outputs, proof);
        assert_eq!(verified.is_err(), fails, "{verified:?}");
    }
}

fn padded(stack: &[u64]) -> Vec<u64> {
    let mut stack = stack.to_vec();
    stack.resize(MIN_STACK_DEPTH, 0);
    stack
}

// PROOFS
// ------------------------------------------------------------------------------------------------

/// Runs a program and proves the run.
///
/// # Errors
/// If the run fails.
///
/// # Panics
/// If there is no proof of it.
pub fn prove<H: BaseHost + SyncHost + Send + Sync>(
    program: &Program,
    stack: StackInputs,
    advice: AdviceInputs,
    host: &mut H,
    settings: ProvingOptions,
) -> Result<(StackOutputs, ExecutionProof), ExecutionError> {
    let inputs = Inputs {
        program,
        stack: &stack,
        advice: &advice,
        options: options(false),
    };
    let run = inputs.trace(host)?;
    let outputs = run.public.stack_outputs.clone();
    let settings = ProofSettings::try_from(&settings).expect("a parameter set");
    let proof = prove_trace(run.trace, run.public, &ProveOptions::from(settings));
    let proof = proof.expect("a proof").with_requests(run.requests);
    let carried = put_in(&proof.expect("requests")).expect("a container");
    Ok((outputs, carried))
}

/// Verifies a proof of a run.
///
/// # Errors
/// Why it is rejected.
pub fn verify(
    program: ProgramInfo,
    stack_inputs: StackInputs,
    stack_outputs: StackOutputs,
    proof: ExecutionProof,
) -> Result<Verified, VerifierError> {
    let proof = take_out(&proof).expect("a proof of Miden CVM");
    let registry = default_registry();
    let transcript = registry.requests_transcript(proof.requests());
    let public = PublicInputs {
        program_hash: *program.program_hash(),
        kernel: program.kernel().clone(),
        composition: None,
        memory: Default::default(),
        stack_inputs,
        stack_outputs,
        precompile_transcript: transcript.expect("results of precompiles").state(),
    };
    let expectations = Expectations::from(MinSecurity::Conjectured(96));
    verify_with(&public, &proof.to_bytes(), &expectations, &registry)
}
