//! Errors in values and types that are written as text.

use miden_core::Word;
use thiserror::Error;

use super::shown::beginning;
use crate::limits::{MAX_BRACKETS, MAX_TYPE_DEPTH, MAX_TYPE_LENGTH};

/// A value that does not fit its type, or a form that is none of the type's values.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ValueError {
    /// A text that is no WAVE.
    #[error("`{text}` is not a call in WAVE: {reason}")]
    Text {
        /// The text.
        text: String,
        /// The fault.
        reason: String,
    },
    /// A text that is no value of a type.
    #[error("`{text}` is not a value of type {ty} in WAVE: {reason}")]
    Wave {
        /// The text.
        text: String,
        /// The type.
        ty: String,
        /// The fault.
        reason: String,
    },
    /// Parentheses and brackets in a text nest too deep.
    #[error("more than {MAX_BRACKETS} brackets are open at once")]
    Brackets,
    /// A value is of another type.
    #[error("{name}: expected {expected}, found {found}")]
    Kind {
        /// The parameter, or `result`.
        name: String,
        /// The type.
        expected: String,
        /// The value.
        found: String,
    },
    /// Another number of parameters than the function has.
    #[error("expected {expected} parameters, found {found}")]
    Count {
        /// The number that it has.
        expected: usize,
        /// The number that there are.
        found: usize,
    },
    /// A number that is no element of the field.
    #[error("{name}: {value} is not below the field's modulus, 2^64 - 2^32 + 1")]
    Element {
        /// The parameter.
        name: String,
        /// The number.
        value: u64,
    },
    /// Handles come from instances; there are none outside.
    #[error("{name}: a handle cannot be given from outside of a composition")]
    Handle {
        /// The parameter.
        name: String,
    },
    /// Elements that are no value of the type.
    #[error("{name}: {element} is not a valid {expected}")]
    Malformed {
        /// The parameter, or `result`.
        name: String,
        /// The element.
        element: u64,
        /// The type that it should have.
        expected: String,
    },
    /// The message that stands for the values is not known.
    #[error("the values are in the message with the hash {}, which is not there", .0.to_hex())]
    NoMessage(Word),
    /// A message that does not have the values.
    #[error("the message is shorter or longer than its values")]
    MessageLength,
}

impl ValueError {
    /// The same about a text as it was written, of which another one was read.
    #[must_use]
    pub fn in_text(self, text: &str) -> Self {
        match self {
            Self::Text { reason, .. } => Self::Text {
                text: beginning(text, SHOWN),
                reason,
            },
            other => other,
        }
    }
}

/// The most characters of a text that an error shows.
const SHOWN: usize = 200;

/// A text that is no type.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TypeError {
    /// It is too long, or nests too deep.
    #[error(
        "it has more than {MAX_TYPE_LENGTH} bytes, or its types are nested more than {MAX_TYPE_DEPTH} deep"
    )]
    Size,
    /// Something else is expected at a place of it.
    #[error("expected {expected} at `{rest}`")]
    Syntax {
        /// The text that is expected.
        expected: &'static str,
        /// The text that is there.
        rest: String,
    },
    /// No interface of the world has the type.
    #[error("no interface of the world has a type `{0}`")]
    Unknown(String),
    /// Several interfaces have different types of one name.
    #[error("several types are called `{0}`; write the interface and `#` before it")]
    Ambiguous(String),
}
