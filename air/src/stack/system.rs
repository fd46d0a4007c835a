//! Operations that read the state of the machine.

use super::{Rows, Transition};
use crate::{
    algebra::Algebra,
    builder::ConstraintBuilder,
    lookup::{LookupBuilder, MemoryWord, Slot, Space, access_time, context_key},
    opcode::*,
};

/// CLK, SDEPTH and CALLER.
#[inline(always)]
pub(super) fn transition<E: Algebra>(rows: &Rows<'_, E>, t: &mut Transition<'_, E>) {
    let Rows {
        cur, ops, composed, ..
    } = *rows;
    t.push(ops.op(CLK), cur.system.clk);
    t.push(ops.op(SDEPTH), cur.stack.depth);

    // Between components, the caller is not in the fn hash, which is that of the context: the
    // instance keeps it in a word of memory. The kernel and open programs do as Miden VM does.
    let from_memory = composed * cur.helpers[4].not();
    let flag = ops.op(CALLER);
    for i in 0..4 {
        let fn_hash = cur.system.fn_hash[3 - i];
        let kept = cur.helpers[3 - i];
        t.set(i, flag, fn_hash + from_memory * (kept - fn_hash));
    }
}

/// CALLER's helpers 4 and 5: whether the kernel runs, whose domain is -1, and the inverse that shows
/// that it does not.
#[inline(always)]
pub(super) fn constraints<B: ConstraintBuilder>(rows: &Rows<'_, B::Expr>, b: &mut B) {
    let Rows { cur, ops, .. } = *rows;
    let caller = ops.op(CALLER);
    let [.., in_kernel, inverse] = cur.helpers;
    let distance = cur.system.domain + B::Expr::ONE;
    b.assert_zero("stack.caller_kernel", 5, caller * in_kernel * distance);
    b.assert_zero(
        "stack.caller_not_kernel",
        5,
        caller * (in_kernel.not() - distance * inverse),
    );
}

/// The caller's word of the running instance, read by CALLER in a composition.
#[inline(always)]
pub(super) fn lookups<B: LookupBuilder>(rows: &Rows<'_, B::Expr>, b: &mut B) {
    let Rows {
        cur, ops, composed, ..
    } = *rows;
    let flag = ops.op(CALLER);
    let [h0, h1, h2, h3, ..] = cur.helpers;
    b.add(
        Slot::OP[0],
        "stack.caller",
        flag,
        flag * composed,
        MemoryWord {
            context: context_key(cur.system.domain, cur.system.index, Space::Caller),
            address: B::Expr::ZERO,
            time: access_time(cur.system.clk),
            is_write: B::Expr::ZERO,
            value: [h0, h1, h2, h3],
        },
    );
}
