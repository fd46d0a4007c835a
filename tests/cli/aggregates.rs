//! Proofs that become one.

use std::sync::LazyLock;

use miden_cvm::Aggregate;

use super::{Finished, Folder, Path, PathBuf, Value, fs, miden_cvm, on};

const SECURITY: [&str; 2] = ["--security", "conjectured:96"];

/// A proof of a proof, which takes a while.
pub static AGGREGATED: LazyLock<Aggregated> = LazyLock::new(|| {
    let folder = Folder::new(&[
        ("fib.masm", "begin repeat.20 swap dup.1 add end end"),
        ("fib.json", r#"{ "operand_stack": ["1", "1"] }"#),
    ]);
    let inputs = text(&folder.path("fib.json"));
    let options = ["-i", &inputs, "--preset", "recursive", "--hash", "rpo"];
    let options = [&options[..], &SECURITY].concat();
    on(&["prove"], &folder.path("fib.masm"), &options).answer();
    let [inner, proof] = ["fib.proof", "one.proof"].map(|name| text(&folder.path(name)));
    Aggregated {
        answer: miden_cvm(["aggregate", "--json", &inner, "-o", &proof]),
        folder,
    }
});

/// A proof of a proof.
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
fn a_proof_of_a_proof_is_made_and_verified() {
    let aggregated = &*AGGREGATED;
    assert_eq!(aggregated.answer.code, 0, "{}", aggregated.answer.stderr);
    let answer: Value = serde_json::from_str(&aggregated.answer.stdout).expect("JSON");
    assert_eq!(answer["statements"].as_array().map(Vec::len), Some(1));
    assert_eq!(answer["statements"][0]["stack_outputs"][0], "17711");

    let list = aggregated.list();
    let verified = aggregated.verify_96(&list, &["--json"]).json();
    assert_eq!(verified["aggregated"], answer["statements"]);
    let text = aggregated.verify_96(&list, &[]).answer();
    assert!(
        text.contains("aggregated   0x") && text.contains("[17711, "),
        "{text}"
    );
    let weak = aggregated.verify(&list, &[]).error(1);
    assert!(weak.contains("100"), "{weak}");

    // Another statement is not what was verified, nor is one of a proof of other heights.
    for (name, pointer, value, reason) in [
        (
            "outputs.json",
            "/statements/0/statement/stack_outputs/0",
            17712,
            "not one of the run",
        ),
        (
            "heights.json",
            "/statements/0/heights/0",
            256,
            "is about the program",
        ),
        (
            "height.json",
            "/statements/0/heights/0",
            3,
            "numbers of rows",
        ),
    ] {
        let mut changed = aggregated.json();
        *changed.pointer_mut(pointer).expect("it is there") = value.into();
        let path = aggregated.folder.write(name, changed.to_string());
        let refused = aggregated.verify_96(&path, &[]).error(1);
        assert!(refused.contains(reason), "{refused}");
    }
    let nested = aggregated.verify_96(&aggregated.nested(), &[]).error(1);
    assert!(nested.contains("is said to be"), "{nested}");
    let statement = aggregated.folder.path("fib.statement.json");
    let other = aggregated.verify_96(&statement, &[]).error(1);
    assert!(other.contains("fib.statement.json"), "{other}");
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

/// What is read beside a proof is not overwritten by what is written beside another one.
#[test]
fn no_statement_that_is_read_is_overwritten() {
    let folder = &AGGREGATED.folder;
    let proof = folder.path("fib.proof");
    for output in ["fib.proof", "fib.statement.json", "fib.one"] {
        let output = text(&folder.path(output));
        let refused = on(&["aggregate"], &proof, &["-o", &output]).error(2);
        assert!(refused.contains("is read"), "{refused}");
    }
}
