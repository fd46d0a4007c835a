//! What the machine remembers between cycles: the operand stack and memory.

pub mod memory;
pub mod stack;

pub use memory::Memory;
pub use stack::Stack;
