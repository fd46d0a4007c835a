//! What is compared: something that proves a program and verifies its own proof.

use std::{error::Error, fmt};

use crate::program::Task;

/// A virtual machine that takes part in the comparison.
pub trait Contender: Sync {
    /// The name under which its figures are reported, for example `miden-vm-0.23.5`.
    fn name(&self) -> &'static str;

    /// Assembles `task` from source with this contender's own assembler and core library.
    ///
    /// # Errors
    /// When the source does not assemble, the inputs do not parse, or the core library cannot be
    /// loaded.
    fn prepare(&self, task: &Task<'_>) -> Result<Box<dyn Prepared>, ContenderError>;
}

/// An assembled program, ready to be proven any number of times.
pub trait Prepared {
    /// Executes the program and proves the run, at the contender's 96 bits of conjectured security
    /// with a Blake3 hash.
    ///
    /// `salt` is the deepest of the 16 stack inputs; the others are zero, and programs leave it
    /// alone. Each salt gives another transcript, and so another time spent on grinding:
    /// figures over several salts do not hang on the luck of one.
    ///
    /// # Errors
    /// When the run or the proof fails.
    fn prove(&self, salt: u32) -> Result<Proven, ContenderError>;

    /// Parses the proof and verifies it against this program and the outputs it came with.
    ///
    /// # Errors
    /// When the proof does not parse or is rejected.
    fn verify(&self, proven: &Proven) -> Result<(), ContenderError>;

    /// Executes the program and lays out its trace, without proving it.
    ///
    /// # Errors
    /// When the run fails.
    fn rows(&self) -> Result<Rows, ContenderError>;
}

/// A proof, as it would be sent to a verifier, and what it claims.
#[derive(Debug, Clone)]
pub struct Proven {
    /// The deepest of the 16 stack inputs.
    pub salt: u32,
    /// The 16 elements on the stack when the program ended, the top first.
    pub outputs: Vec<u64>,
    /// The serialized proof.
    pub proof: Vec<u8>,
}

/// How many rows of the trace each of its segments takes, before and after padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Rows {
    /// Rows of system, decoder and stack: the cycles of the program.
    pub cycles: usize,
    /// Rows of the range checker.
    pub range: usize,
    /// Rows of the hasher.
    pub hasher: usize,
    /// Rows of the bitwise chiplet.
    pub bitwise: usize,
    /// Rows of the resource tables, which the peers do not have.
    pub table: usize,
    /// Rows of the memory chiplet.
    pub memory: usize,
    /// Rows of the public records: the kernel's procedures; links and segments, where there are any.
    pub rom: usize,
    /// Rows that are proven: the longest segment, padded to a power of two.
    pub padded: usize,
}

/// The step at which a contender failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Assembling the program or loading the core library.
    Assemble,
    /// Executing the program and laying out its trace.
    Execute,
    /// Executing the program and proving the run.
    Prove,
    /// Parsing the proof or verifying it.
    Verify,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Assemble => "assemble",
            Self::Execute => "execute",
            Self::Prove => "prove",
            Self::Verify => "verify",
        })
    }
}

/// A contender could not do its part.
#[derive(Debug, thiserror::Error)]
#[error("{contender} could not {stage} the program: {reason}")]
pub struct ContenderError {
    contender: &'static str,
    stage: Stage,
    reason: Box<dyn Error + Send + Sync>,
}

impl ContenderError {
    /// The failure of `contender` at `stage`, for `reason`.
    pub fn new(
        contender: &'static str,
        stage: Stage,
        reason: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self {
            contender,
            stage,
            reason: reason.into(),
        }
    }
}
