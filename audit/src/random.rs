//! Random choices that depend on nothing but a seed.

use miden_core::Felt;
use winter_math::StarkField;

/// SplitMix64.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The choices of mutation number `index` of a campaign with this seed.
    pub fn new(seed: u64, index: u64) -> Self {
        let mut random = Self(seed);
        let seed = random.next();
        Self(seed ^ index.wrapping_mul(0xd134_2543_de82_ef95))
    }

    /// 64 random bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is not zero.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// One of `items`, which are not none.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// A field element.
    pub fn felt(&mut self) -> Felt {
        Felt::new(self.next() % Felt::MODULUS)
    }
}
