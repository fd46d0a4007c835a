//! The state that the host may look at while the program runs.

use core::ops::Range;

use miden_core::{Felt, Word};

use crate::{
    advice::AdviceProvider,
    bulk::{BulkLimitExceeded, BulkQuota},
    context::ContextId,
    error::MemoryError,
    machine::{
        memory::{Memory, to_address},
        stack::Stack,
    },
    row::RowIndex,
};

/// The state of a run at one cycle, as its host sees it.
#[derive(Debug, Clone, Copy)]
pub struct ProcessState<'a> {
    pub(crate) clk: u32,
    pub(crate) context: ContextId,
    pub(crate) stack: &'a Stack,
    pub(crate) memory: &'a Memory,
    pub(crate) advice: &'a AdviceProvider,
    pub(crate) bulk: &'a BulkQuota,
}

impl<'a> ProcessState<'a> {
    /// The advice provider.
    pub fn advice_provider(&self) -> &'a AdviceProvider {
        self.advice
    }

    /// Counts elements that the answer to an event is about to read, of memory or of a value in the
    /// advice map, against the run's [limit](crate::Limits::bulk_elements). A handler whose work grows
    /// with what the program says, and whose answer does not, has to call it.
    ///
    /// # Errors
    /// If they are more than are left. The error that a handler returns for it traps with the limit's
    /// name.
    pub fn read_in_bulk(&self, elements: u64) -> Result<(), BulkLimitExceeded> {
        self.bulk.take(elements)
    }

    /// The cycle.
    pub fn clk(&self) -> RowIndex {
        self.clk.into()
    }

    /// The running context.
    pub fn ctx(&self) -> ContextId {
        self.context
    }

    /// The element `position` below the top of the stack; zero below the stack's depth.
    pub fn get_stack_item(&self, position: usize) -> Felt {
        self.stack.get(position)
    }

    /// Four elements from `start` downwards, the deepest of them first in the word.
    pub fn get_stack_word_be(&self, start: usize) -> Word {
        self.stack.get_word(start)
    }

    /// Four elements from `start` downwards, the topmost of them first in the word.
    pub fn get_stack_word_le(&self, start: usize) -> Word {
        let mut word = self.stack.get_word(start);
        word.reverse();
        word
    }

    /// All elements of the running context's stack, the top one first.
    pub fn get_stack_state(&self) -> Vec<Felt> {
        self.stack.elements().to_vec()
    }

    /// The element at an address; `None` if its word was never read or written.
    pub fn get_mem_value(&self, context: ContextId, addr: u32) -> Option<Felt> {
        self.memory.get_value(context, addr)
    }

    /// The word at an address; `None` if it was never read or written.
    ///
    /// # Errors
    /// If the address is not aligned.
    pub fn get_mem_word(&self, context: ContextId, addr: u32) -> Result<Option<Word>, MemoryError> {
        self.memory.get_word(context, addr)
    }

    /// The range of addresses whose bounds stand at two positions of the stack.
    ///
    /// # Errors
    /// If an address has more than 32 bits, or the end lies before the start.
    pub fn get_mem_addr_range(
        &self,
        start_position: usize,
        end_position: usize,
    ) -> Result<Range<u32>, MemoryError> {
        let start = to_address(self.stack.get(start_position))?;
        let end = to_address(self.stack.get(end_position))?;
        if start > end {
            return Err(MemoryError::InvalidMemoryRange {
                start_addr: start.into(),
                end_addr: end.into(),
            });
        }
        Ok(start..end)
    }

    /// All elements of a context's memory whose words were ever read or written, by address.
    pub fn get_mem_state(&self, context: ContextId) -> Vec<(u32, Felt)> {
        self.memory.state(context)
    }
}
