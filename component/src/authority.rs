//! Which instance may do what to which resource type: the records of types and of intrinsics.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    error::{BuildError, Problem},
    plan::split_reference,
    resources::{ResourceImport, ResourceType},
    tree::Placed,
    wiring::{Wiring, versioned},
};
use miden_assembly::SourceManager;
use miden_cvm_air::composition::{IntrinsicRecord, KERNEL_SOURCE, ResourceRecord};

/// Says who has which intrinsic, among instances that are wired.
pub(crate) struct Authority<'a> {
    pub(crate) wiring: Wiring<'a>,
}

/// A resource type: the instance that defines it, and its name there.
type TypeOf<'a> = (u32, &'a str);

/// The records that concern resources.
#[derive(Default)]
pub(crate) struct ResourceRecords {
    pub(crate) resources: Vec<ResourceRecord>,
    pub(crate) intrinsics: Vec<IntrinsicRecord>,
}

impl<'a> Authority<'a> {
    /// Whose types each instance uses: (user, definer).
    ///
    /// # Errors
    /// If a resource type is not wired, or wired to what is none.
    pub(crate) fn uses(&self) -> Result<Vec<(u32, u32)>, BuildError> {
        let mut uses = Vec::new();
        for (source, instance) in (0..).zip(&self.wiring.0.instances) {
            let types = self.types_of(source, instance)?;
            uses.extend(types.values().map(|(definer, _)| (source, *definer)));
        }
        Ok(uses)
    }

    /// The records: the types of every instance in the order of their names, and for each instance
    /// the intrinsics that its component's code calls. `new` and `rep` are there for a component's
    /// own types only, so they are the definer's alone.
    ///
    /// `indices` says what indices instances get; those that are left out are not in it.
    ///
    /// # Errors
    /// If a resource type is not wired, or wired to what is none.
    pub(crate) fn records(
        &self,
        indices: &BTreeMap<u32, u32>,
    ) -> Result<ResourceRecords, BuildError> {
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
            let types = self.types_of(position, instance)?;
            for call in &instance.component.intrinsics {
                let number = types
                    .get(call.resource.as_str())
                    .and_then(|of| numbers.get(of));
                if let Some(&resource) = number {
                    records.intrinsics.push(IntrinsicRecord {
                        source,
                        digest: call.digest,
                        intrinsic: call.intrinsic,
                        resource,
                    });
                }
            }
        }
        Ok(records)
    }

    /// What an instance's names for types stand for.
    fn types_of(
        &self,
        source: u32,
        instance: &'a Placed,
    ) -> Result<BTreeMap<&'a str, TypeOf<'a>>, BuildError> {
        let component = &*instance.component;
        let own = component.resources.keys();
        let mut types: BTreeMap<&str, TypeOf<'a>> = own
            .map(|name| (name.as_str(), (source, name.as_str())))
            .collect();
        for (name, import) in &component.resource_imports {
            types.insert(name, self.wired(instance, name, import)?);
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
        let Some(wire) = entry.and_then(|entry| entry.imports.get(name)) else {
            let problem = Problem::UnmetImport {
                instance: instance.name.clone(),
                component: instance.component.name.clone(),
                import: name.into(),
                by_interface: false,
            };
            return Err(self.wiring.error_at(instance, problem));
        };
        let at_wire = |problem| self.wiring.document(instance).error_at(wire, problem);
        let (_, written) = split_reference(wire.get_ref()).map_err(at_wire)?;
        let target = tree.target(instance.scope, wire, None)?;
        let definer = target.index;
        let resource = target.item.unwrap_or_else(|| written.to_owned());
        let defining = &tree.instances[definer as usize];
        let Some((resource, found)) = defining.component.resources.get_key_value(&resource) else {
            return Err(at_wire(Problem::UnknownResource {
                instance: defining.name.clone(),
                component: defining.component.name.clone(),
                resource,
            }));
        };
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

    /// The records of the intrinsics that the composition gives to the kernel.
    ///
    /// # Errors
    /// If there is no kernel, or if a composition in the composition gives it some too.
    pub(crate) fn of_kernel(
        &self,
        has_kernel: bool,
        sources: &Arc<dyn SourceManager>,
    ) -> Result<Vec<IntrinsicRecord>, BuildError> {
        let mut records = Vec::new();
        for (position, scope) in self.wiring.0.scopes.iter().enumerate() {
            let Some(entry) = &scope.plan.kernel else {
                continue;
            };
            let at_entry = |problem| scope.document.error_at(entry, problem);
            if position > 0 {
                return Err(at_entry(Problem::NestedKernel));
            }
            if !has_kernel {
                return Err(at_entry(Problem::NoKernel));
            }
            for intrinsic in &entry.get_ref().intrinsics {
                records.push(IntrinsicRecord {
                    source: KERNEL_SOURCE,
                    digest: intrinsic.digest(sources.clone()).map_err(at_entry)?,
                    intrinsic: intrinsic.intrinsic(),
                    resource: 0,
                });
            }
        }
        Ok(records)
    }
}
