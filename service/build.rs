//! Generates the code of the gRPC interfaces, and their description for reflection.

use std::{env, error::Error, fs, path::PathBuf};

/// The interfaces.
const FILES: [&str; 2] = ["proto/prover.proto", "proto/remote_prover.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    for file in FILES {
        println!("cargo::rerun-if-changed={file}");
    }
    let description = protox::compile(FILES, ["proto"])?;
    let folder = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(
        folder.join("interfaces.bin"),
        protox::prost::Message::encode_to_vec(&description),
    )?;
    tonic_prost_build::configure()
        .bytes(".")
        .compile_fds(description)?;
    Ok(())
}
