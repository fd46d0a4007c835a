//! Several components with WIT and libraries in common.

use std::fs;

use super::{Folder, miden_cvm, on};

const LOG_WIT: &str = "package bank:log@1.0.0;\ninterface log {\n    use bank:types/money@1.0.0.{amount};\n    \
     note: func(a: amount) -> amount;\n}\n";

const TYPES_WIT: &str = "package bank:types@1.0.0;\ninterface money { type amount = u32; }\n";

const APP_WIT: &str = "package my:app;\nworld app { import bank:log/log@1.0.0; \
     export main: func(a: u32) -> u32; }\n";

fn component(name: &str, export: &str, entry: &str) -> String {
    format!(
        "name = \"{name}\"\nwit = \"{name}.wit\"\nsources = [\"{name}.masm\"]\n\
         [exports.{export}]\n{entry}\n"
    )
}

fn composition(app: &str, log: &str) -> String {
    format!(
        "main = \"app.main\"\n[instances.app]\ncomponent = \"{app}\"\nimports.log = \"log\"\n\
         [instances.log]\ncomponent = \"{log}\"\n"
    )
}

/// Two components that share an interface, which neither has a copy of.
fn workspace() -> Folder {
    let app = component("app", "main", "procedure = \"app::main\"");
    let log = component("log", "log", "module = \"log\"");
    Folder::new(&[
        (
            "workspace.toml",
            "members = [\"app\", \"parts/log\"]\nwit = \"wit\"\n",
        ),
        ("wit/log.wit", LOG_WIT),
        // As `wkg` lays them out.
        ("wit/bank-types-1.0.0/package.wit", TYPES_WIT),
        // What nobody uses is not read further than its name.
        (
            "wit/other.wit",
            "package bank:other;\ninterface broken { f: func(a: nothing); }\n",
        ),
        ("app/component.toml", &app),
        ("app/app.wit", APP_WIT),
        (
            "app/app.masm",
            "use bindings::bank::log::log pub proc main exec.log::note end",
        ),
        ("parts/log/component.toml", &log),
        (
            "parts/log/log.wit",
            "package my:log;\nworld log { export bank:log/log@1.0.0; }\n",
        ),
        ("parts/log/log.masm", "pub proc note add.2 end"),
        ("app.toml", &composition("app", "parts/log")),
    ])
}

#[test]
fn components_share_wit() {
    let folder = workspace();
    let call = ["--invoke", "main(40)", "--json"];
    let ran = on(&["run"], &folder.path("app.toml"), &call).json();
    assert_eq!(ran["call"]["result"], "42", "{ran}");
    let written = folder.path("written");
    let output = ["-o", written.to_str().expect("text")];
    on(&["component", "bindings"], &folder.path("app"), &output).answer();
    assert!(written.join("bindings/bank/log/log.masm").is_file());

    let json = on(&["component", "build"], &folder.path(""), &["--json"]).json();
    assert_eq!(json["components"].as_array().map(Vec::len), Some(2));
    // A package has the WIT that it needs, and no other.
    let elsewhere = Folder::new(&[]);
    for (name, from) in [("app", "app.masp"), ("log", "parts/log.masp")] {
        let bytes = fs::read(folder.path(from)).expect("a package");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(text.contains("bank:types") && !text.contains("broken"));
        elsewhere.write(&format!("{name}.masp"), bytes);
    }
    elsewhere.write("app.toml", composition("app.masp", "log.masp"));
    let packed = on(&["run"], &elsewhere.path("app.toml"), &call).json();
    assert_eq!(packed["composition"], ran["composition"]);
}

#[test]
fn members_alone_have_what_is_shared() {
    let folder = workspace();
    let build = |options: &[&str]| on(&["component", "build"], &folder.path("app"), options);
    build(&[]).answer();
    folder.write(
        "workspace.toml",
        "members = [\"parts/log\"]\nwit = \"wit\"\n",
    );
    assert!(build(&[]).error(1).contains("app.wit:2"));
    folder.write("workspace.toml", "members = [\"app\"]\nwit = \"wit\"\n");
    // Mistakes are told where they are, and its own copy stands before what is shared.
    folder.write("wit/log.wit", LOG_WIT.replace("note:", "note: note:"));
    let error = build(&[]).error(1);
    assert!(error.contains("wit/log.wit:4"), "{error}");
    fs::create_dir_all(folder.path("app/wit")).expect("a folder");
    fs::rename(folder.path("app/app.wit"), folder.path("app/wit/app.wit")).expect("moved");
    folder.write("app/wit/deps/bank-log-1.0.0/package.wit", LOG_WIT);
    let text = fs::read_to_string(folder.path("app/component.toml")).expect("text");
    folder.write("app/component.toml", text.replace("app.wit", "wit"));
    build(&[]).answer();
    // What is shared is an input too.
    let output = folder.path("wit/bank-types-1.0.0/package.wit");
    let error = build(&["-o", output.to_str().expect("text")]).error(2);
    assert!(error.contains("overwrite"), "{error}");
    folder.write("app/wit/deps/more/package.wasm", [0, 1, 2]);
    assert!(build(&[]).error(1).contains("binary form"));
}

#[test]
fn mistakes_in_workspaces_have_their_place() {
    let folder = workspace();
    for (text, reason) in [
        ("members = []\n", "no members"),
        ("members = [\"ap\"]\n", "did you mean"),
        ("members = [\"app\", \"app\"]\n", "listed twice"),
        (
            "members = [\"app\"]\nwti = \"wit\"\n",
            "did you mean `wit`?",
        ),
        (
            "members = [\"app\"]\nwit = \"nothing\"\n",
            "no `.wit` files",
        ),
        (
            "members = [\"app\"]\nwit = \"wit\"\nlibraries = [\"app.toml\"]\n",
            "not an assembled library",
        ),
        ("members = [\"app\", \"parts/../app\"]\n", "listed twice"),
        ("wit = \"wit\"\n", "members"),
    ] {
        folder.write("workspace.toml", text);
        let error = on(&["component", "build"], &folder.path(""), &[]).error(1);
        assert!(
            error.contains(reason) && error.contains("workspace.toml"),
            "{error}"
        );
    }
    folder.write("workspace.toml", "members = [\"app\"]\nwit = \"wit\"\n");
    on(&["component", "build"], &folder.path(""), &["-o", "x.masp"]).error(2);
}

/// Libraries are named where they belong: for one component, for those of a workspace, or for those of a
/// composition.
#[test]
fn libraries_are_named_in_files() {
    let inner = "[exports]\nmain = \"app.main\"\n[instances.app]\ncomponent = \"app\"\n";
    let folder = Folder::new(&[
        ("numbers/two.masm", "pub proc two push.2 end"),
        ("others/numbers/two.masm", "pub proc two push.20 end"),
        (
            "app/component.toml",
            "name = \"app\"\nsources = [\"app.masm\"]\n[exports.main]\nprocedure = \"app::main\"\n",
        ),
        (
            "app/app.masm",
            "use numbers::two pub proc main exec.two::two swap drop end",
        ),
        (
            "app.toml",
            "main = \"app.main\"\nlibraries = [\"numbers.masl\"]\n[instances.app]\ncomponent = \"app\"\n",
        ),
        (
            "outer.toml",
            "main = \"app.main\"\nlibraries = [\"numbers.masl\"]\n[instances.app]\ncomponent = \"inner.toml\"\n",
        ),
        ("inner.toml", inner),
        (
            "one.toml",
            &format!("libraries = [\"numbers.masl\"]\n{inner}"),
        ),
        (
            "two.toml",
            &format!("libraries = [\"others/numbers.masl\"]\n{inner}"),
        ),
    ]);
    on(&["bundle"], &folder.path("numbers"), &[]).answer();
    on(&["bundle"], &folder.path("others/numbers"), &[]).answer();
    for file in ["app.toml", "outer.toml"] {
        let json = on(&["run"], &folder.path(file), &["--json"]).json();
        assert_eq!(json["stack"][0], "2", "{file}");
    }
    // What is composed is composed of the library too.
    let library = folder.path("numbers.masl");
    let output = ["-o", library.to_str().expect("text")];
    let error = on(&["compose"], &folder.path("app.toml"), &output).error(2);
    assert!(error.contains("overwrite"), "{error}");
    // One component with two libraries is two.
    for (main, result) in [("one", "2"), ("two", "20")] {
        let text = format!(
            "main = \"{main}.main\"\n[instances.one]\ncomponent = \"one.toml\"\n\
             [instances.two]\ncomponent = \"two.toml\"\n"
        );
        let both = folder.write("both.toml", text);
        let finished = miden_cvm(["run", both.to_str().expect("text"), "--json"]);
        let json: serde_json::Value = serde_json::from_str(&finished.stdout).expect("JSON");
        assert_eq!(json["stack"][0], result, "{main}");
    }
    folder.write(
        "workspace.toml",
        "members = [\"app\"]\nlibraries = [\"numbers.masl\"]\n",
    );
    on(&["component", "build"], &folder.path("app"), &[]).answer();
}
