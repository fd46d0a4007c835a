//! Forgeries against which one constraint stands, or one of its terms, that no other forgery leans on.

use miden_core::{
    Felt, FieldElement, ONE,
    Operation::{MpVerify, MrUpdate, Noop, Swap, U32sub},
    ZERO,
    crypto::hash::Rpo256,
};
use miden_cvm_air::{
    chiplets::rpo::{STATE_WIDTH, mds},
    columns::OpcodeCols,
    composition::LinkKind::Shared,
    opcode::{ADVPOP, CALL, END, INCR, JOIN, LOOP, RESPAN},
};

use super::{
    Forgery,
    crypto::merkle,
    toolkit::{CYCLE, State, digest_of, edit_end, masm, trace_of},
};
use crate::{common::Case, composition::Builder};

#[test]
fn a_loop_against_its_condition() {
    // It says that it was entered although the condition is 0, and the reverse.
    let source = "begin adv_push.1 while.true adv_push.1 neg neg end end";
    for condition in [1, 0] {
        let mut forged = trace_of(&Case::masm("loop", source).advice([condition, 0]));
        let (pop, start) = (forged.row_of(ADVPOP, 0), forged.row_of(LOOP, 0));
        let other = ONE - Felt::new(condition);
        forged.edit(pop + 1..=start, |core| core.stack.top[0] = other);
        forged.settles_to(&["block.first_child"]);
    }
}

/// The state that the permutation takes to `state`.
fn permuted_from(mut state: State) -> State {
    // x^7 is inverted by this power.
    const SEVENTH_ROOT: u64 = 10_540_996_611_094_048_183;
    let root = |lane: Felt| lane.exp(SEVENTH_ROOT);
    for (ark1, ark2) in Rpo256::ARK1.iter().zip(&Rpo256::ARK2).rev() {
        let powers: State = core::array::from_fn(|i| state[i].exp(7) - ark2[i]);
        let middle = unmixed(powers);
        state = unmixed(core::array::from_fn(|i| root(middle[i]) - ark1[i]));
    }
    state
}

/// The state that the linear layer takes to `state`.
fn unmixed(state: State) -> State {
    // Elimination on the matrix, whose columns are what becomes of the unit vectors.
    let columns: [State; STATE_WIDTH] = core::array::from_fn(|column| {
        mds(&core::array::from_fn(|i| Felt::from(u8::from(i == column))))
    });
    let mut rows: [[Felt; STATE_WIDTH + 1]; STATE_WIDTH] = core::array::from_fn(|row| {
        core::array::from_fn(|column| match columns.get(column) {
            Some(column) => column[row],
            None => state[row],
        })
    });
    for pivot in 0..STATE_WIDTH {
        let found = (pivot..STATE_WIDTH).find(|&row| rows[row][pivot] != ZERO);
        rows.swap(pivot, found.expect("the layer can be inverted"));
        let inverse = rows[pivot][pivot].inv();
        rows[pivot] = rows[pivot].map(|cell| cell * inverse);
        let by = rows[pivot];
        for (row, cells) in rows.iter_mut().enumerate() {
            let factor = cells[pivot];
            if row != pivot {
                for (cell, by) in cells.iter_mut().zip(by) {
                    *cell -= factor * by;
                }
            }
        }
    }
    rows.map(|row| row[STATE_WIDTH])
}

#[test]
fn static_data_of_the_provers_choice() {
    let data: Vec<Felt> = (1..=8).map(Felt::new).collect();
    let builder = Builder::new(2)
        .component("reader", "pub proc idle neg neg end")
        .link(0, "a1", Shared, 1, "reader::idle")
        .data(1, 1000, &data);
    let mut forged = Forgery::new(builder.trace("begin call.stubs::a1 end"));
    let cycle = forged.cycles(|row| row.init == ONE)[0];
    // The permutation backwards from a state with the digest that is promised: the data before it is
    // another one, and the capacity is what it takes.
    let mut last = forged.trace.hasher[cycle + CYCLE - 1].state;
    let digest = digest_of(&last);
    last[8] += ONE;
    let first = permuted_from(last);
    assert_ne!(first[4..], data);
    let reached = forged.edit_cycle(cycle, |row| row.state = first);
    assert_eq!((reached, digest_of(&reached)), (last, digest));
    forged.settles_to(&["hasher.zero_capacity"]);
}

/// Two types whose resources have one representation, and procedures that take a handle of the first.
const HOME: &str = "
    pub proc make push.42 call.stubs::new0 call.stubs::send_own0 swap drop end
    pub proc make1 push.42 call.stubs::new1 call.stubs::send_own1 swap drop end";
const READER: &str = "
    pub proc take call.stubs::recv_own0 call.stubs::drop0 end
    pub proc pass call.stubs::recv_own0 drop call.stubs::recv_borrow0 drop
        adv_push.1 call.stubs::send_own0
        adv_push.1 call.stubs::drop0 drop swap drop end";

fn traced(advice: &[u64], main: &str) -> Forgery {
    let builder = Builder::new(3)
        .component("home", HOME)
        .component("reader", READER)
        .link(0, "a1", Shared, 1, "home::make")
        .link(0, "a2", Shared, 1, "home::make1")
        .link(0, "c1", Shared, 2, "reader::take")
        .link(0, "c2", Shared, 2, "reader::pass")
        .resource(1, None)
        .resource(1, None);
    Forgery::new(builder.advice(advice).trace(&format!("begin {main} end")))
}

/// Has the `nth` operation on a table asked for another handle, which came from advice.
fn ask(forged: &mut Forgery, nth: usize, handle: Felt) {
    let asked_at = forged.table(nth).request.asked.time.as_int() as usize - 1;
    let taken = (0..asked_at)
        .rev()
        .find(|&row| forged.opcode(row) == ADVPOP);
    let taken = taken.expect("the handle is from the advice");
    forged.edit(taken + 1..=asked_at, |core| core.stack.top[0] = handle);
    let table = forged.table(nth);
    table.request.asked.input = handle;
    table.handle = handle;
    forged.outcome(nth).handle = handle;
}

#[test]
fn a_handle_that_is_sent_as_another_type() {
    let mut forged = traced(
        &[1],
        "call.stubs::a1 call.stubs::recv_own0 drop
        call.stubs::a2 call.stubs::recv_own1 drop
        adv_push.1 call.stubs::send_own0 call.stubs::c1 drop",
    );
    let send = 6;
    assert_eq!(forged.table(send).op.send, ONE);
    let two = Felt::new(2);
    ask(&mut forged, send, two);
    // The entry says of which type it is, and nobody compares.
    forged.table(send).entry[1] = two;
    forged.outcome(send).state[1] = two;
    forged.settles_to(&["resources.entry_resource"]);
}

#[test]
fn a_borrow_that_is_sent_as_own() {
    // The reader has an own handle and a borrowed one, and sends the latter with the ownership.
    let mut forged = traced(
        &[1, 2],
        "call.stubs::a1 call.stubs::recv_own0 push.0 call.stubs::a1 call.stubs::recv_own0
        swap dup call.stubs::send_borrow0 movup.2 call.stubs::send_own0 call.stubs::c2
        call.stubs::recv_own0 drop drop",
    );
    let send = (0..)
        .find(|&nth| {
            let table = *forged.table(nth);
            table.op.send == ONE && table.request.asked.context != ZERO && table.state[3] == ONE
        })
        .expect("the reader sends");
    let two = Felt::new(2);
    ask(&mut forged, send, two);
    let table = forged.table(send);
    assert_eq!((table.entry[2], table.own), (ONE, ONE));
    table.entry[2] = ZERO;
    forged.outcome(send).state[1] = two;
    // What it drops after that is no longer there.
    forged.settles_to(&["memory.value", "resources.entry_own"]);
}

#[test]
fn a_first_child_that_says_it_is_the_second() {
    let mut forged = masm(
        "begin
            if.true neg neg else not not end
            if.true neg neg else not not end
        end",
    );
    let outer = forged.row_of(JOIN, 0);
    let end = (outer..)
        .find(|&row| {
            forged.opcode(row) == END
                && forged.trace.core[row + 1].decoder.block == Felt::new(outer as u64 + 1)
        })
        .expect("the first child ends");
    edit_end(forged.core(end), |end| end.first_child = ZERO);
    forged.settles_to(&["bus.BlockHash", "decoder.end_first_child"]);
}

#[test]
fn a_batch_after_what_is_in_no_block() {
    let mut forged = trace_of(&Case::operations("forged", vec![Swap; 80]));
    let respan = forged.row_of(RESPAN, 0);
    let mut extra = forged.trace.core[respan - 1];
    extra.op = OpcodeCols::of(INCR);
    extra.decoder.in_block = ZERO;
    extra.decoder.position = [ZERO; 2];
    forged.insert_rows(respan, vec![extra]);
    forged.settles_to_more_than(&["decoder.respan_in_block"]);
}

#[test]
fn the_end_of_a_call_that_drops_a_condition() {
    // Of a stack of zeros, one more or less makes no difference.
    let mut forged = masm("proc f neg neg end begin call.f end");
    let (_, end) = forged.block_of(CALL, 0);
    edit_end(forged.core(end), |end| end.entered_loop = ONE);
    forged.core(end).stack.shift_left = ONE;
    forged.settles_to(&["block.end_call_or_loop"]);
}

#[test]
fn a_clock_that_jumps() {
    // Behind everything that names a cycle.
    let mut forged = masm("begin neg neg end");
    let row = forged.trace.core.len() - 2;
    forged.edit_from(row, |core| core.system.clk += Felt::new(5));
    forged.settles_to(&["system.clk"]);
}

#[test]
fn a_limb_that_a_difference_has_no_use_for() {
    for limb in [2, 3] {
        let mut forged = trace_of(&Case::operations("forged", vec![U32sub, Noop]).stack(&[5, 7]));
        forged.core(1).helpers[limb] = ONE;
        let name = ["stack.u32_sub_narrow", "stack.u32_narrow"][limb - 2];
        forged.settles_to(&[name]);
    }
}

#[test]
fn a_hash_that_continues_a_path() {
    let mut forged = merkle(MpVerify(ZERO), 5);
    let leg = forged.cycles(|row| row.merkle == ONE);
    let after = leg[2] + CYCLE;
    let capacity = forged.trace.hasher[after - 1].state;
    let copy = core::array::from_fn(|i| forged.trace.hasher[i]);
    forged.insert_cycles(after, &[copy]);
    forged.edit_cycle(after, |row| {
        row.absorb = ONE;
        row.state[..4].copy_from_slice(&capacity[..4]);
    });
    forged.settles_to(&["hasher.absorb_after"]);
}

#[test]
fn a_path_that_is_not_continued() {
    let mut forged = merkle(MpVerify(ZERO), 5);
    let leg = forged.cycles(|row| row.merkle == ONE);
    forged.remove_cycles(leg[2]..leg[2] + CYCLE);
    forged.settles_to_more_than(&["hasher.open_merkle_kind", "bus.MerkleRoot"]);
}

#[test]
fn a_path_that_is_both_legs() {
    let mut forged = merkle(MrUpdate, 5);
    for cycle in forged.cycles(|row| row.merkle == ONE && row.merkle_args().old_leg == ONE) {
        forged.edit_cycle(cycle, |row| row.merkle_args_mut().new_leg = ONE);
    }
    forged.settles_to_more_than(&["hasher.merkle_one_leg"]);
}
