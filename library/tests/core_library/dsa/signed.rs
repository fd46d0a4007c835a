//! Shared parts of the tests of the precompiled signatures.

use miden_core::{
    EventName, Felt, Word, ZERO,
    crypto::hash::Rpo256,
    precompile::{PrecompileCommitment, PrecompileRequest},
};
use miden_cvm_processor::Trap;

use crate::{
    hashes::precompiled::{self, check_commitment, check_transcript, limbs},
    support::{Call, Outcome},
};

/// Where the arguments are in memory.
const ADDRESSES: [u32; 3] = [100, 200, 300];

/// Indices of the arguments.
pub const KEY: usize = 0;
pub const DIGEST: usize = 1;
pub const SIGNATURE: usize = 2;

/// A message with its signature.
pub struct Signed {
    /// The module of the scheme.
    pub module: &'static str,
    /// The event by which a program asks for the verification.
    pub event: EventName,
    /// The event by which it asks for the hash of [`Self::hashed`].
    pub hash_event: EventName,
    /// The message.
    pub message: Word,
    /// The bytes that are hashed: the message, and what the scheme puts before it.
    pub hashed: Vec<u8>,
    /// Public key, what that hashes to, and signature.
    pub arguments: [Vec<u8>; 3],
}

impl Signed {
    /// The call of a procedure of pointers to the arguments.
    pub fn with_pointers(&self, procedure: &str) -> Call {
        let call = Call::new(&format!("{}::{procedure}", self.module)).stack(ADDRESSES);
        ADDRESSES
            .into_iter()
            .zip(&self.arguments)
            .fold(call, |call, (addr, bytes)| call.memory(addr, limbs(bytes)))
    }

    /// The request for a verifier.
    fn request(&self) -> PrecompileRequest {
        PrecompileRequest::new(self.event.to_event_id(), self.arguments.concat())
    }

    /// The same, or with another digest.
    pub fn with_validity(mut self, valid: bool) -> Self {
        if !valid {
            self.arguments[DIGEST][3] ^= 1;
        }
        self
    }

    /// Returns the commitment that the program has to absorb into its transcript.
    pub fn commitment(&self, valid: bool) -> PrecompileCommitment {
        let hashes = self.arguments.each_ref();
        let [key, digest, signature] = hashes.map(|bytes| Rpo256::hash_elements(&limbs(bytes)));
        let claim = Rpo256::merge(&[key, digest]);
        let event = self.event.to_event_id().as_felt();
        let tag = [event, Felt::from(valid), ZERO, ZERO];
        PrecompileCommitment::new(tag.into(), Rpo256::merge(&[claim, signature]))
    }

    /// Checks result and request of a finished call, whose result is at a position of the stack.
    fn check(&self, outcome: &Outcome, position: usize, valid: bool) {
        assert_eq!(outcome.stack[position], Felt::from(valid));
        assert_eq!(outcome.requests, [self.request()]);
        assert!(outcome.advice_stack.is_empty());
    }

    /// Calls of `verify_prehash_impl` or `verify_prehash`, with this signature and with another digest,
    /// and these instructions after them.
    pub fn prehash_calls(self, procedure: &str, after: &str) -> Vec<Call> {
        let valid = self.with_pointers(procedure).after(after);
        let other = self.with_validity(false).with_pointers(procedure);
        vec![valid, other.after(after)]
    }

    /// Calls of `verify`, with this message and with another one.
    pub fn calls(&self) -> Vec<Call> {
        let [key, _, signature] = self.arguments.each_ref().map(|bytes| limbs(bytes));
        [self.message, Word::default()]
            .map(|message| {
                Call::new(&format!("{}::verify", self.module))
                    .word(Rpo256::hash_elements(&key))
                    .word(message)
                    .advice(key.clone())
                    .advice(signature.clone())
            })
            .to_vec()
    }

    /// Checks `verify_prehash_impl`, with this signature and with another digest.
    pub fn check_verify_prehash_impl(mut self) {
        for valid in [true, false] {
            self = self.with_validity(valid);
            let outcome = self.with_pointers("verify_prehash_impl").run();
            check_commitment(&outcome.stack, self.commitment(valid));
            self.check(&outcome, 8, valid);
        }
    }

    /// Checks `verify_prehash`, with this signature and with another one.
    pub fn check_verify_prehash(mut self) {
        for valid in [true, false] {
            if !valid {
                self.arguments[SIGNATURE][40] ^= 1;
            }
            let outcome = self.with_pointers("verify_prehash").run();
            self.check(&outcome, 0, valid);
            check_transcript(&outcome, &[self.commitment(valid)]);
        }
    }

    /// Checks `verify`, with this message and with another one.
    pub fn check_verify(self) {
        let calls = self.calls();
        let outcome = calls[0].prove();
        // The first request is that of the hash.
        assert_eq!(outcome.requests[1..], [self.request()]);
        let digest = &self.arguments[DIGEST];
        let hash = precompiled::commitment(self.hash_event.clone(), &self.hashed, digest);
        check_transcript(&outcome, &[hash, self.commitment(true)]);
        let trap = calls[1].trap();
        assert!(matches!(*trap, Trap::FailedAssertion { .. }), "{trap}");
    }
}
