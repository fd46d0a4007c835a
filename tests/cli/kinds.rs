//! Every command on every kind of file: none is mistaken for another, and usage errors are JSON too.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use super::{Finished, Folder, Proven, args, artifacts, example, miden_cvm, on};

/// One file of each kind.
struct Kinds {
    folder: Folder,
    proven: Proven,
}

impl Kinds {
    fn new() -> Self {
        let folder = Folder::new(&[
            ("main.masm", "begin add end"),
            ("main.inputs", "{ \"operand_stack\": [\"1\"] }"),
            ("world.wit", "package my:a; world a { export f: func(); }"),
            ("empty", ""),
            ("text.txt", "nothing at all"),
            ("nothing.json", "{ \"a\": 1 }"),
            ("folder/readme.md", "nothing"),
            ("workspace/workspace.toml", "members = []"),
            ("sources/seven.masm", "pub proc seven push.7 end"),
            ("kernel.masm", "pub proc seven push.7 end"),
        ]);
        artifacts(&folder);
        let note = folder.path("note.masp");
        let output = ["-o", note.to_str().expect("text")];
        on(&["component", "build"], &example("wallet/note"), &output).answer();
        let wallet = folder.path("wallet.masp");
        let output = ["-o", wallet.to_str().expect("text")];
        on(&["compose"], &example("wallet"), &output).answer();
        let outputs = folder.path("outputs.json");
        let output = ["-o", outputs.to_str().expect("text")];
        on(&["run"], &folder.path("main.masm"), &output).answer();
        let proven = Proven::new(&folder.path("main.masm"), &[]);
        Self { folder, proven }
    }

    fn path(&self, name: &str) -> PathBuf {
        match name {
            "proof" | "statement" => self.proven.folder.path(name),
            "component" => example("wallet/note"),
            "component.toml" => example("wallet/note/component.toml"),
            "composition" => example("wallet"),
            "composition.toml" => example("wallet/wallet.toml"),
            "composition.wac" => example("ledger/ledger.wac"),
            "/dev/null" => name.into(),
            _ => self.folder.path(name),
        }
    }
}

/// A file, and what it is called where it does not belong.
const KINDS: [(&str, &str); 25] = [
    ("main.masm", "Miden assembly"),
    ("world.wit", "WIT"),
    ("numbers.masl", "a library"),
    ("seven.masp", "the package of a program"),
    ("note.masp", "the package of a component"),
    ("wallet.masp", "the package of a composition"),
    ("wallet.records.json", "the records of a composition"),
    ("main.inputs", "inputs of a run"),
    ("outputs.json", "outputs of a run"),
    ("statement", "a statement"),
    ("proof", "a proof"),
    ("component", "a component"),
    ("component.toml", "the file of a component"),
    ("composition", "a composition"),
    ("composition.toml", "a composition"),
    ("composition.wac", "a composition"),
    ("workspace", "a workspace"),
    ("workspace/workspace.toml", "of a workspace"),
    ("sources", ""),
    ("folder", "folder"),
    ("empty", "an empty file"),
    ("text.txt", ""),
    ("nothing.json", ""),
    ("missing", ""),
    ("/dev/null", ""),
];

/// The verdict of a command on a file: that it takes it, or what it is.
fn check(kinds: &Kinds, command: &[&str], taken: &[&str], run: impl Fn(&Path) -> Finished) {
    for (name, what) in KINDS {
        let finished = run(&kinds.path(name));
        let text = format!("{command:?} {name}: {}{}", finished.stdout, finished.stderr);
        if taken.contains(&name) {
            assert_eq!(finished.code, 0, "{text}");
            continue;
        }
        assert!([1, 2].contains(&finished.code), "{text}");
        assert!(finished.stderr.starts_with("error: "), "{text}");
        if !what.is_empty() {
            assert!(finished.stderr.contains(what), "{text}");
        }
    }
}

#[test]
fn no_file_is_mistaken_for_another() {
    let kinds = Kinds::new();
    let library = kinds.path("numbers.masl");
    let with_library = ["-l", library.to_str().expect("text")];
    let own = kinds.path("main.inputs");
    let with_inputs = ["-i", own.to_str().expect("text")];
    check(
        &kinds,
        &["run"],
        &[
            "main.masm",
            "wallet.masp",
            "seven.masp",
            "composition",
            "composition.toml",
            "composition.wac",
        ],
        |path| match path.ends_with("seven.masp") {
            true => on(&["run"], path, &with_library),
            false if path.ends_with("wallet.masp") => {
                let inputs = example("wallet/wallet.inputs");
                on(&["run"], path, &["-i", inputs.to_str().expect("text")])
            }
            false => on(&["run"], path, &[]),
        },
    );
    let out = kinds.folder.path("out/x.masp");
    let output = ["-o", out.to_str().expect("text")];
    check(
        &kinds,
        &["compose"],
        &["composition", "composition.toml", "composition.wac"],
        |path| on(&["compose"], path, &output),
    );
    check(
        &kinds,
        &["component", "build"],
        &["component", "component.toml"],
        |path| on(&["component", "build"], path, &output),
    );
    let statement = kinds.path("statement");
    check(&kinds, &["verify", "-p"], &["proof"], |path| {
        let statement = statement.to_str().expect("text");
        on(&["verify", "-p"], path, &["-s", statement])
    });
    let proof = kinds.path("proof");
    check(&kinds, &["verify", "-s"], &["statement"], |path| {
        on(
            &["verify", "-s"],
            path,
            &["-p", proof.to_str().expect("text")],
        )
    });
    let main = kinds.path("main.masm");
    check(
        &kinds,
        &["run", "-i"],
        &["main.inputs", "nothing"],
        |path| {
            let path = path.to_str().expect("text");
            miden_cvm(args("run", &main, &["-i", path]))
        },
    );
    let unseen = [
        "outputs.json",
        "world.wit",
        "workspace",
        "workspace/workspace.toml",
        "sources",
        "folder",
        "empty",
        "text.txt",
        "nothing.json",
        "missing",
        "/dev/null",
    ];
    let seen: Vec<&str> = KINDS
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| !unseen.contains(name))
        .collect();
    check(&kinds, &["inspect"], &seen, |path| {
        on(&["inspect"], path, &[])
    });
    assert_eq!(miden_cvm(args("run", &main, &with_inputs)).code, 0);
}

/// The verdict of a command on the program as a kernel: the assembler says what is wrong with sources.
fn with_assembler(path: &Path, finished: Finished) -> Finished {
    match path.ends_with("main.masm") {
        true => Finished {
            stderr: finished.stderr.replace("entrypoint", "Miden assembly"),
            ..finished
        },
        false => finished,
    }
}

/// The same for what names code, WIT and records.
#[test]
fn no_file_is_mistaken_for_code() {
    let kinds = Kinds::new();
    let out = kinds.folder.path("out/made");
    let output = ["-o", out.to_str().expect("text")];
    check(&kinds, &["compile"], &["main.masm"], |path| {
        on(&["compile"], path, &output)
    });
    check(&kinds, &["bundle"], &["sources"], |path| {
        on(&["bundle"], path, &output)
    });
    let kernel = [&output[..], &["--as-kernel"]].concat();
    check(&kinds, &["bundle", "--as-kernel"], &["sources"], |path| {
        let finished = on(&["bundle"], path, &kernel);
        with_assembler(path, finished)
    });
    on(&["bundle"], &kinds.path("kernel.masm"), &kernel).answer();
    let folder = kinds.folder.path("generated");
    let output = ["-o", folder.to_str().expect("text")];
    check(
        &kinds,
        &["component", "bindings"],
        &["component", "component.toml"],
        |path| on(&["component", "bindings"], path, &output),
    );
    check(&kinds, &["component", "split"], &[], |path| {
        on(&["component", "split"], path, &output)
    });
    // A folder can be one of WIT, whatever else it is.
    let new = kinds.folder.path("made");
    for (name, what) in KINDS {
        let path = kinds.path(name);
        if path.is_dir() {
            continue;
        }
        let wit = ["--wit", path.to_str().expect("text")];
        let finished = on(&["component", "new"], &new, &wit);
        let is_wit = name == "world.wit";
        assert_eq!(finished.code == 0, is_wit, "{name}: {}", finished.stderr);
        if is_wit {
            fs::remove_dir_all(&new).expect("a folder");
        } else {
            assert!(
                finished.stderr.contains(what),
                "{name}: {}",
                finished.stderr
            );
        }
    }
    let quiet = kinds.folder.write("quiet.masm", "begin push.1 drop end");
    for (option, taken) in [
        ("-l", &["numbers.masl", "note.masp", "sources"][..]),
        ("--kernel", &["kernel.masm", "sources"]),
    ] {
        check(&kinds, &[option], taken, |path| {
            let finished = on(&["run"], &quiet, &[option, path.to_str().expect("text")]);
            with_assembler(path, finished)
        });
    }
    let (proof, statement) = (kinds.path("proof"), kinds.path("statement"));
    let [proof, statement] = [&proof, &statement].map(|path| path.to_str().expect("text"));
    check(&kinds, &["verify", "--records"], &[], |path| {
        let records = path.to_str().expect("text");
        let options = ["-s", statement, "--records", records];
        let finished = on(&["verify", "-p"], proof.as_ref(), &options);
        // Those that are records are of another composition.
        match path.ends_with("wallet.records.json") {
            true => Finished {
                stderr: finished
                    .stderr
                    .replace("0x", "the records of a composition"),
                ..finished
            },
            false => finished,
        }
    });
}

/// Whatever runs a target says the same about a file that is none.
#[test]
fn every_command_that_runs_something_says_what_it_is_not() {
    let kinds = Kinds::new();
    for name in ["statement", "component", "workspace", "numbers.masl"] {
        let (_, what) = KINDS[KINDS
            .iter()
            .position(|(kind, _)| *kind == name)
            .expect("a kind")];
        for command in ["run", "prove", "analyze", "debug", "test", "audit", "rows"] {
            let finished = on(&[command], &kinds.path(name), &[]);
            assert!([1, 2].contains(&finished.code), "{command} {name}");
            let told = finished.stderr.contains(what) || command == "test" && name == "component";
            assert!(told, "{command} {name}: {}", finished.stderr);
        }
        let of = kinds.path(name);
        let of = ["--of", of.to_str().expect("text")];
        let error = on(&["inspect"], &kinds.path("statement"), &of);
        assert!(error.stderr.contains(what), "--of {name}: {}", error.stderr);
    }
}

#[test]
fn all_that_is_shown_has_a_kind() {
    let kinds = Kinds::new();
    for (name, kind) in [
        ("main.masm", "program"),
        ("seven.masp", "program"),
        ("numbers.masl", "library"),
        ("wallet.records.json", "records"),
        ("main.inputs", "inputs"),
        ("statement", "statement"),
        ("proof", "proof"),
        ("component.toml", "component"),
        ("wallet.masp", "composition"),
    ] {
        let json = on(&["inspect"], &kinds.path(name), &["--json"]).json();
        assert_eq!(json["kind"], kind, "{name}");
    }
    let library = on(&["inspect"], &kinds.path("numbers.masl"), &["--json"]).json();
    assert_eq!(library["exports"][0]["path"], "numbers::seven::seven");
    assert_eq!(library["missing"], serde_json::json!([]));
}

#[test]
fn usage_errors_are_json_where_json_is_asked_for() {
    for command in [
        &["--json"][..],
        &["run", "--json"],
        &["--json", "walk"],
        &["verify", "--json"],
        &["prove", "x.masm", "--hash", "md5", "--json"],
        &["run", "x.masm", "--limit", "no", "--json"],
        &["component", "--json"],
    ] {
        let finished = miden_cvm(command);
        assert_eq!(
            (finished.code, finished.stderr.as_str()),
            (2, ""),
            "{command:?}"
        );
        let json: Value = serde_json::from_str(&finished.stdout).expect("JSON");
        assert_eq!(json["status"], "error", "{command:?}");
        assert!(json["error"].is_string());
    }
    assert_eq!(miden_cvm(["run", "--help", "--json"]).code, 0);
}

/// Warnings are in the answer in JSON too, whether it is an answer or an error.
#[test]
fn warnings_are_in_the_answer() {
    let folder = Folder::new(&[
        ("main.masm", "use miden::core::sys\nbegin push.1 drop end"),
        (
            "traps.masm",
            "use miden::core::sys\nbegin push.0 assert end",
        ),
        ("quiet.masm", "begin push.1 drop end"),
        (
            "direct.masm",
            "begin exec.truncate_stack exec.quiet push.XX drop end\n\
             use miden::core::sys::truncate_stack\nuse numbers::b::XX\nuse numbers::b::quiet",
        ),
        (
            "numbers/b.masm",
            "pub const XX = 1 pub proc quiet push.1 drop end",
        ),
        (
            "numbers/a.masm",
            "use miden::core::sys\npub proc one push.1 end",
        ),
        (
            "app/component.toml",
            "name = \"app\"\nsources = [\"app.masm\"]\n[exports.main]\nprocedure = \"app::main\"\n\
             [imports.log]\ninterface = \"my:log\"\nfunction = \"log\"\n",
        ),
        (
            "app/app.masm",
            "use miden::core::sys\npub proc main clk add end",
        ),
        (
            "app.toml",
            "main = \"app.main\"\n[instances.app]\ncomponent = \"app\"\nimports.log = \"app.main\"\n",
        ),
    ]);
    let numbers = folder.path("numbers");
    let with_library = ["-l", numbers.to_str().expect("text")];
    for (command, file, options, code, warned) in [
        (
            &["run"][..],
            "main.masm",
            &[][..],
            0,
            &["unused import"][..],
        ),
        (&["run"], "traps.masm", &[], 1, &["unused import"]),
        (&["run"], "quiet.masm", &[], 0, &[]),
        (&["run"], "quiet.masm", &with_library, 0, &["a.masm"]),
        (&["run"], "direct.masm", &with_library, 0, &["a.masm"]),
        (&["inspect"], "main.masm", &[], 0, &["unused import"]),
        (&["compile"], "main.masm", &[], 0, &["unused import"]),
        (&["bundle"], "numbers", &[], 0, &["unused import"]),
        (
            &["component", "build"],
            "app",
            &with_library,
            0,
            &["a.masm", "`log` is never called", "unused import"],
        ),
        (
            &["compose"],
            "app.toml",
            &with_library,
            0,
            &["a.masm", "`log`", "reads the clock", "unused import"],
        ),
        (
            &["inspect"],
            "app.toml",
            &[],
            0,
            &["`log`", "reads the clock", "unused import"],
        ),
    ] {
        let options = [options, &["--json"]].concat();
        let finished = on(command, &folder.path(file), &options);
        assert_eq!(finished.code, code, "{}", finished.stderr);
        let json: Value = serde_json::from_str(&finished.stdout).expect("JSON");
        let warnings = json["warnings"].as_array().expect("a list");
        assert!(
            !finished.stderr.contains("one or more warnings"),
            "{command:?} {file}: {}",
            finished.stderr
        );
        assert_eq!(
            warnings.len(),
            warned.len(),
            "{command:?} {file}: {warnings:?}"
        );
        for (warning, part) in warnings.iter().zip(warned) {
            let text = warning.as_str().expect("a text");
            assert!(text.contains(part), "{command:?} {file}: {text}");
            assert!(finished.stderr.contains(text), "{}", finished.stderr);
        }
    }
}

/// A name that is like one that exists was probably meant to be that one.
#[test]
fn names_that_were_meant_are_told() {
    let folder = Folder::new(&[
        ("ledger/ledger.masm", "begin push.1 drop end"),
        ("ledger.inputs", "{}"),
        ("numbers/a.masm", "pub proc one push.1 end"),
        ("kernel.masm", "pub proc seven push.7 add end"),
        (
            "app/component.toml",
            "name = \"app\"\nsources = [\"app.masm\"]\n[exports.main]\nprocedure = \"app::main\"\n",
        ),
        ("app/app.masm", "pub proc main add end"),
        (
            "app.toml",
            "main = \"app.main\"\n[instances.app]\ncomponent = \"app\"\n",
        ),
    ]);
    let path = |name: &str| folder.path(name).to_str().expect("text").to_owned();
    let main = path("ledger/ledger.masm");
    for (command, meant) in [
        (
            vec!["run".into(), path("ledgr/ledger.masm")],
            "ledger/ledger.masm",
        ),
        (
            vec!["run".into(), path("ledger/leger.masm")],
            "ledger/ledger.masm",
        ),
        (vec!["run".into(), path("legder")], "ledger"),
        (vec!["run".into(), path("ap.toml")], "app.toml"),
        (vec!["compose".into(), path("ap.toml")], "app.toml"),
        (vec!["prove".into(), path("aap.toml")], "app.toml"),
        (vec!["inspect".into(), path("app.tmol")], "app.toml"),
        (
            vec!["component".into(), "build".into(), path("aap")],
            "app/component.toml",
        ),
        (
            vec![
                "run".into(),
                main.clone(),
                "-i".into(),
                path("leger.inputs"),
            ],
            "ledger.inputs",
        ),
        (
            vec!["run".into(), main.clone(), "-l".into(), path("nubmers")],
            "numbers",
        ),
        (
            vec![
                "run".into(),
                main.clone(),
                "--kernel".into(),
                path("kernl.masm"),
            ],
            "kernel.masm",
        ),
        (
            vec![
                "verify".into(),
                "-p".into(),
                path("kernal.masm"),
                "-s".into(),
                main.clone(),
            ],
            "kernel.masm",
        ),
    ] {
        let finished = miden_cvm(&command);
        assert_ne!(finished.code, 0, "{command:?}");
        let wanted = format!("did you mean `{}`?", path(meant));
        assert!(
            finished.stderr.contains(&wanted),
            "{command:?}: {}",
            finished.stderr
        );
    }
    let error = miden_cvm(["run", &main, "--limit", "memry-words=3"]).error(2);
    assert!(error.contains("did you mean `memory-words`?"), "{error}");
    let error = miden_cvm(["run", &path("elsewhere.masm")]).error(1);
    assert!(!error.contains("did you mean"), "{error}");
}

fn piped(command: &[&str], bytes: &[u8]) -> Finished {
    let mut child = Command::new(env!("CARGO_BIN_EXE_miden-cvm"))
        .args(command)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command line starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(bytes).ok();
    drop(stdin);
    let output = child.wait_with_output().expect("an end");
    Finished {
        code: output.status.code().expect("an exit code"),
        stdout: String::from_utf8(output.stdout).expect("text"),
        stderr: String::from_utf8(output.stderr).expect("text"),
    }
}

#[test]
fn a_dash_is_the_standard_input() {
    let kinds = Kinds::new();
    let json = piped(&["run", "-", "--json"], b"begin push.3 swap drop end").json();
    assert_eq!(json["stack"][0], "3");
    let package = fs::read(kinds.path("wallet.masp")).expect("a package");
    let inputs = example("wallet/wallet.inputs");
    let inputs = inputs.to_str().expect("text");
    let json = piped(&["run", "-", "-i", inputs, "--json"], &package).json();
    assert!(json["composition"].is_string());
    let main = kinds.path("main.masm");
    let main = main.to_str().expect("text");
    let stack = b"{ \"operand_stack\": [\"20\", \"22\"] }";
    let json = piped(&["run", main, "-i", "-", "--json"], stack).json();
    assert_eq!(json["stack"][0], "42");
    let statement = kinds.path("statement");
    let statement = statement.to_str().expect("text");
    let proof = fs::read(kinds.path("proof")).expect("a proof");
    let text = piped(&["verify", "-p", "-", "-s", statement], &proof).answer();
    assert!(text.starts_with("valid"), "{text}");
    let text = piped(&["inspect", "-"], &proof).answer();
    assert!(text.starts_with("proof"), "{text}");
    let text = piped(&["inspect", "-"], b"begin add end").answer();
    assert!(text.starts_with("program"), "{text}");
    let package = kinds.path("from-standard.masp");
    let package = package.to_str().expect("text");
    piped(&["compile", "-", "-o", package], b"begin add end").answer();
    let text = miden_cvm(["inspect", package]).answer();
    assert!(text.contains("program"), "{text}");
    let note = kinds.path("component").to_string_lossy().into_owned();
    for command in [
        &["run", "-", "-i", "-"][..],
        &["verify", "-p", "-", "-s", "-"],
        &["prove", "-"],
        &["compile", "-"],
        &["bundle", "-"],
        &["compose", "-"],
        &["component", "build", "-"],
        &["component", "bindings", "-"],
        &["component", "bindings", &*note, "-o", "-"],
        &["component", "new", "-"],
        &["component", "split", "-"],
        &["component", "new", "made", "--wit", "-"],
        &["run", main, "-l", "-"],
        &["compile", main, "--kernel", "-"],
        &["debug", "-", "--plain"],
        &["debug", main, "-i", "-", "--plain"],
    ] {
        let error = piped(command, b"begin add end").error(2);
        assert!(error.contains("standard input"), "{error}");
    }
}

/// A new component in another language has the code that its compiler takes, and says how to run it.
#[test]
fn new_components_in_other_languages_have_their_project() {
    let folder = Folder::new(&[(
        "shop.wit",
        "package my:shop; \
         interface a { get: func(x: u64, y: string) -> bool; resource r { constructor(z: list<u8>); } } \
         world shop { export a; export get: func() -> string; } world other {}",
    )]);
    let wit = folder.path("shop.wit");
    let wit = ["--wit", wit.to_str().expect("text"), "--world", "shop"];
    let new = |name: &str, lang: &str, others: &[&str]| {
        let others = [&["--lang", lang], others].concat();
        on(&["component", "new"], &folder.path(name), &others).answer()
    };
    let read = |path: &str| fs::read_to_string(folder.path(path)).expect("a file");
    new("first", "rust", &[]);
    assert!(read("first/src/lib.rs").contains("impl Guest for Component"));
    assert!(read("first/wit/world.wit").contains("export add: func(a: u32, b: u32) -> u32"));
    assert!(read("first/component.toml").contains("release/component.wasm"));
    new("second", "rust", &wit);
    let code = read("second/src/lib.rs");
    assert!(
        code.contains("world: \"shop\"") && code.contains("stubs,"),
        "{code}"
    );
    new("third", "c", &[]);
    new("fourth", "c", &wit);
    let code = read("fourth/component.c");
    for function in [
        "EXPORT(\"my:shop/a#get\")\nuint32_t my_shop_a__get(uint64_t a, uint32_t b, uint32_t c) {",
        "EXPORT(\"my:shop/a#[constructor]r\")\nuint32_t my_shop_a__r__constructor(uint32_t a, uint32_t b) {",
        "EXPORT(\"get\")\nuint32_t world__get(void) {",
    ] {
        assert!(code.contains(function), "{function} is missing in: {code}");
    }
    let error = on(&["component", "build"], &folder.path("third"), &[]).error(1);
    assert!(error.contains("component.wasm"), "{error}");
    // Where there is the compiler, each is built by one command.
    for name in ["third", "fourth"] {
        let made = ["make", "clang", "wasm-ld"].map(|program| {
            std::process::Command::new(program)
                .arg("--version")
                .output()
                .is_ok()
        });
        if made.contains(&false) {
            eprintln!("skipped: there is no clang for WebAssembly");
            break;
        }
        let mut make = std::process::Command::new("make");
        let made = make.arg("-C").arg(folder.path(name)).output();
        let made = made.expect("it runs");
        assert!(made.status.success(), "{made:?}");
        on(&["component", "build"], &folder.path(name), &[]).answer();
    }
}

/// Whatever a new component is called and whatever world it has, it builds.
#[test]
fn new_components_build() {
    let folder = Folder::new(&[
        (
            "two.wit",
            "package my:two; \
             interface a { get: func(x: u32) -> u32; resource r { constructor(); } } \
             interface b { get: func(x: u32) -> u32; resource r { constructor(); } } \
             world two { export a; export b; export get: func(); }",
        ),
        (
            "types.wit",
            "package my:types; interface t { type a = u32; } \
             world types { export t; export f: func(); }",
        ),
        (
            "none.wit",
            "package my:none; world none { import f: func(); }",
        ),
        (
            "only.wit",
            "package my:only; interface t { type a = u32; } world only { export t; }",
        ),
        (
            "both.wit",
            "package my:both; interface a { get: func(); } interface b { get: func(); } \
             world both { import a; import b; export a; export b; }",
        ),
    ]);
    let new = |name: &str, others: &[&str]| on(&["component", "new"], &folder.path(name), others);
    let build = |name: &str| on(&["component", "build"], &folder.path(name), &[]);
    for name in [
        "imports",
        "exports",
        "bindings",
        "abi",
        "resources",
        "realloc",
        "miden",
        "core",
        "std",
        "kernel",
        "sys",
        "instance_init",
        "a-b",
        "world",
        "main",
        "begin",
        "end",
        "proc",
        "exec",
        "use",
        "pub",
        "if",
        "while",
        "repeat",
        "const",
        "type",
        "enum",
        "use_",
        "a__b-",
        "v2_3-x",
    ] {
        new(name, &[]).answer();
        let built = build(name);
        assert_eq!(built.code, 0, "{name}: {}", built.stderr);
    }
    for world in ["two", "types", "both"] {
        let wit = folder.path(&format!("{world}.wit"));
        new(
            &format!("of-{world}"),
            &["--wit", wit.to_str().expect("text")],
        )
        .answer();
        let built = build(&format!("of-{world}"));
        assert_eq!(built.code, 0, "{world}: {}", built.stderr);
    }
    // What is imported is said in one source, so that all of them together grow with the world.
    let told = fs::read_dir(folder.path("of-both")).expect("a folder");
    let told = told.filter_map(|entry| fs::read_to_string(entry.expect("an entry").path()).ok());
    let told: usize = told
        .map(|text| text.matches("use bindings::my::both::").count())
        .sum();
    assert_eq!(told, 2);
    for world in ["none", "only"] {
        let wit = folder.path(&format!("{world}.wit"));
        let error = new("nothing", &["--wit", wit.to_str().expect("text")]).error(1);
        assert!(error.contains("exports no function"), "{error}");
        assert!(!folder.path("nothing").exists());
    }
}

/// The same options everywhere: what runs with a library and a kernel is packed and shown with them.
#[test]
fn libraries_and_kernels_are_taken_by_every_command() {
    let folder = Folder::new(&[
        ("numbers/two.masm", "pub proc two push.2 end"),
        ("kernel.masm", "pub proc seven push.7 add end"),
        ("constants.masm", "pub const SEVEN = 7"),
        (
            "folder/api.masm",
            "use $kernel::values pub proc seven exec.values::seven add end",
        ),
        ("folder/lib/values.masm", "pub proc seven push.7 end"),
        (
            "app/component.toml",
            "name = \"app\"\nsources = [\"app.masm\"]\n[exports.main]\nprocedure = \"app::main\"\n",
        ),
        (
            "app/app.masm",
            "use numbers::two pub proc main exec.two::two swap drop syscall.seven end",
        ),
        (
            "app.toml",
            "main = \"app.main\"\n[instances.app]\ncomponent = \"app\"\n",
        ),
    ]);
    let path = |name: &str| folder.path(name).to_str().expect("text").to_owned();
    let numbers = path("numbers");
    for kernel in ["kernel.masm", "folder"] {
        let kernel = path(kernel);
        let options = ["-l", &numbers, "--kernel", &kernel];
        let target = folder.path("app.toml");
        let json = on(&["run"], &target, &[&options[..], &["--json"]].concat()).json();
        assert_eq!(json["stack"][0], "9");
        let composed = on(&["compose"], &target, &[&options[..], &["--json"]].concat()).json();
        assert_eq!(composed["program_hash"], json["program_hash"]);
        on(&["inspect"], &target, &options).answer();
        on(&["analyze"], &target, &options).answer();
        let built = path("component.masp");
        let with_output = [&options[..], &["-o", &built]].concat();
        on(&["component", "build"], &folder.path("app"), &with_output).answer();
        on(&["inspect"], &folder.path("app"), &options).answer();
        // The package has all of it, the kernel's code too.
        let packed = on(&["run"], &folder.path("app.masp"), &["--json"]).json();
        assert_eq!(packed["stack"][0], "9");
        assert_eq!(packed["cycles"], json["cycles"]);
    }
    for (option, wrong) in [
        ("--kernel", "app.toml"),
        ("--kernel", "app"),
        ("-l", "kernel.masm"),
        ("--kernel", "missing"),
        ("--kernel", "constants.masm"),
    ] {
        let finished = on(&["run"], &folder.path("app.toml"), &[option, &path(wrong)]);
        assert!([1, 2].contains(&finished.code), "{option} {wrong}");
        assert!(!finished.stderr.contains("gave up"), "{}", finished.stderr);
    }
    let kernel = path("kernel.masl");
    on(
        &["bundle", "--as-kernel"],
        &folder.path("kernel.masm"),
        &["-o", &kernel],
    )
    .answer();
    let error = on(&["run"], &folder.path("app.toml"), &["-l", &kernel]).error(1);
    assert!(error.contains("a kernel, not a library"), "{error}");
    folder.write(
        "app/component.toml",
        "name = \"app\"\nsources = [\"app.masm\"]\nlibraries = [\"../kernel.masl\"]\n",
    );
    let error = on(&["component", "build"], &folder.path("app"), &[]).error(1);
    assert!(error.contains("a kernel, not a library"), "{error}");
}

/// A file with the right name and form, and a mistake, is not called something else.
#[test]
fn damaged_files_are_told_by_their_mistake() {
    let deep = format!("{{\"operand_stack\":{}1", "[".repeat(500));
    let folder = Folder::new(&[
        ("main.masm", "begin add end"),
        ("deep.inputs", &deep),
        ("list.inputs", "[]"),
        ("other.json", "{\"operand_stack\": 3}"),
        ("s.json", "{\"program_hash\": 1, \"stack_inputs\": 2}"),
        ("proof", "no proof"),
    ]);
    for inputs in ["deep.inputs", "list.inputs", "other.json"] {
        let path = folder.path(inputs);
        let options = ["-i", path.to_str().expect("text")];
        let error = on(&["run"], &folder.path("main.masm"), &options).error(1);
        assert!(error.contains(inputs), "{error}");
        assert!(error.contains("at line 1 column"), "{error}");
        assert!(!error.contains("not inputs"), "{error}");
    }
    let (proof, statement) = (folder.path("proof"), folder.path("s.json"));
    let proof = ["-p", proof.to_str().expect("text")];
    let error = on(&["verify", "-s"], &statement, &proof).error(1);
    assert!(error.contains("s.json"), "{error}");
    assert!(!error.contains("not a statement"), "{error}");
    // A call that is none says which option has it.
    let call = format!("main({}", "[".repeat(500));
    let error = on(&["run"], &example("ledger"), &["--invoke", &call]).error(2);
    assert!(error.contains("--invoke: "), "{error}");
    // It is told as it was written, with the places in it.
    let error = on(&["run"], &example("ledger"), &["--invoke", "main(x)"]).error(2);
    assert!(
        error.contains("`main(x)`") && error.contains("5..6"),
        "{error}"
    );
}
