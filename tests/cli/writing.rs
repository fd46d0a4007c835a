//! Files are written whole or not at all, however a command ends.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{
        fs::{FileTypeExt, symlink},
        process::ExitStatusExt,
    },
    path::Path,
    process::Command,
};

use super::{Finished, Folder, args, example, miden_cvm};

/// Files that are there before, and what a command turns them into.
struct Written {
    folder: Folder,
    names: &'static [&'static str],
    whole: Vec<Vec<u8>>,
}

/// The earlier content of files.
const OLD: &[u8] = b"what was there before";

/// The signal that ends a process which writes more than it may.
const SIGXFSZ: i32 = 25;

impl Written {
    /// Runs a command once, undisturbed, and puts the old files in place again.
    fn by<S: AsRef<OsStr>>(
        names: &'static [&'static str],
        command: impl Fn(&Folder) -> Vec<S>,
    ) -> Self {
        let folder = Folder::new(&[("main.masm", "begin add end")]);
        miden_cvm(command(&folder)).answer();
        let read = |name: &&str| fs::read(folder.path(name)).expect("a file");
        let whole = names.iter().map(read).collect();
        let this = Self {
            folder,
            names,
            whole,
        };
        this.reset();
        this
    }

    fn reset(&self) {
        for name in self.names {
            self.folder.write(name, OLD);
        }
    }

    /// Every file is the old one or the new one. Gives the number of new ones, and of files that are
    /// neither, which do not have a name that anything is looked for by.
    fn check(&self) -> (usize, usize) {
        let mut new = 0;
        for (name, whole) in self.names.iter().zip(&self.whole) {
            let found = fs::read(self.folder.path(name)).expect("a file");
            assert!(found == OLD || found == *whole, "{name} is damaged");
            new += usize::from(found == *whole);
        }
        (new, self.folder.left_behind())
    }
}

impl Folder {
    /// Removes files that a killed command left behind, and counts them.
    fn left_behind(&self) -> usize {
        let entries = fs::read_dir(self.path("")).expect("a folder");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        let stray: Vec<_> = paths
            .filter(|path| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                name.starts_with('.') && name.ends_with(".tmp")
            })
            .collect();
        for path in &stray {
            fs::remove_file(path).expect("a file");
        }
        stray.len()
    }
}

/// Runs the command line in a shell that lets it write this many blocks of 512 bytes to a file; with
/// `dies` it is killed by the first write beyond, without it the write fails, as on a full disk.
fn limited<S: AsRef<OsStr>>(blocks: usize, dies: bool, args: &[S]) -> std::process::Output {
    let reaction = if dies { "" } else { "trap '' XFSZ; " };
    let script = format!("{reaction}ulimit -c 0; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    Command::new("sh")
        .args(["-c", &script, env!("CARGO_BIN_EXE_miden-cvm")])
        .args(args)
        .output()
        .expect("a shell")
}

fn disturbed<S: AsRef<OsStr>>(
    names: &'static [&'static str],
    blocks: &[usize],
    command: impl Fn(&Folder) -> Vec<S>,
) {
    let written = Written::by(names, &command);
    let args = command(&written.folder);
    for &blocks in blocks {
        for dies in [true, false] {
            let output = limited(blocks, dies, &args);
            let (new, left) = written.check();
            let killed = output.status.signal() == Some(SIGXFSZ);
            if killed {
                assert!(dies && new < names.len(), "{blocks} blocks");
                assert_eq!(left, 1, "what was being written");
            } else {
                assert_eq!(left, 0, "a command that ends cleans up");
                let failed = output.status.code() != Some(0);
                assert_eq!(failed, new < names.len(), "{blocks} blocks");
                let error = String::from_utf8_lossy(&output.stderr);
                assert_eq!(failed, error.contains("cannot be written"), "{error}");
            }
            written.reset();
        }
    }
}

#[test]
fn proofs_and_statements_are_written_whole_or_not_at_all() {
    let names = &["main.proof", "main.statement.json"];
    disturbed(names, &[0, 20, 1 << 20], |folder| {
        vec![
            OsStr::new("prove").to_owned(),
            folder.path("main.masm").into(),
        ]
    });
}

#[test]
fn packages_and_records_are_written_whole_or_not_at_all() {
    let names = &["wallet.masp", "wallet.json"];
    disturbed(names, &[0, 7], |folder| {
        vec![
            "compose".into(),
            example("wallet").into(),
            "-o".into(),
            folder.path("wallet.masp").into_os_string(),
            "-r".into(),
            folder.path("wallet.json").into(),
        ]
    });
    disturbed(&["note.masp"], &[0, 3], |folder| {
        vec![
            "component".into(),
            "build".into(),
            example("wallet/note").into_os_string(),
            "-o".into(),
            folder.path("note.masp").into(),
        ]
    });
}

/// Runs the addition with its outputs in a file.
fn run_into(folder: &Folder, output: &Path) -> Finished {
    let main = folder.path("main.masm");
    let mut run = args("run", &main, &["-o"]);
    run.push(output.as_os_str());
    miden_cvm(run)
}

#[test]
fn what_cannot_be_replaced_stays() {
    let folder = Folder::new(&[("main.masm", "begin add end"), ("full/file", "a file")]);
    for (output, reason) in [
        ("full", "directory"),
        ("main.masm/out.json", "Not a directory"),
        ("full/", "directory"),
        ("none/", "directory"),
        ("../", "directory"),
        ("..", "directory"),
    ] {
        let error = run_into(&folder, &folder.path(output)).error(1);
        assert!(
            error.contains("cannot be written") && error.contains(reason),
            "{error}"
        );
    }
    assert_eq!(folder.left_behind(), 0);
    let kept = fs::read_to_string(folder.path("full/file")).expect("a file");
    assert_eq!(kept, "a file");
}

#[test]
fn links_are_followed_and_devices_stay_devices() {
    let folder = Folder::new(&[("main.masm", "begin add end"), ("real/out.json", "old")]);
    let (real, link) = (folder.path("real/out.json"), folder.path("out.json"));
    symlink(&real, &link).expect("a link");
    run_into(&folder, &link).answer();
    assert!(link.is_symlink());
    let written = fs::read_to_string(&real).expect("a file");
    assert!(written.contains("stack"), "{written}");

    run_into(&folder, Path::new("/dev/null")).answer();
    let null = fs::metadata("/dev/null").expect("a device");
    assert!(null.file_type().is_char_device());
}

/// A file that a killed run left behind is in nobody's way.
#[test]
fn leftovers_are_no_files() {
    let folder = Folder::new(&[
        (
            "app.toml",
            "main = \"app.main\"\n[instances]\napp.component = \"app\"\n",
        ),
        (
            "app/component.toml",
            "name = \"app\"\nsources = [\".\"]\n[exports.main]\nprocedure = \"app::main\"\n",
        ),
        ("app/app.masm", "pub proc main add end"),
    ]);
    let run = || miden_cvm(args("run", &folder.path("app.toml"), &["--json"])).json();
    let before = run();
    for stray in [
        ".app.toml.1-0.tmp",
        ".app.inputs.1-0.tmp",
        "app/.component.toml.1-0.tmp",
        "app/.app.masm.1-0.tmp",
    ] {
        folder.write(stray, "half a fi");
    }
    assert_eq!(run(), before);
}

/// An output can have the longest name that a file can have; a longer one is refused.
#[test]
fn names_are_as_long_as_they_may_be() {
    let folder = Folder::new(&[("main.masm", "begin add end")]);
    let program = folder.path("main.masm");
    let run = |length: usize| {
        let output = folder.path(&"n".repeat(length));
        let options = ["-o", output.to_str().expect("text")];
        miden_cvm(args("run", &program, &options))
    };
    run(255).answer();
    assert!(folder.path(&"n".repeat(255)).is_file());
    let error = run(256).error(1);
    assert!(error.contains("cannot be written"), "{error}");
    assert_eq!(folder.left_behind(), 0);
}

/// A file that cannot be written is noticed before there is anything to lose: this program does not end.
#[test]
fn outputs_are_checked_before_the_work() {
    let endless = "begin push.1 while.true push.1 end end";
    let folder = Folder::new(&[
        ("main.masm", endless),
        ("main.inputs", "{}"),
        ("library/numbers.masm", "pub proc one push.1 end"),
        ("locked", "read only"),
        ("folder/file", "a file"),
    ]);
    let locked = folder.path("locked");
    let mut permissions = fs::metadata(&locked).expect("a file").permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&locked, permissions).expect("permissions");
    symlink(folder.path("real"), folder.path("link")).expect("a link");
    symlink(folder.path("main.masm"), folder.path("program")).expect("a link");
    symlink(folder.path("folder"), folder.path("other")).expect("a link");

    let text = |path: &str| folder.path(path).to_string_lossy().into_owned();
    let main = folder.path("main.masm");
    let prove = |proof: &str, statement: &str| {
        let (proof, statement) = (text(proof), text(statement));
        let library = text("library");
        miden_cvm(args(
            "prove",
            &main,
            &["-l", &library, "-p", &proof, "-s", &statement],
        ))
    };
    for (proof, statement) in [
        ("same", "same"),
        ("./same", "same"),
        ("new/same", "new/../new/same"),
        ("link", "real"),
        ("folder/x", "other/x"),
        ("main.masm", "statement"),
        ("program", "statement"),
        ("proof", "main.inputs"),
        ("library/numbers.masm", "statement"),
    ] {
        let error = prove(proof, statement).error(2);
        let said = error.contains("files of their own") || error.contains("would overwrite");
        assert!(said, "{proof} {statement}: {error}");
    }
    for (proof, statement) in [
        ("locked", "statement"),
        ("proof", "folder"),
        ("locked/proof", "statement"),
        ("proof", "proof/statement"),
    ] {
        let error = prove(proof, statement).error(1);
        assert!(
            error.contains("cannot be written"),
            "{proof} {statement}: {error}"
        );
    }
    // A device can take any number of them; the run itself is the first to fail.
    let devices = args(
        "prove",
        &main,
        &["-m", "1000", "-p", "/dev/null", "-s", "/dev/null"],
    );
    assert!(miden_cvm(devices).error(1).contains("max cycles"));

    // Nothing was made or changed.
    assert!(!folder.path("new").exists() && !folder.path("proof").exists());
    assert_eq!(fs::read_to_string(&main).expect("a file"), endless);
    assert_eq!(folder.left_behind(), 0);
}

#[test]
fn all_commands_check_their_outputs() {
    let folder = Folder::new(&[("main.masm", "begin add end"), ("here", "a file")]);
    let text = |path: &str| folder.path(path).to_string_lossy().into_owned();
    let wallet = example("wallet");
    let (composition, out) = (wallet.join("wallet.toml"), text("x"));
    let (composition, note) = (composition.to_string_lossy(), wallet.join("note"));
    let source = note.join("component.toml");
    for (command, target, others, code) in [
        ("compose", &wallet, vec!["-o", &out, "-r", &out], 2),
        ("compose", &wallet, vec!["-o", &composition], 2),
        (
            "compose",
            &wallet,
            vec!["-o", &out, "-r", &*source.to_string_lossy()],
            2,
        ),
        (
            "run",
            &folder.path("main.masm"),
            vec!["-o", &*text("main.masm")],
            2,
        ),
        (
            "run",
            &folder.path("main.masm"),
            vec!["-o", &*text("here/x")],
            1,
        ),
    ] {
        let error = miden_cvm(args(command, target, &others)).error(code);
        assert!(error.contains("writ"), "{error}");
    }
    let build = |output: &Path| {
        miden_cvm([
            "component".as_ref(),
            "build".as_ref(),
            note.as_os_str(),
            "-o".as_ref(),
            output.as_os_str(),
        ])
    };
    let error = build(&source).error(2);
    assert!(error.contains("would overwrite"), "{error}");
    let made = folder.path("not/there/yet/note.masp");
    build(&made).answer();
    assert!(made.is_file());
    let new = ["component".as_ref(), "new".as_ref(), made.as_os_str()];
    assert!(miden_cvm(new).error(1).contains("there already"));
}

/// A file is one, by whatever name, and so is the standard output.
#[test]
fn other_names_of_a_file_are_told() {
    let folder = Folder::new(&[
        ("main.masm", "begin add end"),
        ("main.inputs", "{}"),
        ("library/numbers.masm", "pub proc one push.1 end"),
        ("old", "a file"),
    ]);
    let text = |path: &str| folder.path(path).to_string_lossy().into_owned();
    for (file, name) in [
        ("old", "again"),
        ("main.masm", "program"),
        ("main.inputs", "numbers"),
    ] {
        fs::hard_link(folder.path(file), folder.path(name)).expect("a link");
    }
    let main = folder.path("main.masm");
    for (command, options, reason) in [
        ("prove", ["-p", "old", "-s", "again"], "files of their own"),
        ("prove", ["-p", "program", "-s", "new"], "would overwrite"),
        ("prove", ["-p", "new", "-s", "numbers"], "would overwrite"),
    ] {
        let options = options.map(|option| match option.starts_with('-') {
            true => option.to_owned(),
            false => text(option),
        });
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let error = miden_cvm(args(command, &main, &options)).error(2);
        assert!(error.contains(reason), "{options:?}: {error}");
    }
    for (command, option) in [
        ("run", "-o"),
        ("compile", "-o"),
        ("analyze", "--folded"),
        ("prove", "-p"),
        ("prove", "-s"),
    ] {
        let error = miden_cvm(args(command, &main, &[option, &text("program")])).error(2);
        assert!(error.contains("would overwrite"), "{command}: {error}");
    }
    let both = ["-p", "-", "-s", "/dev/stdout"];
    let error = miden_cvm(args("prove", &main, &both)).error(2);
    assert!(error.contains("files of their own"), "{error}");
    assert!(!folder.path("new").exists());
}

#[test]
fn a_dash_is_the_standard_output() {
    let folder = Folder::new(&[("main.masm", "begin add end")]);
    let main = folder.path("main.masm");
    let finished = miden_cvm(args("run", &main, &["-o", "-"]));
    assert_eq!(finished.code, 0);
    let outputs: serde_json::Value = serde_json::from_str(&finished.stdout).expect("JSON");
    assert_eq!(outputs["stack"][0], "0");
    assert!(
        finished.stderr.starts_with("program"),
        "{}",
        finished.stderr
    );
    let both = miden_cvm(args("prove", &main, &["-p", "-", "-s", "-"])).error(2);
    assert!(both.contains("files of their own"), "{both}");
}
