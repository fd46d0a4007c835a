//! The polynomial that the low-degree test is about: quotients of columns, each times a weight.
//!
//! The columns of a piece are opened outside of the domain with a power k: the polynomial g that is
//! committed to has, modulo X^k - c, where c is z^k for a point z, the value that the columns at c make.
//! With k = 1 that is g(z). Otherwise k is how often the piece goes into the longest one, and g is r
//! interleaved columns: with y = X^(k/r) it is f_0(y^r) + y f_1(y^r) + …, which is f_0(c) + y f_1(c) + …
//! modulo y^r - c. The difference of g and this, divided by X^k - c, is the quotient.

use alloc::{collections::BTreeMap, vec::Vec};
use core::ops::AddAssign;

use miden_core::Felt;
use winter_math::{FieldElement, StarkField};

use crate::{
    air::{COMPOSITION_COLUMNS, CvmAir, powers},
    openings::GroupRows,
};

/// The weights of all functions that the low-degree test combines: of the columns of the pieces, of the
/// compositions, and of the columns that are tested by themselves, too.
#[derive(Debug, Clone)]
pub struct Weights<E>(Vec<E>);

impl<E: FieldElement<BaseField = Felt>> Weights<E> {
    /// The powers of an element.
    pub fn new(air: &CvmAir, gamma: E) -> Self {
        let mut weights = powers(gamma);
        Self((0..air.num_quotients()).map(|_| weights()).collect())
    }

    /// Those of a piece's columns, which begin with the main ones.
    fn of_piece(&self, air: &CvmAir, piece: usize) -> &[E] {
        &self.0[air.committed_before(piece)..][..air.committed_width(piece)]
    }

    /// Those of a piece's columns that are tested by themselves, too; none if they are not.
    fn tested(&self, air: &CvmAir, piece: usize) -> &[E] {
        let tested = air.tested_before(piece);
        tested.map_or(&[], |before| {
            &self.0[before..][..air.committed_width(piece)]
        })
    }

    /// Those of a group's composition.
    fn of_composition(&self, air: &CvmAir, group: usize) -> &[E] {
        let before = air.committed_before(air.pieces().len()) + group * COMPOSITION_COLUMNS;
        &self.0[before..][..COMPOSITION_COLUMNS]
    }
}

/// Sums of functions, each times its weight.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sums<T> {
    /// Of the columns of pieces, by the power with which these are opened.
    pub pieces: BTreeMap<usize, T>,
    /// Of the columns that are tested by themselves, too.
    pub tested: T,
    /// Of the columns of the composition.
    pub composition: T,
}

impl<E: FieldElement<BaseField = Felt>> Sums<E> {
    /// The sums of a group at a position of the longest domain, with the rows that it opens.
    pub fn at(
        air: &CvmAir,
        weights: &Weights<E>,
        number: usize,
        rows: &GroupRows<E>,
        position: usize,
    ) -> Self {
        let mut sums = Self::default();
        for (i, &piece) in air.groups()[number].iter().enumerate() {
            let (main, aux) = rows.of_piece(air, number, i, position);
            let sum = |weights: &[E]| {
                let (of_main, of_aux) = weights.split_at(main.len().min(weights.len()));
                let terms = of_main.iter().zip(main);
                terms.fold(E::ZERO, |sum, (&weight, &cell)| sum + weight.mul_base(cell))
                    + weighted(of_aux, aux)
            };
            let of_power = sums.pieces.entry(air.power(piece)).or_insert(E::ZERO);
            *of_power += sum(weights.of_piece(air, piece));
            sums.tested += sum(weights.tested(air, piece));
        }
        let composition = rows.of_composition(air, number, position);
        sums.composition = weighted(weights.of_composition(air, number), composition);
        sums
    }
}

impl<E: FieldElement<BaseField = Felt>> AddAssign<&Self> for Sums<E> {
    fn add_assign(&mut self, other: &Self) {
        for (&power, &sum) in &other.pieces {
            *self.pieces.entry(power).or_insert(E::ZERO) += sum;
        }
        self.tested += other.tested;
        self.composition += other.composition;
    }
}

/// The sums of a group's columns outside of the domain, each times its weight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outside<E> {
    /// Of the pieces, at the point and at its successor, by the power k with which they are opened: the
    /// coefficients modulo X^k minus a constant. X stands for the power that the group's columns are
    /// polynomials in, if that is a higher one.
    pub pieces: BTreeMap<usize, [Vec<E>; 2]>,
    /// Of the composition, at the point.
    pub composition: E,
}

impl<E: FieldElement<BaseField = Felt>> Outside<E> {
    /// That of a group, given the values of its columns: of its pieces in order at the point and at
    /// its successor, and of its composition.
    pub fn new<'r>(
        air: &CvmAir,
        weights: &Weights<E>,
        number: usize,
        rows: impl IntoIterator<Item = [&'r [E]; 2]>,
        composition: &[E],
    ) -> Self
    where
        E: 'r,
    {
        let group = &air.groups()[number];
        let lift = air.longest() / air.longest_of(group);
        let mut pieces: BTreeMap<usize, [Vec<E>; 2]> = BTreeMap::new();
        for (&piece, rows) in group.iter().zip(rows) {
            let power = air.power(piece);
            let length = (power / lift).max(1);
            let sums = pieces
                .entry(power)
                .or_insert_with(|| [(); 2].map(|()| alloc::vec![E::ZERO; length]));
            for (sum, row) in sums.iter_mut().zip(rows) {
                for part in Part::of_piece(air, weights, piece, row) {
                    for (i, &coefficient) in part.coefficients.iter().enumerate() {
                        sum[i * part.step / lift] += coefficient;
                    }
                }
            }
        }
        Self {
            pieces,
            composition: weighted(weights.of_composition(air, number), composition),
        }
    }
}

/// The sum of the columns of one kind of a piece, each times its weight, modulo X^k minus a
/// constant: a polynomial in a power of X.
#[derive(Debug, Clone)]
struct Part<E> {
    step: usize,
    coefficients: Vec<E>,
}

impl<E: FieldElement<BaseField = Felt>> Part<E> {
    /// Those of a piece whose columns have these values, the main ones before the auxiliary ones.
    fn of_piece(air: &CvmAir, weights: &Weights<E>, piece: usize, row: &[E]) -> [Self; 2] {
        let (main, aux) = row.split_at(air.pieces()[piece].table.width());
        let [of_main, of_aux] = air.committed(piece);
        let (main_weights, aux_weights) = weights.of_piece(air, piece).split_at(of_main.width);
        [(of_main, main, main_weights), (of_aux, aux, aux_weights)].map(
            |(columns, row, weights)| {
                let parts = row.chunks(columns.width);
                let mut coefficients: Vec<E> = parts.map(|row| weighted(weights, row)).collect();
                coefficients.resize(columns.factor, E::ZERO);
                Self {
                    step: air.power(piece) / columns.factor,
                    coefficients,
                }
            },
        )
    }

    fn at(&self, x: Felt) -> E {
        let y = x.exp_vartime(self.step as u64);
        let coefficients = self.coefficients.iter().rev();
        coefficients.fold(E::ZERO, |sum, &coefficient| sum.mul_base(y) + coefficient)
    }
}

/// The parts of all pieces that are opened with one power, at one point.
#[derive(Debug)]
struct Opened<E> {
    /// The constant, a power of the point.
    constant: E,
    parts: Vec<Part<E>>,
}

/// The sum of all quotients.
#[derive(Debug)]
pub struct Quotients<E> {
    size: usize,
    /// By the power with which pieces are opened: at the point and at its successor.
    pieces: BTreeMap<usize, [Opened<E>; 2]>,
    point: E,
    composition: E,
}

impl<E: FieldElement<BaseField = Felt>> Quotients<E> {
    /// The quotients at a point and its successor of columns with these values there: of each piece at both, the
    /// main columns before the auxiliary ones, and of each group's composition at the point.
    pub fn new(
        air: &CvmAir,
        weights: &Weights<E>,
        point: E,
        rows: &[[&[E]; 2]],
        composition: &[&[E]],
    ) -> Self {
        let successor = point.mul_base(Felt::get_root_of_unity(air.longest().ilog2()));
        let mut pieces = BTreeMap::new();
        for (piece, rows) in rows.iter().enumerate() {
            let power = air.power(piece);
            let opened = pieces.entry(power).or_insert_with(|| {
                [point, successor].map(|point| Opened {
                    constant: point.exp_vartime((power as u64).into()),
                    parts: Vec::new(),
                })
            });
            for (opened, row) in opened.iter_mut().zip(rows) {
                let parts = Part::of_piece(air, weights, piece, row);
                opened.parts.extend(parts);
            }
        }
        let compositions = composition.iter().enumerate();
        let compositions =
            compositions.map(|(group, row)| weighted(weights.of_composition(air, group), row));
        Self {
            size: air.domain_size(),
            pieces,
            point,
            composition: compositions.fold(E::ZERO, |sum, value| sum + value),
        }
    }

    /// The value at a position of the longest domain, where the functions have these sums; `None` if
    /// the point is no point outside of the domain.
    pub fn value(&self, sums: &Sums<E>, position: usize) -> Option<E> {
        let generator = Felt::get_root_of_unity(self.size.ilog2());
        let x = Felt::GENERATOR * generator.exp_vartime(position as u64);
        let over = |numerator: E, x: Felt, constant: E| {
            let difference = E::from(x) - constant;
            (difference != E::ZERO).then(|| numerator / difference)
        };
        let mut value = sums.tested;
        value += over(sums.composition - self.composition, x, self.point)?;
        for (&power, opened) in &self.pieces {
            let sum = sums.pieces.get(&power).copied().unwrap_or(E::ZERO);
            let to_power = x.exp_vartime(power as u64);
            for Opened { constant, parts } in opened {
                let expected = parts.iter().fold(E::ZERO, |all, part| all + part.at(x));
                value += over(sum - expected, to_power, *constant)?;
            }
        }
        Some(value)
    }
}

fn weighted<E: FieldElement>(weights: &[E], values: &[E]) -> E {
    let terms = weights.iter().zip(values);
    terms.fold(E::ZERO, |sum, (&weight, &value)| sum + weight * value)
}
