//! The kinds of calls over links.

use core::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::canonical;

/// The kind of the calls over a link. The discriminant stands in records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LinkKind {
    /// The call starts a new domain with a new target instance.
    Isolated = 0,
    /// The call continues in the target instance of the caller's home domain.
    Shared = 1,
    /// The call goes to a new instance of the target alone, whose home domain is the caller's.
    Fresh = 2,
    /// The call goes to an instance of the target that the program has made: the one whose handle is
    /// the last of the elements that cross. Its home domain is the caller's.
    Held = 3,
}

impl LinkKind {
    /// All kinds, in the order of their discriminants.
    pub const ALL: [Self; 4] = [Self::Isolated, Self::Shared, Self::Fresh, Self::Held];

    /// The number that the flag `shared` of a call row adds to its meaning in the link table.
    pub const SHARED_CODE: u8 = 1;

    /// The number that the flag `fresh` of a call row adds to its meaning in the link table.
    pub const FRESH_CODE: u8 = 15;

    /// The name in texts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Isolated => "isolated",
            Self::Shared => "shared",
            Self::Fresh => "fresh",
            Self::Held => "held",
        }
    }

    /// The flags `shared` and `fresh` of a call row.
    pub const fn flags(self) -> [bool; 2] {
        match self {
            Self::Isolated => [false, false],
            Self::Shared => [true, false],
            Self::Fresh => [false, true],
            Self::Held => [true, true],
        }
    }

    /// The meaning of the call in the link table of the proof. It is none of those of
    /// [intrinsics](super::IntrinsicCall::code).
    pub const fn code(self) -> u8 {
        let [shared, fresh] = self.flags();
        Self::SHARED_CODE * shared as u8 + Self::FRESH_CODE * fresh as u8
    }

    /// Returns `true` if the callee's home domain is the caller's. Handles can be sent across such a
    /// call, either way.
    pub const fn keeps_home(self) -> bool {
        !matches!(self, Self::Isolated)
    }

    /// Returns `true` if every call has an instance of its own, which is gone when it returns.
    pub const fn is_of_new_instance(self) -> bool {
        matches!(self, Self::Isolated | Self::Fresh)
    }

    /// Returns `true` if the call enters an instance with its own memory, but with the resource types
    /// of the caller's home domain: an instance that defines types cannot be entered so.
    pub const fn is_of_instance_alone(self) -> bool {
        matches!(self, Self::Fresh | Self::Held)
    }

    /// The kind that the export has which the call leads to: what is held is called as what is shared.
    pub const fn of_export(self) -> Self {
        match self {
            Self::Held => Self::Shared,
            kind => kind,
        }
    }
}

impl fmt::Display for LinkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for LinkKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for LinkKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const NAMES: [&str; LinkKind::ALL.len()] = canonical::names!(LinkKind);
        let position = canonical::position(deserializer, &NAMES)?;
        Ok(Self::ALL[position])
    }
}
