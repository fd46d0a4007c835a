//! Results of operations: limbs that are out of range, numbers that are not canonical, the overflow
//! table, and what the machine tells about itself.

use miden_core::{
    Felt, ONE,
    Operation::{self, *},
    ZERO,
};

use super::{Forgery, toolkit::trace_of};
use crate::common::Case;

const ALL_ONES: u64 = u32::MAX as u64;

/// The trace of an operation on row 1, and of NOOPs after it.
fn operation(op: Operation, stack: &[u64]) -> Forgery {
    trace_of(&Case::operations("forged", vec![op, Noop]).stack(stack))
}

/// Claims other results on top of the stack, with these helpers.
fn claim<const N: usize>(forgery: &mut Forgery, results: [Felt; N], helpers: [Felt; 6]) {
    forgery.core(1).helpers = helpers;
    forgery.edit_from(2, |core| core.stack.top[..N].copy_from_slice(&results));
    forgery.claim_outputs();
}

fn felts<const N: usize>(values: [u64; N]) -> [Felt; N] {
    values.map(Felt::new)
}

#[test]
fn limbs_out_of_range() {
    let two_32 = Felt::new(1 << 32);
    // 5 + 7 = 2^32 + (12 - 2^32)
    let mut forged = operation(U32add, &[5, 7]);
    let low = Felt::new(12) - two_32;
    claim(&mut forged, [ONE, low], [low, ZERO, ONE, ZERO, ZERO, ZERO]);
    forged.settles_to(&["bus.Range"]);

    // The same with limbs that make up for each other: the sum is right, but it is no 32-bit number.
    let mut forged = operation(U32add, &[5, 7]);
    let low = Felt::new(12) - two_32;
    let limb = -Felt::new(1 << 16);
    claim(
        &mut forged,
        [ONE, low],
        [Felt::new(12), limb, ONE, ZERO, ZERO, ZERO],
    );
    forged.settles_to(&["bus.Range"]);

    let mut forged = operation(U32add3, &[5, 7, 9]);
    let low = Felt::new(21) - two_32;
    claim(&mut forged, [ONE, low], [low, ZERO, ONE, ZERO, ZERO, ZERO]);
    forged.settles_to(&["bus.Range"]);

    // A sum whose high half needs two limbs: 12 is also the 12 + p of 64 bits.
    let mut forged = operation(U32add, &[5, 7]);
    claim(
        &mut forged,
        felts([ALL_ONES, 13]),
        felts([13, 0, 0xffff, 0xffff, 0, 0]),
    );
    forged.settles_to(&["stack.u32_narrow"]);

    // 2^32 passes for a 32-bit number.
    let mut forged = operation(U32assert2(ZERO), &[1, 2]);
    forged.edit_from(0, |core| core.stack.top[0] = two_32);
    forged.core(1).helpers[2] = two_32;
    forged.claim_inputs();
    forged.claim_outputs();
    forged.settles_to(&["bus.Range"]);
}

#[test]
fn numbers_that_are_not_canonical() {
    // 5 = 2^32 (2^32 - 1) + 6 in the field.
    let cases = [
        (operation(U32mul, &[2, 3]), 7),
        (operation(U32madd, &[2, 3, 1]), 8),
    ];
    for (mut forged, low) in cases {
        let mut helpers = felts([low, 0, 0xffff, 0xffff, 0, 0]);
        claim(&mut forged, felts([ALL_ONES, low]), helpers);
        forged.settles_to(&["stack.u32_canonical"]);
        helpers[5] = ONE;
        claim(&mut forged, felts([ALL_ONES, low]), helpers);
        forged.settles_to(&["stack.u32_guard"]);
    }
    let operations = vec![U32split, Swap, Drop];
    let mut forged = trace_of(&Case::operations("forged", operations).stack(&[5]));
    let [low, high] = felts([6, ALL_ONES]);
    forged.core(1).helpers = felts([6, 0, 0xffff, 0xffff, 0, 0]);
    forged.core(2).stack.top[..2].copy_from_slice(&[high, low]);
    forged.core(3).stack.top[..2].copy_from_slice(&[low, high]);
    forged.edit_from(4, |core| core.stack.top[0] = high);
    forged.claim_outputs();
    forged.settles_to(&["stack.u32_canonical"]);
}

#[test]
fn differences_that_borrow() {
    // 7 - 5 with a borrow that is not there.
    let mut forged = operation(U32sub, &[5, 7]);
    let low = Felt::new(2 + (1 << 32));
    claim(&mut forged, [ONE, low], felts([2, 1 << 16, 0, 0, 0, 0]));
    forged.settles_to(&["bus.Range"]);
    claim(&mut forged, [ONE, low], [low, ZERO, ZERO, ZERO, ZERO, ZERO]);
    forged.settles_to(&["bus.Range"]);
    // With a part of a borrow.
    let part = Felt::new(7) / Felt::new(1 << 32);
    claim(&mut forged, [part, Felt::new(9)], felts([9, 0, 0, 0, 0, 0]));
    forged.settles_to(&["stack.u32_borrow"]);
}

#[test]
fn quotients() {
    // 7 = 2 * 2 + 3
    let mut forged = operation(U32div, &[2, 7]);
    let [quotient, remainder] = felts([2, 3]);
    let distance = Felt::new(2) - remainder - ONE;
    let helpers = [quotient, ZERO, distance, ZERO, ZERO, ZERO];
    claim(&mut forged, [remainder, quotient], helpers);
    forged.settles_to(&["bus.Range"]);
    // 7 = 4 * 2 - 1
    let [quotient, remainder] = [Felt::new(4), -ONE];
    claim(
        &mut forged,
        [remainder, quotient],
        felts([4, 0, 2, 0, 0, 0]),
    );
    forged.settles_without(&["stack.u32_remainder_low"]);
    // 7 = (7 / 2) * 2
    let quotient = Felt::new(7) / Felt::new(2);
    let helpers = [quotient, ZERO, ONE, ZERO, ZERO, ZERO];
    claim(&mut forged, [ZERO, quotient], helpers);
    forged.settles_to(&["bus.Range"]);
    let helpers = [ZERO, ZERO, ONE, ZERO, ZERO, ZERO];
    claim(&mut forged, [ZERO, quotient], helpers);
    forged.settles_to(&["bus.Range", "stack.u32_div"]);
    // By zero.
    let mut forged = operation(U32div, &[1, 7]);
    forged.edit(0..2, |core| core.stack.top[0] = ZERO);
    forged.claim_inputs();
    let remainder = Felt::new(7);
    let helpers = [ZERO, ZERO, -remainder - ONE, ZERO, ZERO, ZERO];
    claim(&mut forged, [remainder, ZERO], helpers);
    forged.settles_to(&["bus.Range"]);
}

#[test]
fn an_exponent_that_is_not_canonical() {
    // The exponent 4 as 4 + p, which is odd. The stack is bit, base, accumulator, exponent.
    let mut forged = operation(Expacc, &[0, 3, 1, 4]);
    let half = (Felt::new(4) - ONE) / Felt::new(2);
    let results = [ONE, Felt::new(9), Felt::new(3), half];
    // factor, half of the lowest limb (5), limbs 1 and 2, inverse, guard
    claim(&mut forged, results, felts([3, 2, 0, 0xffff, 0, 0]));
    forged.settles_to(&["stack.expacc_canonical"]);
    claim(&mut forged, results, felts([3, 2, 0, 0xffff, 0, 1]));
    forged.settles_to(&["stack.expacc_guard"]);
    // Or as 5 - 1, without its own limbs.
    let helpers = [
        Felt::new(3),
        (Felt::new(4) - ONE) / Felt::new(2),
        ZERO,
        ZERO,
        ZERO,
        ONE,
    ];
    claim(&mut forged, results, helpers);
    forged.settle();
    assert!(forged.violations().contains("bus.Range"));
}

#[test]
fn bitwise_results() {
    for (op, honest) in [(U32and, 2), (U32xor, 5)] {
        let mut forged = operation(op, &[3, 6]);
        assert_eq!(forged.trace.core[2].stack.top[0], Felt::new(honest));
        let helpers = forged.trace.core[1].helpers;
        claim(&mut forged, [Felt::new(7)], helpers);
        forged.settles_to(&["bus.Bitwise"]);
    }
    // 6 AND 3 is 5 if bits may be anything: 6 is 1 + 2 * 2 + 4 / 4.
    let mut forged = operation(U32and, &[3, 6]);
    let helpers = forged.trace.core[1].helpers;
    claim(&mut forged, [Felt::new(5)], helpers);
    let row = forged.bitwise(0);
    assert_eq!(row.a[..3], felts([0, 1, 1]));
    row.a[..3].copy_from_slice(&[ONE, Felt::new(2), ONE / Felt::new(4)]);
    row.result = Felt::new(5);
    forged.recount().assert_rejected(&["bitwise.a_binary"]);
}

#[test]
fn conditions() {
    let equal = |forged: &mut Forgery| claim(forged, [ONE], [ZERO; 6]);
    let mut forged = operation(Eq, &[5, 7]);
    equal(&mut forged);
    forged.settles_to(&["stack.eq"]);
    let mut forged = operation(Eqz, &[5]);
    equal(&mut forged);
    forged.settles_to(&["stack.eqz"]);

    let mut forged = operation(Assert(ZERO), &[1]);
    forged.edit(0..2, |core| core.stack.top[0] = Felt::new(2));
    forged.claim_inputs();
    forged.settles_to(&["stack.one"]);

    let mut forged = operation(Not, &[1]);
    forged.edit(0..2, |core| core.stack.top[0] = Felt::new(2));
    forged.claim_inputs();
    claim(&mut forged, [-ONE], [ZERO; 6]);
    forged.settles_to(&["stack.binary"]);

    let mut forged = operation(Inv, &[4]);
    claim(&mut forged, [Felt::new(4)], [ZERO; 6]);
    forged.settles_to(&["stack.inverse"]);
}

#[test]
fn what_the_machine_tells_about_itself() {
    for op in [Clk, SDepth] {
        let operations = vec![op, Swap, Drop];
        let mut forged = trace_of(&Case::operations("forged", operations));
        let value = Felt::new(1000);
        forged.core(2).stack.top[0] = value;
        forged.core(3).stack.top[1] = value;
        forged.edit_from(4, |core| core.stack.top[0] = value);
        forged.claim_outputs();
        forged.settles_to(&["stack.next"]);
    }
    let mut forged = operation(Caller, &[]);
    // The last two helpers say that it is not the kernel that asks.
    claim(&mut forged, [ONE; 4], [ONE, ONE, ONE, ONE, ZERO, ONE]);
    forged.settles_to(&["stack.next"]);
}

/// Three elements pushed over the stack 1, 2, ... 16, and dropped again. Row `i` executes operation
/// `i`, from 1.
fn three_deep() -> Forgery {
    let inputs: Vec<u64> = (1..=16).collect();
    let operations = vec![Pad, Pad, Pad, Drop, Drop, Drop];
    trace_of(&Case::operations("forged", operations).stack(&inputs))
}

#[test]
fn overflow_entries_in_another_order() {
    let mut forged = three_deep();
    let [first, last] = felts([14, 16]);
    for (rows, at, value) in [
        (5..6, 15, last),
        (6..7, 14, last),
        (7..8, 13, last),
        (7..8, 15, first),
    ] {
        forged.edit(rows, |core| core.stack.top[at] = value);
    }
    forged.edit_from(8, |core| {
        core.stack.top[13] = last;
        core.stack.top[15] = first;
    });
    forged.claim_outputs();
    forged.settles_to(&["bus.Overflow"]);
    // With pointers to match: the entry of row 1 is taken first.
    forged.core(4).stack.overflow_ptr = ONE;
    forged.settle();
    let found = forged.violations();
    assert!(found.contains("stack.overflow_ptr_push"), "{found:?}");
}

#[test]
fn an_overflow_entry_that_does_not_come_back() {
    // The first DROP claims that nothing is there.
    let mut forged = three_deep();
    let stack = &mut forged.core(4).stack;
    stack.overflowed = ZERO;
    stack.depth_inv = ZERO;
    forged.core(5).stack.top[15] = ZERO;
    forged.core(6).stack.top[14] = ZERO;
    forged.core(7).stack.top[13] = ZERO;
    forged.edit_from(8, |core| core.stack.top[13] = ZERO);
    forged.claim_outputs();
    forged.settle();
    let found = forged.violations();
    for name in ["stack.not_overflowed", "stack.depth", "bus.Overflow"] {
        assert!(found.contains(name), "{name} is not in {found:?}");
    }
}

#[test]
fn an_overflow_entry_from_nothing() {
    // A DROP on a stack of depth 16 brings up an entry that was never pushed.
    let mut forged = operation(Drop, &[]);
    forged.core(1).stack.overflowed = ONE;
    forged.edit_from(2, |core| core.stack.top[15] = Felt::new(9));
    forged.claim_outputs();
    forged.settle();
    let found = forged.violations();
    for name in ["stack.overflowed", "bus.Overflow"] {
        assert!(found.contains(name), "{name} is not in {found:?}");
    }
    // Or an operation that does not push says that it does.
    let mut forged = operation(Noop, &[]);
    forged.core(1).stack.shift_right = ONE;
    forged.settle();
    let found = forged.violations();
    for name in ["stack.shift_right", "bus.Overflow"] {
        assert!(found.contains(name), "{name} is not in {found:?}");
    }
}

#[test]
fn a_depth_that_does_not_grow() {
    // PAD at depth 16 stays at 16; the element that it pushes down is lost.
    let inputs: Vec<u64> = (1..=16).collect();
    let operations = vec![Pad, Drop];
    let mut forged = trace_of(&Case::operations("forged", operations).stack(&inputs));
    let stack = &mut forged.core(2).stack;
    stack.depth = Felt::new(16);
    stack.overflowed = ZERO;
    stack.depth_inv = ZERO;
    stack.overflow_ptr = ONE;
    forged.edit_from(3, |core| {
        core.stack.top[15] = ZERO;
        core.stack.overflow_ptr = ONE;
    });
    forged.claim_outputs();
    forged.settles_to(&["bus.Overflow", "stack.depth"]);
}

/// An operand of 32-bit arithmetic that is 2^32 more than one, on top of the stack or below. Either the upper
/// limb is out of range or, if that is 0, the lower one.
fn beyond_32_bits(operand: usize, upper: bool) -> Forgery {
    let mut forged = operation(U32add3, &[5, 7, 9]);
    let value = forged.trace.core[1].stack.top[operand] + Felt::new(1 << 32);
    forged.edit(0..2, |core| core.stack.top[operand] = value);
    if !upper {
        forged.core(1).operands[operand] = value;
    }
    let helpers = felts([21, 0, 1, 0, 0, 0]);
    claim(&mut forged, felts([1, 21]), helpers);
    forged.claim_inputs();
    forged
}

#[test]
fn limbs_of_operands_out_of_range() {
    beyond_32_bits(0, false).settles_without(&["stack.u32_top_low"]);
    beyond_32_bits(0, true).settles_without(&["stack.u32_top_high"]);
    beyond_32_bits(1, false).settles_without(&["stack.u32_second_low"]);
    beyond_32_bits(1, true).settles_without(&["stack.u32_second_high"]);
    beyond_32_bits(2, false).settles_without(&["stack.u32_third_low"]);
    beyond_32_bits(2, true).settles_without(&["stack.u32_third_high"]);
}

/// Operands that are no 32-bit numbers, with results that their limbs allow: the run would have
/// trapped.
#[test]
fn arithmetic_of_32_bits_has_operands_of_32_bits() {
    // 5 - 2^32 less 3 is 2, with a borrow.
    let mut forged = operation(U32sub, &[3, 5]);
    let operand = Felt::new(5) - Felt::new(1 << 32);
    forged.edit(0..2, |core| core.stack.top[1] = operand);
    forged.edit_from(2, |core| core.stack.top[0] = ONE);
    forged.claim_inputs();
    forged.claim_outputs();
    forged.settles_to(&["bus.Range"]);

    // The halves of a product say nothing about its factors: 2^48 times 2^-16 is 2^32.
    let mut forged = operation(U32mul, &[1 << 16, 1 << 16]);
    let inverse = ONE / Felt::new(1 << 16);
    forged.edit(0..2, |core| {
        core.stack.top[0] = inverse;
        core.stack.top[1] = Felt::new(1 << 48);
    });
    forged.claim_inputs();
    forged.settles_to(&["bus.Range"]);
}
