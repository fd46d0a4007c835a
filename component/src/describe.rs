//! The contents of a package or library, whoever made it.

use std::collections::BTreeSet;

use miden_assembly::{
    Library,
    ast::types::{FunctionType, Type},
    library::LibraryExport,
};
use miden_core::{
    Word,
    mast::{MastForest, MastNode, MastNodeExt},
    utils::{Deserializable, Serializable},
};
use miden_cvm_library::{Finding, findings};
use miden_mast_package::{MastArtifact, Package, PackageExport};

use crate::{
    code::{
        artifact::{PACKAGE_MAGIC, read_library, read_package},
        library::compiled_init,
    },
    error::ArtifactError,
    link, package,
};

/// The kind of a package's contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackageKind {
    /// A component.
    Component,
    /// A composition.
    Composition,
    /// A program without components.
    Program,
    /// A library that is no component.
    Library,
}

/// Returns the kind of a package's contents.
///
/// # Errors
/// Returns an error if the bytes are no package, or if a digest in it is not that of its code.
pub fn package_kind(bytes: &[u8]) -> Result<PackageKind, ArtifactError> {
    Ok(kind_of(&read_package(bytes)?))
}

fn kind_of(package: &Package) -> PackageKind {
    let has = |name: &str| package.sections.iter().any(|s| s.id.as_str() == name);
    if has(link::package::SECTION) {
        PackageKind::Composition
    } else if has(package::SECTION) {
        PackageKind::Component
    } else if package.is_program() {
        PackageKind::Program
    } else {
        PackageKind::Library
    }
}

/// The contents of a package or library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeDescription {
    /// The kind of its contents.
    pub kind: PackageKind,
    /// The name of the package, the version that it states, and what kind of package it says it is;
    /// nothing for a bare library.
    pub package: Option<(String, Option<String>, &'static str)>,
    /// The hash of the program, if it holds one.
    pub program_hash: Option<Word>,
    /// The procedures that others can name.
    pub exports: Vec<ExportDescription>,
    /// The procedure by which compiled code sets up its memory.
    pub init: Option<String>,
    /// The procedures of a kernel that its code enters by `syscall`.
    pub syscalls: BTreeSet<Word>,
    /// The procedures that its code executes or calls and that it does not have.
    pub missing: BTreeSet<Word>,
    /// The packages that it says it needs.
    pub dependencies: Vec<String>,
    /// The names of the sections that it has besides its code.
    pub sections: Vec<String>,
    /// `true` if its code has debug information: procedures, instructions and places in sources.
    pub has_debug_info: bool,
    /// The entries of the advice map that it brings along.
    pub advice_entries: usize,
    /// Nodes of its code.
    pub nodes: usize,
    /// The advisories that its code has.
    pub findings: BTreeSet<Finding>,
}

/// A procedure that others can name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportDescription {
    /// Its path, as `component.toml` names it.
    pub path: String,
    /// Its digest.
    pub digest: Word,
    /// Its parameters and results, if it states them.
    pub signature: Option<String>,
}

/// Looks into a package (`.masp`) or library (`.masl`).
///
/// # Errors
/// Returns an error if the bytes are neither, or if a digest in it is not that of its code.
pub fn describe_code(bytes: &[u8]) -> Result<CodeDescription, ArtifactError> {
    if !bytes.starts_with(PACKAGE_MAGIC) {
        let library = read_library(bytes)?;
        let mut description = of_forest(PackageKind::Library, library.mast_forest());
        description.describe_library(&library);
        return Ok(description);
    }
    let package = read_package(bytes)?;
    let mut description = of_forest(kind_of(&package), package.mast.mast_forest());
    match &package.mast {
        MastArtifact::Executable(program) => description.program_hash = Some(program.hash()),
        MastArtifact::Library(library) => description.describe_library(library),
    }
    // The manifest can know more of a signature than the library.
    for export in package.manifest.exports() {
        let PackageExport::Procedure(procedure) = export else {
            continue;
        };
        let path = named(&procedure.path.to_string());
        let known = description
            .exports
            .iter_mut()
            .find(|known| known.path == path);
        let signature = procedure.signature.as_ref().map(signature);
        match known {
            Some(known) => known.signature = signature.or(known.signature.take()),
            None => description.exports.push(ExportDescription {
                path,
                digest: procedure.digest,
                signature,
            }),
        }
    }
    description.dependencies = package
        .manifest
        .dependencies()
        .map(|dependency| {
            // The name itself is private to its type, but not as it is written.
            let name = String::read_from_bytes(&dependency.name.to_bytes()).unwrap_or_default();
            format!("{name} {}", dependency.digest.to_hex())
        })
        .collect();
    description.sections = package
        .sections
        .iter()
        .map(|section| section.id.to_string())
        .collect();
    description.package = Some((
        package.name,
        package.version.map(|version| version.to_string()),
        package.kind.as_str(),
    ));
    Ok(description)
}

impl CodeDescription {
    fn describe_library(&mut self, library: &Library) {
        let procedures = library.exports().filter_map(LibraryExport::as_procedure);
        self.exports = procedures
            .map(|procedure| ExportDescription {
                path: named(&procedure.path.to_string()),
                digest: library.mast_forest()[procedure.node].digest(),
                signature: procedure.signature.as_ref().map(signature),
            })
            .collect();
        self.init = compiled_init(library);
    }
}

fn of_forest(kind: PackageKind, forest: &MastForest) -> CodeDescription {
    let mut syscalls = BTreeSet::new();
    let mut missing = BTreeSet::new();
    let own: BTreeSet<Word> = forest
        .nodes()
        .iter()
        .filter(|node| !node.is_external())
        .map(MastNodeExt::digest)
        .collect();
    for node in forest.nodes() {
        match node {
            MastNode::Call(call) if call.is_syscall() => {
                syscalls.insert(forest[call.callee()].digest());
            }
            MastNode::External(external) if !own.contains(&external.digest()) => {
                missing.insert(external.digest());
            }
            _ => {}
        }
    }
    for digest in &syscalls {
        missing.remove(digest);
    }
    CodeDescription {
        kind,
        package: None,
        program_hash: None,
        exports: Vec::new(),
        init: None,
        syscalls,
        missing,
        dependencies: Vec::new(),
        sections: Vec::new(),
        has_debug_info: !forest.decorators().is_empty(),
        advice_entries: forest.advice_map().len(),
        nodes: forest.nodes().len(),
        findings: findings(forest),
    }
}

fn named(path: &str) -> String {
    path.strip_prefix("::").unwrap_or(path).to_owned()
}

fn signature(of: &FunctionType) -> String {
    let list = |types: &[Type]| {
        let types: Vec<String> = types.iter().map(ToString::to_string).collect();
        types.join(", ")
    };
    let params = list(&of.params);
    match &of.results[..] {
        [] => format!("({params})"),
        [result] => format!("({params}) -> {result}"),
        results => format!("({params}) -> ({})", list(results)),
    }
}
