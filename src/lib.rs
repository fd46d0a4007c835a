//! Miden CVM: a zero-knowledge virtual machine for programs made of components.
//!
//! A [`Target`] is what runs: a program in Miden assembly, or a composition of components. A
//! [`Loader`] reads one from files. [`execute`] runs it, [`prove`] runs it and proves the run, and
//! [`verify`] needs nothing but the proof and the [`Statement`] that it proves. [`profile`] says
//! where the cycles of a run go.
//!
//! ```
//! use miden_assembly::Assembler;
//! use miden_cvm::{ExecutionOptions, Inputs, Target, execute};
//!
//! let program = Assembler::default().assemble_program("begin add end")?;
//! let target = Target::from(program);
//! let Inputs { arguments, advice } = Inputs::from_json(r#"{ "operand_stack": ["2", "3"] }"#)?;
//! let options = ExecutionOptions::default();
//! let output = execute(&target, arguments, advice, &mut target.host(), options)?;
//! assert_eq!(output.stack[0].as_int(), 5);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod advice;
mod bundle;
mod call;
mod claims;
pub mod debug;
mod inputs;
mod portable;
mod profile;
mod reasons;
mod sliced;
mod target;
mod testing;
mod trap;

pub use bundle::{BUNDLE_MAGIC, MAX_CLAIM_PROOFS, ProofBundle, StatedProof};
pub use call::{CallError, StatedCall, TypedCall, to_wave};
pub use claims::{ClaimResults, Claimed, RunHere, claims_of};
pub use inputs::{InputPath, Inputs, InputsError, InputsFileError};
pub use miden_core::{EventId, EventName, Felt, Kernel, Program, StackInputs, StackOutputs, Word};
pub use miden_cvm_air::{
    heights::{Heights, MAX_HEIGHT, MAX_PIECES},
    memory_io::{Area, MAX_MEMORY_IO, MemoryIo, MemoryLayout, MemoryLayoutError, MemorySegment},
    options::hash_name,
    proof::MAX_PROOF_LEN,
    table::{Table, TableRows, Trace},
};
pub use miden_cvm_audit::{
    Campaign, Change as AuditChange, Kind as MutationKind, Reason as HarmlessReason,
    Report as AuditReport, Survivor, Tally, audit,
};
pub use miden_cvm_component::abi::ValueError;
pub use miden_cvm_component::wit::Function;
pub use miden_cvm_component::{
    ArtifactError, Assembled, Assembly, AssemblyLimits, BuildError, COMPONENT_FILE, ClaimedExport,
    CodeDescription, CompiledModule, Component, Composition, CompositionError, ExportDescription,
    Intrinsic, Language, LimitName, LinkKind, LinkRecord, LinkedComposition, MAX_FILE_LEN, NewFile,
    PackageError, PackageKind, Right, SegmentRecord, SourceError, SourceFault, SourceText,
    SourceWarning, Toolchain, WORKSPACE_FILE, Warning, Workspace, bindings, describe_code,
    library_bytes, new_component, package_kind, package_program, read_library, read_program,
    similar_name, similar_path, split_component, system_component,
};
pub use miden_cvm_library::{
    ADVISORIES, Advisory, Finding, core_library, correct, findings, published_core_library,
};
use miden_cvm_processor::ExecutionInputs;
pub use miden_cvm_processor::{
    AdviceInputs, AdviceMutation, AdviceProvider, Arguments, ArgumentsError, AsyncHost, BaseHost,
    DefaultHost, EventHandler, ExecutionError, ExecutionOptions, ExecutionOutput, ExecutionTrace,
    Host, HostError, HostFuture, Limits, Location, MAX_CYCLES, OptionsError, ProcessState,
    StdoutWriter, TraceLengths, TracedExecutionError, Trap, TrapReport, core_library_handlers,
};
pub use miden_cvm_prover::{
    Coordinator, CoordinatorError, GroupPart, MessageError, ProveOptions, ProverError, Stage,
    Worker, WorkerError, prove_trace,
};
pub use miden_cvm_recursion::{
    Aggregate, AggregateError, Aggregated, AggregatedClaim, CheckedAggregate, MAX_PROOFS,
    ProgramError, Shape, ShapeError, VerifyingProgram, WitnessError, advice as witness_advice,
};
pub use miden_cvm_verifier::{
    CLAIM_EVENT, Claim, ClaimError, ClaimedProgram, ClaimedRun, ClaimsError, Expectations,
    HashFunction, MinSecurity, OptionSet, ParseSecurityError, Part, PrecompileRequest,
    PrecompileVerifier, PrecompileVerifierRegistry, Proof, ProofError, ProofSettings,
    ProvenStatement, PublicInputs, Records, RequestError, Rounds, Security, SecurityParts,
    SettingsError, Statement, StatementError, Verified, VerifiedClaim, VerifiedClaims,
    VerifierError, default_registry, verify_claims,
};
use miden_cvm_verifier::{PrecompileVerificationError, check_requests, with_claims};
pub use portable::{INPUTS_MAGIC, TARGET_MAGIC};
pub use profile::{
    Cost, InstanceProfile, IntrinsicProfile, ProcedureProfile, Profile, Spent, StackProfile,
    profile,
};
pub use reasons::with_reasons;
pub use sliced::SlicedRun;
pub use target::{COMPOSITION_FILES, Loader, Target, TargetError, target_file};
pub use testing::{Passes, Test, TestError, Verdict};
use thiserror::Error;
pub use trap::{CodePlace, TrapDescription};
pub use wasm_wave;

/// Runs a target. Its static data is added to the advice.
///
/// # Errors
/// If the target is refused before its first cycle, or traps.
pub fn execute(
    target: &Target,
    arguments: impl Into<Arguments>,
    advice_inputs: AdviceInputs,
    host: &mut dyn Host,
    options: ExecutionOptions,
) -> Result<ExecutionOutput, ExecutionError> {
    miden_cvm_processor::execute(inputs_of(target, arguments, advice_inputs, options), host)
}

/// Runs a target as [`execute`] does, with a host that may take its time.
///
/// The machine runs on the thread that polls, without a break between two questions to the host.
///
/// # Errors
/// If the target is refused before its first cycle, or traps.
pub async fn execute_async(
    target: &Target,
    arguments: impl Into<Arguments>,
    advice_inputs: AdviceInputs,
    host: &mut impl AsyncHost,
    options: ExecutionOptions,
) -> Result<ExecutionOutput, ExecutionError> {
    miden_cvm_processor::execute_async(inputs_of(target, arguments, advice_inputs, options), host)
        .await
}

/// Runs a target as [`execute`] does, and builds its trace.
///
/// # Errors
/// If the target is refused before its first cycle, or traps, or if the trace cannot show the run.
pub fn execute_traced(
    target: &Target,
    arguments: impl Into<Arguments>,
    advice_inputs: AdviceInputs,
    host: &mut dyn Host,
    options: ExecutionOptions,
) -> Result<ExecutionTrace, TracedExecutionError> {
    miden_cvm_processor::execute_traced(inputs_of(target, arguments, advice_inputs, options), host)
}

/// Runs a target as [`execute_traced`] does, but makes only these rows of the trace. Without any, it tells
/// what is public and how high the tables are, as who coordinates the workers of a run has to know
/// ([`SlicedRun`]).
///
/// # Errors
/// If the target is refused before its first cycle, or traps, or if the trace cannot show the run.
pub fn execute_traced_rows(
    target: &Target,
    arguments: impl Into<Arguments>,
    advice_inputs: AdviceInputs,
    host: &mut dyn Host,
    options: ExecutionOptions,
    rows: &TableRows,
) -> Result<ExecutionTrace, TracedExecutionError> {
    miden_cvm_processor::execute_traced_rows(
        inputs_of(target, arguments, advice_inputs, options),
        host,
        rows,
    )
}

/// Runs a target as [`execute_async`] does, and builds its trace.
///
/// # Errors
/// If the target is refused before its first cycle, or traps, or if the trace cannot show the run.
pub async fn execute_traced_async(
    target: &Target,
    arguments: impl Into<Arguments>,
    advice_inputs: AdviceInputs,
    host: &mut impl AsyncHost,
    options: ExecutionOptions,
) -> Result<ExecutionTrace, TracedExecutionError> {
    miden_cvm_processor::execute_traced_async(
        inputs_of(target, arguments, advice_inputs, options),
        host,
    )
    .await
}

/// The inputs of a run of a target.
fn inputs_of<'a>(
    target: &'a Target,
    arguments: impl Into<Arguments>,
    advice: AdviceInputs,
    options: ExecutionOptions,
) -> ExecutionInputs<'a> {
    ExecutionInputs {
        program: target.program(),
        composition: target.composition(),
        arguments: arguments.into(),
        advice: target.advice(advice),
        options,
    }
}

/// The result of [`prove`].
#[derive(Debug, Clone)]
pub struct ProvenRun {
    /// The final stack.
    pub outputs: StackOutputs,
    /// The proof.
    pub proof: Proof,
    /// The statement that it proves.
    pub statement: Statement,
}

/// Why a run is not proven.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProveError {
    /// The run failed, or has no trace.
    #[error(transparent)]
    Execution(#[from] TracedExecutionError),
    /// The public data of the run makes no statement.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// The trace was not proven.
    #[error(transparent)]
    Prover(#[from] ProverError),
    /// The requests that the run left to precompiles do not fit beside a proof.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The run absorbed something else into its transcript than it left to precompiles.
    #[error("no verifier would accept the run: {0}")]
    Requests(#[from] RequestError),
}

/// Runs a target as [`execute`] does, and proves the run.
///
/// # Errors
/// If the target is refused before its first cycle, or traps, or if the run cannot be proven.
pub fn prove(
    target: &Target,
    arguments: impl Into<Arguments>,
    advice_inputs: AdviceInputs,
    host: &mut dyn Host,
    execution: ExecutionOptions,
    proving: &ProveOptions,
) -> Result<ProvenRun, ProveError> {
    let run = execute_traced(target, arguments, advice_inputs, host, execution)?;
    prove_run(run, proving)
}

/// Runs a target as [`execute_async`] does, and proves the run.
///
/// Only the run waits for the host; the proof is computed in one go on the thread that polls last,
/// and on the threads of `rayon`. Where that thread has other things to do, call
/// [`execute_traced_async`] and, somewhere else, [`prove_run`].
///
/// ```
/// use std::sync::Arc;
///
/// use miden_assembly::Assembler;
/// use miden_core::mast::MastForest;
/// use miden_cvm::{
///     AdviceInputs, AdviceMutation, AsyncHost, BaseHost, ExecutionOptions, Expectations, Felt,
///     HostError, ProcessState, ProveOptions, StackInputs, Target, Word, prove_async, verify,
/// };
///
/// /// Answers events with the number of a block.
/// struct Node;
///
/// impl BaseHost for Node {}
///
/// impl AsyncHost for Node {
///     async fn get_mast_forest(&self, _: &Word) -> Option<Arc<MastForest>> {
///         None
///     }
///
///     async fn on_event(
///         &mut self,
///         _: &ProcessState<'_>,
///     ) -> Result<Vec<AdviceMutation>, HostError> {
///         let block = self.latest_block().await;
///         Ok(vec![AdviceMutation::extend_stack([Felt::new(block)])])
///     }
/// }
///
/// impl Node {
///     async fn latest_block(&self) -> u64 {
///         // Here it would ask others.
///         7
///     }
/// }
///
/// async fn run() -> Result<(), Box<dyn std::error::Error>> {
///     let source = r#"begin emit.event("node::latest_block") adv_push.1 swap drop end"#;
///     let target = Target::from(Assembler::default().assemble_program(source)?);
///     let (stack, advice) = (StackInputs::default(), AdviceInputs::default());
///     let (execution, proving) = (ExecutionOptions::default(), ProveOptions::default());
///     let run = prove_async(&target, stack, advice, &mut Node, execution, &proving).await?;
///     assert_eq!(run.outputs[0], Felt::new(7));
///     let expectations = Expectations::default();
///     verify(&run.statement, &run.proof.to_bytes(), &expectations)?;
///     Ok(())
/// }
/// # // Nothing here takes time, so that one poll is enough.
/// # let mut context = std::task::Context::from_waker(std::task::Waker::noop());
/// # let done = std::future::Future::poll(std::pin::pin!(run()).as_mut(), &mut context);
/// # assert!(matches!(done, std::task::Poll::Ready(Ok(()))), "{done:?}");
/// ```
///
/// # Errors
/// If the target is refused before its first cycle, or traps, or if the run cannot be proven.
pub async fn prove_async(
    target: &Target,
    arguments: impl Into<Arguments>,
    advice_inputs: AdviceInputs,
    host: &mut impl AsyncHost,
    execution: ExecutionOptions,
    proving: &ProveOptions,
) -> Result<ProvenRun, ProveError> {
    let run = execute_traced_async(target, arguments, advice_inputs, host, execution).await?;
    prove_run(run, proving)
}

/// Proves a run that [`execute_traced`] has traced.
///
/// # Errors
/// If the run cannot be proven, or if its requests to precompiles are not those that it absorbed
/// into its transcript. Requests to precompiles outside of the core library are the verifier's
/// business.
pub fn prove_run(run: ExecutionTrace, proving: &ProveOptions) -> Result<ProvenRun, ProveError> {
    let ExecutionTrace {
        trace,
        public,
        requests,
        ..
    } = run;
    let statement = stated(&public, &requests)?;
    Ok(ProvenRun {
        outputs: public.stack_outputs.clone(),
        proof: prove_trace(trace, public, proving)?.with_requests(requests)?,
        statement,
    })
}

/// The statement of a run, if its requests to precompiles are those that it absorbed.
fn stated(public: &PublicInputs, requests: &[PrecompileRequest]) -> Result<Statement, ProveError> {
    let registry = with_claims(&default_registry());
    match check_requests(requests, public.precompile_transcript, &registry) {
        Err(RequestError::Unverified(PrecompileVerificationError::VerifierNotFound { .. })) => {}
        checked => checked?,
    }
    Ok(Statement::try_from(public.clone())?)
}

/// Verifies that `proof` proves `statement`, and that both are as expected. What the run left to
/// the core library's precompiles is computed again; a run that used others is rejected, and so is one
/// that makes claims, for which there is [`verify_claims`].
///
/// # Errors
/// Returns the reason for which the proof is rejected.
pub fn verify(
    statement: &Statement,
    proof: &[u8],
    expectations: &Expectations,
) -> Result<Verified, VerifierError> {
    miden_cvm_verifier::verify(statement.public_inputs(), proof, expectations)
}

/// Verifies as [`verify`] does, with these verifiers for what the run left to precompiles.
/// [`default_registry`] has those of the core library, to which others can be added.
///
/// # Errors
/// Returns the reason for which the proof is rejected.
pub fn verify_with(
    statement: &Statement,
    proof: &[u8],
    expectations: &Expectations,
    registry: &PrecompileVerifierRegistry,
) -> Result<Verified, VerifierError> {
    miden_cvm_verifier::verify_with(statement.public_inputs(), proof, expectations, registry)
}

/// The code in the README is compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
