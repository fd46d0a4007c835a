//! The kind of a file or folder, for errors about one that a command cannot use.

use std::{
    fs::{self, File},
    io::Read,
    path::Path,
};

use miden_cvm::{
    BUNDLE_MAGIC, MAX_FILE_LEN, PackageKind, Proof, WORKSPACE_FILE, package_kind, target_file,
};
use serde_json::Value;

use super::{files::is_standard, outcome::Failure};

/// The name of the file that makes a folder a component.
pub const COMPONENT_FILE: &str = "component.toml";

/// The kind of a file or folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Missing,
    Empty,
    Device,
    Folder,
    ProgramFolder,
    Component,
    ComponentFile,
    Workspace,
    WorkspaceFile,
    Composition,
    Masm,
    Wit,
    Package(PackageKind),
    /// A file that begins like a package, but is none.
    BrokenPackage,
    Library,
    Inputs,
    Outputs,
    Statement,
    Records,
    Proof,
    Bundle,
    Unknown,
}

impl Kind {
    /// Returns the kind of what is at a path.
    pub fn of(path: &Path) -> Self {
        let Ok(metadata) = fs::metadata(path) else {
            return Self::Missing;
        };
        if metadata.is_dir() {
            return match target_file(path) {
                Ok(file) if is_composition(&file) => Self::Composition,
                Ok(_) => Self::ProgramFolder,
                Err(_) if path.join(COMPONENT_FILE).is_file() => Self::Component,
                Err(_) if path.join(WORKSPACE_FILE).is_file() => Self::Workspace,
                Err(_) => Self::Folder,
            };
        }
        if !metadata.is_file() {
            return Self::Device;
        }
        let mut bytes = Vec::new();
        let read =
            File::open(path).and_then(|file| file.take(MAX_FILE_LEN).read_to_end(&mut bytes));
        if read.is_err() {
            return Self::Unknown;
        }
        Self::of_bytes(&bytes, Some(path))
    }

    /// Returns the kind of a file by its bytes; its name helps.
    pub fn of_bytes(bytes: &[u8], path: Option<&Path>) -> Self {
        let extension = path.and_then(|path| path.extension()?.to_str());
        let is_named = |wanted: &str| {
            let name = path.and_then(Path::file_name);
            name.is_some_and(|name| name == wanted)
        };
        match extension {
            _ if bytes.is_empty() => Self::Empty,
            _ if bytes.starts_with(b"MASP\0") => match package_kind(bytes) {
                Ok(kind) => Self::Package(kind),
                Err(_) => Self::BrokenPackage,
            },
            Some("masp") => Self::BrokenPackage,
            Some("masl") => Self::Library,
            _ if bytes.starts_with(b"MAST\0") => Self::Library,
            _ if Proof::from_bytes(bytes).is_ok() => Self::Proof,
            _ if bytes.starts_with(BUNDLE_MAGIC) => Self::Bundle,
            Some("masm") => Self::Masm,
            Some("wit") => Self::Wit,
            Some("wac") => Self::Composition,
            Some("toml") if is_named(COMPONENT_FILE) => Self::ComponentFile,
            Some("toml") if is_named(WORKSPACE_FILE) => Self::WorkspaceFile,
            Some("toml") => Self::Composition,
            Some("inputs") => Self::Inputs,
            _ => match serde_json::from_slice(bytes) {
                Ok(json) => Self::of_json(&json),
                Err(_) => Self::Unknown,
            },
        }
    }

    fn of_json(json: &Value) -> Self {
        let has = |field: &str| json.get(field).is_some();
        if has("program_hash") && has("stack_inputs") {
            Self::Statement
        } else if has("instances") && has("links") {
            Self::Records
        } else if has("stack") {
            Self::Outputs
        } else if [
            "operand_stack",
            "advice_stack",
            "advice_map",
            "merkle_store",
        ]
        .into_iter()
        .any(has)
        {
            Self::Inputs
        } else {
            Self::Unknown
        }
    }

    /// Returns `true` if it can be run.
    pub fn is_target(self) -> bool {
        matches!(
            self,
            Self::Composition
                | Self::ProgramFolder
                | Self::Masm
                | Self::Package(PackageKind::Composition | PackageKind::Program)
        )
    }

    /// Returns what it is, in words, and what can be done with it; nothing if that is not known.
    fn told(self) -> Option<(&'static str, &'static str)> {
        Some(match self {
            Self::Missing | Self::Unknown | Self::BrokenPackage => return None,
            Self::Empty => ("an empty file", ""),
            Self::Device => ("a device or a pipe", ""),
            Self::Folder => (
                "a folder with neither a composition, a component nor a program",
                "",
            ),
            Self::ProgramFolder => (
                "the folder of a program",
                "`run`, `prove` and `analyze` take it",
            ),
            Self::Component => (
                "a component",
                "`component build` makes a package of it, `inspect` shows it, and a composition file \
                 makes instances of it",
            ),
            Self::ComponentFile => (
                "the file of a component",
                "`component build` and `inspect` take the folder that it is in",
            ),
            Self::Workspace => (
                "a workspace",
                "`component build` makes the packages of its components",
            ),
            Self::WorkspaceFile => (
                "the file of a workspace",
                "`component build` makes the packages of its components",
            ),
            Self::Composition => (
                "a composition",
                "`run`, `prove`, `analyze`, `compose` and `inspect` take it",
            ),
            Self::Masm => (
                "Miden assembly",
                "`run` and `prove` take a program; `-l` takes the folder of a library, `--kernel` a \
                 kernel, and `component.toml` names the sources of a component",
            ),
            Self::Wit => (
                "WIT",
                "`component new --wit` starts a component from it, and `component.toml` names it",
            ),
            Self::Package(PackageKind::Component) => (
                "the package of a component",
                "`inspect` shows it, and a composition file makes instances of it",
            ),
            Self::Package(PackageKind::Composition) => (
                "the package of a composition",
                "`run`, `prove`, `analyze` and `inspect` take it",
            ),
            Self::Package(PackageKind::Program) => (
                "the package of a program",
                "`run`, `prove`, `analyze` and `inspect` take it",
            ),
            Self::Package(PackageKind::Library) => (
                "the package of a library",
                "`inspect` shows it, `-l` takes it, and with `package` and `wit` in a \
                 `component.toml` it is the code of a component",
            ),
            Self::Library => (
                "a library",
                "`inspect` shows it, `-l` takes it, and with `package` and `wit` in a \
                 `component.toml` it is the code of a component",
            ),
            Self::Inputs => (
                "inputs of a run",
                "`run`, `prove` and others take it as `-i`",
            ),
            Self::Outputs => ("outputs of a run", ""),
            Self::Statement => (
                "a statement",
                "`verify` takes it as `-s`, and `inspect` shows it",
            ),
            Self::Records => (
                "the records of a composition",
                "`verify` takes it as `--records`, and `inspect` shows it",
            ),
            Self::Proof => (
                "a proof",
                "`verify` takes it as `-p`, and `inspect` shows it",
            ),
            Self::Bundle => (
                "a proof with proofs of claims",
                "`verify` takes it as `-p` and as `--claim-proof`, and `inspect` shows it",
            ),
        })
    }
}

fn is_composition(file: &Path) -> bool {
    matches!(
        file.extension().and_then(|extension| extension.to_str()),
        Some("toml" | "wac")
    )
}

/// The failure of a file that is not what was wanted.
pub fn is_not(path: &Path, wanted: &str) -> Failure {
    let told = not_a(path, wanted);
    Failure::usage(told.unwrap_or_else(|| format!("`{}` is not {wanted}", path.display())))
}

/// That a file is not what was wanted, but something else; nothing if it is not known what, or if it is
/// what was wanted with a mistake in it.
pub fn not_a(path: &Path, wanted: &str) -> Option<String> {
    let (what, advice) = Kind::of(path).told()?;
    // By its name and what it looks like it is what was wanted, but damaged.
    if what == wanted {
        return None;
    }
    let mut text = format!("`{}` is {what}, not {wanted}", path.display());
    if !advice.is_empty() {
        text += &format!(": {advice}");
    }
    Some(text)
}

/// That a file is something else than wanted, if it is known what.
pub fn other_kind(path: &Path, wanted: Kind, name: &str) -> Option<String> {
    match is_standard(path) || Kind::of(path) == wanted {
        true => None,
        false => not_a(path, name),
    }
}
