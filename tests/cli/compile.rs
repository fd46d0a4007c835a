//! Programs and libraries as files of code: `compile` and `bundle`.

use std::fs;

use miden_assembly::{Assembler, Library};
use miden_core::utils::Deserializable;

use super::{Folder, miden_cvm, on};

fn folder() -> Folder {
    Folder::new(&[
        (
            "sum.masm",
            "begin add dup push.3 assert_eq.err=\"not three\" debug.stack.1 end",
        ),
        (
            "own/own.masm",
            "use numbers::two begin exec.two::two add swap drop end",
        ),
        (
            "numbers/two.masm",
            "pub proc two push.2 end pub proc three push.3 end",
        ),
        (
            "numbers/more/four.masm",
            "use numbers::two pub proc four exec.two::two mul.2 end",
        ),
        (
            "kernel/api.masm",
            "use $kernel::values pub proc seven exec.values::seven add end",
        ),
        ("kernel/lib/values.masm", "pub proc seven push.7 end"),
        ("alone.masm", "pub proc eight push.8 add end"),
        ("system.masm", "begin syscall.seven end"),
        ("empty/readme.md", ""),
    ])
}

#[test]
fn a_program_becomes_a_package_that_runs() {
    let folder = folder();
    let (source, package) = (folder.path("sum.masm"), folder.path("sum.masp"));
    let answer = on(&["compile"], &source, &["--json"]).json();
    let expected = Assembler::default()
        .assemble_program(fs::read_to_string(&source).expect("text").as_str())
        .expect("a program");
    assert_eq!(answer["program_hash"], expected.hash().to_hex());
    let bytes = fs::read(&package).expect("a package");
    assert_eq!(answer["bytes"], bytes.len());

    let inputs = folder.write("in.json", "{ \"operand_stack\": [\"1\", \"2\"] }");
    let inputs = ["-i", inputs.to_str().expect("text"), "--json"];
    let ran = on(&["run"], &source, &inputs).json();
    let packed = on(&["run"], &package, &inputs).json();
    assert_eq!(ran, packed);
    // What an assertion says is kept, and where it stands is not: another machine makes the same bytes.
    let error = on(&["run"], &package, &[]).error(1);
    assert!(error.contains("not three"), "{error}");
    let elsewhere = Folder::new(&[]);
    let copy = elsewhere.path("deep/sum.masm");
    fs::create_dir_all(copy.parent().expect("a folder")).expect("a folder");
    fs::copy(&source, &copy).expect("a copy");
    on(&["compile"], &copy, &[]).answer();
    assert_eq!(
        fs::read(elsewhere.path("deep/sum.masp")).expect("a package"),
        bytes
    );
    assert_eq!(
        on(&["inspect"], &package, &["--json"]).json()["program_hash"],
        answer["program_hash"]
    );
}

#[test]
fn a_program_in_a_folder_is_still_found_beside_its_package() {
    let folder = folder();
    let numbers = folder.path("numbers");
    let options = ["-l", numbers.to_str().expect("text"), "--json"];
    let other = folder.path("own");
    fs::rename(other.join("own.masm"), other.join("other.masm")).expect("another name");
    let compiled = on(&["compile"], &other, &options).json();
    assert!(other.join("other.masp").is_file());
    let ran = on(&["run"], &other, &options).json();
    assert_eq!(ran["program_hash"], compiled["program_hash"]);
    on(&["run"], &other.join("other.masp"), &options).json();
}

#[test]
fn a_folder_becomes_a_library_or_a_kernel() {
    let folder = folder();
    let numbers = folder.path("numbers");
    let answer = on(&["bundle"], &numbers, &["--json"]).json();
    let bytes = fs::read(folder.path("numbers.masl")).expect("a library");
    let library = Library::read_from_bytes(&bytes).expect("a library of Miden");
    let expected = Assembler::default()
        .assemble_library_from_dir(&numbers, "numbers")
        .expect("a library");
    assert_eq!(library.digest(), expected.digest());
    assert_eq!(answer["digest"], expected.digest().to_hex());
    let exports = answer["exports"].as_array().expect("a list");
    assert!(
        exports
            .iter()
            .any(|path| path == "::numbers::more::four::four"),
        "{exports:?}"
    );

    let own = folder.path("own");
    let from = |library: &str| {
        let library = folder.path(library);
        on(
            &["run"],
            &own,
            &["-l", library.to_str().expect("text"), "--json"],
        )
        .json()
    };
    assert_eq!(from("numbers"), from("numbers.masl"));
    let named = folder.path("named.masl");
    let options = [
        "--namespace",
        "digits",
        "-o",
        named.to_str().expect("text"),
        "--json",
    ];
    let answer = on(&["bundle"], &numbers, &options);
    let error = answer.stdout + &answer.stderr;
    // The sources name the namespace that they are in.
    assert!(error.contains("numbers::two"), "{error}");

    for kernel in ["kernel", "alone.masm"] {
        let made = on(
            &["bundle"],
            &folder.path(kernel),
            &["--as-kernel", "--json"],
        )
        .json();
        let file = made["library"].as_str().expect("a path").to_owned();
        assert!(file.ends_with(".masl"), "{file}");
        if kernel == "kernel" {
            let system = folder.path("system.masm");
            let sources = folder.path(kernel);
            let run = |kernel: &str| on(&["run"], &system, &["--kernel", kernel, "--json"]).json();
            assert_eq!(run(&file), run(sources.to_str().expect("text")));
        }
    }
}

#[test]
fn what_is_no_source_is_refused() {
    let folder = folder();
    on(&["compile"], &folder.path("sum.masm"), &[]).answer();
    on(&["bundle"], &folder.path("numbers"), &[]).answer();
    for (command, file, code, reason) in [
        ("compile", "sum.masp", 2, "the package of a program"),
        ("compile", "numbers.masl", 2, "a library"),
        ("compile", "missing.masm", 1, "cannot be read"),
        ("compile", "empty", 2, "neither a composition"),
        ("bundle", "sum.masm", 2, "Miden assembly"),
        ("bundle", "missing", 1, "missing"),
        ("bundle", "empty", 2, "folder of `.masm` files"),
    ] {
        let error = on(&[command], &folder.path(file), &[]).error(code);
        assert!(error.contains(reason), "{command} {file}: {error}");
    }
    for namespace in ["", "a b", "$kernel", "a::", "a::b c"] {
        let options = ["--namespace", namespace];
        let error = on(&["bundle"], &folder.path("numbers"), &options).error(2);
        assert!(error.contains("not a namespace"), "{namespace}: {error}");
    }
    let both = ["--as-kernel", "--kernel", "kernel"];
    on(&["bundle"], &folder.path("kernel"), &both).error(2);
    let numbers = folder.path("numbers");
    let over = numbers.join("two.masm");
    let error = on(&["bundle"], &numbers, &["-o", over.to_str().expect("text")]).error(2);
    assert!(error.contains("overwrite"), "{error}");
    for command in ["compile", "bundle", "compose"] {
        let error = miden_cvm([command, "-"]);
        assert_eq!(
            error.code,
            if command == "compile" { 1 } else { 2 },
            "{}",
            error.stderr
        );
    }
}

#[test]
fn only_folders_with_sources_have_to_be_modules() {
    let folder = folder();
    folder.write("numbers/to do/notes.txt", "none");
    on(&["bundle"], &folder.path("numbers"), &[]).answer();
    folder.write("numbers/to do/deep/one.masm", "pub proc one push.1 end");
    let error = on(&["bundle"], &folder.path("numbers"), &[]).error(1);
    assert!(
        error.contains("to do: its name cannot be that of a module; use"),
        "{error}"
    );
}
