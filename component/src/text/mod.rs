//! Texts that people write: documents, names, brackets.

pub(crate) mod document;
pub(crate) mod names;
pub(crate) mod nesting;

use std::{fs, path::Path};

use crate::error::{BuildError, Problem};

/// Reads a text; `what` names it in errors.
pub(crate) fn read(path: &Path, what: &'static str) -> Result<String, BuildError> {
    let bytes = fs::read(path).map_err(|error| {
        let problem = Problem::Unreadable {
            what,
            path: path.into(),
            reason: error.to_string(),
        };
        BuildError::in_file(path, problem).with_similar_path(path)
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let place = error.utf8_error().valid_up_to();
        let lines = error.as_bytes()[..place].split(|byte| *byte == b'\n');
        let problem = Problem::NotText(error.as_bytes()[place]);
        BuildError::new(path, u32::try_from(lines.count()).ok(), problem)
    })
}

/// The line, counted from 1, on which the byte at `offset` stands.
pub(crate) fn line_of(text: &str, offset: usize) -> u32 {
    let before = text.bytes().take(offset);
    1 + before.filter(|byte| *byte == b'\n').count() as u32
}
