//! Components and compositions as packages.

use std::{path::Path, sync::Arc};

use miden_core::{Felt, StackInputs};
use miden_cvm_component::{Component, LinkedComposition, PackageError, Toolchain};

use crate::{
    support::{Files, Inputs, outputs, run},
    worlds,
};

fn package(files: &Files, folder: &str) -> Vec<u8> {
    let component = files
        .component(folder)
        .unwrap_or_else(|error| panic!("{error}"));
    component
        .to_package()
        .unwrap_or_else(|error| panic!("{error}"))
}

fn read(bytes: &[u8]) -> Result<Component, PackageError> {
    Component::from_package(bytes, Path::new("c.masp"), &Toolchain::new())
}

fn inputs(number: u64) -> Inputs {
    Inputs {
        stack: StackInputs::new(vec![Felt::new(number)]).expect("one element"),
        ..Inputs::default()
    }
}

#[test]
fn packages_link_like_their_folders() {
    let files = worlds::files();
    let linked = files.link().unwrap_or_else(|error| panic!("{error}"));
    for folder in ["app", "ledger", "audit"] {
        files.write(&format!("{folder}.masp"), &package(&files, folder));
    }
    let composition = worlds::COMPOSITION
        .replace("\"app\"\nimports", "\"app.masp\"\nimports")
        .replace("component = \"ledger\"", "component = \"ledger.masp\"")
        .replace("component = \"audit\"", "component = \"audit.masp\"");
    assert_eq!(composition.matches(".masp").count(), 3);
    files.write("composition.toml", composition.as_bytes());
    let packaged = files.link().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(
        packaged.composition.commitment(),
        linked.composition.commitment()
    );
    let output = run(&packaged, inputs(7)).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(outputs(&output)[0], 140);
}

/// Files of a component with several sources, WIT files and segments, beside the bank's.
const SCATTERED: [(&str, &str); 9] = [
    (
        "many/component.toml",
        "name = \"many\"\nwit = \"wit\"\nsources = [\"src\", \"more/last.masm\"]\n\
         exports.main.procedure = \"src::main::main\"\n\
         [[data]]\naddress = 64\nfile = \"b.bin\"\n[[data]]\naddress = 8\nfile = \"a.bin\"\n",
    ),
    (
        "many/wit/world.wit",
        "package test:many; world many { import test:b/b; import test:a/a; \
         export main: func(x: u32) -> u32; }",
    ),
    (
        "many/wit/notes.wit",
        "interface notes { type note = string; }",
    ),
    (
        "many/wit/deps/b.wit",
        "package test:b; interface b { f: func(x: u32) -> u32; }",
    ),
    (
        "many/wit/deps/a/a.wit",
        "package test:a; interface a { f: func(x: u32) -> u32; }",
    ),
    (
        "many/src/main.masm",
        "use bindings::test::a::a\nuse src::deep::twice\nuse more::last\n\
         pub proc main exec.a::f exec.twice::twice exec.last::last end",
    ),
    (
        "many/src/deep/twice.masm",
        "pub proc twice mul.2 u32assert.err=\"twice as much is too much\" end",
    ),
    (
        "many/more/last.masm",
        "pub proc last dup u32lt.9 assertz.err=\"too little\" end",
    ),
    ("many/a.bin", "abcdefgh"),
];

/// Packages of components and of a composition, made of the same sources: `order` is that in which
/// the files come to be, and they are `below` a folder of their own.
fn made(below: &str, order: impl Fn(&mut Vec<(String, Vec<u8>)>), day: u64) -> Vec<Vec<u8>> {
    let bank = worlds::files();
    let mut sources: Vec<(String, Vec<u8>)> = worlds::PATHS
        .iter()
        .map(|path| {
            (
                path.to_string(),
                std::fs::read(bank.path(path)).expect("a file"),
            )
        })
        .collect();
    let scattered = SCATTERED.iter();
    sources.extend(scattered.map(|(path, text)| (path.to_string(), text.as_bytes().to_vec())));
    sources.push(("many/b.bin".into(), vec![7; 40]));
    order(&mut sources);

    let files = Files::new(&[]);
    for (path, bytes) in sources {
        let path = format!("{below}{path}");
        files.write(&path, &bytes);
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(day * 86_400);
        let file = std::fs::File::options().write(true).open(files.path(&path));
        let file = file.expect("a file that was written");
        file.set_modified(time).expect("the time of a file");
    }
    let toolchain = Toolchain::new();
    let composition = files.path(&format!("{below}composition.toml"));
    let linked = LinkedComposition::load(&composition, &toolchain);
    let linked = linked.unwrap_or_else(|error| panic!("{error}"));
    let mut made = vec![
        linked.to_package("bank").expect("a package"),
        linked.composition.commitment().as_bytes().to_vec(),
    ];
    for component in ["app", "ledger", "audit", "many"] {
        let folder = files.path(&format!("{below}{component}"));
        let component = Component::load(&folder, &toolchain);
        let component = component.unwrap_or_else(|error| panic!("{error}"));
        made.push(component.to_package().expect("a package"));
    }
    made
}

#[test]
fn two_hosts_make_the_same_packages() {
    let here = made("", |_| (), 1);
    // Elsewhere, in another order, at another time, and by several threads at once.
    let there = std::thread::scope(|scope| {
        let threads: Vec<_> = (1..=3)
            .map(|number| {
                scope.spawn(move || {
                    let below = "another folder/".repeat(number);
                    made(&below, |sources| sources.reverse(), 20_000 + number as u64)
                })
            })
            .collect();
        let made = threads.into_iter().map(|thread| thread.join());
        made.collect::<Result<Vec<_>, _>>().expect("no panic")
    });
    for there in there {
        assert!(here == there);
    }
    // Nothing of the machine is in them.
    let machine = std::env::temp_dir();
    let machine = machine.to_string_lossy();
    for package in here {
        let found = package
            .windows(machine.len())
            .any(|window| window == machine.as_bytes());
        assert!(!found, "a package names {machine}");
    }
}

#[test]
fn one_toolchain_makes_what_a_new_one_makes() {
    // What it assembled before leaves no trace.
    let files = worlds::files();
    let toolchain = Toolchain::new();
    for component in ["app", "ledger", "audit", "app"] {
        let component = Component::load(&files.path(component), &toolchain);
        let component = component.unwrap_or_else(|error| panic!("{error}"));
        let fresh = package(&files, &component.name);
        assert!(component.to_package().expect("a package") == fresh);
    }
}

#[test]
fn a_package_has_what_its_folder_has() {
    let files = worlds::files();
    let component = files
        .component("ledger")
        .unwrap_or_else(|error| panic!("{error}"));
    let bytes = component.to_package().expect("a package");
    let back = read(&bytes).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(back.name, component.name);
    assert_eq!(back.imports, component.imports);
    assert_eq!(back.own_calls, component.own_calls);
    assert_eq!(back.segments, component.segments);
    assert_eq!(back.procedures, component.procedures);
    assert_eq!(back.exports, component.exports);
    let world = |component: &Component| component.world.clone().expect("a world").files;
    assert_eq!(world(&back), world(&component));
    assert!(back.to_package().expect("a package") == bytes);
}

#[test]
fn a_composition_is_one_file() {
    let files = worlds::files();
    let linked = files.link().unwrap_or_else(|error| panic!("{error}"));
    let bytes = linked
        .to_package("bank")
        .unwrap_or_else(|error| panic!("{error}"));
    let path = Path::new("bank.masp");
    let back = LinkedComposition::from_package(&bytes, path, &Toolchain::new())
        .unwrap_or_else(|error| panic!("{error}"))
        .expect("a composition");
    assert_eq!(back.composition, linked.composition);
    assert_eq!(back.program.hash(), linked.program.hash());
    let names = |linked: &LinkedComposition| -> Vec<String> {
        linked
            .instances
            .iter()
            .map(|instance| instance.name.clone())
            .collect()
    };
    assert_eq!(names(&back), names(&linked));
    let output = run(&back, inputs(7)).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(outputs(&output)[0], 140);
    // The messages of assertions are still there.
    let error = run(&back, inputs(1 << 40)).expect_err("no u32");
    assert!(
        error.to_string().contains("canonical ABI: integer"),
        "{error}"
    );
}

#[test]
fn static_data_travels_in_the_package() {
    let files = Files::new(&[
        (
            "c/component.toml",
            "name = \"c\"\nsources = [\"c.masm\"]\nexports.main.procedure = \"c::main\"\n\
             [[data]]\naddress = 8\nfelts = [5]\n",
        ),
        ("c/c.masm", "pub proc main mem_load.8 add end"),
        (
            "composition.toml",
            "main = \"c.main\"\n[instances.c]\ncomponent = \"c.masp\"\n",
        ),
    ]);
    files.write("c.masp", &package(&files, "c"));
    let linked = files.link().unwrap_or_else(|error| panic!("{error}"));
    let bytes = linked.to_package("c").expect("a package");
    let back = LinkedComposition::from_package(&bytes, Path::new("c.masp"), &Toolchain::new());
    let back = back
        .unwrap_or_else(|error| panic!("{error}"))
        .expect("a composition");
    let output = run(&back, inputs(7)).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(outputs(&output)[0], 12);
}

#[test]
fn what_a_package_says_is_checked() {
    let bytes = package(&worlds::files(), "ledger");
    // The section is text at the end, so that it can be changed here, and its length with it.
    let change = |from: &str, to: &str| {
        assert_eq!(from.len(), to.len());
        let position = bytes
            .windows(from.len())
            .position(|window| window == from.as_bytes())
            .unwrap_or_else(|| panic!("`{from}` is not there"));
        let mut changed = bytes.clone();
        changed[position..position + to.len()].copy_from_slice(to.as_bytes());
        match read(&changed) {
            Ok(_) => panic!("`{to}` is accepted"),
            Err(error) => error.to_string(),
        }
    };
    let cases = [
        ("\"form\":1", "\"form\":2", "form 2"),
        ("\"unused_imports\"", "\"unused_importz\"", "malformed"),
        ("\"name\":\"ledger\"", "\"name\":\"Ledger\"", "its name"),
        (
            "[\"u32\"],\"params_by",
            "[\"u64\"],\"params_by",
            "its signature is another",
        ),
        (
            "\"kind\":\"shared\",\"digest\"",
            "\"kind\":\"sharad\",\"digest\"",
            "malformed",
        ),
        (
            "post: func(amount: u32)",
            "post: func(amount: u16)",
            "does not match the embedded WIT",
        ),
        ("use: func() -> u32;", "use: func() -> f32;", "its WIT"),
        ("\"is_called\":true", "\"is_called\": 1  ", "malformed"),
        (
            "\"function\":\"entry\"",
            "\"function\":\"antry\"",
            "another identity",
        ),
    ];
    for (from, to, reason) in cases {
        let error = change(from, to);
        assert!(error.contains(reason), "{error}");
    }
    // Other digests are those of no procedure, or of no stub.
    let component = read(&bytes).expect("a component");
    for digest in component.exports.values().map(|export| export.digest) {
        let hex = digest.to_hex();
        let other = hex.chars().rev().collect::<String>();
        let other = format!("0x{}", &other[..64]);
        // Both directions of hexadecimal digits may exceed the modulus, which is refused too.
        let error = change(
            &format!("\"digest\":\"{hex}\""),
            &format!("\"digest\":\"{other}\""),
        );
        assert!(
            error.contains("digest") || error.contains("malformed"),
            "{error}"
        );
    }
}

#[test]
fn other_packages_are_no_components() {
    let linked = worlds::files().link().expect("a composition");
    let bytes = linked.to_package("bank").expect("a package");
    assert!(matches!(read(&bytes), Err(PackageError::NotAComponent(_))));
    assert!(matches!(read(b"MASP\0"), Err(PackageError::Artifact(_))));
    let component = package(&worlds::files(), "ledger");
    let none = LinkedComposition::from_package(&component, Path::new("c"), &Toolchain::new());
    assert!(none.expect("a package").is_none());
}

#[test]
fn changed_bytes_are_refused_or_change_nothing_that_runs() {
    let bytes: Arc<[u8]> = package(&worlds::files(), "audit").into();
    let component = read(&bytes).expect("a component");
    for position in (0..bytes.len()).step_by(97) {
        let mut changed = bytes.to_vec();
        changed[position] ^= 0x41;
        if let Ok(other) = read(&changed) {
            let digests = |component: &Component| -> Vec<_> {
                component
                    .exports
                    .values()
                    .map(|export| export.digest)
                    .collect()
            };
            assert_eq!(digests(&other), digests(&component));
        }
    }
}

/// A library as other tools make it, and the digest of a procedure in it.
fn foreign() -> (Vec<u8>, String) {
    let sources = Toolchain::new().source_manager();
    let mut parser = miden_assembly::ModuleParser::new(miden_assembly::ast::ModuleKind::Library);
    let module = parser
        .parse_str(
            miden_assembly::Path::new("other::tools"),
            "pub proc double mul.2 end\npub proc raw dup.1 add swap drop end",
            sources.clone(),
        )
        .expect("a module");
    let library = miden_assembly::Assembler::new(sources)
        .assemble_library([module])
        .expect("a library");
    let raw = library
        .get_procedure_root_by_path("other::tools::raw")
        .expect("a procedure");
    (
        miden_core::utils::Serializable::to_bytes(&library),
        raw.to_hex(),
    )
}

#[test]
fn code_of_other_tools_becomes_a_component() {
    let (library, raw) = foreign();
    let files = Files::new(&[
        (
            "c/component.toml",
            "name = \"c\"\nwit = \"c.wit\"\npackage = \"other.masl\"\n\
             exports.main.procedure = \"other::tools::double\"\n\
             exports.raw = { procedure = \"other::tools::raw\", raw = true }\n",
        ),
        (
            "c/c.wit",
            "package a:b; world c { export main: func(a: u32) -> u32; export raw: func(a: u8); }",
        ),
        (
            "composition.toml",
            "main = \"c.main\"\n[instances.c]\ncomponent = \"c\"\n",
        ),
    ]);
    files.write("c/other.masl", &library);
    let component = files
        .component("c")
        .unwrap_or_else(|error| panic!("{error}"));
    // What is taken as it is has its own digest; the other one stands behind generated code.
    assert_eq!(component.exports["raw"].digest.to_hex(), raw);
    let linked = files.link().unwrap_or_else(|error| panic!("{error}"));
    let output = run(&linked, inputs(21)).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(outputs(&output)[0], 42);
    let error = run(&linked, inputs(1 << 32)).expect_err("no u32");
    assert!(
        error.to_string().contains("canonical ABI: integer"),
        "{error}"
    );

    let toml = std::fs::read_to_string(files.path("c/component.toml")).expect("a file");
    files.write(
        "c/component.toml",
        toml.replace("::double", "::triple").as_bytes(),
    );
    let error = files
        .component("c")
        .map(|_| ())
        .expect_err("no such procedure");
    assert!(error.to_string().contains("component.toml:4"), "{error}");
    files.write(
        "c/component.toml",
        toml.replace("wit = \"c.wit\"\n", "").as_bytes(),
    );
    let error = files.component("c").map(|_| ()).expect_err("no world");
    assert!(error.to_string().contains("but no `wit`"), "{error}");
    files.write("c/component.toml", toml.as_bytes());
    files.write("c/other.masl", &library[..library.len() - 1]);
    let error = files.component("c").map(|_| ()).expect_err("damaged");
    assert!(error.to_string().contains("cannot be used"), "{error}");
}

/// A library as the Miden compiler makes it of core Wasm: names in quotation marks, with dashes, and a
/// procedure `init` in the root module, by its signature, that sets up memory.
fn compiled() -> Vec<u8> {
    use miden_assembly::{
        Library,
        ast::types::{CallConv, FunctionType},
        library::LibraryExport,
    };

    let sources = Toolchain::new().source_manager();
    let module = |path: &str, text: &str| {
        miden_assembly::ModuleParser::new(miden_assembly::ast::ModuleKind::Library)
            .parse_str(miden_assembly::Path::new(path), text, sources.clone())
            .expect("a module")
    };
    let root = module(
        "\"root_ns:root@1.0.0\"",
        // The heap's own record, where the Miden compiler has it, and a variable.
        "pub proc init push.3.4.5.6 push.1073741824 mem_storew_be dropw push.40 push.100 mem_store end",
    );
    let guest = module(
        "\"root_ns:root@1.0.0\"::guest",
        "pub proc bump push.100 mem_load add.1 dup push.100 mem_store end
         pub proc \"heap-top\" push.1073741824 mem_load end
         pub proc length drop push.1073741824 mem_load add end",
    );
    let library = miden_assembly::Assembler::new(sources.clone())
        .assemble_library([root, guest])
        .expect("a library");
    let signature = FunctionType::new(CallConv::Fast, [], []);
    let exports = library.exports().map(|export| {
        let LibraryExport::Procedure(procedure) = export else {
            panic!("only procedures");
        };
        let mut procedure = procedure.clone();
        if procedure.path.last() == Some("init") {
            procedure = procedure.with_signature(signature.clone());
        }
        (procedure.path.clone(), LibraryExport::Procedure(procedure))
    });
    let library =
        Library::new(library.mast_forest().clone(), exports.collect()).expect("a library");
    miden_core::utils::Serializable::to_bytes(&library)
}

/// A component of compiled code, and one that uses it: bumps twice, sends a list, looks at the heap.
fn using_compiled(manifest: &str) -> Files {
    let files = Files::new(&[
        ("guest/component.toml", manifest),
        (
            "guest/guest.wit",
            "package my:guest; interface points { bump: func() -> u32; heap-top: func() -> u32; \
             length: func(of: list<u8>) -> u32; } world guest { export points; }",
        ),
        (
            "app/component.toml",
            "name = \"app\"\nwit = \"app.wit\"\nsources = [\"app.masm\"]\n\
             exports.main.procedure = \"app::main\"\n",
        ),
        (
            "app/app.wit",
            "package my:app; world app { import my:guest/points; export main: func() -> tuple<u32, u32, u32, u32>; } \
             package my:guest { interface points { bump: func() -> u32; heap-top: func() -> u32; \
             length: func(of: list<u8>) -> u32; } }",
        ),
        (
            "app/app.masm",
            "use bindings::my::guest::points\n\
             pub proc main exec.points::bump exec.points::bump push.2 push.100 exec.points::length \
             exec.points::heap_top end",
        ),
        (
            "composition.toml",
            "main = \"app.main\"\n[instances.app]\ncomponent = \"app\"\n\
             imports.\"my:guest/points\" = \"guest\"\n[instances.guest]\ncomponent = \"guest\"\n",
        ),
    ]);
    files.write("guest/guest.masl", &compiled());
    files
}

const GUEST: &str = "name = \"guest\"\nwit = \"guest.wit\"\npackage = \"guest.masl\"\n";

/// The memory of compiled code is set up when its instance is entered for the first time, and only then;
/// messages do not overwrite what its heap knows of itself.
#[test]
fn compiled_code_sets_up_its_memory() {
    for module in [
        "root_ns:root@1.0.0::guest",
        "\\\"root_ns:root@1.0.0\\\"::guest",
        "::\\\"root_ns:root@1.0.0\\\"::guest",
    ] {
        let exports = format!("[exports.\"my:guest/points\"]\nmodule = \"{module}\"\n");
        let files = using_compiled(&format!("{GUEST}{exports}"));
        let linked = files.link().unwrap_or_else(|error| panic!("{error}"));
        let output = run(&linked, Inputs::default()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(outputs(&output)[..4], [3, 5, 42, 41], "{module}");
        crate::support::run_checked(&linked, Inputs::default());
    }
    // The path form that the compiler prints, one function at a time.
    let path = |name: &str| format!("::\\\"root_ns:root@1.0.0\\\"::guest::{name}");
    let exports: String = [
        ("bump", "bump"),
        ("heap-top", "\\\"heap-top\\\""),
        ("length", "length"),
    ]
    .map(|(function, name)| {
        let path = path(name);
        format!("[exports.\"my:guest/points#{function}\"]\nprocedure = \"{path}\"\n")
    })
    .concat();
    let files = using_compiled(&format!("{GUEST}{exports}"));
    let linked = files.link().unwrap_or_else(|error| panic!("{error}"));
    let output = run(&linked, Inputs::default()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(outputs(&output)[..4], [3, 5, 42, 41]);

    // Said otherwise, nothing is executed but what is called; said wrong, candidates are named.
    let none = using_compiled(&format!("init = \"\"\n{GUEST}{exports}"));
    let linked = none.link().unwrap_or_else(|error| panic!("{error}"));
    let output = run(&linked, Inputs::default()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(outputs(&output)[..4], [0, 2, 2, 1]);
    let wrong = using_compiled(&format!("init = \"root::init\"\n{GUEST}{exports}"));
    let error = wrong
        .component("guest")
        .map(|_| ())
        .expect_err("no such procedure");
    let text = error.to_string();
    assert!(text.contains("`init` names"), "{text}");
    assert!(text.contains("\"root_ns:root@1.0.0\"::init"), "{text}");
    let wrong = exports.replace("::bump", "::bumb");
    let wrong = using_compiled(&format!("{GUEST}{wrong}"));
    let error = wrong
        .component("guest")
        .map(|_| ())
        .expect_err("no such procedure");
    assert!(error.to_string().contains("guest::bump"), "{error}");
}

/// A package of other tools can be looked at, so that a `component.toml` can be written.
#[test]
fn code_of_other_tools_is_described() {
    let code = miden_cvm_component::describe_code(&compiled()).expect("a library");
    let paths: Vec<&str> = code
        .exports
        .iter()
        .map(|export| export.path.as_str())
        .collect();
    assert!(
        paths.contains(&"\"root_ns:root@1.0.0\"::guest::\"heap-top\""),
        "{paths:?}"
    );
    assert_eq!(code.init.as_deref(), Some("\"root_ns:root@1.0.0\"::init"));
    let init = code
        .exports
        .iter()
        .find(|export| export.path.ends_with("init"));
    assert_eq!(init.and_then(|init| init.signature.as_deref()), Some("()"));
    assert!(code.syscalls.is_empty() && code.missing.is_empty());
    assert_eq!(code.kind, miden_cvm_component::PackageKind::Library);
}

/// A component names the libraries that its sources use; what they use of them is part of it.
#[test]
fn components_name_their_libraries() {
    let (library, _) = foreign();
    let manifest = "name = \"c\"\nsources = [\"c.masm\"]\nlibraries = [\"../shared/other.masl\"]\n\
                    exports.main.procedure = \"c::main\"\n";
    let files = Files::new(&[
        ("c/component.toml", manifest),
        (
            "c/c.masm",
            "use other::tools pub proc main exec.tools::double end",
        ),
        (
            "composition.toml",
            "main = \"c.main\"\n[instances.c]\ncomponent = \"c\"\n",
        ),
    ]);
    files.write("shared/other.masl", &library);
    let linked = files.link().unwrap_or_else(|error| panic!("{error}"));
    let output = run(&linked, inputs(21)).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(outputs(&output)[0], 42);
    assert!(linked.files.contains(&files.path("c/../shared/other.masl")));
    // The toolchain can have it too.
    let shared = miden_cvm_component::read_library(&library).expect("a library");
    let toolchain = Toolchain::new().with_library((*shared).clone());
    LinkedComposition::load(&files.path("composition.toml"), &toolchain)
        .unwrap_or_else(|error| panic!("{error}"));
    for (wrong, said) in [
        ("../shared", "is not an assembled library"),
        ("c.masm", "is not an assembled library"),
        ("missing.masl", "cannot be read"),
    ] {
        let changed = manifest.replace("../shared/other.masl", wrong);
        files.write("c/component.toml", changed.as_bytes());
        let error = files.component("c").map(|_| ()).expect_err("no library");
        let text = error.to_string();
        assert!(
            text.contains("component.toml:3") && text.contains(said),
            "{text}"
        );
    }
}
