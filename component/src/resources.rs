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
    document::Document,
    error::{BuildError, Problem},
    manifest::{ImportEntry, Manifest, ResourceEntry},
    names::{check_identity, check_name},
    stubs::{STUB_MODULE, StubIdentity},
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
}

/// An intrinsic that a component's code calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntrinsicImport {
    /// The digest that calls name: the stub's.
    pub digest: Word,
    /// What it does.
    pub intrinsic: Intrinsic,
    /// The component's name for the resource type, its own or an imported one.
    pub resource: String,
}

/// The resource types of a component, as its `component.toml` declares them.
pub(crate) struct Declared {
    own: BTreeMap<Spanned<String>, ResourceEntry>,
    imported: BTreeMap<Spanned<String>, ResourceImport>,
}

/// A stub of an intrinsic.
pub(crate) struct IntrinsicStub {
    pub(crate) identity: StubIdentity,
    pub(crate) intrinsic: Intrinsic,
    pub(crate) resource: String,
}

impl Declared {
    /// Takes what concerns resource types out of a manifest.
    ///
    /// # Errors
    /// Returns the first entry that is malformed.
    pub(crate) fn take(document: &Document, manifest: &mut Manifest) -> Result<Self, BuildError> {
        let own = std::mem::take(&mut manifest.resources);
        let mut imported = BTreeMap::new();
        let mut others = BTreeMap::new();
        for (name, entry) in std::mem::take(&mut manifest.imports) {
            match &entry.resource {
                Some(resource) => {
                    let import = imported_type(document, &name, &entry, resource)?;
                    imported.insert(name, import);
                }
                None => {
                    others.insert(name, entry);
                }
            }
        }
        manifest.imports = others;
        let this = Self { own, imported };
        let mut modules = BTreeSet::new();
        for name in this.own.keys().chain(this.imported.keys()) {
            check_name("a resource type", name.get_ref())
                .map_err(|p| document.error_at(name, p))?;
            if !modules.insert(module_name(name.get_ref())) {
                let problem = Problem::DuplicateResource(name.get_ref().clone());
                return Err(document.error_at(name, problem));
            }
        }
        for (name, entry) in &this.own {
            if let (None, Some(version)) = (&entry.interface, &entry.version) {
                let problem = Problem::VersionAlone(name.get_ref().clone());
                return Err(document.error_at(version, problem));
            }
        }
        Ok(this)
    }

    /// Whether the component has no resource types.
    pub(crate) fn is_empty(&self) -> bool {
        self.own.is_empty() && self.imported.is_empty()
    }

    /// The stubs of all intrinsics that the component may have.
    pub(crate) fn stubs(&self) -> Vec<IntrinsicStub> {
        let own = self.own.iter().map(|(name, entry)| {
            let text = |text: &Option<Spanned<String>>| {
                text.as_ref()
                    .map_or_else(String::new, |t| t.get_ref().clone())
            };
            let import = ResourceImport {
                interface: text(&entry.interface),
                version: text(&entry.version),
                resource: name.get_ref().clone(),
            };
            (name.get_ref(), import, true)
        });
        let imported = self
            .imported
            .iter()
            .map(|(name, import)| (name.get_ref(), import.clone(), false));
        let mut stubs = Vec::new();
        for (name, import, is_own) in own.chain(imported) {
            for (intrinsic, kind) in intrinsics(is_own) {
                stubs.push(IntrinsicStub {
                    identity: StubIdentity {
                        name: stub_name(kind, name),
                        interface: import.interface.clone(),
                        version: import.version.clone(),
                        function: format!("[{kind}]{}", import.resource),
                    },
                    intrinsic,
                    resource: name.clone(),
                });
            }
        }
        stubs
    }

    /// The generated modules: the files that they could be, their paths and their texts.
    pub(crate) fn modules(&self) -> Vec<(String, String, String)> {
        let own = self
            .own
            .iter()
            .map(|(name, entry)| (name.get_ref(), Some(entry.destructor.is_some())));
        let imported = self.imported.keys().map(|name| (name.get_ref(), None));
        own.chain(imported)
            .map(|(name, destroys)| {
                let module = module_name(name);
                (
                    format!("{RESOURCE_MODULE}/{module}.masm"),
                    format!("{RESOURCE_MODULE}::{module}"),
                    wrappers(name, destroys),
                )
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
        let mut destructors = BTreeMap::new();
        for (name, entry) in &self.own {
            let Some(procedure) = &entry.destructor else {
                continue;
            };
            let Some(&node) = procedures.get(procedure.get_ref()) else {
                let problem = Problem::DestructorWithoutProcedure {
                    resource: name.get_ref().clone(),
                    procedure: procedure.get_ref().clone(),
                };
                return Err(document.error_at(procedure, problem));
            };
            destructors.insert(name.get_ref().clone(), node);
        }
        Ok(destructors)
    }

    /// The component's own types; `destructor` gives the digests of those that have destructors.
    pub(crate) fn own(
        &self,
        destructor: impl Fn(&str) -> Option<Word>,
    ) -> BTreeMap<String, ResourceType> {
        let types = self.own.iter().map(|(name, entry)| {
            let interface = entry.interface.as_ref().map(|interface| {
                let version = entry.version.as_ref();
                (
                    interface.get_ref().clone(),
                    version.map_or_else(String::new, |version| version.get_ref().clone()),
                )
            });
            let resource = ResourceType {
                destructor: destructor(name.get_ref()),
                interface,
            };
            (name.get_ref().clone(), resource)
        });
        types.collect()
    }

    /// The types of other components.
    pub(crate) fn imported(&self) -> BTreeMap<String, ResourceImport> {
        self.imported
            .iter()
            .map(|(name, import)| (name.get_ref().clone(), import.clone()))
            .collect()
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
    let text = |what, text: &Spanned<String>| {
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
    })
}

/// The stub's name below [`STUB_MODULE`].
fn stub_name(kind: &str, resource: &str) -> String {
    format!("{}::{}", kind.replace('-', "_"), module_name(resource))
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

fn module_name(resource: &str) -> String {
    resource.replace('-', "_")
}

/// The wrappers of a type's intrinsics. `destroys` says whether there is a destructor; `None` if
/// that is up to another component.
fn wrappers(resource: &str, destroys: Option<bool>) -> String {
    let mut text = format!("#! Handles of the resource type `{resource}`.\n");
    for (intrinsic, kind) in intrinsics(destroys.is_some()) {
        let stub = format!("call.::{STUB_MODULE}::{}", stub_name(kind, resource));
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
