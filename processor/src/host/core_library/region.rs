//! Regions of memory that an event's arguments name.

use miden_core::Felt;
use thiserror::Error;

use crate::{error::MemoryError, machine::view::ProcessState};

/// A region that cannot be read.
#[derive(Debug, Error)]
pub(super) enum RegionError {
    #[error("{len} elements from address {start} on are not in memory")]
    OutOfRange { start: u64, len: u64 },
    #[error("address {0} is not the start of a word")]
    Unaligned(u64),
    #[error("address {0} was never written")]
    NeverWritten(u32),
    #[error("{value} at address {addr} does not fit in 32 bits")]
    NotU32 { addr: u32, value: u64 },
    #[error("the bytes after the last one, in {value} at its address {addr}, are not zero")]
    Padding { addr: u32, value: u32 },
    #[error(transparent)]
    Memory(#[from] MemoryError),
}

const BYTES_PER_ELEMENT: u64 = 4;

/// `len` elements from the word at `start` on.
///
/// Nothing is allocated before the run has paid for it by writing the elements.
pub(super) fn elements(
    state: &ProcessState<'_>,
    start: u64,
    len: u64,
) -> Result<Vec<Felt>, RegionError> {
    let out_of_range = RegionError::OutOfRange { start, len };
    let end = start
        .checked_add(len)
        .and_then(|end| u32::try_from(end).ok());
    let (Ok(first), Some(end)) = (u32::try_from(start), end) else {
        return Err(out_of_range);
    };
    if !first.is_multiple_of(4) {
        return Err(RegionError::Unaligned(start));
    }
    (first..end)
        .map(|addr| {
            state
                .get_mem_value(state.ctx(), addr)
                .ok_or(RegionError::NeverWritten(addr))
        })
        .collect()
}

/// `len` bytes from the word at `start` on: four an element, the lowest first, zeros after the
/// last.
pub(super) fn bytes(
    state: &ProcessState<'_>,
    start: u64,
    len: u64,
) -> Result<Vec<u8>, RegionError> {
    let limbs = elements(state, start, len.div_ceil(BYTES_PER_ELEMENT))?;
    let mut bytes = Vec::with_capacity(limbs.len() * BYTES_PER_ELEMENT as usize);
    // The address is in range, or the elements would not be there.
    for (addr, limb) in (start as u32..).zip(limbs) {
        let value = limb.as_int();
        let limb = u32::try_from(value).map_err(|_| RegionError::NotU32 { addr, value })?;
        bytes.extend_from_slice(&limb.to_le_bytes());
        let last = len as usize;
        if bytes.len() > last {
            if bytes[last..].iter().any(|&byte| byte != 0) {
                return Err(RegionError::Padding { addr, value: limb });
            }
            bytes.truncate(last);
        }
    }
    Ok(bytes)
}
