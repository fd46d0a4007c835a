//! The names of cells, read off the column structs themselves.

use std::{collections::HashMap, fmt::Debug};

use miden_cvm_air::{
    columns::{
        BitwiseRow, Cells, CircuitRow, CoreRow, HasherRow, InstanceRow, IntrinsicCols, MemoryRow,
        RangeRow, ResourceRow, RomRow, column_numbers,
    },
    table::Table,
};

/// The names of all cells.
#[derive(Debug)]
pub struct Names {
    /// By table and column.
    plain: [Vec<String>; Table::COUNT],
    /// Those of the odd rows of operations on resource tables, as far as they have columns.
    outcomes: Vec<String>,
}

impl Default for Names {
    fn default() -> Self {
        let resources = column_numbers::<ResourceRow<usize>>();
        Self {
            plain: Table::ALL.map(|table| match table {
                Table::Core => listed("", &column_numbers::<CoreRow<usize>>()),
                Table::Range => listed("range.", &column_numbers::<RangeRow<usize>>()),
                Table::Hasher => listed("hasher.", &column_numbers::<HasherRow<usize>>()),
                Table::Memory => listed("memory.", &column_numbers::<MemoryRow<usize>>()),
                Table::Bitwise => listed("bitwise.", &column_numbers::<BitwiseRow<usize>>()),
                Table::Resources => listed("resources.", &resources),
                Table::Rom => listed("rom.", &column_numbers::<RomRow<usize>>()),
                Table::Circuits => listed("circuits.", &column_numbers::<CircuitRow<usize>>()),
                Table::Instances => listed("instances.", &column_numbers::<InstanceRow<usize>>()),
            }),
            outcomes: listed("resources.outcome.", resources.outcome()),
        }
    }
}

/// The names of the columns of a row of their numbers.
fn listed<R: Cells<usize> + Debug>(prefix: &str, row: &R) -> Vec<String> {
    let names = leaves(&format!("{row:?}")).into_iter();
    names.map(|(_, name)| format!("{prefix}{name}")).collect()
}

impl Names {
    /// The name of a cell of row `number` of a table.
    pub fn of(&self, table: Table, number: usize, column: usize) -> &str {
        let is_outcome = table == Table::Resources && !number.is_multiple_of(2);
        let outcome = self.outcomes.get(column).filter(|_| is_outcome);
        outcome.unwrap_or(&self.plain[table as usize][column])
    }
}

/// The rows of a table on which a flag is 1, and on which some cells have names of their own.
#[derive(Debug)]
pub struct RowKind {
    /// The flags, by the names that formulas give them.
    pub flags: &'static [&'static str],
    /// The names of the cells that have their own, by column.
    pub names: HashMap<usize, String>,
}

impl RowKind {
    /// The kinds of rows of a table whose cells have names of their own.
    pub fn of(table: Table) -> Vec<Self> {
        match table {
            Table::Core => {
                let row = column_numbers::<CoreRow<usize>>();
                let (call, intrinsic) = (row.as_call(), row.as_intrinsic());
                // These are both: they call what a handle is dropped by.
                let mut destructor = Self::new(
                    &["calls_destructor", "destructor", "own_destructor"],
                    "call",
                    &call,
                );
                let IntrinsicCols {
                    kind,
                    resource,
                    witness,
                    adopts,
                    unused,
                    ..
                } = intrinsic;
                let shared = [kind, resource, witness, adopts, unused];
                let intrinsic = Self::new(
                    &[
                        "intrinsic",
                        "plain_intrinsic",
                        "INTRINSIC",
                        "CALLER_ID",
                        "INSTANTIATE",
                        "DESTROY",
                    ],
                    "intrinsic",
                    &intrinsic,
                );
                for column in shared {
                    let name = intrinsic.names[&column].clone();
                    destructor.names.insert(column, name);
                }
                vec![
                    Self::new(&["END", "leave"], "end", &row.as_end()),
                    Self::new(
                        &["decoder.call", "CALL", "DYNCALL", "SYSCALL"],
                        "call",
                        &call,
                    ),
                    destructor,
                    intrinsic,
                ]
            }
            Table::Hasher => {
                let row = column_numbers::<HasherRow<usize>>();
                vec![
                    Self::new(&["hasher.merkle"], "merkle", row.merkle_args()),
                    Self::new(&["hasher.init"], "init", row.init_args()),
                    Self::new(&["last"], "end", row.cycle_end()),
                ]
            }
            _ => Vec::new(),
        }
    }

    fn new(flags: &'static [&'static str], prefix: &str, cells: &impl Debug) -> Self {
        let names = leaves(&format!("{cells:?}")).into_iter();
        Self {
            flags,
            names: names
                .map(|(column, name)| (column, format!("{prefix}.{name}")))
                .collect(),
        }
    }
}

/// Where a reader of the `Debug` form of nested structs and arrays stands.
enum Level {
    Struct(String),
    Array(usize),
}

/// The names of the cells of a struct, given the `Debug` form of one in which every cell is its own
/// number.
pub fn names_of(debug: &str, cells: usize) -> Vec<String> {
    let mut names = vec![String::new(); cells];
    for (cell, name) in leaves(debug) {
        names[cell] = name;
    }
    names
}

/// The numbers in the `Debug` form of nested structs and arrays, with their paths.
fn leaves(debug: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut levels: Vec<Level> = Vec::new();
    let mut word = String::new();
    for character in debug.chars() {
        match character {
            ':' => {
                if let Some(Level::Struct(field)) = levels.last_mut() {
                    *field = std::mem::take(&mut word);
                }
            }
            '{' => {
                word.clear();
                levels.push(Level::Struct(String::new()));
            }
            '[' => levels.push(Level::Array(0)),
            ',' | ']' | '}' => {
                if let Ok(column) = word.parse() {
                    found.push((column, path(&levels)));
                }
                word.clear();
                match (character, levels.last_mut()) {
                    (',', Some(Level::Array(index))) => *index += 1,
                    (',', _) => {}
                    _ => {
                        levels.pop();
                    }
                }
            }
            ' ' if !word.is_empty() && word.parse::<usize>().is_ok() => {
                if let Ok(column) = word.parse() {
                    found.push((column, path(&levels)));
                }
                word.clear();
            }
            ' ' => {}
            _ => word.push(character),
        }
    }
    found
}

fn path(levels: &[Level]) -> String {
    let mut path = String::new();
    for level in levels {
        match level {
            Level::Struct(field) if path.is_empty() => path.push_str(field),
            Level::Struct(field) => path = format!("{path}.{field}"),
            Level::Array(index) => path = format!("{path}[{index}]"),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn cells_have_the_names_of_their_fields() {
        let names = Names::default();
        assert_eq!(names.of(Table::Core, 0, 0), "system.clk");
        assert_eq!(names.of(Table::Range, 0, 0), "range.hi");
        assert_eq!(names.of(Table::Hasher, 3, 0), "hasher.address");
        assert_eq!(names.of(Table::Memory, 1, 2), "memory.word[1]");
        assert_eq!(names.of(Table::Resources, 2, 0), "resources.op.new");
        assert_eq!(
            names.of(Table::Resources, 3, 0),
            "resources.outcome.writes_state"
        );
        let last = Table::Resources.width() - 1;
        assert_eq!(
            names.of(Table::Resources, 3, last),
            "resources.request.resource"
        );
        for table in Table::ALL {
            let columns = 0..table.width();
            let all: BTreeSet<_> = columns.map(|column| names.of(table, 0, column)).collect();
            assert_eq!(all.len(), table.width(), "{table:?}");
            assert!(!all.contains(""));
        }
    }
}
