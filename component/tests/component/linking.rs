//! Components and compositions that are right: what linking makes of them.

use crate::support::Files;
use miden_core::{Word, mast::MastNodeExt};
use miden_cvm_component::{
    Component, ImportKey, LinkKind, LinkRecord, STUB_MODULE, Warning, verify_forest,
};

const APP: &str = r#"
name = "app"
sources = ["app.masm"]

[exports.main]
procedure = "app::main"

[imports.post]
interface = "bank:journal"
version = "1.0.0"
function = "post"
"#;

const APP_CODE: &str = "
use miden::core::math::u64

pub proc main
    push.1.2.3.4 exec.u64::wrapping_add
    call.imports::post
    call.helper
    dropw
end

pub proc helper
    caller add
end
";

const JOURNAL: &str = r#"
name = "journal"
sources = ["journal.masm"]

[exports.post]
procedure = "journal::post"

[exports.post-alone]
procedure = "journal::post"
kind = "isolated"
"#;

const JOURNAL_CODE: &str = "
pub proc post
    push.7 add
end
";

const COMPOSITION: &str = r#"
main = "app.main"

[instances.app]
component = "parts/app"
imports.post = "journal.post"

[instances.journal]
component = "parts/journal"
"#;

fn files() -> Files {
    Files::new(&[
        ("parts/app/component.toml", APP),
        ("parts/app/app.masm", APP_CODE),
        ("parts/journal/component.toml", JOURNAL),
        ("parts/journal/journal.masm", JOURNAL_CODE),
        ("composition.toml", COMPOSITION),
    ])
}

fn digest_of(component: &Component, procedure: &str) -> Word {
    let (digest, _) = component
        .procedures
        .iter()
        .find(|(_, name)| name.as_str() == procedure)
        .unwrap_or_else(|| panic!("{procedure} is a public procedure"));
    *digest
}

#[test]
fn imports_and_own_calls_become_links() {
    let linked = files().link().expect("the files are right");
    let [app, journal] = &linked.instances[..] else {
        panic!("two instances")
    };
    assert_eq!(
        (app.name.as_str(), journal.name.as_str()),
        ("app", "journal")
    );
    assert!(linked.warnings.is_empty(), "{:?}", linked.warnings);

    let post = app.component.imports["post"].digest;
    let helper = digest_of(&app.component, "app::helper");
    let expected = [
        LinkRecord {
            source: 0,
            digest: post,
            kind: LinkKind::Shared,
            target: 1,
            callee: journal.component.exports["post"].digest,
        },
        LinkRecord {
            source: 0,
            digest: helper,
            kind: LinkKind::Fresh,
            target: 0,
            callee: helper,
        },
    ];
    assert_eq!(linked.composition.links().len(), 2);
    for link in expected {
        assert_eq!(linked.composition.link(0, link.digest), Some(&link));
    }
    assert_eq!(linked.program.hash(), app.component.exports["main"].digest);
    assert_eq!(linked.procedures[&post], "app:imports::post");
    assert_eq!(linked.procedures[&linked.program.hash()], "app:app::main");
}

#[test]
fn what_is_linked_has_the_digests_it_states() {
    let linked = files().link().expect("the files are right");
    assert_eq!(linked.forests.len(), 2);
    for forest in &linked.forests {
        verify_forest(forest).expect("the assembler hashes right");
    }
    for link in linked.composition.links() {
        let provided = linked.forests.iter().any(|forest| {
            let root = forest.find_procedure_root(link.callee);
            root.is_some_and(|root| !forest[root].is_external())
        });
        assert!(provided, "no forest has {}", link.callee);
    }
}

#[test]
fn rewiring_changes_no_digest() {
    let files = files();
    let shared = files.link().expect("the files are right");
    let rewired = COMPOSITION.replace("journal.post", "journal.post-alone");
    files.write("composition.toml", rewired.as_bytes());
    let isolated = files.link().expect("the files are right");

    assert_eq!(shared.program.hash(), isolated.program.hash());
    assert_ne!(
        shared.composition.commitment(),
        isolated.composition.commitment()
    );
    let post = shared.instances[0].component.imports["post"].digest;
    assert_eq!(
        isolated.composition.link(0, post).map(|l| l.kind),
        Some(LinkKind::Isolated)
    );
}

#[test]
fn a_callee_can_change_without_its_callers() {
    let files = files();
    let before = files.link().expect("the files are right");
    files.write(
        "parts/journal/journal.masm",
        b"pub proc post push.8 add end",
    );
    let after = files.link().expect("the files are right");
    assert_eq!(before.program.hash(), after.program.hash());
    assert_ne!(
        before.instances[1].component.exports["post"].digest,
        after.instances[1].component.exports["post"].digest
    );
}

#[test]
fn each_part_of_an_imports_identity_changes_its_stub() {
    let stub_of = |manifest: &str| {
        let files = files();
        files.write("parts/app/component.toml", manifest.as_bytes());
        let component = files.component("parts/app").expect("the files are right");
        let import = component
            .imports
            .values()
            .next()
            .cloned()
            .expect("one import");
        assert!(matches!(import.key, ImportKey::Function(_)));
        import.digest
    };
    let stubs = [
        stub_of(APP),
        stub_of(&APP.replace("bank:journal", "bank:ledger")),
        stub_of(&APP.replace("1.0.0", "2.0.0")),
        stub_of(&APP.replace("function = \"post\"", "function = \"send\"")),
    ];
    for (i, stub) in stubs.iter().enumerate() {
        assert!(
            !stubs[..i].contains(stub),
            "identity {i} has the stub of another"
        );
    }
    // The name too: the same function under another name is another import.
    let files = files();
    let renamed = APP.replace("[imports.post]", "[imports.send]");
    files.write("parts/app/component.toml", renamed.as_bytes());
    let code = APP_CODE.replace("imports::post", "imports::send");
    files.write("parts/app/app.masm", code.as_bytes());
    let component = files.component("parts/app").expect("the files are right");
    assert!(!stubs.contains(&component.imports["send"].digest));
}

#[test]
fn an_import_by_root_is_called_by_its_digest() {
    let files = files();
    let journal = files
        .component("parts/journal")
        .expect("the files are right");
    let root = journal.exports["post"].digest;
    let manifest = format!(
        "name = \"app\"\nsources = [\"app.masm\"]\nexports.main.procedure = \"app::main\"\n\
         imports.post.root = \"{root}\"\n"
    );
    files.write("parts/app/component.toml", manifest.as_bytes());
    files.write(
        "parts/app/app.masm",
        format!("pub proc main call.{root} end").as_bytes(),
    );
    let linked = files.link().expect("the files are right");
    let link = linked
        .composition
        .link(0, root)
        .expect("a link for the root");
    assert_eq!((link.callee, link.target), (root, 1));
}

#[test]
fn components_may_import_each_other() {
    let files = Files::new(&[
        (
            "ping/component.toml",
            "name = \"ping\"\nsources = [\"ping.masm\"]\nexports.main.procedure = \"ping::main\"\n\
             exports.ping.procedure = \"ping::ping\"\n\
             imports.pong = { interface = \"game\", function = \"pong\" }\n",
        ),
        (
            "ping/ping.masm",
            "pub proc ping push.1 drop end\npub proc main call.imports::pong end",
        ),
        (
            "pong/component.toml",
            "name = \"pong\"\nsources = [\"pong.masm\"]\nexports.pong.procedure = \"pong::pong\"\n\
             imports.ping = { interface = \"game\", function = \"ping\" }\n",
        ),
        ("pong/pong.masm", "pub proc pong call.imports::ping end"),
        (
            "composition.toml",
            "main = \"ping.main\"\n[instances.ping]\ncomponent = \"ping\"\n\
             imports.pong = \"pong.pong\"\n[instances.pong]\ncomponent = \"pong\"\n\
             imports.ping = \"ping.ping\"\n",
        ),
    ]);
    let linked = files.link().expect("a cycle of imports is allowed");
    assert_eq!(linked.composition.links().len(), 2);
    assert_eq!(linked.composition.links()[1].target, 0);
}

#[test]
fn dyncall_targets_are_linked() {
    let manifest = APP.replace(
        "sources = [\"app.masm\"]",
        "sources = [\"app.masm\"]\ndyncall = [\"app::far\", \"imports::post\"]",
    );
    let code = "
        pub proc main procref.far mem_storew_le.0 dropw push.0 dyncall end
        pub proc far call.beyond end
        pub proc beyond push.3 drop end
    ";
    let files = files();
    files.write("parts/app/component.toml", manifest.as_bytes());
    files.write("parts/app/app.masm", code.as_bytes());
    let linked = files.link().expect("the files are right");
    assert!(linked.warnings.is_empty(), "a dyncall of an import uses it");
    let app = &linked.instances[0].component;
    for procedure in ["app::far", "app::beyond"] {
        let digest = digest_of(app, procedure);
        let link = linked
            .composition
            .link(0, digest)
            .expect("a link to itself");
        assert_eq!(
            (link.kind, link.target, link.callee),
            (LinkKind::Fresh, 0, digest)
        );
    }
    // Resource types are those of one instance.
    let manifest = format!("{manifest}\n[resources.thing]\n");
    files.write("parts/app/component.toml", manifest.as_bytes());
    let defines = files.link().expect("the files are right");
    let far = digest_of(&defines.instances[0].component, "app::far");
    let link = defines.composition.link(0, far);
    assert_eq!(link.map(|link| link.kind), Some(LinkKind::Isolated));
    assert!(
        linked
            .composition
            .link(0, app.imports["post"].digest)
            .is_some()
    );
}

#[test]
fn called_library_code_can_be_entered() {
    let files = files();
    let code = "pub proc main call.::miden::core::math::u64::wrapping_mul call.imports::post end";
    files.write("parts/app/app.masm", code.as_bytes());
    let linked = files.link().expect("the files are right");
    let own: Vec<_> = linked
        .composition
        .links()
        .iter()
        .filter(|link| link.target == 0)
        .collect();
    assert_eq!(own.len(), 1);
    let forest = &linked.instances[0].component.forest;
    let root = forest
        .find_procedure_root(own[0].callee)
        .expect("a procedure root");
    assert_eq!(forest[root].digest(), own[0].digest);
}

#[test]
fn an_instance_that_nothing_reaches_is_left_out() {
    let files = files();
    let composition =
        format!("{COMPOSITION}\n[instances.spare]\ncomponent = \"./parts/journal\"\n");
    files.write("composition.toml", composition.as_bytes());
    let linked = files.link().expect("the files are right");
    assert_eq!(linked.instances.len(), 2);
    assert_eq!(linked.composition.num_instances(), 2);
    assert_eq!(linked.forests.len(), 2);
    assert_eq!(linked.warnings, [Warning::DeadInstance("spare".into())]);
}

#[test]
fn an_unused_import_is_warned_about() {
    let files = files();
    files.write("parts/app/app.masm", b"pub proc main push.1 drop end");
    let linked = files.link().expect("the files are right");
    let unused = Warning::UnusedImport {
        component: "app".into(),
        import: "post".into(),
    };
    assert_eq!(linked.warnings, [unused]);
    assert_eq!(linked.composition.links().len(), 1, "but it is linked");
}

#[test]
fn reading_the_clock_is_warned_about() {
    let files = files();
    assert!(
        files
            .link()
            .expect("the files are right")
            .warnings
            .is_empty()
    );
    // In a procedure of its own, which is inlined, or called.
    for call in ["exec", "call"] {
        let app = format!(
            "proc now clk drop end
            pub proc main {call}.now call.imports::post end"
        );
        files.write("parts/app/app.masm", app.as_bytes());
        let linked = files.link().expect("the files are right");
        let component = "app".into();
        assert_eq!(linked.warnings, [Warning::ReadsClock { component }]);
    }
}

#[test]
fn static_data_becomes_segments() {
    let manifest = format!(
        "{JOURNAL}
[[data]]
address = 64
felts = [1, \"0xff\", \"18446744069414584320\"]

[[data]]
address = 0
words = [\"0x0100000000000000020000000000000003000000000000000400000000000000\"]

[[data]]
address = 72
file = \"table.bin\"

[[data]]
address = 80
file = \"table.bin\"
format = \"u8\"

[[data]]
address = 96
file = \"felts.bin\"
format = \"felt\"
"
    );
    let files = files();
    files.write("parts/journal/component.toml", manifest.as_bytes());
    files.write("parts/journal/table.bin", &[1, 0, 0, 0, 2, 1, 0, 0, 5]);
    files.write(
        "parts/journal/felts.bin",
        &[0, 0, 0, 0, 1, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0],
    );
    let linked = files.link().expect("the files are right");
    let data: Vec<(u32, Vec<u64>)> = linked
        .composition
        .segments_of(1)
        .iter()
        .map(|segment| {
            let elements = linked
                .advice_map
                .get(&segment.commitment)
                .expect("the data");
            assert_eq!(elements.len(), segment.length as usize);
            (
                segment.address,
                elements.iter().map(|felt| felt.as_int()).collect(),
            )
        })
        .collect();
    assert_eq!(
        data,
        [
            (0, vec![1, 2, 3, 4, 0, 0, 0, 0]),
            (64, vec![1, 255, 18446744069414584320, 0, 0, 0, 0, 0]),
            (72, vec![1, 258, 5, 0, 0, 0, 0, 0]),
            (80, vec![1, 0, 0, 0, 2, 1, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0]),
            (96, vec![1 << 32, 9, 0, 0, 0, 0, 0, 0]),
        ]
    );
}

#[test]
fn folders_of_sources_are_modules() {
    let manifest = APP
        .replace("[\"app.masm\"]", "[\"app.masm\", \"lib\"]")
        .replace("app::main", "lib::deep::entry::main");
    let files = files();
    files.write("parts/app/component.toml", manifest.as_bytes());
    files.write(
        "parts/app/lib/deep/entry.masm",
        b"pub proc main exec.app::main end",
    );
    let linked = files.link().expect("the files are right");
    // A procedure that only executes another one is that one.
    let main = linked.program.hash();
    assert_eq!(main, digest_of(&linked.instances[0].component, "app::main"));
}

#[test]
fn the_stub_module_is_the_documented_one() {
    assert_eq!(STUB_MODULE, "imports");
}
