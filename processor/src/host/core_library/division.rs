//! Divisions, whose results the program checks by multiplying.

use miden_core::{EventName, Felt};
use thiserror::Error;

use super::Answer;
use crate::{advice::AdviceMutation, machine::view::ProcessState};

pub(super) const U64_EVENT: EventName = EventName::new("miden::core::math::u64::u64_div");
pub(super) const FALCON_EVENT: EventName =
    EventName::new("miden::core::crypto::dsa::falcon512rpo::falcon_div");

/// The modulus of Falcon signatures.
const FALCON_MODULUS: u64 = 12289;

#[derive(Debug, Error)]
enum DivisionError {
    #[error("division by zero")]
    DivideByZero,
    #[error("{0} does not fit in 32 bits")]
    NotU32(u64),
}

/// The 64-bit integer whose high half is at `position` and low half below it.
fn u64_at(state: &ProcessState<'_>, position: usize) -> Result<u64, DivisionError> {
    let half = |position| {
        let value = state.get_stack_item(position).as_int();
        u32::try_from(value)
            .map(u64::from)
            .map_err(|_| DivisionError::NotU32(value))
    };
    Ok((half(position)? << 32) | half(position + 1)?)
}

/// High and low half.
fn halves(value: u64) -> [Felt; 2] {
    [Felt::new(value >> 32), Felt::from(value as u32)]
}

/// `[event, b_hi, b_lo, a_hi, a_lo]`: pushes quotient and remainder of a / b, low halves first.
pub(super) fn divide_u64(state: &ProcessState<'_>) -> Answer {
    let (b, a) = (u64_at(state, 1)?, u64_at(state, 3)?);
    let quotient = a.checked_div(b).ok_or(DivisionError::DivideByZero)?;
    let [[r_hi, r_lo], [q_hi, q_lo]] = [halves(a % b), halves(quotient)];
    Ok(vec![AdviceMutation::extend_stack([r_hi, r_lo, q_hi, q_lo])])
}

/// `[event, a_hi, a_lo]`: pushes quotient (high half first) and remainder of a / 12289.
pub(super) fn divide_by_falcon_modulus(state: &ProcessState<'_>) -> Answer {
    let a = u64_at(state, 1)?;
    let [q_hi, q_lo] = halves(a / FALCON_MODULUS);
    Ok(vec![AdviceMutation::extend_stack([
        Felt::new(a % FALCON_MODULUS),
        q_lo,
        q_hi,
    ])])
}
