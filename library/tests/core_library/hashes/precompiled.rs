//! Shared parts of the tests of the precompiled hash functions.

use miden_core::{
    EventName, Felt, Word, ZERO,
    crypto::hash::Rpo256,
    precompile::{PrecompileCommitment, PrecompileRequest, PrecompileTranscript},
};

use crate::support::{Call, Outcome, word_at};

/// Little-endian limbs; the last one is filled up with zeros.
pub fn limbs(bytes: &[u8]) -> Vec<Felt> {
    let limbs = bytes.chunks(4).map(|limb| {
        let mut filled = [0; 4];
        filled[..limb.len()].copy_from_slice(limb);
        Felt::from(u32::from_le_bytes(filled))
    });
    limbs.collect()
}

/// The call of a procedure on bytes in memory.
pub fn call(path: &str, bytes: &[u8]) -> Call {
    let len = bytes.len() as u32;
    Call::new(path).memory(400, limbs(bytes)).stack([400, len])
}

/// Returns the commitment that the program has to absorb into its transcript.
pub fn commitment(event: EventName, bytes: &[u8], digest: &[u8]) -> PrecompileCommitment {
    let tag = [
        event.to_event_id().as_felt(),
        Felt::new(bytes.len() as u64),
        ZERO,
        ZERO,
    ];
    let hashes = [bytes, digest].map(|bytes| Rpo256::hash_elements(&limbs(bytes)));
    PrecompileCommitment::new(tag.into(), Rpo256::merge(&hashes))
}

/// Checks the digest and the request of a finished call.
pub fn check(outcome: &Outcome, event: EventName, bytes: &[u8], digest: &[u8]) {
    let digest_limbs = limbs(digest);
    assert_eq!(outcome.stack[..digest_limbs.len()], digest_limbs[..]);
    let request = PrecompileRequest::new(event.to_event_id(), bytes.to_vec());
    assert_eq!(outcome.requests, [request]);
    assert!(outcome.advice_stack.is_empty());
}

/// Checks that a call absorbed commitments into its transcript.
pub fn check_transcript(outcome: &Outcome, commitments: &[PrecompileCommitment]) {
    let mut transcript = PrecompileTranscript::new();
    for &commitment in commitments {
        transcript.record(commitment);
    }
    assert_eq!(outcome.transcript, transcript.state());
}

/// Checks what is on the stack for LOGPRECOMPILE to absorb.
pub fn check_commitment(stack: &[Felt], expected: PrecompileCommitment) {
    let [comm, tag]: [Word; 2] = [word_at(stack, 0), word_at(stack, 4)];
    assert_eq!(PrecompileCommitment::new(tag, comm), expected);
}
