//! Vectors of field elements, by the instructions of vector units.
//!
//! Elements are any integers below 2^64 that are congruent to them. What a compiler vectorizes on its
//! own depends on what it inlines where; these operations are those that are written here.

use core::arch::{asm, x86_64::*};

use crate::packed::VectorUnit;

/// 2^64 modulo the modulus.
pub const EPSILON: u64 = 0xffff_ffff;

/// A vector of field elements, one a lane.
pub trait Lanes: Copy {
    /// The number of lanes.
    const COUNT: usize;

    /// The first elements of a slice.
    fn read(from: &[u64]) -> Self;

    /// Writes the elements to the beginning of a slice.
    fn write(self, to: &mut [u64]);

    /// The same integer in all lanes.
    fn splat(value: u64) -> Self;

    /// The sum of integers modulo 2^64.
    fn plus(self, other: Self) -> Self;

    /// The difference of integers modulo 2^64.
    fn minus(self, other: Self) -> Self;

    /// The integer times 2^bits, modulo 2^64.
    fn shl(self, bits: u64) -> Self;

    /// The integer divided by 2^bits.
    fn shr(self, bits: u64) -> Self;

    /// The integer modulo 2^32.
    fn low(self) -> Self;

    /// The product of integers modulo 2^32.
    fn product_of_lows(self, other: Self) -> Self;

    /// The integer modulo 2^32, plus 2^32 times another one.
    fn with_high(self, high: Self) -> Self;

    /// The element `low + 2^64 high`.
    fn reduced(low: Self, high: Self) -> Self;

    /// The element that a sum modulo 2^64 stands for, one term of which is below the modulus, or all
    /// but one small.
    fn carried(self, term: Self) -> Self;

    /// The sum with an integer below the modulus.
    #[inline(always)]
    fn add_constant(self, constant: u64) -> Self {
        let constant = Self::splat(constant);
        self.plus(constant).carried(constant)
    }

    /// The square.
    #[inline(always)]
    fn square(self) -> Self {
        let half = self.shr(32);
        let (low, high) = (self.product_of_lows(self), half.product_of_lows(half));
        // This one counts 2^33 times.
        let middle = self.product_of_lows(half);
        let high = high.plus(middle.plus(low.shr(33)).shr(31));
        Self::reduced(low.plus(middle.shl(33)), high)
    }

    /// The product.
    #[inline(always)]
    fn mul(self, factor: Self) -> Self {
        self.mul_add(factor, Self::splat(0), Self::splat(0))
    }

    /// The product plus two other elements.
    #[inline(always)]
    fn mul_add(self, factor: Self, a: Self, b: Self) -> Self {
        // Nothing overflows: (2^32 - 1)^2, and 2^32 - 1 twice, are 2^64 - 1.
        let (half, other_half) = (self.shr(32), factor.shr(32));
        let low = self.product_of_lows(factor).plus(a.low()).plus(b.low());
        let middle = self.product_of_lows(other_half);
        let middle = middle.plus(low.shr(32)).plus(a.shr(32));
        let other = half.product_of_lows(factor);
        let other = other.plus(middle.low()).plus(b.shr(32));
        let high = half.product_of_lows(other_half);
        let high = high.plus(middle.shr(32)).plus(other.shr(32));
        Self::reduced(low.with_high(other), high)
    }

    /// `low + 2^32 high`, where both are below 2^41, plus a constant.
    #[inline(always)]
    fn join(low: Self, high: Self, constant: u64) -> Self {
        let low = low.plus(Self::splat(constant & EPSILON));
        let high = high.plus(Self::splat(constant >> 32));
        let (top, shifted) = (high.shr(32), high.shl(32));
        let low = low.plus(top.shl(32).minus(top));
        low.plus(shifted).carried(shifted)
    }
}

/// Work on as many states as are worked on together.
pub trait Work {
    /// Does it with `N` vectors of each element of the states. Everything in here has to be
    /// `#[inline(always)]` to be compiled for the vector unit, this method first of all, and closures,
    /// which cannot be, are better avoided.
    fn run<V: Lanes, const N: usize>(self);
}

/// Does work with this unit, if it is one that not every processor has, and this one does. Returns
/// whether it is done.
#[inline]
pub fn run_on(unit: VectorUnit, work: impl Work) -> bool {
    if !unit.is_available() {
        return false;
    }
    match unit {
        // SAFETY: the processor has the features.
        VectorUnit::Avx512 => unsafe { with_avx512(work) },
        // SAFETY: the processor has the feature.
        VectorUnit::Avx2 => unsafe { with_avx2(work) },
        VectorUnit::Baseline => return false,
    }
    true
}

// As many vectors as keep the unit busy while it waits for some of them, and as there are registers
// for.
#[target_feature(enable = "avx512f,avx512dq,avx512vl")]
fn with_avx512(work: impl Work) {
    work.run::<Vector512, 6>();
}

#[target_feature(enable = "avx2")]
fn with_avx2(work: impl Work) {
    work.run::<Vector256, 4>();
}

/// [`EPSILON`], of which the compiler does not know, since it would make three operations of a product
/// with it.
#[inline(always)]
fn unknown_epsilon() -> u64 {
    let mut epsilon = EPSILON;
    // SAFETY: there is no instruction.
    unsafe {
        asm!("/* {0} */", inout(reg) epsilon, options(pure, nomem, nostack, preserves_flags));
    }
    epsilon
}

/// The instructions that vectors of both widths have.
macro_rules! common_instructions {
    ($count:literal, $splat:ident, $load:ident, $store:ident, $add:ident, $sub:ident, $shl:ident,
        $shr:ident, $and:ident, $mul:ident) => {
        const COUNT: usize = $count;

        #[inline(always)]
        fn read(from: &[u64]) -> Self {
            let from = &from[..$count];
            // SAFETY: there are as many elements, and who uses such vectors has the unit.
            Self(unsafe { $load(from.as_ptr().cast()) })
        }

        #[inline(always)]
        fn write(self, to: &mut [u64]) {
            let to = &mut to[..$count];
            // SAFETY: there are as many elements, and who uses such vectors has the unit.
            unsafe { $store(to.as_mut_ptr().cast(), self.0) }
        }

        #[inline(always)]
        fn splat(value: u64) -> Self {
            // SAFETY: who uses such vectors has the unit.
            Self(unsafe { $splat(value.cast_signed()) })
        }

        #[inline(always)]
        fn plus(self, other: Self) -> Self {
            // SAFETY: who uses such vectors has the unit.
            Self(unsafe { $add(self.0, other.0) })
        }

        #[inline(always)]
        fn minus(self, other: Self) -> Self {
            // SAFETY: who uses such vectors has the unit.
            Self(unsafe { $sub(self.0, other.0) })
        }

        #[inline(always)]
        fn shl(self, bits: u64) -> Self {
            // SAFETY: who uses such vectors has the unit.
            Self(unsafe { $shl(self.0, Self::splat(bits).0) })
        }

        #[inline(always)]
        fn shr(self, bits: u64) -> Self {
            // SAFETY: who uses such vectors has the unit.
            Self(unsafe { $shr(self.0, Self::splat(bits).0) })
        }

        #[inline(always)]
        fn low(self) -> Self {
            // SAFETY: who uses such vectors has the unit.
            Self(unsafe { $and(self.0, Self::splat(EPSILON).0) })
        }

        #[inline(always)]
        fn product_of_lows(self, other: Self) -> Self {
            // SAFETY: who uses such vectors has the unit.
            Self(unsafe { $mul(self.0, other.0) })
        }
    };
}

/// A vector of AVX-512.
#[derive(Clone, Copy)]
struct Vector512(__m512i);

impl Lanes for Vector512 {
    common_instructions! {
        8, _mm512_set1_epi64, _mm512_loadu_si512, _mm512_storeu_si512, _mm512_add_epi64,
        _mm512_sub_epi64, _mm512_sllv_epi64, _mm512_srlv_epi64, _mm512_and_si512, _mm512_mul_epu32
    }

    #[inline(always)]
    fn with_high(self, high: Self) -> Self {
        // SAFETY: who uses such vectors has the unit.
        Self(unsafe { _mm512_mask_shuffle_epi32::<0b10_10_00_00>(self.0, 0xaaaa, high.0) })
    }

    #[inline(always)]
    fn reduced(low: Self, high: Self) -> Self {
        // 2^64 is 2^32 - 1, and 2^96 is -1.
        let top = high.shr(32);
        let difference = low.minus(top);
        // SAFETY: who uses such vectors has the unit.
        let difference = Self(unsafe {
            let borrows = _mm512_cmplt_epu64_mask(low.0, top.0);
            _mm512_mask_sub_epi64(difference.0, borrows, difference.0, Self::splat(EPSILON).0)
        });
        let product = high.product_of_lows(Self::splat(unknown_epsilon()));
        difference.plus(product).carried(product)
    }

    #[inline(always)]
    fn carried(self, term: Self) -> Self {
        // SAFETY: who uses such vectors has the unit.
        Self(unsafe {
            let carries = _mm512_cmplt_epu64_mask(self.0, term.0);
            _mm512_mask_add_epi64(self.0, carries, self.0, Self::splat(EPSILON).0)
        })
    }
}

/// A vector of AVX2.
#[derive(Clone, Copy)]
struct Vector256(__m256i);

impl Vector256 {
    /// The integers minus 2^63, modulo 2^64: of these, the signed comparison is the unsigned one of
    /// the integers.
    #[inline(always)]
    fn signed(self) -> Self {
        // SAFETY: who uses such vectors has the unit.
        Self(unsafe { _mm256_xor_si256(self.0, Self::splat(1 << 63).0) })
    }

    /// [`EPSILON`] where the signed integer is less than another one, otherwise zero.
    #[inline(always)]
    fn epsilon_if_less(self, than: Self) -> Self {
        // SAFETY: who uses such vectors has the unit.
        Self(unsafe { _mm256_cmpgt_epi64(than.0, self.0) }).shr(32)
    }
}

impl Lanes for Vector256 {
    common_instructions! {
        4, _mm256_set1_epi64x, _mm256_loadu_si256, _mm256_storeu_si256, _mm256_add_epi64,
        _mm256_sub_epi64, _mm256_sllv_epi64, _mm256_srlv_epi64, _mm256_and_si256, _mm256_mul_epu32
    }

    #[inline(always)]
    fn with_high(self, high: Self) -> Self {
        // SAFETY: who uses such vectors has the unit.
        Self(unsafe { _mm256_blend_epi32::<0b1010_1010>(self.0, high.shl(32).0) })
    }

    #[inline(always)]
    fn reduced(low: Self, high: Self) -> Self {
        // 2^64 is 2^32 - 1, and 2^96 is -1.
        let low = low.signed();
        let difference = low.minus(high.shr(32));
        let difference = difference.minus(low.epsilon_if_less(difference));
        let product = high.product_of_lows(Self::splat(unknown_epsilon()));
        let sum = difference.plus(product);
        sum.plus(sum.epsilon_if_less(difference)).signed()
    }

    #[inline(always)]
    fn carried(self, term: Self) -> Self {
        self.plus(self.signed().epsilon_if_less(term.signed()))
    }
}
