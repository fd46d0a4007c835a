//! Rows of a trace, shown to people: what is in their cells, which messages they send and receive,
//! and who is at the other end.

use core::fmt;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use miden_core::{Felt, Word};
use miden_cvm_air::{
    air::periodic_rows,
    builder::{PERIOD, Periodic},
    columns::{Cells, CoreRow},
    opcode::OPCODES,
    public::PublicInputs,
    table::{Table, Trace, Window},
};
use serde::Serialize;
use winter_math::FieldElement;

use crate::{
    columns::Names,
    messages::{Key, Sent, collect},
};

/// A row of a table, by the row's number.
type RowPlace = (Table, usize);

/// A row of a trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The name of its table.
    pub table: &'static str,
    /// Its number.
    pub row: usize,
    /// The operation that the core executes in it; nothing for other tables.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<&'static str>,
    /// The cells that are not zero, by name.
    pub cells: Vec<(String, u64)>,
    /// The messages that the row sends and receives.
    pub messages: Vec<RowMessage>,
}

/// A message of a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RowMessage {
    /// The name of the message in the AIR.
    pub name: &'static str,
    /// The bus that carries it.
    pub bus: String,
    /// The number of times that it is sent; negative if it is received.
    pub count: i64,
    /// Its fields, each with its coordinates.
    pub fields: Vec<(&'static str, Vec<u64>)>,
    /// The nearest rows that receive what this one sends, or send what it receives, by table and
    /// number.
    pub with: Vec<(&'static str, usize)>,
    /// The number of all such rows.
    pub others: usize,
    /// `true` if the verifier sends it, who knows it from what is public.
    pub public: bool,
}

/// At most so many rows at the other end of a message are named.
const MAX_OTHERS: usize = 3;

/// The rows `wanted` of the core, and after them the rows of other tables that they exchange messages
/// with. Rows of the range table, which are asked by almost all others, are named and not shown.
pub fn rows(trace: &Trace, public: &PublicInputs, wanted: &BTreeSet<usize>) -> Vec<Row> {
    let reader = Reader::new(trace, public);
    let height = trace.height(Table::Core);
    let core = wanted.iter().filter(|&&number| number + 1 < height);
    let core: Vec<RowPlace> = core.map(|&number| (Table::Core, number)).collect();
    let asked = reader.sites(&core);
    let answering: BTreeSet<RowPlace> = asked
        .values()
        .flatten()
        .map(|(place, _)| *place)
        .filter(|(table, _)| !matches!(table, Table::Core | Table::Range))
        .collect();
    // What a table states once is asked for by many, and only those asked for here are of interest.
    let near = answering.into_iter();
    let all: Vec<RowPlace> = core.iter().copied().chain(near).collect();
    let sites = reader.sites(&all);
    all.iter().map(|&place| reader.row(place, &sites)).collect()
}

struct Reader<'t> {
    trace: &'t Trace,
    names: Names,
    periodic: [Periodic<Felt>; PERIOD],
    composed: Felt,
    public: BTreeSet<Key>,
}

impl<'t> Reader<'t> {
    fn new(trace: &'t Trace, public: &PublicInputs) -> Self {
        let messages = public.messages().into_iter();
        Self {
            trace,
            names: Names::default(),
            periodic: periodic_rows(),
            composed: public.composed(),
            public: messages
                .map(|message| Key::new(message.bus, &message.coordinates))
                .collect(),
        }
    }

    fn messages(&self, (table, number): RowPlace, into: &mut Vec<Sent>) {
        let rows = Window {
            cur: self.trace.row(table, number),
            next: self.trace.row(table, number + 1),
            periodic: &self.periodic[number % PERIOD],
            composed: self.composed,
        };
        collect(table, &rows, into);
    }

    /// All rows that send or receive a message of these rows, and whether they receive it.
    fn sites(&self, of: &[RowPlace]) -> HashMap<Key, Vec<(RowPlace, bool)>> {
        let mut messages = Vec::new();
        for &place in of {
            self.messages(place, &mut messages);
        }
        let mut sites: HashMap<Key, Vec<(RowPlace, bool)>> = messages
            .drain(..)
            .map(|sent| (sent.key, Vec::new()))
            .collect();
        for table in Table::ALL {
            for number in 0..self.trace.height(table).saturating_sub(1) {
                self.messages((table, number), &mut messages);
                for sent in messages.drain(..) {
                    if let Some(places) = sites.get_mut(&sent.key) {
                        places.push(((table, number), signed(sent.count) < 0));
                    }
                }
            }
        }
        sites
    }

    fn row(&self, place: RowPlace, sites: &HashMap<Key, Vec<(RowPlace, bool)>>) -> Row {
        let (table, number) = place;
        let cells = self.trace.row(table, number);
        let named = cells.iter().enumerate();
        let named = named.filter(|(_, cell)| **cell != Felt::ZERO);
        let mut messages = Vec::new();
        self.messages(place, &mut messages);
        Row {
            table: table.name(),
            row: number,
            operation: (table == Table::Core).then(|| operation(cells)),
            cells: named
                .map(|(column, cell)| {
                    (
                        self.names.of(table, number, column).to_owned(),
                        cell.as_int(),
                    )
                })
                .collect(),
            messages: messages
                .into_iter()
                .map(|sent| self.message(place, sent, sites))
                .collect(),
        }
    }

    fn message(
        &self,
        (table, number): RowPlace,
        sent: Sent,
        sites: &HashMap<Key, Vec<(RowPlace, bool)>>,
    ) -> RowMessage {
        let mut cells = sent.key.cells.iter().copied();
        let fields = sent.fields.iter().map(|&(name, width)| {
            let coordinates = cells.by_ref().take(width).collect();
            (name, coordinates)
        });
        let fields = fields.collect();
        let places = sites.get(&sent.key).into_iter().flatten();
        let count = signed(sent.count);
        let others: Vec<RowPlace> = places
            .filter(|(_, receives)| *receives != (count < 0))
            .map(|(place, _)| *place)
            .collect();
        let mut near: BTreeMap<(Table, usize), RowPlace> = BTreeMap::new();
        for &(other, row) in &others {
            let distance = if other == table {
                row.abs_diff(number)
            } else {
                row
            };
            near.insert((other, distance), (other, row));
        }
        RowMessage {
            name: sent.name,
            bus: format!("{:?}", sent.key.bus),
            fields,
            count,
            others: others.len(),
            with: near
                .into_values()
                .take(MAX_OTHERS)
                .map(|(table, row)| (table.name(), row))
                .collect(),
            public: self.public.contains(&sent.key),
        }
    }
}

/// Returns what the core executes in a row, by the name of its opcode.
pub fn operation_at(trace: &Trace, row: usize) -> &'static str {
    operation(trace.row(Table::Core, row))
}

/// The names of all opcodes.
pub fn operations() -> impl Iterator<Item = &'static str> {
    OPCODES.iter().map(|opcode| opcode.name)
}

fn operation(cells: &[Felt]) -> &'static str {
    let code = CoreRow::from_cells(cells).op.code();
    let known = OPCODES.iter().find(|opcode| opcode.code == code);
    known.map_or("?", |opcode| opcode.name)
}

/// A number of messages: a small one, or minus a small one.
fn signed(count: Felt) -> i64 {
    let negated = (-count).as_int();
    match i64::try_from(negated) {
        Ok(negated) if negated < 1 << 32 => -negated,
        _ => count.as_int() as i64,
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.table, self.row)?;
        if let Some(operation) = self.operation {
            write!(f, " {operation}")?;
        }
        writeln!(f)?;
        let mut line = String::new();
        for (name, cell) in &self.cells {
            let cell = format!("{name} {}", shown(&[*cell]));
            if !line.is_empty() && line.len() + cell.len() > 98 {
                writeln!(f, "  {}", line.trim_end())?;
                line.clear();
            }
            line += &cell;
            line += "  ";
        }
        if !line.is_empty() {
            writeln!(f, "  {}", line.trim_end())?;
        }
        self.messages
            .iter()
            .try_for_each(|message| write!(f, "{message}"))
    }
}

impl fmt::Display for RowMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (verb, direction) = if self.count < 0 {
            ("receives", "from")
        } else {
            ("sends", "to")
        };
        write!(f, "    {verb} ")?;
        if self.count.unsigned_abs() != 1 {
            write!(f, "{} times ", self.count.unsigned_abs())?;
        }
        write!(f, "{} {direction} ", self.bus)?;
        let mut ends: Vec<String> = Vec::new();
        if self.public {
            ends.push("the verifier".into());
        }
        ends.extend(
            self.with
                .iter()
                .map(|(table, row)| format!("{table} {row}")),
        );
        match self.others.saturating_sub(self.with.len()) {
            0 => {}
            more => ends.push(format!("{more} more")),
        }
        if ends.is_empty() {
            ends.push("nobody".into());
        }
        write!(f, "{}:", ends.join(", "))?;
        for (name, cells) in &self.fields {
            write!(f, " {name} {}", shown(cells))?;
        }
        writeln!(f)
    }
}

/// Elements as people read them: words of large elements by the beginning of their hexadecimal form.
fn shown(cells: &[u64]) -> String {
    const LARGE: u64 = 1 << 48;
    match *cells {
        [a, b, c, d] if cells.iter().any(|cell| *cell >= LARGE) => {
            let hex = Word::from([a, b, c, d].map(Felt::new)).to_hex();
            format!("{}…", hex.get(..10).unwrap_or(&hex))
        }
        [cell] if cell >= LARGE => format!("{cell:#x}"),
        [cell] => cell.to_string(),
        _ => {
            let cells: Vec<String> = cells.iter().map(|cell| shown(&[*cell])).collect();
            format!("[{}]", cells.join(" "))
        }
    }
}
