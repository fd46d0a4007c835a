//! Programs that would use everything there is are stopped, and told by which limit.

use serde_json::Value;

use super::{Folder, args, miden_cvm};

/// Reports about a program that is stopped, for people and in JSON.
fn stopped(source: &str, options: &[&str]) -> String {
    let folder = Folder::new(&[("main.masm", source)]);
    let main = folder.path("main.masm");
    let mut all = vec!["--json"];
    all.extend(options);
    let finished = miden_cvm(args("run", &main, &all));
    assert_eq!((finished.code, finished.stderr.as_str()), (1, ""));
    let json: Value = serde_json::from_str(&finished.stdout).expect("JSON");
    assert_eq!(json["status"], "error");
    let told = json["error"].as_str().expect("a text").to_owned();
    let error = miden_cvm(args("run", &main, options)).error(1);
    assert!(error.contains(&told), "{error}\n{told}");
    told
}

#[test]
fn endless_loops_end_at_the_cycle_limit() {
    let endless = "begin push.1 while.true push.1 end end";
    let told = stopped(endless, &["-m", "100000"]);
    assert!(told.contains("100000") && told.contains("cycle"), "{told}");
}

#[test]
fn the_stack_does_not_grow_without_end() {
    let told = stopped("begin push.1 while.true push.1 push.1 end end", &[]);
    assert!(
        told.contains("stack") && told.contains("16777216"),
        "{told}"
    );
}

/// A file need not have an end, whatever it is read as.
#[test]
fn files_are_read_up_to_a_bound() {
    let folder = Folder::new(&[
        ("main.masm", "begin add end"),
        (
            "app/component.toml",
            "name = \"app\"\nsources = [\"app.masm\"]\n",
        ),
        (
            "wit/component.toml",
            "name = \"wit\"\nwit = \"world.wit\"\n",
        ),
    ]);
    for name in [
        "in.json",
        "long.masm",
        "long.masl",
        "long.masp",
        "long.toml",
        "app/app.masm",
        "wit/world.wit",
    ] {
        // It takes no room on the disk.
        let file = std::fs::File::create(folder.path(name)).expect("a file");
        file.set_len(miden_cvm::MAX_FILE_LEN + 1).expect("a length");
    }
    let path = |name: &str| folder.path(name).to_string_lossy().into_owned();
    let [main, inputs, library] = ["main.masm", "in.json", "long.masl"].map(path);
    for command in [
        vec!["run", &main, "-i", &inputs],
        vec!["run", &main, "-l", &library],
        vec!["run", &path("long.masm")],
        vec!["run", &path("long.masp")],
        vec!["compose", &path("long.toml")],
        vec!["component", "build", &path("app")],
        vec!["component", "build", &path("wit")],
    ] {
        let finished = miden_cvm(&command);
        assert!([1, 2].contains(&finished.code), "{command:?}");
        let told = finished.stderr;
        assert!(told.contains("268435456 bytes"), "{command:?}: {told}");
    }
}

/// Limits of assembling and linking hold wherever something is built.
#[test]
fn limits_bound_what_is_built() {
    let folder = Folder::new(&[
        ("main.masm", "begin push.1 drop end"),
        ("numbers/a.masm", "pub proc one push.1 end"),
        (
            "app/component.toml",
            "name = \"app\"\nwit = \"app.wit\"\nsources = [\"app.masm\"]\n[exports.main]\n\
             procedure = \"app::main\"\n",
        ),
        (
            "app/app.wit",
            "package my:app; world app { import next: func(a: u32) -> u32; export main: func(a: u32) -> u32; }",
        ),
        (
            "app/app.masm",
            "use bindings::world\npub proc main exec.world::next end",
        ),
        (
            "app.toml",
            "main = \"app.main\"\n[instances.app]\ncomponent = \"app\"\nimports.next = \"app.main\"\n",
        ),
    ]);
    for (command, file, limit) in [
        (&["compile"][..], "main.masm", "source-bytes=3"),
        (&["bundle"], "numbers", "source-bytes=3"),
        (&["inspect"], "main.masm", "source-bytes=3"),
        (&["component", "build"], "app", "source-bytes=3"),
        (&["component", "build"], "app", "assembled-instructions=3"),
        (&["component", "build"], "app", "type-parts=3"),
        (&["compose"], "app.toml", "type-parts=3"),
        (&["inspect"], "app.toml", "type-parts=3"),
        (&["run"], "app.toml", "type-parts=3"),
    ] {
        let target = folder.path(file);
        let error = super::on(command, &target, &["--limit", limit]).error(1);
        let (name, value) = limit.split_once('=').expect("a limit");
        let told = format!("`{name}` of {value}");
        assert!(error.contains(&told), "{command:?} {file}: {error}");
        let error = super::on(command, &target, &["--limit", "handles=3"]);
        assert_eq!(
            error.code == 2,
            command != ["run"],
            "{command:?}: {}",
            error.stderr
        );
    }
    super::on(
        &["compose"],
        &folder.path("app.toml"),
        &["--limit", "type-parts=4"],
    )
    .answer();
}

#[test]
fn recursion_does_not_go_on_without_end() {
    let recursive = "
        proc again push.0 dynexec end
        begin procref.again mem_storew_be.0 dropw push.0 dynexec end";
    let told = stopped(recursive, &[]);
    assert!(told.contains("1048576"), "{told}");
}

#[test]
fn limits_are_options() {
    let writing = "begin push.1 while.true add.1024 dup push.7 swap mem_store push.1 end end";
    let told = stopped(writing, &["--limit", "memory-words=6400"]);
    assert!(told.contains("6400 memory words"), "{told}");

    let folder = Folder::new(&[("main.masm", "begin trace.77 push.1 debug.stack.1 drop end")]);
    let main = folder.path("main.masm");
    for (limit, reason) in [
        ("memory=1", "trace-rows"),
        ("handles", "NAME=VALUE"),
        ("handles=many", "many"),
    ] {
        let error = miden_cvm(args("run", &main, &["--limit", limit])).error(2);
        assert!(error.contains(reason), "{error}");
    }
    let rows = ["--limit", "trace-rows=2"];
    let error = miden_cvm(args("prove", &main, &rows)).error(1);
    assert!(error.contains("2 trace rows"), "{error}");
    miden_cvm(args("run", &main, &rows)).answer();

    let traced = miden_cvm(args("run", &main, &["--trace"]));
    assert_eq!(traced.code, 0);
    assert!(traced.stderr.contains("trace 77"), "{}", traced.stderr);
}
