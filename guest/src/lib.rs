//! Features that WebAssembly does not have, for components of Miden CVM that are written in Rust.
//!
//! The functions here are instructions of the VM: [`Felt`] is arithmetic in its field, [`hash`] its hash
//! function, [`merkle`] and [`advice`] are what the prover gives and the VM checks, or does not check.
//! Nobody has to be wired for them, and the crate's world comes into the module by itself.

#![no_std]

extern crate alloc;

mod field;
#[cfg(target_arch = "wasm32")]
mod heap;
mod rpo;

/// The interfaces of `miden:cvm`.
mod bindings {
    #![allow(missing_docs)]

    wit_bindgen::generate!({
        inline: "package miden:guest;

            world guest {
                import miden:cvm/field@1.0.0;
                import miden:cvm/rpo@1.0.0;
                import miden:cvm/merkle@1.0.0;
                import miden:cvm/advice@1.0.0;
                import miden:cvm/instance@1.0.0;
            }",
        path: "../component/src/wit/cvm.wit",
        generate_all,
    });
}

/// The types `felt` and `word` as `wit-bindgen` has them, for `with` in a component's own bindings:
/// `with: { "miden:cvm/core-types@1.0.0": miden_cvm_guest::core_types }`.
pub use bindings::miden::cvm::core_types;
pub use field::{Felt, MODULUS, Word};
#[cfg(target_arch = "wasm32")]
pub use heap::Heap;
pub use rpo::{hash, hash_bytes, merge};

/// Merkle trees, known by their roots. Their nodes are in the advice: whoever proves has to have them, and
/// cannot give others than those of the root. What is not there traps.
pub mod merkle {
    use crate::{Felt, Word, bindings::miden::cvm::merkle};

    /// The node at this depth and index.
    pub fn get(root: Word, depth: u32, index: Felt) -> Word {
        merkle::get(root.into(), depth, index.into()).into()
    }

    /// Sets a node: what it was, and the new root.
    pub fn set(root: Word, depth: u32, index: Felt, value: Word) -> (Word, Word) {
        let (old, root) = merkle::set(root.into(), depth, index.into(), value.into());
        (old.into(), root.into())
    }

    /// Traps unless the node is this one.
    pub fn verify(root: Word, depth: u32, index: Felt, value: Word) {
        merkle::verify(root.into(), depth, index.into(), value.into());
    }
}

/// The advice stack. Whoever proves chooses what is there: what comes from it has to be checked.
pub mod advice {
    use crate::{Felt, Word, bindings::miden::cvm::advice};

    /// Takes one element.
    pub fn pop() -> Felt {
        advice::pop().into()
    }

    /// Takes four elements.
    pub fn pop_word() -> Word {
        advice::pop_word().into()
    }
}

/// The id of the context that called in.
pub fn caller() -> Felt {
    bindings::miden::cvm::instance::caller().into()
}

/// Traps unless it holds.
pub fn ensure(condition: bool) {
    bindings::miden::cvm::instance::assert(condition);
}

/// Prints a value, where debugging is on.
pub fn print(value: Felt) {
    bindings::miden::cvm::instance::print(value.into());
}
