//! The debug check: every constraint and bus that a trace violates, by name.

use alloc::{collections::BTreeMap, string::String, vec::Vec};
use core::fmt;

use miden_core::Felt;
use winter_math::FieldElement;

use crate::{
    air::periodic_rows,
    boundary::Boundary,
    builder::{PERIOD, Violations},
    lookup::{Bus, Content, LookupBuilder, Slot},
    public::PublicInputs,
    table::{Table, Trace, Window},
};

/// Something that a trace violates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// A transition constraint is not zero.
    Constraint {
        /// Name of the constraint.
        name: String,
        /// The table.
        table: Table,
        /// The row; the constraint looks at it and the next.
        row: usize,
        /// Its value.
        value: Felt,
    },
    /// A boundary cell has another value.
    Boundary {
        /// Name of the constraint.
        name: String,
        /// The table.
        table: Table,
        /// The row.
        row: usize,
        /// The value that it should have.
        expected: Felt,
        /// The value that it has.
        actual: Felt,
    },
    /// A message is not sent as often as it is received.
    Bus {
        /// The bus.
        bus: Bus,
        /// The coordinates of the message.
        message: Vec<Felt>,
        /// Times sent minus times received.
        balance: Felt,
        /// Who sends or receives it: table and row (none for the verifier) and name.
        sites: Vec<(Option<(Table, usize)>, &'static str)>,
    },
}

impl Violation {
    /// Name of the violated constraint, or of the bus.
    pub fn name(&self) -> String {
        match self {
            Self::Constraint { name, .. } | Self::Boundary { name, .. } => name.clone(),
            Self::Bus { bus, .. } => alloc::format!("bus.{bus:?}"),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constraint {
                name,
                table,
                row,
                value,
            } => {
                write!(
                    f,
                    "{name} is {value} on row {row} of the table {}",
                    table.name()
                )
            }
            Self::Boundary {
                name,
                table,
                row,
                expected,
                actual,
            } => {
                let table = table.name();
                write!(
                    f,
                    "{name}: row {row} of the table {table} has {actual} where {expected} is due"
                )
            }
            Self::Bus {
                bus,
                message,
                balance,
                sites,
            } => {
                write!(f, "bus {bus:?}: message [")?;
                for (i, coordinate) in message.iter().enumerate() {
                    write!(f, "{}{coordinate}", if i == 0 { "" } else { ", " })?;
                }
                write!(f, "] has balance {balance}; sites:")?;
                for (row, name) in sites {
                    match row {
                        Some((_, row)) => write!(f, " {name} on row {row};")?,
                        None => write!(f, " {name};")?,
                    }
                }
                Ok(())
            }
        }
    }
}

/// Collects the messages of one row.
#[derive(Default)]
struct Collector {
    messages: Vec<(Slot, &'static str, Bus, Felt, Vec<Felt>)>,
}

impl LookupBuilder for Collector {
    type Expr = Felt;

    fn send(
        &mut self,
        slot: Slot,
        name: &'static str,
        _flag: Felt,
        count: Felt,
        content: Content<'_, Felt>,
    ) {
        if count != <Felt as FieldElement>::ZERO {
            let coordinates = content.coordinates.to_vec();
            self.messages
                .push((slot, name, content.bus, count, coordinates));
        }
    }
}

/// The balance of one message and where it occurs.
#[derive(Default)]
struct Balance {
    balance: Felt,
    sites: Vec<(Option<(Table, usize)>, &'static str)>,
}

/// At most this many sites are listed for an unbalanced message.
const MAX_SITES: usize = 8;

/// Checks a trace against all constraints and buses and returns what it violates: boundary cells and
/// transition constraints by table and row, then buses.
pub fn check(trace: &Trace, public: &PublicInputs) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut balances: BTreeMap<(Bus, Vec<u64>), Balance> = BTreeMap::new();
    for message in public.messages() {
        let entry = balances
            .entry((message.bus, key(&message.coordinates)))
            .or_default();
        entry.balance += <Felt as FieldElement>::ONE;
        entry.sites.push((None, "the verifier"));
    }
    for table in Table::ALL {
        check_table(trace, table, public, &mut violations, &mut balances);
    }
    for ((bus, message), Balance { balance, sites }) in balances {
        if balance != <Felt as FieldElement>::ZERO {
            let message = message.into_iter().map(Felt::new).collect();
            violations.push(Violation::Bus {
                bus,
                message,
                balance,
                sites,
            });
        }
    }
    violations
}

fn key(coordinates: &[Felt]) -> Vec<u64> {
    coordinates.iter().map(Felt::as_int).collect()
}

/// Collects what a table violates by itself, and the messages of its rows.
fn check_table(
    trace: &Trace,
    table: Table,
    public: &PublicInputs,
    violations: &mut Vec<Violation>,
    balances: &mut BTreeMap<(Bus, Vec<u64>), Balance>,
) {
    let Some(last_row) = trace.height(table).checked_sub(1) else {
        return;
    };
    for boundary in table.boundaries(public) {
        let row = if boundary.last { last_row } else { 0 };
        let actual = trace.row(table, row)[boundary.column];
        if actual != boundary.value {
            let Boundary {
                name,
                value: expected,
                ..
            } = boundary;
            violations.push(Violation::Boundary {
                name,
                table,
                row,
                expected,
                actual,
            });
        }
    }
    let periodic = periodic_rows();
    for row in 0..last_row {
        let rows = Window {
            cur: trace.row(table, row),
            next: trace.row(table, row + 1),
            periodic: &periodic[row % PERIOD],
            composed: public.composed(),
        };
        let mut found = Violations::default();
        table.constraints(&rows, &mut found);
        let found = found.found.into_iter();
        violations.extend(found.map(|(name, value)| Violation::Constraint {
            name,
            table,
            row,
            value,
        }));
        let mut collector = Collector::default();
        table.lookups(&rows, &mut collector);
        for (_, name, bus, count, coordinates) in collector.messages {
            let entry = balances.entry((bus, key(&coordinates))).or_default();
            entry.balance += count;
            if entry.sites.len() < MAX_SITES {
                entry.sites.push((Some((table, row)), name));
            }
        }
    }
}
