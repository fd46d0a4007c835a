//! Assembled code that a `component.toml` names.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use miden_assembly::Library;
use toml::Spanned;

use crate::{
    assembly::toolchain::Toolchain,
    code::artifact::read_linked_library,
    error::{BuildError, Problem},
    file::read_file,
    source::{files::inside, manifest::Manifest},
    text::document::Document,
};

/// The toolchain with the libraries that `component.toml` names.
pub(crate) fn with_libraries(
    document: &Document,
    folder: &Path,
    libraries: &[Spanned<String>],
    toolchain: &Toolchain,
) -> Result<Toolchain, BuildError> {
    let mut extended = toolchain.clone();
    for entry in libraries {
        let at_entry = |problem| document.error_at(entry, problem);
        // It can lie outside of the folder: what is used of it becomes part of the component.
        let path = folder.join(entry.get_ref());
        let extension = path.extension().and_then(|extension| extension.to_str());
        if path.is_dir() || !matches!(extension, Some("masl" | "masp")) {
            return Err(at_entry(Problem::NotALibrary(path)));
        }
        let library = read_code("library", path).map_err(at_entry)?;
        extended = extended.with_library(Arc::unwrap_or_clone(library));
    }
    Ok(extended)
}

/// The assembled code that the component has besides its sources.
pub(crate) fn assembled_code(
    document: &Document,
    folder: &Path,
    manifest: &Manifest,
    has_world: bool,
) -> Result<Option<Arc<Library>>, BuildError> {
    let Some(entry) = &manifest.package else {
        return Ok(None);
    };
    let at_entry = |problem| document.error_at(entry, problem);
    if !has_world {
        return Err(at_entry(Problem::PackageWithoutWorld));
    }
    let path = folder.join(inside(entry.get_ref()).map_err(at_entry)?);
    let library = read_code("package", path).map_err(at_entry)?;
    Ok(Some(library))
}

/// The assembled code in a file.
fn read_code(what: &'static str, path: PathBuf) -> Result<Arc<Library>, Problem> {
    let bytes = read_file(&path).map_err(|error| Problem::Unreadable {
        what,
        path: path.clone(),
        reason: error.to_string(),
    })?;
    read_linked_library(&bytes).map_err(|error| Problem::Package {
        path,
        reason: Box::new(error.into()),
    })
}
