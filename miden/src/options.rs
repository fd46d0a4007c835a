//! Options of runs.

use miden_cvm_processor::{ExecutionOptions, MAX_CYCLES, OptionsError};

/// Miden's options as those of this machine.
///
/// # Errors
/// If they are none of a run.
pub fn of_miden(options: &miden_tx::ExecutionOptions) -> Result<ExecutionOptions, OptionsError> {
    let cycles = options.max_cycles().min(MAX_CYCLES);
    // Miden rounds up what it expects, which may be more than it allows then.
    let expected = options.expected_cycles().min(cycles);
    let options_of_run = ExecutionOptions::new(cycles, expected)?;
    Ok(options_of_run
        .with_debug(options.enable_debugging())
        .with_tracing(options.enable_tracing()))
}
