//! Proves programs with published versions of `miden-vm`, so that `figures.py` can set what they take
//! beside what this project takes. Every answer is a line of JSON.

mod miden_0_20;
mod miden_1_0;
mod peer;

use std::{fs, io, path::PathBuf, process::ExitCode, time::Instant};

use clap::{Parser, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::{
    miden_0_20::Miden0_20,
    miden_1_0::Miden1_0,
    peer::{Assembled, Inputs, Peer, PeerError, Proven},
};

#[derive(Parser)]
#[command(about = "Prove a program with a published version of miden-vm")]
struct Arguments {
    /// Who proves.
    peer: PeerName,
    /// The program's source.
    source: PathBuf,
    #[command(subcommand)]
    task: Task,
    /// Inputs: `operand_stack` and `advice_stack`, in JSON.
    #[arg(long, global = true)]
    inputs: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum PeerName {
    /// Version 0.20.6 with its default, Blake3-192.
    #[value(name = "0.20.6")]
    Miden0_20,
    /// Version 1.0.0-rc.0 with its default hash function.
    #[value(name = "1.0.0-rc.0")]
    Miden1_0,
    /// The same with Blake3-256.
    #[value(name = "1.0.0-rc.0-blake3-256")]
    Miden1_0Blake3,
}

#[derive(Subcommand)]
enum Task {
    /// Execute and prove, and write the proof and what it claims to a file.
    Prove {
        /// The file to write.
        #[arg(long)]
        proof: PathBuf,
    },
    /// Verify what `prove` wrote.
    Verify {
        /// The file to read.
        #[arg(long)]
        proof: PathBuf,
    },
    /// Execute, and count the rows of the trace.
    Rows,
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("cannot read or write {0}: {1}")]
    File(PathBuf, #[source] io::Error),
    #[error("{0} is malformed: {1}")]
    Json(PathBuf, #[source] serde_json::Error),
    #[error(transparent)]
    Peer(#[from] PeerError),
}

/// The report on a proof.
#[derive(Serialize)]
struct Made {
    /// From the start of the run to the proof's bytes.
    wall_seconds: f64,
    proof_bytes: usize,
    /// The stack at the end, the top first.
    outputs: Vec<u64>,
}

/// The report on a verified proof.
#[derive(Serialize)]
struct Checked {
    /// To parse the proof and verify it: the program is assembled before.
    verify_seconds: f64,
}

/// The claim of a proof and the proof, as `prove` writes them.
#[derive(Serialize, Deserialize)]
struct File {
    outputs: Vec<u64>,
    proof: Vec<u8>,
}

fn main() -> ExitCode {
    match answer(&Arguments::parse()) {
        Ok(answer) => {
            println!("{answer}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn peer(name: PeerName) -> Box<dyn Peer> {
    match name {
        PeerName::Miden0_20 => Box::new(Miden0_20),
        PeerName::Miden1_0 => Box::new(Miden1_0::DEFAULT),
        PeerName::Miden1_0Blake3 => Box::new(Miden1_0::BLAKE3),
    }
}

fn answer(arguments: &Arguments) -> Result<serde_json::Value, Failure> {
    let read = |path: &PathBuf| {
        fs::read_to_string(path).map_err(|error| Failure::File(path.clone(), error))
    };
    let inputs = match &arguments.inputs {
        Some(path) => serde_json::from_str(&read(path)?)
            .map_err(|error| Failure::Json(path.clone(), error))?,
        None => Inputs::default(),
    };
    let assembled = peer(arguments.peer).assemble(&read(&arguments.source)?, &inputs)?;
    let answer = match &arguments.task {
        Task::Prove { proof } => serde_json::to_value(prove(&*assembled, proof)?),
        Task::Verify { proof } => {
            let file = serde_json::from_str(&read(proof)?)
                .map_err(|error| Failure::Json(proof.clone(), error))?;
            serde_json::to_value(verify(&*assembled, file)?)
        }
        Task::Rows => serde_json::to_value(assembled.rows()?),
    };
    answer.map_err(|error| Failure::Json(arguments.source.clone(), error))
}

fn prove(assembled: &dyn Assembled, path: &PathBuf) -> Result<Made, Failure> {
    let start = Instant::now();
    let Proven { outputs, proof } = assembled.prove()?;
    let wall_seconds = start.elapsed().as_secs_f64();
    let made = Made {
        wall_seconds,
        proof_bytes: proof.len(),
        outputs: outputs.clone(),
    };
    let file = serde_json::to_string(&File { outputs, proof })
        .map_err(|error| Failure::Json(path.clone(), error))?;
    fs::write(path, file).map_err(|error| Failure::File(path.clone(), error))?;
    Ok(made)
}

fn verify(assembled: &dyn Assembled, file: File) -> Result<Checked, Failure> {
    let File { outputs, proof } = file;
    let start = Instant::now();
    assembled.verify(&Proven { outputs, proof })?;
    let verify_seconds = start.elapsed().as_secs_f64();
    Ok(Checked { verify_seconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROGRAM: &str = include_str!("../programs/fib_1k.masm");

    fn assembled(name: PeerName, salt: u64) -> Box<dyn Assembled> {
        let mut operand_stack = [0; 16];
        operand_stack[15] = salt;
        let inputs = Inputs {
            operand_stack: operand_stack.into(),
            advice_stack: Vec::new(),
        };
        peer(name).assemble(PROGRAM, &inputs).expect("assembles")
    }

    #[test]
    fn peers_agree_on_the_outputs_and_verify_what_they_prove_and_nothing_else() {
        let mut expected = None;
        for &name in PeerName::value_variants() {
            let seven = assembled(name, 7);
            let proven = seven.prove().expect("proves");
            seven.verify(&proven).expect("verifies");
            assert_eq!(proven.outputs.last(), Some(&7), "the salt stays");
            let expected = expected.get_or_insert_with(|| proven.outputs.clone());
            assert_eq!(&proven.outputs, expected);

            assert!(assembled(name, 8).verify(&proven).is_err());
            let mut other = proven;
            other.outputs[0] ^= 1;
            assert!(seven.verify(&other).is_err());
        }
    }
}
