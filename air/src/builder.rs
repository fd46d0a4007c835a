//! Declaration, evaluation, listing and checking of constraints.

use alloc::{string::String, vec::Vec};

use miden_core::Felt;
use winter_math::FieldElement;

use crate::{
    algebra::Algebra,
    columns::{
        BitwiseRow, Cells, CircuitRow, CoreRow, HasherRow, InstanceRow, MemoryRow, RangeRow,
        ResourceRow, RomRow,
    },
};

/// Length of the cycle that the periodic columns have: one permutation of the hasher.
pub const PERIOD: usize = 8;

/// Number of periodic columns.
pub const NUM_PERIODIC: usize = size_of::<Periodic<u8>>();

/// The periodic columns.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Periodic<T> {
    /// 1 on row 0 of a cycle.
    pub first: T,
    /// 1 on row 7 of a cycle.
    pub last: T,
    /// 1 on the odd rows.
    pub odd: T,
    /// Round constants added before the S-box; zero on row 7.
    pub ark1: [T; 12],
    /// Round constants added before the inverse S-box; zero on row 7.
    pub ark2: [T; 12],
}

// SAFETY: `#[repr(C)]` with fields of `T` only.
unsafe impl<T> Cells<T> for Periodic<T> {}

/// The view of a table that its constraints have: two consecutive rows of the table, the periodic
/// columns, and whether the program is a composition.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a, R, E> {
    /// The current row.
    pub cur: &'a R,
    /// The next row.
    pub next: &'a R,
    /// Values of the periodic columns at the current row.
    pub periodic: &'a Periodic<E>,
    /// 1 if the program is a composition, 0 if it is open; a constant.
    pub composed: E,
}

/// Two consecutive rows of the core.
pub type CoreFrame<'a, E> = Frame<'a, CoreRow<E>, E>;
/// Two consecutive rows of the range table.
pub type RangeFrame<'a, E> = Frame<'a, RangeRow<E>, E>;
/// Two consecutive rows of the hasher.
pub type HasherFrame<'a, E> = Frame<'a, HasherRow<E>, E>;
/// Two consecutive rows of the memory.
pub type MemoryFrame<'a, E> = Frame<'a, MemoryRow<E>, E>;
/// Two consecutive rows of the bitwise table.
pub type BitwiseFrame<'a, E> = Frame<'a, BitwiseRow<E>, E>;
/// Two consecutive rows of the resource tables.
pub type ResourceFrame<'a, E> = Frame<'a, ResourceRow<E>, E>;
/// Two consecutive rows of the ROM.
pub type RomFrame<'a, E> = Frame<'a, RomRow<E>, E>;
/// Two consecutive rows of the evaluations of circuits.
pub type CircuitFrame<'a, E> = Frame<'a, CircuitRow<E>, E>;
/// Two consecutive rows of the installed instances.
pub type InstanceFrame<'a, E> = Frame<'a, InstanceRow<E>, E>;

/// Receives the constraints of a table, always in the same order.
pub trait ConstraintBuilder {
    /// The values that constraints compute with.
    type Expr: Algebra;

    /// Takes a constraint: `value` is zero on every row but the last. A member of a family has a number.
    fn constrain(
        &mut self,
        family: &'static str,
        member: Option<usize>,
        degree: usize,
        value: Self::Expr,
    );

    /// Declares that `value` is zero on every row but the last, with its name and degree.
    fn assert_zero(&mut self, name: &'static str, degree: usize, value: Self::Expr) {
        self.constrain(name, None, degree, value);
    }

    /// Declares a family of constraints; member `i` is listed as `name[i]`.
    fn assert_zeros<const N: usize>(
        &mut self,
        name: &'static str,
        degree: usize,
        values: [Self::Expr; N],
    ) {
        for (member, value) in values.into_iter().enumerate() {
            self.constrain(name, Some(member), degree, value);
        }
    }
}

/// The name of a constraint, with the number of the member if it is one of a family.
pub fn constraint_name(family: &str, member: Option<usize>) -> String {
    match member {
        Some(member) => alloc::format!("{family}[{member}]"),
        None => family.into(),
    }
}

/// Writes the values of the constraints into a slice.
#[derive(Debug)]
pub struct Evaluator<'a, E> {
    results: &'a mut [E],
    next: usize,
}

impl<'a, E> Evaluator<'a, E> {
    /// Returns a builder that fills `results` from the front.
    pub fn new(results: &'a mut [E]) -> Self {
        Self { results, next: 0 }
    }
}

impl<E: Algebra> ConstraintBuilder for Evaluator<'_, E> {
    type Expr = E;

    fn constrain(&mut self, _: &'static str, _: Option<usize>, _: usize, value: E) {
        self.results[self.next] = value;
        self.next += 1;
    }
}

/// A constraint as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConstraintInfo {
    /// Name of the constraint, `section.what` or `section.what[i]`.
    pub name: String,
    /// The degree that it declares.
    pub degree: usize,
    /// The degree of its expression.
    pub actual: usize,
}

/// Collects the constraints that a pair of rows violates.
#[derive(Debug, Default)]
pub struct Violations {
    /// Names and values of the violated constraints.
    pub found: Vec<(String, Felt)>,
}

impl ConstraintBuilder for Violations {
    type Expr = Felt;

    fn constrain(&mut self, family: &'static str, member: Option<usize>, _: usize, value: Felt) {
        if value != <Felt as FieldElement>::ZERO {
            self.found.push((constraint_name(family, member), value));
        }
    }
}
