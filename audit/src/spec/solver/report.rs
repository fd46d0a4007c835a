//! The report on determinism.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use miden_core::ONE;
use miden_cvm_air::{opcode::OPCODES, table::Table};

use super::{
    Kind, Problem,
    answers::{BOUNDS, Bound, FUNCTIONS, Function},
    inputs::Inputs,
    solved::Solved,
    state::{Rule, Source},
    tables::Rows,
};
use crate::spec::{Declaration, polynomial::Variable};

/// The report on the rows of one kind: lines, each a list of cells and the rule by which they are
/// determined.
pub type Lines = BTreeSet<String>;

/// The beginning of the report.
const HEAD: &str = "\
What determines the cells of every kind of row, printed by
`cargo run -p miden-cvm-audit --bin air-report -- determinism`; a test compares it.
The chapter on the AIR as data tells what the rules are. `x'` is a cell of the next row.

# what messages answer

";

/// The findings of the solver about the tables.
#[derive(Debug)]
pub struct Report {
    /// The report.
    pub text: String,
    /// The cells that are open, with the kinds of their rows.
    pub open: Vec<String>,
}

/// The rows that are meant: of open programs, compositions, or both; at which places of a cycle.
type Variants = BTreeSet<(bool, usize)>;

impl Report {
    /// Solves all tables.
    pub fn new() -> Self {
        let mut report = Self {
            text: String::new(),
            open: Vec::new(),
        };
        report.text.push_str(HEAD);
        for function in FUNCTIONS {
            let what = match (function.pointer.is_some(), function.whether) {
                (true, _) => "names any of",
                (_, true) => "whether there is one",
                _ if function.key.is_empty() => "what is asked",
                _ => "one answer",
            };
            let Function { bus, why, .. } = function;
            writeln!(report.text, "{bus:?}, {what}: {why}").expect("a string");
        }
        report.text.push_str("\n# what messages bound\n\n");
        for Bound {
            bus, largest, why, ..
        } in BOUNDS
        {
            writeln!(report.text, "{bus:?}, at most {largest}: {why}").expect("a string");
        }
        report.text.push('\n');
        for table in Table::ALL {
            report.table(table);
        }
        report
    }

    /// Solves a table.
    fn table(&mut self, table: Table) {
        let Solved { recorded, problems } = Solved::of(table);
        let mut found: BTreeMap<String, BTreeMap<Lines, Variants>> = BTreeMap::new();
        let mut order = Vec::new();
        for (problem, kinds) in problems {
            for (label, lines) in lines_of(recorded, problem, kinds) {
                if !order.contains(&label) {
                    order.push(label.clone());
                }
                let variant = (problem.composed, problem.place);
                found
                    .entry(label)
                    .or_default()
                    .entry(lines)
                    .or_default()
                    .insert(variant);
            }
        }
        let mut all = found.values().flat_map(BTreeMap::keys);
        let mut common: Lines = all.next().cloned().unwrap_or_default();
        for lines in all {
            common.retain(|line| lines.contains(line));
        }
        writeln!(self.text, "# {}\n\n## every row", table.name()).expect("a string");
        self.lines(&common, &BTreeSet::new());
        let every = problems.iter();
        let every: Variants = every.map(|(p, _)| (p.composed, p.place)).collect();
        for label in order {
            for (lines, variants) in &found[&label] {
                write!(self.text, "\n## {label}").expect("a string");
                if *variants != every {
                    write!(self.text, " ({})", describe(variants, &every)).expect("a string");
                }
                self.text.push('\n');
                self.lines(lines, &common);
                let open = lines.iter().filter(|line| line.starts_with("open"));
                let kind = format!("{}, {label}", table.name());
                self.open.extend(open.map(|line| format!("{kind}: {line}")));
            }
        }
        self.text.push('\n');
    }

    fn lines(&mut self, lines: &Lines, without: &Lines) {
        for line in lines.difference(without) {
            writeln!(self.text, "{line}").expect("a string");
        }
    }
}

impl Default for Report {
    fn default() -> Self {
        Self::new()
    }
}

fn describe(variants: &Variants, every: &Variants) -> String {
    let project = |set: &Variants| {
        let composed: BTreeSet<bool> = set.iter().map(|&(composed, _)| composed).collect();
        let places: BTreeSet<usize> = set.iter().map(|&(_, place)| place).collect();
        (composed, places)
    };
    let ((composed, places), (all_composed, all_places)) = (project(variants), project(every));
    let mut parts = Vec::new();
    if composed != all_composed {
        let composed = composed.first() == Some(&true);
        parts.push(
            if composed {
                "in a composition"
            } else {
                "in an open program"
            }
            .to_owned(),
        );
    }
    if places != all_places {
        let places: Vec<String> = places.iter().map(usize::to_string).collect();
        parts.push(format!("rows {} of 8", places.join(", ")));
    }
    parts.join(", ")
}

/// The name of a kind of row.
pub fn label(problem: &Problem, kind: &Kind) -> String {
    let cells = &problem.cells;
    let is_set = |name: &str| {
        let cell = cells.find(name);
        cell.is_some_and(|cell| kind.constants.get(&cell) == Some(&ONE))
    };
    if problem.table == Table::Core {
        let part = |name: &str, count: u8| (0..count).find(|i| is_set(&format!("op.{name}[{i}]")));
        if let (Some(hi), Some(mid), Some(lo)) = (part("hi", 8), part("mid", 4), part("lo", 4)) {
            let code = (hi << 4) | (mid << 2) | lo;
            let opcode = OPCODES.iter().find(|opcode| opcode.code == code);
            return opcode.map_or(format!("{code:#09b}"), |opcode| opcode.name.to_owned());
        }
    }
    let inputs = Inputs::new(problem.table, cells);
    let set: Vec<&str> = inputs
        .kinds()
        .iter()
        .filter(|cell| kind.constants.get(cell) == Some(&ONE))
        .filter_map(|&cell| cells.name(cell))
        .collect();
    if set.is_empty() {
        Rows::of(problem.table).others.into()
    } else {
        set.join(", ")
    }
}

/// Returns the report on each kind of row of a problem.
pub fn lines_of(recorded: &Declaration, problem: &Problem, kinds: &[Kind]) -> Vec<(String, Lines)> {
    let mut order = Vec::new();
    let mut cells: BTreeMap<String, BTreeMap<Variable, BTreeSet<String>>> = BTreeMap::new();
    let mut conditions: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    let inputs = Inputs::new(problem.table, &problem.cells);
    let width = problem.table.width();
    for kind in kinds {
        let label = label(problem, kind);
        if !order.contains(&label) {
            order.push(label.clone());
        }
        let of_kind = cells.entry(label.clone()).or_default();
        let mut say = |cell: Variable, what: String| {
            of_kind.entry(cell).or_default().insert(what);
        };
        let own = |cell: Variable| usize::from(cell) < width || inputs.is_passed(&kind.state, cell);
        for (cell, rule) in kind.log.iter().filter(|(cell, _)| own(*cell)) {
            say(*cell, rule_text(recorded, rule));
        }
        for &cell in &kind.witnesses {
            say(cell, "witness".into());
        }
        for &cell in &kind.open {
            say(cell, "open".into());
        }
        let names = kind
            .conditions
            .iter()
            .filter(|(source, _)| matches!(source, Source::Constraint(_, false)))
            .filter_map(|(source, _)| family(recorded, *source));
        conditions.entry(label).or_default().extend(names);
    }
    order
        .into_iter()
        .map(|label| {
            let mut by_rule: BTreeMap<String, Vec<&str>> = BTreeMap::new();
            for (&cell, rules) in &cells[&label] {
                let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
                if let Some(name) = problem.cells.name(cell) {
                    by_rule.entry(rules.join(", or ")).or_default().push(name);
                }
            }
            let mut lines: Lines = by_rule
                .into_iter()
                .map(|(rule, cells)| format!("{rule}: {}", ranges(&cells).join(" ")))
                .collect();
            let conditions: Vec<&str> = conditions[&label].iter().copied().collect();
            if !conditions.is_empty() {
                lines.insert(format!("required: {}", conditions.join(" ")));
            }
            (label, lines)
        })
        .collect()
}

/// The name of what a rule rests on.
pub fn family(recorded: &Declaration, source: Source) -> Option<&'static str> {
    match source {
        Source::Constraint(i, _) => Some(recorded.constraints[i].family),
        Source::Message(i, _) => Some(recorded.messages[i].name),
        Source::Case => None,
    }
}

/// Returns what a report calls a rule.
pub fn rule_text(recorded: &Declaration, rule: &Rule) -> String {
    let (what, source) = match rule {
        Rule::Input(why) => return (*why).into(),
        Rule::Linear(source) => ("linear", source),
        Rule::Zero(source) => ("sum of bounded numbers is zero", source),
        Rule::Digits(source) => ("digits", source),
        Rule::Canonical(source) => ("digits below the modulus", source),
        Rule::Flags(source) => ("one choice of flags", source),
        Rule::Power(source) => ("power", source),
        Rule::Division(source) => ("division of integers", source),
        Rule::Refuted(source) => ("the other value is impossible", source),
        Rule::Pointer(source) => ("pointer", source),
    };
    match family(recorded, *source) {
        Some(name) => format!("{what} {name}"),
        None => format!("{what}, case"),
    }
}

/// Cells that are named together: members of a family that follow each other, or a single one.
struct Range<'a> {
    family: &'a str,
    /// The first member, and the one after the last.
    members: Option<(usize, usize)>,
    prime: &'static str,
}

/// Names, with members of one family that follow each other together.
pub fn ranges(names: &[&str]) -> Vec<String> {
    let mut ranges: Vec<Range<'_>> = Vec::new();
    for name in names {
        let (stem, prime) = match name.strip_suffix('\'') {
            Some(stem) => (stem, "'"),
            None => (*name, ""),
        };
        let member = stem.strip_suffix(']').and_then(|stem| {
            let (family, member) = stem.rsplit_once('[')?;
            Some((family, member.parse::<usize>().ok()?))
        });
        let Some((family, member)) = member else {
            ranges.push(Range {
                family: stem,
                members: None,
                prime,
            });
            continue;
        };
        match ranges.last_mut() {
            Some(Range {
                family: last,
                members: Some((_, end)),
                prime: last_prime,
            }) if *last == family && *last_prime == prime && *end == member => *end += 1,
            _ => ranges.push(Range {
                family,
                members: Some((member, member + 1)),
                prime,
            }),
        }
    }
    let show = |range: Range<'_>| {
        let Range { family, prime, .. } = range;
        match range.members {
            None => format!("{family}{prime}"),
            Some((from, to)) if to == from + 1 => format!("{family}[{from}]{prime}"),
            Some((from, to)) => format!("{family}[{from}..{to}]{prime}"),
        }
    };
    ranges.into_iter().map(show).collect()
}
