//! The programs that every contender proves.

/// A program in Miden assembly, without inputs.
#[derive(Debug, Clone, Copy)]
pub struct Program {
    /// The name under which its figures are reported.
    pub name: &'static str,
    /// The assembly source, which every contender assembles with its own assembler.
    pub source: &'static str,
}

/// All programs, the shortest run first.
pub const PROGRAMS: [Program; 4] = [
    Program {
        name: "fib_1k",
        source: include_str!("../programs/fib_1k.masm"),
    },
    Program {
        name: "sha256",
        source: include_str!("../programs/sha256.masm"),
    },
    Program {
        name: "fib_64k",
        source: include_str!("../programs/fib_64k.masm"),
    },
    Program {
        name: "blake3_100",
        source: include_str!("../programs/blake3_100.masm"),
    },
];
