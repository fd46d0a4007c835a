//! Memory: every access of the run, sorted by context, word and time.
//!
//! Each row receives one access from whoever made it, so contexts, addresses, times and the kinds of
//! access are those of real accesses. What is proven here: the rows are sorted (differences fit in
//! 48 bits, and no honest context, word or time does not), words lie below `2^30`, two accesses of
//! one word at one time are both reads, and a cell that an access does not set keeps its value,
//! zero at first.
//!
//! The accesses stand at the end of the table, after rows of zeros, of which row 0 is one: each row
//! of an access has a row before it. The last row is an access that nobody made, since a last row
//! receives nothing; nothing comes after it.

use miden_core::Felt;

use crate::{
    algebra::Algebra,
    builder::{ConstraintBuilder, MemoryFrame},
    columns::MemoryRow,
    lookup::{LookupBuilder, MemoryElement, MemoryWord, RangeCheck, Slot},
};

/// Constraints of the memory.
#[inline(always)]
pub fn constraints<B: ConstraintBuilder>(frame: &MemoryFrame<'_, B::Expr>, b: &mut B) {
    let (cur, next) = (frame.cur, frame.next);
    let [e0, e1, e2, e3] = cur.element;
    b.assert_zeros(
        "memory.access_binary",
        2,
        [cur.whole, e0, e1, e2, e3].map(Algebra::binary),
    );
    let accessed = is_access(cur);
    b.assert_zero("memory.one_access", 2, accessed.binary());
    b.assert_zero("memory.after_padding", 2, accessed * is_access(next).not());
    b.assert_zeros(
        "memory.padding",
        2,
        padding_cells(cur).map(|cell| accessed.not() * cell),
    );
    b.assert_zero("memory.is_write_binary", 2, cur.is_write.binary());
    let [v0, v1, v2, v3] = cur.value;
    b.assert_zero(
        "memory.element_value",
        2,
        cur.element_value - (e0 * v0 + e1 * v1 + e2 * v2 + e3 * v3),
    );
    b.assert_zeros(
        "memory.new_binary",
        2,
        [
            cur.new_context,
            cur.new_word,
            cur.new_context + cur.new_word,
        ]
        .map(Algebra::binary),
    );

    // From here on, what a row owes to the row before it.
    let same = (next.new_context + next.new_word).not();
    let context_step = next.context - cur.context;
    let word_step = word(next) - word(cur);
    b.assert_zero(
        "memory.same_context",
        2,
        next.new_context.not() * context_step,
    );
    b.assert_zero("memory.same_word", 2, same * word_step);
    let time_step = moment(next) - moment(cur) - next.is_write;
    let step = next.new_context * (context_step - B::Expr::ONE)
        + next.new_word * (word_step - B::Expr::ONE)
        + same * time_step;
    let [d0, d1, d2] = next.delta;
    let delta = d0 + d1.scale(Felt::new(1 << 16)) + d2.scale(Felt::new(1 << 32));
    b.assert_zero("memory.delta", 2, step - delta);
    b.assert_zeros(
        "memory.value",
        4,
        core::array::from_fn::<_, 4, _>(|i| {
            let kept = (next.is_write * (next.whole + next.element[i])).not();
            kept * (next.value[i] - same * cur.value[i])
        }),
    );
}

/// Messages of the memory.
#[inline(always)]
pub fn lookups<B: LookupBuilder>(frame: &MemoryFrame<'_, B::Expr>, b: &mut B) {
    let row = frame.cur;
    let [_, e1, e2, e3] = row.element;
    let word = word(row);
    let address = (word + word) + (word + word);

    b.add(
        Slot::WIDE[0],
        "memory.word",
        row.whole,
        -row.whole,
        MemoryWord {
            context: row.context,
            address,
            time: row.time,
            is_write: row.is_write,
            value: row.value,
        },
    );
    let element_access = is_element(row);
    b.add(
        Slot::WIDE[0],
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
    let [d0, d1, d2] = row.delta;
    let one = B::Expr::ONE;
    for (slot, (name, value)) in Slot::CHECK.into_iter().zip([
        ("memory.word_low", low),
        ("memory.word_high", high),
        ("memory.word_bound", (high + high) + (high + high)),
        ("memory.delta0", d0),
        ("memory.delta1", d1),
        ("memory.delta2", d2),
    ]) {
        b.add(slot, name, one, -one, RangeCheck { value });
    }
}

/// 1 if the access is of one element.
#[inline(always)]
fn is_element<E: Algebra>(row: &MemoryRow<E>) -> E {
    let [e0, e1, e2, e3] = row.element;
    e0 + e1 + e2 + e3
}

/// 1 if the row is an access, 0 if it is padding.
#[inline(always)]
fn is_access<E: Algebra>(row: &MemoryRow<E>) -> E {
    row.whole + is_element(row)
}

/// The cells of a row that are zero on padding, besides those that say that it is no access.
#[inline(always)]
fn padding_cells<E: Algebra>(row: &MemoryRow<E>) -> [E; 14] {
    let ([w0, w1], [v0, v1, v2, v3], [d0, d1, d2]) = (row.word, row.value, row.delta);
    let new = [row.new_context, row.new_word];
    [
        row.context,
        w0,
        w1,
        row.time,
        row.is_write,
        v0,
        v1,
        v2,
        v3,
        new[0],
        new[1],
        d0,
        d1,
        d2,
    ]
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
