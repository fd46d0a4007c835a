//! The inputs of the rows, table by table.

use miden_cvm_air::table::Table;

use super::spec::{ADVICE, BEFORE, CHOICE, Given, PROGRAM, Passed};

/// The tables whose rows' inputs are stated here.
pub const COVERED: &[Table] = &[Table::Core, Table::Range];

const fn given(
    table: Table,
    cells: &'static str,
    when: &'static [(&'static str, u64)],
    why: &'static str,
) -> Given {
    Given {
        table,
        cells,
        when,
        why,
        nonzero: false,
    }
}

const fn core(
    cells: &'static str,
    when: &'static [(&'static str, u64)],
    why: &'static str,
) -> Given {
    given(Table::Core, cells, when, why)
}

/// What rows are given.
pub const GIVEN: &[Given] = &[
    core("system.*", &[], BEFORE),
    core("decoder.block", &[], BEFORE),
    core("decoder.address", &[], BEFORE),
    core("stack.top", &[], BEFORE),
    core("stack.depth", &[], BEFORE),
    core("stack.overflow_ptr", &[], BEFORE),
    // The operations of a group are its digits to the base 128; no-ops at its end are the prover's
    // choice. Which node begins is bound by its hash.
    core("op.*", &[], PROGRAM),
    core("op.*'", &[], PROGRAM),
    core("decoder.group_start'", &[("decoder.in_block'", 1)], PROGRAM),
    // Within a basic block.
    core("decoder.registers", &[("decoder.in_block", 1)], BEFORE),
    core("decoder.group", &[("decoder.in_block", 1)], BEFORE),
    core("decoder.position", &[("decoder.in_block", 1)], BEFORE),
    core("decoder.group_start", &[("decoder.in_block", 1)], BEFORE),
    // The nodes: what their hash is of. SPLIT, LOOP, SPAN, JOIN.
    core(
        "decoder.registers",
        &[("op.hi[5]", 1), ("op.mid[1]", 1)],
        PROGRAM,
    ),
    // RESPAN.
    core(
        "decoder.registers",
        &[("op.hi[7]", 1), ("op.mid[2]", 1)],
        PROGRAM,
    ),
    // CALL, SYSCALL, INTRINSIC and DESTROY.
    core(
        "decoder.registers[0..4]",
        &[("op.hi[6]", 1), ("op.mid[3]", 1), ("op.lo[0]", 1)],
        PROGRAM,
    ),
    core(
        "decoder.registers[0..4]",
        &[("op.hi[6]", 1), ("op.mid[2]", 1), ("op.lo[0]", 1)],
        PROGRAM,
    ),
    core(
        "decoder.registers[0..4]",
        &[("op.hi[6]", 1), ("op.lo[1]", 1)],
        PROGRAM,
    ),
    // DESTRUCTOR and OWN_DESTRUCTOR.
    core(
        "decoder.registers[0..4]",
        &[("op.hi[6]", 1), ("op.mid[0]", 1), ("op.lo[2]", 1)],
        BEFORE,
    ),
    core(
        "decoder.registers[0..4]",
        &[("op.hi[6]", 1), ("op.mid[0]", 1), ("op.lo[3]", 1)],
        BEFORE,
    ),
    // REPEAT.
    core(
        "decoder.registers[0..4]",
        &[("op.hi[7]", 1), ("op.mid[1]", 1)],
        BEFORE,
    ),
    // END: ids of blocks are row numbers + 1.
    Given {
        nonzero: true,
        ..core(
            "decoder.block",
            &[("op.hi[7]", 1), ("op.mid[0]", 1)],
            BEFORE,
        )
    },
    // ADVPOP, ADVPOPW, PIPE.
    core(
        "stack.top[0..1]'",
        &[("op.hi[3]", 1), ("op.mid[3]", 1), ("op.lo[1]", 1)],
        ADVICE,
    ),
    core(
        "stack.top[0..4]'",
        &[("op.hi[0]", 1), ("op.mid[3]", 1), ("op.lo[2]", 1)],
        ADVICE,
    ),
    core(
        "stack.top[0..8]'",
        &[("op.hi[5]", 1), ("op.mid[0]", 1), ("op.lo[2]", 1)],
        ADVICE,
    ),
    given(Table::Range, "range.hi", &[], CHOICE),
    given(Table::Range, "range.lo", &[], CHOICE),
    given(Table::Range, "range.multiplicity", &[], CHOICE),
    given(Table::Range, "range.byte", &[], BEFORE),
    given(Table::Range, "range.byte_multiplicity", &[], CHOICE),
];

const fn passed(table: Table, cells: &'static str, when: &'static [(&'static str, u64)]) -> Passed {
    Passed { table, cells, when }
}

/// What rows pass on.
pub const PASSED: &[Passed] = &[
    passed(Table::Core, "system.*", &[]),
    passed(Table::Core, "decoder.block", &[]),
    passed(Table::Core, "decoder.address", &[]),
    passed(Table::Core, "stack.top", &[]),
    passed(Table::Core, "stack.depth", &[]),
    passed(Table::Core, "stack.overflow_ptr", &[]),
    passed(
        Table::Core,
        "decoder.registers",
        &[("decoder.in_block'", 1)],
    ),
    passed(Table::Core, "decoder.group", &[("decoder.in_block'", 1)]),
    passed(Table::Core, "decoder.position", &[("decoder.in_block'", 1)]),
    passed(
        Table::Core,
        "decoder.registers[0..4]",
        &[("op.hi[7]'", 1), ("op.mid[1]'", 1)],
    ),
    passed(
        Table::Core,
        "decoder.registers[0..4]",
        &[("op.hi[6]", 1), ("op.mid[1]", 1), ("op.lo[1]", 1)],
    ),
];

/// Flags that tell kinds of rows from each other.
pub const KINDS: &[(Table, &str)] = &[(Table::Core, "op.*")];
