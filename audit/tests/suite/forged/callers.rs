//! The intrinsic that tells who called in.

use miden_core::{Felt, FieldElement, ONE, ZERO};
use miden_cvm_air::{
    columns::OpcodeCols,
    composition::{Intrinsic, LinkKind::Shared},
    opcode::{CALL, CALLER_ID, INTRINSIC},
};

use super::{Forgery, toolkit::edit_call};
use crate::composition::Builder;

fn traced() -> Forgery {
    let builder = Builder::new(2)
        .component("tell", "pub proc who call.stubs::caller end")
        .link(0, "a1", Shared, 1, "tell::who")
        .resource(0, None)
        .told_callers();
    let main = "begin call.stubs::a1 push.7 call.stubs::new0 call.stubs::rep0 drop end";
    Forgery::new(builder.trace(main))
}

#[test]
fn another_instance_than_the_caller() {
    // The answer is that of somebody else, as far as the call's end.
    let mut forged = traced();
    let row = forged.row_of(CALLER_ID, 0);
    let (_, end) = forged.block_of(CALL, 0);
    assert!(row < end && end < forged.row_of(INTRINSIC, 0));
    forged.core(row + 1).stack.top[0] = Felt::new(5);
    forged.settles_to_more_than(&["memory.value"]);
    // It is read from another state, of a table that is longer.
    let mut forged = traced();
    edit_call(forged.core(row), |call| call.table_len += ONE);
    forged.settles_to(&["memory.value"]);
}

#[test]
fn an_answer_without_a_question() {
    // The resource tables are asked, which do not know.
    let mut forged = traced();
    let row = forged.row_of(CALLER_ID, 0);
    forged.core(row).op = OpcodeCols::of(INTRINSIC);
    edit_call(forged.core(row), |call| call.table_len = ZERO);
    forged.settles_to(&["bus.Table"]);
    edit_call(forged.core(row), |call| call.table_len = ONE);
    forged.settles_to(&["bus.Table", "call.intrinsic_state"]);
}

#[test]
fn another_intrinsic_that_asks_nobody() {
    // What a handle stands for is read from the state of the instance.
    let mut forged = traced();
    let rep = forged.row_of(INTRINSIC, 1);
    forged.core(rep).op = OpcodeCols::of(CALLER_ID);
    forged.settles_to_more_than(&["bus.Table", "call.opcode_kind", "memory.value"]);
    // The link's kind is another one.
    let mut forged = traced();
    let row = forged.row_of(CALLER_ID, 0);
    edit_call(forged.core(row), |call| {
        call.shared -= ONE;
        let adopts = Felt::from(Intrinsic::Adopt.code());
        call.saved_overflow_ptr = (call.shared - adopts).inv();
    });
    let distances = [Intrinsic::Save, Intrinsic::Restore]
        .map(|intrinsic| forged.trace.core[row].as_intrinsic().kind - Felt::from(intrinsic.code()));
    edit_call(forged.core(row), |call| {
        call.table_len_inv = (distances[0] * distances[1]).inv();
    });
    forged.settles_to(&["bus.Link", "call.opcode_kind"]);
    // A call that is shared and fresh at once is another one.
    let mut forged = traced();
    let row = forged.row_of(CALL, 0);
    edit_call(forged.core(row), |call| call.fresh = ONE);
    forged.settles_to_more_than(&["bus.Link"]);
}
