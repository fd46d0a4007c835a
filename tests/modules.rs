//! No module of a crate imports, over others, itself: every crate can be read from the bottom to the top.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// A module's path below its crate; empty for the crate itself.
type Module = Vec<String>;

/// Collects the files below a folder of sources, by the modules that they are. Tests and binaries, which
/// import what they like, are left out.
fn modules(folder: &Path, at: &Module, found: &mut BTreeMap<Module, PathBuf>) {
    let entries = fs::read_dir(folder).expect("a folder of sources");
    for entry in entries {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().and_then(|name| name.to_str());
        let name = name.expect("a name").to_owned();
        let mut module = at.clone();
        if path.is_dir() {
            if name != "bin" && name != "tests" {
                module.push(name);
                modules(&path, &module, found);
            }
        } else if path.extension().is_some_and(|ending| ending == "rs") && name != "tests" {
            if !["lib", "main", "mod"].contains(&name.as_str()) {
                module.push(name);
            }
            found.entry(module).or_insert(path);
        }
    }
}

/// The code of a source without comments, and without the tests at its end.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("a source");
    let lines = text.lines().take_while(|line| *line != "#[cfg(test)]");
    let code = lines.map(|line| line.split_once("//").map_or(line, |(code, _)| code));
    code.collect::<Vec<_>>().join("\n")
}

/// The parts of a text at its commas that are in no braces.
fn parts(text: &str) -> Vec<&str> {
    let (mut depth, mut from, mut parts) = (0, 0, Vec::new());
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            b',' if depth == 0 => {
                parts.push(text[from..at].trim());
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[from..].trim());
    parts.retain(|part| !part.is_empty());
    parts
}

/// The paths that a tree of imports stands for.
fn paths(tree: &str, before: &str, found: &mut Vec<String>) {
    match tree.split_once('{') {
        Some((path, inner)) => {
            let inner = inner.trim_end().strip_suffix('}').expect("a closed brace");
            for part in parts(inner) {
                paths(part, &format!("{before}{}", path.trim()), found);
            }
        }
        None => found.push(format!("{before}{tree}")),
    }
}

/// The paths that a source takes from its own crate.
fn imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = code;
    while let Some(at) = rest.find("use ") {
        let line = rest[..at].rsplit('\n').next().unwrap_or_default().trim();
        let statement = rest[at + 4..].split(';').next().unwrap_or_default();
        let is_part = |c: char| c.is_alphanumeric() || c.is_whitespace() || "_:{},*".contains(c);
        // In strings there is Miden assembly with imports of its own.
        if (line.is_empty() || line.starts_with("pub")) && statement.chars().all(is_part) {
            paths(statement.trim(), "", &mut found);
        }
        rest = &rest[at + 4..];
    }
    // Paths in the midst of the code.
    for (at, _) in code.match_indices("crate::") {
        let path = code[at..].split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
        found.extend(path.take(1).map(str::to_owned));
    }
    found
}

/// The module that a path, as `module` has it, leads to or into; nothing if it leads out of the crate.
fn target(path: &str, module: &Module, known: &BTreeMap<Module, PathBuf>) -> Option<Module> {
    let names = path
        .split("::")
        .map(|name| name.split_whitespace().next().unwrap_or_default());
    let mut target = module.clone();
    for (number, name) in names.enumerate() {
        match name {
            "crate" if number == 0 => target.clear(),
            "self" if number == 0 => {}
            "super" => {
                target.pop();
            }
            _ if number == 0 => {
                target.push(name.to_owned());
                // A path that begins with a name is another crate's, unless it is a module inside.
                if !known.contains_key(&target) {
                    return None;
                }
            }
            _ => target.push(name.to_owned()),
        }
    }
    while !known.contains_key(&target) {
        target.pop();
    }
    Some(target)
}

/// The imports of each module from others of its crate. What a module has from those that it is inside of,
/// and these from it, does not count.
fn graph(folder: &Path) -> BTreeMap<Module, BTreeSet<Module>> {
    let mut known = BTreeMap::new();
    modules(folder, &Module::new(), &mut known);
    let edges = known.iter().map(|(module, path)| {
        let targets = imports(&code(path)).into_iter();
        let targets = targets
            .filter_map(|path| target(&path, module, &known))
            .filter(|target| !module.starts_with(target) && !target.starts_with(module));
        (module.clone(), targets.collect())
    });
    edges.collect()
}

/// A way from a module back to itself.
fn cycle(graph: &BTreeMap<Module, BTreeSet<Module>>) -> Option<Vec<Module>> {
    fn visit<'g>(
        module: &'g Module,
        graph: &'g BTreeMap<Module, BTreeSet<Module>>,
        open: &mut Vec<&'g Module>,
        done: &mut BTreeSet<&'g Module>,
    ) -> Option<Vec<Module>> {
        if let Some(from) = open.iter().position(|other| *other == module) {
            return Some(open[from..].iter().map(|&module| module.clone()).collect());
        }
        if !done.insert(module) {
            return None;
        }
        open.push(module);
        for target in graph.get(module).into_iter().flatten() {
            if let Some(cycle) = visit(target, graph, open, done) {
                return Some(cycle);
            }
        }
        open.pop();
        None
    }
    let mut done = BTreeSet::new();
    graph
        .keys()
        .find_map(|module| visit(module, graph, &mut Vec::new(), &mut done))
}

/// The same with every module counted as the outermost one that it is in: folders, as they are seen first.
fn folders(graph: &BTreeMap<Module, BTreeSet<Module>>) -> BTreeMap<Module, BTreeSet<Module>> {
    let mut folders = BTreeMap::<Module, BTreeSet<Module>>::new();
    let outermost = |module: &Module| module.iter().take(1).cloned().collect::<Module>();
    for (module, targets) in graph.iter().filter(|(module, _)| !module.is_empty()) {
        let from = outermost(module);
        let targets = targets
            .iter()
            .map(outermost)
            .filter(|target| *target != from);
        folders.entry(from.clone()).or_default().extend(targets);
    }
    folders
}

/// The folders of the crates.
const CRATES: [&str; 14] = [
    ".",
    "air",
    "audit",
    "component",
    "library",
    "miden",
    "parallel",
    "precompiles",
    "processor",
    "prover",
    "recursion",
    "service",
    "verifier",
    "wasm",
];

#[test]
fn no_module_imports_itself() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut imports = 0;
    for name in CRATES {
        let graph = graph(&root.join(name).join("src"));
        imports += graph.values().map(BTreeSet::len).sum::<usize>();
        for graph in [folders(&graph), graph] {
            let cycle = cycle(&graph).map(|cycle| {
                let names = cycle.iter().map(|module| module.join("::"));
                names.collect::<Vec<_>>().join(" -> ")
            });
            assert_eq!(cycle, None, "modules of {name} import each other");
        }
    }
    assert!(imports > 300, "only {imports} imports were read");
}

#[test]
fn a_cycle_is_found() {
    let module = |name: &str| vec![name.to_owned()];
    let mut graph: BTreeMap<Module, BTreeSet<Module>> = BTreeMap::new();
    for (from, to) in [("a", "b"), ("b", "c"), ("d", "a")] {
        graph.entry(module(from)).or_default().insert(module(to));
    }
    assert_eq!(cycle(&graph), None);
    graph.entry(module("c")).or_default().insert(module("b"));
    assert_eq!(cycle(&graph), Some(vec![module("b"), module("c")]));
}

#[test]
fn imports_are_read() {
    let text = "use std::fmt;\npub use crate::{a::{B, c}, d};\nfn f() { crate::e::g(); }";
    let mut found = imports(text);
    found.sort();
    found.dedup();
    let expected = [
        "crate::",
        "crate::a::B",
        "crate::a::c",
        "crate::d",
        "crate::e::g",
        "std::fmt",
    ];
    assert_eq!(found, expected);
}

/// The crates of this project that a crate's code stands on, by their folders' names.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let sections = manifest
        .split("\n[")
        .filter_map(|section| section.strip_prefix("dependencies]"));
    let lines = sections.flat_map(str::lines);
    let names = lines.filter_map(|line| line.strip_prefix("miden-"));
    names
        .filter_map(|name| name.split(['.', ' ']).next())
        .filter_map(|name| match name {
            "cvm" => Some("cvm"),
            _ => name.strip_prefix("cvm-"),
        })
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_drawing_of_crates_is_that_of_the_manifests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| fs::read_to_string(root.join(path)).expect("a file");
    let mut expected = BTreeSet::new();
    for name in CRATES {
        let from = if name == "." { "cvm" } else { name };
        let targets = dependencies(&read(&format!("{name}/Cargo.toml")));
        expected.extend(targets.iter().map(|to| format!("    {from} --> {to}")));
    }
    let chapter = read("docs/src/architecture.md");
    let drawing = chapter.split("flowchart BT\n").nth(1).expect("a drawing");
    let drawing = drawing.split("```").next().unwrap_or_default();
    let drawn = drawing.lines().filter(|line| line.contains("-->"));
    let drawn: BTreeSet<String> = drawn.map(str::to_owned).collect();
    assert_eq!(drawn, expected);
}

/// Code of build scripts is built once with all other code only if it has the same features.
#[test]
fn features_of_build_scripts_are_those_of_other_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("workspace-hack/Cargo.toml");
    let manifest = fs::read_to_string(path).expect("the manifest");
    let (_, lists) = manifest
        .split_once("[dependencies]\n")
        .expect("dependencies");
    let (code, scripts) = lists
        .split_once("[build-dependencies]\n")
        .expect("dependencies of build scripts");
    assert!(!code.trim().is_empty());
    assert_eq!(code.trim(), scripts.trim());
}
