//! Writes the inputs that fuzzers start from: into `corpus` in the folder that is given, or in
//! `fuzz` if none is.

use std::{env, fs, io, path::PathBuf};

use miden_cvm_fuzz::TARGETS;

fn main() -> io::Result<()> {
    let default = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let folder = env::args_os().nth(1).map_or_else(default, PathBuf::from);
    for target in TARGETS {
        let corpus = folder.join("corpus").join(target.name);
        fs::create_dir_all(&corpus)?;
        for (number, seed) in (target.seeds)().into_iter().enumerate() {
            fs::write(corpus.join(format!("seed-{number}")), seed)?;
        }
    }
    Ok(())
}
