//! Time to execute and prove each program, for each contender. Assembling is not timed.

use std::{error::Error, process::ExitCode, time::Duration};

use criterion::{BatchSize, Criterion, SamplingMode};
use miden_cvm_benches::{CONTENDERS, PROGRAMS, Program};

/// Proofs take up to seconds, and vary by few percent.
const SAMPLES: usize = 10;

fn main() -> ExitCode {
    let mut criterion = Criterion::default().configure_from_args();
    for program in &PROGRAMS {
        if let Err(error) = prove(&mut criterion, program) {
            eprintln!("error: {}: {error}", program.name);
            return ExitCode::FAILURE;
        }
    }
    criterion.final_summary();
    ExitCode::SUCCESS
}

fn prove(criterion: &mut Criterion, program: &Program) -> Result<(), Box<dyn Error>> {
    let mut group = criterion.benchmark_group(program.name);
    group
        .sample_size(SAMPLES)
        .sampling_mode(SamplingMode::Flat)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(10));
    for contender in CONTENDERS {
        let prepared = contender.prepare(&program.task)?;
        let mut failure = None;
        // A new salt for each proof, so that the time spent on grinding is that of many.
        let mut salts = 0..;
        group.bench_function(contender.name(), |bencher| {
            bencher.iter_batched(
                || salts.next().unwrap_or_default(),
                |salt| prepared.prove(salt).map_err(|error| failure = Some(error)),
                BatchSize::PerIteration,
            );
        });
        if let Some(error) = failure {
            return Err(error.into());
        }
    }
    group.finish();
    Ok(())
}
