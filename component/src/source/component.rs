//! A component: assembled code, what it offers, what it needs and the data it starts with.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    path::{Path, PathBuf},
    sync::Arc,
};

use miden_assembly::{Library, ast::Module};
use miden_core::{
    Word,
    mast::{MastForest, MastNodeExt, MastNodeId},
};
use miden_cvm_air::{composition::LinkKind, memory_io::MemoryLayout};
use toml::Spanned;

use crate::{
    COMPONENT_FILE,
    assembly::{Assembled, SourceText, SourceWarning, declared_procedures, toolchain::Toolchain},
    bindings::{
        BINDINGS_MODULE, Bindings, BindingsModule, Implementation,
        inline::{inline, join_exports},
        is_bindings_module,
        resources::{IntrinsicImport, RESOURCE_MODULE, ResourceImport, ResourceType},
        stubs::{STUB_MODULE, StubIdentity, stub_library},
    },
    code::{
        calls::{Calls, find_calls},
        library::{Procedures, canonical, canonical_in, compiled_init, public_procedures},
        merge::missing_messages,
    },
    error::{BuildError, Problem},
    source::{
        data::{DATA_MODULE, Segment, StaticData, memory_layout, parse_word},
        files::{Source, find_sources},
        libraries::{assembled_code, with_libraries},
        manifest::{ExportEntry, ImportEntry, Manifest},
        resources::Declared,
        wasm::{CompiledModule, WasmModule},
        workspace::Workspace,
        world::{ComponentWorld, ImportEntries, find_procedure, implementations, import_roots},
    },
    text::{
        document::Document,
        names::{check_identity, check_import_name, check_name},
    },
    wit::{FunctionName, InterfaceName, World, find::full_name},
};

/// A component, read from its folder and assembled.
#[derive(Debug, Clone)]
pub struct Component {
    /// Its name.
    pub name: String,
    /// The folder it was read from.
    pub folder: PathBuf,
    /// All code that it can reach. Exports and its own procedures that it calls are procedure roots
    /// of the forest.
    pub forest: Arc<MastForest>,
    /// Its world, if it is described by WIT.
    pub world: Option<ComponentWorld>,
    /// The procedures that others can call, by name: `interface#function` for a function of a WIT
    /// interface.
    pub exports: BTreeMap<String, Export>,
    /// The procedures that it calls and does not have, by name.
    pub imports: BTreeMap<String, Import>,
    /// The resource types that it defines, by name.
    pub resources: BTreeMap<String, ResourceType>,
    /// The resource types of other components that it has handles of, by its name for them.
    pub resource_imports: BTreeMap<String, ResourceImport>,
    /// The intrinsics that its code calls.
    pub intrinsics: Vec<IntrinsicImport>,
    /// Its own procedures that its code calls, or reaches by a declared `dyncall`.
    pub own_calls: BTreeSet<Word>,
    /// Its static data, sorted by address.
    pub segments: Vec<Segment>,
    /// The places of inputs and outputs in memory, where it is the root.
    pub memory: MemoryLayout,
    /// The names of its public procedures and of its stubs, as `module::procedure`.
    pub procedures: BTreeMap<Word, String>,
    /// Further names of its public procedures, where several are the same code.
    pub aliases: BTreeMap<Word, Vec<String>>,
    /// Imports that no code calls and no `dyncall` names.
    pub unused_imports: Vec<String>,
    /// The result for its core module, if it is compiled from WebAssembly.
    pub compiled: Option<CompiledModule>,
    /// The files, and the folders of WIT, that it was read from.
    pub files: Vec<PathBuf>,
    /// The assembler's warnings about its sources.
    pub warnings: Vec<SourceWarning>,
}

/// A procedure that other components can call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// The kind of a call to it.
    pub kind: LinkKind,
    /// Its digest.
    pub digest: Word,
    /// Its node in the component's forest.
    pub node: MastNodeId,
    /// The interface and version that it states to implement.
    pub interface: Option<(String, String)>,
    /// The function of the component's world that it is.
    pub function: Option<(InterfaceName, String)>,
}

/// A procedure of another component that this one calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The digest that calls name: the stub's, or the exact procedure's.
    pub digest: Word,
    /// The way in which it is named.
    pub key: ImportKey,
    /// The kind that the export it is wired to must have; any if `None`. Held for a shared export of
    /// an instance whose handle goes with the call.
    pub kind: Option<LinkKind>,
    /// The function of the component's world that it is.
    pub function: Option<(InterfaceName, String)>,
    /// `true` if the component's code calls it, or reaches it by a declared `dyncall`.
    pub is_called: bool,
}

/// The way in which an import names what it wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportKey {
    /// A function of an interface: any implementation will do.
    Function(StubIdentity),
    /// One exact procedure: the implementation must have the import's digest.
    Root,
}

impl Component {
    /// Reads and assembles the component in `folder`.
    ///
    /// # Errors
    /// Returns the first mistake in `component.toml`, its data files or its sources.
    pub fn load(folder: &Path, toolchain: &Toolchain) -> Result<Self, BuildError> {
        let document = Document::read(&folder.join(COMPONENT_FILE), "component file")?;
        let mut manifest: Manifest = document.parse()?;
        let name = &manifest.name;
        check_name("a component", name.get_ref()).map_err(|p| document.error_at(name, p))?;
        let workspace = Workspace::of_member(folder)?;
        let shared = workspace.as_ref();
        let world = ComponentWorld::read(&document, folder, &manifest, shared, toolchain.limits())?;
        let wit = world.as_ref().map(|world| &world.world);
        let mut types = Declared::take(&document, &mut manifest, wit)?;
        let of_world = wit.map(|world| (world, &types.world));
        let wasm = WasmModule::read(&document, folder, &manifest, of_world)?;
        if let (Some(wasm), Some(place)) = (&wasm, &manifest.wasm) {
            types.add_destructors(&document, place, wasm.destructors())?;
        }
        let toolchain = match &workspace {
            Some(workspace) => &workspace.toolchain(toolchain)?,
            None => toolchain,
        };
        let toolchain = &with_libraries(&document, folder, &manifest.libraries, toolchain)?;
        let package = assembled_code(&document, folder, &manifest, world.is_some())?;
        let named = wit.map(|world| world.types.as_slice());
        let data = StaticData::read(&document, folder, &manifest.data, named.unwrap_or_default())?;
        let constants = data.module();
        let is_taken = |module: &str| {
            let first = module.split("::").next();
            wit.is_some() && is_bindings_module(module)
                || types.has_modules() && first == Some(RESOURCE_MODULE)
                || constants.is_some() && first == Some(DATA_MODULE)
        };
        let sources = sources(&document, folder, &manifest, is_taken)?;
        let texts = read_sources(&sources)?;
        let plan = BuildPlan::new(
            &document,
            &manifest,
            wit,
            &types,
            (package.as_deref(), wasm.as_ref()),
            constants,
            known_procedures(package.as_deref(), &texts),
        )?;
        let mut segments = data.segments;
        let mut files = files_of(folder, &manifest, &sources);
        files.extend(workspace.iter().flat_map(Workspace::files));
        let AssembledComponent {
            library,
            imports: declared,
            intrinsics,
            mut warnings,
        } = assemble(
            &document,
            &plan,
            &types,
            texts,
            package.as_deref(),
            wasm.as_ref(),
            toolchain,
        )?;

        let named = public_procedures(&library);
        let mut dynamic_wasm = BTreeSet::new();
        if let (Some(wasm), Some(place)) = (&wasm, &manifest.wasm) {
            warnings.extend(wasm.line_warning(&document, place));
        }
        if let Some(wasm) = &wasm {
            segments.extend(wasm.segments(library.mast_forest(), &named));
            dynamic_wasm = wasm.dynamic(&named);
        }
        let memory = memory_layout(&document, &manifest, &segments)?;
        let exports = match &plan.bindings {
            Some(bindings) => world_exports(&document, &plan, bindings, &library, &named)?,
            None => exports(&document, &manifest, &library, &named)?,
        };
        let destructors = types.destructors(&document, &named)?;
        let mut dynamic = dynamic_targets(&document, &manifest, &named, &declared)?;
        dynamic.own.extend(dynamic_wasm);
        let imports_by_digest: BTreeMap<Word, &str> = declared
            .iter()
            .map(|(name, import)| (import.digest, name.get_ref().as_str()))
            .chain(
                intrinsics
                    .iter()
                    .map(|(stub, import)| (import.digest, stub.as_str())),
            )
            .collect();
        let roots = exports
            .values()
            .map(|export| export.node)
            .chain(destructors.values().copied())
            .chain(dynamic.own.iter().copied());
        let mut calls = find_calls(library.mast_forest(), roots, |digest| {
            imports_by_digest.get(&digest).map(|name| name.to_string())
        })
        .map_err(|problem| call_error(&document, &declared, problem))?;
        calls.own.extend(dynamic.own);
        calls.imports.extend(dynamic.imports);

        let copied = toolchain.interfaces().chain(package.as_deref());
        let copied: Vec<&MastForest> = copied.map(|copied| &**copied.mast_forest()).collect();
        let messages = missing_messages(library.mast_forest(), &copied);
        let forest = completed(library.mast_forest(), &calls.own, messages);
        let own_calls = calls.own.iter().map(|id| forest[*id].digest()).collect();
        let mut procedures: BTreeMap<Word, String> = BTreeMap::new();
        let mut aliases: BTreeMap<Word, Vec<String>> = BTreeMap::new();
        for (path, node) in &named {
            let digest = forest[*node].digest();
            match procedures.entry(digest) {
                Entry::Vacant(free) => {
                    free.insert(path.clone());
                }
                Entry::Occupied(_) => aliases.entry(digest).or_default().push(path.clone()),
            }
        }
        let mut imports = BTreeMap::new();
        let mut unused_imports = Vec::new();
        for (name, mut import) in declared {
            let stub = match &import.key {
                ImportKey::Function(identity) => format!("{STUB_MODULE}::{}", identity.name),
                ImportKey::Root => format!("{STUB_MODULE}::{name}"),
            };
            procedures.entry(import.digest).or_insert(stub);
            import.is_called = calls.imports.contains(&import.digest);
            // A world has all functions of an interface, whichever of them a component needs.
            if !import.is_called && import.function.is_none() {
                unused_imports.push(name.get_ref().clone());
            }
            imports.insert(name.into_inner(), import);
        }
        let is_called = |intrinsic: &IntrinsicImport| calls.imports.contains(&intrinsic.digest);
        for (stub, intrinsic) in &intrinsics {
            // Every component has the stub that is of no type, whether it has a use for it or not.
            if intrinsic.resource.is_some() || is_called(intrinsic) {
                let stub = format!("{STUB_MODULE}::{stub}");
                procedures.entry(intrinsic.digest).or_insert(stub);
            }
        }
        let intrinsics = intrinsics.into_values().filter(is_called).collect();
        let resources = types.own(|name| Some(forest[*destructors.get(name)?].digest()));
        Ok(Self {
            name: manifest.name.get_ref().clone(),
            folder: folder.into(),
            forest,
            world,
            exports,
            imports,
            resources,
            resource_imports: types.imported(),
            intrinsics,
            own_calls,
            segments,
            memory,
            procedures,
            aliases,
            unused_imports,
            compiled: wasm.map(WasmModule::into_summary),
            files,
            warnings,
        })
    }
}

impl Component {
    /// All names of its public procedures and stubs, by digest, each with the component's before it.
    pub fn full_names(&self) -> BTreeMap<Word, Vec<String>> {
        let mut names: BTreeMap<Word, Vec<String>> = BTreeMap::new();
        let all = self
            .procedures
            .iter()
            .map(|(digest, name)| (digest, std::slice::from_ref(name)))
            .chain(
                self.aliases
                    .iter()
                    .map(|(digest, names)| (digest, &names[..])),
            );
        for (digest, more) in all {
            let more = more.iter().map(|name| format!("{}:{name}", self.name));
            names.entry(*digest).or_default().extend(more);
        }
        names
    }
}

/// The full names of what a component imports.
pub(crate) fn imported_names(component: &Component) -> impl Iterator<Item = String> {
    let world = component.world.iter();
    let interfaces = world.flat_map(|world| &world.world.imports);
    let names = interfaces
        .filter(|interface| interface.name != InterfaceName::World)
        .map(|interface| interface.name.to_string());
    let functions = component.imports.keys();
    let types = component.resource_imports.keys();
    names.chain(functions.chain(types).cloned())
}

/// The files of a component that is described by this manifest.
fn files_of(folder: &Path, manifest: &Manifest, sources: &[Source]) -> Vec<PathBuf> {
    let data = manifest.data.iter();
    let named = data.filter_map(|entry| entry.get_ref().file.as_ref());
    let named = named
        .chain(&manifest.package)
        .chain(&manifest.wit)
        .chain(&manifest.wasm)
        .chain(&manifest.libraries);
    std::iter::once(folder.join(COMPONENT_FILE))
        .chain(sources.iter().map(|source| source.file.clone()))
        .chain(named.map(|path| folder.join(path.get_ref())))
        .collect()
}

/// The plan of an assembly: what `component.toml` and the world ask for.
struct BuildPlan<'m> {
    /// The imports; the digests of those that have stubs are filled in once these are assembled.
    imports: Imports,
    /// The bindings, if the component has a world.
    bindings: Option<Bindings>,
    /// The functions that the world exports, and where `component.toml` names their procedures.
    implementations: BTreeMap<FunctionName, (Implementation, &'m Spanned<String>)>,
    /// The procedure that gives memory for messages, if it is the component's own, and where
    /// `component.toml` names it.
    realloc: Option<(String, &'m Spanned<String>)>,
    /// The procedure that sets up an instance, if `component.toml` names one.
    init: Option<(String, &'m Spanned<String>)>,
    /// The kinds of the exported functions.
    kinds: BTreeMap<FunctionName, LinkKind>,
    /// The constants of static data, if it has labels.
    constants: Option<BindingsModule>,
    /// The procedures that code reaches by their digests, according to `component.toml`.
    dynamic: &'m [Spanned<String>],
}

impl<'m> BuildPlan<'m> {
    fn new(
        document: &Document,
        manifest: &'m Manifest,
        world: Option<&World>,
        types: &Declared,
        (package, wasm): (Option<&Library>, Option<&WasmModule>),
        constants: Option<BindingsModule>,
        known: BTreeSet<String>,
    ) -> Result<Self, BuildError> {
        let Some(world) = world else {
            if let Some(init) = &manifest.init {
                return Err(document.error_at(init, Problem::InitWithoutWorld));
            }
            return Ok(Self {
                imports: declared_imports(document, &manifest.imports.iter().collect())?,
                bindings: None,
                implementations: BTreeMap::new(),
                realloc: None,
                init: None,
                kinds: BTreeMap::new(),
                constants,
                dynamic: &manifest.dyncall,
            });
        };
        let implementations = match (wasm, &manifest.wasm) {
            (Some(wasm), Some(place)) => wasm.implementations(place),
            _ => implementations(document, manifest, world, &known)?,
        };
        let (roots, others) = import_roots(document, manifest, world)?;
        let mut imports = declared_imports(document, &others)?;
        let plain = implementations
            .iter()
            .map(|(name, (implementation, _))| (name.clone(), implementation.clone()))
            .collect();
        let named = |entry: &'m Option<Spanned<String>>| {
            let entry = entry.as_ref()?;
            let is_none = entry.get_ref().is_empty();
            (!is_none).then(|| (find_procedure(&known, entry.get_ref()), entry))
        };
        let (realloc, init) = (named(&manifest.realloc), named(&manifest.init));
        let (realloc_path, init_path) = match wasm {
            Some(wasm) => (Some(WasmModule::realloc()), wasm.init()),
            None => {
                let realloc = realloc.as_ref().map(|(path, _)| path.clone());
                (realloc, init_procedure(manifest, package))
            }
        };
        let bindings = Bindings::new(
            world,
            &types.world,
            &plain,
            realloc_path.as_deref(),
            init_path.as_deref(),
            &roots,
        );
        let place = manifest.wit.as_ref().map_or(0..0, Spanned::span);
        for (function, identity) in &bindings.stubs {
            let (digest, key) = match roots.get(function) {
                Some(digest) => (*digest, ImportKey::Root),
                None => (Word::default(), ImportKey::Function(identity.clone())),
            };
            let import = Import {
                digest,
                key,
                kind: None,
                function: Some(function.clone()),
                is_called: false,
            };
            imports.insert(Spanned::new(place.clone(), full_name(function)), import);
        }
        let kinds = world.exports.iter().flat_map(|interface| {
            interface.functions.iter().map(|function| {
                let name = (interface.name.clone(), function.name.clone());
                (name, function.kind)
            })
        });
        Ok(Self {
            imports,
            implementations,
            realloc,
            init,
            kinds: kinds.collect(),
            bindings: Some(bindings),
            constants,
            dynamic: &manifest.dyncall,
        })
    }
}

/// Imports by the names they are declared with.
type Imports = BTreeMap<Spanned<String>, Import>;

/// The imports; the digests of those that have stubs are filled in once these are assembled.
fn declared_imports(
    document: &Document,
    entries: &ImportEntries<'_>,
) -> Result<Imports, BuildError> {
    let mut imports: Imports = BTreeMap::new();
    for (name, entry) in entries {
        check_import_name(name.get_ref()).map_err(|p| document.error_at(name, p))?;
        let import = match &entry.root {
            Some(root) => {
                let form = [&entry.interface, &entry.function, &entry.version];
                if form.iter().any(|part| part.is_some()) {
                    let problem = Problem::ImportForm(name.get_ref().clone());
                    return Err(document.error_at(name, problem));
                }
                let digest = parse_word(root.get_ref()).map_err(|p| document.error_at(root, p))?;
                if let Some((first, _)) = imports.iter().find(|(_, other)| other.digest == digest) {
                    let problem = Problem::DuplicateImport {
                        first: first.get_ref().clone(),
                        second: name.get_ref().clone(),
                    };
                    return Err(document.error_at(root, problem));
                }
                Import {
                    digest,
                    key: ImportKey::Root,
                    kind: entry.kind,
                    function: None,
                    is_called: false,
                }
            }
            None => {
                let identity = stub_identity(document, name, entry)?;
                Import {
                    digest: Word::default(),
                    key: ImportKey::Function(identity),
                    kind: entry.kind,
                    function: None,
                    is_called: false,
                }
            }
        };
        imports.insert((*name).clone(), import);
    }
    Ok(imports)
}

fn stub_identity(
    document: &Document,
    name: &Spanned<String>,
    entry: &ImportEntry,
) -> Result<StubIdentity, BuildError> {
    let (Some(interface), Some(function)) = (&entry.interface, &entry.function) else {
        let problem = Problem::ImportForm(name.get_ref().clone());
        return Err(document.error_at(name, problem));
    };
    let text = |what, text: &Spanned<String>| -> Result<String, BuildError> {
        check_identity(what, text.get_ref()).map_err(|p| document.error_at(text, p))?;
        Ok(text.get_ref().clone())
    };
    Ok(StubIdentity {
        name: name.get_ref().clone(),
        interface: text("interface", interface)?,
        version: entry
            .version
            .as_ref()
            .map_or(Ok(String::new()), |v| text("version", v))?,
        function: text("function", function)?,
    })
}

pub(super) fn sources(
    document: &Document,
    folder: &Path,
    manifest: &Manifest,
    is_taken: impl Fn(&str) -> bool,
) -> Result<Vec<Source>, BuildError> {
    let Some(entries) = &manifest.sources else {
        return match (&manifest.package, &manifest.wasm) {
            (Some(_), _) | (_, Some(_)) => Ok(Vec::new()),
            (None, None) => Err(BuildError::in_file(document.path(), Problem::NoSources)),
        };
    };
    if entries.get_ref().is_empty() {
        return Err(document.error_at(entries, Problem::NoSources));
    }
    let mut found: Vec<Source> = Vec::new();
    for entry in entries.get_ref() {
        let more =
            find_sources(folder, entry.get_ref()).map_err(|p| document.error_at(entry, p))?;
        for source in more {
            if is_taken(&source.module) {
                return Err(document.error_at(entry, Problem::ReservedModule(source.module)));
            }
            if found.iter().any(|other| other.module == source.module) {
                return Err(document.error_at(entry, Problem::DuplicateModule(source.module)));
            }
            found.push(source);
        }
    }
    Ok(found)
}

/// The texts of sources.
pub(super) fn read_sources(sources: &[Source]) -> Result<Vec<SourceText>, BuildError> {
    let texts = sources
        .iter()
        .map(|source| SourceText::read(&source.file, &source.module));
    Ok(texts.collect::<Result<_, _>>()?)
}

/// The public procedures of a component's package and sources.
pub(super) fn known_procedures(
    package: Option<&Library>,
    texts: &[SourceText],
) -> BTreeSet<String> {
    let packaged = package.map(public_procedures).unwrap_or_default();
    let mut known = declared_procedures(texts);
    known.extend(packaged.into_keys());
    known
}

/// The result of assembling the sources of a component, its bindings and stubs.
struct AssembledComponent {
    library: Library,
    imports: Imports,
    /// By the names of their stubs.
    intrinsics: BTreeMap<String, IntrinsicImport>,
    warnings: Vec<SourceWarning>,
}

/// Assembles the sources against the stubs; the imports come back with the digests of theirs, and
/// the intrinsics by their names.
fn assemble(
    document: &Document,
    plan: &BuildPlan<'_>,
    types: &Declared,
    texts: Vec<SourceText>,
    package: Option<&Library>,
    wasm: Option<&WasmModule>,
    toolchain: &Toolchain,
) -> Result<AssembledComponent, BuildError> {
    let imports = &plan.imports;
    let whole = |problem| BuildError::in_file(document.path(), problem);
    let of_types = types.stubs();
    let identities: Vec<StubIdentity> = imports
        .values()
        .filter_map(|import| match &import.key {
            ImportKey::Function(identity) => Some(identity.clone()),
            ImportKey::Root => None,
        })
        .chain(of_types.iter().map(|stub| stub.identity.clone()))
        .collect();
    let mut assembly = toolchain.assembly();
    let stubs = stub_library(&identities, &toolchain.assembly_alone()).map_err(whole)?;
    let mut resolved = imports.clone();
    let mut intrinsics = BTreeMap::new();
    if let Some(stubs) = &stubs {
        let digests = public_procedures(stubs);
        for import in resolved.values_mut() {
            if let ImportKey::Function(identity) = &import.key
                && let Some(node) = digests.get(&format!("{STUB_MODULE}::{}", identity.name))
            {
                import.digest = stubs.mast_forest()[*node].digest();
            }
        }
        for stub in of_types {
            let name = stub.identity.name;
            if let Some(node) = digests.get(&format!("{STUB_MODULE}::{name}")) {
                let import = IntrinsicImport {
                    digest: stubs.mast_forest()[*node].digest(),
                    intrinsic: stub.intrinsic,
                    resource: stub.resource,
                    is_imported: stub.is_imported,
                };
                intrinsics.insert(name, import);
            }
        }
        assembly = assembly.with_dynamic_library(stubs);
    }
    if let Some(package) = package {
        assembly = assembly.with_static_library(package);
    }
    let mut parsed = assembly.parse_library(texts)?;
    let compiled = wasm.into_iter().flat_map(|wasm| &wasm.modules);
    let compiled = compiled.map(|compiled| SourceText {
        file: document.path().with_file_name(compiled.file()),
        module: compiled.path.clone(),
        text: compiled.text.clone(),
    });
    let mut compiled = assembly.parse_library(compiled.collect())?;
    if let Some(wasm) = wasm {
        wasm.locate(compiled.modules_mut(), &toolchain.source_manager());
    }
    parsed.append(compiled);
    check_implementations(document, plan, parsed.modules(), package)?;
    let bindings = plan.bindings.iter().flat_map(|bindings| &bindings.modules);
    let generated = bindings.chain(&plan.constants).cloned();
    let generated = generated.chain(types.modules());
    let generated = generated.map(|generated| SourceText {
        // Where `component bindings` writes it.
        file: document
            .path()
            .with_file_name(BINDINGS_MODULE)
            .join(generated.file()),
        module: generated.path,
        text: generated.text,
    });
    parsed.append(assembly.parse_library(generated.collect())?);
    inline(parsed.modules_mut());
    let named = plan.dynamic.iter().map(|entry| entry.get_ref().as_str());
    let mut uses = parsed.uses();
    for path in named.chain(types.destructor_paths()) {
        *uses.entry(canonical(path)).or_default() += 1;
    }
    join_exports(parsed.modules_mut(), &uses);
    let Assembled { code, warnings } = assembly.parsed_library(parsed)?;
    Ok(AssembledComponent {
        library: code,
        imports: resolved,
        intrinsics,
        warnings,
    })
}

/// Looks for the procedures that bindings execute, before the assembler does: it would report a mistake
/// in the bindings.
fn check_implementations(
    document: &Document,
    plan: &BuildPlan<'_>,
    modules: &[Box<Module>],
    package: Option<&Library>,
) -> Result<(), BuildError> {
    let packaged = package.map(public_procedures).unwrap_or_default();
    let own = modules.iter().flat_map(|module| {
        let items = module.items().iter();
        let public = items.filter(|item| item.visibility().is_public());
        public.map(|item| canonical_in(module.path().as_str(), item.name().as_str()))
    });
    let known: BTreeSet<String> = own.chain(packaged.into_keys()).collect();
    for (function, (implementation, place)) in &plan.implementations {
        if !known.contains(&implementation.procedure) {
            let problem = Problem::ExportWithoutProcedure {
                export: full_name(function),
                candidates: candidates(&implementation.procedure, &known),
                procedure: implementation.procedure.clone(),
            };
            return Err(document.error_at(place, problem));
        }
    }
    for (key, named) in [("realloc", &plan.realloc), ("init", &plan.init)] {
        if let Some((path, place)) = named
            && !known.contains(path)
        {
            let problem = Problem::NoProcedure {
                key,
                candidates: candidates(path, &known),
                procedure: path.clone(),
            };
            return Err(document.error_at(place, problem));
        }
    }
    Ok(())
}

/// The most procedures that an error names.
const MAX_CANDIDATES: usize = 16;

/// The procedures that could have been meant by a path: those with its name first, then those of its
/// module.
fn candidates<'k>(path: &str, known: impl IntoIterator<Item = &'k String>) -> Vec<String> {
    let plain = |path: &str| path.replace('"', "").replace('-', "_");
    let parts = |path: &str| match plain(path).rsplit_once("::") {
        Some((module, name)) => (module.to_owned(), name.to_owned()),
        None => (String::new(), plain(path)),
    };
    let (module, name) = parts(path);
    let mut known: Vec<String> = known.into_iter().cloned().collect();
    known.sort_by_key(|other| {
        let (other_module, other_name) = parts(other);
        (other_name != name, other_module != module)
    });
    known.truncate(MAX_CANDIDATES);
    known
}

/// The procedure that sets up an instance: the one that `component.toml` names, or else that of the
/// component's package.
pub(crate) fn init_procedure(manifest: &Manifest, package: Option<&Library>) -> Option<String> {
    match &manifest.init {
        Some(named) if named.get_ref().is_empty() => None,
        Some(named) => {
            let packaged = package.map(public_procedures).unwrap_or_default();
            Some(find_procedure(packaged.keys(), named.get_ref()))
        }
        None => compiled_init(package?),
    }
}

/// The exports of a component with a world: the procedures that its bindings have for them.
fn world_exports(
    document: &Document,
    plan: &BuildPlan<'_>,
    bindings: &Bindings,
    library: &Library,
    procedures: &Procedures,
) -> Result<BTreeMap<String, Export>, BuildError> {
    let mut exports = BTreeMap::new();
    for (function, procedure) in &bindings.exports {
        let name = full_name(function);
        let Some(&node) = procedures.get(procedure) else {
            let problem = Problem::ExportWithoutProcedure {
                export: name,
                procedure: procedure.clone(),
                candidates: Vec::new(),
            };
            return Err(BuildError::in_file(document.path(), problem));
        };
        let (interface, _) = function;
        let export = Export {
            kind: plan
                .kinds
                .get(function)
                .copied()
                .unwrap_or(LinkKind::Shared),
            digest: library.mast_forest()[node].digest(),
            node,
            interface: Some(interface.identity()),
            function: Some(function.clone()),
        };
        exports.insert(name, export);
    }
    Ok(exports)
}

fn exports(
    document: &Document,
    manifest: &Manifest,
    library: &Library,
    procedures: &Procedures,
) -> Result<BTreeMap<String, Export>, BuildError> {
    let mut exports = BTreeMap::new();
    for (name, entry) in &manifest.exports {
        check_name("an export", name.get_ref()).map_err(|p| document.error_at(name, p))?;
        let (Some(procedure), None, false) = (&entry.procedure, &entry.module, entry.raw) else {
            return Err(document.error_at(name, Problem::ExportForm(name.get_ref().clone())));
        };
        let path = find_procedure(procedures.keys(), procedure.get_ref());
        let Some(&node) = procedures.get(&path) else {
            let problem = Problem::ExportWithoutProcedure {
                export: name.get_ref().clone(),
                candidates: candidates(&path, procedures.keys()),
                procedure: procedure.get_ref().clone(),
            };
            return Err(document.error_at(procedure, problem));
        };
        if entry.kind == Some(LinkKind::Held) {
            return Err(document.error_at(name, Problem::HeldExport(name.get_ref().clone())));
        }
        let export = Export {
            kind: entry.kind.unwrap_or(LinkKind::Shared),
            digest: library.mast_forest()[node].digest(),
            node,
            interface: export_interface(document, name, entry)?,
            function: None,
        };
        exports.insert(name.get_ref().clone(), export);
    }
    Ok(exports)
}

fn export_interface(
    document: &Document,
    name: &Spanned<String>,
    entry: &ExportEntry,
) -> Result<Option<(String, String)>, BuildError> {
    let version = entry.version.as_ref();
    match (&entry.interface, version) {
        (None, None) => Ok(None),
        (None, Some(version)) => {
            let problem = Problem::VersionAlone(name.get_ref().clone());
            Err(document.error_at(version, problem))
        }
        (Some(interface), _) => {
            let version = version
                .map(|version| version.get_ref().clone())
                .unwrap_or_default();
            Ok(Some((interface.get_ref().clone(), version)))
        }
    }
}

/// Returns the procedures that the entries of `dyncall` name.
fn dynamic_targets(
    document: &Document,
    manifest: &Manifest,
    procedures: &Procedures,
    imports: &Imports,
) -> Result<Calls, BuildError> {
    let mut targets = Calls::default();
    for entry in &manifest.dyncall {
        let name = entry.get_ref();
        let import = name
            .strip_prefix(STUB_MODULE)
            .and_then(|name| name.strip_prefix("::"))
            .and_then(|name| imports.get(name));
        match (
            import,
            procedures.get(&find_procedure(procedures.keys(), name)),
        ) {
            (Some(import), _) => {
                targets.imports.insert(import.digest);
            }
            (None, Some(node)) => {
                targets.own.insert(*node);
            }
            (None, None) => {
                let problem = Problem::DyncallWithoutProcedure(name.clone());
                let stubs = imports.keys();
                let stubs = stubs.map(|import| format!("{STUB_MODULE}::{}", import.get_ref()));
                let known = procedures.keys().cloned().chain(stubs);
                return Err(document.error_at(entry, problem).with_similar(name, known));
            }
        }
    }
    Ok(targets)
}

/// Places a problem with the component's calls at the import that it names, if it names one.
fn call_error(document: &Document, imports: &Imports, problem: Problem) -> BuildError {
    if let Problem::ExecutedImport(import) = &problem
        && let Some((name, _)) = imports.get_key_value(import.as_str())
    {
        return document.error(name.span(), problem);
    }
    BuildError::in_file(document.path(), problem)
}

/// The forest with `called` among its procedure roots, so that a link can enter them, and with these messages
/// of assertions.
fn completed(
    forest: &Arc<MastForest>,
    called: &BTreeSet<MastNodeId>,
    messages: Vec<Arc<str>>,
) -> Arc<MastForest> {
    if messages.is_empty() && called.iter().all(|id| forest.is_procedure_root(*id)) {
        return forest.clone();
    }
    let mut forest = MastForest::clone(forest);
    for id in called {
        forest.make_root(*id);
    }
    for message in messages {
        forest.register_error(message);
    }
    Arc::new(forest)
}
