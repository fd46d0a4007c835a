//! Why a module is refused.

use thiserror::Error;

/// A module that cannot be compiled, and why.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WasmError {
    /// The bytes are not a valid module.
    #[error("not a valid WebAssembly module, at offset {offset:#x}: {message}")]
    Invalid {
        /// The place in the file.
        offset: u64,
        /// The validator's message.
        message: String,
    },
    /// The module is valid, but only with a proposal that is not supported.
    #[error(
        "the module needs a proposal of WebAssembly that is not supported, at offset {offset:#x}: {message}"
    )]
    Proposal {
        /// The place in the file.
        offset: u64,
        /// The validator's message.
        message: String,
    },
    /// The bytes are a component, not a core module.
    #[error(
        "this is a WebAssembly component; give the core module in it and its WIT, as `wasm` and `wit`"
    )]
    Component,
    /// A function that an export reaches uses what has no counterpart here.
    #[error(
        "function `{function}` cannot be compiled, at offset {offset:#x}: {what} is not supported; \
         it is reachable from an export"
    )]
    UnsupportedInstruction {
        /// The function's name, or its number.
        function: String,
        /// The place in the file.
        offset: u64,
        /// The instruction or type.
        what: String,
    },
    /// A part of the module that is not supported.
    #[error("the {section} section has {what}, which is not supported")]
    Unsupported {
        /// The section.
        section: &'static str,
        /// The part that is not supported.
        what: String,
    },
    /// An import that nothing meets.
    #[error("the import `{name}` of `{module}` is not met: {hint}")]
    Import {
        /// The module that it is imported from.
        module: String,
        /// Its name there.
        name: String,
        /// A hint at what could be done.
        hint: &'static str,
    },
    /// The module passes a limit.
    #[error("{place}: {what} may be at most {max}, but is {actual}")]
    Limit {
        /// The function or section.
        place: String,
        /// The quantity that is limited.
        what: &'static str,
        /// The limit.
        max: u64,
        /// The quantity that the module has.
        actual: u64,
    },
    /// An active segment does not fit, so that the module can never be instantiated.
    #[error("{what} segment {index} is out of bounds, so the module traps when it is instantiated")]
    SegmentOutOfBounds {
        /// `data` or `element`.
        what: &'static str,
        /// The number of the segment.
        index: usize,
    },
    /// The blocks of a function, or the choices in it that follow one another, are nested too deep.
    #[error("the blocks of function `{function}` are nested too deep")]
    Nesting {
        /// The function's name, or its number.
        function: String,
    },
}

/// Debug information that is not used, and why.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LineFault {
    /// The line tables are no valid DWARF.
    #[error("the line table at {offset:#x} of `.debug_line` is damaged: {message}")]
    Damaged {
        /// The place of the table in the section.
        offset: u64,
        /// The reader's message.
        message: String,
    },
    /// The line tables pass a limit.
    #[error("{what} may be at most {max}")]
    Limit {
        /// The quantity that is limited.
        what: &'static str,
        /// The limit.
        max: u64,
    },
}

impl From<wasmparser::Error> for WasmError {
    fn from(error: wasmparser::Error) -> Self {
        Self::Invalid {
            offset: error.offset(),
            message: error.message().to_string(),
        }
    }
}
