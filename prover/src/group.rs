//! The prover's work for a group of pieces: it extends their columns, commits to them, and opens
//! them. Of the other groups it knows only what is drawn from the transcript.

use std::sync::Arc;

use miden_core::Felt;
use miden_cvm_air::{
    air::{COMPOSITION_COLUMNS, CvmAir, powers_from},
    hash::{Digest, Hasher},
    options::ProofSettings,
    table::{TableRows, Trace},
    tree::parents,
};
use miden_cvm_parallel::prelude::*;
use winterfell::math::{FieldElement, StarkField};

use crate::{
    channel::Writer,
    columns::{LookupColumns, lookup_columns},
    composition::Composition,
    evaluator::{PieceEvaluator, quotient_cosets},
    lde::{Cosets, Segment, basis, copies},
    tree::{Tree, hash_extension, hash_rows},
};

/// The answer of a group that knows the challenges of the lookups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookups<E> {
    /// The root over the auxiliary columns.
    pub root: Digest,
    /// The sum of the messages of each piece.
    pub sums: Vec<E>,
}

/// The values of a group's columns outside of the domain: of each piece the main columns, then the
/// auxiliary ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outside<E> {
    /// Of the pieces at the point.
    pub current: Vec<Vec<E>>,
    /// Of the composition at the point.
    pub composition: Vec<E>,
    /// Of the pieces at the point's successor.
    pub next: Vec<Vec<E>>,
}

/// A group's share of the polynomial that the low-degree test is about: the sums of columns, each times
/// its weight, before they are divided. Coefficients in bit-reversed order, as many as the group's
/// longest piece has rows; lifted columns are what columns begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share<E> {
    /// Of the columns of the pieces.
    pub pieces: Vec<E>,
    /// Of the columns of the composition.
    pub composition: Vec<E>,
}

impl<E: FieldElement<BaseField = Felt>> Share<E> {
    /// The sum of shares, of which the longest have `length` coefficients.
    pub fn sum(shares: impl IntoIterator<Item = Self>, length: usize) -> Self {
        let mut sum = Self {
            pieces: Vec::new(),
            composition: Vec::new(),
        };
        for share in shares {
            for (to, part) in [
                (&mut sum.pieces, share.pieces),
                (&mut sum.composition, share.composition),
            ] {
                if to.is_empty() {
                    *to = part;
                    to.resize(length, E::ZERO);
                } else {
                    add(to, &part);
                }
            }
        }
        sum
    }
}

/// Adds coefficients to those that polynomials begin with.
pub fn add<E: FieldElement<BaseField = Felt>>(to: &mut [E], values: &[E]) {
    let terms = to.par_iter_mut().zip(values);
    terms.for_each(|(to, &value)| *to += value);
}

/// A group of pieces, from its part of the trace to its openings. The functions that change it are
/// called in their order.
pub struct Group<E> {
    air: Arc<CvmAir>,
    number: usize,
    hasher: Hasher,
    domains: Domains,
    /// The rows of the tables that are there.
    rows: TableRows,
    /// The tables as far as the group has pieces of them.
    trace: Trace,
    main: Vec<Segment>,
    aux: Vec<Segment>,
    sums: Vec<E>,
    composition: Vec<Segment>,
    /// Over the main columns, the auxiliary ones, and those of the composition.
    trees: Vec<Tree>,
}

impl<E: FieldElement<BaseField = Felt>> Group<E> {
    /// A group of the AIR, given its rows of the trace ([`CvmAir::rows_of`]). The values of all
    /// columns are kept on the first `kept` of the cosets that quotients are computed on; on the
    /// others they are computed again.
    pub fn new(
        trace: Trace,
        air: Arc<CvmAir>,
        number: usize,
        settings: ProofSettings,
        kept: usize,
    ) -> Self {
        let rows = air.rows_of(&air.groups()[number]);
        let domains = Domains::new(&air, &air.groups()[number], kept);
        Self {
            air,
            number,
            hasher: settings.hash().into(),
            domains,
            rows,
            trace,
            main: Vec::new(),
            aux: Vec::new(),
            sums: Vec::new(),
            composition: Vec::new(),
            trees: Vec::new(),
        }
    }

    /// The numbers of its pieces.
    fn pieces(&self) -> &[usize] {
        &self.air.groups()[self.number]
    }

    /// The domain of the group's longest piece.
    pub fn longest(&self) -> &Arc<Cosets> {
        self.domains.longest()
    }

    /// The cells of a piece, row by row.
    fn cells(&self, piece: usize) -> &[Felt] {
        let piece = &self.air.pieces()[piece];
        let width = piece.table.width();
        let first = self.rows.of(piece.table).start;
        let start = (piece.start - first) * width;
        &self.trace.cells(piece.table)[start..][..piece.height * width]
    }

    /// Makes the main columns polynomials.
    pub fn interpolate_main(&mut self) {
        let segments = self.pieces().iter().map(|&piece| {
            let width = self.air.pieces()[piece].table.width();
            Segment::of_cells(self.cells(piece), width)
        });
        self.main = segments.collect();
    }

    /// Commits to the main columns.
    pub fn commit_to_main(&mut self) -> Digest {
        self.interpolate_main();
        let tree = self.domains.commit(self.hasher, &mut self.main);
        self.keep(tree)
    }

    /// Makes the auxiliary columns, with the challenges of the lookups, and makes them polynomials; frees the
    /// trace.
    pub fn interpolate_lookups(&mut self, random: &[E]) {
        let composed = self.air.public_inputs().composed();
        let columns = self.pieces().iter().map(|&number| {
            let piece = &self.air.pieces()[number];
            let packing = self.air.packing(piece.table);
            lookup_columns(piece, self.cells(number), composed, packing, random)
        });
        let columns: Vec<LookupColumns<E>> = columns.collect();
        self.trace = Trace::default();
        self.sums = columns.iter().map(|columns| columns.sum).collect();
        let segments = columns
            .into_iter()
            .map(|LookupColumns { columns, .. }| Segment::of_columns(&columns));
        self.aux = segments.collect();
    }

    /// Commits to the auxiliary columns with the challenges of the lookups, and frees the trace.
    pub fn commit_to_lookups(&mut self, random: &[E]) -> Lookups<E> {
        self.interpolate_lookups(random);
        let tree = self.domains.commit(self.hasher, &mut self.aux);
        Lookups {
            root: self.keep(tree),
            sums: self.sums.clone(),
        }
    }

    /// Evaluates the constraints, each with a power of `weight`.
    pub fn evaluate_constraints(&mut self, random: &[E], weight: E) {
        let air = self.air.clone();
        let mut composition = Composition::new(self.longest().length());
        for (i, &number) in air.groups()[self.number].iter().enumerate() {
            let mut weights = powers_from(weight, air.constraints_before(number));
            let (piece, sum) = (&air.pieces()[number], self.sums[i]);
            let evaluator = PieceEvaluator::new(&air, piece, random, sum, &mut weights);
            let cosets = &self.domains.cosets[i];
            let (main, aux) = (&mut self.main[i], &mut self.aux[i]);
            let quotient = evaluator.quotient(cosets, main, aux);
            composition.add(cosets, &quotient);
        }
        self.composition = vec![composition.segment()];
    }

    /// The composition, all that is left of the group.
    pub fn into_composition(self) -> Vec<Segment> {
        self.composition
    }

    /// Takes the composition that the group had before.
    pub fn set_composition(&mut self, composition: Vec<Segment>) {
        self.composition = composition;
    }

    /// Commits to the composition.
    pub fn commit_to_composition(&mut self) -> Digest {
        let mut segments: Vec<&mut Segment> = self.composition.iter_mut().collect();
        let longest = self.domains.longest();
        let hashes = hash_extension(self.hasher, longest, &mut segments, |_| false);
        let tree = Tree::new(self.hasher, vec![hashes]);
        self.keep(tree)
    }

    fn keep(&mut self, tree: Tree) -> Digest {
        let root = tree.root();
        self.trees.push(tree);
        root
    }

    /// The values outside of the domain. A lifted column is evaluated at the power that it is a
    /// polynomial in.
    pub fn outside(&self, z: E) -> Outside<E> {
        let (mut current, mut next) = (Vec::new(), Vec::new());
        for (i, &number) in self.pieces().iter().enumerate() {
            let piece = &self.air.pieces()[number];
            let point = z.exp_vartime((self.air.ratio(piece) as u64).into());
            let root = Felt::get_root_of_unity(piece.height.ilog2());
            let points = [point, point.mul_base(root)];
            let main = self.main[i].evaluate_at::<Felt, E>(&points);
            let aux = self.aux[i].evaluate_at::<E, E>(&points);
            let rows = main.into_iter().zip(aux);
            let mut rows = rows.map(|(main, aux)| [main, aux].concat());
            current.extend(rows.next());
            next.extend(rows.next());
        }
        let ratio = self.air.longest() / self.longest().length();
        let point = z.exp_vartime((ratio as u64).into());
        let composition = self.composition.iter();
        let composition = composition.flat_map(|segment| segment.evaluate_at::<E, E>(&[point]));
        Outside {
            current,
            composition: composition.flatten().collect(),
            next,
        }
    }

    /// The group's share of what the low-degree test is about: of each column its sum with a power of
    /// `gamma`, in the order of the openings.
    pub fn share(&self, gamma: E) -> Share<E> {
        let air = &self.air;
        let length = self.longest().length();
        let mut pieces = copies(E::ZERO, length);
        for (i, &number) in self.pieces().iter().enumerate() {
            let piece = &air.pieces()[number];
            let mut weights = powers_from(gamma, air.columns_before(number));
            let to = &mut pieces[..piece.height];
            let main: Vec<E> = (0..piece.table.width()).map(|_| weights()).collect();
            self.main[i].add_weighted(&main, to);
            let aux = coordinate_weights(self.aux[i].width(), &mut weights);
            self.aux[i].add_weighted(&aux, to);
        }
        let mut composition = copies(E::ZERO, length);
        let before = air.trace_width() + self.number * COMPOSITION_COLUMNS;
        let mut weights = powers_from(gamma, before);
        for segment in &self.composition {
            let weights = coordinate_weights(segment.width(), &mut weights);
            segment.add_weighted(&weights, &mut composition);
        }
        Share {
            pieces,
            composition,
        }
    }

    /// Opens the rows at positions of the longest domain of all groups.
    pub fn open(&self, positions: &[usize]) -> Vec<u8> {
        let positions = parents(positions, self.longest().num_steps());
        let mut proof = Writer::new(self.hasher);
        let [main, aux, composition] = [0, 1, 2].map(|tree| &self.trees[tree]);
        self.domains
            .open::<Felt>(&mut proof, &self.main, main, &positions);
        self.domains
            .open::<E>(&mut proof, &self.aux, aux, &positions);
        let segments = self.composition.iter();
        let segments = segments.map(|segment| (self.longest().as_ref(), segment));
        open::<E>(&mut proof, segments, composition, &positions);
        proof.into_bytes()
    }
}

/// The domains that the pieces of a group are extended to: pieces of the same height share one.
struct Domains {
    /// By piece.
    cosets: Vec<Arc<Cosets>>,
    /// The number of cosets that values are kept on.
    kept: usize,
}

impl Domains {
    fn new(air: &CvmAir, group: &[usize], kept: usize) -> Self {
        let mut known: Vec<Arc<Cosets>> = Vec::new();
        let cosets = group.iter().map(|&piece| {
            let piece = &air.pieces()[piece];
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
    fn longest(&self) -> &Arc<Cosets> {
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
    fn open<F>(&self, proof: &mut Writer, segments: &[Segment], tree: &Tree, positions: &[usize])
    where
        F: FieldElement<BaseField = Felt>,
    {
        let pieces = self.cosets.iter().map(Arc::as_ref).zip(segments);
        open::<F>(proof, pieces, tree, positions);
    }
}

/// Opens the rows of segments, each extended to its cosets, at positions of the longest domain, sorted
/// and distinct.
fn open<'a, F>(
    proof: &mut Writer,
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
        opened.iter().for_each(|row| proof.elements(row));
        for (leaf, row) in leaves.iter_mut().zip(beside) {
            leaf.extend_from_slice(row);
        }
    }
    let leaves = leaves.iter();
    let siblings = leaves.flat_map(|leaf| hash_rows(proof.hasher(), leaf, leaf.len()));
    let siblings = siblings.collect();
    proof.digests(&tree.open(positions, siblings));
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
