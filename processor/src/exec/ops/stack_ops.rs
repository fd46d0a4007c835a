//! Operations that only move elements of the stack.

use super::field::binary;
use crate::{error::OpResult, machine::stack::Stack};

#[inline]
pub(super) fn dup<const N: usize>(stack: &mut Stack, clk: u32) {
    let value = stack.get(N);
    stack.push(value, clk);
}

/// Swaps the top `N` elements with the `N` that start at `with`.
#[inline]
pub(super) fn swap_blocks<const N: usize>(stack: &mut Stack, with: usize) {
    let top = stack.top16_mut();
    for i in 0..N {
        top.swap(i, with + i);
    }
}

#[inline]
pub(super) fn movup<const N: usize>(stack: &mut Stack) {
    stack.top16_mut()[..=N].rotate_right(1);
}

#[inline]
pub(super) fn movdn<const N: usize>(stack: &mut Stack) {
    stack.top16_mut()[..=N].rotate_left(1);
}

#[inline]
pub(super) fn cswap(stack: &mut Stack) -> OpResult {
    let swap = binary(stack, 0)?;
    stack.drop_top();
    if swap {
        stack.top16_mut().swap(0, 1);
    }
    Ok(())
}

#[inline]
pub(super) fn cswapw(stack: &mut Stack) -> OpResult {
    let swap = binary(stack, 0)?;
    stack.drop_top();
    if swap {
        swap_blocks::<4>(stack, 4);
    }
    Ok(())
}
