//! The names of cells, read off the column structs themselves.

use core::array;

use miden_core::{Felt, ONE};
use miden_cvm_air::{
    columns::{CHIPLET_WIDTH, CORE_WIDTH, Cells, ChipletRow, CoreRow, RANGE_WIDTH, RangeRow},
    table::Table,
};

/// The names of all cells: those of the shared chiplet columns depend on the chiplet.
#[derive(Debug)]
pub struct Names {
    /// By table and column.
    plain: [Vec<String>; Table::COUNT],
    /// The selectors of the chiplets, each with the names of the cells of its rows.
    selectors: Vec<(usize, Vec<Option<String>>)>,
    /// Those of the odd rows of operations on resource tables.
    outcomes: Vec<Option<String>>,
}

impl Default for Names {
    fn default() -> Self {
        let core = *CoreRow::from_cells(&array::from_fn::<_, CORE_WIDTH, _>(|i| i));
        let range = *RangeRow::from_cells(&array::from_fn::<_, RANGE_WIDTH, _>(|i| i));
        let row = *ChipletRow::from_cells(&array::from_fn::<_, CHIPLET_WIDTH, _>(|i| i));
        let plain = |table: Table, debug: String| {
            let mut names = vec![String::new(); table.width()];
            for (column, name) in leaves(&debug) {
                names[column] = match table {
                    Table::Core => name,
                    Table::Range => format!("range.{name}"),
                    Table::Chiplets => format!("chiplet.{name}"),
                };
            }
            names
        };
        let listed = |debug: String| {
            let mut names = vec![None; CHIPLET_WIDTH];
            for (column, name) in leaves(&debug) {
                names[column] = Some(name);
            }
            names
        };
        // The views of the shared columns, by the name of the selector.
        let views = [
            ("hasher", format!("{:?}", row.hasher())),
            ("bitwise", format!("{:?}", row.bitwise())),
            ("table", format!("{:?}", row.table())),
            ("memory", format!("{:?}", row.memory())),
            ("rom", format!("{:?}", row.rom())),
            ("ace", format!("{:?}", row.ace())),
        ];
        let selectors = leaves(&format!("{:?}", row.select))
            .into_iter()
            .map(|(column, selector)| {
                let view = views.iter().find(|(name, _)| *name == selector);
                let names =
                    view.map_or(vec![None; CHIPLET_WIDTH], |(_, view)| listed(view.clone()));
                let names = names
                    .into_iter()
                    .map(|name| name.map(|name| format!("{selector}.{name}")))
                    .collect();
                (column, names)
            })
            .collect();
        let outcomes = listed(format!("{:?}", row.outcome()))
            .into_iter()
            .map(|name| name.map(|name| format!("table.outcome.{name}")))
            .collect();
        Self {
            plain: [
                plain(Table::Core, format!("{core:?}")),
                plain(Table::Range, format!("{range:?}")),
                plain(Table::Chiplets, format!("{row:?}")),
            ],
            selectors,
            outcomes,
        }
    }
}

impl Names {
    /// The name of a cell of row `number` of a table, whose cells are `row`.
    pub fn of(&self, table: Table, row: &[Felt], number: usize, column: usize) -> &str {
        let plain = &self.plain[table as usize][column];
        if table != Table::Chiplets {
            return plain;
        }
        let is_outcome =
            ChipletRow::from_cells(row).select.table == ONE && !number.is_multiple_of(2);
        let section = self
            .selectors
            .iter()
            .find(|(selector, _)| row[*selector] == ONE);
        section
            .map(|(_, names)| if is_outcome { &self.outcomes } else { names })
            .and_then(|names| names[column].as_deref())
            .unwrap_or(plain)
    }

    /// The number of the chiplet that a row of the chiplets belongs to, or nothing if it is padding.
    pub fn chiplet(&self, row: &[Felt]) -> Option<usize> {
        self.selectors
            .iter()
            .position(|(selector, _)| row[*selector] == ONE)
    }

    /// The columns of the chiplets' selectors.
    pub fn selector_columns(&self) -> impl Iterator<Item = usize> {
        self.selectors.iter().map(|(column, _)| *column)
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
    use miden_core::ZERO;

    use super::*;

    #[test]
    fn cells_have_the_names_of_their_fields() {
        let names = Names::default();
        let name = |table: Table, column: usize| {
            let row = vec![ZERO; table.width()];
            names.of(table, &row, 0, column).to_owned()
        };
        assert_eq!(name(Table::Core, 0), "system.clk");
        assert_eq!(name(Table::Range, 0), "range.hi");
        assert_eq!(name(Table::Chiplets, 0), "chiplet.row");
        assert_eq!(name(Table::Chiplets, 1), "chiplet.select.hasher");
        let mut row = ChipletRow::filled(ZERO);
        row.select.memory = ONE;
        let row = miden_cvm_air::columns::cells_of(&row);
        let body = 1 + names.selector_columns().count();
        assert_eq!(names.of(Table::Chiplets, row, 0, body), "memory.context");
        let word = names.of(Table::Chiplets, row, 0, body + 2);
        assert_eq!(word, "memory.word[1]");
        let all: std::collections::BTreeSet<_> = Table::ALL
            .into_iter()
            .flat_map(|table| (0..table.width()).map(move |column| (table, column)))
            .map(|(table, column)| name(table, column))
            .collect();
        let width: usize = Table::ALL.iter().map(|table| table.width()).sum();
        assert_eq!(all.len(), width);
        assert!(!all.contains(""));
    }
}
