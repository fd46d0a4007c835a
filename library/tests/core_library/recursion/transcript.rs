//! The values that a verifier of a proof draws and reads, in order, and the advice that brings it
//! to a program.

use std::collections::BTreeMap;

use miden_core::{
    ExtensionOf, Felt, FieldElement, QuadFelt, StarkField, ToElements, Word, ZERO,
    crypto::{
        hash::Rpo256,
        merkle::{InnerNodeInfo, MerklePath},
        random::{RandomCoin, RpoRandomCoin},
    },
};
use winter_air::proof::Proof;
use winterfell::{Air, crypto::MerkleTree};

use super::{
    air::{AUX_WIDTH, CircuitAir, MAIN_WIDTH},
    coefficients, horner,
    proof::Proven,
};

/// The number of values of a layer that are folded into one.
const FOLDING: usize = 4;

/// The openings of a commitment: rows with their positions and paths.
struct Openings {
    rows: BTreeMap<usize, Vec<Felt>>,
    paths: Vec<(usize, Word, MerklePath)>,
}

impl Openings {
    fn new(
        positions: &[usize],
        rows: Vec<Vec<Felt>>,
        proof: winterfell::crypto::BatchMerkleProof<Rpo256>,
    ) -> Self {
        let leaves: Vec<Word> = rows.iter().map(|row| Rpo256::hash_elements(row)).collect();
        let openings = proof
            .into_openings(&leaves, positions)
            .expect("the openings are those of the positions");
        let paths = positions
            .iter()
            .zip(openings)
            .map(|(&position, (leaf, path))| (position, leaf, MerklePath::new(path)))
            .collect();
        Self {
            rows: positions.iter().copied().zip(rows).collect(),
            paths,
        }
    }

    /// The rows under their hashes, and the nodes of the trees.
    fn add_to(&self, advice: &mut Advice) {
        let entries = self.rows.values();
        advice
            .map
            .extend(entries.map(|row| (Rpo256::hash_elements(row), row.clone())));
        for (position, leaf, path) in &self.paths {
            let nodes = path
                .authenticated_nodes(*position as u64, *leaf)
                .expect("the position is in the tree");
            advice.nodes.extend(nodes);
        }
    }
}

/// A layer of FRI: what it is folded from.
pub struct Layer {
    /// The commitment to the layer's cosets.
    pub commitment: Word,
    /// The challenge that it is folded with.
    pub challenge: QuadFelt,
    /// The number of cosets.
    pub cosets: usize,
    openings: Openings,
}

impl Layer {
    /// The four values of the coset at a position that was asked for.
    pub fn coset(&self, position: usize) -> [QuadFelt; FOLDING] {
        let values = QuadFelt::slice_from_base_elements(&self.openings.rows[&position]);
        values.try_into().expect("a coset has four values")
    }
}

/// A proof, as a verifier goes through it.
pub struct Transcript {
    /// The logarithm of the trace's length.
    pub log_length: u32,
    /// The number of queries.
    pub queries: usize,
    /// The bits of grinding.
    pub grinding: u32,
    /// The context of the proof, which the coin's seed begins with.
    pub context: Vec<Felt>,
    /// The public inputs, which the coin's seed ends with.
    pub public: Vec<Felt>,
    /// The procedures of the kernel.
    pub kernel: Vec<Word>,
    /// The commitments to main and auxiliary segment.
    pub trace_commitments: [Word; 2],
    /// The random elements of the auxiliary segment.
    pub alpha: QuadFelt,
    /// Their powers' base.
    pub beta: QuadFelt,
    /// The element that batches the constraints.
    pub batching: QuadFelt,
    /// The commitment to the columns of the quotient.
    pub quotient_commitment: Word,
    /// The point out of the domain.
    pub z: QuadFelt,
    /// The values of all columns at `z`, then at the point after it.
    pub out_of_domain: Vec<QuadFelt>,
    /// The element that batches the columns of the DEEP polynomial.
    pub deep: QuadFelt,
    /// The layers of FRI.
    pub layers: Vec<Layer>,
    /// The coefficients of the remainder, highest degree first, as in the proof.
    pub remainder: Vec<QuadFelt>,
    /// The commitment to the remainder.
    pub remainder_commitment: Word,
    /// The nonce of the grinding.
    pub nonce: u64,
    /// The positions of the queries, in the order they are drawn.
    pub positions: Vec<usize>,
    trace_openings: [Openings; 2],
    quotient_openings: Openings,
}

impl Transcript {
    /// Goes through a proof.
    pub fn new(proven: &Proven) -> Self {
        let Proven { statement, proof } = proven;
        let Proof {
            context,
            num_unique_queries,
            commitments,
            trace_queries,
            constraint_queries,
            ood_frame,
            fri_proof,
            pow_nonce: nonce,
        } = proof.clone();
        let options = context.options().clone();
        let air = CircuitAir::new(
            context.trace_info().clone(),
            statement.clone(),
            options.clone(),
        );
        let domain = context.lde_domain_size();
        let quotient_width = air.context().num_constraint_composition_columns();

        let public = statement.to_elements();
        let context_elements = context.to_elements();
        let seed = [&context_elements[..], &public].concat();
        let mut coin = RpoRandomCoin::new(Rpo256::hash_elements(&seed));
        let draw =
            |coin: &mut RpoRandomCoin| -> QuadFelt { coin.draw().expect("the coin has elements") };
        let layers = options.to_fri_options().num_fri_layers(domain);
        let (trace_commitments, quotient_commitment, layer_commitments) = commitments
            .parse::<Rpo256>(2, layers)
            .expect("the proof has its commitments");
        coin.reseed(trace_commitments[0]);
        let (alpha, beta) = (draw(&mut coin), draw(&mut coin));
        coin.reseed(trace_commitments[1]);
        let batching = draw(&mut coin);
        coin.reseed(quotient_commitment);
        let z = draw(&mut coin);
        let (trace, quotient) = ood_frame
            .parse::<QuadFelt>(MAIN_WIDTH, AUX_WIDTH, quotient_width)
            .expect("the proof has the values out of the domain");
        let out_of_domain = [
            trace.current_row(),
            quotient.current_row(),
            trace.next_row(),
            quotient.next_row(),
        ]
        .concat();
        coin.reseed(Rpo256::hash_elements(&out_of_domain));
        let deep = draw(&mut coin);

        let challenges: Vec<QuadFelt> = layer_commitments
            .iter()
            .map(|&commitment| {
                coin.reseed(commitment);
                draw(&mut coin)
            })
            .collect();
        let positions = coin
            .draw_integers(options.num_queries(), domain, nonce)
            .expect("the coin has positions");
        let mut unique = positions.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), usize::from(num_unique_queries));

        let [main, aux]: [_; 2] = trace_queries.try_into().expect("two segments");
        let (main_proof, main_rows) = main
            .parse::<Felt, Rpo256, MerkleTree<Rpo256>>(domain, unique.len(), MAIN_WIDTH)
            .expect("the main segment is opened");
        let main_rows = main_rows.rows().map(<[Felt]>::to_vec).collect();
        let opened = [(aux, AUX_WIDTH), (constraint_queries, quotient_width)];
        let [aux_openings, quotient_openings] = opened.map(|(queries, width)| {
            let (proof, rows) = queries
                .parse::<QuadFelt, Rpo256, MerkleTree<Rpo256>>(domain, unique.len(), width)
                .expect("the columns are opened");
            let rows = rows.rows().map(QuadFelt::slice_as_base_elements);
            Openings::new(&unique, rows.map(<[Felt]>::to_vec).collect(), proof)
        });
        let trace_openings = [Openings::new(&unique, main_rows, main_proof), aux_openings];

        let remainder = fri_proof.parse_remainder().expect("FRI has a remainder");
        let (values, proofs) = fri_proof
            .parse_layers::<QuadFelt, Rpo256, MerkleTree<Rpo256>>(domain, FOLDING)
            .expect("FRI has its layers");
        let mut cosets = domain;
        let mut folded = unique;
        let mut opened_layers = Vec::new();
        for (i, (values, proof)) in values.iter().zip(proofs).enumerate() {
            cosets /= FOLDING;
            let mut next = Vec::new();
            for position in folded {
                let position = position % cosets;
                if !next.contains(&position) {
                    next.push(position);
                }
            }
            folded = next;
            let rows = values
                .chunks(FOLDING)
                .map(|coset| QuadFelt::slice_as_base_elements(coset).to_vec());
            opened_layers.push(Layer {
                commitment: layer_commitments[i],
                challenge: challenges[i],
                cosets,
                openings: Openings::new(&folded, rows.collect(), proof),
            });
        }
        Self {
            log_length: context.trace_info().length().ilog2(),
            queries: options.num_queries(),
            grinding: options.grinding_factor(),
            context: context_elements,
            public,
            kernel: statement.kernel.clone(),
            trace_commitments: trace_commitments.try_into().expect("two segments"),
            alpha,
            beta,
            batching,
            quotient_commitment,
            z,
            out_of_domain,
            deep,
            layers: opened_layers,
            remainder,
            remainder_commitment: layer_commitments[layers],
            nonce,
            positions,
            trace_openings,
            quotient_openings,
        }
    }

    /// The generator of the trace's domain.
    pub fn generator(&self) -> Felt {
        Felt::get_root_of_unity(self.log_length)
    }

    /// The domain that the trace is extended to: zero, generator, logarithm of the size and size.
    pub fn domain(&self) -> [Felt; 4] {
        let log_size = self.log_length + 3;
        [
            ZERO,
            Felt::get_root_of_unity(log_size),
            Felt::from(log_size),
            Felt::new(1 << log_size),
        ]
    }

    /// The power of the domain's generator at a position.
    pub fn power(&self, position: usize) -> Felt {
        let [_, generator, ..] = self.domain();
        generator.exp(position as u64)
    }

    /// Returns the terms that all queries subtract: the batched values out of the domain, negated.
    pub fn fixed_terms(&self) -> [QuadFelt; 2] {
        let (current, next) = self.out_of_domain.split_at(self.out_of_domain.len() / 2);
        [current, next].map(|row| -horner(row, self.deep))
    }

    /// The coefficients of the two points out of the domain, negated, as the verifier stores them.
    pub fn negated_points(&self) -> [Felt; 4] {
        let next = self.z.mul_base(self.generator());
        let [[z0, z1], [next0, next1]] = [-self.z, -next].map(|point| point.to_base_elements());
        [z1, next1, next0, z0]
    }

    /// The batched columns at a position of the queries.
    pub fn row_sum(&self, position: usize) -> QuadFelt {
        horner(&self.row(position), self.deep)
    }

    /// Returns the value that the first layer of FRI has at a position of the queries.
    pub fn first_layer(&self, position: usize) -> QuadFelt {
        let layer = &self.layers[0];
        layer.coset(position % layer.cosets)[position / layer.cosets]
    }

    /// All columns at a position of the queries.
    fn row(&self, position: usize) -> Vec<QuadFelt> {
        let [main, aux] = &self.trace_openings;
        let main = main.rows[&position]
            .iter()
            .map(|&value| QuadFelt::from(value));
        let extension = [aux, &self.quotient_openings];
        let extension = extension
            .into_iter()
            .flat_map(|openings| QuadFelt::slice_from_base_elements(&openings.rows[&position]));
        main.chain(extension.copied()).collect()
    }

    /// The advice for the verifier.
    pub fn advice(&self) -> Advice {
        let mut advice = Advice::default();
        let stack = &mut advice.stack;
        stack.push(Felt::new(8 * self.kernel.len() as u64));
        stack.extend(&self.public);
        // Elements that are drawn later, which the program only compares then.
        stack.extend(coefficients(&[self.beta, self.alpha]));
        stack.push(Felt::new(self.kernel.len() as u64));
        stack.extend(self.trace_commitments.into_iter().flatten());
        stack.extend(self.quotient_commitment);
        stack.extend(coefficients(&[self.deep]));
        stack.extend(coefficients(&self.out_of_domain));
        stack.extend(self.layers.iter().flat_map(|layer| layer.commitment));
        stack.extend(self.remainder_commitment);
        stack.extend(coefficients(&self.remainder));
        stack.push(Felt::new(self.nonce));
        let layers = self.layers.iter().map(|layer| &layer.openings);
        for openings in self
            .trace_openings
            .iter()
            .chain([&self.quotient_openings])
            .chain(layers)
        {
            openings.add_to(&mut advice);
        }
        advice
    }
}

/// The advice of a program that verifies a proof.
#[derive(Default, Clone)]
pub struct Advice {
    /// The advice stack, top first.
    pub stack: Vec<Felt>,
    /// Rows under their hashes.
    pub map: BTreeMap<Word, Vec<Felt>>,
    /// Nodes of the trees that rows are opened from.
    pub nodes: Vec<InnerNodeInfo>,
}
