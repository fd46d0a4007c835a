//! Runs programs here and on published Miden VM 0.20.6, and compares everything that can be seen.

use core::fmt::Debug;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::OnceLock,
};

use miden_core::Felt;
use miden_core_lib::CoreLibrary;
use miden_cvm_processor::{
    ExecutionError, ExecutionInputs, ExecutionOptions, LoadError, Process, RowKind, RowState,
    Tracer, Trap, execute_traced,
};
use miden_processor as peer;
use proptest::prelude::*;

use crate::common::{Case, generated_case, handwritten_cases, random_from};

/// A cycle as both machines show it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cycle {
    context: u32,
    opcode: u8,
    top: [Felt; 16],
}

/// Everything that is compared about a run.
struct Run {
    cycles: Vec<Cycle>,
    clk: u32,
    /// The final stack, or the kind of the error.
    result: Result<Vec<Felt>, String>,
    /// Elements that are not zero at the end of each context, by context and address.
    memory: BTreeMap<(u32, u32), Felt>,
}

#[derive(Default)]
struct Recorder {
    cycles: Vec<Cycle>,
}

impl Tracer for Recorder {
    const ENABLED: bool = true;

    fn row(&mut self, state: &RowState<'_>, kind: RowKind<'_>) {
        assert_eq!(state.clk as usize, self.cycles.len(), "one row a cycle");
        assert_eq!(state.depth > 16, state.overflow_pointer != 0);
        self.cycles.push(Cycle {
            context: state.context.domain(),
            opcode: kind.opcode(),
            top: *state.stack,
        });
    }
}

fn run_here(case: &Case) -> Run {
    let mut process = Process::new(
        case.program.kernel().clone(),
        case.stack_inputs(),
        case.advice_inputs(),
        ExecutionOptions::default().with_retained_memory(true),
        Recorder::default(),
    );
    let result = process.execute(&case.program, None, &mut case.host());
    let clk = process.clk();
    let mut memory = BTreeMap::new();
    for context in process.memory().contexts() {
        assert_eq!(context.index(), 0, "an open program has one instance");
        for (addr, value) in process.memory().state(context) {
            memory.insert((context.domain(), addr), value);
        }
    }
    memory.retain(|_, value| value.as_int() != 0);
    let (_, _, recorder) = process.into_parts();
    Run {
        cycles: recorder.cycles,
        clk,
        result: result
            .map(|stack| stack.to_vec())
            .map_err(|error| kind_here(&error)),
        memory,
    }
}

/// The host and the advice that a case gives to Miden VM.
pub fn peer_inputs(case: &Case) -> (peer::DefaultHost, peer::AdviceInputs) {
    let mut host = peer::DefaultHost::default();
    host.load_library(&CoreLibrary::default())
        .expect("the core library loads");
    for forest in &case.forests {
        host.load_library(forest).expect("a forest loads");
    }
    let advice = peer::AdviceInputs::default()
        .with_stack(case.advice_stack.iter().copied())
        .with_map(
            case.advice_map
                .iter()
                .map(|(key, values)| (*key, values.to_vec())),
        )
        .with_merkle_store(case.merkle_store.clone());
    (host, advice)
}

fn run_peer(case: &Case) -> Run {
    let (mut host, advice) = peer_inputs(case);
    let states = peer::execute_iter(&case.program, case.stack_inputs(), advice, &mut host);
    let mut tops = Vec::new();
    let mut opcodes = Vec::new();
    let mut last_stack = Vec::new();
    let mut memory: BTreeMap<u32, Vec<(u32, Felt)>> = BTreeMap::new();
    let mut error = None;
    for state in states {
        match state {
            Ok(state) => {
                let context = u32::from(state.ctx);
                let top: [Felt; 16] = core::array::from_fn(|i| state.stack[i]);
                tops.push((context, top));
                opcodes.extend(state.op.map(|op| op.op_code()));
                let elements = state.memory.iter().map(|&(addr, v)| (addr.into(), v));
                memory.insert(context, elements.collect());
                last_stack = state.stack;
            }
            Err(trap) => error = Some(kind_of_peer(&trap)),
        }
    }
    let clk = tops.len() as u32 - 1;
    let cycles = tops
        .iter()
        .zip(opcodes)
        .map(|(&(context, top), opcode)| Cycle {
            context,
            opcode,
            top,
        })
        .collect();
    let flat = memory
        .into_iter()
        .flat_map(|(context, elements)| {
            elements
                .into_iter()
                .map(move |(addr, value)| ((context, addr), value))
        })
        .filter(|(_, value)| value.as_int() != 0)
        .collect();
    Run {
        cycles,
        clk,
        result: error.map_or(Ok(last_stack), Err),
        memory: flat,
    }
}

/// The name of an enum's variant.
fn variant(value: &impl Debug) -> String {
    let text = format!("{value:?}");
    text.chars().take_while(|c| c.is_alphanumeric()).collect()
}

fn kind_here(error: &ExecutionError) -> String {
    match error.trap() {
        Some(Trap::AceChipError(inner)) => format!("AceChipError.{}", variant(inner)),
        Some(Trap::AdviceError(inner)) => format!("AdviceError.{}", variant(inner)),
        Some(Trap::MemoryError(inner)) => format!("MemoryError.{}", variant(inner)),
        Some(trap) => variant(trap),
        None => match error {
            ExecutionError::Refused(reason) => match &**reason {
                LoadError::Advice(inner) => format!("AdviceError.{}", variant(inner)),
                other => variant(other),
            },
            ExecutionError::Trapped(_) => error.to_string(),
        },
    }
}

fn kind_of_peer(error: &peer::ExecutionError) -> String {
    match error {
        peer::ExecutionError::AceChipError { error, .. } => {
            format!("AceChipError.{}", variant(error))
        }
        peer::ExecutionError::AdviceError { err, .. } => format!("AdviceError.{}", variant(err)),
        peer::ExecutionError::MemoryError(inner) => format!("MemoryError.{}", variant(inner)),
        other => variant(other),
    }
}

/// The run of a case on which two machines agree.
struct Agreed {
    /// `true` if the case ended without a trap.
    succeeded: bool,
    /// The opcodes of cycles that did not trap.
    opcodes: BTreeSet<u8>,
}

/// Runs a case on both machines, which have to agree; returns whether it ended without a trap.
pub fn compare(case: &Case) -> bool {
    agree(case).succeeded
}

/// Runs a case on both machines, and checks that they agree.
fn agree(case: &Case) -> Agreed {
    let name = &case.name;
    let (here, peer) = (run_here(case), run_peer(case));
    assert!(
        here.cycles.len().abs_diff(peer.cycles.len()) <= 1,
        "{name}: number of cycles"
    );
    for (clk, (a, b)) in here.cycles.iter().zip(&peer.cycles).enumerate() {
        assert_eq!(a, b, "{name}: cycle {clk}");
    }
    assert_eq!(here.result, peer.result, "{name}: results");
    if here.result.is_ok() {
        assert_eq!(here.clk, peer.clk, "{name}: number of cycles");
        assert_eq!(
            here.cycles.len(),
            here.clk as usize,
            "{name}: one row a cycle"
        );
        assert_eq!(here.memory, peer.memory, "{name}: memory");
    } else {
        assert!(
            here.clk.abs_diff(peer.clk) <= 1,
            "{name}: cycle of the trap"
        );
    }
    // Of a run that traps, the last cycle is not over.
    let succeeded = here.result.is_ok();
    let mut cycles = &here.cycles[..];
    if !succeeded {
        cycles = cycles.split_last().map_or(&[], |(_, before)| before);
    }
    Agreed {
        succeeded,
        opcodes: cycles.iter().map(|cycle| cycle.opcode).collect(),
    }
}

/// Returns what the two machines agree on in the cases that are written by hand, compared once.
fn handwritten() -> &'static [Agreed] {
    static AGREED: OnceLock<Vec<Agreed>> = OnceLock::new();
    AGREED.get_or_init(|| handwritten_cases().iter().map(agree).collect())
}

/// The opcodes that both machines execute alike.
pub fn compared_opcodes() -> BTreeSet<u8> {
    let opcodes = handwritten().iter().flat_map(|agreed| &agreed.opcodes);
    opcodes.copied().collect()
}

#[test]
fn handwritten_cases_agree() {
    let cases = handwritten().len();
    let succeeded = handwritten()
        .iter()
        .filter(|agreed| agreed.succeeded)
        .count();
    // Both kinds must be there in numbers, or the cases have lost their point.
    assert!(
        succeeded > cases / 2,
        "{succeeded} of {cases} end without a trap"
    );
    assert!(
        cases - succeeded > 100,
        "{succeeded} of {cases} end without a trap"
    );
}

#[test]
fn precompile_transcripts_agree() {
    let cases = handwritten_cases();
    let named = |case: &&Case| case.name.contains("precompile");
    let mut recorded = BTreeSet::new();
    for case in cases.iter().filter(named) {
        let (mut host, advice) = peer_inputs(case);
        let options = peer::ExecutionOptions::default();
        let trace = peer::execute(
            &case.program,
            case.stack_inputs(),
            advice,
            &mut host,
            options,
        )
        .unwrap_or_else(|error| panic!("{}: {error}", case.name));
        let here = execute_traced(
            ExecutionInputs {
                arguments: case.stack_inputs().into(),
                advice: case.advice_inputs(),
                ..ExecutionInputs::new(&case.program)
            },
            &mut case.host(),
        )
        .unwrap_or_else(|error| panic!("{}: {error}", case.name));
        let state = here.public.precompile_transcript;
        assert_eq!(
            state,
            trace.final_precompile_transcript().state(),
            "{}",
            case.name
        );
        recorded.insert(state);
    }
    assert!(recorded.len() > 10);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..Default::default() })]

    #[test]
    fn generated_cases_agree(seed in any::<u64>(), size in 200usize..500) {
        let case = generated_case(&format!("seed {seed}, size {size}"), random_from(seed), size);
        prop_assert!(compare(&case), "a generated case does not trap");
    }
}
