//! One proof, measured in a process that does nothing else.

use std::{fs, io, time::Instant};

use serde::{Deserialize, Serialize};

use crate::{
    contender::{Contender, ContenderError, Rows},
    program::Program,
};

/// The file in which Linux tells a process about itself.
const STATUS: &str = "/proc/self/status";

/// What one contender needed to prove one program once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// Who proved.
    pub contender: String,
    /// What was proven.
    pub program: String,
    /// The deepest stack input (see [`Prepared::prove`](crate::Prepared::prove)).
    pub salt: u32,
    /// Milliseconds to execute the program and prove the run; assembling is not counted.
    pub prove_ms: f64,
    /// Milliseconds to parse the proof and verify it.
    pub verify_ms: f64,
    /// Size of the serialized proof, in bytes.
    pub proof_bytes: usize,
    /// The largest resident set of the process until the proof was there, in KiB. It includes the
    /// core library and the assembler.
    pub peak_rss_kib: u64,
    /// Rows of the trace.
    pub rows: Rows,
    /// What of the stack all contenders must have when the program ended, the top first.
    pub outputs: Vec<u64>,
}

/// A measurement could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum MeasurementError {
    /// The contender failed.
    #[error(transparent)]
    Contender(#[from] ContenderError),
    /// The system does not tell a process its peak memory in the way Linux does.
    #[error("cannot read the peak memory of this process from {STATUS}: {0}")]
    PeakMemory(io::Error),
}

impl Measurement {
    /// Proves `program` with `contender` once, verifies the proof, and reports what that took.
    ///
    /// The peak memory is that of the whole process so far: call this once in a fresh process.
    ///
    /// # Errors
    /// When the contender fails, or the system does not report peak memory.
    pub fn take(
        contender: &dyn Contender,
        program: &Program,
        salt: u32,
    ) -> Result<Self, MeasurementError> {
        let prepared = contender.prepare(&program.task)?;

        let start = Instant::now();
        let proven = prepared.prove(salt)?;
        let prove_ms = milliseconds_since(start);
        let peak_rss_kib = peak_rss_kib().map_err(MeasurementError::PeakMemory)?;

        let start = Instant::now();
        prepared.verify(&proven)?;
        let verify_ms = milliseconds_since(start);

        Ok(Self {
            contender: contender.name().to_owned(),
            program: program.name.to_owned(),
            salt,
            prove_ms,
            verify_ms,
            proof_bytes: proven.proof.len(),
            peak_rss_kib,
            rows: prepared.rows()?,
            outputs: program.comparable(&proven.outputs),
        })
    }
}

fn milliseconds_since(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}

/// The largest resident set that this process has had, in KiB.
fn peak_rss_kib() -> io::Result<u64> {
    let status = fs::read_to_string(STATUS)?;
    status
        .lines()
        .find_map(|line| {
            line.strip_prefix("VmHWM:")?
                .trim()
                .strip_suffix("kB")?
                .trim()
                .parse()
                .ok()
        })
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no line VmHWM in KiB"))
}
