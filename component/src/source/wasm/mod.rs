//! Components from WebAssembly: a core module that implements a world.
//!
//! The module is compiled to assembly. Between it and the bindings, which speak of elements, stand
//! procedures that speak the Canonical ABI on linear memory.

mod binary;
mod boundary;
mod layout;
mod lines;
mod parts;
mod transfer;

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use miden_core::{
    Felt, Word,
    mast::{MastForest, MastNodeExt, MastNodeId},
};
use miden_crypto::hash::rpo::Rpo256;
use miden_cvm_air::composition::SEGMENT_BLOCK;
use miden_cvm_wasm::{
    CallingConvention, Cell, Import, LineFault, Options, SourceLines, ValueType, compile,
};
use serde::{Deserialize, Serialize};
use toml::Spanned;
use wasmparser::Parser;

use boundary::Shape;
use transfer::{CORE, Transfer};

use crate::{
    bindings::{BINDINGS_MODULE, BindingsModule, Code, Implementation, resources::WorldTypes},
    code::library::Procedures,
    error::{BuildError, Problem},
    file::read_file,
    source::{data::Segment, files::inside, manifest::Manifest, new_file::NewFile, system},
    text::document::Document,
    wit::{
        Function, FunctionName, Interface, InterfaceName, ResourceName, World, find::full_name,
        masm_name, module_names,
    },
};

/// The module with the compiled functions.
const CODE: &str = "wasm";

/// The module with what stands between them and the bindings.
const BOUNDARY: &str = "wasm_boundary";

/// The module's function that gives memory.
const REALLOC: &str = "cabi_realloc";

/// The module's function that runs before all others, but for its start function.
const INITIALIZE: &str = "_initialize";

/// The procedure of the boundary that sets up an instance.
const INIT: &str = "init";

/// The result for a component's core module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompiledModule {
    /// The module's bytes.
    pub bytes: usize,
    /// The functions that were compiled, imports among them.
    pub functions: Vec<String>,
    /// The functions that no export can reach, which were left out.
    pub dropped: Vec<String>,
    /// The elements of memory that are not zero at first.
    pub data: usize,
    /// The first address behind linear memory, tables, and what else the module uses.
    pub memory_end: u32,
    /// The files of the source whose lines are known, from the module's debug information.
    pub source_files: usize,
}

/// A module, compiled.
pub(crate) struct WasmModule {
    /// Its assembly.
    pub(crate) modules: Vec<BindingsModule>,
    /// The procedures behind the world's exports.
    exports: BTreeMap<FunctionName, String>,
    destructors: Vec<(ResourceName, String)>,
    has_init: bool,
    memory: BTreeMap<u32, Cell>,
    source_lines: Result<SourceLines, LineFault>,
    summary: CompiledModule,
}

impl WasmModule {
    /// Reads what `wasm` names; nothing if the component is of other code.
    pub(crate) fn read(
        document: &Document,
        folder: &Path,
        manifest: &Manifest,
        world: Option<(&World, &WorldTypes)>,
    ) -> Result<Option<Self>, BuildError> {
        let Some(entry) = &manifest.wasm else {
            return Ok(None);
        };
        let fails = |problem| document.error_at(entry, problem);
        let Some((world, types)) = world else {
            return Err(fails(Problem::WasmForm(
                "without `wit`, and has no world itself",
            )));
        };
        for (is_there, what) in [
            (manifest.sources.is_some(), "together with `sources`"),
            (manifest.package.is_some(), "together with `package`"),
            (
                !manifest.exports.is_empty(),
                "together with `exports`, which the module says itself",
            ),
            (manifest.realloc.is_some(), "together with `realloc`"),
            (manifest.init.is_some(), "together with `init`"),
            (!manifest.data.is_empty(), "together with `data`"),
        ] {
            if is_there {
                return Err(fails(Problem::WasmForm(what)));
            }
        }
        let imports = world.imports.iter().map(|interface| &interface.name);
        system::check(imports).map_err(fails)?;
        let bytes = read(document, folder, entry)?;
        let is_component = Parser::is_component(&bytes);
        if is_component && manifest.wit.is_some() {
            return Err(fails(Problem::WasmForm(
                "together with `wit`, but is a component, which has a world of its own",
            )));
        }
        let (module, dropped) = match is_component {
            true => binary::reading(|| parts::core_module(&bytes)).map_err(fails)?,
            false => (Cow::Borrowed(bytes.as_slice()), Vec::new()),
        };
        let mut compiled =
            Self::compile(&module, world, types, manifest.fixed_memory).map_err(fails)?;
        compiled.summary.dropped.extend(dropped);
        Ok(Some(compiled))
    }

    fn compile(
        bytes: &[u8],
        world: &World,
        types: &WorldTypes,
        fixed_memory: bool,
    ) -> Result<Self, Problem> {
        let mut wanted = BTreeMap::from([
            (REALLOC.to_owned(), CallingConvention::Stack),
            (INITIALIZE.to_owned(), CallingConvention::Stack),
        ]);
        let mut exported = Vec::new();
        for interface in &world.exports {
            for resource in &interface.resources {
                wanted.insert(
                    destructor_export(&interface.name, resource),
                    CallingConvention::Stack,
                );
            }
            for function in &interface.functions {
                let name = (interface.name.clone(), function.name.clone());
                let shape = Shape::of(function);
                let full = full_name(&name);
                wanted.insert(format!("cabi_post_{full}"), CallingConvention::Memory(CORE));
                wanted.insert(full.clone(), shape.passing());
                exported.push((name, full, shape));
            }
        }
        let imported = imports(world, types);
        let mut targets: BTreeMap<_, _> = imported
            .iter()
            .enumerate()
            .map(|(number, import)| {
                let (params, results) = import.core_type();
                let target = Import {
                    procedure: format!("{BOUNDARY}::{}", import_name(number)),
                    passing: import.passing(),
                    params,
                    results,
                };
                ((import.module.clone(), import.name.clone()), target)
            })
            .collect();
        // A world has one of several versions that are as good.
        for (module, name) in binary::imports(bytes) {
            let mut known = targets.iter().filter(|((_, known), _)| known == name);
            let target = known.find(|((known, _), _)| is_version_of(module, known));
            if let Some(target) = target.map(|(_, target)| target.clone()) {
                targets
                    .entry((module.into(), name.into()))
                    .or_insert(target);
            }
        }
        let options = Options {
            exports: Some(wanted),
            imports: targets,
            fixed_memory,
            access: true,
            ..Options::default()
        };
        let compiled = compile(bytes, &options).map_err(|error| Problem::Wasm(Box::new(error)))?;
        let find = |name: &str, params: &[ValueType], results: &[ValueType]| {
            let found = compiled.exports.iter().find(|export| export.name == name);
            found
                .map(|export| {
                    let is_right = export.params == params && export.results == results;
                    is_right
                        .then(|| format!("{CODE}::{}", export.procedure))
                        .ok_or_else(|| missing(name, params, results))
                })
                .transpose()
        };
        let mut code = Code::default();
        let mut transfer = Transfer::default();
        for (number, import) in imported.iter().enumerate() {
            import.procedure(&mut code, &mut transfer, &import_name(number));
        }
        let mut exports = BTreeMap::new();
        for (number, (name, full, shape)) in exported.into_iter().enumerate() {
            let (params, results) = shape.exported();
            let procedure =
                find(&full, &params, &results)?.ok_or_else(|| missing(&full, &params, &results))?;
            let post = find(&format!("cabi_post_{full}"), &results, &[])?;
            let entry = format!("export_{number}");
            code.line("");
            code.docs(&full);
            shape.export(
                &mut code,
                &mut transfer,
                &entry,
                &procedure,
                post.as_deref(),
            );
            exports.insert(name, format!("{BOUNDARY}::{entry}"));
        }
        let mut destructors = Vec::new();
        for interface in &world.exports {
            for resource in &interface.resources {
                let export = destructor_export(&interface.name, resource);
                if let Some(procedure) = find(&export, &[ValueType::I32], &[])? {
                    let of = ResourceName {
                        interface: interface.name.clone(),
                        name: resource.clone(),
                    };
                    destructors.push((of, procedure));
                }
            }
        }
        let realloc_type = ([ValueType::I32; 4], [ValueType::I32]);
        let realloc = find(REALLOC, &realloc_type.0, &realloc_type.1)?;
        if transfer.gives() && realloc.is_none() {
            return Err(missing(REALLOC, &realloc_type.0, &realloc_type.1));
        }
        transfer.procedures(&mut code, &realloc.unwrap_or_default());
        let start = compiled
            .start
            .as_ref()
            .map(|start| format!("{CODE}::{start}"));
        let initialize = find(INITIALIZE, &[], &[])?;
        let first: Vec<String> = start.into_iter().chain(initialize).collect();
        if !first.is_empty() {
            code.line("");
            code.block(format!("pub proc {INIT}"), |code| {
                first
                    .iter()
                    .for_each(|path| code.line(format!("exec.::{path}")));
            });
        }
        Ok(Self {
            modules: vec![
                BindingsModule {
                    path: CODE.into(),
                    text: compiled.text,
                },
                BindingsModule {
                    path: BOUNDARY.into(),
                    text: boundary::module(&code.finish()),
                },
            ],
            exports,
            destructors,
            has_init: !first.is_empty(),
            summary: CompiledModule {
                bytes: bytes.len(),
                functions: compiled.functions.into_values().collect(),
                dropped: compiled.dropped,
                data: compiled.memory.len(),
                memory_end: compiled.memory_end,
                source_files: match &compiled.source_lines {
                    Ok(lines) => lines.files().len(),
                    Err(_) => 0,
                },
            },
            memory: compiled.memory,
            source_lines: compiled.source_lines,
        })
    }

    /// The result for the module.
    pub(crate) fn into_summary(self) -> CompiledModule {
        self.summary
    }

    /// The procedure that gives memory for messages.
    pub(crate) fn realloc() -> String {
        format!("{BOUNDARY}::realloc")
    }

    /// The procedure that sets up an instance.
    pub(crate) fn init(&self) -> Option<String> {
        self.has_init.then(|| format!("{BOUNDARY}::{INIT}"))
    }

    /// The procedures that run when nobody owns a resource any more.
    pub(crate) fn destructors(&self) -> &[(ResourceName, String)] {
        &self.destructors
    }

    /// The procedure of each of the world's exports.
    pub(crate) fn implementations<'m>(
        &self,
        place: &'m Spanned<String>,
    ) -> BTreeMap<FunctionName, (Implementation, &'m Spanned<String>)> {
        let implemented = self.exports.iter().map(|(name, procedure)| {
            let implementation = Implementation {
                procedure: procedure.clone(),
                raw: false,
            };
            (name.clone(), (implementation, place))
        });
        implemented.collect()
    }

    /// The procedures that the module reaches through memory.
    pub(crate) fn dynamic(&self, procedures: &Procedures) -> BTreeSet<MastNodeId> {
        let digests = self.memory.values().filter_map(|cell| match cell {
            Cell::Digest(procedure, _) => procedures.get(&format!("{CODE}::{procedure}")),
            Cell::Value(_) => None,
        });
        digests.copied().collect()
    }

    /// The memory that the module begins with.
    pub(crate) fn segments(&self, forest: &MastForest, procedures: &Procedures) -> Vec<Segment> {
        let mut blocks: BTreeMap<u32, [Felt; SEGMENT_BLOCK as usize]> = BTreeMap::new();
        for (address, cell) in &self.memory {
            let value = match cell {
                Cell::Value(value) => Felt::new(*value),
                Cell::Digest(procedure, number) => {
                    let node = procedures.get(&format!("{CODE}::{procedure}"));
                    let digest = node.map_or(Word::default(), |node| forest[*node].digest());
                    digest[usize::from(*number)]
                }
            };
            let block = blocks
                .entry(address / SEGMENT_BLOCK)
                .or_insert([Felt::new(0); SEGMENT_BLOCK as usize]);
            block[(address % SEGMENT_BLOCK) as usize] = value;
        }
        let mut runs: Vec<(u32, Vec<Felt>)> = Vec::new();
        for (block, elements) in blocks {
            let address = block * SEGMENT_BLOCK;
            match runs.last_mut() {
                Some((first, run)) if *first + run.len() as u32 == address => run.extend(elements),
                _ => runs.push((address, elements.to_vec())),
            }
        }
        let segments = runs.into_iter().map(|(address, elements)| Segment {
            address,
            commitment: Rpo256::hash_elements(&elements),
            elements: Arc::from(elements),
            is_public: false,
        });
        segments.collect()
    }
}

/// The files of a composition that does what the component at `path` does, one with components in it.
///
/// Each instance of a component that has code becomes a component of its own, and the composition exports
/// what the whole does, under the same names. With `only`, it exports no other functions, and what they alone
/// need is left out.
///
/// # Errors
/// Returns an error if the file cannot be read, or has something that is not supported.
pub fn split_component(
    path: &Path,
    only: Option<&BTreeSet<String>>,
) -> Result<Vec<NewFile>, BuildError> {
    let bytes = read_file(path).map_err(|error| {
        let problem = Problem::Unreadable {
            what: "component",
            path: path.into(),
            reason: error.to_string(),
        };
        BuildError::in_file(path, problem)
    })?;
    parts::split(&bytes, only).map_err(|problem| BuildError::in_file(path, problem))
}

/// Returns `true` if a core module means the interface `known` by this name, if in another version.
fn is_version_of(module: &str, known: &str) -> bool {
    let parsed = |name: &str| name.parse::<InterfaceName>().ok();
    parsed(module)
        .zip(parsed(known))
        .is_some_and(|(module, known)| module.accepts(&known))
}

/// The core type that a module exports a function of its world by: parameters and results.
pub(crate) fn exported_type(function: &Function) -> (Vec<ValueType>, Vec<ValueType>) {
    Shape::of(function).exported()
}

/// The bytes of the file that an entry names.
fn read(
    document: &Document,
    folder: &Path,
    entry: &Spanned<String>,
) -> Result<Vec<u8>, BuildError> {
    let fails = |problem| document.error_at(entry, problem);
    let path = folder.join(inside(entry.get_ref()).map_err(fails)?);
    read_file(&path).map_err(|error| {
        fails(Problem::Unreadable {
            what: "module",
            path,
            reason: error.to_string(),
        })
    })
}

/// The WIT that is in what an entry names, if it has one.
pub(crate) fn world_text(
    document: &Document,
    folder: &Path,
    entry: &Spanned<String>,
) -> Result<Option<String>, BuildError> {
    let bytes = read(document, folder, entry)?;
    binary::world(&bytes).map_err(|problem| document.error_at(entry, problem))
}

/// A function that a module can import.
struct Imported {
    /// The name of the module that it is imported from.
    module: String,
    name: String,
    kind: ImportKind,
    /// The procedure behind it.
    procedure: String,
}

/// The imports of a module.
enum ImportKind {
    /// A function of the world.
    Function(Shape),
    /// An intrinsic of a resource type: whether it has a result, and whether it leaves the instance.
    Intrinsic { gives: bool, leaves: bool },
}

impl Imported {
    fn core_type(&self) -> (Vec<ValueType>, Vec<ValueType>) {
        match &self.kind {
            ImportKind::Function(shape) => shape.imported(),
            ImportKind::Intrinsic { gives, .. } => {
                let results = gives.then_some(ValueType::I32);
                (vec![ValueType::I32], results.into_iter().collect())
            }
        }
    }

    fn passing(&self) -> CallingConvention {
        match &self.kind {
            ImportKind::Function(shape) => shape.passing(),
            ImportKind::Intrinsic { .. } => CallingConvention::Stack,
        }
    }

    fn procedure(&self, code: &mut Code, transfer: &mut Transfer, name: &str) {
        code.line("");
        code.docs(&format!("{} of {}", self.name, self.module));
        match &self.kind {
            ImportKind::Function(shape) => shape.import(code, transfer, name, &self.procedure),
            ImportKind::Intrinsic { leaves, .. } => {
                code.block(format!("pub proc {name}"), |code| {
                    if *leaves {
                        code.line("exec.leave");
                    }
                    code.line(format!("exec.::{}", self.procedure));
                })
            }
        }
    }
}

/// All that a module of a world can import.
fn imports(world: &World, types: &WorldTypes) -> Vec<Imported> {
    let mut imports = Vec::new();
    let intrinsics = |module: &str, of: &ResourceName, names: &[&str], is_imported: bool| {
        let wrappers = types.wrappers(of, is_imported);
        let intrinsics = names.iter().map(|name| Imported {
            module: module.to_owned(),
            name: format!("[resource-{name}]{}", of.name),
            kind: ImportKind::Intrinsic {
                gives: *name != "drop",
                leaves: *name != "rep",
            },
            procedure: format!("{wrappers}::{name}"),
        });
        intrinsics.collect::<Vec<_>>()
    };
    let resources = |interface: &Interface| {
        let named = interface.resources.iter().map(|name| ResourceName {
            interface: interface.name.clone(),
            name: name.clone(),
        });
        named.collect::<Vec<_>>()
    };
    let all = || world.imports.iter().chain(&world.built_in);
    let modules = module_names(all().map(|interface| &interface.name));
    for (interface, bindings) in all().zip(modules) {
        let module = match &interface.name {
            InterfaceName::World => "$root".to_owned(),
            name => name.to_string(),
        };
        for of in resources(interface) {
            imports.extend(intrinsics(&module, &of, &["drop"], true));
        }
        for function in &interface.functions {
            let name = masm_name(&function.name);
            imports.push(Imported {
                module: module.clone(),
                name: function.name.clone(),
                kind: ImportKind::Function(Shape::of(function)),
                procedure: format!("{BINDINGS_MODULE}::{bindings}::{name}"),
            });
        }
    }
    for interface in &world.exports {
        let module = format!("[export]{}", interface.name);
        for of in resources(interface) {
            imports.extend(intrinsics(&module, &of, &["new", "rep", "drop"], false));
        }
    }
    imports
}

fn import_name(number: usize) -> String {
    format!("import_{number}")
}

/// The name by which a module exports what runs when nobody owns a resource any more.
fn destructor_export(interface: &InterfaceName, resource: &str) -> String {
    full_name(&(interface.clone(), format!("[dtor]{resource}")))
}

fn missing(name: &str, params: &[ValueType], results: &[ValueType]) -> Problem {
    Problem::WasmSignature {
        function: name.into(),
        expected: format!("{params:?} -> {results:?}"),
    }
}
