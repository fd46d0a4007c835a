//! Components in the binary format, as the Component Model's own tools make them.

use std::collections::BTreeSet;

use miden_cvm_component::split_component;
use miden_cvm_wasm::{CallingConvention, Options, compile};
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

/// The way in which a core module and a world are put together.
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

/// A component in which another one calls what the whole imports: functions of a resource type, and one of the
/// world itself.
const ASKING: &str = "(component
    (import \"my:bank/desk@1.0.0\" (instance $desk (export \"desk\" (type $D (sub resource)))
        (export \"open\" (func (param \"n\" u32) (result (own $D))))
        (export \"[method]desk.size\" (func (param \"self\" (borrow $D)) (result u32)))))
    (import \"limit\" (func $limit (result u32)))
    (component $inner
        (import \"desk\" (instance $desk (export \"desk\" (type $D (sub resource)))
            (export \"open\" (func (param \"n\" u32) (result (own $D))))
            (export \"[method]desk.size\" (func (param \"self\" (borrow $D)) (result u32)))))
        (import \"limit\" (func $limit (result u32)))
        (alias export $desk \"desk\" (type $D))
        (core func $open (canon lower (func $desk \"open\")))
        (core func $size (canon lower (func $desk \"[method]desk.size\")))
        (core func $most (canon lower (func $limit)))
        (core func $drop (canon resource.drop $D))
        (core module $m
            (import \"\" \"open\" (func $open (param i32) (result i32)))
            (import \"\" \"size\" (func $size (param i32) (result i32)))
            (import \"\" \"most\" (func $most (result i32)))
            (import \"\" \"drop\" (func $drop (param i32)))
            (func (export \"f\") (param i32) (result i32) (local $h i32) (local $s i32)
                (local.set $h (call $open (local.get 0)))
                (local.set $s (i32.add (call $size (local.get $h)) (call $most)))
                (call $drop (local.get $h)) (local.get $s)))
        (core instance $i (instantiate $m (with \"\" (instance (export \"open\" (func $open))
            (export \"size\" (func $size)) (export \"most\" (func $most)) (export \"drop\" (func $drop))))))
        (func (export \"f\") (param \"n\" u32) (result u32) (canon lift (core func $i \"f\"))))
    (instance $i (instantiate $inner (with \"desk\" (instance $desk)) (with \"limit\" (func $limit))))
    (export \"f\" (func $i \"f\")))";

#[test]
fn what_a_whole_imports_is_asked_of_what_is_around_it() {
    let files = Files::new(&[
        (
            "bank/component.toml",
            "name = \"bank\"\nwit = \"bank.wit\"\nsources = [\"bank.masm\"]\n\
             exports.\"my:bank/desk@1.0.0\".module = \"bank\"\nexports.limit.procedure = \"bank::limit\"\n",
        ),
        (
            "bank/bank.wit",
            "package my:bank@1.0.0; interface desk { resource desk { size: func() -> u32; }
             open: func(n: u32) -> desk; } world bank { export desk; export limit: func() -> u32; }",
        ),
        (
            "bank/bank.masm",
            "use resources::my::bank::desk::desk
             pub proc open exec.desk::new end
             pub proc desk__size push.2 mul end
             pub proc limit push.100 end",
        ),
        (
            "app/component.toml",
            "name = \"app\"\nwit = \"app.wit\"\nsources = [\"app.masm\"]\n\
             exports.main.procedure = \"app::main\"\n",
        ),
        (
            "app/app.wit",
            "package a:b; world app { import f: func(n: u32) -> u32; export main: func(); }",
        ),
        (
            "app/app.masm",
            "pub proc main push.21 exec.::bindings::world::f push.142 assert_eq end",
        ),
        (
            "composition.toml",
            "main = \"app.main\"\n[instances.app]\ncomponent = \"app\"\nimports.f = \"whole.f\"\n\
             [instances.whole]\ncomponent = \"whole\"\nimports.limit = \"bank.limit\"\n\
             imports.\"my:bank/desk@1.0.0\" = \"bank\"\n[instances.bank]\ncomponent = \"bank\"\n",
        ),
    ]);
    files.write("x.wasm", &module(ASKING));
    let parts = split_component(&files.path("x.wasm"), None).unwrap_or_else(|e| panic!("{e}"));
    for part in &parts {
        files.write(&format!("whole/{}", part.path), &part.bytes);
    }
    run(&link(&files), Inputs::default()).unwrap_or_else(|error| panic!("{error}"));
}

/// A module of C with the lines of its source.
const LINES: &[u8] = include_bytes!("../../../wasm/tests/lines/lines.wasm");

#[test]
fn modules_that_are_linked_have_the_lines_of_their_source() {
    let wit = "package my:math; world math { export divide: func(a: u32, b: u32) -> u32;
        export caller: func(a: u32, b: u32) -> u32; }";
    let files = Files::new(&[]);
    files.write("x.wasm", &component(wit, "math", LINES));
    let parts = split_component(&files.path("x.wasm"), None).unwrap_or_else(|e| panic!("{e}"));
    let linked = parts.iter().find(|part| part.path.ends_with("code.wasm"));
    let lines = |module: &[u8]| {
        let exports = ["divide", "caller"].map(|name| (name.into(), CallingConvention::Stack));
        let options = Options {
            exports: Some(exports.into()),
            ..Options::default()
        };
        let compiled = compile(module, &options).expect("a module");
        let lines = compiled.source_lines.expect("lines");
        let text = compiled.text.lines().enumerate();
        let found = text.filter_map(|(number, _)| lines.of(number));
        found
            .map(|(file, line)| (file.to_owned(), line))
            .collect::<Vec<_>>()
    };
    let (before, after) = (lines(LINES), lines(&linked.expect("a module").bytes));
    assert!(before.len() > 10, "{before:?}");
    let sorted = |mut lines: Vec<_>| {
        lines.sort();
        lines
    };
    assert_eq!(sorted(before), sorted(after));
}

/// A component like those with an adapter: what it exports has its memory of one core module, and what an
/// import returns has it of another one.
const TWO_GIVERS: &str = "(component
    (import \"name\" (func $name (result string)))
    (core module $main
        (memory (export \"memory\") 1)
        (global $next (mut i32) (i32.const 1024))
        (func (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32) (local $at i32)
            (local.set $at (global.get $next))
            (global.set $next (i32.add (global.get $next) (i32.const 64)))
            (local.get $at)))
    (core instance $main (instantiate $main))
    (alias core export $main \"memory\" (core memory $memory))
    (core module $giver
        (global $next (mut i32) (i32.const 4096))
        (func (export \"give\") (param i32 i32 i32 i32) (result i32) (local $at i32)
            (local.set $at (global.get $next))
            (global.set $next (i32.add (global.get $next) (i32.const 64)))
            (local.get $at)))
    (core instance $giver (instantiate $giver))
    (core func $name (canon lower (func $name) (memory $memory) (realloc (func $giver \"give\"))))
    (core module $user
        (import \"\" \"memory\" (memory 1))
        (import \"\" \"name\" (func $name (param i32)))
        (func (export \"f\") (param $at i32) (param $length i32) (result i32)
            (call $name (i32.const 16))
            (i32.add (i32.mul (local.get $at) (i32.const 10000)) (i32.load (i32.const 16)))))
    (core instance $user (instantiate $user (with \"\" (instance
        (export \"memory\" (memory $memory)) (export \"name\" (func $name))))))
    (func (export \"f\") (param \"text\" string) (result u32)
        (canon lift (core func $user \"f\") (memory $memory) (realloc (func $main \"cabi_realloc\")))))";

#[test]
fn memory_for_imports_is_given_by_what_the_component_says() {
    let files = Files::new(&[
        (
            "two/component.toml",
            "name = \"two\"\nwasm = \"two.wasm\"\n",
        ),
        (
            "app/component.toml",
            "name = \"app\"\nwit = \"app.wit\"\nsources = [\"app.masm\"]\n\
             exports.main.procedure = \"app::main\"\n",
        ),
        (
            "app/app.wit",
            "package a:b; world app { import f: func(text: string) -> u32; export main: func(); }",
        ),
        (
            "app/app.masm",
            "pub proc main
                 push.97 mem_store.100 push.98 mem_store.101
                 push.2 push.100 exec.::bindings::world::f push.10244096 assert_eq
                 push.2 push.100 exec.::bindings::world::f push.10884160 assert_eq
             end",
        ),
        (
            "name/component.toml",
            "name = \"name\"\nwit = \"name.wit\"\nsources = [\"name.masm\"]\n\
             exports.name.procedure = \"name::name\"\n",
        ),
        (
            "name/name.wit",
            "package a:name; world name { export name: func() -> string; }",
        ),
        (
            "name/name.masm",
            "pub proc name push.99 mem_store.200 push.1 push.200 end",
        ),
        (
            "composition.toml",
            "main = \"app.main\"\n[instances]\napp = { component = \"app\", imports.f = \"two.f\" }\n\
             two = { component = \"two\", imports.name = \"name.name\" }\nname.component = \"name\"\n",
        ),
    ]);
    files.write("two/two.wasm", &module(TWO_GIVERS));
    run(&link(&files), Inputs::default()).unwrap_or_else(|error| panic!("{error}"));
}
