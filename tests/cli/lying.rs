//! `audit --advice`: what programs let through, and what they refuse.

use std::{ffi::OsStr, path::Path};

use serde_json::Value;

use super::{Folder, args, miden_cvm};

/// The result of a campaign against a program, and whether the program lets lies through.
fn lied_to(target: &Path, options: &[&str]) -> (Value, bool) {
    let mut all = args("audit", target, &["--advice", "--json", "-n", "300"]);
    all.extend(options.iter().map(OsStr::new));
    let finished = miden_cvm(all);
    let json: Value = serde_json::from_str(&finished.stdout).expect("JSON");
    let is_faulty = finished.code == 1;
    let error = json["error"].as_str();
    let is_said = error.is_some_and(|text| text.contains("lies about the advice are let through"));
    assert_eq!(is_said, is_faulty, "{error:?}");
    let findings = json["findings"].as_array().expect("a list");
    assert_eq!(findings.is_empty(), !is_faulty);
    (json, is_faulty)
}

/// Where the lies of the findings were taken in.
fn places(json: &Value) -> Vec<&str> {
    let findings = json["findings"].as_array().expect("a list");
    let places = findings.iter().map(|finding| finding["place"].as_str());
    let mut places: Vec<&str> = places.map(|place| place.expect("a place")).collect();
    places.dedup();
    places
}

/// Lies that were let through, by the counts of places.
fn accepted(json: &Value) -> u64 {
    let places = json["places"].as_array().expect("a list");
    let counts = places.iter().map(|place| place["accepted"].as_u64());
    counts.map(|count| count.expect("a count")).sum()
}

/// A program that halves a number by the library's event, and one that does so by its procedure.
const DIVISIONS: [(&str, &str); 2] = [
    (
        "unchecked.masm",
        "proc half
            push.2 push.0
            emit.event(\"miden::core::math::u64::u64_div\")
            adv_push.2 u32assert2
            movup.2 drop movup.2 drop movup.2 drop movup.2 drop
        end
        begin exec.half end",
    ),
    (
        "checked.masm",
        "use miden::core::math::u64
        begin push.2 push.0 exec.u64::div end",
    ),
];

#[test]
fn unchecked_answers_are_reported_with_their_place() {
    let folder = Folder::new(&DIVISIONS);
    let inputs = folder.write("fourteen.json", r#"{ "operand_stack": ["14", "0"] }"#);
    let inputs = ["-i", inputs.to_str().expect("a path")];
    let (json, is_faulty) = lied_to(&folder.path("unchecked.masm"), &inputs);
    assert!(is_faulty);
    assert_eq!(json["honest"]["stack"][1], "7");
    assert!(accepted(&json) > 0);
    for place in places(&json) {
        for part in ["half", "adv_push.2", "unchecked.masm", "math::u64::u64_div"] {
            assert!(place.contains(part), "{place}");
        }
    }
    for finding in json["findings"].as_array().expect("a list") {
        let lie = &finding["lies"][0];
        assert_ne!(lie["honest"], lie["said"]);
        assert_ne!(finding["outputs"]["stack"], json["honest"]["stack"]);
    }

    // One of them again, by its number.
    let number = json["findings"][2]["number"].to_string();
    let options = [&inputs[..], &["--only", &number]].concat();
    let (again, _) = lied_to(&folder.path("unchecked.masm"), &options);
    assert_eq!(
        again["findings"],
        Value::from(vec![json["findings"][2].clone()])
    );

    // The answers are input, so there is nothing to be told.
    let options = ["--input-event", "miden::core::math::u64::u64_div"];
    let options = [&inputs[..], &options].concat();
    let (trusted, _) = lied_to(&folder.path("unchecked.masm"), &options);
    assert_eq!(
        (accepted(&trusted), &trusted["inputs"]),
        (0, &Value::from(2))
    );

    let (json, is_faulty) = lied_to(&folder.path("checked.masm"), &inputs);
    assert!(!is_faulty);
    assert_eq!(json["honest"]["stack"][1], "7");
    assert_eq!(accepted(&json), 0);
    let refused = &json["kinds"]["quotient"]["refused"];
    assert!(
        refused.as_u64().is_some_and(|count| count > 10),
        "{refused}"
    );
}

/// Faults of published code are found in programs that use it.
#[test]
fn published_code_lets_lies_through_and_corrected_code_does_not() {
    let folder = Folder::new(&[
        ("ilog2.masm", "begin push.1099511627777 ilog2 swap drop end"),
        (
            "u32clz.masm",
            "proc zeros u32clz end begin push.0 exec.zeros swap drop end",
        ),
        (
            "clz.masm",
            "use miden::core::math::u64 begin push.0.0 exec.u64::clz swap drop end",
        ),
    ]);
    for (program, place) in [
        ("ilog2.masm", "ilog2"),
        ("u32clz.masm", "u32clz"),
        ("clz.masm", "miden::core::math::u64::clz"),
    ] {
        let target = folder.path(program);
        let (published, is_faulty) = lied_to(&target, &["--published-library", "--memory"]);
        assert!(is_faulty, "{program}");
        assert!(places(&published)[0].contains(place), "{published}");
        let (corrected, is_faulty) = lied_to(&target, &["--memory"]);
        assert!(!is_faulty, "{corrected}");
        assert_eq!(accepted(&corrected), 0);
        assert_eq!(corrected["honest"]["stack"], published["honest"]["stack"]);
    }
}

/// The advice that a run starts with is input, unless nothing is.
#[test]
fn advice_that_is_given_is_input() {
    let folder = Folder::new(&[
        ("one.masm", "begin adv_push.1 swap drop end"),
        (
            "entry.masm",
            "begin push.1.2.3.4 adv.push_mapval dropw adv_push.1 swap drop end",
        ),
        (
            "one.inputs",
            r#"{ "operand_stack": [], "advice_stack": ["5"] }"#,
        ),
        (
            "entry.inputs",
            r#"{ "operand_stack": [], "advice_map": {
                "0x0100000000000000020000000000000003000000000000000400000000000000": [5] } }"#,
        ),
    ]);
    let one = folder.path("one.masm");
    let (json, is_faulty) = lied_to(&one, &[]);
    assert!(!is_faulty);
    assert_eq!(
        (&json["elements"], &json["inputs"]),
        (&Value::from(1), &Value::from(1))
    );
    let text = miden_cvm(args("audit", &one, &["--advice", "-n", "1"])).answer();
    assert!(text.contains("The run takes nothing from its host that is not input."));
    assert!(lied_to(&one, &["--all"]).1);

    let entry = folder.path("entry.masm");
    assert!(lied_to(&entry, &[]).1);
    let key = "0x0100000000000000020000000000000003000000000000000400000000000000";
    assert!(!lied_to(&entry, &["--input-key", key]).1);
}

/// Elements that a program leaves in memory and its statement shows count as its stack does.
#[test]
fn lies_that_show_in_memory_are_reported() {
    let layout = r#""memory_layout": {"outputs": {"address": 4, "length": 4}}"#;
    let folder = Folder::new(&[
        ("told.masm", "begin adv_push.1 mem_store.4 end"),
        ("told.inputs", r#"{"advice_stack": ["1"]}"#),
        (
            "shown.inputs",
            &format!(r#"{{"advice_stack": ["1"], {layout}}}"#),
        ),
    ]);
    let target = folder.path("told.masm");
    assert!(!lied_to(&target, &["--all"]).1);
    let inputs = folder.path("shown.inputs");
    let (json, is_faulty) = lied_to(&target, &["--all", "-i", inputs.to_str().expect("text")]);
    assert!(is_faulty);
    let shown = &json["findings"][0]["outputs"]["memory_outputs"]["elements"][0];
    assert_ne!(shown, &json["honest"]["memory_outputs"]["elements"][0]);
}
