//! The programs that every contender proves.

use std::ops::Range;

use crate::plain::PlainSource;

/// What contenders prove, and what of its result they must agree on.
#[derive(Debug, Clone)]
pub struct Program {
    /// The name under which its figures are reported.
    pub name: &'static str,
    /// What is executed.
    pub task: Task<'static>,
    /// The outputs that are a digest of the contender's own hash function, and so not the same for
    /// all of them.
    pub digest: Range<usize>,
}

/// Code and its advice.
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    /// The code.
    pub code: Code<'a>,
    /// The advice stack in Miden's JSON: an object with numbers, as strings, in `advice_stack`.
    pub inputs: &'a str,
}

/// Code, which every contender assembles with its own assembler.
#[derive(Debug, Clone, Copy)]
pub enum Code<'a> {
    /// One source for all contenders.
    Open(&'a str),
    /// A composition for the contender that has components, and the same work done without them for
    /// the others.
    Composed {
        /// The path of the composition file.
        composition: &'a str,
        /// What the others assemble.
        plain: PlainSource<'a>,
    },
}

impl Task<'_> {
    /// The advice stack, its top first.
    ///
    /// # Errors
    /// When the inputs are not such an object.
    pub fn advice_stack(&self) -> Result<Vec<u64>, InputsError> {
        let Inputs { advice_stack } = serde_json::from_str(self.inputs)?;
        let numbers = advice_stack.iter().map(|number| Ok(number.parse()?));
        numbers.collect()
    }
}

/// The inputs of a task are not what they should be.
#[derive(Debug, thiserror::Error)]
pub enum InputsError {
    /// They are no object in JSON, or its advice stack is no list of strings.
    #[error("the inputs are not in Miden's JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// An element of the advice stack is no number.
    #[error("an element of the advice stack is no number: {0}")]
    Number(#[from] std::num::ParseIntError),
}

#[derive(serde::Deserialize)]
struct Inputs {
    #[serde(default)]
    advice_stack: Vec<String>,
}

impl Program {
    /// A program without inputs, whose outputs are the same for all.
    const fn open(name: &'static str, source: &'static str) -> Self {
        Self {
            name,
            task: Task {
                code: Code::Open(source),
                inputs: "{}",
            },
            digest: 0..0,
        }
    }

    /// The outputs on which all contenders must agree.
    pub fn comparable(&self, outputs: &[u64]) -> Vec<u64> {
        let outputs = outputs.iter().copied().enumerate();
        outputs
            .filter(|(index, _)| !self.digest.contains(index))
            .map(|(_, output)| output)
            .collect()
    }
}

/// All programs.
pub const PROGRAMS: [Program; 5] = [
    Program::open("fib_1k", include_str!("../programs/fib_1k.masm")),
    Program::open("sha256", include_str!("../programs/sha256.masm")),
    Program::open("fib_64k", include_str!("../programs/fib_64k.masm")),
    LEDGER,
    Program::open("blake3_100", include_str!("../programs/blake3_100.masm")),
];

/// The example of that name, and what it does done by Miden's plain means.
const LEDGER: Program = Program {
    name: "ledger",
    task: Task {
        code: Code::Composed {
            composition: concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/ledger/ledger.wac"),
            plain: PlainSource {
                data: include_bytes!("../../examples/ledger/deps/bank/ledger/rates.bin"),
                data_name: "RATES",
                common: include_str!("../programs/ledger/ledger.masm"),
                miden_0_20: include_str!("../programs/ledger/miden_0_20.masm"),
                miden_0_23: include_str!("../programs/ledger/miden_0_23.masm"),
            },
        },
        inputs: include_str!("../../examples/ledger/ledger.inputs"),
    },
    // The digest of the audit's chain of entries.
    digest: 4..8,
};
