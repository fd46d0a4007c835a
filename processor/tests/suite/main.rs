//! Tests of the executor as a whole.

#[path = "../common/mod.rs"]
mod common;

mod asynchronous;
mod callers;
mod circuits;
mod code;
mod composition;
mod constraints;
mod coverage;
mod decorators;
mod fresh;
mod held;
mod installed;
mod instantiation;
mod limits;
mod memory_io;
mod oracle;
mod public;
mod resources;
mod rows;
mod same_host;
mod saving;
mod trace;
mod traps;
mod types;
mod wired;
