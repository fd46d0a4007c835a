//! The hash function RPO.

use crate::{Felt, Word, bindings::miden::cvm::rpo};

/// Elements that are absorbed at a time.
const RATE: usize = 8;

/// Bytes that fit into an element, whatever they are.
const BYTES: usize = 7;

/// The state, with the capacity first.
struct State([Felt; 4 + RATE]);

impl State {
    /// Capacity that says how many elements the last block has, as all hashes of elements of the VM have it.
    fn new(length: usize) -> Self {
        let mut state = [Felt::ZERO; 4 + RATE];
        state[0] = Felt::from((length % RATE) as u32);
        Self(state)
    }

    fn absorb(&mut self, block: impl Iterator<Item = Felt>) {
        let mut block = block.fuse();
        for element in &mut self.0[4..] {
            *element = block.next().unwrap_or_default();
        }
        self.permute();
    }

    fn permute(&mut self) {
        let [s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11] = self.0.map(Into::into);
        let (s11, s10, s9, s8, s7, s6, s5, s4, s3, s2, s1, s0) =
            rpo::permute((s11, s10, s9, s8, s7, s6, s5, s4, s3, s2, s1, s0));
        self.0 = [s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11].map(Felt::from);
    }

    fn digest(&self) -> Word {
        let [_, _, _, _, w0, w1, w2, w3, ..] = self.0;
        Word([w0, w1, w2, w3])
    }
}

/// The hash of elements.
pub fn hash(elements: &[Felt]) -> Word {
    let mut state = State::new(elements.len());
    for block in elements.chunks(RATE) {
        state.absorb(block.iter().copied());
    }
    state.digest()
}

/// The hash of bytes: of their number, and of elements that have seven of them each, the first the lowest.
pub fn hash_bytes(bytes: &[u8]) -> Word {
    let element = |bytes: &[u8]| {
        let mut value = [0; 8];
        value[..bytes.len()].copy_from_slice(bytes);
        Felt::new(u64::from_le_bytes(value))
    };
    let length = 1 + bytes.len().div_ceil(BYTES);
    let mut elements =
        core::iter::once(Felt::new(bytes.len() as u64)).chain(bytes.chunks(BYTES).map(element));
    let mut state = State::new(length);
    for _ in 0..length.div_ceil(RATE) {
        state.absorb(elements.by_ref().take(RATE));
    }
    state.digest()
}

/// The hash of two words, as inner nodes of trees have it.
pub fn merge(left: Word, right: Word) -> Word {
    rpo::merge(left.into(), right.into()).into()
}
