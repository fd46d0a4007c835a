//! Operations that read and write memory, and read advice.

use miden_core::{Felt, Word, ZERO};

use crate::{error::OpResult, machine::process::Process, tracer::Tracer};

/// Position of the address in the streaming operations, below three words.
const STREAM_ADDR: usize = 12;
const WORD: Felt = Felt::new(4);

impl<T: Tracer> Process<T> {
    #[inline]
    pub(super) fn op_mload(&mut self) -> OpResult {
        let value = self.read_element(self.stack.get(0))?;
        self.stack.set(0, value);
        Ok(())
    }

    #[inline]
    pub(super) fn op_mstore(&mut self) -> OpResult {
        self.write_element(self.stack.get(0), self.stack.get(1))?;
        self.stack.drop_top();
        Ok(())
    }

    #[inline]
    pub(super) fn op_mloadw(&mut self) -> OpResult {
        let word = self.read_word(self.stack.get(0))?;
        self.stack.drop_top();
        self.stack.set_word(0, &word);
        Ok(())
    }

    #[inline]
    pub(super) fn op_mstorew(&mut self) -> OpResult {
        self.write_word(self.stack.get(0), self.stack.get_word(1))?;
        self.stack.drop_top();
        Ok(())
    }

    #[inline]
    pub(super) fn op_mstream(&mut self) -> OpResult {
        let addr = self.stack.get(STREAM_ADDR);
        let words = [self.read_word(addr)?, self.read_word(addr + WORD)?];
        self.stream(addr, words);
        Ok(())
    }

    #[inline]
    pub(super) fn op_pipe(&mut self) -> OpResult {
        let addr = self.stack.get(STREAM_ADDR);
        let elements = self.take_advice::<8>()?;
        let word = |start| Word::new(core::array::from_fn(|i| elements[start + i]));
        let words = [word(0), word(4)];
        self.write_word(addr, words[0])?;
        self.write_word(addr + WORD, words[1])?;
        self.stream(addr, words);
        Ok(())
    }

    /// Overwrites the top two words, the second one ending on top, and moves the address on.
    fn stream(&mut self, addr: Felt, words: [Word; 2]) {
        self.stack.set_word(0, &words[1]);
        self.stack.set_word(4, &words[0]);
        self.stack.set(STREAM_ADDR, addr + WORD + WORD);
    }

    #[inline]
    pub(super) fn op_advpop(&mut self) -> OpResult {
        let [value] = self.take_advice()?;
        self.stack.push(value, self.clk);
        Ok(())
    }

    #[inline]
    pub(super) fn op_advpopw(&mut self) -> OpResult {
        let word = Word::new(self.take_advice()?);
        self.stack.set_word(0, &word);
        Ok(())
    }

    /// Takes elements from the advice stack, the top one first.
    #[inline(always)]
    fn take_advice<const N: usize>(&mut self) -> OpResult<[Felt; N]> {
        let mut elements = [ZERO; N];
        let (tracer, taking) = self.taking();
        tracer.take_advice(taking, &mut elements)?;
        Ok(elements)
    }
}
