//! 64-bit integers, against Rust's.

use miden_cvm_processor::Trap;

use crate::support::{Call, Samples, procedures};

/// Pairs of numbers: boundaries, and random ones of different sizes.
fn pairs() -> Vec<(u64, u64)> {
    let edges = [0, 1, u32::MAX.into(), 1 << 32, u64::MAX];
    let mut pairs: Vec<_> = edges
        .into_iter()
        .flat_map(|a| edges.map(|b| (a, b)))
        .collect();
    let mut samples = Samples::new(64);
    for _ in 0..4 {
        let (a, b) = (samples.u64(), samples.u64());
        pairs.extend([(a, b), (a, b >> 40), (a, a)]);
    }
    pairs
}

/// High and low half, as they stand on the stack.
fn halves(value: u64) -> [u64; 2] {
    [value >> 32, value & u64::from(u32::MAX)]
}

fn call(procedure: &str, numbers: &[u64]) -> Call {
    let elements = numbers.iter().flat_map(|&number| halves(number));
    Call::new(&format!("math::u64::{procedure}")).stack(elements)
}

/// Checks a procedure of `[b, a]` on all pairs.
fn binary<const N: usize>(procedure: &str, expected: impl Fn(u64, u64) -> [u64; N]) {
    for (a, b) in pairs() {
        let result = call(procedure, &[b, a]).top();
        assert_eq!(result, expected(a, b), "{procedure} of {a:#x} and {b:#x}");
    }
}

/// Checks a procedure with a flag as its result.
fn relation(procedure: &str, expected: impl Fn(&u64, &u64) -> bool) {
    binary(procedure, |a, b| [expected(&a, &b).into()]);
}

/// Checks a procedure of the quotient and remainder, and that division by zero traps.
fn division<const N: usize>(procedure: &str, expected: impl Fn(u64, u64) -> [u64; N]) {
    for (a, b) in pairs() {
        let call = call(procedure, &[b, a]);
        if b == 0 {
            assert!(matches!(*call.trap(), Trap::EventError { .. }));
        } else {
            assert_eq!(
                call.top(),
                expected(a, b),
                "{procedure} of {a:#x} and {b:#x}"
            );
        }
    }
}

/// Checks a procedure of `[n, a]` with a number of bits, and that 64 bits trap.
fn shift(procedure: &str, expected: impl Fn(u64, u32) -> u64) {
    let mut samples = Samples::new(65);
    for bits in [0, 1, 13, 31, 32, 33, 50, 63] {
        let a = samples.u64();
        let call = Call::new(&format!("math::u64::{procedure}"))
            .stack([bits])
            .stack(halves(a));
        let result = call.top();
        assert_eq!(
            result,
            halves(expected(a, bits)),
            "{procedure} of {a:#x} by {bits}"
        );
    }
}

/// Checks a procedure that counts bits.
fn count(procedure: &str, expected: impl Fn(u64) -> u32) {
    for shift in [0, 1, 7, 31, 32, 33, 63] {
        let low = (1_u64 << shift) - 1;
        for value in [low, !low, 0x8000_0001 << shift] {
            let result = call(procedure, &[value]).top();
            assert_eq!(
                result,
                [u64::from(expected(value))],
                "{procedure} of {value:#x}"
            );
        }
    }
}

procedures! { "::miden::core::math::u64";
    fn overflowing_add() {
        binary("overflowing_add", |a, b| {
            let (sum, carry) = a.overflowing_add(b);
            let [high, low] = halves(sum);
            [carry.into(), high, low]
        });
    }

    fn wrapping_add() {
        binary("wrapping_add", |a, b| halves(a.wrapping_add(b)));
    }

    fn overflowing_sub() {
        binary("overflowing_sub", |a, b| {
            let (difference, borrow) = a.overflowing_sub(b);
            let [high, low] = halves(difference);
            [borrow.into(), high, low]
        });
    }

    fn wrapping_sub() {
        binary("wrapping_sub", |a, b| halves(a.wrapping_sub(b)));
    }

    fn overflowing_mul() {
        binary("overflowing_mul", |a, b| {
            let product = u128::from(a) * u128::from(b);
            let [[a, b], [c, d]] = [halves((product >> 64) as u64), halves(product as u64)];
            [a, b, c, d]
        });
    }

    fn wrapping_mul() {
        binary("wrapping_mul", |a, b| halves(a.wrapping_mul(b)));
    }

    fn lt() {
        relation("lt", u64::lt);
    }

    fn lte() {
        relation("lte", u64::le);
    }

    fn gt() {
        relation("gt", u64::gt);
    }

    fn gte() {
        relation("gte", u64::ge);
    }

    fn eq() {
        relation("eq", u64::eq);
    }

    fn neq() {
        relation("neq", u64::ne);
    }

    fn eqz() {
        for (a, _) in pairs() {
            assert_eq!(call("eqz", &[a]).top(), [u64::from(a == 0)]);
        }
    }

    fn min() {
        binary("min", |a, b| halves(a.min(b)));
    }

    fn max() {
        binary("max", |a, b| halves(a.max(b)));
    }

    fn div() {
        division("div", |a, b| halves(a / b));
    }

    fn r#mod() {
        division("mod", |a, b| halves(a % b));
    }

    fn divmod() {
        division("divmod", |a, b| {
            let [[a, b], [c, d]] = [halves(a % b), halves(a / b)];
            [a, b, c, d]
        });
    }

    fn and() {
        binary("and", |a, b| halves(a & b));
    }

    fn or() {
        binary("or", |a, b| halves(a | b));
    }

    fn xor() {
        binary("xor", |a, b| halves(a ^ b));
    }

    fn shl() {
        shift("shl", |a, bits| a << bits);
    }

    fn shr() {
        shift("shr", |a, bits| a >> bits);
    }

    fn rotl() {
        shift("rotl", u64::rotate_left);
    }

    fn rotr() {
        shift("rotr", u64::rotate_right);
    }

    fn clz() {
        count("clz", u64::leading_zeros);
    }

    fn ctz() {
        count("ctz", u64::trailing_zeros);
    }

    fn clo() {
        count("clo", u64::leading_ones);
    }

    fn cto() {
        count("cto", u64::trailing_ones);
    }
}
