//! Bindings: the assembly that stands between a component's own code and the functions of its world.

mod checks;
mod code;
mod crossing;
mod glue;
pub(crate) mod inline;
pub(crate) mod kernel;
pub(crate) mod resources;
pub(crate) mod stubs;

use std::collections::BTreeMap;

use miden_core::Word;

pub(crate) use checks::Check;
pub(crate) use code::Code;
use crossing::Depth;
use glue::ValueGlue;

use resources::{Handles, WorldTypes};
use stubs::{STUB_MODULE, StubIdentity};

use crate::{
    abi::{Signature, legend},
    wit::{
        Function, FunctionName, Interface, Type, World, built_in, destructor_name, masm_name,
        module_names, quoted,
    },
};

/// The module below which a component finds the functions that its world imports.
pub const BINDINGS_MODULE: &str = "bindings";

/// The module below which the procedures are that others call.
pub(crate) const EXPORTS_MODULE: &str = "exports";

/// The module with what all functions share.
const ABI_MODULE: &str = "abi";

/// The module of the procedure that sets up an instance.
const INIT_MODULE: &str = "instance_init";

/// Where an instance remembers that it is set up; see the memory in `abi.masm`.
const IS_SET_UP: u32 = 0x4000_000c;

/// The code that all functions share, but for the memory of messages.
const ABI: &str = include_str!("abi.masm");

/// Memory for messages, for components that do not say where they want them.
const REALLOC: &str = include_str!("realloc.masm");

/// A module of bindings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindingsModule {
    /// Its path, such as `bindings::bank::log::log`.
    pub path: String,
    /// Its text.
    pub text: String,
}

impl BindingsModule {
    /// The file it would be in, with `/` between the parts.
    pub fn file(&self) -> String {
        format!("{}.masm", self.path.replace("::", "/"))
    }
}

/// The assembly code that a component's world becomes.
#[derive(Debug, Clone)]
pub(crate) struct Bindings {
    /// The modules: one for each interface that is imported or exported, and the ABI's.
    pub(crate) modules: Vec<BindingsModule>,
    /// The stubs that the imports' modules call.
    pub(crate) stubs: BTreeMap<FunctionName, StubIdentity>,
    /// The procedures that others call, as `module::procedure`.
    pub(crate) exports: BTreeMap<FunctionName, String>,
}

/// The implementation of an export of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Implementation {
    /// The procedure, as `module::procedure`.
    pub(crate) procedure: String,
    /// `true` if it takes and leaves values as they cross, so that nothing stands before it.
    pub(crate) raw: bool,
}

/// The module names that bindings take for themselves.
pub(crate) fn is_bindings_module(module: &str) -> bool {
    let first = module.split("::").next();
    let own = [BINDINGS_MODULE, EXPORTS_MODULE, ABI_MODULE, INIT_MODULE];
    first.is_some_and(|first| own.contains(&first))
}

/// The stubs of all functions that a world imports.
pub(crate) fn stub_identities(world: &World) -> BTreeMap<FunctionName, StubIdentity> {
    let names = world.imports.iter().map(|interface| &interface.name);
    let modules = module_names(names);
    let interfaces = world.imports.iter().zip(modules);
    interfaces
        .flat_map(|(interface, module)| {
            interface.functions.iter().map(move |function| {
                let (named, version) = interface.name.identity();
                let identity = StubIdentity {
                    name: format!("{module}::{}", masm_name(&function.name)),
                    interface: named,
                    version,
                    function: function.name.clone(),
                };
                ((interface.name.clone(), function.name.clone()), identity)
            })
        })
        .collect()
}

impl Bindings {
    /// The bindings of a world whose exports are implemented as given; those that are not have none.
    /// `types` are the world's resource types. `realloc` is the procedure that gives memory for messages,
    /// if the component has one of its own. `init` is the procedure that sets up an instance, if there is
    /// one: it is executed when the instance is entered for the first time. `roots` are the functions that
    /// are exact procedures, which have no stubs.
    pub(crate) fn new(
        world: &World,
        types: &WorldTypes,
        implementations: &BTreeMap<FunctionName, Implementation>,
        realloc: Option<&str>,
        init: Option<&str>,
        roots: &BTreeMap<FunctionName, Word>,
    ) -> Self {
        let stubs = stub_identities(world);
        let mut modules = vec![abi_module(realloc)];
        modules.extend(init.map(init_module));
        let import_modules = module_names(world.imports.iter().map(|interface| &interface.name));
        for (interface, module) in world.imports.iter().zip(import_modules) {
            // A module has to have a procedure; an interface of resource types alone has none.
            if interface.functions.is_empty() {
                continue;
            }
            let handles = Handles::of_imports(world, types);
            modules.push(import_module(interface, &module, handles, roots));
        }
        let built_in = module_names(world.built_in.iter().map(|interface| &interface.name));
        for (interface, module) in world.built_in.iter().zip(built_in) {
            let handles = Handles::of_imports(world, types);
            modules.push(built_in_module(interface, &module, handles));
        }
        let mut exports = BTreeMap::new();
        let export_modules = module_names(world.exports.iter().map(|interface| &interface.name));
        for (interface, module) in world.exports.iter().zip(export_modules) {
            let path = format!("{EXPORTS_MODULE}::{module}");
            let mut code = Code::default();
            let handles = Handles::of_export(world, types, &interface.name);
            let mut lists = ValueGlue::new(handles);
            for function in &interface.functions {
                let key = (interface.name.clone(), function.name.clone());
                let Some(implementation) = implementations.get(&key) else {
                    continue;
                };
                let procedure = &implementation.procedure;
                let is_set_up = init.is_some();
                if implementation.raw {
                    raw_procedure(&mut code, function, procedure, is_set_up, handles);
                } else {
                    export_procedure(
                        &mut code, &mut lists, function, procedure, is_set_up, handles,
                    );
                }
                exports.insert(key, format!("{path}::{}", masm_name(&function.name)));
            }
            let body = code.finish();
            if !body.is_empty() {
                let text = format!(
                    "# The functions of {} as others call them.\n{body}{}",
                    interface.name,
                    lists.procedures()
                );
                modules.push(BindingsModule { path, text });
            }
        }
        Self {
            modules,
            stubs,
            exports,
        }
    }
}

fn abi_module(realloc: Option<&str>) -> BindingsModule {
    let text = match realloc {
        Some(procedure) => ABI.replace("exec.realloc", &format!("exec.::{}", quoted(procedure))),
        None => format!("{ABI}{REALLOC}"),
    };
    BindingsModule {
        path: ABI_MODULE.into(),
        text,
    }
}

/// The module of the procedure that sets up an instance once.
fn init_module(procedure: &str) -> BindingsModule {
    let text = format!(
        "# Sets up an instance.\n\n\
         # 1 once the instance is set up. Neither compiled code nor messages use this address.\n\
         const IS_SET_UP = {IS_SET_UP}\n\n\
         #! Executes the procedure that sets up an instance, if it was not yet.\n\
         pub proc once\n    \
             push.IS_SET_UP mem_load eq.0\n    \
             if.true\n        \
                 push.1 push.IS_SET_UP mem_store\n        \
                 exec.::{}\n    \
             end\n\
         end\n",
        quoted(procedure)
    );
    BindingsModule {
        path: INIT_MODULE.into(),
        text,
    }
}

fn import_module(
    interface: &Interface,
    module: &str,
    handles: Handles<'_>,
    roots: &BTreeMap<FunctionName, Word>,
) -> BindingsModule {
    let mut code = Code::default();
    let mut lists = ValueGlue::new(handles);
    for function in &interface.functions {
        let Signature { params, results } = Signature::of(function);
        let name = masm_name(&function.name);
        describe(&mut code, function, handles);
        code.block(format!("pub proc {name}"), |code| {
            let root = roots.get(&(interface.name.clone(), function.name.clone()));
            let callee = match root {
                Some(root) => root.to_hex(),
                None => format!("::{STUB_MODULE}::{module}::{name}"),
            };
            lists.call(code, &callee, &params, &results);
        });
    }
    let mut text = format!("# The functions of {}.\n", interface.name);
    for line in interface.docs.lines() {
        text.push_str(format!("# {}", line.trim()).trim_end());
        text.push('\n');
    }
    BindingsModule {
        path: format!("{BINDINGS_MODULE}::{module}"),
        text: text + &code.finish() + &lists.procedures(),
    }
}

/// The functions of an interface that are instructions.
fn built_in_module(interface: &Interface, module: &str, handles: Handles<'_>) -> BindingsModule {
    let mut code = Code::default();
    for function in &interface.functions {
        describe(&mut code, function, handles);
        let instructions = built_in::code(&interface.name, function).unwrap_or_default();
        code.block(format!("pub proc {}", masm_name(&function.name)), |code| {
            code.line(instructions);
        });
    }
    BindingsModule {
        path: format!("{BINDINGS_MODULE}::{module}"),
        text: format!("# The functions of {}.\n{}", interface.name, code.finish()),
    }
}

/// Executing one procedure and nothing else is that procedure, so this costs nothing.
fn raw_procedure(
    code: &mut Code,
    function: &Function,
    procedure: &str,
    is_set_up: bool,
    handles: Handles<'_>,
) {
    describe(code, function, handles);
    code.block(format!("pub proc {}", masm_name(&function.name)), |code| {
        if is_set_up {
            code.line(format!("exec.::{INIT_MODULE}::once"));
        }
        code.line(format!("exec.::{}", quoted(procedure)));
    });
}

fn export_procedure(
    code: &mut Code,
    lists: &mut ValueGlue<'_>,
    function: &Function,
    procedure: &str,
    is_set_up: bool,
    handles: Handles<'_>,
) {
    let Signature { params, results } = Signature::of(function);
    describe(code, function, handles);
    code.block(format!("pub proc {}", masm_name(&function.name)), |code| {
        if is_set_up {
            code.line(format!("exec.::{INIT_MODULE}::once"));
        }
        let depth = Depth::new(&params, &results);
        lists.receive_params(code, &params, depth);
        code.line(format!("exec.::{}", quoted(procedure)));
        lists.send_results(code, &results, depth);
    });
}

/// The doc comment of a procedure that stands for a function.
fn describe(code: &mut Code, function: &Function, handles: Handles<'_>) {
    let Signature { params, results } = Signature::of(function);
    code.line("");
    if !function.docs.trim().is_empty() {
        code.docs(&function.docs);
        code.docs("\n");
    }
    code.docs(&format!("{function}"));
    code.docs("\n");
    code.docs(&format!("Inputs:  [{}]", params.stack_names().join(", ")));
    code.docs(&format!("Outputs: [{}]", results.stack_names().join(", ")));
    let params = function.params.iter();
    let named = params.map(|param| (param.name.as_str(), &param.ty));
    let named = named.chain(function.result.iter().map(|ty| ("result", ty)));
    let legend: Vec<String> = named.flat_map(|(name, ty)| legend(name, ty)).collect();
    if !legend.is_empty() {
        code.docs("\n");
        code.wrapped_docs(&legend.join("\n"));
    }
    for param in &function.params {
        if let Type::Borrow(of) = &param.ty
            && handles.defines(of)
        {
            code.docs("\n");
            code.docs(&format!(
                "Where {} is not a handle but what it stands for.",
                param.name
            ));
        }
    }
}

/// A module with a procedure for each function that an interface exports, to be filled in; each traps.
/// Destructors do nothing. `notes` are comments about the interface.
pub(crate) fn skeleton(interface: &Interface, notes: &str, handles: Handles<'_>) -> String {
    let mut code = Code::default();
    for resource in &interface.resources {
        code.line("");
        code.docs(&format!(
            "Runs when nobody owns a `{resource}` any more.\n\nInputs:  [rep]\nOutputs: []"
        ));
        code.block(format!("pub proc {}", destructor_name(resource)), |code| {
            code.line("drop");
        });
    }
    for function in &interface.functions {
        describe(&mut code, function, handles);
        code.block(format!("pub proc {}", masm_name(&function.name)), |code| {
            code.line(format!(
                "push.0 assert.err=\"{} is not written yet\"",
                function.name
            ));
        });
    }
    format!("# {}\n{notes}{}", interface.name, code.finish())
}
