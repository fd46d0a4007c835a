//! The execution trace: what the prover proves.

mod core;
mod inverse;
