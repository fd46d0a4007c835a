//! The top of the stack from one row to the next.

use core::{array::from_fn, ops::Range};

use super::Rows;
use crate::{
    algebra::Algebra,
    builder::ConstraintBuilder,
    columns::{STACK_TOP, StackCols},
};

/// The positions that some operation sets to a value which the stack columns do not determine.
const FREE_TOP: usize = 12;

/// Collects what the operations do to the top of the stack.
#[derive(Debug)]
pub(super) struct Transition<'a, E> {
    cur: &'a StackCols<E>,
    next: &'a StackCols<E>,
    correction: [E; STACK_TOP],
    free: [E; FREE_TOP],
}

impl<'a, E: Algebra> Transition<'a, E> {
    /// Begins with no operation.
    #[inline(always)]
    pub(super) fn new(rows: &Rows<'a, E>) -> Self {
        Self {
            cur: &rows.cur.stack,
            next: &rows.next.stack,
            correction: [E::ZERO; STACK_TOP],
            free: [E::ZERO; FREE_TOP],
        }
    }

    /// An operation that does not shift sets position `i` to `value`.
    #[inline(always)]
    pub(super) fn set(&mut self, i: usize, flag: E, value: E) {
        self.correction[i] += flag * (value - self.cur.top[i]);
    }

    /// An operation that shifts left sets position `i` to `value`.
    #[inline(always)]
    pub(super) fn set_left(&mut self, i: usize, flag: E, value: E) {
        self.correction[i] += flag * (value - self.cur.top[i + 1]);
    }

    /// An operation that shifts right sets position 0 to `value`.
    #[inline(always)]
    pub(super) fn push(&mut self, flag: E, value: E) {
        self.correction[0] += flag * value;
    }

    /// An operation that shifts right sets position `i`, below the top, to `value`.
    #[inline(always)]
    pub(super) fn set_right(&mut self, i: usize, flag: E, value: E) {
        self.correction[i] += flag * (value - self.cur.top[i - 1]);
    }

    /// An operation adds `value`, which contains its flag, to the default at position `i`.
    #[inline(always)]
    pub(super) fn add(&mut self, i: usize, value: E) {
        self.correction[i] += value;
    }

    /// An operation leaves the first `count` positions to what else binds them: a message, another
    /// constraint, or nothing if the value is the prover's choice.
    #[inline(always)]
    pub(super) fn free(&mut self, count: usize, flag: E) {
        self.free_range(0..count, flag);
    }

    /// An operation leaves these positions to what else binds them.
    #[inline(always)]
    pub(super) fn free_range(&mut self, positions: Range<usize>, flag: E) {
        for sum in &mut self.free[positions] {
            *sum += flag;
        }
    }

    /// Declares what the top of the stack is on the next row.
    ///
    /// A left shift brings the topmost overflow entry to position 15, which the overflow bus binds,
    /// or zero if there is none.
    #[inline(always)]
    pub(super) fn constraints<B: ConstraintBuilder<Expr = E>>(self, b: &mut B) {
        let StackCols {
            top,
            overflowed,
            shift_left,
            shift_right,
            ..
        } = *self.cur;
        let next = &self.next.top;
        let values: [E; STACK_TOP] = from_fn(|i| {
            let above = if i == 0 { E::ZERO } else { top[i - 1] };
            let below = if i == STACK_TOP - 1 {
                overflowed * next[i]
            } else {
                top[i + 1]
            };
            let default = top[i] + shift_left * (below - top[i]) + shift_right * (above - top[i]);
            let off = next[i] - default;
            let bound = if i < FREE_TOP {
                self.free[i].not() * off
            } else {
                off
            };
            bound - self.correction[i]
        });
        b.assert_zeros("stack.next", 5, values);
    }
}
