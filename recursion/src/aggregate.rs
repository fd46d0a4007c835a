//! Aggregations: the statements whose proofs a program verified.

use std::collections::BTreeSet;

use miden_core::{StackOutputs, Word, crypto::hash::Rpo256, utils::ToHex};
use miden_cvm_air::{
    air::CvmAir,
    canonical::{Object, bytes_from_hex, present},
    heights::Heights,
    public::PublicInputs,
    requests::{self, RequestsError},
    table::Table,
    transcript,
};
use miden_cvm_verifier::{
    Claim, ClaimedRun, PrecompileRequest, PrecompileVerifierRegistry, Proof, RequestError,
    Statement, check_requests, claimed_run, claims_among, with_claims,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use winter_math::ToElements;

use crate::{
    program::{MAX_PROOFS, ProgramError, VerifyingProgram},
    shape::{Shape, ShapeError},
    witness::commitment,
};

/// The depth to which aggregations may be nested.
pub const MAX_DEPTH: usize = 16;

/// The statements that were aggregated, in order. What it says is no claim: the statement of the
/// aggregation follows from it.
///
/// It is written as JSON, in one form only, as statements are.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Object<AggregateRecord>", into = "AggregateRecord")]
pub struct Aggregate {
    parts: Vec<Aggregated>,
}

/// One of the statements.
#[derive(Debug, Clone)]
pub struct Aggregated {
    statement: Statement,
    shape: Shape,
    /// The requests that the run left to precompiles and to others.
    requests: Vec<PrecompileRequest>,
    aggregate: Option<Aggregate>,
}

/// The findings about an aggregation whose statement was checked: unless all of its claims are proven, its
/// statements are true only if these are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CheckedAggregate {
    /// The claims that its runs make, each once.
    pub claims: Vec<AggregatedClaim>,
    /// The number of computations of precompiles that were repeated.
    pub precompiles: usize,
}

impl CheckedAggregate {
    /// The claims without a proof.
    pub fn open(&self) -> impl Iterator<Item = &Claim> {
        let open = self.claims.iter().filter(|claim| !claim.is_proven);
        open.map(|claim| &claim.claim)
    }
}

/// A claim that a run makes whose proof was aggregated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AggregatedClaim {
    /// The claim.
    pub claim: Claim,
    /// `true` if a proof of it was aggregated, too.
    pub is_proven: bool,
}

/// Why an aggregation is refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AggregateError {
    /// A statement, or its proof, is none that a program verifies.
    #[error("statement {index} of the aggregation cannot be one of it")]
    Part {
        /// Its position.
        index: usize,
        /// Why.
        #[source]
        reason: ShapeError,
    },
    /// There is no program for these statements.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// There are more or fewer tables than the AIR has.
    #[error("there are {count} tables, but {0} heights", count = Table::COUNT)]
    Tables(usize),
    /// A table cannot have its height.
    #[error("tables cannot have these numbers of rows: {0:?}")]
    Heights([usize; Table::COUNT]),
    /// Aggregations of aggregations are nested too deeply.
    #[error("aggregations are nested more than {MAX_DEPTH} deep")]
    Depth,
    /// The statement is about another program.
    #[error(
        "the statement is about the program {actual}, but the program that verifies these proofs is \
         {expected}"
    )]
    OtherProgram {
        /// The hash of the program that verifies the proofs.
        expected: Word,
        /// The hash in the statement.
        actual: Word,
    },
    /// The statement has other stacks, or more than stacks.
    #[error("the statement is not one of the run that verifies these proofs")]
    Statement,
    /// A statement is said to be an aggregation, and is none of these statements.
    #[error("statement {index} of the aggregation is not the aggregation that it is said to be")]
    Nested {
        /// Its position.
        index: usize,
        /// Why.
        #[source]
        reason: Box<Self>,
    },
    /// The requests of a run are not those of the list, or their results are others.
    #[error("what the run of statement {index} of the aggregation left to be computed is refused")]
    Requests {
        /// Its position.
        index: usize,
        /// Why.
        #[source]
        reason: RequestError,
    },
    /// The requests of a run cannot be read.
    #[error(
        "what the run of statement {index} of the aggregation left to be computed is not in canonical form"
    )]
    Encoding {
        /// Its position.
        index: usize,
        /// Why.
        #[source]
        reason: EncodingError,
    },
    /// Claims rest on each other, so that nothing of them is proven.
    #[error("the claims of runs of the program {0} rest on themselves")]
    Circular(Word),
}

/// Why a text is not what a run left to precompiles and to others.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EncodingError {
    /// It does not stand for bytes.
    #[error("bytes are two lower-case hexadecimal digits each")]
    Digits,
    /// The bytes are no requests.
    #[error(transparent)]
    Requests(#[from] RequestsError),
    /// There are none, and then nothing is written.
    #[error("requests have to be left out if there are none")]
    Empty,
}

impl Aggregated {
    /// A statement and its proof, and what it aggregates if it is an aggregation.
    ///
    /// # Errors
    /// If no program verifies such proofs.
    pub fn new(
        statement: Statement,
        proof: &Proof,
        aggregate: Option<Aggregate>,
    ) -> Result<Self, ShapeError> {
        let shape = Shape::of(statement.public_inputs(), proof)?;
        Ok(Self {
            statement,
            shape,
            requests: proof.requests().to_vec(),
            aggregate,
        })
    }

    /// The statement.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// The aggregation that it is, if it is one.
    pub fn aggregate(&self) -> Option<&Aggregate> {
        self.aggregate.as_ref()
    }

    /// The shape of its proof.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The requests that its run left to precompiles, and the claims that it makes, in order.
    pub fn requests(&self) -> &[PrecompileRequest] {
        &self.requests
    }

    /// The hash of what the transcript of its proof begins with.
    fn seed(&self) -> Word {
        let settings = Shape::settings();
        let public = self.statement.public_inputs().clone();
        let air = CvmAir::new(*self.shape.heights(), public, settings.proof_options());
        Rpo256::hash_elements(&transcript::seed(&air, settings))
    }
}

impl Aggregate {
    /// The aggregation of these statements.
    ///
    /// # Errors
    /// If there are none or too many.
    pub fn new(parts: Vec<Aggregated>) -> Result<Self, AggregateError> {
        if parts.is_empty() || parts.len() > MAX_PROOFS {
            return Err(ProgramError::Count(parts.len()).into());
        }
        let aggregate = Self { parts };
        match aggregate.depth() > MAX_DEPTH {
            true => Err(AggregateError::Depth),
            false => Ok(aggregate),
        }
    }

    /// The statements.
    pub fn parts(&self) -> &[Aggregated] {
        &self.parts
    }

    fn depth(&self) -> usize {
        let nested = self.parts.iter().filter_map(Aggregated::aggregate);
        1 + nested.map(Self::depth).max().unwrap_or(0)
    }

    /// The program that verifies the proofs.
    ///
    /// # Errors
    /// If there is none.
    pub fn program(&self) -> Result<VerifyingProgram, ProgramError> {
        let shapes = self.parts.iter().map(Aggregated::shape);
        VerifyingProgram::new(&shapes.cloned().collect::<Vec<_>>())
    }

    /// The word that the program leaves on top of the stack.
    pub fn commitment(&self) -> Word {
        let seeds: Vec<Word> = self.parts.iter().map(Aggregated::seed).collect();
        commitment(&seeds)
    }

    /// Checks that a statement is the one of a run of the program, and the same of all aggregations
    /// in it; computes again what the runs left to precompiles, and looks for proofs of the claims among
    /// all statements. With a proof of the statement, every statement in it has one.
    ///
    /// # Errors
    /// If it is another statement, if a computation has another result, or if claims rest on themselves.
    pub fn check(
        &self,
        public: &PublicInputs,
        registry: &PrecompileVerifierRegistry,
    ) -> Result<CheckedAggregate, AggregateError> {
        let mut parts = Vec::new();
        self.check_statements(public, &with_claims(registry), &mut parts)?;
        check_claims(&parts)
    }

    /// Checks statements and requests; adds all parts, those of aggregations in it as well.
    fn check_statements<'a>(
        &'a self,
        public: &PublicInputs,
        registry: &PrecompileVerifierRegistry,
        parts: &mut Vec<&'a Aggregated>,
    ) -> Result<(), AggregateError> {
        let expected = self.program()?.program().hash();
        if public.program_hash != expected {
            return Err(AggregateError::OtherProgram {
                expected,
                actual: public.program_hash,
            });
        }
        let expected = PublicInputs {
            program_hash: expected,
            // Four elements are no more than sixteen.
            stack_outputs: StackOutputs::new(self.commitment().to_vec()).unwrap_or_default(),
            ..PublicInputs::default()
        };
        if public.to_elements() != expected.to_elements() {
            return Err(AggregateError::Statement);
        }
        for (index, part) in self.parts.iter().enumerate() {
            let public = part.statement.public_inputs();
            if let Some(nested) = &part.aggregate {
                let checked = nested.check_statements(public, registry, parts);
                checked.map_err(|reason| AggregateError::Nested {
                    index,
                    reason: Box::new(reason),
                })?;
            }
            check_requests(&part.requests, public.precompile_transcript, registry)
                .map_err(|reason| AggregateError::Requests { index, reason })?;
            parts.push(part);
        }
        Ok(())
    }
}

/// Looks for proofs of the claims of all parts among the parts.
fn check_claims(parts: &[&Aggregated]) -> Result<CheckedAggregate, AggregateError> {
    // What tells runs apart, whoever has called for them.
    let key = |run: &ClaimedRun| run.digest(Word::default());
    let run = |part: &Aggregated| claimed_run(part.statement.public_inputs());
    let proven: BTreeSet<Word> = parts
        .iter()
        .filter_map(|part| run(part).as_ref().map(key))
        .collect();
    let mut checked = CheckedAggregate::default();
    let mut listed = BTreeSet::new();
    // Each part with the runs among the parts that it rests on.
    let mut resting: Vec<(&Aggregated, Vec<Word>)> = Vec::with_capacity(parts.len());
    for part in parts {
        let claims = claims_among(&part.requests);
        checked.precompiles += part.requests.len() - claims.len();
        let mut rests_on = Vec::new();
        for claim in claims {
            let is_proven = proven.contains(&key(&claim.run));
            if is_proven {
                rests_on.push(key(&claim.run));
            }
            if listed.insert(claim.run.digest(claim.caller)) {
                checked.claims.push(AggregatedClaim { claim, is_proven });
            }
        }
        resting.push((part, rests_on));
    }
    // Parts are well founded that rest on such ones only, and their runs with them.
    let mut founded = BTreeSet::new();
    loop {
        let before = resting.len();
        resting.retain(|(part, rests_on)| {
            let is_founded = rests_on.iter().all(|key| founded.contains(key));
            if is_founded {
                founded.extend(run(part).as_ref().map(key));
            }
            !is_founded
        });
        match resting.first() {
            None => return Ok(checked),
            Some((part, _)) if resting.len() == before => {
                let public = part.statement.public_inputs();
                return Err(AggregateError::Circular(public.program_hash));
            }
            Some(_) => {}
        }
    }
}

/// An aggregation as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AggregateRecord {
    statements: Vec<Object<PartRecord>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PartRecord {
    statement: Statement,
    /// In the order of the tables.
    heights: Vec<usize>,
    /// As they stand in a proof.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    requests: Option<String>,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    aggregate: Option<Aggregate>,
}

impl TryFrom<Object<AggregateRecord>> for Aggregate {
    type Error = AggregateError;

    fn try_from(record: Object<AggregateRecord>) -> Result<Self, AggregateError> {
        let Object(AggregateRecord { statements }) = record;
        let parts = statements.into_iter().enumerate();
        let parts = parts.map(|(index, Object(part))| {
            let heights = <[usize; Table::COUNT]>::try_from(part.heights)
                .map_err(|heights| AggregateError::Tables(heights.len()))?;
            let heights = Heights::new(heights)
                .filter(Shape::allows)
                .ok_or(AggregateError::Heights(heights))?;
            let shape = Shape::new(heights, part.statement.public_inputs())
                .map_err(|reason| AggregateError::Part { index, reason })?;
            let requests = part.requests.as_deref().map_or(Ok(Vec::new()), read);
            Ok(Aggregated {
                statement: part.statement,
                shape,
                requests: requests.map_err(|reason| AggregateError::Encoding { index, reason })?,
                aggregate: part.aggregate,
            })
        });
        Self::new(parts.collect::<Result<_, AggregateError>>()?)
    }
}

impl From<Aggregate> for AggregateRecord {
    fn from(aggregate: Aggregate) -> Self {
        let parts = aggregate.parts.into_iter();
        let parts = parts.map(|part| {
            Object(PartRecord {
                heights: part
                    .shape
                    .heights()
                    .rows()
                    .map(|rows| rows as usize)
                    .to_vec(),
                requests: written(&part.requests),
                statement: part.statement,
                aggregate: part.aggregate,
            })
        });
        Self {
            statements: parts.collect(),
        }
    }
}

/// Requests as a text, unless there are none.
fn written(requests: &[PrecompileRequest]) -> Option<String> {
    let mut bytes = Vec::with_capacity(requests::encoded_len(requests));
    requests::write(requests, &mut bytes);
    (!bytes.is_empty()).then(|| bytes.as_slice().to_hex())
}

/// Requests from a text, of which there is one only.
fn read(text: &str) -> Result<Vec<PrecompileRequest>, EncodingError> {
    match bytes_from_hex(text).ok_or(EncodingError::Digits)? {
        bytes if bytes.is_empty() => Err(EncodingError::Empty),
        bytes => Ok(requests::read(&bytes)?),
    }
}
