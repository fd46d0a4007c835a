//! Hashes of rows, and Merkle trees over them: see [`miden_cvm_air::tree`].

use miden_core::Felt;
use miden_cvm_air::{
    hash::{Digest, Hasher},
    tree::{missing, parents},
};
use miden_cvm_parallel::prelude::*;
use winterfell::math::FieldElement;

use crate::{
    hash::{self, Consecutive, Rows},
    lde::{CosetValues, Cosets, Segment, copies},
    packed::{LANES, Packed, VectorUnit},
};

/// Rows that are hashed together: batches of all hash functions.
const HASH_CHUNK: usize = 96;

/// Nodes that are merged together.
const MERGE_CHUNK: usize = 1 << 10;

/// The hashes of the rows of an extension; the rows of several segments stand side by side. The
/// segments keep their values on the cosets that `keeps` names, which come last: the others share what
/// the first of these takes.
pub fn hash_extension(
    hasher: Hasher,
    cosets: &Cosets,
    segments: &mut [&mut Segment],
    keeps: impl Fn(usize) -> bool,
) -> Vec<Digest> {
    let blowup = cosets.blowup();
    let widths: Vec<usize> = segments.iter().map(|segment| segment.width()).collect();
    let width = widths.iter().sum();
    // The groups of columns are blocks of rows unless one that others follow is not full.
    let are_blocks = widths.iter().rev().skip(1).all(|width| width % LANES == 0);
    let mut hashes = copies(Digest::default(), cosets.num_steps());
    let mut room: Vec<CosetValues> = Vec::new();
    let (kept, others): (Vec<usize>, Vec<usize>) = (0..blowup).partition(|&coset| keeps(coset));
    for &coset in others.iter().chain(&kept) {
        if room.is_empty() {
            room = segments.iter().map(|segment| segment.values()).collect();
        }
        for (segment, values) in segments.iter().zip(&mut room) {
            segment.evaluate(cosets, coset, values);
        }
        let groups: Vec<&[Packed]> = room
            .iter()
            .flat_map(|values| values.groups.iter().map(Vec::as_slice))
            .collect();
        let chunks = hashes.par_chunks_mut(HASH_CHUNK * blowup).enumerate();
        chunks.for_each_init(Vec::new, |cells, (chunk, hashes)| {
            let first = chunk * HASH_CHUNK;
            let mut of_rows = [Digest::default(); HASH_CHUNK];
            let of_rows = &mut of_rows[..hashes.len() / blowup];
            let unit = VectorUnit::widest();
            if are_blocks {
                let rows = Blocks {
                    groups: &groups,
                    width,
                    first,
                };
                hash::hash_rows(hasher, unit, &rows, of_rows);
            } else {
                cells.resize(width * of_rows.len(), Felt::ZERO);
                for (i, row) in cells.chunks_mut(width).enumerate() {
                    let mut rest = row;
                    for (&width, values) in widths.iter().zip(&room) {
                        let (cells, others) = rest.split_at_mut(width);
                        values.read_row(first + i, cells);
                        rest = others;
                    }
                }
                hash::hash_rows(hasher, unit, &Consecutive { cells, width }, of_rows);
            }
            let mine = hashes.iter_mut().skip(coset).step_by(blowup);
            for (hash, of_row) in mine.zip(of_rows) {
                *hash = *of_row;
            }
        });
        if kept.contains(&coset) {
            for (segment, values) in segments.iter_mut().zip(room.drain(..)) {
                segment.keep(coset, values);
            }
        }
    }
    hashes
}

/// Rows from `first` on, in groups of columns.
struct Blocks<'a> {
    groups: &'a [&'a [Packed]],
    width: usize,
    first: usize,
}

impl Rows for Blocks<'_> {
    fn width(&self) -> usize {
        self.width
    }

    #[inline]
    fn block(&self, row: usize, first: usize) -> &[Felt] {
        let block = self.groups[first / LANES][self.first + row].lanes();
        &block[..LANES.min(self.width - first)]
    }
}

/// The hashes of rows of `width` elements.
pub fn hash_rows<F>(hasher: Hasher, rows: &[F], width: usize) -> Vec<Digest>
where
    F: FieldElement<BaseField = Felt>,
{
    let mut hashes = vec![Digest::default(); rows.len() / width];
    let cells = F::slice_as_base_elements(rows);
    let width = width * F::EXTENSION_DEGREE;
    let rows = Consecutive { cells, width };
    hash::hash_rows(hasher, VectorUnit::widest(), &rows, &mut hashes);
    hashes
}

/// A Merkle tree. Its leaves, which are half of it, are not kept: the few that openings need are hashed
/// again.
pub struct Tree {
    /// The number of leaves.
    size: usize,
    /// The nodes of each level above the leaves, up to the root.
    levels: Vec<Vec<Digest>>,
    root: Digest,
}

impl Tree {
    /// Builds a tree over the hashes of rows of extensions of different sizes, the largest first.
    ///
    /// # Panics
    /// Panics if there is no extension.
    pub fn new(hasher: Hasher, extensions: Vec<Vec<Digest>>) -> Self {
        let mut extensions = extensions.into_iter().peekable();
        let mut level = extensions.next().expect("there is an extension");
        let size = level.len();
        let mut levels = Vec::new();
        while level.len() > 1 {
            let half = level.len() / 2;
            let rows = extensions.next_if(|rows| rows.len() == half);
            let (left, right) = level.split_at(half);
            let mut next: Vec<Digest> =
                left.par_iter().with_min_len(MERGE_CHUNK).copied().collect();
            next.par_chunks_mut(MERGE_CHUNK)
                .enumerate()
                .for_each(|(chunk, nodes)| {
                    let unit = VectorUnit::widest();
                    let at = chunk * MERGE_CHUNK..chunk * MERGE_CHUNK + nodes.len();
                    hash::merge_into(hasher, unit, nodes, &right[at.clone()]);
                    if let Some(rows) = &rows {
                        hash::merge_into(hasher, unit, nodes, &rows[at]);
                    }
                });
            if level.len() < size {
                levels.push(level);
            }
            level = next;
        }
        let root = level[0];
        Self { size, levels, root }
    }

    /// The number of leaves.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The root.
    pub fn root(&self) -> Digest {
        self.root
    }

    /// The leaves, in order, that an opening of these positions of the longest extension begins with.
    /// The positions are sorted and distinct.
    pub fn siblings(&self, positions: &[usize]) -> Vec<usize> {
        missing(positions, self.size)
    }

    /// Returns the digests that open these positions, given the hashes of their [siblings](Self::siblings).
    pub fn open(&self, positions: &[usize], siblings: Vec<Digest>) -> Vec<Digest> {
        let mut opening = siblings;
        let mut known = parents(positions, self.size / 2);
        for level in &self.levels {
            let missing = missing(&known, level.len());
            opening.extend(missing.into_iter().map(|at| level[at]));
            known = parents(&known, level.len() / 2);
        }
        opening
    }
}

#[cfg(test)]
mod tests {
    use miden_cvm_air::options::HashFunction;

    use super::*;

    fn check(function: HashFunction) {
        let hasher = Hasher::from(function);
        let leaf = |i: u64| hasher.hash_elements(&[Felt::new(i)]);
        let leaves: Vec<_> = (0..256).map(leaf).collect();
        let rows: Vec<_> = (500..532).map(leaf).collect();
        let tree = Tree::new(hasher, vec![leaves.clone(), rows.clone()]);

        let mut level = leaves;
        while level.len() > 1 {
            let (left, right) = level.split_at(level.len() / 2);
            let pairs = left.iter().zip(right);
            level = pairs.map(|(&a, &b)| hasher.merge(a, b)).collect();
            if level.len() == rows.len() {
                let pairs = level.iter().zip(&rows);
                level = pairs.map(|(&a, &b)| hasher.merge(a, b)).collect();
            }
        }
        assert!(tree.root() == level[0]);
    }

    #[test]
    fn levels_are_merged_as_pairs() {
        check(HashFunction::Blake3_192);
        check(HashFunction::Poseidon2);
    }
}
