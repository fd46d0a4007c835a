//! Execution: walking the nodes of a program and doing what their operations say.

mod events;
pub(crate) mod execute;
mod intrinsics;
pub(crate) mod ops;
mod permutation;
pub(crate) mod run;
