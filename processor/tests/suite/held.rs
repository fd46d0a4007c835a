//! Instances that the program makes, and calls by their handles.

use miden_core::{EMPTY_WORD, Felt, ZERO};
use miden_cvm_air::composition::{
    Composition, CompositionError, FIRST_INSTANCE_TYPE, Intrinsic, IntrinsicRecord, KERNEL_SOURCE,
    LinkKind::{Held, Isolated, Shared},
    LinkRecord, PublicData, ResourceRecord,
};
use miden_cvm_processor::{ContextId, Crossing, ExecutionOptions, Limits, Trap};

use crate::composition::{Builder, traps};

/// An account: it counts how often it was entered. Another instance tells it who calls that.
const ACCOUNT: &str = "
    pub proc bump mem_load.0 add.1 dup mem_store.0 swap drop end
    pub proc ask call.stubs::c2 end
    pub proc calls_itself call.stubs::recv_borrow3 movdn.15 call.stubs::a1 end";

/// The root makes instances of 1 and calls them by `a1` and `a2`; all call instance 2 by `c2`.
fn accounts() -> Builder {
    Builder::new(3)
        .component("account", ACCOUNT)
        .component("tell", "pub proc who call.stubs::caller end")
        .link(0, "a1", Held, 1, "account::bump")
        .link(0, "a2", Held, 1, "account::ask")
        .link(1, "a1", Held, 1, "account::bump")
        .link(0, "b2", Held, 1, "account::calls_itself")
        .link(1, "c2", Shared, 2, "tell::who")
        .instances_of(1, 3)
        .told_callers()
}

/// A call of what element `position` is a handle to, with 0 on top, in the place of which the result
/// comes.
fn call(stub: &str, position: usize) -> String {
    let position = position + 1;
    format!("push.0 dup.{position} movdn.15 call.stubs::{stub} movup.15 drop\n")
}

const TWO: &str = "push.0 call.stubs::instantiate3 push.0 call.stubs::instantiate3\n";

#[test]
fn each_has_its_own_state_and_keeps_it() {
    let main = format!(
        "begin {TWO} {} {} {} movup.4 call.stubs::drop3 drop movup.3 call.stubs::drop3 drop
        repeat.3 movup.3 drop end end",
        call("a1", 1),
        call("a1", 2),
        call("a1", 2),
    );
    let builder = accounts();
    assert_eq!(builder.run(&main)[..4], [1, 2, 1, 0]);
    let entered = builder.start(&main).1.into_parts().2.entered;
    let [first, again, second] = entered[..] else {
        panic!("three calls");
    };
    assert_eq!((first.0, first.2), (Crossing::Link(Held), true));
    assert_eq!(again, (Crossing::Link(Held), first.1, false));
    assert_eq!((second.1.index(), second.2), (1, true));
    assert_ne!(first.1.domain(), second.1.domain());
    // An instance that is never called is none of the run's.
    assert_eq!(builder.run(&format!("begin {TWO} drop drop end"))[0], 0);
}

#[test]
fn what_it_calls_shared_is_there_already() {
    // Two instances are told apart by the one that both call, and by nothing but their ids.
    let main = format!(
        "begin {TWO} {} {} repeat.4 movup.2 drop end end",
        call("a2", 0),
        call("a2", 2)
    );
    let builder = accounts();
    let stack = builder.run(&main);
    let entered = builder.start(&main).1.into_parts().2.entered;
    let [second, teller, first, again] = entered[..] else {
        panic!("four calls");
    };
    assert_eq!(
        stack[..2],
        [first.1, second.1].map(|context| context.as_u64())
    );
    assert_eq!((teller.1, teller.2), (ContextId::new(0, 2), true));
    assert_eq!((again.1, again.2), (teller.1, false));
}

#[test]
fn it_goes_from_one_holder_to_another() {
    let builder = Builder::new(3)
        .component("account", ACCOUNT)
        .component(
            "user",
            "pub proc lent call.stubs::recv_borrow3 dup movdn.15 call.stubs::a1
                movup.15 call.stubs::drop3 drop end
            pub proc gives push.0 call.stubs::instantiate3 call.stubs::send_own3 swap drop end",
        )
        .link(0, "a1", Held, 1, "account::bump")
        .link(2, "a1", Held, 1, "account::bump")
        .link(0, "b1", Shared, 2, "user::gives")
        .link(0, "b2", Shared, 2, "user::lent")
        .instances_of(1, 3);
    let main = format!(
        "begin call.stubs::b1 call.stubs::recv_own3 {} push.0 dup.2 call.stubs::send_borrow3
        call.stubs::b2 drop drop {} movup.2 drop movup.2 drop end",
        call("a1", 0),
        call("a1", 1),
    );
    // Entered by the root, by whom it is lent to, and by the root again.
    let stack = builder.run(&main);
    assert_eq!(stack[..2], [3, 1]);
}

#[test]
fn what_is_not_held_is_not_entered() {
    let builder = accounts();
    // No handle, one that was dropped, one that was given away.
    for main in [
        "begin call.stubs::a1 end".to_owned(),
        format!("begin {TWO} dup call.stubs::drop3 drop movdn.15 call.stubs::a1 end"),
        format!("begin {TWO} dup call.stubs::send_own3 drop movdn.15 call.stubs::a1 end"),
    ] {
        traps(&builder, &main, |trap| {
            matches!(trap, Trap::UnknownHandle { .. })
        });
    }
    // A handle to something else.
    let other = accounts().resource(0, None);
    let main = "begin push.7 call.stubs::new0 movdn.15 call.stubs::a1 end";
    traps(&other, main, |trap| {
        matches!(trap, Trap::WrongResourceType { .. })
    });
    let twice = accounts().instances_of(2, 1);
    let main = "begin push.0 call.stubs::instantiate1 movdn.15 call.stubs::a1 end";
    traps(&twice, main, |trap| {
        matches!(trap, Trap::WrongResourceType { .. })
    });
    // One that runs.
    let main = "begin
        push.0 call.stubs::instantiate3 dup call.stubs::send_borrow3 dup.1 movdn.15 call.stubs::b2
    end";
    traps(&builder, main, |trap| {
        matches!(trap, Trap::InstanceRunning { instance: 1 })
    });
    // An isolated call takes no handle along.
    let isolated = Builder::new(3)
        .component("account", ACCOUNT)
        .component("user", "pub proc gets call.stubs::recv_own3 end")
        .link(0, "b1", Isolated, 2, "user::gets")
        .instances_of(1, 3);
    let main = "begin push.0 call.stubs::instantiate3 call.stubs::send_own3 call.stubs::b1 end";
    traps(&isolated, main, |trap| {
        matches!(trap, Trap::UnknownToken { .. })
    });
    // To make an instance is a right like any other.
    let unlinked = Builder::new(1);
    let main = "begin push.0 call.stubs::instantiate3 end";
    traps(&unlinked, main, |trap| {
        matches!(trap, Trap::NotLinked { .. })
    });
}

#[test]
fn what_is_dropped_is_gone() {
    // A limit counts the instances that exist: the root and one more at a time.
    let make = "push.0 call.stubs::instantiate3\n";
    let one = format!("{make} {} drop call.stubs::drop3 drop", call("a1", 0));
    let mut builder = accounts();
    let limits = |instances| {
        let mut limits = Limits::default();
        limits.instances = instances;
        ExecutionOptions::default().with_limits(limits)
    };
    builder.options = limits(3);
    let main = format!("begin repeat.50 {one} end end");
    let (result, process) = builder.start(&main);
    result.expect("it runs");
    assert_eq!(process.memory().contexts().count(), 1);
    assert_eq!(process.instances().len(), 1);
    builder.run(&format!("begin repeat.3 {one} end end"));
    // Those that are held stay.
    let held = format!("{make} {} drop", call("a1", 0));
    let main = format!("begin repeat.3 {held} end repeat.3 drop end end");
    traps(&builder, &main, |trap| {
        matches!(
            trap,
            Trap::LimitExceeded {
                limit: "instances",
                max: 3
            }
        )
    });
    builder.options = limits(4);
    let (result, process) = builder.start(&main);
    result.expect("it runs");
    assert_eq!(process.memory().contexts().count(), 4);
    // What was never entered takes no place.
    builder.options = limits(3);
    let main = format!("begin repeat.9 {make} end repeat.9 call.stubs::drop3 drop end end");
    builder.run(&main);
}

#[test]
fn they_have_static_data() {
    let values: Vec<Felt> = (1..17u64).map(Felt::new).collect();
    let builder = Builder::new(2)
        .component(
            "reader",
            "pub proc read mem_load.70 add.1 dup mem_store.70 swap drop end",
        )
        .link(0, "a1", Held, 1, "reader::read")
        .data(1, 64, &values)
        .instances_of(1, 3);
    let main = format!(
        "begin {TWO} {} {} {} repeat.5 movup.3 drop end end",
        call("a1", 0),
        call("a1", 1),
        call("a1", 3)
    );
    assert_eq!(builder.run(&main)[..3], [8, 9, 8]);
}

#[test]
fn handles_are_found_by_dyncall_too() {
    let main = "begin
        push.0 call.stubs::instantiate3
        procref.stubs::a1 mem_storew_be.0 dropw
        # The address goes off the stack, and the handle is the last of the elements before that.
        push.0 swap movdn.14 push.0 dyncall
        repeat.2 movup.14 drop end
    end";
    assert_eq!(accounts().run(main)[0], 1);
}

#[test]
fn records_say_who_may_do_what() {
    use CompositionError::{Authority, FreshDefiner, IntrinsicResource, PublicDataCopied};

    let record = |source, intrinsic, resource| IntrinsicRecord {
        source,
        digest: EMPTY_WORD,
        intrinsic,
        resource,
    };
    let with = |record| {
        let resource = ResourceRecord {
            definer: 0,
            destructor: None,
        };
        Composition::new(2, Vec::new(), Vec::new())
            .and_then(|composition| composition.with_resources(vec![resource], vec![record]))
    };
    let of = |instance| FIRST_INSTANCE_TYPE + instance;
    for intrinsic in Intrinsic::ALL {
        let is_fit = !matches!(
            intrinsic,
            Intrinsic::New
                | Intrinsic::Rep
                | Intrinsic::Load
                | Intrinsic::Store
                | Intrinsic::Caller
                | Intrinsic::Install
                | Intrinsic::Wire
                | Intrinsic::Component
                | Intrinsic::Adopt
                | Intrinsic::Save
                | Intrinsic::SavePair
                | Intrinsic::Restore
                | Intrinsic::InstallCode
                | Intrinsic::InstallProcedure
        );
        assert_eq!(
            with(record(0, intrinsic, of(1))).is_ok(),
            is_fit,
            "{intrinsic:?}"
        );
    }
    let refused = with(record(0, Intrinsic::Instantiate, 0));
    assert!(matches!(refused, Err(Authority { .. })), "{refused:?}");
    let refused = with(record(KERNEL_SOURCE, Intrinsic::Instantiate, of(1)));
    assert!(matches!(refused, Err(Authority { .. })), "{refused:?}");
    let refused = with(record(0, Intrinsic::Instantiate, of(2)));
    assert!(
        matches!(refused, Err(IntrinsicResource { .. })),
        "{refused:?}"
    );

    // New instances have neither resource types nor public data.
    let link = LinkRecord {
        source: 0,
        digest: EMPTY_WORD,
        kind: Held,
        target: 1,
        callee: EMPTY_WORD,
    };
    let composition = || Composition::new(2, vec![link], Vec::new());
    let definer = |definer| ResourceRecord {
        definer,
        destructor: None,
    };
    let with_type = |of| {
        composition().and_then(|composition| composition.with_resources(vec![definer(of)], vec![]))
    };
    assert!(with_type(0).is_ok());
    assert_eq!(with_type(1), Err(FreshDefiner { link: 0, target: 1 }));
    let with_data = |instance| {
        let data = PublicData {
            instance,
            address: 0,
            elements: vec![ZERO; 8],
        };
        composition().and_then(|composition| composition.with_public_data(vec![data]))
    };
    assert!(with_data(0).is_ok());
    assert_eq!(with_data(1), Err(PublicDataCopied { instance: 1 }));
}
