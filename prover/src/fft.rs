//! Fast Fourier transforms of several columns at once.
//!
//! A value is a row of [`LANES`](crate::packed::LANES) columns. Both transforms recurse into
//! contiguous quarters, which soon fit into a cache: the inverse one takes natural order and leaves
//! bit-reversed order, the forward one takes bit-reversed order and leaves natural order, so nothing
//! is ever permuted. The offset of a coset is in the twiddle factors of the forward transform.

use miden_core::Felt;
use miden_cvm_parallel::prelude::*;
use winterfell::math::{FieldElement, StarkField};

use crate::packed::{Packed, Vectorizable, vectorized};

/// Number of rows whose transform stays in a core's cache, and is not divided further.
const CACHED: usize = 1 << 12;

/// Number of rows of a quarter that a thread works on at a time.
const STRETCH: usize = 1 << 10;

/// Number of rows that stay in the first level of caches, for as many steps as need no others.
const NEAR: usize = 1 << 8;

/// Twiddle factors for transforms of one length.
pub struct Transform {
    levels: Vec<Level>,
    /// Of the forward transform, the factor of the second row of a pair; of the inverse one, that of
    /// all rows: the inverse of the length.
    factor: Felt,
    direction: Direction,
}

/// The twiddle factors of blocks of one length: with exponents 1, 2 and 3, the powers of the block's root
/// of unity with exponent i, times the offset in a coset of blocks, for i in a quarter of the block.
type Level = Vec<[Felt; 3]>;

/// The direction of a transform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    /// From coefficients in bit-reversed order to values in natural order.
    Forward,
    /// From values in natural order to coefficients in bit-reversed order.
    Inverse,
}

impl Transform {
    /// Prepares transforms of `length` coefficients, a power of two, to values on the coset with this
    /// offset.
    pub fn forward(length: usize, offset: Felt) -> Self {
        let factor = offset.exp_vartime(length as u64 / 2);
        Self::new(length, offset, factor, Direction::Forward)
    }

    /// Prepares transforms of `length` values, a power of two, to coefficients.
    pub fn inverse(length: usize) -> Self {
        let factor = Felt::new(length as u64).inv();
        Self::new(length, Felt::ONE, factor, Direction::Inverse)
    }

    fn new(length: usize, offset: Felt, factor: Felt, direction: Direction) -> Self {
        let mut levels = Vec::new();
        let mut block = length;
        while block >= 4 {
            let root = Felt::get_root_of_unity(block.ilog2());
            let root = match direction {
                Direction::Forward => root,
                Direction::Inverse => root.inv(),
            };
            let mut power = offset.exp_vartime((length / block) as u64);
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
        Self {
            levels,
            factor,
            direction,
        }
    }

    /// Transforms rows in place.
    ///
    /// # Panics
    /// Panics if there are not as many rows as the transform is for.
    pub fn apply(&self, rows: &mut [Packed]) {
        self.recurse(rows, None, &self.levels);
    }

    /// Transforms the rows of `source` into `rows`.
    ///
    /// # Panics
    /// Panics if there are not as many rows as the transform is for.
    pub fn apply_to(&self, source: &[Packed], rows: &mut [Packed]) {
        self.recurse(rows, Some(source), &self.levels);
    }

    /// Transforms rows, on all threads. The source is read where it is soon needed.
    fn recurse(&self, rows: &mut [Packed], source: Option<&[Packed]>, levels: &[Level]) {
        let (Some((level, finer)), true) = (levels.split_first(), rows.len() > CACHED) else {
            return vectorized(Small {
                rows,
                source,
                levels,
                factor: self.factor,
                direction: self.direction,
            });
        };
        if self.direction == Direction::Inverse {
            step(rows, level, self.direction);
        }
        let length = level.len();
        rows.par_chunks_exact_mut(length)
            .enumerate()
            .for_each(|(i, quarter)| {
                let source = source.map(|source| &source[i * length..][..length]);
                self.recurse(quarter, source, finer);
            });
        if self.direction == Direction::Forward {
            step(rows, level, self.direction);
        }
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
    source: Option<&'a [Packed]>,
    levels: &'a [Level],
    factor: Felt,
    direction: Direction,
}

impl Vectorizable for Small<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self {
            rows,
            source,
            levels,
            factor,
            direction,
        } = self;
        // Where quarters do not divide the length, the least blocks are pairs.
        let has_pairs = rows.len() == 2 << (2 * levels.len());
        let (least, levels) = match levels.split_last() {
            Some((least, levels)) if !has_pairs => (Some(least[0]), levels),
            _ => (None, levels),
        };
        let far = levels.iter().take_while(|level| 4 * level.len() > NEAR);
        let (far, near) = levels.split_at(far.count());
        match direction {
            Direction::Forward => {
                for (i, rows) in rows.chunks_mut(NEAR).enumerate() {
                    let source = source.map(|source| &source[i * NEAR..][..rows.len()]);
                    if let Some(twiddles) = least {
                        let source = source.map(|source| source.as_chunks::<4>().0);
                        for (i, block) in rows.as_chunks_mut::<4>().0.iter_mut().enumerate() {
                            row_by_row();
                            if let Some(source) = source {
                                *block = source[i];
                            }
                            join_rows(block.each_mut(), twiddles);
                        }
                    } else {
                        if let Some(source) = source {
                            rows.copy_from_slice(source);
                        }
                        if has_pairs {
                            for [first, second] in rows.as_chunks_mut().0 {
                                row_by_row();
                                let (a, b) = (*first, *second * factor);
                                (*first, *second) = (a + b, a - b);
                            }
                        }
                    }
                    for level in near.iter().rev() {
                        for block in rows.chunks_exact_mut(4 * level.len()) {
                            join(quarters(block, level.len()), level);
                        }
                    }
                }
                for level in far.iter().rev() {
                    for block in rows.chunks_exact_mut(4 * level.len()) {
                        join(quarters(block, level.len()), level);
                    }
                }
            }
            Direction::Inverse => {
                for level in far {
                    for block in rows.chunks_exact_mut(4 * level.len()) {
                        divide(quarters(block, level.len()), level);
                    }
                }
                for rows in rows.chunks_mut(NEAR) {
                    for level in near {
                        for block in rows.chunks_exact_mut(4 * level.len()) {
                            divide(quarters(block, level.len()), level);
                        }
                    }
                    if least.is_some() {
                        for block in rows.as_chunks_mut::<4>().0 {
                            row_by_row();
                            divide_rows(block.each_mut(), Some(factor), [factor; 3]);
                        }
                    } else if has_pairs {
                        for [first, second] in rows.as_chunks_mut().0 {
                            row_by_row();
                            let (a, b) = (*first, *second);
                            (*first, *second) = ((a + b) * factor, (a - b) * factor);
                        }
                    }
                }
            }
        }
    }
}

/// Puts the transform of four rows, which are the transforms of their quarters, in their place, with these
/// twiddle factors.
#[inline(always)]
fn join_rows([a, b, c, d]: [&mut Packed; 4], [w1, w2, w3]: [Felt; 3]) {
    let (first, second) = (*a, *b * w2);
    let (third, fourth) = (*c * w1, *d * w3);
    let (sum, difference) = (first + second, first - second);
    let (even, odd) = (third + fourth, (third - fourth).times_fourth_root());
    *a = sum + even;
    *b = difference + odd;
    *c = sum - even;
    *d = difference - odd;
}

/// Puts what four rows are the transforms of in their place, the first times a factor, if there is one, and
/// the others times twiddle factors.
#[inline(always)]
fn divide_rows([a, b, c, d]: [&mut Packed; 4], factor: Option<Felt>, [w1, w2, w3]: [Felt; 3]) {
    let (first, third) = (*a + *c, *a - *c);
    let (second, fourth) = (*b + *d, (*b - *d).times_fourth_root());
    *a = match factor {
        Some(factor) => (first + second) * factor,
        None => first + second,
    };
    *b = (first - second) * w2;
    *c = (third - fourth) * w1;
    *d = (third + fourth) * w3;
}

#[inline(always)]
fn join([q0, q1, q2, q3]: [&mut [Packed]; 4], twiddles: &[[Felt; 3]]) {
    // As long as each other, which the compiler should know.
    let n = twiddles.len();
    let (q0, q1, q2, q3) = (&mut q0[..n], &mut q1[..n], &mut q2[..n], &mut q3[..n]);
    for (i, &twiddles) in twiddles.iter().enumerate() {
        row_by_row();
        join_rows([&mut q0[i], &mut q1[i], &mut q2[i], &mut q3[i]], twiddles);
    }
}

#[inline(always)]
fn divide([q0, q1, q2, q3]: [&mut [Packed]; 4], twiddles: &[[Felt; 3]]) {
    let n = twiddles.len();
    let (q0, q1, q2, q3) = (&mut q0[..n], &mut q1[..n], &mut q2[..n], &mut q3[..n]);
    for (i, &twiddles) in twiddles.iter().enumerate() {
        row_by_row();
        let rows = [&mut q0[i], &mut q1[i], &mut q2[i], &mut q3[i]];
        divide_rows(rows, None, twiddles);
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
pub fn reversed_powers<E: FieldElement>(base: E, factor: E, length: usize) -> Vec<E> {
    let mut powers = Vec::with_capacity(length);
    powers.push(factor);
    let mut step = length / 2;
    while step > 0 {
        let multiplier = base.exp_vartime((step as u64).into());
        let known = powers.par_iter().with_min_len(STRETCH);
        let others: Vec<E> = known.map(|&power| power * multiplier).collect();
        powers.extend(others);
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
            let reversed: Vec<Packed> = (0..length)
                .map(|i| coefficients[reverse_index(i, length)])
                .collect();
            for offset in [Felt::ONE, Felt::new(77)] {
                let transform = Transform::forward(length, offset);
                let mut values = reversed.clone();
                transform.apply(&mut values);
                for lane in 0..LANES {
                    let poly = coefficients.iter().map(|row| row.lanes()[lane]);
                    let poly: Vec<Felt> = poly.collect();
                    for (i, row) in values.iter().enumerate() {
                        let x = offset * root.exp_vartime(i as u64);
                        assert_eq!(row.lanes()[lane], polynom::eval(&poly, x), "{length} rows");
                    }
                }
                let mut copied = rows(length);
                transform.apply_to(&reversed, &mut copied);
                assert_eq!(copied, values);
            }
            let mut values = reversed.clone();
            Transform::forward(length, Felt::ONE).apply(&mut values);
            Transform::inverse(length).apply(&mut values);
            assert_eq!(values, reversed, "{length} rows");
        }
    }

    #[test]
    fn long_transforms_are_inverse_to_each_other() {
        for length in [CACHED, 2 * CACHED, 8 * CACHED] {
            let coefficients = rows(length);
            let mut values = coefficients.clone();
            Transform::forward(length, Felt::ONE).apply(&mut values);
            // The value at 1 is the sum of the coefficients.
            let sum = coefficients
                .iter()
                .fold(Packed::ZERO, |sum, &row| sum + row);
            assert_eq!(values[0], sum);
            Transform::inverse(length).apply(&mut values);
            assert_eq!(values, coefficients);
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
