//! Code as it travels: without what depends on the machine that assembled it.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use miden_core::{
    Felt, Operation, Word,
    mast::{
        BasicBlockNodeBuilder, CallNodeBuilder, DecoratorId, DynNodeBuilder, ExternalNodeBuilder,
        JoinNodeBuilder, LoopNodeBuilder, MastForest, MastForestContributor, MastNode, MastNodeExt,
        MastNodeId, SplitNodeBuilder,
    },
};

use super::lines::{CopiedLines, has_lines};

/// The forest without decorators, which name files of the machine it was assembled on, but with the
/// messages of its assertions.
pub(crate) fn stripped(forest: &MastForest) -> MastForest {
    let messages = messages(forest);
    let mut stripped = forest.clone();
    stripped.strip_decorators();
    for message in messages {
        stripped.register_error(message);
    }
    stripped
}

/// The same, but with the lines of what was compiled from another language, if there are any.
pub(crate) fn portable(forest: &MastForest) -> MastForest {
    let copied = has_lines(forest).then(|| with_lines(forest));
    copied.flatten().unwrap_or_else(|| stripped(forest))
}

/// The forest with no decorators but lines, each node under its number; nothing if that cannot be.
fn with_lines(forest: &MastForest) -> Option<MastForest> {
    let mut copy = MastForest::new();
    let mut lines = CopiedLines::default();
    for (number, node) in (0..).zip(forest.nodes()) {
        let id = MastNodeId::from(number);
        let earlier = |child: MastNodeId| match u32::from(child) < number {
            true => Ok(child),
            false => Err(format!("node {id} stands before node {child}")),
        };
        let added = copy_node((forest, id), &mut copy, &mut lines, earlier).ok()?;
        if added != id || copy[added].digest() != node.digest() {
            return None;
        }
    }
    for root in forest.procedure_roots() {
        copy.make_root(*root);
    }
    *copy.advice_map_mut() = forest.advice_map().clone();
    for message in messages(forest) {
        copy.register_error(message);
    }
    Some(copy)
}

/// One forest with the code of all, without decorators but lines of other languages, with the messages of
/// assertions, and where the first one's `root` is in it; nothing if `root` is no node there.
///
/// The published merging takes the no-ops that pad a basic block for operations of it and pads it
/// again, which takes cycles, and makes `dynexec` of `dyncall`. Here code is executed as it was.
///
/// # Errors
/// Returns an error if they have more nodes than a forest can, if two have other advice under one key,
/// or if a node is its own descendant.
pub(crate) fn merged(
    forests: &[&MastForest],
    root: MastNodeId,
) -> Result<Option<(MastForest, MastNodeId)>, String> {
    let mut merger = Merger::new(forests);
    for (index, forest) in forests.iter().enumerate() {
        for id in (0..forest.num_nodes()).map(MastNodeId::from) {
            merger.add((index, id))?;
        }
    }
    let Merger {
        mut merged, places, ..
    } = merger;
    for (index, forest) in forests.iter().enumerate() {
        for id in forest.procedure_roots() {
            if let Some(&id) = places.get(&(index, *id)) {
                merged.make_root(id);
            }
        }
        for (key, elements) in forest.advice_map().iter() {
            let known = merged.advice_map().get(key);
            if known.is_some_and(|known| known != elements) {
                return Err(format!(
                    "there is other advice under the key {}",
                    key.to_hex()
                ));
            }
            merged.advice_map_mut().insert(*key, elements.clone());
        }
        for message in messages(forest) {
            merged.register_error(message);
        }
    }
    Ok(places.get(&(0, root)).map(|&root| (merged, root)))
}

/// A node of one of several forests.
type SourceNode = (usize, MastNodeId);

/// The identity of a node: the digest, which is the same whatever no-ops pad a basic block, the number of
/// operations with them, and what the children are in the merged forest.
type Form = (Word, u32, Vec<MastNodeId>);

/// Puts the nodes of several forests into one.
struct Merger<'f> {
    forests: &'f [&'f MastForest],
    /// The node that external nodes with its digest stand for: of several basic blocks the one with the
    /// fewest no-ops.
    chosen: HashMap<Word, SourceNode>,
    /// Where nodes are in the merged forest.
    places: HashMap<SourceNode, MastNodeId>,
    /// The nodes of the merged forest.
    forms: HashMap<Form, MastNodeId>,
    merged: MastForest,
    /// The lines of each forest.
    lines: Vec<CopiedLines>,
}

impl<'f> Merger<'f> {
    fn new(forests: &'f [&'f MastForest]) -> Self {
        let mut chosen: HashMap<Word, SourceNode> = HashMap::new();
        let operations = |(forest, id): SourceNode| operations(&forests[forest][id]);
        for (index, forest) in forests.iter().enumerate() {
            let ids = (0..forest.num_nodes()).map(MastNodeId::from);
            for (id, node) in ids.zip(forest.nodes()) {
                if node.is_external() {
                    continue;
                }
                let place = (index, id);
                let known = chosen.entry(node.digest()).or_insert(place);
                if operations(place) < operations(*known) {
                    *known = place;
                }
            }
        }
        Self {
            forests,
            chosen,
            places: HashMap::new(),
            forms: HashMap::new(),
            merged: MastForest::new(),
            lines: forests.iter().map(|_| CopiedLines::default()).collect(),
        }
    }

    /// Adds a node, after everything that it refers to.
    fn add(&mut self, place: SourceNode) -> Result<(), String> {
        let mut pending = vec![place];
        let mut open = HashSet::new();
        while let Some(&place) = pending.last() {
            if self.places.contains_key(&place) {
                pending.pop();
                continue;
            }
            let (index, id) = place;
            let node = &self.forests[index][id];
            let meant = self.chosen.get(&node.digest()).copied();
            let meant = meant.filter(|_| node.is_external());
            let needed: Vec<SourceNode> = match meant {
                Some(meant) => vec![meant],
                None => {
                    let mut children = Vec::new();
                    node.append_children_to(&mut children);
                    children.into_iter().map(|child| (index, child)).collect()
                }
            };
            let found: Vec<MastNodeId> = needed
                .iter()
                .filter_map(|place| self.places.get(place).copied())
                .collect();
            if found.len() == needed.len() {
                let added = match (meant, found.as_slice()) {
                    (Some(_), [added]) => *added,
                    _ => {
                        let form = (node.digest(), operations(node), found);
                        match self.forms.get(&form) {
                            Some(&added) => added,
                            None => {
                                let added = self.copy(place)?;
                                self.forms.insert(form, added);
                                added
                            }
                        }
                    }
                };
                self.places.insert(place, added);
                pending.pop();
            } else if open.insert(place) {
                pending.extend(needed);
            } else {
                return Err(format!("node {id} is its own descendant"));
            }
        }
        Ok(())
    }

    /// Copies a node of a forest whose children are there.
    fn copy(&mut self, (index, id): SourceNode) -> Result<MastNodeId, String> {
        let places = &self.places;
        let place = |id: MastNodeId| match places.get(&(index, id)) {
            Some(&place) => Ok(place),
            None => Err(format!("node {id} is missing")),
        };
        let lines = &mut self.lines[index];
        copy_node((self.forests[index], id), &mut self.merged, lines, place)
    }
}

/// Copies a node, with the lines of what it was compiled from; `place` says where its children are.
fn copy_node(
    (from, id): (&MastForest, MastNodeId),
    forest: &mut MastForest,
    lines: &mut CopiedLines,
    place: impl Fn(MastNodeId) -> Result<MastNodeId, String>,
) -> Result<MastNodeId, String> {
    let before = from.before_enter_decorators(id);
    let before = lines.copy(before.iter().map(|id| ((), *id)), from, forest)?;
    let before: Vec<DecoratorId> = before.into_iter().map(|(_, id)| id).collect();
    let added = match &from[id] {
        MastNode::Block(block) => {
            let operations = block.raw_operations().cloned().collect();
            let own = lines.copy(block.raw_op_indexed_decorators(from), from, forest)?;
            BasicBlockNodeBuilder::new(operations, own)
                .with_before_enter(before)
                .add_to_forest(forest)
        }
        MastNode::Join(node) => JoinNodeBuilder::new([place(node.first())?, place(node.second())?])
            .with_before_enter(before)
            .add_to_forest(forest),
        MastNode::Split(node) => {
            SplitNodeBuilder::new([place(node.on_true())?, place(node.on_false())?])
                .with_before_enter(before)
                .add_to_forest(forest)
        }
        MastNode::Loop(node) => LoopNodeBuilder::new(place(node.body())?)
            .with_before_enter(before)
            .add_to_forest(forest),
        MastNode::Call(node) if node.is_syscall() => {
            CallNodeBuilder::new_syscall(place(node.callee())?)
                .with_before_enter(before)
                .add_to_forest(forest)
        }
        MastNode::Call(node) => CallNodeBuilder::new(place(node.callee())?)
            .with_before_enter(before)
            .add_to_forest(forest),
        MastNode::Dyn(node) if node.is_dyncall() => DynNodeBuilder::new_dyncall()
            .with_before_enter(before)
            .add_to_forest(forest),
        MastNode::Dyn(_) => DynNodeBuilder::new_dyn()
            .with_before_enter(before)
            .add_to_forest(forest),
        MastNode::External(node) => ExternalNodeBuilder::new(node.digest())
            .with_before_enter(before)
            .add_to_forest(forest),
    };
    added.map_err(|error| error.to_string())
}

/// The operations of a basic block, with its no-ops; none for other nodes.
fn operations(node: &MastNode) -> u32 {
    match node {
        MastNode::Block(block) => block.num_operations(),
        _ => 0,
    }
}

/// The messages of the assertions in a forest, by their codes.
fn messages(forest: &MastForest) -> Vec<Arc<str>> {
    let messages = error_codes(forest);
    messages
        .filter_map(|code| forest.resolve_error_message(code))
        .collect()
}

/// The messages that a forest lacks of assertions which it has from others: the assembler leaves them out
/// where it copies code.
pub(crate) fn missing_messages(forest: &MastForest, others: &[&MastForest]) -> Vec<Arc<str>> {
    let lacking = error_codes(forest).filter(|code| forest.resolve_error_message(*code).is_none());
    lacking
        .filter_map(|code| {
            let mut others = others.iter();
            others.find_map(|other| other.resolve_error_message(code))
        })
        .collect()
}

/// The codes of the assertions in a forest.
fn error_codes(forest: &MastForest) -> impl Iterator<Item = Felt> {
    let mut codes: BTreeSet<u64> = BTreeSet::new();
    for node in forest.nodes() {
        if let MastNode::Block(block) = node {
            codes.extend(block.raw_operations().filter_map(error_code));
        }
    }
    codes.into_iter().map(Felt::new)
}

fn error_code(operation: &Operation) -> Option<u64> {
    match operation {
        Operation::Assert(code) | Operation::U32assert2(code) | Operation::MpVerify(code) => {
            Some(code.as_int())
        }
        _ => None,
    }
}
