//! Resource types on disk: declared, wired, linked, and refused.

use miden_assembly::Assembler;
use miden_cvm_component::{
    Component, Intrinsic, LinkedComposition, Problem, Toolchain, kernel_stubs,
};
use miden_cvm_processor::Trap;

use crate::support::{Files, Inputs, outputs, run};

const MAKER: &str = r#"name = "maker"
sources = ["maker.masm"]

[exports.make]
procedure = "maker::make"

[exports.peek]
procedure = "maker::peek"

[resources.big-thing]
destructor = "maker::gone"
interface = "test:things"

[resources.plain]
"#;

const MAKER_CODE: &str = "
    pub proc make
        exec.::resources::big_thing::new exec.::resources::big_thing::send_own
    end
    pub proc peek
        mem_load.0 swap drop
    end
    pub proc gone
        dup mem_store.0
    end";

const APP: &str = r#"name = "app"
sources = ["app.masm"]

[exports.main]
procedure = "app::main"

[imports.make]
interface = "test:maker"
function = "make"

[imports.peek]
interface = "test:maker"
function = "peek"

[imports.thing]
interface = "test:things"
resource = "big-thing"
"#;

/// Makes a thing and drops it, and leaves what the destructor noted and what was below the handle.
const APP_CODE: &str = "
    use resources::thing
    pub proc main
        push.5 swap drop push.77 call.imports::make exec.thing::recv_own
        exec.thing::drop
        push.0 call.imports::peek
        movup.2 drop
    end";

const COMPOSITION: &str = r#"main = "app.main"

[instances.app]
component = "app"
imports.make = "maker.make"
imports.peek = "maker.peek"
imports.thing = "maker.big-thing"

[instances.maker]
component = "maker"
"#;

const FILES: [(&str, &str); 5] = [
    ("composition.toml", COMPOSITION),
    ("app/component.toml", APP),
    ("app/app.masm", APP_CODE),
    ("maker/component.toml", MAKER),
    ("maker/maker.masm", MAKER_CODE),
];

/// The files with some text replaced.
fn changed(changes: &[(&str, &str, &str)]) -> Files {
    let files = Files::new(&FILES);
    for (file, from, to) in changes {
        let (_, text) = FILES.iter().find(|(name, _)| name == file).expect("a file");
        assert!(text.contains(from), "{file} has no `{from}`");
        files.write(file, text.replace(from, to).as_bytes());
    }
    files
}

/// Expects the composition to be refused at a line of a file, with a remedy.
fn refused(changes: &[(&str, &str, &str)], file: &str, line: u32) -> Problem {
    let files = changed(changes);
    let error = files.link().expect_err("there is a mistake");
    let text = error.to_string();
    assert_eq!(
        (error.file.clone(), error.line),
        (files.path(file), Some(line)),
        "{text}"
    );
    assert!(text.contains("\n  help: "), "{text}");
    *error.problem
}

#[test]
fn the_definer_alone_makes_handles() {
    let files = changed(&[]);
    let linked = files.link().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(linked.warnings, []);
    assert_eq!(linked.resource_names(), ["maker.big-thing", "maker.plain"]);
    let composition = &linked.composition;
    assert_eq!(composition.resources().len(), 2);
    assert!(composition.resources()[0].destructor.is_some());
    assert!(composition.resources()[1].destructor.is_none());
    let mut given: Vec<_> = composition
        .intrinsics()
        .iter()
        .map(|record| (record.source, record.intrinsic as u8, record.resource))
        .collect();
    given.sort_unstable();
    // What the code calls, and nothing else.
    let mut expected = vec![
        (0, Intrinsic::RecvOwn as u8, 0),
        (0, Intrinsic::Drop as u8, 0),
        (1, Intrinsic::New as u8, 0),
        (1, Intrinsic::SendOwn as u8, 0),
    ];
    expected.sort_unstable();
    assert_eq!(given, expected);
    let output = run(&linked, Inputs::default()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(outputs(&output)[..3], [77, 5, 0]);
}

#[test]
fn stubs_can_be_called_by_their_names() {
    let files = changed(&[(
        "app/app.masm",
        "exec.thing::recv_own",
        "call.imports::handle_recv_own::thing",
    )]);
    let linked = files.link().unwrap_or_else(|error| panic!("{error}"));
    let output = run(&linked, Inputs::default()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(outputs(&output)[..2], [77, 5]);
    let named = linked.procedures.values();
    assert!(
        named
            .into_iter()
            .any(|name| name == "app:imports::handle_recv_own::thing")
    );
}

#[test]
fn packages_keep_resource_types() {
    let files = changed(&[]);
    for folder in ["app", "maker"] {
        let component = files.component(folder).unwrap_or_else(|e| panic!("{e}"));
        let bytes = component.to_package().expect("it has a package");
        let path = files.path(folder);
        let read = Component::from_package(&bytes, &path, &Toolchain::new())
            .unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(read.resources, component.resources);
        assert_eq!(read.resource_imports, component.resource_imports);
        assert_eq!(read.intrinsics, component.intrinsics);
    }
    let linked = files.link().expect("it links");
    let bytes = linked.to_package("things").expect("it has a package");
    let path = files.path("things.masp");
    let read = LinkedComposition::from_package(&bytes, &path, &Toolchain::new())
        .expect("it is a package")
        .expect("it is a composition");
    assert_eq!(read.composition, linked.composition);
    assert_eq!(read.resource_names(), linked.resource_names());
    let output = run(&read, Inputs::default()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(outputs(&output)[..2], [77, 5]);
}

#[test]
fn mistakes_with_types_have_their_place() {
    let problem = refused(
        &[("maker/component.toml", "maker::gone", "maker::away")],
        "maker/component.toml",
        11,
    );
    assert!(matches!(
        problem,
        Problem::DestructorWithoutProcedure { .. }
    ));
    let problem = refused(
        &[("composition.toml", "maker.big-thing", "maker.small-thing")],
        "composition.toml",
        7,
    );
    assert!(matches!(problem, Problem::UnknownResource { .. }));
    let problem = refused(
        &[("composition.toml", "maker.big-thing", "smith.big-thing")],
        "composition.toml",
        7,
    );
    assert!(matches!(problem, Problem::UnknownInstance(_)));
    let wire = "imports.thing = \"maker.big-thing\"\n";
    let problem = refused(&[("composition.toml", wire, "")], "composition.toml", 3);
    assert!(matches!(problem, Problem::UnmetImport { .. }));
    let problem = refused(
        &[("app/component.toml", "test:things", "test:other")],
        "composition.toml",
        7,
    );
    assert!(matches!(problem, Problem::WrongInterface { .. }));
    let problem = refused(
        &[(
            "app/component.toml",
            "resource = \"big-thing\"",
            "resource = \"big-thing\"\nfunction = \"make\"",
        )],
        "app/component.toml",
        15,
    );
    assert!(matches!(problem, Problem::ImportForm(_)));
    let problem = refused(
        &[(
            "maker/component.toml",
            "resources.plain",
            "resources.big_thing",
        )],
        "maker/component.toml",
        14,
    );
    assert!(matches!(problem, Problem::DuplicateResource(_)));
    let problem = refused(
        &[("maker/component.toml", "resources.plain", "resources.Plain")],
        "maker/component.toml",
        14,
    );
    assert!(matches!(problem, Problem::Name { .. }));
    let problem = refused(
        &[(
            "composition.toml",
            "[instances.app]",
            "[kernel]\n\n[instances.app]",
        )],
        "composition.toml",
        3,
    );
    assert!(matches!(problem, Problem::NoKernel));
    let files = changed(&[]);
    files.write("maker/resources/mine.masm", b"pub proc f nop end");
    files.write(
        "maker/component.toml",
        MAKER
            .replace("[\"maker.masm\"]", "[\"maker.masm\", \"resources\"]")
            .as_bytes(),
    );
    let error = files.component("maker").expect_err("the module is taken");
    assert!(
        matches!(*error.problem, Problem::ReservedModule(_)),
        "{error}"
    );
}

/// `[kernel] intrinsics` lets a kernel look into instances; without it, it cannot.
#[test]
fn the_composition_lets_the_kernel_access_memory() {
    let files = Files::new(&[
        (
            "app/component.toml",
            "name = \"app\"\nsources = [\"app.masm\"]\nexports.main.procedure = \"app::main\"\n\
             imports.put = { interface = \"t:t\", function = \"put\" }",
        ),
        (
            "app/app.masm",
            "pub proc main call.imports::put push.1 push.3 syscall.peek movup.2 drop movup.2 drop \
             end",
        ),
        (
            "other/component.toml",
            "name = \"other\"\nsources = [\"other.masm\"]\nexports.put.procedure = \"other::put\"",
        ),
        ("other/other.masm", "pub proc put push.41 mem_store.3 end"),
        (
            "composition.toml",
            "main = \"app.main\"\nkernel.intrinsics = [\"load\"]\n\
             instances.app = { component = \"app\", imports = { put = \"other.put\" } }\n\
             instances.other = { component = \"other\" }",
        ),
    ]);
    let toolchain = Toolchain::new();
    let stubs = kernel_stubs(toolchain.source_manager()).expect("the stubs assemble");
    let kernel = Assembler::new(toolchain.source_manager())
        .with_dynamic_library(&stubs)
        .and_then(|assembler| {
            assembler.assemble_kernel("pub proc peek call.::intrinsics::load end")
        })
        .expect("the kernel assembles");
    let toolchain = toolchain.with_kernel(kernel);
    let path = files.path("composition.toml");
    let linked = LinkedComposition::load(&path, &toolchain).unwrap_or_else(|e| panic!("{e}"));
    let output = run(&linked, Inputs::default()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(outputs(&output)[..2], [41, 1]);

    let text = std::fs::read_to_string(&path).expect("the file");
    let without = text.replace("kernel.intrinsics = [\"load\"]\n", "");
    files.write("composition.toml", without.as_bytes());
    let linked = LinkedComposition::load(&path, &toolchain).unwrap_or_else(|e| panic!("{e}"));
    let error = run(&linked, Inputs::default()).expect_err("nothing was allowed");
    assert!(matches!(error.trap(), Some(Trap::CallInSyscall)), "{error}");
}
