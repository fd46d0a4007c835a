//! Circuits: two variables, four instructions or a gate a row.

use super::{ASKED, BEFORE, CHOICE, Given, LATER, Rows, given, passed};

/// The cells that an evaluation keeps and counts. The row that starts it is asked for it.
const COUNTED: &str =
    "circuits.context circuits.time circuits.address circuits.num_eval circuits.id";

const GIVEN: &[Given] = &[
    given(
        "circuits.start circuits.read circuits.fetch circuits.gate circuits.end",
        &[],
        BEFORE,
    ),
    given(COUNTED, &[("circuits.read", 1)], BEFORE),
    given(COUNTED, &[("circuits.fetch", 1)], BEFORE),
    given(COUNTED, &[("circuits.gate", 1)], BEFORE),
    given("circuits.word", &[("circuits.gate", 1)], BEFORE),
    given("circuits.multiplicity", &[], CHOICE),
    // After the end of an evaluation, or outside of one, another one starts or does not.
    given(
        "circuits.start'",
        &[
            ("circuits.start", 0),
            ("circuits.read", 0),
            ("circuits.fetch", 0),
            ("circuits.gate[0]", 0),
            ("circuits.gate[1]", 0),
            ("circuits.gate[2]", 0),
            ("circuits.gate[3]", 0),
        ],
        ASKED,
    ),
    given("circuits.start'", &[("circuits.end", 1)], ASKED),
    // Wires count down, and an evaluation ends at wire 0, which it passes once: neither the last
    // variable nor the last gate can be another one.
    given(
        "circuits.read' circuits.fetch'",
        &[("circuits.read", 1)],
        LATER,
    ),
    given("circuits.end'", &[("circuits.gate[3]'", 1)], LATER),
];

pub const ROWS: Rows = Rows {
    given: GIVEN,
    passed: &[
        passed(
            "circuits.start circuits.read circuits.fetch circuits.gate circuits.end",
            &[],
        ),
        passed(COUNTED, &[("circuits.read'", 1)]),
        passed(COUNTED, &[("circuits.fetch'", 1)]),
        passed(COUNTED, &[("circuits.gate'", 1)]),
        passed("circuits.word", &[("circuits.gate'", 1)]),
    ],
    kinds: &[
        "circuits.start",
        "circuits.read",
        "circuits.fetch",
        "circuits.gate",
        "circuits.end",
        "circuits.read'",
    ],
    others: "padding",
    looks_ahead: false,
};
