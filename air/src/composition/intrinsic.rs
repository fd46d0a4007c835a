//! The VM's intrinsics: one table of what each is called, takes, leaves and needs.

use alloc::{format, string::String};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::canonical;

/// A procedure of the VM itself, which a link makes callable. The discriminant stands in records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Intrinsic {
    /// A new own handle.
    New = 0,
    /// The representation that a handle stands for.
    Rep,
    /// Gives a handle up; an own handle of a type with a destructor calls that, with the
    /// representation on top of the stack.
    Drop,
    /// Takes an own handle out of the table, to be received across a call.
    SendOwn,
    /// Lends a handle for a call.
    SendBorrow,
    /// Puts what was sent into the table.
    RecvOwn,
    /// Puts what the caller lends into the table; gives the type's definer the representation.
    RecvBorrow,
    /// Reads the memory of a context.
    Load,
    /// Writes the memory of a context.
    Store,
    /// The id of the context that called in.
    Caller,
    /// Makes an instance; an own handle to it.
    Instantiate,
    /// Makes an instance of the component whose commitment is the word at an address; an own handle to it.
    Install,
    /// Wires the next import of an instance that the caller has installed to another one that it holds.
    Wire,
    /// Writes the commitment of the component of an installed instance, by the id of a context of it, to
    /// the word at an address.
    Component,
    /// From here on, the calls of the running instance are those of an installed instance that it owns.
    Adopt,
    /// Puts all of the stack but its top out of reach, zeros being in its place.
    Save,
    /// Puts all of the stack but its top two out of reach, zeros being in its place.
    SavePair,
    /// Puts back below the top what was saved last.
    Restore,
    /// Makes an instance of the code whose commitment is the word at an address; an own handle to it.
    InstallCode,
    /// Makes an instance of the procedure whose digest is the word at an address; an own handle to it.
    InstallProcedure,
}

/// Who an intrinsic can be linked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// The instance that defines the resource type.
    Definer,
    /// Any instance, for a resource type.
    Holder,
    /// Any instance, for a type of instances.
    Maker,
    /// Any instance.
    Instance,
    /// Any instance of the composition that may install others.
    Installer,
    /// The kernel.
    Kernel,
}

/// The facts of an intrinsic.
struct Facts {
    intrinsic: Intrinsic,
    /// The meaning of a call in the link table of the proof; where that says more, the first of its
    /// numbers.
    code: u8,
    /// The first part of the Canonical ABI's name, or of one in its manner.
    group: Option<&'static str>,
    name: &'static str,
    /// The elements of the stack that are read, and those that are left in their place.
    effect: &'static str,
    right: Right,
}

/// A row of the table.
const fn facts(
    intrinsic: Intrinsic,
    code: u8,
    (group, name): (Option<&'static str>, &'static str),
    effect: &'static str,
    right: Right,
) -> Facts {
    Facts {
        intrinsic,
        code,
        group,
        name,
        effect,
        right,
    }
}

const RESOURCE: Option<&str> = Some("resource");
const HANDLE: Option<&str> = Some("handle");
const STACK: Option<&str> = Some("stack");

#[rustfmt::skip]
const TABLE: [Facts; 20] = [
    facts(Intrinsic::New, 2, (RESOURCE, "new"), "rep → handle", Right::Definer),
    facts(Intrinsic::Rep, 3, (RESOURCE, "rep"), "handle → rep", Right::Definer),
    facts(Intrinsic::Drop, 4, (RESOURCE, "drop"), "handle → 0", Right::Holder),
    facts(Intrinsic::SendOwn, 8, (HANDLE, "send-own"), "handle → token", Right::Holder),
    facts(Intrinsic::SendBorrow, 9, (HANDLE, "send-borrow"), "handle → token", Right::Holder),
    facts(Intrinsic::RecvOwn, 10, (HANDLE, "recv-own"), "token → handle", Right::Holder),
    facts(Intrinsic::RecvBorrow, 11, (HANDLE, "recv-borrow"), "token → handle", Right::Holder),
    facts(Intrinsic::Load, 13, (None, "load"), "[address, context] → [element, context]", Right::Kernel),
    facts(Intrinsic::Store, 14, (None, "store"), "[address, context, element] → [0, context, element]", Right::Kernel),
    facts(Intrinsic::Caller, 17, (None, "caller"), "x → id", Right::Instance),
    facts(Intrinsic::Instantiate, 18, (None, "instantiate"), "x → handle", Right::Maker),
    facts(Intrinsic::Install, 19, (None, "install"), "address → handle", Right::Installer),
    facts(Intrinsic::Wire, 20, (None, "wire"), "[handle, target] → [0, target]", Right::Installer),
    facts(Intrinsic::Component, 21, (None, "component"), "[address, id] → [0, id]", Right::Instance),
    facts(Intrinsic::Adopt, 22, (None, "adopt"), "handle → index", Right::Installer),
    facts(Intrinsic::Save, 23, (STACK, "save"), "x → x, and zeros below", Right::Instance),
    facts(Intrinsic::SavePair, 23, (STACK, "save-pair"), "[x, y] → [x, y], and zeros below", Right::Instance),
    facts(Intrinsic::Restore, 24, (STACK, "restore"), "x → x, and below it what was saved", Right::Instance),
    facts(Intrinsic::InstallCode, 25, (None, "install-code"), "address → handle", Right::Installer),
    facts(Intrinsic::InstallProcedure, 26, (None, "install-procedure"), "address → handle", Right::Installer),
];

const _: () = {
    let mut row = 0;
    while row < TABLE.len() {
        assert!(TABLE[row].intrinsic as usize == row, "rows are in order");
        row += 1;
    }
};

impl Intrinsic {
    /// All intrinsics, in the order of their discriminants.
    pub const ALL: [Self; TABLE.len()] = {
        let mut all = [Self::New; TABLE.len()];
        let mut row = 0;
        while row < all.len() {
            all[row] = TABLE[row].intrinsic;
            row += 1;
        }
        all
    };

    const fn facts(self) -> &'static Facts {
        &TABLE[self as usize]
    }

    /// The name in records.
    pub const fn name(self) -> &'static str {
        self.facts().name
    }

    /// The name in assembly: an identifier.
    pub fn identifier(self) -> String {
        self.name().replace('-', "_")
    }

    /// The name behind its group, such as `resource.new`.
    pub fn path(self) -> String {
        match self.facts().group {
            Some(group) => format!("{group}.{}", self.identifier()),
            None => self.identifier(),
        }
    }

    /// The name that the Canonical ABI has for it, or would have, such as `resource-new`.
    pub fn canonical_name(self) -> String {
        match self.facts().group {
            Some(group) => format!("{group}-{}", self.name()),
            None => self.name().into(),
        }
    }

    /// The elements of the stack that it reads, and those that it leaves in their place.
    pub const fn effect(self) -> &'static str {
        self.facts().effect
    }

    /// Who it can be linked to.
    pub const fn right(self) -> Right {
        self.facts().right
    }

    /// The meaning of a call of it in the link table, if that says no more of it; see
    /// [`IntrinsicCall::code`].
    pub const fn code(self) -> u8 {
        self.facts().code
    }

    /// The payload of its link where it has no resource type: of those that save the stack, how
    /// many elements are seen below the top.
    pub const fn argument(self) -> u8 {
        matches!(self, Self::SavePair) as u8
    }

    /// Returns `true` if it installs an instance.
    pub const fn installs(self) -> bool {
        matches!(
            self,
            Self::Install | Self::InstallCode | Self::InstallProcedure
        )
    }

    /// Returns `true` if it is one of a resource type, or of a type of instances.
    pub const fn has_resource(self) -> bool {
        matches!(self.right(), Right::Definer | Right::Holder | Right::Maker)
    }
}

impl Serialize for Intrinsic {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Intrinsic {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const NAMES: [&str; Intrinsic::ALL.len()] = canonical::names!(Intrinsic);
        let position = canonical::position(deserializer, &NAMES)?;
        Ok(Self::ALL[position])
    }
}

/// An intrinsic as a record makes it callable, with what the composition as a whole says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IntrinsicCall {
    /// The intrinsic.
    pub intrinsic: Intrinsic,
    /// For [`Intrinsic::Drop`] and [`Intrinsic::RecvBorrow`]: `true` if the type's definer calls it.
    /// Nobody has to be asked whether an instance may go, so handles to instances are dropped as if by
    /// their definer.
    pub by_definer: bool,
    /// For [`Intrinsic::Drop`]: `true` if the type has a destructor.
    pub destructible: bool,
}

impl IntrinsicCall {
    /// The number that a call by the type's definer adds to its meaning.
    pub const BY_DEFINER_CODE: u8 = 1;

    /// The number that a destructor adds to the meaning of a call.
    pub const DESTRUCTIBLE_CODE: u8 = 2;

    /// The call that drops a handle to an instance.
    pub const INSTANCE_DROP: Self = Self {
        intrinsic: Intrinsic::Drop,
        by_definer: true,
        destructible: false,
    };

    /// The call of an intrinsic about which there is no more to say.
    pub const fn of(intrinsic: Intrinsic) -> Self {
        Self {
            intrinsic,
            by_definer: false,
            destructible: false,
        }
    }

    /// The call of a destructor by an instance that drops a handle.
    pub const fn destructor(by_definer: bool) -> Self {
        Self {
            intrinsic: Intrinsic::Drop,
            by_definer,
            destructible: true,
        }
    }

    /// The meaning of the call in the link table of the proof.
    pub const fn code(self) -> u8 {
        self.intrinsic.code()
            + Self::BY_DEFINER_CODE * self.by_definer as u8
            + Self::DESTRUCTIBLE_CODE * self.destructible as u8
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::composition::LinkKind;

    /// The meanings of calls are in proofs, and each has one number.
    #[test]
    fn every_call_has_a_number_of_its_own() {
        let intrinsics = Intrinsic::ALL.into_iter().flat_map(|intrinsic| {
            let flags: &[(bool, bool)] = match intrinsic {
                Intrinsic::Drop => &[(false, false), (true, false), (false, true), (true, true)],
                Intrinsic::RecvBorrow => &[(false, false), (true, false)],
                _ => &[(false, false)],
            };
            flags.iter().map(move |&(by_definer, destructible)| {
                let call = IntrinsicCall {
                    intrinsic,
                    by_definer,
                    destructible,
                };
                (call.code(), intrinsic.argument())
            })
        });
        let codes: Vec<(u8, u8)> = intrinsics
            .chain(LinkKind::ALL.map(|kind| (kind.code(), 0)))
            .collect();
        let distinct: BTreeSet<(u8, u8)> = codes.iter().copied().collect();
        assert_eq!(distinct.len(), codes.len());
        let numbers: BTreeSet<u8> = codes.iter().map(|(code, _)| *code).collect();
        assert_eq!(numbers, (0..=26).collect());
    }
}
