//! Components and compositions on disk: reading, linking, executing, and what is wrong with them.

mod bytes;
mod canonical_abi;
mod claims;
mod component_model;
mod costs;
mod crossing;
mod data;
mod examples;
mod forests;
mod handles;
mod linking;
mod mistakes;
mod model_cases;
mod nesting;
mod packages;
mod rebuilt;
mod resources;
mod running;
mod sources;
mod support;
mod values;
mod wasm;
mod wasm_binary;
mod wasm_boundary;
mod wast;
mod worlds;
