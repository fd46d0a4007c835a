//! The digests of code that comes from elsewhere.

use crate::error::ForestError;
use miden_core::{
    Word,
    mast::{
        BasicBlockNodeBuilder, CallNode, DynNode, JoinNode, LoopNode, MastForest, MastNode,
        MastNodeExt, MastNodeId, SplitNode,
    },
};
use miden_crypto::hash::rpo::Rpo256;

/// Recomputes the digest of every node from its operations, or from its children, and compares it
/// with the digest that the node came with: deserialization takes that one on trust.
///
/// Digests of external nodes are references and mean nothing by themselves; they are left alone.
///
/// # Errors
/// Returns the first node, in the forest's order, whose digest is wrong or which is malformed.
pub fn verify_forest(forest: &MastForest) -> Result<(), ForestError> {
    for (node, content) in (0..).zip(forest.nodes()) {
        // Children are compared by the digests they state. As each of those is checked too, and no
        // chain of hashes leads back to itself, all of them are right if none is found wrong.
        let child = |id: MastNodeId| match forest.get_node_by_id(id) {
            Some(child) if u32::from(id) != node => Ok(child.digest()),
            _ => Err(ForestError::Child {
                node,
                child: id.into(),
            }),
        };
        let merge = |children: [Word; 2], domain| Rpo256::merge_in_domain(&children, domain);
        let actual = match content {
            MastNode::Block(block) => {
                let operations = block.raw_operations().cloned().collect();
                let rebuilt = BasicBlockNodeBuilder::new(operations, Vec::new())
                    .build()
                    .map_err(|_| ForestError::Block { node })?;
                if rebuilt.op_batches() != block.op_batches() {
                    return Err(ForestError::Block { node });
                }
                rebuilt.digest()
            }
            MastNode::Join(join) => merge(
                [child(join.first())?, child(join.second())?],
                JoinNode::DOMAIN,
            ),
            MastNode::Split(split) => merge(
                [child(split.on_true())?, child(split.on_false())?],
                SplitNode::DOMAIN,
            ),
            MastNode::Loop(body) => merge([child(body.body())?, Word::default()], LoopNode::DOMAIN),
            MastNode::Call(call) => {
                let domain = if call.is_syscall() {
                    CallNode::SYSCALL_DOMAIN
                } else {
                    CallNode::CALL_DOMAIN
                };
                merge([child(call.callee())?, Word::default()], domain)
            }
            MastNode::Dyn(node) => {
                let domain = if node.is_dyncall() {
                    DynNode::DYNCALL_DOMAIN
                } else {
                    DynNode::DYN_DOMAIN
                };
                merge([Word::default(); 2], domain)
            }
            MastNode::External(_) => continue,
        };
        let stated = content.digest();
        if stated != actual {
            return Err(ForestError::Digest {
                node,
                stated,
                actual,
            });
        }
    }
    Ok(())
}
