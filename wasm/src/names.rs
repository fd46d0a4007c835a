//! Names from outside, as they are shown.

use std::fmt::{self, Write};

use crate::limits;

/// A function's name as its source has it, where the compiler encodes more in it, and as it can be printed to
/// terminals.
pub fn readable(name: &str) -> String {
    struct Start(String);
    impl Write for Start {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            // What is encoded can be far longer than what it is encoded in.
            let left = limits::NAME.saturating_sub(self.0.len());
            let mut ends = (0..=left.min(text.len())).rev();
            let is_boundary = |end: &usize| text.is_char_boundary(*end);
            let end = ends.find(is_boundary).unwrap_or(0);
            self.0.push_str(&text[..end]);
            match end == text.len() {
                true => Ok(()),
                false => Err(fmt::Error),
            }
        }
    }
    let mut start = Start(String::new());
    // A name that is too long is cut.
    let _ = write!(start, "{:#}", rustc_demangle::demangle(name));
    printable(&start.0)
}

/// A name from outside as it can be printed to terminals.
pub(crate) fn printable(name: &str) -> String {
    name.replace(char::is_control, "\u{fffd}")
}
