//! What one call costs, in rows of each segment, by components and by Miden's means.

use std::{fmt, path::Path};

use serde::Serialize;

use crate::{
    contender::{Contender, ContenderError, Prepared, Rows},
    miden_0_20::Miden0_20,
    miden_cvm::MidenCvm,
    plain::advice_entry,
    program::{Code, Task},
};

/// How many calls the cost of one is the mean of.
const CALLS: u64 = 32;

/// The 16 KiB: elements of 8 bytes each, the lowest byte first.
const DATA: &[u8] = include_bytes!("../programs/cycles/loaded/data.bin");

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// One more round of a loop whose body makes a call: call, next to nothing, return.
    Call,
    /// What the round takes more if the callee has 16 KiB of data that it did not have before.
    Data,
    /// A round that sends a list of 1,000 elements to the callee.
    List,
    /// A round that sends a list of 1,000 `u32`, each of which is checked.
    CheckedList,
    /// A round that calls a function of WIT with a number there and back.
    Number,
    /// The same with a borrowed handle besides.
    Borrowed,
    /// A round that passes an owned handle there and back by a function of WIT.
    Owned,
    /// A round with a commitment to what the callee has, which opens it.
    Commitment,
    /// `resource.new`.
    New,
    /// `resource.rep`.
    Rep,
    /// `resource.drop` of an own handle by the definer, by its wrapper.
    Drop,
    /// What a call takes more if a handle is lent for it: `send_borrow`, `recv_borrow`, and the
    /// borrower's drop.
    Lend,
    /// What a call takes more if a handle is given away: `send_own` and `recv_own`.
    Give,
}

/// How it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Means {
    /// A call back into an existing instance.
    Shared,
    /// A call that creates an instance; the data is its static data.
    Isolated,
    /// A call by Miden's means, which loads the data from the advice and checks it; executed by this
    /// project.
    Open,
    /// The same, executed by 0.20.6.
    Miden0_20,
}

/// What one round takes in each segment, in rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Cost {
    /// What is counted.
    pub subject: Subject,
    /// How it is done.
    pub means: Means,
    /// Cycles: rows of system, decoder and stack.
    pub cycles: f64,
    /// Rows of the range checker. Values that were checked before take none.
    pub range: f64,
    /// Rows of the hasher.
    pub hasher: f64,
    /// Rows of the bitwise chiplet.
    pub bitwise: f64,
    /// Rows of the resource tables.
    pub table: f64,
    /// Rows of the memory chiplet.
    pub memory: f64,
}

/// Counts everything that this module counts.
///
/// # Errors
/// When one of the runs fails.
pub fn costs() -> Result<Vec<Cost>, ContenderError> {
    let call = include_str!("../programs/cycles/call.masm");
    let (elements, _) = DATA.as_chunks();
    let elements = elements.iter().map(|&bytes| u64::from_le_bytes(bytes));
    let call_loaded = format!(
        "{}\n{}",
        advice_entry("DATA", elements),
        include_str!("../programs/cycles/call_loaded.masm")
    );

    let composed = |name: &str| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs/cycles");
        round(|calls| MidenCvm::link(&folder.join(name), &[calls]))
    };
    let open = |contender: &dyn Contender, source: &str| {
        round(|calls| {
            contender.prepare(&Task {
                code: Code::Open(source),
                inputs: &format!(r#"{{ "advice_stack": ["{calls}"] }}"#),
            })
        })
    };

    let shared = composed("shared.toml")?;
    let isolated = composed("isolated.toml")?;
    let ours = open(&MidenCvm, call)?;
    let theirs = open(&Miden0_20, call)?;
    let list = include_str!("../programs/cycles/call_list.masm");
    let commitment = include_str!("../programs/cycles/call_commitment.masm");
    let things = |name: &str| composed(&format!("things_{name}.toml"));
    let (new, call_with_handle) = (things("new")?, things("call")?);
    let resource =
        |subject, round: Round, without| round.less(without).cost(subject, Means::Shared);
    let data = |means, loaded: Round, empty| loaded.less(empty).cost(Subject::Data, means);
    Ok(vec![
        shared.cost(Subject::Call, Means::Shared),
        isolated.cost(Subject::Call, Means::Isolated),
        ours.cost(Subject::Call, Means::Open),
        theirs.cost(Subject::Call, Means::Miden0_20),
        data(Means::Isolated, composed("loaded.toml")?, isolated),
        data(Means::Open, open(&MidenCvm, &call_loaded)?, ours),
        data(Means::Miden0_20, open(&Miden0_20, &call_loaded)?, theirs),
        composed("lists.toml")?.cost(Subject::List, Means::Shared),
        open(&MidenCvm, list)?.cost(Subject::List, Means::Open),
        open(&Miden0_20, list)?.cost(Subject::List, Means::Miden0_20),
        composed("lists_checked.toml")?.cost(Subject::CheckedList, Means::Shared),
        composed("../handles/number.toml")?.cost(Subject::Number, Means::Shared),
        composed("../handles/lend.toml")?.cost(Subject::Borrowed, Means::Shared),
        composed("../handles/give.toml")?.cost(Subject::Owned, Means::Shared),
        open(&MidenCvm, commitment)?.cost(Subject::Commitment, Means::Open),
        open(&Miden0_20, commitment)?.cost(Subject::Commitment, Means::Miden0_20),
        resource(Subject::New, new, things("none")?),
        resource(Subject::Rep, things("rep")?, new),
        resource(Subject::Drop, things("drop")?, new),
        resource(Subject::Lend, things("lend")?, call_with_handle),
        resource(Subject::Give, things("give")?, call_with_handle),
    ])
}

/// Mean rows of one round: cycles, range, hasher, bitwise, resource tables, memory.
#[derive(Debug, Clone, Copy)]
struct Round([f64; 6]);

/// Counts a round by letting a program make one call, and then some more.
fn round(
    with_calls: impl Fn(u64) -> Result<Box<dyn Prepared>, ContenderError>,
) -> Result<Round, ContenderError> {
    let segments = |rows: Rows| {
        [
            rows.cycles,
            rows.range,
            rows.hasher,
            rows.bitwise,
            rows.table,
            rows.memory,
        ]
    };
    let one = segments(with_calls(1)?.rows()?);
    let many = segments(with_calls(1 + CALLS)?.rows()?);
    Ok(Round(std::array::from_fn(|i| {
        (many[i] as f64 - one[i] as f64) / CALLS as f64
    })))
}

impl Round {
    fn less(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] - other.0[i]))
    }

    fn cost(self, subject: Subject, means: Means) -> Cost {
        let [cycles, range, hasher, bitwise, table, memory] = self.0;
        Cost {
            subject,
            means,
            cycles,
            range,
            hasher,
            bitwise,
            table,
            memory,
        }
    }
}

impl Cost {
    /// The line above a table of costs.
    pub fn headings() -> String {
        format!(
            "{:<42} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}",
            "rows", "cycles", "range", "hasher", "bitwise", "table", "memory"
        )
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match (self.subject, self.means) {
            (Subject::Call, Means::Shared) => "shared call and return",
            (Subject::Call, Means::Isolated) => "isolated call and return",
            (Subject::Call, Means::Open) => "Miden's call and return, here",
            (Subject::Call, Means::Miden0_20) => "Miden's call and return, in 0.20.6",
            (Subject::Data, Means::Shared | Means::Isolated) => "16 KiB of static data",
            (Subject::Data, Means::Open) => "16 KiB by adv_pipe, here",
            (Subject::Data, Means::Miden0_20) => "16 KiB by adv_pipe, in 0.20.6",
            (Subject::List, Means::Shared | Means::Isolated) => {
                "call with a list of 1,000 elements"
            }
            (Subject::List, Means::Open) => "the same by Miden's means, here",
            (Subject::List, Means::Miden0_20) => "the same by Miden's means, in 0.20.6",
            (Subject::CheckedList, _) => "call with a list of 1,000 u32, checked",
            (Subject::New, _) => "resource.new",
            (Subject::Rep, _) => "resource.rep",
            (Subject::Drop, _) => "resource.drop of an own type, wrapped",
            (Subject::Number, _) => "call of WIT with a u32 there and back",
            (Subject::Borrowed, _) => "the same, and a borrowed handle",
            (Subject::Owned, _) => "call of WIT, an owned handle there and back",
            (Subject::Commitment, Means::Miden0_20) => "a commitment, opened, in 0.20.6",
            (Subject::Commitment, _) => "a commitment, opened by the callee, here",
            (Subject::Lend, _) => "a handle lent for a call, and dropped",
            (Subject::Give, _) => "a handle given away with a call",
        };
        write!(f, "{what:<42}")?;
        for rows in [
            self.cycles,
            self.range,
            self.hasher,
            self.bitwise,
            self.table,
            self.memory,
        ] {
            write!(f, " {rows:>8.1}")?;
        }
        Ok(())
    }
}
