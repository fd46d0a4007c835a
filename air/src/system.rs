//! The system columns: the clock and the execution context.

use crate::{
    algebra::Algebra,
    builder::{ConstraintBuilder, CoreFrame},
    columns::SystemCols,
    composition::KERNEL_SOURCE,
    lookup::context_id,
    opcode::{OpFlags, SYSCALL},
};

/// Constraints of the clock and of the execution context.
///
/// A context is entered by a call, a destructor or a syscall and left by the END of one; the frame
/// that such an END restores comes off the call stack's bus. The marks are not restored: a boundary
/// is crossed either way.
///
/// The kernel is at (-1, 2^16), where no link leads and no call begins a domain: the id of that context
/// is 0, the root's, and its links are those of the kernel. In the same way who adopts the calls of an
/// installed instance has that one's index, and a domain with which its own context's id is what it was.
#[inline(always)]
pub fn constraints<B: ConstraintBuilder>(
    frame: &CoreFrame<'_, B::Expr>,
    ops: &OpFlags<B::Expr>,
    b: &mut B,
) {
    let cur = frame.cur;
    let next = &frame.next.system;
    let SystemCols {
        clk,
        domain,
        index,
        home,
        fn_hash,
        mark,
        sender,
    } = cur.system;
    b.assert_zero("system.clk", 1, next.clk - clk - B::Expr::ONE);

    let call = cur.decoder.call;
    let syscall = ops.op(SYSCALL);
    let destructor = ops.destructor();
    let end = cur.as_end();
    let leave = ops.leave(&end);
    let keep = (call + syscall + destructor + leave).not();
    // Who adopts keeps its context.
    let adopts = ops.intrinsic() * cur.as_intrinsic().adopts;
    let stays = keep - adopts;
    b.assert_zero("system.keep_domain", 4, stays * (next.domain - domain));
    b.assert_zero("system.keep_index", 4, stays * (next.index - index));
    b.assert_zero(
        "system.adopt_index",
        4,
        adopts * (next.index - frame.next.stack.top[0]),
    );
    b.assert_zero(
        "system.adopt_context",
        4,
        adopts * (context_id(next.domain, next.index) - context_id(domain, index)),
    );
    b.assert_zero("system.keep_home", 4, keep * (next.home - home));
    let fn_hash_change: [_; 4] = core::array::from_fn(|i| next.fn_hash[i] - fn_hash[i]);
    b.assert_zeros(
        "system.keep_fn_hash",
        4,
        fn_hash_change.map(|change| keep * change),
    );

    // The domain of an instance that is held is what its handle stands for; the link has that of one which an
    // import is wired to.
    let entry = cur.as_call();
    let new_domain = clk + B::Expr::ONE;
    let goes_home = entry.shared * entry.fresh.not();
    b.assert_zero(
        "system.call_domain",
        4,
        call * (entry.shared.not() * (next.domain - new_domain)
            + goes_home * (next.domain - home - entry.domain))
            + destructor * (next.domain - home),
    );
    // That domain is one beside the program's own.
    b.assert_zero(
        "system.call_made",
        5,
        call * goes_home * entry.domain * home,
    );
    let keeps_home = entry.keeps_home();
    b.assert_zero(
        "system.call_home",
        4,
        call * (next.home - new_domain - keeps_home * (home - new_domain))
            + destructor * (next.home - home),
    );
    let enter = call + destructor;
    b.assert_zero("system.call_index", 3, enter * (next.index - entry.target));
    b.assert_zeros(
        "system.call_fn_hash",
        3,
        core::array::from_fn::<_, 4, _>(|i| enter * (next.fn_hash[i] - entry.callee[i])),
    );

    b.assert_zero(
        "system.syscall_domain",
        4,
        syscall * (next.domain + B::Expr::ONE),
    );
    let kernel = B::Expr::int(u64::from(KERNEL_SOURCE));
    b.assert_zero("system.syscall_index", 4, syscall * (next.index - kernel));
    b.assert_zero("system.syscall_home", 4, syscall * next.home);
    b.assert_zeros(
        "system.syscall_fn_hash",
        4,
        fn_hash_change.map(|change| syscall * change),
    );

    // Tokens pass a call that keeps the home domain, with its parameters and with its results, and
    // nothing else.
    let cuts = syscall + ops.calls_destructor();
    let crosses = ops.enter(call) + leave;
    b.assert_zero(
        "system.mark",
        4,
        crosses * (next.mark - clk - B::Expr::ONE) + crosses.not() * (next.mark - mark),
    );
    b.assert_zero(
        "system.sender",
        5,
        call * (next.sender - keeps_home * mark)
            + cuts * next.sender
            + leave * (next.sender + end.passes_tokens * mark)
            + crosses.not() * (next.sender - sender),
    );
}
