//! The prover's messages, and what it draws from them.

use miden_core::Felt;
use miden_cvm_air::{
    coin::Coin,
    hash::{Digest, Hasher},
};
use miden_cvm_parallel::prelude::*;
use winterfell::math::FieldElement;

use crate::{hash::hash_nonces, packed::VectorUnit};

/// Nonces that a thread tries together.
const NONCES: usize = 1 << 8;

/// Chunks of nonces that all threads try before they look whether one was found.
const CHUNKS: u64 = 1 << 8;

/// Bytes of a proof.
#[derive(Clone)]
pub struct Writer {
    hasher: Hasher,
    bytes: Vec<u8>,
}

impl Writer {
    /// Nothing so far; digests are of this hash function.
    pub fn new(hasher: Hasher) -> Self {
        Self {
            hasher,
            bytes: Vec::new(),
        }
    }

    /// The hash function.
    pub fn hasher(&self) -> Hasher {
        self.hasher
    }

    /// Writes elements.
    pub fn elements<E: FieldElement>(&mut self, elements: &[E]) {
        for element in elements {
            element.write_into(&mut self.bytes);
        }
    }

    /// Writes digests.
    pub fn digests(&mut self, digests: &[Digest]) {
        for &digest in digests {
            self.hasher.write(digest, &mut self.bytes);
        }
    }

    /// Writes what was written elsewhere.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The bytes that were written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// The proof so far, and the coin that knows of it.
pub struct Channel {
    coin: Coin,
    proof: Writer,
}

impl Channel {
    /// A channel whose transcript begins with these elements.
    pub fn new(hasher: Hasher, seed: &[Felt]) -> Self {
        Self {
            coin: Coin::new(hasher, seed),
            proof: Writer::new(hasher),
        }
    }

    /// The hash function.
    pub fn hasher(&self) -> Hasher {
        self.proof.hasher()
    }

    /// Sends a commitment.
    pub fn commit(&mut self, root: Digest) {
        self.proof.digests(&[root]);
        self.coin.reseed(root);
    }

    /// Sends elements.
    pub fn send<E: FieldElement<BaseField = Felt>>(&mut self, elements: &[E]) {
        self.proof.elements(elements);
        let cells = E::slice_as_base_elements(elements);
        self.coin.reseed(self.hasher().hash_elements(cells));
    }

    /// Draws an element.
    pub fn draw<E: FieldElement<BaseField = Felt>>(&mut self) -> E {
        self.coin.draw().expect("the coin yields elements")
    }

    /// Sends the first nonce that shows so many bits of work, and draws at most `count` positions
    /// below `size`, which are sorted and distinct.
    pub fn draw_positions(&mut self, bits: u32, count: usize, size: usize) -> Vec<usize> {
        let nonce = grind(self.hasher(), &self.coin, bits);
        self.proof.bytes(&nonce.to_le_bytes());
        let mut positions = self.coin.draw_positions(count, size, nonce);
        positions.sort_unstable();
        positions.dedup();
        positions
    }

    /// The proof, to which openings are added.
    pub fn proof(&self) -> &Writer {
        &self.proof
    }
}

/// Finds the first nonce that shows so many bits of work.
fn grind(hasher: Hasher, coin: &Coin, bits: u32) -> u64 {
    let work = coin.work();
    let first_in = |chunk: u64| {
        let first = chunk * NONCES as u64;
        let mut words = [0; NONCES];
        let nonces = first..first + NONCES as u64;
        if hash_nonces(hasher, VectorUnit::widest(), &work, first, &mut words) {
            let mut found = nonces.zip(words);
            let found = found.find(|(_, word)| word.trailing_zeros() >= bits);
            found.map(|(nonce, _)| nonce)
        } else {
            let mut nonces = nonces;
            nonces.find(|&nonce| coin.work_of(nonce) >= bits)
        }
    };
    let found = (0..).find_map(|batch: u64| {
        (batch * CHUNKS..(batch + 1) * CHUNKS)
            .into_par_iter()
            .find_map_first(first_in)
    });
    found.expect("there is a nonce")
}

#[cfg(test)]
mod tests {
    use miden_cvm_air::options::HashFunction;

    use super::*;

    #[test]
    fn the_first_nonce_is_found() {
        for function in [
            HashFunction::Blake3_192,
            HashFunction::Rpx256,
            HashFunction::Poseidon2,
        ] {
            let hasher = Hasher::from(function);
            let coin = Coin::new(hasher, &[Felt::new(function as u64)]);
            let first = (0..).find(|&nonce| coin.work_of(nonce) >= 9);
            assert_eq!(Some(grind(hasher, &coin, 9)), first);
        }
    }
}
