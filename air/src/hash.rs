//! The hash functions of proofs, chosen at run time: what hashes is compiled once, not once for each
//! of them.

use alloc::vec::Vec;

use miden_core::{
    Felt, Word,
    crypto::hash::{
        Blake3_192, Blake3_256, Blake3Digest, ElementHasher, Hasher as _, Poseidon2, Rpo256, Rpx256,
    },
};
use winter_math::StarkField;

use crate::options::HashFunction;

/// Elements of a sponge's state.
pub const STATE_WIDTH: usize = 12;

/// Where the elements begin that are absorbed, and that the digest is taken from.
pub const RATE_START: usize = 4;

/// A digest: the bytes that a proof has of it, as little-endian words, and zeros. A digest of a
/// sponge is made of four field elements, and its words are their integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Digest(pub [u64; 4]);

impl From<Word> for Digest {
    fn from(word: Word) -> Self {
        let elements: [Felt; 4] = word.into();
        Self(elements.map(|element| element.as_int()))
    }
}

impl From<Digest> for Word {
    fn from(digest: Digest) -> Self {
        Self::new(digest.0.map(Felt::new))
    }
}

impl<const BYTES: usize> From<Blake3Digest<BYTES>> for Digest {
    fn from(digest: Blake3Digest<BYTES>) -> Self {
        Self::from_bytes(&digest)
    }
}

impl<const BYTES: usize> From<Digest> for Blake3Digest<BYTES> {
    fn from(digest: Digest) -> Self {
        let mut bytes = [0; BYTES];
        for (bytes, word) in bytes.as_chunks_mut().0.iter_mut().zip(digest.0) {
            *bytes = word.to_le_bytes();
        }
        bytes.into()
    }
}

impl Digest {
    /// The digest with these bytes, of which there are at most 32.
    fn from_bytes(bytes: &[u8]) -> Self {
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        Self(words)
    }
}

/// A hash function of proofs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hasher(HashFunction);

impl From<HashFunction> for Hasher {
    fn from(function: HashFunction) -> Self {
        Self(function)
    }
}

impl Hasher {
    /// Returns its hash function.
    pub fn function(self) -> HashFunction {
        self.0
    }

    /// The number of bytes that a proof has of a digest.
    pub fn digest_bytes(self) -> usize {
        match self.0 {
            HashFunction::Blake3_192 => 24,
            HashFunction::Blake3_256
            | HashFunction::Rpo256
            | HashFunction::Rpx256
            | HashFunction::Poseidon2 => 32,
        }
    }

    /// Hashes elements of the base field.
    pub fn hash_elements(self, elements: &[Felt]) -> Digest {
        match self.0 {
            HashFunction::Blake3_192 => Blake3_192::hash_elements(elements).into(),
            HashFunction::Blake3_256 => Blake3_256::hash_elements(elements).into(),
            HashFunction::Rpo256 => Rpo256::hash_elements(elements).into(),
            HashFunction::Rpx256 => Rpx256::hash_elements(elements).into(),
            HashFunction::Poseidon2 => Poseidon2::hash_elements(elements).into(),
        }
    }

    /// Hashes two digests.
    pub fn merge(self, left: Digest, right: Digest) -> Digest {
        match self.0 {
            HashFunction::Blake3_192 => merge::<Blake3_192>(left, right),
            HashFunction::Blake3_256 => merge::<Blake3_256>(left, right),
            HashFunction::Rpo256 => merge::<Rpo256>(left, right),
            HashFunction::Rpx256 => merge::<Rpx256>(left, right),
            HashFunction::Poseidon2 => merge::<Poseidon2>(left, right),
        }
    }

    /// Hashes a digest and a number below the field's modulus.
    pub fn merge_with_number(self, digest: Digest, number: u64) -> Digest {
        match self.0 {
            HashFunction::Blake3_192 => Blake3_192::merge_with_int(digest.into(), number).into(),
            HashFunction::Blake3_256 => Blake3_256::merge_with_int(digest.into(), number).into(),
            HashFunction::Rpo256 => Rpo256::merge_with_int(digest.into(), number).into(),
            HashFunction::Rpx256 => Rpx256::merge_with_int(digest.into(), number).into(),
            HashFunction::Poseidon2 => Poseidon2::merge_with_int(digest.into(), number).into(),
        }
    }

    /// Writes the bytes of a digest.
    pub fn write(self, digest: Digest, bytes: &mut Vec<u8>) {
        for word in &digest.0[..self.digest_bytes() / size_of::<u64>()] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
    }

    /// Reads a digest from as many bytes as one has. There is none with a number where an element
    /// should be that is not below the modulus.
    pub fn read(self, bytes: &[u8]) -> Option<Digest> {
        let digest = Digest::from_bytes(bytes);
        let is_canonical = match self.0 {
            HashFunction::Blake3_192 | HashFunction::Blake3_256 => true,
            HashFunction::Rpo256 | HashFunction::Rpx256 | HashFunction::Poseidon2 => {
                digest.0.iter().all(|&word| word < Felt::MODULUS)
            }
        };
        (bytes.len() == self.digest_bytes() && is_canonical).then_some(digest)
    }
}

fn merge<H: ElementHasher>(left: Digest, right: Digest) -> Digest
where
    H::Digest: From<Digest> + Into<Digest>,
{
    H::merge(&[left.into(), right.into()]).into()
}

/// The state of a sponge that absorbs a digest and a number below the modulus.
pub fn numbered_state(digest: Digest, number: u64) -> [Felt; STATE_WIDTH] {
    let mut state = [Felt::new(0); STATE_WIDTH];
    // The number of elements, unless they fill the rate.
    state[0] = Felt::new(5);
    let absorbed = digest.0.into_iter().chain([number]);
    for (element, value) in state[RATE_START..].iter_mut().zip(absorbed) {
        *element = Felt::new(value);
    }
    state
}
