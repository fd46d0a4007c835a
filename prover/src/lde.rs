//! The low-degree extension of a trace and the commitment to it.
//!
//! Columns are worked on in groups of [`LANES`] base field columns: one row of a group is a cache
//! line. The extension is kept by cosets of the trace domain, so that a row and its successor are
//! neighbours, and never exists twice.

use core::marker::PhantomData;

use miden_core::Felt;
use miden_cvm_air::columns::{MainRow, cells_of};
use rayon::prelude::*;
use winter_air::proof::Queries;
use winterfell::{
    EvaluationFrame, StarkDomain, TraceInfo, TraceLde,
    crypto::{ElementHasher, MerkleTree, VectorCommitment},
    math::{FieldElement, StarkField},
    matrix::ColMatrix,
};

use crate::{
    fft::{Direction, Transform, reverse_index, reversed_powers},
    packed::{LANES, Packed, Vectorizable, vectorized},
};

/// Rows that are hashed together.
const HASH_CHUNK: usize = 1 << 10;

/// The extension of both segments of a trace, with Merkle trees over their rows.
pub struct CosetLde<E: FieldElement, H: ElementHasher> {
    main: Extension,
    main_tree: MerkleTree<H>,
    aux: Option<(Extension, MerkleTree<H>)>,
    info: TraceInfo,
    _field: PhantomData<E>,
}

impl<E, H> CosetLde<E, H>
where
    E: FieldElement<BaseField = Felt>,
    H: ElementHasher<BaseField = Felt> + Sync,
{
    /// Extends the main segment, whose rows these are, and commits to it. Also returns the columns'
    /// polynomials.
    pub fn new(
        rows: &[MainRow<Felt>],
        info: &TraceInfo,
        domain: &StarkDomain<Felt>,
    ) -> (Self, ColMatrix<Felt>) {
        let width = info.main_trace_width();
        let (main, polys) = extend(width, domain, |first, row| {
            let cells = &cells_of::<Felt, _>(&rows[row])[first..];
            Packed::from_fn(|lane| cells.get(lane).copied().unwrap_or(Felt::ZERO))
        });
        let lde = Self {
            main_tree: main.commit::<Felt, H>(),
            main,
            aux: None,
            info: info.clone(),
            _field: PhantomData,
        };
        (lde, ColMatrix::new(polys))
    }
}

impl<E, H> TraceLde<E> for CosetLde<E, H>
where
    E: FieldElement<BaseField = Felt>,
    H: ElementHasher<BaseField = Felt> + Sync,
{
    type HashFn = H;
    type VC = MerkleTree<H>;

    fn get_main_trace_commitment(&self) -> H::Digest {
        self.main_tree.commitment()
    }

    fn set_aux_trace(
        &mut self,
        columns: &ColMatrix<E>,
        domain: &StarkDomain<Felt>,
    ) -> (ColMatrix<E>, H::Digest) {
        let width = columns.num_base_cols();
        let (aux, polys) = extend(width, domain, |first, row| {
            Packed::from_fn(|lane| {
                if first + lane < width {
                    columns.get_base_element(first + lane, row)
                } else {
                    Felt::ZERO
                }
            })
        });
        let polys = polys
            .chunks(E::EXTENSION_DEGREE)
            .map(|parts| {
                let mut elements = vec![Felt::ZERO; parts[0].len() * E::EXTENSION_DEGREE];
                for (i, part) in parts.iter().enumerate() {
                    for (row, &value) in part.iter().enumerate() {
                        elements[row * E::EXTENSION_DEGREE + i] = value;
                    }
                }
                E::slice_from_base_elements(&elements).to_vec()
            })
            .collect();
        let tree = aux.commit::<E, H>();
        let commitment = tree.commitment();
        self.aux = Some((aux, tree));
        (ColMatrix::new(polys), commitment)
    }

    fn read_main_trace_frame_into(&self, lde_step: usize, frame: &mut EvaluationFrame<Felt>) {
        self.main.read_row(lde_step, frame.current_mut());
        self.main
            .read_row(self.main.successor(lde_step), frame.next_mut());
    }

    /// # Panics
    /// Panics if the auxiliary segment is not there yet.
    fn read_aux_trace_frame_into(&self, lde_step: usize, frame: &mut EvaluationFrame<E>) {
        let (aux, _) = self.aux.as_ref().expect("the auxiliary segment is set");
        aux.read_row(lde_step, frame.current_mut());
        aux.read_row(aux.successor(lde_step), frame.next_mut());
    }

    fn query(&self, positions: &[usize]) -> Vec<Queries> {
        let mut queries = vec![self.main.query::<Felt, H>(&self.main_tree, positions)];
        if let Some((aux, tree)) = &self.aux {
            queries.push(aux.query::<E, H>(tree, positions));
        }
        queries
    }

    fn trace_len(&self) -> usize {
        self.main.num_rows()
    }

    fn blowup(&self) -> usize {
        self.main.cosets.len()
    }

    fn trace_info(&self) -> &TraceInfo {
        &self.info
    }
}

/// Columns evaluated over the extension domain.
struct Extension {
    /// Number of base field columns.
    width: usize,
    /// `cosets[c][g][j]` is group g at step `c + j * cosets.len()` of the domain.
    cosets: Vec<Vec<Vec<Packed>>>,
}

impl Extension {
    /// Number of steps in the domain.
    fn num_rows(&self) -> usize {
        self.cosets.len() * self.cosets[0][0].len()
    }

    /// The step that is one row of the trace further.
    fn successor(&self, step: usize) -> usize {
        (step + self.cosets.len()) % self.num_rows()
    }

    /// Copies the row at `step` into `row`.
    #[inline]
    fn read_row<F: FieldElement<BaseField = Felt>>(&self, step: usize, row: &mut [F]) {
        let groups = &self.cosets[step % self.cosets.len()];
        let position = step / self.cosets.len();
        // Every `EXTENSION_DEGREE` groups hold `LANES` whole elements.
        let mut cells = [Felt::ZERO; 3 * LANES];
        for (elements, groups) in row
            .chunks_mut(LANES)
            .zip(groups.chunks(F::EXTENSION_DEGREE))
        {
            for (cells, group) in cells.chunks_exact_mut(LANES).zip(groups) {
                cells.copy_from_slice(group[position].lanes());
            }
            let whole = F::slice_from_base_elements(&cells[..F::EXTENSION_DEGREE * LANES]);
            elements.copy_from_slice(&whole[..elements.len()]);
        }
    }

    /// Builds a Merkle tree over the hashes of the rows.
    fn commit<F, H>(&self) -> MerkleTree<H>
    where
        F: FieldElement<BaseField = Felt>,
        H: ElementHasher<BaseField = Felt>,
    {
        let mut leaves = vec![H::Digest::default(); self.num_rows()];
        leaves
            .par_chunks_mut(HASH_CHUNK)
            .enumerate()
            .for_each(|(chunk, leaves)| {
                let mut row = vec![F::ZERO; self.width / F::EXTENSION_DEGREE];
                for (i, leaf) in leaves.iter_mut().enumerate() {
                    self.read_row(chunk * HASH_CHUNK + i, &mut row);
                    *leaf = H::hash_elements(&row);
                }
            });
        MerkleTree::new(leaves).expect("the domain's size is a power of two")
    }

    /// Opens the rows at `positions`.
    fn query<F, H>(&self, tree: &MerkleTree<H>, positions: &[usize]) -> Queries
    where
        F: FieldElement<BaseField = Felt>,
        H: ElementHasher<BaseField = Felt>,
    {
        let rows = positions
            .iter()
            .map(|&position| {
                let mut row = vec![F::ZERO; self.width / F::EXTENSION_DEGREE];
                self.read_row(position, &mut row);
                row
            })
            .collect();
        let (_, opening) = tree
            .prove_batch(positions)
            .expect("the positions are distinct and in the domain");
        Queries::new::<H, F, MerkleTree<H>>(opening, rows)
    }
}

/// A group of columns, extended.
struct ExtendedGroup {
    /// Its evaluations, by coset.
    cosets: Vec<Vec<Packed>>,
    /// The coefficients of its columns' polynomials.
    polys: Vec<Vec<Felt>>,
}

/// Interpolates columns and evaluates them over the extension domain.
///
/// `read(first, row)` are the cells of columns `first..first + LANES`, zero beyond the last column.
/// Also returns the coefficients of the columns' polynomials.
fn extend<F>(width: usize, domain: &StarkDomain<Felt>, read: F) -> (Extension, Vec<Vec<Felt>>)
where
    F: Fn(usize, usize) -> Packed + Sync,
{
    let length = domain.trace_length();
    let scale = Felt::new(length as u64).inv();
    let inverse = Transform::new(length, Direction::Inverse);
    let forward = Transform::new(length, Direction::Forward);
    let offsets: Vec<Vec<Felt>> = coset_offsets(domain)
        .into_par_iter()
        .map(|offset| reversed_powers(offset, scale, length))
        .collect();
    let groups: Vec<ExtendedGroup> = (0..width.div_ceil(LANES))
        .into_par_iter()
        .map(|group| {
            let first = group * LANES;
            let mut coefficients: Vec<Packed> = (0..length).map(|row| read(first, row)).collect();
            inverse.apply(&mut coefficients);
            let cosets = offsets
                .par_iter()
                .map(|powers| {
                    let mut values = vectorized(Scaled {
                        rows: &coefficients,
                        factors: powers,
                    });
                    forward.apply(&mut values);
                    values
                })
                .collect();
            let width = LANES.min(width - first);
            let mut polys = vec![Vec::with_capacity(length); width];
            for row in 0..length {
                let row = &coefficients[reverse_index(row, length)];
                for (poly, &coefficient) in polys.iter_mut().zip(row.lanes()) {
                    poly.push(coefficient * scale);
                }
            }
            ExtendedGroup { cosets, polys }
        })
        .collect();

    let mut cosets: Vec<Vec<Vec<Packed>>> = vec![Vec::with_capacity(groups.len()); offsets.len()];
    let mut all_polys = Vec::with_capacity(width);
    for group in groups {
        for (coset, evaluations) in cosets.iter_mut().zip(group.cosets) {
            coset.push(evaluations);
        }
        all_polys.extend(group.polys);
    }
    (Extension { width, cosets }, all_polys)
}

/// Rows times factors.
struct Scaled<'a> {
    rows: &'a [Packed],
    factors: &'a [Felt],
}

impl Vectorizable for Scaled<'_> {
    type Output = Vec<Packed>;

    #[inline(always)]
    fn run(self) -> Vec<Packed> {
        let rows = self.rows.iter().zip(self.factors);
        rows.map(|(&row, &factor)| row * factor).collect()
    }
}

/// The offsets of the cosets of the trace domain that make up the extension domain, in order.
fn coset_offsets(domain: &StarkDomain<Felt>) -> Vec<Felt> {
    let generator = Felt::get_root_of_unity(domain.lde_domain_size().ilog2());
    let mut offset = domain.offset();
    (0..domain.trace_to_lde_blowup())
        .map(|_| {
            let current = offset;
            offset *= generator;
            current
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use miden_core::crypto::hash::{Blake3_256, Rpo256};
    use miden_cvm_air::{
        air::{CvmAir, trace_info},
        options::{OptionSet, ProofSettings},
    };
    use winterfell::{
        Air, DefaultTraceLde, PartitionOptions,
        math::fields::{CubeExtension, QuadExtension},
    };

    use super::*;
    use crate::samples;

    const LENGTH: usize = 512;

    /// The extension agrees with Winterfell's own, down to the openings.
    fn agrees<E, H>(set: OptionSet)
    where
        E: FieldElement<BaseField = Felt>,
        H: ElementHasher<BaseField = Felt> + Sync,
    {
        let settings = ProofSettings::new(set, miden_cvm_air::options::HashFunction::Rpo256)
            .expect("the hash function suits every set");
        let info = trace_info(LENGTH);
        let air = CvmAir::new(info.clone(), samples::public(), settings.proof_options());
        let domain = StarkDomain::new(&air);
        let rows = samples::rows(LENGTH);
        let columns = (0..info.main_trace_width())
            .map(|column| rows.iter().map(|row| cells_of(row)[column]).collect())
            .collect();
        let (mut theirs, their_polys) = DefaultTraceLde::<E, H, MerkleTree<H>>::new(
            &info,
            &ColMatrix::new(columns),
            &domain,
            PartitionOptions::default(),
        );
        let (mut ours, polys) = CosetLde::<E, H>::new(&rows, &info, &domain);
        assert!(polys.columns().eq(their_polys.main_trace_polys()));
        assert_eq!(
            ours.get_main_trace_commitment(),
            theirs.get_main_trace_commitment()
        );

        // The first columns of the main segment serve as the auxiliary one.
        let aux = (0..info.aux_segment_width())
            .map(|column| {
                let cells = rows.iter().map(|row| {
                    let cells = &cells_of::<Felt, _>(row)[3 * column..][..E::EXTENSION_DEGREE];
                    E::slice_from_base_elements(cells)[0]
                });
                cells.collect()
            })
            .collect();
        let aux = ColMatrix::new(aux);
        let (polys, commitment) = ours.set_aux_trace(&aux, &domain);
        let (their_polys, their_commitment) = theirs.set_aux_trace(&aux, &domain);
        assert!(polys.columns().eq(their_polys.columns()));
        assert_eq!(commitment, their_commitment);

        assert_eq!(ours.trace_len(), theirs.trace_len());
        assert_eq!(ours.blowup(), theirs.blowup());
        let positions = [0, 1, 5, 77, ours.trace_len() - 1];
        for step in positions {
            let mut main = [(); 2].map(|()| EvaluationFrame::new(info.main_trace_width()));
            ours.read_main_trace_frame_into(step, &mut main[0]);
            theirs.read_main_trace_frame_into(step, &mut main[1]);
            assert_eq!(main[0].current(), main[1].current());
            assert_eq!(main[0].next(), main[1].next());
            let mut aux = [(); 2].map(|()| EvaluationFrame::new(info.aux_segment_width()));
            ours.read_aux_trace_frame_into(step, &mut aux[0]);
            theirs.read_aux_trace_frame_into(step, &mut aux[1]);
            assert_eq!(aux[0].current(), aux[1].current());
            assert_eq!(aux[0].next(), aux[1].next());
        }
        assert_eq!(ours.query(&positions), theirs.query(&positions));
    }

    #[test]
    fn extensions_agree_with_winterfell() {
        agrees::<QuadExtension<Felt>, Blake3_256>(OptionSet::Fast96);
        agrees::<CubeExtension<Felt>, Rpo256>(OptionSet::Fast128);
        agrees::<QuadExtension<Felt>, Rpo256>(OptionSet::Regular96);
    }
}
