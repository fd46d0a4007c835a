//! Execution of programs and compositions, as Miden VM 0.20.6 executes programs, extended by
//! component instances.
//!
//! [execute] runs a program to its end. [Process] does the same and tells a [Tracer] everything
//! that a trace is built from.

mod advice;
mod bulk;
mod calls;
mod circuit;
mod context;
mod error;
mod exec;
mod forests;
mod host;
mod machine;
mod options;
mod procedures;
mod row;
mod trace;
mod tracer;

pub use advice::{AdviceError, AdviceInputs, AdviceMutation, AdviceProvider};
pub use bulk::BulkLimitExceeded;
pub use calls::{
    crossing::{CreationTime, Crossing, Entered, Frame},
    installed::{InstanceAccess, InstanceOp, LoadedComponent},
    instances::RuntimeInstance,
    resources::{Entry, Handle, KernelAccess, Marks, Sender, TableAccess, Token},
    state::InstanceState,
};
pub use circuit::{CircuitEvaluation, Gate, GateOperation};
pub use context::{ContextId, INDEX_BITS};
pub use error::{
    AceError, AssertError, ComponentFault, DebugError, EventError, ExecutionError, HostError,
    LoadError, Location, MemoryError, TraceHandlerError, Trap, TrapReport,
};
pub use exec::run::Run;
pub use forests::Position;
pub use host::{
    AsyncHost, BaseHost, DebugPrinter, DefaultHost, EventHandler, EventHandlerRegistry, Host,
    Host as SyncHost, HostFuture, HostFuture as FutureMaybeSend, MastForestStore,
    MemMastForestStore, RegistryError, StdoutWriter, TEXT_TRACE, core_library_handlers,
    location::file_and_line,
};
pub use machine::{memory::Memory, process::Process, stack::Stack, view::ProcessState};
use miden_core::{Program, StackInputs, StackOutputs, precompile::PrecompileTranscript};
use miden_cvm_air::composition::Composition;
pub use options::{ExecutionOptions, Limits, MAX_CYCLES, MAX_HANDLES, OptionsError};
pub use procedures::OpenProcedures;
pub use row::RowIndex;
use thiserror::Error;
pub use trace::{ExecutionTrace, TraceBuilder, TraceError, TraceLengths};
pub use tracer::{
    BitwiseOp, EndRow, Horner, IntrinsicRow, MemoryAccess, MerkleUpdate, NoTrace, NodeKind, OpRow,
    RowKind, RowState, StartRow, Taking, Tracer,
};

/// The result of a run.
#[derive(Debug)]
pub struct ExecutionOutput {
    /// The final stack.
    pub stack: StackOutputs,
    /// The number of cycles the run took.
    pub cycles: u32,
    /// The final advice.
    pub advice: AdviceProvider,
    /// The final memory; of contexts that are over only if the options retain it.
    pub memory: Memory,
    /// The transcript of precompiles that the run recorded.
    pub precompile_transcript: PrecompileTranscript,
}

/// Runs a program, in a composition if one is given.
///
/// # Errors
/// If the program is refused before its first cycle, or traps.
#[tracing::instrument("execute", skip_all)]
pub fn execute(
    program: &Program,
    composition: Option<&Composition>,
    stack_inputs: &StackInputs,
    advice_inputs: AdviceInputs,
    host: &mut impl Host,
    options: ExecutionOptions,
) -> Result<ExecutionOutput, ExecutionError> {
    let kernel = program.kernel().clone();
    let mut process = Process::new(kernel, stack_inputs, advice_inputs, options, NoTrace);
    let stack = process.execute(program, composition, host)?;
    Ok(output(process, stack))
}

/// Runs a program as [execute] does, with a host that may take its time.
///
/// Between two questions to the host the machine runs without a break, on the thread that polls:
/// an executor that has other things to do should run it where that does no harm.
///
/// # Errors
/// If the program is refused before its first cycle, or traps.
#[tracing::instrument("execute", skip_all)]
pub async fn execute_async(
    program: &Program,
    composition: Option<&Composition>,
    stack_inputs: &StackInputs,
    advice_inputs: AdviceInputs,
    host: &mut impl AsyncHost,
    options: ExecutionOptions,
) -> Result<ExecutionOutput, ExecutionError> {
    let kernel = program.kernel().clone();
    let mut process = Process::new(kernel, stack_inputs, advice_inputs, options, NoTrace);
    let stack = process.execute_async(program, composition, host).await?;
    Ok(output(process, stack))
}

fn output(process: Process<NoTrace>, stack: StackOutputs) -> ExecutionOutput {
    let cycles = process.clk();
    let precompile_transcript = process.precompile_transcript();
    let (advice, memory, NoTrace) = process.into_parts();
    ExecutionOutput {
        stack,
        cycles,
        advice,
        memory,
        precompile_transcript,
    }
}

/// Why there is no trace of a run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TracedExecutionError {
    /// The run itself failed.
    #[error(transparent)]
    Execution(#[from] ExecutionError),
    /// The run ended, but the trace cannot show all of it.
    #[error("the run has no trace: {0}")]
    Trace(#[from] TraceError),
}

/// Runs a program as [execute] does and builds its trace.
///
/// # Errors
/// If the program is refused before its first cycle, or traps, or the trace cannot show it.
#[tracing::instrument("execute_traced", skip_all)]
pub fn execute_traced(
    program: &Program,
    composition: Option<&Composition>,
    stack_inputs: &StackInputs,
    advice_inputs: AdviceInputs,
    host: &mut impl Host,
    options: ExecutionOptions,
) -> Result<ExecutionTrace, TracedExecutionError> {
    let mut process = tracing_process(program, composition, stack_inputs, advice_inputs, options);
    let stack = process.execute(program, composition, host)?;
    Ok(trace(process, program, stack_inputs, &stack)?)
}

/// Runs a program as [execute_async] does and builds its trace.
///
/// The trace is finished on the thread that polls last.
///
/// # Errors
/// If the program is refused before its first cycle, or traps, or the trace cannot show it.
#[tracing::instrument("execute_traced", skip_all)]
pub async fn execute_traced_async(
    program: &Program,
    composition: Option<&Composition>,
    stack_inputs: &StackInputs,
    advice_inputs: AdviceInputs,
    host: &mut impl AsyncHost,
    options: ExecutionOptions,
) -> Result<ExecutionTrace, TracedExecutionError> {
    let mut process = tracing_process(program, composition, stack_inputs, advice_inputs, options);
    let stack = process.execute_async(program, composition, host).await?;
    Ok(trace(process, program, stack_inputs, &stack)?)
}

/// The machine for a run whose trace is built.
fn tracing_process(
    program: &Program,
    composition: Option<&Composition>,
    stack_inputs: &StackInputs,
    advice_inputs: AdviceInputs,
    options: ExecutionOptions,
) -> Process<TraceBuilder> {
    let kernel = program.kernel().clone();
    let builder = TraceBuilder::new(&kernel, composition)
        .with_expected_cycles(options.expected_cycles())
        .with_slices(options.slices());
    Process::new(kernel, stack_inputs, advice_inputs, options, builder)
}

fn trace(
    process: Process<TraceBuilder>,
    program: &Program,
    stack_inputs: &StackInputs,
    stack: &StackOutputs,
) -> Result<ExecutionTrace, TraceError> {
    let (advice, memory, builder) = process.into_parts();
    drop(memory);
    let (_, _, _, requests) = advice.into_parts();
    builder.finish(program.hash(), stack_inputs, stack, requests)
}
