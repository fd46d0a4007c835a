//! The messages between a coordinator and workers, and their encoding.
//!
//! A message begins with magic bytes, the version of its form and its stage, the number of groups or
//! that of the worker's group, and the digest of the elements that the transcript begins with, which
//! names the run, its tables and its settings. What follows is as long as the stage and the AIR say.

use std::{collections::BTreeSet, sync::Arc};

use miden_core::Felt;
use miden_cvm_air::{
    air::{COMPOSITION_COLUMNS, CvmAir},
    hash::{Digest, Hasher},
    lookup::NUM_CHALLENGES,
    options::ProofSettings,
    reader::{LayoutError, Reader},
    transcript,
};
use thiserror::Error;
use winterfell::math::FieldElement;

use crate::{
    channel::Writer,
    group::{Outside, Share},
};

/// The version of the messages' form.
const VERSION: u8 = 2;

/// The bytes that a request begins with.
const REQUEST: [u8; 4] = *b"MCVQ";

/// The bytes that a reply begins with.
const REPLY: [u8; 4] = *b"MCVA";

/// Why bytes are not a message of a proof.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MessageError {
    /// The first bytes are those of nothing that is known.
    #[error("these bytes are not a message of a sliced proof")]
    Magic,
    /// The message is of another version.
    #[error("the message has version {0}, but only version {VERSION} is supported")]
    Version(u8),
    /// There is no such stage.
    #[error("there is no stage {0}")]
    UnknownStage(u8),
    /// The message is of another stage than the one that is worked on.
    #[error("the message is of stage {found}, but stage {expected} is worked on")]
    Stage {
        /// The stage that is worked on.
        expected: u8,
        /// That of the message.
        found: u8,
    },
    /// The message is about another run, other tables, other settings or another number of groups.
    #[error("the message is about another proof")]
    Run,
    /// There is no such group.
    #[error("there is no group {0}")]
    Group(u8),
    /// The message is not laid out as its stage calls for.
    #[error("the message is not laid out as its stage calls for")]
    Layout(#[from] LayoutError),
}

/// The subject of a proof, for those who take part in it.
#[derive(Debug, Clone)]
pub struct Run {
    pub air: Arc<CvmAir>,
    pub settings: ProofSettings,
    pub hasher: Hasher,
    /// Names it.
    digest: Digest,
}

impl Run {
    pub fn new(air: CvmAir, settings: ProofSettings) -> Self {
        let hasher = Hasher::from(settings.hash());
        Self {
            digest: hasher.hash_elements(&transcript::seed(&air, settings)),
            air: Arc::new(air),
            settings,
            hasher,
        }
    }

    fn write(&self, magic: [u8; 4], stage: Stage, number: usize) -> Writer {
        let mut message = Writer::new(self.hasher);
        message.bytes(&magic);
        // There are fewer groups than a byte has values.
        message.bytes(&[VERSION, stage as u8, number as u8]);
        message.digests(&[self.digest]);
        message
    }

    fn read<'a>(
        &self,
        magic: [u8; 4],
        bytes: &'a [u8],
    ) -> Result<(Stage, u8, Reader<'a>), MessageError> {
        let rest = bytes.strip_prefix(&magic).ok_or(MessageError::Magic)?;
        let Some((&[version, stage, number], rest)) = rest.split_first_chunk() else {
            return Err(LayoutError::End(PART).into());
        };
        if version != VERSION {
            return Err(MessageError::Version(version));
        }
        let known = Stage::ALL.into_iter().find(|&known| known as u8 == stage);
        let stage = known.ok_or(MessageError::UnknownStage(stage))?;
        let mut reader = Reader::new(self.hasher, rest);
        if reader.digest(PART)? != self.digest {
            return Err(MessageError::Run);
        }
        Ok((stage, number, reader))
    }
}

/// The number of the group that a message is of, if it goes that far.
pub fn group_of(message: &[u8]) -> Option<u8> {
    message.get(REPLY.len() + 2).copied()
}

/// The part that a message ends in too early, or that is not canonical.
const PART: &str = "the message";

/// A phase of the protocol: what the workers are asked for, with what has been drawn before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Stage {
    /// The roots over the main columns.
    Main,
    /// The roots over the auxiliary columns, and the sums.
    Lookups,
    /// The roots over the compositions.
    Composition,
    /// The values outside of the domain.
    Outside,
    /// The shares of the polynomial that is tested.
    Share,
    /// The opened rows.
    Rows,
}

impl Stage {
    /// All of them, in their order.
    pub const ALL: [Self; 6] = [
        Self::Main,
        Self::Lookups,
        Self::Composition,
        Self::Outside,
        Self::Share,
        Self::Rows,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Lookups => "lookups",
            Self::Composition => "composition",
            Self::Outside => "outside",
            Self::Share => "share",
            Self::Rows => "rows",
        }
    }

    /// The number of elements that have been drawn.
    pub(crate) fn elements(self) -> usize {
        match self {
            Self::Main => 0,
            Self::Lookups => NUM_CHALLENGES,
            Self::Composition => NUM_CHALLENGES + 1,
            Self::Outside => NUM_CHALLENGES + 2,
            Self::Share | Self::Rows => NUM_CHALLENGES + 3,
        }
    }

    /// The number of roots that a worker has at the end of the stage.
    pub(crate) fn roots(self) -> usize {
        (self as usize + 1).min(3)
    }
}

/// A question to workers: all that has been drawn so far, so that one that begins anew can follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request<E> {
    pub stage: Stage,
    /// The challenges of the lookups, the weight of the constraints, the point outside of the domain,
    /// and the weight of the quotients, as far as the stage has them.
    pub elements: Vec<E>,
    /// The positions that are opened, sorted and distinct.
    pub positions: Vec<usize>,
}

impl<E: FieldElement<BaseField = Felt>> Request<E> {
    /// The challenges of the lookups.
    pub fn random(&self) -> &[E] {
        &self.elements[..NUM_CHALLENGES]
    }

    /// The element whose powers weigh the constraints.
    pub fn weight(&self) -> E {
        self.elements[NUM_CHALLENGES]
    }

    /// The point outside of the domain.
    pub fn point(&self) -> E {
        self.elements[NUM_CHALLENGES + 1]
    }

    /// The element whose powers weigh the quotients.
    pub fn gamma(&self) -> E {
        self.elements[NUM_CHALLENGES + 2]
    }

    pub fn write(&self, run: &Run) -> Vec<u8> {
        let mut message = run.write(REQUEST, self.stage, run.air.groups().len());
        message.elements(&self.elements);
        for &position in &self.positions {
            message.bytes(&(position as u64).to_le_bytes());
        }
        message.into_bytes()
    }

    pub fn read(run: &Run, bytes: &[u8]) -> Result<Self, MessageError> {
        let (stage, groups, mut reader) = run.read(REQUEST, bytes)?;
        if usize::from(groups) != run.air.groups().len() {
            return Err(MessageError::Run);
        }
        let elements = reader.elements(PART, stage.elements())?;
        let mut positions: Vec<usize> = Vec::new();
        if stage == Stage::Rows {
            let size = run.air.domain_size();
            while !reader.is_empty() {
                let position = reader.number(PART)? as usize;
                let follows = positions.last().is_none_or(|&last| last < position);
                // As they are sorted, there are no more of them than queries if there are that many.
                let fits = positions.len() < run.air.options().num_queries();
                if !follows || !fits || position >= size {
                    return Err(LayoutError::NotCanonical(PART).into());
                }
                positions.push(position);
            }
            if positions.is_empty() {
                return Err(LayoutError::End(PART).into());
            }
        }
        reader.finish()?;
        Ok(Self {
            stage,
            elements,
            positions,
        })
    }
}

/// The answer of a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply<E> {
    /// The worker's group.
    pub group: usize,
    /// The roots that it has so far.
    pub roots: Vec<Digest>,
    pub answer: Answer<E>,
}

/// The part of an answer that is no root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer<E> {
    Main,
    /// The sum of each of the group's pieces.
    Lookups(Vec<E>),
    Composition,
    Outside(Outside<E>),
    Share(Share<E>),
    /// The group's part of the proof.
    Rows(Vec<u8>),
}

impl<E> Answer<E> {
    pub fn into_sums(self) -> Option<Vec<E>> {
        match self {
            Self::Lookups(sums) => Some(sums),
            _ => None,
        }
    }

    pub fn into_outside(self) -> Option<Outside<E>> {
        match self {
            Self::Outside(outside) => Some(outside),
            _ => None,
        }
    }

    pub fn into_share(self) -> Option<Share<E>> {
        match self {
            Self::Share(share) => Some(share),
            _ => None,
        }
    }

    pub fn into_rows(self) -> Option<Vec<u8>> {
        match self {
            Self::Rows(rows) => Some(rows),
            _ => None,
        }
    }
}

impl<E: FieldElement<BaseField = Felt>> Reply<E> {
    fn stage(&self) -> Stage {
        match self.answer {
            Answer::Main => Stage::Main,
            Answer::Lookups(_) => Stage::Lookups,
            Answer::Composition => Stage::Composition,
            Answer::Outside(_) => Stage::Outside,
            Answer::Share(_) => Stage::Share,
            Answer::Rows(_) => Stage::Rows,
        }
    }

    pub fn write(&self, run: &Run) -> Vec<u8> {
        let mut message = run.write(REPLY, self.stage(), self.group);
        message.digests(&self.roots);
        match &self.answer {
            Answer::Main | Answer::Composition => {}
            Answer::Lookups(sums) => message.elements(sums),
            Answer::Outside(outside) => {
                message.elements(&outside.current.concat());
                message.elements(&outside.composition);
                message.elements(&outside.next.concat());
            }
            Answer::Share(share) => {
                for sum in share.pieces.values() {
                    message.elements(sum);
                }
                message.elements(&share.tested);
                message.elements(&share.composition);
            }
            Answer::Rows(rows) => message.bytes(rows),
        }
        message.into_bytes()
    }

    /// Reads a reply of this stage. What the group opens is taken as it is.
    pub fn read(run: &Run, expected: Stage, bytes: &[u8]) -> Result<Self, MessageError> {
        let (stage, number, mut reader) = run.read(REPLY, bytes)?;
        if stage != expected {
            return Err(MessageError::Stage {
                expected: expected as u8,
                found: stage as u8,
            });
        }
        let air = &run.air;
        let group = usize::from(number);
        let pieces = air.groups().get(group);
        let pieces = pieces.ok_or(MessageError::Group(number))?;
        let roots = (0..stage.roots()).map(|_| reader.digest(PART));
        let roots = roots.collect::<Result<_, _>>()?;
        let of_pieces = |reader: &mut Reader<'_>| {
            let pieces = pieces.iter().map(|&piece| &air.pieces()[piece]);
            let values = pieces.map(|piece| reader.elements(PART, air.piece_width(piece)));
            values.collect::<Result<Vec<Vec<E>>, LayoutError>>()
        };
        let length = air.longest_of(pieces);
        let answer = match stage {
            Stage::Main => Answer::Main,
            Stage::Lookups => Answer::Lookups(reader.elements(PART, pieces.len())?),
            Stage::Composition => Answer::Composition,
            Stage::Outside => Answer::Outside(Outside {
                current: of_pieces(&mut reader)?,
                composition: reader.elements(PART, COMPOSITION_COLUMNS)?,
                next: of_pieces(&mut reader)?,
            }),
            Stage::Share => {
                let powers: BTreeSet<usize> =
                    pieces.iter().map(|&piece| air.power(piece)).collect();
                let is_tested = pieces
                    .iter()
                    .any(|&piece| air.tested_before(piece).is_some());
                let sum = |power| Ok((power, reader.elements(PART, length)?));
                let of_pieces = powers.into_iter().map(sum);
                Answer::Share(Share {
                    pieces: of_pieces.collect::<Result<_, LayoutError>>()?,
                    tested: reader.elements(PART, if is_tested { length } else { 0 })?,
                    composition: reader.elements(PART, length)?,
                })
            }
            Stage::Rows => Answer::Rows(reader.rest(PART)?.to_vec()),
        };
        reader.finish()?;
        Ok(Self {
            group,
            roots,
            answer,
        })
    }
}
