//! Errors of packages.

use thiserror::Error;

use super::artifact::ArtifactError;

/// A package that is no component or composition, or whose parts do not go together.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PackageError {
    /// The bytes are no package.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// The package is not one of a component.
    #[error(
        "the package is not a component: it has no section `{0}` (for a composition, name the \
         file, not what `compose` made of it)"
    )]
    NotAComponent(&'static str),
    /// The package's section is malformed.
    #[error("the package's section is malformed: {0}")]
    Section(String),
    /// The package's section has a form that this version does not know.
    #[error("the package's section has form {found}; this version reads form {known}")]
    Form {
        /// The form of the section.
        found: u64,
        /// The form that this version reads.
        known: u32,
    },
    /// The composition has a claimed instance.
    #[error(
        "instance `{0}` is claimed, and a package does not say what is claimed: run the composition from \
         its file"
    )]
    Claims(String),
    /// The section says something about the code or the WIT that is not so.
    #[error("the package is wrong about {what}: {reason}")]
    Wrong {
        /// The part that is wrong, such as `its code`.
        what: String,
        /// The reason.
        reason: String,
    },
}

pub(crate) fn wrong(what: impl ToString, reason: impl ToString) -> PackageError {
    PackageError::Wrong {
        what: what.to_string(),
        reason: reason.to_string(),
    }
}
