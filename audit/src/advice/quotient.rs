//! Lies about quotients and remainders that agree with each other: for a dividend that is compared
//! only modulo something, `q·d + r` stays the same.

use miden_core::{Felt, StarkField};

use crate::random::Random;

/// The moduli that unchecked carries and field arithmetic lead to.
const MODULI: [u128; 3] = [1 << 64, Felt::MODULUS as u128, 1 << 32];

/// Another quotient and remainder with the same `q·d + r`, modulo one of [MODULI]. A quotient in
/// `halves` is most likely one of 64 bits.
pub(super) fn shift(q: u128, r: u128, d: u128, halves: bool, random: &mut Random) -> (u128, u128) {
    let m = match halves && !random.one_in(4) {
        true => MODULI[0],
        false => *random.pick(&MODULI),
    };
    let d = d % m;
    let g = gcd(d, m);
    let mut delta = match random.below(8) {
        0 => 0,
        1 => 1,
        2 => m - 1,
        3 => d,
        4 => m - d,
        5 => 1 + random.below(64) as u128,
        6 => m - 1 - random.below(64) as u128,
        _ => random.next() as u128 % d.max(2),
    };
    if !delta.is_multiple_of(g) {
        delta = delta * (g % m) % m;
    }
    // k·d = delta (mod m) has g solutions, m / g apart.
    let n = m / g;
    let base = (delta / g % n) * inverse(d / g % n, n) % n;
    let turns = match delta {
        0 => 1 + random.next() as u128 % (g - 1).max(1),
        _ => random.next() as u128 % g,
    };
    let k = (base + n * turns) % m;
    ((q % m + m - k) % m, (r % m + delta) % m)
}

fn gcd(a: u128, b: u128) -> u128 {
    match b {
        0 => a,
        b => gcd(b, a % b),
    }
}

/// The inverse of `a` modulo `m`, where they have no common factor.
fn inverse(a: u128, m: u128) -> u128 {
    let (mut old_r, mut r) = (a as i128, m as i128);
    let (mut old_s, mut s) = (1_i128, 0_i128);
    while r != 0 {
        let quotient = old_r / r;
        (old_r, r) = (r, old_r - quotient * r);
        (old_s, s) = (s, old_s - quotient * s);
    }
    old_s.rem_euclid(m as i128) as u128
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shifted_pairs_agree() {
        let mut random = Random::new(1, 0);
        for d in [
            0,
            1,
            2,
            3,
            12_289,
            1 << 31,
            1 << 32,
            u128::from(u64::MAX),
            6 << 40,
        ] {
            for _ in 0..200 {
                let (q, r) = (random.next() as u128, random.next() as u128 % d.max(1));
                let (other_q, other_r) = shift(q, r, d, false, &mut random);
                let agrees = MODULI.iter().any(|&m| {
                    let dividend = |q: u128, r: u128| ((q % m) * (d % m) + r) % m;
                    dividend(q, r) == dividend(other_q, other_r)
                });
                assert!(agrees, "{q}, {r} and {other_q}, {other_r} by {d}");
            }
        }
    }
}
