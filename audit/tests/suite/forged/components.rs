//! Compositions: links, instances, their state and what they know of their caller.

use miden_core::{Felt, FieldElement, ONE, ZERO};
use miden_cvm_air::{
    columns::CoreRow,
    composition::{
        KERNEL_SOURCE,
        LinkKind::{self, Fresh, Isolated, Shared},
    },
    opcode::{CALL, CALLER, END, MSTORE, SYSCALL},
};

use super::{
    Forgery,
    toolkit::{edit_call, edit_end},
};
use crate::composition::Builder;

const COUNTER: &str = "
    pub proc bump mem_load.100 add.1 mem_store.100 end
    pub proc who caller swapw dropw end
    pub proc idle neg neg end";

fn counter(kind: LinkKind) -> Builder {
    Builder::new(3)
        .component("counter", COUNTER)
        .link(0, "a1", kind, 1, "counter::bump")
        .link(0, "a2", kind, 1, "counter::who")
        .link(0, "b1", kind, 1, "counter::idle")
}

fn traced(builder: &Builder, main: &str) -> Forgery {
    Forgery::new(builder.trace(main))
}

#[test]
fn links_that_are_not_in_the_table() {
    const MAIN: &str = "begin call.stubs::b1 end";
    let base = |instances: u32| Builder::new(instances).component("counter", COUNTER);
    let claimed = || base(3).link(0, "b1", Shared, 1, "counter::idle");
    let executed = [
        // another instance, procedure, kind, and caller
        base(3).link(0, "b1", Shared, 2, "counter::idle"),
        base(3).link(0, "b1", Shared, 1, "counter::bump"),
        base(3).link(0, "b1", Isolated, 1, "counter::idle"),
        base(3).link(0, "b1", Fresh, 1, "counter::idle"),
    ];
    for executed in executed {
        let honest = traced(&claimed(), MAIN);
        let mut forged = traced(&executed, MAIN);
        forged.public.composition = honest.public.composition.clone();
        forged.settles_to(&["bus.LinkRecord"]);
        forged.trace.rom[0] = honest.trace.rom[0];
        forged.settles_to(&["bus.Link"]);
    }
    // A link of another instance.
    let other = base(3).link(2, "b1", Shared, 1, "counter::idle");
    let mut forged = traced(&claimed(), MAIN);
    forged.public.composition = Some(other.composition());
    let row = forged.rom().start;
    forged.trace.rom[row].record[0] = Felt::new(2);
    forged.settles_to(&["bus.Link"]);
    // No link at all: the row is made up.
    let mut forged = traced(&claimed(), MAIN);
    forged.public.composition = Some(base(3).composition());
    forged.settles_to(&["bus.LinkRecord"]);
    forged.set_rom(&[]);
    forged.settles_to(&["bus.Link"]);
}

#[test]
fn a_context_that_the_link_does_not_say() {
    type Edit = fn(&mut CoreRow<Felt>);
    let edits: [(Edit, &str); 5] = [
        (|core| core.system.domain += ONE, "system.call_domain"),
        (|core| core.system.index = Felt::new(2), "system.call_index"),
        (|core| core.system.index = ZERO, "system.call_index"),
        (|core| core.system.fn_hash[0] += ONE, "system.call_fn_hash"),
        (|core| core.system.home = Felt::new(99), "system.call_home"),
    ];
    for kind in [Shared, Isolated, Fresh] {
        for (edit, expected) in edits {
            // A shared call to index 0 would find the root running: see below.
            let mut forged = traced(&counter(kind), "begin call.stubs::b1 end");
            let (start, end) = forged.block_of(CALL, 0);
            forged.edit(start + 1..=end, edit);
            forged.settles_to_more_than(&[expected]);
        }
    }
    // The caller's own domain, though the instance is a new one, and the other way round.
    for (kind, domain) in [(Isolated, None), (Fresh, None), (Shared, Some(ONE))] {
        let mut forged = traced(&counter(kind), "begin call.stubs::b1 end");
        let (start, end) = forged.block_of(CALL, 0);
        let domain = domain.map_or(ZERO, |one| Felt::new(start as u64) + one);
        forged.edit(start + 1..=end, |core| core.system.domain = domain);
        forged.settles_to(&["system.call_domain"]);
    }
}

#[test]
fn an_isolated_call_into_an_earlier_domain() {
    let mut forged = traced(
        &counter(Isolated),
        "begin call.stubs::b1 call.stubs::b1 end",
    );
    let (first, _) = forged.block_of(CALL, 0);
    let (second, end) = forged.block_of(CALL, 1);
    let domain = Felt::new(first as u64 + 1);
    forged.edit(second + 1..=end, |core| core.system.domain = domain);
    forged.settles_to(&["system.call_domain"]);
}

/// Instance 1 calls instance 2, which calls `target`, a copy of 1, or 1 itself.
fn back(target: u32) -> Builder {
    Builder::new(4)
        .component(
            "a",
            "pub proc go call.stubs::b1 end pub proc back neg neg end",
        )
        .component("b", "pub proc there call.stubs::a1 end")
        .link(0, "a1", Shared, 1, "a::go")
        .link(1, "b1", Shared, 2, "b::there")
        .link(2, "a1", Shared, target, "a::back")
}

#[test]
fn entering_a_running_instance() {
    const MAIN: &str = "begin call.stubs::a1 end";
    for running in [0u32, 1, 2] {
        let mut forged = traced(&back(3), MAIN);
        let claimed = back(running).composition();
        let row = forged
            .rom()
            .find(|&row| forged.trace.rom[row].record[0] == Felt::new(2))
            .expect("instance 2 has a link");
        forged.trace.rom[row].record[6] = Felt::from(running);
        forged.public.composition = Some(claimed);
        let (start, end) = forged.block_of(CALL, 2);
        forged.edit(start + 1..=end, |core| {
            core.system.index = Felt::from(running)
        });
        edit_call(forged.core(start), |call| call.target = Felt::from(running));
        // As a new instance,
        forged.settles_to(&["memory.value"]);
        // as one that is there.
        edit_call(forged.core(start), |call| {
            call.creates = ZERO;
            call.table_len = ONE;
            call.table_len_inv = ONE;
        });
        forged.settles_to(&["memory.value"]);
    }
}

#[test]
fn an_instance_that_is_never_left() {
    // Its END is that of a syscall, which leaves the state word alone.
    let mut forged = traced(&counter(Shared), "begin call.stubs::b1 end");
    let (_, end) = forged.block_of(CALL, 0);
    edit_end(forged.core(end), |end| {
        (end.call, end.syscall) = (ZERO, ONE)
    });
    forged.settles_to(&["bus.CallStack"]);
    // And a syscall that ends like a call would leave the root.
    let mut builder = counter(Shared);
    builder.kernel = Some("pub proc k neg neg end");
    let mut forged = traced(&builder, "begin syscall.k end");
    let start = forged.row_of(SYSCALL, 0);
    let id = Felt::new(start as u64 + 1);
    let end = (start..)
        .find(|&row| forged.opcode(row) == END && forged.trace.core[row].decoder.block == id)
        .expect("the syscall ends");
    edit_end(forged.core(end), |end| {
        (end.call, end.syscall) = (ONE, ZERO);
        end.entered_by = ONE;
        end.table_len = ONE;
    });
    forged.settles_to(&["bus.CallStack"]);
}

#[test]
fn creating_an_instance_twice_or_never() {
    const MAIN: &str = "begin call.stubs::b1 call.stubs::b1 end";
    let create = |core: &mut CoreRow<Felt>| {
        edit_call(core, |call| {
            call.creates = ONE;
            call.table_len = ZERO;
            call.table_len_inv = ZERO;
        });
    };
    let reuse = |core: &mut CoreRow<Felt>| {
        edit_call(core, |call| {
            call.creates = ZERO;
            call.table_len = ONE;
            call.table_len_inv = ONE;
        });
    };
    // The second call would reset the frame pointer.
    let mut forged = traced(&counter(Shared), MAIN);
    let (second, _) = forged.block_of(CALL, 1);
    create(forged.core(second));
    forged.settles_to(&["memory.value"]);
    edit_call(forged.core(second), |call| call.table_len = ONE);
    // It reads what is there, and writes one more.
    forged.settles_to(&["call.created_state", "memory.value"]);
    // The first one would not set it.
    let mut forged = traced(&counter(Shared), MAIN);
    let (first, _) = forged.block_of(CALL, 0);
    reuse(forged.core(first));
    forged.settles_to(&["memory.value"]);
    edit_call(forged.core(first), |call| call.table_len = ZERO);
    forged.settles_to(&["call.existing_state", "memory.value"]);
    // Half of a creation.
    let mut forged = traced(&counter(Shared), MAIN);
    edit_call(forged.core(first), |call| call.creates = ONE / Felt::new(2));
    forged.settles_to_more_than(&["call.kind_binary"]);
    edit_call(forged.core(first), |call| call.creates = Felt::new(2));
    forged.settles_to_more_than(&["call.kind_binary"]);
    // An isolated call that creates nothing.
    let mut forged = traced(&counter(Isolated), MAIN);
    reuse(forged.core(first));
    forged.settles_to_more_than(&["call.new_creates"]);
}

#[test]
fn coming_back_to_another_frame() {
    type Edit = fn(&mut CoreRow<Felt>);
    let edits: [Edit; 5] = [
        |core| core.system.index = ONE,
        |core| core.system.domain = Felt::new(3),
        |core| core.system.fn_hash[3] = ONE,
        |core| core.system.home = ONE,
        |core| {
            core.stack.depth = Felt::new(17);
            core.stack.depth_inv = ONE;
            core.stack.overflowed = ONE;
        },
    ];
    for kind in [Shared, Isolated, Fresh] {
        for edit in edits {
            let mut forged = traced(&counter(kind), "begin call.stubs::b1 end");
            let (_, end) = forged.block_of(CALL, 0);
            forged.edit_from(end + 1, edit);
            forged.settles_to_more_than(&["bus.CallStack"]);
        }
    }
}

#[test]
fn a_state_word_of_ones_own_choice() {
    let mut forged = traced(&counter(Shared), "begin call.stubs::b1 end");
    let (_, end) = forged.block_of(CALL, 0);
    type Edit = fn(&mut miden_cvm_air::columns::EndCols<Felt>);
    let edits: [Edit; 3] = [
        |end| end.free = ONE,
        |end| end.table_len = Felt::new(2),
        |end| end.entered_by = Felt::new(2),
    ];
    for edit in edits {
        let honest = forged.trace.core[end];
        edit_end(forged.core(end), edit);
        forged.settles_to(&["memory.value"]);
        *forged.core(end) = honest;
    }
}

#[test]
fn another_caller() {
    for kind in [Shared, Isolated, Fresh] {
        let builder = Builder::new(3)
            .component("counter", COUNTER)
            .component("middle", "pub proc ask call.stubs::c2 end")
            .link(0, "a1", kind, 2, "middle::ask")
            .link(2, "c2", kind, 1, "counter::who");
        let mut forged = traced(&builder, "begin call.stubs::a1 end");
        let caller = forged.row_of(CALLER, 0);
        let word = [5, 6, 7, 8].map(Felt::new);
        // The result, where it goes (SWAPW, then the word above is dropped).
        let swapped = caller + 2;
        forged.core(caller + 1).stack.top[..4].copy_from_slice(&word);
        for i in 0..4 {
            forged.core(swapped + i).stack.top[4 - i..8 - i].copy_from_slice(&word);
        }
        forged.edit_from(swapped + 4, |core| {
            core.stack.top[..4].copy_from_slice(&word)
        });
        forged.claim_outputs();
        forged.settles_to(&["stack.next"]);
        let mut kept = word;
        kept.reverse();
        forged.core(caller).helpers[..4].copy_from_slice(&kept);
        forged.settles_to(&["memory.value"]);
    }
}

#[test]
fn private_memory_through_user_space() {
    // `bump` stores at address 100; an index of 1/8 more is the space of the state.
    for space in [1, 2] {
        let mut forged = traced(&counter(Shared), "begin call.stubs::a1 end");
        let (start, end) = forged.block_of(CALL, 0);
        let store = (start..)
            .find(|&row| forged.opcode(row) == MSTORE)
            .expect("bump stores");
        let offset = Felt::new(space) * Felt::new(8).inv();
        forged.core(store).system.index += offset;
        forged.settles_to(&["system.keep_index"]);
        // The whole callee.
        let mut forged = traced(&counter(Shared), "begin call.stubs::a1 end");
        forged.edit(start + 1..=end, |core| core.system.index += offset);
        forged.settles_to(&["system.call_index"]);
        edit_call(forged.core(start), |call| call.target += offset);
        forged.settles_to(&["bus.Link"]);
        // By way of the domain.
        let mut forged = traced(&counter(Shared), "begin call.stubs::a1 end");
        let offset = Felt::new(space) * Felt::new(8 << 16).inv();
        forged.core(store).system.domain += offset;
        forged.settles_to(&["system.keep_domain"]);
    }
}

#[test]
fn a_call_inside_a_syscall() {
    let builder = Builder::new(3)
        .component("counter", COUNTER)
        .component("middle", "pub proc go call.stubs::c1 end")
        .link(0, "a1", Shared, 2, "middle::go")
        .link(2, "c1", Shared, 1, "counter::idle");
    let mut forged = traced(&builder, "begin call.stubs::a1 end");
    let (start, end) = forged.block_of(CALL, 0);
    let (inner, inner_end) = forged.block_of(CALL, 1);
    for row in (start + 1..=inner).chain(inner_end + 1..=end) {
        let system = &mut forged.core(row).system;
        (system.domain, system.index) = (-ONE, Felt::from(KERNEL_SOURCE));
    }
    // Nobody has become the kernel, whose links these are not.
    forged.settles_to_more_than(&["bus.Link", "system.call_domain", "system.call_index"]);
}

#[test]
fn a_composition_that_is_none() {
    let mut forged = traced(&counter(Shared), "begin call.stubs::b1 end");
    forged.public.composition = None;
    forged.settles_to_more_than(&["bus.LinkRecord", "call.open", "call.open_callee"]);
    // And an open program that passes for a composition.
    let mut forged = super::toolkit::masm("proc f neg neg end begin call.f end");
    forged.public.composition = Some(counter(Shared).composition());
    forged.settles_to_more_than(&["bus.Link", "bus.LinkRecord"]);
}

#[test]
fn what_the_verifier_supplies() {
    // Each word of the root before the run is one access; without them, memory begins otherwise.
    let main = "begin push.4294967294 mem_load drop end";
    let mut forged = traced(&counter(Shared), main);
    forged.settle();
    forged.edit_memory(|rows| {
        rows.remove(0);
        rows[0].new_context = ONE;
    });
    forged.recount();
    let found = forged.violations();
    assert!(found.contains("bus.MemoryElement"), "{found:?}");
}
