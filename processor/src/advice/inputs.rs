use miden_core::{AdviceMap, Felt, Word, crypto::merkle::MerkleStore, errors::InputError};

/// The initial contents of the advice provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdviceInputs {
    /// The advice stack; the first element is on top.
    pub stack: Vec<Felt>,
    /// Lists of elements under keys.
    pub map: AdviceMap,
    /// Merkle trees.
    pub store: MerkleStore,
}

impl AdviceInputs {
    /// Appends integers to the bottom of the stack.
    ///
    /// # Errors
    /// If a number is not a canonical field element.
    pub fn with_stack_values<I>(mut self, values: I) -> Result<Self, InputError>
    where
        I: IntoIterator<Item = u64>,
    {
        for value in values {
            let element =
                Felt::try_from(value).map_err(|e| InputError::NotFieldElement(value, e))?;
            self.stack.push(element);
        }
        Ok(self)
    }

    /// Appends elements to the bottom of the stack.
    pub fn with_stack<I: IntoIterator<Item = Felt>>(mut self, values: I) -> Self {
        self.stack.extend(values);
        self
    }

    /// Adds entries to the map, replacing those with the same key.
    pub fn with_map<I: IntoIterator<Item = (Word, Vec<Felt>)>>(mut self, entries: I) -> Self {
        self.map.extend(entries);
        self
    }

    /// Replaces the Merkle store.
    pub fn with_merkle_store(mut self, store: MerkleStore) -> Self {
        self.store = store;
        self
    }

    /// Adds what another value holds: its stack below this one's, its entries of the map in place of
    /// those with the same key, its trees besides.
    pub fn extend(&mut self, other: Self) {
        self.stack.extend(other.stack);
        self.map.extend(other.map);
        self.store.extend(other.store.inner_nodes());
    }
}
