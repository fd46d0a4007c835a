//! Components with several core modules, or with components in them.
//!
//! Instantiations in a component are followed, and each instance of a component becomes one core
//! module: its core instances are linked, as they are in WebAssembly, and what it imports and exports gets
//! the names that the Canonical ABI has for it.

mod definition;
mod elaborate;
mod lines;
mod merge;
mod module;
mod plain;
mod shim;
mod split;
mod types;

use std::{borrow::Cow, collections::BTreeMap};

pub(crate) use split::split;

use elaborate::{Elaborated, Extern, Function};
use merge::{Imported, Linker, Names};
use plain::plain;
use types::{Resource, Ty};

use super::binary::{EXPORTED, refused};
use crate::error::Problem;

/// The core module of a component, with the names of its world; one that its core modules make, if it has
/// several, or if they have other names for things; and the names of functions that linking left out.
pub(super) fn core_module(bytes: &[u8]) -> Result<(Cow<'_, [u8]>, Vec<String>), Problem> {
    let whole = Elaborated::read(bytes)?;
    let names = WorldNames::of(&whole)?;
    let Some(unit) = whole.units.first() else {
        return Err(refused("it has nothing in it"));
    };
    if let Some(module) = plain(unit, &names) {
        return Ok((Cow::Borrowed(module), Vec::new()));
    }
    let lifts = names.lifts.keys().copied().collect();
    let linked = Linker::new(unit, &names)?.link(&lifts)?;
    Ok((Cow::Owned(linked.module), linked.dropped))
}

/// A function that a component exports: its interface, its name, and what it is.
type Exported<'a> = (Option<&'a str>, &'a str, Function);

/// The functions that a component exports.
fn exported<'a>(whole: &Elaborated<'a>) -> Result<Vec<Exported<'a>>, Problem> {
    let mut functions = Vec::new();
    let refuse = |name: &str| {
        refused(format!(
            "its export `{name}` is neither a function nor an interface"
        ))
    };
    for (name, export) in &whole.exports {
        match export {
            Extern::Function(function) => functions.push((None, *name, *function)),
            Extern::Instance(members) => {
                for (member, export) in members.iter() {
                    match export {
                        Extern::Function(function) => {
                            functions.push((Some(*name), *member, *function));
                        }
                        Extern::Type(_) => {}
                        _ => return Err(refuse(&format!("{name}#{member}"))),
                    }
                }
            }
            Extern::Type(_) => {}
            _ => return Err(refuse(name)),
        }
    }
    Ok(functions)
}

/// The full name of a function.
fn full(interface: Option<&str>, name: &str) -> String {
    match interface {
        Some(interface) => format!("{interface}#{name}"),
        None => name.to_owned(),
    }
}

/// The names of a component's world.
struct WorldNames<'e, 'a> {
    whole: &'e Elaborated<'a>,
    /// The functions that are exported, by the full names.
    lifts: BTreeMap<usize, Vec<String>>,
    /// The interface and the name of each resource type that is exported.
    resources: BTreeMap<Resource, (&'a str, &'a str)>,
}

impl<'e, 'a> WorldNames<'e, 'a> {
    fn of(whole: &'e Elaborated<'a>) -> Result<Self, Problem> {
        let mut lifts: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for (interface, name, function) in exported(whole)? {
            let full = full(interface, name);
            match function {
                Function::Lifted { unit: 0, number } => {
                    lifts.entry(number).or_default().push(full);
                }
                Function::Lifted { .. } => return Err(inner(&format!("its export `{full}`"))),
                Function::Imported(_) => {
                    return Err(refused(format!("it exports `{full}` as it imports it")));
                }
            }
        }
        let mut resources = BTreeMap::new();
        for (interface, export) in &whole.exports {
            let Extern::Instance(members) = export else {
                continue;
            };
            for (name, member) in members.iter() {
                if let Extern::Type(Ty::Resource(resource)) = member {
                    resources.entry(*resource).or_insert((*interface, *name));
                }
            }
        }
        Ok(Self {
            whole,
            lifts,
            resources,
        })
    }
}

/// The error of what a component that is in the component has.
fn inner(what: &str) -> Problem {
    refused(format!(
        "{what} is of a component in it; `miden-cvm component split` makes a composition of such"
    ))
}

impl Names for WorldNames<'_, '_> {
    fn import(&self, import: Imported) -> Result<(String, String), Problem> {
        match import {
            Imported::Function(Function::Imported(number)) => {
                let (module, name) = self.whole.outside(number)?;
                Ok((module.into(), name.into()))
            }
            Imported::Function(Function::Lifted { .. }) => Err(inner("a function that it calls")),
            Imported::Resource(kind, Resource::Imported(number)) => {
                let (module, name) = self.whole.outside(number)?;
                Ok((module.into(), format!("{kind}{name}")))
            }
            Imported::Resource(kind, resource) => match self.resources.get(&resource) {
                Some((interface, name)) => {
                    Ok((format!("{EXPORTED}{interface}"), format!("{kind}{name}")))
                }
                None => Err(refused(
                    "a resource type that it uses is in no interface of its world",
                )),
            },
        }
    }

    fn exports(&self, lift: usize) -> Vec<String> {
        self.lifts.get(&lift).cloned().unwrap_or_default()
    }

    fn destructor(&self, resource: usize) -> Option<String> {
        let resource = Resource::Own {
            unit: 0,
            number: resource,
        };
        let (interface, name) = self.resources.get(&resource)?;
        Some(format!("{interface}#[dtor]{name}"))
    }
}
