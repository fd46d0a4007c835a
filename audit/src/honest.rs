//! An honest trace, and what a cheating prover may choose freely in it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use miden_core::{Felt, ONE, ZERO};
use miden_cvm_air::{
    air::periodic_rows,
    boundary::Boundary,
    builder::{PERIOD, Periodic, Violations},
    columns::{
        Cells, CircuitRow, CoreRow, HasherRow, InstanceRow, MemoryRow, ResourceRow, RomRow,
        cells_of,
    },
    lookup::Bus,
    opcode::{CALL, DYNCALL, END, HALT},
    public::PublicInputs,
    table::{Table, Trace, Window},
};
use rayon::prelude::*;

use crate::{
    columns::Names,
    memory::is_memory,
    messages::{Key, Sent, collect},
};

/// An honest trace with everything about it that mutations need.
#[derive(Debug)]
pub struct Honest {
    /// The tables.
    pub trace: Trace,
    /// The public inputs that are claimed.
    pub public: PublicInputs,
    /// The names of cells.
    pub names: Names,
    /// The boundary constraints, by table.
    pub boundaries: [Vec<Boundary>; Table::COUNT],
    periodic: [Periodic<Felt>; PERIOD],
    /// The facts that tables state, each with the cells that say how often it is looked up.
    pub facts: HashMap<Key, Vec<Cell>>,
    /// The cells that say how often a fact is looked up.
    pub multiplicities: BTreeSet<Cell>,
    /// The tables and columns that hold such cells.
    pub multiplicity_columns: BTreeSet<(Table, usize)>,
    /// The accesses that the memory answers, in order.
    pub accesses: Vec<Key>,
    /// The buses that carry facts.
    fact_buses: BTreeSet<Bus>,
    /// Messages that are no facts, with the rows that send or receive them.
    pub sites: HashMap<Key, Vec<Site>>,
    /// Rows by what they do: of the core by opcode.
    pub groups: Vec<(Table, Vec<usize>)>,
}

/// A cell, by table, row and column.
pub type Cell = (Table, usize, usize);

/// Where a message is sent or received: table, row and name.
pub type Site = (Table, usize, &'static str);

impl Honest {
    /// Prepares an honest trace.
    pub fn new(trace: Trace, public: PublicInputs) -> Self {
        let boundaries = Table::ALL.map(|table| table.boundaries(&public));
        let mut honest = Self {
            trace,
            public,
            names: Names::default(),
            boundaries,
            periodic: periodic_rows(),
            facts: HashMap::new(),
            multiplicities: BTreeSet::new(),
            multiplicity_columns: BTreeSet::new(),
            accesses: Vec::new(),
            fact_buses: BTreeSet::new(),
            sites: HashMap::new(),
            groups: Vec::new(),
        };
        honest.find_facts();
        honest.find_sites();
        honest.group_rows();
        honest
    }

    /// The cells that a campaign changes one by one: every column of a few rows of every group.
    pub fn sweep(&self) -> Vec<Cell> {
        let mut cells = Vec::new();
        for sample in 0..3 {
            for (table, rows) in &self.groups {
                if sample < rows.len() {
                    let row = rows[sample * (rows.len() - 1) / 2];
                    cells.extend((0..table.width()).map(|column| (*table, row, column)));
                }
            }
        }
        cells
    }

    /// The name of a cell.
    pub fn name(&self, (table, row, column): Cell) -> &str {
        self.names.of(table, row, column)
    }

    /// A row.
    pub fn row(&self, table: Table, row: usize) -> &[Felt] {
        self.trace.row(table, row)
    }

    /// The tables that are there.
    pub fn tables(&self) -> impl Iterator<Item = Table> {
        let tables = Table::ALL.into_iter();
        tables.filter(|&table| self.trace.height(table) > 0)
    }

    /// The number of frames of a table: the last row has none of its own.
    pub fn frames(&self, table: Table) -> usize {
        self.trace.height(table).saturating_sub(1)
    }

    /// Returns `true` if a row is there only to fill a table up.
    pub fn is_padding(&self, table: Table, number: usize) -> bool {
        let before = number.checked_sub(1).map(|before| self.row(table, before));
        is_padding(table, before, self.row(table, number), number)
    }

    /// Two consecutive rows as constraints see them, `row` being the number of the first.
    pub fn frame<'a>(&'a self, row: usize, cur: &'a [Felt], next: &'a [Felt]) -> Window<'a, Felt> {
        Window {
            cur,
            next,
            periodic: &self.periodic[row % PERIOD],
            composed: self.public.composed(),
        }
    }

    /// A frame of the honest trace.
    pub fn honest_frame(&self, table: Table, row: usize) -> Window<'_, Felt> {
        self.frame(row, self.row(table, row), self.row(table, row + 1))
    }

    /// Returns `true` if a bus carries facts, which are looked up any number of times.
    pub fn is_fact(&self, bus: Bus) -> bool {
        self.fact_buses.contains(&bus)
    }

    /// Finds the cells that say how often a fact is looked up: no constraint minds what they hold,
    /// and one message is sent just as often.
    fn find_facts(&mut self) {
        let this = &*self;
        let found: Vec<(Key, Cell)> = FACTS
            .into_par_iter()
            .flat_map(|table| {
                (0..this.frames(table))
                    .into_par_iter()
                    .map(move |row| (table, row))
            })
            .flat_map_iter(|(table, row)| {
                (0..table.width()).filter_map(move |column| {
                    let previous = row.checked_sub(1).map(|row| this.row(table, row));
                    let (cur, next) = (this.row(table, row), this.row(table, row + 1));
                    let key = this.answer((table, row, column), previous, cur, next);
                    key.map(|key| (key, (table, row, column)))
                })
            })
            .collect();
        for (key, cell) in found {
            self.facts.entry(key).or_default().push(cell);
            self.multiplicities.insert(cell);
            self.multiplicity_columns.insert((cell.0, cell.2));
            self.fact_buses.insert(key.bus);
        }
    }

    /// The fact whose multiplicity a cell of `cur` is, if it is one.
    pub fn answer(
        &self,
        (table, row, column): Cell,
        previous: Option<&[Felt]>,
        cur: &[Felt],
        next: &[Felt],
    ) -> Option<Key> {
        let mut more = cur.to_vec();
        more[column] += ONE;
        let (before, after) = (self.frame(row, cur, next), self.frame(row, &more, next));
        let key = counted(table, &before, &after)?;
        let minds = |rows: &Window<'_, Felt>| {
            let mut violations = Violations::default();
            table.constraints(rows, &mut violations);
            violations.found
        };
        if minds(&before) != minds(&after) {
            return None;
        }
        if let Some(previous) = previous {
            let before = self.frame(row - 1, previous, cur);
            let after = self.frame(row - 1, previous, &more);
            if minds(&before) != minds(&after) || !same_messages(table, &before, &after) {
                return None;
            }
        }
        Some(key)
    }

    fn find_sites(&mut self) {
        let mut messages = Vec::new();
        for table in Table::ALL {
            for row in 0..self.frames(table) {
                messages.clear();
                collect(table, &self.honest_frame(table, row), &mut messages);
                for sent in &messages {
                    if is_memory(sent.key.bus) && sent.name.starts_with("memory.") {
                        self.accesses.push(sent.key);
                    }
                    if !self.is_fact(sent.key.bus) {
                        let sites = self.sites.entry(sent.key).or_default();
                        sites.push((table, row, sent.name));
                    }
                }
            }
        }
    }

    fn group_rows(&mut self) {
        let mut groups: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for table in self.tables() {
            for row in 0..=self.frames(table) {
                let kind = row_kind(table, self.row(table, row), row);
                let rows = groups.entry((table, kind)).or_default();
                // Padding says little.
                if rows.len() < PADDING || !self.is_padding(table, row) {
                    rows.push(row);
                }
            }
        }
        // The first and the last row have boundary constraints.
        let ends = self
            .tables()
            .flat_map(|table| [0, self.frames(table)].map(|row| (table, vec![row])));
        let groups = groups.into_iter().map(|((table, _), rows)| (table, rows));
        self.groups = ends.chain(groups).collect();
    }
}

/// The tables that state facts; the others have rows of what happened.
const FACTS: [Table; 5] = [
    Table::Range,
    Table::Hasher,
    Table::Bitwise,
    Table::Rom,
    Table::Circuits,
];

/// So many rows of padding are looked at.
const PADDING: usize = 4;

/// Returns the kind of a core row: its opcode, and what tells rows of one opcode from each other.
pub fn core_kind(row: &CoreRow<Felt>) -> (u8, Vec<bool>) {
    let code = row.op.code();
    let flags = match code {
        // What a block was that ends is in the helpers.
        END => row.helpers.to_vec(),
        CALL | DYNCALL => {
            let call = row.as_call();
            vec![call.shared, call.fresh, call.creates, call.has_data]
        }
        _ => Vec::new(),
    };
    (code, flags.into_iter().map(|flag| flag == ONE).collect())
}

/// Returns `true` if a row, with the one before it, is there only to fill a table up. Numbers and
/// cycles of hashes are facts, even if nobody looks them up.
pub fn is_padding(table: Table, before: Option<&[Felt]>, row: &[Felt], number: usize) -> bool {
    match table {
        Table::Range | Table::Hasher | Table::Bitwise => false,
        Table::Core => CoreRow::from_cells(row).op.code() == HALT,
        Table::Memory => {
            let memory = MemoryRow::from_cells(row);
            memory.whole == ZERO && !memory.element.contains(&ONE)
        }
        Table::Resources => {
            let even = before.filter(|_| !number.is_multiple_of(2)).unwrap_or(row);
            let ops = &ResourceRow::from_cells(even).op;
            !cells_of::<Felt, _>(ops).contains(&ONE)
        }
        Table::Rom | Table::Circuits | Table::Instances => {
            !row_kind(table, row, number).contains(&true)
        }
    }
}

/// Returns `true` if a column has the numbers of the rows.
pub fn is_row_number(table: Table, column: usize) -> bool {
    column == 0 && matches!(table, Table::Core | Table::Hasher)
}

/// Returns the flags that tell rows of one table from each other.
pub fn row_kind(table: Table, row: &[Felt], number: usize) -> Vec<bool> {
    let set = |flags: &[Felt]| flags.iter().map(|&flag| flag == ONE).collect();
    match table {
        Table::Core => {
            let (code, flags) = core_kind(CoreRow::from_cells(row));
            let bits = (0..7).map(|bit| code >> bit & 1 == 1);
            bits.chain(flags).collect()
        }
        Table::Range => Vec::new(),
        Table::Hasher => {
            let hasher = HasherRow::from_cells(row);
            let kinds: Vec<bool> = set(&[hasher.absorb, hasher.merkle, hasher.init]);
            let place = [0, PERIOD - 1].map(|place| number % PERIOD == place);
            [&kinds[..], &place].concat()
        }
        Table::Memory => {
            let memory = MemoryRow::from_cells(row);
            let [e0, e1, e2, e3] = memory.element;
            set(&[
                memory.whole,
                e0 + e1 + e2 + e3,
                memory.is_write,
                memory.new_context,
            ])
        }
        Table::Bitwise => vec![number.is_multiple_of(2)],
        Table::Resources if number.is_multiple_of(2) => {
            let row = ResourceRow::from_cells(row);
            let flags = [
                row.own,
                row.by_definer,
                row.destructible,
                row.back,
                row.grows,
            ];
            set(&[cells_of(&row.op), &flags].concat())
        }
        Table::Resources => {
            let outcome = ResourceRow::from_cells(row).outcome();
            set(&[
                outcome.writes_state,
                outcome.writes_entry,
                outcome.puts,
                outcome.takes,
                outcome.guards,
                outcome.accesses,
            ])
        }
        Table::Rom => {
            let rom = RomRow::from_cells(row);
            set(&[rom.kernel, rom.link, rom.segment])
        }
        Table::Circuits => {
            let circuit = CircuitRow::from_cells(row);
            let [g0, g1, g2, g3] = circuit.gate;
            let [start, read, fetch, end] =
                [circuit.start, circuit.read, circuit.fetch, circuit.end];
            set(&[start, read, fetch, g0, g1, g2, g3, end])
        }
        Table::Instances => {
            let instance = InstanceRow::from_cells(row);
            let mut kind = set(cells_of(&instance.op));
            kind.extend(set(&[instance.last, instance.flag]));
            kind
        }
    }
}

/// Returns `true` if exactly one message is sent more often, and the others are the same.
fn counts_once(old: &[Sent], new: &[Sent]) -> bool {
    let counts = |messages: &[Sent]| {
        let mut counts: HashMap<(Key, &'static str), Felt> = HashMap::new();
        for sent in messages {
            *counts.entry((sent.key, sent.name)).or_default() += sent.count;
        }
        counts.retain(|_, count| *count != ZERO);
        counts
    };
    let (old, new) = (counts(old), counts(new));
    let differs = |(key, count): &(&(Key, &'static str), &Felt)| old.get(key) != Some(count);
    let changed = new.iter().filter(differs).count();
    let gone = old.keys().filter(|key| !new.contains_key(*key)).count();
    changed + gone == 1
}

/// The message that is sent once more in the second frame, if that is all the difference.
fn counted(table: Table, before: &Window<'_, Felt>, after: &Window<'_, Felt>) -> Option<Key> {
    let (mut old, mut new) = (Vec::new(), Vec::new());
    collect(table, before, &mut old);
    collect(table, after, &mut new);
    let mut difference: HashMap<Key, Felt> = HashMap::new();
    for sent in &new {
        *difference.entry(sent.key).or_default() += sent.count;
    }
    for sent in &old {
        *difference.entry(sent.key).or_default() -= sent.count;
    }
    difference.retain(|_, count| *count != ZERO);
    let mut difference = difference.into_iter();
    match (difference.next(), difference.next()) {
        (Some((key, count)), None) if count == ONE && counts_once(&old, &new) => Some(key),
        _ => None,
    }
}

/// Returns `true` if two frames send the same.
fn same_messages(table: Table, a: &Window<'_, Felt>, b: &Window<'_, Felt>) -> bool {
    let (mut left, mut right) = (Vec::new(), Vec::new());
    collect(table, a, &mut left);
    collect(table, b, &mut right);
    left.len() == right.len()
        && left
            .iter()
            .zip(&right)
            .all(|(a, b)| a.key == b.key && a.count == b.count && a.name == b.name)
}
