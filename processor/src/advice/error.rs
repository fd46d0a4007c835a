use miden_core::{Felt, Word, crypto::merkle::MerkleError};
use thiserror::Error;

/// The advice provider could not give or take what was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AdviceError {
    /// The key is in the map with other values.
    #[error("another value for key {} is already present in the advice map", .key.to_hex())]
    MapKeyAlreadyPresent {
        /// The key.
        key: Word,
        /// The values that the map has.
        prev_values: Vec<Felt>,
        /// The values that should have been inserted.
        new_values: Vec<Felt>,
    },
    /// The key is not in the map.
    #[error("value for key {} not present in the advice map", .key.to_hex())]
    MapKeyNotFound {
        /// The key.
        key: Word,
    },
    /// The stack holds fewer elements than were asked for.
    #[error("advice stack read failed")]
    StackReadFailed,
    /// A tree of depth zero, or deeper than a tree can be.
    #[error("a Merkle tree cannot have the depth {depth}")]
    InvalidMerkleTreeDepth {
        /// The depth.
        depth: Felt,
    },
    /// The index does not exist at this depth.
    #[error("provided node index {index} is out of bounds for a merkle tree node at depth {depth}")]
    InvalidMerkleTreeNodeIndex {
        /// The depth.
        depth: Felt,
        /// The index.
        index: Felt,
    },
    /// The store does not have the node or the path.
    #[error("failed to lookup value in Merkle store: {0}")]
    MerkleStoreLookupFailed(#[source] MerkleError),
    /// The store could not merge two roots.
    #[error("Merkle store merge failed: {0}")]
    MerkleStoreMergeFailed(#[source] MerkleError),
    /// The store could not update a node.
    #[error("Merkle store update failed: {0}")]
    MerkleStoreUpdateFailed(#[source] MerkleError),
    /// More elements than the options of the run allow.
    #[error("more than {max} advice elements")]
    LimitExceeded {
        /// The limit.
        max: usize,
    },
}
