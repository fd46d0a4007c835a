//! The committed modules of WebAssembly are what their sources say, where a compiler for them is there.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use miden_cvm_component::{Component, Toolchain};

use crate::{examples::examples, support::Files};

/// Set where the compiler for Rust has only the sources of its libraries for WebAssembly.
const BUILD_STD: &str = "MIDEN_CVM_BUILD_STD";

/// The output of a program, if it is there.
fn says(program: &str, argument: &[&str]) -> Option<String> {
    let output = Command::new(program).args(argument).output().ok()?;
    String::from_utf8(output.stdout).ok()
}

/// The module is as good as the committed one, and the same if the compiler is.
fn compare(folder: &Path, module: &str, made: &Path, compiler: &str) {
    let bytes = |path: &Path| fs::read(path).expect("a module");
    let (made, committed) = (bytes(made), bytes(&folder.join(module)));
    let files = Files::new(&[]);
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let is_read = path
            .extension()
            .is_some_and(|end| end == "toml" || end == "wit");
        if is_read {
            let name = path.file_name().expect("a name").to_string_lossy();
            files.write(&name, &bytes(&path));
        }
    }
    files.write(module, &made);
    let again = files
        .component(".")
        .unwrap_or_else(|error| panic!("{error}"));
    let known =
        Component::load(folder, &Toolchain::new()).unwrap_or_else(|error| panic!("{error}"));
    assert!(again.exports.keys().eq(known.exports.keys()));
    assert!(again.imports.keys().eq(known.imports.keys()));
    // Another version of the compiler may make other code.
    let is_named = |bytes: &[u8]| {
        bytes
            .windows(compiler.len())
            .any(|part| part == compiler.as_bytes())
    };
    if is_named(&committed) && is_named(&made) {
        assert_eq!(made, committed);
    }
}

#[test]
fn the_token_is_what_clang_makes_of_its_source() {
    let (Some(clang), Some(_)) = (
        says("clang", &["--version"]),
        says("wasm-ld", &["--version"]),
    ) else {
        eprintln!("skipped: there is no clang for WebAssembly");
        return;
    };
    let folder = examples().join("market/deps/market/token");
    let files = Files::new(&[]);
    let module = files.path("token.wasm");
    let options = [
        "--target=wasm32",
        "-Os",
        "-nostdlib",
        "-Wl,--no-entry",
        "-o",
    ];
    let status = Command::new("clang")
        .args(options)
        .args([&module, &folder.join("token.c")])
        .status();
    assert!(status.expect("it runs").success());
    let number = clang
        .split("version ")
        .nth(1)
        .and_then(|rest| rest.split_whitespace().next());
    compare(&folder, "token.wasm", &module, number.expect("a version"));
}

#[test]
fn components_in_rust_are_what_cargo_makes_of_them() {
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let builds_std = env::var_os(BUILD_STD).is_some();
    let target = "wasm32-unknown-unknown";
    let libraries = says(&rustc, &["--target", target, "--print", "target-libdir"]);
    let has_libraries = libraries.is_some_and(|folder| PathBuf::from(folder.trim()).is_dir());
    if !has_libraries && !builds_std {
        eprintln!("skipped: there is no Rust for WebAssembly");
        return;
    }
    let version = says(&rustc, &["--version"]).expect("a compiler");
    let number = version.split_whitespace().nth(1).expect("a version");
    let files = Files::new(&[]);
    for (folder, name) in [("market/book", "book"), ("notary", "notary")] {
        let folder = examples().join(folder);
        let mut cargo = Command::new("cargo");
        cargo
            .args(["build", "--release", "--locked", "--target", target])
            .current_dir(&folder)
            .env("CARGO_TARGET_DIR", files.path("target"));
        if builds_std {
            cargo.arg("-Zbuild-std=core,alloc,panic_abort");
        }
        assert!(cargo.status().expect("it runs").success());
        let module = format!("{name}.wasm");
        let made = files.path(&format!("target/{target}/release/{module}"));
        compare(&folder, &module, &made, number);
    }
}
