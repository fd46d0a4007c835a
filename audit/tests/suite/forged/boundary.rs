//! The first and the last rows of tables, their heights, and tables that are absent.

use miden_core::{
    Felt, ONE,
    Operation::{self, *},
    ZERO,
};
use miden_cvm_air::{
    columns::{CoreRow, ResourceOutcome},
    composition::LinkKind::Shared,
    opcode::CALLER,
    table::Table,
};

use super::{
    Forgery, circuits, resources,
    toolkit::{CYCLE, State, trace_of},
};
use crate::{common::Case, composition::Builder};

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

/// A composition whose instance 1 has a block of static data.
fn with_data() -> Forgery {
    let data: Vec<Felt> = (1..=8).map(Felt::new).collect();
    let builder = Builder::new(2)
        .component("reader", "pub proc read mem_load.1000 drop end")
        .link(0, "a1", Shared, 1, "reader::read")
        .data(1, 1000, &data);
    Forgery::new(builder.trace("begin call.stubs::a1 end"))
}

/// Moves the cycle at `from` to the end of the hasher, whose last row says nothing.
fn move_to_the_end(forgery: &mut Forgery, from: usize) -> usize {
    let cycle: [_; CYCLE] = core::array::from_fn(|i| forgery.trace.hasher[from + i]);
    forgery.remove_cycles(from..from + CYCLE);
    let end = forgery.trace.hasher.len() - CYCLE;
    forgery.trace.hasher[end..].copy_from_slice(&cycle);
    end
}

#[test]
fn static_data_without_its_commitment() {
    // The last row of the data's hash would look up the commitment.
    let mut forged = with_data();
    let cycle = forged.cycles(|row| row.init == ONE)[0];
    let end = move_to_the_end(&mut forged, cycle);
    forged.settles_to_more_than(&["boundary.last_init"]);
    // So the data could be any.
    let mut state: State = forged.trace.hasher[end].state;
    state[4] = Felt::new(99);
    forged.edit_cycle(end, |row| row.state = state);
    forged.settles_to_more_than(&["boundary.last_init"]);
}

#[test]
fn a_path_that_ends_with_the_table() {
    let mut forged = super::crypto::merkle(MpVerify(ZERO), 5);
    let leg = forged.cycles(|row| row.merkle == ONE);
    move_to_the_end(&mut forged, leg[2]);
    forged.settles_to_more_than(&["boundary.last_merkle"]);
}

#[test]
fn a_trace_without_hashes() {
    // The hash of a block of no-ops is that of zeros, as in the cycles that fill the hasher up.
    let mut forged = block(vec![Add], &[]);
    forged.set_hasher(&[]);
    forged.settles_to(&["bus.HashDigest", "bus.HashInput"]);
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
    forged.edit_cycle(0, |row| row.init = ONE);
    forged.settle();
    assert!(forged.violations().contains("boundary.first_init"));
}

#[test]
fn memory_that_was_there_before_the_first_access() {
    // The padding above the first access holds what it finds, from row 0 on or from a later one.
    let honest = block(vec![MLoad, Swap, Drop], &[0]);
    let load = 1;
    let nine = Felt::new(9);
    for (from, name) in [(0, "memory.padding"), (2, "memory.padding")] {
        let mut forged = honest.clone();
        let first = forged.memory().start;
        assert!(first > from);
        for row in &mut forged.trace.memory[from..=first] {
            row.value[0] = nine;
        }
        forged.trace.memory[first].element_value = nine;
        forged.edit(load + 1..load + 2, |core| core.stack.top[0] = nine);
        forged.edit(load + 2..load + 3, |core| core.stack.top[1] = nine);
        forged.edit_from(load + 3, |core| core.stack.top[0] = nine);
        forged.claim_outputs();
        forged.recount();
        let found = forged.violations();
        assert!(found.contains(name), "{found:?}");
    }
    // The first access is row 0, so that there is no row above it.
    let mut forged = honest;
    let rows = &mut forged.trace.memory;
    let first = rows.iter().position(|row| row.element[0] == ONE);
    let first = first.expect("an access");
    let height = rows.len();
    let last = rows[height - 1];
    rows.drain(..first);
    let mut again = last;
    while rows.len() < height {
        again.time += ONE;
        again.delta = [Felt::new(2), ZERO, ZERO];
        rows.push(again);
    }
    rows[0].value[0] = nine;
    rows[0].element_value = nine;
    forged.edit(load + 1..load + 2, |core| core.stack.top[0] = nine);
    forged.edit(load + 2..load + 3, |core| core.stack.top[1] = nine);
    forged.edit_from(load + 3, |core| core.stack.top[0] = nine);
    forged.claim_outputs();
    forged.recount();
    let found = forged.violations();
    assert!(found.contains("boundary.first_element"), "{found:?}");
}

#[test]
fn memory_that_begins_with_a_word() {
    let mut forged = block(vec![MLoadW, Noop], &[0]);
    forged.trace.memory[0].whole = ONE;
    let found = forged.recount().violations();
    assert!(found.contains("boundary.first_whole"), "{found:?}");
}

#[test]
fn memory_after_padding() {
    // Between two accesses of a word, rows of padding would let it be forgotten.
    let mut forged = block(vec![MStore, Drop, MLoad, Noop], &[0, 5]);
    let first = forged.memory().start;
    let padding = forged.trace.memory[0];
    forged.trace.memory.insert(first + 1, padding);
    forged.trace.memory.remove(0);
    forged.recount();
    let found = forged.violations();
    assert!(found.contains("memory.after_padding"), "{found:?}");
}

#[test]
fn rows_of_the_hasher_with_other_addresses() {
    // With others, a hash is found elsewhere.
    let honest = block(vec![Noop], &[]);
    let shift = Felt::new(8);
    let mut forged = honest.clone();
    for row in &mut forged.trace.hasher {
        row.address += shift;
    }
    forged.edit(1..3, |core| core.decoder.address += shift);
    forged.assert_rejected(&["boundary.first_address"]);
    let mut forged = honest;
    for row in &mut forged.trace.hasher[CYCLE - 1..] {
        row.address += shift;
    }
    forged.assert_rejected(&["hasher.address", "bus.HashDigest"]);
}

#[test]
fn an_operation_on_resources_that_has_no_outcome() {
    // The last row sends nothing: the handle would be made, and the table would not know of it.
    let mut forged = resources::handle();
    let rows = &mut forged.trace.resources;
    let height = rows.len();
    let [even, odd] = [0, 1].map(|row| rows[row]);
    rows[height - 2] = even;
    rows[height - 1] = odd;
    [rows[0], rows[1]] = [2, 3].map(|row| rows[row]);
    forged.settle();
    let found = forged.violations();
    assert!(found.contains("boundary.last_writes_state"), "{found:?}");
}

#[test]
fn an_outcome_on_the_last_row() {
    type Edit = fn(&mut ResourceOutcome<Felt>);
    let cases: [(Edit, &str); 6] = [
        (|last| last.writes_state = ONE, "boundary.last_writes_state"),
        (|last| last.writes_entry = ONE, "boundary.last_writes_entry"),
        (|last| last.puts = ONE, "boundary.last_puts"),
        (|last| last.takes = ONE, "boundary.last_takes"),
        (|last| last.guards = ONE, "boundary.last_guards"),
        (|last| last.accesses = ONE, "boundary.last_accesses"),
    ];
    for (edit, name) in cases {
        let mut forged = resources::handle();
        let last = forged.trace.resources.len() / 2 - 1;
        edit(forged.outcome(last));
        let found = forged.settle().violations();
        assert!(found.contains(name), "{name} is not in {found:?}");
    }
}

#[test]
fn circuits_that_do_not_begin_or_end() {
    // The evaluation ends with the table, where its result is not looked at.
    let mut forged = circuits::honest();
    let rows = &mut forged.trace.circuits;
    let used = rows.iter().filter(|row| row.gate[3] == ONE).count();
    assert_eq!((used, rows.len()), (1, 8));
    rows.rotate_right(1);
    let found = forged.violations();
    for name in ["boundary.first_start", "boundary.last_circuit"] {
        assert!(found.contains(name), "{found:?}");
    }
    // It begins with its first variables, which nobody asked for.
    let mut forged = circuits::honest();
    forged.trace.circuits.remove(0);
    let padding = *forged.trace.circuits.last().expect("padding");
    forged.trace.circuits.push(padding);
    let found = forged.violations();
    assert!(found.contains("boundary.first_start"), "{found:?}");
}

#[test]
fn tables_of_other_heights() {
    // Higher tables are proven as well, and so are tables that nobody needs.
    let mut honest = block(vec![U32and, MLoad, Drop], &[3, 5]);
    honest.trace.resize(Table::Rom, 8);
    honest.assert_proven();
    let heights = Table::ALL.map(|table| honest.trace.height(table));
    for table in honest.trace.heights().expect("allowed heights").tables() {
        let mut higher = honest.clone();
        let height = 2 * heights[table as usize];
        match table {
            Table::Core => higher.extend(),
            Table::Range => {
                let last = *higher.trace.range.last().expect("a row");
                higher.trace.range.resize(height, last);
            }
            Table::Hasher => {
                let used = higher.trace.hasher.clone();
                higher.set_hasher(&used);
            }
            Table::Memory => {
                let padding = higher.trace.memory[0];
                let more = vec![padding; height / 2];
                higher.trace.memory.splice(..0, more);
            }
            _ => higher.trace.resize(table, height),
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
    assert_eq!(shorter.trace.memory.len(), 64);
    shorter.trace.memory.truncate(32);
    let found = shorter.recount().violations();
    assert!(found.contains("bus.MemoryElement"), "{found:?}");
}

#[test]
fn tables_in_pieces() {
    let mut honest = block(vec![U32and, MLoad, Drop], &[3, 5]);
    honest.trace.resize(Table::Rom, 8);
    honest.recount();
    for table in honest.trace.heights().expect("allowed heights").tables() {
        let mut cut = honest.clone();
        let whole = cut.trace.height(table);
        // A piece of 8 rows more; two of rows that come in pairs.
        let height = match table {
            Table::Bitwise | Table::Resources => whole + 14,
            _ => whole + 7,
        };
        match table {
            Table::Core => {
                cut.extend();
                cut.trace.core.truncate(height);
            }
            Table::Range => {
                let last = *cut.trace.range.last().expect("a row");
                cut.trace.range.resize(height, last);
            }
            Table::Hasher => {
                let used = cut.trace.hasher.clone();
                cut.set_hasher(&used);
                cut.trace.hasher.truncate(height);
            }
            Table::Memory => {
                let padding = cut.trace.memory[0];
                cut.trace.memory.splice(..0, vec![padding; height - whole]);
            }
            _ => cut.trace.resize(table, height),
        }
        cut.recount().assert_rejected(&[]);
        cut.assert_proven();
        let pieces = cut.trace.heights().expect("allowed heights").pieces();
        let pieces = pieces.into_iter().filter(|piece| piece.table == table);
        let expected = if height == whole + 7 { 2 } else { 3 };
        assert_eq!(pieces.count(), expected, "{table:?}");

        // The row at the cut is bound as any other, and so is the row after it.
        for row in [whole - 1, whole] {
            let mut forged = cut.clone();
            forged.trace.row_mut(table, row)[0] += Felt::new(2);
            assert!(!forged.violations().is_empty(), "{table:?}, row {row}");
        }
        // A pair of rows of which the last one is not looked at.
        if height == whole + 14 {
            cut.trace.resize(table, height + 1);
            assert_eq!(cut.trace.heights(), None);
        }
    }
}

#[test]
fn absent_tables_that_are_needed() {
    let kernel = "pub proc f neg neg end";
    let needed = [
        (Table::Bitwise, block(vec![U32and], &[3, 5]), "bus.Bitwise"),
        (Table::Resources, resources::handle(), "bus.Table"),
        (
            Table::Rom,
            trace_of(&Case::with_kernel("rom", kernel, "begin syscall.f end")),
            "bus.KernelProcedure",
        ),
        (Table::Circuits, circuits::honest(), "bus.Circuit"),
    ];
    for (table, mut forged, expected) in needed {
        assert!(table.is_optional());
        forged.trace.resize(table, 0);
        forged.recount();
        let found = forged.violations();
        assert!(found.contains(expected), "{table:?}: {found:?}");
    }
    // Nobody needs them here, and they are absent.
    let honest = block(vec![MLoad, Drop], &[3]);
    for table in Table::ALL {
        assert_eq!(honest.trace.height(table) == 0, table.is_optional());
    }
}
