//! Inputs and outputs in memory, from the files to the verified statement.

use miden_cvm::{Loader, Target};
use serde_json::json;

use super::*;

const SOURCE: &str = "
    mem_load.1000 mem_load.1001 add mem_store.2000
    mem_load.1063 mem_store.2005
";

/// A program, and a composition whose root does the same, each with its inputs.
fn files() -> Folder {
    let inputs: Vec<String> = (1..=64).map(|number| number.to_string()).collect();
    let mut given = json!({ "memory_inputs": inputs });
    let composed = given.to_string();
    given["memory_layout"] = json!({
        "inputs": { "address": 1000, "length": 64 },
        "outputs": { "address": 2000, "length": 8 },
    });
    Folder::new(&[
        ("sum.masm", &format!("begin {SOURCE} end")),
        ("sum.inputs", &given.to_string()),
        ("sums.inputs", &composed),
        (
            "sums.toml",
            "main = \"sums.main\"\n[instances.sums]\ncomponent = \"sums\"\n",
        ),
        (
            "sums/component.toml",
            "name = \"sums\"\nsources = [\"sums.masm\"]\n\
             [exports.main]\nprocedure = \"sums::main\"\n\
             [memory]\ninputs = { address = 1000, length = 64 }\n\
             outputs = { address = 2000, length = 8 }\n",
        ),
        ("sums/sums.masm", &format!("pub proc main {SOURCE} end")),
    ])
}

fn outputs() -> Value {
    json!({ "address": 2000, "elements": ["3", "0", "0", "0", "0", "64", "0", "0"] })
}

#[test]
fn runs_proofs_and_reports_have_them() {
    let folder = files();
    for target in ["sum.masm", "sums.toml"] {
        let target = folder.path(target);
        let loaded = Loader::new().load(&target).expect("a target");
        let read = Target::from_bytes(&loaded.to_bytes()).expect("a target");
        assert_eq!(read.composition(), loaded.composition());
        assert_eq!(read.to_bytes(), loaded.to_bytes());
        let ran = on(&["run"], &target, &["--json"]).json();
        assert_eq!(ran["memory_outputs"], outputs());
        let text = on(&["run"], &target, &[]).answer();
        let line =
            "outputs      in memory, from address 2000 on: [3, 0, 0, 0, 0, 64], then 2 zeros";
        assert!(text.contains(line), "{text}");
        // A word of each is a row of memory.
        let rows = on(&["analyze"], &target, &["--json"]).json();
        assert!(
            rows["rows"]["memory"].as_u64() >= Some(16 + 2 + 5),
            "{rows}"
        );

        let proven = Proven::new(&target, &[]);
        assert_eq!(proven.answer["memory_outputs"], outputs());
        let verified = proven.verify(&[]).json();
        assert_eq!(verified["memory_outputs"], outputs());
        assert_eq!(verified["memory_inputs"]["address"], 1000);
        assert_eq!(verified["memory_inputs"]["elements"][63], "64");
        let statement = proven.folder.path("statement");
        let told = on(&["inspect"], &statement, &["--json"]).json();
        assert_eq!(told["memory_outputs"], outputs());
        assert_eq!(told["memory_inputs"], verified["memory_inputs"]);
        let text = on(&["inspect"], &statement, &[]).answer();
        assert!(
            text.contains("inputs       in memory, from address 1000"),
            "{text}"
        );

        let change = |of: &str, position: usize| {
            rejection(proven.verify_claim(|claim| claim[of]["elements"][position] = 99.into()))
        };
        for (of, position) in [
            ("memory_inputs", 0),
            ("memory_inputs", 30),
            ("memory_outputs", 0),
            ("memory_outputs", 7),
        ] {
            let refused = change(of, position);
            assert!(
                refused.contains("does not prove the statement"),
                "{refused}"
            );
        }
        // A run that was given something else has another statement.
        let other = folder.write("other.inputs", {
            let beside = fs::read_to_string(target.with_extension("inputs")).expect("inputs");
            beside.replace("[\"1\",", "[\"7\",")
        });
        let other = other.to_str().expect("text");
        let ran = on(&["run"], &target, &["--json", "-i", other]).json();
        assert_eq!(ran["memory_outputs"]["elements"][0], "9");
    }
}

/// A statement says where the inputs of an open program were: who knows its hash does not believe that.
#[test]
fn verifiers_say_where_an_open_program_has_them() {
    let folder = files();
    let proven = Proven::new(&folder.path("sum.masm"), &[]);
    let hash = proven.answer["program_hash"].as_str().expect("a digest");
    let refused = rejection(proven.verify(&["--program-hash", hash]));
    assert!(
        refused
            .contains("the statement has 64 inputs in memory from address 1000 on and 8 outputs"),
        "{refused}"
    );
    assert!(
        refused.contains("no inputs or outputs in memory are expected"),
        "{refused}"
    );
    let places = |inputs: &str| {
        let inputs = ["--program-hash", hash, "--memory-inputs", inputs];
        proven.verify(&[&inputs[..], &["--memory-outputs", "2000:8"]].concat())
    };
    assert_eq!(places("1000:64").code, 0);
    rejection(places("1004:60"));
    assert_eq!(places("1000").code, 2);
    let without = proven.verify(&["--memory-inputs", "1000:64"]);
    assert_eq!(without.code, 2, "{}", without.stdout);
    // The commitment of a composition says where they are.
    let proven = Proven::new(&folder.path("sums.toml"), &[]);
    let [hash, composition] =
        ["program_hash", "composition"].map(|of| proven.answer[of].as_str().expect("a digest"));
    let options = ["--program-hash", hash, "--composition", composition];
    assert_eq!(proven.verify(&options).code, 0);
    let moved = rejection(proven.verify_claim(|claim| {
        claim["memory_inputs"]["address"] = 1004.into();
        claim["composition"]["memory"]["inputs"]["address"] = 1004.into();
    }));
    assert!(moved.contains("have commitment"), "{moved}");
}

#[test]
fn packages_keep_the_places() {
    let folder = files();
    let (package, records) = (folder.path("sums.masp"), folder.path("records"));
    let [output, records_text] =
        [&package, &records].map(|path| path.to_str().expect("text").to_owned());
    let options = ["-o", &output, "-r", &records_text];
    on(&["compose"], &folder.path("sums.toml"), &options).answer();
    let ran = on(&["run"], &package, &["--json"]).json();
    assert_eq!(ran["memory_outputs"], outputs());
    let told = on(&["inspect"], &records, &["--json"]).json();
    assert_eq!(
        told["memory_inputs"],
        json!({ "address": 1000, "length": 64 })
    );
    let text = on(&["inspect"], &records, &[]).answer();
    let line = "outputs      8 elements in memory, from address 2000 on";
    assert!(text.contains(line), "{text}");
    // So does that of a component.
    let component = folder.path("part.masp");
    let output = component.to_str().expect("text").to_owned();
    on(
        &["component", "build"],
        &folder.path("sums"),
        &["-o", &output],
    )
    .answer();
    let text = on(&["inspect"], &component, &[]).answer();
    assert!(text.contains(line), "{text}");
    folder.write(
        "packed.toml",
        "main = \"sums.main\"\n[instances.sums]\ncomponent = \"part.masp\"\n",
    );
    let inputs = folder.path("sums.inputs");
    let given = ["--json", "-i", inputs.to_str().expect("text")];
    let ran = on(&["run"], &folder.path("packed.toml"), &given).json();
    assert_eq!(ran["memory_outputs"], outputs());
}

#[test]
fn what_does_not_fit_is_refused() {
    let folder = files();
    let with = |target: &str, inputs: Value| {
        let file = folder.write("wrong.inputs", inputs.to_string());
        let options = ["-i", file.to_str().expect("text")];
        on(&["run"], &folder.path(target), &options).error(1)
    };
    let many: Vec<&str> = vec!["1"; 65];
    let error = with("sums.toml", json!({ "memory_inputs": many }));
    assert!(error.contains("65 elements are given"), "{error}");
    assert!(error.contains("place for 64"), "{error}");
    let error = with("sum.masm", json!({ "memory_inputs": ["1"] }));
    assert!(
        error.contains("place for 0") && error.contains("memory_layout"),
        "{error}"
    );
    let layout =
        |length: u64| json!({ "memory_layout": { "inputs": { "address": 0, "length": length } } });
    for length in [0, 6, 1028] {
        let error = with("sum.masm", layout(length));
        assert!(
            error.contains("memory_layout: the inputs in memory have"),
            "{error}"
        );
    }
    let error = with("sums.toml", layout(64));
    assert!(error.contains("leave `memory_layout` out"), "{error}");
    let error = with("sum.masm", json!({ "memory_inputs": ["-1"] }));
    assert!(error.contains("memory_inputs[0]: `-1`"), "{error}");
}
