//! Hash functions at the edges of their blocks, against `miden-crypto` and RustCrypto.

use miden_core::{Felt, Word, ZERO, crypto::hash::Rpo256};
use sha2::{Digest, Sha256, Sha512};
use sha3::Keccak256;

use super::{Case, Table, ints, on_stack};
use crate::support::Samples;

const ADDR: u32 = 400;

/// The edges of elements, words, blocks and paddings.
const BYTES: [usize; 30] = [
    0, 1, 3, 4, 5, 15, 16, 17, 31, 32, 33, 54, 55, 56, 57, 63, 64, 65, 111, 112, 119, 120, 127,
    128, 129, 135, 136, 137, 255, 272,
];

/// Limbs; the last one is filled up with zeros.
fn limbs(bytes: &[u8], of: fn([u8; 4]) -> u32) -> Vec<u64> {
    let limbs = bytes.chunks(4).map(|limb| {
        let mut filled = [0; 4];
        filled[..limb.len()].copy_from_slice(limb);
        of(filled).into()
    });
    limbs.collect()
}

/// Bytes of every length, all ones and random.
fn messages() -> impl Iterator<Item = Vec<u8>> {
    BYTES
        .into_iter()
        .flat_map(|len| [vec![0xff; len], Samples::new(len as u64).bytes(len)])
}

fn of_bytes(hash: impl Fn(&[u8]) -> Vec<u8>) -> Vec<Case> {
    messages()
        .map(|bytes| {
            let digest = limbs(&hash(&bytes), u32::from_le_bytes);
            let case = Case::new([ADDR.into(), bytes.len() as u64], digest);
            case.memory(ADDR, &limbs(&bytes, u32::from_le_bytes))
        })
        .collect()
}

fn sha256_of_bytes() -> Vec<Case> {
    messages()
        .map(|bytes| {
            // The procedure wants the first limb of a word at its highest address.
            let mut in_memory = limbs(&bytes, u32::from_be_bytes);
            in_memory.resize(in_memory.len().next_multiple_of(4), 0);
            in_memory.chunks_exact_mut(4).for_each(<[u64]>::reverse);
            let digest = limbs(&Sha256::digest(&bytes), u32::from_be_bytes);
            Case::new([ADDR.into(), bytes.len() as u64], digest).memory(ADDR, &in_memory)
        })
        .collect()
}

/// Bytes on the stack, of the length that a procedure takes.
fn on_top(len: usize, of: fn([u8; 4]) -> u32, hash: impl Fn(&[u8]) -> Vec<u8>) -> Vec<Case> {
    let mut one = vec![0; len];
    one[len - 1] = 1;
    [
        vec![0; len],
        vec![0xff; len],
        one,
        Samples::new(9).bytes(len),
    ]
    .into_iter()
    .map(|bytes| Case::new(limbs(&bytes, of), limbs(&hash(&bytes), of)))
    .collect()
}

fn elements(len: usize) -> Vec<Felt> {
    Samples::new(len as u64).felts(len)
}

fn of_elements(pads: bool) -> Vec<Case> {
    [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33]
        .into_iter()
        .map(|len| {
            let mut data = elements(len);
            let case = |data: &[Felt], hash| {
                Case::new([ADDR.into(), len as u64], on_stack(hash)).memory(ADDR, &ints(data))
            };
            let in_memory = data.clone();
            if pads {
                data.resize(len.next_multiple_of(8), ZERO);
            }
            case(&in_memory, Rpo256::hash_elements(&data))
        })
        .collect()
}

fn of_words(counts: impl IntoIterator<Item = u32>) -> Vec<Case> {
    counts
        .into_iter()
        .map(|words| {
            let data = elements(words as usize * 4);
            let stack = [ADDR.into(), (ADDR + words * 4).into()];
            Case::new(stack, on_stack(Rpo256::hash_elements(&data))).memory(ADDR, &ints(&data))
        })
        .collect()
}

/// Words of the least and the greatest elements.
fn words() -> [Word; 3] {
    let greatest = Felt::new(0) - Felt::new(1);
    [
        [ZERO; 4].into(),
        [greatest; 4].into(),
        Samples::new(3).word(),
    ]
}

pub fn table() -> Table {
    let sha256 = |bytes: &[u8]| Sha256::digest(bytes).to_vec();
    let keccak = |bytes: &[u8]| Keccak256::digest(bytes).to_vec();
    let blake3 = |bytes: &[u8]| blake3::hash(bytes).as_bytes().to_vec();
    vec![
        ("crypto::hashes::sha256::hash_bytes", sha256_of_bytes()),
        (
            "crypto::hashes::sha256::hash",
            on_top(32, u32::from_be_bytes, sha256),
        ),
        (
            "crypto::hashes::sha256::merge",
            on_top(64, u32::from_be_bytes, sha256),
        ),
        ("crypto::hashes::keccak256::hash_bytes", of_bytes(keccak)),
        (
            "crypto::hashes::keccak256::hash",
            on_top(32, u32::from_le_bytes, keccak),
        ),
        (
            "crypto::hashes::keccak256::merge",
            on_top(64, u32::from_le_bytes, keccak),
        ),
        (
            "crypto::hashes::sha512::hash_bytes",
            of_bytes(|bytes| Sha512::digest(bytes).to_vec()),
        ),
        (
            "crypto::hashes::blake3::hash",
            on_top(32, u32::from_le_bytes, blake3),
        ),
        (
            "crypto::hashes::blake3::merge",
            on_top(64, u32::from_le_bytes, blake3),
        ),
        ("crypto::hashes::rpo256::hash_elements", of_elements(false)),
        (
            "crypto::hashes::rpo256::pad_and_hash_elements",
            of_elements(true),
        ),
        (
            "crypto::hashes::rpo256::hash_words",
            of_words([0, 1, 2, 3, 4, 5, 7, 8, 9]),
        ),
        (
            "crypto::hashes::rpo256::hash_double_words",
            of_words([0, 2, 4, 6, 8]),
        ),
        (
            "crypto::hashes::rpo256::hash",
            words()
                .map(|word| {
                    let hash = Rpo256::hash_elements(word.as_elements());
                    Case::new(on_stack(word), on_stack(hash))
                })
                .to_vec(),
        ),
        (
            "crypto::hashes::rpo256::merge",
            words()
                .into_iter()
                .flat_map(|a| words().map(|b| (a, b)))
                .map(|(a, b)| {
                    let stack = [on_stack(b), on_stack(a)].concat();
                    Case::new(stack, on_stack(Rpo256::merge(&[a, b])))
                })
                .collect(),
        ),
    ]
}
