//! Finds the place in the source for a place in a forest.

use miden_core::{
    AssemblyOp, Decorator,
    mast::{DecoratorId, MastForest, MastNode, MastNodeErrorContext, MastNodeId},
};

use crate::{error::Location, host::BaseHost};

/// The place of a node, or of one of a basic block's operations, as far as it is known.
pub(crate) fn locate(
    forest: &MastForest,
    node: MastNodeId,
    op: Option<usize>,
    host: &impl BaseHost,
) -> Location {
    let mut location = Location::default();
    let Some(assembly_op) = assembly_op(forest, node, op) else {
        return location;
    };
    location.procedure = Some(assembly_op.context_name().to_owned());
    location.instruction = Some(assembly_op.op().to_owned());
    if let Some(place) = assembly_op.location() {
        location.file = Some(place.uri().as_str().to_owned());
        location.line = host
            .resolve_location(place)
            .map(|found| found.line.to_u32());
    }
    location
}

/// The instruction that a node or operation comes from.
fn assembly_op(forest: &MastForest, id: MastNodeId, op: Option<usize>) -> Option<&AssemblyOp> {
    let node = forest.get_node_by_id(id)?;
    let of_node = |ids: &[DecoratorId]| {
        ids.iter().find_map(|&id| match forest.decorator_by_id(id) {
            Some(Decorator::AsmOp(assembly_op)) => Some(assembly_op),
            _ => None,
        })
    };
    let found = match node {
        MastNode::Block(block) => block.get_assembly_op(forest, op),
        _ => None,
    };
    found.or_else(|| of_node(forest.before_enter_decorators(id)))
}
