//! EVALCIRCUIT on random circuits: against plain integer arithmetic, the published Miden VM, and
//! every constraint.

use miden_core::{Felt, FieldElement, QuadFelt};
use miden_core_lib::CoreLibrary;
use miden_cvm_air::composition::LinkKind::Shared;
use miden_cvm_processor::{
    AceError, ExecutionInputs, Gate, GateOperation, TracedExecutionError, Trap, execute_traced,
};
use proptest::prelude::*;

use super::{composition::Builder, constraints::assert_valid, oracle::compare};
use crate::common::{
    Case,
    circuits::{Circuit, MUL, instruction, refused_circuits, valid_circuits},
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
        ExecutionInputs {
            arguments: case.stack_inputs().into(),
            advice: case.advice_inputs(),
            ..ExecutionInputs::new(&case.program)
        },
        &mut case.host(),
    )
}

#[test]
fn lengths_are_those_of_the_book() {
    let circuit = Circuit::random(&mut random_from(3), 122, 27, false);
    let trace = trace(&circuit.case("as large as the core library's", 0)).expect("it is valid");
    assert_eq!(trace.lengths.circuits, 258);
    assert_valid("as large as the core library's", &trace);
}

/// A component evaluates circuits in its own memory.
#[test]
fn instances_have_circuits_of_their_own() {
    let circuit = |x| Circuit::product([x, 0], [x * (x - 1), 0]);
    let stores = |x, at: u64| {
        let memory = circuit(x).memory().into_iter().zip(at..);
        let stores = memory.map(|(value, addr)| format!("push.{value} mem_store.{addr} "));
        stores.collect::<String>() + &circuit(x).evaluation(at)
    };
    let again = circuit(5).evaluation(8);
    let trace = Builder::new(2)
        .component(
            "a",
            &format!(
                "pub proc first {} end pub proc again {again} end",
                stores(5, 8)
            ),
        )
        .link(0, "a1", Shared, 1, "a::first")
        .link(0, "a2", Shared, 1, "a::again")
        .trace(&format!(
            "begin {} call.stubs::a1 call.stubs::a2 {} end",
            stores(3, 8),
            circuit(3).evaluation(8)
        ));
    assert_valid("a component's circuits", &trace);
    assert_eq!(trace.lengths.circuits, 4 * 8);
}

/// Where the core library's verifier of proofs has what its constraints are evaluated from.
mod verifier_memory {
    pub const TRACE_LENGTH_LOG: u64 = 3223322634;
    pub const Z: u64 = 3223322648;
    pub const GENERATOR: u64 = 3223322665;
    pub const VARIABLES_PTR: u64 = 3223322667;
    pub const COEFFICIENT: u64 = 3223322712;
    pub const OUT_OF_DOMAIN: u64 = 3225419780;
    pub const CIRCUIT: u64 = 3225420176;

    /// Values of the main and the auxiliary columns, before those of the composition polynomial.
    pub const MAIN_AND_AUX: usize = 80 + 8;
}

/// The circuit of the core library's verifier of proofs, and its loading and evaluation by the
/// library's procedure: for random values of the columns, and the one composition value that fits.
#[test]
fn constraints_of_the_core_library_are_evaluated() {
    use verifier_memory::{
        CIRCUIT, COEFFICIENT, GENERATOR, MAIN_AND_AUX, OUT_OF_DOMAIN, TRACE_LENGTH_LOG,
        VARIABLES_PTR, Z,
    };
    let library = CoreLibrary::default();
    let (_, description) = library
        .mast_forest()
        .advice_map()
        .iter()
        .find(|(_, values)| values.len() == 112 && values[..4] == [1, 0, 0, 0].map(Felt::new))
        .expect("the library has the circuit");
    let description: Vec<u64> = description.iter().map(Felt::as_int).collect();
    let mut random = random_from(11);
    let mut element = || Felt::new(u64::from(random()) << 31 | u64::from(random()));
    let [z, z_n, coefficient] = core::array::from_fn(|_| QuadFelt::new(element(), element()));
    let generator = element();

    // The procedure computes the last six variables.
    let (trace_length_log, max_cycle_log) = (10, 3);
    let z_k = (max_cycle_log..trace_length_log).fold(z, |power, _| power * power);
    let inverse = QuadFelt::from(generator.inv());
    let pairs = |x: QuadFelt| x.to_base_elements().map(|x| x.as_int());
    let auxiliary = [coefficient, z, z_n, inverse, z_k, inverse * inverse].map(pairs);
    let mut circuit = Circuit {
        variables: (0..236)
            .map(|_| [element(), element()].map(|x| x.as_int()))
            .collect(),
        instructions: description[4..].to_vec(),
    };
    circuit.variables.extend(auxiliary);
    circuit.variables.extend([[1, 0], [0, 0]]);
    let start = CIRCUIT - 2 * 242;

    // The output depends on a value of the composition polynomial in a linear way.
    let composition = ((OUT_OF_DOMAIN - start) / 2) as usize + MAIN_AND_AUX;
    // The last gates are squares of it, to fill words.
    let is_square = |(id, code): &(u64, &u64)| **code == instruction(MUL, id + 1, id + 1);
    let gates = (0..).zip(circuit.instructions.iter().rev());
    let squares = gates.take_while(is_square).count();
    let mut output = |value: u64| {
        circuit.variables[composition] = [value, 0];
        let wires = circuit.evaluate();
        let [a, b] = wires[wires.len() - 1 - squares].map(Felt::new);
        QuadFelt::new(a, b)
    };
    let [at_0, at_1, at_2] = [0, 1, 2].map(&mut output);
    assert_eq!(at_2 - at_1, at_1 - at_0);
    assert_ne!(at_1, at_0);
    let fitting = -at_0 / (at_1 - at_0);
    circuit.variables[composition] = pairs(fitting);
    assert_eq!(circuit.evaluate().pop(), Some([0, 0]));

    let case = |variables: &[[u64; 2]]| {
        let [z0, z1] = pairs(z);
        let [n0, n1] = pairs(z_n);
        let [c0, c1] = pairs(coefficient);
        let mut memory: Vec<(u64, u64)> = (start..).zip(variables.concat()).collect();
        memory.extend((Z..).zip([z0, z1, n0, n1]));
        memory.extend((COEFFICIENT..).zip([c0, c1]));
        memory.extend([
            (TRACE_LENGTH_LOG, trace_length_log),
            (GENERATOR, generator.as_int()),
            (VARIABLES_PTR, start),
        ]);
        let stores = memory
            .iter()
            .map(|(addr, value)| format!("push.{value} mem_store.{addr}\n"));
        let source = format!(
            "use miden::core::sys::vm::constraints_eval
            begin {} exec.constraints_eval::execute_constraint_evaluation_check end",
            stores.collect::<String>()
        );
        Case::masm("the core library's constraints", &source)
    };
    let mut variables = circuit.variables[..236].to_vec();
    let fits = case(&variables);
    assert!(compare(&fits));
    let trace = trace(&fits).expect("it does not trap");
    assert_valid("the core library's constraints", &trace);
    assert_eq!(trace.lengths.circuits, 258);
    variables[composition][1] ^= 1;
    assert!(!compare(&case(&variables)));
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
