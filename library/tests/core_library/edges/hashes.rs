//! Hash functions at the edges of their blocks, against `miden-crypto` and RustCrypto.

use miden_core::{EventName, Felt, ONE, Word, ZERO, crypto::hash::Rpo256};
use sha2::{Digest, Sha256, Sha512};
use sha3::Keccak256;

use super::{Case, Expected, Table, ints, on_stack};
use crate::{
    hashes::{keccak256, precompiled, sha512},
    support::Samples,
};

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
    // Elements that are no limbs.
    .chain([0, len / 4 - 1].map(|at| {
        let mut limbs = vec![0; len / 4];
        limbs[at] = 1 << 32;
        Case::new(limbs, Expected::Traps)
    }))
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

/// Bytes in memory, which a request commits to; commitment, tag and digest are left.
fn committed(event: &EventName, hash: impl Fn(&[u8]) -> Vec<u8>) -> Vec<Case> {
    messages()
        .map(|bytes| {
            let digest = hash(&bytes);
            let commitment = precompiled::commitment(event.clone(), &bytes, &digest);
            let words = [commitment.comm_calldata(), commitment.tag()].map(on_stack);
            let expected = [words.concat(), limbs(&digest, u32::from_le_bytes)].concat();
            let case = Case::new([ADDR.into(), bytes.len() as u64], expected);
            case.memory(ADDR, &limbs(&bytes, u32::from_le_bytes))
        })
        .collect()
}

/// States of the least and the greatest elements, and some other one.
fn states() -> [[Felt; 12]; 3] {
    let random = Samples::new(11).felts(12);
    [
        [ZERO; 12],
        [ZERO - ONE; 12],
        core::array::from_fn(|i| random[i]),
    ]
}

/// A state as it stands on the stack.
fn state_on_stack(state: &[Felt; 12]) -> Vec<u64> {
    state.iter().rev().map(|element| element.as_int()).collect()
}

/// Procedures of the hasher's state.
fn sponge() -> Table {
    let digest = |state: &[Felt; 12]| {
        let digest = state[Rpo256::DIGEST_RANGE].iter().rev();
        digest.map(|element| element.as_int()).collect::<Vec<_>>()
    };
    let of_states = |expected: &dyn Fn([Felt; 12]) -> Vec<u64>| {
        states()
            .map(|state| Case::new(state_on_stack(&state), expected(state)))
            .to_vec()
    };
    let absorbed = states().into_iter().flat_map(|initial| {
        [0, 1, 2, 9].map(|blocks| {
            let data = elements(blocks * 8);
            let mut state = initial;
            for block in data.chunks_exact(8) {
                state[Rpo256::RATE_RANGE].copy_from_slice(block);
                Rpo256::apply_permutation(&mut state);
            }
            let end = u64::from(ADDR) + 8 * blocks as u64;
            let stack = [state_on_stack(&initial), vec![ADDR.into(), end]].concat();
            let expected = [state_on_stack(&state), vec![end, end]].concat();
            Case::new(stack, expected).memory(ADDR, &ints(&data))
        })
    });
    let lens = [0_u64, 1, 4, 7, 8, 9, 15, 16, 17];
    let capacity = |first: u64| {
        let mut state = [ZERO; 12];
        state[Rpo256::CAPACITY_RANGE.start] = Felt::new(first);
        state_on_stack(&state)
    };
    let bounds = |len: u64| vec![ADDR.into(), u64::from(ADDR) + len / 8 * 8, len % 8];
    let prepared = lens.into_iter().flat_map(|len| {
        [false, true].map(|pads| {
            let first = if pads { 0 } else { len % 8 };
            let expected = [capacity(first), bounds(len)].concat();
            Case::new([ADDR.into(), len, pads.into()], expected)
        })
    });
    let with_state = lens.into_iter().filter(|&len| len > 0).map(|len| {
        let data = elements(len as usize);
        let stack = [capacity(len % 8), bounds(len)].concat();
        let expected = on_stack(Rpo256::hash_elements(&data));
        Case::new(stack, expected).memory(ADDR, &ints(&data))
    });
    vec![
        (
            "crypto::hashes::rpo256::init_no_padding",
            vec![Case::new([], vec![0; 12])],
        ),
        (
            "crypto::hashes::rpo256::squeeze_digest",
            of_states(&|state| digest(&state)),
        ),
        (
            "crypto::hashes::rpo256::copy_digest",
            of_states(&|state| [digest(&state), state_on_stack(&state)].concat()),
        ),
        (
            "crypto::hashes::rpo256::permute",
            of_states(&|mut state| {
                Rpo256::apply_permutation(&mut state);
                state_on_stack(&state)
            }),
        ),
        (
            "crypto::hashes::rpo256::absorb_double_words_from_memory",
            absorbed.collect(),
        ),
        (
            "crypto::hashes::rpo256::prepare_hasher_state",
            prepared.collect(),
        ),
        (
            "crypto::hashes::rpo256::hash_elements_with_state",
            with_state.collect(),
        ),
    ]
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
    let sha512 = |bytes: &[u8]| Sha512::digest(bytes).to_vec();
    let functions = vec![
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
        ("crypto::hashes::sha512::hash_bytes", of_bytes(sha512)),
        (
            "crypto::hashes::keccak256::hash_bytes_impl",
            committed(&keccak256::EVENT, keccak),
        ),
        (
            "crypto::hashes::sha512::hash_bytes_impl",
            committed(&sha512::EVENT, sha512),
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
    ];
    [functions, sponge()].concat()
}
