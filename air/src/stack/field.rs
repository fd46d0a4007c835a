//! Arithmetic in the field and its quadratic extension, booleans, comparisons, exponentiation.

use miden_core::Felt;
use winter_math::StarkField;

use super::{Rows, Transition};
use crate::{
    algebra::Algebra,
    builder::ConstraintBuilder,
    lookup::{LookupBuilder, RangeCheck, Slot},
    opcode::*,
};

// 2^96 is -1 in this field, so 2^-32 is -2^64, which is 1 - 2^32, and 2^-48 is -2^48.
pub(super) const HALF: Felt = Felt::new(Felt::MODULUS.div_ceil(2));
pub(super) const INVERSE_OF_2_32: Felt = Felt::new(Felt::MODULUS - (1 << 32) + 1);
pub(super) const INVERSE_OF_2_48: Felt = Felt::new(Felt::MODULUS - (1 << 48));

/// The results of all operations of the family but INV and the bit of EXPACC, which constraints
/// bind.
#[inline(always)]
pub(super) fn transition<E: Algebra>(rows: &Rows<'_, E>, t: &mut Transition<'_, E>) {
    let ops = rows.ops;
    let [a, b, c, d, ..] = rows.cur.stack.top;

    t.set(0, ops.op(NEG), -a);
    t.add(0, ops.op(INCR));
    t.set(0, ops.op(NOT), a.not());
    t.free(1, ops.op(INV) + ops.op(EXPACC));

    let product = a * b;
    t.set_left(0, ops.op(ADD), a + b);
    t.set_left(0, ops.op(MUL) + ops.op(AND), product);
    t.set_left(0, ops.op(OR), a + b - product);

    // With the constraints on the product of difference and result, the result is 1 exactly if the
    // difference is zero.
    let inverse = rows.cur.helpers[0];
    t.set(0, ops.op(EQZ), (a * inverse).not());
    t.set_left(0, ops.op(EQ), ((a - b) * inverse).not());

    let expacc = Expacc::new(rows);
    let flag = ops.op(EXPACC);
    t.set(1, flag, b * b);
    t.set(2, flag, c * expacc.factor);
    t.set(3, flag, (d - expacc.bit).scale(HALF));

    // (d + c x)(b + a x) with x^2 = x - 2, written with the lower coefficient deeper in the stack.
    let flag = ops.op(EXT2MUL);
    let low = b * d;
    t.set(0, flag, a);
    t.set(1, flag, b);
    t.set(2, flag, (a + b) * (c + d) - low);
    t.set(3, flag, low - (a * c).scale(Felt::new(2)));
}

/// Adds the other constraints on the results.
#[inline(always)]
pub(super) fn constraints<B: ConstraintBuilder>(rows: &Rows<'_, B::Expr>, b: &mut B) {
    let Rows { cur, next, ops, .. } = *rows;
    let [top, second, ..] = cur.stack.top;
    let result = next.stack.top[0];

    b.assert_zero(
        "stack.inverse",
        5,
        ops.op(INV) * (top * result - B::Expr::ONE),
    );
    b.assert_zero("stack.eqz", 5, ops.op(EQZ) * (top * result));
    b.assert_zero("stack.eq", 5, ops.op(EQ) * ((top - second) * result));

    let expacc = Expacc::new(rows);
    let flag = ops.op(EXPACC);
    b.assert_zero("stack.expacc_bit", 5, flag * expacc.bit.binary());
    b.assert_zero(
        "stack.expacc_factor",
        5,
        flag * (expacc.factor - (second - B::Expr::ONE) * expacc.bit - B::Expr::ONE),
    );
    let [guard, canonical] = expacc.canonical();
    b.assert_zero("stack.expacc_guard", 5, flag * guard);
    b.assert_zero("stack.expacc_canonical", 5, flag * canonical);
}

/// Range checks of the exponent's limbs.
#[inline(always)]
pub(super) fn lookups<B: LookupBuilder>(rows: &Rows<'_, B::Expr>, b: &mut B) {
    let expacc = Expacc::new(rows);
    let flag = rows.ops.op(EXPACC);
    let [u0, u1, u2, u3] = expacc.limbs;
    let checks = [
        ("stack.expacc_half", expacc.half),
        ("stack.expacc_limb0", u0),
        ("stack.expacc_limb1", u1),
        ("stack.expacc_limb2", u2),
        ("stack.expacc_limb3", u3),
    ];
    for (slot, (name, value)) in Slot::OP.into_iter().zip(checks) {
        b.add(slot, name, flag, -flag, RangeCheck { value });
    }
}

/// The cells of an EXPACC row: one step of square and multiply.
///
/// The exponent is shifted right as an integer, so its lowest bit has to be that of the canonical
/// representative: the row shows all four limbs of it, and that the lowest one is `2 * half + bit`.
#[derive(Debug, Clone, Copy)]
struct Expacc<E> {
    /// Lowest bit of the exponent.
    bit: E,
    /// The factor of the result: the base, or 1 if the bit is 0.
    factor: E,
    /// Half of the lowest limb.
    half: E,
    /// The 16-bit limbs of the exponent, low first.
    limbs: [E; 4],
    /// Inverse of `2^32 - 1 -` the upper 32 bits, or 0.
    inverse: E,
    /// That product: 1, or 0.
    guard: E,
    exponent: E,
}

impl<E: Algebra> Expacc<E> {
    #[inline(always)]
    fn new(rows: &Rows<'_, E>) -> Self {
        let [factor, half, u1, u2, inverse, guard] = rows.cur.helpers;
        let bit = rows.next.stack.top[0];
        let exponent = rows.cur.stack.top[3];
        let u0 = half + half + bit;
        let lower = u0 + u1.scale(Felt::new(1 << 16)) + u2.scale(Felt::new(1 << 32));
        let u3 = (exponent - lower).scale(INVERSE_OF_2_48);
        Self {
            bit,
            factor,
            half,
            limbs: [u0, u1, u2, u3],
            inverse,
            guard,
            exponent,
        }
    }

    /// Two values that have to be zero so that the limbs are below the modulus.
    #[inline(always)]
    fn canonical(&self) -> [E; 2] {
        let [u0, u1, ..] = self.limbs;
        let lo = u0 + u1.scale(Felt::new(1 << 16));
        let hi = (self.exponent - lo).scale(INVERSE_OF_2_32);
        canonical(lo, hi, self.inverse, self.guard)
    }
}

/// Two values that are both zero only if `2^32 * hi + lo` is below the modulus, for `lo` and `hi` of
/// 32 bits: `guard` is `inverse * (2^32 - 1 - hi)`, and if it is not 1, then `lo` is 0.
///
/// The modulus is `2^32 * (2^32 - 1) + 1`, so only the largest `hi` needs care.
#[inline(always)]
pub(super) fn canonical<E: Algebra>(lo: E, hi: E, inverse: E, guard: E) -> [E; 2] {
    let distance = E::int(u64::from(u32::MAX)) - hi;
    [guard - inverse * distance, guard.not() * lo]
}
