//! A component whose one core module has the names of its world already, so that nothing has to be linked.
//!
//! `wit-component` adds a shim module, whose functions call through a table, for imports that need the core
//! module's memory, and a fixup module that fills this table. The imports of the core module, and the exports
//! of the component, are followed through both to what they are in the end. The compiler goes by the names in
//! the core module, so each has to be what its name says.

use std::collections::BTreeMap;

use wasmparser::ExternalKind;

use super::{
    super::{INITIALIZE, REALLOC, is_version_of},
    elaborate::{CoreFunction, CoreInstance, Options, Unit},
    merge::{Imported, Names},
    shim::{Shim, exports},
    types::FunctionType,
};

/// The number of times that an import is looked for behind another one: no tool makes more than two such steps.
const MAX_STEPS: u32 = 16;

/// The one core module of a component's instance, if everything in it is what its name says.
pub(super) fn plain<'a>(unit: &Unit<'a>, names: &dyn Names) -> Option<&'a [u8]> {
    let mut shims = BTreeMap::new();
    let mut own = None;
    for (number, instance) in (0..).zip(&unit.core_instances) {
        let CoreInstance::Module(module, args) = instance else {
            continue;
        };
        match Shim::read(module).ok()? {
            Some(found) => {
                shims.insert(number, (found, args));
            }
            None if own.is_none() => own = Some((number, *module, args)),
            None => return None,
        }
    }
    let (instance, module, args) = own?;
    let plain = Plain {
        unit,
        names,
        instance,
        exports: exports(module).ok()?,
        shims,
    };
    let is_plain = plain.has_imports(args)
        && plain.has_exports()
        && plain.has_destructors()
        && plain.has_options()
        && plain.has_starts();
    is_plain.then_some(module)
}

/// The definition of a core function in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source<'a> {
    /// The imports of the core module.
    Imported(Imported),
    /// The exports of the core module.
    Own(&'a str),
}

/// The arguments of a core instance: other core instances, by the names of the modules that it imports.
type Arguments<'a> = BTreeMap<&'a str, u32>;

/// The instance of a component with the core module among its core instances.
struct Plain<'e, 'a> {
    unit: &'e Unit<'a>,
    names: &'e dyn Names,
    /// The instance of the core module.
    instance: u32,
    /// The functions that the core module exports.
    exports: Vec<&'a str>,
    /// The instances of shim and fixup modules.
    shims: BTreeMap<u32, (Shim<'a>, &'e Arguments<'a>)>,
}

impl<'a> Plain<'_, 'a> {
    /// The definition of a core function, seen through shims.
    fn source(&self, function: u32) -> Option<Source<'a>> {
        self.function(function, MAX_STEPS)
    }

    fn function(&self, function: u32, steps: u32) -> Option<Source<'a>> {
        match self.unit.core_functions.get(function as usize)? {
            CoreFunction::Lowered(function, ..) => {
                Some(Source::Imported(Imported::Function(*function)))
            }
            CoreFunction::Resource(kind, resource) => {
                Some(Source::Imported(Imported::Resource(kind, *resource)))
            }
            CoreFunction::Exported(instance, name) => self.exported(*instance, name, steps),
            CoreFunction::BuiltIn(_) => None,
        }
    }

    /// The export of a core instance by a name.
    fn exported(&self, instance: u32, name: &'a str, steps: u32) -> Option<Source<'a>> {
        let steps = steps.checked_sub(1)?;
        if instance == self.instance {
            return Some(Source::Own(name));
        }
        if let Some((shim, args)) = self.shims.get(&instance) {
            return match shim.import(name) {
                Some((module, name)) => self.exported(*args.get(module)?, name, steps),
                None => self.filled(instance, shim.slot(name)?, steps),
            };
        }
        match self.unit.core_instances.get(instance as usize)? {
            CoreInstance::Exports(exports) => match exports.get(name)? {
                (ExternalKind::Func, index) => self.function(*index, steps),
                _ => None,
            },
            CoreInstance::Module(..) => None,
        }
    }

    /// The core function that is put into a place of the table that an instance exports.
    fn filled(&self, of: u32, (table, slot): (&str, u32), steps: u32) -> Option<Source<'a>> {
        let mut found = None;
        for (shim, args) in self.shims.values() {
            for fixup in &shim.fixups {
                let instance = *args.get(fixup.table.0)?;
                let place = match self.unit.core_instances.get(instance as usize)? {
                    CoreInstance::Exports(exports) => match exports.get(fixup.table.1)? {
                        (ExternalKind::Table, index) => {
                            self.unit.core_tables.get(*index as usize).copied()
                        }
                        _ => None,
                    },
                    CoreInstance::Module(..) => Some((instance, fixup.table.1)),
                };
                let number = slot.checked_sub(fixup.first);
                let function = number.and_then(|number| fixup.functions.get(number as usize));
                if let Some((module, name)) = function
                    && place == Some((of, table))
                {
                    // Filled twice, it is not clear by what.
                    if found.is_some() {
                        return None;
                    }
                    found = Some(self.exported(*args.get(module)?, name, steps)?);
                }
            }
        }
        found
    }

    /// Returns `true` if what the core module imports is what its names say.
    fn has_imports(&self, args: &Arguments<'a>) -> bool {
        args.iter().all(|(from, instance)| {
            let Some(CoreInstance::Exports(exports)) =
                self.unit.core_instances.get(*instance as usize)
            else {
                return false;
            };
            exports.iter().all(|(name, (kind, index))| {
                let source = match kind {
                    ExternalKind::Func => self.source(*index),
                    _ => None,
                };
                let Some(Source::Imported(import)) = source else {
                    return false;
                };
                self.names.import(import).is_ok_and(|(of, function)| {
                    function == *name && (of == *from || is_version_of(from, &of))
                })
            })
        })
    }

    /// Returns `true` if what the component exports is what the core module has by these names.
    fn has_exports(&self) -> bool {
        (0..).zip(&self.unit.lifts).all(|(number, lift)| {
            self.names.exports(number).iter().all(|name| {
                let post = format!("cabi_post_{name}");
                self.is_own(lift.core, name)
                    && match lift.options.post_return {
                        Some(found) => self.is_own(found, &post),
                        None => !self.exports.contains(&post.as_str()),
                    }
            })
        })
    }

    fn is_own(&self, function: u32, name: &str) -> bool {
        self.source(function) == Some(Source::Own(name))
    }

    /// Returns `true` if each resource type has the destructor that the core module has for it.
    fn has_destructors(&self) -> bool {
        let mut resources = self.unit.resources.iter().enumerate();
        resources.all(|(number, destructor)| {
            let Some(name) = self.names.destructor(number) else {
                return true;
            };
            match destructor {
                Some(destructor) => self.is_own(*destructor, &name),
                None => !self.exports.contains(&name.as_str()),
            }
        })
    }

    /// Returns `true` if values are in the core module's memory, which it gives itself, and have the common form.
    fn has_options(&self) -> bool {
        let is_plain = |ty: &FunctionType<'_>, options: &Options| {
            let memory = options
                .memory
                .map(|memory| self.unit.core_memories.get(memory as usize));
            let is_mine = |memory: Option<&(u32, &str)>| {
                memory.is_some_and(|(instance, _)| *instance == self.instance)
            };
            !ty.is_async
                && options.other.is_none()
                && !(options.is_wide && ty.has_strings())
                && memory.is_none_or(is_mine)
                && options
                    .realloc
                    .is_none_or(|realloc| self.is_own(realloc, REALLOC))
        };
        let mut lifts = self.unit.lifts.iter();
        let mut functions = self.unit.core_functions.iter();
        lifts.all(|lift| is_plain(&lift.ty, &lift.options))
            && functions.all(|function| match function {
                CoreFunction::Lowered(_, ty, options) => is_plain(ty, options),
                _ => true,
            })
    }

    /// Returns `true` if nothing runs first but what runs first in core modules too.
    fn has_starts(&self) -> bool {
        let mut is_initialized = false;
        for (shim, args) in self.shims.values() {
            for (module, name) in &shim.starts {
                let source = args
                    .get(module)
                    .and_then(|instance| self.exported(*instance, name, MAX_STEPS));
                if source != Some(Source::Own(INITIALIZE)) {
                    return false;
                }
                is_initialized = true;
            }
        }
        is_initialized == self.exports.contains(&INITIALIZE)
    }
}
