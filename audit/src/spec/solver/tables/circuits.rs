//! Circuits: two variables, four instructions or a gate a row.

use super::{ASKED, BEFORE, CHOICE, Given, LATER, Rows, given, passed};

/// The cells that an evaluation keeps and counts. The row that starts it is asked for it.
const COUNTED: &str = "ace.context ace.time ace.address ace.num_eval ace.id";

const GIVEN: &[Given] = &[
    given("ace.start ace.read ace.fetch ace.gate ace.end", &[], BEFORE),
    given(COUNTED, &[("ace.read", 1)], BEFORE),
    given(COUNTED, &[("ace.fetch", 1)], BEFORE),
    given(COUNTED, &[("ace.gate[0]", 1)], BEFORE),
    given(COUNTED, &[("ace.gate[1]", 1)], BEFORE),
    given(COUNTED, &[("ace.gate[2]", 1)], BEFORE),
    given(COUNTED, &[("ace.gate[3]", 1)], BEFORE),
    given("ace.word", &[("ace.gate[0]", 1)], BEFORE),
    given("ace.word", &[("ace.gate[1]", 1)], BEFORE),
    given("ace.word", &[("ace.gate[2]", 1)], BEFORE),
    given("ace.word", &[("ace.gate[3]", 1)], BEFORE),
    given("ace.multiplicity", &[], CHOICE),
    // After the end of an evaluation, or outside of one, another one starts or does not.
    given(
        "ace.start'",
        &[
            ("ace.start", 0),
            ("ace.read", 0),
            ("ace.fetch", 0),
            ("ace.gate[0]", 0),
            ("ace.gate[1]", 0),
            ("ace.gate[2]", 0),
            ("ace.gate[3]", 0),
        ],
        ASKED,
    ),
    given("ace.start'", &[("ace.end", 1)], ASKED),
    // Wires count down, and an evaluation ends at wire 0, which it passes once: neither the last
    // variable nor the last gate can be another one.
    given("ace.read' ace.fetch'", &[("ace.read", 1)], LATER),
    given("ace.end'", &[("ace.gate[3]'", 1)], LATER),
];

pub const ROWS: Rows = Rows {
    given: GIVEN,
    passed: &[
        passed("ace.start ace.read ace.fetch ace.gate ace.end", &[]),
        passed(COUNTED, &[("ace.read'", 1)]),
        passed(COUNTED, &[("ace.fetch'", 1)]),
        passed(COUNTED, &[("ace.gate[0]'", 1)]),
        passed(COUNTED, &[("ace.gate[1]'", 1)]),
        passed(COUNTED, &[("ace.gate[2]'", 1)]),
        passed(COUNTED, &[("ace.gate[3]'", 1)]),
        passed("ace.word", &[("ace.gate[0]'", 1)]),
        passed("ace.word", &[("ace.gate[1]'", 1)]),
        passed("ace.word", &[("ace.gate[2]'", 1)]),
        passed("ace.word", &[("ace.gate[3]'", 1)]),
    ],
    kinds: &[
        "ace.start",
        "ace.read",
        "ace.fetch",
        "ace.gate",
        "ace.end",
        "ace.read'",
    ],
    others: "padding",
    looks_ahead: false,
};
