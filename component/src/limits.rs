//! Limits on what input may ask for.

use miden_assembly_syntax::Path as MasmPath;

/// The most steps from name to name until there is a definition.
pub(crate) const MAX_CHAIN: usize = 128;

/// The most bytes of a line: the assembler counts columns in 16 bits.
pub(crate) const MAX_LINE: usize = 65_534;

/// The most blocks and brackets that may be open at once: parser, analysis and code generation call
/// themselves for each.
pub(crate) const MAX_OPEN: usize = 256;

/// The most terms, operators and parentheses of a constant's expression.
pub(crate) const MAX_TERMS: usize = 1024;

/// The most locals of a procedure: the assembler rounds their number up to a whole word in 16 bits.
pub(crate) const MAX_LOCALS: u64 = 65_532;

/// The most characters of one part of a name.
pub(crate) const MAX_PART: usize = MasmPath::MAX_COMPONENT_LENGTH;

/// The longest text of a type.
pub(crate) const MAX_TYPE_LENGTH: usize = 1 << 10;

/// The depth to which types may nest in a text.
pub(crate) const MAX_TYPE_DEPTH: usize = 32;

/// The most brackets that may be open at once.
pub(crate) const MAX_BRACKETS: usize = 128;

/// The most claimed instances that call one another.
pub const MAX_CLAIM_DEPTH: usize = 16;

/// The most exports of claimed instances that a composition can call, with those that are called in claims.
pub const MAX_CLAIMED_EXPORTS: usize = 256;

/// The most compositions that can be one inside the other.
pub(crate) const MAX_COMPOSITIONS: usize = 64;

/// Bounds on what assembling and linking may be made to do by the files that are given.
///
/// The assembler's work is estimated from the sources before it reads them, so that anything above a limit
/// is refused at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct AssemblyLimits {
    /// The most bytes of all sources that are assembled together.
    pub source_bytes: u64,
    /// The most instructions when every `repeat` is written out as often as it says.
    pub assembled_instructions: u64,
    /// The most steps of resolving names and ordering procedures; a step is of the order of a
    /// nanosecond.
    pub link_steps: u64,
    /// The most parts that the types of all functions of a world have, when every name is replaced by
    /// what it stands for.
    pub type_parts: u64,
    /// The most parts of types that are compared when the instances of a composition are wired.
    pub wired_parts: u64,
}

impl Default for AssemblyLimits {
    fn default() -> Self {
        Self {
            source_bytes: 1 << 24,
            assembled_instructions: 1 << 21,
            link_steps: 1 << 34,
            type_parts: 1 << 18,
            wired_parts: 1 << 22,
        }
    }
}

/// A limit of [`AssemblyLimits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitName {
    /// [`AssemblyLimits::source_bytes`].
    SourceBytes,
    /// [`AssemblyLimits::assembled_instructions`].
    AssembledInstructions,
    /// [`AssemblyLimits::link_steps`].
    LinkSteps,
    /// [`AssemblyLimits::type_parts`].
    TypeParts,
    /// [`AssemblyLimits::wired_parts`].
    WiredParts,
}

impl LimitName {
    /// All limits.
    pub const ALL: [Self; 5] = [
        Self::SourceBytes,
        Self::AssembledInstructions,
        Self::LinkSteps,
        Self::TypeParts,
        Self::WiredParts,
    ];

    /// Its name, as the command line has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::SourceBytes => "source-bytes",
            Self::AssembledInstructions => "assembled-instructions",
            Self::LinkSteps => "link-steps",
            Self::TypeParts => "type-parts",
            Self::WiredParts => "wired-parts",
        }
    }

    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::SourceBytes => "bytes",
            Self::AssembledInstructions => "instructions",
            Self::LinkSteps => "steps",
            Self::TypeParts => "parts of types",
            Self::WiredParts => "parts of types to compare",
        }
    }

    /// Sets it among others.
    pub fn set(self, limits: &mut AssemblyLimits, value: u64) {
        *self.place(limits) = value;
    }

    /// Its value among others.
    pub fn of(self, limits: &AssemblyLimits) -> u64 {
        *self.place(&mut limits.clone())
    }

    fn place(self, limits: &mut AssemblyLimits) -> &mut u64 {
        match self {
            Self::SourceBytes => &mut limits.source_bytes,
            Self::AssembledInstructions => &mut limits.assembled_instructions,
            Self::LinkSteps => &mut limits.link_steps,
            Self::TypeParts => &mut limits.type_parts,
            Self::WiredParts => &mut limits.wired_parts,
        }
    }
}
