//! Ed25519, against `miden-crypto`'s.

use miden_core::{EventName, utils::Serializable};
use miden_crypto::dsa::eddsa_25519_sha512::SecretKey;
use sha2::{Digest, Sha512};

use super::signed::{KEY, Signed};
use crate::{
    hashes::sha512,
    support::{Samples, procedures},
};

/// A signed message.
pub fn signed() -> Signed {
    let mut samples = Samples::new(23);
    let secret = SecretKey::with_rng(samples.rng());
    let message = samples.word();
    let bytes: [u8; 32] = message.into();
    let key = secret.public_key().to_bytes();
    let signature = secret.sign(message).to_bytes();
    let hashed = [&signature[..32], &key, &bytes].concat();
    Signed {
        module: "crypto::dsa::eddsa_ed25519",
        event: EventName::new("miden::core::dsa::eddsa_ed25519::verify"),
        hash_event: sha512::EVENT,
        message,
        arguments: [key, Sha512::digest(&hashed).to_vec(), signature],
        hashed,
    }
}

procedures! { "::miden::core::crypto::dsa::eddsa_ed25519";
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
fn a_key_that_is_no_point_traps() {
    let mut signed = signed();
    signed.arguments[KEY] = [2; 32].to_vec();
    let trap = signed.with_pointers("verify_prehash_impl").trap();
    let message = trap.to_string();
    assert!(message.contains("the public key is malformed"), "{trap}");
}
