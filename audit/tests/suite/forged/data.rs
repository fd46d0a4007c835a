//! Static data: each segment of a new instance, once, at its creation.

use miden_core::{Felt, ONE, ZERO};
use miden_cvm_air::{
    columns::InitArgs,
    composition::LinkKind::{self, Fresh, Isolated, Shared},
    opcode::CALL,
};

use super::{
    Forgery,
    toolkit::{CYCLE, edit_call},
};
use crate::composition::Builder;

fn values(seed: u64, length: u64) -> Vec<Felt> {
    (0..length).map(|i| Felt::new(seed + i * i)).collect()
}

/// Instance 1 has segments of two blocks, of one block, and of two; instance 2 has one. The first
/// one's cycles are the first four of those that initialize memory.
fn builder(kind: LinkKind) -> Builder {
    Builder::new(3)
        .component(
            "reader",
            "pub proc read mem_load.1000 drop end pub proc idle neg neg end",
        )
        .link(0, "a1", kind, 1, "reader::read")
        .link(0, "b1", kind, 1, "reader::idle")
        .link(0, "b2", kind, 2, "reader::idle")
        .data(1, 1000, &values(1, 16))
        .data(1, 2000, &values(2, 8))
        .data(2, 1000, &values(3, 8))
}

fn idle(kind: LinkKind) -> Forgery {
    Forgery::new(builder(kind).trace("begin call.stubs::b1 end"))
}

/// First rows of the cycles that initialize memory.
fn cycles(forgery: &Forgery) -> Vec<usize> {
    forgery.cycles(|row| row.init == ONE)
}

fn edit_args(forgery: &mut Forgery, cycle: usize, mut edit: impl FnMut(&mut InitArgs<Felt>)) {
    for row in &mut forgery.trace.hasher[cycle..cycle + CYCLE] {
        edit(row.init_args_mut());
    }
}

fn remove(forgery: &mut Forgery, from: usize, count: usize) {
    forgery.remove_cycles(from..from + count * CYCLE);
}

#[test]
fn skipped() {
    for kind in [Shared, Isolated, Fresh] {
        let mut forged = idle(kind);
        let first = cycles(&forged)[0];
        remove(&mut forged, first, 3);
        forged.settles_to(&["bus.SegmentInit"]);
        // The call says that there is no data.
        let start = forged.row_of(CALL, 0);
        edit_call(forged.core(start), |call| call.has_data = ZERO);
        forged.settles_to(&["bus.Link"]);
    }
    // Only the last segment, or its first.
    let mut forged = idle(Shared);
    let all = cycles(&forged);
    remove(&mut forged, all[2], 1);
    forged.settles_to(&["bus.SegmentInit"]);
    for cycle in &all[..2] {
        edit_args(&mut forged, *cycle, |args| args.done = ONE);
    }
    forged.settles_to(&["bus.Segment"]);
    let mut forged = idle(Shared);
    remove(&mut forged, all[0], 2);
    forged.settles_to(&["bus.SegmentInit"]);
}

#[test]
fn skipped_of_the_root() {
    let builder = Builder::new(1).data(0, 64, &values(1, 8));
    let mut forged = Forgery::new(builder.trace("begin neg neg end"));
    let first = cycles(&forged)[0];
    remove(&mut forged, first, 1);
    forged.settles_to(&["bus.SegmentInit"]);
}

#[test]
fn not_the_whole_segment() {
    let mut forged = idle(Shared);
    let all = cycles(&forged);
    remove(&mut forged, all[1], 1);
    edit_args(&mut forged, all[0], |args| args.last = ONE);
    forged.trace.hasher[all[0] + CYCLE - 1]
        .cycle_end_mut()
        .open_init = ZERO;
    forged.settles_to(&["bus.Segment"]);
    // It is left open.
    let mut forged = idle(Shared);
    remove(&mut forged, all[1], 1);
    forged.settle();
    let found = forged.violations();
    assert!(found.contains("hasher.start"), "{found:?}");
}

#[test]
fn doubled() {
    let mut forged = idle(Shared);
    let all = cycles(&forged);
    let copy: [_; CYCLE] = core::array::from_fn(|i| forged.trace.hasher[all[2] + i]);
    forged.insert_cycles(all[2], &[copy]);
    forged.settles_to(&["bus.SegmentInit", "bus.Range"]);
    // Later, to restore what the instance has changed.
    edit_args(&mut forged, all[2] + CYCLE, |args| {
        args.time += Felt::new(3)
    });
    forged.settles_to(&["bus.SegmentInit"]);
}

#[test]
fn altered() {
    for at in [0, 1] {
        let mut forged = idle(Shared);
        let all = cycles(&forged);
        let mut state = forged.edit_cycle(all[at], |row| row.state[5] += ONE);
        for &cycle in &all[at + 1..2] {
            state = forged.edit_cycle(cycle, |row| row.state[..4].copy_from_slice(&state[..4]));
        }
        forged.settles_without(&["hasher.segment"]);
        // With a final state that gives the right digest.
        let honest = idle(Shared).trace.hasher[all[1] + CYCLE - 1].state;
        let last = &mut forged.trace.hasher[all[1] + CYCLE - 1];
        assert_ne!(last.state, honest);
        last.state = honest;
        forged.settles_to(&["hasher.cube_out", "hasher.round"]);
    }
    // A block that does not continue the one before it.
    let mut forged = idle(Shared);
    let all = cycles(&forged);
    forged.edit_cycle(all[0], |row| row.state[5] += ONE);
    forged.settles_to(&["hasher.init_capacity"]);
}

#[test]
fn with_memory_that_says_otherwise() {
    // What the program reads is not what memory is initialized with.
    let main = "begin call.stubs::a1 end";
    let mut forged = Forgery::new(builder(Shared).trace(main));
    let load = forged.row_of(miden_cvm_air::opcode::MLOAD, 0);
    assert_eq!(forged.trace.core[load + 1].stack.top[0], ONE);
    forged.core(load + 1).stack.top[0] = Felt::new(9);
    forged.settles_to(&["memory.value"]);
}

#[test]
fn in_another_order() {
    // Memory is initialized with each segment under the other one's number.
    let mut forged = idle(Shared);
    let all = cycles(&forged);
    let copy = |forgery: &Forgery, at: usize| -> [_; CYCLE] {
        core::array::from_fn(|i| forgery.trace.hasher[at + i])
    };
    let moved = copy(&forged, all[2]);
    remove(&mut forged, all[2], 1);
    forged.insert_cycles(all[0], &[moved]);
    // The hasher's order is free: the messages say what follows what.
    forged.settles_to(&[]);
    edit_args(&mut forged, all[0], |args| {
        (args.segment, args.done) = (ZERO, ZERO);
    });
    for cycle in [all[1], all[2]] {
        edit_args(&mut forged, cycle, |args| {
            (args.segment, args.done) = (ONE, ONE)
        });
    }
    forged.settles_to(&["bus.Segment"]);
}

#[test]
fn written_elsewhere() {
    type Edit = fn(&mut InitArgs<Felt>);
    let edits: [(Edit, &str); 5] = [
        (|args| args.time += ONE, "bus.SegmentInit"),
        (|args| args.context += Felt::new(8), "bus.SegmentInit"),
        (|args| args.context += ONE, "bus.SegmentInit"),
        (|args| args.instance = Felt::new(2), "bus.SegmentInit"),
        (|args| args.address += Felt::new(8), "bus.Segment"),
    ];
    for (edit, expected) in edits {
        let mut forged = idle(Shared);
        let all = cycles(&forged);
        for &cycle in &all[..2] {
            edit_args(&mut forged, cycle, edit);
        }
        forged.settle();
        let found = forged.violations();
        assert!(found.contains(expected), "{found:?}");
    }
    // The second block of a segment, alone.
    let edits: [(Edit, &str); 6] = [
        (|args| args.time += ONE, "hasher.continued_args"),
        (|args| args.context += Felt::new(8), "hasher.continued_args"),
        (|args| args.instance = ZERO, "hasher.continued_args"),
        (|args| args.segment += ONE, "hasher.init_segment"),
        (|args| args.address += Felt::new(8), "hasher.init_address"),
        (|args| args.block += ONE, "hasher.init_block"),
    ];
    for (edit, expected) in edits {
        let mut forged = idle(Shared);
        let second = cycles(&forged)[1];
        edit_args(&mut forged, second, edit);
        forged.settle();
        let found = forged.violations();
        assert!(found.contains(expected), "{found:?}");
    }
}

#[test]
fn data_of_another_instance() {
    // Instance 1 gets what is declared for instance 2.
    let mut forged = Forgery::new(builder(Shared).trace("begin call.stubs::b2 end"));
    let own = idle(Shared);
    forged.public.composition = own.public.composition.clone();
    let cycle = cycles(&forged)[0];
    edit_args(&mut forged, cycle, |args| args.instance = ONE);
    forged.settles_to(&["bus.SegmentInit", "bus.Segment"]);
}

#[test]
fn flags_that_are_numbers() {
    for flag in 6..9 {
        let mut forged = idle(Shared);
        let all = cycles(&forged);
        for row in &mut forged.trace.hasher[all[2]..all[2] + CYCLE] {
            row.args[flag] = Felt::new(2);
        }
        forged.settle();
        let found = forged.violations();
        assert!(found.contains("hasher.init_binary"), "{found:?}");
    }
}

#[test]
fn another_commitment_in_public() {
    let mut forged = idle(Shared);
    let other = Builder::new(3)
        .component(
            "reader",
            "pub proc read mem_load.1000 drop end pub proc idle neg neg end",
        )
        .link(0, "a1", Shared, 1, "reader::read")
        .link(0, "b1", Shared, 1, "reader::idle")
        .link(0, "b2", Shared, 2, "reader::idle")
        .data(1, 1000, &values(9, 16))
        .data(1, 2000, &values(2, 8))
        .data(2, 1000, &values(3, 8));
    forged.public.composition = Some(other.composition());
    forged.settles_to(&["bus.SegmentRecord"]);
    // With its record in the ROM, the data is not what was promised.
    let honest = Forgery::new(other.trace("begin call.stubs::b1 end"));
    for (row, theirs) in forged.rom().zip(honest.rom()) {
        forged.trace.rom[row] = honest.trace.rom[theirs];
    }
    forged.settles_to(&["bus.Segment"]);
}
