//! Polynomials over the quadratic extension: Horner's method, and the folding of a FRI layer.
//!
//! The `polynomial` column is 1 on these rows, so each operation has a flag of degree 2 and its
//! formulas may have degree 3.

use super::{Rows, Transition};
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

/// Flags of degree 2: HORNERBASE, HORNEREXT. The lowest bits tell the operations apart.
#[inline(always)]
fn flags<E: Algebra>(rows: &Rows<'_, E>) -> [E; 2] {
    let polynomial = rows.cur.decoder.polynomial;
    [HORNERBASE, HORNEREXT].map(|code| polynomial * rows.ops.lo(usize::from(code & 3)))
}

/// The new accumulators.
#[inline(always)]
pub(super) fn transition<E: Algebra>(rows: &Rows<'_, E>, t: &mut Transition<'_, E>) {
    let horner = Horner::new(rows);
    let [base, ext] = flags(rows);
    for (flag, accumulator) in [(base, horner.base_result()), (ext, horner.ext_result())] {
        t.set(ACCUMULATOR, flag, accumulator.high);
        t.set(ACCUMULATOR + 1, flag, accumulator.low);
    }
}

/// What the operations compute on the way.
#[inline(always)]
pub(super) fn constraints<B: ConstraintBuilder>(rows: &Rows<'_, B::Expr>, b: &mut B) {
    let horner = Horner::new(rows);
    let [base, ext] = flags(rows);
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
