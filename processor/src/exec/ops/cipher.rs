//! Encryption of memory with a key stream.

use miden_core::{Felt, Word, stack::MIN_STACK_DEPTH};

use crate::{
    context::ContextId,
    error::{MemoryError, OpResult},
    machine::{memory::to_address, process::Process},
    tracer::Tracer,
};

/// Position of the address that is read; the one that is written is below it.
const SOURCE: usize = 12;
const WORD: Felt = Felt::new(4);
/// Elements that are encrypted: two words.
const LENGTH: u32 = 8;

impl<T: Tracer> Process<T> {
    /// Encrypts two words of memory by adding the top eight elements, which become the result.
    pub(super) fn op_crypto_stream(&mut self) -> OpResult {
        let (source, target) = (self.stack.get(SOURCE), self.stack.get(SOURCE + 1));
        check_ranges(source, target, self.context, self.clk)?;
        // The word that lies deeper on the stack has the lower address.
        let positions = [4, 0];
        let addresses = |first: Felt| [first, first + WORD];
        let mut words = [Word::default(); 2];
        for (i, addr) in addresses(source).into_iter().enumerate() {
            let plain = self.read_word(addr)?;
            let key = self.stack.get_word(positions[i]);
            words[i] = Word::new(core::array::from_fn(|j| plain[j] + key[j]));
        }
        for (addr, word) in addresses(target).into_iter().zip(words) {
            self.write_word(addr, word)?;
        }
        for (position, word) in positions.into_iter().zip(&words) {
            self.stack.set_word(position, word);
        }
        let length = Felt::from(LENGTH);
        self.stack.set(SOURCE, source + length);
        self.stack.set(SOURCE + 1, target + length);
        Ok(())
    }
}

/// Checks that both ranges end within memory (before its last element, as Miden counts) and have
/// nothing in common.
fn check_ranges(
    source: Felt,
    target: Felt,
    context: ContextId,
    clk: u32,
) -> Result<(), MemoryError> {
    let range = |element: Felt| {
        let start = to_address(element)?;
        let end = start.checked_add(LENGTH);
        let addr = u64::from(start);
        end.map(|end| start..end)
            .ok_or(MemoryError::AddressOutOfBounds { addr })
    };
    let (source, target) = (range(source)?, range(target)?);
    if source.start < target.end && target.start < source.end {
        // The first of the two words written that is also read.
        let addr = if source.contains(&target.start) {
            target.start
        } else {
            target.start + 4
        };
        return Err(MemoryError::IllegalMemoryAccess { context, addr, clk });
    }
    Ok(())
}

/// A witness that two ranges have no word in common and end within memory: products of degree 2
/// whose last one is the inverse of the one before. Other ranges have none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RangeWitness {
    /// The distance squared.
    pub square: Felt,
    /// The product of the distance and its neighbours on either side, a word away.
    pub distinct: Felt,
    /// The product of the distances of both ends from the end of memory.
    pub below: Felt,
}

impl RangeWitness {
    /// Computes the products for the addresses on top of a stack.
    pub fn of(top: &[Felt; MIN_STACK_DEPTH]) -> Self {
        let distance = top[SOURCE + 1] - top[SOURCE];
        let square = distance * distance;
        let end = |address: Felt| address + Felt::from(LENGTH) - Felt::new(1 << 32);
        Self {
            square,
            distinct: distance * (square - Felt::new(16)),
            below: end(top[SOURCE]) * end(top[SOURCE + 1]),
        }
    }
}
