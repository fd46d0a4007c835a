//! Columns as polynomials, and their values on the domain that they are extended to.
//!
//! Columns are worked on in groups of [`LANES`] base field columns: one row of a group is a cache
//! line. The extension domain is made of cosets of the trace domain. What is kept are the polynomials,
//! and the values on as many cosets as there is memory for; those on the others are computed again
//! when they are needed, for one coset at a time.

use miden_core::Felt;
use miden_cvm_parallel::prelude::*;
use winterfell::math::{FieldElement, StarkField};

use crate::{
    dot::{Dot, MAX_PRODUCTS, limbs, limbs_of},
    fft::{Transform, reverse_index, reversed_powers},
    packed::{LANES, Packed, Vectorizable, vectorized},
};

/// Number of values that [`Segment::rows_at`] has in common for all rows of a coset.
const SPAN: usize = 1 << 6;

/// Coefficients of all points' sums that a thread goes through before it goes on.
const STRETCH: usize = 1 << 10;

/// The extension domain: cosets of the trace domain.
pub struct Cosets {
    /// Number of points of a coset.
    length: usize,
    offsets: Vec<Felt>,
    /// For each coset, in order, the transforms to it.
    transforms: Vec<Transform>,
}

impl Cosets {
    /// The cosets of the domain of `length` points that make up the domain with this offset that is
    /// `blowup` times as large.
    pub fn new(length: usize, blowup: usize, offset: Felt) -> Self {
        let generator = Felt::get_root_of_unity((length * blowup).ilog2());
        let mut next = offset;
        let offsets: Vec<Felt> = (0..blowup)
            .map(|_| {
                let current = next;
                next *= generator;
                current
            })
            .collect();
        let transforms = offsets.par_iter();
        let transforms = transforms.map(|&offset| Transform::forward(length, offset));
        Self {
            length,
            transforms: transforms.collect(),
            offsets,
        }
    }

    /// Number of points of a coset.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Number of cosets.
    pub fn blowup(&self) -> usize {
        self.offsets.len()
    }

    /// Number of points in the domain: step i is point i / blowup of coset i % blowup.
    pub fn num_steps(&self) -> usize {
        self.length * self.blowup()
    }

    /// Returns the factor by which the points of the trace domain are multiplied in a coset.
    pub fn offset(&self, coset: usize) -> Felt {
        self.offsets[coset]
    }
}

/// The columns of a segment, as polynomials.
pub struct Segment {
    /// Number of base field columns.
    width: usize,
    /// Coefficients of the columns of each group in bit-reversed order.
    groups: Vec<Vec<Packed>>,
    /// Values on cosets, by the coset's number, as far as they are kept.
    kept: Vec<(usize, CosetValues)>,
}

impl Segment {
    /// Interpolates columns of `length` rows. `read(first, row)` are the cells of columns
    /// `first..first + LANES`, zero beyond the last column.
    pub fn new<F>(width: usize, length: usize, read: F) -> Self
    where
        F: Fn(usize, usize) -> Packed + Sync,
    {
        let inverse = Transform::inverse(length);
        let groups = (0..width.div_ceil(LANES)).into_par_iter().map(|group| {
            let mut values: Vec<Packed> = (0..length).map(|row| read(group * LANES, row)).collect();
            inverse.apply(&mut values);
            values
        });
        Self::of_coefficients(width, groups.collect())
    }

    /// Interpolates the columns of a table, whose cells these are, row by row.
    pub fn of_cells(cells: &[Felt], width: usize) -> Self {
        Self::new(width, cells.len() / width, |first, row| {
            let cells = &cells[row * width..][..width][first..];
            Packed::from_fn(|lane| cells.get(lane).copied().unwrap_or(Felt::ZERO))
        })
    }

    /// Interpolates columns of elements, of which each takes as many columns as it has coordinates.
    pub fn of_columns<E: FieldElement<BaseField = Felt>>(columns: &[Vec<E>]) -> Self {
        let width = columns.len() * E::EXTENSION_DEGREE;
        Self::new(width, columns[0].len(), |first, row| {
            Packed::from_fn(|lane| match first + lane {
                column if column < width => columns[column / E::EXTENSION_DEGREE][row]
                    .base_element(column % E::EXTENSION_DEGREE),
                _ => Felt::ZERO,
            })
        })
    }

    /// Takes the coefficients of columns, in groups, in bit-reversed order.
    pub fn of_coefficients(width: usize, groups: Vec<Vec<Packed>>) -> Self {
        Self {
            width,
            groups,
            kept: Vec::new(),
        }
    }

    /// A column of elements, by its coefficients in bit-reversed order.
    pub fn of_elements<E: FieldElement<BaseField = Felt>>(coefficients: &[E]) -> Self {
        let row = |coefficient: &E| {
            Packed::from_fn(|lane| match lane < E::EXTENSION_DEGREE {
                true => coefficient.base_element(lane),
                false => Felt::ZERO,
            })
        };
        let group = coefficients.par_iter().map(row).collect();
        Self::of_coefficients(E::EXTENSION_DEGREE, vec![group])
    }

    /// The coefficients and kept values of all groups of columns.
    pub fn into_buffers(self) -> impl Iterator<Item = Vec<Packed>> {
        let kept = self.kept.into_iter();
        let values = kept.flat_map(|(_, values)| values.groups);
        self.groups.into_iter().chain(values)
    }

    /// The coefficients of the columns of each group in bit-reversed order.
    pub fn groups(&self) -> &[Vec<Packed>] {
        &self.groups
    }

    /// Number of base field columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Number of coefficients of a column.
    pub fn length(&self) -> usize {
        self.groups[0].len()
    }

    /// Evaluates all columns, whose cells are elements of `F`, at points.
    pub fn evaluate_at<F, E>(&self, points: &[E]) -> Vec<Vec<E>>
    where
        F: FieldElement<BaseField = Felt>,
        E: FieldElement<BaseField = Felt>,
    {
        let length = self.length();
        // By point and coordinate.
        let powers: Vec<Vec<Felt>> = points
            .par_iter()
            .flat_map_iter(|&point| {
                let powers = reversed_powers(point, E::ONE, length);
                (0..E::EXTENSION_DEGREE)
                    .map(move |i| powers.iter().map(|power| power.base_element(i)).collect())
            })
            .collect();
        // The values of base field columns: by group, point and coordinate.
        let sums = self.sums(STRETCH, |_, start, coefficients| {
            let sum = |powers: &Vec<Felt>| {
                vectorized(RowSum {
                    rows: coefficients,
                    factors: &powers[start..][..coefficients.len()],
                })
            };
            powers.iter().map(sum).collect()
        });
        let value = |point: usize, column: usize| {
            let mut coordinates = [Felt::ZERO; 3];
            let coordinates = &mut coordinates[..E::EXTENSION_DEGREE];
            for (i, coordinate) in coordinates.iter_mut().enumerate() {
                let sum = &sums[column / LANES][point * E::EXTENSION_DEGREE + i];
                *coordinate = sum.lanes()[column % LANES];
            }
            E::slice_from_base_elements(coordinates)[0]
        };
        (0..points.len())
            .map(|point| {
                (0..self.width / F::EXTENSION_DEGREE)
                    .map(|column| {
                        let first = column * F::EXTENSION_DEGREE;
                        (0..F::EXTENSION_DEGREE).fold(E::ZERO, |sum, i| {
                            sum + value(point, first + i) * basis::<E>(i)
                        })
                    })
                    .collect()
            })
            .collect()
    }

    /// For each group, the sums of what `terms` has for all its coefficients, of which it is given so many
    /// at a time, with the numbers of the group and of the first one. That is divided among all threads.
    fn sums<F>(&self, part: usize, terms: F) -> Vec<Vec<Packed>>
    where
        F: Fn(usize, usize, &[Packed]) -> Vec<Packed> + Sync,
    {
        let length = self.length();
        let parts = length.div_ceil(part);
        let numbers = (0..self.groups.len() * parts).into_par_iter();
        let terms = numbers.map(|number| {
            let (group, start) = (number / parts, number % parts * part);
            let end = (start + part).min(length);
            terms(group, start, &self.groups[group][start..end])
        });
        let terms: Vec<Vec<Packed>> = terms.collect();
        let sum = |terms: &[Vec<Packed>]| {
            let (first, others) = terms.split_first().expect("a column has coefficients");
            let mut sums = first.clone();
            for terms in others {
                sums.iter_mut()
                    .zip(terms)
                    .for_each(|(sum, &term)| *sum += term);
            }
            sums
        };
        terms.chunks(parts).map(sum).collect()
    }

    /// Adds the sum of all base field columns, each times its weight, to `to`: coefficients in
    /// bit-reversed order.
    pub fn add_weighted<E: FieldElement<BaseField = Felt>>(&self, weights: &[E], to: &mut [E]) {
        // By coordinate and group.
        let coordinate = |i: usize| {
            let groups = weights.chunks(LANES);
            let groups = groups.map(|weights| {
                limbs_of(&Packed::from_fn(|lane| match weights.get(lane) {
                    Some(weight) => weight.base_element(i),
                    None => Felt::ZERO,
                }))
            });
            groups.collect()
        };
        let weights: Vec<Vec<_>> = (0..E::EXTENSION_DEGREE).map(coordinate).collect();
        to.par_chunks_mut(STRETCH)
            .enumerate()
            .for_each(|(chunk, to)| {
                vectorized(WeightedSum {
                    groups: &self.groups,
                    weights: &weights,
                    first: chunk * STRETCH,
                    to,
                });
            });
    }

    /// Room for the values of a coset.
    pub fn values(&self) -> CosetValues {
        let length = self.groups[0].len();
        let groups = self.groups.par_iter();
        CosetValues {
            groups: groups.map(|_| copies(Packed::ZERO, length)).collect(),
        }
    }

    /// Evaluates all columns on a coset.
    pub fn evaluate(&self, cosets: &Cosets, coset: usize, values: &mut CosetValues) {
        let groups = self.groups.par_iter().zip(&mut values.groups);
        groups.for_each(|(coefficients, values)| {
            cosets.transforms[coset].apply_to(coefficients, values);
        });
    }

    /// Keeps the values on a coset.
    pub fn keep(&mut self, coset: usize, values: CosetValues) {
        self.kept.push((coset, values));
    }

    /// The number of cosets that values are kept on.
    pub fn num_kept(&self) -> usize {
        self.kept.len()
    }

    /// Returns `true` if the values on a coset are kept.
    pub fn keeps(&self, coset: usize) -> bool {
        self.kept(coset).is_some()
    }

    /// Keeps the values on so many cosets at most.
    pub fn keep_at_most(&mut self, count: usize) {
        self.kept.truncate(count);
    }

    /// The values on a coset that are kept, if they are.
    fn kept(&self, coset: usize) -> Option<&CosetValues> {
        let mut kept = self.kept.iter();
        kept.find_map(|(of, values)| (*of == coset).then_some(values))
    }

    /// The values of all columns on a coset. Those that are not kept are computed, and kept in the
    /// place of the first ones.
    pub fn on_coset(&mut self, cosets: &Cosets, coset: usize) -> &CosetValues {
        let known = self.kept.iter().position(|(of, _)| *of == coset);
        let at = known.unwrap_or_else(|| {
            let mut values = match self.kept.is_empty() {
                true => self.values(),
                false => self.kept.remove(0).1,
            };
            self.evaluate(cosets, coset, &mut values);
            self.kept.insert(0, (coset, values));
            0
        });
        &self.kept[at].1
    }

    /// Evaluates all columns at a few steps of the extension domain.
    ///
    /// The sum over all coefficients is divided into sums over [`SPAN`] of them that follow each
    /// other, which take as many values on the whole coset as there are coefficients in them.
    pub fn rows_at<F>(&self, cosets: &Cosets, steps: &[usize]) -> Vec<Vec<F>>
    where
        F: FieldElement<BaseField = Felt>,
    {
        let (length, blowup) = (cosets.length, cosets.blowup());
        let span = SPAN.min(length);
        // Sums over coefficients that follow each other are polynomials in this power of x.
        let inner = cosets
            .offsets
            .iter()
            .map(|offset| Transform::forward(span, offset.exp_vartime((length / span) as u64)));
        let inner: Vec<Transform> = inner.collect();
        let root = Felt::get_root_of_unity(length.ilog2());
        let points: Vec<Point> = steps
            .iter()
            .map(|step| {
                let position = step / blowup;
                let coset = step % blowup;
                let x = cosets.offset(coset) * root.exp_vartime(position as u64);
                Point {
                    coset,
                    position,
                    value: position % span,
                    weights: reversed_powers(x, Felt::ONE, length / span),
                }
            })
            .collect();
        let groups = self.sums(STRETCH, |group, start, coefficients| {
            let mut row_parts = vec![Packed::ZERO; points.len()];
            let mut values = vec![Packed::ZERO; span];
            for (coset, inner) in inner.iter().enumerate() {
                let on_coset = |point: &Point| point.coset == coset;
                if !points.iter().any(on_coset) {
                    continue;
                }
                if let Some(kept) = self.kept(coset) {
                    for (point, row_part) in points.iter().zip(&mut row_parts) {
                        if on_coset(point) && start == 0 {
                            *row_part = kept.groups[group][point.position];
                        }
                    }
                    continue;
                }
                for (i, rows) in coefficients.chunks(span).enumerate() {
                    inner.apply_to(rows, &mut values);
                    for (point, row_part) in points.iter().zip(&mut row_parts) {
                        if on_coset(point) {
                            *row_part += values[point.value] * point.weights[start / span + i];
                        }
                    }
                }
            }
            row_parts
        });
        let groups = CosetValues { groups };
        (0..steps.len())
            .map(|i| {
                let mut row = vec![F::ZERO; self.width / F::EXTENSION_DEGREE];
                groups.read_row(i, &mut row);
                row
            })
            .collect()
    }
}

/// A point of the extension domain, for [`Segment::rows_at`].
struct Point {
    coset: usize,
    /// The point's number on the coset.
    position: usize,
    /// The index of the value that it takes of the inner sums.
    value: usize,
    /// The weights that these are multiplied by.
    weights: Vec<Felt>,
}

/// The values of a segment's columns on one coset.
pub struct CosetValues {
    /// `groups[g][j]` are those of group g at point j.
    pub groups: Vec<Vec<Packed>>,
}

impl CosetValues {
    /// Copies the row at `position` into `row`.
    #[inline]
    pub fn read_row<F: FieldElement<BaseField = Felt>>(&self, position: usize, row: &mut [F]) {
        // Every `EXTENSION_DEGREE` groups hold `LANES` whole elements.
        let mut cells = [Felt::ZERO; 3 * LANES];
        for (elements, groups) in row
            .chunks_mut(LANES)
            .zip(self.groups.chunks(F::EXTENSION_DEGREE))
        {
            for (cells, group) in cells.chunks_exact_mut(LANES).zip(groups) {
                cells.copy_from_slice(group[position].lanes());
            }
            let whole = F::slice_from_base_elements(&cells[..F::EXTENSION_DEGREE * LANES]);
            elements.copy_from_slice(&whole[..elements.len()]);
        }
    }
}

/// The sum of rows times factors.
struct RowSum<'a> {
    rows: &'a [Packed],
    factors: &'a [Felt],
}

impl Vectorizable for RowSum<'_> {
    type Output = Packed;

    #[inline(always)]
    fn run(self) -> Packed {
        let rows = self.rows.chunks(MAX_PRODUCTS);
        let mut sum = Packed::ZERO;
        for (rows, factors) in rows.zip(self.factors.chunks(MAX_PRODUCTS)) {
            let mut dot = Dot::ZERO;
            for (row, factor) in rows.iter().zip(factors) {
                dot.add(row, &limbs(factor.inner()).map(|limb| [limb; LANES]));
            }
            sum += dot.reduced();
        }
        sum
    }
}

/// The sum of columns, each times its weight.
struct WeightedSum<'a, E> {
    groups: &'a [Vec<Packed>],
    /// By coordinate and group, in limbs.
    weights: &'a [Vec<[[u64; LANES]; 3]>],
    first: usize,
    to: &'a mut [E],
}

impl<E: FieldElement<BaseField = Felt>> Vectorizable for WeightedSum<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (i, to) in self.to.iter_mut().enumerate() {
            let mut coordinates = [Felt::ZERO; 3];
            for (coordinate, weights) in coordinates.iter_mut().zip(self.weights) {
                let mut sum = Dot::ZERO;
                for (group, weights) in self.groups.iter().zip(weights) {
                    sum.add(&group[self.first + i], weights);
                }
                let sum = sum.reduced();
                *coordinate = sum.lanes().iter().fold(Felt::ZERO, |sum, &lane| sum + lane);
            }
            *to += E::slice_from_base_elements(&coordinates[..E::EXTENSION_DEGREE])[0];
        }
    }
}

/// An element of the basis of an extension field.
pub fn basis<E: FieldElement<BaseField = Felt>>(i: usize) -> E {
    let mut coordinates = [Felt::ZERO; 3];
    coordinates[i] = Felt::ONE;
    E::slice_from_base_elements(&coordinates[..E::EXTENSION_DEGREE])[0]
}

/// So many copies of a value, written by all threads: most of it is the system's work, which gives
/// pages to who writes to them first.
pub fn copies<T: Copy + Send + Sync>(value: T, count: usize) -> Vec<T> {
    let copies = miden_cvm_parallel::iter::repeat_n(value, count);
    copies.with_min_len(STRETCH).collect()
}

/// A sequence in bit-reversed order.
pub fn reversed<T: Copy + Send + Sync>(items: &[T]) -> Vec<T> {
    (0..items.len())
        .into_par_iter()
        .with_min_len(STRETCH)
        .map(|i| items[reverse_index(i, items.len())])
        .collect()
}

#[cfg(test)]
mod tests {
    use miden_cvm_air::table::Table;
    use winterfell::math::{
        fields::{CubeExtension, QuadExtension},
        polynom,
    };

    use super::*;
    use crate::samples;

    const LENGTH: usize = 256;
    const BLOWUP: usize = 4;

    /// The polynomials of the columns, by interpolation of another kind.
    fn polynomials(cells: &[Felt], width: usize) -> Vec<Vec<Felt>> {
        let twiddles = winterfell::math::fft::get_inv_twiddles::<Felt>(LENGTH);
        (0..width)
            .map(|column| {
                let mut values: Vec<Felt> = cells.chunks(width).map(|row| row[column]).collect();
                winterfell::math::fft::interpolate_poly(&mut values, &twiddles);
                values
            })
            .collect()
    }

    /// Everything that is evaluated is what the polynomials have there.
    fn agrees<E: FieldElement<BaseField = Felt>>() {
        let width = Table::Core.width();
        let cells = samples::cells(Table::Core, LENGTH);
        let polynomials = polynomials(&cells, width);
        let segment = Segment::of_cells(&cells, width);
        let offset = Felt::new(49);
        let cosets = Cosets::new(LENGTH, BLOWUP, offset);

        let generator = Felt::get_root_of_unity((LENGTH * BLOWUP).ilog2());
        let at = |step: usize| offset * generator.exp_vartime(step as u64);
        let steps = [0, 1, 5, 77, LENGTH * BLOWUP - 1];
        let rows = segment.rows_at::<Felt>(&cosets, &steps);
        let mut values = segment.values();
        for (&step, row) in steps.iter().zip(&rows) {
            let expected: Vec<Felt> = polynomials
                .iter()
                .map(|polynomial| polynom::eval(polynomial, at(step)))
                .collect();
            assert_eq!(*row, expected, "step {step}");
            segment.evaluate(&cosets, step % BLOWUP, &mut values);
            let mut row = vec![Felt::ZERO; width];
            values.read_row(step / BLOWUP, &mut row);
            assert_eq!(row, expected, "step {step}");
        }

        let point = E::slice_from_base_elements(&cells[..E::EXTENSION_DEGREE])[0];
        let points = [point, point + E::ONE];
        let weights: Vec<E> = (0..width)
            .map(|i| E::slice_from_base_elements(&cells[i..][..E::EXTENSION_DEGREE])[0])
            .collect();
        let mut sum = vec![E::ZERO; LENGTH];
        segment.add_weighted(&weights, &mut sum);
        let sum = reversed(&sum);
        let found = segment.evaluate_at::<Felt, E>(&points);
        for (&point, found) in points.iter().zip(&found) {
            let lifted = |polynomial: &Vec<Felt>| -> Vec<E> {
                polynomial.iter().map(|&c| E::from(c)).collect()
            };
            let expected: Vec<E> = polynomials
                .iter()
                .map(|polynomial| polynom::eval(&lifted(polynomial), point))
                .collect();
            assert_eq!(*found, expected);
            let weighted = weights.iter().zip(&expected);
            let weighted = weighted.fold(E::ZERO, |sum, (&w, &value)| sum + w * value);
            assert_eq!(polynom::eval(&sum, point), weighted);
        }

        // The same cells as columns of elements.
        let columns: Vec<Vec<E>> = (0..5)
            .map(|i| {
                let element = |row: &[Felt]| {
                    let cells = &row[i * E::EXTENSION_DEGREE..][..E::EXTENSION_DEGREE];
                    E::slice_from_base_elements(cells)[0]
                };
                cells.chunks(width).map(element).collect()
            })
            .collect();
        let segment = Segment::of_columns(&columns);
        let values = segment.evaluate_at::<E, E>(&points);
        for (found, base) in values.iter().zip(&found) {
            for (i, &value) in found.iter().enumerate() {
                let parts = (0..E::EXTENSION_DEGREE)
                    .map(|d| base[i * E::EXTENSION_DEGREE + d] * basis::<E>(d));
                assert_eq!(value, parts.fold(E::ZERO, |sum, part| sum + part));
            }
        }
    }

    #[test]
    fn values_are_those_of_the_polynomials() {
        agrees::<QuadExtension<Felt>>();
        agrees::<CubeExtension<Felt>>();
    }
}
