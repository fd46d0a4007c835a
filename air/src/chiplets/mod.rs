//! The chiplets: hasher, bitwise, memory and ROM, below each other in shared columns.

use crate::{
    builder::{ConstraintBuilder, Frame},
    lookup::LookupBuilder,
};

/// Constraints of all chiplets.
#[inline(always)]
pub fn constraints<B: ConstraintBuilder>(_frame: &Frame<'_, B::Expr>, _b: &mut B) {}

/// Messages of all chiplets.
#[inline(always)]
pub fn lookups<B: LookupBuilder>(_frame: &Frame<'_, B::Expr>, _b: &mut B) {}
