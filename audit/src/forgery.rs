//! A trace in the hands of a cheating prover, and what rejects it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use miden_core::{Felt, ONE, ZERO};
use miden_cvm_air::{
    builder::Violations,
    columns::cells_of,
    lookup::Bus,
    table::{Table, Window},
};

use crate::{
    honest::{Cell, Honest},
    memory,
    messages::{Key, Sent, collect},
    unread::RowContext,
};

/// Traces in which more rows change than this are looked at until the first objection only.
const FEW_ROWS: usize = 64;

/// An honest trace with other rows in some places.
#[derive(Debug, Clone)]
pub struct Forgery<'a> {
    /// The trace without changes.
    pub honest: &'a Honest,
    /// The rows that are others.
    rows: BTreeMap<(Table, usize), Vec<Felt>>,
}

/// Everything that rejects a forged trace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Objections {
    /// Names of the constraints that are violated.
    pub constraints: BTreeSet<String>,
    /// Names of the messages that are not matched.
    pub messages: BTreeSet<&'static str>,
    /// The messages of which each is the only reason: without it, the trace would be accepted.
    pub only_messages: BTreeSet<&'static str>,
    /// There may be more: the trace was looked at until the first objection only.
    pub partial: bool,
}

impl Objections {
    /// Returns `true` if nothing rejects the trace.
    pub fn none(&self) -> bool {
        self.constraints.is_empty() && self.messages.is_empty()
    }

    /// The constraints and messages without each of which nothing would reject the trace:
    /// constraints by family, messages by name.
    pub fn alone(&self) -> BTreeSet<&str> {
        let families: BTreeSet<&str> = self.constraints.iter().map(|name| family(name)).collect();
        match families.len() {
            _ if self.partial => BTreeSet::new(),
            0 => self.only_messages.clone(),
            1 if self.messages.is_empty() => families,
            _ => BTreeSet::new(),
        }
    }
}

/// The name of a constraint without the number of the member.
fn family(name: &str) -> &str {
    name.split_once('[').map_or(name, |(family, _)| family)
}

impl<'a> Forgery<'a> {
    /// The honest trace.
    pub fn new(honest: &'a Honest) -> Self {
        Self {
            honest,
            rows: BTreeMap::new(),
        }
    }

    /// A row.
    pub fn row(&self, table: Table, row: usize) -> &[Felt] {
        match self.rows.get(&(table, row)) {
            Some(changed) => changed,
            None => self.honest.row(table, row),
        }
    }

    /// A row with what tells which of its cells are read.
    pub fn place(&self, table: Table, number: usize) -> RowContext<'_> {
        RowContext {
            table,
            row: self.row(table, number),
            before: number.checked_sub(1).map(|before| self.row(table, before)),
            number,
            is_last: number == self.honest.frames(table),
            composed: self.honest.public.composition.is_some(),
        }
    }

    /// The rows that are others.
    pub fn changed_rows(&self) -> impl Iterator<Item = (Table, usize)> {
        self.rows.keys().copied()
    }

    /// A row, to be changed.
    pub fn row_mut(&mut self, table: Table, row: usize) -> &mut [Felt] {
        let honest = self.honest.row(table, row);
        self.rows
            .entry((table, row))
            .or_insert_with(|| honest.to_vec())
    }

    /// A cell.
    pub fn cell(&self, (table, row, column): Cell) -> Felt {
        self.row(table, row)[column]
    }

    /// Changes a cell.
    pub fn set(&mut self, (table, row, column): Cell, value: Felt) {
        self.row_mut(table, row)[column] = value;
    }

    /// Replaces a row.
    pub fn set_row(&mut self, table: Table, row: usize, from: &[Felt]) {
        self.row_mut(table, row).copy_from_slice(from);
    }

    /// Drops rows that are as they were.
    fn tidy(&mut self) {
        let honest = self.honest;
        self.rows
            .retain(|&(table, row), changed| changed[..] != *honest.row(table, row));
    }

    /// The cells that differ, with their old and new values.
    pub fn changes(&self) -> Vec<(Cell, Felt, Felt)> {
        let mut changes = Vec::new();
        for (&(table, row), changed) in &self.rows {
            let old = self.honest.row(table, row);
            for (column, (&old, &new)) in old.iter().zip(changed).enumerate() {
                if old != new {
                    changes.push(((table, row, column), old, new));
                }
            }
        }
        changes
    }

    /// The frame that begins at `row`.
    pub fn frame(&self, table: Table, row: usize) -> Window<'_, Felt> {
        self.honest
            .frame(row, self.row(table, row), self.row(table, row + 1))
    }

    /// The frames that see a change.
    pub fn changed_frames(&self) -> BTreeSet<(Table, usize)> {
        let rows = self.rows.keys();
        rows.flat_map(|&(table, row)| {
            let frames = [row.checked_sub(1), Some(row)].into_iter().flatten();
            frames.map(move |frame| (table, frame))
        })
        .filter(|&(table, frame)| frame < self.honest.frames(table))
        .collect()
    }

    /// Lets the prover adapt what it may choose, and says what still rejects the trace.
    pub fn judge(&mut self) -> Objections {
        self.tidy();
        let chosen: BTreeSet<Cell> = self.changes().into_iter().map(|(cell, ..)| cell).collect();
        let mut objections = Objections::default();
        if self.rows.len() > FEW_ROWS {
            self.check_constraints(&mut objections, true);
            if !objections.none() {
                objections.partial = true;
                return objections;
            }
        }
        self.rebuild_memory();
        self.check_constraints(&mut objections, false);
        self.check_messages(&chosen, &mut objections);
        objections
    }

    fn check_constraints(&self, objections: &mut Objections, first_only: bool) {
        for table in self.honest.tables() {
            for boundary in &self.honest.boundaries[table as usize] {
                let row = if boundary.last {
                    self.honest.frames(table)
                } else {
                    0
                };
                if self.rows.contains_key(&(table, row))
                    && self.cell((table, row, boundary.column)) != boundary.value
                {
                    objections.constraints.insert(boundary.name.clone());
                }
            }
        }
        for (table, row) in self.changed_frames() {
            let mut violations = Violations::default();
            table.constraints(&self.frame(table, row), &mut violations);
            let names = violations.found.into_iter().map(|(name, _)| name);
            objections.constraints.extend(names);
            if first_only && !objections.none() {
                return;
            }
        }
    }

    /// The messages of the changed frames: as they were, and as they are.
    pub fn message_changes(&self) -> (Vec<Sent>, Vec<Sent>) {
        let (mut old, mut new) = (Vec::new(), Vec::new());
        for (table, row) in self.changed_frames() {
            collect(table, &self.honest.honest_frame(table, row), &mut old);
            collect(table, &self.frame(table, row), &mut new);
        }
        (old, new)
    }

    /// If the program makes other accesses of memory, writes a memory that has them.
    fn rebuild_memory(&mut self) {
        let request = |sent: &&Sent| memory::is_memory(sent.key.bus) && sent.count == ONE;
        let (old, new) = self.message_changes();
        let mut difference: BTreeMap<Key, i64> = BTreeMap::new();
        for sent in new.iter().filter(request) {
            *difference.entry(sent.key).or_default() += 1;
        }
        for sent in old.iter().filter(request) {
            *difference.entry(sent.key).or_default() -= 1;
        }
        difference.retain(|_, count| *count != 0);
        let touched = self.changed_rows().any(|(table, _)| table == Table::Memory);
        if difference.is_empty() || touched {
            return;
        }
        // What the honest memory answers, with the difference.
        let mut accesses = Vec::with_capacity(self.honest.accesses.len() + 2);
        for &key in &self.honest.accesses {
            let count = difference.entry(key).or_default();
            if *count < 0 {
                *count += 1;
            } else {
                accesses.push(key);
            }
        }
        for (key, count) in difference {
            for _ in 0..count.max(0) {
                accesses.push(key);
            }
        }
        let height = self.honest.trace.memory.len();
        if memory::least_height(accesses.len()) > height {
            return;
        }
        let rows = memory::table(&memory::sorted(accesses), height);
        for (number, row) in rows.iter().enumerate() {
            let row = cells_of(row);
            if self.row(Table::Memory, number) != row {
                self.set_row(Table::Memory, number, row);
            }
        }
        self.tidy();
    }

    /// Compares what changed messages leave unmatched with what the prover may choose: how often
    /// facts are looked up, and which facts there are, as far as they are true.
    fn check_messages(&self, chosen: &BTreeSet<Cell>, objections: &mut Objections) {
        let (old, new) = self.message_changes();
        // What is left over, if the messages of one name do not count.
        let differences = |without: Option<&str>| {
            let mut balance: HashMap<Key, Felt> = HashMap::new();
            let counts = |sent: &&Sent| Some(sent.name) != without;
            for sent in new.iter().filter(counts) {
                *balance.entry(sent.key).or_default() += sent.count;
            }
            for sent in old.iter().filter(counts) {
                *balance.entry(sent.key).or_default() -= sent.count;
            }
            balance.retain(|_, count| *count != ZERO);
            balance
        };
        let mut balance = differences(None);
        if balance.is_empty() {
            return;
        }
        let answers = self.answers(chosen);
        let unmatched = |key: &Key| {
            let stated = answers.contains(key) || self.still_stated(key, chosen);
            !(self.honest.is_fact(key.bus) && (stated || is_true(key)))
        };
        balance.retain(|key, _| unmatched(key));
        for sent in old.iter().chain(&new) {
            if balance.contains_key(&sent.key) {
                objections.messages.insert(sent.name);
            }
        }
        if objections.constraints.is_empty() {
            let only = |name: &&&str| !differences(Some(**name)).keys().any(unmatched);
            objections.only_messages = objections.messages.iter().filter(only).copied().collect();
        }
    }

    /// The facts that changed rows state, where the prover has not chosen how often.
    fn answers(&self, chosen: &BTreeSet<Cell>) -> BTreeSet<Key> {
        let mut answers = BTreeSet::new();
        for (table, row) in self.changed_frames() {
            let (cur, next) = (self.row(table, row), self.row(table, row + 1));
            let previous = row.checked_sub(1).map(|row| self.row(table, row));
            for &(of, column) in &self.honest.multiplicity_columns {
                let cell = (table, row, column);
                if of == table && !chosen.contains(&cell) {
                    answers.extend(self.honest.answer(cell, previous, cur, next));
                }
            }
        }
        answers
    }

    /// Returns `true` if a row that is as it was states the fact.
    fn still_stated(&self, key: &Key, chosen: &BTreeSet<Cell>) -> bool {
        let unchanged = |&(table, row, _): &Cell| {
            !self.rows.contains_key(&(table, row)) && !self.rows.contains_key(&(table, row + 1))
        };
        self.honest.facts.get(key).is_some_and(|sites| {
            sites
                .iter()
                .any(|cell| unchanged(cell) && !chosen.contains(cell))
        })
    }
}

/// Returns `true` if a fact is true whatever the trace says, so that a row for it can be added.
pub fn is_true(key: &Key) -> bool {
    let [first, a, b, result, ..] = key.cells;
    match key.bus {
        Bus::Range => first < 1 << 16,
        Bus::Byte => first < 1 << 8,
        Bus::Bitwise => {
            a >> 32 == 0
                && b >> 32 == 0
                && result == if first == 1 { a ^ b } else { a & b }
                && first < 2
        }
        _ => false,
    }
}

/// Returns `true` if rows for other facts can be added at will on a bus.
pub fn can_be_added(bus: Bus) -> bool {
    matches!(bus, Bus::Range | Bus::Byte)
}
