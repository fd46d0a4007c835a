//! Wiring: which export each import of an instance leads to, and whether they go together.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use toml::Spanned;

use crate::{
    component::{Component, Export, Import, ImportKey},
    document::Document,
    error::{BuildError, Problem},
    implement::{find_interface, full_name},
    plan::{InstanceEntry, split_reference},
    wit::{Function, Interface, InterfaceName},
};

/// An instance of a composition file.
pub(crate) struct Placed<'a> {
    /// Its name.
    pub(crate) name: &'a Spanned<String>,
    /// Its entry.
    pub(crate) entry: &'a InstanceEntry,
    /// What it is an instance of.
    pub(crate) component: Arc<Component>,
}

/// Where an import leads.
pub(crate) struct Wire<'a> {
    /// The index of the instance.
    pub(crate) target: u32,
    /// What is called there.
    pub(crate) export: &'a Export,
}

/// The instances among which wires are laid.
pub(crate) struct Wiring<'a> {
    pub(crate) document: &'a Document,
    pub(crate) instances: &'a [Placed<'a>],
    /// The instances' indices by their names.
    pub(crate) indices: &'a HashMap<&'a str, u32>,
}

impl<'a> Wiring<'a> {
    /// Where the imports of an instance lead, by their names. All that are called are there.
    pub(crate) fn wires_of(
        &self,
        instance: &'a Placed<'a>,
    ) -> Result<BTreeMap<&'a str, Wire<'a>>, BuildError> {
        let component = &*instance.component;
        let mut wires: BTreeMap<&str, Wire<'a>> = BTreeMap::new();
        let mut interfaces = Vec::new();
        for (key, wire) in &instance.entry.imports {
            if let Some((name, import)) = component.imports.get_key_value(key.get_ref()) {
                wires.insert(name, self.function_wire(component, name, import, wire)?);
                continue;
            }
            // Types are wired apart from functions.
            if component.resource_imports.contains_key(key.get_ref()) {
                continue;
            }
            let world = component.world.as_ref().map(|world| &world.world);
            let imported = world.and_then(|world| find_interface(&world.imports, key.get_ref()));
            match imported {
                Some(interface) => interfaces.push((interface, wire)),
                None => {
                    let problem = Problem::UnknownImport {
                        component: component.name.clone(),
                        import: key.get_ref().clone(),
                    };
                    return Err(self.document.error_at(key, problem));
                }
            }
        }
        // A wire of a function stands before that of its interface.
        for (interface, wire) in interfaces {
            for (name, found) in self.interface_wire(component, interface, wire)? {
                wires.entry(name).or_insert(found);
            }
        }
        for (name, import) in &component.imports {
            let needed = import.is_called || import.function.is_none();
            if needed && !wires.contains_key(name.as_str()) {
                let problem = Problem::UnmetImport {
                    instance: instance.name.get_ref().clone(),
                    component: component.name.clone(),
                    import: match &import.function {
                        Some((InterfaceName::World, function)) => function.clone(),
                        Some((interface, _)) => interface.to_string(),
                        None => name.clone(),
                    },
                    by_interface: import
                        .function
                        .as_ref()
                        .is_some_and(|(interface, _)| *interface != InterfaceName::World),
                };
                return Err(self.document.error_at(instance.name, problem));
            }
        }
        Ok(wires)
    }

    /// The instance and export that a reference names.
    pub(crate) fn resolve(
        &self,
        reference: &Spanned<String>,
    ) -> Result<(u32, &'a Export), BuildError> {
        let at_wire = |problem| self.document.error_at(reference, problem);
        let (name, export) = split_reference(reference.get_ref()).map_err(at_wire)?;
        let index = self.index(name).map_err(at_wire)?;
        let target = &self.instances[index as usize];
        let found = target.component.exports.get(export);
        Ok((
            index,
            found.ok_or_else(|| at_wire(unknown_export(target, export)))?,
        ))
    }

    pub(crate) fn index(&self, name: &str) -> Result<u32, Problem> {
        let index = self.indices.get(name).copied();
        index.ok_or_else(|| Problem::UnknownInstance(name.into()))
    }

    fn function_wire(
        &self,
        component: &Component,
        name: &str,
        import: &Import,
        wire: &Spanned<String>,
    ) -> Result<Wire<'a>, BuildError> {
        let (target, export) = self.resolve(wire)?;
        check_wire(name, import, wire.get_ref(), export)
            .and_then(|()| {
                let offering = &self.instances[target as usize].component;
                check_functions(component, import, offering, export)
            })
            .map_err(|problem| self.document.error_at(wire, problem))?;
        Ok(Wire { target, export })
    }

    /// The wires of all functions of an interface: `wire` names an instance, or an interface of one.
    fn interface_wire<'c>(
        &self,
        component: &'c Component,
        interface: &Interface,
        wire: &Spanned<String>,
    ) -> Result<Vec<(&'c str, Wire<'a>)>, BuildError> {
        let at_wire = |problem| self.document.error_at(wire, problem);
        let (name, named) = match wire.get_ref().split_once('.') {
            Some((name, interface)) => (name, Some(interface)),
            None => (wire.get_ref().as_str(), None),
        };
        let target = self.index(name).map_err(at_wire)?;
        let offering = &self.instances[target as usize].component;
        let exports = offering
            .world
            .as_ref()
            .map_or(&[][..], |world| &world.world.exports);
        let found = match named {
            Some(named) => find_interface(exports, named),
            None => exports
                .iter()
                .find(|export| interface.name.accepts(&export.name)),
        };
        let Some(found) = found else {
            let offered: Vec<String> = exports.iter().map(|e| e.name.to_string()).collect();
            return Err(at_wire(Problem::NoInterface {
                import: interface.name.to_string(),
                location: interface.location.clone(),
                instance: name.into(),
                component: offering.name.clone(),
                offered: offered.join("`, `"),
            }));
        };
        if !interface.name.accepts(&found.name) {
            return Err(at_wire(Problem::WrongInterface {
                import: interface.name.to_string(),
                export: wire.get_ref().clone(),
                expected: format!("{} ({})", interface.name, interface.location),
                actual: format!("{} ({})", found.name, found.location),
            }));
        }
        let mut wires = Vec::with_capacity(interface.functions.len());
        for function in &interface.functions {
            let offered = found.function(&function.name);
            if offered.is_none_or(|offered| !function.is_met_by(offered)) {
                return Err(at_wire(wrong_function(
                    &interface.name,
                    function,
                    found,
                    offered,
                )));
            }
            let import = full_name(&(interface.name.clone(), function.name.clone()));
            let export = full_name(&(found.name.clone(), function.name.clone()));
            if let (Some((import, _)), Some(export)) = (
                component.imports.get_key_value(&import),
                offering.exports.get(&export),
            ) {
                wires.push((import.as_str(), Wire { target, export }));
            }
        }
        Ok(wires)
    }
}

fn wrong_function(
    import: &InterfaceName,
    expected: &Function,
    interface: &Interface,
    offered: Option<&Function>,
) -> Problem {
    Problem::WrongFunction {
        import: full_name(&(import.clone(), expected.name.clone())),
        expected: format!("`{expected}` ({})", expected.location),
        offered: match offered {
            Some(offered) => format!("`{offered}` ({})", offered.location),
            None => format!("no `{}` ({})", expected.name, interface.location),
        },
    }
}

/// Checks the functions behind an import and an export, where both have a world.
fn check_functions(
    component: &Component,
    import: &Import,
    offering: &Component,
    export: &Export,
) -> Result<(), Problem> {
    let (Some((wanted, function)), Some((offered, offered_function))) =
        (&import.function, &export.function)
    else {
        return Ok(());
    };
    let expected = component
        .world
        .as_ref()
        .and_then(|world| world.world.import(wanted)?.function(function));
    let interface = offering
        .world
        .as_ref()
        .and_then(|world| world.world.export(offered));
    let (Some(expected), Some(interface)) = (expected, interface) else {
        return Ok(());
    };
    let found = interface.function(offered_function);
    // Functions of the worlds themselves need not be called alike.
    let renamed = found.map(|found| Function {
        name: expected.name.clone(),
        ..found.clone()
    });
    if renamed.is_some_and(|found| expected.is_met_by(&found)) {
        Ok(())
    } else {
        Err(wrong_function(wanted, expected, interface, found))
    }
}

/// Checks that an export is what the import asks for, as far as both say so without a world.
fn check_wire(name: &str, import: &Import, wire: &str, export: &Export) -> Result<(), Problem> {
    match &import.key {
        ImportKey::Root if export.digest != import.digest => {
            return Err(Problem::WrongRoot {
                import: name.into(),
                export: wire.into(),
                expected: import.digest,
                actual: export.digest,
            });
        }
        ImportKey::Function(identity) => {
            let accepted = match (&import.function, &export.function) {
                (Some((wanted, _)), Some((offered, _))) => wanted.accepts(offered),
                _ => export
                    .interface
                    .as_ref()
                    .is_none_or(|(interface, version)| {
                        (interface, version) == (&identity.interface, &identity.version)
                    }),
            };
            if let (false, Some((interface, version))) = (accepted, &export.interface) {
                return Err(Problem::WrongInterface {
                    import: name.into(),
                    export: wire.into(),
                    expected: versioned(&identity.interface, &identity.version),
                    actual: versioned(interface, version),
                });
            }
        }
        ImportKey::Root => {}
    }
    match import.kind {
        Some(expected) if expected != export.kind => Err(Problem::WrongKind {
            import: name.into(),
            export: wire.into(),
            expected,
            actual: export.kind,
        }),
        _ => Ok(()),
    }
}

/// An interface with its version.
pub(crate) fn versioned(interface: &str, version: &str) -> String {
    if version.is_empty() {
        interface.into()
    } else {
        format!("{interface}@{version}")
    }
}

/// The error of naming an export that an instance does not have.
pub(crate) fn unknown_export(instance: &Placed<'_>, export: &str) -> Problem {
    Problem::UnknownExport {
        instance: instance.name.get_ref().clone(),
        component: instance.component.name.clone(),
        export: export.into(),
    }
}
