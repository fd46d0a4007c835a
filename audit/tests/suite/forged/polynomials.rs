//! Polynomials over the quadratic extension: results, helpers and evaluation points.

use miden_core::{
    Felt, FieldElement, ONE,
    Operation::{self, FriE2F4, HornerBase, HornerExt, Noop},
    QuadFelt, ZERO,
};
use miden_cvm_air::opcode::{FRIE2F4, HORNERBASE, HORNEREXT};

use super::{Forgery, toolkit::trace_of};
use crate::common::Case;

/// A step of Horner's method, with its row, on a stack of 20, 21, ... 35. At address 0 is a word
/// that begins with the point 3 + 5x.
fn horner(op: Operation) -> (Forgery, usize) {
    let mut stack: Vec<u64> = (20..36).collect();
    stack[13] = 0;
    let operations = [op, Noop];
    let forged = trace_of(&Case::with_memory("forged", &[3, 5, 7, 9], &operations).stack(&stack));
    let row = forged.row_of(op.op_code(), 0);
    (forged, row)
}

/// The coefficients on the stack of a row, in the order in which they are taken in.
fn coefficients(forged: &Forgery, row: usize) -> Vec<QuadFelt> {
    let top = &forged.trace.core[row].stack.top;
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
    let top = &forged.trace.core[row].stack.top;
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

/// The folding of a query in segment 2, on row 1. The stack has 20, 21, ... where it may.
pub fn fri() -> Forgery {
    let mut stack: Vec<u64> = (20..36).collect();
    (stack[9], stack[11], stack[12]) = (2, 22, 23);
    trace_of(&Case::operations("forged", vec![FriE2F4, Noop]).stack(&stack))
}

/// The values of the query on row 1.
fn values(forged: &Forgery) -> [QuadFelt; 4] {
    let top = &forged.trace.core[1].stack.top;
    [6, 4, 2, 0].map(|high| QuadFelt::new(top[high + 1], top[high]))
}

/// Claims another result at these positions.
fn leave(forged: &mut Forgery, results: &[(usize, Felt)]) {
    forged.edit_from(2, |core| {
        for &(at, value) in results {
            core.stack.top[at] = value;
        }
    });
    forged.claim_outputs();
}

/// Claims everything that follows from a ratio, its square and the halves, which may be wrong; a
/// half that is not given is folded.
fn fold_with(
    forged: &mut Forgery,
    ratio: QuadFelt,
    square: QuadFelt,
    halves: [Option<QuadFelt>; 2],
) {
    let fold = |at: QuadFelt, opposite: QuadFelt, ratio: QuadFelt| {
        (at + opposite + (at - opposite) * ratio) / QuadFelt::from(2u32)
    };
    // 2^48 is a fourth root of unity.
    let root = QuadFelt::from(Felt::new(1 << 48));
    let [v0, v1, v2, v3] = values(forged);
    let even = halves[0].unwrap_or_else(|| fold(v0, v2, ratio));
    let odd = halves[1].unwrap_or_else(|| fold(v1, v3, ratio / root));
    let folded = fold(even, odd, square);
    set_helpers(forged, 1, 0, ratio);
    set_helpers(forged, 1, 2, square);
    for (at, value) in [(0, even), (2, odd), (13, folded)] {
        let [low, high] = value.to_base_elements();
        leave(forged, &[(at, high), (at + 1, low)]);
    }
}

#[test]
fn an_honest_fold_written_down_again() {
    let mut forged = fri();
    let helpers = forged.trace.core[1].helpers;
    let ratio = QuadFelt::new(helpers[0], helpers[1]);
    fold_with(&mut forged, ratio, ratio.square(), [None, None]);
    forged.settles_to(&[]);
}

#[test]
fn another_result_of_folding() {
    for at in [0, 1, 2, 3, 9, 10, 12, 13, 14, 15] {
        let mut forged = fri();
        let value = forged.trace.core[2].stack.top[at] + ONE;
        leave(&mut forged, &[(at, value)]);
        let found = forged.settle().violations();
        assert!(found.contains("stack.next"), "{at}: {found:?}");
    }
    // The power, squared once and twice.
    let mut forged = fri();
    let square = forged.trace.core[2].stack.top[8] + ONE;
    leave(&mut forged, &[(8, square), (11, square.square())]);
    forged.settles_to(&["stack.next"]);
    // A half, with the value that follows from it.
    for half in 0..2 {
        let mut forged = fri();
        let helpers = forged.trace.core[1].helpers;
        let ratio = QuadFelt::new(helpers[0], helpers[1]);
        let mut halves = [None, None];
        halves[half] = Some(QuadFelt::new(Felt::new(5), Felt::new(6)));
        fold_with(&mut forged, ratio, ratio.square(), halves);
        forged.settles_to(&["stack.next"]);
    }
}

#[test]
fn another_ratio() {
    let other = QuadFelt::new(Felt::new(5), Felt::new(6));
    let mut forged = fri();
    fold_with(&mut forged, other, other.square(), [None, None]);
    forged.settles_to(&["stack.fri_ratio"]);
    let mut forged = fri();
    let helpers = forged.trace.core[1].helpers;
    let ratio = QuadFelt::new(helpers[0], helpers[1]);
    fold_with(&mut forged, ratio, other, [None, None]);
    forged.settles_to(&["stack.fri_square"]);
}

/// Claims everything that follows from a point and an inverse of it.
fn fold_at(forged: &mut Forgery, point: Felt, inverse: Felt) {
    let top = &forged.trace.core[1].stack.top;
    let ratio = QuadFelt::new(top[14], top[13]) * QuadFelt::from(inverse);
    forged.core(1).helpers[4] = point;
    forged.core(1).helpers[5] = inverse;
    fold_with(forged, ratio, ratio.square(), [None, None]);
}

#[test]
fn another_point_of_a_query() {
    let mut forged = fri();
    let point = Felt::new(9);
    fold_at(&mut forged, point, point.inv());
    forged.settles_to(&["stack.fri_point"]);
    // Or its inverse is none: the challenge is divided by something else, or by nothing.
    for inverse in [Felt::new(9), ZERO] {
        let mut forged = fri();
        let point = forged.trace.core[1].helpers[4];
        fold_at(&mut forged, point, inverse);
        forged.settles_to(&["stack.fri_inverse"]);
    }
}

/// Flags of segments as FRIE2F4 leaves them, and the power of the root that belongs to them.
fn segments(forged: &mut Forgery, flags: [Felt; 4]) {
    let root = Felt::new(1 << 48).inv();
    let power = (0..4).fold(ZERO, |sum, i| sum + flags[i] * root.exp(i as u64));
    let [f0, f1, f2, f3] = flags;
    leave(forged, &[(4, f3), (5, f2), (6, f1), (7, f0), (9, power)]);
    let point = Felt::new(7) * forged.trace.core[1].stack.top[10] * power;
    fold_at(forged, point, point.inv());
}

/// Puts something else on the stack before the operation.
fn give(forged: &mut Forgery, at: usize, value: Felt) {
    forged.edit(0..2, |core| core.stack.top[at] = value);
    forged.claim_inputs();
}

#[test]
fn another_segment() {
    // Honest, so that what follows fails for its own reason.
    let mut forged = fri();
    segments(&mut forged, [ZERO, ZERO, ONE, ZERO]);
    forged.settles_to(&[]);
    // Flags of the segment whose value it is not.
    segments(&mut forged, [ZERO, ONE, ZERO, ZERO]);
    forged.settles_to(&["stack.fri_previous", "stack.fri_segment"]);
    give(&mut forged, 9, ONE);
    forged.settles_to(&["stack.fri_previous"]);
    // Half of segment 1 and half of segment 3 make 2.
    let half = Felt::new(2).inv();
    let mut forged = fri();
    segments(&mut forged, [ZERO, half, ZERO, half]);
    let [_, v1, _, v3] = values(&forged);
    let [low, high] = ((v1 + v3) * QuadFelt::from(half)).to_base_elements();
    give(&mut forged, 11, high);
    give(&mut forged, 12, low);
    forged.settles_to(&["stack.fri_segment_binary"]);
    // Segments 0 and 2 at once.
    let mut forged = fri();
    segments(&mut forged, [ONE, ZERO, ONE, ZERO]);
    let [v0, _, v2, _] = values(&forged);
    let [low, high] = (v0 + v2).to_base_elements();
    give(&mut forged, 11, high);
    give(&mut forged, 12, low);
    let found = forged.settle().violations();
    assert!(found.contains("stack.fri_segment"), "{found:?}");
    // Segment 4, with no flag.
    let mut forged = fri();
    segments(&mut forged, [ZERO; 4]);
    give(&mut forged, 9, Felt::new(4));
    give(&mut forged, 11, ZERO);
    give(&mut forged, 12, ZERO);
    forged.settles_to(&["stack.fri_segment"]);
}

#[test]
fn a_value_that_the_layer_before_was_not_folded_into() {
    for at in [11, 12] {
        let mut forged = fri();
        give(&mut forged, at, Felt::new(99));
        forged.settles_to(&["stack.fri_previous"]);
    }
}

#[test]
fn a_fold_that_says_it_is_none() {
    let mut forged = fri();
    assert_eq!(forged.opcode(1), FRIE2F4);
    forged.core(1).decoder.polynomial = ZERO;
    // It drops the top, as the operations of its class do.
    let mut top = [ZERO; 16];
    top[..15].copy_from_slice(&forged.trace.core[1].stack.top[1..]);
    forged.edit_from(2, |core| core.stack.top = top);
    forged.claim_outputs();
    forged.settles_to(&["decoder.polynomial"]);
}
