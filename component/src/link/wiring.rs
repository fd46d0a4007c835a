//! Wiring: which export each import of an instance leads to, and whether they go together.

use std::{collections::BTreeMap, ops::Range};

use miden_cvm_air::composition::LinkKind;
use toml::Spanned;

use crate::{
    error::{BuildError, Problem},
    link::{
        file::{ANY, OUTSIDE, split_reference},
        tree::{Placed, Tree},
    },
    source::component::{Component, Export, Import, ImportKey, imported_names},
    text::document::Document,
    wit::{
        Function, Interface, InterfaceName,
        find::{find_interface, full_name, short_names},
    },
};

/// Where an import leads.
pub(crate) struct Wire<'a> {
    /// The index of the instance.
    pub(crate) target: u32,
    /// The export that is called there.
    pub(crate) export: &'a Export,
    /// Where the composition file says so.
    pub(crate) place: Range<usize>,
}

/// The instances among which wires are laid.
pub(crate) struct Wiring<'a>(pub(crate) &'a Tree);

impl<'a> Wiring<'a> {
    /// Where the imports of an instance lead, by their names. All that are called are there.
    pub(crate) fn wires_of(
        &self,
        instance: &'a Placed,
    ) -> Result<BTreeMap<&'a str, Wire<'a>>, BuildError> {
        let Some((_, entry)) = self.0.entry(instance) else {
            return Ok(BTreeMap::new());
        };
        let component = &*instance.component;
        let world = component.world.as_ref().map(|world| &world.world);
        let mut wires: BTreeMap<&str, Wire<'a>> = BTreeMap::new();
        let mut interfaces: Vec<(&Interface, &Spanned<String>, &Spanned<String>)> = Vec::new();
        let mut functions: Vec<(&InterfaceName, &Spanned<String>)> = Vec::new();
        for (key, wire) in &entry.imports {
            if let Some((name, import)) = component.imports.get_key_value(key.get_ref()) {
                if wire.get_ref() == ANY {
                    // It leads to no instance of the composition.
                    if import.kind != Some(LinkKind::Held) || import.function_key().is_none() {
                        let problem = Problem::AnyInstance(name.clone());
                        return Err(self.document(instance).error_at(wire, problem));
                    }
                    continue;
                }
                functions.extend(
                    import
                        .function
                        .iter()
                        .map(|(interface, _)| (interface, key)),
                );
                wires.insert(name, self.function_wire(instance, name, import, wire)?);
                continue;
            }
            // Types are wired apart from functions.
            if component.resource_imports.contains_key(key.get_ref()) {
                continue;
            }
            let imported = world.and_then(|world| find_interface(&world.imports, key.get_ref()));
            match imported {
                Some(interface) => {
                    let same = interfaces.iter().find(|(other, _, _)| *other == interface);
                    if let Some((_, first, _)) = same {
                        let problem = Problem::WiredTwice {
                            import: interface.name.to_string(),
                            first: first.get_ref().clone(),
                            second: key.get_ref().clone(),
                        };
                        return Err(self.document(instance).error_at(key, problem));
                    }
                    interfaces.push((interface, key, wire));
                }
                None => {
                    let problem = Problem::UnknownImport {
                        component: component.name.clone(),
                        import: key.get_ref().clone(),
                    };
                    let error = self.document(instance).error_at(key, problem);
                    return Err(error.with_similar(key.get_ref(), known_imports(component)));
                }
            }
        }
        for (interface, key, wire) in &interfaces {
            let mut named = functions.iter().filter(|(of, _)| **of == interface.name);
            if let Some((_, function)) = named.next() {
                let mut both = [*key, *function];
                both.sort_by_key(|key| key.span().start);
                let [first, second] = both.map(|key| key.get_ref().clone());
                let problem = Problem::WiredTwice {
                    import: function.get_ref().clone(),
                    first,
                    second,
                };
                return Err(self.document(instance).error_at(both[1], problem));
            }
            wires.extend(self.interface_wire(instance, interface, wire)?);
        }
        let wired: Vec<&Interface> = interfaces
            .iter()
            .map(|(interface, _, _)| *interface)
            .collect();
        self.check_spreads(instance, &wired, &wires)?;
        for (name, import) in &component.imports {
            let needed = import.is_called || import.function.is_none();
            if !needed || wires.contains_key(name.as_str()) || self.is_any(instance, name) {
                continue;
            }
            let imported = import.function.as_ref().and_then(|(interface, _)| {
                let interface = world?.import(interface)?;
                (interface.name != InterfaceName::World).then_some(interface)
            });
            let asked = match imported {
                Some(interface) => interface.name.to_string(),
                None => name.clone(),
            };
            match (self.other(instance, &asked), imported) {
                (Some(other), Some(interface)) => {
                    for (name, found) in self.interface_wire(instance, interface, other)? {
                        wires.entry(name).or_insert(found);
                    }
                }
                (Some(other), None) => {
                    let wire = Spanned::new(other.span(), format!("{}.{name}", other.get_ref()));
                    wires.insert(name, self.function_wire(instance, name, import, &wire)?);
                }
                (None, _) => {
                    let problem = Problem::UnmetImport {
                        instance: instance.name.clone(),
                        component: component.name.clone(),
                        import: asked,
                        by_interface: imported.is_some(),
                    };
                    return Err(self.error_at(instance, problem));
                }
            }
        }
        Ok(wires)
    }

    /// Returns `true` if an import leads to whatever instances the program installs.
    pub(crate) fn is_any(&self, instance: &Placed, import: &str) -> bool {
        let entry = self.0.entry(instance).map(|(_, entry)| entry);
        let wire = entry.and_then(|entry| entry.imports.get(import));
        wire.is_some_and(|wire| wire.get_ref() == ANY)
    }

    /// Checks that each of the instances that meet what is left meets something.
    fn check_spreads(
        &self,
        instance: &Placed,
        wired: &[&Interface],
        wires: &BTreeMap<&str, Wire<'a>>,
    ) -> Result<(), BuildError> {
        let Some((_, entry)) = self.0.entry(instance) else {
            return Ok(());
        };
        let component = &instance.component;
        let world = component.world.as_ref().map(|world| &world.world);
        let interfaces = world.into_iter().flat_map(|world| &world.imports);
        let mut left: Vec<String> = interfaces
            .filter(|interface| {
                interface.name != InterfaceName::World && !wired.contains(interface)
            })
            .map(|interface| interface.name.to_string())
            .collect();
        let functions = component.imports.iter().filter(|(name, import)| {
            let is_of_interface = import
                .function
                .as_ref()
                .is_some_and(|(interface, _)| *interface != InterfaceName::World);
            !is_of_interface && !wires.contains_key(name.as_str())
        });
        left.extend(functions.map(|(name, _)| name.clone()));
        for spread in &entry.others {
            // What is around a composition is asked for whatever is left, even if that is nothing.
            if spread.get_ref() == OUTSIDE {
                continue;
            }
            let before = left.len();
            left.retain(|asked| !self.0.offers(instance.scope, spread, asked));
            if left.len() == before {
                let problem = Problem::SpreadOfNothing(spread.get_ref().clone());
                return Err(self.document(instance).error_at(spread, problem));
            }
        }
        Ok(())
    }

    /// Returns the entry that meets an import of an instance that is not wired by its name.
    fn other(&self, instance: &Placed, asked: &str) -> Option<&'a Spanned<String>> {
        let (_, entry) = self.0.entry(instance)?;
        let mut others = entry.others.iter();
        others.find(|other| self.0.offers(instance.scope, other, asked))
    }

    /// The wire of an interface that the component of an instance imports.
    pub(crate) fn wire_of_interface(
        &self,
        instance: &Placed,
        interface: &Interface,
    ) -> Option<&'a Spanned<String>> {
        let (_, entry) = self.0.entry(instance)?;
        let world = &instance.component.world.as_ref()?.world;
        let mut named = entry.imports.iter();
        let wire = named.find(|(key, _)| {
            find_interface(&world.imports, key.get_ref()).is_some_and(|found| found == interface)
        });
        match wire {
            Some((_, wire)) => Some(wire),
            None => self.other(instance, &interface.name.to_string()),
        }
    }

    /// An error at the entry of an instance.
    pub(crate) fn error_at(&self, instance: &Placed, problem: Problem) -> BuildError {
        let document = self.document(instance);
        match self.0.entry(instance) {
            Some((name, _)) => document.error_at(name, problem),
            None => BuildError::in_file(document.path(), problem),
        }
    }

    /// The file in which an instance is.
    pub(crate) fn document(&self, instance: &Placed) -> &'a Document {
        &self.0.scopes[instance.scope].document
    }

    fn component(&self, index: u32) -> &'a Component {
        &self.0.instances[index as usize].component
    }

    fn function_wire(
        &self,
        instance: &Placed,
        name: &str,
        import: &Import,
        wire: &Spanned<String>,
    ) -> Result<Wire<'a>, BuildError> {
        let at_wire = |problem| self.document(instance).error_at(wire, problem);
        split_reference(wire.get_ref()).map_err(at_wire)?;
        let target = self.0.target(instance.scope, wire, None)?;
        let placed = &self.0.instances[target.index as usize];
        let item = target.item.unwrap_or_else(|| name.to_owned());
        let export = placed.component.exports.get(&item).ok_or_else(|| {
            let known = placed.component.exports.keys();
            at_wire(unknown_export(placed, &item)).with_similar(&item, known)
        })?;
        check_wire(name, import, wire.get_ref(), export)
            .and_then(|()| check_functions(&instance.component, import, &placed.component, export))
            .map_err(at_wire)?;
        Ok(Wire {
            target: target.index,
            export,
            place: wire.span(),
        })
    }

    /// The interface to which an imported one is wired, and the instance that exports it: `wire` names
    /// an instance, or an interface of one.
    pub(crate) fn offered(
        &self,
        instance: &Placed,
        interface: &Interface,
        wire: &Spanned<String>,
    ) -> Result<(u32, &'a Interface), BuildError> {
        let at_wire = |problem| self.document(instance).error_at(wire, problem);
        let asked = interface.name.to_string();
        let target = self.0.target(instance.scope, wire, Some(&asked))?;
        let offering = self.component(target.index);
        let exports = offering
            .world
            .as_ref()
            .map_or(&[][..], |world| &world.world.exports);
        // The very version stands before others of its track.
        let of_track = |name: &InterfaceName| {
            let exact = exports.iter().find(|e| *name == e.name);
            exact.or_else(|| exports.iter().find(|e| name.accepts(&e.name)))
        };
        let found = match &target.item {
            Some(named) => find_interface(exports, named)
                .or_else(|| of_track(&named.parse::<InterfaceName>().ok()?)),
            None => of_track(&interface.name),
        };
        let Some(found) = found else {
            let offered: Vec<String> = exports.iter().map(|e| e.name.to_string()).collect();
            let named = target.item.as_ref().unwrap_or(&asked);
            let error = at_wire(Problem::NoInterface {
                import: interface.name.to_string(),
                location: interface.location.clone(),
                instance: self.0.instances[target.index as usize].name.clone(),
                component: offering.name.clone(),
                offered: offered.join("`, `"),
            });
            return Err(error.with_similar(named, &offered));
        };
        // An interface without a package is whatever it is wired to, if the functions are right.
        let is_plain = matches!(interface.name, InterfaceName::Plain(_));
        if !is_plain && !interface.name.accepts(&found.name) {
            return Err(at_wire(Problem::WrongInterface {
                import: interface.name.to_string(),
                export: wire.get_ref().clone(),
                expected: format!("{} ({})", interface.name, interface.location),
                actual: format!("{} ({})", found.name, found.location),
            }));
        }
        let mut resources = interface.resources.iter();
        if let Some(resource) = resources.find(|name| !found.resources.contains(name)) {
            let offering = &self.0.instances[target.index as usize].name;
            return Err(at_wire(Problem::NoResource {
                resource: resource.clone(),
                import: format!("`{}` ({})", interface.name, interface.location),
                offered: format!(
                    "`{}` of instance `{offering}` ({})",
                    found.name, found.location
                ),
            }));
        }
        Ok((target.index, found))
    }

    /// The wires of all functions of an interface.
    fn interface_wire(
        &self,
        instance: &'a Placed,
        interface: &Interface,
        wire: &Spanned<String>,
    ) -> Result<Vec<(&'a str, Wire<'a>)>, BuildError> {
        let at_wire = |problem| self.document(instance).error_at(wire, problem);
        let (target, found) = self.offered(instance, interface, wire)?;
        let offering = self.component(target);
        let mut wires = Vec::new();
        let all_offered: BTreeMap<&str, &Function> = found
            .functions
            .iter()
            .map(|function| (function.name.as_str(), function))
            .collect();
        for function in &interface.functions {
            let offered = all_offered.get(function.name.as_str()).copied();
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
            if let (Some((import, wanted)), Some(export)) = (
                instance.component.imports.get_key_value(&import),
                offering.exports.get(&export),
            ) && wanted.is_called
            {
                check_root(import, wanted, wire.get_ref(), export).map_err(at_wire)?;
                let place = wire.span();
                let wire = Wire {
                    target,
                    export,
                    place,
                };
                wires.push((import.as_str(), wire));
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
    // Functions of the worlds themselves need not be called alike; others are what their interface says.
    let is_same = wanted.accepts(offered) && *wanted != InterfaceName::World;
    let is_named = !is_same || function == offered_function;
    if is_named && found.is_some_and(|found| expected.is_met_by(found)) {
        Ok(())
    } else {
        Err(wrong_function(wanted, expected, interface, found))
    }
}

/// Checks that an export is the exact procedure that the import asks for, if it asks for one.
fn check_root(name: &str, import: &Import, wire: &str, export: &Export) -> Result<(), Problem> {
    match import.key {
        ImportKey::Root if export.digest != import.digest => Err(Problem::WrongRoot {
            import: name.into(),
            export: wire.into(),
            expected: import.digest,
            actual: export.digest,
        }),
        _ => Ok(()),
    }
}

/// Checks that an export is what the import asks for, as far as both say so without a world.
fn check_wire(name: &str, import: &Import, wire: &str, export: &Export) -> Result<(), Problem> {
    check_root(name, import, wire, export)?;
    match &import.key {
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
    match import.kind.map(LinkKind::of_export) {
        Some(expected) if expected != export.kind => Err(Problem::WrongKind {
            import: name.into(),
            export: wire.into(),
            expected,
            actual: export.kind,
        }),
        _ => Ok(()),
    }
}

/// The names by which a component's imports can be wired.
fn known_imports(component: &Component) -> impl Iterator<Item = String> {
    imported_names(component).flat_map(|name| match name.parse::<InterfaceName>() {
        Ok(interface) => short_names(&interface),
        Err(_) => vec![name],
    })
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
pub(crate) fn unknown_export(instance: &Placed, export: &str) -> Problem {
    Problem::UnknownExport {
        instance: instance.name.clone(),
        component: instance.component.name.clone(),
        export: export.into(),
    }
}
