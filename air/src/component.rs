//! What a component is, without its wiring: the record that a program installs instances by.
//!
//! A record is a sequence of blocks of eight elements, each of which states one thing. Its hash is the
//! **commitment** of the component. The first block has the number of blocks, so no record is the
//! beginning of another one.

use alloc::vec::Vec;

use miden_core::{Felt, Word};
use miden_crypto::hash::rpo::Rpo256;
use thiserror::Error;
use winter_math::FieldElement;

pub use crate::composition::INSTALLED;
use crate::composition::{DATA_LIMIT, Intrinsic, IntrinsicCall, LinkKind, SEGMENT_BLOCK, key_of};

/// The elements of a block.
pub const BLOCK: usize = 8;

/// The most blocks that a record may have.
pub const MAX_BLOCKS: usize = 1 << 16;

/// What a block states: its first element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum BlockKind {
    /// The first block: the numbers of blocks and of imports to wire.
    Head = 1,
    /// A function of an import: its key, the number of the import, the kind of the call, its digest.
    Import,
    /// A procedure of the component's own: whether the component has static data, 0, 0, its digest.
    Own,
    /// A call of what is held: its key, 0, 0, its digest. Or a procedure for handles to instances: 0,
    /// 0, the number of the call's kind, its digest.
    Generic,
    /// A procedure of the VM that has no handles: 0, 0, the number of the call's kind, its digest.
    Builtin,
    /// An export: its key, whether the component has static data, 0, its digest.
    Export,
    /// A segment: its number, address, number of blocks and commitment. The last one has the number
    /// of this kind + 1.
    Segment,
}

/// Facts about instances that take the form of links which no call goes over: the numbers stand where
/// links have the number of the call's kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum FactKind {
    /// A procedure for handles to any installed instance; plus the number of the call's kind.
    Generic = 32,
    /// A call of any installed instance, by the key of its export.
    Held = 64,
    /// The commitment of an instance's component.
    Component = 65,
    /// An export: its key, its digest, and whether there is static data.
    Export = 66,
    /// The instance that an import is wired to.
    Wire = 67,
}

/// A function of an import that is wired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Import {
    /// The digest that a call of it names.
    pub digest: Word,
    /// The key that the export has which it is wired to.
    pub key: Felt,
    /// Number of the import, from 1.
    pub slot: u32,
    /// The kind of the call; not held.
    pub kind: LinkKind,
}

/// A function that is called, or offered, by its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keyed {
    /// The digest that a call of it names, or that is executed.
    pub digest: Word,
    /// The key.
    pub key: Felt,
}

/// A procedure of the VM that the component may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Builtin {
    /// The digest that a call of it names.
    pub digest: Word,
    /// The procedure.
    pub intrinsic: Intrinsic,
}

/// A segment of static data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// First address, in elements; a multiple of 4.
    pub address: u32,
    /// Number of elements; a non-zero multiple of [`SEGMENT_BLOCK`].
    pub length: u32,
    /// RPO hash of the elements.
    pub commitment: Word,
}

/// A component: what its instances may call and offer, and the data that they begin with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Component {
    /// Functions of imports, by the number of the import.
    pub imports: Vec<Import>,
    /// Procedures of its own that it calls.
    pub own: Vec<Word>,
    /// Calls of instances that it holds.
    pub held: Vec<Keyed>,
    /// Procedures for handles to instances, and others of the VM.
    pub builtins: Vec<Builtin>,
    /// Exports.
    pub exports: Vec<Keyed>,
    /// Static data, in order of addresses.
    pub segments: Vec<Segment>,
}

/// Why elements are not the record of a component.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ComponentError {
    /// The elements are no whole number of blocks, or too many.
    #[error(
        "a component's record has between 1 and {MAX_BLOCKS} blocks of 8 elements, but this one has {0} elements"
    )]
    Length(usize),
    /// A block does not state anything, or states it in another way than it is written.
    #[error("block {0} of the component's record does not state anything that a component has")]
    Block(usize),
    /// Imports are not numbered from 1 on.
    #[error("the imports of the component's record are not numbered in order from 1")]
    Slots,
    /// Two calls name one digest.
    #[error("the component's record has two meanings for calls of {0}")]
    DuplicateDigest(Word),
    /// Two exports have one key.
    #[error("the component's record has two exports with the key {0}")]
    DuplicateKey(Felt),
    /// A procedure of the VM is not for components that are installed.
    #[error("{0:?} is no procedure that an installed component can have")]
    Authority(Intrinsic),
    /// A segment is empty, not aligned, out of range, or overlaps the one before it.
    #[error(
        "the segment at address {0} of the component's record is empty, not aligned, out of range, or overlaps the one before it"
    )]
    Segment(u32),
}

impl Component {
    /// The number of imports that have to be wired.
    pub fn num_slots(&self) -> u32 {
        self.imports.last().map_or(0, |import| import.slot)
    }

    /// The export that has a key.
    pub fn export(&self, key: Felt) -> Option<Word> {
        let mut exports = self.exports.iter();
        let found = exports.find(|export| export.key == key);
        found.map(|export| export.digest)
    }

    /// Checks that every call has one meaning, that imports are numbered in order, and that its data and
    /// procedures of the VM are what an installed component can have.
    ///
    /// # Errors
    /// Returns the first rule that is broken.
    pub fn validate(&self) -> Result<(), ComponentError> {
        let mut slot = 0;
        for import in &self.imports {
            if import.kind == LinkKind::Held || !(slot..=slot + 1).contains(&import.slot) {
                return Err(ComponentError::Slots);
            }
            slot = import.slot;
        }
        if self.imports.first().is_some_and(|import| import.slot == 0) {
            return Err(ComponentError::Slots);
        }
        let mut digests: Vec<[u64; 4]> = Vec::new();
        let named = self.imports.iter().map(|import| import.digest);
        let named = named.chain(self.own.iter().copied());
        let named = named.chain(self.held.iter().map(|held| held.digest));
        let named = named.chain(self.builtins.iter().map(|builtin| builtin.digest));
        digests.extend(named.map(key_of));
        digests.sort_unstable();
        if let Some(pair) = digests.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(ComponentError::DuplicateDigest(
                pair[0].map(Felt::new).into(),
            ));
        }
        let mut keys: Vec<u64> = self.exports.iter().map(|e| e.key.as_int()).collect();
        keys.sort_unstable();
        if let Some(pair) = keys.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(ComponentError::DuplicateKey(Felt::new(pair[0])));
        }
        if let Some(builtin) = self
            .builtins
            .iter()
            .find(|b| kind_of(b.intrinsic).is_none())
        {
            return Err(ComponentError::Authority(builtin.intrinsic));
        }
        let mut end = 0;
        for &Segment {
            address, length, ..
        } in &self.segments
        {
            let fits = address % 4 == 0 && length != 0 && length % SEGMENT_BLOCK == 0;
            let start = u64::from(address);
            if !fits || start < end || start + u64::from(length) > DATA_LIMIT {
                return Err(ComponentError::Segment(address));
            }
            end = start + u64::from(length);
        }
        match self.num_blocks() {
            blocks if blocks > MAX_BLOCKS => Err(ComponentError::Length(BLOCK * blocks)),
            _ => Ok(()),
        }
    }

    fn num_blocks(&self) -> usize {
        1 + self.imports.len()
            + self.own.len()
            + self.held.len()
            + self.builtins.len()
            + self.exports.len()
            + self.segments.len()
    }

    /// The blocks of the record, in order.
    pub fn blocks(&self) -> Vec<[Felt; BLOCK]> {
        let has_data = u64::from(!self.segments.is_empty());
        let mut blocks = Vec::with_capacity(self.num_blocks());
        let mut push = |kind: BlockKind, b1: Felt, b2: u64, b3: u64, digest: Word| {
            let [d0, d1, d2, d3] = digest.into();
            let [b2, b3] = [b2, b3].map(Felt::new);
            blocks.push([Felt::from(kind as u8), b1, b2, b3, d0, d1, d2, d3]);
        };
        let zero = Felt::ZERO;
        let slots = u64::from(self.num_slots());
        let count = Felt::new(self.num_blocks() as u64);
        push(BlockKind::Head, count, slots, 0, Word::default());
        for import in &self.imports {
            let kind = u64::from(import.kind.code());
            let slot = u64::from(import.slot);
            push(BlockKind::Import, import.key, slot, kind, import.digest);
        }
        for &digest in &self.own {
            push(BlockKind::Own, Felt::new(has_data), 0, 0, digest);
        }
        for held in &self.held {
            push(BlockKind::Generic, held.key, 0, 0, held.digest);
        }
        for builtin in &self.builtins {
            if let Some((block, kind)) = kind_of(builtin.intrinsic) {
                push(block, zero, 0, kind.into(), builtin.digest);
            }
        }
        for export in &self.exports {
            push(BlockKind::Export, export.key, has_data, 0, export.digest);
        }
        for (number, segment) in (0..).zip(&self.segments) {
            let (address, length) = (u64::from(segment.address), segment.length / SEGMENT_BLOCK);
            push(
                BlockKind::Segment,
                Felt::new(number),
                address,
                length.into(),
                segment.commitment,
            );
        }
        if let Some(last) = blocks.last_mut().filter(|_| has_data == 1) {
            last[0] += Felt::ONE;
        }
        blocks
    }

    /// The elements of the record: its blocks, one after the other.
    pub fn to_elements(&self) -> Vec<Felt> {
        self.blocks().into_flattened()
    }

    /// The RPO hash of [`Self::to_elements`]: what a program names the component by.
    pub fn commitment(&self) -> Word {
        Rpo256::hash_elements(&self.to_elements())
    }

    /// Reads a record.
    ///
    /// # Errors
    /// If the elements are not those of a valid component.
    pub fn from_elements(elements: &[Felt]) -> Result<Self, ComponentError> {
        let (blocks, rest) = elements.as_chunks::<BLOCK>();
        if !rest.is_empty() || blocks.is_empty() || blocks.len() > MAX_BLOCKS {
            return Err(ComponentError::Length(elements.len()));
        }
        let mut component = Self::default();
        for (number, block) in blocks.iter().enumerate().skip(1) {
            component.push(block).ok_or(ComponentError::Block(number))?;
        }
        // What is written again says the same in the same order, or something was not read.
        let written = component.blocks();
        let differs = |(written, read): (&[Felt; BLOCK], &[Felt; BLOCK])| written != read;
        if let Some(number) = written.iter().zip(blocks).position(differs) {
            return Err(ComponentError::Block(number));
        }
        component.validate()?;
        Ok(component)
    }

    /// Takes what a block but the first states.
    fn push(&mut self, block: &[Felt; BLOCK]) -> Option<()> {
        let &[tag, b1, b2, b3, d0, d1, d2, d3] = block;
        let digest = Word::from([d0, d1, d2, d3]);
        let number = |value: Felt| u32::try_from(value.as_int()).ok();
        let kind = b3.as_int();
        match tag.as_int() {
            tag if tag == BlockKind::Import as u64 => {
                let mut kinds = LinkKind::ALL.into_iter();
                self.imports.push(Import {
                    digest,
                    key: b1,
                    slot: number(b2)?,
                    kind: kinds.find(|k| u64::from(k.code()) == kind)?,
                });
            }
            tag if tag == BlockKind::Own as u64 => self.own.push(digest),
            tag if tag == BlockKind::Generic as u64 && kind == 0 => {
                self.held.push(Keyed { digest, key: b1 });
            }
            tag if [BlockKind::Generic as u64, BlockKind::Builtin as u64].contains(&tag) => {
                let mut all = Intrinsic::ALL.into_iter();
                let found = all.find(|&intrinsic| {
                    kind_of(intrinsic).is_some_and(|(b, k)| b as u64 == tag && u64::from(k) == kind)
                });
                self.builtins.push(Builtin {
                    digest,
                    intrinsic: found?,
                });
            }
            tag if tag == BlockKind::Export as u64 => {
                self.exports.push(Keyed { digest, key: b1 });
            }
            tag if (0..2).any(|last| tag == BlockKind::Segment as u64 + last) => {
                self.segments.push(Segment {
                    address: number(b2)?,
                    length: number(b3)?.checked_mul(SEGMENT_BLOCK)?,
                    commitment: digest,
                });
            }
            _ => return None,
        }
        Some(())
    }
}

/// How a record states a procedure of the VM, with the meaning of a call of it; nothing for one that
/// installed components cannot have.
fn kind_of(intrinsic: Intrinsic) -> Option<(BlockKind, u8)> {
    match intrinsic {
        Intrinsic::Drop => Some((BlockKind::Generic, IntrinsicCall::INSTANCE_DROP.code())),
        Intrinsic::SendOwn | Intrinsic::SendBorrow | Intrinsic::RecvOwn | Intrinsic::RecvBorrow => {
            Some((BlockKind::Generic, intrinsic.code()))
        }
        Intrinsic::Caller | Intrinsic::Component => Some((BlockKind::Builtin, intrinsic.code())),
        _ => None,
    }
}
