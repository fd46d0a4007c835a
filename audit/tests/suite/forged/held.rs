//! Instances that the program makes: each entered by who holds it, and no other in its place.

use miden_core::{Felt, ONE, ZERO};
use miden_cvm_air::{
    columns::OpcodeCols,
    composition::LinkKind::{Fresh, Held},
    opcode::{CALL, INSTANTIATE, INTRINSIC},
};

use super::{
    Forgery,
    toolkit::{edit_call, edit_end},
};
use crate::composition::Builder;

/// The root makes two instances of 1, and calls the second one, then a fresh one.
fn traced() -> Forgery {
    let builder = Builder::new(3)
        .component("plain", "pub proc idle neg neg end")
        .link(0, "a1", Held, 1, "plain::idle")
        .link(0, "a2", Fresh, 1, "plain::idle")
        .instances_of(1, 3)
        .instances_of(2, 1)
        .resource(0, None);
    let main = "begin
        push.0 call.stubs::instantiate3 push.0 call.stubs::instantiate3
        dup movdn.15 call.stubs::a1 call.stubs::a2 movup.15 drop
        push.5 call.stubs::new0 drop drop drop
    end";
    Forgery::new(builder.trace(main))
}

/// Puts the callee of the first call into another domain.
fn entered(forged: &mut Forgery, domain: Felt) {
    let (start, end) = forged.block_of(CALL, 0);
    forged.edit(start + 1..=end, |core| core.system.domain = domain);
}

#[test]
fn another_instance_than_the_one_that_is_held() {
    // The first one that was made, one that would be fresh, and the one of the root's own domain.
    let honest = traced();
    let first = honest.row_of(INSTANTIATE, 0) as u64 + 1;
    let (start, _) = honest.block_of(CALL, 0);
    for domain in [first, start as u64 + 1, 0] {
        let mut forged = traced();
        entered(&mut forged, Felt::new(domain));
        forged.settles_to(&["bus.Table"]);
    }
    // The table answers something else than it holds, or for another handle.
    let asked = 2;
    let mut forged = traced();
    entered(&mut forged, Felt::new(first));
    forged.table(asked).request.asked.output = Felt::new(first);
    forged.settles_to(&["resources.output"]);
    forged.table(asked).entry[0] = Felt::new(first);
    forged.settles_to(&["memory.value"]);
    let mut forged = traced();
    entered(&mut forged, Felt::new(first));
    let row = forged.table(asked);
    row.request.asked.output = Felt::new(first);
    row.entry[0] = Felt::new(first);
    row.handle = ONE;
    forged.settles_to(&["resources.handle_named", "resources.outcome_copies"]);
    forged.outcome(asked).handle = ONE;
    forged.table(asked).request.asked.input = ONE;
    forged.settles_to(&["bus.Table"]);
}

#[test]
fn one_that_nobody_asks_the_table_for() {
    // As a shared or a fresh call, by a link that says something else.
    let mut forged = traced();
    let (start, _) = forged.block_of(CALL, 0);
    edit_call(forged.core(start), |call| call.fresh = ZERO);
    forged.settles_to_more_than(&["bus.Link", "bus.Table", "system.call_domain"]);
    let mut forged = traced();
    edit_call(forged.core(start), |call| call.shared = ZERO);
    forged.settles_to_more_than(&["bus.Link", "bus.Table", "system.call_domain"]);
    // A fresh call as one of what is held.
    let mut forged = traced();
    let (start, _) = forged.block_of(CALL, 1);
    edit_call(forged.core(start), |call| call.shared = ONE);
    forged.settles_to_more_than(&["bus.Link", "bus.Table"]);
    // The instance is another component's.
    let mut forged = traced();
    let (start, end) = forged.block_of(CALL, 0);
    edit_call(forged.core(start), |call| call.target = Felt::new(2));
    forged.edit(start + 1..=end, |core| core.system.index = Felt::new(2));
    forged.settles_to(&["bus.Link", "bus.Table"]);
}

#[test]
fn a_home_of_its_own() {
    let mut forged = traced();
    let (start, end) = forged.block_of(CALL, 0);
    let domain = forged.core(end).system.domain;
    forged.edit(start + 1..=end, |core| core.system.home = domain);
    forged.settles_to(&["system.call_home"]);
    // Tokens pass as in a shared call.
    let mut forged = traced();
    forged.edit(start + 1..=end, |core| core.system.sender = ZERO);
    forged.settles_to(&["system.sender"]);
    let mut forged = traced();
    edit_end(forged.core(end), |end| end.passes_tokens = ZERO);
    forged.settles_to_more_than(&["bus.CallStack"]);
}

#[test]
fn an_instance_that_is_created_twice() {
    // Entered for the first time, it exists already.
    let mut forged = traced();
    let (start, _) = forged.block_of(CALL, 0);
    edit_call(forged.core(start), |call| {
        (call.creates, call.table_len, call.table_len_inv) = (ZERO, ONE, ONE);
    });
    forged.settles_to_more_than(&["memory.value"]);
    edit_call(forged.core(start), |call| {
        (call.creates, call.table_len, call.table_len_inv) = (ZERO, ZERO, ZERO);
    });
    forged.settles_to_more_than(&["call.existing_state"]);
}

#[test]
fn handles_that_stand_for_nothing_new() {
    // The second instance is the first one again, or any that the prover likes.
    for domain in [2, 77] {
        let mut forged = traced();
        let made = 1;
        forged.table(made).request.asked.input = Felt::new(domain);
        forged.outcome(made).entry[0] = Felt::new(domain);
        forged.settles_to_more_than(&["bus.Table"]);
    }
    // What is made is asked of the tables as it stands in the link.
    let mut forged = traced();
    let row = forged.row_of(INSTANTIATE, 0);
    forged.core(row).op = OpcodeCols::of(INTRINSIC);
    forged.settles_to(&["bus.Table"]);
    // Another intrinsic makes an instance.
    let mut forged = traced();
    let row = forged.row_of(INTRINSIC, 0);
    forged.core(row).op = OpcodeCols::of(INSTANTIATE);
    forged.settles_to(&["bus.Table", "call.opcode_kind"]);
    // The link is for instances of another one.
    let mut forged = traced();
    let row = forged.row_of(INSTANTIATE, 0);
    edit_call(forged.core(row), |call| call.has_data += ONE);
    forged.settles_to(&["bus.Link", "bus.Table"]);
}
