//! Packages and compositions are the same to the byte whoever makes them: the process, where it works,
//! its environment and its number of threads make no difference.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a new folder");
    for entry in fs::read_dir(from).expect("a folder of the examples") {
        let entry = entry.expect("an entry").path();
        let to = to.join(entry.file_name().expect("a name"));
        match entry.is_dir() {
            true => copy(&entry, &to),
            false => drop(fs::copy(&entry, &to).expect("a file")),
        }
    }
}

/// Where a command runs, and how it is told what to make.
struct Host {
    folder: TempDir,
    /// The folder it works in, from the one with the examples.
    works_in: &'static str,
    /// The path of the folder with the examples from there; the whole path if empty.
    examples: &'static str,
    environment: &'static [(&'static str, &'static str)],
}

impl Host {
    fn new(
        works_in: &'static str,
        examples: &'static str,
        environment: &'static [(&'static str, &'static str)],
    ) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        copy(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("examples"),
            folder.path(),
        );
        Self {
            folder,
            works_in,
            examples,
            environment,
        }
    }

    fn run(&self, command: &[&str], target: &str, output: &str) -> Vec<u8> {
        let examples = match self.examples {
            "" => self.folder.path().to_owned(),
            path => PathBuf::from(path),
        };
        let output = self.folder.path().join(output);
        let run = Command::new(env!("CARGO_BIN_EXE_miden-cvm"))
            .args(command)
            .arg(examples.join(target))
            .arg("-o")
            .arg(&output)
            .current_dir(self.folder.path().join(self.works_in))
            .envs(self.environment.iter().copied())
            .output()
            .expect("the command line");
        assert!(
            run.status.success(),
            "{}",
            String::from_utf8_lossy(&run.stderr)
        );
        fs::read(output).expect("what the command made")
    }

    /// Everything that can be made of the examples.
    fn makes(&self) -> Vec<(String, Vec<u8>)> {
        let mut made = Vec::new();
        for target in [
            "ledger",
            "wallet/wallet.toml",
            "vault",
            "exchange/exchange.toml",
        ] {
            let file = self.run(&["compose"], target, "made.masp");
            let records = fs::read(self.folder.path().join("made.records.json"));
            made.push((format!("{target}: records"), records.expect("the records")));
            made.push((target.into(), file));
        }
        for target in ["ledger/deps/bank/ledger", "wallet/note"] {
            let file = self.run(&["component", "build"], target, "made.masp");
            made.push((target.into(), file));
        }
        made
    }
}

#[test]
fn hosts_make_the_same_files() {
    let here = Host::new("", ".", &[]).makes();
    let others = [
        Host::new(
            "wallet/note",
            "../..",
            &[
                ("RAYON_NUM_THREADS", "1"),
                ("LC_ALL", "tr_TR.UTF-8"),
                ("TZ", "Asia/Tokyo"),
            ],
        ),
        Host::new(
            "exchange",
            "",
            &[
                ("RAYON_NUM_THREADS", "7"),
                ("HOME", "/nowhere"),
                ("RUST_BACKTRACE", "1"),
                ("SOURCE_DATE_EPOCH", "1"),
            ],
        ),
    ];
    for other in others {
        for ((name, expected), (_, made)) in here.iter().zip(other.makes()) {
            assert!(*expected == made, "{name} is another file");
        }
    }
}
