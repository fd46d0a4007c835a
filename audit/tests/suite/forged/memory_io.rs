//! Inputs and outputs in memory: those of the statement, once, of the root, at either end.

use miden_core::{Felt, ONE, ZERO};
use miden_cvm_air::{
    columns::MemoryRow,
    composition::LinkKind::Shared,
    lookup::END_TIME,
    memory_io::{Area, Arguments, MemoryLayout, MemorySegment},
    opcode::MLOAD,
};
use miden_cvm_processor::{ExecutionInputs, execute_traced};

use super::Forgery;
use crate::{common::Case, composition::Builder};

const INPUTS: u32 = 1000;
const OUTPUTS: u32 = 2000;

/// The root doubles its first input twice over: its output is written two times. Instance 1 writes to the
/// same address of its own memory.
fn composed() -> Forgery {
    let builder = Builder::new(2)
        .component("other", "pub proc notes push.77 mem_store.2000 end")
        .link(0, "a1", Shared, 1, "other::notes")
        .inputs(INPUTS, 8, &[5, 6, 7])
        .outputs(OUTPUTS, 8);
    Forgery::new(builder.trace(
        "begin
            call.stubs::a1
            mem_load.1000 dup add mem_store.2000
            mem_load.2000 dup add mem_store.2000
        end",
    ))
}

/// The same in an open program.
fn open() -> Forgery {
    let case = Case::masm(
        "forged",
        "proc notes push.77 mem_store.2000 end
        begin
            call.notes
            mem_load.1000 dup add mem_store.2000
            mem_load.2000 dup add mem_store.2000
        end",
    );
    let area = |address| Some(Area { address, length: 8 });
    let arguments = Arguments {
        memory: [5, 6, 7].map(Felt::new).into(),
        layout: MemoryLayout {
            inputs: area(INPUTS),
            outputs: area(OUTPUTS),
        },
        ..Arguments::default()
    };
    let inputs = ExecutionInputs {
        arguments,
        advice: case.advice_inputs(),
        ..ExecutionInputs::new(&case.program)
    };
    let trace = execute_traced(inputs, &mut case.host());
    Forgery::new(trace.expect("a trace"))
}

fn traces() -> [Forgery; 2] {
    [composed(), open()]
}

fn inputs(forged: &mut Forgery) -> &mut MemorySegment {
    forged.public.memory.inputs.as_mut().expect("inputs")
}

fn outputs(forged: &mut Forgery) -> &mut MemorySegment {
    forged.public.memory.outputs.as_mut().expect("outputs")
}

/// Returns `true` if a row of memory is of the word at this address.
fn is_word(row: &MemoryRow<Felt>, address: u32) -> bool {
    row.word == [Felt::from(address / 4), ZERO]
}

fn is_read_at_end(row: &MemoryRow<Felt>, address: u32) -> bool {
    is_word(row, address) && row.time == Felt::from(END_TIME)
}

#[test]
fn another_input() {
    for honest in traces() {
        // What is read is not what is stated.
        let mut forged = honest.clone();
        let load = forged.row_of(MLOAD, 0);
        assert_eq!(forged.core(load + 1).stack.top[0], Felt::new(5));
        forged.core(load + 1).stack.top[0] += ONE;
        forged.settles_to_more_than(&["memory.value"]);
        // Something else is stated than was in memory; also where nobody reads it.
        for position in [0, 2, 7] {
            let mut forged = honest.clone();
            inputs(&mut forged).elements[position] += ONE;
            forged.assert_rejected(&["bus.MemoryWord"]);
        }
        let mut forged = honest.clone();
        inputs(&mut forged).elements[0] += ONE;
        forged.settles_to(&["memory.value"]);
        // They were somewhere else, or nowhere.
        let mut forged = honest.clone();
        inputs(&mut forged).address += 4;
        forged.assert_rejected(&["bus.MemoryWord"]);
        forged.settles_to(&["memory.value"]);
        let mut forged = honest.clone();
        forged.public.memory.inputs = None;
        forged.assert_rejected(&["bus.MemoryWord"]);
        forged.settles_to(&["memory.value"]);
    }
}

#[test]
fn another_output() {
    for honest in traces() {
        let mut forged = honest.clone();
        assert_eq!(outputs(&mut forged).elements[0], Felt::new(20));
        // Zeros were never written, and one word was never touched.
        for position in [0, 1, 4, 7] {
            let mut forged = honest.clone();
            outputs(&mut forged).elements[position] += ONE;
            forged.assert_rejected(&["bus.MemoryWord"]);
            forged.settles_to(&["memory.value"]);
        }
        let mut forged = honest.clone();
        outputs(&mut forged).address += 4;
        forged.settles_to(&["memory.value"]);
    }
}

#[test]
fn an_output_of_another_context() {
    for honest in traces() {
        let mut forged = honest.clone();
        outputs(&mut forged).elements[0] = Felt::new(77);
        forged.settles_to(&["memory.value"]);
        // The read at the end is moved to where the value is: nobody has asked for it there.
        forged.edit_memory(|rows| {
            let at = rows.iter().position(|row| is_read_at_end(row, OUTPUTS));
            let mut read = rows.remove(at.expect("the verifier reads"));
            let there = rows
                .iter()
                .rposition(|row| is_word(row, OUTPUTS) && row.value[0] == Felt::new(77));
            let there = there.expect("a row");
            read.context = rows[there].context;
            rows.insert(there + 1, read);
        });
        forged.recount().assert_rejected(&["bus.MemoryWord"]);
    }
}

#[test]
fn an_output_from_before_a_later_write() {
    for honest in traces() {
        let mut forged = honest.clone();
        outputs(&mut forged).elements[0] = Felt::new(10);
        forged.settles_to(&["memory.value"]);
        // The verifier reads at the end, not before the last write.
        forged.edit_memory(|rows| {
            let at = rows.iter().position(|row| is_read_at_end(row, OUTPUTS));
            let at = at.expect("the verifier reads");
            let read = rows.remove(at);
            rows.insert(at - 1, read);
        });
        let found = forged.recount().violations();
        assert!(found.contains("bus.Range"), "{found:?}");
        // At an earlier time it is not what the verifier has asked for.
        let mut forged = honest.clone();
        outputs(&mut forged).elements[0] = Felt::new(10);
        forged.settle();
        forged.edit_memory(|rows| {
            let at = rows.iter().position(|row| is_read_at_end(row, OUTPUTS));
            let at = at.expect("the verifier reads");
            let mut read = rows.remove(at);
            read.time = rows[at - 1].time - ONE;
            rows.insert(at - 1, read);
        });
        forged.recount().assert_rejected(&["bus.MemoryWord"]);
    }
}

#[test]
fn a_write_after_the_end() {
    for honest in traces() {
        let mut forged = honest.clone();
        forged.edit_memory(|rows| {
            let at = rows.iter().position(|row| is_read_at_end(row, OUTPUTS));
            let at = at.expect("the verifier reads");
            let mut write = rows[at];
            write.is_write = ONE;
            write.time -= ONE;
            rows.insert(at, write);
        });
        forged.recount().assert_rejected(&["bus.MemoryWord"]);
    }
}

#[test]
fn a_missing_word() {
    for honest in traces() {
        // Of the inputs one that nobody reads, of the outputs one that nobody wrote.
        for address in [INPUTS + 4, OUTPUTS + 4] {
            let mut forged = honest.clone();
            forged.edit_memory(|rows| {
                let before = rows.len();
                rows.retain(|row| !is_word(row, address));
                assert_eq!(rows.len(), before - 1);
            });
            forged.recount().assert_rejected(&["bus.MemoryWord"]);
        }
        // The statement has fewer words than the run was given, and has left.
        let mut forged = honest.clone();
        inputs(&mut forged).elements.truncate(4);
        forged.assert_rejected(&["bus.MemoryWord"]);
        let mut forged = honest.clone();
        outputs(&mut forged).elements.truncate(4);
        forged.assert_rejected(&["bus.MemoryWord"]);
    }
}

#[test]
fn a_doubled_word() {
    for honest in traces() {
        for (address, expected) in [
            (INPUTS + 4, &["bus.MemoryWord", "bus.Range"][..]),
            (OUTPUTS + 4, &["bus.MemoryWord"][..]),
        ] {
            let mut forged = honest.clone();
            forged.edit_memory(|rows| {
                let at = rows.iter().position(|row| is_word(row, address));
                let at = at.expect("a row");
                let again = MemoryRow {
                    new_context: ZERO,
                    new_word: ZERO,
                    ..rows[at]
                };
                rows.insert(at + 1, again);
            });
            forged.recount().assert_rejected(expected);
        }
    }
}
