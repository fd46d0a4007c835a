//! The procedures of an assembled library.

use std::collections::BTreeMap;

use miden_assembly::{Library, Path as MasmPath, library::LibraryExport};
use miden_core::mast::MastNodeId;

/// Public procedures, as `module::procedure`, and their nodes.
pub(crate) type Procedures = BTreeMap<String, MastNodeId>;

/// The public procedures of a library, as `module::procedure`.
pub(crate) fn public_procedures(library: &Library) -> Procedures {
    library
        .exports()
        .filter_map(LibraryExport::as_procedure)
        .map(|procedure| (canonical(procedure.path.as_str()), procedure.node))
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
        (Some(init), None) => Some(canonical(init.path.as_str())),
        _ => None,
    }
}

/// A path in the one form that it has here: without the `::` that it can begin with, and with quotation marks
/// around the parts that are no words. What is no path stays as it is written.
pub(crate) fn canonical(path: &str) -> String {
    let trimmed = path.strip_prefix("::").unwrap_or(path);
    match MasmPath::validate(trimmed).and_then(MasmPath::canonicalize) {
        Ok(path) => path.to_relative().as_str().to_owned(),
        Err(_) => trimmed.to_owned(),
    }
}

/// The path of what has this name in a module, in the form of [`canonical`].
pub(crate) fn canonical_in(module: &str, name: &str) -> String {
    let name = MasmPath::new(module).join(name);
    canonical(name.as_str())
}
