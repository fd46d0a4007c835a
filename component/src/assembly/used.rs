//! The part of a statically linked library that sources use.
//!
//! The assembler builds and hashes every node of the libraries that it links statically once more, however
//! little of them the sources use, and copies what they use out of that. For the core library this takes
//! longer than to assemble the sources. What is linked here has the procedures that they can mean, with
//! everything below; the code that is assembled is the same.

use std::{
    collections::{BTreeMap, HashSet},
    ops::ControlFlow,
    sync::Arc,
};

use miden_assembly::{
    Assembler, Library, Path as MasmPath, Report,
    ast::{AliasTarget, InvocationTarget, Module, Visit},
    library::{LibraryExport, ProcedureExport},
};
use miden_core::{
    Word,
    mast::{MastForest, MastForestContributor, MastNode, MastNodeExt, MastNodeId},
};
use miden_cvm_library::SHORT_CODE;

/// Names and digests that can mean procedures of libraries.
#[derive(Debug, Default)]
pub(super) struct Mentioned {
    /// The last parts of paths, of procedures and of what is imported.
    names: HashSet<String>,
    /// Digests, in sources and in the external nodes of libraries.
    digests: HashSet<Word>,
    /// The imports, and the modules of procedures that are invoked by their paths.
    imports: Vec<Arc<MasmPath>>,
}

impl Mentioned {
    /// The modules that `modules` and the code of `libraries` mention.
    pub fn new<'l>(
        modules: &[Box<Module>],
        libraries: impl IntoIterator<Item = &'l Library>,
    ) -> Self {
        let mut mentioned = Self::default();
        for module in modules {
            let ControlFlow::Continue(()) = mentioned.visit_module(module);
        }
        for library in libraries {
            let nodes = library.mast_forest().nodes().iter();
            let external = nodes.filter(|node| node.is_external());
            mentioned.digests.extend(external.map(MastNode::digest));
        }
        mentioned
    }

    fn has(&self, procedure: &ProcedureExport, forest: &MastForest) -> bool {
        let name = procedure.path.last();
        name.is_none_or(|name| self.names.contains(name))
            || self.digests.contains(&forest[procedure.node].digest())
    }

    /// The same of a library whose namespace no source is in: what is not imported cannot be meant.
    fn has_imported(&self, procedure: &ProcedureExport, forest: &MastForest) -> bool {
        let name = procedure.path.last();
        // To compare paths takes longer, and most names are not mentioned.
        name.is_none_or(|name| self.names.contains(name)) && self.imports(&procedure.path)
            || self.digests.contains(&forest[procedure.node].digest())
    }

    fn imports(&self, path: &MasmPath) -> bool {
        let path = path.to_absolute();
        let mut imports = self.imports.iter();
        imports.any(|import| path.starts_with(import.to_absolute().as_ref()))
    }
}

impl Visit<std::convert::Infallible> for Mentioned {
    fn visit_invoke_target(
        &mut self,
        target: &InvocationTarget,
    ) -> ControlFlow<std::convert::Infallible> {
        match target {
            InvocationTarget::MastRoot(digest) => {
                self.digests.insert(**digest);
            }
            InvocationTarget::Symbol(name) => {
                self.names.insert(name.to_string());
            }
            InvocationTarget::Path(path) => {
                self.names.extend(path.last().map(str::to_owned));
                self.imports.extend(path.parent().map(Arc::from));
            }
        }
        ControlFlow::Continue(())
    }

    fn visit_alias_target(
        &mut self,
        target: &AliasTarget,
    ) -> ControlFlow<std::convert::Infallible> {
        match target {
            AliasTarget::MastRoot(digest) => {
                self.digests.insert(**digest);
            }
            AliasTarget::Path(path) => {
                self.names.extend(path.last().map(str::to_owned));
                self.imports.push(path.inner().clone());
            }
        }
        ControlFlow::Continue(())
    }
}

/// Links what of a library can be meant by what is mentioned: constants and types, procedures of these names
/// and digests, and a procedure of each imported module, so that the module exists.
///
/// # Errors
/// Returns an error if the assembler refuses the library.
pub(super) fn link_used(
    assembler: &mut Assembler,
    library: &Arc<Library>,
    mentioned: &Mentioned,
) -> Result<(), Report> {
    let has = |procedure: &_| mentioned.has(procedure, library.mast_forest());
    let Some((forest, exports)) = used_part(library, mentioned, has) else {
        // The forest is not as the assembler makes it.
        return assembler.link_static_library(library);
    };
    if exports.is_empty() && forest.num_nodes() == 0 && forest.advice_map().is_empty() {
        return Ok(());
    }
    match Library::new(Arc::new(forest), exports) {
        Ok(part) => assembler.link_static_library(part),
        // A library has to have an export.
        Err(_) => assembler.link_static_library(library),
    }
}

/// Links what is used of the core library, given its interface, which has the code of short procedures, and
/// where all of its code is.
///
/// # Errors
/// Returns an error if the assembler refuses the library.
pub(super) fn link_core_library(
    assembler: &mut Assembler,
    interface: &Library,
    code: fn() -> &'static Library,
    mentioned: &Mentioned,
) -> Result<(), Report> {
    let has = |procedure: &_| mentioned.has_imported(procedure, interface.mast_forest());
    if let Some((forest, exports)) = used_part(interface, mentioned, has)
        && forest.nodes().iter().all(is_short)
        && let Ok(part) = Library::new(Arc::new(forest), exports)
    {
        return assembler.link_static_library(part);
    }
    link_used(assembler, &Arc::new(code().clone()), mentioned)
}

/// Returns `true` if a node of the interface is one of short code: what is longer is a reference, or without
/// its decorators.
fn is_short(node: &MastNode) -> bool {
    match node {
        MastNode::External(_) => false,
        MastNode::Block(block) => block.raw_operations().count() <= SHORT_CODE,
        _ => true,
    }
}

fn used_part(
    library: &Library,
    mentioned: &Mentioned,
    has: impl Fn(&ProcedureExport) -> bool,
) -> Option<(MastForest, BTreeMap<Arc<MasmPath>, LibraryExport>)> {
    let forest = library.mast_forest();
    let mut exports: BTreeMap<Arc<MasmPath>, LibraryExport> = BTreeMap::new();
    let mut modules: HashSet<&MasmPath> = HashSet::new();
    let mut unused = Vec::new();
    for export in library.exports() {
        match export {
            LibraryExport::Procedure(procedure) if !has(procedure) => {
                unused.push((procedure.path.parent(), export));
                continue;
            }
            LibraryExport::Procedure(procedure) => modules.extend(procedure.path.parent()),
            LibraryExport::Constant(constant) => modules.extend(constant.path.parent()),
            LibraryExport::Type(ty) => modules.extend(ty.path.parent()),
        }
        exports.insert(export.path(), export.clone());
    }
    for (module, export) in unused {
        if let Some(module) = module
            && modules.insert(module)
            && mentioned.imports(module)
        {
            exports.insert(export.path(), export.clone());
        }
    }

    // A library can have code of others, which has no name in it.
    let mentioned_roots = forest
        .procedure_roots()
        .iter()
        .filter(|root| mentioned.digests.contains(&forest[**root].digest()));
    let mut roots: HashSet<MastNodeId> = mentioned_roots.copied().collect();
    let procedures = exports.values().filter_map(LibraryExport::as_procedure);
    roots.extend(procedures.map(|procedure| procedure.node));
    let (part, places) = part_of(forest, &roots)?;
    for export in exports.values_mut() {
        if let LibraryExport::Procedure(procedure) = export {
            procedure.node = *places.get(&procedure.node)?;
        }
    }
    Some((part, exports))
}

/// The nodes of a forest that these roots reach, with all its decorators and advice, and where its nodes are
/// in it.
fn part_of(
    forest: &MastForest,
    roots: &HashSet<MastNodeId>,
) -> Option<(MastForest, BTreeMap<MastNodeId, MastNodeId>)> {
    let mut reached: HashSet<MastNodeId> = HashSet::new();
    let mut open: Vec<MastNodeId> = roots.iter().copied().collect();
    while let Some(id) = open.pop() {
        if reached.insert(id) {
            forest.get_node_by_id(id)?.append_children_to(&mut open);
        }
    }
    let mut part = MastForest::new();
    for decorator in forest.decorators() {
        part.add_decorator(decorator.clone()).ok()?;
    }
    let mut places = BTreeMap::new();
    // Children come before their parents.
    for id in (0..forest.num_nodes()).map(MastNodeId::from) {
        if reached.contains(&id) {
            let node = forest[id].clone().to_builder(forest);
            let place = node.remap_children(&places).add_to_forest(&mut part).ok()?;
            places.insert(id, place);
        }
    }
    for root in forest.procedure_roots() {
        if roots.contains(root) {
            part.make_root(*places.get(root)?);
        }
    }
    *part.advice_map_mut() = forest.advice_map().clone();
    Some((part, places))
}
