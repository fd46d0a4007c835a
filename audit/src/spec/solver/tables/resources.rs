//! The resource tables: a pair of rows an operation, what is asked and what becomes of it.

use super::{
    ASKED, BEFORE, CHOICE, Fact, Given,
    Places::{Even, Odd},
    Rows, When, given_at, passed,
};

const PUTS: When = &[("table.outcome.puts", 1)];
const TAKES: When = &[("table.outcome.takes", 1)];
const GUARDS: When = &[("table.outcome.guards", 1)];
const ACCESSES: When = &[("table.outcome.accesses", 1)];

/// The flags of the messages that the row of an outcome sends and receives.
const FLAGS: &str = "table.outcome.writes_state table.outcome.writes_entry table.outcome.puts \
    table.outcome.takes table.outcome.guards table.outcome.accesses";
/// The cells that the row of an outcome has whatever was asked.
const ALWAYS: &str = "table.outcome.time table.outcome.context table.outcome.home \
    table.outcome.handle table.outcome.state table.outcome.entry table.outcome.address \
    table.outcome.is_write";

const GIVEN: &[Given] = &[
    // No two operations have a kind of call in common.
    given_at(Even, "table.op.*", &[], ASKED),
    // Rows that nobody asks.
    given_at(
        Even,
        "table.request.time table.request.context table.request.home",
        &[
            ("table.op.new", 0),
            ("table.op.rep", 0),
            ("table.op.drop", 0),
            ("table.op.send", 0),
            ("table.op.receive", 0),
            ("table.op.receive_rep", 0),
            ("table.op.memory", 0),
        ],
        CHOICE,
    ),
    given_at(
        Even,
        "table.outcome.token.*'",
        &[("table.op.discard", 1)],
        CHOICE,
    ),
    Given {
        fact: Some(Fact::Flag),
        ..given_at(Odd, FLAGS, &[], BEFORE)
    },
    given_at(Odd, ALWAYS, &[], BEFORE),
    given_at(Odd, "table.outcome.token.*", PUTS, BEFORE),
    given_at(Odd, "table.outcome.token.*", TAKES, BEFORE),
    given_at(Odd, "table.outcome.home_state", GUARDS, BEFORE),
    given_at(Odd, "table.outcome.value", ACCESSES, BEFORE),
];

pub const ROWS: Rows = Rows {
    given: GIVEN,
    passed: &[
        passed(FLAGS, &[]),
        passed(ALWAYS, &[]),
        passed("table.outcome.token.*", &[("table.outcome.puts'", 1)]),
        passed("table.outcome.token.*", &[("table.outcome.takes'", 1)]),
        passed("table.outcome.home_state", &[("table.outcome.guards'", 1)]),
        passed("table.outcome.value", &[("table.outcome.accesses'", 1)]),
    ],
    kinds: &[
        "table.op.*",
        "table.own",
        "table.by_definer",
        "table.destructible",
    ],
    others: "no operation; outcomes",
    looks_ahead: true,
};
