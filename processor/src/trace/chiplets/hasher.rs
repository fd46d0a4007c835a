//! The hasher: every permutation of the run, each that is a fact only once.

use std::collections::HashMap;

use miden_core::{Felt, FieldElement, ONE, Word, ZERO};
use miden_crypto::hash::rpo::Rpo256;
use miden_cvm_air::{
    chiplets::{
        hasher::{MAX_LEVEL, REFUSED_UPPER_HALF, UPPER_HALF_LEVEL},
        rpo::{STATE_WIDTH, cube, mds},
    },
    columns::{Cells, CycleEnd, HasherRow, InitArgs, MerkleArgs, cells_of},
    table::Table,
};
use miden_cvm_parallel::prelude::*;
use thiserror::Error;

use super::{CYCLE, range::RangeCounts};

/// A state of the permutation: capacity, then rate.
type State = [Felt; STATE_WIDTH];

/// Chains that one task of the parallel writer handles at least.
const MIN_CHAINS: usize = 16;

/// Something that the hasher cannot show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HasherRequestError {
    /// A Merkle path is empty or too long.
    #[error("a Merkle path has between 1 and 64 levels, but this one has {0}")]
    PathDepth(usize),
    /// The index of a Merkle path has more bits than the path has levels.
    #[error("index {index} is too large for a Merkle path of {depth} levels")]
    PathIndex {
        /// The index.
        index: u64,
        /// Number of levels.
        depth: usize,
    },
    /// Static data is no whole number of blocks.
    #[error("segment {segment} of instance {instance} has {length} elements, not a multiple of 8")]
    SegmentLength {
        /// The instance.
        instance: u32,
        /// Number of the segment within the instance.
        segment: u32,
        /// Number of elements.
        length: usize,
    },
    /// A segment is no public record.
    #[error("instance {instance} has no segment {segment}")]
    Segment {
        /// The instance.
        instance: u32,
        /// Number of the segment within the instance.
        segment: u32,
    },
}

/// A segment of static data that memory is initialized with.
#[derive(Debug, Clone, Copy)]
pub struct SegmentData<'a> {
    /// Memory context of the instance, see [`super::memory_context`].
    pub context: u64,
    /// Index of the instance.
    pub instance: u32,
    /// Time of the writes: the cycle of the instance's creation + 1, 0 for the root.
    pub time: u32,
    /// Number of the segment within the instance.
    pub number: u32,
    /// First address.
    pub address: u32,
    /// `true` if no segment of the instance follows.
    pub done: bool,
    /// The elements, a multiple of 8.
    pub data: &'a [Felt],
}

/// The purpose of a cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    Absorb,
    Merkle(MerkleArgs<Felt>),
    Init(InitArgs<Felt>),
}

/// One permutation.
#[derive(Debug, Clone)]
struct Cycle {
    kind: Kind,
    /// The state to begin with, but for what the cycle before carries over.
    state: State,
    /// Lookups of what the cycle begins with.
    inputs: u32,
    /// Lookups of its digest.
    digests: u32,
    /// Lookups of its final state.
    outputs: u32,
}

/// The permutations of a run. Addresses are rows: a cycle has 8.
#[derive(Debug, Clone, Default)]
pub struct HasherRecorder {
    cycles: Vec<Cycle>,
    /// First cycle of each chain: no chain needs another one's digests.
    chains: Vec<usize>,
    /// First cycles of the nodes of the program, by digest.
    nodes: HashMap<Word, u32>,
    /// Cycles of permutations that the program asks for, by state.
    permutations: HashMap<[u64; STATE_WIDTH], u32>,
}

impl HasherRecorder {
    /// The row at which the hash of the node with this digest begins, if it is recorded.
    pub fn node(&self, digest: &Word) -> Option<u32> {
        self.nodes.get(digest).copied()
    }

    /// The row at which the hash of a node other than a basic block begins. It is recorded when it
    /// is asked for first; that no lookup is counted yet, see [`Self::request_input`].
    pub fn hash_node(&mut self, digest: Word, domain: Felt, inputs: &[Felt; 8]) -> u32 {
        if let Some(address) = self.node(&digest) {
            return address;
        }
        let address = self.begin_chain();
        self.push(Kind::Plain, initial_state(domain, inputs));
        self.nodes.insert(digest, address);
        address
    }

    /// The row at which the hash of a basic block begins; batch `i` is absorbed 8 rows after batch
    /// `i - 1`. It is recorded when it is asked for first; no lookup is counted yet.
    pub fn hash_block<'a>(
        &mut self,
        digest: Word,
        batches: impl IntoIterator<Item = &'a [Felt; 8]>,
    ) -> u32 {
        self.hash_sequence(digest, ZERO, batches)
    }

    /// The row at which the hash of a sequence of elements begins, in blocks that zeros fill up; `remainder` is their
    /// number modulo 8. As [`Self::hash_block`] besides.
    pub fn hash_sequence<'a>(
        &mut self,
        digest: Word,
        remainder: Felt,
        blocks: impl IntoIterator<Item = &'a [Felt; 8]>,
    ) -> u32 {
        if let Some(address) = self.node(&digest) {
            return address;
        }
        let address = self.begin_chain();
        for (i, block) in blocks.into_iter().enumerate() {
            let kind = if i == 0 { Kind::Plain } else { Kind::Absorb };
            let mut state = initial_state(ZERO, block);
            state[0] = remainder;
            self.push(kind, state);
        }
        self.nodes.insert(digest, address);
        address
    }

    /// Counts a lookup of what the cycle at `address` begins with: a node's inputs, or an absorbed
    /// batch.
    ///
    /// # Panics
    /// Panics if there is no cycle at `address`.
    pub fn request_input(&mut self, address: u32) {
        self.cycle(address).inputs += 1;
    }

    /// Counts a lookup of the digest of the cycle that begins at `address`.
    ///
    /// # Panics
    /// Panics if there is no cycle at `address`.
    pub fn request_digest(&mut self, address: u32) {
        self.cycle(address).digests += 1;
    }

    /// The row at which the permutation of `state` begins; counts a lookup of the state and one of
    /// what becomes of it.
    pub fn permute(&mut self, state: &State) -> u32 {
        let key = state.map(|lane| lane.as_int());
        let address = match self.permutations.get(&key) {
            Some(&address) => address,
            None => {
                let address = self.begin_chain();
                self.push(Kind::Plain, *state);
                self.permutations.insert(key, address);
                address
            }
        };
        let cycle = self.cycle(address);
        cycle.inputs += 1;
        cycle.outputs += 1;
        address
    }

    /// Records a Merkle path from `leaf` at `index` to its root and returns the path's id. `path`
    /// has the siblings, the deepest first.
    ///
    /// # Errors
    /// If the path has no level or more than 64, or the index does not fit: with 64 levels its
    /// upper 32 bits are not all ones.
    pub fn merkle_verify(
        &mut self,
        leaf: Word,
        index: u64,
        path: &[Word],
    ) -> Result<u32, HasherRequestError> {
        check_path(index, path)?;
        let id = self.begin_chain();
        self.leg(id, [false, false], leaf, index, path);
        Ok(id)
    }

    /// Records the replacement of `old` by `new` at `index` and returns the path's id. `path` has
    /// the siblings, the deepest first.
    ///
    /// # Errors
    /// As [`Self::merkle_verify`].
    pub fn merkle_update(
        &mut self,
        old: Word,
        new: Word,
        index: u64,
        path: &[Word],
    ) -> Result<u32, HasherRequestError> {
        check_path(index, path)?;
        let id = self.begin_chain();
        self.leg(id, [true, false], old, index, path);
        self.begin_chain();
        self.leg(id, [false, true], new, index, path);
        Ok(id)
    }

    /// Records one leg of a path.
    pub(super) fn leg(&mut self, id: u32, legs: [bool; 2], leaf: Word, index: u64, path: &[Word]) {
        let [old_leg, new_leg] = legs.map(|leg| Felt::from(u8::from(leg)));
        for (level, sibling) in path.iter().enumerate() {
            let index = index >> level;
            let bit = index & 1;
            let start = level == 0;
            // The node of a higher level is the digest of the cycle before.
            let node = if start { leaf } else { Word::default() };
            let (left, right) = if bit == 0 {
                (node, *sibling)
            } else {
                (*sibling, node)
            };
            let mut state = [ZERO; STATE_WIDTH];
            state[4..8].copy_from_slice(left.as_elements());
            state[8..].copy_from_slice(right.as_elements());
            let start = Felt::from(u8::from(start));
            let args = MerkleArgs {
                path: Felt::from(id),
                old_leg,
                new_leg,
                level: Felt::new(level as u64),
                index: Felt::new(index),
                bit: Felt::new(bit),
                start,
                names_path: start * (ONE - new_leg),
                end: Felt::from(u8::from(level + 1 == path.len())),
            };
            self.push(Kind::Merkle(args), state);
        }
    }

    /// Records the hash of a segment of static data; its words are written to memory by the same
    /// rows, see [`super::ChipletRecorders::init_segment`].
    ///
    /// # Errors
    /// If the data is no whole number of blocks.
    pub fn init_segment(&mut self, segment: &SegmentData<'_>) -> Result<(), HasherRequestError> {
        let length = segment.data.len();
        if length == 0 || !length.is_multiple_of(8) {
            return Err(HasherRequestError::SegmentLength {
                instance: segment.instance,
                segment: segment.number,
                length,
            });
        }
        self.begin_chain();
        for (block, data) in segment.data.chunks_exact(8).enumerate() {
            let mut state = [ZERO; STATE_WIDTH];
            state[4..].copy_from_slice(data);
            let args = InitArgs {
                context: Felt::new(segment.context),
                instance: Felt::from(segment.instance),
                time: Felt::from(segment.time),
                segment: Felt::from(segment.number),
                address: Felt::from(segment.address),
                block: Felt::new(block as u64),
                first: Felt::from(u8::from(block == 0)),
                last: Felt::from(u8::from(8 * (block + 1) == length)),
                done: Felt::from(u8::from(segment.done)),
            };
            self.push(Kind::Init(args), state);
        }
        Ok(())
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        CYCLE * self.cycles.len()
    }

    /// Begins a chain and returns its first row.
    pub(super) fn begin_chain(&mut self) -> u32 {
        self.chains.push(self.cycles.len());
        self.rows() as u32
    }

    fn push(&mut self, kind: Kind, state: State) {
        self.cycles.push(Cycle {
            kind,
            state,
            inputs: 0,
            digests: 0,
            outputs: 0,
        });
    }

    fn cycle(&mut self, address: u32) -> &mut Cycle {
        &mut self.cycles[address as usize / CYCLE]
    }

    /// Counts the range checks of a table in pieces of at most `longest` rows: one a cycle.
    pub fn count_ranges(&self, ranges: &mut RangeCounts, longest: usize) {
        for cycle in &self.cycles {
            ranges.add(cycle.levels_left());
        }
        // Padding checks a zero in the last row of each cycle, but not in the table's last row.
        let height = Table::Hasher.height_within(self.rows(), longest);
        let cycles = (height - 1) / CYCLE - self.cycles.len();
        ranges.add_many(0, cycles as u64);
    }

    /// Writes rows, which are those from `first` on of a table in which there is room for all cycles, in
    /// parallel: the cycles come first, then cycles that nobody looks up, of which the last one may be cut off.
    pub fn fill(&self, rows: &mut [HasherRow<Felt>], first: usize) {
        let (used, padding) = rows.split_at_mut(self.rows().saturating_sub(first).min(rows.len()));
        let mut cycle = [HasherRow::filled(ZERO); CYCLE];
        Cycle::PADDING.fill(&[ZERO; STATE_WIDTH], &mut cycle);
        let start = first + used.len();
        miden_cvm_parallel::join(
            || {
                let end = first + used.len();
                let from = self.chains.partition_point(|&chain| CYCLE * chain <= first);
                let to = self.chains.partition_point(|&chain| CYCLE * chain < end);
                self.fill_chains(from.saturating_sub(1), to, used, first);
            },
            || {
                let rows = padding.par_iter_mut().enumerate();
                rows.for_each(|(i, row)| *row = cycle[(start + i) % CYCLE]);
            },
        );
        rows.par_iter_mut().enumerate().for_each(|(number, row)| {
            row.address = Felt::new((first + number) as u64);
        });
    }

    /// Writes what the chains `from..to` have of these rows, of which the first one has the number `first`;
    /// halves them until a task is small.
    fn fill_chains(&self, from: usize, to: usize, rows: &mut [HasherRow<Felt>], first: usize) {
        let first_cycle =
            |chain: usize| self.chains.get(chain).copied().unwrap_or(self.cycles.len());
        if to - from > MIN_CHAINS {
            let middle = usize::midpoint(from, to);
            let start = CYCLE * first_cycle(middle);
            let (left, right) = rows.split_at_mut(start - first);
            miden_cvm_parallel::join(
                || self.fill_chains(from, middle, left, first),
                || self.fill_chains(middle, to, right, start),
            );
            return;
        }
        let mut carried = [ZERO; STATE_WIDTH];
        let end = first + rows.len();
        for cycle in first_cycle(from)..first_cycle(to) {
            let start = CYCLE * cycle;
            if start >= end {
                break;
            }
            let whole = start.checked_sub(first).map(|at| at..at + CYCLE);
            match whole.and_then(|whole| rows.get_mut(whole)) {
                Some(rows) => carried = self.cycles[cycle].fill(&carried, rows),
                // Not all of its rows are wanted, or none.
                None => {
                    let mut all = [HasherRow::filled(ZERO); CYCLE];
                    carried = self.cycles[cycle].fill(&carried, &mut all);
                    for (number, row) in (start..).zip(all) {
                        let at = number.checked_sub(first);
                        if let Some(place) = at.and_then(|at| rows.get_mut(at)) {
                            *place = row;
                        }
                    }
                }
            }
        }
    }
}

impl Cycle {
    /// A cycle that nobody looks up.
    const PADDING: Self = Self {
        kind: Kind::Plain,
        state: [ZERO; STATE_WIDTH],
        inputs: 0,
        digests: 0,
        outputs: 0,
    };

    /// The cell of the last row that is range-checked.
    fn levels_left(&self) -> u16 {
        match &self.kind {
            Kind::Merkle(args) => (MAX_LEVEL - args.level.as_int()) as u16,
            _ => 0,
        }
    }

    /// The state that the permutation begins with, after a cycle that ended with `before`.
    fn initial(&self, before: &State) -> State {
        let mut state = self.state;
        match &self.kind {
            Kind::Absorb => state[..4].copy_from_slice(&before[..4]),
            Kind::Init(args) if args.first == ZERO => state[..4].copy_from_slice(&before[..4]),
            Kind::Merkle(args) if args.start == ZERO => {
                let node = if args.bit == ZERO { 4 } else { 8 };
                state[node..node + 4].copy_from_slice(&before[4..8]);
            }
            _ => {}
        }
        state
    }

    /// Writes the 8 rows, but for their addresses, after a cycle that ended with `before`, and returns the final state.
    fn fill(&self, before: &State, rows: &mut [HasherRow<Felt>]) -> State {
        let mut state = self.initial(before);
        let flag = |set: bool| Felt::from(u8::from(set));
        let args = match &self.kind {
            Kind::Merkle(args) => array(cells_of(args)),
            Kind::Init(args) => array(cells_of(args)),
            _ => [ZERO; 9],
        };
        let template = HasherRow {
            address: ZERO,
            state,
            cube_in: [ZERO; STATE_WIDTH],
            cube_out: [ZERO; STATE_WIDTH],
            multiplicity: [ZERO; 2],
            absorb: flag(matches!(self.kind, Kind::Absorb)),
            merkle: flag(matches!(self.kind, Kind::Merkle(_))),
            init: flag(matches!(self.kind, Kind::Init(_))),
            args,
        };
        for (round, row) in rows.iter_mut().enumerate() {
            *row = template;
            row.state = state;
            if let Some(constants) = Rpo256::ARK1.get(round) {
                let input = mds(&state);
                row.cube_in = core::array::from_fn(|i| cube(input[i] + constants[i]));
                Rpo256::apply_round(&mut state, round);
                row.cube_out = state.map(cube);
            } else {
                row.multiplicity = [self.digests, self.outputs].map(Felt::from);
                *row.cycle_end_mut() = self.end();
            }
        }
        rows[0].multiplicity[0] = Felt::from(self.inputs);
        state
    }

    /// Returns the cells of the last row besides the state.
    fn end(&self) -> CycleEnd<Felt> {
        let mut end = CycleEnd {
            open_merkle: ZERO,
            open_init: ZERO,
            level_witness: ZERO,
            index_witness: ZERO,
            levels_left: Felt::from(self.levels_left()),
        };
        match &self.kind {
            Kind::Merkle(args) => {
                end.open_merkle = ONE - args.end;
                let above = args.level - Felt::new(UPPER_HALF_LEVEL);
                if above == ZERO {
                    end.index_witness = (args.index - Felt::new(REFUSED_UPPER_HALF)).inv();
                } else {
                    end.level_witness = above.inv();
                }
            }
            Kind::Init(args) => end.open_init = ONE - args.last,
            Kind::Plain | Kind::Absorb => {}
        }
        end
    }
}

/// The state that the hash of a node begins with.
fn initial_state(domain: Felt, inputs: &[Felt; 8]) -> State {
    let mut state = [ZERO; STATE_WIDTH];
    state[1] = domain;
    state[4..].copy_from_slice(inputs);
    state
}

/// The arguments of a cycle as an array.
fn array(cells: &[Felt]) -> [Felt; 9] {
    core::array::from_fn(|i| cells[i])
}

/// Checks that a path is one that the hasher can show.
fn check_path(index: u64, path: &[Word]) -> Result<(), HasherRequestError> {
    let depth = path.len();
    if depth == 0 || depth as u64 > MAX_LEVEL + 1 {
        return Err(HasherRequestError::PathDepth(depth));
    }
    let fits = if depth == 64 {
        index >> UPPER_HALF_LEVEL != REFUSED_UPPER_HALF
    } else {
        index >> depth == 0
    };
    if fits {
        Ok(())
    } else {
        Err(HasherRequestError::PathIndex { index, depth })
    }
}
