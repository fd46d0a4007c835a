//! The public coin: what prover and verifier draw from the messages so far.
//!
//! With RPO and RPX the coin is a sponge that goes on from message to message; with the other
//! functions it is a digest of everything so far, and what it shows are hashes of the digest and a
//! counter. It shows what `miden-crypto`'s and Winterfell's coins show.

use alloc::vec::Vec;

use miden_core::{
    Felt,
    crypto::hash::{Rpo256, Rpx256},
};
use winter_math::{FieldElement, StarkField};

use crate::{
    hash::{Digest, Hasher, RATE_START, STATE_WIDTH, numbered_state},
    options::HashFunction,
};

/// The largest number of hashes that are tried until their words are field elements, each of which
/// fails with a probability of about 2^-32.
const TRIES: usize = 1000;

/// The public coin.
#[derive(Debug, Clone)]
pub struct Coin {
    hasher: Hasher,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Digest {
        digest: Digest,
        /// The number of hashes it has shown.
        shown: u64,
    },
    Sponge {
        elements: [Felt; STATE_WIDTH],
        /// The element that it shows next.
        next: usize,
    },
}

/// The input that a nonce is hashed with: its proof of work is in the first word of the result.
#[derive(Debug, Clone, Copy)]
pub enum Work {
    /// A digest that the nonce follows.
    Digest(Digest),
    /// The state of a sponge.
    Sponge {
        /// Its elements.
        elements: [Felt; STATE_WIDTH],
        /// The element that the nonce is added to.
        position: usize,
    },
}

impl Coin {
    /// A coin made of these elements.
    pub fn new(hasher: Hasher, seed: &[Felt]) -> Self {
        let digest = hasher.hash_elements(seed);
        let state = match hasher.function() {
            HashFunction::Rpo256 | HashFunction::Rpx256 => State::Sponge {
                elements: [Felt::ZERO; STATE_WIDTH],
                next: RATE_START,
            },
            HashFunction::Blake3_192 | HashFunction::Blake3_256 | HashFunction::Poseidon2 => {
                State::Digest { digest, shown: 0 }
            }
        };
        let mut coin = Self { hasher, state };
        if let State::Sponge { .. } = state {
            coin.reseed(digest);
        }
        coin
    }

    /// The hash function that it is made of.
    pub fn hasher(&self) -> Hasher {
        self.hasher
    }

    /// Tells the coin of a message.
    pub fn reseed(&mut self, message: Digest) {
        match &mut self.state {
            State::Digest { digest, shown } => {
                *digest = self.hasher.merge(*digest, message);
                *shown = 0;
            }
            State::Sponge { elements, next } => {
                for (element, word) in elements[RATE_START..].iter_mut().zip(message.0) {
                    *element += Felt::new(word);
                }
                permute(self.hasher, elements);
                *next = RATE_START;
            }
        }
    }

    /// Draws an element; none if hash after hash has none, which does not happen.
    pub fn draw<E: FieldElement<BaseField = Felt>>(&mut self) -> Option<E> {
        let degree = E::EXTENSION_DEGREE;
        let is_canonical = |words: &[u64; 4]| words[..degree].iter().all(|&w| w < Felt::MODULUS);
        let mut tries = (0..TRIES).map(|_| self.show(degree));
        let coordinates = tries.find(is_canonical)?.map(Felt::new);
        E::slice_from_base_elements(&coordinates[..degree])
            .first()
            .copied()
    }

    /// The bits of work that a nonce below the field's modulus shows.
    pub fn work_of(&self, nonce: u64) -> u32 {
        let first = match self.state {
            State::Digest { digest, .. } => self.hasher.merge_with_number(digest, nonce).0[0],
            State::Sponge { mut elements, .. } => {
                elements[RATE_START] += Felt::new(nonce);
                permute(self.hasher, &mut elements);
                elements[RATE_START].as_int()
            }
        };
        first.trailing_zeros()
    }

    /// Returns the input that nonces are hashed with.
    pub fn work(&self) -> Work {
        match self.state {
            State::Sponge { elements, .. } => Work::Sponge {
                elements,
                position: RATE_START,
            },
            State::Digest { digest, .. } if self.hasher.function() == HashFunction::Poseidon2 => {
                Work::Sponge {
                    elements: numbered_state(digest, 0),
                    position: RATE_START + digest.0.len(),
                }
            }
            State::Digest { digest, .. } => Work::Digest(digest),
        }
    }

    /// Tells the coin of the nonce and draws positions below a power of two, which are neither in
    /// order nor distinct.
    pub fn draw_positions(&mut self, count: usize, size: usize, nonce: u64) -> Vec<usize> {
        match &mut self.state {
            State::Digest { digest, shown } => {
                *digest = self.hasher.merge_with_number(*digest, nonce);
                *shown = 0;
            }
            State::Sponge { elements, next } => {
                elements[RATE_START] += Felt::new(nonce);
                permute(self.hasher, elements);
                // RPO's coin passes over the element with the proof of work.
                let is_rpo = self.hasher.function() == HashFunction::Rpo256;
                *next = RATE_START + usize::from(is_rpo);
            }
        }
        let mask = size as u64 - 1;
        let position = |_| (self.show(1)[0] & mask) as usize;
        (0..count).map(position).collect()
    }

    /// Shows so many words, of at most four.
    fn show(&mut self, count: usize) -> [u64; 4] {
        match &mut self.state {
            State::Digest { digest, shown } => {
                *shown += 1;
                self.hasher.merge_with_number(*digest, *shown).0
            }
            State::Sponge { elements, next } => {
                let mut words = [0; 4];
                for word in &mut words[..count] {
                    if *next == STATE_WIDTH {
                        permute(self.hasher, elements);
                        *next = RATE_START;
                    }
                    *word = elements[*next].as_int();
                    *next += 1;
                }
                words
            }
        }
    }
}

/// Permutes the state of a coin that is a sponge.
fn permute(hasher: Hasher, elements: &mut [Felt; STATE_WIDTH]) {
    match hasher.function() {
        HashFunction::Rpx256 => Rpx256::apply_permutation(elements),
        _ => Rpo256::apply_permutation(elements),
    }
}

#[cfg(test)]
mod tests {
    use miden_core::crypto::{
        hash::{Blake3_192, Blake3_256, ElementHasher, Poseidon2},
        random::{RandomCoin, RpoRandomCoin, RpxRandomCoin, WinterRandomCoin},
    };
    use winter_math::fields::{CubeExtension, QuadExtension};

    use super::*;

    /// Tells a published coin what it tells ours, and compares what they show.
    fn agrees<H, R>(function: HashFunction)
    where
        H: ElementHasher<BaseField = Felt>,
        H::Digest: Into<Digest>,
        R: RandomCoin<BaseField = Felt, Hasher = H>,
    {
        let hasher = Hasher::from(function);
        let elements: Vec<Felt> = (0..30_u64).map(|i| Felt::new(i.pow(9) + 5)).collect();
        let mut published = R::new(&elements);
        let mut coin = Coin::new(hasher, &elements);
        for round in 1..20 {
            // From none to more than a sponge shows without being permuted.
            for _ in 0..round % 7 {
                let drawn: Felt = published.draw().expect("an element");
                assert_eq!(coin.draw(), Some(drawn));
                let drawn: QuadExtension<Felt> = published.draw().expect("an element");
                assert_eq!(coin.draw(), Some(drawn));
                let drawn: CubeExtension<Felt> = published.draw().expect("an element");
                assert_eq!(coin.draw(), Some(drawn));
            }
            for nonce in [0, 1, 1 << 40, Felt::MODULUS - 1] {
                assert_eq!(coin.work_of(nonce), published.check_leading_zeros(nonce));
            }
            if round % 5 == 0 {
                let positions = published.draw_integers(73, 1 << 20, round);
                let positions = positions.expect("positions");
                assert_eq!(coin.draw_positions(73, 1 << 20, round), positions);
            }
            let message = &elements[..round as usize];
            let digest = H::hash_elements(message);
            published.reseed(digest);
            coin.reseed(digest.into());
            assert_eq!(hasher.hash_elements(message), digest.into());
            let merged = H::merge(&[digest, digest]);
            assert_eq!(hasher.merge(digest.into(), digest.into()), merged.into());
        }
    }

    #[test]
    fn coins_show_what_the_published_ones_do() {
        agrees::<Blake3_192, WinterRandomCoin<_>>(HashFunction::Blake3_192);
        agrees::<Blake3_256, WinterRandomCoin<_>>(HashFunction::Blake3_256);
        agrees::<Rpo256, RpoRandomCoin>(HashFunction::Rpo256);
        agrees::<Rpx256, RpxRandomCoin>(HashFunction::Rpx256);
        agrees::<Poseidon2, WinterRandomCoin<_>>(HashFunction::Poseidon2);
    }
}
