//! Compiled modules, executed.

mod instructions;
mod kernels;
mod support;
