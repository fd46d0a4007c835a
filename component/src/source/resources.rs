//! The resource types of a component, as its world and its `component.toml` say.

use std::collections::{BTreeMap, BTreeSet};

use miden_core::{Word, mast::MastNodeId};
use toml::Spanned;

use crate::{
    bindings::{
        BindingsModule,
        resources::{
            INSTANCES, IntrinsicStub, ModulePaths, ResourceImport, ResourceType, Whose, WorldTypes,
            wrappers,
        },
    },
    error::{BuildError, Problem},
    source::{
        manifest::{ImportEntry, Manifest, ResourceEntry},
        world::find_procedure,
    },
    text::{
        document::Document,
        names::{check_identity, check_name},
    },
    wit::{ResourceName, World},
};

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
            match entry.resource.is_some() || entry.instances {
                true => {
                    let import = imported_type(document, &name, &entry)?;
                    let known = this.imported.insert(name.get_ref().clone(), import);
                    if known.is_some() {
                        let problem = Problem::DuplicateResource(name.get_ref().clone());
                        return Err(document.error_at(&name, problem));
                    }
                    declared.push(name);
                }
                false => {
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
            if !modules.insert(ModulePaths::declared(name.get_ref()).wrappers) {
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
            let error = document.error_at(&key, problem);
            return Err(error.with_similar(key.get_ref(), known));
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

    /// Adds destructors of types that the world exports, which compiled code has; `place` names the code.
    ///
    /// # Errors
    /// If an entry has named one for the same type.
    pub(crate) fn add_destructors(
        &mut self,
        document: &Document,
        place: &Spanned<String>,
        destructors: &[(ResourceName, String)],
    ) -> Result<(), BuildError> {
        for (of, procedure) in destructors {
            let procedure = Spanned::new(place.span(), procedure.clone());
            if self.destructors.insert(of.to_string(), procedure).is_some() {
                let problem = Problem::DuplicateResource(of.to_string());
                return Err(document.error_at(place, problem));
            }
        }
        Ok(())
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

    /// Returns `true` if there are modules below [`RESOURCE_MODULE`].
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
            let destroys = self.destructors.contains_key(name);
            (name, &ty.of, Whose::Own(destroys))
        });
        let imported = self
            .imported
            .iter()
            .map(|(name, import)| (name, &import.of, import.whose()));
        own.chain(imported)
            .map(|(name, of, whose)| {
                let place = match of {
                    Some(of) => self.world.place(of, !matches!(whose, Whose::Own(_))),
                    None => ModulePaths::declared(name),
                };
                BindingsModule {
                    text: wrappers(name, &place, whose),
                    path: place.wrappers,
                }
            })
            .collect()
    }

    /// The paths of the destructors' procedures.
    pub(crate) fn destructor_paths(&self) -> impl Iterator<Item = &str> {
        let destructors = self.destructors.values();
        destructors.map(|procedure| procedure.get_ref().as_str())
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
            let path = find_procedure(procedures.keys(), procedure.get_ref());
            let Some(&node) = procedures.get(&path) else {
                let problem = Problem::DestructorWithoutProcedure {
                    resource: name.clone(),
                    procedure: procedure.get_ref().clone(),
                };
                let error = document.error_at(procedure, problem);
                return Err(error.with_similar(procedure.get_ref(), procedures.keys()));
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
) -> Result<ResourceImport, BuildError> {
    let form = || {
        let problem = Problem::ImportForm(name.get_ref().clone());
        document.error_at(name, problem)
    };
    let (Some(interface), None, None, None) =
        (&entry.interface, &entry.function, &entry.root, &entry.kind)
    else {
        return Err(form());
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
        resource: match (&entry.resource, entry.instances) {
            (Some(resource), false) if resource.get_ref() != INSTANCES => {
                text("resource", resource)?
            }
            (None, true) => INSTANCES.into(),
            _ => return Err(form()),
        },
        of: None,
    })
}
