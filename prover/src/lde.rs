//! The low-degree extension of a trace and the commitment to it.
//!
//! Columns are worked on in groups of [`LANES`] base field columns: one row of a group is a cache
//! line. The extension domain is made of cosets of the trace domain, and the values of one coset are
//! all that is ever there: what is kept are the polynomials.

use core::marker::PhantomData;
use std::sync::{Arc, OnceLock};

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
const HASH_CHUNK: usize = 1 << 8;

/// Number of values that [`Segment::rows_at`] has in common for all rows of a coset.
const SPAN: usize = 1 << 6;

/// Both segments of a trace, with Merkle trees over the rows of their extensions.
pub struct CosetLde<E: FieldElement, H: ElementHasher> {
    extension: Arc<Extension>,
    main_tree: MerkleTree<H>,
    aux_tree: Option<MerkleTree<H>>,
    info: TraceInfo,
    _field: PhantomData<E>,
}

/// What can be evaluated over the extension domain.
pub struct Extension {
    /// The domain.
    pub cosets: Cosets,
    /// The main segment.
    pub main: Segment,
    /// The auxiliary segment, once it is there; its columns are coordinates.
    pub aux: OnceLock<Segment>,
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
        let cosets = Cosets::new(domain);
        let main = Segment::new(info.main_trace_width(), &cosets, |first, row| {
            let cells = &cells_of::<Felt, _>(&rows[row])[first..];
            Packed::from_fn(|lane| cells.get(lane).copied().unwrap_or(Felt::ZERO))
        });
        let main_tree = main.commit::<Felt, H>(&cosets);
        let polys = main.polys();
        let lde = Self {
            main_tree,
            aux_tree: None,
            extension: Arc::new(Extension {
                cosets,
                main,
                aux: OnceLock::new(),
            }),
            info: info.clone(),
            _field: PhantomData,
        };
        (lde, ColMatrix::new(polys))
    }

    /// What can be evaluated over the extension domain.
    pub fn extension(&self) -> Arc<Extension> {
        self.extension.clone()
    }

    /// The auxiliary segment.
    ///
    /// # Panics
    /// Panics if it is not there yet.
    fn aux(&self) -> &Segment {
        let aux = self.extension.aux.get();
        aux.expect("the auxiliary segment is set")
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

    /// # Panics
    /// Panics if the auxiliary segment is there already.
    fn set_aux_trace(
        &mut self,
        columns: &ColMatrix<E>,
        _: &StarkDomain<Felt>,
    ) -> (ColMatrix<E>, H::Digest) {
        let width = columns.num_base_cols();
        let cosets = &self.extension.cosets;
        let aux = Segment::new(width, cosets, |first, row| {
            Packed::from_fn(|lane| {
                if first + lane < width {
                    columns.get_base_element(first + lane, row)
                } else {
                    Felt::ZERO
                }
            })
        });
        let tree = aux.commit::<E, H>(cosets);
        let commitment = tree.commitment();
        let polys = aux.polys();
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
        let set = self.extension.aux.set(aux);
        assert!(set.is_ok(), "there is one auxiliary segment");
        self.aux_tree = Some(tree);
        (ColMatrix::new(polys), commitment)
    }

    /// Evaluates every column at two points, for which the prover has no need: constraints are
    /// evaluated by coset.
    fn read_main_trace_frame_into(&self, lde_step: usize, frame: &mut EvaluationFrame<Felt>) {
        self.read_frame(&self.extension.main, lde_step, frame);
    }

    /// As for the main segment.
    ///
    /// # Panics
    /// Panics if the auxiliary segment is not there yet.
    fn read_aux_trace_frame_into(&self, lde_step: usize, frame: &mut EvaluationFrame<E>) {
        self.read_frame(self.aux(), lde_step, frame);
    }

    fn query(&self, positions: &[usize]) -> Vec<Queries> {
        let main = &self.extension.main;
        let mut queries = vec![self.open::<Felt>(main, &self.main_tree, positions)];
        if let Some(tree) = &self.aux_tree {
            queries.push(self.open::<E>(self.aux(), tree, positions));
        }
        queries
    }

    fn trace_len(&self) -> usize {
        self.extension.cosets.num_steps()
    }

    fn blowup(&self) -> usize {
        self.extension.cosets.blowup()
    }

    fn trace_info(&self) -> &TraceInfo {
        &self.info
    }
}

impl<E, H> CosetLde<E, H>
where
    E: FieldElement<BaseField = Felt>,
    H: ElementHasher<BaseField = Felt> + Sync,
{
    fn read_frame<F>(&self, segment: &Segment, step: usize, frame: &mut EvaluationFrame<F>)
    where
        F: FieldElement<BaseField = Felt>,
    {
        let next = (step + self.blowup()) % self.trace_len();
        let rows = segment.rows_at::<F>(&self.extension.cosets, &[step, next]);
        frame.current_mut().copy_from_slice(&rows[0]);
        frame.next_mut().copy_from_slice(&rows[1]);
    }

    /// Opens the rows at `positions`.
    fn open<F>(&self, segment: &Segment, tree: &MerkleTree<H>, positions: &[usize]) -> Queries
    where
        F: FieldElement<BaseField = Felt>,
    {
        let rows = segment.rows_at::<F>(&self.extension.cosets, positions);
        let (_, opening) = tree
            .prove_batch(positions)
            .expect("the positions are distinct and in the domain");
        Queries::new::<H, F, MerkleTree<H>>(opening, rows)
    }
}

/// The extension domain: cosets of the trace domain.
pub struct Cosets {
    /// Length of the trace.
    length: usize,
    /// For each coset, in order, the powers of its offset in bit-reversed order, divided by the
    /// length of the trace.
    powers: Vec<Vec<Felt>>,
    forward: Transform,
}

impl Cosets {
    fn new(domain: &StarkDomain<Felt>) -> Self {
        let length = domain.trace_length();
        let scale = Felt::new(length as u64).inv();
        let powers = coset_offsets(domain).into_par_iter();
        Self {
            length,
            powers: powers
                .map(|offset| reversed_powers(offset, scale, length))
                .collect(),
            forward: Transform::new(length, Direction::Forward),
        }
    }

    /// Number of cosets.
    fn blowup(&self) -> usize {
        self.powers.len()
    }

    /// Number of points in the domain: step i is point i / blowup of coset i % blowup.
    fn num_steps(&self) -> usize {
        self.length * self.blowup()
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

/// The columns of a segment, as polynomials.
pub struct Segment {
    /// Number of base field columns.
    width: usize,
    /// Coefficients of the columns of each group in bit-reversed order, times their number.
    groups: Vec<Vec<Packed>>,
}

impl Segment {
    /// Interpolates columns. `read(first, row)` are the cells of columns `first..first + LANES`, zero
    /// beyond the last column.
    fn new<F>(width: usize, cosets: &Cosets, read: F) -> Self
    where
        F: Fn(usize, usize) -> Packed + Sync,
    {
        let inverse = Transform::new(cosets.length, Direction::Inverse);
        let groups = (0..width.div_ceil(LANES)).into_par_iter().map(|group| {
            let rows = 0..cosets.length;
            let mut values: Vec<Packed> = rows.map(|row| read(group * LANES, row)).collect();
            inverse.apply(&mut values);
            values
        });
        Self {
            width,
            groups: groups.collect(),
        }
    }

    /// The coefficients of every column.
    fn polys(&self) -> Vec<Vec<Felt>> {
        let length = self.groups[0].len();
        let scale = Felt::new(length as u64).inv();
        let groups = self.groups.par_iter().enumerate();
        let polys = groups.flat_map_iter(|(group, coefficients)| {
            let width = LANES.min(self.width - group * LANES);
            let mut polys = vec![Vec::with_capacity(length); width];
            for i in 0..length {
                let row = coefficients[reverse_index(i, length)] * scale;
                for (poly, &coefficient) in polys.iter_mut().zip(row.lanes()) {
                    poly.push(coefficient);
                }
            }
            polys
        });
        polys.collect()
    }

    /// Room for the values of a coset.
    pub fn values(&self) -> CosetValues {
        let length = self.groups[0].len();
        CosetValues {
            groups: vec![vec![Packed::ZERO; length]; self.groups.len()],
        }
    }

    /// Evaluates all columns on a coset.
    pub fn evaluate(&self, cosets: &Cosets, coset: usize, values: &mut CosetValues) {
        let groups = self.groups.par_iter().zip(&mut values.groups);
        groups.for_each(|(coefficients, values)| {
            vectorized(Scaled {
                rows: coefficients,
                factors: &cosets.powers[coset],
                to: values,
            });
            cosets.forward.apply(values);
        });
    }

    /// Builds a Merkle tree over the hashes of the rows of the extension.
    fn commit<F, H>(&self, cosets: &Cosets) -> MerkleTree<H>
    where
        F: FieldElement<BaseField = Felt>,
        H: ElementHasher<BaseField = Felt>,
    {
        let blowup = cosets.blowup();
        let mut leaves = vec![H::Digest::default(); cosets.num_steps()];
        let mut values = self.values();
        for coset in 0..blowup {
            self.evaluate(cosets, coset, &mut values);
            let chunks = leaves.par_chunks_mut(HASH_CHUNK * blowup).enumerate();
            chunks.for_each(|(chunk, leaves)| {
                let mut row = vec![F::ZERO; self.width / F::EXTENSION_DEGREE];
                let mine = leaves.iter_mut().skip(coset).step_by(blowup);
                for (i, leaf) in mine.enumerate() {
                    values.read_row(chunk * HASH_CHUNK + i, &mut row);
                    *leaf = H::hash_elements(&row);
                }
            });
        }
        MerkleTree::new(leaves).expect("the domain's size is a power of two")
    }

    /// Evaluates all columns at a few steps of the extension domain.
    ///
    /// The sum over all coefficients is divided into sums over [`SPAN`] of them that follow each
    /// other, which take as many values on the whole coset as there are coefficients in them.
    fn rows_at<F>(&self, cosets: &Cosets, steps: &[usize]) -> Vec<Vec<F>>
    where
        F: FieldElement<BaseField = Felt>,
    {
        let (length, blowup) = (cosets.length, cosets.blowup());
        let span = SPAN.min(length);
        let inner = Transform::new(span, Direction::Forward);
        let root = Felt::get_root_of_unity(length.ilog2());
        let points: Vec<Point> = steps
            .iter()
            .map(|step| {
                let position = step / blowup;
                let x = root.exp_vartime(position as u64);
                Point {
                    coset: step % blowup,
                    value: position % span,
                    weights: reversed_powers(x, Felt::ONE, length / span),
                }
            })
            .collect();
        let groups = self.groups.par_iter().map(|coefficients| {
            let mut row_parts = vec![Packed::ZERO; points.len()];
            let mut values = vec![Packed::ZERO; span];
            for (coset, powers) in cosets.powers.iter().enumerate() {
                let on_coset = |point: &Point| point.coset == coset;
                if !points.iter().any(on_coset) {
                    continue;
                }
                let spans = coefficients.chunks(span).zip(powers.chunks(span));
                for (i, (coefficients, powers)) in spans.enumerate() {
                    vectorized(Scaled {
                        rows: coefficients,
                        factors: powers,
                        to: &mut values,
                    });
                    inner.apply(&mut values);
                    for (point, row_part) in points.iter().zip(&mut row_parts) {
                        if on_coset(point) {
                            *row_part += values[point.value] * point.weights[i];
                        }
                    }
                }
            }
            row_parts
        });
        let groups = CosetValues {
            groups: groups.collect(),
        };
        (0..steps.len())
            .map(|i| {
                let mut row = vec![F::ZERO; self.width / F::EXTENSION_DEGREE];
                groups.read_row(i, &mut row);
                row
            })
            .collect()
    }
}

/// A point of the extension domain, for [`Segment::rows_at`].
struct Point {
    coset: usize,
    /// Which of the values of the inner sums it takes.
    value: usize,
    /// What these are multiplied by.
    weights: Vec<Felt>,
}

/// The values of a segment's columns on one coset.
pub struct CosetValues {
    /// `groups[g][j]` are those of group g at point j.
    pub groups: Vec<Vec<Packed>>,
}

impl CosetValues {
    /// Copies the row at `position` into `row`.
    #[inline]
    fn read_row<F: FieldElement<BaseField = Felt>>(&self, position: usize, row: &mut [F]) {
        // Every `EXTENSION_DEGREE` groups hold `LANES` whole elements.
        let mut cells = [Felt::ZERO; 3 * LANES];
        for (elements, groups) in row
            .chunks_mut(LANES)
            .zip(self.groups.chunks(F::EXTENSION_DEGREE))
        {
            for (cells, group) in cells.chunks_exact_mut(LANES).zip(groups) {
                cells.copy_from_slice(group[position].lanes());
            }
            let whole = F::slice_from_base_elements(&cells[..F::EXTENSION_DEGREE * LANES]);
            elements.copy_from_slice(&whole[..elements.len()]);
        }
    }
}

/// Rows times factors.
struct Scaled<'a> {
    rows: &'a [Packed],
    factors: &'a [Felt],
    to: &'a mut [Packed],
}

impl Vectorizable for Scaled<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let rows = self.rows.iter().zip(self.factors);
        for (product, (&row, &factor)) in self.to.iter_mut().zip(rows) {
            *product = row * factor;
        }
    }
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
