//! Operations that move and copy stack elements.

use super::{Rows, Transition};
use crate::{algebra::Algebra, opcode::*};

/// DUPn, MOVUPn, MOVDNn, the swaps of elements and words, and the conditional swaps; PAD pushes 0
/// and DROP does nothing but shift.
#[inline(always)]
pub(super) fn transition<E: Algebra>(rows: &Rows<'_, E>, t: &mut Transition<'_, E>) {
    duplicate(rows, t);
    move_up(rows, t);
    move_down(rows, t);
    swap_words(rows, t);
    conditional_swap(rows, t);
}

#[inline(always)]
fn duplicate<E: Algebra>(rows: &Rows<'_, E>, t: &mut Transition<'_, E>) {
    let dups = [
        (DUP0, 0),
        (DUP1, 1),
        (DUP2, 2),
        (DUP3, 3),
        (DUP4, 4),
        (DUP5, 5),
        (DUP6, 6),
        (DUP7, 7),
        (DUP9, 9),
        (DUP11, 11),
        (DUP13, 13),
        (DUP15, 15),
    ];
    for (code, n) in dups {
        t.push(rows.ops.op(code), rows.cur.stack.top[n]);
    }
}

/// MOVUPn brings element n to the top, and moves those above it down by one. SWAP is MOVUP1.
#[inline(always)]
fn move_up<E: Algebra>(rows: &Rows<'_, E>, t: &mut Transition<'_, E>) {
    let top = &rows.cur.stack.top;
    let codes = [SWAP, MOVUP2, MOVUP3, MOVUP4, MOVUP5, MOVUP6, MOVUP7, MOVUP8];
    // 1 if the operation moves an element that is at `n` or further down.
    let mut reaches = E::ZERO;
    for (i, code) in codes.into_iter().enumerate().rev() {
        let n = i + 1;
        let flag = rows.ops.op(code);
        reaches += flag;
        t.set(0, flag, top[n]);
        t.set(n, reaches, top[n - 1]);
    }
}

/// MOVDNn brings the topmost element to position n, and moves those above n up by one.
#[inline(always)]
fn move_down<E: Algebra>(rows: &Rows<'_, E>, t: &mut Transition<'_, E>) {
    let top = &rows.cur.stack.top;
    let codes = [MOVDN2, MOVDN3, MOVDN4, MOVDN5, MOVDN6, MOVDN7, MOVDN8];
    let mut reaches = E::ZERO;
    for (i, code) in codes.into_iter().enumerate().rev() {
        let n = i + 2;
        let flag = rows.ops.op(code);
        reaches += flag;
        t.set(n, flag, top[0]);
        t.set(n - 1, reaches, top[n]);
    }
    t.set(0, reaches, top[1]);
}

#[inline(always)]
fn swap_words<E: Algebra>(rows: &Rows<'_, E>, t: &mut Transition<'_, E>) {
    let ops = rows.ops;
    let top = &rows.cur.stack.top;
    let mut exchange = |flag: E, a: usize, b: usize| {
        for i in 0..4 {
            let (x, y) = (top[a + i], top[b + i]);
            let moved = flag * (y - x);
            t.add(a + i, moved);
            t.add(b + i, -moved);
        }
    };
    let double = ops.op(SWAPDW);
    exchange(ops.op(SWAPW), 0, 4);
    exchange(ops.op(SWAPW2) + double, 0, 8);
    exchange(ops.op(SWAPW3), 0, 12);
    exchange(double, 4, 12);
}

/// CSWAP and CSWAPW drop a bit and exchange what is below it if the bit is 1.
#[inline(always)]
fn conditional_swap<E: Algebra>(rows: &Rows<'_, E>, t: &mut Transition<'_, E>) {
    let top = &rows.cur.stack.top;
    for (code, len) in [(CSWAP, 1), (CSWAPW, 4)] {
        let swap = rows.ops.op(code) * top[0];
        for i in 0..len {
            let moved = swap * (top[1 + len + i] - top[1 + i]);
            t.add(i, moved);
            t.add(len + i, -moved);
        }
    }
}
