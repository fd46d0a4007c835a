//! Places in the source of code that was compiled from another language.
//!
//! Such a source is not at hand. Its lines are in the debug information of the module that was compiled, so
//! they are the same wherever a package is made, and packages keep them.

use std::collections::HashMap;

use miden_assembly::debuginfo::Uri;
use miden_core::{
    AssemblyOp, Decorator,
    mast::{DecoratorId, MastForest},
};

/// The separator between a file and a line of it.
const LINE: &str = "#L";

/// The place of a line: a file without text, with the line in its name.
pub(crate) fn place(file: &str, line: u32) -> Uri {
    Uri::from(format!("{file}{LINE}{line}"))
}

/// Returns `true` if an instruction of assembly comes from the line of a source in another language.
fn is_compiled(instruction: &AssemblyOp) -> bool {
    let place = instruction.location();
    let line = place.and_then(|place| place.uri().as_str().rsplit_once(LINE));
    line.is_some_and(|(_, line)| line.parse::<u32>().is_ok())
}

/// Returns `true` if there is a line of a source in another language in a forest.
pub(crate) fn has_lines(forest: &MastForest) -> bool {
    let mut decorators = forest.decorators().iter();
    decorators.any(|decorator| matches!(decorator, Decorator::AsmOp(op) if is_compiled(op)))
}

/// The places of one forest in another one.
#[derive(Debug, Default)]
pub(crate) struct CopiedLines {
    copied: HashMap<DecoratorId, DecoratorId>,
}

impl CopiedLines {
    /// Copies those of the decorators that are places in another language.
    pub(crate) fn copy<P>(
        &mut self,
        decorators: impl IntoIterator<Item = (P, DecoratorId)>,
        from: &MastForest,
        to: &mut MastForest,
    ) -> Result<Vec<(P, DecoratorId)>, String> {
        let mut kept = Vec::new();
        for (position, id) in decorators {
            let place = match from.decorator_by_id(id) {
                Some(place @ Decorator::AsmOp(op)) if is_compiled(op) => place,
                _ => continue,
            };
            let copied = match self.copied.get(&id) {
                Some(copied) => *copied,
                None => {
                    let added = to.add_decorator(place.clone());
                    let added = added.map_err(|error| error.to_string())?;
                    self.copied.insert(id, added);
                    added
                }
            };
            kept.push((position, copied));
        }
        Ok(kept)
    }
}
