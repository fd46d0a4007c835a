//! Compiled modules, executed.

mod instructions;
mod kernels;
mod lines;
mod shapes;
mod specification;
mod support;
