//! The effects of calls on the operand stack.

use super::{Rows, Transition};
use crate::{
    algebra::Algebra,
    builder::ConstraintBuilder,
    columns::STACK_TOP,
    lookup::{LookupBuilder, OverflowEntry, Slot},
    opcode::*,
};

/// DYNCALL drops the address of the callee's digest. That is a left shift, but one after which the
/// depth is not the next row's, so it is none for the shift column. An intrinsic replaces the top by
/// what the resource tables say.
#[inline(always)]
pub(super) fn transition<E: Algebra>(rows: &Rows<'_, E>, t: &mut Transition<'_, E>) {
    let flag = rows.ops.op(DYNCALL);
    let top = &rows.cur.stack.top;
    for i in 0..STACK_TOP - 1 {
        t.set(i, flag, top[i + 1]);
    }
    let last = rows.cur.stack.overflowed * rows.next.stack.top[STACK_TOP - 1];
    t.set(STACK_TOP - 1, flag, last);
    t.free(1, rows.ops.intrinsic());
}

/// The frame that a call saves: for DYNCALL that of the shifted stack.
#[inline(always)]
pub(super) fn constraints<B: ConstraintBuilder>(rows: &Rows<'_, B::Expr>, b: &mut B) {
    let Rows { cur, ops, .. } = *rows;
    let stack = &cur.stack;
    let frame = cur.as_call();
    let dyncall = ops.op(DYNCALL);
    let enter = ops.enter(cur.decoder.call);
    // On a DYNCALL row, 1 if it pops an entry.
    let popped = dyncall * stack.overflowed;
    b.assert_zero(
        "stack.saved_depth",
        4,
        enter * (frame.saved_depth - stack.depth) + popped,
    );
    b.assert_zero(
        "stack.saved_overflow_ptr",
        5,
        (enter - popped) * (frame.saved_overflow_ptr - stack.overflow_ptr),
    );
}

/// The overflow entry that DYNCALL pops.
#[inline(always)]
pub(super) fn lookups<B: LookupBuilder>(rows: &Rows<'_, B::Expr>, b: &mut B) {
    let Rows { cur, next, ops, .. } = *rows;
    let flag = ops.op(DYNCALL);
    b.add(
        Slot::OP[4],
        "stack.dyncall_pop",
        flag,
        -(flag * cur.stack.overflowed),
        OverflowEntry {
            clk: cur.stack.overflow_ptr,
            value: next.stack.top[STACK_TOP - 1],
            previous: cur.as_call().saved_overflow_ptr,
        },
    );
}
