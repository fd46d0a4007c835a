//! Elements of the field, and words of four.

use core::{
    fmt,
    iter::{Product, Sum},
    ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign},
};

use crate::bindings::miden::cvm::{core_types, field};

/// The number of elements of the field.
pub const MODULUS: u64 = 0xffff_ffff_0000_0001;

/// An element of the field with [`MODULUS`] elements.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Felt(u64);

impl Felt {
    /// Zero.
    pub const ZERO: Self = Self(0);

    /// One.
    pub const ONE: Self = Self(1);

    /// The element that is this number modulo [`MODULUS`].
    pub const fn new(value: u64) -> Self {
        // No number of 64 bits is twice the modulus.
        match value < MODULUS {
            true => Self(value),
            false => Self(value - MODULUS),
        }
    }

    /// The element as a number below [`MODULUS`].
    pub const fn as_int(self) -> u64 {
        self.0
    }

    /// The inverse. Zero has none, and traps.
    pub fn inv(self) -> Self {
        field::inv(self.into()).into()
    }
}

impl Add for Felt {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        field::add(self.into(), other.into()).into()
    }
}

impl Sub for Felt {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        field::sub(self.into(), other.into()).into()
    }
}

impl Mul for Felt {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        field::mul(self.into(), other.into()).into()
    }
}

impl Div for Felt {
    type Output = Self;

    /// Traps if the other one is zero.
    fn div(self, other: Self) -> Self {
        self * other.inv()
    }
}

impl Neg for Felt {
    type Output = Self;

    fn neg(self) -> Self {
        Self::ZERO - self
    }
}

impl AddAssign for Felt {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for Felt {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl MulAssign for Felt {
    fn mul_assign(&mut self, other: Self) {
        *self = *self * other;
    }
}

impl Sum for Felt {
    fn sum<I: Iterator<Item = Self>>(elements: I) -> Self {
        elements.fold(Self::ZERO, Add::add)
    }
}

impl Product for Felt {
    fn product<I: Iterator<Item = Self>>(elements: I) -> Self {
        elements.fold(Self::ONE, Mul::mul)
    }
}

impl From<u32> for Felt {
    fn from(value: u32) -> Self {
        Self(value.into())
    }
}

impl fmt::Debug for Felt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Felt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<core_types::Felt> for Felt {
    fn from(felt: core_types::Felt) -> Self {
        Self(felt.inner)
    }
}

impl From<Felt> for core_types::Felt {
    fn from(felt: Felt) -> Self {
        Self { inner: felt.0 }
    }
}

/// Four elements: a hash, a key or a value of the VM.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Word(pub [Felt; 4]);

impl From<[Felt; 4]> for Word {
    fn from(elements: [Felt; 4]) -> Self {
        Self(elements)
    }
}

impl From<core_types::Word> for Word {
    fn from(word: core_types::Word) -> Self {
        Self([word.w0, word.w1, word.w2, word.w3].map(Felt::from))
    }
}

impl From<Word> for core_types::Word {
    fn from(Word([w0, w1, w2, w3]): Word) -> Self {
        Self {
            w0: w0.into(),
            w1: w1.into(),
            w2: w2.into(),
            w3: w3.into(),
        }
    }
}
