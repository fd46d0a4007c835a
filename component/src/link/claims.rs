//! Claimed instances: what stands in their place, and the compositions that claims are about.
//!
//! In the place of a claimed instance stands a *stand-in*, a component with a procedure for each export
//! that is called: it takes the results from the advice and records the claim. What is claimed is a run
//! of a composition of its own: a root that does nothing but call the export, isolated, and all that
//! the instance reaches.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    path::PathBuf,
    sync::Arc,
};

use miden_assembly::Library;
use miden_core::{
    Operation, Word,
    mast::{MastForest, MastNode, MastNodeExt, MastNodeId},
};
use miden_cvm_air::{
    claim::{self, CLAIM_EVENT, ClaimedProgram},
    composition::{Intrinsic, LinkKind, Right},
    memory_io::MemoryLayout,
};

use crate::{
    assembly::Assembly,
    bindings::stubs::library_of_stubs,
    code::library::public_procedures,
    error::{ClaimProblem, Problem},
    link::LinkedComposition,
    source::component::{Component, Export, Import, ImportKey},
};

/// An export of a claimed instance: calls of it are claims.
#[derive(Debug, Clone)]
pub struct ClaimedExport {
    /// The instance.
    pub instance: String,
    /// The export.
    pub export: String,
    /// The composition whose run is claimed.
    pub composition: Arc<LinkedComposition>,
}

impl ClaimedExport {
    /// The subject of claims of it.
    pub fn program(&self) -> ClaimedProgram {
        ClaimedProgram {
            program_hash: self.composition.program.hash(),
            composition: self.composition.composition.commitment(),
        }
    }
}

/// The module of a stand-in.
const MODULE: &str = "claims";

/// The component that stands in the place of a claimed one, and its procedures' digests by those that are
/// called.
pub(crate) fn stand_in(
    component: &Component,
    calls: &BTreeMap<Word, Arc<ClaimedExport>>,
    assembly: &Assembly,
) -> Result<(Component, BTreeMap<Word, Word>), Problem> {
    let mut source = String::new();
    for (number, claim) in calls.values().enumerate() {
        write_procedure(&mut source, number, claim.program().id());
    }
    let library = library(source, assembly)?;
    let mut exports = BTreeMap::new();
    let mut digests = BTreeMap::new();
    let mut procedures = BTreeMap::new();
    for (number, (callee, claim)) in calls.iter().enumerate() {
        let (digest, node) = procedure(&library, &procedure_name(number))?;
        digests.insert(*callee, digest);
        procedures.insert(digest, format!("{MODULE}::{}", claim.export));
        let export = Export {
            kind: LinkKind::Isolated,
            digest,
            node,
            interface: None,
            function: None,
        };
        exports.insert(claim.export.clone(), export);
    }
    let component = Component {
        name: component.name.clone(),
        exports,
        procedures,
        ..Component::of_code(library.mast_forest().clone())
    };
    Ok((component, digests))
}

/// Assembles the module of generated procedures.
fn library(text: String, assembly: &Assembly) -> Result<Library, Problem> {
    let texts = BTreeMap::from([(MODULE.to_owned(), text)]);
    library_of_stubs(texts, assembly).map_err(Problem::Stubs)
}

/// The digest of a generated procedure, and its node.
fn procedure(library: &Library, name: &str) -> Result<(Word, MastNodeId), Problem> {
    let path = format!("{MODULE}::{name}");
    let node = public_procedures(library).get(&path).copied();
    // The module was assembled from this very name.
    let node = node.ok_or(Problem::DyncallWithoutProcedure(path))?;
    Ok((library.mast_forest()[node].digest(), node))
}

fn procedure_name(number: usize) -> String {
    format!("call_{number}")
}

/// Writes the procedure that claims a run of the program with this id.
///
/// The sponge absorbs caller and id, the inputs from the deepest on, and the outputs, which the second
/// half of the pipe leaves in memory: see [`Claim`](claim::Claim).
fn write_procedure(source: &mut String, number: usize, id: Word) {
    let name = procedure_name(number);
    let [a, b, c, d] = *id;
    let [t0, t1, t2, t3] = *claim::tag();
    let event = CLAIM_EVENT.as_str().to_owned();
    // Writing to a string does not fail.
    let _ = writeln!(
        source,
        r#"
pub proc {name}
    swapdw
    padw padw caller
    push.{a}.{b}.{c}.{d}
    emit.event("{event}")
    hperm
    dropw dropw movupw.2 movupw.2 hperm
    dropw dropw movupw.2 movupw.2 hperm
    adv_pipe hperm
    adv_pipe hperm
    dropw
    push.{t0}.{t1}.{t2}.{t3}
    swapw
    log_precompile
    dropw
    push.0 mem_loadw_be swapw.3
    push.4 mem_loadw_be swapw.2
    push.8 mem_loadw_be swapw
    push.12 mem_loadw_be
end
"#
    );
}

/// The root of a composition whose run is claimed, and its main, which does nothing but call the export:
/// so this is entered as by any isolated call, and is told that the root's main has called.
pub(crate) fn caller_of(
    callee: Word,
    assembly: &Assembly,
) -> Result<(Component, MastNodeId), Problem> {
    let text = format!("pub proc main\n    call.{}\nend\n", callee.to_hex());
    let library = library(text, assembly)?;
    let (digest, node) = procedure(&library, "main")?;
    let export = Export {
        kind: LinkKind::Shared,
        digest,
        node,
        interface: None,
        function: None,
    };
    let import = Import {
        digest: callee,
        key: ImportKey::Root,
        kind: Some(LinkKind::Isolated),
        function: None,
        is_called: true,
    };
    let component = Component {
        name: "claim".into(),
        exports: BTreeMap::from([("main".into(), export)]),
        imports: BTreeMap::from([("callee".into(), import)]),
        procedures: BTreeMap::from([(digest, format!("{MODULE}::main"))]),
        ..Component::of_code(library.mast_forest().clone())
    };
    Ok((component, node))
}

impl Component {
    /// A component that has this code and nothing else.
    fn of_code(forest: Arc<MastForest>) -> Self {
        Self {
            name: String::new(),
            folder: PathBuf::new(),
            forest,
            world: None,
            exports: BTreeMap::new(),
            imports: BTreeMap::new(),
            resources: BTreeMap::new(),
            resource_imports: BTreeMap::new(),
            intrinsics: Vec::new(),
            own_calls: BTreeSet::new(),
            segments: Vec::new(),
            memory: MemoryLayout::default(),
            procedures: BTreeMap::new(),
            aliases: BTreeMap::new(),
            unused_imports: Vec::new(),
            compiled: None,
            files: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// The operations by which its code reads the run that it is in, which is another one where it is claimed.
    pub(crate) fn reads_of_run(&self, is_called: bool) -> Option<ClaimProblem> {
        let component = || self.name.clone();
        if is_called && executes(&self.forest, Operation::Caller) {
            return Some(ClaimProblem::ReadsCaller(component()));
        }
        let mut intrinsics = self.intrinsics.iter();
        if intrinsics.any(|call| call.intrinsic == Intrinsic::Caller) {
            return Some(ClaimProblem::ReadsCallersInstance(component()));
        }
        let mut intrinsics = self.intrinsics.iter().map(|call| call.intrinsic);
        if intrinsics.any(|i| i == Intrinsic::Component || i.right() == Right::Installer) {
            return Some(ClaimProblem::Installs(component()));
        }
        executes(&self.forest, Operation::Clk).then(|| ClaimProblem::ReadsClock(component()))
    }
}

/// Returns `true` if an operation is anywhere in a forest.
pub(crate) fn executes(forest: &MastForest, operation: Operation) -> bool {
    forest.nodes().iter().any(|node| match node {
        MastNode::Block(block) => block.raw_operations().any(|op| *op == operation),
        _ => false,
    })
}
