//! The core: an operation a row.

use super::{ADVICE, BEFORE, Fact, Given, PROGRAM, Passed, Rows, given, passed};

pub const ROWS: Rows = Rows {
    given: GIVEN,
    passed: PASSED,
    kinds: &["op.*"],
    others: "no operation",
    looks_ahead: false,
};

const GIVEN: &[Given] = &[
    given("system.*", &[], BEFORE),
    given("decoder.block", &[], BEFORE),
    given("decoder.address", &[], BEFORE),
    given("stack.top", &[], BEFORE),
    given("stack.depth", &[], BEFORE),
    given("stack.overflow_ptr", &[], BEFORE),
    // The operations of a group are its digits to the base 128; no-ops at its end are the prover's
    // choice. Which node begins is bound by its hash.
    given("op.*", &[], PROGRAM),
    given("op.*'", &[], PROGRAM),
    given("decoder.group_start'", &[("decoder.in_block'", 1)], PROGRAM),
    // Within a basic block.
    given("decoder.registers", &[("decoder.in_block", 1)], BEFORE),
    given("decoder.group", &[("decoder.in_block", 1)], BEFORE),
    given("decoder.position", &[("decoder.in_block", 1)], BEFORE),
    given("decoder.group_start", &[("decoder.in_block", 1)], BEFORE),
    // The nodes: what their hash is of. SPLIT, LOOP, SPAN, JOIN.
    given(
        "decoder.registers",
        &[("op.hi[5]", 1), ("op.mid[1]", 1)],
        PROGRAM,
    ),
    // RESPAN.
    given(
        "decoder.registers",
        &[("op.hi[7]", 1), ("op.mid[2]", 1)],
        PROGRAM,
    ),
    // CALL, SYSCALL, INTRINSIC, CALLER_ID, INSTANTIATE and DESTROY.
    given(
        "decoder.registers[0..4]",
        &[("op.hi[6]", 1), ("op.mid[3]", 1), ("op.lo[0]", 1)],
        PROGRAM,
    ),
    given(
        "decoder.registers[0..4]",
        &[("op.hi[6]", 1), ("op.mid[2]", 1), ("op.lo[0]", 1)],
        PROGRAM,
    ),
    given(
        "decoder.registers[0..4]",
        &[("op.hi[6]", 1), ("op.lo[1]", 1)],
        PROGRAM,
    ),
    // DESTRUCTOR and OWN_DESTRUCTOR.
    given(
        "decoder.registers[0..4]",
        &[("op.hi[6]", 1), ("op.mid[0]", 1), ("op.lo[2]", 1)],
        BEFORE,
    ),
    given(
        "decoder.registers[0..4]",
        &[("op.hi[6]", 1), ("op.mid[0]", 1), ("op.lo[3]", 1)],
        BEFORE,
    ),
    // REPEAT.
    given(
        "decoder.registers[0..4]",
        &[("op.hi[7]", 1), ("op.mid[1]", 1)],
        BEFORE,
    ),
    // END: ids of blocks are row numbers + 1.
    Given {
        fact: Some(Fact::NotZero),
        ..given(
            "decoder.block",
            &[("op.hi[7]", 1), ("op.mid[0]", 1)],
            BEFORE,
        )
    },
    // ADVPOP, ADVPOPW, PIPE.
    given(
        "stack.top[0..1]'",
        &[("op.hi[3]", 1), ("op.mid[3]", 1), ("op.lo[1]", 1)],
        ADVICE,
    ),
    given(
        "stack.top[0..4]'",
        &[("op.hi[0]", 1), ("op.mid[3]", 1), ("op.lo[2]", 1)],
        ADVICE,
    ),
    given(
        "stack.top[0..8]'",
        &[("op.hi[5]", 1), ("op.mid[0]", 1), ("op.lo[2]", 1)],
        ADVICE,
    ),
];

const PASSED: &[Passed] = &[
    passed("system.*", &[]),
    passed("decoder.block", &[]),
    passed("decoder.address", &[]),
    passed("stack.top", &[]),
    passed("stack.depth", &[]),
    passed("stack.overflow_ptr", &[]),
    passed("decoder.registers", &[("decoder.in_block'", 1)]),
    passed("decoder.group", &[("decoder.in_block'", 1)]),
    passed("decoder.position", &[("decoder.in_block'", 1)]),
    passed(
        "decoder.registers[0..4]",
        &[("op.hi[7]'", 1), ("op.mid[1]'", 1)],
    ),
    passed(
        "decoder.registers[0..4]",
        &[("op.hi[6]", 1), ("op.mid[1]", 1), ("op.lo[1]", 1)],
    ),
];
