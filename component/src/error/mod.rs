//! Errors in the files of a component or a composition.

mod artifact;
mod build;
mod install;
mod package;
mod shown;
mod source;
mod value;

pub use self::{
    artifact::{ArtifactError, ForestError},
    build::{BuildError, ClaimProblem, Problem},
    install::NotInstallable,
    package::PackageError,
    shown::beginning,
    source::{SourceError, SourceFault, Step},
    value::{TypeError, ValueError},
};
pub(crate) use self::{
    build::{IMPORT, ISOLATED_HANDLES, TWO_KINDS},
    package::wrong,
};
