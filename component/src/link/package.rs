//! A linked composition as a file: all code, the records, and what its components are.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use miden_assembly::DefaultSourceManager;
use miden_core::{
    Program,
    mast::{MastForest, MastNodeExt},
    utils::{Deserializable, Serializable, ToHex},
};
use miden_cvm_air::{canonical::bytes_from_hex, composition::Composition};
use miden_mast_package::{MastArtifact, Section, SectionId};
use serde::{Deserialize, Serialize};

use crate::{
    assembly::toolchain::Toolchain,
    code::{
        artifact::{executable_bytes, read_package},
        merge::merged,
    },
    error::{ArtifactError, PackageError, wrong},
    link::{Instance, LinkedComposition},
    package::ComponentSection,
    source::{component::Component, world::ComponentWorld},
    text::names::check_name,
};

/// The name of the section.
pub(crate) const SECTION: &str = "miden_cvm_composition";

/// The version of the section's form.
const FORM: u32 = 1;

/// The section that makes a package a composition.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CompositionSection {
    form: u32,
    /// The records, as the statement's transcript has them, in hexadecimal digits.
    records: String,
    instances: Vec<InstanceRecord>,
    /// The components that instances install, by position.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    installed: Vec<usize>,
    components: Vec<ComponentSection>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct InstanceRecord {
    name: String,
    /// Its component, by position.
    component: usize,
}

impl LinkedComposition {
    /// The composition as one package, which is the same for the same sources wherever it is made.
    ///
    /// # Errors
    /// Returns an error if the code of the components does not go into one forest.
    pub fn to_package(&self, name: &str) -> Result<Vec<u8>, PackageError> {
        if let Some(claim) = self.claims.first() {
            return Err(PackageError::Claims(claim.instance.clone()));
        }
        let own = [self.program.mast_forest()];
        let forests: Vec<&MastForest> = own
            .into_iter()
            .chain(&self.forests)
            .map(AsRef::as_ref)
            .collect();
        let (mut forest, entrypoint) = merged(&forests, self.program.entrypoint())
            .map_err(|error| wrong("its code", error))?
            .ok_or_else(|| wrong("its code", "the main export is not a procedure"))?;
        forest.advice_map_mut().extend(self.advice_map.clone());

        let mut components: Vec<Arc<Component>> = Vec::new();
        let mut position = |component: &Arc<Component>| {
            let mut known = components.iter();
            known
                .position(|known| Arc::ptr_eq(known, component))
                .unwrap_or_else(|| {
                    components.push(component.clone());
                    components.len() - 1
                })
        };
        let instances = self.instances.iter().map(|instance| InstanceRecord {
            name: instance.name.clone(),
            component: position(&instance.component),
        });
        let instances = instances.collect();
        let installed = self.installed.iter().map(position).collect();
        let section = CompositionSection {
            form: FORM,
            records: self.composition.to_bytes().as_slice().to_hex(),
            instances,
            installed,
            components: components
                .iter()
                .map(|component| component.section())
                .collect(),
        };
        let section = serde_json::to_vec(&section)
            .map_err(|error| PackageError::Section(error.to_string()))?;
        let id = SectionId::custom(SECTION).map_err(|e| PackageError::Section(e.to_string()))?;
        let program =
            Program::with_kernel(Arc::new(forest), entrypoint, self.program.kernel().clone());
        let sections = vec![Section::new(id, section)];
        Ok(executable_bytes(program, name, sections))
    }

    /// Reads a composition from a package; nothing if the package has a plain program. `path` is where
    /// it is, for errors.
    ///
    /// # Errors
    /// Returns an error if the bytes are no package, or if its parts do not go together.
    pub fn from_package(
        bytes: &[u8],
        path: &Path,
        toolchain: &Toolchain,
    ) -> Result<Option<Self>, PackageError> {
        let package = read_package(bytes)?;
        let Some(section) = package
            .sections
            .iter()
            .find(|section| section.id.as_str() == SECTION)
        else {
            return Ok(None);
        };
        let section: serde_json::Value = serde_json::from_slice(&section.data)
            .map_err(|error| PackageError::Section(error.to_string()))?;
        let form = section["form"].as_u64().unwrap_or(0);
        if form != u64::from(FORM) {
            return Err(PackageError::Form {
                found: form,
                known: FORM,
            });
        }
        let section: CompositionSection = serde_json::from_value(section)
            .map_err(|error| PackageError::Section(error.to_string()))?;
        let MastArtifact::Executable(program) = package.into_mast_artifact() else {
            return Err(ArtifactError::NotAProgram.into());
        };
        let program = Program::clone(&program);
        let forest = program.mast_forest().clone();

        let records = bytes_from_hex(&section.records).ok_or_else(|| {
            wrong(
                "its records",
                "they are not pairs of lower-case hexadecimal digits",
            )
        })?;
        let composition =
            Composition::read_from_bytes(&records).map_err(|error| wrong("its records", error))?;
        if composition.to_bytes().as_slice().to_hex() != section.records {
            return Err(wrong("its records", "there are bytes after their end"));
        }
        let count = composition.num_instances() as usize;
        if section.instances.len() != count {
            return Err(wrong("its instances", format!("the records have {count}")));
        }
        let components = read_components(section.components, &forest, path, toolchain)?;
        let instances = section
            .instances
            .into_iter()
            .map(|instance| {
                for part in instance.name.split('/') {
                    check_name("an instance", part)
                        .map_err(|error| wrong("its instances", error))?;
                }
                let component = components.get(instance.component).ok_or_else(|| {
                    wrong(
                        "its instances",
                        format!("`{}` has no component", instance.name),
                    )
                })?;
                Ok(Instance {
                    name: instance.name,
                    component: component.clone(),
                })
            })
            .collect::<Result<Vec<_>, PackageError>>()?;
        check_main(&program, &instances)?;
        let installed = section.installed.iter().map(|&position| {
            let component = components
                .get(position)
                .ok_or_else(|| wrong("what it installs", "there is no such component"))?;
            component
                .record()
                .map_err(|error| wrong("what it installs", error))?;
            Ok(component.clone())
        });
        let installed = installed.collect::<Result<Vec<_>, PackageError>>()?;
        let mut procedures = BTreeMap::new();
        for component in &components {
            for (digest, name) in &component.procedures {
                let name = format!("{}:{name}", component.name);
                procedures.entry(*digest).or_insert(name);
            }
        }
        Ok(Some(Self {
            advice_map: forest.advice_map().clone(),
            forests: vec![forest],
            program,
            composition,
            instances,
            claims: Vec::new(),
            installed,
            procedures,
            warnings: Vec::new(),
            source_manager: Arc::new(DefaultSourceManager::default()),
            files: vec![path.into()],
        }))
    }
}

/// The components whose code is in a forest. What limits bound of a world, they bound of all together.
fn read_components(
    sections: Vec<ComponentSection>,
    forest: &Arc<MastForest>,
    path: &Path,
    toolchain: &Toolchain,
) -> Result<Vec<Arc<Component>>, PackageError> {
    let mut toolchain = toolchain.clone();
    let mut components = Vec::with_capacity(sections.len());
    for section in sections {
        let component = section.part(forest.clone(), path, &toolchain)?;
        let mut limits = toolchain.limits();
        let parts = component.world.as_ref().map_or(0, ComponentWorld::parts);
        limits.type_parts = limits.type_parts.saturating_sub(parts);
        toolchain = toolchain.with_limits(limits);
        components.push(Arc::new(component));
    }
    Ok(components)
}

/// Checks that the program is an export of the root.
fn check_main(program: &Program, instances: &[Instance]) -> Result<(), PackageError> {
    let main = program.mast_forest()[program.entrypoint()].digest();
    let root = instances.first();
    let is_export = root.is_some_and(|root| {
        let mut exports = root.component.exports.values();
        exports.any(|export| export.digest == main)
    });
    match is_export {
        true => Ok(()),
        false => Err(wrong("its program", "the root does not export it")),
    }
}
