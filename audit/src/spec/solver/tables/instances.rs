//! Installed instances: a block of a record, an event, or a link that follows a row.

use super::{ADVICE, BEFORE, CHOICE, Given, LATER, Rows, When, given, passed};

/// The cells that a block takes over from the one before it.
const CONTINUED: &str = "instances.index instances.address instances.left instances.commitment";

/// How much greater the element of a call or an export is than the one before.
const GAP: &str = "instances.request.sender instances.request.input instances.request.output";

/// The element of the block before.
const ORDER: &str = "order of the record";
/// What a handle in the table of who asks says.
const HANDLE: &str = "type of the handle";
/// The run of blocks of an instance, which has one commitment.
const RECORD: &str = "record of the instance";

const INSTALL: When = &[("instances.op.install", 1)];
const IMPORT: When = &[("instances.op.import", 1)];
const RESOLVED: When = &[("instances.op.resolved", 1)];
const OWN: When = &[("instances.op.own", 1)];
const GENERIC: When = &[("instances.op.generic", 1)];
const BUILTIN: When = &[("instances.op.builtin", 1)];
const EXPORT: When = &[("instances.op.export", 1)];
const SEGMENT: When = &[("instances.op.segment", 1)];
const WIRE: When = &[("instances.op.wire", 1)];
const SPECIFIC: When = &[("instances.op.specific", 1)];
const TELL: When = &[("instances.op.tell", 1)];
const ADOPT: When = &[("instances.op.adopt", 1)];

const GIVEN: &[Given] = &[
    // Which blocks there are is what the record says; which links follow is the prover's choice.
    given("instances.op.*", &[], CHOICE),
    given("instances.op.*'", &[], CHOICE),
    given("instances.multiplicity", &[], CHOICE),
    // A record has as many blocks as its first one says.
    given("instances.last", INSTALL, LATER),
    given("instances.last", IMPORT, LATER),
    given("instances.last", RESOLVED, LATER),
    given("instances.last", OWN, LATER),
    given("instances.last", GENERIC, LATER),
    given("instances.last", BUILTIN, LATER),
    given("instances.last", EXPORT, LATER),
    given("instances.last", SEGMENT, LATER),
    given(CONTINUED, IMPORT, BEFORE),
    given(CONTINUED, RESOLVED, BEFORE),
    given(CONTINUED, OWN, BEFORE),
    given(CONTINUED, GENERIC, BEFORE),
    given(CONTINUED, BUILTIN, BEFORE),
    given(CONTINUED, EXPORT, BEFORE),
    given(CONTINUED, SEGMENT, BEFORE),
    given(GAP, IMPORT, ORDER),
    given(GAP, RESOLVED, ORDER),
    given(GAP, OWN, ORDER),
    given(GAP, GENERIC, ORDER),
    given(GAP, BUILTIN, ORDER),
    given(GAP, EXPORT, ORDER),
    // What blocks say is bound by the commitment.
    given("instances.block", INSTALL, ADVICE),
    given("instances.block", IMPORT, ADVICE),
    given("instances.block", RESOLVED, ADVICE),
    given("instances.block", OWN, ADVICE),
    given("instances.block", GENERIC, ADVICE),
    given("instances.block", BUILTIN, ADVICE),
    given("instances.block", EXPORT, ADVICE),
    given("instances.block", SEGMENT, ADVICE),
    // No two meanings of a generic block have one number.
    given("instances.flag instances.callee[0..3]", GENERIC, ADVICE),
    given("instances.index instances.target", WIRE, HANDLE),
    given(
        "instances.index instances.flag instances.block instances.target",
        SPECIFIC,
        CHOICE,
    ),
    given("instances.commitment", SPECIFIC, RECORD),
    given("instances.commitment", TELL, RECORD),
    given("instances.index", ADOPT, HANDLE),
    given("instances.commitment", ADOPT, RECORD),
    // The digits of the id that is asked about.
    given("instances.index instances.callee[0..2]", TELL, CHOICE),
];

pub const ROWS: Rows = Rows {
    given: GIVEN,
    passed: &[
        passed(CONTINUED, &[("instances.op.import'", 1)]),
        passed(CONTINUED, &[("instances.op.resolved'", 1)]),
        passed(CONTINUED, &[("instances.op.own'", 1)]),
        passed(CONTINUED, &[("instances.op.generic'", 1)]),
        passed(CONTINUED, &[("instances.op.builtin'", 1)]),
        passed(CONTINUED, &[("instances.op.export'", 1)]),
        passed(CONTINUED, &[("instances.op.segment'", 1)]),
    ],
    kinds: &["instances.op.*"],
    others: "padding",
    looks_ahead: false,
};
