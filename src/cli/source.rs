//! The options that say what is run and on what.

use core::fmt;
use std::{
    io::{self, Write},
    path::PathBuf,
};

use clap::Args;
use miden_cvm::{
    DefaultHost, ExecutionOptions, ExecutionTrace, Inputs, Loader, MAX_CYCLES, Target, TargetError,
    TracedExecutionError, execute_traced, target_file,
};

use super::{limits::Limit, outcome::Failure, progress::Progress};

/// What is run and on what.
#[derive(Debug, Args)]
pub struct Source {
    /// A program (`.masm`, `.masp`), or a composition (`.toml`, `.wac`, or the folder of one)
    target: PathBuf,
    /// Inputs in JSON; without it the target's own, beside it and with the ending `.inputs`, if
    /// there are any
    #[arg(short, long = "input", value_name = "FILE")]
    input: Option<PathBuf>,
    /// The kernel, a `.masm` file
    #[arg(long, value_name = "FILE")]
    kernel: Option<PathBuf>,
    /// A library: a `.masl` or `.masp` file, or a folder of `.masm` files, whose name is the
    /// namespace; can be given several times, and later ones may use earlier ones
    #[arg(short, long = "library", value_name = "PATH")]
    libraries: Vec<PathBuf>,
    /// End the run with an error after this many cycles
    #[arg(short, long, value_name = "CYCLES", default_value_t = MAX_CYCLES,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_CYCLES)))]
    max_cycles: u32,
    /// Print what the `debug` instructions of the program say, on the standard error
    #[arg(long)]
    debug: bool,
    /// Print when `trace` instructions of the program are reached, and what `debug` instructions
    /// say, on the standard error
    #[arg(long)]
    trace: bool,
    /// A bound on what the run may use, such as `memory-words=4096`; can be given several times. The
    /// names: memory-words, advice-elements, stack-depth, call-depth, nesting, handles, instances,
    /// static-data, trace-rows
    #[arg(long = "limit", value_name = "NAME=VALUE")]
    limits: Vec<Limit>,
}

/// What is run and on what, loaded.
pub struct Loaded {
    /// The target.
    pub target: Target,
    /// The file that stands for it.
    pub file: PathBuf,
    /// What it starts with.
    pub inputs: Inputs,
    /// Limits of the run.
    pub options: ExecutionOptions,
}

impl Loaded {
    /// A host for one run.
    pub fn host(&self) -> DefaultHost<Stderr> {
        self.target.host().with_debug_writer(Stderr)
    }

    /// Runs it and builds the trace; the inputs are gone then.
    ///
    /// # Errors
    /// Returns an error if the run traps, or if it has no trace.
    pub fn trace(&mut self) -> Result<ExecutionTrace, Failure> {
        let Inputs { stack, advice } = std::mem::take(&mut self.inputs);
        let traced = execute_traced(&self.target, stack, advice, &mut self.host(), self.options);
        traced.map_err(|error| match error {
            TracedExecutionError::Execution(error) => Failure::failed(self.target.explain(&error)),
            error => Failure::failed(error),
        })
    }
}

impl Source {
    /// Loads the target and its inputs; warnings go to the standard error. The run may not be longer
    /// than `longest` cycles, whatever the options say.
    ///
    /// # Errors
    /// Returns an error if one of them cannot be loaded.
    pub fn load(&self, progress: &Progress, longest: u32) -> Result<Loaded, Failure> {
        progress.stage("assembling");
        let mut loader = Loader::new();
        if let Some(kernel) = &self.kernel {
            loader = loader.with_kernel(kernel).map_err(refused)?;
        }
        for library in &self.libraries {
            loader = loader.with_library(library).map_err(refused)?;
        }
        let file = target_file(&self.target).map_err(refused)?;
        let target = loader.load(&file).map_err(refused)?;
        for warning in target.warnings() {
            progress.suspend(|| eprintln!("warning: {warning}"));
        }
        let own = file.with_extension("inputs");
        let inputs = match &self.input {
            Some(path) => Inputs::read(path).map_err(Failure::failed)?,
            None if own.exists() => Inputs::read(&own).map_err(Failure::failed)?,
            None => Inputs::default(),
        };
        let expected = ExecutionOptions::default().expected_cycles();
        let max_cycles = self.max_cycles.min(longest);
        let options = ExecutionOptions::new(max_cycles, expected.min(max_cycles))
            .map_err(Failure::usage)?
            .with_debug(self.debug)
            .with_tracing(self.trace)
            .with_limits(Limit::all(&self.limits));
        Ok(Loaded {
            target,
            file,
            inputs,
            options,
        })
    }
}

fn refused(error: TargetError) -> Failure {
    match error {
        TargetError::UnknownKind(_) | TargetError::UnknownLibrary(_) => Failure::usage(error),
        _ => Failure::failed(error),
    }
}

/// Writes to the standard error.
#[derive(Debug, Clone, Copy)]
pub struct Stderr;

impl fmt::Write for Stderr {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        io::stderr()
            .write_all(text.as_bytes())
            .map_err(|_| fmt::Error)
    }
}
