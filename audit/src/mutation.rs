//! The ways in which a trace is changed.

use miden_core::{Felt, ONE, ZERO};
use miden_cvm_air::{columns::MAIN_WIDTH, opcode::HALT};

use crate::{
    columns::{CHIPLETS, Part},
    dual::{DualFrame, kernel},
    forgery::{Forgery, can_be_added},
    honest::{Cell, Honest, cells, opcode},
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
    /// Two rows of a part exchange their places.
    RowSwap,
    /// A row of a part is dropped, the following ones move up.
    RowDrop,
    /// A row of a part is doubled, the following ones move down.
    RowDouble,
    /// A run of a column moves by a row.
    Shift,
    /// A run of equal cells of a column holds something else.
    Run,
    /// Rows of a chiplet are cut off, the following sections move up.
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

/// How often a mutation that changes nothing is drawn again.
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

/// A part and a row of it: rare operations and small chiplets as often as common ones.
fn place(honest: &Honest, random: &mut Random) -> (Part, usize) {
    // By width, or the few columns of the range tables would take as much as all others.
    let column = random.below(MAIN_WIDTH);
    let part = Part::ALL
        .into_iter()
        .find(|part| part.columns().contains(&column))
        .unwrap_or(Part::Core);
    (part, row_of(honest, part, random))
}

fn row_of(honest: &Honest, part: Part, random: &mut Random) -> usize {
    let groups: Vec<&Vec<usize>> = honest
        .groups
        .iter()
        .filter(|(of, _)| *of == part)
        .map(|(_, rows)| rows)
        .collect();
    match groups.len() {
        0 => random.below(honest.rows.len()),
        _ => {
            let group = *random.pick(&groups);
            *random.pick(group)
        }
    }
}

fn random_cell(honest: &Honest, random: &mut Random) -> Cell {
    let (part, row) = place(honest, random);
    (
        row,
        part.columns().start + random.below(part.columns().len()),
    )
}

/// Another value for a cell.
fn other(forgery: &Forgery<'_>, (row, column): Cell, random: &mut Random) -> Felt {
    let rows = &forgery.honest.rows;
    let old = forgery.cell((row, column));
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
        8 => cells(&rows[(row + 1).min(rows.len() - 1)])[column],
        9 => cells(&rows[row.saturating_sub(1)])[column],
        10 => cells(&rows[random.below(rows.len())])[column],
        // What the row holds elsewhere.
        _ => cells(&rows[row])[random.below(MAIN_WIDTH)],
    }
}

fn one_cell(forgery: &mut Forgery<'_>, random: &mut Random) {
    let cell = random_cell(forgery.honest, random);
    let value = other(forgery, cell, random);
    forgery.set(cell, value);
}

fn several_cells(forgery: &mut Forgery<'_>, random: &mut Random) {
    let (part, row) = place(forgery.honest, random);
    let start = part.columns().start;
    let near = start + random.below(part.columns().len());
    for _ in 0..2 + random.below(4) {
        let column = if random.one_in(2) {
            start + random.below(part.columns().len())
        } else {
            (near + random.below(4)).min(part.columns().end - 1)
        };
        let value = other(forgery, (row, column), random);
        forgery.set((row, column), value);
    }
}

fn exchange(forgery: &mut Forgery<'_>, random: &mut Random) {
    let (row, column) = random_cell(forgery.honest, random);
    let part = Part::ALL
        .into_iter()
        .find(|part| part.columns().contains(&column));
    let columns = part.unwrap_or(Part::Core).columns();
    let other = match random.below(3) {
        0 => (row, columns.start + random.below(columns.len())),
        1 => ((row + 1).min(forgery.honest.frames()), column),
        _ => (random.below(forgery.honest.rows.len()), column),
    };
    let (a, b) = (forgery.cell((row, column)), forgery.cell(other));
    forgery.set((row, column), b);
    forgery.set(other, a);
}

fn swap_rows(forgery: &mut Forgery<'_>, random: &mut Random) {
    let honest = forgery.honest;
    let (part, a) = place(honest, random);
    let last = honest.frames();
    let b = match random.below(3) {
        0 => (a + 1).min(last),
        1 => row_of(honest, part, random),
        _ => (a + 8).min(last),
    };
    forgery.set_part(a, part, &honest.rows[b]);
    forgery.set_part(b, part, &honest.rows[a]);
    keep_clock(forgery, a);
    keep_clock(forgery, b);
}

/// The clock is the row's number: nobody would change it by the way.
fn keep_clock(forgery: &mut Forgery<'_>, row: usize) {
    forgery.row_mut(row).core.system.clk = Felt::new(row as u64);
}

fn move_rows(forgery: &mut Forgery<'_>, random: &mut Random, up: bool) {
    let honest = forgery.honest;
    let (part, at) = place(honest, random);
    let last = honest.frames();
    for row in at..last {
        let from = if up { row + 1 } else { row.max(at + 1) - 1 };
        forgery.set_part(row, part, &honest.rows[from]);
        keep_clock(forgery, row);
    }
}

fn shift(forgery: &mut Forgery<'_>, random: &mut Random) {
    let (row, column) = random_cell(forgery.honest, random);
    let length = 2 + random.below(8);
    let end = (row + length).min(forgery.honest.frames());
    let down = random.one_in(2);
    for at in row..end {
        let from = if down { at.saturating_sub(1) } else { at + 1 };
        let value = cells(&forgery.honest.rows[from])[column];
        forgery.set((at, column), value);
    }
}

fn run(forgery: &mut Forgery<'_>, random: &mut Random) {
    let cell = random_cell(forgery.honest, random);
    let value = other(forgery, cell, random);
    set_run(forgery, cell, value, random.below(4));
}

/// Changes a cell and the equal ones of its column before it (`mode` 1), after it (2), or both (3).
fn set_run(forgery: &mut Forgery<'_>, (row, column): Cell, value: Felt, mode: usize) {
    let rows = &forgery.honest.rows;
    let old = cells(&rows[row])[column];
    let same = |row: &usize| cells(&rows[*row])[column] == old;
    let before = (0..row).rev().take_while(same).filter(|_| mode & 1 != 0);
    let after = (row + 1..rows.len())
        .take_while(same)
        .filter(|_| mode & 2 != 0);
    for row in before.chain(after).chain([row]) {
        forgery.set((row, column), value);
    }
}

fn truncate(forgery: &mut Forgery<'_>, random: &mut Random) {
    let honest = forgery.honest;
    let chiplet = honest
        .names
        .chiplet(&honest.rows[row_of(honest, Part::Chiplets, random)]);
    let Some(chiplet) = chiplet else { return };
    let section: Vec<usize> = (0..honest.rows.len())
        .filter(|&row| honest.names.chiplet(&honest.rows[row]) == Some(chiplet))
        .collect();
    let (start, length) = (section[0], section.len());
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
    let last = honest.frames();
    for row in from..=last {
        forgery.set_part(row, Part::Chiplets, &honest.rows[(row + cut).min(last)]);
    }
}

fn operation(forgery: &mut Forgery<'_>, random: &mut Random) {
    let honest = forgery.honest;
    let row = row_of(honest, Part::Core, random);
    let donor = row_of(honest, Part::Core, random);
    let from = &honest.rows[donor].core;
    let whole = random.one_in(2);
    let core = &mut forgery.row_mut(row).core;
    core.op = from.op;
    core.decoder.in_block = from.decoder.in_block;
    core.decoder.call = from.decoder.call;
    core.stack.shift_left = from.stack.shift_left;
    core.stack.shift_right = from.stack.shift_right;
    if whole {
        core.helpers = from.helpers;
    }
    // The group before has to have been another one.
    if random.one_in(2) && row > 0 && opcode(&honest.rows[row]) != HALT {
        let code = Felt::from(opcode(&honest.rows[donor]));
        let group = forgery.row(row).core.decoder.group;
        let start = forgery.row(row).core.decoder.group_start;
        let previous = &mut forgery.row_mut(row - 1).core.decoder;
        if start == ONE {
            previous.registers[0] = code + group * Felt::new(128);
        } else {
            previous.group = code + group * Felt::new(128);
        }
    }
}

fn rename(forgery: &mut Forgery<'_>, random: &mut Random) {
    let honest = forgery.honest;
    let cell = random_cell(honest, random);
    let old = forgery.cell(cell);
    if old.as_int() < 2 {
        return;
    }
    let new = other(forgery, cell, random);
    let window = match random.below(3) {
        0 => 0..honest.rows.len(),
        1 => cell.0..honest.rows.len(),
        _ => cell.0..(cell.0 + 32).min(honest.rows.len()),
    };
    // Values that stand for something are large; small ones are numbers of all sorts.
    let columns = if old.as_int() < 1 << 16 && random.one_in(2) {
        cell.1..cell.1 + 1
    } else {
        0..MAIN_WIDTH
    };
    for row in window {
        for column in columns.clone() {
            let tables = Part::Range.columns().contains(&column);
            if !tables && column != 0 && cells(&honest.rows[row])[column] == old {
                forgery.set((row, column), new);
            }
        }
    }
}

/// The cells of a frame that a coordinate of a message depends on, with the slopes.
fn moves(
    honest: &Honest,
    frame: usize,
    name: &'static str,
    coordinate: usize,
) -> Vec<(Cell, Felt)> {
    let pair = honest.honest_frame(frame);
    let mut found = Vec::new();
    for next in [false, true] {
        for column in 0..MAIN_WIDTH {
            let dual = DualFrame::new(&pair, &[(next, column, ONE)]);
            let slope = dual.coordinate_slope(name, coordinate);
            if slope != ZERO {
                found.push(((frame + usize::from(next), column), slope));
            }
        }
    }
    found
}

fn pair(forgery: &mut Forgery<'_>, random: &mut Random) {
    let honest = forgery.honest;
    let (_, row) = place(honest, random);
    let row = row.min(honest.frames() - 1);
    let mut messages = Vec::new();
    collect(&honest.honest_frame(row), &mut messages);
    messages.retain(|sent| !can_be_added(sent.key.bus));
    if messages.is_empty() {
        return;
    }
    let sent = *random.pick(&messages);
    let partners: Vec<(usize, &'static str)> = match honest.sites.get(&sent.key) {
        Some(sites) => sites.clone(),
        None => {
            let facts = honest.facts.get(&sent.key);
            let rows = facts.into_iter().flatten().map(|cell| cell.0);
            let named = rows.filter_map(|row| {
                let mut messages = Vec::new();
                collect(&honest.honest_frame(row), &mut messages);
                let same = messages.iter().find(|other| other.key == sent.key)?;
                Some((row, same.name))
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
    let mut ends = vec![(row, sent.name)];
    // The memory section follows its requests by itself.
    if !(memory::is_memory(sent.key.bus) && random.one_in(2)) {
        let others: Vec<_> = partners.into_iter().filter(|end| *end != ends[0]).collect();
        if !others.is_empty() {
            ends.push(*random.pick(&others));
        }
    }
    for (row, name) in ends {
        let cells = moves(honest, row, name, coordinate);
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
    let (part, row) = place(honest, random);
    let row = row.min(honest.frames() - 1);
    let bound = |bus| !can_be_added(bus);
    // Cells of this row and the next, mostly near each other.
    let both = random.one_in(2);
    let count = 4 + random.below(45);
    let mut chosen: Vec<Cell> = Vec::new();
    for _ in 0..count {
        let columns = if random.one_in(8) {
            0..MAIN_WIDTH
        } else {
            part.columns()
        };
        let column = columns.start + random.below(columns.len());
        let cell = (row + usize::from(both && random.one_in(2)), column);
        // How often facts are looked up is the prover's choice anyway.
        let free = honest.multiplicities.contains(&cell)
            || (column >= CHIPLETS && honest.names.chiplet(&honest.rows[cell.0]).is_none());
        if !free && !chosen.contains(&cell) {
            chosen.push(cell);
        }
    }
    let first = row.saturating_sub(1);
    let last = (row + 1).min(honest.frames() - 1);
    let mut columns = Vec::new();
    chosen.retain(|&(at, column)| {
        let mut slopes = Vec::new();
        for frame in first..=last {
            let pair = honest.honest_frame(frame);
            let moving: Vec<_> = match at.checked_sub(frame) {
                Some(0) => vec![(false, column, ONE)],
                Some(1) => vec![(true, column, ONE)],
                _ => Vec::new(),
            };
            slopes.extend(DualFrame::new(&pair, &moving).slopes(&bound));
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
