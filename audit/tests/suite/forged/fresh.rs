//! Fresh calls: the instance, its home domain, its end, and what crosses its boundary.

use miden_core::{Felt, ONE, ZERO};
use miden_cvm_air::{
    columns::CoreRow,
    composition::LinkKind::{self, Fresh, Isolated, Shared},
    opcode::{CALL, CALLER, INTRINSIC, NEG, SYSCALL},
};

use super::{
    Forgery,
    toolkit::{edit_call, edit_end},
};
use crate::composition::Builder;

const NOTE: &str = "
    pub proc idle neg neg end
    pub proc pays neg call.stubs::c1 neg end";

/// The root calls instance 1 by two links of their kinds; instance 1 calls instance 2.
fn notes(first: LinkKind, second: LinkKind) -> Builder {
    Builder::new(3)
        .component("account", "pub proc idle neg neg end")
        .component("note", NOTE)
        .link(0, "a1", first, 1, "note::idle")
        .link(0, "b1", first, 1, "note::pays")
        .link(0, "a2", second, 1, "note::idle")
        .link(1, "c1", Shared, 2, "account::idle")
}

fn traced(builder: &Builder, main: &str) -> Forgery {
    Forgery::new(builder.trace(main))
}

const TWICE: &str = "begin call.stubs::a1 call.stubs::a2 end";
const PAYS: &str = "begin call.stubs::b1 end";

#[test]
fn entered_again_after_its_end() {
    // By another fresh call, by an isolated one, and by a shared one.
    for second in [Fresh, Isolated, Shared] {
        let mut forged = traced(&notes(Fresh, second), TWICE);
        let (first, _) = forged.block_of(CALL, 0);
        let (start, end) = forged.block_of(CALL, 1);
        let domain = Felt::new(first as u64 + 1);
        forged.edit(start + 1..=end, |core| core.system.domain = domain);
        let mut expected = vec!["system.call_domain"];
        if second == Shared {
            // It is there already.
            expected.insert(0, "memory.value");
        }
        forged.settles_to(&expected);
        if second == Shared {
            edit_call(forged.core(start), |call| {
                call.creates = ZERO;
                call.table_len = ONE;
                call.table_len_inv = ONE;
            });
            forged.settles_to(&["system.call_domain"]);
        }
    }
}

#[test]
fn the_context_of_another() {
    // The domain's own instance of the same component, which was there before.
    let mut forged = traced(&notes(Shared, Fresh), TWICE);
    let (start, end) = forged.block_of(CALL, 1);
    forged.edit(start + 1..=end, |core| core.system.domain = ZERO);
    forged.settles_to(&["system.call_domain"]);
    // One domain further, which nobody began.
    let mut forged = traced(&notes(Shared, Fresh), TWICE);
    forged.edit(start + 1..=end, |core| core.system.domain += ONE);
    forged.settles_to(&["system.call_domain"]);
}

#[test]
fn ended_as_another_kind() {
    // As an isolated call, so that what was sent is lost.
    let mut forged = traced(&notes(Fresh, Shared), TWICE);
    let (_, end) = forged.block_of(CALL, 0);
    let (next, _) = forged.block_of(CALL, 1);
    edit_end(forged.core(end), |end| end.passes_tokens = ZERO);
    forged.edit(end + 1..=next, |core| core.system.sender = ZERO);
    forged.settles_to(&["bus.CallStack"]);
    // An isolated call as a fresh or shared one.
    let mut forged = traced(&notes(Isolated, Shared), TWICE);
    let (_, end) = forged.block_of(CALL, 0);
    let (next, _) = forged.block_of(CALL, 1);
    edit_end(forged.core(end), |end| end.passes_tokens = ONE);
    let mark = forged.core(end).system.mark;
    forged.edit(end + 1..=next, |core| core.system.sender = -mark);
    forged.settles_to(&["bus.CallStack"]);
    // As a syscall, which leaves the state alone.
    let mut forged = traced(&notes(Fresh, Shared), TWICE);
    let (_, end) = forged.block_of(CALL, 0);
    edit_end(forged.core(end), |end| {
        (end.call, end.syscall) = (ZERO, ONE)
    });
    forged.settles_to(&["bus.CallStack"]);
}

#[test]
fn begun_as_another_kind() {
    type Edit = fn(&mut CoreRow<Felt>);
    let to: [(LinkKind, Edit); 3] = [
        (Shared, |core| {
            edit_call(core, |call| (call.shared, call.fresh) = (ONE, ZERO));
        }),
        (Isolated, |core| {
            edit_call(core, |call| (call.shared, call.fresh) = (ZERO, ZERO));
        }),
        (Fresh, |core| {
            edit_call(core, |call| (call.shared, call.fresh) = (ZERO, ONE));
        }),
    ];
    for from in [Shared, Isolated, Fresh] {
        for (kind, edit) in to {
            if kind == from {
                continue;
            }
            // The row alone.
            let mut forged = traced(&notes(from, Shared), "begin call.stubs::a1 end");
            let (start, end) = forged.block_of(CALL, 0);
            edit(forged.core(start));
            forged.settles_to_more_than(&["bus.Link"]);
            // All that follows from it, too.
            let executed = traced(&notes(kind, Shared), "begin call.stubs::a1 end");
            let public = forged.public.clone();
            for row in start..=end {
                *forged.core(row) = executed.trace.core[row];
            }
            forged.edit_from(end + 1, |core| {
                core.system.sender = executed.trace.core[end + 1].system.sender
            });
            forged.public = public;
            forged.settles_to(&["bus.Link"]);
        }
    }
    // Half of one kind, half of another; both at once.
    let half = ONE / Felt::new(2);
    for (shared, fresh) in [(half, half), (ONE, ONE), (ZERO, Felt::new(2))] {
        let mut forged = traced(&notes(Fresh, Shared), "begin call.stubs::a1 end");
        let start = forged.row_of(CALL, 0);
        edit_call(forged.core(start), |call| {
            (call.shared, call.fresh) = (shared, fresh)
        });
        let rule = match shared == ONE {
            true => "bus.Link",
            false => "call.kind_binary",
        };
        forged.settles_to_more_than(&[rule]);
    }
}

#[test]
fn a_domain_taken_for_another() {
    // A fresh instance's shared calls would stay with it, an isolated one's would leave it.
    let homes = [(Fresh, true), (Isolated, false), (Shared, true)];
    for (kind, own) in homes {
        let mut forged = traced(&notes(kind, Shared), "begin call.stubs::a1 end");
        let (start, end) = forged.block_of(CALL, 0);
        let home = match own {
            true => Felt::new(start as u64 + 1),
            false => ZERO,
        };
        forged.edit(start + 1..=end, |core| core.system.home = home);
        forged.settles_to(&["system.call_home"]);
    }
    // The account that a fresh note finds is one of its own after all.
    let mut forged = traced(&notes(Fresh, Shared), PAYS);
    let (start, _) = forged.block_of(CALL, 0);
    let (inner, end) = forged.block_of(CALL, 1);
    let domain = Felt::new(start as u64 + 1);
    forged.edit(inner + 1..=end, |core| core.system.domain = domain);
    forged.settles_to(&["system.call_domain"]);
    forged.edit(inner + 1..=end, |core| core.system.home = domain);
    forged.settles_to(&["system.call_domain", "system.call_home"]);
    // That of an isolated note is the root's.
    let mut forged = traced(&notes(Isolated, Shared), PAYS);
    let (inner, end) = forged.block_of(CALL, 1);
    forged.edit(inner + 1..=end, |core| core.system.domain = ZERO);
    forged.settles_to(&["system.call_domain"]);
}

#[test]
fn a_home_that_changes() {
    // Between two operations, and when a callee returns.
    let mut forged = traced(&notes(Fresh, Shared), "begin call.stubs::a1 end");
    let (_, end) = forged.block_of(CALL, 0);
    let neg = forged.row_of(NEG, 1);
    let domain = forged.core(neg).system.domain;
    forged.edit(neg..=end, |core| core.system.home = domain);
    forged.settles_to(&["system.keep_home"]);
    let mut forged = traced(&notes(Fresh, Shared), PAYS);
    let (_, end) = forged.block_of(CALL, 0);
    let (_, inner_end) = forged.block_of(CALL, 1);
    forged.edit(inner_end + 1..=end, |core| core.system.home = domain);
    forged.settles_to(&["bus.CallStack"]);
    // After a syscall, and during it.
    let mut builder = Builder::new(2)
        .component("plain", "pub proc idle neg neg end")
        .link(0, "a1", Fresh, 1, "plain::idle");
    builder.kernel = Some("pub proc k neg neg end");
    let honest = traced(&builder, "begin syscall.k call.stubs::a1 end");
    let (start, end) = honest.block_of(SYSCALL, 0);
    let mut forged = honest.clone();
    forged.edit(start + 1..=end, |core| core.system.home = Felt::new(5));
    forged.settles_to(&["system.syscall_home"]);
    let mut forged = honest.clone();
    let (call, _) = honest.block_of(CALL, 0);
    forged.edit(end + 1..=call, |core| core.system.home = Felt::new(5));
    forged.settles_to_more_than(&["bus.CallStack"]);
}

#[test]
fn a_caller_that_passes_for_the_kernel() {
    // In an instance the helper would put the context's own hash in place of the caller's.
    let mut builder = Builder::new(2)
        .component("who", "pub proc ask caller dropw end")
        .link(0, "a1", Fresh, 1, "who::ask");
    builder.kernel = Some("pub proc k caller dropw end");
    let main = "begin call.stubs::a1 syscall.k end";
    let mut forged = traced(&builder, main);
    let row = forged.row_of(CALLER, 0);
    forged.core(row).helpers[4] = ONE;
    forged.settles_to_more_than(&["stack.caller_kernel", "stack.caller_not_kernel"]);
    forged.core(row).helpers[5] = ZERO;
    let hash = forged.core(row).system.fn_hash;
    // Four drops follow.
    for i in 0..4 {
        for (place, element) in hash.iter().rev().skip(i).enumerate() {
            forged.core(row + 1 + i).stack.top[place] = *element;
        }
    }
    forged.settles_to(&["stack.caller_kernel"]);
    // And the kernel for an instance.
    let mut forged = traced(&builder, main);
    let row = forged.row_of(CALLER, 1);
    forged.core(row).helpers[4] = ZERO;
    forged.settles_to_more_than(&["stack.caller_not_kernel"]);
}

/// Instance 2 defines types 0 and 1; the root gives a handle of type 0 to a fresh instance.
fn bank(callee: &str) -> Builder {
    Builder::new(3)
        .component(
            "note",
            "pub proc drops call.stubs::recv_own0 call.stubs::drop0 end
            pub proc keeps call.stubs::recv_own0 end",
        )
        .component(
            "bank",
            "pub proc open push.7 call.stubs::new0 call.stubs::send_own0 swap drop end",
        )
        .link(0, "a1", Fresh, 1, callee)
        .link(0, "b1", Shared, 2, "bank::open")
        .resource(2, None)
        .resource(2, None)
}

const GIVES: &str = "begin
    call.stubs::b1 call.stubs::recv_own0 call.stubs::send_own0 call.stubs::a1 drop
end";

#[test]
fn handles_that_do_not_cross_as_they_should() {
    // The call cuts the chain that tokens go along, as an isolated one would.
    let mut forged = traced(&bank("note::keeps"), GIVES);
    let (start, end) = forged.block_of(CALL, 1);
    forged.edit(start + 1..=end, |core| core.system.sender = ZERO);
    forged.settles_to_more_than(&["system.sender", "bus.Table"]);
    // A token of another type is received.
    let mut forged = traced(&bank("note::keeps"), GIVES);
    let received = 4;
    forged.outcome(received).token.resource += ONE;
    forged.settles_to_more_than(&["bus.Token", "resources.token_resource"]);
    // It is made one of that type.
    let mut forged = traced(&bank("note::keeps"), GIVES);
    forged.outcome(received).entry[1] += ONE;
    forged.settles_to_more_than(&["resources.entry"]);
}

#[test]
fn another_home_than_the_callers() {
    // The definer of what a fresh instance drops is looked for where it was never created.
    let mut forged = traced(&bank("note::drops"), GIVES);
    let (start, _) = forged.block_of(CALL, 1);
    let dropped = 5;
    let row = forged.row_of(INTRINSIC, dropped);
    assert!(row > start);
    let domain = forged.core(row).system.domain;
    let home = domain * Felt::new(1 << 16) + Felt::new(2);
    forged.table(dropped).request.asked.home = home;
    forged.outcome(dropped).home = home;
    forged.outcome(dropped).home_state = [ZERO; 3];
    forged.settles_to(&["bus.Table"]);
}
