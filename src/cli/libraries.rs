//! The options that say what code is assembled with.

use std::path::PathBuf;

use clap::Args;
use miden_cvm::{Loader, TargetError};

use super::outcome::Failure;

/// What code is assembled with.
#[derive(Debug, Args)]
pub struct Libraries {
    /// The kernel: a `.masm` file, a folder with `kernel.masm` or `api.masm`, or a `.masl` or `.masp`
    /// file
    #[arg(long, value_name = "PATH")]
    kernel: Option<PathBuf>,
    /// A library: a `.masl` or `.masp` file, or a folder of `.masm` files, whose name is the
    /// namespace; can be given several times, and later ones may use earlier ones
    #[arg(short, long = "library", value_name = "PATH")]
    libraries: Vec<PathBuf>,
}

impl Libraries {
    /// A loader with the kernel and the libraries.
    ///
    /// # Errors
    /// Returns an error if one of them cannot be loaded.
    pub fn loader(&self) -> Result<Loader, Failure> {
        let mut loader = Loader::new();
        if let Some(kernel) = &self.kernel {
            loader = loader.with_kernel(kernel).map_err(refused)?;
        }
        for library in &self.libraries {
            loader = loader.with_library(library).map_err(refused)?;
        }
        Ok(loader)
    }

    /// The files and folders that were given.
    pub fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        self.kernel.iter().chain(&self.libraries)
    }
}

/// What is wrong with a target, a kernel or a library.
pub fn refused(error: TargetError) -> Failure {
    match error {
        TargetError::UnknownKind(_)
        | TargetError::UnknownLibrary(_)
        | TargetError::UnknownKernel(_) => Failure::usage(error),
        _ => Failure::failed(error),
    }
}
