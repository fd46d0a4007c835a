//! Tables of facts: an answer takes a fact, and as many questions as answers.

use miden_core::{
    Felt, ONE,
    Operation::{self, *},
    ZERO,
};
use miden_cvm_air::{columns::RangeRow, opcode::HPERM, table::Trace};

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
    let permutation = honest.trace.core[hperm].helpers[0].as_int() as usize;
    type Edit = fn(&mut Trace, usize);
    let last = CYCLE - 1;
    let edits: [(usize, Edit, &str); 5] = [
        (
            0,
            |trace, row| trace.hasher[row].multiplicity[0] += ONE,
            "bus.HashInput",
        ),
        (
            last,
            |trace, row| trace.hasher[row].multiplicity[0] += ONE,
            "bus.HashDigest",
        ),
        (
            permutation + last,
            |trace, row| trace.hasher[row].multiplicity[1] += ONE,
            "bus.HashOutput",
        ),
        (
            1,
            |trace, row| trace.bitwise[row].multiplicity += ONE,
            "bus.Bitwise",
        ),
        (
            0,
            |trace, row| trace.rom[row].multiplicity += ONE,
            "bus.KernelProcedure",
        ),
    ];
    for (row, edit, expected) in edits {
        let mut forged = honest.clone();
        edit(&mut forged.trace, row);
        forged.assert_rejected(&[expected]);
    }
    type RangeEdit = fn(&mut RangeRow<Felt>);
    let edits: [(RangeEdit, &str); 3] = [
        (|row| row.multiplicity += ONE, "bus.Range"),
        (|row| row.byte_multiplicity += ONE, "bus.Byte"),
        (|row| row.lo += ONE, "bus.Byte"),
    ];
    for (edit, expected) in edits {
        let mut forged = honest.clone();
        // A row that is left over.
        let row = forged.trace.range.len() - 2;
        edit(&mut forged.trace.range[row]);
        forged.assert_rejected(&[expected]);
    }
}

#[test]
fn answers_of_rows_that_have_none() {
    // Multiplicities count on the rows that state a fact, and are zero elsewhere.
    let mut forged = block(vec![U32and, MLoad], &[3, 6]);
    forged.trace.bitwise[2].multiplicity = ONE;
    for row in 1..CYCLE - 1 {
        forged.trace.hasher[row].multiplicity = [ONE; 2];
    }
    forged.trace.hasher[0].multiplicity[1] = ONE;
    forged.assert_rejected(&["bitwise.unused", "hasher.multiplicity_unused"]);
}

#[test]
fn records_of_two_kinds() {
    let kernel = "pub proc f neg neg end";
    let honest = trace_of(&Case::with_kernel("kinds", kernel, "begin syscall.f end"));
    let rom = honest.rom().start;
    for kinds in [[2, -1, 0], [2, 0, -1], [1, 1, -1]] {
        let mut forged = honest.clone();
        let row = &mut forged.trace.rom[rom];
        [row.kernel, row.link, row.segment] = kinds.map(|kind: i64| {
            let size = Felt::new(kind.unsigned_abs());
            if kind < 0 { -size } else { size }
        });
        forged.recount();
        let found = forged.violations();
        assert!(found.contains("rom.kind_binary"), "{found:?}");
    }
    // A row of no kind, so that the record is left out.
    let mut forged = honest.clone();
    forged.trace.rom[rom].kernel = ZERO;
    forged.recount();
    let found = forged.violations();
    for name in ["rom.unused", "bus.KernelRecord", "bus.KernelProcedure"] {
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
    let row = forged.trace.range.len() - 2;
    let range = &mut forged.trace.range[row];
    range.hi = Felt::new(256);
    range.multiplicity = ONE;
    forged.assert_rejected(&["bus.Byte"]);
    // A byte table that has 256: it climbs too high, or begins above 0, or jumps.
    let mut higher = forged.clone();
    for (i, row) in higher.trace.range.iter_mut().enumerate() {
        row.byte = Felt::new(i.min(256) as u64);
    }
    higher.trace.range[256].byte_multiplicity += ONE;
    higher.trace.range[0].byte_multiplicity -= ONE;
    higher.assert_rejected(&["boundary.last_byte"]);
    let mut jumps = forged.clone();
    jumps.trace.range[row].byte = Felt::new(256);
    jumps.trace.range[row].byte_multiplicity = ONE;
    jumps.trace.range[0].byte_multiplicity -= ONE;
    jumps.assert_rejected(&["range.byte_step"]);
    let mut below = block(vec![MLoad, Noop], &[0]);
    below.settle();
    let counts: Vec<Felt> = below
        .trace
        .range
        .iter()
        .map(|row| row.byte_multiplicity)
        .collect();
    for (i, row) in below.trace.range.iter_mut().enumerate() {
        row.byte = Felt::new(i.min(256) as u64) - ONE;
        row.byte_multiplicity = i.checked_sub(1).map_or(ZERO, |i| counts[i]);
    }
    below.assert_rejected(&["boundary.first_byte"]);
}

#[test]
fn steps_of_bytes_that_are_no_steps() {
    // From any byte to the next one that is needed there are several ways, but none of these.
    let honest = block(vec![MLoad, Noop], &[0]);
    for by in [2, 5, 17, 65, 255] {
        let mut forged = honest.clone();
        for row in &mut forged.trace.range[1..] {
            row.byte += Felt::new(by);
        }
        let found = forged.violations();
        assert!(found.contains("range.byte_step"), "{by}: {found:?}");
    }
    let mut back = honest;
    let last = back.trace.range.len() - 2;
    back.trace.range[last].byte -= ONE;
    assert!(back.violations().contains("range.byte_step"));
}
