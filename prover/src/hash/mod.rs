//! Hashes of many inputs at a time, which vector units make several times as fast as one by one.

mod blake3;
// Sponges are written for the vector units of one kind of processor.
#[cfg(target_arch = "x86_64")]
mod sponge;
#[cfg(not(target_arch = "x86_64"))]
#[path = "no_sponge.rs"]
mod sponge;
#[cfg(target_arch = "x86_64")]
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

/// Cells of a row that are hashed together by all hash functions.
const BLOCK: usize = 8;

/// Rows of cells to be hashed, wherever they are.
pub trait Rows {
    /// The number of cells of a row.
    fn width(&self) -> usize;

    /// The cells of a row from `first` on, a multiple of eight: eight, or as many as the row has.
    fn block(&self, row: usize, first: usize) -> &[Felt];
}

/// Rows that follow each other.
pub struct Consecutive<'a> {
    /// The cells of all rows.
    pub cells: &'a [Felt],
    /// The number of cells of a row.
    pub width: usize,
}

impl Rows for Consecutive<'_> {
    fn width(&self) -> usize {
        self.width
    }

    #[inline]
    fn block(&self, row: usize, first: usize) -> &[Felt] {
        let row = &self.cells[row * self.width..][..self.width][first..];
        &row[..row.len().min(BLOCK)]
    }
}

/// Hashes rows: the hash of row i, as [`Hasher::hash_elements`] has it, goes to `hashes[i]`.
pub fn hash_rows(hasher: Hasher, unit: VectorUnit, rows: &impl Rows, hashes: &mut [Digest]) {
    let width = rows.width();
    assert!(width > 0, "rows have cells");
    let is_done = match hasher.function() {
        HashFunction::Blake3_192 | HashFunction::Blake3_256 => {
            blake3::hash_rows(hasher.digest_bytes(), unit, rows, hashes);
            true
        }
        HashFunction::Rpo256 => sponge::hash_rows::<Rpo256>(unit, rows, hashes),
        HashFunction::Rpx256 => sponge::hash_rows::<Rpx256>(unit, rows, hashes),
        HashFunction::Poseidon2 => sponge::hash_rows::<Poseidon2>(unit, rows, hashes),
    };
    if !is_done {
        let mut cells = Vec::with_capacity(width);
        for (row, hash) in hashes.iter_mut().enumerate() {
            cells.clear();
            for first in (0..width).step_by(BLOCK) {
                cells.extend_from_slice(rows.block(row, first));
            }
            *hash = hasher.hash_elements(&cells);
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

/// So many rows from one on, one a lane. Lanes without a row take the last one.
fn lanes<const LANES: usize>(first: usize, count: usize) -> [usize; LANES] {
    std::array::from_fn(|lane| first + lane.min(count - 1))
}

/// The representatives of the elements of rows in the block from `first` on, at `[i][lane]`, and zeros.
fn transposed<const LANES: usize>(
    rows: &impl Rows,
    lanes: &[usize; LANES],
    first: usize,
) -> [[u64; LANES]; BLOCK] {
    let mut elements = [[0; LANES]; BLOCK];
    for (lane, &row) in lanes.iter().enumerate() {
        let row = rows.block(row, first);
        // Of the usual length, the loop is unrolled.
        if let Ok(row) = <&[Felt; BLOCK]>::try_from(row) {
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
                let rows = Consecutive {
                    cells: &rows,
                    width,
                };
                hash_rows(hasher, unit, &rows, &mut hashes);
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
