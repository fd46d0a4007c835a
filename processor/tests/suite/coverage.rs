//! Every operation that `miden-core` has is compared with Miden VM, satisfies all constraints, and is
//! forged without success.
//!
//! The sets come from the tests themselves: each is computed, with everything that it asserts, once,
//! by whichever test needs it first.

use std::collections::BTreeSet;

use miden_core::{
    Operation,
    utils::{Deserializable, SliceReader},
};

use super::{
    constraints::checked_opcodes,
    forged::{cells::changed_opcodes, results::forged_results},
    oracle::compared_opcodes,
};

/// All operations: those that `miden-core` can read back from their opcodes.
pub fn operations() -> Vec<Operation> {
    (0..1 << Operation::OP_BITS)
        .filter_map(|code| {
            // An immediate follows, if there is one.
            let mut bytes = [0; 9];
            bytes[0] = code;
            Operation::read_from(&mut SliceReader::new(&bytes)).ok()
        })
        .collect()
}

/// Returns `true` if an operation stands in basic blocks.
pub fn is_user(operation: &Operation) -> bool {
    use Operation::*;
    !matches!(
        operation,
        Join | Split | Loop | Call | SysCall | Dyn | Dyncall | Span | Repeat | Respan | End | Halt
    )
}

/// The operations whose opcodes are not among these.
fn missing<'a>(
    operations: impl IntoIterator<Item = &'a Operation>,
    opcodes: &BTreeSet<u8>,
) -> Vec<&'a Operation> {
    operations
        .into_iter()
        .filter(|operation| !opcodes.contains(&operation.op_code()))
        .collect()
}

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
    let found = missing(&operations, changed_opcodes());
    assert_eq!(found, none, "without a row whose cells were changed");
    let user = operations.iter().filter(|op| is_user(op));
    let found = missing(user, forged_results());
    assert_eq!(found, none, "without a forged result");
}
