//! The peer: a version of `miden-vm` that proves a program and verifies its own proof.

use std::{error::Error, fmt};

use serde::{Deserialize, Deserializer, Serialize, de};

/// A version of `miden-vm`.
pub trait Peer {
    /// Assembles `source` with this version's own assembler and core library.
    ///
    /// # Errors
    /// When the source does not assemble, or the inputs are not field elements.
    fn assemble(&self, source: &str, inputs: &Inputs) -> Result<Box<dyn Assembled>, PeerError>;
}

/// A program, ready to be proven.
pub trait Assembled {
    /// Executes the program and proves the run.
    ///
    /// # Errors
    /// When the run or the proof fails.
    fn prove(&self) -> Result<Proven, PeerError>;

    /// Parses the proof and verifies it against this program, its inputs and the outputs it came with.
    ///
    /// # Errors
    /// When the proof does not parse or is rejected.
    fn verify(&self, proven: &Proven) -> Result<(), PeerError>;

    /// Executes the program and lays out its trace, without proving it.
    ///
    /// # Errors
    /// When the run fails.
    fn rows(&self) -> Result<Rows, PeerError>;
}

/// Inputs in Miden's JSON.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Inputs {
    /// The stack, the top first.
    #[serde(deserialize_with = "numbers")]
    pub operand_stack: Vec<u64>,
    /// The advice stack, the top first.
    #[serde(deserialize_with = "numbers")]
    pub advice_stack: Vec<u64>,
}

/// Numbers that are written as strings.
fn numbers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u64>, D::Error> {
    let numbers = Vec::<String>::deserialize(deserializer)?;
    let numbers = numbers.iter().map(|number| number.parse());
    numbers.collect::<Result<_, _>>().map_err(de::Error::custom)
}

/// A proof, as it would be sent to a verifier, and what it claims.
#[derive(Debug, Clone)]
pub struct Proven {
    /// The 16 elements on the stack when the program ended, the top first.
    pub outputs: Vec<u64>,
    /// The serialized proof.
    pub proof: Vec<u8>,
}

/// The number of rows of the trace that each of its segments takes, before and after padding.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Rows {
    /// Rows of system, decoder and stack: the cycles of the program.
    pub cycles: usize,
    /// Rows of the range checker, where there are any.
    pub range: usize,
    /// Rows of the hasher.
    pub hasher: usize,
    /// Rows of the bitwise chiplet.
    pub bitwise: usize,
    /// Rows of the memory chiplet.
    pub memory: usize,
    /// Rows that are proven: the longest segment, padded to a power of two.
    pub padded: usize,
}

/// The step at which a peer failed.
#[derive(Debug, Clone, Copy)]
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

/// A peer could not do its part.
#[derive(Debug, thiserror::Error)]
#[error("cannot {stage} the program: {reason}")]
pub struct PeerError {
    stage: Stage,
    reason: Box<dyn Error + Send + Sync>,
}

impl Stage {
    /// The failure at this stage for `reason`.
    pub fn failed(self, reason: impl Into<Box<dyn Error + Send + Sync>>) -> PeerError {
        PeerError {
            stage: self,
            reason: reason.into(),
        }
    }
}
