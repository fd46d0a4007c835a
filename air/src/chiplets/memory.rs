//! Memory: every access of the run, sorted by context, word and time.
//!
//! Each row receives one access from whoever made it, so contexts, addresses, times and the kinds of
//! access are those of real accesses. What is proven here: the rows are sorted (differences fit in
//! 48 bits, and no honest context, word or time does not), words lie below `2^30`, two accesses of
//! one word at one time are both reads, and a cell that an access does not set keeps its value,
//! zero at first.

use miden_core::Felt;

use super::table;
use crate::{
    algebra::Algebra,
    builder::{ChipletFrame, ConstraintBuilder},
    chiplets::ace,
    columns::MemoryRow,
    lookup::{LookupBuilder, MemoryElement, MemoryWord, RangeCheck, Slot},
};

/// Constraints of the memory chiplet.
#[inline(always)]
pub fn constraints<B: ConstraintBuilder>(frame: &ChipletFrame<'_, B::Expr>, b: &mut B) {
    let select = frame.cur.select.memory;
    let cur = frame.cur.memory();

    b.assert_zero("memory.is_write_binary", 3, select * cur.is_write.binary());
    b.assert_zeros(
        "memory.element_binary",
        3,
        cur.element.map(|flag| select * flag.binary()),
    );
    b.assert_zero("memory.one_element", 3, select * is_element(cur).binary());
    let [e0, e1, e2, e3] = cur.element;
    let [v0, v1, v2, v3] = cur.value;
    b.assert_zero(
        "memory.element_value",
        3,
        select * (cur.element_value - (e0 * v0 + e1 * v1 + e2 * v2 + e3 * v3)),
    );
    b.assert_zero(
        "memory.new_context_binary",
        3,
        select * cur.new_context.binary(),
    );
    b.assert_zero("memory.new_word_binary", 3, select * cur.new_word.binary());
    b.assert_zero(
        "memory.new_context_or_word",
        3,
        select * cur.new_context * cur.new_word,
    );

    // From here on, what a memory row owes to the row before it.
    let select_next = frame.next.select.memory;
    let next = frame.next.memory();
    b.assert_zero(
        "memory.first_row",
        3,
        select_next * select.not() * next.new_context.not(),
    );
    let both = select * select_next;
    let fresh = next.new_context + next.new_word;
    let same = fresh.not();
    let context_step = next.context - cur.context;
    let word_step = word(next) - word(cur);
    b.assert_zero(
        "memory.same_context",
        4,
        both * next.new_context.not() * context_step,
    );
    b.assert_zero("memory.same_word", 4, both * same * word_step);
    let time_step = moment(next) - moment(cur) - next.is_write;
    let step = next.new_context * (context_step - B::Expr::ONE)
        + next.new_word * (word_step - B::Expr::ONE)
        + same * time_step;
    let [d0, d1, d2] = next.delta;
    let delta = d0 + d1.scale(Felt::new(1 << 16)) + d2.scale(Felt::new(1 << 32));
    // The first row has no distance. Its limbs are range-checked, so each of them is zero.
    b.assert_zero("memory.delta", 4, both * step - select_next * delta);

    let word_access = is_element(next).not();
    b.assert_zeros(
        "memory.value",
        5,
        core::array::from_fn::<_, 4, _>(|i| {
            let kept = (next.is_write * (word_access + next.element[i])).not();
            select_next * kept * (next.value[i] - same * cur.value[i])
        }),
    );
}

/// Messages of the memory chiplet.
#[inline(always)]
pub fn lookups<B: LookupBuilder>(frame: &ChipletFrame<'_, B::Expr>, b: &mut B) {
    let select = frame.cur.select.memory;
    let row = frame.cur.memory();
    let [_, e1, e2, e3] = row.element;
    let word = word(row);
    let address = (word + word) + (word + word);

    let element_access = select * is_element(row);
    let word_access = select - element_access;
    b.add(
        Slot::CHIPLET[0],
        "memory.word",
        word_access,
        -word_access,
        MemoryWord {
            context: row.context,
            address,
            time: row.time,
            is_write: row.is_write,
            value: row.value,
        },
    );
    b.add(
        Slot::CHIPLET[0],
        "memory.element",
        element_access,
        -element_access,
        MemoryElement {
            context: row.context,
            address: address + e1 + (e2 + e2) + (e3 + e3 + e3),
            time: row.time,
            is_write: row.is_write,
            value: row.element_value,
        },
    );

    // The word is below 2^30: its upper limb is below 2^14.
    let [low, high] = row.word;
    b.add(
        Slot::CHIPLET[1],
        "memory.word_high",
        select,
        -select,
        RangeCheck { value: high },
    );
    b.add(
        Slot::CHIPLET[2],
        "memory.word_bound",
        select,
        -select,
        RangeCheck {
            value: (high + high) + (high + high),
        },
    );

    // The same columns are the limbs of a context in table operations for the kernel, the gaps on the
    // gates of circuits, and the first of them is the hasher's `levels_left` on the last rows of its
    // cycles.
    let one = B::Expr::ONE;
    let gaps = ace::range_checks(frame);
    let cycle_end = frame.cur.select.hasher * frame.periodic.last;
    let limbs = table::asks(frame);
    let shared = select + gaps;
    for (slot, name, count, value) in [
        (
            Slot::MEMORY_RANGE[0],
            "memory.delta0_or_levels_left_or_limb_or_gap",
            shared + limbs + cycle_end,
            row.delta[0],
        ),
        (
            Slot::MEMORY_RANGE[1],
            "memory.delta1_or_limb_or_gap",
            shared + limbs,
            row.delta[1],
        ),
        (
            Slot::MEMORY_RANGE[2],
            "memory.delta2_or_limb_or_gap",
            shared + limbs,
            row.delta[2],
        ),
        (Slot::MEMORY_RANGE[3], "memory.word_low_or_gap", shared, low),
    ] {
        b.add(slot, name, one, -count, RangeCheck { value });
    }
}

/// 1 if the access is of one element.
#[inline(always)]
fn is_element<E: Algebra>(row: &MemoryRow<E>) -> E {
    let [e0, e1, e2, e3] = row.element;
    e0 + e1 + e2 + e3
}

/// Address of the word, divided by 4.
#[inline(always)]
fn word<E: Algebra>(row: &MemoryRow<E>) -> E {
    row.word[0] + row.word[1].scale(Felt::new(1 << 16))
}

/// The place of the access in time: reads of a cycle come before its writes.
#[inline(always)]
fn moment<E: Algebra>(row: &MemoryRow<E>) -> E {
    row.time + row.time + row.is_write
}
