//! The auxiliary columns of a table: the running sum of its lookups.

use miden_core::Felt;
use miden_cvm_air::{
    air::periodic_rows,
    builder::PERIOD,
    lookup::{Challenges, Packing, RowFractions},
    table::{Table, Window},
};
use rayon::prelude::*;
use winterfell::math::FieldElement;

/// Rows that are computed together, with one inversion.
const CHUNK: usize = 256;

/// The auxiliary columns of a table, and the sum of its fractions.
#[derive(Debug, Clone)]
pub struct LookupColumns<E> {
    /// Column k > 0 holds the sum of the fractions of its slots; column 0 sums up everything that
    /// came before. Nothing constrains the last row, so it has no fractions.
    pub columns: Vec<Vec<E>>,
    /// What column 0 ends with.
    pub sum: E,
}

/// Builds the auxiliary columns of a table from its cells, row by row.
pub fn lookup_columns<E: FieldElement<BaseField = Felt>>(
    table: Table,
    cells: &[Felt],
    composed: Felt,
    packing: &Packing,
    challenges: &Challenges<E>,
) -> LookupColumns<E> {
    let height = cells.len() / table.width();
    let row = |number: usize| &cells[number * table.width()..][..table.width()];
    let periodic = periodic_rows();

    let mut columns = vec![vec![E::ZERO; height]; packing.width()];
    let sums: Vec<E> = chunks_of(&mut columns)
        .into_par_iter()
        .enumerate()
        .map(|(chunk, mut columns)| {
            let mut fractions = Fractions::default();
            let first = chunk * CHUNK;
            let end = (first + CHUNK).min(height - 1);
            for number in first..end {
                let rows = Window {
                    cur: row(number),
                    next: row(number + 1),
                    periodic: &periodic[number % PERIOD],
                    composed,
                };
                let mut found = RowFractions::default();
                table.lookups(&rows, &mut found);
                for (column, slots) in packing.columns.iter().enumerate() {
                    for &slot in slots {
                        let count = found.count(slot);
                        if count != Felt::ZERO {
                            let denominator = found.denominator(slot, challenges);
                            fractions.push((number - first, column), count, denominator);
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
    let sum = columns[0][height - 1];
    LookupColumns { columns, sum }
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
    use miden_cvm_air::lookup::NUM_CHALLENGES;
    use winterfell::math::fields::QuadExtension;

    use super::*;
    use crate::samples;

    /// Whatever the rows are, the columns satisfy their constraints.
    #[test]
    fn columns_satisfy_their_constraints() {
        type E = QuadExtension<Felt>;
        let random: Vec<E> = (1..=NUM_CHALLENGES as u64)
            .map(|i| E::new(Felt::new(i * i * 1_000_003), Felt::new(i << 40)))
            .collect();
        let challenges = Challenges::new(&random);
        let periodic = periodic_rows();
        for table in Table::ALL {
            let height = 512;
            let trace = samples::cells(table, height);
            let packing = table.packing();
            let LookupColumns { columns, sum } =
                lookup_columns(table, &trace, Felt::ZERO, &packing, &challenges);
            assert_eq!(columns.len(), packing.width());
            assert_eq!(columns[0][0], E::ZERO);
            assert_eq!(columns[0][height - 1], sum);

            let cells = |row: usize| columns.iter().map(|c| c[row]).collect::<Vec<_>>();
            let main = |row: usize| &trace[row * table.width()..][..table.width()];
            for row in 0..height - 1 {
                let rows = Window {
                    cur: main(row),
                    next: main(row + 1),
                    periodic: &periodic[row % PERIOD],
                    composed: Felt::ZERO,
                };
                let mut fractions = RowFractions::default();
                table.lookups(&rows, &mut fractions);
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
            let last = cells(height - 1);
            assert!(last[1..].iter().all(|&cell| cell == E::ZERO));
        }
    }
}
