//! The inputs of the rows of each table, and the answers of messages.

use miden_core::{Felt, ONE, ZERO};
use miden_cvm_air::{chiplets::ace::MAX_WIRES, lookup::Bus, table::Table};

use super::{
    state::{Lookup, State},
    tables::{BEFORE, Fact, Rows},
};
use crate::{
    columns::Names,
    spec::{
        Input,
        polynomial::{Polynomial, Variable},
    },
};

/// Messages by which something becomes known.
#[derive(Debug, Clone, Copy)]
pub struct Function {
    /// The bus.
    pub bus: Bus,
    /// The coordinates that have to be known.
    pub key: &'static [usize],
    /// The coordinates that are answered; all of them if there are none.
    pub answers: &'static [usize],
    /// Those of them that are not zero.
    pub nonzero: &'static [usize],
    /// The coordinate that is a pointer: any of the rows that it may name answers the same.
    pub pointer: Option<usize>,
    /// `true` if it answers that there is such a message, and nothing else.
    pub whether: bool,
    /// The messages that ask.
    pub asks: Asks,
    /// Why there is one answer.
    pub why: &'static str,
}

/// The messages that ask something of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asks {
    /// Those that are received.
    Received,
    /// Those that are sent.
    Sent,
    /// Those that are sent and have zero in this coordinate: reads of memory.
    Zero(usize),
    /// Those that are received and have one in this coordinate: writes that the memory takes in.
    One(usize),
}

impl Function {
    const fn new(bus: Bus, key: &'static [usize], why: &'static str) -> Self {
        Self {
            bus,
            key,
            answers: &[],
            nonzero: &[],
            pointer: None,
            whether: false,
            asks: Asks::Received,
            why,
        }
    }

    /// Returns `true` if a message asks, and for something that is known.
    pub fn applies(&self, lookup: &Lookup, known: &impl Fn(&Polynomial) -> bool) -> bool {
        let count = lookup.count.as_constant();
        let asks = match self.asks {
            Asks::Received => self.whether || count == Some(-ONE),
            Asks::Sent => count == Some(ONE),
            Asks::Zero(cell) => {
                count == Some(ONE) && lookup.coordinates[cell].as_constant() == Some(ZERO)
            }
            Asks::One(cell) => {
                count == Some(-ONE) && lookup.coordinates[cell].as_constant() == Some(ONE)
            }
        };
        asks && self.key.iter().all(|&i| known(&lookup.coordinates[i]))
    }
}

/// All coordinates of a state, after an address.
const STATE: &[usize] = &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

/// The answers of messages.
pub const FUNCTIONS: &[Function] = &[
    Function {
        whether: true,
        ..Function::new(
            Bus::CallStack,
            &[0],
            "the row that begins a block sends one entry, on one of the two stacks; its id is the \
             row's number",
        )
    },
    Function::new(
        Bus::CallStack,
        &[0],
        "block ids are row numbers, so there is one entry of a block",
    ),
    Function::new(
        Bus::BlockStack,
        &[0],
        "block ids are row numbers, so there is one entry of a block",
    ),
    Function::new(
        Bus::BlockHash,
        &[0, 1, 2, 3, 4, 5],
        "a LOOP and its REPEATs want bodies only, other parents want none; the body's id is the child's",
    ),
    Function::new(Bus::Overflow, &[0], "one entry is pushed in a cycle"),
    Function {
        pointer: Some(0),
        ..Function::new(
            Bus::HashInput,
            STATE,
            "permutations that begin with one state are the same",
        )
    },
    Function::new(Bus::HashAbsorb, &[0], "the hasher's rows are numbered"),
    Function::new(Bus::HashDigest, &[0], "the hasher's rows are numbered"),
    Function::new(Bus::HashOutput, &[0], "the hasher's rows are numbered"),
    Function {
        pointer: Some(0),
        ..Function::new(
            Bus::MerkleLeaf,
            &[1, 2, 3, 4, 5, 6, 7],
            "paths from one node at one index to one root have the same siblings, or there is a collision",
        )
    },
    Function::new(Bus::MerkleRoot, &[0, 1, 2], "a leg of a path has one root"),
    Function::new(
        Bus::Bitwise,
        &[0, 1, 2],
        "rows of the bitwise table have the result of their operands",
    ),
    Function {
        asks: Asks::Zero(3),
        ..Function::new(
            Bus::MemoryWord,
            &[0, 1, 2],
            "the memory's rows are sorted: a read has the value of the last write",
        )
    },
    Function {
        asks: Asks::Zero(3),
        ..Function::new(
            Bus::MemoryElement,
            &[0, 1, 2],
            "the memory's rows are sorted: a read has the value of the last write",
        )
    },
    Function::new(
        Bus::Link,
        &[0, 1, 2, 3, 4],
        "the verifier checks that a caller and a digest have one link",
    ),
    Function::new(
        Bus::Segment,
        &[0, 1],
        "the verifier checks that the segments of an instance are numbered",
    ),
    Function {
        asks: Asks::Sent,
        ..Function::new(
            Bus::Table,
            &[0, 1, 2, 3, 5, 6, 7, 8, 10, 11],
            "there is one operation a cycle; the resource tables determine its output",
        )
    },
    Function::new(Bus::Wire, &[0, 1], "a wire of an evaluation is stated once"),
    // What the rows of the chiplets are asked.
    Function {
        answers: &[0, 1, 2, 3],
        ..Function::new(Bus::MemoryWord, &[], "each access is made once")
    },
    Function {
        answers: &[4, 5, 6, 7],
        asks: Asks::One(3),
        ..Function::new(Bus::MemoryWord, &[], "a write says what is written")
    },
    Function {
        answers: &[0, 1, 2, 3],
        ..Function::new(Bus::MemoryElement, &[], "each access is made once")
    },
    Function {
        answers: &[4],
        asks: Asks::One(3),
        ..Function::new(Bus::MemoryElement, &[], "a write says what is written")
    },
    Function {
        asks: Asks::Sent,
        answers: &[1, 2, 3, 4, 5, 6, 7],
        ..Function::new(Bus::MerkleLeaf, &[], "an operation asks for each leg")
    },
    Function::new(
        Bus::MerkleSibling,
        &[0, 1],
        "the first leg of an update sends a sibling for each level",
    ),
    Function::new(
        Bus::Obligation,
        &[],
        "an instance is created once, and owes one segment after the other",
    ),
    Function {
        answers: &[0, 1, 2, 3, 5, 6, 7, 8, 10, 11],
        ..Function::new(Bus::Table, &[], "there is one operation a cycle")
    },
    Function {
        nonzero: &[1],
        ..Function::new(
            Bus::Token,
            &[0],
            "one token is sent in a cycle, under a mark, which is the number of a cycle",
        )
    },
    Function::new(Bus::Circuit, &[], "there is one operation a cycle"),
    Function::new(Bus::KernelRecord, &[], "the records are public"),
    Function::new(Bus::LinkRecord, &[], "the records are public"),
    Function::new(Bus::SegmentRecord, &[], "the records are public"),
];

/// A number that a message that is received bounds.
#[derive(Debug, Clone, Copy)]
pub struct Bound {
    /// The bus.
    pub bus: Bus,
    /// The coordinate.
    pub coordinate: usize,
    /// The largest value.
    pub largest: u64,
    /// Why.
    pub why: &'static str,
}

/// The bounds that messages state.
pub const BOUNDS: &[Bound] = &[
    Bound {
        bus: Bus::Range,
        coordinate: 0,
        largest: (1 << 16) - 1,
        why: "numbers of the range table are made of two bytes",
    },
    Bound {
        bus: Bus::Byte,
        coordinate: 0,
        largest: (1 << 8) - 1,
        why: "the byte table counts from 0 to 255",
    },
    Bound {
        bus: Bus::Wire,
        coordinate: 1,
        largest: MAX_WIRES,
        why: "wires that are stated count down to 0, one or two a row",
    },
];

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
        let conditions = |when: &[(&str, u64)]| -> Option<Vec<(Variable, Felt)>> {
            let resolve =
                |&(name, value): &(&str, u64)| Some((cells.find(name)?, Felt::new(value)));
            when.iter().map(resolve).collect()
        };
        let rows = Rows::of(table);
        let given = rows.given.iter();
        let given = given.filter(|rule| rule.places.contains(cells.place));
        let rules = given.filter_map(|rule| {
            Some(Resolved {
                cells: cells.named(rule.cells),
                when: conditions(rule.when)?,
                why: rule.why,
                fact: rule.fact,
            })
        });
        let passed = rows.passed.iter().filter_map(|rule| {
            let next: Vec<String> = rule
                .cells
                .split_whitespace()
                .map(|cell| format!("{cell}'"))
                .collect();
            Some(Resolved {
                cells: cells.named(&next.join(" ")),
                when: conditions(rule.when)?,
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
            let conditions = given
                .clone()
                .chain(passed.clone())
                .flat_map(|(_, when)| when);
            let lists = given.chain(passed).map(|(cells, _)| cells);
            let patterns = lists
                .flat_map(str::split_whitespace)
                .chain(rows.kinds.iter().copied());
            for pattern in patterns.chain(conditions.map(|(cell, _)| *cell)) {
                assert!(exists(pattern), "{table:?} has no {pattern}");
            }
        }
    }
}
