//! The files that a new component starts with.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use crate::{
    bindings::{
        BINDINGS_MODULE, Bindings, BindingsModule, Implementation, is_bindings_module,
        resources::{Handles, RESOURCE_MODULE, WorldTypes},
        skeleton,
        stubs::STUB_MODULE,
    },
    error::{BuildError, Problem},
    limits::AssemblyLimits,
    source::{
        component::{init_procedure, known_procedures, read_sources, sources},
        data::StaticData,
        foreign,
        libraries::assembled_code,
        manifest::Manifest,
        new_file::NewFile,
        resources::Declared,
        workspace::Workspace,
        world::{ComponentWorld, find_procedure, implementations, import_roots},
    },
    text::{
        document::Document,
        names::{check_name, wit_name},
    },
    wit::{
        Interface, InterfaceName, WitFile, WitSources, World, destructor_name, masm_name,
        module_names, resolve_world,
    },
};

/// A language that a component is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Language {
    /// Miden assembly.
    #[default]
    Masm,
    /// Rust, compiled to WebAssembly.
    Rust,
    /// C, compiled to WebAssembly.
    C,
}

/// The files of a new component with this name: `component.toml`, its WIT, and a source with a procedure
/// for each function that its world exports, to be filled in.
///
/// The world is `world` of the WIT at `wit`, a file or a folder; without one it is a small one to start
/// from.
///
/// # Errors
/// Returns an error if the name is none, or if there is a mistake in the WIT.
pub fn new_component(
    name: &str,
    wit: Option<&Path>,
    world: Option<&str>,
    language: Language,
) -> Result<Vec<NewFile>, BuildError> {
    check_name("a component", name).map_err(|problem| BuildError::in_file(name, problem))?;
    let sources = match wit {
        Some(path) if !path.exists() => return Err(BuildError::in_file(path, Problem::NoWit)),
        Some(path) => WitSources::read(path)?,
        None => WitSources {
            base: "wit".into(),
            files: vec![WitFile {
                path: "world.wit".into(),
                text: match language {
                    Language::Masm => starter(name),
                    Language::Rust | Language::C => foreign::starter(name),
                },
            }],
            elsewhere: BTreeMap::new(),
        },
    };
    let resolved = resolve_world(&sources, world, AssemblyLimits::default())?;
    if resolved
        .exports
        .iter()
        .all(|interface| interface.functions.is_empty())
    {
        let place = wit.unwrap_or(Path::new(name));
        return Err(BuildError::in_file(
            place,
            Problem::NothingExported(resolved.name),
        ));
    }
    let mut files = match language {
        Language::Masm => assembly(name, world, &resolved),
        Language::Rust => foreign::rust(name, world, wit.is_none()),
        Language::C => foreign::c(name, world, &resolved, wit.is_none()),
    };
    let wit = sources.files.into_iter();
    files.extend(wit.map(|file| NewFile::new(format!("wit/{}", file.path), file.text)));
    Ok(files)
}

/// The files of a component in Miden assembly, but for its WIT.
fn assembly(name: &str, world: Option<&str>, resolved: &World) -> Vec<NewFile> {
    let mut manifest = format!("name = \"{name}\"\nwit = \"wit\"\n");
    if let Some(world) = world {
        manifest += &format!("world = \"{world}\"\n");
    }
    let types = WorldTypes::of(resolved);
    let mut notes = String::new();
    let imports = module_names(resolved.imports.iter().map(|interface| &interface.name));
    for (interface, module) in resolved.imports.iter().zip(imports) {
        if !interface.functions.is_empty() {
            notes += &format!(
                "# Functions of {}: `use {BINDINGS_MODULE}::{module}`.\n",
                interface.name
            );
        }
        notes += &types.described(interface, true);
    }
    let mut entries_of = String::new();
    let mut modules: Vec<(String, String)> = Vec::new();
    for (interface, module) in resolved
        .exports
        .iter()
        .zip(modules_of(name, &resolved.exports))
    {
        entries_of += &entries(interface, &module);
        let handles = Handles::of_export(resolved, &types, &interface.name);
        let source = skeleton(interface, &types.described(interface, false), handles);
        // A module has to have a procedure.
        if interface.functions.is_empty() && interface.resources.is_empty() {
            continue;
        }
        match modules.iter_mut().find(|(known, _)| *known == module) {
            Some((_, text)) => *text += &source,
            None => modules.push((module, source)),
        }
    }
    let listed: Vec<String> = modules
        .iter()
        .map(|(module, _)| format!("\"{module}.masm\""))
        .collect();
    manifest += &format!("sources = [{}]\n{entries_of}", listed.join(", "));
    let mut files = vec![NewFile::new(crate::COMPONENT_FILE, manifest)];
    // What is imported is said once, however many sources there are.
    if let Some((_, first)) = modules.first_mut() {
        first.insert_str(0, &notes);
    }
    let modules = modules.into_iter();
    files.extend(modules.map(|(module, text)| NewFile::new(format!("{module}.masm"), text)));
    files
}

/// The module for each interface that a new component exports: one of the component's name, and if
/// procedures of two interfaces would have one name, one for each interface.
fn modules_of(name: &str, exports: &[Interface]) -> Vec<String> {
    let own = masm_name(name);
    let is_taken = is_bindings_module(&own) || own == STUB_MODULE || own == RESOURCE_MODULE;
    let own = match is_taken || LIBRARIES.contains(&own.as_str()) {
        true => format!("{own}_component"),
        false => own,
    };
    let mut seen = BTreeSet::new();
    let procedures = exports.iter().flat_map(|interface| {
        let functions = interface.functions.iter().map(|f| masm_name(&f.name));
        let resources = interface.resources.iter();
        functions.chain(resources.map(|resource| destructor_name(resource)))
    });
    if procedures
        .into_iter()
        .all(|procedure| seen.insert(procedure))
    {
        return vec![own; exports.len()];
    }
    let names = module_names(exports.iter().map(|interface| &interface.name));
    let names = names.into_iter().map(|path| path.replace("::", "_"));
    names.map(|name| format!("{own}_{name}")).collect()
}

/// The modules at the root of the core library, which sources must not stand before.
const LIBRARIES: [&str; 3] = ["miden", "core", "std"];

fn entries(interface: &Interface, module: &str) -> String {
    if interface.name != InterfaceName::World {
        let mut entries = String::new();
        // An interface of types alone has nothing to be implemented.
        if !interface.functions.is_empty() {
            entries = format!(
                "\n[exports.\"{}\"]\nmodule = \"{module}\"\n",
                interface.name
            );
        }
        for resource in &interface.resources {
            entries += &format!(
                "\n[resources.\"{}#{resource}\"]\ndestructor = \"{module}::{}\"\n",
                interface.name,
                destructor_name(resource)
            );
        }
        return entries;
    }
    let functions = interface.functions.iter().map(|function| {
        let procedure = masm_name(&function.name);
        let name = &function.name;
        format!("\n[exports.\"{name}\"]\nprocedure = \"{module}::{procedure}\"\n")
    });
    functions.collect()
}

fn starter(name: &str) -> String {
    let name = wit_name(name);
    format!(
        "package my:%{name}@0.1.0;\n\n\
         /// The functions that the component offers.\n\
         interface api {{\n    \
             /// Adds two numbers.\n    \
             add: func(a: u32, b: u32) -> u32;\n\
         }}\n\n\
         world {name}-world {{\n    export api;\n}}\n"
    )
}

/// The modules that are generated for the component in `folder`, to be read; the build makes them by
/// itself.
///
/// # Errors
/// Returns an error if there is a mistake in its `component.toml` or its WIT, or if it has no world.
pub fn bindings(folder: &Path) -> Result<Vec<BindingsModule>, BuildError> {
    let document = Document::read(&folder.join(crate::COMPONENT_FILE), "component file")?;
    let mut manifest: Manifest = document.parse()?;
    let world = ComponentWorld::read(
        &document,
        folder,
        &manifest,
        Workspace::of_member(folder)?.as_ref(),
        AssemblyLimits::default(),
    )?
    .ok_or_else(|| BuildError::in_file(document.path(), Problem::NoWorld))?;
    let types = Declared::take(&document, &mut manifest, Some(&world.world))?;
    let package = assembled_code(&document, folder, &manifest, true)?;
    // Sources need not be there yet; names of procedures are those of the WIT then.
    let sources = sources(&document, folder, &manifest, |_| false);
    let texts = sources.and_then(|sources| read_sources(&sources));
    let known = known_procedures(package.as_deref(), &texts.unwrap_or_default());
    let implementations = implementations(&document, &manifest, &world.world, &known)?
        .into_iter()
        .map(|(name, (implementation, _)): (_, (Implementation, _))| (name, implementation))
        .collect();
    let realloc = manifest
        .realloc
        .as_ref()
        .map(|path| find_procedure(&known, path.get_ref()));
    let init = init_procedure(&manifest, package.as_deref());
    let (roots, _) = import_roots(&document, &manifest, &world.world)?;
    let mut modules = Bindings::new(
        &world.world,
        &types.world,
        &implementations,
        realloc.as_deref(),
        init.as_deref(),
        &roots,
    )
    .modules;
    modules.extend(types.modules());
    let data = StaticData::read(&document, folder, &manifest.data, &world.world.types)?;
    modules.extend(data.module());
    Ok(modules)
}
