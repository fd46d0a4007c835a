//! Proofs that become one.

use std::sync::LazyLock;

use miden_cvm::Aggregate;
use miden_cvm_air::proof::HEADER_LEN;

use super::{Finished, Folder, Path, PathBuf, Value, claims, fs, miden_cvm, on};

const SECURITY: [&str; 2] = ["--security", "conjectured:96"];

/// The settings of a proof to be aggregated.
const RECURSIVE: [&str; 6] = [
    "--preset",
    "recursive",
    "--hash",
    "rpo",
    SECURITY[0],
    SECURITY[1],
];

/// A proof of a bundle's proofs, which takes a while: of a composition with two equal claims, and of these.
pub static AGGREGATED: LazyLock<Aggregated> = LazyLock::new(|| {
    let folder = claims::folder("twice");
    let [inputs, secret, bundle, proof] =
        ["inputs.json", "secret.json", "shop.bundle", "one.proof"]
            .map(|name| text(&folder.path(name)));
    let secret = format!("scale={secret}");
    let options = ["-i", &inputs, "--claim-input", &secret, "--bundle", &bundle];
    let options = [&options[..], &RECURSIVE].concat();
    on(&["prove"], &folder.path("claimed.toml"), &options).answer();
    Aggregated {
        answer: miden_cvm(["aggregate", "--json", &bundle, "-o", &proof]),
        folder,
    }
});

/// A proof of proofs.
pub struct Aggregated {
    pub answer: Finished,
    folder: Folder,
}

impl Aggregated {
    /// The list of statements.
    pub fn list(&self) -> PathBuf {
        self.folder.path("one.aggregate.json")
    }

    /// Writes a list in which a statement is said to be an aggregation.
    pub fn nested(&self) -> PathBuf {
        let mut json = self.json();
        json["statements"][0]["aggregate"] = json.clone();
        let nested: Aggregate = serde_json::from_value(json).expect("a list");
        let bytes = serde_json::to_vec(&nested).expect("JSON");
        self.folder.write("nested.aggregate.json", bytes)
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&fs::read(self.list()).expect("the list")).expect("JSON")
    }

    /// Verifies the proof.
    pub fn verify(&self, list: &Path, others: &[&str]) -> Finished {
        let [proof, statement] =
            ["one.proof", "one.statement.json"].map(|name| text(&self.folder.path(name)));
        let list = text(list);
        let named = [
            "verify",
            "-p",
            &proof,
            "-s",
            &statement,
            "--aggregate",
            &list,
        ];
        miden_cvm([&named[..], others].concat())
    }

    /// Verifies the proof with the security that it has.
    pub fn verify_96(&self, list: &Path, others: &[&str]) -> Finished {
        self.verify(list, &[&SECURITY[..], others].concat())
    }
}

fn text(path: &Path) -> String {
    path.to_str().expect("text").to_owned()
}

#[test]
fn one_proof_of_a_bundle_is_made_and_verified() {
    let aggregated = &*AGGREGATED;
    assert_eq!(aggregated.answer.code, 0, "{}", aggregated.answer.stderr);
    let answer: Value = serde_json::from_str(&aggregated.answer.stdout).expect("JSON");
    let statements = answer["statements"].as_array().expect("statements");
    assert_eq!(statements.len(), 2);
    let claims = answer["claims"].as_array().expect("claims");
    assert_eq!(claims.len(), 1);
    assert_eq!(claims[0]["is_proven"], Value::Bool(true));
    for side in ["inputs", "outputs"] {
        let stack = statements[1][format!("stack_{side}")].as_array();
        let stack = stack.expect("a stack");
        let claimed = claims[0]["claim"][side].as_array().expect("a stack");
        assert_eq!(stack[..], claimed[..stack.len()]);
    }

    let list = aggregated.list();
    let verified = aggregated.verify_96(&list, &["--json"]).json();
    assert_eq!(verified["aggregated"], answer["statements"]);
    assert_eq!(verified["claims"], answer["claims"]);
    let text = aggregated.verify_96(&list, &[]).answer();
    assert!(
        text.contains("aggregated   0x") && text.contains("claim        proven: "),
        "{text}"
    );
    let weak = aggregated.verify(&list, &[]).error(1);
    assert!(weak.contains("100"), "{weak}");

    // Another statement is not what was verified, nor is one of a proof of other heights or of other
    // records, and what the run left to others is in its transcript.
    let word = "0x0000000000000000000000000000000000000000000000000000000000000000";
    for (name, pointer, value, reason) in [
        (
            "outputs.json",
            "/statements/0/statement/stack_outputs/0",
            Value::from(17712),
            "not one of the run",
        ),
        (
            "claimed.json",
            "/statements/1/statement/stack_outputs/0",
            Value::from(17712),
            "not one of the run",
        ),
        (
            "claimed-inputs.json",
            "/statements/1/statement/stack_inputs",
            vec![17712].into(),
            "not one of the run",
        ),
        (
            "transcript.json",
            "/statements/0/statement/precompile_transcript",
            word.replace("0x0", "0x1").into(),
            "not one of the run",
        ),
        (
            "heights.json",
            "/statements/0/heights/0",
            (1 << 14).into(),
            "is about the program",
        ),
        (
            "height.json",
            "/statements/0/heights/0",
            3.into(),
            "numbers of rows",
        ),
        (
            "links.json",
            "/statements/0/statement/composition/links/0/callee",
            word.into(),
            "commitment",
        ),
        (
            "requests.json",
            "/statements/1/requests",
            aggregated.json()["statements"][0]["requests"].clone(),
            "left to be computed is refused",
        ),
        (
            "digits.json",
            "/statements/0/requests",
            "0".into(),
            "left to be computed is not in canonical form",
        ),
    ] {
        let mut changed = aggregated.json();
        match changed.pointer_mut(pointer) {
            Some(place) => *place = value,
            // The claim's own proof leaves nothing.
            None => changed["statements"][1]["requests"] = value,
        }
        let path = aggregated.folder.write(name, changed.to_string());
        let refused = aggregated.verify_96(&path, &[]).error(1);
        assert!(refused.contains(reason), "{refused}");
    }
    let nested = aggregated.verify_96(&aggregated.nested(), &[]).error(1);
    assert!(nested.contains("is said to be"), "{nested}");
    let statement = aggregated.folder.path("inputs.json");
    let other = aggregated.verify_96(&statement, &[]).error(1);
    assert!(other.contains("inputs.json"), "{other}");
}

/// A proof of a run whose claims nobody has proven: what it says is true if they are.
#[test]
fn claims_of_an_aggregation_can_be_open() {
    let folder = claims::folder("twice");
    let [inputs, secret, claimed, statement, one] = [
        "inputs.json",
        "secret.json",
        "claimed.proof",
        "one.statement.json",
        "one.proof",
    ]
    .map(|name| text(&folder.path(name)));
    let secret = format!("scale={secret}");
    let options = ["-i", &inputs, "--claim-input", &secret];
    let options = [&options[..], &RECURSIVE].concat();
    on(&["prove"], &folder.path("claimed.toml"), &options).answer();
    let aggregate = [
        &["aggregate", "--json", &claimed, "-o", &one],
        &SECURITY[..],
    ]
    .concat();
    let made = miden_cvm(aggregate).json();
    let is_open = |answer: &Value| {
        let claims = answer["claims"].as_array().expect("claims");
        !claims.is_empty() && claims.iter().all(|claim| claim["is_proven"] == false)
    };
    assert!(is_open(&made), "{made}");
    let list = text(&folder.path("one.aggregate.json"));
    let verify = |others: &[&str]| {
        let named = ["verify", "-p", &one, "-s", &statement, "--aggregate", &list];
        miden_cvm([&named[..], &SECURITY, others].concat())
    };
    let refused = verify(&[]).error(1);
    assert!(
        refused.contains("claims that are not proven") && refused.contains("`--open-claims`"),
        "{refused}"
    );
    let verified = verify(&["--open-claims", "--json"]).json();
    assert!(is_open(&verified), "{verified}");
    assert_eq!(verified["claims"], made["claims"]);
}

/// A bundle with its claims, and theirs, becomes one proof, which says so of all of them.
#[test]
fn nested_claims_become_one_proof() {
    let folder = claims::nested_folder("twice");
    let [inputs, secret, bundle, one, statement, list] = [
        "inputs.json",
        "secret.json",
        "shop.bundle",
        "one.proof",
        "one.statement.json",
        "one.aggregate.json",
    ]
    .map(|name| text(&folder.path(name)));
    let secret = format!("scale={secret}");
    let options = ["-i", &inputs, "--claim-input", &secret, "--bundle", &bundle];
    let options = [&options[..], &RECURSIVE].concat();
    on(&["prove"], &folder.path("claimed.toml"), &options).answer();
    let aggregate = [&["aggregate", "--json", &bundle, "-o", &one], &SECURITY[..]].concat();
    let made = miden_cvm(aggregate).json();
    // The run, the scale once for two equal calls, and the tally twice.
    let statements = made["statements"].as_array().expect("statements");
    assert_eq!(statements.len(), 4);
    let verify = ["verify", "-p", &one, "-s", &statement, "--aggregate", &list];
    let verified = miden_cvm([&verify[..], &SECURITY, &["--json"]].concat()).json();
    assert_eq!(verified["aggregated"], made["statements"]);
    let claims = verified["claims"].as_array().expect("claims");
    assert_eq!(claims.len(), 3);
    assert!(claims.iter().all(|claim| claim["is_proven"] == true));

    // A claim within a claim is open if its results are other ones, or if nothing is said of them.
    let whole: Value = serde_json::from_slice(&fs::read(&list).expect("the list")).expect("JSON");
    let mut changed = whole.clone();
    changed["statements"][3]["statement"]["stack_outputs"][0] = 17712.into();
    let mut missing = whole;
    missing["statements"]
        .as_array_mut()
        .expect("statements")
        .pop();
    for (changed, reason) in [
        (changed, "not one of the run"),
        (missing, "is about the program"),
    ] {
        folder.write("one.aggregate.json", changed.to_string());
        let refused = miden_cvm([&verify[..], &SECURITY].concat()).error(1);
        assert!(refused.contains(reason), "{refused}");
    }
}

/// A proof that can be aggregated.
fn proven() -> Folder {
    let folder = Folder::new(&[("fib.masm", "begin repeat.20 swap dup.1 add end end")]);
    on(&["prove"], &folder.path("fib.masm"), &RECURSIVE).answer();
    folder
}

/// A root is proven with settings of its own, and is not aggregated again.
#[test]
fn a_root_has_other_settings() {
    let folder = proven();
    let [inner, root, again] =
        ["fib.proof", "root.proof", "again.proof"].map(|name| folder.path(name));
    let options = ["-o", &text(&root), "--json"];
    let unknown = [&options[..], &["--preset", "compact", "--security", "128"]].concat();
    let refused = on(&["aggregate"], &inner, &unknown);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    let made = on(&["aggregate"], &inner, &[&options[..], &SECURITY].concat()).json();
    assert_eq!(made["settings"], "Fast96 with blake3-256");
    let [statement, list] =
        ["root.statement.json", "root.aggregate.json"].map(|name| text(&folder.path(name)));
    let files = ["-s", &statement, "--aggregate", &list, "--json"];
    let verified = on(&["verify", "-p"], &root, &[&files[..], &SECURITY].concat()).json();
    assert_eq!(verified["aggregated"], made["statements"]);
    assert_eq!(verified["security"], made["security"]);
    let refused = on(&["aggregate"], &root, &["-o", &text(&again)]).error(1);
    assert!(refused.contains("Recursive96 with RPO"), "{refused}");
}

#[test]
fn proofs_that_no_program_verifies_are_refused() {
    let folder = Folder::new(&[("fib.masm", "begin repeat.20 swap dup.1 add end end")]);
    let (proof, one) = (folder.path("fib.proof"), text(&folder.path("one.proof")));
    on(&["prove"], &folder.path("fib.masm"), &SECURITY).answer();
    let refused = on(&["aggregate"], &proof, &["-o", &one]).error(1);
    assert!(refused.contains("Recursive96 with RPO"), "{refused}");
    assert!(!Path::new(&one).exists());
    on(&["aggregate"], &proof, &["-o", &text(&proof)]).error(1);
    let missing = on(&["aggregate"], &folder.path("none.proof"), &["-o", &one]).error(1);
    assert!(missing.contains("none.proof"), "{missing}");
}

#[test]
fn proofs_that_prove_nothing_are_refused() {
    let folder = proven();
    let (proof, one) = (folder.path("fib.proof"), text(&folder.path("one.proof")));
    let bytes = fs::read(&proof).expect("the proof");
    for at in [HEADER_LEN, bytes.len() / 2, bytes.len() - 8] {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        folder.write("fib.proof", changed);
        let refused = on(&["aggregate"], &proof, &["-o", &one]).error(1);
        assert!(refused.contains("fib.proof"), "{refused}");
    }
    folder.write("fib.proof", &bytes);
    let list = folder.write("fib.aggregate.json", r#"{ "statements": [] }"#);
    let refused = on(&["aggregate"], &proof, &["-o", &one]).error(1);
    assert!(refused.contains("fib.aggregate.json"), "{refused}");
    // It is no aggregation.
    fs::copy(AGGREGATED.list(), list).expect("a list");
    let refused = on(&["aggregate"], &proof, &["-o", &one]).error(1);
    assert!(refused.contains("is said to be"), "{refused}");
    assert!(!Path::new(&one).exists());
}

/// A file that is read beside a proof is not overwritten by one that is written beside another proof.
#[test]
fn no_statement_that_is_read_is_overwritten() {
    let folder = proven();
    let proof = folder.path("fib.proof");
    for output in ["fib.proof", "fib.statement.json", "fib.one"] {
        let output = text(&folder.path(output));
        let refused = on(&["aggregate"], &proof, &["-o", &output]).error(2);
        assert!(refused.contains("is read"), "{refused}");
    }
}
