//! Calls.
//!
//! In an open program a call enters a fresh context and executes the digest that it names. In a
//! composition the link table says what it means: which instance is entered, in the caller's home
//! domain (shared) or in a new one, and which digest is executed. An isolated callee has its own domain
//! for its home, a fresh one its caller's home. The state word of the instance, in VM-private memory,
//! says whether it exists and whether it is running.
//!
//! An instance can be made at run time, too: its handle stands in the caller's resource table for the
//! domain that is its own, and a call of what is held finds it there.
//!
//! A link may also lead to the VM itself. Such an intrinsic changes nothing but the top of the stack;
//! what it does to the resource table is asked of that chiplet. Dropping an own handle may call a
//! destructor, by a row of its own.

use miden_core::{FMP_ADDR, FMP_INIT_VALUE, Felt};

use crate::{
    algebra::Algebra,
    builder::{ConstraintBuilder, CoreFrame},
    columns::{AskedCells, STACK_TOP, TableRequestCells},
    composition::{FIRST_INSTANCE_TYPE, Intrinsic, IntrinsicCall, LinkKind},
    lookup::{
        KernelProcedure, LinkCoords, LinkLookup, LookupBuilder, MemoryElement, MemoryWord,
        SegmentInit, Slot, Space, TableRequest, access_time, context_id, context_key,
    },
    opcode::{DESTROY, END, OpFlags, SYSCALL},
};

/// Constraints of CALL, DYNCALL and SYSCALL rows, and of those of intrinsics.
#[inline(always)]
pub fn constraints<B: ConstraintBuilder>(
    frame: &CoreFrame<'_, B::Expr>,
    ops: &OpFlags<B::Expr>,
    b: &mut B,
) {
    let cur = frame.cur;
    let entry = cur.as_call();
    let call = cur.decoder.call;
    let (shared, fresh, creates) = (entry.shared, entry.fresh, entry.creates);
    // Both at once are a call of what the caller holds.
    b.assert_zeros(
        "call.kind_binary",
        3,
        [shared, fresh, creates].map(|flag| call * flag.binary()),
    );
    b.assert_zero("call.new_creates", 3, call * shared.not() * creates.not());
    // An instance that is created has no resource table yet; one that is not has one.
    b.assert_zeros(
        "call.created_state",
        3,
        [entry.free, entry.table_len].map(|cell| call * creates * cell),
    );
    let has_table = entry.table_len * entry.table_len_inv;
    b.assert_zero(
        "call.existing_state",
        4,
        call * creates.not() * has_table.not(),
    );

    let open_call = call * frame.composed.not();
    b.assert_zeros(
        "call.open",
        2,
        [shared, fresh, entry.target, entry.has_data, entry.domain].map(|cell| open_call * cell),
    );
    let named = entry.named;
    let renamed: [_; 4] = core::array::from_fn(|i| entry.callee[i] - named[i]);
    b.assert_zeros(
        "call.open_callee",
        2,
        renamed.map(|change| open_call * change),
    );

    let syscall = ops.op(SYSCALL);
    b.assert_zeros(
        "call.syscall_callee",
        4,
        renamed.map(|change| syscall * change),
    );

    let (intrinsic, destructor) = (ops.intrinsic(), ops.calls_destructor());
    b.assert_zero(
        "call.intrinsic_open",
        2,
        (intrinsic + destructor) * frame.composed.not(),
    );
    let cols = cur.as_intrinsic();
    b.assert_zero("call.intrinsic_unused", 3, intrinsic * cols.unused);
    // The opcodes that are those of one intrinsic.
    let is = |intrinsic: Intrinsic| cols.kind - B::Expr::int(intrinsic.code().into());
    let caller_id = ops.is_caller_id();
    b.assert_zero(
        "call.opcode_kind",
        4,
        intrinsic
            * (caller_id * is(Intrinsic::Caller) + ops.instantiates() * is(Intrinsic::Instantiate)),
    );
    // Who asks for its caller reads its state, and nobody else.
    b.assert_zeros(
        "call.intrinsic_state",
        4,
        cols.state.map(|cell| intrinsic * caller_id.not() * cell),
    );
    // Who adopts goes on with the calls of another instance, and nobody else does.
    let distance = is(Intrinsic::Adopt);
    b.assert_zero(
        "call.adopts",
        4,
        intrinsic * (cols.adopts.not() - distance * cols.kind_inv),
    );
    b.assert_zeros(
        "call.adopts_kind",
        4,
        [distance, cols.kind_inv].map(|cell| intrinsic * cols.adopts * cell),
    );
    // Who saves the stack and who restores it do, and nobody else does.
    let (from_save, from_restore) = (is(Intrinsic::Save), is(Intrinsic::Restore));
    let changes_stack = cols.changes_stack();
    b.assert_zero(
        "call.changes_stack",
        5,
        intrinsic * (changes_stack.not() - from_save * from_restore * cols.witness),
    );
    b.assert_zeros(
        "call.changes_stack_kind",
        4,
        [
            cols.saves * from_save,
            cols.restores * from_restore,
            changes_stack * cols.witness,
        ]
        .map(|both| intrinsic * both),
    );
    // The call of a destructor has no use for them either; above all, it creates no instance.
    b.assert_zeros(
        "call.destructor_unused",
        3,
        [cols.unused, cols.adopts].map(|cell| destructor * cell),
    );
    // It never begins a trace: what follows from the row before would follow from nothing.
    b.assert_zero(
        "call.destructor_not_first",
        4,
        destructor * (cur.system.clk * cols.witness).not(),
    );
    let own = ops.lo(3);
    let destroy_kind = B::Expr::int(IntrinsicCall::destructor(false).code().into());
    b.assert_zero(
        "call.destructor_kind",
        3,
        destructor * (cols.kind - destroy_kind - own),
    );
    let own_destructor = ops.own_destructor();
    b.assert_zeros(
        "call.own_destructor_state",
        3,
        [entry.free, entry.table_len].map(|cell| own_destructor * cell),
    );
    // Which destructor is called follows from what was dropped: the link is the same.
    let called = frame.next.as_intrinsic();
    let destroy = ops.op(DESTROY);
    b.assert_zeros(
        "call.destroy_named",
        4,
        core::array::from_fn::<_, 4, _>(|i| destroy * (called.named[i] - named[i])),
    );
}

/// Messages of CALL, DYNCALL and SYSCALL rows, of those of intrinsics, and of the END of a call.
#[inline(always)]
pub fn lookups<B: LookupBuilder>(
    frame: &CoreFrame<'_, B::Expr>,
    ops: &OpFlags<B::Expr>,
    b: &mut B,
) {
    let cur = frame.cur;
    let system = &cur.system;
    let entered = &frame.next.system;
    let entry = cur.as_call();
    let call = cur.decoder.call;
    let composed = call * frame.composed;
    let (zero, one) = (B::Expr::ZERO, B::Expr::ONE);
    let time = access_time(system.clk);

    // Intrinsics keep kind, definer, destructor and type in the same cells, and zeros for `fresh` and `domain`.
    let link = LinkCoords {
        source: system.index,
        digest: entry.named,
        kind: entry.shared.scale(Felt::from(LinkKind::SHARED_CODE))
            + entry.fresh.scale(Felt::from(LinkKind::FRESH_CODE)),
        target: entry.target,
        callee: entry.callee,
        payload: entry.has_data,
    };
    let (intrinsic, destructor) = (ops.intrinsic(), ops.destructor());
    b.add(
        Slot::CALL[0],
        "call.link",
        one,
        -(composed + intrinsic + ops.calls_destructor()),
        LinkLookup {
            link,
            domain: entry.domain,
        },
    );
    let cols = cur.as_intrinsic();
    // Who makes an instance asks for a new handle to a domain that no instance had before.
    let instantiates = ops.instantiates();
    let top = cur.stack.top[0];
    let request = TableRequestCells {
        asked: AskedCells {
            time,
            context: context_id(system.domain, system.index),
            home: context_id(system.home, cols.definer),
            mark: system.mark,
            sender: system.sender,
            input: top + instantiates * (time - top),
            output: frame.next.stack.top[0],
            second: cur.stack.top[1],
            third: cur.stack.top[2],
        },
        kind: cols.kind
            - instantiates.scale(Felt::from(
                Intrinsic::Instantiate.code() - Intrinsic::New.code(),
            )),
        destroys: ops.mid(1),
        resource: cols.resource,
    };
    b.add(
        Slot::OP[1],
        "call.table",
        intrinsic,
        intrinsic * (ops.is_caller_id() + cols.changes_stack()).not(),
        TableRequest { request },
    );
    // The handle of what is held is the last of the elements that cross.
    let held = TableRequestCells {
        kind: B::Expr::int(Intrinsic::Rep.code().into()),
        destroys: zero,
        resource: B::Expr::int(u64::from(FIRST_INSTANCE_TYPE) + 1) + entry.target,
        asked: AskedCells {
            input: cur.stack.top[STACK_TOP - 1],
            output: entered.domain,
            ..request.asked
        },
    };
    b.add(
        Slot::CALL[6],
        "call.held",
        one,
        call * entry.holds(),
        TableRequest { request: held },
    );

    let [free, table_len, borrows] = cols.state;
    b.add(
        Slot::OP[3],
        "call.caller_state",
        intrinsic * ops.is_caller_id(),
        intrinsic * ops.is_caller_id(),
        MemoryWord {
            context: context_key(system.domain, system.index, Space::State),
            address: zero,
            time,
            is_write: zero,
            value: [frame.next.stack.top[0] + one, free, table_len, borrows],
        },
    );

    let state = MemoryWord {
        context: context_key(entered.domain, entered.index, Space::State),
        address: zero,
        time,
        is_write: zero,
        // Not entered, no borrows.
        value: [zero, entry.free, entry.table_len, zero],
    };
    b.add(
        Slot::CALL[1],
        "call.state",
        one,
        composed * entry.shared + destructor,
        state,
    );
    let caller = context_id(system.domain, system.index);
    let running = MemoryWord {
        is_write: one,
        value: [
            caller + one,
            entry.free,
            entry.table_len + entry.creates,
            zero,
        ],
        ..state
    };
    let enters = composed + destructor;
    b.add(Slot::CALL[2], "call.enter", one, enters, running);
    let caller_word = MemoryWord {
        context: context_key(entered.domain, entered.index, Space::Caller),
        value: system.fn_hash,
        ..running
    };
    b.add(Slot::CALL[3], "call.caller", one, enters, caller_word);
    let context = context_key(entered.domain, entered.index, Space::User);
    let frame_pointer = MemoryElement {
        context,
        address: B::Expr::constant(FMP_ADDR),
        time,
        is_write: one,
        value: B::Expr::constant(FMP_INIT_VALUE),
    };
    b.add(
        Slot::CALL[4],
        "call.frame_pointer",
        one,
        call * entry.creates,
        frame_pointer,
    );
    let data = SegmentInit {
        context,
        instance: entry.target,
        time,
        segment: zero,
    };
    b.add(
        Slot::CALL[5],
        "call.data",
        one,
        composed * entry.creates * entry.has_data,
        data,
    );

    let syscall = ops.op(SYSCALL);
    let procedure = KernelProcedure {
        digest: entry.callee,
    };
    b.add(Slot::OP[3], "call.kernel", syscall, -syscall, procedure);

    let end = ops.op(END);
    let ended = cur.as_end();
    let returns = end * ended.call * frame.composed;
    let state = MemoryWord {
        context: context_key(system.domain, system.index, Space::State),
        address: zero,
        time,
        is_write: zero,
        value: [ended.entered_by, ended.free, ended.table_len, zero],
    };
    b.add(Slot::OP[3], "call.return_state", end, returns, state);
    let left = MemoryWord {
        is_write: one,
        value: [zero, ended.free, ended.table_len, zero],
        ..state
    };
    b.add(Slot::OP[4], "call.leave", end, returns, left);
}
