//! `audit --advice`.

use serde_json::Value;

use super::{Folder, args, miden_cvm, stack};

/// Halves the number on the stack with a quotient from the host, and checks less than it should.
const HALVES: &str = r#"
use miden::core::math::u64

proc half
    dup push.0 push.2 push.0 emit.event("miden::core::math::u64::u64_div") drop drop drop
    # => [n, n]
    adv_push.2 drop
    # The remainder is not looked at, but that the double is not greater.
    dup mul.2 movup.2 lte assert
    swap drop
end

begin
    exec.half
end
"#;

fn audited(folder: &Folder, target: &str, options: &[&str]) -> (i32, Value) {
    let path = folder.path(target);
    let options = [&["--advice", "--json", "-n", "600"], options].concat();
    let finished = miden_cvm(args("audit", &path, &options));
    (
        finished.code,
        serde_json::from_str(&finished.stdout).expect("JSON"),
    )
}

#[test]
fn lies_that_are_let_through_are_reported_with_their_place() {
    let folder = Folder::new(&[
        ("half.masm", HALVES),
        ("half.inputs", r#"{ "operand_stack": ["14"] }"#),
    ]);
    let (code, report) = audited(&folder, "half.masm", &[]);
    assert_eq!((code, &report["status"]), (1, &"error".into()), "{report}");
    assert_eq!(stack(&report["honest"], 1), [7]);
    let finding = &report["findings"][0];
    let place = finding["place"].as_str().expect("a place");
    assert!(place.contains("half.masm:7"), "{place}");
    assert!(place.contains("adv_push.2"), "{place}");
    assert!(
        place.contains("`miden::core::math::u64::u64_div`"),
        "{place}"
    );
    assert_ne!(stack(&finding["outputs"], 1), [7], "{finding}");

    // The number of a lie tells it again, alone.
    let number = finding["number"].to_string();
    let (code, again) = audited(&folder, "half.masm", &["--only", &number]);
    assert_eq!(code, 1);
    assert_eq!(again["findings"], Value::from(vec![finding.clone()]));

    // The same, for people.
    let path = folder.path("half.masm");
    let finished = miden_cvm(args("audit", &path, &["--advice", "-n", "600"]));
    assert_eq!(finished.code, 1);
    assert!(
        finished.stdout.contains("is let through in"),
        "{}",
        finished.stdout
    );
    assert!(
        finished.stderr.contains("checks are missing"),
        "{}",
        finished.stderr
    );

    // The host's answer may be what the program is about.
    let event = ["--input-event", "miden::core::math::u64::u64_div"];
    let (code, report) = audited(&folder, "half.masm", &event);
    assert_eq!(
        (code, &report["inputs"]),
        (0, &report["elements"]),
        "{report}"
    );
}

#[test]
fn the_advice_of_the_inputs_is_not_lied_about_unless_asked() {
    let key = format!("0x{}", "00".repeat(32));
    let map = format!(r#"{{ "advice_stack": ["5", "6"], "advice_map": {{ "{key}": [7] }} }}"#);
    let folder = Folder::new(&[
        ("sum.masm", "begin adv_push.2 add swap drop end"),
        ("sum.inputs", r#"{ "advice_stack": ["5", "6"] }"#),
        (
            "map.masm",
            "begin padw adv.push_mapval dropw adv_push.3 add add swap drop end",
        ),
        ("map.inputs", &map),
    ]);
    let (code, report) = audited(&folder, "sum.masm", &[]);
    assert_eq!(
        (code, &report["kinds"]),
        (0, &Value::Object(Default::default()))
    );
    let (code, report) = audited(&folder, "sum.masm", &["--all"]);
    assert_eq!(code, 1, "{report}");

    // What the map has is the host's, unless it is said to be input.
    let (code, report) = audited(&folder, "map.masm", &[]);
    assert_eq!((code, &report["inputs"]), (1, &2.into()), "{report}");
    let (code, report) = audited(&folder, "map.masm", &["--input-key", &key]);
    assert_eq!(code, 0, "{report}");
}

#[test]
fn a_run_that_should_trap_is_audited_too() {
    let source = r#"begin emit.event("miden::core::math::u64::u64_div") adv_push.1 swap drop end"#;
    let folder = Folder::new(&[("zero.masm", source)]);
    let (code, report) = audited(&folder, "zero.masm", &[]);
    assert_eq!(code, 1, "{report}");
    let trap = report["honest"]["trap"].as_str().expect("a trap");
    assert!(trap.contains("division by zero"), "{trap}");
}

#[test]
fn options_of_lies_need_the_advice() {
    let folder = Folder::new(&[("empty.masm", "begin end")]);
    let path = folder.path("empty.masm");
    let finished = miden_cvm(args("audit", &path, &["--all"]));
    assert_eq!(finished.code, 2);
    let finished = miden_cvm(args("audit", &path, &["--advice", "--input-key", "12"]));
    assert_eq!(finished.code, 2);
}
