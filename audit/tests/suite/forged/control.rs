//! The tree of blocks: which nodes run, how often, and in which order.

use miden_core::{Felt, ONE, Operation, ZERO};
use miden_cvm_air::{
    columns::OpcodeCols,
    opcode::{ADVPOP, DYN, END, HALT, JOIN, LOOP, NOOP, REPEAT, SPAN, SPLIT},
};

use super::{
    Forgery,
    toolkit::{edit_end, group_of, masm, trace_of},
};
use crate::common::Case;

/// `if.true neg else not`, on a stack whose topmost elements are the condition and 0.
fn branch(condition: u64) -> Forgery {
    let source = "begin if.true neg neg else not not end end";
    trace_of(&Case::masm("branch", source).stack(&[condition]))
}

#[test]
fn the_other_branch() {
    for condition in [0, 1] {
        // The program with the branches exchanged.
        let mut forged = branch(condition);
        let split = forged.row_of(SPLIT, 0);
        let core = forged.core(split);
        core.decoder.registers.rotate_left(4);
        core.helpers[..2].reverse();
        forged.rehash_tree();
        assert_ne!(
            forged.public.program_hash,
            branch(condition).public.program_hash
        );
        forged.settles_to(&["block.first_child", "block.second_child"]);
        forged.core(split).helpers[..2].reverse();
        forged.settles_to(&["bus.BlockHash"]);
    }
}

#[test]
fn both_branches_or_none() {
    for helpers in [[ONE, ONE], [ZERO, ZERO]] {
        let mut forged = branch(1);
        let split = forged.row_of(SPLIT, 0);
        forged.core(split).helpers[..2].copy_from_slice(&helpers);
        let which = if helpers[0] == ONE {
            "block.second_child"
        } else {
            "block.first_child"
        };
        forged.settles_to(&["bus.BlockHash", which]);
    }
}

#[test]
fn a_condition_that_is_not_binary() {
    // 2 is one branch twice and the other one minus once.
    let mut forged = branch(1);
    let split = forged.row_of(SPLIT, 0);
    forged.core(split).stack.top[0] = Felt::new(2);
    forged.core(split).helpers[..2].copy_from_slice(&[Felt::new(2), -ONE]);
    forged.settle();
    assert!(forged.violations().contains("stack.binary"));
}

/// A loop that takes its conditions from the advice: 1, then the last one.
fn two_iterations() -> Forgery {
    let source = "begin while.true adv_push.1 neg neg end end";
    trace_of(&Case::masm("loop", source).stack(&[1]).advice([1, 0]))
}

#[test]
fn going_on_with_a_loop_that_is_over() {
    let mut forged = two_iterations();
    let repeat = forged.row_of(REPEAT, 0);
    let pop = forged.row_of(ADVPOP, 0);
    forged.edit(pop + 1..=repeat, |core| core.stack.top[0] = ZERO);
    forged.settles_to(&["stack.one"]);
}

#[test]
fn leaving_a_loop_that_goes_on() {
    let mut forged = two_iterations();
    let pop = forged.row_of(ADVPOP, 1);
    let end = (pop..)
        .find(|&row| {
            forged.trace.core[row].as_end().entered_loop == ONE && forged.opcode(row) == END
        })
        .expect("the loop ends");
    // The body negates the condition, twice.
    for (row, value) in (pop + 1..=end).zip([ONE, -ONE, ONE, ONE]) {
        forged.core(row).stack.top[0] = value;
    }
    forged.settles_to(&["stack.loop_ends"]);
}

#[test]
fn skipping_a_loop_body() {
    let mut forged = two_iterations();
    let repeat = forged.row_of(REPEAT, 0);
    let end = (repeat..)
        .find(|&row| forged.opcode(row) == END && forged.opcode(row + 1) == END)
        .expect("the body ends");
    forged.remove_rows(repeat + 1..end + 1);
    // What the body would have pushed is not there.
    let stack = &mut forged.core(repeat + 1).stack;
    stack.depth = Felt::new(16);
    stack.overflow_ptr = ZERO;
    stack.overflowed = ZERO;
    forged.settles_to(&["bus.BlockHash"]);
}

#[test]
fn a_loop_body_without_repeat() {
    let mut forged = two_iterations();
    let repeat = forged.row_of(REPEAT, 0);
    forged.remove_rows(repeat..repeat + 1);
    // The condition stays where it is, and nobody looks at it.
    forged.settle();
    let found = forged.violations();
    for name in ["bus.BlockHash", "decoder.body_then_repeat_or_end"] {
        assert!(found.contains(name), "{name} is not in {found:?}");
    }
}

#[test]
fn substituting_a_loop_body() {
    for iteration in 0..2 {
        let mut forged = two_iterations();
        // Twice a negation, or nothing, after the condition from the advice.
        let codes = [ADVPOP, NOOP, NOOP];
        let mut state = [ZERO; 12];
        state[4] = group_of(&codes);
        let (address, digest) = forged.hash(state);
        let pop = forged.row_of(ADVPOP, iteration);
        let (span, end) = (pop - 1, pop + 3);
        forged.edit(span + 1..=end, |core| {
            core.decoder.address = Felt::new(address as u64);
        });
        forged.core(span).decoder.registers[0] = state[4];
        let mut left = state[4];
        for (row, code) in (pop..end).zip(codes) {
            left = (left - Felt::from(code)) / Felt::new(128);
            let core = forged.core(row);
            core.op = OpcodeCols::of(code);
            core.decoder.group = left;
        }
        let top = forged.trace.core[pop + 1].stack.top;
        forged.core(pop + 2).stack.top = top;
        edit_end(forged.core(end), |end| end.digest = digest.into());
        // The first iteration's digest is repeated,
        let honest_or_repeat = if iteration == 0 {
            &["block.repeat_digest", "bus.BlockHash"]
        } else {
            &["bus.BlockHash"][..]
        };
        forged.settles_to(honest_or_repeat);
        // unless REPEAT has the other one: a REPEAT must not vouch for the body before it, nor for
        // another one after it.
        let repeat = forged.row_of(REPEAT, 0);
        forged.core(repeat).decoder.registers[..4].copy_from_slice(digest.as_elements());
        let vouched = if iteration == 0 {
            "bus.BlockHash"
        } else {
            "block.repeat_digest"
        };
        forged.settles_to(&[vouched]);
    }
}

#[test]
fn a_loop_that_was_not_entered() {
    // Its END would drop another element.
    let source = "begin while.true adv_push.1 end end";
    let mut forged = trace_of(&Case::masm("loop", source));
    let end = forged.row_of(LOOP, 0) + 1;
    edit_end(forged.core(end), |end| end.entered_loop = ONE);
    forged.core(end).stack.shift_left = ONE;
    forged.settles_to(&["bus.BlockStack"]);
}

/// Three blocks under two joins, after the block that every program begins with.
fn joins() -> Forgery {
    masm(
        "begin
            if.true neg neg else not not end
            if.true neg neg else not not end
        end",
    )
}

#[test]
fn children_in_another_order() {
    let mut forged = joins();
    // The inner join has the beginning and the first split; exchange its digests.
    let join = forged.row_of(JOIN, 1);
    let end = (join..)
        .find(|&row| {
            forged.opcode(row) == END
                && forged.trace.core[row].decoder.block == Felt::new(join as u64 + 1)
        })
        .expect("the join ends");
    forged.rehash_tree();
    forged.core(join).decoder.registers.rotate_left(4);
    let registers = forged.trace.core[join].decoder.registers;
    let mut state = [ZERO; 12];
    state[1] = Felt::from(JOIN);
    state[4..].copy_from_slice(&registers);
    let address = forged.trace.core[join + 1].decoder.address.as_int() as usize;
    let digest = forged.rehash(address, state);
    edit_end(forged.core(end), |end| end.digest = digest.into());
    // And so do those above.
    let outer = forged.row_of(JOIN, 0);
    forged.core(outer).decoder.registers[..4].copy_from_slice(digest.as_elements());
    let registers = forged.trace.core[outer].decoder.registers;
    state[4..].copy_from_slice(&registers);
    let address = forged.trace.core[outer + 1].decoder.address.as_int() as usize;
    let program = forged.rehash(address, state);
    let last = forged.row_of(HALT, 0) - 1;
    edit_end(forged.core(last), |end| end.digest = program.into());
    forged.public.program_hash = program;
    forged.settles_to(&["bus.BlockHash"]);
    // The flags that would make it fit.
    for row in join..end {
        if forged.opcode(row) == END
            && forged.trace.core[row + 1].decoder.block == Felt::new(join as u64 + 1)
        {
            edit_end(forged.core(row), |end| {
                end.first_child = ONE - end.first_child
            });
        }
    }
    forged.settles_to(&["decoder.end_first_child"]);
}

#[test]
fn leaving_out_the_second_child() {
    let mut forged = joins();
    let outer = ONE;
    let second = forged.row_of(SPLIT, 1);
    let end = forged.row_of(HALT, 0) - 1;
    assert_eq!(forged.trace.core[end].decoder.block, outer);
    forged.remove_rows(second..end);
    forged.settles_to(&["bus.BlockHash", "decoder.end_first_child"]);
    // The program just stops.
    let end = forged.row_of(HALT, 0) - 1;
    forged.remove_rows(end..end + 1);
    forged.settle();
    let found = forged.violations();
    assert!(
        found.contains("bus.BlockHash") && found.contains("bus.BlockStack"),
        "{found:?}"
    );
}

#[test]
fn a_child_twice() {
    let mut forged = joins();
    let split = forged.row_of(SPLIT, 1);
    let span = (0..split)
        .rev()
        .find(|&row| forged.opcode(row) == SPAN)
        .expect("the first split has a block");
    let end = (span..)
        .find(|&row| forged.opcode(row) == END)
        .expect("the block ends");
    let rows: Vec<_> = (span..=end).map(|row| forged.trace.core[row]).collect();
    let count = rows.len();
    forged.insert_rows(end + 1, rows);
    let id = Felt::new((span + count) as u64 + 1);
    forged.edit(span + count + 1..=end + count, |core| {
        core.decoder.block = id
    });
    edit_end(forged.core(end), |end| end.first_child = ONE);
    forged.settle();
    let found = forged.violations();
    assert!(found.contains("bus.BlockHash"), "{found:?}");
    // What the second run does to the stack is not the point.
    assert!(!found.contains("bus.BlockStack"), "{found:?}");
}

#[test]
fn returning_to_another_block() {
    // After the first split, on with the outer join, without the inner one's END.
    let mut forged = joins();
    let join = forged.row_of(JOIN, 1);
    let end = (join..)
        .find(|&row| {
            forged.opcode(row) == END
                && forged.trace.core[row].decoder.block == Felt::new(join as u64 + 1)
        })
        .expect("the join ends");
    forged.remove_rows(end..end + 1);
    edit_end(forged.core(end - 1), |end| end.first_child = ONE);
    forged.settles_to(&["bus.BlockHash", "bus.BlockStack"]);
}

#[test]
fn a_dynamic_node_that_runs_something_else() {
    let source = "
        proc f neg neg end
        begin procref.f mem_storew_be.0 dropw push.0 dynexec end";
    let mut forged = masm(source);
    let dynamic = forged.row_of(DYN, 0);
    let span = dynamic + 1;
    // Nothing, instead of a negation and another one.
    let digest = forged.rewrite_block(span, &[NOOP, NOOP]);
    let top = forged.trace.core[span + 1].stack.top;
    forged.core(span + 2).stack.top = top;
    // Not what the node asked for,
    forged.settles_to(&["bus.BlockHash"]);
    // or not what is in memory.
    forged.core(dynamic).decoder.registers[..4].copy_from_slice(digest.as_elements());
    forged.settles_to(&["memory.value"]);
}

#[test]
fn halting_in_the_middle() {
    let mut forged = masm("begin neg neg not not end");
    let halt = forged.row_of(HALT, 0);
    let end = halt - 1;
    forged.remove_rows(end..halt);
    forged.settle();
    let found = forged.violations();
    for name in [
        "decoder.halt_after_end",
        "decoder.block_ends",
        "bus.BlockHash",
    ] {
        assert!(found.contains(name), "{name} is not in {found:?}");
    }
}

#[test]
fn going_on_after_the_end() {
    // HALT, then the program once more.
    let operations = vec![Operation::Neg, Operation::Neg];
    let mut forged = trace_of(&Case::operations("block", operations));
    let halt = forged.row_of(HALT, 0);
    forged.extend();
    let rows: Vec<_> = (0..halt).map(|row| forged.trace.core[row]).collect();
    forged.insert_rows(halt + 1, rows);
    let id = Felt::new(halt as u64 + 2);
    forged.edit(halt + 2..2 * halt + 1, |core| core.decoder.block = id);
    forged.settles_to(&["bus.BlockHash", "decoder.halt_stays"]);
}
