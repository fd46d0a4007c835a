//! The low-degree test: FRI.

use miden_core::Felt;
use miden_cvm_air::hash::{Digest, Hasher};
use miden_cvm_parallel::prelude::*;
use winterfell::math::{FieldElement, StarkField};

use crate::{
    channel::{Channel, Writer},
    lde::copies,
    tree::{Tree, hash_rows},
};

/// Values that are worked on together.
const CHUNK: usize = 1 << 10;

/// The layers of a test, each with the tree over its rows.
pub struct Layers<E> {
    layers: Vec<Layer<E>>,
    folding: usize,
}

struct Layer<E> {
    values: Vec<E>,
    tree: Tree,
}

impl<E: FieldElement<BaseField = Felt>> Layers<E> {
    /// Folds the values of a polynomial on the coset with this offset, and sends a commitment to each
    /// layer, and the coefficients of what is left.
    pub fn new(
        mut values: Vec<E>,
        mut offset: Felt,
        folding: usize,
        layers: usize,
        blowup: usize,
        channel: &mut Channel,
    ) -> Self {
        let hasher = channel.hasher();
        let layers = (0..layers)
            .map(|_| {
                let rows = values.len() / folding;
                let mut hashes = copies(Digest::default(), rows);
                hashes
                    .par_chunks_mut(CHUNK)
                    .enumerate()
                    .for_each(|(chunk, hashes)| {
                        let first = chunk * CHUNK;
                        let rows = first..first + hashes.len();
                        hashes.copy_from_slice(&hash_layer(hasher, &values, folding, rows));
                    });
                let tree = Tree::new(hasher, vec![hashes]);
                channel.commit(tree.root());
                let alpha: E = channel.draw();
                let folded = fold(&values, offset, folding, alpha);
                offset = offset.exp_vartime(folding as u64);
                Layer {
                    values: std::mem::replace(&mut values, folded),
                    tree,
                }
            })
            .collect();
        let inverse_twiddles = winterfell::math::fft::get_inv_twiddles::<Felt>(values.len());
        winterfell::math::fft::interpolate_poly_with_offset(&mut values, &inverse_twiddles, offset);
        values.truncate(values.len() / blowup);
        channel.send(&values);
        Self { layers, folding }
    }

    /// A value that is tested, if there are layers.
    pub fn value(&self, position: usize) -> Option<E> {
        self.layers.first().map(|layer| layer.values[position])
    }

    /// Opens the rows of each layer, given the queried positions, which are sorted and distinct: the
    /// values that the verifier cannot compute itself, and the nodes of the tree.
    pub fn open(&self, proof: &mut Writer, positions: &[usize]) {
        let mut known = positions.to_vec();
        for layer in &self.layers {
            let count = layer.values.len() / self.folding;
            let rows = miden_cvm_air::tree::parents(&known, count);
            let cells = rows
                .iter()
                .flat_map(|row| (0..self.folding).map(move |k| row + k * count));
            let unknown = cells.filter(|at| known.binary_search(at).is_err());
            let values: Vec<E> = unknown.map(|at| layer.values[at]).collect();
            proof.elements(&values);
            let siblings = layer.tree.siblings(&rows);
            let siblings = siblings.into_iter();
            let siblings = hash_layer(proof.hasher(), &layer.values, self.folding, siblings);
            proof.digests(&layer.tree.open(&rows, siblings));
            known = rows;
        }
    }
}

/// The hashes of rows of a layer with these values.
fn hash_layer<E: FieldElement<BaseField = Felt>>(
    hasher: Hasher,
    values: &[E],
    folding: usize,
    rows: impl Iterator<Item = usize>,
) -> Vec<Digest> {
    let count = values.len() / folding;
    let cells = rows.flat_map(|row| (0..folding).map(move |k| values[row + k * count]));
    hash_rows(hasher, &cells.collect::<Vec<_>>(), folding)
}

/// Folds the values of a polynomial f on the coset with this offset: the result has the values of
/// sum_j alpha^j f_j, where f(x) = sum_j x^j f_j(x^folding), on the coset with the power of the offset.
fn fold<E: FieldElement<BaseField = Felt>>(
    values: &[E],
    mut offset: Felt,
    folding: usize,
    mut alpha: E,
) -> Vec<E> {
    let mut folded = fold_in_two(values, offset, alpha);
    for _ in 1..folding.ilog2() {
        offset = offset.square();
        alpha = alpha.square();
        folded = fold_in_two(&folded, offset, alpha);
    }
    folded
}

fn fold_in_two<E: FieldElement<BaseField = Felt>>(values: &[E], offset: Felt, alpha: E) -> Vec<E> {
    let root = Felt::get_root_of_unity(values.len().ilog2()).inv();
    // 1 / 2x, for the odd part.
    let first = (offset + offset).inv();
    let two = Felt::new(2).inv();
    let (low, high) = values.split_at(values.len() / 2);
    let mut folded = copies(E::ZERO, low.len());
    let halves = low.par_chunks(CHUNK).zip(high.par_chunks(CHUNK));
    folded
        .par_chunks_mut(CHUNK)
        .zip(halves)
        .enumerate()
        .for_each(|(chunk, (folded, (low, high)))| {
            let mut inverse = first * root.exp_vartime((chunk * CHUNK) as u64);
            for (to, (&a, &b)) in folded.iter_mut().zip(low.iter().zip(high)) {
                let (even, odd) = (a + b, (a - b).mul_base(inverse));
                *to = even.mul_base(two) + alpha * odd;
                inverse *= root;
            }
        });
    folded
}

#[cfg(test)]
mod tests {
    use winterfell::math::{fields::QuadExtension, polynom};

    use super::*;

    #[test]
    fn folding_combines_the_parts_of_a_polynomial() {
        type E = QuadExtension<Felt>;
        let element = |i: u64| E::new(Felt::new(i * i + 3), Felt::new(i << 33));
        let polynomial: Vec<E> = (0..16).map(element).collect();
        let (offset, alpha) = (Felt::new(7), element(99));
        for folding in [2, 4, 8] {
            let root = Felt::get_root_of_unity(6);
            let at = |x: Felt, poly: &[E]| polynom::eval(poly, E::from(x));
            let values: Vec<E> = (0..64)
                .map(|i| at(offset * root.exp_vartime(i), &polynomial))
                .collect();
            let folded: Vec<E> = polynomial
                .chunks(folding)
                .map(|part| polynom::eval(part, alpha))
                .collect();
            let (offset, root) = [offset, root].map(|x| x.exp_vartime(folding as u64)).into();
            let expected: Vec<E> = (0..64 / folding as u64)
                .map(|i| at(offset * root.exp_vartime(i), &folded))
                .collect();
            assert_eq!(fold(&values, Felt::new(7), folding, alpha), expected);
        }
    }
}
