//! What a new component starts with.

use std::path::Path;

use crate::{
    bindings::{Bindings, BindingsModule, Implementation, skeleton},
    document::Document,
    error::{BuildError, Problem},
    implement::{ComponentWorld, implementations},
    manifest::Manifest,
    names::check_name,
    resources::{Declared, Handles, WorldTypes},
    wit::{
        Interface, InterfaceName, WitFile, WitSources, destructor_name, masm_name, resolve_world,
    },
};

/// A file of a new component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFile {
    /// Its path below the component's folder, with `/` between the parts.
    pub path: String,
    /// Its text.
    pub text: String,
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
) -> Result<Vec<NewFile>, BuildError> {
    check_name("a component", name).map_err(|problem| BuildError::in_file(name, problem))?;
    let sources = match wit {
        Some(path) if !path.exists() => return Err(BuildError::in_file(path, Problem::NoWit)),
        Some(path) => WitSources::read(path)?,
        None => WitSources {
            base: "wit".into(),
            files: vec![WitFile {
                path: "world.wit".into(),
                text: starter(name),
            }],
        },
    };
    let resolved = resolve_world(&sources, world)?;
    let module = masm_name(name);
    let mut manifest = format!("name = \"{name}\"\nwit = \"wit\"\n");
    if let Some(world) = world {
        manifest += &format!("world = \"{world}\"\n");
    }
    manifest += &format!("sources = [\"{module}.masm\"]\n");
    let types = WorldTypes::of(&resolved);
    let mut source = String::new();
    for interface in &resolved.imports {
        source += &format!("# {} is to be had with `exec`.\n", interface.name);
        source += &types.described(interface, true);
    }
    for interface in &resolved.exports {
        manifest += &entries(interface, &module);
        let handles = Handles::of_export(&resolved, &types, &interface.name);
        source += &skeleton(interface, &types.described(interface, false), handles);
    }
    let mut files = vec![
        NewFile {
            path: crate::COMPONENT_FILE.into(),
            text: manifest,
        },
        NewFile {
            path: format!("{module}.masm"),
            text: source,
        },
    ];
    files.extend(sources.files.into_iter().map(|file| NewFile {
        path: format!("wit/{}", file.path),
        text: file.text,
    }));
    Ok(files)
}

fn entries(interface: &Interface, module: &str) -> String {
    if interface.name != InterfaceName::World {
        let mut entries = format!(
            "\n[exports.\"{}\"]\nmodule = \"{module}\"\n",
            interface.name
        );
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
    let name = name.replace('_', "-");
    format!(
        "package my:{name}@0.1.0;\n\n\
         /// What the component offers.\n\
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
    let world = ComponentWorld::read(&document, folder, &manifest)?
        .ok_or_else(|| BuildError::in_file(document.path(), Problem::NoWorld))?;
    let types = Declared::take(&document, &mut manifest, Some(&world.world))?;
    let implementations = implementations(&document, &manifest, &world.world)?
        .into_iter()
        .map(|(name, (implementation, _)): (_, (Implementation, _))| (name, implementation))
        .collect();
    let realloc = manifest
        .realloc
        .as_ref()
        .map(|path| path.get_ref().as_str());
    let mut modules = Bindings::new(&world.world, &types.world, &implementations, realloc).modules;
    modules.extend(types.modules());
    Ok(modules)
}
