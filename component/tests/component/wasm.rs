//! Components from WebAssembly: what crosses their boundary, and what is refused, and at which line.

use miden_cvm_component::{BuildError, Problem};

use crate::{
    bytes::{callee, caller},
    canonical_abi::{echo_files, for_values, link},
    support::{Files, Inputs, run},
    values::{Type, Value, all_types, scalar_types, types_of},
};

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
    assert!(text.contains("a world of its own"), "{text}");
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

/// Puts a module in the place of the component in a folder.
pub fn replace(files: &Files, folder: &str, world: &str, module: &[u8]) {
    let toml = format!(
        "name = \"{folder}\"\nwit = \"{folder}.wit\"\nworld = \"{world}\"\nwasm = \"code.wasm\"\n"
    );
    files.write(&format!("{folder}/component.toml"), toml.as_bytes());
    files.write(&format!("{folder}/code.wasm"), module);
}

const ECHO: &str = "test:echo/echo@1.0.0";

/// Sends a value from assembly to WebAssembly and back.
fn to_wasm(ty: &Type, value: &Value) {
    let files = echo_files(ty, value);
    let module = callee(&format!("{ECHO}#echo"), ty, value);
    replace(&files, "echo", "callee", &module);
    if let Err(error) = run(&link(&files), Inputs::default()) {
        panic!("{ty:?}\n{value:?}\n{error}");
    }
}

/// Sends a value from WebAssembly to assembly and back.
fn from_wasm(ty: &Type, value: &Value) {
    let files = echo_files(ty, value);
    replace(&files, "app", "app", &caller((ECHO, "echo"), ty, value));
    if let Err(error) = run(&link(&files), Inputs::default()) {
        panic!("{ty:?}\n{value:?}\n{error}");
    }
}

#[test]
fn scalars_arrive_in_webassembly() {
    for_values(types_of(scalar_types()), 40, to_wasm);
}

#[test]
fn scalars_arrive_from_webassembly() {
    for_values(types_of(scalar_types()), 40, from_wasm);
}

#[test]
fn lists_and_strings_arrive_in_webassembly() {
    for_values(all_types(), 60, to_wasm);
}

#[test]
fn lists_and_strings_arrive_from_webassembly() {
    for_values(all_types(), 60, from_wasm);
}

#[test]
fn bytes_and_strings_of_all_lengths_arrive() {
    let byte = |number: usize| Value::Scalar(vec![(number * 37 + 33) as u64 % 256]);
    let bytes = (0..13).map(|length| Value::List((0..length).map(byte).collect()));
    let ty = Type::List(Box::new(Type::List(Box::new(Type::Unsigned(8)))));
    let value = Value::List(bytes.collect());
    to_wasm(&ty, &value);
    from_wasm(&ty, &value);
    let character = |number: usize| Value::Scalar(vec![(number * 7 + 33) as u64 % 127]);
    let texts = (0..13).map(|length| Value::List((0..length).map(character).collect()));
    let ty = Type::List(Box::new(Type::String));
    let value = Value::List(texts.collect());
    to_wasm(&ty, &value);
    from_wasm(&ty, &value);
}
