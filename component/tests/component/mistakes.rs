//! Every mistake in the files of a component or a composition is an error with its place.

use std::fs;

use crate::support::Files;
use miden_cvm_component::{BuildError, LinkedComposition, Problem, SourceFault, Toolchain};

const APP: &str = r#"name = "app"
sources = ["app.masm"]

[exports.main]
procedure = "app::main"

[imports.post]
interface = "bank:journal"
function = "post"
"#;

const JOURNAL: &str = r#"name = "journal"
sources = ["journal.masm"]

[exports.post]
procedure = "journal::post"
"#;

const COMPOSITION: &str = r#"main = "app.main"

[instances.app]
component = "app"
imports.post = "journal.post"

[instances.journal]
component = "journal"
"#;

fn files() -> Files {
    Files::new(&[
        ("app/component.toml", APP),
        ("app/app.masm", "pub proc main call.imports::post end"),
        ("journal/component.toml", JOURNAL),
        ("journal/journal.masm", "pub proc post push.7 add end"),
        ("composition.toml", COMPOSITION),
    ])
}

/// Replaces text in one of the files, and expects the composition to be refused at the place.
fn refused(file: &str, change: (&str, &str), at: (&str, Option<u32>)) -> Problem {
    let files = files();
    let text = match file {
        "app/component.toml" => APP,
        "journal/component.toml" => JOURNAL,
        "composition.toml" => COMPOSITION,
        _ => panic!("{file} is not one of the three"),
    };
    assert!(text.contains(change.0), "{file} has no `{}`", change.0);
    files.write(file, text.replace(change.0, change.1).as_bytes());
    refused_files(&files, at)
}

/// Parsers that call themselves are not handed what they would run out of stack on.
#[test]
fn nesting_is_bounded() {
    let files = files();
    files.write(
        "app/app.masm",
        ("pub proc main ".to_owned() + &"if.true\n".repeat(300)).as_bytes(),
    );
    let problem = refused_files(&files, ("app/app.masm", Some(257)));
    let fault = SourceFault::Nesting;
    assert!(
        matches!(&problem, Problem::Assembly { fault: found, .. } if *found == fault),
        "{problem}"
    );

    let deep = format!("let a = {}", "(\n".repeat(5000));
    files.write("composition.wac", deep.as_bytes());
    let error = LinkedComposition::load(&files.path("composition.wac"), &Toolchain::new());
    let error = error.expect_err("too many brackets");
    assert!(matches!(*error.problem, Problem::Brackets), "{error}");
    assert_eq!(error.line, Some(129));

    let wit = format!("interface i {{ f: func(a: {}u8) }}", "list<\n".repeat(5000));
    files.write("app/app.wit", wit.as_bytes());
    files.write(
        "app/component.toml",
        b"name = \"app\"\nwit = \"app.wit\"\nsources = []\n",
    );
    let error = files.component("app").expect_err("too many brackets");
    assert!(matches!(*error.problem, Problem::Brackets), "{error}");
    assert_eq!(error.line, Some(127));
}

fn refused_files(files: &Files, (file, line): (&str, Option<u32>)) -> Problem {
    let error = files.link().expect_err("there is a mistake");
    let text = error.to_string();
    let BuildError {
        file: path,
        line: found,
        text: shown,
        problem,
        ..
    } = error;
    assert_eq!((path, found), (files.path(file), line), "{text}");
    let place = line.map_or(format!("{file}: "), |line| format!("{file}:{line}: "));
    assert!(text.contains(&place), "{text}");
    if file.ends_with(".toml") && !matches!(*problem, Problem::NotText(_)) {
        assert_eq!(shown.is_some(), line.is_some(), "{text}");
    }
    if let (Some(line), Some(shown)) = (line, shown) {
        let written = fs::read_to_string(files.path(file)).expect("the file");
        let written = written.lines().nth(line as usize - 1).expect("the line");
        assert_eq!(written.trim_end(), shown);
        assert!(
            text.contains(&format!("\n  {line} | {shown}\n  help: ")),
            "{text}"
        );
    }
    let (_, help) = text.rsplit_once("\n  help: ").expect("a remedy");
    assert!(!help.is_empty(), "{text}");
    *problem
}

macro_rules! assert_problem {
    ($problem:expr, $pattern:pat) => {
        let problem = $problem;
        assert!(matches!(problem, $pattern), "{problem:?}");
    };
}

const APP_FILE: &str = "app/component.toml";
const JOURNAL_FILE: &str = "journal/component.toml";
const COMPOSITION_FILE: &str = "composition.toml";

#[test]
fn the_files_are_right_before_the_mistakes() {
    assert!(files().link().is_ok());
}

// FORM

#[test]
fn unknown_keys() {
    let change = ("sources", "color = \"red\"\nsources");
    assert_problem!(
        refused(APP_FILE, change, (APP_FILE, Some(2))),
        Problem::Toml(_)
    );
    let change = ("function", "func = \"post\"\nfunction");
    assert_problem!(
        refused(APP_FILE, change, (APP_FILE, Some(9))),
        Problem::Toml(_)
    );
    let change = (
        "component = \"journal\"",
        "component = \"journal\"\nkind = \"shared\"",
    );
    let at = (COMPOSITION_FILE, Some(9));
    assert_problem!(refused(COMPOSITION_FILE, change, at), Problem::Toml(_));
}

#[test]
fn broken_toml_and_wrong_values() {
    let change = ("name = \"app\"", "name = ");
    assert_problem!(
        refused(APP_FILE, change, (APP_FILE, Some(1))),
        Problem::Toml(_)
    );
    let change = ("procedure", "kind = \"common\"\nprocedure");
    assert_problem!(
        refused(APP_FILE, change, (APP_FILE, Some(5))),
        Problem::Toml(_)
    );
    let change = ("name = \"app\"\n", "");
    assert_problem!(
        refused(APP_FILE, change, (APP_FILE, Some(1))),
        Problem::Toml(_)
    );
}

#[test]
fn missing_files() {
    let files = Files::new(&[]);
    let error = files.link().expect_err("there is no composition");
    assert_problem!(
        *error.problem,
        Problem::Unreadable {
            what: "composition file",
            ..
        }
    );
    let change = ("app.masm", "main.masm");
    let at = (APP_FILE, Some(2));
    assert_problem!(
        refused(APP_FILE, change, at),
        Problem::Unreadable { what: "source", .. }
    );
    let change = (
        "[exports.post]",
        "[[data]]\naddress = 0\nfile = \"x.bin\"\n[exports.post]",
    );
    let at = (JOURNAL_FILE, Some(6));
    let problem = refused(JOURNAL_FILE, change, at);
    assert_problem!(
        problem,
        Problem::Unreadable {
            what: "data file",
            ..
        }
    );
}

#[test]
fn names() {
    let change = ("name = \"app\"", "name = \"My App\"");
    assert_problem!(
        refused(APP_FILE, change, (APP_FILE, Some(1))),
        Problem::Name { .. }
    );
    let change = ("[imports.post]", "[imports.post-it]");
    assert_problem!(
        refused(APP_FILE, change, (APP_FILE, Some(7))),
        Problem::Name { .. }
    );
    let change = ("[exports.main]", "[exports.\"main menu\"]");
    assert_problem!(
        refused(APP_FILE, change, (APP_FILE, Some(4))),
        Problem::Name { .. }
    );
    let change = ("[instances.journal]", "[instances.Journal]");
    let at = (COMPOSITION_FILE, Some(7));
    assert_problem!(refused(COMPOSITION_FILE, change, at), Problem::Name { .. });
    let change = ("bank:journal", "");
    assert_problem!(
        refused(APP_FILE, change, (APP_FILE, Some(8))),
        Problem::Identity { .. }
    );
    let change = ("\"post\"", "\"po\\nst\"");
    assert_problem!(
        refused(APP_FILE, change, (APP_FILE, Some(9))),
        Problem::Identity { .. }
    );
}

// SOURCES

#[test]
fn sources_that_are_none() {
    let at = (APP_FILE, Some(2));
    let app = |sources: &str| refused(APP_FILE, ("[\"app.masm\"]", sources), at);
    assert_problem!(app("[]"), Problem::NoSources);
    assert_problem!(app("[\"component.toml\"]"), Problem::SourceName(_));
    assert_problem!(
        app("[\"../journal/journal.masm\"]"),
        Problem::OutsideFolder(_)
    );
    assert_problem!(
        app("[\"app.masm\", \"./app.masm\"]"),
        Problem::DuplicateModule(_)
    );

    let files = files();
    files.write("app/imports.masm", b"pub proc post push.1 end");
    let manifest = APP.replace("[\"app.masm\"]", "[\"app.masm\", \"imports.masm\"]");
    files.write(APP_FILE, manifest.as_bytes());
    assert_problem!(refused_files(&files, at), Problem::ReservedModule(_));
}

#[test]
fn assembly_mistakes_show_their_place() {
    let files = files();
    files.write("app/app.masm", b"pub proc main\n    push.1 frobnicate\nend");
    let problem = refused_files(&files, ("app/app.masm", None));
    let text = problem.to_string();
    assert!(
        text.contains("frobnicate") && text.contains("app.masm:2"),
        "{text}"
    );
    files.write("app/app.masm", b"pub proc main\n    call.imports::pst\nend");
    let text = refused_files(&files, ("app/app.masm", None)).to_string();
    assert!(
        text.contains("imports::pst") && text.contains("app.masm:2"),
        "{text}"
    );
}

#[cfg(unix)]
#[test]
fn folders_that_contain_themselves() {
    use std::os::unix::fs::symlink;

    let files = files();
    files.write("app/lib/more.masm", b"pub proc more push.1 drop end");
    symlink(files.path("app/lib"), files.path("app/lib/again")).expect("a symbolic link");
    files.write(
        APP_FILE,
        APP.replace("\"app.masm\"", "\"app.masm\", \"lib\"")
            .as_bytes(),
    );
    assert_problem!(
        refused_files(&files, (APP_FILE, Some(2))),
        Problem::FolderCycle(_)
    );

    let files = self::files();
    symlink(files.path("loop"), files.path("loop")).expect("a symbolic link");
    let composition = COMPOSITION.replace("component = \"journal\"", "component = \"loop\"");
    files.write(COMPOSITION_FILE, composition.as_bytes());
    assert_problem!(
        refused_files(&files, (COMPOSITION_FILE, Some(8))),
        Problem::FolderCycle(_)
    );
}

// EXPORTS, IMPORTS, CALLS

#[test]
fn exports_without_a_procedure() {
    let at = (APP_FILE, Some(5));
    let problem = refused(APP_FILE, ("app::main", "app::mian"), at);
    assert_problem!(problem, Problem::ExportWithoutProcedure { .. });
    // Nor is a private procedure one.
    let files = files();
    files.write(
        "app/app.masm",
        b"proc main call.imports::post end pub proc go exec.main end",
    );
    assert_problem!(
        refused_files(&files, at),
        Problem::ExportWithoutProcedure { .. }
    );
    let change = ("procedure", "version = \"1\"\nprocedure");
    assert_problem!(
        refused(APP_FILE, change, (APP_FILE, Some(5))),
        Problem::VersionAlone(_)
    );
}

#[test]
fn imports_that_name_nothing_or_too_much() {
    let at = (APP_FILE, Some(7));
    let change = ("function = \"post\"\n", "");
    assert_problem!(refused(APP_FILE, change, at), Problem::ImportForm(_));
    let root = "0x0100000000000000020000000000000003000000000000000400000000000000";
    let both = format!("root = \"{root}\"\nfunction");
    assert_problem!(
        refused(APP_FILE, ("function", &both), at),
        Problem::ImportForm(_)
    );
    let short = "[imports.exact]\nroot = \"0x01\"\n[imports.post]";
    let change = ("[imports.post]", short);
    assert_problem!(
        refused(APP_FILE, change, (APP_FILE, Some(8))),
        Problem::Digest(_)
    );
    let twice = format!("imports.a.root = \"{root}\"\nimports.b.root = \"{root}\"\n[exports.main]");
    let problem = refused(APP_FILE, ("[exports.main]", &twice), (APP_FILE, Some(5)));
    assert_problem!(problem, Problem::DuplicateImport { .. });
}

#[test]
fn dyncall_of_nothing() {
    let change = (
        "[exports.main]",
        "dyncall = [\"app::gone\"]\n[exports.main]",
    );
    let problem = refused(APP_FILE, change, (APP_FILE, Some(4)));
    assert_problem!(problem, Problem::DyncallWithoutProcedure(_));
    let change = (
        "[exports.main]",
        "dyncall = [\"imports::gone\"]\n[exports.main]",
    );
    let problem = refused(APP_FILE, change, (APP_FILE, Some(4)));
    assert_problem!(problem, Problem::DyncallWithoutProcedure(_));
}

#[test]
fn imports_that_are_not_called() {
    let at = (APP_FILE, Some(7));
    let files = files();
    files.write(
        "app/app.masm",
        b"pub proc main push.1 exec.imports::post end",
    );
    assert_problem!(refused_files(&files, at), Problem::ExecutedImport(_));
    files.write("app/app.masm", b"pub use imports::post->main");
    assert_problem!(refused_files(&files, at), Problem::ExecutedImport(_));
}

#[test]
fn code_that_is_not_there() {
    let root = "0x0100000000000000020000000000000003000000000000000400000000000000";
    let files = files();
    files.write(
        "app/app.masm",
        format!("pub proc main call.{root} end").as_bytes(),
    );
    assert_problem!(
        refused_files(&files, (APP_FILE, None)),
        Problem::UnlinkedCall(_)
    );
    files.write(
        "app/app.masm",
        format!("pub proc main exec.{root} end").as_bytes(),
    );
    assert_problem!(
        refused_files(&files, (APP_FILE, None)),
        Problem::ForeignCode(_)
    );
}

// STATIC DATA

fn refused_data(data: &str, line: u32) -> Problem {
    let manifest = format!("[[data]]\n{data}\n[exports.post]");
    refused(
        JOURNAL_FILE,
        ("[exports.post]", &manifest),
        (JOURNAL_FILE, Some(line)),
    )
}

#[test]
fn data_that_overlaps() {
    let second = |address: u32| {
        format!("address = 16\nfelts = [1]\n[[data]]\naddress = {address}\nfelts = [1, 2]")
    };
    // Padding counts: the first segment ends at 24.
    let problem = refused_data(&second(20), 8);
    assert_problem!(
        problem,
        Problem::DataOverlap {
            first: 16,
            end: 24,
            second: 20
        }
    );
    let problem = refused_data(&second(12), 5);
    assert_problem!(
        problem,
        Problem::DataOverlap {
            first: 12,
            end: 20,
            second: 16
        }
    );
    let problem = refused_data(&second(16), 8);
    assert_problem!(
        problem,
        Problem::DataOverlap {
            first: 16,
            end: 24,
            second: 16
        }
    );
}

#[test]
fn data_out_of_place() {
    assert_problem!(
        refused_data("address = 6\nfelts = [1]", 5),
        Problem::DataUnaligned(6)
    );
    let high = "address = 2147483644\nfelts = [1]";
    assert_problem!(refused_data(high, 5), Problem::DataRange { length: 8, .. });
    assert_problem!(
        refused_data("address = 4294967296\nfelts = [1]", 5),
        Problem::Toml(_)
    );
    let last = format!("{JOURNAL}[[data]]\naddress = 2147483640\nfelts = [1]\n");
    let files = files();
    files.write(JOURNAL_FILE, last.as_bytes());
    files.link().expect("the last block below 2^31 is free");
}

#[test]
fn data_of_the_wrong_form() {
    assert_problem!(refused_data("address = 0", 4), Problem::DataForm);
    let both = "address = 0\nfelts = [1]\nfile = \"x.bin\"";
    assert_problem!(refused_data(both, 4), Problem::DataForm);
    let format = "address = 0\nfelts = [1]\nformat = \"u8\"";
    assert_problem!(refused_data(format, 7), Problem::DataFormat);
    assert_problem!(
        refused_data("address = 0\nfelts = []", 4),
        Problem::DataEmpty(0)
    );
    let large = "address = 0\nfelts = [1,\n\"18446744069414584321\"]";
    assert_problem!(refused_data(large, 7), Problem::NotAnElement(_));
    assert_problem!(
        refused_data("address = 0\nfelts = [-1]", 6),
        Problem::NotAnElement(_)
    );
    assert_problem!(
        refused_data("address = 0\nwords = [\"0x1\"]", 6),
        Problem::Digest(_)
    );
    let outside = "address = 0\nfile = \"/etc/hosts\"";
    assert_problem!(refused_data(outside, 6), Problem::OutsideFolder(_));
}

#[test]
fn data_files_of_the_wrong_form() {
    let files = files();
    let data = "[[data]]\naddress = 0\nfile = \"felts.bin\"\nformat = \"felt\"\n";
    files.write(JOURNAL_FILE, format!("{JOURNAL}{data}").as_bytes());
    files.write("journal/felts.bin", &[0; 12]);
    let at = (JOURNAL_FILE, Some(8));
    assert_problem!(
        refused_files(&files, at),
        Problem::DataLength { length: 12, .. }
    );
    files.write("journal/felts.bin", &[0xff; 8]);
    assert_problem!(refused_files(&files, at), Problem::NotAnElement(_));
}

#[test]
fn data_with_another_commitment() {
    let files = files();
    let data = "[[data]]\naddress = 0\nfelts = [5]\n";
    files.write(JOURNAL_FILE, format!("{JOURNAL}{data}").as_bytes());
    let linked = files.link().expect("the files are right");
    let commitment = linked.composition.segments()[0].commitment;
    let data = format!("{data}commitment = \"{commitment}\"\n");
    files.write(JOURNAL_FILE, format!("{JOURNAL}{data}").as_bytes());
    files.link().expect("the commitment is that of the data");
    files.write(
        JOURNAL_FILE,
        format!("{JOURNAL}{}", data.replace("[5]", "[6]")).as_bytes(),
    );
    let problem = refused_files(&files, (JOURNAL_FILE, Some(9)));
    assert_problem!(problem, Problem::DataCommitment { .. });
}

// COMPOSITIONS

#[test]
fn main_that_is_missing() {
    let main = |main: &str, line| {
        refused(
            COMPOSITION_FILE,
            ("main = \"app.main\"", main),
            (COMPOSITION_FILE, line),
        )
    };
    assert_problem!(main("", None), Problem::NoMain);
    assert_problem!(main("main = \"app\"", Some(1)), Problem::Reference(_));
    assert_problem!(
        main("main = \"app.run\"", Some(1)),
        Problem::UnknownExport { .. }
    );
    assert_problem!(
        main("main = \"root.main\"", Some(1)),
        Problem::UnknownInstance(_)
    );
}

#[test]
fn instances_of_nothing() {
    let at = (COMPOSITION_FILE, Some(8));
    let change = ("component = \"journal\"", "component = \"diary\"");
    assert_problem!(
        refused(COMPOSITION_FILE, change, at),
        Problem::NotAComponent(_)
    );
    let change = ("component = \"journal\"", "component = \"..\"");
    assert_problem!(
        refused(COMPOSITION_FILE, change, at),
        Problem::NotAComponent(_)
    );
    let change = ("component = \"journal\"", "component = \".\"");
    assert_problem!(
        refused(COMPOSITION_FILE, change, at),
        Problem::CompositionCycle(_)
    );
}

#[test]
fn wires_that_lead_nowhere() {
    let at = (COMPOSITION_FILE, Some(5));
    let wire = |wire: &str| {
        refused(
            COMPOSITION_FILE,
            ("imports.post = \"journal.post\"", wire),
            at,
        )
    };
    assert_problem!(
        wire("imports.post = \"diary.post\""),
        Problem::UnknownInstance(_)
    );
    assert_problem!(
        wire("imports.post = \"journal.write\""),
        Problem::UnknownExport { .. }
    );
    assert_problem!(wire("imports.post = \"journal\""), Problem::Reference(_));
    assert_problem!(
        wire("imports.send = \"journal.post\""),
        Problem::UnknownImport { .. }
    );
}

#[test]
fn imports_that_are_unmet() {
    let at = (COMPOSITION_FILE, Some(3));
    let change = ("imports.post = \"journal.post\"\n", "");
    let problem = refused(COMPOSITION_FILE, change, at);
    assert!(
        problem.remedy().contains("[instances.app.imports]"),
        "{}",
        problem.remedy()
    );
    assert_problem!(problem, Problem::UnmetImport { .. });
}

#[test]
fn wires_between_what_does_not_fit() {
    let at = (COMPOSITION_FILE, Some(5));
    let change = ("function", "kind = \"isolated\"\nfunction");
    assert_problem!(refused(APP_FILE, change, at), Problem::WrongKind { .. });
    let change = (
        "procedure",
        "interface = \"bank:journal\"\nversion = \"2\"\nprocedure",
    );
    assert_problem!(
        refused(JOURNAL_FILE, change, at),
        Problem::WrongInterface { .. }
    );
    let root = "0x0100000000000000020000000000000003000000000000000400000000000000";
    let import = format!("root = \"{root}\"\n");
    let change = (
        "interface = \"bank:journal\"\nfunction = \"post\"\n",
        import.as_str(),
    );
    let files = files();
    files.write(APP_FILE, APP.replace(change.0, change.1).as_bytes());
    files.write(
        "app/app.masm",
        format!("pub proc main call.{root} end").as_bytes(),
    );
    assert_problem!(refused_files(&files, at), Problem::WrongRoot { .. });
}

#[test]
fn fresh_instances_of_who_defines_resource_types() {
    let fresh = JOURNAL.to_owned() + "kind = \"fresh\"\n";
    let files = files();
    files.write(JOURNAL_FILE, fresh.as_bytes());
    files.link().expect("it defines none");
    let defines = fresh + "\n[resources.entry]\n";
    files.write(JOURNAL_FILE, defines.as_bytes());
    let problem = refused_files(&files, (COMPOSITION_FILE, Some(3)));
    assert!(problem.remedy().contains("shared or isolated"));
    assert_problem!(problem, Problem::FreshDefiner { .. });
}

#[test]
fn links_that_contradict_each_other() {
    // The app has the journal's code itself and calls it, and imports it by its root as well.
    let files = files();
    let root = files
        .component("journal")
        .expect("the files are right")
        .exports["post"]
        .digest;
    let import = "interface = \"bank:journal\"\nfunction = \"post\"\n";
    let manifest = APP.replace(import, &format!("root = \"{root}\"\n"));
    files.write(APP_FILE, manifest.as_bytes());
    files.write(
        "app/app.masm",
        b"pub proc main call.own end proc own push.7 add end",
    );
    let problem = refused_files(&files, (COMPOSITION_FILE, Some(3)));
    assert_problem!(problem, Problem::LinkConflict { .. });
}

#[test]
fn links_that_mean_the_same_are_one() {
    let files = files();
    let code = "pub proc main call.own end pub proc own push.7 add end";
    files.write("app/app.masm", code.as_bytes());
    let root = files
        .component("journal")
        .expect("the files are right")
        .exports["post"]
        .digest;
    let import = "interface = \"bank:journal\"\nfunction = \"post\"\n";
    let own = "\n[exports.own]\nprocedure = \"app::own\"\nkind = \"fresh\"\n";
    let manifest = APP.replace(import, &format!("root = \"{root}\"\n")) + own;
    files.write(APP_FILE, manifest.as_bytes());
    files.write(
        COMPOSITION_FILE,
        COMPOSITION.replace("journal.post", "app.own").as_bytes(),
    );
    let linked = files
        .link()
        .expect("both links are fresh calls of its own procedure");
    assert_eq!(linked.composition.links().len(), 1);
}

#[test]
fn too_many_instances() {
    let mut composition = String::from("main = \"i0.main\"\n");
    for i in 0..=65536 {
        composition += &format!("instances.i{i}.component = \"app\"\n");
    }
    let files = files();
    files.write(COMPOSITION_FILE, composition.as_bytes());
    let problem = refused_files(&files, (COMPOSITION_FILE, None));
    assert_problem!(problem, Problem::TooManyInstances(65537));
}
