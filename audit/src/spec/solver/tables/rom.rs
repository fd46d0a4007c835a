//! The ROM: a public record a row.

use super::{CHOICE, Rows, given};

pub const ROWS: Rows = Rows {
    given: &[
        // Which records there are is public; their order is not.
        given(
            "rom.kernel rom.link rom.segment rom.multiplicity",
            &[],
            CHOICE,
        ),
    ],
    passed: &[],
    kinds: &["rom.kernel", "rom.link", "rom.segment"],
    others: "padding",
    looks_ahead: false,
};
