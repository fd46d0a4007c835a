//! Imports that are wired to instances which the program makes: they lead to those and nowhere else.

use miden_core::{Felt, ONE, ZERO};
use miden_cvm_air::{
    columns::InstanceRow,
    component::{BlockKind, Component},
    composition::LinkKind,
    opcode::CALL,
};

use super::{
    Forgery,
    installed::{at, blocks_of, tell_another},
    toolkit::edit_call,
};
use crate::{
    composition::Builder,
    installed::{BUMP, MAKE, PAY, RUN, call, export, import, install, keep, maker, outer, wire},
};

/// The root makes accounts, and adopts a call over an import that is wired to the first one.
fn traced() -> Forgery {
    let builder = maker();
    let import = import(&builder, "c1", BUMP, LinkKind::Shared);
    let calls = Component::new(vec![import], Vec::new(), Vec::new());
    let builder = builder.installable(&calls);
    let main = format!(
        "begin {MAKE} {MAKE} {} {} call.stubs::adopt drop push.0 call.stubs::c1 {} end",
        install(&calls),
        wire(2),
        keep(1, 3),
    );
    Forgery::new(builder.trace(&main))
}

/// A note with one call, which is `fresh`, is itself called isolated; its commitment is told.
fn isolated() -> Forgery {
    let builder = Builder::new(2)
        .component("account", "pub proc bump push.1 swap drop end")
        .component("note", "pub proc pay call.stubs::c1 end")
        .component("outer", "pub proc run call.stubs::c2 end")
        .installs(&[("b2", RUN)])
        .instances_of(1, 2)
        .exports(1, &[("account::bump", BUMP)]);
    let calls = vec![import(&builder, "c1", BUMP, LinkKind::Fresh)];
    let exports = vec![export(&builder, "note::pay", PAY)];
    let note = Component::new(calls, exports, Vec::new());
    let mut told: [Felt; 4] = note.commitment().into();
    told.reverse();
    let outer = outer(&builder);
    let builder = builder
        .installable(&note)
        .installable(&outer)
        .advice(&told.map(|element| element.as_int()));
    let main = format!(
        "begin {MAKE} adv_push.4 mem_storew_le.16 dropw push.16 call.stubs::install
        {} {} {} {} {} end",
        wire(1),
        install(&outer),
        wire(1),
        call("b2", 0),
        keep(1, 4),
    );
    Forgery::new(builder.trace(&main))
}

/// The row of the call over a wire to an instance that was made, and the last one of what it calls.
fn called(forged: &Forgery) -> (usize, usize) {
    let mut calls = (0..).map(|nth| forged.block_of(CALL, nth));
    let found = calls.find(|(row, _)| forged.trace.core[*row].as_call().domain != ZERO);
    found.expect("there is such a call")
}

#[test]
fn such_runs_are_proven() {
    traced().assert_proven();
    isolated().assert_proven();
}

#[test]
fn an_account_that_the_import_is_not_wired_to() {
    // The wire leads to the other one, by whose handle nobody has asked.
    let other = |forged: &Forgery| {
        let made = forged.trace.resources.iter().step_by(2);
        let mut made = made.filter(|row| row.op.new == ONE && row.request.asked.input != ZERO);
        made.nth(1).expect("two are made").request.asked.input
    };
    let mut forged = traced();
    let wire = at(&forged, 0, |row| row.op.wire == ONE);
    let domain = other(&forged);
    assert_ne!(forged.trace.instances[wire].domain, domain);
    forged.trace.instances[wire].domain = domain;
    forged.settles_to_more_than(&["bus.Link", "bus.Table"]);
    // So does the link, and with it the call.
    let mut forged = traced();
    let import = at(&forged, 0, |row| row.op.resolved == ONE);
    forged.trace.instances[import].domain = domain;
    forged.settles_to_more_than(&["bus.Link"]);
    let mut forged = traced();
    let (start, _) = called(&forged);
    edit_call(forged.core(start), |call| call.domain = domain);
    forged.settles_to_more_than(&["bus.Link", "system.call_domain"]);
}

/// A run of which the account has no data, so that nothing else says where it is.
fn without_data() -> Forgery {
    let builder = Builder::new(2)
        .component("account", "pub proc bump push.1 swap drop end")
        .installs(&[])
        .instances_of(1, 2)
        .exports(1, &[("account::bump", BUMP)]);
    let import = import(&builder, "c1", BUMP, LinkKind::Shared);
    let calls = Component::new(vec![import], Vec::new(), Vec::new());
    let builder = builder.installable(&calls);
    let main = format!(
        "begin {MAKE} {} {} call.stubs::adopt drop push.0 call.stubs::c1 {} end",
        install(&calls),
        wire(1),
        keep(1, 2),
    );
    Forgery::new(builder.trace(&main))
}

#[test]
fn an_account_in_the_callers_domain() {
    without_data().assert_proven();
    // The call goes to the composition's own account, though the link leads to one that was made.
    let mut forged = without_data();
    let (start, end) = called(&forged);
    forged.edit(start + 1..=end, |core| core.system.domain = ZERO);
    forged.settles_to(&["system.call_domain"]);
    // As if it did not.
    edit_call(forged.core(start), |call| call.domain = ZERO);
    forged.settles_to(&["bus.Link"]);
}

#[test]
fn a_call_out_of_an_isolated_one() {
    let shared = Felt::from(LinkKind::Shared.code());
    let mut forged = isolated();
    tell_another(&mut forged, |rows| {
        blocks_of(rows, BlockKind::Import, |_| true).block[3] = shared;
    });
    let (start, end) = called(&forged);
    let core = &forged.trace.core[start];
    let domain = core.system.home + core.as_call().domain;
    edit_call(forged.core(start), |call| {
        (call.shared, call.fresh) = (ONE, ZERO)
    });
    forged.edit(start + 1..=end, |core| core.system.domain = domain);
    forged.settles_to(&["system.call_made"]);
}

#[test]
fn a_domain_where_nothing_is_wired() {
    let mut forged = traced();
    let adopts = at(&forged, 0, |row: &InstanceRow<Felt>| row.op.adopt == ONE);
    forged.trace.instances[adopts].domain = ONE;
    forged.settles_to_more_than(&["instances.unused"]);
}
