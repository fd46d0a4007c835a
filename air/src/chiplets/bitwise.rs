//! AND and XOR of 32-bit numbers, by their bits.
//!
//! A pair of rows is a fact, looked up any number of times: the odd row has the lower 16 bits of the
//! operands, the even one after it the upper. So neither the first row, of which nothing is before,
//! nor the last, which no constraint looks at, is of a pair.

use miden_core::Felt;

use crate::{
    algebra::Algebra,
    builder::{BitwiseFrame, ConstraintBuilder},
    columns::BitwiseRow,
    lookup::{BitwiseOp, LookupBuilder, Slot},
};

/// Constraints of the bitwise chiplet.
#[inline(always)]
pub fn constraints<B: ConstraintBuilder>(frame: &BitwiseFrame<'_, B::Expr>, b: &mut B) {
    let (cur, next) = (frame.cur, frame.next);
    b.assert_zeros("bitwise.a_binary", 2, cur.a.map(Algebra::binary));
    b.assert_zeros("bitwise.b_binary", 2, cur.b.map(Algebra::binary));

    let odd = frame.periodic.odd;
    b.assert_zero("bitwise.xor_binary", 2, cur.xor.binary());
    let and = number(&conjunction(cur), &conjunction(next));
    let sum = number(&cur.a, &next.a) + number(&cur.b, &next.b);
    // a XOR b = a + b - 2 (a AND b).
    let result = and + cur.xor * (sum - (and + and + and));
    // On even rows there is no result; nor is anything else.
    b.assert_zero("bitwise.result", 4, cur.result - odd * result);
    b.assert_zeros(
        "bitwise.unused",
        2,
        [cur.xor, cur.multiplicity].map(|cell| odd.not() * cell),
    );
}

/// Messages of the bitwise chiplet.
#[inline(always)]
pub fn lookups<B: LookupBuilder>(frame: &BitwiseFrame<'_, B::Expr>, b: &mut B) {
    let (cur, next) = (frame.cur, frame.next);
    let odd = frame.periodic.odd;
    b.add(
        Slot::WIDE[0],
        "bitwise.operation",
        odd,
        odd * cur.multiplicity,
        BitwiseOp {
            xor: cur.xor,
            a: number(&cur.a, &next.a),
            b: number(&cur.b, &next.b),
            result: cur.result,
        },
    );
}

/// The conjunctions of a row's bits.
#[inline(always)]
fn conjunction<E: Algebra>(row: &BitwiseRow<E>) -> [E; 16] {
    core::array::from_fn(|i| row.a[i] * row.b[i])
}

/// The number with these lower and upper bits.
#[inline(always)]
fn number<E: Algebra>(lower: &[E; 16], upper: &[E; 16]) -> E {
    half(lower) + half(upper).scale(Felt::new(1 << 16))
}

/// The number with these bits, by doubling.
#[inline(always)]
fn half<E: Algebra>(bits: &[E; 16]) -> E {
    bits.iter()
        .rev()
        .copied()
        .reduce(|sum, bit| sum + sum + bit)
        .unwrap_or(E::ZERO)
}
