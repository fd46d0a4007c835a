//! Honest results at the edges: every procedure with numbers, words, lengths or pointers as inputs, on
//! tables of them, against results that come from somewhere else.
//!
//! A program is assembled once for each procedure, and runs on all of its cases.

mod collections;
mod hashes;
mod math;
mod memory;
mod words;

use std::{collections::BTreeMap, sync::Arc};

use miden_assembly::{Assembler, Library};
use miden_core::{
    AdviceMap, Felt, Program, StackInputs, Word,
    crypto::merkle::{InnerNodeInfo, MerkleStore},
    mast::MastForest,
};
use miden_core_lib::CoreLibrary;
use miden_cvm_processor::{AdviceInputs, ContextId, DefaultHost, ExecutionOptions, execute};

use crate::support::MEMORY_FROM_ADVICE;

/// What a run should leave behind, as far as a case says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// The top of the stack, and elements of memory.
    Ends(Vec<u64>, BTreeMap<u32, u64>),
    /// The run traps.
    Traps,
}

impl From<Vec<u64>> for Expected {
    fn from(top: Vec<u64>) -> Self {
        Self::Ends(top, BTreeMap::new())
    }
}

/// Inputs, and what they should lead to.
#[derive(Debug, Clone)]
pub struct Case {
    /// The stack, top first.
    pub stack: Vec<u64>,
    pub memory: BTreeMap<u32, u64>,
    pub map: AdviceMap,
    pub trees: Vec<InnerNodeInfo>,
    pub expected: Expected,
}

impl Case {
    pub fn new(stack: impl Into<Vec<u64>>, expected: impl Into<Expected>) -> Self {
        Self {
            stack: stack.into(),
            memory: BTreeMap::new(),
            map: AdviceMap::default(),
            trees: Vec::new(),
            expected: expected.into(),
        }
    }

    /// Elements in memory before the call, from an address on.
    pub fn memory(mut self, addr: u32, elements: &[u64]) -> Self {
        self.memory.extend((addr..).zip(elements.iter().copied()));
        self
    }

    /// Elements in memory after the call, from an address on.
    pub fn leaves(mut self, addr: u32, elements: &[u64]) -> Self {
        if let Expected::Ends(_, memory) = &mut self.expected {
            memory.extend((addr..).zip(elements.iter().copied()));
        }
        self
    }
}

/// Wrong results that are known.
pub struct Fault {
    /// The procedure.
    pub procedure: &'static str,
    /// Why it is wrong, and for which inputs.
    pub reason: &'static str,
    /// Whether it is for such inputs.
    pub covers: fn(&Case) -> bool,
}

/// The cases of a procedure, by its path without `miden::core`.
pub type Table = Vec<(&'static str, Vec<Case>)>;

/// A procedure of a library, ready to be called.
struct Procedure {
    program: Program,
    host: DefaultHost,
}

impl Procedure {
    fn new(assembler: &Assembler, forest: Arc<MastForest>, path: &str) -> Self {
        let (module, procedure) = path.rsplit_once("::").expect("a path has a module");
        let alias = module.rsplit("::").next().expect("a module has a name");
        let import = match module {
            "sys" => "",
            _ => "use miden::core::sys",
        };
        let source = format!(
            "use miden::core::{module}
            {import}
            begin
                {MEMORY_FROM_ADVICE}
                exec.{alias}::{procedure}
                exec.sys::truncate_stack
            end"
        );
        let program = assembler
            .clone()
            .assemble_program(&source)
            .unwrap_or_else(|report| panic!("{path} is not assembled: {report:?}"));
        Self {
            program,
            host: DefaultHost::default().with_forest(forest),
        }
    }

    /// What a case leads to, as far as it says what it should.
    fn run(&self, case: &Case) -> Expected {
        let element = |value: &u64| Felt::new(*value);
        let bottom_first = case.stack.iter().rev().map(element).collect();
        let stack = StackInputs::new(bottom_first).expect("a case has at most 16 inputs");
        let mut advice: Vec<Felt> = Vec::new();
        for (&addr, value) in &case.memory {
            advice.extend([Felt::new(1), element(value), Felt::from(addr)]);
        }
        advice.push(Felt::new(0));
        let mut store = MerkleStore::default();
        store.extend(case.trees.iter().cloned());
        let advice = AdviceInputs {
            stack: advice,
            map: case.map.clone(),
            store,
        };
        let options = ExecutionOptions::default();
        let mut host = self.host.clone();
        let Ok(output) = execute(&self.program, None, &stack, advice, &mut host, options) else {
            return Expected::Traps;
        };
        let (top, addresses) = match &case.expected {
            Expected::Ends(top, memory) => (top.len(), memory.keys().copied().collect()),
            Expected::Traps => (16, Vec::new()),
        };
        let memory = addresses.into_iter().map(|addr| {
            let value = output.memory.get_value(ContextId::ROOT, addr);
            (addr, value.unwrap_or_default().as_int())
        });
        let top = output.stack.iter().take(top).map(|value| value.as_int());
        Expected::Ends(top.collect(), memory.collect())
    }
}

/// Checks a table on a library: what is wrong has to be known, and what is known to be wrong.
pub fn check(library: &Library, tables: Vec<Table>, faults: &[Fault]) {
    let assembler = Assembler::default()
        .with_dynamic_library(library)
        .expect("the library links");
    let mut unknown: Vec<String> = Vec::new();
    let mut seen = vec![0; faults.len()];
    for (path, cases) in tables.into_iter().flatten() {
        let procedure = Procedure::new(&assembler, library.mast_forest().clone(), path);
        for case in &cases {
            let found = procedure.run(case);
            if found == case.expected {
                continue;
            }
            let known = faults
                .iter()
                .position(|fault| fault.procedure == path && (fault.covers)(case));
            match known {
                Some(number) => seen[number] += 1,
                None => unknown.push(format!(
                    "{path} of {:?}: {found:?} instead of {:?}",
                    case.stack, case.expected
                )),
            }
        }
    }
    let stale: Vec<&str> = faults
        .iter()
        .zip(&seen)
        .filter(|(_, seen)| **seen == 0)
        .map(|(fault, _)| fault.reason)
        .collect();
    assert!(
        unknown.is_empty(),
        "{} wrong:\n{}",
        unknown.len(),
        unknown.join("\n")
    );
    assert_eq!(stale, [""; 0], "these results are right");
}

/// A word as it stands on the stack, its last element on top.
pub fn on_stack(word: Word) -> Vec<u64> {
    word.iter().rev().map(|element| element.as_int()).collect()
}

pub fn ints(elements: &[Felt]) -> Vec<u64> {
    elements.iter().map(|element| element.as_int()).collect()
}

fn tables() -> Vec<Table> {
    vec![
        math::u64(),
        math::u256(),
        words::table(),
        memory::table(),
        hashes::table(),
        collections::table(),
    ]
}

/// What the published library has wrong.
const PUBLISHED: &[Fault] = &[
    Fault {
        procedure: "math::u64::shr",
        reason: "by 32 and more, of a number whose lower half is 2^32 - 1: the upper half is 1, not 0",
        covers: |case| (32..64).contains(&case.stack[0]) && case.stack[2] == 0xffff_ffff,
    },
    Fault {
        procedure: "math::u64::rotl",
        reason: "by 64 and more: does not trap",
        covers: |case| case.stack[0] >= 64,
    },
    Fault {
        procedure: "math::u64::rotr",
        reason: "by 64 and more: does not trap",
        covers: |case| case.stack[0] >= 64,
    },
    Fault {
        procedure: "math::u64::rotr",
        reason: "by 0 and 32, of numbers that are no field elements: these are reduced",
        covers: |case| {
            let [n, high, low] = [case.stack[0], case.stack[1], case.stack[2]];
            [0, 32].contains(&n) && high == 0xffff_ffff && low > 0
        },
    },
    Fault {
        procedure: "collections::smt::get",
        reason: "of a key that is not there, and whose leaf has one other key: traps",
        covers: |case| matches!(&case.expected, Expected::Ends(top, _) if top[..4] == [0; 4]),
    },
    MMR_GET,
];

/// Not replaced in the corrected library either.
const MMR_GET: Fault = Fault {
    procedure: "collections::mmr::get",
    reason: "of a position after the last leaf, which is a peak itself: some have the value of that",
    covers: |case| {
        let (position, leaves) = (case.stack[0], case.memory[&400]);
        leaves % 2 == 1 && position > leaves && position & leaves == leaves - 1
    },
};

#[test]
fn the_published_library_is_right_at_the_edges_but_for_what_is_known() {
    check(CoreLibrary::default().library(), tables(), PUBLISHED);
}
