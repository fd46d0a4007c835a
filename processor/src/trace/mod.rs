//! The execution trace: what the prover proves.
//!
//! [`TraceBuilder`] listens to the executor. [`core`] turns cycles into rows of the core columns;
//! the [`chiplets`] record what they are asked and fill their tables at the end.

mod chiplets;
mod core;
mod inverse;

use std::collections::HashMap;

use miden_core::{
    FMP_ADDR, FMP_INIT_VALUE, Felt, Kernel, Operation, QuadFelt, StackInputs, StackOutputs, Word,
    ZERO, crypto::merkle::MerklePath, precompile::PrecompileRequest,
};
use miden_cvm_air::{
    composition::{Composition, IntrinsicCall, KERNEL_SOURCE, SegmentRecord},
    heights::{Heights, MAX_HEIGHT, longest_piece},
    lookup::{END_TIME, Space},
    memory_io::{MemoryIo, MemorySegment},
    public::{PublicInputs, ROOT_STATE},
    table::{Table, TableRows, Trace},
};
use serde::Serialize;
use thiserror::Error;

use self::{
    chiplets::{
        ChipletRecorders,
        hasher::{HasherRequestError, SegmentData},
        instances::{InstanceRecorder, Others},
        memory::Access,
        memory_context,
        rom::{RomRecorder, UnknownRecord},
    },
    core::CoreTrace,
};
use crate::{
    ContextId,
    calls::{
        crossing::{CreationTime, Crossing},
        installed::InstanceAccess,
        resources::{KernelAccess, TableAccess},
        state::InstanceState,
    },
    circuit::CircuitEvaluation,
    tracer::{
        BitwiseOp, EndRow, Horner, IntrinsicRow, MemoryAccess, MerkleUpdate, NodeKind, OpRow,
        RowKind, RowState, StartRow, Tracer,
    },
};

/// The trace of a run, with what is public about it.
#[derive(Debug)]
pub struct ExecutionTrace {
    /// The rows of all tables, or those that were asked for.
    pub trace: Trace,
    /// The public inputs that the trace proves.
    pub public: PublicInputs,
    /// The length of each table.
    pub lengths: TraceLengths,
    /// The heights of the tables, also of those of which not all rows are there.
    pub heights: Heights,
    /// The requests that the run left to precompiles; they belong beside a proof.
    pub requests: Vec<PrecompileRequest>,
}

/// The number of rows of use that each table of a trace has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct TraceLengths {
    /// Cycles: rows of the core table.
    #[serde(rename = "core")]
    pub cycles: usize,
    /// Rows of the range table.
    pub range: usize,
    /// Rows of the hasher.
    pub hasher: usize,
    /// Rows of the memory.
    pub memory: usize,
    /// Rows of the bitwise operations.
    pub bitwise: usize,
    /// Rows of the resource tables.
    pub resources: usize,
    /// Rows of the ROM.
    pub rom: usize,
    /// Rows of the circuits.
    pub circuits: usize,
    /// Rows of the installed instances.
    pub instances: usize,
}

impl TraceLengths {
    /// Rows that are used of a table.
    pub fn used(&self, table: Table) -> usize {
        match table {
            Table::Core => self.cycles,
            Table::Range => self.range,
            Table::Hasher => self.hasher,
            Table::Memory => self.memory,
            Table::Bitwise => self.bitwise,
            Table::Resources => self.resources,
            Table::Rom => self.rom,
            Table::Circuits => self.circuits,
            Table::Instances => self.instances,
        }
    }

    /// The height of a table: that of the pieces that have room for what surrounds the rows; 0 for a
    /// table that the run has no use for.
    pub fn height(&self, table: Table) -> usize {
        table.height_for(self.used(table))
    }

    /// Rows that are used of the fullest table.
    pub fn longest(&self) -> usize {
        let used = Table::ALL.map(|table| self.used(table));
        used.into_iter().fold(0, usize::max)
    }
}

/// Why a run has no trace, although it ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TraceError {
    /// The hasher cannot show what the run asked of it.
    #[error(transparent)]
    Hasher(#[from] HasherRequestError),
    /// No table is that high.
    #[error("it would take {rows} rows, more than the maximum of {max}", max = MAX_HEIGHT - 1)]
    TooLong {
        /// The rows of its longest table.
        rows: usize,
    },
    /// The run used a record that is not public.
    #[error(transparent)]
    Record(#[from] UnknownRecord),
}

/// Builds the trace of a run from what the executor tells.
#[derive(Debug)]
pub struct TraceBuilder {
    kernel: Kernel,
    composition: Option<Composition>,
    core: CoreTrace,
    chiplets: ChipletRecorders,
    /// The word that each instance was entered with, for CALLER.
    callers: HashMap<ContextId, Word>,
    /// The root's static data. The hasher begins with the program's hash, so it waits.
    root_data: Vec<(SegmentRecord, Vec<Felt>)>,
    /// The state of the precompile transcript.
    transcript: [Felt; 4],
    /// The resource type whose destructor the next row calls.
    destroyed: Option<u32>,
    /// The number of pieces that the longest table is cut into.
    slices: usize,
    /// The rows that are asked for, if not all are.
    rows: Option<TableRows>,
    /// The first thing that went wrong.
    error: Option<TraceError>,
}

impl TraceBuilder {
    /// Returns a builder for a run of a program with this kernel, in a composition if one is given.
    pub fn new(kernel: &Kernel, composition: Option<&Composition>) -> Self {
        Self {
            kernel: kernel.clone(),
            composition: composition.cloned(),
            core: CoreTrace::default(),
            chiplets: ChipletRecorders::new(
                RomRecorder::new(kernel, composition),
                InstanceRecorder::new(composition),
            ),
            callers: HashMap::new(),
            root_data: Vec::new(),
            transcript: [ZERO; 4],
            destroyed: None,
            slices: 1,
            rows: None,
            error: None,
        }
    }

    /// Makes room for a run of so many cycles, so that nothing is moved while it goes on.
    pub fn with_expected_cycles(mut self, cycles: u32) -> Self {
        self.core.reserve(cycles as usize);
        self
    }

    /// Cuts the longest table into so many pieces of the same height.
    pub fn with_slices(mut self, slices: usize) -> Self {
        self.slices = slices;
        self
    }

    /// Makes only these rows of the tables.
    pub fn with_rows(mut self, rows: &TableRows) -> Self {
        self.core.keep_only(rows.of(Table::Core));
        self.rows = Some(rows.clone());
        self
    }

    /// Completes the trace: closes the recorders and fills the tables.
    ///
    /// # Errors
    /// If the run used something that the tables cannot show.
    pub fn finish(
        mut self,
        program_hash: Word,
        stack_inputs: StackInputs,
        stack_outputs: StackOutputs,
        memory_io: MemoryIo,
        requests: Vec<PrecompileRequest>,
    ) -> Result<ExecutionTrace, TraceError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        // What the verifier reads.
        let transcript = self.transcript;
        self.private(
            ContextId::ROOT,
            Space::Transcript,
            END_TIME,
            false,
            transcript,
        );
        for (address, word) in memory_io.outputs.iter().flat_map(MemorySegment::words) {
            self.supplied(ContextId::ROOT, END_TIME, false, address, word);
        }
        let mut ranges = self.core.take_ranges();
        let longest = self.core.len().max(self.chiplets.rows());
        let longest = longest_piece(longest, self.slices);
        let tables = self.chiplets.finish(&mut ranges, longest);
        let lengths = TraceLengths {
            cycles: self.core.len(),
            range: ranges.rows(),
            hasher: tables.hasher.rows(),
            bitwise: tables.bitwise.rows(),
            resources: tables.resources.rows(),
            memory: tables.memory.rows(),
            rom: tables.rom.rows(),
            circuits: tables.circuits.rows(),
            instances: tables.instances.rows(),
        };
        let height = |table: Table| table.height_within(lengths.used(table), longest);
        let heights = Heights::new(Table::ALL.map(height)).ok_or(TraceError::TooLong {
            rows: lengths.longest(),
        })?;
        let all = || TableRows::new(Table::ALL.map(|table| 0..height(table)));
        let rows = self.rows.unwrap_or_else(all);
        let core = self.core.finish(
            height(Table::Core),
            &stack_outputs[..].try_into().unwrap_or([ZERO; 16]),
        );
        let mut trace = Trace {
            core,
            ..Trace::default()
        };
        tables.fill(&mut trace, &rows, height);
        if !rows.of(Table::Range).is_empty() {
            trace.resize(Table::Range, height(Table::Range));
            ranges.fill(&mut trace.range);
        }
        for table in Table::ALL {
            match table {
                // They have no others.
                Table::Core | Table::Hasher | Table::Memory => {}
                _ => trace.keep(table, rows.of(table)),
            }
        }
        let public = PublicInputs {
            program_hash,
            kernel: self.kernel,
            composition: self.composition,
            memory: memory_io,
            stack_inputs,
            stack_outputs,
            precompile_transcript: transcript.into(),
        };
        Ok(ExecutionTrace {
            trace,
            public,
            lengths,
            heights,
            requests,
        })
    }

    /// Keeps the first error; the run goes on without a trace.
    fn note<E: Into<TraceError>>(&mut self, result: Result<(), E>) {
        if let Err(error) = result {
            self.error.get_or_insert(error.into());
        }
    }

    /// Records an access of a word that the verifier makes itself.
    fn supplied(
        &mut self,
        context: ContextId,
        time: u32,
        is_write: bool,
        address: u32,
        word: [Felt; 4],
    ) {
        self.chiplets.memory.record(Access {
            context: memory_context(context.domain(), context.index(), Space::User),
            address,
            time,
            is_write,
            is_element: false,
            word,
        });
    }

    /// Records an access of a word of VM-private memory.
    fn private(
        &mut self,
        context: ContextId,
        space: Space,
        time: u32,
        is_write: bool,
        word: [Felt; 4],
    ) {
        self.chiplets.memory.record(Access {
            context: memory_context(context.domain(), context.index(), space),
            address: 0,
            time,
            is_write,
            is_element: false,
            word,
        });
    }

    fn op(&mut self, state: &RowState<'_>, row: OpRow) {
        self.core.op(state, row);
        if row.op == Operation::Caller && self.composition.is_some() {
            let caller: [Felt; 4] = self
                .callers
                .get(&state.context)
                .copied()
                .unwrap_or_default()
                .into();
            self.private(state.context, Space::Caller, state.clk + 1, false, caller);
            for (i, element) in caller.into_iter().enumerate() {
                self.core.set_helper(i, element);
            }
        }
    }

    fn start(&mut self, state: &RowState<'_>, row: &StartRow<'_>) {
        let hasher = &mut self.chiplets.hasher;
        let address = match row.kind {
            NodeKind::Block => {
                hasher.hash_block(row.digest, row.batches.iter().map(|batch| batch.groups()))
            }
            kind => hasher.hash_node(row.digest, Felt::from(kind.opcode()), row.inputs),
        };
        hasher.request_input(address);

        let payload = self.destroyed.take().unwrap_or_else(|| {
            let has_data = row
                .entered
                .is_some_and(|entered| self.has_data(entered.context.index()));
            u32::from(has_data)
        });
        self.core.start(state, row, address, payload);
        self.place_root_data();

        let Some(entered) = row.entered else { return };
        let named = row.callee.unwrap_or_default();
        if entered.crossing == Crossing::Syscall {
            let result = self.chiplets.rom.request_kernel(named);
            self.note(result);
        } else if self.composition.is_some() {
            self.request_link(state, named, entered.context.index(), None);
            if entered.crossing == Crossing::OwnDestructor {
                return;
            }
            let time = state.clk + 1;
            // An instance that only this call can reach has no state yet.
            if !entered.crossing.is_of_new_instance() {
                let word = entered.state.to_word();
                self.private(entered.context, Space::State, time, false, word);
            }
            let running = InstanceState {
                entered_by: Some(state.context),
                len: entered.state.len + u32::from(entered.created),
                ..entered.state
            };
            let running = running.to_word();
            self.private(entered.context, Space::State, time, true, running);
            self.callers.insert(entered.context, *state.fn_hash);
            let caller = (*state.fn_hash).into();
            self.private(entered.context, Space::Caller, time, true, caller);
        }
    }

    fn intrinsic(&mut self, state: &RowState<'_>, row: &IntrinsicRow) {
        // The link is looked up by the first row, and again by one that calls a destructor.
        self.request_link(state, row.named, row.definer, Some(row.call));
        if row.destroys {
            self.destroyed = Some(row.payload());
            self.core.intrinsic(state, row, 0);
            return;
        }
        let mut inputs = [ZERO; 8];
        inputs[..4].copy_from_slice(row.named.as_elements());
        let hasher = &mut self.chiplets.hasher;
        let domain = Felt::from(NodeKind::Call.opcode());
        let address = hasher.hash_node(row.digest, domain, &inputs);
        hasher.request_input(address);
        self.core.intrinsic(state, row, address);
        if let Some(read) = row.state {
            let word = read.to_word();
            self.private(state.context, Space::State, state.clk + 1, false, word);
        }
        self.place_root_data();
    }

    /// Returns `true` if an instance begins with static data.
    fn has_data(&self, instance: u16) -> bool {
        match (
            self.chiplets.instances.component(instance),
            &self.composition,
        ) {
            (Some(component), _) => !component.component().segments.is_empty(),
            (None, Some(composition)) => !composition.segments_of(instance.into()).is_empty(),
            (None, None) => false,
        }
    }

    /// The segments of an instance of the composition, or of an installed one.
    fn segments_of(&self, instance: u16) -> Vec<SegmentRecord> {
        match (
            self.chiplets.instances.component(instance),
            &self.composition,
        ) {
            (Some(component), _) => component.segments(instance),
            (None, Some(composition)) => composition.segments_of(instance.into()).to_vec(),
            (None, None) => Vec::new(),
        }
    }

    fn request_link(
        &mut self,
        state: &RowState<'_>,
        named: Word,
        target: u16,
        call: Option<IntrinsicCall>,
    ) {
        let source = match state.in_syscall {
            true => KERNEL_SOURCE,
            false => u32::from(state.adopted.unwrap_or(state.context.index())),
        };
        let ChipletRecorders { rom, instances, .. } = &mut self.chiplets;
        let result = instances.request_link(source, named, target, call, rom);
        self.note(result);
    }

    /// Initializes the root's memory, once the hasher has begun the program's hash.
    fn place_root_data(&mut self) {
        for (segment, data) in std::mem::take(&mut self.root_data) {
            self.init_segment(ContextId::ROOT, 0, &segment, &data);
        }
    }

    fn end(&mut self, state: &RowState<'_>, row: &EndRow) {
        self.chiplets.hasher.request_digest(self.core.address());
        self.core.end(state, row, self.composition.is_some());
        let Some(frame) = row.frame else { return };
        let stays = matches!(frame.crossing, Crossing::Syscall | Crossing::OwnDestructor);
        if !stays && self.composition.is_some() {
            let time = state.clk + 1;
            let left = InstanceState {
                entered_by: None,
                ..row.left
            };
            for (word, is_write) in [(row.left, false), (left, true)] {
                let word = word.to_word();
                self.private(state.context, Space::State, time, is_write, word);
            }
        }
    }

    /// Records a segment that is written to the memory of a new instance.
    fn init_segment(
        &mut self,
        context: ContextId,
        time: u32,
        segment: &SegmentRecord,
        data: &[Felt],
    ) {
        let segments = self.segments_of(context.index());
        let number = segments
            .iter()
            .position(|s| s.address == segment.address)
            .unwrap_or(0);
        let result = self.chiplets.init_segment(&SegmentData {
            context: memory_context(context.domain(), context.index(), Space::User),
            instance: segment.instance,
            time,
            number: number as u32,
            address: segment.address,
            done: number + 1 == segments.len(),
            data,
        });
        self.note(result);
    }
}

impl Tracer for TraceBuilder {
    const ENABLED: bool = true;

    #[inline]
    fn rows(&self) -> usize {
        self.core.len().max(self.chiplets.rows())
    }

    fn row(&mut self, state: &RowState<'_>, kind: RowKind<'_>) {
        match kind {
            RowKind::Op(row) => self.op(state, row),
            RowKind::Start(row) => self.start(state, &row),
            RowKind::Intrinsic(row) => self.intrinsic(state, &row),
            RowKind::Respan { groups, .. } => {
                self.core.respan(state, groups);
                self.chiplets.hasher.request_input(self.core.address());
            }
            RowKind::Repeat { body, .. } => self.core.repeat(state, body),
            RowKind::End(row) => self.end(state, &row),
        }
    }

    fn memory(&mut self, access: MemoryAccess) {
        let MemoryAccess {
            context,
            addr,
            clk,
            is_write,
            is_element,
            word,
        } = access;
        self.chiplets.memory.record(Access {
            context: memory_context(context.domain(), context.index(), Space::User),
            address: addr,
            time: clk + 1,
            is_write,
            is_element,
            word: word.into(),
        });
    }

    fn bitwise(&mut self, op: BitwiseOp, a: u32, b: u32) {
        self.chiplets.bitwise.record(op, a, b);
    }

    fn permutation(&mut self, input: &[Felt; 12], _output: &[Felt; 12]) {
        let address = self.chiplets.hasher.permute(input);
        self.core.set_helper(0, Felt::from(address));
    }

    fn merkle_verify(&mut self, leaf: Word, index: u64, path: &MerklePath, _root: Word) {
        match self.chiplets.hasher.merkle_verify(leaf, index, path) {
            Ok(path) => self.core.set_helper(0, Felt::from(path)),
            Err(error) => self.note::<HasherRequestError>(Err(error)),
        }
    }

    fn merkle_update(&mut self, update: MerkleUpdate<'_>) {
        let MerkleUpdate {
            old_leaf,
            new_leaf,
            index,
            path,
            ..
        } = update;
        match self
            .chiplets
            .hasher
            .merkle_update(old_leaf, new_leaf, index, path)
        {
            Ok(path) => self.core.set_helper(0, Felt::from(path)),
            Err(error) => self.note::<HasherRequestError>(Err(error)),
        }
    }

    fn table(&mut self, access: &TableAccess) {
        let below = self.core.below_top();
        let ChipletRecorders {
            resources, memory, ..
        } = &mut self.chiplets;
        resources.table(access, below, memory);
    }

    fn instances(&mut self, access: &InstanceAccess) {
        let ChipletRecorders {
            hasher,
            memory,
            resources,
            instances,
            ..
        } = &mut self.chiplets;
        let mut others = Others {
            hasher,
            memory,
            resources,
        };
        instances.record(access, &mut others);
    }

    fn log_precompile(&mut self, clk: u32, input: &[Felt; 12], output: &[Felt; 12]) {
        self.permutation(input, output);
        let [before, after] = [input, output].map(|state| std::array::from_fn(|i| state[i]));
        for (i, element) in before.into_iter().enumerate() {
            self.core.set_helper(1 + i, element);
        }
        let time = clk + 1;
        self.private(ContextId::ROOT, Space::Transcript, time, false, before);
        self.private(ContextId::ROOT, Space::Transcript, time, true, after);
        self.transcript = after;
    }

    fn horner(&mut self, evaluation: Horner) {
        let Horner {
            point,
            other,
            middle,
        } = evaluation;
        let cells = [point, other, middle].map(QuadFelt::to_base_elements);
        for (i, &cell) in cells.as_flattened().iter().enumerate() {
            self.core.set_helper(i, cell);
        }
    }

    fn circuit(&mut self, evaluation: CircuitEvaluation) {
        self.chiplets.circuits.record(evaluation);
    }

    fn kernel_memory(&mut self, access: &KernelAccess) {
        let ChipletRecorders {
            resources, memory, ..
        } = &mut self.chiplets;
        resources.kernel(access, memory);
    }

    fn instance_created(&mut self, context: ContextId, at: CreationTime) {
        if at != CreationTime::BeforeStart {
            return;
        }
        // What the verifier supplies of the root.
        self.private(context, Space::State, 0, true, ROOT_STATE);
        let mut word = [ZERO; 4];
        word[(FMP_ADDR.as_int() % 4) as usize] = FMP_INIT_VALUE;
        self.chiplets.memory.record(Access {
            context: memory_context(context.domain(), context.index(), Space::User),
            address: FMP_ADDR.as_int() as u32,
            time: 0,
            is_write: true,
            is_element: true,
            word,
        });
    }

    fn public_word(&mut self, context: ContextId, address: u32, word: [Felt; 4]) {
        self.supplied(context, 0, true, address, word);
    }

    fn static_data(
        &mut self,
        context: ContextId,
        at: CreationTime,
        segment: &SegmentRecord,
        data: &[Felt],
    ) {
        match at {
            CreationTime::BeforeStart => self.root_data.push((*segment, data.to_vec())),
            CreationTime::Cycle(clk) => self.init_segment(context, clk + 1, segment, data),
        }
    }
}
