//! Components in the binary format: their world as WIT, and the core module in them. Core modules that
//! are made to become components have their world too.
//!
//! What makes components of core modules adds modules that stand in between: one whose functions call
//! through a table, for imports that need the first one's memory, and one that fills this table. What each
//! import of the core module is in the end, and what each export of the component, is followed through all
//! of them. The compiler goes by the names in the core module, so each has to be what its name says.

mod between;
mod contents;

use std::collections::BTreeMap;

use wasmparser::{
    ComponentExternalKind, ExternalKind, Parser, Payload, Validator,
    component_types::{ComponentAnyTypeId, ComponentEntityType, ComponentItem, ResourceId},
    types::TypesRef,
};
use wit_component::{ComponentEncoder, DecodedWasm, OutputToString, WitPrinter, metadata};
use wit_parser::{Resolve, WorldId, WorldKey};

use between::{Between, exports, module_name};
use contents::{Contents, CoreFunction, CoreInstance, Function, Lift};

use super::{REALLOC, is_version_of};
use crate::{
    assembly::guard::{Failure, guarded},
    error::Problem,
};

/// The module whose imports are functions of the world itself.
pub(super) const ROOT: &str = "$root";

/// What stands before the interface of resource types that the component exports.
pub(super) const EXPORTED: &str = "[export]";

/// How often an import is looked for behind another one: no tool makes more than two such steps.
const MAX_STEPS: u32 = 16;

pub(super) fn refused(what: impl Into<String>) -> Problem {
    Problem::WasmBinary(what.into())
}

pub(super) fn invalid(error: &wasmparser::Error) -> Problem {
    refused(format!(
        "it is not valid, at offset {:#x}: {}",
        error.offset(),
        error.message()
    ))
}

/// Runs what reads bytes from outside, and turns a panic into an error.
pub(super) fn reading<T: Send>(
    work: impl FnOnce() -> Result<T, Problem> + Send,
) -> Result<T, Problem> {
    match guarded(work) {
        Ok(result) => result,
        Err(Failure::Panicked(reason) | Failure::NoThread(reason)) => {
            Err(refused(format!("its reader gave up: {reason}")))
        }
    }
}

/// The world that a component has, or a core module that was made to become one, as the text of a WIT
/// package.
pub(super) fn world(bytes: &[u8]) -> Result<Option<String>, Problem> {
    reading(|| {
        let fails = |error| refused(format!("its world cannot be read: {error:#}"));
        let component = |bytes: &[u8]| match wit_component::decode(bytes).map_err(fails)? {
            DecodedWasm::Component(resolve, world) => Ok((resolve, world)),
            DecodedWasm::WitPackage(..) => Err(refused("it has no code, but only WIT")),
        };
        let (resolve, world) = if Parser::is_component(bytes) {
            component(bytes)?
        } else {
            // That it is a module at all is for the compiler to say.
            let (resolve, world) = match metadata::decode(bytes) {
                Ok((Some(_), found)) => (found.resolve, found.world),
                Ok((None, _)) => return Ok(None),
                Err(_) if Validator::new().validate_all(bytes).is_err() => return Ok(None),
                Err(error) => return Err(fails(error)),
            };
            // A C library for WASI comes with all of it; a component has what is used.
            match imports_wasi(&resolve, world) {
                true => {
                    let mut encoder = ComponentEncoder::default();
                    encoder.module(bytes).map_err(fails)?;
                    component(&encoder.encode().map_err(fails)?)?
                }
                false => (resolve, world),
            }
        };
        let Some(package) = resolve.worlds[world].package else {
            return Err(refused("its world is in no package"));
        };
        let packages = resolve.packages.iter().map(|(id, _)| id);
        let others: Vec<_> = packages.filter(|id| *id != package).collect();
        let mut printer = WitPrinter::new(OutputToString::default());
        printer.print(&resolve, package, &others).map_err(fails)?;
        Ok(Some(printer.output.to_string()))
    })
}

/// Whether a world imports interfaces of WASI.
fn imports_wasi(resolve: &Resolve, world: WorldId) -> bool {
    let mut imports = resolve.worlds[world].imports.keys();
    imports.any(|key| match key {
        WorldKey::Interface(id) => {
            let package = resolve.interfaces[*id].package;
            package.is_some_and(|id| resolve.packages[id].name.namespace == "wasi")
        }
        WorldKey::Name(_) => false,
    })
}

/// What a core module imports: of which module, and what. Nothing behind what cannot be read.
pub(super) fn imports(bytes: &[u8]) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    for payload in Parser::new(0).parse_all(bytes).map_while(Result::ok) {
        if let Payload::ImportSection(section) = payload {
            for import in section.into_imports().map_while(Result::ok) {
                found.push((import.module, import.name));
            }
        }
    }
    found
}

/// The core module of a component.
pub(super) fn core_module(bytes: &[u8]) -> Result<&[u8], Problem> {
    reading(|| {
        let (contents, types) = Contents::read(bytes)?;
        let mut between = BTreeMap::new();
        let mut own = Vec::new();
        for (number, module) in (0..).zip(&contents.modules) {
            match Between::read(module).map_err(|error| invalid(&error))? {
                Some(found) => {
                    between.insert(number, found);
                }
                None => own.push((number, *module)),
            }
        }
        let [(number, module)] = own.as_slice() else {
            let names = own.iter().map(|(_, module)| module_name(module));
            return Err(refused(format!(
                "it has {} core modules of its own ({}), and one is expected",
                own.len(),
                names.collect::<Vec<_>>().join(", ")
            )));
        };
        let instances = (0..).zip(&contents.core_instances);
        let mut made = instances.filter_map(|(number, instance)| match instance {
            CoreInstance::Module(of, args) => Some((number, *of, args)),
            CoreInstance::Exports(_) => None,
        });
        let mut own = made.clone().filter(|(_, of, _)| of == number);
        let (Some((instance, _, imports)), None) = (own.next(), own.next()) else {
            return Err(refused("its core module is not made an instance once"));
        };
        let linked = Linked {
            types: types.as_ref(),
            instance,
            exports: exports(module).map_err(|error| invalid(&error))?,
            between: made
                .by_ref()
                .filter_map(|(instance, of, args)| Some((instance, (between.get(&of)?, args))))
                .collect(),
            contents: &contents,
        };
        linked.imports(imports)?;
        linked.component_exports()?;
        linked.destructors()?;
        linked.memory()?;
        linked.starts()?;
        Ok(*module)
    })
}

/// What a core function is in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source<'a> {
    /// A function of an imported interface, or of the world itself.
    Imported(Option<&'a str>, &'a str),
    /// An intrinsic of a resource type.
    Resource(&'static str, ResourceId),
    /// What the core module exports.
    Own(&'a str),
}

/// The arguments of a core instance: other core instances, by the names of the modules that it imports.
type Arguments<'a> = BTreeMap<&'a str, u32>;

/// A component with the core module among its instances.
struct Linked<'c, 'a> {
    contents: &'c Contents<'a>,
    types: TypesRef<'c>,
    /// The instance of the core module.
    instance: u32,
    /// The functions that the core module exports.
    exports: Vec<&'a str>,
    /// The instances of modules that stand in between.
    between: BTreeMap<u32, (&'c Between<'a>, &'c Arguments<'a>)>,
}

impl<'a> Linked<'_, 'a> {
    /// What a core function is, seen through the modules in between.
    fn source(&self, function: u32) -> Option<Source<'a>> {
        let mut index = function;
        for _ in 0..MAX_STEPS {
            let (instance, name) = match self.contents.core_functions.get(index as usize)? {
                CoreFunction::Lowered(Function::Imported(of, name)) => {
                    return Some(Source::Imported(*of, name));
                }
                CoreFunction::Lowered(_) => return None,
                CoreFunction::Resource(kind, resource) => {
                    return Some(Source::Resource(kind, *resource));
                }
                CoreFunction::Exported(instance, name) => (*instance, *name),
            };
            if instance == self.instance {
                return Some(Source::Own(name));
            }
            index = match self.between.get(&instance) {
                Some((between, args)) => match between.import(name) {
                    Some((module, name)) => self.argument(args, module, name)?,
                    None => self.filled(instance, between.slot(name)?)?,
                },
                None => self.member(instance, name)?,
            };
        }
        None
    }

    /// The core function that an instance without code has under a name.
    fn member(&self, instance: u32, name: &str) -> Option<u32> {
        match self.contents.core_instances.get(instance as usize)? {
            CoreInstance::Exports(exports) => match exports.get(name)? {
                (ExternalKind::Func, index) => Some(*index),
                _ => None,
            },
            CoreInstance::Module(..) => None,
        }
    }

    fn argument(&self, args: &Arguments<'a>, module: &str, name: &str) -> Option<u32> {
        let instance = *args.get(module)?;
        self.member(instance, name).or_else(|| {
            let exported = CoreFunction::Exported(instance, name);
            let mut functions = (0..).zip(&self.contents.core_functions);
            functions.find_map(|(index, function)| (*function == exported).then_some(index))
        })
    }

    /// The core function that is put into a place of the table that an instance exports.
    fn filled(&self, of: u32, (table, slot): (&str, u32)) -> Option<u32> {
        let mut found = None;
        for (between, args) in self.between.values() {
            for fill in &between.fills {
                let instance = *args.get(fill.table.0)?;
                let place = match self.contents.core_instances.get(instance as usize)? {
                    CoreInstance::Exports(exports) => match exports.get(fill.table.1)? {
                        (ExternalKind::Table, index) => {
                            self.contents.core_tables.get(*index as usize).copied()
                        }
                        _ => None,
                    },
                    CoreInstance::Module(..) => Some((instance, fill.table.1)),
                };
                let Some(number) = slot.checked_sub(fill.first) else {
                    continue;
                };
                let Some((module, name)) = fill.functions.get(number as usize) else {
                    continue;
                };
                if place == Some((of, table)) {
                    // Filled twice, it is not clear by what.
                    if found.is_some() {
                        return None;
                    }
                    found = Some(self.argument(args, module, name)?);
                }
            }
        }
        found
    }

    /// The resource type that an interface has by a name.
    fn resource(&self, of: Option<&ComponentItem>, name: &str) -> Option<ResourceId> {
        let ComponentEntityType::Instance(id) = of?.ty else {
            return None;
        };
        resource_of(self.types.get(id)?.exports.get(name)?)
    }

    /// Checks that what the core module imports is what its names say.
    fn imports(&self, args: &Arguments<'a>) -> Result<(), Problem> {
        for (from, instance) in args {
            let Some(CoreInstance::Exports(exports)) =
                self.contents.core_instances.get(*instance as usize)
            else {
                return Err(refused(format!(
                    "its core module imports `{from}` from another one"
                )));
            };
            for (name, (kind, index)) in exports {
                if *kind != ExternalKind::Func {
                    return Err(refused(format!(
                        "its core module imports `{name}`, no function"
                    )));
                }
                let is_right = match self.source(*index) {
                    Some(Source::Imported(of, function)) => {
                        let of = of.unwrap_or(ROOT);
                        function == *name && (of == *from || is_version_of(from, of))
                    }
                    Some(Source::Resource(kind, resource)) => {
                        name.strip_prefix(kind)
                            .and_then(|name| self.imported_resource(from, name))
                            == Some(resource)
                    }
                    Some(Source::Own(_)) | None => false,
                };
                if !is_right {
                    return Err(refused(format!(
                        "`{name}` of `{from}` is another function in its core module than in its world"
                    )));
                }
            }
        }
        Ok(())
    }

    /// The resource type whose intrinsics the core module imports from a module.
    fn imported_resource(&self, from: &str, name: &str) -> Option<ResourceId> {
        if let Some(interface) = from.strip_prefix(EXPORTED) {
            return self.resource(self.types.component_item_for_export(interface), name);
        }
        match from {
            ROOT => resource_of(self.types.component_item_for_import(name)?),
            interface => self.resource(self.types.component_item_for_import(interface), name),
        }
    }

    /// Checks that what the component exports is what the core module has by these names.
    fn component_exports(&self) -> Result<(), Problem> {
        for (name, kind, index) in &self.contents.exports {
            match kind {
                ComponentExternalKind::Func => {
                    let function = self.contents.functions.get(*index as usize);
                    self.export(name, function.copied())?;
                }
                ComponentExternalKind::Instance => {
                    let functions = self
                        .contents
                        .instance_functions(*index)
                        .ok_or_else(|| refused(format!("it exports `{name}` as it imports it")))?;
                    for (function, lifted) in functions {
                        self.export(&format!("{name}#{function}"), Some(lifted))?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn export(&self, name: &str, function: Option<Function<'a>>) -> Result<(), Problem> {
        let Some(Function::Lifted(Lift { core, post_return })) = function else {
            return Err(refused(format!(
                "its export `{name}` is no function of its own"
            )));
        };
        let post = format!("cabi_post_{name}");
        let has_post = self.exports.contains(&post.as_str());
        let is_right = self.source(core) == Some(Source::Own(name))
            && match post_return {
                Some(found) => self.source(found) == Some(Source::Own(&post)),
                None => !has_post,
            };
        match is_right {
            true => Ok(()),
            false => Err(refused(format!(
                "its export `{name}` is not what its core module exports by this name"
            ))),
        }
    }

    /// Checks that each resource type has the destructor that the core module has for it.
    fn destructors(&self) -> Result<(), Problem> {
        for (name, kind, _) in &self.contents.exports {
            let item = self.types.component_item_for_export(name);
            let (ComponentExternalKind::Instance, Some(item)) = (kind, item) else {
                continue;
            };
            let ComponentEntityType::Instance(id) = item.ty else {
                continue;
            };
            let members = self.types.get(id).into_iter().flat_map(|ty| &ty.exports);
            for (resource, member) in members {
                let Some(id) = resource_of(member) else {
                    continue;
                };
                let wanted = format!("{name}#[dtor]{resource}");
                let is_there = self.exports.contains(&wanted.as_str());
                let is_right = match self.contents.destructors.get(&id) {
                    Some(Some(found)) => self.source(*found) == Some(Source::Own(&wanted)),
                    Some(None) => !is_there,
                    // It is another one's, which the interface shows again.
                    None => true,
                };
                if !is_right {
                    return Err(refused(format!(
                        "the destructor of `{resource}` is not `{wanted}` of its core module"
                    )));
                }
            }
        }
        Ok(())
    }

    /// Checks that memory is the core module's, and is given by it.
    fn memory(&self) -> Result<(), Problem> {
        let reallocs = self.contents.reallocs.iter();
        let mut reallocs = reallocs.map(|realloc| self.source(*realloc));
        match reallocs.all(|source| source == Some(Source::Own(REALLOC))) {
            true => Ok(()),
            false => Err(refused(format!(
                "memory is not given by `{REALLOC}` of its core module"
            ))),
        }
    }

    /// Checks that nothing runs first but what runs first in core modules too.
    fn starts(&self) -> Result<(), Problem> {
        for (between, args) in self.between.values() {
            for (module, name) in &between.starts {
                let source = self
                    .argument(args, module, name)
                    .and_then(|function| self.source(function));
                if source != Some(Source::Own(super::INITIALIZE)) {
                    return Err(refused(format!(
                        "`{name}` runs before all others, and only `{}` of its core module may",
                        super::INITIALIZE
                    )));
                }
            }
        }
        Ok(())
    }
}

fn resource_of(item: &ComponentItem) -> Option<ResourceId> {
    match item.ty {
        ComponentEntityType::Type {
            referenced: ComponentAnyTypeId::Resource(id),
            ..
        } => Some(id.resource()),
        _ => None,
    }
}
