//! Another result of every operation: the rest of the run goes on with it, and the claimed outputs
//! are those that come of it.

use std::{collections::BTreeSet, sync::OnceLock};

use miden_core::{
    ONE,
    Operation::{self, *},
    sys_events::SystemEvent,
};
use miden_cvm_processor::{ExecutionInputs, execute_traced};

use super::{Forgery, circuits, crypto::merkle, polynomials::fri, streams::encryption};
use crate::{common::Case, coverage::operations};

/// Returns `true` if an operation stands in basic blocks.
pub fn is_user(operation: &Operation) -> bool {
    !matches!(
        operation,
        Join | Split | Loop | Call | SysCall | Dyn | Dyncall | Span | Repeat | Respan | End | Halt
    )
}

/// Positions of the stack at which results are forged: those at which some operation is special.
const POSITIONS: [usize; 9] = [0, 1, 3, 7, 8, 11, 12, 14, 15];

/// Claims other results of every operation of basic blocks, once, and checks that each is refused;
/// returns the opcodes.
pub fn forged_results() -> &'static BTreeSet<u8> {
    static FORGED: OnceLock<BTreeSet<u8>> = OnceLock::new();
    FORGED.get_or_init(|| {
        let operations = operations();
        let user = operations.iter().filter(|op| is_user(op));
        user.map(|op| {
            forge(op);
            op.op_code()
        })
        .collect()
    })
}

#[test]
fn no_operation_has_another_result() {
    assert!(!forged_results().is_empty());
}

/// Claims another result of an operation at each position.
fn forge(op: &Operation) {
    let honest = honest(op);
    let row = honest.row_of(op.op_code(), 0);
    // A DROP after the operation, if there is one, moves what is above it.
    let end = honest.trace.core.len();
    let drop = (row + 1..end).find(|&row| honest.opcode(row) == Drop.op_code());
    for position in POSITIONS {
        // Advice is the prover's choice.
        if matches!((op, position), (AdvPop, 0) | (AdvPopW, 0..4) | (Pipe, 0..8)) {
            continue;
        }
        let mut forged = honest.clone();
        let moved = drop.map_or(end, |drop| drop + 1);
        forged.edit(row + 1..moved, |core| core.stack.top[position] += ONE);
        if position > 0 {
            forged.edit_from(moved, |core| core.stack.top[position - 1] += ONE);
        }
        forged.claim_outputs();
        let found = forged.settle().violations();
        assert!(!found.is_empty(), "{op} with another result at {position}");
    }
}

/// The trace of a program that executes an operation and nothing but NOOPs after it. One that pushes
/// is followed by a DROP.
fn honest(op: &Operation) -> Forgery {
    match op {
        MpVerify(_) | MrUpdate => return merkle(*op, 5),
        FriE2F4 => return fri(),
        CryptoStream => return encryption().0,
        EvalCircuit => return circuits::honest(),
        _ => {}
    }
    let counting: Vec<u64> = (1..=16).collect();
    let mut stacks = vec![
        counting.clone(),
        vec![1; 16],
        vec![0; 16],
        [&[1], &counting[..15]].concat(),
        [&counting[..12], &[8, 16, 24, 32]].concat(),
    ];
    if *op == Emit {
        let event = SystemEvent::HdwordToMap.event_id().as_felt().as_int();
        stacks = vec![[&[event], &counting[..15]].concat()];
    }
    for stack in stacks {
        for rest in [vec![Noop], vec![Noop, Drop]] {
            let case = Case::operations("forged", [vec![*op], rest].concat())
                .stack(&stack)
                .advice(100..120);
            let trace = execute_traced(
                ExecutionInputs {
                    arguments: case.stack_inputs().into(),
                    advice: case.advice_inputs(),
                    ..ExecutionInputs::new(&case.program)
                },
                &mut case.host(),
            );
            if let Ok(trace) = trace {
                return Forgery::new(trace);
            }
        }
    }
    panic!("{op} traps on every stack");
}
