//! The heights of tables, and the pieces in which they are proven.
//!
//! A table has as many rows as it likes, nearly: what is proven are *pieces* of it, whose heights are
//! powers of two. The last row of a piece and the first row of the next one are one row of the
//! table. So pieces of heights `h_0, h_1, …, h_(k-1)` are a table of `h_0 + … + h_(k-1) - (k - 1)`
//! rows, and each pair of consecutive rows of the table is one of exactly one piece.

use alloc::vec::Vec;

use crate::{
    builder::PERIOD,
    table::{Table, Trace},
};

/// The largest number of rows of a table: contexts then stay below 2^48.
pub const MAX_HEIGHT: usize = 1 << 28;

/// The most pieces that a table is proven in.
pub const MAX_PIECES: usize = 4;

/// The cost of a further piece, in cells: so many have to be saved by it. Its rows are opened, too.
const PIECE_COST: usize = 1 << 17;

/// A piece of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// The table.
    pub table: Table,
    /// Its number among the pieces of the table, from 0.
    pub index: usize,
    /// The row of the table that is its first one.
    pub start: usize,
    /// Its number of rows, a power of two.
    pub height: usize,
    /// `true` if its last row is that of the table.
    pub is_last: bool,
}

impl Piece {
    /// A piece that is all of a table.
    pub const fn whole(table: Table, height: usize) -> Self {
        Self {
            table,
            index: 0,
            start: 0,
            height,
            is_last: true,
        }
    }

    /// The row of a period that its first row is.
    pub const fn phase(&self) -> usize {
        self.start % PERIOD
    }
}

/// The heights of the pieces of a table of so many rows, from the highest to the lowest; none if no
/// pieces make up such a table.
///
/// All heights are multiples of the period, so the number of rows says how many pieces there are.
/// They are the powers of two that make up the sum of the heights, of which the highest is halved
/// until there are as many as there have to be.
fn cut(rows: usize) -> Option<Vec<usize>> {
    let pieces = (PERIOD - rows % PERIOD) % PERIOD + 1;
    if pieces > MAX_PIECES || rows == 0 || rows > MAX_HEIGHT {
        return None;
    }
    let sum = rows + pieces - 1;
    let powers = (0..usize::BITS).rev().map(|log| 1 << log);
    let mut heights: Vec<usize> = powers.filter(|power| sum & power != 0).collect();
    while heights.len() < pieces {
        let half = heights.remove(0) / 2;
        let at = heights.partition_point(|&height| height > half);
        heights.splice(at..at, [half, half]);
    }
    let are_pieces = heights.len() == pieces && heights.iter().all(|&height| height >= PERIOD);
    are_pieces.then_some(heights)
}

impl Table {
    /// The smallest height of the table, unless it is absent: the byte table needs 14 rows, the
    /// periodic columns 8.
    pub const fn min_height(self) -> usize {
        match self {
            Self::Range => 16,
            _ => PERIOD,
        }
    }

    /// The number of rows that are of no use: the last one, which no transition constraint looks at
    /// as the current row, and what belongs to it; and in two tables a first one.
    pub const fn margin(self) -> usize {
        match self {
            Self::Core | Self::Range | Self::Rom | Self::Circuits | Self::Instances => 1,
            Self::Memory | Self::Bitwise | Self::Resources => 2,
            Self::Hasher => PERIOD,
        }
    }

    /// Returns `true` if an even number of rows is called for: nothing looks at the last row as the current
    /// one, so it must not be the second one of a pair.
    const fn is_of_pairs(self) -> bool {
        matches!(self, Self::Bitwise | Self::Resources)
    }

    /// Returns `true` if the table can have so many rows.
    fn has_height(self, rows: usize) -> bool {
        match rows {
            0 => self.is_optional(),
            _ => {
                let is_whole = rows.is_multiple_of(2) || !self.is_of_pairs();
                is_whole && rows >= self.min_height() && cut(rows).is_some()
            }
        }
    }

    /// The height that is needed for `rows` rows of use: none, if the table can be absent; else
    /// that of the pieces that leave room for what has to be around them and cost the least.
    pub const fn height_for(self, rows: usize) -> usize {
        if rows == 0 && self.is_optional() {
            return 0;
        }
        let needed = rows + self.margin();
        let mut best = needed.next_power_of_two();
        if best < self.min_height() {
            best = self.min_height();
        }
        // The pieces before the last one, which are full.
        let (mut full, mut before) = (0, 0);
        let mut pieces = 1;
        while pieces < MAX_PIECES {
            // The last row of a piece is the first one of the next.
            let open = needed - full;
            let piece = 1 << open.ilog2();
            if piece == open || piece < 2 * PERIOD {
                break;
            }
            full += piece - 1;
            pieces += 1;
            let mut last = (needed - full).next_power_of_two();
            if last < PERIOD {
                last = PERIOD;
            }
            let height = full + last;
            let saved = best.saturating_sub(height) * self.width();
            let is_whole = height.is_multiple_of(2) || !self.is_of_pairs();
            if is_whole && last < piece && saved > (pieces - 1 - before) * PIECE_COST {
                best = height;
                before = pieces - 1;
            }
        }
        best
    }

    /// The height that is needed for `rows` rows of use in pieces of at most `longest` rows, a power of
    /// two: as many pieces of so many rows as it takes, and a last one. Where there are no such pieces it
    /// is that of [`Table::height_for`].
    pub fn height_within(self, rows: usize, longest: usize) -> usize {
        let height = self.height_for(rows);
        let fits = |height: &usize| {
            let pieces = cut(*height).unwrap_or_default();
            self.has_height(*height) && pieces.iter().all(|&piece| piece <= longest)
        };
        if fits(&height) {
            return height;
        }
        let needed = (rows + self.margin()).max(self.min_height());
        let cuts = (0..MAX_PIECES).map(|cuts| {
            let full = cuts * (longest - 1);
            full + needed.saturating_sub(full).max(PERIOD).next_power_of_two()
        });
        let heights = cuts.filter(|height| *height >= needed && fits(height));
        heights.min().unwrap_or(height)
    }
}

/// The most rows that a piece has when a table of so many rows of use is cut into as many pieces of the
/// same height as there are slices; there are at most [`MAX_PIECES`]. With one slice nothing bounds it.
pub fn longest_piece(rows: usize, slices: usize) -> usize {
    match slices.min(MAX_PIECES) {
        0 | 1 => MAX_HEIGHT,
        slices => {
            // What surrounds the rows, and one more at each cut.
            let all = rows + PERIOD + slices - 1;
            all.div_ceil(slices).next_power_of_two().max(2 * PERIOD)
        }
    }
}

/// The heights of all tables; 0 for a table that is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Heights {
    rows: [u32; Table::COUNT],
}

impl Heights {
    /// Heights in the order of the tables; none if a table cannot have its height, or cannot be
    /// absent.
    pub fn new(rows: [usize; Table::COUNT]) -> Option<Self> {
        let mut tables = Table::ALL.iter().zip(&rows);
        let allowed = tables.all(|(table, &rows)| table.has_height(rows));
        allowed.then(|| Self {
            rows: rows.map(|rows| rows as u32),
        })
    }

    /// All tables of one height.
    pub fn uniform(height: usize) -> Option<Self> {
        Self::new([height; Table::COUNT])
    }

    /// The heights in the order of the tables, with 0 for a table that is absent.
    pub fn rows(&self) -> [u32; Table::COUNT] {
        self.rows
    }

    /// The tables that are there, in order.
    pub fn tables(&self) -> impl Iterator<Item = Table> + Clone + use<> {
        let rows = self.rows;
        let tables = Table::ALL.into_iter();
        tables.filter(move |&table| rows[table as usize] != 0)
    }

    /// The height of a table; 0 if it is absent.
    pub fn of(&self, table: Table) -> usize {
        self.rows[table as usize] as usize
    }

    /// The pieces of all tables, in order.
    pub fn pieces(&self) -> Vec<Piece> {
        let mut pieces = Vec::new();
        for table in self.tables() {
            // Every table has a height that it can have.
            let heights = cut(self.of(table)).unwrap_or_default();
            let (count, mut start) = (heights.len(), 0);
            for (index, height) in heights.into_iter().enumerate() {
                pieces.push(Piece {
                    table,
                    index,
                    start,
                    height,
                    is_last: index + 1 == count,
                });
                start += height - 1;
            }
        }
        pieces
    }

    /// The height of the highest table.
    pub fn highest(&self) -> usize {
        self.rows
            .iter()
            .fold(0, |most, &rows| most.max(rows as usize))
    }

    /// The number of main cells of all tables.
    pub fn cells(&self) -> usize {
        let cells = |table: Table| self.of(table) * table.width();
        self.tables().map(cells).sum()
    }
}

impl Trace {
    /// The heights; none if a table has a number of rows that it cannot have.
    pub fn heights(&self) -> Option<Heights> {
        Heights::new(Table::ALL.map(|table| self.height(table)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heights_are_those_of_pieces() {
        let heights = Heights::new([16, 512, 39, 8, 0, 0, 64, 0, 0]).expect("allowed heights");
        assert_eq!(heights.highest(), 512);
        let tables = [
            Table::Core,
            Table::Range,
            Table::Hasher,
            Table::Memory,
            Table::Rom,
        ];
        assert!(heights.tables().eq(tables));
        assert_eq!(
            heights.cells(),
            tables.map(|t| t.width() * heights.of(t)).iter().sum()
        );
        let pieces = heights.pieces();
        let shapes = pieces.iter().map(|p| (p.table, p.index, p.start, p.height));
        assert!(shapes.eq([
            (Table::Core, 0, 0, 16),
            (Table::Range, 0, 0, 512),
            (Table::Hasher, 0, 0, 32),
            (Table::Hasher, 1, 31, 8),
            (Table::Memory, 0, 0, 8),
            (Table::Rom, 0, 0, 64),
        ]));
        let whole = |piece: &Piece| piece.index == 0 && piece.is_last;
        assert_eq!(pieces.iter().filter(|piece| whole(piece)).count(), 4);
        assert_eq!(pieces[3].phase(), 7);
        for refused in [
            [4, 512, 32, 8, 8, 8, 8, 8, 8],
            [16, 8, 32, 8, 8, 8, 8, 8, 8],
            [16, 512, 4, 8, 8, 8, 8, 8, 8],
            [24, 512, 32, 8, 8, 8, 8, 8, 8],
            [16, 512, 32, 8, 1, 8, 8, 8, 8],
            [16, 512, 32, 8, 8, 4, 8, 8, 8],
            [2 * MAX_HEIGHT, 512, 32, 8, 8, 8, 8, 8, 8],
        ] {
            assert_eq!(Heights::new(refused), None);
        }
    }

    #[test]
    fn the_rows_say_what_the_pieces_are() {
        for (rows, heights) in [
            (8, &[8][..]),
            (1 << 20, &[1 << 20]),
            (15, &[8, 8]),
            (23, &[16, 8]),
            (22, &[8, 8, 8]),
            ((1 << 19) + (1 << 14) - 1, &[1 << 19, 1 << 14]),
            ((1 << 22) - 3, &[1 << 20; 4]),
            (37, &[16, 8, 8, 8]),
        ] {
            assert_eq!(cut(rows).as_deref(), Some(heights), "{rows}");
        }
        for rows in [
            0,
            1,
            7,
            9,
            12,
            24,
            14,
            16 + 8 + 4 - 2,
            MAX_HEIGHT + 1,
            usize::MAX,
        ] {
            assert_eq!(cut(rows), None, "{rows}");
        }
        // Rows of pairs do not end with the second row of one.
        for (rows, allowed) in [(16, true), (23, false), (22, true), (37, false)] {
            assert_eq!(Table::Bitwise.has_height(rows), allowed, "{rows}");
            assert_eq!(Table::Resources.has_height(rows), allowed, "{rows}");
            assert!(Table::Core.has_height(rows));
        }
    }

    #[test]
    fn small_tables_are_of_one_piece() {
        for (rows, height) in [(0, 8), (7, 8), (8, 16), (15, 16), (16, 32)] {
            assert_eq!(Table::Core.height_for(rows), height);
        }
        for (rows, height) in [(0, 0), (2, 8), (6, 8), (8, 16), (14, 16)] {
            assert_eq!(Table::Bitwise.height_for(rows), height);
        }
        for (rows, height) in [(8, 16), (16, 32), (24, 32), (32, 64)] {
            assert_eq!(Table::Hasher.height_for(rows), height);
        }
        assert_eq!(Table::Range.height_for(3), 16);
    }

    #[test]
    fn pieces_have_room_and_cost_less() {
        let long = (1 << 19) + (1 << 14) - 1;
        assert_eq!(Table::Core.height_for(538_000), long);
        assert_eq!(Table::Core.height_for((1 << 20) - 1), 1 << 20);
        for table in Table::ALL {
            for rows in (0..1 << 22).step_by(997) {
                let rows = if table == Table::Hasher {
                    rows & !7
                } else {
                    rows
                };
                let height = table.height_for(rows);
                assert!(table.has_height(height), "{table:?}, {rows}: {height}");
                let needed = rows + table.margin();
                assert!(height == 0 || height >= needed);
                // No cut saves more than it costs.
                let pieces = cut(height).map_or(0, |pieces| pieces.len());
                let one = needed.next_power_of_two().max(table.min_height());
                let saved = one.saturating_sub(height) * table.width();
                assert!(saved >= pieces.saturating_sub(1) * PIECE_COST || height == 0);
            }
        }
    }

    #[test]
    fn slices_bound_the_pieces() {
        assert_eq!(longest_piece(1 << 22, 1), MAX_HEIGHT);
        assert_eq!(longest_piece((1 << 22) - 100, 4), 1 << 20);
        assert_eq!(longest_piece((1 << 22) - 100, 9), 1 << 20);
        assert_eq!(longest_piece(1 << 22, 4), 1 << 21);
        assert_eq!(longest_piece(1, 4), 16);
        for table in Table::ALL {
            for rows in [0, 8, 24, 200, 1000, 1 << 12, 66_664, (1 << 20) - 16] {
                assert_eq!(
                    table.height_within(rows, MAX_HEIGHT),
                    table.height_for(rows)
                );
                for slices in 2..=MAX_PIECES {
                    let longest = longest_piece(rows, slices);
                    let height = table.height_within(rows, longest);
                    assert!(table.has_height(height), "{table:?}, {rows}: {height}");
                    let needed = rows + table.margin();
                    assert!(height == 0 || height >= needed);
                    let pieces = cut(height).unwrap_or_default();
                    // Rows of pairs are never in an even number of pieces.
                    if !table.is_of_pairs() || slices == 3 {
                        assert!(pieces.len() <= slices, "{table:?}, {rows}: {pieces:?}");
                        assert!(pieces.iter().all(|&piece| piece <= longest));
                    }
                }
            }
        }
        assert_eq!(
            Table::Core.height_within((1 << 22) - 100, 1 << 20),
            (1 << 22) - 3
        );
        assert_eq!(Table::Bitwise.height_within(100, 64), 64 + 64 + 8 - 2);
    }

    #[test]
    fn only_some_tables_can_be_absent() {
        for table in Table::ALL {
            let mut rows = [512; Table::COUNT];
            rows[table as usize] = 0;
            let heights = Heights::new(rows);
            assert_eq!(heights.is_some(), table.is_optional(), "{table:?}");
            assert_eq!(table.height_for(0) == 0, table.is_optional(), "{table:?}");
            if let Some(heights) = heights {
                assert_eq!(heights.of(table), 0);
                assert!(heights.tables().all(|there| there != table));
            }
        }
    }
}
