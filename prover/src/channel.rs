//! The prover's messages, and what it draws from them.

use miden_core::Felt;
use miden_cvm_air::{
    coin::Coin,
    hash::{Digest, Hasher},
};
use miden_cvm_parallel::prelude::*;
use winterfell::math::FieldElement;

use crate::{hash::hash_nonces, packed::VectorUnit, tree::Tree};

/// Nonces that a thread tries together.
const NONCES: usize = 1 << 8;

/// Chunks of nonces that all threads try before they look whether one was found.
const CHUNKS: u64 = 1 << 8;

/// The proof so far, and the coin that knows of it.
pub struct Channel {
    hasher: Hasher,
    coin: Coin,
    proof: Vec<u8>,
}

impl Channel {
    /// A channel whose transcript begins with these elements.
    pub fn new(hasher: Hasher, seed: &[Felt]) -> Self {
        Self {
            hasher,
            coin: Coin::new(hasher, seed),
            proof: Vec::new(),
        }
    }

    /// The hash function.
    pub fn hasher(&self) -> Hasher {
        self.hasher
    }

    /// Sends a commitment.
    pub fn commit(&mut self, tree: &Tree) {
        self.hasher.write(tree.root(), &mut self.proof);
        self.coin.reseed(tree.root());
    }

    /// Sends elements.
    pub fn send<E: FieldElement<BaseField = Felt>>(&mut self, elements: &[E]) {
        self.open(elements);
        let cells = E::slice_as_base_elements(elements);
        self.coin.reseed(self.hasher.hash_elements(cells));
    }

    /// Draws an element.
    pub fn draw<E: FieldElement<BaseField = Felt>>(&mut self) -> E {
        self.coin.draw().expect("the coin yields elements")
    }

    /// Sends the first nonce that shows so many bits of work, and draws at most `count` positions
    /// below `size`, which are sorted and distinct.
    pub fn draw_positions(&mut self, bits: u32, count: usize, size: usize) -> Vec<usize> {
        let nonce = grind(self.hasher, &self.coin, bits);
        self.proof.extend_from_slice(&nonce.to_le_bytes());
        let mut positions = self.coin.draw_positions(count, size, nonce);
        positions.sort_unstable();
        positions.dedup();
        positions
    }

    /// Writes elements that were committed to.
    pub fn open<E: FieldElement>(&mut self, elements: &[E]) {
        for element in elements {
            element.write_into(&mut self.proof);
        }
    }

    /// Writes nodes of a tree.
    pub fn open_nodes(&mut self, nodes: Vec<Digest>) {
        for node in nodes {
            self.hasher.write(node, &mut self.proof);
        }
    }

    /// The bytes of the proof.
    pub fn into_proof(self) -> Vec<u8> {
        self.proof
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
