//! Requests to precompiles as they travel with a proof, one after the other: the event's id (8 bytes),
//! the length of the calldata (4 bytes), both little-endian, and the calldata.

use alloc::vec::Vec;

use miden_core::{EventId, Felt, precompile::PrecompileRequest};
use thiserror::Error;

/// The most bytes that all requests of a proof may have.
pub const MAX_REQUESTS_LEN: usize = 1 << 24;

/// Bytes of a request before its calldata.
const HEAD_LEN: usize = 12;

/// Why bytes are not requests.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RequestsError {
    /// There are more bytes than there may be.
    #[error("the requests are {0} bytes long, more than the {MAX_REQUESTS_LEN} that they may have")]
    TooLong(usize),
    /// The bytes end within a request.
    #[error("the bytes end within request {0}")]
    Truncated(usize),
    /// The event's id is not below the field's modulus.
    #[error("the event id of request {0} is not a field element")]
    EventId(usize),
}

/// The number of bytes that requests have.
pub fn encoded_len(requests: &[PrecompileRequest]) -> usize {
    requests
        .iter()
        .map(|request| HEAD_LEN + request.calldata().len())
        .sum()
}

/// Appends requests, which have to be short enough to be read again.
pub fn write(requests: &[PrecompileRequest], bytes: &mut Vec<u8>) {
    for request in requests {
        let calldata = request.calldata();
        bytes.extend_from_slice(&request.event_id().as_u64().to_le_bytes());
        bytes.extend_from_slice(&(calldata.len() as u32).to_le_bytes());
        bytes.extend_from_slice(calldata);
    }
}

/// Reads requests that fill all bytes. There is one way only to write them.
///
/// # Errors
/// If the bytes are too many, or end within a request, or name something that is no event.
pub fn read(mut bytes: &[u8]) -> Result<Vec<PrecompileRequest>, RequestsError> {
    if bytes.len() > MAX_REQUESTS_LEN {
        return Err(RequestsError::TooLong(bytes.len()));
    }
    let mut requests = Vec::new();
    while !bytes.is_empty() {
        let index = requests.len();
        let truncated = RequestsError::Truncated(index);
        let Some((&[i0, i1, i2, i3, i4, i5, i6, i7, l0, l1, l2, l3], rest)) =
            bytes.split_first_chunk::<HEAD_LEN>()
        else {
            return Err(truncated);
        };
        let id = u64::from_le_bytes([i0, i1, i2, i3, i4, i5, i6, i7]);
        let id = Felt::try_from(id).map_err(|_| RequestsError::EventId(index))?;
        let len = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        let Some((calldata, rest)) = rest.split_at_checked(len) else {
            return Err(truncated);
        };
        requests.push(PrecompileRequest::new(
            EventId::from_felt(id),
            calldata.to_vec(),
        ));
        bytes = rest;
    }
    Ok(requests)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests() -> Vec<PrecompileRequest> {
        [(7, 0), (u64::MAX >> 1, 5), (7, 1)]
            .map(|(id, len)| PrecompileRequest::new(EventId::from_u64(id), alloc::vec![3; len]))
            .into()
    }

    fn bytes() -> Vec<u8> {
        let mut bytes = Vec::new();
        write(&requests(), &mut bytes);
        bytes
    }

    #[test]
    fn round_trip() {
        assert_eq!(read(&bytes()), Ok(requests()));
        assert_eq!(bytes().len(), encoded_len(&requests()));
        assert_eq!(read(&[]), Ok(Vec::new()));
    }

    #[test]
    fn other_bytes_are_refused() {
        let bytes = bytes();
        // Between two requests nothing is missing.
        let ends = [0, 12, 29, bytes.len()];
        for len in 0..bytes.len() {
            assert_eq!(
                read(&bytes[..len]).is_ok(),
                ends.contains(&len),
                "{len} bytes"
            );
        }
        let mut no_event = bytes.clone();
        no_event[12..20].fill(0xff);
        assert_eq!(read(&no_event), Err(RequestsError::EventId(1)));
        let mut long = bytes;
        long[11] = 0xff;
        assert_eq!(read(&long), Err(RequestsError::Truncated(0)));
        let too_long = alloc::vec![0; MAX_REQUESTS_LEN + 1];
        assert_eq!(read(&too_long), Err(RequestsError::TooLong(too_long.len())));
    }
}
