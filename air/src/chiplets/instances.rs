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
//!
//! An instance can also be installed from code: the digests of procedures one after the other, two a block, whose hash is
//! what Miden commits to an account's code by, or of one procedure alone. Exports of code have their numbers as keys, one procedure
//! has the address at which it was found. That has an import of a whole instance: a further row makes a link for each export of
//! that which is called.
//!
//! A component may define resource types. A type's number is made of the instance's index and of how many
//! blocks follow, so no two have one. Procedures for its handles find it where the import is wired to by which the
//! component knows it, as calls find exports.

use miden_core::Felt;

use crate::{
    algebra::Algebra,
    builder::{ConstraintBuilder, InstanceFrame},
    columns::{AskedCells, InstanceRow, TableRequestCells, cells_of},
    component::{BlockKind, FIRST_INSTALLED_TYPE, FactKind, PAIR},
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

fn sum<E: Algebra>(flags: impl IntoIterator<Item = E>) -> E {
    let mut flags = flags.into_iter();
    let first = flags.next().unwrap_or(E::ZERO);
    flags.fold(first, |sum, flag| sum + flag)
}

/// 1 on the blocks of a record.
fn is_block<E: Algebra>(row: &InstanceRow<E>) -> E {
    row.op.install + sum(row.op.blocks_after_first())
}

/// 1 on the blocks of a record that are procedures for handles of types.
fn is_for_handles<E: Algebra>(row: &InstanceRow<E>) -> E {
    sum(row.op.for_handles())
}

/// 1 on the blocks of a record that say what a call means.
fn is_call<E: Algebra>(row: &InstanceRow<E>) -> E {
    sum(row.op.calls())
}

/// 1 on the blocks of a record that show their order.
fn is_ordered<E: Algebra>(row: &InstanceRow<E>) -> E {
    row.op.types + is_call(row) + row.op.export
}

/// A number of 16-bit limbs, low first.
fn of_limbs<E: Algebra>(limbs: &[E]) -> E {
    let base = Felt::new(1 << 16);
    let mut limbs = limbs.iter().rev();
    let highest = limbs.next().copied().unwrap_or(E::ZERO);
    limbs.fold(highest, |number, &limb| number.scale(base) + limb)
}

/// Constraints of the installed instances.
#[inline(always)]
pub fn constraints<B: ConstraintBuilder>(frame: &InstanceFrame<'_, B::Expr>, b: &mut B) {
    let row = frame.cur;
    kinds(row, b);
    unused(row, b);
    record(frame, b);
    order(frame, b);
    blocks(row, b);
    types(frame, b);
    procedures(frame, b);
    events(row, b);
    specific(row, b);
    whole(row, b);
}

/// The kind of a row.
#[inline(always)]
fn kinds<B: ConstraintBuilder>(row: &InstanceRow<B::Expr>, b: &mut B) {
    let op = &row.op;
    let ops: [_; 21] = core::array::from_fn(|i| cells_of::<B::Expr, _>(op)[i]);
    b.assert_zeros("instances.op_binary", 2, ops.map(Algebra::binary));
    let sum = ops.into_iter().fold(B::Expr::ZERO, |sum, op| sum + op);
    b.assert_zero("instances.one_op", 2, sum.binary());
    // That `last` is follows from what it says of the next row, or of what is left to wire.
    b.assert_zero("instances.flag_binary", 2, row.flag.binary());
    // What a block says begins with its kind.
    let tag = |kind: BlockKind| B::Expr::int(kind as u64);
    let handle = tag(BlockKind::Handle);
    let tags = op.install * tag(BlockKind::Head)
        + op.types * tag(BlockKind::Type)
        + (op.import + op.resolved) * tag(BlockKind::Import)
        + op.import * row.flag * (handle - tag(BlockKind::Import))
        + is_for_handles(row) * handle
        + op.own * tag(BlockKind::Own)
        + op.generic * tag(BlockKind::Generic)
        + op.builtin * tag(BlockKind::Builtin)
        + op.export * tag(BlockKind::Export)
        + op.segment * (tag(BlockKind::Segment) + row.flag);
    // That of code says nothing else.
    let named = op.procedures.not() * row.block[0];
    b.assert_zero("instances.tag", 2, named - tags);
}

/// Cells that a kind of row has no use for are zero.
#[inline(always)]
fn unused<B: ConstraintBuilder>(row: &InstanceRow<B::Expr>, b: &mut B) {
    let op = &row.op;
    let block = is_block(row);
    let of_code = op.procedures + op.procedure;
    let asked = op.install + op.installs + op.wire + op.tell + op.adopt;
    let ordered = is_ordered(row);
    let states = block - op.import - op.segment + op.wire + op.specific + op.installs + of_code;
    let imports = op.import + op.resolved;
    let for_handles = is_for_handles(row);
    let flags =
        op.install + imports + op.generic + op.builtin + for_handles + op.segment + op.specific;
    let flags = flags + op.installs + op.procedures + op.whole;
    let [_, _, _, _, b4, b5, b6, b7] = row.block;
    let [_, b1, b2, b3, ..] = row.block;
    let [c0, c1, c2, c3] = row.callee;
    let [k0, k1, k2, k3] = row.commitment;
    // A whole instance is an installed one, so of domain 0, and what is called there has no data.
    let elsewhere = op.resolved + op.specific + for_handles;
    let linked = elsewhere + op.whole;
    let named = block + op.specific;
    let says = named + op.procedures + op.whole;
    let of_one = named + op.tell + op.adopt + op.installs + of_code;
    let used = [
        (named + op.wire + op.procedures, row.last),
        (flags, row.flag),
        (of_one + op.wire + op.whole, row.index),
        (block + op.procedures, row.address),
        (block + op.wire + op.specific + op.procedures, row.left),
        (states + op.segment + op.whole, row.multiplicity),
        (linked + op.wire, row.target),
        (elsewhere + op.wire + op.tell, row.domain),
        (op.install + op.installs + elsewhere, row.payload),
        (
            op.install + op.installs + op.adopt + ordered,
            row.request.output,
        ),
        // Those of the block, and of what answers for it.
        (says + op.procedure, b1),
        (block + op.installs + op.procedures + op.whole, b2),
        (says, b3),
        (says, b4),
        (says, b5),
        (says, b6),
        (says, b7),
        (
            linked + asked - op.adopt + op.generic + op.builtin + of_code,
            c0,
        ),
        (linked + asked + op.generic + op.builtin + op.procedures, c1),
        (linked + asked + op.generic + op.builtin, c2),
        (linked + op.wire + op.tell, c3),
        (of_one, k0),
        (of_one, k1),
        (of_one, k2),
        (of_one, k3),
        (asked + ordered, row.request.time),
        (asked + ordered, row.request.context),
        (op.tell + ordered, row.request.home),
        (asked + ordered, row.request.mark),
        (asked + ordered, row.request.sender),
        (asked + ordered, row.request.input),
        (asked + ordered, row.request.second),
        (asked + ordered, row.request.third),
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
    let continues = sum(next.op.blocks_after_first());
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

/// Types stand first, then calls, then exports, then segments. Calls are in increasing order of the lowest 48 bits
/// of their digests' first elements, types and exports in that of their keys, and segments are numbered: so no
/// type, no call, no key and no segment stands there twice.
#[inline(always)]
fn order<B: ConstraintBuilder>(frame: &InstanceFrame<'_, B::Expr>, b: &mut B) {
    let (cur, next) = (frame.cur, frame.next);
    let (call, next_call) = (is_call(cur), is_call(next));
    let (types, next_types) = (cur.op.types, next.op.types);
    let (export, next_export) = (cur.op.export, next.op.export);
    let (segment, next_segment) = (cur.op.segment, next.op.segment);
    b.assert_zero(
        "instances.order_kinds",
        2,
        next_types * (call + export + segment)
            + next_call * (export + segment)
            + next_export * segment,
    );

    let of = cur.order();
    let element = of_limbs(&of.limbs);
    b.assert_zero(
        "instances.order_limbs",
        2,
        call * (cur.block[4] - element) + (types + export) * (cur.block[1] - element),
    );
    // The limbs are those of a number below the modulus, 2^64 - 2^32 + 1.
    let [lower, upper] = [&of.limbs[..2], &of.limbs[2..]].map(of_limbs);
    let greatest = B::Expr::int(u32::MAX.into());
    let distance = greatest - upper;
    let ordered = is_ordered(cur);
    b.assert_zero(
        "instances.order_below",
        3,
        ordered * (of.is_below - distance * of.upper_inv),
    );
    b.assert_zero(
        "instances.order_canonical",
        3,
        ordered * of.is_below.not() * lower,
    );
    b.assert_zeros(
        "instances.order_greatest",
        3,
        [distance, of.upper_inv].map(|cell| ordered * of.is_below.not() * cell),
    );
    let [number, next_number] = [cur, next].map(|row| of_limbs(&row.order().limbs[..3]));
    let follows = types * next_types + call * next_call + export * next_export;
    b.assert_zero(
        "instances.order",
        3,
        is_ordered(next) * of_limbs(&next.order().gap)
            - follows * (next_number - number - B::Expr::ONE),
    );

    b.assert_zero(
        "instances.segment_number",
        3,
        next_segment * (next.block[1] - segment * (cur.block[1] + B::Expr::ONE)),
    );
    b.assert_zero("instances.last_segment", 2, segment * (cur.flag - cur.last));
}

/// Constrains what blocks may say.
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
    // Who defines types is not called fresh: a new instance would have none of them.
    let lasting = (kind - call_code(LinkKind::Isolated)) * (kind - call_code(LinkKind::Shared));
    b.assert_zero(
        "instances.import_kind",
        4,
        op.resolved * lasting * (kind - call_code(LinkKind::Fresh)),
    );
    b.assert_zero(
        "instances.import_of_definer",
        4,
        op.resolved * flag * lasting,
    );
    b.assert_zero(
        "instances.has_data_binary",
        3,
        op.own * block[1].binary() + op.export * block[2].binary(),
    );
    b.assert_zero(
        "instances.defines_binary",
        3,
        op.own * block[2].binary() + (op.types + op.export) * kind.binary(),
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
    // One of five, the first being the one without a flag; a pair is saved by who saves.
    let first = code::<B::Expr>(Intrinsic::Caller);
    let after_first = |intrinsic| code::<B::Expr>(intrinsic) - first;
    b.assert_zeros(
        "instances.builtin_binary",
        3,
        [c0, c1, c2].map(|cell| op.builtin * cell.binary()),
    );
    b.assert_zeros(
        "instances.builtin_one",
        3,
        [flag * (c0 + c1), c0 * c1, c0.not() * c2].map(|both| op.builtin * both),
    );
    let kinds = first
        + flag * after_first(Intrinsic::Component)
        + c0 * after_first(Intrinsic::Save)
        + c1 * after_first(Intrinsic::Restore)
        + c2.scale(Felt::from(PAIR));
    b.assert_zero("instances.builtin_kind", 2, op.builtin * (kind - kinds));
}

/// Constrains types, and the procedures for their handles.
#[inline(always)]
fn types<B: ConstraintBuilder>(frame: &InstanceFrame<'_, B::Expr>, b: &mut B) {
    let InstanceRow {
        op,
        flag,
        index,
        block,
        target,
        ..
    } = *frame.cur;
    // The first block says that there are types, and they follow it.
    b.assert_zero(
        "instances.defines",
        2,
        op.install * (block[3] - frame.next.op.types),
    );
    // The definer has its own procedures, and `new` and `rep` are nobody else's.
    let is_own = is_for_handles(frame.cur) * flag;
    b.assert_zeros(
        "instances.own_type",
        3,
        [is_own * (target - index), is_own * block[2]],
    );
    b.assert_zero("instances.makes_own", 2, op.makes * flag.not());
    let kind = block[3];
    let from = |intrinsic| kind - code(intrinsic);
    let kinds = op.makes * from(Intrinsic::New) * from(Intrinsic::Rep)
        + op.drops * (from(Intrinsic::Drop) - flag)
        + op.passes
            * from(Intrinsic::SendOwn)
            * from(Intrinsic::SendBorrow)
            * from(Intrinsic::RecvOwn)
        + op.borrows * (from(Intrinsic::RecvBorrow) - flag);
    b.assert_zero("instances.handle_kind", 4, kinds);
}

/// Constrains code: its blocks follow the row that installs it, up to the one that the commitment is the digest of; or
/// there is one procedure, whose digest is the commitment.
#[inline(always)]
fn procedures<B: ConstraintBuilder>(frame: &InstanceFrame<'_, B::Expr>, b: &mut B) {
    let (cur, next) = (frame.cur, frame.next);
    let (block, next_block) = (cur.op.procedures, next.op.procedures);
    let installs = cur.op.installs;
    b.assert_zero(
        "instances.next_procedures",
        2,
        next_block - installs * cur.flag.not() - block * cur.last.not(),
    );
    b.assert_zero(
        "instances.next_procedure",
        2,
        next.op.procedure - installs * cur.flag,
    );
    b.assert_zero(
        "instances.first_procedures",
        2,
        next_block * (next.flag - installs),
    );
    // Its key is the address at which it was found.
    b.assert_zero(
        "instances.key_of_procedure",
        2,
        next.op.procedure * (next.block[1] - cur.request.input),
    );
    let continues = next_block + next.op.procedure;
    b.assert_zero(
        "instances.continued_index",
        2,
        continues * (next.index - cur.index),
    );
    b.assert_zeros(
        "instances.continued_code",
        2,
        core::array::from_fn::<_, 4, _>(|i| continues * (next.commitment[i] - cur.commitment[i])),
    );
    // Blocks are numbered from 0 on.
    let after_first = next.flag.not();
    b.assert_zeros(
        "instances.continued_procedures",
        3,
        [
            next.left - after_first * (cur.left + B::Expr::ONE),
            after_first * (next.address - cur.address - B::Expr::int(HASHER_ROWS)),
        ]
        .map(|change| next_block * change),
    );
    // The hash begins with 4 if the last block is half full, as the number of elements is no multiple of 8 then.
    let is_odd = cur.callee[1];
    b.assert_zeros(
        "instances.odd",
        3,
        [is_odd.binary(), cur.flag.not() * is_odd].map(|cell| block * cell),
    );
}

/// A link by the import of a whole instance: a shared call of the digest of one of its exports, which has no static data.
#[inline(always)]
fn whole<B: ConstraintBuilder>(row: &InstanceRow<B::Expr>, b: &mut B) {
    let InstanceRow {
        op, block, callee, ..
    } = *row;
    let [_, _, slot, kind, d0, d1, d2, d3] = block;
    let [c0, c1, c2, c3] = callee;
    b.assert_zeros(
        "instances.whole",
        2,
        [
            slot - B::Expr::ONE,
            kind - call_code(LinkKind::Shared),
            d0 - c0,
            d1 - c1,
            d2 - c2,
            d3 - c3,
        ]
        .map(|difference| op.whole * difference),
    );
}

/// Constrains what intrinsics ask.
#[inline(always)]
fn events<B: ConstraintBuilder>(row: &InstanceRow<B::Expr>, b: &mut B) {
    let InstanceRow {
        op,
        last,
        flag,
        index,
        left,
        block,
        callee: [c0, c1, _, c3],
        request,
        ..
    } = *row;
    let one = B::Expr::ONE;
    // Who made an instance stands in its state while there are imports to wire.
    let maker = request.context + one;
    let imports = block[2];
    let installs = op.install + op.installs;
    b.assert_zero("instances.has_imports", 3, installs * (flag - imports * c0));
    b.assert_zeros(
        "instances.no_imports",
        3,
        [imports, c0].map(|cell| installs * flag.not() * cell),
    );
    b.assert_zero("instances.maker", 3, installs * (c1 - flag * maker));
    // One procedure has one import, and code has none.
    b.assert_zero("instances.one_import", 2, op.installs * (imports - flag));

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
    b.assert_zero(
        "instances.adopted_index",
        2,
        op.adopt * (request.output - index),
    );
}

/// A generic link for one instance: a call of what is held goes to the export that has its key, a
/// procedure for handles is one for the type of that instance. That there is such an instance is shown by its
/// component, if it was installed, or by an export that it has.
#[inline(always)]
fn specific<B: ConstraintBuilder>(row: &InstanceRow<B::Expr>, b: &mut B) {
    let InstanceRow {
        op,
        last: by_export,
        flag,
        left,
        block,
        target,
        commitment: [k0, k1, k2, k3],
        ..
    } = *row;
    b.assert_zeros(
        "instances.specific_call",
        3,
        [block[3], by_export, k0, k1, k2, k3].map(|cell| op.specific * flag * cell),
    );
    b.assert_zeros(
        "instances.specific_handle",
        3,
        [flag.not() * block[1], by_export.binary()].map(|cell| op.specific * cell),
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
    // Code is hashed as a sequence of elements: that begins with their number modulo 8. A block is the first one or
    // another, which its flag says and not the kind of the row, so that degrees are those of the others.
    let first = op.procedures * row.flag;
    let remainder = row.callee[1].scale(Felt::new(4));
    b.add(
        Slot::WIDE[0],
        "instances.first_procedures",
        op.procedures,
        -first,
        HashInput {
            address,
            state: [remainder, zero, zero, zero, b0, b1, b2, b3, b4, b5, b6, b7],
        },
    );
    b.add(
        Slot::WIDE[2],
        "instances.procedures",
        op.procedures,
        first - op.procedures,
        HashAbsorb {
            address,
            rate: block,
        },
    );
    let all = all + op.procedures;
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

/// The requests of intrinsics, and what these ask of the resource tables.
#[inline(always)]
fn requests<B: LookupBuilder>(row: &InstanceRow<B::Expr>, b: &mut B) {
    let InstanceRow {
        op, flag, request, ..
    } = *row;
    let zero = B::Expr::ZERO;
    let installs = op.install + op.installs;
    let asked = installs + op.wire + op.tell + op.adopt;
    b.add(
        Slot::WIDE[1],
        "instances.request",
        asked,
        -asked,
        TableRequest {
            request: TableRequestCells {
                asked: request,
                kind: op.install * code(Intrinsic::Install)
                    + op.installs * (code::<B::Expr>(Intrinsic::InstallCode) + flag)
                    + op.wire * code(Intrinsic::Wire)
                    + op.tell * code(Intrinsic::Component)
                    + op.adopt * code(Intrinsic::Adopt),
                destroys: zero,
                resource: row.payload,
            },
        },
    );
    // The handle of an installed instance stands for domain 0, that of one which the program has made for the
    // instance's own.
    let handle = |kind, of, input, output| TableRequest {
        request: TableRequestCells {
            asked: AskedCells {
                home: zero,
                mark: zero,
                sender: zero,
                input,
                output,
                second: zero,
                third: zero,
                ..request
            },
            kind: code(kind),
            destroys: zero,
            resource: type_of(of),
        },
    };
    b.add(
        Slot::WIDE[2],
        "instances.handle",
        installs,
        installs,
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
        handle(Intrinsic::Rep, row.target, request.second, row.domain),
    );
    // Who owns the instance gives it up.
    let mut given_up = handle(Intrinsic::SendOwn, row.index, request.input, request.time);
    given_up.request.asked.mark = request.mark;
    b.add(
        Slot::WIDE[0],
        "instances.adopted_handle",
        op.adopt,
        op.adopt,
        given_up,
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
    let installs = op.install + op.installs;
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
        installs + op.tell,
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
        installs,
        word(installed, zero, [number, c2, zero, zero]),
    );
    add(
        3,
        "instances.number_after",
        installs,
        word(installed, one, [number + one, index + one, zero, zero]),
    );
    add(
        1,
        "instances.told_number",
        op.tell,
        word(installed, zero, [c3, c2, zero, zero]),
    );
    add(
        4,
        "instances.state",
        installs,
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
            context_key(row.domain, row.target, Space::State),
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

    let mut check = |slot, name, flag, count, value| {
        b.add(slot, name, flag, count, RangeCheck { value });
    };
    let [low, high, ..] = row.callee;
    check(
        Slot::CHECK[0],
        "instances.index_range",
        installs,
        -installs,
        index,
    );
    for (slot, name, limb) in [
        (1, "instances.domain_low", low),
        (2, "instances.domain_high", high),
    ] {
        check(Slot::CHECK[slot], name, op.tell, -op.tell, limb);
    }
    // The instance that is asked about was installed before.
    check(
        Slot::WORD[3],
        "instances.told_index_range",
        op.tell,
        -op.tell,
        c2 - index - one,
    );
    let ordered = is_ordered(row);
    let of = row.order();
    for (slot, name, limb) in [
        (0, "instances.order_limb0", of.limbs[0]),
        (1, "instances.order_limb1", of.limbs[1]),
        (3, "instances.order_limb2", of.limbs[2]),
        (4, "instances.order_limb3", of.limbs[3]),
    ] {
        check(Slot::WORD[slot], name, ordered, -ordered, limb);
    }
    for (slot, name, limb) in [
        (0, "instances.order_gap0", of.gap[0]),
        (1, "instances.order_gap1", of.gap[1]),
        (2, "instances.order_gap2", of.gap[2]),
    ] {
        check(Slot::CHECK[slot], name, ordered, -ordered, limb);
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
        last: by_export,
        flag,
        index,
        target,
        domain,
        callee,
        payload,
        commitment: [k0, k1, k2, k3],
        block,
        ..
    } = *row;
    let [_, key, slot, kind, d0, d1, d2, d3] = block;
    let zero = B::Expr::ZERO;
    let digest = [d0, d1, d2, d3];
    // Only what is installed defines types, and that has domain 0.
    let for_handles = is_for_handles(row);
    b.add(
        Slot::WIDE[1],
        "instances.wire_of_type",
        for_handles,
        -(for_handles * flag.not()),
        LinkLookup {
            link: LinkCoords {
                digest: [slot, zero, zero, zero],
                target,
                ..about(index, fact(FactKind::Wire))
            },
            domain: zero,
        },
    );
    let mut add = |at, name, flag: B::Expr, link, domain| {
        b.add(at, name, flag, -flag, LinkLookup { link, domain });
    };
    add(
        Slot::WIDE[0],
        "instances.import_of_whole",
        op.whole,
        about(index, fact(FactKind::Whole)),
        zero,
    );
    let by_wire = op.resolved + op.whole;
    add(
        Slot::WIDE[1],
        "instances.wire_of_import",
        by_wire,
        LinkCoords {
            digest: [slot, zero, zero, zero],
            target,
            ..about(index, fact(FactKind::Wire))
        },
        domain,
    );
    add(
        Slot::WIDE[2],
        "instances.export_of_target",
        by_wire,
        LinkCoords {
            digest: [key, zero, zero, zero],
            callee,
            payload,
            ..about(target, fact(FactKind::Export))
        },
        flag,
    );
    add(
        Slot::WIDE[2],
        "instances.type_of_definer",
        for_handles,
        LinkCoords {
            digest: [key, zero, zero, zero],
            callee,
            payload,
            ..about(target, fact(FactKind::Type))
        },
        domain,
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
        zero,
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
            ..about(
                target,
                fact::<B::Expr>(FactKind::Component) + flag + by_export,
            )
        },
        domain,
    );
    // It is one that was installed, and who is adopted defines no types.
    add(
        Slot::WIDE[2],
        "instances.component_of",
        op.tell + op.adopt,
        LinkCoords {
            digest: row.commitment,
            ..about(index, fact(FactKind::Component))
        },
        domain,
    );
}

/// The number of a generic link's fact: a call of what is held, or a procedure for handles.
fn generic<E: Algebra>(held: E, kind: E) -> E {
    let held = held.scale(Felt::from(FactKind::Held as u8 - FactKind::Generic as u8));
    held + fact::<E>(FactKind::Generic) + kind
}

/// The facts that a row states.
#[inline(always)]
fn facts<B: LookupBuilder>(row: &InstanceRow<B::Expr>, b: &mut B) {
    let InstanceRow {
        op,
        flag,
        index,
        left,
        target,
        domain,
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
    let mut add = |name, flag: B::Expr, link, domain| {
        b.add(
            Slot::FACT,
            name,
            flag,
            flag * multiplicity,
            LinkLookup { link, domain },
        );
    };
    add(
        "instances.component",
        op.install + op.installs,
        LinkCoords {
            digest: commitment,
            ..about(index, fact(FactKind::Component))
        },
        kind,
    );
    let above = B::Expr::int(u64::from(FIRST_INSTALLED_TYPE) + 1);
    add(
        "instances.type",
        op.types,
        LinkCoords {
            digest: [b1, zero, zero, zero],
            callee: digest,
            payload: above + index + left.scale(Felt::new(1 << 16)),
            ..about(index, fact(FactKind::Type))
        },
        kind,
    );
    add(
        "instances.link",
        op.resolved + op.whole,
        LinkCoords {
            digest,
            target,
            callee,
            payload,
            ..about(index, kind)
        },
        domain,
    );
    // A drop says whether there is a destructor.
    let handle = |kind| LinkCoords {
        digest,
        target,
        callee,
        payload,
        ..about(index, kind)
    };
    let destructible = domain.scale(Felt::from(IntrinsicCall::DESTRUCTIBLE_CODE));
    add(
        "instances.drop_link",
        op.drops,
        handle(kind + destructible),
        zero,
    );
    add(
        "instances.handle_link",
        op.makes + op.passes + op.borrows,
        handle(kind),
        zero,
    );
    let fresh = call_code::<B::Expr>(LinkKind::Fresh);
    add(
        "instances.own_link",
        op.own,
        LinkCoords {
            digest,
            target: index,
            callee: digest,
            payload: b1,
            // That of a definer is called isolated, which has the number 0.
            ..about(index, b2.not() * fresh)
        },
        zero,
    );
    add(
        "instances.generic",
        op.generic,
        LinkCoords {
            digest,
            callee: [b1, zero, zero, zero],
            ..about(index, generic(flag, kind))
        },
        zero,
    );
    add(
        "instances.builtin",
        op.builtin,
        LinkCoords {
            digest,
            payload: callee[2],
            ..about(index, kind - callee[2].scale(Felt::from(PAIR)))
        },
        zero,
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
        kind,
    );
    add(
        "instances.wire",
        op.wire,
        LinkCoords {
            digest: [left, zero, zero, zero],
            target,
            ..about(index, fact(FactKind::Wire))
        },
        domain,
    );
    let held = flag.scale(Felt::from(LinkKind::Held.code()));
    add(
        "instances.specific",
        op.specific,
        LinkCoords {
            digest,
            target,
            callee: row.callee.map(|cell| flag * cell),
            payload: flag * payload + left,
            ..about(index, kind + held)
        },
        zero,
    );
    // The exports of code have their numbers as keys, and one procedure has its address.
    let exported = |key, callee| LinkCoords {
        digest: [key, zero, zero, zero],
        callee,
        ..about(index, fact(FactKind::Export))
    };
    let even = left + left;
    add(
        "instances.even_procedure",
        op.procedures,
        exported(even, [block[0], b1, b2, kind]),
        zero,
    );
    add(
        "instances.only_procedure",
        op.procedure,
        exported(b1, commitment),
        zero,
    );
    b.add(
        Slot::WIDE[1],
        "instances.odd_procedure",
        op.procedures,
        op.procedures * callee[0],
        LinkLookup {
            link: exported(even + B::Expr::ONE, digest),
            domain: zero,
        },
    );
    b.add(
        Slot::WIDE[1],
        "instances.imports_whole",
        op.procedure,
        op.procedure * callee[0],
        LinkLookup {
            link: about(index, fact(FactKind::Whole)),
            domain: zero,
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
