//! The system columns.
use crate::{
    builder::{ConstraintBuilder, Frame},
    opcode::OpFlags,
};

/// Constraints of the system columns.
#[inline(always)]
pub fn constraints<B: ConstraintBuilder>(
    _frame: &Frame<'_, B::Expr>,
    _ops: &OpFlags<B::Expr>,
    _b: &mut B,
) {
}
