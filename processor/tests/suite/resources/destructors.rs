//! Destructors: when they run, and where.

use miden_cvm_air::composition::LinkKind::{Isolated, Shared};
use miden_cvm_processor::{ContextId, Crossing, Trap};

use super::{assert_trap, ends, traps};
use crate::composition::Builder;

/// Defines the type. The sum of what was destroyed is at 0, who called the destructor from 4 on.
const DEFINER: &str = "
    pub proc make call.stubs::new0 call.stubs::send_own0 end
    pub proc make_and_drop call.stubs::new0 call.stubs::drop0 end
    pub proc sum mem_load.0 swap drop end
    pub proc give call.stubs::new0 call.stubs::send_own0 call.stubs::c1 end
    pub proc gone
        dup mem_load.0 add mem_store.0
        padw caller mem_storew_be.4 dropw
        push.9 swap drop
    end
    pub proc deep push.1 push.2 end
    pub proc fails push.0 assert end";

const HOLDER: &str = "
    pub proc drop_own call.stubs::recv_own0 call.stubs::drop0 end
    pub proc drop_borrow call.stubs::recv_borrow0 call.stubs::drop0 end
    pub proc make_and_drop push.5 call.stubs::c2 call.stubs::recv_own0 call.stubs::drop0 drop end";

fn builder(destructor: Option<&str>) -> Builder {
    Builder::new(3)
        .component("definer", DEFINER)
        .component("holder", HOLDER)
        .link(0, "a1", Shared, 1, "definer::make")
        .link(0, "a2", Shared, 1, "definer::sum")
        .link(0, "b1", Shared, 1, "definer::make_and_drop")
        .link(0, "b2", Shared, 2, "holder::drop_own")
        .link(0, "c1", Shared, 2, "holder::drop_borrow")
        .link(0, "c2", Isolated, 2, "holder::make_and_drop")
        .link(1, "c1", Shared, 2, "holder::drop_own")
        .link(2, "c2", Shared, 1, "definer::make")
        .resource(1, destructor)
}

fn with_destructor() -> Builder {
    builder(Some("definer::gone"))
}

const MAKE: &str = " push.7 call.stubs::a1 call.stubs::recv_own0 ";
const SUM: &str = " push.0 call.stubs::a2 ";

#[test]
fn the_destructor_runs_in_its_definer() {
    let main = format!("begin {MAKE} call.stubs::drop0 push.9 assert_eq {SUM} swap drop end");
    let builder = with_destructor();
    assert_eq!(ends(&builder, &main)[0], 7);
    let (_, process) = builder.start(&main);
    let entered: Vec<_> = process
        .tracer()
        .entered
        .iter()
        .map(|e| (e.0, e.1))
        .collect();
    let definer = ContextId::new(0, 1);
    assert_eq!(
        entered,
        [
            (Crossing::Link(Shared), definer),
            (Crossing::Destructor, definer),
            (Crossing::Link(Shared), definer)
        ]
    );
}

#[test]
fn it_is_told_who_dropped() {
    // Far away: the holder got the handle and drops it.
    let main =
        format!("begin {MAKE} call.stubs::send_own0 call.stubs::b2 drop {SUM} swap drop end");
    let builder = with_destructor();
    assert_eq!(ends(&builder, &main)[0], 7);
    let (_, process) = builder.start(&main);
    let dropper = builder.procedure("holder::drop_own");
    for (address, element) in (4..8).zip(dropper.iter()) {
        let value = process.memory().get_value(ContextId::new(0, 1), address);
        assert_eq!(value, Some(*element));
    }
}

#[test]
fn the_definers_own_drop_runs_in_place() {
    let main = format!("begin push.7 call.stubs::b1 push.9 assert_eq {SUM} swap drop end");
    let builder = with_destructor();
    assert_eq!(ends(&builder, &main)[0], 7);
    let (_, process) = builder.start(&main);
    let (crossing, context, created) = process.tracer().entered[1];
    assert_eq!(
        (crossing, context, created),
        (Crossing::OwnDestructor, ContextId::new(0, 1), false)
    );
}

#[test]
fn borrows_are_only_removed() {
    let main =
        format!("begin {MAKE} call.stubs::send_borrow0 call.stubs::c1 drop {SUM} swap drop end");
    let builder = with_destructor();
    assert_eq!(ends(&builder, &main)[0], 0);
    let (_, process) = builder.start(&main);
    assert!(process.tracer().table.iter().all(|access| !access.destroys));
}

#[test]
fn a_running_definer_cannot_destroy() {
    // The definer gives a handle to the holder, who drops it while the definer waits; whether there
    // is a destructor or not.
    for destructor in [Some("definer::gone"), None] {
        let builder = Builder::new(3)
            .component("definer", DEFINER)
            .component("holder", HOLDER)
            .link(0, "a1", Shared, 1, "definer::give")
            .link(1, "c1", Shared, 2, "holder::drop_own")
            .resource(1, destructor);
        let trap = traps(&builder, "begin push.7 call.stubs::a1 end");
        assert_trap!(trap, Trap::InstanceRunning { instance: 1 });
    }
    // Without a destructor, and the definer not running, the handle is just gone.
    let main = format!("begin {MAKE} call.stubs::drop0 assertz end");
    ends(&builder(None), &main);
}

#[test]
fn each_domain_has_its_own() {
    let main = format!("begin call.stubs::c2 {SUM} swap drop end");
    assert_eq!(ends(&with_destructor(), &main)[0], 0);
    let (_, process) = with_destructor().start(&main);
    let destructor = process
        .tracer()
        .entered
        .iter()
        .find(|entered| entered.0 == Crossing::Destructor)
        .expect("it ran");
    assert_ne!(destructor.1.domain(), 0);
}

#[test]
fn a_destructor_is_a_call_like_others() {
    let main = format!("begin {MAKE} call.stubs::drop0 drop end");
    let deep = builder(Some("definer::deep"));
    assert_trap!(
        traps(&deep, &main),
        Trap::InvalidStackDepthOnReturn { depth: 18 }
    );
    let fails = builder(Some("definer::fails"));
    assert_trap!(traps(&fails, &main), Trap::FailedAssertion { .. });
    // It cannot be called while it runs, by dropping another handle of its type elsewhere.
    let builder = Builder::new(3)
        .component(
            "definer",
            "
            pub proc give call.stubs::new0 call.stubs::send_own0 end
            pub proc gone push.3 call.stubs::new0 call.stubs::send_own0 call.stubs::c1 drop end",
        )
        .component("holder", HOLDER)
        .link(0, "a1", Shared, 1, "definer::give")
        .link(1, "c1", Shared, 2, "holder::drop_own")
        .resource(1, Some("definer::gone"));
    assert_trap!(
        traps(&builder, &main),
        Trap::InstanceRunning { instance: 1 }
    );
}

#[test]
fn sixteen_elements_cross() {
    let builder = Builder::new(2)
        .component(
            "definer",
            "
            pub proc make call.stubs::new0 call.stubs::send_own0 end
            pub proc gone swap.15 end",
        )
        .link(0, "a1", Shared, 1, "definer::make")
        .resource(1, Some("definer::gone"));
    let elements: Vec<String> = (1..=16).rev().map(|i| format!("push.{i} ")).collect();
    let main = format!(
        "begin {}
            push.7 call.stubs::a1 call.stubs::recv_own0 call.stubs::drop0
            # The destructor exchanged the representation and the sixteenth element; it could not
            # reach what is below.
            push.15 assert_eq
            movup.14 push.7 assert_eq
            movup.14 push.16 assert_eq
            dropw dropw dropw drop drop
        end",
        elements.concat()
    );
    ends(&builder, &main);
}
