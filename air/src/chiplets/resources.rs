//! Resource tables: what intrinsics do to the handles of the running instance, as the Component
//! Model's Canonical ABI says (`canon resource.new`, `resource.rep`, `resource.drop`, `lift_own`,
//! `lift_borrow`, `lower_own`, `lower_borrow`).
//!
//! An operation is a pair of rows: on the even one stands what was asked, and the state of the
//! instance and the entry as they were; on the odd one what becomes of them, in VM-private memory. A
//! handle on its way between instances is a token, a message of its own bus: made by the sender, used
//! up once. Nobody can make one otherwise, and discarding one that is not received harms nobody.
//!
//! Pairs without an operation fill the table up. The last row is the outcome of none, as it sends
//! nothing.

use core::mem::size_of;

use miden_core::Felt;

use crate::{
    algebra::Algebra,
    builder::{ConstraintBuilder, ResourceFrame},
    columns::{ResourceOutcome, ResourceRow, TokenCells, cells_of},
    composition::{Intrinsic, IntrinsicCall},
    lookup::{
        LookupBuilder, MemoryElement, MemoryWord, RangeCheck, Slot, Space, TableRequest, Token,
        space_key,
    },
};

/// Cells of an even row.
const ROW_WIDTH: usize = size_of::<ResourceRow<u8>>();

/// Cells of an odd row: fewer.
const OUTCOME_WIDTH: usize = size_of::<ResourceOutcome<u8>>();

/// Constraints of the resource tables.
#[inline(always)]
pub fn constraints<B: ConstraintBuilder>(frame: &ResourceFrame<'_, B::Expr>, b: &mut B) {
    let is_request = frame.periodic.odd.not();
    let row = frame.cur;
    let outcome = frame.next.outcome();
    kind(is_request, row, b);
    handle(is_request, row, b);
    state(is_request, row, outcome, b);
    entry(is_request, row, outcome, b);
    token(is_request, row, outcome, b);
    memory(is_request, row, outcome, b);

    let ResourceRow { op, request, .. } = row;
    let (one, entry) = (B::Expr::ONE, &row.entry);
    let destroyed = request.destroys * entry[0];
    let answer = (op.new + op.receive) * row.handle
        + op.rep * entry[0]
        + op.drop * destroyed
        + op.send * request.asked.time
        + op.receive_rep * outcome.token.rep
        + op.memory * (one - row.own) * outcome.value;
    b.assert_zero(
        "resources.output",
        4,
        is_request * (request.asked.output - answer),
    );

    let flags = [
        (outcome.writes_state, op.new + op.receive + row.frees),
        (
            outcome.writes_entry,
            op.new + op.receive + op.drop + op.send,
        ),
        (outcome.puts, op.send),
        (outcome.takes, op.receive + op.receive_rep + op.discard),
        (outcome.accesses, op.memory),
    ];
    b.assert_zeros(
        "resources.outcome_flags",
        2,
        flags.map(|(cell, flag)| is_request * (cell - flag)),
    );
    let copies = [
        (outcome.time, request.asked.time),
        (outcome.home, request.asked.home),
        (outcome.handle, row.handle),
        (outcome.is_write, op.memory * row.own),
        (outcome.address, op.memory * request.asked.input),
        (
            outcome.context,
            request.asked.context + op.memory * (request.asked.second - request.asked.context),
        ),
    ];
    b.assert_zeros(
        "resources.outcome_copies",
        3,
        copies.map(|(cell, value)| is_request * (cell - value)),
    );
    // Nobody asks where there is no operation, or a token is discarded.
    let asked = op.new + op.rep + op.drop + op.send + op.receive + op.receive_rep + op.memory;
    b.assert_zeros(
        "resources.unasked",
        3,
        [
            request.asked.time,
            request.asked.context,
            request.asked.home,
        ]
        .map(|cell| is_request * asked.not() * cell),
    );
    let answers = frame.periodic.odd;
    let cells = cells_of::<B::Expr, _>(row);
    b.assert_zeros(
        "resources.outcome_unused",
        2,
        core::array::from_fn::<_, { ROW_WIDTH - OUTCOME_WIDTH }, _>(|i| {
            answers * cells[OUTCOME_WIDTH + i]
        }),
    );
}

/// The operation, and how it shows in the kind of the call.
#[inline(always)]
fn kind<B: ConstraintBuilder>(is_request: B::Expr, row: &ResourceRow<B::Expr>, b: &mut B) {
    let ResourceRow {
        op,
        own,
        by_definer,
        destructible,
        back,
        frees,
        destroys,
        grows,
        request,
        ..
    } = *row;
    let ops = [
        op.new,
        op.rep,
        op.drop,
        op.send,
        op.receive,
        op.receive_rep,
        op.memory,
        op.discard,
    ];
    b.assert_zeros(
        "resources.op_binary",
        3,
        ops.map(|op| is_request * op.binary()),
    );
    let sum = ops.iter().fold(B::Expr::ZERO, |sum, &op| sum + op);
    b.assert_zero("resources.one_op", 3, is_request * sum.binary());
    b.assert_zeros(
        "resources.flag_binary",
        3,
        [own, by_definer, destructible, back, grows].map(|flag| is_request * flag.binary()),
    );
    // Flags that an operation has no use for are zero.
    b.assert_zeros(
        "resources.flag_unused",
        3,
        [
            (op.drop + op.send + op.receive + op.memory).not() * own,
            op.drop.not() * by_definer,
            op.drop.not() * destructible,
            op.receive.not() * back,
        ]
        .map(|unused| is_request * unused),
    );

    let code = |call: IntrinsicCall| B::Expr::int(call.code().into());
    let of = |intrinsic: Intrinsic| code(IntrinsicCall::of(intrinsic));
    let receive_rep = IntrinsicCall {
        by_definer: true,
        ..IntrinsicCall::of(Intrinsic::RecvBorrow)
    };
    let kinds = op.new * of(Intrinsic::New)
        + op.rep * of(Intrinsic::Rep)
        + op.drop * (of(Intrinsic::Drop) + by_definer + destructible + destructible)
        + op.send * (of(Intrinsic::SendBorrow) - own)
        + op.receive * (of(Intrinsic::RecvBorrow) - own)
        + op.receive_rep * code(receive_rep)
        + op.memory * (of(Intrinsic::Load) + own);
    b.assert_zero("resources.kind", 3, is_request * (request.kind - kinds));

    b.assert_zero(
        "resources.frees",
        3,
        is_request * (frees - op.drop - op.send * own),
    );
    b.assert_zero(
        "resources.destroys",
        4,
        is_request * (destroys - op.drop * own * destructible),
    );
    b.assert_zero(
        "resources.request_destroys",
        2,
        is_request * (request.destroys - destroys),
    );
}

/// Constrains the entry that is concerned: the one freed last or the one after all others for a new
/// handle, else the one that is named.
#[inline(always)]
fn handle<B: ConstraintBuilder>(is_request: B::Expr, row: &ResourceRow<B::Expr>, b: &mut B) {
    let ResourceRow {
        op, grows, request, ..
    } = *row;
    let [_, free, len, _] = row.state;
    b.assert_zero("resources.grows", 3, is_request * grows * free);
    b.assert_zero(
        "resources.grows_not",
        3,
        is_request * (grows.not() - free * row.free_inv),
    );
    b.assert_zero(
        "resources.handle_new",
        4,
        is_request * (op.new + op.receive) * (row.handle - free - grows * len),
    );
    b.assert_zero(
        "resources.handle_named",
        3,
        is_request * (op.rep + op.drop + op.send) * (row.handle - request.asked.input),
    );
    let some = op.new + op.rep + op.drop + op.send + op.receive;
    b.assert_zero(
        "resources.handle_none",
        3,
        is_request * some.not() * row.handle,
    );
}

/// The state of the instance: free list, length of the table, borrows.
#[inline(always)]
fn state<B: ConstraintBuilder>(
    is_request: B::Expr,
    row: &ResourceRow<B::Expr>,
    outcome: &ResourceOutcome<B::Expr>,
    b: &mut B,
) {
    let ResourceRow { op, own, frees, .. } = *row;
    let [entered_by, _, len, borrows] = row.state;
    let allocates = op.new + op.receive;
    let changes = allocates + frees;
    let borrowed = (op.receive - op.drop) * own.not();
    let after = [
        changes * entered_by,
        allocates * row.entry[0] + frees * row.handle,
        changes * len + allocates * row.grows,
        changes * borrows + borrowed,
    ];
    b.assert_zeros(
        "resources.state",
        3,
        core::array::from_fn::<_, 4, _>(|i| is_request * (outcome.state[i] - after[i])),
    );
    // Whoever drops an own handle calls the definer, although nothing happens there without a
    // destructor: it must not be running.
    let drops_own = op.drop * own;
    b.assert_zero(
        "resources.guards",
        4,
        is_request * (outcome.guards - (drops_own - row.destroys) * row.by_definer.not()),
    );
}

/// The entry: what it must have been, and what it becomes.
#[inline(always)]
fn entry<B: ConstraintBuilder>(
    is_request: B::Expr,
    row: &ResourceRow<B::Expr>,
    outcome: &ResourceOutcome<B::Expr>,
    b: &mut B,
) {
    let ResourceRow {
        op,
        own,
        frees,
        entry,
        request,
        ..
    } = *row;
    let [rep, resource, owned, lent] = entry;
    let allocates = op.new + op.receive;
    let named = op.rep + op.drop + op.send;
    b.assert_zeros(
        "resources.entry_free",
        3,
        [resource, owned, lent].map(|cell| is_request * allocates * cell),
    );
    b.assert_zero(
        "resources.entry_resource",
        3,
        is_request * named * (resource - request.resource),
    );
    b.assert_zero(
        "resources.entry_own",
        4,
        is_request * (op.drop * (owned - own) + op.send * own * owned.not()),
    );
    // A handle is lent while the mark under which that happened is the current one.
    b.assert_zero(
        "resources.entry_not_lent",
        4,
        is_request * frees * ((request.asked.mark - lent) * row.witness).not(),
    );

    // What is sent without the ownership is lent: `frees` is `drop + send * own`.
    let lends = op.send + op.drop - frees;
    let after = [
        op.new * request.asked.input
            + op.receive * outcome.token.rep
            + frees * row.state[1]
            + lends * rep,
        (allocates + lends) * request.resource,
        op.new + op.receive * own + lends * owned,
        lends * request.asked.mark,
    ];
    b.assert_zeros(
        "resources.entry",
        3,
        core::array::from_fn::<_, 4, _>(|i| is_request * (outcome.entry[i] - after[i])),
    );
}

/// The token that is made or used up.
#[inline(always)]
fn token<B: ConstraintBuilder>(
    is_request: B::Expr,
    row: &ResourceRow<B::Expr>,
    outcome: &ResourceOutcome<B::Expr>,
    b: &mut B,
) {
    let ResourceRow {
        op,
        own,
        back,
        request,
        ..
    } = *row;
    let TokenCells {
        id,
        mark,
        resource,
        own: owned,
        rep,
    } = outcome.token;
    let receives = op.receive + op.receive_rep;
    b.assert_zero(
        "resources.token_id",
        3,
        is_request * (op.send * (id - request.asked.time) + receives * (id - request.asked.input)),
    );
    // It was sent under the mark before the last boundary: by the caller, or by the callee, whose
    // borrows do not come back with it.
    let sent = mark - back * (mark + mark);
    b.assert_zero(
        "resources.token_mark",
        4,
        is_request
            * (op.send * (mark - request.asked.mark)
                + op.receive * (request.asked.sender - sent)
                + op.receive_rep * (request.asked.sender - mark)),
    );
    b.assert_zero("resources.token_back", 3, is_request * back * own.not());
    b.assert_zero(
        "resources.token_resource",
        3,
        is_request * (op.send + receives) * (resource - request.resource),
    );
    b.assert_zero(
        "resources.token_own",
        3,
        is_request * (op.send + receives) * (owned - own),
    );
    b.assert_zero(
        "resources.token_rep",
        3,
        is_request * op.send * (rep - row.entry[0]),
    );
}

/// The access of a context's memory for the kernel: of a context that was created.
#[inline(always)]
fn memory<B: ConstraintBuilder>(
    is_request: B::Expr,
    row: &ResourceRow<B::Expr>,
    outcome: &ResourceOutcome<B::Expr>,
    b: &mut B,
) {
    let ResourceRow {
        op,
        own,
        limbs,
        request,
        ..
    } = *row;
    let [l0, l1, l2] = limbs;
    let context = l0 + l1.scale(Felt::new(1 << 16)) + l2.scale(Felt::new(1 << 32));
    // Where there is no context the limbs, which are range-checked all the same, are zero.
    b.assert_zero(
        "resources.memory_context",
        3,
        is_request * (op.memory * request.asked.second - context),
    );
    b.assert_zero(
        "resources.memory_created",
        4,
        is_request * op.memory * (row.state[2] * row.witness).not(),
    );
    b.assert_zero(
        "resources.memory_value",
        4,
        is_request * op.memory * own * (outcome.value - request.asked.third),
    );
}

/// Messages of the resource tables.
#[inline(always)]
pub fn lookups<B: LookupBuilder>(frame: &ResourceFrame<'_, B::Expr>, b: &mut B) {
    let is_request = frame.periodic.odd.not();
    let row = frame.cur;
    let ResourceRow { op, request, .. } = *row;
    let zero = B::Expr::ZERO;
    let named = op.new + op.rep + op.drop + op.send + op.receive;
    let asked = is_request * (named + op.receive_rep + op.memory);
    b.add(
        Slot::WIDE[0],
        "resources.request",
        asked,
        -asked,
        TableRequest { request },
    );
    let state = MemoryWord {
        context: space_key(request.asked.context, Space::State),
        address: zero,
        time: request.asked.time,
        is_write: zero,
        value: row.state,
    };
    let flag = is_request * (op.new + op.receive + row.frees);
    b.add(Slot::WIDE[1], "resources.state", flag, flag, state);
    let flag = is_request * op.memory;
    b.add(
        Slot::WIDE[1],
        "resources.memory_state",
        flag,
        flag,
        MemoryWord {
            context: space_key(request.asked.second, Space::State),
            ..state
        },
    );
    let four = |value: B::Expr| value.scale(Felt::new(4));
    let entry = MemoryWord {
        context: space_key(request.asked.context, Space::Table),
        address: four(row.handle),
        value: row.entry,
        ..state
    };
    let flag = is_request * named;
    b.add(Slot::WIDE[2], "resources.entry", flag, flag, entry);

    let one = B::Expr::ONE;
    let names = ["resources.limb0", "resources.limb1", "resources.limb2"];
    for (slot, (name, value)) in Slot::CHECK
        .into_iter()
        .zip(names.into_iter().zip(row.limbs))
    {
        b.add(slot, name, one, -is_request, RangeCheck { value });
    }

    let answers = frame.periodic.odd;
    let outcome = frame.cur.outcome();
    let flag = answers * (outcome.puts + outcome.takes);
    b.add(
        Slot::WIDE[0],
        "resources.token",
        flag,
        answers * (outcome.puts - outcome.takes),
        Token {
            token: outcome.token,
        },
    );
    let [free, len, borrows] = outcome.home_state;
    let flag = answers * outcome.guards;
    let home = MemoryWord {
        context: space_key(outcome.home, Space::State),
        address: zero,
        time: outcome.time,
        is_write: zero,
        value: [zero, free, len, borrows],
    };
    b.add(Slot::WIDE[0], "resources.definer_state", flag, flag, home);
    let flag = answers * outcome.accesses;
    b.add(
        Slot::WIDE[0],
        "resources.memory",
        flag,
        flag,
        MemoryElement {
            context: space_key(outcome.context, Space::User),
            address: outcome.address,
            time: outcome.time,
            is_write: outcome.is_write,
            value: outcome.value,
        },
    );
    let state = MemoryWord {
        context: space_key(outcome.context, Space::State),
        address: zero,
        time: outcome.time,
        is_write: one,
        value: outcome.state,
    };
    let flag = answers * outcome.writes_state;
    b.add(Slot::WIDE[1], "resources.state_after", flag, flag, state);
    let entry = MemoryWord {
        context: space_key(outcome.context, Space::Table),
        address: four(outcome.handle),
        value: outcome.entry,
        ..state
    };
    let flag = answers * outcome.writes_entry;
    b.add(Slot::WIDE[2], "resources.entry_after", flag, flag, entry);
}
