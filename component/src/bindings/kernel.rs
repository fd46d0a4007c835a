//! The kernel's intrinsics: how its assembly names them.

use std::sync::Arc;

use miden_assembly::{DefaultSourceManager, Library};
use miden_core::{Word, mast::MastNodeExt};
use miden_cvm_air::composition::Intrinsic;
use serde::Deserialize;

use crate::{
    assembly::Assembly,
    bindings::stubs::{StubIdentity, library_of_stubs},
    code::library::public_procedures,
    error::{Problem, SourceError},
};

/// The module in which a kernel finds the stubs of its intrinsics.
pub const KERNEL_MODULE: &str = "intrinsics";

/// An intrinsic of the kernel, as a composition file names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum KernelIntrinsic {
    /// `call.intrinsics::load`.
    Load,
    /// `call.intrinsics::store`.
    Store,
}

impl KernelIntrinsic {
    pub(crate) fn intrinsic(self) -> Intrinsic {
        match self {
            Self::Load => Intrinsic::Load,
            Self::Store => Intrinsic::Store,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Store => "store",
        }
    }

    /// The digest of its stub.
    ///
    /// # Errors
    /// Returns the assembler's report if it refuses the stubs.
    pub(crate) fn digest(self, sources: Arc<DefaultSourceManager>) -> Result<Word, Problem> {
        let stubs = kernel_stubs(sources).map_err(Problem::Stubs)?;
        let path = format!("{KERNEL_MODULE}::{}", self.name());
        let node = public_procedures(&stubs).get(&path).copied();
        // The module was assembled from this very name.
        let node = node.ok_or(Problem::DyncallWithoutProcedure(path))?;
        Ok(stubs.mast_forest()[node].digest())
    }
}

/// The stubs that a kernel is assembled against: `call.intrinsics::load` takes an address and a
/// context's id, and leaves the element in place of the address; `call.intrinsics::store` takes an
/// address, a context's id and the element, and leaves 0 in place of the address.
///
/// # Errors
/// Returns the assembler's report if it refuses the stubs.
pub fn kernel_stubs(sources: Arc<DefaultSourceManager>) -> Result<Library, SourceError> {
    let stubs = [KernelIntrinsic::Load, KernelIntrinsic::Store].map(|intrinsic| {
        let name = intrinsic.name();
        let identity = StubIdentity {
            name: name.into(),
            interface: "miden-cvm:kernel".into(),
            version: String::new(),
            function: name.into(),
        };
        identity.source()
    });
    library_of_stubs(
        [(KERNEL_MODULE.into(), stubs.concat())].into(),
        &Assembly::new(sources),
    )
}
