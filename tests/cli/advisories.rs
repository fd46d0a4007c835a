//! Code with advisories: assembled with the published library, or elsewhere.

use std::{ffi::OsStr, fs, path::Path, sync::Arc};

use miden_assembly::Assembler;
use miden_core::utils::Serializable;
use miden_mast_package::{MastArtifact, Package, PackageKind, PackageManifest};
use serde_json::{Value, json};

use super::{Finished, Folder, args, example, miden_cvm, stack};

/// The ids and the code of what an answer says.
fn advisories(json: &Value) -> Vec<(&str, &str)> {
    let advisories = json["advisories"].as_array().expect("a list");
    advisories
        .iter()
        .map(|advisory| {
            let field = |name: &str| advisory[name].as_str().expect("a text");
            assert!(!field("title").is_empty());
            (field("id"), field("code"))
        })
        .collect()
}

impl Finished {
    /// The JSON of a command that warns.
    fn warned(self, warning: &str) -> Value {
        assert_eq!(self.code, 0, "{}", self.stderr);
        assert!(self.stderr.contains(warning), "{}", self.stderr);
        serde_json::from_str(&self.stdout).expect("JSON")
    }
}

#[test]
fn examples_keep_their_hashes() {
    let kernel = example("operations/kernel.masm");
    let mut count = 0;
    for entry in fs::read_dir(example("")).expect("a folder") {
        let folder = entry.expect("an entry").path();
        if !folder.is_dir() {
            continue;
        }
        let name = folder.file_name().expect("a name").to_string_lossy();
        let program = folder.join(format!("{name}.masm"));
        let target = if program.exists() { &program } else { &folder };
        let run = |published: bool| {
            let mut run = args("run", target, &["--json"]);
            match &*name {
                "operations" => run.extend(["--kernel".as_ref(), kernel.as_os_str()]),
                // Their functions are called with values.
                "diary" => run.extend(["--invoke", "write(\"dear diary\")"].map(OsStr::new)),
                "notary" => run.extend(["--invoke", "seal(\"aGVsbG8=\")"].map(OsStr::new)),
                _ => {}
            }
            if published {
                run.push("--published-library".as_ref());
            }
            miden_cvm(run).json()
        };
        assert_eq!(run(true), run(false), "{name}");
        assert_eq!(advisories(&run(false)), []);
        count += 1;
    }
    assert!(count > 8, "{count} examples");
}

#[test]
fn published_code_is_warned_of_and_can_be_refused() {
    let folder = Folder::new(&[
        (
            "main.masm",
            "use miden::core::math::u64
            begin push.8 ilog2 drop push.1.2.3 exec.u64::rotr drop drop end",
        ),
        ("numbers/of.masm", "pub proc zeros u32clz end"),
        (
            "uses.masm",
            "use numbers::of begin push.5 exec.of::zeros swap drop end",
        ),
    ]);
    let (main, uses, numbers) = (
        folder.path("main.masm"),
        folder.path("uses.masm"),
        folder.path("numbers"),
    );
    for command in ["run", "analyze"] {
        let corrected = miden_cvm(args(command, &main, &["--json", "--deny", "advisories"])).json();
        assert_eq!(advisories(&corrected), []);
        let published = &["--json", "--published-library"];
        let json = miden_cvm(args(command, &main, published)).warned("warning: CVM-2026-001");
        let rotr = "::miden::core::math::u64::rotr";
        let expected = [("CVM-2026-001", "ilog2"), ("CVM-2026-005", rotr)];
        assert_eq!(advisories(&json), expected);
        assert_ne!(json["program_hash"], corrected["program_hash"]);
        let denied = &["--published-library", "--deny", "advisories"];
        let error = miden_cvm(args(command, &main, denied)).error(1);
        for (id, code) in expected {
            assert!(error.contains(id) && error.contains(code), "{error}");
        }
    }
    // Libraries of sources are assembled in the same way.
    let run = |others: &[&str]| {
        let mut run = args("run", &uses, &["--json", "-l"]);
        run.push(numbers.as_os_str());
        run.extend(others.iter().map(AsRef::<std::ffi::OsStr>::as_ref));
        miden_cvm(run)
    };
    let json = run(&[]).json();
    assert_eq!((advisories(&json), stack(&json, 1)), (vec![], vec![29]));
    let json = run(&["--published-library"]).warned("CVM-2026-002");
    assert_eq!(advisories(&json), [("CVM-2026-002", "u32clz")]);
}

fn package(program: miden_core::Program) -> Vec<u8> {
    let package = Package {
        name: "assembled".into(),
        version: None,
        description: None,
        kind: PackageKind::Executable,
        mast: MastArtifact::Executable(Arc::new(program)),
        manifest: PackageManifest::new(None),
        sections: Vec::new(),
    };
    package.to_bytes()
}

#[test]
fn assembled_code_is_looked_into() {
    let folder = Folder::new(&[]);
    let source = "use miden::core::crypto::dsa::falcon512rpo
        use miden::core::math::u64
        begin
            push.1 if.true push.40.1.2 exec.u64::shr drop drop else exec.falcon512rpo::verify end
        end";
    let published = miden_cvm::published_core_library();
    let dynamic = Assembler::default()
        .with_dynamic_library(published)
        .and_then(|assembler| assembler.assemble_program(source))
        .expect("a program");
    let contained = Assembler::default()
        .with_static_library(published)
        .and_then(|assembler| assembler.assemble_program(source))
        .expect("a program");
    let corrected = Assembler::default()
        .with_static_library(miden_cvm::core_library())
        .and_then(|assembler| assembler.assemble_program(source))
        .expect("a program");
    let expected = [
        (
            "CVM-2026-003",
            "::miden::core::crypto::dsa::falcon512rpo::verify",
        ),
        ("CVM-2026-004", "::miden::core::math::u64::shr"),
    ];
    for (name, program) in [("dynamic.masp", dynamic), ("contained.masp", contained)] {
        let path = folder.write(name, package(program));
        for command in ["inspect", "run"] {
            let json = miden_cvm(args(command, &path, &["--json"])).warned("CVM-2026-003");
            assert_eq!(advisories(&json), expected, "{command} {name}");
            let error = miden_cvm(args(command, &path, &["--deny", "advisories"])).error(1);
            assert!(error.contains("CVM-2026-004"), "{error}");
        }
    }
    let path = folder.write("corrected.masp", package(corrected));
    let json = miden_cvm(args("inspect", &path, &["--json", "--deny", "advisories"])).json();
    assert_eq!(advisories(&json), []);
    assert_eq!(json["kind"], "program");

    let library = "use miden::core::collections::smt pub proc put exec.smt::set end";
    let library = Assembler::default()
        .with_dynamic_library(published)
        .and_then(|assembler| {
            let sources = Arc::new(miden_assembly::DefaultSourceManager::default());
            let module =
                miden_assembly::ModuleParser::new(miden_assembly::ast::ModuleKind::Library)
                    .parse_str(miden_assembly::Path::new("store::tree"), library, sources)?;
            assembler.assemble_library([module])
        })
        .expect("a library");
    let path = folder.write("store.masl", library.to_bytes());
    let json = miden_cvm(args("inspect", &path, &["--json"])).warned("CVM-2026-009");
    assert_eq!(json["kind"], "library");
    let set = "::miden::core::collections::smt::set";
    assert!(advisories(&json).contains(&("CVM-2026-009", set)));
}

#[test]
fn records_of_compositions_say_it() {
    let folder = Folder::new(&[
        (
            "app/component.toml",
            "name = \"app\"\nsources = [\"app.masm\"]\n[exports.main]\nprocedure = \"app::main\"\n",
        ),
        (
            "app/app.masm",
            "pub proc main push.1024 ilog2 swap drop end",
        ),
        (
            "composition.toml",
            "main = \"app.main\"\n[instances.app]\ncomponent = \"app\"\n",
        ),
    ]);
    let target = folder.path("composition.toml");
    let records = |path: &Path| -> Value {
        serde_json::from_slice(&fs::read(path).expect("records")).expect("JSON")
    };
    let written = folder.path("composition.records.json");
    let json = miden_cvm(args("compose", &target, &["--json"])).json();
    assert_eq!(advisories(&json), []);
    assert_eq!(records(&written).get("advisories"), None);

    let published = ["--json", "--published-library"];
    let json = miden_cvm(args("compose", &target, &published)).warned("CVM-2026-001");
    assert_eq!(advisories(&json), [("CVM-2026-001", "ilog2")]);
    assert_eq!(records(&written)["advisories"], json!(["CVM-2026-001"]));
    let denied = ["--published-library", "--deny", "advisories"];
    let error = miden_cvm(args("compose", &target, &denied)).error(1);
    assert!(error.contains("CVM-2026-001, by `ilog2`"), "{error}");

    // The package says it without being assembled.
    let package = folder.path("composition.masp");
    let json = miden_cvm(args("inspect", &package, &["--json"])).warned("CVM-2026-001");
    let component = &json["components"][0];
    assert_eq!(advisories(component), [("CVM-2026-001", "ilog2")]);
    let proven = miden_cvm(args("prove", &package, &["--json"])).warned("CVM-2026-001");
    assert_eq!(advisories(&proven), [("CVM-2026-001", "ilog2")]);
    // Its records are records.
    let proof = folder.path("composition.proof");
    let statement = folder.path("composition.statement.json");
    let verified = miden_cvm([
        "verify".as_ref(),
        "--json".as_ref(),
        "-p".as_ref(),
        proof.as_os_str(),
        "-s".as_ref(),
        statement.as_os_str(),
        "--records".as_ref(),
        written.as_os_str(),
    ]);
    let verified = verified.json();
    assert_eq!(verified["composition"], proven["composition"]);
    assert_eq!(verified["advisories"], json!(["CVM-2026-001"]));
}

/// The program of real transactions, their kernel and the Falcon authentication of accounts; see
/// `tests/data/README.md`.
#[test]
fn real_transactions_are_warned_of_and_keep_their_hashes() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let procedure = |path: &str| format!("::miden::core::{path}");
    let sets = [
        ("CVM-2026-008", procedure("collections::smt::set")),
        (
            "CVM-2026-008",
            procedure("collections::sorted_array::find_half_key_value"),
        ),
        ("CVM-2026-009", procedure("collections::smt::set")),
    ];
    let leaves = [
        ("CVM-2026-001", procedure("collections::mmr::get")),
        ("CVM-2026-001", "ilog2".to_owned()),
        ("CVM-2026-010", procedure("collections::mmr::unpack")),
        ("CVM-2026-013", procedure("collections::mmr::get")),
    ];
    let gets = [
        ("CVM-2026-008", procedure("collections::smt::get")),
        ("CVM-2026-009", procedure("collections::smt::get")),
    ];
    let signatures = [(
        "CVM-2026-003",
        procedure("crypto::dsa::falcon512rpo::verify"),
    )];
    let cases = [
        ("transaction.masp", [&sets[..], &leaves].concat()),
        ("tx_kernel.masl", [&sets[..], &gets].concat()),
        ("falcon_512_rpo.masl", signatures.to_vec()),
    ];
    for (name, mut expected) in cases {
        expected.sort();
        let path = data.join(name);
        let json = miden_cvm(args("inspect", &path, &["--json"])).warned(expected[0].0);
        let found: Vec<_> = advisories(&json)
            .into_iter()
            .map(|(id, code)| (id, code.to_owned()))
            .collect();
        assert_eq!(found, expected, "{name}");
        let error = miden_cvm(args("inspect", &path, &["--deny", "advisories"])).error(1);
        assert!(error.contains(expected[0].0), "{error}");
        // It is what the protocol has published, with either library.
        let options = ["--json", "--published-library"];
        let published = miden_cvm(args("inspect", &path, &options)).warned(expected[0].0);
        assert_eq!(published, json, "{name}");
        if name == "transaction.masp" {
            let hash = "0x5dac506c1f1d3979e2ef56f9d530d6b1c2f83fe40803f526fea1867337eb2901";
            assert_eq!(json["program_hash"], hash);
        }
    }
    // The procedure that account and kernel agree on.
    let path = data.join("falcon_512_rpo.masl");
    let text = miden_cvm(args("inspect", &path, &[])).stdout;
    let root = "0x55756031e881db5a6e360ab27890b8760949caa633976779381b28bbaf4cc9f0";
    assert!(text.contains(root), "{text}");
}
