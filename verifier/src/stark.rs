//! The verifier's part of the protocol: reads a proof's bytes and follows the prover, message by
//! message.
//!
//! Every piece of a table is treated as if it were as high as the longest one: a column of a piece of m
//! rows is a polynomial f of fewer than m coefficients, and what counts is f(x^r), where r is how often
//! the piece goes into the longest one. On the domain of the longest piece its values are those of f on
//! a smaller domain, over and over. With most sets of parameters, columns of shorter pieces are
//! interleaved into longer ones.

use alloc::{collections::BTreeMap, vec::Vec};

use miden_core::Felt;
use miden_cvm_air::{
    air::{COMPOSITION_COLUMNS, CvmAir},
    coin::Coin,
    hash::{Digest, Hasher},
    lookup::{Challenges, NUM_CHALLENGES},
    ood::OodCheck,
    openings::{GroupRows, Rows, Seen, root as tree_root},
    options::ProofSettings,
    quotients::{Quotients, Sums, Weights},
    reader::{LayoutError, Part, Reader},
    transcript,
    tree::parents,
};
use thiserror::Error;
use winter_math::{FieldElement, StarkField, polynom};

use crate::VerifierError;

/// Why a proof that can be read proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Rejection {
    /// The sums of the pieces and of the verifier's messages do not add up to zero.
    #[error("the sums of the pieces do not balance")]
    Sums,
    /// The constraints do not come to the composition polynomial at the point outside of the domain.
    #[error("the constraints are not satisfied outside of the domain")]
    Constraints,
    /// The values that were opened are not those that were committed to.
    #[error("{0} are not those that were committed to")]
    Opening(&'static str),
    /// The low-degree test does not end with its remainder.
    #[error("the low-degree test does not end with its remainder")]
    Remainder,
    /// The proof of work is too small.
    #[error("the proof of work is too small")]
    ProofOfWork,
    /// The public coin shows a point of the domain, or nothing. This does not happen.
    #[error("the public coin yields no usable value")]
    Coin,
}

/// Follows a verification: is told what is read and computed, and decides what becomes of a proof that
/// proves nothing.
pub trait Observer {
    /// A message that the coin is told of, or a nonce: a digest or elements.
    fn message(&mut self, _elements: &[Felt]) {}

    /// The positions, as they were drawn.
    fn positions(&mut self, _positions: &[usize]) {}

    /// The rows of extensions of one size, side by side as they are hashed, of the tree whose nodes
    /// come next; the largest extension first.
    fn rows(&mut self, _size: usize, _rows: &BTreeMap<usize, Vec<Felt>>) {}

    /// The nodes of a level that are known, siblings included; the last level is the root.
    fn nodes(&mut self, _size: usize, _nodes: &BTreeMap<usize, Digest>) {}

    /// Something holds, or would have to.
    ///
    /// # Errors
    /// If the verification ends with this.
    fn check(&mut self, holds: bool, rejection: Rejection) -> Result<(), Rejection> {
        if holds { Ok(()) } else { Err(rejection) }
    }
}

/// Ends a verification with the first check that fails.
pub struct Judge;

impl Observer for Judge {}

/// Verifies a proof's bytes; returns the parts that they are.
pub fn verify<E: FieldElement<BaseField = Felt>>(
    air: &CvmAir,
    settings: ProofSettings,
    bytes: &[u8],
    observer: &mut dyn Observer,
) -> Result<Vec<Part>, VerifierError> {
    let hasher = Hasher::from(settings.hash());
    let mut reader = Reader::new(hasher, bytes);
    let mut coin = Coin::new(hasher, &transcript::seed(air, settings));

    let part = "the commitment to the main columns";
    let main_roots = roots(&mut reader, &mut coin, observer, air, part)?;
    let mut random = Vec::with_capacity(NUM_CHALLENGES);
    for _ in 0..NUM_CHALLENGES {
        random.push(draw::<E>(&mut coin)?);
    }

    let part = "the commitment to the lookup columns";
    let aux_roots = roots(&mut reader, &mut coin, observer, air, part)?;
    let sums: Vec<E> = reader.elements("the sums of the pieces", air.pieces().len())?;
    tell_of(&mut coin, observer, &sums);
    let verifier_sum = air.public_inputs().boundary_sum(&Challenges::new(&random));
    let total = sums.iter().fold(verifier_sum, |total, &sum| total + sum);
    observer.check(total == E::ZERO, Rejection::Sums)?;

    let weight: E = draw(&mut coin)?;
    let part = "the commitment to the composition";
    let composition_roots = roots(&mut reader, &mut coin, observer, air, part)?;
    let z: E = draw(&mut coin)?;
    let values = reader.elements("the values outside of the domain", air.num_openings())?;
    tell_of(&mut coin, observer, &values);
    let openings = Openings::new(air, &values);
    let check = OodCheck::new(air, &random, weight, z).ok_or(Rejection::Coin)?;
    let mut groups = air.groups().iter().zip(&openings.composition).enumerate();
    let holds = groups.all(|(number, (group, composition))| {
        let rows = group.iter().map(|&piece| openings.rows[piece]);
        check.holds(number, rows, composition, &sums)
    });
    observer.check(holds, Rejection::Constraints)?;

    let options = air.options();
    let size = air.domain_size();
    let gamma: E = draw(&mut coin)?;
    let folding = options.to_fri_options().folding_factor();
    let mut layers = Vec::new();
    let mut last_size = size;
    for _ in 0..options.to_fri_options().num_fri_layers(size) {
        let root = reader.digest("the commitments to the layers")?;
        tell(&mut coin, observer, root);
        layers.push((root, draw::<E>(&mut coin)?));
        last_size /= folding;
    }
    let coefficients = last_size / options.blowup_factor();
    let remainder: Vec<E> = reader.elements("the remainder", coefficients)?;
    tell_of(&mut coin, observer, &remainder);

    let nonce = reader.number("the proof of work")?;
    observer.message(&[Felt::new(nonce)]);
    let is_worked = coin.work_of(nonce) >= options.grinding_factor();
    observer.check(is_worked, Rejection::ProofOfWork)?;
    let positions = coin.draw_positions(options.num_queries(), size, nonce);
    observer.positions(&positions);
    let positions = parents(&positions, size);

    let mut opened = Vec::with_capacity(air.groups().len());
    for (i, group) in air.groups().iter().enumerate() {
        let mut seen = |seen: Seen<'_>| see(observer, seen);
        let rows = GroupRows::read(&mut reader, air, group, &positions, &mut seen)?;
        let parts = [
            (main_roots[i], "the main columns"),
            (aux_roots[i], "the lookup columns"),
            (composition_roots[i], "the columns of the composition"),
        ];
        for (root, (expected, part)) in rows.roots.iter().zip(parts) {
            observer.check(*root == expected, Rejection::Opening(part))?;
        }
        opened.push(rows);
    }

    let weights = Weights::new(air, gamma);
    let quotients = Quotients::new(air, &weights, z, &openings.rows, &openings.composition);
    let mut values = BTreeMap::new();
    for position in positions {
        let mut sums = Sums::default();
        for (number, rows) in opened.iter().enumerate() {
            sums += &Sums::at(air, &weights, number, rows, position);
        }
        let value = quotients.value(&sums, position).ok_or(Rejection::Coin)?;
        values.insert(position, value);
    }
    check_low_degree(
        &mut reader,
        observer,
        values,
        size,
        folding,
        &layers,
        &remainder,
    )?;
    Ok(reader.finish()?)
}

fn draw<E: FieldElement<BaseField = Felt>>(coin: &mut Coin) -> Result<E, Rejection> {
    coin.draw().ok_or(Rejection::Coin)
}

fn hash<E: FieldElement<BaseField = Felt>>(hasher: Hasher, elements: &[E]) -> Digest {
    hasher.hash_elements(E::slice_as_base_elements(elements))
}

/// Tells the coin of a digest.
fn tell(coin: &mut Coin, observer: &mut dyn Observer, digest: Digest) {
    observer.message(&digest.0.map(Felt::new));
    coin.reseed(digest);
}

/// Reads the root of each group, and tells the coin of them.
fn roots(
    reader: &mut Reader<'_>,
    coin: &mut Coin,
    observer: &mut dyn Observer,
    air: &CvmAir,
    part: &'static str,
) -> Result<Vec<Digest>, LayoutError> {
    let root = |_: &Vec<usize>| {
        let root = reader.digest(part)?;
        tell(coin, observer, root);
        Ok(root)
    };
    air.groups().iter().map(root).collect()
}

/// Tells the coin of elements.
fn tell_of<E: FieldElement<BaseField = Felt>>(
    coin: &mut Coin,
    observer: &mut dyn Observer,
    elements: &[E],
) {
    observer.message(E::slice_as_base_elements(elements));
    coin.reseed(hash(coin.hasher(), elements));
}

/// The values outside of the domain.
struct Openings<'a, E> {
    /// Of every piece at the point and at its successor: main columns, then auxiliary ones.
    rows: Vec<[&'a [E]; 2]>,
    /// Of the composition of every group at the point.
    composition: Vec<&'a [E]>,
}

impl<'a, E> Openings<'a, E> {
    /// Divides the values, of which there are as many as the AIR calls for.
    fn new(air: &CvmAir, values: &'a [E]) -> Self {
        let width = air.trace_width();
        let (at_point, at_next) = values.split_at(width + air.composition_width());
        let (mut current, mut next) = (at_point, at_next);
        let rows = air.pieces().iter().map(|piece| {
            let width = air.piece_width(piece);
            [&mut current, &mut next].map(|rest| {
                let (row, others) = rest.split_at(width);
                *rest = others;
                row
            })
        });
        Self {
            rows: rows.collect(),
            composition: at_point[width..].chunks(COMPOSITION_COLUMNS).collect(),
        }
    }
}

/// Tells an observer what is seen of a tree.
fn see(observer: &mut dyn Observer, seen: Seen<'_>) {
    match seen {
        Seen::Rows(size, rows) => observer.rows(size, rows),
        Seen::Nodes(size, nodes) => observer.nodes(size, nodes),
    }
}

/// Checks that the polynomial with these values, by their positions, is of low degree.
fn check_low_degree<E: FieldElement<BaseField = Felt>>(
    reader: &mut Reader<'_>,
    observer: &mut dyn Observer,
    mut values: BTreeMap<usize, E>,
    mut size: usize,
    folding: usize,
    layers: &[(Digest, E)],
    remainder: &[E],
) -> Result<(), VerifierError> {
    let part = "the values of the layers";
    let mut offset = Felt::GENERATOR;
    for &(root, alpha) in layers {
        let generator = Felt::get_root_of_unity(size.ilog2());
        size /= folding;
        // Values that are known are not read; so if they are others, the rows are.
        let mut rows: Rows<E> = BTreeMap::new();
        for position in parents(values.keys(), size) {
            let mut row = Vec::with_capacity(folding);
            for i in 0..folding {
                row.push(match values.get(&(position + i * size)) {
                    Some(&value) => value,
                    None => reader.element(part)?,
                });
            }
            rows.insert(position, row);
        }
        let leaves = [(size, [&rows])];
        let found = tree_root(reader, size, leaves, &mut |seen| see(observer, seen))?;
        observer.check(found == root, Rejection::Opening(part))?;
        let fold_row = |(position, row): (usize, Vec<E>)| {
            let x = offset * generator.exp_vartime(position as u64);
            (position, fold(row, x, alpha))
        };
        values = rows.into_iter().map(fold_row).collect();
        offset = offset.exp_vartime(folding as u64);
    }
    let generator = Felt::get_root_of_unity(size.ilog2());
    for (position, value) in values {
        let x = offset * generator.exp_vartime(position as u64);
        let is_remainder = polynom::eval(remainder, E::from(x)) == value;
        observer.check(is_remainder, Rejection::Remainder)?;
    }
    Ok(())
}

/// Returns what a row of a layer folds to: with the values of f at x times the roots of unity, the
/// value of sum_j alpha^j f_j at x^n, where f(x) = sum_j x^j f_j(x^n) for a row of n values.
fn fold<E: FieldElement<BaseField = Felt>>(mut row: Vec<E>, mut x: Felt, mut alpha: E) -> E {
    let mut root = Felt::get_root_of_unity(row.len().ilog2());
    while row.len() > 1 {
        let half = row.len() / 2;
        let mut point = x + x;
        for i in 0..half {
            let (a, b) = (row[i], row[i + half]);
            row[i] = (a + b) / E::from(2_u32) + alpha * (a - b).mul_base(point.inv());
            point *= root;
        }
        row.truncate(half);
        (x, root, alpha) = (x.square(), root.square(), alpha.square());
    }
    row.first().copied().unwrap_or(E::ZERO)
}
