//! The constraints, evaluated over the constraint evaluation domain and combined into one column.
//!
//! What a row contributes is recorded once, with the challenges and weights as constants, as a
//! program, which then runs over the domain, coset by coset and in blocks of rows.

use core::array;
use std::{slice, sync::Arc};

use miden_core::{Felt, ONE, ZERO};
use miden_cvm_air::{
    air::CvmAir,
    algebra::{Algebra, ExtensionAlgebra},
    builder::{ConstraintBuilder, Frame, NUM_PERIODIC, PERIOD, Periodic},
    columns::{MAIN_WIDTH, MainRow},
    constraints,
    lookup::{Challenges, RowFractions},
    lookups,
};
use rayon::prelude::*;
use winterfell::{
    Air, AuxRandElements, CompositionPolyTrace, ConstraintCompositionCoefficients,
    ConstraintEvaluator, StarkDomain, TraceLde,
    math::{FieldElement, polynom},
};

use crate::{
    lde::{CosetValues, Extension},
    packed::{LANES, Packed},
    program::{BLOCK, Block, Extended, Program, Value, record},
};

/// Blocks of one coset that are evaluated together.
const CHUNK: usize = 8;

/// The inputs of the program, by their numbers.
struct Inputs {
    aux_width: usize,
    /// The degree of the extension field.
    degree: usize,
}

impl Inputs {
    const CURRENT: usize = 0;
    const NEXT: usize = MAIN_WIDTH;
    const PERIODIC: usize = 2 * MAIN_WIDTH;
    /// Auxiliary columns by coordinates.
    const AUX: usize = Self::PERIODIC + NUM_PERIODIC;

    /// The next row's auxiliary columns.
    fn aux_next(&self) -> usize {
        Self::AUX + self.aux_width * self.degree
    }

    /// How many there are.
    fn count(&self) -> usize {
        self.aux_next() + self.aux_width * self.degree
    }

    /// Elements of the extension field from `first` on.
    fn elements<E: FieldElement<BaseField = Felt>>(&self, first: usize) -> Vec<Extended<E>> {
        let element = |column| {
            let first = first + column * self.degree;
            Extended::from_fn(|i| Value::input(first + i))
        };
        (0..self.aux_width).map(element).collect()
    }
}

/// Sums up main constraints, each times its weight.
struct WeightedSum<'a, E> {
    weights: slice::Iter<'a, E>,
    sum: Extended<E>,
}

impl<E: FieldElement<BaseField = Felt>> ConstraintBuilder for WeightedSum<'_, E> {
    type Expr = Value;

    fn assert_zero(&mut self, _: &'static str, _: usize, value: Value) {
        let &weight = self.weights.next().expect("every constraint has a weight");
        self.sum += Extended::known(weight).times(value);
    }

    fn assert_zeros<const N: usize>(
        &mut self,
        name: &'static str,
        degree: usize,
        values: [Value; N],
    ) {
        for value in values {
            self.assert_zero(name, degree, value);
        }
    }
}

/// Evaluates main and auxiliary constraints of blocks of rows in one go.
pub struct FusedEvaluator<'a, E> {
    air: &'a CvmAir,
    extension: Arc<Extension>,
    inputs: Inputs,
    /// Its outputs, by coordinates: the weighted sum of the transition constraints, and those of the
    /// boundary constraints of the first and of the last row, each before it is divided.
    program: Program,
    _field: core::marker::PhantomData<E>,
}

impl<'a, E: FieldElement<BaseField = Felt>> FusedEvaluator<'a, E> {
    /// Returns an evaluator for the AIR on the extension of a trace, with the random elements of the
    /// auxiliary segment and the weights of the constraints.
    pub fn new(
        air: &'a CvmAir,
        extension: Arc<Extension>,
        random: &AuxRandElements<E>,
        coefficients: &ConstraintCompositionCoefficients<E>,
    ) -> Self {
        let inputs = Inputs {
            aux_width: air.trace_info().aux_segment_width(),
            degree: E::EXTENSION_DEGREE,
        };
        let (nodes, sums) = record(|| {
            let main: Vec<Value> = (0..Inputs::AUX).map(Value::input).collect();
            let aux = inputs.elements(Inputs::AUX);
            let aux_next = inputs.elements(inputs.aux_next());
            let [first, last] = boundaries(air, random, coefficients, &main, &aux);
            let transition = transition(air, random, coefficients, &main, &aux, &aux_next);
            [transition, first, last]
        });
        let outputs: Vec<Value> = sums
            .iter()
            .flat_map(Extended::coordinates)
            .copied()
            .collect();
        Self {
            air,
            extension,
            program: Program::new(&nodes, &outputs, inputs.count()),
            inputs,
            _field: core::marker::PhantomData,
        }
    }

    /// Writes the rows of a block from `first` on into the inputs.
    fn load(&self, main: &CosetValues, aux: &CosetValues, first: usize, cells: &mut [Block]) {
        let aux_columns = self.inputs.aux_width * self.inputs.degree;
        transpose(main, first, &mut cells[Inputs::CURRENT..][..MAIN_WIDTH]);
        transpose(main, first + 1, &mut cells[Inputs::NEXT..][..MAIN_WIDTH]);
        transpose(aux, first, &mut cells[Inputs::AUX..][..aux_columns]);
        transpose(
            aux,
            first + 1,
            &mut cells[self.inputs.aux_next()..][..aux_columns],
        );
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

/// The weighted sum of the transition constraints on a pair of rows.
fn transition<E: FieldElement<BaseField = Felt>>(
    air: &CvmAir,
    random: &AuxRandElements<E>,
    coefficients: &ConstraintCompositionCoefficients<E>,
    main: &[Value],
    aux: &[Extended<E>],
    aux_next: &[Extended<E>],
) -> Extended<E> {
    let num_main = air.context().num_main_transition_constraints();
    let (main_weights, aux_weights) = coefficients.transition.split_at(num_main);
    let frame = Frame {
        cur: MainRow::from_cells(&main[Inputs::CURRENT..][..MAIN_WIDTH]),
        next: MainRow::from_cells(&main[Inputs::NEXT..][..MAIN_WIDTH]),
        periodic: Periodic::from_cells(&main[Inputs::PERIODIC..][..NUM_PERIODIC]),
        composed: Value::Constant(air.public_inputs().composed()),
    };
    let mut weighted = WeightedSum {
        weights: main_weights.iter(),
        sum: Extended::ZERO,
    };
    constraints(&frame, &mut weighted);

    let mut fractions = RowFractions::default();
    lookups(&frame, &mut fractions);
    let random = random.rand_elements();
    let challenges: Vec<Extended<E>> = random.iter().copied().map(Extended::known).collect();
    let challenges = Challenges::new(&challenges);
    let mut values = vec![Extended::ZERO; aux_weights.len()];
    let packing = air.packing();
    packing.evaluate(&fractions, &challenges, aux, aux_next, &mut values);
    values
        .into_iter()
        .zip(aux_weights)
        .fold(weighted.sum, |sum, (value, &weight)| {
            sum + value * Extended::known(weight)
        })
}

/// For the first row and the last one, the sum over its boundary constraints of
/// weight * (cell - value).
fn boundaries<E: FieldElement<BaseField = Felt>>(
    air: &CvmAir,
    random: &AuxRandElements<E>,
    coefficients: &ConstraintCompositionCoefficients<E>,
    main: &[Value],
    aux: &[Extended<E>],
) -> [Extended<E>; 2] {
    let groups = air.get_boundary_constraints(Some(random), &coefficients.boundary);
    let mut sums = [Extended::ZERO; 2];
    for group in groups.main_constraints() {
        let sum = &mut sums[usize::from(!is_first_row(group.divisor()))];
        for constraint in group.constraints() {
            let difference = main[constraint.column()] - Value::Constant(constraint.poly()[0]);
            *sum += Extended::known(*constraint.cc()).times(difference);
        }
    }
    for group in groups.aux_constraints() {
        let sum = &mut sums[usize::from(!is_first_row(group.divisor()))];
        for constraint in group.constraints() {
            let difference = aux[constraint.column()] - Extended::known(constraint.poly()[0]);
            *sum += Extended::known(*constraint.cc()) * difference;
        }
    }
    sums
}

/// Whether a boundary's divisor is that of row 0, `x - 1`, rather than that of the last row.
fn is_first_row(divisor: &winterfell::ConstraintDivisor<Felt>) -> bool {
    divisor.numerator()[0].1 == ONE
}

/// Writes rows from `first` on, which follow the last one in a circle, into one block a column.
fn transpose(values: &CosetValues, first: usize, columns: &mut [Block]) {
    for (columns, group) in columns.chunks_mut(LANES).zip(&values.groups) {
        let length = group.len();
        for part in 0..BLOCK / LANES {
            let rows: [&Packed; LANES] =
                array::from_fn(|i| &group[(first + part * LANES + i) % length]);
            for (lane, column) in columns.iter_mut().enumerate() {
                column[part] = Packed::from_fn(|i| rows[i].lanes()[lane]);
            }
        }
    }
}

impl<E: FieldElement<BaseField = Felt>> ConstraintEvaluator<E> for FusedEvaluator<'_, E> {
    type Air = CvmAir;

    /// Evaluates the constraints on the extension that the evaluator has: a row at a time, as `_`
    /// has them, would be slow.
    ///
    /// # Panics
    /// Panics if the auxiliary segment is not there yet.
    fn evaluate<T: TraceLde<E>>(
        self,
        _: &T,
        domain: &StarkDomain<Felt>,
    ) -> CompositionPolyTrace<E> {
        let _span = tracing::info_span!("evaluate_constraints").entered();
        let Extension { cosets, main, aux } = &*self.extension;
        let aux = aux.get().expect("the auxiliary segment is set");
        let (mut main_values, mut aux_values) = (main.values(), aux.values());
        let length = domain.trace_length();
        let blowup = domain.trace_to_ce_blowup();
        let last = self.air.trace_domain_generator().inv();
        let periodic = periodic_values(self.air, domain);

        let mut result = vec![<E as FieldElement>::ZERO; domain.ce_domain_size()];
        for coset in 0..blowup {
            main.evaluate(cosets, coset * domain.ce_to_lde_blowup(), &mut main_values);
            aux.evaluate(cosets, coset * domain.ce_to_lde_blowup(), &mut aux_values);
            // x^length - 1 only depends on the coset.
            let vanishing = domain.get_ce_x_at(coset).exp(length as u64) - ONE;
            let vanishing = vanishing.inv();
            let cells = || {
                let mut cells = self.program.cells();
                for (column, block) in cells[Inputs::PERIODIC..][..NUM_PERIODIC]
                    .iter_mut()
                    .enumerate()
                {
                    let value = |row: usize| periodic[coset + row % PERIOD * blowup][column];
                    *block =
                        array::from_fn(|part| Packed::from_fn(|lane| value(part * LANES + lane)));
                }
                cells
            };
            result
                .par_chunks_mut(CHUNK * BLOCK * blowup)
                .enumerate()
                .for_each_init(cells, |cells, (chunk, result)| {
                    let first = chunk * CHUNK * BLOCK;
                    let rows = result.len() / blowup;
                    let x_at = |row: usize| domain.get_ce_x_at(coset + (first + row) * blowup);
                    let inverses = boundary_inverses((0..rows).map(x_at), last);
                    let mine = result.iter_mut().skip(coset).step_by(blowup);
                    for (row, value) in mine.enumerate() {
                        if row % BLOCK == 0 {
                            self.load(&main_values, &aux_values, first + row, cells);
                            self.program.run(cells);
                        }
                        let [transition, first_row, last_row] =
                            array::from_fn(|sum| self.sum(cells, sum, row % BLOCK));
                        *value = transition.mul_base((x_at(row) - last) * vanishing)
                            + first_row.mul_base(inverses[2 * row])
                            + last_row.mul_base(inverses[2 * row + 1]);
                    }
                });
        }
        CompositionPolyTrace::new(result)
    }
}

/// The values of the periodic columns at the first steps of the domain, after which they repeat.
fn periodic_values(air: &CvmAir, domain: &StarkDomain<Felt>) -> Vec<[Felt; NUM_PERIODIC]> {
    let polys = air.get_periodic_column_polys();
    let cycles = (domain.trace_length() / PERIOD) as u64;
    (0..PERIOD * domain.trace_to_ce_blowup())
        .map(|step| {
            let x = domain.get_ce_x_at(step).exp(cycles);
            array::from_fn(|column| polynom::eval(&polys[column], x))
        })
        .collect()
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
    use miden_core::crypto::{hash::Blake3_256, random::WinterRandomCoin};
    use miden_cvm_air::{
        air::trace_info,
        columns::cells_of,
        options::{HashFunction, OptionSet, ProofSettings},
    };
    use winterfell::{
        DefaultConstraintEvaluator, DefaultTraceLde, PartitionOptions,
        crypto::{MerkleTree, RandomCoin},
        math::fields::{CubeExtension, QuadExtension},
        matrix::ColMatrix,
    };

    use super::*;
    use crate::{columns::lookup_columns, lde::CosetLde, samples};

    const LENGTH: usize = 512;

    /// The combined column agrees with that of Winterfell's own evaluator.
    fn agrees<E: FieldElement<BaseField = Felt>>(set: OptionSet) {
        let settings = ProofSettings::new(set, HashFunction::Blake3_256)
            .expect("the hash function suits every set");
        let public = samples::public();
        let info = trace_info(LENGTH);
        let air = CvmAir::new(info.clone(), public.clone(), settings.proof_options());
        let domain = StarkDomain::new(&air);
        let rows = samples::rows(LENGTH);
        let (mut lde, _) = CosetLde::<E, Blake3_256>::new(&rows, &info, &domain);
        let columns = (0..info.main_trace_width())
            .map(|column| rows.iter().map(|row| cells_of(row)[column]).collect());
        let (mut their_lde, _) = DefaultTraceLde::<E, Blake3_256, MerkleTree<Blake3_256>>::new(
            &info,
            &ColMatrix::new(columns.collect()),
            &domain,
            PartitionOptions::default(),
        );

        let mut coin = WinterRandomCoin::<Blake3_256>::new(&[Felt::new(3)]);
        let random: AuxRandElements<E> = air
            .get_aux_rand_elements(&mut coin)
            .expect("the coin yields elements");
        let columns = ColMatrix::new(lookup_columns(&rows, &public, random.rand_elements()));
        lde.set_aux_trace(&columns, &domain);
        their_lde.set_aux_trace(&columns, &domain);
        let coefficients: ConstraintCompositionCoefficients<E> = air
            .get_constraint_composition_coefficients(&mut coin)
            .expect("the coin yields elements");

        let ours = FusedEvaluator::new(&air, lde.extension(), &random, &coefficients)
            .evaluate(&lde, &domain)
            .into_inner();
        let theirs = DefaultConstraintEvaluator::new(&air, Some(random), coefficients)
            .evaluate(&their_lde, &domain)
            .into_inner();
        assert_eq!(ours, theirs);
    }

    #[test]
    fn evaluations_agree_with_winterfell() {
        agrees::<QuadExtension<Felt>>(OptionSet::Fast96);
        agrees::<CubeExtension<Felt>>(OptionSet::Fast128);
        agrees::<QuadExtension<Felt>>(OptionSet::Regular96);
    }
}
