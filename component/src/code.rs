//! Code as it travels: without what depends on the machine that assembled it.

use std::{collections::BTreeSet, sync::Arc};

use miden_core::{
    Felt, Operation,
    mast::{MastForest, MastForestError, MastNode, MastNodeId},
};

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

/// One forest with the code of all, [stripped], and where the first one's `root` is in it; nothing if
/// `root` is no procedure there.
///
/// # Errors
/// Returns an error if they have more nodes than a forest can.
pub(crate) fn merged(
    forests: &[&MastForest],
    root: MastNodeId,
) -> Result<Option<(MastForest, MastNodeId)>, MastForestError> {
    let parts: Vec<MastForest> = forests.iter().map(|forest| stripped(forest)).collect();
    let (mut merged, roots) = MastForest::merge(&parts)?;
    // Merging forgets them.
    for message in parts.iter().flat_map(messages) {
        merged.register_error(message);
    }
    Ok(roots.map_root(0, &root).map(|root| (merged, root)))
}

/// The messages of the assertions in a forest, by their codes.
fn messages(forest: &MastForest) -> Vec<Arc<str>> {
    let mut codes: BTreeSet<u64> = BTreeSet::new();
    for node in forest.nodes() {
        if let MastNode::Block(block) = node {
            codes.extend(block.raw_operations().filter_map(error_code));
        }
    }
    let messages = codes.into_iter().map(Felt::new);
    messages
        .filter_map(|code| forest.resolve_error_message(code))
        .collect()
}

fn error_code(operation: &Operation) -> Option<u64> {
    match operation {
        Operation::Assert(code) | Operation::U32assert2(code) | Operation::MpVerify(code) => {
            Some(code.as_int())
        }
        _ => None,
    }
}
