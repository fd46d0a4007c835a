//! Derivatives: what constraints and messages do when a cell begins to move.

use core::ops::{Add, AddAssign, Mul, Neg, Sub, SubAssign};

use miden_core::{Felt, ONE, ZERO};
use miden_cvm_air::{
    algebra::Algebra,
    builder::{ConstraintBuilder, NUM_PERIODIC, Periodic},
    columns::{Cells, cells_of},
    lookup::{Bus, Content, LookupBuilder, Slot},
    table::{Table, Window},
};

/// A value, and how fast it changes.
#[derive(Debug, Clone, Copy)]
pub struct Dual {
    value: Felt,
    slope: Felt,
}

impl Dual {
    fn constant(value: Felt) -> Self {
        Self { value, slope: ZERO }
    }
}

impl Add for Dual {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self {
            value: self.value + other.value,
            slope: self.slope + other.slope,
        }
    }
}

impl Sub for Dual {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self {
            value: self.value - other.value,
            slope: self.slope - other.slope,
        }
    }
}

impl Mul for Dual {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        Self {
            value: self.value * other.value,
            slope: self.value * other.slope + self.slope * other.value,
        }
    }
}

impl Neg for Dual {
    type Output = Self;
    fn neg(self) -> Self {
        Self {
            value: -self.value,
            slope: -self.slope,
        }
    }
}

impl AddAssign for Dual {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for Dual {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl Algebra for Dual {
    const ZERO: Self = Self {
        value: ZERO,
        slope: ZERO,
    };
    const ONE: Self = Self {
        value: ONE,
        slope: ZERO,
    };

    fn constant(value: Felt) -> Self {
        Self::constant(value)
    }

    fn scale(self, factor: Felt) -> Self {
        Self {
            value: self.value * factor,
            slope: self.slope * factor,
        }
    }
}

/// Collects the slopes of everything that binds a pair of rows, always in the same order.
struct Slopes<'a, F> {
    slopes: Vec<Felt>,
    /// Returns `true` if the messages of a bus are bound, which they are not if the prover may look
    /// up anything else.
    bound: &'a F,
}

impl<F> ConstraintBuilder for Slopes<'_, F> {
    type Expr = Dual;

    fn constrain(&mut self, _: &'static str, _: Option<usize>, _: usize, value: Dual) {
        self.slopes.push(value.slope);
    }
}

impl<F: Fn(Bus) -> bool> LookupBuilder for Slopes<'_, F> {
    type Expr = Dual;

    fn send(&mut self, _: Slot, _: &'static str, _: Dual, count: Dual, content: Content<'_, Dual>) {
        let bound = (self.bound)(content.bus);
        let sent = bound && count.value != ZERO;
        self.slopes.push(if bound { count.slope } else { ZERO });
        self.slopes.extend(content.coordinates.iter().map(
            |cell| {
                if sent { cell.slope } else { ZERO }
            },
        ));
    }
}

/// Two rows of a table with the periodic columns, as duals.
pub struct DualFrame {
    table: Table,
    rows: [Vec<Dual>; 2],
    periodic: Periodic<Dual>,
    composed: Dual,
}

impl DualFrame {
    /// Two rows; `moving` are the cells (of the current and of the next row) that move, with their
    /// slopes.
    pub fn new(table: Table, rows: &Window<'_, Felt>, moving: &[(bool, usize, Felt)]) -> Self {
        let lift = |row: &[Felt]| row.iter().copied().map(Dual::constant).collect::<Vec<_>>();
        let mut lifted = [lift(rows.cur), lift(rows.next)];
        for &(next, column, slope) in moving {
            lifted[usize::from(next)][column].slope = slope;
        }
        let mut periodic = [Dual::ZERO; NUM_PERIODIC];
        for (dual, &cell) in periodic.iter_mut().zip(cells_of(rows.periodic)) {
            *dual = Dual::constant(cell);
        }
        Self {
            table,
            rows: lifted,
            periodic: *Periodic::from_cells(&periodic),
            composed: Dual::constant(rows.composed),
        }
    }

    fn rows(&self) -> Window<'_, Dual> {
        Window {
            cur: &self.rows[0],
            next: &self.rows[1],
            periodic: &self.periodic,
            composed: self.composed,
        }
    }

    /// The slopes of all constraints, and of the counts and coordinates of the messages that are
    /// bound.
    pub fn slopes(&self, bound: &impl Fn(Bus) -> bool) -> Vec<Felt> {
        let mut slopes = Slopes {
            slopes: Vec::new(),
            bound,
        };
        self.table.constraints(&self.rows(), &mut slopes);
        self.table.lookups(&self.rows(), &mut slopes);
        slopes.slopes
    }

    /// The slope of one coordinate of the message called `name`.
    pub fn coordinate_slope(&self, name: &'static str, coordinate: usize) -> Felt {
        let mut find = Coordinate {
            name,
            coordinate,
            slope: ZERO,
        };
        self.table.lookups(&self.rows(), &mut find);
        find.slope
    }
}

struct Coordinate {
    name: &'static str,
    coordinate: usize,
    slope: Felt,
}

impl LookupBuilder for Coordinate {
    type Expr = Dual;

    fn send(&mut self, _: Slot, name: &'static str, _: Dual, _: Dual, content: Content<'_, Dual>) {
        if name == self.name {
            let cell = content.coordinates.get(self.coordinate);
            self.slope = cell.map_or(ZERO, |cell| cell.slope);
        }
    }
}

/// A combination of the columns of a matrix that is zero in every row, if there is one: `columns`
/// are its columns. The entries of `free` choose among several.
pub fn kernel(columns: &[Vec<Felt>], mut free: impl FnMut() -> Felt) -> Option<Vec<Felt>> {
    let width = columns.len();
    let height = columns.first().map_or(0, Vec::len);
    // Rows in echelon form, by the column of their leading entry.
    let mut basis: Vec<Option<Vec<Felt>>> = vec![None; width];
    for i in 0..height {
        let mut row: Vec<Felt> = columns.iter().map(|column| column[i]).collect();
        for lead in 0..width {
            if row[lead] == ZERO {
                continue;
            }
            match &basis[lead] {
                Some(reducer) => {
                    let factor = row[lead];
                    for (cell, &by) in row.iter_mut().zip(reducer) {
                        *cell -= factor * by;
                    }
                }
                None => {
                    let inverse = ONE / row[lead];
                    row.iter_mut().for_each(|cell| *cell *= inverse);
                    basis[lead] = Some(row);
                    break;
                }
            }
        }
    }
    if basis.iter().all(Option::is_some) {
        return None;
    }
    let mut solution = vec![ZERO; width];
    for lead in (0..width).rev() {
        solution[lead] = match &basis[lead] {
            None => free(),
            Some(row) => -(lead + 1..width)
                .map(|i| row[i] * solution[i])
                .fold(ZERO, |sum, term| sum + term),
        };
    }
    solution
        .iter()
        .any(|&cell| cell != ZERO)
        .then_some(solution)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_orthogonal() {
        let felts = |cells: [u64; 3]| cells.map(Felt::new).to_vec();
        let columns = [felts([1, 2, 0]), felts([2, 4, 1]), felts([3, 6, 1])];
        let found = kernel(&columns, || ONE).expect("there is one");
        for row in 0..3 {
            let terms = columns.iter().zip(&found);
            let sum = terms.fold(ZERO, |sum, (column, &by)| sum + column[row] * by);
            assert_eq!(sum, ZERO);
        }
        let columns = [felts([1, 0, 0]), felts([5, 1, 0])];
        assert!(kernel(&columns, || ONE).is_none());
    }
}
