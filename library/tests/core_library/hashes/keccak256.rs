//! Keccak-256, against RustCrypto's.

use miden_core::EventName;
use miden_cvm_processor::Trap;
use sha3::{Digest, Keccak256};

use super::precompiled::{call, check, check_commitment, check_transcript, commitment, limbs};
use crate::support::{Call, Samples, procedures};

/// The event by which a program asks for it.
pub const EVENT: EventName = EventName::new("miden::core::hash::keccak256::hash_bytes");

/// Checks a procedure with its input on the stack.
fn on_stack(procedure: &str, len: usize) {
    let bytes = Samples::new(5).bytes(len);
    let call = Call::new(&format!("crypto::hashes::keccak256::{procedure}"));
    let outcome = call.stack(limbs(&bytes)).prove();
    let digest = Keccak256::digest(&bytes);
    check(&outcome, EVENT, &bytes, &digest);
    check_transcript(&outcome, &[commitment(EVENT, &bytes, &digest)]);
}

procedures! { "::miden::core::crypto::hashes::keccak256";
    fn hash_bytes_impl() {
        for len in [0, 1, 4, 31, 136, 200] {
            let bytes = Samples::new(len).bytes(len as usize);
            let digest = Keccak256::digest(&bytes);
            let mut outcome = call("crypto::hashes::keccak256::hash_bytes_impl", &bytes).run();
            check_commitment(&outcome.stack, commitment(EVENT, &bytes, &digest));
            outcome.stack.drain(..8);
            check(&outcome, EVENT, &bytes, &digest);
        }
    }

    fn hash_bytes() {
        for len in [0, 33, 136] {
            let bytes = Samples::new(len).bytes(len as usize);
            let outcome = call("crypto::hashes::keccak256::hash_bytes", &bytes).run();
            let digest = Keccak256::digest(&bytes);
            check(&outcome, EVENT, &bytes, &digest);
            check_transcript(&outcome, &[commitment(EVENT, &bytes, &digest)]);
        }
    }

    fn hash() {
        on_stack("hash", 32);
    }

    fn merge() {
        on_stack("merge", 64);
    }
}

#[test]
fn input_that_is_not_there_or_not_bytes_traps() {
    let path = "crypto::hashes::keccak256::hash_bytes_impl";
    let calls = [
        // Nothing was written there.
        Call::new(path).stack([400_u32, 5]),
        // Not the start of a word.
        Call::new(path).memory(401, [1_u32, 2]).stack([401_u32, 5]),
        // Zeros are missing after the last byte.
        Call::new(path)
            .memory(400, [1_u32, 0x100, 0, 0])
            .stack([400_u32, 5]),
        // Not bytes.
        Call::new(path)
            .memory(400, [1_u64 << 32, 0])
            .stack([400_u32, 5]),
        // More than there can be.
        Call::new(path).stack([1_u64 << 31, 1 << 62]),
    ];
    for call in calls {
        let trap = call.trap();
        assert!(matches!(*trap, Trap::EventError { .. }), "{trap}");
        assert!(trap.to_string().contains("keccak256::hash_bytes"), "{trap}");
    }
}
