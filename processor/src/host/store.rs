use std::{collections::HashMap, sync::Arc};

use miden_core::{Word, mast::MastForest};

/// Where hosts find code.
pub trait MastForestStore {
    /// The forest that has the procedure among its roots.
    fn get(&self, digest: &Word) -> Option<Arc<MastForest>>;
}

/// Forests by the procedures they have.
#[derive(Debug, Default, Clone)]
pub struct MemMastForestStore {
    forests: HashMap<Word, Arc<MastForest>>,
}

impl MemMastForestStore {
    /// Adds a forest under each of its procedures that is not just a reference to another forest.
    pub fn insert(&mut self, forest: Arc<MastForest>) {
        for digest in forest.local_procedure_digests() {
            self.forests.insert(digest, forest.clone());
        }
    }
}

impl MastForestStore for MemMastForestStore {
    fn get(&self, digest: &Word) -> Option<Arc<MastForest>> {
        self.forests.get(digest).cloned()
    }
}
