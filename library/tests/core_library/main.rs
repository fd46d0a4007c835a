//! Every public procedure of Miden's core library, against results that come from somewhere else and
//! against Miden VM 0.20.6.

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
    pub mod signed;
}
mod hashes {
    pub mod blake3;
    pub mod keccak256;
    pub mod precompiled;
    pub mod rpo256;
    pub mod sha256;
    pub mod sha512;
}
mod edges;
mod lies;
mod math {
    pub mod u256;
    pub mod u64;
}
mod mem;
mod pcs {
    pub mod frie2f4;
    pub mod helper;
}
mod recursion;
mod stark {
    pub mod constants;
    pub mod deep_queries;
    pub mod ood_frames;
    pub mod random_coin;
    pub mod utils;
    pub mod verifier;
}
mod sys;
mod vm {
    pub mod constraints_eval;
    pub mod deep_queries;
    pub mod ood_frames;
    pub mod proof;
    pub mod public_inputs;
}
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
        pcs::frie2f4::PROCEDURES,
        pcs::helper::PROCEDURES,
        stark::deep_queries::PROCEDURES,
        stark::ood_frames::PROCEDURES,
        stark::random_coin::PROCEDURES,
        stark::utils::PROCEDURES,
        stark::verifier::PROCEDURES,
        stark::verifier::exported::PROCEDURES,
        sys::PROCEDURES,
        vm::constraints_eval::PROCEDURES,
        vm::deep_queries::PROCEDURES,
        vm::ood_frames::PROCEDURES,
        vm::proof::PROCEDURES,
        vm::public_inputs::PROCEDURES,
        word::PROCEDURES,
    ];
    modules
        .concat()
        .into_iter()
        // A procedure whose name is a keyword of Rust.
        .map(|path| path.replace("r#", ""))
        .chain(stark::constants::procedures())
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
        .collect();
    let tested = tested();
    let unique: BTreeSet<String> = tested.iter().cloned().collect();
    assert_eq!(unique.len(), tested.len(), "a procedure is listed twice");
    let untested: Vec<_> = exported.difference(&unique).collect();
    let unknown: Vec<_> = unique.difference(&exported).collect();
    assert!(untested.is_empty(), "without a test: {untested:#?}");
    assert!(unknown.is_empty(), "not in the library: {unknown:#?}");
}
