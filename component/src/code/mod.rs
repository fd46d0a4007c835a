//! Assembled code: reading it, recomputing its digests, finding its calls, merging it.

pub(crate) mod artifact;
pub(crate) mod calls;
pub(crate) mod library;
pub(crate) mod lines;
pub(crate) mod merge;
pub(crate) mod verify;
