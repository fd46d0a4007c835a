//! The degrees that constraints declare, compared with what their values do: on a random
//! line through the space of cells, where a constraint is a polynomial of its own degree, and on traces of
//! random columns, where it is the polynomial that the protocol tests.

use core::array;
use std::collections::BTreeMap;

use miden_core::{Felt, ONE, ZERO, crypto::random::RpoRandomCoin};
use miden_crypto::rand::FeltRng;
use miden_cvm_air::{
    MAX_DEGREE,
    air::periodic_polynomials,
    builder::{Evaluator, NUM_PERIODIC, PERIOD, Periodic},
    columns::Cells,
    lookup::{Challenges, NUM_CHALLENGES, Packing, RowFractions},
    table::{Table, Window},
};
use winter_math::{FieldElement, StarkField, fft, polynom};

/// Members of families that are of lower degrees than their family declares.
const LOWER: [(&str, usize); 6] = [
    ("stack.next[12]", 4),
    ("stack.next[13]", 4),
    ("stack.u32_div[1]", 4),
    ("resources.outcome_copies[0]", 2),
    ("resources.outcome_copies[1]", 2),
    ("resources.outcome_copies[2]", 2),
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

/// All transition constraints of a table's main columns, then those of the auxiliary ones.
fn declared(table: Table) -> Vec<Declared> {
    let main = table
        .constraint_catalog()
        .into_iter()
        .map(|constraint| Declared {
            name: constraint.name,
            degree: constraint.degree,
            expression: constraint.actual,
        });
    let packing = table.packing();
    let aux = packing.degrees.into_iter().enumerate();
    let aux = aux.map(|(column, degree)| Declared {
        name: format!("auxiliary column {column} of {}", table.name()),
        degree,
        expression: degree,
    });
    main.chain(aux).collect()
}

/// A random curve through the space of cells: those of two rows of a table's main and auxiliary
/// columns, and the periodic columns.
struct Curve {
    table: Table,
    composed: Felt,
    packing: Packing,
    from: Vec<Felt>,
    by: Vec<Felt>,
    /// By periodic column, then for all other cells: the degree of what a cell is along the curve.
    degrees: [usize; NUM_PERIODIC + 1],
    challenges: Vec<Felt>,
}

/// The values of all constraints on two rows.
fn evaluate(
    table: Table,
    packing: &Packing,
    rows: &Window<'_, Felt>,
    [aux, aux_next]: [&[Felt]; 2],
    challenges: &[Felt],
) -> Vec<Felt> {
    let constraints = table.constraint_catalog().len();
    let mut values = vec![ZERO; constraints + packing.width()];
    let (main_values, aux_values) = values.split_at_mut(constraints);
    table.constraints(rows, &mut Evaluator::new(main_values));
    let mut row = RowFractions::default();
    table.lookups(rows, &mut row);
    let challenges = Challenges::new(challenges);
    packing.evaluate(&row, &challenges, aux, aux_next, aux_values);
    values
}

impl Curve {
    fn new(table: Table, composed: bool, degrees: [usize; NUM_PERIODIC + 1]) -> Self {
        let mut random = random();
        let packing = table.packing();
        let cells = NUM_PERIODIC + 2 * (table.width() + packing.width());
        Self {
            table,
            composed: if composed { ONE } else { ZERO },
            packing,
            from: draw(&mut random, cells),
            by: draw(&mut random, cells),
            degrees,
            challenges: draw(&mut random, NUM_CHALLENGES),
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
        let (main, aux) = cells.split_at(2 * self.table.width());
        let (cur, next) = main.split_at(self.table.width());
        let rows = Window {
            cur,
            next,
            periodic: Periodic::from_cells(periodic),
            composed: self.composed,
        };
        let (cur, next) = aux.split_at(self.packing.width());
        evaluate(
            self.table,
            &self.packing,
            &rows,
            [cur, next],
            &self.challenges,
        )
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
fn curve_degrees(table: Table, degrees: [usize; NUM_PERIODIC + 1]) -> Vec<usize> {
    either(|composed| Curve::new(table, composed, degrees).measure())
}

/// Every constraint has the degree that it declares. A family declares one degree for its members:
/// those that have less are listed.
#[test]
fn degrees_are_what_is_declared() {
    let lower = BTreeMap::from(LOWER);
    for (declared, actual) in Table::ALL.into_iter().flat_map(|table| {
        let degrees = curve_degrees(table, [1; _]);
        declared(table).into_iter().zip(degrees).collect::<Vec<_>>()
    }) {
        let name = declared.name;
        let expected = *lower.get(name.as_str()).unwrap_or(&declared.degree);
        assert_eq!(actual, expected, "the degree of {name}");
        assert_eq!(actual, declared.expression, "{name} as it is written");
        assert!(actual <= declared.degree, "{name} declares less");
        assert!(declared.degree <= MAX_DEGREE, "{name} declares too much");
    }
}

/// The degrees, as polynomials over the table's domain, of all constraints on a table of random
/// columns.
fn trace_degrees(table: Table, composed: bool) -> Vec<usize> {
    let mut random = random();
    let size = ROWS * BLOWUP;
    let twiddles = fft::get_twiddles::<Felt>(size);
    let packing = table.packing();
    let columns: Vec<Vec<Felt>> = (0..table.width() + packing.width())
        .map(|_| {
            let mut column = draw(&mut random, ROWS);
            column.resize(size, ZERO);
            fft::evaluate_poly(&mut column, &twiddles);
            column
        })
        .collect();
    let row =
        |step: usize| -> Vec<Felt> { columns.iter().map(|column| column[step % size]).collect() };
    let challenges = draw(&mut random, NUM_CHALLENGES);
    let periodic = periodic_polynomials();
    let generator = Felt::get_root_of_unity(size.ilog2());

    let mut values: Vec<Vec<Felt>> = Vec::new();
    for step in 0..size {
        let (cur, next) = (row(step), row(step + BLOWUP));
        let (cur, aux) = cur.split_at(table.width());
        let (next, aux_next) = next.split_at(table.width());
        let x = generator.exp((step * ROWS / PERIOD) as u64);
        let periodic: Vec<Felt> = periodic.iter().map(|p| polynom::eval(p, x)).collect();
        let rows = Window {
            cur,
            next,
            periodic: Periodic::from_cells(&periodic),
            composed: if composed { ONE } else { ZERO },
        };
        let results = evaluate(table, &packing, &rows, [aux, aux_next], &challenges);
        values.resize(results.len(), Vec::with_capacity(size));
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

/// On random tables the constraints are polynomials of the degrees that the protocol counts on. A
/// periodic column is a polynomial in `x^(ROWS / PERIOD)`, so it is of a lower degree than a column.
#[test]
fn degrees_are_those_of_random_tables() {
    let periodic = periodic_polynomials();
    let columns_only: [usize; NUM_PERIODIC + 1] =
        array::from_fn(|i| usize::from(i == NUM_PERIODIC));
    let weighted = array::from_fn(|i| periodic.get(i).map_or(PERIOD, |p| polynom::degree_of(p)));
    for table in Table::ALL {
        let columns_only = curve_degrees(table, columns_only);
        let weighted = curve_degrees(table, weighted);
        let on_tables = either(|composed| trace_degrees(table, composed));
        for (i, declared) in declared(table).into_iter().enumerate() {
            let Declared { name, degree, .. } = declared;
            let columns = columns_only[i];
            let rest = weighted[i] - PERIOD * columns;
            let expected = columns * (ROWS - 1) + rest * ROWS / PERIOD;
            assert_eq!(on_tables[i], expected, "{name}");
            assert!(on_tables[i] <= degree * (ROWS - 1), "{name}");
        }
    }
}
