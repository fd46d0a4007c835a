//! Honest results at the edges: every procedure, on tables of inputs, against results that come from
//! somewhere else; as published, and as corrected.
//!
//! A program is assembled once for each procedure, and runs on all of its cases. What is on the stack
//! below the inputs has to be there afterwards, below the results, and advice has to be used up.

mod collections;
mod crypto;
mod hashes;
mod math;
mod memory;
mod verifier;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use miden_assembly::library::LibraryExport;
use miden_core::{
    AdviceMap, Felt, ONE, Program, StackInputs, Word, ZERO, crypto::merkle::MerkleStore,
};
use miden_cvm_processor::{
    AdviceInputs, ContextId, DefaultHost, ExecutionInputs, ExecutionOptions, execute,
};

use crate::support::{Call, Code, Corrected, MEMORY_KEY, Published, digest_in, memory_from_advice};

/// The expected result of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// The run ends.
    Ends {
        /// The stack, above what was below the inputs.
        stack: Vec<u64>,
        /// Elements of memory, as far as a case says.
        memory: BTreeMap<u32, u64>,
        /// The advice stack, top first.
        advice: Vec<u64>,
    },
    /// The run traps.
    Traps,
}

impl From<Vec<u64>> for Expected {
    fn from(stack: Vec<u64>) -> Self {
        Self::Ends {
            stack,
            memory: BTreeMap::new(),
            advice: Vec::new(),
        }
    }
}

/// Inputs, and what they should lead to.
#[derive(Debug, Clone)]
pub struct Case {
    /// The stack, top first.
    pub stack: Vec<u64>,
    pub memory: BTreeMap<u32, u64>,
    /// The advice stack, top first.
    pub advice: Vec<Felt>,
    pub map: AdviceMap,
    pub trees: MerkleStore,
    pub expected: Expected,
}

impl Case {
    pub fn new(stack: impl Into<Vec<u64>>, expected: impl Into<Expected>) -> Self {
        Self {
            stack: stack.into(),
            memory: BTreeMap::new(),
            advice: Vec::new(),
            map: AdviceMap::default(),
            trees: MerkleStore::default(),
            expected: expected.into(),
        }
    }

    /// The inputs of a call.
    pub fn of(call: &Call, expected: impl Into<Expected>) -> Self {
        let (stack, memory, advice) = call.inputs();
        Self {
            memory: memory
                .iter()
                .map(|(addr, value)| (*addr, value.as_int()))
                .collect(),
            advice: advice.stack,
            map: advice.map,
            trees: advice.store,
            ..Self::new(ints(stack), expected)
        }
    }

    /// Elements in memory before the call, from an address on.
    pub fn memory(mut self, addr: u32, elements: &[u64]) -> Self {
        self.memory.extend((addr..).zip(elements.iter().copied()));
        self
    }

    /// Elements on the advice stack before the call, top first.
    pub fn advice(mut self, elements: impl IntoIterator<Item = Felt>) -> Self {
        self.advice.extend(elements);
        self
    }

    /// Elements in memory after the call, from an address on.
    pub fn leaves(mut self, addr: u32, elements: &[u64]) -> Self {
        if let Expected::Ends { memory, .. } = &mut self.expected {
            memory.extend((addr..).zip(elements.iter().copied()));
        }
        self
    }

    /// The advice stack after the call, top first.
    pub fn leaves_advice(mut self, elements: &[Felt]) -> Self {
        if let Expected::Ends { advice, .. } = &mut self.expected {
            advice.extend(ints(elements));
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
    /// Returns `true` if it is for such inputs.
    pub covers: fn(&Case) -> bool,
}

/// The cases of procedures, by their paths without `miden::core`.
pub type Table = Vec<(&'static str, Vec<Case>)>;

/// The elements on the stack below the inputs, top first.
const BELOW: [u64; 16] = [
    901, 902, 903, 904, 905, 906, 907, 908, 909, 910, 911, 912, 913, 914, 915, 916,
];

/// A procedure of a library, ready to be called.
struct Procedure {
    program: Program,
    host: DefaultHost,
}

impl Procedure {
    fn new(code: Code, path: &str) -> Self {
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
                {}
                adv_push.1 while.true adv_push.2 end
                exec.{alias}::{procedure}
                exec.sys::truncate_stack
            end",
            memory_from_advice()
        );
        let forest = code.library().mast_forest().clone();
        Self {
            program: code.assemble(&source),
            host: DefaultHost::default().with_forest(forest),
        }
    }

    /// Runs a case, and returns what it leads to as far as it says what it should.
    fn run(&self, case: &Case) -> Expected {
        let element = |value: &u64| Felt::new(*value);
        let below = BELOW.iter().rev().map(element).collect();
        let below = StackInputs::new(below).expect("a stack has 16 elements");
        let stored = case.memory.iter();
        let stored = stored.flat_map(|(&addr, value)| [ONE, element(value), Felt::from(addr)]);
        let bottom_first = case.stack.iter().rev();
        let pushed = bottom_first.flat_map(|value| [ONE, element(value)]);
        let inputs = stored.chain([ZERO]).chain(pushed).chain([ZERO]);
        let mut map = case.map.clone();
        map.insert(MEMORY_KEY.into(), inputs.collect::<Vec<_>>());
        let advice = AdviceInputs {
            stack: case.advice.clone(),
            map,
            store: case.trees.clone(),
        };
        let options = ExecutionOptions::default();
        let mut host = self.host.clone();
        let Ok(output) = execute(
            ExecutionInputs {
                arguments: (&below).into(),
                advice,
                options,
                ..ExecutionInputs::new(&self.program)
            },
            &mut host,
        ) else {
            return Expected::Traps;
        };
        let addresses: Vec<u32> = match &case.expected {
            Expected::Ends { memory, .. } => memory.keys().copied().collect(),
            Expected::Traps => Vec::new(),
        };
        let memory = addresses.into_iter().map(|addr| {
            let value = output.memory.get_value(ContextId::ROOT, addr);
            (addr, value.unwrap_or_default().as_int())
        });
        let advice = output.advice.stack().iter().rev();
        Expected::Ends {
            stack: output.stack.iter().map(|value| value.as_int()).collect(),
            memory: memory.collect(),
            advice: advice.map(|value| value.as_int()).collect(),
        }
    }
}

/// Checks the tables on a library: what is wrong has to be known, and what is known to be wrong.
fn check(code: Code, faults: &[Fault]) {
    let mut unknown: Vec<String> = Vec::new();
    let mut seen = vec![0; faults.len()];
    for (path, cases) in tables(code) {
        let procedure = Procedure::new(code, &path);
        for case in &cases {
            let mut expected = case.expected.clone();
            if let Expected::Ends { stack, .. } = &mut expected {
                stack.extend(BELOW);
                stack.truncate(BELOW.len());
            }
            let found = procedure.run(case);
            if found == expected {
                continue;
            }
            let known = faults
                .iter()
                .position(|fault| fault.procedure == path && (fault.covers)(case));
            match known {
                Some(number) => seen[number] += 1,
                None => unknown.push(format!(
                    "{path} of {:?}: {found:?} instead of {expected:?}",
                    case.stack
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
    unknown.iter_mut().for_each(|text| text.truncate(2000));
    let shown = unknown[..unknown.len().min(30)].join("\n");
    assert!(unknown.is_empty(), "{} wrong:\n{shown}", unknown.len());
    assert_eq!(stale, [""; 0], "these results are right");
}

/// A word as it stands on the stack, its last element on top.
pub fn on_stack(word: Word) -> Vec<u64> {
    word.iter().rev().map(|element| element.as_int()).collect()
}

pub fn ints(elements: &[Felt]) -> Vec<u64> {
    elements.iter().map(|element| element.as_int()).collect()
}

/// The tables of all procedures.
fn tables(code: Code) -> Vec<(String, Vec<Case>)> {
    let named = [
        math::u64(),
        math::u256(),
        words::table(),
        memory::table(),
        hashes::table(),
        crypto::table(code),
        collections::table(code),
        verifier::table(),
    ];
    let named = named.into_iter().flatten();
    let named = named.map(|(path, cases)| (path.to_owned(), cases));
    named.chain(verifier::constants()).collect()
}

/// The faults of the published library.
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
        procedure: "crypto::aead::encrypt",
        reason: "writes behind the plaintext",
        covers: |_| true,
    },
    Fault {
        procedure: "crypto::aead::decrypt",
        reason: "writes behind the plaintext",
        covers: |case| case.expected != Expected::Traps,
    },
    Fault {
        procedure: "collections::smt::get",
        reason: "of a key that is not there, and whose leaf has one other key: traps",
        covers: |case| matches!(&case.expected, Expected::Ends { stack, .. } if stack[..4] == [0; 4]),
    },
    Fault {
        procedure: "collections::mmr::get",
        reason: "of a position after the last leaf, which is a peak itself: some have the value of that",
        covers: |case| {
            let (position, leaves) = (case.stack[0], case.memory[&400]);
            leaves % 2 == 1 && position > leaves && position & leaves == leaves - 1
        },
    },
];

#[test]
fn the_published_library_is_right_at_the_edges_but_for_what_is_known() {
    check(Published, PUBLISHED);
}

#[test]
fn the_corrected_library_is_right_at_the_edges() {
    check(Corrected, &[]);
}

/// Parts of the verifier of proofs. What they get is a proof, of which they compute everything else:
/// each is run on proofs and domains of every size by a test of its own, in `stark`, `pcs` and `vm`.
const ON_PROOFS: [&str; 3] = ["stark::", "pcs::", "sys::vm"];

#[test]
fn every_procedure_has_its_edges() {
    let tables = tables(Corrected);
    let rows: BTreeSet<&str> = tables.iter().map(|(path, _)| &**path).collect();
    assert_eq!(rows.len(), tables.len(), "a procedure has two tables");
    for (path, cases) in &tables {
        digest_in(Corrected, path);
        assert!(!cases.is_empty(), "{path} has no case");
    }
    let exports = Corrected.library().exports();
    for procedure in exports.filter_map(LibraryExport::as_procedure) {
        let path = procedure.path.to_relative().to_string();
        let path = path.trim_start_matches("miden::core::");
        let is_on_proofs = ON_PROOFS.iter().any(|module| path.starts_with(module));
        assert!(is_on_proofs || rows.contains(path), "{path} has no edges");
    }
}
