//! The entries of a composition file.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use toml::Spanned;

use crate::{error::Problem, kernel::KernelIntrinsic};

/// A composition file as it is written; nothing is checked yet but the form.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plan {
    /// What runs, as `instance.export`; its instance is the root.
    pub(crate) main: Option<Spanned<String>>,
    /// What the kernel may do to instances.
    pub(crate) kernel: Option<Spanned<KernelEntry>>,
    /// The instances.
    #[serde(default)]
    pub(crate) instances: BTreeMap<Spanned<String>, InstanceEntry>,
}

/// The entry `[kernel]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KernelEntry {
    /// The intrinsics that it may call.
    #[serde(default)]
    pub(crate) intrinsics: BTreeSet<KernelIntrinsic>,
}

/// An entry of `[instances]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InstanceEntry {
    /// The component's folder, relative to the composition file.
    pub(crate) component: Spanned<String>,
    /// The export, as `instance.export`, to which each import leads; for a resource type the
    /// instance and its type.
    #[serde(default)]
    pub(crate) imports: BTreeMap<Spanned<String>, Spanned<String>>,
}

/// Splits `instance.export`.
pub(crate) fn split_reference(reference: &str) -> Result<(&str, &str), Problem> {
    reference
        .split_once('.')
        .filter(|(instance, export)| !instance.is_empty() && !export.is_empty())
        .ok_or_else(|| Problem::Reference(reference.into()))
}
