//! The constraints of a piece, evaluated over cosets of its domain, combined and divided.
//!
//! The contribution of a row is recorded once, with the challenges and weights as constants, as a
//! program, which then runs over the domain, coset by coset and in blocks of rows.

use core::array;

use miden_core::{Felt, ONE, ZERO};
use miden_cvm_air::{
    air::{COMPOSITION_COLUMNS, Combined, CvmAir, TableFrame, periodic_at},
    builder::{NUM_PERIODIC, PERIOD, Periodic},
    columns::Cells,
    heights::Piece,
    lookup::Challenges,
    symbolic::{Expression, Recorder, Value, record},
    table::Window,
};
use miden_cvm_parallel::prelude::*;
use winterfell::math::{FieldElement, StarkField};

use crate::{
    lde::{CosetValues, Cosets, Segment, copies},
    packed::{LANES, Packed},
    program::{BLOCK, Block, Extended, Program},
};

/// Blocks of one coset that are evaluated together.
const CHUNK: usize = 8;

/// The inputs of a piece's program, by their numbers.
struct Inputs {
    width: usize,
    aux_width: usize,
    /// The degree of the extension field.
    degree: usize,
}

impl Inputs {
    const CURRENT: usize = 0;

    fn next(&self) -> usize {
        self.width
    }

    fn periodic(&self) -> usize {
        2 * self.width
    }

    /// Auxiliary columns by coordinates.
    fn aux(&self) -> usize {
        self.periodic() + NUM_PERIODIC
    }

    /// The next row's auxiliary columns.
    fn aux_next(&self) -> usize {
        self.aux() + self.aux_width * self.degree
    }

    /// The number of inputs.
    fn count(&self) -> usize {
        self.aux_next() + self.aux_width * self.degree
    }

    /// Elements of the extension field from `first` on.
    fn elements<'r>(&self, recorder: &'r Recorder, first: usize) -> Vec<Extended<'r>> {
        let cells: Vec<Expression<'r>> = (first..first + self.aux_width * self.degree)
            .map(|number| recorder.input(number))
            .collect();
        cells.chunks(self.degree).map(Extended::new).collect()
    }
}

/// Evaluates main and auxiliary constraints of blocks of rows in one go.
pub struct PieceEvaluator<E> {
    piece: Piece,
    inputs: Inputs,
    /// Its outputs, by coordinates: the combined constraints of all rows but the last, of the first,
    /// and of the last row, each before it is divided.
    program: Program,
    _field: core::marker::PhantomData<E>,
}

impl<E: FieldElement<BaseField = Felt>> PieceEvaluator<E> {
    /// Records the constraints of a piece, each times the next of the weights, with the random
    /// elements of the lookups and the sum of the piece's fractions.
    pub fn new(
        air: &CvmAir,
        piece: &Piece,
        random: &[E],
        sum: E,
        weights: &mut impl FnMut() -> E,
    ) -> Self {
        let inputs = Inputs {
            width: piece.table.width(),
            aux_width: air.packing(piece.table).width(),
            degree: E::EXTENSION_DEGREE,
        };
        let (nodes, outputs) = record(|recorder| {
            let random: Vec<Extended> = random.iter().copied().map(Extended::known).collect();
            let sums = combine(
                air,
                piece,
                (recorder, &inputs),
                &random,
                Extended::known(sum),
                &mut || Extended::known(weights()),
            );
            let coordinates = sums.iter().flat_map(Extended::coordinates);
            coordinates
                .map(|coordinate| coordinate.value())
                .collect::<Vec<Value>>()
        });
        Self {
            piece: *piece,
            program: Program::new(&nodes, &outputs, inputs.count()),
            inputs,
            _field: core::marker::PhantomData,
        }
    }

    /// The quotient on each of the cosets that it is interpolated from. What the segments keep are as
    /// many values as before, but those of other cosets.
    pub fn quotient(&self, cosets: &Cosets, main: &mut Segment, aux: &mut Segment) -> Vec<Vec<E>> {
        let kept = [main.num_kept(), aux.num_kept()];
        let mut order: Vec<(usize, usize)> = quotient_cosets(cosets).enumerate().collect();
        // Where values are kept, they are read before others take their place.
        order.sort_by_key(|&(_, coset)| !main.keeps(coset));
        let mut quotient = vec![Vec::new(); COMPOSITION_COLUMNS];
        for (i, coset) in order {
            let main = main.on_coset(cosets, coset);
            let aux = aux.on_coset(cosets, coset);
            quotient[i] = self.on_coset(cosets, coset, main, aux);
        }
        main.keep_at_most(kept[0]);
        aux.keep_at_most(kept[1]);
        quotient
    }

    /// The quotient on a coset, given the values of the columns there.
    fn on_coset(
        &self,
        cosets: &Cosets,
        coset: usize,
        main: &CosetValues,
        aux: &CosetValues,
    ) -> Vec<E> {
        let length = cosets.length();
        let root = Felt::get_root_of_unity(length.ilog2());
        let offset = cosets.offset(coset);
        let last = root.inv();
        // x^length - 1 only depends on the coset.
        let vanishing = (offset.exp_vartime(length as u64) - ONE).inv();
        // Periodic columns repeat, on the coset as on the trace domain.
        let periodic: [Vec<Felt>; PERIOD] = array::from_fn(|row| {
            let x = offset * root.exp_vartime(row as u64);
            periodic_at(&self.piece, x)
        });
        let cells = || {
            let mut cells = self.program.cells();
            let columns = &mut cells[self.inputs.periodic()..][..NUM_PERIODIC];
            for (column, block) in columns.iter_mut().enumerate() {
                let value = |row: usize| periodic[row % PERIOD][column];
                *block = array::from_fn(|part| Packed::from_fn(|lane| value(part * LANES + lane)));
            }
            cells
        };
        let mut result = copies(<E as FieldElement>::ZERO, length);
        result
            .par_chunks_mut(CHUNK * BLOCK)
            .enumerate()
            .for_each_init(cells, |cells, (chunk, result)| {
                let first = chunk * CHUNK * BLOCK;
                let mut x = offset * root.exp_vartime(first as u64);
                let points: Vec<Felt> = result
                    .iter()
                    .map(|_| {
                        let point = x;
                        x *= root;
                        point
                    })
                    .collect();
                let inverses = boundary_inverses(points.iter().copied(), last);
                for (row, value) in result.iter_mut().enumerate() {
                    if row % BLOCK == 0 {
                        self.load(main, aux, first + row, cells);
                        self.program.run(cells);
                    }
                    let [transition, first_row, last_row] =
                        array::from_fn(|sum| self.sum(cells, sum, row % BLOCK));
                    *value = transition.mul_base((points[row] - last) * vanishing)
                        + first_row.mul_base(inverses[2 * row])
                        + last_row.mul_base(inverses[2 * row + 1]);
                }
            });
        result
    }

    /// Writes the rows of a block from `first` on into the inputs.
    fn load(&self, main: &CosetValues, aux: &CosetValues, first: usize, cells: &mut [Block]) {
        let Inputs { width, .. } = self.inputs;
        let aux_columns = self.inputs.aux_width * self.inputs.degree;
        let (main_cells, aux_cells) = cells.split_at_mut(self.inputs.aux());
        let (current, next) = main_cells.split_at_mut(self.inputs.next());
        transpose(main, first, &mut current[Inputs::CURRENT..][..width], next);
        let (current, next) = aux_cells.split_at_mut(aux_columns);
        transpose(aux, first, current, next);
    }

    /// One of the program's sums on a row of the block.
    fn sum(&self, cells: &[Block], sum: usize, row: usize) -> E {
        let coordinate = |i| match i < E::EXTENSION_DEGREE {
            true => self
                .program
                .output(cells, sum * E::EXTENSION_DEGREE + i, row),
            false => ZERO,
        };
        let coordinates: [Felt; 3] = array::from_fn(coordinate);
        E::slice_from_base_elements(&coordinates[..E::EXTENSION_DEGREE])[0]
    }
}

/// Computes the combined constraints of a piece with its inputs.
fn combine<'r>(
    air: &CvmAir,
    piece: &Piece,
    (recorder, inputs): (&'r Recorder, &Inputs),
    random: &[Extended<'r>],
    sum: Extended<'r>,
    weights: &mut dyn FnMut() -> Extended<'r>,
) -> [Extended<'r>; 3] {
    let main = (0..inputs.aux()).map(|number| recorder.input(number));
    let main: Vec<Expression<'r>> = main.collect();
    let frame = TableFrame {
        main: Window {
            cur: &main[Inputs::CURRENT..][..inputs.width],
            next: &main[inputs.next()..][..inputs.width],
            periodic: Periodic::from_cells(&main[inputs.periodic()..][..NUM_PERIODIC]),
            composed: Expression::Constant(air.public_inputs().composed()),
        },
        aux: &inputs.elements(recorder, inputs.aux()),
        aux_next: &inputs.elements(recorder, inputs.aux_next()),
    };
    let challenges = Challenges::new(random);
    let Combined {
        transition,
        first,
        last,
    } = air.combine(piece, &frame, &challenges, sum, &mut || weights());
    [transition, first, last]
}

/// The cosets that a quotient is interpolated from: they make up a domain of their own.
pub fn quotient_cosets(cosets: &Cosets) -> impl Iterator<Item = usize> {
    let stride = cosets.blowup() / COMPOSITION_COLUMNS;
    (0..COMPOSITION_COLUMNS).map(move |coset| coset * stride)
}

/// Writes rows from `first` on, which follow the last one in a circle, into one block a column, and their
/// successors into the first others.
fn transpose(values: &CosetValues, first: usize, current: &mut [Block], next: &mut [Block]) {
    let columns = current.chunks_mut(LANES).zip(next.chunks_mut(LANES));
    for ((current, next), group) in columns.zip(&values.groups) {
        let row = |i: usize| &group[(first + i) & (group.len() - 1)];
        for part in 0..BLOCK / LANES {
            let rows: [&Packed; LANES] = array::from_fn(|i| row(part * LANES + i));
            for (lane, column) in current.iter_mut().enumerate() {
                column[part] = Packed::from_fn(|i| rows[i].lanes()[lane]);
            }
        }
        let behind = row(BLOCK).lanes();
        for ((current, next), &behind) in current.iter().zip(next).zip(behind) {
            for (part, next) in next.iter_mut().enumerate() {
                let behind = current.get(part + 1).map_or(behind, |part| part.lanes()[0]);
                let mut lanes = [behind; LANES];
                lanes[..LANES - 1].copy_from_slice(&current[part].lanes()[1..]);
                *next = Packed::from_fn(|lane| lanes[lane]);
            }
        }
    }
}

/// The inverses of `x - 1` and `x - last` at each of these points, in turn.
fn boundary_inverses(points: impl Iterator<Item = Felt>, last: Felt) -> Vec<Felt> {
    let differences: Vec<Felt> = points.flat_map(|x| [x - ONE, x - last]).collect();
    let mut product = ONE;
    let mut inverses: Vec<Felt> = differences
        .iter()
        .map(|&difference| {
            let prefix = product;
            product *= difference;
            prefix
        })
        .collect();
    // The domain is a coset that does not meet the trace domain, so no difference is zero.
    let mut inverse = product.inv();
    for (value, &difference) in inverses.iter_mut().zip(&differences).rev() {
        *value *= inverse;
        inverse *= difference;
    }
    inverses
}

#[cfg(test)]
mod tests {
    use miden_cvm_air::{
        heights::Heights, lookup::NUM_CHALLENGES, options::OptionSet, public::PublicInputs,
    };
    use winterfell::math::fields::{CubeExtension, QuadExtension};

    use super::*;
    use crate::{columns::lookup_columns, samples};

    /// The quotient of a piece at some points is what the verifier's formula has there.
    fn agrees<E: FieldElement<BaseField = Felt>>(set: OptionSet, piece: &Piece, air: &CvmAir) {
        let (table, length) = (piece.table, piece.height);
        let cells = samples::cells(table, length);
        let element = |i: usize| E::slice_from_base_elements(&cells[i..][..E::EXTENSION_DEGREE])[0];
        let random: Vec<E> = (0..NUM_CHALLENGES).map(element).collect();
        let challenges = Challenges::new(&random);
        let lookups = lookup_columns(piece, &cells, ZERO, air.packing(table), &random);
        // Whatever is stated.
        let (stated, base) = (element(40), element(50));
        let weights = || miden_cvm_air::air::powers(base);

        let (mut main, mut aux) = (
            Segment::of_cells(&cells, table.width()),
            Segment::of_columns(&lookups.columns),
        );
        let cosets = Cosets::new(length, set.proof_options().blowup_factor(), Felt::new(7));
        let evaluator = PieceEvaluator::new(air, piece, &random, stated, &mut weights());
        let quotient = evaluator.quotient(&cosets, &mut main, &mut aux);

        let root = Felt::get_root_of_unity(length.ilog2());
        for (coset, values) in quotient_cosets(&cosets).zip(&quotient) {
            for row in [0, 1, 31, 32, 100, length - 1] {
                let x = cosets.offset(coset) * root.exp_vartime(row as u64);
                let points = [E::from(x), E::from(x * root)];
                let main = main.evaluate_at::<Felt, E>(&points);
                let aux = aux.evaluate_at::<E, E>(&points);
                let periodic: Vec<E> = periodic_at(piece, E::from(x));
                let frame = TableFrame {
                    main: Window {
                        cur: &main[0],
                        next: &main[1],
                        periodic: Periodic::from_cells(&periodic),
                        composed: <E as FieldElement>::ZERO,
                    },
                    aux: &aux[0],
                    aux_next: &aux[1],
                };
                let Combined {
                    transition,
                    first,
                    last,
                } = air.combine(piece, &frame, &challenges, stated, &mut weights());
                let [x, last_x, one] = [x, root.inv(), ONE].map(E::from);
                let vanishing = x.exp_vartime((length as u64).into()) - one;
                let expected =
                    transition * (x - last_x) / vanishing + first / (x - one) + last / (x - last_x);
                assert_eq!(values[row], expected, "{piece:?}, row {row}");
            }
        }
    }

    #[test]
    fn quotients_are_those_of_the_verifier() {
        // Tables in one piece, in two and in three, of 512 and of 128 rows.
        let heights = [
            512,
            512 + 128 - 1,
            512 - 1,
            512 + 128 - 1,
            512,
            512 - 2,
            512,
            512,
            512,
        ];
        let heights = Heights::new(heights).expect("allowed heights");
        let air =
            |set: OptionSet| CvmAir::new(heights, PublicInputs::default(), set.proof_options());
        for piece in heights.pieces() {
            agrees::<QuadExtension<Felt>>(OptionSet::Fast96, &piece, &air(OptionSet::Fast96));
            agrees::<CubeExtension<Felt>>(OptionSet::Fast128, &piece, &air(OptionSet::Fast128));
            let regular = OptionSet::Regular96;
            agrees::<QuadExtension<Felt>>(regular, &piece, &air(regular));
        }
    }
}
