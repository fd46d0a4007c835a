//! What is in a component, as far as functions go.

use std::collections::BTreeMap;

use wasmparser::{
    CanonicalFunction, CanonicalOption, ComponentAlias, ComponentExport, ComponentExternalKind,
    ComponentInstance, ComponentOuterAliasKind, ComponentType, ComponentTypeRef, Export,
    ExternalKind, Instance, Parser, Payload, ValidPayload, Validator, WasmFeatures,
    component_types::{ComponentAnyTypeId, ResourceId},
    types::{Types, TypesRef},
};

use super::{invalid, refused};
use crate::error::Problem;

/// A core function of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CoreFunction<'a> {
    /// A function of components.
    Lowered(Function<'a>),
    /// An intrinsic of a resource type.
    Resource(&'static str, ResourceId),
    /// What a core instance exports.
    Exported(u32, &'a str),
}

/// A core instance.
#[derive(Debug)]
pub(super) enum CoreInstance<'a> {
    /// An instance of a module, and its arguments.
    Module(u32, BTreeMap<&'a str, u32>),
    /// What is put together under names.
    Exports(BTreeMap<&'a str, (ExternalKind, u32)>),
}

/// A component's function that is made of a core function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lift {
    pub(super) core: u32,
    pub(super) post_return: Option<u32>,
}

/// A function of components.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function<'a> {
    /// An imported one: the interface's name, if it is of one, and its own.
    Imported(Option<&'a str>, &'a str),
    Lifted(Lift),
    Other,
}

/// A component's instance.
#[derive(Debug, Clone)]
enum Made<'a> {
    Imported(&'a str),
    /// Functions under names.
    Exports(Vec<(&'a str, Function<'a>)>),
    Other,
}

/// What is in a component.
#[derive(Default)]
pub(super) struct Contents<'a> {
    /// Core modules.
    pub(super) modules: Vec<&'a [u8]>,
    pub(super) core_instances: Vec<CoreInstance<'a>>,
    pub(super) core_functions: Vec<CoreFunction<'a>>,
    /// The instances that export core tables, and the names.
    pub(super) core_tables: Vec<(u32, &'a str)>,
    pub(super) functions: Vec<Function<'a>>,
    /// The core functions that are `realloc` of something.
    pub(super) reallocs: Vec<u32>,
    /// The destructors of the resource types that are defined here.
    pub(super) destructors: BTreeMap<ResourceId, Option<u32>>,
    /// What is exported.
    pub(super) exports: Vec<(&'a str, ComponentExternalKind, u32)>,
    instances: Vec<Made<'a>>,
    components: Vec<Contents<'a>>,
}

impl<'a> Contents<'a> {
    /// Reads and validates a component, but for the code in it.
    pub(super) fn read(bytes: &'a [u8]) -> Result<(Self, Types), Problem> {
        let mut validator = Validator::new_with_features(WasmFeatures::all());
        // What is in a core module is left to the validator.
        let mut outer: Vec<Option<Self>> = Vec::new();
        let mut current = Some(Self::default());
        for payload in Parser::new(0).parse_all(bytes) {
            let payload = payload.map_err(|error| invalid(&error))?;
            let valid = validator
                .payload(&payload)
                .map_err(|error| invalid(&error))?;
            match payload {
                Payload::ModuleSection {
                    unchecked_range, ..
                } => {
                    let range = unchecked_range.start as usize..unchecked_range.end as usize;
                    if let Some(contents) = &mut current {
                        contents.modules.push(bytes.get(range).unwrap_or_default());
                    }
                    outer.push(current.take());
                }
                Payload::ComponentSection { .. } => {
                    outer.push(current.replace(Self::default()));
                }
                Payload::End(_) => {
                    let ValidPayload::End(types) = valid else {
                        continue;
                    };
                    let Some(parent) = outer.pop() else {
                        return current
                            .map(|contents| (contents, types))
                            .ok_or_else(|| refused("it is a core module"));
                    };
                    let ended = std::mem::replace(&mut current, parent);
                    if let (Some(contents), Some(ended)) = (&mut current, ended) {
                        contents.components.push(ended);
                    }
                }
                payload => {
                    if let (Some(contents), Some(types)) = (&mut current, validator.types(0)) {
                        contents.section(payload, types)?;
                    }
                }
            }
        }
        Err(refused("it has no end"))
    }

    fn section(&mut self, payload: Payload<'a>, types: TypesRef<'_>) -> Result<(), Problem> {
        let invalid = |error| invalid(&error);
        match payload {
            Payload::ComponentTypeSection(defined) => {
                let first = types.component_type_count() - defined.count();
                for (index, ty) in (first..).zip(defined) {
                    if let ComponentType::Resource { dtor, .. } = ty.map_err(invalid)?
                        && let Some(resource) = resource_at(types, index)
                    {
                        self.destructors.insert(resource, dtor);
                    }
                }
            }
            Payload::ComponentImportSection(imports) => {
                for import in imports {
                    let import = import.map_err(invalid)?;
                    let name = import.name.name;
                    match import.ty {
                        ComponentTypeRef::Instance(_) => self.instances.push(Made::Imported(name)),
                        ComponentTypeRef::Func(_) => {
                            self.functions.push(Function::Imported(None, name));
                        }
                        ComponentTypeRef::Type(_) => {}
                        ComponentTypeRef::Module(_)
                        | ComponentTypeRef::Component(_)
                        | ComponentTypeRef::Value(_) => {
                            return Err(refused(format!(
                                "its import `{name}` is neither a function nor an interface"
                            )));
                        }
                    }
                }
            }
            Payload::InstanceSection(instances) => {
                for instance in instances {
                    let instance = match instance.map_err(invalid)? {
                        Instance::Instantiate { module_index, args } => {
                            let args = args.iter().map(|arg| (arg.name, arg.index));
                            CoreInstance::Module(module_index, args.collect())
                        }
                        Instance::FromExports(exports) => {
                            let named =
                                |export: &Export<'a>| (export.name, (export.kind, export.index));
                            CoreInstance::Exports(exports.iter().map(named).collect())
                        }
                    };
                    self.core_instances.push(instance);
                }
            }
            Payload::ComponentAliasSection(aliases) => {
                for alias in aliases {
                    self.alias(alias.map_err(invalid)?)?;
                }
            }
            Payload::ComponentCanonicalSection(functions) => {
                for function in functions {
                    self.canonical(function.map_err(invalid)?, types)?;
                }
            }
            Payload::ComponentInstanceSection(instances) => {
                for instance in instances {
                    let made = self.instance(&instance.map_err(invalid)?);
                    self.instances.push(made);
                }
            }
            Payload::ComponentExportSection(exports) => {
                for export in exports {
                    self.export(&export.map_err(invalid)?)?;
                }
            }
            Payload::ComponentStartSection { .. } => {
                return Err(refused("it has a start function of the component itself"));
            }
            _ => {}
        }
        Ok(())
    }

    fn function(&self, index: u32) -> Function<'a> {
        let function = self.functions.get(index as usize);
        function.copied().unwrap_or(Function::Other)
    }

    fn instance(&self, instance: &ComponentInstance<'a>) -> Made<'a> {
        match instance {
            ComponentInstance::FromExports(exports) => {
                let functions = exports.iter().filter_map(|export| {
                    let is_function = export.kind == ComponentExternalKind::Func;
                    is_function.then(|| (export.name.name, self.function(export.index)))
                });
                Made::Exports(functions.collect())
            }
            ComponentInstance::Instantiate {
                component_index,
                args,
            } => {
                let Some(component) = self.components.get(*component_index as usize) else {
                    return Made::Other;
                };
                let argument = |name: &str| {
                    let mut args = args.iter();
                    let found = args
                        .find(|arg| arg.name == name && arg.kind == ComponentExternalKind::Func);
                    found.map_or(Function::Other, |arg| self.function(arg.index))
                };
                let exports = component.exports.iter();
                let functions = exports.filter_map(|(name, kind, index)| {
                    let function = match component.function(*index) {
                        Function::Imported(None, import) => argument(import),
                        _ => Function::Other,
                    };
                    (*kind == ComponentExternalKind::Func).then_some((*name, function))
                });
                Made::Exports(functions.collect())
            }
        }
    }

    /// The functions of an instance, unless it is imported.
    pub(super) fn instance_functions(&self, instance: u32) -> Option<Vec<(&'a str, Function<'a>)>> {
        match self.instances.get(instance as usize)? {
            Made::Exports(functions) => Some(functions.clone()),
            Made::Imported(_) | Made::Other => None,
        }
    }

    fn export(&mut self, export: &ComponentExport<'a>) -> Result<(), Problem> {
        let name = export.name.name;
        // What is exported has a number of its own from there on.
        match export.kind {
            ComponentExternalKind::Func => self.functions.push(self.function(export.index)),
            ComponentExternalKind::Instance => {
                let made = self.instances.get(export.index as usize).cloned();
                self.instances.push(made.unwrap_or(Made::Other));
            }
            ComponentExternalKind::Type => {}
            ComponentExternalKind::Module
            | ComponentExternalKind::Component
            | ComponentExternalKind::Value => {
                return Err(refused(format!(
                    "its export `{name}` is neither a function nor an interface"
                )));
            }
        }
        self.exports.push((name, export.kind, export.index));
        Ok(())
    }

    fn alias(&mut self, alias: ComponentAlias<'a>) -> Result<(), Problem> {
        match alias {
            ComponentAlias::InstanceExport {
                kind,
                instance_index,
                name,
            } => match kind {
                ComponentExternalKind::Func => {
                    let function = match self.instances.get(instance_index as usize) {
                        Some(Made::Imported(of)) => Function::Imported(Some(of), name),
                        Some(Made::Exports(functions)) => {
                            let found = functions.iter().find(|(found, _)| *found == name);
                            found.map_or(Function::Other, |(_, function)| *function)
                        }
                        Some(Made::Other) | None => Function::Other,
                    };
                    self.functions.push(function);
                }
                ComponentExternalKind::Instance => self.instances.push(Made::Other),
                ComponentExternalKind::Type => {}
                ComponentExternalKind::Module
                | ComponentExternalKind::Component
                | ComponentExternalKind::Value => {
                    return Err(refused(format!(
                        "it uses `{name}` of an instance, neither a function nor an interface"
                    )));
                }
            },
            ComponentAlias::CoreInstanceExport {
                kind,
                instance_index,
                name,
            } => match kind {
                ExternalKind::Func | ExternalKind::FuncExact => self
                    .core_functions
                    .push(CoreFunction::Exported(instance_index, name)),
                ExternalKind::Table => self.core_tables.push((instance_index, name)),
                ExternalKind::Memory | ExternalKind::Global | ExternalKind::Tag => {}
            },
            ComponentAlias::Outer { kind, .. } => match kind {
                ComponentOuterAliasKind::Type | ComponentOuterAliasKind::CoreType => {}
                ComponentOuterAliasKind::CoreModule | ComponentOuterAliasKind::Component => {
                    return Err(refused("a component in it uses modules from around it"));
                }
            },
        }
        Ok(())
    }

    fn canonical(
        &mut self,
        function: CanonicalFunction,
        types: TypesRef<'_>,
    ) -> Result<(), Problem> {
        let (kind, resource) = match function {
            CanonicalFunction::Lift {
                core_func_index,
                options,
                ..
            } => {
                let lift = Lift {
                    core: core_func_index,
                    post_return: self.options(&options)?,
                };
                self.functions.push(Function::Lifted(lift));
                return Ok(());
            }
            CanonicalFunction::Lower {
                func_index,
                options,
            } => {
                self.options(&options)?;
                let lowered = CoreFunction::Lowered(self.function(func_index));
                self.core_functions.push(lowered);
                return Ok(());
            }
            CanonicalFunction::ResourceNew { resource } => ("[resource-new]", resource),
            CanonicalFunction::ResourceDrop { resource } => ("[resource-drop]", resource),
            CanonicalFunction::ResourceRep { resource } => ("[resource-rep]", resource),
            other => {
                let text = format!("{other:?}");
                let name = text.split([' ', '{', '(']).next().unwrap_or_default();
                return Err(refused(format!("it uses the built-in function `{name}`")));
            }
        };
        let resource = resource_at(types, resource)
            .ok_or_else(|| refused(format!("`{kind}` is of a type that is no resource")))?;
        self.core_functions
            .push(CoreFunction::Resource(kind, resource));
        Ok(())
    }

    /// Looks at the options of a function; what runs after it.
    fn options(&mut self, options: &[CanonicalOption]) -> Result<Option<u32>, Problem> {
        let mut post_return = None;
        for option in options {
            match option {
                CanonicalOption::UTF8 | CanonicalOption::Memory(_) => {}
                CanonicalOption::PostReturn(function) => post_return = Some(*function),
                CanonicalOption::Realloc(function) => self.reallocs.push(*function),
                CanonicalOption::UTF16 | CanonicalOption::CompactUTF16 => {
                    return Err(refused("its strings are not in UTF-8"));
                }
                other => return Err(refused(format!("it has functions of the kind {other:?}"))),
            }
        }
        Ok(post_return)
    }
}

fn resource_at(types: TypesRef<'_>, index: u32) -> Option<ResourceId> {
    match types.component_any_type_at(index) {
        ComponentAnyTypeId::Resource(id) => Some(id.resource()),
        _ => None,
    }
}
