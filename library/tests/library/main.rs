//! The corrected library and instructions.

mod advisories;
mod artifact;
mod instructions;
mod procedures;
mod support;
