//! Stubs: the procedures that stand for imports until linking says who implements them.
//!
//! A component calls an import as `call.imports::name`. The stub behind that name does nothing but
//! push a constant that only this import has, and trap; so its digest is the import's own, and the
//! component's digests say which imports it calls but not where they lead. The link table gives the
//! digest its meaning; where it does not, the stub is what would run, and it traps.

use std::{collections::BTreeMap, fmt::Write, sync::Arc};

use miden_assembly::{DefaultSourceManager, Library, library::LibraryExport};
use miden_core::{Word, mast::MastNodeExt};
use miden_crypto::hash::rpo::Rpo256;

use crate::{
    assembly::{Assembly, SourceText},
    error::{Problem, SourceError},
    text::names::{check_identity, check_import_name},
    wit::quoted,
};

/// The module in which a component finds the stubs of its imports.
pub const STUB_MODULE: &str = "imports";

/// The identity of an import; stubs that differ in any of it have different digests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StubIdentity {
    /// The name by which the component calls it, below [`STUB_MODULE`]; `module::procedure` for a
    /// function of a WIT interface.
    pub name: String,
    /// The interface that the function belongs to.
    pub interface: String,
    /// The version of the interface; empty if none is stated.
    pub version: String,
    /// The function's name in the interface.
    pub function: String,
}

impl StubIdentity {
    /// Checks an identity that was not made here: its parts become part of assembly.
    pub(crate) fn check(&self) -> Result<(), Problem> {
        for part in self.name.split("::") {
            check_import_name(part)?;
        }
        check_identity("interface", &self.interface)?;
        check_identity("function", &self.function)?;
        if self.version.is_empty() {
            return Ok(());
        }
        check_identity("version", &self.version)
    }

    /// The constant in the stub's body: the RPO hash of the four texts, one on each line.
    ///
    /// None of the texts contains a line break, so no two identities give one text.
    pub fn constant(&self) -> Word {
        let Self {
            name,
            interface,
            version,
            function,
        } = self;
        Rpo256::hash(
            format!("miden-cvm import\n{name}\n{interface}\n{version}\n{function}").as_bytes(),
        )
    }

    /// The module of the stub and its name there.
    fn place(&self) -> (String, &str) {
        match self.name.rsplit_once("::") {
            Some((module, name)) => (format!("{STUB_MODULE}::{module}"), name),
            None => (STUB_MODULE.into(), &self.name),
        }
    }

    /// The stub as Miden assembly.
    pub(crate) fn source(&self) -> String {
        let Self {
            interface,
            function,
            ..
        } = self;
        let (_, name) = self.place();
        let constant = self.constant();
        let [a, b, c, d] = [0, 1, 2, 3].map(|i| constant[i].as_int());
        let mut source = String::new();
        // Error messages do not enter digests. The names are free text, hence the escapes.
        let message = format!("import {name} ({function} of {interface}) is not linked")
            .replace(['"', '\\'], "'");
        // Writing to a string does not fail.
        let _ = writeln!(
            source,
            "pub proc {}\n    push.{a} push.{b} push.{c} push.{d}\n    push.0\n    \
             assert.err=\"{message}\"\nend\n",
            quoted(name)
        );
        source
    }
}

/// Assembles the stubs of a component's imports; `None` if it has no imports by name.
pub(crate) fn stub_library(
    identities: &[StubIdentity],
    assembly: &Assembly,
) -> Result<Option<Library>, Problem> {
    if identities.is_empty() {
        return Ok(None);
    }
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    for identity in identities {
        let (module, _) = identity.place();
        texts
            .entry(module)
            .or_default()
            .push_str(&identity.source());
    }
    library_of_stubs(texts, assembly)
        .map(Some)
        .map_err(Problem::Stubs)
}

/// Assembles stubs: texts by the modules that they are.
pub(crate) fn library_of_stubs(
    texts: BTreeMap<String, String>,
    assembly: &Assembly,
) -> Result<Library, SourceError> {
    let modules = texts.into_iter().map(|(module, text)| SourceText {
        file: format!("stubs of {module}").into(),
        module,
        text,
    });
    Ok(assembly.library(modules.collect())?.code)
}

/// The digests of the stubs of imports, by the imports' names.
pub(crate) fn stub_digests(
    identities: &[StubIdentity],
    sources: Arc<DefaultSourceManager>,
) -> Result<BTreeMap<String, Word>, Problem> {
    let Some(library) = stub_library(identities, &Assembly::new(sources))? else {
        return Ok(BTreeMap::new());
    };
    let prefix = format!("{STUB_MODULE}::");
    let procedures = library.exports().filter_map(LibraryExport::as_procedure);
    let digests = procedures.filter_map(|procedure| {
        let path = procedure.path.to_relative().to_string();
        let name = path.strip_prefix(&prefix)?.to_owned();
        Some((name, library.mast_forest()[procedure.node].digest()))
    });
    Ok(digests.collect())
}
