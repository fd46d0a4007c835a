//! The state of an instance.

use miden_core::Felt;

use crate::context::ContextId;

/// The state of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InstanceState {
    /// The context that called in; `None` while the instance does not run.
    pub entered_by: Option<ContextId>,
    /// The entry that was freed last; 0 if none is free.
    pub free: u32,
    /// Length of the table, entry 0 included, which is never handed out; 0 before the instance is
    /// created.
    pub len: u32,
    /// Borrowed handles in the table.
    pub borrows: u32,
}

impl InstanceState {
    /// An instance that was just created: its table is empty.
    pub const CREATED: Self = Self {
        entered_by: None,
        free: 0,
        len: 1,
        borrows: 0,
    };

    /// `[entered by + 1, free, length, borrows]`.
    pub fn to_word(self) -> [Felt; 4] {
        [
            Felt::new(self.entered_by.map_or(0, |caller| caller.as_u64() + 1)),
            Felt::from(self.free),
            Felt::from(self.len),
            Felt::from(self.borrows),
        ]
    }
}
