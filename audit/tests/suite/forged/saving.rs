//! The intrinsics that put the stack out of reach and put it back.

use miden_core::{Felt, FieldElement, ONE, ZERO};
use miden_cvm_air::{
    columns::CoreRow,
    composition::Intrinsic,
    opcode::{DROP, INTRINSIC},
};

use super::{Forgery, toolkit::edit_call};
use crate::composition::nosy;

/// Saves at the first INTRINSIC row, calls, restores at the second, and drops what is left.
fn traced(save: &str) -> Forgery {
    let main = format!(
        "begin
            push.1.2.3.4.5.6.7.8.9.10.11.12.13.14.15.16 push.17
            call.stubs::{save} call.stubs::a1 call.stubs::restore
            repeat.17 drop end
        end"
    );
    Forgery::new(nosy().trace(&main))
}

/// The rows that save and that restore.
fn rows(forged: &Forgery) -> [usize; 2] {
    [0, 1].map(|nth| forged.row_of(INTRINSIC, nth))
}

#[test]
fn another_stack_comes_back() {
    let honest = traced("save");
    let [_, restores] = rows(&honest);
    let bus_of = |position: usize| match position {
        1..=5 => "bus.SavedFrame",
        _ => "bus.SavedElements",
    };
    // Until the first DROP it stays where it is.
    let drops = (restores..).find(|&row| honest.opcode(row) == DROP);
    let after = restores + 1..drops.expect("it is dropped") + 1;
    for position in 1..16 {
        let mut forged = honest.clone();
        forged.edit(after.clone(), |core| core.stack.top[position] += ONE);
        // Every DROP moves it up by one.
        for drops in 1..=position {
            forged.core(after.end + drops - 1).stack.top[position - drops] += ONE;
        }
        forged.settles_to(&[bus_of(position)]);
    }
}

#[test]
fn another_depth_or_pointer_comes_back() {
    let honest = traced("save");
    let [_, restores] = rows(&honest);
    let mut forged = honest.clone();
    forged.core(restores + 1).stack.overflow_ptr += ONE;
    forged.settles_to_more_than(&["bus.SavedFrame", "stack.overflow_ptr"]);
    let mut forged = honest;
    forged.core(restores + 1).stack.depth += ONE;
    forged.settles_to_more_than(&["bus.SavedFrame", "stack.depth"]);
}

#[test]
fn what_was_saved_by_nobody() {
    let mut forged = traced("save");
    let [saves, restores] = rows(&forged);
    let pointer = forged.trace.core[restores].stack.overflow_ptr;
    assert_eq!(pointer, Felt::new(saves as u64 + 1));
    // Under the pointer of another cycle nothing was saved.
    forged.edit(saves + 1..=restores, |core| {
        if core.stack.overflow_ptr == pointer {
            core.stack.overflow_ptr += ONE;
        }
    });
    forged.settles_to_more_than(&[
        "bus.SavedElements",
        "bus.SavedFrame",
        "stack.overflow_ptr_save",
    ]);
}

#[test]
fn the_callee_sees_more() {
    for position in 1..16 {
        let mut forged = traced("save");
        let [saves, _] = rows(&forged);
        forged.core(saves + 1).stack.top[position] = Felt::new(9);
        forged.settles_to_more_than(&["stack.next"]);
    }
}

#[test]
fn another_top() {
    let mut forged = traced("save");
    let [saves, restores] = rows(&forged);
    forged.core(saves).stack.top[0] += ONE;
    forged.settles_to_more_than(&["stack.saving_top"]);
    let mut forged = traced("save");
    forged.core(restores).stack.top[0] += ONE;
    forged.settles_to_more_than(&["stack.saving_top"]);
}

#[test]
fn the_depth_below_which_nothing_is() {
    // Deeper than 16 where it is restored.
    let mut forged = traced("save");
    let [saves, restores] = rows(&forged);
    forged.core(restores).stack.depth += ONE;
    forged.core(restores).stack.depth_inv = ONE;
    forged.core(restores).stack.overflowed = ONE;
    forged.settles_to_more_than(&["stack.depth_leave"]);
    // As deep behind the save as before it.
    let mut forged = traced("save");
    let (depth, inverse) = {
        let stack = &forged.trace.core[saves].stack;
        (stack.depth, stack.depth_inv)
    };
    let stack = &mut forged.core(saves + 1).stack;
    (stack.depth, stack.depth_inv, stack.overflowed) = (depth, inverse, ONE);
    forged.settles_to_more_than(&["stack.depth", "stack.depth_enter"]);
}

#[test]
fn a_flag_that_is_not_the_kind() {
    type Edit = fn(&mut CoreRow<Felt>);
    let edits: [(Edit, &[&str]); 4] = [
        // Neither saves nor restores: the tables are asked.
        (
            |core| core.operands[0] = ZERO,
            &[
                "bus.SavedElements",
                "bus.SavedFrame",
                "bus.Table",
                "call.changes_stack",
            ],
        ),
        // Restores.
        (
            |core| (core.operands[0], core.operands[1]) = (ZERO, ONE),
            &["call.changes_stack_kind"],
        ),
        // With an inverse of zero.
        (
            |core| edit_call(core, |call| call.table_len_inv = ONE),
            &["call.changes_stack_kind"],
        ),
        // By another link.
        (
            |core| {
                let code = |intrinsic: Intrinsic| Felt::from(intrinsic.code());
                let distance = code(Intrinsic::Caller) - code(Intrinsic::Save);
                let other = code(Intrinsic::Caller) - code(Intrinsic::Restore);
                edit_call(core, |call| {
                    call.shared = code(Intrinsic::Caller);
                    call.table_len_inv = (distance * other).inv();
                });
            },
            &[
                "bus.Link",
                "call.adopts",
                "call.changes_stack",
                "call.changes_stack_kind",
            ],
        ),
    ];
    for (edit, expected) in edits {
        let mut forged = traced("save");
        let [saves, _] = rows(&forged);
        edit(forged.core(saves));
        forged.settles_to_more_than(expected);
    }
}

#[test]
fn a_pair_that_is_none() {
    // What the link says decides whether a second element is seen.
    let mut forged = traced("save");
    let [saves, _] = rows(&forged);
    edit_call(forged.core(saves), |call| call.has_data = ONE);
    forged.settles_to_more_than(&["bus.Link", "stack.next"]);
    let mut forged = traced("save_pair");
    edit_call(forged.core(saves), |call| call.has_data = ZERO);
    forged.settles_to_more_than(&["bus.Link", "stack.next"]);
}
