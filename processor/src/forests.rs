//! The forests that a run has loaded, and where it finds procedures in them.

use std::{collections::HashMap, sync::Arc};

use miden_core::{
    Word,
    mast::{MastForest, MastNodeExt, MastNodeId},
};

use crate::{
    advice::AdviceProvider,
    error::{OpResult, Trap},
    host::Host,
};

/// The place of a forest among those that a run has loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ForestId(u32);

/// A procedure: a root of a loaded forest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Procedure {
    pub forest: ForestId,
    pub node: MastNodeId,
}

#[derive(Debug)]
struct LoadedForest {
    forest: Arc<MastForest>,
    /// The first root with each digest; built when it is first needed.
    roots: Option<HashMap<Word, MastNodeId>>,
}

/// What is missing when the host does not give a procedure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// The host has no forest for it.
    Forest,
    /// The host's forest does not have it.
    Root,
}

/// The forests that a run has loaded.
#[derive(Debug, Default)]
pub(crate) struct Forests {
    loaded: Vec<LoadedForest>,
    by_address: HashMap<usize, ForestId>,
    /// Procedures that the host has given.
    resolved: HashMap<Word, Procedure>,
}

impl Forests {
    /// The forest that is added first: the program's own.
    pub const MAIN: ForestId = ForestId(0);

    /// Adds a forest, unless it is there already.
    pub fn add(&mut self, forest: Arc<MastForest>) -> ForestId {
        let address = Arc::as_ptr(&forest) as usize;
        *self.by_address.entry(address).or_insert_with(|| {
            self.loaded.push(LoadedForest {
                forest,
                roots: None,
            });
            ForestId((self.loaded.len() - 1) as u32)
        })
    }

    /// The forest with the given id.
    pub fn get(&self, id: ForestId) -> &Arc<MastForest> {
        &self.loaded[id.0 as usize].forest
    }

    /// The procedure of a loaded forest with the given digest.
    pub fn root(&mut self, id: ForestId, digest: &Word) -> Option<MastNodeId> {
        let LoadedForest { forest, roots } = &mut self.loaded[id.0 as usize];
        roots
            .get_or_insert_with(|| index_roots(forest))
            .get(digest)
            .copied()
    }

    /// Asks the host for a procedure, unless it was given before.
    ///
    /// The forest it comes from brings its advice map with it.
    ///
    /// # Errors
    /// [Missing] in the inner result; a trap if the advice contradicts what is there.
    pub fn resolve(
        &mut self,
        digest: &Word,
        host: &impl Host,
        advice: &mut AdviceProvider,
    ) -> OpResult<Result<Procedure, Missing>> {
        if let Some(&procedure) = self.resolved.get(digest) {
            return Ok(Ok(procedure));
        }
        let Some(forest) = host.get_mast_forest(digest) else {
            return Ok(Err(Missing::Forest));
        };
        let id = self.add(forest);
        let Some(node) = self.root(id, digest) else {
            return Ok(Err(Missing::Root));
        };
        advice.extend_map(self.get(id).advice_map())?;
        let procedure = Procedure { forest: id, node };
        self.resolved.insert(*digest, procedure);
        Ok(Ok(procedure))
    }

    /// The procedure that an external node stands for.
    ///
    /// # Errors
    /// If the host does not have it, or it is an external node again.
    pub fn resolve_external(
        &mut self,
        digest: &Word,
        host: &impl Host,
        advice: &mut AdviceProvider,
    ) -> OpResult<Procedure> {
        let procedure = self.resolve(digest, host, advice)?.map_err(|missing| {
            Box::new(match missing {
                Missing::Forest => Trap::NoMastForestWithProcedure {
                    root_digest: *digest,
                },
                Missing::Root => Trap::MalformedMastForestInHost {
                    root_digest: *digest,
                },
            })
        })?;
        let node = self.get(procedure.forest).get_node_by_id(procedure.node);
        match node {
            Some(node) if node.is_external() => Err(Box::new(Trap::CircularExternalNode(*digest))),
            Some(_) => Ok(procedure),
            None => Err(Box::new(Trap::MastNodeNotFoundInForest {
                node_id: procedure.node,
            })),
        }
    }
}

fn index_roots(forest: &MastForest) -> HashMap<Word, MastNodeId> {
    let mut roots = HashMap::new();
    for &id in forest.procedure_roots() {
        if let Some(node) = forest.get_node_by_id(id) {
            roots.entry(node.digest()).or_insert(id);
        }
    }
    roots
}
