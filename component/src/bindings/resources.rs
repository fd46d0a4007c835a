//! Resource types: those that a component defines, those of other components that it has handles of,
//! and the intrinsics by which its code gets at the handles.
//!
//! Each intrinsic of each type has a stub, as imports have. In its identity it is named as the
//! Canonical ABI does, `[resource-drop]account`; Miden assembly has no such names, so there the
//! bracket is a module: `call.imports::resource_drop::account`. A generated module wraps them, so
//! that code says `exec.resources::account::drop`.

use std::{collections::BTreeMap, fmt::Write};

use miden_core::Word;
use miden_cvm_air::composition::{Intrinsic, Right};

use super::{
    BINDINGS_MODULE, EXPORTS_MODULE,
    stubs::{STUB_MODULE, StubIdentity},
};
use crate::wit::{
    Interface, InterfaceName, ResourceName, World, find::find_interface, masm_name, module_names,
    quoted,
};

/// The module below which a component finds the wrappers of its intrinsics.
pub const RESOURCE_MODULE: &str = "resources";

/// The module of the stubs by which any component asks something of the VM, such as
/// `call.imports::intrinsics::caller` for the context that called in.
pub(super) const INSTANCE_STUBS: &str = "intrinsics";

/// A resource type that a component defines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceType {
    /// The procedure that runs when an own handle is dropped.
    pub destructor: Option<Word>,
    /// The interface and version that the type belongs to.
    pub interface: Option<(String, String)>,
    /// The type that the component's world exports.
    pub of: Option<ResourceName>,
}

/// A resource type of another component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceImport {
    /// The interface that the type belongs to.
    pub interface: String,
    /// The version of the interface; empty if none is stated.
    pub version: String,
    /// The type's name in the interface; [`INSTANCES`] for instances of who exports it.
    pub resource: String,
    /// The type that the component's world imports.
    pub of: Option<ResourceName>,
}

impl ResourceImport {
    /// Returns `true` if handles are to instances of a component.
    pub fn is_of_instances(&self) -> bool {
        self.of.is_none() && self.resource == INSTANCES
    }

    /// Whose the type is.
    pub(crate) fn whose(&self) -> Whose {
        match self.is_of_instances() {
            true => Whose::Instances,
            false => Whose::Imported,
        }
    }
}

/// The name of the type where handles are to instances: no type of an interface is called so.
pub const INSTANCES: &str = "[instance]";

/// Whose a resource type is, from where a component stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// The component's own; whether there is a destructor.
    Own(bool),
    /// Another component's.
    Imported,
    /// The VM's: handles are to instances.
    Instances,
}

/// An intrinsic that a component's code calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntrinsicImport {
    /// The digest that calls name: the stub's.
    pub digest: Word,
    /// The intrinsic.
    pub intrinsic: Intrinsic,
    /// The component's name for the resource type; nothing if the intrinsic is of none.
    pub resource: Option<String>,
    /// `true` if the type is another component's. A world can export and import types of one name.
    pub is_imported: bool,
}

/// A stub of an intrinsic.
pub(crate) struct IntrinsicStub {
    pub(crate) identity: StubIdentity,
    pub(crate) intrinsic: Intrinsic,
    pub(crate) resource: Option<String>,
    pub(crate) is_imported: bool,
}

/// Where the stubs and the wrappers of a resource type are.
pub(crate) struct ModulePaths {
    /// The stubs, behind the kind of the intrinsic: `account` for `imports::resource_drop::account`.
    pub(crate) stubs: String,
    /// The module of the wrappers.
    pub(crate) wrappers: String,
}

impl ModulePaths {
    /// A type that `component.toml` declares.
    pub(crate) fn declared(name: &str) -> Self {
        let path = name.replace('-', "_");
        Self {
            wrappers: format!("{RESOURCE_MODULE}::{path}"),
            stubs: path,
        }
    }
}

/// The resource types of a component's world, with their paths below the modules that have
/// something to do with them, such as `bank::vault::vault::account`.
///
/// A world can export and import an interface, and then has two types of that name.
#[derive(Debug, Clone, Default)]
pub(crate) struct WorldTypes {
    exported: BTreeMap<ResourceName, String>,
    imported: BTreeMap<ResourceName, String>,
}

impl WorldTypes {
    pub(crate) fn of(world: &World) -> Self {
        let paths = |interfaces: &[Interface]| {
            let modules = module_names(interfaces.iter().map(|interface| &interface.name));
            let mut paths = BTreeMap::new();
            for (interface, module) in interfaces.iter().zip(modules) {
                for name in &interface.resources {
                    let resource = ResourceName {
                        interface: interface.name.clone(),
                        name: name.clone(),
                    };
                    paths.insert(resource, format!("{module}::{}", masm_name(name)));
                }
            }
            paths
        };
        Self {
            exported: paths(&world.exports),
            imported: paths(&world.imports),
        }
    }

    /// The types that the component defines, without destructors, by its names for them.
    pub(crate) fn own(&self) -> BTreeMap<String, ResourceType> {
        let types = self.exported.keys().map(|of| {
            let ty = ResourceType {
                destructor: None,
                interface: Some(of.interface.identity()),
                of: Some(of.clone()),
            };
            (of.to_string(), ty)
        });
        types.collect()
    }

    /// The types of other components, by its names for them.
    pub(crate) fn imports(&self) -> BTreeMap<String, ResourceImport> {
        let types = self.imported.keys().map(|of| {
            let (interface, version) = of.interface.identity();
            let import = ResourceImport {
                interface,
                version,
                resource: of.name.clone(),
                of: Some(of.clone()),
            };
            (of.to_string(), import)
        });
        types.collect()
    }

    pub(crate) fn place(&self, of: &ResourceName, is_imported: bool) -> ModulePaths {
        let path = |types: &BTreeMap<ResourceName, String>| -> String {
            types.get(of).cloned().unwrap_or_default()
        };
        if is_imported {
            let path = path(&self.imported);
            ModulePaths {
                wrappers: format!("{BINDINGS_MODULE}::{path}"),
                stubs: path,
            }
        } else {
            let path = path(&self.exported);
            ModulePaths {
                wrappers: format!("{RESOURCE_MODULE}::{path}"),
                stubs: format!("{EXPORTS_MODULE}::{path}"),
            }
        }
    }

    /// The module with the wrappers of a type's intrinsics.
    pub(crate) fn wrappers(&self, of: &ResourceName, is_imported: bool) -> String {
        self.place(of, is_imported).wrappers
    }

    /// Comments that say where the wrappers for an interface's types are.
    pub(crate) fn described(&self, interface: &Interface, is_imported: bool) -> String {
        let comments = interface.resources.iter().map(|name| {
            let of = ResourceName {
                interface: interface.name.clone(),
                name: name.clone(),
            };
            let module = self.wrappers(&of, is_imported);
            format!("# Handles of `{name}`: `use {module}`.\n")
        });
        comments.collect()
    }

    /// The exported type that an entry of `component.toml` names: `interface#type`, or the type alone
    /// if only one interface has it.
    pub(crate) fn find_exported(&self, world: &World, key: &str) -> Option<&ResourceName> {
        let (interface, name) = match key.split_once('#') {
            Some((interface, name)) => {
                (Some(&find_interface(&world.exports, interface)?.name), name)
            }
            None => (None, key),
        };
        let mut named = self.exported.keys().filter(|of| {
            of.name == name && interface.is_none_or(|interface| of.interface == *interface)
        });
        match (named.next(), named.next()) {
            (Some(of), None) => Some(of),
            _ => None,
        }
    }

    /// The stubs of all intrinsics that a component with these types may have.
    pub(crate) fn stubs(
        &self,
        own: &BTreeMap<String, ResourceType>,
        imported: &BTreeMap<String, ResourceImport>,
    ) -> Vec<IntrinsicStub> {
        let own = own.iter().map(|(name, ty)| {
            let (interface, version) = ty.interface.clone().unwrap_or_default();
            let import = ResourceImport {
                // What the Canonical ABI calls the definer's side of an interface.
                interface: match ty.of {
                    Some(_) => format!("[export]{interface}"),
                    None => interface,
                },
                version,
                resource: ty.of.as_ref().map_or(name, |of| &of.name).clone(),
                of: ty.of.clone(),
            };
            (name, import, false)
        });
        let imported = imported
            .iter()
            .map(|(name, import)| (name, import.clone(), true));
        let mut stubs = Vec::new();
        for (name, import, is_imported) in own.chain(imported) {
            let place = match &import.of {
                Some(of) => self.place(of, is_imported),
                None => ModulePaths::declared(name),
            };
            let whose = match is_imported {
                true => import.whose(),
                false => Whose::Own(false),
            };
            for intrinsic in intrinsics(whose) {
                stubs.push(IntrinsicStub {
                    identity: StubIdentity {
                        name: stub_name(intrinsic, &place),
                        interface: import.interface.clone(),
                        version: import.version.clone(),
                        function: format!("[{}]{}", intrinsic.canonical_name(), import.resource),
                    },
                    intrinsic,
                    resource: Some(name.clone()),
                    is_imported,
                });
            }
        }
        let of_any = Intrinsic::ALL.into_iter();
        let of_any = of_any
            .filter(|intrinsic| matches!(intrinsic.right(), Right::Instance | Right::Installer));
        stubs.extend(of_any.map(|intrinsic| IntrinsicStub {
            identity: StubIdentity {
                name: format!("{INSTANCE_STUBS}::{}", intrinsic.identifier()),
                interface: String::new(),
                version: String::new(),
                function: format!("[{}]", intrinsic.canonical_name()),
            },
            intrinsic,
            resource: None,
            is_imported: false,
        }));
        stubs
    }
}

/// The way in which the bindings of an interface pass handles.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Handles<'a> {
    world: &'a World,
    types: &'a WorldTypes,
    /// The interface whose functions pass them, if it is exported.
    exported: Option<&'a InterfaceName>,
}

impl<'a> Handles<'a> {
    /// Through functions that the world imports.
    pub(crate) fn of_imports(world: &'a World, types: &'a WorldTypes) -> Self {
        Self {
            world,
            types,
            exported: None,
        }
    }

    /// Through functions of an interface that the world exports.
    pub(crate) fn of_export(
        world: &'a World,
        types: &'a WorldTypes,
        interface: &'a InterfaceName,
    ) -> Self {
        Self {
            world,
            types,
            exported: Some(interface),
        }
    }

    /// Returns `true` if the component defines the type that a function here names.
    pub(crate) fn defines(&self, of: &ResourceName) -> bool {
        self.exported
            .is_some_and(|interface| self.world.exports_type(interface, of))
    }

    /// The instruction that sends a handle: `[handle] -> [token]`.
    pub(crate) fn send(&self, of: &ResourceName, own: bool) -> String {
        self.call(
            of,
            if own {
                Intrinsic::SendOwn
            } else {
                Intrinsic::SendBorrow
            },
        )
    }

    /// The instruction that receives a handle: `[token] -> [handle]`, or `[rep]` for what is lent to
    /// the definer.
    pub(crate) fn receive(&self, of: &ResourceName, own: bool) -> String {
        self.call(
            of,
            if own {
                Intrinsic::RecvOwn
            } else {
                Intrinsic::RecvBorrow
            },
        )
    }

    fn call(&self, of: &ResourceName, intrinsic: Intrinsic) -> String {
        let place = self.types.place(of, !self.defines(of));
        format!("call.::{STUB_MODULE}::{}", stub_name(intrinsic, &place))
    }
}

/// A stub's name below [`STUB_MODULE`].
fn stub_name(intrinsic: Intrinsic, place: &ModulePaths) -> String {
    let name = intrinsic.canonical_name().replace('-', "_");
    format!("{name}::{}", place.stubs)
}

/// The intrinsics of a type that a component may have, the one that makes instances first.
fn intrinsics(whose: Whose) -> impl Iterator<Item = Intrinsic> {
    let may_have = move |right| match right {
        Right::Holder => true,
        Right::Definer => matches!(whose, Whose::Own(_)),
        Right::Maker => whose == Whose::Instances,
        Right::Instance | Right::Installer | Right::Kernel => false,
    };
    let mut all = Intrinsic::ALL;
    all.sort_by_key(|intrinsic| intrinsic.right() != Right::Maker);
    all.into_iter()
        .filter(move |intrinsic| may_have(intrinsic.right()))
}

/// The wrappers of a type's intrinsics.
pub(crate) fn wrappers(resource: &str, place: &ModulePaths, whose: Whose) -> String {
    let mut text = format!("#! Handles of the resource type `{resource}`.\n");
    for intrinsic in intrinsics(whose) {
        let name = intrinsic.identifier();
        let stub = &format!(
            "call.::{STUB_MODULE}::{}",
            quoted(&stub_name(intrinsic, place))
        );
        let (comment, body) = match intrinsic {
            Intrinsic::New => (
                "[rep, ...] -> [handle, ...]: a new own handle.",
                stub.clone(),
            ),
            Intrinsic::Instantiate => (
                "[...] -> [handle, ...]: a new instance.",
                format!("push.0 {stub}"),
            ),
            Intrinsic::Rep => ("[handle, ...] -> [rep, ...]", stub.clone()),
            // 16 elements cross to the destructor and come back: those below the handle are not
            // its business.
            Intrinsic::Drop if matches!(whose, Whose::Own(true) | Whose::Imported) => (
                "[handle, ...] -> [...]: gives the handle up; the destructor may run.",
                format!(
                    "padw padw padw push.0 push.0 push.0 movup.15\n    {stub}\n    dropw dropw dropw \
                     dropw"
                ),
            ),
            Intrinsic::Drop => (
                "[handle, ...] -> [...]: gives the handle up.",
                format!("{stub} drop"),
            ),
            Intrinsic::SendOwn => (
                "[handle, ...] -> [token, ...]: gives the handle away, over the next call or return.",
                stub.clone(),
            ),
            Intrinsic::SendBorrow => (
                "[handle, ...] -> [token, ...]: lends the handle for the next call.",
                stub.clone(),
            ),
            Intrinsic::RecvOwn => (
                "[token, ...] -> [handle, ...]: receives what was given away.",
                stub.clone(),
            ),
            Intrinsic::RecvBorrow if matches!(whose, Whose::Own(_)) => (
                "[token, ...] -> [rep, ...]: receives what the caller lends.",
                stub.clone(),
            ),
            Intrinsic::RecvBorrow => (
                "[token, ...] -> [handle, ...]: receives what the caller lends; to be dropped \
                 before returning.",
                stub.clone(),
            ),
            Intrinsic::Load
            | Intrinsic::Store
            | Intrinsic::Caller
            | Intrinsic::Install
            | Intrinsic::InstallCode
            | Intrinsic::InstallProcedure
            | Intrinsic::Wire
            | Intrinsic::Component
            | Intrinsic::Adopt
            | Intrinsic::Save
            | Intrinsic::SavePair
            | Intrinsic::Restore => continue,
        };
        // Writing to a string does not fail.
        let _ = writeln!(text, "\n#! {comment}\npub proc {name}\n    {body}\nend");
        // Nothing is executed for a borrow, so there is nobody to hide anything from.
        if intrinsic == Intrinsic::Drop && whose == Whose::Imported {
            let _ = writeln!(
                text,
                "\n#! [handle, ...] -> [...]: gives up a handle that was lent. For one that is owned use `drop`: its\n\
                 #! destructor, if there is one, could look at the stack here.\n\
                 pub proc drop_borrow\n    {stub} drop\nend"
            );
        }
    }
    text
}
