//! The prover's part of the protocol, from a trace to the bytes of a proof.
//!
//! Pieces of tables are proven, dealt out to groups. Each [`Group`] extends the columns of its
//! pieces, commits to them and opens them; the [`Transcript`] follows the transcript, and tests the
//! sum of what the groups combine for its low degree.

use std::sync::Arc;

use miden_core::Felt;
use miden_cvm_air::{
    air::CvmAir,
    hash::{Digest, Hasher},
    lookup::NUM_CHALLENGES,
    options::ProofSettings,
    table::Trace,
    transcript,
};
use miden_cvm_parallel::prelude::*;
use tracing::info_span;
use winterfell::math::{FieldElement, StarkField};

use crate::{
    channel::Channel,
    fri::Layers,
    group::{Group, Lookups, Outside, Share, add, sum_of},
    lde::{Cosets, Segment, copies, reversed},
};

/// Coefficients of a polynomial that are divided together.
const DIVIDED: usize = 1 << 12;

/// Proves a trace whose tables have the heights of the AIR, all groups in turn, phase by phase. The
/// values of all columns are kept on the first `kept` of the cosets that quotients are computed on; on
/// the others they are computed again. Returns the bytes of the proof.
pub fn prove<E>(trace: Trace, air: CvmAir, settings: ProofSettings, kept: usize) -> Vec<u8>
where
    E: FieldElement<BaseField = Felt>,
{
    let _prove = info_span!("prove").entered();
    let air = Arc::new(air);
    let mut transcript = Transcript::<E>::new(air.clone(), settings);
    let count = air.groups().len();
    // The last one takes the trace itself.
    let traces = std::iter::repeat_n(trace, count).enumerate();
    let groups = traces.map(|(i, mut trace)| {
        trace.keep_only(&air.rows_of(&air.groups()[i]));
        Group::new(trace, air.clone(), i, settings, kept)
    });
    let mut groups: Vec<Group<E>> = groups.collect();

    let roots = {
        let _span = info_span!("commit_to_main_rows").entered();
        let roots = groups.iter_mut().map(Group::commit_to_main);
        roots.collect::<Vec<Digest>>()
    };
    let random = transcript.main(&roots);
    let lookups = {
        let _span = info_span!("commit_to_lookup_columns").entered();
        let lookups = groups.iter_mut();
        let lookups = lookups.map(|group| group.commit_to_lookups(&random));
        lookups.collect::<Vec<Lookups<E>>>()
    };
    let weight = transcript.lookups(&lookups);
    {
        let _span = info_span!("evaluate_constraints").entered();
        let groups = groups.iter_mut();
        groups.for_each(|group| group.evaluate_constraints(&random, weight));
    }
    let roots = {
        let _span = info_span!("commit_to_composition").entered();
        let roots = groups.iter_mut().map(Group::commit_to_composition);
        roots.collect::<Vec<Digest>>()
    };
    let z = transcript.composition(&roots);
    let outside = {
        let _span = info_span!("evaluate_out_of_domain").entered();
        let outside = groups.iter().map(|group| group.outside(z));
        outside.collect::<Vec<Outside<E>>>()
    };
    let gamma = transcript.outside(&outside);
    let layers = {
        let _span = info_span!("low_degree_test").entered();
        let shares = groups.iter().map(|group| group.share(gamma));
        let longest = groups.iter().map(Group::longest);
        let longest = longest.max_by_key(|cosets| cosets.length());
        transcript.low_degree(shares, longest.expect("there are pieces"), z)
    };
    let positions = {
        let _span = info_span!("grind").entered();
        transcript.positions()
    };
    let _span = info_span!("open").entered();
    let rows = groups.iter().map(|group| group.open(&positions));
    let rows: Vec<Vec<u8>> = rows.collect();
    transcript.finish(&rows, &layers, &positions)
}

/// Follows the transcript of a proof whose groups are worked on elsewhere. Its functions are called in
/// their order, each with an answer of every group.
pub struct Transcript<E> {
    air: Arc<CvmAir>,
    channel: Channel,
    _field: core::marker::PhantomData<E>,
}

impl<E: FieldElement<BaseField = Felt>> Transcript<E> {
    /// Begins a transcript.
    pub fn new(air: Arc<CvmAir>, settings: ProofSettings) -> Self {
        let channel = Channel::new(
            Hasher::from(settings.hash()),
            &transcript::seed(&air, settings),
        );
        Self {
            air,
            channel,
            _field: core::marker::PhantomData,
        }
    }

    /// Takes the roots over the main columns; returns the challenges of the lookups.
    pub fn main(&mut self, roots: &[Digest]) -> Vec<E> {
        roots.iter().for_each(|&root| self.channel.commit(root));
        (0..NUM_CHALLENGES).map(|_| self.channel.draw()).collect()
    }

    /// Takes the roots over the auxiliary columns and the sums; returns the element whose powers weigh
    /// the constraints.
    pub fn lookups(&mut self, lookups: &[Lookups<E>]) -> E {
        lookups
            .iter()
            .for_each(|group| self.channel.commit(group.root));
        let sums = self.sums(lookups);
        self.channel.send(&sums);
        self.channel.draw()
    }

    /// The sums of all pieces.
    pub fn sums(&self, lookups: &[Lookups<E>]) -> Vec<E> {
        let sums = self.by_piece(lookups.iter().map(|group| &group.sums));
        sums.into_iter().copied().collect()
    }

    /// Takes the roots over the compositions; returns the point outside of the domain.
    pub fn composition(&mut self, roots: &[Digest]) -> E {
        roots.iter().for_each(|&root| self.channel.commit(root));
        self.channel.draw()
    }

    /// Takes the values outside of the domain; returns the element whose powers weigh the quotients.
    pub fn outside(&mut self, outside: &[Outside<E>]) -> E {
        let current = self.by_piece(outside.iter().map(|group| &group.current));
        let composition = outside.iter().map(|group| &group.composition);
        let next = self.by_piece(outside.iter().map(|group| &group.next));
        let values = current.into_iter().chain(composition).chain(next);
        let values: Vec<E> = values.flatten().copied().collect();
        self.channel.send(&values);
        self.channel.draw()
    }

    /// The items that the groups have of each piece, in the order of the pieces.
    fn by_piece<'a, T>(&self, groups: impl Iterator<Item = &'a Vec<T>>) -> Vec<&'a T> {
        let groups = self.air.groups().iter().zip(groups);
        let mut items: Vec<(&usize, &T)> = groups
            .flat_map(|(pieces, of)| pieces.iter().zip(of))
            .collect();
        items.sort_by_key(|(piece, _)| **piece);
        items.into_iter().map(|(_, item)| item).collect()
    }

    /// Takes the groups' shares, divides their sum at the points outside of the domain, and folds its
    /// values on the longest domain until the remainder is left.
    pub fn low_degree(
        &mut self,
        shares: impl IntoIterator<Item = Share<E>>,
        longest: &Cosets,
        z: E,
    ) -> Layers<E> {
        let values = combined(sum_of(shares, longest.length()), longest, z);
        let options = self.air.options();
        let fri = options.to_fri_options();
        Layers::new(
            values,
            Felt::GENERATOR,
            fri.folding_factor(),
            fri.num_fri_layers(self.air.domain_size()),
            options.blowup_factor(),
            &mut self.channel,
        )
    }

    /// Grinds, and draws the positions that are opened.
    pub fn positions(&mut self) -> Vec<usize> {
        let options = self.air.options();
        self.channel.draw_positions(
            options.grinding_factor(),
            options.num_queries(),
            self.air.domain_size(),
        )
    }

    /// The bytes of the proof, with what the groups and the low-degree test open.
    pub fn finish(&self, rows: &[Vec<u8>], layers: &Layers<E>, positions: &[usize]) -> Vec<u8> {
        let mut proof = self.channel.proof().clone();
        rows.iter().for_each(|rows| proof.bytes(rows));
        layers.open(&mut proof, positions);
        proof.into_bytes()
    }
}

/// The values, on the longest domain, of the polynomial that the low-degree test is about: the
/// quotients of all columns at the points outside of the domain.
fn combined<E: FieldElement<BaseField = Felt>>(share: Share<E>, cosets: &Cosets, z: E) -> Vec<E> {
    let longest = cosets.length();
    let Share {
        pieces,
        tested: mut all,
        composition: mut at_point,
    } = share;
    all.resize(longest, E::ZERO);
    let successor = z.mul_base(Felt::get_root_of_unity(longest.ilog2()));
    for (power, mut sum) in pieces {
        // Both quotients of a column have one weight.
        if power == 1 {
            add(&mut at_point, &sum);
        } else {
            let mut sum = sum.clone();
            divide_in_parts(&mut sum, power, z);
            add(&mut all, &sum);
        }
        divide_in_parts(&mut sum, power, successor);
        add(&mut all, &sum);
    }
    divide_in_parts(&mut at_point, 1, z);
    add(&mut all, &at_point);
    let coefficients = all;

    let segment = Segment::of_elements(&coefficients);
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

/// Replaces the coefficients of a polynomial f, in bit-reversed order, by those of its quotient by
/// X^power - z^power without the remainder. As f is f_0(X^power) + X f_1(X^power) + …, that is as if each
/// part were divided.
fn divide_in_parts<E>(coefficients: &mut [E], power: usize, z: E)
where
    E: FieldElement<BaseField = Felt>,
{
    let point = z.exp_vartime((power as u64).into());
    let length = coefficients.len() / power;
    coefficients.par_chunks_mut(length).for_each(|part| {
        let mut quotient = reversed(part);
        divide(&mut quotient, point);
        part.copy_from_slice(&reversed(&quotient));
    });
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
        AdviceInputs, DefaultHost, ExecutionInputs, ExecutionOptions, ExecutionTrace,
        execute_traced,
    };
    use rayon::ThreadPoolBuilder;
    use winterfell::math::fields::QuadExtension;

    use super::*;

    /// A proof with this set of a run with memory, u32 arithmetic and a permutation, its trace and all of it
    /// made on this many threads, with the values on so many cosets kept.
    fn proof(set: OptionSet, threads: usize, kept: usize) -> Vec<u8> {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build();
        pool.expect("a pool").install(|| {
            let source = "begin repeat.9 hperm end u32split u32and mem_store.7 end";
            let program = Assembler::default()
                .assemble_program(source)
                .expect("a program");
            let ExecutionTrace { trace, public, .. } = execute_traced(
                ExecutionInputs {
                    program: &program,
                    composition: None,
                    arguments: StackInputs::default().into(),
                    advice: AdviceInputs::default(),
                    options: ExecutionOptions::default(),
                },
                &mut DefaultHost::default(),
            )
            .expect("a trace");
            let settings = ProofSettings::new(set, HashFunction::Blake3_256);
            let settings = settings.expect("they go together");
            let heights = trace.heights().expect("allowed heights");
            let air = CvmAir::new(heights, public, settings.proof_options());
            prove::<QuadExtension<Felt>>(trace, air, settings, kept)
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
        for set in [OptionSet::Fast96, OptionSet::Regular96] {
            let alone = proof(set, 1, 0);
            assert_eq!(alone, proof(set, 1, 0));
            assert_eq!(alone, proof(set, 2, 1));
            assert_eq!(alone, proof(set, 2, COMPOSITION_COLUMNS));
        }
    }
}
