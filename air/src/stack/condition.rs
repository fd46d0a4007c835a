//! The requirements of operations on the topmost element.

use super::Rows;
use crate::{algebra::Algebra, builder::ConstraintBuilder, opcode::*};

/// Conditions on the topmost element (and, for AND and OR, on the one below it).
#[inline(always)]
pub(super) fn constraints<B: ConstraintBuilder>(rows: &Rows<'_, B::Expr>, b: &mut B) {
    let Rows { cur, ops, .. } = *rows;
    let [top, second, ..] = cur.stack.top;

    let two = ops.op(AND) + ops.op(OR);
    let one = two + ops.op(NOT) + ops.op(CSWAP) + ops.op(CSWAPW) + ops.op(SPLIT) + ops.op(LOOP);
    b.assert_zero("stack.binary", 5, one * top.binary());
    b.assert_zero("stack.binary_second", 5, two * second.binary());

    // A loop repeats on 1 and is left on 0: any other value stops the execution.
    let is_one = ops.op(ASSERT) + ops.op(REPEAT);
    b.assert_zero("stack.one", 4, is_one * (top - B::Expr::ONE));
    let loop_ends = ops.op(END) * cur.as_end().entered_loop;
    b.assert_zero("stack.loop_ends", 4, loop_ends * top);
}
