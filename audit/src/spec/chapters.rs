//! The tables of the book's chapters on constraints and on messages: what the code can say in them is
//! written by the code, and what a row is for by people.

use std::{collections::BTreeMap, fmt::Write, iter::once};

use miden_cvm_air::{boundary::Boundary, public::PublicInputs, table::Table};

use super::{
    formula::{Formulas, constant},
    row_of, source_of,
};
use crate::columns::Names;

/// Formulas that are longer than this stand in the chapter of formulas only.
const LONGEST: usize = 480;

/// A chapter whose tables are written by the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chapter {
    /// The constraints, those on the first and the last row among them: numbers and formulas.
    Constraints,
    /// The messages: how often each is sent.
    Messages,
}

impl Chapter {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Constraints, Self::Messages];

    /// Its file, in the folder of the book's sources.
    pub fn file(self) -> &'static str {
        match self {
            Self::Constraints => "constraints.md",
            Self::Messages => "buses.md",
        }
    }

    /// The chapter with the cells that the code writes. Rows that name nothing that there is stay as
    /// they are.
    pub fn written(self, chapter: &str) -> String {
        let tables = Table::ALL.map(Formulas::new);
        let (headers, cells): (&[&str], _) = match self {
            Self::Constraints => {
                let mut cells = constraints(&tables);
                cells.extend(boundaries());
                let headers = &[
                    "| constraint | number | degree | formula |",
                    "| boundary | number | row | formula |",
                ];
                (headers, cells)
            }
            Self::Messages => (&["| message | bus | slot | count |"], counts(&tables)),
        };
        let mut text = String::with_capacity(chapter.len());
        let mut inside = false;
        for line in chapter.lines() {
            let is_header = headers.iter().any(|header| line.starts_with(header));
            inside = is_header || inside && line.starts_with('|');
            let row = inside.then(|| row(line)).flatten();
            match row.and_then(|row| Some((cells.get(&row.key(self))?, row))) {
                Some((Cells { number, formula }, row)) => {
                    let Row {
                        name,
                        second,
                        third,
                        rest,
                    } = row;
                    let second = number.as_deref().unwrap_or(second);
                    writeln!(text, "| {name} | {second} | {third} | {formula} | {rest}")
                }
                None => writeln!(text, "{line}"),
            }
            .expect("a string");
        }
        text
    }
}

/// A row of a table: four cells, and the rest of the line.
struct Row<'a> {
    name: &'a str,
    second: &'a str,
    third: &'a str,
    rest: &'a str,
}

/// The row on a line.
fn row(line: &str) -> Option<Row<'_>> {
    let mut cells = line.strip_prefix("| ")?.splitn(5, " | ");
    let (name, second, third) = (cells.next()?, cells.next()?, cells.next()?);
    let _formula = cells.next()?;
    let rest = cells.next()?;
    Some(Row {
        name,
        second,
        third,
        rest,
    })
}

impl Row<'_> {
    /// The key of its cells: the name, and the degree of a constraint, since
    /// a family may have members of two, or the row of a boundary constraint.
    fn key(&self, chapter: Chapter) -> Key {
        let degree = match chapter {
            Chapter::Constraints => self.third,
            Chapter::Messages => "",
        };
        (self.name.trim_matches('`').into(), degree.into())
    }
}

type Key = (String, String);

/// The formulas of families, each with the table that it is of.
type Families = BTreeMap<Key, (Table, Vec<String>)>;

/// The cells of a row that the code writes.
struct Cells {
    number: Option<String>,
    formula: String,
}

/// The numbers and formulas of all families of constraints.
fn constraints(tables: &[Formulas]) -> BTreeMap<Key, Cells> {
    let mut families = Families::new();
    for formulas in tables {
        for (i, constraint) in formulas.recorded().constraints.iter().enumerate() {
            let name = match constraint.member {
                Some(_) => format!("{}[i]", constraint.family),
                None => constraint.family.into(),
            };
            families
                .entry((name, constraint.degree.to_string()))
                .or_insert_with(|| (formulas.recorded().table, Vec::new()))
                .1
                .push(formulas.constraint(i));
        }
    }
    counted(families)
}

/// The numbers and equations of all families of boundary constraints.
fn boundaries() -> BTreeMap<Key, Cells> {
    let names = Names::default();
    let mut families = Families::new();
    for table in Table::ALL {
        for boundary in table.boundaries(&PublicInputs::default()) {
            let name = match boundary.name.split_once('[') {
                Some((family, _)) => format!("{family}[i]"),
                None => boundary.name.clone(),
            };
            families
                .entry((name, row_of(&boundary).into()))
                .or_insert_with(|| (table, Vec::new()))
                .1
                .push(equation(&names, table, &boundary));
        }
    }
    counted(families)
}

/// The cell of a boundary constraint, and what it is.
fn equation(names: &Names, table: Table, boundary: &Boundary) -> String {
    // Heights are even, so the last row has an odd number.
    let cell = names.of(table, usize::from(boundary.last), boundary.column);
    let value = boundary
        .source
        .map_or_else(|| constant(boundary.value).0, source_of);
    format!("{cell} = {value}")
}

/// The cells of families that have numbers.
fn counted(families: Families) -> BTreeMap<Key, Cells> {
    let cells = families.into_iter().map(|(key, (table, members))| {
        let cells = Cells {
            number: Some(members.len().to_string()),
            formula: of_family(table, &members),
        };
        (key, cells)
    });
    cells.collect()
}

/// The counts of all messages.
fn counts(tables: &[Formulas]) -> BTreeMap<Key, Cells> {
    let cells = tables.iter().flat_map(|formulas| {
        let messages = formulas.recorded().messages.iter().enumerate();
        messages.map(|(i, message)| {
            let cells = Cells {
                number: None,
                formula: of_family(formulas.recorded().table, &[formulas.count(i)]),
            };
            ((message.name.into(), String::new()), cells)
        })
    });
    cells.collect()
}

/// The formulas of the members of a family, as few as say it.
fn of_family(table: Table, members: &[String]) -> String {
    let mut runs: Vec<(usize, Run)> = Vec::new();
    for (number, member) in members.iter().enumerate() {
        let one = Run::of(member);
        match runs.last_mut() {
            Some((_, run)) if run.goes_on(&one) => run.members.extend(one.members),
            _ => runs.push((number, one)),
        }
    }
    let alone = runs.len() == 1 || runs.iter().all(|(_, run)| run.members.len() == 1);
    let texts = runs.iter().map(|(first, run)| {
        let formula = run.formula(*first);
        let last = first + run.members.len() - 1;
        match () {
            () if alone => format!("`{formula}`"),
            () if *first == last => format!("`{formula}` for `i = {first}`"),
            () => format!("`{formula}` for `i = {first}…{last}`"),
        }
    });
    let text = texts
        .collect::<Vec<_>>()
        .join(if alone { ", " } else { "; " });
    match text.len() {
        0..LONGEST => text,
        _ => format!("[in full](formulas.md#{})", table.name()),
    }
}

/// Formulas of successive members that differ in indices only.
struct Run {
    /// The text between the indices.
    text: Vec<String>,
    /// The indices, by member.
    members: Vec<Vec<usize>>,
}

impl Run {
    /// That of one formula.
    fn of(formula: &str) -> Self {
        let mut text = vec![String::new()];
        let mut indices = Vec::new();
        for (i, piece) in formula.split('[').enumerate() {
            let index = (i > 0).then(|| piece.split_once(']')).flatten();
            match index.and_then(|(index, after)| Some((index.parse().ok()?, after))) {
                Some((index, after)) => {
                    indices.push(index);
                    text.push(after.into());
                }
                None => {
                    let last = text.last_mut().expect("there is always one");
                    if i > 0 {
                        last.push('[');
                    }
                    last.push_str(piece);
                }
            }
        }
        Self {
            text,
            members: vec![indices],
        }
    }

    /// Returns `true` if a formula continues it: every index stays as it is or grows by the same from member
    /// to member.
    fn goes_on(&self, next: &Self) -> bool {
        let steps = |a: &[usize], b: &[usize]| -> Vec<isize> {
            b.iter()
                .zip(a)
                .map(|(&b, &a)| b as isize - a as isize)
                .collect()
        };
        let [.., last] = &self.members[..] else {
            return false;
        };
        let step = steps(last, &next.members[0]);
        self.text == next.text
            && step.iter().all(|&step| step >= 0)
            && step.iter().any(|&step| step > 0)
            && self
                .members
                .windows(2)
                .all(|pair| steps(&pair[0], &pair[1]) == step)
    }

    /// The formula of member `i`, of which `first` is the first.
    fn formula(&self, first: usize) -> String {
        let [from, rest @ ..] = &self.members[..] else {
            return String::new();
        };
        let indices = from.iter().enumerate().map(|(place, &at)| {
            let step = rest.first().map_or(0, |next| next[place] - at);
            index(step, at as isize - (step * first) as isize)
        });
        let pieces = once(self.text[0].clone());
        pieces
            .chain(
                indices
                    .zip(&self.text[1..])
                    .map(|(index, text)| format!("[{index}]{text}")),
            )
            .collect()
    }
}

/// `step · i + at`
fn index(step: usize, at: isize) -> String {
    let i = match step {
        0 => return at.to_string(),
        1 => "i".to_string(),
        _ => format!("{step}i"),
    };
    match at {
        0 => i,
        1.. => format!("{i} + {at}"),
        _ => format!("{i} - {}", -at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(members: &[&str]) -> String {
        of_family(
            Table::Core,
            &members.iter().map(|&m| m.into()).collect::<Vec<_>>(),
        )
    }

    #[test]
    fn members_that_differ_in_indices_are_one_formula() {
        assert_eq!(of(&["a[0] - b"]), "`a[0] - b`");
        assert_eq!(of(&["x[4]' + y[2]", "x[6]' + y[2]"]), "`x[2i + 4]' + y[2]`");
        assert_eq!(
            of(&["(M · s)[0]", "(M · s)[1]", "(M · s)[2]"]),
            "`(M · s)[i]`"
        );
        assert_eq!(of(&["a", "b"]), "`a`, `b`");
        assert_eq!(
            of(&["a[0]", "a[1]", "b · a[2]", "b · a[3]"]),
            "`a[i]` for `i = 0…1`; `b · a[i]` for `i = 2…3`"
        );
        // The same formula twice is no family in `i`.
        assert_eq!(of(&["a", "a"]), "`a`, `a`");
        assert_eq!(
            of(&["a[0]", "a[1]", "a[3]"]),
            "`a[i]` for `i = 0…1`; `a[3]` for `i = 2`"
        );
        assert_eq!(of(&["a[1] · [", "a[2] · ["]), "`a[i + 1] · [`");
        assert_eq!(
            of(&["b", "a[0]", "a[1]"]),
            "`b` for `i = 0`; `a[i - 1]` for `i = 1…2`"
        );
    }
}
