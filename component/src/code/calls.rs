//! The procedures that a component's code calls, found by walking it.

use std::collections::BTreeSet;

use miden_core::{
    Word,
    mast::{MastForest, MastNode, MastNodeExt, MastNodeId},
};

use crate::error::Problem;

/// The targets of the calls in a component's code.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Calls {
    /// Procedures of the component itself that are called, by their nodes in its forest.
    pub(crate) own: BTreeSet<MastNodeId>,
    /// Imports that are called, by the digests that the calls name.
    pub(crate) imports: BTreeSet<Word>,
}

/// Walks the code that is reachable from `roots`, following calls of the component's own procedures.
///
/// `name_of` gives the name of the import with a digest. Syscalls are left alone: they enter the
/// kernel and are no links.
///
/// # Errors
/// Returns an error if code outside the component is executed in place, be it an import or not, or
/// if a procedure is called that is neither the component's own nor an import.
pub(crate) fn find_calls(
    forest: &MastForest,
    roots: impl IntoIterator<Item = MastNodeId>,
    name_of: impl Fn(Word) -> Option<String>,
) -> Result<Calls, Problem> {
    let mut calls = Calls::default();
    let mut pending: Vec<MastNodeId> = roots.into_iter().collect();
    let mut seen: BTreeSet<MastNodeId> = pending.iter().copied().collect();
    while let Some(id) = pending.pop() {
        let mut children = Vec::new();
        match &forest[id] {
            MastNode::Call(call) if call.is_syscall() => {}
            MastNode::Call(call) => {
                let callee = forest[call.callee()].digest();
                let is_import = name_of(callee).is_some();
                if is_import {
                    calls.imports.insert(callee);
                }
                match own_procedure(forest, call.callee()) {
                    Some(own) => {
                        calls.own.insert(own);
                        children.push(own);
                    }
                    None if is_import => {}
                    None => return Err(Problem::UnlinkedCall(callee)),
                }
            }
            MastNode::External(external) => {
                let digest = external.digest();
                match (own_procedure(forest, id), name_of(digest)) {
                    (Some(own), _) => children.push(own),
                    (None, Some(import)) => return Err(Problem::ExecutedImport(import)),
                    (None, None) => return Err(Problem::ForeignCode(digest)),
                }
            }
            node => node.append_children_to(&mut children),
        }
        pending.extend(children.into_iter().filter(|child| seen.insert(*child)));
    }
    Ok(calls)
}

/// The node with the code that `id` stands for, if that code is in the forest.
fn own_procedure(forest: &MastForest, id: MastNodeId) -> Option<MastNodeId> {
    if !forest[id].is_external() {
        return Some(id);
    }
    let digest = forest[id].digest();
    let roots = forest.procedure_roots().iter().copied();
    roots
        .into_iter()
        .find(|root| !forest[*root].is_external() && forest[*root].digest() == digest)
}
