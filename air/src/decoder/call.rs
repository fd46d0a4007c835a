//! Calls.
//!
//! In an open program a call enters a fresh context and executes the digest that it names. In a
//! composition the link table says what it means: which instance is entered, in the caller's domain
//! (shared) or in a new one (isolated), and which digest is executed. The state word of the instance,
//! in VM-private memory, says whether it exists and whether it is running.

use miden_core::{FMP_ADDR, FMP_INIT_VALUE};

use crate::{
    algebra::Algebra,
    builder::{ConstraintBuilder, Frame},
    lookup::{
        KernelProcedure, LinkCoords, LinkLookup, LookupBuilder, MemoryElement, MemoryWord,
        Obligation, Slot, Space, access_time, context_id, context_key,
    },
    opcode::{END, OpFlags, SYSCALL},
};

/// Constraints of CALL, DYNCALL and SYSCALL rows.
#[inline(always)]
pub fn constraints<B: ConstraintBuilder>(
    frame: &Frame<'_, B::Expr>,
    ops: &OpFlags<B::Expr>,
    b: &mut B,
) {
    let cur = &frame.cur.core;
    let entry = cur.as_call();
    let call = cur.decoder.call;
    let (shared, creates) = (entry.shared, entry.creates);
    b.assert_zeros(
        "call.kind_binary",
        3,
        [shared, creates].map(|flag| call * flag.binary()),
    );
    b.assert_zero(
        "call.isolated_creates",
        3,
        call * shared.not() * creates.not(),
    );
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
    b.assert_zero(
        "call.owes",
        3,
        call * (entry.owes - creates * entry.has_data),
    );

    let open_call = call * frame.composed.not();
    b.assert_zeros(
        "call.open",
        2,
        [shared, entry.target, entry.has_data].map(|cell| open_call * cell),
    );
    let named = entry.named;
    let renamed: [_; 4] = core::array::from_fn(|i| entry.callee[i] - named[i]);
    b.assert_zeros(
        "call.open_callee",
        2,
        renamed.map(|change| open_call * change),
    );
    let composed_call = call * frame.composed;
    b.assert_zero(
        "call.not_in_syscall",
        2,
        composed_call * cur.system.in_syscall,
    );

    let syscall = ops.op(SYSCALL);
    b.assert_zeros(
        "call.syscall_callee",
        4,
        renamed.map(|change| syscall * change),
    );
}

/// Messages of CALL, DYNCALL and SYSCALL rows, and of the END of a call.
#[inline(always)]
pub fn lookups<B: LookupBuilder>(frame: &Frame<'_, B::Expr>, ops: &OpFlags<B::Expr>, b: &mut B) {
    let cur = &frame.cur.core;
    let system = &cur.system;
    let entered = &frame.next.core.system;
    let entry = cur.as_call();
    let call = cur.decoder.call;
    let composed = call * frame.composed;
    let (zero, one) = (B::Expr::ZERO, B::Expr::ONE);
    let time = access_time(system.clk);

    let link = LinkCoords {
        source: system.index,
        digest: entry.named,
        shared: entry.shared,
        target: entry.target,
        callee: entry.callee,
        has_data: entry.has_data,
    };
    b.add(
        Slot::CALL[0],
        "call.link",
        one,
        -composed,
        LinkLookup { link },
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
        composed * entry.shared,
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
    b.add(Slot::CALL[2], "call.enter", one, composed, running);
    let caller_word = MemoryWord {
        context: context_key(entered.domain, entered.index, Space::Caller),
        value: system.fn_hash,
        ..running
    };
    b.add(Slot::CALL[3], "call.caller", one, composed, caller_word);
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
    let data = Obligation {
        context,
        instance: entry.target,
        time,
        segment: zero,
    };
    b.add(Slot::CALL[5], "call.data", one, composed * entry.owes, data);

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
