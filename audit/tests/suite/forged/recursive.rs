//! The program that verifies proofs, as a second judge of forged traces.

use std::sync::LazyLock;

use miden_cvm_air::{
    public::PublicInputs,
    table::{Table, Trace},
};
use miden_cvm_processor::{DefaultHost, ExecutionInputs, execute};
use miden_cvm_prover::{ProveOptions, prove_trace};
use miden_cvm_recursion::{Shape, VerifyingProgram, forged_advice};

/// One of so many forged traces is judged by the program, too: all of them in a figure of the book.
static ONE_OF: LazyLock<u64> = LazyLock::new(|| {
    let number = std::env::var("PROGRAM_JUDGES_ONE_OF").ok();
    number.and_then(|number| number.parse().ok()).unwrap_or(32)
});

/// Returns `true` if the program judges a trace: which ones it does is the same in every run.
pub fn is_judged_twice(trace: &Trace) -> bool {
    let rows = Table::ALL.into_iter().flat_map(|table| {
        let height = trace.height(table);
        (0..height).map(move |row| trace.row(table, row))
    });
    let cells = rows.flatten();
    let sum = cells.fold(0u64, |sum, cell| {
        sum.wrapping_mul(31).wrapping_add(cell.as_int())
    });
    (sum ^ sum >> 32).is_multiple_of(*ONE_OF)
}

/// Proves a trace that the verifier refuses, and expects that the program refuses the proof.
pub fn refuse_by_program(trace: &Trace, public: &PublicInputs) {
    let mut options = ProveOptions::from(Shape::settings());
    options.check_trace = false;
    let proof = prove_trace(trace.clone(), public.clone(), &options)
        .expect("whatever it is given is proven");
    // A statement that is not valid has no program.
    let Ok(shape) = Shape::of(public, &proof) else {
        return;
    };
    let (advice, rejection) = forged_advice(public, &proof).expect("a proof's form");
    assert!(
        rejection.is_some(),
        "the verifier accepts it with these settings"
    );
    let program = VerifyingProgram::new(&[shape]).expect("a program");
    let mut inputs = program.advice();
    inputs.extend(advice);
    let run = execute(
        ExecutionInputs {
            advice: inputs,
            ..ExecutionInputs::new(program.program())
        },
        &mut DefaultHost::default(),
    );
    assert!(
        run.is_err(),
        "the program accepts what the verifier refuses"
    );
    println!("refused by the program, too");
}
