//! The kernel's intrinsics: how its assembly names them.

use std::{collections::BTreeSet, sync::Arc};

use miden_assembly::{DefaultSourceManager, Library};
use miden_core::{Word, mast::MastNodeExt};
use miden_cvm_air::composition::{Intrinsic, Right};
use serde::{Deserialize, Deserializer, de::Error as _};

use crate::{
    assembly::Assembly,
    bindings::stubs::{StubIdentity, library_of_stubs},
    code::library::public_procedures,
    error::{Problem, SourceError},
};

/// The module in which a kernel finds the stubs of its intrinsics.
pub const KERNEL_MODULE: &str = "intrinsics";

/// The intrinsics of a kernel.
fn kernel_intrinsics() -> impl Iterator<Item = Intrinsic> {
    let all = Intrinsic::ALL.into_iter();
    all.filter(|intrinsic| intrinsic.right() == Right::Kernel)
}

/// Reads the intrinsics that a composition file gives to its kernel.
pub(crate) fn read_kernel_intrinsics<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeSet<Intrinsic>, D::Error> {
    let intrinsics = BTreeSet::<Intrinsic>::deserialize(deserializer)?;
    match intrinsics.iter().find(|i| i.right() != Right::Kernel) {
        None => Ok(intrinsics),
        Some(other) => {
            let names: Vec<&str> = kernel_intrinsics().map(Intrinsic::name).collect();
            Err(D::Error::custom(format!(
                "`{}` is not an intrinsic of the kernel: those are {}",
                other.name(),
                names.join(" and ")
            )))
        }
    }
}

/// The digest of the stub of a kernel's intrinsic.
///
/// # Errors
/// Returns the assembler's report if it refuses the stubs.
pub(crate) fn kernel_stub(
    intrinsic: Intrinsic,
    sources: Arc<DefaultSourceManager>,
) -> Result<Word, Problem> {
    let stubs = kernel_stubs(sources).map_err(Problem::Stubs)?;
    let path = format!("{KERNEL_MODULE}::{}", intrinsic.identifier());
    let node = public_procedures(&stubs).get(&path).copied();
    // The module was assembled from this very name.
    let node = node.ok_or(Problem::DyncallWithoutProcedure(path))?;
    Ok(stubs.mast_forest()[node].digest())
}

/// The stubs that a kernel is assembled against: `call.intrinsics::load` takes an address and a
/// context's id, and leaves the element in place of the address; `call.intrinsics::store` takes an
/// address, a context's id and the element, and leaves 0 in place of the address.
///
/// # Errors
/// Returns the assembler's report if it refuses the stubs.
pub fn kernel_stubs(sources: Arc<DefaultSourceManager>) -> Result<Library, SourceError> {
    let stubs = kernel_intrinsics().map(|intrinsic| {
        let name = intrinsic.identifier();
        let identity = StubIdentity {
            name: name.clone(),
            interface: "miden-cvm:kernel".into(),
            version: String::new(),
            function: name,
        };
        identity.source()
    });
    library_of_stubs(
        [(KERNEL_MODULE.into(), stubs.collect())].into(),
        &Assembly::new(sources),
    )
}
