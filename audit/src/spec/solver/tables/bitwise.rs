//! Bitwise operations: a pair of rows each.

use super::{CHOICE, Places, Rows, given, given_at};

pub const ROWS: Rows = Rows {
    given: &[
        given("bitwise.a bitwise.b", &[], CHOICE),
        given_at(
            Places::Odd,
            "bitwise.a' bitwise.b' bitwise.xor bitwise.multiplicity",
            &[],
            CHOICE,
        ),
    ],
    passed: &[],
    kinds: &[],
    others: "pairs",
    looks_ahead: false,
};
