//! The linear layer of Rescue Prime Optimized.

use crate::algebra::Algebra;

/// Number of elements in the state of the permutation.
pub const STATE_WIDTH: usize = 12;

/// Multiplies the state by the MDS matrix.
///
/// The matrix is circulant with the first column `[7, 8, 21, 22, 6, 7, 9, 10, 13, 26, 8, 23]`, so
/// this is a product of polynomials modulo `x^12 - 1`. It is computed modulo the factors `x^3 - 1`,
/// `x^3 + 1` and `x^6 + 1`, where the matrix has nothing but powers of two (those factors 2 and 4
/// included by which the way back would divide): there is no multiplication at all.
#[inline(always)]
pub fn mds<E: Algebra>(state: &[E; STATE_WIDTH]) -> [E; STATE_WIDTH] {
    let p: [E; 6] = core::array::from_fn(|i| state[i] + state[i + 6]);
    let q: [E; 6] = core::array::from_fn(|i| state[i] - state[i + 6]);

    // Modulo x^3 - 1 the first column is [16, 8, 16].
    let f: [E; 3] = core::array::from_fn(|i| p[i] + p[i + 3]);
    let sum = times16(f[0] + f[1] + f[2]);
    let f = [sum - times8(f[2]), sum - times8(f[0]), sum - times8(f[1])];

    // Modulo x^3 + 1 it is [-8, 1, 1].
    let g: [E; 3] = core::array::from_fn(|i| p[i] - p[i + 3]);
    let g8 = g.map(times8);
    let g = [
        -(g8[0] + g[1] + g[2]),
        g[0] - g8[1] - g[2],
        g[0] + g[1] - g8[2],
    ];

    // Modulo x^6 + 1 it is [-1, -1, 4, -2, -1, -8].
    let q2 = q.map(double);
    let q4 = q2.map(double);
    let q8 = q4.map(double);
    let q = [
        q[5] - q[0] - q4[4] + q2[3] + q[2] + q8[1],
        q2[4] - q[1] - q[0] - q4[5] + q[3] + q8[2],
        q4[0] - q[2] - q[1] + q2[5] + q[4] + q8[3],
        q4[1] - q[3] - q[2] - q2[0] + q[5] + q8[4],
        q4[2] - q[4] - q[3] - q2[1] - q[0] + q8[5],
        q4[3] - q[5] - q[4] - q2[2] - q[1] - q8[0],
    ];

    let p: [E; 6] = core::array::from_fn(|i| {
        if i < 3 {
            f[i] + g[i]
        } else {
            f[i - 3] - g[i - 3]
        }
    });
    core::array::from_fn(|i| {
        if i < 6 {
            p[i] + q[i]
        } else {
            p[i - 6] - q[i - 6]
        }
    })
}

#[inline(always)]
fn double<E: Algebra>(value: E) -> E {
    value + value
}

#[inline(always)]
fn times8<E: Algebra>(value: E) -> E {
    double(double(double(value)))
}

#[inline(always)]
fn times16<E: Algebra>(value: E) -> E {
    double(times8(value))
}

/// `value^3`.
#[inline(always)]
pub fn cube<E: Algebra>(value: E) -> E {
    value.squared() * value
}

#[cfg(test)]
mod tests {
    use miden_core::Felt;
    use miden_crypto::hash::rpo::Rpo256;

    use super::{STATE_WIDTH, mds};

    #[test]
    fn mds_is_the_matrix_of_the_hash_function() {
        let state: [Felt; STATE_WIDTH] = core::array::from_fn(|i| {
            Felt::new(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(i as u64 + 1))
        });
        let expected: [Felt; STATE_WIDTH] = core::array::from_fn(|i| {
            Rpo256::MDS[i]
                .iter()
                .zip(&state)
                .fold(Felt::new(0), |sum, (&entry, &value)| sum + entry * value)
        });
        assert_eq!(mds(&state), expected);
    }
}
