//! Sums of products that are reduced once, at the end.
//!
//! Of two factors, one is taken in halves of 32 bits and the other in limbs of 22 bits. A product of
//! these has 54 bits, so 64 bits have room for sums of many, and only the six sums are put together
//! and reduced. That takes as long as reducing a few products.

use core::num::Wrapping;

use miden_core::Felt;

use crate::packed::{LANES, Packed, montgomery, sub};

/// The number of products that a sum has room for.
pub const MAX_PRODUCTS: usize = 1 << 8;

const HALF: u64 = (1 << 32) - 1;
const LIMB_BITS: u32 = 22;
const LIMB: u64 = (1 << LIMB_BITS) - 1;

/// A factor in limbs.
pub type Limbs = [u64; 3];

/// The limbs of a representative.
#[inline(always)]
pub fn limbs(value: u64) -> Limbs {
    [
        value & LIMB,
        (value >> LIMB_BITS) & LIMB,
        value >> (2 * LIMB_BITS),
    ]
}

/// The limbs of elements.
#[inline(always)]
pub fn limbs_of(elements: &Packed) -> [[u64; LANES]; 3] {
    let limb = |i| core::array::from_fn(|lane| limbs(elements.lanes()[lane].inner())[i]);
    [limb(0), limb(1), limb(2)]
}

/// The element whose representative has these limbs.
pub fn from_limbs([low, middle, high]: Limbs) -> Felt {
    Felt::from_mont(low | (middle << LIMB_BITS) | (high << (2 * LIMB_BITS)))
}

/// The sum of [`LANES`] sums of products, not reduced yet.
#[derive(Clone, Copy)]
pub struct Dot {
    /// By the half of one factor and the limb of the other.
    sums: [[[u64; LANES]; 3]; 2],
}

impl Dot {
    pub const ZERO: Self = Self {
        sums: [[[0; LANES]; 3]; 2],
    };

    /// Adds the products of elements and others, which are given in limbs.
    #[inline(always)]
    pub fn add(&mut self, elements: &Packed, others: &[[u64; LANES]; 3]) {
        let half = |shift: u32| -> [u64; LANES] {
            core::array::from_fn(|lane| (elements.lanes()[lane].inner() >> shift) & HALF)
        };
        for (sums, half) in self.sums.iter_mut().zip([half(0), half(32)]) {
            for (sum, limb) in sums.iter_mut().zip(others) {
                for lane in 0..LANES {
                    // Masked, so that the compiler knows that factors have 32 bits at most. Nothing
                    // overflows, and nothing is checked: builds that check would not be vectorized.
                    let product = half[lane].wrapping_mul(limb[lane] & HALF);
                    sum[lane] = sum[lane].wrapping_add(product);
                }
            }
        }
    }

    /// The elements that the sums stand for.
    #[inline(always)]
    pub fn reduced(&self) -> Packed {
        // One array for each, so that the loop over the lanes is vectorized.
        let [[a0, a1, a2], [b0, b1, b2]] = self.sums;
        Packed::from_fn(|lane| {
            let a = [a0[lane], a1[lane], a2[lane]];
            let b = [b0[lane], b1[lane], b2[lane]];
            Felt::from_mont(reduce(a, b))
        })
    }
}

/// The representative of what sums of products of halves and limbs stand for, divided by 2^64.
#[inline(always)]
fn reduce(a: [u64; 3], b: [u64; 3]) -> u64 {
    // The sums are at bits 0, 22, 44, 32, 54 and 76. Put together, they are at bits 0, 32, 64 and 96.
    let ([a0, a1, a2], [b0, b1, b2]) = (a.map(Wrapping), b.map(Wrapping));
    let half = Wrapping(HALF);
    let ten = Wrapping((1 << 10) - 1);
    let twenty = Wrapping((1 << 20) - 1);
    let at_0 = (a0 & half) + ((a1 & ten) << 22);
    let at_32 = (a0 >> 32) + (a1 >> 10) + ((a2 & twenty) << 12) + b0 + ((b1 & ten) << 22);
    let at_64 = (a2 >> 20) + (b1 >> 10) + ((b2 & twenty) << 12);
    let at_96 = b2 >> 20;
    let sum = at_0 + (at_32 << 32);
    let carry = Wrapping(u64::from(sum < at_0));
    let high = (at_32 >> 32) + at_64 + carry;
    // 2^96 is -1.
    let low = sum - at_96;
    let borrow = u64::from(sum < at_96);
    sub(montgomery(low.0, high.0), borrow)
}

#[cfg(test)]
mod tests {
    use winterfell::math::StarkField;

    use super::*;

    /// Sums of products at the edges and of others, as many as there is room for.
    #[test]
    fn sums_are_those_of_single_products() {
        let edges = [0, 1, HALF, HALF + 1, LIMB, 1 << 63, Felt::MODULUS - 1];
        let element = |i: u64| match i % 3 {
            0 => Felt::from_mont(edges[(i / 3 % 7) as usize]),
            _ => Felt::from_mont(i.wrapping_mul(0x9e37_79b9_7f4a_7c15) % Felt::MODULUS),
        };
        let largest = |_: u64| Felt::from_mont(Felt::MODULUS - 1);
        let functions: [&dyn Fn(u64) -> Felt; 2] = [&element, &largest];
        for element in functions {
            for count in [0, 1, 2, 5, 100, MAX_PRODUCTS as u64] {
                let (mut products, mut multiples) = (Dot::ZERO, Dot::ZERO);
                let mut expected = [Packed::ZERO; 2];
                for i in 0..count {
                    let a = Packed::from_fn(|lane| element(7 * i + lane as u64));
                    let b = Packed::from_fn(|lane| element(11 * i + 5 * lane as u64));
                    let c = element(13 * i + 2);
                    products.add(&a, &limbs_of(&b));
                    multiples.add(&a, &limbs(c.inner()).map(|limb| [limb; LANES]));
                    assert_eq!(from_limbs(limbs(c.inner())), c);
                    expected[0] += a * b;
                    expected[1] += a * c;
                }
                assert_eq!(products.reduced(), expected[0], "{count}");
                assert_eq!(multiples.reduced(), expected[1], "{count}");
            }
        }
    }
}
