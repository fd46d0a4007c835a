//! The range table and the byte table.
//!
//! A row of the range table states that `256 * hi + lo` is a 16-bit number, because `hi` and `lo` are
//! looked up in the byte table. So a 16-bit number that is looked up costs one row, however often, and
//! a trace has no need of 2^16 rows.
//!
//! The byte table climbs from 0 to 255 in steps of up to 64, so everything in it is a byte: tables are
//! far too low for the sum of the steps to go round the field. It has the bytes that are looked up, and
//! some on the way; 13 rows are the fewest.

use crate::{
    MAX_DEGREE,
    algebra::Algebra,
    builder::{ConstraintBuilder, RangeFrame},
    columns::RangeRow,
    lookup::{ByteCheck, LookupBuilder, RangeCheck, Slot},
};

/// The steps from one row of the byte table to the next: from 0, each byte is within reach in few
/// rows, by way of bytes. As many as the degree allows.
pub const BYTE_STEPS: [u64; MAX_DEGREE] = [0, 1, 4, 16, 64];

/// Constraints of the byte table: it climbs from 0 to 255. Its ends are boundary constraints.
#[inline(always)]
pub fn constraints<B: ConstraintBuilder>(frame: &RangeFrame<'_, B::Expr>, b: &mut B) {
    let step = frame.next.byte - frame.cur.byte;
    let [none, steps @ ..] = BYTE_STEPS.map(|allowed| step - B::Expr::int(allowed));
    let product = steps.into_iter().fold(none, |product, step| product * step);
    b.assert_zero("range.byte_step", MAX_DEGREE, product);
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
        Slot::CHECK[0],
        "range.number",
        one,
        multiplicity,
        RangeCheck { value },
    );
    b.add(
        Slot::CHECK[1],
        "range.hi",
        one,
        -one,
        ByteCheck { value: hi },
    );
    b.add(
        Slot::CHECK[2],
        "range.lo",
        one,
        -one,
        ByteCheck { value: lo },
    );
    b.add(
        Slot::CHECK[3],
        "range.byte",
        one,
        byte_multiplicity,
        ByteCheck { value: byte },
    );
}
