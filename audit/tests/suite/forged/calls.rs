//! Calls of open programs: contexts, frames, the kernel.

use miden_core::{Felt, Kernel, ONE, Word, ZERO};
use miden_cvm_air::{
    columns::CoreRow,
    opcode::{self, CALL, DROP, DYNCALL, NOOP, SYSCALL},
};

use super::{
    Forgery,
    toolkit::{edit_call, edit_end, masm, trace_of},
};
use crate::common::Case;

/// Opcodes of nodes that enter a context.
const CALLS: [u8; 3] = [CALL, DYNCALL, SYSCALL];

/// A procedure is entered, in one of three ways, from a stack of depth 18 or more.
fn program(code: u8) -> Forgery {
    let source = |body: &str, call: &str| {
        format!(
            "{body}
            begin
                padw padw padw padw push.0 push.0
                {call}
                dropw dropw dropw dropw drop drop
            end"
        )
    };
    match code {
        CALL => masm(&source("proc f neg neg end", "call.f")),
        DYNCALL => masm(&source(
            "proc f neg neg end",
            "procref.f mem_storew_be.0 dropw push.0 dyncall",
        )),
        _ => {
            let kernel = "pub proc f neg neg end";
            let source = source("", "syscall.f");
            trace_of(&Case::with_kernel("syscall", kernel, &source))
        }
    }
}

#[test]
fn coming_back_to_another_frame() {
    type Edit = fn(&mut CoreRow<Felt>);
    let edits: [Edit; 4] = [
        |core| core.system.domain = Felt::new(3),
        |core| core.system.index = ONE,
        |core| core.system.home = ONE,
        |core| core.system.fn_hash[1] = ONE,
    ];
    for code in CALLS {
        for edit in edits {
            let mut forged = program(code);
            let (_, end) = forged.block_of(code, 0);
            forged.edit_from(end + 1, edit);
            forged.settles_to(&["bus.CallStack"]);
        }
    }
}

#[test]
fn staying_in_the_callee() {
    for code in CALLS {
        let mut forged = program(code);
        let (_, end) = forged.block_of(code, 0);
        let callee = forged.trace.core[end].system;
        forged.edit_from(end + 1, |core| {
            core.system.domain = callee.domain;
            core.system.fn_hash = callee.fn_hash;
            core.system.index = callee.index;
            core.system.home = callee.home;
        });
        forged.settles_to(&["bus.CallStack"]);
    }
}

#[test]
fn coming_back_to_another_stack() {
    for code in CALLS {
        // The topmost overflow entry is skipped.
        let mut forged = program(code);
        let (_, end) = forged.block_of(code, 0);
        let pointer = forged.trace.core[end + 1].stack.overflow_ptr;
        let pop = (end..)
            .find(|&row| forged.opcode(row) == DROP)
            .expect("the stack shrinks");
        forged.edit(end + 1..=pop, |core| {
            core.stack.overflow_ptr = pointer - ONE
        });
        forged.settles_to_more_than(&["bus.CallStack", "bus.Overflow"]);
        // The depth is one less, so the last entry is never taken.
        let mut forged = program(code);
        let last_pop = (end..)
            .filter(|&row| forged.opcode(row) == DROP)
            .find(|&row| forged.trace.core[row].stack.depth == Felt::new(17))
            .expect("the stack shrinks to 16");
        forged.edit(end + 1..=last_pop, |core| {
            core.stack.depth -= ONE;
            let excess = core.stack.depth - Felt::new(16);
            core.stack.overflowed = Felt::from(u8::from(excess != ZERO));
            core.stack.depth_inv = if excess == ZERO { ZERO } else { ONE / excess };
        });
        let found = {
            forged.settle();
            forged.violations()
        };
        assert!(found.contains("bus.CallStack"), "{found:?}");
        assert!(found.contains("bus.Overflow"), "{found:?}");
    }
}

#[test]
fn saving_another_frame() {
    for code in CALLS {
        // What is saved is what is restored, but not what the caller had.
        let mut forged = program(code);
        let (start, end) = forged.block_of(code, 0);
        edit_call(forged.core(start), |call| call.saved_depth += ONE);
        forged.core(end + 1).stack.depth += ONE;
        forged.settles_to_more_than(&["stack.saved_depth"]);
        let mut forged = program(code);
        edit_call(forged.core(start), |call| call.saved_overflow_ptr -= ONE);
        forged.core(end + 1).stack.overflow_ptr -= ONE;
        let bound = if code == DYNCALL {
            // Its pop tells the pointer.
            "bus.Overflow"
        } else {
            "stack.saved_overflow_ptr"
        };
        forged.settles_to_more_than(&[bound]);
    }
}

#[test]
fn ending_a_call_as_another_kind() {
    for code in CALLS {
        let mut forged = program(code);
        let (_, end) = forged.block_of(code, 0);
        edit_end(forged.core(end), |end| {
            (end.call, end.syscall) = (end.syscall, end.call);
        });
        forged.settles_to(&["bus.CallStack"]);
        // Both, or neither.
        edit_end(forged.core(end), |end| (end.call, end.syscall) = (ONE, ONE));
        forged.settles_to_more_than(&["block.end_one_call"]);
        edit_end(forged.core(end), |end| {
            (end.call, end.syscall) = (ZERO, ZERO)
        });
        forged.settles_to_more_than(&["bus.CallStack", "bus.BlockStack"]);
    }
}

#[test]
fn ending_a_block_as_a_call() {
    // The procedure's block returns from the call itself.
    let mut forged = program(CALL);
    let (_, end) = forged.block_of(CALL, 0);
    forged.remove_rows(end..end + 1);
    edit_end(forged.core(end - 1), |end| end.call = ONE);
    forged.settles_to_more_than(&["bus.BlockStack", "bus.CallStack"]);
}

#[test]
fn a_callee_that_sees_the_callers_stack() {
    for code in CALLS {
        let mut forged = program(code);
        let (start, end) = forged.block_of(code, 0);
        let below = forged.trace.core[start].stack;
        let frame = forged.trace.core[start].as_call();
        forged.edit(start + 1..=end, |core| {
            core.stack.depth = frame.saved_depth;
            core.stack.overflow_ptr = frame.saved_overflow_ptr;
            core.stack.overflowed = below.overflowed;
            core.stack.depth_inv = ONE / (frame.saved_depth - Felt::new(16));
        });
        forged.settles_to(&[
            "stack.depth_enter",
            "stack.depth_leave",
            "stack.overflow_ptr_enter",
        ]);
    }
}

#[test]
fn returning_more_than_it_was_given() {
    let mut forged = masm("proc f neg neg drop end begin call.f end");
    let (start, end) = forged.block_of(CALL, 0);
    // DROP becomes PAD, and nobody takes the element away.
    let span = end - 5;
    assert_eq!(forged.opcode(end - 2), DROP);
    forged.rewrite_block(span, &[opcode::NEG, opcode::NEG, opcode::PAD]);
    let pad = end - 2;
    let stack = &mut forged.core(pad).stack;
    (stack.shift_left, stack.shift_right) = (ZERO, ONE);
    let clk = Felt::new(pad as u64);
    forged.edit(pad + 1..=end, |core| {
        core.stack.depth = Felt::new(17);
        core.stack.depth_inv = ONE;
        core.stack.overflowed = ONE;
        core.stack.overflow_ptr = clk;
    });
    // It is the program that does so.
    forged.rehash_tree();
    let named = forged.trace.core[start].as_call().named;
    edit_call(forged.core(start), |call| call.callee = named);
    forged.edit(start + 1..=end, |core| core.system.fn_hash = named);
    forged.settles_to(&["bus.Overflow", "stack.depth_leave"]);
}

#[test]
fn another_context_than_a_new_one() {
    type Edit = fn(&mut CoreRow<Felt>);
    let edits: [(Edit, &[&str]); 4] = [
        (|core| core.system.domain = ZERO, &["system.call_domain"]),
        (|core| core.system.index = ONE, &["system.call_index"]),
        (|core| core.system.home = ZERO, &["system.call_home"]),
        (
            |core| core.system.fn_hash = [ZERO; 4],
            &["system.call_fn_hash"],
        ),
    ];
    for code in [CALL, DYNCALL] {
        for (edit, expected) in edits {
            let mut forged = program(code);
            let (start, end) = forged.block_of(code, 0);
            forged.edit(start + 1..=end, edit);
            forged.settles_to(expected);
        }
    }
}

#[test]
fn the_context_of_an_earlier_call() {
    let mut forged = masm(
        "proc f push.1 mem_store.0 end
        begin call.f call.f end",
    );
    let (first, _) = forged.block_of(CALL, 0);
    let (second, end) = forged.block_of(CALL, 1);
    let domain = Felt::new(first as u64 + 1);
    forged.edit(second + 1..=end, |core| core.system.domain = domain);
    forged.settles_to(&["system.call_domain"]);
}

#[test]
fn a_component_row_in_an_open_program() {
    // A shared call, into the caller's own context.
    let mut forged = program(CALL);
    let (start, end) = forged.block_of(CALL, 0);
    forged.edit(start + 1..=end, |core| {
        (core.system.domain, core.system.home) = (ZERO, ZERO)
    });
    edit_call(forged.core(start), |call| call.shared = ONE);
    edit_end(forged.core(end), |end| end.passes_tokens = ONE);
    let mark = forged.core(start).system.mark;
    forged.edit(start + 1..=end, |core| core.system.sender = mark);
    let mark = forged.core(end).system.mark;
    forged.edit_from(end + 1, |core| core.system.sender = -mark);
    forged.settles_to(&["call.open"]);
    // One that creates nothing.
    edit_call(forged.core(start), |call| {
        call.creates = ZERO;
        call.table_len = ONE;
        call.table_len_inv = ONE;
    });
    forged.settles_to(&["call.open"]);
    edit_call(forged.core(start), |call| call.shared = ZERO);
    edit_end(forged.core(end), |end| end.passes_tokens = ZERO);
    forged.edit_from(start + 1, |core| core.system.sender = ZERO);
    let domain = Felt::new(start as u64 + 1);
    forged.edit(start + 1..=end, |core| {
        (core.system.domain, core.system.home) = (domain, domain)
    });
    forged.settles_to(&["call.new_creates"]);
    // A fresh call.
    let mut forged = program(CALL);
    edit_call(forged.core(start), |call| call.fresh = ONE);
    edit_end(forged.core(end), |end| end.passes_tokens = ONE);
    let mark = forged.core(start).system.mark;
    forged.edit(start + 1..=end, |core| {
        (core.system.home, core.system.sender) = (ZERO, mark)
    });
    let mark = forged.core(end).system.mark;
    forged.edit_from(end + 1, |core| core.system.sender = -mark);
    forged.settles_to(&["call.open"]);

    let mut forged = program(CALL);
    edit_call(forged.core(start), |call| call.target = ONE);
    forged.edit(start + 1..=end, |core| core.system.index = ONE);
    forged.settles_to(&["call.open"]);

    let mut forged = program(CALL);
    edit_call(forged.core(start), |call| call.has_data = ONE);
    forged.settles_to(&["call.open"]);

    let mut forged = program(CALL);
    edit_call(forged.core(start), |call| call.domain = ONE);
    forged.settles_to(&["call.open"]);
}

#[test]
fn executing_something_else_than_was_called() {
    for code in CALLS {
        let mut forged = program(code);
        let (start, end) = forged.block_of(code, 0);
        // Nothing, instead of a negation and another one.
        let digest = forged.rewrite_block(start + 1, &[NOOP, NOOP]);
        let top = forged.trace.core[start + 2].stack.top;
        forged.core(start + 3).stack.top = top;
        edit_call(forged.core(start), |call| call.callee = digest.into());
        if code != SYSCALL {
            forged.edit(start + 1..=end, |core| core.system.fn_hash = digest.into());
        }
        let expected: &[&str] = match code {
            SYSCALL => &["bus.KernelProcedure", "call.syscall_callee"],
            _ => &["call.open_callee"],
        };
        forged.settles_to(expected);
        if code == DYNCALL {
            // What the call names is in memory.
            edit_call(forged.core(start), |call| call.named = digest.into());
            forged.settles_to(&["memory.value"]);
        }
    }
}

#[test]
fn a_syscall_into_another_context_than_the_root() {
    type Edit = fn(&mut CoreRow<Felt>);
    let edits: [(Edit, &str); 4] = [
        (
            |core| core.system.domain = Felt::new(3),
            "system.syscall_domain",
        ),
        (|core| core.system.index = ONE, "system.syscall_index"),
        (
            |core| core.system.home = Felt::new(3),
            "system.syscall_home",
        ),
        (
            |core| core.system.fn_hash[0] += ONE,
            "system.syscall_fn_hash",
        ),
    ];
    for (edit, expected) in edits {
        let mut forged = program(SYSCALL);
        let (start, end) = forged.block_of(SYSCALL, 0);
        forged.edit(start + 1..=end, edit);
        forged.settles_to(&[expected]);
    }
}

#[test]
fn a_syscall_to_what_is_not_in_the_kernel() {
    let other = Word::new([1, 2, 3, 4].map(Felt::new));
    let mut forged = program(SYSCALL);
    forged.public.kernel = Kernel::new(&[other]).expect("a kernel of one procedure");
    forged.settles_to(&["bus.KernelRecord"]);
    let rom = forged.rom().start;
    forged.trace.rom[rom].record[..4].copy_from_slice(other.as_elements());
    forged.settles_without(&["call.kernel"]);
    // The record twice.
    let mut forged = program(SYSCALL);
    let record = forged.trace.rom[rom];
    forged.set_rom(&[record; 2]);
    forged.settles_to(&["bus.KernelRecord"]);
    // Or a row of another kind.
    let mut forged = program(SYSCALL);
    let row = &mut forged.trace.rom[rom];
    (row.kernel, row.link) = (ZERO, ONE);
    forged.settles_to(&["bus.KernelProcedure", "bus.KernelRecord", "bus.LinkRecord"]);
}
