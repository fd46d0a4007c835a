//! The findings of a campaign of lies.

use core::fmt;
use std::collections::BTreeMap;

use miden_core::{Felt, StackOutputs, Word};
use miden_cvm_air::memory_io::MemorySegment;
use miden_cvm_processor::Location;

use super::LieKind;

/// Findings that are kept for each place; all are counted.
const MAX_FINDINGS: usize = 8;

/// Everything that a run that ended shows of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outputs {
    /// The final stack.
    pub stack: StackOutputs,
    /// The outputs in memory, if there is a place for them.
    pub memory_outputs: Option<MemorySegment>,
    /// The state of the transcript of precompiles.
    pub transcript: Word,
    /// The memory of the root context without zeros, if the campaign looks at it.
    pub memory: Option<BTreeMap<u32, Felt>>,
}

/// The outcome of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It ended, and can be proven.
    Accepted(Outputs),
    /// It ended in a trap, or its verifier would refuse what it left to precompiles.
    Trapped(String),
    /// It passed the bounds on cycles or memory, so that nothing is known.
    CutOff,
}

/// A place in a program's source, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourcePlace {
    /// The index of the instance, in a composition.
    pub instance: Option<u16>,
    /// The procedure.
    pub procedure: Option<String>,
    /// The source file.
    pub file: Option<String>,
    /// The line in the source file, from 1.
    pub line: Option<u32>,
    /// The instruction as it stands in the source.
    pub instruction: Option<String>,
}

impl From<Location> for SourcePlace {
    fn from(location: Location) -> Self {
        let Location {
            procedure,
            file,
            line,
            instruction,
            instance,
            ..
        } = location;
        Self {
            instance,
            procedure,
            file,
            line,
            instruction,
        }
    }
}

/// The question that the advice answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    /// An event, by its name.
    Event(String),
    /// Whatever is on the advice stack without any event: from the beginning, or not at all.
    #[default]
    Stack,
    /// The path to a node of a Merkle tree.
    Path,
}

/// A place that takes what the advice answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TakingPlace {
    /// The place.
    pub location: SourcePlace,
    /// The question that it answers.
    pub answer: Answer,
}

impl fmt::Display for TakingPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SourcePlace {
            instance,
            procedure,
            file,
            line,
            instruction,
        } = &self.location;
        let location = Location {
            instance: *instance,
            procedure: procedure.clone(),
            file: file.clone(),
            line: *line,
            instruction: instruction.clone(),
            ..Location::default()
        };
        write!(f, "{location}, ")?;
        match &self.answer {
            Answer::Event(name) => write!(f, "answer to `{name}`"),
            Answer::Stack => write!(f, "advice stack"),
            Answer::Path => write!(f, "Merkle path"),
        }
    }
}

/// An element that is a lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lied {
    /// Its number among the elements that the honest run takes from the advice stack.
    pub element: usize,
    /// The value that the honest host says.
    pub honest: Felt,
    /// The value that the liar says.
    pub said: Felt,
}

/// A lie that the program let through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The number of the lie in its campaign.
    pub number: u64,
    /// The idea behind it.
    pub kind: LieKind,
    /// Where it was taken in first.
    pub place: TakingPlace,
    /// The values that were said in the place of others. More may follow from them: later answers
    /// are those to the questions that the lie leads to.
    pub lied: Vec<Lied>,
    /// Everything that the run shows of itself.
    pub outputs: Outputs,
}

/// The number of lies by outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LieTally {
    /// The run trapped.
    pub refused: u64,
    /// The run ended with the honest outputs.
    pub same: u64,
    /// The run did not end in the cycles and memory that it was given.
    pub cut_off: u64,
    /// The run ended with other outputs.
    pub accepted: u64,
}

impl LieTally {
    /// Counts those of another tally as well.
    pub fn add(&mut self, other: Self) {
        self.refused += other.refused;
        self.same += other.same;
        self.cut_off += other.cut_off;
        self.accepted += other.accepted;
    }
}

/// Lies that were taken in at a place first.
pub type PlaceReport = BTreeMap<TakingPlace, LieTally>;

/// The findings of a campaign of lies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LieReport {
    /// The outcome of the honest run.
    pub honest: Option<Verdict>,
    /// Elements that the honest run took from the advice stack.
    pub elements: u64,
    /// Those of them that are input, and not lied about.
    pub inputs: u64,
    /// Merkle paths that the honest run took.
    pub paths: u64,
    /// Events that the honest run emitted.
    pub events: u64,
    /// By kind of lie.
    pub kinds: BTreeMap<LieKind, LieTally>,
    /// By place; all that take answers are here.
    pub places: PlaceReport,
    /// Lies that were let through; the first ones of each place.
    pub findings: Vec<Finding>,
}

impl LieReport {
    /// The sum over all kinds.
    pub fn total(&self) -> LieTally {
        let mut total = LieTally::default();
        self.kinds.values().for_each(|&tally| total.add(tally));
        total
    }

    pub(super) fn merge(mut self, other: Self) -> Self {
        for (kind, tally) in other.kinds {
            self.kinds.entry(kind).or_default().add(tally);
        }
        for (place, tally) in other.places {
            self.places.entry(place).or_default().add(tally);
        }
        self.findings.extend(other.findings);
        self.prune();
        self
    }

    /// Keeps the first findings of each place.
    fn prune(&mut self) {
        self.findings.sort_by_key(|finding| finding.number);
        let mut kept: BTreeMap<TakingPlace, usize> = BTreeMap::new();
        self.findings.retain(|finding| {
            let count = kept.entry(finding.place.clone()).or_default();
            *count += 1;
            *count <= MAX_FINDINGS
        });
    }

    pub(super) fn finish(&mut self) {
        self.prune();
    }
}
