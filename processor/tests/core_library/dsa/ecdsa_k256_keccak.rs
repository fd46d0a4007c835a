//! ECDSA over secp256k1, against `miden-crypto`'s.

use miden_core::{EventName, Word, crypto::hash::Rpo256, utils::Serializable};
use miden_crypto::dsa::ecdsa_k256_keccak::SecretKey;
use miden_cvm_processor::Trap;
use sha3::{Digest, Keccak256};

use super::signed::{call, check, commitment, request};
use crate::{
    hashes::{
        keccak256,
        precompiled::{self, check_commitment, check_transcript, limbs},
    },
    support::{Call, Samples, procedures},
};

const EVENT: EventName = EventName::new("miden::core::crypto::dsa::ecdsa_k256_keccak::verify");

/// A message with a signature: public key, digest and signature as bytes.
struct Signed {
    message: Word,
    key: Vec<u8>,
    digest: Vec<u8>,
    signature: Vec<u8>,
}

impl Signed {
    fn new() -> Self {
        let mut samples = Samples::new(19);
        let secret = SecretKey::with_rng(samples.rng());
        let message = samples.word();
        let bytes: [u8; 32] = message.into();
        Self {
            message,
            key: secret.public_key().to_bytes(),
            digest: Keccak256::digest(bytes).to_vec(),
            signature: secret.sign(message).to_bytes(),
        }
    }

    fn arguments(&self) -> [&[u8]; 3] {
        [&self.key, &self.digest, &self.signature]
    }
}

procedures! { "::miden::core::crypto::dsa::ecdsa_k256_keccak";
    fn verify_prehash_impl() {
        let mut signed = Signed::new();
        for valid in [true, false] {
            if !valid {
                signed.digest[3] ^= 1;
            }
            let arguments = signed.arguments();
            let path = "crypto::dsa::ecdsa_k256_keccak::verify_prehash_impl";
            let outcome = call(path, arguments).run();
            check_commitment(&outcome.stack, commitment(&EVENT, arguments, valid));
            check(&outcome, 8, &EVENT, arguments, valid);
        }
    }

    fn verify_prehash() {
        let mut signed = Signed::new();
        for valid in [true, false] {
            if !valid {
                signed.signature[3] ^= 1;
            }
            let path = "crypto::dsa::ecdsa_k256_keccak::verify_prehash";
            let outcome = call(path, signed.arguments()).run();
            check(&outcome, 0, &EVENT, signed.arguments(), valid);
            let expected = commitment(&EVENT, signed.arguments(), valid);
            check_transcript(&outcome, &[expected]);
        }
    }

    fn verify() {
        let signed = Signed::new();
        let call = |message: Word| {
            Call::new("crypto::dsa::ecdsa_k256_keccak::verify")
                .word(Rpo256::hash_elements(&limbs(&signed.key)))
                .word(message)
                .advice(limbs(&signed.key))
                .advice(limbs(&signed.signature))
        };
        let outcome = call(signed.message).run();
        // The first request is that of the message's hash.
        assert_eq!(outcome.requests[1..], [request(&EVENT, signed.arguments())]);
        let message: [u8; 32] = signed.message.into();
        let hash = precompiled::commitment(keccak256::EVENT, &message, &signed.digest);
        let decision = commitment(&EVENT, signed.arguments(), true);
        check_transcript(&outcome, &[hash, decision]);
        let trap = call(Word::default()).trap();
        assert!(matches!(*trap, Trap::FailedAssertion { .. }), "{trap}");
    }
}

#[test]
fn malformed_arguments_trap() {
    let path = "crypto::dsa::ecdsa_k256_keccak::verify_prehash_impl";
    let spoil: [fn(&mut Signed); 2] = [
        |signed| signed.key[0] = 4,
        |signed| signed.signature[64] = 4,
    ];
    for spoil in spoil {
        let mut signed = Signed::new();
        spoil(&mut signed);
        let trap = call(path, signed.arguments()).trap();
        assert!(matches!(*trap, Trap::EventError { .. }), "{trap}");
        assert!(trap.to_string().contains("malformed"), "{trap}");
    }
}
