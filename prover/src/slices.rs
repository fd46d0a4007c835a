//! One proof that is made by several workers, each of which has a group of pieces: what a worker
//! answers, and the coordinator that asks.
//!
//! Neither knows how messages travel. A worker answers every request that follows from those before, also
//! one that it has answered before, so a lost answer is asked for again, and a worker that is gone is
//! replaced by one that makes the same trace: it begins with the first stage, whatever it is asked. A coordinator
//! that is gone is replaced by one that receives the same answers.

use miden_core::Felt;
use miden_cvm_air::{
    air::CvmAir,
    hash::Digest,
    heights::Heights,
    lookup::Challenges,
    ood::OodCheck,
    openings::GroupRows,
    options::ProofSettings,
    proof::{Proof, ProofError},
    public::PublicInputs,
    quotients::{Outside as WeightedOutside, Quotients, Sums, Weights},
    reader::Reader,
    table::{Table, TableRows, Trace},
};
use thiserror::Error;
use winter_air::FieldExtension;
use winterfell::math::{
    FieldElement, StarkField,
    fields::{CubeExtension, QuadExtension},
};

use crate::{
    ProverError, allowed_heights, check_rows,
    fri::Layers,
    group::{Group, Lookups, Outside, Share},
    lde::{Cosets, Segment, reversed},
    memory::Memory,
    messages::{Answer, MessageError, Reply, Request, Run, Stage, group_of},
    stark::Transcript,
};

/// Why a worker does not answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// The request cannot be read, or is about another proof.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// The request's challenges are not those that the worker has committed with.
    #[error("the request does not follow from the one before: the worker has to start over")]
    Challenges,
}

/// Why a coordinator does not take an answer. What it took before stays.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CoordinatorError {
    /// The answer cannot be read, or is about another proof or stage.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// A worker answered differently before.
    #[error("worker {0} gave another answer before")]
    Changed(usize),
    /// There is a proof already.
    #[error("the proof is complete, and no answer is expected")]
    Over,
    /// The sums of all workers do not balance: one of them has another trace, or a wrong one.
    #[error("the sums of the workers do not balance")]
    Sums,
    /// The constraints of a worker's pieces do not come to its composition.
    #[error("the constraints of worker {0} do not match its composition")]
    Constraints(usize),
    /// A worker's share is not the sum of its columns.
    #[error("the share of worker {0} is not the sum of its columns")]
    Share(usize),
    /// A worker opens rows that it has not committed to.
    #[error("the rows that worker {0} opens are not those that it committed to")]
    Opening(usize),
    /// The proof does not have the form of one.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

/// The AIR of a run in groups.
fn run(
    heights: Heights,
    public: PublicInputs,
    settings: ProofSettings,
    groups: usize,
) -> Result<Run, ProofError> {
    // The form of a proof says whether there can be one.
    let proof = Proof::new(settings, heights, Vec::new())?.in_groups(groups)?;
    Ok(Run::new(proof.air(public), settings))
}

/// A group of a run that is proven in groups, before there is a worker for it: it says which rows of the trace
/// that takes.
pub struct GroupPart {
    run: Run,
    group: usize,
    rows: TableRows,
}

impl GroupPart {
    /// The group with this number, of `groups` in which a run with these heights is proven.
    ///
    /// # Errors
    /// Returns an error if the tables cannot be proven with these settings, or there is no such group.
    pub fn new(
        heights: Heights,
        public: PublicInputs,
        settings: ProofSettings,
        groups: usize,
        group: usize,
    ) -> Result<Self, ProverError> {
        let run = run(heights, public, settings, groups)?;
        let count = run.air.groups().len();
        match run.air.groups().get(group) {
            Some(pieces) => Ok(Self {
                rows: run.air.rows_of(pieces),
                run,
                group,
            }),
            None => Err(ProverError::Group { group, count }),
        }
    }

    /// The rows of the trace that its pieces have, and those between them.
    pub fn rows(&self) -> &TableRows {
        &self.rows
    }

    /// The least bytes that a worker for the group takes: its rows, and what is made of them.
    pub fn memory(&self) -> usize {
        Memory::of_worker(&self.run.air, self.group).with(0)
    }

    /// A worker for the group, given its rows of the trace and no others, and the most bytes that these and
    /// what is made of them may take, as [`ProveOptions::memory`](crate::ProveOptions::memory) is for a proof.
    ///
    /// # Errors
    /// Returns an error if the trace does not have as many rows, or if the worker takes more memory than it
    /// may.
    pub fn worker(self, trace: Trace, memory: Option<usize>) -> Result<Worker, ProverError> {
        let Self { run, group, rows } = self;
        check_rows(&trace, &rows)?;
        let kept = Memory::of_worker(&run.air, group).kept(memory)?;
        Ok(Worker(
            match run.settings.proof_options().field_extension() {
                FieldExtension::Cubic => {
                    GroupWorker::<CubeExtension<Felt>>::boxed(trace, run, group, kept)
                }
                // No set is without an extension.
                FieldExtension::Quadratic | FieldExtension::None => {
                    GroupWorker::<QuadExtension<Felt>>::boxed(trace, run, group, kept)
                }
            },
        ))
    }
}

/// A worker: it has the pieces of one group.
pub struct Worker(Box<dyn Answers + Send>);

impl Worker {
    /// A worker for the group with this number, of `groups` in which a run is proven. Of the trace, which
    /// has all rows, it keeps its own.
    ///
    /// # Errors
    /// Returns an error if the tables cannot be proven with these settings, or there is no such group.
    pub fn new(
        mut trace: Trace,
        public: PublicInputs,
        settings: ProofSettings,
        groups: usize,
        group: usize,
    ) -> Result<Self, ProverError> {
        let heights = Table::ALL.map(|table| trace.height(table));
        let heights = allowed_heights(heights, settings)?;
        let part = GroupPart::new(heights, public, settings, groups, group)?;
        trace.keep_only(part.rows());
        part.worker(trace, None)
    }

    /// Answers a request of the coordinator.
    ///
    /// # Errors
    /// Returns an error if the request is not one about this proof, or does not follow from the one
    /// before.
    pub fn answer(&mut self, request: &[u8]) -> Result<Vec<u8>, WorkerError> {
        self.0.answer(request)
    }
}

/// A worker, whatever its extension field is.
trait Answers {
    fn answer(&mut self, request: &[u8]) -> Result<Vec<u8>, WorkerError>;
}

struct GroupWorker<E> {
    run: Run,
    number: usize,
    group: Group<E>,
    /// The challenges that it has worked with.
    known: Vec<E>,
    roots: Vec<Digest>,
    sums: Vec<E>,
}

impl<E: FieldElement<BaseField = Felt> + 'static> GroupWorker<E> {
    fn boxed(trace: Trace, run: Run, number: usize, kept: usize) -> Box<dyn Answers + Send> {
        Box::new(Self {
            group: Group::new(trace, run.air.clone(), number, run.settings, kept),
            run,
            number,
            known: Vec::new(),
            roots: Vec::new(),
            sums: Vec::new(),
        })
    }

    /// Commits to what the stage calls for, as far as it is not done yet.
    fn commit(&mut self, request: &Request<E>) {
        if self.roots.is_empty() {
            self.roots.push(self.group.commit_to_main());
        }
        if self.roots.len() == 1 && request.stage >= Stage::Lookups {
            let Lookups { root, sums } = self.group.commit_to_lookups(request.random());
            self.roots.push(root);
            self.sums = sums;
        }
        if self.roots.len() == 2 && request.stage >= Stage::Composition {
            let (random, weight) = (request.random(), request.weight());
            self.group.evaluate_constraints(random, weight);
            self.roots.push(self.group.commit_to_composition());
        }
    }
}

impl<E: FieldElement<BaseField = Felt> + 'static> Answers for GroupWorker<E> {
    fn answer(&mut self, request: &[u8]) -> Result<Vec<u8>, WorkerError> {
        let request = Request::<E>::read(&self.run, request)?;
        let known = self.known.len().min(request.elements.len());
        if self.known[..known] != request.elements[..known] {
            return Err(WorkerError::Challenges);
        }
        self.commit(&request);
        if request.elements.len() > known {
            self.known.clone_from(&request.elements);
        }
        let answer = match request.stage {
            Stage::Main => Answer::Main,
            Stage::Lookups => Answer::Lookups(self.sums.clone()),
            Stage::Composition => Answer::Composition,
            Stage::Outside => Answer::Outside(self.group.outside(request.point())),
            Stage::Share => Answer::Share(self.group.share(request.gamma())),
            Stage::Rows => Answer::Rows(self.group.open(&request.positions)),
        };
        let reply = Reply {
            group: self.number,
            roots: self.roots[..request.stage.roots()].to_vec(),
            answer,
        };
        Ok(reply.write(&self.run))
    }
}

/// A coordinator: it knows what is public about a run and how high its tables are, and asks a worker for
/// each group, stage by stage, until there is a proof.
///
/// It takes nothing on trust, but a proof counts only when a verifier has accepted it: what every worker
/// has right by itself may still not balance.
pub struct Coordinator(Box<dyn Coordinates + Send>);

impl Coordinator {
    /// A coordinator of a proof in `groups` groups.
    ///
    /// # Errors
    /// Returns an error if the tables cannot be proven with these settings, or there are more groups than
    /// pieces, or none.
    pub fn new(
        heights: Heights,
        public: PublicInputs,
        settings: ProofSettings,
        groups: usize,
    ) -> Result<Self, ProofError> {
        let run = run(heights, public, settings, groups)?;
        Ok(Self(match settings.proof_options().field_extension() {
            FieldExtension::Cubic => GroupCoordinator::<CubeExtension<Felt>>::boxed(run),
            // No set is without an extension.
            FieldExtension::Quadratic | FieldExtension::None => {
                GroupCoordinator::<QuadExtension<Felt>>::boxed(run)
            }
        }))
    }

    /// The question to all workers at the stage that the proof is at.
    pub fn request(&self) -> Vec<u8> {
        self.0.request()
    }

    /// The stage that the proof is at; the last one when there is a proof.
    pub fn stage(&self) -> Stage {
        self.0.stage()
    }

    /// The groups whose answer is awaited; none when there is a proof.
    pub fn awaited(&self) -> Vec<usize> {
        self.0.awaited()
    }

    /// Takes a worker's answer. When all have answered, the next stage begins.
    ///
    /// # Errors
    /// Returns why the answer is not taken. It is still awaited then; if the sums do not balance, all
    /// answers of the stage are.
    pub fn receive(&mut self, reply: &[u8]) -> Result<(), CoordinatorError> {
        self.0.receive(reply)
    }

    /// Takes an answer, as [`Coordinator::receive`] does, of the worker of this group and of no other.
    ///
    /// # Errors
    /// Returns why the answer is not taken, also if it is that of another group.
    pub fn receive_from(&mut self, group: usize, reply: &[u8]) -> Result<(), CoordinatorError> {
        match group_of(reply) {
            Some(of) if usize::from(of) != group => Err(MessageError::Group(of).into()),
            _ => self.receive(reply),
        }
    }

    /// The proof, when all stages are over.
    pub fn proof(&self) -> Option<&Proof> {
        self.0.proof()
    }
}

/// A coordinator, whatever its extension field is.
trait Coordinates {
    fn request(&self) -> Vec<u8>;
    fn stage(&self) -> Stage;
    fn awaited(&self) -> Vec<usize>;
    fn receive(&mut self, reply: &[u8]) -> Result<(), CoordinatorError>;
    fn proof(&self) -> Option<&Proof>;
}

struct GroupCoordinator<E> {
    run: Run,
    transcript: Transcript<E>,
    request: Request<E>,
    /// The answers of the stage, by group.
    replies: Vec<Option<Reply<E>>>,
    /// The roots of each group so far.
    roots: Vec<Vec<Digest>>,
    sums: Vec<E>,
    outside: Vec<Outside<E>>,
    shares: Vec<Share<E>>,
    layers: Option<Layers<E>>,
    opened: Vec<Option<GroupRows<E>>>,
    proof: Option<Proof>,
}

impl<E: FieldElement<BaseField = Felt> + 'static> GroupCoordinator<E> {
    fn boxed(run: Run) -> Box<dyn Coordinates + Send> {
        let count = run.air.groups().len();
        Box::new(Self {
            transcript: Transcript::new(run.air.clone(), run.settings),
            request: Request {
                stage: Stage::Main,
                elements: Vec::new(),
                positions: Vec::new(),
            },
            replies: vec![None; count],
            roots: vec![Vec::new(); count],
            sums: Vec::new(),
            outside: Vec::new(),
            shares: Vec::new(),
            layers: None,
            opened: (0..count).map(|_| None).collect(),
            proof: None,
            run,
        })
    }

    fn air(&self) -> &CvmAir {
        &self.run.air
    }

    /// The power that the columns of a group's longest piece are polynomials in.
    fn lift(&self, group: usize) -> usize {
        self.air().longest() / self.air().longest_of(&self.air().groups()[group])
    }

    /// Checks what can be known of an answer by itself.
    fn check(&mut self, group: usize, answer: &Answer<E>) -> Result<(), CoordinatorError> {
        match answer {
            Answer::Main | Answer::Lookups(_) | Answer::Composition => Ok(()),
            Answer::Outside(outside) => match self.constraints_hold(group, outside) {
                true => Ok(()),
                false => Err(CoordinatorError::Constraints(group)),
            },
            Answer::Share(share) => match self.shares_columns(group, share) {
                true => Ok(()),
                false => Err(CoordinatorError::Share(group)),
            },
            Answer::Rows(rows) => {
                let pieces = &self.run.air.groups()[group];
                let mut reader = Reader::new(self.run.hasher, rows);
                let positions = &self.request.positions;
                let opened =
                    GroupRows::read(&mut reader, self.air(), pieces, positions, &mut |_| {});
                let opened = opened.map_err(MessageError::from)?;
                reader.finish().map_err(MessageError::from)?;
                if opened.roots[..] != self.roots[group] {
                    return Err(CoordinatorError::Opening(group));
                }
                self.opened[group] = Some(opened);
                Ok(())
            }
        }
    }

    /// Returns `true` if the constraints of a group's pieces come to its composition outside of the domain.
    fn constraints_hold(&self, group: usize, outside: &Outside<E>) -> bool {
        let request = &self.request;
        let (weight, point) = (request.weight(), request.point());
        let rows = outside.current.iter().zip(&outside.next);
        let rows = rows.map(|(current, next)| [&current[..], &next[..]]);
        OodCheck::new(self.air(), request.random(), weight, point)
            .is_some_and(|check| check.holds(group, rows, &outside.composition, &self.sums))
    }

    /// The weights of all columns.
    fn weights(&self) -> Weights<E> {
        Weights::new(self.air(), self.request.gamma())
    }

    /// The sums of a group's columns outside of the domain, each times its weight.
    fn weighted_outside(&self, group: usize, weights: &Weights<E>) -> WeightedOutside<E> {
        let outside = &self.outside[group];
        let rows = outside.current.iter().zip(&outside.next);
        let rows = rows.map(|(current, next)| [&current[..], &next[..]]);
        WeightedOutside::new(self.air(), weights, group, rows, &outside.composition)
    }

    /// Returns `true` if a group's share comes, outside of the domain, to what its columns come to.
    fn shares_columns(&self, group: usize, share: &Share<E>) -> bool {
        let (air, lift) = (self.air(), self.lift(group));
        let z = self.request.point();
        let successor = z.mul_base(Felt::get_root_of_unity(air.longest().ilog2()));
        let power_of = |point: E, power: usize| point.exp_vartime((power.max(lift) as u64).into());
        let expected = self.weighted_outside(group, &self.weights());
        let composition = values_of(&share.composition, 1, power_of(z, 1));
        let mut sums = share.pieces.iter();
        composition == [expected.composition]
            && sums.all(|(&power, sum)| {
                let found = [z, successor].map(|point| {
                    let parts = (power / lift).max(1);
                    values_of(sum, parts, power_of(point, power))
                });
                expected.pieces.get(&power) == Some(&found)
            })
    }

    /// Checks that at every position the opened rows come to what was tested for its low degree. If they do
    /// not, it was a share that is not the sum of its columns.
    fn check_shares(&self) -> Result<(), CoordinatorError> {
        let air = self.air();
        let weights = self.weights();
        let pieces = 0..air.pieces().len();
        let rows = |piece: usize| {
            let of = |(group, pieces): (usize, &Vec<usize>)| {
                let at = pieces.iter().position(|&of| of == piece)?;
                let outside = &self.outside[group];
                Some([&outside.current[at][..], &outside.next[at][..]])
            };
            air.groups().iter().enumerate().find_map(of)
        };
        let rows: Vec<[&[E]; 2]> = pieces.filter_map(rows).collect();
        let composition = self.outside.iter().map(|outside| &outside.composition[..]);
        let composition: Vec<&[E]> = composition.collect();
        let quotients = Quotients::new(air, &weights, self.request.point(), &rows, &composition);
        let generator = Felt::get_root_of_unity(air.domain_size().ilog2());
        for &position in &self.request.positions {
            let rows = self.opened.iter().flatten().enumerate();
            let sums = rows.map(|(group, rows)| Sums::at(air, &weights, group, rows, position));
            let sums: Vec<Sums<E>> = sums.collect();
            let mut all = Sums::default();
            sums.iter().for_each(|sums| all += sums);
            let tested = self
                .layers
                .as_ref()
                .and_then(|layers| layers.value(position));
            if tested.is_some() && tested == quotients.value(&all, position) {
                continue;
            }
            let x = E::from(Felt::GENERATOR * generator.exp_vartime(position as u64));
            for (group, (share, sums)) in self.shares.iter().zip(&sums).enumerate() {
                let point = x.exp_vartime((self.lift(group) as u64).into());
                let value = |part: &Vec<E>| match &values_of(part, 1, point)[..] {
                    &[value] => value,
                    // There are no such columns.
                    _ => E::ZERO,
                };
                let found = Sums {
                    pieces: share
                        .pieces
                        .iter()
                        .map(|(&power, part)| (power, value(part)))
                        .collect(),
                    tested: value(&share.tested),
                    composition: value(&share.composition),
                };
                if found != *sums {
                    return Err(CoordinatorError::Share(group));
                }
            }
        }
        Ok(())
    }

    /// Ends a stage in which all groups have answered.
    fn advance(&mut self, replies: Vec<Reply<E>>) -> Result<(), CoordinatorError> {
        let roots: Vec<Digest> = replies
            .iter()
            .filter_map(|reply| reply.roots.last().copied())
            .collect();
        let all_roots = replies.iter().map(|reply| reply.roots.clone()).collect();
        let answers = replies.into_iter().map(|reply| reply.answer);
        match self.request.stage {
            Stage::Main => {
                self.request.elements = self.transcript.main(&roots);
                self.request.stage = Stage::Lookups;
            }
            Stage::Lookups => {
                let answers = answers.filter_map(Answer::into_sums);
                let lookups = roots.into_iter().zip(answers);
                let lookups: Vec<_> = lookups.map(|(root, sums)| Lookups { root, sums }).collect();
                let challenges = Challenges::new(self.request.random());
                let verifier_sum = self.air().public_inputs().boundary_sum(&challenges);
                let sums = self.transcript.sums(&lookups);
                if sums.iter().fold(verifier_sum, |total, &sum| total + sum) != E::ZERO {
                    return Err(CoordinatorError::Sums);
                }
                self.sums = sums;
                self.request
                    .elements
                    .push(self.transcript.lookups(&lookups));
                self.request.stage = Stage::Composition;
            }
            Stage::Composition => {
                self.request
                    .elements
                    .push(self.transcript.composition(&roots));
                self.request.stage = Stage::Outside;
            }
            Stage::Outside => {
                self.outside = answers.filter_map(Answer::into_outside).collect();
                self.request
                    .elements
                    .push(self.transcript.outside(&self.outside));
                self.request.stage = Stage::Share;
            }
            Stage::Share => {
                self.shares = answers.filter_map(Answer::into_share).collect();
                let blowup = self.air().options().blowup_factor();
                let longest = Cosets::new(self.air().longest(), blowup, Felt::GENERATOR);
                let shares = self.shares.iter().cloned();
                let layers = self
                    .transcript
                    .low_degree(shares, &longest, self.request.point());
                self.layers = Some(layers);
                self.request.positions = self.transcript.positions();
                self.request.stage = Stage::Rows;
            }
            Stage::Rows => {
                self.check_shares()?;
                if let Some(layers) = &self.layers {
                    let rows: Vec<Vec<u8>> = answers.filter_map(Answer::into_rows).collect();
                    let positions = &self.request.positions;
                    let stark = self.transcript.finish(&rows, layers, positions);
                    let proof = Proof::new(self.run.settings, *self.air().heights(), stark)?;
                    self.proof = Some(proof.in_groups(self.air().groups().len())?);
                }
            }
        }
        self.roots = all_roots;
        Ok(())
    }
}

impl<E: FieldElement<BaseField = Felt> + 'static> Coordinates for GroupCoordinator<E> {
    fn request(&self) -> Vec<u8> {
        self.request.write(&self.run)
    }

    fn stage(&self) -> Stage {
        self.request.stage
    }

    fn awaited(&self) -> Vec<usize> {
        let replies = self.replies.iter().enumerate();
        let awaited = replies.filter(|(_, reply)| reply.is_none() && self.proof.is_none());
        awaited.map(|(group, _)| group).collect()
    }

    fn receive(&mut self, reply: &[u8]) -> Result<(), CoordinatorError> {
        if self.proof.is_some() {
            return Err(CoordinatorError::Over);
        }
        let reply = Reply::<E>::read(&self.run, self.request.stage, reply)?;
        let group = reply.group;
        let is_other = |before: &Reply<E>| *before != reply;
        if !reply.roots.starts_with(&self.roots[group])
            || self.replies[group].as_ref().is_some_and(is_other)
        {
            return Err(CoordinatorError::Changed(group));
        }
        self.check(group, &reply.answer)?;
        self.replies[group] = Some(reply);
        if self.replies.iter().all(Option::is_some) {
            let replies = self.replies.iter_mut().filter_map(Option::take).collect();
            self.advance(replies)?;
        }
        Ok(())
    }

    fn proof(&self) -> Option<&Proof> {
        self.proof.as_ref()
    }
}

/// The values at a point of the parts of a polynomial, so many, given its coefficients in bit-reversed
/// order. A polynomial f in X is f_0(X^n) + X f_1(X^n) + … for n parts f_0, f_1, ….
fn values_of<E>(coefficients: &[E], parts: usize, point: E) -> Vec<E>
where
    E: FieldElement<BaseField = Felt>,
{
    if coefficients.is_empty() {
        return Vec::new();
    }
    let parts = coefficients.chunks(coefficients.len() / parts);
    let values = parts.map(|part| {
        Segment::of_elements(part)
            .evaluate_at::<E, E>(&[point])
            .concat()
    });
    reversed(&values.flatten().collect::<Vec<E>>())
}
