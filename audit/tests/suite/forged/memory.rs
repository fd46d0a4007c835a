//! Memory as a program sees it.

use miden_core::{
    Felt, ONE,
    Operation::{self, *},
    ZERO,
};
use miden_cvm_air::columns::MemoryRow;

use super::{Forgery, toolkit::trace_of};
use crate::common::Case;

/// The trace of a program of one block. Its rows begin with SPAN, so operation `i` is on row `i + 1`.
fn block(operations: Vec<Operation>, stack: &[u64]) -> Forgery {
    trace_of(&Case::operations("forged", operations).stack(stack))
}

fn felts<const N: usize>(values: [u64; N]) -> [Felt; N] {
    values.map(Felt::new)
}

/// Claims that the operation on `row`, after which nothing happens, loaded this.
fn claim(forgery: &mut Forgery, row: usize, loaded: &[Felt]) {
    forgery.edit_from(row + 1, |core| {
        core.stack.top[..loaded.len()].copy_from_slice(loaded);
    });
    forgery.claim_outputs();
}

#[test]
fn something_else_than_was_written() {
    // MSTORE takes address and value; MLOAD has the same address.
    let mut forged = block(vec![MStore, Drop, MLoad, Noop], &[0, 5]);
    claim(&mut forged, 3, &felts([6]));
    forged.settles_to(&["memory.value"]);
    // A word.
    let operations = vec![MStoreW, Pad, MLoadW, Noop];
    let mut forged = block(operations, &[0, 1, 2, 3, 4]);
    claim(&mut forged, 3, &felts([1, 2, 3, 5]));
    forged.settles_to(&["memory.value"]);
    // One element of a word, and its neighbour.
    let mut forged = block(vec![MStore, Drop, MLoad, Noop], &[0, 5, 1]);
    claim(&mut forged, 3, &felts([5]));
    forged.settles_to(&["memory.value"]);
}

#[test]
fn something_where_nothing_was_written() {
    let mut forged = block(vec![MLoad, Noop], &[0]);
    claim(&mut forged, 1, &felts([6]));
    forged.settles_to(&["memory.value"]);
    let mut forged = block(vec![MLoadW, Noop], &[0]);
    claim(&mut forged, 1, &felts([1, 2, 3, 4]));
    forged.settles_to(&["memory.value"]);
    let stack = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8];
    let mut forged = block(vec![MStream, Noop], &stack);
    claim(&mut forged, 1, &felts([1, 2, 3, 4, 5, 6, 7, 8]));
    forged.settles_to(&["memory.value"]);
}

/// Two writes of one word, then a read of it: memory rows 0 to 2. What the read finds is claimed.
fn stale(claimed: u64) -> Forgery {
    let operations = vec![MStore, Drop, MStore, Drop, MLoad, Noop];
    let mut forged = block(operations, &[0, 5, 0, 6]);
    claim(&mut forged, 5, &felts([claimed]));
    forged
}

#[test]
fn the_value_before_the_last_write() {
    stale(5).settles_to(&["memory.value"]);
    // The read takes place before the second write.
    let mut forged = stale(5);
    forged.settle();
    forged.edit_memory(|rows| rows.swap(1, 2));
    forged.recount().assert_rejected(&["bus.Range"]);
}

#[test]
fn a_word_that_is_forgotten() {
    // The read is the first access of a word, or of a context.
    type Edit = fn(&mut MemoryRow<Felt>);
    let edits: [Edit; 2] = [|row| row.new_word = ONE, |row| row.new_context = ONE];
    for edit in edits {
        let mut forged = stale(0);
        forged.settle();
        forged.edit_memory(|rows| edit(&mut rows[2]));
        forged.recount().assert_rejected(&["bus.Range"]);
    }
    // After another word, or another context, has come between.
    let operations = vec![MStore, Drop, MStore, Drop, MLoad, Noop];
    let mut forged = block(operations, &[0, 5, 4, 6]);
    claim(&mut forged, 5, &felts([0]));
    forged.settle();
    forged.edit_memory(|rows| {
        // Word 0 is written, word 1, and word 0 is read.
        rows.swap(1, 2);
        rows[1].new_word = ONE;
        rows[2].new_word = ONE;
        rows[2].new_context = ZERO;
    });
    forged.recount();
    let found = forged.violations();
    assert!(found.contains("bus.Range"), "{found:?}");
}

#[test]
fn a_read_that_writes() {
    // The row of the read says that it is a write, so it may set the value.
    let mut forged = block(vec![MLoad, Noop], &[0]);
    claim(&mut forged, 1, &felts([6]));
    forged.settle();
    forged.edit_memory(|rows| rows[0].is_write = ONE);
    forged.recount().assert_rejected(&["bus.MemoryElement"]);
    // Half a write.
    forged.edit_memory(|rows| rows[0].is_write = ONE / Felt::new(2));
    forged.recount();
    assert!(forged.violations().contains("memory.is_write_binary"));
}

#[test]
fn an_access_from_nothing() {
    // A write that nobody makes, before the read.
    let mut forged = block(vec![MLoad, Noop], &[0]);
    claim(&mut forged, 1, &felts([6]));
    forged.settle();
    forged.edit_memory(|rows| {
        let mut write = rows[0];
        write.is_write = ONE;
        write.time = ONE;
        rows[0].new_context = ZERO;
        rows.insert(0, write);
    });
    forged.recount().assert_rejected(&["bus.MemoryElement"]);
}

#[test]
fn addresses_beyond_32_bits() {
    let beyond = Felt::new(1 << 32);
    let at = |address| {
        let mut forged = block(vec![MLoad, Noop], &[0]);
        forged.edit(0..2, |core| core.stack.top[0] = address);
        forged.claim_inputs();
        forged
    };
    at(beyond).settles_without(&["memory.word_bound"]);
    for address in [-ONE, Felt::new(1 << 48)] {
        at(address).settles_to(&["bus.Range"]);
    }
    // The second word of a stream that begins right below.
    let stack = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8];
    let mut forged = block(vec![MStream, Noop], &stack);
    forged.edit(0..2, |core| core.stack.top[12] = beyond - Felt::new(4));
    forged.edit_from(2, |core| core.stack.top[12] = beyond + Felt::new(4));
    forged.claim_inputs();
    forged.claim_outputs();
    forged.settles_to(&["bus.Range"]);
}

#[test]
fn words_between_words() {
    let mut forged = block(vec![MLoadW, Noop], &[0]);
    forged.edit(0..2, |core| core.stack.top[0] = Felt::new(2));
    forged.claim_inputs();
    forged.settles_to(&["bus.Range"]);
}
