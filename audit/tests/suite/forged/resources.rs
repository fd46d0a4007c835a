//! Resource tables: handles, tokens, destructors, and the kernel's access to memory.

use miden_core::{Felt, FieldElement, ONE, ZERO};
use miden_cvm_air::{
    columns::OpcodeCols,
    composition::LinkKind::{Isolated, Shared},
    opcode::{CALL, CALLER_ID, DESTROY, DESTRUCTOR, END, INSTANTIATE, INTRINSIC, OWN_DESTRUCTOR},
};
use miden_cvm_processor::ExecutionTrace;

use super::{
    Forgery,
    toolkit::{edit_call, edit_end, masm},
};
use crate::composition::Builder;

/// Defines type 0, which has no destructor, and type 1, whose destructor is `end`.
const HOME: &str = "
    pub proc make push.42 call.stubs::new0 call.stubs::send_own0 swap drop end
    pub proc make1 push.43 call.stubs::new1 call.stubs::send_own1 swap drop end
    pub proc look call.stubs::recv_borrow0 end
    pub proc own push.44 call.stubs::new1 call.stubs::drop1 drop
        push.45 call.stubs::new0 dup call.stubs::rep0 drop call.stubs::drop0 drop end
    pub proc end neg neg end";
const READER: &str = "
    pub proc read call.stubs::recv_borrow0 call.stubs::drop0 end
    pub proc take call.stubs::recv_own0 call.stubs::drop0 end";

fn builder() -> Builder {
    Builder::new(3)
        .component("home", HOME)
        .component("reader", READER)
        .link(0, "a1", Shared, 1, "home::make")
        .link(0, "a2", Shared, 1, "home::make1")
        .link(0, "b1", Shared, 1, "home::look")
        .link(0, "b2", Shared, 2, "reader::read")
        .link(0, "c1", Shared, 2, "reader::take")
        .link(0, "c2", Shared, 1, "home::own")
        .resource(1, None)
        .resource(1, Some("home::end"))
}

fn traced(advice: &[u64], main: &str) -> Forgery {
    Forgery::new(builder().advice(advice).trace(&format!("begin {main} end")))
}

/// Takes two handles, of either type, and drops the one that the advice names.
const TWO: &str = "call.stubs::a1 call.stubs::recv_own0 drop
    call.stubs::a2 call.stubs::recv_own1 drop
    adv_push.1 call.stubs::drop0 drop";
/// The operation in [`TWO`] that drops.
const DROP: usize = 6;

/// The row of the `nth` operation on a table.
fn row_of(forged: &mut Forgery, nth: usize) -> usize {
    forged.table(nth).request.asked.time.as_int() as usize - 1
}

/// Has the `nth` operation asked with another top of the stack, which came from advice.
fn ask(forged: &mut Forgery, nth: usize, input: Felt) {
    let row = row_of(forged, nth);
    let old = forged.trace.core[row].stack.top[0];
    for row in (0..=row).rev() {
        let core = forged.core(row);
        if core.decoder.in_block == ONE && core.stack.top[0] != old {
            break;
        }
        core.stack.top[0] = input;
    }
    forged.table(nth).request.asked.input = input;
}

#[test]
fn a_handle_that_was_never_given() {
    let mut forged = traced(&[1], TWO);
    ask(&mut forged, DROP, Felt::new(3));
    forged.settles_to(&["resources.handle_named"]);
    forged.table(DROP).handle = Felt::new(3);
    let row = *forged.table(DROP);
    let outcome = forged.outcome(DROP);
    outcome.handle = Felt::new(3);
    outcome.state[1] = Felt::new(3);
    // As if there were a handle; or as it is.
    forged.settles_to(&["memory.value"]);
    forged.table(DROP).entry = [ZERO; 4];
    forged.table(DROP).witness = row.request.asked.mark.inv();
    forged.settles_to(&["resources.entry_own", "resources.entry_resource"]);
}

#[test]
fn a_handle_of_another_type() {
    let mut forged = traced(&[1], TWO);
    let two = Felt::new(2);
    ask(&mut forged, DROP, two);
    forged.table(DROP).handle = two;
    forged.table(DROP).entry = [Felt::new(43), two, ONE, ZERO];
    let outcome = forged.outcome(DROP);
    outcome.handle = two;
    outcome.state[1] = two;
    forged.settles_to(&["resources.entry_resource"]);
    // Under the other type's link, which it has not named.
    forged.table(DROP).request.resource = two;
    forged.settles_to(&["bus.Table"]);
    let row = row_of(&mut forged, DROP);
    forged.core(row).decoder.group_start = two;
    forged.settles_to(&["bus.Link"]);
}

#[test]
fn a_handle_of_another_instance() {
    let main = "call.stubs::a1 call.stubs::recv_own0 dup call.stubs::send_borrow0
        call.stubs::b2 drop call.stubs::drop0 drop";
    let mut forged = traced(&[], main);
    // The reader drops a borrow of its own; the root's table has an own handle there.
    let reads = 5;
    assert_eq!(forged.table(reads).op.drop, ONE);
    forged.table(reads).request.asked.context = ZERO;
    forged.outcome(reads).context = ZERO;
    forged.settles_to_more_than(&["bus.Table", "memory.value"]);
}

#[test]
fn a_handle_that_is_used_twice() {
    let main = "call.stubs::a1 call.stubs::recv_own0 drop
        call.stubs::a1 call.stubs::recv_own0 drop
        adv_push.1 call.stubs::drop0 drop
        adv_push.1 call.stubs::drop0 drop";
    let mut forged = traced(&[1, 2], main);
    let last = 7;
    ask(&mut forged, last, ONE);
    forged.table(last).handle = ONE;
    forged.outcome(last).handle = ONE;
    forged.outcome(last).state[1] = ONE;
    forged.settles_to(&["memory.value"]);
    // The entry is free.
    forged.table(last).entry = [ZERO; 4];
    forged.settles_to(&["resources.entry_own", "resources.entry_resource"]);
}

#[test]
fn a_token_that_is_received_twice_or_by_a_third() {
    // Two tokens of one call; the reader takes one of them.
    let main = "call.stubs::a1 call.stubs::recv_own0 call.stubs::send_own0 call.stubs::c1 drop
        call.stubs::a1 call.stubs::recv_own0 call.stubs::send_own0 call.stubs::c1 drop";
    let mut forged = traced(&[], main);
    let (first, second) = (4, 10);
    assert_eq!(forged.table(second).op.receive, ONE);
    let token = forged.outcome(first).token;
    forged.outcome(second).token = token;
    forged.settles_to(&["bus.Token", "resources.token_id", "resources.token_mark"]);
    // With everything that the pair says of it.
    forged.table(second).request.asked.sender = token.mark;
    forged.table(second).request.asked.input = token.id;
    forged.settles_to(&["bus.Table", "bus.Token"]);
    // And with the row.
    let row = row_of(&mut forged, second);
    forged.core(row).system.sender = token.mark;
    forged.settles_to_more_than(&["bus.Token", "system.sender"]);
}

#[test]
fn a_token_with_other_contents() {
    let main = "call.stubs::a1 call.stubs::recv_own0 dup call.stubs::send_borrow0
        call.stubs::b1 drop call.stubs::drop0 drop";
    let mut forged = traced(&[], main);
    let receive = 2;
    // Another representation.
    forged.outcome(receive).token.rep = ONE;
    forged.outcome(receive).entry[0] = ONE;
    forged.settles_to_more_than(&["bus.Token"]);
    // The definer sees another one.
    let mut forged = traced(&[], main);
    let look = 4;
    assert_eq!(forged.table(look).op.receive_rep, ONE);
    forged.outcome(look).token.rep = ONE;
    forged.settles_to_more_than(&["bus.Token", "resources.output"]);
    // A borrow that becomes the ownership.
    let mut forged = traced(
        &[],
        "call.stubs::a1 call.stubs::recv_own0 dup call.stubs::send_borrow0
        call.stubs::b2 drop call.stubs::drop0 drop",
    );
    let borrow = 4;
    forged.table(borrow).own = ONE;
    forged.outcome(borrow).token.own = ONE;
    forged.outcome(borrow).entry[2] = ONE;
    forged.outcome(borrow).state[3] = ZERO;
    forged.settles_to_more_than(&["bus.Token", "resources.kind"]);
    // A token that nobody made.
    let mut forged = traced(&[], main);
    forged.outcome(receive).takes = ZERO;
    forged.settles_to(&["bus.Token", "resources.outcome_flags"]);
    let send = 1;
    forged.outcome(send).puts = ZERO;
    forged.settles_to(&["resources.outcome_flags"]);
}

#[test]
fn tokens_do_not_pass_an_isolated_call() {
    let builder = || {
        Builder::new(2)
            .component("home", HOME)
            .link(0, "a1", Isolated, 1, "home::make")
            .resource(1, None)
            .resource(1, Some("home::end"))
    };
    let trace = builder().trace("begin call.stubs::a1 drop end");
    let mut forged = Forgery::new(trace);
    let start = forged.row_of(CALL, 0);
    let id = Felt::new(start as u64 + 1);
    let end = (start..)
        .find(|&row| forged.opcode(row) == END && forged.trace.core[row].decoder.block == id)
        .expect("the call ends");
    let mark = forged.core(end).system.mark;
    forged.edit_from(end + 1, |core| core.system.sender = -mark);
    forged.settles_to(&["system.sender"]);
    edit_end(forged.core(end), |end| end.passes_tokens = ONE);
    forged.settles_to(&["bus.CallStack"]);
    // On the way in.
    let mut forged = Forgery::new(builder().trace("begin call.stubs::a1 drop end"));
    let mark = forged.core(start).system.mark;
    forged.edit(start + 1..=end, |core| core.system.sender = mark);
    forged.settles_to_more_than(&["system.sender", "bus.Table"]);
}

#[test]
fn borrows_that_are_not_counted_or_left_behind() {
    let main = "call.stubs::a1 call.stubs::recv_own0 dup call.stubs::send_borrow0
        call.stubs::b2 drop call.stubs::drop0 drop";
    let (receive, drop) = (4, 5);
    let mut forged = traced(&[], main);
    forged.outcome(receive).state[3] = ZERO;
    forged.table(drop).state[3] = ZERO;
    forged.outcome(drop).state[3] = -ONE;
    forged.settles_to_more_than(&["resources.state", "memory.value"]);
    // Dropped, but not counted down: it is still there when the call ends.
    let mut forged = traced(&[], main);
    forged.outcome(drop).state[3] = ONE;
    forged.settles_to(&["memory.value", "resources.state"]);
    // A loan that the lender's entry does not show.
    let mut forged = traced(&[], main);
    let lend = 3;
    assert_eq!(forged.table(lend).op.send, ONE);
    let mark = forged.outcome(lend).entry[3];
    assert_ne!(mark, ZERO);
    forged.outcome(lend).entry[3] = ZERO;
    forged.settles_to_more_than(&["memory.value", "resources.entry"]);
    // Nothing of a lent handle may leave under the same mark.
    let mut forged = traced(&[], main);
    let last = 6;
    let mark = forged.table(last).request.asked.mark;
    forged.table(last).entry[3] = mark;
    forged.settles_to(&["memory.value", "resources.entry_not_lent"]);
}

#[test]
fn a_free_list_that_hands_out_a_used_index() {
    let main =
        "call.stubs::a1 call.stubs::recv_own0 drop call.stubs::a1 call.stubs::recv_own0 drop";
    let mut forged = traced(&[], main);
    let second = 5;
    assert_eq!(forged.table(second).op.receive, ONE);
    forged.table(second).handle = ONE;
    forged.outcome(second).handle = ONE;
    // The entry is not free, whatever the pair says of it.
    forged.settles_to_more_than(&["memory.value", "resources.handle_new"]);
    forged.table(second).entry = [Felt::new(42), ONE, ONE, ZERO];
    forged.settles_to_more_than(&["resources.entry_free", "resources.handle_new"]);
    // A head of the free list that is none.
    let mut forged = traced(&[], main);
    let row = forged.table(second);
    row.state[1] = ONE;
    row.free_inv = ONE;
    row.grows = ZERO;
    row.handle = ONE;
    forged.settles_to_more_than(&["memory.value"]);
    // A table that does not get longer.
    let mut forged = traced(&[], main);
    forged.outcome(second).state[2] = Felt::new(2);
    forged.settles_to(&["resources.state"]);
    forged.table(second).grows = ZERO;
    forged.settles_to_more_than(&["resources.grows_not"]);
}

#[test]
fn destructors_that_are_skipped_or_run_twice() {
    for (main, drop, calls) in [
        (
            "call.stubs::a2 call.stubs::recv_own1 call.stubs::drop1 drop",
            3,
            DESTRUCTOR,
        ),
        ("call.stubs::c2", 1, OWN_DESTRUCTOR),
    ] {
        let destroy = row_of(&mut traced(&[], main), drop);
        let mut forged = traced(&[], main);
        assert_eq!(forged.opcode(destroy), DESTROY);
        assert_eq!(forged.opcode(destroy + 1), calls);
        // The table says whether there is one.
        forged.table(drop).destroys = ZERO;
        forged.table(drop).request.destroys = ZERO;
        forged.settles_to_more_than(&["bus.Table", "resources.destroys", "resources.output"]);
        // The row is one that ends at once.
        forged.core(destroy).op = OpcodeCols::of(INTRINSIC);
        forged.settles_to_more_than(&["decoder.intrinsic_ends", "decoder.destructor_destroys"]);
        // The destructor's call is another one.
        let mut forged = traced(&[], main);
        forged.core(destroy + 1).op = OpcodeCols::of(CALL);
        forged.core(destroy + 1).decoder.call = ONE;
        forged.settles_to_more_than(&["decoder.destroy_calls"]);
        // In the wrong place.
        let mut forged = traced(&[], main);
        let other = DESTRUCTOR + OWN_DESTRUCTOR - calls;
        forged.core(destroy + 1).op = OpcodeCols::of(other);
        forged.settles_to_more_than(&["call.destructor_kind", "bus.CallStack"]);
        // Of another name.
        let mut forged = traced(&[], main);
        edit_call(forged.core(destroy + 1), |call| call.named[0] += ONE);
        forged.settles_to_more_than(&["call.destroy_named", "bus.Link"]);
        // Another procedure.
        let mut forged = traced(&[], main);
        edit_call(forged.core(destroy + 1), |call| call.callee[0] += ONE);
        forged.settles_to_more_than(&["bus.Link"]);
        // With another representation.
        let mut forged = traced(&[], main);
        forged.core(destroy + 1).stack.top[0] += ONE;
        forged.table(drop).request.asked.output += ONE;
        forged.settles_to_more_than(&["resources.output"]);
        // At the very beginning, out of nothing.
        let mut forged = traced(&[], main);
        forged.core(0).op = OpcodeCols::of(calls);
        forged.settles_to_more_than(&["call.destructor_not_first"]);
    }
}

#[test]
fn dropping_what_a_running_instance_defines() {
    // The reader drops an own handle; that its definer does not run is looked at.
    let main = "call.stubs::a1 call.stubs::recv_own0 call.stubs::drop0 drop";
    let mut forged = traced(&[], main);
    let drop = 3;
    assert_eq!(forged.outcome(drop).guards, ONE);
    forged.outcome(drop).guards = ZERO;
    forged.settles_to(&["resources.guards"]);
    forged.table(drop).by_definer = ONE;
    forged.settles_to(&["resources.kind"]);
    // At another instance, which does not run.
    let mut forged = traced(&[], main);
    forged.table(drop).request.asked.home = Felt::new(2);
    forged.outcome(drop).home = Felt::new(2);
    forged.outcome(drop).home_state = [ZERO; 3];
    forged.settles_to(&["bus.Table"]);
}

#[test]
fn intrinsics_that_the_link_table_does_not_give() {
    let main = "call.stubs::a1 call.stubs::recv_own0 call.stubs::drop0 drop";
    // The root asks what its handle stands for.
    let mut forged = traced(&[], main);
    let row = row_of(&mut forged, 3);
    forged.core(row).decoder.position[0] = Felt::new(3);
    forged.settles_to_more_than(&["bus.Link", "bus.Table"]);
    // It asks for something else than it says.
    let mut forged = traced(&[], main);
    forged.table(3).request.kind = Felt::new(5);
    forged.table(3).by_definer = ONE;
    forged.settles_to_more_than(&["bus.Table"]);
    // In an open program.
    let mut forged = masm("proc f neg end begin call.f end");
    let row = forged.row_of(CALL, 0);
    for code in [
        INTRINSIC,
        CALLER_ID,
        INSTANTIATE,
        DESTROY,
        DESTRUCTOR,
        OWN_DESTRUCTOR,
    ] {
        forged.core(row).op = OpcodeCols::of(code);
        forged.core(row).decoder.call = ZERO;
        forged.settles_to_more_than(&["call.intrinsic_open"]);
    }
}

#[test]
fn marks_that_are_not_those_of_the_boundaries() {
    let main = "call.stubs::a1 call.stubs::recv_own0 call.stubs::drop0 drop";
    let mut forged = traced(&[], main);
    let start = forged.row_of(CALL, 0);
    // A boundary that leaves the mark.
    let mark = forged.core(start).system.mark;
    forged.core(start + 1).system.mark = mark;
    forged.settles_to_more_than(&["system.mark"]);
    // Another mark before the first one.
    let mut forged = traced(&[], main);
    for row in 0..=start {
        forged.core(row).system.mark = ONE;
    }
    forged.settles_to_more_than(&["boundary.mark"]);
    let mut forged = traced(&[], main);
    for row in 0..=start {
        forged.core(row).system.sender = ONE;
    }
    forged.settles_to_more_than(&["boundary.sender"]);
}

/// A run with operations on tables.
pub fn handle() -> Forgery {
    traced(&[1], TWO)
}

/// Programs with every operation on tables.
pub fn traces() -> Vec<ExecutionTrace> {
    let build =
        |advice: &[u64], main: &str| builder().advice(advice).trace(&format!("begin {main} end"));
    let mut kernel = Builder::new(2)
        .component("home", "pub proc end neg neg end")
        .link(0, "a1", Shared, 1, "home::end")
        .kernel_intrinsics();
    kernel.kernel = Some(
        "pub proc peek call.stubs::load end
        pub proc poke call.stubs::store end",
    );
    vec![
        build(&[1], TWO),
        build(
            &[],
            "call.stubs::a1 call.stubs::recv_own0 dup call.stubs::send_borrow0 call.stubs::b1 drop
            dup call.stubs::send_borrow0 call.stubs::b2 drop
            call.stubs::send_own0 call.stubs::c1 drop
            call.stubs::a1 drop call.stubs::c2
            call.stubs::a2 call.stubs::recv_own1 call.stubs::drop1 drop",
        ),
        kernel.trace(
            "begin call.stubs::a1 push.7 push.1 push.8 syscall.poke drop drop drop
            push.1 push.8 syscall.peek push.7 assert_eq drop end",
        ),
    ]
}

#[test]
fn the_kernel_reaches_memory_and_nothing_else() {
    let trace = || Forgery::new(traces().pop().expect("it is the last one"));
    let (store, load) = (0, 1);
    let mut forged = trace();
    assert_eq!(forged.table(load).op.memory, ONE);
    // Something else than what is there, or was asked.
    forged.outcome(load).value = ONE;
    forged.table(load).request.asked.output = ONE;
    forged.settles_to_more_than(&["bus.Table", "memory.value"]);
    let mut forged = trace();
    forged.outcome(store).value = ONE;
    forged.settles_to_more_than(&["memory.value", "resources.memory_value"]);
    // A number whose space of states is another space: no 48 bits.
    let mut forged = trace();
    let other = ONE + Felt::new(4).inv();
    forged.table(load).request.asked.second = other;
    forged.outcome(load).context = other;
    forged.settles_to_more_than(&["bus.Table", "resources.memory_context"]);
    forged.table(load).limbs = [other, ZERO, ZERO];
    forged.settles_to_more_than(&["bus.Range"]);
    // Limbs out of range that make up the right number.
    let limbs = |limbs: [Felt; 3]| {
        let mut forged = trace();
        assert_eq!(forged.table(load).request.asked.second, ONE);
        forged.table(load).limbs = limbs;
        forged
    };
    let two_16 = Felt::new(1 << 16);
    limbs([ONE - two_16, ONE, ZERO]).settles_without(&["resources.limb0"]);
    limbs([ONE, -two_16, ONE]).settles_without(&["resources.limb1"]);
    limbs([ONE, ONE, -two_16.inv()]).settles_without(&["resources.limb2"]);
    // An instance that was not created.
    let mut forged = trace();
    let third = Felt::new(5);
    let row = forged.table(load);
    row.request.asked.second = third;
    row.limbs = [third, ZERO, ZERO];
    row.state = [ZERO; 4];
    row.request.asked.output = ZERO;
    let outcome = forged.outcome(load);
    outcome.context = third;
    outcome.value = ZERO;
    forged.settles_to_more_than(&["resources.memory_created"]);
}
