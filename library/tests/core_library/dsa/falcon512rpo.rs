//! Falcon-512 with RPO, against `miden-crypto`'s.

use miden_core::{
    Felt, Word,
    crypto::{
        dsa::falcon512_rpo::{Polynomial, SecretKey, Signature},
        hash::Rpo256,
    },
};

use crate::support::{Call, Samples, procedures};

pub const MODULUS: u64 = 12289;
pub const DEGREE: usize = 512;

fn call(procedure: &str) -> Call {
    Call::new(&format!("crypto::dsa::falcon512rpo::{procedure}"))
}

/// A message with its signature.
struct Signed {
    message: Word,
    signature: Signature,
}

impl Signed {
    fn new() -> Self {
        let mut samples = Samples::new(29);
        let secret = SecretKey::with_rng(samples.rng());
        let message = samples.word();
        let signature = secret.sign_with_rng(message, samples.rng());
        Self { message, signature }
    }

    fn key_commitment(&self) -> Word {
        self.signature.public_key().to_commitment()
    }

    fn polynomials(&self) -> Polynomials {
        let (key, signature) = (self.signature.public_key(), self.signature.sig_poly());
        let product = Polynomial::mul_modulo_p(key, signature);
        Polynomials {
            key: key.to_elements(),
            signature: signature.to_elements(),
            product: product.map(Felt::new).to_vec(),
        }
    }

    /// The coefficients that message and nonce hash to, before they are reduced.
    fn point(&self) -> Vec<Felt> {
        point_of(&self.signature.nonce().to_elements(), self.message)
    }
}

/// The coefficients that a message and a nonce hash to, before they are reduced.
pub fn point_of(nonce: &[Felt; 8], message: Word) -> Vec<Felt> {
    let mut state = [Felt::new(0); 12];
    state[Rpo256::RATE_RANGE].copy_from_slice(nonce);
    Rpo256::apply_permutation(&mut state);
    state[Rpo256::RATE_RANGE][..4].copy_from_slice(message.as_elements());
    let mut coefficients = Vec::new();
    while coefficients.len() < DEGREE {
        Rpo256::apply_permutation(&mut state);
        coefficients.extend_from_slice(&state[Rpo256::RATE_RANGE]);
    }
    coefficients
}

/// Public key, signature and their product over the integers.
pub struct Polynomials {
    key: Vec<Felt>,
    signature: Vec<Felt>,
    product: Vec<Felt>,
}

impl Polynomials {
    /// Those with the coefficients of a key and a signature.
    pub fn new(key: [u64; DEGREE], signature: [u64; DEGREE]) -> Self {
        let mut product = [0; 2 * DEGREE];
        for (i, a) in key.iter().enumerate() {
            for (j, b) in signature.iter().enumerate() {
                product[i + j] += a * b;
            }
        }
        let [key, signature] = [key, signature].map(|coefficients| coefficients.map(Felt::new));
        Self {
            key: key.to_vec(),
            signature: signature.to_vec(),
            product: product.map(Felt::new).to_vec(),
        }
    }

    /// The coefficients of all three.
    pub fn elements(&self) -> Vec<Felt> {
        [&self.key[..], &self.signature, &self.product].concat()
    }

    /// The advice for them: the point that they are evaluated at, and they themselves.
    fn advice(&self) -> Vec<Felt> {
        let elements = self.elements();
        let point = Rpo256::hash_elements(&elements);
        [point[0], point[1]].into_iter().chain(elements).collect()
    }

    /// The call that loads them.
    pub fn load_call(&self) -> Call {
        call("load_h_s2_and_product")
            .stack([4000_u32])
            .word(Rpo256::hash_elements(&self.key))
            .advice(self.advice())
    }
}

/// Calls of `verify` with a signed message, and with another one.
pub fn calls() -> Vec<Call> {
    let signed = Signed::new();
    [signed.message, Word::default()]
        .map(|message| {
            call("verify")
                .word(signed.key_commitment())
                .word(message)
                .advice(signed.polynomials().advice())
                .advice(signed.signature.nonce().to_elements())
        })
        .to_vec()
}

/// A call of `load_h_s2_and_product`.
pub fn load_call() -> Call {
    Signed::new().polynomials().load_call()
}

/// A call of `compute_s1_norm_sq`.
pub fn norm_call() -> Call {
    let signed = Signed::new();
    call("compute_s1_norm_sq")
        .memory(4000, signed.polynomials().product)
        .memory(5024, signed.point())
        .stack([4000_u32])
}

/// The call of `move_sig_from_map_to_adv_stack`, and what it moves.
pub fn move_call() -> (Call, Vec<Felt>) {
    let (key, message) = (Samples::new(1).word(), Samples::new(2).word());
    let signature = Samples::new(3).felts(40);
    let call = call("move_sig_from_map_to_adv_stack")
        .word(key)
        .word(message)
        .entry(Rpo256::merge(&[message, key]), signature.clone());
    (call, signature)
}

/// The square of the representative with the least absolute value.
pub fn square(value: u64) -> u64 {
    let value = value.min(MODULUS - value);
    value * value
}

procedures! { "::miden::core::crypto::dsa::falcon512rpo";
    fn mod_12289() {
        for value in [0, MODULUS - 1, MODULUS, 1 << 40, 0xffff_ffff_0000_0000] {
            let halves = [value >> 32, value & u64::from(u32::MAX)];
            assert_eq!(call("mod_12289").stack(halves).top(), [value % MODULUS]);
        }
    }

    fn hash_to_point() {
        let signed = Signed::new();
        let nonce = signed.signature.nonce().to_elements();
        let outcome = call("hash_to_point")
            .stack([4000_u32])
            .word(signed.message)
            .stack(nonce.into_iter().rev())
            .run();
        assert_eq!(outcome.elements(4000, DEGREE as u32), signed.point());
    }

    fn load_h_s2_and_product() {
        let signed = Signed::new();
        let run = |advice: Vec<Felt>| {
            call("load_h_s2_and_product")
                .stack([4000_u32])
                .word(signed.key_commitment())
                .advice(advice)
        };
        let polynomials = signed.polynomials();
        let outcome = run(polynomials.advice()).run();
        let elements = polynomials.elements();
        assert_eq!(outcome.elements(4000, 4 * DEGREE as u32), elements);
        // Another product.
        let mut advice = polynomials.advice();
        advice[2 + 2 * DEGREE + 5] += Felt::new(1);
        run(advice).trap();
    }

    fn norm_sq() {
        for value in [0, 1, 6144, 6145, MODULUS - 1] {
            assert_eq!(call("norm_sq").stack([value]).top(), [square(value)]);
        }
    }

    fn diff_mod_M() {
        // Multiples of the modulus that keep the difference positive.
        let lift = DEGREE as u64 * MODULUS * MODULUS;
        for [value, low, high] in [[5, 0, 0], [u64::MAX - (1 << 32), 77, lift - 1], [9, lift - 1, 3]] {
            let result = call("diff_mod_M")
                .stack([low, high + lift, value >> 32, value & u64::from(u32::MAX)])
                .top();
            let expected = (u128::from(value) + u128::from(high + lift - low)) % u128::from(MODULUS);
            assert_eq!(result, [expected as u64]);
        }
    }

    fn compute_s1_norm_sq() {
        let signed = Signed::new();
        let Polynomials { product, .. } = signed.polynomials();
        let point = signed.point();
        let norm: u64 = (0..DEGREE)
            .map(|i| {
                let minus_low = MODULUS - product[i].as_int() % MODULUS;
                let high = product[i + DEGREE].as_int() % MODULUS;
                square((point[i].as_int() % MODULUS + minus_low + high) % MODULUS)
            })
            .sum();
        assert_eq!(norm_call().top(), [norm]);
    }

    fn compute_s2_norm_sq() {
        let signed = Signed::new();
        let Polynomials { signature, .. } = signed.polynomials();
        let norm: u64 = signature.iter().map(|element| square(element.as_int())).sum();
        let result = call("compute_s2_norm_sq")
            .memory(4000, signature)
            .stack([4000_u32])
            .top();
        assert_eq!(result, [norm]);
    }

    fn verify() {
        let signed = Signed::new();
        assert!(signed.signature.verify(signed.message, signed.signature.public_key()));
        let calls = calls();
        calls[0].prove();
        calls[1].trap();
    }

    fn move_sig_from_map_to_adv_stack() {
        let (call, signature) = move_call();
        assert_eq!(call.run().advice_stack, signature);
    }
}
