//! The words of VM-private memory that resource tables consist of.
//!
//! Every runtime instance has a table of handles, as the Component Model's Canonical ABI describes
//! it: indices from 1, freed ones reused last in, first out. What it holds is told in words of four
//! elements, as the proof has them.

use miden_core::{Felt, ONE, ZERO};
use miden_cvm_air::{composition::IntrinsicCall, public::ROOT_MARK};

use crate::{
    calls::{crossing::Crossing, state::InstanceState},
    context::ContextId,
};

/// An entry of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// Nothing; what is free after it.
    Free {
        /// The entry that was freed before; 0 if there is none.
        next: u32,
    },
    /// A handle.
    Handle(Handle),
}

/// A handle to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handle {
    /// The representation that the handle stands for, as its definer knows it.
    pub rep: Felt,
    /// Number of the resource type in the composition.
    pub resource: u32,
    /// `true` if the handle owns the resource; otherwise it is borrowed.
    pub own: bool,
    /// The mark under which it was lent last; 0 if it never was. It is lent while that is the
    /// current mark.
    pub lent: u64,
}

impl Entry {
    /// `[representation, type + 1, own, lent]`, or `[next, 0, 0, 0]` if it is free.
    pub fn to_word(self) -> [Felt; 4] {
        match self {
            Self::Free { next } => [Felt::from(next), ZERO, ZERO, ZERO],
            Self::Handle(handle) => [
                handle.rep,
                Felt::from(handle.resource) + ONE,
                Felt::from(u8::from(handle.own)),
                Felt::new(handle.lent),
            ],
        }
    }
}

/// The boundaries that were crossed last: what ties a token to the one crossing that it survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marks {
    /// Of the last boundary (call, return, destructor): its cycle + 1; [`ROOT_MARK`] before the
    /// first one.
    pub current: u64,
    /// Whose tokens can be received.
    pub sender: Sender,
}

/// Who sent the tokens that can be received, and the mark under which it sent them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// Nobody: the last boundary lets no token pass.
    None,
    /// The caller, with the parameters of the call that was just entered.
    Caller(u64),
    /// The callee, with the results of the call that has just returned.
    Callee(u64),
}

impl Marks {
    /// Before the first cycle.
    pub const START: Self = Self {
        current: ROOT_MARK,
        sender: Sender::None,
    };

    /// A question of the VM to a table by itself: no boundary says anything of it.
    pub const NONE: Self = Self {
        current: 0,
        sender: Sender::None,
    };

    fn crossed(self, clk: u32, crossing: Crossing, sender: fn(u64) -> Sender) -> Self {
        Self {
            current: u64::from(clk) + 1,
            sender: match crossing.passes_tokens() {
                true => sender(self.current),
                false => Sender::None,
            },
        }
    }

    /// After the boundary that cycle `clk` crosses into another context.
    pub fn entered(self, clk: u32, crossing: Crossing) -> Self {
        self.crossed(clk, crossing, Sender::Caller)
    }

    /// After the boundary that cycle `clk` crosses back from a context.
    pub fn left(self, clk: u32, crossing: Crossing) -> Self {
        self.crossed(clk, crossing, Sender::Callee)
    }

    /// The sender's mark as a field element: negative for results, 0 if there is none.
    pub fn sender_felt(self) -> Felt {
        match self.sender {
            Sender::None => ZERO,
            Sender::Caller(mark) => Felt::new(mark),
            Sender::Callee(mark) => -Felt::new(mark),
        }
    }
}

/// A handle on its way across a boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// The cycle at which it was sent + 1: what the sender gets.
    pub id: u32,
    /// The mark under which it was sent.
    pub mark: u64,
    /// The representation that the handle stands for.
    pub rep: Felt,
    /// Number of the resource type.
    pub resource: u32,
    /// `true` if it carries the ownership.
    pub own: bool,
}

/// The effect of an intrinsic on the resource table of the running instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableAccess {
    /// The cycle.
    pub clk: u32,
    /// The running instance.
    pub context: ContextId,
    /// The intrinsic; for a new handle to an instance that of a new handle.
    pub call: IntrinsicCall,
    /// Number of the resource type.
    pub resource: u32,
    /// The instance that defines the type.
    pub home: ContextId,
    /// `true` if a destructor is called next.
    pub destroys: bool,
    /// The boundaries crossed last.
    pub marks: Marks,
    /// The top of the stack before.
    pub input: Felt,
    /// The top of the stack after.
    pub output: Felt,
    /// The entry concerned; 0 if there is none (the definer receives a borrow).
    pub handle: u32,
    /// The state of the running instance, before and after.
    pub state: [InstanceState; 2],
    /// The entry, before and after; the free entry 0 if there is none.
    pub entry: [Entry; 2],
    /// The token that is sent or received.
    pub token: Option<Token>,
    /// When an own handle is dropped by another than the definer and no destructor runs: the state
    /// of the definer, which must not be running.
    pub definer_state: Option<InstanceState>,
}

/// An access of the kernel to the memory of a context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KernelAccess {
    /// The cycle.
    pub clk: u32,
    /// `true` if it is a write.
    pub is_write: bool,
    /// The address of the element.
    pub address: u32,
    /// The context whose memory it is.
    pub target: ContextId,
    /// The state of that instance, which must have been created.
    pub state: InstanceState,
    /// The whole word after the access.
    pub word: [Felt; 4],
    /// The boundaries crossed last.
    pub marks: Marks,
    /// The top of the stack before: address, context, and for a write the element.
    pub inputs: [Felt; 3],
    /// The top of the stack after.
    pub output: Felt,
}
