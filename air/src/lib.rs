//! The algebraic intermediate representation of Miden CVM: trace columns, constraints, lookups and
//! public inputs.
//!
//! Each section of the trace (system, decoder, stack, range tables, chiplets) is a module with two
//! functions, generic over the values they compute with: `constraints` declares what holds between
//! two rows, `lookups` what a row sends to and receives from the buses. [`constraints`] and
//! [`lookups`] call them all; everything else (Winterfell's AIR, the prover's auxiliary columns, the
//! debug check, the tables in the book) is derived from these two.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

pub mod air;
pub mod algebra;
pub mod builder;
pub mod check;
pub mod chiplets;
pub mod columns;
pub mod composition;
pub mod decoder;
mod hasher_constants;
pub mod lookup;
pub mod opcode;
pub mod options;
pub mod proof;
pub mod public;
pub mod quadratic;
pub mod range;
pub mod requests;
pub mod security;
pub mod stack;
pub mod system;

use builder::{ConstraintBuilder, Frame};
use lookup::LookupBuilder;
use opcode::OpFlags;

/// The highest degree that a constraint may have: blowup 4 is enough for it.
pub const MAX_DEGREE: usize = 5;

/// Declares every transition constraint of the main trace.
#[inline]
pub fn constraints<B: ConstraintBuilder>(frame: &Frame<'_, B::Expr>, builder: &mut B) {
    let ops = OpFlags::new(&frame.cur.core.op);
    let next_ops = OpFlags::new(&frame.next.core.op);
    system::constraints(frame, &ops, builder);
    decoder::constraints(frame, &ops, &next_ops, builder);
    stack::constraints(frame, &ops, builder);
    range::constraints(frame, builder);
    chiplets::constraints(frame, builder);
}

/// Declares every message that a row sends or receives.
#[inline]
pub fn lookups<B: LookupBuilder>(frame: &Frame<'_, B::Expr>, builder: &mut B) {
    let ops = OpFlags::new(&frame.cur.core.op);
    decoder::lookups(frame, &ops, builder);
    stack::lookups(frame, &ops, builder);
    range::lookups(frame, builder);
    chiplets::lookups(frame, builder);
}
