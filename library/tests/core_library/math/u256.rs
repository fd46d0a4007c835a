//! 256-bit integers, against `num-bigint`.

use num_bigint::BigUint;

use crate::support::{Call, Samples, procedures};

/// Pairs of numbers: boundaries, and random ones of different sizes.
fn pairs() -> Vec<(BigUint, BigUint)> {
    let one = BigUint::from(1_u32);
    let edges = [
        BigUint::ZERO,
        one.clone(),
        &one << 128,
        (&one << 256) - 1_u32,
    ];
    let mut pairs: Vec<_> = edges
        .iter()
        .flat_map(|a| edges.iter().map(|b| (a.clone(), b.clone())))
        .collect();
    let mut samples = Samples::new(256);
    for _ in 0..4 {
        let [a, b] = [(); 2].map(|()| BigUint::from_bytes_le(&samples.bytes(32)));
        pairs.extend([
            (a.clone(), b.clone()),
            (a.clone(), &b >> 100),
            (a.clone(), a),
        ]);
    }
    pairs
}

/// Eight limbs, the highest first, as they stand on the stack.
fn limbs(number: &BigUint) -> [u64; 8] {
    let low_first = number.to_u32_digits();
    core::array::from_fn(|i| low_first.get(7 - i).copied().unwrap_or_default().into())
}

fn call(procedure: &str, numbers: &[&BigUint]) -> Call {
    let elements = numbers.iter().flat_map(|number| limbs(number));
    Call::new(&format!("math::u256::{procedure}")).stack(elements)
}

/// Checks a procedure of `[b, a]` on all pairs; results are those below 2^256.
fn binary(procedure: &str, expected: impl Fn(&BigUint, &BigUint) -> BigUint) {
    let modulus = BigUint::from(1_u32) << 256;
    for (a, b) in pairs() {
        let result: [u64; 8] = call(procedure, &[&b, &a]).top();
        let expected = limbs(&(expected(&a, &b) % &modulus));
        assert_eq!(result, expected, "{procedure} of {a:#x} and {b:#x}");
    }
}

procedures! { "::miden::core::math::u256";
    fn wrapping_add() {
        binary("wrapping_add", |a, b| a + b);
    }

    fn wrapping_sub() {
        binary("wrapping_sub", |a, b| (BigUint::from(1_u32) << 256) + a - b);
    }

    fn wrapping_mul() {
        binary("wrapping_mul", |a, b| a * b);
    }

    fn and() {
        binary("and", |a, b| a & b);
    }

    fn or() {
        binary("or", |a, b| a | b);
    }

    fn xor() {
        binary("xor", |a, b| a ^ b);
    }

    fn eq() {
        for (a, b) in pairs() {
            assert_eq!(call("eq", &[&b, &a]).top(), [u64::from(a == b)]);
        }
    }

    fn eqz() {
        for (a, _) in pairs() {
            assert_eq!(call("eqz", &[&a]).top(), [u64::from(a == BigUint::ZERO)]);
        }
    }
}
