//! Polynomials over the quadratic extension: Horner's method, and the folding of a FRI layer.
//!
//! The `polynomial` column is 1 on these rows, so each operation has a flag of degree 2 and its
//! formulas may have degree 3.

use miden_core::Felt;
use winter_math::StarkField;

use super::{Rows, Transition, field::HALF};
use crate::{
    algebra::Algebra,
    builder::ConstraintBuilder,
    lookup::{LookupBuilder, MemoryElement, MemoryWord, Slot, Space, access_time, context_key},
    opcode::*,
    quadratic::Quadratic,
};

/// Position of the address of HORNERBASE and HORNEREXT.
const POINT_ADDRESS: usize = 13;
/// Position of the upper coefficient of the accumulator; the lower one is below it.
const ACCUMULATOR: usize = 14;

/// Where FRIE2F4 leaves the segment's flags, segment 3 first.
const SEGMENT_FLAGS: usize = 4;

/// Flags of degree 2: HORNERBASE, HORNEREXT, FRIE2F4. The lowest bits tell the operations apart.
#[inline(always)]
fn flags<E: Algebra>(rows: &Rows<'_, E>) -> [E; 3] {
    let polynomial = rows.cur.decoder.polynomial;
    [HORNERBASE, HORNEREXT, FRIE2F4].map(|code| polynomial * rows.ops.lo(usize::from(code & 3)))
}

/// The new accumulators, and what FRIE2F4 leaves but for the segment's flags.
#[inline(always)]
pub(super) fn transition<E: Algebra>(rows: &Rows<'_, E>, t: &mut Transition<'_, E>) {
    let horner = Horner::new(rows);
    let [base, ext, fri] = flags(rows);
    for (flag, accumulator) in [(base, horner.base_result()), (ext, horner.ext_result())] {
        t.set(ACCUMULATOR, flag, accumulator.high);
        t.set(ACCUMULATOR + 1, flag, accumulator.low);
    }

    let fold = Fold::new(rows);
    let top = &rows.cur.stack.top;
    let [even, odd] = fold.halves();
    let folded = fold.folded();
    let square = fold.power.squared();
    t.free_range(SEGMENT_FLAGS..SEGMENT_FLAGS + 4, fri);
    for (position, value) in [
        (0, even.high),
        (1, even.low),
        (2, odd.high),
        (3, odd.low),
        (8, square),
        (9, fold.root_power()),
        (10, top[15] + E::int(8)),
        (11, rows.next.stack.top[8].squared()),
        (12, top[8]),
        (13, folded.high),
        (14, folded.low),
    ] {
        t.set_left(position, fri, value);
    }
}

/// Constrains the values that the operations compute on the way.
#[inline(always)]
pub(super) fn constraints<B: ConstraintBuilder>(rows: &Rows<'_, B::Expr>, b: &mut B) {
    let horner = Horner::new(rows);
    let [base, ext, fri] = flags(rows);
    let off = |flag: B::Expr, a: Quadratic<B::Expr>, b: Quadratic<B::Expr>| {
        (a - b).times(flag).coefficients()
    };
    let square = horner.point * horner.point;
    b.assert_zeros("stack.horner_square", 4, off(base, horner.square, square));
    b.assert_zeros(
        "stack.horner_base",
        5,
        off(base, horner.middle, horner.base_middle()),
    );
    b.assert_zeros(
        "stack.horner_ext",
        5,
        off(ext, horner.middle, horner.ext_middle()),
    );

    let fold = Fold::new(rows);
    let [s0, s1, s2, s3] = fold.segments;
    b.assert_zeros(
        "stack.fri_segment_binary",
        4,
        fold.segments.map(|flag| fri * flag.binary()),
    );
    b.assert_zeros(
        "stack.fri_segment",
        3,
        [
            fri * (s0 + s1 + s2 + s3).not(),
            fri * (s1 + (s2 + s2) + (s3 + s3 + s3) - rows.cur.stack.top[9]),
        ],
    );
    b.assert_zeros(
        "stack.fri_previous",
        4,
        off(fri, fold.previous, fold.of_segment()),
    );
    b.assert_zero(
        "stack.fri_point",
        4,
        fri * (fold.point - (fold.power * fold.root).scale(Felt::GENERATOR)),
    );
    // The inverse of zero is zero.
    let product = fold.point * fold.inverse;
    b.assert_zeros(
        "stack.fri_inverse",
        5,
        [fold.point, fold.inverse].map(|factor| fri * (factor * product.not())),
    );
    let ratio = fold.challenge.times(fold.inverse);
    b.assert_zeros("stack.fri_ratio", 4, off(fri, fold.ratio, ratio));
    let square = fold.ratio * fold.ratio;
    b.assert_zeros("stack.fri_square", 4, off(fri, fold.square, square));
}

/// The evaluation point comes from memory: for HORNERBASE as two elements, for HORNEREXT as the
/// first half of a word.
#[inline(always)]
pub(super) fn lookups<B: LookupBuilder>(rows: &Rows<'_, B::Expr>, b: &mut B) {
    let Rows { cur, ops, .. } = *rows;
    let context = context_key(cur.system.domain, cur.system.index, Space::User);
    let time = access_time(cur.system.clk);
    let address = cur.stack.top[POINT_ADDRESS];
    let [h0, h1, h2, h3, ..] = cur.helpers;
    let flag = ops.op(HORNERBASE);
    for (slot, name, address, value) in [
        (Slot::OP[0], "stack.horner_low", address, h0),
        (Slot::OP[1], "stack.horner_high", address + B::Expr::ONE, h1),
    ] {
        b.add(
            slot,
            name,
            flag,
            flag,
            MemoryElement {
                context,
                address,
                time,
                is_write: B::Expr::ZERO,
                value,
            },
        );
    }
    let flag = ops.op(HORNEREXT);
    b.add(
        Slot::OP[0],
        "stack.horner_word",
        flag,
        flag,
        MemoryWord {
            context,
            address,
            time,
            is_write: B::Expr::ZERO,
            value: [h0, h1, h2, h3],
        },
    );
}

/// The cells of a HORNERBASE or HORNEREXT row.
///
/// With the powers of the point, four coefficients of the base field are taken in at once, at degree
/// 3: HORNERBASE keeps the square, HORNEREXT has the rest of the point's word in its place and takes
/// in two coefficients of the extension at once. Either takes half of the eight elements on the
/// stack to `middle` and the other half to the new accumulator.
#[derive(Debug, Clone, Copy)]
struct Horner<'a, E> {
    top: &'a [E],
    point: Quadratic<E>,
    /// The square of the point, on HORNERBASE rows.
    square: Quadratic<E>,
    middle: Quadratic<E>,
    accumulator: Quadratic<E>,
}

impl<'a, E: Algebra> Horner<'a, E> {
    #[inline(always)]
    fn new(rows: &Rows<'a, E>) -> Self {
        let [h0, h1, h2, h3, h4, h5] = rows.cur.helpers;
        let top = &rows.cur.stack.top;
        Self {
            top,
            point: Quadratic::new(h0, h1),
            square: Quadratic::new(h2, h3),
            middle: Quadratic::new(h4, h5),
            accumulator: Quadratic::new(top[ACCUMULATOR + 1], top[ACCUMULATOR]),
        }
    }

    /// Takes in the coefficients at `first`, deepest first, and the three above it.
    #[inline(always)]
    fn four(&self, value: Quadratic<E>, first: usize) -> Quadratic<E> {
        let Self {
            top, point, square, ..
        } = *self;
        value * (square * square)
            + (point * square).times(top[first])
            + square.times(top[first - 1])
            + point.times(top[first - 2])
            + Quadratic::base(top[first - 3])
    }

    /// Takes in the coefficient with its lower half at `first`, and the one above it.
    #[inline(always)]
    fn two(&self, value: Quadratic<E>, first: usize) -> Quadratic<E> {
        let coefficient = |low: usize| Quadratic::new(self.top[low], self.top[low - 1]);
        (value * self.point + coefficient(first)) * self.point + coefficient(first - 2)
    }

    #[inline(always)]
    fn base_middle(&self) -> Quadratic<E> {
        self.four(self.accumulator, 7)
    }

    #[inline(always)]
    fn base_result(&self) -> Quadratic<E> {
        self.four(self.middle, 3)
    }

    #[inline(always)]
    fn ext_middle(&self) -> Quadratic<E> {
        self.two(self.accumulator, 7)
    }

    #[inline(always)]
    fn ext_result(&self) -> Quadratic<E> {
        self.two(self.middle, 3)
    }
}

/// The fourth root of unity by which segments differ, inverted: its powers from 0 to 3.
///
/// The root is `2^48`, and `2^96` is -1 in this field.
const ROOT_POWERS: [Felt; 4] = [
    Felt::new(1),
    Felt::new(Felt::MODULUS - (1 << 48)),
    Felt::new(Felt::MODULUS - 1),
    Felt::new(1 << 48),
];

/// The cells of a FRIE2F4 row: a polynomial's values at four points that have the same fourth power
/// are folded into the value of the next layer's polynomial at that power.
///
/// All products on the way are cells, of this row's helpers or of the next row's stack.
#[derive(Debug, Clone, Copy)]
struct Fold<E> {
    /// The values, by segment.
    values: [Quadratic<E>; 4],
    /// The power of the domain's generator that belongs to the query.
    power: E,
    /// The value that the layer before was folded into.
    previous: Quadratic<E>,
    /// The verifier's challenge.
    challenge: Quadratic<E>,
    /// `challenge / point`.
    ratio: Quadratic<E>,
    /// The square of `ratio`.
    square: Quadratic<E>,
    /// The point of segment 0.
    point: E,
    /// Its inverse.
    inverse: E,
    /// The next row's flags of the segment that the layer before was folded into.
    segments: [E; 4],
    /// The next row's power of the inverted root of unity.
    root: E,
    /// The next row's values, folded once.
    halves: [Quadratic<E>; 2],
}

impl<E: Algebra> Fold<E> {
    #[inline(always)]
    fn new(rows: &Rows<'_, E>) -> Self {
        let [h0, h1, h2, h3, point, inverse] = rows.cur.helpers;
        let (top, next) = (&rows.cur.stack.top, &rows.next.stack.top);
        let [flag3, flag2, flag1, flag0] = [0, 1, 2, 3].map(|i| next[SEGMENT_FLAGS + i]);
        Self {
            values: [7, 5, 3, 1].map(|low| Quadratic::new(top[low], top[low - 1])),
            power: top[10],
            previous: Quadratic::new(top[12], top[11]),
            challenge: Quadratic::new(top[14], top[13]),
            ratio: Quadratic::new(h0, h1),
            square: Quadratic::new(h2, h3),
            point,
            inverse,
            segments: [flag0, flag1, flag2, flag3],
            root: next[9],
            halves: [
                Quadratic::new(next[1], next[0]),
                Quadratic::new(next[3], next[2]),
            ],
        }
    }

    /// The power of the inverted root of unity that belongs to the segment.
    #[inline(always)]
    fn root_power(&self) -> E {
        self.segments
            .into_iter()
            .zip(ROOT_POWERS)
            .fold(E::ZERO, |sum, (flag, power)| sum + flag.scale(power))
    }

    /// The value of the segment.
    #[inline(always)]
    fn of_segment(&self) -> Quadratic<E> {
        self.segments
            .into_iter()
            .zip(self.values)
            .map(|(flag, value)| value.times(flag))
            .fold(Quadratic::base(E::ZERO), |sum, value| sum + value)
    }

    /// The values folded once: of the segments 0 and 2, and of 1 and 3.
    #[inline(always)]
    fn halves(&self) -> [Quadratic<E>; 2] {
        let [v0, v1, v2, v3] = self.values;
        [
            fold(v0, v2, self.ratio),
            fold(v1, v3, self.ratio.scale(ROOT_POWERS[1])),
        ]
    }

    /// The values folded twice.
    #[inline(always)]
    fn folded(&self) -> Quadratic<E> {
        let [even, odd] = self.halves;
        fold(even, odd, self.square)
    }
}

/// The value at `challenge^2` of the polynomial whose values at a point and its negative are `at` and
/// `opposite`, `ratio` being the challenge divided by the point.
#[inline(always)]
fn fold<E: Algebra>(at: Quadratic<E>, opposite: Quadratic<E>, ratio: Quadratic<E>) -> Quadratic<E> {
    (at + opposite + (at - opposite) * ratio).scale(HALF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_of_unity_is_inverted() {
        let root = Felt::get_root_of_unity(2);
        assert_eq!(ROOT_POWERS[0], Felt::new(1));
        for i in 1..4 {
            assert_eq!(ROOT_POWERS[i] * root, ROOT_POWERS[i - 1]);
        }
    }
}
