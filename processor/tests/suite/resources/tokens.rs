//! Handles on their way across boundaries.

use miden_cvm_air::composition::LinkKind::{Isolated, Shared};
use miden_cvm_processor::{ExecutionOptions, Limits, Trap};

use super::{assert_trap, ends, traps};
use crate::composition::Builder;

/// Procedures that receive, hold and pass on handles of type 0, defined by another.
const HOLDER: &str = "
    pub proc take call.stubs::recv_own0 end
    pub proc look call.stubs::recv_borrow0 call.stubs::drop0 end
    pub proc keep call.stubs::recv_borrow0 end
    pub proc wrong call.stubs::recv_own1 end
    pub proc nothing push.1 drop end
    pub proc pass call.stubs::c1 end
    pub proc lend
        call.stubs::recv_borrow0 dup call.stubs::send_borrow0 call.stubs::c1
        swap call.stubs::drop0 drop push.0 drop
    end
    pub proc give call.stubs::recv_own0 call.stubs::send_own0 call.stubs::c1 end
    pub proc steal call.stubs::recv_borrow0 call.stubs::send_own0 end
    pub proc back call.stubs::recv_own0 call.stubs::send_own0 end
    pub proc reflect call.stubs::recv_own0 call.stubs::send_borrow0 end";

/// The root defines types 0 and 1; `a1` leads to `callee` of instance 1, `a2` to `take` of instance 2,
/// and `c1` of instance 1 to `far` of instance 2.
fn holder(callee: &str, far: &str) -> Builder {
    Builder::new(3)
        .component("holder", HOLDER)
        .link(0, "a1", Shared, 1, callee)
        .link(0, "a2", Shared, 2, "holder::take")
        .link(0, "b1", Shared, 1, "holder::nothing")
        .link(0, "b2", Isolated, 1, callee)
        .link(1, "c1", Shared, 2, far)
        .resource(0, None)
        .resource(0, None)
}

fn simple(callee: &str) -> Builder {
    holder(callee, "holder::take")
}

const NEW: &str = " push.7 call.stubs::new0 ";
const OWN: &str = " call.stubs::send_own0 ";
const BORROW: &str = " call.stubs::send_borrow0 ";

fn main(parts: &[&str]) -> String {
    format!("begin {} end", parts.concat())
}

#[test]
fn several_handles_cross_in_one_call() {
    let builder = Builder::new(2)
        .component(
            "swap",
            "pub proc all
                call.stubs::recv_own0 swap call.stubs::recv_own0 swap
                # => [first, second]
                dup.1 call.stubs::send_own0 swap call.stubs::send_own0
                # => [token of the first, token of the second, second]
                movup.2 drop swap
            end",
        )
        .link(0, "a1", Shared, 1, "swap::all")
        .resource(0, None);
    let stack = ends(
        &builder,
        "begin
            push.8 call.stubs::new0 push.7 call.stubs::new0
            call.stubs::send_own0 swap call.stubs::send_own0 swap
            call.stubs::a1
            # => [token of the second, token of the first]
            call.stubs::recv_own0 call.stubs::rep0
            swap call.stubs::recv_own0 call.stubs::rep0
            movup.2 drop movup.2 drop
        end",
    );
    assert_eq!(stack[..2], [7, 8]);
}

#[test]
fn handles_go_on_to_a_third() {
    // A borrow is lent on, and dropped by both.
    let lends = holder("holder::lend", "holder::look");
    ends(&lends, &main(&[NEW, BORROW, "call.stubs::a1 drop"]));
    // An own handle is passed on.
    let gives = holder("holder::give", "holder::take");
    let stack = ends(&gives, &main(&[NEW, OWN, "call.stubs::a1 swap drop"]));
    assert_eq!(stack[0], 1, "the first index of the third's table");
    // It comes back.
    let backs = simple("holder::back");
    let back = "call.stubs::a1 call.stubs::recv_own0 call.stubs::rep0 swap drop";
    assert_eq!(ends(&backs, &main(&[NEW, OWN, back]))[0], 7);
}

#[test]
fn a_lend_ends_with_its_call() {
    let builder = simple("holder::look");
    let after = "dup call.stubs::send_borrow0 call.stubs::a1 drop call.stubs::drop0 drop";
    ends(&builder, &main(&[NEW, after]));
    for while_lent in ["drop0", "send_own0"] {
        let steps = format!("dup call.stubs::send_borrow0 drop call.stubs::{while_lent}");
        let trap = traps(&builder, &main(&[NEW, &steps]));
        assert_trap!(
            trap,
            Trap::HandleLent {
                instance: 0,
                handle: 1,
                resource: 0,
            }
        );
    }
    // What is lent can be lent once more, and looked at.
    let again = "dup call.stubs::send_borrow0 drop dup call.stubs::send_borrow0 drop \
                 call.stubs::rep0 drop";
    ends(&builder, &main(&[NEW, again]));
}

#[test]
fn tokens_die() {
    let unknown = |builder: &Builder, parts: &[&str], receiver: u16| {
        let trap = traps(builder, &main(parts));
        let Trap::UnknownToken { instance, .. } = trap else {
            panic!("{trap}")
        };
        assert_eq!(instance, receiver, "{parts:?}");
    };
    let take = simple("holder::take");
    // Never sent.
    unknown(&take, &["push.5 call.stubs::a1"], 1);
    unknown(&take, &["push.18446744069414584320 call.stubs::a1"], 1);
    // Received by the sender, before any call.
    unknown(&take, &[NEW, OWN, "call.stubs::recv_own0"], 0);
    // Received twice.
    unknown(
        &take,
        &[NEW, OWN, "dup call.stubs::a1 drop call.stubs::a1"],
        1,
    );
    let twice = Builder::new(2)
        .component(
            "twice",
            "pub proc go dup call.stubs::recv_own0 drop call.stubs::recv_own0 end",
        )
        .link(0, "a1", Shared, 1, "twice::go")
        .resource(0, None);
    unknown(&twice, &[NEW, OWN, "call.stubs::a1"], 1);
    // Received after another call came in between.
    unknown(&take, &[NEW, OWN, "call.stubs::b1 call.stubs::a1"], 1);
    // Received by a third.
    let passes = holder("holder::pass", "holder::take");
    unknown(&passes, &[NEW, OWN, "call.stubs::a1"], 2);
    // Received by the sender, after a call that did not take it.
    unknown(
        &take,
        &[NEW, OWN, "call.stubs::b1 call.stubs::recv_own0"],
        0,
    );
    // The callee's token, received one call later.
    let back = simple("holder::back");
    let late = "call.stubs::a1 call.stubs::b1 call.stubs::recv_own0";
    unknown(&back, &[NEW, OWN, late], 0);
}

#[test]
fn isolated_calls_and_syscalls_let_no_handle_pass() {
    let builder = simple("holder::take");
    let trap = traps(&builder, &main(&[NEW, OWN, "call.stubs::b2"]));
    assert_trap!(trap, Trap::UnknownToken { instance: 1, .. });
    // Nor on the way back: the isolated callee's handles are of another domain.
    let maker = Builder::new(2)
        .component(
            "maker",
            "pub proc make push.7 call.stubs::new0 call.stubs::send_own0 swap drop end",
        )
        .link(0, "a1", Isolated, 1, "maker::make")
        .resource(1, None);
    let trap = traps(&maker, "begin call.stubs::a1 call.stubs::recv_own0 end");
    assert_trap!(trap, Trap::UnknownToken { instance: 0, .. });

    let mut with_kernel = simple("holder::take");
    with_kernel.kernel = Some("pub proc nothing push.1 drop end");
    let trap = traps(
        &with_kernel,
        &main(&[NEW, OWN, "syscall.nothing call.stubs::a1"]),
    );
    assert_trap!(trap, Trap::UnknownToken { instance: 1, .. });
}

#[test]
fn what_is_received_is_what_was_sent() {
    let take = simple("holder::take");
    let trap = traps(&take, &main(&[NEW, BORROW, "call.stubs::a1"]));
    assert_trap!(
        trap,
        Trap::WrongOwnership {
            instance: 1,
            own: false,
            ..
        }
    );
    let look = simple("holder::look");
    let trap = traps(&look, &main(&[NEW, OWN, "call.stubs::a1"]));
    assert_trap!(
        trap,
        Trap::WrongOwnership {
            instance: 1,
            own: true,
            ..
        }
    );
    let wrong = simple("holder::wrong");
    let trap = traps(&wrong, &main(&[NEW, OWN, "call.stubs::a1"]));
    assert_trap!(
        trap,
        Trap::WrongTokenType {
            expected: 1,
            found: 0,
            ..
        }
    );
    let steal = simple("holder::steal");
    let trap = traps(&steal, &main(&[NEW, BORROW, "call.stubs::a1"]));
    assert_trap!(trap, Trap::HandleNotOwned { instance: 1, .. });
    let reflect = simple("holder::reflect");
    let trap = traps(
        &reflect,
        &main(&[NEW, OWN, "call.stubs::a1 call.stubs::recv_borrow0"]),
    );
    assert_trap!(trap, Trap::BorrowInResult { instance: 0, .. });
}

#[test]
fn borrows_do_not_outlive_their_call() {
    let keep = simple("holder::keep");
    let trap = traps(&keep, &main(&[NEW, BORROW, "call.stubs::a1"]));
    assert_trap!(
        trap,
        Trap::BorrowsRemain {
            instance: 1,
            borrows: 1,
        }
    );
}

#[test]
fn intrinsics_cannot_be_called_dynamically() {
    let builder = Builder::new(1).resource(0, None);
    let trap = traps(
        &builder,
        "begin procref.stubs::new0 mem_storew_be.0 dropw push.0 dyncall end",
    );
    assert_trap!(trap, Trap::DynamicIntrinsic { instance: 0, .. });
}

#[test]
fn nobody_has_what_no_link_gives() {
    // The second instance is not the definer: it has neither `new` nor `rep`.
    for intrinsic in ["new0", "rep0"] {
        let code = format!("pub proc go call.stubs::{intrinsic} end");
        let builder = Builder::new(2)
            .component("other", &code)
            .link(0, "a1", Shared, 1, "other::go")
            .resource(0, None);
        let trap = traps(&builder, "begin call.stubs::a1 end");
        assert_trap!(trap, Trap::NotLinked { instance: 1, .. });
    }
}

#[test]
fn tables_have_a_limit() {
    let mut builder = simple("holder::take");
    let mut limits = Limits::default();
    limits.handles = 3;
    builder.options = ExecutionOptions::default().with_limits(limits);
    ends(&builder, &main(&[NEW, NEW, NEW, "drop drop drop"]));
    let freed = "call.stubs::drop0 drop";
    ends(
        &builder,
        &main(&[NEW, freed, NEW, freed, NEW, freed, NEW, freed]),
    );
    for last in [NEW, "push.1 call.stubs::send_borrow0"] {
        let trap = traps(&builder, &main(&[NEW, NEW, NEW, last]));
        assert_trap!(
            trap,
            Trap::LimitExceeded {
                limit: "handles",
                max: 3,
            }
        );
    }
}
