//! Calls with every number of parameters and results: the callee sees nothing else of its caller's stack,
//! and neither does what it leaves there get any further.

use std::fmt::Write;

use crate::support::{Files, Inputs, run, run_checked};

/// Numbers of parameters and of results, on both sides of every change in how they cross.
const LENGTHS: [usize; 14] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 15, 16];

/// The caller's elements below the parameters: more than 16.
const HELD: u64 = 20;

/// The first of the elements that the caller holds, of the parameters, and of the results.
const FIRST_HELD: u64 = 1_000;
const FIRST_PARAM: u64 = 3_000;
const FIRST_RESULT: u64 = 2_000;

const COMPOSITION: &str = r#"
    main = "app.main"
    [instances.app]
    component = "app"
    imports."test:calls/calls" = "callee"
    [instances.callee]
    component = "callee"
"#;

/// All pairs of numbers of parameters and results.
fn signatures() -> impl Iterator<Item = (usize, usize)> {
    LENGTHS
        .into_iter()
        .flat_map(|params| LENGTHS.map(|results| (params, results)))
}

fn wit() -> String {
    let functions: String = signatures()
        .map(|(params, results)| {
            let named: Vec<String> = (0..params).map(|i| format!("a{i}: u32")).collect();
            let result = match results {
                0 => String::new(),
                1 => " -> u32".into(),
                _ => format!(" -> tuple<{}>", vec!["u32"; results].join(", ")),
            };
            format!(
                "p{params}-r{results}: func({}){result};\n",
                named.join(", ")
            )
        })
        .collect();
    format!(
        "package test:calls@1.0.0;
         interface calls {{ {functions} }}
         world app {{ import calls; export main: func(); }}
         world callee {{ export calls; }}"
    )
}

/// A caller that calls each function, and looks at the results and at what it holds.
fn caller() -> String {
    let mut calls = String::new();
    let mut main = String::new();
    for (params, results) in signatures() {
        // Writing to a string does not fail.
        let _ = writeln!(calls, "proc p{params}_r{results}");
        for i in (0..HELD).rev() {
            let _ = writeln!(calls, "push.{}", FIRST_HELD + i);
        }
        for i in (0..params as u64).rev() {
            let _ = writeln!(calls, "push.{}", FIRST_PARAM + i);
        }
        let _ = writeln!(calls, "exec.calls::p{params}_r{results}");
        for i in 0..results as u64 {
            let _ = writeln!(
                calls,
                "push.{} assert_eq.err=\"result {i} of p{params}_r{results}\"",
                FIRST_RESULT + i
            );
        }
        for i in 0..HELD {
            let _ = writeln!(
                calls,
                "push.{} assert_eq.err=\"held {i} at p{params}_r{results}\"",
                FIRST_HELD + i
            );
        }
        calls += "end\n";
        let _ = writeln!(main, "exec.p{params}_r{results}");
    }
    format!("use bindings::test::calls::calls\n{calls}\npub proc main\n{main}\nend\n")
}

/// Assembly that checks that the parameters are there.
fn looks_at_params(params: usize) -> String {
    (0..params)
        .map(|i| format!("dup.{i} push.{} assert_eq\n", FIRST_PARAM + i as u64))
        .collect()
}

/// A callee without bindings, that looks at all it can see and overwrites it.
fn hostile(params: usize, results: usize) -> String {
    let mut body = looks_at_params(params);
    for i in params..16 {
        let _ = writeln!(
            body,
            "dup.{i} u32wrapping_sub.{FIRST_HELD} u32gte.{HELD} assert.err=\"seen at {i}\""
        );
    }
    for i in (0..16).rev() {
        let value = match i < results {
            true => FIRST_RESULT + i as u64,
            false => FIRST_HELD + 1_000_000 + i as u64,
        };
        let _ = writeln!(body, "push.{value}");
    }
    body + "exec.::miden::core::sys::truncate_stack\n"
}

/// A callee that takes its parameters and only then has its results on the stack.
fn takes_first(params: usize, results: usize) -> String {
    let results: String = (0..results as u64)
        .rev()
        .map(|i| format!("push.{}\n", FIRST_RESULT + i))
        .collect();
    // A procedure has to have something in it.
    looks_at_params(params) + "push.5 drop\n" + &"drop\n".repeat(params) + &results
}

/// A callee that has the results on the stack before it takes the parameters, where moves reach them.
fn takes_last(params: usize, results: usize) -> String {
    if results > 15 {
        return takes_first(params, results);
    }
    let mut body = looks_at_params(params) + "push.5 drop\n";
    for i in (0..results as u64).rev() {
        let _ = writeln!(body, "push.{}", FIRST_RESULT + i);
    }
    let take = match results {
        0 => "drop\n".into(),
        1 => "swap drop\n".into(),
        _ => format!("movup.{results} drop\n"),
    };
    body + &take.repeat(params)
}

fn files(raw: bool, body: fn(usize, usize) -> String) -> Files {
    let code: String = signatures()
        .map(|(params, results)| {
            format!(
                "pub proc p{params}_r{results}\n{}end\n",
                body(params, results)
            )
        })
        .collect();
    let wit = wit();
    Files::new(&[
        (
            "app/component.toml",
            "name = \"app\"\nwit = \"calls.wit\"\nworld = \"app\"\nsources = [\"app.masm\"]\n\
             exports.main.procedure = \"app::main\"\n",
        ),
        ("app/calls.wit", &wit),
        ("app/app.masm", &caller()),
        (
            "callee/component.toml",
            &format!(
                "name = \"callee\"\nwit = \"calls.wit\"\nworld = \"callee\"\nsources = [\"code.masm\"]\n\
                 exports.calls = {{ module = \"code\", raw = {raw} }}\n"
            ),
        ),
        ("callee/calls.wit", &wit),
        ("callee/code.masm", &code),
        ("composition.toml", COMPOSITION),
    ])
}

fn runs(raw: bool, body: fn(usize, usize) -> String) {
    let files = files(raw, body);
    let linked = files.link().unwrap_or_else(|error| panic!("{error}"));
    run(&linked, Inputs::default()).unwrap_or_else(|error| panic!("{error}"));
    run_checked(&linked, Inputs::default());
}

#[test]
fn a_callee_without_bindings_sees_and_changes_nothing_of_its_callers() {
    runs(true, hostile);
}

#[test]
fn exports_leave_as_much_as_they_find_whenever_they_take_their_parameters() {
    runs(false, takes_first);
    runs(false, takes_last);
}

#[test]
fn a_procedure_that_leaves_more_than_its_results_traps() {
    let sloppy = |params: usize, results: usize| takes_first(params, results) + "push.7 swap\n";
    let files = files(false, sloppy);
    let linked = files.link().unwrap_or_else(|error| panic!("{error}"));
    let error = run(&linked, Inputs::default()).expect_err("the stack is too deep");
    assert!(
        error.to_string().contains("stack depth must be 16"),
        "{error}"
    );
}

/// The rest of a callee beside its exports.
#[derive(Default)]
struct Callee<'a> {
    /// More of its `component.toml`.
    manifest: &'a str,
    /// Its module `inner::code`.
    code: &'a str,
    /// Its module `other`, if it has one.
    other: Option<&'a str>,
}

/// A composition whose `callee` exports functions of one number, each with the procedure that implements it.
fn exporting(exports: &[(&str, &str)], callee: Callee<'_>, main: &str) -> Files {
    let Callee {
        manifest,
        code,
        other,
    } = callee;
    let others = match other {
        Some(_) => ", \"other.masm\"",
        None => "",
    };
    let functions: String = exports
        .iter()
        .map(|(function, _)| format!("{function}: func(a: u32) -> u32;\n"))
        .collect();
    let procedures: String = exports
        .iter()
        .map(|(function, procedure)| {
            format!("exports.\"test:calls/calls#{function}\".procedure = '{procedure}'\n")
        })
        .collect();
    let wit = format!(
        "package test:calls@1.0.0;
         interface calls {{ {functions} }}
         interface logs {{ log: func(); }}
         interface things {{ resource thing; }}
         world app {{ import calls; export main: func(); }}
         world callee {{ import logs; export calls; export things; }}
         world log {{ export logs; }}"
    );
    Files::new(&[
        (
            "app/component.toml",
            "name = \"app\"\nwit = \"calls.wit\"\nworld = \"app\"\nsources = [\"app.masm\"]\n\
             exports.main.procedure = \"app::main\"\n",
        ),
        ("app/calls.wit", &wit),
        (
            "app/app.masm",
            &format!("use bindings::test::calls::calls\npub proc main {main} end\n"),
        ),
        (
            "callee/component.toml",
            &format!(
                "name = \"callee\"\nwit = \"calls.wit\"\nworld = \"callee\"\n\
                 sources = [\"inner/code.masm\"{others}]\n{manifest}\n{procedures}"
            ),
        ),
        ("callee/calls.wit", &wit),
        ("callee/other.masm", other.unwrap_or_default()),
        (
            "callee/inner/code.masm",
            &format!("use bindings::test::calls::logs\n{code}"),
        ),
        (
            "log/component.toml",
            "name = \"log\"\nwit = \"calls.wit\"\nworld = \"log\"\nsources = [\"log.masm\"]\n\
             exports.logs.module = \"log\"\n",
        ),
        ("log/calls.wit", &wit),
        ("log/log.masm", "pub proc log nop end"),
        (
            "composition.toml",
            "main = \"app.main\"\n[instances.app]\ncomponent = \"app\"\n\
             imports.\"test:calls/calls\" = \"callee\"\n\
             [instances.callee]\ncomponent = \"callee\"\nimports.\"test:calls/logs\" = \"log\"\n\
             [instances.log]\ncomponent = \"log\"\n",
        ),
    ])
}

/// A procedure with a call in it, that takes any element and leaves one.
const ADDS: &str = "pub proc add exec.logs::log add.1 end\n";

/// Returns `true` if the export `add` of the callee is its procedure `inner::code::add`.
fn is_one(files: &Files) -> bool {
    let linked = files.link().unwrap_or_else(|error| panic!("{error}"));
    run(&linked, Inputs::default()).unwrap_or_else(|error| panic!("{error}"));
    let callee = linked.instances.iter().find(|i| i.name == "callee");
    let component = &callee.expect("an instance").component;
    let digest = component.exports["test:calls/calls@1.0.0#add"].digest;
    let names = component.procedures.get(&digest).into_iter();
    let mut names = names.chain(component.aliases.get(&digest).into_iter().flatten());
    names.any(|name| name == "inner::code::add")
}

const CALLS_ADD: &str = "push.4 exec.calls::add push.5 assert_eq";

const ADD: [(&str, &str); 1] = [("add", "inner::code::add")];

#[test]
fn what_an_export_does_is_part_of_a_procedure_that_nothing_else_uses() {
    let callee = Callee {
        code: ADDS,
        ..Callee::default()
    };
    let linked = exporting(&ADD, callee, CALLS_ADD).link();
    run_checked(&linked.expect("a composition"), Inputs::default());
    // Whatever it begins and ends with.
    let bodies = [
        "exec.logs::log add.1",
        "dup eq.4 if.true exec.logs::log else nop end add.1",
        "exec.logs::log dup eq.4 if.true add.1 else nop end",
        "push.1 while.true add.1 exec.logs::log push.0 end",
    ];
    for body in bodies {
        let code = &format!("pub proc add {body} end");
        let callee = || Callee {
            code,
            ..Callee::default()
        };
        assert!(is_one(&exporting(&ADD, callee(), CALLS_ADD)), "{body}");
        let unchecked = "push.4294967296 call.::imports::test::calls::calls::add";
        let files = exporting(&ADD, callee(), unchecked);
        let error = run(&files.link().expect("a composition"), Inputs::default());
        let error = error.expect_err("no u32").to_string();
        assert!(error.contains("canonical ABI: integer"), "{body}: {error}");
    }
    // A procedure without a call in it is one block with what is around it anyway, and what is local to one is
    // there before anything else.
    let code = "pub proc add add.1 end";
    let callee = Callee {
        code,
        ..Callee::default()
    };
    assert!(!is_one(&exporting(&ADD, callee, CALLS_ADD)));
    let code = "@locals(4) pub proc add loc_store.1 exec.logs::log loc_load.1 add.1 end";
    let callee = Callee {
        code,
        ..Callee::default()
    };
    assert!(!is_one(&exporting(&ADD, callee, CALLS_ADD)));
}

/// The second procedure calls the first: it hands over an element that is no `u32`.
const TWICE: &str = "push.4294967296 add ADD ADD push.4294967296 sub";

/// The procedure takes elements that are no `u32` from those that execute it inside the component.
#[test]
fn procedures_that_something_else_uses_are_what_they_were() {
    let calls = format!("{CALLS_ADD} push.4 exec.calls::twice push.6 assert_eq");
    let refers = |with: &str, add: &str| with.replace("TWICE", &TWICE.replace("ADD", add));
    let in_code = [
        refers("pub proc twice TWICE end", "exec.add"),
        refers("pub proc twice TWICE end", "exec.::inner::code::add"),
        refers("pub proc twice TWICE end", "exec.inner::code::add"),
        refers(
            "pub proc twice exec.inner end proc inner TWICE end",
            "exec.add",
        ),
        "pub proc twice add.2 procref.add dropw end".into(),
    ];
    let both = [("add", "inner::code::add"), ("twice", "inner::code::twice")];
    for more in &in_code {
        let callee = Callee {
            code: &format!("{ADDS}{more}"),
            ..Callee::default()
        };
        assert!(!is_one(&exporting(&both, callee, &calls)), "{more}");
    }
    // By imports of every kind.
    let twice =
        |imports: &str, add: &str| refers(&format!("{imports}pub proc twice TWICE end"), add);
    let in_other = [
        twice("", "exec.::inner::code::add"),
        twice("", "exec.inner::code::add"),
        twice("use inner::code\n", "exec.inner::code::add"),
        twice("use inner::code->c\n", "exec.c::add"),
        twice("use inner::code::add\n", "exec.add"),
        twice("use inner::code::add->g\n", "exec.g"),
        twice("use inner::code->c\nuse c::add->g\n", "exec.g"),
        twice("use ::inner::code::add->g\n", "exec.g"),
        twice("pub use inner::code::add->g\n", "exec.::other::g"),
    ];
    let both = [("add", "inner::code::add"), ("twice", "other::twice")];
    for other in &in_other {
        let callee = Callee {
            code: ADDS,
            other: Some(other),
            ..Callee::default()
        };
        assert!(!is_one(&exporting(&both, callee, &calls)), "{other}");
    }
    // By `component.toml`, and by who calls what is exported under another name.
    let named = [
        ("dyncall = [\"inner::code::add\"]", None),
        ("dyncall = [\"::inner::code::add\"]", None),
        ("resources.thing.destructor = \"inner::code::add\"", None),
        ("resources.thing.destructor = \"::inner::code::add\"", None),
        (
            "",
            Some("pub use inner::code::add->more\npub proc main nop end"),
        ),
    ];
    for (manifest, other) in named {
        let callee = Callee {
            manifest,
            code: ADDS,
            other,
        };
        assert!(!is_one(&exporting(&ADD, callee, CALLS_ADD)), "{manifest}");
    }
    let again = [("add", "inner::code::add"), ("more", "inner::code::add")];
    let calls = format!("{CALLS_ADD} push.7 exec.calls::more push.8 assert_eq");
    let callee = Callee {
        code: ADDS,
        ..Callee::default()
    };
    assert!(!is_one(&exporting(&again, callee, &calls)));
}
