//! Errors as texts.

use std::error::Error;

/// An error with its reasons, as one line.
pub fn with_reasons(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut reason = error.source();
    while let Some(error) = reason {
        text += &format!(": {error}");
        reason = error.source();
    }
    text
}
