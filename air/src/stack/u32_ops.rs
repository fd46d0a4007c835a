//! Operations on 32-bit integers.
//!
//! Those with the prefix 100 have four limbs of 16 bits in helpers 0 to 3, which are all looked up
//! in the range table: `lo` is made of the first two, `hi` of the last two. The operands of the
//! arithmetic operations are of 32 bits: their lower 16 bits have columns of their own, and are
//! looked up too, as is what is left of the operand.

use miden_core::Felt;
use winter_math::StarkField;

use super::{Rows, Transition, field::canonical};
use crate::{
    algebra::Algebra,
    builder::ConstraintBuilder,
    lookup::{BitwiseOp, LookupBuilder, RangeCheck, Slot},
    opcode::*,
};

const TWO_16: Felt = Felt::new(1 << 16);
const TWO_32: Felt = Felt::new(1 << 32);
// 2^64 is 2^32 - 1 in this field, so 2^16 (2^16 - 2^48) is 1.
const INVERSE_OF_2_16: Felt = Felt::new(Felt::MODULUS - (1 << 48) + (1 << 16));

/// The helpers of a row with the prefix 100.
#[derive(Debug, Clone, Copy)]
struct Limbs<E> {
    limbs: [E; 4],
    lo: E,
    hi: E,
    /// Inverse of `2^32 - 1 - hi`, or 0.
    inverse: E,
    /// That product: 1, or 0.
    guard: E,
}

impl<E: Algebra> Limbs<E> {
    #[inline(always)]
    fn new(rows: &Rows<'_, E>) -> Self {
        let [h0, h1, h2, h3, inverse, guard] = rows.cur.helpers;
        Self {
            limbs: [h0, h1, h2, h3],
            lo: h0 + h1.scale(TWO_16),
            hi: h2 + h3.scale(TWO_16),
            inverse,
            guard,
        }
    }
}

/// The results that are `lo` and `hi`; constraints bind the others, and the bitwise chiplet.
#[inline(always)]
pub(super) fn transition<E: Algebra>(rows: &Rows<'_, E>, t: &mut Transition<'_, E>) {
    let ops = rows.ops;
    let Limbs { lo, hi, .. } = Limbs::new(rows);
    let (sub, div) = (ops.op(U32SUB), ops.op(U32DIV));

    let stay = ops.op(U32ADD) + ops.op(U32MUL);
    t.set(0, stay, hi);
    t.set(1, stay + sub, lo);
    let left = ops.op(U32ADD3) + ops.op(U32MADD);
    t.set_left(0, left, hi);
    t.set_left(1, left, lo);
    let split = ops.op(U32SPLIT);
    t.push(split, hi);
    t.set_right(1, split, lo);

    t.free(1, sub + ops.op(U32AND) + ops.op(U32XOR));
    t.free(2, div);
}

/// Constrains the relation of the limbs to the operands.
#[inline(always)]
pub(super) fn constraints<B: ConstraintBuilder>(rows: &Rows<'_, B::Expr>, b: &mut B) {
    let Rows { cur, next, ops, .. } = *rows;
    let Limbs {
        limbs: [h0, _, h2, h3],
        lo,
        hi,
        inverse,
        guard,
    } = Limbs::new(rows);
    let [top, second, third, ..] = cur.stack.top;
    let [next_top, next_second, ..] = next.stack.top;

    // Under the class flag, because the product and an operation's flag exceed the degree.
    let [guard, nonzero] = canonical(lo, hi, inverse, guard);
    b.assert_zero("stack.u32_guard", 3, ops.class(4) * guard);

    // Operations whose results are the halves of a number. Sums have a hi of 16 bits, and cannot be
    // the modulus off; the others must be canonical.
    let (add, add3) = (ops.op(U32ADD), ops.op(U32ADD3));
    let (mul, madd, split) = (ops.op(U32MUL), ops.op(U32MADD), ops.op(U32SPLIT));
    let sum = add + add3;
    let wide = mul + madd + split;
    let value =
        (sum + split) * top + sum * second + (mul + madd) * (top * second) + (add3 + madd) * third
            - (sum + wide) * (lo + hi.scale(TWO_32));
    b.assert_zero("stack.u32_halves", 5, value);
    b.assert_zero("stack.u32_canonical", 5, wide * nonzero);

    let sub = ops.op(U32SUB);
    b.assert_zero("stack.u32_narrow", 4, (sum + sub) * h3);
    b.assert_zero("stack.u32_sub_narrow", 4, sub * h2);
    b.assert_zero("stack.u32_borrow", 5, sub * next_top.binary());
    b.assert_zero(
        "stack.u32_sub",
        4,
        sub * (second - top + next_top.scale(TWO_32) - lo),
    );

    let assert = ops.op(U32ASSERT2);
    b.assert_zeros(
        "stack.u32_assert",
        4,
        [assert * (top - hi), assert * (second - lo)],
    );

    // a = q * b + r with q and r of 32 bits and r < b, for which b - r - 1 is of 32 bits. Not both q
    // and r need more than 16 bits, so three limbs are enough for the two: h0 is the low limb of q,
    // and h1 the high limb of either q (then lo is q) or r (then h0 is q). In both cases the low limb
    // of r is q + r - lo.
    let div = ops.op(U32DIV);
    let (quotient, remainder) = (next_second, next_top);
    b.assert_zeros(
        "stack.u32_div",
        5,
        [
            div * (quotient * top + remainder - second),
            div * (top - remainder - B::Expr::ONE - hi),
            div * ((quotient - h0) * (quotient - lo)),
        ],
    );
}

/// Range checks of the limbs, and requests to the bitwise chiplet.
#[inline(always)]
pub(super) fn lookups<B: LookupBuilder>(rows: &Rows<'_, B::Expr>, b: &mut B) {
    let Rows { cur, next, ops, .. } = *rows;
    let Limbs { limbs, lo, .. } = Limbs::new(rows);
    let [top, second, ..] = cur.stack.top;
    let [next_top, next_second, ..] = next.stack.top;

    let flag = ops.class(4);
    let names = [
        "stack.u32_limb0",
        "stack.u32_limb1",
        "stack.u32_limb2",
        "stack.u32_limb3",
    ];
    for ((slot, name), value) in Slot::OP.into_iter().zip(names).zip(limbs) {
        b.add(slot, name, flag, -flag, RangeCheck { value });
    }
    let div = ops.op(U32DIV);
    b.add(
        Slot::OP[4],
        "stack.u32_remainder_low",
        div,
        -div,
        RangeCheck {
            value: next_second + next_top - lo,
        },
    );

    // U32SPLIT takes any operand, and U32ASSERT2 has its operands as limbs.
    let two = flag - ops.upper(U32SPLIT);
    let three = ops.upper(U32ADD3);
    let operands = [
        (["stack.u32_top_low", "stack.u32_top_high"], two),
        (["stack.u32_second_low", "stack.u32_second_high"], two),
        (["stack.u32_third_low", "stack.u32_third_high"], three),
    ];
    for (i, ([low, high], flag)) in operands.into_iter().enumerate() {
        let [low_slot, high_slot] = Slot::OPERAND[i];
        let value = cur.operands[i];
        b.add(low_slot, low, B::Expr::ONE, -flag, RangeCheck { value });
        let value = (cur.stack.top[i] - value).scale(INVERSE_OF_2_16);
        b.add(high_slot, high, B::Expr::ONE, -flag, RangeCheck { value });
    }

    let flag = ops.op(U32AND) + ops.op(U32XOR);
    b.add(
        Slot::OP[0],
        "stack.bitwise",
        flag,
        -flag,
        BitwiseOp {
            xor: ops.lo(3),
            a: second,
            b: top,
            result: next_top,
        },
    );
}
