//! Errors in the files of a component or a composition.

mod artifact;
mod build;
mod package;
mod source;
mod value;

pub use self::{
    artifact::{ArtifactError, ForestError},
    build::{BuildError, ClaimProblem, Problem},
    package::PackageError,
    source::{SourceError, SourceFault, Step},
    value::{TypeError, ValueError},
};
pub(crate) use self::{
    build::{IMPORT, ISOLATED_HANDLES, TWO_KINDS},
    package::wrong,
};
