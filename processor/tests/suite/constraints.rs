//! Every program that the oracle knows satisfies every constraint and balances every bus.

use std::{collections::BTreeSet, sync::OnceLock};

use miden_cvm_air::check::check;
use miden_cvm_processor::{ExecutionInputs, ExecutionTrace, execute_traced};
use proptest::prelude::*;

use crate::common::{Case, generated_case, handwritten_cases, random_from};

/// The trace of a case, or nothing if the program traps or is refused.
fn trace(case: &Case) -> Option<ExecutionTrace> {
    let mut host = case.host();
    execute_traced(
        ExecutionInputs {
            arguments: case.stack_inputs().into(),
            advice: case.advice_inputs(),
            ..ExecutionInputs::new(&case.program)
        },
        &mut host,
    )
    .ok()
}

/// Panics with the first violations if a trace has any.
pub fn assert_valid(name: &str, trace: &ExecutionTrace) {
    let violations = check(&trace.trace, &trace.public);
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

/// Valid traces of cases that are written by hand.
struct Checked {
    /// The number of cases.
    cases: usize,
    /// The number of them that have a trace.
    traced: usize,
    /// The opcodes of the rows.
    opcodes: BTreeSet<u8>,
}

/// Checks the traces of all cases that are written by hand, once.
fn handwritten() -> &'static Checked {
    static CHECKED: OnceLock<Checked> = OnceLock::new();
    CHECKED.get_or_init(|| {
        let cases = handwritten_cases();
        let mut traced = 0;
        let mut opcodes = BTreeSet::new();
        for case in &cases {
            if let Some(trace) = trace(case) {
                assert_valid(&case.name, &trace);
                traced += 1;
                opcodes.extend(trace.trace.core.iter().map(|row| row.op.code()));
            }
        }
        Checked {
            cases: cases.len(),
            traced,
            opcodes,
        }
    })
}

/// The opcodes of rows that satisfy every constraint.
pub fn checked_opcodes() -> &'static BTreeSet<u8> {
    &handwritten().opcodes
}

#[test]
fn handwritten_cases_satisfy_all_constraints() {
    let Checked { cases, traced, .. } = handwritten();
    assert!(
        2 * traced > *cases,
        "only {traced} of {cases} cases have a trace"
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

#[test]
fn a_program_can_be_one_call() {
    let called = Case::masm("call", "proc f neg neg end begin call.f end");
    let kernel = "pub proc f neg neg end";
    let in_kernel = Case::with_kernel("syscall", kernel, "begin syscall.f end");
    for case in [called, in_kernel] {
        assert_valid(&case.name, &trace(&case).expect("it does not trap"));
    }
}
