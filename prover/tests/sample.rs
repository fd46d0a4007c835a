//! A sample of the oracle's programs, proven and verified.

#[path = "../../processor/tests/common/mod.rs"]
mod common;

use std::sync::Arc;

use common::{Case, circuits::Circuit, generated_case, handwritten_cases, random_from};
use miden_core::{
    EventName, Felt, Word,
    precompile::{
        PrecompileCommitment, PrecompileError, PrecompileRequest, PrecompileVerifier,
        PrecompileVerifierRegistry,
    },
    utils::{Deserializable, Serializable},
};
use miden_cvm_air::{columns::CoreRow, opcode::LOGPRECOMPILE};
use miden_cvm_processor::{ExecutionInputs, execute_traced};
use miden_cvm_prover::{OptionSet, ProofSettings, ProveOptions, prove_trace};
use miden_cvm_verifier::{Expectations, verify_with};

/// The event of [`Recorder`].
const RECORD: EventName = EventName::new("test::record");

/// A precompile whose arguments are the tag and the commitment themselves: these programs record
/// whatever is on the stack.
struct Recorder;

impl PrecompileVerifier for Recorder {
    fn verify(&self, calldata: &[u8]) -> Result<PrecompileCommitment, PrecompileError> {
        let words = <[Word; 2]>::read_from_bytes(calldata).map_err(|error| error.to_string())?;
        let [tag, commitment] = words;
        Ok(PrecompileCommitment::new(tag, commitment))
    }
}

/// Returns what a run recorded, as requests to [`Recorder`]: the operands of LOGPRECOMPILE rows.
fn requests(rows: &[CoreRow<Felt>]) -> Vec<PrecompileRequest> {
    let records = rows.iter().filter(|row| row.op.code() == LOGPRECOMPILE);
    records
        .map(|row| {
            let top = &row.stack.top;
            let word = |first: usize| Word::new([3, 2, 1, 0].map(|i| top[first + i]));
            let calldata = [word(4), word(0)].to_bytes();
            PrecompileRequest::new(RECORD.to_event_id(), calldata)
        })
        .collect()
}

/// Proves a case and verifies the proof; false if the program traps or is refused.
fn proves(case: &Case) -> bool {
    let traced = execute_traced(
        ExecutionInputs {
            arguments: case.stack_inputs().into(),
            advice: case.advice_inputs(),
            ..ExecutionInputs::new(&case.program)
        },
        &mut case.host(),
    );
    let Ok(trace) = traced else { return false };
    let mut options = ProveOptions::from(ProofSettings::from(OptionSet::Fast96));
    // The processor's tests check every constraint of these traces.
    options.check_trace = false;
    let requests = requests(&trace.trace.core);
    let registry = PrecompileVerifierRegistry::new().with_verifier(&RECORD, Arc::new(Recorder));
    let proof = prove_trace(trace.trace, trace.public.clone(), &options)
        .unwrap_or_else(|error| panic!("{}: {error}", case.name))
        .with_requests(requests)
        .unwrap_or_else(|error| panic!("{}: {error}", case.name));
    verify_with(
        &trace.public,
        &proof.to_bytes(),
        &Expectations::from(OptionSet::Fast96.level()),
        &registry,
    )
    .unwrap_or_else(|error| panic!("{}: {error}", case.name));
    true
}

#[test]
fn handwritten_cases_prove_and_verify() {
    let cases = handwritten_cases();
    let stride = cases.len() / 40;
    let proven = cases
        .iter()
        .step_by(stride)
        .filter(|case| proves(case))
        .count();
    assert!(proven >= 20, "only {proven} cases were proven");
}

#[test]
fn generated_cases_prove_and_verify() {
    let proven = (0..6)
        .filter(|&seed| proves(&generated_case("generated", random_from(seed), 200)))
        .count();
    assert!(proven > 0, "no case was proven");
}

#[test]
fn circuits_prove_and_verify() {
    let product = Circuit::product([3, 1], [4, 6]);
    assert!(proves(&product.case("a product", 1 << 16)));
    let random = Circuit::random(&mut random_from(2), 40, 60, false);
    assert!(proves(&random.case("a random circuit", 0)));
}

#[test]
fn cryptographic_operations_prove_and_verify() {
    let cases = handwritten_cases();
    let case = cases.iter().find(|case| case.name == "one of each");
    assert!(proves(case.expect("there is a program with one of each")));
}
