//! Permutations, Merkle trees and the precompile transcript. Helper 0 is the hasher row at which the computation begins.

use core::array::from_fn;

use super::{Rows, Transition};
use crate::{
    algebra::Algebra,
    lookup::{
        HashInput, HashOutput, LookupBuilder, MemoryWord, MerkleLeaf, MerkleRoot, Slot, Space,
        access_time, context_key,
    },
    opcode::*,
};

/// The hasher binds the new state of HPERM and LOGPRECOMPILE and the new root of MRUPDATE; MPVERIFY changes nothing.
#[inline(always)]
pub(super) fn transition<E: Algebra>(rows: &Rows<'_, E>, t: &mut Transition<'_, E>) {
    t.free(12, rows.ops.op(HPERM) + rows.ops.op(LOGPRECOMPILE));
    t.free(4, rows.ops.op(MRUPDATE));
}

/// Requests to the hasher.
#[inline(always)]
pub(super) fn lookups<B: LookupBuilder>(rows: &Rows<'_, B::Expr>, b: &mut B) {
    let ops = rows.ops;
    let (cur, next) = (&rows.cur.stack.top, &rows.next.stack.top);
    let start = rows.cur.helpers[0];

    // The transcript's state is the capacity, which is not on the stack.
    let [_, s0, s1, s2, s3, _] = rows.cur.helpers;
    let transcript = [s0, s1, s2, s3];
    let flag = ops.op(HPERM);
    b.add(
        Slot::OP[0],
        "stack.hperm_input",
        flag,
        -flag,
        HashInput {
            address: start,
            state: from_fn(|i| cur[11 - i]),
        },
    );
    let log = ops.op(LOGPRECOMPILE);
    b.add(
        Slot::OP[0],
        "stack.log_precompile_input",
        log,
        -log,
        HashInput {
            address: start,
            state: from_fn(|i| if i < 4 { transcript[i] } else { cur[11 - i] }),
        },
    );
    for (slot, name, is_write, value) in [
        (Slot::OP[2], "stack.transcript_before", 0, transcript),
        (
            Slot::OP[3],
            "stack.transcript_after",
            1,
            from_fn(|i| next[11 - i]),
        ),
    ] {
        b.add(
            slot,
            name,
            log,
            log,
            MemoryWord {
                context: context_key(B::Expr::ZERO, B::Expr::ZERO, Space::Transcript),
                address: B::Expr::ZERO,
                time: access_time(rows.cur.system.clk),
                is_write: B::Expr::int(is_write),
                value,
            },
        );
    }
    let flag = flag + log;
    b.add(
        Slot::OP[1],
        "stack.permutation_output",
        flag,
        -flag,
        HashOutput {
            address: start + B::Expr::int(7),
            state: from_fn(|i| next[11 - i]),
        },
    );

    // The two operations have their first leg in common: from the node on top to the root below. It
    // is marked as the old one in an update only.
    let (verify, update) = (ops.op(MPVERIFY), ops.op(MRUPDATE));
    let (zero, one) = (B::Expr::ZERO, B::Expr::ONE);
    let word = |first: usize| from_fn(|i| cur[first + 3 - i]);
    let (depth, index) = (cur[4], cur[5]);
    let first_leg = verify + update;
    // 1 on MRUPDATE rows, of the two.
    let old_leg = ops.class(6);
    b.add(
        Slot::OP[0],
        "stack.merkle_leaf",
        first_leg,
        -first_leg,
        MerkleLeaf {
            path: start,
            old_leg,
            new_leg: zero,
            index,
            node: word(0),
        },
    );
    b.add(
        Slot::OP[1],
        "stack.merkle_root",
        first_leg,
        -first_leg,
        MerkleRoot {
            path: start,
            old_leg,
            new_leg: zero,
            depth,
            root: word(6),
        },
    );
    b.add(
        Slot::OP[2],
        "stack.merkle_new_leaf",
        update,
        -update,
        MerkleLeaf {
            path: start,
            old_leg: zero,
            new_leg: one,
            index,
            node: word(10),
        },
    );
    b.add(
        Slot::OP[3],
        "stack.merkle_new_root",
        update,
        -update,
        MerkleRoot {
            path: start,
            old_leg: zero,
            new_leg: one,
            depth,
            root: from_fn(|i| next[3 - i]),
        },
    );
}
