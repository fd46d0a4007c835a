//! `compile` and `bundle`: programs and libraries in Miden assembly as files of code.

use core::fmt;
use std::path::PathBuf;

use clap::Args;
use miden_cvm::{MAX_FILE_LEN, findings, library_bytes, package_program, target_file};
use serde::Serialize;

use super::{
    component::beside,
    files::{self, Outputs},
    kind::{Kind, is_not, not_a},
    libraries::{Libraries, refused},
    limits::BuildLimits,
    outcome::{Failure, Outcome},
    progress::Progress,
    run::CodeAnswer,
};

/// Assembles a program into a package.
#[derive(Debug, Args)]
pub struct CompileCommand {
    /// The program: a `.masm` file, or the folder of one; `-` is the standard input
    program: PathBuf,
    #[command(flatten)]
    libraries: Libraries,
    #[command(flatten)]
    limits: BuildLimits,
    /// The package; beside the program, with the ending `.masp`, if left out
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl CompileCommand {
    /// Assembles it.
    ///
    /// # Errors
    /// Returns an error if it is no program in Miden assembly, if the assembler refuses it, or if
    /// something cannot be read or written.
    pub fn run(&self) -> Result<Outcome, Failure> {
        let progress = Progress::start("assembling");
        let is_standard = files::is_standard(&self.program);
        let kind = Kind::of(&self.program);
        let is_source = matches!(kind, Kind::Masm | Kind::ProgramFolder | Kind::Missing);
        let wanted = "a program in Miden assembly";
        if !is_standard
            && !is_source
            && let Some(text) = not_a(&self.program, wanted)
        {
            return Err(Failure::usage(text));
        }
        let file = target_file(&self.program).map_err(refused)?;
        if file.extension().is_some_and(|ending| ending == "masp")
            && let Some(text) = not_a(&file, wanted)
        {
            return Err(Failure::usage(text));
        }
        let loader = self.libraries.loader(self.limits.assembly())?;
        let target = match is_standard {
            true => {
                let bytes = files::read(&file, MAX_FILE_LEN)?;
                loader.load_bytes(&bytes, "standard input".as_ref())
            }
            false => loader.load(&file),
        };
        let target = target.map_err(refused)?;
        for warning in target.warnings() {
            progress.warn(warning);
        }
        self.libraries.judge(&target.findings(), &progress)?;
        let output = files::or_beside(
            self.output.as_ref(),
            &file,
            "masp",
            "the package goes (`-o`)",
        )?;
        let mut read = target.files().to_vec();
        read.extend(self.libraries.paths().cloned());
        let outputs = Outputs::check([("the package", output.clone())], &read)?;
        let name = match is_standard {
            true => "program".into(),
            false => file.file_stem().unwrap_or_default().to_string_lossy(),
        };
        let bytes = package_program(target.program(), &name);
        drop(progress);
        let outcome = Outcome::new(&CompileAnswer {
            code: CodeAnswer::new(&target),
            package: output.display().to_string(),
            bytes: bytes.len(),
        })?;
        outputs.answer(outcome, [&bytes[..]])
    }
}

/// The answer of `compile`.
#[derive(Debug, Serialize)]
struct CompileAnswer {
    #[serde(flatten)]
    code: CodeAnswer,
    package: String,
    bytes: usize,
}

impl fmt::Display for CompileAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.code.fmt(f)?;
        writeln!(f, "package      {}, {} bytes", self.package, self.bytes)
    }
}

/// Assembles a library, or a kernel, into one file.
#[derive(Debug, Args)]
pub struct BundleCommand {
    /// The folder of `.masm` files; of a kernel also its only file
    folder: PathBuf,
    /// The namespace of the library; the folder's name if left out
    #[arg(long, value_name = "NAME", conflicts_with = "as_kernel")]
    namespace: Option<String>,
    /// Bundle a kernel, as `--kernel` takes it
    #[arg(long, conflicts_with = "kernel")]
    as_kernel: bool,
    #[command(flatten)]
    libraries: Libraries,
    #[command(flatten)]
    limits: BuildLimits,
    /// The library; beside the folder, with the ending `.masl`, if left out
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl BundleCommand {
    /// Assembles it.
    ///
    /// # Errors
    /// Returns an error if there are no sources, if the assembler refuses them, or if something cannot be
    /// read or written.
    pub fn run(&self) -> Result<Outcome, Failure> {
        let progress = Progress::start("assembling");
        files::not_standard(&self.folder, "a library is a folder")?;
        let kind = Kind::of(&self.folder);
        let is_source = match kind {
            Kind::Masm => self.as_kernel,
            Kind::Folder | Kind::ProgramFolder | Kind::Missing => true,
            _ => false,
        };
        if !is_source {
            return Err(is_not(
                &self.folder,
                match self.as_kernel {
                    true => "the file or folder of a kernel's sources",
                    false => "the folder of a library",
                },
            ));
        }
        let mut loader = self.libraries.loader(self.limits.assembly())?;
        let library = if self.as_kernel {
            loader = loader.with_kernel(&self.folder).map_err(refused)?;
            let kernel = loader.toolchain().kernel();
            kernel.map(|kernel| kernel.as_ref().clone())
        } else {
            let namespace = self.namespace.as_deref();
            let library = loader.assemble_library(&self.folder, namespace);
            Some((*library.map_err(refused)?).clone())
        };
        let library = library.ok_or_else(|| Failure::failed("there is no kernel"))?;
        for warning in loader.warnings() {
            progress.warn(warning);
        }
        self.libraries
            .judge(&findings(library.mast_forest()), &progress)?;
        let output = match &self.output {
            Some(path) => path.clone(),
            None if self.folder.is_dir() => beside(&self.folder, "masl")?,
            None => self.folder.with_extension("masl"),
        };
        let read: Vec<PathBuf> = std::iter::once(&self.folder)
            .chain(self.libraries.paths())
            .cloned()
            .collect();
        let outputs = Outputs::check([("the library", output.clone())], &read)?;
        let bytes = library_bytes(&library).map_err(Failure::failed)?;
        drop(progress);
        let exports = library.exports();
        let outcome = Outcome::new(&BundleAnswer {
            digest: library.digest().to_hex(),
            exports: exports.map(|export| export.path().to_string()).collect(),
            library: output.display().to_string(),
            bytes: bytes.len(),
        })?;
        outputs.answer(outcome, [&bytes[..]])
    }
}

/// The answer of `bundle`.
#[derive(Debug, Serialize)]
struct BundleAnswer {
    digest: String,
    exports: Vec<String>,
    library: String,
    bytes: usize,
}

impl fmt::Display for BundleAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "digest       {}", self.digest)?;
        for export in &self.exports {
            writeln!(f, "export       {export}")?;
        }
        writeln!(f, "library      {}, {} bytes", self.library, self.bytes)
    }
}
