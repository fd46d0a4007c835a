//! The degrees that constraints declare, compared with what their values do: on a random
//! line through the space of cells, where a constraint is a polynomial of its own degree, and on traces of
//! random columns, where it is the polynomial that the protocol tests.

use core::array;
use std::collections::BTreeMap;

use miden_core::{
    Felt, Kernel, ONE, StackInputs, StackOutputs, Word, ZERO, crypto::random::RpoRandomCoin,
};
use miden_crypto::rand::FeltRng;
use miden_cvm_air::{
    MAX_DEGREE,
    air::{CvmAir, constraint_catalog, message_catalog, trace_info},
    builder::{Evaluator, Frame, NUM_PERIODIC, PERIOD, Periodic},
    columns::{MAIN_WIDTH, MainRow},
    composition::Composition,
    constraints,
    lookup::{Challenges, NUM_CHALLENGES, Packing, RowFractions},
    lookups,
    options::OptionSet,
    public::PublicInputs,
};
use winter_air::{Air, AuxRandElements, EvaluationFrame};
use winter_math::{FieldElement, StarkField, fft, polynom};

/// Members of families that are of lower degrees than their family declares.
const LOWER: [(&str, usize); 6] = [
    ("stack.next[12]", 4),
    ("stack.next[13]", 4),
    ("stack.u32_div[1]", 4),
    ("table.outcome_copies[0]", 3),
    ("table.outcome_copies[1]", 3),
    ("table.outcome_copies[2]", 3),
];

/// Rows of the random traces.
const ROWS: usize = 64;

/// Steps of the domain for each row: polynomials of higher degrees than the AIR's are told apart.
const BLOWUP: usize = 8;

fn random() -> RpoRandomCoin {
    RpoRandomCoin::new([7, 0, 0, 0].map(Felt::new).into())
}

fn draw(random: &mut RpoRandomCoin, count: usize) -> Vec<Felt> {
    (0..count).map(|_| random.draw_element()).collect()
}

/// Something that the AIR constrains.
struct Declared {
    name: String,
    /// The degree that it declares.
    degree: usize,
    /// The degree of the expression that it is written as.
    expression: usize,
}

/// All transition constraints of the main segment, then those of the auxiliary one.
fn declared() -> Vec<Declared> {
    let main = constraint_catalog().into_iter().map(|constraint| Declared {
        name: constraint.name,
        degree: constraint.degree,
        expression: constraint.actual,
    });
    let packing = Packing::new(&message_catalog());
    let aux = packing.degrees.into_iter().enumerate();
    let aux = aux.map(|(column, degree)| Declared {
        name: format!("auxiliary column {column}"),
        degree,
        expression: degree,
    });
    main.chain(aux).collect()
}

/// A random curve through the space of cells: those of two rows of both segments, and the periodic
/// columns.
struct Curve {
    composed: Felt,
    packing: Packing,
    from: Vec<Felt>,
    by: Vec<Felt>,
    /// By periodic column, then for all other cells: the degree of what a cell is along the curve.
    degrees: [usize; NUM_PERIODIC + 1],
    challenges: Vec<Felt>,
    constraints: usize,
}

impl Curve {
    fn new(composed: bool, degrees: [usize; NUM_PERIODIC + 1]) -> Self {
        let mut random = random();
        let packing = Packing::new(&message_catalog());
        let cells = NUM_PERIODIC + 2 * (MAIN_WIDTH + packing.width());
        Self {
            composed: if composed { ONE } else { ZERO },
            packing,
            from: draw(&mut random, cells),
            by: draw(&mut random, cells),
            degrees,
            challenges: draw(&mut random, NUM_CHALLENGES),
            constraints: constraint_catalog().len(),
        }
    }

    /// The values of all constraints at a point.
    fn evaluate(&self, at: Felt) -> Vec<Felt> {
        let cells: Vec<Felt> = (self.from.iter().zip(&self.by).enumerate())
            .map(
                |(i, (&from, &by))| match self.degrees[i.min(NUM_PERIODIC)] {
                    0 => from,
                    degree => from + by * at.exp(degree as u64),
                },
            )
            .collect();
        let (periodic, cells) = cells.split_at(NUM_PERIODIC);
        let (main, aux) = cells.split_at(2 * MAIN_WIDTH);
        let (cur, next) = main.split_at(MAIN_WIDTH);
        let frame = Frame {
            cur: MainRow::from_cells(cur),
            next: MainRow::from_cells(next),
            periodic: Periodic::from_cells(periodic),
            composed: self.composed,
        };
        let mut values = vec![ZERO; self.constraints + self.packing.width()];
        let (main_values, aux_values) = values.split_at_mut(self.constraints);
        constraints(&frame, &mut Evaluator::new(main_values));
        let mut row = RowFractions::default();
        lookups(&frame, &mut row);
        let challenges = Challenges::new(&self.challenges);
        let (cur, next) = aux.split_at(self.packing.width());
        self.packing
            .evaluate(&row, &challenges, cur, next, aux_values);
        values
    }

    /// The degrees of all constraints along the curve.
    fn measure(&self) -> Vec<usize> {
        let highest = self.degrees.iter().max().unwrap_or(&1);
        // Enough points to see degrees that are too high.
        let points = 1 + highest * (MAX_DEGREE + 2);
        let points: Vec<Felt> = (1..=points as u64).map(Felt::new).collect();
        let values: Vec<_> = points.iter().map(|&point| self.evaluate(point)).collect();
        (0..values[0].len())
            .map(|i| {
                let values: Vec<Felt> = values.iter().map(|values| values[i]).collect();
                polynom::degree_of(&polynom::interpolate(&points, &values, false))
            })
            .collect()
    }
}

/// The larger of what holds for open programs and for compositions.
fn either(degrees: impl Fn(bool) -> Vec<usize>) -> Vec<usize> {
    let (open, composed) = (degrees(false), degrees(true));
    open.into_iter()
        .zip(composed)
        .map(|(a, b)| a.max(b))
        .collect()
}

/// The degrees of all constraints along a curve: on a line, their own.
fn curve_degrees(degrees: [usize; NUM_PERIODIC + 1]) -> Vec<usize> {
    either(|composed| Curve::new(composed, degrees).measure())
}

/// Every constraint has the degree that it declares. A family declares one degree for its members:
/// those that have less are listed.
#[test]
fn degrees_are_what_is_declared() {
    let lower = BTreeMap::from(LOWER);
    for (declared, actual) in declared().into_iter().zip(curve_degrees([1; _])) {
        let name = declared.name;
        let expected = *lower.get(name.as_str()).unwrap_or(&declared.degree);
        assert_eq!(actual, expected, "the degree of {name}");
        assert_eq!(actual, declared.expression, "{name} as it is written");
        assert!(actual <= declared.degree, "{name} declares less");
        assert!(declared.degree <= MAX_DEGREE, "{name} declares too much");
    }
}

/// Public inputs of an open program, or of a composition.
fn public(composed: bool) -> PublicInputs {
    PublicInputs {
        program_hash: Word::default(),
        kernel: Kernel::default(),
        composition: composed
            .then(|| Composition::new(1, Vec::new(), Vec::new()).expect("one instance is enough")),
        stack_inputs: StackInputs::default(),
        stack_outputs: StackOutputs::default(),
        precompile_transcript: Word::default(),
    }
}

fn air(composed: bool) -> CvmAir {
    let options = OptionSet::Fast96.proof_options();
    CvmAir::new(trace_info(ROWS), public(composed), options)
}

/// The degrees, as polynomials over the trace domain, of all constraints on a trace of random
/// columns.
fn trace_degrees(composed: bool) -> Vec<usize> {
    let air = air(composed);
    let mut random = random();
    let size = ROWS * BLOWUP;
    let twiddles = fft::get_twiddles::<Felt>(size);
    let aux_width = air.packing().width();
    let columns: Vec<Vec<Felt>> = (0..MAIN_WIDTH + aux_width)
        .map(|_| {
            let mut column = draw(&mut random, ROWS);
            column.resize(size, ZERO);
            fft::evaluate_poly(&mut column, &twiddles);
            column
        })
        .collect();
    let row = |step: usize| {
        let cells = columns.iter().map(|column| column[step % size]);
        let mut main: Vec<Felt> = cells.collect();
        let aux = main.split_off(MAIN_WIDTH);
        (main, aux)
    };
    let challenges = AuxRandElements::new(draw(&mut random, NUM_CHALLENGES));
    let periodic_polys = air.get_periodic_column_polys();
    let generator = Felt::get_root_of_unity(size.ilog2());

    let main_constraints = constraint_catalog().len();
    let mut values = vec![Vec::with_capacity(size); main_constraints + aux_width];
    for step in 0..size {
        let (cur, next) = (row(step), row(step + BLOWUP));
        let x = generator.exp((step * ROWS / PERIOD) as u64);
        let periodic: Vec<Felt> = periodic_polys.iter().map(|p| polynom::eval(p, x)).collect();
        let main = EvaluationFrame::from_rows(cur.0, next.0);
        let aux = EvaluationFrame::from_rows(cur.1, next.1);
        let mut results = vec![ZERO; values.len()];
        let (main_results, aux_results) = results.split_at_mut(main_constraints);
        air.evaluate_transition(&main, &periodic, main_results);
        air.evaluate_aux_transition(&main, &aux, &periodic, &challenges, aux_results);
        for (values, result) in values.iter_mut().zip(results) {
            values.push(result);
        }
    }
    let inverse_twiddles = fft::get_inv_twiddles::<Felt>(size);
    let degrees = values.into_iter().map(|mut values| {
        fft::interpolate_poly(&mut values, &inverse_twiddles);
        polynom::degree_of(&values)
    });
    degrees.collect()
}

/// On random traces the constraints are polynomials of the degrees that the protocol counts on. A
/// periodic column is a polynomial in `x^(ROWS / PERIOD)`, so it is of a lower degree than a column.
#[test]
fn degrees_are_those_of_random_traces() {
    let air = air(false);
    let periodic = air.get_periodic_column_polys();
    let columns_only: [usize; NUM_PERIODIC + 1] =
        array::from_fn(|i| usize::from(i == NUM_PERIODIC));
    let weighted = array::from_fn(|i| periodic.get(i).map_or(PERIOD, |p| polynom::degree_of(p)));
    let columns_only = curve_degrees(columns_only);
    let weighted = curve_degrees(weighted);
    let on_traces = either(trace_degrees);
    for (i, declared) in declared().into_iter().enumerate() {
        let Declared { name, degree, .. } = declared;
        let columns = columns_only[i];
        let rest = weighted[i] - PERIOD * columns;
        let expected = columns * (ROWS - 1) + rest * ROWS / PERIOD;
        assert_eq!(on_traces[i], expected, "{name}");
        assert!(on_traces[i] <= degree * (ROWS - 1), "{name}");
    }
}
