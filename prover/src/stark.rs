//! The prover's part of the protocol, from a trace to the bytes of a proof.
//!
//! What is proven are pieces of tables; their columns are extended, committed to and opened piece by
//! piece.

use std::sync::Arc;

use miden_core::Felt;
use miden_cvm_air::{
    air::{CvmAir, powers},
    hash::Hasher,
    heights::Piece,
    lookup::NUM_CHALLENGES,
    options::ProofSettings,
    table::Trace,
    transcript,
    tree::parents,
};
use miden_cvm_parallel::prelude::*;
use tracing::info_span;
use winterfell::math::{FieldElement, StarkField};

use crate::{
    channel::Channel,
    columns::{LookupColumns, lookup_columns},
    composition::Composition,
    evaluator::{PieceEvaluator, quotient_cosets},
    fri::Layers,
    lde::{Cosets, Segment, basis, copies, reversed},
    tree::{Tree, hash_extension, hash_rows},
};

/// Coefficients of a polynomial that are divided together.
const DIVIDED: usize = 1 << 12;

/// Proves a trace whose tables have the heights of the AIR. The values of all columns are kept on the
/// first `kept` of the cosets that quotients are computed on; on the others they are computed again.
/// Returns the bytes of the proof.
pub fn prove<E>(trace: Trace, air: &CvmAir, settings: ProofSettings, kept: usize) -> Vec<u8>
where
    E: FieldElement<BaseField = Felt>,
{
    let _prove = info_span!("prove").entered();
    let hasher = Hasher::from(settings.hash());
    let mut channel = Channel::new(hasher, &transcript::seed(air, settings));
    let domains = Domains::new(air, kept);
    let composed = air.public_inputs().composed();

    let (mut main, main_tree) = {
        let _span = info_span!("commit_to_main_rows").entered();
        let pieces = air.pieces().iter();
        let mut segments: Vec<Segment> = pieces
            .map(|piece| Segment::of_cells(cells_of(&trace, piece), piece.table.width()))
            .collect();
        let tree = domains.commit(hasher, &mut segments);
        (segments, tree)
    };
    channel.commit(&main_tree);

    let random: Vec<E> = (0..NUM_CHALLENGES).map(|_| channel.draw()).collect();
    let (mut aux, aux_tree, sums) = {
        let _span = info_span!("commit_to_lookup_columns").entered();
        let columns = air.pieces().iter().map(|piece| {
            let (cells, packing) = (cells_of(&trace, piece), air.packing(piece.table));
            lookup_columns(piece, cells, composed, packing, &random)
        });
        let columns: Vec<LookupColumns<E>> = columns.collect();
        drop(trace);
        let sums: Vec<E> = columns.iter().map(|columns| columns.sum).collect();
        let mut segments = columns
            .into_iter()
            .map(|LookupColumns { columns, .. }| Segment::of_columns(&columns))
            .collect::<Vec<_>>();
        let tree = domains.commit(hasher, &mut segments);
        (segments, tree, sums)
    };
    channel.commit(&aux_tree);
    channel.send(&sums);

    let mut composition = {
        let _span = info_span!("evaluate_constraints").entered();
        let mut weights = powers(channel.draw::<E>());
        let mut composition = Composition::new(air.longest());
        for (i, piece) in air.pieces().iter().enumerate() {
            let evaluator = PieceEvaluator::new(air, piece, &random, sums[i], &mut weights);
            let cosets = &domains.cosets[i];
            let quotient = evaluator.quotient(cosets, &mut main[i], &mut aux[i]);
            composition.add(cosets, &quotient);
        }
        composition.segment()
    };
    let composition_tree = {
        let _span = info_span!("commit_to_composition").entered();
        let (longest, segment) = (domains.longest(), &mut composition);
        let hashes = hash_extension(hasher, longest, &mut [segment], |_| false);
        Tree::new(hasher, vec![hashes])
    };
    channel.commit(&composition_tree);

    let columns = Columns {
        main,
        aux,
        composition,
    };
    let z: E = channel.draw();
    let openings = {
        let _span = info_span!("evaluate_out_of_domain").entered();
        columns.openings(air, z)
    };
    channel.send(&openings);

    let layers = {
        let _span = info_span!("low_degree_test").entered();
        let gamma: E = channel.draw();
        let values = columns.combined(air, &domains, z, gamma);
        let options = air.options();
        let fri = options.to_fri_options();
        Layers::new(
            values,
            Felt::GENERATOR,
            fri.folding_factor(),
            fri.num_fri_layers(air.domain_size()),
            options.blowup_factor(),
            &mut channel,
        )
    };

    let positions = {
        let _span = info_span!("grind").entered();
        let options = air.options();
        channel.draw_positions(
            options.grinding_factor(),
            options.num_queries(),
            air.domain_size(),
        )
    };

    let _span = info_span!("open").entered();
    domains.open::<Felt>(&mut channel, &columns.main, &main_tree, &positions);
    domains.open::<E>(&mut channel, &columns.aux, &aux_tree, &positions);
    let composition = [(domains.longest(), &columns.composition)];
    open::<E>(&mut channel, composition, &composition_tree, &positions);
    layers.open(&mut channel, &positions);
    channel.into_proof()
}

/// The cells of a piece, row by row.
fn cells_of<'a>(trace: &'a Trace, piece: &Piece) -> &'a [Felt] {
    let width = piece.table.width();
    &trace.cells(piece.table)[piece.start * width..][..piece.height * width]
}

/// The domains that the pieces are extended to: pieces of the same height share one.
struct Domains {
    /// By piece.
    cosets: Vec<Arc<Cosets>>,
    /// The number of cosets that values are kept on.
    kept: usize,
}

impl Domains {
    fn new(air: &CvmAir, kept: usize) -> Self {
        let mut known: Vec<Arc<Cosets>> = Vec::new();
        let cosets = air.pieces().iter().map(|piece| {
            let height = piece.height;
            let same = known.iter().find(|cosets| cosets.length() == height);
            if let Some(cosets) = same {
                return cosets.clone();
            }
            // The domain of a lifted piece is the domain of the longest one, to this power.
            let offset = Felt::GENERATOR.exp_vartime(air.ratio(piece) as u64);
            let blowup = air.options().blowup_factor();
            let cosets = Arc::new(Cosets::new(height, blowup, offset));
            known.push(cosets.clone());
            cosets
        });
        let cosets = cosets.collect();
        Self { cosets, kept }
    }

    /// The domain of the longest piece.
    fn longest(&self) -> &Cosets {
        let longest = self.cosets.iter().max_by_key(|cosets| cosets.length());
        longest.expect("there are pieces")
    }

    /// Commits to columns of all pieces: the rows of pieces of one height stand side by side.
    fn commit(&self, hasher: Hasher, segments: &mut [Segment]) -> Tree {
        let mut lengths: Vec<usize> = self.cosets.iter().map(|cosets| cosets.length()).collect();
        lengths.sort_unstable_by(|a, b| b.cmp(a));
        lengths.dedup();
        let extensions = lengths.into_iter().map(|length| {
            let pieces = self.cosets.iter().zip(segments.iter_mut());
            let mut pieces = pieces
                .filter(|(cosets, _)| cosets.length() == length)
                .peekable();
            let cosets = pieces.peek().map_or(self.longest(), |(cosets, _)| cosets);
            let mut side_by_side: Vec<&mut Segment> = pieces.map(|(_, segment)| segment).collect();
            let keeps = |coset| {
                let mut kept = quotient_cosets(cosets).take(self.kept);
                kept.any(|kept| kept == coset)
            };
            hash_extension(hasher, cosets, &mut side_by_side, keeps)
        });
        Tree::new(hasher, extensions.collect())
    }

    /// Opens the rows of all pieces at positions of the longest domain, sorted and distinct.
    fn open<F>(&self, channel: &mut Channel, segments: &[Segment], tree: &Tree, positions: &[usize])
    where
        F: FieldElement<BaseField = Felt>,
    {
        let pieces = self.cosets.iter().map(Arc::as_ref).zip(segments);
        open::<F>(channel, pieces, tree, positions);
    }
}

/// Opens the rows of segments, each extended to its cosets, at positions of the longest domain, sorted
/// and distinct.
fn open<'a, F>(
    channel: &mut Channel,
    segments: impl IntoIterator<Item = (&'a Cosets, &'a Segment)>,
    tree: &Tree,
    positions: &[usize],
) where
    F: FieldElement<BaseField = Felt>,
{
    let siblings = tree.siblings(positions);
    // What the leaf of each sibling is the hash of: the rows of the longest pieces, side by side.
    let mut leaves: Vec<Vec<F>> = vec![Vec::new(); siblings.len()];
    for (cosets, segment) in segments {
        let mut steps = parents(positions, cosets.num_steps());
        let opened = steps.len();
        if cosets.num_steps() == tree.size() {
            steps.extend(&siblings);
        }
        let rows = segment.rows_at::<F>(cosets, &steps);
        let (opened, beside) = rows.split_at(opened);
        opened.iter().for_each(|row| channel.open(row));
        for (leaf, row) in leaves.iter_mut().zip(beside) {
            leaf.extend_from_slice(row);
        }
    }
    let leaves = leaves.iter();
    let siblings = leaves.flat_map(|leaf| hash_rows(channel.hasher(), leaf, leaf.len()));
    let siblings = siblings.collect();
    channel.open_nodes(tree.open(positions, siblings));
}

/// All columns that are committed to.
struct Columns {
    main: Vec<Segment>,
    aux: Vec<Segment>,
    composition: Segment,
}

impl Columns {
    /// The values outside of the domain: of the pieces at z, of the composition at z, of the pieces
    /// at the successor of z; of each piece the main columns, then the auxiliary ones. A lifted
    /// column is evaluated at the power that it is a polynomial in.
    fn openings<E: FieldElement<BaseField = Felt>>(&self, air: &CvmAir, z: E) -> Vec<E> {
        let mut current = Vec::new();
        let mut next = Vec::new();
        for (i, piece) in air.pieces().iter().enumerate() {
            let point = z.exp_vartime((air.ratio(piece) as u64).into());
            let root = Felt::get_root_of_unity(piece.height.ilog2());
            let points = [point, point.mul_base(root)];
            let main = self.main[i].evaluate_at::<Felt, E>(&points);
            let aux = self.aux[i].evaluate_at::<E, E>(&points);
            for values in [main, aux] {
                let [at_point, at_next] = <[_; 2]>::try_from(values).expect("there are two points");
                current.extend(at_point);
                next.extend(at_next);
            }
        }
        current.extend(self.composition.evaluate_at::<E, E>(&[z]).concat());
        current.extend(next);
        current
    }

    /// The values, on the longest domain, of the polynomial that the low-degree test is about: the
    /// quotients of all columns at the points outside of the domain, in the order of the openings,
    /// each column's with a power of `gamma`.
    fn combined<E: FieldElement<BaseField = Felt>>(
        &self,
        air: &CvmAir,
        domains: &Domains,
        z: E,
        gamma: E,
    ) -> Vec<E> {
        let longest = air.longest();
        let mut weights = powers(gamma);
        // In bit-reversed order, lifted columns are what columns begin with.
        let mut pieces = copies(E::ZERO, longest);
        for (i, piece) in air.pieces().iter().enumerate() {
            let to = &mut pieces[..piece.height];
            let main: Vec<E> = (0..piece.table.width()).map(|_| weights()).collect();
            self.main[i].add_weighted(&main, to);
            let aux = coordinate_weights(self.aux[i].width(), &mut weights);
            self.aux[i].add_weighted(&aux, to);
        }
        let mut all = pieces.clone();
        let composition = coordinate_weights(self.composition.width(), &mut weights);
        self.composition.add_weighted(&composition, &mut all);

        let root = Felt::get_root_of_unity(longest.ilog2());
        let (mut all, mut pieces) = (reversed(&all), reversed(&pieces));
        miden_cvm_parallel::join(
            || divide(&mut all, z),
            || divide(&mut pieces, z.mul_base(root)),
        );
        // Both quotients of a column have one weight.
        all.par_iter_mut().zip(&pieces).for_each(|(a, &b)| *a += b);
        let coefficients = reversed(&all);

        let segment = Segment::of_elements(&coefficients);
        let cosets = domains.longest();
        let blowup = cosets.blowup();
        let mut values = copies(E::ZERO, cosets.num_steps());
        let mut on_coset = segment.values();
        for coset in 0..blowup {
            segment.evaluate(cosets, coset, &mut on_coset);
            values
                .par_chunks_mut(blowup)
                .enumerate()
                .with_min_len(1 << 10)
                .for_each(|(row, values)| {
                    on_coset.read_row(row, std::slice::from_mut(&mut values[coset]));
                });
        }
        values
    }
}

/// The weights of the coordinates of columns of elements, of which each has the next weight.
fn coordinate_weights<E: FieldElement<BaseField = Felt>>(
    width: usize,
    weights: &mut impl FnMut() -> E,
) -> Vec<E> {
    (0..width / E::EXTENSION_DEGREE)
        .flat_map(|_| {
            let weight = weights();
            (0..E::EXTENSION_DEGREE).map(move |i| weight * basis::<E>(i))
        })
        .collect()
}

/// Replaces the coefficients of a polynomial f by those of (f(x) - f(z)) / (x - z).
fn divide<E: FieldElement>(coefficients: &mut [E], z: E) {
    // What a part comes to at z is carried into the part before it.
    let sums = coefficients.par_chunks(DIVIDED).map(|part| {
        let terms = part.iter().rev();
        terms.fold(E::ZERO, |sum, &coefficient| sum * z + coefficient)
    });
    let sums: Vec<E> = sums.collect();
    let power = z.exp_vartime((DIVIDED as u64).into());
    let mut carries: Vec<E> = sums
        .iter()
        .rev()
        .scan(E::ZERO, |next, &sum| {
            let carry = *next;
            *next = carry * power + sum;
            Some(carry)
        })
        .collect();
    carries.reverse();
    let parts = coefficients.par_chunks_mut(DIVIDED).zip(carries);
    parts.for_each(|(part, mut carry)| {
        for coefficient in part.iter_mut().rev() {
            let quotient = carry;
            carry = *coefficient + z * carry;
            *coefficient = quotient;
        }
    });
}

#[cfg(test)]
mod tests {
    use miden_assembly::Assembler;
    use miden_core::StackInputs;
    use miden_cvm_air::{
        air::COMPOSITION_COLUMNS,
        options::{HashFunction, OptionSet},
    };
    use miden_cvm_processor::{
        AdviceInputs, DefaultHost, ExecutionOptions, ExecutionTrace, execute_traced,
    };
    use rayon::ThreadPoolBuilder;
    use winterfell::math::fields::QuadExtension;

    use super::*;

    /// A proof of a run with memory, u32 arithmetic and a permutation, its trace and all of it made
    /// on this many threads, with the values on so many cosets kept.
    fn proof(threads: usize, kept: usize) -> Vec<u8> {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build();
        pool.expect("a pool").install(|| {
            let source = "begin repeat.9 hperm end u32split u32and mem_store.7 end";
            let program = Assembler::default()
                .assemble_program(source)
                .expect("a program");
            let ExecutionTrace { trace, public, .. } = execute_traced(
                &program,
                None,
                &StackInputs::default(),
                AdviceInputs::default(),
                &mut DefaultHost::default(),
                ExecutionOptions::default(),
            )
            .expect("a trace");
            let settings = ProofSettings::new(OptionSet::Fast96, HashFunction::Blake3_256);
            let settings = settings.expect("they go together");
            let heights = trace.heights().expect("allowed heights");
            let air = CvmAir::new(heights, public, settings.proof_options());
            prove::<QuadExtension<Felt>>(trace, &air, settings, kept)
        })
    }

    #[test]
    fn polynomials_are_divided_in_parts() {
        type E = QuadExtension<Felt>;
        let element = |i: u64| E::new(Felt::new(i * i + 3), Felt::new(i << 33));
        let z = element(77);
        for length in [1, 2, 1 << 12, 1 << 14] {
            let coefficients: Vec<E> = (0..length).map(element).collect();
            let mut quotient = coefficients.clone();
            divide(&mut quotient, z);
            // The product with x - z has all coefficients but the first.
            for (i, &coefficient) in coefficients.iter().enumerate().skip(1) {
                let higher = quotient[i] * z;
                assert_eq!(quotient[i - 1] - higher, coefficient, "{length}: {i}");
            }
            assert_eq!(quotient[coefficients.len() - 1], E::ZERO);
        }
    }

    #[test]
    fn proofs_depend_neither_on_threads_nor_on_what_is_kept() {
        let alone = proof(1, 0);
        assert_eq!(alone, proof(1, 0));
        assert_eq!(alone, proof(2, 1));
        assert_eq!(alone, proof(2, COMPOSITION_COLUMNS));
    }
}
