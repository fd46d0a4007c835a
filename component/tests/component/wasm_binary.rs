//! Components in the binary format, as the Component Model's own tools make them.

use std::collections::BTreeSet;

use miden_cvm_component::split_component;
use wasmparser::{Validator, WasmFeatures};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::{
    bytes::{callee, caller},
    canonical_abi::{echo_files, for_values, link},
    support::{Files, Inputs, run},
    values::{Type, Value, all_types, scalar_types, types_of},
    wasm_boundary::module,
};

const CORE_TYPES: &str = "package miden:cvm@1.0.0;
    interface core-types { record felt { inner: u64 } }";

const ECHO: &str = "test:echo/echo@1.0.0";

/// A core module with its world in it, as `wit-bindgen` leaves it.
fn with_world(wit: &str, world: &str, module: &[u8]) -> Vec<u8> {
    let mut resolve = Resolve::default();
    resolve.push_str("core-types.wit", CORE_TYPES).expect("WIT");
    let package = resolve.push_str("test.wit", wit).expect("WIT");
    let world = resolve
        .select_world(&[package], Some(world))
        .expect("a world");
    let mut module = module.to_vec();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .expect("a world that can be embedded");
    module
}

/// The component that a core module and a world make.
fn component(wit: &str, world: &str, module: &[u8]) -> Vec<u8> {
    let module = with_world(wit, world, module);
    let mut encoder = ComponentEncoder::default();
    encoder
        .validate(true)
        .module(&module)
        .expect("a core module");
    encoder.encode().expect("a component")
}

/// Puts a component in the place of that in a folder.
fn replace(files: &Files, folder: &str, component: &[u8]) {
    let toml = format!("name = \"{folder}\"\nwasm = \"code.wasm\"\n");
    files.write(&format!("{folder}/component.toml"), toml.as_bytes());
    files.write(&format!("{folder}/code.wasm"), component);
}

fn wit(files: &Files, folder: &str) -> String {
    String::from_utf8(files.read(&format!("{folder}/{folder}.wit"))).expect("text")
}

/// How a core module and a world are put together.
type Making = fn(&str, &str, &[u8]) -> Vec<u8>;

/// Sends a value from one component to another and back.
fn between(make: Making, ty: &Type, value: &Value) {
    let files = echo_files(ty, value);
    let called = callee(&format!("{ECHO}#echo"), ty, value);
    replace(
        &files,
        "echo",
        &make(&wit(&files, "echo"), "callee", &called),
    );
    let calls = caller((ECHO, "echo"), ty, value);
    replace(&files, "app", &make(&wit(&files, "app"), "app", &calls));
    if let Err(error) = run(&link(&files), Inputs::default()) {
        panic!("{ty:?}\n{value:?}\n{error}");
    }
}

#[test]
fn components_of_other_tools_call_each_other() {
    let made = |ty: &Type, value: &Value| between(component, ty, value);
    for_values(types_of(scalar_types()), 5, made);
    for_values(all_types(), 10, made);
}

#[test]
fn modules_of_other_tools_have_their_world_too() {
    let made = |ty: &Type, value: &Value| between(with_world, ty, value);
    for_values(all_types(), 5, made);
}

/// Why a component is refused.
fn refusal(text: &str) -> String {
    let files = Files::new(&[("component.toml", "name = \"x\"\nwasm = \"x.wasm\"\n")]);
    files.write("x.wasm", &module(text));
    files
        .component(".")
        .map(|_| ())
        .expect_err("a mistake")
        .to_string()
}

#[test]
fn components_that_are_not_understood_are_refused_by_what_they_have() {
    let cases = [
        (
            "(component
                (core module $a (memory (export \"m\") 1) (func (export \"f\") (result i32) i32.const 1))
                (core module $b (import \"a\" \"m\" (memory 1)) (import \"a\" \"f\" (func $f (result i32)))
                    (memory 1)
                    (func (export \"g\") (result i32) call $f i32.load i32.load 1))
                (core instance $x (instantiate $a))
                (core instance $y (instantiate $b (with \"a\" (instance $x))))
                (func (export \"g\") (result u32) (canon lift (core func $y \"g\"))))",
            "uses 2 memories",
        ),
        (
            "(component
                (core func $s (canon waitable-set.new))
                (core module $m (import \"\" \"s\" (func $s (result i32)))
                    (func (export \"f\") (result i32) call $s))
                (core instance $i (instantiate $m (with \"\" (instance (export \"s\" (func $s))))))
                (func (export \"f\") (result u32) (canon lift (core func $i \"f\"))))",
            "built-in function `WaitableSetNew`",
        ),
        (
            "(component
                (component $c (core module $m (func (export \"f\"))) (core instance $i (instantiate $m))
                    (func (export \"f\") (canon lift (core func $i \"f\"))))
                (instance $c (instantiate $c))
                (func (export \"f\") (alias export $c \"f\")))",
            "`miden-cvm component split` makes a composition of such",
        ),
        (
            "(component
                (core module $m (func (export \"f\") (result i32) i32.const 0) (func (export \"r\")))
                (core instance $i (instantiate $m))
                (func (export \"f\") async (result u32) (canon lift (core func $i \"f\"))))",
            "Miden cannot express an `async` function",
        ),
        (
            "(component
                (import \"wasi:http/types@0.2.6\" (instance (export \"f\" (func))))
                (import \"wasi:cli/stderr@0.2.6\" (instance (export \"f\" (func))))
                (import \"wasi:sockets/tcp@0.2.6\" (instance (export \"f\" (func)))))",
            "is not there: `wasi:http/types@0.2.6`, `wasi:sockets/tcp@0.2.6`",
        ),
        (
            "(component (import \"m\" (core module)) (core module $m) (core instance (instantiate $m)))",
            "`m`",
        ),
    ];
    for (text, expected) in cases {
        let error = refusal(text);
        assert!(error.contains(expected), "{text}: {error}");
    }
    let error = refusal(
        "(component
            (core module $m (memory (export \"memory\") 1) (func (export \"f\") (param i32 i32))
                (func (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32) unreachable))
            (core instance $i (instantiate $m))
            (func (export \"f\") (param \"a\" string) (canon lift (core func $i \"f\")
                string-encoding=utf16 (memory $i \"memory\") (realloc (func $i \"cabi_realloc\")))))",
    );
    assert!(error.contains("UTF-8"), "{error}");
}

#[test]
fn damaged_components_are_refused() {
    let ty = Type::List(Box::new(Type::String));
    let value = Value::List(Vec::new());
    let files = echo_files(&ty, &value);
    let calls = caller((ECHO, "echo"), &ty, &value);
    let whole = component(&wit(&files, "app"), "app", &calls);
    let load = |bytes: &[u8]| {
        replace(&files, "app", bytes);
        files.component("app").map(|_| ())
    };
    load(&whole).unwrap_or_else(|error| panic!("{error}"));
    let parts = (8..whole.len())
        .step_by(97)
        .map(|end| whole[..end].to_vec());
    let changed = (8..whole.len()).step_by(61).map(|place| {
        let mut changed = whole.clone();
        changed[place] ^= 0x15;
        changed
    });
    for bytes in parts.chain(changed) {
        let mut validator = Validator::new_with_features(WasmFeatures::all());
        let is_valid = validator.validate_all(&bytes).is_ok();
        // What is valid still may be another component, or none that is understood; nothing panics.
        assert!(load(&bytes).is_err() || is_valid);
    }
}

/// A component that calls `a` of an interface through a table, as those do that need memory for it.
const THROUGH_A_TABLE: &str = "(component
    (import \"t:t/i\" (instance $i
        (export \"a\" (func (param \"x\" string)))
        (export \"b\" (func (param \"x\" string)))))
    (core module $shim
        (type $t (func (param i32 i32)))
        (func (export \"0\") (type $t) local.get 0 local.get 1 i32.const 0 call_indirect (type $t))
        (func (export \"1\") (type $t) local.get 0 local.get 1 i32.const 1 call_indirect (type $t))
        (table (export \"table\") 2 2 funcref))
    (core module $main
        (import \"t:t/i\" \"a\" (func (param i32 i32)))
        (memory (export \"memory\") 1)
        (func (export \"_initialize\")) (func (export \"other\")))
    (core module $fixup
        (import \"\" \"0\" (func (param i32 i32)))
        (import \"\" \"1\" (func (param i32 i32)))
        (import \"\" \"first\" (func))
        (import \"\" \"table\" (table 2 2 funcref))
        (elem (i32.const 0) func 0 1)
        (start 2))
    (core instance $s (instantiate $shim))
    (core instance $m (instantiate $main
        (with \"t:t/i\" (instance (export \"a\" (func $s \"0\"))))))
    (alias core export $m \"memory\" (core memory $memory))
    (core func $a (canon lower (func $i \"a\") (memory $memory)))
    (core func $b (canon lower (func $i \"b\") (memory $memory)))
    (core instance (instantiate $fixup (with \"\" (instance
        (export \"0\" (func $a)) (export \"1\" (func $b)) (export \"first\" (func $m \"_initialize\"))
        (export \"table\" (table $s \"table\")))))))";

/// A component that drops resources of another's.
const DROPS: &str = "(component
    (import \"t:t/i\" (instance $i
        (export \"a\" (type (sub resource))) (export \"b\" (type (sub resource)))))
    (alias export $i \"a\" (type $a))
    (alias export $i \"b\" (type $b))
    (core func $drop (canon resource.drop $a))
    (core module $m (import \"t:t/i\" \"[resource-drop]a\" (func (param i32))))
    (core instance (instantiate $m
        (with \"t:t/i\" (instance (export \"[resource-drop]a\" (func $drop)))))))";

/// A component with a function of its own.
const OFFERS: &str = "(component
    (core module $m
        (func (export \"f\") (result i32) i32.const 1)
        (func (export \"g\") (result i32) i32.const 2)
        (func (export \"cabi_post_f\") (param i32)))
    (core instance $i (instantiate $m))
    (func (export \"f\") (result u32)
        (canon lift (core func $i \"f\") (post-return (func $i \"cabi_post_f\")))))";

/// The names that core modules have for things are theirs; what a component says is what counts.
#[test]
fn functions_are_what_the_component_says() {
    for (text, named, other) in [
        (
            THROUGH_A_TABLE,
            "(export \"0\" (func $a)) (export \"1\" (func $b))",
            "(export \"0\" (func $b)) (export \"1\" (func $a))",
        ),
        (
            THROUGH_A_TABLE,
            "(elem (i32.const 0) func 0 1)",
            "(elem (i32.const 0) func 0 1) (elem (i32.const 0) func 1)",
        ),
        (THROUGH_A_TABLE, "(func $s \"0\")", "(func $s \"1\")"),
        (
            THROUGH_A_TABLE,
            "(func $m \"_initialize\")",
            "(func $m \"other\")",
        ),
        (DROPS, "resource.drop $a", "resource.drop $b"),
        (OFFERS, "(core func $i \"f\")", "(core func $i \"g\")"),
        (OFFERS, " (post-return (func $i \"cabi_post_f\"))", ""),
    ] {
        assert!(text.contains(named), "{named}");
        let load = |text: &str| {
            let files = Files::new(&[("component.toml", "name = \"x\"\nwasm = \"x.wasm\"\n")]);
            files.write("x.wasm", &module(text));
            let component = files.component(".");
            component.unwrap_or_else(|error| panic!("{text}\n{error}"))
        };
        let (named, other) = (load(text), load(&text.replace(named, other)));
        for (name, export) in &named.exports {
            assert_ne!(export.digest, other.exports[name].digest, "{name}");
        }
    }
}

/// A function of one core module and the data of another, which share a memory and a table.
const TWO_MODULES: &str = "(component
    (core module $libc (memory (export \"memory\") 1) (table (export \"table\") 4 funcref)
        (global (export \"base\") i32 (i32.const 1024))
        (func (export \"start\") (result i32) (i32.const 7)))
    (core module $main
        (import \"libc\" \"memory\" (memory 1)) (import \"libc\" \"table\" (table 4 funcref))
        (import \"libc\" \"base\" (global $base i32))
        (type $t (func (result i32)))
        (data (global.get $base) \"\\05\\00\\00\\00\") (data $p \"\\06\\00\\00\\00\")
        (elem (i32.const 1) func $three) (elem $e func $four)
        (func $three (result i32) i32.const 3) (func $four (result i32) i32.const 4)
        (func $first (memory.init $p (i32.const 2048) (i32.const 0) (i32.const 4)) (data.drop $p)
            (table.init $e (i32.const 2) (i32.const 0) (i32.const 1)))
        (start $first)
        (func (export \"sum\") (param i32) (result i32)
            (i32.add (call_indirect (type $t) (local.get 0))
                (i32.add (i32.load (global.get $base)) (i32.load (i32.const 2048))))))
    (core instance $l (instantiate $libc))
    (core instance $m (instantiate $main (with \"libc\" (instance $l))))
    (func (export \"sum\") (param \"a\" u32) (result u32) (canon lift (core func $m \"sum\"))))";

#[test]
fn core_modules_of_one_component_share_memories_tables_and_globals() {
    for (argument, expected) in [(1, 5 + 6 + 3), (2, 5 + 6 + 4)] {
        let files = Files::new(&[
            (
                "sum/component.toml",
                "name = \"sum\"\nwasm = \"sum.wasm\"\n",
            ),
            (
                "app/component.toml",
                "name = \"app\"\nwit = \"app.wit\"\nsources = [\"app.masm\"]\n\
              exports.main.procedure = \"app::main\"\n",
            ),
            (
                "app/app.wit",
                "package a:b; world app { import sum: func(a: u32) -> u32; export main: func(); }",
            ),
            (
                "app/app.masm",
                &format!(
                    "pub proc main push.{argument} exec.::bindings::world::sum push.{expected} assert_eq end"
                ),
            ),
            (
                "composition.toml",
                "main = \"app.main\"\n[instances]\napp = { component = \"app\", imports.sum = \"sum.sum\" }\n\
                 sum.component = \"sum\"\n",
            ),
        ]);
        files.write("sum/sum.wasm", &module(TWO_MODULES));
        run(&link(&files), Inputs::default()).unwrap_or_else(|error| panic!("{error}"));
    }
}

/// A component that calls another one in it, which has a resource type.
const NESTED: &str = "(component
    (component $c
        (core module $d (func (export \"dtor\") (param i32)))
        (core instance $d (instantiate $d))
        (type $R' (resource (rep i32) (dtor (core func $d \"dtor\"))))
        (export $R \"r\" (type $R'))
        (core func $new (canon resource.new $R'))
        (core module $m (import \"\" \"new\" (func $new (param i32) (result i32)))
            (func (export \"make\") (param i32) (result i32) (call $new (local.get 0))))
        (core instance $i (instantiate $m (with \"\" (instance (export \"new\" (func $new))))))
        (func (export \"make\") (param \"rep\" u32) (result (own $R)) (canon lift (core func $i \"make\"))))
    (component $d
        (import \"c\" (instance $c (export \"r\" (type $R (sub resource)))
            (export \"make\" (func (param \"rep\" u32) (result (own $R))))))
        (alias export $c \"r\" (type $R))
        (core func $drop (canon resource.drop $R))
        (core func $make (canon lower (func $c \"make\")))
        (core module $m
            (import \"\" \"make\" (func $make (param i32) (result i32))) (import \"\" \"drop\" (func $drop (param i32)))
            (func (export \"f\") (param i32) (result i32) (local $h i32)
                (local.set $h (call $make (local.get 0))) (call $drop (local.get $h)) (local.get $h)))
        (core instance $i (instantiate $m (with \"\" (instance
            (export \"make\" (func $make)) (export \"drop\" (func $drop))))))
        (func (export \"f\") (param \"a\" u32) (result u32) (canon lift (core func $i \"f\"))))
    (instance $c (instantiate $c))
    (instance $d (instantiate $d (with \"c\" (instance $c))))
    (export \"f\" (func $d \"f\")))";

#[test]
fn damaged_components_in_components_are_refused() {
    let files = Files::new(&[]);
    let split = |bytes: &[u8], only: Option<&str>| {
        files.write("x.wasm", bytes);
        let only = only.map(|name| BTreeSet::from([name.to_owned()]));
        split_component(&files.path("x.wasm"), only.as_ref())
    };
    let whole = module(NESTED);
    let made = split(&whole, Some("f")).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(made.len(), 7);
    let error = split(&whole, Some("g"))
        .expect_err("there is no `g`")
        .to_string();
    assert!(error.contains("no function `g`"), "{error}");
    let error = split(&module("(component)"), None).expect_err("nothing is there");
    assert!(
        error.to_string().contains("it exports no function"),
        "{error}"
    );
    let parts = (8..whole.len()).map(|end| whole[..end].to_vec());
    let changed = (8..whole.len()).map(|place| {
        let mut changed = whole.clone();
        changed[place] ^= 0x15;
        changed
    });
    for bytes in parts.chain(changed) {
        let mut validator = Validator::new_with_features(WasmFeatures::all());
        let is_valid = validator.validate_all(&bytes).is_ok();
        // What is valid may be another component; a panic would be an error with these words.
        match split(&bytes, None) {
            Ok(_) => assert!(is_valid),
            Err(error) => assert!(!error.to_string().contains("gave up"), "{error}"),
        }
    }
}

#[test]
fn components_are_instantiated_only_so_often() {
    let mut text = String::from("(component (component $c0)");
    for level in 1..25 {
        let inner = level - 1;
        text += &format!(
            "(component $c{level} (alias outer 1 $c{inner} (component $x))
                (instance (instantiate $x)) (instance (instantiate $x)))"
        );
    }
    text += "(instance (instantiate $c24)))";
    let files = Files::new(&[]);
    files.write("x.wasm", &module(&text));
    let error = split_component(&files.path("x.wasm"), None).expect_err("there are very many");
    assert!(
        error.to_string().contains("more than 262144 definitions"),
        "{error}"
    );
}

#[test]
fn a_component_has_its_world_itself() {
    let files = Files::new(&[
        (
            "component.toml",
            "name = \"x\"\nwasm = \"x.wasm\"\nwit = \"x.wit\"\n",
        ),
        ("x.wit", "package a:b; world w { }"),
    ]);
    files.write("x.wasm", &module("(component)"));
    let error = files
        .component(".")
        .map(|_| ())
        .expect_err("two worlds")
        .to_string();
    assert!(error.contains("a world of its own"), "{error}");
}
