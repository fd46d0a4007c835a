//! Proves the same programs with this project and with the published peers, in the same process
//! shape and with the same build flags, so that the figures can be set side by side.
//!
//! A [`Contender`] assembles a [`Program`] with its own assembler and core library and proves it.
//! `benches/prove.rs` times that with criterion; the `peak` binary measures each contender in a
//! process of its own, since peak memory belongs to a process, and prints the ratios.

mod contender;
mod cycles;
mod measurement;
mod miden_0_20;
mod miden_0_23;
mod miden_cvm;
mod plain;
mod program;
mod table;

pub use contender::{Contender, ContenderError, Prepared, Proven, Rows, Stage};
pub use cycles::{Cost, Means, Subject, costs};
pub use measurement::{Measurement, MeasurementError};
pub use miden_0_20::Miden0_20;
pub use miden_0_23::Miden0_23;
pub use miden_cvm::MidenCvm;
pub use plain::{PlainSource, advice_entry};
pub use program::{Code, InputsError, PROGRAMS, Program, Task};
pub use table::{Comparison, ComparisonError};

/// All contenders, in the order in which they are reported.
pub const CONTENDERS: [&dyn Contender; 3] = [&MidenCvm, &Miden0_20, &Miden0_23];
