//! Components in other languages than assembly: a crate of the registry, Merkle trees, a system.

use std::{
    fmt::Write,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use miden_core::{
    Felt, Word,
    crypto::{
        hash::Rpo256,
        merkle::{LeafIndex, SimpleSmt},
    },
};
use serde_json::Value;

use super::{Folder, example, miden_cvm, on};

/// The package of an example, which needs no assembler.
struct Composed(LazyLock<Folder>);

impl Composed {
    fn path(&self) -> PathBuf {
        self.0.path("composed.masp")
    }
}

fn compose(target: &str) -> Folder {
    let folder = Folder::new(&[]);
    let package = folder.path("composed.masp");
    let package = package.to_str().expect("a path in UTF-8");
    on(&["compose"], &example(target), &["-o", package]).answer();
    folder
}

static NOTARY: Composed = Composed(LazyLock::new(|| compose("notary/notary.toml")));
static DIARY: Composed = Composed(LazyLock::new(|| compose("diary/diary.toml")));

/// The result of a call of the notary, or why it trapped.
fn noted(call: &str, inputs: &str) -> Result<String, String> {
    let folder = Folder::new(&[("inputs.json", inputs)]);
    let inputs = folder.path("inputs.json");
    let inputs = inputs.to_str().expect("a path in UTF-8");
    let finished = on(
        &["run"],
        &NOTARY.path(),
        &["--json", "--invoke", call, "-i", inputs],
    );
    let json: Value = serde_json::from_str(&finished.stdout).expect("JSON");
    match json["call"]["result"].as_str() {
        Some(result) => Ok(result.into()),
        None if json["status"] == "ok" => Ok(String::new()),
        None => Err(json["error"].to_string()),
    }
}

/// A word as calls have it.
fn wave(word: Word) -> String {
    let [w0, w1, w2, w3] = [0, 1, 2, 3].map(|place| word[place].as_int());
    format!("{{w3: {w3}, w2: {w2}, w1: {w1}, w0: {w0}}}")
}

/// The hash that the guest crate gives to bytes.
fn hash_of(bytes: &[u8]) -> Word {
    let element = |chunk: &[u8]| {
        let mut value = [0; 8];
        value[..chunk.len()].copy_from_slice(chunk);
        Felt::new(u64::from_le_bytes(value))
    };
    let mut elements = vec![Felt::new(bytes.len() as u64)];
    elements.extend(bytes.chunks(7).map(element));
    Rpo256::hash_elements(&elements)
}

const DOCUMENTS: [(&str, &str); 4] = [
    ("", ""),
    ("hello", "aGVsbG8="),
    (
        "that is longer than one block of eight elements, and than two of them: it has 113 letters and a few more, to be sure",
        "dGhhdCBpcyBsb25nZXIgdGhhbiBvbmUgYmxvY2sgb2YgZWlnaHQgZWxlbWVudHMsIGFuZCB0aGFuIHR3byBvZiB0aGVtOiBpdCBoYXMgMTEzIGxldHRlcnMgYW5kIGEgZmV3IG1vcmUsIHRvIGJlIHN1cmU=",
    ),
    ("\u{2603}", "4piD"),
];

#[test]
fn a_crate_of_the_registry_decodes_and_hashes() {
    for (document, text) in DOCUMENTS {
        let bytes: Vec<String> = document.bytes().map(|byte| byte.to_string()).collect();
        let decoded = noted(&format!("decode(\"{text}\")"), "{}");
        assert_eq!(decoded, Ok(format!("ok([{}])", bytes.join(", "))));
        let sealed = noted(&format!("seal(\"{text}\")"), "{}");
        assert_eq!(
            sealed,
            Ok(format!("ok({})", wave(hash_of(document.as_bytes()))))
        );
    }
    for (text, reason) in [
        ("aGVsb?8=", "Invalid symbol 63, offset 5."),
        ("aGVsbG8", "Invalid padding"),
    ] {
        let decoded = noted(&format!("decode(\"{text}\")"), "{}");
        assert!(
            decoded.as_ref().is_ok_and(|result| result.contains(reason)),
            "{decoded:?}"
        );
    }
}

/// A tree with documents in places, and inputs that have its nodes.
fn tree(places: &[(u64, &str)]) -> (SimpleSmt<64>, String) {
    let leaves = places
        .iter()
        .map(|(place, document)| (*place, hash_of(document.as_bytes())));
    let tree = SimpleSmt::with_leaves(leaves.clone()).expect("places differ");
    let mut nodes = String::new();
    for (place, word) in leaves {
        let comma = if nodes.is_empty() { "" } else { ", " };
        let _ = write!(nodes, "{comma}[{place}, \"{}\"]", word.to_hex());
    }
    (
        tree,
        format!(r#"{{ "merkle_store": [{{ "sparse_merkle_tree": [{nodes}] }}] }}"#),
    )
}

#[test]
fn merkle_trees_are_known_by_their_roots() {
    let [_, (hello, text), (_, other), _] = DOCUMENTS;
    let (mut tree, inputs) = tree(&[(3, hello), (70_000, "x")]);
    let root = wave(tree.root());
    let confirm =
        |place: u32, text: &str| noted(&format!("confirm({root}, {place}, \"{text}\")"), &inputs);
    assert_eq!(confirm(3, text), Ok(String::new()));
    for (place, text) in [(4, text), (3, other)] {
        assert!(confirm(place, text).is_err(), "{place}");
    }
    let enter = |place: u32| noted(&format!("enter({root}, {place}, \"{text}\")"), &inputs);
    assert_eq!(enter(70_000), Ok("err(\"the place is taken\")".into()));
    tree.insert(
        LeafIndex::new(5).expect("a place"),
        hash_of(hello.as_bytes()),
    );
    assert_eq!(enter(5), Ok(format!("ok({})", wave(tree.root()))));
}

/// Numbers that are checked by their hash: the pairs' products, added up.
fn sum(pairs: &[(u64, u64)]) -> (String, String, Felt) {
    let elements: Vec<Felt> = pairs
        .iter()
        .flat_map(|(a, b)| [*a, *b])
        .map(Felt::new)
        .collect();
    let advice: Vec<String> = elements.iter().map(|felt| format!("\"{felt}\"")).collect();
    let call = format!(
        "checked-sum({}, {})",
        pairs.len(),
        wave(Rpo256::hash_elements(&elements))
    );
    let inputs = format!(r#"{{ "advice_stack": [{}] }}"#, advice.join(", "));
    let sum = elements
        .chunks(2)
        .fold(Felt::new(0), |sum, pair| sum + pair[0] * pair[1]);
    (call, inputs, sum)
}

#[test]
fn elements_of_the_advice_are_checked_by_their_hash() {
    for count in [0, 1, 4, 5, 9] {
        let pairs: Vec<(u64, u64)> = (0..count)
            .map(|number| (u64::MAX / (number + 2), 7_u64.pow(20) + number))
            .collect();
        let (call, inputs, sum) = sum(&pairs);
        let word = Word::new([sum, Felt::new(0), Felt::new(0), Felt::new(0)]);
        assert_eq!(noted(&call, &inputs), Ok(wave(word)));
    }
    let (call, _, _) = sum(&[(1, 2)]);
    let (_, inputs, _) = sum(&[(1, 3)]);
    assert!(noted(&call, &inputs).is_err_and(|error| error.contains("assert")));
}

/// Whoever proves lies about the trees' nodes and paths.
#[test]
fn lies_about_trees_are_refused() {
    let [_, (hello, text), _, _] = DOCUMENTS;
    let (tree, nodes) = tree(&[(3, hello)]);
    let root = wave(tree.root());
    for (call, inputs) in [
        (format!("confirm({root}, 3, \"{text}\")"), &nodes),
        (format!("enter({root}, 9, \"{text}\")"), &nodes),
    ] {
        let folder = Folder::new(&[("inputs.json", inputs.as_str())]);
        let inputs = folder.path("inputs.json");
        let inputs = inputs.to_str().expect("a path in UTF-8");
        let options = [
            "--advice", "--json", "-n", "60", "--invoke", &call, "-i", inputs,
        ];
        let json = on(&["audit"], &NOTARY.path(), &options).json();
        assert_eq!(
            json["findings"].as_array().map(Vec::len),
            Some(0),
            "{json:#}"
        );
        let places = json["places"].as_array().expect("a list");
        assert!(!places.is_empty(), "{call}");
    }
}

/// The imports of code for WASI are provided by a component like others, which can be made anew and changed.
#[test]
fn a_system_is_made_and_built() {
    let folder = Folder::new(&[]);
    on(&["component", "new"], &folder.path("system"), &["--system"]).answer();
    on(&["component", "build"], &folder.path("system"), &[]).answer();
    let json = on(&["inspect"], &folder.path("system.masp"), &["--json"]).json();
    let exports = json["exports"].as_array().expect("a list");
    let names = exports.iter().map(|export| export["name"].as_str());
    for wanted in [
        "wasi:cli/stderr@0.2.0#get-stderr",
        "wasi:random/random@0.2.0#get-random-u64",
    ] {
        assert!(names.clone().any(|name| name == Some(wanted)), "{json:#}");
    }
    let kernels = on(&["inspect"], &example("kernels/kernels"), &["--json"]).json();
    let compiled = &kernels["compiled"]["functions"];
    assert!(
        compiled.as_array().is_some_and(|names| names.len() >= 3),
        "{compiled}"
    );
}

/// A call of the diary.
fn diary(target: &Path, call: &str, advice: &[u64]) -> (Value, String) {
    let advice: Vec<String> = advice.iter().map(|felt| format!("\"{felt}\"")).collect();
    let inputs = format!(r#"{{ "advice_stack": [{}] }}"#, advice.join(", "));
    let folder = Folder::new(&[("inputs.json", inputs.as_str())]);
    let inputs = folder.path("inputs.json");
    let inputs = inputs.to_str().expect("a path in UTF-8");
    let call = format!("diary:diary/pages@1.0.0#{call}");
    let options = ["--json", "--debug", "--invoke", &call, "-i", inputs];
    let finished = on(&["run"], target, &options);
    let json = serde_json::from_str(&finished.stdout).expect("JSON");
    (json, finished.stderr)
}

#[test]
fn rust_with_its_standard_library_has_a_system() {
    // A package has nothing to print, and no need to be assembled.
    let (json, printed) = diary(&example("diary/diary.toml"), "write(\"dear diary\")", &[]);
    assert_eq!(json["call"]["result"], "1", "{json:#}");
    assert!(printed.contains("0: dear diary\n"), "{printed}");

    // A map of the standard library has a random seed.
    let package = DIARY.path();
    let (json, _) = diary(&package, "most()", &[1, 2, 3, 4]);
    assert_eq!(json["call"]["result"], "[]", "{json:#}");
    let (json, _) = diary(&package, "most()", &[]);
    assert_eq!(json["status"], "error", "{json:#}");

    let seconds = 1_700_000_000;
    let (json, _) = diary(&package, "time()", &[7, seconds, 0, 0, 1, 5, 1]);
    let result = format!("({}, 5)", seconds * 1_000_000_000 + 7);
    assert_eq!(json["call"]["result"], result, "{json:#}");
    let (json, _) = diary(&package, "time()", &[7, seconds, 0, 5, 1, 0, 1]);
    let error = json["error"].to_string();
    assert!(error.contains("wasi: the clock was set back"), "{error}");

    for (call, reason) in [
        ("read(3)", "wasm: unreachable"),
        ("leave(0)", "wasi: exit"),
        ("leave(2)", "wasi: exit with an error"),
    ] {
        let (json, _) = diary(&package, call, &[]);
        let error = json["error"].to_string();
        assert!(error.contains(reason), "{error}");
    }
}

/// Whoever proves lies about clocks and random numbers.
#[test]
fn what_is_no_time_and_no_number_is_refused() {
    let package = DIARY.path();
    let honest = [7, 1_700_000_000, 0, 0, 1, 5, 1];
    let wide = 1 << 32;
    let largest = 0xffff_ffff_0000_0000;
    for position in 0..honest.len() {
        let mut lie = honest;
        lie[position] = if position % 2 == 0 { wide } else { largest };
        let (json, _) = diary(&package, "time()", &lie);
        let error = json["error"].to_string();
        assert!(error.contains("wasi: no time"), "{position}: {error}");
    }
    // A second has fewer nanoseconds than that.
    let mut lie = honest;
    lie[0] = 1_000_000_000;
    let (json, _) = diary(&package, "time()", &lie);
    assert!(json["error"].to_string().contains("wasi: no time"));
    let (json, _) = diary(&package, "time()", &honest[..6]);
    assert_eq!(json["status"], "error", "{json:#}");

    // The order of a map's entries is the only thing that its seed decides.
    let (json, _) = diary(&package, "most()", &[1, 2, 3, wide - 1]);
    assert_eq!(json["call"]["result"], "[]", "{json:#}");
    for position in 0..4 {
        let mut lie = [1, 2, 3, 4];
        lie[position] = wide;
        let (json, _) = diary(&package, "most()", &lie);
        let error = json["error"].to_string();
        assert!(
            error.contains("canonical ABI: integer"),
            "{position}: {error}"
        );
    }

    // Divisions take their results from the advice, too.
    let folder = Folder::new(&[(
        "inputs.json",
        r#"{ "advice_stack": ["7", "1700000000", "0", "0", "1", "5", "1"] }"#,
    )]);
    let inputs = folder.path("inputs.json");
    let inputs = inputs.to_str().expect("a path in UTF-8");
    let call = "diary:diary/pages@1.0.0#time()";
    let options = [
        "--advice", "--json", "-n", "40", "--invoke", call, "-i", inputs,
    ];
    let json = on(&["audit"], &package, &options).json();
    assert_eq!(
        json["findings"].as_array().map(Vec::len),
        Some(0),
        "{json:#}"
    );
}

/// A call is proven, the proof is verified, and one for another result is refused.
fn proven(package: &Path, call: &str, inputs: &str) {
    let folder = Folder::new(&[("inputs.json", inputs)]);
    let paths =
        ["inputs.json", "run.proof", "run.json", "forged.json"].map(|name| folder.path(name));
    let [inputs, proof, statement, forged] = paths
        .each_ref()
        .map(|path| path.to_str().expect("a path in UTF-8"));
    let options = [
        "--json", "--invoke", call, "-i", inputs, "-p", proof, "-s", statement,
    ];
    let made = on(&["prove"], package, &options).json();
    assert!(made["call"]["result"].is_string(), "{made:#}");
    let verify = |statement: &str| miden_cvm(["verify", "--json", "-p", proof, "-s", statement]);
    assert_eq!(verify(statement).code, 0);

    let text = std::fs::read_to_string(statement).expect("a statement");
    let mut json: Value = serde_json::from_str(&text).expect("JSON");
    let first = &mut json["stack_outputs"][0];
    assert!(!first.is_null(), "{text}");
    *first = 1.into();
    std::fs::write(forged, json.to_string()).expect("a file");
    assert_ne!(verify(forged).code, 0);
}

#[test]
fn components_in_rust_are_proven_and_verified() {
    let inputs = r#"{ "advice_stack": ["7", "1700000000", "0", "0", "1", "5", "1"] }"#;
    proven(&DIARY.path(), "diary:diary/pages@1.0.0#time()", inputs);
    let (call, inputs, _) = sum(&[(3, 4), (5, 6)]);
    proven(&NOTARY.path(), &call, &inputs);
}
