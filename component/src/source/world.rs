//! A component's world and what its `component.toml` says about it: which procedures implement the
//! exports, and which digests stand for the imports.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use miden_core::Word;
use toml::Spanned;

use crate::{
    bindings::Implementation,
    code::library::{canonical, canonical_in},
    error::{BuildError, Problem},
    limits::AssemblyLimits,
    source::{
        data::parse_word,
        files::inside,
        manifest::{ExportEntry, ImportEntry, Manifest},
        wasm::world_text,
        workspace::Workspace,
    },
    text::document::Document,
    wit::{
        FunctionName, Interface, InterfaceName, WitFile, WitSources, World,
        find::{find_interface, full_name},
        masm_name, resolve_world,
    },
};

/// The exports and imports of a component, and the texts that declare them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentWorld {
    /// The world.
    pub world: World,
    /// The WIT files, sorted by path.
    pub files: Vec<WitFile>,
}

impl ComponentWorld {
    /// The number of parts of its functions' types, and one for each function.
    pub(crate) fn parts(&self) -> u64 {
        let interfaces = self.world.imports.iter().chain(&self.world.exports);
        interfaces.map(Interface::parts).sum()
    }

    /// Reads what `wit` and `world` name; nothing if the component is described without WIT.
    pub(crate) fn read(
        document: &Document,
        folder: &Path,
        manifest: &Manifest,
        workspace: Option<&Workspace>,
        limits: AssemblyLimits,
    ) -> Result<Option<Self>, BuildError> {
        let selected = manifest.world.as_ref();
        let Some(wit) = &manifest.wit else {
            return match (selected, &manifest.wasm) {
                (Some(world), _) => Err(document.error_at(world, Problem::WorldAlone)),
                (None, Some(wasm)) => Self::of_component(document, folder, wasm, limits),
                (None, None) => Ok(None),
            };
        };
        let path = inside(wit.get_ref()).map_err(|p| document.error_at(wit, p))?;
        if !folder.join(path).exists() {
            return Err(document.error_at(wit, Problem::NoWit));
        }
        let mut sources = WitSources::read(&folder.join(path))?;
        if let Some(workspace) = workspace {
            workspace.complete(&mut sources)?;
        }
        let selected = selected.map(|world| world.get_ref().as_str());
        let world = resolve_world(&sources, selected, limits)?;
        Ok(Some(Self {
            world,
            files: sources.files,
        }))
    }

    /// The world that a module or component in the binary format has in itself, if it has one.
    fn of_component(
        document: &Document,
        folder: &Path,
        wasm: &Spanned<String>,
        limits: AssemblyLimits,
    ) -> Result<Option<Self>, BuildError> {
        let Some(text) = world_text(document, folder, wasm)? else {
            return Ok(None);
        };
        let sources = WitSources {
            base: folder.join(wasm.get_ref()),
            files: vec![WitFile {
                path: "component.wit".into(),
                text,
            }],
            elsewhere: BTreeMap::new(),
        };
        let world = resolve_world(&sources, None, limits)?;
        Ok(Some(Self {
            world,
            files: sources.files,
        }))
    }
}

/// The function that a key of `[exports]` or `[imports]` names, or all those of an interface.
fn find_functions(interfaces: &[Interface], key: &str) -> Option<Vec<FunctionName>> {
    let (interface, function) = match key.split_once('#') {
        Some((interface, function)) => (find_interface(interfaces, interface)?, Some(function)),
        None => match find_interface(interfaces, key) {
            Some(interface) => (interface, None),
            None => {
                let own = interfaces.iter().find(|i| i.name == InterfaceName::World)?;
                (own, Some(key))
            }
        },
    };
    let functions = interface.functions.iter();
    let named: Vec<FunctionName> = functions
        .filter(|found| function.is_none_or(|name| found.name == name))
        .map(|function| (interface.name.clone(), function.name.clone()))
        .collect();
    (!named.is_empty()).then_some(named)
}

/// The implementation of each export of a world, and the entry that says so.
///
/// An entry for a function stands before one for its whole interface. `known` are the public procedures of
/// the component's package and sources.
pub(crate) fn implementations<'m>(
    document: &Document,
    manifest: &'m Manifest,
    world: &World,
    known: &BTreeSet<String>,
) -> Result<BTreeMap<FunctionName, (Implementation, &'m Spanned<String>)>, BuildError> {
    let mut found = BTreeMap::new();
    let mut by_function = NamedOnce::default();
    let mut by_interface = NamedOnce::default();
    for (key, entry) in &manifest.exports {
        let functions = find_functions(&world.exports, key.get_ref()).ok_or_else(|| {
            let problem = Problem::NotInWorld {
                what: "exports",
                world: world.name.clone(),
                name: key.get_ref().clone(),
                known: known_names(&world.exports).join("`, `"),
            };
            let error = document.error_at(key, problem);
            error.with_similar(key.get_ref(), known_names(&world.exports))
        })?;
        check_entry(document, key, entry)?;
        for function in functions {
            let (procedure, place) = match (&entry.procedure, &entry.module) {
                (Some(procedure), None) => {
                    by_function.add(document, &function, key)?;
                    (find_procedure(known, procedure.get_ref()), procedure)
                }
                (None, Some(module)) => {
                    by_interface.add(document, &function, key)?;
                    if by_function.0.contains_key(&function) {
                        continue;
                    }
                    let procedure = canonical_in(module.get_ref(), &masm_name(&function.1));
                    let written = canonical_in(module.get_ref(), &function.1);
                    // Compiled code has the names of WIT as they are, and sources can have them.
                    let found = [&procedure, &written]
                        .map(|path| find_procedure(known, path))
                        .into_iter()
                        .find(|path| known.contains(path));
                    (found.unwrap_or(procedure), module)
                }
                _ => return Err(document.error_at(key, Problem::ExportForm(key.get_ref().clone()))),
            };
            let implementation = Implementation {
                procedure,
                raw: entry.raw,
            };
            found.insert(function, (implementation, place));
        }
    }
    for interface in &world.exports {
        for function in &interface.functions {
            let name = (interface.name.clone(), function.name.clone());
            if !found.contains_key(&name) {
                let problem = Problem::NotImplemented {
                    function: full_name(&name),
                    location: function.location.clone(),
                };
                return Err(BuildError::in_file(document.path(), problem));
            }
        }
    }
    Ok(found)
}

/// The entries that name functions, each of which can be named by one.
#[derive(Default)]
struct NamedOnce<'m>(BTreeMap<FunctionName, &'m Spanned<String>>);

impl<'m> NamedOnce<'m> {
    fn add(
        &mut self,
        document: &Document,
        function: &FunctionName,
        key: &'m Spanned<String>,
    ) -> Result<(), BuildError> {
        match self.0.insert(function.clone(), key) {
            None => Ok(()),
            Some(first) => {
                let problem = Problem::NamedTwice {
                    function: full_name(function),
                    first: first.get_ref().clone(),
                    second: key.get_ref().clone(),
                };
                Err(document.error_at(key, problem))
            }
        }
    }
}

/// The path of a procedure, one of those that are known, as assembled code has it. It can be written with or without the `::` in front
/// of it, and without the quotation marks around parts that are no names of Miden assembly. If there is no
/// such procedure, or more than one, it stays as it is written, in the one form that paths have.
pub(crate) fn find_procedure<'k>(
    known: impl IntoIterator<Item = &'k String> + Clone,
    written: &str,
) -> String {
    let path = canonical(written);
    if known.clone().into_iter().any(|known| *known == path) {
        return path;
    }
    let plain = path.replace('"', "");
    let mut found = known
        .into_iter()
        .filter(|path| path.replace('"', "") == plain);
    match (found.next(), found.next()) {
        (Some(found), None) => found.clone(),
        _ => path,
    }
}

/// Refuses what the world says already.
fn check_entry(
    document: &Document,
    key: &Spanned<String>,
    entry: &ExportEntry,
) -> Result<(), BuildError> {
    let stated = entry.kind.is_some() || entry.interface.is_some() || entry.version.is_some();
    match stated {
        true => Err(document.error_at(key, Problem::SaidByWorld(key.get_ref().clone()))),
        false => Ok(()),
    }
}

/// Entries of `[imports]` by their names.
pub(crate) type ImportEntries<'m> = BTreeMap<&'m Spanned<String>, &'m ImportEntry>;

/// The imports of a world that are met by exact procedures, and the other entries of `[imports]`.
pub(crate) fn import_roots<'m>(
    document: &Document,
    manifest: &'m Manifest,
    world: &World,
) -> Result<(BTreeMap<FunctionName, Word>, ImportEntries<'m>), BuildError> {
    let mut roots = BTreeMap::new();
    let mut others = BTreeMap::new();
    let mut named = NamedOnce::default();
    for (key, entry) in &manifest.imports {
        let functions = find_functions(&world.imports, key.get_ref());
        match (functions.as_deref(), &entry.root) {
            (Some([function]), Some(root)) => {
                let digest = parse_word(root.get_ref()).map_err(|p| document.error_at(root, p))?;
                named.add(document, function, key)?;
                if let Some((first, _)) = roots.iter().find(|(_, other)| **other == digest) {
                    let problem = Problem::DuplicateImport {
                        first: full_name(first),
                        second: key.get_ref().clone(),
                    };
                    return Err(document.error_at(root, problem));
                }
                roots.insert(function.clone(), digest);
            }
            (Some(_), _) => {
                return Err(document.error_at(key, Problem::SaidByWorld(key.get_ref().clone())));
            }
            (None, _) => {
                others.insert(key, entry);
            }
        }
    }
    Ok((roots, others))
}

fn known_names(interfaces: &[Interface]) -> Vec<String> {
    let names = interfaces
        .iter()
        .flat_map(|interface| match interface.name {
            InterfaceName::World => interface.functions.iter().map(|f| f.name.clone()).collect(),
            _ => vec![interface.name.to_string()],
        });
    names.collect()
}
