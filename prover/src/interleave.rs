//! Columns of a piece, interleaved as they are committed to: see [`miden_cvm_air::committed`].
//!
//! The interleaved column of f_0, f_1, … is g(y) = f_0(y^r) + y f_1(y^r) + … for r of them. On a coset of m r
//! points y, the powers y^r are a coset of m points, over and over. So the values of g there are
//! transforms of r values: those of the f_j at one point, each times a power of y.

use std::array;

use miden_core::Felt;
use miden_cvm_air::committed::Committed;
use miden_cvm_parallel::prelude::*;
use winterfell::math::{FieldElement, StarkField};

use crate::{
    fft::reverse_index,
    lde::{CosetValues, Cosets, Segment, copies},
    packed::{LANES, Packed, Vectorizable, vectorized},
};

/// Points of the shorter coset that a thread works on at a time.
const STRETCH: usize = 1 << 8;

/// The way in which the columns of a segment are interleaved.
pub struct Interleaving {
    /// The number of columns that become one.
    factor: usize,
    /// The number of base field columns of the result: columns of the segment that follow each other
    /// become the same part of different columns.
    width: usize,
    /// The number of base field columns of the segment.
    columns: usize,
}

impl Interleaving {
    /// That of a segment whose columns are committed to in this way, each of `degree` base field
    /// columns; nothing if they are committed to as they are.
    pub fn new(segment: &Segment, committed: Committed, degree: usize) -> Option<Self> {
        (committed.factor > 1).then(|| Self {
            factor: committed.factor,
            width: committed.width * degree,
            columns: segment.width(),
        })
    }

    /// The number of groups of columns of the result.
    fn groups(&self) -> usize {
        self.width.div_ceil(LANES)
    }

    /// Number of base field columns of the result.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The interleaved columns as polynomials. In bit-reversed order, their coefficients are those of the
    /// columns that they are made of, one after the other, these in bit-reversed order, too.
    pub fn coefficients(&self, segment: &Segment) -> Segment {
        let length = segment.length();
        let groups = (0..self.groups()).map(|group| {
            let mut coefficients = copies(Packed::ZERO, length * self.factor);
            let parts = coefficients.par_chunks_mut(length).enumerate();
            parts.for_each(|(part, to)| {
                let first = reverse_index(part, self.factor) * self.width;
                let source = |lane: usize| {
                    let column = group * LANES + lane;
                    let source = first + column;
                    (column < self.width && source < self.columns).then_some(source)
                };
                let sources: [Option<usize>; LANES] = array::from_fn(source);
                for (i, to) in to.iter_mut().enumerate() {
                    *to = Packed::from_fn(|lane| match sources[lane] {
                        Some(at) => segment.groups()[at / LANES][i].lanes()[at % LANES],
                        None => Felt::ZERO,
                    });
                }
            });
            coefficients
        });
        Segment::of_coefficients(self.width, groups.collect())
    }

    /// Room for the values on a coset, for columns of so many rows.
    pub fn values(&self, length: usize) -> CosetValues {
        let groups = 0..self.groups();
        let groups = groups.map(|_| copies(Packed::ZERO, length * self.factor));
        CosetValues {
            groups: groups.collect(),
        }
    }

    /// The values on a coset with this offset, from those of the columns on theirs. What the last group has
    /// beyond the last column is left open.
    pub fn evaluate(&self, own: &CosetValues, offset: Felt, values: &mut CosetValues) {
        let length = own.groups[0].len();
        let step = Felt::get_root_of_unity((length * self.factor).ilog2());
        let root = Felt::get_root_of_unity(self.factor.ilog2());
        let mut next = Felt::ONE;
        let roots = (0..self.factor / 2).map(|_| {
            let current = next;
            next *= root;
            current
        });
        let roots: Vec<Felt> = roots.collect();
        // By stretch: of each group and each of its parts the values there.
        let mut stretches: Vec<Vec<&mut [Packed]>> = Vec::new();
        stretches.resize_with(length.div_ceil(STRETCH), Vec::new);
        for part in values
            .groups
            .iter_mut()
            .flat_map(|group| group.chunks_mut(length))
        {
            for (stretch, values) in stretches.iter_mut().zip(part.chunks_mut(STRETCH)) {
                stretch.push(values);
            }
        }
        stretches
            .into_par_iter()
            .enumerate()
            .for_each(|(number, to)| {
                let first = number * STRETCH;
                vectorized(Stretch {
                    own,
                    interleaving: self,
                    roots: &roots,
                    first,
                    point: offset * step.exp_vartime(first as u64),
                    step,
                    to,
                });
            });
    }

    /// The rows at these steps of the domain that the result is extended to, from those of the columns at
    /// the same steps of theirs, over and over.
    pub fn rows_at<F>(
        &self,
        segment: &Segment,
        own: &Cosets,
        cosets: &Cosets,
        steps: &[usize],
    ) -> Vec<Vec<F>>
    where
        F: FieldElement<BaseField = Felt>,
    {
        let shorter = steps.iter().map(|step| step % own.num_steps());
        let rows = segment.rows_at::<F>(own, &shorter.collect::<Vec<_>>());
        let root = Felt::get_root_of_unity(cosets.length().ilog2());
        let rows = rows.iter().zip(steps).map(|(row, step)| {
            let blowup = cosets.blowup();
            let y = cosets.offset(step % blowup) * root.exp_vartime((step / blowup) as u64);
            let width = self.width / F::EXTENSION_DEGREE;
            let mut sum = vec![F::ZERO; width];
            for part in row.chunks(width).rev() {
                for (i, sum) in sum.iter_mut().enumerate() {
                    *sum = sum.mul_base(y) + part.get(i).copied().unwrap_or(F::ZERO);
                }
            }
            sum
        });
        rows.collect()
    }
}

/// Points that values are computed at.
struct Stretch<'a> {
    own: &'a CosetValues,
    interleaving: &'a Interleaving,
    /// The powers of the root of unity of the transforms.
    roots: &'a [Felt],
    /// The first point of the shorter coset, and the one with its number of the longer coset.
    first: usize,
    point: Felt,
    /// The quotient of a point of the longer coset and the one before.
    step: Felt,
    /// Of each group and each of its parts the values.
    to: Vec<&'a mut [Packed]>,
}

impl Vectorizable for Stretch<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let &Interleaving { factor, width, .. } = self.interleaving;
        let groups = &self.own.groups;
        let mut to = self.to;
        let count = to.first().map_or(0, |values| values.len());
        // Behind the columns there are zeros.
        let mut row = vec![Felt::ZERO; (groups.len() * LANES).max(factor * width) + LANES];
        let starts: Vec<usize> = (0..factor)
            .map(|part| reverse_index(part, factor) * width)
            .collect();
        let mut powers = vec![Felt::ONE; factor];
        let mut values = vec![Packed::ZERO; factor];
        let mut point = self.point;
        for i in 0..count {
            for (cells, group) in row.chunks_exact_mut(LANES).zip(groups) {
                cells.copy_from_slice(group[self.first + i].lanes());
            }
            // In bit-reversed order.
            let (mut known, mut power) = (factor / 2, point);
            while known > 0 {
                for at in (known..factor).step_by(2 * known) {
                    powers[at] = powers[at - known] * power;
                }
                power = power.square();
                known /= 2;
            }
            for (group, to) in to.chunks_exact_mut(factor).enumerate() {
                for ((value, start), &power) in values.iter_mut().zip(&starts).zip(&powers) {
                    let lanes = &row[start + group * LANES..][..LANES];
                    *value = Packed::from_fn(|lane| lanes[lane]) * power;
                }
                transform(&mut values, self.roots);
                for (to, value) in to.iter_mut().zip(&values) {
                    to[i] = *value;
                }
            }
            point *= self.step;
        }
    }
}

/// Transforms coefficients in bit-reversed order to the values at the powers of a root of unity, of which
/// half are given.
#[inline(always)]
fn transform(values: &mut [Packed], roots: &[Felt]) {
    let mut half = 1;
    while half < values.len() {
        let stride = roots.len() / half;
        for block in values.chunks_exact_mut(2 * half) {
            let (low, high) = block.split_at_mut(half);
            for (k, (a, b)) in low.iter_mut().zip(high).enumerate() {
                let other = if k == 0 { *b } else { *b * roots[k * stride] };
                (*a, *b) = (*a + other, *a - other);
            }
        }
        half *= 2;
    }
}

#[cfg(test)]
mod tests {
    use winterfell::math::fields::QuadExtension;

    use super::*;

    const LENGTH: usize = 16;
    const BLOWUP: usize = 8;

    /// Values on cosets and rows of the interleaved columns are those of their polynomials.
    fn agrees<F: FieldElement<BaseField = Felt>>(columns: usize, longer: usize) {
        let column = |i: usize| -> Vec<F> {
            let cell = |row: usize| {
                F::from(((i * LENGTH + row) * 77 + 1) as u32).exp_vartime(5_u32.into())
            };
            (0..LENGTH).map(cell).collect()
        };
        let columns: Vec<Vec<F>> = (0..columns).map(column).collect();
        let segment = Segment::of_columns(&columns);
        let committed = Committed::new(columns.len(), LENGTH, longer);
        let interleaving = Interleaving::new(&segment, committed, F::EXTENSION_DEGREE);
        let interleaving = interleaving.expect("columns are interleaved");
        let offset = Felt::new(49);
        let own = Cosets::new(LENGTH, BLOWUP, offset.exp_vartime(committed.factor as u64));
        let cosets = Cosets::new(committed.height, BLOWUP, offset);
        let polynomials = interleaving.coefficients(&segment);
        assert_eq!(polynomials.length(), committed.height);
        assert_eq!(polynomials.width(), committed.width * F::EXTENSION_DEGREE);
        assert_eq!(interleaving.width(), polynomials.width());

        let (mut expected, mut values) = (polynomials.values(), segment.values());
        let mut found = interleaving.values(LENGTH);
        for coset in 0..BLOWUP {
            polynomials.evaluate(&cosets, coset, &mut expected);
            segment.evaluate(&own, coset, &mut values);
            interleaving.evaluate(&values, cosets.offset(coset), &mut found);
            for row in 0..committed.height {
                let row_of = |values: &CosetValues| {
                    let mut cells = vec![F::ZERO; committed.width];
                    values.read_row(row, &mut cells);
                    cells
                };
                assert_eq!(row_of(&found), row_of(&expected), "coset {coset}");
            }
        }
        let steps = [0, 1, 5, LENGTH * BLOWUP + 3, committed.height * BLOWUP - 1];
        let rows = interleaving.rows_at::<F>(&segment, &own, &cosets, &steps);
        assert_eq!(rows, polynomials.rows_at::<F>(&cosets, &steps));

        // The columns at a power of a point are the parts of the interleaved ones there.
        let point = F::from(1234567_u32);
        let powers = [point.exp_vartime((committed.factor as u32).into())];
        let own = segment.evaluate_at::<F, F>(&powers).concat();
        let mixed = polynomials.evaluate_at::<F, F>(&[point]).concat();
        for (i, &value) in mixed.iter().enumerate() {
            let columns = own.iter().skip(i).step_by(committed.width);
            let columns: Vec<&F> = columns.collect();
            let columns = columns.into_iter().rev();
            let sum = columns.fold(F::ZERO, |sum, &column| sum * point + column);
            assert_eq!(sum, value);
        }
    }

    #[test]
    fn interleaved_columns_have_the_values_of_their_polynomials() {
        for (columns, longer) in [(20, 2), (16, 4), (21, 4), (20, 64), (1 + 2 * LANES, 8)] {
            agrees::<Felt>(columns, longer);
            agrees::<QuadExtension<Felt>>(columns, longer);
        }
    }

    #[test]
    fn columns_of_the_longest_piece_stay_as_they_are() {
        let segment = Segment::of_columns(&vec![vec![Felt::ONE; LENGTH]; 3]);
        let committed = Committed::new(3, LENGTH, 1);
        assert!(Interleaving::new(&segment, committed, 1).is_none());
    }
}
