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
    installed::{Form, InstanceAccess, InstanceOp, LoadedComponent},
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
pub use miden_cvm_air::memory_io::{Arguments, ArgumentsError};
use miden_cvm_air::{composition::Composition, memory_io::MemorySegment, table::TableRows};
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
    /// The outputs in memory, if there is a place for them.
    pub memory_outputs: Option<MemorySegment>,
    /// The final memory; of contexts that are over only if the options retain it.
    pub memory: Memory,
    /// The transcript of precompiles that the run recorded.
    pub precompile_transcript: PrecompileTranscript,
}

/// A program, and all that it is run with but a host.
#[derive(Debug, Clone)]
pub struct ExecutionInputs<'a> {
    /// The program.
    pub program: &'a Program,
    /// The composition whose root the program is, if it is not run by itself.
    pub composition: Option<&'a Composition>,
    /// The stack at the beginning, and the inputs in memory.
    pub arguments: Arguments,
    /// The advice at the beginning.
    pub advice: AdviceInputs,
    /// Limits, and what the host is shown.
    pub options: ExecutionOptions,
}

impl<'a> ExecutionInputs<'a> {
    /// A program that is run by itself, with zeros on the stack, no advice and the default options.
    pub fn new(program: &'a Program) -> Self {
        Self {
            program,
            composition: None,
            arguments: Arguments::default(),
            advice: AdviceInputs::default(),
            options: ExecutionOptions::default(),
        }
    }
}

/// Runs a program.
///
/// # Errors
/// If the program is refused before its first cycle, or traps.
#[tracing::instrument("execute", skip_all)]
pub fn execute(
    inputs: ExecutionInputs<'_>,
    host: &mut dyn Host,
) -> Result<ExecutionOutput, ExecutionError> {
    let (program, composition) = (inputs.program, inputs.composition);
    let mut process = untraced_process(inputs);
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
    inputs: ExecutionInputs<'_>,
    host: &mut impl AsyncHost,
) -> Result<ExecutionOutput, ExecutionError> {
    let (program, composition) = (inputs.program, inputs.composition);
    let mut process = untraced_process(inputs);
    let stack = process.execute_async(program, composition, host).await?;
    Ok(output(process, stack))
}

/// The machine for a run without a trace.
fn untraced_process(inputs: ExecutionInputs<'_>) -> Process<NoTrace> {
    let ExecutionInputs {
        program,
        arguments,
        advice,
        options,
        ..
    } = inputs;
    Process::new(
        program.kernel().clone(),
        arguments,
        advice,
        options,
        NoTrace,
    )
}

fn output(process: Process<NoTrace>, stack: StackOutputs) -> ExecutionOutput {
    let cycles = process.clk();
    let precompile_transcript = process.precompile_transcript();
    let memory_outputs = process.memory_io().outputs;
    let (advice, memory, NoTrace) = process.into_parts();
    ExecutionOutput {
        stack,
        cycles,
        advice,
        memory_outputs,
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
    inputs: ExecutionInputs<'_>,
    host: &mut dyn Host,
) -> Result<ExecutionTrace, TracedExecutionError> {
    run_traced(inputs, host, None)
}

/// Runs a program as [execute_traced] does, but makes only these rows of the trace; without any, it
/// tells what is public and how high the tables are.
///
/// Rows of the core, the hasher and the memory are made by themselves, from all that was asked of the
/// latter two; other tables are made as a whole, and then cut.
///
/// # Errors
/// If the program is refused before its first cycle, or traps, or the trace cannot show it.
#[tracing::instrument("execute_traced", skip_all)]
pub fn execute_traced_rows(
    inputs: ExecutionInputs<'_>,
    host: &mut dyn Host,
    rows: &TableRows,
) -> Result<ExecutionTrace, TracedExecutionError> {
    run_traced(inputs, host, Some(rows))
}

/// Runs a program and builds its trace, or these rows of it.
fn run_traced(
    inputs: ExecutionInputs<'_>,
    host: &mut dyn Host,
    rows: Option<&TableRows>,
) -> Result<ExecutionTrace, TracedExecutionError> {
    let (program, composition) = (inputs.program, inputs.composition);
    let stack_inputs = inputs.arguments.stack.clone();
    let mut process = tracing_process(inputs, rows);
    let stack = process.execute(program, composition, host)?;
    Ok(trace(process, program, stack_inputs, stack)?)
}

/// Runs a program as [execute_async] does and builds its trace.
///
/// The trace is finished on the thread that polls last.
///
/// # Errors
/// If the program is refused before its first cycle, or traps, or the trace cannot show it.
#[tracing::instrument("execute_traced", skip_all)]
pub async fn execute_traced_async(
    inputs: ExecutionInputs<'_>,
    host: &mut impl AsyncHost,
) -> Result<ExecutionTrace, TracedExecutionError> {
    let (program, composition) = (inputs.program, inputs.composition);
    let stack_inputs = inputs.arguments.stack.clone();
    let mut process = tracing_process(inputs, None);
    let stack = process.execute_async(program, composition, host).await?;
    Ok(trace(process, program, stack_inputs, stack)?)
}

/// The machine for a run whose trace is built, or these rows of it.
fn tracing_process(inputs: ExecutionInputs<'_>, rows: Option<&TableRows>) -> Process<TraceBuilder> {
    let ExecutionInputs {
        program,
        composition,
        arguments,
        advice,
        options,
    } = inputs;
    let kernel = program.kernel().clone();
    let mut builder = TraceBuilder::new(&kernel, composition).with_slices(options.slices());
    if let Some(rows) = rows {
        builder = builder.with_rows(rows);
    }
    // There is room for the rows that are made.
    let builder = builder.with_expected_cycles(options.expected_cycles());
    Process::new(kernel, arguments, advice, options, builder)
}

fn trace(
    process: Process<TraceBuilder>,
    program: &Program,
    stack_inputs: StackInputs,
    stack_outputs: StackOutputs,
) -> Result<ExecutionTrace, TraceError> {
    let memory_io = process.memory_io();
    let (advice, memory, builder) = process.into_parts();
    drop(memory);
    let (_, _, _, requests) = advice.into_parts();
    builder.finish(
        program.hash(),
        stack_inputs,
        stack_outputs,
        memory_io,
        requests,
    )
}
