//! The entries of a composition file.

use std::collections::{BTreeMap, BTreeSet};

use miden_cvm_air::composition::Intrinsic;
use serde::Deserialize;
use toml::Spanned;

use crate::{bindings::kernel::read_kernel_intrinsics, error::Problem};

/// The instance that stands, in a composition used as a component, for what is around it.
pub(crate) const OUTSIDE: &str = "import";

/// The wire of calls of what is held, and of handles, to whatever instances the program installs.
pub(crate) const ANY: &str = "*";

/// A composition file as it is written; nothing is checked yet but the form.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CompositionFile {
    /// The export that runs, as `instance.export`; its instance is the root.
    pub(crate) main: Option<Spanned<String>>,
    /// The rights of the kernel over instances.
    pub(crate) kernel: Option<Spanned<KernelEntry>>,
    /// Assembled libraries whose procedures the sources of its components can use.
    #[serde(default)]
    pub(crate) libraries: Vec<Spanned<String>>,
    /// The exports of the composition where it is used as a component: an interface or a function,
    /// and the instance that has it, or `instance.export`.
    #[serde(default)]
    pub(crate) exports: BTreeMap<Spanned<String>, Spanned<String>>,
    /// Instances all of whose exports the composition offers.
    #[serde(skip)]
    pub(crate) export_all: Vec<Spanned<String>>,
    /// The imports that the composition declares, whether an instance needs them or not.
    #[serde(skip)]
    pub(crate) declared: BTreeSet<String>,
    /// The instances.
    #[serde(default)]
    pub(crate) instances: BTreeMap<Spanned<String>, InstanceEntry>,
}

/// The entry `[kernel]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KernelEntry {
    /// The intrinsics that it may call.
    #[serde(default, deserialize_with = "read_kernel_intrinsics")]
    pub(crate) intrinsics: BTreeSet<Intrinsic>,
}

/// An entry of `[instances]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InstanceEntry {
    /// The component's folder or package, or another composition, relative to the composition file.
    pub(crate) component: Spanned<String>,
    /// The export, as `instance.export`, to which each import leads; for a resource type the
    /// instance and its type.
    #[serde(default)]
    pub(crate) imports: BTreeMap<Spanned<String>, Spanned<String>>,
    /// `true` if calls of it are claims, which its owner proves, and are not run.
    #[serde(default)]
    pub(crate) claimed: bool,
    /// The right to install instances, and the components that a run has at hand for it; the records of
    /// the composition have nothing of them.
    pub(crate) installs: Option<Vec<Spanned<String>>>,
    /// Instances that meet what is not in `imports`, if they can.
    #[serde(skip)]
    pub(crate) others: Vec<Spanned<String>>,
}

/// Splits `instance.export`.
pub(crate) fn split_reference(reference: &str) -> Result<(&str, &str), Problem> {
    match split_target(reference) {
        (instance, Some(export)) if !instance.is_empty() && !export.is_empty() => {
            Ok((instance, export))
        }
        _ => Err(Problem::Reference(reference.into())),
    }
}

/// Splits `instance.export`, or `instance` alone.
pub(crate) fn split_target(reference: &str) -> (&str, Option<&str>) {
    match reference.split_once('.') {
        Some((instance, export)) => (instance, Some(export)),
        None => (reference, None),
    }
}
