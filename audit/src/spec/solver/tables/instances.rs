//! Installed instances: a block of a record, an event, or a link that follows a row.

use super::{ADVICE, BEFORE, CHOICE, Given, LATER, Rows, When, given, passed};

/// The cells that a block takes over from the one before it.
const CONTINUED: &str = "instances.index instances.address instances.left instances.commitment";

/// The distance of the element of a type, a call or an export from the one before.
const GAP: &str = "instances.request.sender instances.request.input instances.request.output";

/// The element of the block before.
const ORDER: &str = "order of the record";
/// The type of a handle in the asking instance's table.
const HANDLE: &str = "type of the handle";
/// The run of blocks of an instance, which has one commitment.
const RECORD: &str = "record of the instance";

/// The flags of types, calls and exports, which stand in order in a record, each with this behind it.
macro_rules! ordered {
    ($prime:literal) => {
        concat!(
            "instances.op.types",
            $prime,
            " instances.op.makes",
            $prime,
            " instances.op.drops",
            $prime,
            " instances.op.passes",
            $prime,
            " instances.op.borrows",
            $prime,
            " instances.op.import",
            $prime,
            " instances.op.resolved",
            $prime,
            " instances.op.own",
            $prime,
            " instances.op.generic",
            $prime,
            " instances.op.builtin",
            $prime,
            " instances.op.export",
            $prime
        )
    };
}

/// The flags of all blocks of a record but the first, each with this behind it.
macro_rules! later {
    ($prime:literal) => {
        concat!(ordered!($prime), " instances.op.segment", $prime)
    };
}

/// All blocks of a record: the first one installs an instance.
const BLOCK: When = &[(concat!("instances.op.install ", later!("")), 1)];
const LATER_BLOCK: When = &[(later!(""), 1)];
const ORDERED_BLOCK: When = &[(ordered!(""), 1)];
const GENERIC: When = &[("instances.op.generic", 1)];
const PASSES: When = &[("instances.op.passes", 1)];
const WIRE: When = &[("instances.op.wire", 1)];
const SPECIFIC: When = &[("instances.op.specific", 1)];
const TELL: When = &[("instances.op.tell", 1)];
const ADOPT: When = &[("instances.op.adopt", 1)];
const PROCEDURES: When = &[("instances.op.procedures", 1)];
const FIRST_PROCEDURES: When = &[("instances.op.procedures", 1), ("instances.flag", 1)];
const LATER_PROCEDURES: When = &[("instances.op.procedures", 1), ("instances.flag", 0)];
const PROCEDURE: When = &[("instances.op.procedure", 1)];
const WHOLE: When = &[("instances.op.whole", 1)];

/// The cells that a block of code takes over from the row before it.
const CONTINUED_CODE: &str = "instances.index instances.commitment";
/// The cells that number the blocks of code.
const NUMBERED: &str = "instances.left instances.flag";
/// The key of the only procedure.
const KEY: &str = "instances.block[1]";

const GIVEN: &[Given] = &[
    // Which blocks there are is what the record says; which links follow is the prover's choice.
    given("instances.op.*", &[], CHOICE),
    given("instances.op.*'", &[], CHOICE),
    given("instances.multiplicity", &[], CHOICE),
    // A record has as many blocks as its first one says.
    given("instances.last", BLOCK, LATER),
    given(CONTINUED, LATER_BLOCK, BEFORE),
    given(GAP, ORDERED_BLOCK, ORDER),
    // What blocks say is bound by the commitment.
    given("instances.block", BLOCK, ADVICE),
    // No two meanings of a generic block have one number.
    given("instances.flag instances.callee[0..3]", GENERIC, ADVICE),
    // No import has the number 0, which stands for the component's own types.
    given("instances.flag", PASSES, ADVICE),
    given("instances.index instances.target", WIRE, HANDLE),
    given(
        "instances.index instances.last instances.flag instances.block instances.target",
        SPECIFIC,
        CHOICE,
    ),
    given("instances.commitment", SPECIFIC, RECORD),
    given("instances.commitment", TELL, RECORD),
    given("instances.index", ADOPT, HANDLE),
    given("instances.commitment", ADOPT, RECORD),
    // Code has as many blocks as the commitment says that it has, and one commitment.
    given(
        "instances.last instances.block instances.callee[1]",
        PROCEDURES,
        ADVICE,
    ),
    given(NUMBERED, PROCEDURES, BEFORE),
    given(CONTINUED_CODE, PROCEDURES, BEFORE),
    // The hasher has the first block where it likes.
    given("instances.address", FIRST_PROCEDURES, CHOICE),
    given("instances.address", LATER_PROCEDURES, BEFORE),
    given(KEY, PROCEDURE, BEFORE),
    given(CONTINUED_CODE, PROCEDURE, BEFORE),
    given("instances.callee[0]", PROCEDURES, CHOICE),
    given("instances.callee[0]", PROCEDURE, CHOICE),
    given("instances.index instances.block[1]", WHOLE, CHOICE),
    // The digits of the id that is asked about.
    given("instances.index instances.callee[0..2]", TELL, CHOICE),
];

pub const ROWS: Rows = Rows {
    given: GIVEN,
    passed: &[
        passed(CONTINUED, &[(later!("'"), 1)]),
        passed(
            CONTINUED_CODE,
            &[("instances.op.procedures' instances.op.procedure'", 1)],
        ),
        passed(NUMBERED, &[("instances.op.procedures'", 1)]),
        passed(
            "instances.address",
            &[("instances.op.procedures'", 1), ("instances.flag'", 0)],
        ),
        passed(KEY, &[("instances.op.procedure'", 1)]),
    ],
    kinds: &["instances.op.*"],
    others: "padding",
    looks_ahead: false,
};
