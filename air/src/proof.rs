//! A proof as it travels: a header that says how it was made, the STARK proof's bytes, and the
//! requests to precompiles that the verifier has to repeat.
//!
//! The header is all that a verifier believes about the proof's shape, so it is read and bounded
//! before anything else. Layout, little-endian: magic (4 bytes), version, hash function, parameter
//! set, number of tables (1 byte each), the tables' heights (4 bytes each; 0 for a table that is
//! absent), number of bytes of the STARK proof (3 bytes), number of groups of pieces beyond the first
//! (1 byte), number of bytes of the requests (4 bytes).

use alloc::vec::Vec;

use miden_air::HashFunction;
use miden_core::precompile::PrecompileRequest;
use thiserror::Error;

use crate::{
    air::CvmAir,
    heights::Heights,
    options::{OptionSet, ProofSettings, SettingsError},
    public::PublicInputs,
    requests::{self, MAX_REQUESTS_LEN, RequestsError},
    security::Security,
    table::Table,
};

/// The bytes that proofs begin with.
pub const MAGIC: [u8; 4] = *b"MCVP";

/// The version of the format, of the protocol and of the AIR: a proof is for this one only, and
/// transcripts begin with it.
pub const VERSION: u8 = 18;

/// Number of bytes of the header.
pub const HEADER_LEN: usize = 16 + HEIGHT_LEN * Table::COUNT;

/// Number of bytes of a table's height in the header.
const HEIGHT_LEN: usize = size_of::<u32>();

/// The most bytes that the STARK proof may have; proofs for the longest traces stay well below.
pub const MAX_STARK_LEN: usize = 1 << 22;

/// The most bytes that a proof may have.
pub const MAX_PROOF_LEN: usize = HEADER_LEN + MAX_STARK_LEN + MAX_REQUESTS_LEN;

/// A proof of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    settings: ProofSettings,
    heights: Heights,
    groups: usize,
    stark: Vec<u8>,
    requests: Vec<PrecompileRequest>,
}

/// Why bytes are not a proof.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
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
    /// There are more or fewer tables than the AIR has.
    #[error("the proof has {0} tables, but there are {count}", count = Table::COUNT)]
    Tables(u8),
    /// A table is lower or higher than it can be with the proof's parameter set, no pieces make it up,
    /// or it is absent and cannot be.
    #[error("with this parameter set tables cannot have these numbers of rows: {0:?}")]
    Heights([u32; Table::COUNT]),
    /// There are more groups than pieces, or none.
    #[error("the proof is in {groups} groups, but its tables are in {pieces} pieces")]
    Groups {
        /// The number of groups.
        groups: usize,
        /// The number of pieces.
        pieces: usize,
    },
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
    /// Puts a proof together from the settings, the heights of the tables and the STARK proof.
    ///
    /// # Errors
    /// Returns an error if the settings do not allow tables of these heights, or the STARK proof is
    /// longer than any can be.
    pub fn new(
        settings: ProofSettings,
        heights: Heights,
        stark: Vec<u8>,
    ) -> Result<Self, ProofError> {
        if !settings.set().allows(&heights) {
            return Err(ProofError::Heights(heights.rows()));
        }
        if stark.len() > MAX_STARK_LEN {
            return Err(ProofError::TooLong(stark.len()));
        }
        Ok(Self {
            settings,
            heights,
            groups: 1,
            stark,
            requests: Vec::new(),
        })
    }

    /// Says that the pieces are dealt out to so many groups.
    ///
    /// # Errors
    /// Returns an error if there are more groups than pieces, or none.
    pub fn in_groups(mut self, groups: usize) -> Result<Self, ProofError> {
        let pieces = self.heights.pieces().len();
        if !(1..=pieces).contains(&groups) {
            return Err(ProofError::Groups { groups, pieces });
        }
        self.groups = groups;
        Ok(self)
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

    /// Returns the settings with which the proof was made.
    pub fn settings(&self) -> ProofSettings {
        self.settings
    }

    /// The heights of the tables.
    pub fn heights(&self) -> &Heights {
        &self.heights
    }

    /// The number of groups that the pieces are dealt out to.
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// The AIR of the run, with these public inputs.
    pub fn air(&self, public: PublicInputs) -> CvmAir {
        let options = self.settings.proof_options();
        CvmAir::new(self.heights, public, options).in_groups(self.groups)
    }

    /// The security of the proof, of a run with these public inputs.
    pub fn security(&self, public: &PublicInputs) -> Security {
        Security::of(&self.air(public.clone()), self.settings.hash())
    }

    /// The STARK proof's bytes.
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
            Table::COUNT as u8,
        ]);
        let rows = self.heights.rows();
        bytes.extend(rows.iter().flat_map(|rows| rows.to_le_bytes()));
        let [l0, l1, l2, _] = (self.stark.len() as u32).to_le_bytes();
        // There are fewer pieces than a byte has values.
        bytes.extend_from_slice(&[l0, l1, l2, (self.groups - 1) as u8]);
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
        let (Some((&[m0, m1, m2, m3, version, hash, set, tables], rest)), true) =
            (bytes.split_first_chunk(), bytes.len() >= HEADER_LEN)
        else {
            return Err(ProofError::TooShort(bytes.len()));
        };
        if [m0, m1, m2, m3] != MAGIC {
            return Err(ProofError::Magic);
        }
        if version != VERSION {
            return Err(ProofError::Version(version));
        }
        let hash = HashFunction::try_from(hash).map_err(|_| ProofError::HashFunction(hash))?;
        let set = OptionSet::from_id(set).ok_or(ProofError::OptionSet(set))?;
        let settings = ProofSettings::new(set, hash)?;
        if usize::from(tables) != Table::COUNT {
            return Err(ProofError::Tables(tables));
        }
        let too_short = ProofError::TooShort(bytes.len());
        let (heights, rest) = rest
            .split_at_checked(HEIGHT_LEN * Table::COUNT)
            .ok_or(too_short.clone())?;
        let mut rows = [0; Table::COUNT];
        for (rows, height) in rows.iter_mut().zip(heights.chunks_exact(HEIGHT_LEN)) {
            let height = height.iter().rev();
            *rows = height.fold(0, |rows, &byte| (rows << 8) | u32::from(byte));
        }
        let heights = Heights::new(rows.map(|rows| rows as usize));
        let heights = heights.filter(|heights| set.allows(heights));
        let heights = heights.ok_or(ProofError::Heights(rows))?;
        let (&[l0, l1, l2, groups], rest) = rest.split_first_chunk().ok_or(too_short.clone())?;
        let (&requests_len, rest) = rest.split_first_chunk().ok_or(too_short)?;
        let stark_len = u32::from_le_bytes([l0, l1, l2, 0]) as usize;
        let requests_len = u32::from_le_bytes(requests_len) as usize;
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
        let mut proof = Self::new(settings, heights, stark.to_vec())?;
        proof.requests = requests::read(requests)?;
        proof.in_groups(usize::from(groups) + 1)
    }
}

#[cfg(test)]
mod tests {
    use miden_core::EventId;

    use super::*;

    fn heights(rows: [usize; Table::COUNT]) -> Heights {
        Heights::new(rows).expect("allowed heights")
    }

    fn proof() -> Proof {
        let settings = ProofSettings::new(OptionSet::Regular128, HashFunction::Rpx256)
            .expect("a hash function strong enough");
        let requests = [5, 6].map(|id| PrecompileRequest::new(EventId::from_u64(id), [9].into()));
        Proof::new(
            settings,
            heights([1 << 10, 1 << 9, (1 << 12) + 15, 1 << 8, 0, 8, 0, 16, 0]),
            [1, 2, 3].into(),
        )
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
    fn groups_are_in_the_header() {
        let pieces = proof().heights().pieces().len();
        for groups in 1..=pieces {
            let proof = proof().in_groups(groups).expect("a group for each piece");
            let bytes = proof.to_bytes();
            assert_eq!(usize::from(bytes[HEADER_LEN - 5]), groups - 1);
            let read = Proof::from_bytes(&bytes).expect("a proof");
            assert_eq!((&read, read.groups()), (&proof, groups));
        }
        for groups in [0, pieces + 1] {
            let refused = Err(ProofError::Groups { groups, pieces });
            assert_eq!(proof().in_groups(groups), refused);
        }
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
        assert_eq!(altered(7, 7), ProofError::Tables(7));
        assert_eq!(altered(7, 10), ProofError::Tables(10));
        let refused = |table: Table, height: u32| {
            let mut rows = proof().heights().rows();
            rows[table as usize] = height;
            let mut bytes = proof().to_bytes();
            let at = 8 + HEIGHT_LEN * table as usize;
            bytes[at..at + HEIGHT_LEN].copy_from_slice(&height.to_le_bytes());
            let read = Proof::from_bytes(&bytes);
            assert_eq!(read, Err(ProofError::Heights(rows)));
        };
        for table in Table::ALL {
            for height in [1, 4, 7, 9, 24, 1 << 28, 1 << 29, u32::MAX] {
                // The set's blowup is 16, which leaves one row bit less than tables can have.
                refused(table, height);
            }
            if !table.is_optional() {
                refused(table, 0);
            }
        }
        refused(Table::Range, 8);
        refused(Table::Bitwise, 15);
        let longest = Proof::new(
            ProofSettings::default(),
            heights([1 << 24, 512, 32, 8, 0, 0, 0, 0, 0]),
            [1, 2, 3].into(),
        )
        .expect("tables with which the set reaches its level");
        let mut bytes = longest.to_bytes();
        bytes[11] = 2;
        assert_eq!(
            Proof::from_bytes(&bytes),
            Err(ProofError::Heights([1 << 25, 512, 32, 8, 0, 0, 0, 0, 0]))
        );
        assert_eq!(
            altered(HEADER_LEN - 8, 4),
            ProofError::Length {
                announced: 30,
                actual: 29
            }
        );
        assert_eq!(
            altered(HEADER_LEN - 6, 65),
            ProofError::TooLong((65 << 16) + 3)
        );
        // Of the seven tables one is in two pieces.
        assert_eq!(
            altered(HEADER_LEN - 5, 8),
            ProofError::Groups {
                groups: 9,
                pieces: 7
            }
        );
        assert_eq!(
            altered(HEADER_LEN - 1, 2),
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
        let rows = [1 << 27, 512, 512, 512, 512, 512, 512, 512, 512];
        assert_eq!(
            Proof::new(settings, heights(rows), Vec::new()),
            Err(ProofError::Heights(rows.map(|rows| rows as u32)))
        );
        assert_eq!(
            Proof::new(
                settings,
                heights([512; Table::COUNT]),
                [0; MAX_STARK_LEN + 1].into()
            ),
            Err(ProofError::TooLong(MAX_STARK_LEN + 1))
        );
    }
}
