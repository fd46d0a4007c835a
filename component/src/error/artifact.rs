//! Errors of assembled code.

use miden_core::Word;
use thiserror::Error;

/// Assembled code that cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ArtifactError {
    /// The bytes are not what they should be.
    #[error("these bytes are not a {what} of Miden 0.20: {reason}")]
    Format {
        /// The kind of file that they should be.
        what: &'static str,
        /// Why they are not.
        reason: String,
    },
    /// Code does not have the digest that it states.
    #[error("the code was altered or damaged: {0}")]
    Code(#[from] ForestError),
    /// The package holds a library, and a program was wanted.
    #[error("the package holds a library, not a program")]
    NotAProgram,
    /// The package holds a program, and a library was wanted.
    #[error("the package holds a program, not a library")]
    NotALibrary,
    /// A kernel was given in the place of a library.
    #[error("it is a kernel, not a library: `--kernel` takes it")]
    Kernel,
}

/// Code whose digests are not those of what it contains.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ForestError {
    /// A node's digest is not the hash of the node.
    #[error("node {node} states digest {stated}, but it hashes to {actual}")]
    Digest {
        /// The node's position in the forest.
        node: u32,
        /// The digest it came with.
        stated: Word,
        /// The digest it has.
        actual: Word,
    },
    /// A node is its own descendant, or no node at all.
    #[error("node {node} refers to {child}, which is not a node of its own")]
    Child {
        /// The node's position in the forest.
        node: u32,
        /// The node that it refers to.
        child: u32,
    },
    /// A basic block that no operations give.
    #[error("node {node} is a malformed basic block")]
    Block {
        /// The node's position in the forest.
        node: u32,
    },
}
