//! The chiplets: hasher, bitwise, resource tables, memory, ROM and circuits, below each other in
//! shared columns.

use core::mem::size_of;

use crate::{
    algebra::Algebra,
    builder::{ChipletFrame, ConstraintBuilder},
    columns::{AceRow, BitwiseRow, CHIPLET_BODY, ChipletSelectors, MemoryRow, RomRow, TableRow},
    lookup::LookupBuilder,
};

pub mod ace;
pub mod bitwise;
pub mod hasher;
pub mod memory;
pub mod rom;
pub mod rpo;
pub mod table;

/// Constraints of all chiplets.
#[inline(always)]
pub fn constraints<B: ConstraintBuilder>(frame: &ChipletFrame<'_, B::Expr>, b: &mut B) {
    let step = frame.next.row - frame.cur.row;
    b.assert_zero("chiplets.row", 1, step - B::Expr::ONE);
    sections(frame, b);
    unused(frame, b);
    hasher::constraints(frame, b);
    bitwise::constraints(frame, b);
    table::constraints(frame, b);
    memory::constraints(frame, b);
    rom::constraints(frame, b);
    ace::constraints(frame, b);
}

/// Messages of all chiplets.
#[inline(always)]
pub fn lookups<B: LookupBuilder>(frame: &ChipletFrame<'_, B::Expr>, b: &mut B) {
    hasher::lookups(frame, b);
    bitwise::lookups(frame, b);
    table::lookups(frame, b);
    memory::lookups(frame, b);
    rom::lookups(frame, b);
    ace::lookups(frame, b);
}

/// The selectors: at most one is 1, and the sections come in order, in whole cycles.
#[inline(always)]
fn sections<B: ConstraintBuilder>(frame: &ChipletFrame<'_, B::Expr>, b: &mut B) {
    let ChipletSelectors {
        hasher,
        bitwise,
        table,
        memory,
        rom,
        ace,
    } = frame.cur.select;
    let next = &frame.next.select;
    b.assert_zeros(
        "chiplets.selector_binary",
        2,
        [hasher, bitwise, table, memory, rom, ace].map(Algebra::binary),
    );
    let not_after_bitwise = (hasher + bitwise).not();
    let not_after_table = not_after_bitwise - table;
    let not_after_memory = not_after_table - memory;
    let not_after_rom = not_after_memory - rom;
    let padding = not_after_rom - ace;
    b.assert_zero("chiplets.one_section", 2, padding.binary());

    // A section only follows itself or an earlier one; nothing follows padding.
    b.assert_zero("chiplets.order_hasher", 2, next.hasher * hasher.not());
    b.assert_zero(
        "chiplets.order_bitwise",
        2,
        next.bitwise * not_after_bitwise,
    );
    b.assert_zero("chiplets.order_table", 2, next.table * not_after_table);
    b.assert_zero("chiplets.order_memory", 2, next.memory * not_after_memory);
    b.assert_zero("chiplets.order_rom", 2, next.rom * not_after_rom);
    b.assert_zero("chiplets.order_ace", 2, next.ace * padding);

    // The hasher begins at row 0 and ends with a cycle, so the pairs of bitwise and of table
    // rows are aligned.
    let periodic = frame.periodic;
    b.assert_zero(
        "chiplets.whole_hasher_cycle",
        3,
        hasher * periodic.last.not() * next.hasher.not(),
    );
    b.assert_zero(
        "chiplets.whole_bitwise_pair",
        3,
        bitwise * periodic.odd.not() * next.bitwise.not(),
    );
    b.assert_zero(
        "chiplets.whole_table_pair",
        3,
        table * periodic.odd.not() * next.table.not(),
    );
}

/// Cells that a row's section has no columns for are zero, and all cells of padding are. What a
/// section uses on some of its rows only is up to the section.
///
/// Looked at as the next row, so that the last row is covered; row 0 is the hasher's, which uses all.
#[inline(always)]
fn unused<B: ConstraintBuilder>(frame: &ChipletFrame<'_, B::Expr>, b: &mut B) {
    let row = frame.next;
    let select = &row.select;
    let narrower = [
        (select.bitwise, size_of::<BitwiseRow<u8>>()),
        (select.table, size_of::<TableRow<u8>>()),
        (select.memory, size_of::<MemoryRow<u8>>()),
        (select.rom, size_of::<RomRow<u8>>()),
        (select.ace, size_of::<AceRow<u8>>()),
    ];
    b.assert_zeros(
        "chiplets.unused",
        2,
        core::array::from_fn::<_, CHIPLET_BODY, _>(|i| {
            let mut unused = select.hasher.not();
            for (section, width) in narrower {
                if i < width {
                    unused -= section;
                }
            }
            unused * row.body[i]
        }),
    );
}
