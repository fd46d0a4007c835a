//! The hasher: permutations of Rescue Prime Optimized, 8 rows each, and what is made of them.
//!
//! A cycle is one permutation: rows 0 to 6 hold the state before each round, row 7 the final state.
//! There are four kinds of cycles:
//!
//! - *plain*: any state. The first permutation of a hash, or one that a program asked for.
//! - *absorb*: continues a plain or absorbing cycle with 8 more elements.
//! - *Merkle*: one level of a path. The cycles of a leg follow each other from the node to the root.
//! - *init*: absorbs 8 elements of static data and writes them to memory. The cycles of a segment
//!   follow each other.
//!
//! Plain and absorbing cycles are facts, looked up any number of times by their addresses, which are
//! row numbers. Legs and segments are events: each is claimed exactly once.
//!
//! The table is filled up with plain cycles that nobody looks up. The last cycle is one of them, as
//! its last row says nothing.

use core::mem::size_of;

use miden_core::Felt;

use crate::{
    algebra::Algebra,
    builder::{ConstraintBuilder, HasherFrame, Periodic},
    chiplets::rpo::{STATE_WIDTH, cube, mds},
    columns::{CycleEnd, InitArgs, MerkleArgs},
    lookup::{
        HashAbsorb, HashDigest, HashInput, HashOutput, LookupBuilder, MemoryWord, MerkleLeaf,
        MerkleRoot, MerkleSibling, RangeCheck, SegmentCoords, SegmentInit, SegmentLookup, Slot,
    },
};

/// The highest level of a Merkle path, counted from the leaf; so paths have at most 64 levels.
pub const MAX_LEVEL: u64 = 63;

/// Level at which an index of a path of 64 levels consists of its upper 32 bits.
pub const UPPER_HALF_LEVEL: u64 = 32;

/// The upper 32 bits that no index of a path of 64 levels has: with them it would not be below the
/// modulus (or be the largest element, which is refused too), and a smaller index could pose as it.
pub const REFUSED_UPPER_HALF: u64 = 0xffff_ffff;

/// Constraints of the hasher.
#[inline(always)]
pub fn constraints<B: ConstraintBuilder>(frame: &HasherFrame<'_, B::Expr>, b: &mut B) {
    let step = frame.next.address - frame.cur.address;
    b.assert_zero("hasher.address", 1, step - B::Expr::ONE);
    kinds(frame, b);
    round(frame, b);
    first_rows(frame, b);
    merkle_cycle(frame, b);
    init_cycle(frame, b);
    next_cycle(frame, b);
    merkle_continues(frame, b);
    init_continues(frame, b);
}

/// Each cycle is of one kind and has one set of arguments.
#[inline(always)]
fn kinds<B: ConstraintBuilder>(frame: &HasherFrame<'_, B::Expr>, b: &mut B) {
    let (cur, next) = (frame.cur, frame.next);
    let kind = [cur.absorb, cur.merkle, cur.init];
    let kind_next = [next.absorb, next.merkle, next.init];
    b.assert_zeros("hasher.kind_binary", 2, kind.map(Algebra::binary));
    let special = cur.absorb + cur.merkle + cur.init;
    b.assert_zero("hasher.one_kind", 2, special.binary());

    let inside = frame.periodic.last.not();
    b.assert_zeros(
        "hasher.kind_constant",
        2,
        core::array::from_fn::<_, 3, _>(|i| inside * (kind_next[i] - kind[i])),
    );
    b.assert_zeros(
        "hasher.args_constant",
        2,
        core::array::from_fn::<_, 9, _>(|i| inside * (next.args[i] - cur.args[i])),
    );
    let hash = (cur.merkle + cur.init).not();
    b.assert_zeros("hasher.args_unused", 2, cur.args.map(|cell| hash * cell));

    // The multiplicities of legs and segments, and those of rows that state nothing.
    let Periodic { first, last, .. } = frame.periodic;
    let [count0, count1] = cur.multiplicity;
    b.assert_zeros(
        "hasher.multiplicity_unused",
        3,
        [
            ((*first + *last) * hash).not() * count0,
            (*last * (hash - cur.absorb)).not() * count1,
        ],
    );
}

/// One round: `MDS((MDS(state) + ARK1)^7) + ARK2` is the seventh power of the next row's state.
#[inline(always)]
fn round<B: ConstraintBuilder>(frame: &HasherFrame<'_, B::Expr>, b: &mut B) {
    let cur = frame.cur;
    let next = frame.next;
    let Periodic {
        last, ark1, ark2, ..
    } = frame.periodic;
    let inside = last.not();

    let mut input = mds(&cur.state);
    for (lane, &constant) in input.iter_mut().zip(ark1) {
        *lane += constant;
    }
    let power: [_; STATE_WIDTH] = core::array::from_fn(|i| cur.cube_in[i].squared() * input[i]);
    let mut middle = mds(&power);
    for (lane, &constant) in middle.iter_mut().zip(ark2) {
        *lane += constant;
    }
    // The last row of a cycle has no round to serve: what it keeps is in the first cells of
    // `cube_in`, and the other cells are zero.
    b.assert_zeros(
        "hasher.cube_in",
        4,
        core::array::from_fn::<_, STATE_WIDTH, _>(|i| {
            let kept = i < size_of::<CycleEnd<u8>>();
            let bound = if kept {
                inside * cur.cube_in[i]
            } else {
                cur.cube_in[i]
            };
            bound - inside * cube(input[i])
        }),
    );
    b.assert_zeros(
        "hasher.cube_out",
        4,
        core::array::from_fn::<_, STATE_WIDTH, _>(|i| {
            cur.cube_out[i] - inside * cube(next.state[i])
        }),
    );
    b.assert_zeros(
        "hasher.round",
        4,
        core::array::from_fn::<_, STATE_WIDTH, _>(|i| {
            inside * (middle[i] - cur.cube_out[i].squared() * next.state[i])
        }),
    );
}

/// Merkle cycles and the first cycles of segments begin with a zero capacity.
#[inline(always)]
fn first_rows<B: ConstraintBuilder>(frame: &HasherFrame<'_, B::Expr>, b: &mut B) {
    let cur = frame.cur;
    let fresh = frame.periodic.first * (cur.merkle + cur.init * cur.init_args().first);
    b.assert_zeros(
        "hasher.zero_capacity",
        4,
        core::array::from_fn::<_, 4, _>(|i| fresh * cur.state[i]),
    );
}

/// Constrains the rows within a cycle of a Merkle path.
#[inline(always)]
fn merkle_cycle<B: ConstraintBuilder>(frame: &HasherFrame<'_, B::Expr>, b: &mut B) {
    let cur = frame.cur;
    let merkle = cur.merkle;
    let &MerkleArgs {
        path,
        old_leg,
        new_leg,
        level,
        index,
        bit,
        start,
        names_path,
        end,
    } = cur.merkle_args();
    b.assert_zeros(
        "hasher.merkle_binary",
        3,
        [old_leg, new_leg, bit, start, end].map(|flag| merkle * flag.binary()),
    );
    b.assert_zero("hasher.merkle_one_leg", 3, merkle * old_leg * new_leg);
    b.assert_zero("hasher.merkle_start_level", 3, merkle * start * level);
    b.assert_zero("hasher.merkle_end_index", 3, merkle * end * (index - bit));
    b.assert_zero(
        "hasher.merkle_names_path",
        3,
        merkle * (names_path - start * new_leg.not()),
    );
    b.assert_zero(
        "hasher.merkle_path",
        4,
        merkle * frame.periodic.first * names_path * (path - cur.address),
    );

    // `levels_left` is range-checked, so there are at most 64 levels, and an index of fewer levels
    // is one number in one way.
    let end_row = cur.cycle_end();
    let cycle_end = frame.periodic.last;
    let merkle_end = merkle * frame.periodic.last;
    b.assert_zero(
        "hasher.levels_left",
        3,
        cycle_end * (end_row.levels_left + cur.merkle * (level - B::Expr::int(MAX_LEVEL))),
    );
    // Not both factors are zero.
    b.assert_zero(
        "hasher.merkle_canonical_index",
        4,
        merkle_end
            * (end_row.level_witness * (level - B::Expr::int(UPPER_HALF_LEVEL))
                + end_row.index_witness * (index - B::Expr::int(REFUSED_UPPER_HALF))
                - B::Expr::ONE),
    );
    b.assert_zeros(
        "hasher.witness_unused",
        3,
        [end_row.level_witness, end_row.index_witness]
            .map(|witness| cycle_end * cur.merkle.not() * witness),
    );
    b.assert_zero(
        "hasher.open_merkle",
        3,
        cycle_end * (end_row.open_merkle - cur.merkle * end.not()),
    );
}

/// Constrains the rows within a cycle that initializes memory.
#[inline(always)]
fn init_cycle<B: ConstraintBuilder>(frame: &HasherFrame<'_, B::Expr>, b: &mut B) {
    let cur = frame.cur;
    let init = cur.init;
    let &InitArgs {
        block,
        first,
        last,
        done,
        ..
    } = cur.init_args();
    b.assert_zeros(
        "hasher.init_binary",
        3,
        [first, last, done].map(|flag| init * flag.binary()),
    );
    b.assert_zero("hasher.init_first_block", 3, init * first * block);
    b.assert_zero(
        "hasher.open_init",
        3,
        frame.periodic.last * (cur.cycle_end().open_init - init * last.not()),
    );
}

/// Constrains which cycles may follow each other, and the cells that every kind of continuation
/// keeps.
#[inline(always)]
fn next_cycle<B: ConstraintBuilder>(frame: &HasherFrame<'_, B::Expr>, b: &mut B) {
    let last = frame.periodic.last;
    let cur = frame.cur;
    let next = frame.next;
    let end_row = cur.cycle_end();

    let absorbs = last * next.absorb;
    b.assert_zero("hasher.absorb_after", 3, absorbs * (cur.merkle + cur.init));
    b.assert_zeros(
        "hasher.absorb_capacity",
        3,
        core::array::from_fn::<_, 4, _>(|i| absorbs * (next.state[i] - cur.state[i])),
    );

    let open = end_row.open_merkle + end_row.open_init;
    b.assert_zero(
        "hasher.open_merkle_kind",
        3,
        last * end_row.open_merkle * next.merkle.not(),
    );
    b.assert_zero(
        "hasher.open_init_kind",
        3,
        last * end_row.open_init * next.init.not(),
    );
    // Legs and segments start exactly where none is open. The two flags are one column.
    b.assert_zero(
        "hasher.start",
        3,
        last * (next.merkle * (next.merkle_args().start + open - B::Expr::ONE)
            + next.init * (next.init_args().first + open - B::Expr::ONE)),
    );
    // Path and legs, or context, instance and time.
    let continues = last * open;
    b.assert_zeros(
        "hasher.continued_args",
        3,
        core::array::from_fn::<_, 3, _>(|i| continues * (next.args[i] - cur.args[i])),
    );
}

/// The next level of a Merkle path.
#[inline(always)]
fn merkle_continues<B: ConstraintBuilder>(frame: &HasherFrame<'_, B::Expr>, b: &mut B) {
    let cur = frame.cur;
    let next = frame.next;
    let args = cur.merkle_args();
    let args_next = next.merkle_args();
    let open = frame.periodic.last * cur.cycle_end().open_merkle;
    b.assert_zero(
        "hasher.merkle_level",
        3,
        open * (args_next.level - args.level - B::Expr::ONE),
    );
    b.assert_zero(
        "hasher.merkle_index",
        3,
        open * (args.index - args_next.index - args_next.index - args.bit),
    );
    // The digest is the left or the right child.
    b.assert_zeros(
        "hasher.merkle_node",
        4,
        core::array::from_fn::<_, 4, _>(|i| {
            let (left, right) = (next.state[4 + i], next.state[8 + i]);
            open * (left + args_next.bit * (right - left) - cur.state[4 + i])
        }),
    );
}

/// The next block of a segment.
#[inline(always)]
fn init_continues<B: ConstraintBuilder>(frame: &HasherFrame<'_, B::Expr>, b: &mut B) {
    let cur = frame.cur;
    let next = frame.next;
    let args = cur.init_args();
    let args_next = next.init_args();
    let open = frame.periodic.last * cur.cycle_end().open_init;
    b.assert_zeros(
        "hasher.init_capacity",
        3,
        core::array::from_fn::<_, 4, _>(|i| open * (next.state[i] - cur.state[i])),
    );
    b.assert_zero(
        "hasher.init_block",
        3,
        open * (args_next.block - args.block - B::Expr::ONE),
    );
    b.assert_zero(
        "hasher.init_segment",
        3,
        open * (args_next.segment - args.segment),
    );
    b.assert_zero(
        "hasher.init_address",
        3,
        open * (args_next.address - args.address),
    );
    b.assert_zero("hasher.init_done", 3, open * (args_next.done - args.done));
}

/// Messages of the hasher.
#[inline(always)]
pub fn lookups<B: LookupBuilder>(frame: &HasherFrame<'_, B::Expr>, b: &mut B) {
    hash_messages(frame, b);
    merkle_messages(frame, b);
    init_messages(frame, b);
    b.add(
        Slot::CHECK[0],
        "hasher.levels_left_range",
        B::Expr::ONE,
        -frame.periodic.last,
        RangeCheck {
            value: frame.cur.cycle_end().levels_left,
        },
    );
}

/// Plain and absorbing cycles answer for what they begin and end with.
#[inline(always)]
fn hash_messages<B: LookupBuilder>(frame: &HasherFrame<'_, B::Expr>, b: &mut B) {
    let row = frame.cur;
    let address = row.address;
    let [_, _, _, _, r0, r1, r2, r3, r4, r5, r6, r7] = row.state;
    let [count0, count1] = row.multiplicity;
    let Periodic { first, last, .. } = *frame.periodic;
    let hash = (row.merkle + row.init).not();
    let plain = hash - row.absorb;

    let flag = first * plain;
    b.add(
        Slot::WIDE[0],
        "hasher.input",
        flag,
        flag * count0,
        HashInput {
            address,
            state: row.state,
        },
    );
    let flag = first * row.absorb;
    b.add(
        Slot::WIDE[0],
        "hasher.absorb",
        flag,
        flag * count0,
        HashAbsorb {
            address,
            rate: [r0, r1, r2, r3, r4, r5, r6, r7],
        },
    );
    let flag = last * hash;
    b.add(
        Slot::WIDE[0],
        "hasher.digest",
        flag,
        flag * count0,
        HashDigest {
            address,
            digest: [r0, r1, r2, r3],
        },
    );
    let flag = last * plain;
    b.add(
        Slot::WIDE[1],
        "hasher.output",
        flag,
        flag * count1,
        HashOutput {
            address,
            state: row.state,
        },
    );
}

/// The legs of Merkle paths.
#[inline(always)]
fn merkle_messages<B: LookupBuilder>(frame: &HasherFrame<'_, B::Expr>, b: &mut B) {
    let row = frame.cur;
    let &MerkleArgs {
        path,
        old_leg,
        new_leg,
        level,
        index,
        bit,
        start,
        end,
        ..
    } = row.merkle_args();
    let [_, _, _, _, l0, l1, l2, l3, r0, r1, r2, r3] = row.state;
    let right_minus_left = [r0 - l0, r1 - l1, r2 - l2, r3 - l3].map(|value| bit * value);
    let [m0, m1, m2, m3] = right_minus_left;

    // The flags of the first two are set on all rows of a cycle: their coordinates are of degree 2.
    let merkle = row.merkle;
    let first = merkle * frame.periodic.first;
    b.add(
        Slot::WIDE[0],
        "hasher.merkle_leaf",
        merkle,
        first * start,
        MerkleLeaf {
            path,
            old_leg,
            new_leg,
            index,
            node: [l0 + m0, l1 + m1, l2 + m2, l3 + m3],
        },
    );
    b.add(
        Slot::WIDE[1],
        "hasher.merkle_sibling",
        merkle,
        first * (old_leg - new_leg),
        MerkleSibling {
            path,
            level,
            bit,
            sibling: [r0 - m0, r1 - m1, r2 - m2, r3 - m3],
        },
    );
    let last = merkle * frame.periodic.last;
    b.add(
        Slot::WIDE[2],
        "hasher.merkle_root",
        last,
        last * end,
        MerkleRoot {
            path,
            old_leg,
            new_leg,
            depth: level + B::Expr::ONE,
            root: [l0, l1, l2, l3],
        },
    );
}

/// Static data: the segment whose turn it is is taken over, words are written, the commitment is looked up.
#[inline(always)]
fn init_messages<B: LookupBuilder>(frame: &HasherFrame<'_, B::Expr>, b: &mut B) {
    let row = frame.cur;
    let &InitArgs {
        context,
        instance,
        time,
        segment,
        address,
        block,
        first,
        last,
        done,
    } = row.init_args();
    let [_, _, _, _, r0, r1, r2, r3, r4, r5, r6, r7] = row.state;
    let one = B::Expr::ONE;
    let init = row.init;

    let first_row = init * frame.periodic.first;
    b.add(
        Slot::WIDE[0],
        "hasher.segment_init",
        first_row,
        -(first_row * first),
        SegmentInit {
            context,
            instance,
            time,
            segment,
        },
    );
    let lower = address + block.scale(Felt::new(8));
    b.add(
        Slot::WIDE[1],
        "hasher.lower_word",
        first_row,
        first_row,
        MemoryWord {
            context,
            address: lower,
            time,
            is_write: one,
            value: [r0, r1, r2, r3],
        },
    );
    b.add(
        Slot::WIDE[2],
        "hasher.upper_word",
        first_row,
        first_row,
        MemoryWord {
            context,
            address: lower + B::Expr::int(4),
            time,
            is_write: one,
            value: [r4, r5, r6, r7],
        },
    );

    let last_row = init * frame.periodic.last;
    let complete = last_row * last;
    b.add(
        Slot::WIDE[0],
        "hasher.segment",
        last_row,
        -complete,
        SegmentLookup {
            segment: SegmentCoords {
                instance,
                segment,
                address,
                blocks: block + one,
                done,
                commitment: [r0, r1, r2, r3],
            },
        },
    );
    b.add(
        Slot::WIDE[1],
        "hasher.next_segment_init",
        last_row,
        complete * done.not(),
        SegmentInit {
            context,
            instance,
            time,
            segment: segment + one,
        },
    );
}
