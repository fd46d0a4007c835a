//! Nondeterministic inputs of a run: a stack, a key-value map and a store of Merkle trees.

mod error;
mod inputs;
mod provider;

pub use error::AdviceError;
pub use inputs::AdviceInputs;
use miden_core::{AdviceMap, Felt, crypto::merkle::InnerNodeInfo, precompile::PrecompileRequest};
pub use provider::AdviceProvider;

/// A change that the host makes to the advice provider when it handles an event.
#[derive(Debug, PartialEq, Eq)]
pub enum AdviceMutation {
    /// Pushes the values; the last one ends on top.
    ExtendStack {
        /// The values to push.
        values: Vec<Felt>,
    },
    /// Merges entries into the map.
    ExtendMap {
        /// The entries.
        other: AdviceMap,
    },
    /// Adds nodes to the Merkle store.
    ExtendMerkleStore {
        /// The nodes.
        infos: Vec<InnerNodeInfo>,
    },
    /// Appends requests to precompiles.
    ExtendPrecompileRequests {
        /// The requests.
        data: Vec<PrecompileRequest>,
    },
}

impl AdviceMutation {
    /// A mutation that pushes the values; the last one ends on top.
    pub fn extend_stack(values: impl IntoIterator<Item = Felt>) -> Self {
        Self::ExtendStack {
            values: values.into_iter().collect(),
        }
    }

    /// A mutation that merges entries into the map.
    pub fn extend_map(other: AdviceMap) -> Self {
        Self::ExtendMap { other }
    }

    /// A mutation that adds nodes to the Merkle store.
    pub fn extend_merkle_store(infos: impl IntoIterator<Item = InnerNodeInfo>) -> Self {
        Self::ExtendMerkleStore {
            infos: infos.into_iter().collect(),
        }
    }

    /// A mutation that appends requests to precompiles.
    pub fn extend_precompile_requests(data: impl IntoIterator<Item = PrecompileRequest>) -> Self {
        Self::ExtendPrecompileRequests {
            data: data.into_iter().collect(),
        }
    }
}
