//! Fast Fourier transforms of several columns at once.
//!
//! A value is a row of [`LANES`](crate::packed::LANES) columns. Both transforms recurse into
//! contiguous quarters, which soon fit into a cache: the inverse one takes natural order and leaves
//! bit-reversed order, the forward one takes bit-reversed order and leaves natural order, so nothing
//! is ever permuted.

use miden_core::Felt;
use miden_cvm_parallel::prelude::*;
use winterfell::math::{FieldElement, StarkField};

use crate::packed::{Packed, Vectorizable, vectorized};

/// Number of rows whose transform stays in a core's cache, and is not divided further.
const CACHED: usize = 1 << 12;

/// Number of rows of a quarter that a thread works on at a time.
const STRETCH: usize = 1 << 10;

/// Twiddle factors for transforms of one length.
pub struct Transform {
    levels: Vec<Level>,
    direction: Direction,
}

/// The twiddle factors of blocks of one length: the powers of the block's root of unity with
/// exponents i, 2i and 3i, for i in a quarter of the block.
type Level = Vec<[Felt; 3]>;

/// The direction of a transform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From coefficients in bit-reversed order to values in natural order.
    Forward,
    /// From values in natural order to coefficients in bit-reversed order, times the length.
    Inverse,
}

impl Transform {
    /// Prepares transforms of `length` rows, a power of two.
    pub fn new(length: usize, direction: Direction) -> Self {
        let mut levels = Vec::new();
        let mut block = length;
        while block >= 4 {
            let root = Felt::get_root_of_unity(block.ilog2());
            let root = match direction {
                Direction::Forward => root,
                Direction::Inverse => root.inv(),
            };
            let mut power = Felt::ONE;
            let level = (0..block / 4)
                .map(|_| {
                    let square = power.square();
                    let twiddles = [power, square, square * power];
                    power *= root;
                    twiddles
                })
                .collect();
            levels.push(level);
            block /= 4;
        }
        Self { levels, direction }
    }

    /// Transforms rows in place.
    ///
    /// # Panics
    /// Panics if there are not as many rows as the transform is for.
    pub fn apply(&self, rows: &mut [Packed]) {
        recurse(rows, None, &self.levels, self.direction);
    }

    /// Transforms rows times factors, which are in `source`, into `rows`.
    ///
    /// # Panics
    /// Panics if there are not as many rows and factors as the transform is for.
    pub fn apply_to(&self, source: Scaled<'_>, rows: &mut [Packed]) {
        recurse(rows, Some(source), &self.levels, self.direction);
    }
}

/// Rows, each to be multiplied by a factor.
#[derive(Clone, Copy)]
pub struct Scaled<'a> {
    /// The rows.
    pub rows: &'a [Packed],
    /// The factors.
    pub factors: &'a [Felt],
}

impl Scaled<'_> {
    fn part(self, first: usize, length: usize) -> Self {
        Self {
            rows: &self.rows[first..][..length],
            factors: &self.factors[first..][..length],
        }
    }

    #[inline(always)]
    fn write(self, to: &mut [Packed]) {
        let rows = self.rows.iter().zip(self.factors);
        for (product, (&row, &factor)) in to.iter_mut().zip(rows) {
            row_by_row();
            *product = row * factor;
        }
    }
}

/// Transforms rows, on all threads. The source is read where it is soon needed.
fn recurse(
    rows: &mut [Packed],
    source: Option<Scaled<'_>>,
    levels: &[Level],
    direction: Direction,
) {
    let (Some((level, finer)), true) = (levels.split_first(), rows.len() > CACHED) else {
        return vectorized(Small {
            rows,
            source,
            levels,
            direction,
        });
    };
    if direction == Direction::Inverse {
        step(rows, level, direction);
    }
    let length = level.len();
    rows.par_chunks_exact_mut(length)
        .enumerate()
        .for_each(|(i, quarter)| {
            let source = source.map(|source| source.part(i * length, length));
            recurse(quarter, source, finer, direction);
        });
    if direction == Direction::Forward {
        step(rows, level, direction);
    }
}

/// One step on a block, on all threads: the forward one joins the transforms of its quarters, the
/// inverse one divides it into what its quarters are the transforms of.
fn step(block: &mut [Packed], level: &Level, direction: Direction) {
    let [q0, q1, q2, q3] = quarters(block, level.len());
    let low = q0.par_chunks_mut(STRETCH).zip(q1.par_chunks_mut(STRETCH));
    let high = q2.par_chunks_mut(STRETCH).zip(q3.par_chunks_mut(STRETCH));
    let parts = low.zip(high).zip(level.par_chunks(STRETCH));
    parts.for_each(|(((q0, q1), (q2, q3)), twiddles)| {
        vectorized(Step {
            quarters: [q0, q1, q2, q3],
            twiddles,
            direction,
        });
    });
}

/// A part of a step: as much of each quarter as there are twiddle factors.
struct Step<'a> {
    quarters: [&'a mut [Packed]; 4],
    twiddles: &'a [[Felt; 3]],
    direction: Direction,
}

impl Vectorizable for Step<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        match self.direction {
            Direction::Forward => join(self.quarters, self.twiddles),
            Direction::Inverse => divide(self.quarters, self.twiddles),
        }
    }
}

/// A transform of rows that fit into a cache, level by level.
struct Small<'a> {
    rows: &'a mut [Packed],
    /// The source that the rows are read from, if they are not there yet.
    source: Option<Scaled<'a>>,
    levels: &'a [Level],
    direction: Direction,
}

impl Vectorizable for Small<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { rows, levels, .. } = self;
        if let Some(source) = self.source {
            source.write(rows);
        }
        match self.direction {
            Direction::Forward => {
                pairs(rows, levels);
                for level in levels.iter().rev() {
                    for block in rows.chunks_exact_mut(4 * level.len()) {
                        join(quarters(block, level.len()), level);
                    }
                }
            }
            Direction::Inverse => {
                for level in levels {
                    for block in rows.chunks_exact_mut(4 * level.len()) {
                        divide(quarters(block, level.len()), level);
                    }
                }
                pairs(rows, levels);
            }
        }
    }
}

#[inline(always)]
fn join([q0, q1, q2, q3]: [&mut [Packed]; 4], twiddles: &[[Felt; 3]]) {
    // As long as each other, which the compiler should know.
    let n = twiddles.len();
    let (q0, q1, q2, q3) = (&mut q0[..n], &mut q1[..n], &mut q2[..n], &mut q3[..n]);
    for (i, &[w1, w2, w3]) in twiddles.iter().enumerate() {
        row_by_row();
        let (a, b) = (q0[i], q1[i] * w2);
        let (c, d) = (q2[i] * w1, q3[i] * w3);
        let (sum, difference) = (a + b, a - b);
        let (even, odd) = (c + d, (c - d).times_fourth_root());
        q0[i] = sum + even;
        q1[i] = difference + odd;
        q2[i] = sum - even;
        q3[i] = difference - odd;
    }
}

#[inline(always)]
fn divide([q0, q1, q2, q3]: [&mut [Packed]; 4], twiddles: &[[Felt; 3]]) {
    let n = twiddles.len();
    let (q0, q1, q2, q3) = (&mut q0[..n], &mut q1[..n], &mut q2[..n], &mut q3[..n]);
    for (i, &[w1, w2, w3]) in twiddles.iter().enumerate() {
        row_by_row();
        let (a, b) = (q0[i] + q2[i], q0[i] - q2[i]);
        let (c, d) = (q1[i] + q3[i], (q1[i] - q3[i]).times_fourth_root());
        q0[i] = a + c;
        q1[i] = (a - c) * w2;
        q2[i] = (b - d) * w1;
        q3[i] = (b + d) * w3;
    }
}

/// The transforms of length two, where quarters do not divide the length.
#[inline(always)]
fn pairs(rows: &mut [Packed], levels: &[Level]) {
    if rows.len() == 2 << (2 * levels.len()) {
        for pair in rows.chunks_exact_mut(2) {
            row_by_row();
            let (a, b) = (pair[0], pair[1]);
            pair[0] = a + b;
            pair[1] = a - b;
        }
    }
}

/// Keeps the compiler from vectorizing a loop over rows instead of what is done with a row: it would
/// gather the lanes of eight rows and scatter them again.
#[inline(always)]
fn row_by_row() {
    core::hint::black_box(());
}

#[inline(always)]
fn quarters(block: &mut [Packed], quarter: usize) -> [&mut [Packed]; 4] {
    let (low, high) = block.split_at_mut(2 * quarter);
    let (q0, q1) = low.split_at_mut(quarter);
    let (q2, q3) = high.split_at_mut(quarter);
    [q0, q1, q2, &mut q3[..quarter]]
}

/// The powers of `base` with exponents `0..length`, in bit-reversed order, times `factor`.
pub fn reversed_powers(base: Felt, factor: Felt, length: usize) -> Vec<Felt> {
    let mut powers = Vec::with_capacity(length);
    powers.push(factor);
    let mut step = length / 2;
    while step > 0 {
        let multiplier = base.exp_vartime(step as u64);
        for i in 0..powers.len() {
            powers.push(powers[i] * multiplier);
        }
        step /= 2;
    }
    powers
}

/// The bits of `index` in reverse, for a sequence of `length` items.
pub fn reverse_index(index: usize, length: usize) -> usize {
    match length.ilog2() {
        0 => 0,
        bits => index.reverse_bits() >> (usize::BITS - bits),
    }
}

#[cfg(test)]
mod tests {
    use winterfell::math::polynom;

    use super::*;
    use crate::packed::LANES;

    fn rows(length: usize) -> Vec<Packed> {
        (0..length as u64)
            .map(|i| Packed::from_fn(|lane| Felt::new(((i + 3).pow(3) * (lane as u64 + 1)) << 20)))
            .collect()
    }

    #[test]
    fn transforms_evaluate_and_interpolate() {
        for log_length in 1..8 {
            let length = 1_usize << log_length;
            let coefficients = rows(length);
            let root = Felt::get_root_of_unity(log_length);
            let mut values: Vec<Packed> = (0..length)
                .map(|i| coefficients[reverse_index(i, length)])
                .collect();
            Transform::new(length, Direction::Forward).apply(&mut values);
            for lane in 0..LANES {
                let poly: Vec<Felt> = coefficients.iter().map(|row| row.lanes()[lane]).collect();
                for (i, row) in values.iter().enumerate() {
                    let x = root.exp_vartime(i as u64);
                    assert_eq!(row.lanes()[lane], polynom::eval(&poly, x), "{length} rows");
                }
            }
            Transform::new(length, Direction::Inverse).apply(&mut values);
            let factor = Felt::new(length as u64);
            for (i, row) in values.iter().enumerate() {
                let coefficient = coefficients[reverse_index(i, length)];
                assert_eq!(*row, coefficient * factor, "{length} rows");
            }
        }
    }

    #[test]
    fn long_transforms_are_inverse_to_each_other() {
        for length in [CACHED, 2 * CACHED, 8 * CACHED] {
            let coefficients = rows(length);
            let mut values = coefficients.clone();
            Transform::new(length, Direction::Forward).apply(&mut values);
            // The value at 1 is the sum of the coefficients.
            let sum = coefficients
                .iter()
                .fold(Packed::ZERO, |sum, &row| sum + row);
            assert_eq!(values[0], sum);
            Transform::new(length, Direction::Inverse).apply(&mut values);
            let factor = Felt::new(length as u64);
            let expected: Vec<Packed> = coefficients.iter().map(|&row| row * factor).collect();
            assert_eq!(values, expected);
        }
    }

    #[test]
    fn powers_in_reversed_order() {
        let (base, factor) = (Felt::new(12345), Felt::new(99));
        for length in [1, 2, 16] {
            let powers = reversed_powers(base, factor, length);
            for (i, &power) in powers.iter().enumerate() {
                let exponent = reverse_index(i, length) as u64;
                assert_eq!(power, factor * base.exp_vartime(exponent));
            }
        }
    }
}
