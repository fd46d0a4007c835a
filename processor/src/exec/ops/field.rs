//! Operations on field elements.

use miden_core::{Felt, FieldElement, ONE, ZERO};

use crate::{
    error::{OpResult, Trap},
    exec::ops::truth,
    machine::stack::Stack,
};

/// Replaces the top two elements by one.
#[inline]
fn replace_two(stack: &mut Stack, value: Felt) {
    stack.drop_top();
    stack.set(0, value);
}

#[inline]
pub(super) fn add(stack: &mut Stack) {
    let sum = stack.get(1) + stack.get(0);
    replace_two(stack, sum);
}

#[inline]
pub(super) fn mul(stack: &mut Stack) {
    let product = stack.get(1) * stack.get(0);
    replace_two(stack, product);
}

#[inline]
pub(super) fn neg(stack: &mut Stack) {
    let negated = -stack.get(0);
    stack.set(0, negated);
}

#[inline]
pub(super) fn incr(stack: &mut Stack) {
    let next = stack.get(0) + ONE;
    stack.set(0, next);
}

pub(super) fn inv(stack: &mut Stack) -> OpResult {
    let element = stack.get(0);
    if element == ZERO {
        return Err(Box::new(Trap::DivideByZero));
    }
    stack.set(0, element.inv());
    Ok(())
}

/// The element at a position as a truth value.
///
/// # Errors
/// If it is neither 0 nor 1.
#[inline]
pub(super) fn binary(stack: &Stack, position: usize) -> OpResult<bool> {
    let value = stack.get(position);
    truth(value).ok_or_else(|| Box::new(Trap::NotBinaryValueOp { value }))
}

#[inline]
pub(super) fn and(stack: &mut Stack) -> OpResult {
    let (b, a) = (binary(stack, 0)?, binary(stack, 1)?);
    replace_two(stack, Felt::from(a && b));
    Ok(())
}

#[inline]
pub(super) fn or(stack: &mut Stack) -> OpResult {
    let (b, a) = (binary(stack, 0)?, binary(stack, 1)?);
    replace_two(stack, Felt::from(a || b));
    Ok(())
}

#[inline]
pub(super) fn not(stack: &mut Stack) -> OpResult {
    let a = binary(stack, 0)?;
    stack.set(0, Felt::from(!a));
    Ok(())
}

#[inline]
pub(super) fn eq(stack: &mut Stack) {
    let equal = stack.get(0) == stack.get(1);
    replace_two(stack, Felt::from(equal));
}

#[inline]
pub(super) fn eqz(stack: &mut Stack) {
    let is_zero = stack.get(0) == ZERO;
    stack.set(0, Felt::from(is_zero));
}

/// One step of square-and-multiply: `[_, base, acc, exp]` becomes `[bit, base², acc', exp >> 1]`.
pub(super) fn expacc(stack: &mut Stack) {
    let (base, acc) = (stack.get(1), stack.get(2));
    let exponent = stack.get(3).as_int();
    let bit = exponent & 1;
    stack.set(0, Felt::new(bit));
    stack.set(1, base * base);
    stack.set(2, if bit == 1 { acc * base } else { acc });
    stack.set(3, Felt::new(exponent >> 1));
}

/// Multiplies two elements of the quadratic extension, whose irreducible is x² - x + 2.
pub(super) fn ext2mul(stack: &mut Stack) {
    let (b1, b0) = (stack.get(0), stack.get(1));
    let (a1, a0) = (stack.get(2), stack.get(3));
    stack.set(2, (b0 + b1) * (a1 + a0) - b0 * a0);
    stack.set(3, b0 * a0 - (b1 * a1).double());
}
