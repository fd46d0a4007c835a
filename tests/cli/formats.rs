//! Every file and every answer has the fields that the book lists, and no others.

use miden_core::utils::{ByteReader, Deserializable, SliceReader};
use miden_cvm::{Inputs, Loader, MAX_CLAIM_PROOFS};

use super::{schema::Formats, *};

const BOOK: &str = include_str!("../../docs/src/formats.md");

/// A composition whose root makes instances that it can wire imports to.
const WIRED: [(&str, &str); 5] = [
    (
        "wired/wired.toml",
        "main = \"app.main\"
        [instances.app]
        component = \"app\"
        installs = []
        imports.account = \"account\"
        [instances.account]
        component = \"account\"",
    ),
    (
        "wired/app/component.toml",
        "name = \"app\"
        sources = [\"app.masm\"]
        [exports.main]
        procedure = \"app::main\"
        [imports.account]
        interface = \"a:account\"
        instances = true",
    ),
    (
        "wired/app/app.masm",
        "use resources::account
        pub proc main
            exec.account::instantiate dup call.imports::intrinsics::wire drop drop
        end",
    ),
    (
        "wired/account/component.toml",
        "name = \"account\"
        sources = [\"account.masm\"]
        [exports.bump]
        procedure = \"account::bump\"
        interface = \"a:account\"",
    ),
    ("wired/account/account.masm", "pub proc bump add.1 end"),
];

impl Formats<'_> {
    /// Checks the answer of a command.
    fn answer(&self, section: &str, finished: Finished) {
        let mut answer: Value = serde_json::from_str(&finished.stdout).expect("JSON");
        let fields = answer.as_object_mut().expect("an object");
        let of_all = ["status", "warnings", "error"].into_iter();
        let of_all = of_all.filter_map(|key| fields.remove_entry(key)).collect();
        self.check("Every answer", &Value::Object(of_all));
        self.check(section, &answer);
    }

    /// Checks a file of JSON.
    fn file(&self, section: &str, path: &Path) {
        let bytes = fs::read(path).expect("a file");
        self.check(section, &serde_json::from_slice(&bytes).expect("JSON"));
    }

    /// Checks the section of a package.
    fn section(&self, section: &str, name: &str, package: &Path) {
        let bytes = fs::read(package).expect("a package");
        let package = Package::read_from_bytes(&bytes).expect("a package");
        let mut sections = package.sections.iter();
        let data = sections.find(|section| section.id.as_str() == name);
        let data = data.expect("the section").data.as_ref();
        self.check(section, &serde_json::from_slice(data).expect("JSON"));
    }

    /// Checks the keys of a table in a file of TOML: those that the refusal of another one names.
    fn refused(&self, section: &str, prefix: &str, finished: Finished) {
        let answer: Value = serde_json::from_str(&finished.stdout).expect("JSON");
        self.keys(section, prefix, answer["error"].as_str().expect("an error"));
    }

    /// Checks the parts of bytes, which are all of them.
    fn bytes(&self, section: &str, bytes: &[u8]) {
        let mut reader = SliceReader::new(bytes);
        self.parts(section, "", &mut reader);
        assert!(!reader.has_more_bytes(), "{section}: there are more bytes");
    }

    /// Reads the parts that a section lists below a path.
    fn parts(&self, section: &str, prefix: &str, reader: &mut SliceReader<'_>) {
        for (path, form) in &self.sections[section].rows {
            let part = path.strip_prefix(prefix);
            if part.is_some_and(|part| !part.contains(['.', '['])) {
                let seen = (section.into(), path.clone());
                self.seen.borrow_mut().insert(seen);
                self.part(section, path, form, reader);
            }
        }
    }

    /// Reads a part of a form.
    fn part(&self, section: &str, path: &str, form: &str, reader: &mut SliceReader<'_>) {
        let mut bytes = |count: usize| reader.read_vec(count).expect("bytes");
        if let Some((letters, version)) = form.split_once(" and ") {
            assert_eq!(bytes(letters.len()), letters.as_bytes(), "{section}");
            assert_eq!(
                bytes(1),
                [version.parse::<u8>().expect("a version")],
                "{section}"
            );
        } else if let Some(Ok(count)) = form.strip_suffix(" bytes").map(str::parse::<usize>) {
            bytes(count);
        } else if form == "bytes" {
            let length = reader.read_usize().expect("a length");
            reader.read_vec(length).expect("bytes");
        } else if let Some((before, name)) = form.split_once("JSON of ") {
            let length = reader.read_usize().expect("a length");
            let text = reader.read_vec(length).expect("bytes");
            if before.is_empty() || length > 0 {
                self.check(name, &serde_json::from_slice(&text).expect("JSON"));
            }
        } else {
            let (count, of) = match form.strip_prefix("short list of ") {
                Some(of) => (usize::from(reader.read_u8().expect("a number")), of),
                None => {
                    let of = form.strip_prefix("list of ");
                    let of = of.unwrap_or_else(|| panic!("{section}: `{path}` is {form}"));
                    (reader.read_usize().expect("a number"), of)
                }
            };
            for _ in 0..count {
                match of {
                    "object" => self.parts(section, &format!("{path}[]."), reader),
                    of => self.part(section, path, of, reader),
                }
            }
        }
    }
}

const TILL: &str = "package my:till@1.0.0;
    interface till {
        use my:types/money@1.0.0.{amount};
        put: func(a: amount) -> amount;
        same: func(a: amount) -> amount;
    }";

const SHOP: &str = "package my:shop@1.0.0;
    world shop {
        import my:till/till@1.0.0;
        export main: func(a: u32) -> u32;
        /// @test
        export is-right: func();
        /// @test
        export is-wrong: func();
    }";

/// A composition of two components with WIT, one of which has public data, inputs and outputs in memory and a test that fails; and
/// programs and inputs of which answers have something to tell.
fn fixture() -> Folder {
    Folder::new(&[
        (
            "parts/workspace.toml",
            "members = [\"shop\", \"till\"]\nwit = \"wit\"\n",
        ),
        (
            "parts/wit/types.wit",
            "package my:types@1.0.0; interface money { type amount = u32; }",
        ),
        ("parts/wit/till.wit", TILL),
        (
            "parts/till/component.toml",
            "name = \"till\"\nwit = \"till.wit\"\nsources = [\"till.masm\"]\n\
             [exports.\"my:till/till@1.0.0\"]\nmodule = \"till\"\n",
        ),
        (
            "parts/till/till.wit",
            "package my:desk; world desk { export my:till/till@1.0.0; }",
        ),
        (
            "parts/till/till.masm",
            "pub proc put push.1 add end\npub proc same push.1 add end",
        ),
        (
            "parts/shop/component.toml",
            "name = \"shop\"\nwit = \"shop.wit\"\nsources = [\"shop.masm\"]\n\
             [exports.main]\nprocedure = \"shop::main\"\n\
             [exports.is-right]\nprocedure = \"shop::is_right\"\n\
             [exports.is-wrong]\nprocedure = \"shop::is_wrong\"\n\
             [[data]]\nlabel = \"numbers\"\nfelts = [1, 2, 3, 4, 5, 6, 7, 8]\npublic = true\n\
             [memory]\ninputs = { address = 2000, length = 4 }\noutputs = { address = 2004, length = 4 }\n",
        ),
        ("parts/shop/shop.wit", SHOP),
        (
            "parts/shop/shop.masm",
            "use bindings::my::till::till\n\
             pub proc main exec.till::put end\n\
             pub proc is_right push.1 drop end\n\
             pub proc is_wrong push.0 assert.err=\"no\" end\n",
        ),
        (
            "parts/parts.toml",
            "main = \"shop.main\"\n[instances.shop]\ncomponent = \"shop\"\n\
             imports.till = \"till\"\n[instances.till]\ncomponent = \"till\"\n",
        ),
        (
            "old/old.toml",
            "main = \"old.main\"\n[instances.old]\ncomponent = \"old\"\n",
        ),
        (
            "old/old/component.toml",
            "name = \"old\"\nsources = [\"old.masm\"]\n[exports.main]\nprocedure = \"old::main\"\n",
        ),
        ("old/old/old.masm", "pub proc main push.8 ilog2 drop end"),
        (
            "keccak.masm",
            "use miden::core::crypto::hashes::keccak256\n\
             begin push.1 mem_store.400 push.4 push.400 exec.keccak256::hash_bytes dropw dropw end",
        ),
        (
            "trap.masm",
            "proc f push.0 assert.err=\"no\" end begin exec.f end",
        ),
        ("library/a.masm", "pub proc f add end"),
        ("told.masm", "begin adv_push.1 mem_store.4 end"),
        (
            "told.inputs",
            "{\"advice_stack\": [\"1\"], \
             \"memory_layout\": {\"outputs\": {\"address\": 4, \"length\": 4}}}",
        ),
    ])
}

/// A digest of small numbers.
fn digest(first: u8) -> String {
    format!("0x{first:02x}{}", "0".repeat(62))
}

#[test]
fn files_and_answers_are_those_of_the_book() {
    let formats = Formats::read(BOOK);
    let folder = fixture();
    let path = |name: &str| folder.path(name);
    let text = |path: &Path| path.to_str().expect("text").to_owned();
    let answer = |section: &str, command: &[&str], target: &Path, others: &[&str]| {
        let options: Vec<&str> = others.iter().copied().chain(["--json"]).collect();
        formats.answer(section, on(command, target, &options));
    };
    let (parts, fib, vault) = (path("parts/parts.toml"), example("fib"), example("vault"));

    // Runs and proofs.
    answer("run", &["run"], &fib, &[]);
    answer("run", &["run"], &parts, &["--invoke", "main(3)"]);
    let old = path("old");
    answer("run", &["run"], &old, &["--published-library"]);
    answer("Error", &["run"], &path("trap.masm"), &[]);
    for (target, name, others) in [
        (&parts, "parts", &["--invoke", "main(3)", "--timings"][..]),
        (&vault, "vault", &[]),
        (&path("keccak.masm"), "keccak", &[]),
    ] {
        let proof = text(&path(&format!("{name}.proof")));
        let statement = path(&format!("{name}.json"));
        let statement_text = text(&statement);
        let mut options = vec!["-p", &proof, "-s", &statement_text];
        options.extend(others);
        answer("prove", &["prove"], target, &options);
        formats.file("Statement", &statement);
    }
    let (proof, statement) = (path("parts.proof"), path("parts.json"));
    answer(
        "verify",
        &["verify", "-p"],
        &proof,
        &["-s", &text(&statement), "--sizes"],
    );

    let claims = claims::folder("twice");
    let (claims_proof, claims_statement) = (path("claims.proof"), text(&path("claims.json")));
    let secret = format!("scale={}", text(&claims.path("secret.json")));
    let proof_text = text(&claims_proof);
    let options = [
        "-p",
        &proof_text,
        "-s",
        &claims_statement,
        "--claim-input",
        &secret,
    ];
    answer("prove", &["prove"], &claims.path("claimed.toml"), &options);
    let bundle = path("claims.bundle");
    let bundle_text = text(&bundle);
    let inputs = text(&claims.path("inputs.json"));
    let options = [
        "-i",
        &inputs,
        "--claim-input",
        &secret,
        "--bundle",
        &bundle_text,
    ];
    answer("prove", &["prove"], &claims.path("claimed.toml"), &options);
    answer("inspect, a bundle", &["inspect"], &bundle, &[]);
    formats.bytes("Bundle", &fs::read(&bundle).expect("a bundle"));
    let most = format!(
        "at most {},{:03}",
        MAX_CLAIM_PROOFS / 1000,
        MAX_CLAIM_PROOFS % 1000
    );
    assert!(BOOK.contains(&most), "{most}");
    let joined = text(&path("joined.bundle"));
    answer("join", &["join"], &bundle, &["-o", &joined]);
    let options = ["-s", &claims_statement, "--open-claims"];
    answer("verify", &["verify", "-p"], &claims_proof, &options);

    let aggregated = &*aggregates::AGGREGATED;
    formats.answer("aggregate", aggregated.answer.clone());
    formats.file("Aggregation", &aggregated.nested());
    let verified = aggregated.verify_96(&aggregated.list(), &["--json"]);
    formats.answer("verify", verified);

    // Reports.
    let folded = text(&path("folded"));
    answer("analyze", &["analyze"], &vault, &["--folded", &folded]);
    answer("test", &["test"], &path("parts"), &[]);
    answer("audit", &["audit"], &vault, &["-n", "60"]);
    let ledger = example("ledger");
    let lies = ["--advice", "-n", "20", "--all"];
    answer("audit --advice", &["audit"], &ledger, &lies);
    answer("audit --advice", &["audit"], &path("told.masm"), &lies);
    answer("rows", &["rows"], &ledger, &["-n", "3"]);
    formats.answer("air", miden_cvm(["air", "--json"]));

    // Packages.
    let program = text(&path("fib.masp"));
    let source = example("fib/fib.masm");
    answer("compile", &["compile"], &source, &["-o", &program]);
    let library = text(&path("a.masl"));
    answer("bundle", &["bundle"], &path("library"), &["-o", &library]);
    let written = "component new, component bindings and component split";
    answer(written, &["component", "new"], &path("new"), &[]);
    let bindings = text(&path("bindings"));
    let shop = path("parts/shop");
    answer(
        written,
        &["component", "bindings"],
        &shop,
        &["-o", &bindings],
    );
    let till = path("till.masp");
    let output = text(&till);
    let component = path("parts/till");
    answer(
        "component build",
        &["component", "build"],
        &component,
        &["-o", &output],
    );
    formats.section("Component section", "miden_cvm_component", &till);
    let compiled = example("kernels/kernels");
    let kernels = path("kernels.masp");
    on(&["component", "build"], &compiled, &["-o", &text(&kernels)]).answer();
    formats.section("Component section", "miden_cvm_component", &kernels);
    let output = text(&path("shop.masp"));
    on(&["component", "build"], &shop, &["-o", &output]).answer();
    formats.section(
        "Component section",
        "miden_cvm_component",
        &path("shop.masp"),
    );
    for (name, text) in WIRED {
        folder.write(name, text);
    }
    for (target, name) in [
        (&parts, "parts"),
        (&vault, "vault"),
        (&ledger, "ledger"),
        (&path("wired/wired.toml"), "wired"),
        (&example("transaction"), "transaction"),
        (&old, "old"),
    ] {
        let (package, records) = (
            path(&format!("{name}.masp")),
            path(&format!("{name}.records")),
        );
        let (output, records_text) = (text(&package), text(&records));
        let mut options = vec!["-o", &output, "-r", &records_text];
        options.extend((name == "old").then_some("--published-library"));
        answer("compose", &["compose"], target, &options);
        formats.file("Records", &records);
        formats.section("Composition section", "miden_cvm_composition", &package);
    }

    // What is in files.
    let (zero, one) = (digest(0), digest(1));
    let inputs = serde_json::json!({
        "operand_stack": ["1"],
        "memory_inputs": ["5"],
        "memory_layout": {
            "inputs": { "address": 8, "length": 4 },
            "outputs": { "address": 8, "length": 4 },
        },
        "advice_stack": ["3"],
        "advice_map": { (one.clone()): [7, 8] },
        "merkle_store": [
            { "merkle_tree": [zero, one] },
            { "sparse_merkle_tree": [[3, one]] },
            { "partial_merkle_tree": [[[1, 0], one], [[1, 1], one]] },
        ],
    });
    let inputs = folder.write("all.inputs", inputs.to_string());
    formats.file("Inputs", &inputs);
    let read = Inputs::read(&inputs).expect("inputs");
    formats.bytes("Inputs in bytes", &read.to_bytes());
    let claimed = claims.path("claimed.toml");
    for target in [&fib, &parts, &vault, &ledger, &claimed] {
        let target = Loader::new().load(target).expect("a target");
        formats.bytes("Target in bytes", &target.to_bytes());
    }
    answer("run", &["run"], &fib, &["-i", &text(&inputs)]);
    for (section, target) in [
        ("inspect, a composition", &vault),
        ("inspect, a composition", &parts),
        ("inspect, a composition", &claims.path("claimed.toml")),
        ("inspect, a component", &shop),
        ("inspect, a component", &kernels),
        ("inspect, a program", &fib),
        ("inspect, a package or a library", &path("fib.masp")),
        ("inspect, a package or a library", &path("a.masl")),
        ("inspect, records", &path("vault.records")),
        ("inspect, records", &path("parts.records")),
        ("inspect, inputs", &inputs),
        ("inspect, a proof", &proof),
    ] {
        answer(section, &["inspect"], target, &[]);
    }
    let of = ["--of", &text(&parts)];
    answer("inspect, a statement", &["inspect"], &statement, &of);
    answer("inspect, a graph", &["inspect"], &parts, &["--dot"]);

    // Keys of TOML.
    let refused = |name: &str, text: &str, command: &[&str], target: &str| {
        folder.write(name, text);
        on(command, &path(target), &["--json"])
    };
    for (prefix, table) in [
        ("", ""),
        ("exports.<>.", "[exports.a]\n"),
        ("imports.<>.", "[imports.a]\n"),
        ("resources.<>.", "[resources.a]\n"),
        ("data[].", "[[data]]\n"),
        ("memory.", "[memory]\n"),
        ("memory.inputs.", "[memory.inputs]\n"),
        ("memory.outputs.", "[memory.outputs]\n"),
    ] {
        let text = format!("name = \"a\"\n{table}zzz = 1\n");
        let file = "wrong/component.toml";
        let finished = refused(file, &text, &["component", "build"], "wrong");
        formats.refused("component.toml", prefix, finished);
    }
    for (prefix, table) in [
        ("", ""),
        ("kernel.", "[kernel]\n"),
        ("instances.<>.", "[instances.a]\ncomponent = \"a\"\n"),
    ] {
        let text = format!("{table}zzz = 1\n");
        let finished = refused("wrong.toml", &text, &["run"], "wrong.toml");
        formats.refused("Composition file", prefix, finished);
    }
    let file = "none/workspace.toml";
    let finished = refused(file, "zzz = 1\n", &["component", "build"], "none");
    formats.refused("workspace.toml", "", finished);

    formats.is_complete();
}

/// The test of the formats notices what it should.
#[test]
fn other_fields_and_types_are_noticed() {
    let formats = Formats::read(
        "### a\n| `x` | number | |\n| `y` | optional list of object | |\n| `y[].z` | null or text | |\n\
         ### b\nThe fields of [a](#a), and:\n| `m` | map of [a](#a) | |\n",
    );
    let is = |section: &str, value: Value| {
        let object = value.as_object().expect("an object");
        formats.object(section, "", object).is_ok()
    };
    use serde_json::json;
    assert!(is("a", json!({ "x": 1 })));
    assert!(is(
        "a",
        json!({ "x": 1, "y": [{ "z": null }, { "z": "" }] })
    ));
    assert!(is("b", json!({ "x": 1, "m": { "k": { "x": 2 } } })));
    for wrong in [
        json!({}),
        json!({ "x": "1" }),
        json!({ "x": null }),
        json!({ "x": 1, "z": 1 }),
        json!({ "x": 1, "y": {} }),
        json!({ "x": 1, "y": [{}] }),
        json!({ "x": 1, "y": [{ "z": 1 }] }),
    ] {
        assert!(!is("a", wrong.clone()), "{wrong}");
    }
    assert!(!is("b", json!({ "x": 1, "m": { "k": {} } })));
    assert!(!is("b", json!({ "m": {} })));
}
