//! The options that say what code is assembled with.

use std::{collections::BTreeSet, path::PathBuf};

use clap::{Args, ValueEnum};
use miden_cvm::{AssemblyLimits, Finding, Loader, TargetError};

use super::{files, outcome::Failure, progress::Progress};

/// The kernel and libraries that code is assembled with.
#[derive(Debug, Clone, Args)]
pub struct Libraries {
    /// The kernel: a `.masm` file, a folder with `kernel.masm` or `api.masm`, or a `.masl` or `.masp`
    /// file
    #[arg(long, value_name = "PATH")]
    kernel: Option<PathBuf>,
    /// A library: a `.masl` or `.masp` file, or a folder of `.masm` files, whose name is the
    /// namespace; can be given several times, and later ones may use earlier ones
    #[arg(short, long = "library", value_name = "PATH")]
    libraries: Vec<PathBuf>,
    /// Assemble as Miden's assembler 0.20.6 does, with its core library as published: for code that
    /// has to have the same digests. Proofs about it can be of runs with false results
    #[arg(long)]
    published_library: bool,
    /// Refuse code that there are advisories about, instead of warning of it
    #[arg(long, value_name = "WHAT")]
    deny: Vec<Deny>,
}

/// A kind of warning that is to be an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Deny {
    /// Code that there are advisories about
    Advisories,
}

impl Libraries {
    /// A loader with the kernel and the libraries, that bounds the assembler.
    ///
    /// # Errors
    /// Returns an error if one of them cannot be loaded.
    pub fn loader(&self, limits: AssemblyLimits) -> Result<Loader, Failure> {
        if self.paths().any(|path| files::is_standard(path)) {
            return Err(Failure::usage(
                "a kernel or a library is a file or a folder, and cannot be the standard input",
            ));
        }
        let mut loader = Loader::new().with_limits(limits);
        if self.published_library {
            loader = loader.with_published_library();
        }
        if let Some(kernel) = &self.kernel {
            loader = loader.with_kernel(kernel).map_err(refused)?;
        }
        for library in &self.libraries {
            loader = loader.with_library(library).map_err(refused)?;
        }
        Ok(loader)
    }

    /// Warns of the advisories that code has, or refuses it.
    ///
    /// # Errors
    /// Returns an error that names all that was found, if that is denied.
    pub fn judge(&self, found: &BTreeSet<Finding>, progress: &Progress) -> Result<(), Failure> {
        if self.deny.contains(&Deny::Advisories) && !found.is_empty() {
            let found: Vec<String> = found
                .iter()
                .map(|finding| format!("\n  {finding}"))
                .collect();
            return Err(Failure::failed(format!(
                "there are advisories about this code:{}",
                found.concat()
            )));
        }
        for finding in found {
            progress.warn(finding);
        }
        Ok(())
    }

    /// The files and folders that were given.
    pub fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        self.kernel.iter().chain(&self.libraries)
    }
}

/// Returns the failure for an error in a target, a kernel or a library.
pub fn refused(error: TargetError) -> Failure {
    match error {
        TargetError::UnknownKind(_)
        | TargetError::Namespace(_)
        | TargetError::UnknownLibrary(_)
        | TargetError::UnknownKernel(_) => Failure::usage(error),
        TargetError::Unreadable { path, reason } => files::unreadable(&path, &reason),
        _ => Failure::failed(error),
    }
}
