//! Forged traces, and what the audit says of the constraints.

#[path = "../../../processor/tests/common/mod.rs"]
mod common;
#[path = "../../../processor/tests/common/composition.rs"]
mod composition;
mod coverage;
mod determinism;
mod forged;
#[path = "../../../processor/tests/common/installed.rs"]
mod installed;
mod meaning;
mod specification;
#[path = "../../../processor/tests/common/types.rs"]
mod types;
