//! The arithmetic that constraints are written in.

use core::ops::{Add, AddAssign, Mul, Neg, Sub, SubAssign};

use miden_core::Felt;
use winter_math::{ExtensionOf, FieldElement};

/// The values that constraints and lookups compute with.
///
/// The field, its extensions and [`Degree`] implement it, so one expression serves the prover (base
/// field), the verifier (extension field) and the accounting of degrees.
pub trait Algebra:
    Copy
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
{
    /// The additive identity.
    const ZERO: Self;
    /// The multiplicative identity.
    const ONE: Self;

    /// Lifts a constant of the base field.
    fn constant(value: Felt) -> Self;

    /// Multiplies by a constant of the base field.
    fn scale(self, factor: Felt) -> Self;

    /// Lifts a small integer.
    #[inline(always)]
    fn int(value: u64) -> Self {
        Self::constant(Felt::new(value))
    }

    /// `1 - self`: the negation of a binary value.
    #[inline(always)]
    fn not(self) -> Self {
        Self::ONE - self
    }

    /// `self * (self - 1)`: zero exactly for binary values.
    #[inline(always)]
    fn binary(self) -> Self {
        self * (self - Self::ONE)
    }

    /// `self * self`.
    #[inline(always)]
    fn squared(self) -> Self {
        self * self
    }
}

impl<E: FieldElement<BaseField = Felt>> Algebra for E {
    const ZERO: Self = <E as FieldElement>::ZERO;
    const ONE: Self = <E as FieldElement>::ONE;

    #[inline(always)]
    fn constant(value: Felt) -> Self {
        E::from(value)
    }

    #[inline(always)]
    fn scale(self, factor: Felt) -> Self {
        self.mul_base(factor)
    }
}

/// An extension of `F`, in which lookups are summed up.
pub trait ExtensionAlgebra<F>: Algebra {
    /// Multiplies by an element of `F`.
    fn times(self, factor: F) -> Self;
}

impl<F, E> ExtensionAlgebra<F> for E
where
    F: FieldElement<BaseField = Felt>,
    E: FieldElement<BaseField = Felt> + ExtensionOf<F>,
{
    #[inline(always)]
    fn times(self, factor: F) -> Self {
        self.mul_base(factor)
    }
}

/// An upper bound of the degree of an expression in the trace columns.
///
/// A periodic column counts as one column, which is how Winterfell accounts for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Degree(pub usize);

impl Add for Degree {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        self.max(other)
    }
}

impl Sub for Degree {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self.max(other)
    }
}

#[allow(clippy::suspicious_arithmetic_impl)] // degrees add where values multiply
impl Mul for Degree {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Neg for Degree {
    type Output = Self;
    fn neg(self) -> Self {
        self
    }
}

impl AddAssign for Degree {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for Degree {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl Algebra for Degree {
    const ZERO: Self = Self(0);
    const ONE: Self = Self(0);

    fn constant(_: Felt) -> Self {
        Self(0)
    }

    fn scale(self, _: Felt) -> Self {
        self
    }
}
