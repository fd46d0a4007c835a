//! The resource tables: a pair of rows an operation, what is asked and what becomes of it.

use super::{
    ASKED, BEFORE, CHOICE, Fact, Given,
    Places::{Even, Odd},
    Rows, When, given_at, passed,
};

const PUTS: When = &[("resources.outcome.puts", 1)];
const TAKES: When = &[("resources.outcome.takes", 1)];
const GUARDS: When = &[("resources.outcome.guards", 1)];
const ACCESSES: When = &[("resources.outcome.accesses", 1)];

/// The flags of the messages that the row of an outcome sends and receives.
const FLAGS: &str = "resources.outcome.writes_state resources.outcome.writes_entry resources.outcome.puts \
    resources.outcome.takes resources.outcome.guards resources.outcome.accesses";
/// The cells that the row of an outcome has whatever was asked.
const ALWAYS: &str = "resources.outcome.time resources.outcome.context resources.outcome.home \
    resources.outcome.handle resources.outcome.state resources.outcome.entry resources.outcome.address \
    resources.outcome.is_write";

const GIVEN: &[Given] = &[
    // No two operations have a kind of call in common.
    given_at(Even, "resources.op.*", &[], ASKED),
    // Rows that nobody asks.
    given_at(
        Even,
        "resources.request.asked.time resources.request.asked.context resources.request.asked.home",
        &[
            ("resources.op.new", 0),
            ("resources.op.rep", 0),
            ("resources.op.drop", 0),
            ("resources.op.send", 0),
            ("resources.op.receive", 0),
            ("resources.op.receive_rep", 0),
            ("resources.op.memory", 0),
        ],
        CHOICE,
    ),
    given_at(
        Even,
        "resources.outcome.token.*'",
        &[("resources.op.discard", 1)],
        CHOICE,
    ),
    Given {
        fact: Some(Fact::Flag),
        ..given_at(Odd, FLAGS, &[], BEFORE)
    },
    given_at(Odd, ALWAYS, &[], BEFORE),
    given_at(Odd, "resources.outcome.token.*", PUTS, BEFORE),
    given_at(Odd, "resources.outcome.token.*", TAKES, BEFORE),
    given_at(Odd, "resources.outcome.home_state", GUARDS, BEFORE),
    given_at(Odd, "resources.outcome.value", ACCESSES, BEFORE),
];

pub const ROWS: Rows = Rows {
    given: GIVEN,
    passed: &[
        passed(FLAGS, &[]),
        passed(ALWAYS, &[]),
        passed(
            "resources.outcome.token.*",
            &[("resources.outcome.puts'", 1)],
        ),
        passed(
            "resources.outcome.token.*",
            &[("resources.outcome.takes'", 1)],
        ),
        passed(
            "resources.outcome.home_state",
            &[("resources.outcome.guards'", 1)],
        ),
        passed(
            "resources.outcome.value",
            &[("resources.outcome.accesses'", 1)],
        ),
    ],
    kinds: &[
        "resources.op.*",
        "resources.own",
        "resources.by_definer",
        "resources.destructible",
    ],
    others: "no operation; outcomes",
    looks_ahead: true,
};
