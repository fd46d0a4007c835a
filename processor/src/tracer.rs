//! The executor's reports about a run while it happens, for whoever builds a trace from it.
//!
//! The executor calls [Tracer::row] exactly once per cycle, with the state at the cycle's start,
//! and then the other methods for everything else that the cycle did.

use miden_core::{
    EventId, Felt, Operation, QuadFelt, Word,
    crypto::merkle::MerklePath,
    mast::{MastNodeExt, OP_BATCH_SIZE, OpBatch},
    stack::MIN_STACK_DEPTH,
};

use miden_cvm_air::composition::{IntrinsicCall, SegmentRecord};

use crate::{
    advice::{AdviceError, AdviceProvider},
    calls::{
        crossing::{CreationTime, Entered, Frame},
        installed::InstanceAccess,
        resources::{KernelAccess, Marks, TableAccess},
        state::InstanceState,
    },
    circuit::CircuitEvaluation,
    context::ContextId,
    error::Trap,
    forests::{Forests, Position},
};

/// Receives what a run does, cycle by cycle.
///
/// With [Tracer::ENABLED] false the executor does not even gather what it would tell. Whoever
/// implements the trait has to listen only to what it is about.
pub trait Tracer {
    /// `true` if anything is to be told.
    const ENABLED: bool;

    /// The number of rows that a trace of what was told so far has at least; 0 if there will be no
    /// trace. The run is stopped when they are more than its options allow.
    fn rows(&self) -> usize {
        0
    }

    /// Returns `true` if the machine stops before the cycle `clk`, which executes what is at
    /// `position`, and [`Process::resume`](crate::Process::resume) returns. Not asked before the
    /// second cycle of an intrinsic; asked again when the machine goes on.
    #[inline(always)]
    fn pauses(&mut self, _clk: u32, _position: Position) -> bool {
        false
    }

    /// A cycle begins.
    #[inline(always)]
    fn row(&mut self, _state: &RowState<'_>, _kind: RowKind<'_>) {}

    /// The cycle accesses user memory.
    #[inline(always)]
    fn memory(&mut self, _access: MemoryAccess) {}

    /// The cycle computes a bitwise operation of two u32 values.
    #[inline(always)]
    fn bitwise(&mut self, _op: BitwiseOp, _a: u32, _b: u32) {}

    /// The cycle applies the hash permutation to a state.
    #[inline(always)]
    fn permutation(&mut self, _input: &[Felt; 12], _output: &[Felt; 12]) {}

    /// The cycle verifies a Merkle path.
    #[inline(always)]
    fn merkle_verify(&mut self, _leaf: Word, _index: u64, _path: &MerklePath, _root: Word) {}

    /// The cycle replaces a node of a Merkle tree.
    #[inline(always)]
    fn merkle_update(&mut self, _update: MerkleUpdate<'_>) {}

    /// The cycle is an intrinsic's and changes the running instance's resource table, or a call's that
    /// finds there what it calls.
    #[inline(always)]
    fn table(&mut self, _access: &TableAccess) {}

    /// The cycle is an intrinsic's and installs or wires an instance, or tells what its component is.
    #[inline(always)]
    fn instances(&mut self, _access: &InstanceAccess) {}

    /// The cycle is an intrinsic's and accesses the memory of some context for the kernel.
    #[inline(always)]
    fn kernel_memory(&mut self, _access: &KernelAccess) {}

    /// The cycle `clk` records something in the precompile transcript by this permutation.
    #[inline(always)]
    fn log_precompile(&mut self, _clk: u32, _input: &[Felt; 12], _output: &[Felt; 12]) {}

    /// The cycle takes coefficients into an evaluation by Horner's method.
    #[inline(always)]
    fn horner(&mut self, _evaluation: Horner) {}

    /// The cycle evaluates an arithmetic circuit to zero. The words that it reads are told as
    /// memory accesses besides.
    #[inline(always)]
    fn circuit(&mut self, _evaluation: CircuitEvaluation) {}

    /// An instance of a composition begins to exist: its memory holds nothing but the frame
    /// pointer. For the root this comes before the first row, and the write of the frame pointer
    /// is not told as a memory access; for others the cycle that creates them tells it.
    #[inline(always)]
    fn instance_created(&mut self, _context: ContextId, _at: CreationTime) {}

    /// A segment of static data is written to the memory of the instance just created.
    ///
    /// `_data` has the length of the record.
    #[inline(always)]
    fn static_data(
        &mut self,
        _context: ContextId,
        _at: CreationTime,
        _segment: &SegmentRecord,
        _data: &[Felt],
    ) {
    }

    /// A word of public data, or of the inputs in memory, is there before the first cycle, whether the
    /// instance will ever be created or not.
    #[inline(always)]
    fn public_word(&mut self, _context: ContextId, _address: u32, _word: [Felt; 4]) {}

    // WHAT THE HOST SAYS
    //
    // No constraint binds these answers. By default they are those of the host and of the advice;
    // a tracer that plays the part of a dishonest host gives others.

    /// The cycle takes elements from the advice stack, the top one first; `elements` has room for
    /// them.
    ///
    /// # Errors
    /// If there are fewer.
    #[inline(always)]
    fn take_advice(
        &mut self,
        taking: Taking<'_>,
        elements: &mut [Felt],
    ) -> Result<(), AdviceError> {
        taking.advice.pop_elements(elements)
    }

    /// The cycle takes the path to a node from the Merkle store.
    #[inline(always)]
    fn take_path(&mut self, _taking: Taking<'_>, _path: &mut MerklePath) {}

    /// The cycle emitted an event, and its answer is in the advice, unless it was refused. The
    /// event's id is on top of the stack.
    ///
    /// # Errors
    /// Why it was refused; the run traps. A host that gives no answer at all refuses nothing.
    #[inline(always)]
    fn take_event(
        &mut self,
        _taking: Taking<'_>,
        _event: EventId,
        answered: Result<(), Box<Trap>>,
    ) -> Result<(), Box<Trap>> {
        answered
    }
}

/// A machine that takes something from the advice.
#[derive(Debug)]
pub struct Taking<'a> {
    /// The advice.
    pub advice: &'a mut AdviceProvider,
    /// Where the machine is in its program; `Process::locate` says what that is in the source. The
    /// operation is known with [`Tracer::ENABLED`] only.
    pub position: Position,
    /// The running context.
    pub context: ContextId,
    /// The top of the stack, the top element first.
    pub stack: &'a [Felt; MIN_STACK_DEPTH],
}

/// A tracer that keeps nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoTrace;

impl Tracer for NoTrace {
    const ENABLED: bool = false;
}

/// The state of the machine at the start of a cycle.
#[derive(Debug, Clone, Copy)]
pub struct RowState<'a> {
    /// The cycle.
    pub clk: u32,
    /// The running context: domain and index.
    pub context: ContextId,
    /// `true` if the context was entered by a syscall.
    pub in_syscall: bool,
    /// Index of the installed instance whose calls the running one has adopted.
    pub adopted: Option<u16>,
    /// The domain into which shared calls go: the context's own, but for a fresh instance its caller's.
    pub home: u32,
    /// Hash of the function that was called to enter the context; zero in a program's main.
    pub fn_hash: &'a Word,
    /// The top of the stack, the top element first.
    pub stack: &'a [Felt; MIN_STACK_DEPTH],
    /// Depth of the stack in the running context.
    pub depth: u32,
    /// Cycle at which the topmost overflown element of the context overflowed; 0 if none.
    pub overflow_pointer: u32,
    /// The boundaries between contexts that were crossed last.
    pub marks: Marks,
    /// The place in the code.
    pub(crate) position: Position,
    /// The code.
    pub(crate) forests: &'a Forests,
}

impl RowState<'_> {
    /// Returns `true` if the node that begins is a procedure, given that one has its digest: not if its forest has the
    /// procedure as another node, so that this one is code that only equals it. Equal code without debug
    /// information is one node, and then a procedure wherever it is executed.
    pub fn is_procedure(&self) -> bool {
        let (Some(forest), Some(id)) = (self.position.forest, self.position.node) else {
            return true;
        };
        let forest = self.forests.get(forest);
        let digest = |id| forest.get_node_by_id(id).map(MastNodeExt::digest);
        let mut roots = forest.procedure_roots().iter();
        forest.is_procedure_root(id) || !roots.any(|&root| digest(root) == digest(id))
    }
}

/// The kind of a row: what its cycle does.
#[derive(Debug, Clone, Copy)]
pub enum RowKind<'a> {
    /// An operation of a basic block.
    Op(OpRow),
    /// A node begins.
    Start(StartRow<'a>),
    /// A CALL node that is an intrinsic's. Unless a destructor is called, the next row ends it.
    Intrinsic(IntrinsicRow),
    /// The next batch of a basic block begins.
    Respan {
        /// Position of the batch in the block, from 1.
        batch: usize,
        /// Its eight groups.
        groups: &'a [Felt; OP_BATCH_SIZE],
    },
    /// A loop's body begins once more.
    Repeat {
        /// Digest of the loop node.
        digest: Word,
        /// Digest of its body.
        body: Word,
    },
    /// A node ends.
    End(EndRow),
}

impl RowKind<'_> {
    /// The opcode that Miden VM gives to the row.
    pub fn opcode(&self) -> u8 {
        match self {
            Self::Op(row) => row.op.op_code(),
            Self::Start(row) => row.kind.opcode(),
            Self::Intrinsic(_) => miden_core::OPCODE_CALL,
            Self::Respan { .. } => miden_core::OPCODE_RESPAN,
            Self::Repeat { .. } => miden_core::OPCODE_REPEAT,
            Self::End(_) => miden_core::OPCODE_END,
        }
    }
}

/// An operation of a basic block, with its place in the block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpRow {
    /// The operation, with its immediate.
    pub op: Operation,
    /// Position of the batch in the block.
    pub batch: usize,
    /// Position of the group in the batch.
    pub group: usize,
    /// Position of the operation in the group; 0 where a group starts.
    pub index: usize,
}

/// The first row of an intrinsic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntrinsicRow {
    /// Digest of the CALL node.
    pub digest: Word,
    /// The procedure that the node names.
    pub named: Word,
    /// The meaning of the call.
    pub call: IntrinsicCall,
    /// Number of the resource type; 0 if it has none. Of the one that installs instances: the number of
    /// those of the composition.
    pub resource: u32,
    /// Index of the type's definer; 0 if it has none.
    pub definer: u16,
    /// The type's destructor.
    pub destructor: Option<Word>,
    /// `true` if the destructor is called: then the next row is the [`StartRow`] of that call, with
    /// the digest, name and inputs of this node.
    pub destroys: bool,
    /// The state of the running instance, if the intrinsic asks who entered it.
    pub state: Option<InstanceState>,
}

impl IntrinsicRow {
    /// The resource type as the link table has it: its number + 1, or 0 if it has none. Of the intrinsic
    /// that installs instances: the first index that they can have; of one that saves the stack: how many
    /// elements are seen below the top.
    pub fn payload(&self) -> u32 {
        match self.call.intrinsic {
            intrinsic if intrinsic.installs() => self.resource,
            intrinsic if intrinsic.has_resource() => self.resource + 1,
            intrinsic => intrinsic.argument().into(),
        }
    }
}

/// Kinds of nodes that have rows of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NodeKind {
    /// A basic block.
    Block,
    /// Two nodes in sequence.
    Join,
    /// One of two nodes, by the top of the stack.
    Split,
    /// A node while the top of the stack is 1.
    Loop,
    /// A call into another context.
    Call,
    /// A call of the kernel.
    Syscall,
    /// A node found by the hash in memory.
    Dyn,
    /// A call into another context, of the procedure found by the hash in memory.
    Dyncall,
}

impl NodeKind {
    /// The opcode that Miden VM gives to the start of such a node.
    pub fn opcode(self) -> u8 {
        match self {
            Self::Block => miden_core::OPCODE_SPAN,
            Self::Join => miden_core::OPCODE_JOIN,
            Self::Split => miden_core::OPCODE_SPLIT,
            Self::Loop => miden_core::OPCODE_LOOP,
            Self::Call => miden_core::OPCODE_CALL,
            Self::Syscall => miden_core::OPCODE_SYSCALL,
            Self::Dyn => miden_core::OPCODE_DYN,
            Self::Dyncall => miden_core::OPCODE_DYNCALL,
        }
    }
}

/// The start of a node.
#[derive(Debug, Clone, Copy)]
pub struct StartRow<'a> {
    /// The kind of the node.
    pub kind: NodeKind,
    /// Its digest.
    pub digest: Word,
    /// The elements that the digest is the hash of: the children's digests, zeros after them; for a
    /// basic block the groups of its first batch.
    pub inputs: &'a [Felt; 8],
    /// For a basic block: all its batches.
    pub batches: &'a [OpBatch],
    /// For [NodeKind::Dyn] and [NodeKind::Dyncall]: the procedure found in memory. For calls: the
    /// procedure named by the node.
    pub callee: Option<Word>,
    /// For a node that enters a context: which one, and how.
    pub entered: Option<Entered>,
}

/// The end of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndRow {
    /// The kind of the node.
    pub kind: NodeKind,
    /// Its digest.
    pub digest: Word,
    /// `true` if the node is the body of a loop.
    pub is_loop_body: bool,
    /// For a loop: whether its body was executed.
    pub loop_entered: bool,
    /// For a node that entered a context: what the next row goes back to.
    pub frame: Option<Frame>,
    /// For the same in a composition: the state of the instance that is left, before that.
    pub left: InstanceState,
}

/// One access to user memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryAccess {
    /// The context.
    pub context: ContextId,
    /// The address; for a word access that of its first element.
    pub addr: u32,
    /// The cycle.
    pub clk: u32,
    /// `true` if the access is a write.
    pub is_write: bool,
    /// `true` if the access is to one element only.
    pub is_element: bool,
    /// The whole word after the access.
    pub word: Word,
}

/// Bitwise operations of two u32 values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BitwiseOp {
    /// Conjunction.
    And,
    /// Exclusive disjunction.
    Xor,
}

/// The values that HORNERBASE and HORNEREXT compute with besides the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Horner {
    /// The point at which the polynomial is evaluated.
    pub point: QuadFelt,
    /// For HORNERBASE the point's square, for HORNEREXT the rest of the word that the point is read
    /// with.
    pub other: QuadFelt,
    /// The accumulator after half of the coefficients.
    pub middle: QuadFelt,
}

/// The replacement of a node of a Merkle tree.
#[derive(Debug, Clone, Copy)]
pub struct MerkleUpdate<'a> {
    /// The node before.
    pub old_leaf: Word,
    /// The node after.
    pub new_leaf: Word,
    /// Its index.
    pub index: u64,
    /// Siblings on the way to the root; the same before and after.
    pub path: &'a MerklePath,
    /// The root before.
    pub old_root: Word,
    /// The root after.
    pub new_root: Word,
}
