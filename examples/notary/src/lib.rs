//! A notary: documents are known by the root of a Merkle tree of their hashes.
//!
//! The crate `base64` decodes them, as it is in the registry.

#![no_std]

extern crate alloc;

use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use miden_cvm_guest::{self as guest, Felt, Heap, advice, ensure, hash, hash_bytes, merkle};

wit_bindgen::generate!({
    path: ["../../component/src/wit/cvm.wit", "notary.wit"],
    world: "notary:notary/notary",
    with: { "miden:cvm/core-types@1.0.0": miden_cvm_guest::core_types },
});

#[global_allocator]
static HEAP: Heap = Heap::new();

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

/// Levels of the tree.
const DEPTH: u32 = 64;

fn decoded(text: &str) -> Result<Vec<u8>, String> {
    STANDARD.decode(text).map_err(|error| error.to_string())
}

struct Notary;

impl Guest for Notary {
    fn decode(text: String) -> Result<Vec<u8>, String> {
        decoded(&text)
    }

    fn seal(text: String) -> Result<Word, String> {
        decoded(&text).map(|document| hash_bytes(&document).into())
    }

    fn confirm(root: Word, place: u32, text: String) {
        let document = decoded(&text);
        ensure(document.is_ok());
        let seal = hash_bytes(&document.unwrap_or_default());
        merkle::verify(root.into(), DEPTH, place.into(), seal);
    }

    fn enter(root: Word, place: u32, text: String) -> Result<Word, String> {
        let seal = hash_bytes(&decoded(&text)?);
        let (old, new) = merkle::set(root.into(), DEPTH, place.into(), seal);
        match old == guest::Word::default() {
            true => Ok(new.into()),
            false => Err("the place is taken".to_string()),
        }
    }

    fn checked_sum(pairs: u32, expected: Word) -> Word {
        let elements: Vec<Felt> = (0..2 * pairs).map(|_| advice::pop()).collect();
        ensure(hash(&elements) == expected.into());
        let sum = elements.chunks(2).map(|pair| pair[0] * pair[1]).sum();
        guest::Word([sum, Felt::ZERO, Felt::ZERO, Felt::ZERO]).into()
    }
}

export!(Notary);
