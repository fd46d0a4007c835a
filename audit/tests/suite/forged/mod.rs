//! Forged traces: what a cheating prover would try, and the constraint or bus that refuses it.
//!
//! Each test takes the trace of an honest run and changes it *consistently*: [`Forgery`] computes
//! everything anew that the prover chooses freely (multiplicities, the range and byte tables, the
//! order of the memory accesses, hash computations), so that nothing but the rule under attack is
//! left to object. The tests name all violations where they can, not only the one that matters.

mod alone;
mod boundary;
mod callers;
mod calls;
mod campaign;
pub mod cells;
mod circuits;
mod code;
mod components;
mod control;
mod crypto;
mod data;
mod forms;
mod fresh;
mod held;
mod installed;
mod memory;
mod memory_io;
mod operations;
mod polynomials;
mod public;
mod recursive;
mod resources;
pub mod results;
mod saving;
mod sequence;
mod streams;
mod tables;
pub mod toolkit;
mod types;
mod wired;

use toolkit::Forgery;
