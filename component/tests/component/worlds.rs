//! Components that are described by WIT: how they are linked and what is wrong with them.

use miden_cvm_component::{
    AssemblyLimits, Component, LimitName, LinkKind, LinkedComposition, Problem, Toolchain, Warning,
};

use crate::support::{Files, Inputs, outputs, run};

const LOG: &str = "package bank:log@1.1.0; interface log { entry: func(amount: u32) -> u32; }";

const LEDGER_WIT: &str = "
    package bank:ledger@1.0.0;
    /// Keeps the total.
    interface ledger {
        post: func(amount: u32) -> u32;
        /// @isolated
        %use: func() -> u32;
    }
    world keeper { import bank:log/log@1.1.0; export ledger; }
    world app { import ledger; export main: func(amount: u32) -> u32; }
";

const LEDGER: &str = r#"
name = "ledger"
wit = "wit"
world = "keeper"
sources = ["ledger.masm"]
[exports.ledger]
module = "ledger"
"#;

const LEDGER_CODE: &str = "
use bindings::bank::log::log

pub proc post
    mem_load.0 u32wrapping_add dup mem_store.0
    exec.log::entry
end

pub proc use_
    mem_load.0
end
";

const APP: &str = r#"
name = "app"
wit = "wit"
world = "app"
sources = ["app.masm"]
[exports.main]
procedure = "app::main"
"#;

const APP_CODE: &str = "
use bindings::bank::ledger::ledger

pub proc main
    dup exec.ledger::post drop
    exec.ledger::post
    exec.ledger::use_ add
end
";

const AUDIT: &str = r#"
name = "audit"
wit = "audit.wit"
sources = ["audit.masm"]
[exports."bank:log/log"]
module = "audit"
"#;

const AUDIT_WIT: &str = "
    package bank:audit;
    world audit { export bank:log/log@1.4.2; }
    package bank:log@1.4.2 {
        interface log { entry: func(amount: u32) -> u32; more: func(); }
    }
";

const AUDIT_CODE: &str = "
pub proc entry mul.10 end
pub proc more push.1 drop end
";

pub const COMPOSITION: &str = r#"
main = "app.main"
[instances.app]
component = "app"
imports."bank:ledger/ledger@1.0.0" = "ledger"
[instances.ledger]
component = "ledger"
imports.log = "audit"
[instances.audit]
component = "audit"
"#;

/// The files of the bank.
pub const PATHS: [&str; 12] = [
    "app/component.toml",
    "app/wit/world.wit",
    "app/wit/deps/log.wit",
    "app/app.masm",
    "ledger/component.toml",
    "ledger/wit/world.wit",
    "ledger/wit/deps/log/log.wit",
    "ledger/ledger.masm",
    "audit/component.toml",
    "audit/audit.wit",
    "audit/audit.masm",
    "composition.toml",
];

pub fn files() -> Files {
    Files::new(&[
        ("app/component.toml", APP),
        ("app/wit/world.wit", LEDGER_WIT),
        ("app/wit/deps/log.wit", LOG),
        ("app/app.masm", APP_CODE),
        ("ledger/component.toml", LEDGER),
        ("ledger/wit/world.wit", LEDGER_WIT),
        ("ledger/wit/deps/log/log.wit", LOG),
        ("ledger/ledger.masm", LEDGER_CODE),
        ("audit/component.toml", AUDIT),
        ("audit/audit.wit", AUDIT_WIT),
        ("audit/audit.masm", AUDIT_CODE),
        ("composition.toml", COMPOSITION),
    ])
}

/// Returns the error of linking with another text in a file.
fn refusal(path: &str, text: &str) -> String {
    let files = files();
    files.write(path, text.as_bytes());
    match files.link() {
        Ok(_) => panic!("{path} is accepted"),
        Err(error) => error.to_string(),
    }
}

#[track_caller]
fn assert_says(error: &str, file: &str, parts: &[&str]) {
    assert!(error.contains(file), "{error}");
    for part in parts {
        assert!(error.contains(part), "`{part}` is missing in: {error}");
    }
}

#[test]
fn interfaces_are_wired_as_a_whole() {
    let linked = files().link().unwrap_or_else(|error| panic!("{error}"));
    let inputs = Inputs {
        stack: miden_core::StackInputs::new(vec![miden_core::Felt::new(7)]).expect("one"),
        ..Inputs::default()
    };
    let output = run(&linked, inputs).unwrap_or_else(|error| panic!("{error}"));
    // `use_` runs in an instance of its own, which has counted nothing.
    assert_eq!(outputs(&output)[..2], [140, 0]);
    let kinds: Vec<LinkKind> = linked
        .composition
        .links()
        .iter()
        .map(|link| link.kind)
        .collect();
    assert_eq!(
        kinds
            .iter()
            .filter(|kind| **kind == LinkKind::Isolated)
            .count(),
        1
    );
    assert_eq!(kinds.len(), 3);
    assert!(linked.warnings.is_empty(), "{:?}", linked.warnings);
}

#[test]
fn functions_are_wired_one_at_a_time_or_with_their_interface() {
    let files = files();
    let other = AUDIT.replace("\"audit\"", "\"other\"");
    files.write(
        "other/component.toml",
        other
            .replace("audit.masm", "other.masm")
            .replace("module = \"audit\"", "module = \"other\"")
            .as_bytes(),
    );
    files.write("other/audit.wit", AUDIT_WIT.as_bytes());
    files.write(
        "other/other.masm",
        AUDIT_CODE.replace("mul.10", "mul.100").as_bytes(),
    );
    let entry = "imports.\"bank:log/log@1.1.0#entry\" = \"other.bank:log/log@1.4.2#entry\"";
    let whole = "imports.log = \"audit\"";
    let other = "[instances.other]\ncomponent = \"other\"\n";
    for both in [format!("{whole}\n{entry}"), format!("{entry}\n{whole}")] {
        let composition = COMPOSITION.replace(whole, &both) + other;
        files.write("composition.toml", composition.as_bytes());
        let error = files.link().expect_err("one function, wired twice");
        assert!(
            matches!(*error.problem, Problem::WiredTwice { .. }),
            "{error}"
        );
        assert_eq!(error.line, Some(9), "{error}");
    }
    let composition = COMPOSITION.replace(whole, entry) + other;
    files.write("composition.toml", composition.as_bytes());
    let linked = files.link().unwrap_or_else(|error| panic!("{error}"));
    let inputs = Inputs {
        stack: miden_core::StackInputs::new(vec![miden_core::Felt::new(7)]).expect("one"),
        ..Inputs::default()
    };
    let output = run(&linked, inputs).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(outputs(&output)[0], 1400);
}

#[test]
fn components_are_checked_against_their_world() {
    let error = refusal(
        "ledger/component.toml",
        &LEDGER.replace("[exports.ledger]", "[exports.books]"),
    );
    assert_says(
        &error,
        "ledger/component.toml:6",
        &["exports no `books`", "`bank:ledger/ledger@1.0.0`"],
    );

    let error = refusal(
        "app/component.toml",
        &APP.replace("[exports.main]\nprocedure = \"app::main\"", ""),
    );
    assert_says(
        &error,
        "app/component.toml",
        &["exports `main`", "world.wit:10", "[exports.main]"],
    );

    let error = refusal(
        "ledger/ledger.masm",
        &LEDGER_CODE.replace("pub proc use_", "proc use_"),
    );
    assert_says(
        &error,
        "ledger/component.toml:7",
        &["ledger::use_", "no such public procedure"],
    );

    let error = refusal(
        "ledger/component.toml",
        &format!("{LEDGER}kind = \"shared\""),
    );
    assert_says(
        &error,
        "ledger/component.toml:6",
        &["what the component's world says"],
    );

    let error = refusal(
        "ledger/component.toml",
        &LEDGER.replace("wit = \"wit\"\n", ""),
    );
    assert_says(&error, "ledger/component.toml:3", &["but no `wit`"]);

    let error = refusal(
        "ledger/component.toml",
        &LEDGER.replace("world = \"keeper\"\n", ""),
    );
    assert_says(&error, "ledger/wit", &["multiple worlds", "`world`"]);

    let error = refusal(
        "ledger/component.toml",
        &format!("realloc = \"ledger::alloc\"{LEDGER}"),
    );
    assert_says(
        &error,
        "ledger/component.toml:1",
        &["`realloc` names `ledger::alloc`"],
    );

    // The app's world does not ask for the log, whatever that has.
    let files = files();
    let log = LOG.replace("amount: u32", "amount: f32");
    files.write("app/wit/deps/log.wit", log.as_bytes());
    files.link().unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn reserved_module_names_are_refused() {
    let files = files();
    files.write("ledger/abi.masm", b"pub proc f push.1 drop end");
    let toml = LEDGER.replace("[\"ledger.masm\"]", "[\"ledger.masm\", \"abi.masm\"]");
    files.write("ledger/component.toml", toml.as_bytes());
    let error = files.link().map(|_| ()).expect_err("reserved").to_string();
    assert_says(
        &error,
        "ledger/component.toml:5",
        &["`abi` belongs to what is generated"],
    );
}

#[test]
fn mismatches_say_what_was_expected_and_what_is_offered() {
    let error = refusal(
        "composition.toml",
        &COMPOSITION.replace("imports.log = \"audit\"\n", ""),
    );
    assert_says(
        &error,
        "composition.toml:6",
        &[
            "import `bank:log/log@1.1.0` of instance `ledger`",
            "\"bank:log/log@1.1.0\" = \"instance\"",
        ],
    );

    let error = refusal(
        "composition.toml",
        &COMPOSITION.replace("imports.log = \"audit\"", "imports.log = \"app\""),
    );
    assert_says(
        &error,
        "composition.toml:8",
        &[
            "log.wit:1",
            "instance `app`",
            "does not offer it",
            "it offers `$world`",
        ],
    );

    let error = refusal("audit/audit.wit", &AUDIT_WIT.replace("1.4.2", "2.0.0"));
    assert_says(
        &error,
        "composition.toml:8",
        &["does not offer it", "bank:log/log@2.0.0"],
    );

    let error = refusal(
        "composition.toml",
        &COMPOSITION.replace("imports.log = \"audit\"", "imports.log = \"ledger.ledger\""),
    );
    assert_says(
        &error,
        "composition.toml:8",
        &["bank:log/log@1.1.0", "bank:ledger/ledger@1.0.0"],
    );

    let error = refusal(
        "audit/audit.wit",
        &AUDIT_WIT.replace("(amount: u32) -> u32", "(amount: u64) -> u32"),
    );
    assert_says(
        &error,
        "composition.toml:8",
        &[
            "expected `entry: func(amount: u32) -> u32`",
            "log.wit:1",
            "offered `entry: func(amount: u64) -> u32`",
            "audit.wit:5",
        ],
    );

    let error = refusal(
        "audit/audit.wit",
        &AUDIT_WIT.replace("interface log {", "/// @isolated\ninterface log {"),
    );
    assert_says(&error, "composition.toml:8", &["offered `isolated entry"]);

    let wit = AUDIT_WIT.replace("entry: func(amount: u32) -> u32;", "");
    let error = refusal("audit/audit.wit", &wit);
    assert_says(&error, "composition.toml:8", &["offered no `entry`"]);

    let error = refusal(
        "composition.toml",
        &COMPOSITION.replace("imports.log", "imports.books"),
    );
    assert_says(&error, "composition.toml:8", &["no import `books`"]);
}

#[test]
fn handles_do_not_cross_isolated_calls() {
    let wit = LEDGER_WIT.replace(
        "%use: func() -> u32;",
        "%use: func() -> option<entry>; resource entry;",
    );
    let error = refusal("ledger/wit/world.wit", &wit);
    assert_says(
        &error,
        "ledger/wit/world.wit:7",
        &["handles in an isolated function", "make it shared or fresh"],
    );
}

#[test]
fn a_function_has_one_kind() {
    let wit = LEDGER_WIT.replace("/// @isolated", "/// @fresh\n        /// @isolated");
    let error = refusal("ledger/wit/world.wit", &wit);
    assert_says(
        &error,
        "ledger/wit/world.wit:8",
        &["both `@fresh` and `@isolated`", "say one of them"],
    );
}

/// Components that import and export one interface, whose text is that of each.
fn typed(imported: &str, exported: &str) -> Files {
    let wit = |world: &str, interface: &str| {
        format!(
            "package my:typed; world w {{ {world} }} \
             package bank:log@1.0.0 {{ interface log {{ {interface} }} }}"
        )
    };
    let import = "import bank:log/log@1.0.0; export main: func(a: u32) -> u32;";
    Files::new(&[
        ("app/w.wit", &wit(import, imported)),
        (
            "app/component.toml",
            "name = \"app\"\nwit = \"w.wit\"\nsources = [\"app.masm\"]\n\
             [exports.main]\nprocedure = \"app::main\"\n",
        ),
        (
            "app/app.masm",
            "use bindings::bank::log::log pub proc main exec.log::note end",
        ),
        ("log/w.wit", &wit("export bank:log/log@1.0.0;", exported)),
        (
            "log/component.toml",
            "name = \"log\"\nwit = \"w.wit\"\nsources = [\"log.masm\"]\n\
             [exports.log]\nmodule = \"log\"\n",
        ),
        (
            "log/log.masm",
            "pub proc note add.1 end pub proc other add.2 end",
        ),
        (
            "plain/component.toml",
            "name = \"plain\"\nsources = [\"log.masm\"]\n[exports.note]\nprocedure = \"log::note\"\n",
        ),
        ("plain/log.masm", "pub proc note add.1 end"),
        (
            "composition.toml",
            &wired("\"bank:log/log\" = \"log\"", "log"),
        ),
    ])
}

fn wired(wire: &str, component: &str) -> String {
    format!(
        "main = \"app.main\"\n[instances.app]\ncomponent = \"app\"\nimports.{wire}\n\
         [instances.log]\ncomponent = \"{component}\"\n"
    )
}

const NOTES: &str = "note: func(a: u32) -> u32; other: func(a: u32) -> u32;";

/// An interface is what it has: functions by name and signature, and resource types.
#[test]
fn what_is_wired_is_of_one_type() {
    typed(NOTES, NOTES)
        .link()
        .unwrap_or_else(|error| panic!("{error}"));
    let with_type = &format!("resource r; {NOTES}");
    typed(NOTES, with_type)
        .link()
        .unwrap_or_else(|error| panic!("{error}"));
    typed(with_type, with_type)
        .link()
        .unwrap_or_else(|error| panic!("{error}"));
    for (imported, exported, reason) in [
        (&**with_type, NOTES, "resource type `r`"),
        (NOTES, "note: func(a: u32) -> u32;", "no `other`"),
        (
            NOTES,
            &*NOTES.replace("other: func(a: u32)", "other: func(b: u32)"),
            "(b: u32)",
        ),
        (
            NOTES,
            &*NOTES.replace("-> u32; other", "-> s32; other"),
            "-> s32",
        ),
    ] {
        let files = typed(imported, exported);
        let error = files.link().expect_err("another interface").to_string();
        for part in [
            reason,
            "composition.toml:4",
            "app/w.wit:1",
            "log/w.wit:1",
            "bank:log/log@1.0.0",
        ] {
            assert!(error.contains(part), "{part}: {error}");
        }
    }
    // A function of an interface is no other one of it, whatever they look like.
    let files = typed(NOTES, NOTES);
    let note = "\"bank:log/log@1.0.0#note\" = \"log.bank:log/log@1.0.0#note\"";
    files.write("composition.toml", wired(note, "log").as_bytes());
    let linked = files.link().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(linked.warnings, []);
    let other = "\"bank:log/log@1.0.0#note\" = \"log.bank:log/log@1.0.0#other\"";
    files.write("composition.toml", wired(other, "log").as_bytes());
    let error = files.link().expect_err("another function").to_string();
    assert!(error.contains("`other: func(a: u32) -> u32`"), "{error}");
    // Without WIT there is nothing to compare with, which is told.
    files.write(
        "composition.toml",
        wired("\"bank:log/log@1.0.0#note\" = \"log.note\"", "plain").as_bytes(),
    );
    let linked = files.link().unwrap_or_else(|error| panic!("{error}"));
    assert!(
        matches!(&linked.warnings[..], [Warning::Untyped { .. }]),
        "{:?}",
        linked.warnings
    );
}

/// Two entries of `component.toml` cannot both name one function.
#[test]
fn a_function_is_named_once() {
    let files = typed(NOTES, NOTES);
    files.write(
        "log/more.masm",
        b"pub proc note add.101 end pub proc other add.102 end",
    );
    let log = |entries: &str| {
        let text = format!(
            "name = \"log\"\nwit = \"w.wit\"\nsources = [\"log.masm\", \"more.masm\"]\n{entries}"
        );
        files.write("log/component.toml", text.as_bytes());
        files.component("log")
    };
    let whole = "[exports.log]\nmodule = \"log\"\n";
    let one = "[exports.\"log#note\"]\nprocedure = \"more::note\"\n";
    log(&format!("{whole}{one}")).unwrap_or_else(|error| panic!("{error}"));
    for twice in [
        format!("{whole}[exports.\"bank:log/log\"]\nmodule = \"more\"\n"),
        format!("{whole}{one}[exports.\"bank:log/log#note\"]\nprocedure = \"log::note\"\n"),
    ] {
        let error = log(&twice).expect_err("two entries");
        assert!(
            matches!(*error.problem, Problem::NamedTwice { .. }),
            "{error}"
        );
        assert!(error.to_string().contains("bank:log/log"), "{error}");
    }
    let root = |last: char| {
        format!(
            "root = \"0x{}{last}000000000000000\"\n",
            "1000000000000000".repeat(3)
        )
    };
    let text = format!(
        "name = \"app\"\nwit = \"w.wit\"\nsources = [\"app.masm\"]\n[exports.main]\n\
         procedure = \"app::main\"\n[imports.\"log#note\"]\n{}[imports.\"bank:log/log#note\"]\n{}",
        root('1'),
        root('2'),
    );
    files.write("app/component.toml", text.as_bytes());
    let error = files.component("app").expect_err("two entries");
    assert!(
        matches!(*error.problem, Problem::NamedTwice { .. }),
        "{error}"
    );
}

/// The procedures for an interface can have the names of its functions as they are, in sources as in packages.
#[test]
fn procedures_can_have_the_names_of_wit() {
    let files = Files::new(&[
        (
            "points/w.wit",
            "package my:points; interface points { add-points: func(); %use: func(); take: func(); } \
             world w { export points; }",
        ),
        (
            "points/component.toml",
            "name = \"points\"\nwit = \"w.wit\"\nsources = [\"points.masm\"]\n\
             [exports.points]\nmodule = \"points\"\n",
        ),
    ]);
    let dashed = "pub proc \"add-points\" push.1 drop end pub proc use_ push.2 drop end \
                  pub proc take push.3 drop end";
    files.write("points/points.masm", dashed.as_bytes());
    let component = files.component("points");
    component.unwrap_or_else(|error| panic!("{error}"));
    // Where there are both, the name of Miden assembly is the one.
    let source = format!("{dashed} pub proc add_points push.4 drop end");
    files.write("points/points.masm", source.as_bytes());
    let component = files.component("points").expect("a component");
    let digest = component.exports["my:points/points#add-points"].digest;
    assert!(component.procedures[&digest].ends_with("add_points"));
}

/// Names that the Component Model does not tell apart: one of them could stand for the other.
#[test]
fn names_are_different_in_more_than_case() {
    let files = typed(NOTES, NOTES);
    for (wit, line) in [
        (
            "interface i { f: func();\n F: func(); } world w { export i; }",
            2,
        ),
        (
            "interface i { a-b: func();\n a-B: func(); } world w { import i; }",
            2,
        ),
        (
            "interface i { f: func(); }\n interface I { f: func(); } world w { import i; import I; }",
            2,
        ),
        (
            "interface i { resource r;\n resource R; f: func(); } world w { export i; }",
            2,
        ),
    ] {
        let wit = format!("package my:names; {wit}");
        files.write("app/w.wit", wit.as_bytes());
        files.write(
            "app/component.toml",
            b"name = \"app\"\nwit = \"w.wit\"\nsources = [\"app.masm\"]\n",
        );
        let error = files.component("app").expect_err("two names in one");
        assert!(error.to_string().contains("nothing but case"), "{error}");
        assert_eq!(error.line, Some(line), "{error}");
    }
    let wit = "package my:names; world w { export f: func(); export F: func(); }";
    files.write("app/w.wit", wit.as_bytes());
    let error = files.component("app").expect_err("two names in one");
    assert!(error.to_string().contains("conflicts"), "{error}");
}

/// A function of a world that is one exact procedure: its binding calls the procedure, and what it is wired to
/// has to be it.
#[test]
fn a_function_of_a_world_can_be_one_exact_procedure() {
    let files = typed(NOTES, NOTES);
    let log = files.component("log");
    let log = log.unwrap_or_else(|error| panic!("{error}"));
    let app = |root: &str, other: &str| {
        let text = format!(
            "name = \"app\"\nwit = \"w.wit\"\nsources = [\"app.masm\"]\n[exports.main]\n\
             procedure = \"app::main\"\n[imports.\"log#note\"]\nroot = \"{root}\"\n{other}"
        );
        files.write("app/component.toml", text.as_bytes());
        files.link()
    };
    let plain = files.link().unwrap_or_else(|error| panic!("{error}"));
    let root = log.exports["bank:log/log@1.0.0#note"].digest.to_hex();
    let linked = app(&root, "").unwrap_or_else(|error| panic!("{error}"));
    let result = |linked: &LinkedComposition| {
        let output = run(linked, Inputs::default()).unwrap_or_else(|error| panic!("{error}"));
        outputs(&output)[0]
    };
    assert_eq!(result(&linked), result(&plain));
    let other = log.exports["bank:log/log@1.0.0#other"].digest.to_hex();
    let error = app(&other, "").expect_err("another procedure");
    assert!(
        matches!(*error.problem, Problem::WrongRoot { .. }),
        "{error}"
    );
    let twice = format!("[imports.\"log#other\"]\nroot = \"{root}\"\n");
    let error = app(&root, &twice).expect_err("two functions");
    assert!(
        matches!(*error.problem, Problem::DuplicateImport { .. }),
        "{error}"
    );
}

/// Names that are not there, and are like some that are.
#[test]
fn names_that_were_meant_are_told() {
    let files = typed(NOTES, NOTES);
    let composition = wired("\"bank:log/log\" = \"log\"", "log");
    let meant = |file: &str, text: &str| {
        let before = std::fs::read(files.path(file)).expect("a file");
        files.write(file, text.as_bytes());
        let error = files.link().expect_err("a name that is not there");
        files.write(file, &before);
        let similar = error.similar.clone().unwrap_or_else(|| panic!("{error}"));
        assert!(
            error
                .to_string()
                .contains(&format!("did you mean `{similar}`?")),
            "{error}"
        );
        similar
    };
    let toml = "composition.toml";
    for (from, to, found) in [
        (
            "imports.\"bank:log/log\"",
            "imports.\"bank:log/lgo\"",
            "bank:log/log",
        ),
        ("= \"log\"\n[", "= \"lgo\"\n[", "log"),
        ("main = \"app.main\"", "main = \"app.mian\"", "main"),
        ("main = \"app.main\"", "mian = \"app.main\"", "main"),
        ("[instances.log]", "[instnaces.log]", "instances"),
        ("component = \"log\"", "component = \"lgo\"", "log"),
    ] {
        assert!(composition.contains(from), "{from}");
        let similar = meant(toml, &composition.replace(from, to));
        assert!(similar.ends_with(found), "{similar} for {to}");
    }
    let app = "name = \"app\"\nwit = \"w.wit\"\nsources = [\"app.masm\"]\n\
         [exports.main]\nprocedure = \"app::main\"\n";
    for (from, to, found) in [
        ("sources", "suorces", "sources"),
        ("[exports.main]", "[exports.mian]", "main"),
        ("procedure =", "procedrue =", "procedure"),
        ("wit =", "world = \"v\"\nwit =", "w"),
    ] {
        assert_eq!(meant("app/component.toml", &app.replace(from, to)), found);
    }
}

/// A small text can stand for many large types; what comes of it is bounded.
#[test]
fn types_of_a_world_are_bounded() {
    let doubled: String = (1..10)
        .map(|i| format!("type t{i} = tuple<t{0}, t{0}>; ", i - 1))
        .collect();
    let functions: String = (0..300)
        .map(|i| format!("g{i}: func(a: list<t9>);\n"))
        .collect();
    let named: String = (0..3000).map(|i| format!("c{i}, ")).collect();
    let uses: String = (0..300).map(|i| format!("h{i}: func(a: e);\n")).collect();
    for interface in [
        format!("type t0 = u32; {doubled} {functions}"),
        format!("enum e {{ {named} }} {uses}"),
        format!("variant e {{ {named} }} {uses}"),
    ] {
        let files = typed(&interface, NOTES);
        let error = files.component("app").expect_err("too many parts");
        let limit = LimitName::TypeParts;
        assert!(
            matches!(*error.problem, Problem::Limit { limit: found, .. } if found == limit),
            "{error}"
        );
    }
    let parts = |value| {
        let mut limits = AssemblyLimits::default();
        LimitName::TypeParts.set(&mut limits, value);
        let toolchain = Toolchain::new().with_limits(limits);
        Component::load(&typed(NOTES, NOTES).path("app"), &toolchain)
    };
    assert!(parts(6).is_ok());
    assert!(parts(5).is_err());
    // A package has the same bounds.
    let files = typed(NOTES, NOTES);
    let package = files
        .component("app")
        .map(|app| app.to_package().expect("a package"));
    let package = package.unwrap_or_else(|error| panic!("{error}"));
    let mut limits = AssemblyLimits::default();
    LimitName::TypeParts.set(&mut limits, 5);
    let toolchain = Toolchain::new().with_limits(limits);
    let error = Component::from_package(&package, "app.masp".as_ref(), &toolchain);
    let error = error.expect_err("too many parts").to_string();
    assert!(error.contains("`type-parts` of 5"), "{error}");
}

/// Each wire is compared with what it is wired to; how much that is, is bounded.
#[test]
fn comparisons_of_wires_are_bounded() {
    let files = typed(NOTES, NOTES);
    let wired_within = |value| {
        let mut limits = AssemblyLimits::default();
        LimitName::WiredParts.set(&mut limits, value);
        let toolchain = Toolchain::new().with_limits(limits);
        LinkedComposition::load(&files.path("composition.toml"), &toolchain)
    };
    assert!(wired_within(6).is_ok());
    let error = wired_within(5).expect_err("too much");
    assert_eq!(error.line, Some(2));
    assert!(error.to_string().contains("`wired-parts` of 5"), "{error}");
}
