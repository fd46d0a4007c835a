//! Polynomials over the quadratic extension of the field.

use miden_core::{FieldElement, ONE, QuadFelt};

use crate::{
    error::OpResult,
    process::Process,
    tracer::{Horner, Tracer},
};

/// Position of the address of the evaluation point.
const POINT_ADDR: usize = 13;
/// Position of the upper coefficient of the accumulator; the lower one is below it.
const ACCUMULATOR: usize = 14;

impl<T: Tracer> Process<T> {
    /// Takes eight coefficients of the base field into the accumulator, the deepest one first.
    pub(super) fn op_horner_base(&mut self) -> OpResult {
        let coefficients = core::array::from_fn(|i| QuadFelt::from(self.stack.get(7 - i)));
        let addr = self.stack.get(POINT_ADDR);
        let low = self.read_element(addr)?;
        let high = self.read_element(addr + ONE)?;
        let point = QuadFelt::new(low, high);
        let middle = self.horner::<8>(point, coefficients);
        self.tracer.horner(Horner {
            point,
            other: point.square(),
            middle,
        });
        Ok(())
    }

    /// Takes four coefficients of the extension into the accumulator, the deepest one first.
    pub(super) fn op_horner_ext(&mut self) -> OpResult {
        let coefficients = core::array::from_fn(|i| self.quadratic(6 - 2 * i));
        let word = self.read_word(self.stack.get(POINT_ADDR))?;
        let point = QuadFelt::new(word[0], word[1]);
        let middle = self.horner::<4>(point, coefficients);
        self.tracer.horner(Horner {
            point,
            other: QuadFelt::new(word[2], word[3]),
            middle,
        });
        Ok(())
    }

    /// Goes on with an evaluation by Horner's method; returns the accumulator half way.
    fn horner<const N: usize>(&mut self, point: QuadFelt, coefficients: [QuadFelt; N]) -> QuadFelt {
        let (first, second) = coefficients.split_at(N / 2);
        let take = |value, coefficients: &[QuadFelt]| {
            coefficients
                .iter()
                .fold(value, |value, &coefficient| value * point + coefficient)
        };
        let middle = take(self.quadratic(ACCUMULATOR), first);
        let [low, high] = take(middle, second).to_base_elements();
        self.stack.set(ACCUMULATOR, high);
        self.stack.set(ACCUMULATOR + 1, low);
        middle
    }

    /// The extension element whose upper coefficient is at `high`, the lower one below it.
    fn quadratic(&self, high: usize) -> QuadFelt {
        QuadFelt::new(self.stack.get(high + 1), self.stack.get(high))
    }
}
