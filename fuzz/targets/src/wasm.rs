//! Core modules of WebAssembly.

use miden_assembly::Assembler;
use miden_cvm::core_library;
use miden_cvm_wasm::{Options, compile};

use crate::example;

/// The longest assembly that is assembled too.
const MAX_TEXT: usize = 1 << 15;

/// Compiles bytes as a module. What comes of it is assembly that is right.
pub fn wasm(bytes: &[u8]) {
    let options = Options {
        skip_unsupported: bytes.len().is_multiple_of(2),
        fixed_memory: bytes.len().is_multiple_of(3),
        access: true,
        ..Options::default()
    };
    let Ok(compiled) = compile(bytes, &options) else {
        return;
    };
    assert!(
        compiled
            .memory
            .keys()
            .all(|address| *address < compiled.memory_end)
    );
    // A module without functions is no module of assembly.
    if compiled.text.len() > MAX_TEXT || !compiled.text.contains("proc ") {
        return;
    }
    let mut assembler = Assembler::default();
    if compiled.text.contains("miden::core") {
        assembler
            .link_static_library(core_library())
            .expect("the core library");
    }
    if let Err(error) = assembler.assemble_library([compiled.text.as_str()]) {
        panic!("{error}\n{}", compiled.text);
    }
}

/// Modules from three compilers.
pub(crate) fn wasm_seeds() -> Vec<Vec<u8>> {
    let modules = [
        "kernels/kernels/kernels.wasm",
        "market/deps/market/token/token.wasm",
        "../wasm/tests/ordered/ordered.wasm",
    ];
    modules.map(example).into()
}
