//! Components from WebAssembly: what is refused, and at which line.

use miden_cvm_component::{BuildError, Problem};

use crate::support::Files;

/// A module without anything in it.
const EMPTY: &[u8] = b"\0asm\x01\0\0\0";

fn load(toml: &str, wit: &str, module: &[u8]) -> Result<(), BuildError> {
    let files = Files::new(&[("component.toml", toml), ("x.wit", wit), ("a.masm", "")]);
    files.write("x.wasm", module);
    files.component(".").map(|_| ())
}

fn problem(toml: &str, wit: &str, module: &[u8]) -> String {
    let error = load(toml, wit, module).expect_err("a mistake");
    error.to_string()
}

const TOML: &str = "name = \"x\"\nwit = \"x.wit\"\nwasm = \"x.wasm\"\n";

#[test]
fn a_module_has_what_its_world_exports() {
    let wit = "package a:b;\nworld w { export f: func(a: u64) -> u8; }\n";
    let text = problem(TOML, wit, EMPTY);
    assert!(text.contains("component.toml:3"), "{text}");
    assert!(text.contains("`f`") && text.contains("I64"), "{text}");
}

#[test]
fn damaged_modules_are_refused_with_the_place() {
    let wit = "package a:b;\nworld w { }\n";
    for length in 0..EMPTY.len() {
        let text = problem(TOML, wit, &EMPTY[..length]);
        assert!(text.contains("not a valid WebAssembly module"), "{text}");
    }
    let text = problem(TOML, wit, b"\0asm\x0d\0\x01\0");
    assert!(text.contains("WebAssembly component"), "{text}");
}

#[test]
fn what_cannot_cross_is_refused_by_the_function() {
    for ty in ["string", "list<u8>", "option<u32>", "result<u32>"] {
        let wit = format!("package a:b;\nworld w {{ export f: func(a: {ty}); }}\n");
        let error = load(TOML, &wit, EMPTY).expect_err("a mistake");
        let Problem::WasmType { function, .. } = &*error.problem else {
            panic!("{error}");
        };
        assert_eq!(function, "f");
    }
}

#[test]
fn a_module_stands_alone() {
    let wit = "package a:b;\nworld w { }\n";
    for more in [
        "sources = [\"a.masm\"]",
        "package = \"a.masp\"",
        "realloc = \"a::b\"",
    ] {
        let error = load(&format!("{TOML}{more}\n"), wit, EMPTY).expect_err("a mistake");
        assert!(matches!(*error.problem, Problem::WasmForm(_)), "{error}");
    }
    let error = load("name = \"x\"\nwasm = \"x.wasm\"\n", wit, EMPTY).expect_err("a mistake");
    assert!(matches!(*error.problem, Problem::WasmForm(_)), "{error}");
}
