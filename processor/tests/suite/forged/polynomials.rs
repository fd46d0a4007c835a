//! Polynomials over the quadratic extension: results, helpers and evaluation points.

use miden_core::{
    Felt, FieldElement, ONE,
    Operation::{self, HornerBase, HornerExt},
    QuadFelt, ZERO,
};
use miden_cvm_air::opcode::{HORNERBASE, HORNEREXT};

use super::{Forgery, toolkit::trace_of};
use crate::common::Case;

/// A step of Horner's method, with its row, on a stack of 20, 21, ... 35. At address 0 is a word
/// that begins with the point 3 + 5x.
fn horner(op: Operation) -> (Forgery, usize) {
    let mut stack: Vec<u64> = (20..36).collect();
    stack[13] = 0;
    let operations = [op, Operation::Noop];
    let forged = trace_of(&Case::with_memory("forged", &[3, 5, 7, 9], &operations).stack(&stack));
    let row = forged.row_of(op.op_code(), 0);
    (forged, row)
}

/// The coefficients on the stack of a row, in the order in which they are taken in.
fn coefficients(forged: &Forgery, row: usize) -> Vec<QuadFelt> {
    let top = &forged.rows[row].core.stack.top;
    match forged.opcode(row) {
        HORNERBASE => (0..8).map(|i| QuadFelt::from(top[7 - i])).collect(),
        HORNEREXT => (0..4)
            .map(|i| QuadFelt::new(top[7 - 2 * i], top[6 - 2 * i]))
            .collect(),
        code => panic!("{code:#b} is no step of Horner's method"),
    }
}

/// Takes coefficients in.
fn take(value: QuadFelt, point: QuadFelt, coefficients: &[QuadFelt]) -> QuadFelt {
    coefficients
        .iter()
        .fold(value, |value, &c| value * point + c)
}

fn accumulator(forged: &Forgery, row: usize) -> QuadFelt {
    let top = &forged.rows[row].core.stack.top;
    QuadFelt::new(top[15], top[14])
}

/// Writes an element of the extension into two helpers.
fn set_helpers(forged: &mut Forgery, row: usize, first: usize, value: QuadFelt) {
    forged.core(row).helpers[first..first + 2].copy_from_slice(&value.to_base_elements());
}

/// Claims another accumulator.
fn claim(forged: &mut Forgery, row: usize, value: QuadFelt) {
    let [low, high] = value.to_base_elements();
    forged.edit_from(row + 1, |core| {
        core.stack.top[14] = high;
        core.stack.top[15] = low;
    });
    forged.claim_outputs();
}

#[test]
fn another_accumulator() {
    for op in [HornerBase, HornerExt] {
        let (honest, row) = horner(op);
        let result = accumulator(&honest, row + 1);
        for error in [QuadFelt::ONE, QuadFelt::new(ZERO, ONE)] {
            let mut forged = honest.clone();
            claim(&mut forged, row, result + error);
            forged.settles_to(&["stack.next"]);
        }
        // Something else that the operation leaves alone.
        for at in [0, 7, 8, 13] {
            let mut forged = honest.clone();
            forged.edit_from(row + 1, |core| core.stack.top[at] += ONE);
            forged.claim_outputs();
            forged.settles_to(&["stack.next"]);
        }
    }
}

#[test]
fn another_value_half_way() {
    for (op, name) in [
        (HornerBase, "stack.horner_base"),
        (HornerExt, "stack.horner_ext"),
    ] {
        let (mut forged, row) = horner(op);
        let point = QuadFelt::new(Felt::new(3), Felt::new(5));
        let middle = QuadFelt::new(Felt::new(77), Felt::new(78));
        let coefficients = coefficients(&forged, row);
        let rest = &coefficients[coefficients.len() / 2..];
        set_helpers(&mut forged, row, 4, middle);
        claim(&mut forged, row, take(middle, point, rest));
        forged.settles_to(&[name]);
    }
}

#[test]
fn another_point() {
    for op in [HornerBase, HornerExt] {
        let (mut forged, row) = horner(op);
        // Only its upper coefficient is another one.
        let point = QuadFelt::new(Felt::new(3), Felt::new(6));
        let coefficients = coefficients(&forged, row);
        let (first, second) = coefficients.split_at(coefficients.len() / 2);
        let middle = take(accumulator(&forged, row), point, first);
        set_helpers(&mut forged, row, 0, point);
        if op == HornerBase {
            set_helpers(&mut forged, row, 2, point.square());
        }
        set_helpers(&mut forged, row, 4, middle);
        claim(&mut forged, row, take(middle, point, second));
        forged.settles_to(&["memory.value"]);
    }
    // The rest of the point's word.
    let (mut forged, row) = horner(HornerExt);
    forged.core(row).helpers[3] += ONE;
    forged.settles_to(&["memory.value"]);
}

#[test]
fn another_square_of_the_point() {
    // A square of which only the base step's formulas know: everything follows from it.
    let (mut forged, row) = horner(HornerBase);
    let square = QuadFelt::new(Felt::new(11), Felt::new(12));
    let point = QuadFelt::new(Felt::new(3), Felt::new(5));
    let c = coefficients(&forged, row);
    let four = |value: QuadFelt, c: &[QuadFelt]| {
        value * square.square() + c[0] * point * square + c[1] * square + c[2] * point + c[3]
    };
    let middle = four(accumulator(&forged, row), &c[..4]);
    set_helpers(&mut forged, row, 2, square);
    set_helpers(&mut forged, row, 4, middle);
    claim(&mut forged, row, four(middle, &c[4..]));
    forged.settles_to(&["stack.horner_square"]);
}

#[test]
fn a_step_that_says_it_is_none() {
    for op in [HornerBase, HornerExt] {
        let (mut forged, row) = horner(op);
        let before = accumulator(&forged, row);
        forged.core(row).decoder.polynomial = ZERO;
        claim(&mut forged, row, before);
        forged.settles_to(&["decoder.polynomial"]);
    }
}
