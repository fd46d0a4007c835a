//! Opcodes, and which row may follow which.

use crate::{
    algebra::Algebra,
    builder::{ConstraintBuilder, CoreFrame},
    opcode::{
        DESTROY, END, FORBIDDEN, FRIE2F4, HALT, HORNERBASE, HORNEREXT, OpFlags, OpcodeSet, REPEAT,
        RESPAN, SPAN,
    },
};

/// Constraints of the opcode columns and of the order of rows.
#[inline(always)]
pub fn constraints<B: ConstraintBuilder>(
    frame: &CoreFrame<'_, B::Expr>,
    ops: &OpFlags<B::Expr>,
    next_ops: &OpFlags<B::Expr>,
    b: &mut B,
) {
    let op = &frame.cur.op;
    let sum = |flags: &[B::Expr]| flags.iter().fold(B::Expr::ZERO, |sum, &flag| sum + flag);
    b.assert_zeros("decoder.op_hi_binary", 2, op.hi.map(Algebra::binary));
    b.assert_zeros("decoder.op_mid_binary", 2, op.mid.map(Algebra::binary));
    b.assert_zeros("decoder.op_lo_binary", 2, op.lo.map(Algebra::binary));
    b.assert_zeros(
        "decoder.op_one_hot",
        1,
        [sum(&op.hi).not(), sum(&op.mid).not(), sum(&op.lo).not()],
    );
    let forbidden = FORBIDDEN
        .iter()
        .fold(B::Expr::ZERO, |sum, &code| sum + ops.op(code));
    b.assert_zero("decoder.op_forbidden", 3, forbidden);
    b.assert_zero(
        "decoder.op_u32_even",
        2,
        ops.class(4) * (ops.lo(1) + ops.lo(3)),
    );
    b.assert_zero(
        "decoder.op_control_low_bits",
        2,
        ops.class(7) * ops.lo(0).not(),
    );

    let decoder = &frame.cur.decoder;
    let in_block = decoder.in_block;
    let horner = ops.op(HORNERBASE) + ops.op(HORNEREXT);
    let operation = ops.any(&OpcodeSet::OPERATIONS);
    b.assert_zero("decoder.in_block", 3, in_block - operation);
    let call = ops.any(&OpcodeSet::CALLS);
    b.assert_zero("decoder.call", 3, decoder.call - call);
    b.assert_zero(
        "decoder.polynomial",
        3,
        decoder.polynomial - horner - ops.op(FRIE2F4),
    );

    let next_in_block = frame.next.decoder.in_block;
    let begins = ops.op(SPAN) + ops.op(RESPAN);
    b.assert_zero("decoder.block_begins", 4, begins * next_in_block.not());
    b.assert_zero(
        "decoder.block_continues",
        4,
        next_in_block * (in_block + begins).not(),
    );
    let (next_end, next_repeat) = (next_ops.op(END), next_ops.op(REPEAT));
    let (next_respan, next_halt) = (next_ops.op(RESPAN), next_ops.op(HALT));
    b.assert_zero(
        "decoder.block_ends",
        3,
        in_block * (next_in_block + next_end + next_respan).not(),
    );
    b.assert_zero("decoder.respan_in_block", 3, next_respan * in_block.not());

    // An intrinsic ends at once, unless it calls a destructor first.
    b.assert_zero(
        "decoder.intrinsic_ends",
        5,
        ops.plain_intrinsic() * next_end.not(),
    );
    let destroy = ops.op(DESTROY);
    let next_destructor = next_ops.calls_destructor();
    b.assert_zero("decoder.destroy_calls", 5, destroy * next_destructor.not());
    b.assert_zero(
        "decoder.destructor_destroys",
        5,
        next_destructor * destroy.not(),
    );

    let (end, halt) = (ops.op(END), ops.op(HALT));
    b.assert_zero("decoder.halt_stays", 4, halt * next_halt.not());
    b.assert_zero("decoder.halt_after_end", 4, next_halt * (halt + end).not());
    b.assert_zero("decoder.halt_outside", 3, halt * decoder.block);
    let loop_body = frame.cur.as_end().loop_body;
    b.assert_zero(
        "decoder.repeat_after_body",
        5,
        next_repeat * (end * loop_body).not(),
    );
    b.assert_zero(
        "decoder.body_then_repeat_or_end",
        5,
        end * loop_body * (next_repeat + next_end).not(),
    );
    let first_child = (next_end + next_repeat + next_halt).not();
    b.assert_zero(
        "decoder.end_first_child",
        4,
        end * (frame.cur.as_end().first_child - first_child),
    );
}
