//! What the tests of the precompiled signatures share.

use miden_core::{
    EventName, Felt, ZERO,
    crypto::hash::Rpo256,
    precompile::{PrecompileCommitment, PrecompileRequest},
};

use crate::{
    hashes::precompiled::limbs,
    support::{Call, Outcome},
};

/// Where the arguments are in memory.
const ADDRESSES: [u32; 3] = [100, 200, 300];

/// The call of a procedure of pointers to public key, message and signature.
pub fn call(path: &str, arguments: [&[u8]; 3]) -> Call {
    let call = Call::new(path).stack(ADDRESSES);
    ADDRESSES
        .into_iter()
        .zip(arguments)
        .fold(call, |call, (addr, bytes)| call.memory(addr, limbs(bytes)))
}

/// The request for a verifier.
pub fn request(event: &EventName, arguments: [&[u8]; 3]) -> PrecompileRequest {
    PrecompileRequest::new(event.to_event_id(), arguments.concat())
}

/// What the program has to absorb into its transcript.
pub fn commitment(event: &EventName, arguments: [&[u8]; 3], valid: bool) -> PrecompileCommitment {
    let [key, message, signature] = arguments.map(|bytes| Rpo256::hash_elements(&limbs(bytes)));
    let claim = Rpo256::merge(&[key, message]);
    let tag = [event.to_event_id().as_felt(), Felt::from(valid), ZERO, ZERO];
    PrecompileCommitment::new(tag.into(), Rpo256::merge(&[claim, signature]))
}

/// Checks result and request of a finished call, whose result is at a position of the stack.
pub fn check(
    outcome: &Outcome,
    position: usize,
    event: &EventName,
    arguments: [&[u8]; 3],
    valid: bool,
) {
    assert_eq!(outcome.stack[position], Felt::from(valid));
    assert_eq!(outcome.requests, [request(event, arguments)]);
    assert!(outcome.advice_stack.is_empty());
}
