//! A TOML file whose entries can be traced back to their lines.

use std::{
    ops::Range,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;
use toml::Spanned;

use super::{line_of, read};
use crate::error::{BuildError, Problem};

/// The text of a TOML file and where it is.
pub(crate) struct Document {
    path: PathBuf,
    text: String,
}

impl Document {
    /// Reads the file at `path`; `what` names it in the error if that fails.
    pub(crate) fn read(path: &Path, what: &'static str) -> Result<Self, BuildError> {
        Ok(Self {
            path: path.into(),
            text: read(path, what)?,
        })
    }

    /// The path it was read from.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Its text.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The entries of the file, as `T` describes them.
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Result<T, BuildError> {
        toml::from_str(&self.text).map_err(|error| {
            let problem = Problem::Toml(error.message().into());
            let (name, known) = expected_names(error.message());
            match error.span() {
                Some(span) => self.error(span, problem),
                None => BuildError::in_file(&self.path, problem),
            }
            .with_similar(name, known)
        })
    }

    /// An error at a place in this file, given as a range of bytes.
    pub(crate) fn error(&self, span: Range<usize>, problem: Problem) -> BuildError {
        let line = self.line(span.start);
        BuildError::new(&self.path, Some(line), problem).showing(&self.text)
    }

    /// An error at the place of an entry.
    pub(crate) fn error_at<T>(&self, entry: &Spanned<T>, problem: Problem) -> BuildError {
        self.error(entry.span(), problem)
    }

    /// The line, counted from 1, on which the byte at `offset` stands.
    pub(crate) fn line(&self, offset: usize) -> u32 {
        line_of(&self.text, offset)
    }
}

/// The word that a message of `serde` calls unknown, and those that it expects.
fn expected_names(message: &str) -> (&str, Vec<&str>) {
    if !message.starts_with("unknown ") {
        return ("", Vec::new());
    }
    let mut names = message.split('`').skip(1).step_by(2);
    (names.next().unwrap_or_default(), names.collect())
}
