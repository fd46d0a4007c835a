//! The one layout that a STARK proof for a given AIR can have.
//!
//! Winterfell's format is a sequence of parts, most of them preceded by their length, and its parser
//! believes lengths: some make it panic, others allocate whatever they say. Here the parts are gone
//! through first, without reading more than lengths, and each has to be what the AIR, the number of
//! queries and the low-degree test's schedule call for. What depends on the query positions (how
//! many of them coincide) is bounded here and settled when the openings are checked.

use alloc::vec::Vec;

use miden_core::Felt;
use miden_cvm_air::air::CvmAir;
use thiserror::Error;
use winter_air::{Air, proof::Context};
use winter_utils::{ByteWriter, Serializable};
use winter_verifier::{
    crypto::{ElementHasher, Hasher},
    math::{FieldElement, StarkField},
};

/// Why a proof's layout is not the one it has to have.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LayoutError {
    /// The proof ends too early.
    #[error("the proof ends within {0}")]
    End(&'static str),
    /// The proof goes on after its last part.
    #[error("{0} bytes follow the proof")]
    Trailing(usize),
    /// The parameters in the proof are not those of its header.
    #[error("the proof's parameters are not those of its header")]
    Context,
    /// A number or length is not what it has to be.
    #[error("{part} is {actual}, but has to be {expected}")]
    Number {
        /// What it is.
        part: &'static str,
        /// The value that it has to have.
        expected: usize,
        /// The value that it has.
        actual: usize,
    },
    /// A number or length is out of range.
    #[error("{part} is {actual}, but has to be between {min} and {max}")]
    Range {
        /// What it is.
        part: &'static str,
        /// The least value that it may have.
        min: usize,
        /// The largest value that it may have.
        max: usize,
        /// The value that it has.
        actual: usize,
    },
    /// A number is not written in its shortest form.
    #[error("{0} is not written in its shortest form")]
    NotShortest(&'static str),
    /// The proof of work is not a field element.
    #[error("the proof of work {0} is not a field element")]
    ProofOfWork(u64),
}

/// What a proof for an AIR has to look like.
pub struct Layout {
    /// The bytes that the proof begins with: trace shape, field, options, number of constraints.
    context: Vec<u8>,
    /// Number of queries before coinciding ones are dropped.
    queries: usize,
    /// Length of a digest in bytes.
    digest: usize,
    /// Length of an element of the extension field in bytes.
    element: usize,
    /// Widths of the tables of queried rows in bytes: main, auxiliary and composition columns.
    rows: [usize; 3],
    /// Binary logarithm of the size of the extension domain.
    log_domain: u32,
    /// Number of elements in the out-of-domain frames: of the trace, and of the composition.
    frames: [usize; 2],
    /// Number of layers of the low-degree test.
    layers: usize,
    /// The factor by which a layer shrinks.
    folding: usize,
    /// Number of coefficients of the remainder.
    remainder: usize,
}

impl Layout {
    /// Returns the layout of proofs for this AIR with hash function `H`.
    pub fn new<H: ElementHasher<BaseField = Felt>>(air: &CvmAir) -> Self {
        let (context, options) = (air.context(), air.options());
        let info = air.trace_info();
        let constraints = context.num_assertions() + context.num_transition_constraints();
        let element = options.field_extension().degree() as usize * Felt::ELEMENT_BYTES;
        let columns = context.num_constraint_composition_columns();
        let domain = air.lde_domain_size();
        let fri = options.to_fri_options();
        let layers = fri.num_fri_layers(domain);
        let last_domain = domain >> (layers as u32 * fri.folding_factor().ilog2());
        Self {
            context: Context::new::<Felt>(info.clone(), options.clone(), constraints).to_bytes(),
            queries: options.num_queries(),
            digest: <H as Hasher>::Digest::default().to_bytes().len(),
            element,
            rows: [
                info.main_trace_width() * Felt::ELEMENT_BYTES,
                info.aux_segment_width() * element,
                columns * element,
            ],
            log_domain: domain.ilog2(),
            frames: [2 * info.width(), 2 * columns],
            layers,
            folding: fri.folding_factor(),
            remainder: last_domain / options.blowup_factor(),
        }
    }

    /// Checks that bytes are laid out so.
    pub fn check(&self, bytes: &[u8]) -> Result<(), LayoutError> {
        let mut reader = Reader { rest: bytes };
        if reader.take("the parameters", self.context.len())? != self.context {
            return Err(LayoutError::Context);
        }
        let queries = usize::from(reader.u8("the number of distinct queries")?);
        check_range("the number of distinct queries", queries, 1, self.queries)?;

        // Two for the trace's segments, one for the composition; one for each layer of the
        // low-degree test and one for the remainder.
        let commitments = (3 + self.layers + 1) * self.digest;
        let part = "the length of the commitments";
        check_number(part, usize::from(reader.u16(part)?), commitments)?;
        reader.take("the commitments", commitments)?;

        let parts = [
            "the length of the queried main rows",
            "the length of the queried auxiliary rows",
            "the length of the queried composition rows",
        ];
        for (part, width) in parts.into_iter().zip(self.rows) {
            check_number(part, reader.length(part)?, queries * width)?;
            reader.take("the queried rows", queries * width)?;
            let part = "the length of the openings of the queried rows";
            let length = reader.length(part)?;
            let opening = reader.take("the openings of the queried rows", length)?;
            self.check_opening(opening, queries, self.log_domain)?;
        }

        let parts = [
            "the length of the trace's out-of-domain frame",
            "the length of the composition's out-of-domain frame",
        ];
        for (part, elements) in parts.into_iter().zip(self.frames) {
            let length = 1 + elements * self.element;
            check_number(part, usize::from(reader.u16(part)?), length)?;
            let frame = reader.take("the out-of-domain frames", length)?;
            let part = "the number of rows in an out-of-domain frame";
            check_number(part, usize::from(frame[0]), 2)?;
        }

        let part = "the number of layers";
        check_number(part, usize::from(reader.u8(part)?), self.layers)?;
        let mut log_domain = self.log_domain;
        for _ in 0..self.layers {
            log_domain -= self.folding.ilog2();
            let width = self.folding * self.element;
            let part = "the length of a layer's queried rows";
            let length = reader.u32(part)?;
            let rows = length / width;
            check_number(part, length, rows * width)?;
            check_range("the number of a layer's queried rows", rows, 1, queries)?;
            reader.take("a layer's queried rows", length)?;
            let length = reader.u32("the length of a layer's openings")?;
            let opening = reader.take("a layer's openings", length)?;
            self.check_opening(opening, rows, log_domain)?;
        }
        let part = "the length of the remainder";
        let remainder = self.remainder * self.element;
        check_number(part, usize::from(reader.u16(part)?), remainder)?;
        reader.take("the remainder", remainder)?;
        let part = "the logarithm of the number of partitions";
        check_number(part, usize::from(reader.u8(part)?), 0)?;

        // An algebraic hash function takes it as a field element, which has one number only.
        let proof_of_work = reader.u64("the proof of work")?;
        if proof_of_work >= Felt::MODULUS {
            return Err(LayoutError::ProofOfWork(proof_of_work));
        }
        match reader.rest.len() {
            0 => Ok(()),
            length => Err(LayoutError::Trailing(length)),
        }
    }

    /// Checks the layout of the opening of `leaves` leaves of a tree.
    fn check_opening(&self, bytes: &[u8], leaves: usize, depth: u32) -> Result<(), LayoutError> {
        let mut reader = Reader { rest: bytes };
        let part = "the depth of an opening";
        check_number(part, usize::from(reader.u8(part)?), depth as usize)?;
        let part = "the number of an opening's lists";
        let lists = reader.length(part)?;
        check_range(part, lists, 1, leaves)?;
        for _ in 0..lists {
            let part = "the length of an opening's list";
            let nodes = reader.length(part)?;
            check_range(part, nodes, 0, depth as usize)?;
            reader.take("an opening's list", nodes * self.digest)?;
        }
        match reader.rest.len() {
            0 => Ok(()),
            length => Err(LayoutError::Trailing(length)),
        }
    }
}

fn check_number(part: &'static str, actual: usize, expected: usize) -> Result<(), LayoutError> {
    if actual == expected {
        Ok(())
    } else {
        Err(LayoutError::Number {
            part,
            expected,
            actual,
        })
    }
}

fn check_range(
    part: &'static str,
    actual: usize,
    min: usize,
    max: usize,
) -> Result<(), LayoutError> {
    if (min..=max).contains(&actual) {
        Ok(())
    } else {
        Err(LayoutError::Range {
            part,
            min,
            max,
            actual,
        })
    }
}

/// Takes bytes off the front of a slice.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, part: &'static str, length: usize) -> Result<&'a [u8], LayoutError> {
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(LayoutError::End(part))?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, part: &'static str) -> Result<[u8; N], LayoutError> {
        let (taken, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(LayoutError::End(part))?;
        self.rest = rest;
        Ok(*taken)
    }

    fn u8(&mut self, part: &'static str) -> Result<u8, LayoutError> {
        self.array::<1>(part).map(|[byte]| byte)
    }

    fn u16(&mut self, part: &'static str) -> Result<u16, LayoutError> {
        self.array(part).map(u16::from_le_bytes)
    }

    fn u32(&mut self, part: &'static str) -> Result<usize, LayoutError> {
        self.array(part)
            .map(|bytes| u32::from_le_bytes(bytes) as usize)
    }

    fn u64(&mut self, part: &'static str) -> Result<u64, LayoutError> {
        self.array(part).map(u64::from_le_bytes)
    }

    /// Reads a length of variable size: the number of zeros at the low end of the first byte is the
    /// number of bytes that follow it, 8 of them if the byte is zero.
    fn length(&mut self, part: &'static str) -> Result<usize, LayoutError> {
        let before = self.rest;
        let first = *before.first().ok_or(LayoutError::End(part))?;
        let length = match first.trailing_zeros() {
            8 => {
                self.take(part, 1)?;
                self.u64(part)?
            }
            more => {
                let size = more as usize + 1;
                let mut bytes = [0; 8];
                bytes[..size].copy_from_slice(self.take(part, size)?);
                u64::from_le_bytes(bytes) >> size
            }
        };
        // Nothing in a proof is as long as this; it also makes the products above safe.
        let length = u32::try_from(length).map_err(|_| LayoutError::Range {
            part,
            min: 0,
            max: u32::MAX as usize,
            actual: usize::MAX,
        })? as usize;
        let mut shortest = Vec::new();
        shortest.write_usize(length);
        if before.starts_with(&shortest) && before.len() - self.rest.len() == shortest.len() {
            Ok(length)
        } else {
            Err(LayoutError::NotShortest(part))
        }
    }
}

#[cfg(test)]
mod tests {
    use winter_air::proof::Proof;

    use super::*;

    fn length(bytes: &[u8]) -> Result<(usize, usize), LayoutError> {
        let mut reader = Reader { rest: bytes };
        let length = reader.length("a length")?;
        Ok((length, reader.rest.len()))
    }

    #[test]
    fn lengths_of_variable_size() {
        for value in [0, 1, 127, 128, 16_383, 16_384, 1 << 22, u32::MAX as usize] {
            let mut bytes = Vec::new();
            bytes.write_usize(value);
            bytes.push(77);
            assert_eq!(length(&bytes), Ok((value, 1)));
            for end in 0..bytes.len() - 1 {
                assert_eq!(length(&bytes[..end]), Err(LayoutError::End("a length")));
            }
        }
        // 1, in two bytes and in nine.
        assert_eq!(
            length(&[0b110, 0]),
            Err(LayoutError::NotShortest("a length"))
        );
        assert_eq!(
            length(&[0, 1, 0, 0, 0, 0, 0, 0, 0]),
            Err(LayoutError::NotShortest("a length"))
        );
        let mut bytes = Vec::new();
        bytes.write_usize(1 << 40);
        assert!(matches!(length(&bytes), Err(LayoutError::Range { .. })));
    }

    /// The proof's type is what the layout describes; this is here so that a field added to it is
    /// noticed.
    #[test]
    fn the_parts_of_a_proof() {
        let Proof {
            context: _,
            num_unique_queries: _,
            commitments: _,
            trace_queries: _,
            constraint_queries: _,
            ood_frame: _,
            fri_proof: _,
            pow_nonce: _,
        } = Proof::new_dummy();
    }
}
