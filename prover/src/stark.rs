//! The prover's part of the protocol, from a trace to the bytes of a proof.

use std::sync::Arc;

use miden_core::{Felt, utils::ByteWriter};
use miden_cvm_air::{
    air::{CvmAir, powers},
    lookup::{Challenges, NUM_CHALLENGES},
    options::ProofSettings,
    table::{Heights, Table, Trace},
    transcript,
    tree::parents,
};
use rayon::prelude::*;
use tracing::info_span;
use winterfell::crypto::{Hasher, RandomCoin};
use winterfell::math::{FieldElement, StarkField};

use crate::{
    columns::{LookupColumns, lookup_columns},
    composition::Composition,
    evaluator::TableEvaluator,
    fri::Layers,
    hash::BatchHasher,
    lde::{Cosets, Segment, basis, reversed},
    tree::{Tree, hash_extension},
};

/// Nonces that are tried together.
const NONCES: u64 = 1 << 14;

/// Proves a trace whose tables have the heights of the AIR. Returns the bytes of the proof.
pub fn prove<E, H, R>(trace: Trace, air: &CvmAir, settings: ProofSettings) -> Vec<u8>
where
    E: FieldElement<BaseField = Felt>,
    H: BatchHasher,
    R: RandomCoin<BaseField = Felt, Hasher = H>,
{
    let _prove = info_span!("prove").entered();
    let mut coin = R::new(&transcript::seed(air, settings));
    let mut proof = Vec::new();
    let domains = Domains::new(air);
    let composed = air.public_inputs().composed();

    let (main, main_tree) = {
        let _span = info_span!("commit_to_main_rows").entered();
        let segments = Table::ALL.map(|table| Segment::of_cells(trace.cells(table), table.width()));
        let tree = domains.commit::<Felt, H>(&segments);
        (segments, tree)
    };
    send(&mut proof, &mut coin, &main_tree);

    let random: Vec<E> = (0..NUM_CHALLENGES).map(|_| draw(&mut coin)).collect();
    let challenges = Challenges::new(&random);
    let (aux, aux_tree, sums) = {
        let _span = info_span!("commit_to_lookup_columns").entered();
        let columns = Table::ALL.map(|table| {
            let cells = trace.cells(table);
            lookup_columns(table, cells, composed, air.packing(table), &challenges)
        });
        drop(trace);
        let sums: Vec<E> = columns.iter().map(|columns| columns.sum).collect();
        let segments = columns.map(|LookupColumns { columns, .. }| Segment::of_columns(&columns));
        let tree = domains.commit::<E, H>(&segments);
        (segments, tree, sums)
    };
    send(&mut proof, &mut coin, &aux_tree);
    write(&mut proof, &sums);
    coin.reseed(H::hash_elements(&sums));

    let composition = {
        let _span = info_span!("evaluate_constraints").entered();
        let mut weights = powers(draw::<E, R>(&mut coin));
        let mut composition = Composition::new(air.heights().longest());
        for (i, table) in Table::ALL.into_iter().enumerate() {
            let evaluator = TableEvaluator::new(air, table, &random, sums[i], &mut weights);
            let cosets = &domains.cosets[i];
            composition.add(cosets, &evaluator.quotient(cosets, &main[i], &aux[i]));
        }
        composition.segment()
    };
    let composition_tree = {
        let _span = info_span!("commit_to_composition").entered();
        Tree::<H>::new(vec![hash_extension::<E, H>(
            domains.longest(),
            &[&composition],
        )])
    };
    send(&mut proof, &mut coin, &composition_tree);

    let columns = Columns {
        main,
        aux,
        composition,
    };
    let z: E = draw(&mut coin);
    let openings = {
        let _span = info_span!("evaluate_out_of_domain").entered();
        columns.openings(air.heights(), z)
    };
    write(&mut proof, &openings);
    coin.reseed(H::hash_elements(&openings));

    let layers = {
        let _span = info_span!("low_degree_test").entered();
        let gamma: E = draw(&mut coin);
        let values = columns.combined(air, &domains, z, gamma);
        let options = air.options();
        let fri = options.to_fri_options();
        Layers::<E, H>::new(
            values,
            Felt::GENERATOR,
            fri.folding_factor(),
            fri.num_fri_layers(air.domain_size()),
            options.blowup_factor(),
            &mut coin,
        )
    };
    for root in layers.roots() {
        proof.write(root);
    }
    write(&mut proof, &layers.remainder);

    let options = air.options();
    let nonce = {
        let _span = info_span!("grind").entered();
        grind(&coin, options.grinding_factor())
    };
    proof.write_u64(nonce);

    let _span = info_span!("open").entered();
    let size = air.domain_size();
    let mut positions = coin
        .draw_integers(options.num_queries(), size, nonce)
        .expect("the coin yields positions");
    positions.sort_unstable();
    positions.dedup();
    domains.open::<Felt, H>(&mut proof, &columns.main, &main_tree, &positions);
    domains.open::<E, H>(&mut proof, &columns.aux, &aux_tree, &positions);
    for row in columns
        .composition
        .rows_at::<E>(domains.longest(), &positions)
    {
        write(&mut proof, &row);
    }
    write_nodes::<H>(&mut proof, composition_tree.open(&positions));
    for (values, nodes) in layers.open(&positions) {
        write(&mut proof, &values);
        write_nodes::<H>(&mut proof, nodes);
    }
    proof
}

fn draw<E, R>(coin: &mut R) -> E
where
    E: FieldElement<BaseField = Felt>,
    R: RandomCoin<BaseField = Felt>,
{
    coin.draw().expect("the coin yields elements")
}

/// Sends a commitment.
fn send<H, R>(proof: &mut Vec<u8>, coin: &mut R, tree: &Tree<H>)
where
    H: BatchHasher,
    R: RandomCoin<BaseField = Felt, Hasher = H>,
{
    proof.write(tree.root());
    coin.reseed(tree.root());
}

fn write<E: FieldElement>(proof: &mut Vec<u8>, elements: &[E]) {
    for element in elements {
        element.write_into(proof);
    }
}

fn write_nodes<H: Hasher>(proof: &mut Vec<u8>, nodes: Vec<H::Digest>) {
    for node in nodes {
        proof.write(node);
    }
}

/// Finds the first nonce with which the coin shows so many zeros.
fn grind<R: RandomCoin>(coin: &R, bits: u32) -> u64 {
    let found = (0..).find_map(|chunk| {
        (chunk * NONCES..(chunk + 1) * NONCES)
            .into_par_iter()
            .find_first(|&nonce| coin.check_leading_zeros(nonce) >= bits)
    });
    found.expect("there is a nonce")
}

/// The domains that the tables are extended to: tables of the same height share one.
struct Domains {
    /// By table.
    cosets: [Arc<Cosets>; Table::COUNT],
}

impl Domains {
    fn new(air: &CvmAir) -> Self {
        let heights = air.heights();
        let mut known: Vec<Arc<Cosets>> = Vec::new();
        let cosets = Table::ALL.map(|table| {
            let height = heights.of(table);
            let same = known.iter().find(|cosets| cosets.length() == height);
            if let Some(cosets) = same {
                return cosets.clone();
            }
            // The domain of a lifted table is the domain of the longest one, to this power.
            let offset = Felt::GENERATOR.exp_vartime(heights.ratio(table) as u64);
            let blowup = air.options().blowup_factor();
            let cosets = Arc::new(Cosets::new(height, blowup, offset));
            known.push(cosets.clone());
            cosets
        });
        Self { cosets }
    }

    /// The domain of the longest table.
    fn longest(&self) -> &Cosets {
        let longest = self.cosets.iter().max_by_key(|cosets| cosets.length());
        longest.expect("there are tables")
    }

    /// Commits to columns of all tables: the rows of tables of one height stand side by side.
    fn commit<F, H>(&self, segments: &[Segment; Table::COUNT]) -> Tree<H>
    where
        F: FieldElement<BaseField = Felt>,
        H: BatchHasher,
    {
        let mut lengths: Vec<usize> = self.cosets.iter().map(|cosets| cosets.length()).collect();
        lengths.sort_unstable_by(|a, b| b.cmp(a));
        lengths.dedup();
        let extensions = lengths.into_iter().map(|length| {
            let tables = self.cosets.iter().zip(segments);
            let mut tables = tables
                .filter(|(cosets, _)| cosets.length() == length)
                .peekable();
            let cosets = tables.peek().map_or(self.longest(), |(cosets, _)| cosets);
            let side_by_side: Vec<&Segment> = tables.map(|(_, segment)| segment).collect();
            hash_extension::<F, H>(cosets, &side_by_side)
        });
        Tree::new(extensions.collect())
    }

    /// Opens the rows of all tables at positions of the longest domain, sorted and distinct.
    fn open<F, H>(
        &self,
        proof: &mut Vec<u8>,
        segments: &[Segment; Table::COUNT],
        tree: &Tree<H>,
        positions: &[usize],
    ) where
        F: FieldElement<BaseField = Felt>,
        H: BatchHasher,
    {
        for (cosets, segment) in self.cosets.iter().zip(segments) {
            let rows = parents(positions, cosets.num_steps());
            for row in segment.rows_at::<F>(cosets, &rows) {
                write(proof, &row);
            }
        }
        write_nodes::<H>(proof, tree.open(positions));
    }
}

/// All columns that are committed to.
struct Columns {
    main: [Segment; Table::COUNT],
    aux: [Segment; Table::COUNT],
    composition: Segment,
}

impl Columns {
    /// The values outside of the domain: of the tables at z, of the composition at z, of the tables
    /// at the successor of z; of each table the main columns, then the auxiliary ones. A lifted
    /// column is evaluated at the power that it is a polynomial in.
    fn openings<E: FieldElement<BaseField = Felt>>(&self, heights: &Heights, z: E) -> Vec<E> {
        let mut current = Vec::new();
        let mut next = Vec::new();
        for (i, table) in Table::ALL.into_iter().enumerate() {
            let point = z.exp_vartime((heights.ratio(table) as u64).into());
            let root = Felt::get_root_of_unity(heights.of(table).ilog2());
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
        let longest = air.heights().longest();
        let mut weights = powers(gamma);
        // In bit-reversed order, lifted columns are what columns begin with.
        let mut tables = vec![E::ZERO; longest];
        for (i, table) in Table::ALL.into_iter().enumerate() {
            let height = air.heights().of(table);
            let main: Vec<E> = (0..table.width()).map(|_| weights()).collect();
            self.main[i].add_weighted(&main, &mut tables[..height]);
            let aux = coordinate_weights(self.aux[i].width(), &mut weights);
            self.aux[i].add_weighted(&aux, &mut tables[..height]);
        }
        let mut all = tables.clone();
        let composition = coordinate_weights(self.composition.width(), &mut weights);
        self.composition.add_weighted(&composition, &mut all);

        let root = Felt::get_root_of_unity(longest.ilog2());
        let (mut all, mut tables) = (reversed(&all), reversed(&tables));
        rayon::join(
            || divide(&mut all, z),
            || divide(&mut tables, z.mul_base(root)),
        );
        // Both quotients of a column have one weight.
        let sum = all.iter().zip(&tables).map(|(&a, &b)| a + b);
        let coefficients: Vec<E> = reversed(&sum.collect::<Vec<E>>());

        let segment = Segment::of_elements(&coefficients);
        let cosets = domains.longest();
        let blowup = cosets.blowup();
        let mut values = vec![E::ZERO; cosets.num_steps()];
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
    let mut carry = E::ZERO;
    for coefficient in coefficients.iter_mut().rev() {
        let quotient = carry;
        carry = *coefficient + z * carry;
        *coefficient = quotient;
    }
}

#[cfg(test)]
mod tests {
    use miden_assembly::Assembler;
    use miden_core::{
        StackInputs,
        crypto::{hash::Blake3_256, random::WinterRandomCoin},
    };
    use miden_cvm_air::options::{HashFunction, OptionSet};
    use miden_cvm_processor::{
        AdviceInputs, DefaultHost, ExecutionOptions, ExecutionTrace, execute_traced,
    };
    use rayon::ThreadPoolBuilder;
    use winterfell::math::fields::QuadExtension;

    use super::*;

    /// A proof of a run with memory, u32 arithmetic and a permutation, its trace and all of it made
    /// on this many threads.
    fn proof(threads: usize) -> Vec<u8> {
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
            prove::<QuadExtension<Felt>, Blake3_256, WinterRandomCoin<Blake3_256>>(
                trace, &air, settings,
            )
        })
    }

    #[test]
    fn proofs_do_not_depend_on_threads() {
        let alone = proof(1);
        assert_eq!(alone, proof(1));
        assert_eq!(alone, proof(2));
    }
}
