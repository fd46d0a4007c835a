//! The composition polynomial: the quotients of all pieces, lifted to the longest one.
//!
//! A quotient of a piece of m rows is a polynomial of fewer than 4m coefficients. It is known on four
//! cosets of the piece's domain: on each by as many values as there are rows, which determine it
//! modulo x^m minus a constant. These four remainders are a transform of length four away from the
//! four columns of m coefficients that the quotient is divided into. Lifting it puts its columns into
//! the columns of the longest length; in bit-reversed order, a column and a lifted one begin alike.

use miden_core::Felt;
use miden_cvm_air::air::COMPOSITION_COLUMNS;
use miden_cvm_parallel::prelude::*;
use winterfell::math::FieldElement;

use crate::{
    evaluator::quotient_cosets,
    fft::{Transform, reversed_powers},
    lde::{Cosets, Segment, copies},
    packed::{LANES, Packed},
};

/// Coefficients that are added together.
const CHUNK: usize = 1 << 10;

/// The columns of the composition, in bit-reversed order.
pub struct Composition<E> {
    /// By coefficient: that of each column.
    coefficients: Vec<[E; COMPOSITION_COLUMNS]>,
}

impl<E: FieldElement<BaseField = Felt>> Composition<E> {
    /// Zero, for a longest piece of `length` rows.
    pub fn new(length: usize) -> Self {
        Self {
            coefficients: copies([E::ZERO; COMPOSITION_COLUMNS], length),
        }
    }

    /// Adds the quotient of a piece, given by its values on cosets of the piece's domain.
    pub fn add(&mut self, cosets: &Cosets, quotient: &[Vec<E>]) {
        let length = cosets.length();
        let degree = E::EXTENSION_DEGREE;
        // One lane for each coset and coordinate.
        let lanes = COMPOSITION_COLUMNS * degree;
        let inverse = Transform::inverse(length);
        let groups: Vec<Vec<Packed>> = (0..lanes.div_ceil(LANES))
            .into_par_iter()
            .map(|group| {
                let mut values: Vec<Packed> = (0..length)
                    .into_par_iter()
                    .with_min_len(CHUNK)
                    .map(|row| {
                        Packed::from_fn(|lane| match group * LANES + lane {
                            lane if lane < lanes => {
                                quotient[lane / degree][row].base_element(lane % degree)
                            }
                            _ => Felt::ZERO,
                        })
                    })
                    .collect();
                inverse.apply(&mut values);
                values
            })
            .collect();

        let offsets: Vec<Felt> = quotient_cosets(cosets)
            .map(|coset| cosets.offset(coset))
            .collect();
        let scale = Felt::new(COMPOSITION_COLUMNS as u64).inv();
        let unscale: Vec<Vec<Felt>> = offsets
            .iter()
            .map(|offset| reversed_powers(offset.inv(), scale, length))
            .collect();
        // Column j of the remainder on a coset with offset s is weighed by s^(length * j).
        let weights: Vec<Vec<Felt>> = (0..COMPOSITION_COLUMNS as u64)
            .map(|column| {
                let weight = |offset: &Felt| offset.exp_vartime(length as u64 * column).inv();
                offsets.iter().map(weight).collect()
            })
            .collect();
        self.coefficients[..length]
            .par_chunks_mut(CHUNK)
            .enumerate()
            .for_each(|(chunk, coefficients)| {
                for (i, columns) in coefficients.iter_mut().enumerate() {
                    let row = chunk * CHUNK + i;
                    let remainder = |coset: usize| {
                        let mut coordinates = [Felt::ZERO; 3];
                        for (i, coordinate) in coordinates[..degree].iter_mut().enumerate() {
                            let lane = coset * degree + i;
                            *coordinate = groups[lane / LANES][row].lanes()[lane % LANES];
                        }
                        let element = E::slice_from_base_elements(&coordinates[..degree])[0];
                        element.mul_base(unscale[coset][row])
                    };
                    let remainders: [E; COMPOSITION_COLUMNS] = core::array::from_fn(remainder);
                    for (column, weights) in columns.iter_mut().zip(&weights) {
                        for (&remainder, &weight) in remainders.iter().zip(weights) {
                            *column += remainder.mul_base(weight);
                        }
                    }
                }
            });
    }

    /// The columns as a segment.
    pub fn segment(&self) -> Segment {
        let width = COMPOSITION_COLUMNS * E::EXTENSION_DEGREE;
        let groups = (0..width.div_ceil(LANES)).map(|group| {
            let row = |columns: &[E; COMPOSITION_COLUMNS]| {
                Packed::from_fn(|lane| match group * LANES + lane {
                    column if column < width => columns[column / E::EXTENSION_DEGREE]
                        .base_element(column % E::EXTENSION_DEGREE),
                    _ => Felt::ZERO,
                })
            };
            self.coefficients.par_iter().map(row).collect()
        });
        Segment::of_coefficients(width, groups.collect())
    }
}

#[cfg(test)]
mod tests {
    use winterfell::math::{
        StarkField,
        fields::{CubeExtension, QuadExtension},
        polynom,
    };

    use super::*;

    /// The sum of two quotients of different lengths, by their coefficients and by the columns.
    fn divides<E: FieldElement<BaseField = Felt>>(blowup: usize) {
        let (longest, offset) = (64, Felt::new(7));
        let mut seed = 5_u64;
        let mut random = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            Felt::new(seed >> 3)
        };
        let mut composition = Composition::<E>::new(longest);
        let mut expected = vec![E::ZERO; COMPOSITION_COLUMNS * longest];
        for length in [longest, 16, 8] {
            let ratio = longest / length;
            let coefficients: Vec<E> = (0..COMPOSITION_COLUMNS * length)
                .map(|_| {
                    let cells = [random(), random(), random()];
                    E::slice_from_base_elements(&cells[..E::EXTENSION_DEGREE])[0]
                })
                .collect();
            for (i, &coefficient) in coefficients.iter().enumerate() {
                expected[i * ratio] += coefficient;
            }
            let cosets = Cosets::new(length, blowup, offset.exp_vartime(ratio as u64));
            let root = Felt::get_root_of_unity(length.ilog2());
            let values = |coset: usize| {
                (0..length as u64)
                    .map(|row| {
                        let x = cosets.offset(coset) * root.exp_vartime(row);
                        polynom::eval(&coefficients, E::from(x))
                    })
                    .collect()
            };
            let quotient: Vec<Vec<E>> = quotient_cosets(&cosets).map(values).collect();
            composition.add(&cosets, &quotient);
        }
        let z = E::from(Felt::new(1 << 40)) + crate::lde::basis::<E>(1);
        let columns = composition.segment().evaluate_at::<E, E>(&[z]);
        let power = z.exp_vartime((longest as u64).into());
        let value = columns[0]
            .iter()
            .rev()
            .fold(E::ZERO, |sum, &column| sum * power + column);
        assert_eq!(value, polynom::eval(&expected, z));
    }

    #[test]
    fn columns_make_up_the_lifted_quotients() {
        divides::<QuadExtension<Felt>>(4);
        divides::<QuadExtension<Felt>>(16);
        divides::<CubeExtension<Felt>>(8);
    }
}
