//! The procedures of an assembled library.

use std::collections::BTreeMap;

use miden_assembly::{Library, library::LibraryExport};
use miden_core::mast::MastNodeId;

/// Public procedures, as `module::procedure`, and their nodes.
pub(crate) type Procedures = BTreeMap<String, MastNodeId>;

/// The public procedures of a library, as `module::procedure`.
pub(crate) fn public_procedures(library: &Library) -> Procedures {
    library
        .exports()
        .filter_map(LibraryExport::as_procedure)
        .map(|procedure| {
            let path = procedure.path.to_string();
            (path.trim_start_matches("::").to_owned(), procedure.node)
        })
        .collect()
}

/// The procedure by which compiled code sets up its memory: the Miden compiler gives the root module of a
/// package a procedure `init` that takes and leaves nothing, by its signature.
pub(crate) fn compiled_init(library: &Library) -> Option<String> {
    let procedures = library.exports().filter_map(LibraryExport::as_procedure);
    let mut found = procedures.filter(|procedure| {
        let signature = procedure.signature.as_ref();
        let takes_nothing = signature
            .is_some_and(|signature| signature.params.is_empty() && signature.results.is_empty());
        let path = procedure.path.to_relative();
        takes_nothing && path.last() == Some("init") && path.components().count() == 2
    });
    match (found.next(), found.next()) {
        (Some(init), None) => Some(trimmed(&init.path.to_string()).to_owned()),
        _ => None,
    }
}

/// A path without the `::` that it can begin with.
pub(crate) fn trimmed(path: &str) -> &str {
    path.strip_prefix("::").unwrap_or(path)
}
