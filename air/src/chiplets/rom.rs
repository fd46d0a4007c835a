//! The ROM: every public record in one row, which is taken off the bus of records and looked up any
//! number of times.

use core::mem::size_of;

use crate::{
    algebra::Algebra,
    builder::{ConstraintBuilder, RomFrame},
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
pub fn constraints<B: ConstraintBuilder>(frame: &RomFrame<'_, B::Expr>, b: &mut B) {
    let RomRow {
        kernel,
        link,
        segment,
        record,
        ..
    } = *frame.cur;
    let one_kind = kernel + link + segment;
    b.assert_zeros(
        "rom.kind_binary",
        2,
        [kernel, link, segment, one_kind].map(Algebra::binary),
    );
    // What is longer than the record, which padding has none of.
    b.assert_zeros(
        "rom.unused",
        2,
        core::array::from_fn::<_, 12, _>(|i| {
            let used = match i {
                0..KERNEL_WIDTH => one_kind,
                KERNEL_WIDTH..SEGMENT_WIDTH => link + segment,
                _ => link,
            };
            used.not() * record[i]
        }),
    );
}

/// Messages of the ROM.
#[inline(always)]
pub fn lookups<B: LookupBuilder>(frame: &RomFrame<'_, B::Expr>, b: &mut B) {
    let row = frame.cur;
    let [record, lookup] = [Slot::WIDE[0], Slot::WIDE[1]];

    let flag = row.kernel;
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

    let flag = row.link;
    let link = link(row);
    b.add(record, "rom.link_record", flag, -flag, LinkRow { link });
    b.add(
        lookup,
        "rom.link",
        flag,
        flag * row.multiplicity,
        LinkLookup {
            link,
            domain: B::Expr::ZERO,
        },
    );

    let flag = row.segment;
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
