//! A component: assembled code, what it offers, what it needs and the data it starts with.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use miden_assembly::{Library, library::LibraryExport};
use miden_core::{
    Felt, Word,
    mast::{MastForest, MastNodeExt, MastNodeId},
};
use miden_cvm_air::composition::LinkKind;
use toml::Spanned;

use crate::{
    COMPONENT_FILE,
    calls::{Calls, find_calls},
    data::{parse_word, read_segments},
    document::Document,
    error::{BuildError, Problem},
    manifest::{ExportEntry, ImportEntry, Manifest},
    names::{check_identity, check_import_name, check_name},
    sources::{Source, find_sources},
    stubs::{STUB_MODULE, StubIdentity, stub_library},
    toolchain::{Toolchain, render},
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
    /// What others can call, by name.
    pub exports: BTreeMap<String, Export>,
    /// What it calls and does not have, by name.
    pub imports: BTreeMap<String, Import>,
    /// Its own procedures that its code calls, or reaches by a declared `dyncall`.
    pub own_calls: BTreeSet<Word>,
    /// Its static data, sorted by address.
    pub segments: Vec<Segment>,
    /// The names of its public procedures and of its stubs, as `module::procedure`.
    pub procedures: BTreeMap<Word, String>,
    /// Imports that no code calls and no `dyncall` names.
    pub unused_imports: Vec<String>,
}

/// A procedure that other components can call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// What a call to it does.
    pub kind: LinkKind,
    /// Its digest.
    pub digest: Word,
    /// Its node in the component's forest.
    pub node: MastNodeId,
    /// The interface and version that it states to implement.
    pub interface: Option<(String, String)>,
}

/// A procedure of another component that this one calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The digest that calls name: the stub's, or the exact procedure's.
    pub digest: Word,
    /// How it is named.
    pub key: ImportKey,
    /// The kind that the export it is wired to must have; either if `None`.
    pub kind: Option<LinkKind>,
}

/// How an import names what it wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportKey {
    /// A function of an interface: any implementation will do.
    Function(StubIdentity),
    /// One exact procedure: the implementation must have the import's digest.
    Root,
}

/// Static data of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// First address, in elements; a multiple of 4.
    pub address: u32,
    /// The data, padded with zeros to a multiple of 8 elements.
    pub elements: Arc<[Felt]>,
    /// RPO hash of the elements.
    pub commitment: Word,
}

impl Component {
    /// Reads and assembles the component in `folder`.
    ///
    /// # Errors
    /// Returns the first mistake in `component.toml`, its data files or its sources.
    pub fn load(folder: &Path, toolchain: &Toolchain) -> Result<Self, BuildError> {
        let document = Document::read(&folder.join(COMPONENT_FILE), "component file")?;
        let manifest: Manifest = document.parse()?;
        let name = &manifest.name;
        check_name("a component", name.get_ref()).map_err(|p| document.error_at(name, p))?;
        let declared = declared_imports(&document, &manifest)?;
        let segments = read_segments(&document, folder, &manifest.data)?;
        let sources = sources(&document, folder, &manifest)?;
        let (library, declared) = assemble(&document, &declared, &sources, toolchain)?;

        let named = public_procedures(&library);
        let exports = exports(&document, &manifest, &library, &named)?;
        let dynamic = dynamic_targets(&document, &manifest, &named, &declared)?;
        let imports_by_digest: BTreeMap<Word, &str> = declared
            .iter()
            .map(|(name, import)| (import.digest, name.get_ref().as_str()))
            .collect();
        let roots = exports
            .values()
            .map(|export| export.node)
            .chain(dynamic.own.iter().copied());
        let mut calls = find_calls(library.mast_forest(), roots, |digest| {
            imports_by_digest.get(&digest).map(|name| name.to_string())
        })
        .map_err(|problem| call_error(&document, &declared, problem))?;
        calls.own.extend(dynamic.own);
        calls.imports.extend(dynamic.imports);

        let forest = with_roots(library.mast_forest(), &calls.own);
        let own_calls = calls.own.iter().map(|id| forest[*id].digest()).collect();
        let mut procedures: BTreeMap<Word, String> = BTreeMap::new();
        for (path, node) in &named {
            procedures
                .entry(forest[*node].digest())
                .or_insert_with(|| path.clone());
        }
        let mut unused_imports = Vec::new();
        for (name, import) in &declared {
            let stub = format!("{STUB_MODULE}::{name}");
            procedures.entry(import.digest).or_insert(stub);
            if !calls.imports.contains(&import.digest) {
                unused_imports.push(name.get_ref().clone());
            }
        }
        let imports = declared
            .into_iter()
            .map(|(name, import)| (name.into_inner(), import));
        Ok(Self {
            name: manifest.name.get_ref().clone(),
            folder: folder.into(),
            forest,
            exports,
            imports: imports.collect(),
            own_calls,
            segments,
            procedures,
            unused_imports,
        })
    }
}

/// Imports by the names they are declared with.
type Imports = BTreeMap<Spanned<String>, Import>;

/// Public procedures, as `module::procedure`, and their nodes.
type Procedures = BTreeMap<String, MastNodeId>;

/// The imports; the digests of those that have stubs are filled in once these are assembled.
fn declared_imports(document: &Document, manifest: &Manifest) -> Result<Imports, BuildError> {
    let mut imports: Imports = BTreeMap::new();
    for (name, entry) in &manifest.imports {
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
                }
            }
            None => {
                let identity = stub_identity(document, name, entry)?;
                Import {
                    digest: Word::default(),
                    key: ImportKey::Function(identity),
                    kind: entry.kind,
                }
            }
        };
        imports.insert(name.clone(), import);
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
    let text = |what, text: &Spanned<String>| {
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

fn sources(
    document: &Document,
    folder: &Path,
    manifest: &Manifest,
) -> Result<Vec<Source>, BuildError> {
    let entries = &manifest.sources;
    if entries.get_ref().is_empty() {
        return Err(document.error_at(entries, Problem::NoSources));
    }
    let mut found: Vec<Source> = Vec::new();
    for entry in entries.get_ref() {
        let more =
            find_sources(folder, entry.get_ref()).map_err(|p| document.error_at(entry, p))?;
        for source in more {
            if found.iter().any(|other| other.module == source.module) {
                return Err(document.error_at(entry, Problem::DuplicateModule(source.module)));
            }
            found.push(source);
        }
    }
    Ok(found)
}

/// Assembles the sources against the stubs; the imports come back with the digests of theirs.
fn assemble(
    document: &Document,
    imports: &Imports,
    sources: &[Source],
    toolchain: &Toolchain,
) -> Result<(Library, Imports), BuildError> {
    let whole = |problem| BuildError::in_file(document.path(), problem);
    let identities: Vec<StubIdentity> = imports
        .values()
        .filter_map(|import| match &import.key {
            ImportKey::Function(identity) => Some(identity.clone()),
            ImportKey::Root => None,
        })
        .collect();
    let mut assembler = toolchain.assembler().map_err(whole)?;
    let stubs = stub_library(&identities, toolchain.source_manager()).map_err(whole)?;
    let mut resolved = imports.clone();
    if let Some(stubs) = &stubs {
        let digests = public_procedures(stubs);
        for (name, import) in &mut resolved {
            if let Some(node) = digests.get(&format!("{STUB_MODULE}::{name}")) {
                import.digest = stubs.mast_forest()[*node].digest();
            }
        }
        assembler
            .link_dynamic_library(stubs)
            .map_err(|report| whole(Problem::Assembly(render(&report))))?;
    }
    let mut modules = Vec::with_capacity(sources.len());
    for source in sources {
        let text = std::fs::read_to_string(&source.file).map_err(|error| {
            let problem = Problem::Unreadable {
                what: "source",
                path: source.file.clone(),
                reason: error.to_string(),
            };
            BuildError::in_file(&source.file, problem)
        })?;
        let module = toolchain
            .parse_module(&source.file, &source.module, text)
            .map_err(|problem| BuildError::in_file(&source.file, problem))?;
        modules.push(module);
    }
    let library = assembler
        .assemble_library(modules)
        .map_err(|report| whole(Problem::Assembly(render(&report))))?;
    Ok((library, resolved))
}

fn public_procedures(library: &Library) -> Procedures {
    library
        .exports()
        .filter_map(LibraryExport::as_procedure)
        .map(|procedure| {
            let path = procedure.path.to_string();
            (path.trim_start_matches("::").to_owned(), procedure.node)
        })
        .collect()
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
        let procedure = &entry.procedure;
        let Some(&node) = procedures.get(procedure.get_ref()) else {
            let problem = Problem::ExportWithoutProcedure {
                export: name.get_ref().clone(),
                procedure: procedure.get_ref().clone(),
            };
            return Err(document.error_at(procedure, problem));
        };
        let export = Export {
            kind: entry.kind.unwrap_or(LinkKind::Shared),
            digest: library.mast_forest()[node].digest(),
            node,
            interface: export_interface(document, name, entry)?,
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

/// What the entries of `dyncall` name.
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
        match (import, procedures.get(name)) {
            (Some(import), _) => {
                targets.imports.insert(import.digest);
            }
            (None, Some(node)) => {
                targets.own.insert(*node);
            }
            (None, None) => {
                let problem = Problem::DyncallWithoutProcedure(name.clone());
                return Err(document.error_at(entry, problem));
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

/// The forest with `called` among its procedure roots, so that a link can enter them.
fn with_roots(forest: &Arc<MastForest>, called: &BTreeSet<MastNodeId>) -> Arc<MastForest> {
    if called.iter().all(|id| forest.is_procedure_root(*id)) {
        return forest.clone();
    }
    let mut forest = MastForest::clone(forest);
    for id in called {
        forest.make_root(*id);
    }
    Arc::new(forest)
}
