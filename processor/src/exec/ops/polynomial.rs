//! Polynomials over the quadratic extension of the field.

use miden_core::{
    ExtensionOf, Felt, FieldElement, ONE, QuadFelt, StarkField, stack::MIN_STACK_DEPTH,
};

use crate::{
    error::{OpResult, Trap},
    machine::{process::Process, stack::Stack},
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

/// The values that the folding of a FRI layer computes of a query before it looks at the values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FriQuery {
    /// Number of the segment that the query's position is in.
    segment: usize,
    /// The factor that takes the segment's point to that of segment 0.
    root_power: Felt,
    /// The point of segment 0.
    pub point: Felt,
    /// Its inverse; of zero, zero.
    pub inverse: Felt,
    /// The verifier's challenge, divided by the point.
    pub ratio: QuadFelt,
}

impl FriQuery {
    /// Reads a query off the top of the stack; nothing if its segment is none of the four.
    pub fn read(top: &[Felt; MIN_STACK_DEPTH]) -> Option<Self> {
        let segment = usize::try_from(top[9].as_int()).ok().filter(|&s| s < 4)?;
        let root = Felt::get_root_of_unity(2).inv();
        let root_power = root.exp(segment as u64);
        let point = Felt::GENERATOR * top[10] * root_power;
        let inverse = point.inv();
        Some(Self {
            segment,
            root_power,
            point,
            inverse,
            ratio: QuadFelt::new(top[14], top[13]).mul_base(inverse),
        })
    }
}

/// Folds the values of a FRI layer at four points into one of the next layer.
///
/// From the top: the four values, the last segment's first and upper coefficients above lower ones,
/// then position, segment, power of the domain's generator, the value that the layer before was
/// folded into, the challenge, and the address of the layer.
pub(super) fn fri_fold(stack: &mut Stack) -> OpResult {
    let top = *stack.top16();
    let query = FriQuery::read(&top)
        .ok_or_else(|| Box::new(Trap::InvalidFriDomainSegment(top[9].as_int())))?;
    let values = [6, 4, 2, 0].map(|high| QuadFelt::new(top[high + 1], top[high]));
    let previous = QuadFelt::new(top[12], top[11]);
    let value = values[query.segment];
    if value != previous {
        return Err(Box::new(Trap::InvalidFriLayerFolding(previous, value)));
    }

    let [v0, v1, v2, v3] = values;
    let root = Felt::get_root_of_unity(2).inv();
    let even = fold(v0, v2, query.ratio);
    let odd = fold(v1, v3, query.ratio.mul_base(root));
    let folded = fold(even, odd, query.ratio.square());

    let mut segments = [Felt::ZERO; 4];
    segments[query.segment] = ONE;
    let [even_low, even_high] = even.to_base_elements();
    let [odd_low, odd_high] = odd.to_base_elements();
    let [folded_low, folded_high] = folded.to_base_elements();
    let square = top[10].square();
    stack.drop_top();
    stack.top16_mut()[..15].copy_from_slice(&[
        even_high,
        even_low,
        odd_high,
        odd_low,
        segments[3],
        segments[2],
        segments[1],
        segments[0],
        square,
        query.root_power,
        top[15] + Felt::new(8),
        square.square(),
        top[8],
        folded_high,
        folded_low,
    ]);
    Ok(())
}

/// The value at the square of a challenge of the polynomial with these values at a point and its
/// negative, `ratio` being the challenge divided by the point.
fn fold(at: QuadFelt, opposite: QuadFelt, ratio: QuadFelt) -> QuadFelt {
    (at + opposite + (at - opposite) * ratio).mul_base(Felt::new(2).inv())
}
