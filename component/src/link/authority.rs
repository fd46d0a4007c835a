//! The rights of instances over resource types: the records of types and of intrinsics.

use std::{collections::BTreeMap, sync::Arc};

use miden_assembly::DefaultSourceManager;
use miden_cvm_air::{
    component::INSTALLED,
    composition::{FIRST_INSTANCE_TYPE, IntrinsicRecord, KERNEL_SOURCE, ResourceRecord, Right},
};
use toml::Spanned;

use crate::{
    bindings::{
        kernel::kernel_stub,
        resources::{INSTANCES, ResourceImport, ResourceType},
    },
    error::{BuildError, Problem},
    link::{
        file::{ANY, split_reference},
        tree::{Placed, Tree},
        wiring::{Wire, Wiring, versioned},
    },
    source::component::Import,
    wit::{InterfaceName, ResourceName, find::full_name},
};

/// Says who has which intrinsic, among instances that are wired.
pub(crate) struct Authority<'a> {
    wiring: Wiring<'a>,
    /// The types that names stand for, instance by instance.
    types: Vec<Types<'a>>,
}

/// A resource type: the instance that defines it, and its name there; or one of instances, and
/// [`INSTANCES`].
type TypeOf<'a> = (u32, &'a str);

/// The resource types that a component's names stand for: its own ones, and those that it imports.
#[derive(Default)]
struct Types<'a> {
    own: BTreeMap<&'a str, TypeOf<'a>>,
    imported: BTreeMap<&'a str, TypeOf<'a>>,
}

impl<'a> Types<'a> {
    fn get(&self, name: &str, is_imported: bool) -> Option<TypeOf<'a>> {
        let types = if is_imported {
            &self.imported
        } else {
            &self.own
        };
        types.get(name).copied()
    }
}

/// The records that concern resources.
#[derive(Default)]
pub(crate) struct ResourceRecords {
    pub(crate) resources: Vec<ResourceRecord>,
    pub(crate) intrinsics: Vec<IntrinsicRecord>,
}

impl<'a> Authority<'a> {
    /// Finds out which types the instances have.
    ///
    /// # Errors
    /// If a resource type is not wired, or wired to what is none.
    pub(crate) fn new(tree: &'a Tree) -> Result<Self, BuildError> {
        let mut this = Self {
            wiring: Wiring(tree),
            types: Vec::with_capacity(tree.instances.len()),
        };
        for (source, instance) in (0..).zip(&tree.instances) {
            let types = this.types_of(source, instance)?;
            this.types.push(types);
        }
        Ok(this)
    }

    /// Whose types each instance uses: (user, definer).
    pub(crate) fn uses(&self) -> Vec<(u32, u32)> {
        let users = (0..).zip(&self.types);
        let uses = users.flat_map(|(source, types)| {
            let imported = types.imported.values();
            let definers = imported.map(|(definer, _)| *definer);
            let definers = definers.filter(|definer| *definer != INSTALLED);
            definers.map(move |definer| (source, definer))
        });
        uses.collect()
    }

    /// The records: the types of every instance in the order of their names, and for each instance
    /// the intrinsics that its component's code calls. `new` and `rep` are there for a component's
    /// own types only, so they are the definer's alone.
    ///
    /// `indices` says what indices instances get; those that are left out are not in it.
    pub(crate) fn records(&self, indices: &BTreeMap<u32, u32>) -> ResourceRecords {
        let mut records = ResourceRecords::default();
        let mut numbers: BTreeMap<TypeOf<'_>, u32> = BTreeMap::new();
        let kept = || {
            (0..)
                .zip(&self.wiring.0.instances)
                .filter_map(|(position, i)| {
                    indices.get(&position).map(|index| (position, *index, i))
                })
        };
        for (position, definer, instance) in kept() {
            for (name, ResourceType { destructor, .. }) in &instance.component.resources {
                numbers.insert((position, name), records.resources.len() as u32);
                records.resources.push(ResourceRecord {
                    definer,
                    destructor: *destructor,
                });
            }
        }
        for (position, source, instance) in kept() {
            let types = &self.types[position as usize];
            for call in &instance.component.intrinsics {
                let resource = match &call.resource {
                    Some(name) => {
                        let of = types.get(name, call.is_imported);
                        of.and_then(|of| match of {
                            (INSTALLED, _) => Some(FIRST_INSTANCE_TYPE + INSTALLED),
                            (of, INSTANCES) => {
                                indices.get(&of).map(|index| FIRST_INSTANCE_TYPE + index)
                            }
                            of => numbers.get(&of).copied(),
                        })
                    }
                    None => Some(0),
                };
                if let Some(resource) = resource {
                    records.intrinsics.push(IntrinsicRecord {
                        source,
                        digest: call.digest,
                        intrinsic: call.intrinsic,
                        resource,
                    });
                }
            }
        }
        records
    }

    /// Checks that a function passes handles of the same types as the one it is wired to. Its types are
    /// those of the instances that define them, however they are called.
    ///
    /// # Errors
    /// If they are not.
    pub(crate) fn check_types(
        &self,
        source: u32,
        import: &Import,
        wire: &Wire<'_>,
    ) -> Result<(), BuildError> {
        let (Some(wanted), Some(offered)) = (&import.function, &wire.export.function) else {
            return Ok(());
        };
        let instance = &self.wiring.0.instances[source as usize];
        let offering = &self.wiring.0.instances[wire.target as usize];
        let (Some(world), Some(offering_world)) =
            (&instance.component.world, &offering.component.world)
        else {
            return Ok(());
        };
        let (world, offering_world) = (&world.world, &offering_world.world);
        let expected = world
            .import(&wanted.0)
            .and_then(|interface| interface.function(&wanted.1));
        let found = offering_world
            .export(&offered.0)
            .and_then(|interface| interface.function(&offered.1));
        let (Some(expected), Some(found)) = (expected, found) else {
            return Ok(());
        };
        for (ours, theirs) in expected.handles().into_iter().zip(found.handles()) {
            let is_own = offering_world.exports_type(&offered.0, theirs);
            let ours = self.types[source as usize].get(&ours.to_string(), true);
            let theirs = self.types[wire.target as usize].get(&theirs.to_string(), !is_own);
            // Code that handles no type has none that could be another.
            if let (Some(ours), Some(theirs)) = (ours, theirs)
                && ours != theirs
            {
                let problem = Problem::WrongResource {
                    import: full_name(wanted),
                    expected: format!("{} ({})", self.describe(ours), expected.location),
                    offered: format!("{} ({})", self.describe(theirs), found.location),
                };
                let document = self.wiring.document(instance);
                return Err(document.error(wire.place.clone(), problem));
            }
        }
        Ok(())
    }

    fn describe(&self, (definer, name): TypeOf<'_>) -> String {
        if definer == INSTALLED {
            return "handles to installed instances".into();
        }
        let instance = &self.wiring.0.instances[definer as usize].name;
        format!("`{name}` of instance `{instance}`")
    }

    /// Returns the types that an instance's names stand for. Of the types that its world imports,
    /// it has those that its code does something with.
    fn types_of(&self, source: u32, instance: &'a Placed) -> Result<Types<'a>, BuildError> {
        let component = &*instance.component;
        let mut calls = component.intrinsics.iter();
        let installs = calls.find(|call| call.intrinsic.right() == Right::Installer);
        let entry = self.wiring.0.entry(instance).map(|(_, entry)| entry);
        if let Some(call) = installs
            && entry.is_none_or(|entry| entry.installs.is_none())
        {
            let problem = Problem::NoRightToInstall {
                instance: instance.name.clone(),
                intrinsic: call.intrinsic,
            };
            return Err(self.wiring.error_at(instance, problem));
        }
        let own = component.resources.keys();
        let mut types = Types {
            own: own
                .map(|name| (name.as_str(), (source, name.as_str())))
                .collect(),
            imported: BTreeMap::new(),
        };
        for (name, import) in &component.resource_imports {
            let mut intrinsics = component.intrinsics.iter();
            let is_used =
                intrinsics.any(|call| call.is_imported && call.resource.as_ref() == Some(name));
            if import.of.is_none() || is_used {
                let of = self.wired(instance, name, import)?;
                types.imported.insert(name, of);
            }
        }
        Ok(types)
    }

    /// The type that an import is wired to.
    fn wired(
        &self,
        instance: &'a Placed,
        name: &str,
        import: &ResourceImport,
    ) -> Result<TypeOf<'a>, BuildError> {
        let tree = self.wiring.0;
        let entry = tree.entry(instance).map(|(_, entry)| entry);
        if let Some(wire) = entry.and_then(|entry| entry.imports.get(name)) {
            return self.wired_alone(instance, name, import, wire);
        }
        let world = instance.component.world.as_ref().map(|world| &world.world);
        let interface = import
            .of
            .as_ref()
            .and_then(|of| world?.import(&of.interface))
            .filter(|interface| interface.name != InterfaceName::World);
        let Some((interface, wire)) = interface.and_then(|interface| {
            Some((
                interface,
                self.wiring.wire_of_interface(instance, interface)?,
            ))
        }) else {
            let problem = Problem::UnmetImport {
                instance: instance.name.clone(),
                component: instance.component.name.clone(),
                import: interface.map_or_else(|| name.into(), |i| i.name.to_string()),
                by_interface: interface.is_some(),
            };
            return Err(self.wiring.error_at(instance, problem));
        };
        let (definer, found) = self.wiring.offered(instance, interface, wire)?;
        let resource = ResourceName {
            interface: found.name.clone(),
            name: import.resource.clone(),
        };
        self.defined(definer, &resource.to_string())
            .map_err(|problem| self.wiring.document(instance).error_at(wire, problem))
    }

    /// The type that an import is wired to by itself.
    fn wired_alone(
        &self,
        instance: &Placed,
        name: &str,
        import: &ResourceImport,
        wire: &Spanned<String>,
    ) -> Result<TypeOf<'a>, BuildError> {
        let tree = self.wiring.0;
        let at_wire = |problem| self.wiring.document(instance).error_at(wire, problem);
        if import.is_of_instances() && wire.get_ref() == ANY {
            return Ok((INSTALLED, INSTANCES));
        }
        if import.is_of_instances() {
            let target = tree.target(instance.scope, wire, None)?;
            return match target.item {
                None => Ok((target.index, INSTANCES)),
                Some(_) => Err(at_wire(Problem::InstanceOfWhat {
                    import: name.into(),
                    wire: wire.get_ref().clone(),
                })),
            };
        }
        let (_, written) = split_reference(wire.get_ref()).map_err(at_wire)?;
        let target = tree.target(instance.scope, wire, None)?;
        let resource = target.item.unwrap_or_else(|| written.to_owned());
        let (definer, resource) = self.defined(target.index, &resource).map_err(|problem| {
            let known = &tree.instances[target.index as usize].component.resources;
            at_wire(problem).with_similar(&resource, known.keys())
        })?;
        let found = &tree.instances[definer as usize].component.resources[resource];
        if let Some((interface, version)) = &found.interface
            && (interface, version) != (&import.interface, &import.version)
        {
            return Err(at_wire(Problem::WrongInterface {
                import: name.into(),
                export: wire.get_ref().clone(),
                expected: versioned(&import.interface, &import.version),
                actual: versioned(interface, version),
            }));
        }
        Ok((definer, resource))
    }

    /// A type that an instance defines.
    fn defined(&self, definer: u32, resource: &str) -> Result<TypeOf<'a>, Problem> {
        let defining = &self.wiring.0.instances[definer as usize];
        match defining.component.resources.get_key_value(resource) {
            Some((resource, _)) => Ok((definer, resource)),
            None => Err(Problem::UnknownResource {
                instance: defining.name.clone(),
                component: defining.component.name.clone(),
                resource: resource.into(),
            }),
        }
    }

    /// The records of the intrinsics that the composition gives to the kernel.
    ///
    /// # Errors
    /// If there is no kernel, or if a composition in the composition gives it some too.
    pub(crate) fn of_kernel(
        &self,
        has_kernel: bool,
        sources: &Arc<DefaultSourceManager>,
    ) -> Result<Vec<IntrinsicRecord>, BuildError> {
        let mut records = Vec::new();
        for (position, scope) in self.wiring.0.scopes.iter().enumerate() {
            let Some(entry) = &scope.file.kernel else {
                continue;
            };
            let at_entry = |problem| scope.document.error_at(entry, problem);
            if position > 0 {
                return Err(at_entry(Problem::NestedKernel));
            }
            if !has_kernel {
                return Err(at_entry(Problem::NoKernel));
            }
            for &intrinsic in &entry.get_ref().intrinsics {
                records.push(IntrinsicRecord {
                    source: KERNEL_SOURCE,
                    digest: kernel_stub(intrinsic, sources.clone()).map_err(at_entry)?,
                    intrinsic,
                    resource: 0,
                });
            }
        }
        Ok(records)
    }
}
