//! The command line, as a user and as a script meets it.

mod advisories;
mod aggregates;
mod claims;
mod compile;
mod debug;
mod formats;
mod kinds;
mod languages;
mod limits;
mod lying;
mod memory_io;
mod schema;
mod service;
mod testing;
mod traps;
#[cfg(unix)]
mod tutorial;
mod typed;
mod workspace;
#[cfg(unix)]
mod writing;

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::Arc,
};

use miden_assembly::Assembler;
use miden_core::utils::Serializable;
use miden_cvm::{Inputs, LinkedComposition, Toolchain};
use miden_mast_package::{MastArtifact, Package, PackageKind, PackageManifest};
use serde_json::Value;
use tempfile::TempDir;

/// The result of a command.
#[derive(Clone)]
struct Finished {
    code: i32,
    stdout: String,
    stderr: String,
}

/// Runs the command line. Whatever it is given, it never panics.
fn miden_cvm<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Finished {
    let output = Command::new(env!("CARGO_BIN_EXE_miden-cvm"))
        .args(args)
        .output();
    finished(output.expect("the command line starts"))
}

/// The result of a process of the command line.
fn finished(output: Output) -> Finished {
    let finished = Finished {
        code: output.status.code().expect("an exit code"),
        stdout: String::from_utf8(output.stdout).expect("text"),
        stderr: String::from_utf8(output.stderr).expect("text"),
    };
    for text in [&finished.stdout, &finished.stderr] {
        assert!(
            !text.contains("panicked") && !text.contains("mistake in miden-cvm"),
            "{text}"
        );
    }
    finished
}

impl Finished {
    /// The answer of a command that ends well.
    fn answer(self) -> String {
        assert_eq!(
            (self.code, self.stderr.as_str()),
            (0, ""),
            "{}",
            self.stdout
        );
        self.stdout
    }

    /// The JSON of a command that ends well.
    fn json(self) -> Value {
        serde_json::from_str(&self.answer()).expect("JSON")
    }

    /// The error of a command that fails, or whose arguments make no sense.
    fn error(self, code: i32) -> String {
        assert_eq!(
            (self.code, self.stdout.as_str()),
            (code, ""),
            "{}",
            self.stderr
        );
        self.stderr
    }
}

fn example(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples")
        .join(path)
}

/// A folder for the files of a test.
struct Folder(TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(TempDir::new().expect("a folder"));
        for (path, text) in files {
            folder.write(path, text);
        }
        folder
    }

    fn write(&self, path: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(&path, bytes).expect("a file");
        path
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }
}

/// The first elements of the answer's stack.
fn stack(json: &Value, count: usize) -> Vec<u64> {
    let stack = json["stack"].as_array().expect("a stack");
    assert_eq!(stack.len(), 16);
    let elements = stack.iter().take(count);
    elements
        .map(|e| e.as_str().and_then(|e| e.parse().ok()).expect("a number"))
        .collect()
}

fn args<'a>(command: &'a str, target: &'a Path, others: &'a [&'a str]) -> Vec<&'a OsStr> {
    let others = others.iter().map(OsStr::new);
    [OsStr::new(command), target.as_os_str()]
        .into_iter()
        .chain(others)
        .collect()
}

// RUN
// ------------------------------------------------------------------------------------------------

#[test]
fn programs_find_their_own_inputs() {
    let text = miden_cvm(args("run", &example("fib/fib.masm"), &[])).answer();
    assert!(
        text.contains("outputs      [2880067194370816120], then zeros"),
        "{text}"
    );
    let json = miden_cvm(args("run", &example("fib/fib.masm"), &["--json"])).json();
    assert_eq!(stack(&json, 2), [2880067194370816120, 0]);
    assert_eq!(json["status"], "ok");
    assert_eq!(json["composition"], Value::Null);
}

#[test]
fn inputs_and_outputs_are_files_in_midens_json() {
    let folder = Folder::new(&[("ten.json", r#"{ "operand_stack": ["10"] }"#)]);
    let (inputs, outputs) = (folder.path("ten.json"), folder.path("out.json"));
    let fib = example("fib/fib.masm");
    let mut run = args("run", &fib, &["-i"]);
    run.extend([inputs.as_os_str(), OsStr::new("-o"), outputs.as_os_str()]);
    miden_cvm(run).answer();
    let outputs = fs::read(outputs).expect("a file of outputs");
    let outputs: Value = serde_json::from_slice(&outputs).expect("JSON");
    assert_eq!(stack(&outputs, 2), [55, 0]);
}

#[test]
fn hashes_of_the_core_library_run() {
    let json = miden_cvm(args("run", &example("sha256/sha256.masm"), &["--json"])).json();
    assert_eq!(stack(&json, 2), [1182026555, 2528132074]);
    let json = miden_cvm(args("run", &example("blake3/blake3.masm"), &["--json"])).json();
    assert!(stack(&json, 8).into_iter().all(|word| word < 1 << 32));
}

#[test]
fn compositions_are_files_or_folders() {
    let folder = miden_cvm(args("run", &example("ledger"), &["--json"])).json();
    let file = miden_cvm(args("run", &example("ledger/ledger.wac"), &["--json"])).json();
    assert_eq!(folder, file);
    assert_eq!(stack(&folder, 4), [837809, 346754, 40306, 65131]);
    assert!(folder["composition"].is_string());
    let wallet = miden_cvm(args("run", &example("wallet"), &["--json"])).json();
    assert_eq!(stack(&wallet, 5)[4..], [12_000 + 2_631]);
}

#[test]
fn programs_have_the_hashes_that_midens_command_line_gives_them() {
    let source = fs::read_to_string(example("sha256/sha256.masm")).expect("a source");
    let program = Assembler::default()
        .with_dynamic_library(miden_cvm::core_library())
        .expect("the core library")
        .assemble_program(source)
        .expect("a program");
    let json = miden_cvm(args("run", &example("sha256/sha256.masm"), &["--json"])).json();
    assert_eq!(json["program_hash"], program.hash().to_hex());
}

#[test]
fn kernels_and_libraries_are_assembled() {
    let folder = Folder::new(&[
        ("kernel.masm", "pub proc seven push.7 swap drop end"),
        ("one/numbers.masm", "pub proc three push.3 end"),
        (
            "two/sums.masm",
            "use one::numbers pub proc six exec.numbers::three mul.2 end",
        ),
        (
            "main.masm",
            "use two::sums begin syscall.seven exec.sums::six add swap drop end",
        ),
    ]);
    let run = |libraries: [&str; 2]| {
        let libraries = libraries.map(|library| folder.path(library));
        let (main, kernel) = (folder.path("main.masm"), folder.path("kernel.masm"));
        let mut run = args("run", &main, &["--json", "--kernel"]);
        run.push(kernel.as_os_str());
        for library in &libraries {
            run.extend([OsStr::new("-l"), library.as_os_str()]);
        }
        miden_cvm(run)
    };
    assert_eq!(stack(&run(["one", "two"]).json(), 1), [13]);
    // A library only sees those before it.
    assert_eq!(run(["two", "one"]).code, 1);
}

#[test]
fn programs_are_found_in_their_folders() {
    let folder = Folder::new(&[
        ("sum/sum.masm", "begin add end"),
        ("sum/sum.inputs", r#"{ "operand_stack": ["3", "4"] }"#),
        ("sum/kernel.masm", "pub proc seven push.7 swap drop end"),
        ("one/anything.masm", "begin push.5 swap drop end"),
        ("main/main.masm", "begin push.6 swap drop end"),
        ("main/a.masm", "pub proc a add end"),
        ("several/a.masm", "begin end"),
        ("several/b.masm", "begin end"),
        (
            "composed/composition.toml",
            "main = \"app.main\"\n[instances.app]\ncomponent = \"nowhere\"",
        ),
        ("composed/main.masm", "begin add end"),
    ]);
    let run = |name: &str| miden_cvm(args("run", &folder.path(name), &["--json"]));
    for (name, result) in [("sum", 7), ("one", 5), ("main", 6)] {
        assert_eq!(stack(&run(name).json(), 1), [result], "{name}");
    }
    let error = miden_cvm(args("run", &folder.path("several"), &[])).error(1);
    assert!(error.contains("`a.masm`, `b.masm`"), "{error}");
    let error = miden_cvm(args("run", &folder.path("composed"), &[])).error(1);
    assert!(error.contains("nowhere"), "{error}");

    let proven = Proven::new(&folder.path("sum"), &[]);
    assert_eq!(stack(&proven.answer, 1), [7]);
    proven.verify(&[]).answer();
    let text = miden_cvm(args("prove", &folder.path("sum"), &[])).answer();
    assert!(text.contains("sum.proof"), "{text}");
    assert!(folder.path("sum/sum.proof").is_file());
}

/// A package of a program, and a library, as other tools write them.
fn artifacts(folder: &Folder) -> (PathBuf, PathBuf) {
    let source = folder.write(
        "numbers/seven.masm",
        "pub proc seven push.7777777 sub.7777770 end",
    );
    let library = Assembler::default()
        .assemble_library_from_dir(source.parent().expect("a folder"), "numbers")
        .expect("a library");
    let program = Assembler::default()
        .with_dynamic_library(&library)
        .expect("a library")
        .assemble_program("use numbers::seven begin exec.seven::seven add end")
        .expect("a program");
    let package = Package {
        name: "seven".into(),
        version: None,
        description: None,
        kind: PackageKind::Executable,
        mast: MastArtifact::Executable(Arc::new(program)),
        manifest: PackageManifest::new(None),
        sections: Vec::new(),
    };
    let package = folder.write("seven.masp", package.to_bytes());
    (package, folder.write("numbers.masl", library.to_bytes()))
}

#[test]
fn packages_run_with_libraries() {
    let folder = Folder::new(&[("seven.inputs", r#"{ "operand_stack": ["5"] }"#)]);
    let (package, library) = artifacts(&folder);
    let mut run = args("run", &package, &["--json", "-l"]);
    run.push(library.as_os_str());
    assert_eq!(stack(&miden_cvm(run).json(), 2), [12, 0]);
    let missing = miden_cvm(args("run", &package, &[])).error(1);
    assert!(missing.contains("no MAST forest"), "{missing}");
}

/// Damage to names and places in the source changes no run.
#[test]
fn damaged_code_never_runs() {
    let folder = Folder::new(&[("damaged.inputs", r#"{ "operand_stack": ["5"] }"#)]);
    let (package, library) = artifacts(&folder);
    let run = |package: &Path, library: &Path| {
        let mut run = args("run", package, &["-l"]);
        run.push(library.as_os_str());
        let inputs = folder.path("damaged.inputs");
        run.extend([OsStr::new("-i"), inputs.as_os_str()]);
        miden_cvm(run)
    };
    let intact = run(&package, &library).answer();
    for (artifact, name) in [(&package, "damaged.masp"), (&library, "damaged.masl")] {
        let bytes = fs::read(artifact).expect("a file");
        for position in (0..bytes.len()).step_by(bytes.len() / 24) {
            let mut damaged = bytes.clone();
            damaged[position] ^= 0xff;
            let damaged = folder.write(name, damaged);
            let finished = match name {
                "damaged.masp" => run(&damaged, &library),
                _ => run(&package, &damaged),
            };
            if finished.code == 0 {
                assert_eq!(finished.stdout, intact, "{name}: {position}");
            } else {
                assert_eq!(finished.code, 1, "{name}: {position}");
            }
        }
    }
}

// ERRORS
// ------------------------------------------------------------------------------------------------

#[test]
fn arguments_that_make_no_sense_are_usage_errors() {
    let folder = Folder::new(&[
        ("target.txt", "begin end"),
        ("main.masm", "begin push.1 drop end"),
    ]);
    let none: [&str; 0] = [];
    assert_eq!(miden_cvm(none).code, 2);
    assert_eq!(miden_cvm(["walk"]).code, 2);
    assert_eq!(miden_cvm(["run"]).code, 2);
    let main = folder.path("main.masm");
    for others in [
        &["--no-such-option"][..],
        &["-m", "0"],
        &["-m", "many"],
        &["second"],
    ] {
        assert_eq!(miden_cvm(args("run", &main, others)).code, 2, "{others:?}");
    }
    let unknown = miden_cvm(args("run", &folder.path("target.txt"), &[])).error(2);
    assert!(unknown.contains("is not a target"), "{unknown}");
    let library = folder.path("target.txt");
    let mut run = args("run", &main, &["-l"]);
    run.push(library.as_os_str());
    assert!(miden_cvm(run).error(2).contains("is not a library"));
    assert_eq!(miden_cvm(["--help"]).code, 0);
    assert_eq!(miden_cvm(["--version"]).code, 0);
}

#[test]
fn what_cannot_be_loaded_fails_with_its_file_and_reason() {
    let folder = Folder::new(&[
        ("wrong.masm", "begin\n    pusch.1\nend"),
        ("main.masm", "begin add end"),
        ("main.inputs", r#"{ "operand_stack": ["1", "two"] }"#),
        ("empty/readme.md", "nothing"),
        ("component/component.toml", "name = \"c\"\nsources = []"),
        (
            "composition.toml",
            "main = \"app.main\"\n[instances.app]\ncomponent = \"nowhere\"",
        ),
    ]);
    for (target, expected) in [
        ("missing.masm", "missing.masm` cannot be read"),
        ("missing", "missing` cannot be read"),
        ("wrong.masm", "wrong.masm:2"),
        ("main.masm", "main.inputs`: operand_stack[1]: `two`"),
        ("empty", "nor `empty.toml` nor `empty.wac`"),
        ("component", "is a component"),
        ("composition.toml", "composition.toml:3"),
        ("", "composition.toml:3"),
    ] {
        let error = miden_cvm(args("run", &folder.path(target), &[])).error(1);
        assert!(
            error.starts_with("error: ") && error.contains(expected),
            "{target}: {error}"
        );
    }
}

#[test]
fn traps_say_where_and_why() {
    let source = "proc check\n    assert.err=\"not one\"\nend\nbegin\n    exec.check\nend";
    let folder = Folder::new(&[("main.masm", source)]);
    let main = folder.path("main.masm");
    let error = miden_cvm(args("run", &main, &[])).error(1);
    for part in [
        "not one",
        "main.masm:2",
        "check",
        "cycle",
        "FailedAssertion",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
    let finished = miden_cvm(args("run", &main, &["--json"]));
    assert_eq!((finished.code, finished.stderr.as_str()), (1, ""));
    let json: Value = serde_json::from_str(&finished.stdout).expect("JSON");
    assert_eq!(json["status"], "error");
    assert!(json["error"].as_str().expect("a text").contains("not one"));
}

#[test]
fn runs_can_be_limited() {
    let error = miden_cvm(args("run", &example("fib/fib.masm"), &["-m", "100"])).error(1);
    assert!(error.contains("100"), "{error}");
}

#[test]
fn debug_instructions_are_answered_when_asked() {
    let folder = Folder::new(&[("main.masm", "begin push.42 debug.stack drop end")]);
    let main = folder.path("main.masm");
    let silent = miden_cvm(args("run", &main, &["--json"]));
    assert_eq!((silent.code, silent.stderr.as_str()), (0, ""));
    let debugged = miden_cvm(args("run", &main, &["--json", "--debug"]));
    assert_eq!(debugged.code, 0);
    assert!(debugged.stderr.contains("42"), "{}", debugged.stderr);
    assert_eq!(debugged.stdout, silent.stdout);
}

/// The published lexer panics at a character that begins no token, if it stands behind a blank.
#[test]
fn strange_characters_are_refused() {
    let folder = Folder::new(&[
        ("main.masm", "begin add \u{a7} end"),
        ("library/strange.masm", "pub proc f add \u{e} end"),
        ("good.masm", "begin add end"),
        ("app/component.toml", "name = \"app\"\nsources = [\".\"]\n"),
        ("app/app.masm", "pub proc main \u{a7} end"),
    ]);
    let (good, library) = (folder.path("good.masm"), folder.path("library"));
    let mut linked = args("run", &good, &["-l"]);
    linked.push(library.as_os_str());
    let mut kernel = args("run", &good, &["--kernel"]);
    let main = folder.path("main.masm");
    kernel.push(main.as_os_str());
    let app = folder.path("app");
    for command in [
        args("run", &main, &[]),
        linked,
        kernel,
        args("inspect", &app, &[]),
    ] {
        let error = miden_cvm(command).error(1);
        assert!(error.contains("is not part of the language"), "{error}");
    }
}

#[test]
fn imports_that_lead_back_to_themselves_end_nothing() {
    let folder = Folder::new(&[
        ("self.masm", "use $exec::f\nbegin exec.f end"),
        (
            "pair.masm",
            "use foo::a->bar\nuse bar::a->foo\nbegin push.1 drop end",
        ),
        (
            "kernel.masm",
            "use $kernel::account\npub proc a exec.account::foo end",
        ),
        ("library/a.masm", "pub use library::b::f"),
        ("library/b.masm", "pub use library::a::f"),
        (
            "so/component.toml",
            "name = \"so\"\nsources = [\"so.masm\"]\n[exports.main]\nprocedure = \"so::main\"\n",
        ),
        ("so/so.masm", "use so::m\npub proc main exec.m::twice end"),
        (
            "composition.toml",
            "main = \"so.main\"\n[instances.so]\ncomponent = \"so\"\n",
        ),
        ("many.masm", "begin repeat.4294967294 push.1 drop end end"),
        ("good.masm", "begin add end"),
        ("warned.masm", "use miden::core::sys\nbegin push.1 drop end"),
    ]);
    let good = folder.path("good.masm");
    let with = |option: &str, name: &str| {
        let (path, options) = (folder.path(name), [option]);
        let mut command = args("run", &good, &options);
        command.push(path.as_os_str());
        miden_cvm(command).error(1)
    };
    let run = |name: &str| miden_cvm(args("run", &folder.path(name), &[])).error(1);
    let build = miden_cvm([
        "component".into(),
        "build".into(),
        folder.path("so").into_os_string(),
    ]);
    for (error, place) in [
        (run("self.masm"), "self.masm:1:1"),
        (run("pair.masm"), "pair.masm:2:1"),
        (with("--kernel", "kernel.masm"), "kernel.masm:1:1"),
        (with("-l", "library"), "a.masm:1:1"),
        (run("composition.toml"), "so.masm:1"),
        (build.error(1), "so.masm:1"),
    ] {
        assert!(error.contains(place), "{place}: {error}");
        assert!(error.contains("leads back to itself"), "{error}");
    }
    assert!(run("many.masm").contains("`assembled-instructions` of"));
    let limit = ["--limit", "assembled-instructions=1"];
    let error = miden_cvm(args("run", &folder.path("warned.masm"), &limit)).error(1);
    assert!(error.contains("`assembled-instructions` of 1"), "{error}");
}

#[test]
fn nesting_is_bounded() {
    let nested = |keyword: &str, count: usize| {
        let (open, close) = (keyword.repeat(count), "end\n".repeat(count));
        format!("begin\n{open} push.1 drop {close} end")
    };
    let folder = Folder::new(&[
        ("fits.masm", &nested("push.1 if.true ", 256)),
        ("deep.masm", &nested("push.1 if.true ", 257)),
        ("huge.masm", &nested("repeat.1\n", 1 << 20)),
        ("library/deep.masm", &nested("while.true ", 300)),
        ("main.masm", "begin add end"),
    ]);
    miden_cvm(args("run", &folder.path("fits.masm"), &[])).answer();
    for (name, line) in [("deep.masm", ":2:"), ("huge.masm", ":258:")] {
        let error = miden_cvm(args("run", &folder.path(name), &[])).error(1);
        assert!(error.contains(name) && error.contains(line), "{error}");
    }
    let (main, library) = (folder.path("main.masm"), folder.path("library"));
    let mut run = args("run", &main, &["-l"]);
    run.push(library.as_os_str());
    let error = miden_cvm(run).error(1);
    assert!(error.contains("deep.masm:2:"), "{error}");
}

// ANALYZE
// ------------------------------------------------------------------------------------------------

fn sum(list: &Value, field: &str) -> u64 {
    let list = list.as_array().expect("a list");
    list.iter()
        .map(|entry| entry[field].as_u64().expect("a number"))
        .sum()
}

#[test]
fn intrinsics_are_counted_by_type() {
    let vault = example("vault");
    let json = miden_cvm(args("analyze", &vault, &["--json", "-n", "1000"])).json();
    let cycles = json["rows"]["core"].as_u64().expect("a number");
    assert_eq!(sum(&json["instances"], "cycles"), cycles);
    assert_eq!(sum(&json["procedures"], "own_cycles"), cycles);
    let intrinsics = json["intrinsics"].as_array().expect("a list");
    let count = |name: &str, field: &str| {
        let found = intrinsics.iter().find(|i| i["name"] == name);
        let found = found.unwrap_or_else(|| panic!("no {name}"));
        assert_eq!(found["resource"], "vault.bank:vault/vault@1.0.0#account");
        found[field].as_u64().expect("a number")
    };
    // Five accounts; four of them are paid out.
    assert_eq!(count("resource.new", "calls"), 5);
    assert_eq!(count("resource.drop", "destructors"), 4);
    assert!(json["rows"]["resources"].as_u64() > Some(0));
    let text = miden_cvm(args("analyze", &vault, &[])).answer();
    assert!(text.contains("resource.new"), "{text}");
}

#[test]
fn every_cycle_belongs_to_an_instance_and_a_procedure() {
    let ledger = example("ledger");
    let json = miden_cvm(args("analyze", &ledger, &["--json", "-n", "1000"])).json();
    let cycles = json["rows"]["core"].as_u64().expect("a number");
    let run = miden_cvm(args("run", &ledger, &["--json"])).json();
    assert_eq!(run["cycles"], cycles);
    assert_eq!(sum(&json["instances"], "cycles"), cycles);
    assert_eq!(sum(&json["procedures"], "own_cycles"), cycles);
    let procedures = json["procedures"].as_array().expect("a list");
    let post = procedures
        .iter()
        .find(|p| p["name"] == "ledger:exports::bank::ledger::ledger::post = ledger:ledger::post");
    let post = post.expect("a procedure with its name");
    assert_eq!(
        (&post["instance"], &post["executions"]),
        (&"ledger".into(), &8.into())
    );
    assert!(json["rows"]["memory"].as_u64() > Some(0));
    let tables = json["tables"].as_array().expect("a list");
    let names: Vec<_> = tables.iter().map(|table| table["table"].as_str()).collect();
    assert_eq!(
        names,
        ["core", "range", "hasher", "memory", "rom"].map(Some)
    );
    for table in tables {
        let height = table["height"].as_u64().expect("a number");
        // The core is in two pieces, which have a row in common.
        let pieces = match table["table"] == "core" {
            true => 2,
            false => 1,
        };
        assert_eq!((height + pieces - 1).count_ones(), pieces as u32);
    }
}

#[test]
fn analysis_is_a_text_for_people() {
    let text = miden_cvm(args("analyze", &example("fib/fib.masm"), &[])).answer();
    for part in ["hasher", "are padding", "program", "main"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

// PROVE AND VERIFY
// ------------------------------------------------------------------------------------------------

/// A proof with its statement.
struct Proven {
    folder: Folder,
    answer: Value,
}

impl Proven {
    /// Proves a run of a target.
    fn new(target: &Path, options: &[&str]) -> Self {
        let folder = Folder::new(&[]);
        let (proof, statement) = (folder.path("proof"), folder.path("statement"));
        let mut prove = args("prove", target, &["--json"]);
        prove.extend([OsStr::new("-p"), proof.as_os_str()]);
        prove.extend([OsStr::new("-s"), statement.as_os_str()]);
        prove.extend(options.iter().map(OsStr::new));
        let answer = miden_cvm(prove).json();
        // Nothing but the two files is left behind.
        assert_eq!(fs::read_dir(folder.0.path()).expect("a folder").count(), 2);
        Self { folder, answer }
    }

    fn proof(&self) -> Vec<u8> {
        fs::read(self.folder.path("proof")).expect("a proof")
    }

    fn statement(&self) -> Value {
        let statement = fs::read(self.folder.path("statement")).expect("a statement");
        serde_json::from_slice(&statement).expect("JSON")
    }

    fn verify(&self, options: &[&str]) -> Finished {
        self.verify_as("proof", "statement", options)
    }

    fn verify_as(&self, proof: &str, statement: &str, options: &[&str]) -> Finished {
        let (proof, statement) = (self.folder.path(proof), self.folder.path(statement));
        let mut verify = vec![OsStr::new("verify"), OsStr::new("--json")];
        verify.extend([OsStr::new("-p"), proof.as_os_str()]);
        verify.extend([OsStr::new("-s"), statement.as_os_str()]);
        verify.extend(options.iter().map(OsStr::new));
        miden_cvm(verify)
    }

    /// Verifies after a change of the statement.
    fn verify_claim(&self, change: impl FnOnce(&mut Value)) -> Finished {
        let mut statement = self.statement();
        change(&mut statement);
        self.folder.write("claim", statement.to_string());
        self.verify_as("proof", "claim", &[])
    }
}

/// The reason for which a proof is rejected.
fn rejection(finished: Finished) -> String {
    assert_eq!(
        (finished.code, finished.stderr.as_str()),
        (1, ""),
        "{}",
        finished.stdout
    );
    let json: Value = serde_json::from_str(&finished.stdout).expect("JSON");
    assert_eq!(json["status"], "error");
    json["error"].as_str().expect("a text").into()
}

/// A run in slices has a proof in as many groups, which says so.
#[test]
fn runs_are_proven_in_slices() {
    let fib = example("fib/fib.masm");
    let whole = Proven::new(&fib, &[]);
    let sliced = Proven::new(&fib, &["--slices", "4"]);
    let height = |proven: &Proven| proven.answer["tables"]["core"].as_u64().expect("a height");
    // Of pieces of a power of two of rows, neighbours share one.
    assert!(height(&whole).is_power_of_two());
    assert!(!height(&sliced).is_power_of_two());
    assert_eq!(sliced.answer["stack"], whole.answer["stack"]);
    sliced.verify(&[]).json();
    for (proven, groups) in [(&whole, 1), (&sliced, 4)] {
        let proof = proven.folder.path("proof");
        assert_eq!(
            miden_cvm(args("inspect", &proof, &["--json"])).json()["groups"],
            groups
        );
        let text = miden_cvm(args("inspect", &proof, &[])).answer();
        assert_eq!(text.contains("groups"), groups > 1, "{text}");
    }
    for number in ["0", "5"] {
        assert_eq!(
            miden_cvm(args("prove", &fib, &["--slices", number])).code,
            2
        );
    }
}

/// Where there is no memory for all slices, they are proven one after the other, and the proof is the same.
#[test]
fn slices_are_proven_one_after_the_other_where_memory_is_short() {
    let fib = example("fib/fib.masm");
    let proof = |memory: &[&str]| {
        let proven = Proven::new(&fib, &[&["--slices", "3", "--timings"], memory].concat());
        let timings = proven.answer["timings"].as_array().expect("a list");
        let runs = timings
            .iter()
            .filter(|phase| phase["phase"] == "execute_traced");
        let depths = runs.map(|phase| phase["depth"].as_u64().expect("a number"));
        let deepest = depths.max().expect("a run");
        (
            fs::read(proven.folder.path("proof")).expect("a proof"),
            deepest,
        )
    };
    let least = |slices: &str| {
        let options = ["--slices", slices, "--memory", "9K"];
        let error = miden_cvm(args("prove", &fib, &options)).error(1);
        let needed = error
            .split_once("at least ")
            .and_then(|(_, rest)| rest.split_once(" KiB"))
            .unwrap_or_else(|| panic!("{error}"));
        needed.0.parse::<u64>().expect("a number")
    };
    let (at_once, depth) = proof(&[]);
    assert_eq!(depth, 0);
    let (one_group, needed) = (least("1"), least("3"));
    assert!(needed < one_group, "{needed} KiB, {one_group} KiB");
    // The program is run again in the phases of the proof.
    let (in_turns, depth) = proof(&["--memory", &format!("{needed}K")]);
    assert_eq!(depth, 2);
    assert!(in_turns == at_once);
    let (with_more, depth) = proof(&["--memory", "1G"]);
    assert_eq!(depth, 0);
    assert!(with_more == at_once);
}

#[test]
fn a_proof_is_valid_for_its_statement_only() {
    let proven = Proven::new(&example("fib/fib.masm"), &[]);
    assert_eq!(stack(&proven.answer, 1), [2880067194370816120]);
    let verified = proven.verify(&[]).json();
    assert_eq!(verified["program_hash"], proven.answer["program_hash"]);
    assert_eq!(verified["stack_outputs"], proven.answer["stack"]);
    assert_eq!(verified["stack_inputs"][0], "90");

    let other = "0x0100000000000000000000000000000000000000000000000000000000000000";
    rejection(proven.verify_claim(|claim| claim["stack_outputs"][0] = 1.into()));
    rejection(proven.verify_claim(|claim| claim["stack_outputs"] = [1, 1].as_slice().into()));
    rejection(proven.verify_claim(|claim| claim["stack_inputs"][0] = 91.into()));
    rejection(proven.verify_claim(|claim| claim["program_hash"] = other.into()));
    rejection(proven.verify_claim(|claim| claim["kernel"] = [other].as_slice().into()));
    let unknown = rejection(proven.verify_claim(|claim| claim["more"] = 1.into()));
    assert!(
        unknown.contains("cannot be read as a statement"),
        "{unknown}"
    );

    let hash = proven.answer["program_hash"].as_str().expect("a digest");
    assert_eq!(proven.verify(&["--program-hash", hash]).code, 0);
    let refused = rejection(proven.verify(&["--program-hash", other]));
    assert!(refused.contains("expected"), "{refused}");
    let refused = rejection(proven.verify(&["--composition", other]));
    assert!(refused.contains("expected"), "{refused}");
    for more in ["128", "proven:101", "conjectured:129"] {
        let refused = rejection(proven.verify(&["--security", more]));
        assert!(refused.contains("bits of security"), "{refused}");
    }
    for enough in ["100", "proven:96", "conjectured:128"] {
        assert_eq!(proven.verify(&["--security", enough]).code, 0);
    }
    assert_eq!(proven.verify(&["--program-hash", "0x12"]).code, 2);
    for nonsense in ["most", "", "proven:", "guessed:96", "-1"] {
        assert_eq!(proven.verify(&["--security", nonsense]).code, 2);
    }
}

/// The parts of a proof's security are shown apart.
#[test]
fn security_is_accounted_for() {
    let folder = Folder::new(&[("main.masm", "begin add end")]);
    let proven = Proven::new(&folder.path("main.masm"), &[]);
    let security = &proven.verify(&[]).json()["security"];
    let bits = |part: &str| security["parts"][part].as_u64().expect("a number");
    let conjectured = [
        "protocol",
        "collisions",
        "lookups",
        "constraints",
        "out_of_domain",
    ];
    let least = conjectured.map(bits).into_iter().min();
    assert_eq!(
        least.min(Some(bits("quotients"))),
        security["conjectured"].as_u64()
    );
    let proof = bits("unique_decoding").max(bits("list_decoding"));
    assert_eq!(
        security["proven"].as_u64(),
        Some(proof.min(bits("lookups")).min(bits("collisions")))
    );
    for regime in ["unique_decoding", "list_decoding"] {
        let rounds = &security["parts"]["rounds"][regime];
        let round = |name: &str| rounds[name].as_u64().expect("a number");
        let least = [
            "queries",
            "folding",
            "quotients",
            "out_of_domain",
            "constraints",
        ]
        .map(round)
        .into_iter()
        .min();
        assert_eq!(least, Some(bits(regime)));
    }
    // Between 2^9 and 2^10 fractions, over a field of 192 bits.
    assert_eq!(bits("lookups"), 181);
    assert_eq!(*security, proven.answer["security"]);

    let (proof, statement) = (proven.folder.path("proof"), proven.folder.path("statement"));
    let inspected = miden_cvm(args("inspect", &proof, &["--json"])).json();
    assert_eq!(inspected["security"], *security);
    let text = miden_cvm(args("inspect", &proof, &[])).answer();
    let mut verify = vec![OsStr::new("verify"), OsStr::new("-p"), proof.as_os_str()];
    verify.extend([OsStr::new("-s"), statement.as_os_str()]);
    let lines = |text: String| -> Vec<String> {
        let lines = text
            .lines()
            .skip_while(|line| !line.starts_with("security"));
        lines.take(5).map(ToOwned::to_owned).collect()
    };
    let shown = lines(miden_cvm(verify).answer());
    assert!(shown[0].contains("100 bits proven"), "{shown:?}");
    assert!(shown[0].contains("128 bits conjectured"), "{shown:?}");
    assert!(shown[2].contains("lookups 181"), "{shown:?}");
    assert_eq!(shown, lines(text));
}

/// A trace for which the set would have less security than it is made for is in no proof.
#[test]
fn proofs_of_too_long_traces_are_refused() {
    let folder = Folder::new(&[("main.masm", "begin add end")]);
    let proven = Proven::new(&folder.path("main.masm"), &[]);
    let mut proof = proven.proof();
    proof[8..12].copy_from_slice(&(1_u32 << 25).to_le_bytes());
    proven.folder.write("changed", proof);
    let refused = rejection(proven.verify_as("changed", "statement", &["--security", "1"]));
    assert!(refused.contains("numbers of rows: [33554432,"), "{refused}");
}

#[test]
fn a_proof_with_a_changed_byte_is_rejected() {
    let folder = Folder::new(&[("main.masm", "begin add end")]);
    let proven = Proven::new(&folder.path("main.masm"), &[]);
    let proof = proven.proof();
    proven.verify(&[]).answer();
    let positions = (0..16).chain((16..proof.len()).step_by(proof.len() / 48));
    for position in positions.chain([proof.len() - 1]) {
        let mut changed = proof.clone();
        changed[position] ^= 0x11;
        proven.folder.write("changed", &changed);
        rejection(proven.verify_as("changed", "statement", &[]));
    }
    for length in [0, 5, 12, proof.len() / 2, proof.len() - 1] {
        proven.folder.write("changed", &proof[..length]);
        rejection(proven.verify_as("changed", "statement", &[]));
    }
    let longer = [&proof[..], &[0]].concat();
    proven.folder.write("changed", longer);
    rejection(proven.verify_as("changed", "statement", &[]));
    let missing = rejection(proven.verify_as("nothing", "statement", &[]));
    assert!(missing.contains("cannot be read"), "{missing}");
    proven
        .folder
        .write("changed", vec![0; miden_cvm::MAX_PROOF_LEN + 1]);
    let large = rejection(proven.verify_as("changed", "statement", &[]));
    assert!(large.contains("may have"), "{large}");
}

#[test]
fn hash_functions_and_levels_can_be_chosen() {
    let folder = Folder::new(&[("main.masm", "begin add end")]);
    let main = folder.path("main.masm");
    for hash in ["blake3-192", "rpo", "rpx", "poseidon2"] {
        let level = ["--security", "conjectured:96"];
        let proven = Proven::new(&main, &[&level[..], &["--hash", hash]].concat());
        let verified = proven.verify(&level).json();
        let settings = verified["settings"].as_str().expect("a text");
        assert!(settings.contains(hash), "{settings}");
    }
    let level = ["--security", "conjectured:128"];
    let proven = Proven::new(&main, &[&level[..], &["--preset", "regular"]].concat());
    assert_eq!(proven.verify(&level).code, 0);
    // What rests on the conjecture is not accepted by a verifier that does not say so.
    let refused = rejection(proven.verify(&[]));
    assert!(refused.contains("at least 100 proven bits"), "{refused}");
    let proven = Proven::new(&main, &["--security", "128"]);
    let verified = proven.verify(&["--security", "128"]).json();
    assert_eq!(verified["security"]["proven"], 128);
    let settings = verified["settings"].as_str().expect("a text");
    assert!(settings.contains("Proven128"), "{settings}");
    let weak = args(
        "prove",
        &main,
        &["--security", "128", "--hash", "blake3-192"],
    );
    let error = miden_cvm(weak).error(2);
    assert!(error.contains("blake3-192"), "{error}");
    // The smallest proofs are those of a set of their own. Of a run of a few rows, all are opened.
    let rows = Folder::new(&[("rows.masm", "begin repeat.1000 swap dup.1 add end end")]);
    let rows = rows.path("rows.masm");
    let level = ["--security", "conjectured:96"];
    let sizes = ["fast", "regular", "compact"].map(|preset| {
        let proven = Proven::new(&rows, &[&level[..], &["--preset", preset]].concat());
        let verified = proven.verify(&[&level[..], &["--sizes"]].concat()).json();
        let parts = verified["sizes"].as_array().expect("a list");
        let bytes = parts
            .iter()
            .map(|part| part["bytes"].as_u64().expect("a number"));
        bytes.sum::<u64>()
    });
    assert!(sizes.is_sorted_by(|more, less| more > less), "{sizes:?}");
    for others in [
        &["--hash", "md5"][..],
        &["--preset", "compact", "--security", "128"],
        &["--preset", "compact", "--security", "conjectured:128"],
        &["--security", "99"],
        &["--security", "conjectured:100"],
        &["--preset", "regular"],
        &["--preset", "recursive", "--security", "128"],
        &["--preset", "slow"],
    ] {
        assert_eq!(
            miden_cvm(args("prove", &main, others)).code,
            2,
            "{others:?}"
        );
    }
}

#[test]
fn proofs_go_beside_the_target_if_nothing_is_said() {
    let folder = Folder::new(&[("main.masm", "begin add end")]);
    let text = miden_cvm(args("prove", &folder.path("main.masm"), &[])).answer();
    assert!(text.contains("security"), "{text}");
    let (proof, statement) = (
        folder.path("main.proof"),
        folder.path("main.statement.json"),
    );
    let verify = ["verify", "-p"].map(OsStr::new).into_iter();
    let verify = verify.chain([proof.as_os_str(), OsStr::new("-s"), statement.as_os_str()]);
    let text = miden_cvm(verify).answer();
    assert!(text.starts_with("valid"), "{text}");
}

#[test]
fn what_traps_is_not_proven() {
    let folder = Folder::new(&[("main.masm", "begin push.0 assert end")]);
    miden_cvm(args("prove", &folder.path("main.masm"), &[])).error(1);
    assert!(!folder.path("main.proof").exists());
    assert!(!folder.path("main.statement.json").exists());
}

/// Proves and verifies a composition, and tries statements about others.
fn prove_composition(name: &str) {
    let proven = Proven::new(&example(name), &[]);
    let commitment = proven.answer["composition"].as_str().expect("a commitment");
    let verified = proven.verify(&["--composition", commitment]).json();
    assert_eq!(verified["stack_outputs"], proven.answer["stack"]);

    rejection(proven.verify_claim(|claim| claim["stack_outputs"][0] = 1.into()));
    rejection(proven.verify_claim(|claim| claim["composition"] = Value::Null));
    let kind = rejection(proven.verify_claim(|claim| {
        let kind = &mut claim["composition"]["links"][0]["kind"];
        *kind = if kind == "shared" {
            "isolated"
        } else {
            "shared"
        }
        .into();
    }));
    assert!(kind.contains("commitment"), "{kind}");
    rejection(proven.verify_claim(|claim| {
        claim["composition"]["links"]
            .as_array_mut()
            .expect("links")
            .pop();
    }));
    rejection(proven.verify_claim(|claim| claim["composition"]["instances"] = 70_000.into()));
}

#[test]
fn the_ledger_is_proven_and_verified() {
    prove_composition("ledger");
}

#[test]
fn the_vault_is_proven_and_verified() {
    prove_composition("vault");
}

#[test]
fn the_wallet_is_proven_and_verified() {
    prove_composition("wallet");
}

#[test]
fn the_kernels_from_webassembly_are_proven_and_verified() {
    prove_composition("kernels");
}

#[test]
fn the_market_of_three_languages_is_proven_and_verified() {
    prove_composition("market");
}

#[test]
fn the_exchange_is_proven_and_verified() {
    prove_composition("exchange");
}

/// Instances that a transaction installs are proven, and stand in no statement.
#[test]
fn the_transaction_is_proven_and_verified() {
    let proven = Proven::new(&example("transaction"), &[]);
    let commitment = proven.answer["composition"].as_str().expect("a commitment");
    let verified = proven.verify(&["--composition", commitment]).json();
    assert_eq!(verified["stack_outputs"], proven.answer["stack"]);
    assert_ne!(verified["tables"]["instances"], 0);
    let statement = proven.statement();
    assert_eq!(statement["composition"]["instances"], 1);
    assert_eq!(stack(&proven.answer, 6)[4..], [81, 73]);

    // Outputs of other accounts or notes, rights that the root does not have, and more instances, after
    // which the indices of what is installed begin.
    for output in 0..6 {
        rejection(proven.verify_claim(|claim| claim["stack_outputs"][output] = 1.into()));
    }
    for records in ["links", "intrinsics"] {
        rejection(proven.verify_claim(|claim| {
            let records = claim["composition"][records].as_array_mut();
            records.expect("records").pop();
        }));
    }
    rejection(proven.verify_claim(|claim| claim["composition"]["instances"] = 2.into()));
    rejection(proven.verify_claim(|claim| {
        claim["composition"]["links"][0]["target"] = 0.into();
    }));
}

/// The vault and those who have accounts there, installed: they do what they do as a composition, and the statement
/// has nothing of them.
#[test]
fn installed_components_with_resource_types_are_proven_and_verified() {
    let (installed, composed) = (example("vault/installed.toml"), example("vault/vault.toml"));
    let inputs = |target: &Path| target.with_extension("inputs");
    let options = |inputs: &Path| ["-i".to_owned(), inputs.display().to_string()];
    let given = options(&inputs(&installed));
    let proven = Proven::new(&installed, &given.each_ref().map(String::as_str));
    let commitment = proven.answer["composition"].as_str().expect("a commitment");
    let verified = proven.verify(&["--composition", commitment]).json();
    assert_ne!(verified["tables"]["instances"], 0);
    let statement = proven.statement();
    assert_eq!(statement["composition"]["instances"], 1);
    assert_eq!(statement["composition"]["resources"], Value::Null);
    let given = options(&inputs(&composed));
    let given = given.each_ref().map(String::as_str);
    let run = on(&["run", "--json"], &composed, &given).json();
    assert_eq!(run["stack"], proven.answer["stack"]);
    rejection(proven.verify_claim(|claim| claim["stack_outputs"][0] = 1.into()));
    // What the inputs name are the components beside them.
    let told = Inputs::read(&inputs(&installed))
        .expect("inputs")
        .advice
        .stack;
    let linked = LinkedComposition::load(&installed, &Toolchain::new()).expect("a composition");
    for (name, told) in ["client", "broker", "reader", "teller", "vault"]
        .into_iter()
        .zip(told.chunks(4))
    {
        let mut components = linked.installed.iter();
        let component = components.find(|component| component.name == name);
        let record = component.expect("it is installed").record();
        let record = record.expect("it has a record");
        assert_eq!(record.commitment().as_elements(), told, "{name}");
    }
}

#[test]
fn resource_types_and_what_is_done_with_them_are_shown() {
    let account = "vault.bank:vault/vault@1.0.0#account";
    let json = on(&["inspect"], &example("vault"), &["--json"]).json();
    assert_eq!(json["resources"], serde_json::json!([account]));
    let reader = &json["instances"][2];
    assert_eq!(reader["name"], "reader");
    assert_eq!(reader["handles"][0]["resource"], account);
    let mut intrinsics: Vec<&str> = reader["handles"][0]["intrinsics"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    intrinsics.sort_unstable();
    assert_eq!(intrinsics, ["drop", "recv-borrow", "send-borrow"]);
    let text = on(&["inspect"], &example("vault/vault"), &[]).answer();
    for line in [
        "export       bank:vault/vault@1.0.0#[method]account.balance",
        "[method]account.balance: func(self: borrow<account>) -> u32",
        "resource     bank:vault/vault@1.0.0#account, own",
        "               destructor 0x",
    ] {
        assert!(text.contains(line), "`{line}` is missing in: {text}");
    }
}

/// Runs a command on a path.
fn on(command: &[&str], path: &Path, others: &[&str]) -> Finished {
    let words = command.iter().map(OsStr::new);
    let others = others.iter().map(OsStr::new);
    miden_cvm(words.chain([path.as_os_str()]).chain(others))
}

#[test]
fn a_new_component_is_built_composed_proven_and_verified() {
    let folder = Folder::new(&[]);
    on(&["component", "new"], &folder.path("adder"), &[]).answer();
    let error = on(&["component", "new"], &folder.path("adder"), &[]).error(1);
    assert!(error.contains("is there already"), "{error}");
    // It is whole as it is, but its procedures are to be written yet.
    let code = fs::read_to_string(folder.path("adder/adder.masm")).expect("a source");
    assert!(code.contains("#! Inputs:  [a, b]"), "{code}");
    let code = code.replace(
        "push.0 assert.err=\"add is not written yet\"",
        "u32wrapping_add",
    );
    folder.write("adder/adder.masm", code);

    folder.write(
        "app.wit",
        "package my:app; world app { import my:adder/api@0.1.0; export main: func(a: u32) -> u32; }
         package my:adder@0.1.0 { interface api { add: func(a: u32, b: u32) -> u32; } }",
    );
    let wit = folder.path("app.wit");
    let wit = wit.to_str().expect("text");
    on(&["component", "new"], &folder.path("app"), &["--wit", wit]).answer();
    folder.write(
        "app/app.masm",
        "use bindings::my::adder::api\npub proc main push.30 exec.api::add end\n",
    );
    let text = on(&["component", "bindings"], &folder.path("app"), &[]).answer();
    assert!(text.contains("bindings/my/adder/api.masm"), "{text}");

    let built = on(&["component", "build"], &folder.path("adder"), &["--json"]).json();
    assert_eq!(built["exports"][0]["name"], "my:adder/api@0.1.0#add");
    let composition = "main = \"app.main\"\n[instances.app]\ncomponent = \"app\"\n\
                       imports.api = \"adder\"\n[instances.adder]\ncomponent = \"adder.masp\"\n";
    let file = folder.write("sum.toml", composition);
    let composed = on(&["compose"], &file, &["--json"]).json();
    folder.write("sum.inputs", "{ \"operand_stack\": [\"12\"] }");
    let ran = on(&["run"], &folder.path("sum.masp"), &["--json"]).json();
    assert_eq!(stack(&ran, 2), [42, 0]);
    assert_eq!(ran["composition"], composed["composition"]);
    assert_eq!(ran["program_hash"], composed["program_hash"]);

    let proven = Proven::new(&folder.path("sum.masp"), &[]);
    let records = folder.path("sum.records.json");
    let records = records.to_str().expect("text");
    proven.verify(&["--records", records]).answer();
    let text = fs::read_to_string(records).expect("records");
    let other = folder.write("other.json", text.replace("\"shared\"", "\"isolated\""));
    let refused = proven.verify(&["--records", other.to_str().expect("text")]);
    assert_eq!(refused.code, 1);
    assert!(refused.stdout.contains("no records"), "{}", refused.stdout);

    // All of it can be looked at.
    let text = on(&["inspect"], &folder.path("sum.masp"), &[]).answer();
    let link = "my:adder/api@0.1.0#add -> adder.my:adder/api@0.1.0#add, shared";
    assert!(text.contains(link), "{text}");
    let json = on(&["inspect"], &folder.path("adder.masp"), &["--json"]).json();
    assert_eq!(
        json["exports"][0]["function"],
        "add: func(a: u32, b: u32) -> u32"
    );
    assert_eq!(
        on(&["inspect"], &folder.path("adder"), &["--json"]).json(),
        json
    );
    let graph = on(&["inspect"], &file, &["--mermaid"]).answer();
    assert!(
        graph.contains("i0 -->|\"my:adder/api@0.1.0\"| i1"),
        "{graph}"
    );
    let graph = on(&["inspect"], &file, &["--dot"]).answer();
    assert!(graph.starts_with("digraph"), "{graph}");
    let error = on(&["inspect"], &folder.path("adder"), &["--dot"]).error(2);
    assert!(error.contains("not a composition"), "{error}");
    let error = on(&["inspect"], &folder.path("sum.toml.missing"), &[]).error(1);
    assert!(error.contains("cannot be read"), "{error}");

    // A package that was changed is refused.
    let mut bytes = fs::read(folder.path("sum.masp")).expect("a package");
    let position = bytes
        .windows(9)
        .position(|window| window == b"\"records\"")
        .expect("the section");
    bytes[position + 20] ^= 1;
    let changed = folder.write("changed.masp", bytes);
    let error = on(&["run"], &changed, &[]).error(1);
    assert!(error.contains("cannot be used"), "{error}");
}

/// Packing changes nothing about a run: the examples, blocks whose no-ops could be mistaken for
/// operations, and dynamic calls.
#[test]
fn composed_packages_take_the_cycles_of_their_parts() {
    let folder = Folder::new(&[
        ("app/component.toml", "name = \"app\"\nsources = [\"app.masm\"]\ndyncall = [\"app::callee\"]\n[exports.main]\nprocedure = \"app::main\"\n"),
        (
            "app/app.masm",
            "pub proc callee push.5 add end
             pub proc main
                 push.7 dup add drop dup add drop dup add drop dup add drop dup add drop dup add drop
                 dup add drop dup add drop dup add drop drop
                 procref.callee mem_storew_be.40 dropw
                 push.40 dyncall push.40 dynexec
                 push.1 push.2 push.3 drop drop drop
             end",
        ),
        ("small.toml", "main = \"app.main\"\n[instances.app]\ncomponent = \"app\"\n"),
        ("small.inputs", "{ \"operand_stack\": [\"3\"] }"),
        ("nop/component.toml", "name = \"nop\"\nsources = [\"nop.masm\"]\n[exports.main]\nprocedure = \"nop::main\"\n"),
        (
            // Both have one digest, and not the same number of cycles.
            "nop/nop.masm",
            "pub proc short push.2 exp.3 drop end
             proc twice exec.short exec.short swap swap end
             pub proc main
                 push.1 if.true push.2 exp.3 drop nop else exec.short end
                 push.1 if.true exec.short else exec.twice end
                 push.0 if.true nop else exec.twice end
             end",
        ),
        ("nop.toml", "main = \"nop.main\"\n[instances.nop]\ncomponent = \"nop\"\n"),
    ]);
    let small = (folder.path("small.toml"), folder.path("small.inputs"));
    let nop = (folder.path("nop.toml"), folder.path("small.inputs"));
    let examples = [
        "ledger/ledger.wac",
        "vault/vault.toml",
        "wallet/wallet.toml",
        "exchange/exchange.toml",
    ];
    let examples = examples.map(|path| (example(path), example(path).with_extension("inputs")));
    for (target, inputs) in examples.into_iter().chain([small, nop]) {
        let package = folder.path("packed.masp");
        let package_text = package.to_str().expect("text");
        on(&["compose"], &target, &["-o", package_text]).answer();
        let run = |target: &Path| {
            on(
                &["run"],
                target,
                &["--json", "-i", inputs.to_str().expect("text")],
            )
            .json()
        };
        let (parts, packed) = (run(&target), run(&package));
        assert_eq!(parts, packed, "{}", target.display());
        assert!(parts["cycles"].as_u64() > Some(20));
    }
}

/// The stacks have every cycle once, over the chain of calls across instances.
#[test]
fn folded_stacks_have_all_cycles() {
    let folder = Folder::new(&[]);
    let folded = folder.path("new/folded.txt");
    let options = ["--json", "--folded", folded.to_str().expect("text")];
    let json = miden_cvm(args("analyze", &example("ledger"), &options)).json();
    let text = fs::read_to_string(&folded).expect("stacks");
    let cycles = text.lines().map(|line| {
        let (_, cycles) = line.rsplit_once(' ').expect("a count");
        cycles.parse::<u64>().expect("a number")
    });
    assert_eq!(Some(cycles.sum()), json["rows"]["core"].as_u64());
    let post = text
        .lines()
        .find(|line| line.contains(" = ledger:ledger::post"))
        .expect("a procedure of another instance");
    assert!(post.contains(';'), "{post}");
    let again = folder.path("again.txt");
    let options = ["--folded", again.to_str().expect("text")];
    miden_cvm(args("analyze", &example("ledger"), &options)).answer();
    assert_eq!(fs::read_to_string(&again).expect("stacks"), text);
}

/// Equal code in two components, or under two names, has the names of those who execute it.
#[test]
fn equal_code_has_the_names_of_its_own_component() {
    let component = |name: &str, more: &str| {
        format!(
            "name = \"{name}\"\nsources = [\"{name}.masm\"]\n\
             [exports.{name}]\nprocedure = \"{name}::{name}\"\n{more}"
        )
    };
    let import = "[imports.bank]\ninterface = \"i\"\nfunction = \"bank\"\n";
    // Long enough not to be merged into its caller.
    let body = "push.1 while.true push.0 end";
    let folder = Folder::new(&[
        (
            "app.toml",
            "main = \"app.app\"\n[instances.app]\ncomponent = \"app\"\nimports.bank = \"bank.bank\"\n[instances.bank]\ncomponent = \"bank\"\n",
        ),
        ("app/component.toml", &component("app", import)),
        (
            "app/app.masm",
            &format!(
                "pub proc mine {body} end\npub proc also_mine {body} end\npub proc app exec.mine exec.also_mine call.imports::bank end"
            ),
        ),
        ("bank/component.toml", &component("bank", "")),
        ("bank/bank.masm", &format!("pub proc bank {body} end")),
    ]);
    let json = on(
        &["analyze"],
        &folder.path("app.toml"),
        &["--json", "-n", "100"],
    )
    .json();
    let mut names: Vec<(String, String)> = json["procedures"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|p| {
            let text = |field: &str| p[field].as_str().expect("a text").to_owned();
            (text("instance"), text("name"))
        })
        .collect();
    names.sort();
    let expected = [
        ("app", "app:app::also_mine = app:app::mine"),
        ("app", "app:app::app"),
        ("bank", "bank:bank::bank"),
    ];
    assert_eq!(names, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
}

/// Code that equals a procedure is none, wherever it stands.
#[test]
fn code_that_equals_a_procedure_has_the_name_of_its_own() {
    let body = "push.1 while.true push.0 end";
    let executions = |main: &str| -> Vec<(String, u64)> {
        let code = format!("proc mine {body} end\nbegin {main} end");
        let folder = Folder::new(&[("main.masm", &code)]);
        let json = on(
            &["analyze"],
            &folder.path("main.masm"),
            &["--json", "-n", "9"],
        );
        let json = json.json();
        let procedures = json["procedures"].as_array().expect("a list").iter();
        let mut found: Vec<(String, u64)> = procedures
            .map(|p| {
                let name = p["name"].as_str().expect("a text").to_owned();
                (name, p["executions"].as_u64().expect("a number"))
            })
            .collect();
        found.sort();
        found
    };
    let main = ("main".to_owned(), 1);
    let mine = |count| ("mine".to_owned(), count);
    for (code, count) in [
        (format!("push.1 if.true {body} else exec.mine end"), 0),
        (format!("push.0 if.true {body} else exec.mine end"), 1),
        (format!("push.0 if.true exec.mine else {body} end"), 0),
        (format!("{body} push.0 if.true exec.mine end {body}"), 0),
        (format!("exec.mine {body} exec.mine"), 2),
        (format!("push.1 while.true {body} exec.mine push.0 end"), 1),
    ] {
        let mut expected = vec![main.clone()];
        expected.extend((count > 0).then(|| mine(count)));
        assert_eq!(executions(&code), expected, "{code}");
    }
}

/// Lines of JSON say which phase begins and how much is done.
#[test]
fn progress_is_told_in_lines() {
    let folder = Folder::new(&[("main.masm", "begin push.1 push.2 add swap drop end")]);
    let main = folder.path("main.masm");
    let proven = miden_cvm(args("prove", &main, &["--json", "--progress"]));
    assert_eq!(proven.code, 0, "{}", proven.stderr);
    let lines = proven.stderr.lines().map(|line| {
        let line: Value = serde_json::from_str(line).expect("JSON");
        let phase = line["phase"].as_str().expect("a phase").to_owned();
        (phase, line["percent"].as_u64().expect("a number"))
    });
    let lines: Vec<(String, u64)> = lines.collect();
    assert_eq!(lines[0], ("loading".into(), 0));
    assert!(lines.is_sorted_by_key(|(_, percent)| *percent), "{lines:?}");
    let last = lines.last().expect("a phase");
    assert_eq!((last.0.as_str(), last.1), ("open", 91));
}

/// Of the phases of a proof each is shown where it is in another.
#[test]
fn phases_are_timed() {
    let folder = Folder::new(&[("main.masm", "begin add end")]);
    let main = folder.path("main.masm");
    let json = miden_cvm(args("prove", &main, &["--json", "--timings"])).json();
    let phases = json["timings"].as_array().expect("a list");
    let named = |name: &str| phases.iter().any(|phase| phase["phase"] == name);
    assert!(
        named("execute_traced") && named("commit_to_main_rows"),
        "{phases:?}"
    );
    assert!(phases.iter().any(|phase| phase["depth"] == 1), "{phases:?}");
    let without = miden_cvm(args("prove", &main, &["--json"])).json();
    assert_eq!(without["timings"], Value::Null);
    let text = miden_cvm(args("prove", &main, &["--timings"])).answer();
    assert!(text.contains("commit_to_main_rows"), "{text}");
}

/// A proof is the same with any memory, if there is enough.
#[test]
fn memory_is_bounded() {
    let folder = Folder::new(&[("main.masm", "begin repeat.99 swap add end end")]);
    let main = folder.path("main.masm");
    let proof = |options: &[&str]| {
        miden_cvm(args("prove", &main, options)).answer();
        fs::read(folder.path("main.proof")).expect("a proof")
    };
    let error = miden_cvm(args("prove", &main, &["--memory", "9K"])).error(1);
    let needed = error
        .split_once("at least ")
        .and_then(|(_, rest)| rest.split_once(" KiB"))
        .unwrap_or_else(|| panic!("{error}"));
    let usual = proof(&[]);
    assert_eq!(proof(&["--memory", &format!("{}K", needed.0)]), usual);
    assert_eq!(proof(&["--memory", "1G"]), usual);
    for size in [
        "",
        "M",
        "1.5M",
        "-1",
        "99999999999999999999",
        "99999999999G",
    ] {
        let given = format!("--memory={size}");
        assert_eq!(miden_cvm(args("prove", &main, &[&given])).code, 2, "{size}");
    }
}

#[test]
fn completions_and_the_manual_page_are_printed() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = miden_cvm(["completions", shell]).answer();
        assert!(script.contains("analyze"), "{shell}");
    }
    assert!(miden_cvm(["man"]).answer().contains(".TH miden-cvm"));
    // The page names one for each command, and these are there too.
    let page = miden_cvm(["man", "component", "new"]).answer();
    assert!(page.contains(".TH miden-cvm-component-new"), "{page}");
    assert!(page.contains("miden\\-cvm component new"), "{page}");
    let error = miden_cvm(["man", "component", "old"]).error(2);
    assert!(error.contains("the commands are new,"), "{error}");
    miden_cvm(["man", "run", "fast"]).error(2);
}

#[test]
fn the_air_is_printed() {
    let printed = miden_cvm(["air", "--json"]).json();
    let tables = printed["tables"].as_array().expect("tables");
    let names = tables.iter().map(|table| table["name"].as_str());
    assert_eq!(names.collect::<Vec<_>>()[0], Some("core"));
    let text: Value = serde_json::from_str(&miden_cvm(["air"]).answer()).expect("JSON");
    assert_eq!(text["tables"], printed["tables"]);
}

#[test]
fn messages_of_rows_have_another_end() {
    let answer = miden_cvm(["rows", "examples/fib/fib.masm", "-n", "100", "--json"]).json();
    let rows = answer["rows"].as_array().expect("rows");
    assert!(rows.len() > 100, "{}", rows.len());
    let mut tables = std::collections::BTreeSet::new();
    for row in rows {
        tables.insert(row["table"].as_str().expect("a table"));
        for message in row["messages"].as_array().expect("messages") {
            let has_end = message["others"].as_u64() > Some(0) || message["public"] == true;
            assert!(has_end, "{row}: {message}");
        }
    }
    assert!(tables.contains("hasher"), "{tables:?}");
    let unknown = miden_cvm(["rows", "examples/fib/fib.masm", "--operation", "jump"]).error(2);
    assert!(unknown.contains("there is no operation `JUMP`") && unknown.contains("MLOADW"));
}

#[test]
fn what_asks_for_nothing_is_refused() {
    let folder = Folder::new(&[("main.masm", "begin push.1 drop end")]);
    let target = folder.path("main.masm");
    let error = on(&["rows"], &target, &["--from", "5", "--to", "1"]).error(2);
    assert!(error.contains("--from 5 is after --to 1"), "{error}");
    on(&["audit"], &target, &["-n", "0"]).error(2);
}

/// Editors of some systems begin a text with a byte order mark, and end lines with two characters.
#[test]
fn inputs_can_begin_with_a_byte_order_mark() {
    let folder = Folder::new(&[
        ("main.masm", "\u{feff}begin\r\n    add.1 # ☃\r\nend\r\n"),
        (
            "main.inputs",
            "\u{feff}{\r\n  \"operand_stack\": [\"41\"]\r\n}\r\n",
        ),
    ]);
    let json = on(&["run"], &folder.path("main.masm"), &["--json"]).json();
    assert_eq!(json["stack"][0], "42");
}

/// A folder that was copied, or given another name, does not have its composition under its own name any more.
#[test]
fn a_folder_under_another_name_tells_what_could_be_named() {
    let folder = Folder::new(&[
        ("copy/ledger.toml", ""),
        ("copy/ledger.wac", ""),
        ("empty/notes.txt", ""),
    ]);
    let error = on(&["run"], &folder.path("copy"), &[]).error(1);
    assert!(
        error.contains("if it is `ledger.toml` or `ledger.wac`, name the file"),
        "{error}"
    );
    let error = on(&["run"], &folder.path("empty"), &[]).error(1);
    assert!(error.ends_with("nor `empty.masp`\n"), "{error}");
}
