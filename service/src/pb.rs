//! The messages of the gRPC interfaces, as generated.
#![allow(missing_docs, clippy::pedantic)]

pub use prover::*;

mod prover {
    tonic::include_proto!("miden_cvm.service.v1");
}

/// The interface of Miden's remote prover.
pub mod remote {
    tonic::include_proto!("remote_prover");
}

/// The description of the interfaces, for reflection.
pub const DESCRIPTION: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/interfaces.bin"));
