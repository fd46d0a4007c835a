//! Names of memory contexts.

use core::fmt;

/// Bits of a context id that hold the index of the instance.
pub const INDEX_BITS: u32 = 16;

/// The id of a memory context: `domain * 2^16 + index`.
///
/// The domain is one lifetime (0 is the program's own, another one is the cycle of the call that
/// began it plus one); the index is the instance of the composition, 0 in an open program.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContextId(u64);

impl ContextId {
    /// The context in which a program starts.
    pub const ROOT: Self = Self(0);

    /// The context in which a program starts.
    pub const fn root() -> Self {
        Self::ROOT
    }

    /// Returns the context of the instance `index` in `domain`.
    pub const fn new(domain: u32, index: u16) -> Self {
        Self(((domain as u64) << INDEX_BITS) | index as u64)
    }

    /// The context with the given id; `None` if the number is no id.
    pub const fn from_u64(id: u64) -> Option<Self> {
        if id >> (32 + INDEX_BITS) == 0 {
            Some(Self(id))
        } else {
            None
        }
    }

    /// The lifetime this context belongs to.
    pub const fn domain(self) -> u32 {
        (self.0 >> INDEX_BITS) as u32
    }

    /// The instance of the composition.
    pub const fn index(self) -> u16 {
        self.0 as u16
    }

    /// The id as one number.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// Returns `true` if this is the context in which the program starts.
    pub const fn is_root(self) -> bool {
        self.0 == 0
    }
}

impl From<u32> for ContextId {
    /// The context of an open program that has this number: the cycle of its call, plus one.
    fn from(domain: u32) -> Self {
        Self::new(domain, 0)
    }
}

impl From<ContextId> for u64 {
    fn from(context: ContextId) -> Self {
        context.as_u64()
    }
}

impl fmt::Display for ContextId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.index() == 0 {
            write!(f, "{}", self.domain())
        } else {
            write!(f, "{}:{}", self.domain(), self.index())
        }
    }
}
