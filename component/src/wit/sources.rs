//! The texts of a WIT package and of the packages that it depends on.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::error::{BuildError, Problem};

/// A WIT file of a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WitFile {
    /// Its path below the WIT folder, with `/` between the parts.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// All WIT files of a component and where they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WitSources {
    /// The folder, or the file if it is a single one; it is put before paths in errors.
    pub(crate) base: PathBuf,
    /// The files, sorted by path.
    pub(crate) files: Vec<WitFile>,
}

impl WitSources {
    /// Reads a WIT file, or a folder with `.wit` files and the folder `deps`, which has a `.wit` file or
    /// a folder of them for each package.
    pub(crate) fn read(path: &Path) -> Result<Self, BuildError> {
        let mut files = Vec::new();
        if path.is_dir() {
            read_folder(path, "", &mut files)?;
            let deps = path.join("deps");
            if deps.is_dir() {
                read_folder(&deps, "deps/", &mut files)?;
                for name in entries(&deps)? {
                    if deps.join(&name).is_dir() {
                        read_folder(&deps.join(&name), &format!("deps/{name}/"), &mut files)?;
                    }
                }
            }
            if files.is_empty() {
                return Err(BuildError::in_file(path, Problem::NoWit));
            }
        } else {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            files.push(WitFile {
                path: name.into_owned(),
                text: read_text(path)?,
            });
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let base = if path.is_dir() {
            path.into()
        } else {
            path.parent().unwrap_or(Path::new("")).into()
        };
        Ok(Self { base, files })
    }

    /// Where a file is.
    pub(crate) fn location(&self, path: &str) -> PathBuf {
        self.base.join(path)
    }

    /// The files of each package: the component's own first, then those of its dependencies.
    pub(crate) fn packages(&self) -> (Vec<&WitFile>, Vec<Vec<&WitFile>>) {
        let mut own = Vec::new();
        let mut others: BTreeMap<&str, Vec<&WitFile>> = BTreeMap::new();
        for file in &self.files {
            match file.path.strip_prefix("deps/") {
                None => own.push(file),
                Some(path) => {
                    let package = path.split_once('/').map_or(path, |(package, _)| package);
                    others.entry(package).or_default().push(file);
                }
            }
        }
        (own, others.into_values().collect())
    }
}

fn read_folder(folder: &Path, prefix: &str, files: &mut Vec<WitFile>) -> Result<(), BuildError> {
    for name in entries(folder)? {
        let path = folder.join(&name);
        if name.ends_with(".wit") && path.is_file() {
            files.push(WitFile {
                path: format!("{prefix}{name}"),
                text: read_text(&path)?,
            });
        }
    }
    Ok(())
}

/// The names in a folder, sorted, so that what is read does not depend on the file system.
fn entries(folder: &Path) -> Result<BTreeSet<String>, BuildError> {
    let unreadable = |error: std::io::Error| unreadable(folder, &error);
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        if let Ok(name) = entry.map_err(unreadable)?.file_name().into_string() {
            names.insert(name);
        }
    }
    Ok(names)
}

fn read_text(path: &Path) -> Result<String, BuildError> {
    fs::read_to_string(path).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &std::io::Error) -> BuildError {
    let problem = Problem::Unreadable {
        what: "WIT",
        path: path.into(),
        reason: error.to_string(),
    };
    BuildError::in_file(path, problem)
}
