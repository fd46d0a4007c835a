//! Signatures and authenticated encryption at the edges of coefficients, of lengths and of validity,
//! against `miden-crypto`'s.

use miden_core::{Felt, ONE, Word, ZERO};
use miden_crypto::aead::aead_rpo::{Nonce, SecretKey};

use super::{Case, Expected, Table, ints, on_stack};
use crate::{
    dsa::{
        ecdsa_k256_keccak, eddsa_ed25519,
        falcon512rpo::{self, DEGREE, MODULUS, Polynomials, point_of, square},
        signed::Signed,
    },
    support::{Code, Corrected, Samples},
};

/// The least and the greatest element, and some other one.
fn elements() -> [Felt; 3] {
    [ZERO, ZERO - ONE, Samples::new(5).felt()]
}

/// Plaintexts of several lengths with their ciphertexts, and what is behind both of them.
fn encrypted(decrypts: bool) -> Vec<Case> {
    const FROM: u32 = 1000;
    const TO: u32 = 2000;
    let mut cases = Vec::new();
    for blocks in [0_usize, 1, 2, 3, 8] {
        for element in elements() {
            let word = Word::new([element; 4]);
            let plaintext = vec![element; 8 * blocks];
            let key = SecretKey::from_elements(word.into());
            let encrypted = key
                .encrypt_elements_with_nonce(&plaintext, &[], Nonce::from(word))
                .expect("elements can be encrypted");
            let ciphertext = ints(encrypted.ciphertext());
            let tag = ints(&encrypted.auth_tag().to_elements());
            let pointers = [FROM, TO, blocks as u32].map(u64::from);
            let stack = [on_stack(word), on_stack(word), pointers.to_vec()].concat();
            let behind = 8 * blocks as u32;
            if !decrypts {
                let tag: Vec<u64> = tag.into_iter().rev().collect();
                cases.push(
                    Case::new(stack, tag)
                        .memory(FROM, &ints(&plaintext))
                        .memory(FROM + behind, &[7; 8])
                        .leaves(FROM + behind, &[7; 8])
                        .leaves(TO, &ciphertext),
                );
                continue;
            }
            let with = |data: &[u64], expected: Expected| {
                Case::new(stack.clone(), expected)
                    .memory(FROM, data)
                    .memory(TO + behind, &[7; 8])
                    .leaves(TO, &ints(&plaintext))
                    .leaves(TO + behind, &[7; 8])
            };
            let data = [ciphertext, tag].concat();
            cases.push(with(&data, vec![].into()));
            // The first and the last element of the ciphertext and of the tag.
            let padded = 8 * blocks + 8;
            for changed in [0, padded - 1, padded, padded + 3] {
                let mut other = data.clone();
                other[changed] = (Felt::new(other[changed]) + ONE).as_int();
                cases.push(with(&other, Expected::Traps));
            }
        }
    }
    cases
}

fn halves(value: u64) -> [u64; 2] {
    [value >> 32, value & 0xffff_ffff]
}

/// The parts of the verification of Falcon signatures.
fn falcon() -> Table {
    // As many times the modulus as keep differences of coefficients of products positive.
    let lift = DEGREE as u64 * MODULUS * MODULUS;
    let numbers = [
        0,
        1,
        MODULUS - 1,
        MODULUS,
        MODULUS + 1,
        0xffff_ffff,
        1 << 32,
        (1 << 32) + 1,
        1 << 63,
        u64::MAX - 0xffff_ffff,
        u64::MAX,
    ];
    let reduced = numbers
        .map(|n| Case::new(halves(n), vec![n % MODULUS]))
        .to_vec();
    let edges = [0, 1, MODULUS - 1, MODULUS, lift - 1];
    let mut differences = Vec::new();
    for value in [0, 1, 0xffff_ffff, 1 << 32, u64::MAX - (1 << 32)] {
        for low in edges {
            for high in edges {
                let [upper, lower] = halves(value);
                let sum = u128::from(value) + u128::from(high + lift - low);
                let expected = (sum % u128::from(MODULUS)) as u64;
                let stack = [low, high + lift, upper, lower];
                differences.push(Case::new(stack, vec![expected]));
            }
        }
    }
    let coefficients = [0, 1, 6143, 6144, 6145, 6146, MODULUS - 2, MODULUS - 1];
    let norms = coefficients
        .map(|c| Case::new([c], vec![square(c)]))
        .to_vec();
    let s2_norms = coefficients
        .map(|c| {
            let case = Case::new([4000], vec![DEGREE as u64 * square(c)]);
            case.memory(4000, &[c; DEGREE])
        })
        .to_vec();
    let mut s1_norms = Vec::new();
    for product in [0, 1, lift - 1] {
        for point in elements().map(|element| element.as_int()) {
            // The upper half of the product is the other way round.
            let other = lift - 1 - product;
            let difference = point % MODULUS + other % MODULUS + MODULUS - product % MODULUS;
            let norm = DEGREE as u64 * square(difference % MODULUS);
            let memory = [[product; DEGREE], [other; DEGREE], [point; DEGREE]].concat();
            s1_norms.push(Case::new([4000], vec![norm]).memory(4000, &memory));
        }
    }
    let mut points = Vec::new();
    for message in elements().map(|element| Word::new([element; 4])) {
        for nonce in elements().map(|element| [element; 8]) {
            let nonce_on_stack: Vec<u64> = nonce.iter().rev().map(|n| n.as_int()).collect();
            let stack = [vec![4000], on_stack(message), nonce_on_stack].concat();
            let point = ints(&point_of(&nonce, message));
            points.push(Case::new(stack, vec![]).leaves(4000, &point));
        }
    }
    let mut loaded = Vec::new();
    for [key, signature] in [
        [0, 0],
        [0, 1],
        [1, MODULUS - 1],
        [MODULUS - 1, MODULUS - 1],
        [MODULUS, 0],
        [0, MODULUS],
    ] {
        let polynomials = Polynomials::new([key; DEGREE], [signature; DEGREE]);
        let expected = match key.max(signature) < MODULUS {
            true => vec![].into(),
            false => Expected::Traps,
        };
        let case = Case::of(&polynomials.load_call(), expected);
        loaded.push(case.leaves(4000, &ints(&polynomials.elements())));
    }
    let calls = falcon512rpo::calls();
    let (call, moved) = falcon512rpo::move_call();
    let (stack, ..) = call.inputs();
    vec![
        ("crypto::dsa::falcon512rpo::mod_12289", reduced),
        ("crypto::dsa::falcon512rpo::diff_mod_M", differences),
        ("crypto::dsa::falcon512rpo::norm_sq", norms),
        ("crypto::dsa::falcon512rpo::compute_s2_norm_sq", s2_norms),
        ("crypto::dsa::falcon512rpo::compute_s1_norm_sq", s1_norms),
        ("crypto::dsa::falcon512rpo::hash_to_point", points),
        ("crypto::dsa::falcon512rpo::load_h_s2_and_product", loaded),
        (
            "crypto::dsa::falcon512rpo::verify",
            vec![
                Case::of(&calls[0], vec![]),
                Case::of(&calls[1], Expected::Traps),
            ],
        ),
        (
            "crypto::dsa::falcon512rpo::move_sig_from_map_to_adv_stack",
            vec![Case::of(&call, ints(stack)).leaves_advice(&moved)],
        ),
    ]
}

/// A valid and an invalid signature, under the hash of a message and under the message itself.
struct Scheme {
    by_message: Vec<Case>,
    by_hash: Vec<Case>,
    committed: Vec<Case>,
}

impl Scheme {
    fn new(signed: fn() -> Signed) -> Self {
        let calls = signed().calls();
        let results = [1, 0];
        let of_hash = |procedure: &str, expected: &dyn Fn(bool) -> Vec<u64>| {
            let calls = signed().prehash_calls(procedure, "");
            let cases = calls.iter().zip(results);
            cases
                .map(|(call, result)| Case::of(call, expected(result == 1)))
                .collect()
        };
        Self {
            by_message: vec![
                Case::of(&calls[0], vec![]),
                Case::of(&calls[1], Expected::Traps),
            ],
            by_hash: of_hash("verify_prehash", &|valid| vec![valid.into()]),
            committed: of_hash("verify_prehash_impl", &|valid| {
                let commitment = signed().with_validity(valid).commitment(valid);
                let words = [commitment.comm_calldata(), commitment.tag()].map(on_stack);
                [words.concat(), vec![valid.into()]].concat()
            }),
        }
    }

    /// The same, where a hash of the caller's shows nothing.
    fn refusing(mut self) -> Self {
        for case in self.by_hash.iter_mut().chain(&mut self.committed) {
            case.expected = Expected::Traps;
        }
        self
    }
}

fn signatures(code: Code) -> Table {
    let ecdsa = Scheme::new(ecdsa_k256_keccak::signed);
    let mut eddsa = Scheme::new(eddsa_ed25519::signed);
    if code == Corrected {
        eddsa = eddsa.refusing();
    }
    vec![
        ("crypto::dsa::ecdsa_k256_keccak::verify", ecdsa.by_message),
        (
            "crypto::dsa::ecdsa_k256_keccak::verify_prehash",
            ecdsa.by_hash,
        ),
        (
            "crypto::dsa::ecdsa_k256_keccak::verify_prehash_impl",
            ecdsa.committed,
        ),
        ("crypto::dsa::eddsa_ed25519::verify", eddsa.by_message),
        ("crypto::dsa::eddsa_ed25519::verify_prehash", eddsa.by_hash),
        (
            "crypto::dsa::eddsa_ed25519::verify_prehash_impl",
            eddsa.committed,
        ),
    ]
}

pub fn table(code: Code) -> Table {
    let encryption = vec![
        ("crypto::aead::encrypt", encrypted(false)),
        ("crypto::aead::decrypt", encrypted(true)),
    ];
    [encryption, falcon(), signatures(code)].concat()
}
