//! SHA-512, against RustCrypto's.

use miden_core::EventName;
use sha2::{Digest, Sha512};

use super::precompiled::{call, check, check_commitment, check_transcript, commitment};
use crate::support::{Samples, procedures};

/// The event by which a program asks for it.
pub const EVENT: EventName = EventName::new("miden::core::hash::sha512::hash_bytes");

procedures! { "::miden::core::crypto::hashes::sha512";
    fn hash_bytes_impl() {
        for len in [0, 1, 4, 111, 112, 200] {
            let bytes = Samples::new(len).bytes(len as usize);
            let digest = Sha512::digest(&bytes);
            let mut outcome = call("crypto::hashes::sha512::hash_bytes_impl", &bytes)
                .memory(800, [1_u32])
                .run();
            let expected = commitment(EVENT, &bytes, &digest);
            check_commitment(&outcome.stack, expected);
            // The second half of the digest is below the sixteenth element.
            outcome.stack.drain(..8);
            check(&outcome, EVENT, &bytes, &digest[..32]);
        }
    }

    fn hash_bytes() {
        for len in [0, 33, 128] {
            let bytes = Samples::new(len).bytes(len as usize);
            let call = call("crypto::hashes::sha512::hash_bytes", &bytes);
            let outcome = if len == 33 { call.prove() } else { call.run() };
            let digest = Sha512::digest(&bytes);
            check(&outcome, EVENT, &bytes, &digest);
            check_transcript(&outcome, &[commitment(EVENT, &bytes, &digest)]);
        }
    }
}
