//! Hashes of rows, and Merkle trees over them: see [`miden_cvm_air::tree`].

use miden_core::Felt;
use miden_cvm_air::tree::{missing, parents};
use rayon::prelude::*;
use winterfell::crypto::{ElementHasher, Hasher};
use winterfell::math::FieldElement;

use crate::lde::{Cosets, Segment};

/// Rows that are hashed together.
const HASH_CHUNK: usize = 1 << 8;

/// Nodes that are merged together.
const MERGE_CHUNK: usize = 1 << 10;

/// The hashes of the rows of an extension; the rows of several segments stand side by side.
pub fn hash_extension<F, H>(cosets: &Cosets, segments: &[&Segment]) -> Vec<H::Digest>
where
    F: FieldElement<BaseField = Felt>,
    H: ElementHasher<BaseField = Felt>,
{
    let blowup = cosets.blowup();
    let width = |segment: &Segment| segment.width() / F::EXTENSION_DEGREE;
    let total = segments.iter().map(|segment| width(segment)).sum();
    let mut hashes = vec![H::Digest::default(); cosets.num_steps()];
    let mut values: Vec<_> = segments.iter().map(|segment| segment.values()).collect();
    for coset in 0..blowup {
        for (segment, values) in segments.iter().zip(&mut values) {
            segment.evaluate(cosets, coset, values);
        }
        let chunks = hashes.par_chunks_mut(HASH_CHUNK * blowup).enumerate();
        chunks.for_each(|(chunk, hashes)| {
            let mut row = vec![F::ZERO; total];
            let mine = hashes.iter_mut().skip(coset).step_by(blowup);
            for (i, hash) in mine.enumerate() {
                let mut rest = &mut row[..];
                for (segment, values) in segments.iter().zip(&values) {
                    let (cells, others) = rest.split_at_mut(width(segment));
                    values.read_row(chunk * HASH_CHUNK + i, cells);
                    rest = others;
                }
                *hash = H::hash_elements(&row);
            }
        });
    }
    hashes
}

/// A Merkle tree.
pub struct Tree<H: Hasher> {
    /// The nodes of each level, from the leaves to the root.
    levels: Vec<Vec<H::Digest>>,
}

impl<H: Hasher> Tree<H> {
    /// Builds a tree over the hashes of rows of extensions of different sizes, the largest first.
    ///
    /// # Panics
    /// Panics if there is no extension.
    pub fn new(extensions: Vec<Vec<H::Digest>>) -> Self {
        let mut extensions = extensions.into_iter().peekable();
        let mut level = extensions.next().expect("there is an extension");
        let mut levels = Vec::new();
        while level.len() > 1 {
            let half = level.len() / 2;
            let rows = extensions.next_if(|rows| rows.len() == half);
            let mut next = vec![H::Digest::default(); half];
            next.par_chunks_mut(MERGE_CHUNK)
                .enumerate()
                .for_each(|(chunk, nodes)| {
                    for (i, node) in nodes.iter_mut().enumerate() {
                        let at = chunk * MERGE_CHUNK + i;
                        *node = H::merge(&[level[at], level[at + half]]);
                        if let Some(rows) = &rows {
                            *node = H::merge(&[*node, rows[at]]);
                        }
                    }
                });
            levels.push(level);
            level = next;
        }
        levels.push(level);
        Self { levels }
    }

    /// The root.
    pub fn root(&self) -> H::Digest {
        self.levels[self.levels.len() - 1][0]
    }

    /// What opens these positions of the longest extension, which are sorted and distinct.
    pub fn open(&self, positions: &[usize]) -> Vec<H::Digest> {
        let mut opening = Vec::new();
        let mut known = positions.to_vec();
        for level in &self.levels[..self.levels.len() - 1] {
            let missing = missing(&known, level.len());
            opening.extend(missing.into_iter().map(|at| level[at]));
            known = parents(&known, level.len() / 2);
        }
        opening
    }
}
