//! The main columns of the tables.
//!
//! Each table has a struct of its columns: [`CoreRow`] (system, decoder, operand stack),
//! [`RangeRow`], [`HasherRow`], [`MemoryRow`], [`BitwiseRow`], [`ResourceRow`], [`RomRow`],
//! [`CircuitRow`] and [`InstanceRow`]. Every struct is `#[repr(C)]` and holds nothing but `T`, so a slice of cells is
//! borrowed as a row; nothing else computes column indices.

use core::mem::size_of;

use crate::algebra::Algebra;

/// Number of helper columns that an operation may use.
pub const NUM_HELPERS: usize = 6;
/// Number of operands of which a row shows that they are of 32 bits.
pub const NUM_OPERANDS: usize = 3;
/// Number of stack elements that are columns; the rest is in the overflow table.
pub const STACK_TOP: usize = 16;

/// The columns of the system, the decoder and the operand stack: one row a cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct CoreRow<T> {
    /// System columns.
    pub system: SystemCols<T>,
    /// The opcode, one-hot in three parts.
    pub op: OpcodeCols<T>,
    /// Decoder columns.
    pub decoder: DecoderCols<T>,
    /// Helper columns: what they hold depends on the operation.
    pub helpers: [T; NUM_HELPERS],
    /// Arithmetic on 32-bit integers: the lower 16 bits of the operands, from the top of the stack.
    pub operands: [T; NUM_OPERANDS],
    /// Operand stack columns.
    pub stack: StackCols<T>,
}

/// Clock and execution context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct SystemCols<T> {
    /// The row's number.
    pub clk: T,
    /// Domain of the running instance: 0, or the cycle + 1 of the call that began it, or what makes its
    /// id of the index that it has adopted; -1 while the kernel runs.
    pub domain: T,
    /// Index of the instance whose calls those of the running one are: its own, unless it has adopted
    /// another one's; 0 in an open program; `KERNEL_SOURCE` while the kernel runs. The id of the context
    /// follows from both, and is the same whatever is adopted: the root's in the kernel.
    pub index: T,
    /// The domain into which shared calls go and in which the resource types live: that of the
    /// running instance, but for a fresh one its caller's.
    pub home: T,
    /// Digest of the procedure that the context was entered with; zero in the root.
    pub fn_hash: [T; 4],
    /// The last boundary that was crossed (call, return, destructor): its cycle + 1; `ROOT_MARK`
    /// before the first one.
    pub mark: T,
    /// The mark under which the tokens were sent that can be received now: the caller's, or the
    /// callee's with a minus sign. 0 if the last boundary lets no token pass.
    pub sender: T,
}

/// A 7-bit opcode as three one-hot groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct OpcodeCols<T> {
    /// The upper 3 bits.
    pub hi: [T; 8],
    /// The middle 2 bits.
    pub mid: [T; 4],
    /// The lower 2 bits.
    pub lo: [T; 4],
}

/// Decoder columns.
///
/// On rows that are not operations of a basic block, `registers`, `group`, `position` and
/// `group_start` hold what the row's kind says, see [`CallCols`] and [`IntrinsicCols`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct DecoderCols<T> {
    /// 1 on the operations of a basic block.
    pub in_block: T,
    /// 1 on CALL and DYNCALL rows.
    pub call: T,
    /// 1 on HORNERBASE, HORNEREXT and FRIE2F4 rows.
    pub polynomial: T,
    /// Id of the enclosing block: the cycle + 1 of the row that began it, 0 outside the program.
    pub block: T,
    /// Row at which the hasher begins the (last batch of the) hash of the enclosing block.
    pub address: T,
    /// Batch registers: the operation groups and immediates still to come, or what a node hashes.
    pub registers: [T; 8],
    /// The rest of the current operation group after this row's operation.
    pub group: T,
    /// Position of the operation in its group, as two ternary digits (low, high).
    pub position: [T; 2],
    /// 1 on the first operation of a group.
    pub group_start: T,
}

/// Operand stack columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct StackCols<T> {
    /// The top of the stack, element 0 being the topmost.
    pub top: [T; STACK_TOP],
    /// Depth of the stack in this context, at least 16.
    pub depth: T,
    /// Cycle at which the topmost overflow entry of this context was pushed, 0 if there is none.
    pub overflow_ptr: T,
    /// Inverse of `depth - 16`, or anything if that is zero.
    pub depth_inv: T,
    /// 1 if the overflow table of this context is not empty.
    pub overflowed: T,
    /// 1 if the operation shifts the stack left by one (DYNCALL aside).
    pub shift_left: T,
    /// 1 if the operation shifts the stack right by one.
    pub shift_right: T,
}

/// Tables of facts about small numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct RangeRow<T> {
    /// High byte of a 16-bit number.
    pub hi: T,
    /// Low byte of the number.
    pub lo: T,
    /// The number of lookups of this row's number.
    pub multiplicity: T,
    /// The byte table: 0 to 255, in steps of 0 or 1.
    pub byte: T,
    /// The number of lookups of the byte.
    pub byte_multiplicity: T,
}

/// A row of the hasher: the RPO state before a round (rows 0 to 6) or after the last one (row 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct HasherRow<T> {
    /// The row's number, which is its address.
    pub address: T,
    /// The state: capacity (0..4), then rate (4..12).
    pub state: [T; 12],
    /// Rows 0 to 6: cube of `MDS(state) + ARK1`, by lane. Row 7: see [`CycleEnd`].
    pub cube_in: [T; 12],
    /// Rows 0 to 6: cube of the next row's state, by lane. Row 7: unused.
    pub cube_out: [T; 12],
    /// The number of lookups of the cycle. Row 0: \[input or absorbed block, -\]; row 7: \[digest,
    /// whole output\]; unused on the other rows, and on cycles that nobody looks up.
    pub multiplicity: [T; 2],
    /// 1 on the cycles that absorb a further batch of a basic block.
    pub absorb: T,
    /// 1 on the cycles that are one level of a Merkle path.
    pub merkle: T,
    /// 1 on the cycles that initialize memory with a block of static data.
    pub init: T,
    /// Constant over a cycle; see [`MerkleArgs`] and [`InitArgs`].
    pub args: [T; 9],
}

/// The cells that row 7 of a hasher cycle keeps in `cube_in`, which has no round to serve there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct CycleEnd<T> {
    /// 1 if the next cycle continues this Merkle path.
    pub open_merkle: T,
    /// 1 if the next cycle goes on with this segment.
    pub open_init: T,
    /// With `index_witness`: shows that the index at level 32 is not `2^32 - 1`.
    pub level_witness: T,
    /// See `level_witness`.
    pub index_witness: T,
    /// `63 - level` on a Merkle cycle, 0 on the others; range-checked.
    pub levels_left: T,
}

/// The hasher's arguments on the cycles of a Merkle path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct MerkleArgs<T> {
    /// Id of the path: the row at which it begins; for the second leg of an update, that of the
    /// first leg.
    pub path: T,
    /// 1 on the first leg of an update.
    pub old_leg: T,
    /// 1 on the second leg of an update.
    pub new_leg: T,
    /// Level above the leaf, from 0.
    pub level: T,
    /// The rest of the node's index at this level.
    pub index: T,
    /// Lowest bit of `index`: whether the node is the right child.
    pub bit: T,
    /// 1 on the first cycle of a leg.
    pub start: T,
    /// `start * (1 - new_leg)`: the cycle at which the path gets its id.
    pub names_path: T,
    /// 1 on the last cycle of a leg.
    pub end: T,
}

/// The hasher's arguments on the cycles that initialize memory with static data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct InitArgs<T> {
    /// Memory context of the instance, see `lookup::context_key`.
    pub context: T,
    /// Index of the instance.
    pub instance: T,
    /// Time of the writes: the cycle of the instance's creation + 1, 0 for the root.
    pub time: T,
    /// Number of the segment within the instance.
    pub segment: T,
    /// First address of the segment.
    pub address: T,
    /// Number of blocks of the segment that came before this one.
    pub block: T,
    /// 1 on the first block of a segment.
    pub first: T,
    /// 1 on the last block of a segment.
    pub last: T,
    /// 1 if no segment of the instance follows.
    pub done: T,
}

/// A row of the bitwise table: the odd row of a pair has the lower 16 bits, the even one after it the
/// upper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct BitwiseRow<T> {
    /// Bits of the first operand, lowest first.
    pub a: [T; 16],
    /// Bits of the second operand, lowest first.
    pub b: [T; 16],
    /// Odd rows: result of the operation. Even rows: unused, as the cells below.
    pub result: T,
    /// Odd rows: 0 for AND, 1 for XOR.
    pub xor: T,
    /// Odd rows: how often the operation is looked up.
    pub multiplicity: T,
}

/// A row of the memory: one access, or a read that nobody made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct MemoryRow<T> {
    /// Memory context: instance and space, see `lookup::context_key`.
    pub context: T,
    /// Address of the word divided by 4, as 16-bit limbs, low first.
    pub word: [T; 2],
    /// Cycle + 1; 0 for what the verifier supplies.
    pub time: T,
    /// 1 for a write.
    pub is_write: T,
    /// 1 for an access of the whole word.
    pub whole: T,
    /// One-hot: which element of the word is accessed.
    pub element: [T; 4],
    /// The word after the access.
    pub value: [T; 4],
    /// The accessed element, 0 for an access of the word.
    pub element_value: T,
    /// 1 if the context differs from the previous row's.
    pub new_context: T,
    /// 1 if the context is the same and the word is another one.
    pub new_word: T,
    /// Distance from the previous row, as 16-bit limbs, low first.
    pub delta: [T; 3],
}

/// A row of the ROM: a public record and how often it is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct RomRow<T> {
    /// 1 for a kernel procedure: `record` is its digest.
    pub kernel: T,
    /// 1 for a link: `record` is source, digest, kind, target, callee, payload.
    pub link: T,
    /// 1 for a data segment: `record` is instance, number, address, blocks, done, commitment.
    pub segment: T,
    /// The number of lookups of the record.
    pub multiplicity: T,
    /// The record.
    pub record: [T; 12],
}

/// A row of the evaluation of an arithmetic circuit: its start, a word of variables, a word of
/// instructions, or a gate.
///
/// Values are elements of the quadratic extension, lower coefficient first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct CircuitRow<T> {
    /// Memory context, see `lookup::context_key`.
    pub context: T,
    /// Gates: upper 16 bits of `right_id - id - 1`; range-checked.
    pub right_gap_high: T,
    /// The cycle of the operation + 1.
    pub time: T,
    /// Number of the circuit's gates.
    pub num_eval: T,
    /// Address of the next word.
    pub address: T,
    /// Number of the next wire: the first variable's on rows of variables, the gate's on gates.
    pub id: T,
    /// 1 on the first row of an evaluation.
    pub start: T,
    /// 1 on rows of two variables.
    pub read: T,
    /// 1 on rows of four instructions.
    pub fetch: T,
    /// One-hot on gates: which of the four instructions is the gate's.
    pub gate: [T; 4],
    /// 1 on the last row of an evaluation.
    pub end: T,
    /// Gates: 1 for a product.
    pub mul: T,
    /// Gates: 1 for a sum; neither is a difference.
    pub add: T,
    /// Gates: `left_id - id - 1`, as 16-bit limbs, low first; range-checked.
    pub left_gap: [T; 2],
    /// Gates: lower 16 bits of `right_id - id - 1`; range-checked.
    pub right_gap_low: T,
    /// The word of memory: two variables, or four instructions, which go along with their gates.
    pub word: [T; 4],
    /// Gates: the result.
    pub value: [T; 2],
    /// The number of lookups of each of the row's wires: the two variables, or the gate and
    /// nothing.
    pub multiplicity: [T; 2],
    /// Gates: number of the left operand's wire.
    pub left_id: T,
    /// Gates: the left operand.
    pub left: [T; 2],
    /// Gates: number of the right operand's wire.
    pub right_id: T,
    /// Gates: the right operand.
    pub right: [T; 2],
}

/// A row of the instances that a program installs: a block of a component's record, an event, or a
/// link that follows from records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct InstanceRow<T> {
    /// The kind of the row, one-hot; padding has none.
    pub op: InstanceOps<T>,
    /// Blocks: 1 on the last one of a record, or of code. Wire: 1 for the last import. Specific: 1 for handles to an instance
    /// that shows by an export to be there.
    pub last: T,
    /// Install: 1 if there are imports. Installs: 1 if it is of one procedure. Procedures: 1 for the first block. Import: 1 for a procedure for handles. Resolved: 1 if the instance that it
    /// is wired to defines types. Generic, specific: 1 for a call of what is held. Builtin: 1 if it tells components.
    /// Segment: 1 for the last one. Procedures for handles of types: 1 for a type of the component's own. Whole: 1 if
    /// the instance that it is wired to defines types.
    pub flag: T,
    /// Index of the instance.
    pub index: T,
    /// Blocks: the row at which the hasher absorbs the block.
    pub address: T,
    /// Blocks: number of blocks to come. Wire: number of imports that were not wired before. Specific:
    /// number of the resource type + 1, 0 for a call. Procedures: number of blocks before.
    pub left: T,
    /// Commitment of the component.
    pub commitment: [T; 4],
    /// The block. Specific: the meaning of the link.
    pub block: [T; 8],
    /// The number of lookups of what the row states.
    pub multiplicity: T,
    /// Index of the instance that a link leads to. Procedures for handles of types: that of the definer.
    pub target: T,
    /// Wire, resolved: domain of that instance. Specific, tell: 1 if the instance defines types. Procedures for
    /// handles of types: 1 if the type has a destructor.
    pub domain: T,
    /// The digest that is executed there, or the destructor. Other rows keep their witnesses here.
    pub callee: [T; 4],
    /// 1 if the target has static data. Install: the number of instances of the composition. Procedures for
    /// handles of types: number of the type + 1.
    pub payload: T,
    /// The request of an intrinsic's row.
    pub request: AskedCells<T>,
}

/// The kinds of rows of the installed instances, a flag for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct InstanceOps<T> {
    /// An instance is installed: the first block of its component's record.
    pub install: T,
    /// A block: a resource type.
    pub types: T,
    /// A block: an import, or a procedure for handles of a type, that nobody calls.
    pub import: T,
    /// A block: an import, and the link that its wire makes of it.
    pub resolved: T,
    /// A block: a procedure of the component's own.
    pub own: T,
    /// A block: a call of what is held, or a procedure for handles to instances.
    pub generic: T,
    /// A block: another procedure of the VM.
    pub builtin: T,
    /// A block: `new` or `rep` of a type of the component's own.
    pub makes: T,
    /// A block: a procedure that drops handles of a type.
    pub drops: T,
    /// A block: a procedure that sends handles of a type, or receives own ones.
    pub passes: T,
    /// A block: a procedure that receives borrows of a type.
    pub borrows: T,
    /// A block: an export.
    pub export: T,
    /// A block: a segment of static data.
    pub segment: T,
    /// An import of an instance is wired.
    pub wire: T,
    /// A generic link for one instance.
    pub specific: T,
    /// The commitment of an instance's component is told.
    pub tell: T,
    /// Who owns an instance takes its calls over.
    pub adopt: T,
    /// An instance of code, or of one procedure, is installed.
    pub installs: T,
    /// A block of code: the digests of two procedures.
    pub procedures: T,
    /// The only procedure of an instance.
    pub procedure: T,
    /// A link that follows from the import of a whole instance.
    pub whole: T,
}

/// The cells in which types, calls and exports of a record keep what shows their order: those of a request, which
/// they have no use for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct OrderCells<T> {
    /// 16-bit limbs of the digest's first element, or of the key, low first.
    pub limbs: [T; 4],
    /// 16-bit limbs, low first, of how much greater the lower three of those are than the ones of the block
    /// before, minus 1; 0 for the first type, the first call and the first export.
    pub gap: [T; 3],
    /// Inverse of how far the upper two limbs are from the greatest ones, or 0.
    pub upper_inv: T,
    /// 1 unless they are the greatest ones.
    pub is_below: T,
}

/// The even row of an operation on a resource table: what is asked, and what is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct ResourceRow<T> {
    /// The operation, one-hot.
    pub op: ResourceOps<T>,
    /// Drop: 1 for an own handle; send, receive: 1 for the ownership; memory: 1 for a write.
    pub own: T,
    /// Drop: 1 if the running instance defines the type.
    pub by_definer: T,
    /// Drop: 1 if the type has a destructor.
    pub destructible: T,
    /// Receive: 1 if the token comes from a callee.
    pub back: T,
    /// 1 if a handle leaves the table.
    pub frees: T,
    /// 1 if a destructor is called next.
    pub destroys: T,
    /// 1 if no entry is free, so that a new handle makes the table longer.
    pub grows: T,
    /// Inverse of the free list's head, or anything if that is zero.
    pub free_inv: T,
    /// Memory: 16-bit limbs of the context, low first.
    pub limbs: [T; 3],
    /// If a handle leaves the table: inverse of the current mark minus the one it was lent under.
    /// Memory: inverse of the length of the table of the instance whose memory it is.
    pub witness: T,
    /// Position of the handle in the table.
    pub handle: T,
    /// State of the running instance before. Memory: of the instance whose memory it is.
    pub state: [T; 4],
    /// The entry before.
    pub entry: [T; 4],
    /// The request.
    pub request: TableRequestCells<T>,
}

/// The operations on resource tables, a flag for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct ResourceOps<T> {
    /// Makes an own handle.
    pub new: T,
    /// Reads what a handle stands for.
    pub rep: T,
    /// Removes a handle.
    pub drop: T,
    /// Makes a token of a handle.
    pub send: T,
    /// Makes a handle of a token.
    pub receive: T,
    /// Reads what a token stands for, a borrow of the definer's.
    pub receive_rep: T,
    /// Accesses memory for the kernel.
    pub memory: T,
    /// Discards a token that nobody receives.
    pub discard: T,
}

/// The request that an intrinsic's row makes of the resource tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct TableRequestCells<T> {
    /// Who asks, when, and with what.
    pub asked: AskedCells<T>,
    /// Meaning of the call: the code of a link's kind, or of an intrinsic's call.
    pub kind: T,
    /// 1 if a destructor is called next.
    pub destroys: T,
    /// Number of the resource type + 1.
    pub resource: T,
}

/// Who asks something by an intrinsic, when, and with what: of the resource tables, or of the installed
/// instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct AskedCells<T> {
    /// Cycle + 1.
    pub time: T,
    /// Id of the running context.
    pub context: T,
    /// Id of the context, in the home domain of the running instance, of the resource type's definer; of the
    /// root if there is no type.
    pub home: T,
    /// The current mark.
    pub mark: T,
    /// The mark under which tokens were sent that can be received.
    pub sender: T,
    /// The top of the stack before.
    pub input: T,
    /// The top of the stack after.
    pub output: T,
    /// The element below the top.
    pub second: T,
    /// The element below that.
    pub third: T,
}

/// The odd row of an operation on a resource table: what becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct ResourceOutcome<T> {
    /// 1 if the state is written.
    pub writes_state: T,
    /// 1 if the entry is written.
    pub writes_entry: T,
    /// 1 if a token is made.
    pub puts: T,
    /// 1 if a token is used up.
    pub takes: T,
    /// 1 if the definer must not be running.
    pub guards: T,
    /// 1 if memory is accessed for the kernel.
    pub accesses: T,
    /// Cycle + 1.
    pub time: T,
    /// Id of the running context; memory: of the context whose memory it is.
    pub context: T,
    /// Id of the definer's context.
    pub home: T,
    /// Position of the handle in the table.
    pub handle: T,
    /// State of the running instance after.
    pub state: [T; 4],
    /// The entry after.
    pub entry: [T; 4],
    /// The token.
    pub token: TokenCells<T>,
    /// The rest of the definer's state when it does not run: free list, length, borrows.
    pub home_state: [T; 3],
    /// The address in memory.
    pub address: T,
    /// 1 for a write of memory.
    pub is_write: T,
    /// The element in memory.
    pub value: T,
}

/// A handle on its way across a boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct TokenCells<T> {
    /// The cycle at which it was sent + 1.
    pub id: T,
    /// The mark under which it was sent.
    pub mark: T,
    /// Number of the resource type + 1.
    pub resource: T,
    /// 1 if it carries the ownership.
    pub own: T,
    /// The representation that the handle stands for.
    pub rep: T,
}

/// The cells that the first row of an intrinsic keeps in columns that other rows use otherwise. The
/// rows that call a destructor keep the same in the same cells.
#[derive(Debug, Clone, Copy)]
pub struct IntrinsicCols<T> {
    /// The digest that the call names.
    pub named: [T; 4],
    /// Meaning of the call: the code of a link's kind, or of an intrinsic's call.
    pub kind: T,
    /// Index of the instance that defines the resource type.
    pub definer: T,
    /// The destructor; zero if there is none.
    pub destructor: [T; 4],
    /// Number of the resource type + 1; of an intrinsic that has none, 0, or what else its link says: how many
    /// elements are seen below the top of a stack that is saved.
    pub resource: T,
    /// On CALLER_ID rows the state of the running instance, but for who entered it: free list, table
    /// length, borrows. 0 on the others.
    pub state: [T; 3],
    /// On the first row: inverse of the product of how far `kind` is from those of the intrinsics that save and
    /// restore, 0 if it is one of them. On the rows that call a destructor: inverse of the cycle, which
    /// shows that there is a row before.
    pub witness: T,
    /// 1 if the calls of the running instance are those of another one from here on.
    pub adopts: T,
    /// On the first row: inverse of how far `kind` is from that of an intrinsic which adopts, 0 if it is
    /// that.
    pub kind_inv: T,
    /// A cell that is zero.
    pub unused: T,
    /// 1 if the row puts all of the stack but its top out of reach.
    pub saves: T,
    /// 1 if the row puts back below the top what was saved last.
    pub restores: T,
    /// The cell that calls keep a domain in; 0, as the links of intrinsics say.
    pub domain: T,
}

impl<T: Algebra> IntrinsicCols<T> {
    /// 1 if the row saves or restores; degree 1.
    #[inline(always)]
    pub fn changes_stack(&self) -> T {
        self.saves + self.restores
    }
}

/// The cells that CALL, DYNCALL and SYSCALL rows, and those that call a destructor, keep in columns
/// that other rows use otherwise.
#[derive(Debug, Clone, Copy)]
pub struct CallCols<T> {
    /// The digest that the call names.
    pub named: [T; 4],
    /// The digest that is executed.
    pub callee: [T; 4],
    /// The caller's depth to come back to.
    pub saved_depth: T,
    /// The caller's overflow pointer to come back to.
    pub saved_overflow_ptr: T,
    /// Index of the instance that is entered.
    pub target: T,
    /// 1 if the call goes to the instance of the caller's home domain. With `fresh`, it goes to one
    /// that the caller holds.
    pub shared: T,
    /// 1 if the call goes to a new instance that has the caller's home domain.
    pub fresh: T,
    /// 1 if the call creates the instance that it enters.
    pub creates: T,
    /// 1 if the target has static data.
    pub has_data: T,
    /// Free-list head of the target's resource table.
    pub free: T,
    /// Length of the target's resource table; 0 if the instance was never created.
    pub table_len: T,
    /// Inverse of `table_len`, or 0.
    pub table_len_inv: T,
    /// The domain of the instance that the link leads to, if that is one which the program has made and an
    /// import is wired to; else 0.
    pub domain: T,
}

/// The cells that END rows keep in columns that other rows use otherwise.
#[derive(Debug, Clone, Copy)]
pub struct EndCols<T> {
    /// Digest of the block that ends.
    pub digest: [T; 4],
    /// 1 if the block is the body of a loop.
    pub loop_body: T,
    /// 1 if the block is a loop that was entered.
    pub entered_loop: T,
    /// 1 if the block is a CALL or DYNCALL.
    pub call: T,
    /// 1 if the block is the first child of a join.
    pub first_child: T,
    /// 1 if the block is a SYSCALL.
    pub syscall: T,
    /// 1 if the block is a shared or a fresh call: tokens pass its boundaries.
    pub passes_tokens: T,
    /// 1 if the block is a destructor that runs in its dropper's own context.
    pub own_destructor: T,
    /// After a call in a composition: who the callee was entered by (context id + 1).
    pub entered_by: T,
    /// Free-list head of the callee's resource table.
    pub free: T,
    /// Length of the callee's resource table.
    pub table_len: T,
}

impl<T: Algebra> CallCols<T> {
    /// 1 if the instance that is entered has the caller's home domain: any but an isolated call;
    /// degree 2.
    #[inline(always)]
    pub fn keeps_home(&self) -> T {
        self.shared + self.fresh - self.holds()
    }

    /// 1 if the call goes to an instance that the caller holds; degree 2.
    #[inline(always)]
    pub fn holds(&self) -> T {
        self.shared * self.fresh
    }
}

impl<T: Algebra> EndCols<T> {
    /// 1 if the block is a call of any kind, by which a context was entered; degree 1.
    #[inline(always)]
    pub fn any_call(&self) -> T {
        self.call + self.syscall + self.own_destructor
    }
}

impl<T: Copy> CoreRow<T> {
    /// The row's columns as a CALL, DYNCALL or SYSCALL row names them.
    #[inline(always)]
    pub fn as_call(&self) -> CallCols<T> {
        let r = &self.decoder.registers;
        let h = &self.helpers;
        CallCols {
            named: [r[0], r[1], r[2], r[3]],
            table_len_inv: r[4],
            free: r[5],
            table_len: r[6],
            fresh: r[7],
            saved_depth: h[0],
            saved_overflow_ptr: h[1],
            callee: [h[2], h[3], h[4], h[5]],
            target: self.decoder.group,
            shared: self.decoder.position[0],
            creates: self.decoder.position[1],
            has_data: self.decoder.group_start,
            domain: self.operands[2],
        }
    }

    /// Writes the columns of a CALL, DYNCALL or SYSCALL row.
    pub fn set_call(&mut self, call: CallCols<T>) {
        let [n0, n1, n2, n3] = call.named;
        let [c0, c1, c2, c3] = call.callee;
        self.decoder.registers = [
            n0,
            n1,
            n2,
            n3,
            call.table_len_inv,
            call.free,
            call.table_len,
            call.fresh,
        ];
        self.helpers = [call.saved_depth, call.saved_overflow_ptr, c0, c1, c2, c3];
        self.decoder.group = call.target;
        self.decoder.position = [call.shared, call.creates];
        self.decoder.group_start = call.has_data;
        self.operands[2] = call.domain;
    }

    /// The row's columns as an intrinsic's rows name them.
    #[inline(always)]
    pub fn as_intrinsic(&self) -> IntrinsicCols<T> {
        let r = &self.decoder.registers;
        let h = &self.helpers;
        IntrinsicCols {
            named: [r[0], r[1], r[2], r[3]],
            kind: self.decoder.position[0],
            definer: self.decoder.group,
            destructor: [h[2], h[3], h[4], h[5]],
            resource: self.decoder.group_start,
            witness: r[4],
            state: [r[5], r[6], h[0]],
            adopts: self.decoder.position[1],
            kind_inv: h[1],
            unused: r[7],
            saves: self.operands[0],
            restores: self.operands[1],
            domain: self.operands[2],
        }
    }

    /// The row's columns as an END row names them.
    #[inline(always)]
    pub fn as_end(&self) -> EndCols<T> {
        let r = &self.decoder.registers;
        let h = &self.helpers;
        EndCols {
            digest: [r[0], r[1], r[2], r[3]],
            entered_by: r[4],
            free: r[5],
            table_len: r[6],
            loop_body: h[0],
            entered_loop: h[1],
            call: h[2],
            first_child: h[3],
            syscall: h[4],
            own_destructor: h[5],
            passes_tokens: r[7],
        }
    }

    /// Writes the columns of an END row.
    pub fn set_end(&mut self, end: EndCols<T>) {
        let [d0, d1, d2, d3] = end.digest;
        self.decoder.registers = [
            d0,
            d1,
            d2,
            d3,
            end.entered_by,
            end.free,
            end.table_len,
            end.passes_tokens,
        ];
        self.helpers = [
            end.loop_body,
            end.entered_loop,
            end.call,
            end.first_child,
            end.syscall,
            end.own_destructor,
        ];
    }
}

impl<T: Copy> InstanceOps<T> {
    /// The kinds of the blocks of a record but the first.
    #[inline(always)]
    pub fn blocks_after_first(&self) -> [T; 12] {
        let [
            import,
            resolved,
            own,
            generic,
            builtin,
            makes,
            drops,
            passes,
            borrows,
        ] = self.calls();
        [
            self.types,
            import,
            resolved,
            own,
            generic,
            builtin,
            makes,
            drops,
            passes,
            borrows,
            self.export,
            self.segment,
        ]
    }

    /// The kinds of the blocks of a record that say what calls mean.
    #[inline(always)]
    pub fn calls(&self) -> [T; 9] {
        let [makes, drops, passes, borrows] = self.for_handles();
        [
            self.import,
            self.resolved,
            self.own,
            self.generic,
            self.builtin,
            makes,
            drops,
            passes,
            borrows,
        ]
    }

    /// The kinds of the blocks of a record that are procedures for handles of types.
    #[inline(always)]
    pub fn for_handles(&self) -> [T; 4] {
        [self.makes, self.drops, self.passes, self.borrows]
    }
}

impl<T> InstanceRow<T> {
    /// The cells that show the order of a type, a call or an export.
    #[inline(always)]
    pub fn order(&self) -> &OrderCells<T> {
        view(cells_of(&self.request))
    }

    /// The cells that show the order of a type, a call or an export, to be written.
    pub fn order_mut(&mut self) -> &mut OrderCells<T> {
        view_mut(cells_of_mut(&mut self.request))
    }
}

impl<T> ResourceRow<T> {
    /// The cells as those of an odd row.
    #[inline(always)]
    pub fn outcome(&self) -> &ResourceOutcome<T> {
        view(cells_of(self))
    }

    /// The cells as those of an odd row, to be written.
    pub fn outcome_mut(&mut self) -> &mut ResourceOutcome<T> {
        view_mut(cells_of_mut(self))
    }
}

impl<T> HasherRow<T> {
    /// The arguments of a Merkle cycle.
    #[inline(always)]
    pub fn merkle_args(&self) -> &MerkleArgs<T> {
        view(&self.args)
    }

    /// Returns the cells that row 7 keeps besides the state.
    #[inline(always)]
    pub fn cycle_end(&self) -> &CycleEnd<T> {
        view(&self.cube_in)
    }

    /// Returns the cells that row 7 keeps besides the state, to be written.
    pub fn cycle_end_mut(&mut self) -> &mut CycleEnd<T> {
        view_mut(&mut self.cube_in)
    }

    /// The arguments of an initializing cycle.
    #[inline(always)]
    pub fn init_args(&self) -> &InitArgs<T> {
        view(&self.args)
    }

    /// The arguments of a Merkle cycle, to be written.
    pub fn merkle_args_mut(&mut self) -> &mut MerkleArgs<T> {
        view_mut(&mut self.args)
    }

    /// The arguments of an initializing cycle, to be written.
    pub fn init_args_mut(&mut self) -> &mut InitArgs<T> {
        view_mut(&mut self.args)
    }
}

/// Structs of `#[repr(C)]` that hold nothing but `T`.
///
/// # Safety
/// An implementor must be `#[repr(C)]` and consist of `T`s alone, in (arrays of) fields of `T` and
/// of other implementors.
pub unsafe trait Cells<T>: Sized {
    /// Borrows a slice of as many cells as the struct has.
    ///
    /// # Panics
    /// Panics if the slice has another length.
    #[inline(always)]
    fn from_cells(cells: &[T]) -> &Self {
        assert_eq!(
            size_of::<Self>(),
            size_of_val(cells),
            "the number of cells is that of the columns"
        );
        view(cells)
    }

    /// A struct of equal cells.
    fn filled(cell: T) -> Self
    where
        T: Copy,
    {
        let mut row = core::mem::MaybeUninit::<Self>::uninit();
        let cells = size_of::<Self>() / size_of::<T>();
        let first = row.as_mut_ptr().cast::<T>();
        for i in 0..cells {
            // SAFETY: the struct is an array of `cells` cells.
            unsafe { first.add(i).write(cell) };
        }
        // SAFETY: all of its cells are written.
        unsafe { row.assume_init() }
    }
}

macro_rules! cells {
    ($($name:ident),*) => {
        $(
            // SAFETY: declared above with `#[repr(C)]` and fields of `T` only.
            unsafe impl<T> Cells<T> for $name<T> {}
        )*
    };
}
cells!(
    CoreRow,
    SystemCols,
    OpcodeCols,
    DecoderCols,
    StackCols,
    RangeRow,
    HasherRow,
    CycleEnd,
    MerkleArgs,
    InitArgs,
    BitwiseRow,
    ResourceRow,
    ResourceOps,
    TableRequestCells,
    ResourceOutcome,
    TokenCells,
    MemoryRow,
    RomRow,
    CircuitRow,
    InstanceRow,
    InstanceOps,
    AskedCells,
    OrderCells
);

/// A row in which every cell is the number of its column: the typed way to name columns.
pub fn column_numbers<R: Cells<usize>>() -> R {
    let mut row = R::filled(0);
    for (number, cell) in cells_of_mut(&mut row).iter_mut().enumerate() {
        *cell = number;
    }
    row
}

/// Views the first cells of a slice as a struct of cells.
#[inline(always)]
pub(crate) fn view<T, S: Cells<T>>(cells: &[T]) -> &S {
    assert!(size_of::<S>() <= size_of_val(cells));
    // SAFETY: `S` consists of `T`s alone (`Cells`), so it has their alignment and no invalid values,
    // and the assertion above shows that the slice holds all of it.
    unsafe { &*cells.as_ptr().cast::<S>() }
}

/// Views the first cells of a slice as a struct of cells, to be written.
fn view_mut<T, S: Cells<T>>(cells: &mut [T]) -> &mut S {
    assert!(size_of::<S>() <= size_of_val(cells));
    // SAFETY: as in `view`; the borrow is unique.
    unsafe { &mut *cells.as_mut_ptr().cast::<S>() }
}

/// Views a struct of cells as the slice of its cells.
pub fn cells_of<T, S: Cells<T>>(row: &S) -> &[T] {
    // SAFETY: `S` consists of `T`s alone (`Cells`), so it is an array of them.
    unsafe {
        core::slice::from_raw_parts(
            (&raw const *row).cast::<T>(),
            size_of::<S>() / size_of::<T>(),
        )
    }
}

/// Views a struct of cells as the slice of its cells, to be written.
pub fn cells_of_mut<T, S: Cells<T>>(row: &mut S) -> &mut [T] {
    // SAFETY: as in `cells_of`; the borrow is unique.
    unsafe {
        core::slice::from_raw_parts_mut(
            (&raw mut *row).cast::<T>(),
            size_of::<S>() / size_of::<T>(),
        )
    }
}

/// Views rows as the slice of the cells of all of them.
pub fn cells_of_rows<T, S: Cells<T>>(rows: &[S]) -> &[T] {
    // SAFETY: `S` consists of `T`s alone (`Cells`), so it is an array of them, and so are the rows.
    unsafe {
        core::slice::from_raw_parts(
            rows.as_ptr().cast::<T>(),
            size_of_val(rows) / size_of::<T>(),
        )
    }
}

/// Views rows as the slice of the cells of all of them, to be written.
pub fn cells_of_rows_mut<T, S: Cells<T>>(rows: &mut [S]) -> &mut [T] {
    // SAFETY: as in `cells_of_rows`; the borrow is unique.
    unsafe {
        core::slice::from_raw_parts_mut(
            rows.as_mut_ptr().cast::<T>(),
            size_of_val(rows) / size_of::<T>(),
        )
    }
}
