//! Resource types: those that a component defines, those of other components that it has handles of,
//! and the intrinsics by which its code gets at the handles.
//!
//! Each intrinsic of each type has a stub, as imports have. In its identity it is named as the
//! Canonical ABI does, `[resource-drop]account`; Miden assembly has no such names, so there the
//! bracket is a module: `call.imports::resource_drop::account`. A generated module wraps them, so
//! that code says `exec.resources::account::drop`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use miden_core::{Word, mast::MastNodeId};
use miden_cvm_air::composition::Intrinsic;
use toml::Spanned;

use crate::{
    bindings::{BINDINGS_MODULE, BindingsModule, EXPORTS_MODULE},
    document::Document,
    error::{BuildError, Problem},
    implement::find_interface,
    manifest::{ImportEntry, Manifest, ResourceEntry},
    names::{check_identity, check_name},
    stubs::{STUB_MODULE, StubIdentity},
    wit::{Interface, InterfaceName, ResourceName, World, masm_name, module_names, quoted},
};

/// The module below which a component finds the wrappers of its intrinsics.
pub const RESOURCE_MODULE: &str = "resources";

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
    /// The type's name in the interface.
    pub resource: String,
    /// The type that the component's world imports.
    pub of: Option<ResourceName>,
}

/// An intrinsic that a component's code calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntrinsicImport {
    /// The digest that calls name: the stub's.
    pub digest: Word,
    /// What it does.
    pub intrinsic: Intrinsic,
    /// The component's name for the resource type.
    pub resource: String,
    /// Whether the type is another component's. A world can export and import types of one name.
    pub is_imported: bool,
}

/// A stub of an intrinsic.
pub(crate) struct IntrinsicStub {
    pub(crate) identity: StubIdentity,
    pub(crate) intrinsic: Intrinsic,
    pub(crate) resource: String,
    pub(crate) is_imported: bool,
}

/// Where the stubs and the wrappers of a resource type are.
struct Place {
    /// The stubs, behind the kind of the intrinsic: `account` for `imports::resource_drop::account`.
    stubs: String,
    /// The module of the wrappers.
    wrappers: String,
}

impl Place {
    /// A type that `component.toml` declares.
    fn declared(name: &str) -> Self {
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

    fn place(&self, of: &ResourceName, is_imported: bool) -> Place {
        let path = |types: &BTreeMap<ResourceName, String>| -> String {
            types.get(of).cloned().unwrap_or_default()
        };
        if is_imported {
            let path = path(&self.imported);
            Place {
                wrappers: format!("{BINDINGS_MODULE}::{path}"),
                stubs: path,
            }
        } else {
            let path = path(&self.exported);
            Place {
                wrappers: format!("{RESOURCE_MODULE}::{path}"),
                stubs: format!("{EXPORTS_MODULE}::{path}"),
            }
        }
    }

    /// Comments that say where the wrappers for an interface's types are.
    pub(crate) fn described(&self, interface: &Interface, is_imported: bool) -> String {
        let comments = interface.resources.iter().map(|name| {
            let of = ResourceName {
                interface: interface.name.clone(),
                name: name.clone(),
            };
            let module = self.place(&of, is_imported).wrappers;
            format!("# Handles of `{name}`: `use {module}`.\n")
        });
        comments.collect()
    }

    /// The exported type that an entry of `component.toml` names: `interface#type`, or the type alone
    /// if only one interface has it.
    fn find_exported(&self, world: &World, key: &str) -> Option<&ResourceName> {
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
                None => Place::declared(name),
            };
            for (intrinsic, kind) in intrinsics(!is_imported) {
                stubs.push(IntrinsicStub {
                    identity: StubIdentity {
                        name: stub_name(kind, &place),
                        interface: import.interface.clone(),
                        version: import.version.clone(),
                        function: format!("[{kind}]{}", import.resource),
                    },
                    intrinsic,
                    resource: name.clone(),
                    is_imported,
                });
            }
        }
        stubs
    }
}

/// How the bindings of an interface pass handles.
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

    /// Whether the component defines the type that a function here names.
    pub(crate) fn defines(&self, of: &ResourceName) -> bool {
        self.exported
            .is_some_and(|interface| self.world.exports_type(interface, of))
    }

    /// The instruction that sends a handle: `[handle] -> [token]`.
    pub(crate) fn send(&self, of: &ResourceName, own: bool) -> String {
        self.call(
            of,
            if own {
                "handle-send-own"
            } else {
                "handle-send-borrow"
            },
        )
    }

    /// The instruction that receives a handle: `[token] -> [handle]`, or `[rep]` for what is lent to
    /// the definer.
    pub(crate) fn receive(&self, of: &ResourceName, own: bool) -> String {
        self.call(
            of,
            if own {
                "handle-recv-own"
            } else {
                "handle-recv-borrow"
            },
        )
    }

    fn call(&self, of: &ResourceName, kind: &str) -> String {
        let place = self.types.place(of, !self.defines(of));
        format!("call.::{STUB_MODULE}::{}", stub_name(kind, &place))
    }
}

/// The resource types of a component before it is assembled.
pub(crate) struct Declared {
    /// Those of its world.
    pub(crate) world: WorldTypes,
    own: BTreeMap<String, ResourceType>,
    destructors: BTreeMap<String, Spanned<String>>,
    imported: BTreeMap<String, ResourceImport>,
}

impl Declared {
    /// Takes what concerns resource types out of a manifest, and out of the component's world if it has
    /// one.
    ///
    /// # Errors
    /// Returns the first entry that is malformed.
    pub(crate) fn take(
        document: &Document,
        manifest: &mut Manifest,
        world: Option<&World>,
    ) -> Result<Self, BuildError> {
        let types = world.map(WorldTypes::of).unwrap_or_default();
        let mut this = Self {
            own: types.own(),
            imported: types.imports(),
            destructors: BTreeMap::new(),
            world: types,
        };
        let mut declared = Vec::new();
        let mut others = BTreeMap::new();
        for (name, entry) in std::mem::take(&mut manifest.imports) {
            match &entry.resource {
                Some(resource) => {
                    let import = imported_type(document, &name, &entry, resource)?;
                    let known = this.imported.insert(name.get_ref().clone(), import);
                    if known.is_some() {
                        let problem = Problem::DuplicateResource(name.get_ref().clone());
                        return Err(document.error_at(&name, problem));
                    }
                    declared.push(name);
                }
                None => {
                    others.insert(name, entry);
                }
            }
        }
        manifest.imports = others;
        for (name, entry) in std::mem::take(&mut manifest.resources) {
            match world {
                Some(world) => this.exported_type(document, world, name, entry)?,
                None => {
                    this.own_type(document, &name, entry)?;
                    declared.push(name);
                }
            }
        }
        declared.sort_by_key(|name| name.span().start);
        let mut modules = BTreeSet::new();
        for name in &declared {
            check_name("a resource type", name.get_ref())
                .map_err(|p| document.error_at(name, p))?;
            if !modules.insert(Place::declared(name.get_ref()).wrappers) {
                let problem = Problem::DuplicateResource(name.get_ref().clone());
                return Err(document.error_at(name, problem));
            }
        }
        Ok(this)
    }

    /// Adds what an entry says of a type that the world exports.
    fn exported_type(
        &mut self,
        document: &Document,
        world: &World,
        key: Spanned<String>,
        entry: ResourceEntry,
    ) -> Result<(), BuildError> {
        let Some(of) = self.world.find_exported(world, key.get_ref()) else {
            let known: Vec<&str> = self.own.keys().map(String::as_str).collect();
            let problem = Problem::NotInWorld {
                what: "exports",
                world: world.name.clone(),
                name: key.get_ref().clone(),
                known: known.join("`, `"),
            };
            return Err(document.error_at(&key, problem));
        };
        if entry.interface.is_some() || entry.version.is_some() {
            let problem = Problem::SaidByWorld(key.get_ref().clone());
            return Err(document.error_at(&key, problem));
        }
        let Some(destructor) = entry.destructor else {
            return Ok(());
        };
        match self.destructors.insert(of.to_string(), destructor) {
            Some(_) => {
                let problem = Problem::DuplicateResource(key.get_ref().clone());
                Err(document.error_at(&key, problem))
            }
            None => Ok(()),
        }
    }

    /// Adds a type that is not in any world.
    fn own_type(
        &mut self,
        document: &Document,
        name: &Spanned<String>,
        entry: ResourceEntry,
    ) -> Result<(), BuildError> {
        if let (None, Some(version)) = (&entry.interface, &entry.version) {
            let problem = Problem::VersionAlone(name.get_ref().clone());
            return Err(document.error_at(version, problem));
        }
        let text = Spanned::into_inner;
        let ty = ResourceType {
            destructor: None,
            interface: entry
                .interface
                .map(|interface| (text(interface), entry.version.map(text).unwrap_or_default())),
            of: None,
        };
        self.own.insert(name.get_ref().clone(), ty);
        if let Some(destructor) = entry.destructor {
            self.destructors.insert(name.get_ref().clone(), destructor);
        }
        Ok(())
    }

    /// Whether there are modules below [`RESOURCE_MODULE`].
    pub(crate) fn has_modules(&self) -> bool {
        let is_declared = |of: &Option<ResourceName>| of.is_none();
        !self.own.is_empty() || self.imported.values().any(|import| is_declared(&import.of))
    }

    /// The stubs of all intrinsics that the component may have.
    pub(crate) fn stubs(&self) -> Vec<IntrinsicStub> {
        self.world.stubs(&self.own, &self.imported)
    }

    /// The generated modules of wrappers.
    pub(crate) fn modules(&self) -> Vec<BindingsModule> {
        let own = self.own.iter().map(|(name, ty)| {
            let destroys = Some(self.destructors.contains_key(name));
            (name, &ty.of, destroys)
        });
        let imported = self
            .imported
            .iter()
            .map(|(name, import)| (name, &import.of, None));
        own.chain(imported)
            .map(|(name, of, destroys)| {
                let place = match of {
                    Some(of) => self.world.place(of, destroys.is_none()),
                    None => Place::declared(name),
                };
                BindingsModule {
                    text: wrappers(name, &place, destroys),
                    path: place.wrappers,
                }
            })
            .collect()
    }

    /// The nodes of the destructors.
    ///
    /// # Errors
    /// If a destructor is no public procedure.
    pub(crate) fn destructors(
        &self,
        document: &Document,
        procedures: &BTreeMap<String, MastNodeId>,
    ) -> Result<BTreeMap<String, MastNodeId>, BuildError> {
        let mut nodes = BTreeMap::new();
        for (name, procedure) in &self.destructors {
            let Some(&node) = procedures.get(procedure.get_ref()) else {
                let problem = Problem::DestructorWithoutProcedure {
                    resource: name.clone(),
                    procedure: procedure.get_ref().clone(),
                };
                return Err(document.error_at(procedure, problem));
            };
            nodes.insert(name.clone(), node);
        }
        Ok(nodes)
    }

    /// The component's own types; `destructor` gives the digests of those that have destructors.
    pub(crate) fn own(
        &self,
        destructor: impl Fn(&str) -> Option<Word>,
    ) -> BTreeMap<String, ResourceType> {
        let types = self.own.iter().map(|(name, ty)| {
            let resource = ResourceType {
                destructor: destructor(name),
                ..ty.clone()
            };
            (name.clone(), resource)
        });
        types.collect()
    }

    /// The types of other components.
    pub(crate) fn imported(&self) -> BTreeMap<String, ResourceImport> {
        self.imported.clone()
    }
}

fn imported_type(
    document: &Document,
    name: &Spanned<String>,
    entry: &ImportEntry,
    resource: &Spanned<String>,
) -> Result<ResourceImport, BuildError> {
    let (Some(interface), None, None, None) =
        (&entry.interface, &entry.function, &entry.root, &entry.kind)
    else {
        let problem = Problem::ImportForm(name.get_ref().clone());
        return Err(document.error_at(name, problem));
    };
    let text = |what, text: &Spanned<String>| -> Result<String, BuildError> {
        check_identity(what, text.get_ref()).map_err(|p| document.error_at(text, p))?;
        Ok(text.get_ref().clone())
    };
    Ok(ResourceImport {
        interface: text("interface", interface)?,
        version: entry
            .version
            .as_ref()
            .map_or(Ok(String::new()), |v| text("version", v))?,
        resource: text("resource", resource)?,
        of: None,
    })
}

/// A stub's name below [`STUB_MODULE`].
fn stub_name(kind: &str, place: &Place) -> String {
    format!("{}::{}", kind.replace('-', "_"), place.stubs)
}

/// The intrinsics of a type that a component may have, and what the Canonical ABI calls them, or
/// would.
fn intrinsics(is_own: bool) -> impl Iterator<Item = (Intrinsic, &'static str)> {
    let all = [
        (Intrinsic::New, "resource-new"),
        (Intrinsic::Rep, "resource-rep"),
        (Intrinsic::Drop, "resource-drop"),
        (Intrinsic::SendOwn, "handle-send-own"),
        (Intrinsic::SendBorrow, "handle-send-borrow"),
        (Intrinsic::RecvOwn, "handle-recv-own"),
        (Intrinsic::RecvBorrow, "handle-recv-borrow"),
    ];
    all.into_iter()
        .filter(move |(intrinsic, _)| is_own || !intrinsic.is_definer())
}

/// The wrappers of a type's intrinsics. `destroys` says whether there is a destructor; `None` if
/// that is up to another component.
fn wrappers(resource: &str, place: &Place, destroys: Option<bool>) -> String {
    let mut text = format!("#! Handles of the resource type `{resource}`.\n");
    for (intrinsic, kind) in intrinsics(destroys.is_some()) {
        let stub = format!("call.::{STUB_MODULE}::{}", quoted(&stub_name(kind, place)));
        let (name, comment, body) = match intrinsic {
            Intrinsic::New => (
                "new",
                "[rep, ...] -> [handle, ...]: a new own handle.",
                stub,
            ),
            Intrinsic::Rep => ("rep", "[handle, ...] -> [rep, ...]", stub),
            // 16 elements cross to the destructor and come back: those below the handle are not
            // its business.
            Intrinsic::Drop if destroys != Some(false) => (
                "drop",
                "[handle, ...] -> [...]: gives the handle up; the destructor may run.",
                format!(
                    "padw padw padw push.0 push.0 push.0 movup.15\n    {stub}\n    dropw dropw dropw \
                     dropw"
                ),
            ),
            Intrinsic::Drop => (
                "drop",
                "[handle, ...] -> [...]: gives the handle up.",
                format!("{stub} drop"),
            ),
            Intrinsic::SendOwn => (
                "send_own",
                "[handle, ...] -> [token, ...]: gives the handle away, over the next call or return.",
                stub,
            ),
            Intrinsic::SendBorrow => (
                "send_borrow",
                "[handle, ...] -> [token, ...]: lends the handle for the next call.",
                stub,
            ),
            Intrinsic::RecvOwn => (
                "recv_own",
                "[token, ...] -> [handle, ...]: receives what was given away.",
                stub,
            ),
            Intrinsic::RecvBorrow if destroys.is_some() => (
                "recv_borrow",
                "[token, ...] -> [rep, ...]: receives what the caller lends.",
                stub,
            ),
            Intrinsic::RecvBorrow => (
                "recv_borrow",
                "[token, ...] -> [handle, ...]: receives what the caller lends; to be dropped \
                 before returning.",
                stub,
            ),
            Intrinsic::Load | Intrinsic::Store => continue,
        };
        // Writing to a string does not fail.
        let _ = writeln!(text, "\n#! {comment}\npub proc {name}\n    {body}\nend");
    }
    text
}
