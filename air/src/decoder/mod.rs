//! The decoder: which operation each row executes, and that the rows together execute the program.
//!
//! * [`sequence`]: opcodes, and which row may follow which.
//! * [`batch`]: the operations of a basic block, out of the groups that its hash binds.
//! * [`block`]: the tree of blocks: entering, leaving, hashing, repeating.
//! * [`call`]: calls, in open programs and in compositions.

pub mod batch;
pub mod block;
pub mod call;
pub mod sequence;

use crate::{
    builder::{ConstraintBuilder, CoreFrame},
    lookup::LookupBuilder,
    opcode::OpFlags,
};

/// Constraints of the decoder.
#[inline(always)]
pub fn constraints<B: ConstraintBuilder>(
    frame: &CoreFrame<'_, B::Expr>,
    ops: &OpFlags<B::Expr>,
    next_ops: &OpFlags<B::Expr>,
    b: &mut B,
) {
    sequence::constraints(frame, ops, next_ops, b);
    batch::constraints(frame, ops, next_ops, b);
    block::constraints(frame, ops, next_ops, b);
    call::constraints(frame, ops, b);
}

/// Messages of the decoder.
#[inline(always)]
pub fn lookups<B: LookupBuilder>(
    frame: &CoreFrame<'_, B::Expr>,
    ops: &OpFlags<B::Expr>,
    b: &mut B,
) {
    block::lookups(frame, ops, b);
    call::lookups(frame, ops, b);
}
