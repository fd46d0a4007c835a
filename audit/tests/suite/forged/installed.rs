//! Installed instances: what they are by their commitments, and wired as their makers have said.

use miden_core::{Felt, FieldElement, ONE, ZERO};
use miden_cvm_air::{
    columns::{Cells, InstanceRow, OrderCells, ResourceRow, cells_of, cells_of_rows_mut},
    component::{BLOCK, BlockKind, Component, PAIR, order_of},
    composition::{FIRST_INSTANCE_TYPE, Intrinsic, LinkKind},
    opcode::{ADVPOP, DROP, INTRINSIC, PUSH},
};

use super::{
    Forgery,
    toolkit::{CYCLE, edit_call},
};
use crate::{
    composition::Builder,
    installed::{account, call, calls, install, keep, kernel, kernel_among, note, wired},
};

/// The root installs two accounts and a note, which it wires to the first one, calls the note, and asks
/// what component the first account has.
pub fn traced() -> Forgery {
    let builder = kernel();
    let main = format!(
        "begin {} {} {} dup.2 dup.1 call.stubs::wire drop drop {}
        push.1.24 call.stubs::component drop drop {} {} end",
        install(&account(&builder, 10)),
        install(&account(&builder, 20)),
        install(&note(&builder, LinkKind::Shared)),
        call("b1", 0),
        call("a1", 2),
        keep(2, 5),
    );
    Forgery::new(builder.trace(&main))
}

/// The number of the first row of a kind, after `skip` of them.
pub fn at(forged: &Forgery, skip: usize, is: impl Fn(&InstanceRow<Felt>) -> bool) -> usize {
    let rows = forged.trace.instances.iter().enumerate();
    let mut found = rows.filter(|(_, row)| is(row)).map(|(number, _)| number);
    found.nth(skip).expect("there is such a row")
}

pub fn installed(forged: &Forgery, nth: usize) -> usize {
    at(forged, nth, |row| row.op.install == ONE)
}

/// Changes the rows of a record.
fn edit_record(forged: &mut Forgery, nth: usize, mut edit: impl FnMut(&mut InstanceRow<Felt>)) {
    let start = installed(forged, nth);
    for row in &mut forged.trace.instances[start..] {
        edit(row);
        if row.last == ONE {
            break;
        }
    }
}

/// The root installs an account whose commitment it takes from the advice, and calls it.
fn told() -> Forgery {
    let builder = kernel();
    let mut commitment = account(&builder, 10).commitment();
    commitment.reverse();
    let main = format!(
        "begin adv_push.4 mem_storew_le.16 dropw push.16 call.stubs::install {} {} end",
        call("a1", 0),
        keep(1, 2),
    );
    let builder = builder.advice(&commitment.map(|element| element.as_int()));
    Forgery::new(builder.trace(&main))
}

/// Writes other blocks of the first record, and hashes them; returns the commitment.
fn hash_others(forged: &mut Forgery, edit: impl FnOnce(&mut [InstanceRow<Felt>])) -> [Felt; 4] {
    let start = installed(forged, 0);
    let last = at(forged, 0, |row| row.last == ONE && row.op.wire == ZERO);
    edit(&mut forged.trace.instances[start..=last]);
    let mut state = [ZERO; 12];
    for number in start..=last {
        let row = forged.trace.instances[number];
        let address = row.address.as_int() as usize;
        state[4..].copy_from_slice(&row.block);
        forged.rehash(address, state);
        state = forged.trace.hasher[address + CYCLE - 1].state;
    }
    [state[4], state[5], state[6], state[7]]
}

/// A run that is told the commitment of a record with other blocks, and installs an instance by it: the
/// record is one that no executor accepts.
fn told_another(edit: impl FnOnce(&mut [InstanceRow<Felt>])) -> Forgery {
    let mut forged = told();
    tell_another(&mut forged, edit);
    forged
}

/// Tells a run, which is told the commitment of the first record that it installs, one with other blocks.
pub fn tell_another(forged: &mut Forgery, edit: impl FnOnce(&mut [InstanceRow<Felt>])) {
    let before = forged.trace.instances[installed(forged, 0)].commitment;
    let after = hash_others(forged, edit);
    for cell in cells_of_rows_mut::<Felt, _>(&mut forged.trace.core) {
        if let Some(position) = before.iter().position(|element| element == cell) {
            *cell = after[position];
        }
    }
    for row in &mut forged.trace.instances {
        if row.commitment == before {
            row.commitment = after;
        }
    }
}

/// The rows of a record that are blocks of a kind with this number of what they give.
pub fn blocks_of(
    rows: &mut [InstanceRow<Felt>],
    kind: BlockKind,
    gives: impl Fn(&[Felt; BLOCK]) -> bool,
) -> &mut InstanceRow<Felt> {
    let tag = Felt::from(kind as u8);
    let mut found = rows.iter_mut();
    found
        .find(|row| row.block[0] == tag && gives(&row.block))
        .expect("there is such a block")
}

/// The row of the procedure for handles that receives what is lent, which nobody calls.
fn receives(rows: &mut [InstanceRow<Felt>]) -> &mut InstanceRow<Felt> {
    let code = Felt::from(Intrinsic::RecvBorrow.code());
    blocks_of(rows, BlockKind::Generic, |block| block[3] == code)
}

/// Inserts rows, and padding after all.
pub fn insert(forged: &mut Forgery, at: usize, rows: &[InstanceRow<Felt>]) {
    let used = forged.trace.instances.iter();
    let used = used.filter(|row| cells_of::<Felt, _>(&row.op).contains(&ONE));
    let mut all: Vec<_> = used.copied().collect();
    all.splice(at..at, rows.iter().copied());
    all.push(InstanceRow::filled(ZERO));
    forged.set_instances(&all);
}

#[test]
fn runs_that_install_are_proven() {
    traced().assert_proven();
    told().assert_proven();
    // A record is what its commitment says, whoever wrote it.
    let mut forged = told_ordered(|rows| receives(rows).block[4] += ONE);
    forged.settle().assert_proven();
}

#[test]
fn an_instance_of_another_component_than_its_commitment_says() {
    // The first account is made of the second one's record.
    let honest = traced();
    let (first, second) = (installed(&honest, 0), installed(&honest, 1));
    let commitment = honest.trace.instances[second].commitment;
    let length = second - first;
    let mut forged = traced();
    for i in 0..length {
        let other = honest.trace.instances[second + i];
        let row = &mut forged.trace.instances[first + i];
        (row.block, row.address) = (other.block, other.address);
    }
    forged.settles_to_more_than(&["bus.HashDigest", "bus.Segment"]);
    // Then with its commitment, which is not the one in memory.
    edit_record(&mut forged, 0, |row| row.commitment = commitment);
    forged.settles_to_more_than(&["bus.Link", "memory.value", "bus.Segment"]);
}

#[test]
fn records_that_do_not_hash_to_the_commitment() {
    // A block that says something else: another procedure of the account is exported.
    let honest = traced();
    let export = at(&honest, 0, |row| row.op.export == ONE);
    let mut forged = traced();
    forged.trace.instances[export].block[4] += ONE;
    forged.settles_to_more_than(&["bus.HashAbsorb", "bus.Link"]);
    // A record that ends early, or goes on.
    let mut forged = traced();
    let last = at(&forged, 0, |row| row.op.segment == ONE);
    forged.trace.instances[last - 1].last = ONE;
    forged.settles_to_more_than(&[
        "bus.HashDigest",
        "instances.last_block",
        "instances.next_block",
    ]);
    let mut forged = traced();
    forged.trace.instances[last].last = ZERO;
    forged.settles_to_more_than(&["instances.next_block"]);
    // Blocks that are left out, or stand somewhere else.
    let mut forged = traced();
    let row = forged.trace.instances.remove(export);
    forged.settles_to_more_than(&["instances.continued"]);
    let mut forged = traced();
    forged.trace.instances.remove(export);
    forged.trace.instances.insert(last - 1, row);
    forged.settles_to_more_than(&["instances.continued"]);
    // Fewer blocks than the first one says.
    let mut forged = traced();
    let start = installed(&forged, 0);
    forged.trace.instances[start].block[1] -= ONE;
    forged.settles_to_more_than(&["bus.HashInput", "instances.number_of_blocks"]);
    // A block is read as what it is not.
    let mut forged = traced();
    let row = &mut forged.trace.instances[export];
    (row.op.export, row.op.own) = (ZERO, ONE);
    forged.settles_to_more_than(&["instances.tag"]);
}

#[test]
fn a_row_of_no_record() {
    // A fact that stands alone.
    let honest = traced();
    let export = at(&honest, 0, |row| row.op.export == ONE);
    let mut forged = traced();
    let end = at(&forged, 0, |row| row.op.tell == ONE) + 1;
    forged.trace.instances[end] = honest.trace.instances[export];
    forged.settles_to_more_than(&["instances.next_block"]);
    // An instance that nobody has asked for.
    let mut forged = traced();
    let start = installed(&forged, 0);
    let length = installed(&forged, 1) - start;
    let record = honest.trace.instances[start..start + length].to_vec();
    let position = end + 1;
    forged.trace.instances.splice(position..position, record);
    let height = forged.trace.instances.len().next_power_of_two();
    let padding = forged.trace.instances[end];
    forged.trace.instances.resize(height, padding);
    forged.settles_to_more_than(&["bus.Table"]);
}

#[test]
fn an_index_that_another_instance_has() {
    let mut forged = traced();
    edit_record(&mut forged, 1, |row| row.index = ONE);
    forged.settles_to_more_than(&["memory.value", "bus.Table"]);
    // The counter stands still.
    let mut forged = traced();
    let second = installed(&forged, 1);
    forged.trace.instances[second].payload += ONE;
    forged.settles_to_more_than(&["memory.value", "bus.Table"]);
    // An index that is none.
    let mut forged = traced();
    edit_record(&mut forged, 1, |row| row.index = Felt::new(1 << 16));
    forged.settles_to_more_than(&["bus.Range"]);
}

#[test]
fn an_import_that_is_wired_to_another_instance() {
    // The note's import leads to the second account.
    let mut forged = traced();
    let wire = at(&forged, 0, |row| row.op.wire == ONE);
    forged.trace.instances[wire].target = Felt::new(2);
    forged.settles_to_more_than(&["bus.Link", "bus.Table"]);
    // So does the link.
    let mut forged = traced();
    let import = at(&forged, 0, |row| row.op.resolved == ONE);
    forged.trace.instances[import].target = Felt::new(2);
    forged.settles_to_more_than(&["bus.Link"]);
    // To an export that is none, or of another kind than the record says.
    let mut forged = traced();
    forged.trace.instances[import].callee[0] += ONE;
    forged.settles_to_more_than(&["bus.Link"]);
    let mut forged = traced();
    forged.trace.instances[import].block[3] = Felt::new(14);
    forged.settles_to_more_than(&["bus.HashAbsorb", "instances.import_kind"]);
}

#[test]
fn a_second_wiring() {
    // The wire stands twice.
    let mut forged = traced();
    let wire = at(&forged, 0, |row| row.op.wire == ONE);
    let row = forged.trace.instances[wire];
    let end = at(&forged, 0, |row| row.op.tell == ONE) + 1;
    forged.trace.instances[end] = InstanceRow {
        target: Felt::new(2),
        ..row
    };
    forged.settles_to_more_than(&["bus.Table"]);
    // There is more to wire than the state says, or the last wire is not the last.
    let mut forged = traced();
    let row = &mut forged.trace.instances[wire];
    row.left += ONE;
    row.last = ZERO;
    row.callee[0] = ONE;
    row.callee[3] = row.request.context + ONE;
    forged.settles_to_more_than(&["memory.value"]);
    let mut forged = traced();
    forged.trace.instances[wire].last = ZERO;
    forged.settles_to_more_than(&["instances.maker_left", "instances.more_imports"]);
    let mut forged = traced();
    forged.trace.instances[wire].left += ONE;
    forged.settles_to_more_than(&["instances.last_import"]);
}

#[test]
fn a_wire_by_who_has_no_right() {
    let mut forged = traced();
    let wire = at(&forged, 0, |row| row.op.wire == ONE);
    forged.trace.instances[wire].request.context = ONE;
    forged.settles_to_more_than(&["memory.value", "bus.Table"]);
    // By another handle than that of the instance.
    let mut forged = traced();
    forged.trace.instances[wire].request.input -= ONE;
    forged.settles_to_more_than(&["bus.Table"]);
    // In the domain of an isolated call.
    let mut forged = traced();
    forged.trace.instances[wire].request.home = ONE;
    forged.settles_to_more_than(&["instances.unused"]);
}

#[test]
fn an_instance_that_is_entered_before_it_is_wired() {
    // It is said to have no imports.
    let mut forged = traced();
    let start = installed(&forged, 2);
    let row = &mut forged.trace.instances[start];
    (row.flag, row.callee[0], row.callee[1]) = (ZERO, ZERO, ZERO);
    forged.settles_to_more_than(&["instances.no_imports"]);
    let mut forged = traced();
    forged.trace.instances[start].callee[1] = Felt::new(77);
    forged.settles_to_more_than(&["instances.maker"]);
}

#[test]
fn an_identity_of_another_component() {
    let honest = traced();
    let tell = at(&honest, 0, |row| row.op.tell == ONE);
    let other = honest.trace.instances[installed(&honest, 1)].commitment;
    // Another commitment, and the index of another instance.
    let mut forged = traced();
    forged.trace.instances[tell].commitment = other;
    forged.settles_to_more_than(&["bus.Link"]);
    let mut forged = traced();
    let row = &mut forged.trace.instances[tell];
    (row.commitment, row.index) = (other, Felt::new(2));
    forged.settles_to_more_than(&["instances.told_index"]);
    let row = &mut forged.trace.instances[tell];
    let step = Felt::new(1 << 16).inv();
    row.callee[0] = -step;
    forged.settles_to_more_than(&["bus.Range"]);
    // More instances than were installed.
    let mut forged = traced();
    let row = &mut forged.trace.instances[tell];
    (row.callee[2], row.callee[3]) = (Felt::new(5), Felt::new(4));
    forged.settles_to(&["memory.value"]);
}

#[test]
fn generic_links_for_what_they_are_not_for() {
    let honest = traced();
    let held = at(&honest, 0, |row| row.op.specific == ONE && row.flag == ONE);
    // Another instance, another export, another kind of call.
    let mut forged = traced();
    forged.trace.instances[held].target = Felt::new(2);
    forged.settles_to_more_than(&["bus.Link"]);
    let mut forged = traced();
    forged.trace.instances[held].block[1] += ONE;
    forged.settles_to_more_than(&["bus.Link"]);
    let mut forged = traced();
    forged.trace.instances[held].block[3] = ONE;
    forged.settles_to_more_than(&["bus.Link", "instances.specific_call"]);
    // A call as a procedure for handles.
    let mut forged = traced();
    forged.trace.instances[held].flag = ZERO;
    forged.settles_to_more_than(&["bus.Link", "instances.specific_type"]);
    // What a block allows is something else.
    let generic = at(&honest, 0, |row| row.op.generic == ONE);
    let mut forged = traced();
    forged.trace.instances[generic].block[3] = Felt::new(14);
    forged.settles_to_more_than(&["bus.HashAbsorb", "instances.generic_kind"]);
    let builtin = at(&honest, 0, |row| row.op.builtin == ONE);
    let mut forged = traced();
    forged.trace.instances[builtin].block[3] = Felt::new(14);
    forged.settles_to_more_than(&["bus.HashAbsorb", "instances.builtin_kind"]);
}

#[test]
fn a_record_with_another_hash() {
    // The executed procedures are the same; one that nobody calls has another key.
    let mut forged = told();
    hash_others(&mut forged, |rows| {
        let who = |block: &[Felt; BLOCK]| block[1] == Felt::new(crate::installed::WHO);
        blocks_of(rows, BlockKind::Export, who).block[1] += ONE;
        order(rows);
    });
    forged.settles_without(&["instances.commitment"]);
}

#[test]
fn blocks_that_give_what_no_component_may_have() {
    let new = Felt::from(Intrinsic::New.code());
    let first = Felt::from(Intrinsic::SendOwn.code());
    // A procedure that makes handles to installed instances.
    told_another(|rows| {
        let row = receives(rows);
        row.block[3] = new;
        (row.callee[0], row.callee[1]) = (new - first, ZERO);
    })
    .settles_to(&["instances.generic_binary"]);
    // A call of what is held that reads as the commitment of a component.
    told_another(|rows| {
        let row = receives(rows);
        row.block[3] = ONE;
        row.flag = ONE;
        (row.callee[0], row.callee[1]) = (ONE, ZERO);
    })
    .settles_to(&["instances.generic_one"]);
    // The right to install.
    told_another(|rows| {
        let code = Felt::from(Intrinsic::Component.code());
        let row = blocks_of(rows, BlockKind::Builtin, |block| block[3] == code);
        row.block[3] = Felt::from(Intrinsic::Install.code());
        row.flag = Felt::new(2).inv();
    })
    .settles_to(&["instances.flag_binary"]);
    // The same by the flags of those that save and restore the stack.
    let of = |intrinsic: Intrinsic| Felt::from(intrinsic.code());
    let distance = |intrinsic| of(intrinsic) - of(Intrinsic::Caller);
    let installs = distance(Intrinsic::Install);
    let part = |intrinsic| installs / distance(intrinsic);
    let chosen = |flag: Felt, cells: [Felt; 3]| {
        told_another(|rows| {
            let code = of(Intrinsic::Component);
            let row = blocks_of(rows, BlockKind::Builtin, |block| block[3] == code);
            let [saves, restores, pair] = cells;
            row.block[3] = of(Intrinsic::Caller)
                + flag * distance(Intrinsic::Component)
                + saves * distance(Intrinsic::Save)
                + restores * distance(Intrinsic::Restore)
                + pair * Felt::from(PAIR);
            row.flag = flag;
            row.callee[..3].copy_from_slice(&cells);
        })
    };
    for cells in [
        [part(Intrinsic::Save), ZERO, ZERO],
        [ZERO, part(Intrinsic::Restore), ZERO],
        [ONE, ZERO, -ONE.double()],
    ] {
        chosen(ZERO, cells).settles_to(&["instances.builtin_binary"]);
    }
    chosen(ZERO, [ZERO, ZERO, ONE]).settles_to(&["instances.builtin_one"]);
    // Numbers that stand for nothing.
    for (flag, other) in [(ONE, ZERO), (ZERO, ONE)] {
        chosen(flag, [ONE, other, ZERO]).settles_to(&["instances.builtin_one"]);
    }
    // Data that is neither there nor not.
    told_another(|rows| {
        let who = |block: &[Felt; BLOCK]| block[1] == Felt::new(crate::installed::WHO);
        blocks_of(rows, BlockKind::Export, who).block[2] = Felt::new(2);
    })
    .settles_to(&["instances.has_data_binary"]);
}

#[test]
fn a_procedure_for_handles_that_has_a_key() {
    let key = Felt::new(77);
    let mut forged = told_another(|rows| receives(rows).block[1] = key);
    let start = installed(&forged, 0);
    let receives = *receives(&mut forged.trace.instances);
    let record = forged.trace.instances[start];
    let [k0, k1, k2, k3] = record.commitment;
    let mut row = InstanceRow {
        index: record.index,
        left: record.index + Felt::from(FIRST_INSTANCE_TYPE) + ONE,
        commitment: [k0 - key, k1, k2, k3],
        block: receives.block,
        target: record.index,
        ..InstanceRow::filled(ZERO)
    };
    row.op.specific = ONE;
    row.block[0] = ZERO;
    insert(&mut forged, 0, &[row]);
    forged.settles_to(&["instances.specific_handle"]);
}

#[test]
fn a_link_that_no_block_allows() {
    let mut forged = traced();
    let held = at(&forged, 0, |row| row.op.specific == ONE && row.flag == ONE);
    let row = InstanceRow {
        index: ONE,
        ..forged.trace.instances[held]
    };
    insert(&mut forged, held, &[row]);
    forged.settles_without(&["instances.generic_link"]);
}

#[test]
fn a_record_that_begins_with_the_table() {
    let mut forged = traced();
    let last = at(&forged, 0, |row| row.op.segment == ONE);
    let row = forged.trace.instances[last];
    assert_eq!(row.last, ONE);
    insert(&mut forged, 0, &[row]);
    forged.settles_to(&["boundary.first_block"]);
}

#[test]
fn a_row_that_is_two() {
    // Parts of two blocks, which are none together.
    let mut forged = traced();
    let mut row = InstanceRow::filled(ZERO);
    (row.op.import, row.op.export) = (ONE, -ONE);
    row.block[0] = Felt::from(BlockKind::Import as u8) - Felt::from(BlockKind::Export as u8);
    let end = at(&forged, 0, |row| row.op.tell == ONE) + 1;
    forged.trace.instances[end] = row;
    forged.settles_to(&["instances.op_binary"]);
    // A procedure of the VM that is read as an import and a procedure of the component's own.
    let mut forged = traced();
    let builtin = at(&forged, 0, |row| row.op.builtin == ONE);
    let row = &mut forged.trace.instances[builtin];
    (row.op.builtin, row.op.import, row.op.own) = (ZERO, ONE, ONE);
    forged.settles_to(&[
        "instances.next_block",
        "instances.one_op",
        "instances.order",
        "instances.unused",
    ]);
}

#[test]
fn an_index_that_no_instance_can_have() {
    // The composition has all instances that there can be.
    const MOST: u32 = 1 << 16;
    let builder = kernel_among(MOST - 1);
    let main = format!("begin {} drop end", install(&account(&builder, 10)));
    let mut forged = Forgery::new(builder.trace(&main));
    forged.public.composition = Some(kernel_among(MOST).composition());
    let (index, resource) = (Felt::from(MOST - 1), Felt::from(FIRST_INSTANCE_TYPE + MOST));
    let trace = &mut forged.trace;
    let cells = cells_of_rows_mut::<Felt, _>(&mut trace.core).iter_mut();
    let cells = cells.chain(cells_of_rows_mut(&mut trace.rom));
    let cells = cells.chain(cells_of_rows_mut(&mut trace.instances));
    let numbers = cells.filter(|cell| **cell == index);
    let types = cells_of_rows_mut(&mut trace.resources).iter_mut();
    let types = types.filter(|cell| **cell == resource);
    numbers.chain(types).for_each(|cell| *cell += ONE);
    forged.settles_without(&["instances.index_range"]);
}

#[test]
fn digits_of_an_id_that_are_none() {
    let honest = traced();
    let tell = at(&honest, 0, |row| row.op.tell == ONE);
    let step = Felt::new(1 << 16);
    let mut forged = traced();
    let row = &mut forged.trace.instances[tell];
    (row.callee[0], row.callee[1]) = (-step, ONE);
    forged.settles_without(&["instances.domain_low"]);
    let mut forged = traced();
    let row = &mut forged.trace.instances[tell];
    (row.callee[0], row.callee[1]) = (ONE, -step.inv());
    forged.settles_without(&["instances.domain_high"]);
}

/// The root adopts calls, and makes none.
fn adopted() -> Forgery {
    let builder = kernel();
    let calls = calls(&builder);
    let builder = builder.installable(&calls);
    let main = format!("begin {} call.stubs::adopt drop drop end", wired(&builder));
    Forgery::new(builder.trace(&main))
}

/// The row that adopts.
fn adopts(forged: &Forgery) -> usize {
    let code = Felt::from(Intrinsic::Adopt.code());
    let mut rows = forged.trace.core.iter();
    let found = rows.position(|row| row.as_call().creates == ONE && row.as_call().shared == code);
    found.expect("a row adopts")
}

/// From a row on, the calls of the root are those of an instance.
fn goes_on_as(forged: &mut Forgery, row: usize, index: Felt) {
    for core in &mut forged.trace.core[row..] {
        core.system.index = index;
        core.system.domain = -index / Felt::new(1 << 16);
    }
}

/// Changes the result of an intrinsic on the stack, until it is dropped.
fn leaves(forged: &mut Forgery, intrinsic: usize, value: Felt) {
    let mut after = intrinsic + 1..;
    let dropped = after.find(|&row| forged.opcode(row) == DROP);
    for row in intrinsic + 1..=dropped.expect("it is dropped") {
        forged.core(row).stack.top[0] = value;
    }
}

#[test]
fn calls_of_another_instance_than_the_adopted_one() {
    adopted().assert_proven();
    // The row goes on with its own calls.
    let mut forged = adopted();
    let row = adopts(&forged);
    edit_call(forged.core(row), |call| call.creates = ZERO);
    goes_on_as(&mut forged, row, ZERO);
    forged.settles_to(&["call.adopts"]);
    // It goes on with those of the account.
    let mut forged = adopted();
    goes_on_as(&mut forged, row + 1, ONE);
    forged.settles_to(&["system.adopt_index"]);
    // Its context is another one.
    let mut forged = adopted();
    for core in &mut forged.trace.core[row + 1..] {
        core.system.domain += ONE;
    }
    forged.settles_to(&["system.adopt_context"]);
    // The handle is that of another instance than the one whose calls are adopted.
    let mut forged = adopted();
    leaves(&mut forged, row, ONE);
    goes_on_as(&mut forged, row + 1, ONE);
    let answer = at(&forged, 0, |row| row.op.adopt == ONE);
    forged.trace.instances[answer].request.output = ONE;
    forged.settles_to(&["instances.adopted_index"]);
}

#[test]
fn an_intrinsic_that_adopts_beside() {
    // What installs an instance leaves its handle, which is taken for an index.
    let builder = kernel();
    let main = format!("begin {} drop end", install(&account(&builder, 10)));
    let mut forged = Forgery::new(builder.trace(&main));
    let row = forged.row_of(INTRINSIC, 0);
    edit_call(forged.core(row), |call| {
        call.creates = ONE;
        call.saved_overflow_ptr = ZERO;
    });
    goes_on_as(&mut forged, row + 1, ONE);
    forged.settles_to(&["call.adopts_kind"]);
    let mut forged = adopted();
    let row = adopts(&forged);
    edit_call(forged.core(row), |call| call.saved_overflow_ptr = ONE);
    forged.settles_to(&["call.adopts_kind"]);
}

#[test]
fn calls_of_an_instance_that_was_not_installed() {
    // The root makes an instance of one of the composition's, whose links it would have.
    let builder = Builder::new(2)
        .component("account", "pub proc bump push.1 drop end")
        .installs(&[])
        .instances_of(1, 2)
        .advice(&[1]);
    let empty = Component::default();
    let builder = builder.installable(&empty);
    let main = format!(
        "begin {} drop push.0 call.stubs::instantiate2 drop adv_push.1 call.stubs::adopt drop end",
        install(&empty)
    );
    let mut forged = Forgery::new(builder.trace(&main));
    let (row, two) = (adopts(&forged), Felt::new(2));
    let taken = forged.row_of(ADVPOP, 0) + 1;
    for row in taken..=row {
        forged.core(row).stack.top[0] = two;
    }
    let made = forged.trace.resources.iter().step_by(2);
    let made = made
        .filter(|row| row.op.new == ONE)
        .nth(1)
        .expect("two are made");
    let (domain, resource) = (made.request.asked.input, made.request.resource);
    let index = resource - ONE - Felt::from(FIRST_INSTANCE_TYPE);
    goes_on_as(&mut forged, row + 1, index);
    leaves(&mut forged, row, index);
    let answer = at(&forged, 0, |row| row.op.adopt == ONE);
    let answer = &mut forged.trace.instances[answer];
    answer.index = index;
    (answer.request.input, answer.request.output) = (two, index);
    let rows = &mut forged.trace.resources;
    let sends = |row: &ResourceRow<Felt>| row.op.send == ONE;
    let sent = (0..rows.len())
        .step_by(2)
        .find(|&row| sends(&rows[row]))
        .expect("it is sent");
    let row = &mut rows[sent];
    (row.handle, row.entry[0], row.entry[1]) = (two, domain, resource);
    (row.request.asked.input, row.request.resource) = (two, resource);
    let outcome = rows[sent + 1].outcome_mut();
    (outcome.handle, outcome.state[1]) = (two, two);
    for outcome in rows
        .iter_mut()
        .skip(1)
        .step_by(2)
        .map(|row| row.outcome_mut())
    {
        if outcome.puts == ONE || outcome.takes == ONE {
            (outcome.token.rep, outcome.token.resource) = (domain, resource);
        }
    }
    forged.settles_without(&["instances.component_of"]);
}

#[test]
fn a_block_that_is_not_the_one_hashed() {
    // Nobody calls what is exported under another key.
    let mut forged = traced();
    let who = |block: &[Felt; BLOCK]| block[1] == Felt::new(crate::installed::WHO);
    blocks_of(&mut forged.trace.instances, BlockKind::Export, who).block[1] += ONE;
    order(&mut forged.trace.instances);
    forged.settles_without(&["instances.block"]);
}

#[test]
fn a_commitment_that_is_told_of_no_instance() {
    let mut forged = traced();
    let tell = at(&forged, 0, |row| row.op.tell == ONE);
    forged.trace.instances[tell].commitment[0] += ONE;
    forged.settles_without(&["instances.component_of"]);
}

#[test]
fn cells_and_rows_without_a_use() {
    let mut forged = traced();
    let wire = at(&forged, 0, |row| row.op.wire == ONE);
    forged.trace.instances[wire].callee[0] = ONE;
    forged.settles_to(&["instances.last_import_witness"]);
    // The last row, which takes part in nothing.
    let mut forged = traced();
    insert(&mut forged, 0, &[]);
    let last = forged.trace.instances.last_mut().expect("there are rows");
    last.op.tell = ONE;
    forged.settles_to(&["boundary.last_instance"]);
}

#[test]
fn cells_of_a_token_that_nobody_receives() {
    for cell in 0..3 {
        let mut forged = adopted();
        let rows = &mut forged.trace.resources;
        let discards = |row: &usize| rows[*row].op.discard == ONE;
        let row = (0..rows.len()).step_by(2).find(discards);
        let row = row.expect("a token is discarded");
        let asked = &mut rows[row].request.asked;
        *[&mut asked.time, &mut asked.context, &mut asked.home][cell] += ONE;
        let outcome = rows[row + 1].outcome_mut();
        *[&mut outcome.time, &mut outcome.context, &mut outcome.home][cell] += ONE;
        forged.settles_to(&["resources.unasked"]);
    }
}

/// Shows the order of the rows as far as it can be shown.
pub fn order(rows: &mut [InstanceRow<Felt>]) {
    let keyed = [BlockKind::Type, BlockKind::Export].map(|kind| Felt::from(kind as u8));
    let mut before = None;
    for row in rows {
        let group = keyed.iter().position(|tag| row.block[0] == *tag);
        if group.is_none() && !row.op.calls().contains(&ONE) {
            continue;
        }
        let element = match group {
            Some(_) => row.block[1],
            None => row.block[4],
        };
        let limb = |number: u64, i: usize| Felt::from((number >> (16 * i)) as u16);
        let gap = match before {
            Some((of, number)) if of == group => order_of(element).wrapping_sub(number + 1),
            _ => 0,
        };
        let upper = Felt::new(element.as_int() >> 32);
        let cells = row.order_mut();
        cells.limbs = core::array::from_fn(|i| limb(element.as_int(), i));
        cells.gap = core::array::from_fn(|i| limb(gap, i));
        cells.upper_inv = (Felt::from(u32::MAX) - upper).inv();
        cells.is_below = ONE;
        before = Some((group, order_of(element)));
    }
}

/// A run that installs an instance by a record with other calls and exports, whose order is shown as far as it
/// can be.
fn told_ordered(edit: impl FnOnce(&mut [InstanceRow<Felt>])) -> Forgery {
    told_another(|rows| {
        edit(rows);
        order(rows);
    })
}

/// The positions of the first two blocks of a kind.
pub fn two(rows: &[InstanceRow<Felt>], kind: BlockKind) -> [usize; 2] {
    let tag = Felt::from(kind as u8);
    let mut found = (0..rows.len()).filter(|&row| rows[row].block[0] == tag);
    [found.next(), found.next()].map(|row| row.expect("there are two"))
}

/// The block of another row takes the place of a row's, which stays where it is in the record.
pub fn put_block(rows: &mut [InstanceRow<Felt>], at: usize, other: &InstanceRow<Felt>) {
    let InstanceRow {
        last,
        address,
        left,
        ..
    } = rows[at];
    rows[at] = InstanceRow {
        last,
        address,
        left,
        ..*other
    };
}

#[test]
fn a_digest_that_has_two_meanings() {
    // As it is, with its order shown anew.
    told_ordered(|_| {}).settle().assert_proven();
    // Two procedures for handles that are called by one digest: a call could be either.
    let mut forged = told_ordered(|rows| {
        let [first, second] = two(rows, BlockKind::Generic);
        for i in 4..BLOCK {
            rows[second].block[i] = rows[first].block[i];
        }
    });
    forged.settles_to(&["instances.order"]);
    // So with any number for a gap, one of which shows a smaller digest.
    let mut forged = told_another(|rows| {
        let [first, second] = two(rows, BlockKind::Generic);
        for i in 4..BLOCK {
            rows[second].block[i] = rows[first].block[i];
        }
        order(rows);
        rows[second].order_mut().gap = [-ONE, ZERO, ZERO];
    });
    forged.settles_to_more_than(&["bus.Range"]);
    // Calls in another order.
    let mut forged = told_ordered(|rows| {
        let [first, second] = two(rows, BlockKind::Generic);
        let (one, other) = (rows[first], rows[second]);
        put_block(rows, first, &other);
        put_block(rows, second, &one);
    });
    forged.settles_to(&["instances.order"]);
    // That the last one is smaller shows in the uppermost limb of a difference alone, or of the number.
    let swapped = |edit: fn(&mut OrderCells<Felt>)| {
        told_another(|rows| {
            let calls = rows.iter().filter(|row| row.op.calls().contains(&ONE));
            let last = calls.count();
            let (one, other) = (rows[last - 1], rows[last]);
            put_block(rows, last - 1, &other);
            put_block(rows, last, &one);
            order(rows);
            edit(rows[last].order_mut());
        })
    };
    swapped(|cells| cells.gap[2] -= Felt::new(1 << 16)).settles_without(&["instances.order_gap2"]);
    swapped(|cells| carry(&mut cells.limbs, 2)).settles_without(&["instances.order_limb2"]);
}

#[test]
fn a_key_that_has_two_exports() {
    let mut forged = told_ordered(|rows| {
        let [first, second] = two(rows, BlockKind::Export);
        rows[second].block[1] = rows[first].block[1];
    });
    forged.settles_to_more_than(&["instances.order"]);
    // The exports stand apart, with a call between.
    let mut forged = told_ordered(|rows| {
        let [export, _] = two(rows, BlockKind::Export);
        let (call, first) = (rows[export - 1], rows[export]);
        put_block(rows, export - 1, &first);
        put_block(rows, export, &call);
    });
    forged.settles_to(&["instances.order_kinds"]);
    // An export after the data.
    let mut forged = told_ordered(|rows| {
        let last = rows.len() - 1;
        let (export, data) = (rows[last - 1], rows[last]);
        put_block(rows, last - 1, &data);
        put_block(rows, last, &export);
    });
    forged.settles_to_more_than(&["instances.order_kinds", "instances.last_segment"]);
}

/// The same number by a limb that has more than 16 bits.
fn carry(limbs: &mut [Felt], at: usize) {
    limbs[at] += Felt::new(1 << 16);
    limbs[at + 1] -= ONE;
}

#[test]
fn limbs_of_another_number() {
    // Changes the last call, which nobody makes, and the number by which the one before is ordered is given.
    let shows = |edit: fn(&mut InstanceRow<Felt>, u64)| {
        told_another(|rows| {
            let mut calls = rows.iter_mut().filter(|row| row.op.calls().contains(&ONE));
            let last = calls.next_back().expect("there are calls");
            let before = calls.next_back().expect("there are two");
            edit(last, order_of(before.block[4]));
        })
    };
    // Of a number that is not the digest's.
    let mut forged = shows(|row, _| {
        row.order_mut().limbs[0] += ONE;
        row.order_mut().gap[0] += ONE;
    });
    forged.settles_to(&["instances.order_limbs"]);
    // Of the digest's, by a limb that is none, and so of how much greater it is.
    shows(|row, _| carry(&mut row.order_mut().limbs, 0))
        .settles_without(&["instances.order_limb0"]);
    shows(|row, _| {
        let cells = row.order_mut();
        carry(&mut cells.limbs, 1);
        let upper = cells.limbs[2] + cells.limbs[3] * Felt::new(1 << 16);
        cells.upper_inv = (Felt::from(u32::MAX) - upper).inv();
    })
    .settles_without(&["instances.order_limb1"]);
    shows(|row, before| {
        let number = u128::from(row.block[4].as_int()) + 0xffff_ffff_0000_0001;
        let upper = Felt::new((number >> 32) as u64);
        let gap = (number as u64 & ((1 << 48) - 1)) - before - 1;
        let limb = |number: u64, i: usize| Felt::from((number >> (16 * i)) as u16);
        let cells = row.order_mut();
        cells.limbs = core::array::from_fn(|i| limb(number as u64, i));
        cells.limbs[3] = Felt::new((number >> 48) as u64);
        cells.upper_inv = (Felt::from(u32::MAX) - upper).inv();
        cells.gap = core::array::from_fn(|i| limb(gap, i));
    })
    .settles_without(&["instances.order_limb3"]);
    shows(|row, _| carry(&mut row.order_mut().gap, 0)).settles_without(&["instances.order_gap0"]);
    shows(|row, _| carry(&mut row.order_mut().gap, 1)).settles_without(&["instances.order_gap1"]);
    // Of a small digest, by the modulus more: it comes last instead of first.
    let mut forged = shows(|row, before| {
        row.block[4] = Felt::new(5);
        let max = Felt::from(u16::MAX);
        let gap = 0xffff_0000_0006 - before - 1;
        let cells = row.order_mut();
        cells.limbs = [Felt::new(6), ZERO, max, max];
        (cells.upper_inv, cells.is_below) = (ZERO, ZERO);
        cells.gap = core::array::from_fn(|i| Felt::from((gap >> (16 * i)) as u16));
    });
    forged.settles_to(&["instances.order_canonical"]);
    // A witness that is none, and one that the upper limbs are the greatest ones, where they are not.
    let mut forged = shows(|row, _| row.order_mut().upper_inv += ONE);
    forged.settles_to(&["instances.order_below"]);
    let mut forged = shows(|row, before| {
        row.block[4] = Felt::new(0xffff << 32);
        let gap = (0xffff << 32) - before - 1;
        let cells = row.order_mut();
        cells.limbs = [ZERO, ZERO, Felt::from(u16::MAX), ZERO];
        (cells.upper_inv, cells.is_below) = (ZERO, ZERO);
        cells.gap = core::array::from_fn(|i| Felt::from((gap >> (16 * i)) as u16));
    });
    forged.settles_to(&["instances.order_greatest"]);
}

#[test]
fn data_that_a_record_has_twice() {
    // There are two segments of one number, of which the run has one.
    let mut forged = told_another(|rows| {
        let last = rows.len() - 1;
        let data = rows[last];
        put_block(rows, last - 1, &data);
    });
    forged.settles_to_more_than(&["instances.last_segment", "instances.segment_number"]);
}

#[test]
fn a_component_of_an_instance_that_comes_later() {
    let builder = kernel().advice(&[1]);
    let second = account(&builder, 20);
    let main = format!(
        "begin {} adv_push.1 push.24 call.stubs::component drop drop {} drop drop end",
        install(&account(&builder, 10)),
        install(&second),
    );
    let mut forged = Forgery::new(builder.trace(&main));
    forged.clone().assert_proven();
    // The id is that of the second account.
    let (taken, two) = (forged.row_of(ADVPOP, 0), Felt::new(2));
    let next = |forged: &Forgery, from: usize, opcode| {
        let mut rows = from + 1..forged.trace.core.len();
        let found = rows.find(|&row| forged.opcode(row) == opcode);
        found.expect("there is such a row")
    };
    let pushed = next(&forged, taken, PUSH);
    let told = next(&forged, pushed, INTRINSIC);
    let first = next(&forged, told, DROP);
    for row in taken + 1..=first + 1 {
        let position = usize::from((pushed + 1..=first).contains(&row));
        forged.core(row).stack.top[position] = two;
    }
    let row = at(&forged, 0, |row| row.op.tell == ONE);
    let row = &mut forged.trace.instances[row];
    (row.index, row.request.second) = (two, two);
    row.commitment = second.commitment().into();
    forged.settles_without(&["instances.told_index_range"]);
}
