//! The chiplets: the tables that answer the core. Hasher, memory, bitwise operations, resource
//! tables, public records, circuits, and the instances that a program installs.

pub mod bitwise;
pub mod circuits;
pub mod hasher;
pub mod instances;
pub mod memory;
pub mod resources;
pub mod rom;
pub mod rpo;
