//! Miden CVM for JavaScript: the verifier, and with the feature `prover` also a prover of programs and
//! of Miden's transactions.
//!
//! There are no threads, no files and no clock. Errors of Rust are thrown, with their reasons.

#[cfg(feature = "prover")]
mod prover;
mod verifier;

use std::error::Error;

use wasm_bindgen::JsError;

/// The error to throw: a message and its reasons, as far as it does not tell them itself.
fn thrown(error: &dyn Error) -> JsError {
    let mut text = error.to_string();
    let mut reason = error.source();
    while let Some(error) = reason {
        let why = error.to_string();
        if !text.contains(&why) {
            text += &format!(": {why}");
        }
        reason = error.source();
    }
    JsError::new(&text)
}
