//! The algebraic intermediate representation of Miden CVM: tables with their columns, constraints,
//! lookups and public inputs, and what prover and verifier have to agree on of the protocol.
//!
//! Each table is a module, the core one for each of its sections (system, decoder, operand stack), with
//! two functions, generic over the values they compute with: `constraints` declares what holds
//! between two rows, `lookups` what a row sends to and receives from the buses. They are called once, with
//! values that [record](symbolic) what is done to them, for the [`table::Declaration`] of the table;
//! everything else (the combined constraints, the prover's auxiliary columns, the debug check, the tables in
//! the book) is derived from it.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

pub mod air;
pub mod algebra;
pub mod boundary;
pub mod builder;
pub mod canonical;
pub mod check;
pub mod chiplets;
pub mod claim;
pub mod coin;
pub mod columns;
pub mod committed;
pub mod component;
pub mod composition;
pub mod decoder;
mod element;
pub mod hash;
mod hasher_constants;
pub mod heights;
pub mod lookup;
pub mod memory_io;
pub mod ood;
pub mod opcode;
pub mod openings;
pub mod options;
pub mod proof;
pub mod public;
pub mod quadratic;
pub mod quotients;
pub mod range;
pub mod reader;
pub mod requests;
pub mod security;
pub mod stack;
pub mod symbolic;
pub mod system;
pub mod table;
pub mod transcript;
pub mod tree;

/// The highest degree that a constraint may have: blowup 4 is enough for it.
pub const MAX_DEGREE: usize = 5;
