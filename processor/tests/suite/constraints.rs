//! Every program that the oracle knows satisfies every constraint and balances every bus.

use miden_cvm_air::check::check;
use miden_cvm_processor::{ExecutionOptions, ExecutionTrace, execute_traced};
use proptest::prelude::*;

use crate::common::{Case, generated_case, handwritten_cases, random_from};

/// The trace of a case, or nothing if the program traps or is refused.
fn trace(case: &Case) -> Option<ExecutionTrace> {
    let mut host = case.host();
    execute_traced(
        &case.program,
        None,
        &case.stack_inputs(),
        case.advice_inputs(),
        &mut host,
        ExecutionOptions::default(),
    )
    .ok()
}

/// Panics with the first violations if a trace has any.
pub fn assert_valid(name: &str, trace: &ExecutionTrace) {
    let violations = check(&trace.rows, &trace.public);
    let first: Vec<String> = violations
        .iter()
        .take(12)
        .map(ToString::to_string)
        .collect();
    assert!(
        violations.is_empty(),
        "{name}: {} violations\n{}",
        violations.len(),
        first.join("\n")
    );
}

#[test]
fn handwritten_cases_satisfy_all_constraints() {
    let cases = handwritten_cases();
    let mut traced = 0;
    for case in &cases {
        if let Some(trace) = trace(case) {
            assert_valid(&case.name, &trace);
            traced += 1;
        }
    }
    assert!(
        2 * traced > cases.len(),
        "only {traced} of {} cases have a trace",
        cases.len()
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn generated_cases_satisfy_all_constraints(seed: u64) {
        let case = generated_case("generated", random_from(seed), 200);
        if let Some(trace) = trace(&case) {
            assert_valid(&case.name, &trace);
        }
    }
}
