//! Why a component cannot be installed.

use miden_cvm_air::{component::ComponentError, composition::Intrinsic};
use thiserror::Error;

/// Why a component cannot be installed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NotInstallable {
    /// It imports an exact procedure.
    #[error("its import `{0}` is one exact procedure, where a program wires instances")]
    Root(String),
    /// It calls an intrinsic that installed components cannot have.
    #[error("it calls `{}`, which instances that a program installs cannot have", .0.path())]
    Intrinsic(Intrinsic),
    /// Its static data is public, but what is installed is in no statement.
    #[error(
        "its static data at address {0} is public, which only a composition's instances can have: leave out \
         `public`, so that it is hashed"
    )]
    PublicData(u32),
    /// It has inputs or outputs in memory, which the root alone is given.
    #[error(
        "it has inputs or outputs in memory (`[memory]`), which only the root of a composition is given"
    )]
    Memory,
    /// Its record would not be valid.
    #[error(transparent)]
    Record(#[from] ComponentError),
}
