//! A proof as it travels: a header that says how it was made, the STARK proof's bytes, and the
//! requests to precompiles that the verifier has to repeat.
//!
//! The header is all that a verifier believes about the proof's shape, so it is read and bounded
//! before anything else. Layout, little-endian: magic (4 bytes), version, hash function, parameter
//! set, binary logarithm of the trace length (1 byte each), number of bytes of the STARK proof and of
//! the requests (4 bytes each).

use alloc::vec::Vec;

use miden_air::HashFunction;
use miden_core::precompile::PrecompileRequest;
use thiserror::Error;

use crate::{
    options::{OptionSet, ProofSettings, SettingsError},
    requests::{self, MAX_REQUESTS_LEN, RequestsError},
};

/// What proofs begin with.
pub const MAGIC: [u8; 4] = *b"MCVP";

/// The version of the format, and of the AIR: a proof is for this one only.
pub const VERSION: u8 = 2;

/// Number of bytes of the header.
pub const HEADER_LEN: usize = 16;

/// The most bytes that the STARK proof may have; proofs for the longest traces stay well below.
pub const MAX_STARK_LEN: usize = 1 << 22;

/// The most bytes that a proof may have.
pub const MAX_PROOF_LEN: usize = HEADER_LEN + MAX_STARK_LEN + MAX_REQUESTS_LEN;

/// A proof of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    settings: ProofSettings,
    log_length: u8,
    stark: Vec<u8>,
    requests: Vec<PrecompileRequest>,
}

/// Why bytes are not a proof.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProofError {
    /// There are fewer bytes than the header has.
    #[error("a proof has at least {HEADER_LEN} bytes, but these are {0}")]
    TooShort(usize),
    /// The first bytes are not [`MAGIC`].
    #[error("these bytes are not a Miden CVM proof")]
    Magic,
    /// The proof is of another version.
    #[error("the proof has version {0}, but only version {VERSION} is supported")]
    Version(u8),
    /// There is no hash function with this id.
    #[error("there is no hash function with id {0}")]
    HashFunction(u8),
    /// There is no parameter set with this id.
    #[error("there is no parameter set with id {0}")]
    OptionSet(u8),
    /// The parameter set and the hash function do not go together.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The trace is shorter or longer than traces can be with the proof's parameter set.
    #[error("a trace with this parameter set cannot have 2^{0} rows")]
    TraceLength(u8),
    /// The STARK proof has more bytes than any can have.
    #[error("the proof is {0} bytes long, more than the {MAX_STARK_LEN} that it may have")]
    TooLong(usize),
    /// The requests to precompiles cannot be read, or have more bytes than they may.
    #[error(transparent)]
    Requests(#[from] RequestsError),
    /// The numbers of bytes in the header do not add up to the number of bytes that follow.
    #[error("the proof's header announces {announced} bytes, but {actual} follow")]
    Length {
        /// The sum of the numbers in the header.
        announced: usize,
        /// The number of bytes that follow the header.
        actual: usize,
    },
}

impl Proof {
    /// Puts a proof together from the settings, the trace length and the STARK proof.
    ///
    /// # Errors
    /// Returns an error if the settings do not allow a trace of `length` rows, or the STARK proof is
    /// longer than any can be.
    pub fn new(settings: ProofSettings, length: usize, stark: Vec<u8>) -> Result<Self, ProofError> {
        // Lengths that are no power of two get a logarithm that is out of range.
        let log_length = if length.is_power_of_two() {
            length.ilog2() as u8
        } else {
            u8::MAX
        };
        check_log_length(log_length, settings.set())?;
        if stark.len() > MAX_STARK_LEN {
            return Err(ProofError::TooLong(stark.len()));
        }
        Ok(Self {
            settings,
            log_length,
            stark,
            requests: Vec::new(),
        })
    }

    /// Adds the requests to precompiles, in the order in which the run made them.
    ///
    /// # Errors
    /// Returns an error if they have more bytes than they may.
    pub fn with_requests(mut self, requests: Vec<PrecompileRequest>) -> Result<Self, ProofError> {
        let len = requests::encoded_len(&requests);
        if len > MAX_REQUESTS_LEN {
            return Err(RequestsError::TooLong(len).into());
        }
        self.requests = requests;
        Ok(self)
    }

    /// How the proof was made.
    pub fn settings(&self) -> ProofSettings {
        self.settings
    }

    /// The number of rows of the trace.
    pub fn trace_length(&self) -> usize {
        1 << self.log_length
    }

    /// The STARK proof in Winterfell's format; from outside, and not to be parsed unchecked.
    pub fn stark(&self) -> &[u8] {
        &self.stark
    }

    /// The requests to precompiles, in the order in which the run made them.
    pub fn requests(&self) -> &[PrecompileRequest] {
        &self.requests
    }

    /// The proof as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let requests_len = requests::encoded_len(&self.requests);
        let mut bytes = Vec::with_capacity(HEADER_LEN + self.stark.len() + requests_len);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&[
            VERSION,
            self.settings.hash() as u8,
            self.settings.set() as u8,
            self.log_length,
        ]);
        bytes.extend_from_slice(&(self.stark.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&(requests_len as u32).to_le_bytes());
        bytes.extend_from_slice(&self.stark);
        requests::write(&self.requests, &mut bytes);
        bytes
    }

    /// Reads header and requests, and takes the STARK proof's bytes as they are.
    ///
    /// # Errors
    /// Returns an error if the header is not that of a proof, or announces another number of bytes
    /// than follow, or if the requests are not written as requests are.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ProofError> {
        let Some((header, rest)) = bytes.split_first_chunk::<HEADER_LEN>() else {
            return Err(ProofError::TooShort(bytes.len()));
        };
        let [
            m0,
            m1,
            m2,
            m3,
            version,
            hash,
            set,
            log_length,
            l0,
            l1,
            l2,
            l3,
            r0,
            r1,
            r2,
            r3,
        ] = *header;
        if [m0, m1, m2, m3] != MAGIC {
            return Err(ProofError::Magic);
        }
        if version != VERSION {
            return Err(ProofError::Version(version));
        }
        let hash = HashFunction::try_from(hash).map_err(|_| ProofError::HashFunction(hash))?;
        let set = OptionSet::from_id(set).ok_or(ProofError::OptionSet(set))?;
        let settings = ProofSettings::new(set, hash)?;
        check_log_length(log_length, set)?;
        let stark_len = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        let requests_len = u32::from_le_bytes([r0, r1, r2, r3]) as usize;
        if stark_len > MAX_STARK_LEN {
            return Err(ProofError::TooLong(stark_len));
        }
        if requests_len > MAX_REQUESTS_LEN {
            return Err(RequestsError::TooLong(requests_len).into());
        }
        // Both are bounded, so their sum is too.
        let announced = stark_len + requests_len;
        if announced != rest.len() {
            return Err(ProofError::Length {
                announced,
                actual: rest.len(),
            });
        }
        let (stark, requests) = rest.split_at(stark_len);
        Ok(Self {
            settings,
            log_length,
            stark: stark.to_vec(),
            requests: requests::read(requests)?,
        })
    }
}

/// Checks that a trace with this parameter set can have this length.
fn check_log_length(log_length: u8, set: OptionSet) -> Result<(), ProofError> {
    match 1_usize.checked_shl(log_length.into()) {
        Some(length) if set.allows(length) => Ok(()),
        _ => Err(ProofError::TraceLength(log_length)),
    }
}

#[cfg(test)]
mod tests {
    use miden_core::EventId;

    use super::*;
    use crate::air::MAX_TRACE_LEN;

    fn proof() -> Proof {
        let settings = ProofSettings::new(OptionSet::Regular128, HashFunction::Rpx256)
            .expect("a hash function strong enough");
        let requests = [5, 6].map(|id| PrecompileRequest::new(EventId::from_u64(id), [9].into()));
        Proof::new(settings, 1 << 10, [1, 2, 3].into())
            .and_then(|proof| proof.with_requests(requests.into()))
            .expect("a trace length in range, and two short requests")
    }

    #[test]
    fn round_trip() {
        let bytes = proof().to_bytes();
        assert_eq!(Proof::from_bytes(&bytes), Ok(proof()));
        assert_eq!(bytes.len(), HEADER_LEN + 3 + 2 * 13);
    }

    #[test]
    fn bad_headers_are_refused() {
        let altered = |position: usize, value: u8| {
            let mut bytes = proof().to_bytes();
            bytes[position] = value;
            Proof::from_bytes(&bytes).expect_err("an altered header")
        };
        assert_eq!(altered(0, 0), ProofError::Magic);
        assert_eq!(altered(4, 9), ProofError::Version(9));
        assert_eq!(altered(5, 5), ProofError::HashFunction(5));
        assert!(matches!(altered(5, 0), ProofError::Settings(_)));
        assert_eq!(altered(6, 0), ProofError::OptionSet(0));
        assert_eq!(altered(7, 8), ProofError::TraceLength(8));
        // The set's blowup is 16, which leaves one row bit less than traces can have.
        assert_eq!(altered(7, 28), ProofError::TraceLength(28));
        assert_eq!(altered(7, 29), ProofError::TraceLength(29));
        assert_eq!(altered(7, 64), ProofError::TraceLength(64));
        let longest = Proof::new(ProofSettings::default(), 1 << 24, [1, 2, 3].into())
            .expect("a trace with which the set reaches its level");
        let mut bytes = longest.to_bytes();
        bytes[7] += 1;
        assert_eq!(Proof::from_bytes(&bytes), Err(ProofError::TraceLength(25)));
        assert_eq!(
            altered(8, 4),
            ProofError::Length {
                announced: 30,
                actual: 29
            }
        );
        assert_eq!(altered(11, 1), ProofError::TooLong((1 << 24) + 3));
        assert_eq!(
            altered(15, 2),
            ProofError::Requests(RequestsError::TooLong((2 << 24) + 26))
        );
        // The first request's calldata reaches into the second one.
        assert_eq!(
            altered(HEADER_LEN + 3 + 8, 9),
            ProofError::Requests(RequestsError::Truncated(1))
        );
        assert_eq!(
            Proof::from_bytes(&MAGIC),
            Err(ProofError::TooShort(MAGIC.len()))
        );
    }

    #[test]
    fn lengths_out_of_range_are_refused() {
        let settings = ProofSettings::default();
        for length in [0, 256, 1000, MAX_TRACE_LEN * 2] {
            assert!(matches!(
                Proof::new(settings, length, Vec::new()),
                Err(ProofError::TraceLength(_))
            ));
        }
        assert_eq!(
            Proof::new(settings, 512, [0; MAX_STARK_LEN + 1].into()),
            Err(ProofError::TooLong(MAX_STARK_LEN + 1))
        );
    }
}
