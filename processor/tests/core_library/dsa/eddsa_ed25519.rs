//! Ed25519, against `miden-crypto`'s.

use miden_core::{EventName, Word, crypto::hash::Rpo256, utils::Serializable};
use miden_crypto::dsa::eddsa_25519_sha512::SecretKey;
use miden_cvm_processor::Trap;
use sha2::{Digest, Sha512};

use super::signed::{call, check, commitment, request};
use crate::{
    hashes::{
        precompiled::{self, check_commitment, check_transcript, limbs},
        sha512,
    },
    support::{Call, Samples, procedures},
};

const EVENT: EventName = EventName::new("miden::core::dsa::eddsa_ed25519::verify");

/// A message with a signature: public key, challenge and signature as bytes.
struct Signed {
    message: Word,
    key: Vec<u8>,
    challenge: Vec<u8>,
    signature: Vec<u8>,
}

impl Signed {
    fn new() -> Self {
        let mut samples = Samples::new(23);
        let secret = SecretKey::with_rng(samples.rng());
        let message = samples.word();
        let key = secret.public_key().to_bytes();
        let signature = secret.sign(message).to_bytes();
        let bytes: [u8; 32] = message.into();
        let challenge = Sha512::new()
            .chain_update(&signature[..32])
            .chain_update(&key)
            .chain_update(bytes)
            .finalize();
        Self {
            message,
            key,
            challenge: challenge.to_vec(),
            signature,
        }
    }

    fn arguments(&self) -> [&[u8]; 3] {
        [&self.key, &self.challenge, &self.signature]
    }
}

procedures! { "::miden::core::crypto::dsa::eddsa_ed25519";
    fn verify_prehash_impl() {
        let mut signed = Signed::new();
        for valid in [true, false] {
            if !valid {
                signed.challenge[3] ^= 1;
            }
            let arguments = signed.arguments();
            let path = "crypto::dsa::eddsa_ed25519::verify_prehash_impl";
            let outcome = call(path, arguments).run();
            check_commitment(&outcome.stack, commitment(&EVENT, arguments, valid));
            check(&outcome, 8, &EVENT, arguments, valid);
        }
    }

    fn verify_prehash() {
        let mut signed = Signed::new();
        for valid in [true, false] {
            if !valid {
                signed.signature[40] ^= 1;
            }
            let path = "crypto::dsa::eddsa_ed25519::verify_prehash";
            let outcome = call(path, signed.arguments()).run();
            check(&outcome, 0, &EVENT, signed.arguments(), valid);
            let expected = commitment(&EVENT, signed.arguments(), valid);
            check_transcript(&outcome, &[expected]);
        }
    }

    fn verify() {
        let signed = Signed::new();
        let call = |message: Word| {
            Call::new("crypto::dsa::eddsa_ed25519::verify")
                .word(Rpo256::hash_elements(&limbs(&signed.key)))
                .word(message)
                .advice(limbs(&signed.key))
                .advice(limbs(&signed.signature))
        };
        let outcome = call(signed.message).run();
        // The first request is that of the challenge's hash.
        assert_eq!(outcome.requests[1..], [request(&EVENT, signed.arguments())]);
        let message: [u8; 32] = signed.message.into();
        let hashed = [&signed.signature[..32], &signed.key, &message].concat();
        let hash = precompiled::commitment(sha512::EVENT, &hashed, &signed.challenge);
        let decision = commitment(&EVENT, signed.arguments(), true);
        check_transcript(&outcome, &[hash, decision]);
        let trap = call(Word::default()).trap();
        assert!(matches!(*trap, Trap::FailedAssertion { .. }), "{trap}");
    }
}

#[test]
fn a_key_that_is_no_point_traps() {
    let mut signed = Signed::new();
    signed.key = [2; 32].to_vec();
    let path = "crypto::dsa::eddsa_ed25519::verify_prehash_impl";
    let trap = call(path, signed.arguments()).trap();
    assert!(
        trap.to_string().contains("the public key is malformed"),
        "{trap}"
    );
}
