//! The tree of blocks.
//!
//! A block's id is the cycle after the row that began it, so it is unique. The row that begins it
//! sends the block, the children that have to be executed, and asks the hasher for the hash of what
//! it saw; its END receives the block, reads the digest of that very hash, and receives the child
//! with that digest from its parent.
//!
//! An intrinsic is a CALL node without a child; if it calls a destructor, its second row begins the
//! block, in the name of the first.

use miden_core::Felt;

use crate::{
    algebra::Algebra,
    builder::{ConstraintBuilder, CoreFrame},
    columns::DecoderCols,
    lookup::{
        BlockEntry, CallEntry, ChildBlock, HashAbsorb, HashDigest, HashInput, LookupBuilder,
        MemoryWord, Slot, Space, access_time, context_key,
    },
    opcode::{CALL, DYN, DYNCALL, END, JOIN, LOOP, OpFlags, REPEAT, RESPAN, SPLIT, SYSCALL},
};

/// Constraints of block ids, hasher addresses, and of which children a block has.
#[inline(always)]
pub fn constraints<B: ConstraintBuilder>(
    frame: &CoreFrame<'_, B::Expr>,
    ops: &OpFlags<B::Expr>,
    next_ops: &OpFlags<B::Expr>,
    b: &mut B,
) {
    let cur = frame.cur;
    let DecoderCols {
        block,
        address,
        call,
        registers,
        ..
    } = cur.decoder;
    let next = &frame.next.decoder;
    let top = cur.stack.top[0];
    let next_clk = cur.system.clk + B::Expr::ONE;

    let start = ops.start(call);
    let (end, respan) = (ops.op(END), ops.op(RESPAN));
    let destructor = ops.calls_destructor();
    b.assert_zero(
        "block.start_id",
        4,
        start * (next.block - next_clk) + destructor * (next.block - cur.system.clk),
    );
    let starts = start + destructor;
    b.assert_zero(
        "block.keep_id",
        4,
        (starts + end).not() * (next.block - block),
    );
    let batch = address + B::Expr::int(8);
    b.assert_zero("block.respan_address", 3, respan * (next.address - batch));
    b.assert_zero(
        "block.keep_address",
        4,
        (starts + end + respan).not() * (next.address - address),
    );

    // JOIN runs both children, SPLIT the one that the condition says, LOOP its body if the
    // condition holds; a basic block has none.
    let plain = ops.plain_node();
    let (split, is_loop, join) = (ops.lo(0), ops.lo(1), ops.lo(3));
    let [first, second, ..] = cur.helpers;
    b.assert_zero(
        "block.first_child",
        4,
        plain * (first - join - (split + is_loop) * top),
    );
    b.assert_zero(
        "block.second_child",
        4,
        plain * (second - join - split * top.not()),
    );

    let ended = cur.as_end();
    b.assert_zeros(
        "block.end_binary",
        4,
        [
            ended.loop_body,
            ended.entered_loop,
            ended.call,
            ended.syscall,
            ended.passes_tokens,
            ended.own_destructor,
        ]
        .map(|flag| end * flag.binary()),
    );
    let left_call = ended.any_call();
    b.assert_zero("block.end_one_call", 4, end * left_call.binary());
    b.assert_zero(
        "block.end_call_or_loop",
        4,
        end * left_call * ended.entered_loop,
    );

    let repeat = next_ops.op(REPEAT);
    b.assert_zeros(
        "block.repeat_digest",
        3,
        core::array::from_fn::<_, 4, _>(|i| repeat * (next.registers[i] - registers[i])),
    );
}

/// The hash domain of a node: its opcode in the hasher's second capacity element.
fn node_input<E: Algebra>(address: E, domain: E, rate: [E; 8]) -> HashInput<E> {
    let zero = E::ZERO;
    let [r0, r1, r2, r3, r4, r5, r6, r7] = rate;
    let state = [zero, domain, zero, zero, r0, r1, r2, r3, r4, r5, r6, r7];
    HashInput { address, state }
}

/// Messages of the block tree.
#[inline(always)]
pub fn lookups<B: LookupBuilder>(
    frame: &CoreFrame<'_, B::Expr>,
    ops: &OpFlags<B::Expr>,
    b: &mut B,
) {
    let cur = frame.cur;
    let next = frame.next;
    let DecoderCols {
        block,
        address,
        call,
        registers,
        ..
    } = cur.decoder;
    let [r0, r1, r2, r3, r4, r5, r6, r7] = registers;
    let system = &cur.system;
    let (zero, one) = (B::Expr::ZERO, B::Expr::ONE);
    let child = system.clk + one;
    let constant = |code: u8| B::Expr::int(u64::from(code));
    let scaled = |flag: B::Expr, code: u8| flag.scale(Felt::from(code));

    // Entering a block.
    let plain = ops.plain_node();
    let [first, second, ..] = cur.helpers;
    let entry = BlockEntry {
        block: child,
        entered_loop: zero,
        parent: block,
        parent_address: address,
    };
    let entered_loop = ops.lo(1) * first;
    b.add(
        Slot::OP[0],
        "block.enter",
        plain,
        plain,
        BlockEntry {
            entered_loop,
            ..entry
        },
    );
    let dyn_node = ops.op(DYN);
    b.add(Slot::OP[0], "block.enter_dyn", dyn_node, dyn_node, entry);
    let intrinsic = ops.plain_intrinsic();
    b.add(
        Slot::OP[0],
        "block.enter_intrinsic",
        intrinsic,
        intrinsic,
        entry,
    );
    let syscall = ops.op(SYSCALL);
    let called = cur.as_call();
    let call_entry = CallEntry {
        block: child,
        kind: called.keeps_home().scale(Felt::new(2)),
        parent: block,
        parent_address: address,
        domain: system.domain,
        index: system.index,
        home: system.home,
        fn_hash: system.fn_hash,
        depth: called.saved_depth,
        overflow_ptr: called.saved_overflow_ptr,
    };
    b.add(Slot::OP[0], "block.enter_call", call, call, call_entry);
    b.add(
        Slot::OP[0],
        "block.enter_syscall",
        syscall,
        syscall,
        CallEntry {
            kind: one,
            ..call_entry
        },
    );
    // The row before began the block.
    let destructor = ops.calls_destructor();
    let own = ops.lo(3);
    b.add(
        Slot::OP[0],
        "block.enter_destructor",
        destructor,
        destructor,
        CallEntry {
            block: system.clk,
            kind: own.scale(Felt::new(4)),
            ..call_entry
        },
    );

    // The children that have to be executed. The body of a loop begins on the next row; that its
    // message has its id keeps a REPEAT row, which takes the digest of the body that has just
    // ended, from vouching for that one.
    let body_id = child + one;
    let left = ChildBlock {
        parent: child,
        digest: [r0, r1, r2, r3],
        first_child: ops.lo(3),
        body: ops.lo(1) * body_id,
    };
    let only = ChildBlock {
        first_child: zero,
        body: zero,
        ..left
    };
    b.add(Slot::OP[1], "block.first_child", plain, plain * first, left);
    let right = ChildBlock {
        digest: [r4, r5, r6, r7],
        ..only
    };
    b.add(
        Slot::OP[3],
        "block.second_child",
        plain,
        plain * second,
        right,
    );
    b.add(Slot::OP[1], "block.dyn_child", dyn_node, dyn_node, only);
    let callee = ChildBlock {
        digest: called.callee,
        ..only
    };
    b.add(Slot::OP[1], "block.callee", call, call, callee);
    b.add(
        Slot::OP[1],
        "block.syscall_callee",
        syscall,
        syscall,
        callee,
    );
    b.add(
        Slot::OP[1],
        "block.destructor_callee",
        destructor,
        destructor,
        ChildBlock {
            parent: system.clk,
            ..callee
        },
    );
    let repeat = ops.op(REPEAT);
    let body = ChildBlock {
        parent: block,
        body: body_id,
        ..only
    };
    b.add(Slot::OP[1], "block.repeat_body", repeat, repeat, body);

    // The hash of the node.
    let at = next.decoder.address;
    let domain = scaled(ops.lo(0), SPLIT) + scaled(ops.lo(1), LOOP) + scaled(ops.lo(3), JOIN);
    b.add(
        Slot::OP[2],
        "block.hash_node",
        plain,
        -plain,
        node_input(at, domain, registers),
    );
    let nothing = [zero; 8];
    let input = node_input(at, constant(DYN), nothing);
    b.add(Slot::OP[2], "block.hash_dyn", dyn_node, -dyn_node, input);
    let dyncall = ops.op(DYNCALL);
    let input = node_input(at, constant(DYNCALL), nothing);
    b.add(Slot::OP[2], "block.hash_dyncall", dyncall, -dyncall, input);
    let callee_only = [r0, r1, r2, r3, zero, zero, zero, zero];
    let static_call = ops.op(CALL) + intrinsic + destructor;
    let input = node_input(at, constant(CALL), callee_only);
    b.add(
        Slot::OP[2],
        "block.hash_call",
        static_call,
        -static_call,
        input,
    );
    let input = node_input(at, constant(SYSCALL), callee_only);
    b.add(Slot::OP[2], "block.hash_syscall", syscall, -syscall, input);
    let respan = ops.op(RESPAN);
    let absorbed = HashAbsorb {
        address: at,
        rate: registers,
    };
    b.add(Slot::OP[2], "block.hash_batch", respan, -respan, absorbed);

    // DYN and DYNCALL find the callee's digest in memory.
    let dynamic = dyn_node + dyncall;
    let digest = MemoryWord {
        context: context_key(system.domain, system.index, Space::User),
        address: cur.stack.top[0],
        time: access_time(system.clk),
        is_write: zero,
        value: [r0, r1, r2, r3],
    };
    b.add(Slot::OP[3], "block.dyn_digest", dynamic, dynamic, digest);

    // Leaving a block.
    let end = ops.op(END);
    let ended = cur.as_end();
    let left_call = ops.leave(&ended);
    let left_plain = end - left_call;
    let entry = BlockEntry {
        block,
        entered_loop: ended.entered_loop,
        parent: next.decoder.block,
        parent_address: next.decoder.address,
    };
    b.add(Slot::OP[0], "block.leave", left_plain, -left_plain, entry);
    let entry = CallEntry {
        block,
        kind: ended.syscall
            + ended.passes_tokens.scale(Felt::new(2))
            + ended.own_destructor.scale(Felt::new(4)),
        parent: next.decoder.block,
        parent_address: next.decoder.address,
        domain: next.system.domain,
        index: next.system.index,
        home: next.system.home,
        fn_hash: next.system.fn_hash,
        depth: next.stack.depth,
        overflow_ptr: next.stack.overflow_ptr,
    };
    b.add(
        Slot::OP[0],
        "block.leave_call",
        left_call,
        -left_call,
        entry,
    );
    let done = ChildBlock {
        parent: next.decoder.block,
        digest: ended.digest,
        first_child: ended.first_child,
        body: ended.loop_body * block,
    };
    b.add(Slot::OP[1], "block.done", end, -end, done);
    let digest = HashDigest {
        address: address + B::Expr::int(7),
        digest: ended.digest,
    };
    b.add(Slot::OP[2], "block.digest", end, -end, digest);
}
