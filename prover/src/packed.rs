//! Eight base field elements at a time.
//!
//! The arithmetic is written with operations that vector units have (products of 32-bit halves,
//! comparisons as masks), so that the compiler vectorizes it; [`vectorized`] runs code compiled for
//! the widest unit that the processor has. It is several times as fast as one element at a time,
//! whose conditional corrections become unpredictable branches.

use core::ops::{Add, AddAssign, Mul, Neg, Sub, SubAssign};

use miden_core::Felt;
use miden_cvm_air::algebra::Algebra;
use winterfell::math::{FieldElement, StarkField};

/// Number of elements in a [`Packed`]: a cache line.
pub const LANES: usize = 8;

/// 2^64 modulo the modulus.
const EPSILON: u64 = 0xffff_ffff;

/// [`LANES`] base field elements, each with its canonical representative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct Packed([Felt; LANES]);

impl Packed {
    /// All lanes are zero.
    pub const ZERO: Self = Self([<Felt as FieldElement>::ZERO; LANES]);

    /// The elements `element(0)`, `element(1)` and so on.
    #[inline(always)]
    pub fn from_fn(mut element: impl FnMut(usize) -> Felt) -> Self {
        let mut lanes = [<Felt as FieldElement>::ZERO; LANES];
        for (i, lane) in lanes.iter_mut().enumerate() {
            *lane = element(i);
        }
        Self(lanes)
    }

    /// The elements.
    #[inline(always)]
    pub fn lanes(&self) -> &[Felt; LANES] {
        &self.0
    }

    /// Applies a function to the representatives.
    #[inline(always)]
    fn map(self, f: impl Fn(u64) -> u64) -> Self {
        Self::from_fn(|i| Felt::from_mont(f(self.0[i].inner())))
    }

    /// Applies a function to pairs of representatives.
    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(u64, u64) -> u64) -> Self {
        Self::from_fn(|i| Felt::from_mont(f(self.0[i].inner(), other.0[i].inner())))
    }

    /// Multiplies by 2^48, the root of unity of order 4 that Winterfell's roots lead to.
    #[inline(always)]
    pub fn times_fourth_root(self) -> Self {
        self.map(|value| {
            // value * 2^48 is low + middle * 2^64 + high * 2^96, and 2^96 is -1.
            let low = value << 48;
            let middle = (value >> 16) & EPSILON;
            let high = value >> 48;
            add(sub((middle << 32).wrapping_sub(middle), high), reduce(low))
        })
    }
}

/// The representative below the modulus of a value below 2^64.
#[inline(always)]
pub fn reduce(value: u64) -> u64 {
    if value >= Felt::MODULUS {
        value.wrapping_sub(Felt::MODULUS)
    } else {
        value
    }
}

#[inline(always)]
fn add(a: u64, b: u64) -> u64 {
    sub(a, Felt::MODULUS.wrapping_sub(b))
}

/// `a - b`, where `b` may be the modulus.
#[inline(always)]
pub fn sub(a: u64, b: u64) -> u64 {
    let difference = a.wrapping_sub(b);
    // Adding the modulus is subtracting 2^32 - 1 modulo 2^64.
    difference.wrapping_sub(if a < b { EPSILON } else { 0 })
}

/// The low and the high half of the product of two numbers.
#[inline(always)]
fn product(a: u64, b: u64) -> (u64, u64) {
    // Nothing overflows, and nothing is checked either: builds that check would not be vectorized.
    let (mul, add) = (u64::wrapping_mul, u64::wrapping_add);
    let (a0, a1, b0, b1) = (a & EPSILON, a >> 32, b & EPSILON, b >> 32);
    let low = mul(a0, b0);
    let middle = add(mul(a0, b1), low >> 32);
    let other = add(mul(a1, b0), middle & EPSILON);
    let high = add(add(mul(a1, b1), middle >> 32), other >> 32);
    ((other << 32) | (low & EPSILON), high)
}

/// `low + 2^64 high`, where `high` is below the modulus, divided by 2^64: Montgomery's reduction.
#[inline(always)]
pub fn montgomery(low: u64, high: u64) -> u64 {
    let sum = low.wrapping_add(low << 32);
    let carry = u64::from(sum < low);
    let quotient = sum.wrapping_sub(sum >> 32).wrapping_sub(carry);
    sub(high, quotient)
}

#[inline(always)]
fn mul(a: u64, b: u64) -> u64 {
    let (low, high) = product(a, b);
    montgomery(low, high)
}

impl Add for Packed {
    type Output = Self;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip(other, add)
    }
}

impl Sub for Packed {
    type Output = Self;

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.zip(other, sub)
    }
}

impl Mul for Packed {
    type Output = Self;

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.zip(other, mul)
    }
}

impl Mul<Felt> for Packed {
    type Output = Self;

    #[inline(always)]
    fn mul(self, factor: Felt) -> Self {
        self.map(|value| mul(value, factor.inner()))
    }
}

impl Neg for Packed {
    type Output = Self;

    #[inline(always)]
    fn neg(self) -> Self {
        self.map(|value| sub(0, value))
    }
}

impl AddAssign for Packed {
    #[inline(always)]
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for Packed {
    #[inline(always)]
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl Algebra for Packed {
    const ZERO: Self = Self::ZERO;
    const ONE: Self = Self([<Felt as FieldElement>::ONE; LANES]);

    #[inline(always)]
    fn constant(value: Felt) -> Self {
        Self([value; LANES])
    }

    #[inline(always)]
    fn scale(self, factor: Felt) -> Self {
        self * factor
    }
}

/// Work that is worth vectorizing.
pub trait Vectorizable {
    /// The result of the work.
    type Output;

    /// Does the work. Everything in here has to be `#[inline(always)]` to be compiled for the
    /// vector unit, this method first of all.
    fn run(self) -> Self::Output;
}

/// A vector unit that code is compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VectorUnit {
    /// 512 bits wide.
    Avx512,
    /// 256 bits wide.
    Avx2,
    /// The instructions that every processor of the architecture has.
    Baseline,
}

impl VectorUnit {
    /// All units, the widest first.
    pub const ALL: [Self; 3] = [Self::Avx512, Self::Avx2, Self::Baseline];

    /// Returns `true` if this processor has the unit.
    #[inline]
    pub fn is_available(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        match self {
            Self::Avx512 => {
                return is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl");
            }
            Self::Avx2 => return is_x86_feature_detected!("avx2"),
            Self::Baseline => {}
        }
        self == Self::Baseline
    }

    /// The widest unit that this processor has.
    #[inline]
    pub fn widest() -> Self {
        let mut units = Self::ALL.into_iter();
        units
            .find(|unit| unit.is_available())
            .unwrap_or(Self::Baseline)
    }

    /// Does the work with this unit, or the baseline if the processor does not have it.
    #[inline]
    pub fn run<V: Vectorizable>(self, work: V) -> V::Output {
        #[cfg(target_arch = "x86_64")]
        if self.is_available() {
            match self {
                // SAFETY: the processor has the features.
                Self::Avx512 => return unsafe { with_avx512(work) },
                // SAFETY: the processor has the feature.
                Self::Avx2 => return unsafe { with_avx2(work) },
                Self::Baseline => {}
            }
        }
        work.run()
    }
}

/// Does the work with the widest vector unit that there is.
#[inline]
pub fn vectorized<V: Vectorizable>(work: V) -> V::Output {
    VectorUnit::widest().run(work)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq,avx512vl")]
fn with_avx512<V: Vectorizable>(work: V) -> V::Output {
    work.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn with_avx2<V: Vectorizable>(work: V) -> V::Output {
    work.run()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Elements whose representatives are at the edges, and some others.
    fn elements() -> Vec<Felt> {
        let edges = [
            0,
            1,
            2,
            EPSILON - 1,
            EPSILON,
            EPSILON + 1,
            1 << 63,
            Felt::MODULUS - EPSILON,
            Felt::MODULUS - 2,
            Felt::MODULUS - 1,
        ];
        let others = (1..30_u64).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15) % Felt::MODULUS);
        edges
            .into_iter()
            .chain(others)
            .map(Felt::from_mont)
            .collect()
    }

    struct Operations<'a>(&'a [(Packed, Packed)]);

    impl Vectorizable for Operations<'_> {
        type Output = Vec<[Packed; 6]>;

        #[inline(always)]
        fn run(self) -> Self::Output {
            self.0
                .iter()
                .map(|&(a, b)| [a + b, a - b, a * b, a * b.0[0], -a, a.times_fourth_root()])
                .collect()
        }
    }

    #[test]
    fn lanes_agree_with_single_elements() {
        let elements = elements();
        let mut pairs = Vec::new();
        for &a in &elements {
            for others in elements.chunks(LANES) {
                let b = Packed::from_fn(|i| others.get(i).copied().unwrap_or(a));
                pairs.push((Packed([a; LANES]), b));
                pairs.push((b, Packed([a; LANES])));
            }
        }
        let root = Felt::get_root_of_unity(2);
        let expected: Vec<[Packed; 6]> = pairs
            .iter()
            .map(|(a, b)| {
                [
                    Packed::from_fn(|i| a.0[i] + b.0[i]),
                    Packed::from_fn(|i| a.0[i] - b.0[i]),
                    Packed::from_fn(|i| a.0[i] * b.0[i]),
                    Packed::from_fn(|i| a.0[i] * b.0[0]),
                    Packed::from_fn(|i| -a.0[i]),
                    Packed::from_fn(|i| a.0[i] * root),
                ]
            })
            .collect();
        for unit in VectorUnit::ALL {
            assert_eq!(unit.run(Operations(&pairs)), expected);
        }
    }
}
