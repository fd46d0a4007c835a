//! The operations of `miden-core`, and which of them a test has left out.

use std::collections::BTreeSet;

use miden_core::{
    Operation,
    utils::{Deserializable, SliceReader},
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

/// The operations whose opcodes are not among these.
pub fn missing<'a>(
    operations: impl IntoIterator<Item = &'a Operation>,
    opcodes: &BTreeSet<u8>,
) -> Vec<&'a Operation> {
    operations
        .into_iter()
        .filter(|operation| !opcodes.contains(&operation.op_code()))
        .collect()
}
