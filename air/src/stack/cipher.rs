//! CRYPTOSTREAM: two words of memory are encrypted by adding the top of the stack, and written
//! elsewhere.

use core::array::from_fn;

use miden_core::Felt;

use super::{Rows, Transition};
use crate::{
    algebra::Algebra,
    builder::ConstraintBuilder,
    lookup::{LookupBuilder, MemoryWord, Slot, Space, access_time, context_key},
    opcode::CRYPTOSTREAM,
};

/// Position of the address that is read; the one that is written is below it.
const SOURCE: usize = 12;
/// Elements that are encrypted: two words.
const LENGTH: usize = 8;

/// The top has what is written, which the memory binds to what is read; both addresses move on.
#[inline(always)]
pub(super) fn transition<E: Algebra>(rows: &Rows<'_, E>, t: &mut Transition<'_, E>) {
    let flag = rows.ops.op(CRYPTOSTREAM);
    t.free(LENGTH, flag);
    for address in [SOURCE, SOURCE + 1] {
        t.add(address, flag.scale(Felt::new(LENGTH as u64)));
    }
}

/// The two ranges have no word in common, and end below `2^32`, as for the executor.
///
/// Addresses are multiples of 4, which the memory binds. So the ranges overlap exactly if their
/// distance is -4, 0 or 4. A product of all five differences has an inverse.
#[inline(always)]
pub(super) fn constraints<B: ConstraintBuilder>(rows: &Rows<'_, B::Expr>, b: &mut B) {
    let [square, distinct, below, both, inverse, _] = rows.cur.helpers;
    let top = &rows.cur.stack.top;
    let distance = top[SOURCE + 1] - top[SOURCE];
    let end = |address: B::Expr| address + B::Expr::int(LENGTH as u64) - B::Expr::int(1 << 32);
    let flag = rows.ops.op(CRYPTOSTREAM);
    b.assert_zeros(
        "stack.cipher_ranges",
        5,
        [
            square - distance.squared(),
            distinct - distance * (square - B::Expr::int(16)),
            below - end(top[SOURCE]) * end(top[SOURCE + 1]),
            both - distinct * below,
            (both * inverse).not(),
        ]
        .map(|value| flag * value),
    );
}

/// The words that are read are those that are written, less the top of the stack.
#[inline(always)]
pub(super) fn lookups<B: LookupBuilder>(rows: &Rows<'_, B::Expr>, b: &mut B) {
    let Rows { cur, next, ops, .. } = *rows;
    let flag = ops.op(CRYPTOSTREAM);
    let (keys, ciphers) = (&cur.stack.top, &next.stack.top);
    for (i, name, is_write) in [
        (0, "stack.cipher_read_first", false),
        (1, "stack.cipher_read_second", false),
        (2, "stack.cipher_write_first", true),
        (3, "stack.cipher_write_second", true),
    ] {
        // The second word is on top, with its last element topmost.
        let second = i % 2;
        let position = |element: usize| LENGTH - 1 - 4 * second - element;
        let address = cur.stack.top[SOURCE + i / 2];
        b.add(
            Slot::OP[i],
            name,
            flag,
            flag,
            MemoryWord {
                context: context_key(cur.system.domain, cur.system.index, Space::User),
                address: address + B::Expr::int(4 * second as u64),
                time: access_time(cur.system.clk),
                is_write: B::Expr::int(is_write.into()),
                value: from_fn(|element| {
                    let cipher = ciphers[position(element)];
                    if is_write {
                        cipher
                    } else {
                        cipher - keys[position(element)]
                    }
                }),
            },
        );
    }
}
