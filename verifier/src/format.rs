//! The form of a STARK proof, checked before Winterfell sees it.
//!
//! Winterfell 0.13 allocates what a length field says, asserts on some fields, does not bind others
//! to its transcript, and ignores bytes after the end. Everything about a proof's form follows from
//! its header and from the AIR, except how many queries are distinct; so each field is read here
//! with the value or bound that it must have. Layout: context, number of distinct queries,
//! commitments, openings of the trace segments and of the constraints, out-of-domain frame, FRI
//! layers and remainder, nonce.
//!
//! One check is not about form: Winterfell's prover commits to the remainder polynomial of FRI
//! before the queries are drawn, but its verifier does not compare the two. A remainder chosen after
//! the queries could be fitted to anything, so [`parse`] compares them.

use alloc::vec::Vec;

use miden_core::Felt;
use miden_cvm_air::{air::CvmAir, proof::Proof, public::PublicInputs};
use thiserror::Error;
use winter_air::{
    Air, FieldExtension,
    proof::{Context, Proof as StarkProof},
};
use winter_crypto::{ElementHasher, Hasher};
use winter_math::{
    FieldElement,
    fields::{CubeExtension, QuadExtension},
};
use winter_utils::{Deserializable, Serializable, SliceReader};

/// Why a STARK proof does not have the form that its header implies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FormatError {
    /// The bytes end before the proof does.
    #[error("it ends within {0}")]
    TooShort(&'static str),
    /// The context is not the one that the header implies.
    #[error("its context is not the one that its header implies")]
    Context,
    /// A number has another value than it must have.
    #[error("{field} is {actual}, where {expected} is due")]
    Value {
        /// What the number is.
        field: &'static str,
        /// The value that it must have.
        expected: usize,
        /// The value that it has.
        actual: usize,
    },
    /// A number is out of its range.
    #[error("{field} is {actual}, which is not between {min} and {max}")]
    Range {
        /// What the number is.
        field: &'static str,
        /// The least value.
        min: usize,
        /// The greatest value.
        max: usize,
        /// The value that it has.
        actual: usize,
    },
    /// Bytes follow the end of the proof or of one of its parts.
    #[error("{0} bytes follow its end")]
    Trailing(usize),
    /// A field element or digest is not canonical.
    #[error("a number in it is not a canonical field element")]
    Element,
    /// The remainder of FRI is not the one that was committed to.
    #[error("the remainder is not the one that it commits to")]
    Remainder,
    /// The proof is not the one encoding of what it holds.
    #[error("it is not in its canonical encoding")]
    Encoding,
}

/// Parses the STARK proof within `proof`, for a run with these public inputs.
///
/// # Errors
/// Returns an error if any part of the proof does not have the form that its header implies.
pub fn parse<H>(proof: &Proof, public: &PublicInputs) -> Result<StarkProof, FormatError>
where
    H: ElementHasher<BaseField = Felt>,
{
    let shape = Shape::new::<H>(proof, public);
    match proof.settings().proof_options().field_extension() {
        FieldExtension::None => shape.check::<Felt, H>(proof.stark())?,
        FieldExtension::Quadratic => shape.check::<QuadExtension<Felt>, H>(proof.stark())?,
        FieldExtension::Cubic => shape.check::<CubeExtension<Felt>, H>(proof.stark())?,
    }
    let parsed = StarkProof::read_from_bytes(proof.stark()).map_err(|_| FormatError::Encoding)?;
    if parsed.to_bytes() != proof.stark() {
        return Err(FormatError::Encoding);
    }
    Ok(parsed)
}

/// What a proof's header and the AIR say about its form.
struct Shape {
    context: Vec<u8>,
    max_queries: usize,
    main_width: usize,
    aux_width: usize,
    constraint_width: usize,
    log_domain: u32,
    log_folding: u32,
    num_layers: usize,
    remainder_len: usize,
    digest_len: usize,
}

impl Shape {
    fn new<H: Hasher>(proof: &Proof, public: &PublicInputs) -> Self {
        let options = proof.settings().proof_options();
        let info = miden_cvm_air::air::trace_info(proof.trace_length());
        let air = CvmAir::new(info.clone(), public.clone(), options.clone());
        let constraints =
            air.context().num_assertions() + air.context().num_transition_constraints();
        let fri = options.to_fri_options();
        let domain = air.lde_domain_size();
        let num_layers = fri.num_fri_layers(domain);
        let log_folding = fri.folding_factor().ilog2();
        Self {
            context: Context::new::<Felt>(info.clone(), options.clone(), constraints).to_bytes(),
            max_queries: options.num_queries(),
            main_width: info.main_trace_width(),
            aux_width: info.aux_segment_width(),
            constraint_width: air.context().num_constraint_composition_columns(),
            log_domain: domain.ilog2(),
            log_folding,
            num_layers,
            remainder_len: (domain >> (log_folding * num_layers as u32)) / fri.blowup_factor(),
            digest_len: H::Digest::default().to_bytes().len(),
        }
    }

    /// Reads a whole proof, all extension field elements being of type `E`.
    fn check<E, H>(&self, bytes: &[u8]) -> Result<(), FormatError>
    where
        E: FieldElement<BaseField = Felt>,
        H: ElementHasher<BaseField = Felt>,
    {
        let mut reader = Reader { bytes };
        if reader.take(self.context.len(), "the context")? != self.context {
            return Err(FormatError::Context);
        }
        let field = "the number of distinct queries";
        let queries = reader.u8(field)?;
        within(field, queries, 1, self.max_queries)?;

        let field = "the commitments";
        let num_commitments = 3 + self.num_layers + 1;
        equal(field, reader.u16(field)?, num_commitments * self.digest_len)?;
        let commitments = reader.take(num_commitments * self.digest_len, field)?;
        let remainder_commitment = &commitments[(num_commitments - 1) * self.digest_len..];

        let extended = E::ELEMENT_BYTES;
        let openings = [
            (
                "the main segment's openings",
                self.main_width * Felt::ELEMENT_BYTES,
            ),
            (
                "the auxiliary segment's openings",
                self.aux_width * extended,
            ),
            (
                "the constraints' openings",
                self.constraint_width * extended,
            ),
        ];
        for (field, row_bytes) in openings {
            let values = reader.sized_by_usize(field)?;
            equal(field, values.bytes.len(), queries * row_bytes)?;
            let paths = reader.sized_by_usize(field)?;
            self.check_paths::<H>(paths, self.log_domain, queries, field)?;
        }

        let frames = [
            (
                "the trace's out-of-domain frame",
                self.main_width + self.aux_width,
            ),
            (
                "the constraints' out-of-domain frame",
                self.constraint_width,
            ),
        ];
        for (field, width) in frames {
            equal(field, reader.u16(field)?, 1 + 2 * width * extended)?;
            equal(field, reader.u8(field)?, 2)?;
            reader.take(2 * width * extended, field)?;
        }

        let field = "the number of FRI layers";
        equal(field, reader.u8(field)?, self.num_layers)?;
        let mut log_size = self.log_domain;
        for _ in 0..self.num_layers {
            let field = "a FRI layer";
            log_size -= self.log_folding;
            let row_bytes = extended << self.log_folding;
            let length = reader.u32(field)?;
            within(field, length, row_bytes, queries * row_bytes)?;
            equal(field, length % row_bytes, 0)?;
            reader.take(length, field)?;
            let length = reader.u32(field)?;
            let paths = Reader {
                bytes: reader.take(length, field)?,
            };
            self.check_paths::<H>(paths, log_size, queries, field)?;
        }
        let field = "the FRI remainder";
        equal(field, reader.u16(field)?, self.remainder_len * extended)?;
        let remainder = reader.take(self.remainder_len * extended, field)?;
        check_remainder::<E, H>(remainder, remainder_commitment)?;
        let field = "the number of partitions";
        equal(field, reader.u8(field)?, 0)?;

        reader.take(size_of::<u64>(), "the nonce")?;
        reader.end()
    }

    /// Reads the nodes of a batch of Merkle paths in a tree of depth `depth`, for at most `rows`
    /// leaves.
    fn check_paths<H: Hasher>(
        &self,
        mut reader: Reader<'_>,
        depth: u32,
        rows: usize,
        field: &'static str,
    ) -> Result<(), FormatError> {
        equal(field, reader.u8(field)?, depth as usize)?;
        let paths = reader.usize(field)?;
        within(field, paths, 1, rows)?;
        for _ in 0..paths {
            let nodes = reader.usize(field)?;
            within(field, nodes, 0, depth as usize)?;
            let digests = reader.take(nodes * self.digest_len, field)?;
            for digest in digests.chunks_exact(self.digest_len) {
                let mut source = SliceReader::new(digest);
                H::Digest::read_from(&mut source).map_err(|_| FormatError::Element)?;
            }
        }
        reader.end()
    }
}

/// Compares the remainder polynomial with the commitment that was made before the queries.
fn check_remainder<E, H>(remainder: &[u8], commitment: &[u8]) -> Result<(), FormatError>
where
    E: FieldElement<BaseField = Felt>,
    H: ElementHasher<BaseField = Felt>,
{
    let mut source = SliceReader::new(remainder);
    let mut coefficients = Vec::with_capacity(remainder.len() / E::ELEMENT_BYTES);
    for _ in 0..remainder.len() / E::ELEMENT_BYTES {
        coefficients.push(E::read_from(&mut source).map_err(|_| FormatError::Element)?);
    }
    if H::hash_elements(&coefficients).to_bytes() != commitment {
        return Err(FormatError::Remainder);
    }
    Ok(())
}

fn equal(field: &'static str, actual: usize, expected: usize) -> Result<(), FormatError> {
    if actual == expected {
        Ok(())
    } else {
        Err(FormatError::Value {
            field,
            expected,
            actual,
        })
    }
}

fn within(field: &'static str, actual: usize, min: usize, max: usize) -> Result<(), FormatError> {
    if (min..=max).contains(&actual) {
        Ok(())
    } else {
        Err(FormatError::Range {
            field,
            min,
            max,
            actual,
        })
    }
}

/// The bytes that are still to be read.
struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize, field: &'static str) -> Result<&'a [u8], FormatError> {
        let (taken, rest) = self
            .bytes
            .split_at_checked(length)
            .ok_or(FormatError::TooShort(field))?;
        self.bytes = rest;
        Ok(taken)
    }

    /// A little-endian number of `N` bytes.
    fn number<const N: usize>(&mut self, field: &'static str) -> Result<usize, FormatError> {
        let mut bytes = [0; size_of::<u64>()];
        bytes[..N].copy_from_slice(self.take(N, field)?);
        usize::try_from(u64::from_le_bytes(bytes)).map_err(|_| FormatError::Encoding)
    }

    fn u8(&mut self, field: &'static str) -> Result<usize, FormatError> {
        self.number::<1>(field)
    }

    fn u16(&mut self, field: &'static str) -> Result<usize, FormatError> {
        self.number::<2>(field)
    }

    fn u32(&mut self, field: &'static str) -> Result<usize, FormatError> {
        self.number::<4>(field)
    }

    /// A number in Winterfell's variable-length encoding: the trailing zeros of the first byte say
    /// how many more bytes there are.
    fn usize(&mut self, field: &'static str) -> Result<usize, FormatError> {
        let first = *self.bytes.first().ok_or(FormatError::TooShort(field))?;
        let length = first.trailing_zeros() as usize + 1;
        if length > size_of::<u64>() {
            self.take(1, field)?;
            return self.number::<8>(field);
        }
        let mut bytes = [0; size_of::<u64>()];
        bytes[..length].copy_from_slice(self.take(length, field)?);
        usize::try_from(u64::from_le_bytes(bytes) >> length).map_err(|_| FormatError::Encoding)
    }

    /// A part whose length stands before it.
    fn sized_by_usize(&mut self, field: &'static str) -> Result<Reader<'a>, FormatError> {
        let length = self.usize(field)?;
        Ok(Reader {
            bytes: self.take(length, field)?,
        })
    }

    fn end(&self) -> Result<(), FormatError> {
        match self.bytes.len() {
            0 => Ok(()),
            trailing => Err(FormatError::Trailing(trailing)),
        }
    }
}
