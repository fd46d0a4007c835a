//! Instances that a program installs: what they are by the records of their components, and what their
//! calls mean.
//!
//! A component's record is a sequence of blocks of eight elements, and its commitment is their hash. The
//! rows of an installed instance are those blocks, one after the other, each absorbed by the hasher.
//! They begin with the row that answers the intrinsic, which gives the instance an index of its own,
//! and end with the commitment that the program has named.
//!
//! What a block says is a fact about that instance, looked up any number of times, as the public
//! records of the ROM are. A call looks up a link, whoever states it. So the rows of imports answer with
//! links, for which they look up the wire of the import and the export that it leads to. An instance
//! has the imports that are not wired yet in its state, where an instance that is running has its
//! caller: nobody enters it before its last import is wired, and then nothing is left to wire.
//!
//! A call of what is held and the procedures for handles to instances are *generic*: a further row
//! makes a link for one instance of them.

use miden_core::Felt;

use crate::{
    algebra::Algebra,
    builder::{ConstraintBuilder, InstanceFrame},
    columns::{InstanceRow, TableRequestCells, cells_of},
    component::{BlockKind, FactKind},
    composition::{FIRST_INSTANCE_TYPE, Intrinsic, IntrinsicCall, LinkKind},
    lookup::{
        HashAbsorb, HashDigest, HashInput, LinkCoords, LinkLookup, LookupBuilder, MemoryWord,
        RangeCheck, SegmentCoords, SegmentLookup, Slot, Space, TableRequest, context_key,
        space_key,
    },
};

/// Rows of the hasher from one block to the next.
const HASHER_ROWS: u64 = 8;

fn code<E: Algebra>(intrinsic: Intrinsic) -> E {
    E::int(intrinsic.code().into())
}

fn call_code<E: Algebra>(kind: LinkKind) -> E {
    E::int(kind.code().into())
}

fn fact<E: Algebra>(kind: FactKind) -> E {
    E::int(kind as u64)
}

/// The number in proofs of the type of handles to the instances of an index.
fn type_of<E: Algebra>(index: E) -> E {
    index + E::int(u64::from(FIRST_INSTANCE_TYPE) + 1)
}

/// 1 on the blocks of a record.
fn is_block<E: Algebra>(row: &InstanceRow<E>) -> E {
    let rest = row.op.blocks_after_first();
    rest.into_iter().fold(row.op.install, |sum, op| sum + op)
}

/// Constraints of the installed instances.
#[inline(always)]
pub fn constraints<B: ConstraintBuilder>(frame: &InstanceFrame<'_, B::Expr>, b: &mut B) {
    let row = frame.cur;
    kinds(row, b);
    unused(row, b);
    record(frame, b);
    blocks(row, b);
    events(row, b);
    specific(row, b);
}

/// The kind of a row.
#[inline(always)]
fn kinds<B: ConstraintBuilder>(row: &InstanceRow<B::Expr>, b: &mut B) {
    let op = &row.op;
    let ops: [_; 12] = core::array::from_fn(|i| cells_of::<B::Expr, _>(op)[i]);
    b.assert_zeros("instances.op_binary", 2, ops.map(Algebra::binary));
    let sum = ops.into_iter().fold(B::Expr::ZERO, |sum, op| sum + op);
    b.assert_zero("instances.one_op", 2, sum.binary());
    // That `last` is follows from what it says of the next row, or of what is left to wire.
    b.assert_zero("instances.flag_binary", 2, row.flag.binary());
    // What a block says begins with its kind.
    let tag = |kind: BlockKind| B::Expr::int(kind as u64);
    let tags = op.install * tag(BlockKind::Head)
        + (op.import + op.resolved) * tag(BlockKind::Import)
        + op.own * tag(BlockKind::Own)
        + op.generic * tag(BlockKind::Generic)
        + op.builtin * tag(BlockKind::Builtin)
        + op.export * tag(BlockKind::Export)
        + op.segment * (tag(BlockKind::Segment) + row.flag);
    b.assert_zero("instances.tag", 2, row.block[0] - tags);
}

/// Cells that a kind of row has no use for are zero.
#[inline(always)]
fn unused<B: ConstraintBuilder>(row: &InstanceRow<B::Expr>, b: &mut B) {
    let op = &row.op;
    let block = is_block(row);
    let asked = op.install + op.wire + op.tell + op.adopt;
    let states = block - op.import - op.segment + op.wire + op.specific;
    let flags = op.install + op.generic + op.builtin + op.segment + op.specific;
    let [_, _, _, _, b4, b5, b6, b7] = row.block;
    let [_, b1, b2, b3, ..] = row.block;
    let [c0, c1, c2, c3] = row.callee;
    let [k0, k1, k2, k3] = row.commitment;
    let linked = op.resolved + op.specific;
    let named = block + op.specific;
    let used = [
        (block + op.wire, row.last),
        (flags, row.flag),
        (named + op.wire + op.tell + op.adopt, row.index),
        (block, row.address),
        (block + op.wire + op.specific, row.left),
        (states + op.segment, row.multiplicity),
        (linked + op.wire, row.target),
        (op.install + linked, row.payload),
        (op.install + op.adopt, row.request.output),
        // Those of the block, and of what answers for it.
        (named, b1),
        (block, b2),
        (named, b3),
        (named + op.tell, b4),
        (named + op.tell, b5),
        (named + op.tell, b6),
        (named + op.tell, b7),
        (linked + asked - op.adopt + op.generic, c0),
        (linked + asked + op.generic, c1),
        (linked + op.wire + op.tell + op.adopt + op.generic, c2),
        (linked + op.wire, c3),
        (named + op.tell + op.adopt, k0),
        (named + op.tell + op.adopt, k1),
        (named + op.tell + op.adopt, k2),
        (named + op.tell + op.adopt, k3),
        (asked, row.request.time),
        (asked, row.request.context),
        (op.tell, row.request.home),
        (asked, row.request.mark),
        (asked, row.request.sender),
        (asked, row.request.input),
        (asked, row.request.second),
        (asked, row.request.third),
    ];
    b.assert_zeros(
        "instances.unused",
        2,
        used.map(|(users, cell)| users.not() * cell),
    );
}

/// The blocks of a record follow each other, and there are as many as the first one says.
#[inline(always)]
fn record<B: ConstraintBuilder>(frame: &InstanceFrame<'_, B::Expr>, b: &mut B) {
    let (cur, next) = (frame.cur, frame.next);
    let rest = next.op.blocks_after_first().into_iter();
    let continues = rest.fold(B::Expr::ZERO, |sum, op| sum + op);
    let block = is_block(cur);
    b.assert_zero(
        "instances.next_block",
        2,
        continues - block * cur.last.not(),
    );
    b.assert_zero("instances.last_block", 3, block * cur.last * cur.left);
    b.assert_zero(
        "instances.number_of_blocks",
        2,
        cur.op.install * (cur.left + B::Expr::ONE - cur.block[1]),
    );
    b.assert_zeros(
        "instances.continued",
        2,
        [
            next.index - cur.index,
            next.address - cur.address - B::Expr::int(HASHER_ROWS),
            cur.left - next.left - B::Expr::ONE,
        ]
        .map(|change| continues * change),
    );
    b.assert_zeros(
        "instances.continued_commitment",
        2,
        core::array::from_fn::<_, 4, _>(|i| continues * (next.commitment[i] - cur.commitment[i])),
    );
}

/// What blocks may say.
#[inline(always)]
fn blocks<B: ConstraintBuilder>(row: &InstanceRow<B::Expr>, b: &mut B) {
    let InstanceRow {
        op,
        flag,
        block,
        callee: [c0, c1, c2, _],
        ..
    } = *row;
    let kind = block[3];
    let import = op.import + op.resolved;
    b.assert_zero(
        "instances.import_kind",
        4,
        import
            * (kind - call_code(LinkKind::Isolated))
            * (kind - call_code(LinkKind::Shared))
            * (kind - call_code(LinkKind::Fresh)),
    );
    b.assert_zero(
        "instances.has_data_binary",
        3,
        op.own * block[1].binary() + op.export * block[2].binary(),
    );
    // Handles are dropped, or one of four others: two bits.
    let (drops, bits) = (c2, [c0, c1]);
    b.assert_zeros(
        "instances.generic_binary",
        3,
        [c0, c1, c2].map(|cell| op.generic * cell.binary()),
    );
    b.assert_zeros(
        "instances.generic_one",
        3,
        [
            drops * flag,
            bits[0] * (flag + drops),
            bits[1] * (flag + drops),
        ]
        .map(|both| op.generic * both),
    );
    let kinds = drops * B::Expr::int(IntrinsicCall::INSTANCE_DROP.code().into())
        + (flag + drops).not() * code(Intrinsic::SendOwn)
        + bits[0]
        + bits[1]
        + bits[1];
    b.assert_zero("instances.generic_kind", 2, op.generic * (kind - kinds));
    let tells = code::<B::Expr>(Intrinsic::Component) - code(Intrinsic::Caller);
    b.assert_zero(
        "instances.builtin_kind",
        2,
        op.builtin * (kind - code(Intrinsic::Caller) - flag * tells),
    );
}

/// What intrinsics ask.
#[inline(always)]
fn events<B: ConstraintBuilder>(row: &InstanceRow<B::Expr>, b: &mut B) {
    let InstanceRow {
        op,
        last,
        flag,
        index,
        left,
        block,
        callee: [c0, c1, c2, c3],
        request,
        ..
    } = *row;
    let one = B::Expr::ONE;
    // Who made an instance stands in its state while there are imports to wire.
    let maker = request.context + one;
    let imports = block[2];
    b.assert_zero(
        "instances.has_imports",
        3,
        op.install * (flag - imports * c0),
    );
    b.assert_zeros(
        "instances.no_imports",
        3,
        [imports, c0].map(|cell| op.install * flag.not() * cell),
    );
    b.assert_zero("instances.maker", 3, op.install * (c1 - flag * maker));

    b.assert_zero("instances.last_import", 3, op.wire * last * (left - one));
    b.assert_zero(
        "instances.more_imports",
        3,
        op.wire * ((left - one) * c0 - last.not()),
    );
    b.assert_zero("instances.last_import_witness", 3, op.wire * last * c0);
    b.assert_zero(
        "instances.maker_left",
        3,
        op.wire * (c3 - last.not() * maker),
    );

    // The limbs of the domain are range-checked.
    let domain = c0 + c1.scale(Felt::new(1 << 16));
    b.assert_zero(
        "instances.told_index",
        2,
        op.tell * (request.second - domain.scale(Felt::new(1 << 16)) - index),
    );
    b.assert_zero("instances.told_exists", 3, op.tell * (block[6] * c2).not());

    b.assert_zero(
        "instances.adopted_index",
        2,
        op.adopt * (request.output - index),
    );
}

/// A generic link for one instance: a call of what is held goes to the export that has its key, a
/// procedure for handles is one for the type of that instance.
#[inline(always)]
fn specific<B: ConstraintBuilder>(row: &InstanceRow<B::Expr>, b: &mut B) {
    let InstanceRow {
        op,
        flag,
        left,
        block,
        target,
        callee: [c0, c1, c2, c3],
        payload,
        commitment: [k0, k1, k2, k3],
        ..
    } = *row;
    b.assert_zeros(
        "instances.specific_call",
        3,
        [block[3], k0, k1, k2, k3].map(|cell| op.specific * flag * cell),
    );
    b.assert_zeros(
        "instances.specific_handle",
        3,
        [block[1], payload, c0, c1, c2, c3].map(|cell| op.specific * flag.not() * cell),
    );
    b.assert_zero(
        "instances.specific_type",
        3,
        op.specific * (left - flag.not() * type_of(target)),
    );
}

/// Messages of the installed instances.
#[inline(always)]
pub fn lookups<B: LookupBuilder>(frame: &InstanceFrame<'_, B::Expr>, b: &mut B) {
    let row = frame.cur;
    hashes(row, b);
    requests(row, b);
    memory(row, b);
    premises(row, b);
    facts(row, b);
}

/// The blocks are absorbed, and the digest is the commitment.
#[inline(always)]
fn hashes<B: LookupBuilder>(row: &InstanceRow<B::Expr>, b: &mut B) {
    let InstanceRow {
        op, address, block, ..
    } = *row;
    let [b0, b1, b2, b3, b4, b5, b6, b7] = block;
    let zero = B::Expr::ZERO;
    b.add(
        Slot::WIDE[0],
        "instances.first_block",
        op.install,
        -op.install,
        HashInput {
            address,
            state: [zero, zero, zero, zero, b0, b1, b2, b3, b4, b5, b6, b7],
        },
    );
    let all = is_block(row);
    let rest = all - op.install;
    b.add(
        Slot::WIDE[0],
        "instances.block",
        rest,
        -rest,
        HashAbsorb {
            address,
            rate: block,
        },
    );
    b.add(
        Slot::WORD[2],
        "instances.commitment",
        all,
        -(all * row.last),
        HashDigest {
            address: address + B::Expr::int(HASHER_ROWS - 1),
            digest: row.commitment,
        },
    );
}

/// What is asked by intrinsics, and what that asks of the resource tables.
#[inline(always)]
fn requests<B: LookupBuilder>(row: &InstanceRow<B::Expr>, b: &mut B) {
    let InstanceRow { op, request, .. } = *row;
    let zero = B::Expr::ZERO;
    let asked = op.install + op.wire + op.tell + op.adopt;
    b.add(
        Slot::WIDE[1],
        "instances.request",
        asked,
        -asked,
        TableRequest {
            request: TableRequestCells {
                time: request.time,
                context: request.context,
                home: request.home,
                kind: op.install * code(Intrinsic::Install)
                    + op.wire * code(Intrinsic::Wire)
                    + op.tell * code(Intrinsic::Component)
                    + op.adopt * code(Intrinsic::Adopt),
                destroys: zero,
                resource: row.payload,
                mark: request.mark,
                sender: request.sender,
                input: request.input,
                output: request.output,
                second: request.second,
                third: request.third,
            },
        },
    );
    // The handle of an installed instance stands for domain 0.
    let handle = |kind, of, input, output| TableRequest {
        request: TableRequestCells {
            time: request.time,
            context: request.context,
            home: zero,
            kind: code(kind),
            destroys: zero,
            resource: type_of(of),
            mark: zero,
            sender: zero,
            input,
            output,
            second: zero,
            third: zero,
        },
    };
    b.add(
        Slot::WIDE[2],
        "instances.handle",
        op.install,
        op.install,
        handle(Intrinsic::New, row.index, zero, request.output),
    );
    b.add(
        Slot::WIDE[2],
        "instances.wired_handle",
        op.wire,
        op.wire,
        handle(Intrinsic::Rep, row.index, request.input, zero),
    );
    b.add(
        Slot::WIDE[0],
        "instances.target_handle",
        op.wire,
        op.wire,
        handle(Intrinsic::Rep, row.target, request.second, zero),
    );
    // Who owns the instance gives it up.
    let given_up = handle(Intrinsic::SendOwn, row.index, request.input, request.time);
    b.add(
        Slot::WIDE[0],
        "instances.adopted_handle",
        op.adopt,
        op.adopt,
        TableRequest {
            request: TableRequestCells {
                mark: request.mark,
                ..given_up.request
            },
        },
    );
}

/// The commitment in the memory of who asks, the number of instances, and their states.
#[inline(always)]
fn memory<B: LookupBuilder>(row: &InstanceRow<B::Expr>, b: &mut B) {
    let InstanceRow {
        op,
        index,
        left,
        block,
        callee: [_, c1, c2, c3],
        request,
        ..
    } = *row;
    let (zero, one) = (B::Expr::ZERO, B::Expr::ONE);
    let word = |context, is_write, value| MemoryWord {
        context,
        address: zero,
        time: request.time,
        is_write,
        value,
    };
    let mut add = |slot, name, flag, message| b.add(Slot::WORD[slot], name, flag, flag, message);
    add(
        0,
        "instances.commitment_word",
        op.install + op.tell,
        MemoryWord {
            address: request.input,
            ..word(
                space_key(request.context, Space::User),
                op.tell,
                row.commitment,
            )
        },
    );
    let number = index - row.payload;
    let installed = context_key(zero, zero, Space::Installed);
    let state = context_key(zero, index, Space::State);
    add(
        1,
        "instances.number",
        op.install,
        word(installed, zero, [number, zero, zero, zero]),
    );
    add(
        3,
        "instances.number_after",
        op.install,
        word(installed, one, [number + one, zero, zero, zero]),
    );
    add(
        4,
        "instances.state",
        op.install,
        word(state, one, [block[2], c1, zero, zero]),
    );
    add(
        1,
        "instances.unwired",
        op.wire,
        word(state, zero, [left, request.context + one, zero, zero]),
    );
    add(
        3,
        "instances.wired",
        op.wire,
        word(state, one, [left - one, c3, zero, zero]),
    );
    // What a wire leads to is complete, and does not run.
    add(
        4,
        "instances.target_state",
        op.wire,
        word(
            context_key(zero, row.target, Space::State),
            zero,
            [zero, c1, c2, zero],
        ),
    );
    // So is what is adopted.
    add(
        4,
        "instances.adopted_state",
        op.adopt,
        word(state, zero, [zero, c1, c2, zero]),
    );
    let [_, _, _, _, s0, s1, s2, s3] = block;
    add(
        1,
        "instances.told_state",
        op.tell,
        word(
            space_key(request.second, Space::State),
            zero,
            [s0, s1, s2, s3],
        ),
    );

    b.add(
        Slot::CHECK[0],
        "instances.index_range",
        one,
        -op.install,
        RangeCheck { value: index },
    );
    for (slot, name, limb) in [
        (1, "instances.domain_low", row.callee[0]),
        (2, "instances.domain_high", row.callee[1]),
    ] {
        b.add(
            Slot::CHECK[slot],
            name,
            one,
            -op.tell,
            RangeCheck { value: limb },
        );
    }
}

/// A fact about an instance, in the form of a link.
fn about<E: Algebra>(source: E, kind: E) -> LinkCoords<E> {
    LinkCoords {
        source,
        digest: [E::ZERO; 4],
        kind,
        target: E::ZERO,
        callee: [E::ZERO; 4],
        payload: E::ZERO,
    }
}

/// The facts that a link follows from.
#[inline(always)]
fn premises<B: LookupBuilder>(row: &InstanceRow<B::Expr>, b: &mut B) {
    let InstanceRow {
        op,
        flag,
        index,
        target,
        callee,
        payload,
        commitment: [k0, k1, k2, k3],
        block,
        ..
    } = *row;
    let [_, key, slot, kind, d0, d1, d2, d3] = block;
    let zero = B::Expr::ZERO;
    let digest = [d0, d1, d2, d3];
    let mut add = |at, name, flag: B::Expr, link| b.add(at, name, flag, -flag, LinkLookup { link });
    add(
        Slot::WIDE[1],
        "instances.wire_of_import",
        op.resolved,
        LinkCoords {
            digest: [slot, zero, zero, zero],
            target,
            ..about(index, fact(FactKind::Wire))
        },
    );
    add(
        Slot::WIDE[2],
        "instances.export_of_target",
        op.resolved,
        LinkCoords {
            digest: [key, zero, zero, zero],
            callee,
            payload,
            ..about(target, fact(FactKind::Export))
        },
    );
    add(
        Slot::WIDE[0],
        "instances.generic_link",
        op.specific,
        LinkCoords {
            digest,
            callee: [key, zero, zero, zero],
            ..about(index, generic(flag, kind))
        },
    );
    // The numbers of these two facts follow each other.
    add(
        Slot::WIDE[1],
        "instances.specific_target",
        op.specific,
        LinkCoords {
            digest: [key + k0, k1, k2, k3],
            callee,
            payload,
            ..about(target, fact::<B::Expr>(FactKind::Component) + flag)
        },
    );
    add(
        Slot::WIDE[2],
        "instances.told_component",
        op.tell,
        LinkCoords {
            digest: row.commitment,
            ..about(index, fact(FactKind::Component))
        },
    );
    // It is one that was installed.
    add(
        Slot::WIDE[2],
        "instances.adopted_component",
        op.adopt,
        LinkCoords {
            digest: row.commitment,
            ..about(index, fact(FactKind::Component))
        },
    );
}

/// The number of a generic link's fact: a call of what is held, or a procedure for handles.
fn generic<E: Algebra>(held: E, kind: E) -> E {
    let held = held.scale(Felt::from(FactKind::Held as u8 - FactKind::Generic as u8));
    held + fact::<E>(FactKind::Generic) + kind
}

/// What a row states.
#[inline(always)]
fn facts<B: LookupBuilder>(row: &InstanceRow<B::Expr>, b: &mut B) {
    let InstanceRow {
        op,
        flag,
        index,
        left,
        target,
        callee,
        payload,
        commitment,
        block,
        multiplicity,
        ..
    } = *row;
    let [_, b1, b2, kind, d0, d1, d2, d3] = block;
    let zero = B::Expr::ZERO;
    let digest = [d0, d1, d2, d3];
    let mut add = |name, flag: B::Expr, link| {
        b.add(
            Slot::FACT,
            name,
            flag,
            flag * multiplicity,
            LinkLookup { link },
        );
    };
    add(
        "instances.component",
        op.install,
        LinkCoords {
            digest: commitment,
            ..about(index, fact(FactKind::Component))
        },
    );
    add(
        "instances.link",
        op.resolved,
        LinkCoords {
            digest,
            target,
            callee,
            payload,
            ..about(index, kind)
        },
    );
    add(
        "instances.own_link",
        op.own,
        LinkCoords {
            digest,
            target: index,
            callee: digest,
            payload: b1,
            ..about(index, call_code(LinkKind::Fresh))
        },
    );
    add(
        "instances.generic",
        op.generic,
        LinkCoords {
            digest,
            callee: [b1, zero, zero, zero],
            ..about(index, generic(flag, kind))
        },
    );
    add(
        "instances.builtin",
        op.builtin,
        LinkCoords {
            digest,
            ..about(index, kind)
        },
    );
    add(
        "instances.export",
        op.export,
        LinkCoords {
            digest: [b1, zero, zero, zero],
            callee: digest,
            payload: b2,
            ..about(index, fact(FactKind::Export))
        },
    );
    add(
        "instances.wire",
        op.wire,
        LinkCoords {
            digest: [left, zero, zero, zero],
            target,
            ..about(index, fact(FactKind::Wire))
        },
    );
    let held = flag.scale(Felt::from(LinkKind::Held.code()));
    add(
        "instances.specific",
        op.specific,
        LinkCoords {
            digest,
            target,
            callee,
            payload: payload + left,
            ..about(index, kind + held)
        },
    );
    b.add(
        Slot::FACT,
        "instances.segment",
        op.segment,
        op.segment * multiplicity,
        SegmentLookup {
            segment: SegmentCoords {
                instance: index,
                segment: b1,
                address: b2,
                blocks: kind,
                done: flag,
                commitment: digest,
            },
        },
    );
}
