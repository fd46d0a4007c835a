//! Every public procedure of Miden's core library but those of the recursive verifier, against results
//! that come from somewhere else and against Miden VM 0.20.6.

mod support;

mod aead;
mod collections {
    pub mod mmr;
    pub mod smt;
    pub mod sorted_array;
}
mod dsa {
    pub mod ecdsa_k256_keccak;
    pub mod eddsa_ed25519;
    pub mod falcon512rpo;
    mod signed;
}
mod hashes {
    pub mod blake3;
    pub mod keccak256;
    pub mod precompiled;
    pub mod rpo256;
    pub mod sha256;
    pub mod sha512;
}
mod math {
    pub mod u256;
    pub mod u64;
}
mod mem;
mod sys;
mod word;

use std::collections::BTreeSet;

use miden_core_lib::CoreLibrary;

/// The procedures that the tests of all modules are about.
fn tested() -> Vec<String> {
    let modules = [
        aead::PROCEDURES,
        collections::mmr::PROCEDURES,
        collections::smt::PROCEDURES,
        collections::sorted_array::PROCEDURES,
        dsa::ecdsa_k256_keccak::PROCEDURES,
        dsa::eddsa_ed25519::PROCEDURES,
        dsa::falcon512rpo::PROCEDURES,
        hashes::blake3::PROCEDURES,
        hashes::keccak256::PROCEDURES,
        hashes::rpo256::PROCEDURES,
        hashes::sha256::PROCEDURES,
        hashes::sha512::PROCEDURES,
        math::u64::PROCEDURES,
        math::u256::PROCEDURES,
        mem::PROCEDURES,
        sys::PROCEDURES,
        word::PROCEDURES,
    ];
    modules
        .concat()
        .into_iter()
        // A procedure whose name is a keyword of Rust.
        .map(|path| path.replace("r#", ""))
        .collect()
}

#[test]
fn every_procedure_has_its_test() {
    let exported: BTreeSet<String> = CoreLibrary::default()
        .library()
        .module_infos()
        .flat_map(|module| {
            let procedures: Vec<String> = module
                .procedures()
                .map(|(_, procedure)| format!("{}::{}", module.path(), procedure.name))
                .collect();
            procedures
        })
        // The modules of the recursive verifier have no tests here yet.
        .filter(|path| {
            !["stark", "pcs", "sys::vm"]
                .iter()
                .any(|module| path.starts_with(&format!("::miden::core::{module}::")))
        })
        .collect();
    let tested = tested();
    let unique: BTreeSet<String> = tested.iter().cloned().collect();
    assert_eq!(unique.len(), tested.len(), "a procedure is listed twice");
    let untested: Vec<_> = exported.difference(&unique).collect();
    let unknown: Vec<_> = unique.difference(&exported).collect();
    assert!(untested.is_empty(), "without a test: {untested:#?}");
    assert!(unknown.is_empty(), "not in the library: {unknown:#?}");
}
