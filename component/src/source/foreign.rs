//! The files of a new component whose code a compiler for WebAssembly makes.

use crate::{
    source::{new_file::NewFile, wasm::exported_type},
    text::names::wit_name,
    wit::{World, find::full_name, masm_name, module_names},
};
use miden_cvm_wasm::ValueType;

/// The crate that makes bindings for Rust.
const WIT_BINDGEN: &str = "0.57.1";

/// The world that a component in Rust or C starts from without another one: functions of the world itself
/// need no path in either language.
pub(super) fn starter(name: &str) -> String {
    let name = wit_name(name);
    format!(
        "package my:%{name}@0.1.0;\n\n\
         world {name}-world {{\n    \
             /// Adds two numbers.\n    \
             export add: func(a: u32, b: u32) -> u32;\n\
         }}\n"
    )
}

/// A crate; `world` is named if it has to be chosen, and `is_starter` says that it is [`starter`]'s.
pub(super) fn rust(name: &str, world: Option<&str>, is_starter: bool) -> Vec<NewFile> {
    let world = world.map_or(String::new(), |world| format!("\n    world: \"{world}\","));
    let code = match is_starter {
        true => format!(
            "wit_bindgen::generate!({{\n    path: \"wit\",{world}\n    generate_all,\n}});\n\n\
             struct Component;\n\n\
             impl Guest for Component {{\n    \
                 fn add(a: u32, b: u32) -> u32 {{\n        a.wrapping_add(b)\n    }}\n\
             }}\n\n\
             export!(Component);\n"
        ),
        false => format!(
            "// `stubs` makes functions that do nothing but trap. Take it out, implement the traits `Guest` in\n\
             // `exports` for a type of your own (`cargo doc --open` shows them), and `export!` that type.\n\
             wit_bindgen::generate!({{\n    path: \"wit\",{world}\n    generate_all,\n    stubs,\n}});\n"
        ),
    };
    vec![
        NewFile::new(
            crate::COMPONENT_FILE,
            format!(
                "name = \"{name}\"\n\
                 # Made by `cargo build --release`. The world is in it.\n\
                 wasm = \"target/wasm32-unknown-unknown/release/component.wasm\"\n"
            ),
        ),
        NewFile::new(
            "Cargo.toml",
            format!(
                "[package]\nname = \"component-{name}\"\nversion = \"0.1.0\"\nedition = \"2021\"\npublish = false\n\n\
                 [lib]\nname = \"component\"\ncrate-type = [\"cdylib\"]\n\n\
                 [dependencies]\nwit-bindgen = {{ version = \"{WIT_BINDGEN}\", default-features = false, \
                 features = [\"macros\", \"realloc\", \"bitflags\"] }}\n\n\
                 [profile.release]\nopt-level = \"s\"\nlto = true\npanic = \"abort\"\ncodegen-units = 1\n\n\
                 [workspace]\n"
            ),
        ),
        NewFile::new(
            "rust-toolchain.toml",
            "[toolchain]\nchannel = \"stable\"\ntargets = [\"wasm32-unknown-unknown\"]\n",
        ),
        NewFile::new(
            ".cargo/config.toml",
            "[build]\ntarget = \"wasm32-unknown-unknown\"\n",
        ),
        NewFile::new("src/lib.rs", code),
    ]
}

/// A source in C with a function for each export, and how it is compiled.
pub(super) fn c(
    name: &str,
    selected: Option<&str>,
    world: &World,
    is_starter: bool,
) -> Vec<NewFile> {
    let mut code = String::from(
        "// The functions of the world in `wit`, with the types that the Canonical ABI gives them.\n\
         #include <stddef.h>\n#include <stdint.h>\n\n\
         #define EXPORT(name) __attribute__((export_name(name)))\n\n\
         // Gives memory for strings, lists, and what else does not fit into parameters.\n\
         EXPORT(\"cabi_realloc\")\n\
         void *cabi_realloc(void *old, size_t old_size, size_t align, size_t size) {\n    \
             extern unsigned char __heap_base;\n    \
             static size_t end;\n    \
             size_t block = ((end ? end : (size_t)&__heap_base) + align - 1) & -align;\n    \
             size_t pages = (block + size + 0xffff) / 0x10000, has = __builtin_wasm_memory_size(0);\n    \
             if (block + size < block || (pages > has && __builtin_wasm_memory_grow(0, pages - has) == (size_t)-1)) {\n        \
                 __builtin_trap();\n    }\n    \
             end = block + size;\n    \
             return old ? __builtin_memcpy((void *)block, old, old_size < size ? old_size : size) : (void *)block;\n\
         }\n",
    );
    let names = module_names(world.exports.iter().map(|interface| &interface.name));
    for (interface, module) in world.exports.iter().zip(names) {
        let module = module.replace("::", "_");
        for function in &interface.functions {
            let (params, results) = exported_type(function);
            let params = params.iter().enumerate().map(|(number, ty)| {
                let name = [b'a' + number as u8];
                format!("{} {}", c_type(*ty), String::from_utf8_lossy(&name))
            });
            let params: Vec<String> = params.collect();
            let params = match params.is_empty() {
                true => "void".into(),
                false => params.join(", "),
            };
            let result = results.first().map_or("void", |ty| c_type(*ty));
            let body = match is_starter {
                true => "return a + b;",
                false => "__builtin_trap(); // It is not written yet.",
            };
            code += &format!(
                "\n// {function}\nEXPORT(\"{}\")\n{result} {module}__{}({params}) {{\n    {body}\n}}\n",
                full_name(&(interface.name.clone(), function.name.clone())),
                masm_name(&function.name),
            );
        }
    }
    let selected = selected.map_or(String::new(), |world| format!("world = \"{world}\"\n"));
    vec![
        NewFile::new(
            crate::COMPONENT_FILE,
            format!(
                "name = \"{name}\"\nwit = \"wit\"\n{selected}\
                 # Made by `make`.\nwasm = \"component.wasm\"\n"
            ),
        ),
        NewFile::new(
            "Makefile",
            "# A clang that compiles for WebAssembly, and its linker `wasm-ld`.\n\
             CLANG ?= clang\n\n\
             component.wasm: component.c\n\
             \t$(CLANG) --target=wasm32 -Os -nostdlib -fno-builtin-memcpy -mbulk-memory -Wl,--no-entry -o $@ $<\n",
        ),
        NewFile::new("component.c", code),
    ]
}

fn c_type(ty: ValueType) -> &'static str {
    match ty {
        ValueType::I32 => "uint32_t",
        ValueType::I64 => "uint64_t",
        ValueType::Reference => "__externref_t",
    }
}
