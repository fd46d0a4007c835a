//! The cipher on memory and the precompile transcript.

use miden_core::{
    Felt, FieldElement, ONE,
    Operation::{CryptoStream, LogPrecompile, Noop},
    Word, ZERO,
};
use miden_cvm_air::lookup::END_TIME;

use super::{
    Forgery,
    toolkit::{CYCLE, trace_of},
};
use crate::common::Case;

// CRYPTOSTREAM
// ------------------------------------------------------------------------------------------------

/// An encryption of the words 1, 2, ... 8 at address 0 with the keys 20, 21, ... to address 64, with
/// its row.
pub fn encryption() -> (Forgery, usize) {
    let mut stack: Vec<u64> = (20..36).collect();
    (stack[12], stack[13]) = (0, 64);
    let plain: Vec<u64> = (1..=8).collect();
    let case = Case::with_memory("forged", &plain, &[CryptoStream, Noop]).stack(&stack);
    let forged = trace_of(&case);
    let row = forged.row_of(CryptoStream.op_code(), 0);
    (forged, row)
}

/// Puts other addresses on the stack, and computes the witnesses for them.
fn at(forged: &mut Forgery, row: usize, source: Felt, target: Felt) {
    forged.edit_from(0, |core| {
        // Whatever lies above the operands while memory is filled.
        let above = (core.stack.depth - Felt::new(16)).as_int() as usize;
        for (position, address) in [(12, source), (13, target)] {
            if let Some(cell) = core.stack.top.get_mut(position + above) {
                *cell = address;
            }
        }
    });
    let eight = Felt::new(8);
    forged.edit_from(row + 1, |core| {
        core.stack.top[12] = source + eight;
        core.stack.top[13] = target + eight;
    });
    forged.claim_inputs();
    forged.claim_outputs();
    let distance = target - source;
    let end = |address: Felt| address + eight - Felt::new(1 << 32);
    let square = distance.square();
    let distinct = distance * (square - Felt::new(16));
    let below = end(source) * end(target);
    let both = distinct * below;
    let helpers = &mut forged.core(row).helpers;
    helpers[..5].copy_from_slice(&[square, distinct, below, both, both.inv()]);
}

#[test]
fn another_cipher_text() {
    for position in 0..8 {
        let (mut forged, row) = encryption();
        forged.edit_from(row + 1, |core| core.stack.top[position] += ONE);
        forged.claim_outputs();
        // The plain text that would give it is not what memory has.
        forged.settles_to(&["memory.value"]);
    }
    for position in [8, 11, 12, 13, 14] {
        let (mut forged, row) = encryption();
        forged.edit_from(row + 1, |core| core.stack.top[position] += ONE);
        forged.claim_outputs();
        forged.settles_to(&["stack.next"]);
    }
}

#[test]
fn another_plain_or_cipher_word_in_memory() {
    // Rows of memory that the operation made: two reads, two writes.
    let (honest, row) = encryption();
    let time = Felt::new(row as u64 + 1);
    let accesses: Vec<usize> = honest
        .memory()
        .filter(|&row| {
            let memory = &honest.trace.memory[row];
            memory.time == time && memory.context == ZERO
        })
        .collect();
    assert_eq!(accesses.len(), 4);
    for access in accesses {
        let mut forged = honest.clone();
        forged.trace.memory[access].value[2] += ONE;
        let found = forged.recount().violations();
        assert!(found.contains("bus.MemoryWord"), "{found:?}");
    }
}

#[test]
fn ranges_with_words_in_common() {
    // Honest, so that what follows fails for its own reason.
    let (mut forged, row) = encryption();
    at(&mut forged, row, ZERO, Felt::new(8));
    forged.settles_to(&[]);
    for target in [ZERO, Felt::new(4), -Felt::new(4)] {
        let (mut forged, row) = encryption();
        let eight = Felt::new(8);
        // The plain text is at 0 only, so it is the target that moves; below 0 it is the source.
        if target.as_int() > 8 {
            at(&mut forged, row, eight, eight - Felt::new(4));
            // What is read at 8 is zero.
            let keys = forged.trace.core[row].stack.top;
            forged.edit_from(row + 1, |core| {
                core.stack.top[4..8].copy_from_slice(&keys[4..8])
            });
            forged.edit_from(row + 1, |core| {
                core.stack.top[..4].copy_from_slice(&keys[..4])
            });
            forged.claim_outputs();
        } else {
            at(&mut forged, row, ZERO, target);
        }
        let found = forged.settle().violations();
        assert!(found.contains("stack.cipher_ranges"), "{found:?}");
        // Whatever the witnesses claim.
        for i in 0..5 {
            let mut other = forged.clone();
            other.core(row).helpers[i] = ONE;
            let found = other.violations();
            assert!(found.contains("stack.cipher_ranges"), "{i}: {found:?}");
        }
    }
}

#[test]
fn ranges_that_end_at_the_end_of_memory() {
    let (mut forged, row) = encryption();
    at(&mut forged, row, ZERO, Felt::new((1 << 32) - 12));
    forged.settles_to(&[]);
    let (mut forged, row) = encryption();
    at(&mut forged, row, ZERO, Felt::new((1 << 32) - 8));
    forged.settles_to(&["stack.cipher_ranges"]);
}

#[test]
fn witnesses_of_ranges() {
    let (honest, row) = encryption();
    for i in 0..5 {
        let mut forged = honest.clone();
        forged.core(row).helpers[i] += ONE;
        forged.settles_to(&["stack.cipher_ranges"]);
    }
}

// LOGPRECOMPILE
// ------------------------------------------------------------------------------------------------

/// Two records, on rows 1 and 2, of 20, 21, ...
fn records() -> Forgery {
    let stack: Vec<u64> = (20..36).collect();
    let case = Case::operations("forged", vec![LogPrecompile, LogPrecompile, Noop]).stack(&stack);
    trace_of(&case)
}

/// The states of the transcript: at first, between the records, at the end.
fn states(forged: &Forgery) -> [Word; 3] {
    [1, 2, 3].map(|row| match row {
        1 => Word::default(),
        row => Word::new(core::array::from_fn(|i| {
            forged.trace.core[row].stack.top[11 - i]
        })),
    })
}

/// Lets the record on `row` begin with another state of the transcript; returns the state after it.
fn record_from(forged: &mut Forgery, row: usize, before: Word) -> Word {
    let top = forged.trace.core[row].stack.top;
    let mut state = [ZERO; 12];
    state[..4].copy_from_slice(before.as_elements());
    for i in 4..12 {
        state[i] = top[11 - i];
    }
    let address = forged.trace.core[row].helpers[0].as_int() as usize;
    forged.rehash(address, state);
    let output = forged.trace.hasher[address + CYCLE - 1].state;
    forged.core(row).helpers[1..5].copy_from_slice(before.as_elements());
    forged.edit_from(row + 1, |core| {
        for (i, lane) in output.iter().enumerate() {
            core.stack.top[11 - i] = *lane;
        }
    });
    forged.claim_outputs();
    Word::new(core::array::from_fn(|i| output[i]))
}

#[test]
fn another_final_transcript() {
    let honest = records();
    let [none, first, last] = states(&honest);
    assert_eq!(honest.public.precompile_transcript, last);
    for claimed in [none, first, Word::new([ONE; 4])] {
        let mut forged = honest.clone();
        forged.public.precompile_transcript = claimed;
        forged.settles_to(&["memory.value"]);
    }
    // The verifier reads at the end, not before the last record.
    let mut forged = honest.clone();
    forged.public.precompile_transcript = first;
    forged.settle();
    forged.edit_memory(|rows| {
        let end = rows.iter().position(|row| row.time == Felt::from(END_TIME));
        let end = end.expect("the verifier reads");
        let read = rows.remove(end);
        let mut read_before = rows[end - 1];
        read_before.is_write = ZERO;
        read_before.value = read.value;
        read_before.time = read.time;
        rows.insert(end - 2, read_before);
    });
    let found = forged.recount().violations();
    assert!(found.contains("bus.Range"), "{found:?}");
}

#[test]
fn a_record_that_forgets_what_was_before() {
    let mut forged = records();
    // The second record begins the transcript anew, or goes on from something else.
    for before in [Word::default(), Word::new([ONE; 4])] {
        let after = record_from(&mut forged, 2, before);
        forged.public.precompile_transcript = after;
        forged.settles_to(&["memory.value"]);
    }
    // The first one does.
    let mut forged = records();
    let after = record_from(&mut forged, 1, Word::new([ONE; 4]));
    forged.public.precompile_transcript = record_from(&mut forged, 2, after);
    forged.settles_to(&["memory.value"]);
}

#[test]
fn another_state_after_a_record() {
    // The capacity on the stack, and in the transcript.
    let mut forged = records();
    for position in 0..12 {
        let mut forged = forged.clone();
        forged.edit_from(3, |core| core.stack.top[position] += ONE);
        forged.claim_outputs();
        forged.public.precompile_transcript = states(&forged)[2];
        forged.settles_to(&["bus.HashOutput"]);
    }
    // The state before, without the hasher.
    forged.core(2).helpers[1] += ONE;
    forged.settles_to(&["bus.HashInput", "memory.value"]);
}

#[test]
fn another_record() {
    // The tag or the commitment that is hashed is not the one on the stack.
    let forged = records();
    let address = forged.trace.core[1].helpers[0].as_int() as usize;
    for lane in [4, 11] {
        let mut forged = forged.clone();
        let mut state = forged.trace.hasher[address].state;
        state[lane] += ONE;
        forged.rehash(address, state);
        let output = forged.trace.hasher[address + CYCLE - 1].state;
        forged.edit(2..3, |core| {
            for (i, lane) in output.iter().enumerate() {
                core.stack.top[11 - i] = *lane;
            }
        });
        let after = Word::new(core::array::from_fn(|i| output[i]));
        forged.public.precompile_transcript = record_from(&mut forged, 2, after);
        forged.settles_to(&["bus.HashInput"]);
    }
}
