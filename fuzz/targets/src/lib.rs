//! Properties that hold whatever bytes come from outside: no panic, no more memory or time than the bytes
//! can ask for, an error that says what is wrong; and what is read is written again as it was.
//!
//! There is a function for each kind of input, listed in [`TARGETS`] with inputs to start from. The
//! fuzzers beside this crate run them as long as they are let, its tests run them on a fixed number
//! of changed and random inputs.

mod artifacts;
mod flips;
mod sources;
mod texts;
mod wasm;

use std::{fs, path::Path};

pub use artifacts::{Known, another, known, package, proof};
pub use flips::{Flips, flip};
pub use sources::{component, composition, modules, names, source, wac, wit};
pub use texts::{inputs, statement};
pub use wasm::wasm;

/// A kind of input.
pub struct Target {
    /// Its name, which is that of its fuzzer and of the folder of its corpus.
    pub name: &'static str,
    /// Reads an input, and panics if something does not hold that should.
    pub check: fn(&[u8]),
    /// Inputs to start from, the same on every machine.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const TARGETS: [Target; 12] = [
    Target {
        name: "proof",
        check: proof,
        seeds: artifacts::proof_seeds,
    },
    Target {
        name: "statement",
        check: statement,
        seeds: texts::statement_seeds,
    },
    Target {
        name: "package",
        check: package,
        seeds: artifacts::package_seeds,
    },
    Target {
        name: "composition",
        check: composition,
        seeds: sources::composition_seeds,
    },
    Target {
        name: "component",
        check: component,
        seeds: sources::component_seeds,
    },
    Target {
        name: "source",
        check: source,
        seeds: sources::source_seeds,
    },
    Target {
        name: "modules",
        check: modules,
        seeds: sources::modules_seeds,
    },
    Target {
        name: "names",
        check: names,
        seeds: sources::names_seeds,
    },
    Target {
        name: "wit",
        check: wit,
        seeds: sources::wit_seeds,
    },
    Target {
        name: "wac",
        check: wac,
        seeds: sources::wac_seeds,
    },
    Target {
        name: "wasm",
        check: wasm,
        seeds: wasm::wasm_seeds,
    },
    Target {
        name: "inputs",
        check: inputs,
        seeds: texts::inputs_seeds,
    },
];

/// The project's examples.
fn examples() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples"))
}

fn example(path: &str) -> Vec<u8> {
    fs::read(examples().join(path)).expect("an example")
}
