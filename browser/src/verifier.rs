//! Verification of proofs.

use miden_cvm_verifier::{Expectations, MinSecurity, Statement};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::{JsError, thrown};

/// The facts that a verified proof shows, beyond its statement.
#[wasm_bindgen]
pub struct Verified(miden_cvm_verifier::Verified);

impl From<miden_cvm_verifier::Verified> for Verified {
    fn from(verified: miden_cvm_verifier::Verified) -> Self {
        Self(verified)
    }
}

#[wasm_bindgen]
impl Verified {
    /// The parameter set and the hash function.
    #[wasm_bindgen(getter)]
    pub fn settings(&self) -> String {
        self.0.settings.to_string()
    }

    /// The bits of security that are proven.
    #[wasm_bindgen(getter, js_name = provenBits)]
    pub fn proven_bits(&self) -> u32 {
        self.0.security.proven
    }

    /// The bits of security under the conjecture.
    #[wasm_bindgen(getter, js_name = conjecturedBits)]
    pub fn conjectured_bits(&self) -> u32 {
        self.0.security.conjectured
    }

    /// The program's hash.
    #[wasm_bindgen(getter, js_name = programHash)]
    pub fn program_hash(&self) -> String {
        self.0.program_hash.to_hex()
    }

    /// The commitment of the composition; none for a program.
    #[wasm_bindgen(getter)]
    pub fn composition(&self) -> Option<String> {
        self.0.composition.map(|commitment| commitment.to_hex())
    }

    /// The number of computations of precompiles that were repeated.
    #[wasm_bindgen(getter)]
    pub fn precompiles(&self) -> usize {
        self.0.precompiles
    }
}

/// Verifies a proof of a statement, both as `prove` of the command line writes them. `security` is the
/// least that is accepted: `100` or `proven:100`, which is the default, or `conjectured:96`.
///
/// # Errors
/// Why the proof is rejected.
#[wasm_bindgen]
pub fn verify(
    statement: &str,
    proof: &[u8],
    security: Option<String>,
) -> Result<Verified, JsError> {
    let statement: Statement = serde_json::from_str(statement).map_err(|error| thrown(&error))?;
    let security: MinSecurity = match security {
        Some(text) => text.parse().map_err(|error| thrown(&error))?,
        None => MinSecurity::default(),
    };
    let expectations = Expectations::from(security);
    miden_cvm_verifier::verify(statement.public_inputs(), proof, &expectations)
        .map(Verified::from)
        .map_err(|error| thrown(&error))
}
