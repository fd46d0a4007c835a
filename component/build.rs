//! Puts the compiled core library into the output directory, to be embedded: depending on its crate
//! at run time would bring Miden's own processor along.

use std::{env, fs, path::Path};

use miden_core_lib::CoreLibrary;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let folder = env::var_os("OUT_DIR").expect("cargo sets OUT_DIR for build scripts");
    let file = Path::new(&folder).join("core.masl");
    fs::write(&file, CoreLibrary::SERIALIZED)
        .unwrap_or_else(|error| panic!("{} cannot be written: {error}", file.display()));
}
