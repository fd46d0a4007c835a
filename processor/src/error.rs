//! Why a run did not start, or did not finish.

use core::fmt;
use std::{error::Error, sync::Arc};

use miden_core::{
    EventId, EventName, Felt, Operation, QuadFelt, Word, mast::MastNodeId, stack::MIN_STACK_DEPTH,
};
use miden_cvm_air::{
    component::{ComponentError, MAX_PROCEDURES},
    composition::CompositionError,
    memory_io::ArgumentsError,
};
use thiserror::Error;

use crate::{
    advice::AdviceError, bulk::BulkLimitExceeded, context::ContextId, options::MAX_HANDLES,
};

/// An error from code of the host.
pub type HostError = Box<dyn Error + Send + Sync + 'static>;

/// Miden's name for what the handler of an event says.
pub type EventError = HostError;

/// Miden's name for what the handler of a debug decorator says.
pub type DebugError = HostError;

/// Miden's name for what the handler of a trace decorator says.
pub type TraceHandlerError = HostError;

/// Miden's name for what a host says of a failed assertion.
pub type AssertError = HostError;

/// The result of an operation that can fail: traps are rare and large, so they are boxed.
pub(crate) type OpResult<V = ()> = Result<V, Box<Trap>>;

/// Why a component cannot be installed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ComponentFault {
    /// The elements in the advice map are not those of the commitment.
    #[error("its record does not match the commitment")]
    Record,
    /// The elements are not a record.
    #[error("{0}")]
    Content(ComponentError),
    /// The elements are not digests of procedures.
    #[error(
        "its code is not the digests of 1 to {MAX_PROCEDURES} procedures one after the other, as it has {0} elements"
    )]
    Code(usize),
    /// A segment is not there as the record has it.
    #[error("its static data at address {address} {what}")]
    Data {
        /// The address of the segment.
        address: u32,
        /// The fault.
        what: &'static str,
    },
}

/// The program did not start, or did not finish.
#[derive(Debug, Error)]
pub enum ExecutionError {
    /// The program was refused before its first cycle.
    #[error("the program was not started: {0}")]
    Refused(#[from] Box<LoadError>),
    /// The run ended in a trap. Nothing of it can be proven.
    #[error("{0}")]
    Trapped(#[from] Box<TrapReport>),
}

impl ExecutionError {
    /// The trap that ended the run, unless the program was refused before.
    pub fn trap(&self) -> Option<&Trap> {
        match self {
            Self::Refused(_) => None,
            Self::Trapped(report) => Some(&report.trap),
        }
    }
}

/// A trap together with where and when it happened.
#[derive(Debug, Error)]
#[error("{trap}, at cycle {cycle} in {location}")]
pub struct TrapReport {
    /// The reason.
    #[source]
    pub trap: Trap,
    /// The cycle that could not be completed.
    pub cycle: u32,
    /// The place in the program.
    pub location: Location,
    /// The calls that led there, the innermost first: each is the place of the call, in the caller. Of
    /// very many only the innermost 256 are there.
    pub calls: Vec<Location>,
    /// The top of the operand stack: 16 elements, the top one first.
    pub stack: Vec<Felt>,
}

/// A place in a program, as far as its debug information tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Location {
    /// The instance of the composition that was running; `None` in an open program.
    pub instance: Option<u16>,
    /// `true` if the kernel was running.
    pub in_kernel: bool,
    /// The digests of the procedures that were being executed there, the innermost first; the last is
    /// the one that was called. So what debug information does not name can be found by its digest.
    pub procedures: Vec<Word>,
    /// The procedure, as the debug information names it.
    pub procedure: Option<String>,
    /// The source file.
    pub file: Option<String>,
    /// The line in the source file, from 1; known when the host has the file.
    pub line: Option<u32>,
    /// The instruction as it stands in the source.
    pub instruction: Option<String>,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.procedure {
            Some(procedure) => write!(f, "{procedure}")?,
            None => write!(f, "an unnamed procedure")?,
        }
        if let Some(instance) = self.instance {
            write!(f, " of instance {instance}")?;
        } else if self.in_kernel {
            write!(f, " of the kernel")?;
        }
        if let Some(file) = &self.file {
            write!(f, " ({file}")?;
            if let Some(line) = self.line {
                write!(f, ":{line}")?;
            }
            write!(f, ")")?;
        }
        if let Some(instruction) = &self.instruction {
            write!(f, " at `{instruction}`")?;
        }
        Ok(())
    }
}

/// Why a program was refused before its first cycle.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A process runs one program, once.
    #[error("a program has already been executed in this process")]
    ProgramAlreadyExecuted,
    /// The advice of the program contradicts the advice given to the run.
    #[error("the program's advice map cannot be loaded: {0}")]
    Advice(#[source] AdviceError),
    /// The composition breaks a rule.
    #[error("the composition is not valid: {0}")]
    Composition(#[source] CompositionError),
    /// An argument of the run does not go where it should, or there is no such place.
    #[error(transparent)]
    Arguments(ArgumentsError),
    /// The composition has more instances than the options of the run allow to exist.
    #[error("the composition has {instances} instances, above the limit of {max} instances")]
    TooManyInstances {
        /// The number of instances that it has.
        instances: u32,
        /// The limit.
        max: usize,
    },
    /// Static data of an instance is not in the advice map.
    #[error(
        "static data of instance {instance} at address {address} is missing: the advice map has \
         nothing under its commitment {}", .commitment.to_hex()
    )]
    StaticDataMissing {
        /// The instance.
        instance: u32,
        /// Where the data belongs.
        address: u32,
        /// The commitment to the data.
        commitment: Word,
    },
    /// The data that the advice map has under a commitment is not what was committed to.
    #[error(
        "static data of instance {instance} at address {address} does not match its commitment {}",
        .commitment.to_hex()
    )]
    StaticDataMismatch {
        /// The instance.
        instance: u32,
        /// Where the data belongs.
        address: u32,
        /// The commitment to the data.
        commitment: Word,
    },
    /// Static data has another length than its record says.
    #[error(
        "static data of instance {instance} at address {address} should have {expected} elements, \
         but has {actual}"
    )]
    StaticDataLength {
        /// The instance.
        instance: u32,
        /// Where the data belongs.
        address: u32,
        /// The length in the record.
        expected: u32,
        /// The length of the data.
        actual: usize,
    },
}

/// Why a run ended early.
///
/// Where Miden VM 0.20.6 has the same error, the variant has the same name.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Trap {
    /// An arithmetic circuit is malformed, or does not evaluate to zero.
    #[error("failed to evaluate an arithmetic circuit: {0}")]
    AceChipError(#[source] AceError),
    /// The advice provider could not give or take what was asked.
    #[error("advice provider error: {0}")]
    AdviceError(#[source] AdviceError),
    /// An external node led to another external node.
    #[error("external node with MAST root {} resolved to an external node", .0.to_hex())]
    CircularExternalNode(Word),
    /// The run took more cycles than its options allow.
    #[error("exceeded the allowed number of max cycles {0}")]
    CycleLimitExceeded(u32),
    /// A decorator is named that its forest does not have.
    #[error("decorator id {decorator} does not exist in its MAST forest")]
    DecoratorNotFoundInForest {
        /// The number of the decorator.
        decorator: u32,
    },
    /// The host failed on a debug decorator.
    #[error("debug handler error: {0}")]
    DebugHandlerError(#[source] HostError),
    /// The host failed on a trace decorator.
    #[error("trace handler error for trace id {trace_id}: {error}")]
    TraceHandlerError {
        /// The id of the trace decorator.
        trace_id: u32,
        /// The error of the host.
        #[source]
        error: HostError,
    },
    /// Division by zero, or the inverse of zero.
    #[error("division by zero")]
    DivideByZero,
    /// The procedure named in memory for a dynamic call is nowhere.
    #[error("no procedure with root {} was found to execute dynamically", .digest.to_hex())]
    DynamicNodeNotFound {
        /// The root that was looked for.
        digest: Word,
    },
    /// The host failed on an event.
    #[error("error during processing of event {}: {error}", display_event(*event_id, event_name))]
    EventError {
        /// The id of the event.
        event_id: EventId,
        /// Its name, where the host knows it.
        event_name: Option<EventName>,
        /// The error of the host.
        #[source]
        error: HostError,
    },
    /// An assertion failed.
    #[error("assertion failed with error {}{}", display_code(*err_code, err_msg), display_host(.error))]
    FailedAssertion {
        /// The error code of the assertion.
        err_code: Felt,
        /// The message of the code, where the program has it.
        err_msg: Option<Arc<str>>,
        /// The host's error.
        error: Option<HostError>,
    },
    /// FRIE2F4 was given a segment that is none of the four.
    #[error("FRI domain segment value cannot exceed 3, but was {0}")]
    InvalidFriDomainSegment(u64),
    /// FRIE2F4 was given a value of its segment that is not what the layer before was folded into.
    #[error("FRI layer folding is inconsistent: expected {0}, but was {1}")]
    InvalidFriLayerFolding(QuadFelt, QuadFelt),
    /// A callee left more on the stack than it found.
    #[error(
        "when returning from a call or dyncall, stack depth must be {MIN_STACK_DEPTH}, but was {depth}"
    )]
    InvalidStackDepthOnReturn {
        /// The depth at the return.
        depth: usize,
    },
    /// A stack is to be restored while there are elements beyond the least depth that came after the save.
    #[error(
        "`stack.restore` finds a stack of {depth} elements: as many as have been pushed since `stack.save` have \
         to be dropped, so that there are {MIN_STACK_DEPTH}"
    )]
    InvalidStackDepthOnRestore {
        /// The depth.
        depth: usize,
    },
    /// There is no stack to be restored in the running context.
    #[error("`stack.restore` has nothing to restore: this context has not saved its stack")]
    NothingSaved,
    /// A context ends that has saved its stack and not restored it.
    #[error("the stack was saved and is not restored where the call or the program ends")]
    SavedStackRemains,
    /// The logarithm of zero was asked for.
    #[error("attempted to calculate integer logarithm with zero argument")]
    LogArgumentZero,
    /// The host gave a forest that lacks the procedure it was asked for.
    #[error("MAST forest in host indexed by procedure root {} doesn't contain that root", .root_digest.to_hex())]
    MalformedMastForestInHost {
        /// The root that was looked for.
        root_digest: Word,
    },
    /// A node is named that its forest does not have.
    #[error("node id {node_id} does not exist in its MAST forest")]
    MastNodeNotFoundInForest {
        /// The number of the node.
        node_id: MastNodeId,
    },
    /// A memory access that is not allowed.
    #[error(transparent)]
    MemoryError(MemoryError),
    /// No forest of the host has the procedure of an external node.
    #[error("no MAST forest contains the procedure with root digest {}", .root_digest.to_hex())]
    NoMastForestWithProcedure {
        /// The root that was looked for.
        root_digest: Word,
    },
    /// A Merkle path does not lead from the node to the root.
    #[error("Merkle path verification failed for value {} at index {index} in the Merkle tree with root {} (error {})",
        .value.to_hex(), .root.to_hex(), display_code(*err_code, err_msg))]
    MerklePathVerificationFailed {
        /// The node.
        value: Word,
        /// Its index.
        index: Felt,
        /// The root.
        root: Word,
        /// The error code of the instruction.
        err_code: Felt,
        /// The message of the code, where the program has it.
        err_msg: Option<Arc<str>>,
    },
    /// The node to be updated is not what the program says it is.
    #[error("cannot update index {index} of the Merkle tree with root {}: its value is not {}",
        .root.to_hex(), .value.to_hex())]
    MerkleUpdateOfOtherNode {
        /// The old value as the program gave it.
        value: Word,
        /// The index of the node.
        index: Felt,
        /// The root before the update.
        root: Word,
    },
    /// The condition of an `if` is neither 0 nor 1.
    #[error("if statement expected a binary value on top of the stack, but got {value}")]
    NotBinaryValueIf {
        /// The condition.
        value: Felt,
    },
    /// An operand is neither 0 nor 1.
    #[error("operation expected a binary value, but got {value}")]
    NotBinaryValueOp {
        /// The operand.
        value: Felt,
    },
    /// The condition of a loop is neither 0 nor 1.
    #[error("loop condition must be a binary value, but got {value}")]
    NotBinaryValueLoop {
        /// The condition.
        value: Felt,
    },
    /// Operands do not fit in 32 bits.
    #[error(
        "operation expected u32 values, but got values: {values:?} (error code: {err_code}){}",
        .err_msg.iter().map(|message| format!(": {message}")).collect::<String>()
    )]
    NotU32Values {
        /// The operands that do not fit.
        values: Vec<Felt>,
        /// The error code of the instruction.
        err_code: Felt,
        /// The message of the code, where the program has it.
        err_msg: Option<Arc<str>>,
    },
    /// The stack was deeper than 16 when the program ended.
    #[error("stack should have at most {MIN_STACK_DEPTH} elements at the end of program execution, but had {}", MIN_STACK_DEPTH + .0)]
    OutputStackOverflow(usize),
    /// A syscall to a procedure that the kernel does not have.
    #[error("syscall failed: procedure with root {} was not found in the kernel", .proc_root.to_hex())]
    SyscallTargetNotInKernel {
        /// The root that was called.
        proc_root: Word,
    },
    /// A basic block has an operation that no block may have.
    #[error("operation {0} is control flow, which cannot stand in a basic block")]
    ControlFlowInBlock(Operation),
    /// A call in a composition that is not in the link table.
    #[error("component {instance} has no link to {}", .digest.to_hex())]
    NotLinked {
        /// The calling instance.
        instance: u16,
        /// The digest that was called.
        digest: Word,
    },
    /// A call into an instance that is running.
    #[error("component {instance} is running and cannot be entered again")]
    InstanceRunning {
        /// The instance that was called.
        instance: u16,
    },
    /// A call into an instance that has imports which are not wired yet, or a wire that leads there.
    #[error(
        "component {instance} cannot be entered before all of its imports are wired: {left} are not"
    )]
    NotWired {
        /// The instance that was called.
        instance: u16,
        /// The number of imports that are not wired.
        left: u32,
    },
    /// A call over an import that is wired to an instance, or of an instance that the caller holds,
    /// which does not export what is called.
    #[error(
        "component {instance} calls a function of component {target} that {target} does not export (key {key})"
    )]
    NoExport {
        /// The calling instance.
        instance: u16,
        /// The instance that is called.
        target: u16,
        /// The key of the function.
        key: Felt,
    },
    /// A shared call that is made within an isolated one, over an import that is wired to an instance which the
    /// program has made: that one lives beside the call's domain, out of which no call goes.
    #[error(
        "component {instance} is within an isolated call, and its import is wired to an instance of \
         component {target} that the program has made elsewhere: wire the import to an installed \
         instance, or let its call be fresh or isolated"
    )]
    WiredElsewhere {
        /// The instance whose import it is.
        instance: u16,
        /// The instance of the composition that the target was made of.
        target: u16,
    },
    /// A procedure for handles of a resource type, whose import is wired to an instance that defines no such type.
    #[error(
        "component {instance} has handles of a resource type of component {target} that {target} does not \
         define (key {key}): wire the import to the instance that defines it"
    )]
    NoType {
        /// The calling instance.
        instance: u16,
        /// The instance that the import is wired to.
        target: u16,
        /// The key of the type.
        key: Felt,
    },
    /// A fresh call over an import that is wired to an instance which defines resource types: a new one would have
    /// none of them.
    #[error(
        "component {instance} calls component {target} fresh, which defines resource types: let the import be \
         shared or isolated"
    )]
    FreshDefiner {
        /// The calling instance.
        instance: u16,
        /// The instance that the import is wired to.
        target: u16,
    },
    /// An instance that defines resource types is adopted: who makes their handles would be another.
    #[error(
        "component {instance} adopts the calls of component {target}, which defines resource types: call it \
         instead"
    )]
    AdoptedDefiner {
        /// The calling instance.
        instance: u16,
        /// The instance that it adopts.
        target: u16,
    },
    /// A wire for an instance whose imports are all wired.
    #[error("component {instance} has no import that is not wired yet")]
    NothingToWire {
        /// The instance that was to be wired.
        instance: u16,
    },
    /// A wire for an instance that another one has installed.
    #[error(
        "component {instance} wires an import of component {target}, which it has not installed"
    )]
    NotMaker {
        /// The calling instance.
        instance: u16,
        /// The instance that was to be wired.
        target: u16,
    },
    /// An instance that is installed, or wired, in the domain of an isolated call.
    #[error("component {instance} cannot install or wire instances within an isolated call")]
    InstalledElsewhere {
        /// The calling instance.
        instance: u16,
    },
    /// A component of which the advice map has no record.
    #[error("there is no record of a component in the advice map under {}", .commitment.to_hex())]
    UnknownComponent {
        /// The commitment of the component.
        commitment: Word,
    },
    /// A component that cannot be installed.
    #[error("the component {} cannot be installed: {reason}", .commitment.to_hex())]
    InvalidComponent {
        /// The commitment of the component.
        commitment: Word,
        /// The reason.
        reason: ComponentFault,
    },
    /// An id that has not the index of an instance which was installed.
    #[error("{id} is not the id of an instance that the program has installed")]
    NotInstalled {
        /// The id.
        id: Felt,
    },
    /// An intrinsic that is reached by a dynamic call.
    #[error("component {instance} calls an intrinsic dynamically, by the digest {}", .digest.to_hex())]
    DynamicIntrinsic {
        /// The calling instance.
        instance: u16,
        /// The digest that was called.
        digest: Word,
    },
    /// A number that is no handle of the table: never handed out, or given up since.
    #[error("unknown handle index {handle} in the table of component {instance}")]
    UnknownHandle {
        /// The instance that named it.
        instance: u16,
        /// The number that it named.
        handle: Felt,
    },
    /// A handle to a resource of another type than the intrinsic's.
    #[error(
        "handle index {handle} of component {instance} used with the wrong type: expected \
         resource type {expected}, but it is of type {found}"
    )]
    WrongResourceType {
        /// The instance that named the handle.
        instance: u16,
        /// The handle.
        handle: u32,
        /// Number of the intrinsic's type.
        expected: u32,
        /// Number of the handle's type.
        found: u32,
    },
    /// A handle is to be taken out of its table while it is lent.
    #[error(
        "cannot remove handle index {handle} (resource type {resource}) from the table of \
         component {instance} while it is lent"
    )]
    HandleLent {
        /// The instance that named the handle.
        instance: u16,
        /// The handle.
        handle: u32,
        /// Number of its type.
        resource: u32,
    },
    /// A borrowed handle is to be given away.
    #[error(
        "component {instance} does not own what handle index {handle} (resource type {resource}) \
         stands for: it is borrowed"
    )]
    HandleNotOwned {
        /// The instance that named the handle.
        instance: u16,
        /// The handle.
        handle: u32,
        /// Number of its type.
        resource: u32,
    },
    /// A call returns while borrowed handles are in the callee's table.
    #[error("component {instance} returns with {borrows} borrowed handles that it has not dropped")]
    BorrowsRemain {
        /// The instance.
        instance: u16,
        /// The number of borrowed handles that it has.
        borrows: u32,
    },
    /// A table that has no more indices to give.
    #[error("the table of component {instance} is full: it holds {MAX_HANDLES} handles")]
    TableFull {
        /// The instance.
        instance: u16,
    },
    /// A number that is no token for the one who names it: it was not sent across the last
    /// boundary, or has been received.
    #[error(
        "token {token} is not for component {instance}: nothing was sent under it across the last \
         call or return, or it was received already"
    )]
    UnknownToken {
        /// The instance that named it.
        instance: u16,
        /// The number that it named.
        token: Felt,
    },
    /// A token for a handle of another type than the intrinsic's.
    #[error(
        "token {token} received by component {instance} with the wrong type: expected resource \
         type {expected}, but it is of type {found}"
    )]
    WrongTokenType {
        /// The instance that named the token.
        instance: u16,
        /// The token.
        token: u32,
        /// Number of the intrinsic's type.
        expected: u32,
        /// Number of the token's type.
        found: u32,
    },
    /// A lent handle is to be received as an own one, or the reverse.
    #[error(
        "token {token} (resource type {resource}) received by component {instance} carries {}",
        if *.own { "an own handle, not a borrow" } else { "a borrow, not an own handle" }
    )]
    WrongOwnership {
        /// The instance that named the token.
        instance: u16,
        /// The token.
        token: u32,
        /// Number of its type.
        resource: u32,
        /// `true` if the token carries an own handle.
        own: bool,
    },
    /// A callee lends a handle to its caller.
    #[error(
        "token {token} (resource type {resource}) received by component {instance} carries a \
         borrow out of a call: what is lent may only go into one"
    )]
    BorrowInResult {
        /// The instance that named the token.
        instance: u16,
        /// The token.
        token: u32,
        /// Number of its type.
        resource: u32,
    },
    /// The kernel names a context that was never created.
    #[error("the kernel accesses the memory of context {context}, which was not created")]
    UnknownContext {
        /// The context's id.
        context: Felt,
    },
    /// A call made by the kernel of a composition.
    #[error("a call inside a syscall is not possible in a composition")]
    CallInSyscall,
    /// The run used more than its options allow.
    #[error("the run exceeded its limit of {max} {limit}")]
    LimitExceeded {
        /// The name of the limit.
        limit: &'static str,
        /// Its value.
        max: u64,
    },
}

/// Why a circuit was not evaluated, or not to zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AceError {
    /// Variables fill words, and there is one at least.
    #[error("the number of variables must be a multiple of 2 and not zero, but was {0}")]
    NumVarIsNotWordAlignedOrIsEmpty(u64),
    /// Instructions fill words, and there is one at least.
    #[error("the number of gates must be a multiple of 4 and not zero, but was {0}")]
    NumEvalIsNotWordAlignedOrIsEmpty(u64),
    /// The output is not zero.
    #[error("the circuit does not evaluate to zero")]
    CircuitNotEvaluateZero,
    /// An instruction stands for no operation.
    #[error("an instruction of the circuit cannot be decoded")]
    FailedDecodeInstruction,
    /// An operand is no variable and no earlier gate.
    #[error("a gate of the circuit has an operand that does not come before it")]
    FailedWireBusRead,
    /// Variables and gates together are more than an instruction can tell apart.
    #[error("the number of wires must be less than 2^30, but was {0}")]
    TooManyWires(u64),
}

/// Names the rules, each the variant of the traps that break it.
macro_rules! rules {
    ($($name:ident)*) => {
        impl Trap {
            /// The names of all rules that a run can break.
            pub const RULES: &[&str] = &[$(stringify!($name)),*];

            /// The name of the rule that was broken: that of the variant.
            pub fn rule(&self) -> &'static str {
                match self {
                    $(Self::$name { .. } => stringify!($name),)*
                }
            }
        }
    };
}

rules! {
    AceChipError AdviceError CircularExternalNode CycleLimitExceeded DecoratorNotFoundInForest
    DebugHandlerError TraceHandlerError DivideByZero DynamicNodeNotFound EventError
    FailedAssertion InvalidFriDomainSegment InvalidFriLayerFolding InvalidStackDepthOnReturn
    InvalidStackDepthOnRestore NothingSaved SavedStackRemains
    LogArgumentZero MalformedMastForestInHost MastNodeNotFoundInForest MemoryError
    NoMastForestWithProcedure MerklePathVerificationFailed MerkleUpdateOfOtherNode
    NotBinaryValueIf NotBinaryValueOp NotBinaryValueLoop NotU32Values OutputStackOverflow
    SyscallTargetNotInKernel ControlFlowInBlock NotLinked InstanceRunning DynamicIntrinsic
    UnknownHandle WrongResourceType HandleLent HandleNotOwned BorrowsRemain TableFull UnknownToken
    WrongTokenType WrongOwnership BorrowInResult UnknownContext CallInSyscall LimitExceeded
    NotWired NoExport NoType FreshDefiner AdoptedDefiner WiredElsewhere NothingToWire NotMaker InstalledElsewhere UnknownComponent InvalidComponent
    NotInstalled
}

impl Trap {
    /// The instances that the trap is about, as far as it names any.
    pub fn instances(&self) -> Vec<u16> {
        match *self {
            Self::NotLinked { instance, .. }
            | Self::InstanceRunning { instance }
            | Self::DynamicIntrinsic { instance, .. }
            | Self::UnknownHandle { instance, .. }
            | Self::WrongResourceType { instance, .. }
            | Self::HandleLent { instance, .. }
            | Self::HandleNotOwned { instance, .. }
            | Self::BorrowsRemain { instance, .. }
            | Self::TableFull { instance }
            | Self::NotWired { instance, .. }
            | Self::NothingToWire { instance }
            | Self::InstalledElsewhere { instance }
            | Self::UnknownToken { instance, .. }
            | Self::WrongTokenType { instance, .. }
            | Self::WrongOwnership { instance, .. }
            | Self::BorrowInResult { instance, .. } => vec![instance],
            Self::NoExport {
                instance, target, ..
            }
            | Self::NoType {
                instance, target, ..
            }
            | Self::FreshDefiner { instance, target }
            | Self::AdoptedDefiner { instance, target }
            | Self::WiredElsewhere { instance, target }
            | Self::NotMaker { instance, target } => vec![instance, target],
            _ => Vec::new(),
        }
    }

    /// The numbers of the resource types that the trap is about.
    pub fn resource_types(&self) -> Vec<u32> {
        match *self {
            Self::WrongResourceType {
                expected, found, ..
            }
            | Self::WrongTokenType {
                expected, found, ..
            } => vec![expected, found],
            Self::HandleLent { resource, .. }
            | Self::HandleNotOwned { resource, .. }
            | Self::WrongOwnership { resource, .. }
            | Self::BorrowInResult { resource, .. } => vec![resource],
            _ => Vec::new(),
        }
    }
}

/// A memory access that is not allowed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MemoryError {
    /// An address of more than 32 bits.
    #[error("memory address cannot exceed 2^32 but was {addr}")]
    AddressOutOfBounds {
        /// The address.
        addr: u64,
    },
    /// A word that one operation both reads and writes, or writes twice.
    #[error(
        "memory address {addr} in context {context} was read and written, or written twice, in \
         cycle {clk}"
    )]
    IllegalMemoryAccess {
        /// The context.
        context: ContextId,
        /// The address.
        addr: u32,
        /// The cycle.
        clk: u32,
    },
    /// A range whose end lies before its start.
    #[error(
        "memory range start address cannot exceed end address, but was ({start_addr}, {end_addr})"
    )]
    InvalidMemoryRange {
        /// The first address.
        start_addr: u64,
        /// The address after the last.
        end_addr: u64,
    },
    /// A word access at an address that is not a multiple of 4.
    #[error("word memory access at address {addr} in context {context} is unaligned")]
    UnalignedWordAccess {
        /// The address.
        addr: u32,
        /// The context.
        context: ContextId,
    },
}

impl From<MemoryError> for Box<Trap> {
    fn from(error: MemoryError) -> Self {
        Box::new(Trap::MemoryError(error))
    }
}

impl From<BulkLimitExceeded> for Box<Trap> {
    fn from(error: BulkLimitExceeded) -> Self {
        Box::new(Trap::LimitExceeded {
            limit: "elements that events and circuits read",
            max: error.max,
        })
    }
}

impl From<AdviceError> for Box<Trap> {
    fn from(error: AdviceError) -> Self {
        Box::new(match error {
            AdviceError::LimitExceeded { max } => Trap::LimitExceeded {
                limit: "advice elements",
                max: max as u64,
            },
            other => Trap::AdviceError(other),
        })
    }
}

fn display_event(id: EventId, name: &Option<EventName>) -> String {
    match name {
        Some(name) => format!("'{name}' (id {id})"),
        None => format!("with id {id}"),
    }
}

fn display_host(error: &Option<HostError>) -> String {
    match error {
        Some(error) => format!(" ({error})"),
        None => String::new(),
    }
}

fn display_code(code: Felt, message: &Option<Arc<str>>) -> String {
    match message {
        Some(message) => format!("message: {message}"),
        None => format!("code: {code}"),
    }
}
