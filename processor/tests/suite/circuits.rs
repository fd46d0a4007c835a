//! EVALCIRCUIT on random circuits: against plain integer arithmetic, the published Miden VM, and
//! every constraint.

use miden_cvm_processor::{
    AceError, ExecutionOptions, Gate, GateOperation, TracedExecutionError, Trap, execute_traced,
};
use proptest::prelude::*;

use super::{constraints::assert_valid, oracle::compare};
use crate::common::{
    Case,
    circuits::{Circuit, instruction, refused_circuits, valid_circuits},
    random_from,
};

#[test]
fn circuits_are_refused_where_they_should_be() {
    for case in valid_circuits() {
        assert!(compare(&case), "{} traps", case.name);
    }
    for case in refused_circuits() {
        assert!(!compare(&case), "{} does not trap", case.name);
    }
}

#[test]
fn more_wires_than_a_sum_can_hold_are_refused() {
    // The published processor adds the two numbers in 64 bits, and panics, so it is not asked.
    let source =
        "begin push.18446744069414584320 push.18446744069414584320 push.0 eval_circuit end";
    let error = trace(&Case::masm("too many wires", source)).expect_err("it traps");
    let TracedExecutionError::Execution(error) = error else {
        panic!("{error}")
    };
    assert!(matches!(
        error.trap(),
        Some(Trap::AceChipError(AceError::TooManyWires(u64::MAX)))
    ));
}

fn trace(case: &Case) -> Result<miden_cvm_processor::ExecutionTrace, TracedExecutionError> {
    execute_traced(
        &case.program,
        None,
        &case.stack_inputs(),
        case.advice_inputs(),
        &mut case.host(),
        ExecutionOptions::default(),
    )
}

#[test]
fn lengths_are_those_of_the_book() {
    let circuit = Circuit::random(&mut random_from(3), 122, 27, false);
    let trace = trace(&circuit.case("as large as the core library's", 0)).expect("it is valid");
    assert_eq!(trace.lengths.ace, 258);
    assert_valid("as large as the core library's", &trace);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn random_circuits_agree(seed: u64, pairs in 1u32..12, words in 1u32..12, at in 0u64..1 << 20) {
        let circuit = Circuit::random(&mut random_from(seed), pairs, words, false);
        prop_assert_eq!(circuit.evaluate().pop(), Some([0, 0]));
        let case = circuit.case("a random circuit", 4 * at);
        prop_assert!(compare(&case));
        let trace = trace(&case).expect("it does not trap");
        assert_valid("a random circuit", &trace);

        let wrong = Circuit::random(&mut random_from(seed), pairs, words, true);
        prop_assert!(!compare(&wrong.case("a wrong circuit", 4 * at)));
    }

    #[test]
    fn instructions_are_encoded_as_they_are_decoded(left in 0u32..1 << 30, right in 0u32..1 << 30) {
        let operations = [GateOperation::Sub, GateOperation::Mul, GateOperation::Add];
        for (code, operation) in (0..).zip(operations) {
            let gate = Gate { operation, left, right };
            prop_assert_eq!(gate.encode().as_int(), instruction(code, left.into(), right.into()));
            prop_assert_eq!(Gate::decode(gate.encode()), Ok(gate));
        }
    }
}
