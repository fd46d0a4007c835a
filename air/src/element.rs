//! An element of whichever extension field a proof is in.
//!
//! Outside of the domain the constraints are evaluated once, at a single point, so it does not matter
//! how fast that is. But they are most of a verifier's code, which this type keeps from being compiled
//! for each extension.

use core::ops::{Add, AddAssign, Mul, Neg, Sub, SubAssign};

use miden_core::{Felt, ONE, ZERO};
use winter_math::{
    FieldElement,
    fields::{CubeExtension, QuadExtension},
};

use crate::algebra::{Algebra, ExtensionAlgebra};

/// An element of the quadratic or the cubic extension field.
#[derive(Debug, Clone, Copy)]
pub struct Element {
    coordinates: [Felt; 3],
    /// Elements of the base field are of either extension, and need not say of which.
    is_cubic: bool,
}

impl Element {
    /// An element of one of the fields.
    pub fn new<E: FieldElement<BaseField = Felt>>(element: E) -> Self {
        let mut coordinates = [ZERO; 3];
        for (i, coordinate) in coordinates[..E::EXTENSION_DEGREE].iter_mut().enumerate() {
            *coordinate = element.base_element(i);
        }
        Self {
            coordinates,
            is_cubic: E::EXTENSION_DEGREE == 3,
        }
    }

    /// The element, which is of this field.
    pub fn get<E: FieldElement<BaseField = Felt>>(self) -> E {
        E::slice_from_base_elements(&self.coordinates[..E::EXTENSION_DEGREE])[0]
    }

    fn zip(self, other: Self, f: impl Fn(Felt, Felt) -> Felt) -> Self {
        Self {
            coordinates: core::array::from_fn(|i| f(self.coordinates[i], other.coordinates[i])),
            is_cubic: self.is_cubic || other.is_cubic,
        }
    }
}

impl Add for Element {
    type Output = Self;

    #[inline(never)]
    fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }
}

impl Sub for Element {
    type Output = Self;

    #[inline(never)]
    fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }
}

impl Mul for Element {
    type Output = Self;

    #[inline(never)]
    fn mul(self, other: Self) -> Self {
        if self.is_cubic || other.is_cubic {
            Self::new(self.get::<CubeExtension<Felt>>() * other.get())
        } else {
            Self::new(self.get::<QuadExtension<Felt>>() * other.get())
        }
    }
}

impl Neg for Element {
    type Output = Self;

    #[inline(never)]
    fn neg(self) -> Self {
        Self {
            coordinates: self.coordinates.map(|coordinate| -coordinate),
            ..self
        }
    }
}

impl AddAssign for Element {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for Element {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl Algebra for Element {
    const ZERO: Self = Self {
        coordinates: [ZERO; 3],
        is_cubic: false,
    };
    const ONE: Self = Self {
        coordinates: [ONE, ZERO, ZERO],
        is_cubic: false,
    };

    fn constant(value: Felt) -> Self {
        Self {
            coordinates: [value, ZERO, ZERO],
            is_cubic: false,
        }
    }

    #[inline(never)]
    fn scale(self, factor: Felt) -> Self {
        Self {
            coordinates: self.coordinates.map(|coordinate| coordinate * factor),
            ..self
        }
    }
}

impl ExtensionAlgebra<Self> for Element {
    fn times(self, factor: Self) -> Self {
        self * factor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that what constraints do with elements is the same in a field and in general.
    fn agrees<E: FieldElement<BaseField = Felt>>() {
        let element = |seed: u64| {
            let coordinates = [3, 5, 7].map(|i| Felt::new(seed + i).exp(19));
            E::slice_from_base_elements(&coordinates[..E::EXTENSION_DEGREE])[0]
        };
        fn compute<A: Algebra>(a: A, b: A, factor: Felt) -> A {
            let mut sum = (a * b - a).scale(factor) + A::ONE * b - A::constant(factor);
            sum += -(a * a) * A::int(9);
            sum -= A::ZERO + b.not();
            sum * sum
        }
        for seed in 0..20 {
            let (a, b, factor) = (element(seed), element(seed * 99), Felt::new(seed << 40));
            let general = compute(Element::new(a), Element::new(b), factor);
            assert_eq!(general.get::<E>(), compute(a, b, factor));
            let times = Element::new(a).times(Element::new(E::from(factor)));
            assert_eq!(times.get::<E>(), a.mul_base(factor));
        }
    }

    #[test]
    fn elements_compute_as_in_their_field() {
        agrees::<QuadExtension<Felt>>();
        agrees::<CubeExtension<Felt>>();
    }
}
