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
    interleave::Interleaving,
    lde::{CosetValues, Cosets, Segment, copies},
    packed::{LANES, Packed, VectorUnit},
};

/// Rows that are hashed together: batches of all hash functions.
const HASH_CHUNK: usize = 96;

/// Nodes that are merged together.
const MERGE_CHUNK: usize = 1 << 10;

/// Columns that are extended: those of a segment, or what they are interleaved to.
pub struct Columns<'a> {
    /// The segment.
    pub segment: &'a mut Segment,
    /// The domain that the segment is extended to.
    pub cosets: &'a Cosets,
    /// The interleaving of its columns, if they are interleaved.
    pub interleaving: Option<Interleaving>,
}

impl Columns<'_> {
    /// Number of base field columns.
    fn width(&self) -> usize {
        let interleaving = self.interleaving.as_ref();
        interleaving.map_or(self.segment.width(), Interleaving::width)
    }
}

/// The hashes of the rows of an extension; the rows of several segments stand side by side. The
/// segments keep their values on the cosets that `keeps` names, which come last: the others share what
/// the first of these takes.
pub fn hash_extension(
    hasher: Hasher,
    cosets: &Cosets,
    columns: &mut [Columns<'_>],
    keeps: impl Fn(usize) -> bool,
) -> Vec<Digest> {
    let blowup = cosets.blowup();
    let widths: Vec<usize> = columns.iter().map(Columns::width).collect();
    let width = widths.iter().sum();
    // Where in a row each group of columns begins.
    let mut before = 0;
    let places = widths.iter().flat_map(|width| {
        let first = before;
        before += width;
        (first..before).step_by(LANES)
    });
    let places: Vec<usize> = places.collect();
    // The groups of columns are blocks of rows unless one that others follow is not full.
    let are_blocks = widths.iter().rev().skip(1).all(|width| width % LANES == 0);
    let mut hashes = copies(Digest::default(), cosets.num_steps());
    let mut room: Vec<Option<CosetValues>> = Vec::new();
    let interleaved = columns.iter().map(|columns| {
        let interleaving = columns.interleaving.as_ref();
        interleaving.map(|interleaving| interleaving.values(columns.segment.length()))
    });
    let mut interleaved: Vec<Option<CosetValues>> = interleaved.collect();
    let (kept, others): (Vec<usize>, Vec<usize>) = (0..blowup).partition(|&coset| keeps(coset));
    for &coset in others.iter().chain(&kept) {
        let is_kept = kept.contains(&coset);
        if room.is_empty() {
            let own = columns.iter().map(|columns| {
                let is_hashed = columns.interleaving.is_none();
                is_hashed.then(|| columns.segment.values())
            });
            room = own.collect();
        }
        for ((columns, own), values) in columns.iter().zip(&mut room).zip(&mut interleaved) {
            // What is interleaved has room only as long as it takes, one after the other.
            let mut mine = own.take().unwrap_or_else(|| columns.segment.values());
            columns.segment.evaluate(columns.cosets, coset, &mut mine);
            if let (Some(interleaving), Some(values)) = (&columns.interleaving, values) {
                interleaving.evaluate(&mine, cosets.offset(coset), values);
            }
            *own = (is_kept || columns.interleaving.is_none()).then_some(mine);
        }
        let values = room.iter().zip(&interleaved);
        let values = values.filter_map(|(own, interleaved)| interleaved.as_ref().or(own.as_ref()));
        let values: Vec<&CosetValues> = values.collect();
        let groups: Vec<&[Packed]> = values
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
                // What a group has beyond its last column is overwritten by what comes next.
                cells.resize(width * of_rows.len() + LANES, Felt::ZERO);
                for i in 0..of_rows.len() {
                    for (&place, group) in places.iter().zip(&groups) {
                        let lanes = group[first + i].lanes();
                        cells[i * width + place..][..LANES].copy_from_slice(lanes);
                    }
                }
                let cells = &cells[..width * of_rows.len()];
                hash::hash_rows(hasher, unit, &Consecutive { cells, width }, of_rows);
            }
            let mine = hashes.iter_mut().skip(coset).step_by(blowup);
            for (hash, of_row) in mine.zip(of_rows) {
                *hash = *of_row;
            }
        });
        if is_kept {
            for (columns, values) in columns.iter_mut().zip(room.drain(..)) {
                if let Some(values) = values {
                    columns.segment.keep(coset, values);
                }
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

    /// The nodes of each level.
    pub fn into_levels(self) -> Vec<Vec<Digest>> {
        self.levels
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
