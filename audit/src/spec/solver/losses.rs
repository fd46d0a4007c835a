//! Losses: what notices that a constraint or a message is left out of the AIR.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Write},
    fs, io,
    path::Path,
};

use miden_cvm_air::{lookup::Bus, public::PublicInputs, table::Table};
use rayon::prelude::*;

use super::{Dropped, Problem, report::label, solved::Solved, state::Source};
use crate::spec::Declaration;

/// The names of tests.
type Tests = BTreeSet<String>;

/// The check that notices that a part of the AIR is left out. If several do, the first of these.
#[derive(Debug, Clone)]
pub enum Noticed {
    /// These tests have a forged trace that nothing else refuses.
    Forged(Tests),
    /// A message of every run with such a row is not matched.
    Unmatched,
    /// A cell of such rows is no longer determined.
    Open(String),
    /// These tests have a forged trace that others refuse too, and ask for this one.
    Named(Tests),
    /// A change of an honest trace is accepted.
    Campaign,
    /// Nothing does, as it follows from others.
    Nothing(Consequence),
}

impl fmt::Display for Noticed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |tests: &Tests| {
            let tests: Vec<&str> = tests.iter().map(String::as_str).collect();
            tests.join(", ")
        };
        match self {
            Self::Forged(tests) => write!(f, "accepted, {}", list(tests)),
            Self::Unmatched => write!(f, "unmatched"),
            Self::Open(kind) => write!(f, "open, {kind}"),
            Self::Named(tests) => write!(f, "asked for, {}", list(tests)),
            Self::Campaign => write!(f, "{CAMPAIGN}"),
            Self::Nothing(Consequence { of, why, .. }) => {
                write!(f, "follows, {}: {why}", of.join(", "))
            }
        }
    }
}

/// The report's word for what a campaign finds.
pub const CAMPAIGN: &str = "campaign";

/// A constraint that follows from others.
#[derive(Debug, Clone, Copy)]
pub struct Consequence {
    /// Its name.
    pub name: &'static str,
    /// Those that it follows from.
    pub of: &'static [&'static str],
    /// `true` if it follows for the next row of the two that these are about.
    pub ahead: bool,
    /// The rule that notices it.
    pub why: &'static str,
}

/// A loss that nothing notices.
pub const CONSEQUENCES: &[Consequence] = &[
    Consequence {
        name: "batch.group_start_binary",
        of: &[
            "batch.group_start_position",
            "batch.position_continues",
            "batch.position_ternary",
            "batch.idle_position",
            "decoder.in_block",
        ],
        ahead: true,
        why: "any other value needs position 0, and so -1 on the row before",
    },
    Consequence {
        name: "circuits.end_binary",
        of: &[
            "circuits.start",
            "circuits.end_after_gate",
            "circuits.after_last_gate",
            "circuits.kind_binary",
        ],
        ahead: false,
        why: "with any other value the next row is a fetch, and of no kind",
    },
];

/// The forged traces of the tests: what they ask for.
#[derive(Debug, Clone, Default)]
pub struct Forgeries {
    /// Tests by the constraints that alone refuse a trace.
    alone: BTreeMap<String, Tests>,
    /// Tests by the messages without which a trace is accepted.
    messages: BTreeMap<String, Tests>,
    /// Tests by the constraints that they name.
    named: BTreeMap<String, Tests>,
}

impl Forgeries {
    /// The folder of the tests, from that of this crate.
    pub const FOLDER: &str = "tests/suite/forged";

    /// Reads the sources of tests in a folder.
    pub fn read(folder: &Path) -> io::Result<Self> {
        let mut forgeries = Self::default();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let text = fs::read_to_string(&path)?;
            let file = path.file_stem().unwrap_or_default().to_string_lossy();
            for part in text.split("#[test]\nfn ").skip(1) {
                let part = part.split("\n}\n").next().unwrap_or_default();
                let end = part.find(|c: char| !(c.is_alphanumeric() || c == '_'));
                let (name, body) = part.split_at(end.unwrap_or(part.len()));
                forgeries.add(&format!("{file}::{name}"), body);
            }
        }
        Ok(forgeries)
    }

    /// The tests that notice that a boundary constraint is left out, or else a campaign.
    fn notice(&self, boundary: &str) -> Noticed {
        let family = boundary.split('[').next().unwrap_or_default();
        match (self.alone.get(family), self.named.get(family)) {
            (Some(tests), _) => Noticed::Forged(tests.clone()),
            (None, Some(tests)) => Noticed::Named(tests.clone()),
            (None, None) => Noticed::Campaign,
        }
    }

    fn add(&mut self, test: &str, body: &str) {
        // Calls that say everything that refuses a trace.
        for (calls, found) in [
            (
                &["settles_to(&[", "assert_rejected(&["][..],
                &mut self.alone,
            ),
            (&["settles_without(&["], &mut self.messages),
        ] {
            for call in calls {
                for (at, _) in body.match_indices(call) {
                    let list = body[at + call.len()..].split(']').next();
                    if let [name] = literals(list.unwrap_or_default())[..] {
                        let tests = found.entry(name.to_owned()).or_default();
                        tests.insert(test.to_owned());
                    }
                }
            }
        }
        for name in literals(body) {
            let tests = self.named.entry(name.to_owned()).or_default();
            tests.insert(test.to_owned());
        }
    }
}

/// The strings in a source.
fn literals(source: &str) -> Vec<&str> {
    source.split('"').skip(1).step_by(2).collect()
}

/// The parts of a table with their names, and their families'.
fn parts(recorded: &Declaration) -> Vec<(Dropped, String, &'static str)> {
    let constraints = recorded.constraints.iter().enumerate();
    let constraints = constraints.map(|(i, c)| (Dropped::Constraint(i), c.name(), c.family));
    let messages = recorded.messages.iter().enumerate();
    let messages = messages.map(|(i, m)| (Dropped::Message(i), m.name.to_owned(), m.name));
    constraints.chain(messages).collect()
}

/// The kind of rows of a table on which a cell is open without this part.
fn open_without(table: &Solved, dropped: Dropped) -> Option<String> {
    /// So many kinds of rows are tried in vain.
    const MOST: usize = 4;
    let is_it = |source: &Source| Problem::is_dropped(*source, Some(dropped));
    let users = table
        .kinds()
        .filter(|(_, kind)| kind.used.iter().any(is_it));
    let mut users: Vec<_> = users.collect();
    // Rows by which cells have become known first.
    users.sort_by_key(|(_, kind)| {
        let mut rules = kind.log.iter().filter_map(|(_, rule)| rule.source());
        !rules.any(|source| is_it(&source))
    });
    let mut tried = BTreeSet::new();
    users.into_iter().find_map(|(problem, kind)| {
        let label = label(problem, kind);
        if tried.len() == MOST || !tried.insert(label.clone()) {
            return None;
        }
        let left = problem.solve(Some(dropped), Some(&kind.cases));
        let is_open = left.iter().any(|kind| !kind.open.is_empty());
        is_open.then_some(label)
    })
}

/// The check that notices each loss.
#[derive(Debug, Clone)]
pub struct Losses {
    /// By table: the parts in order.
    tables: Vec<(Table, Vec<(String, Noticed)>)>,
}

impl Losses {
    /// Leaves out constraints, messages and boundary constraints of all tables, one at a time: all of them, or with a `step` above
    /// 1 one of so many.
    pub fn new(forgeries: &Forgeries, step: usize) -> Self {
        let solved = Table::ALL.map(Solved::of);
        // Whether messages of a bus are sent, in all tables.
        let mut sent: BTreeMap<Bus, BTreeSet<Option<bool>>> = BTreeMap::new();
        for table in solved {
            for (i, message) in table.recorded.messages.iter().enumerate() {
                let of_bus = sent.entry(message.bus).or_default();
                of_bus.insert(table.is_sent(i));
            }
        }
        let noticed = |table: &Solved, dropped, family: &str| {
            let is_message = matches!(dropped, Dropped::Message(_));
            let forged = if is_message {
                &forgeries.messages
            } else {
                &forgeries.alone
            };
            if let Some(tests) = forged.get(family) {
                return Noticed::Forged(tests.clone());
            }
            if let Dropped::Message(i) = dropped {
                // What is answered as often as it is asked is not missed if it is asked less often.
                let own = table.is_sent(i);
                let all = &sent[&table.recorded.messages[i].bus];
                let is_met = own.is_none_or(|own| all.contains(&Some(!own)));
                if is_met || all.len() == 1 {
                    return Noticed::Unmatched;
                }
            }
            if let Some(kind) = open_without(table, dropped) {
                return Noticed::Open(kind);
            }
            if !is_message && let Some(tests) = forgeries.named.get(family) {
                return Noticed::Named(tests.clone());
            }
            match CONSEQUENCES.iter().find(|other| other.name == family) {
                Some(consequence) => Noticed::Nothing(*consequence),
                None => Noticed::Campaign,
            }
        };
        let public = PublicInputs::default();
        let tables = solved.iter().map(|table| {
            let parts: Vec<_> = parts(table.recorded).into_iter().step_by(step).collect();
            let parts = parts.into_par_iter().map(|(dropped, name, family)| {
                let noticed = noticed(table, dropped, family);
                (name, noticed)
            });
            let mut parts: Vec<(String, Noticed)> = parts.collect();
            let boundaries = table.recorded.table.boundaries(&public).into_iter();
            parts.extend(boundaries.step_by(step).map(|boundary| {
                let noticed = forgeries.notice(&boundary.name);
                (boundary.name, noticed)
            }));
            (table.recorded.table, parts)
        });
        Self {
            tables: tables.collect(),
        }
    }

    /// A line for each part, by table.
    pub fn lines(&self) -> impl Iterator<Item = (Table, Vec<String>)> + '_ {
        self.tables.iter().map(|(table, parts)| {
            let lines = parts
                .iter()
                .map(|(name, noticed)| format!("{name}: {noticed}"));
            (*table, lines.collect())
        })
    }

    /// The report.
    pub fn text(&self) -> String {
        let mut text = HEAD.to_owned();
        for (table, lines) in self.lines() {
            write!(text, "\n{}\n{}\n", heading(table), lines.join("\n")).expect("a string");
        }
        text
    }
}

/// The heading of a table in the report.
pub fn heading(table: Table) -> String {
    format!("# {}", table.name())
}

const HEAD: &str = "\
What notices that a constraint or a message is left out, printed by
`cargo run -p miden-cvm-audit --bin air-report -- losses`; tests compare it. If several things do, it is the
first of these:

accepted: these tests of `audit/tests/suite/forged` have a trace that nothing else refuses
unmatched: messages of every run that has such a row do not balance
open: on these rows a cell has more than one value
asked for: these tests have a trace that others refuse too, and ask for this one
campaign: `tests/audit.rs` finds a change of an honest trace that nothing else refuses
follows: nothing does, as it follows from these
";
