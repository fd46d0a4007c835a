//! Fresh calls: a new instance of the callee alone, in the domain of its caller.

use miden_core::{EMPTY_WORD, Felt, Word};
use miden_cvm_air::composition::{
    Composition, CompositionError,
    LinkKind::{self, Fresh, Isolated, Shared},
    LinkRecord, ResourceRecord,
};
use miden_cvm_processor::{ContextId, Crossing, ExecutionOptions, Limits, Trap};

use crate::composition::Builder;

/// An account: it counts how often it was entered, and tells by whom.
const ACCOUNT: &str = "
    pub proc bump mem_load.0 add.1 dup mem_store.0 swap drop end
    pub proc who caller swapw dropw end";

/// A note, which remembers how often it ran, and enters the account.
const NOTE: &str = "
    pub proc run mem_load.0 add.1 mem_store.0 call.stubs::c1 mem_load.0 swap.2 drop end
    pub proc ask call.stubs::c2 end
    pub proc idle neg neg end";

/// The root calls the note (`a1`, `a2`, `b2`) and the account (`b1`, `c2`), the note calls the account.
fn transaction(kind: LinkKind) -> Builder {
    Builder::new(3)
        .component("account", ACCOUNT)
        .component("note", NOTE)
        .link(0, "a1", kind, 1, "note::run")
        .link(0, "a2", kind, 1, "note::ask")
        .link(0, "b2", kind, 1, "note::idle")
        .link(0, "b1", Shared, 2, "account::bump")
        .link(0, "c2", Shared, 2, "account::who")
        .link(1, "c1", Shared, 2, "account::bump")
        .link(1, "c2", Shared, 2, "account::who")
}

#[test]
fn an_account_keeps_what_fresh_notes_left_in_it() {
    let main = "begin
        call.stubs::a1 call.stubs::a1 call.stubs::b1 call.stubs::a1
        # => [entries of the account, runs of the note]
    end";
    // Whatever runs the notes are of, the account has been entered four times, once by the root.
    assert_eq!(transaction(Fresh).run(main)[..2], [4, 1]);
    assert_eq!(transaction(Shared).run(main)[..2], [4, 3]);
    // An isolated note has an account of its own.
    assert_eq!(transaction(Isolated).run(main)[..2], [1, 1]);
}

#[test]
fn a_fresh_instance_is_one_of_its_own() {
    let builder = transaction(Fresh);
    let (result, process) = builder.start("begin call.stubs::a1 call.stubs::a1 end");
    result.unwrap_or_else(|error| panic!("{error}"));
    let entered = &process.tracer().entered;
    let [first, account, second, again] = entered[..] else {
        panic!("{entered:?}")
    };
    for (crossing, context, created) in [first, second] {
        assert_eq!((crossing, created), (Crossing::Link(Fresh), true));
        assert_eq!(context.index(), 1);
        assert_ne!(context.domain(), 0);
        assert_eq!(process.memory().get_value(context, 0), None);
    }
    assert_ne!(first.1, second.1);
    let shared = ContextId::new(0, 2);
    assert_eq!(account, (Crossing::Link(Shared), shared, true));
    assert_eq!(again, (Crossing::Link(Shared), shared, false));
    // The instance of the domain is another one, with a memory that stays.
    let both = transaction(Fresh).link(0, "c1", Shared, 1, "note::run");
    let main = "begin call.stubs::c1 call.stubs::a1 call.stubs::c1 end";
    assert_eq!(both.run(main)[..2], [3, 2]);
    assert_eq!(
        both.run("begin call.stubs::c1 call.stubs::a1 end")[..2],
        [2, 1]
    );
}

#[test]
fn rows_of_each_kind() {
    // The book has these numbers: rows of memory that one more call takes.
    let rows = |kind| {
        let lengths = |calls: usize| {
            let main = format!("begin {} end", " call.stubs::b2 ".repeat(calls));
            transaction(kind).trace(&main).lengths
        };
        let (few, many) = (lengths(16), lengths(32));
        [many.cycles - few.cycles, many.memory - few.memory].map(|rows| rows as f64 / 16.0)
    };
    for kind in [Shared, Fresh, Isolated] {
        assert_eq!(rows(kind), rows(Shared));
        assert_eq!(rows(kind)[1], 5.0);
    }
}

#[test]
fn the_caller_is_who_called() {
    let word = |stack: &[u64]| -> Word {
        Word::new([stack[3], stack[2], stack[1], stack[0]].map(Felt::new))
    };
    let builder = transaction(Fresh);
    let asked = builder.run("begin call.stubs::a2 end");
    assert_eq!(word(&asked), builder.procedure("note::ask"));
    assert_eq!(word(&builder.run("begin call.stubs::c2 end")), EMPTY_WORD);
    // And the fresh instance sees it too.
    let builder = Builder::new(3)
        .component("account", ACCOUNT)
        .component("middle", "pub proc go call.stubs::c1 end")
        .link(0, "a1", Shared, 1, "middle::go")
        .link(1, "c1", Fresh, 2, "account::who");
    let stack = builder.run("begin call.stubs::a1 end");
    assert_eq!(word(&stack), builder.procedure("middle::go"));
}

/// Instance 1 calls instance 2 fresh, which calls `callee` of instance `target`.
fn back(kind: LinkKind, target: u32, callee: &str) -> Builder {
    Builder::new(4)
        .component(
            "a",
            "pub proc go call.stubs::b1 end pub proc back neg neg end",
        )
        .component(
            "b",
            "pub proc there call.stubs::a2 end
            pub proc down dup neq.0 if.true sub.1 call.stubs::a2 end end",
        )
        .link(0, "a1", Shared, 1, "a::go")
        .link(1, "b1", Fresh, 2, "b::there")
        .link(2, "a2", kind, target, callee)
}

#[test]
fn who_waits_cannot_be_entered_through_a_fresh_instance() {
    const MAIN: &str = "begin call.stubs::a1 end";
    for running in [0, 1] {
        let builder = back(Shared, running, "a::back");
        let error = builder.start(MAIN).0.expect_err("the run traps");
        let Some(Trap::InstanceRunning { instance }) = error.trap() else {
            panic!("{error}")
        };
        assert_eq!(u32::from(*instance), running);
    }
    // Others can be entered: one that does not run, the domain's own instance of the same component,
    // another fresh one, and one of another domain.
    back(Shared, 3, "a::back").run(MAIN);
    back(Shared, 2, "a::back").run(MAIN);
    back(Fresh, 1, "a::back").run(MAIN);
    back(Isolated, 1, "a::back").run(MAIN);
}

#[test]
fn fresh_instances_call_themselves() {
    let builder = Builder::new(2)
        .component(
            "b",
            "pub proc down
                mem_load.0 assertz push.1 mem_store.0
                dup neq.0 if.true sub.1 call.stubs::a2 end
            end",
        )
        .link(0, "a1", Fresh, 1, "b::down")
        .link(1, "a2", Fresh, 1, "b::down");
    assert_eq!(
        builder.run("begin push.5 call.stubs::a1 swap drop end")[0],
        0
    );
    let mut limited = builder;
    let mut limits = Limits::default();
    limits.instances = 4;
    limited.options = ExecutionOptions::default().with_limits(limits);
    limited.run("begin push.2 call.stubs::a1 swap drop end");
    let error = limited.start("begin push.3 call.stubs::a1 swap drop end").0;
    let error = error.expect_err("four instances exist beside the root");
    assert!(
        matches!(
            error.trap(),
            Some(Trap::LimitExceeded {
                limit: "instances",
                ..
            })
        ),
        "{error}"
    );
}

#[test]
fn domains_go_on_through_fresh_instances() {
    let nested = |first, second| {
        Builder::new(4)
            .component("account", ACCOUNT)
            .component(
                "outer",
                "pub proc go call.stubs::b1 call.stubs::b1 call.stubs::c1 end",
            )
            .component("inner", "pub proc go call.stubs::c1 end")
            .link(0, "a1", first, 1, "outer::go")
            .link(0, "a2", Shared, 3, "account::bump")
            .link(1, "b1", second, 2, "inner::go")
            .link(1, "c1", Shared, 3, "account::bump")
            .link(2, "c1", Shared, 3, "account::bump")
    };
    // [what the outer one sees, what the root sees]
    let main = "begin call.stubs::a1 mem_store.0 call.stubs::a2 mem_load.0 movup.15 drop end";
    let seen = |first, second| {
        let stack = nested(first, second).run(main);
        [stack[0], stack[1]]
    };
    assert_eq!(seen(Fresh, Fresh), [3, 4]);
    assert_eq!(seen(Shared, Fresh), [3, 4]);
    assert_eq!(seen(Fresh, Shared), [3, 4]);
    // The account of the isolated one's domain.
    assert_eq!(seen(Isolated, Fresh), [3, 1]);
    assert_eq!(seen(Fresh, Isolated), [1, 2]);
    // It ends with the domain, and a fresh instance's end is not that of its domain.
    let (result, process) = nested(Isolated, Fresh).start("begin call.stubs::a1 drop end");
    result.unwrap_or_else(|error| panic!("{error}"));
    let left: Vec<ContextId> = process.memory().contexts().collect();
    assert_eq!(left, [ContextId::ROOT]);
}

#[test]
fn a_fresh_instance_is_freed_when_it_returns() {
    let mut builder = transaction(Fresh);
    // Pages of 64 words: the note and the account have one each and that of their frame pointers, the
    // root has the latter.
    let mut limits = Limits::default();
    limits.instances = 3;
    limits.memory_words = 5 * 64;
    limits.handles = 0;
    builder.options = ExecutionOptions::default().with_limits(limits);
    let main = "begin
        push.1000 dup neq.0
        while.true push.0 push.0 call.stubs::a1 drop drop sub.1 dup neq.0 end
        call.stubs::b1 swap drop
    end";
    let (result, process) = builder.start(main);
    let stack = result.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(stack[0], 1001);
    assert_eq!(process.memory().contexts().count(), 2);
    builder.options = builder.options.with_retained_memory(true);
    let error = builder.start(main).0.expect_err("the memory is all used");
    assert!(
        matches!(error.trap(), Some(Trap::LimitExceeded { .. })),
        "{error}"
    );
}

#[test]
fn static_data_is_there_each_time() {
    let values: Vec<Felt> = (40..48).map(Felt::new).collect();
    let builder = Builder::new(2)
        .component(
            "reader",
            "pub proc read mem_load.1002 push.0 mem_store.1002 swap drop end",
        )
        .link(0, "a1", Fresh, 1, "reader::read")
        .link(0, "a2", Shared, 1, "reader::read")
        .data(1, 1000, &values);
    let main = "begin
        call.stubs::a1 push.0 call.stubs::a1 push.0 call.stubs::a2
        push.0 call.stubs::a2 push.0 call.stubs::a1
        movupw.3 dropw
    end";
    assert_eq!(builder.run(main)[..5], [42, 0, 42, 42, 42]);
}

#[test]
fn frames_come_back_after_syscalls_and_dyncalls() {
    let mut builder = Builder::new(3)
        .component("account", ACCOUNT)
        .component(
            "note",
            "pub proc run
                call.stubs::b1 call.stubs::c1
                procref.stubs::c1 mem_storew_be.0 dropw push.0 dyncall
            end",
        )
        .component("twice", "pub proc go call.stubs::c1 end")
        .link(0, "a1", Fresh, 1, "note::run")
        .link(1, "b1", Isolated, 1, "twice::go")
        .link(1, "c1", Shared, 2, "account::bump")
        .link(0, "c1", Shared, 2, "account::bump");
    // The kernel runs in the root's context.
    builder.kernel = Some("pub proc k mem_load.0 add.1 mem_store.0 caller swapw dropw end");
    let main = "begin
        procref.stubs::a1 mem_storew_be.8 dropw push.8 dyncall
        syscall.k dropw call.stubs::c1 mem_load.0 movup.15 drop
    end";
    // The isolated call had an account of its own.
    assert_eq!(builder.run(main)[..2], [1, 3]);
}

/// Instance 2 defines types 0, without a destructor, and 1, with one that counts.
fn bank() -> Builder {
    Builder::new(4)
        .component(
            "bank",
            "pub proc open push.7 call.stubs::new1 call.stubs::send_own1 swap drop end
            pub proc end drop mem_load.0 add.1 mem_store.0 end
            pub proc ended mem_load.0 swap drop end
            pub proc look call.stubs::recv_borrow1 end",
        )
        .component(
            "note",
            "pub proc drops call.stubs::recv_own1 call.stubs::drop1 end
            pub proc opens call.stubs::c1 call.stubs::recv_own1 call.stubs::send_own1 end
            pub proc lends
                call.stubs::recv_borrow1 dup call.stubs::send_borrow1 call.stubs::c1
                swap call.stubs::drop1 drop
            end
            pub proc keeps call.stubs::recv_borrow1 end
            pub proc loses call.stubs::recv_own1 end
            pub proc mistakes call.stubs::recv_own0 end",
        )
        .link(0, "c1", Shared, 2, "bank::open")
        .link(0, "c2", Shared, 2, "bank::ended")
        .resource(2, None)
        .resource(2, Some("bank::end"))
}

/// The note's procedure, called fresh, with a call of the bank of its own.
fn noted(callee: &str, far: &str) -> Builder {
    let builder = bank().link(0, "a1", Fresh, 1, callee);
    builder.link(1, "c1", Shared, 2, far)
}

#[test]
fn handles_cross_both_ways() {
    // In, to a fresh instance, which has the domain's bank destroy what it drops.
    let main = "begin
        call.stubs::c1 call.stubs::recv_own1 call.stubs::send_own1 call.stubs::a1 drop
        call.stubs::c2
    end";
    assert_eq!(noted("note::drops", "bank::open").run(main)[0], 1);
    // Out: opened by a fresh instance in the domain's bank, dropped by the root.
    let main = "begin
        call.stubs::a1 call.stubs::recv_own1 push.0 mem_store.0
        call.stubs::drop1 drop call.stubs::c2
    end";
    assert_eq!(noted("note::opens", "bank::open").run(main)[0], 1);
    // Lent, and lent on to the definer.
    let main = "begin
        call.stubs::c1 call.stubs::recv_own1 dup call.stubs::send_borrow1 call.stubs::a1
        swap call.stubs::drop1 movup.15 drop
    end";
    assert_eq!(noted("note::lends", "bank::look").run(main)[0], 7);
}

#[test]
fn what_a_fresh_instance_may_not_do_with_handles() {
    let own = "call.stubs::c1 call.stubs::recv_own1 call.stubs::send_own1 call.stubs::a1";
    let borrow = "call.stubs::c1 call.stubs::recv_own1 call.stubs::send_borrow1 call.stubs::a1";
    let trap = |callee, steps: &str| {
        let main = format!("begin {steps} end");
        let error = noted(callee, "bank::open").start(&main).0;
        let error = error.expect_err("the run traps");
        error
            .trap()
            .unwrap_or_else(|| panic!("{error}"))
            .to_string()
    };
    let found = trap("note::keeps", borrow);
    assert!(found.contains("borrow"), "{found}");
    let found = trap("note::mistakes", own);
    assert!(found.contains("type"), "{found}");
    // Nor can another note take it up later.
    let found = trap(
        "note::drops",
        "call.stubs::c1 call.stubs::recv_own1 call.stubs::send_own1 dup mem_store.0
        call.stubs::a1 drop mem_load.0 call.stubs::a1",
    );
    assert!(found.contains("token"), "{found}");
    // What is left in its table is gone, and not destroyed.
    let main = format!("begin {own} drop call.stubs::c2 end");
    assert_eq!(noted("note::loses", "bank::open").run(&main)[0], 0);
}

#[test]
fn who_defines_resource_types_is_not_called_fresh() {
    let link = |kind| LinkRecord {
        source: 0,
        digest: EMPTY_WORD,
        kind,
        target: 1,
        callee: EMPTY_WORD,
    };
    let of = |kind, definer| {
        let resource = ResourceRecord {
            definer,
            destructor: None,
        };
        Composition::new(3, vec![link(kind)], Vec::new())
            .and_then(|composition| composition.with_resources(vec![resource], Vec::new()))
    };
    let refused = CompositionError::FreshDefiner { link: 0, target: 1 };
    assert_eq!(of(Fresh, 1), Err(refused));
    for (kind, definer) in [(Fresh, 0), (Fresh, 2), (Shared, 1), (Isolated, 1)] {
        assert!(of(kind, definer).is_ok());
    }
}
