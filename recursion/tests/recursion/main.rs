//! Programs that verify proofs, against the verifier of this project.

mod aggregates;
mod circuits;
mod forgeries;
mod public;
mod statements;

use miden_assembly::Assembler;
use miden_core::{Felt, StackInputs, Word, crypto::hash::Rpo256};
use miden_cvm_air::{air::CvmAir, transcript};
use miden_cvm_processor::{
    AdviceInputs, DefaultHost, ExecutionError, ExecutionInputs, ExecutionOptions, ExecutionOutput,
    ExecutionTrace, execute, execute_traced,
};
use miden_cvm_prover::{ProveOptions, prove_trace};
use miden_cvm_recursion::{Shape, ShapeError, VerifyingProgram, WitnessError, advice, commitment};
use miden_cvm_verifier::{
    Expectations, HashFunction, MinSecurity, OptionSet, PrecompileVerifierRegistry, Proof,
    ProofSettings, ProvenStatement, PublicInputs, verify_claims,
};

/// A run of few rows, without a layer in its low-degree test.
const SHORT: &str = "begin repeat.20 swap dup.1 add end end";

/// A run of tables of many heights, some of them in several pieces or twice as high as others.
const LONG: &str = "
    begin
        push.0 push.1
        while.true
            dup push.7 u32and drop
            dup mem_store.40
            padw push.1 push.2 push.3 push.4 hmerge dropw
            add.1 dup neq.100
        end
        drop
    end";

/// Runs a program that needs no advice.
fn traced(source: &str, inputs: &[u64]) -> ExecutionTrace {
    let program = Assembler::default()
        .assemble_program(source)
        .expect("a program");
    let stack = StackInputs::try_from_ints(inputs.iter().copied()).expect("inputs");
    let (advice, options) = (AdviceInputs::default(), ExecutionOptions::default());
    let host = &mut DefaultHost::default();
    execute_traced(
        ExecutionInputs {
            arguments: (&stack).into(),
            advice,
            options,
            ..ExecutionInputs::new(&program)
        },
        host,
    )
    .expect("a trace")
}

/// Proves a run.
fn prove(traced: ExecutionTrace) -> (PublicInputs, Proof) {
    let ExecutionTrace { trace, public, .. } = traced;
    let proof = prove_trace(trace, public.clone(), &Shape::settings().into()).expect("a proof");
    assert!(is_verified(&public, &proof));
    (public, proof)
}

/// Returns `true` if the verifier of this project accepts a proof.
fn is_verified(public: &PublicInputs, proof: &Proof) -> bool {
    is_verified_with(public, proof, &PrecompileVerifierRegistry::new())
}

/// The same of one whose run has left something to these precompiles.
fn is_verified_with(
    public: &PublicInputs,
    proof: &Proof,
    registry: &PrecompileVerifierRegistry,
) -> bool {
    let expectations = Expectations::from(MinSecurity::Conjectured(96));
    let proven = ProvenStatement {
        public,
        proof: &proof.to_bytes(),
    };
    verify_claims(proven, &[], &expectations, registry).is_ok()
}

/// The verifying program for proofs.
fn program(proofs: &[(PublicInputs, Proof)]) -> VerifyingProgram {
    let shapes = proofs
        .iter()
        .map(|(public, proof)| Shape::of(public, proof).expect("a shape"));
    VerifyingProgram::new(&shapes.collect::<Vec<_>>()).expect("a program")
}

/// All that the verifying program reads.
fn all_advice(program: &VerifyingProgram, proofs: &[(PublicInputs, Proof)]) -> AdviceInputs {
    let mut inputs = program.advice();
    for (public, proof) in proofs {
        inputs.extend(advice(public, proof).expect("advice"));
    }
    inputs
}

/// The trace of the program that verifies proofs.
fn trace_of(proofs: &[(PublicInputs, Proof)]) -> ExecutionTrace {
    let program = program(proofs);
    let (stack, inputs) = (StackInputs::default(), all_advice(&program, proofs));
    let (host, options) = (&mut DefaultHost::default(), ExecutionOptions::default());
    let traced = execute_traced(
        ExecutionInputs {
            arguments: (&stack).into(),
            advice: inputs,
            options,
            ..ExecutionInputs::new(program.program())
        },
        host,
    );
    traced.expect("a trace")
}

/// Runs a verifying program.
fn run(
    program: &VerifyingProgram,
    inputs: AdviceInputs,
) -> Result<ExecutionOutput, ExecutionError> {
    let (stack, options) = (StackInputs::default(), ExecutionOptions::default());
    let host = &mut DefaultHost::default();
    execute(
        ExecutionInputs {
            arguments: (&stack).into(),
            advice: inputs,
            options,
            ..ExecutionInputs::new(program.program())
        },
        host,
    )
}

/// The commitment to statements, computed here.
fn expected(proofs: &[(PublicInputs, Proof)]) -> Word {
    let seeds: Vec<Word> = proofs
        .iter()
        .map(|(public, proof)| {
            let options = Shape::settings().proof_options();
            let air = CvmAir::new(*proof.heights(), public.clone(), options);
            Rpo256::hash_elements(&transcript::seed(&air, Shape::settings()))
        })
        .collect();
    commitment(&seeds)
}

/// Checks that a program accepts what the verifier accepts, and says what it verified.
fn accepts(proofs: &[(PublicInputs, Proof)]) -> ExecutionOutput {
    let program = program(proofs);
    let output = run(&program, all_advice(&program, proofs)).expect("the proofs are accepted");
    assert_eq!(output.stack[..4], *expected(proofs).as_elements());
    assert!(
        output.stack[4..]
            .iter()
            .all(|&element| element == Felt::new(0))
    );
    output
}

#[test]
fn proofs_of_runs_of_many_shapes_are_verified() {
    // Of tables of equal heights the rows are hashed side by side.
    for (source, inputs) in [
        (SHORT, &[1, 1][..]),
        ("begin repeat.70 push.1 drop end end", &[]),
        (LONG, &[]),
    ] {
        let proof = prove(traced(source, inputs));
        let heights = *proof.1.heights();
        println!("{:?}: {} cycles", heights.rows(), accepts(&[proof]).cycles);
    }
}

#[test]
fn what_is_not_supported_is_refused() {
    let ExecutionTrace { trace, public, .. } = traced(SHORT, &[]);
    let other = ProofSettings::new(OptionSet::Fast96, HashFunction::Rpo256).expect("settings");
    let proof = prove_trace(trace, public.clone(), &ProveOptions::from(other)).expect("a proof");
    let refused = advice(&public, &proof);
    assert!(matches!(
        refused,
        Err(WitnessError::Shape(ShapeError::Settings(settings))) if settings == other
    ));
    let (public, proof) = prove(traced(SHORT, &[]));
    let grouped = proof.in_groups(2).expect("there are more pieces");
    let refused = Shape::of(&public, &grouped);
    assert_eq!(refused, Err(ShapeError::Groups(2)));
    assert!(VerifyingProgram::new(&[]).is_err());
}
