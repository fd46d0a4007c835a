//! Crossings of the boundary between two contexts, there and back.

use miden_core::Word;
use miden_cvm_air::composition::LinkKind;

use super::state::InstanceState;
use crate::context::ContextId;

/// When an instance begins to exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CreationTime {
    /// Before the first cycle: the root.
    BeforeStart,
    /// In the cycle of the call that enters it first.
    Cycle(u32),
}

/// The way in which a context is entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Crossing {
    /// A call of an open program, as Miden VM makes it: a new context.
    Open,
    /// A call over a link of a composition.
    Link(LinkKind),
    /// A syscall, into the root context.
    Syscall,
    /// A call of a destructor, into the instance that defines the resource type.
    Destructor,
    /// A call of a destructor by the instance that defines the resource type: it stays where it is.
    OwnDestructor,
}

impl Crossing {
    /// Returns `true` if handles can be sent across, either way.
    pub fn passes_tokens(self) -> bool {
        matches!(self, Self::Link(kind) if kind.keeps_home())
    }

    /// Returns `true` if the instance that is entered is gone when it returns.
    pub fn is_of_new_instance(self) -> bool {
        matches!(self, Self::Link(kind) if kind.is_of_new_instance())
    }

    /// Returns `true` if the boundary is one into an instance of a composition, and back out of it.
    pub fn enters_instance(self) -> bool {
        matches!(self, Self::Link(_) | Self::Destructor)
    }
}

/// A context that a row enters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entered {
    /// The way in which it is entered.
    pub crossing: Crossing,
    /// The context.
    pub context: ContextId,
    /// The domain into which its shared calls go.
    pub home: u32,
    /// The domain of the instance that the link leads to, if that is one which the program has made and an
    /// import is wired to; else 0.
    pub wired: u32,
    /// Digest of the procedure that is executed there.
    pub target: Word,
    /// `true` if the context did not exist before.
    pub created: bool,
    /// In a composition, unless it is a syscall: the state of the instance before it is entered.
    pub state: InstanceState,
}

/// A caller's state, as it was when it called and as the callee's end restores it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// The way in which the callee was entered.
    pub crossing: Crossing,
    /// The caller's context.
    pub context: ContextId,
    /// `true` if the caller's context was entered by a syscall.
    pub in_syscall: bool,
    /// Index of the installed instance whose calls the caller has adopted.
    pub adopted: Option<u16>,
    /// The domain into which the caller's shared calls go.
    pub home: u32,
    /// The caller's function hash.
    pub fn_hash: Word,
    /// Depth of the caller's stack.
    pub depth: u32,
    /// Overflow pointer of the caller's stack.
    pub overflow_pointer: u32,
}
