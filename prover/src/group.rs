//! The prover's work for a group of pieces: it extends their columns, commits to them, and opens
//! them. Of the other groups it knows only what is drawn from the transcript.

use std::{array, sync::Arc};

use miden_core::Felt;
use miden_cvm_air::{
    air::{COMPOSITION_COLUMNS, CvmAir, powers_from},
    committed::Committed,
    hash::{Digest, Hasher},
    options::ProofSettings,
    quotients::Sums,
    table::{TableRows, Trace},
    tree::parents,
};
use miden_cvm_parallel::{prelude::*, scope};
use winterfell::math::{FieldElement, StarkField};

use crate::{
    channel::Writer,
    columns::{LookupColumns, lookup_columns},
    composition::Composition,
    evaluator::{PieceEvaluator, quotient_cosets},
    interleave::Interleaving,
    lde::{Cosets, Segment, basis, copies},
    packed::Packed,
    tree::{Columns, Tree, hash_extension, hash_rows},
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
/// longest piece has rows; lifted columns are what columns begin with. Where there are no columns, there
/// are no coefficients.
pub type Share<E> = Sums<Vec<E>>;

/// The sum of shares, of which the longest have `length` coefficients.
pub fn sum_of<E: FieldElement<BaseField = Felt>>(
    shares: impl IntoIterator<Item = Share<E>>,
    length: usize,
) -> Share<E> {
    let mut sum = Share::default();
    let extended = |to: &mut Vec<E>, part: Vec<E>| {
        if to.is_empty() {
            *to = part;
            to.resize(length, E::ZERO);
        } else {
            add(to, &part);
        }
    };
    for share in shares {
        for (power, part) in share.pieces {
            extended(sum.pieces.entry(power).or_default(), part);
        }
        extended(&mut sum.tested, share.tested);
        extended(&mut sum.composition, share.composition);
    }
    sum
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
        let tree = self.domains.commit::<Felt>(self.hasher, &mut self.main, 0);
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
        let trace = std::mem::take(&mut self.trace);
        self.sums = columns.iter().map(|columns| columns.sum).collect();
        scope(|scope| {
            scope.spawn(|_| drop(trace));
            let columns = columns.into_iter();
            let segments = columns.map(|lookups| Segment::of_columns(&lookups.columns));
            self.aux = segments.collect();
        });
    }

    /// Commits to the auxiliary columns with the challenges of the lookups, and frees the trace.
    pub fn commit_to_lookups(&mut self, random: &[E]) -> Lookups<E> {
        self.interpolate_lookups(random);
        let tree = self.domains.commit::<E>(self.hasher, &mut self.aux, 1);
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
            let cosets = &self.domains.pieces[i].cosets;
            let (main, aux) = (&mut self.main[i], &mut self.aux[i]);
            let quotient = evaluator.quotient(cosets, main, aux);
            composition.add(cosets, &quotient);
        }
        self.composition = vec![composition.segment()];
    }

    /// The composition, all that is left of the group.
    pub fn into_composition(mut self) -> Vec<Segment> {
        std::mem::take(&mut self.composition)
    }

    /// Takes the composition that the group had before.
    pub fn set_composition(&mut self, composition: Vec<Segment>) {
        self.composition = composition;
    }

    /// Commits to the composition.
    pub fn commit_to_composition(&mut self) -> Digest {
        let longest = self.domains.longest();
        let columns = self.composition.iter_mut().map(|segment| Columns {
            segment,
            cosets: longest,
            interleaving: None,
        });
        let mut columns: Vec<Columns<'_>> = columns.collect();
        let hashes = hash_extension(self.hasher, longest, &mut columns, |_| false);
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
        let mut share = Share::default();
        for (i, &number) in self.pieces().iter().enumerate() {
            let piece = &self.domains.pieces[i];
            let [main, aux] = piece.committed;
            let interleavings = [
                piece.interleaving::<Felt>(&self.main[i], 0),
                piece.interleaving::<E>(&self.aux[i], 1),
            ];
            let own = [&self.main[i], &self.aux[i]];
            let interleaved: [Option<Segment>; 2] = array::from_fn(|kind| {
                let interleaving = interleavings[kind].as_ref();
                interleaving.map(|interleaving| interleaving.coefficients(own[kind]))
            });
            let segments: [&Segment; 2] =
                array::from_fn(|kind| interleaved[kind].as_ref().unwrap_or(own[kind]));
            let add = |to: &mut Vec<E>, before: usize| {
                if to.is_empty() {
                    *to = copies(E::ZERO, length);
                }
                let mut weights = powers_from(gamma, before);
                let of_main: Vec<E> = (0..main.width).map(|_| weights()).collect();
                let of_aux = coordinate_weights(aux.width * E::EXTENSION_DEGREE, &mut weights);
                for (segment, weights) in segments.iter().zip([of_main, of_aux]) {
                    segment.add_weighted(&weights, &mut to[..segment.length()]);
                }
            };
            let sum = share.pieces.entry(air.power(number)).or_default();
            add(sum, air.committed_before(number));
            if let Some(before) = air.tested_before(number) {
                add(&mut share.tested, before);
            }
        }
        let mut composition = copies(E::ZERO, length);
        let before = air.committed_before(air.pieces().len()) + self.number * COMPOSITION_COLUMNS;
        let mut weights = powers_from(gamma, before);
        for segment in &self.composition {
            let weights = coordinate_weights(segment.width(), &mut weights);
            segment.add_weighted(&weights, &mut composition);
        }
        share.composition = composition;
        share
    }

    /// Opens the rows at positions of the longest domain of all groups.
    pub fn open(&self, positions: &[usize]) -> Vec<u8> {
        let positions = parents(positions, self.longest().num_steps());
        let mut proof = Writer::new(self.hasher);
        let [main, aux, composition] = [0, 1, 2].map(|tree| &self.trees[tree]);
        self.domains
            .open::<Felt>(&mut proof, &self.main, 0, main, &positions);
        self.domains
            .open::<E>(&mut proof, &self.aux, 1, aux, &positions);
        let longest = self.longest().as_ref();
        let columns = self.composition.iter().map(|segment| {
            let rows = move |steps: &[usize]| segment.rows_at::<E>(longest, steps);
            (longest, rows)
        });
        open::<E>(&mut proof, columns, composition, &positions);
        proof.into_bytes()
    }
}

/// Memory goes back to the operating system on all threads: a large proof has many GiB of it.
impl<E> Drop for Group<E> {
    fn drop(&mut self) {
        let segments = [&mut self.main, &mut self.aux, &mut self.composition];
        let segments = segments.into_iter().flat_map(std::mem::take);
        let buffers: Vec<Vec<Packed>> = segments.flat_map(Segment::into_buffers).collect();
        let trees = std::mem::take(&mut self.trees);
        let levels: Vec<Vec<Digest>> = trees.into_iter().flat_map(Tree::into_levels).collect();
        buffers.into_par_iter().for_each(drop);
        levels.into_par_iter().for_each(drop);
    }
}

/// The domains that a piece is extended to.
struct PieceDomains {
    /// That of its own columns.
    cosets: Arc<Cosets>,
    /// Its main columns and its auxiliary ones, as they are committed to.
    committed: [Committed; 2],
    /// The domains of what is committed to.
    extended: [Arc<Cosets>; 2],
}

impl PieceDomains {
    /// The interleaving of the columns of a kind, if they are interleaved.
    fn interleaving<F: FieldElement<BaseField = Felt>>(
        &self,
        segment: &Segment,
        kind: usize,
    ) -> Option<Interleaving> {
        Interleaving::new(segment, self.committed[kind], F::EXTENSION_DEGREE)
    }
}

/// The domains that the pieces of a group are extended to: columns of the same length share one.
struct Domains {
    pieces: Vec<PieceDomains>,
    /// The number of cosets that values are kept on.
    kept: usize,
}

impl Domains {
    fn new(air: &CvmAir, group: &[usize], kept: usize) -> Self {
        let mut known: Vec<Arc<Cosets>> = Vec::new();
        let mut cosets = |height: usize| {
            let same = known.iter().find(|cosets| cosets.length() == height);
            if let Some(cosets) = same {
                return cosets.clone();
            }
            // The domain of a lifted column is the domain of the longest one, to this power.
            let offset = Felt::GENERATOR.exp_vartime((air.longest() / height) as u64);
            let blowup = air.options().blowup_factor();
            let cosets = Arc::new(Cosets::new(height, blowup, offset));
            known.push(cosets.clone());
            cosets
        };
        let pieces = group.iter().map(|&piece| {
            let committed = air.committed(piece);
            PieceDomains {
                cosets: cosets(air.pieces()[piece].height),
                committed,
                extended: committed.map(|columns| cosets(columns.height)),
            }
        });
        let pieces = pieces.collect();
        Self { pieces, kept }
    }

    /// The domain of the longest piece.
    fn longest(&self) -> &Arc<Cosets> {
        let cosets = self.pieces.iter().map(|piece| &piece.cosets);
        let longest = cosets.max_by_key(|cosets| cosets.length());
        longest.expect("there are pieces")
    }

    /// Commits to the columns of all pieces, of the kind that is number `kind`: the rows of columns of one
    /// length stand side by side.
    fn commit<F>(&self, hasher: Hasher, segments: &mut [Segment], kind: usize) -> Tree
    where
        F: FieldElement<BaseField = Felt>,
    {
        let lengths = self.pieces.iter().map(|piece| piece.committed[kind].height);
        let mut lengths: Vec<usize> = lengths.collect();
        lengths.sort_unstable_by(|a, b| b.cmp(a));
        lengths.dedup();
        let extensions = lengths.into_iter().map(|length| {
            let pieces = self.pieces.iter().zip(segments.iter_mut());
            let pieces = pieces.filter(|(piece, _)| piece.committed[kind].height == length);
            let mut cosets = self.longest();
            let columns = pieces.map(|(piece, segment)| {
                cosets = &piece.extended[kind];
                Columns {
                    interleaving: piece.interleaving::<F>(segment, kind),
                    segment,
                    cosets: &piece.cosets,
                }
            });
            let mut columns: Vec<Columns<'_>> = columns.collect();
            let keeps = |coset| {
                let mut kept = quotient_cosets(cosets).take(self.kept);
                kept.any(|kept| kept == coset)
            };
            hash_extension(hasher, cosets, &mut columns, keeps)
        });
        Tree::new(hasher, extensions.collect())
    }

    /// Opens the rows of all pieces at positions of the longest domain, sorted and distinct.
    fn open<F>(
        &self,
        proof: &mut Writer,
        segments: &[Segment],
        kind: usize,
        tree: &Tree,
        positions: &[usize],
    ) where
        F: FieldElement<BaseField = Felt>,
    {
        let pieces = self.pieces.iter().zip(segments);
        let pieces = pieces.map(|(piece, segment)| {
            let extended = piece.extended[kind].as_ref();
            let interleaving = piece.interleaving::<F>(segment, kind);
            let rows = move |steps: &[usize]| match &interleaving {
                Some(interleaving) => {
                    interleaving.rows_at::<F>(segment, &piece.cosets, extended, steps)
                }
                None => segment.rows_at::<F>(extended, steps),
            };
            (extended, rows)
        });
        open::<F>(proof, pieces, tree, positions);
    }
}

/// Opens rows at positions of the longest domain, sorted and distinct, given the domains that columns
/// are extended to, and what their rows are at steps of these.
fn open<'a, F>(
    proof: &mut Writer,
    columns: impl IntoIterator<Item = (&'a Cosets, impl Fn(&[usize]) -> Vec<Vec<F>>)>,
    tree: &Tree,
    positions: &[usize],
) where
    F: FieldElement<BaseField = Felt>,
{
    let siblings = tree.siblings(positions);
    // What the leaf of each sibling is the hash of: the rows of the longest columns, side by side.
    let mut leaves: Vec<Vec<F>> = vec![Vec::new(); siblings.len()];
    for (cosets, rows_at) in columns {
        let mut steps = parents(positions, cosets.num_steps());
        let opened = steps.len();
        if cosets.num_steps() == tree.size() {
            steps.extend(&siblings);
        }
        let rows = rows_at(&steps);
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
