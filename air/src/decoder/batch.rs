//! The operations of a basic block.
//!
//! The registers hold the batch that the block's hash binds. A group moves from register 0 into
//! `group`, losing 7 bits with each operation; an immediate moves from register 0 onto the stack. The
//! registers shift down either way, zeros coming in. A batch is left when all of it is zero, so
//! every operation is bound but no-ops at the end of a group or batch.

use miden_core::Felt;

use crate::{
    algebra::Algebra,
    builder::{ConstraintBuilder, CoreFrame},
    columns::DecoderCols,
    opcode::{OpFlags, PUSH, RESPAN, SPAN},
};

/// Constraints of the batch registers and of the operation group.
#[inline(always)]
pub fn constraints<B: ConstraintBuilder>(
    frame: &CoreFrame<'_, B::Expr>,
    ops: &OpFlags<B::Expr>,
    next_ops: &OpFlags<B::Expr>,
    b: &mut B,
) {
    let DecoderCols {
        in_block,
        call,
        registers,
        group,
        position,
        group_start,
        ..
    } = frame.cur.decoder;
    let next = &frame.next.decoder;
    let two = B::Expr::int(2);

    let intrinsic = ops.intrinsic() + ops.calls_destructor();
    let idle = (in_block + call + intrinsic).not();
    b.assert_zero("batch.idle_group", 3, idle * group);
    b.assert_zero("batch.idle_group_start", 3, idle * group_start);
    b.assert_zeros("batch.idle_position", 3, position.map(|digit| idle * digit));

    b.assert_zeros(
        "batch.position_ternary",
        4,
        position.map(|digit| in_block * digit.binary() * (digit - two)),
    );
    b.assert_zero(
        "batch.group_start_binary",
        3,
        in_block * group_start.binary(),
    );
    let place = |position: [B::Expr; 2]| position[0] + position[1].scale(Felt::new(3));
    b.assert_zero(
        "batch.group_start_position",
        3,
        in_block * group_start * place(position),
    );
    let begins = ops.op(SPAN) + ops.op(RESPAN);
    b.assert_zero(
        "batch.begins_with_group",
        4,
        begins * next.group_start.not(),
    );

    let decoded = next_ops.code() + next.group.scale(Felt::new(128));
    let starts = next.in_block * next.group_start;
    let continues = next.in_block * next.group_start.not();
    b.assert_zero("batch.group_continues", 3, continues * (group - decoded));
    b.assert_zero(
        "batch.position_continues",
        3,
        continues * (place(next.position) - place(position) - B::Expr::ONE),
    );
    b.assert_zero("batch.group_starts", 3, starts * (registers[0] - decoded));
    b.assert_zero("batch.group_exhausted", 3, starts * group);

    let push = ops.op(PUSH);
    b.assert_zero("batch.push_not_last", 5, push * starts);
    let shift = push + next.group_start;
    b.assert_zeros(
        "batch.registers",
        5,
        core::array::from_fn::<_, 8, _>(|i| {
            let above = if i + 1 < 8 {
                registers[i + 1]
            } else {
                B::Expr::ZERO
            };
            next.in_block * (next.registers[i] - registers[i] - shift * (above - registers[i]))
        }),
    );

    let leaves = in_block * next.in_block.not();
    b.assert_zero("batch.leaves_no_group", 3, leaves * group);
    b.assert_zeros(
        "batch.leaves_no_register",
        3,
        registers.map(|register| leaves * register),
    );
}
