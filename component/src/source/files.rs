//! The Miden assembly files of a component, and the modules that they are.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Component as PathPart, Path, PathBuf},
};

use crate::{bindings::stubs::STUB_MODULE, error::Problem, text::names::is_module_name};

/// One source file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    /// Where it is.
    pub(crate) file: PathBuf,
    /// The module it is, such as `math::rates` for `math/rates.masm`.
    pub(crate) module: String,
}

/// Finds what an entry of `sources` stands for: a file, or all `.masm` files below a folder.
pub(crate) fn find_sources(folder: &Path, entry: &str) -> Result<Vec<Source>, Problem> {
    let relative = inside(entry)?;
    let mut found = Vec::new();
    collect(folder, relative, &mut Vec::new(), &mut found)?;
    if found.is_empty() {
        return Err(Problem::SourceName(entry.into()));
    }
    Ok(found)
}

/// Checks that a path in a component's file stays inside the component's folder.
pub(crate) fn inside(entry: &str) -> Result<&Path, Problem> {
    let path = Path::new(entry);
    let stays = path
        .components()
        .all(|p| matches!(p, PathPart::Normal(_) | PathPart::CurDir));
    if stays {
        Ok(path)
    } else {
        Err(Problem::OutsideFolder(entry.into()))
    }
}

/// Adds the sources at `relative`; `ancestors` are the folders that lead there, links resolved.
fn collect(
    folder: &Path,
    relative: &Path,
    ancestors: &mut Vec<PathBuf>,
    found: &mut Vec<Source>,
) -> Result<(), Problem> {
    let path = folder.join(relative);
    let unreadable = |error: io::Error| Problem::Unreadable {
        what: "source",
        path: path.clone(),
        reason: error.to_string(),
    };
    let canonical = fs::canonicalize(&path).map_err(|error| {
        if is_link_loop(&path, &error) {
            Problem::FolderCycle(path.clone())
        } else {
            unreadable(error)
        }
    })?;
    if !canonical.is_dir() {
        found.push(Source {
            module: module_of(relative)?,
            file: path,
        });
        return Ok(());
    }
    if ancestors.contains(&canonical) {
        return Err(Problem::FolderCycle(path));
    }
    ancestors.push(canonical);
    // Sorted, so that what is found does not depend on the file system.
    let mut entries = BTreeSet::new();
    for entry in fs::read_dir(&path).map_err(unreadable)? {
        entries.insert(relative.join(entry.map_err(unreadable)?.file_name()));
    }
    for entry in entries {
        let is_masm = entry
            .extension()
            .is_some_and(|extension| extension == "masm");
        if is_masm || folder.join(&entry).is_dir() {
            collect(folder, &entry, ancestors, found)?;
        }
    }
    ancestors.pop();
    Ok(())
}

/// Returns `true` if `path` cannot be resolved because symbolic links lead back to themselves. (The
/// kind of error that says so is not stable in the standard library.)
pub(crate) fn is_link_loop(path: &Path, error: &io::Error) -> bool {
    let other = [io::ErrorKind::NotFound, io::ErrorKind::PermissionDenied];
    !other.contains(&error.kind()) && path.ancestors().any(Path::is_symlink)
}

/// The module that the source at a path relative to the component's folder is.
fn module_of(relative: &Path) -> Result<String, Problem> {
    let refused = || Problem::SourceName(relative.display().to_string());
    if relative
        .extension()
        .is_none_or(|extension| extension != "masm")
    {
        return Err(refused());
    }
    let mut parts = Vec::new();
    for part in relative.with_extension("").components() {
        if let PathPart::Normal(part) = part {
            let part = part
                .to_str()
                .filter(|part| is_module_name(part))
                .ok_or_else(refused)?;
            parts.push(part.to_owned());
        }
    }
    let module = parts.join("::");
    if parts.first().is_some_and(|first| first == STUB_MODULE) {
        return Err(Problem::ReservedModule(module));
    }
    Ok(module)
}
