//! Resource types of installed instances: whose they are, and who does what with their handles.

use miden_core::{Felt, FieldElement, ONE, ZERO};
use miden_cvm_air::{
    columns::InstanceRow,
    component::{BlockKind, Component, installed_type},
    composition::{FIRST_INSTANCE_TYPE, Intrinsic, LinkKind},
};

use super::{
    Forgery,
    installed::{at, blocks_of, insert, installed, order, put_block, tell_another, two},
};
use crate::{
    composition::Builder,
    installed::{ACCOUNT, BUMP, LENT, MAKE, NOTE, WHO, call, export, install, keep, note, wire},
    types::{ACCOUNTS, ISSUE, VOUCHERS, away, bank, banks, friend, user},
};

/// A call with an argument.
fn call_with(argument: u64, stub: &str, position: usize) -> String {
    call(stub, position).replacen("push.0", &format!("push.{argument}"), 1)
}

/// A bank, a user and a friend of that, and who calls a user isolated: each does what it can.
fn traced() -> Forgery {
    let builder = banks();
    let main = format!(
        "begin {} {} {} {} {} {} {} dup.2 dup.1 call.stubs::wire drop drop
        {} {} {} {} {} movup.8 call.stubs::drop3 drop {} end",
        install(&bank(&builder)),
        install(&user(&builder, LinkKind::Shared)),
        wire(1),
        install(&friend(&builder)),
        wire(2),
        wire(1),
        install(&away(&builder)),
        call_with(70, "b1", 1),
        call_with(100, "a1", 3),
        call_with(23, "d1", 4),
        call_with(5, "c2", 5),
        call_with(50, "b2", 4),
        keep(5, 8),
    );
    Forgery::new(builder.trace(&main))
}

/// The elements of a commitment as the advice has them.
fn told(component: &Component) -> Vec<u64> {
    let mut commitment = component.commitment();
    commitment.reverse();
    commitment.map(|element| element.as_int()).to_vec()
}

const TELLS: &str = "adv_push.4 mem_storew_le.16 dropw push.16 call.stubs::install";

/// The commitment of the bank is told; a user opens an account and drops it.
fn told_bank() -> Forgery {
    let builder = banks();
    let main = format!(
        "begin {TELLS} {} {} {} {} end",
        install(&user(&builder, LinkKind::Shared)),
        wire(1),
        call_with(100, "a1", 0),
        keep(1, 3),
    );
    let told = told(&bank(&builder));
    Forgery::new(builder.advice(&told).trace(&main))
}

/// The commitment of the user is told, which is wired to the first of two banks.
fn told_user() -> Forgery {
    let builder = banks();
    let bank = install(&bank(&builder));
    let main = format!(
        "begin {TELLS} {bank} dup dup.2 call.stubs::wire drop drop {bank} {} {} end",
        call_with(100, "a1", 2),
        keep(1, 4),
    );
    let told = told(&user(&builder, LinkKind::Shared));
    Forgery::new(builder.advice(&told).trace(&main))
}

/// The number + 1 of the type of vouchers of the bank with an index.
fn vouchers_of(index: u16) -> Felt {
    let bank = bank(&banks());
    let (_, left, _) = bank
        .own_type(Felt::new(VOUCHERS))
        .expect("the bank has vouchers");
    Felt::from(installed_type(index, left)) + ONE
}

fn code(intrinsic: Intrinsic) -> Felt {
    Felt::from(intrinsic.code())
}

/// The row of a procedure for vouchers, which nobody calls.
fn of_vouchers(rows: &mut [InstanceRow<Felt>], kind: Felt) -> &mut InstanceRow<Felt> {
    let row = blocks_of(rows, BlockKind::Handle, |block| {
        block[1] == Felt::new(VOUCHERS) && block[3] == kind
    });
    assert_eq!(row.op.import, ONE);
    row
}

/// Has a row give the link of the procedure that its block is, for vouchers of the bank with this index; `op` says
/// as what.
fn give(
    row: &mut InstanceRow<Felt>,
    bank: u16,
    op: impl FnOnce(&mut InstanceRow<Felt>) -> &mut Felt,
) {
    (row.op.import, row.flag) = (ZERO, ZERO);
    row.target = Felt::from(bank);
    row.payload = vouchers_of(bank);
    *op(row) = ONE;
}

/// The same for the first record of a run, which is told.
fn told_with(mut forged: Forgery, edit: impl FnOnce(&mut [InstanceRow<Felt>])) -> Forgery {
    tell_another(&mut forged, |rows| {
        edit(rows);
        order(rows);
    });
    forged
}

#[test]
fn runs_with_types_are_proven() {
    traced().assert_proven();
    told_bank().assert_proven();
    // A procedure that nobody calls can have its link all the same.
    let mut forged = told_user();
    give(
        of_vouchers(&mut forged.trace.instances, code(Intrinsic::SendOwn)),
        2,
        |row| &mut row.op.passes,
    );
    forged.settle().assert_proven();
    told_with(told_user(), |_| {}).settle().assert_proven();
    lent_made().assert_proven();
}

#[test]
fn what_only_a_definer_may_do() {
    // A user that sees what vouchers stand for, or makes some.
    for intrinsic in [Intrinsic::Rep, Intrinsic::New] {
        told_with(told_user(), |rows| {
            let row = of_vouchers(rows, code(Intrinsic::SendOwn));
            row.block[3] = code(intrinsic);
            give(row, 2, |row| &mut row.op.makes);
        })
        .settles_to(&["instances.makes_own"]);
    }
    // As if the type were its own.
    told_with(told_user(), |rows| {
        let row = of_vouchers(rows, code(Intrinsic::SendOwn));
        (row.block[2], row.block[3]) = (ZERO, code(Intrinsic::Rep));
        give(row, 2, |row| &mut row.op.makes);
        row.flag = ONE;
    })
    .settles_to(&["instances.own_type"]);
    // The import of one's own type.
    told_with(told_bank(), |rows| {
        let row = of_vouchers(rows, code(Intrinsic::New));
        row.block[2] = ONE;
        give(row, 1, |row| &mut row.op.makes);
        row.flag = ONE;
    })
    .settles_to(&["instances.own_type"]);
    // Borrows that are received as what they stand for, and handles that are dropped as if by the definer.
    for (from, to) in [
        (Intrinsic::RecvBorrow, code(Intrinsic::RecvBorrow) + ONE),
        (Intrinsic::Drop, code(Intrinsic::Drop) + ONE),
    ] {
        told_with(told_user(), |rows| {
            let row = of_vouchers(rows, code(from));
            row.block[3] = to;
            give(row, 2, |row| match from {
                Intrinsic::Drop => &mut row.op.drops,
                _ => &mut row.op.borrows,
            });
        })
        .settles_to(&["instances.handle_kind"]);
    }
    // One kind as another.
    let mut forged = told_user();
    let row = of_vouchers(&mut forged.trace.instances, code(Intrinsic::RecvBorrow));
    give(row, 2, |row| &mut row.op.passes);
    forged.settles_to(&["instances.handle_kind"]);
}

#[test]
fn a_type_of_another_instance() {
    // A procedure for what the second bank defines, where the import leads to the first one.
    let mut forged = told_user();
    let row = of_vouchers(&mut forged.trace.instances, code(Intrinsic::SendOwn));
    give(row, 3, |row| &mut row.op.passes);
    forged.settles_without(&["instances.wire_of_type"]);
    // Another type than the one with the key.
    let mut forged = told_user();
    let row = of_vouchers(&mut forged.trace.instances, code(Intrinsic::SendOwn));
    give(row, 2, |row| &mut row.op.passes);
    row.payload -= ONE;
    forged.settles_without(&["instances.type_of_definer"]);
    // Or without its destructor.
    let mut forged = traced();
    let dropped = at(&forged, 0, |row| row.op.drops == ONE && row.domain == ONE);
    let row = &mut forged.trace.instances[dropped];
    row.domain = ZERO;
    forged.settles_to(&["bus.Link"]);
    let mut forged = traced();
    let row = &mut forged.trace.instances[dropped];
    (row.domain, row.callee) = (ZERO, [ZERO; 4]);
    forged.settles_to(&["bus.Link"]);
    // A number that is none of the record's.
    let mut forged = traced();
    let passed = at(&forged, 0, |row| row.op.passes == ONE);
    forged.trace.instances[passed].payload += ONE;
    forged.settles_to(&["bus.Link"]);
}

#[test]
fn destructors_that_make_another_call_of_a_drop() {
    // Half a destructor less, and a drop is a look at what the handle stands for.
    let half = -Felt::new(2).inv();
    let mut forged = told_with(told_bank(), |rows| {
        let voucher = |block: &[Felt; 8]| block[1] == Felt::new(VOUCHERS);
        blocks_of(rows, BlockKind::Type, voucher).block[3] = half;
    });
    let user = installed(&forged, 1);
    let row = of_vouchers(&mut forged.trace.instances[user..], code(Intrinsic::Drop));
    give(row, 1, |row| &mut row.op.drops);
    row.domain = half;
    forged.settles_to(&["instances.defines_binary"]);
}

#[test]
fn definers_that_do_not_say_so() {
    told_with(told_bank(), |rows| rows[0].block[3] = ZERO).settles_to(&["instances.defines"]);
    // Neither do its procedures and exports.
    told_with(told_bank(), |rows| {
        blocks_of(rows, BlockKind::Own, |_| true).block[2] = Felt::new(2);
    })
    .settles_to(&["instances.defines_binary"]);
    told_with(told_bank(), |rows| {
        let issue = |block: &[Felt; 8]| block[1] == Felt::new(ISSUE);
        blocks_of(rows, BlockKind::Export, issue).block[3] = Felt::new(2);
    })
    .settles_to(&["instances.defines_binary"]);
}

#[test]
fn a_definer_that_is_called_fresh() {
    let fresh = |flag| {
        told_with(told_user(), |rows| {
            let issue = |block: &[Felt; 8]| block[1] == Felt::new(ISSUE);
            let row = blocks_of(rows, BlockKind::Import, issue);
            assert_eq!(row.op.import, ONE);
            row.block[3] = Felt::from(LinkKind::Fresh.code());
            (row.op.import, row.op.resolved, row.flag) = (ZERO, ONE, flag);
            row.target = Felt::new(2);
            let (_, digest) = bank(&banks())
                .export(Felt::new(ISSUE))
                .expect("the bank exports it");
            row.callee = digest.into();
        })
    };
    fresh(ONE).settles_to(&["instances.import_of_definer"]);
    fresh(ZERO).settles_without(&["instances.export_of_target"]);
    // Its own procedures are not, either.
    let mut forged = told_with(told_bank(), |_| {});
    let own = at(&forged, 0, |row| row.op.own == ONE);
    forged.trace.instances[own].block[2] = ZERO;
    forged.settles_without(&["instances.block"]);
}

#[test]
fn a_definer_that_is_adopted() {
    // The record of what the root adopts has an export that nobody calls; there a type takes its place.
    let builder = Builder::new(1).component("account", ACCOUNT).installs(&[]);
    let exports = vec![export(&builder, "account::bump", BUMP)];
    let honest = Component::new(Vec::new(), exports, Vec::new());
    let told = told(&honest);
    let builder = builder.installable(&honest).advice(&told);
    let main = format!("begin {TELLS} call.stubs::adopt drop end");
    let defines = || {
        told_with(Forgery::new(builder.trace(&main)), |rows| {
            rows[0].block[3] = ONE;
            let row = &mut rows[1];
            (row.op.export, row.op.types) = (ZERO, ONE);
            row.block = [ZERO; 8];
            row.block[0] = Felt::from(BlockKind::Type as u8);
            row.block[1] = Felt::new(ACCOUNTS);
        })
    };
    defines().settles_without(&["instances.component_of"]);
    let mut forged = defines();
    let adopts = at(&forged, 0, |row| row.op.adopt == ONE);
    forged.trace.instances[adopts].domain = ONE;
    forged.settles_to(&["instances.unused"]);
}

#[test]
fn types_that_a_record_has_twice() {
    let mut forged = told_with(told_bank(), |rows| {
        let [first, second] = two(rows, BlockKind::Type);
        rows[second].block[1] = rows[first].block[1];
    });
    forged.settles_to(&["instances.order"]);
    // A call between them.
    let mut forged = told_with(told_bank(), |rows| {
        let [_, second] = two(rows, BlockKind::Type);
        let (voucher, call) = (rows[second], rows[second + 1]);
        put_block(rows, second, &call);
        put_block(rows, second + 1, &voucher);
    });
    forged.settles_to(&["instances.order_kinds"]);
    // A type whose number is that of an account of another instance: the rows say how many follow.
    let mut forged = traced();
    let types = at(&forged, 0, |row| row.op.types == ONE);
    forged.trace.instances[types].left += ONE;
    forged.settles_to_more_than(&["instances.continued", "bus.Link"]);
}

/// A component of the note's kind is lent an account that the root has made.
fn lent_made() -> Forgery {
    let builder = Builder::new(2)
        .component("account", ACCOUNT)
        .component("note", NOTE)
        .installs(&[("b1", LENT)])
        .instances_of(1, 2)
        .exports(1, &[("account::bump", BUMP), ("account::who", WHO)]);
    let note = note(&builder, LinkKind::Shared);
    let builder = builder.installable(&note);
    let main = format!(
        "begin {MAKE} {} {} dup.1 call.stubs::send_borrow2 dup.1 movdn.15 call.stubs::b1 movup.15 drop
        {} end",
        install(&note),
        wire(1),
        keep(1, 3),
    );
    Forgery::new(builder.trace(&main))
}

/// The row of a procedure for handles to an instance that was made.
fn for_made(forged: &Forgery) -> usize {
    at(forged, 0, |row| row.op.specific == ONE && row.last == ONE)
}

#[test]
fn handles_to_instances_that_are_not_there() {
    // Another instance, which has no such export.
    let mut forged = lent_made();
    let row = for_made(&forged);
    let row = &mut forged.trace.instances[row];
    (row.target, row.left) = (row.target + ONE, row.left + ONE);
    forged.settles_to(&["bus.Link"]);
    // Another export will do, and none will not.
    let mut forged = lent_made();
    let row = for_made(&forged);
    let other = export(
        &Builder::new(2).component("account", ACCOUNT),
        "account::who",
        WHO,
    );
    let cells = &mut forged.trace.instances[row];
    (cells.commitment[0], cells.callee) = (other.key, other.digest.into());
    forged.settle().assert_proven();
    forged.trace.instances[row].commitment[0] += ONE;
    forged.settles_without(&["instances.specific_target"]);
    // The export is not what the link leads to.
    let mut forged = lent_made();
    forged.trace.instances[row].flag = ONE;
    forged.settles_to_more_than(&["instances.specific_call", "instances.specific_type"]);
}

#[test]
fn what_is_held_is_not_called_by_a_type() {
    // By the key of a type as if it were an export, the destructor.
    let honest = traced();
    let dropped = at(&honest, 0, |row| row.op.drops == ONE && row.domain == ONE);
    let dropped = honest.trace.instances[dropped];
    let held = at(&honest, 0, |row| row.op.specific == ONE && row.flag == ONE);
    let held = honest.trace.instances[held];
    // A root that names the type's key.
    let row = InstanceRow {
        target: dropped.target,
        callee: dropped.callee,
        payload: dropped.payload,
        domain: dropped.domain,
        last: Felt::new(2),
        ..held
    };
    let mut forged = traced();
    let end = at(&forged, 0, |row| row.op.specific == ONE);
    insert(&mut forged, end, &[row]);
    forged.settles_to_more_than(&["instances.specific_call", "instances.specific_handle"]);
    // A procedure for handles to the instance, which a type shows to be there.
    let mut forged = traced();
    let generic = at(&forged, 0, |row| row.op.specific == ONE && row.flag == ZERO);
    let mut row = InstanceRow {
        target: dropped.target,
        callee: dropped.callee,
        payload: dropped.payload,
        domain: dropped.domain,
        last: Felt::new(3),
        left: dropped.target + Felt::from(FIRST_INSTANCE_TYPE) + ONE,
        multiplicity: ZERO,
        ..forged.trace.instances[generic]
    };
    row.commitment = [Felt::new(ACCOUNTS), ZERO, ZERO, ZERO];
    insert(&mut forged, generic, &[row]);
    forged.settles_to(&["instances.specific_handle"]);
}
