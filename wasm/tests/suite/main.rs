//! Compiled modules, executed.

mod instructions;
mod kernels;
mod specification;
mod support;
