//! Components and compositions on disk: reading, linking, executing, and what is wrong with them.

mod canonical_abi;
mod examples;
mod forests;
mod handles;
mod linking;
mod mistakes;
mod nesting;
mod packages;
mod resources;
mod running;
mod support;
mod values;
mod worlds;
