//! Every operation that `miden-core` has is forged without success.
//!
//! The sets come from the tests themselves: each is computed, with everything that it asserts, once,
//! by whichever test needs it first.

use miden_core::Operation;

use super::forged::{
    cells::changed_opcodes,
    results::{forged_results, is_user},
};

#[path = "../../../processor/tests/common/operations.rs"]
mod operations;

pub use operations::operations;

#[test]
fn every_operation_is_forged() {
    let operations = operations();
    let none = Vec::<&Operation>::new();
    let found = operations::missing(&operations, changed_opcodes());
    assert_eq!(found, none, "without a row whose cells were changed");
    let user = operations.iter().filter(|op| is_user(op));
    let found = operations::missing(user, forged_results());
    assert_eq!(found, none, "without a forged result");
}
