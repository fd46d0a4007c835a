//! Memory: an access a row. What a row says depends on the row before it.

use super::{ASKED, BEFORE, Rows, given, passed};

pub const ROWS: Rows = Rows {
    given: &[
        given("memory.*", &[], BEFORE),
        // Of what the access is; context, address and time are in its message.
        given("memory.whole' memory.element'", &[], ASKED),
    ],
    passed: &[passed("memory.*", &[])],
    kinds: &["memory.whole'", "memory.element'"],
    others: "padding",
    looks_ahead: true,
};
