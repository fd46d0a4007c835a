//! Packages (`.masp`) that were built elsewhere.

use std::panic::catch_unwind;

use miden_core::utils::Deserializable;
use miden_mast_package::Package;
use thiserror::Error;

use crate::forest::{ForestError, verify_forest};

/// A package that cannot be used.
#[derive(Debug, Error)]
pub enum PackageError {
    /// The bytes are no package of this version.
    #[error("this is not a package of Miden 0.20: {0}")]
    Format(String),
    /// The package's code does not have the digests it states.
    #[error("the package's code was tampered with: {0}")]
    Code(#[from] ForestError),
}

/// Reads a package and recomputes the digests of its code.
///
/// # Errors
/// Returns an error if the bytes are no package, or if a digest in it is not that of its code.
pub fn load_package(bytes: &[u8]) -> Result<Package, PackageError> {
    // The published reader indexes by numbers that it reads, so that malformed bytes can panic.
    let package = catch_unwind(|| Package::read_from_bytes(bytes))
        .map_err(|_| PackageError::Format("it refers to parts that it does not have".into()))?
        .map_err(|error| PackageError::Format(error.to_string()))?;
    verify_forest(package.mast.mast_forest())?;
    Ok(package)
}
