//! A compiler from WebAssembly to Miden assembly.
//!
//! [`compile`] takes a core module and gives one module of Miden assembly, and the memory that an instance
//! of it begins with. The functions of the module are procedures, linear memory is the instance's memory,
//! and data segments are static data. What is not supported (floats, vectors) is refused by
//! the name of the function that needs it, if an export can reach that function.

#![forbid(unsafe_code)]

mod cases;
mod compile;
mod emit;
mod entry;
mod error;
mod facts;
mod fold;
mod graph;
mod ir;
mod layout;
mod limits;
mod lines;
mod liveness;
mod machine;
mod module;
mod names;
mod permute;
mod runtime;
mod spill;
mod tails;
mod translate;
mod webs;

pub use compile::{Cell, Compiled, Export, Options, compile};
pub use error::{LineFault, WasmError};
pub use ir::{CallingConvention, Import, ValueType};
pub use lines::{LineTable, SourceLines};
pub use names::readable;
