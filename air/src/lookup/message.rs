//! The messages that the buses carry.

use miden_core::Felt;

use crate::{
    algebra::Algebra,
    columns::{Cells, TableRequestCells, TokenCells},
};

/// The buses: a message is only ever matched by one of the same bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Bus {
    /// Blocks that were entered and not left yet.
    BlockStack = 1,
    /// Calls that were entered and not left yet, with the caller's frame.
    CallStack,
    /// Blocks that have to be executed.
    BlockHash,
    /// Stack elements below the top 16.
    Overflow,
    /// 16-bit numbers.
    Range,
    /// 8-bit numbers.
    Byte,
    /// States that the hasher begins with.
    HashInput,
    /// Blocks that the hasher absorbs.
    HashAbsorb,
    /// Digests that the hasher ends with.
    HashDigest,
    /// States that the hasher ends with.
    HashOutput,
    /// Leaves of Merkle paths.
    MerkleLeaf,
    /// Roots of Merkle paths.
    MerkleRoot,
    /// Siblings on the two legs of a Merkle update.
    MerkleSibling,
    /// 32-bit AND and XOR.
    Bitwise,
    /// Accesses of memory words.
    MemoryWord,
    /// Accesses of memory elements.
    MemoryElement,
    /// The public list of kernel procedures, each once.
    KernelRecord,
    /// Kernel procedures, looked up.
    KernelProcedure,
    /// The public link records, each once.
    LinkRecord,
    /// Links, looked up.
    Link,
    /// The public segment records, each once.
    SegmentRecord,
    /// Segments, looked up.
    Segment,
    /// Static data that an instance still has to be given.
    SegmentInit,
    /// Circuits that an operation has evaluated.
    Circuit,
    /// Values of the wires of circuits.
    Wire,
    /// Operations on resource tables.
    Table,
    /// Handles on their way across a boundary.
    Token,
    /// Elements of a stack that was put out of reach.
    SavedElements,
    /// The rest of such a stack: what else lies in the top 16, and the frame.
    SavedFrame,
}

impl Bus {
    /// All buses, in the order of their ids.
    pub const ALL: [Self; 29] = [
        Self::BlockStack,
        Self::CallStack,
        Self::BlockHash,
        Self::Overflow,
        Self::Range,
        Self::Byte,
        Self::HashInput,
        Self::HashAbsorb,
        Self::HashDigest,
        Self::HashOutput,
        Self::MerkleLeaf,
        Self::MerkleRoot,
        Self::MerkleSibling,
        Self::Bitwise,
        Self::MemoryWord,
        Self::MemoryElement,
        Self::KernelRecord,
        Self::KernelProcedure,
        Self::LinkRecord,
        Self::Link,
        Self::SegmentRecord,
        Self::Segment,
        Self::SegmentInit,
        Self::Circuit,
        Self::Wire,
        Self::Table,
        Self::Token,
        Self::SavedElements,
        Self::SavedFrame,
    ];
}

/// The most coordinates that a message has.
pub const MAX_MESSAGE_WIDTH: usize = 13;

/// A message of a bus: a `#[repr(C)]` struct whose cells are its coordinates.
pub trait Message<T>: Cells<T> {
    /// The bus that carries it.
    const BUS: Bus;
    /// The names of its fields, in order, with their numbers of coordinates.
    const FIELDS: &'static [(&'static str, usize)];
}

macro_rules! messages {
    ($(
        $(#[$doc:meta])*
        $name:ident on $bus:ident { $($(#[$field_doc:meta])* $field:ident: $ty:ty,)* }
    )*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy)]
            #[repr(C)]
            pub struct $name<T> {
                $($(#[$field_doc])* pub $field: $ty,)*
            }
            // SAFETY: `#[repr(C)]` with fields of `T` and arrays of `T` only.
            unsafe impl<T> Cells<T> for $name<T> {}
            impl<T> Message<T> for $name<T> {
                const BUS: Bus = Bus::$bus;
                const FIELDS: &'static [(&'static str, usize)] =
                    &[$((stringify!($field), size_of::<$ty>() / size_of::<T>())),*];
            }
            const _: () = assert!(size_of::<$name<u8>>() <= MAX_MESSAGE_WIDTH);
        )*
    };
}

messages! {
    /// A block without a frame: pushed when it is entered, popped at its END.
    BlockEntry on BlockStack {
        /// Id of the block: the cycle + 1 of the row that began it.
        block: T,
        /// 1 if the block is a loop whose body runs.
        entered_loop: T,
        /// Id of the enclosing block.
        parent: T,
        /// Hasher row of the enclosing block.
        parent_address: T,
    }

    /// A call: pushed when it is entered, popped at its END. The frame is the caller's.
    CallEntry on CallStack {
        /// Id of the block: the cycle + 1 of the row that began it.
        block: T,
        /// The way in which the context was entered: 1 by a SYSCALL, 2 by a shared or fresh call, 4
        /// by a destructor that stays in its dropper's context, 0 in any other way.
        kind: T,
        /// Id of the enclosing block.
        parent: T,
        /// Hasher row of the enclosing block.
        parent_address: T,
        /// The caller's domain.
        domain: T,
        /// The caller's instance.
        index: T,
        /// The caller's home domain.
        home: T,
        /// The function hash that the caller's context was entered with.
        fn_hash: [T; 4],
        /// The caller's stack depth.
        depth: T,
        /// The caller's overflow pointer.
        overflow_ptr: T,
    }

    /// A block that `parent` wants executed: sent by the parent's row, received by its END.
    ChildBlock on BlockHash {
        /// Id of the parent.
        parent: T,
        /// Digest of the child.
        digest: [T; 4],
        /// 1 for the first child of a join.
        first_child: T,
        /// Id of the child if it is the body of a loop, otherwise 0: each run of a body has to be
        /// the one that its LOOP or REPEAT row, right before it, asks for.
        body: T,
    }

    /// An element that left the top 16: sent by a right shift, received by a left shift.
    OverflowEntry on Overflow {
        /// Cycle of the right shift.
        clk: T,
        /// The element.
        value: T,
        /// Cycle of the entry below it in the same context, or 0.
        previous: T,
    }

    /// `value` is in 0..2^16.
    RangeCheck on Range {
        /// The number.
        value: T,
    }

    /// `value` is in 0..2^8.
    ByteCheck on Byte {
        /// The number.
        value: T,
    }

    /// A permutation begins at hasher row `address` with this state.
    HashInput on HashInput {
        /// Row 0 of the permutation.
        address: T,
        /// The state: capacity, then rate.
        state: [T; 12],
    }

    /// At hasher row `address` the hash that has run so far absorbs this block.
    HashAbsorb on HashAbsorb {
        /// Row 0 of the permutation that absorbs.
        address: T,
        /// The block.
        rate: [T; 8],
    }

    /// The permutation that ends at hasher row `address` gives this digest.
    HashDigest on HashDigest {
        /// Row 7 of the permutation.
        address: T,
        /// The first half of the rate.
        digest: [T; 4],
    }

    /// The permutation that ends at hasher row `address` gives this state.
    HashOutput on HashOutput {
        /// Row 7 of the permutation.
        address: T,
        /// The state: capacity, then rate.
        state: [T; 12],
    }

    /// A leg of a Merkle path begins with this node.
    MerkleLeaf on MerkleLeaf {
        /// Id of the path.
        path: T,
        /// 1 on the first leg of an update.
        old_leg: T,
        /// 1 on the second leg of an update.
        new_leg: T,
        /// Index of the node in its level.
        index: T,
        /// The node.
        node: [T; 4],
    }

    /// A leg of a Merkle path ends with this root.
    MerkleRoot on MerkleRoot {
        /// Id of the path.
        path: T,
        /// 1 on the first leg of an update.
        old_leg: T,
        /// 1 on the second leg of an update.
        new_leg: T,
        /// Number of levels between the node and the root.
        depth: T,
        /// The root.
        root: [T; 4],
    }

    /// A sibling on a Merkle update: sent by the first leg, received by the second.
    MerkleSibling on MerkleSibling {
        /// Id of the path.
        path: T,
        /// Level above the leaf.
        level: T,
        /// 1 if the sibling is the left child.
        bit: T,
        /// The sibling.
        sibling: [T; 4],
    }

    /// A 32-bit operation.
    BitwiseOp on Bitwise {
        /// 0 for AND, 1 for XOR.
        xor: T,
        /// First operand.
        a: T,
        /// Second operand.
        b: T,
        /// Result.
        result: T,
    }

    /// An access of a word of memory.
    MemoryWord on MemoryWord {
        /// Instance and space, see [`context_key`].
        context: T,
        /// Address of the word's first element.
        address: T,
        /// Cycle + 1; 0 for what the verifier supplies.
        time: T,
        /// 1 for a write.
        is_write: T,
        /// The word, in memory order.
        value: [T; 4],
    }

    /// An access of an element of memory.
    MemoryElement on MemoryElement {
        /// Instance and space, see [`context_key`].
        context: T,
        /// Address of the element.
        address: T,
        /// Cycle + 1; 0 for what the verifier supplies.
        time: T,
        /// 1 for a write.
        is_write: T,
        /// The element.
        value: T,
    }

    /// A public kernel procedure: sent by the verifier, received by its ROM row.
    KernelRecord on KernelRecord {
        /// Digest of the procedure.
        digest: [T; 4],
    }

    /// `digest` is a kernel procedure.
    KernelProcedure on KernelProcedure {
        /// Digest of the procedure.
        digest: [T; 4],
    }

    /// A public link: sent by the verifier, received by its ROM row.
    LinkRow on LinkRecord {
        /// The link.
        link: LinkCoords<T>,
    }

    /// A call of `source` to `digest` means this.
    LinkLookup on Link {
        /// The link.
        link: LinkCoords<T>,
        /// The domain of the target, if that is an instance which the program has made and an import is
        /// wired to; else 0.
        domain: T,
    }

    /// A public segment: sent by the verifier, received by its ROM row.
    SegmentRow on SegmentRecord {
        /// The segment.
        segment: SegmentCoords<T>,
    }

    /// A segment of an instance.
    SegmentLookup on Segment {
        /// The segment.
        segment: SegmentCoords<T>,
    }

    /// An instance has to be given segment `segment` and all that follow.
    SegmentInit on SegmentInit {
        /// Memory context of the instance, see [`context_key`].
        context: T,
        /// Index of the instance.
        instance: T,
        /// Time of the writes: the cycle of its creation + 1; 0 for the root.
        time: T,
        /// Number of the segment within the instance.
        segment: T,
    }

    /// The circuit in this memory evaluates to zero: sent by the operation, received by the first
    /// row of the evaluation.
    CircuitRequest on Circuit {
        /// Instance and space, see [`context_key`].
        context: T,
        /// Cycle of the operation + 1.
        time: T,
        /// Address of the first variable.
        address: T,
        /// Number of variables.
        num_read: T,
        /// Number of gates.
        num_eval: T,
    }

    /// A wire of the evaluation has this value.
    Wire on Wire {
        /// Time of the evaluation.
        time: T,
        /// Number of the wire; the last gate's is 0.
        id: T,
        /// The value, an element of the quadratic extension.
        value: [T; 2],
    }

    /// An operation on a resource table: sent by an intrinsic's first row.
    TableRequest on Table {
        /// The request.
        request: TableRequestCells<T>,
    }

    /// A handle on its way: sent by its sender, received once, by the receiver or by whoever
    /// discards it.
    Token on Token {
        /// The token.
        token: TokenCells<T>,
    }

    /// Positions 6 to 15 of a stack that was saved: sent by the intrinsic that saves it, received by the one
    /// that restores it.
    SavedElements on SavedElements {
        /// Cycle of the save + 1, the overflow pointer until it is restored.
        time: T,
        /// The elements.
        elements: [T; 10],
    }

    /// The other elements that are saved with them, and the frame.
    SavedFrame on SavedFrame {
        /// Cycle of the save + 1.
        time: T,
        /// Positions 1 to 5.
        elements: [T; 5],
        /// The depth.
        depth: T,
        /// The overflow pointer.
        overflow_ptr: T,
    }
}

/// The coordinates of a link.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct LinkCoords<T> {
    /// Index of the calling instance.
    pub source: T,
    /// The digest that the call names.
    pub digest: [T; 4],
    /// Meaning of the call: the code of a link's kind, or of an intrinsic's call.
    pub kind: T,
    /// Index of the instance that is entered; of an intrinsic, of its type's definer.
    pub target: T,
    /// The digest that is executed; of an intrinsic, its type's destructor, or zeros.
    pub callee: [T; 4],
    /// 1 if the target has static data; of an intrinsic, the number of its type + 1, or 0.
    pub payload: T,
}

/// The coordinates of a segment.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct SegmentCoords<T> {
    /// Index of the instance.
    pub instance: T,
    /// Number of the segment within the instance.
    pub segment: T,
    /// First address.
    pub address: T,
    /// Number of blocks of 8 elements.
    pub blocks: T,
    /// 1 if it is the instance's last segment.
    pub done: T,
    /// RPO hash of its elements.
    pub commitment: [T; 4],
}

// SAFETY: `#[repr(C)]` with fields of `T` and arrays of `T` only.
unsafe impl<T> Cells<T> for LinkCoords<T> {}
// SAFETY: `#[repr(C)]` with fields of `T` and arrays of `T` only.
unsafe impl<T> Cells<T> for SegmentCoords<T> {}

/// The spaces of an instance's memory. Instructions only reach [`Space::User`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Space {
    /// The memory that the instance's code loads and stores.
    User = 0,
    /// Word 0: the state of the instance, \[entered by, free list, table length, borrows\].
    State = 1,
    /// Word 0: the fn hash of the context that called in.
    Caller = 2,
    /// Word i: entry i of the instance's resource table, \[representation, type + 1, own, lent\], or
    /// \[next, 0, 0, 0\] if it is free.
    Table = 3,
    /// Word 0 of the root's: the number of instances that were installed, \[number, 0, 0, 0\].
    Installed = 4,
    /// Word 0 of the root's: the state of the precompile transcript, whichever instance records.
    Transcript = 7,
}

/// The time at which the verifier reads what a run left: after every cycle.
pub const END_TIME: u32 = 1 << 30;

/// The memory context of a space of the instance (`domain`, `index`):
/// `8 * (domain * 2^16 + index) + space`.
///
/// Domains are below 2^29 (they are cycles + 1) and indices below 2^16, so contexts are below 2^48
/// and no two instances or spaces share one.
#[inline(always)]
pub fn context_key<E: Algebra>(domain: E, index: E, space: Space) -> E {
    space_key(context_id(domain, index), space)
}

/// The memory context of a space of the instance with this context id, see [`context_key`].
#[inline(always)]
pub fn space_key<E: Algebra>(context: E, space: Space) -> E {
    context.scale(Felt::new(8)) + E::int(space as u64)
}

/// The id of a context: `domain * 2^16 + index`.
#[inline(always)]
pub fn context_id<E: Algebra>(domain: E, index: E) -> E {
    domain.scale(Felt::new(1 << 16)) + index
}

/// The time of an access at cycle `clk`: 0 is left for what the verifier supplies.
#[inline(always)]
pub fn access_time<E: Algebra>(clk: E) -> E {
    clk + E::ONE
}
