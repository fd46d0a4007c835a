//! What an aggregation says: the statements whose proofs its program verified.

use miden_core::{StackOutputs, Word, crypto::hash::Rpo256};
use miden_cvm_air::{
    air::CvmAir,
    canonical::{Object, present},
    heights::Heights,
    public::PublicInputs,
    table::Table,
    transcript,
};
use miden_cvm_verifier::{Proof, Statement};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use winter_math::ToElements;

use crate::{
    program::{MAX_PROOFS, ProgramError, VerifyingProgram},
    shape::{Shape, ShapeError, check_statement},
    witness::commitment,
};

/// How deep aggregations may be nested.
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
    heights: Heights,
    aggregate: Option<Aggregate>,
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
            heights: *shape.heights(),
            aggregate,
        })
    }

    /// The statement.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// What it aggregates, if it is an aggregation.
    pub fn aggregate(&self) -> Option<&Aggregate> {
        self.aggregate.as_ref()
    }

    /// The shape of its proof.
    pub fn shape(&self) -> Shape {
        Shape::new(self.heights)
    }

    /// The hash of what the transcript of its proof begins with.
    fn seed(&self) -> Word {
        let settings = Shape::settings();
        let public = self.statement.public_inputs().clone();
        let air = CvmAir::new(self.heights, public, settings.proof_options());
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
        let shapes: Vec<Shape> = self.parts.iter().map(Aggregated::shape).collect();
        VerifyingProgram::new(&shapes)
    }

    /// What the program leaves on top of the stack.
    pub fn commitment(&self) -> Word {
        let seeds: Vec<Word> = self.parts.iter().map(Aggregated::seed).collect();
        commitment(&seeds)
    }

    /// Checks that a statement is the one of a run of the program, and the same of all aggregations
    /// in it. With a proof of the statement, every statement in it has one.
    ///
    /// # Errors
    /// If it is another statement.
    pub fn check(&self, public: &PublicInputs) -> Result<(), AggregateError> {
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
            let nested = part.aggregate.as_ref();
            let checked = nested.map(|nested| nested.check(part.statement.public_inputs()));
            checked
                .transpose()
                .map_err(|reason| AggregateError::Nested {
                    index,
                    reason: Box::new(reason),
                })?;
        }
        Ok(())
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
            check_statement(part.statement.public_inputs())
                .map_err(|reason| AggregateError::Part { index, reason })?;
            let heights = <[usize; Table::COUNT]>::try_from(part.heights)
                .map_err(|heights| AggregateError::Tables(heights.len()))?;
            Ok(Aggregated {
                statement: part.statement,
                heights: Heights::new(heights)
                    .filter(Shape::allows)
                    .ok_or(AggregateError::Heights(heights))?,
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
                heights: part.heights.rows().map(|rows| rows as usize).to_vec(),
                statement: part.statement,
                aggregate: part.aggregate,
            })
        });
        Self {
            statements: parts.collect(),
        }
    }
}
