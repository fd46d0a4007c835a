//! The decoder.

use crate::{
    builder::{ConstraintBuilder, Frame},
    lookup::LookupBuilder,
    opcode::OpFlags,
};

/// Constraints of the decoder.
#[inline(always)]
pub fn constraints<B: ConstraintBuilder>(
    _frame: &Frame<'_, B::Expr>,
    _ops: &OpFlags<B::Expr>,
    _next_ops: &OpFlags<B::Expr>,
    _b: &mut B,
) {
}

/// Messages of the decoder.
#[inline(always)]
pub fn lookups<B: LookupBuilder>(_frame: &Frame<'_, B::Expr>, _ops: &OpFlags<B::Expr>, _b: &mut B) {
}
