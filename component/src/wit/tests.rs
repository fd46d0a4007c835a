use std::{collections::BTreeMap, path::PathBuf};

use miden_cvm_air::composition::LinkKind;

use super::{
    InterfaceName, Method, Type, WitFile, WitSources, World, masm_name, module_names, resolve_world,
};
use crate::{error::BuildError, limits::AssemblyLimits};

fn read(files: &[(&str, &str)], world: Option<&str>) -> Result<World, BuildError> {
    let files = files.iter().map(|(path, text)| WitFile {
        path: (*path).into(),
        text: (*text).into(),
    });
    let sources = WitSources {
        base: PathBuf::from("wit"),
        files: files.collect(),
        elsewhere: BTreeMap::new(),
    };
    resolve_world(&sources, world, AssemblyLimits::default())
}

fn world(text: &str) -> World {
    read(&[("a.wit", text)], None).unwrap_or_else(|error| panic!("{error}"))
}

fn refusal(text: &str) -> String {
    match read(&[("a.wit", text)], None) {
        Ok(world) => panic!("{world:?}"),
        Err(error) => error.to_string(),
    }
}

fn interface(name: &str) -> InterfaceName {
    name.parse().expect("an interface name")
}

#[test]
fn a_world_has_its_interfaces_functions_and_types() {
    let files = [
        (
            "ledger.wit",
            "package bank:ledger@1.2.0;
             /// Accounts.
             /// @isolated
             interface accounts {
                 use types.{account, entry};
                 use miden:cvm/core-types@1.0.0.{felt, word};
                 open: func(root: word) -> account;
                 entries: func(of: account) -> list<entry>;
             }
             interface types {
                 type account = u32;
                 record entry { amount: s64, note: option<string> }
             }
             world ledger {
                 import bank:log/log@0.2.1;
                 /// @isolated
                 export main: func(a: felt2) -> result<u8, string>;
                 export accounts;
                 type felt2 = u16;
             }",
        ),
        (
            "deps/log/log.wit",
            "package bank:log@0.2.1; interface log { entry: func(text: char); }",
        ),
    ];
    let world = read(&files, None).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(world.name, "bank:ledger/ledger@1.2.0");
    let log = world.import(&interface("bank:log/log@0.2.1")).expect("log");
    assert_eq!(log.functions[0].to_string(), "entry: func(text: char)");
    assert_eq!(log.location, "wit/deps/log/log.wit:1");
    let accounts = world
        .export(&interface("bank:ledger/accounts@1.2.0"))
        .expect("accounts");
    assert_eq!(
        accounts.functions[0].to_string(),
        "isolated open: func(root: record { w3: felt, w2: felt, w1: felt, w0: felt }) -> u32"
    );
    assert_eq!(
        accounts.functions[1].to_string(),
        "isolated entries: func(of: u32) -> list<record { amount: s64, note: option<string> }>"
    );
    let own = world.export(&InterfaceName::World).expect("main");
    assert_eq!(own.functions[0].kind, LinkKind::Isolated);
    assert_eq!(own.functions[0].params[0].ty, Type::U16);
}

#[test]
fn a_function_says_more_of_its_kind_than_its_interface() {
    let text = "package a:b;
        /// @fresh
        interface i { f: func(); /** @isolated */ g: func(); }
        interface j { f: func(); /** @fresh */ g: func(r: own<thing>); resource thing; }
        world w { export i; export j; }";
    let world = read(&[("a.wit", text)], None).unwrap_or_else(|error| panic!("{error}"));
    let kinds = |name| {
        let interface = world.export(&interface(name)).expect("an export");
        let functions = interface.functions.iter();
        functions.map(|function| function.kind).collect::<Vec<_>>()
    };
    assert_eq!(kinds("a:b/i"), [LinkKind::Fresh, LinkKind::Isolated]);
    // Handles can cross.
    assert_eq!(kinds("a:b/j"), [LinkKind::Shared, LinkKind::Fresh]);
}

#[test]
fn includes_and_gates_are_those_of_wit() {
    let text = "package a:b;
        interface i { f: func(); @unstable(feature = new) g: func(a: f32); }
        world base { import i; }
        world whole { include base; export run: func(); }";
    let world = read(&[("a.wit", text)], Some("whole")).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(world.imports[0].functions.len(), 1);
    assert_eq!(world.exports[0].functions[0].name, "run");
    let error = refusal(text);
    assert!(
        error.contains("multiple worlds") && error.contains("`world`"),
        "{error}"
    );
}

#[test]
fn felts_are_those_of_the_compiler_too() {
    let text = "package a:b;
        world w {
            use miden:base/core-types@1.0.0.{felt, word};
            export f: func(a: felt, b: word);
        }
        package miden:base@1.0.0 {
            interface core-types {
                record felt { inner: f32 }
                record word { a: felt, b: felt, c: felt, d: felt }
            }
        }";
    let world = world(text);
    assert_eq!(
        world.exports[0].functions[0].to_string(),
        "f: func(a: felt, b: record { a: felt, b: felt, c: felt, d: felt })"
    );
}

#[test]
fn resources_are_known_by_where_they_are_defined() {
    let world = world(
        "package a:b@1.0.0;
         interface counters {
             resource counter {
                 constructor(start: u32);
                 next: func() -> u32;
                 merge: static func(a: counter, b: borrow<counter>) -> counter;
             }
         }
         interface users { use counters.{counter}; take: func(c: counter); }
         world w { export counters; export users; }",
    );
    let counters = &world.exports[0];
    assert_eq!(counters.resources, ["counter"]);
    let names: Vec<String> = counters.functions.iter().map(ToString::to_string).collect();
    assert_eq!(
        names,
        [
            "[constructor]counter: func(start: u32) -> own<counter>",
            "[method]counter.next: func(self: borrow<counter>) -> u32",
            "[static]counter.merge: func(a: own<counter>, b: borrow<counter>) -> own<counter>",
        ]
    );
    assert_eq!(
        counters.functions[1].method,
        Some(Method::Method("counter".into()))
    );
    let Type::Own(resource) = &world.exports[1].functions[0].params[0].ty else {
        panic!("a handle");
    };
    assert_eq!(resource.interface, interface("a:b/counters@1.0.0"));
}

#[test]
fn what_miden_has_not_is_refused_at_its_line() {
    let cases = [
        ("interface i {\n f: func(a: u32,\n b: f32); }", 4, "`f32`"),
        (
            "interface i {\n record r {\n a: list<f64> }\n f: func(a: r); }",
            4,
            "`f64`",
        ),
        ("interface i {\n f: async func(); }", 3, "`async`"),
        ("interface i {\n f: func() -> stream<u8>; }", 3, "`stream`"),
        (
            "interface i {\n variant v { a,\n b(future<u8>) }\n f: func(a: v); }",
            4,
            "`future`",
        ),
        (
            "interface i {\n f: func(a: error-context); }",
            3,
            "`error-context`",
        ),
    ];
    for (text, line, what) in cases {
        let error = refusal(&format!("package a:b;\n{text}\nworld w {{ import i; }}"));
        assert!(error.starts_with(&format!("wit/a.wit:{line}: ")), "{error}");
        assert!(error.contains(what) && error.contains("help: "), "{error}");
    }
}

#[test]
fn mistakes_are_shown_at_their_line() {
    let error = refusal("package a:b;\nworld w {\n import missing;\n}");
    assert!(error.starts_with("wit/a.wit:3: "), "{error}");
    let error = refusal("package a:b;\nworld w {\n import c:d/e;\n}");
    assert!(error.starts_with("wit/a.wit:3: "), "{error}");
    let error = refusal("package a:b;\nworld w\n");
    assert!(error.starts_with("wit/a.wit:3: "), "{error}");
    let error = refusal("package a:b;");
    assert!(error.contains("no worlds"), "{error}");
}

#[test]
fn types_without_end_are_refused() {
    let mut text = String::from("package a:b; interface i { type t0 = tuple<u8, u8>;");
    for level in 1..40 {
        text += &format!("type t{level} = tuple<t{0}, t{0}>;", level - 1);
    }
    text += "f: func(a: t39); } world w { import i; }";
    assert!(refusal(&text).contains("more than 4096 parts"));
}

#[test]
fn names_become_procedures_and_modules() {
    let names = [
        ("add-entry", "add_entry"),
        ("HTTP-get", "http_get"),
        ("use", "use_"),
        ("[constructor]my-counter", "my_counter__constructor"),
        ("[method]counter.get-all", "counter__get_all"),
        ("[static]counter.constructor", "counter__constructor_"),
    ];
    for (name, masm) in names {
        assert_eq!(masm_name(name), masm);
    }
    let names = [
        "a:b/c@1.0.0",
        "a:b/c@2.0.0-rc.1",
        "x:my-pkg/i",
        "plain",
        "$world",
    ];
    let names: Vec<InterfaceName> = names.into_iter().map(interface).collect();
    assert_eq!(
        module_names(&names),
        [
            "a::b::c__1_0_0",
            "a::b::c__2_0_0_rc_1",
            "x::my_pkg::i",
            "plain::plain",
            "world"
        ]
    );
}

#[test]
fn versions_match_within_a_track() {
    let accepted = [
        ("a:b/c@1.2.0", "a:b/c@1.9.3"),
        ("a:b/c@1.9.0", "a:b/c@1.2.0"),
        ("a:b/c@0.2.0", "a:b/c@0.2.7"),
        ("a:b/c@0.0.3", "a:b/c@0.0.3"),
        ("a:b/c@1.0.0-rc.1", "a:b/c@1.0.0-rc.1"),
        ("a:b/c", "a:b/c"),
    ];
    for (wanted, offered) in accepted {
        assert!(
            interface(wanted).accepts(&interface(offered)),
            "{wanted} {offered}"
        );
    }
    let refused = [
        ("a:b/c@1.0.0", "a:b/c@2.0.0"),
        ("a:b/c@0.2.0", "a:b/c@0.3.0"),
        ("a:b/c@0.0.3", "a:b/c@0.0.4"),
        ("a:b/c@1.0.0-rc.1", "a:b/c@1.0.0"),
        ("a:b/c", "a:b/c@1.0.0"),
        ("a:b/c@1.0.0", "a:b/d@1.0.0"),
    ];
    for (wanted, offered) in refused {
        assert!(
            !interface(wanted).accepts(&interface(offered)),
            "{wanted} {offered}"
        );
    }
}

#[test]
fn errors_without_a_line_have_their_file_and_an_end() {
    let worlds: String = (0..100)
        .map(|number| format!("world w{number} {{}}\n"))
        .collect();
    let error = refusal(&format!("package a:b;\n{worlds}"));
    assert!(error.starts_with("wit/a.wit: "), "{error}");
    assert!(error.contains("others"), "{error}");
    assert!(error.lines().count() < 30, "{error}");
    let two = [
        ("a.wit", "package a:b; world v {}"),
        ("b.wit", "package a:b; world w {}"),
    ];
    let error = read(&two, None).expect_err("two worlds").to_string();
    assert!(error.starts_with("wit: "), "{error}");
}
