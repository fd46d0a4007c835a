//! Refuses programs that can reach an operation which is executed but not proven.

use std::{collections::HashSet, sync::Arc};

use miden_core::{
    Operation, Word,
    mast::{MastForest, MastNode, MastNodeId},
};

use crate::{
    error::{LoadError, Location},
    host::Host,
    location::locate,
};

/// The name of an operation that belongs to the instruction set but is not supported.
pub(crate) fn unsupported_name(op: &Operation) -> Option<&'static str> {
    match op {
        Operation::FriE2F4 => Some("FRIE2F4"),
        Operation::LogPrecompile => Some("LOGPRECOMPILE"),
        Operation::CryptoStream => Some("CRYPTOSTREAM"),
        _ => None,
    }
}

/// Searches everything that a program can reach statically.
#[derive(Debug, Default)]
pub(crate) struct ReachScan {
    seen: HashSet<(usize, u32)>,
    followed: HashSet<Word>,
    /// Forests are kept alive so that their addresses stay unique during the scan.
    pending: Vec<(Arc<MastForest>, MastNodeId)>,
    forests: Vec<Arc<MastForest>>,
}

impl ReachScan {
    /// Searches from a node; what was searched before is not searched again.
    ///
    /// External nodes are followed where the host has them.
    ///
    /// # Errors
    /// If an unsupported operation is found.
    pub fn scan(
        &mut self,
        forest: &Arc<MastForest>,
        start: MastNodeId,
        host: &impl Host,
    ) -> Result<(), Box<LoadError>> {
        self.pending.push((forest.clone(), start));
        while let Some((forest, id)) = self.pending.pop() {
            self.visit(&forest, id, host)?;
        }
        Ok(())
    }

    /// Searches from the procedure with a digest, where the host has it.
    ///
    /// # Errors
    /// If an unsupported operation is found.
    pub fn scan_procedure(
        &mut self,
        digest: &Word,
        host: &impl Host,
    ) -> Result<(), Box<LoadError>> {
        match self.follow(digest, host) {
            Some((forest, id)) => self.scan(&forest, id, host),
            None => Ok(()),
        }
    }

    fn follow(&mut self, digest: &Word, host: &impl Host) -> Option<(Arc<MastForest>, MastNodeId)> {
        if !self.followed.insert(*digest) {
            return None;
        }
        let forest = host.get_mast_forest(digest)?;
        let id = forest.find_procedure_root(*digest)?;
        self.forests.push(forest.clone());
        Some((forest, id))
    }

    fn visit(
        &mut self,
        forest: &Arc<MastForest>,
        id: MastNodeId,
        host: &impl Host,
    ) -> Result<(), Box<LoadError>> {
        let Some(node) = forest.get_node_by_id(id) else {
            return Ok(());
        };
        if !self
            .seen
            .insert((Arc::as_ptr(forest) as usize, u32::from(id)))
        {
            return Ok(());
        }
        let children = match node {
            MastNode::Block(block) => {
                for (index, op) in block.operations().enumerate() {
                    if let Some(operation) = unsupported_name(op) {
                        let location: Location = locate(forest, id, Some(index), None, host);
                        let location = Box::new(location);
                        return Err(Box::new(LoadError::UnsupportedOperation {
                            operation,
                            location,
                        }));
                    }
                }
                return Ok(());
            }
            MastNode::External(external) => {
                let digest = miden_core::mast::MastNodeExt::digest(external);
                let found = self.follow(&digest, host);
                self.pending.extend(found);
                return Ok(());
            }
            MastNode::Join(join) => [Some(join.first()), Some(join.second())],
            MastNode::Split(split) => [Some(split.on_true()), Some(split.on_false())],
            MastNode::Loop(node) => [Some(node.body()), None],
            MastNode::Call(call) => [Some(call.callee()), None],
            MastNode::Dyn(_) => [None, None],
        };
        self.pending.extend(
            children
                .into_iter()
                .flatten()
                .map(|child| (forest.clone(), child)),
        );
        Ok(())
    }
}
