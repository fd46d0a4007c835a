//! `component new`, `component bindings`, `component build` and `component split`.

use core::fmt;
use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand, ValueEnum};
use miden_cvm::{
    Component, Language, Loader, WORKSPACE_FILE, Workspace, bindings, findings, new_component,
    split_component, system_component,
};
use serde::Serialize;

use super::{
    files::{self, Outputs},
    kind::{COMPONENT_FILE, Kind, is_not},
    libraries::Libraries,
    limits::BuildLimits,
    outcome::{Failure, Outcome},
    progress::Progress,
};

/// Makes components.
#[derive(Debug, Args)]
pub struct ComponentCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Start a component: its `component.toml`, its WIT and a source to be filled in
    New(New),
    /// Write the assembly that is generated for a component's world, to be read
    Bindings(WriteBindings),
    /// Assemble a component into a package
    Build(Build),
    /// Make a composition of a WebAssembly component that has components in it
    Split(Split),
}

#[derive(Debug, Args)]
struct New {
    /// The folder of the component, which is made; its name is the component's
    folder: PathBuf,
    /// The component's WIT, a file or a folder; it is copied
    #[arg(long, value_name = "PATH")]
    wit: Option<PathBuf>,
    /// The component's world, if the WIT has several
    #[arg(long, value_name = "NAME")]
    world: Option<String>,
    /// The language that it is written in
    #[arg(long, value_name = "LANGUAGE", default_value = "masm")]
    lang: Lang,
    /// Make the component that provides the system to components that were compiled for WASI
    #[arg(long, conflicts_with_all = ["wit", "world", "lang"])]
    system: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Lang {
    /// Miden assembly
    Masm,
    /// Rust, for WebAssembly
    Rust,
    /// C, for WebAssembly
    C,
}

impl From<Lang> for Language {
    fn from(lang: Lang) -> Self {
        match lang {
            Lang::Masm => Self::Masm,
            Lang::Rust => Self::Rust,
            Lang::C => Self::C,
        }
    }
}

#[derive(Debug, Args)]
struct WriteBindings {
    /// The folder of the component
    folder: PathBuf,
    /// The folder to write to; `bindings` in the component's if left out
    #[arg(short, long, value_name = "FOLDER")]
    output: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Build {
    /// The folder of the component, or of a workspace, whose components are all built
    folder: PathBuf,
    #[command(flatten)]
    libraries: Libraries,
    #[command(flatten)]
    limits: BuildLimits,
    /// The package; beside the folder, with the ending `.masp`, if left out
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Split {
    /// The component, in the binary format
    file: PathBuf,
    /// The folder of the composition, which is made; beside the file, without its ending, if left out
    #[arg(short, long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// A function to be exported, as `function` or `interface#function`, and no others but those named; can
    /// be given several times
    #[arg(long, value_name = "NAME")]
    export: Vec<String>,
}

impl ComponentCommand {
    /// Does what is asked for.
    ///
    /// # Errors
    /// Returns an error if there is a mistake in the component's files, or if something cannot be read
    /// or written.
    pub fn run(&self) -> Result<Outcome, Failure> {
        match &self.action {
            Action::New(command) => command.run(),
            Action::Bindings(command) => command.run(),
            Action::Build(command) => command.run(),
            Action::Split(command) => command.run(),
        }
    }
}

impl New {
    fn run(&self) -> Result<Outcome, Failure> {
        files::not_standard(&self.folder, "a component is a folder")?;
        if let Some(wit) = &self.wit {
            files::not_standard(wit, "WIT is a file or a folder")?;
            if !(wit.is_dir() || matches!(Kind::of(wit), Kind::Wit | Kind::Missing)) {
                return Err(is_not(wit, "WIT, a `.wit` file or a folder of them"));
            }
        }
        if self.folder.exists() {
            return Err(Failure::failed(format!(
                "`{}` is there already",
                self.folder.display()
            )));
        }
        let name = self
            .folder
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        let (wit, world) = (self.wit.as_deref(), self.world.as_deref());
        let made = match self.system {
            true => system_component(&name),
            false => new_component(&name, wit, world, self.lang.into()),
        };
        let made = made.map_err(Failure::failed)?;
        let made = made.into_iter().map(|file| (file.path, file.bytes));
        write_all(&self.folder, made, &[])
    }
}

impl WriteBindings {
    fn run(&self) -> Result<Outcome, Failure> {
        let component = component_folder(&self.folder)?;
        if let Some(folder) = &self.output {
            files::not_standard(folder, "bindings are a folder of files")?;
        }
        let modules = bindings(component).map_err(Failure::failed)?;
        let modules = modules
            .into_iter()
            .map(|module| (module.file(), module.text.into_bytes()));
        let folder = match &self.output {
            Some(folder) => folder.clone(),
            None => component.join("bindings"),
        };
        write_all(&folder, modules, &[])
    }
}

fn write_all(
    folder: &Path,
    contents: impl Iterator<Item = (String, Vec<u8>)>,
    inputs: &[PathBuf],
) -> Result<Outcome, Failure> {
    let contents: Vec<(PathBuf, Vec<u8>)> = contents
        .map(|(path, bytes)| (folder.join(path), bytes))
        .collect();
    let wanted = contents.iter().map(|(path, _)| ("a module", path.clone()));
    let outputs = Outputs::check(wanted, inputs)?;
    outputs.write(contents.iter().map(|(_, bytes)| bytes.as_slice()))?;
    let written = contents.iter().map(|(path, _)| path.display().to_string());
    Outcome::new(&WrittenAnswer {
        files: written.collect(),
    })
}

/// The answer of `component new`, `component bindings` and `component split`.
#[derive(Debug, Serialize)]
struct WrittenAnswer {
    files: Vec<String>,
}

impl fmt::Display for WrittenAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.files
            .iter()
            .try_for_each(|file| writeln!(f, "wrote        {file}"))
    }
}

/// The first bytes of a component in the binary format.
const BINARY_COMPONENT: [u8; 8] = *b"\0asm\x0d\0\x01\0";

impl Split {
    fn run(&self) -> Result<Outcome, Failure> {
        files::not_standard(
            &self.file,
            "the folder that is made is named after the file",
        )?;
        let head = File::open(&self.file).and_then(|mut file| {
            let mut head = BINARY_COMPONENT.map(|_| 0);
            file.read_exact(&mut head).map(|()| head)
        });
        if !head.is_ok_and(|head| head == BINARY_COMPONENT) {
            return Err(is_not(&self.file, "a component for WebAssembly"));
        }
        let folder = match &self.output {
            Some(folder) => folder.clone(),
            None => self.file.with_extension(""),
        };
        files::not_standard(&folder, "a composition is a folder")?;
        if folder.exists() {
            return Err(Failure::failed(format!(
                "`{}` is there already",
                folder.display()
            )));
        }
        let only: BTreeSet<String> = self.export.iter().cloned().collect();
        let only = (!only.is_empty()).then_some(&only);
        let made = split_component(&self.file, only).map_err(Failure::failed)?;
        let made = made.into_iter().map(|file| (file.path, file.bytes));
        write_all(&folder, made, std::slice::from_ref(&self.file))
    }
}

impl Build {
    fn run(&self) -> Result<Outcome, Failure> {
        let progress = Progress::start("assembling");
        let loader = self.libraries.loader(self.limits.assembly())?;
        for warning in loader.warnings() {
            progress.warn(warning);
        }
        let folder = match Kind::of(&self.folder) {
            Kind::WorkspaceFile => files::folder_of(&self.folder),
            _ => &self.folder,
        };
        let is_workspace = folder.join(WORKSPACE_FILE).is_file();
        if !is_workspace || folder.join(COMPONENT_FILE).is_file() {
            let folder = component_folder(folder)?;
            let built = self.build(folder, &loader, &progress)?;
            drop(progress);
            let outcome = Outcome::new(&built.answer)?;
            return built.outputs.answer(outcome, [&built.bytes[..]]);
        }
        if self.output.is_some() {
            return Err(Failure::usage(
                "`-o` is for one component: those of a workspace have their packages beside them",
            ));
        }
        let workspace = Workspace::load(folder).map_err(Failure::failed)?;
        let mut components = Vec::new();
        for member in workspace.members() {
            let built = self.build(&member, &loader, &progress)?;
            built.outputs.write([&built.bytes[..]])?;
            components.push(built.answer);
        }
        drop(progress);
        Outcome::new(&WorkspaceAnswer { components })
    }

    /// Assembles one component.
    fn build(&self, folder: &Path, loader: &Loader, progress: &Progress) -> Result<Built, Failure> {
        let component = Component::load(folder, loader.toolchain()).map_err(Failure::failed)?;
        for import in &component.unused_imports {
            progress.warn(format_args!("import `{import}` is never called"));
        }
        self.libraries
            .judge(&findings(&component.forest), progress)?;
        for warning in &component.warnings {
            progress.warn(warning);
        }
        let path = match &self.output {
            Some(path) => path.clone(),
            None => beside(folder, "masp")?,
        };
        let mut read = component.files.clone();
        read.extend(self.libraries.paths().cloned());
        let outputs = Outputs::check([("the package", path.clone())], &read)?;
        let bytes = component.to_package().map_err(Failure::failed)?;
        let exports = component.exports.iter();
        let answer = BuildAnswer {
            component: component.name.clone(),
            exports: exports
                .map(|(name, export)| ExportAnswer {
                    name: name.clone(),
                    digest: export.digest.to_hex(),
                })
                .collect(),
            package: path.display().to_string(),
            bytes: bytes.len(),
        };
        Ok(Built {
            answer,
            outputs,
            bytes,
        })
    }
}

/// A component that is built and not yet written.
struct Built {
    answer: BuildAnswer,
    outputs: Outputs,
    bytes: Vec<u8>,
}

/// The answer of `component build` for a workspace.
#[derive(Debug, Serialize)]
struct WorkspaceAnswer {
    components: Vec<BuildAnswer>,
}

impl fmt::Display for WorkspaceAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.components
            .iter()
            .try_for_each(|component| component.fmt(f))
    }
}

/// The folder of a component, which can be named by its `component.toml` too.
fn component_folder(path: &Path) -> Result<&Path, Failure> {
    files::not_standard(path, "a component is a folder")?;
    match Kind::of(path) {
        Kind::Component | Kind::Missing => Ok(path),
        // A folder can be a composition and a component.
        _ if path.join(COMPONENT_FILE).is_file() => Ok(path),
        Kind::ComponentFile => Ok(files::folder_of(path)),
        _ => Err(is_not(path, "the folder of a component")),
    }
}

/// A file beside a folder, with its name and this ending. The whole name stays, dots and all.
///
/// # Errors
/// Returns an error if there is no such folder.
pub fn beside(folder: &Path, ending: &str) -> Result<PathBuf, Failure> {
    let mut path = fs::canonicalize(folder)
        .map_err(Failure::failed)?
        .into_os_string();
    path.push(".");
    path.push(ending);
    Ok(path.into())
}

/// The answer of `component build`.
#[derive(Debug, Serialize)]
struct BuildAnswer {
    component: String,
    exports: Vec<ExportAnswer>,
    package: String,
    bytes: usize,
}

#[derive(Debug, Serialize)]
struct ExportAnswer {
    name: String,
    digest: String,
}

impl fmt::Display for BuildAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "component    {}", self.component)?;
        for export in &self.exports {
            writeln!(f, "export       {} {}", export.digest, export.name)?;
        }
        writeln!(f, "package      {}, {} bytes", self.package, self.bytes)
    }
}
