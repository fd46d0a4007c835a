//! Public data: that of the statement, once, from the start.

use miden_core::{Felt, ONE, ZERO};
use miden_cvm_air::{columns::MemoryRow, composition::LinkKind::Shared, opcode::MLOAD};

use super::Forgery;
use crate::composition::Builder;

/// The first element of instance 1's data is `first`; the root has two words, of which it reads one.
fn builder(first: u64) -> Builder {
    let mut data = [ONE; 8];
    data[0] = Felt::new(first);
    Builder::new(2)
        .component("reader", "pub proc read mem_load.1000 drop end")
        .link(0, "a1", Shared, 1, "reader::read")
        .public(1, 1000, &data)
        .public(0, 64, &[Felt::new(7); 8])
}

fn traced() -> Forgery {
    Forgery::new(builder(5).trace("begin call.stubs::a1 mem_load.64 drop end"))
}

/// Returns `true` if a row of memory is of the word at this address.
fn is_word(row: &MemoryRow<Felt>, address: u64) -> bool {
    row.word == [Felt::new(address / 4), ZERO]
}

#[test]
fn altered() {
    // What is read is not what is stated.
    let mut forged = traced();
    let load = forged.row_of(MLOAD, 0);
    assert_eq!(forged.core(load + 1).stack.top[0], Felt::new(5));
    forged.core(load + 1).stack.top[0] += ONE;
    forged.settles_to(&["memory.value"]);
    // Something else is stated than is in memory, and then read.
    let mut forged = traced();
    forged.public.composition = Some(builder(6).composition());
    forged.assert_rejected(&["bus.MemoryWord"]);
    forged.settles_to(&["memory.value"]);
    // At another place.
    let mut forged = traced();
    let moved = builder(5).public(1, 2000, &[ONE; 8]).composition();
    forged.public.composition = Some(moved);
    forged.assert_rejected(&["bus.MemoryWord"]);
}

#[test]
fn missing() {
    let mut forged = traced();
    forged.edit_memory(|rows| rows.retain(|row| !is_word(row, 68)));
    forged.recount().assert_rejected(&["bus.MemoryWord"]);
    // The statement has none, and the run had.
    let mut forged = traced();
    let without = Builder::new(2)
        .component("reader", "pub proc read mem_load.1000 drop end")
        .link(0, "a1", Shared, 1, "reader::read")
        .public(1, 1000, &[Felt::new(5), ONE, ONE, ONE, ONE, ONE, ONE, ONE]);
    forged.public.composition = Some(without.composition());
    forged.assert_rejected(&["bus.MemoryWord"]);
    forged.settles_to(&["memory.value"]);
}

#[test]
fn written_twice() {
    // At the same time.
    let mut forged = traced();
    forged.edit_memory(|rows| {
        let at = rows.iter().position(|row| is_word(row, 68)).expect("a row");
        let again = MemoryRow {
            new_context: ZERO,
            new_word: ZERO,
            ..rows[at]
        };
        rows.insert(at + 1, again);
    });
    forged
        .recount()
        .assert_rejected(&["bus.MemoryWord", "bus.Range"]);
    // Later, to restore what was there.
    let mut forged = traced();
    forged.edit_memory(|rows| {
        let at = rows.iter().position(|row| is_word(row, 68)).expect("a row");
        let again = MemoryRow {
            new_context: ZERO,
            new_word: ZERO,
            time: Felt::new(9),
            ..rows[at]
        };
        rows.insert(at + 1, again);
    });
    forged.recount().assert_rejected(&["bus.MemoryWord"]);
}
