//! Finds the place in the source for a place in a forest.

use miden_core::{
    AssemblyOp, Decorator,
    mast::{DecoratorId, MastForest, MastNode, MastNodeErrorContext, MastNodeId},
};

use miden_debug_types::Location as SourceLocation;

use crate::{error::Location, host::BaseHost};

/// The place of a node, or of one of a basic block's operations, as far as it is known.
pub(crate) fn locate(
    forest: &MastForest,
    node: MastNodeId,
    op: Option<usize>,
    host: &dyn BaseHost,
) -> Location {
    let mut location = Location::default();
    let Some(assembly_op) = assembly_op(forest, node, op) else {
        return location;
    };
    location.procedure = Some(assembly_op.context_name().to_owned());
    location.instruction = Some(assembly_op.op().to_owned());
    if let Some(place) = assembly_op.location() {
        let resolve = |place: &_| Some(host.resolve_location(place)?.line.to_u32());
        let (file, line) = file_and_line(place, resolve);
        location.file = Some(file.to_owned());
        location.line = line;
    }
    location
}

/// The file and the line of a place. Code that is compiled from another language has the line in the
/// fragment of the URI, as `src/lib.rs#L12`, since its source is not at hand; for other code `resolve` finds
/// it in the source.
pub fn file_and_line(
    place: &SourceLocation,
    resolve: impl FnOnce(&SourceLocation) -> Option<u32>,
) -> (&str, Option<u32>) {
    let uri = place.uri().as_str();
    let fragment = uri.rsplit_once("#L");
    let numbered = fragment.and_then(|(file, line)| Some((file, line.parse().ok()?)));
    match numbered {
        Some((file, line)) => (file, Some(line)),
        None => (uri, resolve(place)),
    }
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
