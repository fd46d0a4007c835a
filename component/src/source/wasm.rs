//! Components from WebAssembly: a core module that implements a world.
//!
//! The module is compiled to assembly. Between it and the bindings, which speak of elements, stand
//! procedures that speak the Canonical ABI on linear memory: a result of several values is read from
//! where the module put it, and written to where it wants it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    path::Path,
    sync::Arc,
};

use miden_core::{
    Felt, Word,
    mast::{MastForest, MastNodeExt, MastNodeId},
};
use miden_crypto::hash::rpo::Rpo256;
use miden_cvm_air::composition::SEGMENT_BLOCK;
use miden_cvm_wasm::{Cell, Compiled, Export, Options, ValueType, compile};
use toml::Spanned;

use crate::{
    bindings::{BINDINGS_MODULE, BindingsModule, Implementation},
    code::library::Procedures,
    error::{BuildError, Problem},
    source::{data::Segment, files::inside, manifest::Manifest},
    text::document::Document,
    wit::{
        Function, FunctionName, InterfaceName, Type, World, find::full_name, masm_name,
        module_names,
    },
};

/// The module with the compiled functions.
const CODE: &str = "wasm";

/// The module with what stands between them and the bindings.
const BOUNDARY: &str = "wasm_boundary";

/// A module, compiled.
pub(crate) struct WasmModule {
    /// Its assembly.
    pub(crate) modules: Vec<BindingsModule>,
    /// The procedures behind the world's exports.
    exports: BTreeMap<FunctionName, String>,
    memory: BTreeMap<u32, Cell>,
}

/// A value in linear memory: its distance from where the whole begins, and its type.
type Place<'t> = (u32, &'t Type);

impl WasmModule {
    /// Reads what `wasm` names; nothing if the component is of other code.
    pub(crate) fn read(
        document: &Document,
        folder: &Path,
        manifest: &Manifest,
        world: Option<&World>,
    ) -> Result<Option<Self>, BuildError> {
        let Some(entry) = &manifest.wasm else {
            return Ok(None);
        };
        let fails = |problem| document.error_at(entry, problem);
        let Some(world) = world else {
            return Err(fails(Problem::WasmForm("without `wit`")));
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
        let path = folder.join(inside(entry.get_ref()).map_err(fails)?);
        let bytes = std::fs::read(&path).map_err(|error| {
            fails(Problem::Unreadable {
                what: "module",
                path: path.clone(),
                reason: error.to_string(),
            })
        })?;
        Self::compile(&bytes, world, manifest.fixed_memory)
            .map(Some)
            .map_err(fails)
    }

    fn compile(bytes: &[u8], world: &World, fixed_memory: bool) -> Result<Self, Problem> {
        let mut options = Options {
            exports: Some(BTreeSet::new()),
            fixed_memory,
            access: true,
            ..Options::default()
        };
        let mut wanted = BTreeSet::new();
        for interface in &world.exports {
            if let Some(resource) = interface.resources.first() {
                return Err(Problem::WasmType {
                    function: interface.name.to_string(),
                    what: format!("a resource type of its own, `{resource}`"),
                });
            }
            for function in &interface.functions {
                let name = full_name(&(interface.name.clone(), function.name.clone()));
                wanted.insert(format!("cabi_post_{name}"));
                wanted.insert(name);
            }
        }
        options.exports = Some(wanted);
        let mut text = String::from("# Between the module and the bindings.\n");
        let modules = module_names(world.imports.iter().map(|interface| &interface.name));
        for (interface, module) in world.imports.iter().zip(modules) {
            let from = match &interface.name {
                InterfaceName::World => "$root".to_owned(),
                name => name.to_string(),
            };
            for resource in &interface.resources {
                let drop = format!("{BINDINGS_MODULE}::{module}::{}::drop", masm_name(resource));
                let key = (from.clone(), format!("[resource-drop]{resource}"));
                options.imports.insert(key, drop);
            }
            for function in &interface.functions {
                let name = masm_name(&function.name);
                let procedure = format!("import_{}", options.imports.len());
                import_procedure(
                    &mut text,
                    &procedure,
                    function,
                    &format!("{BINDINGS_MODULE}::{module}::{name}"),
                )?;
                let key = (from.clone(), function.name.clone());
                options
                    .imports
                    .insert(key, format!("{BOUNDARY}::{procedure}"));
            }
        }
        let compiled = compile(bytes, &options).map_err(|error| Problem::Wasm(Box::new(error)))?;
        let mut exports = BTreeMap::new();
        for interface in &world.exports {
            for function in &interface.functions {
                let name = (interface.name.clone(), function.name.clone());
                let procedure = format!("export_{}", exports.len());
                export_procedure(
                    &mut text,
                    &procedure,
                    function,
                    &full_name(&name),
                    &compiled,
                )?;
                exports.insert(name, format!("{BOUNDARY}::{procedure}"));
            }
        }
        Ok(Self {
            modules: vec![
                BindingsModule {
                    path: CODE.into(),
                    text: compiled.text,
                },
                BindingsModule {
                    path: BOUNDARY.into(),
                    text,
                },
            ],
            exports,
            memory: compiled.memory,
        })
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
        });
        segments.collect()
    }
}

/// The bytes of a value in linear memory, and what its address is a multiple of.
fn layout(ty: &Type) -> (u32, u32) {
    let whole = |types: &mut dyn Iterator<Item = &Type>| {
        let (mut size, mut alignment) = (0_u32, 1);
        for ty in types {
            let (field, align) = layout(ty);
            size = size.next_multiple_of(align) + field;
            alignment = alignment.max(align);
        }
        (size.next_multiple_of(alignment), alignment)
    };
    match ty {
        Type::Bool | Type::S8 | Type::U8 => (1, 1),
        Type::S16 | Type::U16 => (2, 2),
        Type::S64 | Type::U64 => (8, 8),
        Type::Enum(cases) => match cases.len() {
            0..=0x100 => (1, 1),
            0x101..=0x1_0000 => (2, 2),
            _ => (4, 4),
        },
        Type::Flags(flags) => match flags.len() {
            0..=8 => (1, 1),
            9..=16 => (2, 2),
            _ => (4, 4),
        },
        Type::Tuple(types) => whole(&mut types.iter()),
        Type::Record(fields) => whole(&mut fields.iter().map(|field| &field.ty)),
        _ => (4, 4),
    }
}

/// The scalar parts of a value, with their places.
fn parts<'t>(ty: &'t Type, at: u32, found: &mut Vec<Place<'t>>) {
    let mut each = |types: &mut dyn Iterator<Item = &'t Type>| {
        let mut at = at;
        for ty in types {
            let (size, alignment) = layout(ty);
            at = at.next_multiple_of(alignment);
            parts(ty, at, found);
            at += size;
        }
    };
    match ty {
        Type::Tuple(types) => each(&mut types.iter()),
        Type::Record(fields) => each(&mut fields.iter().map(|field| &field.ty)),
        scalar => found.push((at, scalar)),
    }
}

fn core_type(ty: &Type) -> ValueType {
    match ty {
        Type::S64 | Type::U64 => ValueType::I64,
        _ => ValueType::I32,
    }
}

fn width(ty: &Type) -> u32 {
    match core_type(ty) {
        ValueType::I64 => 2,
        ValueType::I32 => 1,
    }
}

/// A function's parameters and result, in parts.
struct Signature<'t> {
    params: Vec<Place<'t>>,
    result: Vec<Place<'t>>,
}

impl<'t> Signature<'t> {
    fn of(function: &'t Function) -> Result<Self, Problem> {
        let mut params = Vec::new();
        for param in &function.params {
            parts(&param.ty, 0, &mut params);
        }
        let mut result = Vec::new();
        if let Some(ty) = &function.result {
            parts(ty, 0, &mut result);
        }
        let refused = params.iter().chain(&result).find_map(|(_, ty)| match ty {
            Type::String
            | Type::Felt
            | Type::List(_)
            | Type::Variant(_)
            | Type::Option(_)
            | Type::Result { .. } => Some(format!("a value of type `{ty}`")),
            _ => None,
        });
        let elements = |places: &[Place<'_>]| places.iter().map(|(_, ty)| width(ty)).sum::<u32>();
        let refused = refused.or_else(|| {
            let is_long = elements(&params) > 14 || elements(&result) > 12;
            is_long.then(|| "more than 14 elements of parameters, or 12 of results".to_owned())
        });
        match refused {
            Some(what) => Err(Problem::WasmType {
                function: function.name.clone(),
                what,
            }),
            None => Ok(Self { params, result }),
        }
    }

    /// Whether the result is in linear memory, with its address in its place.
    fn is_indirect(&self) -> bool {
        self.result.len() > 1
    }

    fn core_params(&self) -> Vec<ValueType> {
        self.params.iter().map(|(_, ty)| core_type(ty)).collect()
    }

    fn core_result(&self) -> Vec<ValueType> {
        match self.is_indirect() {
            true => vec![ValueType::I32],
            false => self.result.iter().map(|(_, ty)| core_type(ty)).collect(),
        }
    }
}

/// Makes an integer of the module a value of its type, as the Canonical ABI does: what is above it is cut.
fn lift(text: &mut String, ty: &Type) {
    let code = match ty {
        Type::Bool => "neq.0",
        Type::U8 => "push.255 u32and",
        Type::U16 => "push.65535 u32and",
        Type::S8 => "push.255 u32and push.128 u32xor push.128 u32wrapping_sub",
        Type::S16 => "push.65535 u32and push.32768 u32xor push.32768 u32wrapping_sub",
        Type::Flags(flags) if flags.len() < 32 => {
            let _ = writeln!(text, "    push.{} u32and", (1_u64 << flags.len()) - 1);
            return;
        }
        _ => return,
    };
    let _ = writeln!(text, "    {code}");
}

fn bits(ty: &Type) -> u32 {
    8 * layout(ty).0.min(4)
}

/// A procedure with the elements of the parameters on the stack, which calls the module's function.
fn export_procedure(
    text: &mut String,
    procedure: &str,
    function: &Function,
    name: &str,
    compiled: &Compiled,
) -> Result<(), Problem> {
    let signature = Signature::of(function)?;
    let (params, results) = (signature.core_params(), signature.core_result());
    let find = |name: &str, params: &[ValueType], results: &[ValueType]| -> Option<&Export> {
        let found = compiled.exports.iter().find(|export| export.name == name);
        found.filter(|export| export.params == params && export.results == results)
    };
    let Some(export) = find(name, &params, &results) else {
        return Err(Problem::WasmSignature {
            function: name.into(),
            expected: format!("{params:?} -> {results:?}"),
        });
    };
    let _ = writeln!(
        text,
        "\n# {name}\npub proc {procedure}\n    exec.::{CODE}::{}",
        export.procedure
    );
    let post = find(&format!("cabi_post_{name}"), &results, &[]);
    if signature.is_indirect() {
        let mut above = 0;
        for (at, ty) in signature.result.iter().rev() {
            let bits = bits(ty);
            for limb in 0..width(ty) {
                let at = at + 4 * limb;
                let _ = writeln!(
                    text,
                    "    dup.{above} push.{at} add exec.::{CODE}::rt_read{bits}"
                );
                above += 1;
            }
            lift(text, ty);
        }
        let _ = writeln!(text, "    movup.{above}");
        match post {
            Some(post) => {
                let _ = writeln!(text, "    exec.::{CODE}::{}", post.procedure);
            }
            None => text.push_str("    drop\n"),
        }
    } else if let [(_, ty)] = signature.result.as_slice() {
        if let Some(post) = post {
            let copy = if width(ty) == 2 {
                "dup.1 dup.1"
            } else {
                "dup.0"
            };
            let _ = writeln!(text, "    {copy} exec.::{CODE}::{}", post.procedure);
        }
        lift(text, ty);
    }
    text.push_str("end\n");
    Ok(())
}

/// A procedure with the module's parameters on the stack, the first on top, which calls the bindings.
fn import_procedure(
    text: &mut String,
    procedure: &str,
    function: &Function,
    binding: &str,
) -> Result<(), Problem> {
    let signature = Signature::of(function)?;
    let _ = writeln!(text, "\n# {}\npub proc {procedure}", function.name);
    // The parameters are checked for what they are in the module: integers of 32 or 64 bits.
    let elements: u32 = signature.params.iter().map(|(_, ty)| width(ty)).sum();
    for (_, ty) in &signature.params {
        lift(text, ty);
        // Each parameter comes to the top once, the last of them last; then all are in order again.
        if elements > 1 {
            for _ in 0..width(ty) {
                let last = elements - 1;
                match last {
                    1 => text.push_str("    swap\n"),
                    last => {
                        let _ = writeln!(text, "    movdn.{last}");
                    }
                }
            }
        }
    }
    let _ = writeln!(text, "    exec.::{binding}");
    if signature.is_indirect() {
        let mut left: u32 = signature.result.iter().map(|(_, ty)| width(ty)).sum();
        for (at, ty) in &signature.result {
            for limb in (0..width(ty)).rev() {
                let at = at + 4 * limb;
                let bits = bits(ty);
                let _ = writeln!(
                    text,
                    "    dup.{left} push.{at} add exec.::{CODE}::rt_write{bits}"
                );
                left -= 1;
            }
        }
        text.push_str("    drop\n");
    }
    text.push_str("end\n");
    Ok(())
}
