//! The check of constraints at the point outside of the domain: at the values of the columns there, the
//! constraints of a group, combined and divided, have to come to the group's composition.

use alloc::vec::Vec;

use miden_core::Felt;
use winter_math::FieldElement;

use crate::{
    air::{Combined, CvmAir, TableFrame, periodic_at, powers_from},
    builder::Periodic,
    columns::Cells,
    element::Element,
    heights::Piece,
    lookup::Challenges,
    table::Window,
};

/// Checks the constraints at a point outside of the domain.
#[derive(Debug)]
pub struct OodCheck<'a, E> {
    air: &'a CvmAir,
    challenges: Challenges<Element>,
    weight: E,
    point: E,
    /// The point's power that is 1 on the longest domain.
    power: E,
}

impl<'a, E: FieldElement<BaseField = Felt>> OodCheck<'a, E> {
    /// The check with what the public coin has shown: the challenges of the lookups, the weight of the
    /// constraints, and the point. `None` if the point is in the domain.
    pub fn new(air: &'a CvmAir, challenges: &[E], weight: E, point: E) -> Option<Self> {
        let power = point.exp_vartime((air.longest() as u64).into());
        (power != E::ONE).then(|| Self {
            air,
            challenges: Challenges::new(&elements(challenges)),
            weight,
            point,
            power,
        })
    }

    /// Returns `true` if the constraints of a group's pieces hold. `rows` are the columns of each of its
    /// pieces, at the point and at its successor, the main ones before the auxiliary ones; `composition`
    /// are the columns of its composition at the point, and `sums` the sums of all pieces.
    pub fn holds<'r>(
        &self,
        group: usize,
        rows: impl IntoIterator<Item = [&'r [E]; 2]>,
        composition: &[E],
        sums: &[E],
    ) -> bool
    where
        E: 'r,
    {
        let pieces = self.air.groups()[group].iter().zip(rows);
        let expected = pieces.fold(E::ZERO, |sum, (&number, rows)| {
            sum + self.quotient(number, rows, sums[number])
        });
        let columns = composition.iter().rev();
        columns.fold(E::ZERO, |sum, &column| sum * self.power + column) == expected
    }

    /// The quotient that the constraints of a piece come to.
    fn quotient(&self, number: usize, rows: [&[E]; 2], sum: E) -> E {
        let piece = &self.air.pieces()[number];
        let point = self
            .point
            .exp_vartime((self.air.ratio(piece) as u64).into());
        let [current, next] = rows.map(elements);
        let periodic = elements(&periodic_at(piece, point));
        let width = piece.table.width();
        let frame = TableFrame {
            main: Window {
                cur: &current[..width],
                next: &next[..width],
                periodic: Periodic::from_cells(&periodic),
                composed: Element::new(self.air.public_inputs().composed()),
            },
            aux: &current[width..],
            aux_next: &next[width..],
        };
        let mut weights = powers_from(self.weight, self.air.constraints_before(number));
        let mut weights = || Element::new(weights());
        let sum = Element::new(sum);
        let combined = combined(self.air, piece, &frame, &self.challenges, sum, &mut weights);
        let [transition, first, last] =
            [combined.transition, combined.first, combined.last].map(Element::get);
        let combined = Combined {
            transition,
            first,
            last,
        };
        // None of the divisors is zero, as each divides what vanishes on the piece's domain.
        combined.divided(piece, point, self.power - E::ONE)
    }
}

fn elements<E: FieldElement<BaseField = Felt>>(values: &[E]) -> Vec<Element> {
    values.iter().map(|&value| Element::new(value)).collect()
}

/// The constraints of a piece, combined. That is most of the check's code, which is there once for all
/// fields as long as the weights are behind a pointer.
fn combined(
    air: &CvmAir,
    piece: &Piece,
    frame: &TableFrame<'_, Element, Element>,
    challenges: &Challenges<Element>,
    sum: Element,
    weights: &mut dyn FnMut() -> Element,
) -> Combined<Element> {
    air.combine(piece, frame, challenges, sum, &mut || weights())
}
