//! Elements of an extension field while a program is recorded.

use core::ops::{Add, AddAssign, Mul, Neg, Sub, SubAssign};

use miden_core::{Felt, ZERO};
use miden_cvm_air::{
    algebra::{Algebra, ExtensionAlgebra},
    symbolic::Expression,
};
use winterfell::math::{
    FieldElement,
    fields::{CubeExtension, QuadExtension},
};

use crate::lde::basis;

/// An element of an extension field while a program is recorded, by its coordinates.
#[derive(Debug, Clone, Copy)]
pub struct Extended<'r> {
    coordinates: [Expression<'r>; 3],
    /// Elements of the base field are of either extension, and need not say of which.
    is_cubic: bool,
}

impl<'r> Extended<'r> {
    /// The element with these coordinates: two of the quadratic extension, or three of the cubic one.
    pub fn new(coordinates: &[Expression<'r>]) -> Self {
        Self {
            coordinates: core::array::from_fn(|i| match coordinates.get(i) {
                Some(&coordinate) => coordinate,
                None => Expression::ZERO,
            }),
            is_cubic: coordinates.len() == 3,
        }
    }

    /// A known element.
    pub fn known<E: FieldElement<BaseField = Felt>>(element: E) -> Self {
        let coordinates =
            (0..E::EXTENSION_DEGREE).map(|i| Expression::Constant(element.base_element(i)));
        Self::new(&coordinates.collect::<Vec<_>>())
    }

    /// The coordinates.
    pub fn coordinates(&self) -> &[Expression<'r>] {
        &self.coordinates[..if self.is_cubic { 3 } else { 2 }]
    }

    fn map(self, f: impl FnMut(Expression<'r>) -> Expression<'r>) -> Self {
        Self {
            coordinates: self.coordinates.map(f),
            ..self
        }
    }

    fn zip(
        self,
        other: Self,
        f: impl Fn(Expression<'r>, Expression<'r>) -> Expression<'r>,
    ) -> Self {
        Self {
            coordinates: core::array::from_fn(|i| f(self.coordinates[i], other.coordinates[i])),
            is_cubic: self.is_cubic || other.is_cubic,
        }
    }
}

/// The coordinates of the product of two elements of the basis of a field.
fn basis_product<E: FieldElement<BaseField = Felt>>(i: usize, j: usize) -> [Felt; 3] {
    let product = basis::<E>(i) * basis::<E>(j);
    core::array::from_fn(|k| match k < E::EXTENSION_DEGREE {
        true => product.base_element(k),
        false => ZERO,
    })
}

impl Add for Extended<'_> {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }
}

impl Sub for Extended<'_> {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }
}

impl Mul for Extended<'_> {
    type Output = Self;

    #[inline(never)]
    fn mul(self, other: Self) -> Self {
        let is_cubic = self.is_cubic || other.is_cubic;
        let degree = if is_cubic { 3 } else { 2 };
        let mut product = Self {
            is_cubic,
            ..Self::ZERO
        };
        for (i, &a) in self.coordinates[..degree].iter().enumerate() {
            for (j, &b) in other.coordinates[..degree].iter().enumerate() {
                let basis = if is_cubic {
                    basis_product::<CubeExtension<Felt>>(i, j)
                } else {
                    basis_product::<QuadExtension<Felt>>(i, j)
                };
                let term = a * b;
                for (coordinate, factor) in product.coordinates.iter_mut().zip(basis) {
                    *coordinate += term.scale(factor);
                }
            }
        }
        product
    }
}

impl Neg for Extended<'_> {
    type Output = Self;

    fn neg(self) -> Self {
        self.map(|a| -a)
    }
}

impl AddAssign for Extended<'_> {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for Extended<'_> {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl Algebra for Extended<'_> {
    const ZERO: Self = Self {
        coordinates: [Expression::ZERO; 3],
        is_cubic: false,
    };
    const ONE: Self = Self {
        coordinates: [Expression::ONE, Expression::ZERO, Expression::ZERO],
        is_cubic: false,
    };

    fn constant(value: Felt) -> Self {
        Self {
            coordinates: [
                Expression::Constant(value),
                Expression::ZERO,
                Expression::ZERO,
            ],
            is_cubic: false,
        }
    }

    fn scale(self, factor: Felt) -> Self {
        self.map(|a| a.scale(factor))
    }
}

impl<'r> ExtensionAlgebra<Expression<'r>> for Extended<'r> {
    #[inline(never)]
    fn times(self, factor: Expression<'r>) -> Self {
        self.map(|a| a * factor)
    }
}
