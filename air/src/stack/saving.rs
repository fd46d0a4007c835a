//! The intrinsics that put the stack below its top out of reach and put it back.
//!
//! A callee sees 16 elements, whatever it needs. Who saves its stack before a call shows it the top one and
//! zeros, and is sure to have the others back. What is saved goes into two messages that only the row which
//! restores it receives. Their time is the overflow pointer in between: a pointer of this context, that a call
//! saves with the frame and that no other context comes by. What is saved and never restored stays with nobody to
//! receive it, so a context ends with as much as it began with.

use super::{Rows, Transition};
use crate::{
    algebra::Algebra,
    builder::ConstraintBuilder,
    columns::{STACK_TOP, StackCols},
    lookup::{LookupBuilder, SavedElements, SavedFrame, Slot, access_time},
};

/// The flags of rows that save and of those that restore; degree 3.
#[inline(always)]
fn flags<E: Algebra>(rows: &Rows<'_, E>) -> [E; 2] {
    let cols = rows.cur.as_intrinsic();
    [cols.saves, cols.restores].map(|flag| rows.ops.intrinsic() * flag)
}

/// Zeros take the place of what is saved, but for a second element that is shown; what is restored is as the
/// messages say.
#[inline(always)]
pub(super) fn transition<E: Algebra>(rows: &Rows<'_, E>, t: &mut Transition<'_, E>) {
    let [saves, restores] = flags(rows);
    let second = rows.cur.as_intrinsic().resource * rows.cur.stack.top[1];
    for position in 1..STACK_TOP {
        let seen = if position == 1 { second } else { E::ZERO };
        t.set(position, saves, seen);
        t.set(position, restores, rows.next.stack.top[position]);
    }
}

/// The top stays, which no table has a word in here.
#[inline(always)]
pub(super) fn constraints<B: ConstraintBuilder>(rows: &Rows<'_, B::Expr>, b: &mut B) {
    let [saves, restores] = flags(rows);
    b.assert_zero(
        "stack.saving_top",
        4,
        (saves + restores) * (rows.next.stack.top[0] - rows.cur.stack.top[0]),
    );
}

/// The messages of a stack that is saved, and comes back.
#[inline(always)]
pub(super) fn lookups<B: LookupBuilder>(rows: &Rows<'_, B::Expr>, b: &mut B) {
    let [saves, restores] = flags(rows);
    let saved = |time: B::Expr, stack: &StackCols<B::Expr>| {
        let [_, e1, e2, e3, e4, e5, elements @ ..] = stack.top;
        let frame = SavedFrame {
            time,
            elements: [e1, e2, e3, e4, e5],
            depth: stack.depth,
            overflow_ptr: stack.overflow_ptr,
        };
        (SavedElements { time, elements }, frame)
    };
    let (elements, frame) = saved(access_time(rows.cur.system.clk), &rows.cur.stack);
    b.add(Slot::OP[3], "stack.save", saves, saves, elements);
    b.add(Slot::OP[4], "stack.save_frame", saves, saves, frame);
    let (elements, frame) = saved(rows.cur.stack.overflow_ptr, &rows.next.stack);
    b.add(Slot::OP[3], "stack.restore", restores, -restores, elements);
    b.add(
        Slot::OP[4],
        "stack.restore_frame",
        restores,
        -restores,
        frame,
    );
}
