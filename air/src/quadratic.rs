//! Arithmetic in the quadratic extension of the field, modulo `x^2 - x + 2`.
//!
//! Programs compute in this extension, whatever field the constraints themselves are evaluated in.

use core::ops::{Add, Mul, Sub};

use miden_core::Felt;

use crate::algebra::Algebra;

/// `low + high * x`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quadratic<E> {
    /// The coefficient of 1.
    pub low: E,
    /// The coefficient of `x`.
    pub high: E,
}

impl<E: Algebra> Quadratic<E> {
    /// `low + high * x`.
    #[inline(always)]
    pub fn new(low: E, high: E) -> Self {
        Self { low, high }
    }

    /// An element of the field itself.
    #[inline(always)]
    pub fn base(low: E) -> Self {
        Self::new(low, E::ZERO)
    }

    /// Multiplies by an element of the field itself.
    #[inline(always)]
    pub fn times(self, factor: E) -> Self {
        Self::new(self.low * factor, self.high * factor)
    }

    /// Multiplies by a constant of the base field.
    #[inline(always)]
    pub fn scale(self, factor: Felt) -> Self {
        Self::new(self.low.scale(factor), self.high.scale(factor))
    }

    /// The two coefficients, the lower one first.
    #[inline(always)]
    pub fn coefficients(self) -> [E; 2] {
        [self.low, self.high]
    }
}

impl<E: Algebra> Add for Quadratic<E> {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self::new(self.low + other.low, self.high + other.high)
    }
}

impl<E: Algebra> Sub for Quadratic<E> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self::new(self.low - other.low, self.high - other.high)
    }
}

impl<E: Algebra> Mul for Quadratic<E> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        let low = self.low * other.low;
        let high = self.high * other.high;
        Self::new(
            low - (high + high),
            (self.low + self.high) * (other.low + other.high) - low,
        )
    }
}

#[cfg(test)]
mod tests {
    use miden_core::QuadFelt;

    use super::*;

    #[test]
    fn products_are_those_of_the_extension_field() {
        let felts = [3, u64::MAX >> 7, 1 << 40, 12].map(Felt::new);
        let [a, b, c, d] = felts;
        let expected = QuadFelt::new(a, b) * QuadFelt::new(c, d);
        let product = Quadratic::new(a, b) * Quadratic::new(c, d);
        assert_eq!(
            product.coefficients(),
            winter_math::FieldElement::slice_as_base_elements(&[expected])
        );
    }
}
