//! The auxiliary columns of a piece: the running sum of its lookups.

use core::array;

use miden_core::Felt;
use miden_cvm_air::{
    air::periodic_rows,
    builder::{NUM_PERIODIC, PERIOD, Periodic},
    columns::{Cells, cells_of},
    heights::Piece,
    lookup::{Challenges, Packing, RowFractions},
    symbolic::{Expression, Value, record},
    table::Window,
};
use miden_cvm_parallel::prelude::*;
use winterfell::math::FieldElement;

use crate::{
    packed::{LANES, Packed},
    program::{BLOCK, Block, Extended, Program},
};

/// Rows that are computed together, with one inversion.
const CHUNK: usize = 8 * BLOCK;

/// The auxiliary columns of a piece, and the sum of its fractions.
#[derive(Debug, Clone)]
pub struct LookupColumns<E> {
    /// Column k > 0 holds the sum of the fractions of its slots; column 0 sums up everything that
    /// came before, the row that is received of the piece before included. Nothing constrains the
    /// last row, so it has no fractions.
    pub columns: Vec<Vec<E>>,
    /// The end of column 0, and the row that is sent to the next piece.
    pub sum: E,
}

/// Builds the auxiliary columns of a piece from its cells, with the random elements of the lookups.
pub fn lookup_columns<E: FieldElement<BaseField = Felt>>(
    piece: &Piece,
    cells: &[Felt],
    composed: Felt,
    packing: &Packing,
    random: &[E],
) -> LookupColumns<E> {
    let (table, height) = (piece.table, piece.height);
    let challenges = Challenges::new(random);
    let cut = |index: usize, row: usize| -> E {
        let row = &cells[row * table.width()..][..table.width()];
        challenges.cut(table as u8, index, row).inv()
    };
    let received = match piece.index {
        0 => E::ZERO,
        index => cut(index, 0),
    };
    let random: Vec<Extended> = random.iter().copied().map(Extended::known).collect();
    let lookups = Lookups::new(piece, composed, packing, &random);

    let columns = (0..packing.width()).into_par_iter();
    let mut columns: Vec<Vec<E>> = columns.map(|_| vec![E::ZERO; height]).collect();
    let sums: Vec<E> = chunks_of(&mut columns)
        .into_par_iter()
        .enumerate()
        .map_init(
            || lookups.cells(),
            |block, (chunk, mut columns)| {
                let mut fractions = Fractions::default();
                let first = chunk * CHUNK;
                let end = (first + CHUNK).min(height - 1);
                for start in (first..end).step_by(BLOCK) {
                    lookups.load(cells, start, block);
                    lookups.program.run(block);
                    for row in start..end.min(start + BLOCK) {
                        for (i, &column) in lookups.columns.iter().enumerate() {
                            let (count, denominator) = lookups.fraction(block, i, row - start);
                            if count != Felt::ZERO {
                                fractions.push((row - first, column), count, denominator);
                            }
                        }
                    }
                }
                fractions.add_to(&mut columns)
            },
        )
        .collect();

    // Column 0 has the sum of its own fractions so far; turn it into the running sum of all.
    let starts = sums.iter().scan(-received, |total, &sum| {
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
    let sent = match piece.is_last {
        true => E::ZERO,
        false => cut(piece.index + 1, height - 1),
    };
    let sum = columns[0][height - 1] + sent;
    LookupColumns { columns, sum }
}

/// Computes the fractions of a piece for blocks of rows.
struct Lookups {
    width: usize,
    /// The row of a period that the piece begins with.
    phase: usize,
    /// The column of each fraction.
    columns: Vec<usize>,
    /// Its inputs are a row, the next one and the periodic columns; its outputs, of each fraction, the
    /// count and the coordinates of the denominator.
    program: Program,
}

impl Lookups {
    fn new(piece: &Piece, composed: Felt, packing: &Packing, random: &[Extended<'_>]) -> Self {
        let table = piece.table;
        let width = table.width();
        let num_inputs = 2 * width + NUM_PERIODIC;
        let slots = packing.columns.iter().flatten();
        let (nodes, outputs) = record(|recorder| {
            let inputs = (0..num_inputs).map(|number| recorder.input(number));
            let inputs: Vec<Expression<'_>> = inputs.collect();
            let mut found = RowFractions::default();
            let rows = Window {
                cur: &inputs[..width],
                next: &inputs[width..][..width],
                periodic: Periodic::from_cells(&inputs[2 * width..]),
                composed: Expression::Constant(composed),
            };
            table.lookups(&rows, &mut found);
            let challenges = Challenges::new(random);
            let mut outputs: Vec<Value> = Vec::new();
            for &slot in slots {
                outputs.push(found.count(slot).value());
                let denominator: Extended<'_> = found.denominator(slot, &challenges);
                let coordinates = denominator.coordinates().iter();
                outputs.extend(coordinates.map(|coordinate| coordinate.value()));
            }
            outputs
        });
        let columns = packing.columns.iter().enumerate();
        Self {
            width,
            phase: piece.phase(),
            columns: columns
                .flat_map(|(column, slots)| slots.iter().map(move |_| column))
                .collect(),
            program: Program::new(&nodes, &outputs, num_inputs),
        }
    }

    /// Cells for the program, with the periodic columns.
    fn cells(&self) -> Vec<Block> {
        let mut cells = self.program.cells();
        let periodic = periodic_rows();
        for (column, block) in cells[2 * self.width..][..NUM_PERIODIC]
            .iter_mut()
            .enumerate()
        {
            let value = |row: usize| cells_of(&periodic[(self.phase + row) % PERIOD])[column];
            *block = array::from_fn(|part| Packed::from_fn(|lane| value(part * LANES + lane)));
        }
        cells
    }

    /// Writes a block of a piece's rows, from `first` on, into the inputs. The piece begins again
    /// where it ends.
    fn load(&self, piece: &[Felt], first: usize, cells: &mut [Block]) {
        let height = piece.len() / self.width;
        let (current, next) = cells[..2 * self.width].split_at_mut(self.width);
        for (offset, columns) in [(0, current), (1, next)] {
            for part in 0..BLOCK / LANES {
                let rows: [&[Felt]; LANES] = array::from_fn(|lane| {
                    let row = (first + offset + part * LANES + lane) % height;
                    &piece[row * self.width..][..self.width]
                });
                for (column, block) in columns.iter_mut().enumerate() {
                    block[part] = Packed::from_fn(|lane| rows[lane][column]);
                }
            }
        }
    }

    /// The count and the denominator of a fraction on a row of the block.
    fn fraction<E>(&self, cells: &[Block], fraction: usize, row: usize) -> (Felt, E)
    where
        E: FieldElement<BaseField = Felt>,
    {
        let first = fraction * (1 + E::EXTENSION_DEGREE);
        let output = |i: usize| self.program.output(cells, first + i, row);
        let mut coordinates = [Felt::ZERO; 3];
        for (i, coordinate) in coordinates[..E::EXTENSION_DEGREE].iter_mut().enumerate() {
            *coordinate = output(1 + i);
        }
        let denominator = E::slice_from_base_elements(&coordinates[..E::EXTENSION_DEGREE])[0];
        (output(0), denominator)
    }
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
    use miden_cvm_air::{lookup::NUM_CHALLENGES, table::Table};
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
        let height = 512;
        let whole = Table::ALL.map(|table| Piece::whole(table, height));
        let middle = Table::ALL.map(|table| Piece {
            index: 2,
            start: 2 * (height - 1),
            is_last: false,
            ..Piece::whole(table, height)
        });
        for piece in whole.iter().chain(&middle) {
            let table = piece.table;
            let trace = samples::cells(table, height);
            let packing = table.packing();
            let LookupColumns { columns, sum } =
                lookup_columns(piece, &trace, Felt::ZERO, &packing, &random);
            assert_eq!(columns.len(), packing.width());
            let cells = |row: usize| columns.iter().map(|c| c[row]).collect::<Vec<_>>();
            let main = |row: usize| &trace[row * table.width()..][..table.width()];
            // A row is received by the first row and sent by the last one, unless the piece is all.
            let [received, sent] = [(2, 0), (3, height - 1)].map(|(index, row)| {
                let fraction: E = challenges.cut(table as u8, index, main(row));
                match piece.is_last {
                    true => E::ZERO,
                    false => fraction.inv(),
                }
            });
            assert_eq!(columns[0][0], -received);
            assert_eq!(columns[0][height - 1] + sent, sum);

            for row in 0..height - 1 {
                let rows = Window {
                    cur: main(row),
                    next: main(row + 1),
                    periodic: &periodic[(piece.start + row) % PERIOD],
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
