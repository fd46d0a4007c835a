//! Hashes of many inputs at a time, which vector units make several times as fast as one by one.

mod blake3;
mod sponge;
mod vector;

use miden_core::{
    Felt,
    crypto::hash::{Poseidon2, Rpo256, Rpx256},
};
use miden_cvm_air::{
    coin::Work,
    hash::{Digest, Hasher},
    options::HashFunction,
};

use crate::packed::VectorUnit;

/// Hashes rows of `width` cells each: the hash of the cells `rows[i * width..][..width]`, as
/// [`Hasher::hash_elements`] has it, goes to `hashes[i]`.
pub fn hash_rows(
    hasher: Hasher,
    unit: VectorUnit,
    rows: &[Felt],
    width: usize,
    hashes: &mut [Digest],
) {
    assert!(width > 0, "rows have cells");
    assert_eq!(rows.len(), width * hashes.len(), "each hash is of a row");
    let is_done = match hasher.function() {
        HashFunction::Blake3_192 | HashFunction::Blake3_256 => {
            blake3::hash_rows(hasher.digest_bytes(), unit, rows, width, hashes);
            true
        }
        HashFunction::Rpo256 => sponge::hash_rows::<Rpo256>(unit, rows, width, hashes),
        HashFunction::Rpx256 => sponge::hash_rows::<Rpx256>(unit, rows, width, hashes),
        HashFunction::Poseidon2 => sponge::hash_rows::<Poseidon2>(unit, rows, width, hashes),
    };
    if !is_done {
        for (hash, row) in hashes.iter_mut().zip(rows.chunks(width)) {
            *hash = hasher.hash_elements(row);
        }
    }
}

/// Merges other digests into digests: the hash of `digests[i]` and `others[i]`, as
/// [`Hasher::merge`] has it, goes to `digests[i]`.
pub fn merge_into(hasher: Hasher, unit: VectorUnit, digests: &mut [Digest], others: &[Digest]) {
    assert_eq!(digests.len(), others.len(), "digests are merged in pairs");
    let is_done = match hasher.function() {
        HashFunction::Blake3_192 | HashFunction::Blake3_256 => {
            blake3::merge_into(hasher.digest_bytes(), unit, digests, others);
            true
        }
        HashFunction::Rpo256 => sponge::merge_into::<Rpo256>(unit, digests, others),
        HashFunction::Rpx256 => sponge::merge_into::<Rpx256>(unit, digests, others),
        HashFunction::Poseidon2 => sponge::merge_into::<Poseidon2>(unit, digests, others),
    };
    if !is_done {
        for (digest, &other) in digests.iter_mut().zip(others) {
            *digest = hasher.merge(*digest, other);
        }
    }
}

/// The first words of what the nonces `first..first + words.len()` are hashed to. Returns whether
/// there is a vector unit that makes this worth it, without which nothing is done.
pub fn hash_nonces(
    hasher: Hasher,
    unit: VectorUnit,
    work: &Work,
    first: u64,
    words: &mut [u64],
) -> bool {
    match (*work, hasher.function()) {
        (Work::Digest(digest), _) => {
            blake3::hash_nonces(hasher.digest_bytes(), unit, digest, first, words);
            true
        }
        (Work::Sponge { elements, position }, HashFunction::Rpo256) => {
            sponge::hash_nonces::<Rpo256>(unit, &elements, position, first, words)
        }
        (Work::Sponge { elements, position }, HashFunction::Rpx256) => {
            sponge::hash_nonces::<Rpx256>(unit, &elements, position, first, words)
        }
        (Work::Sponge { elements, position }, _) => {
            sponge::hash_nonces::<Poseidon2>(unit, &elements, position, first, words)
        }
    }
}

/// The integer below the modulus that an element with this representative stands for: divides by
/// 2^64.
#[inline(always)]
fn to_integer(value: u64) -> u64 {
    let sum = value.wrapping_add(value << 32);
    let carry = u64::from(sum < value);
    let quotient = sum.wrapping_sub(sum >> 32).wrapping_sub(carry);
    // The negative of the quotient, modulo the modulus.
    let correction = if quotient == 0 {
        0
    } else {
        u64::from(u32::MAX)
    };
    quotient.wrapping_neg().wrapping_sub(correction)
}

/// The first `count` of these rows, one a lane. Lanes without a row take the last one.
fn lanes<const LANES: usize>(rows: &[Felt], width: usize, count: usize) -> [&[Felt]; LANES] {
    std::array::from_fn(|lane| &rows[lane.min(count - 1) * width..][..width])
}

/// The representatives of the elements `first..first + len` of rows, at `[i][lane]`, and zeros.
fn transposed<const LANES: usize>(
    lanes: &[&[Felt]; LANES],
    first: usize,
    len: usize,
) -> [[u64; LANES]; 8] {
    let mut elements = [[0; LANES]; 8];
    for (lane, row) in lanes.iter().enumerate() {
        let row = &row[first..][..len];
        // Of the usual length, the loop is unrolled.
        if let Ok(row) = <&[Felt; 8]>::try_from(row) {
            for (i, cell) in row.iter().enumerate() {
                elements[i][lane] = cell.inner();
            }
        } else {
            for (i, cell) in row.iter().enumerate() {
                elements[i][lane] = cell.inner();
            }
        }
    }
    elements
}

#[cfg(test)]
mod tests {
    use miden_cvm_air::coin::Coin;
    use winterfell::math::StarkField;

    use super::*;

    /// Cells some of which have integers or representatives at the edges.
    fn cells(count: usize, seed: u64) -> Vec<Felt> {
        let edges = [
            0,
            1,
            u64::from(u32::MAX),
            1 << 32,
            1 << 63,
            Felt::MODULUS - (1 << 32),
            Felt::MODULUS - 1,
        ];
        let mut state = seed;
        (0..count)
            .map(|_| {
                // Xorshift.
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                match state % 20 {
                    edge @ 0..7 => Felt::new(edges[edge as usize]),
                    edge @ 7..14 => Felt::from_mont(edges[edge as usize - 7]),
                    _ => Felt::new(state),
                }
            })
            .collect()
    }

    /// The widths of rows: all that end within the first blocks, and some around the ends of chunks.
    fn widths() -> impl Iterator<Item = usize> {
        (1..=200).chain([
            255, 256, 257, 383, 384, 385, 511, 513, 640, 769, 896, 1024, 1025,
        ])
    }

    fn check(function: HashFunction) {
        let hasher = Hasher::from(function);
        let units = VectorUnit::ALL.into_iter();
        let units: Vec<VectorUnit> = units.filter(|unit| unit.is_available()).collect();
        for width in widths() {
            // Whole batches, batches that are not full, and both.
            let count = [1, 7, 15, 16, 17, 47, 48, 49][width % 8];
            let rows = cells(width * count, width as u64);
            let row_hashes = rows.chunks(width).map(|row| hasher.hash_elements(row));
            let of_rows: Vec<Digest> = row_hashes.collect();
            let reversed: Vec<Digest> = of_rows.iter().rev().copied().collect();
            let pairs = of_rows.iter().zip(&reversed);
            let of_pairs: Vec<Digest> = pairs.map(|(&a, &b)| hasher.merge(a, b)).collect();
            for &unit in &units {
                let mut hashes = vec![Digest::default(); count];
                hash_rows(hasher, unit, &rows, width, &mut hashes);
                assert!(hashes == of_rows, "{count} rows of {width} on {unit:?}");
                merge_into(hasher, unit, &mut hashes, &reversed);
                assert!(hashes == of_pairs, "{count} pairs on {unit:?}");
            }
        }
        let coin = Coin::new(hasher, &cells(9, 9));
        for first in [0, 1000, u64::from(u32::MAX) - 5] {
            for &unit in &units {
                let mut words = [0; 50];
                if hash_nonces(hasher, unit, &coin.work(), first, &mut words) {
                    for (nonce, word) in (first..).zip(words) {
                        assert_eq!(coin.work_of(nonce), word.trailing_zeros(), "{unit:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn blake3_192() {
        check(HashFunction::Blake3_192);
    }

    #[test]
    fn blake3_256() {
        check(HashFunction::Blake3_256);
    }

    #[test]
    fn rpo() {
        check(HashFunction::Rpo256);
    }

    #[test]
    fn rpx() {
        check(HashFunction::Rpx256);
    }

    #[test]
    fn poseidon2() {
        check(HashFunction::Poseidon2);
    }
}
