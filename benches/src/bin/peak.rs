//! Measures contenders in processes of their own: time, peak memory and proof size.

use std::{
    env, io,
    process::{Command, ExitCode, ExitStatus, Stdio},
};

use clap::{
    Parser, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
use miden_cvm_benches::{
    CONTENDERS, Comparison, ComparisonError, Contender, Measurement, MeasurementError, PROGRAMS,
    Program,
};

#[derive(Parser)]
#[command(about = "Measure time, peak memory and proof size of proving")]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Prove one program with one contender and print the figures as JSON.
    One {
        /// Who proves.
        #[arg(value_parser = contender())]
        contender: &'static dyn Contender,
        /// What is proven.
        #[arg(value_parser = program())]
        program: Program,
        /// The deepest of the 16 stack inputs: another salt, another proof.
        #[arg(long, default_value_t = 0)]
        salt: u32,
    },
    /// Run every contender on every program, each run in a fresh process, and print medians and
    /// ratios.
    Table {
        /// Only this program (repeat the option for more).
        #[arg(long = "program", value_parser = program())]
        programs: Vec<Program>,
        /// Only this contender (repeat the option for more).
        #[arg(long = "contender", value_parser = contender())]
        contenders: Vec<&'static dyn Contender>,
        /// The contender that ratios refer to.
        #[arg(long, value_parser = contender(), default_value = "miden-vm-0.23.5")]
        baseline: &'static dyn Contender,
        /// How often each contender proves each program.
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
        runs: u32,
        /// Print JSON instead of a table.
        #[arg(long)]
        json: bool,
    },
}

/// Parses a contender's name.
fn contender() -> impl TypedValueParser<Value = &'static dyn Contender> {
    PossibleValuesParser::new(CONTENDERS.map(Contender::name)).try_map(|name| {
        let found = CONTENDERS
            .into_iter()
            .find(|contender| contender.name() == name);
        found.ok_or(format!("no contender {name}"))
    })
}

/// Parses a program's name.
fn program() -> impl TypedValueParser<Value = Program> {
    PossibleValuesParser::new(PROGRAMS.map(|program| program.name)).try_map(|name| {
        let found = PROGRAMS.into_iter().find(|program| program.name == name);
        found.ok_or(format!("no program {name}"))
    })
}

#[derive(Debug, thiserror::Error)]
enum PeakError {
    #[error(transparent)]
    Measurement(#[from] MeasurementError),
    #[error(transparent)]
    Comparison(#[from] ComparisonError),
    #[error("cannot start a process to measure in: {0}")]
    Start(#[from] io::Error),
    #[error("measuring {contender} on {program} failed: {status}")]
    Child {
        contender: &'static str,
        program: &'static str,
        status: ExitStatus,
    },
    #[error("cannot read or write JSON: {0}")]
    Json(#[from] serde_json::Error),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Task::One {
            contender,
            program,
            salt,
        } => one(contender, &program, salt),
        Task::Table {
            programs,
            contenders,
            baseline,
            runs,
            json,
        } => {
            let programs = if programs.is_empty() {
                PROGRAMS.to_vec()
            } else {
                programs
            };
            let contenders = if contenders.is_empty() {
                CONTENDERS.to_vec()
            } else {
                contenders
            };
            table(&programs, &contenders, baseline, runs, json)
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn one(contender: &dyn Contender, program: &Program, salt: u32) -> Result<(), PeakError> {
    let measurement = Measurement::take(contender, program, salt)?;
    println!("{}", serde_json::to_string(&measurement)?);
    Ok(())
}

fn table(
    programs: &[Program],
    contenders: &[&dyn Contender],
    baseline: &dyn Contender,
    runs: u32,
    json: bool,
) -> Result<(), PeakError> {
    let mut comparisons = Vec::new();
    for program in programs {
        let mut measurements = Vec::new();
        // Contenders take turns, so that a machine that slows down slows all of them down.
        for salt in 0..runs {
            for contender in contenders {
                measurements.push(in_child(*contender, program, salt)?);
            }
        }
        let comparison = Comparison::new(program.name, baseline.name(), &measurements)?;
        if json {
            comparisons.push(comparison);
        } else {
            println!("{comparison}");
        }
    }
    if json {
        println!("{}", serde_json::to_string_pretty(&comparisons)?);
    }
    Ok(())
}

/// Takes one measurement in a process of its own.
fn in_child(
    contender: &dyn Contender,
    program: &Program,
    salt: u32,
) -> Result<Measurement, PeakError> {
    let output = Command::new(env::current_exe()?)
        .args([
            "one",
            contender.name(),
            program.name,
            "--salt",
            &salt.to_string(),
        ])
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(PeakError::Child {
            contender: contender.name(),
            program: program.name,
            status: output.status,
        });
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
