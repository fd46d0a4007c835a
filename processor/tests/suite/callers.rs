//! Who called in: the instance, beside its code.

use miden_core::EMPTY_WORD;
use miden_cvm_air::composition::{
    Composition, CompositionError, Intrinsic, IntrinsicRecord, KERNEL_SOURCE,
    LinkKind::{Fresh, Isolated, Shared},
};
use miden_cvm_processor::Trap;

use crate::composition::Builder;

/// Instance 3 tells who called; instances 1 and 2 have equal code and call it. The root calls all of
/// them, 1 also fresh (`c1`) and isolated (`c2`).
fn askers() -> Builder {
    Builder::new(4)
        .component("ask", "pub proc go call.stubs::a1 end")
        .component(
            "tell",
            "pub proc who call.stubs::caller end
            pub proc code caller swapw dropw end",
        )
        .link(0, "a1", Shared, 3, "tell::who")
        .link(0, "b1", Shared, 1, "ask::go")
        .link(0, "b2", Shared, 2, "ask::go")
        .link(0, "c1", Fresh, 1, "ask::go")
        .link(0, "c2", Isolated, 1, "ask::go")
        .link(1, "a1", Shared, 3, "tell::who")
        .link(2, "a1", Shared, 3, "tell::who")
        .told_callers()
}

#[test]
fn instances_of_equal_code_are_told_apart() {
    let main = "begin
        call.stubs::a1 push.9 call.stubs::b1 push.9 call.stubs::b2 push.9 call.stubs::b1
        push.9 call.stubs::caller movupw.3 dropw
    end";
    // The root's main is told its own id.
    assert_eq!(askers().run(main)[..5], [0, 1, 2, 1, 0]);
}

#[test]
fn new_instances_have_ids_of_their_own() {
    for stub in ["c1", "c2"] {
        let main = format!("begin call.stubs::{stub} push.9 call.stubs::{stub} movup.15 drop end");
        let builder = askers();
        let stack = builder.run(&main);
        let (_, process) = builder.start(&main);
        let entered = &process.tracer().entered;
        let callers = [entered[2].1, entered[0].1].map(|context| context.as_u64());
        assert_eq!(stack[..2], callers);
        assert_ne!(stack[0], stack[1]);
        assert!(stack[0] > u64::from(u16::MAX));
    }
}

#[test]
fn it_is_asked_by_instances_and_called_by_name() {
    let dynamic = "begin
        procref.stubs::caller mem_storew_be.0 dropw push.0 dyncall
    end";
    let error = askers().start(dynamic).0.expect_err("the run traps");
    assert!(
        matches!(error.trap(), Some(Trap::DynamicIntrinsic { .. })),
        "{error}"
    );
    let of = |source, resource| {
        let record = IntrinsicRecord {
            source,
            digest: EMPTY_WORD,
            intrinsic: Intrinsic::Caller,
            resource,
        };
        Composition::new(1, Vec::new(), Vec::new())
            .and_then(|composition| composition.with_resources(Vec::new(), vec![record]))
    };
    assert!(of(0, 0).is_ok());
    assert!(matches!(
        of(KERNEL_SOURCE, 0),
        Err(CompositionError::Authority { .. })
    ));
    assert!(matches!(
        of(0, 1),
        Err(CompositionError::IntrinsicResource { .. })
    ));
    // Without a link there is no answer.
    let unlinked = Builder::new(1);
    let error = unlinked.start("begin call.stubs::caller end").0;
    let error = error.expect_err("the run traps");
    assert!(
        matches!(error.trap(), Some(Trap::NotLinked { .. })),
        "{error}"
    );
}
