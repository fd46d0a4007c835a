//! The chiplets: the tables that answer the core. Hasher, memory, bitwise operations, resource
//! tables, public records and circuits.

pub mod ace;
pub mod bitwise;
pub mod hasher;
pub mod memory;
pub mod rom;
pub mod rpo;
pub mod table;
