//! Rows of a form that no honest row has: flags that are none, blocks without operations, paths and
//! segments without an end.

use miden_core::{
    Felt, FieldElement, ONE,
    Operation::{And, Drop, MpVerify, Noop, Push, Swap},
    ZERO,
};
use miden_cvm_air::{
    chiplets::hasher::REFUSED_UPPER_HALF,
    columns::{OpcodeCols, ResourceRow},
    composition::LinkKind::Shared,
    opcode::{DESTRUCTOR, NEG, NOOP, OWN_DESTRUCTOR, PUSH, REPEAT, SPAN},
};

use super::{
    Forgery,
    crypto::merkle,
    resources,
    toolkit::{CYCLE, State, digest_of, edit_end, masm, run_cycle, trace_of},
};
use crate::{common::Case, composition::Builder};

const TWO: Felt = Felt::new(2);

#[test]
fn a_block_that_is_skipped() {
    let mut forged = masm("begin neg neg end");
    let (span, end) = forged.block_of(SPAN, 0);
    forged.remove_rows(span + 1..end);
    forged.settles_to(&["batch.begins_with_group", "decoder.block_begins"]);
}

#[test]
fn a_no_op_before_the_first_group() {
    let mut forged = masm("begin neg neg end");
    let span = forged.row_of(SPAN, 0);
    let mut idle = forged.trace.core[span + 1];
    idle.op = OpcodeCols::of(NOOP);
    idle.decoder.registers = forged.trace.core[span].decoder.registers;
    idle.decoder.group = ZERO;
    idle.decoder.group_start = ZERO;
    idle.decoder.position = [ONE, ZERO];
    forged.insert_rows(span + 1, vec![idle]);
    forged.settles_to_more_than(&["batch.begins_with_group"]);
}

#[test]
fn a_group_that_begins_with_an_immediate() {
    let operations = [&[Swap; 7][..], &[Push(ONE), Noop, Drop]].concat();
    let mut forged = trace_of(&Case::operations("forged", operations));
    let push = forged.row_of(PUSH, 0);
    forged.remove_rows(push + 1..push + 2);
    forged.settles_to_more_than(&["batch.push_not_last"]);
}

#[test]
fn an_operation_that_poses_as_a_call() {
    let mut forged = masm("begin neg neg end");
    let row = forged.row_of(NEG, 0);
    forged.core(row).decoder.call = ONE;
    forged.settles_to_more_than(&["decoder.call"]);
}

#[test]
fn a_repetition_after_what_is_no_body() {
    let source = "begin adv_push.1 while.true adv_push.1 neg neg end end";
    let mut forged = trace_of(&Case::masm("loop", source).advice([1, 1, 0]));
    let repeat = forged.row_of(REPEAT, 0);
    edit_end(forged.core(repeat - 1), |end| end.loop_body = ZERO);
    forged.settles_to_more_than(&["decoder.repeat_after_body"]);
}

#[test]
fn an_operand_that_is_not_binary() {
    let case = Case::operations("forged", vec![And, Noop]).stack(&[0, 0]);
    let mut forged = trace_of(&case);
    forged.edit(0..2, |core| core.stack.top[1] = TWO);
    forged.claim_inputs();
    forged.settles_to(&["stack.binary_second"]);
}

#[test]
fn cells_of_destructors() {
    let with = |code| {
        let traces = resources::traces().into_iter().map(Forgery::new);
        let mut found = traces.filter_map(|forged| {
            let row = (0..forged.trace.core.len()).find(|&row| forged.opcode(row) == code)?;
            Some((forged, row))
        });
        found.next().expect("a destructor is called")
    };
    for code in [DESTRUCTOR, OWN_DESTRUCTOR] {
        let (mut forged, row) = with(code);
        forged.core(row).decoder.registers[7] = ONE;
        forged.settles_to_more_than(&["call.destructor_unused"]);
    }
    let (mut forged, row) = with(OWN_DESTRUCTOR);
    forged.core(row).decoder.registers[5] += ONE;
    forged.settles_to_more_than(&["call.own_destructor_state"]);
}

#[test]
fn cycles_of_no_kind_or_of_two() {
    let honest = masm("begin hperm end");
    let cycle = honest.cycles(|row| row.merkle == ZERO)[0];
    let mut forged = honest.clone();
    forged.edit_cycle(cycle, |row| row.absorb = TWO);
    forged.settles_to_more_than(&["hasher.kind_binary"]);
    let mut forged = honest;
    forged.edit_cycle(cycle, |row| (row.merkle, row.init) = (ONE, ONE));
    forged.settles_to_more_than(&["hasher.one_kind"]);
}

#[test]
fn a_node_beyond_the_right_child() {
    // 6 is 2 * 2 + 2, and the node is as far from the right child as that is from the left one.
    let mut forged = merkle(MpVerify(ZERO), 5);
    let first = forged.cycles(|row| row.merkle == ONE)[0];
    let state = forged.trace.hasher[first].state;
    forged.edit_cycle(first, |row| {
        let args = row.merkle_args_mut();
        (args.index, args.bit) = (Felt::new(6), TWO);
    });
    forged.edit_from(0, |core| {
        for i in 0..4 {
            core.stack.top[3 - i] = TWO * state[8 + i] - state[4 + i];
        }
        core.stack.top[5] = Felt::new(6);
    });
    forged.claim_inputs();
    forged.claim_outputs();
    forged.settles_to(&["hasher.merkle_binary"]);
}

#[test]
fn a_path_of_65_levels() {
    let mut forged = merkle(MpVerify(ZERO), 0);
    let last = forged.cycles(|row| row.merkle == ONE)[2];
    let output = forged.edit_cycle(last, |row| row.merkle_args_mut().end = ZERO);
    forged.trace.hasher[last + CYCLE - 1]
        .cycle_end_mut()
        .open_merkle = ONE;
    let mut node = digest_of(&output);
    let mut cycles = Vec::new();
    for level in 3..65 {
        let mut cycle: [_; CYCLE] = core::array::from_fn(|i| forged.trace.hasher[last + i]);
        for row in &mut cycle {
            let args = row.merkle_args_mut();
            args.level = Felt::new(level);
            args.end = Felt::from(u8::from(level == 64));
        }
        let mut state: State = [ZERO; 12];
        state[4..8].copy_from_slice(node.as_elements());
        node = digest_of(&run_cycle(&mut cycle, state));
        let end = cycle[CYCLE - 1].cycle_end_mut();
        end.open_merkle = Felt::from(u8::from(level < 64));
        end.levels_left = Felt::new(63) - Felt::new(level);
        end.level_witness = ZERO;
        end.index_witness = -Felt::new(REFUSED_UPPER_HALF).inv();
        cycles.push(cycle);
    }
    forged.insert_cycles(last + CYCLE, &cycles);
    forged.edit_from(0, |core| {
        core.stack.top[4] = Felt::new(65);
        for i in 0..4 {
            core.stack.top[9 - i] = node[i];
        }
    });
    forged.claim_inputs();
    forged.claim_outputs();
    forged.settles_without(&["hasher.levels_left_range"]);
}

#[test]
fn a_path_that_goes_on_after_its_root() {
    let mut forged = merkle(MpVerify(ZERO), 5);
    let last = forged.cycles(|row| row.merkle == ONE)[2];
    let root = &mut forged.trace.hasher[last + CYCLE - 1];
    root.cycle_end_mut().open_merkle = ONE;
    let mut state: State = [ZERO; 12];
    state[4..8].copy_from_slice(&root.state[4..8]);
    let mut cycle: [_; CYCLE] = core::array::from_fn(|i| forged.trace.hasher[last + i]);
    for row in &mut cycle {
        let args = row.merkle_args_mut();
        args.level = Felt::new(3);
        (args.index, args.bit, args.end) = (ZERO, ZERO, ZERO);
    }
    run_cycle(&mut cycle, state);
    let end = cycle[CYCLE - 1].cycle_end_mut();
    // It is left open, and says that it is not.
    end.open_merkle = ZERO;
    end.levels_left = Felt::new(63 - 3);
    end.level_witness = ZERO;
    end.index_witness = -Felt::new(REFUSED_UPPER_HALF).inv();
    forged.insert_cycles(last + CYCLE, &[cycle]);
    forged.settles_to(&["hasher.open_merkle"]);
}

#[test]
fn static_data_that_is_compared_with_nothing() {
    let data: Vec<Felt> = (1..=8).map(Felt::new).collect();
    let builder = Builder::new(2)
        .component("reader", "pub proc idle neg neg end")
        .link(0, "a1", Shared, 1, "reader::idle")
        .data(1, 1000, &data);
    let mut forged = Forgery::new(builder.trace("begin call.stubs::a1 end"));
    let cycle = forged.cycles(|row| row.init == ONE)[0];
    forged.edit_cycle(cycle, |row| {
        row.state[4] += row.state[4];
        row.init_args_mut().last = ZERO;
    });
    forged.settles_to(&["hasher.open_init"]);
}

#[test]
fn accesses_of_less_or_more_than_a_cell() {
    let honest = masm("begin push.3 mem_store.8 end");
    let row = honest.memory().start;
    let with = |element, whole| {
        let mut forged = honest.clone();
        forged.trace.memory[row].element[0] = element;
        forged.trace.memory[row].whole = whole;
        forged.recount().violations()
    };
    assert!(with(TWO, ZERO).contains("memory.access_binary"));
    assert!(with(ONE, ONE).contains("memory.one_access"));
}

#[test]
fn flags_of_operations_on_tables() {
    let mut traces = resources::traces().into_iter().map(Forgery::new);
    let found = traces.find_map(|mut forged| {
        let operations = forged.trace.resources.len() / 2;
        let nth = (0..operations).find(|&nth| {
            let row = forged.table(nth);
            row.op.receive == ONE && row.own == ZERO
        })?;
        Some((forged, nth))
    });
    let (honest, receive) = found.expect("a borrow is received");
    let with = |edit: fn(&mut ResourceRow<Felt>)| {
        let mut forged = honest.clone();
        edit(forged.table(receive));
        forged.settle().violations()
    };
    assert!(with(|row| row.own = TWO).contains("resources.flag_binary"));
    assert!(with(|row| row.op.receive = TWO).contains("resources.op_binary"));
    assert!(with(|row| row.op.rep = ONE).contains("resources.one_op"));
    assert!(with(|row| row.back = ONE).contains("resources.token_back"));
}
