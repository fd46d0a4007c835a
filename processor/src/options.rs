//! Options of a run: how long it may take, what it may use, and what is recorded beside it.

use miden_cvm_air::heights::MAX_HEIGHT;
use thiserror::Error;

/// The longest run that any options allow, in cycles.
pub const MAX_CYCLES: u32 = 1 << 29;

/// The most handles that a table holds (Canonical ABI, `Table.MAX_LENGTH`).
pub const MAX_HANDLES: u32 = (1 << 28) - 1;

/// Bounds on what a run may use. Passing one is a trap whose message names the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Words (4 elements) of memory, over all contexts that are alive; counted by pages of 64.
    pub memory_words: u64,
    /// Elements held by the advice provider: stack, map (keys and values), Merkle nodes, and
    /// requests to precompiles (8 bytes to the element).
    pub advice_elements: usize,
    /// Depth of the operand stack in one context.
    pub stack_depth: usize,
    /// Calls (`call`, `dyncall`, `syscall`) that are open at one time.
    pub call_depth: usize,
    /// Nodes of the program that are open at one time.
    pub nesting: usize,
    /// Places in the resource tables of all instances that are alive, and handles on their way
    /// between them.
    pub handles: u64,
    /// Component instances that exist at one time: those of all domains that are open, and of those
    /// that are over if the kernel can still look at them.
    pub instances: usize,
    /// Elements of static data that instances are created with, over the whole run.
    pub static_data: u64,
    /// Elements that events and circuits read from memory and from the advice map, over the whole run:
    /// a single cycle can make them read any number.
    pub bulk_elements: u64,
    /// Rows of the trace, where one is built.
    pub trace_rows: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_words: 1 << 26,
            advice_elements: 1 << 28,
            stack_depth: 1 << 24,
            call_depth: 1 << 16,
            nesting: 1 << 20,
            handles: 1 << 26,
            instances: 1 << 20,
            static_data: 1 << 28,
            bulk_elements: 1 << 28,
            trace_rows: MAX_HEIGHT - 1,
        }
    }
}

/// Options of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExecutionOptions {
    max_cycles: u32,
    expected_cycles: u32,
    debug: bool,
    tracing: bool,
    retain_memory: bool,
    slices: usize,
    limits: Limits,
}

impl Default for ExecutionOptions {
    fn default() -> Self {
        Self {
            max_cycles: MAX_CYCLES,
            expected_cycles: 64,
            debug: false,
            tracing: false,
            retain_memory: false,
            slices: 1,
            limits: Limits::default(),
        }
    }
}

impl ExecutionOptions {
    /// Returns options with the given greatest and expected number of cycles.
    ///
    /// # Errors
    /// If `max_cycles` is more than [MAX_CYCLES], or less than `expected_cycles`.
    pub fn new(max_cycles: u32, expected_cycles: u32) -> Result<Self, OptionsError> {
        if max_cycles > MAX_CYCLES {
            return Err(OptionsError::MaxCyclesTooBig { max_cycles });
        }
        if max_cycles < expected_cycles {
            return Err(OptionsError::ExpectedAboveMax {
                expected_cycles,
                max_cycles,
            });
        }
        Ok(Self {
            max_cycles,
            expected_cycles,
            ..Self::default()
        })
    }

    /// Runs debug decorators (`debug.stack` and the like) when `debug` is set.
    pub fn with_debug(mut self, debug: bool) -> Self {
        self.debug = debug;
        self
    }

    /// Runs trace decorators (`trace.n`) when `tracing` is set.
    pub fn with_tracing(mut self, tracing: bool) -> Self {
        self.tracing = tracing;
        self
    }

    /// Keeps the memory of contexts that are over, so that it can be looked at after the run.
    pub fn with_retained_memory(mut self, retain: bool) -> Self {
        self.retain_memory = retain;
        self
    }

    /// Cuts the longest table of a trace into so many pieces of the same height, and no table into
    /// longer ones, if it can be cut so; at most [`MAX_PIECES`](miden_cvm_air::heights::MAX_PIECES).
    pub fn with_slices(mut self, slices: usize) -> Self {
        self.slices = slices;
        self
    }

    /// Replaces the limits.
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The number of cycles after which the run is ended with an error.
    pub fn max_cycles(&self) -> u32 {
        self.max_cycles
    }

    /// The number of cycles the caller expects; the trace gets room for them at once.
    pub fn expected_cycles(&self) -> u32 {
        self.expected_cycles
    }

    /// Returns `true` if decorators are run at all, which they are when debugging or tracing is on.
    pub fn runs_decorators(&self) -> bool {
        self.debug || self.tracing
    }

    /// Returns `true` if trace decorators are run.
    pub fn tracing(&self) -> bool {
        self.tracing
    }

    /// Returns `true` if memory of contexts that are over is kept.
    pub fn retain_memory(&self) -> bool {
        self.retain_memory
    }

    /// Returns how many pieces the longest table of a trace is cut into; with 1, as many as cost least.
    pub fn slices(&self) -> usize {
        self.slices
    }

    /// Returns the limits of what the run may use.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }
}

/// Options that contradict each other or the machine.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// More cycles than the machine allows.
    #[error("at most {MAX_CYCLES} cycles are possible, but {max_cycles} were allowed")]
    MaxCyclesTooBig {
        /// The number of cycles that was asked for.
        max_cycles: u32,
    },
    /// The expected number of cycles is above the greatest.
    #[error("{expected_cycles} cycles are expected, but only {max_cycles} allowed")]
    ExpectedAboveMax {
        /// The expected number of cycles.
        expected_cycles: u32,
        /// The greatest number of cycles.
        max_cycles: u32,
    },
}
