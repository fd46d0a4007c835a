//! The texts of a WIT package and of the packages that it depends on.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    error::{BuildError, Problem},
    text::read,
};

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
    /// The folder that the files are in; it is put before their paths in errors.
    pub(crate) base: PathBuf,
    /// The files, sorted by path.
    pub(crate) files: Vec<WitFile>,
    /// Where those are that are not below the base, by path.
    pub(crate) elsewhere: BTreeMap<String, PathBuf>,
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
                text: read(path, "WIT")?,
            });
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let base = if path.is_dir() {
            path.into()
        } else {
            path.parent().unwrap_or(Path::new("")).into()
        };
        Ok(Self {
            base,
            files,
            elsewhere: BTreeMap::new(),
        })
    }

    /// Adds the packages in a folder that are used here and not among these, as if they were in `deps`.
    /// The folder has a `.wit` file or a folder of them for each.
    pub(crate) fn add_shared(&mut self, folder: &Path) -> Result<(), BuildError> {
        let mut packages: Vec<SharedPackage> = Vec::new();
        for name in entries(folder)? {
            let path = folder.join(&name);
            let mut files = Vec::new();
            if path.is_dir() {
                read_folder(&path, "", &mut files)?;
            } else if name.ends_with(".wit") {
                let text = read(&path, "WIT")?;
                files.push(WitFile { path: name, text });
            }
            let from = if path.is_dir() { &path } else { folder };
            let declared = files.iter().find_map(|file| package_of(&file.text));
            if let Some((package, version)) = declared.map(|(p, v)| (p.to_owned(), v.to_owned())) {
                packages.push((package, version, from.to_owned(), files));
            }
        }
        let here: BTreeSet<(String, String)> = self
            .files
            .iter()
            .filter_map(|file| package_of(&file.text))
            .map(|(package, version)| (package.to_owned(), version.to_owned()))
            .collect();
        packages.retain(|(package, version, ..)| {
            !here.contains(&(package.to_owned(), version.to_owned()))
        });
        let mut by_name: BTreeMap<String, Vec<SharedPackage>> = BTreeMap::new();
        for package in packages {
            by_name.entry(package.0.clone()).or_default().push(package);
        }
        // Those that are used, those that are used by these, and so on.
        let mut used: Vec<String> = self.files.iter().flat_map(|f| uses_of(&f.text)).collect();
        while let Some(name) = used.pop() {
            for (package, version, from, files) in by_name.remove(&name).unwrap_or_default() {
                let entry = format!("{}-{version}", package.replace(':', "-"));
                let entry = entry.trim_end_matches('-');
                for file in files {
                    used.extend(uses_of(&file.text));
                    let path = format!("deps/{entry}/{}", file.path);
                    self.elsewhere.insert(path.clone(), from.join(&file.path));
                    self.files.push(WitFile {
                        path,
                        text: file.text,
                    });
                }
            }
        }
        self.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(())
    }

    /// Where all of it is, for errors about no single place: the folder, or the only file.
    pub(crate) fn whole(&self) -> PathBuf {
        match self.files.as_slice() {
            [file] => self.location(&file.path),
            _ => self.base.clone(),
        }
    }

    /// Where a file is.
    pub(crate) fn location(&self, path: &str) -> PathBuf {
        match self.elsewhere.get(path) {
            Some(place) => place.clone(),
            None => self.base.join(path),
        }
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

/// A package of a workspace: its name, its version, the folder that it is in and its files.
type SharedPackage = (String, String, PathBuf, Vec<WitFile>);

/// The names of the packages that a WIT text could use: all that stands before a `/` as the name of a
/// package.
fn uses_of(text: &str) -> BTreeSet<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-:%".contains(c);
    let before = text.split('/').map(|part| {
        let start = part.rfind(|c| !is_name(c)).map_or(0, |place| place + 1);
        part.get(start..).unwrap_or_default()
    });
    let names = before.filter(|name| name.contains(':'));
    names.map(|name| name.replace('%', "")).collect()
}

/// The name and the version of the package that a WIT text is of, if it says so.
fn package_of(text: &str) -> Option<(&str, &str)> {
    let mut lines = text.lines().map(str::trim_start);
    let declared = lines.find_map(|line| line.strip_prefix("package "))?;
    let name = declared.split([';', '{']).next()?.trim();
    Some(name.split_once('@').unwrap_or((name, "")))
}

fn read_folder(folder: &Path, prefix: &str, files: &mut Vec<WitFile>) -> Result<(), BuildError> {
    for name in entries(folder)? {
        let path = folder.join(&name);
        if !prefix.is_empty() && name.ends_with(".wasm") && path.is_file() {
            let problem = Problem::BinaryWit(path.display().to_string());
            return Err(BuildError::in_file(folder, problem));
        }
        if name.ends_with(".wit") && path.is_file() {
            files.push(WitFile {
                path: format!("{prefix}{name}"),
                text: read(&path, "WIT")?,
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

fn unreadable(path: &Path, error: &std::io::Error) -> BuildError {
    let problem = Problem::Unreadable {
        what: "WIT",
        path: path.into(),
        reason: error.to_string(),
    };
    BuildError::in_file(path, problem)
}
