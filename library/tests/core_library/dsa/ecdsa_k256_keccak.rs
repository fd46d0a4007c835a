//! ECDSA over secp256k1, against `miden-crypto`'s.

use miden_core::{EventName, utils::Serializable};
use miden_crypto::dsa::ecdsa_k256_keccak::SecretKey;
use miden_cvm_processor::Trap;
use sha3::{Digest, Keccak256};

use super::signed::{KEY, SIGNATURE, Signed};
use crate::{
    hashes::keccak256,
    support::{Samples, procedures},
};

/// A signed message.
pub fn signed() -> Signed {
    let mut samples = Samples::new(19);
    let secret = SecretKey::with_rng(samples.rng());
    let message = samples.word();
    let bytes: [u8; 32] = message.into();
    Signed {
        module: "crypto::dsa::ecdsa_k256_keccak",
        event: EventName::new("miden::core::crypto::dsa::ecdsa_k256_keccak::verify"),
        hash_event: keccak256::EVENT,
        message,
        hashed: bytes.to_vec(),
        arguments: [
            secret.public_key().to_bytes(),
            Keccak256::digest(bytes).to_vec(),
            secret.sign(message).to_bytes(),
        ],
    }
}

procedures! { "::miden::core::crypto::dsa::ecdsa_k256_keccak";
    fn verify_prehash_impl() {
        signed().check_verify_prehash_impl();
    }

    fn verify_prehash() {
        signed().check_verify_prehash();
    }

    fn verify() {
        signed().check_verify();
    }
}

#[test]
fn malformed_arguments_trap() {
    for (argument, byte) in [(KEY, 0), (SIGNATURE, 64)] {
        let mut signed = signed();
        signed.arguments[argument][byte] = 4;
        let trap = signed.with_pointers("verify_prehash_impl").trap();
        assert!(matches!(*trap, Trap::EventError { .. }), "{trap}");
        assert!(trap.to_string().contains("malformed"), "{trap}");
    }
}
