//! Components that a program installs: their records, which no composition has.

use std::collections::{BTreeMap, BTreeSet};

use miden_core::{Felt, Word};
use miden_crypto::hash::rpo::Rpo256;
use miden_cvm_air::{
    component::{self, Call, Meaning, Type},
    composition::{ExportRecord, Intrinsic, IntrinsicRecord, LinkKind, Right},
};

use crate::{
    bindings::resources::{IntrinsicImport, ResourceImport, ResourceType},
    error::NotInstallable,
    link::Instance,
    source::component::{Component, Export, Import, ImportKey},
};

/// The key of a function of an interface: the first element of the RPO hash of a text.
pub fn function_key(interface: &str, version: &str, function: &str) -> Felt {
    Rpo256::hash(format!("miden-cvm function\n{interface}\n{version}\n{function}").as_bytes())[0]
}

/// The key of a resource type of an interface: the first element of the RPO hash of a text.
pub fn type_key(interface: &str, version: &str, resource: &str) -> Felt {
    Rpo256::hash(format!("miden-cvm type\n{interface}\n{version}\n{resource}").as_bytes())[0]
}

impl ResourceType {
    /// The key by which imports lead to the type. One of no interface is known by its name in the component, and
    /// nobody imports it.
    fn key(&self, name: &str) -> Felt {
        let name = self.of.as_ref().map_or(name, |of| &of.name);
        match &self.interface {
            Some((interface, version)) => type_key(interface, version, name),
            None => type_key("", "", name),
        }
    }
}

impl ResourceImport {
    /// The key of the type that it can lead to.
    fn key(&self) -> Felt {
        type_key(&self.interface, &self.version, &self.resource)
    }
}

impl Import {
    /// The key of the export that it can lead to; nothing if it names an exact procedure.
    pub(crate) fn function_key(&self) -> Option<Felt> {
        match &self.key {
            ImportKey::Function(of) => Some(function_key(&of.interface, &of.version, &of.function)),
            ImportKey::Root => None,
        }
    }
}

impl Export {
    /// The key by which imports lead to it; nothing if it is of no interface.
    fn function_key(&self, name: &str) -> Option<Felt> {
        let (interface, version) = self.interface.as_ref()?;
        let function = self
            .function
            .as_ref()
            .map_or(name, |(_, function)| function);
        Some(function_key(interface, version, function))
    }
}

impl Component {
    /// The functions of interfaces that it exports, by the keys of imports that lead to them.
    fn exports_by_key(&self) -> impl Iterator<Item = component::Export> {
        self.exports.iter().filter_map(|(name, export)| {
            Some(component::Export {
                digest: export.digest,
                key: export.function_key(name)?,
            })
        })
    }

    /// The type of another component whose handles an intrinsic is for.
    fn imported_type(&self, call: &IntrinsicImport) -> Option<&ResourceImport> {
        let name = call.resource.as_ref().filter(|_| call.is_imported)?;
        let import = self.resource_imports.get(name)?;
        (!import.is_of_instances()).then_some(import)
    }

    /// The type of its own whose handles an intrinsic is for, with its name.
    fn own_type(&self, call: &IntrinsicImport) -> Option<(&str, &ResourceType)> {
        let name = call.resource.as_ref().filter(|_| !call.is_imported)?;
        let (name, of) = self.resources.get_key_value(name)?;
        Some((name, of))
    }

    /// The record by which a program installs instances of the component, with its commitment.
    ///
    /// # Errors
    /// Returns an error if the component has something that only instances of a composition can have.
    pub fn record(&self) -> Result<component::Component, NotInstallable> {
        if let Some(segment) = self.segments.iter().find(|segment| segment.is_public) {
            return Err(NotInstallable::PublicData(segment.address));
        }
        if !self.memory.is_empty() {
            return Err(NotInstallable::Memory);
        }
        // An import is an interface: all of its functions lead to one instance.
        let mut interfaces = BTreeSet::new();
        let mut imports = Vec::new();
        let mut calls = Vec::new();
        for (name, import) in &self.imports {
            if !import.is_called {
                continue;
            }
            let (ImportKey::Function(of), Some(key)) = (&import.key, import.function_key()) else {
                return Err(NotInstallable::Root(name.clone()));
            };
            let digest = import.digest;
            if import.kind == Some(LinkKind::Held) {
                let meaning = Meaning::Held(key);
                calls.push(Call { digest, meaning });
                continue;
            }
            let interface = (of.interface.as_str(), of.version.as_str());
            interfaces.insert(interface);
            let kind = import.kind.unwrap_or(LinkKind::Shared);
            imports.push((interface, digest, key, kind));
        }
        // So are its types, if only code handles them.
        let used = self.intrinsics.iter();
        let used = used.filter_map(|call| self.imported_type(call));
        interfaces.extend(used.map(|import| (import.interface.as_str(), import.version.as_str())));
        // The interface of each import is among them.
        let slots: BTreeMap<_, _> = interfaces.into_iter().zip(1..).collect();
        let imported: BTreeSet<Word> = imports.iter().map(|(_, digest, ..)| *digest).collect();
        calls.extend(imports.into_iter().map(|(interface, digest, key, kind)| {
            let slot = slots[&interface];
            let meaning = Meaning::Import { key, slot, kind };
            Call { digest, meaning }
        }));
        for call in &self.intrinsics {
            let intrinsic = call.intrinsic;
            let may = match intrinsic.right() {
                Right::Definer | Right::Holder | Right::Instance => true,
                Right::Maker | Right::Installer | Right::Kernel => false,
            };
            if !may {
                return Err(NotInstallable::Intrinsic(intrinsic));
            }
            let handle = |key, slot| Meaning::Handle {
                intrinsic,
                key,
                slot,
            };
            let meaning = match (self.imported_type(call), self.own_type(call)) {
                (Some(import), _) => {
                    let interface = (import.interface.as_str(), import.version.as_str());
                    handle(import.key(), slots[&interface])
                }
                (None, Some((name, own))) => handle(own.key(name), 0),
                (None, None) => Meaning::Builtin(intrinsic),
            };
            let digest = call.digest;
            calls.push(Call { digest, meaning });
        }
        let own = self.own_calls.iter().copied();
        calls.extend(
            own.filter(|digest| !imported.contains(digest))
                .map(|digest| Call {
                    digest,
                    meaning: Meaning::Own,
                }),
        );
        let segments = self.segments.iter().map(|segment| component::Segment {
            address: segment.address,
            length: segment.elements.len() as u32,
            commitment: segment.commitment,
        });
        let types = self.resources.iter().map(|(name, of)| Type {
            key: of.key(name),
            destructor: of.destructor,
        });
        let exports = self.exports_by_key().collect();
        let record = component::Component::new(calls, exports, segments.collect());
        let record = record.with_types(types.collect());
        record.validate()?;
        Ok(record)
    }
}

/// The exports to which imports of installed instances can be wired: those of instances that a program makes,
/// if somebody wires.
pub(crate) fn exports_of_made(
    instances: &[Instance],
    intrinsics: &[IntrinsicRecord],
) -> Vec<ExportRecord> {
    let has = |intrinsic| move |record: &&IntrinsicRecord| record.intrinsic == intrinsic;
    if !intrinsics
        .iter()
        .any(|record| has(Intrinsic::Wire)(&record))
    {
        return Vec::new();
    }
    let made = intrinsics.iter().filter(has(Intrinsic::Instantiate));
    let made: BTreeSet<u32> = made.filter_map(IntrinsicRecord::instances_of).collect();
    let mut exports = Vec::new();
    for instance in made {
        let component = &instances[instance as usize].component;
        // There is one of it only.
        let has_public_data = component.segments.iter().any(|segment| segment.is_public);
        if has_public_data || !component.resources.is_empty() {
            continue;
        }
        exports.extend(component.exports_by_key().map(|export| ExportRecord {
            instance,
            key: export.key,
            callee: export.digest,
        }));
    }
    exports
}
