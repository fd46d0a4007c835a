//! Every operation that `miden-core` has is compared with Miden VM, and satisfies all constraints. (That
//! each is forged without success is a test of the audit's.)
//!
//! The sets come from the tests themselves: each is computed, with everything that it asserts, once,
//! by whichever test needs it first.

use miden_core::Operation;

use super::{constraints::checked_opcodes, oracle::compared_opcodes};

#[path = "../common/operations.rs"]
mod operations;

use operations::{missing, operations};

#[test]
fn every_operation_has_its_cases() {
    let operations = operations();
    assert_eq!(operations.len(), 93);
    let none = Vec::<&Operation>::new();
    // HALT is what rows after the end of a run have; no cycle executes it.
    let executed = operations.iter().filter(|op| **op != Operation::Halt);
    let found = missing(executed, &compared_opcodes());
    assert_eq!(found, none, "without a case on Miden VM");
    let found = missing(&operations, checked_opcodes());
    assert_eq!(found, none, "without a row that satisfies all constraints");
}
