//! Authenticated encryption, against `miden-crypto`'s.

use miden_core::Felt;
use miden_crypto::aead::aead_rpo::{EncryptedData, Nonce, SecretKey};
use miden_cvm_processor::Trap;

use crate::support::{Call, Samples, procedures};

const FROM: u32 = 1000;
const TO: u32 = 2000;

/// Plaintext of a number of blocks, encrypted.
fn encrypted(blocks: usize) -> (Vec<Felt>, EncryptedData) {
    let mut samples = Samples::new(17);
    let plaintext = samples.felts(blocks * 8);
    let key = SecretKey::from_elements(samples.word().into());
    let nonce = Nonce::from(samples.word());
    let encrypted = key
        .encrypt_elements_with_nonce(&plaintext, &[], nonce)
        .expect("elements can be encrypted");
    (plaintext, encrypted)
}

/// A call with the nonce and the key that [`encrypted`] draws.
fn call(procedure: &str, blocks: usize) -> Call {
    let mut samples = Samples::new(17);
    samples.felts(blocks * 8);
    let (key, nonce) = (samples.word(), samples.word());
    Call::new(&format!("crypto::aead::{procedure}"))
        .word(nonce)
        .word(key)
        .stack([FROM, TO, blocks as u32])
}

/// Calls of `decrypt`: with a ciphertext, with another one under its tag, and with its ciphertext
/// under another tag.
pub fn decrypt_calls() -> Vec<Call> {
    let (_, encrypted) = encrypted(2);
    let data = |ciphertext: Vec<Felt>, tag: Vec<Felt>| {
        call("decrypt", 2).memory(FROM, [ciphertext, tag].concat())
    };
    let ciphertext = encrypted.ciphertext().to_vec();
    let tag = encrypted.auth_tag().to_elements().to_vec();
    let mut other_tag = tag.clone();
    other_tag[0] += Felt::new(1);
    vec![
        data(ciphertext.clone(), tag.clone()),
        data(vec![Felt::new(77); ciphertext.len()], tag),
        data(ciphertext, other_tag),
    ]
}

procedures! { "::miden::core::crypto::aead";
    fn encrypt() {
        for blocks in [0, 1, 3] {
            let (plaintext, encrypted) = encrypted(blocks);
            let call = call("encrypt", blocks).memory(FROM, plaintext);
            let outcome = if blocks == 1 { call.prove() } else { call.run() };
            for (addr, &element) in (TO..).zip(encrypted.ciphertext()) {
                assert_eq!(outcome.memory[&addr], element, "address {addr}");
            }
            let mut tag = encrypted.auth_tag().to_elements();
            tag.reverse();
            assert_eq!(outcome.stack[..4], tag);
        }
    }

    fn decrypt() {
        for blocks in [0, 1, 3] {
            let (plaintext, encrypted) = encrypted(blocks);
            let mut data = encrypted.ciphertext().to_vec();
            data.extend(encrypted.auth_tag().to_elements());
            let valid = call("decrypt", blocks).memory(FROM, data.clone());
            let outcome = if blocks == 1 { valid.prove() } else { valid.run() };
            for (addr, &element) in (TO..).zip(&plaintext) {
                assert_eq!(outcome.memory[&addr], element, "address {addr}");
            }
            assert!(outcome.advice_stack.is_empty());
            data[1] += Felt::new(1);
            let trap = call("decrypt", blocks).memory(FROM, data).trap();
            assert!(matches!(*trap, Trap::EventError { .. }), "{trap}");
        }
        // The ciphertext is shorter than its number of blocks.
        let trap = call("decrypt", 1).memory(FROM, [1_u32; 8]).trap();
        assert!(trap.to_string().contains("aead::decrypt"), "{trap}");
    }
}
