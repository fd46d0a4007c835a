//! Shifts of the stack, its depth and the overflow table.

use super::Rows;
use crate::{
    algebra::Algebra,
    builder::ConstraintBuilder,
    columns::{STACK_TOP, StackCols},
    lookup::{LookupBuilder, OverflowEntry, Slot, access_time},
    opcode::{END, OpcodeSet},
};

/// Defines the shift columns, the depth and the overflow pointer.
#[inline(always)]
pub(super) fn constraints<B: ConstraintBuilder>(rows: &Rows<'_, B::Expr>, b: &mut B) {
    let Rows { cur, next, ops, .. } = *rows;
    let StackCols {
        depth,
        overflow_ptr,
        depth_inv,
        overflowed,
        shift_left,
        shift_right,
        ..
    } = cur.stack;

    let end = cur.as_end();
    let left = ops.any(&OpcodeSet::LEFT) + ops.op(END) * end.entered_loop;
    b.assert_zero("stack.shift_left", 3, shift_left - left);
    let right = ops.any(&OpcodeSet::RIGHT);
    b.assert_zero("stack.shift_right", 3, shift_right - right);

    let excess = depth - B::Expr::int(STACK_TOP as u64);
    b.assert_zero("stack.overflowed", 2, excess * depth_inv - overflowed);
    b.assert_zero("stack.not_overflowed", 2, overflowed.not() * excess);

    let (enter, leave) = (ops.enter(cur.decoder.call), ops.leave(&end));
    let saving = cur.as_intrinsic();
    let saves = ops.intrinsic() * saving.saves;
    let restores = ops.intrinsic() * saving.restores;
    let same = (enter + leave + saves + restores).not();
    let popped = shift_left * overflowed;
    b.assert_zero(
        "stack.depth",
        5,
        same * (next.stack.depth - depth - shift_right + popped),
    );
    b.assert_zero(
        "stack.depth_enter",
        4,
        (enter + saves) * (next.stack.depth - B::Expr::int(STACK_TOP as u64)),
    );
    b.assert_zero("stack.depth_leave", 4, (leave + restores) * excess);

    // A right shift makes the entry of this cycle the topmost one; after a pop the bus tells which
    // one is.
    b.assert_zero(
        "stack.overflow_ptr",
        4,
        (same - shift_right - popped) * (next.stack.overflow_ptr - overflow_ptr),
    );
    b.assert_zero(
        "stack.overflow_ptr_push",
        2,
        shift_right * (next.stack.overflow_ptr - cur.system.clk),
    );
    b.assert_zero(
        "stack.overflow_ptr_enter",
        4,
        enter * next.stack.overflow_ptr,
    );
    // What was saved is found by the pointer. It is no entry's: the depth is 16.
    b.assert_zero(
        "stack.overflow_ptr_save",
        4,
        saves * (next.stack.overflow_ptr - access_time(cur.system.clk)),
    );
}

/// Elements that leave the top 16, and that come back.
#[inline(always)]
pub(super) fn lookups<B: LookupBuilder>(rows: &Rows<'_, B::Expr>, b: &mut B) {
    let (cur, next) = (&rows.cur.stack, &rows.next.stack);
    b.add(
        Slot::OVERFLOW[0],
        "stack.overflow_push",
        B::Expr::ONE,
        cur.shift_right,
        OverflowEntry {
            clk: rows.cur.system.clk,
            value: cur.top[STACK_TOP - 1],
            previous: cur.overflow_ptr,
        },
    );
    b.add(
        Slot::OVERFLOW[1],
        "stack.overflow_pop",
        B::Expr::ONE,
        -(cur.shift_left * cur.overflowed),
        OverflowEntry {
            clk: cur.overflow_ptr,
            value: next.top[STACK_TOP - 1],
            previous: next.overflow_ptr,
        },
    );
}
