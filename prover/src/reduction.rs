//! Sums of products in the base field, reduced once at the end.

use miden_core::Felt;

use crate::packed::reduce;

/// A sum of products of base field elements.
///
/// A product of two Montgomery representatives has 128 bits; reducing each on its own is most of
/// the work of adding them up. Up to 2^32 products may be added.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProductSum {
    low: u128,
    carries: u64,
}

impl ProductSum {
    /// Adds `a * b`.
    #[inline(always)]
    pub fn add_product(&mut self, a: Felt, b: Felt) {
        let product = u128::from(a.inner()) * u128::from(b.inner());
        let (low, carry) = self.low.overflowing_add(product);
        self.low = low;
        self.carries += u64::from(carry);
    }

    /// The sum.
    ///
    /// With representatives r(a) = a * 2^64, the sum of products r(a) * r(b), divided by 2^64, is
    /// the representative of the sum of a * b.
    #[inline(always)]
    pub fn reduce(self) -> Felt {
        let (low, high) = (self.low as u64, (self.low >> 64) as u64);
        // low / 2^64 + high + carries * 2^64; `as_int` divides a representative by 2^64, and 2^64 is
        // 2^32 - 1 modulo the modulus.
        let divided = Felt::from_mont(Felt::from_mont(low).as_int());
        let carries = Felt::from_mont(self.carries * ((1 << 32) - 1));
        divided + Felt::from_mont(reduce(high)) + carries
    }
}

#[cfg(test)]
mod tests {
    use winterfell::math::{FieldElement, StarkField};

    use super::*;

    #[test]
    fn sums_agree_with_single_products() {
        let mut state = 1_u64;
        let mut sample = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            match state >> 61 {
                0 => Felt::new(Felt::MODULUS - 1),
                1 => Felt::ZERO,
                // The largest representative there is.
                2 | 3 => Felt::from_mont(Felt::MODULUS - 1),
                _ => Felt::new(state),
            }
        };
        for length in [0, 1, 2, 3, 17, 1000] {
            let mut sum = ProductSum::default();
            let mut expected = Felt::ZERO;
            for _ in 0..length {
                let (a, b) = (sample(), sample());
                sum.add_product(a, b);
                expected += a * b;
            }
            assert_eq!(sum.reduce(), expected);
        }
    }

    #[test]
    fn the_largest_sum_is_reduced() {
        let largest = Felt::from_mont(Felt::MODULUS - 1);
        let mut sum = ProductSum::default();
        for _ in 0..100_000 {
            sum.add_product(largest, largest);
        }
        assert_eq!(sum.reduce(), largest * largest * Felt::from(100_000_u32));
    }
}
