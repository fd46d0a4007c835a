//! The hasher: a round of a permutation a row. What a cycle begins with depends on the last row of
//! the cycle before it.

use super::{
    ADVICE, ASKED, BEFORE, CHOICE, Given, LATER, Places::Last, Rows, When, given, given_at, passed,
};

/// The cells that a row takes over from the row before it.
const PASSED: &str =
    "hasher.address hasher.state hasher.absorb hasher.merkle hasher.init hasher.args";
/// No path or segment is open.
const NONE_OPEN: When = &[("hasher.cube_in[0]", 0), ("hasher.cube_in[1]", 0)];
const MERKLE: When = &[("hasher.merkle'", 1)];
const INIT: When = &[("hasher.init'", 1)];
const FIRST_BLOCK: When = &[("hasher.init'", 1), ("hasher.args[6]'", 1)];
const HASH: When = &[("hasher.merkle'", 0), ("hasher.init'", 0)];
const PLAIN: When = &[
    ("hasher.merkle'", 0),
    ("hasher.init'", 0),
    ("hasher.absorb'", 0),
];
/// The beginning of the second leg of an update.
const NEW_LEG: When = &[
    ("hasher.merkle'", 1),
    ("hasher.args[6]'", 1),
    ("hasher.args[2]'", 1),
];
/// A level that is not one of a second leg, with the node on the left or on the right.
const LEFT: When = &[
    ("hasher.merkle'", 1),
    ("hasher.args[2]'", 0),
    ("hasher.args[5]'", 0),
];
const RIGHT: When = &[
    ("hasher.merkle'", 1),
    ("hasher.args[2]'", 0),
    ("hasher.args[5]'", 1),
];

const GIVEN: &[Given] = &[
    given(PASSED, &[], BEFORE),
    given("hasher.multiplicity", &[], CHOICE),
    // Which computation comes next, and what of.
    given_at(
        Last,
        "hasher.absorb' hasher.merkle' hasher.init'",
        NONE_OPEN,
        CHOICE,
    ),
    given_at(Last, "hasher.state[0..4]'", PLAIN, CHOICE),
    given_at(Last, "hasher.state[4..12]'", HASH, CHOICE),
    // A leg ends at the level, with the index at zero, at which its root is asked for: there its bits
    // are the digits of the index.
    given_at(Last, "hasher.args[5]' hasher.args[8]'", MERKLE, LATER),
    given_at(Last, "hasher.args[0]'", NEW_LEG, ASKED),
    given_at(Last, "hasher.state[8..12]'", LEFT, ADVICE),
    given_at(Last, "hasher.state[4..8]'", RIGHT, ADVICE),
    // A segment ends with the number of blocks, the address and the digest of its record.
    given_at(Last, "hasher.state[4..12]'", INIT, ADVICE),
    given_at(Last, "hasher.args[4]' hasher.args[8]'", FIRST_BLOCK, LATER),
    given_at(Last, "hasher.args[7]'", INIT, LATER),
];

pub const ROWS: Rows = Rows {
    given: GIVEN,
    passed: &[passed(PASSED, &[])],
    kinds: &[
        "hasher.absorb",
        "hasher.merkle",
        "hasher.init",
        "hasher.absorb'",
        "hasher.merkle'",
        "hasher.init'",
    ],
    others: "plain cycles",
    looks_ahead: true,
};
