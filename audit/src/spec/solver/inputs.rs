//! The inputs of the rows of each table.

use miden_core::Felt;
use miden_cvm_air::table::Table;

use super::{
    state::State,
    tables::{BEFORE, Fact, Rows},
};
use crate::{
    columns::Names,
    spec::{
        Input,
        polynomial::{Polynomial, Variable},
    },
};

/// The names of the cells of two rows.
#[derive(Debug)]
pub struct Cells {
    names: Vec<String>,
    place: usize,
}

impl Cells {
    /// The names of the cells of a table, at a place of a cycle.
    pub fn new(table: Table, place: usize) -> Self {
        let names = Names::default();
        let row = |number: usize| {
            (0..table.width())
                .map(|column| names.of(table, number, column).to_owned())
                .collect::<Vec<_>>()
        };
        let mut all = row(place);
        all.extend(row(place + 1).into_iter().map(|name| name + "'"));
        Self { names: all, place }
    }

    /// The name of a variable, if it is a cell.
    pub fn name(&self, variable: Variable) -> Option<&str> {
        self.names.get(usize::from(variable)).map(String::as_str)
    }

    /// The cell of this name.
    pub fn find(&self, name: &str) -> Option<Variable> {
        let position = self.names.iter().position(|other| other == name);
        position.map(|position| position as Variable)
    }

    /// The cells that a list of patterns names.
    pub fn named(&self, patterns: &str) -> Vec<Variable> {
        let patterns = patterns.split_whitespace();
        patterns
            .flat_map(|pattern| self.matching(pattern))
            .collect()
    }

    fn matching(&self, pattern: &str) -> Vec<Variable> {
        let (stem, prime) = match pattern.strip_suffix('\'') {
            Some(stem) => (stem, true),
            None => (pattern, false),
        };
        let range = stem.strip_suffix(']').and_then(|stem| {
            let (name, range) = stem.rsplit_once('[')?;
            let (from, to) = range.split_once("..")?;
            Some((name, from.parse::<usize>().ok()?..to.parse().ok()?))
        });
        let fits = |name: &str| {
            let (name, primed) = match name.strip_suffix('\'') {
                Some(name) => (name, true),
                None => (name, false),
            };
            if primed != prime {
                return false;
            }
            if let Some((family, range)) = &range {
                return name
                    .strip_prefix(family)
                    .and_then(|rest| rest.strip_prefix('[')?.strip_suffix(']')?.parse().ok())
                    .is_some_and(|i: usize| range.contains(&i));
            }
            if let Some(section) = stem.strip_suffix('*') {
                return name.starts_with(section);
            }
            name == stem
                || name
                    .strip_prefix(stem)
                    .is_some_and(|rest| rest.starts_with('['))
        };
        (0..self.names.len())
            .filter(|&i| fits(&self.names[i]))
            .map(|i| i as Variable)
            .collect()
    }
}

/// A rule of what is given, with the cells looked up.
#[derive(Debug)]
struct Resolved {
    cells: Vec<Variable>,
    when: Vec<(Variable, Felt)>,
    why: &'static str,
    fact: Option<Fact>,
}

/// The inputs that the rows of a table are given.
#[derive(Debug)]
pub struct Inputs<'a> {
    rules: Vec<Resolved>,
    passed: Vec<Resolved>,
    kinds: Vec<Variable>,
    /// The names of the cells.
    pub cells: &'a Cells,
}

impl<'a> Inputs<'a> {
    /// The inputs of a table.
    pub fn new(table: Table, cells: &'a Cells) -> Self {
        // All ways in which the conditions hold, each with one of the cells that each names.
        let conditions = |when: &[(&str, u64)]| {
            let mut ways = vec![Vec::new()];
            for &(names, value) in when {
                let found = cells.named(names).into_iter();
                let longer = found.flat_map(|cell| {
                    let condition = [(cell, Felt::new(value))];
                    ways.iter().map(move |way| [&way[..], &condition].concat())
                });
                ways = longer.collect();
            }
            ways
        };
        let rows = Rows::of(table);
        let given = rows.given.iter();
        let given = given.filter(|rule| rule.places.contains(cells.place));
        let rules = given.flat_map(|rule| {
            let ways = conditions(rule.when).into_iter();
            ways.map(|when| Resolved {
                cells: cells.named(rule.cells),
                when,
                why: rule.why,
                fact: rule.fact,
            })
        });
        let passed = rows.passed.iter().flat_map(|rule| {
            let next: Vec<String> = rule
                .cells
                .split_whitespace()
                .map(|cell| format!("{cell}'"))
                .collect();
            let ways = conditions(rule.when).into_iter();
            ways.map(move |when| Resolved {
                cells: cells.named(&next.join(" ")),
                when,
                why: BEFORE,
                fact: None,
            })
        });
        Self {
            rules: rules.collect(),
            passed: passed.collect(),
            kinds: rows
                .kinds
                .iter()
                .flat_map(|kinds| cells.named(kinds))
                .collect(),
            cells,
        }
    }

    /// The flags that tell kinds of rows from each other, in order.
    pub fn kinds(&self) -> &[Variable] {
        &self.kinds
    }

    /// Returns `true` if a cell of the next row may have to be determined on a branch.
    pub fn may_be_passed(&self, state: &State, cell: Variable) -> bool {
        let possible = |when: &[(Variable, Felt)]| {
            let fits = |(cell, value): &(Variable, Felt)| {
                state
                    .constants
                    .get(cell)
                    .is_none_or(|constant| constant == value)
            };
            when.iter().all(fits)
        };
        let mut passed = self.passed.iter();
        passed.any(|rule| rule.cells.contains(&cell) && possible(&rule.when))
    }

    fn hold(state: &State, when: &[(Variable, Felt)]) -> bool {
        when.iter()
            .all(|(cell, value)| state.constants.get(cell) == Some(value))
    }

    /// The cells that are given on a branch, with the reasons and what is known of them besides.
    pub fn given(&self, state: &State) -> Vec<(Variable, &'static str, Option<Fact>)> {
        let rules = self
            .rules
            .iter()
            .filter(|rule| Self::hold(state, &rule.when));
        rules
            .flat_map(|rule| rule.cells.iter().map(|&cell| (cell, rule.why, rule.fact)))
            .collect()
    }

    /// Returns `true` if a cell of the next row has to be determined on a branch.
    pub fn is_passed(&self, state: &State, cell: Variable) -> bool {
        self.passed
            .iter()
            .any(|rule| rule.cells.contains(&cell) && Self::hold(state, &rule.when))
    }
}

/// The number of a cell's variable in the next row's place, if a polynomial is about the current row.
pub fn in_next_row(table: Table, polynomial: &Polynomial) -> Option<Polynomial> {
    let width = table.width() as Variable;
    let only_current = polynomial
        .variables()
        .iter()
        .all(|&x| !matches!(Input::of(table, usize::from(x)), Input::Next(_)));
    only_current.then(|| {
        polynomial.renamed(|x| match Input::of(table, usize::from(x)) {
            Input::Current(_) => x + width,
            _ => x,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_name_cells_that_there_are() {
        for table in Table::ALL {
            let rows = Rows::of(table);
            let cells = [0, 1].map(|place| Cells::new(table, place));
            let exists = |pattern: &str| {
                cells
                    .iter()
                    .any(|cells| !cells.matching(pattern).is_empty())
            };
            let given = rows.given.iter().map(|rule| (rule.cells, rule.when));
            let passed = rows.passed.iter().map(|rule| (rule.cells, rule.when));
            let lists = given.chain(passed).flat_map(|(cells, when)| {
                let conditions = when.iter().map(|(cells, _)| *cells);
                conditions.chain([cells])
            });
            let patterns = lists.flat_map(str::split_whitespace);
            for pattern in patterns.chain(rows.kinds.iter().copied()) {
                assert!(exists(pattern), "{table:?} has no {pattern}");
            }
        }
    }
}
