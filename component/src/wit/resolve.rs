//! From the texts of WIT packages to a world.

use std::{
    cell::Cell,
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::Arc,
};

use miden_cvm_air::composition::LinkKind;
use wit_parser::{
    FunctionKind, Handle, InterfaceId, Resolve, SourceMap, Span, TypeDefKind, TypeId, TypeOwner,
    UnresolvedPackageGroup, WorldId, WorldItem, WorldKey,
};

use super::{
    built_in::{code, is_built_in},
    model::{
        Case, Field, Function, Interface, InterfaceName, Method, NamedType, ResourceName, Type,
        World,
    },
    sources::WitSources,
};
use crate::{
    assembly::guard::{Failure, guarded},
    error::{BuildError, ISOLATED_HANDLES, Problem, TWO_KINDS},
    limits::{AssemblyLimits, LimitName},
    text::{
        Lines, line_of,
        nesting::{bracket_too_deep, without_empty_comments},
    },
};

/// Miden's own types, and the interfaces that are built in, as a WIT package; every world can use it
/// without bringing it along.
const PACKAGE: &str = include_str!("cvm.wit");

/// Where [`PACKAGE`] stands in errors.
const PACKAGE_FILE: &str = "miden:cvm";

/// The lines of a doc comment that say what calls of a function do, or of all functions of an
/// interface that say nothing themselves.
const MARKERS: [(&str, LinkKind); 2] = [
    ("@fresh", LinkKind::Fresh),
    ("@isolated", LinkKind::Isolated),
];

/// The most parts that the types of one function may have in all, when every name is replaced by what
/// it stands for: names can make a short text stand for a type without end.
const MAX_TYPE_PARTS: usize = 1 << 12;

/// The most flags: they have to fit in one u32.
const MAX_FLAGS: usize = 32;

/// Reads the world with a name, or the only one if none is given.
///
/// # Errors
/// Returns an error with file and line for what WIT does not allow, and for what Miden cannot express.
pub(crate) fn resolve_world(
    sources: &WitSources,
    world: Option<&str>,
    limits: AssemblyLimits,
) -> Result<World, BuildError> {
    for file in &sources.files {
        if let Some(line) = bracket_too_deep(&file.text) {
            let file = sources.location(&file.path);
            return Err(BuildError::new(file, Some(line), Problem::Brackets));
        }
    }
    // The parser is made for texts that its user wrote; these may be from a package.
    let resolved = guarded(|| {
        let (resolve, world) = select(sources, world)?;
        Resolver {
            sources,
            resolve: &resolve,
            lines: all_texts(sources)
                .map(|(path, text)| (path, Lines::of(text)))
                .collect(),
            inline: inline_interfaces(&resolve, world),
            parts: Cell::new(0),
            all_parts: Cell::new(0),
            most_parts: limits.type_parts,
        }
        .world(world)
    });
    match resolved {
        Ok(resolved) => resolved,
        Err(Failure::Panicked(reason) | Failure::NoThread(reason)) => {
            let problem = Problem::Wit(format!("the WIT parser gave up on it: {reason}"));
            Err(BuildError::in_file(sources.whole(), problem))
        }
    }
}

fn select(sources: &WitSources, world: Option<&str>) -> Result<(Resolve, WorldId), BuildError> {
    let (own, others) = sources.packages();
    let parse = |files: &[(&str, &str)]| -> Result<UnresolvedPackageGroup, BuildError> {
        let mut map = SourceMap::default();
        for (path, text) in files {
            map.push_str(path, without_empty_comments(text));
        }
        map.parse().map_err(|(map, error)| {
            let kind = error.kind();
            refused(sources, &map, kind.span(), kind.to_string())
        })
    };
    let texts = |files: &[&super::WitFile]| {
        let pairs = files
            .iter()
            .map(|file| (file.path.as_str(), file.text.as_str()));
        parse(&pairs.collect::<Vec<_>>())
    };
    let main = texts(&own)?;
    let mut dependencies = others
        .iter()
        .map(|files| texts(files))
        .collect::<Result<Vec<_>, _>>()?;
    let core_types = parse(&[(PACKAGE_FILE, PACKAGE)])?;
    let name = &core_types.main.name;
    let has_own = std::iter::once(&main).chain(&dependencies).any(|group| {
        std::iter::once(&group.main)
            .chain(&group.nested)
            .any(|package| package.name == *name)
    });
    if !has_own {
        dependencies.push(core_types);
    }
    let mut resolve = Resolve::default();
    let package = resolve.push_groups(main, dependencies).map_err(|error| {
        let kind = error.kind();
        refused(sources, &resolve.source_map, kind.span(), kind.to_string())
    })?;
    let selected = resolve.select_world(&[package], world).map_err(|error| {
        let error = BuildError::in_file(sources.whole(), Problem::World(beginning(&error)));
        let known = resolve.packages[package].worlds.keys();
        error.with_similar(world.unwrap_or_default(), known)
    })?;
    Ok((resolve, selected))
}

/// The most lines of a list that an error shows.
const MAX_LISTED: usize = 20;

/// The message of an error, which can list all worlds that there are.
fn beginning(error: &impl ToString) -> String {
    let text = error.to_string();
    let (count, mut lines) = (text.lines().count(), text.lines());
    let shown: Vec<&str> = lines.by_ref().take(MAX_LISTED).collect();
    match count.saturating_sub(MAX_LISTED) {
        0 => text,
        others => format!("{}\n  and {others} others", shown.join("\n")),
    }
}

fn refused(sources: &WitSources, map: &SourceMap, span: Span, message: String) -> BuildError {
    at(sources, map, span, Problem::Wit(message))
}

/// An error at a place of a source.
fn at(sources: &WitSources, map: &SourceMap, span: Span, problem: Problem) -> BuildError {
    match place(sources, map, span) {
        Some((file, line, text)) => BuildError::new(file, Some(line), problem).showing(text),
        None => BuildError::in_file(sources.whole(), problem),
    }
}

/// The file and the line of a place, and the text of the file.
fn place<'a>(
    sources: &'a WitSources,
    map: &SourceMap,
    span: Span,
) -> Option<(PathBuf, u32, &'a str)> {
    let location = map.resolve_span(span)?;
    let (_, text) = all_texts(sources).find(|(path, _)| *path == location.path)?;
    let line = line_of(text, location.range.start);
    Some((sources.location(location.path), line, text))
}

/// All texts that a world can be in, with their paths.
fn all_texts(sources: &WitSources) -> impl Iterator<Item = (&str, &str)> {
    let files = sources.files.iter();
    let files = files.map(|file| (file.path.as_str(), file.text.as_str()));
    files.chain(std::iter::once((PACKAGE_FILE, PACKAGE)))
}

/// The names of the interfaces that a world declares itself.
fn inline_interfaces(resolve: &Resolve, world: WorldId) -> BTreeMap<InterfaceId, String> {
    let world = &resolve.worlds[world];
    let items = world.imports.iter().chain(&world.exports);
    items
        .filter_map(|(key, item)| match (key, item) {
            (WorldKey::Name(name), WorldItem::Interface { id, .. })
                if resolve.interfaces[*id].name.is_none() =>
            {
                Some((*id, name.clone()))
            }
            _ => None,
        })
        .collect()
}

struct Resolver<'a> {
    sources: &'a WitSources,
    resolve: &'a Resolve,
    /// The lines of all texts, by their paths.
    lines: HashMap<&'a str, Lines>,
    inline: BTreeMap<InterfaceId, String>,
    /// Parts of the types of the function at hand, so far.
    parts: Cell<usize>,
    /// Parts of the types of all functions, so far.
    all_parts: Cell<u64>,
    /// The most of them that there may be.
    most_parts: u64,
}

impl Resolver<'_> {
    fn world(&self, id: WorldId) -> Result<World, BuildError> {
        let world = &self.resolve.worlds[id];
        let name = match world.package {
            Some(package) => self.resolve.id_of_name(package, &world.name),
            None => world.name.clone(),
        };
        let imports = self.interfaces(id, world.imports.iter())?;
        let (built_in, imports) = imports
            .into_iter()
            .partition(|interface| is_built_in(&interface.name));
        let world = World {
            name,
            imports,
            built_in,
            exports: self.interfaces(id, world.exports.iter())?,
            types: self.named_types(id),
        };
        self.check_types(&world)?;
        self.check_built_in(&world)?;
        Ok(world)
    }

    /// The types that the world's interfaces name, with Miden's own. Those that cannot be expressed are left
    /// out: nobody may need them.
    fn named_types(&self, id: WorldId) -> Vec<NamedType> {
        let world = &self.resolve.worlds[id];
        let of_interface = |id: InterfaceId, name: InterfaceName| {
            let types = self.resolve.interfaces[id].types.iter();
            types.map(move |(own, id)| (name.clone(), own.clone(), *id))
        };
        let core_types = self.resolve.interfaces.iter().filter(|(_, interface)| {
            let package = interface.package.map(|id| &self.resolve.packages[id].name);
            interface.name.as_deref() == Some("core-types")
                && package.is_some_and(|name| name.namespace == "miden" && name.name == "cvm")
        });
        let mut found: Vec<(InterfaceName, String, TypeId)> = core_types
            .flat_map(|(id, _)| of_interface(id, self.interface_name(id)))
            .collect();
        for (key, item) in world.imports.iter().chain(&world.exports) {
            match (item, key) {
                (WorldItem::Interface { id, .. }, WorldKey::Name(name)) => {
                    found.extend(of_interface(*id, InterfaceName::Plain(name.clone())));
                }
                (WorldItem::Interface { id, .. }, WorldKey::Interface(_)) => {
                    found.extend(of_interface(*id, self.interface_name(*id)));
                }
                (WorldItem::Type { id, .. }, WorldKey::Name(name)) => {
                    found.push((InterfaceName::World, name.clone(), *id));
                }
                _ => {}
            }
        }
        let types = found.into_iter().filter_map(|(interface, name, id)| {
            self.parts.set(0);
            let ty = self.defined(id, self.resolve.types[id].span).ok()?;
            Some(NamedType {
                interface,
                name,
                ty,
            })
        });
        types.collect()
    }

    /// Checks that the functions of built-in interfaces are there.
    fn check_built_in(&self, world: &World) -> Result<(), BuildError> {
        for interface in &world.built_in {
            let mut functions = interface.functions.iter();
            if let Some(unknown) = functions.find(|f| code(&interface.name, f).is_none()) {
                let problem = Problem::Wit(format!(
                    "`{}` has no function `{unknown}`",
                    interface.name.without_version()
                ));
                return Err(BuildError::in_file(self.sources.whole(), problem));
            }
        }
        Ok(())
    }

    /// Checks that every handle is of a type that is where [`World::exports_type`] says.
    fn check_types(&self, world: &World) -> Result<(), BuildError> {
        let is_imported = |resource: &ResourceName| {
            let interface = world.import(&resource.interface);
            interface.is_some_and(|interface| interface.resources.contains(&resource.name))
        };
        let imported = world.imports.iter().map(|interface| (interface, false));
        let exported = world.exports.iter().map(|interface| (interface, true));
        for (interface, is_export) in imported.chain(exported) {
            for function in &interface.functions {
                let unknown = function.handles().into_iter().find(|resource| {
                    !(is_export && world.exports_type(&interface.name, resource)
                        || is_imported(resource))
                });
                if let Some(resource) = unknown {
                    let problem = Problem::Wit(format!(
                        "`{}` has handles of `{resource}`, which the world does not have there",
                        function.name
                    ));
                    return Err(BuildError::in_file(self.sources.whole(), problem));
                }
            }
        }
        Ok(())
    }

    fn interfaces<'i>(
        &self,
        world: WorldId,
        items: impl Iterator<Item = (&'i WorldKey, &'i WorldItem)>,
    ) -> Result<Vec<Interface>, BuildError> {
        let mut own = Interface {
            name: InterfaceName::World,
            docs: self.resolve.worlds[world]
                .docs
                .contents
                .clone()
                .unwrap_or_default(),
            functions: Vec::new(),
            resources: Vec::new(),
            location: self.location(self.resolve.worlds[world].span),
        };
        let mut interfaces = Vec::new();
        let mut names = Vec::new();
        for (key, item) in items {
            let span = match item {
                WorldItem::Interface { id, span, .. } => {
                    self.known(self.resolve.interfaces[*id].span, *span)
                }
                WorldItem::Function(function) => function.span,
                WorldItem::Type { id, .. } => self.resolve.types[*id].span,
            };
            names.push((self.resolve.name_world_key(key), span));
            match item {
                WorldItem::Interface { id, docs, span, .. } => {
                    let interface = &self.resolve.interfaces[*id];
                    let docs = [&docs.contents, &interface.docs.contents];
                    let marked = self.marker(docs, *span)?;
                    let name = match key {
                        WorldKey::Name(name) => InterfaceName::Plain(name.clone()),
                        WorldKey::Interface(id) => self.interface_name(*id),
                    };
                    let named = interface.functions.values();
                    self.check_names(named.map(|function| (&function.name, function.span)))?;
                    let types = interface.types.iter();
                    self.check_names(types.map(|(name, id)| (name, self.resolve.types[*id].span)))?;
                    let functions = interface
                        .functions
                        .values()
                        .map(|function| self.function(function, marked))
                        .collect::<Result<Vec<_>, _>>()?;
                    let types = interface.types.iter();
                    let resources: Vec<String> = types
                        .filter(|(_, id)| {
                            matches!(self.resolve.types[**id].kind, TypeDefKind::Resource)
                        })
                        .map(|(name, _)| name.clone())
                        .collect();
                    // Those with types alone ask nothing of anybody.
                    if functions.is_empty() && resources.is_empty() {
                        continue;
                    }
                    let span = if interface.span.is_known() {
                        interface.span
                    } else {
                        *span
                    };
                    interfaces.push(Interface {
                        name,
                        docs: interface.docs.contents.clone().unwrap_or_default(),
                        functions,
                        resources,
                        location: self.location(span),
                    });
                }
                WorldItem::Function(function) => {
                    own.functions.push(self.function(function, None)?);
                }
                WorldItem::Type { id, .. } => {
                    let ty = &self.resolve.types[*id];
                    if let (TypeDefKind::Resource, Some(name)) = (&ty.kind, &ty.name) {
                        own.resources.push(name.clone());
                    }
                }
            }
        }
        self.check_names(names.iter().map(|(name, span)| (name, *span)))?;
        if !own.functions.is_empty() || !own.resources.is_empty() {
            interfaces.push(own);
        }
        Ok(interfaces)
    }

    /// Checks that names which stand side by side are different in more than their case, as the Component
    /// Model asks.
    fn check_names<'n>(
        &self,
        names: impl Iterator<Item = (&'n String, Span)>,
    ) -> Result<(), BuildError> {
        let mut found: BTreeMap<String, &String> = BTreeMap::new();
        for (name, span) in names {
            if let Some(first) = found.insert(name.to_ascii_lowercase(), name) {
                let problem = Problem::Wit(format!(
                    "`{first}` and `{name}` are different in nothing but case"
                ));
                return Err(at(self.sources, &self.resolve.source_map, span, problem));
            }
        }
        Ok(())
    }

    fn interface_name(&self, id: InterfaceId) -> InterfaceName {
        if let Some(name) = self.inline.get(&id) {
            return InterfaceName::Plain(name.clone());
        }
        let interface = &self.resolve.interfaces[id];
        let name = interface.name.clone().unwrap_or_default();
        match interface.package {
            Some(package) => {
                let package = &self.resolve.packages[package].name;
                InterfaceName::Package {
                    namespace: package.namespace.clone(),
                    package: package.name.clone(),
                    interface: name,
                    version: package.version.clone(),
                }
            }
            None => InterfaceName::Plain(name),
        }
    }

    fn function(
        &self,
        function: &wit_parser::Function,
        marked: Option<LinkKind>,
    ) -> Result<Function, BuildError> {
        self.parts.set(0);
        if function.kind.is_async() {
            return Err(self.unsupported(function.span, "an `async` function"));
        }
        let params = function
            .params
            .iter()
            .map(|param| {
                Ok(Field {
                    name: param.name.clone(),
                    ty: self.ty(&param.ty, self.known(param.span, function.span))?,
                })
            })
            .collect::<Result<Vec<_>, BuildError>>()?;
        let result = function
            .result
            .as_ref()
            .map(|ty| self.ty(ty, function.span))
            .transpose()?;
        let resource = function.kind.resource().map(|id| self.resource(id).name);
        let method = match (&function.kind, resource) {
            (FunctionKind::Constructor(_), Some(name)) => Some(Method::Constructor(name)),
            (FunctionKind::Method(_), Some(name)) => Some(Method::Method(name)),
            (FunctionKind::Static(_), Some(name)) => Some(Method::Static(name)),
            _ => None,
        };
        let own = self.marker([&function.docs.contents], function.span)?;
        let kind = own.or(marked).unwrap_or(LinkKind::Shared);
        let mut types = params.iter().map(|param| &param.ty).chain(&result);
        if kind == LinkKind::Isolated && types.any(Type::has_handles) {
            return Err(self.unsupported(function.span, ISOLATED_HANDLES));
        }
        Ok(Function {
            name: function.name.clone(),
            docs: function.docs.contents.clone().unwrap_or_default(),
            kind,
            params,
            result,
            method,
            location: self.location(function.span),
        })
    }

    /// Returns the kind of calls that doc comments state.
    fn marker<const N: usize>(
        &self,
        docs: [&Option<String>; N],
        span: Span,
    ) -> Result<Option<LinkKind>, BuildError> {
        let lines = || docs.into_iter().flatten().flat_map(|docs| docs.lines());
        let mut found = MARKERS
            .into_iter()
            .filter(|(marker, _)| lines().any(|line| line.trim() == *marker));
        match (found.next(), found.next()) {
            (_, Some(_)) => Err(self.unsupported(span, TWO_KINDS)),
            (found, None) => Ok(found.map(|(_, kind)| kind)),
        }
    }

    /// Counts parts of types.
    fn count(&self, parts: usize, span: Span) -> Result<(), BuildError> {
        self.parts.set(self.parts.get() + parts);
        self.all_parts.set(self.all_parts.get() + parts as u64);
        let problem = if self.parts.get() > MAX_TYPE_PARTS {
            Problem::WitTypeSize(MAX_TYPE_PARTS)
        } else if self.all_parts.get() > self.most_parts {
            Problem::Limit {
                limit: LimitName::TypeParts,
                what: "the world",
                allowed: self.most_parts,
            }
        } else {
            return Ok(());
        };
        Err(at(self.sources, &self.resolve.source_map, span, problem))
    }

    fn ty(&self, ty: &wit_parser::Type, span: Span) -> Result<Type, BuildError> {
        self.count(1, span)?;
        Ok(match ty {
            wit_parser::Type::Bool => Type::Bool,
            wit_parser::Type::U8 => Type::U8,
            wit_parser::Type::U16 => Type::U16,
            wit_parser::Type::U32 => Type::U32,
            wit_parser::Type::U64 => Type::U64,
            wit_parser::Type::S8 => Type::S8,
            wit_parser::Type::S16 => Type::S16,
            wit_parser::Type::S32 => Type::S32,
            wit_parser::Type::S64 => Type::S64,
            wit_parser::Type::Char => Type::Char,
            wit_parser::Type::String => Type::String,
            wit_parser::Type::F32 => return Err(self.unsupported(span, "`f32`")),
            wit_parser::Type::F64 => return Err(self.unsupported(span, "`f64`")),
            wit_parser::Type::ErrorContext => {
                return Err(self.unsupported(span, "`error-context`"));
            }
            wit_parser::Type::Id(id) => return self.defined(*id, span),
        })
    }

    fn defined(&self, id: TypeId, span: Span) -> Result<Type, BuildError> {
        let definition = &self.resolve.types[id];
        let span = self.known(definition.span, span);
        let boxed = |ty: &wit_parser::Type| self.ty(ty, span).map(Arc::new);
        if self.is_felt(id) {
            return Ok(Type::Felt);
        }
        Ok(match &definition.kind {
            TypeDefKind::Type(ty) => return self.ty(ty, span),
            // Without parts they would take no room, and a list of them could have any length.
            TypeDefKind::Record(record) if record.fields.is_empty() => {
                return Err(self.unsupported(span, "a record without fields"));
            }
            TypeDefKind::Tuple(tuple) if tuple.types.is_empty() => {
                return Err(self.unsupported(span, "a tuple without types"));
            }
            TypeDefKind::Flags(flags) if flags.flags.is_empty() => {
                return Err(self.unsupported(span, "`flags` without labels"));
            }
            TypeDefKind::Record(record) => Type::Record(
                record
                    .fields
                    .iter()
                    .map(|field| {
                        Ok(Field {
                            name: field.name.clone(),
                            ty: self.ty(&field.ty, self.known(field.span, span))?,
                        })
                    })
                    .collect::<Result<_, BuildError>>()?,
            ),
            TypeDefKind::Variant(variant) => Type::Variant(
                variant
                    .cases
                    .iter()
                    .map(|case| {
                        let span = self.known(case.span, span);
                        self.count(1, span)?;
                        Ok(Case {
                            name: case.name.clone(),
                            ty: case.ty.as_ref().map(|ty| self.ty(ty, span)).transpose()?,
                        })
                    })
                    .collect::<Result<_, BuildError>>()?,
            ),
            TypeDefKind::Tuple(tuple) => Type::Tuple(
                tuple
                    .types
                    .iter()
                    .map(|ty| self.ty(ty, span))
                    .collect::<Result<_, _>>()?,
            ),
            TypeDefKind::Enum(cases) => {
                self.count(cases.cases.len(), span)?;
                Type::Enum(cases.cases.iter().map(|case| case.name.clone()).collect())
            }
            TypeDefKind::Flags(flags) if flags.flags.len() > MAX_FLAGS => {
                return Err(self.unsupported(span, "`flags` with more than 32 labels"));
            }
            TypeDefKind::Flags(flags) => {
                self.count(flags.flags.len(), span)?;
                Type::Flags(flags.flags.iter().map(|flag| flag.name.clone()).collect())
            }
            TypeDefKind::Option(ty) => Type::Option(boxed(ty)?),
            TypeDefKind::List(ty) => Type::List(boxed(ty)?),
            TypeDefKind::Result(result) => Type::Result {
                ok: result.ok.as_ref().map(boxed).transpose()?,
                err: result.err.as_ref().map(boxed).transpose()?,
            },
            TypeDefKind::Handle(Handle::Own(id)) => Type::Own(self.resource(*id)),
            TypeDefKind::Handle(Handle::Borrow(id)) => Type::Borrow(self.resource(*id)),
            // The type itself stands for an owned one.
            TypeDefKind::Resource => Type::Own(self.resource(id)),
            TypeDefKind::Future(_) => return Err(self.unsupported(span, "`future`")),
            TypeDefKind::Stream(_) => return Err(self.unsupported(span, "`stream`")),
            TypeDefKind::Map(..) => return Err(self.unsupported(span, "`map`")),
            TypeDefKind::FixedLengthList(..) => {
                return Err(self.unsupported(span, "a list of fixed length"));
            }
            TypeDefKind::Unknown => return Err(self.unsupported(span, "an unknown type")),
        })
    }

    /// Returns `true` if a type is Miden's field element. WIT has none, so it is known by its name;
    /// what it is there (a record of an integer, or of an `f32` with the Miden compiler) is of no
    /// matter.
    fn is_felt(&self, id: TypeId) -> bool {
        let definition = &self.resolve.types[id];
        let TypeOwner::Interface(interface) = definition.owner else {
            return false;
        };
        matches!(definition.kind, TypeDefKind::Record(_))
            && definition.name.as_deref() == Some("felt")
            && matches!(
                self.interface_name(interface),
                InterfaceName::Package { namespace, package, interface, .. }
                    if namespace == "miden"
                        && interface == "core-types"
                        && (package == "cvm" || package == "base")
            )
    }

    /// The resource type behind a name and its aliases.
    fn resource(&self, id: TypeId) -> ResourceName {
        let definition = &self.resolve.types[id];
        if let TypeDefKind::Type(wit_parser::Type::Id(id)) = definition.kind {
            return self.resource(id);
        }
        ResourceName {
            interface: match definition.owner {
                TypeOwner::Interface(id) => self.interface_name(id),
                TypeOwner::World(_) | TypeOwner::None => InterfaceName::World,
            },
            name: definition.name.clone().unwrap_or_default(),
        }
    }

    fn unsupported(&self, span: Span, what: &'static str) -> BuildError {
        let problem = Problem::WitUnsupported(what);
        at(self.sources, &self.resolve.source_map, span, problem)
    }

    fn known(&self, span: Span, otherwise: Span) -> Span {
        if span.is_known() { span } else { otherwise }
    }

    fn location(&self, span: Span) -> String {
        let place = self.resolve.source_map.resolve_span(span);
        let place = place.and_then(|place| Some((self.lines.get(place.path)?, place)));
        match place {
            Some((lines, place)) => {
                let file = self.sources.location(place.path);
                format!("{}:{}", file.display(), lines.line(place.range.start))
            }
            None => self.sources.whole().display().to_string(),
        }
    }
}
