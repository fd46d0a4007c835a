//! Sources of Miden assembly that are refused before, or by, the assembler: none of them ends the
//! process.

use std::path::Path;

use miden_assembly::Library;
use miden_core::Program;
use miden_cvm_component::{
    Assembled, Assembly, AssemblyLimits, BuildError, LimitName, Problem, SourceError, SourceFault,
    SourceText, Toolchain,
};

use crate::support::Files;

#[path = "../../../library/tests/common/words.rs"]
mod words;

fn source(module: &str, text: &str) -> SourceText {
    SourceText {
        file: format!("{}.masm", module.replace("::", "/")).into(),
        module: module.into(),
        text: text.into(),
    }
}

fn program(text: &str) -> Result<Assembled<Program>, SourceError> {
    Toolchain::new().assembly().program(source("main", text))
}

fn library(modules: &[(&str, &str)]) -> Result<Assembled<Library>, SourceError> {
    let sources = modules.iter().map(|(module, text)| source(module, text));
    Assembly::default().library(sources.collect())
}

fn kernel(text: &str) -> Result<(), SourceError> {
    let assembled = Assembly::default().kernel(source("kernel", text), Vec::new());
    assembled.map(|_| ())
}

fn refused<T>(result: Result<T, SourceError>) -> SourceError {
    match result {
        Ok(_) => panic!("it is accepted"),
        Err(error) => error,
    }
}

/// An error with all of these parts in it.
fn says<T>(result: Result<T, SourceError>, parts: &[&str]) -> SourceError {
    let error = refused(result);
    for part in parts {
        assert!(error.to_string().contains(part), "{part}: {error}");
    }
    error
}

#[test]
fn imports_in_circles_are_refused() {
    // An import of the module that it is in.
    says(
        library(&[("so", "use so::m\npub proc main exec.m::twice end")]),
        &[
            "so.masm:1:1: ",
            "leads back to itself",
            "`so::m` is `so::m`",
            "no module `so::m`",
        ],
    );
    says(
        program("use $exec::f\nbegin exec.f end"),
        &["main.masm:1:1", "`$exec::f`"],
    );
    says(
        program("use $exec::f\nbegin exec.f::g end"),
        &["main.masm:1:1"],
    );
    says(
        kernel("use $kernel::account\npub proc a exec.account::foo end"),
        &["kernel.masm:1:1", "no module `$kernel::account`"],
    );
    // Unused, and the name of another import.
    says(
        program("use foo::a->bar\nuse bar::a->foo\nbegin push.1 drop end"),
        &["main.masm:2:1", "main.masm:2: `$exec::foo` is `bar::a`"],
    );
    says(
        program("begin exec.foo::x end\nuse foo::a->bar\nuse bar::a->foo"),
        &["main.masm:3:1"],
    );
    says(
        program("use a::x->b use b::x->c use c::x->a begin exec.a::f end"),
        &["leads back to itself"],
    );
    // Modules that export each other's procedures.
    says(
        library(&[("x::a", "pub use x::b::f"), ("x::b", "pub use x::a::f")]),
        &["x/a.masm:1:1", "x/b.masm:1: `x::b::f` is `x::a::f`"],
    );
    says(
        library(&[
            ("x::a", "pub use x::b::f->g"),
            ("x::b", "pub use x::c::h->f"),
            (
                "x::c",
                "pub use ::x::a::g->h\npub proc other push.1 drop end",
            ),
        ]),
        &["x/a.masm:1:1", "x/b.masm:1", "x/c.masm:1"],
    );
    // One that grows with each step.
    says(
        library(&[("m", "pub use m::x::y->x\npub proc p exec.x end")]),
        &["m.masm:1:1", "leads back to itself"],
    );
    // Modules with the same name as what they import are none.
    let fine = library(&[
        ("x::a", "pub proc f push.1 drop end"),
        (
            "x::b",
            "use x::a\npub use a::f->g\npub proc h exec.a::f exec.g end",
        ),
        (
            "x::c",
            "use x::b->a\nuse x::a->b\npub proc f exec.a::h exec.b::f end",
        ),
        ("lib::lib", "pub proc f push.2 drop end"),
        ("x::d", "use lib::lib\npub proc f exec.lib::f end"),
    ]);
    fine.unwrap_or_else(|error| panic!("{error}"));
}

/// Constants that the assembler would calculate modulo 2^16, or end at an assertion.
#[test]
fn what_the_assembler_does_not_foresee_is_refused() {
    let locals = |count: &str| {
        program(&format!(
            "@locals({count})\nproc f push.7 loc_store.0 end\nbegin exec.f end"
        ))
    };
    assert!(locals("65532").is_ok());
    for count in ["65533", "65535", "0xffff"] {
        says(locals(count), &["main.masm:1:1", "at most 65532 locals"]);
    }
    for text in [
        "pub proc a syscall.a end",
        "pub proc a syscall.b end pub proc b syscall.a end",
        "pub proc a exec.b end proc b syscall.a end",
    ] {
        says(
            kernel(text),
            &["kernel.masm:1:", "calls itself", "`syscall`"],
        );
    }
    for text in [
        "begin syscall.count end",
        "proc f repeat.2 syscall.count end end begin exec.f end",
    ] {
        let error = says(program(text), &["main.masm:1:", "--kernel"]);
        assert_eq!(error.fault, SourceFault::NoKernel("count".into()));
    }
    let hash = "0x0000000000000000000000000000000000000000000000000000000000000001";
    says(
        library(&[("a", &format!("pub use {hash}->e"))]),
        &["a.masm:1:9", "hash cannot be exported"],
    );
    let modules = [
        ("a", "pub use a::b->e\npub proc f nop end"),
        ("a::b", "pub proc g nop end"),
    ];
    says(
        library(&modules),
        &["a.masm:1:9", "module cannot be exported"],
    );
    for (text, name) in [
        ("pub type t = felt\npub proc g exec.t end", "t"),
        ("pub type t = felt\npub proc g call.::a::t end", "::a::t"),
        (
            "use a::X->t\npub const X = 1\npub proc g procref.t end",
            "t",
        ),
    ] {
        let error = says(library(&[("a", text)]), &["a.masm:"]);
        assert_eq!(error.fault, SourceFault::NotAProcedure(name.into()));
    }
    let long = "x".repeat(256);
    for name in [&long, "::"] {
        for text in [
            format!("pub proc \"{name}\" nop end"),
            format!("proc f exec.\"{name}\" end"),
            format!("proc f call.::a::\"{name}\"::g end"),
            format!("use l::\"{name}\"->g proc f exec.g end"),
            format!("use l::\"{name}\"::g proc f exec.g end"),
            format!("proc f(a: \"{name}\") nop end"),
        ] {
            let error = says(
                library(&[("a", &text)]),
                &["a.masm:1:", "choose another name"],
            );
            assert!(matches!(error.fault, SourceFault::PathPart(_)), "{text}");
        }
    }
    let constant = format!(
        "const {0} = 1\npub proc f push.{0} drop end",
        long.to_uppercase()
    );
    says(
        library(&[("a", &constant)]),
        &["a.masm:1:1", "255 characters"],
    );
    let longest = &long[1..];
    let procedure = format!("pub proc \"{longest}\" nop end pub proc f exec.\"{longest}\" end");
    assert!(library(&[("a", &procedure)]).is_ok());
    // The type is of itself to the assembler, whatever was imported by its name.
    for import in [hash, "l::b::Tt", "miden::core::word"] {
        says(
            library(&[(
                "a",
                &format!("use {import}->uu\npub type uu = uu\npub proc f nop end"),
            )]),
            &["a.masm:2:1", "`uu` is declared twice", "line 1"],
        );
    }
    says(
        program("use l::a::XX\nconst XX = XX\nbegin push.XX drop end"),
        &["main.masm:2:1", "`XX` is declared twice"],
    );
}

#[test]
fn other_definitions_in_circles_are_refused() {
    says(
        library(&[("a", "proc f exec.g end pub proc g\nexec.f end")]),
        &[
            "calls itself",
            "a.masm:1: `f` has `exec` of `g`",
            "a.masm:2: `g` has `exec` of `f`",
        ],
    );
    says(library(&[("a", "pub proc f exec.f end")]), &["a.masm:1:"]);
    says(
        library(&[(
            "a",
            "pub proc f procref.a::g drop end pub proc g call.f end",
        )]),
        &["procref"],
    );
    says(
        library(&[
            ("x::a", "use x::b pub proc f call.b::f end"),
            ("x::b", "use x::c pub proc f exec.c::f end"),
            ("x::c", "use x::a->z pub use z::f"),
        ]),
        &["x/a.masm", "x/b.masm"],
    );
    says(
        library(&[("a", "pub use a::g->f\npub proc g exec.f end")]),
        &["calls itself"],
    );
    says(
        library(&[(
            "a",
            "const A = B + 1\nconst B = C\nconst C = 2 * A\npub proc f push.A drop end",
        )]),
        &[
            "defined by itself",
            "a.masm:1: `A`",
            "a.masm:2: `B`",
            "a.masm:3: `C`",
        ],
    );
    says(
        library(&[("a", "const A = A\npub proc f push.A drop end")]),
        &["a.masm:1"],
    );
    says(
        library(&[
            (
                "x::a",
                "use x::b::B pub const A = B pub proc f push.A drop end",
            ),
            (
                "x::b",
                "use x::a::A pub const B = A pub proc f push.B drop end",
            ),
        ]),
        &["defined by itself"],
    );
    says(
        library(&[("a", "enum E : u8 { X = Y, Y }\npub proc f push.X drop end")]),
        &["defined by"],
    );
    for types in [
        "pub type A = A",
        "pub type A = B\npub type B = A",
        "pub type A = ptr<B>\ntype B = [C; 2]\ntype C = struct { x: felt, a: A }",
    ] {
        let text = format!("{types}\npub proc f(a: A) push.1 drop end");
        says(library(&[("a", &text)]), &["contains itself", "a.masm:1"]);
    }
}

#[test]
fn long_chains_are_refused() {
    let chain = |count: usize| {
        let uses = (1..count).map(|i| format!("use a{i}::x->a{}\n", i - 1));
        uses.collect::<String>() + "begin exec.a0::f end"
    };
    says(program(&chain(100_000)), &["more than 128 others"]);
    let modules: Vec<(String, String)> = (0..10_000)
        .map(|i| (format!("m{i}"), format!("pub use m{}::f", i + 1)))
        .collect();
    let modules: Vec<(&str, &str)> = modules
        .iter()
        .map(|(module, text)| (module.as_str(), text.as_str()))
        .collect();
    says(library(&modules), &["more than 128 others"]);

    let executed = |count: usize, keyword: &str| {
        let first = format!("{keyword} p0 push.1 drop end\n");
        let others =
            (1..count).map(|i| format!("{keyword} p{i} exec.p{} push.{i} drop end\n", i - 1));
        first + &others.collect::<String>()
    };
    let text = executed(100_000, "proc") + "begin exec.p99999 end";
    says(program(&text), &["`link-steps`"]);
    says(
        library(&[("a", &executed(4_000, "pub proc"))]),
        &["`link-steps`"],
    );
    let text = executed(300, "proc") + "begin exec.p299 end";
    program(&text).unwrap_or_else(|error| panic!("{error}"));

    let constants: String = (1..100_000)
        .map(|i| format!("const A{i} = A{}\n", i - 1))
        .collect();
    says(
        program(&format!(
            "const A0 = 1\n{constants}begin push.A99999 drop end"
        )),
        &["link-steps"],
    );
    // Each of them is evaluated again for each use.
    let doubling: String = (0..64)
        .map(|i| format!("const A{i} = A{} + A{0}\n", i + 1))
        .collect();
    says(
        program(&format!("{doubling}const A64 = 0\nbegin push.A0 drop end")),
        &["link-steps"],
    );
    let types: String = (1..300)
        .map(|i| format!("type A{i} = A{}\n", i - 1))
        .collect();
    says(
        program(&format!("type A0 = felt\n{types}begin push.1 drop end")),
        &["128 others"],
    );
    let types: String = (1..64)
        .map(|i| format!("type A{i} = struct {{ a: A{}, b: A{0} }}\n", i - 1))
        .collect();
    says(
        program(&format!("type A0 = felt\n{types}begin push.1 drop end")),
        &["4096 parts"],
    );
}

#[test]
fn nesting_is_bounded() {
    let deep = 10_000;
    let blocks = "if.true\n".repeat(deep) + "push.1 drop" + &"\nend".repeat(deep);
    says(program(&format!("begin {blocks} end")), &["more than 256"]);
    for (open, close) in [("repeat.1\n", "\nend"), ("while.true\n", "\nend")] {
        let text = format!(
            "begin {} push.1 drop {} end",
            open.repeat(deep),
            close.repeat(deep)
        );
        says(program(&text), &["more than 256"]);
    }
    let constant = format!("const A = {}1{}", "(".repeat(deep), ")".repeat(deep));
    says(
        program(&format!("{constant} begin push.A drop end")),
        &["more than 256"],
    );
    let terms = "A+".repeat(deep);
    says(
        program(&format!(
            "const A = 1 const B = {terms}1 begin push.B drop end"
        )),
        &["1024 terms"],
    );
    let ty = format!("type A = {}felt{}", "ptr<\n".repeat(deep), ">".repeat(deep));
    says(
        program(&format!("{ty} begin push.1 drop end")),
        &["more than 256"],
    );
    // What is allowed is assembled, in the least stack that there is.
    let most = 250;
    let blocks = "if.true ".repeat(most) + "push.1 drop" + &" end".repeat(most);
    let constant = format!("const A = {}1{}", "(".repeat(most), ")".repeat(most));
    let text = format!("{constant}\nbegin {blocks} push.A drop end");
    let small = std::thread::Builder::new().stack_size(256 << 10);
    let assembled = small.spawn(move || program(&text).map(|_| ()));
    let assembled = assembled.expect("a thread").join().expect("no panic");
    assembled.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn places_are_told_wherever_they_are() {
    for blanks in [65_520, 65_536, 1 << 20] {
        let text = format!("begin{}foo end", " ".repeat(blanks));
        let error = refused(program(&text));
        assert!(error.to_string().contains("main.masm"), "{error}");
    }
    let error = says(
        program(&format!("begin push.1 drop end\n#{}", "é".repeat(40_000))),
        &[],
    );
    assert_eq!((error.line, error.fault), (Some(2), SourceFault::LongLine));
    let error = says(program("begin\n  é end"), &["main.masm:2:3: "]);
    assert_eq!(error.fault, SourceFault::Character('é'));
    says(
        program("begin\r\n  push.1 drop \u{0} end"),
        &["main.masm:2:15", "U+0000"],
    );
    says(
        program("begin push.1 drop end # \u{0}"),
        &["main.masm:1:25"],
    );
    says(program("begin \u{2003}\u{200b} end"), &["U+200B"]);
    for text in [
        "begin push.0x end",
        "begin push.0b end",
        "begin _ end",
        "begin push.0xg end",
    ] {
        says(program(text), &["main.masm:1:"]);
    }
    // Letters in comments and messages are fine; and so are carriage returns, and a byte order mark.
    let text = "\u{feff}# é\u{1f600}\r\nbegin\r\n push.1 assert.err=\"no é\"\r\nend\r\n";
    let source = SourceText::from_bytes(Path::new("a.masm"), "a", text.as_bytes().into());
    let source = source.unwrap_or_else(|error| panic!("{error}"));
    let assembled = Assembly::default().program(source);
    assembled.unwrap_or_else(|error| panic!("{error}"));
    let bytes = b"begin\n push.1 \xff end".to_vec();
    let error = refused(SourceText::from_bytes(Path::new("a.masm"), "a", bytes));
    assert_eq!(error.to_string(), "a.masm:2:9: the byte 0xff is not UTF-8");
    let long = format!("begin\n{}end", "push.1 drop\n".repeat(1_500_000));
    says(program(&long), &["`source-bytes`"]);
    for text in [
        "",
        "begin",
        "begin end",
        "end",
        "use",
        "const",
        "const A",
        "const A =",
        "proc",
        "pub proc f(a: ",
        "type T",
        "enum E : u8 {",
        "@",
        "@locals(",
        "begin repeat.",
        "adv_map A = [",
    ] {
        refused(program(text));
    }
}

#[test]
fn work_is_bounded_by_limits() {
    says(
        program("begin repeat.10000000 push.1 drop end end"),
        &[
            "main.masm:1:1",
            "20000002 instructions",
            "`assembled-instructions` of 2097152",
        ],
    );
    says(
        program("begin repeat.4294967294 push.1 drop end end"),
        &["`assembled-instructions`"],
    );
    says(
        program(
            "proc f repeat.1000 push.1 drop end end begin repeat.1000 repeat.1000 exec.f end end end",
        ),
        &["`assembled-instructions`"],
    );
    says(
        program("begin repeat.4294967295 if.true push.1 else push.2 end drop end end"),
        &["`assembled-instructions`"],
    );
    program("begin repeat.1000 push.1 drop end end").unwrap_or_else(|error| panic!("{error}"));

    let mut limits = AssemblyLimits::default();
    LimitName::AssembledInstructions.set(&mut limits, 10);
    assert_eq!(LimitName::AssembledInstructions.of(&limits), 10);
    let assembly = Assembly::default().with_limits(limits);
    says(
        assembly.program(source("main", "begin repeat.6 push.1 drop end end")),
        &["`assembled-instructions` of 10"],
    );
    let error = assembly.program(source("main", "begin repeat.2 push.1 drop end end"));
    assert!(error.is_ok());
}

#[test]
fn constants_are_what_the_field_says() {
    let max = "18446744069414584320";
    for expression in [
        "1 - 2",
        "(1 - 2) + 5",
        "18446744069414584320 * 18446744069414584320",
        "18446744069414584320 + 1",
        "1 / 3",
        "7 / 2 * 2",
        "1 / 0",
        "1 // 0",
        "4294967296 * 4294967296",
    ] {
        let error = says(
            program(&format!("\nconst A = {expression}\nbegin push.A drop end")),
            &["main.masm:2:"],
        );
        assert!(matches!(error.fault, SourceFault::Constant(_)), "{error}");
        // The same over names, of the same module and of another one.
        let (left, operator_and_right) = expression.split_once(' ').expect("an operator");
        if left.starts_with('(') {
            continue;
        }
        refused(program(&format!(
            "const L = {left}\nconst A = L {operator_and_right}\nbegin push.A drop end"
        )));
        let error = refused(library(&[
            ("x::a", &format!("pub const L = {left}")),
            (
                "x::b",
                &format!(
                    "use x::a::L\nconst A = L {operator_and_right}\npub proc f push.A drop end"
                ),
            ),
        ]));
        assert!(matches!(error.fault, SourceFault::Constant(_)), "{error}");
    }
    for (text, place) in [
        (
            "begin push.18446744069414584321 drop end",
            "push.18446744069414584321",
        ),
        (
            "const A = 18446744069414584321 begin push.A drop end",
            "A = ",
        ),
        ("begin push.99999999999999999999 drop end", "push"),
        ("begin repeat.0 push.1 drop end end", "repeat"),
        (
            "begin repeat.4294967296 push.1 drop end end",
            "`assembled-instructions`",
        ),
        ("const A = 4294967296 begin mem_load.A drop end", "mem_load"),
        ("const A = 300 begin u32shl.A drop end", "u32shl"),
        ("begin push.0xffffffffffffffff drop end", "push"),
    ] {
        says(program(text), &[place]);
    }
    for (text, value) in [
        ("const A = 3 - 2", 1),
        ("const A = 6 / 3", 2),
        ("const A = 7 // 2", 3),
        ("const A = 18446744069414584320", u64::MAX),
    ] {
        let assembled = program(&format!("{text}\nbegin push.A drop end"));
        let assembled = assembled.unwrap_or_else(|error| panic!("{value} {max}: {error}"));
        let same = program(&format!(
            "begin push.{} drop end",
            text.replace("const A = ", "")
                .replace("3 - 2", "1")
                .replace("6 / 3", "2")
                .replace("7 // 2", "3")
        ));
        let same = same.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(assembled.code.hash(), same.code.hash(), "{text}");
    }
}

#[test]
fn warnings_are_values_with_their_places() {
    let text = "use miden::core::sys\nuse miden::core::math::u64\nbegin\n push.1 drop \
                exec.sys::truncate_stack\nend\n\n#! Of nothing.\n";
    let assembled = program(text).unwrap_or_else(|error| panic!("{error}"));
    let [first, second] = &assembled.warnings[..] else {
        panic!("two warnings: {:?}", assembled.warnings);
    };
    let mut lines = [first.line, second.line];
    lines.sort_unstable();
    assert_eq!(lines, [2, 7]);
    let unused = assembled.warnings.iter().find(|warning| warning.line == 2);
    let unused = unused.expect("the warning of the import");
    assert_eq!(unused.message, "unused import");
    assert!(unused.report.contains("main.masm:2"), "{}", unused.report);
    assert!(
        unused.report.contains("use miden::core::math::u64"),
        "{}",
        unused.report
    );
    assert!(unused.help.is_some());
    // The code is the same without what was remarked.
    let plain = program("use miden::core::sys\nbegin push.1 drop exec.sys::truncate_stack end");
    let plain = plain.unwrap_or_else(|error| panic!("{error}"));
    assert!(plain.warnings.is_empty());
    assert_eq!(plain.code.hash(), assembled.code.hash());
    // An import below its use is no unused one.
    let below = program("begin exec.sys::truncate_stack end\nuse miden::core::sys");
    if let Ok(below) = below {
        assert!(below.warnings.is_empty(), "{:?}", below.warnings);
    }
}

#[test]
fn components_say_where_the_mistake_is() {
    let files = Files::new(&[
        (
            "so/component.toml",
            "name = \"so\"\nsources = [\"so.masm\"]\n[exports.main]\nprocedure = \"so::main\"\n",
        ),
        (
            "so/so.masm",
            "use so::m\npub proc main\nexec.m::twice\nend\n",
        ),
    ]);
    let problem = |error: BuildError| {
        assert!(error.file.ends_with("so/so.masm"), "{error}");
        (error.line, *error.problem)
    };
    let (line, found) = problem(files.component("so").expect_err("a circle"));
    assert_eq!(line, Some(1));
    assert!(
        matches!(
            found,
            Problem::Assembly {
                fault: SourceFault::AliasCircle(..),
                ..
            }
        ),
        "{found}"
    );
    files.write(
        "so/so.masm",
        b"use so::other\npub proc main\npush.1 drop\nend\n",
    );
    let component = files.component("so");
    // It leads back to its own module, which has no `other`.
    assert!(component.is_err());
    files.write(
        "so/so.masm",
        b"use miden::core::sys\npub proc main\npush.1 drop\nend\n",
    );
    let component = files
        .component("so")
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(component.warnings.len(), 1);
    assert_eq!(component.warnings[0].line, 1);
}

/// Every word of the assembler is a name in WIT like any other.
#[test]
fn keywords_are_names_in_wit() {
    let words: Vec<String> = words::KEYWORDS
        .split_whitespace()
        .map(|word| word.replace('_', "-"))
        .collect();
    // What ordering procedures costs grows with the square of their number.
    words.chunks(WORDS_AT_A_TIME).for_each(names_in_wit);

    // Modules, and imports without WIT, as well.
    let files = Files::new(&[
        (
            "a/component.toml",
            "name = \"a\"\nsources = [\"event.masm\", \"while.masm\"]\n\
             [exports.main]\nprocedure = \"event::main\"\n[exports.more]\nprocedure = \"while::f\"\n\
             [imports.nop]\ninterface = \"a\"\nfunction = \"nop\"\n",
        ),
        ("a/event.masm", "pub proc main call.imports::\"nop\" end"),
        ("a/while.masm", "pub proc f push.1 drop end"),
    ]);
    let component = files
        .component("a")
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(component.imports["nop"].is_called);
}

/// The number of words that are names in one world.
const WORDS_AT_A_TIME: usize = 32;

/// Builds a component in whose world each of the words is a name of every kind.
fn names_in_wit(words: &[String]) {
    let each =
        |form: &dyn Fn(&str) -> String| words.iter().map(|word| form(word)).collect::<String>();
    let wit = format!(
        "package %event:%nop@1.0.0;\n\
         interface functions {{ {} }}\n\
         interface resources {{ {} {} }}\n\
         interface types {{ {} record all {{ {} }} variant one {{ {} }} enum which {{ {} }} \
         f: func(all: all, one: one, which: which); }}\n\
         world %breakpoint {{ {} {} {} import functions; export functions; import types; export types; \
         import resources; export resources; }}\n{}",
        each(&|w| format!("%{w}: func(%{w}: u32) -> u32;")),
        each(&|w| format!("resource %{w} {{ constructor(); %{w}: func(); }}")),
        each(&|w| format!("use-{w}: func(%{w}: %{w});")),
        each(&|w| format!("type %{w} = u8;")),
        each(&|w| format!("%{w}: u8,")),
        each(&|w| format!("%{w}(u32),")),
        each(&|w| format!("%{w},")),
        each(&|w| format!("import %{w}: interface {{ %{w}: func(); }}")),
        each(&|w| format!("export %{w}: interface {{ %{w}: func(); }}")),
        each(&|w| format!("import %{w}:%{w}/%{w};")),
        each(&|w| format!("package %{w}:%{w} {{ interface %{w} {{ %{w}: func(); }} }}\n")),
    );
    let files = Files::new(&[("wit/world.wit", &wit)]);
    let made = miden_cvm_component::new_component(
        "event",
        Some(&files.path("wit")),
        None,
        miden_cvm_component::Language::Masm,
    );
    for file in made.unwrap_or_else(|error| panic!("{error}")) {
        files.write(&format!("event/{}", file.path), &file.bytes);
    }
    let component = files
        .component("event")
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(component.exports.len() > 4 * words.len());
    assert!(component.imports.len() > 5 * words.len());
}

/// Whatever assembly takes as a procedure's name implements what a component has to have.
#[test]
fn procedures_of_any_name_are_found() {
    let longest = "x".repeat(255);
    let names = [
        "take-it",
        "a::b",
        "::a",
        "a::",
        "A",
        "FOO_BAR",
        "_x",
        "-",
        ".",
        "a.b",
        "1",
        "0x00",
        "begin",
        "exec",
        "u32",
        "$main",
        "é",
        "<T_as_U>::f",
        "[method]a.b",
        "é-ü::'x'",
        &longest,
    ];
    for first in 0..names.len() {
        // Each in each role, in forms that take turns.
        let given = std::array::from_fn(|role| names[(first + role) % names.len()]);
        of_any_name(given, first);
    }
}

/// Builds a component whose procedures for what a component has to have are called so; the forms in which
/// `component.toml` names them take turns from `turn` on.
fn of_any_name(names: [&str; 5], turn: usize) {
    // The parts of a path are told apart by the quotation marks.
    let forms = |role: usize| {
        let name = names[role];
        match (turn + role) % 3 {
            0 if !name.contains("::") => format!("m::{name}"),
            1 => format!("::m::\"{name}\""),
            _ => format!("m::\"{name}\""),
        }
    };
    let [take, alloc, set_up, close, by_digest] = std::array::from_fn(forms);
    let manifest = format!(
        "name = \"c\"\nwit = \"w.wit\"\nsources = [\"m.masm\"]\nrealloc = {alloc:?}\n\
         init = {set_up:?}\ndyncall = [{by_digest:?}]\n\
         [exports.\"i#take\"]\nprocedure = {take:?}\n[exports.i]\nmodule = \"m\"\n\
         [resources.r]\ndestructor = {close:?}\n"
    );
    let [take, alloc, set_up, close, by_digest] = names;
    let source = format!(
        "use resources::t::t::i::r\n\
         pub proc \"{take}\" add.1 end pub proc \"{alloc}\" drop drop drop drop push.0 end\n\
         pub proc \"{set_up}\" nop end pub proc \"{close}\" drop end\n\
         pub proc \"{by_digest}\" push.5 drop end\n\
         pub proc r__constructor exec.r::new end pub proc note drop drop end\n"
    );
    let files = Files::new(&[
        ("c/component.toml", &manifest),
        ("c/m.masm", &source),
        (
            "c/w.wit",
            "package t:t;\ninterface i { resource r { constructor(a: u32); } \
             take: func(a: u32) -> u32; note: func(s: string); }\nworld w { export i; }\n",
        ),
    ]);
    let component = files.component("c");
    let component = component.unwrap_or_else(|error| panic!("{names:?}: {error}"));
    assert_eq!(component.exports.len(), 3);
    let destructors = component
        .resources
        .values()
        .filter(|ty| ty.destructor.is_some());
    assert_eq!(destructors.count(), 1);
}

/// Comments stand wherever they may in WIT.
#[test]
fn comments_of_wit_are_comments() {
    let manifest = "name = \"a\"\nwit = \"a.wit\"\nsources = [\"a.masm\"]\n\
                    [exports.main]\nprocedure = \"a::main\"\n";
    for comment in [
        "/**/",
        "/***/",
        "/* */",
        "/** */",
        "/* /* */ */",
        "/* /**/ */",
        "/**//**/",
        "/****/",
        "//\n",
        "///\n",
        "////\n",
        "// /**/\n",
        "/** a\n\n * b */",
        "/*\r\n*/",
        "//\r\n",
        "/** é */",
        "/*/**/*/",
    ] {
        let all = "package a:b; world w { export main: func ( x : u32 ) -> u32 ; }";
        let wit = all.replace(' ', &format!(" {comment} ")) + comment;
        let files = Files::new(&[
            ("a/component.toml", manifest),
            ("a/a.wit", &wit),
            ("a/a.masm", "pub proc main add.1 end"),
        ]);
        let component = files
            .component("a")
            .unwrap_or_else(|error| panic!("{comment}: {error}"));
        let package = component.to_package().expect("a package");
        let again = miden_cvm_component::Component::from_package(
            &package,
            Path::new("a.masp"),
            &Toolchain::new(),
        );
        again.unwrap_or_else(|error| panic!("{comment}: {error}"));
    }
    let files = Files::new(&[
        ("a/component.toml", manifest),
        ("a/a.wit", "package a:b;\nworld w {\n/** not closed"),
        ("a/a.masm", "pub proc main add.1 end"),
    ]);
    let error = files.component("a").expect_err("an open comment");
    assert!(error.line.is_some(), "{error}");
}
