//! Instances of code and of one procedure: what is installed is what was committed to, and calls lead to what the import of
//! a whole instance is wired to.

use miden_core::{Felt, ONE, ZERO};
use miden_cvm_air::{
    columns::{Cells, InstanceRow},
    composition::LinkKind,
};

use super::{
    Forgery,
    installed::{at, insert},
    toolkit::CYCLE,
};
use crate::installed::{
    PROCEDURES, ROOT, bank, calls_of_bank, code_commitment, install, install_at, keep, pays_in,
    wire,
};

/// The root installs a bank and a script, which it wires to it, and calls both.
fn traced() -> Forgery {
    let builder = bank();
    Forgery::new(builder.trace(&pays_in(&builder)))
}

/// The row that asks for the bank, that of its first block, and that of the script's procedure.
fn rows(forged: &Forgery) -> [usize; 3] {
    let asked = at(forged, 0, |row| row.op.installs == ONE);
    let only = at(forged, 0, |row| row.op.procedure == ONE);
    [asked, asked + 1, only]
}

/// The rows of the script's links by its import of a whole instance.
fn whole(forged: &mut Forgery) -> &mut InstanceRow<Felt> {
    let row = at(forged, 0, |row| row.op.whole == ONE);
    &mut forged.trace.instances[row]
}

/// A trace of the run, changed.
fn changed(edit: impl FnOnce(&mut [InstanceRow<Felt>], [usize; 3])) -> Forgery {
    let mut forged = traced();
    let rows = rows(&forged);
    edit(&mut forged.trace.instances, rows);
    forged
}

#[test]
fn runs_that_install_code_are_proven() {
    traced().assert_proven();
    // What nobody calls may stand in the same place as what somebody does.
    assert_eq!(PROCEDURES.len() % 2, 1, "one block is half full");
}

#[test]
fn code_that_was_not_committed_to() {
    // Other digests, in either half of a block.
    for cell in [0, 5] {
        let mut forged = changed(|rows, [_, block, _]| rows[block].block[cell] += ONE);
        forged.settles_to_more_than(&["bus.HashInput", "bus.Link"]);
        let mut forged = changed(|rows, [_, block, _]| rows[block + 1].block[cell] += ONE);
        forged.settles_to_more_than(&["bus.HashAbsorb"]);
    }
    // Another commitment than the one in memory, in some rows or in all.
    for until in [0, 1, 2] {
        let mut forged = changed(|rows, [asked, ..]| {
            for row in &mut rows[asked..=asked + until] {
                row.commitment[0] += ONE;
            }
        });
        let expected: &[&str] = match until {
            2 => &["bus.HashDigest", "memory.value"],
            _ => &["instances.continued_code", "memory.value"],
        };
        forged.settles_to_more_than(expected);
    }
    // A procedure whose root is another word.
    let mut forged = changed(|rows, [_, _, only]| rows[only].commitment[0] += ONE);
    forged.settles_to_more_than(&["instances.continued_code", "bus.Link"]);
}

#[test]
fn code_that_ends_elsewhere() {
    // Its last block is left out, with or without an end.
    let mut forged = changed(|rows, [_, block, _]| rows[block + 1] = InstanceRow::filled(ZERO));
    forged.settles_to_more_than(&["instances.next_procedures"]);
    let mut forged = changed(|rows, [_, block, _]| {
        rows[block].last = ONE;
        rows[block + 1] = InstanceRow::filled(ZERO);
    });
    forged.settles_to_more_than(&["bus.HashDigest"]);
    // It goes on after its end.
    let mut forged = changed(|rows, [_, block, _]| rows[block].last = ONE);
    forged.settles_to_more_than(&["instances.next_procedures", "bus.HashDigest"]);
    // The row that asks for it has no block.
    let mut forged = changed(|rows, [_, block, _]| {
        rows[block] = InstanceRow::filled(ZERO);
        rows[block + 1] = InstanceRow::filled(ZERO);
    });
    forged.settles_to_more_than(&["instances.next_procedures"]);
}

#[test]
fn blocks_of_code_that_do_not_follow_each_other() {
    let mut forged = changed(|rows, [_, block, _]| rows.swap(block, block + 1));
    forged.settles_to_more_than(&[
        "instances.continued_procedures",
        "instances.first_procedures",
    ]);
    // The hash begins anew with the last block.
    let mut forged = changed(|rows, [_, block, _]| {
        (rows[block + 1].flag, rows[block + 1].left) = (ONE, ZERO);
    });
    forged.settles_to_more_than(&["bus.HashInput", "instances.first_procedures"]);
    // Blocks of another hash, or of another instance, or with other numbers.
    let mut forged = changed(|rows, [_, block, _]| {
        rows[block + 1].address += Felt::new(CYCLE as u64);
    });
    forged.settles_to_more_than(&["instances.continued_procedures"]);
    let mut forged = changed(|rows, [_, block, _]| rows[block + 1].index = Felt::new(2));
    forged.settles_to_more_than(&["instances.continued_index"]);
    for block_number in [0, 1] {
        let mut forged = changed(|rows, [_, block, _]| rows[block + block_number].left += ONE);
        forged.settles_to_more_than(&["instances.continued_procedures"]);
    }
}

/// A row of procedures that no row has asked for.
#[test]
fn procedures_of_nobody() {
    let honest = traced();
    let [_, block, only] = rows(&honest);
    for (row, expected) in [
        (block, "instances.next_procedures"),
        (only, "instances.next_procedure"),
    ] {
        let mut forged = traced();
        let row = honest.trace.instances[row];
        let end = forged.trace.instances.iter();
        let end = end.filter(|row| row.index != ZERO).count();
        insert(&mut forged, end, &[row]);
        forged.settles_to_more_than(&[expected]);
    }
    // The table begins with it.
    for (row, expected) in [
        (block, "boundary.first_procedures"),
        (only, "boundary.first_procedure"),
    ] {
        let mut forged = traced();
        let row = honest.trace.instances[row];
        insert(&mut forged, 0, &[row]);
        forged.settles_to_more_than(&[expected]);
    }
    // A script has two procedures.
    let mut forged = traced();
    insert(&mut forged, only + 1, &[honest.trace.instances[only]]);
    forged.settles_to_more_than(&["instances.next_procedure"]);
    // And none.
    let mut forged = traced();
    forged.trace.instances[only] = InstanceRow::filled(ZERO);
    forged.settles_to_more_than(&["instances.next_procedure", "bus.Link"]);
}

#[test]
fn a_hash_of_code_with_another_beginning() {
    // The number of elements is said to be another one.
    let mut forged = changed(|rows, [_, block, _]| rows[block].callee[1] = ZERO);
    forged.settles_to_more_than(&["bus.HashInput"]);
    let mut forged = changed(|rows, [_, block, _]| rows[block].callee[1] = Felt::new(2));
    forged.settles_to_more_than(&["bus.HashInput", "instances.odd"]);
    let mut forged = changed(|rows, [_, block, _]| rows[block + 1].callee[1] = ONE);
    forged.settles_to(&["instances.odd"]);
}

#[test]
fn a_procedure_with_another_key() {
    let mut forged = changed(|rows, [_, _, only]| rows[only].block[1] += ONE);
    forged.settles_to_more_than(&["instances.key_of_procedure", "bus.Link"]);
}

#[test]
fn requests_for_code_that_are_answered_otherwise() {
    // Code is installed as if it were one procedure, and the other way around.
    let mut forged = changed(|rows, [asked, ..]| rows[asked].flag = ONE);
    forged.settles_to_more_than(&[
        "bus.Table",
        "instances.one_import",
        "instances.next_procedure",
    ]);
    // Code that has an import, and a procedure that has none or two.
    let mut forged = changed(|rows, [asked, ..]| rows[asked].block[2] = ONE);
    forged.settles_to_more_than(&[
        "instances.no_imports",
        "instances.one_import",
        "memory.value",
    ]);
    for imports in [ZERO, Felt::new(2)] {
        let mut forged = changed(|rows, [_, _, only]| rows[only - 1].block[2] = imports);
        forged.settles_to_more_than(&["instances.has_imports", "instances.one_import"]);
    }
    // Another maker, index, handle or number of instances.
    let mut forged = changed(|rows, [_, _, only]| rows[only - 1].callee[1] += ONE);
    forged.settles_to_more_than(&["instances.maker"]);
    let mut forged = changed(|rows, [asked, ..]| {
        for row in &mut rows[asked..asked + 3] {
            row.index = Felt::new(2);
        }
    });
    forged.settles_to_more_than(&["memory.value", "bus.Table"]);
    let mut forged = changed(|rows, [asked, ..]| rows[asked].request.output += ONE);
    forged.settles_to_more_than(&["bus.Table"]);
    let mut forged = changed(|rows, [asked, ..]| rows[asked].payload += ONE);
    forged.settles_to_more_than(&["bus.Table"]);
}

#[test]
fn calls_of_a_whole_instance_that_lead_elsewhere() {
    // To another procedure than the one that is called.
    let honest = traced();
    let secret = honest.trace.instances[rows(&honest)[1] + 1].block;
    let mut forged = traced();
    let row = whole(&mut forged);
    row.callee.copy_from_slice(&secret[..4]);
    row.block[1] = Felt::new(2);
    forged.settles_to(&["instances.whole", "bus.Link"]);
    // Another kind of call, over another import, to another instance, or with static data.
    let mut forged = traced();
    whole(&mut forged).block[3] = Felt::from(LinkKind::Fresh.code());
    forged.settles_to_more_than(&["instances.whole", "bus.Link"]);
    let mut forged = traced();
    whole(&mut forged).block[2] += ONE;
    forged.settles_to_more_than(&["instances.whole", "bus.Link"]);
    let mut forged = traced();
    whole(&mut forged).target += ONE;
    forged.settles_to_more_than(&["bus.Link"]);
    let mut forged = traced();
    whole(&mut forged).payload = ONE;
    forged.settles_to_more_than(&["instances.unused", "bus.Link"]);
    let mut forged = traced();
    whole(&mut forged).domain = ONE;
    forged.settles_to_more_than(&["instances.unused", "bus.Link"]);
    // A procedure that the target does not export.
    let mut forged = traced();
    let row = whole(&mut forged);
    row.block[4] += ONE;
    row.callee[0] += ONE;
    forged.settles_to_more_than(&["bus.Link"]);
}

/// The bank has no import, and what has some by a record imports functions, not instances.
#[test]
fn an_import_of_a_whole_instance_that_is_none() {
    let mut forged = traced();
    let mut row = *whole(&mut forged);
    (row.index, row.target) = (ONE, Felt::new(2));
    row.multiplicity = ZERO;
    let end = forged.trace.instances.iter();
    let end = end.filter(|row| row.index != ZERO).count();
    insert(&mut forged, end, &[row]);
    forged.settles_to(&["bus.Link"]);
    // An import of a function is wired to the bank, and taken for one of all that the bank has.
    let builder = bank();
    let calls = calls_of_bank(&builder);
    let builder = builder.installable(&calls);
    let main = format!(
        "begin {} {} {} {} end",
        install_at(code_commitment(&builder), 16, "install_code"),
        install(&calls),
        wire(1),
        keep(1, 2),
    );
    let mut forged = Forgery::new(builder.trace(&main));
    row.index = Felt::new(2);
    row.target = ONE;
    let end = forged.trace.instances.iter();
    let end = end.filter(|row| row.index != ZERO).count();
    insert(&mut forged, end, &[row]);
    forged.settles_without(&["instances.import_of_whole"]);
}

#[test]
fn a_record_that_is_taken_as_code() {
    let builder = bank();
    let root = builder.procedure("script::run");
    // The root of a procedure is no commitment to code with that procedure, and the other way around.
    for (word, intrinsic, other) in [
        (root, "install_procedure", "bus.Table"),
        (code_commitment(&builder), "install_code", "bus.Table"),
    ] {
        let main = format!(
            "begin {} {} end",
            install_at(word, ROOT, intrinsic),
            keep(1, 1)
        );
        let mut forged = Forgery::new(builder.trace(&main));
        let asked = at(&forged, 0, |row| row.op.installs == ONE);
        let flag = forged.trace.instances[asked].flag;
        forged.trace.instances[asked].flag = ONE - flag;
        forged.settles_to_more_than(&[other]);
    }
}
