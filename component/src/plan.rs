//! The entries of a composition file.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use crate::error::Problem;

/// A composition file as it is written; nothing is checked yet but the form.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plan {
    /// What runs, as `instance.export`; its instance is the root.
    pub(crate) main: Option<Spanned<String>>,
    /// The instances.
    #[serde(default)]
    pub(crate) instances: BTreeMap<Spanned<String>, InstanceEntry>,
}

/// An entry of `[instances]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InstanceEntry {
    /// The component's folder, relative to the composition file.
    pub(crate) component: Spanned<String>,
    /// The export, as `instance.export`, to which each import leads.
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
