//! BLAKE3, against the crate of the same name.

use crate::support::{Call, Samples, procedures};

/// Little-endian limbs, as they stand on the stack.
fn limbs(bytes: &[u8]) -> Vec<u32> {
    let limbs = bytes.chunks_exact(4);
    limbs
        .map(|limb| u32::from_le_bytes([limb[0], limb[1], limb[2], limb[3]]))
        .collect()
}

fn call(procedure: &str, bytes: &[u8]) -> Call {
    Call::new(&format!("crypto::hashes::blake3::{procedure}")).stack(limbs(bytes))
}

fn check(procedure: &str, len: usize) {
    for bytes in [vec![0; len], Samples::new(3).bytes(len)] {
        let result: [u64; 8] = call(procedure, &bytes).top();
        let expected = limbs(blake3::hash(&bytes).as_bytes());
        assert_eq!(
            result.to_vec(),
            expected.into_iter().map(u64::from).collect::<Vec<_>>()
        );
    }
}

procedures! { "::miden::core::crypto::hashes::blake3";
    fn hash() {
        check("hash", 32);
        call("hash", &Samples::new(4).bytes(32)).prove();
    }

    fn merge() {
        check("merge", 64);
    }
}
