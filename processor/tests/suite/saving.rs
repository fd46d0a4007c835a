//! Stacks that are put out of reach and put back.

use miden_cvm_air::composition::{Intrinsic, IntrinsicRecord};
use miden_cvm_processor::{ExecutionOptions, Limits, Trap};

use crate::composition::{Builder, nosy};

/// Twenty elements and two more.
const FULL: &str = "push.1.2.3.4.5.6.7.8.9.10.11 push.12.13.14.15.16.17.18.19.20.21.22";

/// Takes what `FULL` leaves off the stack, below a sum of it and what is on top.
const SUM: &str = "repeat.21 add end swap drop";

#[test]
fn what_a_caller_has_comes_back() {
    // The callee drops what it sees and leaves 41; what was below is there again.
    let main =
        format!("begin {FULL} call.stubs::save call.stubs::a1 call.stubs::restore {SUM} end");
    assert_eq!(nosy().run(&main)[..2], [41 + 231, 0]);
    // It sees two: what is below them is zero, and the second comes back with the rest.
    let main =
        format!("begin {FULL} call.stubs::save_pair call.stubs::a2 call.stubs::restore {SUM} end");
    // [22, 21] are added, 5 is added to the 100 that took the place of what was saved.
    assert_eq!(nosy().run(&main)[..2], [5 + 43 + 231, 0]);
}

#[test]
fn saved_stacks_nest() {
    let main = "begin
        push.3 push.2 push.1
        call.stubs::save push.7 swap call.stubs::save drop push.50 movup.2 drop
        call.stubs::save call.stubs::a1 call.stubs::restore
        call.stubs::restore
        # [41, 7, 0, ...]: one more than when the first was saved
        add
        call.stubs::restore
        # [sum, 2, 3, ...]
        repeat.3 movup.15 drop end
    end";
    assert_eq!(nosy().run(main)[..4], [48, 2, 3, 0]);
}

#[test]
fn it_is_restored_where_it_was_saved() {
    let nothing = |main: &str| {
        let error = nosy().start(main).0.expect_err("the run traps");
        assert!(matches!(error.trap(), Some(Trap::NothingSaved)), "{error}");
    };
    nothing("begin call.stubs::restore end");
    nothing("begin call.stubs::save call.stubs::restore call.stubs::restore end");
    // A callee cannot get at what its caller has saved.
    nothing("begin call.stubs::save call.stubs::b2 call.stubs::restore end");
    let remains = |main: &str| {
        let error = nosy().start(main).0.expect_err("the run traps");
        let trap = error.trap();
        assert!(matches!(trap, Some(Trap::SavedStackRemains)), "{error}");
    };
    remains("begin call.stubs::save end");
    remains("begin push.1 call.stubs::save call.stubs::save call.stubs::restore end");
    remains("begin call.stubs::b1 call.stubs::restore end");
    let error = nosy()
        .start("begin call.stubs::save push.1 call.stubs::restore end")
        .0
        .expect_err("the run traps");
    let trap = error.trap();
    assert!(
        matches!(trap, Some(Trap::InvalidStackDepthOnRestore { depth: 17 })),
        "{error}"
    );
}

#[test]
fn saved_stacks_are_counted() {
    let mut builder = nosy();
    let mut limits = Limits::default();
    limits.call_depth = 5;
    builder.options = ExecutionOptions::default().with_limits(limits);
    let main = |count: usize| {
        let saves = "call.stubs::save ".repeat(count);
        let restores = "call.stubs::restore ".repeat(count);
        format!("begin {saves} {restores} end")
    };
    builder.run(&main(5));
    let error = builder.start(&main(6)).0.expect_err("the run traps");
    assert!(
        matches!(
            error.trap(),
            Some(Trap::LimitExceeded {
                limit: "saved stacks",
                max: 5
            })
        ),
        "{error}"
    );
}

#[test]
fn it_is_a_right_of_instances() {
    // Without a link there is none.
    for stub in ["save", "save_pair", "restore"] {
        let main = format!("begin call.stubs::{stub} end");
        let error = Builder::new(1).start(&main).0.expect_err("the run traps");
        let trap = error.trap();
        assert!(matches!(trap, Some(Trap::NotLinked { .. })), "{error}");
    }
    let records = nosy().composition();
    let of_root = |record: &&IntrinsicRecord| record.source == 0;
    let linked: Vec<_> = records.intrinsics().iter().filter(of_root).collect();
    let linked: Vec<Intrinsic> = linked.iter().map(|record| record.intrinsic).collect();
    for intrinsic in [Intrinsic::Save, Intrinsic::SavePair, Intrinsic::Restore] {
        assert!(linked.contains(&intrinsic), "{intrinsic:?}");
    }
}
