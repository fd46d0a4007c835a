//! Arithmetic circuits, which EVALCIRCUIT evaluates.
//!
//! An evaluation is a run of rows: a *start* row, which takes over what the operation asks for; a
//! *read* row for every two variables; and for every four gates a *fetch* row and four *gate* rows.
//! Every variable and every gate is a wire. Wires are numbered downwards, so that the last gate's,
//! which has to be zero, is wire 0. A wire's value is a fact, looked up by the gates that it leads
//! to. Evaluations are told apart by their times: there is one operation a cycle.
//!
//! Each wire is stated exactly once, as the numbers count down row by row, and a gate's operands
//! have greater numbers than its result. So the values are determined from the first wire on.
//!
//! The first row of the table starts an evaluation. Rows of no kind fill the table up, of which the
//! last row is one, so that the last evaluation comes to its end.

use miden_core::Felt;

use crate::{
    algebra::Algebra,
    builder::{CircuitFrame, ConstraintBuilder},
    columns::CircuitRow,
    lookup::{CircuitRequest, LookupBuilder, MemoryWord, RangeCheck, Slot, Wire},
};

/// Bits of a wire's number in an instruction: `left + 2^30 * right + 2^60 * operation`.
pub const ID_BITS: u32 = 30;

/// The most wires that an evaluation may have. A trace has no room for that many: the constraints
/// rely on it that numbers of wires, which count down row by row, have less than [`ID_BITS`] bits.
pub const MAX_WIRES: u64 = (1 << ID_BITS) - 1;

/// Elements in a word of memory: two variables, or four instructions.
const WORD: u64 = 4;

/// 1 on the rows of gates.
#[inline(always)]
fn gates<E: Algebra>(row: &CircuitRow<E>) -> E {
    let [g0, g1, g2, g3] = row.gate;
    g0 + g1 + g2 + g3
}

/// Constraints of the chiplet.
#[inline(always)]
pub fn constraints<B: ConstraintBuilder>(frame: &CircuitFrame<'_, B::Expr>, b: &mut B) {
    order(frame, b);
    counters(frame, b);
    gate(frame, b);
}

/// Constrains which row may follow which.
#[inline(always)]
fn order<B: ConstraintBuilder>(frame: &CircuitFrame<'_, B::Expr>, b: &mut B) {
    let (cur, next) = (frame.cur, frame.next);
    let CircuitRow {
        start,
        read,
        fetch,
        gate: [g0, g1, g2, g3],
        end,
        ..
    } = *cur;
    let some = start + read + fetch + gates(cur);
    b.assert_zeros(
        "circuits.kind_binary",
        2,
        [start, read, fetch, g0, g1, g2, g3, some].map(Algebra::binary),
    );
    b.assert_zero("circuits.end_binary", 2, end.binary());
    b.assert_zero("circuits.end_after_gate", 2, end * g3.not());

    // What goes on says itself with what; otherwise an evaluation starts, or padding comes.
    let going_on = some - end;
    b.assert_zero(
        "circuits.start",
        2,
        going_on.not() * (next.read + next.fetch + gates(next)),
    );
    b.assert_zero("circuits.after_start", 2, start * next.read.not());
    b.assert_zero(
        "circuits.after_read",
        2,
        read * (next.read + next.fetch).not(),
    );
    b.assert_zero("circuits.after_fetch", 2, fetch * next.gate[0].not());
    b.assert_zeros(
        "circuits.after_gate",
        2,
        core::array::from_fn::<_, 3, _>(|i| cur.gate[i] * next.gate[i + 1].not()),
    );
    b.assert_zero("circuits.after_last_gate", 2, (g3 - end) * next.fetch.not());
}

/// Constrains the cells that stay the same during an evaluation, and its counters.
#[inline(always)]
fn counters<B: ConstraintBuilder>(frame: &CircuitFrame<'_, B::Expr>, b: &mut B) {
    let (cur, next) = (frame.cur, frame.next);
    let going_on = cur.start + cur.read + cur.fetch + gates(cur) - cur.end;
    b.assert_zeros(
        "circuits.kept",
        2,
        [
            going_on * (next.context - cur.context),
            going_on * (next.time - cur.time),
            going_on * (next.num_eval - cur.num_eval),
        ],
    );
    let words = cur.read + cur.fetch;
    b.assert_zero(
        "circuits.address",
        2,
        going_on * (next.address - cur.address - words.scale(Felt::new(WORD))),
    );
    let wires = cur.read + cur.read + gates(cur);
    b.assert_zero("circuits.id", 2, going_on * (next.id - cur.id + wires));
    // The last variable is the wire before the first gate's.
    b.assert_zero(
        "circuits.variables",
        3,
        cur.read * next.fetch * (cur.id - cur.num_eval - B::Expr::ONE),
    );
    b.assert_zero("circuits.end_id", 2, cur.end * cur.id);
    b.assert_zeros("circuits.output", 2, cur.value.map(|x| cur.end * x));
}

/// A gate: what it is, by its instruction, and its result.
#[inline(always)]
fn gate<B: ConstraintBuilder>(frame: &CircuitFrame<'_, B::Expr>, b: &mut B) {
    let (cur, next) = (frame.cur, frame.next);
    let is_gate = gates(cur);
    let one = B::Expr::ONE;

    // The instructions of a fetch row go along with its gates.
    let [g0, g1, g2, _] = cur.gate;
    let carries = cur.fetch + g0 + g1 + g2;
    b.assert_zeros(
        "circuits.instructions",
        2,
        core::array::from_fn::<_, 4, _>(|i| carries * (next.word[i] - cur.word[i])),
    );
    let mut chosen = B::Expr::ZERO;
    for (&flag, &instruction) in cur.gate.iter().zip(&cur.word) {
        chosen += flag * instruction;
    }
    let CircuitRow { mul, add, .. } = *cur;
    b.assert_zeros(
        "circuits.operation_binary",
        3,
        [mul, add, mul + add].map(|flag| is_gate * flag.binary()),
    );
    let operation = mul + add + add;
    let instruction = cur.left_id
        + cur.right_id.scale(Felt::new(1 << ID_BITS))
        + operation.scale(Felt::new(1 << (2 * ID_BITS)));
    b.assert_zero("circuits.instruction", 2, chosen - is_gate * instruction);

    // Operands come before the gate: what is between their numbers is not negative.
    let upper = Felt::new(1 << 16);
    let [low, high] = cur.left_gap;
    b.assert_zero(
        "circuits.left_before",
        2,
        is_gate * (cur.left_id - cur.id - one - low - high.scale(upper)),
    );
    let right_gap = cur.right_gap_low + cur.right_gap_high.scale(upper);
    b.assert_zero(
        "circuits.right_before",
        2,
        is_gate * (cur.right_id - cur.id - one - right_gap),
    );

    let product = extension_product(cur.left, cur.right);
    b.assert_zeros(
        "circuits.result",
        4,
        core::array::from_fn::<_, 2, _>(|i| {
            let right = cur.right[i];
            let difference = cur.left[i] - right;
            let sum_or_difference = difference + add * (right + right);
            let result = sum_or_difference + mul * (product[i] - difference);
            is_gate * (cur.value[i] - result)
        }),
    );
}

/// The product of two elements of the quadratic extension, in which `x^2 = x - 2`.
#[inline(always)]
fn extension_product<E: Algebra>([a0, a1]: [E; 2], [b0, b1]: [E; 2]) -> [E; 2] {
    let upper = a1 * b1;
    [a0 * b0 - upper - upper, a0 * b1 + a1 * b0 + upper]
}

/// Messages of the chiplet.
#[inline(always)]
pub fn lookups<B: LookupBuilder>(frame: &CircuitFrame<'_, B::Expr>, b: &mut B) {
    let row = frame.cur;
    let one = B::Expr::ONE;
    let time = row.time;
    let [first, second, third] = Slot::WIDE;

    let flag = row.start;
    b.add(
        first,
        "circuits.request",
        flag,
        -flag,
        CircuitRequest {
            context: row.context,
            time,
            address: row.address,
            num_read: row.id + one - row.num_eval,
            num_eval: row.num_eval,
        },
    );
    let flag = row.read + row.fetch;
    b.add(
        first,
        "circuits.word",
        flag,
        flag,
        MemoryWord {
            context: row.context,
            address: row.address,
            time,
            is_write: B::Expr::ZERO,
            value: row.word,
        },
    );

    let [count0, count1] = row.multiplicity;
    let [w0, w1, w2, w3] = row.word;
    let flag = row.read;
    b.add(
        second,
        "circuits.first_variable",
        flag,
        flag * count0,
        Wire {
            time,
            id: row.id,
            value: [w0, w1],
        },
    );
    b.add(
        third,
        "circuits.second_variable",
        flag,
        flag * count1,
        Wire {
            time,
            id: row.id - one,
            value: [w2, w3],
        },
    );

    let flag = gates(row);
    b.add(
        first,
        "circuits.left",
        flag,
        -flag,
        Wire {
            time,
            id: row.left_id,
            value: row.left,
        },
    );
    b.add(
        second,
        "circuits.result",
        flag,
        flag * count0,
        Wire {
            time,
            id: row.id,
            value: row.value,
        },
    );
    b.add(
        third,
        "circuits.right",
        flag,
        -flag,
        Wire {
            time,
            id: row.right_id,
            value: row.right,
        },
    );

    let [left_low, left_high] = row.left_gap;
    for (slot, (name, value)) in Slot::CHECK.into_iter().zip([
        ("circuits.left_gap_low", left_low),
        ("circuits.left_gap_high", left_high),
        ("circuits.right_gap_low", row.right_gap_low),
        ("circuits.right_gap_high", row.right_gap_high),
    ]) {
        b.add(slot, name, one, -flag, RangeCheck { value });
    }
}
