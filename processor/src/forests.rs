//! The forests that a run has loaded, and where it finds procedures in them.

use std::{collections::HashMap, sync::Arc};

use miden_core::{
    Word,
    mast::{MastForest, MastNodeExt, MastNodeId},
};

use crate::{
    advice::AdviceProvider,
    error::{OpResult, Trap},
};

/// The place of a forest among those that a run has loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

/// The part that is missing when the host does not give a procedure.
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
    /// The answers of the host, by the procedure it was asked for.
    answers: HashMap<Word, Result<Procedure, Missing>>,
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
    pub fn find(&mut self, forest: ForestId, digest: &Word) -> Option<Procedure> {
        let loaded = &mut self.loaded[forest.0 as usize];
        loaded
            .roots
            .get_or_insert_with(|| index_roots(&loaded.forest))
            .get(digest)
            .map(|&node| Procedure { forest, node })
    }

    /// Returns the answer of the host when it was asked for a procedure; `None` if it was not yet.
    pub fn answer(&self, digest: &Word) -> Option<Result<Procedure, Missing>> {
        self.answers.get(digest).copied()
    }

    /// Takes the host's answer to the question for a procedure.
    ///
    /// The forest brings its advice map with it.
    ///
    /// # Errors
    /// If the advice contradicts what is there.
    pub fn take_answer(
        &mut self,
        digest: Word,
        forest: Option<Arc<MastForest>>,
        advice: &mut AdviceProvider,
    ) -> OpResult {
        let answer = match forest {
            None => Err(Missing::Forest),
            Some(forest) => {
                let id = self.add(forest);
                let procedure = self.find(id, &digest);
                if procedure.is_some() {
                    advice.extend_map(self.get(id).advice_map())?;
                }
                procedure.ok_or(Missing::Root)
            }
        };
        self.answers.insert(digest, answer);
        Ok(())
    }

    /// The procedure that an external node or a link stands for, as the host has answered.
    ///
    /// # Errors
    /// If the host does not have it, or it is an external node again.
    pub fn check_external(
        &self,
        digest: &Word,
        answer: Result<Procedure, Missing>,
    ) -> OpResult<Procedure> {
        let procedure = answer.map_err(|missing| {
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

/// Where a machine is in its program; what an error is located by. Two machines that run the same
/// program in the same way load its code in the same order, and have the same positions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    pub(crate) forest: Option<ForestId>,
    pub(crate) node: Option<MastNodeId>,
    /// The operation of a basic block.
    pub(crate) op: Option<usize>,
}
