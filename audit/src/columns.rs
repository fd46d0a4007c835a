//! The names of cells, read off the column structs themselves.

use miden_core::{Felt, ONE};
use miden_cvm_air::columns::{CORE_WIDTH, MAIN_WIDTH, MainRow, RANGE_WIDTH, cells_of};

/// First column of the chiplets.
pub const CHIPLETS: usize = CORE_WIDTH + RANGE_WIDTH;

/// The three parts of a row, which stand side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// System, decoder and stack.
    Core,
    /// Range and byte tables.
    Range,
    /// Chiplets.
    Chiplets,
}

impl Part {
    /// All parts.
    pub const ALL: [Self; 3] = [Self::Core, Self::Range, Self::Chiplets];

    /// The columns of the part.
    pub fn columns(self) -> core::ops::Range<usize> {
        match self {
            Self::Core => 0..CORE_WIDTH,
            Self::Range => CORE_WIDTH..CHIPLETS,
            Self::Chiplets => CHIPLETS..MAIN_WIDTH,
        }
    }
}

/// The names of all cells: those of the shared chiplet columns depend on the chiplet.
#[derive(Debug)]
pub struct Names {
    plain: Vec<String>,
    selectors: Vec<(usize, Vec<Option<String>>)>,
    /// Those of the odd rows of operations on resource tables.
    outcomes: Vec<Option<String>>,
}

impl Default for Names {
    fn default() -> Self {
        let mut index = [0; MAIN_WIDTH];
        for (i, cell) in index.iter_mut().enumerate() {
            *cell = i;
        }
        let row = MainRow::from_cells(&index);
        let listed = |debug: String| {
            let mut names = vec![None; MAIN_WIDTH];
            for (column, name) in leaves(&debug) {
                names[column] = Some(name);
            }
            names
        };
        let plain = listed(format!("{row:?}"));
        let plain = plain
            .into_iter()
            .map(|name| name.unwrap_or_default().replace("core.", ""))
            .collect();
        // The views of the shared columns, by the name of the selector.
        let views = [
            ("hasher", format!("{:?}", row.chiplet.hasher())),
            ("bitwise", format!("{:?}", row.chiplet.bitwise())),
            ("table", format!("{:?}", row.chiplet.table())),
            ("memory", format!("{:?}", row.chiplet.memory())),
            ("rom", format!("{:?}", row.chiplet.rom())),
            ("ace", format!("{:?}", row.chiplet.ace())),
        ];
        let selectors = leaves(&format!("{:?}", row.chiplet.select))
            .into_iter()
            .map(|(column, selector)| {
                let view = views.iter().find(|(name, _)| *name == selector);
                let names = view.map_or(vec![None; MAIN_WIDTH], |(_, view)| listed(view.clone()));
                let names = names
                    .into_iter()
                    .map(|name| name.map(|name| format!("{selector}.{name}")))
                    .collect();
                (column, names)
            })
            .collect();
        let outcomes = listed(format!("{:?}", row.chiplet.outcome()))
            .into_iter()
            .map(|name| name.map(|name| format!("table.outcome.{name}")))
            .collect();
        Self {
            plain,
            selectors,
            outcomes,
        }
    }
}

impl Names {
    /// The name of a cell of `row`, which is row `number`.
    pub fn of(&self, row: &MainRow<Felt>, number: usize, column: usize) -> &str {
        let cells = cells_of(row);
        let is_outcome = row.chiplet.select.table == ONE && !number.is_multiple_of(2);
        let section = self
            .selectors
            .iter()
            .find(|(selector, _)| cells[*selector] == ONE);
        section
            .map(|(_, names)| if is_outcome { &self.outcomes } else { names })
            .and_then(|names| names[column].as_deref())
            .unwrap_or(&self.plain[column])
    }

    /// The number of the chiplet that a row belongs to, or nothing if it is padding.
    pub fn chiplet(&self, row: &MainRow<Felt>) -> Option<usize> {
        let cells = cells_of(row);
        self.selectors
            .iter()
            .position(|(selector, _)| cells[*selector] == ONE)
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
    use super::*;
    use miden_cvm_air::air::zero_row;

    #[test]
    fn cells_have_the_names_of_their_fields() {
        let names = Names::default();
        let mut row = zero_row();
        assert_eq!(names.of(&row, 0, 0), "system.clk");
        assert_eq!(names.of(&row, 0, CORE_WIDTH), "range.hi");
        assert_eq!(names.of(&row, 0, CHIPLETS), "chiplet.select.hasher");
        row.chiplet.select.memory = ONE;
        let body = CHIPLETS + names.selector_columns().count();
        assert_eq!(names.of(&row, 0, body), "memory.context");
        assert_eq!(names.of(&row, 0, body + 2), "memory.word[1]");
        let all: std::collections::BTreeSet<_> = (0..MAIN_WIDTH)
            .map(|column| names.of(&zero_row(), 0, column).to_owned())
            .collect();
        assert_eq!(all.len(), MAIN_WIDTH);
        assert!(!all.contains(""));
    }
}
