//! The ROM: every public record in one row, which is taken off the bus of records and looked up any
//! number of times.

use core::mem::size_of;

use crate::{
    algebra::Algebra,
    builder::{ChipletFrame, ConstraintBuilder},
    columns::RomRow,
    lookup::{
        KernelProcedure, KernelRecord, LinkCoords, LinkLookup, LinkRow, LookupBuilder,
        SegmentCoords, SegmentLookup, SegmentRow, Slot,
    },
};

/// Cells of a kernel's record: a digest.
const KERNEL_WIDTH: usize = 4;

/// Cells of a segment's record.
const SEGMENT_WIDTH: usize = size_of::<SegmentCoords<u8>>();

/// Constraints of the ROM.
#[inline(always)]
pub fn constraints<B: ConstraintBuilder>(frame: &ChipletFrame<'_, B::Expr>, b: &mut B) {
    let select = frame.cur.select.rom;
    let RomRow {
        kernel,
        link,
        segment,
        record,
        ..
    } = *frame.cur.rom();
    b.assert_zeros(
        "rom.kind_binary",
        3,
        [kernel, link, segment].map(|flag| select * flag.binary()),
    );
    b.assert_zero("rom.one_kind", 2, select * (kernel + link + segment).not());
    // What is longer than the record.
    b.assert_zeros(
        "rom.unused",
        3,
        core::array::from_fn::<_, 8, _>(|i| {
            let at = KERNEL_WIDTH + i;
            let shorter = if at < SEGMENT_WIDTH {
                kernel
            } else {
                kernel + segment
            };
            select * shorter * record[at]
        }),
    );
}

/// Messages of the ROM.
#[inline(always)]
pub fn lookups<B: LookupBuilder>(frame: &ChipletFrame<'_, B::Expr>, b: &mut B) {
    let select = frame.cur.select.rom;
    let row = frame.cur.rom();
    let [record, lookup] = [Slot::CHIPLET[0], Slot::CHIPLET[1]];

    let flag = select * row.kernel;
    let digest = kernel(row);
    b.add(
        record,
        "rom.kernel_record",
        flag,
        -flag,
        KernelRecord { digest },
    );
    b.add(
        lookup,
        "rom.kernel",
        flag,
        flag * row.multiplicity,
        KernelProcedure { digest },
    );

    let flag = select * row.link;
    let link = link(row);
    b.add(record, "rom.link_record", flag, -flag, LinkRow { link });
    b.add(
        lookup,
        "rom.link",
        flag,
        flag * row.multiplicity,
        LinkLookup { link },
    );

    let flag = select * row.segment;
    let segment = segment(row);
    b.add(
        record,
        "rom.segment_record",
        flag,
        -flag,
        SegmentRow { segment },
    );
    b.add(
        lookup,
        "rom.segment",
        flag,
        flag * row.multiplicity,
        SegmentLookup { segment },
    );
}

/// The digest in a kernel row.
#[inline(always)]
fn kernel<E: Algebra>(row: &RomRow<E>) -> [E; 4] {
    let [d0, d1, d2, d3, ..] = row.record;
    [d0, d1, d2, d3]
}

/// The link in a link row.
#[inline(always)]
fn link<E: Algebra>(row: &RomRow<E>) -> LinkCoords<E> {
    let [
        source,
        d0,
        d1,
        d2,
        d3,
        kind,
        target,
        c0,
        c1,
        c2,
        c3,
        payload,
    ] = row.record;
    LinkCoords {
        source,
        digest: [d0, d1, d2, d3],
        kind,
        target,
        callee: [c0, c1, c2, c3],
        payload,
    }
}

/// The segment in a segment row.
#[inline(always)]
fn segment<E: Algebra>(row: &RomRow<E>) -> SegmentCoords<E> {
    let [instance, segment, address, blocks, done, c0, c1, c2, c3, ..] = row.record;
    SegmentCoords {
        instance,
        segment,
        address,
        blocks,
        done,
        commitment: [c0, c1, c2, c3],
    }
}
