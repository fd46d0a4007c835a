//! The same transcripts as the published core library's verifiers build.

use miden_core::{
    Felt, Word,
    utils::{Deserializable, Serializable},
};
use miden_core_lib::CoreLibrary;
use miden_crypto::dsa::{ecdsa_k256_keccak, eddsa_25519_sha512};
use miden_cvm_precompiles::{
    CalldataError, CorePrecompile, PrecompileRequest, PrecompileVerificationError,
    core_precompile_verifiers,
};

/// Public key, digest and signature.
fn ecdsa() -> Vec<u8> {
    let secret = ecdsa_k256_keccak::SecretKey::read_from_bytes(&[5; 32]).expect("a scalar");
    let digest = [7; 32];
    let signature = secret.sign_prehash(digest).to_bytes();
    [secret.public_key().to_bytes(), digest.into(), signature].concat()
}

/// Public key, challenge and signature.
fn eddsa() -> Vec<u8> {
    let secret = eddsa_25519_sha512::SecretKey::read_from_bytes(&[5; 32]).expect("a seed");
    let (key, message) = (secret.public_key(), Word::new([Felt::new(3); 4]));
    let signature = secret.sign(message);
    let challenge = key.compute_challenge_k(message, &signature);
    [key.to_bytes(), challenge.into(), signature.to_bytes()].concat()
}

fn requests() -> Vec<PrecompileRequest> {
    let mut invalid = ecdsa();
    invalid[40] ^= 1;
    [
        (CorePrecompile::Keccak256, Vec::new()),
        (CorePrecompile::Keccak256, vec![9; 137]),
        (CorePrecompile::Sha512, vec![8; 3]),
        (CorePrecompile::EcdsaK256, ecdsa()),
        (CorePrecompile::EcdsaK256, invalid),
        (CorePrecompile::EddsaEd25519, eddsa()),
    ]
    .map(|(precompile, calldata)| precompile.request(calldata))
    .into()
}

#[test]
fn transcripts_are_the_published_ones() {
    let requests = requests();
    let here = core_precompile_verifiers()
        .requests_transcript(&requests)
        .expect("all requests have verifiers");
    let there = CoreLibrary::default()
        .verifier_registry()
        .requests_transcript(&requests)
        .expect("all requests have verifiers");
    assert_eq!(here.state(), there.state());
}

#[test]
fn signatures_are_decided() {
    let result = |precompile: CorePrecompile, calldata: &[u8]| {
        let evaluation = precompile.evaluate(calldata).expect("well-formed calldata");
        evaluation.advice == [Felt::new(1)]
    };
    for (precompile, calldata) in [
        (CorePrecompile::EcdsaK256, ecdsa()),
        (CorePrecompile::EddsaEd25519, eddsa()),
    ] {
        assert!(result(precompile, &calldata));
        // A byte of the message, and of the signature's second half.
        for position in [40, calldata.len() - 20] {
            let mut changed = calldata.clone();
            changed[position] ^= 1;
            assert!(
                !result(precompile, &changed),
                "{precompile:?}, byte {position}"
            );
        }
    }
}

#[test]
fn malformed_calldata_is_refused() {
    let mut long = ecdsa();
    long.push(0);
    let refusal = CorePrecompile::EcdsaK256.evaluate(&long);
    let expected = CalldataError::Length {
        expected: 130,
        actual: 131,
    };
    assert_eq!(refusal, Err(expected));
    let mut key = ecdsa();
    // A form of the same length that is not the canonical one.
    key[0] = 5;
    let refusal = CorePrecompile::EcdsaK256.evaluate(&key);
    assert_eq!(refusal, Err(CalldataError::Malformed("public key")));
    let request = CorePrecompile::EcdsaK256.request(key);
    let refusal = core_precompile_verifiers().requests_transcript(&[request]);
    assert!(matches!(
        refusal,
        Err(PrecompileVerificationError::PrecompileError { index: 0, .. })
    ));
}
