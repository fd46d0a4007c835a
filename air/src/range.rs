//! The range table and the byte table.
//!
//! A row of the range table states that `256 * hi + lo` is a 16-bit number, because `hi` and `lo` are
//! looked up in the byte table, which has every byte in 256 rows or more. So a 16-bit number that is
//! looked up costs one row, however often, and a trace has no need of 2^16 rows.

use crate::{
    algebra::Algebra,
    builder::{ConstraintBuilder, RangeFrame},
    columns::RangeRow,
    lookup::{ByteCheck, LookupBuilder, RangeCheck, Slot},
};

/// Constraints of the byte table: it climbs from 0 to 255 in steps of 0 or 1. Its ends are boundary
/// constraints.
#[inline(always)]
pub fn constraints<B: ConstraintBuilder>(frame: &RangeFrame<'_, B::Expr>, b: &mut B) {
    let step = frame.next.byte - frame.cur.byte;
    b.assert_zero("range.byte_step", 2, step.binary());
}

/// Messages of the two tables.
#[inline(always)]
pub fn lookups<B: LookupBuilder>(frame: &RangeFrame<'_, B::Expr>, b: &mut B) {
    let RangeRow {
        hi,
        lo,
        multiplicity,
        byte,
        byte_multiplicity,
    } = *frame.cur;
    let one = B::Expr::ONE;
    let value = hi.scale(miden_core::Felt::new(256)) + lo;
    b.add(
        Slot::TABLE[0],
        "range.number",
        one,
        multiplicity,
        RangeCheck { value },
    );
    b.add(
        Slot::TABLE[1],
        "range.hi",
        one,
        -one,
        ByteCheck { value: hi },
    );
    b.add(
        Slot::TABLE[2],
        "range.lo",
        one,
        -one,
        ByteCheck { value: lo },
    );
    b.add(
        Slot::TABLE[3],
        "range.byte",
        one,
        byte_multiplicity,
        ByteCheck { value: byte },
    );
}
