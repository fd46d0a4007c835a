//! Texts that people write: documents, names, brackets.

pub(crate) mod document;
pub(crate) mod names;
pub(crate) mod nesting;

use std::path::Path;

use crate::{
    error::{BuildError, Problem},
    file::read_file,
};

/// The mark that some editors put before a text; it is no part of it.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads a text; `what` names it in errors.
pub(crate) fn read(path: &Path, what: &'static str) -> Result<String, BuildError> {
    let mut bytes = read_file(path).map_err(|error| {
        let problem = Problem::Unreadable {
            what,
            path: path.into(),
            reason: error.to_string(),
        };
        BuildError::in_file(path, problem).with_similar_path(path)
    })?;
    if bytes.starts_with(BYTE_ORDER_MARK) {
        bytes.drain(..BYTE_ORDER_MARK.len());
    }
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

/// The beginnings of the lines of a text in which many places are looked up.
pub(crate) struct Lines(Vec<usize>);

impl Lines {
    /// The lines of a text.
    pub(crate) fn of(text: &str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let begins = ends.map(|(end, _)| end + 1);
        Self(std::iter::once(0).chain(begins).collect())
    }

    /// The line, counted from 1, on which the byte at `offset` stands; the same as [`line_of`] says.
    pub(crate) fn line(&self, offset: usize) -> u32 {
        self.0.partition_point(|begin| *begin <= offset) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_that_counting_finds() {
        for text in ["", "\n", "a", "a\nb", "\n\nab\n", "one\r\ntwo\n\nfour"] {
            let lines = Lines::of(text);
            for offset in 0..=text.len() {
                assert_eq!(
                    lines.line(offset),
                    line_of(text, offset),
                    "{text:?} {offset}"
                );
            }
        }
    }
}
