//! Changed proofs and advice: a program refuses what the verifier refuses.

use std::sync::LazyLock;

use miden_core::{Felt, ONE, crypto::hash::Rpo256};
use miden_cvm_audit::Mutations;
use miden_cvm_processor::{AceError, AdviceInputs, ExecutionTrace, Trap};
use miden_cvm_prover::{ProveOptions, prove_trace};
use miden_cvm_recursion::{Shape, VerifyingProgram, forged_advice, variables};
use miden_cvm_verifier::{Proof, PublicInputs};

use super::{
    LONG, SHORT, all_advice, expected, is_verified, program, prove, run,
    statements::{KERNEL, composed, in_memory},
    traced,
};

/// A proof, and the program that verifies it.
static PROVEN: LazyLock<([(PublicInputs, Proof); 1], VerifyingProgram)> = LazyLock::new(|| {
    let proofs = [prove(traced(LONG, &[]))];
    let program = program(&proofs);
    (proofs, program)
});

/// A number that looks random.
fn random(seed: u64, number: u64) -> u64 {
    Rpo256::hash_elements(&[Felt::new(seed), Felt::new(number)])[0].as_int()
}

/// The ways in which a change was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// There is no advice of the form that the program reads.
    Form,
    /// The program trapped.
    Trap,
}

/// Verifies a changed proof with the verifier and with the program; both have to refuse it.
fn refused(public: &PublicInputs, stark: Vec<u8>) -> Refusal {
    let (proofs, program) = &*PROVEN;
    let proof =
        Proof::new(Shape::settings(), *proofs[0].1.heights(), stark).expect("a proof's form");
    let Ok((advice, rejection)) = forged_advice(public, &proof) else {
        assert!(!is_verified(public, &proof));
        return Refusal::Form;
    };
    assert!(rejection.is_some(), "the verifier accepts it");
    let mut inputs = program.advice();
    inputs.extend(advice);
    assert!(
        run(program, inputs).is_err(),
        "the program accepts what the verifier refuses"
    );
    Refusal::Trap
}

/// The number of changed proofs: all of them in a figure of the book, few in every test.
fn changes() -> u64 {
    let number = std::env::var("CHANGED_PROOFS").ok();
    number.and_then(|number| number.parse().ok()).unwrap_or(120)
}

#[test]
fn changed_proofs_are_refused_by_both() {
    let (proofs, _) = &*PROVEN;
    let [(public, proof)] = proofs;
    let stark = proof.stark();
    let words = stark.len() / 8;
    let mut traps = 0;
    for number in 0..changes() {
        let mut changed = stark.to_vec();
        // A number of the proof becomes another one; most of them are still field elements.
        let at = 8 * (random(1, number) as usize % words);
        let add = match random(2, number) % 3 {
            0 => 1,
            1 => 1 << (random(3, number) % 63),
            _ => random(3, number) | 1,
        };
        let bytes: &mut [u8; 8] = changed[at..].first_chunk_mut().expect("eight bytes");
        *bytes = u64::from_le_bytes(*bytes).wrapping_add(add).to_le_bytes();
        traps += u64::from(refused(public, changed) == Refusal::Trap);
    }
    println!(
        "{traps} of {} changed proofs were refused by the program",
        changes()
    );
    // The others have no form: a number is no field element, or the queries are others.
    assert!(traps > changes() / 3, "{traps}");
}

/// The number of forged traces of each run: few in every test.
fn forged_traces() -> u64 {
    let number = std::env::var("FORGED_TRACES").ok();
    number.and_then(|number| number.parse().ok()).unwrap_or(24)
}

/// Traces that the audit has changed, proven as a prover does that looks at nothing: verifier and program accept
/// those few that satisfy all constraints and buses still, and no others.
fn are_refused_by_both(name: &str, run: impl Fn() -> ExecutionTrace) {
    let ExecutionTrace { trace, public, .. } = run();
    let honest = [prove(run())];
    let program = program(&honest);
    let mutations = Mutations::new(trace, public.clone(), 1);
    let mut checking = ProveOptions::from(Shape::settings());
    checking.check_trace = true;
    let mut options = ProveOptions::from(Shape::settings());
    options.check_trace = false;
    let mut judged = 0;
    let mut refused = 0;
    for number in 0..forged_traces() {
        // The distance is odd: cells that are swept through and random changes alternate.
        let Some(trace) = mutations.trace(number * 997) else {
            continue;
        };
        let satisfies = prove_trace(trace.clone(), public.clone(), &checking).is_ok();
        let proof = prove_trace(trace, public.clone(), &options).expect("a proof's form");
        let is_accepted = is_verified(&public, &proof);
        assert_eq!(is_accepted, satisfies, "{name}, {number}");
        let (advice, rejection) = forged_advice(&public, &proof).expect("a proof's form");
        assert_eq!(rejection.is_none(), is_accepted, "{name}, {number}");
        let mut inputs = program.advice();
        inputs.extend(advice);
        let is_run = super::run(&program, inputs).is_ok();
        assert_eq!(is_run, is_accepted, "{name}, {number}");
        judged += 1;
        refused += u64::from(!is_accepted);
    }
    println!("{name}: {refused} of {judged} forged traces were refused by both");
    assert!(2 * refused > judged, "{name}: {refused}");
}

#[test]
fn proofs_of_forged_traces_are_refused_by_both() {
    are_refused_by_both("program", || traced(SHORT, &[1, 1]));
    are_refused_by_both("inputs and outputs in memory", || in_memory(8));
    let main = "begin syscall.one call.stubs::a call.stubs::b syscall.two end";
    are_refused_by_both("kernel and composition", || {
        composed(main, Some(KERNEL), 8, 8)
    });
}

#[test]
fn each_part_that_is_changed_is_refused() {
    let (proofs, _) = &*PROVEN;
    let [(public, proof)] = proofs;
    let stark = proof.stark();
    // Commitments, sums, values and layers are dense at the beginning; the last parts come after.
    let words = stark.len() / 8;
    let positions = (0..40).step_by(3).chain((40..words).step_by(words / 30));
    let positions = positions.map(|word| 8 * word);
    for at in positions {
        let mut changed = stark.to_vec();
        changed[at] ^= 1;
        refused(public, changed);
    }
}

#[test]
fn other_statements_are_refused() {
    let (proofs, program) = &*PROVEN;
    let [(public, proof)] = proofs;
    for number in 0..variables(public).len() {
        let mut inputs = all_advice(program, proofs);
        inputs.stack[program.code().len() + number] += ONE;
        assert!(run(program, inputs).is_err(), "variable {number}");
    }
    let mut changed = public.clone();
    changed.program_hash = expected(proofs);
    refused(&changed, proof.stark().to_vec());
}

/// Every element that a program reads is bound by what it checks, or fills a block of the hasher and is
/// not looked at.
#[test]
fn changed_advice_is_refused_or_not_looked_at() {
    let (proofs, program) = &*PROVEN;
    let inputs = all_advice(program, proofs);
    let len = inputs.stack.len() as u64;
    let mut ignored = Vec::new();
    for number in 0..changes() {
        let at = (random(4, number) % len) as usize;
        let mut changed = inputs.clone();
        changed.stack[at] += Felt::new(random(5, number) | 1);
        if let Ok(output) = run(program, changed) {
            assert_eq!(output.stack[..4], *expected(proofs).as_elements());
            ignored.push(at);
        }
    }
    for &at in &ignored {
        assert_eq!(
            inputs.stack[at],
            Felt::new(0),
            "element {at} of {len} is not looked at"
        );
    }
    assert!(ignored.len() as u64 * 5 < changes(), "{}", ignored.len());
    // Nor is any of it left out.
    let mut short = inputs.clone();
    short.stack.pop();
    assert!(run(program, short).is_err());
    let mut without_trees = inputs.clone();
    without_trees.store = AdviceInputs::default().store;
    assert!(run(program, without_trees).is_err());
}

#[test]
fn changed_values_outside_of_the_domain_do_not_satisfy_the_circuit() {
    let (proofs, program) = &*PROVEN;
    let inputs = all_advice(program, proofs);
    // After the statement come two roots, the sums of the pieces and another root.
    let air = Shape::of(&proofs[0].0, &proofs[0].1)
        .expect("a shape")
        .air();
    let sums = program.code().len() + variables(&proofs[0].0).len() + 8;
    let openings = sums + (2 * air.pieces().len()).next_multiple_of(8) + 4;
    for at in [sums, openings, openings + 2 * air.trace_width()] {
        let mut changed = inputs.clone();
        changed.stack[at] += ONE;
        let error = run(program, changed).expect_err("another value");
        let is_circuit = matches!(
            error.trap(),
            Some(Trap::AceChipError(AceError::CircuitNotEvaluateZero))
        );
        assert!(is_circuit, "element {at}: {error}");
    }
}
