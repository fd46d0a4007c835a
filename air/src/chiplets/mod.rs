//! The chiplets: the tables that answer the core. Hasher, memory, bitwise operations, resource
//! tables, public records and circuits.

pub mod bitwise;
pub mod circuits;
pub mod hasher;
pub mod memory;
pub mod resources;
pub mod rom;
pub mod rpo;
