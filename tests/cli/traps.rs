//! Traps say where and why, and which calls led there.

use std::path::Path;

use serde_json::Value;

use super::{Folder, args, miden_cvm, on};

/// Three instances: `app` calls `shop`, which executes a procedure that calls `bank`, which traps.
pub(super) fn chain() -> Folder {
    let interface = |name: &str| format!("interface = \"my:{name}/api\"\nversion = \"1.0.0\"");
    let component = |name: &str, export: &str, imports: &str| {
        format!(
            "name = \"{name}\"\nsources = [\"{name}.masm\"]\n\
             [exports.{export}]\nprocedure = \"{name}::{export}\"\n{imports}"
        )
    };
    let import = |of: &str| format!("[imports.{of}]\n{}\nfunction = \"{of}\"\n", interface(of));
    Folder::new(&[
        (
            "shop/shop.toml",
            "main = \"app.main\"\n\
             [instances.app]\ncomponent = \"app\"\nimports.buy = \"store.buy\"\n\
             [instances.store]\ncomponent = \"store\"\nimports.pay = \"bank.pay\"\n\
             [instances.bank]\ncomponent = \"bank\"\n",
        ),
        (
            "shop/app/component.toml",
            &component("app", "main", &import("buy")),
        ),
        (
            "shop/app/app.masm",
            "pub proc main\n    push.7\n    call.imports::buy\n    drop\nend\n",
        ),
        (
            "shop/store/component.toml",
            &component("store", "buy", &import("pay")),
        ),
        (
            "shop/store/store.masm",
            "pub proc pay\n    push.41 drop push.1.2.3 drop drop drop\n    call.imports::pay\nend\n\
             pub proc buy\n    if.true\n        exec.pay\n    else\n        exec.pay\n    end\nend\n",
        ),
        ("shop/bank/component.toml", &component("bank", "pay", "")),
        (
            "shop/bank/bank.masm",
            "proc check\n    push.1 push.2\n    assert_eq.err=\"too poor\"\nend\n\
             pub proc pay\n    exec.check\nend\n",
        ),
        ("shop/shop.inputs", "{ \"operand_stack\": [\"1\"] }"),
    ])
}

fn trap(target: &Path, command: &str, others: &[&str]) -> (String, Value) {
    let text = miden_cvm(args(command, target, others)).error(1);
    let mut with_json = others.to_vec();
    with_json.push("--json");
    let finished = miden_cvm(args(command, target, &with_json));
    assert_eq!((finished.code, finished.stderr.as_str()), (1, ""));
    let json: Value = serde_json::from_str(&finished.stdout).expect("JSON");
    assert_eq!(json["status"], "error");
    (text, json["trap"].clone())
}

#[test]
fn traps_have_the_chain_of_calls_across_instances() {
    let folder = chain();
    // The condition of `store` is on top.
    folder.write(
        "shop/app/app.masm",
        "pub proc main\n    push.7 push.1\n    call.imports::buy\n    drop\nend\n",
    );
    for command in ["run", "prove", "analyze"] {
        let (text, trap) = trap(&folder.path("shop"), command, &[]);
        assert_eq!(trap["rule"], "FailedAssertion");
        assert_eq!(trap["place"]["instance"], "bank");
        assert_eq!(trap["place"]["procedure"], "bank::check");
        assert_eq!(trap["place"]["line"], 3);
        assert_eq!(trap["place"]["source"], "assert_eq.err=\"too poor\"");
        let calls: Vec<(&str, &str, u64)> = trap["calls"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|call| {
                (
                    call["instance"].as_str().expect("a name"),
                    call["procedure"].as_str().expect("a name"),
                    call["line"].as_u64().expect("a line"),
                )
            })
            .collect();
        assert_eq!(calls, [("store", "store::pay", 3), ("app", "app::main", 3)]);
        assert_eq!(trap["stack"][0], 0);
        for part in [
            "too poor",
            "in         bank::check of `bank` (",
            "bank.masm:3)",
            "called by  store::pay of `store` (",
            "called by  app::main of `app` (",
            "stack      [",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}

/// Packages have no places in sources, but names.
#[test]
fn traps_in_composed_packages_have_names() {
    let folder = chain();
    folder.write(
        "shop/app/app.masm",
        "pub proc main\n    push.7 push.1\n    call.imports::buy\n    drop\nend\n",
    );
    on(&["compose"], &folder.path("shop"), &[]).answer();
    let inputs = folder.path("shop/shop.inputs");
    let others = ["-i", inputs.to_str().expect("text")];
    let (text, trap) = trap(&folder.path("shop/shop.masp"), "run", &others);
    assert_eq!(trap["place"]["instance"], "bank");
    assert_eq!(trap["place"]["procedure"], "bank:bank::pay");
    let calls: Vec<&str> = trap["calls"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|call| call["procedure"].as_str().expect("a name"))
        .collect();
    assert_eq!(calls, ["store:store::pay", "app:app::main"]);
    assert!(text.contains("too poor"), "{text}");
    assert!(!text.contains("without a name"), "{text}");
}

/// A trap in generated code names the file that `component bindings` would write, and says that it is
/// generated; no other file is named that is not there.
/// Code of a library has the library's names and messages, wherever it is executed: the core library has the
/// same code, with others.
#[test]
fn traps_in_libraries_have_their_names_and_messages() {
    let folder = Folder::new(&[
        ("l/x.masm", "pub proc boom push.0 assert.err=\"deep\" end"),
        (
            "m.masm",
            "use l::x\nproc w exec.x::boom end\nbegin exec.w end",
        ),
        ("k.masm", "pub proc s push.0 assert.err=\"kern\" end"),
        ("s.masm", "begin syscall.s end"),
        (
            "c/component.toml",
            "name = \"c\"\nsources = [\"a.masm\"]\n[exports.main]\nprocedure = \"a::main\"\n",
        ),
        (
            "c/a.masm",
            "use l::x\npub proc main push.1 drop exec.x::boom end",
        ),
        (
            "app.toml",
            "main = \"c.main\"\n[instances.c]\ncomponent = \"c\"\n",
        ),
        (
            "packed.toml",
            "main = \"c.main\"\n[instances.c]\ncomponent = \"c.masp\"\n",
        ),
    ]);
    let path = |name: &str| folder.path(name).to_str().expect("text").to_owned();
    let (library, kernel) = (path("l"), path("k.masm"));
    on(&["bundle"], &folder.path("l"), &[]).answer();
    on(&["bundle"], &folder.path("k.masm"), &["--as-kernel"]).answer();
    on(&["compile"], &folder.path("m.masm"), &["-l", &library]).answer();
    on(&["compile"], &folder.path("s.masm"), &["--kernel", &kernel]).answer();
    on(
        &["component", "build"],
        &folder.path("c"),
        &["-l", &library],
    )
    .answer();
    on(&["compose"], &folder.path("app.toml"), &["-l", &library]).answer();
    let (assembled, kernels) = (path("l.masl"), path("k.masl"));
    for (target, options, message, name) in [
        ("m.masm", &["-l", &library][..], "deep", "l::x::boom"),
        ("m.masm", &["-l", &assembled], "deep", "l::x::boom"),
        ("m.masp", &["-l", &assembled], "deep", "l::x::boom"),
        ("s.masm", &["--kernel", &kernel], "kern", "$kernel::s"),
        ("s.masm", &["--kernel", &kernels], "kern", "$kernel::s"),
        ("s.masp", &["--kernel", &kernels], "kern", "$kernel::s"),
        ("app.toml", &["-l", &library], "deep", "l::x::boom"),
        ("packed.toml", &[], "deep", "a::main"),
        ("app.masp", &[], "deep", "a::main"),
    ] {
        let (text, json) = trap(&folder.path(target), "run", options);
        assert!(text.contains(message), "{target}: {text}");
        assert!(!text.contains("miden::core"), "{target}: {text}");
        let procedure = json["place"]["procedure"].as_str();
        assert!(
            procedure.is_some_and(|procedure| procedure.contains(name)),
            "{target}: {text}"
        );
    }
}

#[test]
fn traps_in_bindings_name_no_file_that_is_not_there() {
    let folder = Folder::new(&[
        (
            "book/component.toml",
            "name = \"book\"\nwit = \"book.wit\"\nsources = [\"book.masm\"]\n[exports.main]\nprocedure = \"book::main\"\n",
        ),
        (
            "book/book.wit",
            "package my:book; world book { export main: func(a: bool) -> bool; }",
        ),
        ("book/book.masm", "pub proc main\n    not\nend\n"),
        (
            "book.toml",
            "main = \"book.main\"\n[instances.book]\ncomponent = \"book\"\n",
        ),
        ("book.inputs", "{ \"operand_stack\": [\"7\"] }"),
    ]);
    let target = folder.path("book.toml");
    let (text, before) = trap(&target, "run", &[]);
    assert!(text.contains("canonical ABI: bool"), "{text}");
    let file = before["place"]["file"].as_str().expect("a file").to_owned();
    assert_eq!(before["place"]["is_generated"], true);
    assert!(text.contains(", generated)"), "{text}");
    on(&["component", "bindings"], &folder.path("book"), &[]).answer();
    assert!(Path::new(&file).is_file(), "{file}");
    let (text, after) = trap(&target, "run", &[]);
    assert_eq!(after["place"]["is_generated"], false);
    assert!(!text.contains("generated"), "{text}");
    let line = after["place"]["line"].as_u64().expect("a line") as usize;
    let written = std::fs::read_to_string(file).expect("the file");
    let shown = after["place"]["source"].as_str().expect("a line");
    assert_eq!(written.lines().nth(line - 1).map(str::trim), Some(shown));
}

/// A composition of a component that this module is.
fn math(module: &[u8]) -> Folder {
    let folder = Folder::new(&[
        (
            "lines/lines.toml",
            "main = \"math.divide\"\n[instances.math]\ncomponent = \"math\"\n",
        ),
        (
            "lines/math/component.toml",
            "name = \"math\"\nwit = \"math.wit\"\nwasm = \"math.wasm\"\n",
        ),
        (
            "lines/math/math.wit",
            "package my:math; world math { \
             export divide: func(a: u32, b: u32) -> u32; \
             export caller: func(a: u32, b: u32) -> u32; }",
        ),
    ]);
    folder.write("lines/math/math.wasm", module);
    folder
}

/// Where the first instructions of the procedures that a call executes come from.
fn sources(target: &Path, call: &str) -> Vec<String> {
    let json = on(&["analyze"], target, &["--invoke", call, "--json"]).json();
    let text = on(&["analyze"], target, &["--invoke", call]).answer();
    let procedures = json["procedures"].as_array().expect("a list");
    let sources = procedures.iter().filter_map(|p| p["source"].as_str());
    let sources: Vec<String> = sources.map(ToOwned::to_owned).collect();
    for source in &sources {
        assert!(text.contains(source), "{text}");
    }
    sources
}

/// Code that Rust's compiler inlines has the lines of where it was written, in a library or here.
#[test]
fn compiled_rust_has_the_lines_of_its_source() {
    let folder = math(include_bytes!("../../wasm/tests/lines/rust/lines.wasm"));
    let target = folder.path("lines");
    let source = include_str!("../../wasm/tests/lines/rust/src/lib.rs");
    let line = source.lines().position(|line| line.contains("if b > 100"));
    let place = format!("src/lib.rs:{}", line.expect("a line") + 1);
    let found = sources(&target, "caller(7, 5)");
    assert!(found.contains(&place), "{found:?}");

    let (text, trap) = trap(&target, "run", &["--invoke", "caller(7, 101)"]);
    let file = trap["place"]["file"].as_str().expect("a file");
    assert!(file.ends_with("core_arch/src/wasm32/mod.rs"), "{text}");
    for part in ["wasm: unreachable", "f0_caller"] {
        assert!(text.contains(part), "{text}");
    }
}

/// Code that was compiled from another language has the lines of its source, as far as its debug information
/// says.
#[test]
fn traps_in_compiled_code_have_the_lines_of_its_source() {
    let module = include_bytes!("../../wasm/tests/lines/lines.wasm");
    let folder = math(module);
    let target = folder.path("lines");
    for (call, line, reason) in [
        ("divide(7, 0)", 5, "division by zero"),
        ("caller(7, 101)", 10, "wasm: unreachable"),
    ] {
        let (text, trap) = trap(&target, "run", &["--invoke", call]);
        assert_eq!(trap["place"]["file"], "./lines.c", "{text}");
        assert_eq!(trap["place"]["line"], line, "{text}");
        assert_eq!(trap["place"]["is_generated"], false, "{text}");
        let place = format!("(./lines.c:{line})");
        assert!(text.contains(&place) && text.contains(reason), "{text}");
    }
    // So has what shows where cycles go.
    for call in ["divide(7, 2)", "caller(7, 5)"] {
        let found = sources(&target, call);
        let is_own = |source: &String| source.starts_with("./lines.c:");
        assert!(found.iter().any(is_own), "{found:?}");
    }
    // A package has them too: of the component, of the composition, and of one made of packages.
    let (component, whole) = (folder.path("math.masp"), folder.path("lines.masp"));
    let to = |path: &Path| ["-o".to_owned(), path.to_str().expect("text").to_owned()];
    let built = to(&component);
    on(
        &["component", "build"],
        &folder.path("lines/math"),
        &built.each_ref().map(String::as_str),
    )
    .answer();
    folder.write(
        "packed.toml",
        b"main = \"math.divide\"\n[instances.math]\ncomponent = \"math.masp\"\n",
    );
    let composed = to(&whole);
    for composition in [folder.path("packed.toml"), target.clone()] {
        on(
            &["compose"],
            &composition,
            &composed.each_ref().map(String::as_str),
        )
        .answer();
        for packed in [&composition, &whole] {
            for (call, line) in [("divide(7, 0)", 5), ("caller(7, 101)", 10)] {
                let (text, trap) = trap(packed, "run", &["--invoke", call]);
                assert_eq!(trap["place"]["file"], "./lines.c", "{text}");
                assert_eq!(trap["place"]["line"], line, "{text}");
            }
        }
    }
    for path in [&component, &folder.path("lines/math")] {
        let text = on(&["inspect"], path, &[]).answer();
        assert!(text.contains("with lines of 1 source file"), "{text}");
    }
    // A table that is damaged is left out, with a word about it.
    let place = module.windows(11).rposition(|name| name == b".debug_line");
    let mut damaged = module.to_vec();
    damaged[place.expect("the section") + 15] = 9;
    folder.write("lines/math/math.wasm", &damaged);
    let finished = on(&["run"], &target, &["--invoke", "divide(7, 2)", "--json"]);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    let json: Value = serde_json::from_str(&finished.stdout).expect("JSON");
    let warning = json["warnings"][0].to_string();
    assert!(warning.contains("`math.wasm` are not known"), "{warning}");
}
