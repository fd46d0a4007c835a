//! The first and the last rows of tables, and the beginnings of the chiplets' sections.

use miden_core::{
    Felt, ONE,
    Operation::{self, *},
    ZERO,
};
use miden_cvm_air::{
    columns::{CHIPLET_BODY, Cells, ChipletRow, CoreRow},
    opcode::CALLER,
    table::Table,
};

use super::{
    Forgery,
    toolkit::{CYCLE, blank_cycle, run_cycle, trace_of},
};
use crate::common::Case;

fn block(operations: Vec<Operation>, stack: &[u64]) -> Forgery {
    trace_of(&Case::operations("forged", operations).stack(stack))
}

#[test]
fn another_context_than_the_root() {
    type Edit = fn(&mut CoreRow<Felt>);
    let edits: [(Edit, &str); 4] = [
        (|core| core.system.domain = Felt::new(5), "boundary.domain"),
        (|core| core.system.index = ONE, "boundary.index"),
        (|core| core.system.home = ONE, "boundary.home"),
        (|core| core.system.fn_hash[2] = ONE, "boundary.fn_hash"),
    ];
    for (edit, expected) in edits {
        let mut forged = block(vec![MLoad, Caller], &[8]);
        forged.edit_from(0, edit);
        // That it is not the kernel, and what CALLER tells.
        let caller = forged.row_of(CALLER, 0);
        let core = forged.core(caller);
        core.helpers[5] = ONE / (core.system.domain + ONE);
        if expected == "boundary.fn_hash" {
            forged.edit_from(3, |core| core.stack.top[1] = ONE);
            forged.claim_outputs();
        }
        forged.settles_to(&[expected]);
    }
}

#[test]
fn inside_of_another_block() {
    let mut forged = block(vec![Noop], &[]);
    for row in [0, 3] {
        forged.core(row).decoder.block = Felt::new(9);
    }
    forged.settle();
    let found = forged.violations();
    for name in ["boundary.block", "decoder.halt_outside", "bus.BlockHash"] {
        assert!(found.contains(name), "{name} is not in {found:?}");
    }
    let mut forged = block(vec![Noop], &[]);
    forged.core(0).decoder.address = Felt::new(8);
    forged.edit_from(3, |core| core.decoder.address = Felt::new(8));
    forged.settles_to(&["boundary.address"]);
}

#[test]
fn a_stack_with_something_under_it() {
    // The overflow table has an entry at the start, which a DROP brings up.
    let mut forged = block(vec![Drop], &[]);
    forged.edit(0..2, |core| {
        core.stack.depth = Felt::new(17);
        core.stack.depth_inv = ONE;
        core.stack.overflowed = ONE;
        core.stack.overflow_ptr = Felt::new(3);
    });
    forged.edit_from(2, |core| core.stack.top[15] = Felt::new(7));
    forged.claim_outputs();
    forged.settles_to(&["boundary.depth", "boundary.overflow_ptr", "bus.Overflow"]);
}

#[test]
fn a_stack_with_something_left_under_it() {
    let mut forged = block(vec![Pad, Drop], &[]);
    forged.remove_rows(2..3);
    forged.edit_from(2, |core| {
        core.stack.depth = Felt::new(17);
        core.stack.depth_inv = ONE;
        core.stack.overflowed = ONE;
        core.stack.overflow_ptr = ONE;
    });
    forged.public.program_hash = forged.rewrite_block(0, &[miden_cvm_air::opcode::PAD]);
    forged.settles_to(&["boundary.last_depth", "bus.Overflow"]);
}

#[test]
fn a_first_row_that_begins_nothing() {
    let mut forged = block(vec![Noop, Noop], &[]);
    forged.remove_rows(0..1);
    forged.settle();
    let found = forged.violations();
    assert!(found.contains("boundary.in_block"), "{found:?}");
    forged.remove_rows(0..2);
    forged.settle();
    let found = forged.violations();
    assert!(found.contains("boundary.first_op"), "{found:?}");
}

#[test]
fn a_clock_that_begins_later() {
    let mut forged = block(vec![Noop, Noop], &[]);
    let shift = Felt::new(8);
    forged.edit_from(0, |core| {
        core.system.clk += shift;
        if core.decoder.block != ZERO {
            core.decoder.block += shift;
        }
    });
    forged.settles_to(&["boundary.clk"]);
}

#[test]
fn inputs_and_outputs_of_another_run() {
    let mut forged = block(vec![Add], &[3, 5]);
    forged.public.stack_outputs = block(vec![Mul], &[3, 5]).public.stack_outputs;
    forged.settles_to(&["boundary.output"]);
    let mut forged = block(vec![Add], &[3, 5]);
    forged.public.stack_inputs = block(vec![Add], &[4, 4]).public.stack_inputs;
    forged.settles_to(&["boundary.input"]);
}

#[test]
fn a_run_that_is_not_over() {
    // The first operations take an immediate, so that no batch begins on row 511.
    let mut operations = vec![Swap; 700];
    operations.splice(..2, [Push(ZERO), Drop]);
    let mut forged = block(operations, &[]);
    assert_eq!(forged.trace.core.len(), 1024);
    forged.trace.core.truncate(512);
    assert!(forged.trace.core[511].decoder.in_block == ONE);
    forged.settles_to(&[
        "boundary.last_in_block",
        "boundary.last_op",
        "bus.BlockHash",
        "bus.BlockStack",
    ]);
}

#[test]
fn a_chiplet_on_the_last_row() {
    let mut forged = block(vec![Noop], &[]);
    let mut cycle = blank_cycle();
    run_cycle(&mut cycle, [ONE; 12]);
    let height = forged.trace.chiplets.len();
    while forged.hasher().end < height {
        let at = forged.hasher().end;
        forged.trace.chiplets[at..at + CYCLE].copy_from_slice(&cycle);
    }
    assert_eq!(height % CYCLE, 0);
    // The hasher also stands where the verifier's read was.
    let expected = ["boundary.last_chiplet", "bus.MemoryWord"];
    forged.recount().assert_rejected(&expected);
}

#[test]
fn a_trace_without_hasher() {
    let mut forged = block(vec![Noop], &[]);
    let rows = forged.hasher();
    forged.remove_chiplets(rows);
    forged.settles_to(&["boundary.first_hasher", "bus.HashDigest", "bus.HashInput"]);
}

#[test]
fn a_hasher_that_begins_in_the_middle_of_something() {
    let mut forged = block(vec![Noop], &[]);
    forged.edit_cycle(0, |row| row.absorb = ONE);
    forged.settles_to(&["boundary.first_absorb", "bus.HashInput"]);
    let mut forged = block(vec![Noop], &[]);
    forged.edit_cycle(0, |row| row.merkle = ONE);
    forged.settle();
    assert!(forged.violations().contains("boundary.first_merkle"));
    let mut forged = block(vec![Noop], &[]);
    forged.edit_cycle(0, |row| row.unhash = ONE);
    forged.settle();
    assert!(forged.violations().contains("boundary.first_unhash"));
}

#[test]
fn memory_that_continues_the_section_before_it() {
    // The word that the first access finds would be what stands in the cells of the row above it:
    // the hasher's, or those of the bitwise section.
    let programs = [
        (vec![MLoad, Swap, Drop], vec![0]),
        (
            vec![U32and, Drop, MLoad, Swap, Drop],
            vec![0xffff_ffff, 0xffff_ffff],
        ),
    ];
    for (operations, stack) in programs {
        let load = operations
            .iter()
            .position(|op| *op == MLoad)
            .expect("it loads")
            + 1;
        let mut forged = block(operations, &stack);
        let memory = forged.memory();
        // The other one is the verifier's.
        assert_eq!(memory.len(), 2);
        let above: [Felt; CHIPLET_BODY] = forged.trace.chiplets[memory.start - 1].body;
        let row = forged.trace.chiplets[memory.start].memory_mut();
        row.new_context = ZERO;
        // The cells of `value` are 9 to 12, see `MemoryRow`.
        row.value.copy_from_slice(&above[9..13]);
        row.element_value = row.value[0];
        let loaded = row.value[0];
        assert_ne!(loaded, ZERO);
        forged.edit(load + 1..load + 2, |core| core.stack.top[0] = loaded);
        forged.edit(load + 2..load + 3, |core| core.stack.top[1] = loaded);
        forged.edit_from(load + 3, |core| core.stack.top[0] = loaded);
        forged.claim_outputs();
        forged.recount().assert_rejected(&["memory.first_row"]);
    }
}

#[test]
fn rows_of_the_chiplets_with_other_numbers() {
    // The numbers are the addresses of the hasher's cycles: with others, a hash is found elsewhere.
    let honest = block(vec![Noop], &[]);
    let shift = Felt::new(8);
    let mut forged = honest.clone();
    for row in &mut forged.trace.chiplets {
        row.row += shift;
    }
    forged.edit(1..3, |core| core.decoder.address += shift);
    forged.assert_rejected(&["boundary.first_row"]);
    let mut forged = honest;
    for row in &mut forged.trace.chiplets[CYCLE - 1..] {
        row.row += shift;
    }
    forged.assert_rejected(&["chiplets.row", "bus.HashDigest"]);
}

#[test]
fn tables_of_other_heights() {
    // Higher tables are proven as well.
    let honest = block(vec![U32and, MLoad, Drop], &[3, 5]);
    let heights = Table::ALL.map(|table| honest.trace.height(table));
    for table in Table::ALL {
        let mut higher = honest.clone();
        match table {
            Table::Core => higher.extend(),
            Table::Range => {
                let last = *higher.trace.range.last().expect("a row");
                higher.trace.range.resize(2 * heights[table as usize], last);
            }
            Table::Chiplets => {
                let rows = &mut higher.trace.chiplets;
                rows.resize(2 * heights[table as usize], ChipletRow::filled(ZERO));
            }
        }
        higher.recount().assert_rejected(&[]);
        higher.assert_proven();
    }
    // Shorter ones lack what was cut off.
    let mut shorter = block(vec![Swap; 100], &[]);
    assert_eq!(shorter.trace.core.len(), 128);
    shorter.trace.core.truncate(64);
    let found = shorter.recount().violations();
    assert!(found.contains("boundary.last_op"), "{found:?}");
    let mut shorter = block([vec![MLoad; 30], vec![Noop]].concat(), &[0]);
    assert_eq!(shorter.trace.chiplets.len(), 64);
    shorter.trace.chiplets.truncate(32);
    let found = shorter.recount().violations();
    assert!(found.contains("boundary.last_chiplet"), "{found:?}");
    assert!(found.contains("bus.MemoryElement"), "{found:?}");
}
