//! The operand stack.
//!
//! Position `i` of the next row is a default, which the two shift columns determine, plus one
//! correction for each operation that does anything else there (`Transition`). The operations come
//! by family; a family says how it corrects the default, what it checks besides, and which messages
//! it sends and receives.

mod cipher;
mod condition;
mod control;
mod crypto;
mod field;
mod io;
mod manipulation;
mod polynomial;
mod saving;
mod shift;
mod system;
mod transition;
mod u32_ops;

#[cfg(test)]
mod tests;

use crate::{
    algebra::Algebra,
    builder::{ConstraintBuilder, CoreFrame},
    columns::CoreRow,
    lookup::LookupBuilder,
    opcode::OpFlags,
};
use transition::Transition;

/// The view of a frame that the operations have.
#[derive(Debug, Clone, Copy)]
struct Rows<'a, E> {
    cur: &'a CoreRow<E>,
    next: &'a CoreRow<E>,
    ops: &'a OpFlags<E>,
    composed: E,
}

impl<'a, E: Algebra> Rows<'a, E> {
    #[inline(always)]
    fn new(frame: &CoreFrame<'a, E>, ops: &'a OpFlags<E>) -> Self {
        Self {
            cur: frame.cur,
            next: frame.next,
            ops,
            composed: frame.composed,
        }
    }
}

/// Constraints of the operand stack.
#[inline(always)]
pub fn constraints<B: ConstraintBuilder>(
    frame: &CoreFrame<'_, B::Expr>,
    ops: &OpFlags<B::Expr>,
    b: &mut B,
) {
    let rows = Rows::new(frame, ops);
    shift::constraints(&rows, b);
    condition::constraints(&rows, b);

    let mut transition = Transition::new(&rows);
    manipulation::transition(&rows, &mut transition);
    field::transition(&rows, &mut transition);
    u32_ops::transition(&rows, &mut transition);
    io::transition(&rows, &mut transition);
    crypto::transition(&rows, &mut transition);
    polynomial::transition(&rows, &mut transition);
    cipher::transition(&rows, &mut transition);
    system::transition(&rows, &mut transition);
    control::transition(&rows, &mut transition);
    saving::transition(&rows, &mut transition);
    transition.constraints(b);

    field::constraints(&rows, b);
    u32_ops::constraints(&rows, b);
    polynomial::constraints(&rows, b);
    cipher::constraints(&rows, b);
    system::constraints(&rows, b);
    control::constraints(&rows, b);
    saving::constraints(&rows, b);
}

/// Messages of the operand stack.
#[inline(always)]
pub fn lookups<B: LookupBuilder>(
    frame: &CoreFrame<'_, B::Expr>,
    ops: &OpFlags<B::Expr>,
    b: &mut B,
) {
    let rows = Rows::new(frame, ops);
    shift::lookups(&rows, b);
    field::lookups(&rows, b);
    u32_ops::lookups(&rows, b);
    io::lookups(&rows, b);
    crypto::lookups(&rows, b);
    polynomial::lookups(&rows, b);
    cipher::lookups(&rows, b);
    system::lookups(&rows, b);
    control::lookups(&rows, b);
    saving::lookups(&rows, b);
}
