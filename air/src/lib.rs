#![cfg_attr(not(feature = "std"), no_std)]
//! Placeholder
extern crate alloc;
pub mod composition;
pub mod algebra;
