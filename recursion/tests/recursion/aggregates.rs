//! Aggregations: what they say, and proofs of them.

use std::time::Instant;

use miden_core::{StackInputs, Word};
use miden_cvm_recursion::{Aggregate, AggregateError, Aggregated};
use miden_cvm_verifier::{PrecompileVerifierRegistry, Proof, PublicInputs, Statement, Table};

use super::{SHORT, accepts, program, prove, trace_of, traced};

/// A statement of an aggregation.
pub fn part((public, proof): &(PublicInputs, Proof), aggregate: Option<Aggregate>) -> Aggregated {
    let statement = Statement::try_from(public.clone()).expect("a statement");
    Aggregated::new(statement, proof, aggregate).expect("a part")
}

fn registry() -> PrecompileVerifierRegistry {
    PrecompileVerifierRegistry::new()
}

fn aggregate(proofs: &[(PublicInputs, Proof)]) -> Aggregate {
    let parts = proofs.iter().map(|proof| part(proof, None));
    Aggregate::new(parts.collect()).expect("an aggregation")
}

#[test]
fn aggregations_say_what_was_verified() {
    let proofs = [[1, 1], [2, 3]].map(|inputs| prove(traced(SHORT, &inputs)));
    let output = accepts(&proofs);
    let aggregation = aggregate(&proofs);
    let public = PublicInputs {
        program_hash: program(&proofs).program().hash(),
        stack_outputs: output.stack,
        ..PublicInputs::default()
    };
    aggregation
        .check(&public, &registry())
        .expect("it is what was verified");

    // In another order, with another statement, or fewer of them it is something else.
    let [first, second] = proofs;
    let swapped = aggregate(&[second.clone(), first.clone()]);
    assert!(matches!(
        swapped.check(&public, &registry()),
        Err(AggregateError::Statement)
    ));
    let twice = aggregate(&[first.clone(), first.clone()]);
    assert!(matches!(
        twice.check(&public, &registry()),
        Err(AggregateError::Statement)
    ));
    let one = aggregate(std::slice::from_ref(&first));
    assert!(matches!(
        one.check(&public, &registry()),
        Err(AggregateError::OtherProgram { .. })
    ));
    for change in [
        |public: &mut PublicInputs| public.program_hash = Word::default(),
        |public: &mut PublicInputs| {
            public.stack_inputs = StackInputs::try_from_ints([1]).expect("inputs")
        },
        |public: &mut PublicInputs| public.stack_outputs = Default::default(),
        |public: &mut PublicInputs| public.precompile_transcript = public.program_hash,
    ] {
        let mut changed = public.clone();
        change(&mut changed);
        assert!(aggregation.check(&changed, &registry()).is_err());
    }
    // What is no aggregation is not said to be one.
    let nested = Aggregate::new(vec![part(&first, Some(one)), part(&second, None)]);
    let nested = nested.expect("an aggregation").check(&public, &registry());
    assert!(matches!(
        nested,
        Err(AggregateError::Nested { index: 0, .. })
    ));

    let json = serde_json::to_value(&aggregation).expect("JSON");
    let read: Aggregate = serde_json::from_value(json.clone()).expect("an aggregation");
    read.check(&public, &registry()).expect("the same");
    assert_eq!(serde_json::to_value(&read).expect("JSON"), json);
    let refused = |change: fn(&mut serde_json::Value)| {
        let mut changed = json.clone();
        change(&mut changed);
        let read = serde_json::from_value::<Aggregate>(changed);
        read.expect_err("it is refused").to_string()
    };
    assert!(refused(|json| json["statements"] = [0; 0].into()).contains("from one to"));
    assert!(refused(|json| json["statements"][0]["heights"][0] = 7.into()).contains("rows"));
    assert!(refused(|json| json["statements"][0]["heights"] = [8].into()).contains("heights"));
}

/// Runs the program that verifies proofs, proves its run, and verifies the proof.
fn proven(proofs: &[(PublicInputs, Proof)]) -> (PublicInputs, Proof) {
    let started = Instant::now();
    let traced = trace_of(proofs);
    let used = traced.lengths;
    println!(
        "traced in {:.1} s: {used:?}",
        started.elapsed().as_secs_f64()
    );
    let started = Instant::now();
    let proven = prove(traced);
    println!(
        "proven in {:.1} s: {} bytes, {:?}",
        started.elapsed().as_secs_f64(),
        proven.1.to_bytes().len(),
        Table::ALL.map(|table| proven.1.heights().of(table))
    );
    proven
}

/// Proofs of proofs of proofs, which take minutes.
#[test]
fn trees_of_proofs_are_proven() {
    if std::env::var_os("PROVE_TREES").is_none() {
        return;
    }
    let leaves = [[1, 1], [2, 3]].map(|inputs| prove(traced(SHORT, &inputs)));
    let node = proven(&leaves);
    for count in [1, 4, 8] {
        println!(
            "{count} of it: {:?}",
            trace_of(&vec![node.clone(); count]).lengths
        );
    }
    let aggregation = aggregate(&leaves);
    aggregation
        .check(&node.0, &registry())
        .expect("the aggregation");
    let other = prove(traced(SHORT, &[5, 8]));
    let root = proven(&[node.clone(), other.clone()]);
    let parts = vec![part(&node, Some(aggregation)), part(&other, None)];
    let tree = Aggregate::new(parts).expect("an aggregation");
    tree.check(&root.0, &registry()).expect("the tree");
}
