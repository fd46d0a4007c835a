//! SHA-256, against RustCrypto's.

use sha2::{Digest, Sha256};

use crate::support::{Call, Samples, procedures};

/// Big-endian limbs, as they stand on the stack; the last one is filled up with zeros.
fn limbs(bytes: &[u8]) -> Vec<u32> {
    let limbs = bytes.chunks(4).map(|limb| {
        let mut filled = [0; 4];
        filled[..limb.len()].copy_from_slice(limb);
        u32::from_be_bytes(filled)
    });
    limbs.collect()
}

fn check(call: Call, bytes: &[u8]) {
    let result: [u64; 8] = call.top();
    let expected = limbs(&Sha256::digest(bytes));
    assert_eq!(
        result.to_vec(),
        expected.into_iter().map(u64::from).collect::<Vec<_>>()
    );
}

fn call(procedure: &str, bytes: &[u8]) -> Call {
    Call::new(&format!("crypto::hashes::sha256::{procedure}")).stack(limbs(bytes))
}

fn on_stack(procedure: &str, len: usize) {
    for bytes in [vec![0; len], Samples::new(2).bytes(len)] {
        check(call(procedure, &bytes), &bytes);
    }
}

procedures! { "::miden::core::crypto::hashes::sha256";
    fn hash() {
        on_stack("hash", 32);
        call("hash", &Samples::new(4).bytes(32)).prove();
    }

    fn merge() {
        on_stack("merge", 64);
    }

    fn hash_bytes() {
        for len in [0, 1, 55, 56, 64, 77] {
            let bytes = Samples::new(len).bytes(len as usize);
            // The procedure wants the first limb of a word at its highest address.
            let mut in_memory = limbs(&bytes);
            in_memory.resize(in_memory.len().next_multiple_of(4), 0);
            in_memory.chunks_exact_mut(4).for_each(<[u32]>::reverse);
            let call = Call::new("crypto::hashes::sha256::hash_bytes")
                .memory(1000, in_memory)
                .stack([1000, len]);
            check(call, &bytes);
        }
    }
}
