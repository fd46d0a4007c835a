//! Turns execution traces of Miden CVM into STARK proofs.
//!
//! [`prove_trace`] takes the tables of a trace, as the processor builds them, and the public inputs.
//! The protocol is in `stark`, the part of it that is done for each group of pieces in `group`; its parts are the extension of columns (`lde`), how those of shorter pieces are interleaved (`interleave`), how much of it is kept
//! (`memory`), Merkle trees over the rows of tables of different heights (`tree`), the auxiliary columns
//! of the lookups (`columns`), the evaluation of the constraints (`evaluator`), which are recorded as a
//! `program`, the composition polynomial (`composition`), the low-degree test (`fri`), and the transcript
//! (`channel`). All of it runs on all threads, and none of it depends on how many there are.

mod channel;
mod columns;
mod composition;
mod dot;
mod evaluator;
mod fft;
mod fri;
mod group;
mod hash;
mod interleave;
mod lde;
mod memory;
mod messages;
mod packed;
mod program;
#[cfg(test)]
mod samples;
mod slices;
mod stark;
mod tree;
mod turns;

use std::fmt;

use miden_core::Felt;
use miden_cvm_air::{
    air::CvmAir,
    check::{Violation, check},
    heights::{Heights, MAX_PIECES},
    public::PublicInputs,
    table::{Table, TableRows, Trace},
};
pub use miden_cvm_air::{
    options::{HashFunction, OptionSet, ProofSettings, SettingsError},
    proof::{Proof, ProofError},
};
use thiserror::Error;
use winter_air::FieldExtension;
use winterfell::math::fields::{CubeExtension, QuadExtension};

use crate::{memory::Memory, turns::MakeRows};

pub use crate::{
    messages::{MessageError, Stage},
    slices::{Coordinator, CoordinatorError, GroupPart, Worker, WorkerError},
};

/// Options for proving a trace.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ProveOptions {
    /// The parameters and the hash function of the proof.
    pub settings: ProofSettings,
    /// `true` if every constraint and bus is checked on the trace first, at about the cost of
    /// executing the program again. Without it, a trace that violates the AIR yields a proof that
    /// does not verify.
    pub check_trace: bool,
    /// The number of groups that the pieces of the tables are dealt out to, of which each is committed
    /// to by itself; a trace whose longest table is cut into as many pieces makes groups of one size.
    pub slices: usize,
    /// The most bytes that the trace and what is made of it may take. What is left of them keeps
    /// values that would have to be computed again. Without a bound, half of these are kept, and
    /// more as far as 192 MiB have room for them.
    pub memory: Option<usize>,
}

impl Default for ProveOptions {
    /// The default settings; traces are checked in debug builds.
    fn default() -> Self {
        Self::from(ProofSettings::default())
    }
}

impl From<ProofSettings> for ProveOptions {
    fn from(settings: ProofSettings) -> Self {
        Self {
            settings,
            check_trace: cfg!(debug_assertions),
            slices: 1,
            memory: None,
        }
    }
}

/// Why a trace cannot be proven.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProverError {
    /// A table has a number of rows that no pieces make up, or out of range.
    #[error(
        "to be proven with these settings, tables have at least {least:?} and at most {max} rows, in \
         at most {MAX_PIECES} pieces, but these have {heights:?}",
        least = Table::ALL.map(Table::min_height)
    )]
    Heights {
        /// The numbers of rows, in the order of the tables.
        heights: [usize; Table::COUNT],
        /// The most rows that a table may have with the settings.
        max: usize,
    },
    /// There is no such group.
    #[error("there is no group {group}, as there are only {count}")]
    Group {
        /// The number of the group.
        group: usize,
        /// The number of groups.
        count: usize,
    },
    /// A group's part of the trace has other rows than those of its pieces.
    #[error(
        "the group has {wanted} rows of the table {table:?}, but the trace has {found} of them"
    )]
    Rows {
        /// The table.
        table: Table,
        /// As many rows as the group has.
        wanted: usize,
        /// As many as the trace has.
        found: usize,
    },
    /// A group's rows were others when they were made again.
    #[error(
        "the rows of group {group} are not those that they were before: the run is not the same every time"
    )]
    Changed {
        /// The number of the group.
        group: usize,
    },
    /// The proof takes more memory than it may.
    #[error(
        "a proof of this run takes at least {} KiB of memory for its trace and what is made of it, more \
         than the {} KiB that it may take",
        needed.div_ceil(1 << 10), memory >> 10
    )]
    Memory {
        /// The least bytes that the proof takes.
        needed: usize,
        /// The most that it may take.
        memory: usize,
    },
    /// The trace violates the AIR.
    #[error("the trace violates the AIR: {0}")]
    Violations(Violations),
    /// The proof does not have the form of one.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

/// The violations in a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violations {
    /// The first violations found.
    pub first: Vec<Violation>,
    /// The number of violations.
    pub total: usize,
}

/// At most this many violations are kept.
const MAX_VIOLATIONS: usize = 16;

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} violations", self.total)?;
        for violation in &self.first {
            write!(f, "\n  {violation}")?;
        }
        if self.total > self.first.len() {
            write!(f, "\n  and {} more", self.total - self.first.len())?;
        }
        Ok(())
    }
}

/// Proves that a trace is one of a run with these public inputs.
///
/// The tables have all of their rows, including the padding, and are freed as soon as they are no
/// longer needed.
///
/// # Errors
/// Returns an error if a table has a number of rows that it cannot have, if the proof takes more memory
/// than it may, or if the trace was to be checked and violates the AIR.
pub fn prove_trace(
    trace: Trace,
    public: PublicInputs,
    options: &ProveOptions,
) -> Result<Proof, ProverError> {
    let settings = options.settings;
    let heights = Table::ALL.map(|table| trace.height(table));
    let heights = allowed_heights(heights, settings)?;
    let air = air_of(heights, public, options)?;
    let kept = Memory::new(&air).kept(options.memory)?;
    if options.check_trace {
        let mut first = check(&trace, air.public_inputs());
        let total = first.len();
        if total > 0 {
            first.truncate(MAX_VIOLATIONS);
            return Err(ProverError::Violations(Violations { first, total }));
        }
    }
    let stark = match air.options().field_extension() {
        FieldExtension::Cubic => stark::prove::<CubeExtension<Felt>>(trace, air, settings, kept),
        // No set is without an extension.
        FieldExtension::Quadratic | FieldExtension::None => {
            stark::prove::<QuadExtension<Felt>>(trace, air, settings, kept)
        }
    };
    Ok(Proof::new(settings, heights, stark)?.in_groups(options.slices)?)
}

/// Proves, as [`prove_trace`] does, a run of which no more rows are there at a time than those of one group.
/// `rows` makes those that it is asked for, and is asked for those of each group again at every stage: all
/// groups have to be committed to before what the next commitment depends on is drawn. The proof is the same, and
/// takes longer. No rows are checked, whatever the options say.
///
/// # Errors
/// Returns an error if tables cannot have these heights, if the proof takes more memory than it may, if
/// `rows` does, or if it does not make the same rows every time.
pub fn prove_in_turns<F: From<ProverError>>(
    heights: Heights,
    public: PublicInputs,
    options: &ProveOptions,
    mut rows: impl FnMut(&TableRows) -> Result<Trace, F>,
) -> Result<Proof, F> {
    let settings = options.settings;
    let air = air_of(heights, public, options)?;
    let needed = Memory::in_turns(&air);
    if let Some(memory) = options.memory.filter(|&memory| memory < needed) {
        return Err(ProverError::Memory { needed, memory }.into());
    }
    // The proof is made by one code, which is this crate's, whatever makes the rows.
    let mut failed = None;
    let rows: MakeRows<'_> = &mut |wanted| rows(wanted).map_err(|error| failed = Some(error)).ok();
    let stark = turns::prove(air, settings, rows);
    if let Some(error) = failed {
        return Err(error);
    }
    let stark = stark?;
    let proof =
        Proof::new(settings, heights, stark).and_then(|proof| proof.in_groups(options.slices));
    Ok(proof.map_err(ProverError::from)?)
}

/// The least bytes that [`prove_trace`] takes for a run with these heights: with less,
/// [`prove_in_turns`] may do.
///
/// # Errors
/// Returns an error if tables cannot have these heights.
pub fn memory_at_once(
    heights: Heights,
    public: PublicInputs,
    options: &ProveOptions,
) -> Result<usize, ProverError> {
    Ok(Memory::new(&air_of(heights, public, options)?).with(0))
}

/// The AIR of a run that is proven with these options.
fn air_of(
    heights: Heights,
    public: PublicInputs,
    options: &ProveOptions,
) -> Result<CvmAir, ProverError> {
    // The form of a proof says whether there can be one.
    let proof = Proof::new(options.settings, heights, Vec::new())?;
    Ok(proof.in_groups(options.slices)?.air(public))
}

/// Checks that a trace has as many rows as are wanted.
fn check_rows(trace: &Trace, rows: &TableRows) -> Result<(), ProverError> {
    for table in Table::ALL {
        let (wanted, found) = (rows.of(table).len(), trace.height(table));
        if wanted != found {
            return Err(ProverError::Rows {
                table,
                wanted,
                found,
            });
        }
    }
    Ok(())
}

/// Heights with which tables can be proven with these settings.
fn allowed_heights(
    heights: [usize; Table::COUNT],
    settings: ProofSettings,
) -> Result<Heights, ProverError> {
    let set = settings.set();
    let allowed = Heights::new(heights).filter(|heights| set.allows(heights));
    allowed.ok_or(ProverError::Heights {
        heights,
        max: set.max_height(),
    })
}
