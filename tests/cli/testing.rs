//! Tests of components, written in Miden assembly and marked in WIT.

use super::{Folder, on};

/// A counter, and in its folder a component with its tests. `more` are further functions of that one:
/// their WIT, name, and code.
fn tested(more: &[(&str, &str, &str)]) -> Folder {
    let tests = [
        (
            "/// @test\nexport starts-at-zero: func();",
            "starts-at-zero",
            "push.0 exec.counter::add assertz",
        ),
        (
            "/// It adds.\n/// @test\nexport adds: func() -> result;",
            "adds",
            "push.2 exec.counter::add drop push.3 exec.counter::add neq.5",
        ),
        (
            "/// @test\n/// @traps \"too much\"\nexport is-bounded: func();",
            "is-bounded",
            "push.101 exec.counter::add drop",
        ),
        (
            "/// @test\n/// @traps \"FailedAssertion\"\nexport breaks-a-rule: func();",
            "breaks-a-rule",
            "push.102 exec.counter::add drop",
        ),
        (
            "/// @test\n/// @traps\nexport traps-somehow: func();",
            "traps-somehow",
            "push.1 drop push.0 assert",
        ),
        (
            "/// No test.\nexport helper: func(a: u32) -> u32;",
            "helper",
            "nop",
        ),
    ];
    let tests: Vec<_> = tests.iter().chain(more).collect();
    let wit: String = tests.iter().map(|(wit, ..)| format!("{wit}\n")).collect();
    let exports = tests.iter().map(|(_, name, _)| {
        let procedure = name.replace('-', "_");
        format!("[exports.{name}]\nprocedure = \"checks::{procedure}\"\n")
    });
    let code = tests
        .iter()
        .map(|(_, name, code)| format!("pub proc {}\n    {code}\nend\n", name.replace('-', "_")));
    let counter = "package my:counter@1.0.0;\ninterface counter { add: func(by: u32) -> u32; }\n\
                   world w { export counter; }\n";
    let checks = format!(
        "package my:checks@1.0.0;\nworld checks {{\nimport my:counter/counter@1.0.0;\n{wit}}}\n\
         package my:counter@1.0.0 {{ interface counter {{ add: func(by: u32) -> u32; }} }}\n"
    );
    Folder::new(&[
        (
            "counter/component.toml",
            "name = \"counter\"\nwit = \"counter.wit\"\nsources = [\"counter.masm\"]\n\
             [exports.counter]\nmodule = \"counter\"\n",
        ),
        ("counter/counter.wit", counter),
        (
            "counter/counter.masm",
            "pub proc add\n    mem_load.0 u32wrapping_add\n    dup u32lte.100 assert.err=\"too much\"\n    \
             dup mem_store.0\nend\n",
        ),
        (
            "counter/tests/composition.toml",
            "main = \"checks.helper\"\n[instances.checks]\ncomponent = \"checks\"\n\
             imports.\"my:counter/counter\" = \"counter\"\n[instances.counter]\ncomponent = \"..\"\n",
        ),
        (
            "counter/tests/checks/component.toml",
            &format!(
                "name = \"checks\"\nwit = \"checks.wit\"\nsources = [\"checks.masm\"]\n{}",
                exports.collect::<String>()
            ),
        ),
        ("counter/tests/checks/checks.wit", &checks),
        (
            "counter/tests/checks/checks.masm",
            &format!(
                "use bindings::my::counter::counter\n{}",
                code.collect::<String>()
            ),
        ),
    ])
}

#[test]
fn tests_of_a_component_pass() {
    let folder = tested(&[]);
    for target in ["counter", "counter/tests"] {
        let text = on(&["test"], &folder.path(target), &[]).answer();
        for line in [
            "running 5 tests\n",
            "test adds ... ok (",
            "test is-bounded - should trap ... ok (",
            "test starts-at-zero ... ok (",
            "test result: ok. 5 passed; 0 failed; 0 filtered out\n",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
    }
    let json = on(
        &["test"],
        &folder.path("counter"),
        &["--json", "--filter", "zero"],
    )
    .json();
    assert_eq!(
        (json["passed"].as_u64(), json["filtered_out"].as_u64()),
        (Some(1), Some(4))
    );
    assert_eq!(json["tests"][0]["name"], "starts-at-zero");
}

#[test]
fn tests_that_fail_say_why() {
    let folder = tested(&[
        (
            "/// @test\nexport gives-an-error: func() -> result<_, u32>;",
            "gives-an-error",
            "push.7 push.1",
        ),
        (
            "/// @test\n/// @traps\nexport goes-well: func();",
            "goes-well",
            "push.1 drop",
        ),
        (
            "/// @test\nexport goes-wrong: func();",
            "goes-wrong",
            "push.200 exec.counter::add drop",
        ),
        (
            "/// @test\n/// @traps \"too little\"\nexport goes-otherwise: func();",
            "goes-otherwise",
            "push.201 exec.counter::add drop",
        ),
    ]);
    let failed = on(&["test"], &folder.path("counter"), &[]);
    assert_eq!(
        (failed.code, failed.stderr.as_str()),
        (1, "error: 4 tests failed\n")
    );
    for part in [
        "test gives-an-error ... FAILED",
        "---- gives-an-error ----\nit returned err(7)",
        "---- goes-well ----\nit returned, and should have trapped",
        "---- goes-wrong ----\nit trapped: ",
        "called by  checks::goes_wrong of `checks` (",
        "it trapped otherwise than with \"too little\"",
        "test result: FAILED. 5 passed; 4 failed; 0 filtered out",
    ] {
        assert!(failed.stdout.contains(part), "{part}: {}", failed.stdout);
    }
    let failed = on(&["test"], &folder.path("counter"), &["--json"]);
    assert_eq!(failed.code, 1);
    assert!(
        failed.stdout.contains("\"status\": \"error\""),
        "{}",
        failed.stdout
    );
}

/// Marks that make no sense are refused, with their place.
#[test]
fn tests_are_functions_without_parameters() {
    for (wit, problem) in [
        ("/// @test\nexport odd: func(a: u32);", "has parameters"),
        (
            "/// @test\nexport odd: func() -> u32;",
            "has a result that is not a `result`",
        ),
        ("/// @traps\nexport odd: func();", "and no line `@test`"),
        (
            "/// @test\n/// @traps too much\nexport odd: func();",
            "not in quotes",
        ),
    ] {
        let folder = tested(&[(wit, "odd", "nop")]);
        let error = on(&["test"], &folder.path("counter"), &[]).error(1);
        assert!(
            error.contains(problem) && error.contains("checks.wit:"),
            "{error}"
        );
    }
    let error = on(&["test"], &super::example("fib"), &[]).error(1);
    assert!(error.contains("described by WIT"), "{error}");
    let error = on(&["test"], &super::example("ledger"), &[]).error(1);
    assert!(error.contains("exports no test"), "{error}");
}
