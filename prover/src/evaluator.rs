//! The constraints, evaluated over the constraint evaluation domain and combined into one column.

use core::array;

use miden_core::Felt;
use miden_cvm_air::{
    air::CvmAir,
    builder::{Evaluator, Frame, NUM_PERIODIC, PERIOD, Periodic},
    columns::MainRow,
    constraints,
    lookup::{Challenges, NUM_CHALLENGES, RowFractions},
    lookups,
};
use rayon::prelude::*;
use winterfell::{
    Air, AuxRandElements, CompositionPolyTrace, ConstraintCompositionCoefficients,
    ConstraintEvaluator, EvaluationFrame, StarkDomain, TraceLde,
    math::{FieldElement, polynom},
};

use crate::reduction::ProductSum;

/// Steps of one coset that are evaluated together.
const CHUNK: usize = 1 << 8;

/// Evaluates main and auxiliary constraints of a row in one go.
pub struct FusedEvaluator<'a, E: FieldElement<BaseField = Felt>> {
    air: &'a CvmAir,
    challenges: Challenges<E>,
    /// Weights of the main transition constraints, by coordinate of the extension field.
    main_weights: Vec<Vec<Felt>>,
    aux_weights: Vec<E>,
    first_row: Boundary<E>,
    last_row: Boundary<E>,
}

/// The boundary constraints of one row: the sum over cells of weight * (cell - value).
struct Boundary<E> {
    main: Vec<(usize, E)>,
    aux: Vec<(usize, E)>,
    /// The sum over cells of weight * value.
    constant: E,
}

impl<E: FieldElement<BaseField = Felt>> Boundary<E> {
    fn new() -> Self {
        Self {
            main: Vec::new(),
            aux: Vec::new(),
            constant: E::ZERO,
        }
    }

    #[inline(always)]
    fn evaluate(&self, main: &[Felt], aux: &[E]) -> E {
        let mut sum = -self.constant;
        for &(column, weight) in &self.main {
            sum += weight.mul_base(main[column]);
        }
        for &(column, weight) in &self.aux {
            sum += weight * aux[column];
        }
        sum
    }
}

impl<'a, E: FieldElement<BaseField = Felt>> FusedEvaluator<'a, E> {
    /// Returns an evaluator for the AIR with the random elements of the auxiliary segment and the
    /// weights of the constraints.
    pub fn new(
        air: &'a CvmAir,
        random: Option<AuxRandElements<E>>,
        coefficients: ConstraintCompositionCoefficients<E>,
    ) -> Self {
        let num_main = air.context().num_main_transition_constraints();
        let (main, aux) = coefficients.transition.split_at(num_main);
        let main_weights = (0..E::EXTENSION_DEGREE)
            .map(|i| main.iter().map(|weight| weight.base_element(i)).collect())
            .collect();

        let groups = air.get_boundary_constraints(random.as_ref(), &coefficients.boundary);
        let mut first_row = Boundary::new();
        let mut last_row = Boundary::new();
        for group in groups.main_constraints() {
            let boundary = if is_first_row(group.divisor()) {
                &mut first_row
            } else {
                &mut last_row
            };
            for constraint in group.constraints() {
                let weight = *constraint.cc();
                boundary.main.push((constraint.column(), weight));
                boundary.constant += weight.mul_base(constraint.poly()[0]);
            }
        }
        for group in groups.aux_constraints() {
            let boundary = if is_first_row(group.divisor()) {
                &mut first_row
            } else {
                &mut last_row
            };
            for constraint in group.constraints() {
                let weight = *constraint.cc();
                boundary.aux.push((constraint.column(), weight));
                boundary.constant += weight * constraint.poly()[0];
            }
        }
        let zeros = [E::ZERO; NUM_CHALLENGES];
        let challenges = match &random {
            Some(random) => Challenges::new(random.rand_elements()),
            None => Challenges::new(&zeros),
        };
        Self {
            air,
            challenges,
            main_weights,
            aux_weights: aux.to_vec(),
            first_row,
            last_row,
        }
    }

    /// The weighted sum of the transition constraints on a pair of rows.
    #[inline]
    fn transition(
        &self,
        frame: &Frame<'_, Felt>,
        aux: &EvaluationFrame<E>,
        main_values: &mut [Felt],
        aux_values: &mut [E],
    ) -> E {
        constraints(frame, &mut Evaluator::new(main_values));
        let mut sum = self.weigh(main_values);

        let mut row = RowFractions::default();
        lookups(frame, &mut row);
        let packing = self.air.packing();
        packing.evaluate(
            &row,
            &self.challenges,
            aux.current(),
            aux.next(),
            aux_values,
        );
        for (&weight, &value) in self.aux_weights.iter().zip(&*aux_values) {
            sum += weight * value;
        }
        sum
    }

    /// The weighted sum of the main constraints' values.
    #[inline]
    fn weigh(&self, values: &[Felt]) -> E {
        let mut coordinates = [Felt::ZERO; 3];
        for (coordinate, weights) in coordinates.iter_mut().zip(&self.main_weights) {
            let mut sum = ProductSum::default();
            for (&weight, &value) in weights.iter().zip(values) {
                sum.add_product(weight, value);
            }
            *coordinate = sum.reduce();
        }
        E::slice_from_base_elements(&coordinates[..E::EXTENSION_DEGREE])[0]
    }
}

/// Whether a boundary's divisor is that of row 0, `x - 1`, rather than that of the last row.
fn is_first_row(divisor: &winterfell::ConstraintDivisor<Felt>) -> bool {
    divisor.numerator()[0].1 == Felt::ONE
}

impl<E: FieldElement<BaseField = Felt>> ConstraintEvaluator<E> for FusedEvaluator<'_, E> {
    type Air = CvmAir;

    fn evaluate<T: TraceLde<E>>(
        self,
        trace: &T,
        domain: &StarkDomain<Felt>,
    ) -> CompositionPolyTrace<E> {
        let _span = tracing::info_span!("evaluate_constraints").entered();
        let size = domain.ce_domain_size();
        let length = domain.trace_length();
        let cosets = domain.trace_to_ce_blowup();
        let to_lde = domain.ce_to_lde_blowup();
        let composed = self.air.public_inputs().composed();
        let last = self.air.trace_domain_generator().inv();
        let periodic = periodic_values(self.air, domain);
        // x^length - 1 only depends on the coset.
        let vanishing: Vec<Felt> = (0..cosets)
            .map(|coset| domain.get_ce_x_at(coset).exp(length as u64) - Felt::ONE)
            .map(Felt::inv)
            .collect();
        let info = trace.trace_info();
        let num_main = self.air.context().num_main_transition_constraints();
        let num_aux = self.air.context().num_aux_transition_constraints();

        let chunk = CHUNK.min(length);
        let parts: Vec<(usize, Vec<E>)> = (0..size / chunk)
            .into_par_iter()
            .map(|part| {
                let (coset, first) = (part % cosets, part / cosets * chunk);
                let mut main = EvaluationFrame::new(info.main_trace_width());
                let mut aux = EvaluationFrame::new(info.aux_segment_width());
                let mut main_values = vec![Felt::ZERO; num_main];
                let mut aux_values = vec![E::ZERO; num_aux];
                let step_of = |i: usize| coset + (first + i) * cosets;
                let points = (0..chunk).map(|i| domain.get_ce_x_at(step_of(i)));
                let inverses = boundary_inverses(points, last);
                let values = (0..chunk)
                    .map(|i| {
                        let step = step_of(i);
                        trace.read_main_trace_frame_into(step * to_lde, &mut main);
                        trace.read_aux_trace_frame_into(step * to_lde, &mut aux);
                        let frame = Frame {
                            cur: MainRow::from_cells(main.current()),
                            next: MainRow::from_cells(main.next()),
                            periodic: Periodic::from_cells(&periodic[step % periodic.len()]),
                            composed,
                        };
                        let transition =
                            self.transition(&frame, &aux, &mut main_values, &mut aux_values);
                        let x = domain.get_ce_x_at(step);
                        let first_row = self.first_row.evaluate(main.current(), aux.current());
                        let last_row = self.last_row.evaluate(main.current(), aux.current());
                        transition.mul_base((x - last) * vanishing[coset])
                            + first_row.mul_base(inverses[2 * i])
                            + last_row.mul_base(inverses[2 * i + 1])
                    })
                    .collect();
                (coset + first * cosets, values)
            })
            .collect();

        let mut result = vec![E::ZERO; size];
        for (start, values) in parts {
            for (i, value) in values.into_iter().enumerate() {
                result[start + i * cosets] = value;
            }
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
    let differences: Vec<Felt> = points.flat_map(|x| [x - Felt::ONE, x - last]).collect();
    let mut product = Felt::ONE;
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
        options::{HashFunction, OptionSet, ProofSettings},
    };
    use winterfell::{
        DefaultConstraintEvaluator,
        crypto::RandomCoin,
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

        let mut coin = WinterRandomCoin::<Blake3_256>::new(&[Felt::new(3)]);
        let random: AuxRandElements<E> = air
            .get_aux_rand_elements(&mut coin)
            .expect("the coin yields elements");
        let columns = lookup_columns(&rows, &public, random.rand_elements());
        lde.set_aux_trace(&ColMatrix::new(columns), &domain);
        let coefficients: ConstraintCompositionCoefficients<E> = air
            .get_constraint_composition_coefficients(&mut coin)
            .expect("the coin yields elements");

        let ours = FusedEvaluator::new(&air, Some(random.clone()), coefficients.clone())
            .evaluate(&lde, &domain)
            .into_inner();
        let theirs = DefaultConstraintEvaluator::new(&air, Some(random), coefficients)
            .evaluate(&lde, &domain)
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
