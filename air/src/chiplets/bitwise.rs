//! AND and XOR of 32-bit numbers, by their bits.
//!
//! A pair of rows is a fact, looked up any number of times: the even row has the lower 16 bits of
//! the operands, the odd one the upper.

use miden_core::Felt;

use crate::{
    algebra::Algebra,
    builder::{ChipletFrame, ConstraintBuilder},
    columns::BitwiseRow,
    lookup::{BitwiseOp, LookupBuilder, Slot},
};

/// Constraints of the bitwise chiplet.
#[inline(always)]
pub fn constraints<B: ConstraintBuilder>(frame: &ChipletFrame<'_, B::Expr>, b: &mut B) {
    let select = frame.cur.select.bitwise;
    let cur = frame.cur.bitwise();
    let next = frame.next.bitwise();

    b.assert_zeros(
        "bitwise.a_binary",
        3,
        cur.a.map(|bit| select * bit.binary()),
    );
    b.assert_zeros(
        "bitwise.b_binary",
        3,
        cur.b.map(|bit| select * bit.binary()),
    );

    let even = select * frame.periodic.odd.not();
    b.assert_zero("bitwise.xor_binary", 4, even * cur.xor.binary());
    let and = number(&conjunction(cur), &conjunction(next));
    let sum = number(&cur.a, &next.a) + number(&cur.b, &next.b);
    // a XOR b = a + b - 2 (a AND b).
    let result = and + cur.xor * (sum - (and + and + and));
    // On odd rows there is no result; nor is anything else.
    b.assert_zero("bitwise.result", 5, select * cur.result - even * result);
    let odd = select * frame.periodic.odd;
    b.assert_zeros(
        "bitwise.unused",
        3,
        [cur.xor, cur.multiplicity].map(|cell| odd * cell),
    );
}

/// Messages of the bitwise chiplet.
#[inline(always)]
pub fn lookups<B: LookupBuilder>(frame: &ChipletFrame<'_, B::Expr>, b: &mut B) {
    let cur = frame.cur.bitwise();
    let next = frame.next.bitwise();
    let even = frame.cur.select.bitwise * frame.periodic.odd.not();
    b.add(
        Slot::CHIPLET[0],
        "bitwise.operation",
        even,
        even * cur.multiplicity,
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
