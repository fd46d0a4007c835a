//! Texts that people write: documents, names, brackets.

pub(crate) mod document;
pub(crate) mod names;
pub(crate) mod nesting;

/// The line, counted from 1, on which the byte at `offset` stands.
pub(crate) fn line_of(text: &str, offset: usize) -> u32 {
    let before = text.bytes().take(offset);
    1 + before.filter(|byte| *byte == b'\n').count() as u32
}
