//! The cases of the Component Model's own tests (`test/resources/*.wast`), as compositions: the same
//! indices, values and traps.

use miden_core::Felt;
use miden_cvm_air::composition::LinkKind::Shared;
use miden_cvm_processor::Trap;

use super::{assert_trap, ends, traps};
use crate::composition::Builder;

/// Drops the handle on top, of the first type.
const DROP: &str = " call.stubs::drop0 drop ";

fn drop(handle: u32) -> String {
    format!(" push.{handle} {DROP}")
}

/// Asserts that the top of the stack is `value`, and drops it.
fn expect(value: u32) -> String {
    format!(" push.{value} assert_eq ")
}

/// Asserts that the top of the stack is `value`, and keeps it.
fn keep(value: u32) -> String {
    format!(" dup push.{value} assert_eq ")
}

fn main(steps: &[String]) -> String {
    format!("begin {} end", steps.concat())
}

// HANDLE-TABLE
// ------------------------------------------------------------------------------------------------

/// From 1, and the last one freed is the first one used again.
#[test]
fn indices_are_reused_last_in_first_out() {
    let new =
        |rep: u32, handle: u32| format!(" push.{rep} call.stubs::new0 push.{handle} assert_eq ");
    let rep =
        |handle: u32, rep: u32| format!(" push.{handle} call.stubs::rep0 push.{rep} assert_eq ");
    let steps = [
        new(100, 1),
        new(200, 2),
        new(300, 3),
        drop(2),
        new(400, 2),
        rep(1, 100),
        rep(2, 400),
        rep(3, 300),
        drop(1),
        drop(2),
        drop(3),
        new(500, 3),
        new(600, 2),
        new(700, 1),
        rep(3, 500),
        rep(2, 600),
        rep(1, 700),
        new(800, 4),
    ];
    let builder = Builder::new(1).resource(0, None);
    ends(&builder, &main(&steps));
    let (_, process) = builder.start(&main(&steps));
    let accesses = &process.tracer().table;
    assert_eq!(accesses.len(), steps.len());
    assert!(
        accesses
            .windows(2)
            .all(|pair| pair[0].state[1] == pair[1].state[0])
    );
}

/// `$C` makes and takes handles; the root is `$D`.
fn maker() -> Builder {
    Builder::new(2)
        .component(
            "c",
            "
            pub proc make call.stubs::new0 call.stubs::send_own0 end
            pub proc take call.stubs::recv_own0 call.stubs::drop0 end
            pub proc look call.stubs::recv_borrow0 end",
        )
        .link(0, "a1", Shared, 1, "c::make")
        .link(0, "a2", Shared, 1, "c::take")
        .link(0, "b1", Shared, 1, "c::look")
        .resource(1, None)
}

fn made(rep: u32, handle: u32) -> String {
    format!(
        " push.{rep} call.stubs::a1 call.stubs::recv_own0 {}",
        expect(handle)
    )
}

#[test]
fn dropping_and_giving_away_free_an_index() {
    let take = |handle: u32| format!(" push.{handle} call.stubs::send_own0 call.stubs::a2 drop ");
    let steps = [made(100, 1), made(200, 2), drop(2), take(1), made(300, 1)];
    ends(&maker(), &main(&steps));
}

#[test]
fn unknown_indices_trap() {
    let own = Builder::new(1).resource(0, None);
    let new = format!(" push.100 call.stubs::new0 {}", expect(1));
    let rep = |handle: u32| format!(" push.{handle} call.stubs::rep0 drop ");
    let send = |how: &str, handle: u32, callee: &str| {
        format!(" push.{handle} call.stubs::send_{how}0 call.stubs::{callee} drop ")
    };
    let cases: [(&Builder, &[String], u32); 7] = [
        (&own, &[drop(5)], 5),
        (&own, &[rep(5)], 5),
        (&own, &[new, drop(1), drop(1)], 1),
        (&own, &[drop(0)], 0),
        (&own, &[drop(u32::MAX)], u32::MAX),
        (&maker(), &[made(100, 1), drop(1), send("own", 1, "a2")], 1),
        (&maker(), &[send("borrow", 3, "b1")], 3),
    ];
    for (builder, steps, index) in cases {
        let trap = traps(builder, &main(steps));
        let Trap::UnknownHandle {
            instance: 0,
            handle,
        } = trap
        else {
            panic!("{trap}")
        };
        assert_eq!(handle, Felt::from(index));
        let text = format!("unknown handle index {index}");
        assert!(trap.to_string().starts_with(&text), "{trap}");
    }
    // No index is taken modulo 2^32.
    let beyond = main(&[
        format!(" push.100 call.stubs::new0 {}", expect(1)),
        format!(" push.4294967297 {DROP}"),
    ]);
    assert_trap!(traps(&own, &beyond), Trap::UnknownHandle { .. });
}

#[test]
fn tables_are_the_instances_own() {
    let users = Builder::new(4)
        .component(
            "def",
            "pub proc make call.stubs::new0 call.stubs::send_own0 end",
        )
        .component(
            "user",
            "
            pub proc alloc
                push.100 call.stubs::c1 call.stubs::recv_own0 push.1 assert_eq
            end
            pub proc dealloc push.1 call.stubs::drop0 drop end",
        )
        .link(0, "a1", Shared, 1, "user::alloc")
        .link(0, "a2", Shared, 2, "user::dealloc")
        .link(1, "c1", Shared, 3, "def::make")
        .link(2, "c1", Shared, 3, "def::make")
        .resource(3, None);
    ends(&users, "begin call.stubs::a1 end");
    let trap = traps(&users, "begin call.stubs::a1 call.stubs::a2 end");
    assert_trap!(trap, Trap::UnknownHandle { instance: 2, .. });

    // Nor does a parent see its child's.
    let parent = Builder::new(2)
        .component(
            "child",
            "pub proc start push.100 call.stubs::new0 push.1 assert_eq end",
        )
        .link(0, "a1", Shared, 1, "child::start")
        .resource(1, None);
    let trap = traps(&parent, &format!("begin call.stubs::a1 {} end", drop(1)));
    assert_trap!(trap, Trap::UnknownHandle { instance: 0, .. });
}

#[test]
fn entries_remember_their_type() {
    let builder = Builder::new(1).resource(0, None).resource(0, None);
    for with in ["drop1", "rep1", "send_own1", "send_borrow1"] {
        let trap = traps(
            &builder,
            &format!(
                "begin push.100 call.stubs::new0 {} call.stubs::{with} drop end",
                keep(1)
            ),
        );
        assert_trap!(
            trap,
            Trap::WrongResourceType {
                instance: 0,
                handle: 1,
                expected: 1,
                found: 0,
            }
        );
    }
}

// BORROWS
// ------------------------------------------------------------------------------------------------

/// `$C` of `borrows.wast`. How many were made is at 0, how many live at 1.
const BORROWED: &str = "
    pub proc make
        mem_load.0 add.1 mem_store.0
        mem_load.1 add.1 mem_store.1
        mem_load.0 push.64 add call.stubs::new0 call.stubs::send_own0 swap drop
    end
    pub proc get_rep call.stubs::recv_borrow0 end
    pub proc get_rep_pair
        call.stubs::recv_borrow0 swap call.stubs::recv_borrow0 dup.1 add
    end
    pub proc borrow_and_take
        call.stubs::recv_borrow0 swap call.stubs::recv_own0 call.stubs::drop0 swap
    end
    pub proc num_live mem_load.1 swap drop end
    pub proc dtor
        dup u32gt.64 assert
        dup mem_load.0 push.64 add u32lte assert
        mem_load.1 neq.0 assert
        mem_load.1 sub.1 mem_store.1
    end";

fn borrow_tester() -> Builder {
    Builder::new(2)
        .component("c", BORROWED)
        .link(0, "a1", Shared, 1, "c::make")
        .link(0, "a2", Shared, 1, "c::get_rep")
        .link(0, "b1", Shared, 1, "c::get_rep_pair")
        .link(0, "b2", Shared, 1, "c::borrow_and_take")
        .link(0, "c1", Shared, 1, "c::num_live")
        .resource(1, Some("c::dtor"))
}

fn make(handle: u32) -> String {
    format!(
        " push.0 call.stubs::a1 call.stubs::recv_own0 {}",
        keep(handle)
    )
}

fn live(count: u32) -> String {
    format!(" push.0 call.stubs::c1 {}", expect(count))
}

#[test]
fn borrows_leave_the_lenders_handle() {
    let get_rep = |rep: u32| {
        format!(
            " dup call.stubs::send_borrow0 call.stubs::a2 {}",
            expect(rep)
        )
    };
    let steps = [
        make(1),
        get_rep(0x41),
        get_rep(0x41),
        // The same handle twice in one call.
        format!(
            " dup call.stubs::send_borrow0 dup.1 call.stubs::send_borrow0 call.stubs::b1 {} drop ",
            expect(0x82)
        ),
        make(2),
        live(2),
        format!(
            " dup.1 call.stubs::send_borrow0 swap call.stubs::send_own0 swap call.stubs::b2 {} \
             drop ",
            expect(0x41)
        ),
        live(1),
        get_rep(0x41),
        DROP.into(),
        live(0),
        make(1),
        get_rep(0x43),
        DROP.into(),
        live(0),
    ];
    ends(&borrow_tester(), &main(&steps));
}

#[test]
fn owning_what_is_lent_traps() {
    let steps = [
        make(1),
        " dup call.stubs::send_borrow0 swap call.stubs::send_own0 swap call.stubs::b2 ".into(),
    ];
    let trap = traps(&borrow_tester(), &main(&steps));
    assert_trap!(
        trap,
        Trap::HandleLent {
            instance: 0,
            handle: 1,
            ..
        }
    );
}

// MULTIPLE-RESOURCES
// ------------------------------------------------------------------------------------------------

#[test]
fn types_share_a_table() {
    let mut code = String::new();
    for (number, base) in [(0, 0x40), (1, 0x80)] {
        code += &format!(
            "
            pub proc make{number}
                mem_load.{number} add.1 mem_store.{number}
                mem_load.{number} push.{base} add call.stubs::new{number}
                call.stubs::send_own{number} swap drop
            end
            pub proc get{number} call.stubs::recv_borrow{number} end
            pub proc dtor{number}
                dup u32gt.{base} assert dup u32lt.{} assert
                mem_load.{number} neq.0 assert
                mem_load.{number} sub.1 mem_store.{number}
            end",
            base + 3
        );
    }
    code += "
pub proc live mem_load.0 mem_load.1 add swap drop end";
    let builder = Builder::new(2)
        .component("c", &code)
        .link(0, "a1", Shared, 1, "c::make0")
        .link(0, "a2", Shared, 1, "c::make1")
        .link(0, "b1", Shared, 1, "c::get0")
        .link(0, "b2", Shared, 1, "c::get1")
        .link(0, "c1", Shared, 1, "c::live")
        .resource(1, Some("c::dtor0"))
        .resource(1, Some("c::dtor1"));
    let make = |number: u32, handle: u32| {
        format!(
            " push.0 call.stubs::a{} call.stubs::recv_own{number} {}",
            number + 1,
            expect(handle)
        )
    };
    let use_up = |number: u32, handle: u32, rep: u32| {
        format!(
            " push.{handle} call.stubs::send_borrow{number} call.stubs::b{} {} push.{handle} \
             call.stubs::drop{number} drop ",
            number + 1,
            expect(rep)
        )
    };
    let steps = [
        make(0, 1),
        make(1, 2),
        make(0, 3),
        make(1, 4),
        live(4),
        use_up(1, 2, 0x81),
        use_up(0, 1, 0x41),
        use_up(1, 4, 0x82),
        use_up(0, 3, 0x42),
        live(0),
    ];
    ends(&builder, &main(&steps));
}
