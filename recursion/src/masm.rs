//! Text of Miden assembly, with what a verifying program does often.

use std::fmt::{self, Display, Write};

use miden_core::{Felt, Word};

use crate::shape::{BLOCK, WORD};

/// Blocks that are absorbed in one round of a loop.
const ROUND: usize = 32;

/// An address of memory.
pub type Address = usize;

/// Hands out memory, by whole words.
#[derive(Debug, Default)]
pub struct Memory {
    next: Address,
}

impl Memory {
    /// Room for so many elements.
    pub fn take(&mut self, len: usize) -> Address {
        let address = self.next;
        self.next += len.next_multiple_of(WORD);
        address
    }
}

/// The state of the hasher and an address below it, as `adv_pipe`, `mem_stream` and `hperm` want them.
#[derive(Debug, Clone, Copy)]
pub struct Sponge {
    /// The elements that are hashed.
    pub len: usize,
    /// The first address that they are read from, or written to.
    pub address: Address,
}

impl Sponge {
    /// The number of blocks.
    pub fn blocks(&self) -> usize {
        self.len.div_ceil(BLOCK)
    }
}

/// A text that grows.
#[derive(Debug, Default)]
pub struct Masm {
    text: String,
}

impl Display for Masm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Masm {
    /// Adds instructions.
    pub fn add(&mut self, instructions: impl Display) {
        writeln!(self.text, "    {instructions}").expect("a string takes everything");
    }

    /// A procedure, or the program's body, with these instructions.
    pub fn block(&mut self, opening: &str, body: &Self) {
        write!(self.text, "{opening}\n{body}end\n\n").expect("a string takes everything");
    }

    /// Repeats instructions.
    pub fn repeat(&mut self, count: usize, instructions: &str) {
        match count {
            0 => {}
            1 => self.add(instructions),
            _ => self.add(format_args!("repeat.{count} {instructions} end")),
        }
    }

    /// Drops so many elements.
    pub fn drop(&mut self, count: usize) {
        for _ in 0..count / WORD {
            self.add("dropw");
        }
        for _ in 0..count % WORD {
            self.add("drop");
        }
    }

    /// Puts so many zeros on the stack.
    pub fn zeros(&mut self, count: usize) {
        for _ in 0..count / WORD {
            self.add("padw");
        }
        for _ in 0..count % WORD {
            self.add("push.0");
        }
    }

    /// Replaces so many elements on top by zeros.
    pub fn mask(&mut self, count: usize) {
        self.drop(count);
        self.zeros(count);
    }

    /// Puts a word on the stack.
    pub fn push_word(&mut self, word: Word) {
        let [a, b, c, d] = <[Felt; 4]>::from(word).map(|element| element.as_int());
        self.add(format_args!("push.{a}.{b}.{c}.{d}"));
    }

    /// Puts a word of memory on the stack.
    pub fn load_word(&mut self, address: Address) {
        self.add(format_args!("padw push.{address} mem_loadw_be"));
    }

    /// Replaces the word on top by one of memory.
    pub fn reload_word(&mut self, address: Address) {
        self.add(format_args!("push.{address} mem_loadw_be"));
    }

    /// Copies the word on top to memory.
    pub fn copy_word(&mut self, address: Address) {
        self.add(format_args!("push.{address} mem_storew_be"));
    }

    /// Puts an element of memory on the stack.
    pub fn load(&mut self, address: Address) {
        self.add(format_args!("mem_load.{address}"));
    }

    /// Moves the element on top to memory.
    pub fn store(&mut self, address: Address) {
        self.add(format_args!("mem_store.{address}"));
    }

    /// Puts an element of the extension from memory on the stack.
    pub fn load_ext(&mut self, address: Address) {
        self.add(format_args!("mem_load.{address} mem_load.{}", address + 1));
    }

    /// Moves the element of the extension on top to memory.
    pub fn store_ext(&mut self, address: Address) {
        self.add(format_args!(
            "mem_store.{} mem_store.{address}",
            address + 1
        ));
    }

    /// Puts a state of the hasher on the stack that has absorbed nothing, above the address.
    pub fn sponge(&mut self, sponge: Sponge) {
        self.add(format_args!("push.{}", sponge.address));
        self.add(format_args!("push.{}.0.0.0 padw padw", sponge.len % BLOCK));
    }

    /// Absorbs all blocks from the advice, which go to memory too, or from memory. What pads the last
    /// block is zero, whatever is there.
    pub fn absorb(&mut self, sponge: Sponge, source: &str) {
        let padding = sponge.blocks() * BLOCK - sponge.len;
        let whole = sponge.blocks() - usize::from(padding > 0);
        self.repeat(whole, &format!("{source} hperm"));
        if padding > 0 {
            self.add(source);
            self.mask(padding);
            self.add("hperm");
        }
    }

    /// Replaces the hasher's state and the address by the digest.
    pub fn squeeze(&mut self) {
        self.add("dropw swapw dropw movup.4 drop");
    }

    /// Puts the hash of elements on the stack, which are read from `source`.
    pub fn hash(&mut self, sponge: Sponge, source: &str) {
        // Whole rounds are a loop, whose code is short however long the elements are. The number of
        // rounds that are left is below the address.
        let rounds = sponge.len / (ROUND * BLOCK);
        if rounds < 2 {
            self.sponge(sponge);
            self.absorb(sponge, source);
            self.squeeze();
            return;
        }
        self.add(format_args!("push.{rounds}"));
        self.sponge(sponge);
        self.add(format_args!(
            "push.1 while.true repeat.{ROUND} {source} hperm end \
             movup.13 sub.1 dup movdn.14 neq.0 end"
        ));
        let len = sponge.len % (ROUND * BLOCK);
        self.absorb(Sponge { len, ..sponge }, source);
        self.squeeze();
        self.add("movup.4 drop");
    }

    /// Replaces the third word on top, a state's beginning, by one of memory; the first one is lost.
    pub fn replace_capacity(&mut self, address: Address) {
        self.reload_word(address);
        self.add("swapw.2");
    }

    /// Checks that the second word on top, a node, is below the root on top of it. Leaves two elements fewer
    /// that nothing is known of.
    pub fn verify_path(&mut self, index: Address, depth: usize) {
        self.add("swapw");
        self.load(index);
        self.add(format_args!(
            "push.{depth} movdn.5 movdn.5 mtree_verify drop drop"
        ));
    }

    /// Writes elements that are known to memory.
    pub fn write(&mut self, address: Address, elements: impl IntoIterator<Item = Felt>) {
        for (i, element) in elements.into_iter().enumerate() {
            self.add(format_args!("push.{}", element.as_int()));
            self.store(address + i);
        }
    }
}
