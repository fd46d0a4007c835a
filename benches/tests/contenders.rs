//! The comparison is fair only if all contenders prove the same thing, and only if what they
//! produce are proofs.

use miden_cvm_benches::{CONTENDERS, PROGRAMS, Program};

/// The program with the shortest run.
const SHORTEST: &Program = &PROGRAMS[0];

#[test]
fn contenders_agree_on_the_outputs_and_verify_their_proofs() {
    let mut expected = None;
    for contender in CONTENDERS {
        let prepared = contender.prepare(&SHORTEST.task).expect("assembles");
        let proven = prepared.prove(7).expect("proves");
        prepared.verify(&proven).expect("verifies");
        assert_eq!(
            proven.outputs.last(),
            Some(&7),
            "{}: the salt stays",
            contender.name()
        );
        let expected = expected.get_or_insert_with(|| proven.outputs.clone());
        assert_eq!(&proven.outputs, expected, "{}", contender.name());
    }
}

#[test]
fn contenders_reject_a_proof_for_other_inputs_or_outputs() {
    for contender in CONTENDERS {
        let prepared = contender.prepare(&SHORTEST.task).expect("assembles");
        let proven = prepared.prove(7).expect("proves");

        let mut other_input = proven.clone();
        other_input.salt = 8;
        assert!(
            prepared.verify(&other_input).is_err(),
            "{}",
            contender.name()
        );

        let mut other_output = proven;
        other_output.outputs[0] ^= 1;
        assert!(
            prepared.verify(&other_output).is_err(),
            "{}",
            contender.name()
        );
    }
}

#[test]
fn the_ledger_ends_alike_with_and_without_components() {
    let ledger = PROGRAMS
        .iter()
        .find(|program| program.name == "ledger")
        .expect("is a program");
    let runs = CONTENDERS.map(|contender| {
        let prepared = contender.prepare(&ledger.task).expect("assembles");
        prepared.prove(0).expect("proves").outputs
    });
    let [ours, miden_0_20, miden_0_23] = &runs;
    // Both hash with RPO.
    assert_eq!(ours, miden_0_20);
    assert_eq!(ledger.comparable(ours), ledger.comparable(miden_0_23));
}
