//! Components without their wiring: the records that a program installs instances by.
//!
//! A record is a sequence of blocks of eight elements, each of which states one thing. Its hash is the
//! **commitment** of the component. The first block has the number of blocks, so no record is the
//! beginning of another one.

use alloc::vec::Vec;
use core::cmp::Ordering;

use miden_core::{Felt, Word};
use miden_crypto::hash::rpo::Rpo256;
use thiserror::Error;
use winter_math::FieldElement;

pub use crate::composition::INSTALLED;
use crate::{
    composition::{Intrinsic, IntrinsicCall, LinkKind, Right, SEGMENT_BLOCK},
    memory_io::DATA_LIMIT,
};

/// The elements of a block.
pub const BLOCK: usize = 8;

/// The most procedures that code may have.
pub const MAX_PROCEDURES: usize = 1 << 16;

/// The most blocks that a record may have: all numbers of types fit in 32 bits.
pub const MAX_BLOCKS: usize = (1 << 16) - 1;

/// The number of the type which the last block of the record of instance 0 would define; for the instance of
/// index `i` it is `i` more, and 2^16 more for each block that follows. Numbers below are those of the composition's
/// types and of handles to instances.
pub const FIRST_INSTALLED_TYPE: u32 = 1 << 17;

/// The number of the type that an installed instance defines by a block which `left` others follow.
pub fn installed_type(index: u16, left: u32) -> u32 {
    FIRST_INSTALLED_TYPE + u32::from(index) + (left << 16)
}

/// The kind of a block: its first element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum BlockKind {
    /// The first block: the numbers of blocks and of imports to wire, and whether types follow.
    Head = 1,
    /// A function of an import: its key, the number of the import, the kind of the call, its digest.
    Import,
    /// A procedure of the component's own: whether the component has static data, whether it defines types, 0,
    /// its digest.
    Own,
    /// A call of what is held: its key, 0, 0, its digest. Or a procedure for handles to instances: 0,
    /// 0, the number of the call's kind, its digest.
    Generic,
    /// A procedure of the VM that has no handles: 0, 0, the number of the call's kind, its digest.
    Builtin,
    /// An export: its key, whether the component has static data, whether it defines types, its digest.
    Export,
    /// A segment: its number, address, number of blocks and commitment. The last one has the number
    /// of this kind + 1.
    Segment,
    /// A resource type: its key, 0, whether it has a destructor, the destructor.
    Type = 9,
    /// A procedure for handles of a type: the type's key, the number of the import that leads to its definer or
    /// 0 for a type of the component's own, the number of the call's kind, its digest.
    Handle,
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
    /// A resource type of an instance: its key, its destructor, and its number.
    Type = 68,
    /// The first import of an instance is one of a whole instance.
    Whole = 69,
}

/// A call that a component makes, and what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// The digest that it names.
    pub digest: Word,
    /// Its meaning.
    pub meaning: Meaning,
}

/// The meaning of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// A function of an import that is wired.
    Import {
        /// The key that the export has which it leads to.
        key: Felt,
        /// Number of the import, from 1.
        slot: u32,
        /// The kind of the call; not held.
        kind: LinkKind,
    },
    /// A procedure of the component's own.
    Own,
    /// The export with this key of an instance that the caller holds.
    Held(Felt),
    /// A procedure of the VM: one for handles to instances, or another one.
    Builtin(Intrinsic),
    /// A procedure for handles of a resource type.
    Handle {
        /// The procedure.
        intrinsic: Intrinsic,
        /// The key of the type.
        key: Felt,
        /// Number of the import that leads to the definer, from 1; 0 for a type of the component's own.
        slot: u32,
    },
}

/// A resource type that a component defines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Type {
    /// The key.
    pub key: Felt,
    /// The procedure that runs when an own handle is dropped.
    pub destructor: Option<Word>,
}

/// A function that a component offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Export {
    /// The digest that is executed.
    pub digest: Word,
    /// The key.
    pub key: Felt,
}

/// The number of lower bits of a digest's first element, or of a key, by which the blocks of a record are
/// ordered.
pub const ORDER_BITS: u32 = 48;

/// The number by which the calls of a record are ordered, of the first element of their digests, and its
/// exports, of their keys.
pub fn order_of(element: Felt) -> u64 {
    element.as_int() & ((1 << ORDER_BITS) - 1)
}

impl Call {
    fn order(&self) -> u64 {
        order_of(self.digest[0])
    }
}

impl Export {
    fn order(&self) -> u64 {
        order_of(self.key)
    }
}

impl Type {
    fn order(&self) -> u64 {
        order_of(self.key)
    }
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
    /// The resource types that it defines, in the order of the keys.
    pub types: Vec<Type>,
    /// Its calls, in the order of [`order_of`] the digests.
    pub calls: Vec<Call>,
    /// Its exports, in the order of the keys.
    pub exports: Vec<Export>,
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
    /// Types, calls or exports are not in order.
    #[error(
        "block {0} of the component's record belongs before the one above it: calls stand in the order of the \
         lowest {ORDER_BITS} bits of their digests' first elements, types and exports in that of their keys"
    )]
    Order(usize),
    /// Imports are not numbered from 1 on.
    #[error("the imports of the component's record are not numbered from 1 on without a gap")]
    Slots,
    /// Two calls name one digest.
    #[error(
        "the component's record has two meanings for calls of {0}, or of a digest whose first element ends in \
         the same {ORDER_BITS} bits"
    )]
    DuplicateDigest(Word),
    /// Two exports have one key.
    #[error(
        "the component's record has two exports with the key {0}, or with keys that end in the same \
         {ORDER_BITS} bits"
    )]
    DuplicateKey(Felt),
    /// Two types have one key.
    #[error(
        "the component's record has two resource types with the key {0}, or with keys that end in the same \
         {ORDER_BITS} bits"
    )]
    DuplicateType(Felt),
    /// A procedure is for handles of a type of the component's own that it does not define.
    #[error(
        "the component's record has a procedure for a resource type of its own (key {0}) that it does not define"
    )]
    UnknownType(Felt),
    /// A procedure of the VM is not for components that are installed.
    #[error("{0:?} is not a procedure that an installed component can have")]
    Authority(Intrinsic),
    /// A segment is empty, not aligned, out of range, or overlaps the one before it.
    #[error(
        "the segment at address {0} of the component's record is empty, not aligned, out of range, or overlaps the one before it"
    )]
    Segment(u32),
}

impl Component {
    /// A component with these calls and exports, which are put in order, and with segments in order of
    /// addresses.
    pub fn new(mut calls: Vec<Call>, mut exports: Vec<Export>, segments: Vec<Segment>) -> Self {
        calls.sort_by_key(Call::order);
        exports.sort_by_key(Export::order);
        Self {
            types: Vec::new(),
            calls,
            exports,
            segments,
        }
    }

    /// The component with these resource types, which are put in order.
    #[must_use]
    pub fn with_types(mut self, mut types: Vec<Type>) -> Self {
        types.sort_by_key(Type::order);
        self.types = types;
        self
    }

    /// Returns `true` if it defines resource types: its instances are called neither fresh nor adopted.
    pub fn defines_types(&self) -> bool {
        !self.types.is_empty()
    }

    /// The number of imports that have to be wired.
    pub fn num_slots(&self) -> u32 {
        self.slots().max().unwrap_or_default()
    }

    /// The numbers of the imports, one for each function and each procedure for handles of their types.
    fn slots(&self) -> impl Iterator<Item = u32> {
        self.calls.iter().filter_map(|call| match call.meaning {
            Meaning::Import { slot, .. } => Some(slot),
            Meaning::Handle { slot, .. } => (slot != 0).then_some(slot),
            _ => None,
        })
    }

    /// The type of its own that has a key, the number of the block that says so, and how many follow it.
    pub fn own_type(&self, key: Felt) -> Option<(usize, u32, &Type)> {
        let order = order_of(key);
        let found = self.types.binary_search_by_key(&order, Type::order);
        let position = found.ok()?;
        let of = &self.types[position];
        let block = 1 + position;
        let left = self.num_blocks().checked_sub(block + 1)?;
        (of.key == key).then_some((block, u32::try_from(left).ok()?, of))
    }

    /// The meaning of a call of a digest, and the number of the block that states it.
    pub fn call(&self, digest: Word) -> Option<(usize, Meaning)> {
        let order = order_of(digest[0]);
        let found = self.calls.binary_search_by_key(&order, Call::order);
        let position = found.ok()?;
        let call = &self.calls[position];
        (call.digest == digest).then_some((self.first_call() + position, call.meaning))
    }

    /// The export that has a key, and the number of the block that says so.
    pub fn export(&self, key: Felt) -> Option<(usize, Word)> {
        let found = self
            .exports
            .binary_search_by_key(&order_of(key), Export::order);
        let position = found.ok()?;
        let export = &self.exports[position];
        (export.key == key).then_some((self.first_export() + position, export.digest))
    }

    /// Code without anything else: procedures, which have their numbers as keys, from that of the first one on.
    pub fn of_code(first: u32, procedures: impl IntoIterator<Item = Word>) -> Self {
        let numbered = (first..).zip(procedures);
        let exports = numbered.map(|(number, digest)| Export {
            digest,
            key: Felt::from(number),
        });
        Self {
            exports: exports.collect(),
            ..Self::default()
        }
    }

    /// The number of the block of a segment.
    pub fn segment_block(&self, segment: u32) -> usize {
        self.first_export() + self.exports.len() + segment as usize
    }

    fn first_call(&self) -> usize {
        1 + self.types.len()
    }

    fn first_export(&self) -> usize {
        self.first_call() + self.calls.len()
    }

    /// Checks that types, calls and exports are in order, so that each has one meaning, that imports are numbered
    /// without a gap, that procedures for types of its own are for such as it defines, and that its data and procedures of the VM are what an installed component can have.
    ///
    /// # Errors
    /// Returns the first rule that is broken.
    pub fn validate(&self) -> Result<(), ComponentError> {
        let mut slots: Vec<u32> = self.slots().collect();
        slots.sort_unstable();
        slots.dedup();
        if !slots.into_iter().eq(1..=self.num_slots()) {
            return Err(ComponentError::Slots);
        }
        in_order(1, self.types.iter().map(Type::order), |i| {
            ComponentError::DuplicateType(self.types[i].key)
        })?;
        in_order(self.first_call(), self.calls.iter().map(Call::order), |i| {
            ComponentError::DuplicateDigest(self.calls[i].digest)
        })?;
        in_order(
            self.first_export(),
            self.exports.iter().map(Export::order),
            |i| ComponentError::DuplicateKey(self.exports[i].key),
        )?;
        for call in &self.calls {
            match call.meaning {
                Meaning::Import {
                    kind: LinkKind::Held,
                    ..
                } => return Err(ComponentError::Slots),
                Meaning::Builtin(intrinsic) if kind_of(intrinsic).is_none() => {
                    return Err(ComponentError::Authority(intrinsic));
                }
                Meaning::Handle {
                    intrinsic, slot, ..
                } if handle_kind(intrinsic, slot).is_none() => {
                    return Err(ComponentError::Authority(intrinsic));
                }
                Meaning::Handle { key, slot: 0, .. } if self.own_type(key).is_none() => {
                    return Err(ComponentError::UnknownType(key));
                }
                _ => {}
            }
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
        self.first_export() + self.exports.len() + self.segments.len()
    }

    /// The blocks of the record, in order.
    pub fn blocks(&self) -> Vec<[Felt; BLOCK]> {
        let has_data = u64::from(!self.segments.is_empty());
        let defines = u64::from(self.defines_types());
        let mut blocks = Vec::with_capacity(self.num_blocks());
        let mut push = |kind: BlockKind, b1: Felt, b2: u64, b3: u64, digest: Word| {
            let [d0, d1, d2, d3] = digest.into();
            let [b2, b3] = [b2, b3].map(Felt::new);
            blocks.push([Felt::from(kind as u8), b1, b2, b3, d0, d1, d2, d3]);
        };
        let zero = Felt::ZERO;
        let slots = u64::from(self.num_slots());
        let count = Felt::new(self.num_blocks() as u64);
        push(BlockKind::Head, count, slots, defines, Word::default());
        for &Type { key, destructor } in &self.types {
            let has_destructor = destructor.is_some().into();
            let destructor = destructor.unwrap_or_default();
            push(BlockKind::Type, key, 0, has_destructor, destructor);
        }
        for &Call { digest, meaning } in &self.calls {
            match meaning {
                Meaning::Import { key, slot, kind } => {
                    let (slot, kind) = (slot.into(), kind.code().into());
                    push(BlockKind::Import, key, slot, kind, digest);
                }
                Meaning::Own => push(BlockKind::Own, Felt::new(has_data), defines, 0, digest),
                Meaning::Held(key) => push(BlockKind::Generic, key, 0, 0, digest),
                Meaning::Builtin(intrinsic) => {
                    if let Some((block, kind)) = kind_of(intrinsic) {
                        push(block, zero, 0, kind.into(), digest);
                    }
                }
                Meaning::Handle {
                    intrinsic,
                    key,
                    slot,
                } => {
                    if let Some(kind) = handle_kind(intrinsic, slot) {
                        push(BlockKind::Handle, key, slot.into(), kind.into(), digest);
                    }
                }
            }
        }
        for export in &self.exports {
            push(
                BlockKind::Export,
                export.key,
                has_data,
                defines,
                export.digest,
            );
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
        let mut call = |meaning| self.calls.push(Call { digest, meaning });
        match tag.as_int() {
            tag if tag == BlockKind::Import as u64 => {
                let mut kinds = LinkKind::ALL.into_iter();
                call(Meaning::Import {
                    key: b1,
                    slot: number(b2)?,
                    kind: kinds.find(|k| u64::from(k.code()) == kind)?,
                });
            }
            tag if tag == BlockKind::Own as u64 => call(Meaning::Own),
            tag if tag == BlockKind::Generic as u64 && kind == 0 => call(Meaning::Held(b1)),
            tag if [BlockKind::Generic as u64, BlockKind::Builtin as u64].contains(&tag) => {
                let mut all = Intrinsic::ALL.into_iter();
                let found = all.find(|&intrinsic| {
                    kind_of(intrinsic).is_some_and(|(b, k)| b as u64 == tag && u64::from(k) == kind)
                });
                call(Meaning::Builtin(found?));
            }
            tag if tag == BlockKind::Type as u64 => self.types.push(Type {
                key: b1,
                destructor: (b3 != Felt::ZERO).then_some(digest),
            }),
            tag if tag == BlockKind::Handle as u64 => {
                let slot = number(b2)?;
                let mut all = Intrinsic::ALL.into_iter();
                let found = all.find(|&intrinsic| {
                    handle_kind(intrinsic, slot).is_some_and(|k| u64::from(k) == kind)
                });
                call(Meaning::Handle {
                    intrinsic: found?,
                    key: b1,
                    slot,
                });
            }
            tag if tag == BlockKind::Export as u64 => {
                self.exports.push(Export { digest, key: b1 });
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

/// Checks that each number is greater than the one before it. `first` is the block of the first one.
fn in_order(
    first: usize,
    numbers: impl Iterator<Item = u64> + Clone,
    twice: impl Fn(usize) -> ComponentError,
) -> Result<(), ComponentError> {
    let pairs = numbers.clone().zip(numbers.skip(1));
    for (position, (before, after)) in (1..).zip(pairs) {
        match before.cmp(&after) {
            Ordering::Less => {}
            Ordering::Equal => return Err(twice(position)),
            Ordering::Greater => return Err(ComponentError::Order(first + position)),
        }
    }
    Ok(())
}

/// The block by which a record states a procedure of the VM, with the meaning of a call of it; nothing for one that
/// installed components cannot have.
fn kind_of(intrinsic: Intrinsic) -> Option<(BlockKind, u8)> {
    match intrinsic {
        Intrinsic::Drop => Some((BlockKind::Generic, IntrinsicCall::INSTANCE_DROP.code())),
        Intrinsic::SendOwn | Intrinsic::SendBorrow | Intrinsic::RecvOwn | Intrinsic::RecvBorrow => {
            Some((BlockKind::Generic, intrinsic.code()))
        }
        Intrinsic::Caller
        | Intrinsic::Component
        | Intrinsic::Save
        | Intrinsic::SavePair
        | Intrinsic::Restore => Some((BlockKind::Builtin, builtin_code(intrinsic))),
        _ => None,
    }
}

/// The number by which a record states a procedure for handles of a type: the meaning of a call of it, without
/// what the type's destructor adds. Nothing for one that the component cannot have, be the type imported or its
/// own (import 0).
pub fn handle_kind(intrinsic: Intrinsic, slot: u32) -> Option<u8> {
    let is_own = slot == 0;
    let call = IntrinsicCall {
        intrinsic,
        by_definer: is_own && matches!(intrinsic, Intrinsic::Drop | Intrinsic::RecvBorrow),
        destructible: false,
    };
    let may = match intrinsic.right() {
        Right::Holder => true,
        Right::Definer => is_own,
        _ => false,
    };
    may.then_some(call.code())
}

/// The number that a record has for a procedure of the VM without a type: with what else the link table says of
/// it, as the code alone is that of two.
pub const fn builtin_code(intrinsic: Intrinsic) -> u8 {
    intrinsic.code() + PAIR * intrinsic.argument()
}

/// The difference between the number of an intrinsic that shows a pair and that of the one which shows one element.
pub const PAIR: u8 = 2;
