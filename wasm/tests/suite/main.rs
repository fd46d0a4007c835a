//! Compiled modules, executed.

mod instructions;
mod kernels;
mod lines;
mod specification;
mod support;
