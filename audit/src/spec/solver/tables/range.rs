//! The range tables: a number of 16 bits and a byte a row.

use super::{BEFORE, CHOICE, Rows, given};

pub const ROWS: Rows = Rows {
    given: &[
        given(
            "range.hi range.lo range.multiplicity range.byte_multiplicity",
            &[],
            CHOICE,
        ),
        given("range.byte", &[], BEFORE),
    ],
    passed: &[],
    kinds: &[],
    others: "numbers and bytes",
    looks_ahead: false,
};
