//! Memory of all contexts, in pages of 64 words.

use std::collections::HashMap;

use miden_core::{Felt, Word, ZERO};

use crate::{
    context::ContextId,
    error::{MemoryError, OpResult, Trap},
};

const WORD_LEN: u32 = 4;
/// Words in a page; one bit of a page's `touched` mask each.
const PAGE_WORDS: usize = 64;
const PAGE_BITS: u32 = 8;
/// Recently used pages that are found without hashing.
const CACHE_LEN: usize = 8;
/// Pages above which a context's memory is dropped by another thread.
const BACKGROUND_DROP_PAGES: usize = 256;

#[derive(Debug, Clone)]
struct Page {
    /// The words that were ever read or written.
    touched: u64,
    words: [Word; PAGE_WORDS],
}

impl Page {
    fn new() -> Self {
        Self {
            touched: 0,
            words: [Word::new([ZERO; 4]); PAGE_WORDS],
        }
    }
}

/// The memory of one context.
#[derive(Debug, Clone)]
struct ContextMemory {
    context: ContextId,
    pages: Vec<Page>,
    numbers: HashMap<u32, u32>,
    /// Page numbers and their indices in `pages`, by the low bits of the page number.
    cache: [(u32, u32); CACHE_LEN],
}

impl ContextMemory {
    fn new(context: ContextId) -> Self {
        Self {
            context,
            pages: Vec::new(),
            numbers: HashMap::new(),
            cache: [(u32::MAX, 0); CACHE_LEN],
        }
    }

    /// The page that holds `addr`, if it was ever touched.
    fn page(&self, addr: u32) -> Option<&Page> {
        let index = *self.numbers.get(&(addr >> PAGE_BITS))?;
        self.pages.get(index as usize)
    }

    /// The word that holds `addr`, if it was ever touched.
    fn touched_word(&self, addr: u32) -> Option<&Word> {
        let page = self.page(addr)?;
        let word = word_in_page(addr);
        (page.touched & (1 << word) != 0).then(|| &page.words[word])
    }
}

fn word_in_page(addr: u32) -> usize {
    (addr / WORD_LEN) as usize % PAGE_WORDS
}

/// A handle to the memory of a context that is alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MemorySlot(u32);

/// The memory of all contexts.
#[derive(Debug)]
pub struct Memory {
    contexts: Vec<ContextMemory>,
    free: Vec<u32>,
    slots: HashMap<ContextId, u32>,
    pages: u64,
    max_pages: u64,
    max_words: u64,
}

impl Memory {
    /// Returns an empty memory that may hold `max_words` words, in whole pages.
    pub fn new(max_words: u64) -> Self {
        Self {
            contexts: Vec::new(),
            free: Vec::new(),
            slots: HashMap::new(),
            pages: 0,
            max_pages: max_words.div_ceil(PAGE_WORDS as u64),
            max_words,
        }
    }

    // CONTEXTS
    // --------------------------------------------------------------------------------------------

    /// The memory of a context, which is created if it does not exist.
    pub(crate) fn open(&mut self, context: ContextId) -> MemorySlot {
        if let Some(&slot) = self.slots.get(&context) {
            return MemorySlot(slot);
        }
        let memory = ContextMemory::new(context);
        let slot = match self.free.pop() {
            Some(slot) => {
                self.contexts[slot as usize] = memory;
                slot
            }
            None => {
                self.contexts.push(memory);
                (self.contexts.len() - 1) as u32
            }
        };
        self.slots.insert(context, slot);
        MemorySlot(slot)
    }

    /// Frees the memory of a context that is over; a big one on another thread.
    pub(crate) fn close(&mut self, context: ContextId) {
        let Some(slot) = self.slots.remove(&context) else {
            return;
        };
        let memory = core::mem::replace(
            &mut self.contexts[slot as usize],
            ContextMemory::new(context),
        );
        self.pages -= memory.pages.len() as u64;
        self.free.push(slot);
        if memory.pages.len() > BACKGROUND_DROP_PAGES {
            miden_cvm_parallel::spawn(move || drop(memory));
        }
    }

    /// The contexts whose memory is there, in no particular order.
    pub fn contexts(&self) -> impl Iterator<Item = ContextId> + '_ {
        self.slots.keys().copied()
    }

    // ACCESS BY THE PROGRAM
    // --------------------------------------------------------------------------------------------

    /// Reads the word that holds `addr`.
    #[inline]
    pub(crate) fn read(&mut self, slot: MemorySlot, addr: u32) -> OpResult<Word> {
        Ok(*self.touch(slot, addr)?)
    }

    /// Writes one element and returns the word that holds it.
    #[inline]
    pub(crate) fn write_element(
        &mut self,
        slot: MemorySlot,
        addr: u32,
        value: Felt,
    ) -> OpResult<Word> {
        let word = self.touch(slot, addr)?;
        word[(addr % WORD_LEN) as usize] = value;
        Ok(*word)
    }

    /// Writes the word at `addr`, which must be aligned.
    #[inline]
    pub(crate) fn write_word(&mut self, slot: MemorySlot, addr: u32, value: Word) -> OpResult<()> {
        debug_assert_eq!(addr % WORD_LEN, 0);
        *self.touch(slot, addr)? = value;
        Ok(())
    }

    /// The word that holds `addr`, which counts as touched from now on.
    #[inline]
    fn touch(&mut self, slot: MemorySlot, addr: u32) -> OpResult<&mut Word> {
        let number = addr >> PAGE_BITS;
        let line = number as usize % CACHE_LEN;
        let context = &self.contexts[slot.0 as usize];
        let (cached, index) = context.cache[line];
        let index = if cached == number {
            index
        } else {
            self.find_page(slot, number)?
        };
        let page = &mut self.contexts[slot.0 as usize].pages[index as usize];
        let word = word_in_page(addr);
        page.touched |= 1 << word;
        Ok(&mut page.words[word])
    }

    /// Finds or allocates a page and puts it into the cache.
    #[cold]
    fn find_page(&mut self, slot: MemorySlot, number: u32) -> OpResult<u32> {
        let context = &mut self.contexts[slot.0 as usize];
        let index = match context.numbers.get(&number) {
            Some(&index) => index,
            None => {
                if self.pages >= self.max_pages {
                    return Err(Box::new(Trap::LimitExceeded {
                        limit: "memory words",
                        max: self.max_words,
                    }));
                }
                self.pages += 1;
                let index = context.pages.len() as u32;
                context.pages.push(Page::new());
                context.numbers.insert(number, index);
                index
            }
        };
        context.cache[number as usize % CACHE_LEN] = (number, index);
        Ok(index)
    }

    // LOOKING AT IT
    // --------------------------------------------------------------------------------------------

    /// The element at an address; `None` if its word was never read or written.
    pub fn get_value(&self, context: ContextId, addr: u32) -> Option<Felt> {
        let word = self.context(context)?.touched_word(addr)?;
        Some(word[(addr % WORD_LEN) as usize])
    }

    /// The word at an address; `None` if it was never read or written.
    ///
    /// # Errors
    /// If the address is not aligned.
    pub fn get_word(&self, context: ContextId, addr: u32) -> Result<Option<Word>, MemoryError> {
        if !addr.is_multiple_of(WORD_LEN) {
            return Err(MemoryError::UnalignedWordAccess { addr, context });
        }
        Ok(self
            .context(context)
            .and_then(|memory| memory.touched_word(addr))
            .copied())
    }

    /// All elements of words that were ever read or written, by address.
    pub fn state(&self, context: ContextId) -> Vec<(u32, Felt)> {
        let Some(memory) = self.context(context) else {
            return Vec::new();
        };
        let mut pages: Vec<(u32, u32)> = memory.numbers.iter().map(|(&n, &i)| (n, i)).collect();
        pages.sort_unstable();
        let mut elements = Vec::new();
        for (number, index) in pages {
            let page = &memory.pages[index as usize];
            for (i, word) in page.words.iter().enumerate() {
                if page.touched & (1 << i) != 0 {
                    let addr = (number << PAGE_BITS) + i as u32 * WORD_LEN;
                    elements.extend((0..).zip(word.iter()).map(|(j, &value)| (addr + j, value)));
                }
            }
        }
        elements
    }

    fn context(&self, context: ContextId) -> Option<&ContextMemory> {
        let memory = &self.contexts[*self.slots.get(&context)? as usize];
        debug_assert_eq!(memory.context, context);
        Some(memory)
    }
}

/// The address that an element stands for.
///
/// # Errors
/// If it has more than 32 bits.
#[inline]
pub(crate) fn to_address(element: Felt) -> Result<u32, MemoryError> {
    let addr = element.as_int();
    u32::try_from(addr).map_err(|_| MemoryError::AddressOutOfBounds { addr })
}

/// The address of a word that an element stands for.
///
/// # Errors
/// If it has more than 32 bits, or is not a multiple of 4.
#[inline]
pub(crate) fn to_word_address(element: Felt, context: ContextId) -> Result<u32, MemoryError> {
    let addr = to_address(element)?;
    if addr.is_multiple_of(WORD_LEN) {
        Ok(addr)
    } else {
        Err(MemoryError::UnalignedWordAccess { addr, context })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn untouched_words_are_absent() {
        let mut memory = Memory::new(1 << 20);
        let slot = memory.open(ContextId::ROOT);
        assert_eq!(memory.get_value(ContextId::ROOT, 8), None);
        assert_eq!(memory.read(slot, 8).unwrap(), Word::default());
        assert_eq!(memory.get_value(ContextId::ROOT, 11), Some(ZERO));
        assert_eq!(memory.get_value(ContextId::ROOT, 12), None);
        memory.write_element(slot, u32::MAX, Felt::new(5)).unwrap();
        assert_eq!(
            memory.get_value(ContextId::ROOT, u32::MAX),
            Some(Felt::new(5))
        );
        let touched: Vec<u32> = memory.state(ContextId::ROOT).iter().map(|e| e.0).collect();
        assert_eq!(
            touched,
            [
                8,
                9,
                10,
                11,
                u32::MAX - 3,
                u32::MAX - 2,
                u32::MAX - 1,
                u32::MAX
            ]
        );
    }

    #[test]
    fn pages_that_share_a_cache_line_stay_apart() {
        let mut memory = Memory::new(1 << 20);
        let slot = memory.open(ContextId::ROOT);
        for i in 0..100u32 {
            memory.write_element(slot, i * 2048, Felt::from(i)).unwrap();
        }
        for i in 0..100u32 {
            assert_eq!(memory.read(slot, i * 2048).unwrap()[0], Felt::from(i));
        }
    }

    #[test]
    fn closed_contexts_give_their_pages_back() {
        let mut memory = Memory::new(64);
        for domain in 1..10 {
            let context = ContextId::new(domain, 0);
            let slot = memory.open(context);
            memory.write_element(slot, 0, Felt::from(domain)).unwrap();
            assert!(matches!(
                *memory.read(slot, 4096).unwrap_err(),
                Trap::LimitExceeded {
                    limit: "memory words",
                    max: 64
                }
            ));
            memory.close(context);
            assert_eq!(memory.get_value(context, 0), None);
        }
    }
}
