//! Folders with components and compositions, made for a test.

use std::{fs, path::PathBuf};

use miden_cvm_component::{BuildError, Component, LinkedComposition, Toolchain};
use tempfile::TempDir;

/// A folder that exists as long as the test runs.
pub struct Files {
    folder: TempDir,
}

impl Files {
    /// Writes the files, given by path and text.
    pub fn new(files: &[(&str, &str)]) -> Self {
        let this = Self {
            folder: TempDir::new().expect("a temporary folder"),
        };
        for (path, text) in files {
            this.write(path, text.as_bytes());
        }
        this
    }

    /// Writes one file.
    pub fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("a file has a folder")).expect("a new folder");
        fs::write(path, bytes).expect("a new file");
    }

    /// The path of a file.
    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Loads the component in a folder.
    pub fn component(&self, folder: &str) -> Result<Component, BuildError> {
        Component::load(&self.path(folder), &Toolchain::new())
    }

    /// Links the composition in `composition.toml`.
    pub fn link(&self) -> Result<LinkedComposition, BuildError> {
        LinkedComposition::load(&self.path("composition.toml"), &Toolchain::new())
    }
}
