//! Compositions in compositions, and WAC documents.

use std::path::Path;

use miden_core::{Felt, StackInputs};
use miden_cvm_component::{LinkedComposition, Toolchain};

use crate::{
    support::{Files, Inputs, outputs, run},
    worlds,
};

fn link(path: &Path) -> LinkedComposition {
    let linked = LinkedComposition::load(path, &Toolchain::new());
    linked.unwrap_or_else(|error| panic!("{error}"))
}

fn refusal(path: &Path) -> String {
    match LinkedComposition::load(path, &Toolchain::new()) {
        Ok(_) => panic!("{} is accepted", path.display()),
        Err(error) => error.to_string(),
    }
}

fn results(linked: &LinkedComposition, number: u64) -> Vec<u64> {
    let inputs = Inputs {
        stack: StackInputs::new(vec![Felt::new(number)]).expect("one element"),
        ..Inputs::default()
    };
    outputs(&run(linked, inputs).unwrap_or_else(|error| panic!("{error}")))
}

#[test]
fn the_exchange_has_thirteen_instances_in_three_levels() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/exchange/exchange.toml");
    let linked = link(&path);
    let names: Vec<&str> = linked.instances.iter().map(|i| i.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "app",
            "audit",
            "east/first/ledger",
            "east/first/tag",
            "east/second/ledger",
            "east/second/tag",
            "east/teller",
            "mute",
            "west/first/ledger",
            "west/first/tag",
            "west/second/ledger",
            "west/second/tag",
            "west/teller",
        ]
    );
    // Three entries of the east, each tagged; none of the west.
    assert_eq!(
        results(&linked, 500)[..4],
        [3, 3 * 500 + 3 * 1000, 500, 1000]
    );
    // Components are loaded once, however often they are instantiated.
    assert_eq!(linked.forests.len(), 6);
}

/// The bank of the other tests, with its ledger and audit in a composition of their own.
fn bank(inner: &str, name: &str) -> Files {
    let files = worlds::files();
    files.write(name, inner.as_bytes());
    let outer = format!(
        "main = \"app.main\"\n[instances.app]\ncomponent = \"app\"\nimports.ledger = \"bank\"\n\
         [instances.bank]\ncomponent = \"{name}\"\n"
    );
    files.write("composition.toml", outer.as_bytes());
    files
}

const INNER: &str = r#"
[exports]
"bank:ledger/ledger@1.0.0" = "ledger"
[instances.ledger]
component = "ledger"
imports.log = "audit"
[instances.audit]
component = "audit"
"#;

#[test]
fn a_composition_is_a_component_of_another() {
    let linked = link(&bank(INNER, "bank.toml").path("composition.toml"));
    assert_eq!(results(&linked, 7)[0], 140);
    let names: Vec<&str> = linked.instances.iter().map(|i| i.name.as_str()).collect();
    assert_eq!(names, ["app", "bank/audit", "bank/ledger"]);
}

#[test]
fn wac_documents_are_compositions() {
    let wac = "package test:bank;\n\
               let audit = new test:audit {};\n\
               let ledger = new test:ledger { \"bank:log/log@1.1.0\": audit[\"bank:log/log@1.4.2\"] };\n\
               let app = new test:app { ...ledger };\n\
               export app.main;\n";
    let files = worlds::files();
    for component in ["app", "ledger", "audit"] {
        let bytes = files
            .component(component)
            .unwrap_or_else(|error| panic!("{error}"));
        let bytes = bytes.to_package().expect("a package");
        files.write(&format!("deps/test/{component}.masp"), &bytes);
    }
    files.write("bank.wac", wac.as_bytes());
    let linked = link(&files.path("bank.wac"));
    assert_eq!(results(&linked, 7)[0], 140);
    // It is the same composition as the one in TOML.
    let toml = files.link().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(
        linked.composition.commitment(),
        toml.composition.commitment()
    );

    // Instances without names, what is inferred, and what is filled.
    let wac = "package test:bank;\n\
               let log = (new test:audit {})[\"bank:log/log@1.4.2\"];\n\
               let ledger = new test:ledger { log };\n\
               let app = new test:app { ledger: ledger };\n\
               export app[\"main\"] as main;\n";
    files.write("bank.wac", wac.as_bytes());
    assert_eq!(results(&link(&files.path("bank.wac")), 7)[0], 140);
}

#[test]
fn a_wac_document_is_a_component_too() {
    let wac = "package test:bank;\n\
               import log: bank:log/log@1.0.0;\n\
               let ledger = new test:ledger { ... };\n\
               export ledger...;\n";
    let files = worlds::files();
    let ledger = files
        .component("ledger")
        .unwrap_or_else(|error| panic!("{error}"));
    files.write(
        "deps/test/ledger.masp",
        &ledger.to_package().expect("a package"),
    );
    files.write("bank.wac", wac.as_bytes());
    let composition = "main = \"app.main\"\n[instances.app]\ncomponent = \"app\"\n\
                       imports.ledger = \"bank\"\n[instances.bank]\ncomponent = \"bank.wac\"\n\
                       imports.log = \"audit\"\n[instances.audit]\ncomponent = \"audit\"\n";
    files.write("composition.toml", composition.as_bytes());
    assert_eq!(results(&link(&files.path("composition.toml")), 7)[0], 140);

    let composition = composition.replace("imports.log = \"audit\"\n", "");
    files.write("composition.toml", composition.as_bytes());
    let error = refusal(&files.path("composition.toml"));
    assert!(
        error.contains("bank.wac:3") && error.contains("`bank/ledger`"),
        "{error}"
    );
    assert!(error.contains("bank:log/log@1.1.0"), "{error}");
}

#[test]
fn mistakes_are_where_they_are_written() {
    let cases = [
        (
            INNER.replace("\"bank:ledger/ledger@1.0.0\"", "books"),
            "bank.toml:3",
            "no export",
        ),
        (
            INNER.replace("imports.log = \"audit\"", ""),
            "bank.toml:4",
            "`bank/ledger`",
        ),
        (
            INNER.replace("= \"audit\"\n[", "= \"import\"\n["),
            "bank.toml:6",
            "no enclosing composition provides import",
        ),
        (
            INNER.replace(
                "= \"ledger\"\n[instances.ledger]",
                "= \"other\"\n[instances.ledger]",
            ),
            "bank.toml:3",
            "`other`",
        ),
        (
            INNER.replace("component = \"audit\"", "component = \"bank.toml\""),
            "bank.toml:8",
            "contains itself",
        ),
        (
            INNER.replace("[instances.audit]", "[instances.import]"),
            "bank.toml:7",
            "`import`",
        ),
    ];
    for (inner, place, reason) in cases {
        let files = bank(&inner, "bank.toml");
        let error = refusal(&files.path("composition.toml"));
        assert!(
            error.contains(place) && error.contains(reason),
            "{place} {reason}: {error}"
        );
    }
    let cases = [
        ("package a:b\nlet x = new a:c {};", 2, "expected"),
        ("package a:b;\nlet x = new a:c {};", 2, "not a component"),
        ("package a:b;\nlet x = y;", 2, "no instance `y`"),
        ("package a:b;\nimport x: a:b/c;\nlet x = x;", 3, "twice"),
        (
            "package a:b;\nimport x: a:b/c;\nexport x as main;\nrecord r { a: u8 }",
            0,
            "types",
        ),
        (
            "package a:b;\nimport x: a:b/c;\nexport x as main;",
            3,
            "no enclosing composition",
        ),
    ];
    for (wac, line, reason) in cases {
        let files = Files::new(&[("a.wac", wac)]);
        let error = refusal(&files.path("a.wac"));
        let place = if line == 0 {
            "a.wac".into()
        } else {
            format!("a.wac:{line}: ")
        };
        assert!(
            error.contains(&place) && error.contains(reason),
            "{wac}: {error}"
        );
    }
}

#[test]
fn what_was_composed_is_no_component() {
    let files = worlds::files();
    let linked = files.link().unwrap_or_else(|error| panic!("{error}"));
    files.write("bank.masp", &linked.to_package("bank").expect("a package"));
    let outer = "main = \"bank.main\"\n[instances.bank]\ncomponent = \"bank.masp\"\n";
    files.write("outer.toml", outer.as_bytes());
    let error = refusal(&files.path("outer.toml"));
    assert!(
        error.contains("outer.toml:3") && error.contains("name the file"),
        "{error}"
    );
}

#[test]
fn graphs_show_who_calls_whom() {
    let linked = worlds::files()
        .link()
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(
        linked.to_mermaid(),
        "graph LR\n    i0[\"app<br/>app\"]\n    i1[\"audit<br/>audit\"]\n    \
         i2[\"ledger<br/>ledger\"]\n    i0 -.->|\"bank:ledger/ledger@1.0.0\"| i2\n    \
         i0 -->|\"bank:ledger/ledger@1.0.0\"| i2\n    i2 -->|\"bank:log/log@1.1.0\"| i1\n"
    );
    let dot = linked.to_dot();
    assert!(
        dot.starts_with("digraph composition {\n") && dot.ends_with("}\n"),
        "{dot}"
    );
    assert!(
        dot.contains("i2 -> i1 [label=\"bank:log/log@1.1.0\"];"),
        "{dot}"
    );
    assert!(dot.contains("style=dashed"), "{dot}");
}

/// Everything that the language of WAC forbids is refused, and everything that would make a
/// composition mean something else than it says.
#[test]
fn nothing_is_wired_or_exported_twice_or_in_vain() {
    let files = worlds::files();
    for component in ["app", "ledger", "audit"] {
        let built = files
            .component(component)
            .unwrap_or_else(|error| panic!("{error}"));
        let bytes = built.to_package().expect("a package");
        files.write(&format!("deps/test/{component}.masp"), &bytes);
        files.write(&format!("deps/test/{component}/1.0.0.masp"), &bytes);
    }
    let parts = "package test:bank;\nlet audit = new test:audit {};\n";
    let ledger = "let ledger = new test:ledger { ...audit };\n";
    let app = "let app = new test:app { ...ledger };\n";
    let end = "export app.main;\n";
    let whole = |text: &str| {
        files.write("bank.wac", text.as_bytes());
        LinkedComposition::load(&files.path("bank.wac"), &Toolchain::new())
    };
    for fine in [
        format!("{parts}{ledger}{app}{end}"),
        format!("{parts}{ledger}{app}{end}export ledger...;\nexport audit...;\n"),
        format!("{parts}{ledger}{app}{end}").replace("new test:app {", "new test:app@1.0.0 {"),
        format!("/**/ {parts}/* /**/ */{ledger}{app}{end}// /**/"),
    ] {
        whole(&fine).unwrap_or_else(|error| panic!("{fine}: {error}"));
    }
    let second = "let other = new test:audit {};\n";
    let log = "bank:log/log@1.1.0";
    let with_ledger = |before: &str, arguments: &str| {
        format!("{parts}{before}let ledger = new test:ledger {{ {arguments} }};\n{app}{end}")
    };
    let behind = |more: &str| format!("{parts}{ledger}{app}{end}{more}\n");
    let with_app = |new: &str| format!("{parts}{ledger}let app = new {new};\n{end}");
    for (text, line, reason) in [
        // One argument twice: by one name, with and without its version, and by its short name.
        (
            with_ledger(second, &format!("\"{log}\": audit, \"{log}\": other")),
            4,
            "wired twice",
        ),
        (
            with_ledger(
                second,
                &format!("\"{log}\": audit, \"bank:log/log\": other"),
            ),
            4,
            "wired twice",
        ),
        (
            with_ledger(second, &format!("log: audit, \"{log}\": other")),
            4,
            "wired twice",
        ),
        (
            with_ledger("let log = audit;\n", "log, log"),
            4,
            "wired twice",
        ),
        // One export twice.
        (behind("export app.main;"), 6, "exported twice"),
        (behind("export app as main;"), 6, "exported twice"),
        (
            format!("{parts}{ledger}{app}export app...;\nexport app.main;\n"),
            6,
            "exported twice",
        ),
        // Exports and arguments that are spread in vain.
        (behind("export app...;"), 6, "no exports besides"),
        (
            behind("export audit...;\nexport audit...;"),
            7,
            "no exports besides",
        ),
        (
            with_ledger(second, "...audit, ...other"),
            4,
            "no export for an import",
        ),
        (
            with_app("test:app { ...audit, ...ledger }"),
            4,
            "no export for an import",
        ),
        (
            with_ledger("", &format!("\"{log}\": audit, ...audit")),
            3,
            "no export for an import",
        ),
        (
            with_ledger("let of = audit[\"bank:log/log@1.4.2\"];\n", "...of"),
            4,
            "is not an instance",
        ),
        // Others before the end.
        (
            with_ledger("", &format!("..., \"{log}\": audit")),
            3,
            "not the last",
        ),
        (with_ledger("", "..., ...audit"), 3, "not the last"),
        // Names with two meanings.
        (
            format!("{parts}let audit = new test:audit {{}};\n{ledger}{app}{end}"),
            3,
            "twice",
        ),
        (
            format!("package test:bank;\nimport a: {log};\nimport b: {log};\n"),
            3,
            "twice",
        ),
        (
            format!("package test:bank;\nimport a: {log};\nlet a = new test:audit {{}};\n"),
            3,
            "twice",
        ),
        // What does not exist, and what the document itself is.
        (
            with_app("test:app { ledger: ledger, more: audit }"),
            4,
            "`more`",
        ),
        (
            format!("{parts}let ledger = new test:bank {{}};\n"),
            3,
            "contains itself",
        ),
        (
            with_app("test:app@2.0.0 { ...ledger }"),
            4,
            "not a component",
        ),
        (
            "package test:bank targets test:bank/world;\n".into(),
            1,
            "target",
        ),
    ] {
        let error = match whole(&text) {
            Ok(_) => panic!("accepted: {text}"),
            Err(error) => error.to_string(),
        };
        let place = format!("bank.wac:{line}: ");
        assert!(
            error.contains(&place) && error.contains(reason),
            "{text}: {error}"
        );
    }

    // The same in TOML.
    let twice = worlds::COMPOSITION.replace(
        "imports.log = \"audit\"",
        "imports.\"bank:log/log\" = \"audit\"\nimports.\"bank:log/log@1.1.0\" = \"audit\"",
    );
    files.write("composition.toml", twice.as_bytes());
    let error = refusal(&files.path("composition.toml"));
    assert!(error.contains("wired twice"), "{error}");
    let outer = INNER.replace(
        "[exports]\n",
        "[exports]\n\"bank:ledger/ledger\" = \"audit\"\n",
    );
    let error = refusal(&bank(&outer, "bank.toml").path("composition.toml"));
    assert!(
        error.contains("exported twice") && error.contains("bank.toml:4"),
        "{error}"
    );
    // Keys that are none are not passed over.
    let unknown =
        worlds::COMPOSITION.replace("component = \"app\"", "component = \"app\"\nimport = 1");
    files.write("composition.toml", unknown.as_bytes());
    let error = refusal(&files.path("composition.toml"));
    assert!(
        error.contains("`import`") && error.contains("`imports`"),
        "{error}"
    );
}

#[test]
fn compositions_nest_only_so_deep() {
    let files = Files::new(&[]);
    for level in 0..200 {
        let text = format!("[instances.a]\ncomponent = \"c{}.toml\"\n", level + 1);
        files.write(&format!("c{level}.toml"), text.as_bytes());
    }
    let error = refusal(&files.path("c0.toml"));
    assert!(error.contains("compositions are nested here"), "{error}");
}

/// In a composition of compositions, too, every wire leads from what is asked for to what is there.
#[test]
fn wires_of_compositions_mean_something() {
    let files = worlds::files();
    let inner = "[exports]\nmain = \"app.main\"\n[instances.app]\ncomponent = \"app\"\n\
                 imports.ledger = \"import\"\n";
    files.write("inner.toml", inner.as_bytes());
    let outer = |wires: &str, more: &str| {
        let text = format!(
            "main = \"in.main\"\n[instances.in]\ncomponent = \"inner.toml\"\n{wires}\n\
             [instances.ledger]\ncomponent = \"ledger\"\nimports.\"bank:log/log\" = \"audit\"\n\
             [instances.audit]\ncomponent = \"audit\"\n{more}"
        );
        files.write("outer.toml", text.as_bytes());
        LinkedComposition::load(&files.path("outer.toml"), &Toolchain::new())
    };
    let wire = "imports.\"bank:ledger/ledger@1.0.0\" = \"ledger\"";
    for fine in [
        "",
        "[exports]\nl = \"ledger.bank:ledger/ledger\"\n\"bank:log/log\" = \"audit\"\n",
    ] {
        outer(wire, fine).unwrap_or_else(|error| panic!("{error}"));
    }
    for (wires, more, line, reason) in [
        (
            format!("{wire}\nimports.\"bank:nothing/here\" = \"audit\""),
            "",
            5,
            "no import `bank:nothing/here`",
        ),
        (
            format!("{wire}\nimports.\"bank:log/log\" = \"audit\""),
            "",
            5,
            "no import `bank:log/log`",
        ),
        (
            format!("{wire}\nimports.ledger = \"nobody\""),
            "",
            5,
            "wired twice",
        ),
        (
            "imports.ledger = \"nobody\"".into(),
            "",
            4,
            "no instance `nobody`",
        ),
        (
            wire.into(),
            "[exports]\nx = \"nobody.x\"\n",
            11,
            "no instance `nobody`",
        ),
        (
            wire.into(),
            "[exports]\nx = \"ledger.x\"\n",
            11,
            "no export `x`",
        ),
        (
            wire.into(),
            "[exports]\nx = \"in.x\"\n",
            11,
            "no export `x`",
        ),
        (
            wire.into(),
            "[exports]\n\"bank:log/log\" = \"ledger\"\n",
            11,
            "no export `bank:log/log`",
        ),
    ] {
        let error = outer(&wires, more).expect_err("it means nothing");
        assert!(error.to_string().contains(reason), "{error}");
        assert_eq!(error.line, Some(line), "{error}");
    }
    // What a document declares can be given to it, even if nothing in it needs it; a spread asks for
    // what the components ask for.
    for (document, wire, is_fine) in [
        (
            "import l: bank:ledger/ledger@1.0.0;\nlet app = new my:app { ... };\n",
            "bank:ledger/ledger",
            true,
        ),
        (
            "import l: bank:ledger/ledger@1.0.0;\nlet app = new my:app { ... };\n",
            "bank:log/log",
            false,
        ),
        (
            "let app = new my:app { ... };\n",
            "bank:ledger/ledger",
            true,
        ),
        ("let app = new my:app { ... };\n", "ledger", true),
        ("let app = new my:app { ... };\n", "bank:log/log", false),
    ] {
        let bytes = files
            .component("app")
            .map(|app| app.to_package().expect("a package"));
        files.write(
            "deps/my/app.masp",
            &bytes.unwrap_or_else(|error| panic!("{error}")),
        );
        let document = format!("package my:inner;\n{document}export app.main;\n");
        files.write("inner.wac", document.as_bytes());
        let text = format!(
            "main = \"in.main\"\n[instances.in]\ncomponent = \"inner.wac\"\n\
             imports.\"{wire}\" = \"other\"\nimports.\"bank:ledger/ledger@1.0.0\" = \"ledger\"\n\
             [instances.other]\ncomponent = \"ledger\"\nimports.\"bank:log/log\" = \"audit\"\n\
             [instances.ledger]\ncomponent = \"ledger\"\nimports.\"bank:log/log\" = \"audit\"\n\
             [instances.audit]\ncomponent = \"audit\"\n"
        );
        let text = match is_fine {
            // Not twice, then.
            true => text.replace("imports.\"bank:ledger/ledger@1.0.0\" = \"ledger\"\n", ""),
            false => text,
        };
        files.write("outer.toml", text.as_bytes());
        let linked = LinkedComposition::load(&files.path("outer.toml"), &Toolchain::new());
        assert_eq!(
            linked.is_ok(),
            is_fine,
            "{wire} in {document}: {:?}",
            linked.err()
        );
    }
}
