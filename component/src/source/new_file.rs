//! A file of a new component.

/// A file of a new component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFile {
    /// Its path below the component's folder, with `/` between the parts.
    pub path: String,
    /// Its text.
    pub text: String,
}

impl NewFile {
    pub(super) fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            text: text.into(),
        }
    }
}
