//! `component new`, `component bindings` and `component build`.

use core::fmt;
use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use miden_cvm::{Component, Toolchain, bindings, new_component};
use serde::Serialize;

use super::{
    files,
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
    /// The folder of the component
    folder: PathBuf,
    /// The package; beside the folder, with the ending `.masp`, if left out
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
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
        }
    }
}

impl New {
    fn run(&self) -> Result<Outcome, Failure> {
        let name = self
            .folder
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        let made = new_component(&name, self.wit.as_deref(), self.world.as_deref())
            .map_err(Failure::failed)?;
        if self.folder.exists() {
            return Err(Failure::failed(format!(
                "`{}` is there already",
                self.folder.display()
            )));
        }
        let made = made.into_iter().map(|file| (file.path, file.text));
        write_all(&self.folder, made)
    }
}

impl WriteBindings {
    fn run(&self) -> Result<Outcome, Failure> {
        let modules = bindings(&self.folder).map_err(Failure::failed)?;
        let modules = modules
            .into_iter()
            .map(|module| (module.file(), module.text));
        let folder = match &self.output {
            Some(folder) => folder.clone(),
            None => self.folder.join("bindings"),
        };
        write_all(&folder, modules)
    }
}

fn write_all(
    folder: &Path,
    contents: impl Iterator<Item = (String, String)>,
) -> Result<Outcome, Failure> {
    let mut written = Vec::new();
    for (path, text) in contents {
        let path = folder.join(path);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).map_err(|error| {
            Failure::failed(format!("`{}` cannot be made: {error}", parent.display()))
        })?;
        files::write(&path, text.as_bytes())?;
        written.push(path.display().to_string());
    }
    Outcome::new(&WrittenAnswer { files: written })
}

/// What `component new` and `component bindings` answer.
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

impl Build {
    fn run(&self) -> Result<Outcome, Failure> {
        let progress = Progress::start("assembling");
        let component =
            Component::load(&self.folder, &Toolchain::new()).map_err(Failure::failed)?;
        for import in &component.unused_imports {
            progress.suspend(|| eprintln!("warning: import `{import}` is never called"));
        }
        let bytes = component.to_package().map_err(Failure::failed)?;
        let path = match &self.output {
            Some(path) => path.clone(),
            None => fs::canonicalize(&self.folder)
                .map_err(Failure::failed)?
                .with_extension("masp"),
        };
        files::write(&path, &bytes)?;
        drop(progress);
        let exports = component.exports.iter();
        Outcome::new(&BuildAnswer {
            component: component.name.clone(),
            exports: exports
                .map(|(name, export)| ExportAnswer {
                    name: name.clone(),
                    digest: export.digest.to_hex(),
                })
                .collect(),
            package: path.display().to_string(),
            bytes: bytes.len(),
        })
    }
}

/// What `component build` answers.
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
