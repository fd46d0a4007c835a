//! The constraints that the library's circuit evaluates.

use miden_core::{
    Felt, ONE, Word, ZERO,
    crypto::random::{RandomCoin, RandomCoinError},
};
use winterfell::{
    Air, AirContext, Assertion, AuxRandElements, EvaluationFrame, ProofOptions, TraceInfo,
    TransitionConstraintDegree,
    math::{ExtensionOf, FieldElement},
};

use super::proof::Statement;

/// Columns of the main segment, padding included.
pub const MAIN_WIDTH: usize = 80;
/// Columns of the auxiliary segment.
pub const AUX_WIDTH: usize = 8;
/// Random elements of the auxiliary segment.
pub const RANDOM_ELEMENTS: usize = 16;
/// The rows at the end that transition constraints leave out.
const EXEMPTIONS: usize = 2;

/// Columns of the main segment.
const CLOCK: usize = 0;
const OPCODE_BITS_4_TO_6: [usize; 3] = [13, 14, 15];
const STACK_LOOKUPS: [usize; 4] = [18, 19, 20, 21];
const RANGE_MULTIPLICITY: usize = 51;
const RANGE_VALUE: usize = 52;
const CHIPLET_SELECTORS: [usize; 3] = [53, 54, 55];
const MEMORY_LOOKUPS: [usize; 2] = [67, 68];

/// Columns of the auxiliary segment.
const RANGE_BUS: usize = 4;
const CHIPLETS_BUS: usize = 6;

/// The label of a kernel procedure on the bus of chiplets.
const KERNEL_LABEL: u64 = 48;

/// The clock, the bus of range checks, and the kernel on the bus of chiplets.
pub struct CircuitAir {
    context: AirContext<Felt>,
    kernel: Vec<Word>,
}

impl Air for CircuitAir {
    type BaseField = Felt;
    type PublicInputs = Statement;

    fn new(info: TraceInfo, statement: Statement, options: ProofOptions) -> Self {
        let degrees = [1, 9].map(|degree| vec![TransitionConstraintDegree::new(degree)]);
        let [main, aux] = degrees;
        let context = AirContext::new_multi_segment(info, main, aux, 1, 3, options);
        Self {
            context: context.set_num_transition_exemptions(EXEMPTIONS),
            kernel: statement.kernel,
        }
    }

    fn context(&self) -> &AirContext<Felt> {
        &self.context
    }

    fn get_aux_rand_elements<E, R>(
        &self,
        coin: &mut R,
    ) -> Result<AuxRandElements<E>, RandomCoinError>
    where
        E: FieldElement<BaseField = Felt>,
        R: RandomCoin<BaseField = Felt>,
    {
        let [alpha, beta] = [coin.draw()?, coin.draw()?];
        let powers = core::iter::successors(Some(E::ONE), |&power| Some(power * beta));
        let elements = core::iter::once(alpha).chain(powers).take(RANDOM_ELEMENTS);
        Ok(AuxRandElements::new(elements.collect()))
    }

    fn get_assertions(&self) -> Vec<Assertion<Felt>> {
        vec![Assertion::single(CLOCK, 0, ZERO)]
    }

    fn get_aux_assertions<E: FieldElement<BaseField = Felt>>(
        &self,
        random: &AuxRandElements<E>,
    ) -> Vec<Assertion<E>> {
        let random = random.rand_elements();
        let last = self.trace_length() - EXEMPTIONS;
        vec![
            Assertion::single(RANGE_BUS, 0, E::ZERO),
            Assertion::single(
                CHIPLETS_BUS,
                0,
                kernel_bus(&self.kernel, random[0], random[2]),
            ),
            Assertion::single(RANGE_BUS, last, E::ZERO),
        ]
    }

    fn evaluate_transition<E: FieldElement<BaseField = Felt>>(
        &self,
        frame: &EvaluationFrame<E>,
        _: &[E],
        result: &mut [E],
    ) {
        result[0] = frame.next()[CLOCK] - frame.current()[CLOCK] - E::ONE;
    }

    fn evaluate_aux_transition<F, E>(
        &self,
        main: &EvaluationFrame<F>,
        aux: &EvaluationFrame<E>,
        _: &[F],
        random: &AuxRandElements<E>,
        result: &mut [E],
    ) where
        F: FieldElement<BaseField = Felt>,
        E: FieldElement<BaseField = Felt> + ExtensionOf<F>,
    {
        let alpha = random.rand_elements()[0];
        let main = main.current();
        let [bit4, bit5, bit6] = OPCODE_BITS_4_TO_6.map(|column| main[column]);
        let checks_stack = bit6 * (F::ONE - bit4) * (F::ONE - bit5);
        let [s0, s1, s2] = CHIPLET_SELECTORS.map(|column| main[column]);
        let is_memory = s0 * s1 * (F::ONE - s2);
        // What a row adds: fractions of these numerators over alpha plus the column's value.
        let fractions: Vec<(F, E)> = [(RANGE_VALUE, main[RANGE_MULTIPLICITY])]
            .into_iter()
            .chain(STACK_LOOKUPS.map(|column| (column, -checks_stack)))
            .chain(MEMORY_LOOKUPS.map(|column| (column, -is_memory)))
            .map(|(column, numerator)| (numerator, alpha + E::from(main[column])))
            .collect();
        let product_without = |skipped: usize| {
            let factors = fractions.iter().enumerate();
            factors
                .filter(|&(i, _)| i != skipped)
                .fold(E::ONE, |product, (_, &(_, factor))| product * factor)
        };
        let product = product_without(fractions.len());
        let added = fractions
            .iter()
            .enumerate()
            .fold(E::ZERO, |sum, (i, &(numerator, _))| {
                sum + product_without(i).mul_base(numerator)
            });
        let step = aux.current()[RANGE_BUS] - aux.next()[RANGE_BUS];
        result[0] = step * product + added;
    }
}

/// Returns the value that the bus of chiplets starts from: the inverse of the product of the
/// kernel's messages.
pub fn kernel_bus<E: FieldElement<BaseField = Felt>>(kernel: &[Word], alpha: E, beta: E) -> E {
    let messages = kernel.iter().map(|digest| {
        let coordinates = [Felt::new(KERNEL_LABEL)].into_iter().chain(*digest);
        let (message, _) = coordinates.fold((alpha, E::from(ONE)), |(sum, power), coordinate| {
            (sum + power.mul_base(coordinate), power * beta)
        });
        message
    });
    messages
        .fold(E::ONE, |product, message| product * message)
        .inv()
}
