//! Several components with WIT and libraries in common: a `workspace.toml` above their folders.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use toml::Spanned;

use crate::{
    assembly::toolchain::Toolchain,
    error::{BuildError, Problem},
    source::libraries::with_libraries,
    text::document::Document,
    wit::WitSources,
};

/// The name of the file that makes a folder a workspace.
pub const WORKSPACE_FILE: &str = "workspace.toml";

/// A `workspace.toml` as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WorkspaceEntries {
    /// The folders of its components.
    members: Vec<Spanned<String>>,
    /// The folder with the WIT packages that all of them can use.
    wit: Option<Spanned<String>>,
    /// Assembled libraries whose procedures the sources of all of them can use.
    #[serde(default)]
    libraries: Vec<Spanned<String>>,
}

/// A workspace: components with WIT and libraries in common.
pub struct Workspace {
    document: Document,
    folder: PathBuf,
    entries: WorkspaceEntries,
}

impl Workspace {
    /// Reads the workspace in a folder.
    ///
    /// # Errors
    /// Returns an error if it cannot be read, or if a member is no folder.
    pub fn load(folder: &Path) -> Result<Self, BuildError> {
        let document = Document::read(&folder.join(WORKSPACE_FILE), "workspace file")?;
        let entries: WorkspaceEntries = document.parse()?;
        if entries.members.is_empty() {
            return Err(BuildError::in_file(document.path(), Problem::NoMembers));
        }
        let mut known = BTreeSet::new();
        for member in &entries.members {
            let path = folder.join(member.get_ref());
            if !path.is_dir() {
                let problem = Problem::NotAComponent(path.clone());
                return Err(document.error_at(member, problem).with_similar_path(&path));
            }
            if !known.insert(fs::canonicalize(&path).unwrap_or(path)) {
                let problem = Problem::MemberTwice(member.get_ref().clone());
                return Err(document.error_at(member, problem));
            }
        }
        if let Some(wit) = &entries.wit
            && !folder.join(wit.get_ref()).is_dir()
        {
            return Err(document.error_at(wit, Problem::NoWit));
        }
        Ok(Self {
            document,
            folder: folder.into(),
            entries,
        })
    }

    /// The workspace that the component in a folder is a member of: the nearest one above it, if it
    /// names it.
    pub(crate) fn of_member(folder: &Path) -> Result<Option<Self>, BuildError> {
        let Ok(canonical) = fs::canonicalize(folder) else {
            return Ok(None);
        };
        let mut above = canonical.ancestors().skip(1);
        let Some(nearest) = above.find(|above| above.join(WORKSPACE_FILE).is_file()) else {
            return Ok(None);
        };
        let workspace = Self::load(nearest)?;
        let is_member = workspace
            .members()
            .any(|member| fs::canonicalize(member).is_ok_and(|m| m == canonical));
        Ok(is_member.then_some(workspace))
    }

    /// The folders of its components.
    pub fn members(&self) -> impl Iterator<Item = PathBuf> {
        let members = self.entries.members.iter();
        members.map(|member| self.folder.join(member.get_ref()))
    }

    /// The same WIT with those packages of the workspace that it uses and does not have.
    pub(crate) fn complete(&self, sources: &mut WitSources) -> Result<(), BuildError> {
        match &self.entries.wit {
            Some(wit) => sources.add_shared(&self.folder.join(wit.get_ref())),
            None => Ok(()),
        }
    }

    /// The settings that its components are assembled with.
    pub(crate) fn toolchain(&self, toolchain: &Toolchain) -> Result<Toolchain, BuildError> {
        with_libraries(
            &self.document,
            &self.folder,
            &self.entries.libraries,
            toolchain,
        )
    }

    /// The files that its components are made of besides their own.
    pub(crate) fn files(&self) -> impl Iterator<Item = PathBuf> {
        let named = self.entries.wit.iter().chain(&self.entries.libraries);
        let named = named.map(|path| self.folder.join(path.get_ref()));
        std::iter::once(self.document.path().to_owned()).chain(named)
    }
}
