//! The auxiliary columns: the running sum of all lookups.

use miden_core::Felt;
use miden_cvm_air::{
    air::{message_catalog, periodic_rows},
    builder::{Frame, PERIOD},
    columns::MainRow,
    lookup::{Challenges, Packing, RowFractions},
    lookups,
    public::PublicInputs,
};
use rayon::prelude::*;
use winterfell::math::FieldElement;

/// Rows that are computed together, with one inversion.
const CHUNK: usize = 256;

/// Builds the auxiliary columns of a trace from its rows and the random elements.
///
/// Column k > 0 holds the sum of the fractions of its slots; column 0 sums up everything that came
/// before. Nothing constrains the last row, so it has no fractions.
pub fn lookup_columns<E: FieldElement<BaseField = Felt>>(
    rows: &[MainRow<Felt>],
    public: &PublicInputs,
    random: &[E],
) -> Vec<Vec<E>> {
    let packing = Packing::new(&message_catalog());
    let challenges = Challenges::new(random);
    let composed = public.composed();
    let periodic = periodic_rows();

    let mut columns = vec![vec![E::ZERO; rows.len()]; packing.width()];
    let sums: Vec<E> = chunks_of(&mut columns)
        .into_par_iter()
        .enumerate()
        .map(|(chunk, mut columns)| {
            let mut fractions = Fractions::default();
            let first = chunk * CHUNK;
            let end = (first + CHUNK).min(rows.len() - 1);
            for row in first..end {
                let frame = Frame {
                    cur: &rows[row],
                    next: &rows[row + 1],
                    periodic: &periodic[row % PERIOD],
                    composed,
                };
                let mut found = RowFractions::default();
                lookups(&frame, &mut found);
                for (column, slots) in packing.columns.iter().enumerate() {
                    for &slot in slots {
                        let count = found.count(slot);
                        if count != Felt::ZERO {
                            let denominator = found.denominator(slot, &challenges);
                            fractions.push((row - first, column), count, denominator);
                        }
                    }
                }
            }
            fractions.add_to(&mut columns)
        })
        .collect();

    // Column 0 has the sum of its own fractions so far; turn it into the running sum of all.
    let starts = sums.iter().scan(E::ZERO, |total, &sum| {
        let start = *total;
        *total += sum;
        Some(start)
    });
    let starts: Vec<E> = starts.collect();
    chunks_of(&mut columns)
        .into_par_iter()
        .zip(starts)
        .for_each(|(mut columns, start)| {
            let (running, others) = columns.split_first_mut().expect("there is a column");
            let mut total = start;
            for (row, cell) in running.iter_mut().enumerate() {
                let sum = others.iter().fold(*cell, |sum, column| sum + column[row]);
                *cell = total;
                total += sum;
            }
        });
    columns
}

/// Splits columns into chunks of rows.
fn chunks_of<E>(columns: &mut [Vec<E>]) -> Vec<Vec<&mut [E]>> {
    let mut chunks: Vec<Vec<&mut [E]>> = Vec::new();
    for column in columns {
        for (i, part) in column.chunks_mut(CHUNK).enumerate() {
            if chunks.len() == i {
                chunks.push(Vec::new());
            }
            chunks[i].push(part);
        }
    }
    chunks
}

/// The fractions of a chunk of rows, and the cells that they belong to.
struct Fractions<E> {
    cells: Vec<(usize, usize)>,
    counts: Vec<Felt>,
    denominators: Vec<E>,
}

impl<E> Default for Fractions<E> {
    fn default() -> Self {
        Self {
            cells: Vec::new(),
            counts: Vec::new(),
            denominators: Vec::new(),
        }
    }
}

impl<E: FieldElement<BaseField = Felt>> Fractions<E> {
    fn push(&mut self, cell: (usize, usize), count: Felt, denominator: E) {
        self.cells.push(cell);
        self.counts.push(count);
        self.denominators.push(denominator);
    }

    /// Adds every fraction to its cell, `columns[column][row]`, and returns the sum of all.
    fn add_to(self, columns: &mut [&mut [E]]) -> E {
        // prefix[i] is the product of all denominators before i.
        let mut product = E::ONE;
        let prefixes: Vec<E> = self
            .denominators
            .iter()
            .map(|&denominator| {
                let prefix = product;
                product *= denominator;
                prefix
            })
            .collect();
        let mut inverse = product.inv();
        let mut total = E::ZERO;
        for (i, &(row, column)) in self.cells.iter().enumerate().rev() {
            let value = (inverse * prefixes[i]).mul_base(self.counts[i]);
            inverse *= self.denominators[i];
            columns[column][row] += value;
            total += value;
        }
        total
    }
}

#[cfg(test)]
mod tests {
    use winterfell::math::fields::QuadExtension;

    use super::*;
    use crate::samples;

    /// Whatever the rows are, the columns satisfy their constraints.
    #[test]
    fn columns_satisfy_their_constraints() {
        type E = QuadExtension<Felt>;
        let (rows, public) = (samples::rows(512), samples::public());
        let random: Vec<E> = (1..=miden_cvm_air::lookup::NUM_CHALLENGES as u64)
            .map(|i| E::new(Felt::new(i * i * 1_000_003), Felt::new(i << 40)))
            .collect();
        let columns = lookup_columns(&rows, &public, &random);
        let (packing, challenges) = (Packing::new(&message_catalog()), Challenges::new(&random));
        let periodic = periodic_rows();
        assert_eq!(columns.len(), packing.width());
        assert_eq!(columns[0][0], E::ZERO);

        let cells = |row: usize| columns.iter().map(|c| c[row]).collect::<Vec<_>>();
        for row in 0..rows.len() - 1 {
            let frame = Frame {
                cur: &rows[row],
                next: &rows[row + 1],
                periodic: &periodic[row % PERIOD],
                composed: public.composed(),
            };
            let mut fractions = RowFractions::default();
            lookups(&frame, &mut fractions);
            let mut values = vec![E::ONE; packing.width()];
            packing.evaluate(
                &fractions,
                &challenges,
                &cells(row),
                &cells(row + 1),
                &mut values,
            );
            assert_eq!(values, vec![E::ZERO; packing.width()], "row {row}");
        }
        let last = cells(rows.len() - 1);
        assert!(last[1..].iter().all(|&cell| cell == E::ZERO));
    }
}
