//! 64-bit integers against Rust's, and 256-bit ones against `num-bigint`.

use num_bigint::BigUint;

use super::{Case, Expected, Table};

/// The ends of 16, 31, 32, 33, 63 and 64 bits, and patterns.
const NUMBERS: [u64; 22] = [
    0,
    1,
    2,
    3,
    0xffff,
    0x1_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_fffe,
    0xffff_ffff,
    0x1_0000_0000,
    0x1_0000_0001,
    0x1_ffff_ffff,
    0x2_0000_0000,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0x8000_0000_0000_0001,
    0x8000_0000_8000_0000,
    0x0123_4567_89ab_cdef,
    0xffff_ffff_0000_0000,
    0xffff_ffff_0000_0001,
    u64::MAX,
];

const SHIFTS: [u32; 14] = [0, 1, 2, 15, 16, 30, 31, 32, 33, 34, 48, 62, 63, 40];

fn halves(value: u64) -> [u64; 2] {
    [value >> 32, value & 0xffff_ffff]
}

fn pairs() -> impl Iterator<Item = (u64, u64)> {
    NUMBERS.into_iter().flat_map(|a| NUMBERS.map(|b| (a, b)))
}

/// Cases of `[b, a]`.
fn binary<const N: usize>(expected: impl Fn(u64, u64) -> Option<[u64; N]>) -> Vec<Case> {
    pairs()
        .map(|(a, b)| {
            let expected = match expected(a, b) {
                Some(top) => top.to_vec().into(),
                None => Expected::Traps,
            };
            Case::new([halves(b), halves(a)].concat(), expected)
        })
        .collect()
}

fn number(expected: impl Fn(u64, u64) -> u64) -> Vec<Case> {
    binary(|a, b| Some(halves(expected(a, b))))
}

fn flag(expected: impl Fn(u64, u64) -> bool) -> Vec<Case> {
    binary(|a, b| Some([expected(a, b).into()]))
}

fn unary(expected: impl Fn(u64) -> u32) -> Vec<Case> {
    let bits = (0..64).flat_map(|bit| [1 << bit, u64::MAX << bit, !(1 << bit), !(u64::MAX << bit)]);
    NUMBERS
        .into_iter()
        .chain(bits)
        .map(|a| Case::new(halves(a), vec![expected(a).into()]))
        .collect()
}

/// Cases of `[n, a]`; 64 bits and more trap, as the library's documentation says.
fn shift(expected: impl Fn(u64, u32) -> u64) -> Vec<Case> {
    let inside = NUMBERS.into_iter().flat_map(|a| SHIFTS.map(|n| (a, n)));
    let mut cases: Vec<Case> = inside
        .map(|(a, n)| {
            let stack = [&[n.into()][..], &halves(a)].concat();
            Case::new(stack, halves(expected(a, n)).to_vec())
        })
        .collect();
    for n in [64, 65, 96, 127, 1 << 16, 0xffff_ffff, 1 << 32, 1 << 63] {
        let stack = [&[n][..], &halves(0x0123_4567_89ab_cdef)].concat();
        cases.push(Case::new(stack, Expected::Traps));
    }
    cases
}

pub fn u64() -> Table {
    vec![
        (
            "math::u64::overflowing_add",
            binary(|a, b| {
                let (sum, carry) = a.overflowing_add(b);
                let [high, low] = halves(sum);
                Some([carry.into(), high, low])
            }),
        ),
        ("math::u64::wrapping_add", number(u64::wrapping_add)),
        (
            "math::u64::overflowing_sub",
            binary(|a, b| {
                let (difference, borrow) = a.overflowing_sub(b);
                let [high, low] = halves(difference);
                Some([borrow.into(), high, low])
            }),
        ),
        ("math::u64::wrapping_sub", number(u64::wrapping_sub)),
        (
            "math::u64::overflowing_mul",
            binary(|a, b| {
                let product = u128::from(a) * u128::from(b);
                let [[a, b], [c, d]] = [halves((product >> 64) as u64), halves(product as u64)];
                Some([a, b, c, d])
            }),
        ),
        ("math::u64::wrapping_mul", number(u64::wrapping_mul)),
        ("math::u64::lt", flag(|a, b| a < b)),
        ("math::u64::lte", flag(|a, b| a <= b)),
        ("math::u64::gt", flag(|a, b| a > b)),
        ("math::u64::gte", flag(|a, b| a >= b)),
        ("math::u64::eq", flag(|a, b| a == b)),
        ("math::u64::neq", flag(|a, b| a != b)),
        ("math::u64::min", number(u64::min)),
        ("math::u64::max", number(u64::max)),
        ("math::u64::eqz", unary(|a| (a == 0).into())),
        (
            "math::u64::div",
            binary(|a, b| a.checked_div(b).map(halves)),
        ),
        (
            "math::u64::mod",
            binary(|a, b| a.checked_rem(b).map(halves)),
        ),
        (
            "math::u64::divmod",
            binary(|a, b| {
                let [[a, b], [c, d]] = [halves(a.checked_rem(b)?), halves(a / b)];
                Some([a, b, c, d])
            }),
        ),
        ("math::u64::and", number(|a, b| a & b)),
        ("math::u64::or", number(|a, b| a | b)),
        ("math::u64::xor", number(|a, b| a ^ b)),
        ("math::u64::shl", shift(|a, n| a << n)),
        ("math::u64::shr", shift(|a, n| a >> n)),
        ("math::u64::rotl", shift(u64::rotate_left)),
        ("math::u64::rotr", shift(u64::rotate_right)),
        ("math::u64::clz", unary(u64::leading_zeros)),
        ("math::u64::ctz", unary(u64::trailing_zeros)),
        ("math::u64::clo", unary(u64::leading_ones)),
        ("math::u64::cto", unary(u64::trailing_ones)),
    ]
}

/// Eight limbs, the highest first, as they stand on the stack.
fn limbs(number: &BigUint) -> Vec<u64> {
    let low_first = number.to_u32_digits();
    let limb = |i: usize| low_first.get(7 - i).copied().unwrap_or_default().into();
    (0..8).map(limb).collect()
}

/// The edges of every limb.
fn large() -> Vec<BigUint> {
    let one = BigUint::from(1_u32);
    let mut numbers = vec![BigUint::ZERO, (&one << 256) - 1_u32];
    for bits in [32, 64, 96, 128, 160, 192, 224] {
        let edge = &one << bits;
        numbers.extend([&edge - 1_u32, edge]);
    }
    numbers.extend([
        one.clone(),
        &one << 255,
        (&one << 255) - 1_u32,
        (&one << 256) - 2_u32,
    ]);
    numbers
}

fn large_binary(expected: impl Fn(&BigUint, &BigUint) -> Vec<u64>) -> Vec<Case> {
    let numbers = large();
    let pairs = numbers
        .iter()
        .flat_map(|a| numbers.iter().map(move |b| (a, b)));
    pairs
        .map(|(a, b)| Case::new([limbs(b), limbs(a)].concat(), expected(a, b)))
        .collect()
}

pub fn u256() -> Table {
    let modulus = || BigUint::from(1_u32) << 256;
    vec![
        (
            "math::u256::wrapping_add",
            large_binary(|a, b| limbs(&((a + b) % modulus()))),
        ),
        (
            "math::u256::wrapping_sub",
            large_binary(|a, b| limbs(&((modulus() + a - b) % modulus()))),
        ),
        (
            "math::u256::wrapping_mul",
            large_binary(|a, b| limbs(&((a * b) % modulus()))),
        ),
        ("math::u256::and", large_binary(|a, b| limbs(&(a & b)))),
        ("math::u256::or", large_binary(|a, b| limbs(&(a | b)))),
        ("math::u256::xor", large_binary(|a, b| limbs(&(a ^ b)))),
        ("math::u256::eq", large_binary(|a, b| vec![(a == b).into()])),
        (
            "math::u256::eqz",
            large()
                .iter()
                .map(|a| Case::new(limbs(a), vec![(*a == BigUint::ZERO).into()]))
                .collect(),
        ),
    ]
}
