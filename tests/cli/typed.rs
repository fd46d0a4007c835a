//! Calls with values in WAVE, and their results.

use serde_json::Value;

use super::{Finished, Folder, on};

/// A component whose functions give back what they get.
fn echo() -> Folder {
    let types = "record person { name: string, age: u8 }
        variant shape { dot, circle(u32), text(string) }
        enum color { red, green, blue }
        flags rights { read, write, run }";
    let params = [
        ("b", "bool"),
        ("small", "u8"),
        ("short", "u16"),
        ("word", "u32"),
        ("wide", "u64"),
        ("ss", "s8"),
        ("sh", "s16"),
        ("sw", "s32"),
        ("sx", "s64"),
        ("letter", "char"),
        ("text", "string"),
        ("numbers", "list<u64>"),
        ("texts", "list<list<string>>"),
        ("pair", "tuple<u32, string>"),
        ("who", "person"),
        ("what", "shape"),
        ("shade", "color"),
        ("may", "rights"),
        ("maybe", "option<s8>"),
        ("outcome", "result<u32, string>"),
        ("people", "list<person>"),
        ("quiet", "result"),
    ];
    let functions: String = params
        .iter()
        .map(|(name, ty)| format!("{name}: func(a: {ty}) -> {ty}; "))
        .collect();
    let wit = format!(
        "package my:echo@1.0.0; interface echo {{ {types} {functions} \
         two: func(a: string, b: u32) -> string; nothing: func(); none: func(a: u32); }} \
         world w {{ export echo; export main: func(a: u32, b: u32) -> u32; }}"
    );
    // Lists are where they were received, so that they can be sent from there.
    let source: String = params
        .iter()
        .map(|(name, _)| format!("pub proc {name} nop end\n"))
        .collect();
    let source = format!(
        "{source}pub proc two movup.2 drop end\npub proc nothing nop end\npub proc none drop end\n\
         pub proc main swap u32wrapping_sub end\n"
    );
    Folder::new(&[
        (
            "echo/component.toml",
            "name = \"echo\"\nwit = \"echo.wit\"\nsources = [\"echo.masm\"]\n\
             [exports.\"my:echo/echo@1.0.0\"]\nmodule = \"echo\"\n\
             [exports.main]\nprocedure = \"echo::main\"\n",
        ),
        ("echo/echo.wit", &wit),
        ("echo/echo.masm", &source),
        (
            "echo.toml",
            "main = \"echo.main\"\n[instances.echo]\ncomponent = \"echo\"\n",
        ),
    ])
}

/// Runs a call of the composition's package, which needs no assembler.
fn invoke(folder: &Folder, call: &str) -> Finished {
    let options = ["--json", "--invoke", call];
    on(&["run"], &folder.path("echo.masp"), &options)
}

#[test]
fn values_of_all_types_go_in_and_come_out() {
    let folder = echo();
    on(&["compose"], &folder.path("echo.toml"), &[]).answer();
    for (call, result) in [
        ("main(50, 8)", "42"),
        ("b(true)", "true"),
        ("small(255)", "255"),
        ("short(65535)", "65535"),
        ("word(4294967295)", "4294967295"),
        ("wide(18446744073709551615)", "18446744073709551615"),
        ("ss(-128)", "-128"),
        ("sh(-2)", "-2"),
        ("sw(-2147483648)", "-2147483648"),
        ("sx(-9223372036854775808)", "-9223372036854775808"),
        ("letter('☃')", "'☃'"),
        ("text(\"alice ☃ \\\"x\\\"\")", "\"alice ☃ \\\"x\\\"\""),
        ("text(\"\")", "\"\""),
        (
            "numbers([1, 18446744073709551615, 3])",
            "[1, 18446744073709551615, 3]",
        ),
        ("numbers([])", "[]"),
        (
            "texts([[\"a\", \"bcdef\"], [], [\"\"]])",
            "[[\"a\", \"bcdef\"], [], [\"\"]]",
        ),
        ("pair((7, \"seven\"))", "(7, \"seven\")"),
        ("who({name: \"bob\", age: 44})", "{name: \"bob\", age: 44}"),
        ("what(dot)", "dot"),
        ("what(circle(9))", "circle(9)"),
        ("what(text(\"t\"))", "text(\"t\")"),
        ("shade(blue)", "blue"),
        ("may({read, run})", "{read, run}"),
        ("may({})", "{}"),
        ("maybe(some(-3))", "some(-3)"),
        ("maybe(none)", "none"),
        ("outcome(ok(5))", "ok(5)"),
        ("outcome(err(\"no\"))", "err(\"no\")"),
        (
            "people([{name: \"a\", age: 1}, {age: 2, name: \"bc\"}])",
            "[{name: \"a\", age: 1}, {name: \"bc\", age: 2}]",
        ),
        ("quiet(ok)", "ok"),
        ("my:echo/echo@1.0.0#two(\"kept\", 3)", "\"kept\""),
    ] {
        let json = invoke(&folder, call).json();
        assert_eq!(json["call"]["result"], result, "{call}");
    }
    for call in ["nothing()", "none(3)"] {
        let json = invoke(&folder, call).json();
        assert_eq!(json["call"]["result"], Value::Null, "{call}");
    }
    let target = folder.path("echo.toml");
    let text = on(&["run"], &target, &["--invoke", "two(\"a\", 1)"]).answer();
    for part in [
        "function     two: func(a: string, b: u32) -> string",
        "called with  (\"a\", 1)",
        "result       \"a\"",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn calls_that_do_not_fit_are_refused() {
    let folder = echo();
    on(&["compose"], &folder.path("echo.toml"), &[]).answer();
    let deep = format!("numbers({}", "[".repeat(100_000));
    for call in [
        "main(1)",
        "main(1, 2, 3)",
        "main(1, -2)",
        "main(\"a\", 2)",
        "main(1, 4294967296)",
        "main 1, 2",
        "main(1, 2",
        "",
        "nobody()",
        "letter(\"two\")",
        "shade(yellow)",
        "who({name: \"bob\"})",
        "may({fly})",
        &deep,
    ] {
        let finished = invoke(&folder, call);
        assert_eq!((finished.code, finished.stderr.as_str()), (2, ""), "{call}");
        let json: Value = serde_json::from_str(&finished.stdout).expect("JSON");
        assert_eq!(json["status"], "error", "{call}");
    }
    let few = invoke(&folder, "main()").stdout;
    assert!(
        few.contains("the function is main: func(a: u32, b: u32)"),
        "{few}"
    );
    let long = invoke(&folder, &format!("main({})", "9".repeat(100_000))).stdout;
    assert!(long.len() < 2000, "{} bytes", long.len());
    let unknown = invoke(&folder, "nobody()").stdout;
    assert!(unknown.contains("#two"), "{unknown}");
    let untyped = Folder::new(&[("main.masm", "begin add end")]);
    let error = on(
        &["run"],
        &untyped.path("main.masm"),
        &["--invoke", "main()"],
    )
    .error(2);
    assert!(error.contains("described by WIT"), "{error}");
}

/// A proof of a call, from sources or from a package, is one of what was called.
#[test]
fn calls_are_proven() {
    let folder = echo();
    let target = folder.path("echo.toml");
    on(&["compose"], &target, &[]).answer();
    let call = ["--json", "--invoke", "two(\"proven\", 1)"];
    let ran = on(&["run"], &folder.path("echo.masp"), &call).json();
    let proven = on(&["prove"], &target, &call).json();
    assert_eq!(proven["call"], ran["call"]);
    assert_eq!(proven["call"]["result"], "\"proven\"");
    assert_eq!(proven["program_hash"], ran["program_hash"]);
    let statement = folder.path("echo.statement.json");
    let options = ["-s", statement.to_str().expect("text")];
    on(&["verify", "-p"], &folder.path("echo.proof"), &options).answer();
    let of = ["--json", "--of", target.to_str().expect("text")];
    let stated = on(&["inspect"], &statement, &of).json();
    assert_eq!(stated["call"]["in_messages"], true);

    // What crosses on the stack is in the statement.
    on(&["prove"], &target, &["--invoke", "main(50, 8)"]).answer();
    let stated = on(&["inspect"], &statement, &of).json();
    assert_eq!(
        stated["call"]["function"],
        "main: func(a: u32, b: u32) -> u32"
    );
    assert_eq!(stated["call"]["params"], serde_json::json!(["50", "8"]));
    assert_eq!(stated["call"]["result"], "42");
    let wrong = ["--of", folder.path("echo/echo.wit").to_str().expect("text")].map(str::to_owned);
    let wrong = [wrong[0].as_str(), wrong[1].as_str()];
    assert_ne!(on(&["inspect"], &statement, &wrong).code, 0);
}

/// A run without the values that its function takes ends in a trap somewhere; how they are given is told with it.
#[test]
fn a_run_without_values_is_told_how_to_give_them() {
    let folder = Folder::new(&[
        (
            "app/component.toml",
            "name = \"app\"\nwit = \"app.wit\"\nsources = [\"app.masm\"]\n\
             [exports.main]\nprocedure = \"app::main\"\n",
        ),
        (
            "app/app.wit",
            "package my:app; world w { export main: func(count: u32, who: string) -> u32; }",
        ),
        (
            "app/app.masm",
            "pub proc main movdn.2 drop drop neq.7 assert end",
        ),
        (
            "app.toml",
            "main = \"app.main\"\n[instances.app]\ncomponent = \"app\"\n",
        ),
    ]);
    let target = folder.path("app.toml");
    let told = "--invoke 'main(count, who)'";
    for command in ["run", "prove", "analyze"] {
        let error = on(&[command], &target, &[]).error(1);
        assert!(error.contains(told), "{command}: {error}");
    }
    let json: Value =
        serde_json::from_str(&on(&["run"], &target, &["--json"]).stdout).expect("JSON");
    let help = json["help"].as_str().expect("help");
    assert!(help.contains(told), "{help}");
    // With values, or with elements that may be some, a trap is another matter.
    let call = ["--invoke", "main(7, \"a\")"];
    let error = on(&["run"], &target, &call).error(1);
    assert!(!error.contains("--invoke"), "{error}");
    folder.write("app.inputs", br#"{ "operand_stack": ["7"] }"#);
    let error = on(&["run"], &target, &[]).error(1);
    assert!(!error.contains("--invoke"), "{error}");
}
