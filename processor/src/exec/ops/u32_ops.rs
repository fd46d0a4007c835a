//! Operations on elements that fit in 32 bits.

use miden_core::{Felt, ZERO, mast::MastForest};

use crate::{
    error::{OpResult, Trap},
    machine::stack::Stack,
    tracer::{BitwiseOp, Tracer},
};

/// The top `N` elements as 32-bit integers, the top one first.
///
/// # Errors
/// Names all elements that do not fit.
#[inline]
fn operands<const N: usize>(stack: &Stack, err_code: Felt) -> OpResult<[u64; N]> {
    let values: [u64; N] = core::array::from_fn(|i| stack.get(i).as_int());
    if values.iter().any(|&value| value >> 32 != 0) {
        return Err(not_u32(&values, err_code));
    }
    Ok(values)
}

#[cold]
fn not_u32(values: &[u64], err_code: Felt) -> Box<Trap> {
    let values = values
        .iter()
        .filter(|&v| v >> 32 != 0)
        .map(|&v| Felt::new(v))
        .collect();
    Box::new(Trap::NotU32Values {
        values,
        err_code,
        err_msg: None,
    })
}

/// Writes a 64-bit integer that is a field element: the high half on top.
#[inline]
fn set_halves(stack: &mut Stack, value: u64) {
    stack.set(0, Felt::new(value >> 32));
    stack.set(1, Felt::new(value & u64::from(u32::MAX)));
}

#[inline]
pub(super) fn split(stack: &mut Stack, clk: u32) {
    let value = stack.get(0).as_int();
    stack.push(ZERO, clk);
    set_halves(stack, value);
}

#[inline]
pub(super) fn assert2(stack: &mut Stack, err_code: Felt, forest: &MastForest) -> OpResult {
    operands::<2>(stack, err_code)
        .map(|_| ())
        .map_err(|mut trap| {
            if let Trap::NotU32Values { err_msg, .. } = &mut *trap {
                *err_msg = forest.resolve_error_message(err_code);
            }
            trap
        })
}

#[inline]
pub(super) fn add(stack: &mut Stack) -> OpResult {
    let [b, a] = operands(stack, ZERO)?;
    set_halves(stack, a + b);
    Ok(())
}

#[inline]
pub(super) fn add3(stack: &mut Stack) -> OpResult {
    let [c, b, a] = operands(stack, ZERO)?;
    stack.drop_top();
    set_halves(stack, a + b + c);
    Ok(())
}

#[inline]
pub(super) fn sub(stack: &mut Stack) -> OpResult {
    let [b, a] = operands(stack, ZERO)?;
    stack.set(0, Felt::from(a < b));
    stack.set(1, Felt::from((a as u32).wrapping_sub(b as u32)));
    Ok(())
}

#[inline]
pub(super) fn mul(stack: &mut Stack) -> OpResult {
    let [b, a] = operands(stack, ZERO)?;
    set_halves(stack, a * b);
    Ok(())
}

#[inline]
pub(super) fn madd(stack: &mut Stack) -> OpResult {
    let [b, a, c] = operands(stack, ZERO)?;
    stack.drop_top();
    set_halves(stack, a * b + c);
    Ok(())
}

#[inline]
pub(super) fn div(stack: &mut Stack) -> OpResult {
    let [b, a] = operands(stack, ZERO)?;
    if b == 0 {
        return Err(Box::new(Trap::DivideByZero));
    }
    stack.set(0, Felt::new(a % b));
    stack.set(1, Felt::new(a / b));
    Ok(())
}

#[inline]
pub(super) fn and<T: Tracer>(stack: &mut Stack, tracer: &mut T) -> OpResult {
    let [b, a] = operands(stack, ZERO)?;
    tracer.bitwise(BitwiseOp::And, a as u32, b as u32);
    stack.drop_top();
    stack.set(0, Felt::new(a & b));
    Ok(())
}

#[inline]
pub(super) fn xor<T: Tracer>(stack: &mut Stack, tracer: &mut T) -> OpResult {
    let [b, a] = operands(stack, ZERO)?;
    tracer.bitwise(BitwiseOp::Xor, a as u32, b as u32);
    stack.drop_top();
    stack.set(0, Felt::new(a ^ b));
    Ok(())
}
