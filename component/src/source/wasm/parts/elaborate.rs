//! Instantiation of a component: the instances of components in it, each with core
//! instances, and what leads from one to another.
//!
//! Definitions are followed in order, as instantiation does it, but no code runs. What is given to a
//! component as an argument is known then, also a component or a core module, and so is each resource type.

use std::{collections::BTreeMap, rc::Rc};

use wasmparser::{
    CanonicalFunction, CanonicalOption, ComponentAlias, ComponentExport, ComponentExternalKind,
    ComponentImport, ComponentInstance, ComponentOuterAliasKind, ComponentType, ComponentTypeRef,
    ExternalKind, Instance, InstanceTypeDeclaration, TypeBounds,
};

use super::{
    super::binary::{ROOT, refused},
    definition::{Definition, Item},
    types::{FunctionType, Resource, ScopeId, Ty, Types, Value},
};
use crate::error::Problem;

/// The most definitions that are followed: components that are instantiated twice in one another can be
/// very many.
const MAX_STEPS: usize = 1 << 18;

/// The depth to which components are in one another.
const MAX_DEPTH: usize = 100;

/// A function of components.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Function {
    /// An instance of a component lifts it.
    Lifted { unit: usize, number: usize },
    /// It is imported: the number of the import.
    Imported(usize),
}

/// A function that is made of a core function.
#[derive(Debug)]
pub(super) struct Lift<'a> {
    pub(super) core: u32,
    pub(super) ty: Rc<FunctionType<'a>>,
    pub(super) options: Options,
    /// The first name that it is exported by.
    pub(super) name: Option<&'a str>,
}

/// The options with which a function of components is lifted, or lowered to a core function.
#[derive(Debug, Default, Clone)]
pub(super) struct Options {
    pub(super) memory: Option<u32>,
    pub(super) realloc: Option<u32>,
    pub(super) post_return: Option<u32>,
    /// `true` if strings are in UTF-16, at least some of them.
    pub(super) is_wide: bool,
    /// An option that is not supported.
    pub(super) other: Option<String>,
}

impl Options {
    fn read(options: &[CanonicalOption]) -> Self {
        let mut read = Self::default();
        for option in options {
            match option {
                CanonicalOption::UTF8 => {}
                CanonicalOption::UTF16 | CanonicalOption::CompactUTF16 => read.is_wide = true,
                CanonicalOption::Memory(memory) => read.memory = Some(*memory),
                CanonicalOption::Realloc(function) => read.realloc = Some(*function),
                CanonicalOption::PostReturn(function) => read.post_return = Some(*function),
                other => read.other = Some(format!("{other:?}")),
            }
        }
        read
    }
}

/// A core function in the instance of a component.
#[derive(Debug)]
pub(super) enum CoreFunction<'a> {
    Exported(u32, &'a str),
    Lowered(Function, Rc<FunctionType<'a>>, Options),
    /// An intrinsic of a resource type, by the name that core modules give it.
    Resource(&'static str, Resource),
    /// One that is not supported, by its name.
    BuiltIn(String),
}

/// A core instance.
#[derive(Debug)]
pub(super) enum CoreInstance<'a> {
    /// Of a core module, and its arguments: other core instances.
    Module(&'a [u8], BTreeMap<&'a str, u32>),
    /// Definitions that are put together under names.
    Exports(BTreeMap<&'a str, (ExternalKind, u32)>),
}

/// The parts of an instance of a component.
#[derive(Debug, Default)]
pub(super) struct Unit<'a> {
    pub(super) core_instances: Vec<CoreInstance<'a>>,
    pub(super) core_functions: Vec<CoreFunction<'a>>,
    pub(super) core_tables: Vec<(u32, &'a str)>,
    pub(super) core_memories: Vec<(u32, &'a str)>,
    pub(super) core_globals: Vec<(u32, &'a str)>,
    pub(super) lifts: Vec<Lift<'a>>,
    /// The resource types that it defines, with the core functions that are their destructors.
    pub(super) resources: Vec<Option<u32>>,
}

/// A definition that can be imported and exported.
#[derive(Debug, Clone)]
pub(super) enum Extern<'a> {
    Function(Function),
    Instance(Rc<Exports<'a>>),
    Type(Ty<'a>),
    Module(&'a [u8]),
    Component(Closure<'a>),
    /// It is not there: only what has an error has it.
    Nothing,
}

/// The exports of an instance of a component.
pub(super) type Exports<'a> = BTreeMap<&'a str, Extern<'a>>;

/// A component where it is defined.
#[derive(Debug, Clone)]
pub(super) struct Closure<'a> {
    definition: Rc<Definition<'a>>,
    scope: Option<ScopeId>,
}

/// The indices of a component while it is instantiated, or of a type while it is read.
#[derive(Debug, Default)]
pub(super) struct Scope<'a> {
    id: ScopeId,
    unit: usize,
    parent: Option<ScopeId>,
    types: Vec<Ty<'a>>,
    functions: Vec<(Function, Rc<FunctionType<'a>>)>,
    instances: Vec<Rc<Exports<'a>>>,
    components: Vec<Closure<'a>>,
    modules: Vec<&'a [u8]>,
}

impl<'a> Types<'a> for Scope<'a> {
    fn ty(&self, index: u32) -> Ty<'a> {
        let ty = self.types.get(index as usize);
        ty.cloned().unwrap_or(Ty::Other)
    }
}

impl<'a> Scope<'a> {
    fn function_type(&self, index: u32) -> Option<Rc<FunctionType<'a>>> {
        match self.ty(index) {
            Ty::Function(ty) => Some(ty),
            _ => None,
        }
    }

    /// The definition that an index stands for.
    fn get(&self, kind: ComponentExternalKind, index: u32) -> Extern<'a> {
        let index = index as usize;
        let found = match kind {
            ComponentExternalKind::Func => {
                let function = self.functions.get(index);
                function.map(|(function, _)| Extern::Function(*function))
            }
            ComponentExternalKind::Instance => {
                self.instances.get(index).cloned().map(Extern::Instance)
            }
            ComponentExternalKind::Type => self.types.get(index).cloned().map(Extern::Type),
            ComponentExternalKind::Module => self.modules.get(index).copied().map(Extern::Module),
            ComponentExternalKind::Component => {
                self.components.get(index).cloned().map(Extern::Component)
            }
            ComponentExternalKind::Value => None,
        };
        found.unwrap_or(Extern::Nothing)
    }

    fn export(&self, export: &ComponentExport<'a>) -> Extern<'a> {
        self.get(export.kind, export.index)
    }

    /// A type, which is not that of a resource.
    fn defined(&self, ty: &ComponentType<'a>) -> Ty<'a> {
        match ty {
            ComponentType::Defined(ty) => Ty::Value(Rc::new(Value::of(ty, self))),
            ComponentType::Func(ty) => Ty::Function(Rc::new(FunctionType::of(ty, self))),
            ComponentType::Instance(declarations) => {
                Ty::Instance(declarations.iter().cloned().collect(), self.id)
            }
            ComponentType::Component(_) | ComponentType::Resource { .. } => Ty::Other,
        }
    }
}

/// An import from outside of the whole.
#[derive(Debug)]
pub(super) struct Imported<'a> {
    /// The interface, or nothing for what the world itself imports.
    pub(super) interface: Option<&'a str>,
    pub(super) name: &'a str,
    /// The type of a function; nothing for a resource type.
    pub(super) ty: Option<Rc<FunctionType<'a>>>,
}

/// A component, instantiated.
pub(super) struct Elaborated<'a> {
    pub(super) units: Vec<Unit<'a>>,
    pub(super) imports: Vec<Imported<'a>>,
    /// The exports of the whole.
    pub(super) exports: Exports<'a>,
}

impl<'a> Elaborated<'a> {
    /// The module that core modules import something of the outside from, and its name there.
    pub(super) fn outside(&self, number: usize) -> Result<(&'a str, &'a str), Problem> {
        let import = self.imports.get(number);
        let import = import.ok_or_else(|| refused("an import of it is not there"))?;
        Ok((import.interface.unwrap_or(ROOT), import.name))
    }

    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Problem> {
        let mut elaborator = Elaborator {
            units: Vec::new(),
            imports: Vec::new(),
            scopes: Vec::new(),
            steps: 0,
        };
        let whole = Closure {
            definition: Rc::new(Definition::read(bytes)?),
            scope: None,
        };
        let exports = elaborator.instantiate(&whole, None, 0)?;
        Ok(Self {
            units: elaborator.units,
            imports: elaborator.imports,
            exports,
        })
    }
}

struct Elaborator<'a> {
    units: Vec<Unit<'a>>,
    imports: Vec<Imported<'a>>,
    scopes: Vec<Scope<'a>>,
    steps: usize,
}

impl<'a> Elaborator<'a> {
    fn step(&mut self) -> Result<(), Problem> {
        self.steps += 1;
        match self.steps > MAX_STEPS {
            true => Err(refused(format!(
                "its components have more than {MAX_STEPS} definitions, each counted as often as it is \
                 instantiated"
            ))),
            false => Ok(()),
        }
    }

    fn scope(&mut self, unit: usize, parent: Option<ScopeId>) -> ScopeId {
        let id = self.scopes.len();
        self.scopes.push(Scope {
            id,
            unit,
            parent,
            ..Scope::default()
        });
        id
    }

    /// The scope that is so many around another one.
    fn outer(&self, scope: ScopeId, count: u32) -> Option<ScopeId> {
        (0..count).try_fold(scope, |scope, _| self.scopes[scope].parent)
    }

    /// Instantiates a component; without arguments it is the whole, and gets what is outside.
    fn instantiate(
        &mut self,
        component: &Closure<'a>,
        args: Option<&Exports<'a>>,
        depth: usize,
    ) -> Result<Exports<'a>, Problem> {
        if depth > MAX_DEPTH {
            return Err(refused(format!(
                "its components are more than {MAX_DEPTH} deep in one another"
            )));
        }
        let unit = self.units.len();
        self.units.push(Unit::default());
        let scope = self.scope(unit, component.scope);
        let mut exports = Exports::new();
        for item in &component.definition.items {
            self.step()?;
            match item {
                Item::Module(bytes) => self.scopes[scope].modules.push(bytes),
                Item::CoreInstance(instance) => self.core_instance(scope, instance),
                Item::Component(definition) => self.scopes[scope].components.push(Closure {
                    definition: definition.clone(),
                    scope: Some(scope),
                }),
                Item::Instance(instance) => {
                    let made = self.instance(scope, instance, depth)?;
                    self.scopes[scope].instances.push(Rc::new(made));
                }
                Item::Alias(alias) => self.alias(scope, alias),
                Item::Type(ty) => {
                    let ty = match ty {
                        ComponentType::Resource { dtor, .. } => {
                            let resources = &mut self.units[unit].resources;
                            resources.push(*dtor);
                            let number = resources.len() - 1;
                            Ty::Resource(Resource::Own { unit, number })
                        }
                        ty => self.scopes[scope].defined(ty),
                    };
                    self.scopes[scope].types.push(ty);
                }
                Item::Canonical(function) => self.canonical(scope, function),
                Item::Import(import) => {
                    let name = import.name.name;
                    let given = match args {
                        Some(args) => args.get(name).cloned().unwrap_or(Extern::Nothing),
                        None => self.outside(scope, import)?,
                    };
                    self.define(scope, given, import.ty.kind());
                }
                Item::Export(export) => {
                    let exported = self.scopes[scope].export(export);
                    if let Extern::Function(Function::Lifted { unit, number }) = exported {
                        let lift = &mut self.units[unit].lifts[number];
                        lift.name.get_or_insert(export.name.name);
                    }
                    exports.insert(export.name.name, exported.clone());
                    // What is exported has an index of its own from there on.
                    self.define(scope, exported, export.kind);
                }
            }
        }
        Ok(exports)
    }

    /// Gives an index to something.
    fn define(&mut self, scope: ScopeId, found: Extern<'a>, kind: ComponentExternalKind) {
        match (kind, found) {
            (ComponentExternalKind::Func, Extern::Function(function)) => {
                let ty = self.type_of(function);
                self.scopes[scope].functions.push((function, ty));
            }
            (ComponentExternalKind::Instance, Extern::Instance(instance)) => {
                self.scopes[scope].instances.push(instance);
            }
            (ComponentExternalKind::Instance, _) => {
                self.scopes[scope].instances.push(Rc::default());
            }
            (ComponentExternalKind::Type, Extern::Type(ty)) => self.scopes[scope].types.push(ty),
            (ComponentExternalKind::Type, _) => self.scopes[scope].types.push(Ty::Other),
            (ComponentExternalKind::Module, Extern::Module(module)) => {
                self.scopes[scope].modules.push(module);
            }
            (ComponentExternalKind::Component, Extern::Component(component)) => {
                self.scopes[scope].components.push(component);
            }
            // The validator has seen that there is nothing else.
            _ => {}
        }
    }

    fn type_of(&self, function: Function) -> Rc<FunctionType<'a>> {
        let ty = match function {
            Function::Lifted { unit, number } => {
                let lift = self.units.get(unit).and_then(|unit| unit.lifts.get(number));
                lift.map(|lift| lift.ty.clone())
            }
            Function::Imported(number) => {
                let import = self.imports.get(number);
                import.and_then(|import| import.ty.clone())
            }
        };
        ty.unwrap_or_else(|| {
            Rc::new(FunctionType {
                is_async: false,
                params: Vec::new(),
                result: None,
            })
        })
    }

    fn core_instance(&mut self, scope: ScopeId, instance: &Instance<'a>) {
        let made = match instance {
            Instance::Instantiate { module_index, args } => {
                let modules = &self.scopes[scope].modules;
                let module = modules.get(*module_index as usize).copied();
                let args = args.iter().map(|arg| (arg.name, arg.index));
                CoreInstance::Module(module.unwrap_or_default(), args.collect())
            }
            Instance::FromExports(exports) => {
                let exports = exports.iter();
                let exports = exports.map(|export| (export.name, (export.kind, export.index)));
                CoreInstance::Exports(exports.collect())
            }
        };
        self.units[self.scopes[scope].unit]
            .core_instances
            .push(made);
    }

    fn instance(
        &mut self,
        scope: ScopeId,
        instance: &ComponentInstance<'a>,
        depth: usize,
    ) -> Result<Exports<'a>, Problem> {
        match instance {
            ComponentInstance::FromExports(exports) => {
                let exports = exports.iter();
                let exports =
                    exports.map(|export| (export.name.name, self.scopes[scope].export(export)));
                Ok(exports.collect())
            }
            ComponentInstance::Instantiate {
                component_index,
                args,
            } => {
                let component = self.scopes[scope]
                    .components
                    .get(*component_index as usize)
                    .cloned();
                let Some(component) = component else {
                    return Err(refused("a component that it instantiates is not there"));
                };
                let args = args.iter();
                let args = args.map(|arg| (arg.name, self.scopes[scope].get(arg.kind, arg.index)));
                self.instantiate(&component, Some(&args.collect()), depth + 1)
            }
        }
    }

    fn alias(&mut self, scope: ScopeId, alias: &ComponentAlias<'a>) {
        match *alias {
            ComponentAlias::InstanceExport {
                kind,
                instance_index,
                name,
            } => {
                let instance = self.scopes[scope]
                    .instances
                    .get(instance_index as usize)
                    .cloned();
                let found = instance.and_then(|instance| instance.get(name).cloned());
                self.define(scope, found.unwrap_or(Extern::Nothing), kind);
            }
            ComponentAlias::CoreInstanceExport {
                kind,
                instance_index,
                name,
            } => {
                let unit = &mut self.units[self.scopes[scope].unit];
                match kind {
                    ExternalKind::Func | ExternalKind::FuncExact => unit
                        .core_functions
                        .push(CoreFunction::Exported(instance_index, name)),
                    ExternalKind::Table => unit.core_tables.push((instance_index, name)),
                    ExternalKind::Memory => unit.core_memories.push((instance_index, name)),
                    ExternalKind::Global => unit.core_globals.push((instance_index, name)),
                    ExternalKind::Tag => {}
                }
            }
            ComponentAlias::Outer { kind, count, index } => {
                let kind = match kind {
                    ComponentOuterAliasKind::Type => ComponentExternalKind::Type,
                    ComponentOuterAliasKind::CoreModule => ComponentExternalKind::Module,
                    ComponentOuterAliasKind::Component => ComponentExternalKind::Component,
                    // Nothing here asks for types of core modules.
                    ComponentOuterAliasKind::CoreType => return,
                };
                let outer = self.outer(scope, count);
                let found = outer.map(|outer| self.scopes[outer].get(kind, index));
                self.define(scope, found.unwrap_or(Extern::Nothing), kind);
            }
        }
    }

    fn canonical(&mut self, scope: ScopeId, function: &CanonicalFunction) {
        let unit = &mut self.units[self.scopes[scope].unit];
        let resource = |index: &u32| match self.scopes[scope].ty(*index) {
            Ty::Resource(resource) => Some(resource),
            _ => None,
        };
        let intrinsic = |name, index: &u32| match resource(index) {
            Some(resource) => CoreFunction::Resource(name, resource),
            None => CoreFunction::BuiltIn(name.into()),
        };
        let made = match function {
            CanonicalFunction::Lift {
                core_func_index,
                type_index,
                options,
            } => {
                let Some(ty) = self.scopes[scope].function_type(*type_index) else {
                    return;
                };
                unit.lifts.push(Lift {
                    core: *core_func_index,
                    ty: ty.clone(),
                    options: Options::read(options),
                    name: None,
                });
                let function = Function::Lifted {
                    unit: self.scopes[scope].unit,
                    number: unit.lifts.len() - 1,
                };
                self.scopes[scope].functions.push((function, ty));
                return;
            }
            CanonicalFunction::Lower {
                func_index,
                options,
            } => match self.scopes[scope].functions.get(*func_index as usize) {
                Some((function, ty)) => {
                    CoreFunction::Lowered(*function, ty.clone(), Options::read(options))
                }
                None => CoreFunction::BuiltIn("lower".into()),
            },
            CanonicalFunction::ResourceNew { resource } => intrinsic("[resource-new]", resource),
            CanonicalFunction::ResourceDrop { resource } => intrinsic("[resource-drop]", resource),
            CanonicalFunction::ResourceRep { resource } => intrinsic("[resource-rep]", resource),
            other => {
                let text = format!("{other:?}");
                let name = text.split([' ', '{', '(']).next().unwrap_or_default();
                CoreFunction::BuiltIn(name.into())
            }
        };
        unit.core_functions.push(made);
    }

    // OUTSIDE
    // --------------------------------------------------------------------------------------------

    /// The stand-in for an import of the whole.
    fn outside(
        &mut self,
        scope: ScopeId,
        import: &ComponentImport<'a>,
    ) -> Result<Extern<'a>, Problem> {
        let name = import.name.name;
        self.imported(scope, None, name, import.ty)?.ok_or_else(|| {
            refused(format!(
                "its import `{name}` is neither a function nor an interface"
            ))
        })
    }

    /// The import of a name, of an interface or of the world itself.
    fn imported(
        &mut self,
        scope: ScopeId,
        interface: Option<&'a str>,
        name: &'a str,
        ty: ComponentTypeRef,
    ) -> Result<Option<Extern<'a>>, Problem> {
        self.step()?;
        let number = self.imports.len();
        let mut add = |ty| {
            self.imports.push(Imported {
                interface,
                name,
                ty,
            });
        };
        Ok(match ty {
            ComponentTypeRef::Func(index) => {
                add(self.scopes[scope].function_type(index));
                Some(Extern::Function(Function::Imported(number)))
            }
            ComponentTypeRef::Type(TypeBounds::SubResource) => {
                add(None);
                Some(Extern::Type(Ty::Resource(Resource::Imported(number))))
            }
            ComponentTypeRef::Type(TypeBounds::Eq(index)) => {
                Some(Extern::Type(self.scopes[scope].ty(index)))
            }
            ComponentTypeRef::Instance(index) => match (interface, self.scopes[scope].ty(index)) {
                (None, Ty::Instance(declarations, defined)) => {
                    Some(self.interface(defined, name, &declarations)?)
                }
                _ => None,
            },
            ComponentTypeRef::Module(_)
            | ComponentTypeRef::Component(_)
            | ComponentTypeRef::Value(_) => None,
        })
    }

    /// The contents of an imported interface.
    fn interface(
        &mut self,
        around: ScopeId,
        interface: &'a str,
        declarations: &[InstanceTypeDeclaration<'a>],
    ) -> Result<Extern<'a>, Problem> {
        let scope = self.scope(self.scopes[around].unit, Some(around));
        let mut exports = Exports::new();
        for declaration in declarations {
            self.step()?;
            match declaration {
                InstanceTypeDeclaration::CoreType(_) => {}
                InstanceTypeDeclaration::Type(ty) => {
                    let ty = self.scopes[scope].defined(ty);
                    self.scopes[scope].types.push(ty);
                }
                InstanceTypeDeclaration::Alias(alias) => self.alias(scope, alias),
                InstanceTypeDeclaration::Export { name, ty } => {
                    let name = name.name;
                    let found = self.imported(scope, Some(interface), name, *ty)?;
                    let found = found.ok_or_else(|| {
                        refused(format!(
                            "`{name}` of its import `{interface}` is not a function"
                        ))
                    })?;
                    self.define(scope, found.clone(), ty.kind());
                    exports.insert(name, found);
                }
            }
        }
        Ok(Extern::Instance(Rc::new(exports)))
    }
}
