//! Tables of facts: an answer takes a fact, and as many questions as answers.

use miden_core::{
    Felt, ONE,
    Operation::{self, *},
    ZERO,
};
use miden_cvm_air::{columns::MainRow, opcode::HPERM};

use super::{
    Forgery,
    toolkit::{CYCLE, trace_of},
};
use crate::common::Case;

fn block(operations: Vec<Operation>, stack: &[u64]) -> Forgery {
    trace_of(&Case::operations("forged", operations).stack(stack))
}

#[test]
fn one_answer_too_many() {
    let kernel = "pub proc f neg neg end";
    let source = "begin push.3 push.6 u32and drop hperm syscall.f end";
    let honest = trace_of(&Case::with_kernel("facts", kernel, source));
    let hperm = honest.row_of(HPERM, 0);
    let permutation = honest.rows[hperm].core.helpers[0].as_int() as usize;
    let bitwise = honest.section(|row| row.select.bitwise == ONE).start;
    let rom = honest.rom().start;
    type Edit = fn(&mut MainRow<Felt>);
    let last = CYCLE - 1;
    let edits: [(usize, Edit, &str); 8] = [
        (
            0,
            |row| row.chiplet.hasher_mut().multiplicity[0] += ONE,
            "bus.HashInput",
        ),
        (
            last,
            |row| row.chiplet.hasher_mut().multiplicity[0] += ONE,
            "bus.HashDigest",
        ),
        (
            permutation + last,
            |row| row.chiplet.hasher_mut().multiplicity[1] += ONE,
            "bus.HashOutput",
        ),
        (
            bitwise,
            |row| row.chiplet.bitwise_mut().multiplicity += ONE,
            "bus.Bitwise",
        ),
        (
            rom,
            |row| row.chiplet.rom_mut().multiplicity += ONE,
            "bus.KernelProcedure",
        ),
        (100, |row| row.range.multiplicity += ONE, "bus.Range"),
        (100, |row| row.range.byte_multiplicity += ONE, "bus.Byte"),
        (100, |row| row.range.lo += ONE, "bus.Byte"),
    ];
    for (row, edit, expected) in edits {
        let mut forged = honest.clone();
        edit(&mut forged.rows[row]);
        forged.assert_rejected(&[expected]);
    }
}

#[test]
fn answers_of_rows_that_have_none() {
    // Multiplicities count on the rows that state a fact, and are zero elsewhere.
    let mut forged = block(vec![U32and, MLoad], &[3, 6]);
    let bitwise = forged.section(|row| row.select.bitwise == ONE).start;
    forged.rows[bitwise + 1].chiplet.bitwise_mut().multiplicity = ONE;
    for row in 1..CYCLE - 1 {
        forged.rows[row].chiplet.hasher_mut().multiplicity = [ONE; 2];
    }
    forged.rows[0].chiplet.hasher_mut().multiplicity[1] = ONE;
    forged.assert_rejected(&["bitwise.unused", "hasher.multiplicity_unused"]);
}

#[test]
fn records_of_two_kinds() {
    let kernel = "pub proc f neg neg end";
    let honest = trace_of(&Case::with_kernel("kinds", kernel, "begin syscall.f end"));
    let rom = honest.rom().start;
    for kinds in [[2, -1, 0], [2, 0, -1], [1, 1, -1]] {
        let mut forged = honest.clone();
        let row = forged.rows[rom].chiplet.rom_mut();
        [row.kernel, row.link, row.segment] = kinds.map(|kind: i64| {
            let size = Felt::new(kind.unsigned_abs());
            if kind < 0 { -size } else { size }
        });
        forged.recount();
        let found = forged.violations();
        assert!(found.contains("rom.kind_binary"), "{found:?}");
    }
    // A row of no kind, where the record is left out.
    let mut forged = honest.clone();
    forged.rows[rom].chiplet.rom_mut().kernel = ZERO;
    forged.recount();
    let found = forged.violations();
    for name in ["rom.one_kind", "bus.KernelRecord", "bus.KernelProcedure"] {
        assert!(found.contains(name), "{name} is not in {found:?}");
    }
}

#[test]
fn numbers_that_are_in_no_table() {
    // An access beyond 32 bits, and a range table that has the limb.
    let mut forged = block(vec![MLoad, Noop], &[0]);
    forged.edit(0..2, |core| core.stack.top[0] = Felt::new(1 << 32));
    forged.claim_inputs();
    forged.settle();
    // 4 * 2^14 is 256 * 256.
    let row = forged.rows.len() - 2;
    let range = &mut forged.rows[row].range;
    range.hi = Felt::new(256);
    range.multiplicity = ONE;
    forged.assert_rejected(&["bus.Byte"]);
    // A byte table that has 256: it climbs too high, or begins above 0, or jumps.
    let mut higher = forged.clone();
    for (i, row) in higher.rows.iter_mut().enumerate() {
        row.range.byte = Felt::new(i.min(256) as u64);
    }
    higher.rows[256].range.byte_multiplicity += ONE;
    higher.rows[0].range.byte_multiplicity -= ONE;
    higher.assert_rejected(&["boundary.last_byte"]);
    let mut jumps = forged.clone();
    jumps.rows[row].range.byte = Felt::new(256);
    jumps.rows[row].range.byte_multiplicity = ONE;
    jumps.rows[0].range.byte_multiplicity -= ONE;
    jumps.assert_rejected(&["range.byte_step"]);
    let mut below = block(vec![MLoad, Noop], &[0]);
    below.settle();
    let counts: Vec<Felt> = below
        .rows
        .iter()
        .map(|row| row.range.byte_multiplicity)
        .collect();
    for (i, row) in below.rows.iter_mut().enumerate() {
        row.range.byte = Felt::new(i.min(256) as u64) - ONE;
        row.range.byte_multiplicity = i.checked_sub(1).map_or(ZERO, |i| counts[i]);
    }
    below.assert_rejected(&["boundary.first_byte"]);
}
