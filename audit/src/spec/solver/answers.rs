//! The answers of messages, and the bounds that they state.

use miden_cvm_air::{chiplets::circuits::MAX_WIRES, lookup::Bus};

/// Messages by which something becomes known.
#[derive(Debug, Clone, Copy)]
pub struct Function {
    /// The bus.
    pub bus: Bus,
    /// The coordinates that have to be known.
    pub key: &'static [usize],
    /// The coordinates that are answered; all of them if there are none.
    pub answers: &'static [usize],
    /// Those of them that are not zero.
    pub nonzero: &'static [usize],
    /// The coordinate that is a pointer: any of the rows that it may name answers the same.
    pub pointer: Option<usize>,
    /// `true` if it answers that there is such a message, and nothing else.
    pub whether: bool,
    /// The messages that ask.
    pub queries: Queries,
    /// Why there is one answer.
    pub why: &'static str,
}

/// The messages that ask something of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queries {
    /// Those that are received.
    Received,
    /// Those that are sent.
    Sent,
    /// Those that are sent and have zero in this coordinate: reads of memory.
    Zero(usize),
    /// Those that are received and have one in this coordinate: writes that the memory takes in.
    One(usize),
}

impl Function {
    const fn new(bus: Bus, key: &'static [usize], why: &'static str) -> Self {
        Self {
            bus,
            key,
            answers: &[],
            nonzero: &[],
            pointer: None,
            whether: false,
            queries: Queries::Received,
            why,
        }
    }
}

/// All coordinates of a state, after an address.
const STATE: &[usize] = &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

/// The answers of messages.
pub const FUNCTIONS: &[Function] = &[
    Function {
        whether: true,
        ..Function::new(
            Bus::CallStack,
            &[0],
            "the row that begins a block sends one entry, on one of the two stacks; its id is the \
             row's number",
        )
    },
    Function::new(
        Bus::CallStack,
        &[0],
        "block ids are row numbers, so there is one entry of a block",
    ),
    Function::new(
        Bus::BlockStack,
        &[0],
        "block ids are row numbers, so there is one entry of a block",
    ),
    Function::new(
        Bus::BlockHash,
        &[0, 1, 2, 3, 4, 5],
        "a LOOP and its REPEATs want bodies only, other parents want none; the body's id is the child's",
    ),
    Function::new(Bus::Overflow, &[0], "one entry is pushed in a cycle"),
    Function::new(Bus::SavedElements, &[0], "one stack is saved in a cycle"),
    Function::new(Bus::SavedFrame, &[0], "one stack is saved in a cycle"),
    Function {
        pointer: Some(0),
        ..Function::new(
            Bus::HashInput,
            STATE,
            "permutations that begin with one state are the same",
        )
    },
    Function::new(Bus::HashAbsorb, &[0], "the hasher's rows are numbered"),
    Function::new(Bus::HashDigest, &[0], "the hasher's rows are numbered"),
    Function::new(Bus::HashOutput, &[0], "the hasher's rows are numbered"),
    Function {
        pointer: Some(0),
        ..Function::new(
            Bus::MerkleLeaf,
            &[1, 2, 3, 4, 5, 6, 7],
            "paths from one node at one index to one root have the same siblings, or there is a collision",
        )
    },
    Function::new(Bus::MerkleRoot, &[0, 1, 2], "a leg of a path has one root"),
    Function::new(
        Bus::Bitwise,
        &[0, 1, 2],
        "rows of the bitwise table have the result of their operands",
    ),
    Function {
        queries: Queries::Zero(3),
        ..Function::new(
            Bus::MemoryWord,
            &[0, 1, 2],
            "the memory's rows are sorted: a read has the value of the last write",
        )
    },
    Function {
        queries: Queries::Zero(3),
        ..Function::new(
            Bus::MemoryElement,
            &[0, 1, 2],
            "the memory's rows are sorted: a read has the value of the last write",
        )
    },
    Function::new(
        Bus::Link,
        &[0, 1, 2, 3, 4],
        "a caller and a digest have one link, by the verifier's check or by the order of its component's record; facts of \
         the same form have numbers that no call has",
    ),
    Function::new(
        Bus::Segment,
        &[0, 1],
        "the segments of an instance are numbered, by the verifier's check or by the rows of its component's record",
    ),
    Function {
        queries: Queries::Sent,
        ..Function::new(
            Bus::Table,
            &[0, 1, 2, 3, 4, 5, 7, 8, 9, 11],
            "there is one operation a cycle; the resource tables determine its output",
        )
    },
    Function::new(Bus::Wire, &[0, 1], "a wire of an evaluation is stated once"),
    // What the rows of the chiplets are asked.
    Function {
        answers: &[0, 1, 2, 3],
        ..Function::new(Bus::MemoryWord, &[], "each access is made once")
    },
    Function {
        answers: &[4, 5, 6, 7],
        queries: Queries::One(3),
        ..Function::new(Bus::MemoryWord, &[], "a write says what is written")
    },
    Function {
        answers: &[0, 1, 2, 3],
        ..Function::new(Bus::MemoryElement, &[], "each access is made once")
    },
    Function {
        answers: &[4],
        queries: Queries::One(3),
        ..Function::new(Bus::MemoryElement, &[], "a write says what is written")
    },
    Function {
        queries: Queries::Sent,
        answers: &[1, 2, 3, 4, 5, 6, 7],
        ..Function::new(Bus::MerkleLeaf, &[], "an operation asks for each leg")
    },
    Function::new(
        Bus::MerkleSibling,
        &[0, 1],
        "the first leg of an update sends a sibling for each level",
    ),
    Function::new(
        Bus::SegmentInit,
        &[],
        "an instance is created once, and owes one segment after the other",
    ),
    Function {
        answers: &[0, 1, 2, 3, 4, 5, 7, 8, 9, 11],
        ..Function::new(Bus::Table, &[], "there is one operation a cycle")
    },
    Function {
        nonzero: &[1],
        ..Function::new(
            Bus::Token,
            &[0],
            "one token is sent in a cycle, under a mark, which is the number of a cycle",
        )
    },
    Function::new(Bus::Circuit, &[], "there is one operation a cycle"),
    Function::new(Bus::KernelRecord, &[], "the records are public"),
    Function::new(Bus::LinkRecord, &[], "the records are public"),
    Function::new(Bus::SegmentRecord, &[], "the records are public"),
];

/// A number that a message that is received bounds.
#[derive(Debug, Clone, Copy)]
pub struct Bound {
    /// The bus.
    pub bus: Bus,
    /// The coordinate.
    pub coordinate: usize,
    /// The largest value.
    pub largest: u64,
    /// Why.
    pub why: &'static str,
}

/// The bounds that messages state.
pub const BOUNDS: &[Bound] = &[
    Bound {
        bus: Bus::Range,
        coordinate: 0,
        largest: (1 << 16) - 1,
        why: "numbers of the range table are made of two bytes",
    },
    Bound {
        bus: Bus::Byte,
        coordinate: 0,
        largest: (1 << 8) - 1,
        why: "the byte table counts from 0 to 255",
    },
    Bound {
        bus: Bus::Wire,
        coordinate: 1,
        largest: MAX_WIRES,
        why: "wires that are stated count down to 0, one or two a row",
    },
];
