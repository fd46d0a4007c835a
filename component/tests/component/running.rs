//! Compositions from files, executed: what the links do.

use miden_assembly::Assembler;
use miden_cvm_component::{LinkedComposition, Toolchain};
use miden_cvm_processor::{ExecutionError, ExecutionOutput, Trap};

use crate::support::{Files, Inputs, outputs, run};

/// A counter: `next` gives how often it was called, on top of what its static data starts with.
const COUNTER: &str = r#"
name = "counter"
sources = ["counter.masm"]

[exports.next]
procedure = "counter::next"

[exports.next-alone]
procedure = "counter::next"
kind = "isolated"

[exports.next-once]
procedure = "counter::next"
kind = "fresh"

[[data]]
address = 40
felts = [100]
"#;

const COUNTER_CODE: &str = "
pub proc next
    mem_load.40 add.1 dup mem_store.40
    swap drop
end
";

const APP: &str = r#"
name = "app"
sources = ["app.masm"]
dyncall = ["app::own", "imports::next"]
exports.main.procedure = "app::main"
imports.next = { interface = "counter", function = "next" }
"#;

const COMPOSITION: &str = r#"
main = "app.main"

[instances.app]
component = "app"
imports.next = "counter.next"

[instances.counter]
component = "counter"
"#;

fn files(code: &str, composition: &str) -> Files {
    Files::new(&[
        ("app/component.toml", APP),
        ("app/app.masm", code),
        ("counter/component.toml", COUNTER),
        ("counter/counter.masm", COUNTER_CODE),
        ("composition.toml", composition),
    ])
}

fn link(files: &Files) -> LinkedComposition {
    files.link().unwrap_or_else(|error| panic!("{error}"))
}

fn run_files(code: &str, composition: &str) -> Result<ExecutionOutput, ExecutionError> {
    run(&link(&files(code, composition)), Inputs::default())
}

fn results(code: &str, composition: &str) -> Vec<u64> {
    let output = run_files(code, composition).unwrap_or_else(|error| panic!("{error}"));
    outputs(&output)
}

const TWICE: &str = "
pub proc main
    call.imports::next
    push.0 call.imports::next
    movup.2 drop
end
pub proc own push.1 drop end
";

#[test]
fn a_shared_instance_keeps_its_state() {
    assert_eq!(results(TWICE, COMPOSITION)[..2], [102, 101]);
}

#[test]
fn an_isolated_instance_is_new_each_time() {
    let composition = COMPOSITION.replace("counter.next", "counter.next-alone");
    assert_eq!(results(TWICE, &composition)[..2], [101, 101]);
}

#[test]
fn an_instance_is_told_which_one_called() {
    let main = "
        pub proc main
            call.imports::intrinsics::caller
            push.5 call.imports::next
            movup.2 drop
        end
        pub proc own push.1 drop end
    ";
    let files = files(main, COMPOSITION);
    let next = b"pub proc next call.imports::intrinsics::caller add.7 end";
    files.write("counter/counter.masm", next);
    let linked = link(&files);
    let intrinsics = linked.composition.intrinsics().iter();
    let sources: Vec<u32> = intrinsics.map(|record| record.source).collect();
    assert_eq!(sources, [0, 1], "those whose code calls it have it");
    let output = run(&linked, Inputs::default()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(outputs(&output)[..2], [7, 0], "the root is 0");
}

#[test]
fn a_fresh_instance_is_new_each_time() {
    let composition = COMPOSITION.replace("counter.next", "counter.next-once");
    assert_eq!(results(TWICE, &composition)[..2], [101, 101]);
}

#[test]
fn instances_of_one_component_have_memories_of_their_own() {
    let files = files("", COMPOSITION);
    let manifest =
        format!("{APP}imports.other = {{ interface = \"counter\", function = \"next\" }}");
    files.write("app/component.toml", manifest.as_bytes());
    let code = "
        pub proc main
            call.imports::next
            push.0 call.imports::next
            push.0 call.imports::other
            movup.3 drop movup.3 drop
        end
        pub proc own push.1 drop end
    ";
    files.write("app/app.masm", code.as_bytes());
    let composition = COMPOSITION.replace(
        "imports.next = \"counter.next\"",
        "imports.next = \"counter.next\"\nimports.other = \"spare.next\"",
    ) + "[instances.spare]\ncomponent = \"counter\"\n";
    files.write("composition.toml", composition.as_bytes());
    let output = run(&link(&files), Inputs::default()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(outputs(&output)[..3], [101, 102, 101]);
}

#[test]
fn dyncall_goes_over_the_import_that_it_names() {
    let code = "
        pub proc main
            call.imports::next
            procref.imports::next mem_storew_be.0 dropw
            push.0.0 dyncall
            movup.2 drop
        end
        pub proc own push.1 drop end
    ";
    assert_eq!(results(code, COMPOSITION)[..2], [102, 101]);
}

#[test]
fn its_own_procedures_are_called_in_isolation() {
    let code = "
        pub proc main
            call.imports::next
            push.5 mem_store.100
            push.0 call.own
            push.0 procref.own mem_storew_be.0 dropw push.0 dyncall
            movup.3 drop movup.3 drop
        end
        pub proc own
            mem_load.100 add.7 swap drop
        end
    ";
    assert_eq!(results(code, COMPOSITION)[..3], [7, 7, 101]);
}

#[test]
fn a_call_that_no_link_allows_traps() {
    let code = "
        pub proc main
            call.imports::next
            procref.hidden mem_storew_be.0 dropw push.0 dyncall
        end
        pub proc own push.1 drop end
        proc hidden push.2 drop end
    ";
    let error = run_files(code, COMPOSITION).expect_err("`hidden` is not declared");
    assert!(
        matches!(error.trap(), Some(Trap::NotLinked { .. })),
        "{error}"
    );
}

#[test]
fn a_cycle_of_imports_that_reenters_traps() {
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
    let error = run(&link(&files), Inputs::default()).expect_err("the root is running");
    assert!(
        matches!(error.trap(), Some(Trap::InstanceRunning { .. })),
        "{error}"
    );

    // Between instances that are not running, the same code works.
    let composition = "
        main = \"ping.main\"
        [instances.ping]
        component = \"ping\"
        imports.pong = \"pong.pong\"
        [instances.pong]
        component = \"pong\"
        imports.ping = \"second.ping\"
        [instances.second]
        component = \"ping\"
        imports.pong = \"pong.pong\"
    ";
    files.write("composition.toml", composition.as_bytes());
    run(&link(&files), Inputs::default()).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn locals_work_from_the_first_instruction() {
    let code = "
        @locals(4)
        pub proc main
            push.11 loc_store.1
            call.imports::next
            loc_load.1
            movup.2 drop
        end
        pub proc own push.1 drop end
    ";
    assert_eq!(results(code, COMPOSITION)[..2], [11, 101]);
}

#[test]
fn syscalls_enter_the_kernel_and_are_no_links() {
    let kernel = Assembler::default()
        .assemble_kernel("pub proc tick mem_load.0 add.1 dup mem_store.0 swap drop end")
        .expect("the kernel is right");
    let code = "
        pub proc main
            call.imports::next
            push.0 syscall.tick
            push.0 syscall.tick
            movup.3 drop movup.3 drop
        end
        pub proc own push.1 drop end
    ";
    let files = files(code, COMPOSITION);
    let toolchain = Toolchain::new().with_kernel(kernel.clone());
    let linked = LinkedComposition::load(&files.path("composition.toml"), &toolchain)
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(linked.program.kernel(), kernel.kernel());
    // The import, and the own procedure that is declared under `dyncall`.
    assert_eq!(linked.composition.links().len(), 2);
    let output = run(&linked, Inputs::default()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(outputs(&output)[..3], [2, 1, 101]);
}
