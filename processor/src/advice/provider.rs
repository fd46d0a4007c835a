use std::collections::btree_map::Entry;

use miden_core::{
    AdviceMap, Felt, Word, ZERO,
    crypto::merkle::{InnerNodeInfo, MerkleError, MerklePath, MerkleStore, NodeIndex},
    precompile::PrecompileRequest,
};

use super::{AdviceError, AdviceInputs, AdviceMutation};

/// Elements that one node of a Merkle store counts for: a key and two children.
const ELEMENTS_PER_NODE: usize = 12;
const WORD_LEN: usize = 4;

/// The source of a run's nondeterministic inputs, and where the run leaves data for its host.
#[derive(Debug, Clone)]
pub struct AdviceProvider {
    /// The top of the stack is at the end.
    stack: Vec<Felt>,
    map: AdviceMap,
    store: MerkleStore,
    precompile_requests: Vec<PrecompileRequest>,
    /// Elements held in `map`, and those added to `store` in this run.
    held: usize,
    limit: usize,
}

impl AdviceProvider {
    /// Returns a provider that starts with `inputs` and never holds more than `limit` elements.
    pub fn new(inputs: AdviceInputs, limit: usize) -> Self {
        let AdviceInputs {
            mut stack,
            map,
            store,
        } = inputs;
        stack.reverse();
        let held = map.iter().map(|(_, values)| entry_size(values)).sum();
        Self {
            stack,
            map,
            store,
            precompile_requests: Vec::new(),
            held,
            limit,
        }
    }

    /// Applies the changes in order.
    ///
    /// # Errors
    /// If a map entry contradicts an existing one, or the limit is passed.
    pub fn apply_mutations(
        &mut self,
        mutations: impl IntoIterator<Item = AdviceMutation>,
    ) -> Result<(), AdviceError> {
        for mutation in mutations {
            match mutation {
                AdviceMutation::ExtendStack { values } => self.extend_stack(values)?,
                AdviceMutation::ExtendMap { other } => self.extend_map(&other)?,
                AdviceMutation::ExtendMerkleStore { infos } => self.extend_merkle_store(infos)?,
                AdviceMutation::ExtendPrecompileRequests { data } => {
                    self.held += data.iter().map(request_size).sum::<usize>();
                    self.precompile_requests.extend(data);
                    self.check_room(0)?;
                }
            }
        }
        Ok(())
    }

    // STACK
    // --------------------------------------------------------------------------------------------

    /// Pops one element.
    ///
    /// # Errors
    /// If the stack is empty.
    #[inline]
    pub fn pop_stack(&mut self) -> Result<Felt, AdviceError> {
        self.stack.pop().ok_or(AdviceError::StackReadFailed)
    }

    /// Pops as many elements as there is room for, the first one popped first.
    ///
    /// # Errors
    /// If there are fewer; then nothing is popped.
    #[inline]
    pub fn pop_elements(&mut self, elements: &mut [Felt]) -> Result<(), AdviceError> {
        let rest = self
            .stack
            .len()
            .checked_sub(elements.len())
            .ok_or(AdviceError::StackReadFailed)?;
        elements.copy_from_slice(&self.stack[rest..]);
        elements.reverse();
        self.stack.truncate(rest);
        Ok(())
    }

    /// Pushes one element.
    ///
    /// # Errors
    /// If the limit is passed.
    pub fn push_stack(&mut self, value: Felt) -> Result<(), AdviceError> {
        self.extend_stack([value])
    }

    /// Pushes a word so that its first element ends on top.
    ///
    /// # Errors
    /// If the limit is passed.
    pub fn push_stack_word(&mut self, word: &Word) -> Result<(), AdviceError> {
        self.extend_stack(word.iter().rev().copied())
    }

    /// Pushes the values found under `key`, the first one ending on top.
    ///
    /// They are followed (below) by zeros up to a multiple of `pad_to`, unless that is zero, and
    /// preceded (above) by their number when `include_len` is set.
    ///
    /// # Errors
    /// If the key is not in the map, or the limit is passed.
    pub fn push_from_map(
        &mut self,
        key: Word,
        include_len: bool,
        pad_to: u8,
    ) -> Result<(), AdviceError> {
        let values = self
            .map
            .get(&key)
            .ok_or(AdviceError::MapKeyNotFound { key })?
            .clone();
        let padding = match pad_to {
            0 => 0,
            n => values.len().next_multiple_of(n as usize) - values.len(),
        };
        self.check_room(values.len() + padding + 1)?;
        self.stack.extend(core::iter::repeat_n(ZERO, padding));
        self.stack.extend(values.iter().rev());
        if include_len {
            self.stack.push(Felt::new(values.len() as u64));
        }
        Ok(())
    }

    /// The stack; its top is the last element.
    pub fn stack(&self) -> &[Felt] {
        &self.stack
    }

    /// Pushes elements; the last one ends on top.
    ///
    /// # Errors
    /// If the limit is passed.
    pub fn extend_stack(
        &mut self,
        values: impl IntoIterator<Item = Felt>,
    ) -> Result<(), AdviceError> {
        self.stack.extend(values);
        self.check_room(0)
    }

    // MAP
    // --------------------------------------------------------------------------------------------

    /// The map.
    pub fn map(&self) -> &AdviceMap {
        &self.map
    }

    /// Returns `true` if the map has the key.
    pub fn contains_map_key(&self, key: &Word) -> bool {
        self.map.contains_key(key)
    }

    /// The values under the key.
    pub fn get_mapped_values(&self, key: &Word) -> Option<&[Felt]> {
        self.map.get(key).map(|values| values.as_ref())
    }

    /// Inserts values under the key.
    ///
    /// # Errors
    /// If other values are there already, or the limit is passed.
    pub fn insert_into_map(&mut self, key: Word, values: Vec<Felt>) -> Result<(), AdviceError> {
        let size = entry_size(&values);
        match self.map.entry(key) {
            Entry::Vacant(entry) => {
                entry.insert(values.into());
                self.held += size;
                self.check_room(0)
            }
            Entry::Occupied(entry) if entry.get().as_ref() == values => Ok(()),
            Entry::Occupied(entry) => Err(AdviceError::MapKeyAlreadyPresent {
                key,
                prev_values: entry.get().to_vec(),
                new_values: values,
            }),
        }
    }

    /// Merges entries into the map; on an error it is left as it was.
    ///
    /// # Errors
    /// If an entry contradicts an existing one, or the limit is passed.
    pub fn extend_map(&mut self, other: &AdviceMap) -> Result<(), AdviceError> {
        let added: usize = other
            .iter()
            .filter(|(key, _)| !self.map.contains_key(key))
            .map(|(_, values)| entry_size(values))
            .sum();
        self.check_room(added)?;
        self.map
            .merge(other)
            .map_err(
                |((key, prev_values), new_values)| AdviceError::MapKeyAlreadyPresent {
                    key,
                    prev_values: prev_values.to_vec(),
                    new_values: new_values.to_vec(),
                },
            )?;
        self.held += added;
        Ok(())
    }

    // MERKLE STORE
    // --------------------------------------------------------------------------------------------

    /// The Merkle store.
    pub fn merkle_store(&self) -> &MerkleStore {
        &self.store
    }

    /// The node at a depth and index of the tree with the given root.
    ///
    /// # Errors
    /// If depth or index is out of range, or the store does not know the node.
    pub fn get_tree_node(&self, root: Word, depth: Felt, index: Felt) -> Result<Word, AdviceError> {
        let at = node_index(depth, index)?;
        self.store
            .get_node(root, at)
            .map_err(AdviceError::MerkleStoreLookupFailed)
    }

    /// Returns `true` if the store knows a path to the node.
    ///
    /// # Errors
    /// If depth or index is out of range.
    pub fn has_merkle_path(
        &self,
        root: Word,
        depth: Felt,
        index: Felt,
    ) -> Result<bool, AdviceError> {
        match self.store.get_path(root, node_index(depth, index)?) {
            Ok(_) => Ok(true),
            Err(MerkleError::RootNotInStore(..) | MerkleError::NodeIndexNotFoundInStore(..)) => {
                Ok(false)
            }
            Err(error) => Err(AdviceError::MerkleStoreLookupFailed(error)),
        }
    }

    /// The path to the node at a depth and index of the tree with the given root.
    ///
    /// # Errors
    /// If depth or index is out of range, or the store does not know the path.
    pub fn get_merkle_path(
        &self,
        root: Word,
        depth: Felt,
        index: Felt,
    ) -> Result<MerklePath, AdviceError> {
        let at = node_index(depth, index)?;
        self.store
            .get_path(root, at)
            .map(|found| found.path)
            .map_err(AdviceError::MerkleStoreLookupFailed)
    }

    /// Adds a copy of the tree in which the node has another value; the old tree stays.
    ///
    /// Returns the path to the node and the new root.
    ///
    /// # Errors
    /// If depth or index is out of range, the store does not know the path, or the limit is
    /// passed.
    pub fn update_merkle_node(
        &mut self,
        root: Word,
        depth: Felt,
        index: Felt,
        value: Word,
    ) -> Result<(MerklePath, Word), AdviceError> {
        let at = node_index(depth, index)?;
        let update = self
            .store
            .set_node(root, at, value)
            .map_err(AdviceError::MerkleStoreUpdateFailed)?;
        self.held += update.path.len() * ELEMENTS_PER_NODE;
        self.check_room(0)?;
        Ok((update.path, update.root))
    }

    /// Adds the tree whose children are the two roots, and returns its root.
    ///
    /// # Errors
    /// If the store refuses, or the limit is passed.
    pub fn merge_roots(&mut self, left: Word, right: Word) -> Result<Word, AdviceError> {
        let root = self
            .store
            .merge_roots(left, right)
            .map_err(AdviceError::MerkleStoreMergeFailed)?;
        self.held += ELEMENTS_PER_NODE;
        self.check_room(0)?;
        Ok(root)
    }

    /// Adds nodes to the store.
    ///
    /// # Errors
    /// If the limit is passed.
    pub fn extend_merkle_store(
        &mut self,
        infos: impl IntoIterator<Item = InnerNodeInfo>,
    ) -> Result<(), AdviceError> {
        let mut added = 0;
        self.store.extend(infos.into_iter().inspect(|_| added += 1));
        self.held += added * ELEMENTS_PER_NODE;
        self.check_room(0)
    }

    // PARTS
    // --------------------------------------------------------------------------------------------

    /// The requests to precompiles, in the order in which they were made.
    pub fn precompile_requests(&self) -> &[PrecompileRequest] {
        &self.precompile_requests
    }

    /// The stack (top last), the map, the store and the requests to precompiles.
    pub fn into_parts(self) -> (Vec<Felt>, AdviceMap, MerkleStore, Vec<PrecompileRequest>) {
        (self.stack, self.map, self.store, self.precompile_requests)
    }

    /// Fails if that many more elements would pass the limit.
    ///
    /// # Errors
    /// If they would.
    pub(crate) fn check_room(&self, more: usize) -> Result<(), AdviceError> {
        if self.stack.len() + self.held + more > self.limit {
            return Err(AdviceError::LimitExceeded { max: self.limit });
        }
        Ok(())
    }
}

fn entry_size(values: &[Felt]) -> usize {
    WORD_LEN + values.len()
}

fn request_size(request: &PrecompileRequest) -> usize {
    1 + request.calldata().len().div_ceil(8)
}

fn node_index(depth: Felt, index: Felt) -> Result<NodeIndex, AdviceError> {
    NodeIndex::from_elements(&depth, &index)
        .map_err(|_| AdviceError::InvalidMerkleTreeNodeIndex { depth, index })
}
