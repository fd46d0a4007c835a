//! Hashes of many inputs at a time, which vector units make several times as fast as one by one.

mod blake3;
mod sponge;

use miden_core::{
    Felt, Word,
    crypto::hash::{Blake3_192, Blake3_256, Blake3Digest, Poseidon2, Rpo256, Rpx256},
};
use winterfell::crypto::ElementHasher;

use crate::packed::VectorUnit;

/// A hash function that hashes many inputs at a time.
pub trait BatchHasher: ElementHasher<BaseField = Felt> {
    /// Hashes rows of `width` cells each: the hash of the cells `rows[i * width..][..width]`, as
    /// [`ElementHasher::hash_elements`] has it, goes to `hashes[i]`.
    fn hash_rows(unit: VectorUnit, rows: &[Felt], width: usize, hashes: &mut [Self::Digest]);

    /// Merges pairs: the hash of `left[i]` and `right[i]`, as [`winterfell::crypto::Hasher::merge`] has it,
    /// goes to `hashes[i]`.
    fn merge_pairs(
        unit: VectorUnit,
        left: &[Self::Digest],
        right: &[Self::Digest],
        hashes: &mut [Self::Digest],
    );
}

macro_rules! blake3 {
    ($hasher:ty, $bytes:literal) => {
        impl BatchHasher for $hasher {
            fn hash_rows(
                unit: VectorUnit,
                rows: &[Felt],
                width: usize,
                hashes: &mut [Blake3Digest<$bytes>],
            ) {
                check_rows(rows, width, hashes.len());
                blake3::hash_rows(unit, rows, width, hashes);
            }

            fn merge_pairs(
                unit: VectorUnit,
                left: &[Blake3Digest<$bytes>],
                right: &[Blake3Digest<$bytes>],
                hashes: &mut [Blake3Digest<$bytes>],
            ) {
                check_pairs(left, right, hashes.len());
                blake3::merge_pairs(unit, left, right, hashes);
            }
        }
    };
}

blake3!(Blake3_192, 24);
blake3!(Blake3_256, 32);

macro_rules! sponge {
    ($hasher:ty) => {
        impl BatchHasher for $hasher {
            fn hash_rows(unit: VectorUnit, rows: &[Felt], width: usize, hashes: &mut [Word]) {
                check_rows(rows, width, hashes.len());
                if !sponge::hash_rows::<Self>(unit, rows, width, hashes) {
                    for (hash, row) in hashes.iter_mut().zip(rows.chunks(width)) {
                        *hash = Self::hash_elements(row);
                    }
                }
            }

            fn merge_pairs(unit: VectorUnit, left: &[Word], right: &[Word], hashes: &mut [Word]) {
                check_pairs(left, right, hashes.len());
                if !sponge::merge_pairs::<Self>(unit, left, right, hashes) {
                    for (i, hash) in hashes.iter_mut().enumerate() {
                        *hash = Self::merge(&[left[i], right[i]]);
                    }
                }
            }
        }
    };
}

sponge!(Rpo256);
sponge!(Rpx256);
sponge!(Poseidon2);

fn check_rows(rows: &[Felt], width: usize, count: usize) {
    assert!(width > 0, "rows have cells");
    assert_eq!(rows.len(), width * count, "each hash is of a row");
}

fn check_pairs<D>(left: &[D], right: &[D], count: usize) {
    assert_eq!(
        [left.len(), right.len()],
        [count; 2],
        "each hash is of a pair"
    );
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

    fn check<H: BatchHasher>() {
        for width in widths() {
            // Whole batches, batches that are not full, and both.
            let count = [1, 7, 15, 16, 17, 33][width % 6];
            let rows = cells(width * count, width as u64);
            let of_rows: Vec<H::Digest> = rows.chunks(width).map(H::hash_elements).collect();
            let reversed: Vec<H::Digest> = of_rows.iter().rev().copied().collect();
            let pairs = of_rows.iter().zip(&reversed);
            let of_pairs: Vec<H::Digest> = pairs.map(|(&a, &b)| H::merge(&[a, b])).collect();
            let units = VectorUnit::ALL.into_iter();
            for unit in units.filter(|unit| unit.is_available()) {
                let mut hashes = vec![H::Digest::default(); count];
                H::hash_rows(unit, &rows, width, &mut hashes);
                assert!(hashes == of_rows, "{count} rows of {width} on {unit:?}");
                H::merge_pairs(unit, &of_rows, &reversed, &mut hashes);
                assert!(hashes == of_pairs, "{count} pairs on {unit:?}");
            }
        }
    }

    #[test]
    fn blake3_192() {
        check::<Blake3_192>();
    }

    #[test]
    fn blake3_256() {
        check::<Blake3_256>();
    }

    #[test]
    fn rpo() {
        check::<Rpo256>();
    }

    #[test]
    fn rpx() {
        check::<Rpx256>();
    }

    #[test]
    fn poseidon2() {
        check::<Poseidon2>();
    }
}
