//! Every operation, against a plain model of it: the honest rows are accepted and send what they
//! should, and no cell of them can be changed without being noticed.

mod model;

use alloc::{format, vec::Vec};

use miden_core::{
    Felt, Operation,
    utils::{Deserializable, SliceReader},
};
use winter_math::{FieldElement, StarkField};

use self::model::{Step, felt, step};
use crate::{
    MAX_DEGREE,
    algebra::{Algebra, Degree},
    builder::{CoreFrame, NUM_PERIODIC, Periodic, Violations},
    columns::{Cells, CoreRow},
    lookup::{Bus, Content, LookupBuilder, LookupCatalog, Packing, Slot},
    opcode::OpFlags,
};

const ONE: Felt = <Felt as FieldElement>::ONE;
const ZERO: Felt = <Felt as FieldElement>::ZERO;

/// Random steps of each operation that a test looks at.
const ROUNDS: usize = 40;

/// SplitMix64.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn bit(&mut self) -> bool {
        self.below(2) == 1
    }

    fn felt(&mut self) -> Felt {
        Felt::new(self.next() % Felt::MODULUS)
    }

    fn felts<const N: usize>(&mut self) -> [Felt; N] {
        core::array::from_fn(|_| self.felt())
    }

    /// A 32-bit number, often one at an edge.
    fn u32(&mut self) -> u64 {
        let edges = [
            0,
            1,
            2,
            0xffff,
            0x1_0000,
            0x8000_0000,
            0xffff_fffe,
            0xffff_ffff,
        ];
        match self.below(3) {
            0 => edges[self.below(8) as usize],
            1 => self.below(1 << 18),
            _ => self.below(1 << 32),
        }
    }
}

/// A message as the test compares it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Message {
    bus: Bus,
    count: Felt,
    coordinates: Vec<Felt>,
}

/// Collects the messages that count, and checks how they use the slots.
#[derive(Default)]
struct Collector {
    messages: Vec<Message>,
    flagged: Vec<Slot>,
}

impl LookupBuilder for Collector {
    type Expr = Felt;

    fn send(
        &mut self,
        slot: Slot,
        name: &'static str,
        flag: Felt,
        count: Felt,
        content: Content<'_, Felt>,
    ) {
        if flag == ZERO {
            assert_eq!(count, ZERO, "{name} counts without its flag");
            return;
        }
        assert_eq!(flag, ONE, "the flag of {name}");
        assert!(
            !self.flagged.contains(&slot),
            "{name} is second in its slot"
        );
        self.flagged.push(slot);
        if count != ZERO {
            self.messages.push(Message {
                bus: content.bus,
                count,
                coordinates: content.coordinates.to_vec(),
            });
        }
    }
}

/// A row of equal cells.
fn blank<T: Copy>(cell: T) -> CoreRow<T> {
    CoreRow::filled(cell)
}

fn with_frame<R>(step: &Step, f: impl FnOnce(&CoreFrame<'_, Felt>, &OpFlags<Felt>) -> R) -> R {
    let frame = CoreFrame {
        cur: &step.cur,
        next: &step.next,
        periodic: Periodic::from_cells(&[ZERO; NUM_PERIODIC]),
        composed: step.composed,
    };
    f(&frame, &OpFlags::new(&step.cur.op))
}

fn violations(step: &Step) -> Vec<(alloc::string::String, Felt)> {
    let mut violations = Violations::default();
    with_frame(step, |frame, ops| {
        super::constraints(frame, ops, &mut violations);
    });
    violations.found
}

fn messages(step: &Step) -> Vec<Message> {
    let mut collector = Collector::default();
    with_frame(step, |frame, ops| {
        super::lookups(frame, ops, &mut collector);
    });
    sorted(collector.messages)
}

fn sorted(mut messages: Vec<Message>) -> Vec<Message> {
    messages.sort_by_key(|message| format!("{message:?}"));
    messages
}

/// Returns `true` if the stack has no objection and the range table can answer.
fn accepted(step: &Step) -> bool {
    violations(step).is_empty()
        && messages(step)
            .iter()
            .all(|m| m.bus != Bus::Range || m.coordinates[0].as_int() < 1 << 16)
}

/// All operations of `miden-core`: those that it can read back.
fn operations() -> Vec<Operation> {
    let operations: Vec<Operation> = (0..1 << Operation::OP_BITS)
        .filter_map(|code| {
            let mut bytes = [0; 9];
            bytes[0] = code;
            Operation::read_from(&mut SliceReader::new(&bytes)).ok()
        })
        .collect();
    assert_eq!(operations.len(), 93);
    operations
}

/// Calls `f` with random steps of every operation.
fn for_all_steps(mut f: impl FnMut(&Operation, &mut Rng, Step)) {
    let mut rng = Rng(1);
    for operation in operations() {
        for _ in 0..ROUNDS {
            let step = step(&operation, &mut rng);
            f(&operation, &mut rng, step);
        }
    }
}

#[test]
fn honest_steps_are_accepted() {
    for_all_steps(|operation, _, step| {
        assert_eq!(violations(&step), [], "{operation:?}");
        assert_eq!(
            messages(&step),
            sorted(step.messages.clone()),
            "{operation:?}"
        );
    });
}

/// The way in which a changed cell is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    /// A constraint of the stack is violated.
    Constraint,
    /// No constraint is, but other messages are sent or received.
    Message,
    /// One or the other.
    Either,
    /// It is not.
    Free,
}

/// Changes a cell, checks how it is noticed, and changes it back.
#[track_caller]
fn mutate(
    step: &mut Step,
    rng: &mut Rng,
    bound: Bound,
    what: &str,
    cell: impl Fn(&mut Step) -> &mut Felt,
) {
    let honest = messages(step);
    let kept = *cell(step);
    for value in [kept + ONE, kept - ONE, rng.felt()] {
        *cell(step) = value;
        // The flags are checked by the honest steps; a changed shift column has others.
        let violated = !violations(step).is_empty();
        let changed = messages(step) != honest;
        let noticed = match (violated, changed) {
            (false, false) => Bound::Free,
            (false, true) => Bound::Message,
            (true, _) => Bound::Constraint,
        };
        match bound {
            Bound::Either => assert_ne!(noticed, Bound::Free, "{what}"),
            _ => assert_eq!(noticed, bound, "{what}"),
        }
    }
    *cell(step) = kept;
}

#[test]
fn every_changed_cell_is_noticed() {
    use Bound::{Constraint, Either, Free, Message};
    for_all_steps(|operation, rng, mut step| {
        let step = &mut step;
        for i in 0..16 {
            let bound = if step.free_top.contains(&i) {
                Free
            } else if step.bus_top.contains(&i) {
                Message
            } else {
                Constraint
            };
            let what = format!("{operation:?}: next.top[{i}]");
            mutate(step, rng, bound, &what, |s| &mut s.next.stack.top[i]);
        }
        for i in 0..6 {
            if step.decoder_helpers.contains(&i) {
                continue;
            }
            let bound = if step.helpers.contains(&i) {
                Either
            } else {
                Free
            };
            let what = format!("{operation:?}: helpers[{i}]");
            mutate(step, rng, bound, &what, |s| &mut s.cur.helpers[i]);
        }

        let checked = match operation {
            Operation::U32add | Operation::U32sub | Operation::U32mul | Operation::U32div => 2,
            Operation::U32add3 | Operation::U32madd => 3,
            _ => 0,
        };
        for i in 0..3 {
            let bound = if i < checked { Message } else { Free };
            let what = format!("{operation:?}: operands[{i}]");
            mutate(step, rng, bound, &what, |s| &mut s.cur.operands[i]);
        }

        let what = |column: &str| format!("{operation:?}: {column}");
        let depth = if step.leaves { Free } else { Constraint };
        mutate(step, rng, depth, &what("next.depth"), |s| {
            &mut s.next.stack.depth
        });
        let ptr = match (step.leaves, step.bus_ptr) {
            (true, _) => Free,
            (_, true) => Message,
            _ => Constraint,
        };
        mutate(step, rng, ptr, &what("next.overflow_ptr"), |s| {
            &mut s.next.stack.overflow_ptr
        });
        mutate(step, rng, Constraint, &what("depth"), |s| {
            &mut s.cur.stack.depth
        });
        mutate(step, rng, Constraint, &what("overflowed"), |s| {
            &mut s.cur.stack.overflowed
        });
        mutate(step, rng, Constraint, &what("shift_left"), |s| {
            &mut s.cur.stack.shift_left
        });
        mutate(step, rng, Constraint, &what("shift_right"), |s| {
            &mut s.cur.stack.shift_right
        });
        let overflowed = step.cur.stack.overflowed == ONE;
        let inverse = if overflowed { Constraint } else { Free };
        mutate(step, rng, inverse, &what("depth_inv"), |s| {
            &mut s.cur.stack.depth_inv
        });
    });
}

#[test]
fn conditions_on_operands_hold() {
    use Operation as Op;
    // The position whose value has a condition, and a value that does not meet it.
    let cases = [
        (Op::Assert(ZERO), 0, 0, "stack.one"),
        (Op::Assert(ZERO), 0, 2, "stack.one"),
        (Op::Repeat, 0, 0, "stack.one"),
        (Op::Repeat, 0, 2, "stack.one"),
        (Op::Split, 0, 2, "stack.binary"),
        (Op::Loop, 0, 2, "stack.binary"),
        (Op::Not, 0, 2, "stack.binary"),
        (Op::And, 0, 2, "stack.binary"),
        (Op::And, 1, 2, "stack.binary_second"),
        (Op::Or, 0, 2, "stack.binary"),
        (Op::Or, 1, 2, "stack.binary_second"),
        (Op::CSwap, 0, 2, "stack.binary"),
        (Op::CSwapW, 0, 2, "stack.binary"),
        (Op::Inv, 0, 0, "stack.inverse"),
    ];
    let mut rng = Rng(2);
    for (operation, position, value, name) in cases {
        let mut step = step(&operation, &mut rng);
        step.cur.stack.top[position] = felt(value);
        let found = violations(&step);
        assert!(
            found.iter().any(|(found, _)| found == name),
            "{operation:?}: {found:?}"
        );
    }
}

#[test]
fn loops_are_left_on_zero_only() {
    let mut rng = Rng(3);
    let mut tried = 0;
    for _ in 0..ROUNDS {
        let mut step = step(&Operation::End, &mut rng);
        if step.cur.as_end().entered_loop == ONE {
            step.cur.stack.top[0] = ONE;
            assert!(
                violations(&step)
                    .iter()
                    .any(|(name, _)| name == "stack.loop_ends")
            );
            tried += 1;
        }
    }
    assert!(tried > 0);
}

#[test]
fn calls_return_at_the_depth_of_16_only() {
    let mut rng = Rng(4);
    let mut tried = 0;
    for _ in 0..ROUNDS {
        let mut step = step(&Operation::End, &mut rng);
        if step.leaves {
            let stack = &mut step.cur.stack;
            stack.depth = felt(17);
            stack.depth_inv = ONE;
            stack.overflowed = ONE;
            assert_eq!(violations(&step).len(), 1);
            assert_eq!(violations(&step)[0].0, "stack.depth_leave");
            tried += 1;
        }
    }
    assert!(tried > 0);
}

/// Sets the limbs of a row with the prefix 100 to those of `lo` and `hi`, with every choice of the
/// guard that its constraint allows.
fn forge(step: &Step, lo: u64, hi: u64, next: &[Felt]) -> bool {
    let mut forged = Step {
        cur: step.cur,
        next: step.next,
        messages: Vec::new(),
        bus_top: Vec::new(),
        free_top: Vec::new(),
        helpers: Vec::new(),
        decoder_helpers: Vec::new(),
        ..*step
    };
    forged.next.stack.top[..next.len()].copy_from_slice(next);
    let distance = felt(0xffff_ffff) - felt(hi);
    let inverse = if distance == ZERO {
        ZERO
    } else {
        distance.inv()
    };
    let limbs = [lo & 0xffff, lo >> 16, hi & 0xffff, hi >> 16].map(felt);
    [ZERO, ONE, inverse].into_iter().any(|inverse| {
        let helpers = &mut forged.cur.helpers;
        helpers[..4].copy_from_slice(&limbs);
        helpers[4] = inverse;
        helpers[5] = inverse * distance;
        accepted(&forged)
    })
}

/// A step of `operation` with these operands on top.
fn with_operands(operation: &Operation, operands: &[u64]) -> Step {
    let mut step = step(operation, &mut Rng(5));
    for (cell, &value) in step.cur.stack.top.iter_mut().zip(operands) {
        *cell = felt(value);
    }
    for (cell, &value) in step.cur.operands.iter_mut().zip(operands) {
        *cell = felt(value & 0xffff);
    }
    // The overwritten operands do not move, but where the operation leaves them in place.
    let (cur, next) = (step.cur.stack, &mut step.next.stack);
    let produced = 2;
    for i in produced..15 {
        let shift = (cur.shift_left - cur.shift_right + felt(16)).as_int() as usize;
        next.top[i] = cur.top[i + shift - 16];
    }
    step
}

/// The halves of a number plus the modulus, if that is below 2^64.
#[test]
fn halves_must_be_canonical() {
    let cases: [(Operation, &[u64], u64); 5] = [
        (Operation::U32add, &[3, 4], 7),
        (Operation::U32add3, &[3, 4, 5], 12),
        (Operation::U32mul, &[3, 4], 12),
        (Operation::U32madd, &[3, 4, 5], 17),
        (Operation::U32split, &[12], 12),
    ];
    for (operation, operands, value) in cases {
        let step = with_operands(&operation, operands);
        assert!(
            forge(&step, value, 0, &[ZERO, felt(value)]),
            "{operation:?}"
        );
        let (lo, hi) = (value + 1, 0xffff_ffff);
        assert!(
            !forge(&step, lo, hi, &[felt(hi), felt(lo)]),
            "{operation:?}"
        );
    }
}

#[test]
fn a_subtraction_borrows_when_it_must() {
    let step = with_operands(&Operation::U32sub, &[3, 5]);
    assert!(forge(&step, 2, 0, &[ZERO, felt(2)]));
    assert!(!forge(&step, 2, 0, &[ONE, felt(2)]));
    assert!(!forge(&step, 2, 1, &[ZERO, felt(2)]));
    let step = with_operands(&Operation::U32sub, &[5, 3]);
    assert!(forge(&step, 0xffff_fffe, 0, &[ONE, felt(0xffff_fffe)]));
    let minus_two = felt(Felt::MODULUS - 2);
    assert!(!forge(&step, 0xffff_fffe, 0, &[ZERO, minus_two]));
}

#[test]
fn only_the_quotient_and_remainder_satisfy_a_division() {
    for (a, b) in [
        (7, 3),
        (0xffff_ffff, 1),
        (0xffff_ffff, 0xffff_fffe),
        (0x12_3456, 0x101),
        (0, 9),
    ] {
        let step = with_operands(&Operation::U32div, &[b, a]);
        let try_result = |q: Felt, r: Felt| {
            let hi = felt(b) - r - ONE;
            let hi = if hi.as_int() < 1 << 32 {
                hi.as_int()
            } else {
                return false;
            };
            // A lo that satisfies the product: with the 16-bit quotient, or equal to it.
            let q_low = q.as_int() & 0xffff;
            let candidates = [
                q_low,
                q_low | 0xffff_0000,
                q_low | (r.as_int() & 0xffff_0000),
                q.as_int() & 0xffff_ffff,
            ];
            candidates
                .into_iter()
                .any(|lo| forge(&step, lo, hi, &[r, q]))
        };
        assert!(try_result(felt(a / b), felt(a % b)), "{a} / {b}");
        for remainder in (0..20).map(felt).flat_map(|r| [r, -r]) {
            if remainder != felt(a % b) {
                let quotient = (felt(a) - remainder) * felt(b).inv();
                assert!(!try_result(quotient, remainder), "{a} / {b}: {remainder}");
            }
        }
    }
}

#[test]
fn exponents_are_halved_as_integers() {
    let mut step = step(&Operation::Expacc, &mut Rng(6));
    let base = step.cur.stack.top[1];
    let acc = step.cur.stack.top[2];
    let mut attempt = |exponent: u64, claimed: u64, guard: [Felt; 2]| {
        let bit = claimed & 1;
        let factor = if bit == 1 { base } else { ONE };
        step.cur.stack.top[3] = felt(exponent);
        let next = &mut step.next.stack.top;
        next[0] = felt(bit);
        next[2] = acc * factor;
        next[3] = (felt(exponent) - felt(bit)) * felt(2).inv();
        let limb = |i: u32| claimed >> (16 * i) & 0xffff;
        let [inverse, product] = guard;
        step.cur.helpers = [
            factor,
            felt(limb(0) >> 1),
            felt(limb(1)),
            felt(limb(2)),
            inverse,
            product,
        ];
        accepted(&step)
    };
    let honest = [felt(0xffff_ffff).inv(), ONE];
    assert!(attempt(1, 1, honest));
    assert!(attempt(6, 6, honest));
    // 1 and 6 plus the modulus have the other parity.
    for exponent in [1, 6] {
        for guard in [[ZERO, ZERO], [ONE, ZERO], [ZERO, ONE]] {
            assert!(!attempt(exponent, exponent + Felt::MODULUS, guard));
        }
    }
    // The parity alone cannot be changed.
    assert!(!attempt(1, 0, honest));
    assert!(!attempt(6, 7, honest));
}

#[test]
fn constants_are_inverses_of_powers_of_two() {
    use super::field::{HALF, INVERSE_OF_2_32, INVERSE_OF_2_48};
    assert_eq!(HALF * felt(2), ONE);
    assert_eq!(INVERSE_OF_2_32 * felt(1 << 32), ONE);
    assert_eq!(INVERSE_OF_2_48 * felt(1 << 48), ONE);
}

/// A frame of single columns, for counting degrees; `composed` is a constant.
fn with_degrees<R>(f: impl FnOnce(&CoreFrame<'_, Degree>, &OpFlags<Degree>) -> R) -> R {
    let row = blank(Degree(1));
    let frame = CoreFrame {
        cur: &row,
        next: &row,
        periodic: Periodic::from_cells(&[Degree(1); NUM_PERIODIC]),
        composed: Degree::ZERO,
    };
    f(&frame, &OpFlags::new(&row.op))
}

#[test]
fn messages_fit_their_columns() {
    let mut catalog = LookupCatalog::default();
    with_degrees(|frame, ops| super::lookups(frame, ops, &mut catalog));
    for message in &catalog.messages {
        assert!(message.denominator_degree <= 4, "{message:?}");
        assert!(message.count_degree <= 5, "{message:?}");
    }
    let packing = Packing::new(&catalog.messages);
    assert!(packing.degrees.iter().all(|&degree| degree <= MAX_DEGREE));
}
