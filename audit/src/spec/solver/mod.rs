//! Determinism: that a row's inputs leave its other cells, and those that the next row takes over,
//! one value.
//!
//! The constraints of a table are polynomials in the cells of two rows. Beginning with the inputs
//! ([`tables`]), cells become known by the rules of [`state`]; where a coefficient may be zero the
//! branch is divided into cases, so the kinds of rows (opcodes among them) are found rather than
//! listed. What is not known in the end is a *witness* if nothing but conditions of its own row reads
//! it, and otherwise open.

pub mod answers;
pub mod inputs;
pub mod losses;
pub mod questions;
pub mod report;
pub mod solved;
pub mod state;
pub mod tables;

use std::collections::{BTreeMap, BTreeSet};

use answers::FUNCTIONS;
use inputs::{Cells, Inputs, in_next_row};
use miden_core::{Felt, ONE, ZERO};
use miden_cvm_air::{
    air::periodic_rows,
    builder::{NUM_PERIODIC, PERIOD},
    columns::cells_of,
    lookup::Bus,
    table::Table,
};
use state::{Case, Lookup, Rule, Source, State};
use tables::Rows;

use super::{
    Declaration, Expanded, Input,
    polynomial::{Monomial, Polynomial, Variable},
};

/// The part that is left out of a table, to see whether anything notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dropped {
    /// A constraint, by its number.
    Constraint(usize),
    /// A message, by its number.
    Message(usize),
}

/// A table, ready to be solved.
#[derive(Debug)]
pub struct Problem {
    /// The table.
    pub table: Table,
    /// `true` if the program is a composition.
    pub composed: bool,
    /// The row's place in a cycle of the periodic columns.
    pub place: usize,
    /// The names of its cells.
    pub cells: Cells,
    constraints: Vec<(Source, Polynomial)>,
    lookups: Vec<Lookup>,
}

/// The polynomials of a table, before anything is known.
#[derive(Debug)]
pub struct Polynomials {
    table: Table,
    /// The polynomials that are zero.
    pub(super) constraints: Vec<Polynomial>,
    /// Bus, count and coordinates.
    pub(super) messages: Vec<(Bus, Polynomial, Vec<Polynomial>)>,
}

impl Polynomials {
    /// Those of a recorded table.
    pub fn new(recorded: &Declaration) -> Self {
        let mut expanded = Expanded::new(&recorded.nodes);
        let constraints = recorded
            .constraints
            .iter()
            .map(|c| expanded.of(c.value))
            .collect();
        let messages = recorded
            .messages
            .iter()
            .map(|message| {
                let count = expanded.of(message.count);
                let coordinates = message
                    .coordinates
                    .iter()
                    .map(|&c| expanded.of(c))
                    .collect();
                (message.bus, count, coordinates)
            })
            .collect();
        Self {
            table: recorded.table,
            constraints,
            messages,
        }
    }

    /// Returns `true` if a periodic column occurs.
    pub fn is_periodic(&self) -> bool {
        let messages = self
            .messages
            .iter()
            .flat_map(|(_, count, coordinates)| coordinates.iter().chain([count]));
        let mut all = self.constraints.iter().chain(messages);
        all.any(|polynomial| {
            let is_periodic =
                |&x: &Variable| matches!(Input::of(self.table, usize::from(x)), Input::Periodic(_));
            polynomial.variables().iter().any(is_periodic)
        })
    }

    /// Returns `true` if it makes a difference whether the program is a composition.
    pub fn depends_on_composition(&self) -> bool {
        let composed = Input::Composed.variable(self.table);
        let messages = self
            .messages
            .iter()
            .flat_map(|(_, count, coordinates)| coordinates.iter().chain([count]));
        self.constraints
            .iter()
            .chain(messages)
            .any(|p| p.has(composed))
    }

    /// The values of what is constant at a place of a cycle.
    fn constants(&self, composed: bool, place: usize) -> impl Fn(Variable) -> Option<Felt> {
        let periodic: [Felt; NUM_PERIODIC] =
            core::array::from_fn(|i| cells_of(&periodic_rows()[place % PERIOD])[i]);
        let table = self.table;
        move |x| match Input::of(table, usize::from(x)) {
            Input::Periodic(i) => Some(periodic[i]),
            Input::Composed => Some(Felt::from(u8::from(composed))),
            _ => None,
        }
    }

    /// A polynomial on a row at a place of a cycle, in a composition.
    pub(super) fn evaluated(&self, polynomial: &Polynomial, place: usize) -> Polynomial {
        polynomial.evaluated(self.constants(true, place))
    }

    /// The polynomials at a place of a cycle.
    pub fn at(&self, composed: bool, place: usize) -> Problem {
        let now = self.constants(composed, place);
        let then = self.constants(composed, place + 1);
        let mut constraints = Vec::new();
        for (i, polynomial) in self.constraints.iter().enumerate() {
            constraints.push((Source::Constraint(i, false), polynomial.evaluated(&now)));
            if let Some(next) = in_next_row(self.table, polynomial) {
                constraints.push((Source::Constraint(i, true), next.evaluated(&then)));
            }
        }
        constraints.retain(|(_, polynomial)| !polynomial.is_zero());
        let mut lookups = Vec::new();
        for (i, (bus, count, coordinates)) in self.messages.iter().enumerate() {
            lookups.push(Lookup {
                source: Source::Message(i, false),
                bus: *bus,
                count: count.evaluated(&now),
                coordinates: coordinates.iter().map(|c| c.evaluated(&now)).collect(),
                answered: BTreeSet::new(),
                bounded: false,
                asked: false,
            });
            let next: Option<Vec<_>> = coordinates
                .iter()
                .chain([count])
                .map(|polynomial| in_next_row(self.table, polynomial))
                .collect();
            // The next row's range checks bound its cells.
            let ahead = matches!(bus, Bus::Range | Bus::Byte) || Rows::of(self.table).looks_ahead;
            if let Some(mut next) = next
                && ahead
                && let Some(count) = next.pop()
            {
                lookups.push(Lookup {
                    source: Source::Message(i, true),
                    bus: *bus,
                    count: count.evaluated(&then),
                    coordinates: next.iter().map(|c| c.evaluated(&then)).collect(),
                    answered: BTreeSet::new(),
                    bounded: false,
                    asked: false,
                });
            }
        }
        lookups.retain(|lookup| !lookup.count.is_zero());
        Problem {
            table: self.table,
            composed,
            place,
            cells: Cells::new(self.table, place),
            constraints,
            lookups,
        }
    }
}

/// A kind of row: the end of a branch.
#[derive(Debug, Clone)]
pub struct Kind {
    /// The cases that lead to it: flags with their values, and what is zero or not.
    pub cases: Vec<(Case, bool)>,
    /// The variables that became known, in order, and by which rule.
    pub log: Vec<(Variable, Rule)>,
    /// Cells with constant values.
    pub constants: BTreeMap<Variable, Felt>,
    /// Cells that no rule determines, and that nothing but their row's conditions reads.
    pub witnesses: Vec<Variable>,
    /// Cells that no rule determines.
    pub open: Vec<Variable>,
    /// The conditions that the inputs have to satisfy.
    pub conditions: Vec<(Source, Polynomial)>,
    /// The sources that the rules have used.
    pub used: BTreeSet<Source>,
    /// The state at the end.
    pub state: State,
}

impl Kind {
    /// A polynomial with what its variables are equal to, as far as constraints that are linear in them
    /// say it, and as long as the degree stays within `degree`.
    pub fn meaning(&self, polynomial: &Polynomial, degree: usize) -> Polynomial {
        let mut meaning = polynomial.clone();
        loop {
            let next = meaning.variables().into_iter().find_map(|x| {
                if let Some(&value) = self.constants.get(&x) {
                    return Some((x, Polynomial::constant(value)));
                }
                let definition = self.state.definitions.get(&x)?;
                let grown = |(monomial, _): (&Monomial, Felt)| {
                    let power = monomial.power(x);
                    monomial.degree() - power + power * definition.degree()
                };
                let fits = meaning
                    .terms()
                    .map(grown)
                    .max()
                    .is_some_and(|d| d <= degree);
                fits.then(|| (x, definition.clone()))
            });
            match next {
                Some((x, by)) => meaning = meaning.substituted(x, &by),
                None => return meaning,
            }
        }
    }
}

/// So many cases are divided on one branch.
const MAX_CASES: usize = 64;

impl Problem {
    /// Returns `true` if a source is left out.
    fn is_dropped(source: Source, dropped: Option<Dropped>) -> bool {
        match (source, dropped) {
            (Source::Constraint(i, _), Some(Dropped::Constraint(j)))
            | (Source::Message(i, _), Some(Dropped::Message(j))) => i == j,
            _ => false,
        }
    }

    /// All kinds of rows. With a path, those only whose flags have these values.
    pub fn solve(&self, dropped: Option<Dropped>, path: Option<&[(Case, bool)]>) -> Vec<Kind> {
        let keep = |source: Source| !Self::is_dropped(source, dropped);
        let constraints = self.constraints.iter().filter(|(source, _)| keep(*source));
        let lookups = self.lookups.iter().filter(|lookup| keep(lookup.source));
        let inputs = Inputs::new(self.table, &self.cells);
        let first_helper = Input::Composed.variable(self.table) + 1;
        let mut state = State::new(
            constraints.cloned().collect(),
            lookups.cloned().collect(),
            first_helper,
        );
        // The flags by which the kinds of rows differ, all at once.
        let flags: Vec<(Variable, bool)> = path
            .unwrap_or_default()
            .iter()
            .filter_map(|(case, value)| match case {
                Case::Flag(flag) if inputs.kinds().contains(flag) => Some((*flag, *value)),
                _ => None,
            })
            .collect();
        if state.set_flags(&flags).is_err() {
            return Vec::new();
        }
        self.branch(state, &inputs, path, Vec::new())
    }

    /// The kinds of rows on a branch.
    fn branch(
        &self,
        mut state: State,
        inputs: &Inputs<'_>,
        path: Option<&[(Case, bool)]>,
        cases: Vec<(Case, bool)>,
    ) -> Vec<Kind> {
        loop {
            if state.propagate(FUNCTIONS).is_err() {
                return Vec::new();
            }
            if !state.give(inputs.given(&state)) {
                break;
            }
        }
        let width = self.table.width() as Variable;
        let passed: BTreeSet<Variable> = (width..2 * width)
            .filter(|&x| inputs.may_be_passed(&state, x))
            .collect();
        let wanted = |x: Variable| x < width || passed.contains(&x);
        let split = if cases.len() < MAX_CASES {
            state
                .kind_flag(inputs.kinds())
                .or_else(|| state.split(&wanted))
        } else {
            None
        };
        let Some(case) = split else {
            return match state.refute(&wanted) {
                Ok(true) => self.branch(state, inputs, path, cases),
                Ok(false) => vec![self.end(state, inputs, cases)],
                Err(_) => Vec::new(),
            };
        };
        let of_value = |value: bool, mut state: State, mut cases: Vec<(Case, bool)>| {
            if let (Case::Flag(flag), Some(path)) = (&case, path) {
                let given = path.iter().find_map(|(other, value)| match other {
                    Case::Flag(other) if other == flag => Some(*value),
                    _ => None,
                });
                if given.is_some_and(|given| given != value) {
                    return Vec::new();
                }
            }
            let possible = match &case {
                Case::Flag(flag) => {
                    state.used.extend(state.bound_by.get(flag).copied());
                    state.fix(*flag, if value { ONE } else { ZERO }).is_ok()
                }
                Case::Zero(polynomial) => {
                    state.assume(polynomial.clone(), value);
                    true
                }
            };
            if !possible {
                return Vec::new();
            }
            cases.push((case.clone(), value));
            self.branch(state, inputs, path, cases)
        };
        let (also, others) = (state.clone(), cases.clone());
        let (mut kinds, rest) = rayon::join(
            || of_value(true, also, others),
            || of_value(false, state, cases),
        );
        kinds.extend(rest);
        kinds
    }

    /// Returns the result of a branch.
    fn end(&self, state: State, inputs: &Inputs<'_>, cases: Vec<(Case, bool)>) -> Kind {
        let width = self.table.width() as Variable;
        let unknown = |x: &Variable| !state.known.contains(*x);
        let current: BTreeSet<Variable> = (0..width).filter(unknown).collect();
        let mut open: BTreeSet<Variable> = (width..2 * width)
            .filter(unknown)
            .filter(|&x| inputs.is_passed(&state, x))
            .collect();
        let mut witnesses = current;
        // A witness is read by no message but range checks, and by no constraint that has an open cell.
        let carried: BTreeSet<Variable> = state
            .lookups
            .iter()
            .filter(|lookup| !matches!(lookup.bus, Bus::Range | Bus::Byte))
            .filter(|lookup| matches!(lookup.source, Source::Message(_, false)))
            .filter(|lookup| !lookup.count.is_zero())
            .flat_map(|lookup| {
                let coordinates = lookup.coordinates.iter();
                coordinates
                    .chain([&lookup.count])
                    .flat_map(Polynomial::variables)
            })
            .collect();
        let mut moved: Vec<Variable> = witnesses.intersection(&carried).copied().collect();
        while let Some(x) = moved.pop() {
            if witnesses.remove(&x) {
                open.insert(x);
            }
            for (_, polynomial) in &state.active {
                if polynomial.has(x) {
                    let others = polynomial.variables();
                    moved.extend(others.into_iter().filter(|other| witnesses.contains(other)));
                }
            }
        }
        for (_, polynomial) in &state.active {
            let variables = polynomial.variables();
            if variables.iter().any(|x| open.contains(x)) {
                for x in variables {
                    if witnesses.remove(&x) {
                        open.insert(x);
                    }
                }
            }
        }
        let mut conditions = state.conditions.clone();
        let no_unknown = |(_, polynomial): &&(Source, Polynomial)| {
            polynomial
                .variables()
                .iter()
                .all(|x| state.known.contains(*x))
        };
        conditions.extend(state.active.iter().filter(no_unknown).cloned());
        conditions.retain(|(source, _)| *source != Source::Case);
        Kind {
            cases,
            log: state.log.clone(),
            constants: state.constants.clone(),
            witnesses: witnesses.into_iter().collect(),
            open: open.into_iter().collect(),
            conditions,
            used: state.used.clone(),
            state,
        }
    }
}
