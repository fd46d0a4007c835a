//! The options that say what code is assembled with.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use miden_cvm::{AssemblyLimits, Finding, Loader, PackageKind, TargetError};

use super::{
    files,
    kind::{Kind, is_not, not_a},
    outcome::Failure,
    progress::Progress,
};

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
    /// Refuse code with known advisories, instead of warning about it
    #[arg(long, value_name = "WHAT")]
    deny: Vec<Deny>,
}

/// A kind of warning that is to be an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Deny {
    /// Code with known advisories
    Advisories,
}

impl Libraries {
    /// A loader with the kernel and the libraries, that bounds the assembler.
    ///
    /// # Errors
    /// Returns an error if one of them cannot be loaded.
    pub fn loader(&self, limits: AssemblyLimits) -> Result<Loader, Failure> {
        self.paths()
            .try_for_each(|path| files::not_standard(path, "a kernel or a library is a path"))?;
        let mut loader = Loader::new().with_limits(limits);
        if self.published_library {
            loader = loader.with_published_library();
        }
        if let Some(kernel) = &self.kernel {
            check_code(kernel, "a kernel", |kind| {
                matches!(kind, PackageKind::Library)
            })?;
            loader = loader.with_kernel(kernel).map_err(refused)?;
        }
        for library in &self.libraries {
            check_code(library, "a library", |kind| {
                matches!(kind, PackageKind::Library | PackageKind::Component)
            })?;
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

/// Checks that a path is not of something whose sources or packages are none of the code that is wanted, whatever
/// the assembler makes of them.
fn check_code(
    path: &Path,
    wanted: &str,
    is_package: impl Fn(PackageKind) -> bool,
) -> Result<(), Failure> {
    match Kind::of(path) {
        Kind::Component | Kind::Composition | Kind::Workspace => Err(is_not(path, wanted)),
        Kind::Package(kind) if !is_package(kind) => Err(is_not(path, wanted)),
        _ => Ok(()),
    }
}

/// The failure of a path that is something else than wanted, with what it is.
fn with_kind(error: &TargetError, path: &Path, wanted: &str) -> Failure {
    match not_a(path, wanted) {
        Some(text) => Failure::usage(format!("{error}\n  {text}")),
        None => Failure::usage(error),
    }
}

/// Returns the failure for an error in a target, a kernel or a library.
pub fn refused(error: TargetError) -> Failure {
    match error {
        TargetError::UnknownLibrary(ref path) => with_kind(&error, path, "a library"),
        TargetError::UnknownKernel(ref path) => with_kind(&error, path, "a kernel"),
        TargetError::UnknownKind(_) | TargetError::Namespace(_) => Failure::usage(error),
        TargetError::Unreadable { path, reason } => files::unreadable(&path, &reason),
        _ => Failure::failed(error),
    }
}
