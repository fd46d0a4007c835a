//! The ways in which a trace is changed.

use miden_core::{Felt, ONE, ZERO};
use miden_cvm_air::{
    columns::{Cells, CoreRow, cells_of},
    opcode::HALT,
    table::Table,
};

use crate::{
    dual::{DualFrame, kernel},
    forgery::{Forgery, can_be_added},
    honest::{Cell, Honest, Site, is_row_number},
    memory,
    messages::collect,
    random::Random,
};

/// A kind of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// One cell holds something else.
    Cell,
    /// Several cells of a row hold something else.
    Cells,
    /// Two cells exchange their values.
    Exchange,
    /// Two rows of a table exchange their places.
    RowSwap,
    /// A row of a table is dropped, the following ones move up.
    RowDrop,
    /// A row of a table is doubled, the following ones move down.
    RowDouble,
    /// A run of a column moves by a row.
    Shift,
    /// A run of equal cells of a column holds something else.
    Run,
    /// Rows at the beginning or the end of a table are cut off, the following ones move up.
    Truncate,
    /// Another operation takes the place of one, with everything that says which one it is.
    Operation,
    /// A message is changed where it is sent and where it is received.
    Pair,
    /// A value is replaced by another wherever it stands: a context, a digest, an id.
    Rename,
    /// Cells of two rows move so that to first order no constraint and no message of state sees it.
    Freedom,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 13] = [
        Self::Cell,
        Self::Cells,
        Self::Exchange,
        Self::RowSwap,
        Self::RowDrop,
        Self::RowDouble,
        Self::Shift,
        Self::Run,
        Self::Truncate,
        Self::Operation,
        Self::Pair,
        Self::Rename,
        Self::Freedom,
    ];

    /// The kind as a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cell => "cell",
            Self::Cells => "cells",
            Self::Exchange => "exchange",
            Self::RowSwap => "row swap",
            Self::RowDrop => "row drop",
            Self::RowDouble => "row double",
            Self::Shift => "shift",
            Self::Run => "run",
            Self::Truncate => "truncate",
            Self::Operation => "operation",
            Self::Pair => "pair",
            Self::Rename => "rename",
            Self::Freedom => "freedom",
        }
    }

    /// A kind for a mutation: those that say more about single cells come more often.
    fn choose(random: &mut Random) -> Self {
        const WEIGHTS: [usize; 13] = [38, 8, 7, 3, 1, 1, 5, 5, 1, 5, 10, 4, 12];
        let mut at = random.below(WEIGHTS.iter().sum());
        for (kind, weight) in Self::ALL.into_iter().zip(WEIGHTS) {
            if at < weight {
                return kind;
            }
            at -= weight;
        }
        Self::Cell
    }
}

/// The number of times that a mutation which changes nothing is drawn again.
const ATTEMPTS: usize = 50;

/// Draws a mutation that changes something. There is none if a choice of cells leaves no freedom:
/// whichever way they move, something objects.
pub fn draw<'a>(honest: &'a Honest, random: &mut Random) -> (Kind, Option<Forgery<'a>>) {
    let kind = Kind::choose(random);
    if kind == Kind::Freedom {
        let mut forgery = Forgery::new(honest);
        freedom(&mut forgery, random);
        return (kind, (!forgery.changes().is_empty()).then_some(forgery));
    }
    for _ in 0..ATTEMPTS {
        let mut forgery = Forgery::new(honest);
        apply(kind, &mut forgery, random);
        if !forgery.changes().is_empty() {
            return (kind, Some(forgery));
        }
    }
    // A trace may have no two rows of some kind; it always has cells.
    loop {
        let mut forgery = Forgery::new(honest);
        one_cell(&mut forgery, random);
        if !forgery.changes().is_empty() {
            return (Kind::Cell, Some(forgery));
        }
    }
}

/// Changes a cell; every other time so that it holds no number of 16 bits any more.
pub fn change<'a>(honest: &'a Honest, cell: Cell, random: &mut Random) -> Forgery<'a> {
    loop {
        let mut forgery = Forgery::new(honest);
        let value = match random.one_in(2) {
            true => forgery.cell(cell) + Felt::new(1 << 16),
            false => other(&forgery, cell, random),
        };
        forgery.set(cell, value);
        if !forgery.changes().is_empty() {
            return forgery;
        }
    }
}

fn apply(kind: Kind, forgery: &mut Forgery<'_>, random: &mut Random) {
    match kind {
        Kind::Cell => one_cell(forgery, random),
        Kind::Cells => several_cells(forgery, random),
        Kind::Exchange => exchange(forgery, random),
        Kind::RowSwap => swap_rows(forgery, random),
        Kind::RowDrop => move_rows(forgery, random, true),
        Kind::RowDouble => move_rows(forgery, random, false),
        Kind::Shift => shift(forgery, random),
        Kind::Run => run(forgery, random),
        Kind::Truncate => truncate(forgery, random),
        Kind::Operation => operation(forgery, random),
        Kind::Pair => pair(forgery, random),
        Kind::Rename => rename(forgery, random),
        Kind::Freedom => freedom(forgery, random),
    }
}

/// A table and a row of it: rare operations and small chiplets as often as common ones.
fn place(honest: &Honest, random: &mut Random) -> (Table, usize) {
    // By width, or the few columns of the range tables would take as much as all others.
    let mut column = random.below(honest.tables().map(Table::width).sum());
    let mut chosen = Table::Core;
    for table in honest.tables() {
        chosen = table;
        match column.checked_sub(table.width()) {
            Some(rest) => column = rest,
            None => break,
        }
    }
    (chosen, row_of(honest, chosen, random))
}

fn row_of(honest: &Honest, table: Table, random: &mut Random) -> usize {
    let groups: Vec<&Vec<usize>> = honest
        .groups
        .iter()
        .filter(|(of, _)| *of == table)
        .map(|(_, rows)| rows)
        .collect();
    match groups.len() {
        0 => random.below(honest.trace.height(table)),
        _ => {
            let group = *random.pick(&groups);
            *random.pick(group)
        }
    }
}

fn random_cell(honest: &Honest, random: &mut Random) -> Cell {
    let (table, row) = place(honest, random);
    (table, row, random.below(table.width()))
}

/// Another value for a cell.
fn other(forgery: &Forgery<'_>, (table, row, column): Cell, random: &mut Random) -> Felt {
    let honest = forgery.honest;
    let height = honest.trace.height(table);
    let cell = |row: usize, column: usize| honest.row(table, row)[column];
    let old = forgery.cell((table, row, column));
    match random.below(12) {
        0 => random.felt(),
        1 => old + ONE,
        2 => old - ONE,
        3 => ZERO,
        4 => ONE,
        5 => old + Felt::new(1 << 16),
        6 => old + Felt::new(1 << 32),
        7 => -old,
        // What the column holds elsewhere: next to it, or anywhere.
        8 => cell((row + 1).min(height - 1), column),
        9 => cell(row.saturating_sub(1), column),
        10 => cell(random.below(height), column),
        // What the row holds elsewhere.
        _ => cell(row, random.below(table.width())),
    }
}

fn one_cell(forgery: &mut Forgery<'_>, random: &mut Random) {
    let cell = random_cell(forgery.honest, random);
    let value = other(forgery, cell, random);
    forgery.set(cell, value);
}

fn several_cells(forgery: &mut Forgery<'_>, random: &mut Random) {
    let (table, row) = place(forgery.honest, random);
    let near = random.below(table.width());
    for _ in 0..2 + random.below(4) {
        let column = if random.one_in(2) {
            random.below(table.width())
        } else {
            (near + random.below(4)).min(table.width() - 1)
        };
        let value = other(forgery, (table, row, column), random);
        forgery.set((table, row, column), value);
    }
}

fn exchange(forgery: &mut Forgery<'_>, random: &mut Random) {
    let cell = random_cell(forgery.honest, random);
    let (table, row, column) = cell;
    let last = forgery.honest.frames(table);
    let other = match random.below(3) {
        0 => (table, row, random.below(table.width())),
        1 => (table, (row + 1).min(last), column),
        _ => (table, random.below(last + 1), column),
    };
    let (a, b) = (forgery.cell(cell), forgery.cell(other));
    forgery.set(cell, b);
    forgery.set(other, a);
}

fn swap_rows(forgery: &mut Forgery<'_>, random: &mut Random) {
    let honest = forgery.honest;
    let (table, a) = place(honest, random);
    let last = honest.frames(table);
    let b = match random.below(3) {
        0 => (a + 1).min(last),
        1 => row_of(honest, table, random),
        _ => (a + 8).min(last),
    };
    forgery.set_row(table, a, honest.row(table, b));
    forgery.set_row(table, b, honest.row(table, a));
    keep_number(forgery, table, a);
    keep_number(forgery, table, b);
}

/// The first cell of a row of the core or the hasher is its number: nobody would change it by the
/// way.
fn keep_number(forgery: &mut Forgery<'_>, table: Table, row: usize) {
    if is_row_number(table, 0) {
        forgery.set((table, row, 0), Felt::new(row as u64));
    }
}

fn move_rows(forgery: &mut Forgery<'_>, random: &mut Random, up: bool) {
    let honest = forgery.honest;
    let (table, at) = place(honest, random);
    for row in at..honest.frames(table) {
        let from = if up { row + 1 } else { row.max(at + 1) - 1 };
        forgery.set_row(table, row, honest.row(table, from));
        keep_number(forgery, table, row);
    }
}

fn shift(forgery: &mut Forgery<'_>, random: &mut Random) {
    let (table, row, column) = random_cell(forgery.honest, random);
    let length = 2 + random.below(8);
    let end = (row + length).min(forgery.honest.frames(table));
    let down = random.one_in(2);
    for at in row..end {
        let from = if down { at.saturating_sub(1) } else { at + 1 };
        let value = forgery.honest.row(table, from)[column];
        forgery.set((table, at, column), value);
    }
}

fn run(forgery: &mut Forgery<'_>, random: &mut Random) {
    let cell = random_cell(forgery.honest, random);
    let value = other(forgery, cell, random);
    set_run(forgery, cell, value, random.below(4));
}

/// Changes a cell and the equal ones of its column before it (`mode` 1), after it (2), or both (3).
fn set_run(forgery: &mut Forgery<'_>, (table, row, column): Cell, value: Felt, mode: usize) {
    let honest = forgery.honest;
    let old = honest.row(table, row)[column];
    let same = |row: &usize| honest.row(table, *row)[column] == old;
    let before = (0..row).rev().take_while(same).filter(|_| mode & 1 != 0);
    let after = (row + 1..honest.trace.height(table))
        .take_while(same)
        .filter(|_| mode & 2 != 0);
    for row in before.chain(after).chain([row]) {
        forgery.set((table, row, column), value);
    }
}

fn truncate(forgery: &mut Forgery<'_>, random: &mut Random) {
    let honest = forgery.honest;
    let chiplets = honest.tables().filter(|table| *table != Table::Core);
    let table = *random.pick(&chiplets.collect::<Vec<_>>());
    let height = honest.trace.height(table);
    let used: Vec<usize> = (0..height)
        .filter(|&row| !honest.is_padding(table, row))
        .collect();
    let (Some(&start), length) = (used.first(), used.len()) else {
        return;
    };
    // Of whole cycles or not, from the front or from the back.
    let cut = match random.below(4) {
        0 => length,
        1 => 8.min(length),
        2 => 2.min(length),
        _ => 1 + random.below(length),
    };
    let from = if random.one_in(2) {
        start
    } else {
        start + length - cut
    };
    let last = height - 1;
    for row in from..=last {
        forgery.set_row(table, row, honest.row(table, (row + cut).min(last)));
        keep_number(forgery, table, row);
    }
}

fn operation(forgery: &mut Forgery<'_>, random: &mut Random) {
    let honest = forgery.honest;
    let (table, rows) = (Table::Core, &honest.trace.core);
    let row = row_of(honest, table, random);
    let donor = row_of(honest, table, random);
    let from = &rows[donor];
    let whole = random.one_in(2);
    let mut core = *CoreRow::from_cells(forgery.row(table, row));
    core.op = from.op;
    core.decoder.in_block = from.decoder.in_block;
    core.decoder.call = from.decoder.call;
    core.stack.shift_left = from.stack.shift_left;
    core.stack.shift_right = from.stack.shift_right;
    if whole {
        core.helpers = from.helpers;
    }
    forgery.set_row(table, row, cells_of(&core));
    // The group before has to have been another one.
    if random.one_in(2) && row > 0 && rows[row].op.code() != HALT {
        let code = Felt::from(rows[donor].op.code());
        let mut previous = *CoreRow::from_cells(forgery.row(table, row - 1));
        let group = code + core.decoder.group * Felt::new(128);
        if core.decoder.group_start == ONE {
            previous.decoder.registers[0] = group;
        } else {
            previous.decoder.group = group;
        }
        forgery.set_row(table, row - 1, cells_of(&previous));
    }
}

fn rename(forgery: &mut Forgery<'_>, random: &mut Random) {
    let honest = forgery.honest;
    let cell = random_cell(honest, random);
    let (table, row, column) = cell;
    let old = forgery.cell(cell);
    if old.as_int() < 2 {
        return;
    }
    let new = other(forgery, cell, random);
    let window = match random.below(3) {
        0 => 0..usize::MAX,
        1 => row..usize::MAX,
        _ => row..row + 32,
    };
    // Values that stand for something are large; small ones are numbers of all sorts.
    let one_column = old.as_int() < 1 << 16 && random.one_in(2);
    for of in honest.tables().filter(|of| *of != Table::Range) {
        if one_column && of != table {
            continue;
        }
        let columns = if one_column {
            column..column + 1
        } else {
            0..of.width()
        };
        for row in window.start..window.end.min(honest.trace.height(of)) {
            for column in columns.clone() {
                if !is_row_number(of, column) && honest.row(of, row)[column] == old {
                    forgery.set((of, row, column), new);
                }
            }
        }
    }
}

/// The cells of a frame that a coordinate of a message depends on, with the slopes.
fn moves(honest: &Honest, site: Site, coordinate: usize) -> Vec<(Cell, Felt)> {
    let (table, frame, name) = site;
    let pair = honest.honest_frame(table, frame);
    let mut found = Vec::new();
    for next in [false, true] {
        for column in 0..table.width() {
            let dual = DualFrame::new(table, &pair, &[(next, column, ONE)]);
            let slope = dual.coordinate_slope(name, coordinate);
            if slope != ZERO {
                found.push(((table, frame + usize::from(next), column), slope));
            }
        }
    }
    found
}

fn pair(forgery: &mut Forgery<'_>, random: &mut Random) {
    let honest = forgery.honest;
    let (table, row) = place(honest, random);
    let row = row.min(honest.frames(table) - 1);
    let mut messages = Vec::new();
    collect(table, &honest.honest_frame(table, row), &mut messages);
    messages.retain(|sent| !can_be_added(sent.key.bus));
    if messages.is_empty() {
        return;
    }
    let sent = *random.pick(&messages);
    let partners: Vec<Site> = match honest.sites.get(&sent.key) {
        Some(sites) => sites.clone(),
        None => {
            let facts = honest.facts.get(&sent.key);
            let named = facts.into_iter().flatten().filter_map(|&(table, row, _)| {
                let mut messages = Vec::new();
                collect(table, &honest.honest_frame(table, row), &mut messages);
                let same = messages.iter().find(|other| other.key == sent.key)?;
                Some((table, row, same.name))
            });
            named.collect()
        }
    };
    let coordinate = random.below(sent.width);
    let step = match random.below(3) {
        0 => ONE,
        1 => -ONE,
        _ => random.felt(),
    };
    let mode = if random.one_in(2) {
        0
    } else {
        1 + random.below(3)
    };
    let mut ends = vec![(table, row, sent.name)];
    // The memory follows its requests by itself.
    if !(memory::is_memory(sent.key.bus) && random.one_in(2)) {
        let others: Vec<_> = partners.into_iter().filter(|end| *end != ends[0]).collect();
        if !others.is_empty() {
            ends.push(*random.pick(&others));
        }
    }
    for end in ends {
        let cells = moves(honest, end, coordinate);
        if cells.is_empty() {
            continue;
        }
        let &(cell, slope) = random.pick(&cells);
        let value = forgery.cell(cell) + step / slope;
        set_run(forgery, cell, value, mode);
    }
}

fn freedom(forgery: &mut Forgery<'_>, random: &mut Random) {
    let honest = forgery.honest;
    let (table, row) = place(honest, random);
    let row = row.min(honest.frames(table) - 1);
    let bound = |bus| !can_be_added(bus);
    // Cells of this row and the next, mostly near each other.
    let both = random.one_in(2);
    let count = 4 + random.below(45);
    let mut chosen: Vec<Cell> = Vec::new();
    for _ in 0..count {
        let cell = (
            table,
            row + usize::from(both && random.one_in(2)),
            random.below(table.width()),
        );
        // How often facts are looked up is the prover's choice anyway.
        let is_padding = table != Table::Core && honest.is_padding(table, cell.1);
        let free = honest.multiplicities.contains(&cell) || is_padding;
        if !free && !chosen.contains(&cell) {
            chosen.push(cell);
        }
    }
    let first = row.saturating_sub(1);
    let last = (row + 1).min(honest.frames(table) - 1);
    let mut columns = Vec::new();
    chosen.retain(|&(_, at, column)| {
        let mut slopes = Vec::new();
        for frame in first..=last {
            let pair = honest.honest_frame(table, frame);
            let moving: Vec<_> = match at.checked_sub(frame) {
                Some(0) => vec![(false, column, ONE)],
                Some(1) => vec![(true, column, ONE)],
                _ => Vec::new(),
            };
            slopes.extend(DualFrame::new(table, &pair, &moving).slopes(&bound));
        }
        // Cells that nothing reads are for other kinds.
        let read = slopes.iter().any(|&slope| slope != ZERO);
        if read {
            columns.push(slopes);
        }
        read
    });
    let Some(direction) = kernel(&columns, || match random.below(3) {
        0 => ONE,
        1 => ZERO,
        _ => random.felt(),
    }) else {
        return;
    };
    let step = match random.below(3) {
        0 => ONE,
        1 => -ONE,
        _ => random.felt(),
    };
    for (&cell, slope) in chosen.iter().zip(direction) {
        let value = forgery.cell(cell) + slope * step;
        forgery.set(cell, value);
    }
}
