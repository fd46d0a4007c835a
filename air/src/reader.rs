//! Reads the bytes of a proof, none of which is redundant.
//!
//! The order and the length of the parts follow from the header, the AIR and the queries; nothing
//! in the bytes says how long anything is. So bytes are of one proof only, and a proof is of one
//! sequence of bytes.

use alloc::vec::Vec;

use miden_core::Felt;

use serde::Serialize;
use thiserror::Error;
use winter_math::{FieldElement, StarkField};

use crate::hash::{Digest, Hasher};

/// Why bytes are not a proof of the form that the header calls for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// The proof ends too early.
    #[error("the proof ends within {0}")]
    End(&'static str),
    /// The proof goes on after its last part.
    #[error("{0} bytes follow the proof")]
    Trailing(usize),
    /// A number is not below the modulus, or a digest is not written as digests are.
    #[error("{0} contains a number that is not a field element")]
    NotCanonical(&'static str),
}

/// A part of a proof, and how long it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Part {
    /// Its name, as [`LayoutError`] says it.
    pub name: &'static str,
    /// Its number of bytes.
    pub bytes: usize,
}

/// The rest of a proof's bytes.
#[derive(Debug)]
pub struct Reader<'a> {
    hasher: Hasher,
    rest: &'a [u8],
    /// The bytes that have been read.
    parts: Vec<Part>,
}

/// The representative of a base field element.
fn number(bytes: [u8; Felt::ELEMENT_BYTES], part: &'static str) -> Result<u64, LayoutError> {
    let number = u64::from_le_bytes(bytes);
    if number < Felt::MODULUS {
        Ok(number)
    } else {
        Err(LayoutError::NotCanonical(part))
    }
}

impl<'a> Reader<'a> {
    /// Reads these bytes, whose digests are of this hash function.
    pub fn new(hasher: Hasher, bytes: &'a [u8]) -> Self {
        Self {
            hasher,
            rest: bytes,
            parts: Vec::new(),
        }
    }

    /// The hash function.
    pub fn hasher(&self) -> Hasher {
        self.hasher
    }

    fn take(&mut self, part: &'static str, length: usize) -> Result<&'a [u8], LayoutError> {
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(LayoutError::End(part))?;
        self.rest = rest;
        match self.parts.last_mut() {
            Some(last) if last.name == part => last.bytes += length,
            _ => self.parts.push(Part {
                name: part,
                bytes: length,
            }),
        }
        Ok(taken)
    }

    /// Reads the representative of a base field element.
    ///
    /// # Errors
    /// Returns an error if the bytes end too early, or the number is not below the modulus.
    pub fn number(&mut self, part: &'static str) -> Result<u64, LayoutError> {
        let bytes = self.take(part, Felt::ELEMENT_BYTES)?;
        let bytes = bytes.try_into().map_err(|_| LayoutError::End(part))?;
        number(bytes, part)
    }

    /// Reads so many elements.
    ///
    /// # Errors
    /// Returns an error if the bytes end too early, or a coordinate is not below the modulus.
    pub fn elements<E>(&mut self, part: &'static str, count: usize) -> Result<Vec<E>, LayoutError>
    where
        E: FieldElement<BaseField = Felt>,
    {
        // Nothing is made room for before it is there.
        let length = count * E::EXTENSION_DEGREE * Felt::ELEMENT_BYTES;
        let (cells, _) = self.take(part, length)?.as_chunks();
        let coordinates = cells.iter().map(|&cell| number(cell, part).map(Felt::new));
        let coordinates: Vec<Felt> = coordinates.collect::<Result<_, _>>()?;
        Ok(E::slice_from_base_elements(&coordinates).to_vec())
    }

    /// Reads an element.
    ///
    /// # Errors
    /// As of [`Reader::elements`].
    pub fn element<E>(&mut self, part: &'static str) -> Result<E, LayoutError>
    where
        E: FieldElement<BaseField = Felt>,
    {
        let elements = self.elements(part, 1)?;
        elements.first().copied().ok_or(LayoutError::End(part))
    }

    /// Reads a digest.
    ///
    /// # Errors
    /// Returns an error if the bytes end too early, or are not written as digests are.
    pub fn digest(&mut self, part: &'static str) -> Result<Digest, LayoutError> {
        let bytes = self.take(part, self.hasher.digest_bytes())?;
        let digest = self.hasher.read(bytes);
        digest.ok_or(LayoutError::NotCanonical(part))
    }

    /// `true` if nothing is left.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Takes all that is left.
    ///
    /// # Errors
    /// None: there is as much as there is.
    pub fn rest(&mut self, part: &'static str) -> Result<&'a [u8], LayoutError> {
        self.take(part, self.rest.len())
    }

    /// Checks that nothing is left; returns the parts in their order.
    ///
    /// # Errors
    /// Returns an error if something is left.
    pub fn finish(self) -> Result<Vec<Part>, LayoutError> {
        match self.rest.len() {
            0 => Ok(self.parts),
            length => Err(LayoutError::Trailing(length)),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::options::HashFunction;
    use winter_math::fields::QuadExtension;

    use super::*;

    const PART: &str = "a part";

    fn blake3(bytes: &[u8]) -> Reader<'_> {
        Reader::new(HashFunction::Blake3_256.into(), bytes)
    }

    fn rpo(bytes: &[u8]) -> Reader<'_> {
        Reader::new(HashFunction::Rpo256.into(), bytes)
    }

    #[test]
    fn numbers_have_one_form() {
        let bytes = |number: u64| number.to_le_bytes();
        for number in [0, 1, Felt::MODULUS - 1] {
            assert_eq!(rpo(&bytes(number)).number(PART), Ok(number));
        }
        for number in [Felt::MODULUS, Felt::MODULUS + 1, u64::MAX] {
            let refused = Err(LayoutError::NotCanonical(PART));
            assert_eq!(rpo(&bytes(number)).number(PART), refused);
            let mut digest = [0; 32];
            digest[8..16].copy_from_slice(&bytes(number));
            let read = rpo(&digest).digest(PART);
            assert_eq!(read, Err(LayoutError::NotCanonical(PART)));
            // A digest of Blake3 is any bytes.
            assert!(blake3(&digest).digest(PART).is_ok());
            let element = rpo(&digest).element::<QuadExtension<Felt>>(PART);
            assert_eq!(element, Err(LayoutError::NotCanonical(PART)));
        }
    }

    #[test]
    fn all_bytes_are_read_and_no_more() {
        let bytes = [7; 40];
        let mut reader = rpo(&bytes);
        assert!(reader.elements::<QuadExtension<Felt>>(PART, 2).is_ok());
        let huge = reader.elements::<Felt>(PART, 1 << 40);
        assert_eq!(huge, Err(LayoutError::End(PART)));
        let read = reader.digest(PART);
        assert_eq!(read, Err(LayoutError::End(PART)));
        assert!(reader.number(PART).is_ok());
        let parts = reader.finish().expect("all is read");
        assert_eq!(
            parts,
            [Part {
                name: PART,
                bytes: 40
            }]
        );
        assert_eq!(rpo(&bytes).finish(), Err(LayoutError::Trailing(40)));
    }
}
