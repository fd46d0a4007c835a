//! Limits on the size of a module, and on what is in it.

/// Bytes of a module.
pub(crate) const MODULE_BYTES: u64 = 1 << 24;

/// Functions of a module, imports included.
pub(crate) const FUNCTIONS: u64 = 20_000;

/// Entries of a table.
pub(crate) const TABLE: u64 = 1 << 20;

/// Entries that a table can grow to where the module does not say less.
pub(crate) const GROWN_TABLE: u32 = 1 << 16;

/// Pages of 64 KiB that a memory begins with.
pub(crate) const PAGES: u32 = 8_192;

/// Pages that a memory can grow to where the module does not say less.
pub(crate) const GROWN_PAGES: u32 = 4_096;

/// Locals of a function, parameters included.
pub(crate) const LOCALS: u64 = 4_096;

/// Blocks that are open at one time in a function.
pub(crate) const NESTING: u64 = 4_096;

/// Bytes of a function's body.
pub(crate) const BODY_BYTES: u64 = 1 << 19;

/// Calls of recursive functions that are open at one time.
pub(crate) const RECURSION: u32 = 8_192;

/// Lines of the source language that debug information tells of.
pub(crate) const LINES: usize = 1 << 20;

/// Files of the source language.
pub(crate) const LINE_FILES: usize = 1 << 14;

/// Bytes of the header of a line table.
pub(crate) const LINE_HEADER: u32 = 1 << 18;

/// Bytes of the name of a folder, or of a file in it; what is longer is left out.
pub(crate) const PATH: usize = 512;

/// Bytes of a function's name that are kept.
pub(crate) const NAME: usize = 256;
