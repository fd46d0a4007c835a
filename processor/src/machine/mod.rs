//! The machine: its operand stack, its memory and what it is doing.

pub(crate) mod memory;
pub(crate) mod process;
pub(crate) mod stack;
pub(crate) mod view;
