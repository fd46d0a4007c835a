//! Claims, and what is refused as one.

use crate::support::Files;
use miden_assembly::Assembler;
use miden_cvm_component::{ClaimProblem, LinkKind, LinkedComposition, Problem, Toolchain};

const APP: &str = r#"
name = "app"
sources = ["app.masm"]
[exports.main]
procedure = "app::main"
[exports.back]
procedure = "app::back"
kind = "isolated"
[imports.run]
interface = "my:worker"
function = "run"
"#;

const APP_CODE: &str = "
pub proc main call.imports::run end
pub proc back push.1 drop end
";

const WORKER: &str = r#"
name = "worker"
sources = ["worker.masm"]
[exports.run]
procedure = "worker::run"
kind = "isolated"
[exports.stay]
procedure = "worker::stay"
[imports.help]
interface = "my:helper"
function = "help"
"#;

const WORKER_CODE: &str = "
pub proc run call.imports::help call.own end
pub proc stay push.1 drop end
proc own push.2 drop end
";

const HELPER: &str = r#"
name = "helper"
sources = ["helper.masm"]
[exports.help]
procedure = "helper::help"
[exports.alone]
procedure = "helper::alone"
kind = "isolated"
"#;

const HELPER_CODE: &str = "
pub proc help caller end
pub proc alone push.3 drop end
";

const COMPOSITION: &str = r#"
main = "app.main"
[instances.app]
component = "app"
imports.run = "worker.run"
[instances.worker]
component = "worker"
claimed = true
imports.help = "helper.help"
[instances.helper]
component = "helper"
"#;

fn files(changes: &[(&str, &str)]) -> Files {
    let changed = |text: &str| {
        let mut text = text.to_owned();
        for (from, to) in changes {
            text = text.replace(from, to);
        }
        text
    };
    let all = [
        APP,
        APP_CODE,
        WORKER,
        WORKER_CODE,
        HELPER,
        HELPER_CODE,
        COMPOSITION,
    ];
    for (from, _) in changes {
        assert!(all.iter().any(|text| text.contains(from)), "{from}");
    }
    Files::new(&[
        ("app/component.toml", &changed(APP)),
        ("app/app.masm", &changed(APP_CODE)),
        ("worker/component.toml", &changed(WORKER)),
        ("worker/worker.masm", &changed(WORKER_CODE)),
        ("helper/component.toml", &changed(HELPER)),
        ("helper/helper.masm", &changed(HELPER_CODE)),
        ("composition.toml", &changed(COMPOSITION)),
    ])
}

fn linked(changes: &[(&str, &str)]) -> LinkedComposition {
    files(changes).link().expect("a composition")
}

fn refused(changes: &[(&str, &str)]) -> ClaimProblem {
    let error = files(changes).link().expect_err("a claim that cannot be");
    let text = error.to_string();
    assert!(text.contains("is claimed, but"), "{text}");
    assert!(error.line.is_some(), "{text}");
    match *error.problem {
        Problem::Claimed { reason, .. } => reason,
        other => panic!("{other}"),
    }
}

#[test]
fn a_claimed_instance_is_replaced_and_its_callers_are_not() {
    let claimed = linked(&[]);
    let inline = linked(&[("claimed = true", "claimed = false")]);
    assert!(inline.claims.is_empty());
    // The program is the same; what is around it is another composition.
    assert_eq!(claimed.program.hash(), inline.program.hash());
    assert_ne!(
        claimed.composition.commitment(),
        inline.composition.commitment()
    );
    let names = |linked: &LinkedComposition| -> Vec<String> {
        linked
            .instances
            .iter()
            .map(|instance| instance.name.clone())
            .collect()
    };
    assert_eq!(names(&inline), ["app", "helper", "worker"]);
    // The helper is reached in the claim alone.
    assert_eq!(names(&claimed), ["app", "worker"]);
    assert!(
        claimed
            .warnings
            .iter()
            .all(|warning| !warning.to_string().contains("left out"))
    );
    let [link] = claimed.composition.links() else {
        panic!("{:?}", claimed.composition.links());
    };
    let first = inline
        .composition
        .links()
        .iter()
        .find(|link| link.source == 0);
    let first = first.expect("a link");
    assert_eq!((link.digest, link.kind), (first.digest, LinkKind::Isolated));
    assert_ne!(link.callee, first.callee);

    let [claim] = &claimed.claims[..] else {
        panic!("{:?}", claimed.claims);
    };
    assert_eq!(
        (claim.instance.as_str(), claim.export.as_str()),
        ("worker", "run")
    );
    assert_eq!(names(&claim.composition), ["claim", "helper", "worker"]);
    assert!(claim.composition.program.kernel().is_empty());
    // Its root calls what the caller's link has called.
    let links = claim.composition.composition.links();
    let call = links.iter().find(|link| link.source == 0).expect("a call");
    assert_eq!((call.kind, call.callee), (LinkKind::Isolated, first.callee));
}

#[test]
fn the_code_of_a_stand_in_says_what_is_claimed() {
    let callee = |changes| linked(changes).composition.links()[0].callee;
    let stand_in = callee(&[]);
    assert_eq!(stand_in, callee(&[]));
    // Another code of the instance, or of what it reaches, is another claim.
    assert_ne!(stand_in, callee(&[("push.2 drop", "push.4 drop")]));
    assert_ne!(stand_in, callee(&[("help caller end", "help nop end")]));
}

#[test]
fn claims_can_be_in_claims() {
    let nested = [
        (
            "imports.help = \"helper.help\"",
            "imports.help = \"helper.alone\"",
        ),
        (
            "component = \"helper\"",
            "component = \"helper\"\nclaimed = true",
        ),
        ("pub proc help caller end", "pub proc help nop end"),
    ];
    let linked = linked(&nested);
    let inner = &linked.claims[0].composition;
    assert_eq!(inner.claims.len(), 1);
    assert_eq!(inner.claims[0].instance, "helper");
}

#[test]
fn what_shares_something_is_not_claimed() {
    let shared = refused(&[(
        "imports.run = \"worker.run\"",
        "imports.run = \"worker.stay\"",
    )]);
    assert!(matches!(
        shared,
        ClaimProblem::Called {
            kind: LinkKind::Shared,
            ..
        }
    ));
    let fresh = [(
        "kind = \"isolated\"\n[exports.stay]",
        "kind = \"fresh\"\n[exports.stay]",
    )];
    assert!(matches!(
        refused(&fresh),
        ClaimProblem::Called {
            kind: LinkKind::Fresh,
            ..
        }
    ));
    let root = [
        ("claimed = true", "claimed = false"),
        ("component = \"app\"", "component = \"app\"\nclaimed = true"),
    ];
    assert_eq!(refused(&root), ClaimProblem::Root);
}

#[test]
fn types_of_a_claimed_instance_are_used_by_nobody_else() {
    let types = [
        (
            "[imports.run]",
            "[imports.thing]\ninterface = \"my:worker\"\nresource = \"thing\"\n[imports.run]",
        ),
        (
            "[exports.stay]",
            "[resources.thing]\ninterface = \"my:worker\"\n[exports.stay]",
        ),
        (
            "imports.run = \"worker.run\"",
            "imports.run = \"worker.run\"\nimports.thing = \"worker.thing\"",
        ),
    ];
    assert_eq!(refused(&types), ClaimProblem::Types("app".into()));
}

/// Its memory is one for the whole run, and what is claimed is another run.
#[test]
fn there_are_no_claims_beside_a_kernel() {
    let kernel = Assembler::default().assemble_kernel("pub proc nothing push.1 drop end");
    let toolchain = Toolchain::new().with_kernel(kernel.expect("a kernel"));
    let files = files(&[]);
    let path = files.path("composition.toml");
    let error = LinkedComposition::load(&path, &toolchain).expect_err("a claim beside a kernel");
    assert!(
        error.to_string().contains("the composition has a kernel"),
        "{error}"
    );
}

#[test]
fn claims_do_not_rest_on_themselves() {
    let circular = [
        (
            "imports.help = \"helper.help\"",
            "imports.help = \"app.back\"",
        ),
        ("back push.1 drop end", "back call.imports::run end"),
    ];
    assert_eq!(refused(&circular), ClaimProblem::Circular);
    let itself = [(
        "imports.help = \"helper.help\"",
        "imports.help = \"worker.run\"",
    )];
    assert_eq!(refused(&itself), ClaimProblem::Circular);
}

#[test]
fn what_reads_the_run_around_it_is_not_claimed() {
    let caller = refused(&[("push.2 drop", "caller")]);
    assert_eq!(caller, ClaimProblem::ReadsCaller("worker".into()));
    let clock = refused(&[("help caller end", "help clk drop end")]);
    assert_eq!(clock, ClaimProblem::ReadsClock("helper".into()));
    let id = refused(&[(
        "help caller end",
        "help call.imports::intrinsics::caller end",
    )]);
    assert_eq!(id, ClaimProblem::ReadsCallersInstance("helper".into()));
    let installed = refused(&[(
        "help caller end",
        "help call.imports::intrinsics::component end",
    )]);
    assert_eq!(installed, ClaimProblem::Installs("helper".into()));
}

#[test]
fn a_composition_is_not_claimed_as_a_whole() {
    let files = files(&[("component = \"worker\"", "component = \"inner.toml\"")]);
    let inner = "[exports]\nrun = \"worker.run\"\nstay = \"worker.stay\"\n\
                 [instances.worker]\ncomponent = \"worker\"\n";
    files.write("inner.toml", inner.as_bytes());
    let error = files.link().expect_err("a claimed composition");
    assert!(matches!(
        *error.problem,
        Problem::Claimed {
            reason: ClaimProblem::Composition,
            ..
        }
    ));
}

#[test]
fn claims_are_claimed_so_deep_and_no_deeper() {
    let chain = |length: usize| {
        let mut composition = "main = \"app.main\"\n[instances.app]\ncomponent = \"app\"\n\
                               imports.run = \"w0.run\"\n\
                               [instances.helper]\ncomponent = \"helper\"\n"
            .to_owned();
        for number in 0..length {
            let next = match number + 1 == length {
                true => "helper.help".to_owned(),
                false => format!("w{}.run", number + 1),
            };
            composition += &format!(
                "[instances.w{number}]\ncomponent = \"worker\"\nclaimed = true\n\
                 imports.help = \"{next}\"\n"
            );
        }
        let files = files(&[]);
        files.write("composition.toml", composition.as_bytes());
        LinkedComposition::load(&files.path("composition.toml"), &Toolchain::new())
    };
    chain(16).expect("a composition");
    let error = chain(17).expect_err("claims that are too deep");
    assert!(matches!(
        *error.problem,
        Problem::Claimed {
            reason: ClaimProblem::TooDeep,
            ..
        }
    ));
}
